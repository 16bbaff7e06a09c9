//! A record as bytes, and back.
//!
//! Byte map. Numbers are little-endian. *varint*: seven bits a byte, lowest first, the high bit says that more
//! follow, at most ten bytes. *zigzag*: a varint of `(n << 1) ^ (n >> 63)`. *text*: a varint length and UTF-8.
//!
//! - payload of a frame: 0 (1 byte); number of forms (varint) and the forms; number of origins (varint) and the origins;
//!   for each form the number of its groups (varint) and the groups; where there are several groups, the group of each record, in
//!   the order in which the records came (numbers, see `flat`); then for each form the columns of its records, group by
//!   group: their times and numbers (numbers, see `flat`), and one column for each field. A payload of an older
//!   version begins with another byte (see `payload::rows`)
//! - form: what records of a program have in common: pool, key, task (texts), number of fields (varint), and for each its
//!   name (text) and the tag of its value, 1 for false and true, 9 for lists and maps
//! - origin: run (16 bytes, big-endian), node (text)
//! - group: the records of a form that have the same origin: number of the origin, how many (varints), and the number of
//!   the first record (varint). In the column of numbers each is less the first one's and less its place in the group: 0
//!   for numbers that follow each other
//! - value: a tag byte, then
//!   0 null; 1 false; 2 true; 3 int (zigzag); 4 double (8 bytes, IEEE 754); 5 string (text);
//!   6 bytes (varint length, bytes); 7 duration (zigzag, nanoseconds); 8 time (8 bytes, nanoseconds since 1970);
//!   9 list (varint count, values); 10 map (varint count, then name and value of each entry)
//!
//! Nothing here knows files. Sizes and nesting are checked before writing and again after reading; a decoder
//! never reserves more than the bytes that are there could fill.

use crate::error::{LogPoolError, Result};
use crate::fields::Fields;
use crate::flat::Column;
use crate::limits::*;
use crate::packed::{BareValues, unzigzag, zigzag};
use crate::record::{FieldValue, Record, RunId};

pub const NULL: u8 = 0;
pub const FALSE: u8 = 1;
const TRUE: u8 = 2;
pub const INT: u8 = 3;
pub const DOUBLE: u8 = 4;
pub const STRING: u8 = 5;
pub const BYTES: u8 = 6;
pub const DURATION: u8 = 7;
pub const TIME: u8 = 8;
pub const LIST: u8 = 9;
const MAP: u8 = 10;

/// A record whose fields have not been looked into.
#[derive(Clone, Copy, Debug)]
pub struct RecordHead<'a> {
    pub run: RunId,
    pub seq: u64,
    pub time: i64,
    pub pool: &'a str,
    pub key: &'a str,
    pub node: &'a str,
    pub task: &'a str,
    /// The part of the form that says which fields there are: the same bytes, the same fields.
    pub form: &'a [u8],
    pub values: Values<'a>,
}

/// Where the values of a record are.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// One behind the other, in a payload of an older version.
    InRow(&'a [u8]),
    /// At a place of the columns that its form has values in, each of so many values.
    InColumns { bytes: &'a [u8], count: usize, at: usize },
}

/// The bytes are not what this format writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

pub type Decoded<T> = Result<T, Malformed>;

impl<'a> RecordHead<'a> {
    pub fn decode(&self) -> Decoded<Record> {
        let field = |field: Decoded<(&'a str, ValueRef<'a>)>| {
            let (name, value) = field?;
            Ok((name, value.decode()?))
        };
        let fields = self.fields()?.map(field).collect::<Decoded<Fields>>()?;
        Ok(Record {
            pool: self.pool.into(),
            key: self.key.into(),
            node: self.node.into(),
            task: self.task.into(),
            run: self.run,
            seq: self.seq,
            time: self.time,
            fields,
        })
    }

    /// What it takes on its own, about.
    pub fn bytes(&self) -> usize {
        let names = [self.pool, self.key, self.node, self.task].map(str::len).iter().sum::<usize>();
        let values = match self.values {
            Values::InRow(bytes) => bytes.len(),
            Values::InColumns { bytes, count, .. } => bytes.len() / count,
        };
        names + self.form.len() + values + 40
    }

    /// A walk through the fields.
    pub fn fields(&self) -> Decoded<FieldWalk<'a>> {
        FieldWalk::new(self.form, self.values)
    }
}

