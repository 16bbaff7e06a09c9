//! The database: an index and segments; how a batch of records becomes transactions of both.
//!
//! Steps of a batch: give pools that are new a number (in the index, before a segment is named by it); add the
//! records to the segments of their pool and day; then note in the index how far each log file was moved. Killed
//! between two steps, the next mover adds the same records again, and the segments know which they have. So a record
//! is moved once, and the index never claims more than the segments hold. A segment in which many blocks have come is
//! then merged (see `merge`), which changes nothing that the index says.
//!
//! An index that is gone, of which the segments are left, is made anew from what those say by themselves.
//!
//! Retention drops whole segments: first from the index, then, beside other work, the file. A record of a day that was dropped, and that
//! arrives late or again, makes a segment anew and is dropped with it at the next chance.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use crate::error::{LogPoolError, Result};
use crate::folder::{self, Folder};
use crate::incoming::Incoming;
use crate::index::{Changes, FileMark, Index, IndexWriter, SegmentId};
use crate::limits::{MERGE_BLOCKS_MIN, OPEN_SEGMENTS_MAX};
use crate::query::Pattern;
use crate::segment::Segment;
use crate::snapshot::Snapshot;

/// What one transaction of the mover adds.
#[derive(Default)]
pub struct Batch<'a> {
    pub incoming: Incoming<'a>,
    /// How far the log files are moved with it.
    pub marks: Vec<(String, FileMark)>,
    /// Log files that are gone.
    pub forget: Vec<String>,
}

/// What is kept of the pools that the pattern matches: whole days, until they are older or the pool is larger. The
/// first rule that matches a pool counts.
#[derive(Clone, Debug, Default)]
pub struct Retention {
    pub pool: Pattern,
    /// In nanoseconds, from the end of a day to now.
    pub age: Option<i64>,
    /// Of the pool's segments on disk.
    pub bytes: Option<u64>,
}

/// The database as its one writer has it open.
pub struct Store {
    folder: Folder,
    writer: IndexWriter,
    index: Index,
    /// The ones used last, the latest at the end.
    open: Vec<(SegmentId, Segment)>,
    /// Removes the files of segments that were dropped.
    removing: Option<JoinHandle<Result<()>>>,
}

impl Store {
    /// Only for the holder of the mover's lock. Repairs what a killed writer left.
    pub fn open(folder: &Folder) -> Result<Store> {
        let dir = folder.segments_dir();
        if !dir.is_dir() {
            folder::create_dir_all(&dir)?;
        }
        let first = if Index::is_lost(folder)? { what_segments_say(folder)? } else { Changes::default() };
        let writer = IndexWriter::open(folder, &first)?;
        let index = Index::read(folder)?;
        remove_unlisted(&dir, &index)?;
        Ok(Store { folder: folder.clone(), writer, index, open: Vec::new(), removing: None })
    }

    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Adds the batch's records that are not there yet, and returns how many that were.
    pub fn apply(&mut self, batch: Batch) -> Result<u64> {
        let Incoming { known, mut segments, .. } = batch.incoming;
        self.number_pools(segments.iter().map(|records| records.pool))?;
        let mut changes = Changes { marks: batch.marks, forget: batch.forget, ..Changes::default() };
        let mut total = 0;
        let mut little = Vec::new();
        for records in &mut segments {
            let id = SegmentId { pool: self.index.pools[records.pool], day: records.day };
            let added = self.segment(id)?.add(records, &known)?;
            little.extend((added.little >= MERGE_BLOCKS_MIN).then_some(id));
            changes.segments.push((id, added.ordinal));
            total += added.records;
        }
        self.writer.write(&changes)?;
        self.index.apply(changes);
        for id in little {
            self.segment(id)?.merge()?;
        }
        Ok(total)
    }

