//! A real controller and real nodes: shipping, replacing, stopping, and what is left when one of them is killed.

use dscript_bytecode::ids::FunctionId;
use dscript_bytecode::image::Image;
use dscript_tests::fleet::{Fleet, id};
use dscript_tests::{
    Mark, Running, binary, command, compile, ending, finish, good, json_lines, need, root, run, sequences,
    text, wait_for,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

const SAMPLES: [&str; 3] = ["key -name", "--pool", "memcached"];

/// Puts counters, and writes each into a file once it is durable.
const WITNESS: &str = r#"
task Witness(String file) {
    LogPool pool = try LogPool.open("counters");
    Subprocess witness = new Command("sh", "-c", "exec cat >> \"$0\"", file).start();
    if (isError(witness)) {
        fail "no witness";
    }
    int n = 0;
    while (true) {
        try pool.put("n", {"n": n});
        witness.write("${n}\n");
        n++;
        System.sleep(2ms);
    }
}
"#;

fn listing_1(fleet: &Fleet) -> PathBuf {
    need("vmstat", "procps");
    let source = fs::read_to_string(root().join("examples/listing1.ds")).expect("the example is there");
    compile(fleet.scratch(), "listing1", &source)
}

fn truth(fleet: &Fleet) -> PathBuf {
    compile(fleet.scratch(), "truth", "return true;")
}

/// The samples of one run, at least so many.
fn samples(fleet: &Fleet, run: &str, at_least: usize) -> Vec<Value> {
    wait_for("samples on the controller", || {
        let found = fleet.records(&[&SAMPLES[..], &["--run", run]].concat());
        (found.len() >= at_least).then_some(found)
    })
}

/// The sequence numbers of one run's records begin at 0, and none is missing or there twice.
fn contiguous(records: &[Value]) {
    assert_eq!(sequences(records), (0..records.len() as u64).collect::<Vec<_>>());
}

fn counters(records: &[Value]) -> BTreeSet<u64> {
    records.iter().map(|record| record["fields"]["n"].as_u64().expect("a counter")).collect()
}

/// The whole lines that the witness wrote.
fn witnessed(file: &Path) -> BTreeSet<u64> {
    let written = fs::read_to_string(file).unwrap_or_default();
    let whole = written.rfind('\n').map_or("", |end| &written[..end]);
    whole.lines().map(|line| line.parse().expect("a counter on a line")).collect()
}

/// No run of the fleet waits or goes on.
fn nothing_runs(fleet: &Fleet) {
    let runs = fleet.json(&["runs", "--json"]);
    for run in runs.as_array().expect("a list of runs") {
        let state = run["state"].as_str().expect("a state");
        assert!(!["waiting", "accepted", "running"].contains(&state), "{run}");
        assert!(run["lives"] == false && !run["gone"].is_null(), "{run}");
        assert!(run["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{run}");
    }
}

#[test]
fn every_answer_comes_back_with_its_reason() {
    let fleet = Fleet::with_node();
    let trap = "int at(List<int> xs, int i) {\n    return xs[i];\n}\nprint(at([1, 2], 7));";
    let cases = [
        ("yes", "print(\"good\");", 0, "true", &["true"][..]),
        ("no", "return false;", 1, "false", &["false"]),
        ("failed", "fail \"no disk\";", 1, "failed", &["fail: no disk"]),
        ("trapped", trap, 1, "failed", &["trap index", "trapped.ds:2:12", "trapped.ds:4:"]),
        (
            "handed_on",
            "Output o = try new Command(\"sh\", \"-c\", \"exit 3\").run();\nprint(o.exitCode());",
            1,
            "failed",
            &["exit:3", "handed_on.ds:1:"],
        ),
    ];
    for (name, source, status, state, reasons) in cases {
        let image = compile(fleet.scratch(), name, source);
        let (code, runs) = fleet.ship(&image, &["--on", "all", "--wait"]);
        assert_eq!((code, runs.len()), (status, 1), "{name}: {runs:?}");
        let run = &runs[0];
        assert_eq!((run["state"].as_str(), &run["value"]), (Some(state), &(status == 0).into()), "{name}");
        assert_eq!((run["node"].as_str(), run["label"].as_str()), (Some("web-1"), Some(name)));
        let reason = run["reason"].as_str().expect("a reason");
        reasons.iter().for_each(|part| assert!(reason.contains(part), "`{part}` is in: {reason}"));
        assert!(run["duration_ns"].as_i64().is_some_and(|nanos| nanos > 0), "{run}");
        assert!(run["started"].is_string() && run["ended"].is_string(), "{run}");
        // The same is in the log, and asked for later.
        let run = fleet.over(&id(run));
        assert_eq!((run["state"].as_str(), run["reason"].as_str()), (Some(state), Some(reason)));
        let log = wait_for("the result in the log", || {
            let found = fleet.records(&["--pool", "task", "--run", &id(&run)]);
            found.iter().any(|record| record["fields"]["kind"] == "result").then_some(found)
        });
        let result = log.iter().find(|record| record["fields"]["kind"] == "result").expect("it is there");
        assert_eq!(result["fields"]["value"], status == 0);
        assert_eq!(result["fields"]["reason"], reason);
        if name == "yes" {
            let lines: Vec<&Value> = log.iter().filter(|record| record["fields"]["kind"] == "line").collect();
            assert_eq!(lines.len(), 1);
            assert_eq!((&lines[0]["fields"]["text"], &lines[0]["key"]), (&"good".into(), &"yes".into()));
        }
    }
    nothing_runs(&fleet);
}

#[test]
fn what_is_hot_on_a_node_is_compiled_there() {
    let fleet = Fleet::with_node();
    let source = "int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }\n\
                  while (true) { print(fib(18)); System.sleep(10ms); }";
    let image = compile(fleet.scratch(), "hot", source);
    // The mappings that can be executed and belong to no file.
    let compiled = || {
        let maps = fs::read_to_string(format!("/proc/{}/maps", fleet.node_id("web-1")));
        let maps = maps.expect("the node's memory map can be read");
        maps.lines().filter(|line| line.contains(" r-xp ") && line.split_whitespace().count() == 5).count()
    };
    assert_eq!(compiled(), 0);
    let run = fleet.ship_one(&image, &[]);
    wait_for("machine code on the node", || (compiled() > 0).then_some(()));
    let printed = || {
        let records = fleet.records(&["--pool", "task", "--run", &run]);
        let lines = records.iter().filter(|record| record["fields"]["kind"] == "line");
        let texts: Vec<Value> = lines.map(|line| line["fields"]["text"].clone()).collect();
        assert!(texts.iter().all(|text| text == "2584"), "{texts:?}");
        texts.len()
    };
    let before = printed();
    wait_for("more of it", || (printed() > before + 5).then_some(()));
    // What runs as machine code is stopped like anything else.
    assert!(fleet.command("dsctl").args(["stop", &run]).output().expect("dsctl starts").status.success());
    assert_eq!(fleet.over(&run)["state"], "stopped");
    wait_for("its machine code to be gone", || (compiled() == 0).then_some(()));
    nothing_runs(&fleet);
}

#[test]
fn parameters_and_selectors_reach_the_right_nodes() {
    let mut fleet = Fleet::with_node();
    fleet.join("db-1", &["--label", "role=db", "--label", "site=nrt"]);
    let image = compile(
        fleet.scratch(),
        "two",
        "task Say(String text, int n = 1) {\n\
         print(\"${n} ${text} ${Node.name()} ${Node.labels()}\"); return n > 0; }\ntask Other() {}\n",
    );
    let nodes = |runs: &[Value]| -> Vec<String> {
        runs.iter().map(|run| run["node"].as_str().expect("a node").to_owned()).collect()
    };
    let say = ["--task", "Say", "--wait", "--set", "text= $(x) \"y\"\nz; é"];
    for (selector, expected) in [
        ("all", &["db-1", "web-1"][..]),
        ("role=web", &["web-1"]),
        ("role=*,site=n*", &["db-1"]),
        ("name=*-1", &["db-1", "web-1"]),
    ] {
        let (code, runs) = fleet.ship(&image, &[&["--on", selector][..], &say].concat());
        assert_eq!(
            (code, nodes(&runs)),
            (0, expected.iter().map(|&name| name.to_owned()).collect()),
            "{selector}"
        );
    }
    let (code, runs) = fleet.ship(&image, &[&["--on", "role=db", "--set", "n=-5"][..], &say].concat());
    assert_eq!((code, nodes(&runs)), (1, vec!["db-1".to_owned()]));
    let lines = wait_for("its line", || {
        let found = fleet.records(&["--pool", "task", "--run", &id(&runs[0])]);
        (found.len() == 2).then_some(found)
    });
    assert_eq!(lines[0]["fields"]["text"], "-5  $(x) \"y\"\nz; é db-1 {role: db, site: nrt}");
    assert_eq!((lines[0]["node"].as_str(), lines[0]["task"].as_str()), (Some("db-1"), Some("Say")));

    let nodes = fleet.json(&["nodes", "--json"]);
    let names: Vec<&Value> = nodes.as_array().expect("a list").iter().map(|node| &node["name"]).collect();
    assert_eq!(names, ["db-1", "web-1"]);
    assert_eq!(nodes[0]["labels"], serde_json::json!({ "role": "db", "site": "nrt" }));
    assert!(nodes[0]["connected"] == true && nodes[0]["runs"] == 0 && nodes[0]["heard"].is_string());
}

/// Whoever starts it again finds all as it was.
#[test]
fn signals_end_the_controller_in_order() {
    let mut fleet = Fleet::start();
    for (signal, code) in [(libc::SIGHUP, 0), (libc::SIGTERM, 0), (libc::SIGINT, 130)] {
        let name = format!("after-{signal}");
        fleet.join(&name, &[]);
        assert_eq!(fleet.end_controller(signal), Some(code), "signal {signal}");
        fleet.start_controller();
        wait_for("the node to be back", || fleet.is_connected(&name).then_some(()));
    }
    // As `nohup` starts it, it stays.
    let line = format!(
        "trap '' HUP; {} serve --listen 127.0.0.1:0 --data other >said & p=$!\n\
         while ! [ -s said ]; do sleep 0.05; done\n\
         kill -HUP $p; sleep 0.5; kill -TERM $p && echo lived; wait $p; echo ended $?",
        binary("dsctl").display()
    );
    let mut nohup = std::process::Command::new("sh");
    let output = finish(nohup.current_dir(fleet.scratch()).args(["-c", &line]));
    assert_eq!(text(&output.stdout), "lived\nended 0\n", "{output:?}");
}

#[test]
fn what_cannot_be_shipped_is_refused() {
    let mut fleet = Fleet::start();
    let image = truth(&fleet);
    let image = image.to_str().expect("a path in text");
    let refused = |args: &[&str], part: &str| {
        let output = fleet.ctl(&[&["ship"], args].concat());
        let (code, said) = ending(&output);
        assert_eq!((code, text(&output.stdout).as_str()), (Some(2), ""), "{args:?}: {said}");
        assert!(said.starts_with("dsctl: ") && said.contains(part), "{args:?}: {said}");
    };
    refused(&[image, "--on", "all", "--wait"], "no node has joined");
    let bytes = fs::read(image).expect("the image is there");
    let mut broken = bytes.clone();
    broken[bytes.len() / 2] ^= 1;
    let damaged = fleet.scratch().join("damaged.dsb");
    fs::write(&damaged, broken).expect("a file can be written");
    refused(&[damaged.to_str().expect("text"), "--on", "all"], "damaged.dsb");
    let two = compile(
        fleet.scratch(),
        "two",
        "record Disk(String name, double share) {}\n\
         task A(int n, List<Disk> disks = []) { print(n); }\ntask B() {}\n",
    );
    let two = two.to_str().expect("text");
    refused(&["missing.dsb", "--on", "all"], "missing.dsb");
    refused(&[two, "--on", "all"], "A, B");
    refused(&[two, "--on", "all", "--task", "C"], "`C`");
    let ship_a = |settings: &[&str], part: &str| {
        refused(&[&[two, "--on", "all", "--task", "A"], settings].concat(), part);
    };
    ship_a(&[], "needs a value for parameter `n`; it takes: int n, List<Disk> disks = ...");
    ship_a(&["--set", "n=x"], "parameter `n`, `x`: `x` is not an int; it takes: int n, ");
    ship_a(&["--set", "n=1", "--set", "n=2"], "`n` is given twice");
    ship_a(&["--set", "n=1", "--set", "disks={name: a}"], "Disk needs the field `share`");
    ship_a(&["--set", "n=1", "--set", "disks={name: a, share: half}"], "`half` is not a double");
    refused(&[two, "--on", "all", "--task", "B", "--set", "m=1"], "no parameter `m`; it has no parameters");
    refused(&[image, "--on", "web"], "key=value");
    refused(&[image, "--on", ""], "empty");

    fs::write(
        fleet.scratch().join("policy.toml"),
        "deny = [\"exec:*\"]\nmemory = \"4MiB\"\ntime = \"500ms\"\noutput = \"64KiB\"\n",
    )
    .expect("a file can be written");
    fleet.join("strict", &["--policy", "policy.toml"]);
    let refused = |args: &[&str], part: &str| {
        let output = fleet.ctl(&[&["ship", image], args].concat());
        assert!(ending(&output).0 == Some(2) && ending(&output).1.contains(part), "{:?}", ending(&output));
    };
    refused(&["--on", "name=nobody", "--wait"], "name=nobody");
    refused(&["--on", "role=web"], "role=web");
    assert_eq!(fleet.json(&["runs", "--json"]), serde_json::json!([]), "nothing of it became a run");

    // What only the node can tell: its owner's policy, and a program whose hash fits and whose code does not.
    let ship = |image: &Path, args: &[&str]| {
        let (code, runs) = fleet.ship(image, &[&["--on", "all", "--wait"], args].concat());
        assert_eq!(code, 1, "{runs:?}");
        let run = fleet.over(&id(&runs[0]));
        let word = |name: &str| run[name].as_str().unwrap_or_default().to_owned();
        (word("state"), word("reason"))
    };
    let made = "Output o = try new Command(\"mkdir\", \"made\").run();\nprint(o.exitCode());";
    let (state, reason) = ship(&compile(fleet.scratch(), "made", made), &[]);
    assert_eq!(state, "refused", "{reason}");
    assert!(reason.contains("exec:mkdir"), "{reason}");
    assert!(!fleet.scratch().join("made").exists());
    let mut lie = Image::from_bytes(&bytes).expect("an image");
    lie.manifest.tasks[0].function = FunctionId(9999);
    let file = fleet.scratch().join("lie.dsb");
    fs::write(&file, lie.to_bytes()).expect("a file can be written");
    let (state, reason) = ship(&file, &[]);
    assert_eq!(state, "refused", "{reason}");
    let grow = "List<String> all = [];\nString s = \"0123456789\".repeat(10000);\nwhile (true) {\n    \
                all.add(\"${s}${all.size()}\");\n}\n";
    let (state, reason) = ship(&compile(fleet.scratch(), "grow", grow), &[]);
    assert_eq!(state, "failed", "{reason}");
    assert!(reason.contains("trap memory"), "{reason}");
    let shout = "int n = 0;\nwhile (true) {\n    print(\"${n}\");\n    n++;\n}\n";
    let (state, reason) = ship(&compile(fleet.scratch(), "shout", shout), &[]);
    assert_eq!(state, "failed", "{reason}");
    assert!(reason.starts_with("trap output: more than 64KiB in an hour"), "{reason}");
    // A line counts as its record, so that empty ones have an end too.
    let log = wait_for("the result in the log, after all lines", || {
        let log = fleet.ctl(&["log", "query", "shout", "--pool", "task", "--limit", "100000", "--json"]);
        let log = text(&log.stdout);
        log.contains("trap output").then_some(log)
    });
    assert_eq!(log.lines().count(), 253 + 1, "{log}");
    let (state, reason) = ship(&compile(fleet.scratch(), "spin", "while (true) {}"), &[]);
    assert_eq!(state, "timed out", "{reason}");
    assert!(reason.starts_with("timeout"), "{reason}");
    nothing_runs(&fleet);
    // And after all that the node does its work.
    assert_eq!(fleet.ship(Path::new(image), &["--on", "all", "--wait"]).0, 0);
}

#[test]
fn a_token_lets_one_node_in_once() {
    let mut fleet = Fleet::start();
    let refused = |fleet: &Fleet, name: &str, args: &[&str], part: &str| {
        let output = finish(fleet.node_command(name).args(args));
        let (code, said) = ending(&output);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(part), "`{part}` is in: {said}");
        assert_eq!(
            fleet.json(&["nodes", "--json"]).as_array().map(Vec::len),
            Some(usize::from(name != "first"))
        );
    };
    refused(&fleet, "first", &[], "join token");
    refused(&fleet, "first", &["--token", &"0".repeat(64)], "token");
    refused(&fleet, "first", &["--token", ""], "token");
    refused(&fleet, "first", &["--token-file", "missing"], "missing");
    let token = fleet.token();
    assert_ne!(token, fleet.token(), "each is new");
    fleet.start_node("first", &["--token", &token]);
    refused(&fleet, "second", &["--token", &token], "token");
    refused(&fleet, "second", &[], "join token");

    // From then on it is known by what it keeps, also to a controller that was started anew.
    fleet.node("first").signal(libc::SIGTERM);
    assert_eq!(fleet.node("first").wait().code(), Some(0));
    wait_for("it to be missed", || (!fleet.is_connected("first")).then_some(()));
    fleet.start_node("first", &[]);
    fleet.kill_controller();
    fleet.start_controller();
    wait_for("it to come back", || fleet.is_connected("first").then_some(()));
    let again = finish(fleet.node_command("first").args(["--token", &token]));
    assert_eq!(ending(&again).0, Some(2), "one process a data folder: {}", text(&again.stderr));

    // Another's secret makes nobody an operator here.
    let other = Fleet::start();
    let output = other.ctl(&["nodes", "--controller", &fleet.address]);
    assert!(ending(&output).0 == Some(2) && ending(&output).1.contains("secret"), "{:?}", ending(&output));
    let output = other.ctl(&["log", "query", "--controller", &fleet.address]);
    assert!(ending(&output).0 == Some(2) && ending(&output).1.contains("secret"), "{:?}", ending(&output));
    let output = run("dsctl", fleet.scratch(), &["nodes", "--data", "nowhere"]);
    assert!(
        ending(&output).0 == Some(2) && ending(&output).1.contains("dsctl serve"),
        "{:?}",
        ending(&output)
    );
}

#[test]
fn listing_1_is_readable_while_it_runs_and_is_replaced() {
    let mut fleet = Fleet::with_node();
    let image = listing_1(&fleet);
    let (code, runs) = fleet.ship(&image, &["--on", "all", "--wait"]);
    assert_eq!((code, runs[0]["state"].as_str(), runs.len()), (0, Some("true"), 1), "{runs:?}");
    let first = id(&runs[0]);
    let found = samples(&fleet, &first, 3);
    contiguous(&found);
    for record in &found {
        assert_eq!((record["node"].as_str(), record["task"].as_str()), (Some("web-1"), Some("listing1")));
        assert!(record["fields"].as_object().is_some_and(|fields| fields.len() == 17), "{record}");
        assert!(record["fields"]["us"].is_i64() && record["fields"]["free"].is_i64(), "{record}");
    }
    let run = fleet.run(&first);
    assert!(run["lives"] == true && run["state"] == "true" && run["gone"].is_null(), "it goes on: {run}");
    // The controller's data folder tells the same without the controller.
    let output = finish(command("dsctl", fleet.scratch()).args(["log", "query", "--json", "--limit", "1"]));
    assert_eq!(json_lines(&output.stdout).len(), 1);
    let vmstat = fleet.mark.running("vmstat");
    assert_eq!(vmstat.len(), 1, "{:?}", fleet.mark.all());

    // Shipped again, it takes the place of the running one.
    let second = fleet.ship_one(&image, &["--wait"]);
    let run = fleet.over(&first);
    assert!(run["lives"] == false && run["state"] == "true", "its result stands: {run}");
    samples(&fleet, &second, 1);
    let replaced = fleet.mark.running("vmstat");
    assert!(replaced.len() == 1 && replaced != vmstat, "the old vmstat is gone: {:?}", fleet.mark.all());

    // Under a name of its own it runs beside it.
    let third = fleet.ship_one(&image, &["--as", "another", "--wait"]);
    samples(&fleet, &third, 1);
    assert_eq!(fleet.mark.running("vmstat").len(), 2);
    let run = fleet.run(&third);
    assert_eq!((run["label"].as_str(), run["task"].as_str()), (Some("another"), Some("listing1")));
    assert_eq!(fleet.json(&["nodes", "--json"])[0]["runs"], 2);

    // One is stopped by the beginning of its id, the other by its node's end.
    let stopped = fleet.json(&["stop", &second[..16], "--json"]);
    assert_eq!(stopped[0]["run"], second);
    assert_eq!(fleet.over(&second)["state"], "true", "its result stands");
    assert_eq!(fleet.mark.running("vmstat").len(), 1);
    let output = fleet.ctl(&["stop", &second]);
    assert!(output.status.success() && text(&output.stderr).contains("is over"), "{}", text(&output.stderr));
    for bad in ["zz", "0000000000000000"] {
        assert_eq!(fleet.ctl(&["stop", bad]).status.code(), Some(2));
        assert_eq!(fleet.ctl(&["runs", bad]).status.code(), Some(2));
    }
    fleet.node("web-1").signal(libc::SIGTERM);
    assert_eq!(fleet.node("web-1").wait().code(), Some(0));
    fleet.over(&third);
    nothing_runs(&fleet);
    let ids: BTreeSet<String> =
        fleet.json(&["runs", "--json"]).as_array().expect("a list").iter().map(id).collect();
    assert_eq!(ids, BTreeSet::from([first, second, third]));
    wait_for("vmstat to be gone", || fleet.mark.running("vmstat").is_empty().then_some(()));
}

#[test]
fn a_body_that_goes_on_is_stopped_and_replaced() {
    let fleet = Fleet::with_node();
    let spin = compile(fleet.scratch(), "spin", "int x = 0;\nwhile (true) { x = 1 - x; }");
    let wait = compile(
        fleet.scratch(),
        "wait",
        "print(\"begun\");\nOutput o = try new Command(\"sleep\", \"1000\").run();\nprint(o.exitCode());",
    );
    let begun = |run: &str| {
        wait_for("it to run", || (fleet.run(run)["state"] == "running").then_some(()));
    };
    let first = fleet.ship_one(&spin, &["--as", "it"]);
    begun(&first);
    let second = fleet.ship_one(&wait, &["--as", "it"]);
    let run = fleet.over(&first);
    let reason = run["reason"].as_str().expect("a reason");
    assert!(
        run["state"] == "stopped" && reason.contains("replaced") && reason.contains(&second[..8]),
        "{run}"
    );
    begun(&second);
    wait_for("its child", || (fleet.mark.running("sleep 1000").len() == 1).then_some(()));
    // An operator who waits for it is told.
    let waiting = fleet.command("dsctl").args(["stop", &second]).output().expect("dsctl starts");
    assert!(waiting.status.success());
    let run = fleet.over(&second);
    assert!(run["state"] == "stopped" && run["value"] == false, "{run}");
    assert!(run["reason"].as_str().is_some_and(|reason| reason.contains("operator")), "{run}");
    assert!(fleet.mark.running("sleep").is_empty(), "nothing is left of it");
    nothing_runs(&fleet);
}

#[test]
fn a_killed_node_delivers_when_it_is_back() {
    let mut fleet = Fleet::with_node();
    let (listing, truth) = (listing_1(&fleet), truth(&fleet));
    let witness = compile(fleet.scratch(), "witness", WITNESS);
    let file = fleet.scratch().join("witnessed");
    let setting = format!("file={}", file.display());
    let listing_run = fleet.ship_one(&listing, &["--wait"]);
    for round in 0..2 {
        let _ = fs::remove_file(&file);
        let run = fleet.ship_one(&witness, &["--set", &setting]);
        wait_for("durable counters", || (witnessed(&file).len() > 50).then_some(()));
        fleet.kill_node("web-1");
        wait_for("what it started to be gone", || {
            let left = fleet.mark.all();
            left.iter()
                .all(|(_, line)| line.contains("dsctl serve") || line.contains(" serve "))
                .then_some(())
        });
        let durable = witnessed(&file);
        fleet.start_node("web-1", &[]);
        fleet.delivered(&truth);
        let found = fleet.records(&["n", "--pool", "counters", "--run", &run]);
        contiguous(&found);
        assert!(
            counters(&found).is_superset(&durable),
            "round {round}: {:?}",
            durable.difference(&counters(&found))
        );
        let ended = fleet.over(&run);
        assert_eq!((ended["state"].as_str(), &ended["value"]), (Some("lost"), &false.into()), "{ended}");
        assert!(witnessed(&file) == durable, "it is not run again");
    }
    let samples = fleet.records(&[&SAMPLES[..], &["--run", &listing_run]].concat());
    assert!(!samples.is_empty());
    contiguous(&samples);
    assert_eq!(fleet.over(&listing_run)["state"], "true", "a result that stood stands");
    nothing_runs(&fleet);
}

#[test]
fn a_killed_controller_goes_on_where_it_was() {
    let mut fleet = Fleet::with_node();
    let (listing, truth) = (listing_1(&fleet), truth(&fleet));
    let witness = compile(fleet.scratch(), "witness", WITNESS);
    let file = fleet.scratch().join("witnessed");
    let listing_run = fleet.ship_one(&listing, &["--wait"]);
    let vmstat = fleet.mark.running("vmstat");
    let run = fleet.ship_one(&witness, &["--set", &format!("file={}", file.display())]);
    let mut before = Vec::new();
    for _ in 0..3 {
        let more = witnessed(&file).len() + 50;
        wait_for("counters on the controller", || {
            (fleet.records(&["n", "--pool", "counters"]).len() > more).then_some(())
        });
        before = fleet.records(&["n", "--pool", "counters"]);
        fleet.kill_controller();
        // Cut off, the node goes on.
        let more = witnessed(&file).len() + 20;
        wait_for("the node to go on", || (witnessed(&file).len() > more).then_some(()));
        // The folder can be read as the killed one left it.
        let left = dscript_tests::records(fleet.scratch(), &["n", "--pool", "counters"]);
        assert!(left.len() >= before.len());
        contiguous(&left);
        fleet.start_controller();
        let standing = fleet.run(&run);
        assert!(standing["state"] == "running" && standing["lives"] == true, "{standing}");
        wait_for("the node to come back", || fleet.is_connected("web-1").then_some(()));
    }
    assert_eq!(fleet.mark.running("vmstat"), vmstat, "the node's work was not disturbed");
    for run in [&run, &listing_run] {
        fleet.good(&["stop", run]);
        fleet.over(run);
    }
    fleet.delivered(&truth);
    let found = fleet.records(&["n", "--pool", "counters"]);
    contiguous(&found);
    assert!(found.len() > before.len());
    assert!(counters(&found).is_superset(&witnessed(&file)), "nothing durable is missing");
    contiguous(&samples(&fleet, &listing_run, 2));
    assert_eq!(fleet.run(&run)["state"], "stopped");
    nothing_runs(&fleet);
}

/// What is asked for while one side is away is done when it is back.
#[test]
fn what_is_decided_meanwhile_is_done_later() {
    let mut fleet = Fleet::with_node();
    let listing = listing_1(&fleet);
    let truth = truth(&fleet);
    let old = fleet.ship_one(&listing, &["--wait"]);
    fleet.kill_node("web-1");
    let waiting = fleet.ship_one(&truth, &["--as", "later"]);
    let never = fleet.ship_one(&truth, &["--as", "never"]);
    assert_eq!(fleet.run(&waiting)["state"], "waiting");
    fleet.good(&["stop", &never]);
    assert_eq!(fleet.run(&never)["state"], "stopped");
    // The one that decided it is killed as well.
    fleet.kill_controller();
    fleet.start_controller();
    assert_eq!(fleet.run(&waiting)["state"], "waiting");
    fleet.start_node("web-1", &[]);
    assert_eq!(fleet.over(&waiting)["state"], "true");
    assert_eq!(fleet.over(&never)["state"], "stopped");
    assert_eq!(fleet.over(&old)["state"], "true");
    let results = wait_for("one result", || {
        let found = fleet.records(&["--pool", "task", "--run", &waiting]);
        (!found.is_empty()).then_some(found)
    });
    assert_eq!(results.len(), 1, "it ran once: {results:?}");
    nothing_runs(&fleet);
    let lost = fleet.ctl(&["nodes", "--forget", "nobody"]);
    assert_eq!(lost.status.code(), Some(2));
    fleet.kill_node("web-1");
    let lost = fleet.ship_one(&truth, &["--as", "lost"]);
    fleet.good(&["nodes", "--forget", "web-1"]);
    assert_eq!(fleet.run(&lost)["state"], "lost", "a run on a node that is forgotten does not wait for ever");
}

#[test]
fn only_loopback_is_served() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    for address in ["0.0.0.0:0", "[::]:0"] {
        let output = run("dsctl", scratch.path(), &["serve", "--listen", address]);
        let (code, said) = ending(&output);
        assert_eq!((code, text(&output.stdout).as_str()), (Some(2), ""), "{said}");
        assert!(said.contains("TLS") && said.contains("127.0.0.1"), "{said}");
    }
    for address in ["7700", "", "localhost:http:x", "127.0.0.1:99999"] {
        let output = run("dsctl", scratch.path(), &["serve", "--listen", address]);
        assert_eq!(ending(&output).0, Some(2), "{address}: {}", text(&output.stderr));
    }
    // One controller a data folder.
    let mut fleet = Fleet::start();
    let output = fleet.ctl(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(ending(&output).0 == Some(2) && ending(&output).1.contains("another controller"), "{output:?}");
    let other = Fleet::start();
    let output = other.ctl(&["serve", "--listen", &fleet.address, "--data", "elsewhere"]);
    assert!(ending(&output).0 == Some(2) && ending(&output).1.contains(&fleet.address), "{output:?}");
    assert!(fleet.controller_runs());
}

/// What can never become an address is not tried for ever.
#[test]
fn a_node_needs_an_address() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    for address in ["nonsense", "127.0.0.1", "127.0.0.1:99999", ""] {
        let output = run("dsvm", scratch.path(), &["node", "--controller", address, "--token", "x"]);
        let (code, said) = ending(&output);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("HOST:PORT"), "{said}");
    }
}

