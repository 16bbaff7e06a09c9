//! The database as a reader sees it: the index and the segments, each at the moment it was first looked at. The tables
//! are described in `index` and `segment`.
//!
//! A reader looks at the log files first and at the database after them, so whatever moves meanwhile is in one of them
//! or in both, and `seen` of the same segment tells which.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use redb::{AccessGuard, ReadOnlyTable, ReadTransaction, ReadableTable, TableError};

use crate::block::{Block, Decoded};
use crate::codec::{Malformed, RecordHead};
use crate::database::{self, failed};
use crate::error::{LogPoolError, Result};
use crate::fields::{Fields, Shape};
use crate::folder::Folder;
use crate::index::{Index, SegmentId};
use crate::merge::{Place, Resume};
use crate::name::Name;
use crate::names::Names;
use crate::query::{Condition, Query};
use crate::record::{Record, RunId};
use crate::rows::{BlockRows, rules_out};
use crate::segment::*;

pub struct Snapshot {
    folder: Folder,
    pub index: Index,
    /// The ones that were looked at for what is `seen` in them.
    segments: RefCell<HashMap<SegmentId, Option<Rc<SegmentSnapshot>>>>,
}

impl Snapshot {
    pub fn open(folder: &Folder) -> Result<Snapshot> {
        Ok(Snapshot { folder: folder.clone(), index: Index::read(folder)?, segments: RefCell::default() })
    }

    /// What the files of segments say by themselves, where the index cannot be read: what each has, and how it is called in
    /// them. `unreadable` is told of those that say nothing.
    pub fn without_index(
        folder: &Folder,
        mut unreadable: impl FnMut(LogPoolError) -> Result<()>,
    ) -> Result<Snapshot> {
        let mut index = Index::default();
        for id in folder.segment_files()? {
            let read = || {
                let Some(segment) = SegmentSnapshot::open(folder, id)? else { return Ok(None) };
                let series = segment.series()?;
                let records = series.iter().map(|series| series.records).sum();
                Ok(series.first().map(|series| (series.pool.to_string(), records)))
            };
            match database::guarded(&id.path(folder), read) {
                Ok(Some((pool, records))) => {
                    index.pools.insert(pool, id.pool);
                    index.segments.insert(id, records);
                }
                Ok(None) => {}
                Err(why) => unreadable(why)?,
            }
        }
        Ok(Snapshot { folder: folder.clone(), index, segments: RefCell::default() })
    }

    /// `None` if its day was dropped meanwhile. Asked again, it is as it was.
    pub fn segment(&self, id: SegmentId) -> Result<Option<Rc<SegmentSnapshot>>> {
        if let Some(open) = self.segments.borrow().get(&id) {
            return Ok(open.clone());
        }
        let path = id.path(&self.folder);
        let open = || SegmentSnapshot::open(&self.folder, id);
        let mut open_one = database::guarded(&path, open)?;
        // Whoever drops a day takes it out of the index first.
        if open_one.is_none() && Index::read(&self.folder)?.segments.contains_key(&id) {
            open_one = database::guarded(&path, open)?;
            if open_one.is_none() {
                return Err(LogPoolError::corrupt(&path, "it is in the index and not in the folder"));
            }
        }
        let open = open_one.map(Rc::new);
        self.segments.borrow_mut().insert(id, open.clone());
        Ok(open)
    }

    pub fn is_open(&self, id: SegmentId) -> bool {
        self.segments.borrow().contains_key(&id)
    }

    /// Lets go of a segment that will not be asked for again.
    pub fn close(&self, id: SegmentId) {
        self.segments.borrow_mut().remove(&id);
    }

    /// The segment that the index lists for a pool and a time.
    pub fn id_of(&self, pool: &str, time: i64) -> Option<SegmentId> {
        let id = SegmentId { pool: *self.index.pools.get(pool)?, day: SegmentId::day_of(time) };
        self.index.segments.contains_key(&id).then_some(id)
    }

    /// Whether a segment has the record.
    pub fn seen(&self, id: SegmentId, run: RunId, seq: u64) -> Result<bool> {
        match self.segment(id)? {
            Some(segment) => database::guarded(&segment.path, || segment.seen(run, seq)),
            None => Ok(false),
        }
    }

