//! The LogPool under several processes at once, and under ones that are killed.

use dscript_tests::{
    Running, command, compile, ending, finish, good, json_lines, records, run, sequences, text, wait_for,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use tempfile::TempDir;

/// Puts counters and prints each when it is durable.
const COUNTER: &str = r#"
task Counter(int count, String key = "n") {
    LogPool pool = try LogPool.open("counters");
    for (int i : 0..count) {
        try pool.put(key, {"n": i});
        print(i);
    }
}
"#;

fn scratch() -> TempDir {
    tempfile::tempdir().expect("a scratch folder can be made")
}

/// The field `n` of each record.
fn counters(records: &[Value]) -> BTreeSet<i64> {
    let all: Vec<i64> =
        records.iter().map(|record| record["fields"]["n"].as_i64().expect("a counter")).collect();
    let set: BTreeSet<i64> = all.iter().copied().collect();
    assert_eq!(all.len(), set.len(), "no counter is there twice");
    set
}

/// The whole lines of a file, each a counter.
fn acknowledged(file: &Path) -> BTreeSet<i64> {
    let printed = fs::read_to_string(file).unwrap_or_default();
    let whole = printed.rfind('\n').map_or("", |end| &printed[..end]);
    whole.lines().map(|line| line.parse().expect("a counter on a line")).collect()
}

#[test]
fn two_writers_and_readers_share_a_folder() {
    let scratch = scratch();
    let image = compile(scratch.path(), "counter", COUNTER);
    let count = 400;
    let mut writers = Vec::new();
    for key in ["a", "b"] {
        let mut exec = command("dsvm", scratch.path());
        exec.arg("exec").arg(&image).args([
            "--set",
            &format!("count={count}"),
            "--set",
            &format!("key={key}"),
        ]);
        exec.stdout(File::create(scratch.path().join(key)).expect("a file can be made"));
        writers.push((key, Running::start(&mut exec)));
    }
    // While they write: every answer is whole, and holds what was acknowledged before the question.
    let mut answers = 0;
    loop {
        let over = writers.iter_mut().all(|(_, exec)| !matches!(exec.0.try_wait(), Ok(None)));
        for key in ["a", "b"] {
            let before = acknowledged(&scratch.path().join(key));
            let found = counters(&records(scratch.path(), &[key, "--pool", "counters"]));
            assert!(found.is_superset(&before), "{key}: {:?}", before.difference(&found));
        }
        let output = run("dsctl", scratch.path(), &["log", "pools", "--json"]);
        assert_eq!(ending(&output).0, Some(0), "{}", text(&output.stderr));
        answers += 1;
        if over {
            break;
        }
    }
    assert!(answers > 0);
    for (key, mut exec) in writers {
        assert_eq!(exec.wait().code(), Some(0), "the writer of {key} ends well");
    }
    for key in ["a", "b"] {
        let found = records(scratch.path(), &[key, "--pool", "counters"]);
        assert_eq!(sequences(&found), (0..count).collect::<Vec<_>>(), "{key}");
        assert_eq!(counters(&found), (0..count as i64).collect(), "{key}");
        let runs: BTreeSet<String> = found.iter().map(|record| record["run"].to_string()).collect();
        assert_eq!(runs.len(), 1, "one run wrote {key}");
    }
    assert_eq!(records(scratch.path(), &["--pool", "*"]).len(), 2 * count as usize);
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let scratch = scratch();
    let image = compile(scratch.path(), "counter", COUNTER);
    // Each round finds in the folder what the killed ones before have left.
    for round in 0..4 {
        let key = format!("round{round}");
        let printed = scratch.path().join(&key);
        let mut exec = command("dsvm", scratch.path());
        exec.arg("exec").arg(&image).args(["--set", "count=1000000", "--set", &format!("key={key}")]);
        exec.stdout(File::create(&printed).expect("a file can be made"));
        let mut exec = Running::start(&mut exec);
        wait_for("acknowledged puts", || (acknowledged(&printed).len() > 20 * round).then_some(()));
        exec.kill_hard();
        let promised = acknowledged(&printed);
        let found = records(scratch.path(), &[&key, "--pool", "counters"]);
        let there = counters(&found);
        assert!(there.is_superset(&promised), "lost: {:?}", promised.difference(&there));
        assert_eq!(sequences(&found), (0..found.len() as u64).collect::<Vec<_>>());
        // Another program moves into the store what is left, and changes nothing by it.
        let args = ["exec", "counter.dsb", "--set", "count=3", "--set", &format!("key=after{round}")];
        assert_eq!(good("dsvm", scratch.path(), &args), "0\n1\n2\n");
        assert_eq!(records(scratch.path(), &[&key, "--pool", "counters"]), found);
    }
    for round in 0..4 {
        let after = records(scratch.path(), &[&format!("after{round}"), "--pool", "counters"]);
        assert_eq!(sequences(&after), [0, 1, 2]);
    }
}

#[test]
fn programs_find_what_was_put() {
    let scratch = scratch();
    let folder = scratch.path();
    let source = r#"
record Count(int n) {}
LogPool pool = try LogPool.open("counters");
try pool.put("n", {"n": 99});
List<Count> all = try pool.find("n", Count.class);
print(all.map(c -> c.n));
print((try pool.find("nobody", Count.class)).size());
"#;
    compile(folder, "counter", COUNTER);
    compile(folder, "finder", source);
    good("dsvm", folder, &["exec", "counter.dsb", "--set", "count=3"]);
    assert_eq!(good("dsvm", folder, &["exec", "finder.dsb"]), "[0, 1, 2, 99]\n0\n");
    assert_eq!(good("dsvm", folder, &["exec", "finder.dsb"]), "[0, 1, 2, 99, 99]\n0\n");

    // A pool may lie in another folder, under the same name.
    let other = ["exec", "finder.dsb", "--pool", "counters=redb:other"];
    assert_eq!(good("dsvm", folder, &other), "[99]\n0\n");
    let args = ["log", "query", "--json", "--data", "other"];
    assert_eq!(json_lines(good("dsctl", folder, &args).as_bytes()).len(), 1);
    let args = ["exec", "finder.dsb", "--data", "third"];
    assert_eq!(good("dsvm", folder, &args), "[99]\n0\n");
    for bad in ["counters", "counters=", "counters=somewhere"] {
        let output = run("dsvm", folder, &["exec", "finder.dsb", "--pool", bad]);
        assert_eq!(ending(&output).0, Some(2), "{bad}: {}", text(&output.stderr));
    }
}

#[test]
fn queries_choose() {
    let scratch = scratch();
    compile(scratch.path(), "counter", COUNTER);
    for key in ["disk a", "disk b", "net"] {
        let args = ["exec", "counter.dsb", "--set", "count=5", "--set", &format!("key={key}")];
        good("dsvm", scratch.path(), &args);
    }
    let count = |args: &[&str], expected: usize| {
        assert_eq!(records(scratch.path(), args).len(), expected, "{args:?}");
    };
    count(&["--node", "*"], 15);
    count(&["disk a"], 5);
    count(&["disk *"], 10);
    count(&["*"], 15);
    count(&["nothing"], 0);
    count(&["--pool", "counters"], 15);
    count(&["--pool", "other"], 0);
    count(&["--task", "Counter"], 15);
    count(&["--task", "Other"], 0);
    count(&["--limit", "4"], 4);
    assert!(
        records(scratch.path(), &["net", "--fields", "m"]).iter().all(|record| record["fields"] == json!({}))
    );
    assert_eq!(records(scratch.path(), &["net", "--fields", "m,n"]), records(scratch.path(), &["net"]));
    count(&["--since", "1h"], 15);
    count(&["--until", "1h"], 0);
    count(&["--since", "2000-01-01T00:00:00Z", "--until", "2001-01-01T00:00:00Z"], 0);
    let newest = records(scratch.path(), &["net", "--limit", "2"]);
    assert_eq!(counters(&newest), BTreeSet::from([3, 4]), "the newest two");
    let id = newest[0]["run"].as_str().expect("a run");
    count(&["--run", id], 5);
    count(&["--run", &id[..12]], 5);
    let times: Vec<String> =
        records(scratch.path(), &["*"]).iter().map(|record| record["time"].to_string()).collect();
    assert!(times.is_sorted(), "in the order of time");
    let csv = good("dsctl", scratch.path(), &["log", "query", "net", "--csv"]);
    let heading = csv.lines().next().expect("a heading");
    assert_eq!(heading, "time,pool,key,node,task,run,seq,n");
    assert_eq!(csv.lines().count(), 6);
    assert_eq!(
        run("dsctl", scratch.path(), &["log", "query", "--since", "yesterday"]).status.code(),
        Some(2)
    );
}

#[test]
fn conditions_and_aggregates() {
    let scratch = scratch();
    compile(scratch.path(), "counter", COUNTER);
    for key in ["a", "b"] {
        good(
            "dsvm",
            scratch.path(),
            &["exec", "counter.dsb", "--set", "count=10", "--set", &format!("key={key}")],
        );
    }
    assert_eq!(records(scratch.path(), &["--where", "n >= 7 && key == 'a'"]).len(), 3);
    assert_eq!(records(scratch.path(), &["--where", "gone > 0"]).len(), 0);
    assert_eq!(records(scratch.path(), &["--where", "time > '2026-01-31T08:00:00Z'"]).len(), 20);
    assert_eq!(records(scratch.path(), &["--where", "time < '2026-01-31T08:00:00Z'"]).len(), 0);
    for (args, says) in [
        (
            &["--where", "gone > 0 && n > 1", "--json"][..],
            "no record asked for has a field `gone`; there are n",
        ),
        (&["--where", "gone > 0", "--stats", "count(), avg(n)"], "no record asked for has a field `gone`"),
        (&["a", "--where", "n"], "`n` is true or false in no record asked for"),
        (&["--stats", "count()", "--by", "hots"], "no record asked for has a field `hots`; there are n"),
        (&["--stats", "avg(m), count()"], "no record asked for has a field `m`; there are n"),
        (&["--order", "-m"], "no record asked for has a field `m`"),
        (&["--fields", "n,m"], "no record asked for has a field `m`"),
        (&["--fields", "n", "--order", "-n"], ""),
        (&["--where", "n > 100"], "dsctl: no log record fits; `dsctl log pools` lists what there is\n"),
        (&["none", "--where", "gone > 0", "--json"], "no pool asked for has a key `none`; there are a, b"),
    ] {
        let output = run("dsctl", scratch.path(), &[&["log", "query"], args].concat());
        let said = text(&output.stderr);
        assert!(output.status.success() && said.contains(says), "{args:?}: {said}");
    }
    let query = |args: &[&str]| good("dsctl", scratch.path(), &[&["log", "query"], args].concat());
    let stats = ["--stats", "count(), avg(n), p90(n), max(n + 1)", "--by", "key"];
    assert_eq!(
        query(&[&stats[..], &["--csv"]].concat()),
        "key,count(),avg(n),p90(n),max(n + 1)\na,10,4.5,8,10\nb,10,4.5,8,10\n"
    );
    let frees = |args: &[&str]| {
        let all = records(scratch.path(), args);
        all.iter().map(|record| record["fields"]["n"].as_i64().expect("a counter")).collect::<Vec<_>>()
    };
    assert_eq!(frees(&["a", "--order", "newest", "--limit", "3"]), [9, 8, 7]);
    assert_eq!(frees(&["a", "--limit", "3"]), [7, 8, 9], "the newest, in time order");
    assert_eq!(frees(&["--order", "-n, key", "--limit", "3"]), [9, 9, 8]);
    let best =
        ["--stats", "sum(n) as sum", "--by", "n % 3 as rest, key", "--order", "-sum,rest", "--limit", "3"];
    assert_eq!(query(&[&best[..], &["--csv"]].concat()), "rest,key,sum\n0,a,18\n0,b,18\n2,a,15\n");
    let runs = query(&["--stats", "count()", "--by", "run", "--csv"]);
    let first = records(scratch.path(), &["a"])[0]["run"].as_str().expect("a run").to_owned();
    assert!(runs.contains(&format!("{first},10\n")) && runs.lines().count() == 3, "{runs}");
    assert_eq!(frees(&["--where", &format!("run like '{}*' && n > 8", &first[..8])]), [9]);
    assert_eq!(query(&["--stats", "count(n > 7), count(n)", "--csv"]), "count(n > 7),count(n)\n4,20\n");
    assert_eq!(
        query(&["--stats", "sum(n)", "--where", "n < 3", "--json"]),
        "{\"sum(n)\":6}\n",
        "of both keys"
    );
    let windows = query(&["--stats", "count", "--every", "1h", "--csv"]);
    assert!(windows.starts_with("window,count\n") && windows.trim_end().ends_with(",20"), "{windows}");
    let drawn = query(&["a", "--plot"]);
    assert!(drawn.contains(" a n  9") && drawn.contains('┤'), "{drawn}");
    for (args, says) in [
        (&["--where", "n =="][..], "--where: a value is missing here"),
        (&["--where", "n = 1"], "two values are compared by `==`"),
        (&["--where", "5"], "this is a number: compare it with something\n  5\n  ^"),
        (&["--where", "time > 10m"], "\n  time > 10m\n  ^^^^^^^^^^"),
        (&["--stats", "mean(n)"], "`mean` is no aggregate"),
        (&["--stats", "p150(n)"], "`p150` is no percentile: those lie between 0 and 100"),
        (&["--stats", "avg(n > 5)"], "`avg` is of numbers, and this is a condition"),
        (
            &["--stats", "avg(n)", "--order", "max(n)"],
            "--order: `max(n)` is no column of the answer; there are avg(n)",
        ),
        (&["--order", "n desc"], "--order: the greatest come first with a `-`"),
        (&["--stats", "avg(n)", "--plot"], "add --every"),
        (&["--by", "key"], "--stats"),
    ] {
        let failed = run("dsctl", scratch.path(), &[&["log", "query"], args].concat());
        assert_eq!(failed.status.code(), Some(2), "{args:?}");
        let said = String::from_utf8_lossy(&failed.stderr).into_owned();
        assert!(said.contains(says), "{args:?}: {said}");
    }
}

#[test]
fn a_folder_that_cannot_be_used_is_an_error() {
    let scratch = scratch();
    let image = compile(scratch.path(), "counter", COUNTER);
    fs::write(scratch.path().join("data"), "a file where the data folder should be").expect("it is written");
    let output = finish(command("dsvm", scratch.path()).arg("exec").arg(image).args(["--set", "count=1"]));
    let (code, said) = ending(&output);
    assert_eq!((code, text(&output.stdout).as_str()), (Some(1), ""), "{said}");
    assert!(said.starts_with("error "), "the reason begins with its kind: {said}");
    let output = run("dsctl", scratch.path(), &["log", "query", "--json"]);
    assert_eq!(ending(&output).0, Some(2), "{}{}", text(&output.stdout), text(&output.stderr));
}

const FOLLOW: &str = r#"
record Load(int us) {}
LogPool pool = try LogPool.open("load");
try pool.put("cpu", new Load(99));
Task.fiber(() -> {
    System.sleep(100ms);
    for (int us : 88..99) ignore(pool.put("cpu", new Load(us)));
    ignore(pool.put("other", new Load(99)));
});
try pool.query("cpu").where("us > 90").tail(Load.class, load -> {
    print(load.us);
    return load.us < 93;
});
"#;

#[test]
fn programs_follow_what_comes() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let image = compile(scratch.path(), "follow", FOLLOW);
    let said = good("dsvm", scratch.path(), &["exec".as_ref(), image.as_os_str()]);
    assert_eq!(said, "91\n92\n93\n", "what was there before does not come");
}

