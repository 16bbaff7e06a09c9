//! Pipes between a run and its children: our end never blocks, and no child inherits it.

use std::cell::{OnceCell, RefCell};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;

/// For what a child writes: our reading end, its writing end.
pub fn output() -> io::Result<(Outlet, OwnedFd)> {
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    never_blocks(&read)?;
    Ok((Outlet { unheard: RefCell::new(Some(read)), heard: OnceCell::new() }, write))
}

/// The reading end of a pipe. The runtime hears of it from the first time that somebody waits for it.
#[derive(Debug)]
pub struct Outlet {
    unheard: RefCell<Option<OwnedFd>>,
    heard: OnceCell<pipe::Receiver>,
}

impl Outlet {
    /// Waits until there may be something to read, the end included.
    pub async fn readable(&self) -> io::Result<()> {
        if let Some(read) = self.unheard.take() {
            let _ = self.heard.set(pipe::Receiver::from_owned_fd_unchecked(read)?);
        }
        self.heard()?.readable().await
    }

    /// Reads what is there; 0 is the end.
    pub fn try_read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match &*self.unheard.borrow() {
            Some(read) => Ok(nix::unistd::read(read, bytes)?),
            None => self.heard()?.try_read(bytes),
        }
    }

    /// As `try_read`, behind what `bytes` has, as far as it has room.
    pub fn try_read_buf(&self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        let unheard = self.unheard.borrow();
        let Some(read) = &*unheard else { return self.heard()?.try_read_buf(bytes) };
        let room = bytes.spare_capacity_mut();
        // SAFETY: the kernel writes at most as many bytes as there is room for.
        let count = unsafe { libc::read(read.as_raw_fd(), room.as_mut_ptr().cast(), room.len()) };
        let Ok(count) = usize::try_from(count) else { return Err(io::Error::last_os_error()) };
        // SAFETY: it has just written so many.
        unsafe { bytes.set_len(bytes.len() + count) };
        Ok(count)
    }

    /// That is there but where the runtime did not take it.
    fn heard(&self) -> io::Result<&pipe::Receiver> {
        self.heard.get().ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_is_read_is_the_same_whether_anybody_has_waited_or_not() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            for waits in [false, true] {
                let (read, write) = output().expect("a pipe");
                let mut write = std::fs::File::from(write);
                let (mut piece, mut all) = ([0; 3], Vec::with_capacity(9));
                assert_eq!(read.try_read(&mut piece).map_err(|e| e.kind()), Err(io::ErrorKind::WouldBlock));
                assert_eq!(read.try_read_buf(&mut all).map_err(|e| e.kind()), Err(io::ErrorKind::WouldBlock));
                write.write_all(b"abcdefg").expect("it fits");
                if waits {
                    read.readable().await.expect("there is something");
                }
                assert_eq!((read.try_read(&mut piece).ok(), &piece), (Some(3), b"abc"));
                assert_eq!(read.try_read_buf(&mut all).ok(), Some(4));
                assert_eq!(all, b"defg");
                drop(write);
                if waits {
                    read.readable().await.expect("the end is something");
                }
                assert_eq!(read.try_read(&mut piece).ok(), Some(0));
                assert_eq!(read.try_read_buf(&mut all).ok(), Some(0));
            }
        });
    }
}
