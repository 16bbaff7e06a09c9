//! `dsctl log` as operators use it: interrupted, at limits, with wrong arguments, and with `-` for standard output.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use dscript_logpool::{FieldValue, Record, RunId, Writer};
use dscript_tests::fleet::Fleet;
use dscript_tests::{Running, command, compile, damaged_pool, good, json_lines, run, text, wait_for};
use serde_json::json;

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a scratch folder can be made")
}

/// Stores records of the pool `disks` with these fields.
fn put(scratch: &Path, count: u64, fields: &[(&str, FieldValue)]) {
    let record = |seq: u64| Record {
        pool: "disks".into(),
        key: "root".into(),
        node: "web-1".into(),
        task: "t".into(),
        run: RunId(1),
        seq,
        time: 1_769_846_400_000_000_000 + seq as i64,
        fields: fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect::<Vec<_>>()
            .into(),
    };
    let writer = Writer::open(&scratch.join("data")).expect("a data folder can be made");
    writer.append((0..count).map(record).collect()).expect("they are stored");
}

fn said(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
    text(&output.stderr)
}

/// Runs a binary that may write no file beyond so many blocks of a shell.
fn limited(scratch: &Path, blocks: u32, name: &str, args: &[&str]) -> Output {
    let mut shell = Command::new("sh");
    shell.current_dir(scratch).env("DSCRIPT_DATA", scratch.join("data")).arg("-c");
    shell.arg(format!("ulimit -f {blocks}; exec \"$0\" \"$@\"")).arg(dscript_tests::binary(name)).args(args);
    shell.output().expect("it runs")
}

#[test]
fn a_limit_of_file_sizes_is_like_a_full_disk() {
    let scratch = scratch();
    let scratch = scratch.path();
    let source = r#"
record Number(int n, String text) {}
LogPool pool = try LogPool.open("numbers");
for (int i : 0..100000) {
    try pool.put("n", new Number(i, "x".repeat(100)));
    print(i);
}
"#;
    compile(scratch, "numbers", source);
    let output = limited(scratch, 64, "dsvm", &["exec", "numbers.dsb"]);
    assert!(said(&output, 1).contains("EFBIG"), "{}", text(&output.stderr));
    let acknowledged = text(&output.stdout).lines().count();
    assert!(acknowledged > 0, "some were stored");
    let found = limited(scratch, 0, "dsctl", &["log", "query", "--json"]);
    assert_eq!(json_lines(&found.stdout).len(), acknowledged, "{}", text(&found.stderr));
    let mut lines = String::new();
    for n in 0..2000 {
        lines += &format!(
            "{}\n",
            json!({"time": n, "pool": "p", "key": "k", "fields": {"n": n, "text": format!("{:0100}", n * 7919)}})
        );
    }
    fs::write(scratch.join("in.jsonl"), lines).expect("a file can be written");
    let output = limited(scratch, 100, "dsctl", &["log", "import", "in.jsonl"]);
    let why = said(&output, 2);
    assert!(
        why.contains("File too large") && why.contains("of the lines before 0 records are stored"),
        "{why}"
    );
    let output = limited(scratch, 1, "dsc", &["compile", "numbers.ds", "-o", "new.dsb"]);
    assert!(said(&output, 2).contains("File too large"));
    assert!(!scratch.join("new.dsb").exists());
    good("dsctl", scratch, &["log", "import", "in.jsonl"]);
    let count = good("dsctl", scratch, &["log", "query", "--stats", "count()", "--json"]);
    assert_eq!(json_lines(count.as_bytes())[0]["count()"], acknowledged + 2000);
    good("dsctl", scratch, &["log", "verify"]);
}

/// Waits until a command waits for signals.
fn listens(child: &Running) {
    wait_for("it to listen to signals", || {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
        let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:"))?;
        let blocked = u64::from_str_radix(blocked.trim(), 16).ok()?;
        (blocked & (1 << (libc::SIGINT - 1)) != 0).then_some(())
    });
}

