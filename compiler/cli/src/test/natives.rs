//! The natives of a test besides the pure ones: time, a made-up Subprocess, and what std/testing.ds tells the runner.

use super::scenario;
use super::stage::{BEGIN_NS, Sleep, Stage};
use dscript_bytecode::trap::TrapKind;
use dscript_interp::native::{Body, Failure, NativeDef, OutsideCall, Registry, Trapped};
use dscript_interp::value::{ErrorValue, Resource, Value};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::rc::Rc;
use std::sync::LazyLock;
use std::task::{Poll, Waker};

pub(super) static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let mut registry = Registry::pure();
    registry.add(NATIVES);
    registry.add(scenario::NATIVES);
    registry
});

/// What `OutsideCall::host` gives.
pub(super) struct OnStage(pub Rc<Stage>);

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

/// A LogPool that nothing is ever in.
#[derive(Debug)]
struct Nothing;

impl Resource for Nothing {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Lines that a test gives, none for a Subprocess of its own, and why no more come.
#[derive(Debug, Default)]
struct Given {
    lines: RefCell<VecDeque<String>>,
    error: Option<ErrorValue>,
}

impl Resource for Given {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What comes on a connection that a test gives, as far as it was not read.
#[derive(Debug)]
struct Coming(RefCell<Vec<u8>>);

impl Resource for Coming {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What `wait` gives for a process that could not be started.
const NOT_STARTED: i64 = 126;
/// The signals that end such a process, and their numbers.
const ENDING: [(&str, i64); 3] = [("INT", 2), ("KILL", 9), ("TERM", 15)];

pub(super) const fn native(
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
    // It does nothing.
    native("Subprocess.usage", "(Subprocess) -> Usage", |_| {
        let none = [("user", Value::Duration(0)), ("system", Value::Duration(0)), ("maxRss", Value::Int(0))];
        Ok(Value::Record(none.map(|(name, value)| (name.to_owned(), value)).into()))
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
    native("Subprocess.signal", "(Subprocess, String) -> void", |call| {
        let name = call.string(1);
        Ok(end(call, name.strip_prefix("SIG").unwrap_or(name)))
    }),
    native("Subprocess.write", "(Subprocess, String) -> void", |_| Ok(Value::Null)),
    native("Subprocess.closeInput", "(Subprocess) -> void", |_| Ok(Value::Null)),
    native("Subprocess.lines", "(Subprocess) -> Lines", |_| Ok(Value::Handle(Rc::new(Given::default())))),
    native("Lines.of", "(List<String>, Error?) -> Lines", given_lines),
    native("Lines.next", "(Lines) -> String?", |call| {
        let next = call.handle::<Given>(0).lines.borrow_mut().pop_front();
        Ok(next.map_or(Value::Null, Value::String))
    }),
    native("Lines.error", "(Lines) -> Error?", |call| {
        let lines = call.handle::<Given>(0);
        let error = lines.error.clone().filter(|_| lines.lines.borrow().is_empty());
        Ok(error.map_or(Value::Null, |error| Value::Error(Box::new(error))))
    }),
    native("Connection.of", "(String) -> Connection", |call| {
        Ok(Value::Handle(Rc::new(Coming(RefCell::new(call.string(0).into())))))
    }),
    native("Connection.write", "(Connection, String) -> void!", |_| Ok(Value::Null)),
    native("Connection.writeBytes", "(Connection, Bytes) -> void!", |_| Ok(Value::Null)),
    native("Connection.read", "(Connection) -> String?!", |call| Ok(come(call).map_or(Value::Null, text))),
    native("Connection.readBytes", "(Connection) -> Bytes?!", |call| {
        Ok(come(call).map_or(Value::Null, Value::Bytes))
    }),
    native(
        "Connection.readLine",
        "(Connection) -> String?!",
        |call| Ok(line(call).map_or(Value::Null, text)),
    ),
    native("Connection.readAll", "(Connection) -> String!", |call| Ok(text(come(call).unwrap_or_default()))),
    native("Connection.close", "(Connection) -> void", |_| Ok(Value::Null)),
    native("LogPool.standIn", "() -> LogPool", |_| Ok(Value::Handle(Rc::new(Nothing)))),
    native("TestRun.begin", "(String) -> int", |call| {
        Ok(Value::Int(stage(call).begin_run(call.string(0)) as i64))
    }),
    native("TestRun.spawn", "(int) -> void", |call| {
        stage(call).spawn.set(Some(call.int(0) as usize));
        Ok(Value::Null)
    }),
    native("TestRun.reach", "() -> void", |call| {
        reached(call);
        Ok(Value::Null)
    }),
    native("TestRun.reached", "(int) -> boolean", |call| {
        Ok(Value::Bool(stage(call).runs.borrow()[call.int(0) as usize].reached))
    }),
    native("TestRun.over", "(int) -> boolean", |call| {
        Ok(Value::Bool(stage(call).runs.borrow()[call.int(0) as usize].over))
    }),
    native("TestRun.failed", "(int, String) -> void", |call| {
        stage(call).note(call.int(0) as usize, call.string(1));
        Ok(Value::Null)
    }),
    native("TestRun.unused", "(String, String) -> void", |call| {
        let pair = (call.string(0).to_owned(), call.string(1).to_owned());
        stage(call).unused.borrow_mut().push(pair);
        Ok(Value::Null)
    }),
    native("TestRun.missing", "(String, String) -> void", |call| {
        stage(call).missing.set(true);
        let text = format!("`{}` was reached in a test without a `given`{}", call.string(0), call.string(1));
        Err(Failure::Trap(Trapped { kind: TrapKind::Assert, text }))
    }),
];

pub(super) fn stage(call: &OutsideCall<'_>) -> Rc<Stage> {
    call.host::<OnStage>().0.clone()
}

/// As `stage`; the task under `run` has reached outside.
fn reached(call: &OutsideCall<'_>) -> Rc<Stage> {
    let stage = stage(call);
    stage.reach();
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

fn given_lines(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let Value::List(lines) = std::mem::replace(&mut call.args[0], Value::Null) else {
        panic!("the lines are a list")
    };
    let string = |line: Value| match line {
        Value::String(line) => line,
        other => panic!("a line is a String, not {other:?}"),
    };
    let lines = RefCell::new(lines.into_iter().map(string).collect());
    let error = match &call.args[1] {
        Value::Record(fields) => Some(error_of(fields)),
        _ => None,
    };
    Ok(Value::Handle(Rc::new(Given { lines, error })))
}

/// An Error that is passed as a value: a record.
fn error_of(fields: &[(String, Value)]) -> ErrorValue {
    let field = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value);
    let word = |name: &str| match field(name) {
        Some(Value::String(text)) => text.clone(),
        _ => String::new(),
    };
    let data = match field("data") {
        Some(Value::Map(entries)) => entries.as_slice(),
        _ => &[],
    };
    let pair = |entry: &(Value, Value)| match entry {
        (Value::String(name), Value::String(value)) => Some((name.clone(), value.clone())),
        _ => None,
    };
    let data = data.iter().filter_map(pair).collect();
    ErrorValue { data, ..error(&word("code"), &word("message")) }
}

fn text(bytes: Vec<u8>) -> Value {
    Value::String(String::from_utf8_lossy(&bytes).into_owned())
}

/// All that comes, at once.
fn come(call: &OutsideCall<'_>) -> Option<Vec<u8>> {
    let all = call.handle::<Coming>(0).0.take();
    (!all.is_empty()).then_some(all)
}

/// The next line that comes, without its end.
fn line(call: &OutsideCall<'_>) -> Option<Vec<u8>> {
    let mut coming = call.handle::<Coming>(0).0.borrow_mut();
    if coming.is_empty() {
        return None;
    }
    let end = coming.iter().position(|byte| b"\r\n".contains(byte)).unwrap_or(coming.len());
    let crlf = usize::from(coming[end..].starts_with(b"\r\n"));
    let next = (end + 1 + crlf).min(coming.len());
    let mut line: Vec<u8> = coming.drain(..next).collect();
    line.truncate(end);
    Some(line)
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
