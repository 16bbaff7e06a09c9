use std::path::Path;
use crate::error::{Damage, Result};

/// What one `move_once` did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    pub records: u64,
    /// Records that were there already.
    pub duplicates: u64,
    pub files_deleted: u64,
    pub damage: Vec<Damage>,
}

/// Holds the mover's lock of a data folder until dropped.
pub struct Mover {}

impl Mover {
    /// `None` while another process (or another `Mover` of this one) holds the lock.
    pub fn try_acquire(_data_dir: &Path) -> Result<Option<Mover>> { todo!() }
    /// Moves everything that is in the log files now.
    pub fn move_once(&mut self) -> Result<Moved> { todo!() }
}