#[test]
fn what_follows_ends_when_it_is_interrupted() {
    let scratch = scratch();
    let scratch = scratch.path();
    put(scratch, 1, &[]);
    for args in [
        &["log", "tail", "--json"][..],
        &["log", "watch", "--when", "count() > 100", "--over", "1m"],
        &["log", "import", "-"],
    ] {
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            let mut following = command("dsctl", scratch);
            following.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut following = Running::start(&mut following);
            listens(&following);
            following.signal(signal);
            assert_eq!(following.wait().code(), Some(130), "{args:?}");
            let mut printed = String::new();
            following.0.stdout.take().expect("it prints").read_to_string(&mut printed).expect("it is text");
            assert_eq!(printed, "", "{args:?}");
        }
    }
}

#[test]
fn an_import_says_how_far_it_came() {
    let scratch = scratch();
    let scratch = scratch.path();
    let mut importing = command("dsctl", scratch);
    importing.args(["log", "import", "-"]).stdin(Stdio::piped());
    importing.stderr(File::create(scratch.join("said")).expect("a file can be made"));
    let mut importing = Running::start(&mut importing);
    let lines: String = (0..2500)
        .map(|n| format!("{{\"time\": {n}, \"pool\": \"p\", \"key\": \"k\", \"fields\": {{}}}}\n"))
        .collect();
    let mut input = importing.0.stdin.take().expect("it reads");
    input.write_all(lines.as_bytes()).expect("it takes all");
    let stored = || {
        let count =
            good("dsctl", scratch, &["log", "query", "--stats", "count()", "--json", "--data", "data"]);
        json_lines(count.as_bytes())[0]["count()"].as_u64()
    };
    fs::create_dir_all(scratch.join("data")).expect("a folder can be made");
    wait_for("two batches to be stored", || (stored() == Some(2000)).then_some(()));
    listens(&importing);
    importing.signal(libc::SIGINT);
    assert_eq!(importing.wait().code(), Some(130));
    let said = fs::read_to_string(scratch.join("said")).expect("it is there");
    assert!(said.starts_with("dsctl: interrupted; of standard input 2000 records are stored"), "{said}");
    assert_eq!(stored(), Some(2000));
    drop(input);
}

#[test]
fn a_line_is_printed_whole_and_a_second_interrupt_ends_at_once() {
    let scratch = scratch();
    let scratch = scratch.path();
    put(scratch, 4000, &[("text", FieldValue::String("x".repeat(100)))]);
    for twice in [false, true] {
        let mut exporting = command("dsctl", scratch);
        exporting.args(["log", "export"]).stdout(Stdio::piped());
        let mut exporting = Running::start(&mut exporting);
        let mut output = exporting.0.stdout.take().expect("it prints");
        let waiting = || {
            let mut bytes = 0i32;
            // SAFETY: it writes how many bytes wait in the pipe.
            unsafe { libc::ioctl(output.as_raw_fd(), libc::FIONREAD, &mut bytes) };
            bytes
        };
        wait_for("the pipe to be full", || (waiting() >= 60_000).then_some(()));
        exporting.signal(libc::SIGINT);
        if twice {
            // The first is taken once it is not pending any more.
            wait_for("the first to be taken", || {
                let status = fs::read_to_string(format!("/proc/{}/status", exporting.id())).ok()?;
                let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:"))?;
                (u64::from_str_radix(pending.trim(), 16).ok()? == 0).then_some(())
            });
            exporting.signal(libc::SIGINT);
            assert_eq!(exporting.wait().signal(), Some(libc::SIGINT));
            continue;
        }
        let mut printed = String::new();
        output.read_to_string(&mut printed).expect("it is text");
        assert_eq!(exporting.wait().code(), Some(130));
        assert!(printed.ends_with('\n'), "the last line is whole");
        let lines = json_lines(printed.as_bytes()).len();
        assert!(lines > 0 && lines < 4000, "{lines} lines");
    }
}

