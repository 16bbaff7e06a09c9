//! `Node`: what the embedder says of the node. It is no secret of the machine, so it needs no capability.

use dscript_interp::native::{Failure, NativeDef, OutsideCall};
use dscript_interp::value::Value;

use super::*;

pub const NATIVES: &[NativeDef] = &[
    outside("Node.name", "() -> String", name),
    outside("Node.labels", "() -> Map<String, String>", labels),
];

fn name(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    Ok(Value::String(state(call).node.name.clone()))
}

fn labels(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let state = state(call);
    let pair = |(key, value): &(String, String)| (Value::String(key.clone()), Value::String(value.clone()));
    Ok(Value::Map(state.node.labels.iter().map(pair).collect()))
}
