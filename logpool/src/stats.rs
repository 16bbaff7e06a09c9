//! Aggregates: `avg(us), p99(wa)` over all records, or by window of time and by what they have in common.
//!
//! Steps: read the text into [`Stats`]; a [`Table`] takes one record after the other, in any order, and gives a row
//! for each group at the end. What is exact and what is not:
//!
//! - `count() count(x) sum avg min max first last rate` are exact (`avg` and `rate` as doubles are);
//! - `p50` to `p99.9` are the nearest rank, exact while a group has at most `EXACT_VALUES_MAX` values, then within
//!   0.5 percent of the value (logarithmic buckets, as in DDSketch, Masson et al., VLDB 2019);
//! - `distinct` is exact up to [`DISTINCT_MAX`] different values and an error beyond.
//!
//! `rate(x)` is for counters: the difference of its last and first value by the seconds between them. `count()` of
//! nothing is 0 and `sum` of nothing is null, like all the others.

use std::collections::{HashMap, HashSet};

use rustc_hash::FxHashMap;

use crate::codec::ValueRef;
use crate::expr::{Expr, ExprError, FieldNames, Meta, Parser, Row, order};
use crate::limits::{DISTINCT_MAX, GROUPS_MAX};
use crate::record::FieldValue;
use crate::rows::BlockRows;
use crate::values::Values;

/// What is asked for: which aggregates, over which windows, by what.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    pub aggregates: Vec<Aggregate>,
    /// What the aggregates and `by` read.
    pub(crate) fields: FieldNames,
    /// Length of the windows in nanoseconds; they begin at multiples of it since 1970.
    pub every: Option<i64>,
    pub(crate) by: Vec<(String, Expr)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// As it was written.
    pub name: String,
    function: Function,
    /// `None` for `count()`.
    of: Option<Expr>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Function {
    Count,
    Sum,
    Avg,
    Min,
    Max,
    First,
    Last,
    Rate,
    Distinct,
    /// Above 0, below 100.
    Percentile(f64),
}

impl Function {
    fn parse(name: &str) -> Option<Function> {
        Some(match name {
            "count" => Function::Count,
            "sum" => Function::Sum,
            "avg" => Function::Avg,
            "min" => Function::Min,
            "max" => Function::Max,
            "first" => Function::First,
            "last" => Function::Last,
            "rate" => Function::Rate,
            "distinct" => Function::Distinct,
            _ => {
                let percent = name.strip_prefix('p')?.parse::<f64>().ok()?;
                return (percent > 0.0 && percent < 100.0).then_some(Function::Percentile(percent));
            }
        })
    }
}

impl Stats {
    /// `avg(us), p99(wa)` and, of what to group by, `node, key`.
    pub fn parse(aggregates: &str, by: &str, every: Option<i64>) -> Result<Stats, ExprError> {
        let mut fields = FieldNames::default();
        let mut all = Vec::new();
        let mut parser = Parser::new(aggregates, &mut fields)?;
        loop {
            all.push(Aggregate::read(&mut parser)?);
            if !parser.eat(",")? {
                break;
            }
        }
        parser.end()?;
        let by = groups(by, &mut fields)?;
        Ok(Stats { aggregates: all, fields, every, by })
    }

    /// What the groups have in common, as it was written.
    pub fn by(&self) -> impl Iterator<Item = &str> {
        self.by.iter().map(|(name, _)| &name[..])
    }

    /// Whether a time is in the window that begins then.
    fn is_in(&self, window: i64, time: i64) -> bool {
        self.every.is_none_or(|every| (time.wrapping_sub(window) as u64) < every as u64)
    }

    /// Whether all records of a series belong together, but for the windows.
    pub(crate) fn is_by_series(&self) -> bool {
        let names =
            |(_, expr): &(String, Expr)| matches!(expr, Expr::Meta(Meta::Pool | Meta::Key | Meta::Node));
        self.by.iter().all(names)
    }

    /// Whether the names of tasks are looked at.
    pub(crate) fn needs_tasks(&self) -> bool {
        let exprs = self.aggregates.iter().filter_map(|aggregate| aggregate.of.as_ref());
        exprs.chain(self.by.iter().map(|(_, expr)| expr)).any(Expr::needs_tasks)
    }
}

/// One group of the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct StatsRow {
    /// The beginning of the window, in nanoseconds since 1970.
    pub window: Option<i64>,
    /// What the group has in common, in the order asked for.
    pub by: Vec<FieldValue>,
    /// In the order of the aggregates; null where there was nothing.
    pub values: Vec<FieldValue>,
}

