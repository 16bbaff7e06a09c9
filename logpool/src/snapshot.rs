//! The database as a reader sees it: one moment, whatever its writer does meanwhile. The tables are described in
//! `store`.

use std::collections::HashMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use redb::{ConcurrencyMode, Database, ReadTransaction, ReadableDatabase, ReadableTable};

use crate::block::Rows;
use crate::codec::{self, Malformed};
use crate::error::{LogPoolError, Result};
use crate::folder::Folder;
use crate::limits::*;
use crate::mover;
use crate::query::Query;
use crate::record::{Record, RunId};
use crate::store::*;

pub struct Snapshot {
    read: ReadTransaction,
    path: PathBuf,
}

impl Snapshot {
    /// `None` if there is no database yet.
    pub fn open(folder: &Folder) -> Result<Option<Snapshot>> {
        let path = folder.store_path();
        for _ in 0..OPEN_TRIES_MAX {
            if !path.exists() {
                return Ok(None);
            }
            match Snapshot::try_open(&path) {
                Ok(snapshot) => return snapshot.check_format().map(|()| Some(snapshot)),
                Err(redb::Error::RepairAborted) => repair(folder)?,
                Err(redb::Error::DatabaseAlreadyOpen) => pause(),
                Err(error) => return Err(failed(&path)(error)),
            }
        }
        Err(LogPoolError::Store { path, message: "it is being repaired and stays so".into() })
    }

    fn try_open(path: &Path) -> Result<Snapshot, redb::Error> {
        let database = Database::builder()
            .set_concurrency_mode(ConcurrencyMode::SingleWriter)
            .set_cache_size(READER_CACHE_BYTES)
            .open_read_only(path)?;
        Ok(Snapshot { read: database.begin_read()?, path: path.to_path_buf() })
    }

    pub fn of_writer(read: ReadTransaction, path: &Path) -> Snapshot {
        Snapshot { read, path: path.to_path_buf() }
    }

    pub fn check_format(&self) -> Result<()> {
        let format = self.number("format")?;
        if format == FORMAT {
            return Ok(());
        }
        Err(LogPoolError::Version {
            path: self.path.clone(),
            found: u32::try_from(format).unwrap_or(u32::MAX),
        })
    }

    /// The ordinal that the next record to arrive will have.
    pub fn next_ordinal(&self) -> Result<u64> {
        self.number("ordinal")
    }

    fn number(&self, name: &str) -> Result<u64> {
        let number = || -> Result<u64, redb::Error> {
            Ok(self.read.open_table(META)?.get(name)?.map_or(0, |value| value.value()))
        };
        number().map_err(failed(&self.path))
    }

    pub fn marks(&self) -> Result<HashMap<String, FileMark>> {
        let marks = || -> Result<_, redb::Error> {
            let mut marks = HashMap::new();
            for row in self.read.open_table(FILES)?.iter()? {
                let (name, mark) = row?;
                let (offset, damaged) = mark.value();
                marks.insert(name.value().to_owned(), FileMark { offset, damaged: damaged != 0 });
            }
            Ok(marks)
        };
        marks().map_err(failed(&self.path))
    }

    /// Whether a record is here.
    pub fn seen(&self) -> Result<impl Fn(RunId, u64) -> Result<bool>> {
        let table = self.read.open_table(SEEN).map_err(failed(&self.path))?;
        let path = self.path.clone();
        Ok(move |run: RunId, seq| {
            let before = table.range((run.0, 0)..=(run.0, seq)).map_err(failed(&path))?.next_back();
            let before = before.transpose().map_err(failed(&path))?;
            Ok(before.is_some_and(|(_, end)| end.value() >= seq))
        })
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
                let ((_, last, ordinal), (first, _)) = (key.value(), value.value());
                if query.until.is_none_or(|until| first < until) {
                    found.push(Extent { first, last, ordinal });
                }
            }
            Ok(found)
        };
        extents().map_err(failed(&self.path))
    }

    /// Adds the records of an extent that match the query.
    pub fn read_extent(
        &self,
        series: &Series,
        extent: Extent,
        query: &Query,
        out: &mut Vec<Record>,
    ) -> Result<()> {
        let table = self.read.open_table(BLOCKS).map_err(failed(&self.path))?;
        let block = table.get(extent.ordinal).map_err(failed(&self.path))?;
        let read = match &block {
            Some(block) => read_block(block.value(), series, query, out),
            None => Err(Malformed),
        };
        read.map(drop).map_err(|_| self.corrupt_block(extent.ordinal))
    }

    /// Hands out all records from an ordinal on in the order of their arrival, a block at a time, until `each`
    /// has had enough; returns the ordinal to go on at.
    pub fn read_from(&self, ordinal: u64, mut each: impl FnMut(Vec<Record>) -> bool) -> Result<u64> {
        let series: HashMap<u32, Series> = self.series()?.into_iter().map(|row| (row.id, row)).collect();
        let table = self.read.open_table(BLOCKS).map_err(failed(&self.path))?;
        let mut next = ordinal;
        for row in table.range(ordinal..).map_err(failed(&self.path))? {
            let (at, block) = row.map_err(failed(&self.path))?;
            let mut records = Vec::new();
            let read = Rows::new(block.value())
                .and_then(|rows| series.get(&rows.series).ok_or(Malformed))
                .and_then(|series| read_block(block.value(), series, &Query::default(), &mut records));
            let count = read.map_err(|_| self.corrupt_block(at.value()))?;
            next = at.value() + count as u64;
            if !each(records) {
                break;
            }
        }
        Ok(next)
    }

    fn corrupt_block(&self, ordinal: u64) -> LogPoolError {
        LogPoolError::corrupt(&self.path, format!("block {ordinal}"))
    }
}

/// Adds what matches; returns how many records the block has.
fn read_block(
    bytes: &[u8],
    series: &Series,
    query: &Query,
    out: &mut Vec<Record>,
) -> Result<usize, Malformed> {
    let rows = Rows::new(bytes)?;
    if rows.series != series.id {
        return Err(Malformed);
    }
    let records = rows.len();
    if query.run.is_some_and(|wanted| !rows.runs().iter().any(|&run| wanted.matches(run))) {
        return Ok(records);
    }
    for row in rows {
        let row = row?;
        if !query.matches_time(row.time)
            || query.run.is_some_and(|run| !run.matches(row.run))
            || !query.task.matches(codec::body_task(row.body)?)
        {
            continue;
        }
        let (task, fields) = codec::decode_body(row.body)?;
        out.push(Record {
            pool: series.pool.clone(),
            key: series.key.clone(),
            node: series.node.clone(),
            task: task.to_owned(),
            run: row.run,
            seq: row.seq,
            time: row.time,
            fields,
        });
    }
    Ok(records)
}

/// Its writer was killed, and a reader cannot read what it left. Whoever gets the lock repairs it; if that is
/// someone else, they are about to.
fn repair(folder: &Folder) -> Result<()> {
    match mover::lock(folder)? {
        Some(_lock) => Store::open(folder).map(drop),
        None => {
            pause();
            Ok(())
        }
    }
}

fn pause() {
    thread::sleep(Duration::from_millis(OPEN_PAUSE_MS));
}
