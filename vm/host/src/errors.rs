//! How failures of the world become D-Script errors: their codes, and who may be to blame.
//!
//! | code | fault |
//! | --- | --- |
//! | `ENOENT` `ENOTDIR` `EISDIR` `ELOOP` `ENAMETOOLONG` `ENOEXEC` | USER (a wrong name), SOFTWARE (not installed) |
//! | `EACCES` `EPERM` `EROFS` | USER (missing rights), SYSTEM (how the machine is set up) |
//! | `E2BIG` `EINVAL` `EPIPE` `ESRCH` `ECHILD`, `limit`, `exit:N` | SOFTWARE (the program asked for it, or the command failed) |
//! | `ENOMEM` `EAGAIN` `EMFILE` `ENFILE` `ENOSPC` `EDQUOT` `EIO` | SYSTEM |
//! | `ECONN...` `EHOST...` `ENET...` `ETIMEDOUT` `EADDR...` `EPROTO` `tls` | EXTERNAL |
//! | `dns` | USER (a wrong name), EXTERNAL |
//! | `ENOSYS` | SYSTEM (the machine has no such thing) |
//! | `timeout`, `signal:NAME` | SYSTEM, SOFTWARE |
//! | `denied` | USER |
//! | `pool` | SYSTEM, EXTERNAL |

use dscript_interp::duration_text;
use dscript_interp::value::{ErrorValue, Fault};
use nix::errno::Errno;

use crate::command::CommandLine;
use crate::pool::PoolError;
use crate::signals;
use crate::spawner::{Exit, SpawnError, Stage};

/// Of a command's last lines in a message; `data` has more.
const MESSAGE_LINES_MAX: usize = 3;
const MESSAGE_BYTES_MAX: usize = 400;

/// An error with the faults of its code.
pub fn error(code: impl Into<String>, message: impl Into<String>) -> ErrorValue {
    let code = code.into();
    ErrorValue { fault: faults(&code), code, message: message.into(), cause: None, data: Vec::new() }
}

/// What took longer than it may, or was not begun because it may take no time at all.
pub fn timed_out(what: &str, limit_ns: i64) -> ErrorValue {
    let limit = duration_text(limit_ns);
    error(
        "timeout",
        match limit_ns {
            1.. => format!("{what} was not done after {limit}"),
            _ => format!("{what} was not begun: its time limit is {limit}"),
        },
    )
}

/// `ENOENT`; numbers without a name are `errno:4095`.
pub fn errno_name(errno: i32) -> String {
    match Errno::from_raw(errno) {
        Errno::UnknownErrno => format!("errno:{errno}"),
        known => format!("{known:?}"),
    }
}

/// What the system says, with what it was about.
pub fn os(errno: i32, what: &str) -> ErrorValue {
    error(errno_name(errno), format!("{what}: {}", Errno::from_raw(errno).desc()))
}

pub fn io(io: &std::io::Error, what: &str) -> ErrorValue {
    match io.raw_os_error() {
        Some(errno) => os(errno, what),
        None => error("EIO", format!("{what}: {io}")),
    }
}

pub fn pool(pool: &str, why: PoolError) -> ErrorValue {
    let mut error = error(why.code, format!("log pool `{pool}`: {}", why.message));
    error.data.push(("pool".into(), pool.into()));
    error
}

/// Why a program was not started.
pub fn not_started(line: &CommandLine, why: SpawnError) -> ErrorValue {
    let program = line.name();
    let (errno, stage) = match why {
        SpawnError::System { errno, stage } => (errno, stage),
        SpawnError::TooMany(most) => {
            let text =
                format!("`{program}` is not started: as many subprocesses of this task run as may ({most})");
            return error("limit", text);
        }
    };
    let mut error = match (stage, errno) {
        (Stage::Program, libc::ENOENT) if line.script.is_some() => error(
            "ENOENT",
            format!("`{}`, which is to run the script `{program}`, does not exist", line.program),
        ),
        (Stage::Program, libc::ENOENT) if program.contains('/') || program.is_empty() => {
            let hint = in_one(program, &line.args);
            error("ENOENT", format!("`{program}`, or the interpreter it names, does not exist{hint}"))
        }
        (Stage::Program, libc::ENOENT) => {
            error("ENOENT", format!("`{program}` is not in PATH{}", in_one(program, &line.args)))
        }
        (Stage::Program, libc::ENOEXEC) => {
            error("ENOEXEC", format!("`{program}` is neither a program nor a script that begins with `#!`"))
        }
        (Stage::Directory, errno) => {
            os(errno, &format!("directory `{}` for `{program}`", line.dir.as_deref().unwrap_or_default()))
        }
        (Stage::Request, libc::EPIPE | libc::ECONNRESET) => {
            error("EPIPE", format!("cannot start `{program}`: the spawner ended"))
        }
        (_, errno) => os(errno, &format!("cannot start `{program}`")),
    };
    error.data.push(("program".into(), program.into()));
    error
}

