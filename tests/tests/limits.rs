//! What a task has outside the heap counts for its memory: what is to become a part of it while it grows, and the stacks of
//! its fibers. What is printed has a limit of its own.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use dscript_tests::{Running, command, ending, finish, good, text};

const LIMIT_MIB: u64 = 32;
/// Resident memory may be twice the limit; and what the VM takes by itself, in a debug build above all.
const PEAK_KIB_MAX: u64 = 2 * (LIMIT_MIB << 10) + (20 << 10);

const PROGRAMS: [(&str, &str); 10] = [
    (
        "stacks",
        r#"lowlevel int! deep(int n, int a) {
    if (n == 0) {
        System.sleep(1s);
        return a;
    }
    int below = try deep(n - 1, a + n);
    return (below ^ a) % 1000;
}
print(parallel(List.filled(100, 60_000), 100, n -> deep(n, 1)).size());"#,
    ),
    ("regex_split", r#"print(new Regex("").split("a".repeat(4MiB)).size());"#),
    ("regex_find", r#"print(new Regex("a").findAll("a".repeat(512KiB)).size());"#),
    ("regex_groups", r#"print(new Regex("(a)(?<b>a)").findAll("aa".repeat(512KiB)).size());"#),
    ("split", r#"print("a".repeat(4MiB).split("").size());"#),
    ("words", r#"print("a ".repeat(4MiB).words().size());"#),
    ("lines", r#"print("\n".repeat(4MiB).lines().size());"#),
    ("json_value", r#"print((try Json.value("[" + "1,".repeat(1MiB) + "1]")).items().size());"#),
    (
        "json_texts",
        r#"print((try Json.parseList("[" + "\"a\",".repeat(1MiB) + "\"\"]", String.class)).size());"#,
    ),
    (
        "json_records",
        r#"record R(int a, String b) {}
print((try Json.parseList("[" + "{\"a\":1,\"b\":\"x\"},".repeat(200_000) + "{\"a\":1,\"b\":\"x\"}]", R.class)).size());"#,
    ),
];

/// Runs a program to its end: its status, what it said, and the most memory that it had, in KiB.
#[expect(clippy::zombie_processes, reason = "`wait4` waits for it")]
fn run(scratch: &Path, name: &str, engine: &str) -> (i32, String, u64) {
    let said = scratch.join("said");
    let mut exec = command("dsvm", scratch);
    let memory = format!("{LIMIT_MIB}MiB");
    exec.args(["exec", &format!("{name}.dsb"), "--memory", &memory, "--engine", engine, "--for", "60s"]);
    exec.stdout(File::create(&said).expect("a file can be made"));
    exec.stderr(File::create(scratch.join("errors")).expect("a file can be made"));
    let child = exec.spawn().expect("it starts");
    let mut status = 0;
    // SAFETY: the kernel fills both in; all zeros are a `rusage`.
    let (pid, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::wait4(child.id() as i32, &mut status, 0, &mut usage), usage)
    };
    assert_eq!(pid, child.id() as i32, "it can be waited for");
    let errors = fs::read_to_string(scratch.join("errors")).expect("it is text");
    (libc::WEXITSTATUS(status), errors, usage.ru_maxrss as u64)
}

#[test]
fn pieces_count_while_they_are_made() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let scratch = scratch.path();
    for (name, source) in PROGRAMS {
        fs::write(scratch.join(format!("{name}.ds")), source).expect("a file can be written");
        good("dsc", scratch, &["compile", &format!("{name}.ds"), "--native"]);
        for engine in ["interp", "jit", "native"] {
            let (status, said, peak) = run(scratch, name, engine);
            let limit = format!("trap memory: more than {LIMIT_MIB}MiB are in use\n");
            assert!(status == 1 && said.starts_with(&limit), "{name} on {engine}: {status}: {said}");
            assert!(peak < PEAK_KIB_MAX, "{name} on {engine} had {peak} KiB");
        }
    }
}

/// What fits is not refused for what is only made on the way.
#[test]
fn what_fits_is_made() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let source = r#"
String text = "a,".repeat(500_000);
print(text.split(",").size());
print(new Regex(",").split(text).size());
print(new Regex("a").findAll("a".repeat(50_000)).size());
print((try Json.parseList("[" + "1,".repeat(1_000_000) + "1]", int.class)).size());
print((try Json.value("[" + "1,".repeat(250_000) + "1]")).items().size());
// Garbage makes room.
for (int n : 0..24) {
    String other = "b,".repeat(1_000_000);
    List<int> found = try Json.parseList("[" + "1,".repeat(100_000) + "1]", int.class);
    if (other.length() + found.size() < 0) print(n);
}
print("done");
"#;
    fs::write(scratch.path().join("fits.ds"), source).expect("a file can be written");
    good("dsc", scratch.path(), &["compile", "fits.ds"]);
    let said = good("dsvm", scratch.path(), &["exec", "fits.dsb", "--memory", "64MiB"]);
    assert_eq!(said, "500001\n500001\n50000\n1000001\n250001\ndone\n");
}

/// Whoever prints and prints is ended, and the lines that had room are whole.
#[test]
fn output_has_a_limit() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let scratch = scratch.path();
    let source = "void shout(int n) {\n    print(\"line ${n}\");\n}\n\
                  int n = 0;\nwhile (true) {\n    shout(n);\n    n++;\n}\n";
    fs::write(scratch.join("prints.ds"), source).expect("a file can be written");
    good("dsc", scratch, &["compile", "prints.ds", "--native"]);
    let mut fits = String::new();
    for n in 0.. {
        let line = format!("line {n}\n");
        if fits.len() + line.len() > 1 << 20 {
            break;
        }
        fits += &line;
    }
    let report =
        "trap output: more than 1MiB in an hour\n  at shout (prints.ds:2:5)\n  at prints (prints.ds:6:5)\n";
    for engine in ["interp", "jit", "native", "auto"] {
        let output = finish(command("dsvm", scratch).args([
            "exec",
            "prints.dsb",
            "--output",
            "1MiB",
            "--engine",
            engine,
            "--for",
            "60s",
        ]));
        assert_eq!(ending(&output), (Some(1), report.to_owned()), "on {engine}");
        assert!(text(&output.stdout) == fits, "on {engine}: {} bytes", output.stdout.len());
    }
    // Untold, there is none.
    let many = "for (int n : 0..3_000_000) {\n    print(\"millions\");\n}\n";
    fs::write(scratch.join("many.ds"), many).expect("a file can be written");
    good("dsc", scratch, &["compile", "many.ds"]);
    assert_eq!(good("dsvm", scratch, &["exec", "many.dsb"]).len(), 27_000_000);
}

/// Whoever puts and puts gets errors, and what had room is there.
#[test]
fn puts_have_a_limit() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let scratch = scratch.path();
    let source = r#"
LogPool pool = try LogPool.open("storm");
int n = 0;
Error? refused = null;
while (refused == null) {
    void! put = pool.put("cpu", {"n": n});
    if (isError(put)) refused = put;
    else n++;
}
print("${n} ${refused.code}: ${refused.message}");
"#;
    fs::write(scratch.join("storm.ds"), source).expect("a file can be written");
    good("dsc", scratch, &["compile", "storm.ds"]);
    // 256 bytes, `cpu`, `n` and a number make 268: eleven have room.
    let said =
        good("dsvm", scratch, &["exec", "storm.dsb", "--puts", "3KB", "--data", "data", "--for", "60s"]);
    assert_eq!(said, "11 limit: this task puts into log pools more than 3000 bytes in an hour\n");
    assert_eq!(
        good("dsctl", scratch, &["log", "query", "cpu", "--data", "data", "--csv"]).lines().count(),
        12
    );
}

/// How many subprocesses, open files and connections a task has at once can be told.
#[test]
fn subprocesses_and_open_files_can_be_limited() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let scratch = scratch.path();
    let source = r#"
Subprocess first = new Command("sleep", "1000").start();
Error? why = first.error();
print(why == null ? "runs" : why.code);
Subprocess second = new Command("sleep", "1000").start();
Error? other = second.error();
print(other == null ? "runs" : other.code);
Lines! one = File.openLines("many.ds");
print(isError(one) ? one.code : "open");
Lines! two = File.openLines("many.ds");
print(isError(two) ? two.code : "open");
if (!isError(first)) first.kill();
if (!isError(second)) second.kill();
"#;
    fs::write(scratch.join("many.ds"), source).expect("a file can be written");
    good("dsc", scratch, &["compile", "many.ds"]);
    let said = |limits: &[&str]| {
        let output = finish(command("dsvm", scratch).args(["exec", "many.dsb"]).args(limits));
        text(&output.stdout).to_owned()
    };
    assert_eq!(said(&["--subprocesses", "1", "--open", "1"]), "runs\nlimit\nopen\nlimit\n");
    assert_eq!(said(&["--subprocesses", "0", "--open", "0"]), "limit\nlimit\nlimit\nlimit\n");
    assert_eq!(said(&["--subprocesses", "2", "--open", "2"]), "runs\nruns\nopen\nopen\n");
    let output = finish(command("dsvm", scratch).args(["exec", "many.dsb", "--subprocesses", "-1"]));
    assert_eq!(output.status.code(), Some(2));
}