/// The groups as they fill.
pub struct Table<'s> {
    stats: &'s Stats,
    /// What groups have in common, by number, and back.
    keys: Vec<Vec<Key>>,
    numbers: HashMap<Vec<Key>, u32>,
    /// By window and number.
    places: FxHashMap<(i64, u32), u32>,
    /// As many for each group as there are aggregates.
    states: Vec<State>,
    /// The group that the record before went to: the next one is likely of the same.
    last: Option<Place>,
}

#[derive(Clone, Copy)]
struct Place {
    window: i64,
    key: u32,
    group: u32,
}

/// There are too many groups, or too many different values of a `distinct`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooMany(pub &'static str, pub usize);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Null,
    Bool(bool),
    Int(i64),
    Double(u64),
    Duration(i64),
    Time(i64),
    String(String),
    Bytes(Vec<u8>),
}

impl Key {
    pub(crate) fn of(value: Option<ValueRef>) -> Key {
        match value {
            None | Some(ValueRef::Null) => Key::Null,
            Some(ValueRef::Bool(value)) => Key::Bool(value),
            Some(ValueRef::Int(value)) => Key::Int(value),
            Some(ValueRef::Double(value)) => Key::Double(value.to_bits()),
            Some(ValueRef::Duration(value)) => Key::Duration(value),
            Some(ValueRef::Time(value)) => Key::Time(value),
            Some(ValueRef::String(text)) => Key::String(text.to_owned()),
            Some(ValueRef::Bytes(bytes) | ValueRef::Nested(bytes)) => Key::Bytes(bytes.to_owned()),
        }
    }

    fn is(&self, value: Option<ValueRef>) -> bool {
        match (self, value) {
            (Key::String(known), Some(ValueRef::String(text))) => known == text,
            (known, value) => *known == Key::of(value),
        }
    }

    pub(crate) fn value(self) -> FieldValue {
        match self {
            Key::Null => FieldValue::Null,
            Key::Bool(value) => FieldValue::Bool(value),
            Key::Int(value) => FieldValue::Int(value),
            Key::Double(bits) => FieldValue::Double(f64::from_bits(bits)),
            Key::Duration(value) => FieldValue::Duration(value),
            Key::Time(value) => FieldValue::Time(value),
            Key::String(text) => FieldValue::String(text),
            Key::Bytes(bytes) => FieldValue::Bytes(bytes),
        }
    }
}

