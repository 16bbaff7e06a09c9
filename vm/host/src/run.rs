//! Runs one D-Task of a verified program on the current thread's tokio runtime.

use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::task::Poll;
use std::time::Duration;

use crate::pool::Pools;
use crate::{driver, natives};
pub use dscript_interp::OutputLimit;
use dscript_interp::native::Registry;
use dscript_interp::{LoadError, Program};
use tokio::time::Instant;

/// What a run may do and how far it may go.
pub struct RunOptions {
    /// The D-Task to run; `None` is the script, else the only task of the program.
    pub task: Option<String>,
    /// Parameters as text, each read by the declared type of the parameter.
    pub params: Vec<(String, String)>,
    pub policy: Policy,
    pub limits: Limits,
    pub pools: Arc<dyn Pools>,
    pub node: NodeFacts,
    /// Receives every line that the program prints, without its line end.
    pub print: Box<dyn FnMut(&str)>,
}

/// What a program is told of the node it runs on.
#[derive(Clone, Debug, Default)]
pub struct NodeFacts {
    /// As `node` and log records show it.
    pub name: String,
    pub labels: Vec<(String, String)>,
}

/// Which capabilities a run may use, as patterns of `dscript_bytecode::capability`.
/// A capability is usable when the image declares it, some `allow` covers it and no `deny` does.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Empty allows whatever the image declares.
    pub allow: Vec<String>,
    pub deny: Vec<String>,
    /// Whether a program that declares what is wholly denied is refused before it starts, as a node's owner wants;
    /// else what it asks for fails with code `denied` when it comes to it.
    pub refuse_early: bool,
}

/// What a record of a log pool counts beside its key and fields.
pub const RECORD_BYTES: u64 = 256;

/// The limits of one run. Those that are not told allow 256 MiB, 64 Ki frames, 256 subprocesses and 256 open files, and
/// any time, output and puts.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Live bytes of the task's heap.
    pub memory_bytes: u64,
    /// Frames of one fiber.
    pub frames: u32,
    /// Wall time until the result must stand; `None` is no limit.
    pub time: Option<Duration>,
    /// What the body and, apart from it, `undo` may print; `None` is no limit.
    pub output: Option<OutputLimit>,
    /// Bytes that the program may put into log pools in an hour, each record with [`RECORD_BYTES`] beside its fields;
    /// `None` is no limit.
    pub puts: Option<u64>,
    /// Subprocesses that run at once.
    pub subprocesses: usize,
    /// Files that are read line by line, and connections, that are open at once.
    pub open: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            memory_bytes: 256 << 20,
            frames: 64 << 10,
            time: None,
            output: None,
            puts: None,
            subprocesses: 256,
            open: 256,
        }
    }
}

/// How a run's result came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The body ended, with true or false.
    Returned,
    /// `fail`, or an error handed on by `try`.
    Failed,
    /// A bug: overflow, bad index, a limit of memory, stack or output, ...
    Trapped,
    /// The limit of time was reached.
    TimedOut,
    /// Stopped from outside before the result stood.
    Stopped,
}

/// The result of a D-Task.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// True only for `Returned` with true.
    pub value: bool,
    pub ending: Ending,
    /// One or more lines that begin with the kind (`fail: ...`, `trap overflow: ...` with position and call
    /// stack); `None` when the body returned.
    pub reason: Option<String>,
    /// Nanoseconds since 1970 UTC.
    pub started: i64,
    pub ended: i64,
}

/// What a run reports while it goes on.
#[derive(Clone, Debug)]
pub enum RunEvent {
    /// The body ended: the result stands. The task lives on while its subprocesses do.
    Result(Outcome),
    /// Something went wrong beside the body: a callback trapped, `undo` failed. The result stands.
    Trouble(String),
    /// Nothing of the task is left; the last event.
    Gone,
}

/// Why a run could not begin: no such task, a bad parameter, a capability the policy refuses.
#[derive(Clone, Debug)]
pub struct Refusal(pub String);

/// Stops a run from any thread, once or often; clones name the same run.
#[derive(Clone)]
pub struct Stop {
    sender: tokio::sync::watch::Sender<bool>,
    /// That it is to stop, for who cannot wait for the sender.
    due: Arc<AtomicBool>,
    /// When it is to stop by itself.
    at: Arc<OnceLock<Instant>>,
}

impl Stop {
    pub fn new() -> Self {
        Self { sender: tokio::sync::watch::Sender::new(false), due: Arc::default(), at: Arc::default() }
    }

    /// Ends the body if it still runs and everything the task started; the run then reports `Gone`.
    pub fn stop(&self) {
        self.due.store(true, Ordering::Relaxed);
        self.sender.send_replace(true);
    }

    /// Stops the run at a moment, whatever it does then; the first call counts.
    pub fn stop_at(&self, at: Instant) {
        let _ = self.at.set(at);
    }

    /// A flag that a signal handler may set: long work of the library sees it, and comes to an end. `stop` is still to be
    /// called.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.due.clone()
    }

    /// Whether the run is to stop by now.
    pub(crate) fn is_due(&self) -> bool {
        self.due.load(Ordering::Relaxed) || self.at.get().is_some_and(|at| *at <= Instant::now())
    }

    /// Ready once the run is to stop, also where that came about while nothing could be waited for.
    pub(crate) async fn stopped(&self) {
        if self.is_due() {
            return;
        }
        let mut sender = self.sender.subscribe();
        // The sender lives as long as `self`.
        let told = async { drop(sender.wait_for(|stop| *stop).await) };
        let at = self.at.get().copied();
        let mut first = std::pin::pin!(async {
            tokio::select! {
                () = told => {}
                () = until(at) => {}
            }
        });
        poll_fn(|context| match self.is_due() {
            true => Poll::Ready(()),
            false => first.as_mut().poll(context),
        })
        .await;
    }
}

/// Ready at a moment, or never: as soon as the clock says so, though the timer may not have rung yet.
pub(crate) async fn until(at: Option<Instant>) {
    let Some(at) = at else { return std::future::pending().await };
    let mut rung = std::pin::pin!(tokio::time::sleep_until(at));
    poll_fn(|context| match at <= Instant::now() {
        true => Poll::Ready(()),
        false => rung.as_mut().poll(context),
    })
    .await;
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs a D-Task to its end. The future is not `Send`: it stays on its thread, and must be driven inside a
/// `tokio::task::LocalSet` of a current-thread runtime, where many runs may go on side by side. Dropping it
/// kills what the run started.
pub async fn run(
    program: Arc<Program>,
    options: RunOptions,
    stop: &Stop,
    events: impl FnMut(RunEvent),
) -> Result<(), Refusal> {
    driver::run(program, options, stop, events).await
}

/// The natives of the engine and of this crate.
pub fn registry() -> &'static Registry {
    static ALL: LazyLock<Registry> = LazyLock::new(|| {
        let mut registry = Registry::pure();
        natives::ALL.into_iter().for_each(|natives| registry.add(natives));
        registry
    });
    &ALL
}

/// Reads, verifies and links an image with all natives.
pub fn load(bytes: &[u8]) -> Result<Arc<Program>, LoadError> {
    Program::load(bytes, registry())
}
