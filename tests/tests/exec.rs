//! `dsvm exec`: real programs, the machine's real `vmstat`, and what is left when they end one way or another.

use dscript_tests::{
    Mark, PATIENCE, Running, binary, command, compile, ending, finish, need, records, root, run, sequences,
    text, wait_for,
};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use tempfile::TempDir;

/// Listing 1 as the paper and the description of the language print it.
const LISTING_1: &str = r#"Subprocess p = System.startDVMStat("key -name", "memcached", 1);
if (isError(p)) {
    p.kill ();
}
"#;

/// The columns of vmstat.
const COLUMNS: [&str; 17] = [
    "r", "b", "swpd", "free", "buff", "cache", "si", "so", "bi", "bo", "in", "cs", "us", "sy", "id", "wa",
    "st",
];

/// Says what became of a vmstat that was to be started.
const WATCHED: &str = r#"
Subprocess p = System.startDVMStat("k", "p", INTERVAL);
print(isError(p));
Error? e = p.error();
if (e != null) {
    print("${e.code}: ${e.message}");
}
p.kill();
p.kill();
print(p.isRunning());
"#;

fn scratch() -> TempDir {
    tempfile::tempdir().expect("a scratch folder can be made")
}

/// Compiles and runs with these arguments.
fn exec(scratch: &Path, name: &str, source: &str, args: &[&str]) -> Output {
    let image = compile(scratch, name, source);
    finish(command("dsvm", scratch).arg("exec").arg(image).args(args))
}

fn check(output: &Output, code: i32, stdout: &str, stderr: &[&str]) {
    let (status, said) = ending(output);
    assert_eq!((status, text(&output.stdout).as_str()), (Some(code), stdout), "and stderr: {said}");
    for part in stderr {
        assert!(said.contains(part), "`{part}` is in: {said}");
    }
    if stderr.is_empty() {
        assert_eq!(said, "", "nothing is said on stderr");
    }
}

fn listing_1(scratch: &Path) -> PathBuf {
    let source = fs::read_to_string(root().join("examples/listing1.ds")).expect("the example is there");
    assert_eq!(source, LISTING_1, "the example is the listing, odd spacing included");
    compile(scratch, "listing1", &source)
}

#[test]
fn listing_1_writes_what_vmstat_says() {
    need("vmstat", "procps");
    let (scratch, mark) = (scratch(), Mark::new());
    let image = listing_1(scratch.path());
    let mut exec = command("dsvm", scratch.path());
    mark.put(exec.arg("exec").arg(image).args(["--for", "5s"]));
    check(&finish(&mut exec), 0, "", &[]);
    mark.gone();

    let found = records(scratch.path(), &["key -name", "--pool", "memcached"]);
    assert!(found.len() >= 4, "five seconds give at least four samples: {found:?}");
    assert_eq!(sequences(&found), (0..found.len() as u64).collect::<Vec<_>>());
    for record in &found {
        assert_eq!((&record["key"], &record["pool"]), (&"key -name".into(), &"memcached".into()));
        assert_eq!(record["task"], "listing1");
        let fields = record["fields"].as_object().expect("a record has fields");
        let names: BTreeSet<&str> = fields.keys().map(String::as_str).collect();
        assert_eq!(names, BTreeSet::from(COLUMNS));
        assert!(fields.values().all(|value| value.as_i64().is_some_and(|value| value >= 0)), "{fields:?}");
        assert!(fields["free"].as_i64() > Some(1 << 20), "free memory is in bytes: {fields:?}");
        assert_eq!(fields["free"].as_i64().map(|bytes| bytes % 1024), Some(0), "vmstat counts in KiB");
    }
    let all = records(scratch.path(), &["--pool", "*"]);
    assert_eq!(all.len(), found.len(), "and nothing else is in the LogPool");
}

