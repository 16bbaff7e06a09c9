//! The keeper of one run: starts its programs, tells how they end, and leaves none of them behind.

use std::collections::HashMap;
use std::io::{IoSlice, Read, Seek};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use super::launch::Launcher;
use super::wire::{self, Reply, Request, SpawnHeader, Stage};
use super::{sys, tree};

struct Keeper {
    socket: OwnedFd,
    launcher: Launcher,
    /// Children that were not reaped yet, by pid, with the id of their request.
    living: HashMap<u32, u32>,
    guardian: u32,
    /// Whether what has detached itself lives on.
    lets_go: bool,
}

/// Times that what is not to live on is looked for at the end; each takes 20 ms.
const ROUNDS_MAX: usize = 250;

/// What of the children was collected.
#[derive(PartialEq)]
enum Reaped {
    /// There is none any more.
    All,
    /// Those that were dead.
    Dead,
    /// As many as are collected at a time.
    Some,
}

/// Never returns; `guardian` is the process that forked this one.
pub fn run(socket: OwnedFd, guardian: u32) -> ! {
    if let Some((mut keeper, signals)) = Keeper::begin(socket, guardian) {
        keeper.serve(&signals);
        match keeper.lets_go {
            true => keeper.let_go(&signals),
            false => keeper.kill_all(&signals),
        }
    }
    // SAFETY: leaves at once; nothing here needs to be unwound or flushed.
    unsafe { libc::_exit(0) }
}

