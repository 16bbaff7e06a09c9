//! Runs a command and says what it cost.

use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What one run of a command cost, its children included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// User and system time.
    pub cpu: Duration,
    pub wall: Duration,
    /// The largest resident set, in bytes.
    pub memory_bytes: u64,
}

/// Runs the command to its end; an error where it cannot be started or does not end with status 0.
pub fn run(command: &mut Command) -> io::Result<Cost> {
    let start = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let pid = child.id() as libc::pid_t;
    let mut status = 0;
    // SAFETY: all zeros is a value of this plain struct.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both places are live for the call, and the child has not been reaped: nothing else waits for it.
    let reaped = unsafe { libc::wait4(pid, &mut status, 0, &mut usage) };
    let wall = start.elapsed();
    if reaped != pid {
        return Err(io::Error::last_os_error());
    }
    if !libc::WIFEXITED(status) || libc::WEXITSTATUS(status) != 0 {
        return Err(io::Error::other(format!("{command:?} ended with wait status {status}")));
    }
    let time = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1_000);
    let cpu = time(usage.ru_utime) + time(usage.ru_stime);
    Ok(Cost { cpu, wall, memory_bytes: usage.ru_maxrss as u64 * 1024 })
}

/// The median of each figure by itself.
pub fn median(costs: &[Cost]) -> Cost {
    Cost {
        cpu: middle(costs.iter().map(|c| c.cpu).collect()),
        wall: middle(costs.iter().map(|c| c.wall).collect()),
        memory_bytes: middle(costs.iter().map(|c| c.memory_bytes).collect()),
    }
}

fn middle<T: Ord + Copy>(mut all: Vec<T>) -> T {
    all.sort();
    all[all.len() / 2]
}
