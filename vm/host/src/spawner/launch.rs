//! Starts one program: the memory of the keeper is shared with the child until it is replaced, so nothing is
//! copied, and an error comes back through that memory before the start is acknowledged.

use std::ffi::{CStr, CString};
use std::os::fd::RawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::wire::{self, SpawnHeader, Stage};

/// Where programs without a slash are looked for when the owner has no PATH.
const PATH_DEFAULT: &str = "/usr/local/bin:/usr/bin:/bin";
const STACK_BYTES: usize = 64 << 10;

pub struct Launcher {
    environment: Vec<CString>,
    path: Vec<Vec<u8>>,
    keeper: libc::pid_t,
    stack: Vec<u128>,
}

/// What the child needs, laid out before it exists: it may neither allocate nor lock.
struct Plan<'a> {
    /// Full paths to try in this order.
    candidates: &'a [*const libc::c_char],
    argv: &'a [*const libc::c_char],
    envp: &'a [*const libc::c_char],
    dir: *const libc::c_char,
    streams: [RawFd; 3],
    script: Option<RawFd>,
    new_session: bool,
    keeper: libc::pid_t,
    errno: libc::c_int,
    stage: Stage,
}

impl Launcher {
    pub fn new() -> Launcher {
        let path = std::env::var_os("PATH").unwrap_or_else(|| PATH_DEFAULT.into());
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok()
        });
        Launcher {
            environment: environment.collect(),
            path: each_once(std::env::split_paths(&path).map(|dir| dir.into_os_string().into_vec())),
            // SAFETY: takes nothing.
            keeper: unsafe { libc::getpid() },
            stack: vec![0; STACK_BYTES / size_of::<u128>()],
        }
    }

    /// The pid of the started program, which leads a process group of its own.
    pub fn launch(
        &mut self,
        header: &SpawnHeader,
        strings: &[u8],
        streams: [Option<RawFd>; 3],
        script: Option<RawFd>,
    ) -> Result<u32, (i32, Stage)> {
        let bad = (libc::EPROTO, Stage::Request);
        let mut strings = strings.split_inclusive(|b| *b == 0);
        let mut next = || strings.next().filter(|s| s.ends_with(&[0])).map(|s| (s, s.as_ptr().cast()));
        let (program, first) = next().ok_or(bad)?;
        let mut argv: Vec<*const libc::c_char> = vec![first];
        for _ in 1..header.argc {
            argv.push(next().ok_or(bad)?.1);
        }
        argv.push(std::ptr::null());
        let mut given = Vec::new();
        for _ in 0..header.envc {
            given.push(next().ok_or(bad)?);
        }
        let dir = match header.flags & wire::HAS_DIR {
            0 => std::ptr::null(),
            _ => next().ok_or(bad)?.1,
        };
        let mut envp: Vec<*const libc::c_char> = Vec::with_capacity(self.environment.len() + given.len() + 1);
        if header.flags & wire::CLEAR_ENV == 0 {
            let kept = self.environment.iter().filter(|old| {
                given.is_empty() || {
                    let name = name_of(old.as_bytes());
                    given.iter().all(|(new, _)| name_of(new) != name)
                }
            });
            envp.extend(kept.map(|old| old.as_ptr()));
        }
        envp.extend(given.iter().map(|(_, pointer)| *pointer));
        envp.push(std::ptr::null());
        let name = &program[..program.len() - 1];
        // To look costs less than to try. Where there is none, all are tried, for the error.
        let mut files: Vec<_> = self.candidates(name).skip_while(|file| !is_executable(file)).collect();
        if files.is_empty() {
            files = self.candidates(name).collect();
        }
        let candidates: Vec<_> = files.iter().map(|file| file.as_ptr()).collect();
        let mut plan = Plan {
            candidates: &candidates,
            argv: &argv,
            envp: &envp,
            dir,
            // Streams that are not attached stay what they are here: /dev/null.
            streams: [0, 1, 2].map(|n| streams[n].unwrap_or(n as RawFd)),
            script,
            new_session: header.flags & wire::NEW_SESSION != 0,
            keeper: self.keeper,
            errno: 0,
            stage: Stage::Program,
        };
        let top = self.stack.as_mut_ptr_range().end;
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        // SAFETY: CLONE_VFORK stops this thread until the child has replaced itself or ended, so `plan`, all it
        // points to, and the stack outlive the child's use of them, and nobody else touches them meanwhile;
        // `child` calls only system calls. The stack is large enough for it and 16-byte aligned.
        let pid = unsafe { libc::clone(child, top.cast(), flags, (&raw mut plan).cast()) };
        if pid < 0 {
            return Err((
                std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EAGAIN),
                Stage::Request,
            ));
        }
        if plan.errno != 0 {
            // SAFETY: a null status is allowed; the child is ending, and ours to reap.
            while unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) } < 0
                && std::io::Error::last_os_error().raw_os_error() == Some(libc::EINTR)
            {}
            return Err((plan.errno, plan.stage));
        }
        Ok(pid as u32)
    }

    /// The files that `program` may mean: itself with a slash in it, else by the PATH of the owner, whatever
    /// environment the program is given.
    fn candidates(&self, program: &[u8]) -> impl Iterator<Item = CString> {
        let is_path = program.is_empty() || program.contains(&b'/');
        let itself = is_path.then(|| CString::new(program));
        let dirs = if is_path { &[] } else { &self.path[..] };
        let in_dirs = dirs.iter().map(move |dir| {
            let dir = if dir.is_empty() { b"." } else { &dir[..] };
            CString::new([dir, b"/", program].concat())
        });
        itself.into_iter().chain(in_dirs).flatten()
    }
}

