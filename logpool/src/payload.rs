//! The payload of a frame: records by what they have in common, and their values in columns (see `codec` for the byte
//! map); and those of older versions, in which each record lies by itself.

mod columns;
mod encode;
mod rows;

pub use columns::{Columns, Section};
pub use encode::encode_payloads;

use crate::codec::*;
use crate::limits::APPEND_RECORDS_MAX;
use crate::record::Record;
use columns::ColumnRecords;
use rows::RowRecords;

/// The first byte of a payload in columns. No payload of an older version has no records.
const IN_COLUMNS: u8 = 0;

/// The records of a frame's payload, in the order in which they came. After a malformed one there are no more.
pub enum PayloadRecords<'a> {
    Columns(ColumnRecords<'a>),
    Rows(RowRecords<'a>),
    Malformed,
    End,
}

impl<'a> PayloadRecords<'a> {
    pub fn new(payload: &'a [u8]) -> PayloadRecords<'a> {
        match columns(payload).map(|columns| columns.map(ColumnRecords::new)) {
            Some(Ok(records)) => PayloadRecords::Columns(records),
            Some(Err(Malformed)) => PayloadRecords::Malformed,
            None => PayloadRecords::Rows(RowRecords::new(payload)),
        }
    }
}

impl<'a> Iterator for PayloadRecords<'a> {
    type Item = Decoded<RecordHead<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            PayloadRecords::Columns(records) => records.next().map(Ok),
            PayloadRecords::Rows(records) => records.next(),
            PayloadRecords::Malformed => {
                *self = PayloadRecords::End;
                Some(Err(Malformed))
            }
            PayloadRecords::End => None,
        }
    }
}

/// `None` of a payload of an older version.
pub fn columns(payload: &[u8]) -> Option<Decoded<Columns<'_>>> {
    let (&IN_COLUMNS, rest) = payload.split_first()? else { return None };
    Some(Columns::read(Input { bytes: rest }))
}

/// The records of a payload of an older version as they are written now, up to one that is malformed, and whether there
/// is one.
pub type Renewed = (Vec<Vec<u8>>, Decoded<()>);

/// `None` of a payload that is not of an older version.
pub fn renewed(payload: &[u8]) -> Option<Renewed> {
    if payload.first() == Some(&IN_COLUMNS) {
        return None;
    }
    let mut whole = Ok(());
    let decoded = RowRecords::new(payload).map(|head| head.and_then(|head| head.decode()));
    let known = decoded.map_while(|record| record.inspect_err(|_| whole = Err(Malformed)).ok());
    let records: Vec<Record> = known.collect();
    let payloads = records.chunks(APPEND_RECORDS_MAX).map(encode_payloads);
    match payloads.collect::<crate::Result<Vec<_>>>() {
        Ok(payloads) => Some((payloads.into_iter().flatten().collect(), whole)),
        Err(_) => Some((Vec::new(), Err(Malformed))),
    }
}

impl Record {
    /// How many bytes it takes by itself, about; an error is a limit that it breaks, and that no pool takes it with.
    pub fn encoded_bytes(&self) -> crate::Result<usize> {
        Ok(encode_payloads(std::slice::from_ref(self))?.iter().map(Vec::len).sum())
    }
}
