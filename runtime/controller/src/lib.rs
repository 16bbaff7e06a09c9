//! dsctl: the controller (`serve`), the operator's commands, and `demo`, the whole path on one machine.

pub mod client;
pub mod commands;
pub mod demo;
pub mod ends;
pub mod fleet;
mod frames;
pub mod log;
mod out;
pub mod serve;
