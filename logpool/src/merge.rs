//! Merging: the records of many little blocks, as many moves of few records leave, are put into few large ones, which
//! are smaller on disk and faster to read.
//!
//! Steps of a merge, once so many blocks have come since the last one, and few records in each: read the chunks behind
//! the last merge, up to a number of records; if they would fill far fewer blocks, put them there in one transaction, with the same ordinals
//! for all of them together; note how far that is. So a record is written again once at most, a crash leaves the old
//! blocks or the new ones, and who reads has either.
//!
//! Blocks of a series are put one behind the other as they came. So a follower that stopped within a stretch that was
//! merged since then knows, by the list of the old blocks, how many records of each series it has met (`Resume`).

use std::collections::{HashMap, HashSet};
use std::path::Path;

use redb::{Database, ReadableDatabase};
use rustc_hash::FxHashMap;

use crate::block::Block;
use crate::codec::{self, Decoded, Input, Malformed};
use crate::database::{self, corrupt, failed};
use crate::error::{LogPoolError, Result};
use crate::incoming::Incoming;
use crate::limits::*;
use crate::payload::encode_payloads;
use crate::query::Query;
use crate::record::Record;
use crate::segment::*;
use crate::snapshot::{SegmentSnapshot, read_block};

/// What a merge did. Nothing, and the blocks are large enough; or there were too few to look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    pub records: u64,
    pub blocks_before: u64,
    pub blocks_after: u64,
}

/// Chunks one after the other, and the records of their blocks as payloads of a log file.
#[derive(Default)]
struct Stretch {
    start: u64,
    records: u64,
    chunks: Vec<u64>,
    /// Keys of their extents.
    extents: Vec<(u32, i64, u64)>,
    /// Series and records of their blocks.
    blocks: Vec<(u32, u64)>,
    payloads: Vec<Vec<u8>>,
}

pub fn merge(database: &Database, path: &Path, blocks_min: u64) -> Result<Merged> {
    let read = database.begin_read().map_err(failed(path))?;
    let meta = read.open_table(META).map_err(failed(path))?;
    let of = |name: &str| number(&meta, name).map_err(failed(path));
    let (start, little) = (of("merged")?, of("little")?);
    if little < blocks_min {
        return Ok(Merged::default());
    }
    let next = of("ordinal")?;
    if next.saturating_sub(start) >= little * MERGE_BLOCK_RECORDS_MAX {
        drop(meta);
        return database::transaction(database, path, |write| {
            let mut meta = write.open_table(META)?;
            meta.insert("merged", next)?;
            meta.insert("little", 0)?;
            Ok(Merged::default())
        });
    }
    let stretch = Stretch::read(SegmentSnapshot::of(read, path)?, start)?;
    let before = stretch.extents.len() as u64;
    let series: HashSet<u32> = stretch.blocks.iter().map(|(series, _)| *series).collect();
    let least = series.len() as u64 + stretch.records / BLOCK_RECORDS_MAX as u64;
    let worth = before >= least * MERGE_GAIN_MIN;
    database::transaction(database, path, |write| {
        let mut merged = Merged::default();
        if worth {
            let after = stretch.rewrite(write)?;
            merged = Merged { records: stretch.records, blocks_before: before, blocks_after: after };
        }
        let mut meta = write.open_table(META)?;
        meta.insert("merged", stretch.start + stretch.records)?;
        meta.insert("little", little.saturating_sub(before))?;
        Ok(merged)
    })
}

impl Stretch {
    fn read(segment: SegmentSnapshot, start: u64) -> Result<Stretch> {
        let mut stretch = Stretch { start, ..Stretch::default() };
        let series: FxHashMap<u32, Series> =
            segment.series()?.into_iter().map(|series| (series.id, series)).collect();
        let blocks = segment.blocks()?;
        for row in blocks.table.range(start..).map_err(failed(segment.path()))? {
            let (at, chunk) = row.map_err(failed(segment.path()))?;
            let read = stretch.add(at.value(), chunk.value(), &segment, &series)?;
            read.map_err(|Malformed| LogPoolError::corrupt(segment.path(), format!("block {}", at.value())))?;
            if stretch.records >= MERGE_RECORDS_MAX {
                break;
            }
        }
        Ok(stretch)
    }