    /// Asks whether the database has a record, in a segment that the index lists: what another one has is still in the
    /// log files.
    pub fn knows(&self) -> impl Fn(&RecordHead) -> Result<bool> {
        |head| match self.id_of(head.pool, head.time) {
            Some(id) => self.seen(id, head.run, head.seq),
            None => Ok(false),
        }
    }

    /// Of the query's pools and time, by day.
    pub fn segments(&self, query: &Query) -> Vec<SegmentId> {
        let pools: HashSet<u32> = self
            .index
            .pools
            .iter()
            .filter(|(name, _)| query.pool.matches(name))
            .map(|(_, &number)| number)
            .collect();
        let first = query.since.map_or(i64::MIN, SegmentId::day_of);
        let last = query.until.map_or(i64::MAX, SegmentId::day_of);
        let mut found: Vec<SegmentId> = self
            .index
            .segments
            .keys()
            .filter(|id| pools.contains(&id.pool) && (first..=last).contains(&id.day))
            .copied()
            .collect();
        found.sort_by_key(|id| (id.day, id.pool));
        found
    }
}

pub struct SegmentSnapshot {
    read: ReadTransaction,
    path: PathBuf,
    names: Names,
    seen: ReadOnlyTable<(u128, u64), u64>,
}

impl SegmentSnapshot {
    fn open(folder: &Folder, id: SegmentId) -> Result<Option<SegmentSnapshot>> {
        let path = id.path(folder);
        match database::read(&path)? {
            Some(read) => SegmentSnapshot::of(read, &path).map(Some),
            None => Ok(None),
        }
    }

    pub fn of(read: ReadTransaction, path: &Path) -> Result<SegmentSnapshot> {
        let load = || -> Result<_, redb::Error> {
            let mut names = Names::default();
            for row in read.open_table(NAMES)?.iter()? {
                names.push(row?.1.value().to_owned());
            }
            Ok((names, read.open_table(SEEN)?))
        };
        let (names, seen) = load().map_err(failed(path))?;
        Ok(SegmentSnapshot { read, path: path.to_path_buf(), names, seen })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn names(&self) -> &Names {
        &self.names
    }

    fn merged(&self) -> Result<u64> {
        let table = self.read.open_table(META).map_err(failed(&self.path))?;
        number(&table, "merged").map_err(failed(&self.path))
    }

    /// Where to go on at a place: there, or at the beginning of the merged stretch that it is in.
    fn resume(&self, place: Place) -> Result<Resume> {
        let ordinal = place.ordinal;
        let table = match self.read.open_table(MERGED) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(Resume::at(ordinal)),
            Err(why) => return Err(failed(&self.path)(why)),
        };
        let before = table.range(..ordinal).map_err(failed(&self.path))?.next_back();
        match before.transpose().map_err(failed(&self.path))? {
            Some((start, row)) => Resume::read(place, start.value(), row.value())
                .map_err(|_| LogPoolError::corrupt(&self.path, "the table of merged blocks")),
            None => Ok(Resume::at(ordinal)),
        }
    }

    /// How many records are known to be here by their identity.
    pub fn seen_count(&self) -> Result<u64> {
        let mut count = 0u64;
        for row in self.seen.iter().map_err(failed(&self.path))? {
            let (key, end) = row.map_err(failed(&self.path))?;
            count += end.value().saturating_sub(key.value().1).saturating_add(1);
        }
        Ok(count)
    }

    pub fn seen(&self, run: RunId, seq: u64) -> Result<bool> {
        let before = self.seen.range((run.0, 0)..=(run.0, seq)).map_err(failed(&self.path))?.next_back();
        let before = before.transpose().map_err(failed(&self.path))?;
        Ok(before.is_some_and(|(_, end)| end.value() >= seq))
    }

    pub fn series(&self) -> Result<Vec<Series>> {
        let rows = || -> Result<_, redb::Error> {
            let mut all = Vec::new();
            for row in self.read.open_table(SERIES)?.iter()? {
                let (id, row) = row?;
                all.push(decode_series(id.value(), row.value()));
            }
            Ok(all)
        };
        let rows = rows().map_err(failed(&self.path))?;
        let rows: Result<Vec<Series>, Malformed> = rows.into_iter().collect();
        rows.map_err(|_| LogPoolError::corrupt(&self.path, "the table of series"))
    }

