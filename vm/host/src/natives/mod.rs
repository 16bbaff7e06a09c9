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
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use dscript_bytecode::capability::Capability;
use dscript_interp::Held;
use dscript_interp::native::{Body, Failure, NativeDef, OutsideCall};
use dscript_interp::value::{ErrorValue, Handle, Value};
use tokio::sync::{Semaphore, oneshot};

use crate::errors;
use crate::state::{Open, RunState};

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
    let (sender, done) = oneshot::channel();
    start_thread(move || drop(sender.send(work()))).await?;
    Ok(done.await.expect("work on a thread does not panic"))
}

/// As `on_thread`, for work that tells by itself what it comes to.
async fn start_thread(work: impl FnOnce() + Send + 'static) -> Result<(), ErrorValue> {
    let permit = THREADS.acquire().await.expect("nobody closes it");
    let body = move || {
        let _permit = permit;
        work();
    };
    let thread = std::thread::Builder::new().name("outside".into()).spawn(body);
    thread.map(drop).map_err(|e| errors::io(&e, "cannot start a thread"))
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

/// Makes room for so many bytes more, which count for the task's memory; false where that has none. The room doubles, where it
/// can.
#[must_use]
fn reserve_held(bytes: &mut Vec<u8>, more: usize, held: &mut Held) -> bool {
    let needed = bytes.len() + more;
    if needed <= bytes.capacity().min(held.bytes()) {
        return true;
    }
    let twice = needed.max(2 * bytes.capacity());
    let Some(room) = [twice, needed].into_iter().find(|room| held.resize(*room)) else { return false };
    bytes.reserve_exact(room - bytes.len());
    true
}

/// Descriptors that one call may need at once: three pipes, a socket, a file in memory, with something to spare.
const DESCRIPTORS: usize = 12;

/// Where descriptors are short, has objects that the program cannot reach any more give theirs back.
fn make_room(call: &mut OutsideCall<'_>) {
    if !have_room(DESCRIPTORS) {
        call.collect();
    }
}

/// Counts a file or a connection that is about to be opened, for as long as what is returned lives. Those of objects that
/// the program cannot reach any more do not count.
fn open_one(call: &mut OutsideCall<'_>) -> Result<Open, ErrorValue> {
    make_room(call);
    let state = state(call);
    state.open_one().or_else(|_| {
        call.collect();
        state.open_one()
    })
}

/// Whether this process may open so many descriptors more. It looks first where there was room the last time.
fn have_room(wanted: usize) -> bool {
    /// Numbers that are looked at together.
    const STRETCH: usize = 64;
    /// Nothing had this one.
    static ROOM: AtomicUsize = AtomicUsize::new(0);
    // SAFETY: the call writes the structure it is given.
    let limit = unsafe {
        let mut limit = std::mem::zeroed::<libc::rlimit>();
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        usize::try_from(limit.rlim_cur.min(i32::MAX as u64)).unwrap_or(0)
    };
    // `poll` says of a number that nothing has it.
    let free = |from: usize, count: usize| {
        let mut stretch = [libc::pollfd { fd: -1, events: 0, revents: 0 }; STRETCH];
        let count = limit.saturating_sub(from).min(count);
        stretch.iter_mut().zip(from..from + count).for_each(|(entry, fd)| entry.fd = fd as i32);
        // SAFETY: so many entries are there, and it does not wait.
        unsafe { libc::poll(stretch.as_mut_ptr(), count as libc::nfds_t, 0) };
        let free = |entry: &&libc::pollfd| entry.revents & libc::POLLNVAL != 0;
        if let Some(first) = stretch.iter().find(free) {
            ROOM.store(first.fd as usize, Ordering::Relaxed);
        }
        stretch.iter().filter(free).count()
    };
    // What is opened gets the lowest numbers, so as a rule most of those next to one that was free are, too.
    if free(ROOM.load(Ordering::Relaxed), STRETCH.min(2 * wanted)) >= wanted {
        return true;
    }
    let mut found = 0;
    (0..limit).step_by(STRETCH).any(|from| {
        found += free(from, STRETCH);
        found >= wanted
    })
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

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    /// Lowers the limit of its process.
    #[test]
    fn room_is_found_between_descriptors_that_are_held() {
        let limit = |soft| libc::rlimit { rlim_cur: soft, rlim_max: 4096 };
        // SAFETY: the call reads the structure it is given.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit(300)) }, 0);
        assert!(have_room(DESCRIPTORS));
        let mut held: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        assert!(held.len() > 200 && !have_room(1));
        for (freed, at) in [10, 70, 90, 130, 150].into_iter().enumerate() {
            held.remove(at);
            assert!(have_room(freed + 1) && !have_room(freed + 2), "{freed}");
        }
        // Beyond what there was room for: the limit may be raised while the process runs.
        // SAFETY: as above.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit(400)) }, 0);
        assert!(have_room(105) && !have_room(106));
    }
}
