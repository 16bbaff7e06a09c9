//! The index of a data folder, `pool.redb`: how far each log file was moved, and which segments there are.
//!
//! Tables:
//! - `meta`: name to number. `format` (4), `pools` (the next pool's number)
//! - `pools`: name of a pool to its number
//! - `segments`: (pool's number, day) to the ordinal of the segment's next record. The day counts from
//!   1970-01-01 UTC
//! - `files`: name of a log file to how far it was moved, and whether it had damaged pieces (0 or 1)
//!
//! The index is written after the segments, so what it says of a segment may be less than there is, and never more.
//! It is small: reading it whole is reading a few pages.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use redb::{Database, ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};

use crate::database::{self, failed};
use crate::error::{LogPoolError, Result};
use crate::folder::Folder;
use crate::limits::INDEX_CACHE_BYTES;

const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const POOLS: TableDefinition<&str, u32> = TableDefinition::new("pools");
const SEGMENTS: TableDefinition<(u32, i64), u64> = TableDefinition::new("segments");
const FILES: TableDefinition<&str, (u64, u8)> = TableDefinition::new("files");

const DAY_NS: i64 = 86_400_000_000_000;

/// How far a log file was moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileMark {
    pub offset: u64,
    pub damaged: bool,
}

/// Which segment: a pool's number and a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId {
    pub pool: u32,
    /// Since 1970-01-01 UTC.
    pub day: i64,
}

impl SegmentId {
    pub fn day_of(time: i64) -> i64 {
        time.div_euclid(DAY_NS)
    }

    /// The first and the last nanosecond of its day.
    pub fn times(self) -> (i64, i64) {
        let first = self.day.saturating_mul(DAY_NS);
        (first, first.saturating_add(DAY_NS - 1))
    }

    /// `00000-+020420.redb`
    pub fn file_name(self) -> String {
        format!("{:05}-{:+07}.redb", self.pool, self.day)
    }

    /// The other way round.
    pub fn parse(name: &str) -> Option<SegmentId> {
        let (pool, day) = name.strip_suffix(".redb")?.split_once('-')?;
        let id = SegmentId { pool: pool.parse().ok()?, day: day.parse().ok()? };
        (id.file_name() == name).then_some(id)
    }

    pub fn path(self, folder: &Folder) -> PathBuf {
        folder.segments_dir().join(self.file_name())
    }
}

/// What the index says at one moment.
#[derive(Clone, Debug, Default)]
pub struct Index {
    pub pools: HashMap<String, u32>,
    /// The ordinal of each segment's next record.
    pub segments: BTreeMap<SegmentId, u64>,
    pub marks: HashMap<String, FileMark>,
}

/// What a batch changes in the index.
#[derive(Debug, Default)]
pub struct Changes {
    pub pools: Vec<(String, u32)>,
    pub segments: Vec<(SegmentId, u64)>,
    pub marks: Vec<(String, FileMark)>,
    /// Log files that are gone.
    pub forget: Vec<String>,
    /// Segments that are to be dropped.
    pub drop: Vec<SegmentId>,
}

impl Index {
    /// An empty one if there is none yet; an error where it is gone and its segments are not.
    pub fn read(folder: &Folder) -> Result<Index> {
        let path = folder.index_path();
        let read = || database::read(&path)?.map(|read| load(&read).map_err(failed(&path))).transpose();
        database::guarded(&path, || match read()? {
            Some(index) => Ok(index),
            None if folder.segment_files()?.is_empty() => Ok(Index::default()),
            // It is made before its first segment, so it may have come meanwhile.
            None => {
                read()?.ok_or_else(|| LogPoolError::corrupt(&path, "it is gone, and its segments are there"))
            }
        })
    }

    /// Whether it is gone and its segments are not.
    pub fn is_lost(folder: &Folder) -> Result<bool> {
        Ok(!folder.index_path().exists() && !folder.segment_files()?.is_empty())
    }

    pub fn apply(&mut self, changes: Changes) {
        self.pools.extend(changes.pools);
        self.segments.extend(changes.segments);
        self.marks.extend(changes.marks);
        for name in changes.forget {
            self.marks.remove(&name);
        }
        for id in changes.drop {
            self.segments.remove(&id);
        }
    }
}

fn load(read: &ReadTransaction) -> Result<Index, redb::Error> {
    let mut index = Index::default();
    for row in read.open_table(POOLS)?.iter()? {
        let (name, number) = row?;
        index.pools.insert(name.value().to_owned(), number.value());
    }
    for row in read.open_table(SEGMENTS)?.iter()? {
        let (id, ordinal) = row?;
        let (pool, day) = id.value();
        index.segments.insert(SegmentId { pool, day }, ordinal.value());
    }
    for row in read.open_table(FILES)?.iter()? {
        let (name, mark) = row?;
        let (offset, damaged) = mark.value();
        index.marks.insert(name.value().to_owned(), FileMark { offset, damaged: damaged != 0 });
    }
    Ok(index)
}

/// The index as its one writer has it open.
pub struct IndexWriter {
    database: Database,
    path: PathBuf,
}

impl IndexWriter {
    /// One that is made has `first` in it from its beginning.
    pub fn open(folder: &Folder, first: &Changes) -> Result<IndexWriter> {
        let path = folder.index_path();
        let database = database::open_or_create(&path, INDEX_CACHE_BYTES, |write| {
            write.open_table(META)?.insert("format", database::FORMAT)?;
            write_changes(write, first)
        })?;
        Ok(IndexWriter { database, path })
    }

    pub fn write(&self, changes: &Changes) -> Result<()> {
        database::transaction(&self.database, &self.path, |write| write_changes(write, changes))
    }
}

fn write_changes(write: &WriteTransaction, changes: &Changes) -> Result<(), redb::Error> {
    let mut pools = write.open_table(POOLS)?;
    for (name, number) in &changes.pools {
        pools.insert(&name[..], number)?;
    }
    let mut segments = write.open_table(SEGMENTS)?;
    for (id, ordinal) in &changes.segments {
        segments.insert((id.pool, id.day), ordinal)?;
    }
    for id in &changes.drop {
        segments.remove((id.pool, id.day))?;
    }
    let mut files = write.open_table(FILES)?;
    for (name, mark) in &changes.marks {
        files.insert(&name[..], (mark.offset, u8::from(mark.damaged)))?;
    }
    for name in &changes.forget {
        files.remove(&name[..])?;
    }
    Ok(())
}