impl Keeper {
    fn begin(socket: OwnedFd, guardian: u32) -> Option<(Keeper, OwnedFd)> {
        sys::become_reaper(c"dscript-keeper");
        let signals = sys::signal_fd(&[libc::SIGCHLD, libc::SIGTERM, libc::SIGINT, libc::SIGHUP]).ok()?;
        // SAFETY: plain numbers.
        let parent = unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM as libc::c_ulong);
            libc::getppid()
        };
        // The guardian may have died before the request above.
        if u32::try_from(parent).ok() != Some(guardian) {
            return None;
        }
        let keeper =
            Keeper { socket, launcher: Launcher::new(), living: HashMap::new(), guardian, lets_go: false };
        Some((keeper, signals))
    }

    /// Until the owner closes its end or the guardian dies.
    fn serve(&mut self, signals: &OwnedFd) {
        let mut buffer = vec![0; wire::HEADER + wire::INLINE_MAX];
        let mut fds = Vec::with_capacity(sys::FDS_MAX);
        // Dead children that were not collected yet.
        let mut more = false;
        loop {
            let ready = sys::poll([self.socket.as_fd(), signals.as_fd()], more.then_some(0));
            if ready[1] || more {
                if sys::signals(signals.as_fd()).iter().any(|signal| signal.number != libc::SIGCHLD) {
                    return;
                }
                more = self.reap() == Reaped::Some;
            }
            if ready[0] {
                let length = match sys::receive(self.socket.as_fd(), &mut buffer, &mut fds) {
                    Ok(0) | Err(_) => return,
                    Ok(length) => length,
                };
                match Request::decode(&buffer[..length]) {
                    Some(Request::Spawn(header)) => {
                        let reply = self.spawn(header, &buffer[wire::HEADER..length], &mut fds);
                        self.tell(reply);
                    }
                    Some(Request::Signal { pid, signal }) => self.signal(pid, signal.into()),
                    Some(Request::LetGo) => self.lets_go = true,
                    None => return,
                }
                fds.clear();
            }
        }
    }

    fn spawn(&mut self, header: SpawnHeader, inline: &[u8], fds: &mut Vec<OwnedFd>) -> Reply {
        let id = header.id;
        let refused = |errno| Reply::Failed { id, errno, stage: Stage::Request };
        let mut held = Vec::new();
        let strings = if header.flags & wire::IN_FILE == 0 {
            inline
        } else {
            let Some(file) = fds.pop() else { return refused(libc::EPROTO) };
            let mut file = std::fs::File::from(file);
            if file.rewind().and_then(|()| file.read_to_end(&mut held)).is_err() {
                return refused(libc::EIO);
            }
            &held
        };
        let mut passed = fds.iter();
        let mut streams = [None; 3];
        for (n, stream) in streams.iter_mut().enumerate() {
            if header.streams & (1 << n) != 0 {
                match passed.next() {
                    Some(fd) => *stream = Some(fd.as_raw_fd()),
                    None => return refused(libc::EPROTO),
                }
            }
        }
        let script = match header.flags & wire::HAS_SCRIPT {
            0 => None,
            _ => match passed.next() {
                Some(fd) => Some(fd.as_raw_fd()),
                None => return refused(libc::EPROTO),
            },
        };
        match self.launcher.launch(&header, strings, streams, script) {
            Ok(pid) => {
                self.living.insert(pid, id);
                Reply::Started { id, pid }
            }
            Err((errno, stage)) => Reply::Failed { id, errno, stage },
        }
    }

    fn signal(&self, pid: u32, signal: libc::c_int) {
        if self.living.contains_key(&pid) {
            // A child that was not reaped holds its pid and the id of its group, so this hits no stranger.
            if signal == libc::SIGKILL {
                tree::kill_group(pid, libc::SIGSTOP);
                tree::kill_below(pid);
            }
            tree::kill_group(pid, signal);
        } else {
            // The child is gone, others of its group may be left; only descendants of ours can be meant.
            let below = tree::descendants(std::process::id());
            if below.into_iter().any(|member| tree::group_of(member) == Some(pid)) {
                tree::kill_group(pid, signal);
            }
        }
    }

    /// Collects dead children.
    fn reap(&mut self) -> Reaped {
        for _ in 0..sys::REAPED_MAX {
            let mut status = 0;
            // SAFETY: both results live until the call is over; rusage is plain data.
            let (pid, usage) = unsafe {
                let mut usage = std::mem::zeroed::<libc::rusage>();
                (libc::wait4(-1, &mut status, libc::WNOHANG, &mut usage), usage)
            };
            match pid {
                0 => return Reaped::Dead,
                ..0 => return Reaped::All,
                _ => {}
            }
            let Some(id) = self.living.remove(&(pid as u32)) else { continue };
            let micros = |t: libc::timeval| (t.tv_sec as u64) * 1_000_000 + t.tv_usec as u64;
            self.tell(Reply::Ended {
                id,
                status,
                user_us: micros(usage.ru_utime),
                system_us: micros(usage.ru_stime),
                resident_bytes: (usage.ru_maxrss as u64) << 10,
            });
        }
        Reaped::Some
    }

    fn tell(&self, reply: Reply) {
        // An owner that is gone shows at the next receive.
        let _ = sys::send(self.socket.as_fd(), &[IoSlice::new(&reply.encode())], &[]);
    }

    /// Ends when no descendant is left: those of a killed process come to us and are next.
    fn kill_all(&mut self, signals: &OwnedFd) {
        while self.reap() != Reaped::All {
            tree::kill_below(std::process::id());
            sys::poll([signals.as_fd()], Some(20));
            sys::signals(signals.as_fd());
        }
    }

    /// Ends what shares our session or that of a child that runs, and leaves the rest, which has gone into a session of
    /// its own as daemons do, to whoever takes orphans in above us.
    fn let_go(&mut self, signals: &OwnedFd) {
        let me = std::process::id();
        let session = tree::session_of(me);
        for _ in 0..ROUNDS_MAX {
            if self.reap() == Reaped::All {
                return;
            }
            let is_ours = |pid: &u32| {
                let its = tree::session_of(*pid);
                its == session || its.is_some_and(|its| self.living.contains_key(&its))
            };
            let mut ours = tree::descendants(me);
            ours.retain(|pid| is_ours(pid) && tree::lives(*pid));
            if ours.is_empty() && self.living.is_empty() {
                break;
            }
            self.living.keys().for_each(|group| tree::kill_group(*group, libc::SIGKILL));
            ours.into_iter().for_each(|pid| tree::kill(pid, libc::SIGKILL));
            sys::poll([signals.as_fd()], Some(20));
            sys::signals(signals.as_fd());
        }
        // The guardian ends us while it takes no orphans in. Without one there is nobody who would hold them.
        if sys::queue_signal(self.guardian, sys::let_go_signal()) {
            while tree::parent(me) == Some(self.guardian) {
                sys::poll([signals.as_fd()], Some(100));
                sys::signals(signals.as_fd());
            }
        }
    }
}
