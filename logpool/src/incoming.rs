//! Records on their way from payloads into segments: laid out by pool and day, and there by series, as they are read.
//!
//! The records of a group of a payload belong to one series, so nothing is kept of each: a *piece* says where in the columns of
//! its payload so many records lie, and blocks are packed from these. What pieces have in common (runs, forms) is kept
//! once and numbered.
//!
//! Nothing here knows the database: which records it has already is found out by their numbers (`Arrival`).

use rustc_hash::FxHashMap;

use crate::codec::{Decoded, Malformed};
use crate::cpu::wide;
use crate::flat::{Column, Numbers};
use crate::index::SegmentId;
use crate::payload::{self, Columns};
use crate::record::RunId;

/// The records of some payloads.
#[derive(Default)]
pub struct Incoming<'a> {
    pub known: Known<'a>,
    pub segments: Vec<OfSegment<'a>>,
    pub records: u64,
    /// Of all payloads.
    pub columns: usize,
    /// By pool and day.
    by_day: FxHashMap<(&'a str, i64), u32>,
}

/// What pieces refer to by number.
#[derive(Default)]
pub struct Known<'a> {
    pub runs: Vec<RunId>,
    pub forms: Vec<Form<'a>>,
    pub sections: Vec<Section<'a>>,
    run_numbers: FxHashMap<RunId, u32>,
    form_numbers: FxHashMap<Form<'a>, u32>,
}

/// Which fields a record has, and the task that wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Form<'a> {
    pub task: &'a str,
    /// The part of a record's form that says which fields there are.
    pub fields: &'a [u8],
}

/// The records of a form in a payload.
pub struct Section<'a> {
    /// A number of [`Known`].
    pub form: u32,
    pub times: Numbers<'a>,
    numbers: Numbers<'a>,
    /// Of each field.
    pub columns: Vec<Column<'a>>,
    /// Bytes of a record's values in those columns in which all take as many, and the other columns.
    fixed_bytes: usize,
    blobs: Vec<usize>,
}

/// Records of a series and a run that lie together in a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Numbers of [`Known`].
    pub run: u32,
    pub section: u32,
    pub at: u32,
    pub count: u32,
    /// The numbers are the section's, with this and their places added.
    base: u64,
}

impl Piece {
    pub fn section<'k, 'a>(&self, known: &'k Known<'a>) -> &'k Section<'a> {
        &known.sections[self.section as usize]
    }

    pub fn form(&self, known: &Known) -> u32 {
        self.section(known).form
    }

    /// Which fields its records have: the part of a form that says it.
    pub fn fields<'a>(&self, known: &Known<'a>) -> &'a [u8] {
        known.forms[self.form(known) as usize].fields
    }

    pub fn places(&self) -> std::ops::Range<usize> {
        self.at as usize..(self.at + self.count) as usize
    }

    fn times<'k>(&self, known: &'k Known) -> impl Iterator<Item = i64> + use<'k> {
        let times = &self.section(known).times;
        self.places().map(|at| times.get(at))
    }

    pub fn numbers<'k>(&self, known: &'k Known) -> impl Iterator<Item = u64> + use<'k> {
        let (numbers, piece) = (&self.section(known).numbers, *self);
        self.places().map(move |at| piece.number(numbers, at))
    }

    /// That of the record at a place of the section.
    fn number(&self, numbers: &Numbers, at: usize) -> u64 {
        self.base.wrapping_add(at as u64).wrapping_add(numbers.get(at) as u64)
    }

    fn keys<'k>(&self, known: &'k Known) -> impl Iterator<Item = Key> + use<'k> {
        let run = known.runs[self.run as usize];
        self.times(known).zip(self.numbers(known)).map(move |(time, number)| (time, run, number))
    }

    /// So many of its records, from one on.
    pub fn part(&self, from: u32, count: u32) -> Piece {
        Piece { at: self.at + from, count, ..*self }
    }

    /// How many bytes its values take in their columns.
    pub fn bytes(&self, known: &Known) -> usize {
        let Section { columns, fixed_bytes, blobs, .. } = self.section(known);
        let blobs = blobs.iter().map(|&at| columns[at].blob_bytes(self.places())).sum::<usize>();
        self.count as usize * fixed_bytes + blobs
    }

    /// What follows it becomes part of it, if they lie so.
    fn join(&mut self, next: &Piece) -> bool {
        let follows = Piece { at: self.at + self.count, count: next.count, ..*self } == *next;
        if follows {
            self.count += next.count;
        }
        follows
    }
}