    /// The extents of a series that may hold records of the query's time, by their last time.
    pub fn extents(&self, series: &Series, query: &Query) -> Result<Vec<Extent>> {
        let since = query.since.unwrap_or(i64::MIN);
        // An extent that ends later than this begins after the time that is wanted.
        let last = query.until.map_or(i64::MAX, |until| until.saturating_add(series.span));
        if since > last {
            return Ok(Vec::new());
        }
        let range = (Bound::Included((series.id, since, 0)), Bound::Included((series.id, last, u64::MAX)));
        let extents = || -> Result<_, redb::Error> {
            let mut found = Vec::new();
            for row in self.read.open_table(EXTENTS)?.range(range)? {
                let (key, value) = row?;
                let ((_, last, ordinal), (first, records, offset)) = (key.value(), value.value());
                if query.until.is_none_or(|until| first < until) {
                    found.push(Extent { first, last, ordinal, records, offset });
                }
            }
            Ok(found)
        };
        extents().map_err(failed(&self.path))
    }

    pub fn blocks(&self) -> Result<Blocks<'_>> {
        let table = self.read.open_table(BLOCKS).map_err(failed(&self.path))?;
        Ok(Blocks { segment: self, table })
    }
}

type Chunk<'a> = AccessGuard<'a, &'static [u8]>;

/// The blocks of a segment.
pub struct Blocks<'s> {
    segment: &'s SegmentSnapshot,
    pub table: ReadOnlyTable<u64, &'static [u8]>,
}

impl Blocks<'_> {
    /// Shows the block of an extent to `each`.
    pub fn with<T>(
        &self,
        series: &Series,
        extent: Extent,
        each: impl FnOnce(&Block) -> Result<T, Malformed>,
    ) -> Result<T> {
        let path = &self.segment.path;
        let chunk = database::guarded(path, || self.chunk(extent.ordinal)).map_err(|why| match why {
            LogPoolError::Corrupt { .. } => self.corrupt(extent.ordinal),
            other => other,
        })?;
        let read = || {
            let (_, chunk) = chunk.as_ref().ok_or(Malformed)?;
            let block = Block::new(block_at(chunk.value(), extent.offset)?, &self.segment.names)?;
            if block.series == series.id { each(&block) } else { Err(Malformed) }
        };
        read().map_err(|_| self.corrupt(extent.ordinal))
    }

    /// The chunk that has a record, and the ordinal it begins at.
    fn chunk(&self, ordinal: u64) -> Result<Option<(u64, Chunk<'_>)>> {
        let found = self.table.range(..=ordinal).map_err(failed(&self.segment.path))?.next_back();
        let found = found.transpose().map_err(failed(&self.segment.path))?;
        Ok(found.map(|(at, chunk)| (at.value(), chunk)))
    }

    /// Hands out all records from a place on in the order of their arrival, a block at a time, until `each`
    /// has had enough; returns the place to go on at.
    pub fn read_from(&self, from: Place, mut each: impl FnMut(Vec<Record>) -> bool) -> Result<Place> {
        let path = &self.segment.path;
        let merged = self.segment.merged()?;
        let place = |ordinal| Place { ordinal, merged };
        let mut resume = self.segment.resume(from)?;
        let ordinal = resume.ordinal;
        let series: HashMap<u32, Series> =
            self.segment.series()?.into_iter().map(|row| (row.id, row)).collect();
        let Some((first, _)) = self.chunk(ordinal)? else { return Ok(place(from.ordinal)) };
        let mut next = from.ordinal;
        for row in self.table.range(first..).map_err(failed(path))? {
            let (at, chunk) = row.map_err(failed(path))?;
            let (mut at, chunk) = (at.value(), chunk.value());
            let mut offset = 0;
            while offset < chunk.len() {
                let mut records = Vec::new();
                let mut read = || {
                    let bytes = block_at(chunk, offset as u32)?;
                    let block = Block::new(bytes, &self.segment.names)?;
                    // A reader may have stopped in the middle of the chunk.
                    if at >= ordinal {
                        let series = series.get(&block.series).ok_or(Malformed)?;
                        read_block(&block, series, &Query::default(), &mut records)?;
                        resume.leave_out(at, series.id, &mut records);
                    }
                    offset += BLOCK_HEADER_BYTES + bytes.len();
                    Ok(block.len)
                };
                let count = read().map_err(|_: Malformed| self.corrupt(at))?;
                at += count as u64;
                if at <= ordinal {
                    continue;
                }
                next = at;
                // What was met of a merged stretch is known until its end only.
                if !each(records) && at >= resume.until {
                    return Ok(place(next));
                }
            }
        }
        Ok(place(next))
    }

    fn corrupt(&self, ordinal: u64) -> LogPoolError {
        LogPoolError::corrupt(&self.segment.path, format!("block {ordinal}"))
    }
}

