//! Where a test runs: one D-Task on virtual time, apart from the machine.
//!
//! The clock stands still while any fiber can go on and then goes to the next moment somebody waits for. Fibers that
//! a task under `run` started belong to that run: where one of them traps, or the run is stopped, all of them end, and
//! the test goes on and learns that it failed.

use super::natives::{OnStage, REGISTRY};
use super::scenario::{Acting, Played};
use dscript_bytecode::image::Image;
use dscript_bytecode::trap::TrapKind;
use dscript_compiler::{GIVEN_WRAPPER, TEST_PREFIX};
use dscript_interp::{Fiber, FiberEnd, Host, LoadError, Program, Task, TaskOptions, TrapReport};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// Every test begins at 2000-01-01T00:00:00Z.
pub(super) const BEGIN_NS: i64 = 946_684_800_000_000_000;
/// What a used-up turn of the engine counts as, so that a `within` also ends a loop that never waits.
const TURN_NS: i64 = 1_000_000;
/// Printed lines that are kept of one test.
const LINES_MAX: usize = 1_000;
/// Different failures of tasks that are kept of one test.
const NOTES_MAX: usize = 20;

/// How one test went.
#[derive(Debug, Default)]
pub struct Run {
    /// Why it failed; `None` where it passed.
    pub failure: Option<Why>,
    /// What tasks under `run` failed of, in order.
    pub notes: Vec<String>,
    /// Every `run(scenario ...)`, in order.
    pub scenarios: Vec<Played>,
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
            Some((task.name.strip_prefix(TEST_PREFIX)?.to_owned(), line))
        };
        image.manifest.tasks.iter().map_while(row).collect()
    }

    /// Runs the test at this place of the list, at most so long by the clock on the wall.
    pub fn run(&self, index: usize, limit: Duration) -> Run {
        let begin = Instant::now();
        let stage = Rc::new(Stage::new(self.0.clone()));
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
        // The task after the tests tells which givens were not used.
        let unused = self.list().len();
        // Its own failure would be that of the run's state, which is told already.
        let _ = perform(&stage, &task, unused, begin + limit);
        Run {
            failure,
            notes: stage.told(),
            scenarios: stage.scenarios.borrow().iter().map(Acting::played).collect(),
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
    /// The run it belongs to.
    run: Option<usize>,
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
    fn new(fiber: Fiber, run: Option<usize>) -> Seat {
        let ready = Arc::new(Ready(AtomicBool::new(true)));
        let waker = Waker::from(ready.clone());
        Seat { fiber, run, ready, waker }
    }
}

/// Polls a task of the manifest and the fibers it starts until it ends, or a call has nothing to stand in for it.
fn perform(stage: &Stage, task: &Task, index: usize, until: Instant) -> Result<FiberEnd, Stuck> {
    // Ended fibers leave an empty seat: the first is the task's own.
    let mut seats = vec![Some(Seat::new(task.start(index, Vec::new()), None))];
    loop {
        let mut idle = true;
        let mut place = 0;
        while place < seats.len() {
            if let Some(seat) = &mut seats[place]
                && seat.ready.0.swap(false, Ordering::Relaxed)
            {
                idle = false;
                if let Some(end) = poll(stage, task, &mut seats, place) {
                    return Ok(end);
                }
            }
            place += 1;
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

/// Lets one fiber go on and seats those it starts; gives the end of the whole where it comes.
fn poll(stage: &Stage, task: &Task, seats: &mut Vec<Option<Seat>>, place: usize) -> Option<FiberEnd> {
    let seat = seats[place].as_mut()?;
    let run = seat.run;
    stage.running.set(run);
    let mut cx = Context::from_waker(&seat.waker);
    let end = Pin::new(&mut seat.fiber).poll(&mut cx);
    let started = task.take_new_fibers().into_iter().zip(stage.started.take());
    seats.extend(started.map(|(fiber, run)| Some(Seat::new(fiber, run))));
    if let Poll::Ready(end) = end {
        seats[place] = None;
        match (end, run) {
            (end, _) if place == 0 || stage.missing.get() => return Some(end),
            (FiberEnd::Trapped(report), Some(run)) => {
                stage.note(run, &trapped(&report).whole());
                stage.end_run(run);
            }
            // A trap of what the test itself started ends the test.
            (end @ FiberEnd::Trapped(_), None) => return Some(end),
            _ => {}
        }
    }
    for over in stage.ended_runs.take() {
        for slot in seats.iter_mut() {
            if slot.as_ref().is_some_and(|seat| stage.is_within(seat.run, over)) {
                // Dropping a fiber cancels what is left of it.
                *slot = None;
            }
        }
    }
    None
}

// ---- the host ----

pub(super) struct Stage {
    pub program: Arc<Program>,
    /// Virtual nanoseconds since the test began.
    pub clock: Cell<i64>,
    /// By when and in which order they came.
    sleepers: RefCell<BTreeMap<(i64, u64), Waker>>,
    next_sleeper: Cell<u64>,
    printed: RefCell<Vec<String>>,
    /// Each with how many times it was told.
    notes: RefCell<Vec<(String, usize)>>,
    pub unused: RefCell<Vec<(String, String)>>,
    pub runs: RefCell<Vec<RunState>>,
    pub scenarios: RefCell<Vec<Acting>>,
    /// The run of the fiber that goes on now.
    running: Cell<Option<usize>>,
    /// The run of the next fiber that is started.
    pub spawn: Cell<Option<usize>>,
    /// The runs of the fibers that were started and are not seated yet.
    started: RefCell<Vec<Option<usize>>>,
    /// Their fibers are to end.
    ended_runs: RefCell<Vec<usize>>,
    pub missing: Cell<bool>,
}

/// What a test runs: a task, its `undo`, a scenario with all that is run for it.
pub(super) struct RunState {
    name: String,
    /// The one it is a part of.
    parent: Option<usize>,
    /// Whether it has called something outside.
    pub reached: bool,
    /// It trapped, or was stopped.
    pub over: bool,
}

impl Stage {
    fn new(program: Arc<Program>) -> Stage {
        Stage {
            program,
            clock: Cell::new(0),
            sleepers: RefCell::default(),
            next_sleeper: Cell::new(0),
            printed: RefCell::default(),
            notes: RefCell::default(),
            unused: RefCell::default(),
            runs: RefCell::default(),
            scenarios: RefCell::default(),
            running: Cell::new(None),
            spawn: Cell::new(None),
            started: RefCell::default(),
            ended_runs: RefCell::default(),
            missing: Cell::new(false),
        }
    }

    /// A new run, part of the one that goes on now.
    pub fn begin_run(&self, name: &str) -> usize {
        self.begin_run_in(name, self.running.get())
    }

    pub fn begin_run_in(&self, name: &str, parent: Option<usize>) -> usize {
        let mut runs = self.runs.borrow_mut();
        runs.push(RunState { name: name.to_owned(), parent, reached: false, over: false });
        runs.len() - 1
    }

    /// The fibers of a run, and of all that is part of it, end as soon as nothing goes on.
    pub fn end_run(&self, run: usize) {
        self.runs.borrow_mut()[run].over = true;
        self.ended_runs.borrow_mut().push(run);
    }

    fn is_within(&self, mut run: Option<usize>, outer: usize) -> bool {
        let runs = self.runs.borrow();
        while let Some(inner) = run {
            if inner == outer {
                return true;
            }
            run = runs[inner].parent;
        }
        false
    }

    /// The run that goes on now has called something outside.
    pub fn reach(&self) {
        if let Some(run) = self.running.get() {
            self.runs.borrow_mut()[run].reached = true;
        }
    }

    /// Keeps why a run failed.
    pub fn note(&self, run: usize, why: &str) {
        let text = format!("{}: {why}", self.runs.borrow()[run].name);
        let mut notes = self.notes.borrow_mut();
        if let Some((_, times)) = notes.iter_mut().find(|(known, _)| *known == text) {
            *times += 1;
        } else if notes.len() < NOTES_MAX {
            notes.push((text, 1));
        }
    }

    fn told(&self) -> Vec<String> {
        let line = |(text, times)| if times == 1 { text } else { format!("{text}\n  {times} times") };
        self.notes.take().into_iter().map(line).collect()
    }

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

pub(super) struct Sleep {
    stage: Rc<Stage>,
    key: (i64, u64),
}

impl Sleep {
    pub fn new(stage: &Rc<Stage>, until: i64) -> Sleep {
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

    fn fiber_started(&self) {
        let run = self.0.spawn.take().or(self.0.running.get());
        self.0.started.borrow_mut().push(run);
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