/// One call of the library that would take hours ends when its time is up, or the program is told to stop.
#[test]
fn long_calls_end_in_time() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let scratch = scratch.path();
    let source = r#"
task within_all() {
    String text = "a".repeat(2_000_000);
    Regex regex = new Regex("a*b|a");
    within (100ms) { print(regex.findAll(text).size()); } else { print("find cut"); }
    within (100ms) { print(regex.split(text).size()); } else { print("split cut"); }
    within (100ms) { print(regex.replaceAll(text, "x").length()); } else { print("replace cut"); }
}
task find() { print(new Regex("a*b|a").findAll("a".repeat(2_000_000)).size()); }
task told() {
    print("begun");
    System.sleep(1ms);
    print(new Regex("a*b|a").split("a".repeat(2_000_000)).size());
}
"#;
    fs::write(scratch.join("long.ds"), source).expect("a file can be written");
    good("dsc", scratch, &["compile", "long.ds", "--native"]);
    for engine in ["interp", "jit", "native"] {
        let exec = |task: &str, more: &[&str]| {
            let mut exec = command("dsvm", scratch);
            exec.args(["exec", "long.dsb", "--task", task, "--engine", engine]).args(more);
            exec
        };
        let output = finish(&mut exec("within_all", &[]));
        assert_eq!(text(&output.stdout), "find cut\nsplit cut\nreplace cut\n", "on {engine}");
        assert!(output.status.success(), "on {engine}: {}", text(&output.stderr));

        let output = finish(&mut exec("find", &["--for", "200ms"]));
        assert_eq!(ending(&output), (Some(1), "stopped\n".to_owned()), "on {engine}");

        let mut told = Running::start(exec("told", &[]).stdout(Stdio::piped()));
        let mut begun = [0; 6];
        told.0.stdout.as_mut().expect("a pipe").read_exact(&mut begun).expect("it begins");
        // So that it is in the midst of the call, mostly.
        std::thread::sleep(Duration::from_millis(200));
        told.signal(libc::SIGINT);
        assert_eq!(told.wait().code(), Some(130), "on {engine}");
    }
}

