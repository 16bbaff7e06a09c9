//! `File`. Whatever blocks is done on a thread.
//!
//! A capability names a path as the program writes it. One that holds `..`, unless the program names that very path, is
//! named by where it leads, absolute and by its text alone, so that `file:read:/proc/*` is no way to `/etc`. The policy
//! compares absolute paths.
//! Symbolic links are followed: who lets a program use a folder lets it use what links in that folder lead to.

mod whole;

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use dscript_interp::native::{Failure, NativeDef, OutsideCall};
use dscript_interp::value::{ErrorValue, Value};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::poll::{PollFd, PollFlags, poll};
use nix::unistd::AccessFlags;
use whole::{contents, held_bytes};

use super::*;
use crate::lines::Lines;
use crate::pipes;
use crate::policy;

/// Of a file that is read as a whole.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Who waits for a pipe looks so often whether anybody waits for him.
const POLL_MS: u16 = 100;
/// Of a folder that is listed.
const NAMES_MAX: usize = 1 << 20;
/// Names that are tried for a temporary file.
const TRIES_MAX: usize = 100;

pub const NATIVES: &[NativeDef] = &[
    outside("File.read", "(String) -> String!", whole::read),
    outside("File.readBytes", "(String) -> Bytes!", whole::read_bytes),
    outside("File.readRange", "(String, int, int) -> Bytes!", read_range),
    outside("File.openLines", "(String) -> Lines!", open_lines),
    outside("File.write", "(String, String) -> void!", write),
    outside("File.writeBytes", "(String, Bytes) -> void!", write),
    outside("File.append", "(String, String) -> void!", append),
    outside("File.appendBytes", "(String, Bytes) -> void!", append),
    outside("File.exists", "(String) -> boolean!", exists),
    outside("File.isDirectory", "(String) -> boolean!", is_directory),
    outside("File.isFile", "(String) -> boolean!", is_file),
    outside("File.list", "(String) -> List<String>!", list),
    outside("File.stat", "(String, boolean) -> FileStat!", stat),
    outside("File.remove", "(String) -> void!", remove),
    outside("File.createDirectory", "(String, boolean) -> void!", create_directory),
    outside("File.copy", "(String, String) -> void!", copy),
    outside("File.move", "(String, String) -> void!", move_),
    outside("File.setMode", "(String, int) -> void!", set_mode),
    outside("File.readLink", "(String) -> String!", read_link),
    outside("File.tempFile", "() -> String!", temp_file),
    outside("File.tempDirectory", "() -> String!", temp_directory),
];

/// Whether the program may do this with a path.
fn may(call: &OutsideCall<'_>, what: &str, path: &str) -> Result<(), ErrorValue> {
    if path.is_empty() {
        return Err(errors::error("ENOENT", "an empty text is no path"));
    }
    if path.contains('\0') {
        return Err(errors::error("EINVAL", format!("`{}` is no path: it has a NUL", path.escape_debug())));
    }
    if path.len() >= libc::PATH_MAX as usize {
        let text = format!("a path has less than {} bytes: `{}`", libc::PATH_MAX, errors::cut(path));
        return Err(errors::error("ENAMETOOLONG", text));
    }
    let written = Capability::exact("file", &[what, path]);
    if path.split('/').all(|part| part != "..") || call.names(&written) {
        return reach_for(call, &written).map(drop);
    }
    let absolute = match path.starts_with('/') {
        true => policy::resolved(path),
        false => {
            let folder = std::env::current_dir().map_err(|e| errors::io(&e, "the current folder"))?;
            policy::resolved(&format!("{}/{path}", folder.to_string_lossy()))
        }
    };
    reach(call, "file", &[what, &absolute]).map(drop)
}

/// Checks, and does the work with the path on a thread. What fails says what could not be done.
fn with_path<T: Send + 'static>(
    call: &mut OutsideCall<'_>,
    right: &str,
    doing: &'static str,
    work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    may(call, right, call.string(0))?;
    let path = call.string(0).to_owned();
    Ok(call.wait(on_thread(move || work(Path::new(&path)).map_err(|e| failed(&e, doing, &path))))???)
}