pub struct FieldWalk<'a> {
    form: Input<'a>,
    values: ValueWalk<'a>,
    left: usize,
}

enum ValueWalk<'a> {
    Row(BareValues<'a>),
    Columns { input: Input<'a>, count: usize, at: usize },
}

impl<'a> FieldWalk<'a> {
    fn new(form: &'a [u8], values: Values<'a>) -> Decoded<FieldWalk<'a>> {
        let mut form = Input { bytes: form };
        let left = form.count(FIELDS_MAX, 2)?;
        let values = match values {
            Values::InRow(bytes) => ValueWalk::Row(BareValues::new(bytes)),
            Values::InColumns { bytes, count, at } => {
                ValueWalk::Columns { input: Input { bytes }, count, at }
            }
        };
        Ok(FieldWalk { form, values, left })
    }

    fn field(&mut self) -> Decoded<(&'a str, ValueRef<'a>)> {
        let name = self.form.name(FIELD_NAME_BYTES_MAX)?;
        let [tag] = self.form.array()?;
        let value = match &mut self.values {
            ValueWalk::Row(values) => values.value(tag)?,
            ValueWalk::Columns { input, count, at } => Column::read(input, tag, *count)?.value(tag, *at)?,
        };
        Ok((name, value))
    }
}

/// The names of the fields of a form and the tags of their values.
pub fn names_and_tags(form: &[u8]) -> Decoded<Vec<(&str, u8)>> {
    let mut form = Input { bytes: form };
    let count = form.count(FIELDS_MAX, 2)?;
    let field = |_| Ok((form.name(FIELD_NAME_BYTES_MAX)?, form.array().map(|[tag]| tag)?));
    (0..count).map(field).collect()
}

impl<'a> Iterator for FieldWalk<'a> {
    type Item = Decoded<(&'a str, ValueRef<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let field = self.field();
        if field.is_err() {
            self.left = 0;
        }
        Some(field)
    }
}

