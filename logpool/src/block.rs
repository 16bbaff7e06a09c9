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

mod pack;

pub use pack::{Encoded, encode};

use crate::codec::{self, Input, Malformed, ValueRef};
use crate::column;
use crate::limits::{BLOCK_RECORDS_MAX, FIELD_NAME_BYTES_MAX, FIELDS_MAX, NAME_BYTES_MAX};
use crate::names::Names;
use crate::record::{FieldValue, RunId};

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

    /// `tag` as in a form of a payload.
    fn of_tag(tag: u8) -> Result<Kind, Malformed> {
        Ok(match tag {
            codec::NULL => Kind::Null,
            codec::FALSE => Kind::Bool,
            codec::INT => Kind::Int,
            codec::DOUBLE => Kind::Double,
            codec::STRING => Kind::String,
            codec::BYTES => Kind::Bytes,
            codec::DURATION => Kind::Duration,
            codec::TIME => Kind::Time,
            codec::LIST => Kind::Nested,
            _ => return Err(Malformed),
        })
    }

    pub fn of_value(value: &FieldValue) -> Kind {
        ValueRef::of(value).map_or(Kind::Nested, |value| Kind::of(&value))
    }

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
    use crate::incoming::{Incoming, Piece};
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
        let identities: [(u128, u64, i64); 6] =
            [(1, 0, i64::MIN), (2, 9, i64::MAX), (1, u64::MAX, 0), (1, 4, 0), (3, 5, 0), (3, 6, 1)];
        let records: Vec<Record> = records
            .into_iter()
            .zip(identities)
            .map(|(record, (run, seq, time))| Record { run: RunId(run), seq, time, ..record })
            .collect();
        let encoded = |records: &[Record]| payload::encode_payloads(records).unwrap().remove(0);
        // One by one, and together.
        let bodies: Vec<Vec<u8>> = records.iter().map(std::slice::from_ref).map(encoded).collect();
        come_back(&records, &bodies);
        come_back(&records, &[encoded(&records)]);
    }

    fn come_back(records: &[Record], bodies: &[Vec<u8>]) {
        let mut incoming = Incoming::default();
        for body in bodies {
            incoming.add(body).unwrap();
        }
        let Incoming { known, segments, .. } = incoming;
        let mut pieces: Vec<(usize, Piece)> = Vec::new();
        for piece in segments.iter().flat_map(|segment| &segment.groups[0].pieces) {
            for at in 0..piece.count {
                let piece = piece.part(at, 1);
                let number = piece.numbers(&known).next().unwrap();
                pieces.push((records.iter().position(|record| record.seq == number).unwrap(), piece));
            }
        }
        pieces.sort_by_key(|(place, _)| *place);
        let pieces: Vec<Piece> = pieces.into_iter().map(|(_, piece)| piece).collect();
        let mut names = Names::default();
        let bytes = encode(5, &pieces, &known, &mut names).unwrap().bytes;
        let block = Block::new(&bytes, &names).unwrap();
        assert_eq!((block.series, block.len), (5, 6));
        assert_eq!(block.runs(), [RunId(1), RunId(2), RunId(3)]);
        let (times, runs, numbers) =
            (block.times().unwrap(), block.run_of().unwrap(), block.numbers().unwrap());
        let columns: Vec<Decoded> = (0..block.columns.len()).map(|at| block.values(at).unwrap()).collect();
        let mut next = vec![0; columns.len()];
        for (at, record) in records.iter().enumerate() {
            assert_eq!((times[at], numbers[at]), (record.time, record.seq));
            assert_eq!(block.runs()[runs[at] as usize], record.run);
            let fields: Fields = block
                .shape(at)
                .iter()
                .map(|&column| {
                    let value = columns[column].get(next[column]).unwrap().decode().unwrap();
                    next[column] += 1;
                    (block.columns[column].name, value)
                })
                .collect();
            assert_eq!(fields, record.fields);
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

    #[test]
    fn what_is_let_into_a_move_can_be_packed() {
        let every = [
            ("int", FieldValue::Int(-5)),
            ("yes", FieldValue::Bool(true)),
            ("text", FieldValue::String("größe".into())),
            ("list", FieldValue::List(vec![FieldValue::Null])),
            ("double", FieldValue::Double(0.5)),
        ];
        let records: Vec<Record> = (0..6)
            .map(|n| Record {
                run: RunId(n % 2),
                seq: n as u64 / 2,
                time: 86_400_000_000_000 * (n as i64 / 4) - n as i64,
                fields: every[..if n == 3 { 2 } else { 5 }].to_vec().into(),
                ..record(vec![])
            })
            .collect();
        let payload = payload::encode_payloads(&records).unwrap().remove(0);
        for at in 0..payload.len() {
            for change in [1u8, 2, 0x40, 0x80, 0xff] {
                let mut changed = payload.clone();
                changed[at] ^= change;
                let mut incoming = Incoming::default();
                if incoming.add(&changed).is_err() {
                    continue;
                }
                let Incoming { known, segments, .. } = incoming;
                for mut group in segments.into_iter().flat_map(|segment| segment.groups) {
                    group.sort(&known);
                    let records = group.pieces.iter().map(|piece| piece.count as usize).sum::<usize>();
                    let mut names = Names::default();
                    let bytes = encode(1, &group.pieces, &known, &mut names).unwrap().bytes;
                    assert_eq!(Block::new(&bytes, &names).unwrap().len, records);
                }
            }
        }
    }
}
