//! What the controller decides about nodes and runs. Pure: no disk, no clock, no socket, no chance but what it is
//! given. `state` is what must survive, changed by entries of the journal only; `step` turns events into entries
//! and effects, `operators` those that people ask for; `view` is what operators are shown.

mod operators;
mod state;
mod step;
#[cfg(test)]
mod tests;
mod view;

pub use state::{Durable, Entry, Node, Run};
pub use step::{Connection, Effect, Event, Fleet, Now, Request, Step};
