//! The end that a signal asks a command for (Ctrl-C, termination, that the terminal is gone). What is being printed is
//! printed to the end of its line, files that are not whole go away, a command that changes something says how far it came, and
//! the exit status is 130. A second signal ends it at once.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dscript_protocol::signals::is_ignored;
use nix::sys::signal::{SigSet, Signal};

const INTERRUPTED: i32 = 130;

static WORDS: Mutex<String> = Mutex::new(String::new());

/// What is said at such an end, if anything. While a command has it, it is not ended, but by a second signal.
pub fn words() -> MutexGuard<'static, String> {
    WORDS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for such a signal from now on. To be called before other threads are started; what whoever started this process
/// wants ignored stays so.
pub fn watch() {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        if !is_ignored(signal as u32) {
            signals.add(signal);
        }
    }
    if signals.thread_block().is_err() {
        return;
    }
    let waiting = std::thread::Builder::new().name("signals".into()).spawn(move || {
        if signals.wait().is_ok() {
            // The next one comes to this thread and has its usual effect.
            let _ = signals.thread_unblock();
            end();
        }
    });
    if waiting.is_err() {
        let _ = signals.thread_unblock();
    }
}

fn end() {
    let words = words();
    let out = io::stdout().lock();
    dscript_files::abandon();
    if !words.is_empty() {
        eprintln!("dsctl: {words}");
    }
    drop(out);
    std::process::exit(INTERRUPTED);
}
