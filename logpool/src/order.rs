//! In which order an answer comes: `-us, node` is by `us`, the greatest first, and then by node.
//!
//! Records are ordered by expressions over them and at last by time, run and number; `time` or `-time` at the end says
//! which way, and `oldest` and `newest` are these alone. Groups of an aggregation are ordered by their columns (see
//! `stats`). What has no value comes last, whichever way.

use std::cmp::Ordering;

use crate::codec::ValueRef;
use crate::expr::{Expr, ExprError, FieldNames, Meta, Parser, Row, order};
use crate::record::{FieldValue, Record};
use crate::rows::RecordRow;

/// An order of records. The default is oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Order {
    /// As it was written.
    text: String,
    keys: Vec<(Expr, Way)>,
    /// What the keys read.
    pub(crate) fields: FieldNames,
    /// By time, in the end.
    way: Way,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Way {
    #[default]
    Up,
    Down,
}

impl Way {
    /// Reads a `-`.
    pub fn read(parser: &mut Parser) -> Result<Way, ExprError> {
        Ok(if parser.eat("-")? { Way::Down } else { Way::Up })
    }

    pub fn of(self, order: Ordering) -> Ordering {
        match self {
            Way::Up => order,
            Way::Down => order.reverse(),
        }
    }

    /// What has no value comes last.
    pub fn compare(self, a: &FieldValue, b: &FieldValue) -> Ordering {
        let none = |value: &FieldValue| match value {
            FieldValue::Null => true,
            FieldValue::Double(value) => value.is_nan(),
            _ => false,
        };
        none(a).cmp(&none(b)).then_with(|| self.of(compare(a, b)))
    }
}

impl Order {
    pub fn parse(text: &str) -> Result<Order, ExprError> {
        let mut fields = FieldNames::default();
        let mut keys = Vec::new();
        let mut parser = Parser::new(text, &mut fields)?;
        loop {
            let mut way = Way::read(&mut parser)?;
            let is_time = way == Way::Up && {
                let newest = parser.eat_word("newest")?;
                way = if newest { Way::Down } else { Way::Up };
                newest || parser.eat_word("oldest")?
            };
            keys.push((if is_time { Expr::Meta(Meta::Time) } else { parser.any()?.expr }, way));
            if !next(&mut parser)? {
                break;
            }
        }
        let last = keys.pop_if(|(key, _)| *key == Expr::Meta(Meta::Time));
        let way = last.map_or(Way::Up, |(_, way)| way);
        Ok(Order { text: text.to_owned(), keys, fields, way })
    }

    pub fn newest_first() -> Order {
        Order { text: "newest".into(), way: Way::Down, ..Order::default() }
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        if self.text.is_empty() { "oldest" } else { &self.text }
    }

    /// The names of the fields that it looks at.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.fields.names().iter().map(|name| &name[..])
    }

    /// Which way it goes by time, where it goes by nothing else.
    pub(crate) fn by_time(&self) -> Option<Way> {
        self.keys.is_empty().then_some(self.way)
    }

    /// What a record is ordered by before its time.
    pub(crate) fn values(&self, row: &impl Row) -> Vec<FieldValue> {
        let value = |(key, _): &(Expr, Way)| key.value(row).and_then(|value| value.decode().ok());
        self.keys.iter().map(|key| value(key).unwrap_or(FieldValue::Null)).collect()
    }

    pub(crate) fn values_of(&self, record: &Record) -> Vec<FieldValue> {
        if self.keys.is_empty() { Vec::new() } else { self.values(&RecordRow::new(record, &self.fields)) }
    }

    pub(crate) fn compare_values(&self, a: &[FieldValue], b: &[FieldValue]) -> Ordering {
        let pairs = self.keys.iter().zip(a.iter().zip(b));
        pairs.map(|((_, way), (a, b))| way.compare(a, b)).fold(Ordering::Equal, Ordering::then)
    }

    pub(crate) fn compare(&self, a: (&[FieldValue], &Record), b: (&[FieldValue], &Record)) -> Ordering {
        self.compare_values(a.0, b.0).then_with(|| self.way.of(a.1.sort_key().cmp(&b.1.sort_key())))
    }
}

/// Whether another key follows, or else nothing.
pub(crate) fn next(parser: &mut Parser) -> Result<bool, ExprError> {
    if parser.word_is_next("desc") || parser.word_is_next("asc") {
        return parser
            .error("the greatest come first with a `-` in front, such as `-us`, and else the least");
    }
    if parser.eat(",")? {
        return Ok(true);
    }
    parser.end().map(|()| false)
}

/// Any two values: by what they are, and then by value.
pub(crate) fn compare(a: &FieldValue, b: &FieldValue) -> Ordering {
    let rank = |value: &FieldValue| match value {
        FieldValue::Null => 0,
        FieldValue::Bool(_) => 1,
        FieldValue::Double(value) if value.is_nan() => 3,
        FieldValue::Int(_) | FieldValue::Double(_) => 2,
        FieldValue::Duration(_) => 4,
        FieldValue::Time(_) => 5,
        FieldValue::String(_) => 6,
        FieldValue::Bytes(_) => 7,
        FieldValue::List(_) | FieldValue::Map(_) => 8,
    };
    let values = || ValueRef::of(a).zip(ValueRef::of(b)).and_then(|(a, b)| order(a, b));
    rank(a).cmp(&rank(b)).then_with(|| values().unwrap_or(Ordering::Equal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RunId;

    fn sorted(order: &str) -> Vec<u64> {
        let order = Order::parse(order).unwrap_or_else(|error| panic!("{error}"));
        let us = [
            Some(FieldValue::Int(3)),
            None,
            Some(FieldValue::Double(f64::NAN)),
            Some(FieldValue::Double(2.5)),
        ];
        let record = |(seq, us): (u64, Option<FieldValue>)| Record {
            pool: "p".into(),
            key: "k".into(),
            node: ["b", "a"][seq as usize % 2].into(),
            task: "t".into(),
            run: RunId(1),
            seq,
            time: seq as i64 / 2,
            fields: us.map(|us| ("us", us)).into_iter().collect(),
        };
        let mut all: Vec<Record> = (0..).zip(us).map(record).collect();
        all.sort_by(|a, b| order.compare((&order.values_of(a), a), (&order.values_of(b), b)));
        all.iter().map(|record| record.seq).collect()
    }

    #[test]
    fn orders() {
        for (order, expected) in [
            ("oldest", [0, 1, 2, 3]),
            ("newest", [3, 2, 1, 0]),
            ("-time", [3, 2, 1, 0]),
            ("us", [3, 0, 1, 2]),
            ("-us", [0, 3, 2, 1]),
            ("us * 2", [3, 0, 1, 2]),
            ("node", [1, 3, 0, 2]),
            ("node, newest", [3, 1, 2, 0]),
            ("-node, -us", [0, 2, 3, 1]),
            ("time, -node", [0, 1, 2, 3]),
            ("`newest`", [0, 1, 2, 3]),
        ] {
            assert_eq!(sorted(order), expected, "{order}");
        }
        assert_eq!(Order::parse("newest").unwrap(), Order::newest_first());
        for (bad, says) in [
            ("", "a value is missing"),
            ("us,", "a value is missing"),
            ("us node", "an operator is missing"),
            ("us desc", "such as `-us`"),
        ] {
            let why = Order::parse(bad).expect_err(bad).to_string();
            assert!(why.contains(says), "{bad}: {why}");
        }
    }
}
