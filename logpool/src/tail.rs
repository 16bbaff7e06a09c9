use crate::record::Record;

/// How far a follower has come. The default is before everything.
#[derive(Clone, Debug, Default)]
pub struct Cursor {}

/// What one poll found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tailed {
    pub records: Vec<Record>,
    /// There is more already: poll again without a pause.
    pub more: bool,
}
