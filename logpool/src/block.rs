//! A block: consecutive records of one series, column by column, as a row of a segment.
//!
//! Byte map (varint and text as in `codec`, columns as in `column`). Version 3, or 2 where no column has a shift (1 byte);
//! series (4 bytes, little-endian); number of records (varint); then sections, each a varint length and its bytes:
//!
//! 1. times: ints
//! 2. runs: number of runs (varint), each run (16 bytes, big-endian); if there are several, ints: the place of each
//!    record's run among them
//! 3. sequence numbers: ints
//! 4. tasks: blobs
//! 5. shapes: number of columns (varint), and for each its name, as a number of the segment's dictionary plus one
//!    (varint) or 0 and a text, and its kind (1 byte); number of shapes (varint), for each the number of its columns
//!    and their places (varints); if there are several shapes, ints: the place of each record's shape
//! 6. one section for each column: the values of the records whose shape has it, in their order
//!
//! A *shape* is the list of a record's fields, names and kinds. Kinds: 0 null (no bytes); 1 boolean (ints); 2 int
//! (ints); 3 double (doubles); 4 String (blobs); 5 Bytes (blobs); 6 Duration (ints); 7 Time (ints); 8 list or map as
//! `codec` encodes it (blobs). A name may have columns of several kinds. Pool, key and node are those of the series.
//!
//! Nothing but the header and the directory is decoded before it is asked for, and every length is checked.

use std::hint::black_box;

use crate::codec::{self, Input, Malformed, ValueRef};
use crate::column;
use crate::cpu::wide;
use crate::incoming::{Known, Row};
use crate::limits::{BLOCK_RECORDS_MAX, FIELD_NAME_BYTES_MAX, FIELDS_MAX, NAME_BYTES_MAX};
use crate::names::Names;
use crate::packed;
use crate::record::RunId;

const VERSION: u8 = 3;
const VERSION_OLDEST: u8 = 2;

/// Columns of one block: as many as its records have fields, at most.
const COLUMNS_MAX: usize = BLOCK_RECORDS_MAX * FIELDS_MAX;

/// What a field's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Null,
    Bool,
    Int,
    Double,
    String,
    Bytes,
    Duration,
    Time,
    /// A list or a map.
    Nested,
}

impl Kind {
    const ALL: [Kind; 9] = [
        Kind::Null,
        Kind::Bool,
        Kind::Int,
        Kind::Double,
        Kind::String,
        Kind::Bytes,
        Kind::Duration,
        Kind::Time,
        Kind::Nested,
    ];

    pub(crate) fn of(value: &ValueRef) -> Kind {
        match value {
            ValueRef::Null => Kind::Null,
            ValueRef::Bool(_) => Kind::Bool,
            ValueRef::Int(_) => Kind::Int,
            ValueRef::Double(_) => Kind::Double,
            ValueRef::String(_) => Kind::String,
            ValueRef::Bytes(_) => Kind::Bytes,
            ValueRef::Duration(_) => Kind::Duration,
            ValueRef::Time(_) => Kind::Time,
            ValueRef::Nested(_) => Kind::Nested,
        }
    }
}

/// The values of a column that is being built.
enum Values<'a> {
    None,
    Ints(Vec<i64>),
    Doubles(Vec<f64>),
    Blobs(Vec<&'a [u8]>),
}

