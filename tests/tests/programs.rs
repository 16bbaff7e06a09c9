//! Programs with expected output beside them, run on every engine, and rejected programs with the diagnostics a
//! user sees.
//!
//! `UPDATE=1 cargo test -p dscript-tests` rewrites what is expected; the difference is reviewed.

use dscript_tests::{corpus, expect, report, root, run, text};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The options of each. The last looks at the interpreter at every jump and call, and compiles what it is at.
const ENGINES: [&[&str]; 5] = [
    &["--engine=interp"],
    &["--engine=jit"],
    &["--engine=auto"],
    &["--engine=native"],
    &["--engine=auto", "--look-every=1"],
];

/// Compiles one program, with machine code where an engine needs it; the error is what the compiler says.
fn compile_program(file: &Path, native: bool, scratch: &Path) -> Result<PathBuf, String> {
    let image = scratch.join("program.dsb");
    let mut args = vec![
        OsStr::new("compile"),
        file.as_os_str(),
        OsStr::new("-o"),
        image.as_os_str(),
        OsStr::new("--deny-warnings"),
    ];
    args.extend(native.then_some(OsStr::new("--native")));
    let compile = run("dsc", &root(), &args);
    if !compile.status.success() {
        return Err(format!("does not compile:\n{}", text(&compile.stderr)));
    }
    Ok(image)
}

/// Runs a program: what it prints, what it says on stderr, and how it ends.
fn run_program(image: &Path, engine: &[&str], scratch: &Path) -> String {
    let args = [OsStr::new("exec"), image.as_os_str()].into_iter().chain(engine.iter().map(OsStr::new));
    let output = run("dsvm", scratch, &args.collect::<Vec<_>>());
    let mut all = text(&output.stdout);
    let errors = without_library_lines(&text(&output.stderr));
    if !errors.is_empty() {
        all.push_str("--- stderr\n");
        all.push_str(&errors);
    }
    match output.status.code() {
        Some(0) => {}
        Some(code) => all.push_str(&format!("--- exit {code}\n")),
        None => all.push_str(&format!("--- {}\n", output.status)),
    }
    all
}

/// Calls within the library without their lines, which move with its text.
fn without_library_lines(report: &str) -> String {
    let line = |line: &str| match line.find("(std/").and_then(|at| Some(at + line[at..].find(".ds:")?)) {
        Some(end) => format!("{}.ds)\n", &line[..end]),
        None => format!("{line}\n"),
    };
    report.lines().map(line).collect()
}

/// What is not as expected when a program runs on every engine.
fn run_file(file: &Path) -> Vec<String> {
    let mut failures = Vec::new();
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let image = match compile_program(file, false, scratch.path()) {
        Ok(image) => image,
        Err(why) => {
            expect(&file.with_extension("out"), &why, &mut failures);
            return failures;
        }
    };
    let mut first = None;
    for engine in ENGINES {
        // What one run leaves must not be there for the next.
        let folder = tempfile::tempdir().expect("a scratch folder can be made");
        if engine.contains(&"--engine=native") {
            compile_program(file, true, scratch.path()).expect("it compiled before");
        }
        let actual = run_program(&image, engine, folder.path());
        match &first {
            None => {
                expect(&file.with_extension("out"), &actual, &mut failures);
                first = Some(actual);
            }
            Some(first) if *first != actual => failures.push(format!(
                "--- {} with {} prints\n{first}--- but with {}\n{actual}",
                file.display(),
                ENGINES[0].join(" "),
                engine.join(" ")
            )),
            Some(_) => {}
        }
    }
    failures
}

/// Programs that are run at once: many of them mostly wait.
const AT_ONCE: usize = 4;

fn run_corpus(folder: &str) {
    let files = corpus(folder, "ds");
    let failures = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let found = run_file(file);
            failures.lock().expect("no panic").extend(found);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(work);
        }
    });
    report(&failures.into_inner().expect("no panic"));
}

#[test]
fn programs_print_what_is_expected() {
    run_corpus("tests/run");
}

#[test]
fn bugs_trap_with_their_place() {
    run_corpus("tests/trap");
}

#[test]
fn examples_run() {
    run_corpus("examples/run");
}

/// The first one stands as it was printed.
#[test]
fn examples_and_std_are_in_the_one_style() {
    let folders = ["examples", "examples/run", "examples/tests", "std"];
    let files = folders.iter().flat_map(|folder| corpus(folder, "ds"));
    let files: Vec<_> = files.filter(|file| !file.ends_with("listing1.ds")).collect();
    let args = [OsStr::new("fmt"), OsStr::new("--check")];
    let args: Vec<&OsStr> = args.into_iter().chain(files.iter().map(|file| file.as_os_str())).collect();
    let checked = run("dsc", &root(), &args);
    assert!(checked.status.success(), "not in the one style:\n{}", text(&checked.stdout));
}

#[test]
fn mistakes_are_reported_as_expected() {
    let mut failures = Vec::new();
    for file in corpus("tests/reject", "ds") {
        let inside = file.strip_prefix(root()).expect("the corpus is in the repository");
        let output = run("dsc", &root(), &[OsStr::new("check"), inside.as_os_str()]);
        assert_eq!(output.status.code(), Some(1), "{} is rejected", inside.display());
        expect(&file.with_extension("err"), &text(&output.stderr), &mut failures);
    }
    report(&failures);
}
