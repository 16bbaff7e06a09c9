//! The owner's side: one keeper for each run that starts programs, over the tokio runtime of the run's thread.
//!
//! Nothing is started before the first program is. A [`Children`] belongs to the thread, and to the `LocalSet`,
//! of its run; only the socket to the guardian is shared by the process, and used under a lock.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{Notify, oneshot, watch};

use super::pulse::Pulse;
pub use super::wire::Stage;
use super::wire::{self, Reply, SpawnHeader};
use super::{MARK, sys, tree};

/// Where a program finds the script it is started with.
pub const SCRIPT_PATH: &str = "/proc/self/fd/3";

/// A program to start.
#[derive(Debug, Default)]
pub struct Spawn {
    /// Looked for in the owner's PATH unless it holds a slash.
    pub program: String,
    pub args: Vec<String>,
    /// On top of the owner's environment, unless that is cleared.
    pub env: Vec<(String, String)>,
    pub clear_env: bool,
    pub dir: Option<String>,
    /// Standard input, output and error; `None` is /dev/null.
    pub streams: [Option<OwnedFd>; 3],
    /// A file that the program finds as `SCRIPT_PATH`.
    pub script: Option<OwnedFd>,
    /// A session of its own, besides the group that every program leads.
    pub new_session: bool,
}

/// Why a program was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpawnError {
    /// As many of this run as may run already; so many.
    TooMany(usize),
    /// The system refused it; and what that is about.
    System { errno: i32, stage: Stage },
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
    /// The spawner died, and the child with it.
    Lost,
}

/// What a child and the descendants it waited for used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub user_us: u64,
    pub system_us: u64,
    pub resident_bytes: u64,
}

/// The programs of one run.
#[derive(Clone)]
pub struct Children {
    link: Rc<RefCell<Option<Rc<Link>>>>,
    /// How many were asked for and have not ended, those of `letting_go` included.
    living: Rc<Cell<usize>>,
    living_max: usize,
    /// Whether what has gone into a session of its own outlives them, however they end.
    lets_go: bool,
}

/// A started program. Dropping it neither ends nor forgets the program.
#[derive(Clone)]
pub struct Child {
    link: Rc<Link>,
    pid: u32,
    exit: watch::Receiver<Option<(Exit, Usage)>>,
}

/// Kills a child unless told that it is done: a cancelled wait leaves nothing behind.
pub struct KillOnDrop(pub Option<Child>);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if let Some(child) = &self.0 {
            child.signal(libc::SIGKILL);
        }
    }
}

/// Replies that are taken at a time.
const REPLIES: usize = 8;

struct Link {
    /// The runtime hears of it when there is something to read.
    socket: AsyncFd<OwnedFd>,
    /// The same socket, of which the runtime hears when it takes more, only while something waits for that: each packet
    /// that the keeper takes would wake us up.
    outlet: OwnedFd,
    /// What the socket did not take at once.
    unsent: RefCell<VecDeque<(Vec<u8>, Vec<OwnedFd>)>>,
    pushed: Notify,
    next_id: Cell<u32>,
    table: RefCell<HashMap<u32, Entry>>,
    pulse: Rc<Pulse>,
    /// Whether the keeper is gone.
    gone: watch::Sender<bool>,
}

struct Entry {
    /// Who waits for the start. An answer that nobody takes out kills the child, also one that had arrived.
    started: Option<oneshot::Sender<Result<(Child, KillOnDrop), SpawnError>>>,
    pid: u32,
    exit: watch::Sender<Option<(Exit, Usage)>>,
    _living: Living,
}

/// That a program was asked for and has not ended.
struct Living(Rc<Cell<usize>>);

