//! Where items lie: a table of a database, and above it what changed since that was written, in memory: the *new* changes,
//! and those that are just going into the table (*settling*). Of the table itself some items are in memory as well (`recent`).
//!
//! Tables of `items.redb`: `items`, key to an item (see `items`); `meta`, name to number: `cas` (the last one), `flush` (items
//! stored before this time are gone once it is past), `log` (the first generation of the log of changes that is not in
//! the table), `bytes` (of all keys and items; missing where an older version has written it: then it is counted once).
//!
//! A transaction of the database leaves the state of its allocator behind (quick repair), so the file opens at once, whatever
//! happened. That is a second sync, and each transaction writes whole pages: therefore only large groups of changes
//! go there, and the log of changes makes them durable before.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use redb::{
    Database, ReadOnlyTable, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition,
};

use crate::changes::After;
use crate::limits::*;
use crate::recent::Recent;

const ITEMS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("items");
const META: TableDefinition<&str, i64> = TableDefinition::new("meta");

type Rows = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// Items as they became, `None` for one that is gone.
pub type Changes = HashMap<Vec<u8>, Option<Vec<u8>>>;

/// What the table says besides items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    pub cas: u64,
    pub flush: i64,
    pub log: u64,
    /// Of all keys and items; `None` where an older version has written the table.
    pub bytes: Option<u64>,
}

pub struct Table {
    path: PathBuf,
    layers: RwLock<Layers>,
}

struct Layers {
    new: Changes,
    settling: Option<Arc<Settling>>,
    recent: Recent,
    open: Option<Open>,
    /// How often the table was written.
    written: u64,
    flush: i64,
    count: u64,
    bytes: u64,
}

/// By how much changes make the items more.
#[derive(Clone, Copy, Default)]
pub struct Grown {
    pub items: i64,
    pub bytes: i64,
}

impl Grown {
    /// What an item takes before and after; `None` where it is not there.
    pub fn count(&mut self, key: &[u8], before: Option<usize>, after: Option<usize>) {
        self.items += i64::from(after.is_some()) - i64::from(before.is_some());
        let bytes = |item: Option<usize>| item.map_or(0, |bytes| (key.len() + bytes) as i64);
        self.bytes += bytes(after) - bytes(before);
    }
}

struct Settling {
    changes: Changes,
    marks: Marks,
}

/// The database, and its items as the last transaction left them: to open a table for each `get` costs more than the `get`.
struct Open {
    database: Arc<Database>,
    rows: Arc<Rows>,
}

impl Open {
    fn new(path: &Path) -> Result<(Open, Marks), redb::Error> {
        let database = Database::builder().set_cache_size(CACHE_BYTES).create(path)?;
        if rows(&database).is_err() {
            let mut write = database.begin_write()?;
            write.set_quick_repair(true);
            write.open_table(ITEMS)?;
            write.open_table(META)?;
            write.commit()?;
        }
        let marks = {
            let meta = database.begin_read()?.open_table(META)?;
            let number = |name: &str, missing: i64| -> Result<i64, redb::Error> {
                Ok(meta.get(name)?.map_or(missing, |value| value.value()))
            };
            Marks {
                cas: number("cas", 0)? as u64,
                flush: number("flush", i64::MAX)?,
                log: number("log", 0)? as u64,
                bytes: u64::try_from(number("bytes", -1)?).ok(),
            }
        };
        let rows = Arc::new(rows(&database)?);
        Ok((Open { database: Arc::new(database), rows }, marks))
    }
}

fn rows(database: &Database) -> Result<Rows, redb::Error> {
    Ok(database.begin_read()?.open_table(ITEMS)?)
}

fn bytes_of(rows: &Rows) -> Result<u64, redb::Error> {
    let mut bytes = 0;
    for row in rows.iter()? {
        let (key, item) = row?;
        bytes += (key.value().len() + item.value().len()) as u64;
    }
    Ok(bytes)
}

impl Table {
    /// Opens or makes it, which only one process does at a time.
    pub fn open(path: &Path) -> Result<(Table, Marks), redb::Error> {
        let (open, marks) = Open::new(path)?;
        let count = open.rows.len()?;
        let bytes = match marks.bytes {
            Some(bytes) => bytes,
            None => bytes_of(&open.rows)?,
        };
        let layers = Layers {
            new: Changes::new(),
            settling: None,
            recent: Recent::default(),
            open: Some(open),
            written: 0,
            flush: marks.flush,
            count,
            bytes,
        };
        Ok((Table { path: path.to_path_buf(), layers: RwLock::new(layers) }, marks))
    }

    fn read(&self) -> RwLockReadGuard<'_, Layers> {
        self.layers.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn write(&self) -> RwLockWriteGuard<'_, Layers> {
        self.layers.write().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Shows an item's bytes, and the time of the flush.
    pub fn find<T>(&self, key: &[u8], see: impl FnOnce(Option<&[u8]>, i64) -> T) -> Result<T, redb::Error> {
        let layers = self.read();
        let flush = layers.flush;
        if let Some(item) = layers.changed(key).or_else(|| layers.recent.get(key)) {
            return Ok(see(item, flush));
        }
        let (rows, written) = (layers.rows()?, layers.written);
        // Nobody waits while the disk is read.
        drop(layers);
        let item = rows.get(key)?;
        let item = item.as_ref().map(|item| item.value());
        if let Some(bytes) = item {
            let mut layers = self.write();
            if layers.written == written {
                layers.recent.put(key.to_vec(), Some(bytes.to_vec()));
            }
        }
        Ok(see(item, flush))
    }

