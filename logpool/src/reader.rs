//! Answers queries from a data folder, whoever writes or moves there at the time.
//!
//! Steps of a query: read what the log files hold that was not moved yet; *then* take a snapshot of the
//! database; drop from the first what is in the second. In this order nothing is missed: a record that was
//! acknowledged before the query began is in a log file when the files are read, or it was moved before that and
//! is in the snapshot. Nothing is doubled, because the snapshot knows the identity of every record in it.
//! A log file that vanishes in between was moved.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use crate::codec::RecordHead;
use crate::error::{Damage, Result};
use crate::folder::{self, Folder, LogKind, LogName};
use crate::frame::Tail;
use crate::log::{self, LogFile};
use crate::query::{Order, Query};
use crate::ranges::RunRanges;
use crate::record::{Record, RunId};
use crate::snapshot::Snapshot;
use crate::store::{Extent, FileMark, Series};
use crate::tail::{self, Cursor, Tailed};

/// Reads a data folder. Holds nothing open between two calls.
#[derive(Clone, Debug)]
pub struct Reader {
    folder: Folder,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolInfo {
    pub pool: String,
    pub keys: Vec<KeyInfo>,
    pub records: u64,
    /// Nanoseconds since 1970, of the oldest and the newest record.
    pub first: i64,
    pub last: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    pub key: String,
    pub nodes: Vec<String>,
    pub records: u64,
    pub first: i64,
    pub last: i64,
}

impl Reader {
    /// A missing folder is an empty one.
    pub fn open(data_dir: &Path) -> Reader {
        Reader { folder: Folder::new(data_dir) }
    }

    pub fn query(&self, query: &Query) -> Result<Vec<Record>> {
        let mut found = Found::new(query);
        if query.limit == Some(0) {
            return Ok(found.records);
        }
        let mut unique = RunRanges::default();
        let marks = marks(&self.folder)?;
        read_logs(
            &self.folder,
            |name| offset(&marks, name),
            |_, head| {
                if query.matches_series(head.pool, head.key, head.node)
                    && query.matches_time(head.time)
                    && let Ok(record) = head.decode()
                    && query.matches(&record)
                    && unique.insert(head.run, head.seq)
                {
                    found.push(record);
                }
            },
        )?;
        if let Some(snapshot) = Snapshot::open(&self.folder)? {
            found.drop_seen(snapshot.seen()?)?;
            read_snapshot(&snapshot, query, &mut found)?;
        }
        Ok(found.finish())
    }

    /// By name of pool, keys by name.
    pub fn pools(&self) -> Result<Vec<PoolInfo>> {
        let mut unique = RunRanges::default();
        let mut unmoved: HashMap<[String; 3], Vec<(RunId, u64, i64)>> = HashMap::new();
        let marks = marks(&self.folder)?;
        read_logs(
            &self.folder,
            |name| offset(&marks, name),
            |_, head| {
                if unique.insert(head.run, head.seq) {
                    let name = [head.pool, head.key, head.node].map(str::to_owned);
                    unmoved.entry(name).or_default().push((head.run, head.seq, head.time));
                }
            },
        )?;
        let mut pools = Pools::default();
        let snapshot = Snapshot::open(&self.folder)?;
        for series in snapshot.iter().map(Snapshot::series).collect::<Result<Vec<_>>>()?.into_iter().flatten()
        {
            let Series { pool, key, node, records, first, last, .. } = series;
            pools.add([pool, key, node], records, first, last);
        }
        let seen = snapshot.as_ref().map(Snapshot::seen).transpose()?;
        for (name, records) in unmoved {
            for (run, seq, time) in records {
                if !seen.as_ref().map_or(Ok(false), |seen| seen(run, seq))? {
                    pools.add(name.clone(), 1, time, time);
                }
            }
        }
        Ok(pools.finish())
    }

    /// A cursor past everything that is there now.
    pub fn end(&self) -> Result<Cursor> {
        tail::end(&self.folder)
    }

    /// What arrived after the cursor and matches the query (whose `limit` and `order` do not count), in time
    /// order; moves the cursor.
    pub fn tail(&self, query: &Query, cursor: &mut Cursor) -> Result<Tailed> {
        tail::poll(&self.folder, query, cursor)
    }

