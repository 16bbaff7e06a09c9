//! Programs of the subset that D-Script shares with Java, each beside the Java program that prints the same.
//!
//! What they print stands in `NAME.out`. Here our side is held to it; `tools/compare-java` holds a JDK to it.

use dscript_tests::{corpus, expect, report, run, text};
use std::ffi::OsStr;

#[test]
fn java_words_have_javas_meaning() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let mut failures = Vec::new();
    for file in corpus("tests/java", "ds") {
        let image = scratch.path().join("program.dsb");
        let args = [OsStr::new("compile"), file.as_os_str(), OsStr::new("-o"), image.as_os_str()];
        let compiled = run("dsc", scratch.path(), &args);
        if !compiled.status.success() {
            failures.push(format!("{} does not compile:\n{}", file.display(), text(&compiled.stderr)));
            continue;
        }
        let output = run("dsvm", scratch.path(), &[OsStr::new("exec"), image.as_os_str()]);
        let printed = text(&output.stdout) + &text(&output.stderr);
        expect(&file.with_extension("out"), &printed, &mut failures);
    }
    report(&failures);
}

#[test]
fn every_program_has_its_java_twin() {
    let with = |extension: &str| -> Vec<_> {
        corpus("tests/java", extension).iter().map(|f| f.with_extension("")).collect()
    };
    assert_eq!(with("ds"), with("java"));
    assert_eq!(with("ds"), with("out"));
    assert!(with("ds").len() >= 40);
}
