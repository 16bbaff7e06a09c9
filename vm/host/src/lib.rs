//! Natives that reach outside the program, and the driver that runs D-Tasks over tokio.

pub mod pool;
pub mod run;
pub mod spawner;

mod command;
mod disks;
mod driver;
mod dvmstat;
mod errors;
mod lines;
mod natives;
mod pipes;
mod policy;
mod process;
mod signals;
mod state;
mod system;
mod vmstat;

pub use run::{load, registry};

#[cfg(test)]
mod tests;
#[cfg(test)]
spawner_before_main!();
