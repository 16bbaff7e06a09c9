//! Random programs do the same on every engine, and those that keep much for long lose nothing of it.
//! `DSCRIPT_SEEDS=100000 cargo nextest run --workspace -E 'binary(engines)'` runs that many of both;
//! `DSCRIPT_FIRST_SEED` says where they begin.
//!
//! The interpreter says how long a program is: a few take minutes without optimization (a recursion of loops that
//! builds texts). Where the interpreter came to the end the other engines must too, in a multiple
//! of its time; where it was stopped, what was printed until then must be the beginning of the same.

use dscript_tests::{good, kept, random, report, root, run, text};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the interpreter has for a program.
const LONG: Duration = Duration::from_secs(12);
/// How much slower another engine may be, and what it may take to begin with; it compiles what may run once.
const SLOWER: u32 = 3;
const BEGIN: Duration = Duration::from_secs(15);

fn variable(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |value| value.parse().expect("a number of seeds"))
}

/// How a program ended on an engine.
struct End {
    stdout: String,
    stderr: String,
    status: String,
}

impl End {
    fn of(image: &Path, engine: &str, time: Duration, scratch: &Path) -> End {
        End::within(image, engine, time, "256MiB", scratch)
    }

    fn within(image: &Path, engine: &str, time: Duration, memory: &str, scratch: &Path) -> End {
        let time = format!("{}ms", time.as_millis());
        let options = ["--engine", engine, "--for", &time, "--memory", memory].map(OsStr::new);
        let args = [OsStr::new("exec"), image.as_os_str()].into_iter().chain(options).collect::<Vec<_>>();
        let output = run("dsvm", scratch, &args);
        End { stdout: text(&output.stdout), stderr: text(&output.stderr), status: output.status.to_string() }
    }

    fn was_stopped(&self) -> bool {
        self.stderr.starts_with("stopped")
    }

    fn shown(&self, engine: &str) -> String {
        format!("--- with {engine}:\n{}--- stderr\n{}--- {}\n", self.stdout, self.stderr, self.status)
    }
}

/// Whether two engines have done the same, as far as both came.
fn alike(one: &End, other: &End) -> bool {
    match (one.was_stopped(), other.was_stopped()) {
        (false, false) => {
            one.stdout == other.stdout && one.stderr == other.stderr && one.status == other.status
        }
        (true, true) => begins(&one.stdout, &other.stdout) || begins(&other.stdout, &one.stdout),
        (true, false) => begins(&one.stdout, &other.stdout),
        (false, true) => begins(&other.stdout, &one.stdout),
    }
}

/// Whether a text is the beginning of another, its last line apart, which may have been cut.
fn begins(start: &str, whole: &str) -> bool {
    whole.starts_with(&start[..start.rfind('\n').map_or(0, |end| end + 1)])
}

#[test]
fn random_programs_do_the_same_on_every_engine() {
    let first = variable("DSCRIPT_FIRST_SEED", 1);
    let seeds = first..first + variable("DSCRIPT_SEEDS", 25);
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let mut failures = Vec::new();
    for seed in seeds {
        let source = random::program(seed);
        let file = scratch.path().join("program.ds");
        fs::write(&file, &source).expect("the scratch folder can be written");
        good("dsc", scratch.path(), &[OsStr::new("compile"), file.as_os_str()]);
        let image = file.with_extension("dsb");
        let start = Instant::now();
        let interp = End::of(&image, "interp", LONG, scratch.path());
        let time = if interp.was_stopped() { LONG } else { BEGIN + SLOWER * start.elapsed() };
        for engine in ["jit", "auto"] {
            let end = End::of(&image, engine, time, scratch.path());
            let hangs = end.was_stopped() && !interp.was_stopped();
            if hangs || !alike(&interp, &end) {
                let (interp, end) = (interp.shown("interp"), end.shown(engine));
                failures.push(format!("--- seed {seed}\n{interp}{end}--- of\n{source}"));
            }
        }
    }
    report(&failures);
}

