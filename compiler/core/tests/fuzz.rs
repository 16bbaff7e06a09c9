//! Mutated programs: the compiler never panics, and whatever image it makes passes the verifier.
//!
//! `FUZZ=1000000 cargo test --release -p dscript-compiler --test fuzz -- --nocapture` runs longer; `SEED` repeats.

use dscript_bytecode::verify::verify;
use dscript_compiler::{Goal, NoSources, compile};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

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

fn corpus() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut all = Vec::new();
    for folder in ["tests/run", "tests/trap", "tests/reject", "examples", "examples/run", "examples/tests"] {
        let Ok(entries) = std::fs::read_dir(root.join(folder)) else { continue };
        let mut files: Vec<_> = entries.flatten().map(|e| e.path()).collect();
        files.sort();
        for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "ds")) {
            all.push(std::fs::read_to_string(file).expect("the corpus is text"));
        }
    }
    assert!(all.len() > 20, "the corpus is there");
    all
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

fn mutate(random: &mut Random, corpus: &[String]) -> String {
    let text = &corpus[random.below(corpus.len())];
    let mut all: Vec<String> = pieces(text).into_iter().map(str::to_string).collect();
    let other = pieces(&corpus[random.below(corpus.len())]);
    for _ in 0..1 + random.below(4) {
        let at = random.below(all.len());
        match random.below(6) {
            0 => drop(all.remove(at)),
            1 => all.insert(at, all[at].clone()),
            2 => {
                let with = random.below(all.len());
                all.swap(at, with);
            }
            3 => all[at] = other[random.below(other.len())].to_string(),
            4 => all.insert(at, other[random.below(other.len())].to_string()),
            _ => {
                let from = random.below(other.len());
                let part = &other[from..(from + random.below(12)).min(other.len())];
                all.insert(at, part.concat());
            }
        }
        if all.is_empty() {
            break;
        }
    }
    let mut text = all.concat();
    if random.below(10) == 0 && !text.is_empty() {
        let mut bytes = text.into_bytes();
        let at = random.below(bytes.len());
        bytes[at] = random.next() as u8;
        text = String::from_utf8_lossy(&bytes).into_owned();
    }
    text
}

fn check(text: &str) -> Result<(), String> {
    for goal in [Goal::Image, Goal::Test] {
        let result =
            catch_unwind(AssertUnwindSafe(|| compile("fuzz", "fuzz.ds", text.as_bytes(), &NoSources, goal)));
        let compilation = result.map_err(|_| "the compiler panics".to_string())?;
        if let Some(image) = compilation.image {
            verify(&image).map_err(|e| format!("the image is refused: {e}"))?;
        }
    }
    Ok(())
}

fn run(count: usize, seed: u64) -> Vec<String> {
    let corpus = corpus();
    let mut random = Random(seed);
    let mut failures = Vec::new();
    for round in 0..count {
        let text = mutate(&mut random, &corpus);
        if let Err(what) = check(&text) {
            failures.push(format!("round {round} of seed {seed}: {what}\n{text}\n"));
            if failures.len() == 10 {
                break;
            }
        }
    }
    failures
}

#[test]
fn mutated_programs_do_no_harm() {
    let number =
        |name: &str, default: u64| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let (count, seed) = (number("FUZZ", 150) as usize, number("SEED", 1));
    println!("SEED={seed} FUZZ={count}");
    // As deep as the compiler's own thread.
    let worker = std::thread::Builder::new().stack_size(64 << 20).spawn(move || run(count, seed));
    let failures = worker.expect("a thread starts").join().expect("the fuzzer itself does not panic");
    assert!(failures.is_empty(), "{} programs do harm:\n{}", failures.len(), failures.join("\n"));
}
