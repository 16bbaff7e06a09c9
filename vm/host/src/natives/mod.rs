//! The natives of this crate: names and signatures as `std` declares them, and bodies that fetch the arguments,
//! check the capability, and wait.

mod command;
mod file;
mod http;
mod logpool;
mod net;
mod node;
mod process;
mod service;
mod subprocess;
mod system;

use std::any::Any;
use std::os::fd::{FromRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dscript_bytecode::capability::Capability;
use dscript_interp::native::{Body, Failure, NativeDef, OutsideCall};
use dscript_interp::value::{ErrorValue, Handle, Value};
use tokio::sync::{Semaphore, oneshot};

use crate::errors;
use crate::state::RunState;

pub const ALL: [&[NativeDef]; 10] = [
    command::NATIVES,
    file::NATIVES,
    http::NATIVES,
    logpool::NATIVES,
    net::NATIVES,
    node::NATIVES,
    process::NATIVES,
    service::NATIVES,
    subprocess::NATIVES,
    system::NATIVES,
];

/// What `OutsideCall::host` is for a task that this crate runs.
pub struct Outside {
    pub state: Rc<RunState>,
}

/// Threads that do what has no other way than to block; who comes later waits for one.
const THREADS_MAX: usize = 256;
static THREADS: Semaphore = Semaphore::const_new(THREADS_MAX);

/// Does blocking work on a thread of its own. Whoever stops waiting leaves the thread to end by itself.
async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ErrorValue> {
    let permit = THREADS.acquire().await.expect("nobody closes it");
    let (sender, done) = oneshot::channel();
    let body = move || {
        let _permit = permit;
        let _ = sender.send(work());
    };
    let thread = std::thread::Builder::new().name("outside".into()).spawn(body);
    thread.map_err(|e| errors::io(&e, "cannot start a thread"))?;
    Ok(done.await.expect("work on a thread does not panic"))
}

/// Whether somebody still waits for what a thread does.
struct Wanted(Arc<AtomicBool>);

/// Lets the thread know when it goes away.
struct WantedUntil(Arc<AtomicBool>);

fn wanted() -> (Wanted, WantedUntil) {
    let flag = Arc::new(AtomicBool::new(true));
    (Wanted(flag.clone()), WantedUntil(flag))
}

impl Wanted {
    fn is_still(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for WantedUntil {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

const fn outside(
    name: &'static str,
    signature: &'static str,
    body: fn(&mut OutsideCall<'_>) -> Result<Value, Failure>,
) -> NativeDef {
    NativeDef { name, signature, body: Body::Outside(body) }
}

fn state(call: &OutsideCall<'_>) -> Rc<RunState> {
    call.host::<Outside>().state.clone()
}

/// Descriptors that one call may need at once: three pipes, a socket, a file in memory, with something to spare.
const DESCRIPTORS: usize = 12;

/// Where descriptors are short, has objects that the program cannot reach any more give theirs back.
fn make_room(call: &mut OutsideCall<'_>) {
    let probe = || {
        // SAFETY: plain numbers; a descriptor that comes of them is ours alone.
        unsafe {
            let fd = libc::eventfd(0, libc::EFD_CLOEXEC);
            (fd >= 0).then(|| OwnedFd::from_raw_fd(fd))
        }
    };
    let held: Vec<OwnedFd> = std::iter::from_fn(probe).take(DESCRIPTORS).collect();
    let is_short = held.len() < DESCRIPTORS;
    drop(held);
    if is_short {
        call.collect();
    }
}

/// The state of the run, which has reached outside from now on: there is something to undo.
fn reached(call: &OutsideCall<'_>) -> Rc<RunState> {
    let state = state(call);
    state.reached.set(true);
    state
}

/// As `reached`, when the run may do this.
fn reach(call: &OutsideCall<'_>, kind: &str, parts: &[&str]) -> Result<Rc<RunState>, ErrorValue> {
    reach_for(call, &Capability::exact(kind, parts))
}

/// As `reach`, for what was opened before.
fn reach_held(call: &OutsideCall<'_>, kind: &str, parts: &[&str]) -> Result<Rc<RunState>, ErrorValue> {
    call.require_held(&Capability::exact(kind, parts).to_string())?;
    Ok(reached(call))
}

fn reach_for(call: &OutsideCall<'_>, capability: &Capability) -> Result<Rc<RunState>, ErrorValue> {
    call.require(&capability.to_string())?;
    Ok(reached(call))
}

/// The object of a handle type, to be held while waiting.
fn held<R: Any>(call: &OutsideCall<'_>, arg: usize) -> Rc<R> {
    match &call.args[arg] {
        Value::Handle(handle) => {
            let any: Rc<dyn Any> = Handle::clone(handle);
            any.downcast().unwrap_or_else(|_| panic!("argument {arg} is a handle of another type"))
        }
        other => panic!("argument {arg} is {other:?}, not a handle"),
    }
}

fn string(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => panic!("{other:?} is not a String"),
    }
}

fn strings(value: Value) -> Vec<String> {
    match value {
        Value::List(all) => all.into_iter().map(string).collect(),
        other => panic!("{other:?} is not a List<String>"),
    }
}

fn ints(value: Value) -> Vec<i64> {
    let int = |value| match value {
        Value::Int(n) => n,
        other => panic!("{other:?} is not an int"),
    };
    match value {
        Value::List(all) => all.into_iter().map(int).collect(),
        other => panic!("{other:?} is not a List<int>"),
    }
}

fn pairs(value: Value) -> Vec<(String, String)> {
    match value {
        Value::Map(all) => all.into_iter().map(|(name, value)| (string(name), string(value))).collect(),
        other => panic!("{other:?} is not a Map<String, String>"),
    }
}

fn boolean(value: Value) -> bool {
    match value {
        Value::Bool(b) => b,
        other => panic!("{other:?} is not a boolean"),
    }
}

fn optional<T>(value: Value, read: impl FnOnce(Value) -> T) -> Option<T> {
    match value {
        Value::Null => None,
        value => Some(read(value)),
    }
}

fn bytes(value: Value) -> Vec<u8> {
    match value {
        Value::Bytes(bytes) => bytes,
        other => panic!("{other:?} is not Bytes"),
    }
}

fn nanoseconds(value: Value) -> i64 {
    match value {
        Value::Duration(n) | Value::Int(n) => n,
        other => panic!("{other:?} is not a Duration"),
    }
}

fn record<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Record(fields.map(|(name, value)| (name.to_owned(), value)).into())
}
