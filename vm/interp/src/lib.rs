//! The engine: heap, frames, fibers, dispatch, pure natives. Knows no clock, file or socket.

pub mod arithmetic;
mod code;
mod collector;
mod convert;
mod defaults;
pub mod door;
mod equal;
mod fiber;
mod format;
mod heap;
mod interp;
mod link;
mod list;
mod map;
mod memory;
pub mod native;
mod natives;
mod ops;
mod output;
mod program;
mod quick;
mod render;
mod report;
mod stack;
mod start;
pub mod task;
mod text;
pub mod value;
mod vm;

pub use fiber::Fiber;
pub use format::{double_text, duration_text, parse_double, parse_duration, parse_time, time_text};
pub use output::{Hourly, OutputLimit};
pub use program::{LoadError, Program};
pub use report::{Failed, FiberEnd, Frame, TrapReport};
pub use task::{Host, Task, TaskOptions};
pub use vm::Vm;