    /// What cannot be read in the log files that are there now.
    pub fn damage(&self) -> Result<Vec<Damage>> {
        let mut all = Vec::new();
        for name in self.folder.list(|_| true)? {
            let Some(log) = LogFile::open(&self.folder, name)? else { continue };
            // The end of a file that is being written may be any part of a write.
            let sealed = folder::try_lock(&log.file, &log.path)?;
            let window = log.read_to_end(0)?;
            let mut malformed = Vec::new();
            let (damage, _, tail) = window.frames(|frame| {
                malformed.extend(log::records(&log.path, frame, |_| ()));
                true
            });
            all.extend(damage);
            all.append(&mut malformed);
            if let (true, Tail::Bad { offset, bytes }) = (sealed, tail) {
                all.push(log::damage(&log.path, offset, bytes));
            }
        }
        Ok(all)
    }
}

/// How far the log files were moved, some moments ago; they are not read before that.
pub fn marks(folder: &Folder) -> Result<HashMap<String, FileMark>> {
    Snapshot::open(folder)?.map_or_else(|| Ok(HashMap::new()), |snapshot| snapshot.marks())
}

pub fn offset(marks: &HashMap<String, FileMark>, name: LogName) -> u64 {
    match name.kind {
        LogKind::Pool => marks.get(&name.file_name()).map_or(0, |mark| mark.offset),
        LogKind::Spool => 0,
    }
}

/// Hands out the records of all log files, each file's from an offset on. Returns where each file ends.
pub fn read_logs(
    folder: &Folder,
    from: impl Fn(LogName) -> u64,
    mut each: impl FnMut(LogName, RecordHead),
) -> Result<Vec<(LogName, u64)>> {
    let mut ends = Vec::new();
    for name in folder.list(|_| true)? {
        let Some(log) = LogFile::open(folder, name)? else { continue };
        let window = log.read_to_end(from(name))?;
        let (_, end, _) = window.frames(|frame| {
            log::records(&log.path, frame, |head| each(name, head));
            true
        });
        ends.push((name, end));
    }
    Ok(ends)
}

fn read_snapshot(snapshot: &Snapshot, query: &Query, found: &mut Found) -> Result<()> {
    let series: Vec<Series> = snapshot
        .series()?
        .into_iter()
        .filter(|series| query.matches_series(&series.pool, &series.key, &series.node))
        .collect();
    let mut extents: Vec<(Extent, &Series)> = Vec::new();
    for series in &series {
        extents.extend(snapshot.extents(series, query)?.into_iter().map(|extent| (extent, series)));
    }
    match query.order {
        Order::OldestFirst => extents.sort_by_key(|(extent, _)| extent.first),
        Order::NewestFirst => extents.sort_by_key(|(extent, _)| std::cmp::Reverse(extent.last)),
    }
    for (extent, series) in extents {
        if found.has_no_use_for(extent) {
            break;
        }
        snapshot.read_extent(series, extent, query, &mut found.records)?;
        found.prune();
    }
    Ok(())
}

/// The answer as it grows: never much more than the limit.
struct Found {
    records: Vec<Record>,
    limit: usize,
    order: Order,
    /// With the limit reached: the time of the last record that still counts.
    bound: Option<i64>,
}

impl Found {
    fn new(query: &Query) -> Found {
        let limit = query.limit.unwrap_or(usize::MAX);
        Found { records: Vec::new(), limit, order: query.order, bound: None }
    }

    fn push(&mut self, record: Record) {
        self.records.push(record);
        self.prune();
    }

    fn sort(&mut self) {
        match self.order {
            Order::OldestFirst => self.records.sort_unstable_by_key(Record::sort_key),
            Order::NewestFirst => {
                self.records.sort_unstable_by_key(|record| std::cmp::Reverse(record.sort_key()));
            }
        }
    }

    /// Drops what is beyond the limit; not each time, so that it costs little for each record.
    fn prune(&mut self) {
        let room = if self.bound.is_some() { self.limit.saturating_add(1024) } else { 0 };
        if self.records.len() >= self.limit.saturating_add(room) {
            self.sort();
            self.records.truncate(self.limit);
            self.bound = self.records.last().map(|record| record.time);
        }
    }

    /// Nor for any later one in the order.
    fn has_no_use_for(&self, extent: Extent) -> bool {
        self.bound.is_some_and(|bound| match self.order {
            Order::OldestFirst => extent.first > bound,
            Order::NewestFirst => extent.last < bound,
        })
    }

    /// Of what was read in the log files. Even cut to the limit that is enough: for each record dropped here the
    /// database has one.
    fn drop_seen(&mut self, seen: impl Fn(RunId, u64) -> Result<bool>) -> Result<()> {
        let mut kept = Vec::with_capacity(self.records.len());
        for record in self.records.drain(..) {
            if !seen(record.run, record.seq)? {
                kept.push(record);
            }
        }
        self.records = kept;
        if self.records.len() < self.limit {
            self.bound = None;
        }
        Ok(())
    }

    fn finish(mut self) -> Vec<Record> {
        self.sort();
        self.records.truncate(self.limit);
        self.records
    }
}

#[derive(Default)]
struct Pools {
    keys: BTreeMap<(String, String), Totals>,
}

struct Totals {
    nodes: BTreeSet<String>,
    records: u64,
    first: i64,
    last: i64,
}

impl Pools {
    fn add(&mut self, [pool, key, node]: [String; 3], records: u64, first: i64, last: i64) {
        let empty = || Totals { nodes: BTreeSet::new(), records: 0, first: i64::MAX, last: i64::MIN };
        let totals = self.keys.entry((pool, key)).or_insert_with(empty);
        totals.nodes.insert(node);
        totals.records += records;
        totals.first = totals.first.min(first);
        totals.last = totals.last.max(last);
    }

    fn finish(self) -> Vec<PoolInfo> {
        let mut pools: Vec<PoolInfo> = Vec::new();
        for ((pool, key), Totals { nodes, records, first, last }) in self.keys {
            if pools.last().is_none_or(|info| info.pool != pool) {
                pools.push(PoolInfo { pool, keys: Vec::new(), records: 0, first, last });
            }
            if let Some(info) = pools.last_mut() {
                info.records += records;
                info.first = info.first.min(first);
                info.last = info.last.max(last);
                info.keys.push(KeyInfo { key, nodes: nodes.into_iter().collect(), records, first, last });
            }
        }
        pools
    }
}
