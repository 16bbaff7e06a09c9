//! The engine: heap, frames, fibers, dispatch, pure natives. Knows no clock, file or socket.

pub mod native;
pub mod task;
pub mod value;
pub struct Program;