impl<'a> Values<'a> {
    fn new(kind: Kind, room: usize) -> Values<'a> {
        match kind {
            Kind::Null => Values::None,
            Kind::Bool | Kind::Int | Kind::Duration | Kind::Time => Values::Ints(Vec::with_capacity(room)),
            Kind::Double => Values::Doubles(Vec::with_capacity(room)),
            Kind::String | Kind::Bytes | Kind::Nested => Values::Blobs(Vec::with_capacity(room)),
        }
    }

    /// The value is of the column's kind.
    fn push(&mut self, value: ValueRef<'a>) {
        match (self, value) {
            (Values::Ints(all), ValueRef::Bool(value)) => all.push(i64::from(value)),
            (Values::Ints(all), ValueRef::Int(value) | ValueRef::Duration(value) | ValueRef::Time(value)) => {
                all.push(value);
            }
            (Values::Doubles(all), ValueRef::Double(value)) => all.push(value),
            (Values::Blobs(all), ValueRef::String(text)) => all.push(text.as_bytes()),
            (Values::Blobs(all), ValueRef::Bytes(bytes) | ValueRef::Nested(bytes)) => all.push(bytes),
            (Values::None, ValueRef::Null) => {}
            (_, value) => unreachable!("{value:?} in a column of another kind"),
        }
    }

    /// The column, which is one of ints.
    fn take_ints(&mut self) -> Vec<i64> {
        match self {
            Values::Ints(all) => std::mem::take(all),
            _ => unreachable!("ints in a column of another kind"),
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Values::None => {}
            Values::Ints(all) => column::put_ints(out, all),
            Values::Doubles(all) => column::put_doubles(out, all),
            Values::Blobs(all) => column::put_blobs(out, all),
        }
    }
}

struct Builder<'a> {
    columns: Vec<(&'a str, Kind, Values<'a>)>,
    shapes: Vec<Vec<usize>>,
    /// The shape of each record.
    of: Vec<i64>,
    /// How many records there will be at most.
    records: usize,
}

