//! `--json`: every command that prints data has it, and what it prints is JSON with the fields that the manual names.

use std::fs;
use std::path::Path;

use dscript_tests::fleet::Fleet;
use dscript_tests::{compile, json_lines, run, text};
use serde_json::Value;

/// Commands whose output is no data: they make a file or a folder, speak a protocol, or are stopped by whoever reads them.
const WITHOUT: [&str; 6] = ["dsc new", "dsc lsp", "dsvm exec", "dsvm node", "dsctl serve", "dsctl log"];

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a scratch folder can be made")
}

fn help(scratch: &Path, command: &[&str]) -> String {
    let output = run(command[0], scratch, &[&command[1..], &["--help"]].concat());
    assert_eq!(output.status.code(), Some(0), "{command:?} --help");
    text(&output.stdout)
}

/// The names in the list of commands of a help text.
fn subcommands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names =
        lines.take_while(|line| line.starts_with("  ")).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn every_command_that_prints_data_has_it() {
    let scratch = scratch();
    let mut left: Vec<Vec<String>> = ["dsc", "dsvm", "dsctl"].map(|name| vec![name.to_owned()]).to_vec();
    let mut seen = 0;
    while let Some(command) = left.pop() {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let help = help(scratch.path(), &words);
        for name in subcommands(&help) {
            left.push([&command[..], &[name]].concat());
        }
        if command.len() == 1 {
            continue;
        }
        seen += 1;
        let shown = command.join(" ");
        let has = ["--json", "--message-format"].iter().any(|option| help.contains(option));
        assert_eq!(has, !WITHOUT.contains(&shown.as_str()), "{shown}\n{help}");
        assert!(help.contains("Example"), "{shown} has no examples\n{help}");
    }
    assert!(seen > 20, "{seen} commands");
}

/// What a command prints, one value a line or one in all, each an object with these fields.
fn objects(output: &std::process::Output, code: i32, fields: &[&str]) {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let all = match serde_json::from_slice(&output.stdout) {
        Ok(Value::Array(all)) => all,
        Ok(one) => vec![one],
        Err(_) => json_lines(&output.stdout),
    };
    assert!(!all.is_empty(), "{output:?}");
    for value in all {
        let object = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
        for field in fields {
            assert!(object.contains_key(*field), "`{field}` is missing: {value}");
        }
    }
}

#[test]
fn compilers_print_it() {
    let scratch = scratch();
    let folder = scratch.path();
    let write =
        |name: &str, source: &str| fs::write(folder.join(name), source).expect("a file can be written");
    write("bad.ds", "int x = ;\n");
    write("ugly.ds", "print( 1);\n");
    write("good.ds", "/** One. */\nint one() { return 1; }\ntask Run(int n = 1) { print(n); }\n");
    write("tests.ds", "test \"a\" { assert 1 == 1; }\n");
    let check = |args: &[&str], code: i32, fields: &[&str]| objects(&run("dsc", folder, args), code, fields);
    let diagnostic = ["code", "severity", "message", "file", "span", "labels", "help", "edits"];
    check(&["check", "bad.ds", "--message-format", "json"], 1, &diagnostic);
    check(&["compile", "bad.ds", "--message-format", "json"], 1, &diagnostic);
    check(&["fmt", "--check", "ugly.ds", "--json"], 1, &["file", "outcome"]);
    assert_eq!(run("dsc", folder, &["compile", "good.ds"]).status.code(), Some(0));
    check(&["inspect", "good.dsb", "--json"], 0, &["tasks", "capabilities", "scenarios"]);
    check(&["test", "tests.ds", "--json"], 0, &["name", "file", "line", "status"]);
    check(&["doc", "good.ds", "-o", "manual", "--json"], 0, &["title", "modules", "files"]);
    check(&["explain", "E0001", "--json"], 0, &["code", "title", "severity", "text"]);
    check(&["explain", "--json"], 0, &["code", "title"]);
}

#[test]
fn fleets_print_it() {
    let fleet = Fleet::with_node();
    let source =
        "print(\"hello\");\nLogPool pool = try LogPool.open(\"p\");\ntry pool.put(\"k\", {\"n\": 1});\n";
    let image = compile(fleet.scratch(), "hello", source);
    let image = image.to_str().expect("a path in text");
    let check = |args: &[&str], fields: &[&str]| objects(&fleet.ctl(args), 0, fields);
    check(&["nodes", "--json"], &["name", "labels"]);
    check(&["ship", image, "--on", "all", "--wait", "--json"], &["run", "node", "state"]);
    check(&["runs", "--json"], &["run", "node", "state"]);
    check(&["token", "--json"], &["token"]);
    let run = dscript_tests::fleet::id(&fleet.json(&["runs", "--json"])[0]);
    check(&["runs", &run, "--json"], &["run", "node", "state"]);
    let records = || fleet.records(&["k"]);
    dscript_tests::wait_for("the record", || (!records().is_empty()).then_some(()));
    check(&["log", "query", "k", "--json"], &["time", "pool", "key", "node", "task", "run", "seq", "fields"]);
    check(&["log", "pools", "--json"], &["pool", "key", "nodes", "records", "first", "last"]);
    check(&["log", "verify", "--json"], &["segments", "blocks", "records", "waiting", "problems"]);
    check(&["log", "query", "k", "--stats", "count(n)", "--json"], &["count(n)"]);
}
