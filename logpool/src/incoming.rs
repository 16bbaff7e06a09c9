//! Records on their way from payloads into segments: laid out by pool and day, and there by series, as they are read.
//!
//! Records of one payload that have form and origin in common belong to one series, so where a record goes is looked up once
//! for many of them. Of a record only a *row* is kept: its time, its number, and where its values are; what rows
//! have in common (runs, forms) is kept once and numbered.
//!
//! Nothing here knows the database: which rows it has already is found out by their order of arrival (`Arrival`),
//! because a run's numbers come one after the other while its series may take turns.

use rustc_hash::FxHashMap;

use crate::codec::{Decoded, FieldWalk, Malformed, RecordHead};
use crate::index::SegmentId;
use crate::payload::{Numbered, PayloadRecords};
use crate::record::RunId;

/// The records of some payloads.
#[derive(Default)]
pub struct Incoming<'a> {
    pub known: Known<'a>,
    pub segments: Vec<OfSegment<'a>>,
    pub records: u64,
    /// By pool and day.
    by_day: FxHashMap<(&'a str, i64), u32>,
}

/// What rows refer to by number.
#[derive(Default)]
pub struct Known<'a> {
    pub runs: Vec<RunId>,
    pub forms: Vec<Form<'a>>,
    run_numbers: FxHashMap<RunId, u32>,
    form_numbers: FxHashMap<Form<'a>, u32>,
}

/// Which fields a row has, and the task that wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Form<'a> {
    pub task: &'a str,
    /// The part of a record's form that says which fields there are.
    pub fields: &'a [u8],
}

/// A record without what is known elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    pub time: i64,
    pub seq: u64,
    /// Numbers of [`Known`].
    pub run: u32,
    pub form: u32,
    /// The bare values.
    pub values: &'a [u8],
}

impl<'a> Row<'a> {
    pub fn fields(&self, known: &Known<'a>) -> Decoded<FieldWalk<'a>> {
        FieldWalk::new(known.forms[self.form as usize].fields, self.values)
    }
}

/// The records of a pool and a day.
#[derive(Default)]
pub struct OfSegment<'a> {
    pub pool: &'a str,
    /// Since 1970-01-01 UTC.
    pub day: i64,
    /// In the order of their first records.
    pub groups: Vec<Group<'a>>,
    pub arrivals: Vec<Arrival>,
    /// By key and node.
    by_name: FxHashMap<[&'a str; 2], u32>,
}

/// The records of a series, in the order in which they came.
pub struct Group<'a> {
    pub key: &'a str,
    pub node: &'a str,
    pub rows: Vec<Row<'a>>,
}

/// That a record came.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    pub run: u32,
    /// Whose next row it is.
    pub group: u32,
    pub seq: u64,
}

/// Where records of a form and an origin go, while they are of one day.
#[derive(Clone, Copy)]
struct Place {
    run: u32,
    form: u32,
    segment: u32,
    group: u32,
    first: i64,
    last: i64,
}

/// Holds no time, so it is looked up.
const NOWHERE: Place = Place { run: 0, form: 0, segment: 0, group: 0, first: i64::MAX, last: i64::MIN };

impl<'a> Incoming<'a> {
    /// Adds the records of a payload, up to one that is malformed.
    pub fn add(&mut self, payload: &'a [u8]) -> Decoded<()> {
        let mut records = PayloadRecords::new(payload);
        let mut places: Vec<Vec<Place>> = Vec::new();
        while let Some(record) = records.next_numbered() {
            let record = record?;
            let Numbered { form, origin, time, seq, values } = record;
            if places.len() <= form {
                places.resize(form + 1, Vec::new());
            }
            let of_form = &mut places[form];
            if of_form.len() <= origin {
                of_form.resize(origin + 1, NOWHERE);
            }
            let place = &mut of_form[origin];
            if time < place.first || time > place.last {
                *place = self.place(&records.head(&record))?;
            }
            let Place { run, form, segment, group, .. } = *place;
            let segment = &mut self.segments[segment as usize];
            segment.arrivals.push(Arrival { run, group, seq });
            segment.groups[group as usize].rows.push(Row { time, seq, run, form, values });
            self.records += 1;
        }
        Ok(())
    }