#[test]
fn without_vmstat_the_handle_is_in_error() {
    let (scratch, mark) = (scratch(), Mark::new());
    let empty = scratch.path().join("empty");
    fs::create_dir(&empty).expect("a folder can be made");
    for (name, source) in [("listing1", LISTING_1), ("watched", &WATCHED.replace("INTERVAL", "1"))] {
        let image = compile(scratch.path(), name, source);
        let mut exec = command("dsvm", scratch.path());
        mark.put(exec.arg("exec").arg(image).env("PATH", &empty));
        let expected = if name == "watched" {
            "true\nENOENT: `vmstat` is not in PATH; it comes with the package procps\nfalse\n"
        } else {
            ""
        };
        // Listing 1 does not print why: the log does.
        check(&finish(&mut exec), 0, expected, &["vmstat", "ENOENT", "procps"]);
        mark.gone();
    }
    assert!(records(scratch.path(), &["--pool", "*"]).is_empty(), "nothing was sampled");
}

#[test]
fn a_bad_interval_and_an_unreachable_pool_are_errors_too() {
    need("vmstat", "procps");
    let (scratch, mark) = (scratch(), Mark::new());
    for interval in ["0", "0 - 1", "9223372036854775807"] {
        let image = compile(scratch.path(), "interval", &WATCHED.replace("INTERVAL", interval));
        let mut exec = command("dsvm", scratch.path());
        mark.put(exec.arg("exec").arg(image));
        let output = finish(&mut exec);
        let printed = text(&output.stdout);
        assert!(printed.starts_with("true\nEINVAL: "), "{printed}");
        assert!(printed.ends_with("\nfalse\n"), "{printed}");
        check(&output, 0, &printed, &["vmstat", "interval"]);
        mark.gone();
    }
    // Where the data folder should be, a file is.
    fs::write(scratch.path().join("data"), "").expect("a file can be written");
    let image = compile(scratch.path(), "unreachable", &WATCHED.replace("INTERVAL", "1"));
    let mut exec = command("dsvm", scratch.path());
    mark.put(exec.arg("exec").arg(image));
    let output = finish(&mut exec);
    let printed = text(&output.stdout);
    assert!(printed.starts_with("true\n") && printed.ends_with("\nfalse\n"), "{printed}");
    check(&output, 0, &printed, &["vmstat"]);
    mark.gone();
}

/// Listing 1 as it lives on, with its first sample in the pool.
fn living(scratch: &Path, mark: &Mark) -> Running {
    let image = listing_1(scratch);
    let mut exec = command("dsvm", scratch);
    mark.put(exec.arg("exec").arg(image));
    let exec = Running::start(exec.stderr(Stdio::null()));
    wait_for("a sample", || {
        (!records(scratch, &["key -name", "--pool", "memcached"]).is_empty()).then_some(())
    });
    assert_eq!(mark.running("vmstat").len(), 1, "one vmstat runs: {:?}", mark.all());
    exec
}

#[test]
fn killing_exec_leaves_no_vmstat() {
    need("vmstat", "procps");
    let (scratch, mark) = (scratch(), Mark::new());
    let mut exec = living(scratch.path(), &mark);
    exec.kill_hard();
    mark.gone();
    let found = records(scratch.path(), &["key -name"]);
    assert_eq!(sequences(&found), (0..found.len() as u64).collect::<Vec<_>>());
}

/// Children come from processes of their own; when one of those dies, what it started goes with it.
#[test]
fn killing_the_spawner_leaves_no_vmstat() {
    need("vmstat", "procps");
    for which in 0..2 {
        let (scratch, mark) = (scratch(), Mark::new());
        let mut exec = living(scratch.path(), &mark);
        let spawners = mark.running("dscript-");
        assert_eq!(spawners.len(), 2, "{:?}", mark.all());
        // SAFETY: sends a signal to a process that this test has caused and that is not reaped while it runs.
        unsafe { libc::kill(spawners[which], libc::SIGKILL) };
        assert_eq!(exec.wait().code(), Some(0), "the result stands, and nothing is left to live for");
        mark.gone();
    }
}