impl<'s> Table<'s> {
    pub fn new(stats: &'s Stats) -> Table<'s> {
        Table {
            stats,
            keys: Vec::new(),
            numbers: HashMap::new(),
            places: FxHashMap::default(),
            states: Vec::new(),
            last: None,
        }
    }

    pub fn add(&mut self, time: i64, row: &impl Row) -> Result<(), TooMany> {
        let group = self.group(time, row)?;
        for (aggregate, state) in self.stats.aggregates.iter().zip(&mut self.states[group..]) {
            aggregate.add(state, time, row)?;
        }
        Ok(())
    }

    /// The same for all records of a block, of which `by` says nothing that differs among them.
    pub fn add_block(&mut self, times: &[i64], rows: &BlockRows) -> Result<(), TooMany> {
        let mut at = 0;
        while let Some(&first) = times.get(at) {
            let group = self.group(first, &rows.row(at))?;
            let window = self.last.map_or(0, |place| place.window);
            let same = times[at..].iter().take_while(|&&time| self.stats.is_in(window, time));
            let end = at + same.count().max(1);
            for (aggregate, state) in self.stats.aggregates.iter().zip(&mut self.states[group..]) {
                match aggregate.of.as_ref().map(|of| (of, rows.ints_of(of))) {
                    Some((_, Some(ints))) => state.add_ints(&times[at..end], &ints[at..end])?,
                    _ => {
                        for (place, &time) in (at..end).zip(&times[at..end]) {
                            aggregate.add(state, time, &rows.row(place))?;
                        }
                    }
                }
            }
            at = end;
        }
        Ok(())
    }

    /// Where the states of a record's group begin.
    fn group(&mut self, time: i64, row: &impl Row) -> Result<usize, TooMany> {
        let stats: &'s Stats = self.stats;
        let window = match self.last {
            Some(last) if stats.is_in(last.window, time) => last.window,
            _ => stats.every.map_or(0, |every| time.div_euclid(every).wrapping_mul(every)),
        };
        let is = |number: u32| {
            stats.by.iter().zip(&self.keys[number as usize]).all(|((_, expr), key)| key.is(expr.value(row)))
        };
        let key = match self.last.filter(|last| is(last.key)) {
            Some(last) => last.key,
            None => self.number(stats.by.iter().map(|(_, expr)| Key::of(expr.value(row))).collect()),
        };
        let each = stats.aggregates.len();
        if let Some(last) = self.last
            && (last.window, last.key) == (window, key)
        {
            return Ok(last.group as usize * each);
        }
        let next = self.places.len() as u32;
        let group = *self.places.entry((window, key)).or_insert(next);
        if group == next {
            if self.places.len() > GROUPS_MAX {
                return Err(TooMany("groups", GROUPS_MAX));
            }
            self.states.extend(stats.aggregates.iter().map(State::new));
        }
        self.last = Some(Place { window, key, group });
        Ok(group as usize * each)
    }

    fn number(&mut self, key: Vec<Key>) -> u32 {
        if let Some(&number) = self.numbers.get(&key) {
            return number;
        }
        let number = self.keys.len() as u32;
        self.keys.push(key.clone());
        self.numbers.insert(key, number);
        number
    }

    /// By window, then by what the groups have in common.
    pub fn finish(mut self) -> Vec<StatsRow> {
        let stats = self.stats;
        if stats.every.is_none() && stats.by.is_empty() && self.places.is_empty() {
            let key = self.number(Vec::new());
            self.places.insert((0, key), 0);
            self.states.extend(stats.aggregates.iter().map(State::new));
        }
        let keys: Vec<Vec<FieldValue>> =
            self.keys.into_iter().map(|key| key.into_iter().map(Key::value).collect()).collect();
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_by(|&a, &b| compare_all(&keys[a], &keys[b]));
        let mut rank = vec![0; keys.len()];
        for (place, &number) in order.iter().enumerate() {
            rank[number] = place;
        }
        let mut groups: Vec<((i64, u32), u32)> = self.places.into_iter().collect();
        groups.sort_unstable_by_key(|&((window, key), _)| (window, rank[key as usize]));
        let each = stats.aggregates.len();
        let row = |((window, key), group): ((i64, u32), u32)| {
            let states = &mut self.states[group as usize * each..][..each];
            StatsRow {
                window: stats.every.map(|_| window),
                by: keys[key as usize].clone(),
                values: states
                    .iter_mut()
                    .map(|state| std::mem::replace(state, State::Count(0)).finish())
                    .collect(),
            }
        };
        groups.into_iter().map(row).collect()
    }
}

/// What groups have in common: expressions with commas between them.
pub(crate) fn groups(text: &str, fields: &mut FieldNames) -> Result<Vec<(String, Expr)>, ExprError> {
    let mut groups = Vec::new();
    if text.trim().is_empty() {
        return Ok(groups);
    }
    let mut parser = Parser::new(text, fields)?;
    loop {
        let start = parser.at();
        let expr = parser.or()?;
        groups.push((parser.text_from(start).to_owned(), expr));
        if !parser.eat(",")? {
            break;
        }
    }
    parser.end()?;
    Ok(groups)
}

impl Aggregate {
    pub(crate) fn read(parser: &mut Parser) -> Result<Aggregate, ExprError> {
        let start = parser.at();
        let Some(name) = parser.function()? else {
            return parser.error("the name of an aggregate is missing, such as `avg(us)`");
        };
        let Some(function) = Function::parse(&name) else {
            let known = "count sum avg min max first last rate distinct and p50, p99, p99.9";
            return parser.error(format!("`{name}` is no aggregate; there are {known}"));
        };
        let of = if function == Function::Count && !parser.eat("(")? {
            None
        } else {
            if function != Function::Count {
                parser.need("(")?;
            }
            if function == Function::Count && parser.eat(")")? {
                None
            } else {
                let of = parser.or()?;
                parser.need(")")?;
                Some(of)
            }
        };
        Ok(Aggregate { name: parser.text_from(start).trim_end().to_owned(), function, of })
    }

    /// What it counts of a record; `None` if nothing.
    pub(crate) fn value<'v>(&'v self, row: &'v impl Row) -> Option<ValueRef<'v>> {
        match &self.of {
            None => Some(ValueRef::Null),
            Some(expr) => expr.value(row).filter(|value| *value != ValueRef::Null),
        }
    }

    /// Of these values at these times.
    pub(crate) fn of<'v>(
        &self,
        values: impl Iterator<Item = (i64, ValueRef<'v>)>,
    ) -> Result<FieldValue, TooMany> {
        let mut state = State::new(self);
        for (time, value) in values {
            state.add(time, value)?;
        }
        Ok(state.finish())
    }

