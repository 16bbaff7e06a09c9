//! Answers queries from a data folder, whoever writes or moves there at the time.
//!
//! Steps of a query: open the log files that were not moved to their end, and note how long they are; *then* look at
//! the database; leave out of the first what is in the second. In this order nothing is missed: a record that was
//! acknowledged before the query began is in a log file when the files are opened (an open file can be read though it
//! is deleted), or it was moved before that and is in the database. Nothing is doubled, because a segment knows the
//! identity of every record in it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustc_hash::FxHashMap;

use crate::block::{Block, Kind};
use crate::codec::{Malformed, RecordHead};
use crate::database;
use crate::error::{Damage, LogPoolError, Result, Skipped};
use crate::expr::Row;
use crate::folder::{self, Folder, LogKind, LogName};
use crate::frame::Tail;
use crate::index::Index;
use crate::log::{self, LogFile};
use crate::order::{Order, Way};
use crate::query::Query;
use crate::ranges::RunRanges;
use crate::record::{FieldValue, Record};
use crate::rows::{BlockRows, HeadRow};
use crate::segment::{Extent, Series};
use crate::snapshot::{SegmentSnapshot, Snapshot, read_block, read_chosen, select};
use crate::stats::{At, Stats, StatsRow, Table, TooMany};
use crate::tail::{self, Cursor, Tailed};

/// Reads a data folder. Holds nothing open between two calls.
#[derive(Clone, Debug)]
pub struct Reader {
    folder: Folder,
    /// What answers were made without; with `None` something damaged is an error.
    skipped: Option<Arc<Mutex<Skips>>>,
}

/// In the order in which they were met, each thing once.
#[derive(Debug, Default)]
struct Skips {
    all: Vec<Skipped>,
    known: HashSet<(PathBuf, String)>,
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

/// A field of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldInfo {
    pub name: String,
    /// What its values are, in the order in which that is first met.
    pub kinds: Vec<Kind>,
}

impl Reader {
    /// A missing folder is an empty one.
    pub fn open(data_dir: &Path) -> Reader {
        Reader { folder: Folder::new(data_dir), skipped: None }
    }

    /// One whose answers are made without what is damaged; [`Reader::skipped`] says what that was.
    pub fn skip_damaged(self) -> Reader {
        Reader { skipped: Some(Arc::default()), ..self }
    }

