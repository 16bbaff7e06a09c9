//! Aggregates: `avg(us), p99(wa) as slow` over all records, or by window of time and by what they have in common.
//!
//! Steps: read the text into [`Stats`]; a [`Table`] takes one record after the other, in any order, and gives a row
//! for each group at the end, by window and group or in the order asked for (`-slow, node`). What is exact and what is not:
//!
//! - `count() count(x) sum avg min max first last rate` are exact (`avg` and `rate` as doubles are);
//! - `p50` to `p99.9` are the nearest rank, exact while a group has at most `EXACT_VALUES_MAX` values, then within
//!   0.5 percent of the value (logarithmic buckets, as in DDSketch, Masson et al., VLDB 2019);
//! - `distinct` is exact up to `DISTINCT_MAX` different values and an error beyond.
//!
//! `count(x)` counts the records that have `x`, and `count(x > 5)` those of which that is true. `rate(x)` is for counters
//! (see `rate`). `count()` of nothing is 0 and `sum` of nothing is null, like all the others.

mod rate;
mod state;

use std::collections::HashMap;

use rustc_hash::FxHashMap;

use crate::codec::ValueRef;
use crate::expr::{Expr, ExprError, FieldNames, Kind, Meta, Parser, Row};
use crate::limits::GROUPS_MAX;
use crate::order::{self, Way};
use crate::record::FieldValue;
use crate::rows::BlockRows;
pub(crate) use rate::At;
use state::State;
pub(crate) use state::Unit;

/// What is asked for: which aggregates, over which windows, by what.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    pub aggregates: Vec<Aggregate>,
    /// What the aggregates and `by` read.
    pub(crate) fields: FieldNames,
    /// Length of the windows in nanoseconds; they begin at multiples of it since 1970.
    pub every: Option<i64>,
    by: Vec<Group>,
    order: Vec<(Column, Way)>,
    /// As it was written.
    order_text: Option<String>,
    /// The first so many rows.
    pub limit: Option<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// As it was written, or what stands behind `as`.
    pub name: String,
    /// As it was written, `as` included.
    pub written: String,
    function: Function,
    /// `None` for `count()`.
    of: Option<Expr>,
    /// What its values are, as far as that is known.
    kind: Kind,
}

/// What a group has in common.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    pub name: String,
    written: String,
    pub expr: Expr,
}

/// What rows are ordered by.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Column {
    Window,
    By(usize),
    Value(usize),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Function {
    Count,
    /// Of conditions.
    CountTrue,
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
    fn parse(name: &str) -> Result<Function, String> {
        Ok(match name {
            "count" => Function::Count,
            "sum" => Function::Sum,
            "avg" => Function::Avg,
            "min" => Function::Min,
            "max" => Function::Max,
            "first" => Function::First,
            "last" => Function::Last,
            "rate" => Function::Rate,
            "distinct" => Function::Distinct,
            _ => match name.strip_prefix('p').and_then(|percent| percent.parse::<f64>().ok()) {
                Some(percent) if percent > 0.0 && percent < 100.0 => Function::Percentile(percent),
                Some(_) => {
                    return Err(format!(
                        "`{name}` is no percentile: those lie between 0 and 100, such as p50, p99 and p99.9 (`min` and `max` \
                         are at the ends)"
                    ));
                }
                None => {
                    let known = "count sum avg min max first last rate distinct and p50, p99, p99.9";
                    return Err(format!("`{name}` is no aggregate; there are {known}"));
                }
            },
        })
    }

    /// Whether it is made of numbers, durations or times.
    fn is_of_numbers(self) -> bool {
        matches!(self, Function::Sum | Function::Avg | Function::Rate | Function::Percentile(_))
    }
}

