//! The data folder: what lies where, how a log file comes to be, and who is alive.
//!
//! - `log/PPPPPPPP-WWWW....log`: log files of programs that write to the pools (part and writer in hexadecimal)
//! - `log/PPPPPPPP-WWWW....spool`: the same, of an agent's spool; a mover leaves them alone
//! - `log/*.tmp`: a log file that is being made
//! - `damaged/`: log files that were moved but had unreadable pieces, kept for a person to look at
//! - `pool.redb`, `segments/`, `mover.lock`: the database (index and segments), and the lock of whoever moves log
//!   files into it
//! - `spool.cursor`, `spool.lock`: how far the controller confirmed, and the lock of the agent
//!
//! A writer holds an exclusive lock on its file for as long as it may append. The file is made under a temporary
//! name, locked, and only then renamed, so a log file that can be locked has no writer and never will have one.
//! The locks are advisory and belong to the open file: they end with the process, however it ends. (A child
//! that was forked without `exec` shares them; files are then deleted when it ends, too.)

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{LogPoolError, Result};
use crate::frame::{self, FileId};
use crate::index::SegmentId;
use crate::limits::CREATE_TRIES_MAX;
use crate::record::random_bytes;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogKind {
    Pool,
    Spool,
}

/// A log file by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogName {
    pub id: FileId,
    pub kind: LogKind,
}

impl LogName {
    pub fn file_name(&self) -> String {
        let LogName { id: FileId { part, writer }, kind } = self;
        let extension = match kind {
            LogKind::Pool => "log",
            LogKind::Spool => "spool",
        };
        format!("{part:08x}-{writer:032x}.{extension}")
    }

    pub fn parse(name: &str) -> Option<LogName> {
        let (stem, extension) = name.split_once('.')?;
        let kind = match extension {
            "log" => LogKind::Pool,
            "spool" => LogKind::Spool,
            _ => return None,
        };
        let (part, writer) = stem.split_once('-')?;
        let id = FileId {
            part: u64::from_str_radix(part, 16).ok()?,
            writer: u128::from_str_radix(writer, 16).ok()?,
        };
        let parsed = LogName { id, kind };
        (parsed.file_name() == name).then_some(parsed)
    }
}

#[derive(Clone, Debug)]
pub struct Folder {
    pub root: PathBuf,
}

impl Folder {
    pub fn new(root: &Path) -> Folder {
        Folder { root: root.to_path_buf() }
    }

    pub fn log_dir(&self) -> PathBuf {
        self.root.join("log")
    }

    pub fn log_path(&self, name: LogName) -> PathBuf {
        self.log_dir().join(name.file_name())
    }

    pub fn index_path(&self) -> PathBuf {
        self.root.join("pool.redb")
    }

    pub fn segments_dir(&self) -> PathBuf {
        self.root.join("segments")
    }

    /// By part, then by writer. Names that are not ours are passed over.
    pub fn list(&self, wanted: impl Fn(LogKind) -> bool) -> Result<Vec<LogName>> {
        let names = self.file_names()?;
        let mut logs: Vec<LogName> = names.iter().filter_map(|name| LogName::parse(name)).collect();
        logs.retain(|log| wanted(log.kind));
        logs.sort();
        Ok(logs)
    }

    fn file_names(&self) -> Result<Vec<String>> {
        names_in(&self.log_dir())
    }

    /// The files that are called as segments are, whatever the index says.
    pub fn segment_files(&self) -> Result<Vec<SegmentId>> {
        let names = names_in(&self.segments_dir())?;
        Ok(names.iter().filter_map(|name| SegmentId::parse(name)).collect())
    }

