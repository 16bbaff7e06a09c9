//! `Process`: the processes of this machine, as /proc shows them.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

use dscript_interp::native::{Failure, NativeDef, OutsideCall};
use dscript_interp::value::{ErrorValue, Value};
use nix::errno::Errno;
use nix::unistd::{Gid, Group, Uid, User};

use super::*;
use crate::signals;

pub const NATIVES: &[NativeDef] = &[
    outside("Process.list", "() -> List<ProcessInfo>!", list),
    outside("Process.get", "(int) -> ProcessInfo!", get),
    outside("Process.exists", "(int) -> boolean!", exists),
    outside("Process.kill", "(int, String) -> void!", kill),
];

/// Of a command line.
const COMMAND_BYTES_MAX: u64 = 32 << 10;
/// The kernel cuts names off there.
const COMM_BYTES: usize = 15;

/// A process as it was seen.
#[derive(Debug)]
struct Info {
    pid: i64,
    parent: i64,
    name: String,
    command: String,
    user: String,
    state: String,
    rss_bytes: i64,
    cpu_ns: i64,
    started_ns: i64,
}

impl Info {
    fn value(self) -> Value {
        record([
            ("pid", Value::Int(self.pid)),
            ("parent", Value::Int(self.parent)),
            ("name", Value::String(self.name)),
            ("command", Value::String(self.command)),
            ("user", Value::String(self.user)),
            ("state", Value::String(self.state)),
            ("rss", Value::Int(self.rss_bytes)),
            ("cpu", Value::Duration(self.cpu_ns)),
            ("started", Value::Time(self.started_ns)),
        ])
    }
}

/// What is the same for all processes of one reading.
struct Machine {
    ticks_per_second: i64,
    page_bytes: i64,
    booted_ns: i64,
    users: HashMap<u32, String>,
}

impl Machine {
    fn new() -> io::Result<Machine> {
        let stat = fs::read_to_string("/proc/stat")?;
        let booted = stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<i64>().ok());
        // SAFETY: plain numbers.
        let number = |name| unsafe { libc::sysconf(name) }.max(1);
        Ok(Machine {
            ticks_per_second: number(libc::_SC_CLK_TCK),
            page_bytes: number(libc::_SC_PAGESIZE),
            booted_ns: booted.unwrap_or(0).saturating_mul(1_000_000_000),
            users: HashMap::new(),
        })
    }

    /// A process; it may end while it is read.
    fn read(&mut self, pid: i64) -> io::Result<Info> {
        let folder = format!("/proc/{pid}");
        let stat = fs::read(format!("{folder}/stat"))?;
        let uid = fs::metadata(&folder)?.uid();
        let mut command = Vec::new();
        // The kernel may keep the command line of a process that is about to end or stuck from us.
        if let Ok(file) = File::open(format!("{folder}/cmdline")) {
            let _ = file.take(COMMAND_BYTES_MAX).read_to_end(&mut command);
        }
        let user = self.users.entry(uid).or_insert_with(|| user_name(uid)).clone();
        let strange = || io::Error::other(format!("{folder}/stat does not read as expected"));
        self.parse(pid, &String::from_utf8_lossy(&stat), &String::from_utf8_lossy(&command), user)
            .ok_or_else(strange)
    }

    /// `stat` is `PID (NAME) STATE PARENT ...`, where NAME may hold anything.
    fn parse(&self, pid: i64, stat: &str, command: &str, user: String) -> Option<Info> {
        let (head, tail) = stat.rsplit_once(") ")?;
        let comm = head.split_once('(')?.1;
        let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
        // The first of `fields` is the third of the manual's page.
        let number = |place: usize| fields.get(place - 3)?.parse::<i64>().ok();
        let nanoseconds = |ticks: i64| {
            i64::try_from(i128::from(ticks) * 1_000_000_000 / i128::from(self.ticks_per_second))
                .unwrap_or(i64::MAX)
        };
        let args: Vec<&str> = command.trim_end_matches('\0').split('\0').collect();
        let program = args[0].rsplit('/').next().unwrap_or_default();
        let name = match comm.len() >= COMM_BYTES && program.starts_with(comm) {
            true => program,
            false => comm,
        };
        Some(Info {
            pid,
            parent: number(4)?,
            name: name.to_owned(),
            command: if command.is_empty() { format!("[{comm}]") } else { args.join(" ") },
            user,
            state: (*fields.first()?).to_owned(),
            rss_bytes: number(24)?.max(0).saturating_mul(self.page_bytes),
            cpu_ns: nanoseconds(number(14)?.saturating_add(number(15)?)),
            started_ns: self.booted_ns.saturating_add(nanoseconds(number(22)?)),
        })
    }
}

