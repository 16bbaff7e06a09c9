//! Drives one run: picks the task, fits its parameters, polls its fibers, and ends what it started.
//!
//! Steps: refuse or begin; the body until its result stands (it ended, was stopped, or its time is up); on any
//! ending but a return, everything the body left running is ended and `undo` runs; else callbacks and
//! subprocesses live on until they end, a callback traps, or the run is stopped; at last all that is left goes, but
//! for the daemons of a run that came to its end by itself.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dscript_bytecode::param;
use dscript_interp::value::Value;
use dscript_interp::{FiberEnd, Host, Program, Task, TaskOptions, duration_text};
use tokio::sync::{Notify, mpsc};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use crate::natives::Outside;
use crate::policy::Rules;
use crate::run::{self, Ending, Outcome, Refusal, RunEvent, RunOptions, Stop};
use crate::state::RunState;

/// `undo` has this long.
const UNDO_MAX: Duration = Duration::from_secs(60);
/// A fiber that is alone goes on for this long before it gives way to what is outside of its task.
const ALONE_MAX: Duration = Duration::from_micros(200);
/// Fibers that were cancelled have this long to end before they are dropped.
const CANCEL_MAX: Duration = Duration::from_secs(5);

pub async fn run(
    program: Arc<Program>,
    options: RunOptions,
    stop: &Stop,
    mut events: impl FnMut(RunEvent),
) -> Result<(), Refusal> {
    let RunOptions { task, params, policy, limits, pools, node, print } = options;
    let index = program.manifest().choose_task(task.as_deref()).map_err(Refusal)?;
    let rules = Rules::new(&policy).map_err(|why| Refusal(format!("the policy: {why}")))?;
    let refused = rules.refused(&program.manifest().capabilities);
    if policy.refuse_early && !refused.is_empty() {
        return Err(Refusal(format!("the program needs what the policy denies: {}", refused.join(", "))));
    }

    let host = Rc::new(RunHost::new(print));
    *host.stop.borrow_mut() = Some(stop.clone());
    let (trouble, troubles) = mpsc::unbounded_channel();
    let state = RunState::new(node, pools, host.clone(), trouble, &limits);
    // Whatever becomes of this future, nothing that it started outlives it.
    let _guard = Abandon(state.clone());
    let _ = host.state.set(Rc::downgrade(&state));
    let rules = Rc::new(rules);
    let new_task = || {
        let rules = rules.clone();
        let outside = Outside { state: state.clone() };
        let options = TaskOptions {
            memory_bytes: limits.memory_bytes,
            frames_max: limits.frames,
            output: limits.output,
            host: host.clone(),
            data: Rc::new(outside),
            allow: Box::new(move |capability| rules.allows(capability)),
        };
        let task = Task::new(program.clone(), options);
        state.hold_in(task.room());
        task
    };
    let task = new_task();
    let row = &program.manifest().tasks[index];
    let params = param::fit(program.image(), row, &params).map_err(Refusal)?;
    let params: Vec<Option<Value>> = params.into_iter().map(|given| given.map(Value::from)).collect();

    let mut running =
        Running { task, host: host.clone(), state: state.clone(), troubles, fibers: JoinSet::new() };
    let started = running.host.now();
    let (ending, value, reason) = running.body(index, params.clone(), limits.time, stop, &mut events).await;
    let ended = host.now();
    running.tell(&mut events);
    events(RunEvent::Result(Outcome { value, ending, reason, started, ended }));
    let mut let_go = false;
    if ending == Ending::Returned {
        let lived = running.live_on(stop, &mut events).await;
        running.tell(&mut events);
        match lived {
            Ok(by_itself) => let_go = by_itself,
            Err(why) => events(RunEvent::Trouble(why)),
        }
    }
    running.end(let_go).await;
    if ending != Ending::Returned && state.reached.get() && row.undo.is_some() {
        // A task that was cancelled runs nothing more. What stopped it does not stop this.
        *host.stop.borrow_mut() = None;
        running.task = new_task();
        let undone = running.undo(index, params, &mut events).await;
        running.tell(&mut events);
        if let Err(why) = undone {
            events(RunEvent::Trouble(why));
        }
    }
    running.tell(&mut events);
    events(RunEvent::Gone);
    Ok(())
}

