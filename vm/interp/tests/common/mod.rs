//! A host on virtual time, natives that wait and fail, and an executor that runs fibers to their ends.
#![allow(dead_code)]

pub mod asm;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use asm::Asm;
use dscript_interp::native::{Body, Failure, NativeDef, OutsideCall, Registry};
use dscript_interp::value::{ErrorValue, Fault, Resource, Value};
use dscript_interp::{Fiber, FiberEnd, Host, OutputLimit, Program, Task, TaskOptions};

pub const MS: i64 = 1_000_000;

#[derive(Default)]
pub struct TestHost {
    pub lines: RefCell<Vec<String>>,
    pub clock: Cell<i64>,
    pub sleepers: RefCell<Vec<(i64, Waker)>>,
    pub yields: Cell<u64>,
    pub cancelled_regions: RefCell<Vec<u64>>,
    pub dropped: Rc<Cell<u32>>,
}

impl TestHost {
    fn sleep(self: &Rc<Self>, until: i64) -> impl Future<Output = ()> + 'static {
        let host = Rc::clone(self);
        std::future::poll_fn(move |cx: &mut Context<'_>| {
            if host.clock.get() >= until {
                return Poll::Ready(());
            }
            host.sleepers.borrow_mut().push((until, cx.waker().clone()));
            Poll::Pending
        })
    }
}

/// `Host` needs owned futures; they hold the state by `Rc`.
pub struct Door(pub Rc<TestHost>);

impl Host for Door {
    fn print(&self, line: &str) {
        self.0.lines.borrow_mut().push(line.to_owned());
    }
    fn now(&self) -> i64 {
        self.0.clock.get()
    }
    fn monotonic(&self) -> i64 {
        self.0.clock.get()
    }
    fn sleep_until(&self, monotonic_ns: i64) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(self.0.sleep(monotonic_ns))
    }
    /// A turn takes a millisecond.
    fn yield_now(&self) -> Pin<Box<dyn Future<Output = ()>>> {
        self.0.clock.set(self.0.clock.get() + MS);
        self.0.yields.set(self.0.yields.get() + 1);
        let mut first = true;
        Box::pin(std::future::poll_fn(move |cx: &mut Context<'_>| {
            if std::mem::take(&mut first) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(())
        }))
    }
    fn region_cancelled(&self, region: u64) {
        self.0.cancelled_regions.borrow_mut().push(region);
    }
}

#[derive(Debug)]
pub struct Probe(Rc<Cell<u32>>);

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

impl Resource for Probe {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

pub static NATIVES: &[NativeDef] = &[
    NativeDef { name: "Test.sleep", signature: "(Duration) -> void", body: Body::Outside(sleep) },
    NativeDef { name: "Test.fail", signature: "(String) -> String!", body: Body::Outside(fail) },
    NativeDef { name: "Test.echo", signature: "<T>(T) -> T", body: Body::Outside(echo) },
    NativeDef { name: "Test.require", signature: "(String) -> void!", body: Body::Outside(require) },
    NativeDef { name: "Test.open", signature: "() -> Probe", body: Body::Outside(open) },
    NativeDef { name: "Test.panic", signature: "() -> void", body: Body::Outside(|_| panic!("our own bug")) },
];

fn sleep(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let host = Rc::clone(call.host::<Rc<TestHost>>());
    let until = host.clock.get() + call.int(0);
    let name = host.sleep(until);
    call.wait(name)?;
    Ok(Value::Null)
}

fn fail(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    Err(ErrorValue {
        code: "ENOENT".into(),
        message: format!("no such {}", call.string(0)),
        fault: vec![Fault::User, Fault::System],
        cause: None,
        data: vec![("path".into(), "/x".into())],
    }
    .into())
}

fn echo(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    Ok(call.args[0].clone())
}

fn require(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let capability = call.string(0).to_owned();
    call.require(&capability)?;
    Ok(Value::Null)
}

fn open(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let dropped = Rc::clone(&call.host::<Rc<TestHost>>().dropped);
    Ok(Value::Handle(Rc::new(Probe(dropped))))
}

pub fn registry() -> Registry {
    let mut registry = Registry::pure();
    registry.add(NATIVES);
    registry
}

pub fn load(asm: Asm) -> Arc<Program> {
    let image = asm.build();
    Program::load(&image.to_bytes(), &registry()).unwrap_or_else(|e| panic!("{e}"))
}

pub struct Machine {
    pub host: Rc<TestHost>,
    pub task: Task,
}

pub struct Limits {
    pub memory_bytes: u64,
    pub output: Option<OutputLimit>,
    pub stress: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { memory_bytes: 16 << 20, output: None, stress: false }
    }
}