/// The name of a user, or the number where there is none.
pub fn user_name(uid: u32) -> String {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map_or(uid.to_string(), |user| user.name)
}

pub fn group_name(gid: u32) -> String {
    Group::from_gid(Gid::from_raw(gid)).ok().flatten().map_or(gid.to_string(), |group| group.name)
}

fn list(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    reach(call, "process", &["read"])?;
    let work = || -> io::Result<Vec<Info>> {
        let mut machine = Machine::new()?;
        let mut pids = Vec::new();
        for entry in fs::read_dir("/proc")? {
            pids.extend(entry?.file_name().to_str().and_then(|name| name.parse::<i64>().ok()));
        }
        pids.sort_unstable();
        // Those that ended meanwhile, or that this user may not see, are left out.
        Ok(pids.into_iter().filter_map(|pid| machine.read(pid).ok()).collect())
    };
    let all = call.wait(on_thread(work))??.map_err(|e| errors::io(&e, "cannot list the processes"))?;
    Ok(Value::List(all.into_iter().map(Info::value).collect()))
}

fn no_such(pid: i64) -> ErrorValue {
    errors::error("ESRCH", format!("there is no process {pid}"))
}

fn get(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    reach(call, "process", &["read"])?;
    let pid = call.int(0);
    let found = call.wait(on_thread(move || Machine::new()?.read(pid)))??;
    Ok(found
        .map_err(|e| match e.raw_os_error() {
            Some(libc::ENOENT | libc::ESRCH) => no_such(pid),
            _ => errors::io(&e, &format!("cannot read of process {pid}")),
        })?
        .value())
}

fn exists(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    reach(call, "process", &["read"])?;
    let Ok(pid @ 1..) = i32::try_from(call.int(0)) else { return Ok(Value::Bool(false)) };
    // Whose it is does not matter.
    let answer = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None);
    Ok(Value::Bool(answer != Err(Errno::ESRCH)))
}

fn kill(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    reach(call, "process", &["kill"])?;
    let (pid, name) = (call.int(0), call.string(1));
    let Some(signal) = signals::number(name) else {
        let text = format!("there is no signal `{name}`; for example: TERM, KILL, HUP");
        return Err(errors::error("EINVAL", text).into());
    };
    if pid < 1 {
        let text = format!("{pid} is no process: one has a number above 0");
        return Err(errors::error("EINVAL", text).into());
    }
    let Ok(raw) = i32::try_from(pid) else { return Err(no_such(pid).into()) };
    if raw.unsigned_abs() == std::process::id() {
        let text = format!("process {pid} runs this very task: end the task instead");
        return Err(errors::error("EPERM", text).into());
    }
    // SAFETY: no memory is involved.
    match unsafe { libc::kill(raw, signal) } {
        0 => Ok(Value::Null),
        _ => match Errno::last() {
            Errno::ESRCH => Err(no_such(pid).into()),
            errno => Err(errors::os(errno as i32, &format!("cannot signal process {pid}")).into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_lines() {
        let machine =
            Machine { ticks_per_second: 100, page_bytes: 4096, booted_ns: 5, users: HashMap::new() };
        let stat = "42 (a) b (c)) S 7 42 42 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 300 1000 10 9\n";
        let info = machine.parse(42, stat, "", "root".into()).expect("it reads");
        assert_eq!(
            format!("{info:?}"),
            "Info { pid: 42, parent: 7, name: \"a) b (c)\", command: \"[a) b (c)]\", user: \"root\", state: \"S\", \
             rss_bytes: 40960, cpu_ns: 2000000000, started_ns: 3000000005 }"
        );
        let long = stat.replace("a) b (c)", "a-very-long-nam");
        let info = machine.parse(42, &long, "/bin/a-very-long-name\0-x\0y z\0", "root".into());
        let info = info.expect("it reads");
        assert_eq!(
            (info.name.as_str(), info.command.as_str()),
            ("a-very-long-name", "/bin/a-very-long-name -x y z")
        );
        assert!(machine.parse(42, "42 (a) S 7", "", String::new()).is_none());
        assert!(machine.parse(42, "", "", String::new()).is_none());
    }

    #[test]
    fn this_process() {
        let info = Machine::new().and_then(|mut machine| machine.read(std::process::id().into()));
        let info = info.expect("we are there");
        assert!(info.rss_bytes > 0 && info.parent > 0 && info.started_ns > 0, "{info:?}");
    }
}