    /// Deletes what writers left behind that died while they made a log file.
    pub fn remove_abandoned(&self) -> Result<()> {
        for name in self.file_names()?.iter().filter(|name| name.ends_with(".tmp")) {
            let path = self.log_dir().join(name);
            if let Some(file) = open_existing(&path)?
                && try_lock(&file, &path)?
            {
                remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// A new log file with its header on disk, locked until the handle is dropped.
    pub fn create_log(&self, name: LogName) -> Result<File> {
        let dir = self.log_dir();
        if !dir.is_dir() {
            create_dir_all(&dir)?;
        }
        let path = self.log_path(name);
        let mut tries = 0;
        loop {
            // A name of its own for each try: the one before may be someone else's to delete.
            let temporary = dir.join(format!("{}-{tries}.tmp", name.file_name()));
            let made = self.make_log(name, &path, &temporary);
            let Err(error) = &made else { return made };
            // Under either name there is no record in it yet; should this fail, a mover removes it later.
            let _ = fs::remove_file(&temporary);
            let _ = fs::remove_file(&path);
            tries += 1;
            if tries == CREATE_TRIES_MAX || !was_taken_for_abandoned(error) {
                return made;
            }
        }
    }

    fn make_log(&self, name: LogName, path: &Path, temporary: &Path) -> Result<File> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(temporary)
            .map_err(LogPoolError::io("create", temporary))?;
        // Between these two lines a mover may take the file for an abandoned one: then either the lock or the
        // renaming fails.
        lock_now(&file, temporary)?;
        file.write_all(&frame::encode_header(name.id)).map_err(LogPoolError::io("write to", temporary))?;
        file.sync_all().map_err(LogPoolError::io("sync", temporary))?;
        fs::rename(temporary, path).map_err(LogPoolError::io("rename", temporary))?;
        sync_dir(&self.log_dir())?;
        Ok(file)
    }

    /// Puts a log file that was read to its end, damaged pieces apart, where nobody reads it any more.
    pub fn set_aside(&self, name: LogName) -> Result<()> {
        let dir = self.damaged_dir();
        create_dir_all(&dir)?;
        let from = self.log_path(name);
        fs::rename(&from, dir.join(name.file_name())).map_err(LogPoolError::io("move away", &from))?;
        sync_dir(&dir)
    }

    /// The log files that were put there.
    pub fn set_aside_files(&self) -> Result<Vec<PathBuf>> {
        let dir = self.damaged_dir();
        Ok(names_in(&dir)?.iter().map(|name| dir.join(name)).collect())
    }

    fn damaged_dir(&self) -> PathBuf {
        self.root.join("damaged")
    }
}

fn names_in(dir: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(LogPoolError::io("list", dir)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(LogPoolError::io("list", dir))?;
        names.extend(entry.file_name().into_string());
    }
    Ok(names)
}

/// Names of writers are random, so they are different in every process and after every restart.
pub fn new_writer_id(folder: &Folder) -> Result<u128> {
    random_bytes().map(u128::from_be_bytes).map_err(LogPoolError::io("name a log file in", &folder.root))
}

/// Creates the folder and what is above it, and makes the new entries durable.
pub fn create_dir_all(dir: &Path) -> Result<()> {
    let missing: Vec<&Path> =
        dir.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists()).collect();
    fs::create_dir_all(dir).map_err(LogPoolError::io("create", dir))?;
    for made in missing {
        if let Some(parent) = made.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_dir(parent)?;
        }
    }
    Ok(())
}

pub fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(LogPoolError::io("sync", dir))
}

/// `None` if it is not there (any more).
pub fn open_existing(path: &Path) -> Result<Option<File>> {
    match OpenOptions::new().read(true).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LogPoolError::io("open", path)(error)),
    }
}

/// A file that does not exist any more counts as removed.
pub fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(LogPoolError::io("delete", path)(error)),
        _ => Ok(()),
    }
}

/// Opens (and makes) a file that exists for its lock alone. `None` while someone holds it.
pub fn lock_file(path: &Path) -> Result<Option<File>> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(LogPoolError::io("open", path))?;
    Ok(try_lock(&file, path)?.then_some(file))
}

