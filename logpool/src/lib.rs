//! The LogPool: where every log record of every node is kept.
//!
//! A writing process appends to a log file of its own ([`Writer`]); whoever holds the lock moves what was
//! appended into the database ([`Mover`]); a query merges the two ([`Reader`]). An agent keeps what its
//! controller has not confirmed yet in a [`Spool`], made of the same log files. A record is known by its run
//! and its sequence number, so moving and sending it twice stores it once.
//!
//! The crate knows files and records. It knows neither nodes nor sockets nor the D-Script language, it starts
//! a thread for each `Writer` that is given a callback and for files that are dropped, and it never reads the clock.

mod block;
mod codec;
mod column;
mod commit;
mod cpu;
mod database;
mod error;
mod expr;
mod fields;
mod flat;
mod folder;
mod frame;
mod incoming;
mod index;
mod json;
mod keys;
pub mod limits;
mod log;
mod merge;
mod mover;
mod name;
mod names;
mod order;
mod packed;
mod payload;
mod query;
mod ranges;
mod reader;
mod record;
mod rows;
mod segment;
mod snapshot;
mod spool;
mod standing;
mod stats;
mod store;
mod tail;
mod text;
#[cfg(test)]
mod torn;
mod unwritten;
mod values;
mod verify;
mod writer;

pub use block::Kind as FieldKind;
pub use dscript_units::{duration_text, parse_duration};
pub use error::{Damage, LogPoolError, Result, Skipped};
pub use expr::ExprError;
pub use fields::{Fields, FieldsIter, Shape};
pub use json::{record_from_json, record_json, value_from_json, value_json, value_type};
pub use keys::{KeyName, READ_ONLY, full_key, latest_key, series_key};
pub use mover::{Moved, Mover};
pub use name::Name;
pub use order::Order;
pub use query::{Condition, Pattern, Query};
pub use reader::{FieldInfo, KeyInfo, PoolInfo, Reader};
pub use record::{FieldValue, ParseRunError, Record, RunId, RunPrefix};
pub use spool::{Spool, SpoolBatch, SpoolPosition};
pub use standing::{Standing, Turn};
pub use stats::{Stats, StatsRow};
pub use store::Retention;
pub use tail::{Cursor, Tailed};
pub use text::{parse_moment, parse_time, time_text, value_text};
pub use verify::{Verified, verify};
pub use writer::{Ack, Done, Writer};
