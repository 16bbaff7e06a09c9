//! Scenarios as images hold them and as `dsc inspect` shows them. What is refused is in `tests/reject`.
//!
//! `UPDATE=1 cargo test -p dscript-tests` rewrites the drawings; the difference is reviewed.

use dscript_bytecode::image::Image;
use dscript_bytecode::scenario::{Setting, Work};
use dscript_tests::{ending, expect, good, report, root, run};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn scratch() -> TempDir {
    tempfile::tempdir().expect("a scratch folder can be made")
}

fn compile_file(scratch: &Path, file: &Path) -> PathBuf {
    let image = scratch.join("program.dsb");
    let args = ["compile".as_ref(), file.as_os_str(), "-o".as_ref(), image.as_os_str()];
    good("dsc", scratch, &[&args[..], &[OsStr::new("--deny-warnings")]].concat());
    image
}

fn inspect(scratch: &Path, image: &Path, options: &[&str]) -> String {
    let mut args = vec![OsStr::new("inspect"), image.as_os_str()];
    args.extend(options.iter().map(OsStr::new));
    good("dsc", scratch, &args)
}

/// The part of the text that is about scenarios.
fn section(text: &str) -> String {
    let (_, rest) = text.split_once("\nscenarios\n").expect("there are scenarios");
    rest.split("\n\n").next().unwrap_or_default().to_string() + "\n"
}

#[test]
fn scenarios_are_shown_and_drawn() {
    let scratch = scratch();
    let mut failures = Vec::new();
    for (name, file) in [("cachecare", "examples/cachecare.ds"), ("escapes", "tests/graph/escapes.ds")] {
        let image = compile_file(scratch.path(), &root().join(file));
        let at = root().join("tests/graph").join(name);
        let show = |options: &[&str]| inspect(scratch.path(), &image, options);
        expect(&at.with_extension("mermaid"), &show(&["--graph", "mermaid"]), &mut failures);
        expect(&at.with_extension("dot"), &show(&["--graph", "dot"]), &mut failures);
        expect(&at.with_extension("txt"), &section(&show(&[])), &mut failures);
        let json: Value = serde_json::from_str(&show(&["--json"])).expect("the output is JSON");
        let json = serde_json::to_string_pretty(&json["scenarios"]).expect("JSON can be written");
        expect(&at.with_extension("json"), &(json + "\n"), &mut failures);
    }
    report(&failures);
}

#[test]
fn what_is_not_said_has_a_default() {
    let scratch = scratch();
    let image = compile_file(scratch.path(), &root().join("tests/graph/escapes.ds"));
    let image = Image::from_bytes(&fs::read(image).expect("the image is there")).expect("it is an image");
    let Work::Watch { monitors, .. } = &image.manifest.scenarios[0].states[0].work else {
        panic!("the first state watches");
    };
    assert_eq!(monitors[1].within, Setting::Constant(600_000_000_000), "ten minutes");
    assert_eq!(monitors[1].failing, Setting::Constant(1));
    assert_eq!(monitors[1].call.args.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, false]);
}

#[test]
fn tasks_of_other_modules_come_along() {
    let scratch = scratch();
    let write = |path: &str, text: &str| {
        let path = scratch.path().join(path);
        fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("a folder can be made");
        fs::write(path, text).expect("the scratch folder can be written");
    };
    write(
        "care/checks.ds",
        "monitor task up(String unit) { return unit != \"\"; }\nmonitor task unused() {}\n\
         recover task watch() {} undo { print(\"undone\"); }\n",
    );
    write(
        "watch.ds",
        "import care.checks.*;\n\nscenario Watch(String unit) {\n    initial state On {\n        \
         monitor up(unit) every 5s;\n        on failure go Off;\n    }\n    state Off {\n        \
         recover watch() verify up(unit);\n        on success go On;\n        on failure go On;\n    }\n}\n",
    );
    let names = |file: &str| {
        let image = compile_file(scratch.path(), &scratch.path().join(file));
        let image = Image::from_bytes(&fs::read(image).expect("the image is there")).expect("it is an image");
        image.manifest.tasks.into_iter().map(|task| task.name).collect::<Vec<_>>()
    };
    assert_eq!(names("watch.ds"), ["up", "watch"], "each once, and only those that are used");
    // A script that has the name of an imported task keeps it.
    let script = fs::read_to_string(scratch.path().join("watch.ds")).expect("it was written") + "print(1);\n";
    write("watch.ds", &script);
    assert_eq!(names("watch.ds"), ["watch", "up", "care.checks.watch"]);
}

#[test]
fn programs_without_scenarios_are_not_drawn() {
    let scratch = scratch();
    let image = compile_file(scratch.path(), &root().join("examples/run/hello.ds"));
    let args = [OsStr::new("inspect"), image.as_os_str(), OsStr::new("--graph"), OsStr::new("dot")];
    let (status, said) = ending(&run("dsc", scratch.path(), &args));
    assert_eq!(status, Some(2));
    assert!(said.contains("the program has no scenario to draw"), "{said}");
}