impl Living {
    fn one_more(count: &Rc<Cell<usize>>) -> Living {
        count.set(count.get() + 1);
        Living(count.clone())
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Children {
    /// At most `living_max` run at once.
    pub fn new(living_max: usize) -> Self {
        Children { link: Rc::default(), living: Rc::default(), living_max, lets_go: false }
    }

    /// Others of the same run, whose daemons are nobody's here.
    pub fn letting_go(&self) -> Self {
        Children { link: Rc::default(), living: self.living.clone(), lets_go: true, ..*self }
    }

    /// Starts a program; it runs when this returns. Dropping the future kills what it may have started.
    pub async fn spawn(&self, spawn: Spawn) -> Result<Child, SpawnError> {
        if self.living.get() >= self.living_max {
            return Err(SpawnError::TooMany(self.living_max));
        }
        let refused = |errno| SpawnError::System { errno, stage: Stage::Request };
        let link = self.link().map_err(|e| refused(e.raw_os_error().unwrap_or(libc::EIO)))?;
        let id = link.next_id.get();
        link.next_id.set(id.wrapping_add(1));
        let (packet, fds) = encode(spawn, id).map_err(refused)?;
        let (started, wait) = oneshot::channel();
        let entry = Entry {
            started: Some(started),
            pid: 0,
            exit: watch::Sender::new(None),
            _living: Living::one_more(&self.living),
        };
        link.table.borrow_mut().insert(id, entry);
        link.post(packet, fds);
        let (child, mut guard) = wait.await.unwrap_or_else(|_| Err(refused(libc::EPIPE)))?;
        guard.0 = None;
        Ok(child)
    }

    /// What has gone into a session of its own is left alone by the `close` that follows.
    pub fn let_go(&self) {
        if let Some(link) = &*self.link.borrow() {
            link.post(wire::LET_GO_PACKET.to_vec(), Vec::new());
        }
    }

    /// Kills all that is left, descendants of every kind included, and returns when it is gone.
    pub async fn close(&self) {
        let link = self.link.borrow_mut().take();
        if let Some(link) = link {
            link.shut_down();
            let _ = link.gone.subscribe().wait_for(|gone| *gone).await;
        }
    }

    /// As `close`, without waiting.
    pub fn abandon(&self) {
        if let Some(link) = self.link.borrow_mut().take() {
            link.shut_down();
        }
    }

    /// The keeper; asked for anew when the last one was killed.
    fn link(&self) -> io::Result<Rc<Link>> {
        let mut held = self.link.borrow_mut();
        match &*held {
            Some(link) if !*link.gone.borrow() => Ok(link.clone()),
            _ => {
                let link = Link::open()?;
                if self.lets_go {
                    link.post(wire::LET_GO_PACKET.to_vec(), Vec::new());
                }
                *held = Some(link.clone());
                Ok(link)
            }
        }
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        if Rc::strong_count(&self.link) == 1 {
            self.abandon();
        }
    }
}

impl Child {
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended; `None` while it runs.
    pub fn exit(&self) -> Option<(Exit, Usage)> {
        *self.exit.borrow()
    }

    pub async fn wait(&self) -> (Exit, Usage) {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await {
            Ok(exit) => exit.unwrap_or((Exit::Lost, Usage::default())),
            Err(_) => (Exit::Lost, Usage::default()),
        }
    }

    /// Waits for its end, at most for a few milliseconds. What short programs write is in their pipes at their end; only
    /// who reads of longer ones need wait for that, too.
    pub async fn wait_briefly(&self) {
        tokio::select! {
            biased;
            _ = self.wait() => {}
            () = self.link.pulse.wait() => {}
        }
    }

    /// Signals the whole process group, also when the child itself has ended; SIGKILL reaches descendants outside the
    /// group too.
    pub fn signal(&self, signal: i32) {
        self.link.signal(self.pid, signal);
    }
}

impl Link {
    fn open() -> io::Result<Rc<Link>> {
        let socket = connect()?;
        let outlet = socket.try_clone()?;
        let link = Rc::new(Link {
            // SAFETY: an owned descriptor stays the same and open until it is dropped with the registration.
            socket: unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE)? },
            outlet,
            unsent: RefCell::default(),
            pushed: Notify::new(),
            next_id: Cell::new(1),
            table: RefCell::default(),
            pulse: Pulse::new(),
            gone: watch::Sender::new(false),
        });
        tokio::task::spawn_local(link.clone().carry());
        Ok(link)
    }

    fn signal(&self, pid: u32, signal: i32) {
        if let Ok(signal) = u8::try_from(signal) {
            self.post(wire::encode_signal(pid, signal).to_vec(), Vec::new());
        }
    }

    /// Sends a packet now, or after those that wait.
    fn post(&self, packet: Vec<u8>, fds: Vec<OwnedFd>) {
        let mut unsent = self.unsent.borrow_mut();
        unsent.push_back((packet, fds));
        if unsent.len() == 1 && self.flush(&mut unsent).is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
        {
            self.pushed.notify_one();
        }
    }

