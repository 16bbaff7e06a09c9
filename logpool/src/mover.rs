//! Moves what processes appended to their log files into the database.
//!
//! Steps of a move: list the log files; for each find out, by its lock, whether its writer is done with it, and
//! only then read what was not moved yet, a long file piece by piece; put the records of many files into one
//! transaction, with how far each file was read; when that is on disk, delete the files that are moved to their end
//! and have no writer. Killed at any point, the next mover finds either a transaction that was committed, and goes on
//! behind it, or one that was not, and does it again. A file with unreadable pieces is put aside instead of deleted,
//! and reported.
//!
//! When to move, and how often, is the caller's decision: few large moves cost less than many small ones
//! (`Writer::wait_until_worth`).

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::path::Path;

use crate::error::{Damage, LogPoolError, Result};
use crate::folder::{self, Folder, LogKind, LogName};
use crate::frame::{Frame, Tail};
use crate::index::{FileMark, Index};
use crate::limits::*;
use crate::log::{self, LogFile, Window};
use crate::payload::{self, Renewed};
use crate::reader;
use crate::store::{Batch, Retention, Store};

/// What one `move_once` did.
#[derive(Clone, Debug, Default)]
pub struct Moved {
    pub records: u64,
    /// Records that were there already.
    pub duplicates: u64,
    pub files_deleted: u64,
    /// What could not be read; the files are in `damaged/` of the data folder, or will be when they end.
    pub damage: Vec<Damage>,
    /// Files that could not be looked at now. The others were moved.
    pub failed: Vec<LogPoolError>,
}

/// Holds the mover's lock of a data folder until dropped.
pub struct Mover {
    folder: Folder,
    // Opened when there is something to move. Dropped before the lock.
    store: Option<Store>,
    /// After an I/O error the database refuses everything until it is opened again. Until then it stays open,
    /// because others can read it only while it has a writer or was closed properly.
    failed: bool,
    /// For what is read of the next log file.
    buffer: Vec<u8>,
    _lock: File,
}

pub(crate) fn lock(folder: &Folder) -> Result<Option<File>> {
    folder::lock_file(&folder.root.join("mover.lock"))
}

impl Mover {
    /// `None` while another process (or another `Mover` of this one) holds the lock. Makes the folder if it is
    /// missing.
    pub fn try_acquire(data_dir: &Path) -> Result<Option<Mover>> {
        let folder = Folder::new(data_dir);
        if !folder.root.is_dir() {
            folder::create_dir_all(&folder.root)?;
        }
        let Some(lock) = lock(&folder)? else { return Ok(None) };
        // It makes the index anew, without which nobody can read.
        let store = if Index::is_lost(&folder)? { Some(Store::open(&folder)?) } else { None };
        Ok(Some(Mover { folder, store, failed: false, buffer: Vec::new(), _lock: lock }))
    }

    /// Moves everything that is in the log files now.
    pub fn move_once(&mut self) -> Result<Moved> {
        if std::mem::take(&mut self.failed) {
            self.store = None;
        }
        let result = self.try_move();
        self.failed = result.is_err();
        result
    }

    /// Moves everything, if as many bytes wait as are worth a transaction or so many files that reading them all
    /// takes time. Few large moves make large blocks, which are small on disk and fast to read.
    pub fn move_if_worth(&mut self) -> Result<Moved> {
        let names = self.folder.list(|kind| kind == LogKind::Pool)?;
        let read;
        let index = match &self.store {
            Some(store) => store.index(),
            None => {
                read = Index::read(&self.folder)?;
                &read
            }
        };
        let waiting = |name: &LogName| {
            let length = std::fs::metadata(self.folder.log_path(*name)).map_or(0, |file| file.len());
            length.saturating_sub(reader::offset(index, *name))
        };
        if names.len() > MOVE_FILES_MIN || names.iter().map(waiting).sum::<u64>() >= MOVE_BYTES_MIN {
            return self.move_once();
        }
        Ok(Moved::default())
    }

    /// Drops the days that are past what is kept, and returns how many segments those were. `now` is in nanoseconds
    /// since 1970.
    pub fn retain(&mut self, now: i64, rules: &[Retention]) -> Result<usize> {
        if !self.folder.index_path().exists() {
            return Ok(0);
        }
        self.open()?.retain(now, rules)
    }

    fn open(&mut self) -> Result<&mut Store> {
        let store = match self.store.take() {
            Some(store) => store,
            None => Store::open(&self.folder)?,
        };
        Ok(self.store.insert(store))
    }

