//! `Service`: the services of this machine, through the command of whichever manager it has.
//!
//! systemd where it runs; else OpenRC; else SysV's scripts where there is a folder of them; else systemctl where there
//! is one at all, which says itself what it misses. The command is found in PATH at each call, needs no capability of its own, and never asks.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use dscript_interp::native::{Failure, NativeDef, OutsideCall};
use dscript_interp::value::{ErrorValue, Value};

use super::*;
use crate::command::{CommandLine, Output, execute};

pub const NATIVES: &[NativeDef] = &[
    outside("Service.status", "(String) -> ServiceStatus!", status),
    outside("Service.start", "(String) -> void!", start),
    outside("Service.stop", "(String) -> void!", stop),
    outside("Service.restart", "(String) -> void!", restart),
];

/// A service manager has this long; `within` bounds it closer.
const CONTROL_NS: i64 = 300_000_000_000;
const STATUS_NS: i64 = 30_000_000_000;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Manager {
    Systemd,
    OpenRc,
    SysV,
}

impl Manager {
    /// The manager of this machine.
    fn find() -> Result<Manager, ErrorValue> {
        let is_there = |path: &str| Path::new(path).exists();
        choose(in_path, is_there).ok_or_else(|| {
            errors::error(
                "ENOSYS",
                "this machine has no service manager: neither `systemctl` (systemd) nor `rc-service` (OpenRC) nor \
                 `service` (SysV) is in PATH",
            )
        })
    }

    fn command(self, verb: &str, unit: &str) -> CommandLine {
        let (program, args): (&str, Vec<&str>) = match self {
            Manager::Systemd if verb == "status" => (
                "systemctl",
                vec!["show", "--property=LoadState,ActiveState,SubState,MainPID,Description", "--", unit],
            ),
            Manager::Systemd => ("systemctl", vec!["--no-ask-password", "--quiet", verb, "--", unit]),
            // Plain words; a unit cannot be taken for an option.
            Manager::OpenRc => ("rc-service", vec![unit, verb]),
            Manager::SysV => ("service", vec![unit, verb]),
        };
        let env = [("LC_ALL", "C"), ("SYSTEMD_PAGER", ""), ("SYSTEMD_COLORS", "0")];
        CommandLine {
            program: program.into(),
            args: args.into_iter().map(str::to_owned).collect(),
            env: env.map(|(name, value)| (name.into(), value.into())).into(),
            // A service belongs to the machine, whatever becomes of the task that started it.
            apart: verb != "status",
            ..CommandLine::default()
        }
    }

    /// Statuses of its command that only say that a service does not run.
    fn tells(self) -> Vec<i64> {
        match self {
            Manager::Systemd => vec![],
            // 3 stopped, 4 starting, 8 stopping, 16 inactive, 32 crashed
            Manager::OpenRc => vec![3, 4, 8, 16, 32],
            // 1 and 2 died, 3 stopped
            Manager::SysV => vec![1, 2, 3],
        }
    }
}

fn choose(in_path: impl Fn(&str) -> bool, is_there: impl Fn(&str) -> bool) -> Option<Manager> {
    let systemctl = in_path("systemctl");
    if systemctl && is_there("/run/systemd/system") {
        return Some(Manager::Systemd);
    }
    if in_path("rc-service") {
        return Some(Manager::OpenRc);
    }
    let service = in_path("service");
    if service && is_there("/etc/init.d") {
        return Some(Manager::SysV);
    }
    match (systemctl, service) {
        (true, _) => Some(Manager::Systemd),
        (false, true) => Some(Manager::SysV),
        (false, false) => None,
    }
}

fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| {
        let found = folder.join(program).metadata();
        found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    })
}

/// The unit, when it is the name of one: no option, pattern or path.
fn unit(call: &OutsideCall<'_>) -> Result<String, ErrorValue> {
    let unit = call.string(0);
    let good = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@+".contains(c);
    if unit.is_empty() || unit.len() > 255 || unit.starts_with(['-', '.']) || !unit.chars().all(good) {
        let text = format!("`{}` is not the name of a service", unit.escape_debug());
        return Err(errors::error("EINVAL", text));
    }
    Ok(unit.to_owned())
}

fn start(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    control(call, "start")
}

fn stop(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    control(call, "stop")
}

fn restart(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    control(call, "restart")
}

fn control(call: &mut OutsideCall<'_>, verb: &'static str) -> Result<Value, Failure> {
    let unit = unit(call)?;
    let state = reach(call, "service", &["control", &unit])?;
    let line = Manager::find()?.command(verb, &unit);
    let run = execute(state, line, None, Some(CONTROL_NS), Vec::new());
    call.wait(run)?.map_err(|error| of_unit(error, &unit))?;
    Ok(Value::Null)
}