    fn add(&self, state: &mut State, time: i64, row: &impl Row) -> Result<(), TooMany> {
        self.value(row).map_or(Ok(()), |value| state.add(time, value))
    }
}

fn compare_all(a: &[FieldValue], b: &[FieldValue]) -> std::cmp::Ordering {
    let rank = |value: &FieldValue| match value {
        FieldValue::Null => 0,
        FieldValue::Bool(_) => 1,
        FieldValue::Int(_) | FieldValue::Double(_) => 2,
        FieldValue::Duration(_) => 3,
        FieldValue::Time(_) => 4,
        FieldValue::String(_) => 5,
        _ => 6,
    };
    let pairs = a.iter().zip(b).map(|(a, b)| {
        rank(a).cmp(&rank(b)).then_with(|| {
            ValueRef::of(a)
                .zip(ValueRef::of(b))
                .and_then(|(a, b)| order(a, b))
                .unwrap_or(std::cmp::Ordering::Equal)
        })
    });
    pairs.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
}

/// What sums and averages are made of, and what they are in the end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Unit {
    Number,
    Duration,
    Time,
}

impl Unit {
    pub(crate) fn int(self, value: i64) -> FieldValue {
        match self {
            Unit::Number => FieldValue::Int(value),
            Unit::Duration => FieldValue::Duration(value),
            Unit::Time => FieldValue::Time(value),
        }
    }

    pub(crate) fn double(self, value: f64) -> FieldValue {
        match self {
            Unit::Number => FieldValue::Double(value),
            Unit::Duration => FieldValue::Duration(value as i64),
            Unit::Time => FieldValue::Time(value as i64),
        }
    }
}

enum State {
    Count(u64),
    Sum(Sum),
    Avg(Sum),
    /// The least value so far.
    Min(Option<FieldValue>),
    Max(Option<FieldValue>),
    First(Option<(i64, FieldValue)>),
    Last(Option<(i64, FieldValue)>),
    Rate(Option<(i64, f64)>, Option<(i64, f64)>),
    Distinct(HashSet<Key>),
    Percentile(f64, Unit, Values),
}

#[derive(Default)]
struct Sum {
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

fn number(value: ValueRef) -> Option<(f64, Unit)> {
    Some(match value {
        ValueRef::Int(value) => (value as f64, Unit::Number),
        ValueRef::Double(value) => (value, Unit::Number),
        ValueRef::Duration(value) => (value as f64, Unit::Duration),
        ValueRef::Time(value) => (value as f64, Unit::Time),
        _ => return None,
    })
}

impl State {
    fn new(aggregate: &Aggregate) -> State {
        match aggregate.function {
            Function::Count => State::Count(0),
            Function::Sum => State::Sum(Sum::default()),
            Function::Avg => State::Avg(Sum::default()),
            Function::Min => State::Min(None),
            Function::Max => State::Max(None),
            Function::First => State::First(None),
            Function::Last => State::Last(None),
            Function::Rate => State::Rate(None, None),
            Function::Distinct => State::Distinct(HashSet::new()),
            Function::Percentile(percent) => {
                State::Percentile(percent, Unit::Number, Values::Tiny(Vec::new()))
            }
        }
    }

