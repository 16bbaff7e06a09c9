//! What a log record is: its meta data, its identity (run and sequence number) and its typed fields.
//!
//! Plain data. How a record lies on disk is `codec`'s business, and what the names mean is the caller's.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::fields::Fields;
use crate::name::Name;

/// One log record. `(run, seq)` identifies it: a second record with the same pair is the same record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub pool: Name,
    pub key: Name,
    pub node: Name,
    pub task: Name,
    pub run: RunId,
    pub seq: u64,
    /// Nanoseconds since 1970.
    pub time: i64,
    /// In the order in which they were written; names are expected to be different from each other.
    pub fields: Fields,
}

impl Record {
    /// The value of the first field of that name.
    pub fn field(&self, name: &str) -> Option<&FieldValue> {
        self.fields.get(name)
    }

    /// The order of query results: by time, then by identity.
    pub(crate) fn sort_key(&self) -> (i64, RunId, u64) {
        (self.time, self.run, self.seq)
    }
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FieldValue {
    Null,
    Int(i64),
    Double(f64),
    Bool(bool),
    String(String),
    Bytes(Vec<u8>),
    /// Nanoseconds.
    Duration(i64),
    /// Nanoseconds since 1970.
    Time(i64),
    List(Vec<FieldValue>),
    /// In the order in which it was written.
    Map(Vec<(String, FieldValue)>),
}

/// The identity of a run (its trace id): 128 random bits, written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(pub u128);

impl RunId {
    pub fn from_random(bytes: [u8; 16]) -> RunId {
        RunId(u128::from_be_bytes(bytes))
    }

    /// A new id from the kernel's random numbers.
    pub fn new_random() -> std::io::Result<RunId> {
        random_bytes().map(RunId::from_random)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RunId {
    type Err = ParseRunError;

    fn from_str(text: &str) -> Result<RunId, ParseRunError> {
        match text.parse::<RunPrefix>() {
            Ok(prefix) if text.len() == 32 => Ok(RunId(prefix.low)),
            _ => Err(ParseRunError::Id),
        }
    }
}

/// The first digits of a [`RunId`], one to 32 of them; as people type them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunPrefix {
    low: u128,
    high: u128,
}

impl RunPrefix {
    pub fn matches(&self, run: RunId) -> bool {
        (self.low..=self.high).contains(&run.0)
    }
}

/// As it is read.
impl fmt::Display for RunPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = (self.low ^ self.high).leading_zeros() as usize / 4;
        f.write_str(&format!("{:032x}", self.low)[..digits])
    }
}

impl From<RunId> for RunPrefix {
    fn from(run: RunId) -> RunPrefix {
        RunPrefix { low: run.0, high: run.0 }
    }
}

impl FromStr for RunPrefix {
    type Err = ParseRunError;

    fn from_str(text: &str) -> Result<RunPrefix, ParseRunError> {
        if text.is_empty() || text.len() > 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(ParseRunError::Prefix);
        }
        let digits = u128::from_str_radix(text, 16).map_err(|_| ParseRunError::Prefix)?;
        let free = 4 * (32 - text.len() as u32);
        let low = digits << free;
        Ok(RunPrefix { low, high: low | ((1u128 << free) - 1) })
    }
}

/// What the text is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseRunError {
    Id,
    /// The beginning of an id, or a whole one.
    Prefix,
}

impl fmt::Display for ParseRunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ParseRunError::Id => "a run is written as 32 hexadecimal digits",
            ParseRunError::Prefix => "the beginning of a run is written as up to 32 hexadecimal digits",
        })
    }
}

impl std::error::Error for ParseRunError {}

pub(crate) fn random_bytes() -> std::io::Result<[u8; 16]> {
    let mut bytes = [0u8; 16];
    loop {
        // SAFETY: the pointer and the length describe `bytes`, which outlives the call.
        let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
        if got == bytes.len() as isize {
            return Ok(bytes);
        }
        // Up to 256 bytes are never cut short, so anything else is an error.
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_are_read_as_they_are_written() {
        let run = RunId(0x0123_4567_89ab_cdef_0000_0000_0000_0001);
        assert_eq!(run.to_string(), "0123456789abcdef0000000000000001");
        assert_eq!(run.to_string().parse(), Ok(run));
        for bad in ["", "12", "0123456789abcdef000000000000000g", "+123456789abcdef0000000000000001"] {
            assert_eq!(bad.parse::<RunId>(), Err(ParseRunError::Id), "{bad}");
        }
        assert_ne!(RunId::new_random().unwrap(), RunId::new_random().unwrap());
    }

    #[test]
    fn a_prefix_matches_the_runs_that_begin_with_it() {
        let run: RunId = "0123456789abcdef0000000000000001".parse().unwrap();
        for good in ["0", "01", "0123456789abcdef", "0123456789ABCDEF0000000000000001"] {
            assert!(good.parse::<RunPrefix>().unwrap().matches(run), "{good}");
            assert_eq!(good.parse::<RunPrefix>().unwrap().to_string(), good.to_lowercase());
        }
        for other in ["1", "00", "0123456789abcdef0000000000000002"] {
            assert!(!other.parse::<RunPrefix>().unwrap().matches(run), "{other}");
        }
        assert!("".parse::<RunPrefix>().is_err());
        assert!("zz".parse::<RunPrefix>().is_err());
        assert!(RunPrefix::from(run).matches(run));
    }
}
