//! Natives that reach outside the program, and the driver that runs D-Tasks over tokio.

pub mod pool;
pub mod run;
