//! What the natives of one run share: its children, its pools, its clock.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use dscript_interp::value::ErrorValue;
use dscript_interp::{Held, Host, Hourly, Room};
use tokio::sync::mpsc;

use crate::errors;
use crate::pool::{PoolValue, Pools};
use crate::process::Process;
use crate::run::{Limits, NodeFacts, RECORD_BYTES};
use crate::spawner::Children;

/// The state of one run, as `OutsideCall::host` gives it to natives.
pub struct RunState {
    pub node: NodeFacts,
    pub children: Children,
    pub pools: Arc<dyn Pools>,
    /// The only clock.
    pub host: Rc<dyn Host>,
    /// Whether the program has reached outside, so that `undo` has something to undo.
    pub reached: Cell<bool>,
    /// For what goes wrong beside the body.
    pub trouble: Trouble,
    /// Where what is held for the program counts.
    room: RefCell<Room>,
    processes: RefCell<Vec<Rc<Process>>>,
    /// Length of `processes` at which those that ended are forgotten.
    prune_at: Cell<usize>,
    /// Files and connections that are open.
    open: Rc<Cell<usize>>,
    open_max: usize,
    puts: RefCell<Option<Hourly>>,
}

/// Takes reports for the log of the run.
pub type Trouble = mpsc::UnboundedSender<String>;

/// How an error of a subprocess reads in the log.
pub fn report(program: &str, error: &ErrorValue) -> String {
    format!("subprocess {program}: {}: {}", error.code, error.message)
}

/// Fewer are not worth a look.
const PRUNE_MIN: usize = 16;

/// That a file or a connection is open, until it is dropped.
#[derive(Debug)]
pub struct Open(Rc<Cell<usize>>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl RunState {
    pub fn new(
        node: NodeFacts,
        pools: Arc<dyn Pools>,
        host: Rc<dyn Host>,
        trouble: Trouble,
        limits: &Limits,
    ) -> Rc<Self> {
        let puts = RefCell::new(limits.puts.map(|bytes| Hourly::new(bytes, host.monotonic())));
        Rc::new(Self {
            node,
            children: Children::new(limits.subprocesses),
            pools,
            host,
            reached: Cell::new(false),
            trouble,
            room: RefCell::default(),
            processes: RefCell::default(),
            prune_at: Cell::new(PRUNE_MIN),
            open: Rc::default(),
            open_max: limits.open,
            puts,
        })
    }

    /// From now on, what is held is held for this task.
    pub fn hold_in(&self, room: Room) {
        self.room.replace(room);
    }

    /// Nothing so far, to grow with what is held for the program.
    pub fn hold(&self) -> Held {
        self.room.borrow().hold()
    }

    /// Counts a file or a connection, or is an error with the code `limit`.
    pub fn open_one(&self) -> Result<Open, ErrorValue> {
        if self.open.get() >= self.open_max {
            let text = format!(
                "as many files and connections of this task are open as may be ({}); close some",
                self.open_max
            );
            return Err(errors::error("limit", text));
        }
        self.open.set(self.open.get() + 1);
        Ok(Open(self.open.clone()))
    }

    /// Counts a record that the program is about to put, or is an error with the code `limit`.
    pub fn put_one(&self, key: &str, fields: &[(String, PoolValue)]) -> Result<(), ErrorValue> {
        let Some(hourly) = &mut *self.puts.borrow_mut() else { return Ok(()) };
        let fields: usize = fields.iter().map(|(name, value)| name.len() + value.bytes()).sum();
        hourly
            .take(RECORD_BYTES + (key.len() + fields) as u64, || self.host.monotonic())
            .map_err(|why| errors::error("limit", format!("this task puts into log pools {why}")))
    }

    /// A handle of something that could not be started, which the log tells too.
    pub fn in_error(&self, program: &str, error: ErrorValue) -> Rc<Process> {
        let _ = self.trouble.send(report(program, &error));
        Process::in_error(program, error, self.trouble.clone())
    }

    /// Remembers a process while it runs.
    pub fn remember(&self, process: Rc<Process>) {
        let mut all = self.processes.borrow_mut();
        if all.len() >= self.prune_at.get() {
            all.retain(|process| process.is_running());
            self.prune_at.set(PRUNE_MIN.max(2 * all.len()));
        }
        all.push(process);
    }

    /// Those that run now.
    pub fn running(&self) -> Vec<Rc<Process>> {
        self.processes.borrow().iter().filter(|process| process.is_running()).cloned().collect()
    }

    /// Kills what was started in a `within` region that is over.
    pub fn kill_region(&self, region: u64) {
        for process in self.running() {
            if process.regions().contains(&region) {
                process.kill_now();
            }
        }
    }

    /// Ends all that the run started, and whatever came of it, but for daemons where these are let go; returns when it
    /// is gone.
    pub async fn end_processes(&self, let_go: bool) {
        if let_go {
            self.children.let_go();
        }
        self.children.close().await;
        self.processes.borrow_mut().clear();
    }

    pub async fn sleep(&self, nanoseconds: i64) {
        let until = self.host.monotonic().saturating_add(nanoseconds.max(0));
        self.host.sleep_until(until).await;
    }
}