impl<'a> Builder<'a> {
    /// Records of one program look alike: where the values of the first one go, those of the others go.
    fn add(&mut self, rows: &[Row<'a>], known: &Known<'a>) -> Result<(), Malformed> {
        let Some((first, rest)) = rows.split_first() else { return Ok(()) };
        self.add_first(first, known)?;
        if rest.is_empty() {
            return Ok(());
        }
        let tags = codec::tags(known.forms[first.form as usize].fields)?;
        let place = self.of[self.of.len() - 1];
        let shape = &self.shapes[place as usize];
        if packed::are_all(&tags) {
            let mut columns: Vec<Vec<i64>> = shape.iter().map(|&at| self.columns[at].2.take_ints()).collect();
            add_packed(&mut columns, rest);
            for (&at, column) in shape.iter().zip(columns) {
                self.columns[at].2 = Values::Ints(column);
            }
        } else {
            for row in rest {
                let mut values = packed::Values::new(row.values);
                for (&tag, &at) in tags.iter().zip(shape) {
                    self.columns[at].2.push(values.value(tag)?);
                }
            }
        }
        self.of.resize(self.of.len() + rest.len(), place);
        Ok(())
    }

    /// Each field is first looked for where the record before had it.
    fn add_first(&mut self, row: &Row<'a>, known: &Known<'a>) -> Result<(), Malformed> {
        let last = self.of.last().map_or(&[][..], |&shape| &self.shapes[shape as usize]);
        let mut guess = last.iter().copied();
        let mut shape: Vec<usize> = Vec::with_capacity(last.len());
        let mut same = true;
        for field in row.fields(known)? {
            let (name, value) = field?;
            let kind = Kind::of(&value);
            let fits =
                |columns: &[(&str, Kind, Values)], at: usize| columns[at].0 == name && columns[at].1 == kind;
            let at = match guess.next().filter(|&at| same && fits(&self.columns, at)) {
                Some(at) => at,
                None => {
                    same = false;
                    let known =
                        (0..self.columns.len()).find(|at| fits(&self.columns, *at) && !shape.contains(at));
                    known.unwrap_or_else(|| {
                        self.columns.push((name, kind, Values::new(kind, self.records)));
                        self.columns.len() - 1
                    })
                }
            };
            self.columns[at].2.push(value);
            shape.push(at);
        }
        let place = match self.of.last() {
            Some(&last) if same && guess.next().is_none() => last,
            _ => self.shapes.iter().position(|known| *known == shape).unwrap_or_else(|| {
                self.shapes.push(shape);
                self.shapes.len() - 1
            }) as i64,
        };
        self.of.push(place);
        Ok(())
    }
}

/// Adds rows of ints, each to a column of its own.
fn add_packed(columns: &mut [Vec<i64>], rows: &[Row]) {
    wide!(add_packed_rows(columns: &mut [Vec<i64>], rows: &[Row]))
}

/// Some rows at a time: so the numbers of a column are put down side by side, and where the rows lie, which is anywhere, is
/// looked at for all of them at once.
#[inline(always)]
fn add_packed_rows(columns: &mut [Vec<i64>], rows: &[Row]) {
    const TILE: usize = 8;
    let mut tile = vec![[0i64; TILE]; columns.len()];
    let mut ahead = rows.chunks(TILE).skip(1);
    for rows in rows.chunks(TILE) {
        // So that the next ones come into the cache meanwhile.
        let ends = |row: &Row| row.values.first().zip(row.values.last()).map_or(0, |(a, b)| a ^ b);
        black_box(ahead.next().map(|rows| rows.iter().fold(0, |all, row| all ^ ends(row))));
        for (nth, row) in rows.iter().enumerate() {
            packed::each(row.values, tile.len(), |at, value| tile[at][nth] = value);
        }
        for (column, values) in columns.iter_mut().zip(&tile) {
            match rows.len() {
                TILE => column.extend_from_slice(values),
                fewer => column.extend_from_slice(&values[..fewer]),
            }
        }
    }
}

fn section(out: &mut Vec<u8>, bytes: &[u8]) {
    codec::put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A block as it is stored, and the times of its first and its last record.
pub struct Encoded {
    pub bytes: Vec<u8>,
    pub first: i64,
    pub last: i64,
}

/// An error is a record that `codec` would not read.
pub fn encode(series: u32, rows: &[Row], known: &Known, names: &mut Names) -> Result<Encoded, Malformed> {
    let mut runs: Vec<u32> = Vec::new();
    let mut run_of = Vec::with_capacity(rows.len());
    for row in rows {
        // Few runs write to one series at a time, and the last one is the likely one.
        let run = runs.iter().rposition(|run| *run == row.run).unwrap_or_else(|| {
            runs.push(row.run);
            runs.len() - 1
        });
        run_of.push(run as i64);
    }
    let mut builder =
        Builder { columns: Vec::new(), shapes: Vec::new(), of: Vec::new(), records: rows.len() };
    let mut tasks: Vec<&[u8]> = Vec::new();
    for stretch in rows.chunk_by(|a, b| a.form == b.form) {
        builder.add(stretch, known)?;
        let task = known.forms[stretch[0].form as usize].task.as_bytes();
        tasks.resize(tasks.len() + stretch.len(), task);
    }
    let times: Vec<i64> = rows.iter().map(|row| row.time).collect();
    let numbers: Vec<i64> = rows.iter().map(|row| row.seq as i64).collect();
    let mut out = vec![VERSION];
    out.extend_from_slice(&series.to_le_bytes());
    codec::put_varint(&mut out, rows.len() as u64);
    let mut part = Vec::new();
    column::put_ints(&mut part, &times);
    section(&mut out, &part);

    part.clear();
    codec::put_varint(&mut part, runs.len() as u64);
    for &run in &runs {
        part.extend_from_slice(&known.runs[run as usize].0.to_be_bytes());
    }
    if runs.len() > 1 {
        column::put_ints(&mut part, &run_of);
    }
    section(&mut out, &part);

    part.clear();
    column::put_ints(&mut part, &numbers);
    section(&mut out, &part);

    part.clear();
    column::put_blobs(&mut part, &tasks);
    section(&mut out, &part);

    part.clear();
    let Builder { columns, shapes, of, .. } = builder;
    codec::put_varint(&mut part, columns.len() as u64);
    for (name, kind, _) in &columns {
        names.put(&mut part, name);
        part.push(*kind as u8);
    }
    codec::put_varint(&mut part, shapes.len() as u64);
    for shape in &shapes {
        codec::put_varint(&mut part, shape.len() as u64);
        for &at in shape {
            codec::put_varint(&mut part, at as u64);
        }
    }
    if shapes.len() > 1 {
        column::put_ints(&mut part, &of);
    }
    section(&mut out, &part);

    for (_, _, values) in &columns {
        part.clear();
        values.put(&mut part);
        section(&mut out, &part);
    }
    let (first, last) = (times.iter().copied().min(), times.iter().copied().max());
    Ok(Encoded { bytes: out, first: first.unwrap_or(i64::MAX), last: last.unwrap_or(i64::MIN) })
}

/// A block that is open for reading: its directory; what the columns hold is decoded when it is asked for.
pub struct Block<'a> {
    pub series: u32,
    pub len: usize,
    times: &'a [u8],
    runs: Vec<RunId>,
    run_of: &'a [u8],
    numbers: &'a [u8],
    tasks: &'a [u8],
    pub columns: Vec<Column<'a>>,
    shapes: Vec<Vec<usize>>,
    shape_of: Vec<i64>,
}

pub struct Column<'a> {
    pub name: &'a str,
    pub kind: Kind,
    /// How many records have it.
    pub len: usize,
    bytes: &'a [u8],
}