    /// How many items there are, and how many bytes they and their keys have.
    pub fn extent(&self) -> (u64, u64) {
        let layers = self.read();
        (layers.count, layers.bytes)
    }

    /// Some items behind a key, and the last key if there may be more.
    pub fn some(
        &self,
        behind: &[u8],
        most: usize,
        mut see: impl FnMut(&[u8], &[u8], i64),
    ) -> Result<Option<Vec<u8>>, redb::Error> {
        let (rows, flush) = {
            let layers = self.read();
            (layers.rows()?, layers.flush)
        };
        let mut seen = 0;
        for row in rows.range::<&[u8]>((Bound::Excluded(behind), Bound::Unbounded))? {
            let (key, item) = row?;
            see(key.value(), item.value(), flush);
            seen += 1;
            if seen == most {
                return Ok(Some(key.value().to_vec()));
            }
        }
        Ok(None)
    }

    /// Makes changes visible, which are durable now.
    pub fn publish(&self, changes: Changes, after: After) {
        let mut layers = self.write();
        layers.new.extend(changes);
        layers.flush = after.flush;
        layers.count = after.count;
        layers.bytes = after.bytes.unwrap_or(layers.bytes);
    }

    pub fn is_settled(&self) -> bool {
        let layers = self.read();
        layers.new.is_empty() && layers.settling.is_none()
    }

    pub fn is_settling(&self) -> bool {
        self.read().settling.is_some()
    }

    /// Lets the new changes go into the table next; `marks` are those behind them.
    pub fn begin_settling(&self, marks: Marks) {
        let mut layers = self.write();
        let changes = std::mem::take(&mut layers.new);
        layers.settling = Some(Arc::new(Settling { changes, marks }));
    }

    /// Puts the changes that are settling into the table; gives the first generation that is not in it then.
    pub fn settle(&self) -> Result<u64, redb::Error> {
        let (settling, database) = {
            let layers = self.read();
            let database = layers.open.as_ref().map(|open| open.database.clone());
            match &layers.settling {
                Some(settling) => (settling.clone(), database),
                None => return Ok(0),
            }
        };
        let database = match database {
            Some(database) => database,
            None => self.reopen()?,
        };
        let written = put(&database, &settling).and_then(|()| Ok(Arc::new(rows(&database)?)));
        drop(database);
        let mut layers = self.write();
        match written {
            Ok(rows) => {
                layers.settling = None;
                layers.written += 1;
                if let Some(open) = &mut layers.open {
                    open.rows = rows;
                }
                let log = settling.marks.log;
                // Nobody else has it any more.
                for (key, item) in
                    Arc::into_inner(settling).map(|settling| settling.changes).into_iter().flatten()
                {
                    layers.recent.put(key, item);
                }
                Ok(log)
            }
            Err(why) => {
                drop(layers);
                // After a failure of the disk the database answers nothing until it is opened again.
                self.reopen()?;
                Err(why)
            }
        }
    }

    fn reopen(&self) -> Result<Arc<Database>, redb::Error> {
        let mut layers = self.write();
        layers.open = None;
        let mut tries = 0;
        loop {
            match Open::new(&self.path) {
                Ok((open, _)) => {
                    let database = open.database.clone();
                    layers.open = Some(open);
                    return Ok(database);
                }
                Err(redb::Error::DatabaseAlreadyOpen) if tries < REOPEN_TRIES_MAX => {
                    tries += 1;
                    std::thread::sleep(REOPEN_PAUSE);
                }
                Err(why) => return Err(why),
            }
        }
    }
}

impl Layers {
    /// An item that changed since the table was written.
    fn changed(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        let item = self.new.get(key).or_else(|| self.settling.as_ref()?.changes.get(key));
        item.map(Option::as_deref)
    }

    fn rows(&self) -> Result<Arc<Rows>, redb::Error> {
        match &self.open {
            Some(open) => Ok(open.rows.clone()),
            // It is opened again when changes go into it next.
            None => Err(redb::Error::PreviousIo),
        }
    }
}

/// In the order of their keys, so that what lies together is written together.
fn put(database: &Database, settling: &Settling) -> Result<(), redb::Error> {
    let mut write = database.begin_write()?;
    write.set_quick_repair(true);
    {
        let mut items = write.open_table(ITEMS)?;
        for (key, item) in settling.changes.iter().collect::<BTreeMap<_, _>>() {
            match item {
                Some(item) => items.insert(&key[..], &item[..])?,
                None => items.remove(&key[..])?,
            };
        }
        let Marks { cas, flush, log, bytes } = settling.marks;
        let mut meta = write.open_table(META)?;
        for (name, number) in [("cas", cas as i64), ("flush", flush), ("log", log as i64)] {
            meta.insert(name, number)?;
        }
        if let Some(bytes) = bytes {
            meta.insert("bytes", bytes as i64)?;
        }
    }
    write.commit()?;
    Ok(())
}