/// What to say where a program and its arguments are in one text, a mistake that shells teach.
fn in_one(program: &str, args: &[String]) -> String {
    let words: Vec<String> = program.split_whitespace().map(|word| format!("{word:?}")).collect();
    match words.len() > 1 && args.is_empty() {
        true => format!("; arguments are given one by one: new Command({})", words.join(", ")),
        false => String::new(),
    }
}

/// How a program failed; `stderr` is the end of what it wrote there.
pub fn ended(program: &str, exit: Exit, stderr: &[u8]) -> ErrorValue {
    let stderr = String::from_utf8_lossy(stderr);
    let stderr = stderr.trim_end();
    let (code, mut message) = match exit {
        Exit::Code(code) => (format!("exit:{code}"), format!("`{program}` ended with status {code}")),
        Exit::Signal(signal) => {
            let name = signals::name(signal);
            (format!("signal:{name}"), format!("`{program}` was ended by signal {name}"))
        }
        Exit::Lost => ("signal:KILL".into(), format!("`{program}` was killed because its spawner died")),
    };
    let tail = last_lines(stderr);
    if !tail.is_empty() {
        message.push_str(": ");
        message.push_str(tail);
    }
    let mut error = error(code, message);
    error.data.push(("program".into(), program.into()));
    if let Exit::Code(code) = exit {
        error.data.push(("exitCode".into(), code.to_string()));
    }
    error.data.push(("stderr".into(), stderr.into()));
    error
}

/// The beginning of a text, for a message.
pub fn cut(text: &str) -> String {
    if text.len() <= MESSAGE_BYTES_MAX {
        return text.to_owned();
    }
    let mut end = MESSAGE_BYTES_MAX;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", &text[..end])
}

/// The last few lines, within a bound.
fn last_lines(text: &str) -> &str {
    let mut start = text.rmatch_indices('\n').nth(MESSAGE_LINES_MAX - 1).map_or(0, |(at, _)| at + 1);
    start = start.max(text.len().saturating_sub(MESSAGE_BYTES_MAX));
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

fn faults(code: &str) -> Vec<Fault> {
    use Fault::*;
    match code {
        "ENOENT" | "ENOTDIR" | "EISDIR" | "ELOOP" | "ENAMETOOLONG" | "ENOEXEC" => vec![User, Software],
        "EACCES" | "EPERM" | "EROFS" => vec![User, System],
        "ENOMEM" | "EAGAIN" | "EMFILE" | "ENFILE" | "ENOSPC" | "EDQUOT" | "EIO" => vec![System],
        "ENOSYS" | "damaged" => vec![System],
        "ETIMEDOUT" | "EPROTO" | "tls" => vec![External],
        "dns" => vec![User, External],
        "timeout" => vec![System, Software],
        "denied" => vec![User],
        "pool" => vec![System, External],
        _ if code.starts_with("signal:") => vec![System, Software],
        _ if ["ECONN", "EHOST", "ENET", "EADDR"].iter().any(|start| code.starts_with(start)) => {
            vec![External]
        }
        _ => vec![Software],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_what_failed() {
        let check = |error: ErrorValue, code: &str, message: &str| {
            assert_eq!((error.code.as_str(), error.message.as_str()), (code, message));
            assert!(!error.fault.is_empty());
        };
        let why = |errno, stage| SpawnError::System { errno, stage };
        let line = |program: &str, dir: Option<&str>| CommandLine {
            program: program.into(),
            dir: dir.map(str::to_owned),
            ..CommandLine::default()
        };
        check(
            not_started(&line("ls", None), why(libc::ENOENT, Stage::Program)),
            "ENOENT",
            "`ls` is not in PATH",
        );
        check(
            not_started(&line("ls -la", None), why(libc::ENOENT, Stage::Program)),
            "ENOENT",
            r#"`ls -la` is not in PATH; arguments are given one by one: new Command("ls", "-la")"#,
        );
        check(
            not_started(&line("./ls", None), why(libc::EACCES, Stage::Program)),
            "EACCES",
            "cannot start `./ls`: Permission denied",
        );
        check(
            not_started(&line("ls", Some("/x")), why(libc::ENOENT, Stage::Directory)),
            "ENOENT",
            "directory `/x` for `ls`: No such file or directory",
        );
        check(ended("x", Exit::Code(3), b"a\nb\nc\nd\n"), "exit:3", "`x` ended with status 3: b\nc\nd");
        check(ended("x", Exit::Signal(9), b""), "signal:KILL", "`x` was ended by signal KILL");
        check(os(libc::EIO, "disk"), "EIO", "disk: I/O error");
        assert_eq!(errno_name(4095), "errno:4095");
    }

    #[test]
    fn the_end_of_a_text_is_cut_at_a_character() {
        let long = "ü".repeat(1000);
        assert_eq!(last_lines(&long).len(), MESSAGE_BYTES_MAX);
        assert_eq!(last_lines(&format!("x{long}")).len(), MESSAGE_BYTES_MAX);
        assert_eq!(last_lines("a"), "a");
    }
}
