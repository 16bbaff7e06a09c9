//! Nothing that can be written makes the parser panic, overflow a stack or lose its ids; deep and long inputs.

mod common;

use std::collections::HashSet;

use common::{Random, inputs, read};
use dscript_grammar::codes;
use dscript_grammar::format::format;
use dscript_grammar::render;
use dscript_grammar::span::FileId;

fn corpus() -> Vec<String> {
    inputs("parse").into_iter().chain(inputs("errors")).map(|(_, text)| text).collect()
}

/// Rough pieces: words, spaces, single other characters.
fn pieces(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let same =
            |c: char| if first.is_alphanumeric() { c.is_alphanumeric() } else { first == ' ' && c == ' ' };
        let end = first.len_utf8()
            + rest[first.len_utf8()..].find(|c| !same(c)).unwrap_or(rest.len() - first.len_utf8());
        out.push(&rest[..end]);
        rest = &rest[end..];
    }
    out
}

fn check(text: &str) {
    let read = read("fuzz.ds", text);
    for diagnostic in &read.parsed.diagnostics {
        assert!(
            diagnostic.span.start <= diagnostic.span.end && diagnostic.span.end as usize <= text.len(),
            "{text}"
        );
        assert!(text.is_char_boundary(diagnostic.span.start as usize), "{text}");
        assert!(text.is_char_boundary(diagnostic.span.end as usize), "{text}");
    }
    let has_error = read.dump().contains("ERROR");
    assert!(
        !has_error || !read.parsed.diagnostics.is_empty(),
        "an error node without a diagnostic in\n{text}"
    );
    if let Some(first) = read.parsed.diagnostics.first() {
        render::text(first, &read.sources, false);
        render::json(first, &read.sources);
    }
}

#[test]
fn mutated_files_never_panic() {
    let corpus = corpus();
    let mut random = Random(0x5EED_0001);
    for _ in 0..3000 {
        let text = &corpus[random.below(corpus.len())];
        let mut parts = pieces(text);
        // A window keeps inputs small, and cuts brackets open.
        let start = random.below(parts.len());
        let length = 1 + random.below(400);
        parts = parts[start..(start + length).min(parts.len())].to_vec();
        for _ in 0..1 + random.below(4) {
            if parts.is_empty() {
                break;
            }
            let (a, b) = (random.below(parts.len()), random.below(parts.len()));
            match random.below(4) {
                0 => {
                    parts.remove(a);
                }
                1 => parts.insert(a, parts[b]),
                2 => parts.swap(a, b),
                _ => {
                    let other = pieces(&corpus[random.below(corpus.len())]).into_iter().map(str::to_owned);
                    let piece = other.collect::<Vec<_>>();
                    let piece = piece[random.below(piece.len())].clone();
                    parts.insert(a, Box::leak(piece.into_boxed_str()));
                }
            }
        }
        check(&parts.concat());
    }
}

