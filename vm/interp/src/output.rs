//! How much a task may print. Every engine prints through one native, which counts here before the host has the line.

use crate::native::Trapped;
use crate::task::Host;
use crate::vm::{size_text, trapped};
use dscript_bytecode::trap::TrapKind;

const HOUR_NS: i64 = 3_600_000_000_000;

/// What a task may print in an hour: it may live on for years, so that what it prints in all says nothing.
#[derive(Clone, Copy, Debug)]
pub struct OutputLimit {
    pub bytes: u64,
    /// What a line counts beside its text: its end, or what it is kept with.
    pub line_bytes: u64,
}

/// So many bytes an hour.
#[derive(Clone, Copy, Debug)]
pub struct Hourly {
    limit_bytes: u64,
    bytes: u64,
    /// Nanoseconds on a monotonic clock. The next hour begins with the first that comes after this one and has no room in
    /// it, so that the clock is asked only then.
    since: i64,
}

impl Hourly {
    /// The first hour begins now.
    pub fn new(limit_bytes: u64, now: i64) -> Self {
        Hourly { limit_bytes, bytes: 0, since: now }
    }

    /// Counts `bytes` more; where they have no room they are not counted, and an error says so.
    pub fn take(&mut self, bytes: u64, now: impl FnOnce() -> i64) -> Result<(), String> {
        if bytes > self.limit_bytes - self.bytes {
            let now = now();
            if bytes > self.limit_bytes || now - self.since < HOUR_NS {
                return Err(format!("more than {} in an hour", size_text(self.limit_bytes)));
            }
            (self.since, self.bytes) = (now, 0);
        }
        self.bytes += bytes;
        Ok(())
    }
}

/// What a task has printed.
pub(crate) struct Printed(Option<(Hourly, u64)>);

impl Printed {
    pub fn new(limit: Option<OutputLimit>, host: &dyn Host) -> Self {
        Printed(limit.map(|limit| (Hourly::new(limit.bytes, host.monotonic()), limit.line_bytes)))
    }

    /// Counts a line that is about to be printed; a trap where it has no room.
    pub fn line(&mut self, text_bytes: usize, host: &dyn Host) -> Result<(), Trapped> {
        let Some((hourly, line_bytes)) = &mut self.0 else { return Ok(()) };
        hourly
            .take(*line_bytes + text_bytes as u64, || host.monotonic())
            .map_err(|why| trapped(TrapKind::Output, why))
    }
}
