//! What the end-to-end tests share: the built binaries, scratch folders, and finding processes.
//!
//! The binaries are those that `cargo build --workspace` put beside the tests; a test never builds them.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long a test waits for something that must come before it says that it has not.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ stands in the repository").to_path_buf()
}

/// A built binary: `dsc`, `dsvm` or `dsctl`.
pub fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a test knows its own path");
    let folder = own.parent().and_then(Path::parent).expect("tests run from target/PROFILE/deps");
    let path = folder.join(name);
    assert!(path.is_file(), "{} is not built: run `cargo build --workspace` first", path.display());
    path
}

/// A command that runs a built binary in a scratch folder of its own data.
pub fn command(name: &str, scratch: &Path) -> Command {
    let mut command = Command::new(binary(name));
    command.current_dir(scratch).env("DSCRIPT_DATA", scratch.join("data")).env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// Runs a binary to its end.
pub fn run<S: AsRef<OsStr>>(name: &str, scratch: &Path, args: &[S]) -> Output {
    command(name, scratch).args(args).output().unwrap_or_else(|e| panic!("{name} starts: {e}"))
}

/// Runs a binary that must end with status 0; gives its standard output.
pub fn good<S: AsRef<OsStr>>(name: &str, scratch: &Path, args: &[S]) -> String {
    let output = run(name, scratch, args);
    assert!(output.status.success(), "{name} ends well: {}\n{}", output.status, text(&output.stderr));
    text(&output.stdout)
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Writes a source file into the scratch folder and compiles it; gives the image's path.
pub fn compile(scratch: &Path, name: &str, source: &str) -> PathBuf {
    let file = scratch.join(format!("{name}.ds"));
    fs::write(&file, source).expect("the scratch folder can be written");
    good("dsc", scratch, &[OsStr::new("compile"), file.as_os_str()]);
    file.with_extension("dsb")
}

/// Waits until `test` gives something.
pub fn wait_for<T>(what: &str, mut test: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = test() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A child that is killed when the test ends, however it ends.
pub struct Running(pub Child);

impl Running {
    pub fn start(command: &mut Command) -> Running {
        Running(command.spawn().unwrap_or_else(|e| panic!("{command:?} starts: {e}")))
    }

    pub fn id(&self) -> i32 {
        i32::try_from(self.0.id()).expect("process ids are small")
    }

    /// Ends it so that it can clean nothing up.
    pub fn kill_hard(&mut self) {
        self.signal(libc::SIGKILL);
        self.0.wait().expect("a killed child is reaped");
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: sends a signal to a child that has not been reaped, so the id is still its own.
        unsafe { libc::kill(self.id(), signal) };
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            // Nothing is to be done for a child that ends in between.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// Processes whose environment holds `MARK`, such as a variable that a test gave its children.
pub fn marked_processes(mark: &str) -> Vec<(i32, String)> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir("/proc") else { return found };
    for entry in entries.flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.split(|&b| b == 0).any(|v| v == mark.as_bytes()) {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push((pid, text(&line).replace('\0', " ")));
        }
    }
    found
}

/// Every file with the extension in a folder of the repository, in order.
pub fn corpus(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = root().join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == extension));
    files.sort();
    assert!(!files.is_empty(), "{} holds no .{extension} files", folder.display());
    files
}

/// Compares with the expected file beside a test, or rewrites it when `UPDATE=1`.
pub fn expect(file: &Path, actual: &str, failures: &mut Vec<String>) {
    if std::env::var_os("UPDATE").is_some_and(|v| v == "1") {
        fs::write(file, actual).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        return;
    }
    let expected = fs::read_to_string(file).unwrap_or_default();
    if expected != actual {
        failures.push(format!("--- {} expects\n{expected}--- but is\n{actual}", file.display()));
    }
}

/// Fails with everything that went wrong.
pub fn report(failures: &[String]) {
    assert!(failures.is_empty(), "{} of the files differ:\n{}", failures.len(), failures.join("\n"));
}