/// What SysV's `service` says of one that it does not know; its status tells nothing then.
const UNKNOWN: &str = "unrecognized service";

fn of_unit(mut error: ErrorValue, unit: &str) -> ErrorValue {
    if error.message.contains("not been booted with systemd") {
        let text = "this machine has no service manager: systemd is installed, but does not run";
        error = errors::error("ENOSYS", text);
    }
    if error.message.contains(UNKNOWN) {
        error = errors::error("ENOENT", "there is no such service");
    }
    error.message = format!("service `{unit}`: {}", error.message);
    error.data.push(("unit".into(), unit.into()));
    error
}

fn status(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let unit = unit(call)?;
    let state = reach(call, "service", &["read", &unit])?;
    let manager = Manager::find()?;
    let run = execute(state, manager.command("status", &unit), None, Some(STATUS_NS), manager.tells());
    let output = call.wait(run)?.map_err(|error| of_unit(error, &unit))?;
    let Status { state, pid, text } = read_status(manager, &output, &unit)?;
    Ok(record([
        ("unit", Value::String(unit)),
        ("state", Value::String(state)),
        ("pid", pid.map_or(Value::Null, Value::Int)),
        ("text", Value::String(text)),
    ]))
}

#[derive(Debug, PartialEq)]
struct Status {
    state: String,
    pid: Option<i64>,
    text: String,
}

fn read_status(manager: Manager, output: &Output, unit: &str) -> Result<Status, ErrorValue> {
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if manager != Manager::Systemd {
        if String::from_utf8_lossy(&output.stderr).contains(UNKNOWN) {
            return Err(of_unit(errors::error("ENOENT", "there is no such service"), unit));
        }
        let state = match (manager, output.exit_code) {
            (_, 0) => "active",
            (Manager::OpenRc, 4) => "activating",
            (Manager::OpenRc, 8) => "deactivating",
            (Manager::OpenRc, 32) | (Manager::SysV, 1 | 2) => "failed",
            _ => "inactive",
        };
        return Ok(Status { state: state.into(), pid: None, text });
    }
    let property = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_default().to_owned()
    };
    if property("LoadState") == "not-found" {
        let error = errors::error("ENOENT", "there is no such unit");
        return Err(of_unit(error, unit));
    }
    let state = property("ActiveState");
    if state.is_empty() {
        let error = errors::error("EIO", "`systemctl show` does not read as expected");
        return Err(of_unit(error, unit));
    }
    let pid = property("MainPID").parse().ok().filter(|pid| *pid > 0);
    Ok(Status { state, pid, text: format!("{} ({})", property("Description"), property("SubState")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manager_that_the_machine_has() {
        let check = |programs: &[&str], paths: &[&str], expected| {
            let got = choose(|program| programs.contains(&program), |path| paths.contains(&path));
            assert_eq!(got, expected, "{programs:?} {paths:?}");
        };
        check(&["systemctl", "service"], &["/run/systemd/system"], Some(Manager::Systemd));
        check(&["systemctl", "service"], &["/etc/init.d"], Some(Manager::SysV));
        check(&["systemctl", "service"], &[], Some(Manager::Systemd));
        check(&["rc-service", "service"], &["/etc/init.d/ssh"], Some(Manager::OpenRc));
        check(&["service"], &[], Some(Manager::SysV));
        check(&[], &["/run/systemd/system"], None);
    }

    #[test]
    fn answers() {
        let check = |manager, exit_code, stdout: &str, expected: Result<(&str, Option<i64>, &str), &str>| {
            let output = Output { exit_code, stdout: stdout.into(), stderr: Vec::new() };
            let expected =
                expected.map(|(state, pid, text)| Status { state: state.into(), pid, text: text.into() });
            let got = read_status(manager, &output, "ssh").map_err(|error| error.code);
            assert_eq!(got, expected.map_err(str::to_owned));
        };
        let show =
            "MainPID=7\nDescription=Secure = Shell\nLoadState=loaded\nActiveState=active\nSubState=running\n";
        check(Manager::Systemd, 0, show, Ok(("active", Some(7), "Secure = Shell (running)")));
        let none = show.replace("=7", "=0").replace("LoadState=loaded", "LoadState=not-found");
        check(Manager::Systemd, 0, &none, Err("ENOENT"));
        check(Manager::Systemd, 0, "", Err("EIO"));
        check(Manager::OpenRc, 0, " * status: started\n", Ok(("active", None, "* status: started")));
        check(Manager::OpenRc, 32, "", Ok(("failed", None, "")));
        check(Manager::SysV, 3, "stopped", Ok(("inactive", None, "stopped")));
        check(Manager::SysV, 1, "dead", Ok(("failed", None, "dead")));
    }
}