/// Those that come first of those that are equal.
fn each_once<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for one in all {
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found
}

fn is_executable(file: &CStr) -> bool {
    // SAFETY: the path ends with a zero.
    unsafe { libc::faccessat(libc::AT_FDCWD, file.as_ptr(), libc::X_OK, libc::AT_EACCESS) == 0 }
}

fn name_of(pair: &[u8]) -> &[u8] {
    pair.split(|b| *b == b'=').next().unwrap_or(pair)
}

/// Runs in the child, on memory shared with the keeper: system calls only.
extern "C" fn child(plan: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `launch` gives a pointer to its plan, which nobody else uses while the child runs.
    let plan = unsafe { &mut *plan.cast::<Plan<'_>>() };
    // SAFETY: all pointers are C strings or null-ended arrays of them that `launch` holds.
    unsafe {
        // The first of a session also leads a group.
        match plan.new_session {
            true => libc::setsid(),
            false => libc::setpgid(0, 0),
        };
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong);
        if libc::getppid() != plan.keeper {
            libc::_exit(127);
        }
        // The streams are above 2 or in their own place, so no one overwrites another.
        for (n, fd) in plan.streams.iter().enumerate() {
            if *fd != n as RawFd {
                libc::dup2(*fd, n as RawFd);
            }
        }
        let mut above = 3;
        if let Some(fd) = plan.script {
            // What the keeper has there is its own copy; one that is in its place already would close on exec.
            match fd {
                wire::SCRIPT_FD => drop(libc::fcntl(fd, libc::F_SETFD, 0)),
                _ => drop(libc::dup2(fd, wire::SCRIPT_FD)),
            }
            above = wire::SCRIPT_FD as libc::c_uint + 1;
        }
        // Everything of ours closes on exec anyway; kernels before 5.9 do not know this call.
        libc::syscall(libc::SYS_close_range, above, libc::c_uint::MAX, 0 as libc::c_uint);
        if !plan.dir.is_null() && libc::chdir(plan.dir) != 0 {
            plan.stage = Stage::Directory;
            plan.errno = *libc::__errno_location();
            libc::_exit(127);
        }
        let mut none = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
        let mut errno = libc::ENOENT;
        for candidate in plan.candidates {
            libc::execve(*candidate, plan.argv.as_ptr(), plan.envp.as_ptr());
            let failed = *libc::__errno_location();
            match failed {
                // Try the next directory of several; a file that may not be run is remembered.
                libc::EACCES => errno = failed,
                libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT
                    if plan.candidates.len() > 1 => {}
                _ => {
                    errno = failed;
                    break;
                }
            }
        }
        plan.errno = errno;
        libc::_exit(127)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn names_with_a_slash_are_not_searched() {
        let mut launcher = Launcher::new();
        launcher.path = vec![b"/a".to_vec(), Vec::new()];
        let found = |l: &Launcher, name: &str| -> Vec<String> {
            l.candidates(name.as_bytes()).map(|c| c.to_string_lossy().into_owned()).collect()
        };
        assert_eq!(found(&launcher, "x"), ["/a/x", "./x"]);
        assert_eq!(found(&launcher, "./x"), ["./x"]);
        assert_eq!(found(&launcher, ""), [""]);
        assert_eq!(name_of(OsStr::new("A=B=C").as_bytes()), b"A");
    }
}