#[test]
fn a_page_shows_the_lines() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let source = r#"
record Load(int us, String text) {}
LogPool pool = try LogPool.open("load");
for (int us : 1..6) try pool.put("cpu", new Load(us, "</script>"));
"#;
    let image = compile(scratch.path(), "load", source);
    good("dsvm", scratch.path(), &["exec".as_ref(), image.as_os_str()]);
    let query = |args: &[&str]| {
        run("dsctl", scratch.path(), &[&["log", "query", "--html", "page.html"], args].concat())
    };
    let output = query(&["--stats", "max(us), count()", "--every", "1d", "--by", "key"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let page = std::fs::read_to_string(scratch.path().join("page.html")).expect("it is there");
    let data = page.lines().find_map(|line| line.strip_prefix("const data = ")?.strip_suffix(';'));
    let data: Value = serde_json::from_str(data.expect("it has data")).expect("they are JSON");
    assert_eq!(data["title"], "max(us), count()");
    let names: Vec<&str> =
        data["lines"].as_array().unwrap().iter().map(|line| line["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["cpu count()", "cpu max(us)"]);
    assert_eq!(data["lines"][1]["points"][0][1], 5.0);
    let output = query(&["--stats", "max(us)"]);
    assert!(output.status.code() == Some(2) && text(&output.stderr).contains("add --every"));
}

#[test]
fn what_is_beyond_a_limit_has_a_code_of_its_own() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let source = r#"
LogPool pool = try LogPool.open("home");
LogPool far = try LogPool.open("far");
void! large = pool.put("k", {"text": "x".repeat(2MiB)});
if (isError(large)) print("${large.code}: ${large.message}");
void! key = pool.put("k".repeat(2000), {"n": 1});
if (isError(key)) print("${key.code}: ${key.message}");
void! name = far.put("k".repeat(300), {"n": 1});
if (isError(name)) print(name.code);
LogPool! opened = LogPool.open("p".repeat(2000));
if (isError(opened)) print("${opened.code}: ${opened.message}");
"#;
    let image = compile(scratch.path(), "limits", source);
    let said =
        good("dsvm", scratch.path(), &["exec", &image.to_string_lossy(), "--pool", "far=memcached://h:1"]);
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.len() == 4 && lines.iter().all(|line| line.starts_with("limit")), "{said}");
    assert!(
        lines[0].contains("the size in bytes of a log record is ") && lines[0].ends_with("1048576"),
        "{said}"
    );
}
