//! The signals that ask for an orderly end: termination, and that the terminal is gone.

use std::io;

use dscript_protocol::signals::{SIGHUP, is_ignored};
use tokio::signal::unix::{Signal, SignalKind, signal};

pub struct Ends {
    terminations: Signal,
    /// `None` where it is ignored, as under `nohup`: it stays so.
    hangups: Option<Signal>,
}

impl Ends {
    pub fn watch() -> io::Result<Self> {
        let terminations = signal(SignalKind::terminate())?;
        let hangups = if is_ignored(SIGHUP) { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self { terminations, hangups })
    }

    /// Those that are watched for.
    pub fn kinds(&self) -> impl Iterator<Item = SignalKind> + use<> {
        let hangup = self.hangups.as_ref().map(|_| SignalKind::hangup());
        [SignalKind::terminate()].into_iter().chain(hangup)
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
