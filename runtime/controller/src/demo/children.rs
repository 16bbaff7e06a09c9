//! The processes of the demonstration: started in groups of their own, so that Ctrl-C is ours to answer, and ended
//! with us whatever happens.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A child has this long to end by itself.
const GOODBYE_MAX: Duration = Duration::from_secs(7);
const LOG_BYTES_SHOWN: usize = 4000;

pub struct Child {
    name: &'static str,
    child: std::process::Child,
    log: PathBuf,
}

impl Child {
    /// Starts it with its output going to `log`.
    pub fn start(name: &'static str, command: &mut Command, log: &Path) -> Result<Self, String> {
        let file = File::create(log).map_err(|why| format!("cannot make {}: {why}", log.display()))?;
        let again = file.try_clone().map_err(|why| format!("cannot use {}: {why}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file).stderr(again).process_group(0);
        // SAFETY: between fork and exec only a system call is made, which touches no memory of ours.
        unsafe {
            command.pre_exec(|| nix::sys::prctl::set_pdeathsig(Signal::SIGTERM).map_err(Into::into));
        }
        let program = command.get_program().to_owned();
        let child =
            command.spawn().map_err(|why| format!("cannot start {}: {why}", program.to_string_lossy()))?;
        Ok(Self { name, child, log: log.to_owned() })
    }

    /// An error with what it said if it has ended.
    pub fn must_live(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(Some(status)) => {
                Err(format!("{} ended by itself ({status}):\n{}", self.name, self.log_text()))
            }
            _ => Ok(()),
        }
    }

    /// The end of what it said.
    pub fn log_text(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        let from = bytes.len().saturating_sub(LOG_BYTES_SHOWN);
        String::from_utf8_lossy(&bytes[from..]).into_owned()
    }

    /// Tells it to end, and makes it if it does not.
    pub fn end(self) {
        drop(self);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let Ok(None) = self.child.try_wait() else { return };
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let begun = Instant::now();
        while begun.elapsed() < GOODBYE_MAX {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that lies beside this one.
pub fn sibling(name: &str) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|why| format!("cannot find dsctl itself: {why}"))?;
    let folder = own.parent().unwrap_or(Path::new("."));
    let path = folder.join(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(format!(
        "{name} is not beside dsctl in {}: build all three with `cargo build --release`, or install them together",
        folder.display()
    ))
}
