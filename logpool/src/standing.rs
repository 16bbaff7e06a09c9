//! A standing query: `avg(us) > 90` over the last five minutes of each node, looked at anew with every record, that says
//! when it turns true and when it turns false.
//!
//! It goes by the records' own time: the window of a group ends at its newest record, or at the time that the caller
//! says has come. Records may come in any order; one that is older than the window does not count. Without records, and
//! without the field, nothing is true. It reads no clock and no file: whoever has the records shows them.
//!
//! Who watches asks for what comes from now on, then for what is there already ([`Standing::begin`]), and then for what came
//! ([`Standing::go_on`]): nothing is missed, and what is met twice counts once.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::codec::ValueRef;
use crate::error::{LogPoolError, Result};
use crate::expr::{Expr, ExprError, FieldNames, Kind, Meta, Parser, Part, Row};
use crate::limits::{STANDING_GROUPS_MAX, STANDING_VALUES_MAX};
use crate::name::Name;
use crate::query::Query;
use crate::record::{FieldValue, Record, RunId};
use crate::rows::RecordRow;
use crate::stats::{self, Aggregate, At, Key, groups};

/// See the head of this file.
#[derive(Debug)]
pub struct Standing {
    query: Query,
    aggregate: Aggregate,
    /// Of the aggregate's value as field 0.
    condition: Expr,
    by: Vec<stats::Group>,
    fields: FieldNames,
    over: i64,
    groups: HashMap<Vec<Key>, Group>,
    /// The numbers of series, where they count.
    series: HashMap<[Name; 3], u32>,
    /// Records that were there at the beginning, and may come again.
    known: HashSet<(RunId, u64)>,
}

#[derive(Debug, Default)]
struct Group {
    /// By time; with the number of the series.
    values: VecDeque<(i64, u32, FieldValue)>,
    end: i64,
    holds: bool,
}

/// A standing query turned true or false for a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// What the group has in common, in the order asked for.
    pub by: Vec<FieldValue>,
    pub holds: bool,
    /// The end of the window, in nanoseconds since 1970.
    pub time: i64,
    /// The aggregate's value; null where the window is empty.
    pub value: FieldValue,
}

impl Standing {
    /// The records of `query` (whose times, `limit` and `order` do not count), by `by`, over so many nanoseconds. The
    /// condition is an aggregate, a comparison and a value: `p99(wa) >= 20`.
    pub fn parse(query: Query, condition: &str, by: &str, over: i64) -> Result<Standing, ExprError> {
        let mut fields = FieldNames::default();
        let mut parser = Parser::new(condition, &mut fields)?;
        let start = parser.at();
        let aggregate = Aggregate::read(&mut parser)?;
        let value =
            Part { expr: Expr::Field(0), kind: aggregate.kind(), start, end: start + aggregate.name.len() };
        let behind = parser.at();
        let condition = parser.compared(value)?.expr;
        match &condition {
            Expr::Compare(_, _, limit) => {
                let limit = limit.value(&Answer(&FieldValue::Null)).map(|limit| limit.kind());
                let never = aggregate.is_of_numbers() && matches!(limit, Some(Kind::Text | Kind::Bool));
                if limit.is_none_or(|limit| limit == Kind::Null) || never {
                    let with =
                        if never { "a number or a duration" } else { "a number, a duration or a text" };
                    let message = format!("`{}` is compared with {with}", aggregate.name);
                    return parser.error_at(message, behind, parser.before());
                }
            }
            Expr::Like(..) if !aggregate.is_of_numbers() => {}
            _ => return parser.error_at("a comparison is missing, such as `> 90`", behind, parser.before()),
        }
        parser.end()?;
        let by = groups(by, &mut fields)?;
        let query = Query { since: None, until: None, ..query };
        let (groups, series, known) = Default::default();
        Ok(Standing { query, aggregate, condition, by, fields, over, groups, series, known })
    }

    /// What of the records that are there already may count.
    pub fn before(&self, now: i64) -> Query {
        Query { since: Some(now.saturating_sub(self.over)), limit: None, order: None, ..self.query.clone() }
    }

    /// Takes what is there already. Says what is true now, and not what turned in between.
    pub fn begin(&mut self, records: Vec<Record>, now: i64) -> Result<Vec<Turn>> {
        let mut now_true: Vec<Turn> = Vec::new();
        let mut turned = |turn: Turn| {
            now_true.retain(|known| known.by != turn.by);
            now_true.extend(turn.holds.then_some(turn));
        };
        for record in records {
            self.known.insert((record.run, record.seq));
            self.add(&record)?.into_iter().for_each(&mut turned);
        }
        self.advance(now)?.into_iter().for_each(turned);
        Ok(now_true)
    }

