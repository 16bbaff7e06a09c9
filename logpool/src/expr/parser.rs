//! Text to tree.
//!
//! ```text
//! or      = and { "||" and }            and     = not { "&&" not }
//! not     = "!" not | compare           compare = sum [ ("==" | "!=" | "<" | "<=" | ">" | ">=") sum | "like" text ]
//! sum     = product { ("+" | "-") product }         product = unary { ("*" | "/" | "%") unary }
//! unary   = "-" unary | "(" or ")" | "has" "(" name ")" | literal | name
//! literal = 20 | 0.5 | 4KiB | 250ms | "text" | 'text' | true | false | null
//! ```
//!
//! What the names and the numbers are, `expr` says.

use super::kind::{Kind, TIMES};
use super::{Comparison, Expr, ExprError, FieldNames, Literal, Meta, Operator};
use crate::limits::{EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX};
use crate::query::Pattern;
use crate::text::parse_time;
use dscript_units::{duration_unit, size_unit};

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Name(String),
    Quoted(String),
    Literal(Literal),
    Sign(&'static str),
    End,
}

const SIGNS: [&str; 17] =
    ["||", "&&", "==", "!=", "<=", ">=", "<", ">", "!", "+", "-", "*", "/", "%", "(", ")", ","];

/// Reads expressions out of a text.
pub struct Parser<'t> {
    text: &'t str,
    fields: &'t mut FieldNames,
    token: Token,
    /// Where the token begins and ends.
    start: usize,
    end: usize,
    /// Where the token before it ends.
    before: usize,
    depth: usize,
    /// The fields that must be booleans, by number.
    tested: Vec<usize>,
}

/// A piece of an expression, and where it stands.
pub struct Part {
    pub expr: Expr,
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

impl<'t> Parser<'t> {
    pub fn new(text: &'t str, fields: &'t mut FieldNames) -> Result<Parser<'t>, ExprError> {
        let mut parser = Parser {
            text,
            fields,
            token: Token::End,
            start: 0,
            end: 0,
            before: 0,
            depth: 0,
            tested: Vec::new(),
        };
        if text.len() > EXPRESSION_BYTES_MAX {
            let message = format!("an expression has at most {EXPRESSION_BYTES_MAX} bytes");
            return Err(ExprError { message, start: 0, end: 0, text: String::new() });
        }
        parser.next()?;
        Ok(parser)
    }

    /// Where the token ends that was read last.
    pub fn before(&self) -> usize {
        self.before
    }

    /// Where the token begins that comes next.
    pub fn at(&self) -> usize {
        self.start
    }

    pub fn error<T>(&self, message: impl Into<String>) -> Result<T, ExprError> {
        self.error_at(message, self.start, self.end)
    }

    pub fn error_at<T>(&self, message: impl Into<String>, start: usize, end: usize) -> Result<T, ExprError> {
        Err(ExprError { message: message.into(), start, end, text: self.text.to_owned() })
    }

    pub fn end(&self) -> Result<(), ExprError> {
        if self.token == Token::End { Ok(()) } else { self.error("an operator is missing here") }
    }

    /// A whole expression that is true or false, and the fields that must be booleans for it.
    pub fn condition(&mut self) -> Result<(Expr, Vec<usize>), ExprError> {
        let all = self.any()?;
        self.end()?;
        self.must_be_boolean(&all)?;
        Ok((all.expr, std::mem::take(&mut self.tested)))
    }

    pub fn any(&mut self) -> Result<Part, ExprError> {
        let mut all = self.and()?;
        while self.eat("||")? {
            let next = self.and()?;
            all = self.joined(Expr::Or, all, next)?;
        }
        Ok(all)
    }

    fn and(&mut self) -> Result<Part, ExprError> {
        let mut all = self.not()?;
        while self.eat("&&")? {
            let next = self.not()?;
            all = self.joined(Expr::And, all, next)?;
        }
        Ok(all)
    }

    fn joined(
        &mut self,
        join: fn(Box<Expr>, Box<Expr>) -> Expr,
        a: Part,
        b: Part,
    ) -> Result<Part, ExprError> {
        self.must_be_boolean(&a)?;
        self.must_be_boolean(&b)?;
        let expr = join(Box::new(a.expr), Box::new(b.expr));
        Ok(Part { expr, kind: Kind::Bool, start: a.start, end: b.end })
    }

