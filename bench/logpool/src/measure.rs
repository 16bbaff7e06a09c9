//! Clocks and memory of the process that measures itself.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Wall time and CPU time (user and system, all threads) since a moment.
pub struct Span {
    wall: Instant,
    cpu: Duration,
}

#[derive(Clone, Copy, Default)]
pub struct Times {
    pub wall: Duration,
    pub cpu: Duration,
}

impl Span {
    pub fn begin() -> Span {
        Span { wall: Instant::now(), cpu: clock(libc::CLOCK_PROCESS_CPUTIME_ID) }
    }

    pub fn times(&self) -> Times {
        Times { wall: self.wall.elapsed(), cpu: clock(libc::CLOCK_PROCESS_CPUTIME_ID) - self.cpu }
    }
}

pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Times) {
    let span = Span::begin();
    let done = work();
    (done, span.times())
}

/// CPU time of this thread alone.
pub fn thread_cpu() -> Duration {
    clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn clock(id: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes the structure it is given, and both clocks exist on Linux.
    let failed = unsafe { libc::clock_gettime(id, &mut time) };
    assert_eq!(failed, 0, "the kernel has no clock {id}");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The most memory that was resident since the process began, in bytes.
pub fn peak_rss() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0);
    kib * 1024
}

pub fn median(mut times: Vec<Times>) -> Times {
    times.sort_by_key(|times| times.cpu);
    times[times.len() / 2]
}

pub fn times(times: Times) -> Value {
    json!({ "wall_ms": times.wall.as_secs_f64() * 1e3, "cpu_ms": times.cpu.as_secs_f64() * 1e3 })
}