    fn add(&mut self, time: i64, value: ValueRef) -> Result<(), TooMany> {
        use std::cmp::Ordering;
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
            State::Rate(first, last) => {
                if let Some((value, _)) = number(value) {
                    if first.is_none_or(|(first, _)| time < first) {
                        *first = Some((time, value));
                    }
                    if last.is_none_or(|(last, _)| time >= last) {
                        *last = Some((time, value));
                    }
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

    fn add_ints(&mut self, times: &[i64], ints: &[i64]) -> Result<(), TooMany> {
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
                    state.add(time, ValueRef::Int(value))?;
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> FieldValue {
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
            State::Rate(Some((from, a)), Some((to, b))) if to > from => {
                FieldValue::Double((b - a) / ((to - from) as f64 / 1e9))
            }
            State::Rate(..) => FieldValue::Null,
            State::Distinct(all) => FieldValue::Int(all.len() as i64),
            State::Percentile(percent, unit, values) => values.percentile(percent, unit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::EXACT_VALUES_MAX;

    struct One(Option<ValueRef<'static>>, &'static str);

    impl Row for One {
        fn field(&self, _: usize) -> Option<ValueRef<'static>> {
            self.0
        }

        fn meta(&self, meta: Meta) -> ValueRef<'static> {
            if meta == Meta::Time { ValueRef::Time(0) } else { ValueRef::String(self.1) }
        }
    }

    const SECOND: i64 = 1_000_000_000;

    fn table(aggregates: &str, by: &str, every: Option<i64>, rows: &[(i64, One)]) -> Vec<StatsRow> {
        let stats = Stats::parse(aggregates, by, every).unwrap_or_else(|e| panic!("{e}"));
        let mut table = Table::new(&stats);
        for (time, row) in rows {
            table.add(*time, row).unwrap();
        }
        table.finish()
    }

    fn ints(values: &[i64]) -> Vec<(i64, One)> {
        values
            .iter()
            .enumerate()
            .map(|(i, v)| (i as i64 * SECOND, One(Some(ValueRef::Int(*v)), "n")))
            .collect()
    }

    fn one(aggregate: &str, values: &[i64]) -> FieldValue {
        table(aggregate, "", None, &ints(values))[0].values[0].clone()
    }

    #[test]
    fn aggregates() {
        let values = [5, -1, 3, 3];
        for (aggregate, expected) in [
            ("count()", FieldValue::Int(4)),
            ("count", FieldValue::Int(4)),
            ("count(x)", FieldValue::Int(4)),
            ("sum(x)", FieldValue::Int(10)),
            ("avg(x)", FieldValue::Double(2.5)),
            ("min(x)", FieldValue::Int(-1)),
            ("max(x + 1)", FieldValue::Int(6)),
            ("first(x)", FieldValue::Int(5)),
            ("last(x)", FieldValue::Int(3)),
            ("rate(x)", FieldValue::Double(-2.0 / 3.0)),
            ("distinct(x)", FieldValue::Int(3)),
            ("p50(x)", FieldValue::Int(3)),
            ("p99.9(x)", FieldValue::Int(5)),
            ("p1(x)", FieldValue::Int(-1)),
        ] {
            assert_eq!(one(aggregate, &values), expected, "{aggregate}");
        }
        for aggregate in ["sum(x)", "avg(x)", "min(x)", "last(x)", "rate(x)", "p50(x)"] {
            assert_eq!(one(aggregate, &[]), FieldValue::Null, "{aggregate}");
        }
        assert_eq!(one("count()", &[]), FieldValue::Int(0));
        assert_eq!(one("sum(x)", &[i64::MAX, i64::MAX]), FieldValue::Double(2.0 * i64::MAX as f64));
        let durations =
            [(0, One(Some(ValueRef::Duration(10)), "n")), (1, One(Some(ValueRef::Duration(20)), "n"))];
        assert_eq!(
            table("avg(x), p50(x)", "", None, &durations)[0].values,
            [FieldValue::Duration(15), FieldValue::Duration(10)]
        );
    }

    #[test]
    fn groups_and_windows() {
        let row = |time: i64, value, node| (time * SECOND, One(Some(ValueRef::Int(value)), node));
        let rows = [row(1, 1, "b"), row(2, 2, "a"), row(11, 3, "b"), row(-1, 4, "b"), row(3, 9, "b")];
        let found = table("sum(x), count", "node", Some(10 * SECOND), &rows);
        let found: Vec<(i64, String, FieldValue)> = found
            .into_iter()
            .map(|row| match &row.by[..] {
                [FieldValue::String(node)] => {
                    (row.window.unwrap() / SECOND, node.clone(), row.values[0].clone())
                }
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = [(-10, "b", 4), (0, "a", 2), (0, "b", 10), (10, "b", 3)];
        assert_eq!(found, expected.map(|(w, n, v)| (w, n.to_owned(), FieldValue::Int(v))));
    }

    #[test]
    fn percentiles_of_many_values_are_near() {
        let count = EXACT_VALUES_MAX as i64 + 1000;
        let many: Vec<i64> = (0..count).map(|n| n * 7919 % count - 100).collect();
        for (aggregate, percent) in [("p50(x)", 0.5), ("p99(x)", 0.99), ("p0.05(x)", 0.0005)] {
            let FieldValue::Double(found) = one(aggregate, &many) else { panic!("it is a sketch") };
            let exact = (count as f64 * percent).ceil() - 101.0;
            assert!((found - exact).abs() <= exact.abs() * 0.0051 + 1e-9, "{aggregate}: {found} for {exact}");
        }
        assert_eq!(one("p50(x)", &[70_000; 9]), FieldValue::Int(70_000));
    }

    #[test]
    fn mistakes() {
        let check = |text: &str, message: &str| {
            let error = Stats::parse(text, "", None).expect_err(text);
            assert!(error.message.starts_with(message), "{error}");
        };
        check("", "the name of an aggregate is missing");
        check("mean(x)", "`mean` is no aggregate");
        check("p100(x)", "`p100` is no aggregate");
        check("avg", "`(` is missing");
        check("avg(x", "`)` is missing");
        check("avg(x) p99(x)", "an operator is missing");
        check("avg()", "a value is missing");
    }
}