/// A value that points into the bytes it was read from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueRef<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    String(&'a str),
    Bytes(&'a [u8]),
    Duration(i64),
    Time(i64),
    /// A list or a map as it is encoded, its tag included.
    Nested(&'a [u8]),
}

impl<'a> ValueRef<'a> {
    /// `None` for a list or a map.
    pub fn of(value: &'a FieldValue) -> Option<ValueRef<'a>> {
        Some(match value {
            FieldValue::Null => ValueRef::Null,
            FieldValue::Bool(value) => ValueRef::Bool(*value),
            FieldValue::Int(value) => ValueRef::Int(*value),
            FieldValue::Double(value) => ValueRef::Double(*value),
            FieldValue::String(text) => ValueRef::String(text),
            FieldValue::Bytes(bytes) => ValueRef::Bytes(bytes),
            FieldValue::Duration(value) => ValueRef::Duration(*value),
            FieldValue::Time(value) => ValueRef::Time(*value),
            FieldValue::List(_) | FieldValue::Map(_) => return None,
        })
    }

    pub fn of_int(tag: u8, value: i64) -> Decoded<ValueRef<'a>> {
        match tag {
            INT => Ok(ValueRef::Int(value)),
            DURATION => Ok(ValueRef::Duration(value)),
            _ => Err(Malformed),
        }
    }

    pub fn decode(self) -> Decoded<FieldValue> {
        Ok(match self {
            ValueRef::Null => FieldValue::Null,
            ValueRef::Bool(value) => FieldValue::Bool(value),
            ValueRef::Int(value) => FieldValue::Int(value),
            ValueRef::Double(value) => FieldValue::Double(value),
            ValueRef::String(text) => FieldValue::String(text.to_owned()),
            ValueRef::Bytes(bytes) => FieldValue::Bytes(bytes.to_owned()),
            ValueRef::Duration(value) => FieldValue::Duration(value),
            ValueRef::Time(value) => FieldValue::Time(value),
            ValueRef::Nested(bytes) => {
                let mut input = Input { bytes };
                let value = input.value(0)?;
                input.end()?;
                value
            }
        })
    }
}

#[inline]
pub fn put_varint(out: &mut Vec<u8>, n: u64) {
    if n < 0x80 { out.push(n as u8) } else { put_long_varint(out, n) }
}

#[inline(never)]
fn put_long_varint(out: &mut Vec<u8>, mut n: u64) {
    if n < 1 << 14 {
        return out.extend_from_slice(&[n as u8 | 0x80, (n >> 7) as u8]);
    }
    if n >= 1 << 56 {
        while n >= 0x80 {
            out.push(n as u8 | 0x80);
            n >>= 7;
        }
        return out.push(n as u8);
    }
    // All groups at once: each seven bits to a byte of their own, and the high bit to all but the last.
    let bytes = (64 - n.leading_zeros()).div_ceil(7) as usize;
    let n = n & 0x0fff_ffff | (n & 0x00ff_ffff_f000_0000) << 4;
    let n = n & 0x0000_3fff_0000_3fff | (n & 0x0fff_c000_0fff_c000) << 2;
    let n = n & 0x007f_007f_007f_007f | (n & 0x3f80_3f80_3f80_3f80) << 1;
    let end = out.len() + bytes;
    out.extend_from_slice(&(n | HIGH_BITS >> (8 * (9 - bytes))).to_le_bytes());
    out.truncate(end);
}

/// The high bit of each byte.
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

pub fn put_zigzag(out: &mut Vec<u8>, n: i64) {
    put_varint(out, zigzag(n));
}

/// What `put_zigzag` takes.
pub fn zigzag_bytes(n: i64) -> u64 {
    u64::from((64 - (zigzag(n) | 1).leading_zeros()).div_ceil(7))
}

pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

pub fn put_name(out: &mut Vec<u8>, what: &'static str, name: &str, limit: usize) -> Result<()> {
    check(what, name.len(), limit)?;
    put_text(out, name);
    Ok(())
}

/// The size is looked at while writing, so that a huge value is not copied before it is refused.
pub fn put_value(out: &mut Vec<u8>, value: &FieldValue, start: usize, depth: usize) -> Result<()> {
    let payload = match value {
        FieldValue::String(text) => text.len(),
        FieldValue::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    check("the size in bytes", out.len() - start + payload, RECORD_BYTES_MAX)?;
    match value {
        FieldValue::Null => out.push(NULL),
        FieldValue::Bool(false) => out.push(FALSE),
        FieldValue::Bool(true) => out.push(TRUE),
        FieldValue::Int(n) => {
            out.push(INT);
            put_zigzag(out, *n);
        }
        FieldValue::Double(n) => {
            out.push(DOUBLE);
            out.extend_from_slice(&n.to_le_bytes());
        }
        FieldValue::String(text) => {
            out.push(STRING);
            put_text(out, text);
        }
        FieldValue::Bytes(bytes) => {
            out.push(BYTES);
            put_varint(out, bytes.len() as u64);
            out.extend_from_slice(bytes);
        }
        FieldValue::Duration(ns) => {
            out.push(DURATION);
            put_zigzag(out, *ns);
        }
        FieldValue::Time(ns) => {
            out.push(TIME);
            out.extend_from_slice(&ns.to_le_bytes());
        }
        FieldValue::List(items) => {
            check("the nesting of a value", depth + 1, VALUE_DEPTH_MAX)?;
            out.push(LIST);
            put_varint(out, items.len() as u64);
            for item in items {
                put_value(out, item, start, depth + 1)?;
            }
        }
        FieldValue::Map(entries) => {
            check("the nesting of a value", depth + 1, VALUE_DEPTH_MAX)?;
            out.push(MAP);
            put_varint(out, entries.len() as u64);
            for (name, item) in entries {
                put_name(out, "a map's key", name, FIELD_NAME_BYTES_MAX)?;
                put_value(out, item, start, depth + 1)?;
            }
        }
    }
    Ok(())
}

pub fn check(what: &'static str, found: usize, limit: usize) -> Result<()> {
    if found > limit { Err(LogPoolError::TooLarge { what, found, limit }) } else { Ok(()) }
}

/// Bytes that are read from the front.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    pub bytes: &'a [u8],
}

impl<'a> Input<'a> {
    pub fn take(&mut self, length: usize) -> Decoded<&'a [u8]> {
        let (front, rest) = self.bytes.split_at_checked(length).ok_or(Malformed)?;
        self.bytes = rest;
        Ok(front)
    }

    pub fn array<const N: usize>(&mut self) -> Decoded<[u8; N]> {
        let (front, rest) = self.bytes.split_first_chunk().ok_or(Malformed)?;
        self.bytes = rest;
        Ok(*front)
    }

    #[inline]
    pub fn varint(&mut self) -> Decoded<u64> {
        // Most numbers are small.
        if let Some((&byte, rest)) = self.bytes.split_first()
            && byte < 0x80
        {
            self.bytes = rest;
            return Ok(u64::from(byte));
        }
        self.long_varint()
    }

    #[inline(never)]
    fn long_varint(&mut self) -> Decoded<u64> {
        if let [low, high @ ..0x80, rest @ ..] = self.bytes {
            self.bytes = rest;
            return Ok(u64::from(low & 0x7f) | u64::from(*high) << 7);
        }
        // Eight bytes at once, if the number ends among them.
        if let Some((&bytes, _)) = self.bytes.split_first_chunk() {
            let n = u64::from_le_bytes(bytes);
            let ends = !n & HIGH_BITS;
            if ends != 0 {
                let length = (ends.trailing_zeros() / 8 + 1) as usize;
                self.bytes = &self.bytes[length..];
                let n = n & !HIGH_BITS & (u64::MAX >> (64 - 8 * length));
                let n = n & 0x007f_007f_007f_007f | (n & 0x7f00_7f00_7f00_7f00) >> 1;
                let n = n & 0x0000_3fff_0000_3fff | (n & 0x3fff_0000_3fff_0000) >> 2;
                return Ok(n & 0x0fff_ffff | (n & 0x0fff_ffff_0000_0000) >> 4);
            }
        }
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Malformed);
            }
            n |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(n);
            }
        }
        Err(Malformed)
    }

    pub fn zigzag(&mut self) -> Decoded<i64> {
        self.varint().map(unzigzag)
    }

    /// A count of things that take at least `bytes_each`.
    pub fn count(&mut self, limit: usize, bytes_each: usize) -> Decoded<usize> {
        let count = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
        if count > limit || count > self.bytes.len() / bytes_each {
            return Err(Malformed);
        }
        Ok(count)
    }

    /// A place among so many.
    pub fn place(&mut self, among: usize) -> Decoded<usize> {
        usize::try_from(self.varint()?).ok().filter(|&place| place < among).ok_or(Malformed)
    }

    pub fn name(&mut self, limit: usize) -> Decoded<&'a str> {
        let length = self.count(limit, 1)?;
        std::str::from_utf8(self.take(length)?).map_err(|_| Malformed)
    }

    /// A varint length and so many bytes.
    pub fn section(&mut self) -> Decoded<&'a [u8]> {
        let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
        self.take(length)
    }

    pub fn end(&self) -> Decoded<()> {
        if self.bytes.is_empty() { Ok(()) } else { Err(Malformed) }
    }

    /// A value whose tag is in its form.
    pub fn bare_value(&mut self, tag: u8) -> Decoded<ValueRef<'a>> {
        match tag {
            FALSE => match self.array()? {
                [0] => Ok(ValueRef::Bool(false)),
                [1] => Ok(ValueRef::Bool(true)),
                _ => Err(Malformed),
            },
            LIST => {
                let start = self.bytes;
                if !matches!(start.first(), Some(&(LIST | MAP))) {
                    return Err(Malformed);
                }
                self.skip_value(0)?;
                Ok(ValueRef::Nested(&start[..start.len() - self.bytes.len()]))
            }
            TRUE | MAP => Err(Malformed),
            tag => self.tagged_value(tag),
        }
    }

    fn value_ref(&mut self) -> Decoded<ValueRef<'a>> {
        let start = *self;
        let [tag] = self.array()?;
        if matches!(tag, LIST | MAP) {
            *self = start;
            self.skip_value(0)?;
            return Ok(ValueRef::Nested(&start.bytes[..start.bytes.len() - self.bytes.len()]));
        }
        self.tagged_value(tag)
    }

    /// What follows the tag; of a list or a map it cannot tell.
    fn tagged_value(&mut self, tag: u8) -> Decoded<ValueRef<'a>> {
        Ok(match tag {
            NULL => ValueRef::Null,
            FALSE => ValueRef::Bool(false),
            TRUE => ValueRef::Bool(true),
            INT => ValueRef::Int(self.zigzag()?),
            DOUBLE => ValueRef::Double(f64::from_le_bytes(self.array()?)),
            STRING => ValueRef::String(self.name(RECORD_BYTES_MAX)?),
            BYTES => {
                let length = self.count(RECORD_BYTES_MAX, 1)?;
                ValueRef::Bytes(self.take(length)?)
            }
            DURATION => ValueRef::Duration(self.zigzag()?),
            TIME => ValueRef::Time(i64::from_le_bytes(self.array()?)),
            _ => return Err(Malformed),
        })
    }

    fn value(&mut self, depth: usize) -> Decoded<FieldValue> {
        Ok(match self.bytes.first() {
            Some(&LIST) => {
                self.take(1)?;
                let count = self.nested_count(depth, 1)?;
                let mut items = Vec::with_capacity(count.min(64));
                for _ in 0..count {
                    items.push(self.value(depth + 1)?);
                }
                FieldValue::List(items)
            }
            Some(&MAP) => {
                self.take(1)?;
                let count = self.nested_count(depth, 2)?;
                let mut entries = Vec::with_capacity(count.min(64));
                for _ in 0..count {
                    let name = self.name(FIELD_NAME_BYTES_MAX)?.to_owned();
                    entries.push((name, self.value(depth + 1)?));
                }
                FieldValue::Map(entries)
            }
            _ => self.value_ref()?.decode()?,
        })
    }

    fn skip_value(&mut self, depth: usize) -> Decoded<()> {
        let [tag] = self.array()?;
        match tag {
            NULL | FALSE | TRUE => {}
            INT | DURATION => drop(self.varint()?),
            DOUBLE | TIME => drop(self.array::<8>()?),
            STRING => drop(self.name(RECORD_BYTES_MAX)?),
            BYTES => {
                let length = self.count(RECORD_BYTES_MAX, 1)?;
                self.take(length)?;
            }
            LIST => {
                for _ in 0..self.nested_count(depth, 1)? {
                    self.skip_value(depth + 1)?;
                }
            }
            MAP => {
                for _ in 0..self.nested_count(depth, 2)? {
                    self.name(FIELD_NAME_BYTES_MAX)?;
                    self.skip_value(depth + 1)?;
                }
            }
            _ => return Err(Malformed),
        }
        Ok(())
    }

    fn nested_count(&mut self, depth: usize, bytes_each: usize) -> Decoded<usize> {
        if depth >= VALUE_DEPTH_MAX {
            return Err(Malformed);
        }
        self.count(RECORD_BYTES_MAX, bytes_each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::{PayloadRecords, encode_payloads};
    use crate::record::RunId;

    fn record(fields: Vec<(&str, FieldValue)>) -> Record {
        Record {
            pool: "memcached".into(),
            key: "key -name".into(),
            node: "web-1".into(),
            task: "DVMStat".into(),
            run: RunId(7),
            seq: u64::MAX,
            time: i64::MIN,
            fields: fields.into(),
        }
    }

    fn every_kind() -> Record {
        record(vec![
            ("null", FieldValue::Null),
            ("min", FieldValue::Int(i64::MIN)),
            ("max", FieldValue::Int(i64::MAX)),
            ("double", FieldValue::Double(-0.5)),
            ("yes", FieldValue::Bool(true)),
            ("no", FieldValue::Bool(false)),
            ("größe", FieldValue::String("a\n\u{1F600}".into())),
            ("bytes", FieldValue::Bytes(vec![0, 255])),
            ("duration", FieldValue::Duration(-1)),
            ("time", FieldValue::Time(1_700_000_000_000_000_000)),
            ("list", FieldValue::List(vec![FieldValue::Int(1), FieldValue::List(vec![])])),
            ("map", FieldValue::Map(vec![("k".into(), FieldValue::Null)])),
        ])
    }

    fn encoded(record: &Record) -> Vec<u8> {
        encode_payloads(std::slice::from_ref(record)).unwrap().remove(0)
    }

    fn decoded(payload: &[u8]) -> Decoded<Vec<Record>> {
        PayloadRecords::new(payload).map(|head| head.and_then(|head| head.decode())).collect()
    }

    #[test]
    fn every_kind_of_value_comes_back() {
        let record = every_kind();
        assert_eq!(decoded(&encoded(&record)).unwrap(), [record]);
    }

    #[test]
    fn what_records_have_in_common_is_written_once() {
        let sample = |run, node: &str, value: FieldValue| Record {
            run: RunId(run),
            node: node.into(),
            ..record(vec![("some field", value)])
        };
        let mut records = Vec::new();
        for n in 0..100 {
            records.push(sample(n % 7, ["a", "b", "c"][n as usize % 3], FieldValue::Int(n as i64)));
            records.push(sample(n % 7, "a", FieldValue::Bool(n % 2 == 0)));
            records
                .push(Record { key: format!("key {}", n % 50).into(), ..sample(1, "a", FieldValue::Null) });
        }
        let payload = encoded_all(&records);
        assert_eq!(decoded(&payload).unwrap(), records);
        assert!(payload.len() < records.len() * 50, "{} bytes", payload.len());
    }

    fn encoded_all(records: &[Record]) -> Vec<u8> {
        let mut payloads = encode_payloads(records).unwrap();
        assert_eq!(payloads.len(), 1);
        payloads.remove(0)
    }

    #[test]
    fn records_travel_through_serde() {
        let record = every_kind();
        let bytes = postcard::to_stdvec(&record).unwrap();
        assert_eq!(postcard::from_bytes::<Record>(&bytes).unwrap(), record);
    }

    #[test]
    fn cut_or_changed_bytes_never_panic() {
        let bytes = encoded_all(&[every_kind(), every_kind()]);
        for cut in 0..bytes.len() {
            assert!(decoded(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        for at in 0..bytes.len() {
            for change in [1u8, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= change;
                for head in PayloadRecords::new(&changed).flatten() {
                    head.decode().expect("what the check lets through can be decoded");
                }
            }
        }
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let refused = |record: Record| {
            assert!(matches!(encode_payloads(&[record]), Err(LogPoolError::TooLarge { .. })));
        };
        refused(Record { pool: "p".repeat(NAME_BYTES_MAX + 1).into(), ..record(vec![]) });
        refused(record(vec![(&"f".repeat(FIELD_NAME_BYTES_MAX + 1), FieldValue::Null)]));
        refused(record(vec![("", FieldValue::Null); FIELDS_MAX + 1]));
        refused(record(vec![("f", FieldValue::String("x".repeat(RECORD_BYTES_MAX)))]));
        let mut deep = FieldValue::Null;
        for _ in 0..=VALUE_DEPTH_MAX {
            deep = FieldValue::List(vec![deep]);
        }
        refused(record(vec![("f", deep.clone())]));
        let FieldValue::List(mut allowed) = deep else { unreachable!() };
        let allowed = record(vec![("f", allowed.remove(0))]);
        assert_eq!(decoded(&encoded(&allowed)).unwrap(), [allowed]);
    }

    #[test]
    fn hostile_nesting_and_counts_are_refused() {
        let nested = |value: &[u8]| Input { bytes: value }.bare_value(LIST).map(|_| ());
        assert_eq!(nested(&[LIST, 0]), Ok(()));
        assert_eq!(nested(&[LIST, 1].repeat(100_000)), Err(Malformed));
        assert_eq!(nested(&[LIST, 0xff, 0xff, 0xff, 0xff, 0x0f]), Err(Malformed));
        assert_eq!(nested(&[NULL]), Err(Malformed));
        for tag in [TRUE, MAP, 99, INT | 0x40] {
            assert!(Input { bytes: &[0, 0] }.bare_value(tag).is_err(), "{tag}");
        }
        let long = |last| [[0x80; 9].as_slice(), &[last]].concat();
        assert_eq!(Input { bytes: &long(1) }.varint(), Ok(1 << 63));
        assert_eq!(Input { bytes: &long(2) }.varint(), Err(Malformed));
        assert_eq!(Input { bytes: &[[0x80; 10].as_slice(), &[0]].concat() }.varint(), Err(Malformed));
    }

    #[test]
    fn varints() {
        let slowly = |mut n: u64| {
            let mut bytes = Vec::new();
            while n >= 0x80 {
                bytes.push(n as u8 | 0x80);
                n >>= 7;
            }
            bytes.push(n as u8);
            bytes
        };
        let mut numbers: Vec<u64> = (0..64).flat_map(|bit| [1 << bit, (1 << bit) - 1, 3 << bit]).collect();
        numbers.extend([u64::MAX, 0x0123_4567_89ab_cdef, 0x00fe_dcba_9876_5432]);
        let mut all = Vec::new();
        for &n in &numbers {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, n);
            assert_eq!(bytes, slowly(n), "{n}");
            assert_eq!(Input { bytes: &bytes }.varint(), Ok(n));
            // Also where others follow.
            bytes.extend([0xff; 9]);
            assert_eq!(Input { bytes: &bytes }.varint(), Ok(n));
            put_varint(&mut all, n);
        }
        let mut input = Input { bytes: &all };
        numbers.iter().for_each(|&n| assert_eq!(input.varint(), Ok(n)));
        assert!(input.bytes.is_empty());
        assert_eq!(Input { bytes: &[0xff; 11] }.varint(), Err(Malformed));
        assert_eq!(
            Input { bytes: &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2] }.varint(),
            Err(Malformed)
        );
    }

    #[test]
    fn large_appends_become_several_frames() {
        let large = record(vec![("f", FieldValue::Bytes(vec![1; RECORD_BYTES_MAX / 2]))]);
        let payloads = encode_payloads(&std::array::from_fn::<_, 10, _>(|_| large.clone())).unwrap();
        assert!(payloads.len() > 1 && payloads.iter().all(|p| p.len() <= FRAME_BYTES_MAX + 16));
        let back: usize = payloads.iter().map(|p| PayloadRecords::new(p).filter(|r| r.is_ok()).count()).sum();
        assert_eq!(back, 10);
        assert!(encode_payloads(&Vec::new()).unwrap().is_empty());
    }
}