#[test]
fn the_demo_shows_samples_and_leaves_nothing() {
    need("vmstat", "procps");
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let temporary = scratch.path().join("temporary");
    fs::create_dir(&temporary).expect("a folder can be made");
    let nothing_left = |mark: &Mark| {
        mark.gone();
        assert_eq!(fs::read_dir(&temporary).expect("the folder can be listed").count(), 0);
        assert!(!scratch.path().join("data").exists(), "the data folder is not touched");
    };
    let demo = |mark: &Mark, args: &[&str]| {
        let mut demo = command("dsctl", scratch.path());
        mark.put(demo.arg("demo").args(args).env("TMPDIR", &temporary));
        demo
    };
    let mark = Mark::new();
    let output = finish(&mut demo(&mark, &["--for", "4s", "--json"]));
    assert_eq!(ending(&output).0, Some(0), "{}", text(&output.stderr));
    let shown = json_lines(&output.stdout);
    assert!(shown.len() >= 3, "{shown:?}");
    contiguous(&shown);
    assert!(shown.iter().all(|record| record["key"] == "key -name" && record["fields"]["us"].is_i64()));
    nothing_left(&mark);

    let output = finish(&mut demo(&mark, &["--for", "2s"]));
    let (code, said) = ending(&output);
    let all = text(&output.stdout) + &said;
    assert_eq!(code, Some(0), "{all}");
    assert!(all.contains("free") && said.contains("dsctl ship"), "samples, and what to type next: {all}");
    nothing_left(&mark);

    // Without vmstat it says what to install.
    let mut without = demo(&mark, &["--for", "1s"]);
    let output = finish(without.env("PATH", &temporary));
    assert!(ending(&output).0 == Some(2) && ending(&output).1.contains("procps"), "{output:?}");
    nothing_left(&mark);
    assert!(good("dsctl", scratch.path(), &["demo", "--help"]).contains("Examples"));

    // Stopped in between, and at last killed: then only its folder stays.
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGKILL] {
        let mark = Mark::new();
        let mut command = demo(&mark, &["--for", "1h"]);
        let mut demo = Running::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
        wait_for("vmstat", || (!mark.running("vmstat").is_empty()).then_some(()));
        demo.signal(signal);
        let status = demo.wait();
        if signal == libc::SIGKILL {
            mark.gone();
        } else {
            assert_eq!(status.code(), Some(130));
            nothing_left(&mark);
        }
    }
}