    fn must_be_boolean(&mut self, part: &Part) -> Result<(), ExprError> {
        if let Expr::Field(number) = part.expr {
            self.tested.push(number);
        }
        match part.kind {
            Kind::Bool | Kind::Unknown => Ok(()),
            kind => {
                let message =
                    format!("a condition is wanted here, and this is {kind}: compare it with something");
                self.error_at(message, part.start, part.end)
            }
        }
    }

    fn not(&mut self) -> Result<Part, ExprError> {
        let start = self.start;
        if self.eat("!")? {
            return self.nested(|parser| {
                let inner = parser.not()?;
                parser.must_be_boolean(&inner)?;
                Ok(Part { expr: Expr::Not(Box::new(inner.expr)), kind: Kind::Bool, start, end: inner.end })
            });
        }
        self.compare()
    }

    fn compare(&mut self) -> Result<Part, ExprError> {
        let a = self.terms()?;
        self.compared(a)
    }

    /// What follows a value, up to the end of a comparison of it; the value itself if none follows.
    pub fn compared(&mut self, a: Part) -> Result<Part, ExprError> {
        let comparison = match &self.token {
            Token::Sign("==") => Comparison::Equal,
            Token::Sign("!=") => Comparison::NotEqual,
            Token::Sign("<") => Comparison::Less,
            Token::Sign("<=") => Comparison::LessOrEqual,
            Token::Sign(">") => Comparison::Greater,
            Token::Sign(">=") => Comparison::GreaterOrEqual,
            Token::Name(name) if name == "like" => {
                self.next()?;
                let Token::Literal(Literal::String(glob)) = &self.token else {
                    return self.error("`like` is followed by a text such as \"web-*\"");
                };
                let pattern = Pattern::parse(glob);
                self.next()?;
                if !matches!(a.kind, Kind::Text | Kind::Unknown) {
                    let message = format!("`like` is for texts, and this is {}", a.kind);
                    return self.error_at(message, a.start, a.end);
                }
                let expr = Expr::Like(Box::new(a.expr), pattern);
                return Ok(Part { expr, kind: Kind::Bool, start: a.start, end: self.before });
            }
            _ => return Ok(a),
        };
        self.next()?;
        let b = self.terms()?;
        if matches!(self.token, Token::Sign("==" | "!=" | "<" | "<=" | ">" | ">=")) {
            return self.error("comparisons are joined by `&&`");
        }
        let (a, b) = match (a.kind, b.kind) {
            (Kind::Time, Kind::Text) => (self.literal_time(b).map(|b| (a, b)))?,
            (Kind::Text, Kind::Time) => (self.literal_time(a).map(|a| (a, b)))?,
            _ => (a, b),
        };
        if let Some(message) = comparison.is_pointless(a.kind, b.kind) {
            return self.error_at(message, a.start, b.end);
        }
        let (start, end) = (a.start, b.end);
        let expr = Expr::Compare(comparison, Box::new(a.expr), Box::new(b.expr));
        Ok(Part { expr, kind: Kind::Bool, start, end })
    }

    /// A text as the time that it is written for.
    fn literal_time(&self, part: Part) -> Result<Part, ExprError> {
        let Expr::Literal(Literal::String(text)) = &part.expr else { return Ok(part) };
        match parse_time(text) {
            Ok(time) => Ok(Part { expr: Expr::Literal(Literal::Time(time)), kind: Kind::Time, ..part }),
            Err(why) => self.error_at(format!("{why}; {TIMES}"), part.start, part.end),
        }
    }

    fn terms(&mut self) -> Result<Part, ExprError> {
        let mut all = self.product()?;
        loop {
            let operator = match self.token {
                Token::Sign("+") => Operator::Add,
                Token::Sign("-") => Operator::Subtract,
                _ => return Ok(all),
            };
            self.next()?;
            let next = self.product()?;
            all = self.calculated(operator, all, next)?;
        }
    }

    fn product(&mut self) -> Result<Part, ExprError> {
        let mut all = self.unary()?;
        loop {
            let operator = match self.token {
                Token::Sign("*") => Operator::Multiply,
                Token::Sign("/") => Operator::Divide,
                Token::Sign("%") => Operator::Remainder,
                _ => return Ok(all),
            };
            self.next()?;
            let next = self.unary()?;
            all = self.calculated(operator, all, next)?;
        }
    }