#[test]
fn what_is_interrupted_leaves_no_file() {
    let scratch = scratch();
    let scratch = scratch.path();
    put(scratch, 4000, &[("text", FieldValue::String("x".repeat(100)))]);
    fs::write(scratch.join("x.jsonl"), "old").expect("a file can be written");
    // Its reader waits for what nobody writes, so it is interrupted in the middle of a file.
    let pipe = scratch.join("x.csv");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
    assert!(made.success());
    let mut exporting = command("dsctl", scratch);
    let mut exporting = Running::start(exporting.args(["log", "export", "-o", "x.csv"]));
    listens(&exporting);
    exporting.signal(libc::SIGINT);
    assert_eq!(exporting.wait().code(), Some(130));
    let names = fs::read_dir(scratch).expect("a folder").flatten().map(|entry| entry.file_name());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    assert_eq!(names, ["data", "x.csv", "x.jsonl"]);
    assert_eq!(fs::read_to_string(scratch.join("x.jsonl")).expect("it is there"), "old");
}

#[test]
fn columns_of_fields_have_names_of_their_own() {
    let scratch = scratch();
    let scratch = scratch.path();
    let text_of = |text: &str| FieldValue::String(text.to_owned());
    put(
        scratch,
        2,
        &[
            ("time", FieldValue::Int(7)),
            ("node", text_of("db")),
            ("us", FieldValue::Int(1)),
            ("window", text_of("w")),
        ],
    );
    let heading = |args: &[&str]| {
        let printed = good("dsctl", scratch, args);
        printed.lines().next().expect("a heading").to_owned()
    };
    let all = "time,pool,key,node,task,run,seq,field_time,field_node,us,window";
    assert_eq!(heading(&["log", "export", "--format", "csv"]), all);
    assert_eq!(heading(&["log", "query", "--csv"]), all);
    let words = heading(&["log", "query"]);
    assert_eq!(words.split_whitespace().collect::<Vec<_>>(), ["time", "field_time", "node", "us", "window"]);
    let stats = ["log", "query", "--stats", "count()", "--by", "window", "--every", "1d"];
    assert_eq!(heading(&[&stats[..], &["--csv"]].concat()), "window,field_window,count()");
    let group = &json_lines(good("dsctl", scratch, &[&stats[..], &["--json"]].concat()).as_bytes())[0];
    assert_eq!((&group["field_window"], &group["window"]), (&json!("w"), &json!("2026-01-31T00:00:00Z")));
    // As JSON lines the record is what it was.
    good("dsctl", scratch, &["log", "export", "-o", "all.jsonl"]);
    good("dsctl", scratch, &["log", "import", "all.jsonl", "--data", "other"]);
    let records = |data: &str| good("dsctl", scratch, &["log", "query", "--json", "--data", data]);
    assert_eq!(records("data"), records("other"));
}

#[test]
fn a_dash_is_standard_output() {
    let scratch = scratch();
    let scratch = scratch.path();
    put(scratch, 3, &[("us", FieldValue::Int(1))]);
    let plain = good("dsctl", scratch, &["log", "export"]);
    assert_eq!(good("dsctl", scratch, &["log", "export", "-o", "-"]), plain);
    assert!(good("dsctl", scratch, &["log", "export", "-o", "-", "--format", "csv"]).starts_with("time,"));
    let page = run("dsctl", scratch, &["log", "query", "--html", "-"]);
    assert!(text(&page.stdout).starts_with("<!doctype html>") && said(&page, 0).is_empty());
    assert!(!scratch.join("-").exists());
    good("dsctl", scratch, &["log", "export", "-o", "./-", "--format", "jsonl"]);
    assert_eq!(fs::read_to_string(scratch.join("-")).expect("it is a file"), plain);
}