/// A task with its fibers and what it started.
struct Running {
    task: Task,
    host: Rc<RunHost>,
    state: Rc<RunState>,
    /// What goes wrong beside the body.
    troubles: mpsc::UnboundedReceiver<String>,
    fibers: JoinSet<FiberEnd>,
}

/// Whether the task goes on: also when a fiber ended with the `within` region it was started in.
fn is_good(end: &FiberEnd) -> bool {
    matches!(end, FiberEnd::Returned(_) | FiberEnd::Cancelled)
}

struct Abandon(Rc<RunState>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.children.abandon();
    }
}

impl Running {
    /// The result of the body.
    async fn body(
        &mut self,
        index: usize,
        params: Vec<Option<Value>>,
        limit: Option<Duration>,
        stop: &Stop,
        events: &mut impl FnMut(RunEvent),
    ) -> (Ending, bool, Option<String>) {
        let until = limit.and_then(|limit| Instant::now().checked_add(limit));
        self.host.until.set(until);
        let body = self.fibers.spawn_local(self.task.start_with(index, params)).id();
        let end = tokio::select! {
            biased;
            () = stop.stopped() => None,
            () = run::until(until) => {
                self.host.until.set(None);
                let limit = i64::try_from(limit.unwrap_or_default().as_nanos()).unwrap_or(i64::MAX);
                let reason = format!("timeout: not done after {}", duration_text(limit));
                return (Ending::TimedOut, false, Some(reason));
            }
            (id, end) = self.next(Some(body), events) => Some((id, end)),
        };
        self.host.until.set(None);
        match end {
            None => (Ending::Stopped, false, Some("stopped".into())),
            Some((id, FiberEnd::Returned(value))) if id == body => (Ending::Returned, value, None),
            Some((_, end @ FiberEnd::Failed(_))) => (Ending::Failed, false, Some(end.to_string())),
            Some((_, end @ FiberEnd::Trapped(_))) => (Ending::Trapped, false, Some(end.to_string())),
            // A callback that is done does not end the wait, and nobody cancels the body but `stop`.
            Some(_) => (Ending::Stopped, false, Some("stopped".into())),
        }
    }

    /// After the body has returned: until callbacks and subprocesses have ended, or a callback has gone wrong. Whether
    /// it came to this end by itself.
    async fn live_on(&mut self, stop: &Stop, events: &mut impl FnMut(RunEvent)) -> Result<bool, String> {
        let state = self.state.clone();
        tokio::select! {
            biased;
            () = stop.stopped() => Ok(false),
            ended = async {
                while !self.fibers.is_empty() || self.more() {
                    let (_, end) = self.next(None, events).await;
                    if !is_good(&end) {
                        return Err(end.to_string());
                    }
                }
                // Without fibers nothing new is started, and nobody is left who could read or write.
                let mut all = JoinSet::new();
                for process in state.running() {
                    all.spawn_local(async move { process.run_out().await });
                }
                loop {
                    tokio::select! {
                        biased;
                        Some(text) = self.troubles.recv() => events(RunEvent::Trouble(text)),
                        ended = all.join_next() => if ended.is_none() { return Ok(true) },
                    }
                }
            } => ended,
        }
    }

    async fn undo(
        &mut self,
        index: usize,
        params: Vec<Option<Value>>,
        events: &mut impl FnMut(RunEvent),
    ) -> Result<(), String> {
        let Some(undo) = self.task.run_undo(index, params) else { return Ok(()) };
        let undo = self.fibers.spawn_local(undo).id();
        let end = tokio::select! {
            biased;
            () = tokio::time::sleep(UNDO_MAX) => Err(format!("not done after {UNDO_MAX:?}")),
            (_, end) = self.next(Some(undo), events) => match end {
                FiberEnd::Returned(_) => Ok(()),
                end => Err(end.to_string()),
            },
        };
        self.end(end.is_ok()).await;
        end.map_err(|why| format!("undo: {why}"))
    }