    fn number_pools<'a>(&mut self, names: impl Iterator<Item = &'a str>) -> Result<()> {
        let mut changes = Changes::default();
        let mut next = self.index.pools.values().max().map_or(0, |number| number + 1);
        for name in names {
            let known = self.index.pools.contains_key(name);
            if !known && !changes.pools.iter().any(|(new, _)| new == name) {
                changes.pools.push((name.to_owned(), next));
                next += 1;
            }
        }
        if !changes.pools.is_empty() {
            self.writer.write(&changes)?;
            self.index.apply(changes);
        }
        Ok(())
    }

    fn segment(&mut self, id: SegmentId) -> Result<&Segment> {
        let segment = match self.open.iter().position(|(open, _)| *open == id) {
            Some(at) => self.open.remove(at).1,
            None => {
                if self.open.len() == OPEN_SEGMENTS_MAX {
                    self.open.remove(0);
                }
                // It may be that of a dropped day, made anew for a late record.
                self.removed()?;
                Segment::open(&id.path(&self.folder))?
            }
        };
        self.open.push((id, segment));
        Ok(&self.open[self.open.len() - 1].1)
    }

    /// Drops the segments that are past what is kept, and returns how many those were.
    pub fn retain(&mut self, now: i64, rules: &[Retention]) -> Result<usize> {
        let mut drop = Vec::new();
        for (name, &pool) in &self.index.pools {
            let Some(rule) = rules.iter().find(|rule| rule.pool.matches(name)) else { continue };
            let ids: Vec<SegmentId> =
                self.index.segments.keys().filter(|id| id.pool == pool).copied().collect();
            let mut bytes = 0;
            for (nth, id) in ids.iter().rev().enumerate() {
                bytes += fs::metadata(id.path(&self.folder)).map_or(0, |file| file.len());
                let old = rule.age.is_some_and(|age| id.times().1 < now.saturating_sub(age));
                // The newest one stays, whatever its size.
                let large = nth > 0 && rule.bytes.is_some_and(|most| bytes > most);
                if old || large {
                    drop.push(*id);
                }
            }
        }
        if drop.is_empty() {
            return Ok(0);
        }
        self.open.retain(|(id, _)| !drop.contains(id));
        let changes = Changes { drop: drop.clone(), ..Changes::default() };
        self.writer.write(&changes)?;
        self.index.apply(changes);
        self.removed()?;
        // Giving back the room of a large file takes a while, and nobody need wait. A file that comes back with a crash is
        // not listed, and goes when the database is opened.
        let paths: Vec<PathBuf> = drop.iter().map(|id| id.path(&self.folder)).collect();
        let remove = move || paths.iter().try_for_each(|path| folder::remove_file(path));
        let started = thread::Builder::new().name("remove".into()).spawn(remove);
        self.removing = Some(started.map_err(LogPoolError::io("remove segments in", &self.folder.root))?);
        Ok(drop.len())
    }

    /// Waits until the files of segments that were dropped are gone.
    fn removed(&mut self) -> Result<()> {
        match self.removing.take().map(JoinHandle::join) {
            Some(Ok(removed)) => removed,
            _ => Ok(()),
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // What is left goes when the database is opened.
        let _ = self.removed();
    }
}

/// For an index that is made anew. Of log files it knows nothing: they are moved again, and segments know what they have.
/// A segment that cannot be read is an error, as it would not be listed and so be deleted.
fn what_segments_say(folder: &Folder) -> Result<Changes> {
    let Index { pools, segments, .. } = Snapshot::without_index(folder, Err)?.index;
    Ok(Changes {
        pools: pools.into_iter().collect(),
        segments: segments.into_iter().collect(),
        ..Changes::default()
    })
}

/// Deletes segments that the index does not list: one that was dropped, or one whose records are all still in the
/// log files; and what was to become one. Whatever else lies there is somebody else's.
fn remove_unlisted(dir: &Path, index: &Index) -> Result<()> {
    let failed = || LogPoolError::io("list", dir);
    for entry in fs::read_dir(dir).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let name = entry.file_name();
        let id = |name: &str| {
            SegmentId::parse(&name.replace(".new", ".redb")).map(|id| (id, name.ends_with(".new")))
        };
        let unlisted = |(id, new): (SegmentId, bool)| new || !index.segments.contains_key(&id);
        if name.to_str().and_then(id).is_some_and(unlisted) {
            folder::remove_file(&entry.path())?;
        }
    }
    Ok(())
}