    /// What questions to this reader were answered without, each thing once.
    pub fn skipped(&self) -> Vec<Skipped> {
        let Some(skips) = &self.skipped else { return Vec::new() };
        skips.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).all.clone()
    }

    /// Notes something that cannot be read, and how many records that costs, where it is to be skipped.
    pub(crate) fn spare<T: Default>(&self, read: Result<T>, records: Option<u64>) -> Result<T> {
        match (read, &self.skipped) {
            (Err(LogPoolError::Corrupt { path, what }), Some(skips)) => {
                let mut skips = skips.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                if skips.known.insert((path.clone(), what.clone())) {
                    skips.all.push(Skipped { path, what, records });
                }
                Ok(T::default())
            }
            (read, _) => read,
        }
    }

    pub fn query(&self, query: &Query) -> Result<Vec<Record>> {
        let mut found = Found::new(query);
        if query.limit != Some(0) {
            self.scan(query, &mut found)?;
        }
        Ok(found.finish())
    }

    /// Aggregates of the records that match; the query's `limit` and `order` do not count, those of `stats` do.
    pub fn stats(&self, query: &Query, stats: &Stats) -> Result<Vec<StatsRow>> {
        let mut totals = Totals { query, stats, table: Table::new(stats), too_many: None };
        self.scan(query, &mut totals)?;
        Ok(totals.table.finish())
    }

    /// Shows each record that matches, until `each` returns false: block by block as they lie, so in no order that
    /// counts, and with no more than a block in memory. The query's `limit` and `order` do not count.
    pub fn each(&self, query: &Query, each: impl FnMut(Record) -> bool) -> Result<()> {
        self.scan(query, &mut Each { query, each, enough: false })
    }

    /// The fields that records of the query's series have, in the order in which they are first met.
    pub fn fields(&self, query: &Query) -> Result<Vec<FieldInfo>> {
        let mut fields = Fields::default();
        self.scan(query, &mut fields)?;
        fields.infos.retain(|field| query.wants(&field.name));
        Ok(fields.infos)
    }

    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// First the log files, then the database.
    pub(crate) fn look(&self) -> Result<(Logs, Snapshot)> {
        let logs = match Logs::unmoved(&self.folder) {
            // Nobody can say what was moved: it is met in the segments as well.
            Err(LogPoolError::Corrupt { .. }) if self.skipped.is_some() => Logs::open(&self.folder, |_| 0)?,
            logs => logs?,
        };
        Ok((logs, self.snapshot()?))
    }

    /// The database at this moment.
    pub(crate) fn snapshot(&self) -> Result<Snapshot> {
        match Snapshot::open(&self.folder) {
            Err(why @ LogPoolError::Corrupt { .. }) if self.skipped.is_some() => {
                self.spare::<()>(Err(why), None)?;
                Snapshot::without_index(&self.folder, |why| self.spare(Err(why), None))
            }
            opened => opened,
        }
    }

    /// Says of records of log files whether the database has them. They count as new where nobody can say.
    pub(crate) fn seen<'s>(
        &'s self,
        snapshot: &'s Snapshot,
    ) -> impl FnMut(&RecordHead<'_>) -> Result<bool> + use<'s> {
        let mut unsure = HashSet::new();
        move |head| match snapshot.id_of(head.pool, head.time) {
            Some(id) if !unsure.contains(&id) => {
                let seen = snapshot.seen(id, head.run, head.seq);
                unsure.extend(seen.is_err().then_some(id));
                self.spare(seen, None)
            }
            _ => Ok(false),
        }
    }

    /// Notes damage of log files where that is to be skipped; else it is an error.
    pub(crate) fn note(&self, damaged: Vec<Damage>) -> Result<()> {
        if self.skipped.is_some() {
            return damaged.into_iter().try_for_each(|damage| self.spare(Err(damage.into()), None));
        }
        // The header of a file says nothing that its name does not say.
        let lost = |damage: &Damage| damage.offset > 0;
        if !damaged.iter().any(lost) {
            return Ok(());
        }
        // What was just being written is whole now.
        match self.damage()?.into_iter().find(|damage| lost(damage) && damaged.contains(damage)) {
            Some(damage) => Err(damage.into()),
            None => Ok(()),
        }
    }

    /// Shows a sink everything that may match.
    fn scan(&self, query: &Query, sink: &mut impl Sink) -> Result<()> {
        let (logs, snapshot) = self.look()?;
        let damaged = logs.new_records(self.seen(&snapshot), |head| {
            // Its frame is whole and its body was walked through, so it can be read.
            if let Ok(true) = query.matches_head(head) {
                sink.record(head);
            }
            sink.failure()
        })?;
        drop(logs);
        self.note(damaged)?;
        let mut ids = snapshot.segments(query);
        if sink.goes() == Some(Way::Down) {
            ids.reverse();
        }
        for id in ids {
            if sink.has_no_use_for(id.times()) {
                break;
            }
            let records = snapshot.index.segments.get(&id).copied();
            if let Some(segment) = self.spare(snapshot.segment(id), records)? {
                let scanned = self.scan_segment(&segment, id.times().1, query, sink);
                self.spare(scanned, records)?;
            }
            snapshot.close(id);
        }
        Ok(())
    }

    /// `last_time`: the last one that its records may have.
    fn scan_segment(
        &self,
        segment: &SegmentSnapshot,
        last_time: i64,
        query: &Query,
        sink: &mut impl Sink,
    ) -> Result<()> {
        let path = segment.path();
        let series: Vec<Series> = database::guarded(path, || segment.series())?
            .into_iter()
            .filter(|series| query.matches_series(&series.pool, &series.key, &series.node))
            .collect();
        let mut extents: Vec<(Extent, &Series)> = Vec::new();
        for series in &series {
            let listed = database::guarded(path, || segment.extents(series, query));
            let listed = self.spare(listed, Some(series.records))?;
            extents.extend(listed.into_iter().map(|extent| (extent, series)));
        }
        match sink.goes() {
            Some(Way::Up) => extents.sort_by_key(|(extent, _)| extent.first),
            Some(Way::Down) => extents.sort_by_key(|(extent, _)| std::cmp::Reverse(extent.last)),
            // As they lie in the file, so that each of its pages is read once.
            None => extents.sort_by_key(|(extent, _)| extent.ordinal),
        }
        // What comes after a block, of its series, is of no time before this.
        let mut until: FxHashMap<u32, i64> = FxHashMap::default();
        let untils = extents.iter().rev().map(|(extent, series)| until.insert(series.id, extent.first));
        let mut untils: Vec<Option<i64>> = untils.collect();
        let blocks = database::guarded(path, || segment.blocks())?;
        for (extent, series) in extents {
            let until = untils.pop().flatten().unwrap_or(last_time.saturating_add(1));
            if sink.has_no_use_for((extent.first, extent.last)) {
                break;
            }
            let shown = blocks.with(series, extent, |block| sink.block(block, series, until));
            self.spare(shown, Some(extent.records.into()))?;
            sink.failure()?;
        }
        Ok(())
    }

    /// By name of pool, keys by name.
    pub fn pools(&self) -> Result<Vec<PoolInfo>> {
        let (logs, snapshot) = self.look()?;
        let mut pools = Pools::default();
        let damaged = logs.new_records(self.seen(&snapshot), |head| {
            pools.add([head.pool, head.key, head.node], 1, head.time, head.time);
            Ok(())
        })?;
        drop(logs);
        self.note(damaged)?;
        for id in snapshot.segments(&Query::default()) {
            let listed = snapshot.segment(id).and_then(|segment| match segment {
                Some(segment) => database::guarded(segment.path(), || segment.series()),
                None => Ok(Vec::new()),
            });
            for series in self.spare(listed, snapshot.index.segments.get(&id).copied())? {
                let Series { pool, key, node, records, first, last, .. } = &series;
                pools.add([pool, key, node], *records, *first, *last);
            }
            snapshot.close(id);
        }
        Ok(pools.finish())
    }

    /// A cursor past everything that is there now.
    pub fn end(&self) -> Result<Cursor> {
        tail::end(self)
    }

    /// What arrived after the cursor and matches the query (whose `limit` and `order` do not count), in time
    /// order; moves the cursor.
    pub fn tail(&self, query: &Query, cursor: &mut Cursor) -> Result<Tailed> {
        tail::poll(self, query, cursor)
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

/// Log files that are open, and which part of each is to be read.
pub struct Logs {
    files: Vec<(LogFile, u64, u64)>,
}

/// Where each log file ends, as far as it can be read.
type Ends = Vec<(LogName, u64)>;

impl Logs {
    /// What was not moved yet.
    pub fn unmoved(folder: &Folder) -> Result<Logs> {
        let index = Index::read(folder)?;
        Logs::open(folder, |name| offset(&index, name))
    }

    pub fn open(folder: &Folder, from: impl Fn(LogName) -> u64) -> Result<Logs> {
        let mut files = Vec::new();
        for name in folder.list(|_| true)? {
            let Some(log) = LogFile::open(folder, name)? else { continue };
            let length = log.file.metadata().map_err(LogPoolError::io("read", &log.path))?.len();
            files.push((log, from(name), length));
        }
        Ok(Logs { files })
    }

    /// Hands out the records of all files. Returns where each file ends, and what cannot be read before that.
    pub fn records(
        &self,
        mut each: impl FnMut(LogName, RecordHead) -> Result<()>,
    ) -> Result<(Ends, Vec<Damage>)> {
        let (mut ends, mut all_damage) = (Vec::new(), Vec::new());
        for (log, from, to) in &self.files {
            let window = log.read(*from, *to)?;
            let mut failed = None;
            let mut malformed = Vec::new();
            let (damage, end, _) = window.frames(|frame| {
                malformed.extend(log::records(&log.path, frame, |head| {
                    if failed.is_none() {
                        failed = each(log.name, head).err();
                    }
                }));
                failed.is_none()
            });
            if let Some(error) = failed {
                return Err(error);
            }
            ends.push((log.name, end));
            all_damage.extend(damage);
            all_damage.append(&mut malformed);
        }
        Ok((ends, all_damage))
    }

    /// Hands out each record that was not `seen` in the database, once. Returns what cannot be read.
    pub fn new_records(
        &self,
        mut seen: impl FnMut(&RecordHead) -> Result<bool>,
        mut each: impl FnMut(&RecordHead) -> Result<()>,
    ) -> Result<Vec<Damage>> {
        let mut unique = RunRanges::default();
        let read = self.records(|_, head| {
            if unique.insert(head.run, head.seq) && !seen(&head)? {
                each(&head)?;
            }
            Ok(())
        });
        read.map(|(_, damage)| damage)
    }
}

/// How far a log file was moved.
pub fn offset(index: &Index, name: LogName) -> u64 {
    match name.kind {
        LogKind::Pool => index.marks.get(&name.file_name()).map_or(0, |mark| mark.offset),
        LogKind::Spool => 0,
    }
}

/// Where a scan goes.
trait Sink {
    /// Which way blocks are shown by time; `None`: as they lie.
    fn goes(&self) -> Option<Way>;

    /// Nothing of these times changes it any more, nor anything later in the order.
    fn has_no_use_for(&self, times: (i64, i64)) -> bool;

    /// Takes a record that matches.
    fn record(&mut self, head: &RecordHead);

    /// Takes what matches of a block. Where blocks come by time, the series has nothing before `until` in any after it.
    fn block(&mut self, block: &Block, series: &Series, until: i64) -> Result<(), Malformed>;

    /// Why it takes no more.
    fn failure(&self) -> Result<()>;
}

struct Totals<'q> {
    query: &'q Query,
    stats: &'q Stats,
    table: Table<'q>,
    too_many: Option<TooMany>,
}

impl Totals<'_> {
    fn add(&mut self, at: At, row: &impl Row) {
        if self.too_many.is_none() {
            self.too_many = self.table.add(at, row).err();
        }
    }
}

