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

/// What is to run: a program, or a script that the image holds.
#[derive(Clone, Copy, PartialEq)]
enum What {
    Program,
    Script,
}

/// What a call asks for, where it may be done.
struct Prepared {
    state: Rc<RunState>,
    line: CommandLine,
    input: Option<Vec<u8>>,
    timeout_ns: Option<i64>,
    allow: Vec<i64>,
}

fn prepare(call: &mut OutsideCall<'_>, what: What) -> Result<Prepared, ErrorValue> {
    make_room(call);
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
    // In the order of the signature.
    let mut args = std::mem::take(&mut call.args).into_iter();
    let mut next = || args.next().expect("as many arguments as the signature says");
    let line = CommandLine {
        program: string(next()),
        args: strings(next()),
        env: pairs(next()),
        clear_env: boolean(next()),
        dir: optional(next(), string),
        script: None,
        apart: false,
    };
    let line = match script {
        Some(script) => line.with_script(script),
        None => line,
    };
    line.check()?;
    Ok(Prepared {
        state,
        line,
        input: optional(next(), bytes),
        timeout_ns: optional(next(), nanoseconds),
        allow: ints(next()),
    })
}

fn execute_what(call: &mut OutsideCall<'_>, what: What) -> Result<Value, Failure> {
    let Prepared { state, line, input, timeout_ns, allow } = prepare(call, what)?;
    let output = call.wait(execute(state, line, input, timeout_ns, allow))??;
    Ok(record([
        ("exitCode", Value::Int(output.exit_code.into())),
        ("stdout", Value::Bytes(output.stdout)),
        ("stderr", Value::Bytes(output.stderr)),
    ]))
}

fn spawn_what(call: &mut OutsideCall<'_>, what: What) -> Result<Value, Failure> {
    let name = call.string(0).to_owned();
    let regions = call.regions();
    let Prepared { state, line, input, timeout_ns, allow } = match prepare(call, what) {
        Ok(prepared) => prepared,
        Err(error) => return Ok(Value::Handle(state(call).in_error(&name, error))),
    };
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