impl<'a> Block<'a> {
    pub fn new(bytes: &'a [u8], names: &'a Names) -> Result<Block<'a>, Malformed> {
        let mut input = Input { bytes };
        let [version] = input.array()?;
        if !(VERSION_OLDEST..=VERSION).contains(&version) {
            return Err(Malformed);
        }
        let series = u32::from_le_bytes(input.array()?);
        let len = usize::try_from(input.varint()?).map_err(|_| Malformed)?;
        if len == 0 || len > BLOCK_RECORDS_MAX {
            return Err(Malformed);
        }
        let times = input.section()?;
        let mut part = Input { bytes: input.section()? };
        let count = part.count(len, 16)?;
        let mut runs = Vec::with_capacity(count);
        for _ in 0..count {
            runs.push(RunId(u128::from_be_bytes(part.array()?)));
        }
        let run_of = part.bytes;
        let numbers = input.section()?;
        let tasks = input.section()?;
        let mut part = Input { bytes: input.section()? };
        let mut columns = Vec::new();
        for _ in 0..part.count(COLUMNS_MAX, 2)? {
            let name = names.get(&mut part, FIELD_NAME_BYTES_MAX)?;
            let [kind] = part.array()?;
            let kind = *Kind::ALL.get(usize::from(kind)).ok_or(Malformed)?;
            columns.push(Column { name, kind, len: 0, bytes: &[] });
        }
        let mut shapes = Vec::new();
        for _ in 0..part.count(len, 1)? {
            let count = part.count(FIELDS_MAX, 1)?;
            let mut shape = Vec::with_capacity(count);
            for _ in 0..count {
                let at = usize::try_from(part.varint()?).map_err(|_| Malformed)?;
                if at >= columns.len() {
                    return Err(Malformed);
                }
                shape.push(at);
            }
            shapes.push(shape);
        }
        let mut shape_of = Vec::new();
        places(part.bytes, len, shapes.len(), &mut shape_of)?;
        let mut by_shape = vec![0usize; shapes.len()];
        for &shape in &shape_of {
            by_shape[shape as usize] += 1;
        }
        for (shape, count) in shapes.iter().zip(by_shape) {
            for &at in shape {
                columns[at].len += count;
            }
        }
        for column in &mut columns {
            column.bytes = input.section()?;
        }
        input.end()?;
        Ok(Block { series, len, times, runs, run_of, numbers, tasks, columns, shapes, shape_of })
    }

    pub fn times(&self) -> Result<Vec<i64>, Malformed> {
        let mut out = Vec::new();
        column::ints(&mut Input { bytes: self.times }, self.len, &mut out)?;
        Ok(out)
    }

    pub fn runs(&self) -> &[RunId] {
        &self.runs
    }

    /// The run of each record, as a place in `runs`.
    pub fn run_of(&self) -> Result<Vec<i64>, Malformed> {
        let mut out = Vec::new();
        places(self.run_of, self.len, self.runs.len(), &mut out)?;
        Ok(out)
    }

    pub fn numbers(&self) -> Result<Vec<u64>, Malformed> {
        let mut out = Vec::new();
        column::ints(&mut Input { bytes: self.numbers }, self.len, &mut out)?;
        Ok(out.into_iter().map(|number| number as u64).collect())
    }

    pub fn tasks(&self) -> Result<Vec<&'a str>, Malformed> {
        let mut out = Vec::new();
        column::blobs(&mut Input { bytes: self.tasks }, self.len, &mut out)?;
        let text = |bytes: &'a [u8]| std::str::from_utf8(bytes).map_err(|_| Malformed);
        out.into_iter().map(|bytes| text(bytes).and_then(|task| fits(task, NAME_BYTES_MAX))).collect()
    }

    /// The shapes of its records: the columns of the fields, in their order.
    pub fn shapes(&self) -> &[Vec<usize>] {
        &self.shapes
    }

    /// The place of a record's shape among them.
    pub fn shape_of(&self, record: usize) -> usize {
        self.shape_of[record] as usize
    }

    pub fn shape(&self, record: usize) -> &[usize] {
        &self.shapes[self.shape_of(record)]
    }

    pub fn values(&self, column: usize) -> Result<Decoded<'a>, Malformed> {
        let Column { kind, len, bytes, .. } = self.columns[column];
        let mut input = Input { bytes };
        Ok(match kind {
            Kind::Null => Decoded::Null,
            Kind::Bool | Kind::Int | Kind::Duration | Kind::Time => {
                let mut all = Vec::new();
                column::ints(&mut input, len, &mut all)?;
                Decoded::Ints(kind, all)
            }
            Kind::Double => {
                let mut all = Vec::new();
                column::doubles(&mut input, len, &mut all)?;
                Decoded::Doubles(all)
            }
            Kind::String | Kind::Bytes | Kind::Nested => {
                let mut all = Vec::new();
                column::blobs(&mut input, len, &mut all)?;
                Decoded::Blobs(kind, all)
            }
        })
    }

    /// Least and greatest number in a column of numbers.
    pub fn bounds(&self, column: usize) -> Result<Option<(f64, f64)>, Malformed> {
        let Column { kind, len, bytes, .. } = self.columns[column];
        Ok(match kind {
            _ if len == 0 => None,
            Kind::Int | Kind::Duration | Kind::Time => {
                let (least, greatest) = column::int_bounds(bytes)?;
                Some((least as f64, greatest as f64))
            }
            Kind::Double => Some(column::double_bounds(bytes)?),
            _ => None,
        })
    }
}