    fn place(&mut self, head: &RecordHead<'a>) -> Decoded<Place> {
        let day = SegmentId::day_of(head.time);
        let segment = *self.by_day.entry((head.pool, day)).or_insert_with(|| {
            self.segments.push(OfSegment { pool: head.pool, day, ..OfSegment::default() });
            self.segments.len() as u32 - 1
        });
        let OfSegment { groups, by_name, .. } = &mut self.segments[segment as usize];
        let group = *by_name.entry([head.key, head.node]).or_insert_with(|| {
            groups.push(Group { key: head.key, node: head.node, rows: Vec::new() });
            groups.len() as u32 - 1
        });
        let (first, last) = SegmentId { pool: 0, day }.times();
        let (run, form) = (self.known.run(head.run)?, self.known.form(head)?);
        Ok(Place { run, form, segment, group, first, last })
    }
}

impl<'a> Known<'a> {
    fn run(&mut self, run: RunId) -> Decoded<u32> {
        let next = u32::try_from(self.runs.len()).map_err(|_| Malformed)?;
        Ok(*self.run_numbers.entry(run).or_insert_with(|| {
            self.runs.push(run);
            next
        }))
    }

    fn form(&mut self, head: &RecordHead<'a>) -> Decoded<u32> {
        let form = Form { task: head.task, fields: head.form };
        let next = u32::try_from(self.forms.len()).map_err(|_| Malformed)?;
        Ok(*self.form_numbers.entry(form).or_insert_with(|| {
            self.forms.push(form);
            next
        }))
    }
}

impl OfSegment<'_> {
    /// Leaves out records that came, by their places among `arrivals`, in order.
    pub fn leave_out(&mut self, arrivals: &[usize]) {
        if arrivals.is_empty() {
            return;
        }
        let mut out = arrivals.iter().copied().peekable();
        let mut keep: Vec<Vec<bool>> = self.groups.iter().map(|_| Vec::new()).collect();
        for (at, arrival) in self.arrivals.iter().enumerate() {
            keep[arrival.group as usize].push(out.next_if_eq(&at).is_none());
        }
        for (group, keep) in self.groups.iter_mut().zip(keep) {
            let mut keep = keep.into_iter();
            group.rows.retain(|_| keep.next().unwrap_or(true));
        }
    }
}

impl Group<'_> {
    /// By time, then by identity.
    pub fn sort(&mut self, known: &Known) {
        let run = |row: &Row| known.runs[row.run as usize];
        self.rows.sort_by(|a, b| a.time.cmp(&b.time).then_with(|| (run(a), a.seq).cmp(&(run(b), b.seq))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::encode_payloads;
    use crate::record::{FieldValue, Record};

    const DAY: i64 = 86_400_000_000_000;

    fn record(pool: &str, node: &str, run: u128, seq: u64, time: i64) -> Record {
        Record {
            pool: pool.into(),
            key: "k".into(),
            node: node.into(),
            task: "t".into(),
            run: RunId(run),
            seq,
            time,
            fields: [("x", FieldValue::Int(seq as i64))].into(),
        }
    }

    #[test]
    fn records_are_laid_out_by_pool_day_and_series() {
        let records = [
            record("p", "a", 1, 0, 5),
            record("p", "b", 2, 0, DAY),
            record("p", "a", 1, 1, 4),
            record("q", "a", 1, 2, 0),
            record("p", "a", 1, 3, DAY - 1),
            record("p", "a", 2, 1, 4),
            record("p", "a", 1, 4, -1),
        ];
        let payloads = [
            encode_payloads(&records[..3]).unwrap().remove(0),
            encode_payloads(&records[3..]).unwrap().remove(0),
        ];
        let mut incoming = Incoming::default();
        payloads.iter().for_each(|payload| incoming.add(payload).unwrap());
        assert_eq!(incoming.records, 7);
        assert_eq!((incoming.known.runs.len(), incoming.known.forms.len()), (2, 1));
        let places: Vec<_> = incoming.segments.iter().map(|of| (of.pool, of.day, of.groups.len())).collect();
        assert_eq!(places, [("p", 0, 1), ("p", 1, 1), ("q", 0, 1), ("p", -1, 1)]);
        let Incoming { known, mut segments, .. } = incoming;
        let numbers = |group: &Group| group.rows.iter().map(|row| (row.run, row.seq)).collect::<Vec<_>>();
        assert_eq!(numbers(&segments[0].groups[0]), [(0, 0), (0, 1), (0, 3), (1, 1)]);
        segments[0].leave_out(&[1]);
        segments[0].groups[0].sort(&known);
        assert_eq!(numbers(&segments[0].groups[0]), [(1, 1), (0, 0), (0, 3)]);
    }
}
