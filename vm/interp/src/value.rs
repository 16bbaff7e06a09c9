//! Values outside a task's heap: what outside natives take and give.
//!
//! A value is plain and owned. Going into the heap it is fitted to the type the program declares: records by
//! field name, enums by constant name, ints to doubles where a double is wanted.

use std::any::Any;
use std::rc::Rc;

use dscript_bytecode::param::ParamValue;

/// What a text takes outside the heap, beside the value that holds it.
pub(crate) fn text_bytes(text: &str) -> usize {
    // Of what an allocator gives, the least.
    if text.is_empty() { 0 } else { text.len().next_multiple_of(16) }
}

#[derive(Clone, Debug)]
pub enum Value {
    /// `null`, and the result of `void`.
    Null,
    Int(i64),
    Double(f64),
    Bool(bool),
    String(String),
    /// The String that a native has made in the heap: see `OutsideCall::begin_text`.
    Made,
    Bytes(Vec<u8>),
    /// Signed nanoseconds.
    Duration(i64),
    /// Nanoseconds since 1970 UTC.
    Time(i64),
    /// The constant's name.
    Enum(String),
    /// A list or a set.
    List(Vec<Value>),
    Map(Vec<(Value, Value)>),
    /// A record's or class's fields by name.
    Record(Vec<(String, Value)>),
    /// A `T!` inside a collection that holds an error.
    Error(Box<ErrorValue>),
    /// An object of a handle type.
    Handle(Handle),
    /// `T.class`: a type of the image.
    Type(dscript_bytecode::ids::TypeId),
}

impl From<ParamValue> for Value {
    fn from(value: ParamValue) -> Value {
        match value {
            ParamValue::Null => Value::Null,
            ParamValue::Int(n) => Value::Int(n),
            ParamValue::Double(d) => Value::Double(d),
            ParamValue::Bool(b) => Value::Bool(b),
            ParamValue::String(text) => Value::String(text),
            ParamValue::Duration(nanos) => Value::Duration(nanos),
            ParamValue::Enum(name) => Value::Enum(name),
            ParamValue::List(all) => Value::List(all.into_iter().map(Value::from).collect()),
            ParamValue::Record(all) => {
                Value::Record(all.into_iter().map(|(name, value)| (name, value.into())).collect())
            }
        }
    }
}

/// Something outside that a program holds: a subprocess, a stream. It hangs off the task, not the heap.
pub type Handle = Rc<dyn Resource>;

/// A resource of a task. Dropped when the program can no longer reach it and it is idle, else with the task.
pub trait Resource: Any + std::fmt::Debug {
    /// Whether it may be dropped once the program cannot reach it.
    fn is_idle(&self) -> bool {
        true
    }
    fn as_any(&self) -> &dyn Any;
}

/// An `Error` on its way into the program.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorValue {
    /// An errno name, `timeout`, `exit:3`, `signal:KILL`, `denied`, ...
    pub code: String,
    pub message: String,
    pub fault: Vec<Fault>,
    pub cause: Option<Box<ErrorValue>>,
    pub data: Vec<(String, String)>,
}

/// Who may be to blame; names as in `std`'s `enum Fault`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    System,
    Software,
    User,
    External,
}

impl Fault {
    pub fn name(self) -> &'static str {
        match self {
            Fault::System => "SYSTEM",
            Fault::Software => "SOFTWARE",
            Fault::User => "USER",
            Fault::External => "EXTERNAL",
        }
    }
}