    fn calculated(&self, operator: Operator, a: Part, b: Part) -> Result<Part, ExprError> {
        let Some(kind) = operator.kind(a.kind, b.kind) else {
            let message = format!("there is no `{}` of {} and {}", operator.sign(), a.kind, b.kind);
            return self.error_at(message, a.start, b.end);
        };
        let expr = Expr::Arithmetic(operator, Box::new(a.expr), Box::new(b.expr));
        Ok(Part { expr, kind, start: a.start, end: b.end })
    }

    fn unary(&mut self) -> Result<Part, ExprError> {
        let start = self.start;
        if self.eat("-")? {
            return self.nested(|parser| {
                let inner = parser.unary()?;
                if !matches!(inner.kind, Kind::Number | Kind::Duration | Kind::Unknown) {
                    let message = format!("there is no `-` of {}", inner.kind);
                    return parser.error_at(message, inner.start, inner.end);
                }
                Ok(Part { expr: Expr::Negate(Box::new(inner.expr)), kind: inner.kind, start, end: inner.end })
            });
        }
        if self.eat("(")? {
            return self.nested(|parser| {
                let inner = parser.any()?;
                parser.need(")")?;
                Ok(Part { start, end: parser.before, ..inner })
            });
        }
        let (expr, kind) = self.value()?;
        Ok(Part { expr, kind, start, end: self.before })
    }

    fn value(&mut self) -> Result<(Expr, Kind), ExprError> {
        match std::mem::replace(&mut self.token, Token::End) {
            Token::Literal(literal) => {
                self.next()?;
                let kind = literal.kind();
                Ok((Expr::Literal(literal), kind))
            }
            Token::Quoted(name) => {
                self.next()?;
                Ok((Expr::Field(self.fields.number(&name)), Kind::Unknown))
            }
            Token::Name(name) => {
                self.next()?;
                if name == "has" && self.eat("(")? {
                    let (Token::Name(field) | Token::Quoted(field)) = self.token.clone() else {
                        return self.error("`has` takes the name of a field");
                    };
                    self.next()?;
                    self.need(")")?;
                    return Ok((Expr::Has(self.fields.number(&field)), Kind::Bool));
                }
                let meta = Meta::parse(&name);
                meta.into_iter().for_each(|meta| self.fields.reads(meta));
                Ok(match meta {
                    Some(Meta::Time) => (Expr::Meta(Meta::Time), Kind::Time),
                    Some(meta) => (Expr::Meta(meta), Kind::Text),
                    None => (Expr::Field(self.fields.number(&name)), Kind::Unknown),
                })
            }
            other => {
                self.token = other;
                self.error("a value is missing here")
            }
        }
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Result<Part, ExprError>) -> Result<Part, ExprError> {
        if self.depth == EXPRESSION_DEPTH_MAX {
            return self.error("this is nested too deep");
        }
        self.depth += 1;
        let inner = read(self);
        self.depth -= 1;
        inner
    }

    pub fn eat(&mut self, sign: &str) -> Result<bool, ExprError> {
        let there = matches!(self.token, Token::Sign(found) if found == sign);
        if there {
            self.next()?;
        }
        Ok(there)
    }

    pub fn need(&mut self, sign: &str) -> Result<(), ExprError> {
        if self.eat(sign)? { Ok(()) } else { self.error(format!("`{sign}` is missing here")) }
    }

