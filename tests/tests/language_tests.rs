//! `dsc test`: the tests in examples/tests with the reports a user sees, and the other forms of them.
//!
//! `UPDATE=1 cargo test -p dscript-tests` rewrites what is expected; the difference is reviewed.

use dscript_tests::{corpus, expect, json_lines, report, root, run, text};
use std::ffi::OsStr;
use std::fs;

/// Times differ from run to run.
fn without_times(output: &str) -> String {
    let line = |line: &str| match line.strip_suffix("ms").and_then(|l| l.rsplit_once(' ')) {
        Some((before, number)) if line.starts_with("ok ") && number.parse::<u64>().is_ok() => {
            format!("{before} TIME\n")
        }
        _ => format!("{line}\n"),
    };
    output.lines().map(line).collect()
}

#[test]
fn tests_report_as_expected() {
    let mut failures = Vec::new();
    for file in corpus("examples/tests", "ds") {
        let inside = file.strip_prefix(root()).expect("the corpus is in the repository");
        let output = run("dsc", &root(), &[OsStr::new("test"), inside.as_os_str()]);
        let mut all = without_times(&text(&output.stdout));
        if !output.stderr.is_empty() {
            all.push_str("--- stderr\n");
            all.push_str(&text(&output.stderr));
        }
        if output.status.code() != Some(0) {
            all.push_str(&format!("--- {}\n", output.status));
        }
        expect(&file.with_extension("out"), &all, &mut failures);
    }
    report(&failures);
}

const SOURCE: &str = "lowlevel boolean! up(String host) {\n    try new Command(\"ping\", host).run();\n    return true;\n}\n\
    \ntest \"good <one>\" {\n    given up(_) returns true;\n    assert try up(\"a\");\n}\n\
    \ntest \"bad & two\" {\n    print(\"a < b\");\n    assert 1 > 2 : \"no \\\"way\\\"\";\n}\n";

#[test]
fn json_is_one_object_a_test() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    fs::write(scratch.path().join("it.ds"), SOURCE).expect("a file can be written");
    let output = run("dsc", scratch.path(), &["test", "it.ds", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let all = json_lines(&output.stdout);
    let field = |name: &str| all.iter().map(|test| test[name].clone()).collect::<Vec<_>>();
    assert_eq!(field("name"), ["good <one>", "bad & two"]);
    assert_eq!(field("status"), ["ok", "failed"]);
    assert_eq!(field("line"), [6, 11]);
    assert_eq!(field("file"), ["it.ds", "it.ds"]);
    assert_eq!(all[1]["reason"], "no \"way\"");
    assert_eq!(all[1]["stack"], serde_json::json!(["bad & two (it.ds:13:5)"]));
    assert_eq!(all[1]["printed"], serde_json::json!(["a < b"]));
}

#[test]
fn junit_is_written() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    fs::write(scratch.path().join("it.ds"), SOURCE).expect("a file can be written");
    fs::write(scratch.path().join("wrong.ds"), "test \"x\" { assert 1; }\n").expect("a file can be written");
    let output = run("dsc", scratch.path(), &["test", "it.ds", "wrong.ds", "--junit", "out.xml"]);
    assert_eq!(output.status.code(), Some(1));
    let xml = fs::read_to_string(scratch.path().join("out.xml")).expect("the results are written");
    assert!(xml.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"), "{xml}");
    assert!(xml.contains("name=\"good &lt;one&gt;\" file=\"it.ds\" line=\"6\""), "{xml}");
    assert!(xml.contains("<failure message=\"no &quot;way&quot;\">"), "{xml}");
    assert!(xml.contains("<system-out>a &lt; b</system-out>"), "{xml}");
    assert!(xml.contains("<testsuite name=\"wrong.ds\" tests=\"1\" failures=\"0\" errors=\"1\""), "{xml}");
}

#[test]
fn filters_folders_and_statuses() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let folder = scratch.path();
    fs::create_dir_all(folder.join("src/deep")).expect("a folder can be made");
    fs::create_dir_all(folder.join("none")).expect("a folder can be made");
    fs::write(folder.join("src/it.ds"), SOURCE).expect("a file can be written");
    // A library without a task can be tested, and a script beside tests does not run.
    let other = "import deep.lib.*;\nprint(\"script\");\ntest \"three\" { assert twice(2) == 4; }\n";
    fs::write(folder.join("src/other.ds"), other).expect("a file can be written");
    let library = "int twice(int n) { return 2 * n; }\ntest \"twice\" { assert twice(3) == 6; }\n";
    fs::write(folder.join("src/deep/lib.ds"), library).expect("a file can be written");
    fs::write(folder.join("none/it.ds"), "print(1);\n").expect("a file can be written");
    let check = |args: &[&str], status: i32, expected: &str| {
        let output = run("dsc", folder, args);
        let shown = without_times(&text(&output.stdout));
        assert_eq!(
            (output.status.code(), shown.as_str()),
            (Some(status), expected),
            "{}",
            text(&output.stderr)
        );
    };
    check(&["test", "src", "--filter", "wice"], 0, "ok twice TIME\n1 passed, 0 failed\n");
    check(&["test", "src/deep", "src/other.ds"], 0, "ok twice TIME\nok three TIME\n2 passed, 0 failed\n");
    check(&["test", "src/it.ds", "--filter", "one"], 0, "ok good <one> TIME\n1 passed, 0 failed\n");
    check(&["test", "src", "--filter", "nobody"], 2, "0 passed, 0 failed\n");
    check(&["test", "none"], 0, "0 passed, 0 failed\n");
    check(&["test", "missing.ds"], 2, "");
    check(&["test"], 2, "");
    fs::write(folder.join("none/wrong.ds"), "test \"x\" { assert 1; }\n").expect("a file can be written");
    check(&["test", "none"], 1, "0 passed, 0 failed\n");
    // Tests are no part of an image.
    check(&["compile", "src/other.ds"], 0, "");
    let output = run("dsc", folder, &["inspect", "src/other.dsb"]);
    assert!(!text(&output.stdout).contains("three"), "{}", text(&output.stdout));
}

