//! Random programs do the same on every engine. `DSCRIPT_SEEDS=100000 cargo test -p dscript-tests --test engines`
//! runs that many; `DSCRIPT_FIRST_SEED` says where they begin.

use dscript_tests::random::program;
use dscript_tests::{good, report, run, text};
use std::ffi::OsStr;
use std::fs;

fn variable(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |value| value.parse().expect("a number of seeds"))
}

#[test]
fn random_programs_do_the_same_on_every_engine() {
    let first = variable("DSCRIPT_FIRST_SEED", 1);
    let seeds = first..first + variable("DSCRIPT_SEEDS", 25);
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let mut failures = Vec::new();
    for seed in seeds {
        let source = program(seed);
        let file = scratch.path().join("program.ds");
        fs::write(&file, &source).expect("the scratch folder can be written");
        good("dsc", scratch.path(), &[OsStr::new("compile"), file.as_os_str()]);
        let image = file.with_extension("dsb");
        let ends = ["interp", "jit", "auto"].map(|engine| {
            let args = ["--engine", engine, "--for", "20s"].map(OsStr::new);
            let args = [&[OsStr::new("exec"), image.as_os_str()][..], &args].concat();
            let output = run("dsvm", scratch.path(), &args);
            format!("{}\n--- stderr\n{}--- {}\n", text(&output.stdout), text(&output.stderr), output.status)
        });
        // Few programs run for ever; how far one has come then says nothing.
        let stopped = ends.iter().any(|end| end.contains("stderr\nstopped"));
        if !stopped && ends.iter().any(|end| *end != ends[0]) {
            let [interp, jit, auto] = ends;
            failures.push(format!(
                "--- seed {seed} with interp:\n{interp}--- with jit:\n{jit}--- with auto:\n{auto}--- of\n{source}"
            ));
        }
    }
    report(&failures);
}