/// As `with_path`, for work that may wait for others: it is told whether anybody still waits for it.
fn with_path_patiently<T: Send + 'static>(
    call: &mut OutsideCall<'_>,
    doing: &'static str,
    work: impl FnOnce(&Path, &Wanted) -> io::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    let (wanted, _until_here) = wanted();
    with_path(call, "read", doing, move |path| work(path, &wanted))
}

/// As `with_path`, from the first path to the second.
fn with_paths(
    call: &mut OutsideCall<'_>,
    doing: &'static str,
    work: impl FnOnce(&Path, &Path) -> io::Result<()> + Send + 'static,
) -> Result<Value, Failure> {
    let (from, to) = (call.string(0).to_owned(), call.string(1).to_owned());
    let work = move || {
        work(Path::new(&from), Path::new(&to)).map_err(|e| failed(&e, doing, &format!("{from}` to `{to}")))
    };
    call.wait(on_thread(work))???;
    Ok(Value::Null)
}

fn failed(e: &io::Error, doing: &str, path: &str) -> ErrorValue {
    let mut error = match e.kind() {
        io::ErrorKind::FileTooLarge if e.raw_os_error().is_none() => {
            errors::error("limit", format!("cannot {doing} `{}`: {e}", errors::cut(path)))
        }
        _ => errors::io(e, &format!("cannot {doing} `{}`", errors::cut(path))),
    };
    error.data.push(("path".into(), path.into()));
    error
}

/// A pipe without a writer must not hold the thread.
fn open_to_read(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

/// What is read as its writers write it: a pipe, a terminal. Reading waits for them, the first of them included.
struct Patient<'a> {
    file: File,
    /// Whether it may have nothing yet, as no plain file has.
    waits: bool,
    wanted: &'a Wanted,
    /// Where what is read goes: nobody may be left there.
    to: Option<BorrowedFd<'a>>,
}

