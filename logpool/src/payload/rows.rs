//! Reading a payload of files of version 3 and older, in which the values of a record lie together.
//!
//! Byte map:
//!
//! - payload: number of records (varint), and for each its length (varint) and its bytes
//! - record: form, origin, seq (varint), time (8 bytes), and the bare value of each field of its form
//! - form: the number of an earlier one plus one (varint), or 0 and a new one, which gets the next number; 0x40 is added
//!   to the tags of values that are packed
//! - origin: the same
//! - bare value: a value without its tag; of false and true a byte 0 or 1; of lists and maps with its tag; ints and
//!   durations are packed (see `packed`), but in files of version 2

use crate::codec::*;
use crate::limits::*;
use crate::packed::BareValues;
use crate::payload::columns::Form;
use crate::record::RunId;

/// The records of such a payload. After a malformed one there are no more: what follows may refer to it.
pub struct RowRecords<'a> {
    input: Input<'a>,
    left: u64,
    forms: Vec<Form<'a>>,
    origins: Vec<(RunId, &'a str)>,
}

impl<'a> RowRecords<'a> {
    pub fn new(payload: &'a [u8]) -> RowRecords<'a> {
        let mut input = Input { bytes: payload };
        // A count that is none is counted as one malformed record.
        let left = input.varint().unwrap_or(1);
        RowRecords { input, left, forms: Vec::new(), origins: Vec::new() }
    }

    fn record(&mut self) -> Decoded<RecordHead<'a>> {
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
        let &(run, node) = self.origins.get(origin).ok_or(Malformed)?;
        let seq = input.varint()?;
        let time = i64::from_le_bytes(input.array()?);
        let Form { pool, key, task, fields, tags } = self.forms.get(form).ok_or(Malformed)?;
        check(tags, input.bytes)?;
        let values = Values::InRow(input.bytes);
        Ok(RecordHead { run, seq, time, pool, key, node, task, form: fields, values })
    }
}

/// Whether the values can be read later.
fn check(tags: &[u8], values: &[u8]) -> Decoded<()> {
    let mut values = BareValues::new(values);
    tags.iter().try_for_each(|&tag| values.value(tag).map(drop))?;
    values.end()
}

impl<'a> Iterator for RowRecords<'a> {
    type Item = Decoded<RecordHead<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let record = self.record();
        if record.is_err() {
            self.left = 0;
        }
        Some(record)
    }
}
