//! A started program as D-Script holds it: `Subprocess`.
//!
//! Standard output is a pipe that is read as `lines` asks: a program whose output nobody reads waits when the
//! pipe is full. So that it does not wait for ever, `wait` and `waitFor` read it while nobody holds its lines, and keep
//! up to 64 MiB for a later reader, who comes upon an error where there was more. When the body of the task and all of
//! its callbacks are over, everything is dropped. Pipes are closed when the program has ended. Standard input is a pipe
//! unless input was given; it ends with `closeInput`, with `wait`, and when nobody is left who could write. Standard
//! error is always read, and its end kept for `error`. Programs of a few milliseconds are read of at their end only,
//! which spares them what it costs to hear of a pipe; a pipe holds what they write until then, or has them wait so long.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use dscript_interp::value::{ErrorValue, Resource};
use dscript_interp::{Held, Host};
use tokio::sync::Mutex;

use crate::command::{CommandLine, GRACE_NS, OUTPUT_BYTES_MAX, TAIL_BYTES, timed_out};
use crate::errors;
use crate::lines::Lines;
use crate::pipes::{self, Inlet, Outlet};
use crate::signals;
use crate::spawner::{Child, Exit, KillOnDrop, Usage, usage_now};
use crate::state::{RunState, Trouble, report};

/// Kept for a later reader while a `wait` reads.
const HELD_BYTES_MAX: usize = OUTPUT_BYTES_MAX;
/// `kill` waits this long for what SIGKILL ends at once, unless the system is stuck.
const KILLED_NS: i64 = 5_000_000_000;
/// What `wait` gives for a program that is not there, and for one that could not be started, as in a shell.
const NOT_FOUND: i64 = 127;
const NOT_STARTED: i64 = 126;

/// A handle; in error when it has an `error`.
pub struct Process {
    name: String,
    child: Option<Child>,
    /// Why it is in error, other than by how it ended.
    failed: RefCell<Option<ErrorValue>>,
    stdin: RefCell<Option<Rc<Mutex<Inlet>>>>,
    stdout: Rc<Lines>,
    /// Whether something that goes on without the program reads its output.
    taken: Cell<bool>,
    stderr: Rc<Tail>,
    /// Hears what puts the handle in error while nobody may be looking.
    trouble: Trouble,
    /// Whether `trouble` has heard it.
    told: Cell<bool>,
    /// Statuses that are as good as 0.
    allow: Vec<i64>,
    /// The `within` regions it was started in.
    regions: Vec<u64>,
    /// Whether it was sent SIGKILL, and is as good as gone.
    condemned: Cell<bool>,
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Subprocess({}, {})", self.name, self.pid())
    }
}