/// The values of one column.
pub enum Decoded<'a> {
    Null,
    Ints(Kind, Vec<i64>),
    Doubles(Vec<f64>),
    Blobs(Kind, Vec<&'a [u8]>),
}

impl<'a> Decoded<'a> {
    pub fn get(&self, at: usize) -> Result<ValueRef<'a>, Malformed> {
        Ok(match self {
            Decoded::Null => ValueRef::Null,
            Decoded::Ints(kind, all) => {
                let value = *all.get(at).ok_or(Malformed)?;
                match kind {
                    Kind::Bool => ValueRef::Bool(value != 0),
                    Kind::Duration => ValueRef::Duration(value),
                    Kind::Time => ValueRef::Time(value),
                    _ => ValueRef::Int(value),
                }
            }
            Decoded::Doubles(all) => ValueRef::Double(*all.get(at).ok_or(Malformed)?),
            Decoded::Blobs(kind, all) => {
                let bytes = *all.get(at).ok_or(Malformed)?;
                match kind {
                    Kind::String => ValueRef::String(std::str::from_utf8(bytes).map_err(|_| Malformed)?),
                    Kind::Bytes => ValueRef::Bytes(bytes),
                    _ => ValueRef::Nested(bytes),
                }
            }
        })
    }
}

fn fits(text: &str, limit: usize) -> Result<&str, Malformed> {
    if text.len() <= limit { Ok(text) } else { Err(Malformed) }
}

