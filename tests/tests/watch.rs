//! `dsctl log watch`: says when a condition over a window of log records turns.

use std::fs::{self, File};
use std::path::Path;

use dscript_tests::{Running, command, good, json_lines, run, text, wait_for};

const TASK: &str = r#"
record Load(int us) {}
task Put(int us) {
    LogPool pool = try LogPool.open("load");
    try pool.put("cpu", new Load(us));
    return true;
}
"#;

fn put(scratch: &Path, us: i64) {
    good("dsvm", scratch, &["exec", "task.dsb", "--set", &format!("us={us}")]);
}

#[test]
fn a_condition_turns_with_records_and_with_time() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let scratch = scratch.path();
    fs::write(scratch.join("task.ds"), TASK).expect("a file can be written");
    good("dsc", scratch, &["compile", "task.ds"]);
    put(scratch, 10);
    let said = scratch.join("said");
    let mut watching = command("dsctl", scratch);
    watching.args([
        "log",
        "watch",
        "cpu",
        "--when",
        "max(us) > 50",
        "--over",
        "3s",
        "--by",
        "node",
        "--json",
    ]);
    watching.stdout(File::create(&said).expect("a file can be made"));
    let _watching = Running::start(&mut watching);
    let lines = || json_lines(&fs::read(&said).expect("it is there"));
    // Nobody knows when it begins to watch.
    let first = wait_for("it to turn true", || {
        put(scratch, 60);
        lines().first().cloned()
    });
    assert_eq!((&first["holds"], &first["max(us)"]), (&true.into(), &60.into()), "{first}");
    assert!(first["node"].is_string(), "{first}");
    let second = wait_for("the window to move on", || lines().get(1).cloned());
    assert_eq!((&second["holds"], &second["max(us)"]), (&false.into(), &serde_json::Value::Null), "{second}");
    put(scratch, 70);
    wait_for("it to turn true again", || lines().get(2).cloned());
    let output =
        run("dsctl", scratch, &["log", "watch", "cpu", "--when", "count() >= 3", "--over", "1h", "--once"]);
    assert!(
        output.status.success() && text(&output.stdout).contains("true  count() is 3"),
        "{}",
        text(&output.stdout)
    );
    for (when, says) in [("us > 5", "no aggregate"), ("count() > \"a\"", "a number is never equal to a text")]
    {
        let output = run("dsctl", scratch, &["log", "watch", "cpu", "--when", when, "--over", "1h"]);
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(says), "{when}: {said}");
    }
}

/// In a folder that is not there nothing would ever come.
#[test]
fn a_missing_folder_is_not_waited_for() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let watch = ["log", "watch", "--when", "count() > 1", "--over", "1m"];
    for (args, named) in [
        (&["log", "tail"][..], "/data"),
        (&["log", "tail", "--data", "gone"], "gone"),
        (&["log", "tail", "--at", "redb:gone"], "gone"),
        (&watch, "/data"),
    ] {
        let output = run("dsctl", scratch.path(), args);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains("there is no data folder ") && said.contains(named), "{args:?}: {said}");
    }
}