/// Where a call in a `within` comes back late, nothing is printed any more but by `else`.
#[test]
fn what_comes_back_late_is_left() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let scratch = scratch.path();
    let source = r#"
List<String> texts = [];
for (int i = 0; i < 3000; i++) texts.add("a".repeat(20_000) + "${i * 7919 % 10007}");
within (1ms) {
    texts.sort();
    print("sorted");
    print("end");
} else {
    print("cut");
}
"#;
    fs::write(scratch.join("late.ds"), source).expect("a file can be written");
    good("dsc", scratch, &["compile", "late.ds", "--native"]);
    for engine in ["interp", "jit", "native", "auto"] {
        let said = good("dsvm", scratch, &["exec", "late.dsb", "--engine", engine]);
        assert_eq!(said, "cut\n", "on {engine}");
    }
}

/// Sends so many bytes to whoever connects and asks, as an answer of HTTP, as long as this process lives; gives its port.
fn sender(bytes: u64) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it has an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection comes");
            std::thread::spawn(move || {
                let mut asked = [0; 1024];
                let _ = stream.read(&mut asked);
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n");
                let mut body = io::repeat(b'a').take(bytes);
                // Whoever has had enough goes.
                let _ = stream.write_all(head.as_bytes()).and_then(|()| io::copy(&mut body, &mut stream));
            });
        }
    });
    port
}

/// What programs wrote and files held, on its way to the program or kept for it, counts for its memory.
#[test]
fn what_is_read_counts_while_it_comes() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let scratch = scratch.path();
    let source = r#"
