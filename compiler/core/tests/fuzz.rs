//! Mutated programs: the compiler never panics, and whatever image it makes passes the verifier.
//!
//! `tools/fuzz COUNT SEED [FROM]` runs longer, shows how far it is, and keeps what does harm in `target/fuzz`, made
//! small; an input that ends the process (a stack overflow does) is left there as `SEED-now.ds`.
//! A mutation takes pieces out, doubles, swaps and replaces them, brings in pieces of another program, and now and
//! then writes random bytes.

use dscript_bytecode::verify::verify;
use dscript_compiler::{Goal, Library, NoSources};
use dscript_grammar::codes;
use dscript_grammar::diagnostic::{Diagnostic, Severity};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What the compiler has, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One input may take so long, and no longer.
const INPUT_TIME_MAX: Duration = Duration::from_secs(20);
/// How many harmful inputs end a run.
const FAILURES_MAX: usize = 10;
/// How often an input is compiled to make it small.
const TRIES_MAX: usize = 2_000;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every program of the repository: tests, examples, std, and the blocks of the manual.
fn corpus() -> Vec<String> {
    let mut all = Vec::new();
    for folder in ["tests", "examples", "std"] {
        programs(&root().join(folder), &mut all);
    }
    manual(&root().join("docs/src"), &mut all);
    assert!(all.len() > 100, "the corpus is there");
    all
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    files.sort();
    files
}

fn programs(folder: &Path, all: &mut Vec<String>) {
    for file in files(folder) {
        if file.is_dir() {
            programs(&file, all);
        } else if file.extension().is_some_and(|e| e == "ds") {
            all.push(
                String::from_utf8_lossy(&std::fs::read(&file).expect("a file can be read")).into_owned(),
            );
        }
    }
}

fn manual(folder: &Path, all: &mut Vec<String>) {
    for file in files(folder).iter().filter(|f| f.extension().is_some_and(|e| e == "md")) {
        let text = std::fs::read_to_string(file).expect("the manual is text");
        let fenced = text.split("```").skip(1).step_by(2);
        all.extend(fenced.filter_map(|block| Some(block.split_once('\n')?.1.to_string())));
    }
}

/// Words, numbers, single signs and white space.
fn pieces(text: &str) -> Vec<&str> {
    let class = |c: char| match c {
        c if c.is_alphanumeric() || c == '_' => 0,
        c if c.is_whitespace() => 1,
        _ => 2,
    };
    let mut all = Vec::new();
    let mut start = 0;
    let mut last = None;
    for (at, c) in text.char_indices() {
        let now = class(c);
        if last.is_some_and(|l| l != now || now == 2) {
            all.push(&text[start..at]);
            start = at;
        }
        last = Some(now);
    }
    all.push(&text[start..]);
    all
}

fn mutate(random: &mut Random, corpus: &[String]) -> Vec<u8> {
    let text = &corpus[random.below(corpus.len())];
    let mut all: Vec<&str> = pieces(text);
    let other = pieces(&corpus[random.below(corpus.len())]);
    for _ in 0..1 + random.below(4) {
        let at = random.below(all.len());
        match random.below(7) {
            0 => drop(all.remove(at)),
            1 => all.insert(at, all[at]),
            2 => {
                let with = random.below(all.len());
                all.swap(at, with);
            }
            3 => all[at] = other[random.below(other.len())],
            4 => all.insert(at, other[random.below(other.len())]),
            5 => {
                let end = (at + random.below(12)).min(all.len());
                all.drain(at..end);
            }
            _ => {
                let from = random.below(other.len());
                let part = &other[from..(from + random.below(12)).min(other.len())];
                all.splice(at..at, part.iter().copied());
            }
        }
        if all.is_empty() {
            break;
        }
    }
    let mut bytes = all.concat().into_bytes();
    if random.below(10) == 0 {
        for _ in 0..1 + random.below(3) {
            let at = random.below(bytes.len() + 1);
            match random.below(2) {
                0 => bytes.insert(at, random.next() as u8),
                _ if at < bytes.len() => bytes[at] = random.next() as u8,
                _ => {}
            }
        }
    }
    bytes
}