/// As `nohup` starts it: that the terminal is gone does not matter.
#[test]
fn an_ignored_hangup_stays_ignored() {
    let scratch = scratch();
    let image = compile(scratch.path(), "short", "print(1);\nSystem.sleep(1s);\nprint(2);\n");
    let mut exec = std::process::Command::new("sh");
    let (dsvm, image) = (binary("dsvm"), image.display().to_string());
    let line =
        format!("trap '' HUP; {} exec {image} & p=$!; sleep 0.4; kill -HUP $p; wait $p", dsvm.display());
    let output = finish(exec.current_dir(scratch.path()).args(["-c", &line]));
    check(&output, 0, "1\n2\n", &[]);
}

#[test]
fn signals_stop_the_task_and_its_children() {
    need("vmstat", "procps");
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        let (scratch, mark) = (scratch(), Mark::new());
        let mut exec = living(scratch.path(), &mark);
        exec.signal(signal);
        assert_eq!(exec.wait().code(), Some(130));
        mark.gone();
    }
}

/// A child that outlives a friendly signal, in a group of its own, with a child of its own.
#[test]
fn stubborn_children_end_too() {
    let source = r#"
Subprocess p = new Command("sh", "-c", "trap '' TERM INT HUP; setsid sleep 1000 & sleep 1000; sleep 1000").start();
print(isError(p));
print(p.wait());
"#;
    for hard in [false, true] {
        let (scratch, mark) = (scratch(), Mark::new());
        let image = compile(scratch.path(), "stubborn", source);
        let mut exec = command("dsvm", scratch.path());
        mark.put(
            exec.arg("exec").arg(image).stdout(File::create(scratch.path().join("out")).expect("a file")),
        );
        let mut exec = Running::start(exec.stderr(Stdio::null()));
        wait_for("its children", || (mark.running("sleep 1000").len() == 2).then_some(()));
        if hard {
            exec.kill_hard();
        } else {
            exec.signal(libc::SIGTERM);
            assert_eq!(exec.wait().code(), Some(130));
        }
        mark.gone();
    }
}

/// What a test has started on purpose to outlive what started it.
struct Daemons(Mark);

impl Daemons {
    /// Those that run once all else of the mark is gone.
    fn left(&self, count: usize) {
        wait_for("all but the daemons to be gone", || (self.0.all().len() == count).then_some(()));
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert_eq!(self.0.running("sleep 1000").len(), count, "{:?}", self.0.all());
    }
}

impl Drop for Daemons {
    fn drop(&mut self) {
        for (pid, _) in self.0.all() {
            // SAFETY: sends a signal to a process that this test has caused.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
    }
}

/// A daemon, which has a session of its own before its starter ends, and a background process, which has not.
const DAEMON: &str = r#"
try new Command("sh", "-c", "setsid sh -c 'touch up; exec sleep 1000' >/dev/null 2>&1 & sleep 2000 >/dev/null 2>&1 & until [ -e up ]; do sleep 0.01; done").run();
"#;

#[test]
fn daemons_outlive_a_task_that_ends_by_itself() {
    let endings = [
        ("true", "", 0, 1),
        ("false", "return false;", 1, 1),
        ("late", "new Command(\"sleep\", \"0.2\").start().eachLine(line -> print(line));", 0, 1),
        ("failed", "fail \"no\";", 1, 0),
        ("trapped", "assert false;", 1, 0),
        ("stopped", "System.sleep(1h);", 1, 0),
    ];
    for (name, end, code, count) in endings {
        let (scratch, daemons) = (scratch(), Daemons(Mark::new()));
        let image = compile(scratch.path(), name, &format!("{DAEMON}{end}\n"));
        let mut exec = command("dsvm", scratch.path());
        daemons.0.put(exec.arg("exec").arg(image).args(["--for", "3s"]));
        assert_eq!(finish(&mut exec).status.code(), Some(code), "{name}");
        daemons.left(count);
    }
}

#[test]
fn a_service_outlives_a_task_however_that_ends() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (scratch, daemons) = (scratch(), Daemons(Mark::new()));
    let bin = scratch.path().join("bin");
    fs::create_dir(&bin).expect("a folder can be made");
    for tool in ["sleep", "setsid"] {
        symlink(Path::new("/usr/bin").join(tool), bin.join(tool)).expect("a link can be made");
    }
    let service = bin.join("service");
    let text = "#!/bin/sh\nsetsid sleep 1000 >/dev/null 2>&1 &\nsleep 1000 >/dev/null 2>&1 &\n";
    fs::write(&service, text).expect("a file can be written");
    fs::set_permissions(&service, fs::Permissions::from_mode(0o755)).expect("it can be made a program");
    let image = compile(scratch.path(), "care", "try Service.restart(\"cache\");\nfail \"not up\";\n");
    let mut exec = command("dsvm", scratch.path());
    daemons.0.put(exec.arg("exec").arg(image).env("PATH", &bin));
    check(&finish(&mut exec), 1, "", &["fail: not up"]);
    daemons.left(2);
}

