//! Following a data folder: what arrived since the last look, nothing missed and nothing doubled.
//!
//! A record is met up to twice: in a log file, and in the database when it has been moved. The cursor holds how
//! far each log file was read, which records were handed out of log files and have not been met in the database
//! yet, and how far the database was read. As in a query, log files are read before the snapshot is taken: what
//! the snapshot has is left to the database's turn.

use std::collections::HashMap;

use crate::error::Result;
use crate::folder::{Folder, LogKind, LogName};
use crate::limits::TAIL_RECORDS_MAX;
use crate::query::Query;
use crate::ranges::RunRanges;
use crate::reader::{marks, offset, read_logs};
use crate::record::{Record, RunId};
use crate::snapshot::Snapshot;

/// How far a follower has come. The default is before everything.
#[derive(Clone, Debug, Default)]
pub struct Cursor {
    /// The next record of the database.
    ordinal: u64,
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

pub fn end(folder: &Folder) -> Result<Cursor> {
    let mut cursor = Cursor::default();
    let marks = marks(folder)?;
    let mut unmoved = Vec::new();
    let ends = read_logs(
        folder,
        |name| offset(&marks, name),
        |name, head| {
            if name.kind == LogKind::Pool {
                unmoved.push((head.run, head.seq));
            }
        },
    )?;
    cursor.offsets = ends.into_iter().collect();
    let snapshot = Snapshot::open(folder)?;
    if let Some(snapshot) = &snapshot {
        cursor.ordinal = snapshot.next_ordinal()?;
    }
    let seen = snapshot.as_ref().map(Snapshot::seen).transpose()?;
    for (run, seq) in unmoved {
        if !is_seen(&seen, run, seq)? {
            cursor.handed_out.insert(run, seq);
        }
    }
    Ok(cursor)
}

pub fn poll(folder: &Folder, query: &Query, cursor: &mut Cursor) -> Result<Tailed> {
    // Worked on as a copy, so that an error in the middle leaves the cursor where it was.
    let mut next = cursor.clone();
    let mut records = Vec::new();
    let before = Snapshot::open(folder)?;
    let backlog = match &before {
        Some(before) => before.next_ordinal()?.saturating_sub(next.ordinal),
        None => 0,
    };
    let mut more = backlog > TAIL_RECORDS_MAX as u64;
    if let (true, Some(before)) = (more, &before) {
        next.read_database(before, query, &mut records)?;
    } else {
        let marks = before.as_ref().map(Snapshot::marks).transpose()?.unwrap_or_default();
        drop(before);
        let mut fresh = Vec::new();
        let from = |name| next.offsets.get(&name).copied().unwrap_or(0).max(offset(&marks, name));
        let ends = read_logs(folder, from, |name, head| {
            if let Ok(record) = head.decode() {
                fresh.push((name.kind, record));
            }
        })?;
        next.offsets = ends.into_iter().collect();
        let after = Snapshot::open(folder)?;
        if let Some(after) = &after {
            next.read_database(after, query, &mut records)?;
            more = after.next_ordinal()? > next.ordinal;
        }
        let seen = after.as_ref().map(Snapshot::seen).transpose()?;
        for (kind, record) in fresh {
            if is_seen(&seen, record.run, record.seq)? {
                continue;
            }
            let new = match kind {
                LogKind::Pool => next.handed_out.insert(record.run, record.seq),
                LogKind::Spool => !next.handed_out.contains(record.run, record.seq),
            };
            if new && query.matches(&record) {
                records.push(record);
            }
        }
    }
    records.sort_by_key(Record::sort_key);
    *cursor = next;
    Ok(Tailed { records, more })
}

fn is_seen<F: Fn(RunId, u64) -> Result<bool>>(seen: &Option<F>, run: RunId, seq: u64) -> Result<bool> {
    seen.as_ref().map_or(Ok(false), |seen| seen(run, seq))
}

impl Cursor {
    fn read_database(&mut self, snapshot: &Snapshot, query: &Query, out: &mut Vec<Record>) -> Result<()> {
        let handed_out = &mut self.handed_out;
        let mut read = 0;
        self.ordinal = snapshot.read_from(self.ordinal, |records| {
            read += records.len();
            out.extend(
                records
                    .into_iter()
                    .filter(|record| !handed_out.remove(record.run, record.seq) && query.matches(record)),
            );
            read < TAIL_RECORDS_MAX
        })?;
        Ok(())
    }
}