    fn try_move(&mut self) -> Result<Moved> {
        self.folder.remove_abandoned()?;
        let names = self.folder.list(|kind| kind == LogKind::Pool)?;
        let mut moved = Moved::default();
        if names.is_empty() {
            return Ok(moved);
        }
        let folder = self.folder.clone();
        let mut buffer = std::mem::take(&mut self.buffer);
        let store = self.open()?;
        let mut marks = store.index().marks.clone();
        let mut forget: Vec<String> = {
            let here: std::collections::HashSet<String> = names.iter().map(LogName::file_name).collect();
            marks.keys().filter(|name| !here.contains(*name)).cloned().collect()
        };
        let mut names = VecDeque::from(names);
        while !names.is_empty() {
            let mut loaded = Vec::new();
            let mut bytes = 0;
            while bytes < LOAD_BYTES_MIN
                && let Some(name) = names.pop_front()
            {
                let buffer = std::mem::take(&mut buffer);
                match Loaded::read(&folder, name, &mut marks, buffer, LOAD_BYTES_MIN - bytes) {
                    Ok(file) => {
                        bytes += file.as_ref().map_or(0, |file| file.window.len());
                        loaded.extend(file);
                    }
                    Err(error) => moved.failed.push(error),
                }
            }
            move_files(store, &mut loaded, &mut forget, &mut moved)?;
            for file in loaded.into_iter().rev() {
                if !file.whole {
                    marks.insert(file.log.name.file_name(), file.mark);
                    names.push_front(file.log.name);
                } else {
                    match file.finish(&folder) {
                        Ok(gone) => moved.files_deleted += u64::from(gone),
                        Err(error) => moved.failed.push(error),
                    }
                }
                let used = file.window.into_buffer();
                if used.capacity() > buffer.capacity() {
                    buffer = used;
                }
            }
        }
        self.buffer = buffer;
        Ok(moved)
    }
}

/// A log file with what is to be moved of it now.
struct Loaded {
    log: LogFile,
    /// It was so before the bytes were read, so there will never be more.
    sealed: bool,
    mark: FileMark,
    window: Window,
    /// Nothing follows what was read.
    whole: bool,
}

impl Loaded {
    /// At least about so many bytes, if there are as many.
    fn read(
        folder: &Folder,
        name: LogName,
        marks: &mut HashMap<String, FileMark>,
        buffer: Vec<u8>,
        bytes: usize,
    ) -> Result<Option<Loaded>> {
        let Some(log) = LogFile::open(folder, name)? else { return Ok(None) };
        let sealed = folder::try_lock(&log.file, &log.path)?;
        let mark = marks.remove(&name.file_name()).unwrap_or_default();
        let (window, whole) = log.read_some(buffer, mark.offset, u64::MAX, bytes)?;
        Ok(Some(Loaded { log, sealed, mark, window, whole }))
    }

    /// Everything of it is in the database; true if it is gone now.
    fn finish(&self, folder: &Folder) -> Result<bool> {
        if !self.sealed {
            return Ok(false);
        }
        if self.mark.damaged {
            folder.set_aside(self.log.name)?;
        } else {
            folder::remove_file(&self.log.path)?;
        }
        Ok(true)
    }
}

/// What was read of a log file.
struct Frames<'a> {
    /// Each with its records as they are written now, if it is of an older version.
    frames: Vec<(Frame<'a>, Option<Renewed>)>,
    damage: Vec<Damage>,
    end: u64,
}

impl<'a> Frames<'a> {
    fn of(file: &'a Loaded) -> Frames<'a> {
        let mut frames = Vec::new();
        let (mut damage, end, tail) = file.window.frames(|frame| {
            frames.push((frame, payload::renewed(frame.payload)));
            true
        });
        if let (true, Tail::Bad { offset, bytes }) = (file.sealed && file.whole, tail) {
            damage.push(log::damage(&file.log.path, offset, bytes));
        }
        Frames { frames, damage, end }
    }
}

/// Afterwards the marks of the files say what is in the database.
fn move_files(
    store: &mut Store,
    loaded: &mut [Loaded],
    forget: &mut Vec<String>,
    moved: &mut Moved,
) -> Result<()> {
    let read: Vec<Frames> = loaded.iter().map(Frames::of).collect();
    let mut batch = Batch::default();
    let mut bytes = 0;
    let mut marks: Vec<FileMark> = loaded.iter().map(|file| file.mark).collect();
    for ((file, read), mark) in loaded.iter().zip(&read).zip(&mut marks) {
        let name = file.log.name.file_name();
        mark.damaged |= !read.damage.is_empty();
        moved.damage.extend(read.damage.iter().cloned());
        for (frame, renewed) in &read.frames {
            let mut add = |payload| batch.incoming.add(payload);
            let added = match renewed {
                None => add(frame.payload),
                Some((payloads, whole)) => {
                    payloads.iter().map(|payload| &payload[..]).try_for_each(add).and(*whole)
                }
            };
            if added.is_err() {
                mark.damaged = true;
                moved.damage.push(log::damage(&file.log.path, frame.offset, frame.end - frame.offset));
            }
            mark.offset = frame.end;
            bytes += frame.payload.len();
            let incoming = &batch.incoming;
            if incoming.records >= MOVE_RECORDS_MAX as u64
                || incoming.columns >= MOVE_COLUMNS_MAX
                || bytes >= MOVE_BYTES_MAX
            {
                batch.marks.push((name.clone(), *mark));
                commit(store, std::mem::take(&mut batch), forget, moved)?;
                bytes = 0;
            }
        }
        mark.offset = mark.offset.max(read.end);
        if *mark != file.mark {
            batch.marks.retain(|(marked, _)| *marked != name);
            batch.marks.push((name, *mark));
        }
    }
    if batch.incoming.records > 0 || !batch.marks.is_empty() {
        commit(store, batch, forget, moved)?;
    }
    for (file, mark) in loaded.iter_mut().zip(marks) {
        file.mark = mark;
    }
    Ok(())
}

fn commit(store: &mut Store, mut batch: Batch, forget: &mut Vec<String>, moved: &mut Moved) -> Result<()> {
    batch.forget = std::mem::take(forget);
    let records = batch.incoming.records;
    let added = store.apply(batch)?;
    moved.records += added;
    moved.duplicates += records - added;
    Ok(())
}