#[test]
fn transfers_say_as_json_what_they_did() {
    let scratch = scratch();
    let scratch = scratch.path();
    put(scratch, 3, &[("us", FieldValue::Int(1))]);
    let printed = good("dsctl", scratch, &["log", "export", "-o", "x.csv", "--json"]);
    let expected = json!({"file": "x.csv", "format": "csv", "records": 3, "skipped": []});
    assert_eq!(json_lines(printed.as_bytes()), [expected]);
    let refused = run("dsctl", scratch, &["log", "export", "--json"]);
    assert!(said(&refused, 2).contains("--output FILE") && refused.stdout.is_empty());
    good("dsctl", scratch, &["log", "export", "-o", "x.jsonl"]);
    let printed = good("dsctl", scratch, &["log", "import", "x.jsonl", "--json", "--data", "other"]);
    assert_eq!(json_lines(printed.as_bytes()), [json!({"file": "x.jsonl", "stored": 3, "skipped": []})]);
    let other = scratch.join("damaged");
    damaged_pool(&other);
    let args = ["log", "export", "-o", "x.csv", "--json", "--skip-damaged", "--data", "damaged"];
    let output = run("dsctl", scratch, &args);
    said(&output, 1);
    let summary = &json_lines(&output.stdout)[0];
    assert_eq!((&summary["records"], &summary["skipped"][0]["records"]), (&json!(4000), &json!(2000)));
}