/// Each compares what it keeps with a model; where one goes on until its memory is full, engines may come to that at
/// different places.
#[test]
fn what_random_programs_keep_stays_whole_on_every_engine() {
    let first = variable("DSCRIPT_FIRST_SEED", 1);
    let seeds = first..first + variable("DSCRIPT_SEEDS", 12);
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let [file, image, native] =
        ["program.ds", "program.dsb", "native.dsb"].map(|name| scratch.path().join(name));
    let mut failures = Vec::new();
    for seed in seeds {
        let kept::Program { source, memory, fills_memory } = kept::program(seed);
        fs::write(&file, &source).expect("the scratch folder can be written");
        let compile = ["compile".as_ref(), file.as_os_str(), "-o".as_ref()];
        good("dsc", scratch.path(), &[&compile[..], &[image.as_os_str()]].concat());
        good("dsc", scratch.path(), &[&compile[..], &[native.as_os_str(), "--native".as_ref()]].concat());
        let start = Instant::now();
        let interp = End::within(&image, "interp", LONG, memory, scratch.path());
        let time = if interp.was_stopped() { LONG } else { BEGIN + SLOWER * start.elapsed() };
        let is_whole = |end: &End| {
            let reason = end.stderr.lines().next().unwrap_or_default();
            let ends_well = match fills_memory {
                true => reason == format!("trap memory: more than {memory} are in use"),
                false => end.stderr.is_empty(),
            };
            !end.stdout.contains("wrong") && (ends_well || end.was_stopped())
        };
        if !is_whole(&interp) {
            failures.push(format!("--- seed {seed}\n{}--- of\n{source}", interp.shown("interp")));
        }
        for (engine, image) in [("jit", &image), ("auto", &image), ("native", &native)] {
            let end = End::within(image, engine, time, memory, scratch.path());
            let hangs = end.was_stopped() && !interp.was_stopped();
            let prints_alike = match (interp.was_stopped(), end.was_stopped()) {
                (false, false) => interp.stdout == end.stdout,
                _ => begins(&interp.stdout, &end.stdout) || begins(&end.stdout, &interp.stdout),
            };
            if hangs || !prints_alike || !is_whole(&end) {
                let (interp, end) = (interp.shown("interp"), end.shown(engine));
                failures.push(format!("--- seed {seed}, {memory}\n{interp}{end}--- of\n{source}"));
            }
        }
    }
    report(&failures);
}

/// How many frames there are when the interpreter's banks are full differs by a few; everything else does not.
#[test]
fn frames_with_many_values_end_alike() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let image = scratch.path().join("many_values.dsb");
    let source = root().join("tests/engines/many_values.ds");
    let compile = ["compile".as_ref(), source.as_os_str(), "-o".as_ref(), image.as_os_str()];
    good("dsc", scratch.path(), &compile);
    for engine in ["interp", "jit", "auto"] {
        let end = End::of(&image, engine, LONG, scratch.path());
        let report: Vec<&str> = end.stderr.lines().take(2).collect();
        let expected = ["trap stack: nested calls hold too many values", "  at down (many_values.ds:14:16)"];
        assert_eq!(report, expected, "{}", end.shown(engine));
    }
}

