//! The end that a signal asks for: what was started ends too, and the folder of the databases is deleted.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;

static ENDING: AtomicBool = AtomicBool::new(false);

/// Call it before any other thread is started.
pub fn delete_on_signals(folder: PathBuf) {
    let mut signals = SigSet::empty();
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().for_each(|signal| signals.add(signal));
    signals.thread_block().expect("signals");
    std::thread::spawn(move || {
        let signal = signals.wait().expect("a signal");
        ENDING.store(true, Ordering::SeqCst);
        for child in children() {
            // It may have ended by itself.
            let _ = kill(Pid::from_raw(child), Signal::SIGKILL);
        }
        // A child that is just ending may still make a file.
        for _ in 0..100 {
            let _ = fs::remove_dir_all(&folder);
            std::thread::sleep(Duration::from_millis(10));
            if !folder.exists() {
                break;
            }
        }
        std::process::exit(128 + signal as i32);
    });
}

/// Waits for the end, if a signal has asked for it: what a child says then is no answer.
pub fn wait_if_ending() {
    while ENDING.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn children() -> Vec<i32> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>())
        .collect()
}
