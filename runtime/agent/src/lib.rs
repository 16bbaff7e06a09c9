//! dsvm: runs D-Tasks on this machine, one by hand (`exec`) or those that a controller ships (`node`).

mod ends;
pub mod exec;
pub mod node;
pub mod pools;
pub mod runs;
