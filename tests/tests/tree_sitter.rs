//! The tree-sitter grammar for editors reads every valid program of the repository.

use dscript_tests::{need, root, text};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where valid programs are. What is refused on purpose is elsewhere.
const FOLDERS: &[&str] = &["examples", "std", "tests/run", "tests/trap", "tests/java", "tests/graph"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder is there").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "ds") {
            found.push(path);
        }
    }
}

#[test]
fn every_valid_program_is_read() {
    need("cc", "gcc");
    let grammar = root().join("editors/tree-sitter-dscript");
    let scratch = tempfile::tempdir().expect("there is room for a scratch folder");
    let parse = scratch.path().join("parse");
    let built = Command::new("cc")
        .args(["-O0", "-I"])
        .arg(grammar.join("src"))
        .args([grammar.join("src/parser.c"), grammar.join("test/parse.c")])
        .args(["-ltree-sitter", "-o"])
        .arg(&parse)
        .output()
        .expect("a C compiler starts");
    let said = text(&built.stderr);
    assert!(
        built.status.success(),
        "the grammar is built; where `tree_sitter/api.h` is missing, install the Debian package libtree-sitter-dev:\n{said}"
    );
    let mut files = Vec::new();
    FOLDERS.iter().for_each(|folder| sources(&root().join(folder), &mut files));
    assert!(files.len() > 100, "there are programs to read");
    let output = Command::new(&parse).args(&files).output().expect("the parser starts");
    assert!(
        output.status.success(),
        "every program is read, but for these:\n{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}
