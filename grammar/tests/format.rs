//! The formatter: snapshots for every construct, and what must hold for any file, over the whole corpus and over
//! corpus files with comments and line ends thrown in.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{here, inputs, read, snapshot};
use dscript_grammar::format::{WIDTH, format};
use dscript_grammar::span::FileId;

/// Every file of the repository that can be read.
fn corpus() -> Vec<(PathBuf, String)> {
    let root = here().join("../..");
    let folders = [
        "std",
        "examples",
        "examples/run",
        "examples/tests",
        "tests/run",
        "tests/trap",
        "tests/reject",
        "tests/graph",
        "grammar/tests/parse",
        "grammar/tests/format",
    ];
    let mut out = Vec::new();
    for folder in folders {
        let mut paths: Vec<PathBuf> = fs::read_dir(root.join(folder))
            .expect("the folder is there")
            .map(|entry| entry.expect("a readable entry").path())
            .filter(|path| path.extension().is_some_and(|e| e == "ds"))
            .collect();
        paths.sort();
        for path in paths {
            let text = fs::read_to_string(&path).expect("UTF-8");
            if read("corpus.ds", &text).parsed.diagnostics.is_empty() {
                out.push((path, text));
            }
        }
    }
    for folder in ["docs/src", "compiler/cli/explain"] {
        let entries = fs::read_dir(root.join(folder)).expect("the folder is there");
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable entry").path()).collect();
        paths.sort();
        for path in paths {
            let text = fs::read_to_string(&path).expect("UTF-8");
            out.extend(blocks(&text).into_iter().map(|block| (path.clone(), block)));
        }
    }
    assert!(out.len() > 200, "only {} files found", out.len());
    out
}

/// The blocks of D-Script in Markdown that can be read.
fn blocks(markdown: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut open: Option<String> = None;
    for line in markdown.lines() {
        match &mut open {
            None if line.starts_with("```d-script") => open = Some(String::new()),
            None => {}
            Some(_) if line == "```" => all.extend(open.take()),
            Some(block) => {
                block.push_str(line);
                block.push('\n');
            }
        }
    }
    all.retain(|block| read("block.ds", block).parsed.diagnostics.is_empty());
    all
}

/// The whole tree without places and ids.
fn tree(text: &str) -> String {
    let read = read("tree.ds", text);
    assert!(read.parsed.diagnostics.is_empty(), "{}\nin\n{text}", read.diagnostics());
    let debug = format!("{:?}", read.parsed.module);
    let mut out = String::new();
    let mut rest = debug.as_str();
    let next = |rest: &str| {
        let span = rest.find("Span { start").map(|i| (i, '}'));
        let id = rest.find("NodeId(").map(|i| (i, ')'));
        span.into_iter().chain(id).min()
    };
    while let Some((at, end)) = next(rest) {
        out.push_str(&rest[..at]);
        let length = rest[at..].find(end).expect("it is closed");
        rest = &rest[at + length + 1..];
    }
    out.push_str(rest);
    out
}

/// Comments, without the indentation of their lines.
fn comments(text: &str) -> Vec<String> {
    let trimmed = |comment: &str| comment.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    read("comments.ds", text)
        .parsed
        .comments
        .iter()
        .map(|c| trimmed(&text[c.span.start as usize..c.span.end as usize]))
        .collect()
}

fn formatted(text: &str) -> String {
    format(FileId(0), text).unwrap_or_else(|_| panic!("errors in\n{text}"))
}

/// Lines that are too long without a word or comment that would be too long anywhere.
fn long_lines(text: &str) -> Vec<&str> {
    let forced = |line: &str| line.contains("//") || line.contains("*") || line.contains('"');
    text.lines().filter(|line| line.chars().count() > WIDTH && !forced(line)).collect()
}

fn check(text: &str) -> Result<(), String> {
    let out = formatted(text);
    let again = formatted(&out);
    if again != out {
        let at = out.lines().zip(again.lines()).position(|(a, b)| a != b).unwrap_or(0);
        let around =
            |text: &str| text.lines().skip(at.saturating_sub(3)).take(8).collect::<Vec<_>>().join("\n");
        return Err(format!("not stable:\n{}\n-- then --\n{}\n", around(&out), around(&again)));
    }
    if tree(text) != tree(&out) {
        return Err("another tree".into());
    }
    if comments(text) != comments(&out) {
        return Err("other comments".into());
    }
    if let Some(line) = out.lines().find(|line| line.trim_end() != *line && !text.contains("\"\"\"")) {
        return Err(format!("spaces at the end of {line:?}"));
    }
    match long_lines(&out).first() {
        Some(line) => Err(format!("too long: {line}")),
        None => Ok(()),
    }
}

