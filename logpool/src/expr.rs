//! The expressions of queries: `wa > 20 && node like "web-*"`. What a tree is for a record; `parser` makes it of a text.
//!
//! `pool key node task run time` are the record's meta data; any other name is a field, and in backticks every name is.
//! Numbers are D-Script's: ints with sizes, doubles, durations. Values are compared with values of their kind (ints
//! with doubles by value); a comparison with a field that is not there, or is of another kind, is false, `x == null`
//! is true where `x` is null or not there. A time is compared with a text that is one (`time >= "2026-01-31T08:00:00Z"`).
//! Int arithmetic that overflows, and division by zero, give no value. What can be seen never to be true (`kind`), or is no
//! condition at all, is an error.

mod kind;
mod parser;

use std::cmp::Ordering;
use std::fmt;

pub use kind::Kind;
pub use parser::{Parser, Part};

use crate::codec::ValueRef;
use crate::query::Pattern;
use crate::text::parse_time;

/// What is wrong with an expression, and where: a range of bytes of its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExprError {
    pub message: String,
    pub start: usize,
    pub end: usize,
    text: String,
}

impl ExprError {
    /// Something is wrong with all of a text.
    pub(crate) fn of_all<T>(message: String, text: &str) -> Result<T, ExprError> {
        Err(ExprError { message, start: 0, end: text.len(), text: text.to_owned() })
    }
}

/// Characters of a text that are shown.
const SHOWN_MAX: usize = 100;

/// The text with the place marked below it, of a long one what stands around the place; on one line.
impl fmt::Display for ExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.text.chars().count();
        let before = self.text[..self.start].chars().count();
        let marked = self.text[self.start..self.end].chars().count();
        let from = match count > SHOWN_MAX {
            true => before.saturating_sub(SHOWN_MAX / 2).min(count - SHOWN_MAX),
            false => 0,
        };
        let to = count.min(from + SHOWN_MAX);
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let shown: String = self.text.chars().skip(from).take(to - from).map(plain).collect();
        let front = if from > 0 { "..." } else { "" };
        let back = if to < count { "..." } else { "" };
        let space = " ".repeat(front.len() + before - from);
        let marks = "^".repeat(marked.min(to - before).max(1));
        write!(f, "{}\n  {front}{shown}{back}\n  {space}{marks}", self.message)
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
    /// Its id in hexadecimal.
    Run,
    Time,
}

impl Meta {
    pub fn parse(name: &str) -> Option<Meta> {
        Some(match name {
            "pool" => Meta::Pool,
            "key" => Meta::Key,
            "node" => Meta::Node,
            "task" => Meta::Task,
            "run" => Meta::Run,
            "time" => Meta::Time,
            _ => return None,
        })
    }
}

/// A record as an expression sees it.
pub trait Row {
    /// The field of that number among the names that the expression was given (see [`FieldNames`]).
    fn field(&self, number: usize) -> Option<ValueRef<'_>>;
    fn meta(&self, meta: Meta) -> ValueRef<'_>;
}

/// The names of the fields that expressions read; they know them by number. And which meta data they read that takes an
/// effort to get.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldNames {
    names: Vec<String>,
    pub tasks: bool,
    pub runs: bool,
}

impl FieldNames {
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Notes that meta data are read.
    pub fn reads(&mut self, meta: Meta) {
        self.tasks |= meta == Meta::Task;
        self.runs |= meta == Meta::Run;
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
    Time(i64),
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
    /// Reads a condition, and gives the fields it reads numbers.
    #[cfg(test)]
    pub fn parse(text: &str, fields: &mut FieldNames) -> Result<Expr, ExprError> {
        Ok(Parser::new(text, fields)?.condition()?.0)
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
                Literal::Time(value) => ValueRef::Time(*value),
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
        let order = match (a, b) {
            (ValueRef::Time(a), ValueRef::String(b)) => parse_time(b).ok().map(|b| a.cmp(&b)),
            (ValueRef::String(a), ValueRef::Time(b)) => parse_time(a).ok().map(|a| a.cmp(&b)),
            (a, b) => order(a, b),
        };
        let Some(order) = order else { return false };
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Sample;

    impl Row for (Sample, &FieldNames) {
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
                "at" => ValueRef::Time(1_500_000_000),
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
                Meta::Run => ValueRef::String("3f"),
                Meta::Time => ValueRef::Time(0),
            }
        }
    }

    fn holds(text: &str) -> bool {
        let mut fields = FieldNames::default();
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
            "pool like 'mem*' && task == 'watch' && run like '3*'",
            "time == '1970-01-01T00:00:00Z' && '1969-12-31T23:59:59Z' < time && time + 1s < '1970-01-01T00:00:01.5Z'",
            "at > '1970-01-01T00:00:01Z' && at - time == 1500ms && at != '1970-01-01T00:00:01Z'",
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
            "at < 'yesterday'",
        ] {
            assert!(!holds(text), "{text}");
        }
    }

    #[test]
    fn blocks_are_ruled_out_by_their_bounds() {
        let mut fields = FieldNames::default();
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
