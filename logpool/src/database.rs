//! Opening the database files of a data folder: segments and the index.
//!
//! One process writes, the one with the mover's lock; any number read beside it. A file is made under another name
//! and renamed, so a reader never meets half of one. Every commit is durable and leaves the allocator's state behind
//! (quick repair), so that a file whose writer was killed opens at once, for whoever comes first.

use std::cell::Cell;
use std::fs;
use std::io::ErrorKind;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Once;
use std::thread;
use std::time::Duration;

use redb::{
    Builder, ConcurrencyMode, Database, DatabaseError, ReadTransaction, ReadableDatabase, StorageError,
    TableDefinition, WriteTransaction,
};

use crate::error::{LogPoolError, Result};
use crate::folder;
use crate::limits::*;
use crate::unwritten::Unwritten;

/// Of all files; in the table `meta` under `format`. Version 1 was one file without segments, version 2 had a row for
/// each block, and in version 3 columns had no shift.
pub const FORMAT: u64 = 4;
/// Files of these are read, and written on.
const FORMAT_OLDEST: u64 = 3;
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

/// Opens a file for writing; repairs what a killed writer left. `fill` makes the tables of a new one.
pub fn open_or_create(
    path: &Path,
    cache_bytes: usize,
    fill: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
) -> Result<Database> {
    if !path.exists() {
        let new = path.with_extension("new");
        folder::remove_file(&new)?;
        let database = builder(cache_bytes).create(&new).map_err(failed(&new))?;
        transaction(&database, &new, fill)?;
        drop(database);
        fs::rename(&new, path).map_err(LogPoolError::io("rename", &new))?;
        if let Some(parent) = path.parent() {
            folder::sync_dir(parent)?;
        }
    }
    let database = open(path, cache_bytes)?;
    let read = database.begin_read().map_err(failed(path))?;
    if check_format(&read, path)? < FORMAT {
        transaction(&database, path, |write| {
            Ok(write.open_table(META)?.insert("format", FORMAT).map(drop)?)
        })?;
    }
    Ok(database)
}

fn open(path: &Path, cache_bytes: usize) -> Result<Database> {
    let mut tries = 0;
    loop {
        match builder(cache_bytes).open(path) {
            // A killed process lets go of its locks one after the other.
            Err(DatabaseError::DatabaseAlreadyOpen) if tries < OPEN_TRIES_MAX => {
                tries += 1;
                pause();
            }
            opened => return opened.map_err(failed(path)),
        }
    }
}

pub fn transaction<T>(
    database: &Database,
    path: &Path,
    work: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
) -> Result<T> {
    let mut write = database.begin_write().map_err(failed(path))?;
    write.set_quick_repair(true);
    let done = work(&write).map_err(failed(path))?;
    write.commit().map_err(failed(path))?;
    Ok(done)
}

/// What the file holds at this moment; `None` if it is not there.
pub fn read(path: &Path) -> Result<Option<ReadTransaction>> {
    for _ in 0..OPEN_TRIES_MAX {
        if !path.exists() {
            return Ok(None);
        }
        match try_read(path) {
            Ok(read) => return check_format(&read, path).map(|_| Some(read)),
            Err(redb::Error::RepairAborted) => {
                if !repair(path)? {
                    let read = read_repaired(path).map_err(failed(path))?;
                    return check_format(&read, path).map(|_| Some(read));
                }
            }
            Err(redb::Error::DatabaseAlreadyOpen) => pause(),
            // Deleted in between: the day was dropped.
            Err(redb::Error::Io(error)) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(path)(error)),
        }
    }
    Err(LogPoolError::Store {
        path: path.to_path_buf(),
        message: "another process has been opening it for a while; try again in a moment".into(),
    })
}

fn try_read(path: &Path) -> Result<ReadTransaction, redb::Error> {
    let database = builder(READER_CACHE_BYTES).open_read_only(path)?;
    Ok(database.begin_read()?)
}

/// Its writer was killed, and a reader cannot read what it left. Who meets that repairs it: whoever holds the mover's lock
/// need not have a use for this file for days. False where the file may not be written to.
fn repair(path: &Path) -> Result<bool> {
    match builder(READER_CACHE_BYTES).open(path) {
        // Someone else repairs it, or has begun to write to it.
        Err(DatabaseError::DatabaseAlreadyOpen) => {
            pause();
            Ok(true)
        }
        Err(DatabaseError::Storage(StorageError::Io(error))) => match error.kind() {
            ErrorKind::NotFound => Ok(true),
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Ok(false),
            _ => Err(failed(path)(DatabaseError::Storage(StorageError::Io(error)))),
        },
        repaired => repaired.map(|_| true).map_err(failed(path)),
    }
}

/// Of a file that may not be written to, what a repaired one would hold.
fn read_repaired(path: &Path) -> Result<ReadTransaction, redb::Error> {
    let mut builder = Database::builder();
    builder.set_cache_size(READER_CACHE_BYTES);
    let file = Unwritten::open(path)?;
    drop(builder.create_with_backend(file.clone())?);
    Ok(builder.open_read_only_with_backend(file)?.begin_read()?)
}

fn check_format(read: &ReadTransaction, path: &Path) -> Result<u64> {
    let format = || -> Result<u64, redb::Error> {
        Ok(read.open_table(META)?.get("format")?.map_or(0, |value| value.value()))
    };
    match format().map_err(failed(path))? {
        known @ FORMAT_OLDEST..=FORMAT => Ok(known),
        found => Err(LogPoolError::Version {
            path: path.to_path_buf(),
            found: u32::try_from(found).unwrap_or(u32::MAX),
        }),
    }
}

fn builder(cache_bytes: usize) -> Builder {
    let mut builder = Database::builder();
    builder.set_concurrency_mode(ConcurrencyMode::SingleWriter).set_cache_size(cache_bytes);
    builder
}

thread_local! {
    /// Whether a panic of this thread is told by an error, and by nothing else.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Does what reads a file; that the database's own code panics over damaged pages of it is an error as well.
pub fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |what| {
            if !GUARDED.get() {
                usual(what);
            }
        }));
    });
    let outer = GUARDED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    done.unwrap_or_else(|_| Err(LogPoolError::corrupt(path, "a page of the database")))
}

pub fn failed<E: Into<redb::Error>>(path: &Path) -> impl FnOnce(E) -> LogPoolError {
    let path = path.to_path_buf();
    move |error| match error.into() {
        redb::Error::Io(error)
            if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) =>
        {
            let what = match fs::metadata(&path).map(|file| file.len()) {
                Ok(0) => "it is empty".to_owned(),
                Ok(bytes) if error.kind() == ErrorKind::UnexpectedEof => {
                    format!("it is cut short, to {bytes} bytes")
                }
                _ => error.to_string(),
            };
            LogPoolError::corrupt(&path, what)
        }
        redb::Error::Io(error) => LogPoolError::io("use the database", &path)(error),
        redb::Error::Corrupted(what) => LogPoolError::corrupt(&path, what),
        error @ (redb::Error::TableDoesNotExist(_) | redb::Error::TableTypeMismatch { .. }) => {
            LogPoolError::corrupt(&path, error.to_string())
        }
        error => LogPoolError::Store { path, message: error.to_string() },
    }
}

pub fn corrupt(what: &str) -> redb::Error {
    redb::Error::Corrupted(what.to_owned())
}

fn pause() {
    thread::sleep(Duration::from_millis(OPEN_PAUSE_MS));
}
