//! The methods of `Subprocess` and of its `Lines`. They need no capability: starting it did.

use dscript_interp::native::{Body, Failure, NativeDef, OutsideCall, PureCall, Trapped};
use dscript_interp::value::Value;

use super::*;
use crate::lines::{Lines, Next};
use crate::process::Process;

pub const NATIVES: &[NativeDef] = &[
    outside("Subprocess.pid", "(Subprocess) -> int", pid),
    outside("Subprocess.isRunning", "(Subprocess) -> boolean", is_running),
    outside("Subprocess.isError", "(Subprocess) -> boolean", is_error),
    outside("Subprocess.error", "(Subprocess) -> Error?", error),
    outside("Subprocess.usage", "(Subprocess) -> Usage", usage),
    outside("Subprocess.wait", "(Subprocess) -> int", wait),
    outside("Subprocess.waitFor", "(Subprocess, Duration) -> boolean", wait_for),
    outside("Subprocess.kill", "(Subprocess) -> void", kill),
    outside("Subprocess.signal", "(Subprocess, String) -> void", signal),
    outside("Subprocess.write", "(Subprocess, String) -> void", write),
    outside("Subprocess.closeInput", "(Subprocess) -> void", close_input),
    outside("Subprocess.lines", "(Subprocess) -> Lines", lines),
    outside("Lines.error", "(Lines) -> Error?", lines_error),
    NativeDef {
        name: "Lines.next",
        signature: "(Lines) -> String?",
        body: Body::Ready { now: next_now, outside: next },
    },
];

fn process<'a>(call: &'a OutsideCall<'_>) -> &'a Process {
    call.handle(0)
}

fn pid(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    Ok(Value::Int(process(call).pid().into()))
}

/// What was killed, by a `within` that was cut off too, is gone before anybody looks at it.
fn settled(call: &mut OutsideCall<'_>) -> Result<(), Failure> {
    if process(call).is_dying() {
        let (process, state) = (held::<Process>(call, 0), state(call));
        call.wait(process.gone(state))?;
    }
    Ok(())
}

fn is_running(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    settled(call)?;
    Ok(Value::Bool(process(call).is_running()))
}

fn is_error(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    settled(call)?;
    Ok(Value::Bool(process(call).is_error()))
}

fn error(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    settled(call)?;
    Ok(process(call).error().map_or(Value::Null, |error| Value::Error(Box::new(error))))
}

fn usage(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let process = held::<Process>(call, 0);
    let usage = call.wait(process.usage())?;
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let time = |micros: u64| Value::Duration(number(micros.saturating_mul(1_000)));
    Ok(record([
        ("user", time(usage.user_us)),
        ("system", time(usage.system_us)),
        ("maxRss", Value::Int(number(usage.resident_bytes))),
    ]))
}

fn wait(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let process = held::<Process>(call, 0);
    Ok(Value::Int(call.wait(process.wait())?))
}

fn wait_for(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let (process, state, limit) = (held::<Process>(call, 0), state(call), call.int(1));
    Ok(Value::Bool(call.wait(process.wait_for(state, limit))?))
}

fn kill(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    if process(call).is_running() {
        let (process, state) = (held::<Process>(call, 0), state(call));
        call.wait(process.kill(state))?;
    } else {
        // Its group may have members left.
        process(call).kill_now();
    }
    Ok(Value::Null)
}

fn signal(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    process(call).signal(call.string(1));
    Ok(Value::Null)
}

fn write(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let process = held::<Process>(call, 0);
    let text = call.string(1).to_owned();
    call.wait(process.write(text))?;
    Ok(Value::Null)
}

fn close_input(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    process(call).close_input();
    Ok(Value::Null)
}

fn lines(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    Ok(Value::Handle(process(call).lines()))
}

fn lines_error(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let error = call.handle::<Lines>(0).error();
    Ok(error.map_or(Value::Null, |error| Value::Error(Box::new(error))))
}

fn next_now(call: &mut PureCall<'_>) -> Result<bool, Trapped> {
    let lines = call.handle::<Lines>(0);
    lines.line_now(|line| call.give_string(line)).transpose().map(|given| given.is_some())
}

fn next(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    loop {
        let lines = call.handle::<Lines>(0);
        match lines.next() {
            Next::Line(line) => return Ok(Value::String(line)),
            Next::End => return Ok(Value::Null),
            Next::Wait => {
                let ready = lines.ready();
                call.wait(ready)?;
            }
        }
    }
}