/// The places of the records of a block that match the query; of its series, that is known.
pub fn select(block: &Block, series: &Series, times: &[i64], query: &Query) -> Result<Vec<usize>, Malformed> {
    if let Some(condition) = &query.condition
        && rules_out(block, &condition.expr, &condition.fields)
    {
        return Ok(Vec::new());
    }
    if query.run.is_some_and(|wanted| !block.runs().iter().any(|&run| wanted.matches(run))) {
        return Ok(Vec::new());
    }
    let mut chosen: Vec<usize> = (0..block.len).filter(|&at| query.matches_time(times[at])).collect();
    if let Some(wanted) = query.run
        && !chosen.is_empty()
    {
        let runs = block.run_of()?;
        chosen.retain(|&at| wanted.matches(block.runs()[runs[at] as usize]));
    }
    if !query.task.is_any() && !chosen.is_empty() {
        let tasks = block.tasks()?;
        chosen.retain(|&at| query.task.matches(tasks[at]));
    }
    if let Some(Condition { expr, fields, .. }) = &query.condition
        && !chosen.is_empty()
    {
        let rows = BlockRows::new(block, series, times, fields)?;
        chosen.retain(|&at| expr.holds(&rows.row(at)));
    }
    Ok(chosen)
}

/// Adds the records that match.
pub fn read_block(
    block: &Block,
    series: &Series,
    query: &Query,
    out: &mut Vec<Record>,
) -> Result<(), Malformed> {
    let times = block.times()?;
    let chosen = select(block, series, &times, query)?;
    read_chosen(block, series, &times, chosen, query, out)
}

/// Adds the records at these places, of which there may be none.
pub fn read_chosen(
    block: &Block,
    series: &Series,
    times: &[i64],
    chosen: Vec<usize>,
    query: &Query,
    out: &mut Vec<Record>,
) -> Result<(), Malformed> {
    if chosen.is_empty() {
        return Ok(());
    }
    let (runs, numbers, tasks) = (block.run_of()?, block.numbers()?, block.tasks()?);
    let decoded =
        |column: usize| query.wants(block.columns[column].name).then(|| block.values(column)).transpose();
    let columns: Vec<Option<Decoded>> = (0..block.columns.len()).map(decoded).collect::<Result<_, _>>()?;
    let mut next = vec![0usize; columns.len()];
    let names = |shape: &Vec<usize>| {
        let wanted = shape.iter().filter(|&&column| columns[column].is_some());
        Shape::new(wanted.map(|&column| block.columns[column].name))
    };
    let shapes: Vec<Shape> = block.shapes().iter().map(names).collect();
    let mut task = Name::default();
    let mut chosen = chosen.into_iter().peekable();
    for at in 0..block.len {
        let place = block.shape_of(at);
        let shape = &block.shapes()[place];
        if chosen.next_if_eq(&at).is_some() {
            let wanted = shape.iter().filter_map(|&column| Some((columns[column].as_ref()?, next[column])));
            let values =
                wanted.map(|(column, at)| column.get(at)?.decode()).collect::<Result<Vec<_>, _>>()?;
            if task != *tasks[at] {
                task = tasks[at].into();
            }
            out.push(Record {
                pool: series.pool.clone(),
                key: series.key.clone(),
                node: series.node.clone(),
                task: task.clone(),
                run: block.runs()[runs[at] as usize],
                seq: numbers[at],
                time: times[at],
                fields: Fields::new(shapes[place].clone(), values),
            });
        }
        for &column in shape {
            next[column] += 1;
        }
    }
    Ok(())
}
