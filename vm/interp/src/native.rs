//! Bodies of natives: how they are registered, and what they are given.
//!
//! A definition carries the signature that `std` declares, in D-Script's own syntax, with type parameters in
//! front: `<T>(List<T>, int) -> T?`. Methods take the object first. Linking instantiates it with the image's
//! type arguments and compares registers, so an image cannot call a body with anything else.

use std::future::Future;

use crate::task::Vm;
use crate::value::{ErrorValue, Value};
use dscript_bytecode::ids::TypeId;
use dscript_bytecode::trap::TrapKind;

/// One native.
pub struct NativeDef {
    /// `List.add`, `System.now`, `print`.
    pub name: &'static str,
    pub signature: &'static str,
    pub body: Body,
}

pub enum Body {
    /// Works on registers and the heap; never waits.
    Pure(fn(&mut PureCall<'_>) -> Result<(), Trapped>),
    /// Takes and gives owned values, may wait. `Ok(Value)` fits the declared result; `Failure::Error` is good
    /// only where the result is a `T!`.
    Outside(fn(&mut OutsideCall<'_>) -> Result<Value, Failure>),
}

/// A trap raised by a native.
#[derive(Clone, Debug)]
pub struct Trapped {
    pub kind: TrapKind,
    pub text: String,
}

/// How an outside native ends other than with a value.
#[derive(Debug)]
pub enum Failure {
    Error(ErrorValue),
    Trap(Trapped),
    /// The wait was cancelled: hand it on at once.
    Cancelled,
}

impl From<ErrorValue> for Failure {
    fn from(error: ErrorValue) -> Self {
        Failure::Error(error)
    }
}

/// The arguments and result registers of a pure native. References are slots of the frame, read anew after
/// anything that may allocate.
pub struct PureCall<'a> {
    pub(crate) vm: &'a mut Vm,
    // filled in by the engine
}

/// A call of an outside native.
pub struct OutsideCall<'a> {
    pub args: Vec<Value>,
    pub(crate) vm: &'a mut Vm,
    // filled in by the engine
}

impl OutsideCall<'_> {
    /// Suspends the fiber until `future` is ready; other fibers and tasks go on meanwhile.
    pub fn wait<T: 'static>(&mut self, future: impl Future<Output = T> + 'static) -> Result<T, Failure> {
        let _ = (future, &self.vm);
        Err(Failure::Cancelled)
    }

    /// The embedder's own state of this task, as given to `Task::new`.
    pub fn host<H: 'static>(&self) -> &H {
        panic!("not there yet")
    }

    /// The type arguments of this native instance.
    pub fn type_args(&self) -> &[TypeId] {
        &[]
    }

    /// A field list of a record type: names with declared types, as D-Script writes them (`int`, `String?`).
    pub fn record_fields(&self, ty: TypeId) -> Vec<(String, String)> {
        let _ = ty;
        Vec::new()
    }

    /// `Err` with code `denied` unless the image declares a capability that covers this one and the policy of
    /// the run allows it. Every native that reaches outside calls this before it does.
    pub fn require(&self, capability: &str) -> Result<(), ErrorValue> {
        let _ = capability;
        Ok(())
    }

    pub fn string(&self, arg: usize) -> &str {
        match &self.args[arg] {
            Value::String(text) => text,
            other => panic!("argument {arg} is {other:?}, not a String"),
        }
    }

    pub fn int(&self, arg: usize) -> i64 {
        match self.args[arg] {
            Value::Int(n) | Value::Duration(n) | Value::Time(n) => n,
            ref other => panic!("argument {arg} is {other:?}, not an int"),
        }
    }

    pub fn handle<R: 'static>(&self, arg: usize) -> &R {
        match &self.args[arg] {
            Value::Handle(handle) => handle.as_any().downcast_ref().expect("a handle of the declared type"),
            other => panic!("argument {arg} is {other:?}, not a handle"),
        }
    }
}

/// All natives an engine knows.
#[derive(Default)]
pub struct Registry {
    // by name
}

impl Registry {
    pub fn add(&mut self, defs: &'static [NativeDef]) {
        let _ = defs;
    }
}