/// However two elements are compared or combined: where both are outside, the one that is written first traps.
#[test]
fn of_two_elements_outside_the_first_traps() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let mut lines = Vec::new();
    for ty in ["int", "double"] {
        let mut line = |body: String| {
            let name = format!("f{}", lines.len());
            lines.push(format!("boolean {name}(List<{ty}> l, List<List<{ty}>> rows, int n) {{ {body} }}"));
        };
        for operator in ["<", "<=", ">", ">=", "==", "!="] {
            line(format!("return l[n] {operator} l[n + 1];"));
            line(format!("return !(l[n + 1] {operator} l[n]);"));
            line(format!("return rows[n][0] {operator} rows[n + 1][0];"));
        }
        for operator in ["-", "*", "/", "+"] {
            line(format!("{ty} b = l[n]; {ty} a = l[n + 1]; return a {operator} b == b;"));
        }
        line(format!("{ty} b = l[n]; {ty} a = l[n + 1]; return a < b;"));
    }
    let calls: String = (0..lines.len()).map(|i| format!("case {i} -> f{i}([], [], 2); ")).collect();
    lines.push(format!("task t(int n) {{ print(switch (n) {{ {calls}default -> false; }}); }}"));
    fs::write(scratch.path().join("order.ds"), lines.join("\n")).expect("the scratch folder can be written");
    good("dsc", scratch.path(), &["compile", "order.ds"]);
    let mut failures = Vec::new();
    for (n, line) in lines[..lines.len() - 1].iter().enumerate() {
        let body = line.find('{').expect("a body");
        let first = body + line[body..].find(['[']).expect("an element");
        let begins = line[..first].rfind(|c: char| !c.is_alphanumeric()).expect("a list") + 2;
        let place = format!("  at f{n} (order.ds:{}:{begins})", n + 1);
        for engine in ["interp", "jit"] {
            let given = format!("n={n}");
            let output =
                run("dsvm", scratch.path(), &["exec", "order.dsb", "--engine", engine, "--set", &given]);
            if text(&output.stderr).lines().nth(1) != Some(&place) {
                failures.push(format!("{engine}: {line}\n{place} is expected\n{}", text(&output.stderr)));
            }
        }
    }
    report(&failures);
}

/// Loops of all kinds give way: to whoever stops the program, and to a limit.
#[test]
fn endless_loops_are_stopped_on_every_engine() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let loops = [
        ("while", "while (true) {}"),
        ("counted", "int s = 0;\nfor (int i = 0; i < 9_000_000_000_000_000; i++) { s = (s + i) & 255; }"),
        ("inner", "int s = 0;\nwhile (true) { for (int i = 0; i < 3; i++) { s = (s + i) & 255; } }"),
        ("wanders", "int i = 0;\nwhile (i < 10) { i++; if (i == 9) { i = 1; } }"),
        ("back", "for (int i = 0; i < 10; i++) { i--; }"),
        ("list", "List<int> xs = [1, 2];\nfor (int i = 0; i < 9_000_000_000_000; i++) { xs[i & 1] = i; }"),
    ];
    for (name, body) in loops {
        let end = "within (100ms) { spin(); } else { print(\"late\"); }\nspin();";
        let source = format!("void spin() {{\n{body}\n}}\n{end}\n");
        let file = scratch.path().join(format!("{name}.ds"));
        fs::write(&file, source).expect("the scratch folder can be written");
        good("dsc", scratch.path(), &[OsStr::new("compile"), file.as_os_str()]);
        for engine in ["interp", "jit", "auto"] {
            let end =
                End::of(&file.with_extension("dsb"), engine, Duration::from_millis(900), scratch.path());
            assert!(end.was_stopped() && end.stdout == "late\n", "{name}: {}", end.shown(engine));
        }
    }
}

#[test]
fn what_a_stopped_program_has_printed_is_a_beginning() {
    let end = |stdout: &str, stderr: &str| End {
        stdout: stdout.into(),
        stderr: stderr.into(),
        status: String::new(),
    };
    assert!(alike(&end("1\n2\n", "stopped after 1s"), &end("1\n2\n3\n", "")));
    assert!(alike(&end("1\n2\n3\n4", "stopped after 1s"), &end("1\n2\n3\n40\n", "")));
    assert!(!alike(&end("1\n5\n", "stopped after 1s"), &end("1\n2\n3\n", "")));
    assert!(!alike(&end("1\n", ""), &end("1\n", "trap index: index 3, size 3")));
}