impl<'a> Patient<'a> {
    fn new(file: File, wanted: &'a Wanted, to: Option<BorrowedFd<'a>>) -> io::Result<Patient<'a>> {
        let waits = !file.metadata()?.is_file();
        Ok(Patient { file, waits, wanted, to })
    }
}

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.waits {
            return self.file.read(buffer);
        }
        loop {
            let mut fds = vec![PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
            // That nobody reads is told whatever is asked.
            fds.extend(self.to.map(|to| PollFd::new(to, PollFlags::empty())));
            match poll(&mut fds, POLL_MS) {
                Ok(0) | Err(Errno::EINTR) if self.wanted.is_still() => continue,
                Ok(0) | Err(Errno::EINTR) => return Err(io::ErrorKind::BrokenPipe.into()),
                Ok(_) => {}
                Err(errno) => return Err(errno.into()),
            }
            if fds.get(1).is_some_and(|to| to.any().unwrap_or(true)) {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            match self.file.read(buffer) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }
}

fn read_range(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let (start, length) = (call.int(1), call.int(2));
    let Ok(length) = u64::try_from(length) else {
        return Err(errors::error("EINVAL", format!("a range cannot have {length} bytes")).into());
    };
    let held = state(call).hold();
    let (bytes, _held) = with_path_patiently(call, "read", move |path, wanted| {
        if length > FILE_BYTES_MAX {
            return Err(too_large(format!("a range has at most {} MiB", FILE_BYTES_MAX >> 20)));
        }
        let mut file = open_to_read(path)?;
        let size = file.metadata()?.size();
        if start < 0 {
            // Before the beginning is the beginning.
            if size == 0 {
                // The kernel's files say nothing of their size, and pipes have none.
                let (mut bytes, held) = contents(path, wanted, held)?;
                bytes.drain(..bytes.len().saturating_sub(start.unsigned_abs() as usize));
                bytes.truncate(length as usize);
                return Ok((bytes, held));
            }
            file.seek(io::SeekFrom::Start(size.saturating_sub(start.unsigned_abs())))?;
        } else {
            file.seek(io::SeekFrom::Start(start.unsigned_abs()))?;
        }
        let left = size.saturating_sub(file.stream_position()?);
        held_bytes(file, left, length, held)
    })?;
    Ok(Value::Bytes(bytes))
}

/// A thread reads the file into a pipe, as `cat` would, and ends when nobody reads that any more.
fn open_lines(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let open = open_one(call)?;
    let file = with_path(call, "read", "read", |path| {
        let file = open_to_read(path)?;
        match file.metadata()?.is_dir() {
            true => Err(io::Error::from_raw_os_error(libc::EISDIR)),
            false => Ok(file),
        }
    })?;
    let (run, path) = (state(call), call.string(0).to_owned());
    let lines = call.wait(async move {
        let (ours, theirs) = pipes::output()?;
        let lines = Rc::new(Lines::new(&path, Some(ours), run.trouble.clone(), run.hold()).counted(open));
        let told = Rc::downgrade(&lines);
        tokio::task::spawn_local(async move {
            let mut pipe = File::from(theirs);
            let (wanted, _until_here) = wanted();
            // The pipe closes after the error is told.
            let work = move || {
                let to = pipe.try_clone()?;
                let mut file = Patient::new(file, &wanted, Some(to.as_fd()))?;
                let copied = match file.waits {
                    true => io::copy(&mut file, &mut pipe),
                    false => io::copy(&mut file.file, &mut pipe),
                };
                Ok((copied, pipe))
            };
            let read =
                on_thread(work).await.and_then(|made| made.map_err(|e: io::Error| failed(&e, "read", &path)));
            let why = match &read {
                Ok((Ok(_), _)) => return,
                // Who reads has seen enough.
                Ok((Err(e), _)) if e.kind() == io::ErrorKind::BrokenPipe => return,
                Ok((Err(e), _)) => failed(e, "read", &path),
                Err(error) => error.clone(),
            };
            if let Some(lines) = told.upgrade() {
                lines.fail(why);
            }
        });
        Ok(lines)
    })?;
    Ok(Value::Handle(lines.map_err(|e: io::Error| errors::io(&e, "cannot make a pipe"))?))
}

fn too_large(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, what)
}

/// The bytes of a text or of Bytes.
fn payload(call: &mut OutsideCall<'_>, arg: usize) -> Vec<u8> {
    match std::mem::replace(&mut call.args[arg], Value::Null) {
        Value::String(text) => text.into_bytes(),
        other => bytes(other),
    }
}

fn write(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let bytes = payload(call, 1);
    with_path(call, "write", "write", move |path| replace(path, None, &mut |file| file.write_all(&bytes)))?;
    Ok(Value::Null)
}

