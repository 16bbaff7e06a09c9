//! A segment: one database file with the records of one pool and one day (UTC).
//!
//! Tables:
//! - `meta`: name to number. `format` (4), `ordinal` (that of the next record), `series` (the next series), `merged`
//!   (up to which ordinal blocks were merged, or were large enough), `little` (blocks from there on)
//! - `series`: number to row: records (8), first time (8), last time (8), longest time span of an extent (8),
//!   then pool, key and node (texts, see `codec`); numbers little-endian
//! - `series_by_name`: pool, key and node (texts) to number
//! - `names`: number to name of a field: the dictionary of the blocks
//! - `blocks`: ordinal of the first record to a *chunk*: blocks (see `block`) one after the other, each after its
//!   length and its CRC-32 (4 bytes each, little-endian), up to a size that fills the pages of the file. Ordinals count records in the
//!   order in which they arrived, so the table only grows at its end; a batch is grouped by series first, so that a
//!   block is a stretch (an *extent*) of one series
//! - `extents`: (series, last time, ordinal) to (first time, number of records, offset of the block in its chunk), one
//!   row for each block; its chunk is the last one that begins at the ordinal or before it
//! - `merged`: first ordinal of records that were put into larger blocks (see `merge`) to the one after the last (8
//!   bytes, little-endian), then for each block before that its series and its records (varints); a file of an older
//!   version has no such table
//! - `seen`: (run, first number) to last number: the records that are here, as ranges of a run's numbers
//!
//! One transaction adds the records of a batch that are not there yet, so to add a batch again changes nothing.
//! What belongs into which segment is `store`'s business; reading is `snapshot`'s.

use std::path::{Path, PathBuf};

use redb::{Database, ReadableTable, Table, TableDefinition, WriteTransaction};

use crate::block;
use crate::codec::{self, Input, Malformed};
use crate::database::{self, corrupt};
use crate::error::Result;
use crate::incoming::{Group, Known, OfSegment, Piece};
use crate::limits::*;
use crate::merge::{self, Merged};
use crate::name::Name;
use crate::names::Names;
use crate::record::RunId;

pub(crate) const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
pub(crate) const SERIES: TableDefinition<u32, &[u8]> = TableDefinition::new("series");
const SERIES_BY_NAME: TableDefinition<&[u8], u32> = TableDefinition::new("series_by_name");
pub(crate) const NAMES: TableDefinition<u32, &str> = TableDefinition::new("names");
pub(crate) const BLOCKS: TableDefinition<u64, &[u8]> = TableDefinition::new("blocks");
pub(crate) const EXTENTS: TableDefinition<(u32, i64, u64), (i64, u32, u32)> = TableDefinition::new("extents");
pub(crate) const MERGED: TableDefinition<u64, &[u8]> = TableDefinition::new("merged");
pub(crate) const SEEN: TableDefinition<(u128, u64), u64> = TableDefinition::new("seen");

/// One series: what is known of it without looking at its blocks.
#[derive(Clone, Debug)]
pub struct Series {
    pub id: u32,
    pub pool: Name,
    pub key: Name,
    pub node: Name,
    pub records: u64,
    pub first: i64,
    pub last: i64,
    /// The longest of its extents, in nanoseconds.
    pub span: i64,
}

/// Where a block is and which times it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub first: i64,
    pub last: i64,
    pub ordinal: u64,
    pub records: u32,
    /// Of its block in the chunk.
    pub offset: u32,
}

/// What a batch did to a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    pub records: u64,
    /// The ordinal of the segment's next record.
    pub ordinal: u64,
    /// Blocks that were never looked at for a merge.
    pub little: u64,
}

/// A segment as its one writer has it open.
pub struct Segment {
    pub(crate) database: Database,
    path: PathBuf,
}

impl Segment {
    /// Makes it if it is not there. Only for the holder of the mover's lock.
    pub fn open(path: &Path) -> Result<Segment> {
        let database = database::open_or_create(path, SEGMENT_CACHE_BYTES, create)?;
        Ok(Segment { database, path: path.to_path_buf() })
    }

    #[cfg(test)]
    pub fn on(database: Database, path: &Path) -> Result<Segment> {
        database::transaction(&database, path, create)?;
        Ok(Segment { database, path: path.to_path_buf() })
    }

    /// Adds the records that are not there yet.
    pub fn add(&self, records: &mut OfSegment, known: &Known) -> Result<Added> {
        database::transaction(&self.database, &self.path, |write| add(write, records, known))
    }

    /// Puts the records of many little blocks into few large ones, some of them at a time.
    pub fn merge(&self) -> Result<Merged> {
        merge::merge(&self.database, &self.path, MERGE_BLOCKS_MIN)
    }

