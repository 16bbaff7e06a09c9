//! Where a test runs: one D-Task on virtual time, apart from the machine.
//!
//! The clock stands still while any fiber can go on and then goes to the next moment somebody waits for. The only
//! natives besides the pure ones are time, a made-up Subprocess, and what std/testing.ds tells the runner. A fiber
//! that traps is one that the test started (a task under `run`): the test goes on and learns that it failed.

use dscript_bytecode::image::Image;
use dscript_bytecode::trap::TrapKind;
use dscript_compiler::GIVEN_WRAPPER;
use dscript_interp::native::{Body, Failure, NativeDef, OutsideCall, Registry, Trapped};
use dscript_interp::value::{ErrorValue, Resource, Value};
use dscript_interp::{Fiber, FiberEnd, Host, LoadError, Program, Task, TaskOptions, TrapReport};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// Every test begins at 2000-01-01T00:00:00Z.
const BEGIN_NS: i64 = 946_684_800_000_000_000;
/// What a used-up turn of the engine counts as, so that a `within` also ends a loop that never waits.
const TURN_NS: i64 = 1_000_000;
const LAST: &str = "the last task of a program of tests tells which givens were not used";
/// Printed lines that are kept of one test.
const LINES_MAX: usize = 1_000;

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let mut registry = Registry::pure();
    registry.add(NATIVES);
    registry
});

/// How one test went.
#[derive(Debug, Default)]
pub struct Run {
    /// Why it failed; `None` where it passed.
    pub failure: Option<Why>,
    /// What tasks under `run` failed of, in order.
    pub notes: Vec<String>,
    /// Places and texts of every `given` that answered nothing.
    pub unused: Vec<(String, String)>,
    pub printed: Vec<String>,
    pub time: Duration,
}

#[derive(Debug)]
pub struct Why {
    pub text: String,
    /// The calls that led to it, innermost first.
    pub stack: Vec<String>,
}

/// A loaded program of tests.
pub struct Tests(Arc<Program>);

impl Tests {
    pub fn load(image: Image) -> Result<Tests, LoadError> {
        Program::from_image(image, &REGISTRY).map(Tests)
    }

    /// The name and the line of each test.
    pub fn list(&self) -> Vec<(String, u32)> {
        let image = self.0.image();
        let row = |task: &dscript_bytecode::image::Task| {
            let line = image.functions[task.function.index()].lines.first().map_or(0, |l| l.line);
            (task.name.clone(), line)
        };
        let (_, tests) = image.manifest.tasks.split_last().unwrap_or_else(|| unreachable!("{LAST}"));
        tests.iter().map(row).collect()
    }

    /// Runs the test at this place of the list, at most so long by the clock on the wall.
    pub fn run(&self, index: usize, limit: Duration) -> Run {
        let begin = Instant::now();
        let stage = Rc::new(Stage::default());
        let options = TaskOptions::new(Rc::new(Door(stage.clone())), Rc::new(OnStage(stage.clone())));
        let task = Task::new(self.0.clone(), options);
        let failure = match perform(&stage, &task, index, begin + limit) {
            Ok(FiberEnd::Returned(_)) => None,
            Ok(FiberEnd::Trapped(report)) => Some(trapped(&report)),
            Ok(end) => {
                let text = end.to_string();
                let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
                let stack = rest.lines().map(|l| l.trim().trim_start_matches("at ").to_owned()).collect();
                Some(Why { text: first.to_owned(), stack })
            }
            Err(Stuck::Late) => {
                let text = format!(
                    "it was not done after {limit:?}, and {} of virtual time",
                    dscript_interp::duration_text(stage.clock.get())
                );
                Some(Why { text, stack: Vec::new() })
            }
            Err(Stuck::Idle) => {
                let text = "it waits for something that never comes".to_owned();
                Some(Why { text, stack: Vec::new() })
            }
        };
        let last = self.list().len();
        // Its own failure would be that of the run's state, which is told already.
        let _ = perform(&stage, &task, last, begin + limit);
        Run {
            failure,
            notes: stage.notes.take(),
            unused: stage.unused.take(),
            printed: stage.printed.take(),
            time: begin.elapsed(),
        }
    }
}