fn append(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let bytes = payload(call, 1);
    with_path(call, "write", "append to", move |path| {
        let mut options = OpenOptions::new();
        options.append(true).create(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
        options.open(path)?.write_all(&bytes)
    })?;
    Ok(Value::Null)
}

/// Puts a new file in the place of what was there, in one step: who reads sees the old one or the new one. It keeps
/// mode and owner of the old one unless `mode` says another. What cannot be replaced so is written in its place: devices,
/// pipes, files of the kernel, mount points, files of several names or of another owner, and those in a folder that may
/// not be changed. A file that may not be written is not replaced either.
fn replace(
    path: &Path,
    mode: Option<u32>,
    fill: &mut dyn FnMut(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let (target, old) = match fs::canonicalize(path) {
        Ok(target) => {
            let old = fs::metadata(&target)?;
            (target, Some(old))
        }
        // A link that leads to nothing yet.
        Err(e) if e.kind() == io::ErrorKind::NotFound && path.is_symlink() => return in_place(path, fill),
        Err(e) if e.kind() == io::ErrorKind::NotFound => (path.to_owned(), None),
        Err(e) => return Err(e),
    };
    match &old {
        Some(old) if old.is_dir() => return Err(io::Error::from_raw_os_error(libc::EISDIR)),
        Some(old) if !old.is_file() || is_kernels(&target) => return in_place(&target, fill),
        Some(old) => {
            // The folder's rights decide on replacing, but the file's are what its owner goes by.
            nix::unistd::faccessat(AT_FDCWD, &target, AccessFlags::W_OK, AtFlags::AT_EACCESS)?;
            if old.nlink() > 1 {
                return in_place(&target, fill);
            }
        }
        None if path.as_os_str().as_encoded_bytes().ends_with(b"/") => {
            return Err(io::Error::from_raw_os_error(libc::EISDIR));
        }
        None => {}
    }
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let made = new_name(folder, ".dscript-", |name| {
        OpenOptions::new().write(true).create_new(true).mode(0o666).open(name)
    });
    let (temp, mut file) = match made {
        Err(e) if old.is_some() && is_refused(&e) => return in_place(&target, fill),
        made => made?,
    };
    let temp = RemoveOnDrop(temp);
    fill(&mut file)?;
    if let Some(old) = &old {
        let new = file.metadata()?;
        // Only root may give files away.
        if (new.uid(), new.gid()) != (old.uid(), old.gid())
            && std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid())).is_err()
        {
            return in_place(&target, fill);
        }
    }
    if let Some(mode) = mode.or(old.as_ref().map(MetadataExt::mode)) {
        file.set_permissions(fs::Permissions::from_mode(mode & 0o7777))?;
    }
    file.sync_all()?;
    match fs::rename(&temp.0, &target) {
        Ok(()) => std::mem::forget(temp),
        Err(e) if matches!(e.raw_os_error(), Some(libc::EBUSY | libc::EXDEV)) => {
            return in_place(&target, fill);
        }
        // A folder in which only the owner of a file may replace it.
        Err(e) if old.is_some() && is_refused(&e) => return in_place(&target, fill),
        Err(e) => return Err(e),
    }
    // The new name is durable once its folder is; some file systems cannot say.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// Whether a folder may not be changed.
fn is_refused(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::EACCES | libc::EPERM | libc::EROFS))
}

struct RemoveOnDrop(PathBuf);

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn in_place(path: &Path, fill: &mut dyn FnMut(&mut File) -> io::Result<()>) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    fill(&mut options.open(path)?)
}

/// Whether it is one of the kernel's own files, which only look like files.
fn is_kernels(path: &Path) -> bool {
    use nix::sys::statfs::*;
    const KERNELS: [FsType; 8] = [
        PROC_SUPER_MAGIC,
        SYSFS_MAGIC,
        CGROUP_SUPER_MAGIC,
        CGROUP2_SUPER_MAGIC,
        DEBUGFS_MAGIC,
        TRACEFS_MAGIC,
        SECURITYFS_MAGIC,
        BPF_FS_MAGIC,
    ];
    statfs(path).is_ok_and(|fs| KERNELS.contains(&fs.filesystem_type()))
}

/// A name in a folder that nobody has yet, and what `make` makes of it.
fn new_name<T>(
    folder: &Path,
    start: &str,
    mut make: impl FnMut(&Path) -> io::Result<T>,
) -> io::Result<(PathBuf, T)> {
    for _ in 0..TRIES_MAX {
        // Seeded by the system anew each time.
        let random = std::hash::RandomState::new().build_hasher().finish();
        let path = folder.join(format!("{start}{random:016x}"));
        match make(&path) {
            Ok(made) => return Ok((path, made)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    Err(io::Error::from_raw_os_error(libc::EEXIST))
}

/// What is there, following links or not; `None` for nothing.
fn found(path: &Path) -> io::Result<Option<fs::Metadata>> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(e) if matches!(e.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP)) => Ok(None),
        Err(e) => Err(e),
    }
}

