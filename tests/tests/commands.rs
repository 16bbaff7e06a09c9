//! What `dsc` says and does at the edges: files that are not there, output to a pipe, answers for programs.

use std::fs;

use dscript_tests::{good, json_lines, run, text};

fn scratch() -> tempfile::TempDir {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let write =
        |name: &str, text: &str| fs::write(scratch.path().join(name), text).expect("a file can be written");
    write("good.ds", "print(1);\n");
    write("loose.ds", "int  x=1;\nprint(x);\n");
    write("broken.ds", "int x = ;\n");
    scratch
}

#[test]
fn fmt_answers_programs() {
    let scratch = scratch();
    let files = ["good.ds", "loose.ds", "broken.ds"];
    let said = |args: &[&str]| {
        let output = run("dsc", scratch.path(), &[args, &files[..]].concat());
        let lines = json_lines(&output.stdout);
        let word = |line: &serde_json::Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let told: Vec<_> = lines.iter().map(|line| (word(line, "file"), word(line, "outcome"))).collect();
        (output.status.code(), told)
    };
    let pair = |file: &str, outcome: &str| (file.to_owned(), outcome.to_owned());
    let broken = pair("broken.ds", "error");
    assert_eq!(
        said(&["fmt", "--check", "--json"]),
        (Some(1), vec![pair("loose.ds", "differs"), broken.clone()])
    );
    assert_eq!(said(&["fmt", "--json"]), (Some(1), vec![pair("loose.ds", "changed"), broken.clone()]));
    assert_eq!(said(&["fmt", "--check", "--json"]), (Some(1), vec![broken]));
}

#[test]
fn files_that_are_not_there_are_named() {
    let scratch = scratch();
    for command in ["check", "fmt", "test"] {
        let output = run("dsc", scratch.path(), &[command, "nope", "good.ds", "neither.ds"]);
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(text(&output.stderr), "dsc: nope, neither.ds: there is no such file or folder\n");
    }
}

#[test]
fn an_image_can_go_to_a_pipe() {
    let scratch = scratch();
    let output = run("dsc", scratch.path(), &["compile", "good.ds", "-o", "-"]);
    assert!(output.status.success() && text(&output.stderr).is_empty());
    good("dsc", scratch.path(), &["compile", "good.ds"]);
    assert_eq!(output.stdout, fs::read(scratch.path().join("good.dsb")).expect("it is there"));
    assert!(!scratch.path().join("-").exists());
    let output = run("dsc", scratch.path(), &["compile", "good.ds", "--standalone", "-o", "-"]);
    assert!(output.status.success() && output.stdout.starts_with(b"\x7fELF"), "{}", text(&output.stderr));
    let output = run("dsc", scratch.path(), &["test", "good.ds", "--junit", "-"]);
    assert!(text(&output.stdout).starts_with("<?xml"), "and nothing else: {}", text(&output.stdout));
    let output = run("dsc", scratch.path(), &["test", "good.ds", "--junit", "-", "--json"]);
    assert_eq!(output.status.code(), Some(2), "both on one stream");
    assert!(!scratch.path().join("-").exists());
}

#[test]
fn a_test_needs_some_time() {
    let output = run("dsc", scratch().path(), &["test", "good.ds", "--limit", "0s"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("a test needs some time"), "{}", text(&output.stderr));
}