fn trapped(report: &TrapReport) -> Why {
    let text = match report.kind {
        TrapKind::Assert => report.text.clone(),
        kind if report.text.is_empty() => format!("trap {}", kind.name()),
        kind => format!("trap {}: {}", kind.name(), report.text),
    };
    let mut stack = Vec::new();
    for (index, frame) in report.stack.iter().enumerate() {
        if let Some((at, count)) = report.omitted
            && at == index
        {
            stack.push(format!("... {count} more ..."));
        }
        // What makes a test a test is no call of the program.
        if !frame.function.starts_with(GIVEN_WRAPPER) && frame.file != "std/testing.ds" {
            stack.push(frame.to_string());
        }
    }
    Why { text, stack }
}

impl Why {
    /// As one text: the reason, and a line for each call.
    pub fn whole(&self) -> String {
        let calls = self.stack.iter().map(|frame| format!("\n  at {frame}"));
        std::iter::once(self.text.clone()).chain(calls).collect()
    }
}

// ---- fibers ----

/// Why a run has no end.
enum Stuck {
    Late,
    Idle,
}

struct Seat {
    fiber: Fiber,
    ready: Arc<Ready>,
    waker: Waker,
}

struct Ready(AtomicBool);

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Seat {
    fn new(fiber: Fiber) -> Seat {
        let ready = Arc::new(Ready(AtomicBool::new(true)));
        let waker = Waker::from(ready.clone());
        Seat { fiber, ready, waker }
    }
}

/// Polls a task of the manifest and the fibers it starts until it ends, or a call has nothing to stand in for it.
fn perform(stage: &Stage, task: &Task, index: usize, until: Instant) -> Result<FiberEnd, Stuck> {
    // Ended fibers leave an empty seat: the first is the task's own.
    let mut seats = vec![Some(Seat::new(task.start(index, Vec::new())))];
    loop {
        seats.extend(task.take_new_fibers().into_iter().map(|fiber| Some(Seat::new(fiber))));
        let mut idle = true;
        for (place, slot) in seats.iter_mut().enumerate() {
            let Some(seat) = slot else { continue };
            if !seat.ready.0.swap(false, Ordering::Relaxed) {
                continue;
            }
            idle = false;
            let mut cx = Context::from_waker(&seat.waker);
            let Poll::Ready(end) = Pin::new(&mut seat.fiber).poll(&mut cx) else { continue };
            *slot = None;
            if place == 0 || stage.missing.get() {
                return Ok(end);
            }
            if let FiberEnd::Trapped(report) = end {
                stage.traps.set(stage.traps.get() + 1);
                let name = stage.running.borrow();
                stage.notes.borrow_mut().push(format!("{name}: {}", trapped(&report).whole()));
            }
        }
        seats.truncate(seats.iter().rposition(Option::is_some).map_or(0, |last| last + 1));
        if Instant::now() >= until {
            return Err(Stuck::Late);
        }
        if idle && !stage.advance() {
            return Err(Stuck::Idle);
        }
    }
}

// ---- the host ----

#[derive(Default)]
struct Stage {
    /// Virtual nanoseconds since the test began.
    clock: Cell<i64>,
    /// By when and in which order they came.
    sleepers: RefCell<BTreeMap<(i64, u64), Waker>>,
    next_sleeper: Cell<u64>,
    printed: RefCell<Vec<String>>,
    notes: RefCell<Vec<String>>,
    unused: RefCell<Vec<(String, String)>>,
    /// The task under `run`.
    running: RefCell<String>,
    reached: Cell<bool>,
    missing: Cell<bool>,
    traps: Cell<i64>,
}

impl Stage {
    /// Goes to the next moment that somebody waits for; false where nobody does.
    fn advance(&self) -> bool {
        let mut sleepers = self.sleepers.borrow_mut();
        let Some((&(next, _), _)) = sleepers.first_key_value() else { return false };
        self.clock.set(next.max(self.clock.get()));
        while let Some(first) = sleepers.first_entry()
            && first.key().0 <= self.clock.get()
        {
            first.remove().wake();
        }
        true
    }
}

struct Sleep {
    stage: Rc<Stage>,
    key: (i64, u64),
}

impl Sleep {
    fn new(stage: &Rc<Stage>, until: i64) -> Sleep {
        let id = stage.next_sleeper.get();
        stage.next_sleeper.set(id + 1);
        Sleep { stage: stage.clone(), key: (until, id) }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.stage.clock.get() >= self.key.0 {
            return Poll::Ready(());
        }
        self.stage.sleepers.borrow_mut().insert(self.key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.stage.sleepers.borrow_mut().remove(&self.key);
    }
}

struct Door(Rc<Stage>);

impl Host for Door {
    fn print(&self, line: &str) {
        let mut printed = self.0.printed.borrow_mut();
        match printed.len() {
            LINES_MAX => printed.push("...".to_owned()),
            n if n > LINES_MAX => {}
            _ => printed.push(line.to_owned()),
        }
    }