#[test]
fn random_bytes_never_panic() {
    let mut random = Random(0x5EED_0002);
    let alphabet: Vec<char> = "abcE0159_.$\"'`\\{}()[]<>;:,?!@#=+-*/%&|^~ \n\r\tré€😀".chars().collect();
    for _ in 0..4000 {
        let length = random.below(60);
        let text: String = (0..length).map(|_| alphabet[random.below(alphabet.len())]).collect();
        check(&text);
    }
    for _ in 0..1000 {
        let length = random.below(60);
        let bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        check(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn every_cut_of_a_file_is_read() {
    for (_, text) in inputs("parse") {
        for end in (0..text.len()).filter(|&i| text.is_char_boundary(i)) {
            // Every seventh place keeps this quick.
            if end % 7 == 0 {
                check(&text[..end]);
            }
        }
    }
}

/// One token less in a good file: few diagnostics, and the rest of the file survives.
#[test]
fn one_missing_token_costs_few_diagnostics() {
    let mut worst = 0;
    let (mut total, mut count) = (0, 0);
    for (path, text) in inputs("parse") {
        if !path.ends_with("statements.ds")
            && !path.ends_with("operations.ds")
            && !path.ends_with("declarations.ds")
        {
            continue;
        }
        let parts = pieces(&text);
        for skip in 0..parts.len() {
            if parts[skip].trim().is_empty() {
                continue;
            }
            let mut rest = parts.clone();
            rest.remove(skip);
            let read = read("cut.ds", &rest.concat());
            let found = read.parsed.diagnostics.len();
            if found > 3 {
                println!("{found} without {:?} at {skip}:\n{}", parts[skip], read.short().join("\n"));
            }
            worst = worst.max(found);
            total += found;
            count += 1;
        }
    }
    println!("{total} diagnostics for {count} files, at most {worst}");
    assert!(total < count * 13 / 10, "{total} diagnostics for {count} files with one token less");
}

fn has_nesting_error(text: &str) {
    let read = read("deep.ds", text);
    let codes: Vec<_> = read.parsed.diagnostics.iter().map(|d| d.code).collect();
    assert_eq!(codes, [codes::NESTING], "{:?}", read.short());
}

#[test]
fn deep_nesting_is_one_diagnostic() {
    let n = 10_000;
    let nest =
        |open: &str, middle: &str, close: &str| format!("{}{middle}{}", open.repeat(n), close.repeat(n));
    has_nesting_error(&format!("x = {};", nest("(", "1", ")")));
    has_nesting_error(&format!("x = {};", nest("[", "1", "]")));
    has_nesting_error(&format!("x = {};", nest("f(", "1", ")")));
    has_nesting_error(&format!("x = {};", nest("{1: ", "1", "}")));
    has_nesting_error(&format!("x = {};", nest("a[", "1", "]")));
    has_nesting_error(&format!("x = {};", nest("\"${", "1", "}\"")));
    has_nesting_error(&format!("x = {};", nest("(a) -> (", "1", ")")));
    has_nesting_error(&format!("x = {};", nest("x -> { return ", "1", "; }")));
    has_nesting_error(&nest("{", "", "}"));
    has_nesting_error(&nest("if (a) {", "", "}"));
    has_nesting_error(&nest("class A {", "", "}"));
    has_nesting_error(&nest("void f() {", "", "}"));
    has_nesting_error(&format!("x = {};", nest("switch (x) { default -> ", "1", "; }")));
    has_nesting_error(&format!("{} x;", nest("List<", "int", ">")));
    has_nesting_error(&format!("x = {}1;", "-".repeat(n).replace("--", "- - ")));
    has_nesting_error(&format!("x = {}a;", "!".repeat(n)));
    has_nesting_error(&format!("x = {}a;", "try ".repeat(n)));
    has_nesting_error(&format!("x = {}a;", "(int) ".repeat(n)));
    has_nesting_error(&format!("x = {}a;", "fail ".repeat(n)));
    has_nesting_error(&format!("x = {}1;", "a -> ".repeat(n)));
    has_nesting_error(&format!("{}x();", "if (a) ".repeat(n)));
    has_nesting_error(&format!("{}x();", "while (a) ".repeat(n)));
    has_nesting_error(&format!("{}x();", "a: ".repeat(n)));
    has_nesting_error(&format!("int{} x;", "! ".repeat(n)));
    let read = read("nullable.ds", &format!("int{} x;", "? ".repeat(n)));
    assert_eq!(read.parsed.diagnostics.len(), 1, "{:?}", read.short());
}

#[test]
fn deep_nesting_left_open_is_survived() {
    for open in [
        "(",
        "[",
        "{",
        "f(",
        "\"${",
        "x = {",
        "if (a) {",
        "class A {",
        "(a, ",
        "List<",
        "switch (x) { case 1 -> ",
    ] {
        assert!(!read("open.ds", &open.repeat(10_000)).parsed.diagnostics.is_empty());
    }
    for close in [")", "]", "}", ">"] {
        assert!(!read("close.ds", &close.repeat(10_000)).parsed.diagnostics.is_empty());
    }
}

#[test]
fn nesting_up_to_the_limit_is_fine() {
    for n in [100, 255] {
        let text = format!("x = {}1{};", "(".repeat(n), ")".repeat(n));
        assert!(read("n.ds", &text).parsed.diagnostics.is_empty());
        let text = format!("{}{}", "if (a) {".repeat(n), "}".repeat(n));
        assert!(read("n.ds", &text).parsed.diagnostics.is_empty());
    }
    let text = format!("x = a{};", ".b()".repeat(300));
    assert!(read("n.ds", &text).parsed.diagnostics.is_empty());
}

#[test]
fn long_flat_input_is_no_nesting() {
    let n = 10_000;
    for text in [
        format!("x = 1{};", " + 1".repeat(n)),
        format!("x = 1{};", " * 1 - 2".repeat(n)),
        format!("x = a{};", " && b < 3 || c.d()".repeat(n)),
        format!("x = a{};", " << 1 >> 2 >>> 3".repeat(n)),
        format!("x = a{};", " & b | c ^ d".repeat(n)),
        format!("x = [{}];", "1, ".repeat(n)),
        format!("f({});", "a ? b : c, ".repeat(n)),
        "x = -1; if (a) { } else { }\n".repeat(n),
        format!("x = \"{}\";", "a ${b} ".repeat(n)),
        format!("switch (x) {{ {} }}", "case 1 -> 2; ".repeat(n)),
    ]
    .into_iter()
    .chain(chains(n))
    {
        let read = read("flat.ds", &text);
        assert!(read.parsed.diagnostics.is_empty(), "{:?}", &read.short()[..1]);
    }
}

/// Chains that make a tree as high as they are long.
fn chains(n: usize) -> [String; 9] {
    [
        format!("x = {}1;", "a ? b : ".repeat(n)),
        format!("x = {}1;", "a ?? ".repeat(n)),
        format!("{}1;", "a = ".repeat(n)),
        format!("x = a{};", " == b".repeat(n)),
        format!("x = a{};", ".b".repeat(n)),
        format!("x = a{};", ".b()".repeat(n)),
        format!("x = a{};", "[0]".repeat(n)),
        format!("x = a{};", ".b(c -> d(e.f()))[g ?? h]".repeat(n / 2)),
        format!("{}x();", "if (a) b(); else ".repeat(n)),
    ]
}

/// A chain that is too long is said so once, and dropping what was read of it takes no more stack than there is.
#[test]
fn chains_have_a_limit() {
    for text in chains(61_000) {
        has_nesting_error(&text);
    }
    // What a mistake takes out of the tree is dropped before there is a module.
    for text in chains(4_000) {
        assert!(!read("cut.ds", &text.replace(';', " 3 }")).parsed.diagnostics.is_empty());
    }
}

#[test]
fn chains_are_formatted() {
    for text in chains(3_000) {
        let once = format(FileId::default(), &text).expect("a good file");
        assert!(format(FileId::default(), &once).expect("a good file") == once, "{}", &text[..40]);
    }
}

#[test]
fn node_ids_are_dense_and_used_once() {
    for (_, text) in inputs("parse").into_iter().chain(inputs("errors")) {
        let read = read("ids.ds", &text);
        let debug = format!("{:?}", read.parsed.module);
        // Fields declared together share their type's nodes; everything else has its own.
        let mut seen = HashSet::new();
        for part in debug.split("NodeId(").skip(1) {
            let id: u32 = part.split(')').next().and_then(|n| n.parse().ok()).expect("a number");
            assert!(id < read.parsed.module.node_count);
            seen.insert(id);
        }
        assert!(seen.len() * 10 >= read.parsed.module.node_count as usize * 7, "most ids are in use");
    }
}

/// How fast a long file is read; run by hand, in release: `cargo test --release -p dscript-grammar --test robust speed -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn speed_on_a_long_file() {
    let unit = "\
/** Sums what is free. */
int total(List<Sample> samples, int floor = 4KiB) {
    int sum = 0;
    for (Sample s : samples) {
        if (s.free > floor && !s.stale) {
            sum += s.free * 2 - s.used(1, \"text\") / 3;
        } else {
            print(\"skipped ${s.name}: ${s.free / 1KiB} KiB\");
        }
    }
    var names = samples.map(x -> x.name).filter((n) -> n != null);
    return sum;
}

class Box<T> implements Show {
    private final T value;
    int count = 0;
    Box(T value) { this.value = value; }
    String show(int width) { return switch (width) { case 1, 2 -> \"small\"; default -> value.toString(); }; }
}

";
    let text = unit.repeat(100_000 / unit.lines().count());
    let lines = text.lines().count();
    for _ in 0..3 {
        let start = std::time::Instant::now();
        let read = read("long.ds", &text);
        let seconds = start.elapsed().as_secs_f64();
        assert!(read.parsed.diagnostics.is_empty());
        println!("{lines} lines, {} bytes: {:.0} lines/s", text.len(), lines as f64 / seconds);
    }
}

/// No span takes in white space around what it stands for.
#[test]
fn spans_are_tight() {
    for (path, text) in inputs("parse") {
        let debug = format!("{:?}", read("spans.ds", &text).parsed.module);
        for part in debug.split("Span { start: ").skip(1) {
            let mut numbers = part.split(|c: char| !c.is_ascii_digit()).filter(|n| !n.is_empty());
            let mut next = || numbers.next().and_then(|n| n.parse::<usize>().ok()).expect("a number");
            let found = &text[next()..next()];
            assert!(!found.is_empty() && found == found.trim(), "{found:?} in {}", path.display());
        }
    }
}
