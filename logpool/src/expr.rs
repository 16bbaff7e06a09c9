//! The expressions of queries: `wa > 20 && node like "web-*"`. Text to tree, and what a tree is for a record.
//!
//! ```text
//! or      = and { "||" and }            and     = not { "&&" not }
//! not     = "!" not | compare           compare = sum [ ("==" | "!=" | "<" | "<=" | ">" | ">=") sum | "like" text ]
//! sum     = product { ("+" | "-") product }         product = unary { ("*" | "/" | "%") unary }
//! unary   = "-" unary | "(" or ")" | "has" "(" name ")" | literal | name
//! literal = 20 | 0.5 | 4KiB | 250ms | "text" | 'text' | true | false | null
//! ```
//!
//! `pool key node task time` are the record's meta data; any other name is a field, and in backticks every name is.
//! Numbers are D-Script's: ints with sizes, doubles, durations. Values are compared with values of their kind (ints
//! with doubles by value); a comparison with a field that is not there, or is of another kind, is false, `x == null`
//! is true where `x` is null or not there. Int arithmetic that overflows, and division by zero, give no value.

use std::cmp::Ordering;
use std::fmt;

use crate::codec::ValueRef;
use crate::limits::{EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX};
use crate::query::Pattern;
use crate::units::{duration_unit, size_unit};

/// What is wrong with an expression, and where: a range of bytes of its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExprError {
    pub message: String,
    pub start: usize,
    pub end: usize,
    text: String,
}

/// The text with the place marked below it.
impl fmt::Display for ExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = self.text[..self.start].chars().count();
        let marked = self.text[self.start..self.end].chars().count().max(1);
        write!(f, "{}\n  {}\n  {}{}", self.message, self.text, " ".repeat(before), "^".repeat(marked))
    }
}

impl std::error::Error for ExprError {}

/// What every record has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meta {
    Pool,
    Key,
    Node,
    Task,
    Time,
}

impl Meta {
    pub fn parse(name: &str) -> Option<Meta> {
        Some(match name {
            "pool" => Meta::Pool,
            "key" => Meta::Key,
            "node" => Meta::Node,
            "task" => Meta::Task,
            "time" => Meta::Time,
            _ => return None,
        })
    }
}

/// A record as an expression sees it.
pub trait Row {
    /// The field of that number among the names that the expression was given (see [`Fields`]).
    fn field(&self, number: usize) -> Option<ValueRef<'_>>;
    fn meta(&self, meta: Meta) -> ValueRef<'_>;
}

/// The names of the fields that expressions read; they know them by number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields {
    names: Vec<String>,
}

impl Fields {
    pub fn names(&self) -> &[String] {
        &self.names
    }

