//! `dsctl log export`, `import` and `verify`, on the built binaries.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use dscript_tests::{command, damaged_pool, finish, good, json_lines, run, text};

const TASK: &str = r#"
record Disk(int free, String text) {}
record Took(Duration took) {}
LogPool pool = try LogPool.open("disks");
for (int n : 0..1500) try pool.put("root", new Disk(n, "a,\"b\" ${n}"));
try pool.put("took", new Took(90s));
"#;

fn scratch() -> tempfile::TempDir {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    fs::write(scratch.path().join("task.ds"), TASK).expect("a file can be written");
    good("dsc", scratch.path(), &["compile", "task.ds"]);
    good("dsvm", scratch.path(), &["exec", "task.dsb"]);
    scratch
}

#[test]
fn what_was_exported_is_imported_once() {
    let scratch = scratch();
    let scratch = scratch.path();
    let output = finish(command("dsctl", scratch).args(["log", "export", "-o", "all.jsonl"]));
    assert!(text(&output.stderr).contains("1501 log records"), "{}", text(&output.stderr));
    let exported = fs::read_to_string(scratch.join("all.jsonl")).expect("it is there");
    assert_eq!(json_lines(exported.as_bytes()).len(), 1501);
    for _ in 0..2 {
        let output =
            finish(command("dsctl", scratch).args(["log", "import", "all.jsonl", "--data", "other"]));
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let query = |data: &[&str]| good("dsctl", scratch, &[&["log", "query", "--json"], data].concat());
    assert_eq!(query(&[]), query(&["--data", "other"]));
    let csv =
        good("dsctl", scratch, &["log", "export", "root", "--where", "free >= 1498", "--format", "csv"]);
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("time,pool,key,node,task,run,seq,free,text"));
    let rows: Vec<&str> = lines.collect();
    assert!(rows.len() == 2 && rows[1].ends_with(r#",1499,"a,""b"" 1499""#), "{csv}");
    // What is in it is read in a test of its own.
    let parquet = ["log", "export", "-o", "all.parquet"];
    let output = finish(command("dsctl", scratch).args(parquet));
    assert!(text(&output.stderr).contains("1501 log records are in all.parquet"), "{}", text(&output.stderr));
    let file = fs::read(scratch.join("all.parquet")).expect("it is there");
    assert!(file.starts_with(b"PAR1") && file.ends_with(b"PAR1"));
}

#[test]
fn a_wrong_line_is_named() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let import = |lines: &[u8]| {
        let mut importing = command("dsctl", scratch.path());
        importing
            .args(["log", "import", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = importing.spawn().expect("it starts");
        child.stdin.take().expect("it reads").write_all(lines).expect("it takes all");
        child.wait_with_output().expect("it ends")
    };
    let good_line = r#"{"time": "2026-01-31T08:00:00Z", "pool": "p", "key": "k", "fields": {"a": 1}}"#;
    let output = import(format!("{good_line}\n{{\"time\": 1, \"pool\": \"p\"}}\n{good_line}\n").as_bytes());
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said.contains("line 2: `key` is missing") && said.contains("of the lines before 1 record is stored"),
        "{said}"
    );
    let large = good_line.replace("1}", &format!("\"{}\"}}", "x".repeat(2 << 20)));
    let output = import(format!("{good_line}\n{large}\n").as_bytes());
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("line 2: the size in bytes of a log record is"), "{said}");
    assert!(said.contains("the limit is 1048576; of the lines before 1 record"), "{said}");
    let output = import(format!("\n{good_line}").as_bytes());
    assert!(output.status.success(), "a last line needs no end: {}", text(&output.stderr));
    assert_eq!(json_lines(good("dsctl", scratch.path(), &["log", "query", "--json"]).as_bytes()).len(), 3);
    let output = import(&[good_line.as_bytes(), b"\n\xff\xfe\n"].concat());
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("line 2: it is not UTF-8; of the lines before 1 record"), "{said}");
    let output = run("dsctl", scratch.path(), &["log", "import", "missing.jsonl"]);
    assert!(output.status.code() == Some(2) && text(&output.stderr).contains("missing.jsonl"));
}