    /// Sends until the socket takes no more. A dead keeper shows when reading.
    fn flush(&self, unsent: &mut VecDeque<(Vec<u8>, Vec<OwnedFd>)>) -> io::Result<()> {
        while let Some((packet, fds)) = unsent.front() {
            let raw: Vec<_> = fds.iter().map(|fd| fd.as_raw_fd()).collect();
            match sys::send(self.socket.get_ref().as_fd(), &[IoSlice::new(packet)], &raw) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Err(e),
                _ => unsent.pop_front(),
            };
        }
        Ok(())
    }

    /// Sends what waits as the socket takes it.
    async fn send_rest(&self) -> io::Result<()> {
        // SAFETY: as in `open`; the link outlives the registration.
        let outlet = unsafe { AsyncFd::register_with_interest(self.outlet.as_fd(), Interest::WRITABLE)? };
        outlet.async_io(Interest::WRITABLE, |_| self.flush(&mut self.unsent.borrow_mut())).await
    }

    fn shut_down(&self) {
        // SAFETY: plain numbers; the descriptor is ours.
        unsafe { libc::shutdown(self.socket.as_raw_fd(), libc::SHUT_WR) };
    }

    /// Carries packets until the keeper is gone.
    async fn carry(self: Rc<Self>) {
        loop {
            let sending = async {
                loop {
                    if self.unsent.borrow().is_empty() {
                        self.pushed.notified().await;
                    }
                    if self.send_rest().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
            };
            let received = tokio::select! {
                biased;
                received = self.receive() => received,
                () = sending => continue,
            };
            match received.ok().and_then(|replies| replies.into_iter().collect::<Option<Vec<_>>>()) {
                Some(replies) => replies.into_iter().for_each(|reply| self.take(reply)),
                None => break,
            }
        }
        self.gone.send_replace(true);
        for (_, entry) in self.table.borrow_mut().drain() {
            // The parent-death signal and the guardian do this too; a group is in nobody else's hands for so long.
            tree::kill_group(entry.pid, libc::SIGKILL);
            entry.exit.send_replace(Some((Exit::Lost, Usage::default())));
        }
    }

    /// What the keeper says next; `None` is its end.
    async fn receive(&self) -> io::Result<Vec<Option<Reply>>> {
        let mut buffers = [[0; wire::REPLY]; REPLIES];
        loop {
            let mut ready = self.socket.readable().await?;
            match sys::receive_several(ready.get_inner().as_fd(), &mut buffers) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                Err(e) => return Err(e),
                Ok(lengths) => {
                    if lengths.len() < REPLIES {
                        ready.clear_ready();
                    }
                    let packets = buffers.iter().zip(lengths).map(|(buffer, length)| &buffer[..length]);
                    return Ok(packets.map(Reply::decode).collect());
                }
            }
        }
    }

    fn take(self: &Rc<Self>, reply: Reply) {
        let mut table = self.table.borrow_mut();
        match reply {
            Reply::Started { id, pid } => {
                let Some(entry) = table.get_mut(&id) else { return };
                entry.pid = pid;
                let child = Child { link: self.clone(), pid, exit: entry.exit.subscribe() };
                if let Some(started) = entry.started.take() {
                    let _ = started.send(Ok((child.clone(), KillOnDrop(Some(child)))));
                }
            }
            Reply::Failed { id, errno, stage } => {
                if let Some(started) = table.remove(&id).and_then(|entry| entry.started) {
                    let _ = started.send(Err(SpawnError::System { errno, stage }));
                }
            }
            Reply::Ended { id, status, user_us, system_us, resident_bytes } => {
                let Some(entry) = table.remove(&id) else { return };
                let exit = if libc::WIFSIGNALED(status) {
                    Exit::Signal(libc::WTERMSIG(status))
                } else {
                    Exit::Code(libc::WEXITSTATUS(status))
                };
                entry.exit.send_replace(Some((exit, Usage { user_us, system_us, resident_bytes })));
            }
        }
    }
}