impl Stats {
    /// `avg(us), p99(wa)` and, of what to group by, `node, key`.
    pub fn parse(aggregates: &str, by: &str, every: Option<i64>) -> Result<Stats, ExprError> {
        let mut fields = FieldNames::default();
        let mut all = Vec::new();
        let mut parser = Parser::new(aggregates, &mut fields)?;
        loop {
            let start = parser.at();
            let aggregate = Aggregate::read(&mut parser)?;
            let name = alias(&mut parser)?.unwrap_or(aggregate.name);
            all.push(Aggregate { name, written: parser.text_from(start).to_owned(), ..aggregate });
            if !parser.eat(",")? {
                break;
            }
        }
        parser.end()?;
        let by = groups(by, &mut fields)?;
        let stats =
            Stats { aggregates: all, fields, every, by, order: Vec::new(), order_text: None, limit: None };
        let own = stats.every.map_or(0, |_| 1);
        let names: Vec<&str> = stats.columns().skip(own).collect();
        match (1..names.len()).find(|&at| names[..at].contains(&names[at])) {
            Some(at) => ExprError::of_all(
                format!(
                    "two columns are named `{}`: give one another name, such as `... as other`",
                    names[at]
                ),
                aggregates,
            ),
            None => Ok(stats),
        }
    }

    /// With its rows ordered by columns, such as `-p99(us), node`. What has no value comes last. Where they do not differ, and
    /// where nothing is asked for, they are ordered by window and group. `oldest` and `newest` are the windows. Only the first
    /// `limit` rows are given.
    pub fn ordered(mut self, order: Option<&str>, limit: Option<usize>) -> Result<Stats, ExprError> {
        self.limit = limit;
        let Some(text) = order else { return Ok(self) };
        let mut fields = self.fields.clone();
        let mut parser = Parser::new(text, &mut fields)?;
        loop {
            let way = Way::read(&mut parser)?;
            let key = self.key(&mut parser, way)?;
            self.order.push(key);
            if !order::next(&mut parser)? {
                break;
            }
        }
        self.order_text = Some(text.to_owned());
        Ok(self)
    }

    /// The column that is named next: by its name, by what it is, or as the window.
    fn key(&self, parser: &mut Parser, way: Way) -> Result<(Column, Way), ExprError> {
        let start = parser.at();
        let (found, end) = if parser.call_is_next() {
            let wanted = Aggregate::read(parser)?;
            let same = |one: &Aggregate| (one.function, &one.of) == (wanted.function, &wanted.of);
            (self.aggregates.iter().position(same).map(Column::Value), parser.before())
        } else {
            let wanted = parser.any()?;
            (self.by.iter().position(|group| group.expr == wanted.expr).map(Column::By), wanted.end)
        };
        let text = parser.text_from(start);
        let named = |name: &str| name == text || name == text.trim_matches('`');
        let by_name = || {
            let value = self.aggregates.iter().position(|one| named(&one.name)).map(Column::Value);
            value.or_else(|| self.by.iter().position(|group| named(&group.name)).map(Column::By))
        };
        if let Some(column) = by_name().or(found) {
            return Ok((column, way));
        }
        match (text, way) {
            ("newest", Way::Up) if self.every.is_some() => Ok((Column::Window, Way::Down)),
            ("oldest", Way::Up) | ("window" | "time", _) if self.every.is_some() => Ok((Column::Window, way)),
            _ => {
                let columns: Vec<&str> = self.columns().collect();
                let message =
                    format!("`{text}` is no column of the answer; there are {}", columns.join(", "));
                parser.error_at(message, start, end)
            }
        }
    }