/// For each of `count` records a place below `among`; nothing is written where there is only one.
fn places(bytes: &[u8], count: usize, among: usize, out: &mut Vec<i64>) -> Result<(), Malformed> {
    match among {
        0 => return Err(Malformed),
        1 => out.resize(count, 0),
        _ => column::ints(&mut Input { bytes }, count, out)?,
    }
    let fit = out.iter().all(|&place| usize::try_from(place).is_ok_and(|place| place < among));
    if fit { Ok(()) } else { Err(Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Fields;
    use crate::incoming::Incoming;
    use crate::payload;
    use crate::record::{FieldValue, Record};

    fn record(fields: Vec<(&str, FieldValue)>) -> Record {
        Record {
            pool: "p".into(),
            key: "k".into(),
            node: "n".into(),
            task: "t".into(),
            run: RunId(1),
            seq: 0,
            time: 0,
            fields: fields.into(),
        }
    }

    #[test]
    fn rows_come_back_and_bad_bytes_are_errors() {
        let records = [
            record(vec![("a", FieldValue::Int(1)), ("b", FieldValue::String("x".into()))]),
            record(vec![("a", FieldValue::Int(2)), ("b", FieldValue::String("y".into()))]),
            record(vec![("b", FieldValue::Double(0.5)), ("a", FieldValue::Int(3))]),
            record(vec![("a", FieldValue::Null), ("a", FieldValue::List(vec![FieldValue::Bool(true)]))]),
            record(vec![]),
            record(vec![("a", FieldValue::Int(1)), ("a", FieldValue::Int(2)), ("a", FieldValue::Int(3))]),
        ];
        let bodies = records
            .each_ref()
            .map(|record| payload::encode_payloads(std::slice::from_ref(record)).unwrap().remove(0));
        let mut incoming = Incoming::default();
        for body in &bodies {
            incoming.add(body).unwrap();
        }
        let mut known = incoming.known;
        known.runs = vec![RunId(1), RunId(2), RunId(3)];
        let mut rows = incoming.segments.remove(0).groups.remove(0).rows;
        let identities =
            [(0, 0, i64::MIN), (1, 9, i64::MAX), (0, u64::MAX, 0), (0, 4, 0), (2, 5, 0), (2, 6, 1)];
        for (row, (run, seq, time)) in rows.iter_mut().zip(identities) {
            *row = Row { run, seq, time, ..*row };
        }
        let mut names = Names::default();
        let bytes = encode(5, &rows, &known, &mut names).unwrap().bytes;
        let block = Block::new(&bytes, &names).unwrap();
        assert_eq!((block.series, block.len), (5, 6));
        assert_eq!(block.runs(), [RunId(1), RunId(2), RunId(3)]);
        let (times, runs, numbers) =
            (block.times().unwrap(), block.run_of().unwrap(), block.numbers().unwrap());
        let columns: Vec<Decoded> = (0..block.columns.len()).map(|at| block.values(at).unwrap()).collect();
        let mut next = vec![0; columns.len()];
        for (at, row) in rows.iter().enumerate() {
            assert_eq!((times[at], numbers[at]), (row.time, row.seq));
            assert_eq!(block.runs()[runs[at] as usize], known.runs[row.run as usize]);
            let fields: Fields = block
                .shape(at)
                .iter()
                .map(|&column| {
                    let value = columns[column].get(next[column]).unwrap().decode().unwrap();
                    next[column] += 1;
                    (block.columns[column].name, value)
                })
                .collect();
            assert_eq!(fields, records[at].fields);
        }
        for cut in 0..bytes.len() {
            assert!(Block::new(&bytes[..cut], &names).is_err(), "cut at {cut}");
        }
        for at in 0..bytes.len() {
            for change in [1u8, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= change;
                if let Ok(block) = Block::new(&changed, &names) {
                    let _ = (block.times(), block.run_of(), block.numbers(), block.tasks());
                    for column in 0..block.columns.len() {
                        let _ = (block.values(column), block.bounds(column));
                    }
                }
            }
        }
    }
}