/// Of all records of the pieces.
pub fn copy_times(pieces: &[Piece], known: &Known, into: &mut Vec<i64>) {
    into.clear();
    into.resize(pieces.iter().map(|piece| piece.count as usize).sum(), 0);
    wide!(copy_all_times(pieces: &[Piece], known: &Known, into: &mut [i64]))
}

#[inline(always)]
fn copy_all_times(pieces: &[Piece], known: &Known, mut into: &mut [i64]) {
    for piece in pieces {
        let (times, rest) = into.split_at_mut(piece.count as usize);
        piece.section(known).times.copy(piece.at as usize, times);
        into = rest;
    }
}

/// The numbers of all records of the pieces.
pub fn copy_numbers(pieces: &[Piece], known: &Known, into: &mut Vec<i64>) {
    into.clear();
    into.resize(pieces.iter().map(|piece| piece.count as usize).sum(), 0);
    let mut left = &mut into[..];
    for piece in pieces {
        let (numbers, rest) = left.split_at_mut(piece.count as usize);
        piece.section(known).numbers.copy(piece.at as usize, numbers);
        let base = piece.base.wrapping_add(piece.at.into()) as i64;
        for (nth, number) in (0..).zip(numbers) {
            *number = number.wrapping_add(base).wrapping_add(nth);
        }
        left = rest;
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
    pub pieces: Vec<Piece>,
}

/// That records with consecutive numbers came.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    pub run: u32,
    pub seq: u64,
    pub count: u32,
    /// Their series, and where they begin in one of its pieces.
    group: u32,
    piece: u32,
    from: u32,
}

impl<'a> Incoming<'a> {
    /// Adds the records of a payload; none if it is malformed.
    pub fn add(&mut self, payload: &'a [u8]) -> Decoded<()> {
        let Columns { origins, sections, groups, count, .. } =
            payload::columns(payload).ok_or(Malformed)??;
        let first = u32::try_from(self.known.sections.len()).map_err(|_| Malformed)?;
        let runs = origins.iter().map(|(run, _)| self.known.run(*run)).collect::<Decoded<Vec<u32>>>()?;
        let mut names = Vec::with_capacity(sections.len());
        for payload::Section { form, times, numbers, columns, .. } in sections {
            self.columns += columns.len();
            let known = self.known.form(Form { task: form.task, fields: form.fields })?;
            let fixed_bytes = columns.iter().filter_map(Column::fixed_bytes).sum();
            let blobs = (0..columns.len()).filter(|&at| columns[at].fixed_bytes().is_none()).collect();
            self.known.sections.push(Section { form: known, times, numbers, columns, fixed_bytes, blobs });
            names.push((form.pool, form.key));
        }
        let mut last = None;
        for group in groups {
            let (pool, key) = names[group.section];
            let piece = Piece {
                run: runs[group.origin],
                section: first + group.section as u32,
                at: group.start as u32,
                count: group.count as u32,
                base: group.first.wrapping_sub(group.start as u64),
            };
            let mut left = Some(piece);
            while let Some(piece) = left {
                let (day, count) = self.day(&piece);
                let segment = match last {
                    Some((section, of, segment)) if (section, of) == (piece.section, day) => segment,
                    _ => self.segment(pool, day),
                };
                last = Some((piece.section, day, segment));
                let segment = &mut self.segments[segment as usize];
                let numbers = piece.section(&self.known).numbers;
                segment.series(key, origins[group.origin].1).add(piece.part(0, count), &numbers);
                left = (count < piece.count).then(|| piece.part(count, piece.count - count));
            }
        }
        self.records += count as u64;
        Ok(())
    }