#[test]
fn a_test_has_a_limit() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let source = "test \"long\" { while (true) { System.sleep(1s); } }\n";
    fs::write(scratch.path().join("it.ds"), source).expect("a file can be written");
    let output = run("dsc", scratch.path(), &["test", "it.ds", "--limit", "200ms"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("it was not done after 200ms"), "{}", text(&output.stdout));
}

#[test]
fn a_trap_in_what_the_test_started_itself_ends_it() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let source =
        "test \"parts\" {\n    List<int> xs = parallel([0, 5], 2, i -> [1][i]);\n    print(xs);\n}\n";
    fs::write(scratch.path().join("it.ds"), source).expect("a file can be written");
    let output = run("dsc", scratch.path(), &["test", "it.ds", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(json_lines(&output.stdout)[0]["reason"], "trap index: index 5, size 1");
}

#[test]
fn a_scenario_is_told_in_json_and_in_junit() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let source = "monitor task up() { return false; }\nscenario Care() {\n    initial state Up { monitor up(); on failure go Down; }\n\
        \u{20}   final state Down {}\n}\ntest \"care\" {\n    assert !run(scenario Care());\n}\n";
    fs::write(scratch.path().join("it.ds"), source).expect("a file can be written");
    let output = run("dsc", scratch.path(), &["test", "it.ds", "--json", "--junit", "it.xml"]);
    assert_eq!(output.status.code(), Some(1));
    let path = serde_json::json!([{"state": "Up", "at": 0.0}, {"state": "Down", "at": 0.0}]);
    let scenarios = serde_json::json!([{"name": "Care", "end": "final", "path": path}]);
    assert_eq!(json_lines(&output.stdout)[0]["scenarios"], scenarios);
    let junit = fs::read_to_string(scratch.path().join("it.xml")).expect("it was written");
    assert!(junit.contains("the scenario Care ended in Down after 0s: Up (0s) Down (0s)"), "{junit}");
}

/// A given Output goes through what the Command allows, as one of the machine does, and a `given` that nearly fits is named.
#[test]
fn commands_that_are_given() {
    let source = r#"
lowlevel String! disks() {
    Output out = try new Command("df", "-P").allow(2).run();
    return "${out.exitCode()} ${out.text()}";
}

test "a status that is not allowed is an error" {
    given Command("df", "-P") returns Output.of("some", exitCode: 1, stderr: "a\nb\nc\nbad\n"),
        Output.of("all", exitCode: 2), Output.of("all");
    String! failed = disks();
    assert isError(failed);
    assert failed.code == "exit:1" && failed.message == "`df` ended with status 1: b\nc\nbad";
    assert failed.data["exitCode"] == "1" && failed.position.line == 3;
    assert try disks() == "2 all";
    assert try disks() == "0 all";
}

test "what nearly fits" {
    given Command("df", _, _) returns Output.of("");
    given Command("ls") returns Output.of("");
    try disks();
}
"#;
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    fs::write(scratch.path().join("it.ds"), source).expect("a file can be written");
    let output = run("dsc", scratch.path(), &["test", "it.ds"]);
    let said = text(&output.stdout) + &text(&output.stderr);
    for part in [
        "ok a status that is not allowed is an error",
        "`Command(\"df\", \"-P\")` was reached in a test without a `given`; the `given` for `Command(\"df\", _, _)` does not \
         fit: `_` stands for exactly one argument",
    ] {
        assert!(said.contains(part), "`{part}` is in: {said}");
    }
}
