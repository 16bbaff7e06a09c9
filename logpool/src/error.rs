//! What can go wrong, always with the path it went wrong at.
//!
//! One enum serves all operations, because a caller does one thing with each: it shows it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub type Result<T, E = LogPoolError> = std::result::Result<T, E>;

/// Cloneable, because one failed sync is the answer to everyone who waited for it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LogPoolError {
    /// The operating system refused `action` at `path`; a full disk is among these.
    Io { action: &'static str, path: PathBuf, source: Arc<io::Error> },
    /// The database refused.
    Store { path: PathBuf, message: String },
    /// A file of another version of this program; it is left as it is.
    Version { path: PathBuf, found: u32 },
    /// Something in the database cannot be read back.
    Corrupt { path: PathBuf, what: String },
    /// A record beyond a limit of `limits`; nothing of its batch was written.
    TooLarge { what: &'static str, found: usize, limit: usize },
    /// An answer would have more groups or different values than are kept in memory.
    TooMany { what: &'static str, limit: usize },
    /// The writer's queue is full; nothing was written, and a later append may succeed.
    Busy,
    /// The folder is a spool that another process has open.
    InUse { path: PathBuf },
    /// A position that this spool has not handed out.
    NoSuchPosition { path: PathBuf },
    /// The thread that writes is gone; it never is, unless it panicked.
    WriterGone { path: PathBuf },
}

impl LogPoolError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogPoolError {
        let path = path.to_path_buf();
        move |source| LogPoolError::Io { action, path, source: Arc::new(source) }
    }

    pub(crate) fn corrupt(path: &Path, what: impl Into<String>) -> LogPoolError {
        LogPoolError::Corrupt { path: path.to_path_buf(), what: what.into() }
    }

    /// What programs tell errors apart by, but for those of the operating system, which have names of its own.
    pub fn code(&self) -> &'static str {
        match self {
            LogPoolError::Corrupt { .. } => "damaged",
            LogPoolError::TooLarge { .. } | LogPoolError::TooMany { .. } => "limit",
            LogPoolError::Busy => "EAGAIN",
            _ => "pool",
        }
    }

    /// Whether the disk (or a quota) is full.
    pub fn is_disk_full(&self) -> bool {
        match self {
            LogPoolError::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
            ),
            _ => false,
        }
    }
}

impl fmt::Display for LogPoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogPoolError::Io { action, path, source } => {
                write!(f, "cannot {action} {}: {source}", path.display())
            }
            LogPoolError::Store { path, message } => {
                write!(f, "the database {} failed: {message}", path.display())
            }
            LogPoolError::Version { path, found } => {
                write!(f, "{} has format {found}, which this version does not read", path.display())
            }
            LogPoolError::Corrupt { path, what } => write!(f, "{} is damaged: {what}", path.display()),
            LogPoolError::TooLarge { what, found, limit } => {
                write!(f, "{what} of a log record is {found}, the limit is {limit}")
            }
            LogPoolError::TooMany { what, limit } => {
                write!(f, "there are more than {limit} {what}; ask for less time or for fewer records")
            }
            LogPoolError::Busy => f.write_str("the queue of the log writer is full"),
            LogPoolError::InUse { path } => {
                write!(f, "the spool {} is open in another process", path.display())
            }
            LogPoolError::NoSuchPosition { path } => {
                write!(f, "no such position in the spool {}", path.display())
            }
            LogPoolError::WriterGone { path } => {
                write!(f, "the log writer of {} has failed", path.display())
            }
        }
    }
}

impl std::error::Error for LogPoolError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LogPoolError::Io { source, .. } => Some(&**source),
            _ => None,
        }
    }
}

/// A piece of a log file that cannot be read; what comes after it can. The file is kept for inspection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    pub path: PathBuf,
    pub offset: u64,
    pub bytes: u64,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Damage { path, offset, bytes } = self;
        write!(f, "{}: {bytes} damaged bytes at offset {offset}", path.display())
    }
}

impl From<Damage> for LogPoolError {
    fn from(Damage { path, offset, bytes }: Damage) -> LogPoolError {
        LogPoolError::Corrupt { path, what: format!("{bytes} bytes at offset {offset}") }
    }
}

/// Something damaged that an answer was made without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The file it is in.
    pub path: PathBuf,
    /// What of the file, in words.
    pub what: String,
    /// How many records it has, whether they were wanted or not; `None`: nobody knows.
    pub records: Option<u64>,
}
