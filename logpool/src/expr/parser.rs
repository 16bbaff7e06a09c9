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

use super::{Comparison, Expr, ExprError, FieldNames, Literal, Meta, Operator};
use crate::limits::{EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX};
use crate::query::Pattern;
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
    depth: usize,
}

impl<'t> Parser<'t> {
    pub fn new(text: &'t str, fields: &'t mut FieldNames) -> Result<Parser<'t>, ExprError> {
        let mut parser = Parser { text, fields, token: Token::End, start: 0, end: 0, depth: 0 };
        if text.len() > EXPRESSION_BYTES_MAX {
            let message = format!("an expression has at most {EXPRESSION_BYTES_MAX} bytes");
            return Err(ExprError { message, start: 0, end: 0, text: String::new() });
        }
        parser.next()?;
        Ok(parser)
    }

    /// Where the token begins that comes next.
    pub fn at(&self) -> usize {
        self.start
    }

    pub fn error<T>(&self, message: impl Into<String>) -> Result<T, ExprError> {
        self.error_at(message, self.start, self.end)
    }

    fn error_at<T>(&self, message: impl Into<String>, start: usize, end: usize) -> Result<T, ExprError> {
        Err(ExprError { message: message.into(), start, end, text: self.text.to_owned() })
    }

    pub fn end(&self) -> Result<(), ExprError> {
        if self.token == Token::End { Ok(()) } else { self.error("an operator is missing here") }
    }

    pub fn or(&mut self) -> Result<Expr, ExprError> {
        let mut all = self.and()?;
        while self.eat("||")? {
            all = Expr::Or(Box::new(all), Box::new(self.and()?));
        }
        Ok(all)
    }

    fn and(&mut self) -> Result<Expr, ExprError> {
        let mut all = self.not()?;
        while self.eat("&&")? {
            all = Expr::And(Box::new(all), Box::new(self.not()?));
        }
        Ok(all)
    }

    fn not(&mut self) -> Result<Expr, ExprError> {
        if self.eat("!")? {
            return self.nested(|parser| Ok(Expr::Not(Box::new(parser.not()?))));
        }
        self.compare()
    }

    fn compare(&mut self) -> Result<Expr, ExprError> {
        let a = self.sum()?;
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
                return Ok(Expr::Like(Box::new(a), pattern));
            }
            _ => return Ok(a),
        };
        self.next()?;
        let b = self.sum()?;
        if matches!(self.token, Token::Sign("==" | "!=" | "<" | "<=" | ">" | ">=")) {
            return self.error("comparisons are joined by `&&`");
        }
        Ok(Expr::Compare(comparison, Box::new(a), Box::new(b)))
    }

    pub fn sum(&mut self) -> Result<Expr, ExprError> {
        let mut all = self.product()?;
        loop {
            let operator = match self.token {
                Token::Sign("+") => Operator::Add,
                Token::Sign("-") => Operator::Subtract,
                _ => return Ok(all),
            };
            self.next()?;
            all = Expr::Arithmetic(operator, Box::new(all), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Result<Expr, ExprError> {
        let mut all = self.unary()?;
        loop {
            let operator = match self.token {
                Token::Sign("*") => Operator::Multiply,
                Token::Sign("/") => Operator::Divide,
                Token::Sign("%") => Operator::Remainder,
                _ => return Ok(all),
            };
            self.next()?;
            all = Expr::Arithmetic(operator, Box::new(all), Box::new(self.unary()?));
        }
    }

    fn unary(&mut self) -> Result<Expr, ExprError> {
        if self.eat("-")? {
            return self.nested(|parser| Ok(Expr::Negate(Box::new(parser.unary()?))));
        }
        if self.eat("(")? {
            return self.nested(|parser| {
                let inner = parser.or()?;
                parser.need(")")?;
                Ok(inner)
            });
        }
        match std::mem::replace(&mut self.token, Token::End) {
            Token::Literal(literal) => {
                self.next()?;
                Ok(Expr::Literal(literal))
            }
            Token::Quoted(name) => {
                self.next()?;
                Ok(Expr::Field(self.fields.number(&name)))
            }
            Token::Name(name) => {
                self.next()?;
                if name == "has" && self.eat("(")? {
                    let (Token::Name(field) | Token::Quoted(field)) = self.token.clone() else {
                        return self.error("`has` takes the name of a field");
                    };
                    self.next()?;
                    self.need(")")?;
                    return Ok(Expr::Has(self.fields.number(&field)));
                }
                Ok(Meta::parse(&name).map_or_else(|| Expr::Field(self.fields.number(&name)), Expr::Meta))
            }
            other => {
                self.token = other;
                self.error("a value is missing here")
            }
        }
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Result<Expr, ExprError>) -> Result<Expr, ExprError> {
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
            &format!("this is nested too deep\n  {}\n  {}^", "(".repeat(1000), " ".repeat(65)),
        );
    }
}