#[test]
fn damage_is_found() {
    let scratch = scratch();
    let scratch = scratch.path();
    let said = good("dsctl", scratch, &["log", "verify"]);
    assert!(said.starts_with("0 records in 0 blocks of 0 segments, 1501 in log files"), "{said}");
    let data = scratch.join("data");
    let log = fs::read_dir(data.join("log"))
        .expect("it is there")
        .next()
        .expect("a log file")
        .expect("a file")
        .path();
    let mut bytes = fs::read(&log).expect("it can be read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&log, bytes).expect("it can be written");
    let output = run("dsctl", scratch, &["log", "verify", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let found = &json_lines(&output.stdout)[0];
    let problem = found["problems"][0].as_str().unwrap_or_default();
    assert!(problem.contains("damaged bytes at offset"), "{found}");
}

#[test]
fn what_is_damaged_may_be_left_out() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let scratch = scratch.path();
    damaged_pool(&scratch.join("data"));
    fs::write(scratch.join("old.csv"), "old").expect("a file can be written");
    for args in [
        &["log", "query", "--stats", "count()"][..],
        &["log", "export", "k1"],
        &["log", "export", "-o", "old.csv"],
        &["log", "export", "-o", "new.parquet"],
    ] {
        let output = run("dsctl", scratch, args);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(
            said.contains(".redb is damaged: block ") && said.contains("--skip-damaged"),
            "{args:?}: {said}"
        );
    }
    assert_eq!(fs::read_to_string(scratch.join("old.csv")).expect("it is there"), "old", "it stays");
    assert!(!scratch.join("new.parquet").exists());
    let leave_out = |args: &[&str]| {
        let output = run("dsctl", scratch, &[args, &["--skip-damaged"]].concat());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(
            said.contains("damaged, and left out: ") && said.contains(" (2000 records)"),
            "{args:?}: {said}"
        );
        text(&output.stdout).to_owned()
    };
    assert_eq!(leave_out(&["log", "query", "--stats", "count()"]), "count()\n4000\n");
    assert_eq!(json_lines(leave_out(&["log", "export"]).as_bytes()).len(), 4000);
    leave_out(&["log", "export", "-o", "old.csv"]);
    assert_eq!(fs::read_to_string(scratch.join("old.csv")).expect("it is there").lines().count(), 4001);
    leave_out(&["log", "export", "-o", "new.parquet"]);
    assert!(fs::read(scratch.join("new.parquet")).expect("it is there").ends_with(b"PAR1"));
    let whole = run("dsctl", scratch, &["log", "export", "k2", "--skip-damaged"]);
    assert!(whole.status.success(), "nothing was left out: {}", text(&whole.stderr));
    assert_eq!(fs::read_dir(scratch).expect("a folder").count(), 3, "nothing lies beside");
}

/// What is there stays when the disk is full, and when an export is interrupted.
#[test]
fn a_file_is_exported_whole_or_not_at_all() {
    let scratch = scratch();
    let scratch = scratch.path();
    for (name, args) in [
        ("x.jsonl", &["log", "export", "-o"][..]),
        ("x.csv", &["log", "export", "-o"]),
        ("x.parquet", &["log", "export", "-o"]),
        ("x.html", &["log", "query", "root", "--html"]),
    ] {
        fs::write(scratch.join(name), "old").expect("a file can be written");
        let limited = Command::new("sh")
            .current_dir(scratch)
            .env("DSCRIPT_DATA", scratch.join("data"))
            .arg("-c")
            .arg("ulimit -f 1; exec \"$0\" \"$@\"")
            .arg(dscript_tests::binary("dsctl"))
            .args(args)
            .arg(name)
            .output()
            .expect("it runs");
        assert_eq!(limited.status.code(), Some(2), "{name}: {}", text(&limited.stderr));
        assert_eq!(fs::read_to_string(scratch.join(name)).expect("it is there"), "old", "{name}");
        let whole = run("dsctl", scratch, &[args, &[name]].concat());
        assert!(whole.status.success(), "{name}: {}", text(&whole.stderr));
        assert_ne!(fs::read_to_string(scratch.join(name)).ok().as_deref(), Some("old"), "{name}");
    }
    let left: Vec<_> =
        fs::read_dir(scratch).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("part")), "{left:?}");
}