/// What has ended, and what nothing refers to any more, holds no descriptor that somebody needs.
#[test]
fn descriptors_are_given_back() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || listener.incoming().flatten().collect::<Vec<_>>());
    let source = format!(
        r#"
List<Subprocess> all = [];
for (int i : 0..60) {{
    Subprocess p = new Command("sh", "-c", "echo out; echo err >&2").start();
    print("${{p.wait()}} ${{isError(p)}}");
    all.add(p);
}}
for (int i : 0..200) {{
    Connection c = try Net.connect("127.0.0.1", {port});
    try c.write("x");
}}
for (int i : 0..200) {{
    try File.openLines("descriptors.ds");
}}
print((try new Command("echo", all.size()).run()).text());
"#
    );
    let scratch = scratch();
    let image = compile(scratch.path(), "descriptors", &source);
    let line = format!("ulimit -n 64; exec {} exec {}", binary("dsvm").display(), image.display());
    let output = finish(std::process::Command::new("sh").current_dir(scratch.path()).args(["-c", &line]));
    check(&output, 0, &format!("{}60\n", "0 false\n".repeat(60)), &[]);
}

/// A permission is asked for what is done.
#[test]
fn what_vmstat_says_needs_vmstat() {
    let scratch = scratch();
    let source = "VMStat! now = System.vmstat();\nprint(isError(now) ? now.code : \"sampled\");\n";
    let denied = exec(scratch.path(), "sample", source, &["--deny", "exec:vmstat"]);
    check(&denied, 0, "denied\n", &[]);
}

#[test]
fn a_source_is_no_image() {
    let scratch = scratch();
    fs::write(scratch.path().join("x.ds"), "print(1);\n").expect("a file can be written");
    let output = run("dsvm", scratch.path(), &["exec", "x.ds"]);
    check(&output, 2, "", &["`dsc compile x.ds` makes x.dsb"]);
}

/// Where nobody asks for orphans, as process 1 of many containers does not.
#[test]
fn nothing_dead_is_left_to_the_parent() {
    // SAFETY: plain numbers; orphans below this test become its children.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1 as libc::c_ulong) };
    let scratch = scratch();
    check(
        &exec(scratch.path(), "once", "print((try new Command(\"echo\", 1).run()).text());", &[]),
        0,
        "1\n",
        &[],
    );
    std::thread::sleep(std::time::Duration::from_millis(300));
    for thread in fs::read_dir("/proc/self/task").expect("the kernel tells threads").flatten() {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        assert_eq!(children.trim(), "", "what `dsvm exec` started is gone with it");
    }
}

#[test]
fn a_loop_that_never_waits_is_interrupted() {
    let scratch = scratch();
    let image = compile(scratch.path(), "spin", "int x = 0;\nwhile (true) { x = 1 - x; }\n");
    let mut exec = command("dsvm", scratch.path());
    let mut exec = Running::start(exec.arg("exec").arg(image).stderr(Stdio::null()));
    // It listens to signals before it begins: from then on its own status says so.
    wait_for("it to catch signals", || {
        let status = fs::read_to_string(format!("/proc/{}/status", exec.id())).ok()?;
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
        let caught = u64::from_str_radix(caught.trim(), 16).ok()?;
        (caught & (1 << (libc::SIGINT - 1)) != 0 && caught & (1 << (libc::SIGTERM - 1)) != 0).then_some(())
    });
    exec.signal(libc::SIGINT);
    assert_eq!(exec.wait().code(), Some(130));
}

