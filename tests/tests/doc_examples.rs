//! The examples in the library's doc comments: each is a script that is compiled and run.
//!
//! An example is a block fenced by "```d-script". Every line that prints says what: `print(x); // 42`. An example of
//! what needs more than any machine has is fenced by "```" alone, and compiled only.

use dscript_tests::{report, root, run, text};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

/// Where every declaration has an example.
const PURE: &[&str] =
    &["text.ds", "numbers.ds", "list.ds", "map.ds", "set.ds", "json.ds", "regex.ds", "random.ds"];

struct Example {
    /// `std/text.ds:12`
    place: String,
    code: String,
    /// Whether it is run.
    runs: bool,
}

/// The examples of one file of the library.
fn examples(path: &Path) -> Vec<Example> {
    let source = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
    let mut all = Vec::new();
    let mut open: Option<Example> = None;
    for (index, line) in source.lines().enumerate() {
        let line = line.trim_start();
        let line = line.strip_prefix("* ").or(line.strip_prefix('*')).unwrap_or(line);
        match &mut open {
            None if line == "```d-script" || line == "```" => {
                let place = format!("std/{name}:{}", index + 1);
                open = Some(Example { place, code: String::new(), runs: line != "```" });
            }
            None => {}
            Some(_) if line == "```" => all.extend(open.take()),
            Some(example) => {
                example.code.push_str(line);
                example.code.push('\n');
            }
        }
    }
    assert!(open.is_none(), "{name}: the last example does not end");
    all
}

/// What the lines that print say they do.
fn promised(code: &str) -> String {
    let said = code.lines().filter(|line| line.contains("print("));
    said.filter_map(|line| line.rsplit_once("; // ")).map(|(_, what)| format!("{what}\n")).collect()
}

/// What is wrong with an example, if anything is.
fn try_out(example: &Example) -> Option<String> {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let file = scratch.path().join("example.ds");
    fs::write(&file, &example.code).expect("the scratch folder can be written");
    // A script that examples embed.
    fs::write(scratch.path().join("fix.sh"), "#!/bin/sh\n").expect("the scratch folder can be written");
    let command = if example.runs { "compile" } else { "check" };
    let compiled = run("dsc", scratch.path(), &[OsStr::new(command), file.as_os_str()]);
    let place = &example.place;
    if !compiled.status.success() {
        return Some(format!("{place} does not compile:\n{}", text(&compiled.stderr)));
    }
    if !example.runs {
        return None;
    }
    let output = run("dsvm", scratch.path(), &[OsStr::new("exec"), OsStr::new("example.dsb")]);
    let (printed, promised) = (text(&output.stdout), promised(&example.code));
    let errors = text(&output.stderr);
    if printed != promised || !errors.is_empty() || !output.status.success() {
        return Some(format!("{place} promises\n{promised}and prints\n{printed}{errors}"));
    }
    None
}

#[test]
fn examples_of_the_library_run() {
    let mut all = Vec::new();
    for file in dscript_tests::corpus("std", "ds") {
        all.extend(examples(&file));
    }
    assert!(all.len() > 200, "the library has {} examples", all.len());
    let (next, failures) = (Mutex::new(all.iter()), Mutex::new(Vec::new()));
    let take = || next.lock().expect("no thread panics with it").next();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(example) = take() {
                    if let Some(wrong) = try_out(example) {
                        failures.lock().expect("no thread panics with it").push(wrong);
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().expect("no thread panics with it");
    failures.sort();
    report(&failures);
}

/// Of the files that need no machine, every declaration that a program can use shows how.
#[test]
fn every_pure_declaration_has_an_example() {
    let mut failures = Vec::new();
    for name in PURE {
        let source = fs::read_to_string(root().join("std").join(name)).expect("the library can be read");
        let mut is_private = false;
        // Whether the comment above had an example.
        let mut shown = false;
        let mut comment = false;
        for (index, line) in source.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let line = line.trim_start();
            if line.starts_with("/**") {
                (comment, shown) = (!line.ends_with("*/"), false);
            } else if comment {
                shown |= line.contains("```d-script");
                comment = !line.ends_with("*/");
            } else if ["@Ordered", "@Numeric", "@Comparable"].iter().any(|a| line.starts_with(a)) {
                // What it says of a declaration stands between that and its comment.
            } else if indent == 0 && line.ends_with('{') {
                is_private = line.starts_with("private ");
                if !is_private && !shown {
                    failures.push(format!("std/{name}:{}: {line}", index + 1));
                }
                shown = false;
            } else if indent == 4 && !line.starts_with("private ") && !is_private {
                // The second line of a signature ends in `) {` or `;` too, but declares nothing.
                let declares =
                    line.contains('(') && (line.ends_with('{') || line.ends_with('}') || line.ends_with(';'));
                let is_text = line.starts_with("String toString()") || line.starts_with("@Override");
                if declares && !is_text && !shown {
                    failures.push(format!("std/{name}:{}: {line}", index + 1));
                }
                shown = false;
            }
        }
    }
    report(&failures);
}