    /// The names of its columns, in their order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        let window = self.every.map(|_| "window");
        window.into_iter().chain(self.by()).chain(self.aggregates.iter().map(|one| &one.name[..]))
    }

    /// The names of what the groups have in common.
    pub fn by(&self) -> impl Iterator<Item = &str> {
        self.by.iter().map(|group| &group.name[..])
    }

    /// As it was written.
    pub fn by_text(&self) -> String {
        self.by.iter().map(|group| &group.written[..]).collect::<Vec<_>>().join(", ")
    }

    pub fn aggregates_text(&self) -> String {
        self.aggregates.iter().map(|one| &one.written[..]).collect::<Vec<_>>().join(", ")
    }

    pub fn order_text(&self) -> Option<&str> {
        self.order_text.as_deref()
    }

    /// The names of the fields that it looks at.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.fields.names().iter().map(|name| &name[..])
    }

    /// Whether records must be told apart by series, and come by time as far as they can.
    pub(crate) fn is_by_time(&self) -> bool {
        self.aggregates.iter().any(Aggregate::is_rate)
    }

    /// Whether a time is in the window that begins then.
    fn is_in(&self, window: i64, time: i64) -> bool {
        self.every.is_none_or(|every| (time.wrapping_sub(window) as u64) < every as u64)
    }

    /// Whether all records of a series belong together, but for the windows.
    pub(crate) fn is_by_series(&self) -> bool {
        let names = |group: &Group| matches!(group.expr, Expr::Meta(Meta::Pool | Meta::Key | Meta::Node));
        self.by.iter().all(names)
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
    /// The numbers of series, where they count.
    series: HashMap<[String; 3], u32>,
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
            series: HashMap::new(),
        }
    }

    /// The number of a series; the same for all where they do not count.
    pub fn series(&mut self, pool: &str, key: &str, node: &str) -> u32 {
        if !self.stats.is_by_time() {
            return 0;
        }
        let next = self.series.len() as u32;
        *self.series.entry([pool, key, node].map(str::to_owned)).or_insert(next)
    }

    pub fn add(&mut self, at: At, row: &impl Row) -> Result<(), TooMany> {
        let group = self.group(at.time, row)?;
        for (aggregate, state) in self.stats.aggregates.iter().zip(&mut self.states[group..]) {
            aggregate.add(state, at, row)?;
        }
        Ok(())
    }

    /// The same for all records of a block, of which `by` says nothing that differs among them. `at` is the place of any.
    pub fn add_block(&mut self, at: At, times: &[i64], rows: &BlockRows) -> Result<(), TooMany> {
        let mut from = 0;
        while let Some(&first) = times.get(from) {
            let group = self.group(first, &rows.row(from))?;
            let window = self.last.map_or(0, |place| place.window);
            let same = times[from..].iter().take_while(|&&time| self.stats.is_in(window, time));
            let end = from + same.count().max(1);
            for (aggregate, state) in self.stats.aggregates.iter().zip(&mut self.states[group..]) {
                match aggregate.of.as_ref().map(|of| (of, rows.ints_of(of))) {
                    Some((_, Some(ints))) => state.add_ints(at, &times[from..end], &ints[from..end])?,
                    _ => {
                        for (place, &time) in (from..end).zip(&times[from..end]) {
                            aggregate.add(state, At { time, ..at }, &rows.row(place))?;
                        }
                    }
                }
            }
            from = end;
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
            let pairs = stats.by.iter().zip(&self.keys[number as usize]);
            pairs.into_iter().all(|(group, key)| key.is(group.expr.value(row)))
        };
        let key = match self.last.filter(|last| is(last.key)) {
            Some(last) => last.key,
            None => self.number(stats.by.iter().map(|group| Key::of(group.expr.value(row))).collect()),
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
            self.states.extend(stats.aggregates.iter().map(|aggregate| State::new(aggregate.function)));
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

    /// In the order asked for, then by window and by what the groups have in common.
    pub fn finish(mut self) -> Vec<StatsRow> {
        let stats = self.stats;
        if stats.every.is_none() && stats.by.is_empty() && self.places.is_empty() {
            let key = self.number(Vec::new());
            self.places.insert((0, key), 0);
            self.states.extend(stats.aggregates.iter().map(|aggregate| State::new(aggregate.function)));
        }
        let keys: Vec<Vec<FieldValue>> =
            self.keys.into_iter().map(|key| key.into_iter().map(Key::value).collect()).collect();
        let mut order: Vec<usize> = (0..keys.len()).collect();
        let compare = |a: &[FieldValue], b: &[FieldValue]| {
            let pairs = a.iter().zip(b).map(|(a, b)| order::compare(a, b));
            pairs.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
        };
        order.sort_by(|&a, &b| compare(&keys[a], &keys[b]));
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
        let mut rows: Vec<StatsRow> = groups.into_iter().map(row).collect();
        let compare = |a: &StatsRow, b: &StatsRow| {
            let one = |&(column, way): &(Column, Way)| match column {
                Column::Window => way.of(a.window.cmp(&b.window)),
                Column::By(at) => way.compare(&a.by[at], &b.by[at]),
                Column::Value(at) => way.compare(&a.values[at], &b.values[at]),
            };
            stats.order.iter().map(one).fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
        };
        // To sort takes memory, also where there is nothing to do.
        if !stats.order.is_empty() {
            rows.sort_by(compare);
        }
        rows.truncate(stats.limit.unwrap_or(usize::MAX));
        rows
    }
}

/// What stands behind `as`.
fn alias(parser: &mut Parser) -> Result<Option<String>, ExprError> {
    if !parser.eat_word("as")? {
        return Ok(None);
    }
    match parser.name()? {
        Some(name) => Ok(Some(name)),
        None => parser.error("behind `as` stands a name, such as `avg(us) as load`"),
    }
}

/// What groups have in common: expressions with commas between them.
pub(crate) fn groups(text: &str, fields: &mut FieldNames) -> Result<Vec<Group>, ExprError> {
    let mut groups = Vec::new();
    if text.trim().is_empty() {
        return Ok(groups);
    }
    let mut parser = Parser::new(text, fields)?;
    loop {
        let start = parser.at();
        let expr = parser.any()?.expr;
        let name = parser.text_from(start).to_owned();
        let name = alias(&mut parser)?.unwrap_or(name);
        groups.push(Group { name, written: parser.text_from(start).to_owned(), expr });
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
        let function =
            Function::parse(&name).or_else(|why| parser.error_at(why, start, start + name.len()))?;
        let of = if function == Function::Count && !parser.eat("(")? {
            None
        } else {
            if function != Function::Count {
                parser.need("(")?;
            }
            if function == Function::Count && parser.eat(")")? {
                None
            } else {
                let of = parser.any()?;
                parser.need(")")?;
                Some(of)
            }
        };
        let kind = of.as_ref().map_or(Kind::Unknown, |of| of.kind);
        if let Some(of) = &of
            && function.is_of_numbers()
            && matches!(kind, Kind::Bool | Kind::Text | Kind::Null)
        {
            let hint = if kind == Kind::Bool { "; `count(...)` counts of how many it is true" } else { "" };
            return parser.error_at(
                format!("`{name}` is of numbers, and this is {kind}{hint}"),
                of.start,
                of.end,
            );
        }
        let function = match (function, kind) {
            (Function::Count, Kind::Bool) => Function::CountTrue,
            (function, _) => function,
        };
        let kind = match function {
            Function::Count | Function::CountTrue | Function::Distinct | Function::Rate => Kind::Number,
            _ => kind,
        };
        let name = parser.text_from(start).to_owned();
        Ok(Aggregate { written: name.clone(), name, function, of: of.map(|of| of.expr), kind })
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn is_of_numbers(&self) -> bool {
        self.function.is_of_numbers()
    }

    pub(crate) fn is_rate(&self) -> bool {
        self.function == Function::Rate
    }

    /// What it counts of a record; `None` if nothing.
    pub(crate) fn value<'v>(&'v self, row: &'v impl Row) -> Option<ValueRef<'v>> {
        match &self.of {
            None => Some(ValueRef::Null),
            Some(expr) => expr.value(row).filter(|value| match self.function {
                Function::CountTrue => *value == ValueRef::Bool(true),
                _ => *value != ValueRef::Null,
            }),
        }
    }

    /// Of these values.
    pub(crate) fn of<'v>(
        &self,
        values: impl Iterator<Item = (At, ValueRef<'v>)>,
    ) -> Result<FieldValue, TooMany> {
        let mut state = State::new(self.function);
        for (at, value) in values {
            state.add(at, value)?;
        }
        Ok(state.finish())
    }

    fn add(&self, state: &mut State, at: At, row: &impl Row) -> Result<(), TooMany> {
        self.value(row).map_or(Ok(()), |value| state.add(at, value))
    }
}

#[cfg(test)]
mod tests;