#[test]
fn arguments_reach_the_command_untouched() {
    let scratch = scratch();
    let texts = [
        "a b  c",
        " leading and trailing ",
        "it's \"quoted\" `here` \\ and \\n",
        "$(touch owned) ${HOME} $HOME $0 $$",
        "a; touch owned && b || c | d & e > f < g",
        "line 1\nline 2\n\nline 4\n",
        "\ttabs\tand\u{b}more",
        "grüße, Ελλάδα, 日本語, \u{1F600}, e\u{301}",
        "*?[a-z]{x,y} ~ !! #comment %s %d %%",
        "-n",
        "--",
        "",
    ];
    let literal = |text: &&str| {
        let mut all = String::from("\"");
        for c in text.chars() {
            match c {
                '"' | '\\' | '$' => all.extend(['\\', c]),
                '\n' => all.push_str("\\n"),
                '\t' => all.push_str("\\t"),
                c if c.is_control() => all.push_str(&format!("\\u{{{:x}}}", c as u32)),
                c => all.push(c),
            }
        }
        all + "\""
    };
    let literals: Vec<String> = texts.iter().map(literal).collect();
    // As arguments one by one, as a spread list, by an environment variable, and as standard input.
    let source = format!(
        r#"
List<String> all = [{list}];
for (String text : all) {{
    Output one = try new Command("printf", "%s", text).run();
    assert one.bytes().toText() == text : "alone: ${{text}}";
    Output held = try new Command("sh", "-c", "printf %s \"$TEXT\"").env("TEXT", text).run();
    assert held.bytes().toText() == text : "by a variable: ${{text}}";
    Output fed = try new Command("cat").input(text).run();
    assert fed.bytes().toText() == text : "as input: ${{text}}";
}}
Output spread = try new Command("printf", "<%s>", all).run();
print(spread.bytes().toText());
"#,
        list = literals.join(", ")
    );
    let spread: String = texts.iter().map(|text| format!("<{text}>")).collect();
    check(&exec(scratch.path(), "arguments", &source, &[]), 0, &format!("{spread}\n"), &[]);
    assert!(!scratch.path().join("owned").exists(), "no shell has looked at them");

    // The same as a parameter of a task.
    let image = compile(
        scratch.path(),
        "passed",
        "task Pass(String text) {\n    Output o = try new Command(\"printf\", \"%s\", text).run();\n    \
         print(o.bytes().toText());\n}\n",
    );
    for text in texts {
        let setting = format!("text={text}");
        let output =
            finish(command("dsvm", scratch.path()).arg("exec").arg(&image).args(["--set", &setting]));
        check(&output, 0, &format!("{text}\n"), &[]);
    }
}