impl Resource for Process {
    fn is_idle(&self) -> bool {
        !self.is_running()
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// What a subprocess is started with.
#[derive(Default)]
pub struct Start {
    pub line: CommandLine,
    /// `None` leaves standard input open for `write`.
    pub input: Option<Vec<u8>>,
    /// Past it the group gets TERM, after `GRACE_NS` KILL.
    pub timeout_ns: Option<i64>,
    /// Statuses that are as good as 0.
    pub allow: Vec<i64>,
    pub regions: Vec<u64>,
}

impl Process {
    /// Starts a program; one that cannot be started is a handle in error. Dropping the future kills it.
    pub async fn start(run: Rc<RunState>, start: Start) -> Rc<Process> {
        let name = start.line.name().to_owned();
        match Self::try_start(&run, start).await {
            Ok(process) => process,
            Err(error) => run.in_error(&name, error),
        }
    }

    /// A handle of something that never ran; `RunState::in_error` also reports it.
    pub fn in_error(name: impl Into<String>, error: ErrorValue, trouble: Trouble) -> Rc<Process> {
        let name = name.into();
        Rc::new(Process {
            stdout: Rc::new(Lines::new(&name, None, trouble.clone(), Held::default())),
            name,
            child: None,
            failed: RefCell::new(Some(error)),
            stdin: RefCell::new(None),
            taken: Cell::new(false),
            stderr: Rc::default(),
            trouble,
            told: Cell::new(true),
            allow: Vec::new(),
            regions: Vec::new(),
            condemned: Cell::new(false),
        })
    }

    /// As `start`, with the error by itself.
    pub async fn try_start(run: &RunState, start: Start) -> Result<Rc<Process>, ErrorValue> {
        let Start { line, input, timeout_ns, allow, regions } = start;
        if let Some(limit) = timeout_ns.filter(|limit| *limit <= 0) {
            return Err(timed_out(line.name(), limit));
        }
        let begin = run.host.monotonic();
        let cannot = |e: io::Error| errors::io(&e, &format!("cannot start `{}`", line.name()));
        let (stdin, stdin_theirs) = match &input {
            Some(bytes) if bytes.is_empty() => (None, None),
            _ => pipes::input().map(|(ours, theirs)| (Some(ours), Some(theirs))).map_err(cannot)?,
        };
        let (stdout, stdout_theirs) = pipes::output().map_err(cannot)?;
        let (stderr, stderr_theirs) = pipes::output().map_err(cannot)?;
        let spawn = line.spawn([stdin_theirs, Some(stdout_theirs), Some(stderr_theirs)]).map_err(cannot)?;
        let child = run.children.spawn(spawn).await;
        let child = child.map_err(|why| errors::not_started(&line, why))?;
        let stdin = match (stdin, input) {
            (Some(stdin), Some(bytes)) => {
                tokio::task::spawn_local(feed(stdin, bytes));
                None
            }
            (stdin, _) => stdin.map(|stdin| Rc::new(Mutex::new(stdin))),
        };
        let tail = Rc::new(Tail { pipe: RefCell::new(Some(Rc::new(stderr))), bytes: RefCell::default() });
        let process = Rc::new(Process {
            name: line.name().to_owned(),
            child: Some(child),
            failed: RefCell::new(None),
            stdin: RefCell::new(stdin),
            stdout: Rc::new(Lines::new(line.name(), Some(stdout), run.trouble.clone(), run.hold())),
            taken: Cell::new(false),
            stderr: tail,
            trouble: run.trouble.clone(),
            told: Cell::new(false),
            allow,
            regions,
            condemned: Cell::new(false),
        });
        run.remember(process.clone());
        tokio::task::spawn_local(process.clone().settle());
        if let Some(limit) = timeout_ns {
            tokio::task::spawn_local(process.clone().bound(run.host.clone(), begin, limit));
        }
        Ok(process)
    }

    /// 0 when it was never started.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::pid)
    }

    pub fn is_running(&self) -> bool {
        self.child.as_ref().is_some_and(|child| child.exit().is_none())
    }

    fn exit(&self) -> Option<Exit> {
        self.child.as_ref()?.exit().map(|(exit, _)| exit)
    }

    fn is_good(&self, exit: Exit) -> bool {
        matches!(exit, Exit::Code(code) if code == 0 || self.allow.contains(&code.into()))
    }

    /// Reads standard error of what is not short, and once the program has ended takes what it left in its pipes and
    /// closes them.
    async fn settle(self: Rc<Self>) {
        let Some(child) = &self.child else { return };
        child.wait_briefly().await;
        self.stderr.take_all();
        if self.stderr.is_open() {
            tokio::task::spawn_local(self.stderr.clone().read());
        }
        child.wait().await;
        self.stdout.settle(HELD_BYTES_MAX);
        self.stderr.take_all();
        self.close_input();
    }

    /// Ends a program that is not done in time, and what is left of its group.
    async fn bound(self: Rc<Self>, host: Rc<dyn Host>, begin: i64, limit: i64) {
        let Some(child) = &self.child else { return };
        tokio::select! {
            biased;
            _ = child.wait() => return,
            () = host.sleep_until(begin.saturating_add(limit.max(0))) => {}
        }
        if !self.is_error() {
            *self.failed.borrow_mut() = Some(timed_out(&self.name, limit));
        }
        child.signal(libc::SIGTERM);
        host.sleep_until(host.monotonic().saturating_add(GRACE_NS)).await;
        child.signal(libc::SIGKILL);
    }

    /// Never waits: nothing is wrong with a program that runs.
    pub fn is_error(&self) -> bool {
        self.failed.borrow().is_some()
            || self.stdout.error().is_some()
            || self.exit().is_some_and(|exit| !self.is_good(exit))
    }

    pub fn error(&self) -> Option<ErrorValue> {
        if let Some(error) = &*self.failed.borrow() {
            return Some(error.clone());
        }
        if let Some(error) = self.stdout.error() {
            return Some(error);
        }
        match self.exit()? {
            exit if self.is_good(exit) => None,
            exit => Some(errors::ended(&self.name, exit, &self.stderr.now())),
        }
    }

    /// Puts the handle in error, unless it is already, and ends the program.
    pub fn fail(&self, error: ErrorValue) {
        self.put_in_error(error);
        self.kill_now();
    }

    fn put_in_error(&self, error: ErrorValue) {
        if !self.is_error() {
            self.tell(&error);
            *self.failed.borrow_mut() = Some(error);
        }
    }

    fn tell(&self, error: &ErrorValue) {
        if !self.told.replace(true) {
            let _ = self.trouble.send(report(&self.name, error));
        }
    }

    /// What it has used: at its end as the kernel tells who waits for it, before as /proc shows it.
    pub async fn usage(self: Rc<Self>) -> Usage {
        let Some(child) = &self.child else { return Usage::default() };
        match child.exit() {
            Some((_, usage)) => usage,
            // Without a row it has just ended.
            None => match usage_now(child.pid()) {
                Some(usage) => usage,
                None => child.wait().await.1,
            },
        }
    }

    pub fn regions(&self) -> &[u64] {
        &self.regions
    }

    /// Its lines; the same stream for all who ask.
    pub fn lines(&self) -> Rc<Lines> {
        self.stdout.clone()
    }

    /// Its lines, for someone who goes on to read them when the program no longer can.
    pub fn take_lines(&self) -> Rc<Lines> {
        self.taken.set(true);
        self.stdout.clone()
    }

    /// SIGKILL to the whole group; nothing for one that has ended or never ran.
    pub fn kill_now(&self) {
        if let Some(child) = &self.child {
            self.condemned.set(true);
            child.signal(libc::SIGKILL);
        }
    }

    /// Whether it was killed and has not been seen to end yet: a moment, unless the system is stuck.
    pub fn is_dying(&self) -> bool {
        self.condemned.get() && self.is_running()
    }

    /// As `kill_now`, and waits until it is gone.
    pub async fn kill(self: Rc<Self>, run: Rc<RunState>) {
        self.kill_now();
        self.gone(run).await;
    }

    /// Waits until what was killed is gone.
    pub async fn gone(self: Rc<Self>, run: Rc<RunState>) {
        if let Some(child) = &self.child {
            tokio::select! {
                biased;
                _ = child.wait() => {}
                () = run.sleep(KILLED_NS) => {}
            }
        }
    }

    /// Sends a signal to the whole group; nothing for one that has ended or never ran. One that does not exist puts the
    /// handle in error.
    pub fn signal(&self, name: &str) {
        match (signals::number(name), &self.child) {
            (None, _) => self.put_in_error(errors::error(
                "EINVAL",
                format!("there is no signal `{name}`; for example: TERM, HUP, USR1"),
            )),
            (Some(signal), Some(child)) if child.exit().is_none() => child.signal(signal),
            (Some(_), _) => {}
        }
    }

    /// Its status; 128 and the signal for one that was killed.
    pub async fn wait(self: Rc<Self>) -> i64 {
        self.close_input();
        match self.ended().await {
            Some(Exit::Code(code)) => code.into(),
            Some(Exit::Signal(signal)) => 128 + i64::from(signal),
            Some(Exit::Lost) => 128 + i64::from(libc::SIGKILL),
            None => match self.failed.borrow().as_ref().map(|error| error.code.as_str()) {
                Some("ENOENT") => NOT_FOUND,
                _ => NOT_STARTED,
            },
        }
    }

    /// Whether it ends within the time.
    pub async fn wait_for(self: Rc<Self>, run: Rc<RunState>, nanoseconds: i64) -> bool {
        tokio::select! {
            biased;
            _ = self.ended() => true,
            () = run.sleep(nanoseconds) => false,
        }
    }

    /// Waits for the end, reading the output meanwhile where nobody else may.
    async fn ended(&self) -> Option<Exit> {
        let child = self.child.as_ref()?;
        let reading = async {
            child.wait_briefly().await;
            if Rc::strong_count(&self.stdout) == 1 {
                self.stdout.drain(HELD_BYTES_MAX).await;
            }
            std::future::pending().await
        };
        tokio::select! {
            biased;
            (exit, _) = child.wait() => {
                self.stdout.settle(HELD_BYTES_MAX);
                Some(exit)
            }
            () = reading => None,
        }
    }

    /// Waits for the end when nobody of the program is left to read or write, or to see how it ends.
    pub async fn run_out(&self) {
        self.close_input();
        let known = self.is_error();
        if let Some(child) = &self.child {
            tokio::select! {
                biased;
                _ = child.wait() => {}
                () = async {
                    if !self.taken.get() {
                        self.stdout.drain(0).await;
                    }
                    std::future::pending().await
                } => {}
            }
        }
        if !known && let Some(error) = self.error() {
            self.tell(&error);
        }
    }

    /// Waits until all is written. What is not read any more puts the handle in error.
    pub async fn write(self: Rc<Self>, text: String) {
        let stdin = self.stdin.borrow().clone();
        let Some(stdin) = stdin else {
            let closed = errors::error("EPIPE", format!("the input of `{}` is closed", self.name));
            return self.put_in_error(closed);
        };
        if let Err(e) = stdin.lock().await.write_all(text.as_bytes()).await {
            self.put_in_error(errors::io(&e, &format!("writing to `{}`", self.name)));
        }
    }

    /// Ends its input once what is being written is written.
    pub fn close_input(&self) {
        self.stdin.borrow_mut().take();
    }

    /// Kills it unless what uses it comes to a good end.
    pub fn guard(&self) -> KillOnDrop {
        KillOnDrop(self.child.clone())
    }
}

async fn feed(mut stdin: Inlet, bytes: Vec<u8>) {
    // A program need not read what it is given.
    let _ = stdin.write_all(&bytes).await;
}

/// The end of a stream that is always read.
#[derive(Debug, Default)]
struct Tail {
    /// `None` once it has ended.
    pipe: RefCell<Option<Rc<Outlet>>>,
    bytes: RefCell<VecDeque<u8>>,
}

impl Tail {
    fn is_open(&self) -> bool {
        self.pipe.borrow().is_some()
    }

    async fn read(self: Rc<Self>) {
        loop {
            let Some(pipe) = self.pipe.borrow().clone() else { return };
            if pipe.readable().await.is_err() {
                return;
            }
            drop(pipe);
            self.take_all();
            tokio::task::yield_now().await;
        }
    }

    /// Takes what is there, and closes the pipe at its end.
    fn take_all(&self) {
        let Some(pipe) = self.pipe.borrow().clone() else { return };
        let mut chunk = [0; 4096];
        // As much as a pipe holds: a writer without pause must not hold us here.
        for _ in 0..16 {
            match pipe.try_read(&mut chunk) {
                Ok(read @ 1..) => {
                    let mut bytes = self.bytes.borrow_mut();
                    bytes.extend(&chunk[..read]);
                    let surplus = bytes.len().saturating_sub(TAIL_BYTES);
                    bytes.drain(..surplus);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => {
                    self.pipe.borrow_mut().take();
                    return;
                }
            }
        }
    }

    fn now(&self) -> Vec<u8> {
        self.take_all();
        self.bytes.borrow().iter().copied().collect()
    }
}