fn exists(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    Ok(Value::Bool(with_path(call, "read", "look at", found)?.is_some()))
}

fn is_directory(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    Ok(Value::Bool(with_path(call, "read", "look at", found)?.is_some_and(|found| found.is_dir())))
}

fn is_file(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    Ok(Value::Bool(with_path(call, "read", "look at", found)?.is_some_and(|found| found.is_file())))
}

fn list(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let names = with_path(call, "read", "list", |path| {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            if names.len() == NAMES_MAX {
                return Err(too_large(format!("it has more than {NAMES_MAX} names")));
            }
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    })?;
    Ok(Value::List(names.into_iter().map(Value::String).collect()))
}

fn stat(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let follow = boolean(call.args[1].clone());
    let (found, owner, group) = with_path(call, "read", "look at", move |path| {
        let found = if follow { fs::metadata(path)? } else { fs::symlink_metadata(path)? };
        let (uid, gid) = (found.uid(), found.gid());
        Ok((found, process::user_name(uid), process::group_name(gid)))
    })?;
    let modified = found.mtime().saturating_mul(1_000_000_000).saturating_add(found.mtime_nsec());
    Ok(record([
        ("size", Value::Int(found.size().try_into().unwrap_or(i64::MAX))),
        ("modified", Value::Time(modified)),
        ("mode", Value::Int((found.mode() & 0o7777).into())),
        ("uid", Value::Int(found.uid().into())),
        ("gid", Value::Int(found.gid().into())),
        ("owner", Value::String(owner)),
        ("group", Value::String(group)),
        ("isFile", Value::Bool(found.is_file())),
        ("isDirectory", Value::Bool(found.is_dir())),
        ("isLink", Value::Bool(found.is_symlink())),
    ]))
}

fn remove(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    with_path(call, "write", "remove", |path| {
        if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) }
    })?;
    Ok(Value::Null)
}

fn create_directory(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let parents = boolean(call.args[1].clone());
    with_path(call, "write", "create directory", move |path| {
        if parents { fs::create_dir_all(path) } else { fs::create_dir(path) }
    })?;
    Ok(Value::Null)
}

fn copy(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    may(call, "read", call.string(0))?;
    may(call, "write", call.string(1))?;
    let (wanted, _until_here) = wanted();
    let held = state(call).hold();
    with_paths(call, "copy", move |from, to| copy_file(from, to, &wanted, held))
}

fn copy_file(from: &Path, to: &Path, wanted: &Wanted, held: Held) -> io::Result<()> {
    let mut source = open_to_read(from)?;
    let found = source.metadata()?;
    if found.is_dir() {
        return Err(io::Error::from_raw_os_error(libc::EISDIR));
    }
    if !found.is_file() {
        // What can be read only once: up to its end.
        let (bytes, _held) = contents(from, wanted, held)?;
        return replace(to, Some(found.mode()), &mut |file| file.write_all(&bytes));
    }
    replace(to, Some(found.mode()), &mut |file| {
        source.rewind()?;
        io::copy(&mut source, file).map(drop)
    })
}

fn move_(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    // What is moved can be read where it comes to.
    may(call, "read", call.string(0))?;
    may(call, "write", call.string(0))?;
    may(call, "write", call.string(1))?;
    let (wanted, _until_here) = wanted();
    with_paths(call, "move", move |from, to| match fs::rename(from, to) {
        Err(e) if e.kind() == io::ErrorKind::CrossesDevices && fs::symlink_metadata(from)?.is_file() => {
            // A plain file is copied without being held.
            copy_file(from, to, &wanted, Held::default())?;
            fs::remove_file(from)
        }
        done => done,
    })
}

fn set_mode(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let mode = call.int(1);
    let Some(mode) = u32::try_from(mode).ok().filter(|mode| *mode <= 0o7777) else {
        return Err(errors::error("EINVAL", format!("{mode} is no permission bits: 0 to 0xFFF")).into());
    };
    with_path(call, "write", "set the mode of", move |path| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    })?;
    Ok(Value::Null)
}

