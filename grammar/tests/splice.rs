//! What an edit leaves of a file that is read again in one part only is what reading all of it gives.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Random, inputs};
use dscript_grammar::span::{FileId, Interner};
use dscript_grammar::{Parsed, parse};

/// All that was read, but for the ids of nodes and how many there are.
fn shown(parsed: &Parsed) -> String {
    let mut lost: Vec<_> = parsed.lost.iter().collect();
    lost.sort();
    let module = &parsed.module;
    let tree = format!("{:#?}{:#?}{:#?}", module.imports, module.items, module.script);
    let lines = tree.split('\n').scan(false, |in_id, line| {
        let kept = if std::mem::replace(in_id, line.trim_end().ends_with("NodeId(")) { "" } else { line };
        Some(kept)
    });
    format!(
        "{}\n{:?}\n{:?}\n{lost:?}",
        lines.collect::<Vec<_>>().join("\n"),
        parsed.comments,
        parsed.diagnostics
    )
}

/// The file as it is followed; how many edits were.
struct Followed {
    text: String,
    parsed: Parsed,
    interner: Interner,
    edits: usize,
    followed: usize,
}

impl Followed {
    fn new(text: &str) -> Self {
        let mut interner = Interner::default();
        let parsed = parse(FileId(0), text, &mut interner);
        Self { text: text.to_string(), parsed, interner, edits: 0, followed: 0 }
    }

    fn edit(&mut self, start: usize, end: usize, with: &str) {
        let mut text = self.text.clone();
        text.replace_range(start..end, with);
        self.edits += 1;
        let fresh = parse(FileId(0), &text, &mut self.interner);
        if self.parsed.follow(FileId(0), &self.text, &text, &mut self.interner) {
            self.followed += 1;
            let (known, wanted) = (shown(&self.parsed), shown(&fresh));
            if known != wanted {
                let differs = known.lines().zip(wanted.lines()).find(|(a, b)| a != b);
                panic!("{start}..{end} -> {with:?} in\n{}\n---- {differs:#?}", self.text);
            }
        } else {
            self.parsed = fresh;
        }
        self.text = text;
    }
}

/// Programs, and files of odd corners.
fn files() -> Vec<String> {
    let mut files: Vec<String> = inputs("parse").into_iter().map(|(_, text)| text).collect();
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/run");
    let entries = fs::read_dir(run).expect("the programs that the tests run");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "ds"));
    paths.sort();
    let step = 1 + paths.len() / 20;
    files.extend(paths.iter().step_by(step).map(|p| fs::read_to_string(p).expect("a program can be read")));
    files.retain(|text| text.len() < 8_000);
    files
}

fn boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[test]
fn random_edits() {
    let edits_each = std::env::var("SPLICES").ok().and_then(|n| n.parse().ok()).unwrap_or(20);
    let mut random = Random(0x5EED);
    let (mut edits, mut followed) = (0, 0);
    let pieces = [
        ";",
        "}",
        "{",
        "(",
        ")",
        "\"",
        "x",
        " ",
        "\n",
        "/*",
        "*/",
        "// ",
        "if (x) {",
        "1",
        ".",
        "x = ",
        "else ",
        "case 1 -> ",
        "=",
        "int y = 3;",
        "é",
        "return x;",
        "${",
        "\"\"\"",
        "'",
        "}\n}\n",
        "int f() {\n",
        "task T() {",
        "import a.b;",
        "default",
        "!",
        "?",
        "[",
    ];
    for text in files() {
        let mut file = Followed::new(&text);
        for _ in 0..edits_each {
            let start = boundary(&file.text, random.below(file.text.len()));
            let length = if random.below(3) == 0 { random.below(12) } else { 0 };
            let end = boundary(&file.text, (start + length).min(file.text.len()));
            let with =
                if length > 0 && random.below(2) == 0 { "" } else { pieces[random.below(pieces.len())] };
            file.edit(start, end.max(start), with);
            // Most edits are followed by one that mends them, or else soon no bracket matches.
            if random.below(4) > 0 {
                file = Followed { edits: file.edits, followed: file.followed, ..Followed::new(&text) };
            }
        }
        edits += file.edits;
        followed += file.followed;
    }
    assert!(followed * 7 > edits, "{followed} of {edits} edits were followed");
}

#[test]
fn a_statement_is_typed_into_every_block() {
    let statement = " var spare = f(\"${a}\", [1, 2], x -> { return 3; });";
    let (mut edits, mut followed) = (0, 0);
    for text in files().into_iter().step_by(2) {
        let blocks: Vec<usize> = text.match_indices("{\n").map(|(at, _)| at + 1).collect();
        for &at in blocks.iter().step_by(1 + blocks.len() / 2) {
            let mut file = Followed::new(&text);
            for (typed, sign) in statement.char_indices() {
                file.edit(at + typed, at + typed, &sign.to_string());
            }
            file.edit(at, at + statement.len(), "");
            assert_eq!(file.text, text);
            edits += file.edits;
            followed += file.followed;
        }
    }
    assert!(followed * 4 > edits, "{followed} of {edits} edits were followed");
}
