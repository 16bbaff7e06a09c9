//! What an aggregate keeps of the values of one group while they come, in any order, and what it makes of them.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::rate::{At, Rate};
use super::{Function, Key, TooMany};
use crate::codec::ValueRef;
use crate::expr::order;
use crate::limits::DISTINCT_MAX;
use crate::record::FieldValue;
use crate::values::Values;

/// What sums and averages are made of, and what they are in the end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unit {
    Number,
    Duration,
    Time,
}

impl Unit {
    pub fn int(self, value: i64) -> FieldValue {
        match self {
            Unit::Number => FieldValue::Int(value),
            Unit::Duration => FieldValue::Duration(value),
            Unit::Time => FieldValue::Time(value),
        }
    }

    pub fn double(self, value: f64) -> FieldValue {
        match self {
            Unit::Number => FieldValue::Double(value),
            Unit::Duration => FieldValue::Duration(value as i64),
            Unit::Time => FieldValue::Time(value as i64),
        }
    }
}

pub enum State {
    Count(u64),
    Sum(Sum),
    Avg(Sum),
    /// The least value so far.
    Min(Option<FieldValue>),
    Max(Option<FieldValue>),
    First(Option<(i64, FieldValue)>),
    Last(Option<(i64, FieldValue)>),
    Rate(Rate),
    Distinct(HashSet<Key>),
    Percentile(f64, Unit, Values),
}

#[derive(Default)]
pub struct Sum {
    count: u64,
    ints: i128,
    doubles: f64,
    has_doubles: bool,
    unit: Option<Unit>,
}

impl Sum {
    fn add(&mut self, value: ValueRef) {
        match value {
            ValueRef::Int(value) => self.int(value, Unit::Number),
            ValueRef::Duration(value) => self.int(value, Unit::Duration),
            ValueRef::Time(value) => self.int(value, Unit::Time),
            ValueRef::Double(value) => {
                self.count += 1;
                self.doubles += value;
                self.has_doubles = true;
            }
            _ => {}
        }
    }

    fn int(&mut self, value: i64, unit: Unit) {
        self.count += 1;
        self.ints += i128::from(value);
        self.unit.get_or_insert(unit);
    }

    fn total(&self) -> f64 {
        self.ints as f64 + self.doubles
    }
}

/// What a counter stands at: a duration, such as time that was used, in seconds.
fn counted(value: ValueRef) -> Option<f64> {
    match value {
        ValueRef::Int(value) => Some(value as f64),
        ValueRef::Double(value) if value.is_finite() => Some(value),
        ValueRef::Duration(nanos) => Some(nanos as f64 / 1e9),
        _ => None,
    }
}

impl State {
    pub fn new(function: Function) -> State {
        match function {
            Function::Count | Function::CountTrue => State::Count(0),
            Function::Sum => State::Sum(Sum::default()),
            Function::Avg => State::Avg(Sum::default()),
            Function::Min => State::Min(None),
            Function::Max => State::Max(None),
            Function::First => State::First(None),
            Function::Last => State::Last(None),
            Function::Rate => State::Rate(Rate::default()),
            Function::Distinct => State::Distinct(HashSet::new()),
            Function::Percentile(percent) => {
                State::Percentile(percent, Unit::Number, Values::Tiny(Vec::new()))
            }
        }
    }

    pub fn add(&mut self, at: At, value: ValueRef) -> Result<(), TooMany> {
        let time = at.time;
        let beats = |best: &Option<FieldValue>, wanted: Ordering| match best {
            None => true,
            Some(best) => ValueRef::of(best).and_then(|best| order(value, best)) == Some(wanted),
        };
        match self {
            State::Count(count) => *count += 1,
            State::Sum(sum) | State::Avg(sum) => sum.add(value),
            State::Min(best) if beats(best, Ordering::Less) => *best = value.decode().ok(),
            State::Max(best) if beats(best, Ordering::Greater) => *best = value.decode().ok(),
            State::Min(_) | State::Max(_) => {}
            State::First(best) if best.as_ref().is_none_or(|(first, _)| time < *first) => {
                *best = value.decode().ok().map(|value| (time, value));
            }
            State::Last(best) if best.as_ref().is_none_or(|(last, _)| time >= *last) => {
                *best = value.decode().ok().map(|value| (time, value));
            }
            State::First(_) | State::Last(_) => {}
            State::Rate(rate) => {
                if let Some(value) = counted(value) {
                    rate.add(at, value);
                }
            }
            State::Distinct(all) => {
                all.insert(Key::of(Some(value)));
                if all.len() > DISTINCT_MAX {
                    return Err(TooMany("different values", DISTINCT_MAX));
                }
            }
            State::Percentile(_, unit, values) => match value {
                ValueRef::Int(value) => values.int(value),
                ValueRef::Duration(value) => {
                    *unit = Unit::Duration;
                    values.int(value);
                }
                ValueRef::Time(value) => {
                    *unit = Unit::Time;
                    values.int(value);
                }
                ValueRef::Double(value) if !value.is_nan() => values.double(value),
                _ => {}
            },
        }
        Ok(())
    }

    /// Of one series: `at` is the place of any of them.
    pub fn add_ints(&mut self, at: At, times: &[i64], ints: &[i64]) -> Result<(), TooMany> {
        match self {
            State::Count(count) => *count += ints.len() as u64,
            State::Sum(sum) | State::Avg(sum) => {
                sum.count += ints.len() as u64;
                sum.ints += ints.iter().map(|&value| i128::from(value)).sum::<i128>();
                sum.unit.get_or_insert(Unit::Number);
            }
            State::Percentile(_, _, values) => values.ints(ints),
            state => {
                for (&time, &value) in times.iter().zip(ints) {
                    state.add(At { time, ..at }, ValueRef::Int(value))?;
                }
            }
        }
        Ok(())
    }

    pub fn finish(self) -> FieldValue {
        match self {
            State::Count(count) => FieldValue::Int(count as i64),
            State::Sum(sum) if sum.count == 0 => FieldValue::Null,
            State::Sum(sum) => {
                let unit = sum.unit.unwrap_or(Unit::Number);
                match i64::try_from(sum.ints) {
                    Ok(total) if !sum.has_doubles => unit.int(total),
                    _ => unit.double(sum.total()),
                }
            }
            State::Avg(sum) if sum.count == 0 => FieldValue::Null,
            State::Avg(sum) => sum.unit.unwrap_or(Unit::Number).double(sum.total() / sum.count as f64),
            State::Min(best) | State::Max(best) => best.unwrap_or(FieldValue::Null),
            State::First(best) | State::Last(best) => best.map_or(FieldValue::Null, |(_, value)| value),
            State::Rate(rate) => rate.finish().map_or(FieldValue::Null, FieldValue::Double),
            State::Distinct(all) => FieldValue::Int(all.len() as i64),
            State::Percentile(percent, unit, values) => values.percentile(percent, unit),
        }
    }
}