#[test]
fn the_exit_status_says_how_it_ended() {
    let scratch = scratch();
    let folder = scratch.path();
    check(&exec(folder, "good", "print(1);", &[]), 0, "1\n", &[]);
    check(&exec(folder, "yes", "return true;", &[]), 0, "", &[]);
    let no = exec(folder, "no", "print(1);\nreturn false;", &[]);
    check(&no, 1, "1\n", &["false: task `no` answered false"]);
    assert!(text(&no.stderr).starts_with("false:"), "the reason begins with its kind");
    let failed = exec(folder, "failed", "print(1);\nfail \"no disk\";", &[]);
    check(&failed, 1, "1\n", &["fail: no disk"]);
    assert!(text(&failed.stderr).starts_with("fail:"), "the reason begins with its kind");
    let handed_on = "Output o = try new Command(\"sh\", \"-c\", \"exit 3\").run();\nprint(o.exitCode());";
    let handed_on = exec(folder, "handed_on", handed_on, &[]);
    check(&handed_on, 1, "", &["exit:3", "handed_on.ds:1:"]);
    assert!(text(&handed_on.stderr).starts_with("error exit:3"), "the reason begins with its kind");

    let index = "int at(List<int> xs, int i) {\n    return xs[i];\n}\n\nprint(at([1, 2], 7));";
    let trapped = exec(folder, "trapped", index, &[]);
    check(&trapped, 1, "", &["trap index", "trapped.ds:2:12", "trapped.ds:5:"]);
    assert!(text(&trapped.stderr).starts_with("trap index"), "the reason begins with its kind");
    check(&exec(folder, "zero", "int z = 0;\nprint(1 / z);", &[]), 1, "", &["trap division", "zero.ds:2:"]);

    check(&run("dsvm", folder, &["exec", "missing.dsb"]), 2, "", &["missing.dsb"]);
    check(&run("dsvm", folder, &["exec", "good.dsb", "--task", "Other"]), 2, "", &["Other", "good"]);
    assert_eq!(run("dsvm", folder, &["exec"]).status.code(), Some(2));
    assert_eq!(run("dsvm", folder, &["exec", "good.dsb", "--for", "soon"]).status.code(), Some(2));
    assert_eq!(run("dsvm", folder, &["exec", "good.dsb", "--memory", "much"]).status.code(), Some(2));
    check(&run("dsvm", folder, &["exec", "good.dsb", "--deny", "exec:"]), 2, "", &["bad capability"]);
    let unknown: [&[&str]; 2] = [&["--allow", "flie:*"], &["--deny", "flie:*"]];
    for options in unknown {
        let args = [&["exec", "good.dsb"][..], options].concat();
        check(&run("dsvm", folder, &args), 2, "", &["there is no kind `flie`; did you mean `file`?"]);
    }
}

#[test]
fn which_task_runs() {
    let scratch = scratch();
    let folder = scratch.path();
    let two = "task A() { print(\"a\"); }\ntask B() { print(\"b\"); return false; }\n";
    check(&exec(folder, "two", two, &[]), 2, "", &["--task", "A, B"]);
    check(&exec(folder, "two", two, &["--task", "A"]), 0, "a\n", &[]);
    check(&exec(folder, "two", two, &["--task", "B"]), 1, "b\n", &["false: task `B`"]);
    check(&exec(folder, "two", two, &["--task", "C"]), 2, "", &["`C`", "A, B"]);
    check(&exec(folder, "one", "task A() { print(\"a\"); }\n", &[]), 0, "a\n", &[]);
    let script = "task A() { print(\"a\"); }\nprint(\"script\");\n";
    check(&exec(folder, "my-check", script, &[]), 0, "script\n", &[]);
    check(&exec(folder, "my-check", script, &["--task", "my-check"]), 0, "script\n", &[]);
}

#[test]
fn parameters_are_read_by_their_types() {
    let scratch = scratch();
    let source = r#"
enum Level { LOW, HIGH }
record Point(int x, double y) {}
task Show(int i, double d, boolean b, String s, Duration t, Level l, List<int> xs, Point p, int more = 6 * 7) {
    print("${i} ${d} ${b} <${s}> ${t} ${l} ${xs} ${p} ${more}");
}
"#;
    let image = compile(scratch.path(), "show", source);
    let good = ["i=-42", "d=0.5", "b=true", "s= a = b ", "t=90s", "l=HIGH", "xs=[1, 2, 3]", "p={x: 1, y: 2}"];
    let show = |settings: &[&str]| {
        let mut exec = command("dsvm", scratch.path());
        exec.arg("exec").arg(&image);
        for setting in settings {
            exec.args(["--set", setting]);
        }
        finish(&mut exec)
    };
    let expected = "-42 0.5 true < a = b > 1m30s HIGH [1, 2, 3] Point(x: 1, y: 2.0)";
    check(&show(&good), 0, &format!("{expected} 42\n"), &[]);
    check(&show(&[&good[..], &["more=7"]].concat()), 0, &format!("{expected} 7\n"), &[]);
    for bad in [
        "i=x",
        "i=",
        "i=1.5",
        "i=9223372036854775808",
        "d=x",
        "b=yes",
        "t=5",
        "t=soon",
        "l=MEDIUM",
        "xs=[1, x]",
        "p={x: 1}",
        "p={x: 1, x: 1, y: 2}",
        "p={x: 1, y: 2, z: 3}",
        "unknown=1",
        "more=x",
    ] {
        let name = bad.split('=').next().expect("a setting has a name");
        let mut settings: Vec<&str> =
            good.iter().filter(|setting| setting.split('=').next() != Some(name)).copied().collect();
        settings.push(bad);
        let output = show(&settings);
        check(&output, 2, "", &[name]);
    }
    check(&show(&good[1..]), 2, "", &["`i`"]);
    check(&show(&[&good[..], &["i=1"]].concat()), 2, "", &["`i`", "twice"]);
    check(&show(&["i"]), 2, "", &["NAME=VALUE"]);
}