    fn next(&mut self) -> Result<(), ExprError> {
        self.before = self.end;
        let rest = &self.text[self.end..];
        let rest = rest.trim_start();
        self.start = self.text.len() - rest.len();
        self.end = self.start;
        let Some(first) = rest.chars().next() else {
            self.token = Token::End;
            return Ok(());
        };
        let (token, length) = match first {
            '"' | '\'' => {
                self.quoted(rest, first).map(|(text, end)| (Token::Literal(Literal::String(text)), end))?
            }
            '`' => self.quoted(rest, first).map(|(text, end)| (Token::Quoted(text), end))?,
            '0'..='9' => self.number(rest)?,
            _ if first.is_alphabetic() || first == '_' => {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                let token = match &rest[..end] {
                    "true" => Token::Literal(Literal::Bool(true)),
                    "false" => Token::Literal(Literal::Bool(false)),
                    "null" => Token::Literal(Literal::Null),
                    name => Token::Name(name.to_owned()),
                };
                (token, end)
            }
            _ => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                Some(sign) => (Token::Sign(sign), sign.len()),
                None => {
                    let hint = match first {
                        '=' => "two values are compared by `==`",
                        '&' => "two conditions are joined by `&&`",
                        '|' => "two conditions are joined by `||`",
                        _ => "this means nothing here",
                    };
                    return self.error_at(hint, self.start, self.start + first.len_utf8());
                }
            },
        };
        self.token = token;
        self.end = self.start + length;
        Ok(())
    }

    /// A text in quotes, and where it ends.
    fn quoted(&self, rest: &str, quote: char) -> Result<(String, usize), ExprError> {
        let mut text = String::new();
        let mut chars = rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                _ if c == quote => return Ok((text, at + quote.len_utf8())),
                '\\' if quote != '`' => match chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, c @ ('\\' | '"' | '\''))) => text.push(c),
                    _ => {
                        let at = self.start + at;
                        return self.error_at("after `\\` stands one of n t \\ \" '", at, at + 1);
                    }
                },
                _ => text.push(c),
            }
        }
        self.error_at(format!("the closing {quote} is missing"), self.start, self.text.len())
    }

    fn number(&self, rest: &str) -> Result<(Token, usize), ExprError> {
        let digits = |from: &str| from.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(from.len());
        let mut end = digits(rest);
        let fraction = rest[end..].strip_prefix('.').map_or(0, digits);
        if fraction > 0 {
            end += 1 + fraction;
        }
        let unit_end = rest[end..].find(|c: char| !c.is_alphanumeric()).map_or(rest.len(), |at| end + at);
        let (digits, unit) = (rest[..end].replace('_', ""), &rest[end..unit_end]);
        let bad = |message: String| self.error_at(message, self.start, self.start + unit_end);
        if fraction > 0 || unit.starts_with(['e', 'E']) {
            let text = &rest[..unit_end];
            // The sign of an exponent ends a word.
            let signed = unit.len() == 1 && rest[unit_end..].starts_with(['-', '+']);
            let end = if signed {
                unit_end
                    + 1
                    + rest[unit_end + 1..]
                        .find(|c: char| !c.is_ascii_digit())
                        .unwrap_or(rest.len() - unit_end - 1)
            } else {
                unit_end
            };
            return match rest[..end].replace('_', "").parse::<f64>() {
                Ok(value) => Ok((Token::Literal(Literal::Double(value)), end)),
                Err(_) => bad(format!("`{text}` is no number")),
            };
        }
        let Ok(value) = digits.parse::<i64>() else { return bad("this is too large for an int".into()) };
        let times = |unit: u64| value.checked_mul(i64::try_from(unit).ok()?);
        let literal = match unit {
            "" => Some(Literal::Int(value)),
            _ => match (size_unit(unit), duration_unit(unit)) {
                (Some(size), _) => times(size).map(Literal::Int),
                (_, Some(nanos)) => times(nanos).map(Literal::Duration),
                _ => {
                    return bad(format!(
                        "`{unit}` is no unit; there are KB MB GB TB KiB MiB GiB TiB and ns us ms s m h d"
                    ));
                }
            },
        };
        match literal {
            Some(literal) => Ok((Token::Literal(literal), unit_end)),
            None => bad("this is too large".into()),
        }
    }

    /// The name of a function, which may hold a dot (`p99.9`), if one is next.
    pub fn function(&mut self) -> Result<Option<String>, ExprError> {
        let rest = &self.text[self.start..];
        if !matches!(self.token, Token::Name(_)) {
            return Ok(None);
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '.').unwrap_or(rest.len());
        self.end = self.start + end;
        let name = rest[..end].to_owned();
        self.next()?;
        Ok(Some(name))
    }

    /// Whether a name with arguments is next, such as `p99.9(us)`; no question for a field (`has`).
    pub fn call_is_next(&self) -> bool {
        let rest = &self.text[self.start..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '.').unwrap_or(rest.len());
        matches!(&self.token, Token::Name(name) if name != "has") && rest[end..].trim_start().starts_with('(')
    }

    pub fn word_is_next(&self, word: &str) -> bool {
        matches!(&self.token, Token::Name(found) if found == word)
    }

    pub fn eat_word(&mut self, word: &str) -> Result<bool, ExprError> {
        let there = self.word_is_next(word);
        if there {
            self.next()?;
        }
        Ok(there)
    }

    /// A name, in backticks or not, if one is next.
    pub fn name(&mut self) -> Result<Option<String>, ExprError> {
        let (Token::Name(name) | Token::Quoted(name)) = self.token.clone() else { return Ok(None) };
        self.next()?;
        Ok(Some(name))
    }

    /// The text from a place to before the token that comes next.
    pub fn text_from(&self, from: usize) -> &'t str {
        self.text[from..self.start].trim()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_shown_where_they_are() {
        let check = |text: &str, expected: &str| {
            let error = Expr::parse(text, &mut FieldNames::default()).expect_err(text).to_string();
            assert_eq!(error, expected);
        };
        check("wa = 20", "two values are compared by `==`\n  wa = 20\n     ^");
        check("wa > ", "a value is missing here\n  wa > \n       ^");
        check("wa > 20 node", "an operator is missing here\n  wa > 20 node\n          ^^^^");
        check("(wa > 20", "`)` is missing here\n  (wa > 20\n          ^");
        check(
            "node like wa",
            "`like` is followed by a text such as \"web-*\"\n  node like wa\n            ^^",
        );
        check(
            "größe > 5q",
            "`q` is no unit; there are KB MB GB TB KiB MiB GiB TiB and ns us ms s m h d\n  größe > 5q\n          ^^",
        );
        check("1 < wa < 3", "comparisons are joined by `&&`\n  1 < wa < 3\n         ^");
        check("'a", "the closing ' is missing\n  'a\n  ^^");
        check(
            &"(".repeat(1000),
            &format!("this is nested too deep\n  ...{}...\n  {}^", "(".repeat(100), " ".repeat(53)),
        );
        // Of a long text what stands around the place is shown.
        let long = "a > 1 && ".repeat(40);
        let end = &long[long.len() - 100..];
        check(&long, &format!("a value is missing here\n  ...{end}\n  {}^", " ".repeat(103)));
        let middle = format!("{long}(1 < wa\t< 3) && {long}a > 1");
        let shown: String = middle.chars().skip(360 + 8 - 50).take(100).collect();
        check(
            &middle,
            &format!(
                "comparisons are joined by `&&`\n  ...{}...\n  {}^",
                shown.replace('\t', " "),
                " ".repeat(53)
            ),
        );
    }

    #[test]
    fn what_can_never_be_true_is_refused() {
        let check = |text: &str, expected: &str| {
            let error = Expr::parse(text, &mut FieldNames::default()).expect_err(text).to_string();
            assert_eq!(error.lines().next(), Some(expected), "{text}");
            let marked = error.lines().nth(2).expect("the place is marked");
            let place = &text[marked.find('^').expect("a mark") - 2..marked.len() - 2];
            assert!(!place.is_empty() && place.trim() == place, "{text}: {place:?}");
            place.to_owned()
        };
        let no_condition =
            |kind| format!("a condition is wanted here, and this is {kind}: compare it with something");
        assert_eq!(check("5", &no_condition("a number")), "5");
        assert_eq!(check("wa > 2 && 'a'", &no_condition("a text")), "'a'");
        assert_eq!(check("up || (node)", &no_condition("a text")), "(node)");
        assert_eq!(check("!(1s + 2s)", &no_condition("a duration")), "(1s + 2s)");
        assert_eq!(check("time && up", &no_condition("a time")), "time");
        assert_eq!(check("null", &no_condition("null")), "null");
        let never = "a text is never equal to a number, nor less or greater";
        assert_eq!(check("up && node == 5 * 2", never), "node == 5 * 2");
        assert_eq!(check("wa < null", "null is neither less nor greater than anything"), "wa < null");
        for text in ["time > 10m", "time < 1700000000", "time == node", "5 < time"] {
            assert_eq!(check(text, TIMES), text);
        }
        let no_time = format!("`yesterday` is no time, such as 2026-01-31T08:00:00Z; {TIMES}");
        assert_eq!(check("time > 'yesterday'", &no_time), "'yesterday'");
        assert_eq!(check("5 like '*'", "`like` is for texts, and this is a number"), "5");
        assert_eq!(check("wa > key + 1", "there is no `+` of a text and a number"), "key + 1");
        assert_eq!(check("wa > time * 2", "there is no `*` of a time and a number"), "time * 2");
        assert_eq!(check("wa > -'a'", "there is no `-` of a text"), "'a'");
        let (mut fields, all) = (FieldNames::default(), "up && !`is ok` || wa > 5 && (x)");
        let (_, tested) = Parser::new(all, &mut fields).unwrap().condition().unwrap();
        let tested: Vec<&str> = tested.iter().map(|&number| &fields.names()[number][..]).collect();
        assert_eq!(tested, ["is ok", "up", "x"]);
    }
}
