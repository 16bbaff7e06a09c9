//! Starts programs from small helper processes, so that nothing a D-Task started outlives it.
//!
//! Three kinds of process take part. The *owner* is the embedding program. The *guardian* is the same executable
//! started anew on first use, in a session of its own and single-threaded. The *keeper* is a fork of the
//! guardian, one for each run that starts something; it starts that run's programs, reports how they end, and
//! is their subreaper: whatever they fork and abandon becomes its child.
//!
//! A keeper ends when its owner's end of their socket closes, on purpose or by SIGKILL: it kills every
//! group it started and every descendant it has or inherits, and exits when none is left. It does the same
//! when the guardian dies. When a keeper dies, its direct children get SIGKILL by the parent-death signal, and
//! the rest become children of the guardian, a subreaper too, which kills whatever it has that is no keeper. So
//! the death of any one of the three, or of the owner with either, leaves nothing behind.
//!
//! Daemons. A keeper may be told to *let go*: at its end it kills only what shares its session, or that of a child
//! which still runs. What has gone into a session of its own, as a daemon does, is the system's then: the guardian is
//! no subreaper while that keeper ends, so orphans go to whoever takes them in above. A run that came to its end by
//! itself lets go; the commands of service managers have a keeper of their own that always does.
//!
//! Limits. If guardian and keeper are killed at the same instant, descendants that are neither in a known
//! group nor direct children survive, and so do those of a keeper that is killed at the instant at which another lets
//! go. A process that the keeper may not signal (one that became another user)
//! is waited for, not killed; so is one that hangs in the kernel, and a start from a file system that does not
//! answer holds its keeper up. Children inherit the directory and the environment the owner had at first use.
//!
//! This module knows no tokio beyond `client`, and nothing of programs or capabilities.

mod client;
mod guardian;
mod keeper;
mod launch;
mod pulse;
mod sys;
mod tree;
mod wire;

pub use client::shut_down;
pub(crate) use client::{Child, Children, Exit, KillOnDrop, SCRIPT_PATH, Spawn, SpawnError, Stage, Usage};
pub(crate) use sys::memory_file;
pub(crate) use tree::usage_now;

/// The first argument that makes an embedding program a guardian.
const MARK: &str = "--dscript-spawner";

/// Takes the process over when it was started as a spawner, and does not return then. The first thing that
/// `main` of every embedding program does, before threads exist.
pub fn maybe_run() {
    let mut args = std::env::args_os();
    if args.nth(1).is_some_and(|arg| arg == MARK) {
        guardian::run();
    }
}

/// Calls [`maybe_run`] before `main`, for programs whose `main` is not theirs: a test harness.
#[macro_export]
macro_rules! spawner_before_main {
    () => {
        // SAFETY: the section holds functions of this type, which the C runtime calls once, before `main`, on the
        // only thread; `maybe_run` asks nothing of the Rust runtime but the arguments, which are set up earlier.
        #[used]
        #[unsafe(link_section = ".init_array")]
        static SPAWNER_BEFORE_MAIN: extern "C" fn() = {
            extern "C" fn take_over() {
                $crate::spawner::maybe_run();
            }
            take_over
        };
    };
}

#[cfg(test)]
mod tests;