    #[cfg(test)]
    pub fn merge_after(&self, blocks_min: u64) -> Result<Merged> {
        merge::merge(&self.database, &self.path, blocks_min)
    }
}

fn create(write: &WriteTransaction) -> Result<(), redb::Error> {
    write.open_table(META)?.insert("format", database::FORMAT)?;
    add(write, &mut OfSegment::default(), &Known::default()).map(drop)
}

fn add(write: &WriteTransaction, records: &mut OfSegment, known: &Known) -> Result<Added, redb::Error> {
    let mut seen = Seen::new(write.open_table(SEEN)?, known);
    let mut there = Vec::new();
    // A run's numbers come one after the other while its series may take turns.
    records.arrivals.sort_by_key(|arrival| (arrival.run, arrival.seq));
    for arrival in &records.arrivals {
        let mut at = 0;
        while at < arrival.count {
            match seen.insert(arrival.run, arrival.seq + u64::from(at), u64::from(arrival.count - at))? {
                0 => {
                    there.push((*arrival, at));
                    at += 1;
                }
                new => at += new as u32,
            }
        }
    }
    records.leave_out(&there);
    let ordinal = number(&write.open_table(META)?, "ordinal")?;
    let mut put = Put::new(write, ordinal)?;
    for group in records.groups.iter_mut().filter(|group| !group.pieces.is_empty()) {
        group.sort(known);
        put.group(records.pool, group, known, true)?;
    }
    seen.flush()?;
    let done = put.finish(write)?;
    let mut meta = write.open_table(META)?;
    let little = number(&meta, "little")? + done.blocks;
    meta.insert("ordinal", done.ordinal)?;
    meta.insert("little", little)?;
    Ok(Added { records: done.ordinal - ordinal, ordinal: done.ordinal, little })
}

pub(crate) fn number(meta: &impl ReadableTable<&'static str, u64>, name: &str) -> Result<u64, redb::Error> {
    Ok(meta.get(name)?.map_or(0, |value| value.value()))
}

/// Records on their way into blocks, from an ordinal on.
pub(crate) struct Put<'txn> {
    series_rows: Table<'txn, u32, &'static [u8]>,
    by_name: Table<'txn, &'static [u8], u32>,
    blocks: Table<'txn, u64, &'static [u8]>,
    extents: Table<'txn, (u32, i64, u64), (i64, u32, u32)>,
    names: Names,
    known_names: usize,
    next_series: u64,
    chunk: Chunk,
    done: PutDone,
}

/// What was put.
#[derive(Clone, Copy)]
pub(crate) struct PutDone {
    /// That of the record after the last one.
    pub ordinal: u64,
    pub blocks: u64,
}

impl<'txn> Put<'txn> {
    pub fn new(write: &'txn WriteTransaction, ordinal: u64) -> Result<Put<'txn>, redb::Error> {
        let mut names = Names::default();
        for row in write.open_table(NAMES)?.iter()? {
            names.push(row?.1.value().to_owned());
        }
        Ok(Put {
            series_rows: write.open_table(SERIES)?,
            by_name: write.open_table(SERIES_BY_NAME)?,
            blocks: write.open_table(BLOCKS)?,
            extents: write.open_table(EXTENTS)?,
            known_names: names.texts().len(),
            names,
            next_series: number(&write.open_table(META)?, "series")?,
            chunk: Chunk::new(ordinal),
            done: PutDone { ordinal, blocks: 0 },
        })
    }

    /// Records of one series, put as they come; `new` unless the row of the series counts them already.
    pub fn group(&mut self, pool: &str, group: &Group, known: &Known, new: bool) -> Result<(), redb::Error> {
        let name = encode_name(pool, group);
        let there = self.by_name.get(&name[..])?.map(|id| id.value());
        let id = match there {
            Some(id) => id,
            None => {
                let id = u32::try_from(self.next_series).map_err(|_| corrupt("too many series"))?;
                self.next_series += 1;
                self.by_name.insert(&name[..], id)?;
                id
            }
        };
        let row = self.series_rows.get(id)?.map(|row| decode_series(id, row.value()));
        let mut series = match row {
            Some(row) => row.map_err(|_| corrupt("a row of the table of series"))?,
            None => Series::new(id, pool, group),
        };
        for records in split(&group.pieces, known) {
            let count = records.iter().map(|piece| piece.count).sum::<u32>();
            let block::Encoded { bytes, first, last } = block::encode(id, &records, known, &mut self.names)
                .map_err(|_| corrupt("a record of a log file"))?;
            let PutDone { ordinal, .. } = self.done;
            if self.chunk.is_full_for(&bytes) {
                self.chunk.store(&mut self.blocks)?;
                self.chunk = Chunk::new(ordinal);
            }
            let offset = self.chunk.push(&bytes);
            self.extents.insert((id, last, ordinal), (first, count, offset))?;
            series.add(first, last, if new { count.into() } else { 0 });
            self.done.ordinal += u64::from(count);
            self.done.blocks += 1;
        }
        self.series_rows.insert(id, &encode_series(&series)[..])?;
        Ok(())
    }

    pub fn finish(mut self, write: &WriteTransaction) -> Result<PutDone, redb::Error> {
        self.chunk.store(&mut self.blocks)?;
        let mut name_rows = write.open_table(NAMES)?;
        for (number, name) in self.names.texts().iter().enumerate().skip(self.known_names) {
            name_rows.insert(number as u32, &name[..])?;
        }
        write.open_table(META)?.insert("series", self.next_series)?;
        Ok(self.done)
    }
}

/// Blocks that become one row.
struct Chunk {
    ordinal: u64,
    bytes: Vec<u8>,
}

impl Chunk {
    fn new(ordinal: u64) -> Chunk {
        Chunk { ordinal, bytes: Vec::new() }
    }

