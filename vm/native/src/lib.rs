//! Native code: the bytecode of a program through Cranelift.
//!
//! A program's functions become machine code that the interpreter enters at calls, and that calls back for whatever
//! is rare (`dscript_interp::door`). Both run the same program with the same values, windows and limits, and a trap
//! reads the same; what may not be native (a very long function, one with very many registers in a cycle of calls)
//! stays with the interpreter. In order:
//!
//! - `unit`: which functions may be native, and the tables that calls by type need;
//! - `analysis`: what is alive where in a function, and which references need slots;
//! - `replaced`: which objects are never made;
//! - `short`: where functions return early;
//! - `regions`: which regions of `within` are open where in a function, and how a frame goes on when the time is up;
//! - `ranges`: between which bounds ints lie, for checks that cannot fail;
//! - `loops`: loops in which no list changes, and those that count; `sums`: which elements they reach;
//! - `translate`: from bytecode to Cranelift's form;
//! - `compile`: to one piece of position-independent code with its tables; `flags`: its jumps on overflow; `alignment`: where its
//!   functions begin;
//! - `glue`: code in it that is the same for every program;
//! - `code`, `memory`: pieces where they run;
//! - `engine`: how the interpreter enters it; `hot`, `foresight`: when what is compiled; `met`: which loop code begins with;
//! - `ahead`: pieces that are made ahead of time and kept in images;
//! - `context`: what native code has at hand, and the functions it calls out to.
//!
//! The collector needs no stack maps: a reference that is alive where a collection may happen lies in a slot of the
//! frame's window of the reference bank. Frames leave no records: what a report of a trap needs is found from return
//! addresses. Code is never changed once it may be executed, and goes as a whole with its program.

mod ahead;
mod alignment;
mod analysis;
mod code;
mod compile;
mod context;
mod engine;
mod flags;
mod foresight;
mod glue;
mod graph;
mod hot;
mod layout;
mod loops;
mod memory;
mod met;
mod ranges;
mod regions;
mod replaced;
mod short;
mod sums;
mod translate;
mod unit;

pub use ahead::{ARCHITECTURES, attach_ahead, compile_ahead};
pub use engine::{attach_auto, attach_jit};
pub use hot::Pace;
