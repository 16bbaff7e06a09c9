//! Pipes between a run and its children: our end never blocks, and no child inherits it.

use std::io;
use std::os::fd::OwnedFd;

use nix::fcntl::OFlag;
use tokio::net::unix::pipe;

/// For what a child writes: our reading end, its writing end.
pub fn output() -> io::Result<(pipe::Receiver, OwnedFd)> {
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    Ok((pipe::Receiver::from_owned_fd(read)?, write))
}

/// For what a child reads: our writing end, its reading end.
pub fn input() -> io::Result<(pipe::Sender, OwnedFd)> {
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    Ok((pipe::Sender::from_owned_fd(write)?, read))
}
