//! The natives of this crate: names and signatures as `std` declares them, and bodies that fetch the arguments,
//! check the capability, and wait.

mod command;
mod logpool;
mod subprocess;
mod system;

use std::any::Any;
use std::rc::Rc;

use dscript_bytecode::capability::Capability;
use dscript_interp::native::{NativeDef, OutsideCall};
use dscript_interp::value::{ErrorValue, Handle, Value};

use crate::state::RunState;

pub const ALL: [&[NativeDef]; 4] = [command::NATIVES, subprocess::NATIVES, system::NATIVES, logpool::NATIVES];

/// What `OutsideCall::host` is for a task that this crate runs.
pub struct Outside(pub Rc<RunState>);

fn state(call: &OutsideCall<'_>) -> Rc<RunState> {
    call.host::<Outside>().0.clone()
}

/// The state of the run, when it may do this; from then on it has reached outside.
fn reach(call: &OutsideCall<'_>, kind: &str, parts: &[&str]) -> Result<Rc<RunState>, ErrorValue> {
    call.require(&Capability::exact(kind, parts).to_string())?;
    let state = state(call);
    state.reached.set(true);
    Ok(state)
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