    pub fn number(&mut self, name: &str) -> usize {
        self.names.iter().position(|known| known == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        })
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    Field(usize),
    Meta(Meta),
    Has(usize),
    Literal(Literal),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Compare(Comparison, Box<Expr>, Box<Expr>),
    Like(Box<Expr>, Pattern),
    Arithmetic(Operator, Box<Expr>, Box<Expr>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Duration(i64),
    String(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Expr {
    /// Reads an expression, and gives the fields it reads numbers.
    pub fn parse(text: &str, fields: &mut Fields) -> Result<Expr, ExprError> {
        let mut parser = Parser::new(text, fields)?;
        let expr = parser.or()?;
        parser.end()?;
        Ok(expr)
    }

    /// Whether it is true of the record.
    pub fn holds(&self, row: &impl Row) -> bool {
        match self {
            Expr::And(a, b) => a.holds(row) && b.holds(row),
            Expr::Or(a, b) => a.holds(row) || b.holds(row),
            Expr::Not(inner) => !inner.holds(row),
            Expr::Has(number) => !matches!(row.field(*number), None | Some(ValueRef::Null)),
            Expr::Compare(comparison, a, b) => comparison.holds(a.value(row), b.value(row)),
            Expr::Like(inner, pattern) => match inner.value(row) {
                Some(ValueRef::String(text)) => pattern.matches(text),
                _ => false,
            },
            _ => self.value(row) == Some(ValueRef::Bool(true)),
        }
    }

    /// `None` where there is none: a field that is not there, or arithmetic that has no result.
    pub fn value<'v>(&'v self, row: &'v impl Row) -> Option<ValueRef<'v>> {
        Some(match self {
            Expr::Field(number) => return row.field(*number),
            Expr::Meta(meta) => row.meta(*meta),
            Expr::Literal(literal) => match literal {
                Literal::Null => ValueRef::Null,
                Literal::Bool(value) => ValueRef::Bool(*value),
                Literal::Int(value) => ValueRef::Int(*value),
                Literal::Double(value) => ValueRef::Double(*value),
                Literal::Duration(value) => ValueRef::Duration(*value),
                Literal::String(text) => ValueRef::String(text),
            },
            Expr::Negate(inner) => match inner.value(row)? {
                ValueRef::Int(value) => ValueRef::Int(value.checked_neg()?),
                ValueRef::Double(value) => ValueRef::Double(-value),
                ValueRef::Duration(value) => ValueRef::Duration(value.checked_neg()?),
                _ => return None,
            },
            Expr::Arithmetic(operator, a, b) => return operator.apply(a.value(row)?, b.value(row)?),
            _ => ValueRef::Bool(self.holds(row)),
        })
    }

    /// Whether the names of tasks are looked at.
    pub fn needs_tasks(&self) -> bool {
        match self {
            Expr::Meta(meta) => *meta == Meta::Task,
            Expr::Field(_) | Expr::Has(_) | Expr::Literal(_) => false,
            Expr::Not(inner) | Expr::Negate(inner) | Expr::Like(inner, _) => inner.needs_tasks(),
            Expr::And(a, b) | Expr::Or(a, b) | Expr::Compare(_, a, b) | Expr::Arithmetic(_, a, b) => {
                a.needs_tasks() || b.needs_tasks()
            }
        }
    }

    /// Whether it is false of every record whose fields lie between the bounds, as far as comparisons of a field with
    /// a number can tell.
    pub fn rules_out(&self, bounds: &impl Fn(usize) -> Option<(f64, f64)>) -> bool {
        match self {
            Expr::And(a, b) => a.rules_out(bounds) || b.rules_out(bounds),
            Expr::Or(a, b) => a.rules_out(bounds) && b.rules_out(bounds),
            Expr::Compare(comparison, a, b) => match (&**a, &**b) {
                (Expr::Field(number), Expr::Literal(literal)) => {
                    comparison.is_never(bounds(*number), literal.number())
                }
                (Expr::Literal(literal), Expr::Field(number)) => {
                    comparison.turned().is_never(bounds(*number), literal.number())
                }
                _ => false,
            },
            _ => false,
        }
    }
}

impl Literal {
    fn number(&self) -> Option<f64> {
        match self {
            Literal::Int(value) | Literal::Duration(value) => Some(*value as f64),
            Literal::Double(value) => Some(*value),
            _ => None,
        }
    }
}

impl Comparison {
    /// Longer signs first.
    pub const SIGNS: [(&str, Comparison); 6] = [
        ("<=", Comparison::LessOrEqual),
        (">=", Comparison::GreaterOrEqual),
        ("==", Comparison::Equal),
        ("!=", Comparison::NotEqual),
        ("<", Comparison::Less),
        (">", Comparison::Greater),
    ];

    fn holds(self, a: Option<ValueRef>, b: Option<ValueRef>) -> bool {
        let null = |value: Option<ValueRef>| matches!(value, None | Some(ValueRef::Null));
        if b == Some(ValueRef::Null) || a == Some(ValueRef::Null) {
            return match self {
                Comparison::Equal => null(a) && null(b),
                Comparison::NotEqual => null(a) != null(b),
                _ => false,
            };
        }
        let (Some(a), Some(b)) = (a, b) else { return false };
        let Some(order) = order(a, b) else { return false };
        match self {
            Comparison::Equal => order == Ordering::Equal,
            Comparison::NotEqual => order != Ordering::Equal,
            Comparison::Less => order == Ordering::Less,
            Comparison::LessOrEqual => order != Ordering::Greater,
            Comparison::Greater => order == Ordering::Greater,
            Comparison::GreaterOrEqual => order != Ordering::Less,
        }
    }

    fn turned(self) -> Comparison {
        match self {
            Comparison::Less => Comparison::Greater,
            Comparison::LessOrEqual => Comparison::GreaterOrEqual,
            Comparison::Greater => Comparison::Less,
            Comparison::GreaterOrEqual => Comparison::LessOrEqual,
            same => same,
        }
    }

    /// Whether no value between the bounds compares so. Rounding to doubles keeps the order, so a strict
    /// disagreement of the rounded numbers is one of the numbers.
    fn is_never(self, bounds: Option<(f64, f64)>, with: Option<f64>) -> bool {
        let (Some((least, greatest)), Some(with)) = (bounds, with) else { return false };
        match self {
            Comparison::Equal => with < least || with > greatest,
            Comparison::NotEqual => false,
            Comparison::Less | Comparison::LessOrEqual => least > with,
            Comparison::Greater | Comparison::GreaterOrEqual => greatest < with,
        }
    }
}

/// `None` for values that are not to be compared.
pub fn order(a: ValueRef, b: ValueRef) -> Option<Ordering> {
    Some(match (a, b) {
        (ValueRef::Int(a), ValueRef::Int(b))
        | (ValueRef::Duration(a), ValueRef::Duration(b))
        | (ValueRef::Time(a), ValueRef::Time(b)) => a.cmp(&b),
        (ValueRef::Double(a), ValueRef::Double(b)) => return a.partial_cmp(&b),
        (ValueRef::Int(a), ValueRef::Double(b)) => return int_with_double(a, b),
        (ValueRef::Double(a), ValueRef::Int(b)) => return int_with_double(b, a).map(Ordering::reverse),
        (ValueRef::Bool(a), ValueRef::Bool(b)) => a.cmp(&b),
        (ValueRef::String(a), ValueRef::String(b)) => a.cmp(b),
        (ValueRef::Bytes(a), ValueRef::Bytes(b)) => a.cmp(b),
        _ => return None,
    })
}

/// By value, not by rounding.
fn int_with_double(a: i64, b: f64) -> Option<Ordering> {
    if b.is_nan() {
        return None;
    }
    if b >= 9_223_372_036_854_775_808.0 {
        return Some(Ordering::Less);
    }
    if b < -9_223_372_036_854_775_808.0 {
        return Some(Ordering::Greater);
    }
    let whole = b.trunc();
    Some(a.cmp(&(whole as i64)).then(whole.partial_cmp(&b)?))
}

impl Operator {
    fn apply<'a>(self, a: ValueRef, b: ValueRef) -> Option<ValueRef<'a>> {
        Some(match (a, b) {
            (ValueRef::Int(a), ValueRef::Int(b)) => ValueRef::Int(self.ints(a, b)?),
            (ValueRef::Double(a), ValueRef::Double(b)) => ValueRef::Double(self.doubles(a, b)),
            (ValueRef::Int(a), ValueRef::Double(b)) => ValueRef::Double(self.doubles(a as f64, b)),
            (ValueRef::Double(a), ValueRef::Int(b)) => ValueRef::Double(self.doubles(a, b as f64)),
            (ValueRef::Duration(a), ValueRef::Duration(b)) => match self {
                Operator::Divide => ValueRef::Int(self.ints(a, b)?),
                Operator::Multiply => return None,
                _ => ValueRef::Duration(self.ints(a, b)?),
            },
            (ValueRef::Duration(a), ValueRef::Int(b))
                if matches!(self, Operator::Multiply | Operator::Divide) =>
            {
                ValueRef::Duration(self.ints(a, b)?)
            }
            (ValueRef::Time(a), ValueRef::Time(b)) if self == Operator::Subtract => {
                ValueRef::Duration(self.ints(a, b)?)
            }
            (ValueRef::Time(a), ValueRef::Duration(b))
                if matches!(self, Operator::Add | Operator::Subtract) =>
            {
                ValueRef::Time(self.ints(a, b)?)
            }
            _ => return None,
        })
    }

    fn ints(self, a: i64, b: i64) -> Option<i64> {
        match self {
            Operator::Add => a.checked_add(b),
            Operator::Subtract => a.checked_sub(b),
            Operator::Multiply => a.checked_mul(b),
            Operator::Divide => a.checked_div(b),
            Operator::Remainder => a.checked_rem(b),
        }
    }

    fn doubles(self, a: f64, b: f64) -> f64 {
        match self {
            Operator::Add => a + b,
            Operator::Subtract => a - b,
            Operator::Multiply => a * b,
            Operator::Divide => a / b,
            Operator::Remainder => a % b,
        }
    }
}

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
    fields: &'t mut Fields,
    token: Token,
    /// Where the token begins and ends.
    start: usize,
    end: usize,
    depth: usize,
}

impl<'t> Parser<'t> {
    pub fn new(text: &'t str, fields: &'t mut Fields) -> Result<Parser<'t>, ExprError> {
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
        let literal = match unit {
            "" => Some(Literal::Int(value)),
            _ => match (size_unit(unit), duration_unit(unit)) {
                (Some(size), _) => value.checked_mul(size).map(Literal::Int),
                (_, Some(nanos)) => value.checked_mul(nanos).map(Literal::Duration),
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

    struct Sample;

    impl Row for (Sample, &Fields) {
        fn field(&self, number: usize) -> Option<ValueRef<'static>> {
            Some(match self.1.names()[number].as_str() {
                "wa" => ValueRef::Int(21),
                "load" => ValueRef::Double(0.5),
                "took" => ValueRef::Duration(250_000_000),
                "free" => ValueRef::Int(5 << 20),
                "big" => ValueRef::Int((1 << 53) + 1),
                "up" => ValueRef::Bool(true),
                "text" => ValueRef::String("a\"b"),
                "key" => ValueRef::String("own"),
                "none" => ValueRef::Null,
                _ => return None,
            })
        }

        fn meta(&self, meta: Meta) -> ValueRef<'static> {
            match meta {
                Meta::Pool => ValueRef::String("memcached"),
                Meta::Key => ValueRef::String("vmstat"),
                Meta::Node => ValueRef::String("web-7"),
                Meta::Task => ValueRef::String("watch"),
                Meta::Time => ValueRef::Time(0),
            }
        }
    }

    fn holds(text: &str) -> bool {
        let mut fields = Fields::default();
        let expr = Expr::parse(text, &mut fields).unwrap_or_else(|error| panic!("{error}"));
        expr.holds(&(Sample, &fields))
    }

    #[test]
    fn what_is_true() {
        for text in [
            "wa > 20 && node like \"web-*\"",
            "wa == 21",
            "wa >= 20.5 && wa <= 21.5 && 20.9 < wa",
            "big != 9007199254740992.0 && big > 9007199254740992.0",
            "load == 0.5 && load < 1e3 && load > 1e-3",
            "took == 250ms && took < 1s && took + 250ms == 500ms && took * 2 == 500ms && took / 125ms == 2",
            "free >= 5MiB && free < 6_000_000",
            "up && !(up == false)",
            "text == \"a\\\"b\" && text == 'a\"b'",
            "key == \"vmstat\" && `key` == \"own\"",
            "none == null && gone == null && wa != null && has(wa) && !has(gone) && !has(none)",
            "wa * 2 - 1 == 41 && wa % 4 == 1 && -wa < 0 && wa / 2 == 10",
            "wa > 100 || node == 'web-7'",
            "pool like 'mem*' && task == 'watch'",
        ] {
            assert!(holds(text), "{text}");
        }
    }

    #[test]
    fn what_is_not_comparable_is_false() {
        for text in [
            "gone > 1",
            "gone != 1",
            "wa == \"21\"",
            "took > 5",
            "wa / 0 == 0",
            "9223372036854775807 + wa > 0",
            "text < 1",
        ] {
            assert!(!holds(text), "{text}");
        }
    }

    #[test]
    fn mistakes_are_shown_where_they_are() {
        let check = |text: &str, expected: &str| {
            let error = Expr::parse(text, &mut Fields::default()).expect_err(text).to_string();
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

    #[test]
    fn blocks_are_ruled_out_by_their_bounds() {
        let mut fields = Fields::default();
        let mut check = |text: &str, expected: bool| {
            let expr = Expr::parse(text, &mut fields).unwrap();
            assert_eq!(expr.rules_out(&|_| Some((10.0, 20.0))), expected, "{text}");
            assert!(!expr.rules_out(&|_| None), "{text}");
        };
        check("wa > 20", false);
        check("wa > 21", true);
        check("21 <= wa", true);
        check("wa < 9 || wa > 25", true);
        check("wa < 9 || wa == 15", false);
        check("wa == 5 && gone > 3", true);
        check("wa != 5", false);
        check("!(wa > 5)", false);
    }
}
