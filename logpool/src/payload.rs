//! The payload of a frame: records, and what they have in common, which is written once (see `codec` for the byte map).
//!
//! It holds the forms and origins that the records of one payload refer to, when it is written and when it is read; what a
//! record looks like by itself is `codec`'s.

use rustc_hash::FxHashMap;

use crate::codec::*;
use crate::error::Result;
use crate::limits::*;
use crate::name::Name;
use crate::packed::{self, PACKED, Packer, Values};
use crate::record::{FieldValue, Record, RunId};

/// Packs records into payloads of frames, none (but for a single large record) longer than a frame may be.
pub fn encode_payloads(records: &[Record]) -> Result<Vec<Vec<u8>>> {
    check("the number of records in one append", records.len(), APPEND_RECORDS_MAX)?;
    let mut payloads = Vec::new();
    let (mut from, mut total) = (0, 0);
    while from < records.len() {
        let mut payload = Payload::new(&records[from..]);
        while payload.count < payload.known.records.len() && payload.put()? {
            check("the size in bytes of one append", total + payload.bytes.len(), APPEND_BYTES_MAX)?;
        }
        from += payload.count;
        total += payload.bytes.len();
        payloads.push(payload.finish());
    }
    Ok(payloads)
}

impl Record {
    /// How many bytes it takes by itself, about; an error is a limit that it breaks, and that no pool takes it with.
    pub fn encoded_bytes(&self) -> Result<usize> {
        Ok(encode_payloads(std::slice::from_ref(self))?.iter().map(Vec::len).sum())
    }
}

/// A payload that is being written.
struct Payload<'a> {
    bytes: Vec<u8>,
    /// Of the number of records in front, which is that of all until it is known.
    prefix: usize,
    count: usize,
    known: Known<'a>,
}

impl<'a> Payload<'a> {
    fn new(records: &'a [Record]) -> Payload<'a> {
        let fields = records.first().map_or(0, |record| record.fields.len());
        let likely = records.len().saturating_mul(16 + 4 * fields).min(FRAME_BYTES_MAX);
        let mut bytes = Vec::with_capacity(likely);
        put_varint(&mut bytes, records.len() as u64);
        Payload { prefix: bytes.len(), bytes, count: 0, known: Known::new(records) }
    }

    /// Adds the next record; false if the payload is full without it.
    fn put(&mut self) -> Result<bool> {
        let start = self.bytes.len();
        // Most records are so small that their length is one byte.
        self.bytes.push(0);
        self.known.put(self.count, &mut self.bytes)?;
        let length = self.bytes.len() - start - 1;
        if length < 0x80 {
            self.bytes[start] = length as u8;
        } else {
            self.bytes.splice(start..=start, varint(length));
        }
        if self.count > 0 && self.bytes.len() > FRAME_BYTES_MAX {
            self.bytes.truncate(start);
            return Ok(false);
        }
        self.count += 1;
        Ok(true)
    }

    fn finish(mut self) -> Vec<u8> {
        if self.count < self.known.records.len() {
            self.bytes.splice(..self.prefix, varint(self.count));
        }
        self.bytes
    }
}

fn varint(n: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_varint(&mut bytes, n as u64);
    bytes
}

/// The forms and origins of the payload that is being written.
struct Known<'a> {
    records: &'a [Record],
    forms: Vec<Written<'a>>,
    /// The number of the form that was used last: the next record likely has it too.
    last: usize,
    origins: Origins<'a>,
    packer: Packer,
}

/// A form, by the first record that had it, and the tags of its values.
struct Written<'a> {
    first: &'a Record,
    tags: Vec<u8>,
    ints: bool,
}

impl Written<'_> {
    /// Whether a record is of the form if its values are.
    fn has_names_of(&self, record: &Record) -> bool {
        let first = self.first;
        first.fields.shape() == record.fields.shape()
            && first.key == record.key
            && first.pool == record.pool
            && first.task == record.task
    }

    fn is_of(&self, record: &Record) -> bool {
        self.has_names_of(record)
            && self.tags.iter().zip(record.fields.values()).all(|(&tag, value)| tag == form_tag(value))
    }
}