#[test]
fn what_is_denied_does_not_happen() {
    let (scratch, mark) = (scratch(), Mark::new());
    let folder = scratch.path();
    // Which program it will be is not known before: what is denied is an error when it comes to it.
    let source = r#"
@Needs("exec:*")
lowlevel void attempt(String program) {
    Output! o = new Command(program, "made").run();
    print(isError(o) ? o.code : "done");
    Subprocess p = new Command(program, "made").start();
    print(isError(p));
    Error? e = p.error();
    print(e == null ? "none" : e.code);
    p.kill();
}
task Attempt(String program) { attempt(program); }
"#;
    let image = compile(folder, "attempt", source);
    let attempt = |program: &str, rules: &[&str]| {
        let mut exec = command("dsvm", folder);
        exec.arg("exec").arg(&image).args(["--set", &format!("program={program}")]).args(rules);
        mark.put(&mut exec);
        finish(&mut exec)
    };
    check(&attempt("true", &[]), 0, "done\nfalse\nnone\n", &[]);
    for rules in
        [&["--deny", "exec:mkdir"][..], &["--deny", "exec:*"], &["--deny", "*"], &["--allow", "exec:true"]]
    {
        let output = attempt("mkdir", rules);
        let printed = text(&output.stdout);
        assert_eq!(
            (output.status.code(), printed.as_str()),
            (Some(0), "denied\ntrue\ndenied\n"),
            "{rules:?}"
        );
    }
    // Also where the program says beforehand that it will.
    let fixed = "Output! o = new Command(\"mkdir\", \"made\").run();\nprint(isError(o) ? o.code : \"done\");";
    for rules in [["--deny", "exec:*"], ["--deny", "*"], ["--allow", "exec:rmdir"]] {
        check(&exec(folder, "fixed", fixed, &rules), 0, "denied\n", &[]);
    }
    let pool = "LogPool! p = LogPool.open(\"secret\");\nprint(isError(p) ? p.code : \"done\");";
    check(&exec(folder, "pool", pool, &["--deny", "logpool:*"]), 0, "denied\n", &[]);
    let watched = exec(folder, "watched", &WATCHED.replace("INTERVAL", "1"), &["--deny", "exec:vmstat"]);
    let printed = text(&watched.stdout);
    assert!(printed.starts_with("true\ndenied: ") && printed.ends_with("\nfalse\n"), "{printed}");
    check(&watched, 0, &printed, &["vmstat", "denied"]);
    assert!(!folder.join("made").exists() && !folder.join("data").exists(), "nothing was run");
    check(&exec(folder, "fixed", fixed, &["--allow", "exec:mkdir"]), 0, "done\n", &[]);
    assert!(folder.join("made").is_dir());
}

#[test]
fn programs_are_told_of_their_node() {
    let scratch = scratch();
    let source = "print(Node.name());\nprint(Node.labels());\n";
    let output = exec(
        scratch.path(),
        "it",
        source,
        &["--name", "web-1", "--label", "role=web", "--label", "site=nrt"],
    );
    check(&output, 0, "web-1\n{role: web, site: nrt}\n", &[]);
    for args in [&["--name", "a b"][..], &["--label", "name=x"], &["--label", "role"]] {
        let output = exec(scratch.path(), "it", source, args);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(2), ""), "{args:?}");
    }
}

