use std::path::Path;
use crate::error::{Damage, Result};
use crate::record::Record;
use crate::writer::{Ack, Done};

/// A place in the spool, between two records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpoolPosition {
    part: u64,
    offset: u64,
    index: u32,
}

/// Records in the order in which they were appended, and the position after them.
#[derive(Clone, Debug, PartialEq)]
pub struct SpoolBatch {
    pub records: Vec<Record>,
    pub end: SpoolPosition,
    pub damage: Vec<Damage>,
}

/// The records of a node that its controller has not confirmed.
#[derive(Clone)]
pub struct Spool {}

impl Spool {
    /// One process at a time; `LogPoolError::InUse` otherwise.
    pub fn open(_dir: &Path) -> Result<Spool> { todo!() }
    pub fn append(&self, _records: Vec<Record>) -> Result<Ack> { todo!() }
    pub fn append_with(&self, _records: Vec<Record>, _done: Done) { todo!() }
    pub fn flush(&self) -> Result<()> { todo!() }
    /// The first records that are not acknowledged; the same again until they are. At least one if there is
    /// one, whatever its size.
    pub fn next_batch(&self, _max_records: usize, _max_bytes: usize) -> Result<SpoolBatch> { todo!() }
    /// Records after a position that a batch ended at, for a sender with several batches under way.
    pub fn batch_after(&self, _after: SpoolPosition, _max_records: usize, _max_bytes: usize) -> Result<SpoolBatch> { todo!() }
    pub fn acknowledged(&self) -> SpoolPosition { todo!() }
    /// Everything before `up_to` is safe elsewhere and may be deleted. An earlier position than before is ignored.
    pub fn acknowledge(&self, _up_to: SpoolPosition) -> Result<()> { todo!() }
}
