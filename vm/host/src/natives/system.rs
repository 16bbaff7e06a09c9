//! `System`: the machine, its clock, and DVMStat.

use dscript_interp::native::{Failure, NativeDef, OutsideCall};
use dscript_interp::value::Value;

use super::*;
use crate::disks::{self, Disk};
use crate::dvmstat::{self, Sampling};
use crate::errors;
use crate::system;

pub const NATIVES: &[NativeDef] = &[
    outside("System.startDVMStat", "(String, String, int) -> Subprocess", start_dvmstat),
    outside("System.vmstat", "() -> VMStat!", vmstat),
    outside("System.hostname", "() -> String!", hostname),
    outside("System.load", "() -> Load!", load),
    outside("System.memory", "() -> Memory!", memory),
    outside("System.uptime", "() -> Duration!", uptime),
    outside("System.cpus", "() -> int!", cpus),
    outside("System.disks", "() -> List<Disk>!", disks),
    outside("System.env", "(String) -> String?!", env),
    outside("System.sleep", "(Duration) -> void", sleep),
    outside("System.now", "() -> Time", now),
    outside("Task.monotonic", "() -> int", monotonic),
    outside("Task.sleepUntil", "(int) -> void", sleep_until),
];

fn start_dvmstat(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let allowed =
        reach(call, "exec", &["vmstat"]).and_then(|_| reach(call, "logpool", &["write", call.string(1)]));
    let state = match allowed {
        Ok(state) => state,
        Err(denied) => return Ok(Value::Handle(state(call).in_error("vmstat", denied))),
    };
    let sampling = Sampling {
        key: call.string(0).to_owned(),
        pool: call.string(1).to_owned(),
        interval_s: call.int(2),
        regions: call.regions(),
    };
    Ok(Value::Handle(call.wait(dvmstat::start(state, sampling))?))
}

fn vmstat(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let state = reach(call, "exec", &["vmstat"])?;
    let sample = call.wait(async move { system::vmstat(&state).await })??;
    Ok(Value::Record(sample.into_iter().map(|(name, value)| (name, Value::Int(value))).collect()))
}

fn hostname(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    reach(call, "system", &["read"])?;
    Ok(Value::String(system::hostname()?))
}

fn load(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    reach(call, "system", &["read"])?;
    let [one, five, fifteen] = system::load()?.map(Value::Double);
    Ok(record([("one", one), ("five", five), ("fifteen", fifteen)]))
}

fn memory(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    reach(call, "system", &["read"])?;
    let memory = system::memory()?;
    Ok(record([
        ("total", Value::Int(memory.total)),
        ("free", Value::Int(memory.free)),
        ("available", Value::Int(memory.available)),
        ("used", Value::Int(memory.used)),
        ("buffers", Value::Int(memory.buffers)),
        ("cached", Value::Int(memory.cached)),
        ("swapTotal", Value::Int(memory.swap_total)),
        ("swapFree", Value::Int(memory.swap_free)),
    ]))
}

fn uptime(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    reach(call, "system", &["read"])?;
    Ok(Value::Duration(system::uptime()?))
}

fn cpus(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    reach(call, "system", &["read"])?;
    let count = std::thread::available_parallelism().map_err(|e| errors::io(&e, "processors"))?;
    Ok(Value::Int(count.get() as i64))
}

fn disks(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    reach(call, "system", &["read"])?;
    let all = call.wait(on_thread(disks::all))??.map_err(|e| errors::io(&e, "the mounted file systems"))?;
    let value = |disk: Disk| {
        record([
            ("path", Value::String(disk.path)),
            ("device", Value::String(disk.device)),
            ("type", Value::String(disk.kind)),
            ("total", Value::Int(disk.total)),
            ("used", Value::Int(disk.used)),
            ("free", Value::Int(disk.free)),
            ("available", Value::Int(disk.available)),
            ("inodes", Value::Int(disk.inodes)),
            ("inodesFree", Value::Int(disk.inodes_free)),
            ("readOnly", Value::Bool(disk.read_only)),
        ])
    };
    Ok(Value::List(all.into_iter().map(value).collect()))
}

/// A variable that is not UTF-8 has U+FFFD for what is not.
fn env(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    reach(call, "env", &["read", call.string(0)])?;
    let name = call.string(0);
    // What can be no name is not set; the system's function would panic.
    if name.is_empty() || name.contains(['=', '\0']) {
        return Ok(Value::Null);
    }
    let value = std::env::var_os(name);
    Ok(value.map_or(Value::Null, |value| Value::String(value.to_string_lossy().into_owned())))
}

fn sleep(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let (state, time) = (reached(call), call.int(0));
    call.wait(async move { state.sleep(time).await })?;
    Ok(Value::Null)
}

fn monotonic(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    Ok(Value::Int(reached(call).host.monotonic()))
}

fn sleep_until(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let (state, until) = (reached(call), call.int(0));
    call.wait(async move { state.host.sleep_until(until).await })?;
    Ok(Value::Null)
}

fn now(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    Ok(Value::Time(reached(call).host.now()))
}
