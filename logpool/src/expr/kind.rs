//! What is known of a value before any record is: so that an expression that would never be true is refused.

use std::fmt;

use super::{Comparison, Literal, Operator};
use crate::codec::ValueRef;

/// How times are compared.
pub const TIMES: &str = "a time is compared with a time in quotes, such as \"2026-01-31T08:00:00Z\"; what came in the last \
    10 minutes is asked for by `since`";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A field's.
    Unknown,
    Bool,
    /// An int or a double.
    Number,
    Duration,
    Time,
    Text,
    Null,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Unknown => "a field",
            Kind::Bool => "a condition",
            Kind::Number => "a number",
            Kind::Duration => "a duration",
            Kind::Time => "a time",
            Kind::Text => "a text",
            Kind::Null => "null",
        })
    }
}

impl ValueRef<'_> {
    pub fn kind(self) -> Kind {
        match self {
            ValueRef::Null => Kind::Null,
            ValueRef::Bool(_) => Kind::Bool,
            ValueRef::Int(_) | ValueRef::Double(_) => Kind::Number,
            ValueRef::Duration(_) => Kind::Duration,
            ValueRef::Time(_) => Kind::Time,
            ValueRef::String(_) => Kind::Text,
            ValueRef::Bytes(_) | ValueRef::Nested(_) => Kind::Unknown,
        }
    }
}

impl Literal {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Literal::Null => Kind::Null,
            Literal::Bool(_) => Kind::Bool,
            Literal::Int(_) | Literal::Double(_) => Kind::Number,
            Literal::Duration(_) => Kind::Duration,
            Literal::Time(_) => Kind::Time,
            Literal::String(_) => Kind::Text,
        }
    }
}

impl Comparison {
    /// Why no two values of these kinds compare so.
    pub(super) fn is_pointless(self, a: Kind, b: Kind) -> Option<String> {
        let equality = matches!(self, Comparison::Equal | Comparison::NotEqual);
        match (a, b) {
            (Kind::Null, _) | (_, Kind::Null) => {
                (!equality).then(|| "null is neither less nor greater than anything".to_owned())
            }
            (Kind::Unknown, _) | (_, Kind::Unknown) => None,
            (a, b) if a == b => None,
            (Kind::Time, _) | (_, Kind::Time) => Some(TIMES.to_owned()),
            (a, b) => Some(format!("{a} is never equal to {b}, nor less or greater")),
        }
    }
}

impl Operator {
    pub(super) fn sign(self) -> char {
        match self {
            Operator::Add => '+',
            Operator::Subtract => '-',
            Operator::Multiply => '*',
            Operator::Divide => '/',
            Operator::Remainder => '%',
        }
    }

    /// What comes out; `None` where nothing ever does.
    pub(super) fn kind(self, a: Kind, b: Kind) -> Option<Kind> {
        let sums = matches!(self, Operator::Add | Operator::Subtract);
        match (a, b) {
            (Kind::Bool | Kind::Text | Kind::Null, _) | (_, Kind::Bool | Kind::Text | Kind::Null) => None,
            (Kind::Unknown, _) | (_, Kind::Unknown) => Some(Kind::Unknown),
            (Kind::Number, Kind::Number) => Some(Kind::Number),
            (Kind::Duration, Kind::Duration) => match self {
                Operator::Multiply => None,
                Operator::Divide => Some(Kind::Number),
                _ => Some(Kind::Duration),
            },
            (Kind::Duration, Kind::Number) => {
                matches!(self, Operator::Multiply | Operator::Divide).then_some(Kind::Duration)
            }
            (Kind::Time, Kind::Time) => (self == Operator::Subtract).then_some(Kind::Duration),
            (Kind::Time, Kind::Duration) => sums.then_some(Kind::Time),
            _ => None,
        }
    }
}
