use std::path::Path;
use crate::error::{Damage, Result};
use crate::query::Query;
use crate::record::Record;
use crate::tail::{Cursor, Tailed};

/// Reads a data folder, whoever writes or moves there.
#[derive(Clone)]
pub struct Reader {}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolInfo {
    pub pool: String,
    pub keys: Vec<KeyInfo>,
    pub records: u64,
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

impl Reader {
    /// A missing folder is an empty one.
    pub fn open(_data_dir: &Path) -> Reader { todo!() }
    pub fn query(&self, _query: &Query) -> Result<Vec<Record>> { todo!() }
    /// By name of pool, keys by name.
    pub fn pools(&self) -> Result<Vec<PoolInfo>> { todo!() }
    /// A cursor past everything that is there now.
    pub fn end(&self) -> Result<Cursor> { todo!() }
    /// What arrived after the cursor and matches the query (whose `limit` and `order` do not count), in time
    /// order; moves the cursor.
    pub fn tail(&self, _query: &Query, _cursor: &mut Cursor) -> Result<Tailed> { todo!() }
    /// What cannot be read in the log files that are there now.
    pub fn damage(&self) -> Result<Vec<Damage>> { todo!() }
}