#[test]
fn limits_hold() {
    let scratch = scratch();
    let folder = scratch.path();
    let grow = "List<String> all = [];\nString s = \"0123456789\".repeat(1000);\nint n = 0;\n\
                while (true) {\n    all.add(\"${s}${n}\");\n    n++;\n}\n";
    check(&exec(folder, "grow", grow, &["--memory", "4MiB"]), 1, "", &["trap memory", "grow.ds:5:"]);
    let garbage = "String s = \"0123456789\".repeat(1000);\nfor (int i : 0..2000) {\n    s = s.reverse();\n}\n\
                   print(s.length());";
    check(&exec(folder, "garbage", garbage, &["--memory", "4MiB"]), 0, "10000\n", &[]);
    let deep = "int deep(int n) {\n    return deep(n + 1) + 1;\n}\nprint(deep(0));";
    check(&exec(folder, "deep", deep, &[]), 1, "", &["trap stack", "deep.ds:2:"]);

    let stopped = exec(folder, "spin", "while (true) {}\n", &["--for", "200ms"]);
    check(&stopped, 1, "", &["stopped"]);
    assert!(text(&stopped.stderr).starts_with("stopped"), "the reason begins with its kind");
    check(&exec(folder, "sleep", "System.sleep(1h);", &["--for", "200ms"]), 1, "", &["stopped"]);
    let wait = "Output! o = new Command(\"sleep\", \"1000\").run();\nprint(isError(o));";
    check(&exec(folder, "wait", wait, &["--for", "200ms"]), 1, "", &["stopped"]);
    // A body that has ended keeps its result: what lives on is stopped.
    let lives =
        "Subprocess p = new Command(\"sleep\", \"1000\").start();\nprint(isError(p));\nreturn ANSWER;";
    check(&exec(folder, "on", &lives.replace("ANSWER", "true"), &["--for", "1s"]), 0, "false\n", &[]);
    check(
        &exec(folder, "off", &lives.replace("ANSWER", "false"), &["--for", "1s"]),
        1,
        "false\n",
        &["false:"],
    );
}

#[test]
fn a_program_without_pools_leaves_no_trace() {
    let scratch = scratch();
    check(&exec(scratch.path(), "quiet", "print(1);", &[]), 0, "1\n", &[]);
    let command = "Output o = try new Command(\"printf\", \"x\").run();\nprint(o.text());";
    check(&exec(scratch.path(), "outside", command, &[]), 0, "x\n", &[]);
    assert!(!scratch.path().join("data").exists(), "no data folder is made");
    let mut names: Vec<String> = fs::read_dir(scratch.path())
        .expect("the scratch folder can be listed")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["outside.ds", "outside.dsb", "quiet.ds", "quiet.dsb"]);
}

#[test]
fn output_that_nobody_reads_ends_the_program() {
    let scratch = scratch();
    let image = compile(scratch.path(), "chatty", "int n = 0;\nwhile (true) {\n    print(n);\n    n++;\n}\n");
    let mut exec = command("dsvm", scratch.path());
    let mut exec = Running::start(exec.arg("exec").arg(image).stdout(Stdio::piped()));
    drop(exec.0.stdout.take());
    assert_eq!(exec.wait().code(), Some(1), "it is stopped within {PATIENCE:?}");
}

/// Only a release build is small.
#[test]
fn a_small_program_stays_small() {
    let scratch = scratch();
    let image = compile(scratch.path(), "small", "print(1); System.sleep(1h);");
    let said = scratch.path().join("out");
    let mut exec = command("dsvm", scratch.path());
    exec.arg("exec").arg(image).stdout(File::create(&said).expect("a file can be made"));
    let exec = Running::start(&mut exec);
    wait_for("its line", || fs::read_to_string(&said).is_ok_and(|text| text == "1\n").then_some(()));
    let status = fs::read_to_string(format!("/proc/{}/status", exec.id())).expect("it runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel counts memory");
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number of KiB");
    if !cfg!(debug_assertions) {
        assert!(peak < 15 << 10, "{peak} KiB are below 15 MiB");
    }
}
