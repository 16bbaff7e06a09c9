//! Following a data folder: what arrived since the last look, nothing missed and nothing doubled.
//!
//! A record is met up to twice: in a log file, and in the database when it has been moved. The cursor holds how
//! far each log file was read, which records were handed out of log files and have not been met in the database
//! yet, and how far the database was read. As in a query, log files are read before the snapshot is taken: what
//! the snapshot has is left to the database's turn.

use std::collections::HashMap;

use crate::database;
use crate::error::Result;
use crate::folder::{LogKind, LogName};
use crate::index::{Index, SegmentId};
use crate::limits::TAIL_RECORDS_MAX;
use crate::merge::Place;
use crate::query::Query;
use crate::ranges::RunRanges;
use crate::reader::{Logs, Reader, offset};
use crate::record::Record;
use crate::snapshot::Snapshot;

/// How far a follower has come. The default is before everything.
#[derive(Clone, Debug, Default)]
pub struct Cursor {
    /// The place in each segment; in the others the beginning.
    places: HashMap<SegmentId, Place>,
    /// Where to go on in each log file.
    offsets: HashMap<LogName, u64>,
    /// Handed out of log files that will be moved.
    handed_out: RunRanges,
}

/// What one poll found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tailed {
    pub records: Vec<Record>,
    /// There is more already: poll again without a pause.
    pub more: bool,
}

pub fn end(reader: &Reader) -> Result<Cursor> {
    let mut cursor = Cursor::default();
    let (logs, snapshot) = reader.look()?;
    cursor.places = snapshot.index.segments.iter().map(|(id, end)| (*id, Place::end(*end))).collect();
    let (ends, _) = logs.records(|name, head| {
        // What is behind an ordinal of the index, and in its segment already, will be met there again.
        if name.kind == LogKind::Pool {
            cursor.handed_out.insert(head.run, head.seq);
        }
        Ok(())
    })?;
    cursor.offsets = ends.into_iter().collect();
    Ok(cursor)
}

pub fn poll(reader: &Reader, query: &Query, cursor: &mut Cursor) -> Result<Tailed> {
    // Worked on as a copy, so that an error in the middle leaves the cursor where it was.
    let mut next = cursor.clone();
    let mut records = Vec::new();
    let index = reader.snapshot()?.index;
    let snapshot;
    if next.backlog(&index) > TAIL_RECORDS_MAX as u64 {
        snapshot = reader.snapshot()?;
        next.read_database(reader, &snapshot, query, &mut records)?;
    } else {
        let from = |name| next.offsets.get(&name).copied().unwrap_or(0).max(offset(&index, name));
        let logs = Logs::open(reader.folder(), from)?;
        snapshot = reader.snapshot()?;
        let mut fresh = Vec::new();
        let mut seen = reader.seen(&snapshot);
        let (ends, damaged) = logs.records(|name, head| {
            if !seen(&head)?
                && let Ok(record) = head.decode()
            {
                fresh.push((name.kind, record));
            }
            Ok(())
        })?;
        drop(seen);
        reader.note(damaged)?;
        next.offsets = ends.into_iter().collect();
        next.read_database(reader, &snapshot, query, &mut records)?;
        for (kind, record) in fresh {
            let new = match kind {
                LogKind::Pool => next.handed_out.insert(record.run, record.seq),
                LogKind::Spool => !next.handed_out.contains(record.run, record.seq),
            };
            if new && query.matches(&record) {
                records.push(record);
            }
        }
    }
    let mut records: Vec<Record> = records.into_iter().map(|record| query.project(record)).collect();
    records.sort_by_key(Record::sort_key);
    let more = next.backlog(&snapshot.index) > 0;
    *cursor = next;
    Ok(Tailed { records, more })
}

impl Cursor {
    /// Records of the database that were not read yet.
    fn backlog(&self, index: &Index) -> u64 {
        let left = |(id, ordinal): (&SegmentId, &u64)| {
            ordinal.saturating_sub(self.places.get(id).map_or(0, |place| place.ordinal))
        };
        index.segments.iter().map(left).sum()
    }

    fn read_database(
        &mut self,
        reader: &Reader,
        snapshot: &Snapshot,
        query: &Query,
        out: &mut Vec<Record>,
    ) -> Result<()> {
        self.places.retain(|id, _| snapshot.index.segments.contains_key(id));
        let handed_out = &mut self.handed_out;
        let mut read = 0;
        for (&id, &end) in &snapshot.index.segments {
            let next = self.places.entry(id).or_default();
            // A segment that was looked at for what is seen in it is read to the end that it had then.
            if (next.ordinal >= end && !snapshot.is_open(id)) || read >= TAIL_RECORDS_MAX {
                continue;
            }
            let (from, before) = (*next, read);
            let reached = snapshot.segment(id).and_then(|segment| match segment {
                None => Ok(Some(from)),
                Some(segment) => database::guarded(segment.path(), || {
                    segment.blocks()?.read_from(from, |records| {
                        read += records.len();
                        out.extend(records.into_iter().filter(|record| {
                            !handed_out.remove(record.run, record.seq) && query.matches(record)
                        }));
                        read < TAIL_RECORDS_MAX
                    })
                })
                .map(Some),
            });
            let left = end.saturating_sub(from.ordinal).saturating_sub((read - before) as u64);
            // What is behind something damaged is left out with it.
            *next = reader.spare(reached, Some(left))?.unwrap_or(Place::end(end.max(from.ordinal)));
        }
        Ok(())
    }
}
