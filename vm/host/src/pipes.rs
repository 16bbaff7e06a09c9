//! Pipes between a run and its children: our end never blocks, and no child inherits it.

use std::io;
use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, OFlag};
use tokio::net::unix::pipe;

/// For what a child writes: our reading end, its writing end.
pub fn output() -> io::Result<(pipe::Receiver, OwnedFd)> {
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    never_blocks(&read)?;
    Ok((pipe::Receiver::from_owned_fd_unchecked(read)?, write))
}

/// For what a child reads: our writing end, its reading end.
pub fn input() -> io::Result<(pipe::Sender, OwnedFd)> {
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    never_blocks(&write)?;
    Ok((pipe::Sender::from_owned_fd_unchecked(write)?, read))
}

/// Of a descriptor that was just made, so that nothing need be asked of it.
fn never_blocks(fd: &OwnedFd) -> io::Result<()> {
    nix::fcntl::fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(())
}
