//! The guardian: forks a keeper for every socket it is handed, and kills what a dead keeper left behind.
//!
//! Steps: leave the owner's session and streams; hand each socket to a fork; reap; end keepers that let go; on the
//! end of the owner (its socket closes) wait until the keepers, who notice by themselves, are done.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use super::{keeper, sys, tree};

/// Never returns. Descriptor 0 is the socket of the owner.
pub fn run() -> ! {
    let code = match serve() {
        Ok(()) => 0,
        // The owner sees the socket close and reports it; standard error may be gone by now.
        Err(_) => 1,
    };
    // SAFETY: leaves at once; nothing here needs to be unwound or flushed.
    unsafe { libc::_exit(code) }
}

fn serve() -> io::Result<()> {
    let owner = take_socket()?;
    sys::default_signals();
    // SAFETY: takes nothing. Fails only for a group leader, which changes nothing for our purpose.
    unsafe { libc::setsid() };
    sys::become_reaper(c"dscript-spawner");
    let let_go = sys::let_go_signal();
    let signals = sys::signal_fd(&[libc::SIGCHLD, libc::SIGTERM, libc::SIGINT, libc::SIGHUP, let_go])?;
    let mut keepers: Vec<u32> = Vec::new();
    let mut open = true;
    let mut fds = Vec::new();
    while open || !keepers.is_empty() || !tree::children(std::process::id()).is_empty() {
        // With the owner gone there is only the end of the keepers to wait for; its socket stays readable.
        let ready = if open {
            sys::poll([signals.as_fd(), owner.as_fd()], None)
        } else {
            [sys::poll([signals.as_fd()], Some(50))[0], false]
        };
        for signal in sys::signals(signals.as_fd()) {
            match signal.number {
                libc::SIGCHLD => {}
                number if number == let_go => release(&mut keepers, signal.sender),
                _ => {
                    open = false;
                    keepers.iter().for_each(|keeper| tree::kill(*keeper, libc::SIGTERM));
                }
            }
        }
        if ready[0] || !open {
            reap(&mut keepers);
        }
        if ready[1] {
            fds.clear();
            match sys::receive(owner.as_fd(), &mut [0; 8], &mut fds) {
                Ok(1..) => {
                    if let Some(socket) = fds.pop() {
                        keepers.extend(fork_keeper(&owner, &signals, socket));
                    }
                }
                _ => open = false,
            }
        }
    }
    Ok(())
}

/// Moves the socket away from descriptor 0 and puts /dev/null in place of the standard streams, so that
/// nobody waits for the end of a pipe that we hold.
fn take_socket() -> io::Result<OwnedFd> {
    // SAFETY: descriptors 0 to 2 belong to nobody else in this process, which has just begun; all calls take
    // plain numbers and a C string.
    unsafe {
        let socket = libc::fcntl(0, libc::F_DUPFD_CLOEXEC, 3);
        if socket < 0 {
            return Err(io::Error::last_os_error());
        }
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        if null < 0 {
            return Err(io::Error::last_os_error());
        }
        for stream in 0..3 {
            libc::dup2(null, stream);
        }
        // Whatever else the owner let slip through its exec.
        libc::dup3(socket, 3, libc::O_CLOEXEC);
        libc::syscall(libc::SYS_close_range, 4 as libc::c_uint, libc::c_uint::MAX, 0 as libc::c_uint);
        Ok(OwnedFd::from_raw_fd(3))
    }
}

/// The pid of a new keeper; `None` leaves the socket to close, which the owner sees.
fn fork_keeper(owner: &OwnedFd, signals: &OwnedFd, socket: OwnedFd) -> Option<u32> {
    let guardian = std::process::id();
    // SAFETY: this process has one thread, so the copy may do whatever it likes.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: the copy never uses the two again; it leaves through `_exit`.
            unsafe {
                libc::close(owner.as_raw_fd());
                libc::close(signals.as_raw_fd());
            }
            keeper::run(socket, guardian)
        }
        pid => u32::try_from(pid).ok().filter(|pid| *pid > 0),
    }
}

/// Ends a keeper that has only daemons left, while orphans go past us: they are the system's from then on.
fn release(keepers: &mut Vec<u32>, keeper: u32) {
    let Some(at) = keepers.iter().position(|known| *known == keeper) else { return };
    sys::set_reaper(false);
    tree::kill(keeper, libc::SIGKILL);
    // SAFETY: a null status is allowed; the keeper is our child, and ends at once.
    while unsafe { libc::waitpid(keeper as libc::pid_t, std::ptr::null_mut(), 0) } < 0
        && io::Error::last_os_error().raw_os_error() == Some(libc::EINTR)
    {}
    sys::set_reaper(true);
    keepers.swap_remove(at);
}

/// Collects dead children and kills every child that is no keeper: orphans of a keeper that was killed.
fn reap(keepers: &mut Vec<u32>) {
    for _ in 0..sys::REAPED_MAX {
        // SAFETY: a null status is allowed.
        let pid = unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) };
        let Some(pid) = u32::try_from(pid).ok().filter(|pid| *pid > 0) else { break };
        keepers.retain(|keeper| *keeper != pid);
    }
    for child in tree::children(std::process::id()) {
        if !keepers.contains(&child) {
            tree::kill(child, libc::SIGSTOP);
            tree::kill_below(child);
            tree::kill(child, libc::SIGKILL);
        }
    }
}