    /// Takes what came since, and the time.
    pub fn go_on(&mut self, records: Vec<Record>, now: i64) -> Result<Vec<Turn>> {
        let mut turns = Vec::new();
        for record in records {
            if !self.known.remove(&(record.run, record.seq)) {
                turns.extend(self.add(&record)?);
            }
        }
        turns.extend(self.advance(now)?);
        Ok(turns)
    }

    /// The aggregate as it was written.
    pub fn aggregate(&self) -> &str {
        &self.aggregate.name
    }

    /// What groups have in common, as it was written.
    pub fn by(&self) -> impl Iterator<Item = &str> {
        self.by.iter().map(|group| &group.name[..])
    }

    /// Takes a record; says whether the condition turned.
    pub fn add(&mut self, record: &Record) -> Result<Option<Turn>> {
        if !self.query.matches(record) {
            return Ok(None);
        }
        let row = RecordRow::new(record, &self.fields);
        let key: Vec<Key> = self.by.iter().map(|group| Key::of(group.expr.value(&row))).collect();
        if !self.groups.contains_key(&key) && self.groups.len() == STANDING_GROUPS_MAX {
            return Err(LogPoolError::TooMany { what: "groups", limit: STANDING_GROUPS_MAX });
        }
        let mut series = 0;
        if self.aggregate.is_rate() {
            let next = self.series.len();
            if next == STANDING_GROUPS_MAX {
                return Err(LogPoolError::TooMany { what: "series", limit: STANDING_GROUPS_MAX });
            }
            let name = [&record.pool, &record.key, &record.node].map(Name::clone);
            series = *self.series.entry(name).or_insert(next as u32);
        }
        let group =
            self.groups.entry(key.clone()).or_insert_with(|| Group { end: i64::MIN, ..Group::default() });
        let time = record.time;
        if time <= group.end.saturating_sub(self.over) {
            return Ok(None);
        }
        if let Some(value) = self.aggregate.value(&row).and_then(|value| value.decode().ok()) {
            let place = group.values.partition_point(|(earlier, ..)| *earlier <= time);
            group.values.insert(place, (time, series, value));
        }
        group.move_to(time, self.over);
        if group.values.len() > STANDING_VALUES_MAX {
            return Err(LogPoolError::TooMany { what: "records in a window", limit: STANDING_VALUES_MAX });
        }
        group.turn(&key, &self.aggregate, &self.condition)
    }

    /// So late it is: windows move on without records. Says for which groups the condition turned.
    pub fn advance(&mut self, now: i64) -> Result<Vec<Turn>> {
        let mut turns = Vec::new();
        for (key, group) in &mut self.groups {
            if group.move_to(now, self.over) {
                turns.extend(group.turn(key, &self.aggregate, &self.condition)?);
            }
        }
        // A group whose window is empty is as one that never was.
        self.groups.retain(|_, group| group.holds || !group.values.is_empty());
        Ok(turns)
    }
}

impl Group {
    /// Moves the end of the window forward; says whether something left it.
    fn move_to(&mut self, time: i64, over: i64) -> bool {
        self.end = self.end.max(time);
        let before = self.values.len();
        while self.values.front().is_some_and(|(first, ..)| *first <= self.end.saturating_sub(over)) {
            self.values.pop_front();
        }
        self.values.len() < before
    }

    fn turn(&mut self, key: &[Key], aggregate: &Aggregate, condition: &Expr) -> Result<Option<Turn>> {
        let value = if self.values.is_empty() {
            FieldValue::Null
        } else {
            // What a group holds are no lists and maps: they came through `ValueRef`.
            let values = self.values.iter().filter_map(|(time, series, value)| {
                Some((At { time: *time, series: *series, until: i64::MIN }, ValueRef::of(value)?))
            });
            aggregate.of(values).map_err(|why| LogPoolError::TooMany { what: why.0, limit: why.1 })?
        };
        let holds = !self.values.is_empty() && condition.holds(&Answer(&value));
        if holds == self.holds {
            return Ok(None);
        }
        self.holds = holds;
        let by = key.iter().cloned().map(Key::value).collect();
        Ok(Some(Turn { by, holds, time: self.end, value }))
    }
}

/// The value of the aggregate as a row with one field.
struct Answer<'a>(&'a FieldValue);

