//! How programs reach log pools: a small door that the embedder (the agent) implements over the LogPool.
//!
//! This crate knows no store, no file and no destination; a pool is a name, a record is a key with named values.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// One field of a log record as it crosses the door; owned and free of the task's heap.
#[derive(Clone, Debug, PartialEq)]
pub enum PoolValue {
    Null,
    Int(i64),
    Double(f64),
    Bool(bool),
    String(String),
    Bytes(Vec<u8>),
    /// Signed nanoseconds.
    Duration(i64),
    /// Nanoseconds since 1970 UTC.
    Time(i64),
    List(Vec<PoolValue>),
    Map(Vec<(String, PoolValue)>),
}

impl PoolValue {
    /// How much of it there is: the bytes of texts, 8 for what has one size.
    pub fn bytes(&self) -> usize {
        match self {
            PoolValue::String(text) => text.len(),
            PoolValue::Bytes(bytes) => bytes.len(),
            PoolValue::List(items) => items.iter().map(PoolValue::bytes).sum(),
            PoolValue::Map(entries) => entries.iter().map(|(name, value)| name.len() + value.bytes()).sum(),
            _ => 8,
        }
    }
}

/// A record that was found, or a row of aggregates.
#[derive(Clone)]
pub struct PoolRecord {
    /// What an error calls it, such as the full key of a log record; put into words where one does.
    pub name: Arc<dyn fmt::Display + Send + Sync>,
    pub fields: Vec<(String, PoolValue)>,
}

/// Of which keys records are wanted.
#[derive(Clone, Debug, PartialEq)]
pub enum PoolKey {
    /// This one, whatever stands in it.
    Exact(String),
    /// All that fit, `*` for any text.
    Pattern(String),
}

/// Which records of a pool are wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolQuery {
    pub key: PoolKey,
    /// Patterns, `*` for any text; `None` for all.
    pub nodes: Option<String>,
    pub tasks: Option<String>,
    /// Nanoseconds since 1970 UTC, inclusive.
    pub since: Option<i64>,
    /// Expressions as the LogPool reads them, each by itself; all must hold.
    pub conditions: Vec<String>,
    /// So many: the first in the order asked for, or else the newest.
    pub limit: Option<usize>,
    /// In which order, as the LogPool reads it: of records, or of rows; oldest first where none is asked for.
    pub order: Option<String>,
}

impl PoolQuery {
    /// All records of these keys.
    pub fn of(key: PoolKey) -> PoolQuery {
        let conditions = Vec::new();
        PoolQuery { key, nodes: None, tasks: None, since: None, conditions, limit: None, order: None }
    }
}

/// Aggregates of records, as the LogPool reads them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PoolStats {
    /// `avg(us), p99(us) as slow`
    pub aggregates: String,
    /// `node, key`; may be empty.
    pub by: String,
    /// The length of the windows in nanoseconds, above 0.
    pub every: Option<i64>,
}

/// A standing query: what is to become true, over a window, of each group.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolWatch {
    /// `avg(us) > 90`
    pub when: String,
    /// The length of the window in nanoseconds, above 0.
    pub over: i64,
    /// `node, key`; may be empty.
    pub by: String,
}

/// A standing query turned.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolTurn {
    pub holds: bool,
    /// The end of the window, in nanoseconds since 1970 UTC.
    pub time: i64,
    /// What the group has in common, as texts.
    pub by: Vec<String>,
    /// Of the aggregate; null where the window is empty.
    pub value: PoolValue,
}

/// How far a follower has come in a pool, or a standing query; only the embedder looks into it.
pub struct PoolCursor(pub Box<dyn Any + Send>);

impl fmt::Debug for PoolCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PoolCursor")
    }
}

/// Why a pool could not be opened, written or read. `code` is an errno name, `pool`, or another short word.
#[derive(Clone, Debug)]
pub struct PoolError {
    pub code: String,
    pub message: String,
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for PoolError {}

/// Called once, from any thread, when a put is durable or has failed.
pub type PutDone = Box<dyn FnOnce(Result<(), PoolError>) + Send>;

/// Called once, from any thread, with the records found.
pub type FindDone = Box<dyn FnOnce(Result<Vec<PoolRecord>, PoolError>) + Send>;

/// Called once, from any thread, with the records that came and the cursor behind them.
pub type TailDone = Box<dyn FnOnce(Result<(Vec<PoolRecord>, PoolCursor), PoolError>) + Send>;

/// Called once, from any thread, with what turned and the cursor behind that.
pub type WatchDone = Box<dyn FnOnce(Result<(Vec<PoolTurn>, PoolCursor), PoolError>) + Send>;

/// The pools of one run: the embedder fills in node, task, run, time and sequence of each record.
pub trait Pools: Send + Sync {
    /// Whether programs may use the pool of this name; touches no file unless it must.
    fn open(&self, pool: &str) -> Result<(), PoolError>;

    /// Stores one record under `key`; `done` comes when it is durable. Never blocks.
    fn put(&self, pool: &str, key: &str, fields: Vec<(String, PoolValue)>, done: PutDone);

    /// The records of `pool` that are asked for, every put that returned included. Never blocks.
    fn find(&self, pool: &str, query: PoolQuery, done: FindDone);

    /// Aggregates of them, a row for each group: the beginning of its window (`window`) where there are windows, what it has in
    /// common, and the aggregates. Never blocks.
    fn stats(&self, pool: &str, query: PoolQuery, stats: PoolStats, done: FindDone);

    /// What came after the cursor and is asked for, in time order; without a cursor nothing, and the cursor of now. Never
    /// blocks. A pool that cannot be followed says so.
    fn tail(&self, pool: &str, _query: PoolQuery, _cursor: Option<PoolCursor>, done: TailDone) {
        done(Err(PoolError { code: "ENOTSUP".into(), message: format!("`{pool}` cannot be followed") }));
    }

    /// What of a standing query is true now, and the cursor of now; with the cursor, what turned since. Never blocks.
    fn watch(&self, pool: &str, _query: PoolQuery, _of: Result<PoolWatch, PoolCursor>, done: WatchDone) {
        done(Err(PoolError { code: "ENOTSUP".into(), message: format!("`{pool}` cannot be watched") }));
    }
}
