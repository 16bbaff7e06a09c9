//! The language server: what the compiler knows, for editors, over the Language Server Protocol.
//!
//! It knows nothing of D-Script itself: every answer is read from [`dscript_compiler::session`], which is the compiler's
//! front end with its tables kept. Here are the protocol, the files, and how the one is put into terms of the other.
//!
//! Two threads. The reader (`server`) takes messages in, notes which requests were taken back, and puts everything into
//! a queue. The worker (`worker`) applies edits, puts a program together for each state of the texts, answers requests,
//! and checks body by body in between, so that nothing waits for a check. A third (`whole`) compiles what is free of
//! mistakes to the end, for what only lowering says: capabilities, scenarios, limits. Each request is one row of
//! `features` and one file; a panic in one is logged and answered as an error.

#![forbid(unsafe_code)]

mod actions;
mod calls;
mod completion;
mod describe;
mod diagnostics;
mod documents;
mod features;
mod folding;
mod format;
mod goto;
mod hints;
mod hover;
mod lenses;
mod position;
mod queue;
mod references;
mod roots;
mod server;
mod signature;
mod symbols;
mod tokens;
mod uri;
mod whole;
mod worker;

pub use server::{End, serve, stdio};

use dscript_bytecode::image::{Image, Script};
use dscript_compiler::ScriptProblem;
use serde_json::Value;
use std::path::Path;

/// What the surroundings lend the server.
#[derive(Clone, Copy)]
pub struct Hooks {
    /// A script that a module of a source root embeds.
    pub script: fn(&Path, &str, &str) -> Result<Script, ScriptProblem>,
    /// The state graphs of an image's scenarios, for `dscript.showScenario`.
    pub scenarios: fn(&Image) -> Value,
}