lowlevel String! kept() {
    Subprocess p = new Command("sh", "-c", "head -c 30000000 /dev/zero; sleep 1").start();
    p.wait();
    for (String line : p.lines()) print(line.length());
    Error? why = p.error();
    return why == null ? "kept" : why.code;
}
lowlevel String! given() {
    Output! o = new Command("sh", "-c", "head -c 30000000 /dev/zero; sleep 1").run();
    return isError(o) ? o.code : "given";
}
lowlevel String! read() {
    String! all = File.read("large");
    return isError(all) ? all.code : "read";
}
lowlevel String! read_slowly() {
    Bytes! all = File.readRange("large", 0, 40_000_000);
    return isError(all) ? all.code : "read";
}
int refused(List<String!> all) {
    int refused = 0;
    for (String! found : all) if ((found ?? "error") == "limit") refused++;
    return refused;
}
List<int> many = List.filled(12, 0);
print(refused(parallel(many, 12, x -> kept())) >= 10);
print(refused(parallel(many, 12, x -> given())) >= 10);
print(refused(parallel(many, 12, x -> read())) == 12);
print(refused(parallel(many, 12, x -> read_slowly())) == 12);
print((try File.read("small")).length());
"#;
    fs::write(scratch.join("reads.ds"), source).expect("a file can be written");
    fs::write(scratch.join("large"), "a".repeat(40_000_000)).expect("a file can be written");
    fs::write(scratch.join("small"), "a".repeat(3_000_000)).expect("a file can be written");
    good("dsc", scratch, &["compile", "reads.ds"]);
    let (status, errors, peak) = run(scratch, "reads", "interp");
    let said = fs::read_to_string(scratch.join("said")).expect("it is text");
    assert_eq!((status, &*said), (0, "true\ntrue\ntrue\ntrue\n3000000\n"), "{errors}");
    assert!(peak < PEAK_KIB_MAX, "it had {peak} KiB");
}

/// What a frame will not read again is garbage while what it calls runs: two of these trees never fit.
#[test]
fn what_was_given_goes_with_its_last_use() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let source = r#"
class T {
    T? l;
    T? r;

    T(T? l, T? r) {
        this.l = l;
        this.r = r;
    }
}

interface Maker {
    T made(int depth);
}

class Trees implements Maker {
    T made(int depth) {
        return depth == 0 ? new T(null, null) : new T(made(depth - 1), made(depth - 1));
    }
}

int count(T? t) {
    return t == null ? 0 : 1 + count(t.l) + count(t.r);
}

int joined(int depth) {
    T one = new Trees().made(depth);
    int nodes = count(one);
    T other = new Trees().made(depth);
    return nodes + count(other);
}

int sum = 0;
Maker maker = new Trees();
for (int i = 0; i < 8; i++) {
    T t = maker.made(17);
    sum += count(t);
    within (1h) {
        T u = maker.made(17);
        sum += count(u);
    }
    sum += joined(17);
}
(int) -> T make = depth -> maker.made(depth);
for (int i = 0; i < 8; i++) {
    sum += count(make(17));
}
print(sum);
"#;
    fs::write(scratch.path().join("trees.ds"), source).expect("a file can be written");
    good("dsc", scratch.path(), &["compile", "trees.ds", "--native"]);
    for engine in ["interp", "jit", "auto", "native"] {
        let args = ["exec", "trees.dsb", "--memory", "6MiB", "--engine", engine];
        assert_eq!(good("dsvm", scratch.path(), &args), "10485720\n", "{engine}");
    }
}

#[test]
fn what_is_received_counts_while_it_comes() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let scratch = scratch.path();
    let connection = r#"
@Needs("net:connect:127.0.0.1:*")
lowlevel String! received(int port) {
    Connection c = try Net.connect("127.0.0.1", port, 10s);
    try c.write("\n");
    String! all = c.readAll();
    return isError(all) ? all.code : "received";
}
"#;
    let answer = r#"
@Needs("http:*")
lowlevel String! received(int port) {
    Response! answer = Http.get("http://127.0.0.1:${port}/");
    return isError(answer) ? answer.code : "received";
}
"#;
    let (port, small) = (sender(40_000_000), sender(3_000_000));
    for (name, receives) in [("connection", connection), ("answer", answer)] {
        let source = format!(
            "{receives}
int refused = 0;
for (String! found : parallel(List.filled(12, 0), 12, x -> received({port}))) if ((found ?? \"\") == \"limit\") refused++;
print(refused);
print(try received({small}));"
        );
        fs::write(scratch.join(format!("{name}.ds")), source).expect("a file can be written");
        good("dsc", scratch, &["compile", &format!("{name}.ds")]);
        let (status, errors, peak) = run(scratch, name, "interp");
        let said = fs::read_to_string(scratch.join("said")).expect("it is text");
        assert_eq!((status, &*said), (0, "12\nreceived\n"), "{name}: {errors}");
        assert!(peak < PEAK_KIB_MAX, "{name} had {peak} KiB");
    }
}
