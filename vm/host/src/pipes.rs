//! Pipes between a run and its children: our end never blocks, and no child inherits it.

use std::io;
use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, OFlag};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;

/// For what a child writes: our reading end, its writing end.
pub fn output() -> io::Result<(pipe::Receiver, OwnedFd)> {
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    never_blocks(&read)?;
    Ok((pipe::Receiver::from_owned_fd_unchecked(read)?, write))
}

/// For what a child reads: our writing end, its reading end.
pub fn input() -> io::Result<(Inlet, OwnedFd)> {
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    never_blocks(&write)?;
    Ok((Inlet::Unused(write), read))
}

/// The writing end of a pipe. Most are closed without a byte, and the runtime hears of those that are written to only.
#[derive(Debug)]
pub enum Inlet {
    Unused(OwnedFd),
    Used(pipe::Sender),
    /// The runtime did not take it.
    Lost,
}

impl Inlet {
    /// Waits until all is written.
    pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Inlet::Unused(_) = self
            && let Inlet::Unused(write) = std::mem::replace(self, Inlet::Lost)
        {
            *self = Inlet::Used(pipe::Sender::from_owned_fd_unchecked(write)?);
        }
        match self {
            Inlet::Used(sender) => sender.write_all(bytes).await,
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

/// Of a descriptor that was just made, so that nothing need be asked of it.
fn never_blocks(fd: &OwnedFd) -> io::Result<()> {
    nix::fcntl::fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(())
}
