//! What the end-to-end tests share: the built binaries, scratch folders, and finding processes.
//!
//! The binaries are those that `cargo build --workspace` put beside the tests; a test never builds them.

pub mod fleet;
pub mod kept;
pub mod lsp;
pub mod memcached;
pub mod random;

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

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
    command
        .current_dir(scratch)
        .env("DSCRIPT_DATA", scratch.join("data"))
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    command
}

/// Fills a data folder with 6,000 records of the pool `disks`, keys `k0` to `k2`, and hurts the block that has those of
/// `k1`: 2,000 of them.
pub fn damaged_pool(data: &Path) {
    use dscript_logpool::{FieldValue, Mover, Record, RunId, Writer};
    let record = |seq: u64| Record {
        pool: "disks".into(),
        key: format!("k{}", seq % 3).into(),
        node: "n".into(),
        task: "t".into(),
        run: RunId(1),
        seq,
        time: seq as i64,
        fields: [("text", FieldValue::String(format!("value {seq}")))].into(),
    };
    let writer = Writer::open(data).expect("a data folder can be made");
    writer.append((0..6000).map(record).collect()).expect("they are stored");
    let mut mover = Mover::try_acquire(data).expect("it can be locked").expect("nobody else moves");
    mover.move_once().expect("they are moved");
    let mut segments = fs::read_dir(data.join("segments")).expect("there are segments");
    let path = segments.next().expect("one").expect("it is listed").path();
    let mut bytes = fs::read(&path).expect("it can be read");
    let at = bytes.windows(10).position(|text| text == b"value 3001").expect("it is there as it is");
    bytes[at] ^= 1;
    fs::write(&path, bytes).expect("it can be written");
}

/// Runs a binary to its end.
pub fn run<S: AsRef<OsStr>>(name: &str, scratch: &Path, args: &[S]) -> Output {
    finish(command(name, scratch).args(args))
}

/// Runs a command to its end; one that does not come to it is killed.
pub fn finish(command: &mut Command) -> Output {
    let mut child = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let stdout = drain(child.0.stdout.take());
    let stderr = drain(child.0.stderr.take());
    let status = child.wait();
    let all = |bytes: mpsc::Receiver<Vec<u8>>| {
        bytes.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{command:?} has ended, its output has not"))
    };
    Output { status, stdout: all(stdout), stderr: all(stderr) }
}

fn drain(from: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut from) = from {
            from.read_to_end(&mut bytes).expect("a pipe can be read");
        }
        // Nobody waits any more where the test has failed meanwhile.
        let _ = sender.send(bytes);
    });
    receiver
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

/// The exit status, and what was said on standard error.
pub fn ending(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), text(&output.stderr))
}

/// Fails unless the tool is on PATH; the tests use the machine's real tools.
pub fn need(tool: &str, package: &str) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = std::env::split_paths(&path).any(|folder| folder.join(tool).is_file());
    assert!(there, "`{tool}` is not on PATH: install the Debian package {package}");
}

/// What `dsctl log query --json` prints with these arguments: one record each.
pub fn records<S: AsRef<OsStr>>(scratch: &Path, args: &[S]) -> Vec<Value> {
    let output = finish(command("dsctl", scratch).args(["log", "query", "--json"]).args(args));
    assert!(output.status.success(), "the query is answered: {}\n{}", output.status, text(&output.stderr));
    json_lines(&output.stdout)
}

/// One JSON value a line.
pub fn json_lines(bytes: &[u8]) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}"));
    text(bytes).lines().map(parse).collect()
}

/// The sequence numbers of records, in order; each record's run and sequence must be its own.
pub fn sequences(records: &[Value]) -> Vec<u64> {
    let mut all: Vec<(String, u64)> = records
        .iter()
        .map(|record| (record["run"].to_string(), record["seq"].as_u64().expect("a sequence number")))
        .collect();
    all.sort();
    let before = all.len();
    all.dedup();
    assert_eq!(all.len(), before, "no record is there twice");
    all.into_iter().map(|(_, seq)| seq).collect()
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

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let child = &mut self.0;
        let start = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} for process {} to end", child.id());
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
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

/// A variable that a test gives what it starts, by which it finds all that came of it.
pub struct Mark(String);

impl Mark {
    pub fn new() -> Mark {
        static MARKS: AtomicU32 = AtomicU32::new(0);
        Mark(format!("{}-{}", std::process::id(), MARKS.fetch_add(1, Ordering::Relaxed)))
    }

    pub fn put(&self, command: &mut Command) {
        command.env("DSCRIPT_TEST_MARK", &self.0);
    }

    /// What runs with it: ids and command lines.
    pub fn all(&self) -> Vec<(i32, String)> {
        marked_processes(&format!("DSCRIPT_TEST_MARK={}", self.0))
    }

    /// The ids of those whose command line begins so.
    pub fn running(&self, begins: &str) -> Vec<i32> {
        self.all().into_iter().filter(|(_, line)| line.starts_with(begins)).map(|(pid, _)| pid).collect()
    }

    /// Waits until nothing runs with it.
    pub fn gone(&self) {
        wait_for("everything that was started to be gone", || self.all().is_empty().then_some(()));
    }
}

impl Default for Mark {
    fn default() -> Self {
        Mark::new()
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