    /// The end of a fiber: the next one, or with `awaited` that one or the first that went wrong.
    async fn next(&mut self, awaited: Option<Id>, events: &mut impl FnMut(RunEvent)) -> (Id, FiberEnd) {
        loop {
            self.more();
            tokio::select! {
                biased;
                joined = self.fibers.join_next_with_id(), if !self.fibers.is_empty() => {
                    let Some(joined) = joined else { continue };
                    let (id, end) = joined.unwrap_or_else(broken);
                    if awaited.is_none_or(|awaited| awaited == id || !is_good(&end)) {
                        return (id, end);
                    }
                }
                Some(text) = self.troubles.recv() => events(RunEvent::Trouble(text)),
                () = self.host.more_fibers.notified() => {}
            }
        }
    }

    /// Tells what has gone wrong so far.
    fn tell(&mut self, events: &mut impl FnMut(RunEvent)) {
        while let Ok(text) = self.troubles.try_recv() {
            events(RunEvent::Trouble(text));
        }
    }

    /// Takes over fibers the program started; whether there were any.
    fn more(&mut self) -> bool {
        let new = self.task.take_new_fibers();
        let any = !new.is_empty();
        new.into_iter().for_each(|fiber| drop(self.fibers.spawn_local(fiber)));
        any
    }

    /// Ends fibers and everything they started, but for daemons where these are let go.
    async fn end(&mut self, let_go: bool) {
        self.task.cancel();
        let over = async {
            loop {
                self.more();
                if self.fibers.join_next().await.is_none() && !self.more() {
                    break;
                }
            }
        };
        if tokio::time::timeout(CANCEL_MAX, over).await.is_err() {
            self.fibers.shutdown().await;
        }
        self.state.end_processes(let_go).await;
    }
}

/// A fiber that panicked: our own bug, which ends this task only.
fn broken(error: JoinError) -> (Id, FiberEnd) {
    let id = error.id();
    let text = match error.try_into_panic() {
        Ok(panic) => match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => panic.downcast_ref::<&str>().copied().unwrap_or("a panic").to_owned(),
        },
        Err(_) => return (id, FiberEnd::Cancelled),
    };
    let kind = dscript_bytecode::trap::TrapKind::Internal;
    (id, FiberEnd::Trapped(dscript_interp::TrapReport { kind, text, stack: Vec::new(), omitted: None }))
}

type Print = Box<dyn FnMut(&str)>;

/// The door of the engine, over tokio's clock.
struct RunHost {
    print: RefCell<Print>,
    begin: Instant,
    gave_way: Cell<Instant>,
    more_fibers: Notify,
    state: OnceCell<Weak<RunState>>,
    /// What stops the run, and when the time of its body is up, as long as that goes for what runs now.
    stop: RefCell<Option<Stop>>,
    until: Cell<Option<Instant>>,
}

impl RunHost {
    fn new(print: Print) -> Self {
        let print = RefCell::new(print);
        RunHost {
            print,
            begin: Instant::now(),
            gave_way: Cell::new(Instant::now()),
            more_fibers: Notify::new(),
            state: OnceCell::new(),
            stop: RefCell::default(),
            until: Cell::default(),
        }
    }
}

impl Host for RunHost {
    fn print(&self, line: &str) {
        (self.print.borrow_mut())(line);
    }

    fn now(&self) -> i64 {
        let nanoseconds = |d: Duration| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX);
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => nanoseconds(after),
            Err(before) => -nanoseconds(before.duration()),
        }
    }

    fn monotonic(&self) -> i64 {
        i64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(i64::MAX)
    }

    fn sleep_until(&self, monotonic_ns: i64) -> Pin<Box<dyn Future<Output = ()>>> {
        let after = Duration::from_nanos(monotonic_ns.max(0).unsigned_abs());
        Box::pin(tokio::time::sleep_until(self.begin + after))
    }

    fn may_go_on(&self) -> bool {
        self.gave_way.get().elapsed() < ALONE_MAX
    }

    fn yield_now(&self) -> Pin<Box<dyn Future<Output = ()>>> {
        self.gave_way.set(Instant::now());
        Box::pin(tokio::task::yield_now())
    }

    fn is_over(&self) -> bool {
        self.until.get().is_some_and(|until| until <= Instant::now())
            || self.stop.borrow().as_ref().is_some_and(Stop::is_due)
    }

    fn fiber_started(&self) {
        self.more_fibers.notify_one();
    }

    fn region_cancelled(&self, region: u64) {
        if let Some(state) = self.state.get().and_then(Weak::upgrade) {
            state.kill_region(region);
        }
    }
}
