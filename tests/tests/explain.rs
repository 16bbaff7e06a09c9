//! `dsc explain` and `dsc new`: every wrong example has exactly the mistake it is for, every right one has none.

use dscript_tests::{ending, good, json_lines, root, run, text};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Codes without examples: input that is no UTF-8, or too large.
const WITHOUT_EXAMPLES: [&str; 3] = ["E0003", "E0010", "E0015"];

fn names(found: &[Value]) -> Vec<String> {
    found.iter().map(|d| d["code"].as_str().expect("a code").to_owned()).collect()
}

/// Writes a block: the last of its files, each after a line `// file: NAME`, or the whole; gives its name.
fn write(folder: &Path, block: &str) -> String {
    let mut files: Vec<(&str, String)> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("// file: "), files.last_mut()) {
            (Some(name), _) => files.push((name, String::new())),
            (None, Some((_, text))) => *text += &format!("{line}\n"),
            (None, None) => files.push(("main.ds", format!("{line}\n"))),
        }
    }
    for (name, text) in &files {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().expect("a file stands in a folder")).expect("folders can be made");
        fs::write(file, text).expect("a file can be written");
    }
    files.last().map_or("main.ds", |(name, _)| name).to_owned()
}

/// The codes of what `dsc check` says, and, where that is nothing, of what `dsc compile` says.
fn codes(block: &str) -> Vec<String> {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let file = write(scratch.path(), block);
    let say = |command: &str| {
        let output = run("dsc", scratch.path(), &[command, file.as_str(), "--message-format", "json"]);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{}", text(&output.stderr));
        names(&json_lines(&output.stdout))
    };
    let checked = say("check");
    if checked.is_empty() { say("compile") } else { checked }
}

#[test]
fn examples_have_their_mistake_and_no_other() {
    let listed = json_lines(good("dsc", &root(), &["explain", "--json"]).as_bytes());
    assert!(listed.len() > 80, "all codes are listed");
    for code in names(&listed) {
        let page = &json_lines(good("dsc", &root(), &["explain", &code, "--json"]).as_bytes())[0];
        assert!(page["text"].as_str().is_some_and(|t| !t.is_empty()), "{code} is explained");
        let Some(wrong) = page["wrong"].as_str() else {
            assert!(WITHOUT_EXAMPLES.contains(&code.as_str()), "{code} has no example");
            continue;
        };
        assert_eq!(codes(wrong), [code.as_str()], "the wrong example of {code}:\n{wrong}");
        let right = page["right"].as_str().expect("where there is a wrong one there is a right one");
        let mut found = codes(right);
        // Declarations alone are a library, which is checked but not compiled.
        found.retain(|c| c != "E0112");
        assert!(found.is_empty(), "the right example of {code} gives {found:?}:\n{right}");
    }
}

#[test]
fn a_code_is_explained_in_plain_text() {
    let shown = good("dsc", &root(), &["explain", "e0103"]);
    assert!(shown.starts_with("E0103: no such member\n\n"), "{shown}");
    assert!(
        shown
            .contains("\nWrong:\n\n    print(\"abc\".lenght());\n\nRight:\n\n    print(\"abc\".length());\n")
    );
    assert!(!shown.contains("```"), "{shown}");
    let (code, said) = ending(&run("dsc", &root(), &["explain", "E0200"]));
    let expected = "dsc: there is no code `E0200`; did you mean E0201 (value of another type)?\n";
    assert_eq!((code, said.as_str()), (Some(2), expected));
    let all = good("dsc", &root(), &["explain"]);
    assert!(all.contains("\nE0301  a failure is overlooked\n"), "{all}");
}

#[test]
fn a_new_program_checks_tests_and_compiles() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let output = run("dsc", scratch.path(), &["new", "my-probe"]);
    let (code, said) = ending(&output);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("  cd my-probe\n"), "{said}");
    let folder = scratch.path().join("my-probe");
    assert!(folder.join("dscript.toml").is_file());
    assert_eq!(good("dsc", &folder, &["check", "my-probe.ds", "--deny-warnings"]), "");
    assert_eq!(good("dsc", &folder, &["fmt", "--check", "my-probe.ds"]), "");
    assert!(good("dsc", &folder, &["test", "my-probe.ds"]).contains("1 passed, 0 failed"));
    good("dsc", &folder, &["compile", "my-probe.ds", "--deny-warnings"]);
    let ran = good("dsvm", &folder, &["exec", "my-probe.dsb", "--set", "floor=1"]);
    assert!(ran.contains("MiB are available"), "{ran}");
    // Nothing is ever written over.
    let before = fs::read(folder.join("my-probe.ds")).expect("the program is there");
    fs::write(scratch.path().join("file"), "").expect("a file can be written");
    for name in ["my-probe", "file"] {
        let (code, said) = ending(&run("dsc", scratch.path(), &["new", name]));
        assert_eq!((code, said), (Some(2), format!("dsc: {name}: exists already\n")));
    }
    for name in ["", "3x", "a b", "..", "no/where", "a.ds"] {
        let (code, said) = ending(&run("dsc", scratch.path(), &["new", name]));
        assert_eq!(code, Some(2), "{name}: {said}");
    }
    assert_eq!(fs::read(folder.join("my-probe.ds")).expect("the program is there"), before);
    let count = fs::read_dir(scratch.path()).expect("the folder can be listed").count();
    assert_eq!(count, 2, "nothing else was made");
}
