//! What `class Command` of `std` calls.

use dscript_interp::native::{Body, Failure, NativeDef, OutsideCall};
use dscript_interp::value::Value;

use super::*;
use crate::command::{CommandLine, execute};
use crate::process::{Process, Start};

pub const NATIVES: &[NativeDef] = &[
    NativeDef {
        name: "Command.execute",
        signature: "(String, List<String>, Map<String, String>, boolean, String?, Bytes?, Duration?, List<int>) -> Output!",
        body: Body::Outside(run),
    },
    NativeDef {
        name: "Command.spawn",
        signature: "(String, List<String>, Map<String, String>, boolean, String?, Bytes?) -> Subprocess",
        body: Body::Outside(spawn),
    },
];

/// program, args, env, clearEnv, dir, input; leaves what follows.
fn command_line(args: &mut std::vec::IntoIter<Value>) -> (CommandLine, Option<Vec<u8>>) {
    let mut next = || args.next().expect("as many arguments as the signature says");
    let line = CommandLine {
        program: string(next()),
        args: strings(next()),
        env: pairs(next()),
        clear_env: boolean(next()),
        dir: optional(next(), string),
    };
    (line, optional(next(), bytes))
}

fn run(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let state = reach(call, "exec", &[call.string(0)])?;
    let mut args = std::mem::take(&mut call.args).into_iter();
    let (line, input) = command_line(&mut args);
    let timeout = args.next().and_then(|value| optional(value, nanoseconds));
    let allow = args.next().map(ints).unwrap_or_default();
    let output = call.wait(execute(state, line, input, timeout, allow))??;
    Ok(record([
        ("exitCode", Value::Int(output.exit_code.into())),
        ("stdout", Value::Bytes(output.stdout)),
        ("stderr", Value::Bytes(output.stderr)),
    ]))
}

fn spawn(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let state = match reach(call, "exec", &[call.string(0)]) {
        Ok(state) => state,
        Err(denied) => return Ok(Value::Handle(state(call).in_error(call.string(0), denied))),
    };
    let regions = call.regions();
    let (line, input) = command_line(&mut std::mem::take(&mut call.args).into_iter());
    let process = call.wait(Process::start(state, Start { line, input, regions }))?;
    Ok(Value::Handle(process))
}
