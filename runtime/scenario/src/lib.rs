//! A scenario on one node, as pure decisions: `step(now, event) -> effects`.
//!
//! A [`Plan`] is what the manifest says of a scenario with the values of its parameters. A [`Machine`] is where one
//! instance stands; it is plain data, so that a node can make it durable and go on from it after a restart. Whoever
//! drives it carries out the [`Effect`]s, tells it [`Event`]s, and calls it again when [`Machine::wake`] has come.
//!
//! Nothing here knows a clock, a socket, a program or who grants permits: a node drives it in real time, `dsc test`
//! in virtual time.

#![forbid(unsafe_code)]

mod machine;
mod plan;

pub use machine::{Effect, Event, Machine, Token};
pub use plan::{Plan, SettingError};