    /// The day of a piece's first record, and how many of its records are of that day until there is one of another.
    fn day(&self, piece: &Piece) -> (i64, u32) {
        let (least, greatest) = piece.section(&self.known).times.bounds();
        let day = SegmentId::day_of(least);
        if day == SegmentId::day_of(greatest) {
            return (day, piece.count);
        }
        let mut days = piece.times(&self.known).map(SegmentId::day_of);
        let day = days.next().unwrap_or_default();
        (day, 1 + days.take_while(|next| *next == day).count() as u32)
    }

    fn segment(&mut self, pool: &'a str, day: i64) -> u32 {
        *self.by_day.entry((pool, day)).or_insert_with(|| {
            self.segments.push(OfSegment { pool, day, ..OfSegment::default() });
            self.segments.len() as u32 - 1
        })
    }
}

/// A series that records are added to.
struct Series<'i, 'a> {
    number: u32,
    group: &'i mut Group<'a>,
    arrivals: &'i mut Vec<Arrival>,
}

impl Series<'_, '_> {
    fn add(self, piece: Piece, numbers: &Numbers) {
        let mut arrival = Arrival {
            run: piece.run,
            seq: piece.base.wrapping_add(piece.at.into()),
            count: piece.count,
            group: self.number,
            piece: self.group.pieces.len() as u32,
            from: 0,
        };
        if numbers.same() == Some(0) && arrival.seq.checked_add(u64::from(piece.count) - 1).is_some() {
            self.arrivals.push(arrival);
        } else {
            arrival.count = 0;
            for (at, seq) in (0..).zip(piece.places().map(|at| piece.number(numbers, at))) {
                if arrival.count > 0 && arrival.seq.checked_add(arrival.count.into()) == Some(seq) {
                    arrival.count += 1;
                    continue;
                }
                if arrival.count > 0 {
                    self.arrivals.push(arrival);
                }
                arrival = Arrival { seq, count: 1, from: at, ..arrival };
            }
            self.arrivals.push(arrival);
        }
        self.group.pieces.push(piece);
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

    fn form(&mut self, form: Form<'a>) -> Decoded<u32> {
        let next = u32::try_from(self.forms.len()).map_err(|_| Malformed)?;
        Ok(*self.form_numbers.entry(form).or_insert_with(|| {
            self.forms.push(form);
            next
        }))
    }
}

impl<'a> OfSegment<'a> {
    fn series(&mut self, key: &'a str, node: &'a str) -> Series<'_, 'a> {
        let OfSegment { groups, arrivals, by_name, .. } = self;
        let number = *by_name.entry([key, node]).or_insert_with(|| {
            groups.push(Group { key, node, pieces: Vec::new() });
            groups.len() as u32 - 1
        });
        Series { number, group: &mut groups[number as usize], arrivals }
    }

