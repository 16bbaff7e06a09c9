//! What a node decides about its runs. Pure: no disk, no clock, no socket. `state` is what must survive, changed
//! by entries of the journal only; `step` turns events into entries and effects.

mod state;
mod step;
#[cfg(test)]
mod tests;

pub use state::{Durable, Entry, Run};
pub use step::{Effect, Event, Now, Runs, Start, Step};
