//! What `class Command` of `std` calls.

use dscript_interp::native::{Failure, NativeDef, OutsideCall};
use dscript_interp::value::Value;

use super::*;
use crate::command::{CommandLine, Embedded, execute};
use crate::process::{Process, Start};

pub const NATIVES: &[NativeDef] = &[
    outside("Command.execute", EXECUTE, run),
    outside("Command.spawn", SPAWN, spawn),
    outside("Command.executeScript", EXECUTE, run_script),
    outside("Command.spawnScript", SPAWN, spawn_script),
];

const EXECUTE: &str =
    "(String, List<String>, Map<String, String>, boolean, String?, Bytes?, Duration?, List<int>) -> Output!";
const SPAWN: &str = "(String, List<String>, Map<String, String>, boolean, String?, Bytes?, Duration?, List<int>) -> Subprocess";

/// program, args, env, clearEnv, dir, input; leaves what follows.
fn command_line(args: &mut std::vec::IntoIter<Value>) -> (CommandLine, Option<Vec<u8>>) {
    let mut next = || args.next().expect("as many arguments as the signature says");
    let line = CommandLine {
        program: string(next()),
        args: strings(next()),
        env: pairs(next()),
        clear_env: boolean(next()),
        dir: optional(next(), string),
        script: None,
    };
    (line, optional(next(), bytes))
}

/// What is to run: a program, or a script that the image holds.
#[derive(Clone, Copy, PartialEq)]
enum What {
    Program,
    Script,
}

/// The state of the run and the command line, where it may be run.
fn prepare(
    call: &mut OutsideCall<'_>,
    what: What,
) -> Result<(Rc<RunState>, CommandLine, Option<Vec<u8>>, std::vec::IntoIter<Value>), ErrorValue> {
    let name = call.string(0).to_owned();
    let (state, script) = match what {
        What::Program => (reach(call, "exec", &[&name])?, None),
        What::Script => {
            let Some(script) = call.script(&name) else {
                return Err(errors::error("ENOENT", format!("the program embeds no script `{name}`")));
            };
            let state = reach_for(call, &script.capability())?;
            let file =
                Embedded::new(script).map_err(|e| errors::io(&e, &format!("cannot start `{name}`")))?;
            (state, Some(file))
        }
    };
    let mut args = std::mem::take(&mut call.args).into_iter();
    let (mut line, input) = command_line(&mut args);
    if let Some(script) = script {
        line = line.with_script(script);
    }
    Ok((state, line, input, args))
}

/// timeout, allow
fn rules(args: &mut std::vec::IntoIter<Value>) -> (Option<i64>, Vec<i64>) {
    let timeout = args.next().and_then(|value| optional(value, nanoseconds));
    (timeout, args.next().map(ints).unwrap_or_default())
}

fn execute_what(call: &mut OutsideCall<'_>, what: What) -> Result<Value, Failure> {
    let (state, line, input, mut args) = prepare(call, what)?;
    let (timeout, allow) = rules(&mut args);
    let output = call.wait(execute(state, line, input, timeout, allow))??;
    Ok(record([
        ("exitCode", Value::Int(output.exit_code.into())),
        ("stdout", Value::Bytes(output.stdout)),
        ("stderr", Value::Bytes(output.stderr)),
    ]))
}

fn spawn_what(call: &mut OutsideCall<'_>, what: What) -> Result<Value, Failure> {
    let name = call.string(0).to_owned();
    let regions = call.regions();
    let (state, line, input, mut args) = match prepare(call, what) {
        Ok(ready) => ready,
        Err(error) => return Ok(Value::Handle(state(call).in_error(&name, error))),
    };
    let (timeout_ns, allow) = rules(&mut args);
    let process = call.wait(Process::start(state, Start { line, input, timeout_ns, allow, regions }))?;
    Ok(Value::Handle(process))
}

fn run(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    execute_what(call, What::Program)
}

fn spawn(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    spawn_what(call, What::Program)
}

fn run_script(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    execute_what(call, What::Script)
}

fn spawn_script(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    spawn_what(call, What::Script)
}
