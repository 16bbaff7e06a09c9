//! The few system calls that the spawner's processes share: packets with descriptors, signals as a descriptor.

use std::ffi::CStr;
use std::io;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg,
    socketpair,
};

/// Descriptors of one packet: three standard streams, a script and a memory file.
pub const FDS_MAX: usize = 5;

/// Dead children that are collected at a time: those of a fork bomb may never end.
pub const REAPED_MAX: usize = 1024;

/// A connection: the owner's end, which never blocks, and the helper's, which does.
pub fn packet_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
    // SAFETY: plain numbers; the descriptor is ours.
    match unsafe { libc::fcntl(ours.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) } {
        0 => Ok((ours, theirs)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sends one packet; never raises SIGPIPE.
pub fn send(socket: BorrowedFd<'_>, parts: &[IoSlice<'_>], fds: &[RawFd]) -> io::Result<()> {
    let rights = [ControlMessage::ScmRights(fds)];
    let control = if fds.is_empty() { &[][..] } else { &rights[..] };
    loop {
        match sendmsg::<()>(socket.as_raw_fd(), parts, control, MsgFlags::MSG_NOSIGNAL, None) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Receives one packet into `buffer`, descriptors into `fds`; 0 bytes is the end of the stream.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8], fds: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut control = nix::cmsg_space!([RawFd; FDS_MAX]);
    let mut parts = [IoSliceMut::new(buffer)];
    loop {
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        match recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags) {
            Ok(message) => {
                for control in message.cmsgs()? {
                    if let ControlMessageOwned::ScmRights(received) = control {
                        // SAFETY: the kernel just made these descriptors for us, and nobody else knows them.
                        fds.extend(received.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
                    }
                }
                return Ok(message.bytes);
            }
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Receives the packets that are there, as many as there are buffers for and without descriptors, and gives the length of
/// each. Fewer than buffers: there were no more. An empty packet is the end of the stream.
pub fn receive_several<const N: usize, const BYTES: usize>(
    socket: BorrowedFd<'_>,
    buffers: &mut [[u8; BYTES]; N],
) -> io::Result<Vec<usize>> {
    let mut parts = buffers.each_mut().map(|buffer| IoSliceMut::new(buffer));
    // SAFETY: the structure is plain data, in which zero means that there is nothing.
    let mut messages = unsafe { std::mem::zeroed::<[libc::mmsghdr; N]>() };
    for (message, part) in messages.iter_mut().zip(&mut parts) {
        // The standard library has these look as the kernel's vectors do.
        message.msg_hdr.msg_iov = std::ptr::from_mut(part).cast();
        message.msg_hdr.msg_iovlen = 1;
    }
    loop {
        // SAFETY: N messages, each with one buffer of its own that outlives the call.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                messages.as_mut_ptr(),
                N as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        match usize::try_from(count) {
            Ok(count) => return Ok(messages[..count].iter().map(|got| got.msg_len as usize).collect()),
            Err(_) => match Errno::last() {
                Errno::EINTR => {}
                errno => return Err(errno.into()),
            },
        }
    }
}

/// Every signal handled as the system starts a process with.
pub fn default_signals() {
    // The kernel's `struct sigaction`, all zero: SIG_DFL, no flags. The C library's function refuses two signals
    // that it keeps for itself, and that may have been inherited as ignored.
    let default = [0u64; 4];
    for signal in 1..=64 as libc::c_int {
        // SAFETY: SIG_DFL runs no code of ours; numbers that cannot be set are refused, which is fine.
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), std::ptr::null::<u64>(), 8usize)
        };
    }
}

/// Blocks `signals` and reads them from a non-blocking descriptor.
pub fn signal_fd(signals: &[libc::c_int]) -> io::Result<OwnedFd> {
    // SAFETY: `set` is initialised by sigemptyset before use, and outlives the calls.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&mut set);
        for signal in signals {
            libc::sigaddset(&mut set, *signal);
        }
        libc::sigprocmask(libc::SIG_SETMASK, &set, std::ptr::null_mut());
        let fd = libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(fd)) }
    }
}

/// A signal that came.
pub struct Signal {
    pub number: libc::c_int,
    /// The process that sent it.
    pub sender: u32,
}

/// Signals that are taken at a time.
const SIGNALS: usize = 8;