impl Sink for Totals<'_> {
    fn goes(&self) -> Option<Way> {
        self.stats.is_by_time().then_some(Way::Up)
    }

    fn has_no_use_for(&self, _: (i64, i64)) -> bool {
        false
    }

    fn record(&mut self, head: &RecordHead) {
        if let Ok(row) = HeadRow::new(*head, Some(&self.stats.fields)) {
            let series = self.table.series(head.pool, head.key, head.node);
            self.add(At { time: head.time, series, until: i64::MIN }, &row);
        }
    }

    fn block(&mut self, block: &Block, series: &Series, until: i64) -> Result<(), Malformed> {
        let times = block.times()?;
        let chosen = select(block, series, &times, self.query)?;
        if chosen.is_empty() {
            return Ok(());
        }
        let rows = BlockRows::new(block, series, &times, &self.stats.fields)?;
        // What is out of order within the block is settled with a later one.
        let until = match self.stats.is_by_time() && !times.is_sorted() {
            true => times.iter().copied().min().unwrap_or(until),
            false => until,
        };
        let series = self.table.series(&series.pool, &series.key, &series.node);
        if chosen.len() == block.len && self.stats.is_by_series() {
            if self.too_many.is_none() {
                self.too_many = self.table.add_block(At { time: 0, series, until }, &times, &rows).err();
            }
            return Ok(());
        }
        for at in chosen {
            self.add(At { time: times[at], series, until }, &rows.row(at));
        }
        Ok(())
    }

    fn failure(&self) -> Result<()> {
        match self.too_many {
            Some(TooMany(what, limit)) => Err(LogPoolError::TooMany { what, limit }),
            None => Ok(()),
        }
    }
}

