//! How programs reach log pools: a small door that the embedder (the agent) implements over the LogPool.
//!
//! This crate knows no store, no file and no destination; a pool is a name, a record is a key with named values.

use std::any::Any;
use std::fmt;

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

/// A record read back by `find`, in time order.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolRecord {
    /// Nanoseconds since 1970 UTC.
    pub time: i64,
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
    /// The newest so many.
    pub most: Option<usize>,
}

impl PoolQuery {
    /// All records of these keys.
    pub fn of(key: PoolKey) -> PoolQuery {
        PoolQuery { key, nodes: None, tasks: None, since: None, conditions: Vec::new(), most: None }
    }
}

/// How far a follower has come in a pool; only the embedder looks into it.
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

/// Called once, from any thread, with the value of an aggregate; null where there was nothing.
pub type NumberDone = Box<dyn FnOnce(Result<PoolValue, PoolError>) + Send>;

/// Called once, from any thread, with the records that came and the cursor behind them.
pub type TailDone = Box<dyn FnOnce(Result<(Vec<PoolRecord>, PoolCursor), PoolError>) + Send>;

/// The pools of one run: the embedder fills in node, task, run, time and sequence of each record.
pub trait Pools: Send + Sync {
    /// Whether programs may use the pool of this name; touches no file unless it must.
    fn open(&self, pool: &str) -> Result<(), PoolError>;

    /// Stores one record under `key`; `done` comes when it is durable. Never blocks.
    fn put(&self, pool: &str, key: &str, fields: Vec<(String, PoolValue)>, done: PutDone);

    /// The records of `pool` that are asked for, in time order, every put that returned included. Never blocks.
    fn find(&self, pool: &str, query: PoolQuery, done: FindDone);

    /// An aggregate of them, such as `avg(us)`. Never blocks.
    fn number(&self, pool: &str, query: PoolQuery, aggregate: &str, done: NumberDone);

    /// What came after the cursor and is asked for, in time order; without a cursor nothing, and the cursor of now. Never
    /// blocks. A pool that cannot be followed says so.
    fn tail(&self, pool: &str, _query: PoolQuery, _cursor: Option<PoolCursor>, done: TailDone) {
        done(Err(PoolError { code: "ENOTSUP".into(), message: format!("`{pool}` cannot be followed") }));
    }
}