    fn add(
        &mut self,
        ordinal: u64,
        chunk: &[u8],
        segment: &SegmentSnapshot,
        series: &FxHashMap<u32, Series>,
    ) -> Result<std::result::Result<(), Malformed>> {
        self.chunks.push(ordinal);
        let mut offset = 0;
        while offset < chunk.len() {
            let mut records = Vec::new();
            let read = (|| {
                let bytes = block_at(chunk, offset as u32)?;
                let block = Block::new(bytes, segment.names())?;
                let last = block.times()?.into_iter().max().ok_or(Malformed)?;
                read_block(
                    &block,
                    series.get(&block.series).ok_or(Malformed)?,
                    &Query::default(),
                    &mut records,
                )?;
                self.extents.push((block.series, last, self.start + self.records));
                self.blocks.push((block.series, block.len as u64));
                Ok(BLOCK_HEADER_BYTES + bytes.len())
            })();
            match read {
                Ok(bytes) => offset += bytes,
                Err(malformed) => return Ok(Err(malformed)),
            }
            self.records += records.len() as u64;
            self.payloads.extend(encode_payloads(&records)?);
        }
        Ok(Ok(()))
    }

    /// Gives how many blocks the records have now.
    fn rewrite(&self, write: &redb::WriteTransaction) -> std::result::Result<u64, redb::Error> {
        let mut incoming = Incoming::default();
        for payload in &self.payloads {
            incoming.add(payload).map_err(|_| corrupt("a record that was just read"))?;
        }
        {
            let mut blocks = write.open_table(BLOCKS)?;
            for chunk in &self.chunks {
                blocks.remove(chunk)?;
            }
            let mut extents = write.open_table(EXTENTS)?;
            for key in &self.extents {
                if extents.remove(key)?.is_none() {
                    return Err(corrupt("a block has no extent"));
                }
            }
        }
        let mut put = Put::new(write, self.start)?;
        for records in &incoming.segments {
            for group in &records.groups {
                put.group(records.pool, group, &incoming.known, false)?;
            }
        }
        let done = put.finish(write)?;
        let end = self.start + self.records;
        if done.ordinal != end {
            return Err(corrupt("a merge has other records than it read"));
        }
        let mut row = end.to_le_bytes().to_vec();
        for (series, records) in &self.blocks {
            codec::put_varint(&mut row, u64::from(*series));
            codec::put_varint(&mut row, *records);
        }
        write.open_table(MERGED)?.insert(self.start, &row[..])?;
        Ok(done.blocks)
    }
}

/// A place that a follower stopped at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub ordinal: u64,
    /// Up to there blocks had been merged then.
    pub merged: u64,
}

impl Place {
    /// The end that a segment had.
    pub fn end(ordinal: u64) -> Place {
        Place { ordinal, merged: ordinal }
    }
}

/// Where who stopped at a place goes on.
#[derive(Debug, Default)]
pub struct Resume {
    pub ordinal: u64,
    /// Up to there records were merged since.
    pub until: u64,
    /// How many records of a series were met there.
    pub met: HashMap<u32, u64>,
}

impl Resume {
    pub fn at(ordinal: u64) -> Resume {
        Resume { ordinal, ..Resume::default() }
    }

    /// `row` is that of the last stretch that begins before the ordinal.
    pub fn read(place: Place, start: u64, row: &[u8]) -> Decoded<Resume> {
        let ordinal = place.ordinal;
        let mut input = Input { bytes: row };
        let until = u64::from_le_bytes(input.array()?);
        if until <= ordinal || until <= place.merged {
            return Ok(Resume::at(ordinal));
        }
        let mut resume = Resume { ordinal: start, until, met: HashMap::new() };
        let mut at = start;
        while at < ordinal {
            let series = u32::try_from(input.varint()?).map_err(|_| Malformed)?;
            let records = input.varint()?.min(ordinal - at);
            *resume.met.entry(series).or_default() += records;
            at += records;
        }
        Ok(resume)
    }