fn check(library: &Library, source: &[u8]) -> Result<(), String> {
    let start = Instant::now();
    for goal in [Goal::Image, Goal::Test] {
        let result =
            catch_unwind(AssertUnwindSafe(|| library.compile("fuzz", "fuzz.ds", source, &NoSources, goal)));
        let compilation = result.map_err(|_| "the compiler panics".to_string())?;
        if let Some(image) = compilation.image {
            verify(&image).map_err(|e| format!("the image is refused: {e}"))?;
        }
        // What is wrong with it is so whatever it is compiled for.
        let is_wrong = |d: &Diagnostic| d.severity == Severity::Error && d.code != codes::NO_TASK;
        if compilation.diagnostics.iter().any(is_wrong) {
            break;
        }
    }
    if start.elapsed() > INPUT_TIME_MAX { Err(format!("it takes {:?}", start.elapsed())) } else { Ok(()) }
}

/// Takes out what can go while the input still does harm, in ever smaller parts.
fn minimize(library: &Library, source: &[u8]) -> Vec<u8> {
    let mut small = source.to_vec();
    let mut part = small.len() / 2;
    let mut tries = 0;
    while part > 0 && tries < TRIES_MAX {
        let mut at = 0;
        while at < small.len() && tries < TRIES_MAX {
            let mut less = small.clone();
            less.drain(at..(at + part).min(less.len()));
            tries += 1;
            if check(library, &less).is_err() {
                small = less;
            } else {
                at += part;
            }
        }
        part /= 2;
    }
    small
}

fn kept() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or(root().join("target"), PathBuf::from).join("fuzz")
}

/// Keeps a harmful input; gives its place.
fn keep(source: &[u8], name: &str) -> PathBuf {
    let folder = kept();
    std::fs::create_dir_all(&folder).expect("the folder for failures can be made");
    let path = folder.join(name);
    std::fs::write(&path, source).expect("a failure can be kept");
    path
}

/// The inputs of a seed from one on, up to `count`.
fn run(from: usize, count: usize, seed: u64) -> Vec<String> {
    let now = format!("{seed}-now.ds");
    let (corpus, library) = (corpus(), Library::default());
    let mut random = Random(seed);
    let mut failures = Vec::new();
    let start = Instant::now();
    for round in 0..count {
        if round > 0 && round % 10_000 == 0 {
            println!(
                "{round} of {count} inputs after {} s, {} do harm",
                start.elapsed().as_secs(),
                failures.len()
            );
        }
        let source = mutate(&mut random, &corpus);
        if round < from {
            continue;
        }
        keep(&source, &now);
        if let Err(what) = check(&library, &source) {
            let path = keep(&minimize(&library, &source), &format!("{seed}-{round}.ds"));
            println!("round {round} of seed {seed}: {what}: {}", path.display());
            failures.push(format!("{}: {what}", path.display()));
            if failures.len() == FAILURES_MAX {
                break;
            }
        }
    }
    // There is none where nothing was done.
    let _ = std::fs::remove_file(kept().join(now));
    failures
}

#[test]
fn mutated_programs_do_no_harm() {
    let number =
        |name: &str, default: u64| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let (from, count) = (number("FROM", 0) as usize, number("FUZZ", 150) as usize);
    let seed = number("SEED", 1);
    println!("SEED={seed} FUZZ={count} FROM={from}");
    // As deep as the compiler's own thread.
    let worker = std::thread::Builder::new().stack_size(64 << 20).spawn(move || run(from, count, seed));
    let failures = worker.expect("a thread starts").join().expect("the fuzzer itself does not panic");
    assert!(failures.is_empty(), "{} programs do harm:\n{}", failures.len(), failures.join("\n"));
}