/// The signals that came.
pub fn signals(fd: BorrowedFd<'_>) -> Vec<Signal> {
    let mut all = Vec::new();
    loop {
        // SAFETY: the kernel fills in at most the size given; the structure is plain data.
        let (infos, got) = unsafe {
            let mut infos = std::mem::zeroed::<[libc::signalfd_siginfo; SIGNALS]>();
            let got = libc::read(fd.as_raw_fd(), infos.as_mut_ptr().cast(), size_of_val(&infos));
            (infos, usize::try_from(got).unwrap_or(0) / size_of::<libc::signalfd_siginfo>())
        };
        all.extend(
            infos[..got]
                .iter()
                .map(|info| Signal { number: info.ssi_signo as libc::c_int, sender: info.ssi_pid }),
        );
        if got < SIGNALS {
            return all;
        }
    }
}

/// By which a keeper asks its guardian to let go. Each one arrives, as signals of this kind are queued.
pub fn let_go_signal() -> libc::c_int {
    libc::SIGRTMIN()
}

/// Sends a signal that is queued; false where the process is gone.
pub fn queue_signal(pid: u32, signal: libc::c_int) -> bool {
    let value = libc::sigval { sival_ptr: std::ptr::null_mut() };
    // SAFETY: plain numbers; the receiver looks at no value.
    libc::pid_t::try_from(pid).is_ok_and(|pid| unsafe { libc::sigqueue(pid, signal, value) == 0 })
}

/// Whether orphans below this process become its children.
pub fn set_reaper(on: bool) {
    // SAFETY: plain numbers.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, libc::c_ulong::from(on)) };
}

/// Waits until one of the descriptors is readable or hung up; `None` waits without end.
pub fn poll<const N: usize>(fds: [BorrowedFd<'_>; N], timeout_ms: Option<i32>) -> [bool; N] {
    let mut entries = fds.map(|fd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 });
    // SAFETY: `entries` is an array of N initialised entries.
    unsafe { libc::poll(entries.as_mut_ptr(), N as libc::nfds_t, timeout_ms.unwrap_or(-1)) };
    entries.map(|entry| entry.revents != 0)
}

/// Prepares a process that looks after others: its name, and orphans below it become its children.
pub fn become_reaper(name: &CStr) {
    // SAFETY: a C string that outlives the call.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
    set_reaper(true);
}

/// A memory file with `bytes` in it; the name shows in /proc.
pub fn memory_file(name: &CStr, bytes: &[u8]) -> io::Result<OwnedFd> {
    use std::io::Write;
    // SAFETY: the name is a C string.
    let create = |flags| match unsafe { libc::memfd_create(name.as_ptr(), flags) } {
        -1 => Err(io::Error::last_os_error()),
        fd => Ok(fd),
    };
    // Hardened kernels refuse files that could be executed; those before 6.3 do not know the flag.
    let fd = create(libc::MFD_CLOEXEC | libc::MFD_NOEXEC_SEAL).or_else(|e| match e.raw_os_error() {
        Some(libc::EINVAL) => create(libc::MFD_CLOEXEC),
        _ => Err(e),
    })?;
    // SAFETY: the descriptor is ours alone.
    let mut file = std::fs::File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    file.write_all(bytes)?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn several_packets_come_at_once() {
        let (ours, theirs) = packet_pair().expect("sockets");
        let mut buffers = [[0; 4]; 3];
        let mut receive = || {
            let lengths = receive_several(ours.as_fd(), &mut buffers).map_err(|e| e.kind())?;
            Ok(buffers
                .iter()
                .zip(lengths)
                .map(|(bytes, length)| bytes[..length].to_vec())
                .collect::<Vec<_>>())
        };
        let nothing = Err(io::ErrorKind::WouldBlock);
        assert_eq!(receive(), nothing);
        for packet in ["a", "bcde", "fgh", "i"] {
            send(theirs.as_fd(), &[IoSlice::new(packet.as_bytes())], &[]).expect("it fits");
        }
        assert_eq!(receive(), Ok(vec![b"a".to_vec(), b"bcde".to_vec(), b"fgh".to_vec()]));
        assert_eq!(receive(), Ok(vec![b"i".to_vec()]));
        assert_eq!(receive(), nothing);
        send(theirs.as_fd(), &[IoSlice::new(b"j")], &[]).expect("it fits");
        drop(theirs);
        assert_eq!(receive(), Ok(vec![b"j".to_vec(), Vec::new(), Vec::new()]));
    }
}
