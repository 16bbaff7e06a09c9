//! The signals that ask for an orderly end: termination, and that the terminal is gone.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

pub struct Ends {
    terminations: Signal,
    /// `None` where it is ignored, as under `nohup`: it stays so.
    hangups: Option<Signal>,
}

impl Ends {
    pub fn watch() -> io::Result<Self> {
        let terminations = signal(SignalKind::terminate())?;
        let hangups = if is_ignored(nix::sys::signal::Signal::SIGHUP) {
            None
        } else {
            Some(signal(SignalKind::hangup())?)
        };
        Ok(Self { terminations, hangups })
    }

    /// Waits for either.
    pub async fn recv(&mut self) {
        match &mut self.hangups {
            Some(hangups) => {
                tokio::select! {
                    _ = self.terminations.recv() => {}
                    _ = hangups.recv() => {}
                }
            }
            None => {
                self.terminations.recv().await;
            }
        }
    }
}

/// Whether whoever started this process said so, by the kernel's word.
fn is_ignored(wanted: nix::sys::signal::Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (wanted as i32 - 1)) != 0
}