    /// Leaves out what was met of a block that begins at an ordinal.
    pub fn leave_out(&mut self, ordinal: u64, series: u32, records: &mut Vec<Record>) {
        if ordinal < self.until
            && let Some(met) = self.met.get_mut(&series)
        {
            let known = usize::try_from(*met).unwrap_or(usize::MAX).min(records.len());
            records.drain(..known);
            *met -= known as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use redb::Builder;
    use redb::backends::InMemoryBackend;

    use super::*;
    use crate::record::{FieldValue, RunId};

    fn record(seq: u64) -> Record {
        Record {
            pool: "p".into(),
            key: "k".into(),
            node: format!("n{}", seq % 2).into(),
            task: "t".into(),
            run: RunId(1),
            seq,
            // Some come late.
            time: (seq ^ 5) as i64,
            fields: [(format!("f{}", seq % 3), FieldValue::Int(seq as i64))].into(),
        }
    }

    fn add(segment: &Segment, seqs: std::ops::Range<u64>) {
        let records: Vec<Record> = seqs.map(record).collect();
        let payload = encode_payloads(&records).unwrap().remove(0);
        let mut incoming = Incoming::default();
        incoming.add(&payload).unwrap();
        segment.add(&mut incoming.segments[0], &incoming.known).unwrap();
    }

    fn snapshot(segment: &Segment) -> SegmentSnapshot {
        SegmentSnapshot::of(segment.database.begin_read().unwrap(), Path::new("merged")).unwrap()
    }

    /// Numbers of records from a place on, so many if there are, and the place to go on at.
    fn seqs(segment: &Segment, from: Place, most: usize) -> (Vec<u64>, Place) {
        let mut seqs = Vec::new();
        let snapshot = snapshot(segment);
        let end = snapshot.blocks().unwrap().read_from(from, |records| {
            for found in records {
                assert_eq!(found, record(found.seq));
                seqs.push(found.seq);
            }
            seqs.len() < most
        });
        (seqs, end.unwrap())
    }

    /// The numbers of blocks and records that the extents list, each looked at.
    fn listed(segment: &Segment) -> (u64, u64) {
        let snapshot = snapshot(segment);
        let blocks = snapshot.blocks().unwrap();
        let (mut count, mut records) = (0, 0);
        for series in snapshot.series().unwrap() {
            let mut of_series = 0;
            for extent in snapshot.extents(&series, &Query::default()).unwrap() {
                of_series += blocks.with(&series, extent, |block| Ok(block.len as u64)).unwrap();
                count += 1;
                // What the series says of the longest is what queries go by.
                assert!(extent.last - extent.first <= series.span);
            }
            assert_eq!(of_series, series.records);
            records += of_series;
        }
        (count, records)
    }

    #[test]
    fn little_blocks_become_large_ones_and_followers_miss_nothing() {
        let database = Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
        let segment = Segment::on(database, Path::new("merged")).unwrap();
        let mut places = Vec::new();
        for seq in 0..100 {
            places.push(Place::end(seq));
            add(&segment, seq..seq + 1);
        }
        assert_eq!(segment.merge_after(101).unwrap(), Merged::default());
        let merged = segment.merge_after(100).unwrap();
        assert_eq!(merged, Merged { records: 100, blocks_before: 100, blocks_after: 2 });
        assert_eq!(listed(&segment), (2, 100));
        add(&segment, 100..102);
        assert_eq!(segment.merge_after(3).unwrap(), Merged::default(), "two blocks are not looked at");
        add(&segment, 102..104);
        assert_eq!(segment.merge_after(3).unwrap(), Merged::default(), "four blocks of two series are few");
        // One that stopped between two blocks that are large already.
        let (mut first, within) = seqs(&segment, Place::default(), 1);
        assert_eq!((first.len(), within), (50, Place { ordinal: 50, merged: 104 }));
        for seq in 104..140 {
            places.push(Place::end(seq));
            add(&segment, seq..seq + 1);
        }
        let merged = segment.merge_after(3).unwrap();
        assert_eq!(merged, Merged { records: 36, blocks_before: 36, blocks_after: 2 });
        for from in places {
            let (mut found, end) = seqs(&segment, from, usize::MAX);
            found.sort_unstable();
            assert!(found.into_iter().eq(from.ordinal..140), "from {from:?}");
            assert_eq!(end, Place { ordinal: 140, merged: 140 });
            // With little at a time it is the same.
            let (mut all, mut next) = seqs(&segment, from, 1);
            while next.ordinal < 140 {
                let (more, after) = seqs(&segment, next, 1);
                all.extend(more);
                next = after;
            }
            all.sort_unstable();
            assert!(all.into_iter().eq(from.ordinal..140), "from {from:?}, step by step");
        }
        first.extend(seqs(&segment, within, usize::MAX).0);
        first.sort_unstable();
        assert!(first.into_iter().eq(0..140));
        // What is there is known.
        add(&segment, 0..140);
        assert_eq!(listed(&segment).1, 140);
    }

    #[test]
    fn blocks_of_many_records_are_left_and_not_looked_at_again() {
        let database = Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
        let segment = Segment::on(database, Path::new("merged")).unwrap();
        // Two series, so 64 records in each block of a move.
        let moved = 2 * MERGE_BLOCK_RECORDS_MAX;
        for round in 0..20 {
            add(&segment, round * moved..(round + 1) * moved);
        }
        assert_eq!(segment.merge_after(40).unwrap(), Merged::default());
        assert_eq!(listed(&segment), (40, 20 * moved));
        // Few records come: they alone are looked at.
        for seq in 20 * moved..20 * moved + 40 {
            add(&segment, seq..seq + 1);
        }
        let merged = segment.merge_after(40).unwrap();
        assert_eq!(merged, Merged { records: 40, blocks_before: 40, blocks_after: 2 });
    }
}