    fn is_full_for(&self, block: &[u8]) -> bool {
        !self.bytes.is_empty() && self.bytes.len() + BLOCK_HEADER_BYTES + block.len() > CHUNK_BYTES
    }

    /// Where it is.
    fn push(&mut self, block: &[u8]) -> u32 {
        let offset = self.bytes.len() as u32;
        self.bytes.extend_from_slice(&(block.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&crc32fast::hash(block).to_le_bytes());
        self.bytes.extend_from_slice(block);
        offset
    }

    fn store(&self, blocks: &mut Table<u64, &[u8]>) -> Result<(), redb::Error> {
        if !self.bytes.is_empty() {
            blocks.insert(self.ordinal, &self.bytes[..])?;
        }
        Ok(())
    }
}

/// A block's length and checksum.
pub(crate) const BLOCK_HEADER_BYTES: usize = 8;

/// The block at an offset of a chunk.
pub(crate) fn block_at(chunk: &[u8], offset: u32) -> Result<&[u8], Malformed> {
    let mut input = Input { bytes: chunk.get(offset as usize..).ok_or(Malformed)? };
    let length = u32::from_le_bytes(input.array()?);
    let crc = u32::from_le_bytes(input.array()?);
    let block = input.take(length as usize)?;
    if crc32fast::hash(block) == crc { Ok(block) } else { Err(Malformed) }
}

/// The records of each block, as many as fit into one.
fn split(pieces: &[Piece], known: &Known) -> Vec<Vec<Piece>> {
    let mut blocks = Vec::new();
    let mut block: Vec<Piece> = Vec::new();
    let (mut records, mut bytes) = (0, 0);
    let mut left: Vec<Piece> = pieces.iter().rev().copied().collect();
    while let Some(piece) = left.pop() {
        let count = piece.count as usize;
        let form = block.last().is_none_or(|last| last.form(known) != piece.form(known));
        let more = piece.bytes(known) + if form { piece.fields(known).len() } else { 0 };
        if records + count <= BLOCK_RECORDS_MAX && bytes + more <= BLOCK_BYTES_MAX
            || count == 1 && records == 0
        {
            block.push(piece);
            records += count;
            bytes += more;
        } else if count > 1 {
            let half = piece.count / 2;
            left.extend([piece.part(half, piece.count - half), piece.part(0, half)]);
        } else {
            left.push(piece);
            blocks.push(std::mem::take(&mut block));
            (records, bytes) = (0, 0);
        }
    }
    if !block.is_empty() {
        blocks.push(block);
    }
    blocks
}

fn encode_name(pool: &str, group: &Group) -> Vec<u8> {
    let mut name = Vec::new();
    for text in [pool, group.key, group.node] {
        codec::put_text(&mut name, text);
    }
    name
}

impl Series {
    fn new(id: u32, pool: &str, group: &Group) -> Series {
        Series {
            id,
            pool: pool.into(),
            key: group.key.into(),
            node: group.node.into(),
            records: 0,
            first: i64::MAX,
            last: i64::MIN,
            span: 0,
        }
    }

