//! The contract between compiler and VM: ids, the instruction table, the image, its file form and its checks.

pub mod asm;
pub mod capability;
pub mod codec;
pub mod file;
pub mod ids;
pub mod image;
pub mod instr;
pub mod limits;
pub mod literal;
pub mod param;
pub mod scenario;
pub mod script;
pub mod trap;
pub mod verify;