#[test]
fn a_page_says_that_nothing_fits() {
    let scratch = scratch();
    let scratch = scratch.path();
    put(scratch, 3, &[("us", FieldValue::Int(1))]);
    fs::write(scratch.join("x.html"), "old").expect("a file can be written");
    let output = run("dsctl", scratch, &["log", "query", "none", "--html", "x.html"]);
    let words = said(&output, 0);
    assert!(
        words.contains("no log record fits") && words.contains("a page that says so is in x.html"),
        "{words}"
    );
    let page = fs::read_to_string(scratch.join("x.html")).expect("it is there");
    assert!(page.contains(r#""lines":[]"#) && page.contains("No log record fits"), "{page}");
}

#[test]
fn what_is_damaged_is_left_out_by_all_that_read() {
    let scratch = scratch();
    let scratch = scratch.path();
    let data = scratch.join("data");
    damaged_pool(&data);
    // The blocks are damaged, the list of series is not.
    let pools = good("dsctl", scratch, &["log", "pools", "--json"]);
    assert_eq!(json_lines(pools.as_bytes())[0].as_array().map(Vec::len), Some(3));
    let output =
        run("dsctl", scratch, &["log", "watch", "--when", "count() > 1", "--over", "36500d", "--once"]);
    assert!(said(&output, 2).contains("--skip-damaged leaves that out"));
    let args = ["log", "watch", "--when", "count() > 1", "--over", "36500d", "--once", "--skip-damaged"];
    let output = run("dsctl", scratch, &args);
    assert!(
        said(&output, 0).contains("damaged, and left out: ")
            && text(&output.stdout).contains("true  count() is")
    );
    // Without its index the folder is read by its segments.
    fs::remove_file(data.join("pool.redb")).expect("it is there");
    for args in [&["log", "pools"][..], &["log", "tail"]] {
        let output = run("dsctl", scratch, args);
        assert!(said(&output, 2).contains("pool.redb is damaged: it is gone"), "{args:?}");
    }
    let output = run("dsctl", scratch, &["log", "pools", "--json", "--skip-damaged"]);
    assert!(said(&output, 1).contains("pool.redb"));
    assert_eq!(output.stdout, pools.as_bytes());
    let mut tailing = command("dsctl", scratch);
    tailing.args(["log", "tail", "--json", "--skip-damaged"]);
    tailing.stdout(File::create(scratch.join("lines")).expect("a file can be made"));
    tailing.stderr(File::create(scratch.join("said")).expect("a file can be made"));
    let _tailing = Running::start(&mut tailing);
    let mut seq = 0;
    let first = wait_for("a new record to be followed", || {
        seq += 1;
        put_numbered(&data, seq);
        json_lines(&fs::read(scratch.join("lines")).expect("it is there")).into_iter().next()
    });
    assert_eq!(first["pool"], "new", "nothing old comes");
    let said = fs::read_to_string(scratch.join("said")).expect("it is there");
    assert_eq!(said.matches("damaged, and left out").count(), 1, "it is said once: {said}");
}

fn put_numbered(data: &Path, seq: u64) {
    let record = Record {
        pool: "new".into(),
        key: "k".into(),
        node: "n".into(),
        task: "t".into(),
        run: RunId(2),
        seq,
        time: 1,
        fields: Vec::<(String, FieldValue)>::new().into(),
    };
    Writer::open(data).and_then(|writer| writer.append(vec![record])).expect("it is stored");
}

#[test]
fn names_that_are_not_there_are_guessed() {
    let scratch = scratch();
    let scratch = scratch.path();
    put(scratch, 3, &[("us", FieldValue::Int(1))]);
    for (args, says) in [
        (&["--pool", "diks"][..], "there is no pool `diks`; did you mean `disks`?"),
        (&["--pool", "d"], "there is no pool `d`; did you mean `disks`?"),
        (&["--pool", "memory*"], "there is no pool `memory*`; there are disks"),
        (&["rot"], "no pool asked for has a key `rot`; did you mean `root`?"),
        (&["root", "--node", "web-2"], "nothing asked for is of a node `web-2`; did you mean `web-1`?"),
        (&["root", "--since", "1h"], ""),
    ] {
        let output = run("dsctl", scratch, &[&["log", "query"], args].concat());
        let words = said(&output, 0);
        assert!(words.contains(says) && words.contains("no log record fits"), "{args:?}: {words}");
        let output = run("dsctl", scratch, &[&["log", "export"], args].concat());
        let words = said(&output, 0);
        assert!(words.contains(says) && words.is_empty() == says.is_empty(), "{args:?}: {words}");
    }
}

#[test]
fn times_are_written_in_many_ways() {
    let scratch = scratch();
    let scratch = scratch.path();
    put(scratch, 3, &[("us", FieldValue::Int(1))]);
    let count = |args: &[&str]| {
        json_lines(good("dsctl", scratch, &[&["log", "query", "--json"], args].concat()).as_bytes()).len()
    };
    assert_eq!(count(&["--since", "2026-01-31", "--until", "2026-02-01"]), 3);
    assert_eq!(count(&["--since", "2026-01-31T08:00:00.000000001"]), 2);
    assert_eq!(count(&["--until", "2026-01-31T09:00:00.000000001+01:00"]), 1);
    assert_eq!(count(&["--since", "20000d1h30m"]), 3);
    for (option, text, says) in [
        ("--since", "yesterday", "10m or 1h30m"),
        ("--until", "1h30", "2026-01-31T08:00:00Z"),
        ("--since", "2026-02-30", "2026-01-31 (in UTC"),
    ] {
        let output = run("dsctl", scratch, &["log", "query", option, text]);
        assert!(said(&output, 2).contains(says), "{option} {text}: {}", text_of(&output));
    }
    let stats = ["log", "query", "--stats", "count()", "--every", "1h30m", "--json"];
    assert_eq!(json_lines(good("dsctl", scratch, &stats).as_bytes())[0]["window"], "2026-01-31T07:30:00Z");
    for args in [
        &["log", "query", "--stats", "count()", "--every", "1.5h"][..],
        &["log", "watch", "--when", "count() > 1", "--over", "90"],
        &["serve", "--lost-after", "soon"],
    ] {
        let output = run("dsctl", scratch, args);
        assert!(said(&output, 2).contains("such as 10s, 500ms or 1h30m"), "{args:?}: {}", text_of(&output));
    }
}

fn text_of(output: &Output) -> String {
    text(&output.stderr)
}

#[test]
fn an_int_beyond_64_bits_is_refused() {
    let scratch = scratch();
    let scratch = scratch.path();
    let line = |value: &str| {
        format!("{{\"time\": 1, \"pool\": \"p\", \"key\": \"k\", \"fields\": {{\"n\": {value}}}}}\n")
    };
    fs::write(scratch.join("x.jsonl"), line("9223372036854775807") + &line("9223372036854775808"))
        .expect("a file can be written");
    let output = run("dsctl", scratch, &["log", "import", "x.jsonl"]);
    let words = said(&output, 2);
    let expected = "x.jsonl, line 2: field `n`: column 54: 9223372036854775808 is too large for an int";
    assert!(words.contains(expected) && words.contains("of the lines before 1 record is stored"), "{words}");
    let found = good("dsctl", scratch, &["log", "query", "--json"]);
    assert_eq!(json_lines(found.as_bytes())[0]["fields"], json!({"n": i64::MAX}));
}

#[test]
fn what_is_given_twice_is_refused() {
    let scratch = scratch();
    let scratch = scratch.path();
    compile(scratch, "task", "task T(int n = 1) { return true; }\n");
    for (name, args, says) in [
        ("dsctl", &["log", "query", "--pool", "a", "--pool", "b"][..], "cannot be used multiple times"),
        ("dsctl", &["log", "export", "--since", "1m", "--since", "2m"], "cannot be used multiple times"),
        ("dsctl", &["serve", "--retain", "a=1d", "--retain", "a=2d"], "has a rule already"),
        ("dsvm", &["exec", "task.dsb", "--set", "n=1", "--set", "n=2"], "given twice"),
        (
            "dsvm",
            &["exec", "task.dsb", "--pool", "p=redb:a", "--pool", "p=redb:b"],
            "--pool p is given twice",
        ),
        ("dsvm", &["exec", "task.dsb", "--label", "a=1", "--label", "a=2"], "--label a is given twice"),
    ] {
        let output = run(name, scratch, args);
        assert!(said(&output, 2).contains(says), "{args:?}: {}", text_of(&output));
    }
}

#[test]
fn pools_and_exports_are_asked_of_a_running_controller() {
    let fleet = Fleet::start();
    put(fleet.scratch(), 600, &[("us", FieldValue::Int(1)), ("d", FieldValue::Duration(5))]);
    let here = fleet.good(&["log", "pools", "--json"]);
    assert_eq!(json_lines(here.as_bytes())[0][0]["records"], 600);
    let there = ["--controller", &fleet.address[..]];
    assert_eq!(fleet.good(&[&["log", "pools", "--json"], &there[..]].concat()), here);
    for format in ["jsonl", "csv"] {
        let args = ["log", "export", "--format", format];
        assert_eq!(fleet.good(&[&args, &there[..]].concat()), fleet.good(&args), "{format}");
    }
    let none = fleet.ctl(&[&["log", "export", "none"], &there[..]].concat());
    assert!(none.status.success() && none.stdout.is_empty());
    // Who may not read the controller's folder is told so.
    let other = ["--data", "elsewhere", "--controller", &fleet.address];
    for command in ["pools", "export"] {
        let words = said(&fleet.ctl(&[&["log", command], &other[..]].concat()), 2);
        assert!(words.contains("operator-secret") && words.contains("--data"), "{words}");
    }
    let folder = fleet.scratch().join("elsewhere/controller");
    fs::create_dir_all(&folder).expect("a folder can be made");
    fs::write(folder.join("operator-secret"), "wrong").expect("a file can be written");
    for command in ["pools", "export"] {
        let words = said(&fleet.ctl(&[&["log", command], &other[..]].concat()), 2);
        assert!(words.contains("refused"), "{words}");
    }
}

#[test]
fn what_is_imported_is_moved_into_segments() {
    let scratch = scratch();
    let scratch = scratch.path();
    let mut state = 7u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let line = |n: u64| {
        let text: String = (0..64).map(|_| format!("{:016x}", next())).collect();
        format!("{}\n", json!({"time": n, "pool": "p", "key": "k", "fields": {"text": text}}))
    };
    // A text may be marked as UTF-8 at its beginning.
    let lines: String = (0..6000).map(line).collect();
    fs::write(scratch.join("x.jsonl"), format!("\u{feff}{lines}")).expect("a file can be written");
    good("dsctl", scratch, &["log", "import", "x.jsonl"]);
    let verified = good("dsctl", scratch, &["log", "verify", "--json"]);
    let verified = &json_lines(verified.as_bytes())[0];
    let moved = verified["records"].as_u64().expect("a number");
    assert!(moved > 0 && moved + verified["waiting"].as_u64().expect("a number") == 6000, "{verified}");
    for (name, says) in
        [("x.csv", "only JSON lines are imported"), ("x.jsonl.gz", "zcat x.jsonl.gz | dsctl log import -")]
    {
        fs::write(scratch.join(name), "a,b\n").expect("a file can be written");
        let output = run("dsctl", scratch, &["log", "import", name]);
        assert!(said(&output, 2).contains(says), "{}", text_of(&output));
    }
}
