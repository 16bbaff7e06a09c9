//! Files that commands write come to be whole or not at all: what is written goes into a file beside, which takes the
//! name once everything is in it. Where that ends before, by an error, a full disk or an interrupt, what had the name keeps it.
//!
//! On Linux the file beside has no name until it is whole, so that nothing is left over from a command that was killed. Where
//! the file system cannot do that, it is called `.NAME.PID.part`, and who ends a command calls [`abandon`] before.
//!
//! The name `-` is standard output, which gets what is written at once; a file of that name is `./-`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// From now on a write beyond the largest size that a file may have (`ulimit -f`) fails with `EFBIG`, as one on a full disk
/// does; else the system ends the process for it (SIGXFSZ). Processes that this one starts inherit that, as long as nobody gives
/// them the usual signals.
pub fn refuse_what_is_too_large() {
    #[cfg(unix)]
    // SAFETY: ignoring a signal runs no code of ours.
    let _ = unsafe {
        nix::sys::signal::signal(nix::sys::signal::Signal::SIGXFSZ, nix::sys::signal::SigHandler::SigIgn)
    };
}

/// Whether a name stands for standard output.
pub fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// A name as messages have it.
pub fn shown(path: &Path) -> String {
    if is_stdout(path) { "standard output".to_owned() } else { path.display().to_string() }
}

/// Removes what was written so far of files that are not whole; nothing is written whole after that. For who is about to end the
/// process while others still write.
pub fn abandon() {
    let mut parts = parts();
    for part in parts.drain(..) {
        // The process ends: there is nobody to tell.
        let _ = fs::remove_file(part);
    }
    // Whoever writes waits for it until the end.
    std::mem::forget(parts);
}

/// The files beside that have a name.
fn parts() -> MutexGuard<'static, Vec<PathBuf>> {
    static PARTS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
    PARTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a file by `fill`; a new one gets `mode`, as far as the umask allows it, one that is there keeps its own unless the
/// new one is to be executed. A link stays a link. What is no file but a device or a pipe is written as it is, and so is a file
/// in a folder that takes no other.
pub fn write_whole<T, E: From<io::Error>>(
    path: &Path,
    mode: u32,
    fill: impl FnOnce(&mut File) -> Result<T, E>,
) -> Result<T, E> {
    if is_stdout(path) {
        return fill(&mut stdout()?);
    }
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let old = fs::metadata(path).ok();
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return fill(&mut File::options().write(true).open(path)?);
    }
    let name =
        path.file_name().ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "it is no name of a file"))?;
    let mut part_name = OsString::from(".");
    part_name.push(name);
    part_name.push(format!(".{}.part", std::process::id()));
    let part = Part { path: path.with_file_name(part_name), named: false };
    let (mut file, part) = match part.create(mode) {
        Err(why) if old.is_some() && is_refused(&why) => return fill(&mut File::create(path)?),
        created => created?,
    };
    let filled = fill(&mut file)?;
    if let Some(old) = old.filter(|_| mode & 0o111 == 0) {
        file.set_permissions(old.permissions())?;
    }
    part.become_file(&file, path)?;
    Ok(filled)
}

/// Whether a folder may not be changed.
fn is_refused(why: &io::Error) -> bool {
    matches!(why.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
}

/// Standard output as a file.
#[cfg(unix)]
fn stdout() -> io::Result<File> {
    use std::os::fd::AsFd;
    Ok(io::stdout().as_fd().try_clone_to_owned()?.into())
}

#[cfg(windows)]
fn stdout() -> io::Result<File> {
    use std::os::windows::io::AsHandle;
    Ok(io::stdout().as_handle().try_clone_to_owned()?.into())
}

/// The file beside; it is removed when it is dropped.
struct Part {
    path: PathBuf,
    named: bool,
}

impl Part {
    fn create(mut self, mode: u32) -> io::Result<(File, Part)> {
        if let Some(file) = nameless(&self.path, mode) {
            return Ok((file, self));
        }
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
        let mut parts = parts();
        let file = options.open(&self.path)?;
        parts.push(self.path.clone());
        self.named = true;
        Ok((file, self))
    }

    fn become_file(mut self, file: &File, path: &Path) -> io::Result<()> {
        let mut parts = parts();
        if !self.named {
            give_name(file, &self.path)?;
            parts.push(self.path.clone());
            self.named = true;
        }
        fs::rename(&self.path, path)?;
        parts.retain(|part| *part != self.path);
        self.named = false;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if self.named {
            parts().retain(|part| *part != self.path);
            // It is of no use; that it may not go away changes nothing.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A file without a name in the folder of a path, where there are such files.
#[cfg(target_os = "linux")]
fn nameless(path: &Path, mode: u32) -> Option<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let flags = nix::fcntl::OFlag::O_TMPFILE.bits();
    File::options().write(true).mode(mode).custom_flags(flags).open(folder).ok()
}

#[cfg(target_os = "linux")]
fn give_name(file: &File, path: &Path) -> io::Result<()> {
    use nix::fcntl::{AT_FDCWD, AtFlags};
    use std::os::fd::AsRawFd;
    let own = format!("/proc/self/fd/{}", file.as_raw_fd());
    // One of a process that had this number before, and was killed.
    let _ = fs::remove_file(path);
    nix::unistd::linkat(AT_FDCWD, own.as_str(), AT_FDCWD, path, AtFlags::AT_SYMLINK_FOLLOW)?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn nameless(_: &Path, _: u32) -> Option<File> {
    None
}

#[cfg(not(target_os = "linux"))]
fn give_name(_: &File, _: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn write(path: &Path, mode: u32, text: &str) -> io::Result<()> {
        write_whole(path, mode, |file| file.write_all(text.as_bytes()))
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_whole_or_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("a"), folder.path().join("b"));
        write(&path, 0o600, "first").unwrap();
        symlink(&path, &link).unwrap();
        let failed: Result<(), io::Error> = write_whole(&link, 0o666, |file| {
            file.write_all(b"second")?;
            Err(ErrorKind::StorageFull.into())
        });
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!((fs::read_to_string(&path).unwrap(), mode(&path)), ("first".to_owned(), 0o600));
        write(&link, 0o666, "third").unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap(), mode(&path)), ("third".to_owned(), 0o600));
        assert!(link.is_symlink());
        write(&path, 0o700, "run").unwrap();
        assert_eq!(mode(&path), 0o700);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside");
    }

    #[test]
    fn what_is_no_file_is_written_as_it_is() {
        write(Path::new("/dev/null"), 0o666, "gone").unwrap();
        assert!(write(Path::new("/"), 0o666, "no").is_err());
        assert!(write(Path::new("/nowhere/at/all"), 0o666, "no").is_err());
    }

    #[test]
    fn a_named_part_does_as_well() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let part = Part { path: folder.path().join(".a.part"), named: true };
        let mut file = File::create(&part.path).unwrap();
        file.write_all(b"text").unwrap();
        part.become_file(&file, &path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "text");
        drop(Part { path: path.clone(), named: true });
        assert!(!path.exists(), "one that is not needed goes away");
    }
}
