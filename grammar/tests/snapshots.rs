//! Whole files: the tree of good ones, the diagnostics of bad ones. `UPDATE=1` rewrites what is expected.

mod common;

use common::{inputs, read, snapshot};

#[test]
fn good_files_give_these_trees() {
    let mut failures = Vec::new();
    for (path, text) in inputs("parse") {
        let read = read(&path.file_name().expect("a name").to_string_lossy(), &text);
        if !read.parsed.diagnostics.is_empty() {
            failures.push(read.diagnostics());
        }
        snapshot(&path.with_extension("txt"), &read.dump(), &mut failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn bad_files_give_these_diagnostics() {
    let mut failures = Vec::new();
    for (path, text) in inputs("errors") {
        let read = read(&path.file_name().expect("a name").to_string_lossy(), &text);
        let actual = format!(
            "{}\n{}\n---- tree ----\n{}",
            read.parsed.diagnostics.len(),
            read.diagnostics(),
            read.dump()
        );
        snapshot(&path.with_extension("txt"), &actual, &mut failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