impl Row for Answer<'_> {
    fn field(&self, number: usize) -> Option<ValueRef<'_>> {
        match self.0 {
            // While the condition is read, no field has a value.
            FieldValue::Null => None,
            value if number == 0 => ValueRef::of(value),
            _ => None,
        }
    }

    fn meta(&self, _: Meta) -> ValueRef<'_> {
        ValueRef::Null
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RunId;

    const SECOND: i64 = 1_000_000_000;

    fn record(node: &str, second: i64, us: Option<i64>) -> Record {
        Record {
            pool: "p".into(),
            key: "vmstat".into(),
            node: node.into(),
            task: "t".into(),
            run: RunId(1),
            seq: 0,
            time: second * SECOND,
            fields: us.map(|us| ("us", FieldValue::Int(us))).into_iter().collect(),
        }
    }

    fn standing(condition: &str, by: &str) -> Standing {
        Standing::parse(Query::of_key("p", "vmstat"), condition, by, 10 * SECOND).unwrap()
    }

    /// Seconds and values in, the turns out.
    fn turns(condition: &str, records: &[(i64, i64)]) -> Vec<(i64, bool)> {
        let mut standing = standing(condition, "");
        let add = |&(second, us): &(i64, i64)| standing.add(&record("n", second, Some(us))).unwrap();
        records.iter().filter_map(add).map(|turn| (turn.time / SECOND, turn.holds)).collect()
    }

    #[test]
    fn it_says_when_it_turns() {
        let rising: Vec<(i64, i64)> =
            (0..40).map(|second| (second, if second < 20 { 95 } else { 5 })).collect();
        assert_eq!(turns("avg(us) > 90", &rising), [(0, true), (20, false)]);
        assert_eq!(turns("max(us) > 90", &rising), [(0, true), (29, false)]);
        assert_eq!(turns("count() >= 10", &rising), [(9, true)]);
        assert_eq!(turns("p50(us) == 5", &rising), [(24, true)]);
        assert_eq!(turns("min(us) < 10", &rising), [(20, true)]);
        assert_eq!(turns("avg(us) > 99", &rising), []);
    }

    #[test]
    fn order_and_late_records() {
        // 5 comes after 8 and counts; 1 is out of the window that 12 opened.
        let mut standing = standing("sum(us) == 3", "");
        let mut add = |second| standing.add(&record("n", second, Some(1))).unwrap().map(|turn| turn.holds);
        assert_eq!([8, 5, 12, 1].map(&mut add), [None, None, Some(true), None]);
        assert_eq!(add(13), Some(false));
    }

    #[test]
    fn groups_turn_on_their_own_and_time_goes_on_without_records() {
        let mut standing = standing("max(us) > 50", "node");
        assert_eq!(standing.by().collect::<Vec<_>>(), ["node"]);
        assert_eq!(standing.aggregate(), "max(us)");
        let web = standing.add(&record("web", 100, Some(60))).unwrap().unwrap();
        assert_eq!(
            (web.by, web.holds, web.value),
            (vec![FieldValue::String("web".into())], true, FieldValue::Int(60))
        );
        assert_eq!(standing.add(&record("db", 100, Some(10))).unwrap(), None);
        assert_eq!(standing.add(&record("db", 101, None)).unwrap(), None, "it has no such field");
        let other = Record { key: "other".into(), ..record("db", 102, Some(99)) };
        assert_eq!(standing.add(&other).unwrap(), None, "it is no record of the query");
        assert_eq!(standing.advance(105 * SECOND).unwrap(), []);
        let turns = standing.advance(110 * SECOND).unwrap();
        assert_eq!(turns.len(), 1);
        assert_eq!(
            (turns[0].holds, turns[0].time, &turns[0].value),
            (false, 110 * SECOND, &FieldValue::Null)
        );
        assert_eq!(standing.groups.len(), 0, "empty groups are forgotten");
    }

    #[test]
    fn mistakes_are_said() {
        let check = |condition: &str, expected: &str| {
            let why = Standing::parse(Query::default(), condition, "", SECOND).unwrap_err().to_string();
            assert!(why.contains(expected), "{condition}: {why}");
        };
        check("us > 90", "no aggregate");
        check("avg(us)", "comparison is missing");
        check("avg(us) > other", "compared with a number");
        check("count() > 'a'", "a number is never equal to a text");
        check(
            "avg(us) > 'a'",
            "`avg(us)` is compared with a number or a duration\n  avg(us) > 'a'\n          ^^^^^",
        );
        check("max(us) == null", "compared with a number");
        check("max(time) > 5", "a time is compared with a time");
        check("count() like 'a'", "`like` is for texts");
        check("avg(us) > 90 && true", "&&");
        check("avg(us) > 90 90", "90 90");
    }
}