struct Each<'q, F> {
    query: &'q Query,
    each: F,
    enough: bool,
}

impl<F: FnMut(Record) -> bool> Sink for Each<'_, F> {
    fn goes(&self) -> Option<Way> {
        None
    }

    fn has_no_use_for(&self, _: (i64, i64)) -> bool {
        self.enough
    }

    fn record(&mut self, head: &RecordHead) {
        if let (false, Ok(record)) = (self.enough, head.decode()) {
            self.enough = !(self.each)(self.query.project(record));
        }
    }

    fn block(&mut self, block: &Block, series: &Series, _: i64) -> Result<(), Malformed> {
        let mut records = Vec::new();
        read_block(block, series, self.query, &mut records)?;
        for record in records {
            self.enough = self.enough || !(self.each)(record);
        }
        Ok(())
    }

    fn failure(&self) -> Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct Fields {
    infos: Vec<FieldInfo>,
    /// By name, places among the infos.
    met: FxHashMap<String, usize>,
}

impl Fields {
    fn add(&mut self, name: &str, kind: Kind) {
        let at = self.met.get(name).copied().unwrap_or_else(|| {
            self.met.insert(name.to_owned(), self.infos.len());
            self.infos.push(FieldInfo { name: name.to_owned(), kinds: Vec::new() });
            self.infos.len() - 1
        });
        let kinds = &mut self.infos[at].kinds;
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
}

impl Sink for Fields {
    fn goes(&self) -> Option<Way> {
        None
    }

    fn has_no_use_for(&self, _: (i64, i64)) -> bool {
        false
    }

    fn record(&mut self, head: &RecordHead) {
        let fields = head.fields().into_iter().flatten().flatten();
        fields.for_each(|(name, value)| self.add(name, Kind::of(&value)));
    }

