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

/// What a task has printed since an hour began.
pub(crate) struct Printed {
    limit: Option<OutputLimit>,
    bytes: u64,
    /// On the host's monotonic clock. The next hour begins with the first line that comes after this one and has no
    /// room in it, so that the clock is asked only then.
    since: i64,
}

impl Printed {
    pub fn new(limit: Option<OutputLimit>, host: &dyn Host) -> Self {
        Printed { limit, bytes: 0, since: limit.map_or(0, |_| host.monotonic()) }
    }

    /// Counts a line that is about to be printed; a trap where it has no room.
    pub fn line(&mut self, text_bytes: usize, host: &dyn Host) -> Result<(), Trapped> {
        let Some(limit) = self.limit else { return Ok(()) };
        let line = limit.line_bytes + text_bytes as u64;
        if line > limit.bytes - self.bytes {
            let now = host.monotonic();
            if line > limit.bytes || now - self.since < HOUR_NS {
                let text = format!("more than {} in an hour", size_text(limit.bytes));
                return Err(trapped(TrapKind::Output, text));
            }
            (self.since, self.bytes) = (now, 0);
        }
        self.bytes += line;
        Ok(())
    }
}