impl Machine {
    pub fn new(program: &Arc<Program>, limits: Limits) -> Self {
        Self::on(Rc::new(TestHost::default()), program, limits)
    }

    pub fn on(host: Rc<TestHost>, program: &Arc<Program>, limits: Limits) -> Self {
        let mut options = TaskOptions::new(Rc::new(Door(Rc::clone(&host))), Rc::new(Rc::clone(&host)));
        options.memory_bytes = limits.memory_bytes;
        options.output = limits.output;
        options.allow = Box::new(|capability| capability != "exec:rm");
        let task = Task::new(Arc::clone(program), options);
        if limits.stress {
            task.stress_collector();
        }
        Machine { host, task }
    }

    pub fn run(&self, params: Vec<Value>) -> FiberEnd {
        let first = self.task.start(0, params);
        drive(&self.host, &[&self.task], vec![first]).remove(0)
    }

    pub fn output(&self) -> Vec<String> {
        self.host.lines.borrow().clone()
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Polls what was woken, takes new fibers in, and moves the clock when all wait. Ends in the order of the fibers.
pub fn drive(host: &TestHost, tasks: &[&Task], fibers: Vec<Fiber>) -> Vec<FiberEnd> {
    drive_until(host, tasks, fibers, |_| {})
}

pub fn drive_until(
    host: &TestHost,
    tasks: &[&Task],
    fibers: Vec<Fiber>,
    mut each_round: impl FnMut(&TestHost),
) -> Vec<FiberEnd> {
    let wake = || Arc::new(Flag(AtomicBool::new(true)));
    let mut all: Vec<_> = fibers.into_iter().map(|f| (Some(Box::pin(f)), wake(), None)).collect();
    while all.iter().any(|(fiber, ..)| fiber.is_some()) {
        let mut progress = false;
        for (fiber, flag, end) in &mut all {
            let Some(running) = fiber else { continue };
            if flag.0.swap(false, Ordering::Relaxed) {
                progress = true;
                let waker = Waker::from(Arc::clone(flag));
                if let Poll::Ready(ended) = running.as_mut().poll(&mut Context::from_waker(&waker)) {
                    *fiber = None;
                    *end = Some(ended);
                }
            }
        }
        for task in tasks {
            all.extend(task.take_new_fibers().into_iter().map(|f| (Some(Box::pin(f)), wake(), None)));
        }
        each_round(host);
        if !progress {
            let next = host.sleepers.borrow().iter().map(|(at, _)| *at).min();
            host.clock.set(host.clock.get().max(next.expect("everything waits for nothing")));
        }
        let now = host.clock.get();
        let due: Vec<_> = host.sleepers.borrow_mut().extract_if(.., |(at, _)| *at <= now).collect();
        due.into_iter().for_each(|(_, waker)| waker.wake());
    }
    all.into_iter().map(|(_, _, end)| end.expect("ended")).collect()
}

/// Runs the only task and gives what it printed and how it ended.
pub fn check(asm: Asm, expected: &str) {
    let program = load(asm);
    for stress in [false, true] {
        let machine = Machine::new(&program, Limits { stress, ..Limits::default() });
        let end = machine.run(vec![]);
        let mut lines = machine.output();
        if end != FiberEnd::Returned(true) {
            lines.extend(end.to_string().lines().map(String::from));
        }
        let expected: Vec<&str> = expected.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        let lines: Vec<&str> = lines.iter().map(|l| l.trim()).collect();
        assert_eq!(lines, expected, "collector stress {stress}");
    }
}

/// A script whose body ends with `return [s0 r0]`, true and no error; the first registers are those.
pub fn script(locals: &str, body: &str) -> Asm {
    let mut asm = Asm::new();
    prelude(&mut asm);
    main(&mut asm, locals, body);
    asm
}

pub fn prelude(asm: &mut Asm) {
    asm.native("print", "print", "", "String", "");
}

pub fn main(asm: &mut Asm, locals: &str, body: &str) {
    let last = body.lines().last().unwrap_or_default().trim();
    let ends = ["trap", "return", "jump"].iter().any(|m| last.starts_with(m));
    let end = if ends { "" } else { "return [s0 r0]" };
    let body = format!("bool true s0\nnull r0\n{body}\n{end}");
    asm.function("main", &format!("=> boolean! | boolean! {locals}"), &body);
    asm.task("main", "main");
}