    fn add(&mut self, first: i64, last: i64, records: u64) {
        self.records += records;
        self.first = self.first.min(first);
        self.last = self.last.max(last);
        self.span = self.span.max(last.saturating_sub(first));
    }
}

fn encode_series(series: &Series) -> Vec<u8> {
    let mut row = series.records.to_le_bytes().to_vec();
    for time in [series.first, series.last, series.span] {
        row.extend_from_slice(&time.to_le_bytes());
    }
    for text in [&series.pool, &series.key, &series.node] {
        codec::put_text(&mut row, text);
    }
    row
}

pub(crate) fn decode_series(id: u32, row: &[u8]) -> Result<Series, Malformed> {
    let mut input = Input { bytes: row };
    let records = u64::from_le_bytes(input.array()?);
    let [first, last, span] = [input.array()?, input.array()?, input.array()?].map(i64::from_le_bytes);
    let mut name = || input.name(NAME_BYTES_MAX).map(Name::from);
    let (pool, key, node) = (name()?, name()?, name()?);
    input.end()?;
    Ok(Series { id, pool, key, node, records, first, last, span })
}

/// Adds to the table `seen`. The range that the last record of a run belongs to is kept in memory, so a run's
/// next record, which has the next number, costs nothing.
struct Seen<'txn, 'k> {
    table: Table<'txn, (u128, u64), u64>,
    runs: &'k [RunId],
    /// By the run's number.
    hot: Vec<Option<Hot>>,
}

#[derive(Clone, Copy)]
struct Hot {
    start: u64,
    end: u64,
    /// Where the run's next range begins; the table does not know yet how far this one goes.
    next: Option<u64>,
}

impl<'txn, 'k> Seen<'txn, 'k> {
    fn new(table: Table<'txn, (u128, u64), u64>, known: &'k Known) -> Seen<'txn, 'k> {
        Seen { table, runs: &known.runs, hot: vec![None; known.runs.len()] }
    }

    /// Adds the number and those that follow it, so many in all, as far as that is done at once; how many these are, none if
    /// the first one was there already.
    fn insert(&mut self, number: u32, seq: u64, count: u64) -> Result<u64, redb::Error> {
        let place = number as usize;
        let hot = match &mut self.hot[place] {
            Some(hot) if (hot.start..=hot.end).contains(&seq) => return Ok(0),
            // Nothing is joined to the range, and the table need not know yet.
            Some(hot)
                if hot.end.checked_add(1) == Some(seq) && hot.next.is_none_or(|next| next - 1 > seq) =>
            {
                let last = seq + (count - 1);
                hot.end = hot.next.map_or(last, |next| last.min(next - 2));
                return Ok(hot.end - seq + 1);
            }
            hot => *hot,
        };
        let run = self.runs[place];
        let (hot, new) = match hot {
            Some(hot) if hot.end.checked_add(1) == Some(seq) && hot.next != Some(seq) => {
                (Hot { end: seq, ..hot }, true)
            }
            _ => {
                if let Some(hot) = hot {
                    self.table.insert((run.0, hot.start), hot.end)?;
                }
                self.look_up(run, seq)?
            }
        };
        self.hot[place] = Some(self.join_next(run, hot)?);
        Ok(u64::from(new))
    }

    /// The range that the number is in from now on, and whether it is new.
    fn look_up(&self, run: RunId, seq: u64) -> Result<(Hot, bool), redb::Error> {
        let before = self.table.range((run.0, 0)..=(run.0, seq))?.next_back().transpose()?;
        let before = before.map(|(key, end)| (key.value().1, end.value()));
        let next = match seq.checked_add(1) {
            Some(after) => self.table.range((run.0, after)..=(run.0, u64::MAX))?.next().transpose()?,
            None => None,
        };
        let next = next.map(|(key, _)| key.value().1);
        Ok(match before {
            Some((start, end)) if end >= seq => (Hot { start, end, next }, false),
            Some((start, end)) if end.checked_add(1) == Some(seq) => (Hot { start, end: seq, next }, true),
            _ => (Hot { start: seq, end: seq, next }, true),
        })
    }

    fn join_next(&mut self, run: RunId, hot: Hot) -> Result<Hot, redb::Error> {
        let Some(next) = hot.next.filter(|&next| hot.end.checked_add(1) == Some(next)) else {
            return Ok(hot);
        };
        let end = self.table.remove((run.0, next))?.map_or(hot.end, |end| end.value());
        let after = match end.checked_add(1) {
            Some(after) => self.table.range((run.0, after)..=(run.0, u64::MAX))?.next().transpose()?,
            None => None,
        };
        Ok(Hot { start: hot.start, end, next: after.map(|(key, _)| key.value().1) })
    }

    fn flush(mut self) -> Result<(), redb::Error> {
        for (run, hot) in self.runs.iter().zip(&self.hot) {
            if let Some(hot) = hot {
                self.table.insert((run.0, hot.start), hot.end)?;
            }
        }
        Ok(())
    }
}