/// The packet of a spawn with the descriptors to attach.
fn encode(spawn: Spawn, id: u32) -> Result<(Vec<u8>, Vec<OwnedFd>), i32> {
    let mut header = SpawnHeader {
        flags: if spawn.clear_env { wire::CLEAR_ENV } else { 0 }
            | if spawn.new_session { wire::NEW_SESSION } else { 0 },
        streams: 0,
        id,
        argc: u32::try_from(spawn.args.len()).ok().and_then(|n| n.checked_add(1)).ok_or(libc::E2BIG)?,
        envc: u32::try_from(spawn.env.len()).map_err(|_| libc::E2BIG)?,
    };
    if spawn.env.iter().any(|(name, _)| name.is_empty() || name.contains('=')) {
        return Err(libc::EINVAL);
    }
    let mut packet = vec![0; wire::HEADER];
    let mut add = |parts: &[&str]| {
        for part in parts {
            if part.contains('\0') {
                return Err(libc::EINVAL);
            }
            packet.extend_from_slice(part.as_bytes());
        }
        packet.push(0);
        if packet.len() > wire::STRINGS_MAX { Err(libc::E2BIG) } else { Ok(()) }
    };
    add(&[&spawn.program])?;
    spawn.args.iter().try_for_each(|arg| add(&[arg]))?;
    spawn.env.iter().try_for_each(|(name, value)| add(&[name, "=", value]))?;
    if let Some(dir) = &spawn.dir {
        header.flags |= wire::HAS_DIR;
        add(&[dir])?;
    }
    let mut fds = Vec::new();
    for (n, stream) in spawn.streams.into_iter().enumerate() {
        if let Some(fd) = stream {
            header.streams |= 1 << n;
            fds.push(fd);
        }
    }
    if let Some(script) = spawn.script {
        header.flags |= wire::HAS_SCRIPT;
        fds.push(script);
    }
    if packet.len() - wire::HEADER > wire::INLINE_MAX {
        header.flags |= wire::IN_FILE;
        let file = sys::memory_file(c"request", &packet[wire::HEADER..]);
        fds.push(file.map_err(|e| e.raw_os_error().unwrap_or(libc::EIO))?);
        packet.truncate(wire::HEADER);
    }
    packet[..wire::HEADER].copy_from_slice(&header.encode());
    Ok((packet, fds))
}

/// The guardian of this process.
struct Guardian {
    socket: OwnedFd,
    process: std::process::Child,
}

/// The guardian has this long to end.
const SHUT_DOWN_MS: i32 = 2_000;

static GUARDIAN: Mutex<Option<Guardian>> = Mutex::new(None);

/// Ends the helper processes and waits for them, for an owner that is about to end itself and whose parent may be one
/// that asks for no orphans. The runs are over: what one still has is killed.
pub fn shut_down() {
    let Some(mut guardian) = GUARDIAN.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
    // SAFETY: plain numbers; the descriptor is ours.
    unsafe { libc::shutdown(guardian.socket.as_raw_fd(), libc::SHUT_WR) };
    // Its end of the socket closes when it ends. One that is held up by the system is not waited for.
    if sys::poll([guardian.socket.as_fd()], Some(SHUT_DOWN_MS))[0] {
        let _ = guardian.process.wait();
    }
}

/// A socket to a new keeper; starts the guardian when there is none that lives.
fn connect() -> io::Result<OwnedFd> {
    let mut held = GUARDIAN.lock().unwrap_or_else(PoisonError::into_inner);
    let (ours, theirs) = sys::packet_pair()?;
    if let Some(guardian) = &mut *held {
        match guardian.hand(&theirs) {
            Ok(()) => return Ok(ours),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Err(e),
            Err(_) => {
                // It closed its socket, so it is dead or about to be.
                let _ = guardian.process.wait();
            }
        }
    }
    *held = None;
    let guardian = held.insert(Guardian::start()?);
    guardian.hand(&theirs)?;
    Ok(ours)
}

impl Guardian {
    fn start() -> io::Result<Guardian> {
        let (socket, theirs) = sys::packet_pair()?;
        let process = Command::new("/proc/self/exe")
            .arg0("dscript-spawner")
            .arg(MARK)
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Guardian { socket, process })
    }

    fn hand(&self, socket: &OwnedFd) -> io::Result<()> {
        sys::send(self.socket.as_fd(), &[IoSlice::new(&[1])], &[socket.as_raw_fd()])
    }
}

/// Pids of the guardian, for tests that kill it.
#[cfg(test)]
pub(super) fn guardian_pid() -> Option<u32> {
    GUARDIAN.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|g| g.process.id())
}
