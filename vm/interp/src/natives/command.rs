//! What `class Command` needs where no machine is: in a test, a given output may be an error.

use crate::native::{Body, Failure, NativeDef, OutsideCall};
use crate::value::{ErrorValue, Fault, Value};

pub(super) const DEFS: &[NativeDef] = &[NativeDef {
    name: "Command.raise",
    signature: "(String, String, Map<String, String>) -> void!",
    body: Body::Outside(raise),
}];

/// The error of a program that failed, made at the place of the call.
fn raise(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => panic!("{other:?} is not a String"),
    };
    let Value::Map(data) = &call.args[2] else { panic!("{:?} is not a map", call.args[2]) };
    Err(Failure::Error(ErrorValue {
        code: call.string(0).to_owned(),
        message: call.string(1).to_owned(),
        fault: vec![Fault::Software],
        cause: None,
        data: data.iter().map(|(name, value)| (text(name), text(value))).collect(),
    }))
}
