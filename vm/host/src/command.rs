//! `Command.run`: starts a program, feeds it, and waits for it and its output.
//!
//! A run is over when the program has ended and what it wrote is read. Others that still hold its output, such as a
//! daemon that it left, are waited for 100 ms longer. `timeout` bounds all of it; past it the group gets TERM, after 2
//! seconds KILL. One of 0 or less is over before anything is started.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use dscript_bytecode::image::Script;
use dscript_bytecode::script::interpreter;
use dscript_interp::Held;
use dscript_interp::Host;
use dscript_interp::value::ErrorValue;

use crate::errors;
use crate::pipes::{self, Outlet};
use crate::spawner::{Child, Children, Exit, KillOnDrop, SCRIPT_PATH, Spawn, memory_file};
use crate::state::RunState;

/// Of standard output and standard error together; more is an error.
pub const OUTPUT_BYTES_MAX: usize = 64 << 20;
/// Between TERM and KILL.
pub const GRACE_NS: i64 = 2_000_000_000;
/// After its end a program's output is read so long where others hold it open.
const AFTER_NS: i64 = 100_000_000;

/// What is to run, as `Command` builds it.
#[derive(Clone, Debug, Default)]
pub struct CommandLine {
    pub program: String,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    pub clear_env: bool,
    pub dir: Option<String>,
    /// What the program is to run, as `with_script` puts it among the arguments.
    pub script: Option<Embedded>,
    /// Whether what it leaves behind is not the run's: daemons, however the run ends.
    pub apart: bool,
}

/// A script of the program's own, as a file in memory: no file system has it, and nothing is left of it.
#[derive(Clone, Debug)]
pub struct Embedded {
    name: String,
    interpreter: String,
    argument: Option<String>,
    file: Rc<OwnedFd>,
}

impl Embedded {
    pub fn new(script: &Script) -> io::Result<Embedded> {
        let runs = interpreter(&script.bytes).map_err(io::Error::other)?;
        Ok(Embedded {
            name: script.name.clone(),
            interpreter: runs.program.to_owned(),
            argument: runs.argument.map(str::to_owned),
            file: Rc::new(memory_file(c"script", &script.bytes)?),
        })
    }
}

/// What a program answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    pub exit_code: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl CommandLine {
    /// The line of a script: its interpreter, with the script before the arguments.
    pub fn with_script(mut self, script: Embedded) -> CommandLine {
        self.program.clone_from(&script.interpreter);
        let before = script.argument.clone().into_iter().chain([SCRIPT_PATH.to_owned()]);
        self.args.splice(0..0, before);
        self.script = Some(script);
        self
    }

    /// What is wrong with it, where no system could run it.
    pub fn check(&self) -> Result<(), ErrorValue> {
        let wrong = |what: String| {
            let mut error = errors::error("EINVAL", format!("cannot start `{}`: {what}", self.name()));
            error.data.push(("program".into(), self.name().into()));
            Err(error)
        };
        if let Some(at) = self.args.iter().position(|arg| arg.contains('\0')) {
            return wrong(format!("argument {} has a NUL in it: `{}`", at + 1, shown(&self.args[at])));
        }
        for (name, value) in &self.env {
            if name.is_empty() || name.contains(['=', '\0']) {
                return wrong(format!("`{}` is no name of a variable", shown(name)));
            }
            if value.contains('\0') {
                return wrong(format!("the variable `{name}` has a NUL in it: `{}`", shown(value)));
            }
        }
        Ok(())
    }

    /// What reports call it.
    pub fn name(&self) -> &str {
        self.script.as_ref().map_or(&self.program, |script| &script.name)
    }

    pub fn spawn(&self, streams: [Option<OwnedFd>; 3]) -> io::Result<Spawn> {
        let script = self.script.as_ref().map(|script| script.file.try_clone()).transpose()?;
        Ok(Spawn {
            program: self.program.clone(),
            args: self.args.clone(),
            env: self.env.clone(),
            clear_env: self.clear_env,
            dir: self.dir.clone(),
            streams,
            script,
            new_session: self.apart,
        })
    }
}

fn shown(text: &str) -> String {
    errors::cut(text).escape_debug().to_string()
}

/// Runs a program to its end. Statuses in `allow` are as good as 0.
pub async fn execute(
    run: Rc<RunState>,
    line: CommandLine,
    input: Option<Vec<u8>>,
    timeout_ns: Option<i64>,
    allow: Vec<i64>,
) -> Result<Output, ErrorValue> {
    if !line.apart {
        return execute_among(&run, &run.children, line, input, timeout_ns, allow).await;
    }
    let children = run.children.letting_go();
    let done = execute_among(&run, &children, line, input, timeout_ns, allow).await;
    children.close().await;
    done
}