    fn block(&mut self, block: &Block, _: &Series, _: i64) -> Result<(), Malformed> {
        block.columns.iter().for_each(|column| self.add(column.name, column.kind));
        Ok(())
    }

    fn failure(&self) -> Result<()> {
        Ok(())
    }
}

/// The records of an answer as it grows: never much more than the limit.
struct Found<'q> {
    query: &'q Query,
    choice: Order,
    /// With what they are ordered by before their time.
    records: Vec<Ranked>,
    limit: usize,
    /// With the limit reached: of the last record that still counts, its time and what it is ordered by.
    bound: Option<(i64, Vec<FieldValue>)>,
}

type Ranked = (Vec<FieldValue>, Record);

impl Found<'_> {
    fn new(query: &Query) -> Found<'_> {
        let limit = query.limit.unwrap_or(usize::MAX);
        Found { query, choice: query.choice(), records: Vec::new(), limit, bound: None }
    }

    /// Whether a record that is ordered by this may be among the first.
    fn counts(&self, values: &[FieldValue]) -> bool {
        let beyond = |(_, bound): &(i64, Vec<FieldValue>)| self.choice.compare_values(values, bound).is_gt();
        !self.bound.as_ref().is_some_and(beyond)
    }

    /// Drops what is beyond the limit; not each time, so that it costs little for each record.
    fn prune(&mut self) {
        let room = if self.bound.is_some() { self.limit.saturating_add(1024) } else { 0 };
        if self.records.len() >= self.limit.saturating_add(room) {
            let choice = &self.choice;
            self.records.sort_unstable_by(|a, b| choice.compare((&a.0, &a.1), (&b.0, &b.1)));
            self.records.truncate(self.limit);
            self.bound = self.records.last().map(|(values, record)| (record.time, values.clone()));
        }
    }

    fn finish(self) -> Vec<Record> {
        self.query.cut(&self.choice, self.records)
    }
}

impl Sink for Found<'_> {
    fn goes(&self) -> Option<Way> {
        self.choice.by_time()
    }

    fn has_no_use_for(&self, (first, last): (i64, i64)) -> bool {
        match (self.choice.by_time(), &self.bound) {
            (Some(Way::Up), Some((bound, _))) => first > *bound,
            (Some(Way::Down), Some((bound, _))) => last < *bound,
            _ => false,
        }
    }

    fn record(&mut self, head: &RecordHead) {
        if let Ok(record) = head.decode() {
            let values = self.choice.values_of(&record);
            if self.counts(&values) {
                self.records.push((values, self.query.project(record)));
                self.prune();
            }
        }
    }

    fn block(&mut self, block: &Block, series: &Series, _: i64) -> Result<(), Malformed> {
        let times = block.times()?;
        let mut chosen = select(block, series, &times, self.query)?;
        let mut values = vec![Vec::new(); chosen.len()];
        if self.choice.by_time().is_none() && !chosen.is_empty() {
            let rows = BlockRows::new(block, series, &times, &self.choice.fields)?;
            let ranked = chosen.into_iter().map(|at| (at, self.choice.values(&rows.row(at))));
            (chosen, values) = ranked.filter(|(_, values)| self.counts(values)).unzip();
        }
        let mut records = Vec::new();
        read_chosen(block, series, &times, chosen, self.query, &mut records)?;
        self.records.extend(values.into_iter().zip(records));
        self.prune();
        Ok(())
    }

    fn failure(&self) -> Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct Pools {
    keys: BTreeMap<(String, String), KeyTotals>,
}

struct KeyTotals {
    nodes: BTreeSet<String>,
    records: u64,
    first: i64,
    last: i64,
}

impl Pools {
    fn add(&mut self, [pool, key, node]: [&str; 3], records: u64, first: i64, last: i64) {
        let empty = || KeyTotals { nodes: BTreeSet::new(), records: 0, first: i64::MAX, last: i64::MIN };
        let totals = self.keys.entry((pool.to_owned(), key.to_owned())).or_insert_with(empty);
        totals.nodes.insert(node.to_owned());
        totals.records += records;
        totals.first = totals.first.min(first);
        totals.last = totals.last.max(last);
    }

    fn finish(self) -> Vec<PoolInfo> {
        let mut pools: Vec<PoolInfo> = Vec::new();
        for ((pool, key), KeyTotals { nodes, records, first, last }) in self.keys {
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