pub fn try_lock(file: &File, path: &Path) -> Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(LogPoolError::io("lock", path)(error)),
    }
}

/// A mover was there between the making and the locking of a file.
fn was_taken_for_abandoned(error: &LogPoolError) -> bool {
    match error {
        LogPoolError::Io { action: "lock", source, .. } => source.kind() == ErrorKind::ResourceBusy,
        LogPoolError::Io { action: "rename", source, .. } => source.kind() == ErrorKind::NotFound,
        _ => false,
    }
}

fn lock_now(file: &File, path: &Path) -> Result<()> {
    if try_lock(file, path)? {
        return Ok(());
    }
    Err(LogPoolError::io("lock", path)(io::Error::from(ErrorKind::ResourceBusy)))
}

/// What the file holds from `offset` on, at most `limit` bytes of it.
pub fn read_from(file: &File, path: &Path, offset: u64, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    read_into(&mut bytes, file, path, offset, limit)?;
    Ok(bytes)
}

/// The same, instead of what is in `bytes`.
pub fn read_into(bytes: &mut Vec<u8>, file: &File, path: &Path, offset: u64, limit: u64) -> Result<()> {
    let mut read = |mut file: &File| {
        let there = file.metadata()?.len().saturating_sub(offset).min(limit);
        bytes.clear();
        // A byte more, so that the end is met without asking for room; what comes meanwhile is not read.
        bytes.reserve(usize::try_from(there).unwrap_or(0) + 1);
        file.seek(SeekFrom::Start(offset))?;
        file.take(there).read_to_end(bytes).map(drop)
    };
    read(file).map_err(LogPoolError::io("read", path))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for kind in [LogKind::Pool, LogKind::Spool] {
            let name = LogName { id: FileId { part: 0x1f, writer: 5 }, kind };
            assert_eq!(LogName::parse(&name.file_name()), Some(name));
        }
        let long = LogName { id: FileId { part: u64::MAX, writer: u128::MAX }, kind: LogKind::Pool };
        assert_eq!(LogName::parse(&long.file_name()), Some(long));
        for other in ["", "x", "1-2.log", "00000001-2.log", "lost+found", ".log", "00000001-2.log.tmp"] {
            assert_eq!(LogName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_log_file_is_locked_while_its_writer_lives() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(&dir.path().join("a/b"));
        let name = LogName { id: FileId { part: 1, writer: 2 }, kind: LogKind::Pool };
        let written = folder.create_log(name).unwrap();
        let path = folder.log_path(name);
        let seen = open_existing(&path).unwrap().unwrap();
        assert!(!try_lock(&seen, &path).unwrap());
        drop(written);
        assert!(try_lock(&seen, &path).unwrap());
        assert_eq!(folder.list(|_| true).unwrap(), [name]);
        assert!(folder.list(|kind| kind == LogKind::Spool).unwrap().is_empty());
    }

    #[test]
    fn files_are_made_while_someone_clears_up() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path());
        let done = std::sync::atomic::AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        folder.remove_abandoned().unwrap();
                    }
                });
            }
            let made = (0..200).try_for_each(|part| {
                let name = LogName { id: FileId { part, writer: 1 }, kind: LogKind::Pool };
                folder.create_log(name).map(drop)
            });
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            made.unwrap();
        });
        assert_eq!(folder.list(|_| true).unwrap().len(), 200);
    }

    #[test]
    fn only_abandoned_temporary_files_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path());
        create_dir_all(&folder.log_dir()).unwrap();
        let (dead, alive) = (folder.log_dir().join("dead.tmp"), folder.log_dir().join("alive.tmp"));
        File::create(&dead).unwrap();
        let held = File::create(&alive).unwrap();
        lock_now(&held, &alive).unwrap();
        folder.remove_abandoned().unwrap();
        assert!(!dead.exists() && alive.exists());
    }
}