async fn execute_among(
    run: &RunState,
    children: &Children,
    line: CommandLine,
    input: Option<Vec<u8>>,
    timeout_ns: Option<i64>,
    allow: Vec<i64>,
) -> Result<Output, ErrorValue> {
    let cannot = |e: io::Error| errors::io(&e, &format!("cannot start `{}`", line.name()));
    let (stdout, stdout_theirs) = pipes::output().map_err(cannot)?;
    let (stderr, stderr_theirs) = pipes::output().map_err(cannot)?;
    let (stdin, stdin_theirs) = match input {
        Some(bytes) => {
            let (ours, theirs) = pipes::input().map_err(cannot)?;
            (Some((ours, bytes)), Some(theirs))
        }
        None => (None, None),
    };
    if let Some(limit) = timeout_ns.filter(|limit| *limit <= 0) {
        return Err(timed_out(line.name(), limit));
    }
    let begin = run.host.monotonic();
    let spawn = line.spawn([stdin_theirs, Some(stdout_theirs), Some(stderr_theirs)]).map_err(cannot)?;
    let child = children.spawn(spawn).await;
    let child = child.map_err(|why| errors::not_started(&line, why))?;
    let mut guard = KillOnDrop(Some(child.clone()));

    let room = Cell::new(OUTPUT_BYTES_MAX);
    let held = RefCell::new(run.hold());
    let (out, err) = (RefCell::default(), RefCell::default());
    let work = async {
        let feed = async {
            if let Some((mut pipe, bytes)) = stdin {
                // A program need not read what it is given.
                let _ = pipe.write_all(&bytes).await;
            }
            Ok(())
        };
        let complaints = async {
            child.wait_briefly().await;
            collect(stderr, &room, &held, &err).await
        };
        let talk = async {
            let done = tokio::try_join!(collect(stdout, &room, &held, &out), complaints, feed);
            done.map(drop)
        };
        let mut talk = std::pin::pin!(talk);
        let (exit, _) = tokio::select! {
            biased;
            done = &mut talk => {
                done?;
                child.wait().await
            }
            ended = child.wait() => {
                tokio::select! {
                    biased;
                    done = &mut talk => done?,
                    () = run.sleep(AFTER_NS) => {}
                }
                ended
            }
        };
        Ok::<_, TooMuch>((out.take(), err.take(), exit))
    };
    let mut work = std::pin::pin!(work);
    let done = match timeout_ns {
        None => work.await,
        Some(limit) => {
            tokio::select! {
                biased;
                done = &mut work => done,
                () = run.host.sleep_until(begin.saturating_add(limit.max(0))) => {
                    child.signal(libc::SIGTERM);
                    tokio::select! {
                        biased;
                        _ = &mut work => {
                            // Others of the group may have heard TERM and gone on; nobody waits for them.
                            tokio::task::spawn_local(kill_later(run.host.clone(), child.clone()));
                        }
                        () = run.sleep(GRACE_NS) => {
                            child.signal(libc::SIGKILL);
                            // Not the output: a process that left the group may hold it for ever.
                            child.wait().await;
                        }
                    }
                    guard.0 = None;
                    return Err(timed_out(line.name(), limit));
                }
            }
        }
    };
    let (stdout, stderr, exit) = match done {
        Ok(done) => done,
        Err(TooMuch(what)) => {
            child.signal(libc::SIGKILL);
            child.wait().await;
            guard.0 = None;
            return Err(errors::error("limit", format!("`{}` wrote more than {what}", line.name())));
        }
    };
    guard.0 = None;
    match exit {
        Exit::Code(exit_code) if exit_code == 0 || allow.contains(&exit_code.into()) => {
            Ok(Output { exit_code, stdout, stderr })
        }
        exit => Err(errors::ended(line.name(), exit, tail(&stderr))),
    }
}

async fn kill_later(host: Rc<dyn Host>, child: Child) {
    host.sleep_until(host.monotonic().saturating_add(GRACE_NS)).await;
    child.signal(libc::SIGKILL);
}

pub fn timed_out(program: &str, limit_ns: i64) -> ErrorValue {
    let mut error = errors::timed_out(&format!("`{program}`"), limit_ns);
    error.data.push(("program".into(), program.into()));
    error
}

/// Kept of standard error for `Error.data`.
pub const TAIL_BYTES: usize = 8 << 10;

fn tail(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.len().saturating_sub(TAIL_BYTES)..]
}

/// More was written than this.
struct TooMuch(String);

/// Reads to the end; `all` has at any time what was read by then.
async fn collect(
    pipe: Outlet,
    room: &Cell<usize>,
    held: &RefCell<Held>,
    all: &RefCell<Vec<u8>>,
) -> Result<(), TooMuch> {
    loop {
        let read = {
            let mut all = all.borrow_mut();
            if all.capacity() - all.len() < 4096 {
                let more = all.len().max(8 << 10);
                all.reserve(more);
            }
            pipe.try_read_buf(&mut all)
        };
        match read {
            Ok(0) => return Ok(()),
            Ok(read) => {
                let left = room.get().checked_sub(read);
                room.set(left.ok_or_else(|| TooMuch(format!("{} MiB", OUTPUT_BYTES_MAX >> 20)))?);
                if !held.borrow_mut().resize(OUTPUT_BYTES_MAX - room.get()) {
                    return Err(TooMuch("the memory of this task has room for".into()));
                }
                // Others have their turn while a writer is faster than we are.
                tokio::task::coop::consume_budget().await;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            // An unreadable pipe has ended for our purpose.
            Err(e) if e.kind() != io::ErrorKind::WouldBlock || pipe.readable().await.is_err() => {
                return Ok(());
            }
            Err(_) => {}
        }
    }
}