    fn now(&self) -> i64 {
        BEGIN_NS.saturating_add(self.0.clock.get())
    }

    fn monotonic(&self) -> i64 {
        self.0.clock.get()
    }

    fn sleep_until(&self, monotonic_ns: i64) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(Sleep::new(&self.0, monotonic_ns))
    }

    fn yield_now(&self) -> Pin<Box<dyn Future<Output = ()>>> {
        self.0.clock.set(self.0.clock.get().saturating_add(TURN_NS));
        let mut first = true;
        Box::pin(std::future::poll_fn(move |cx| {
            if std::mem::take(&mut first) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(())
        }))
    }
}

// ---- natives ----

/// What `OutsideCall::host` gives.
struct OnStage(Rc<Stage>);

/// A Subprocess that a test gives: runs until it is killed, or is in error from the start.
#[derive(Debug)]
struct Extra {
    running: Cell<bool>,
    error: RefCell<Option<ErrorValue>>,
    /// What `wait` gives.
    status: Cell<i64>,
    waiting: RefCell<Vec<Waker>>,
}

impl Resource for Extra {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The lines of such a Subprocess, of which there are none, and a LogPool that nothing is ever in.
#[derive(Debug)]
struct Nothing;

impl Resource for Nothing {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What `wait` gives for a process that could not be started.
const NOT_STARTED: i64 = 126;
/// The signals that end such a process, and their numbers.
const ENDING: [(&str, i64); 3] = [("INT", 2), ("KILL", 9), ("TERM", 15)];

const fn native(
    name: &'static str,
    signature: &'static str,
    body: fn(&mut OutsideCall<'_>) -> Result<Value, Failure>,
) -> NativeDef {
    NativeDef { name, signature, body: Body::Outside(body) }
}

static NATIVES: &[NativeDef] = &[
    native("System.sleep", "(Duration) -> void", sleep),
    native("System.now", "() -> Time", |call| {
        Ok(Value::Time(BEGIN_NS.saturating_add(reached(call).clock.get())))
    }),
    native("Task.monotonic", "() -> int", |call| Ok(Value::Int(reached(call).clock.get()))),
    native("Task.sleepUntil", "(int) -> void", |call| wait_until(call, call.int(0))),
    native("Subprocess.running", "() -> Subprocess", |_| Ok(extra(None))),
    native("Subprocess.failed", "(String, String) -> Subprocess", failed_process),
    native("Subprocess.pid", "(Subprocess) -> int", |_| Ok(Value::Int(1))),
    native("Subprocess.isRunning", "(Subprocess) -> boolean", |call| {
        Ok(Value::Bool(call.handle::<Extra>(0).running.get()))
    }),
    native("Subprocess.isError", "(Subprocess) -> boolean", |call| {
        Ok(Value::Bool(call.handle::<Extra>(0).error.borrow().is_some()))
    }),
    native("Subprocess.error", "(Subprocess) -> Error?", |call| {
        let error = call.handle::<Extra>(0).error.borrow().clone();
        Ok(error.map_or(Value::Null, |error| Value::Error(Box::new(error))))
    }),
    native("Subprocess.wait", "(Subprocess) -> int", |call| {
        let ended = ended(call, None);
        call.wait(ended)?;
        Ok(Value::Int(call.handle::<Extra>(0).status.get()))
    }),
    native("Subprocess.waitFor", "(Subprocess, Duration) -> boolean", |call| {
        let until = stage(call).clock.get().saturating_add(call.int(1));
        let ended = ended(call, Some(until));
        Ok(Value::Bool(call.wait(ended)?))
    }),
    native("Subprocess.kill", "(Subprocess) -> void", |call| Ok(end(call, "KILL"))),
    native("Subprocess.signal", "(Subprocess, String) -> void!", |call| {
        let name = call.string(1);
        Ok(end(call, name.strip_prefix("SIG").unwrap_or(name)))
    }),
    native("Subprocess.write", "(Subprocess, String) -> void!", |_| Ok(Value::Null)),
    native("Subprocess.closeInput", "(Subprocess) -> void", |_| Ok(Value::Null)),
    native("Subprocess.lines", "(Subprocess) -> Lines", |_| Ok(Value::Handle(Rc::new(Nothing)))),
    native("Lines.next", "(Lines) -> String?", |_| Ok(Value::Null)),
    native("LogPool.standIn", "() -> LogPool", |_| Ok(Value::Handle(Rc::new(Nothing)))),
    native("TestRun.begin", "(String) -> void", |call| {
        stage(call).reached.set(false);
        *stage(call).running.borrow_mut() = call.string(0).to_owned();
        Ok(Value::Null)
    }),
    native("TestRun.reach", "() -> void", |call| {
        reached(call);
        Ok(Value::Null)
    }),
    native("TestRun.reached", "() -> boolean", |call| Ok(Value::Bool(stage(call).reached.get()))),
    native("TestRun.traps", "() -> int", |call| Ok(Value::Int(stage(call).traps.get()))),
    native("TestRun.failed", "(String, String) -> void", |call| {
        stage(call).notes.borrow_mut().push(format!("{}: {}", call.string(0), call.string(1)));
        Ok(Value::Null)
    }),
    native("TestRun.unused", "(String, String) -> void", |call| {
        let pair = (call.string(0).to_owned(), call.string(1).to_owned());
        stage(call).unused.borrow_mut().push(pair);
        Ok(Value::Null)
    }),
    native("TestRun.missing", "(String) -> void", |call| {
        stage(call).missing.set(true);
        let text = format!("`{}` was reached in a test without a `given`", call.string(0));
        Err(Failure::Trap(Trapped { kind: TrapKind::Assert, text }))
    }),
];

fn stage(call: &OutsideCall<'_>) -> Rc<Stage> {
    call.host::<OnStage>().0.clone()
}

/// As `stage`; the task under `run` has reached outside.
fn reached(call: &OutsideCall<'_>) -> Rc<Stage> {
    let stage = stage(call);
    stage.reached.set(true);
    stage
}

fn wait_until(call: &mut OutsideCall<'_>, until: i64) -> Result<Value, Failure> {
    let sleep = Sleep::new(&reached(call), until);
    call.wait(sleep)?;
    Ok(Value::Null)
}

fn sleep(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let until = stage(call).clock.get().saturating_add(call.int(0));
    wait_until(call, until)
}

fn extra(error: Option<ErrorValue>) -> Value {
    let running = Cell::new(error.is_none());
    let status = Cell::new(NOT_STARTED);
    Value::Handle(Rc::new(Extra { running, error: error.into(), status, waiting: RefCell::default() }))
}

fn error(code: &str, message: &str) -> ErrorValue {
    let (code, message) = (code.to_owned(), message.to_owned());
    ErrorValue { code, message, fault: Vec::new(), cause: None, data: Vec::new() }
}

fn failed_process(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    Ok(extra(Some(error(call.string(1), call.string(0)))))
}

fn held(call: &OutsideCall<'_>) -> Rc<Extra> {
    let Value::Handle(handle) = &call.args[0] else { panic!("a Subprocess is a handle") };
    let any: Rc<dyn Any> = handle.clone();
    any.downcast().unwrap_or_else(|_| panic!("every Subprocess of a test was given by it"))
}

/// Sends a signal; any that ends a process ends it at once.
fn end(call: &OutsideCall<'_>, signal: &str) -> Value {
    let process = held(call);
    let ending = ENDING.iter().find(|(name, _)| *name == signal);
    if let Some((name, number)) = ending
        && process.running.replace(false)
    {
        process.status.set(128 + number);
        let killed = error(&format!("signal:{name}"), &format!("it was ended by SIG{name}"));
        *process.error.borrow_mut() = Some(killed);
        process.waiting.take().into_iter().for_each(Waker::wake);
    }
    Value::Null
}

/// Ready with true once the process has ended, with false once it is later than `until`.
fn ended(call: &OutsideCall<'_>, until: Option<i64>) -> impl Future<Output = bool> + 'static {
    let process = held(call);
    let mut sleep = until.map(|until| Box::pin(Sleep::new(&stage(call), until)));
    std::future::poll_fn(move |cx| {
        if !process.running.get() {
            return Poll::Ready(true);
        }
        process.waiting.borrow_mut().push(cx.waker().clone());
        match &mut sleep {
            Some(sleep) => sleep.as_mut().poll(cx).map(|()| false),
            None => Poll::Pending,
        }
    })
}