    /// Leaves out records: of these arrivals, the ones at these places.
    pub fn leave_out(&mut self, arrived: &[(Arrival, u32)]) {
        let place = |&(arrival, at): &(Arrival, u32)| (arrival.group, arrival.piece, arrival.from + at);
        let mut places: Vec<(u32, u32, u32)> = arrived.iter().map(place).collect();
        places.sort_unstable();
        for of_group in places.chunk_by(|a, b| a.0 == b.0) {
            let pieces = &mut self.groups[of_group[0].0 as usize].pieces;
            let mut out = of_group.iter().peekable();
            let mut kept = Vec::with_capacity(pieces.len());
            for (number, piece) in (0..).zip(&*pieces) {
                let mut from = 0;
                while let Some(&(.., at)) = out.next_if(|(_, piece, _)| *piece == number) {
                    kept.push(piece.part(from, at - from));
                    from = at + 1;
                }
                kept.push(piece.part(from, piece.count - from));
            }
            kept.retain(|piece| piece.count > 0);
            *pieces = kept;
        }
    }
}

/// What records are sorted by.
type Key = (i64, RunId, u64);

impl Group<'_> {
    /// By time, then by identity.
    pub fn sort(&mut self, known: &Known) {
        let mut times = Vec::new();
        let mut rises = |pieces: &[Piece]| {
            copy_times(pieces, known, &mut times);
            times.windows(2).all(|pair| pair[0] < pair[1])
        };
        if rises(&self.pieces) {
            return;
        }
        // Batches came in another order than they were made, perhaps.
        self.pieces.sort_by_cached_key(|piece| piece.keys(known).next());
        if rises(&self.pieces) {
            return;
        }
        let mut each: Vec<(Key, Piece)> = Vec::new();
        for piece in &self.pieces {
            each.extend(piece.keys(known).zip(0..).map(|(key, at)| (key, piece.part(at, 1))));
        }
        each.sort_by_key(|(key, _)| *key);
        self.pieces.clear();
        for (_, piece) in each {
            if !self.pieces.last_mut().is_some_and(|last| last.join(&piece)) {
                self.pieces.push(piece);
            }
        }
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
        let numbers = |group: &Group| -> Vec<(u32, u64)> {
            let of =
                |piece: &Piece| piece.numbers(&known).map(|number| (piece.run, number)).collect::<Vec<_>>();
            group.pieces.iter().flat_map(of).collect()
        };
        assert_eq!(numbers(&segments[0].groups[0]), [(0, 0), (0, 1), (0, 3), (1, 1)]);
        let arrived: Vec<_> =
            segments[0].arrivals.iter().map(|came| (came.run, came.seq, came.count)).collect();
        assert_eq!(arrived, [(0, 0, 2), (0, 3, 1), (1, 1, 1)]);
        let second = (segments[0].arrivals[0], 1);
        segments[0].leave_out(&[second]);
        segments[0].groups[0].sort(&known);
        assert_eq!(numbers(&segments[0].groups[0]), [(1, 1), (0, 0), (0, 3)]);
    }

    #[test]
    fn records_are_sorted_and_left_out_wherever_they_lie() {
        let mut random = 1u64;
        let mut below = |limit: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % limit
        };
        for round in 0..200 {
            let (mut payloads, mut expected) = (Vec::new(), Vec::new());
            let apart = 1 + below(9) as i64;
            for batch in 0..1 + below(4) {
                let at = below(50) as i64 * apart;
                let records: Vec<Record> = (0..1 + below(20))
                    .map(|nth| {
                        let time = if below(9) == 0 { at } else { at + nth as i64 * apart };
                        record("p", "a", u128::from(below(2)), batch * 100 + nth, time)
                    })
                    .collect();
                payloads.extend(encode_payloads(&records).unwrap());
                expected.extend(records.iter().map(|record| (record.time, record.run, record.seq)));
            }
            let mut incoming = Incoming::default();
            payloads.iter().for_each(|payload| incoming.add(payload).unwrap());
            let Incoming { known, mut segments, .. } = incoming;
            let mut out = Vec::new();
            for arrival in &segments[0].arrivals {
                let some = (0..arrival.count).filter(|_| below(4) == 0);
                out.extend(some.map(|at| (*arrival, at)));
            }
            let gone = |(_, run, seq): &(i64, RunId, u64)| {
                let is = |(came, at): &(Arrival, u32)| {
                    (known.runs[came.run as usize], came.seq + u64::from(*at)) == (*run, *seq)
                };
                out.iter().any(is)
            };
            expected.retain(|key| !gone(key));
            expected.sort_unstable();
            segments[0].leave_out(&out);
            let group = &mut segments[0].groups[0];
            group.sort(&known);
            let found: Vec<Key> = group.pieces.iter().flat_map(|piece| piece.keys(&known)).collect();
            assert_eq!(found, expected, "round {round}");
        }
    }
}
