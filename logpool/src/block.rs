//! A block: consecutive records of one series, as a row of the database.
//!
//! Byte map (varint and zigzag as in `codec`): version 1 (1 byte); series (4 bytes, little-endian); number of
//! records (varint); number of runs (varint); each run (16 bytes, big-endian); then for each record the index of its run (varint), its sequence
//! number (varint), its time as a difference to the record before, the first to 0 (zigzag, wrapping), the length
//! of its body (varint) and the body (see `codec`). Pool, key and node are those of the series.

use crate::codec::{self, Input, Malformed, RecordHead};
use crate::limits::{BLOCK_RECORDS_MAX, RECORD_BYTES_MAX};
use crate::record::RunId;

const VERSION: u8 = 1;

/// What a block says about a record, the series apart.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    pub run: RunId,
    pub seq: u64,
    pub time: i64,
    pub body: &'a [u8],
}

pub fn encode(series: u32, records: &[&RecordHead]) -> Vec<u8> {
    let mut runs: Vec<RunId> = Vec::new();
    let mut rows = Vec::new();
    let mut time = 0i64;
    for record in records {
        // Few runs write to one series at a time, and the last one is the likely one.
        let index = runs.iter().rposition(|run| *run == record.run).unwrap_or_else(|| {
            runs.push(record.run);
            runs.len() - 1
        });
        codec::put_varint(&mut rows, index as u64);
        codec::put_varint(&mut rows, record.seq);
        codec::put_zigzag(&mut rows, record.time.wrapping_sub(time));
        time = record.time;
        codec::put_varint(&mut rows, record.body.len() as u64);
        rows.extend_from_slice(record.body);
    }
    let mut out = Vec::with_capacity(rows.len() + 16 * runs.len() + 8);
    out.push(VERSION);
    out.extend_from_slice(&series.to_le_bytes());
    codec::put_varint(&mut out, records.len() as u64);
    codec::put_varint(&mut out, runs.len() as u64);
    for run in runs {
        out.extend_from_slice(&run.0.to_be_bytes());
    }
    out.extend_from_slice(&rows);
    out
}

/// The rows of a block, the oldest first if they were put in so. Ends with an error where it is malformed.
pub struct Rows<'a> {
    pub series: u32,
    input: Input<'a>,
    runs: Vec<RunId>,
    left: usize,
    time: i64,
}

impl<'a> Rows<'a> {
    pub fn new(bytes: &'a [u8]) -> Result<Rows<'a>, Malformed> {
        let mut input = Input { bytes };
        if input.array()? != [VERSION] {
            return Err(Malformed);
        }
        let series = u32::from_le_bytes(input.array()?);
        let left = input.count(BLOCK_RECORDS_MAX, 1)?;
        let count = input.count(BLOCK_RECORDS_MAX, 16)?;
        let mut runs = Vec::with_capacity(count);
        for _ in 0..count {
            runs.push(RunId(u128::from_be_bytes(input.array()?)));
        }
        Ok(Rows { series, input, runs, left, time: 0 })
    }

    /// How many there are still to come.
    pub fn len(&self) -> usize {
        self.left
    }

    pub fn runs(&self) -> &[RunId] {
        &self.runs
    }

    fn row(&mut self) -> Result<Row<'a>, Malformed> {
        let index = usize::try_from(self.input.varint()?).map_err(|_| Malformed)?;
        let run = *self.runs.get(index).ok_or(Malformed)?;
        let seq = self.input.varint()?;
        self.time = self.time.wrapping_add(self.input.zigzag()?);
        let length = self.input.count(RECORD_BYTES_MAX, 1)?;
        Ok(Row { run, seq, time: self.time, body: self.input.take(length)? })
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = Result<Row<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let row = self.row();
        if row.is_err() {
            self.left = 0;
        }
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_and_bad_bytes_are_errors() {
        let head = |run, seq, time| RecordHead {
            run: RunId(run),
            seq,
            time,
            pool: "p",
            key: "k",
            node: "n",
            body: b"body",
        };
        let heads = [head(1, 0, i64::MIN), head(2, 9, i64::MAX), head(1, u64::MAX, 0)];
        let bytes = encode(5, &heads.iter().collect::<Vec<_>>());
        let rows = Rows::new(&bytes).unwrap();
        assert_eq!(rows.series, 5);
        assert_eq!(rows.runs(), [RunId(1), RunId(2)]);
        let rows: Vec<Row> = rows.map(Result::unwrap).collect();
        for (row, head) in rows.iter().zip(&heads) {
            assert_eq!((row.run, row.seq, row.time, row.body), (head.run, head.seq, head.time, head.body));
        }
        assert_eq!(rows.len(), heads.len());
        for cut in 0..bytes.len() {
            let broken = Rows::new(&bytes[..cut]).map(|rows| rows.filter(|row| row.is_err()).count());
            assert!(!matches!(broken, Ok(0)), "cut at {cut}");
        }
    }
}