#[test]
fn snapshots() {
    let mut failures = Vec::new();
    for (path, text) in inputs("format").into_iter().chain(inputs("parse")) {
        let name = Path::new(path.file_name().expect("a name")).with_extension("out");
        snapshot(&here().join("format").join(name), &formatted(&text), &mut failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_corpus_stays_what_it_is() {
    let mut failures = Vec::new();
    for (path, text) in corpus() {
        if let Err(why) = check(&text) {
            failures.push(format!("{}: {why}", path.display()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Only texts and comments may be too long.
#[test]
fn long_lines_of_the_corpus_are_forced() {
    for (path, text) in corpus() {
        for line in formatted(&text).lines().filter(|l| l.chars().count() > WIDTH) {
            let text = line.rfind('"').unwrap_or(0) - line.find('"').unwrap_or(0);
            let comment = line.contains("/*") || line.contains("//") || line.trim_start().starts_with('*');
            assert!(comment || text > 60, "{}: {line}", path.display());
        }
    }
}

/// xorshift64*
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound.max(1)
    }
}

/// Ends of words and signs, outside texts and comments: rough, and checked by the tree afterwards.
fn seams(text: &str) -> Vec<usize> {
    let mut out = Vec::new();
    let mut at = 0;
    let bytes = text.as_bytes();
    while at < bytes.len() {
        let rest = &text[at..];
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |i| i + 2)
        } else if bytes[at] == b'"' {
            1 + rest[1..].find('"').map_or(rest.len() - 1, |i| i + 1)
        } else {
            1
        };
        at += skip;
        while !text.is_char_boundary(at) {
            at += 1;
        }
        let word = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_' || *b >= 0x80);
        if !(word(bytes.get(at.wrapping_sub(1))) && word(bytes.get(at))) {
            out.push(at);
        }
    }
    out
}

const INSERTS: &[&str] = &[
    "\n",
    "\n",
    "\n\n",
    "\n\n\n",
    "  ",
    "/* c */",
    " /* c */ ",
    "// c\n",
    " // c\n",
    "\n// c\n",
    "\n\n// c\n\n",
    "\n/* c */\n",
    "/* c */\n",
    "\n/* c */ ",
    "/*\n * c\n */",
    "\n/* c\n  d */\n",
    "/** c */",
    "\t",
    "\r\n",
];

/// A stretch of whole lines, so that what fails is small.
fn disturbed(text: &str, random: &mut Random, inserts: usize) -> String {
    let seams = seams(text);
    let mut places: Vec<(usize, &str)> = (0..inserts)
        .map(|_| (seams[random.below(seams.len())], INSERTS[random.below(INSERTS.len())]))
        .collect();
    places.sort();
    let mut out = String::new();
    let mut from = 0;
    for (at, insert) in places {
        out.push_str(&text[from..at]);
        out.push_str(insert);
        from = at;
    }
    out.push_str(&text[from..]);
    out
}

/// Formats a changed file, if it still reads as the same tree.
fn check_disturbed(text: &str, disturbed: &str) -> Option<Result<(), String>> {
    let read = read("d.ds", disturbed);
    if !read.parsed.diagnostics.is_empty() || tree(text) != tree(disturbed) {
        return None;
    }
    Some(check(disturbed))
}

/// `only`: files whose path holds this.
fn fuzz(seed: u64, rounds: usize, only: &str) {
    let mut corpus = corpus();
    corpus.retain(|(path, _)| path.to_string_lossy().contains(only));
    let mut random = Random(seed);
    let mut checked = 0;
    let mut failures = Vec::new();
    for round in 0..rounds {
        let (path, text) = &corpus[random.below(corpus.len())];
        let inserts = [1, 2, 4, 12][round % 4];
        let changed = disturbed(text, &mut random, inserts);
        match check_disturbed(text, &changed) {
            None => {}
            Some(Ok(())) => checked += 1,
            Some(Err(why)) => {
                failures.push(format!("{} (round {round}): {why}", path.display()));
                if failures.len() > 10 {
                    break;
                }
            }
        }
    }
    assert!(failures.is_empty(), "seed {seed:#x}\n{}", failures.join("\n"));
    assert!(checked * 2 > rounds, "only {checked} of {rounds} changes leave the tree as it is");
}

#[test]
fn comments_and_line_ends_anywhere_change_nothing() {
    fuzz(0x5EED_0003, 300, "");
    fuzz(0x5EED_0005, 100, "tests/format/");
}

/// `FUZZ_SEED=7 FUZZ_ROUNDS=100000 FUZZ_FILE=std/ cargo test --release -p dscript-grammar --test format much -- --ignored`
#[test]
#[ignore = "takes as long as it is told to"]
fn comments_and_line_ends_anywhere_much_longer() {
    let number =
        |name: &str, default: u64| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let only = std::env::var("FUZZ_FILE").unwrap_or_default();
    fuzz(number("FUZZ_SEED", 0x5EED_0004), number("FUZZ_ROUNDS", 20_000) as usize, &only);
}

/// All on one line, and a line for each token.
#[test]
fn other_line_ends_give_the_same_program() {
    for (path, text) in corpus() {
        if text.contains("//") || text.contains("\"\"\"") {
            continue;
        }
        let joined = text.replace('\n', " ");
        if let Some(Err(why)) = check_disturbed(&text, &joined) {
            panic!("{} on one line: {why}", path.display());
        }
        let seams = seams(&text);
        let mut spread = String::new();
        let mut from = 0;
        for at in seams {
            spread.push_str(&text[from..at]);
            spread.push('\n');
            from = at;
        }
        spread.push_str(&text[from..]);
        if let Some(Err(why)) = check_disturbed(&text, &spread) {
            panic!("{} spread out: {why}", path.display());
        }
    }
}

#[test]
fn files_with_errors_are_left_alone() {
    let diagnostics = format(FileId(0), "int x = ;\n").expect_err("an error");
    assert!(!diagnostics.is_empty());
}

#[test]
fn small_things() {
    for (text, wanted) in [
        ("", ""),
        ("\n\n", ""),
        ("// only a comment", "// only a comment\n"),
        ("\n\n/* a */\n\n\n// b  \n\n", "/* a */\n\n// b\n"),
        ("\u{FEFF}f();", "f();\n"),
        ("f();\r\n\r\n\r\ng(); // c\r\n", "f();\n\ng(); // c\n"),
        ("p.kill ();", "p.kill();\n"),
        ("x = - -1 + -(-y);", "x = - -1 + -(-y);\n"),
        ("f(a,b,)", "f(a, b);\n"),
        ("f(a , // one\n b);", "f(\n    a, // one\n    b\n);\n"),
        ("return x // why\n;", "return x; // why\n"),
        ("if (a) // why\n{ b(); }", "if (a) { // why\n    b();\n}\n"),
        ("@A int f();", "@A int f();\n"),
        ("@A\nint f();", "@A\nint f();\n"),
        ("@A(1) @B static int X = 1;", "@A(1)\n@B static int X = 1;\n"),
        ("void f() { }", "void f() {}\n"),
        ("void f() { /* no */ }", "void f() { /* no */ }\n"),
        ("void f() {\n// no\n}", "void f() {\n    // no\n}\n"),
    ] {
        let text = if text.ends_with(",)") { format!("{text};") } else { text.to_owned() };
        assert_eq!(formatted(&text), wanted, "{text:?}");
    }
}

/// How fast; run by hand, in release: `cargo test --release -p dscript-grammar --test format speed -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn speed() {
    let text: String = corpus()
        .iter()
        .filter(|(path, _)| path.parent().is_some_and(|p| p.ends_with("std")))
        .map(|(_, text)| text.as_str())
        .collect();
    let text = text.repeat(50);
    let start = std::time::Instant::now();
    formatted(&text);
    println!("{:.0} lines/s", text.lines().count() as f64 / start.elapsed().as_secs_f64());
}

/// The formatted corpus, for looking at: `FORMAT_OUT=DIR cargo test -p dscript-grammar --test format look -- --ignored`
#[test]
#[ignore = "writes files"]
fn look_at_it() {
    let Some(out) = std::env::var_os("FORMAT_OUT") else { return };
    for (path, text) in corpus() {
        let folder = path.parent().and_then(Path::file_name).expect("a folder");
        let out = Path::new(&out).join(folder);
        fs::create_dir_all(&out).expect("a folder to write to");
        fs::write(out.join(path.file_name().expect("a name")), formatted(&text)).expect("it can be written");
    }
}

/// Long flat input and deep nesting take neither much time nor much stack.
#[test]
fn long_and_deep_files() {
    let n = 10_000;
    let flat = [
        format!("x = 1{};", " + 1".repeat(n)),
        format!("x = [{}];", "1, ".repeat(n)),
        format!("x = [{}];", "a, ".repeat(n)),
        format!("f({});", "a ? b : c, ".repeat(n)),
        "x = -1; if (a) { } else { }\n".repeat(n),
        format!("switch (x) {{ {} }}", "case 1 -> a(); ".repeat(n)),
    ];
    for text in flat {
        check(&text).expect("it is formatted");
    }
    let n = 250;
    let deep = [
        format!("x = {}1{};", "(".repeat(n), ")".repeat(n)),
        format!("x = {}1{};", "f(".repeat(n), ")".repeat(n)),
        format!("x = {}1{};", "f(a, x -> ".repeat(n), ")".repeat(n)),
        format!("x = {}1{};", "[".repeat(n), "]".repeat(n)),
        format!("{}{}", "f(x -> { ".repeat(n / 2), " });".repeat(n / 2)),
        format!("{}{}", "if (a) { ".repeat(n), "}".repeat(n)),
        format!("{}b();", "if (a) b(); else ".repeat(n)),
        format!("x = a{};", ".b()".repeat(n)),
    ];
    std::thread::Builder::new()
        .stack_size(64 << 20)
        .spawn(move || {
            for text in deep {
                formatted(&text);
            }
        })
        .expect("a thread")
        .join()
        .expect("no overflow");
}