impl<'a> Known<'a> {
    fn new(records: &'a [Record]) -> Known<'a> {
        Known { records, forms: Vec::new(), last: 0, origins: Origins::default(), packer: Packer::default() }
    }

    fn put(&mut self, at: usize, out: &mut Vec<u8>) -> Result<()> {
        let (record, start) = (&self.records[at], out.len());
        let values = record.fields.values();
        // Most records are ints, and of the form of the one before.
        let last = self.forms.get(self.last).filter(|form| form.ints && form.has_names_of(record));
        if last.is_some()
            && let Some(ints) = self.packer.ints(values)
        {
            put_varint(out, self.last as u64 + 1);
            self.origins.put(record, out)?;
            put_number_and_time(record, out);
            out.extend_from_slice(ints);
            return check_size(out, start);
        }
        self.put_form(record, out)?;
        self.origins.put(record, out)?;
        put_number_and_time(record, out);
        for value in values {
            match value {
                FieldValue::Int(n) | FieldValue::Duration(n) => self.packer.put(out, *n),
                other => put_bare(out, other, start)?,
            }
        }
        self.packer.finish(out);
        check_size(out, start)
    }

    fn put_form(&mut self, record: &'a Record, out: &mut Vec<u8>) -> Result<()> {
        let is = |&number: &usize| self.forms[number].is_of(record);
        let recent = self.forms.len().saturating_sub(FORMS_SEARCHED_MAX)..self.forms.len();
        let last = (self.last < self.forms.len()).then_some(self.last);
        if let Some(number) = last.filter(is).or_else(|| recent.rev().find(is)) {
            self.last = number;
            put_varint(out, number as u64 + 1);
            return Ok(());
        }
        self.last = self.forms.len();
        let tags: Vec<u8> = record.fields.values().iter().map(form_tag).collect();
        let ints = tags.iter().all(|&tag| tag == INT | PACKED);
        self.forms.push(Written { first: record, tags, ints });
        out.push(0);
        put_name(out, "the pool's name", &record.pool, NAME_BYTES_MAX)?;
        put_name(out, "the key", &record.key, NAME_BYTES_MAX)?;
        put_name(out, "the task's name", &record.task, NAME_BYTES_MAX)?;
        check("the number of fields", record.fields.len(), FIELDS_MAX)?;
        put_varint(out, record.fields.len() as u64);
        for (name, value) in &record.fields {
            put_name(out, "a field's name", name, FIELD_NAME_BYTES_MAX)?;
            out.push(form_tag(value));
        }
        Ok(())
    }
}

fn put_number_and_time(record: &Record, out: &mut Vec<u8>) {
    put_varint(out, record.seq);
    out.extend_from_slice(&record.time.to_le_bytes());
}

#[derive(Default)]
struct Origins<'a> {
    /// By run, with the number and the node.
    by_run: FxHashMap<RunId, (u64, &'a Name)>,
    next: u64,
}

impl<'a> Origins<'a> {
    fn put(&mut self, record: &'a Record, out: &mut Vec<u8>) -> Result<()> {
        if let Some(&(number, node)) = self.by_run.get(&record.run)
            && *node == record.node
        {
            put_varint(out, number + 1);
            return Ok(());
        }
        self.by_run.insert(record.run, (self.next, &record.node));
        self.next += 1;
        out.push(0);
        out.extend_from_slice(&record.run.0.to_be_bytes());
        put_name(out, "the node's name", &record.node, NAME_BYTES_MAX)
    }
}

fn form_tag(value: &FieldValue) -> u8 {
    match value {
        FieldValue::Null => NULL,
        FieldValue::Bool(_) => FALSE,
        FieldValue::Int(_) => INT | PACKED,
        FieldValue::Double(_) => DOUBLE,
        FieldValue::String(_) => STRING,
        FieldValue::Bytes(_) => BYTES,
        FieldValue::Duration(_) => DURATION | PACKED,
        FieldValue::Time(_) => TIME,
        FieldValue::List(_) | FieldValue::Map(_) => LIST,
    }
}

/// The records of a frame's payload. After a malformed one there are no more: what follows may refer to it.
pub struct PayloadRecords<'a> {
    input: Input<'a>,
    left: u64,
    forms: Vec<Form<'a>>,
    origins: Vec<(RunId, &'a str)>,
}

struct Form<'a> {
    pool: &'a str,
    key: &'a str,
    task: &'a str,
    /// From the number of fields on.
    fields: &'a [u8],
    tags: Vec<u8>,
    /// Of all fields.
    packed: bool,
}