fn read_link(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let target = with_path(call, "read", "read link", |path| fs::read_link(path))?;
    Ok(Value::String(target.to_string_lossy().into_owned()))
}

fn temp_file(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    temp(call, |path| OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map(drop))
}

fn temp_directory(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    temp(call, |path| fs::DirBuilder::new().mode(0o700).create(path))
}

fn temp(
    call: &mut OutsideCall<'_>,
    make: impl FnMut(&Path) -> io::Result<()> + Send + 'static,
) -> Result<Value, Failure> {
    reach(call, "file", &["temp"])?;
    let work = || {
        let folder = std::env::temp_dir();
        let made = new_name(&folder, "dscript-", make);
        made.map_err(|e| failed(&e, "make a name in", &folder.to_string_lossy()))
    };
    let (path, ()) = call.wait(on_thread(work))???;
    Ok(Value::String(path.to_string_lossy().into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Not even the superuser of the tests may do on this thread what another user may not.
    fn as_nobody<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        std::thread::spawn(move || {
            // SAFETY: plain numbers; the kernel's call is about this thread alone, and those without the right keep who
            // they are.
            unsafe { libc::syscall(libc::SYS_setresuid, -1, 65534, -1) };
            work()
        })
        .join()
        .expect("it does not panic")
    }

    fn written(path: &Path) -> Result<(), i32> {
        let path = path.to_owned();
        let done = as_nobody(move || replace(&path, None, &mut |file| file.write_all(b"new")));
        done.map_err(|e| e.raw_os_error().unwrap_or(0))
    }

    #[test]
    fn a_file_stays_its_owners() {
        let folder = std::env::temp_dir().join(format!("dscript-owners-{}", std::process::id()));
        fs::create_dir(&folder).expect("a folder for the test");
        let _remove = RemoveFolder(folder.clone());
        let set = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
        };
        let make = |name: &str, mode| {
            let path = folder.join(name);
            fs::write(&path, "old").expect("the folder is ours");
            set(&path, mode);
            path
        };
        let seen = |path: &Path| {
            let found = fs::metadata(path).expect("it is there");
            (found.ino(), found.uid(), found.mode() & 0o777, fs::read(path).expect("it can be read"))
        };
        // A folder that all may write, and files of another owner in it.
        set(&folder, 0o777);
        let (open, closed, linked) = (make("open", 0o666), make("closed", 0o444), make("linked", 0o666));
        fs::hard_link(&linked, folder.join("second")).expect("a link can be made");
        let (ino, uid, ..) = seen(&open);
        assert_eq!(written(&open), Ok(()));
        let (now, owner, mode, text) = seen(&open);
        assert_eq!((owner, mode, text), (uid, 0o666, b"new".to_vec()));
        if nix::unistd::geteuid().is_root() {
            assert_eq!(now, ino, "nobody could give a new file back to root");
        }
        assert_eq!(written(&closed), Err(libc::EACCES));
        assert_eq!(seen(&closed).3, b"old");
        assert_eq!(written(&linked), Ok(()));
        assert_eq!(seen(&folder.join("second")).3, b"new");
        // A folder that may not be written.
        set(&folder, 0o555);
        let (ino, ..) = seen(&open);
        fs::write(&open, "old").expect("it can be written");
        assert_eq!(written(&open), Ok(()));
        assert_eq!((seen(&open).0, seen(&open).3), (ino, b"new".to_vec()));
        assert_eq!(written(&folder.join("none")), Err(libc::EACCES));
        let names = fs::read_dir(&folder).expect("it can be read").count();
        assert_eq!(names, 4, "and no other file is left");
        set(&folder, 0o755);
    }

    struct RemoveFolder(PathBuf);

    impl Drop for RemoveFolder {
        fn drop(&mut self) {
            let _ = fs::set_permissions(&self.0, fs::Permissions::from_mode(0o755));
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}