/// A record by the numbers of its form and its origin.
#[derive(Clone, Copy)]
pub struct Numbered<'a> {
    pub form: usize,
    pub origin: usize,
    pub seq: u64,
    pub time: i64,
    pub values: &'a [u8],
}

impl<'a> PayloadRecords<'a> {
    pub fn new(payload: &'a [u8]) -> PayloadRecords<'a> {
        let mut input = Input { bytes: payload };
        // A count that is none is counted as one malformed record.
        let left = input.varint().unwrap_or(1);
        PayloadRecords { input, left, forms: Vec::new(), origins: Vec::new() }
    }

    /// As `next` does, without what the record has in common with others.
    #[inline]
    pub fn next_numbered(&mut self) -> Option<Decoded<Numbered<'a>>> {
        self.left = self.left.checked_sub(1)?;
        let record = self.record();
        if record.is_err() {
            self.left = 0;
        }
        Some(record)
    }

    /// The whole of a record that `next_numbered` gave.
    pub fn head(&self, record: &Numbered<'a>) -> RecordHead<'a> {
        let Form { pool, key, task, fields, .. } = self.forms[record.form];
        let (run, node) = self.origins[record.origin];
        let Numbered { seq, time, values, .. } = *record;
        RecordHead { run, seq, time, pool, key, node, task, form: fields, values }
    }

    #[inline]
    fn record(&mut self) -> Decoded<Numbered<'a>> {
        let length = self.input.count(RECORD_BYTES_MAX, 1)?;
        let mut input = Input { bytes: self.input.take(length)? };
        let form = match input.varint()?.checked_sub(1) {
            Some(number) => number as usize,
            None => {
                self.forms.push(Form::read(&mut input)?);
                self.forms.len() - 1
            }
        };
        let origin = match input.varint()?.checked_sub(1) {
            Some(number) => number as usize,
            None => {
                let origin = (RunId(u128::from_be_bytes(input.array()?)), input.name(NAME_BYTES_MAX)?);
                self.origins.push(origin);
                self.origins.len() - 1
            }
        };
        if origin >= self.origins.len() {
            return Err(Malformed);
        }
        let seq = input.varint()?;
        let time = i64::from_le_bytes(input.array()?);
        let values = input.bytes;
        self.forms.get(form).ok_or(Malformed)?.check(values)?;
        Ok(Numbered { form, origin, seq, time, values })
    }
}

impl<'a> Form<'a> {
    fn read(input: &mut Input<'a>) -> Decoded<Form<'a>> {
        let (pool, key) = (input.name(NAME_BYTES_MAX)?, input.name(NAME_BYTES_MAX)?);
        let task = input.name(NAME_BYTES_MAX)?;
        let start = input.bytes;
        for _ in 0..input.count(FIELDS_MAX, 2)? {
            input.name(FIELD_NAME_BYTES_MAX)?;
            input.array::<1>()?;
        }
        let fields = &start[..start.len() - input.bytes.len()];
        let tags = tags(fields)?;
        let packed = packed::are_all(&tags);
        Ok(Form { pool, key, task, fields, tags, packed })
    }
    /// Whether the values can be read later.
    #[inline]
    fn check(&self, bytes: &[u8]) -> Decoded<()> {
        if self.packed {
            return packed::check(bytes, self.tags.len());
        }
        let mut values = Values::new(bytes);
        self.tags.iter().try_for_each(|&tag| values.value(tag).map(drop))?;
        values.end()
    }
}

impl<'a> Iterator for PayloadRecords<'a> {
    type Item = Decoded<RecordHead<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.next_numbered()?;
        Some(record.map(|record| self.head(&record)))
    }
}
