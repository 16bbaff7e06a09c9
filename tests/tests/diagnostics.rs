//! What `dsc` says of sources with mistakes, of sources that are hardly any, and what it leaves when it is stopped.

use dscript_tests::{Running, command, compile, ending, finish, good, json_lines, run, text, wait_for};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};
use tempfile::TempDir;

fn scratch() -> TempDir {
    tempfile::tempdir().expect("a scratch folder can be made")
}

/// What `dsc check` says of a source, for programs.
fn check(scratch: &Path, source: &[u8]) -> (Output, Vec<Value>) {
    fs::write(scratch.join("it.ds"), source).expect("a file can be written");
    let output = run("dsc", scratch, &["check", "it.ds", "--message-format", "json"]);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}: {}", output.status, text(&output.stderr));
    let diagnostics = json_lines(&output.stdout);
    let errors = diagnostics.iter().filter(|d| d["severity"] == "error").count();
    assert_eq!(output.status.success(), errors == 0, "the status says whether there are errors");
    (output, diagnostics)
}

/// Where the errors are: line, column, and the source text that they are about.
fn places(source: &str, diagnostics: &[Value]) -> Vec<(u64, u64, String)> {
    let place = |d: &Value| {
        assert_eq!(d["file"], "it.ds");
        assert!(d["code"].as_str().is_some_and(|code| code.starts_with('E') && code.len() == 5), "{d}");
        assert!(d["message"].as_str().is_some_and(|message| !message.is_empty()), "{d}");
        let number = |name: &str| d["span"][name].as_u64().expect("a span has numbers");
        let (start, end) = (number("start") as usize, number("end") as usize);
        (number("line"), number("column"), source[start..end].to_owned())
    };
    diagnostics.iter().filter(|d| d["severity"] == "error").map(place).collect()
}

#[test]
fn five_mistakes_are_five_errors() {
    let scratch = scratch();
    let programs = [
        (
            "int total = \"text\";\nprint(unknownName);\nboolean b = 1 + true;\nfor (int i : 5) print(i);\n\
             print(\"a\".lenght());\n",
            [(1, 13, "\"text\""), (2, 7, "unknownName"), (3, 15, "+"), (4, 14, "5"), (5, 11, "lenght")],
        ),
        // Broken pieces among mistakes of types; columns count code points.
        (
            "record Point(int x, int y) {}\n\nint twice(int n) {\n    return n * ;\n}\n\n\
             String s = \"\u{1F600}é\" + nothing;\nPoint p = new Point(1);\nint n = null;\nprint(p.z);\n",
            [(4, 16, ";"), (7, 19, "nothing"), (8, 22, ")"), (9, 9, "null"), (10, 9, "z")],
        ),
        // A failure that is overlooked, a missing return, an argument too many, a final that is set, a doubled name.
        (
            "int sign(int n) {\n    if (n > 0) return 1;\n}\nOutput! o = new Command(\"true\").run();\n\
             print(o.text());\nfinal int one = sign(1, 2);\none = 2;\nint one = 3;\n",
            [(3, 1, "}"), (5, 7, "o"), (6, 25, "2"), (7, 1, "one"), (8, 5, "one")],
        ),
    ];
    for (source, expected) in programs {
        let (_, diagnostics) = check(scratch.path(), source.as_bytes());
        let expected: Vec<(u64, u64, String)> =
            expected.iter().map(|&(line, column, part)| (line, column, part.to_owned())).collect();
        let messages: Vec<&Value> = diagnostics.iter().map(|d| &d["message"]).collect();
        assert_eq!(places(source, &diagnostics), expected, "{source}\n{messages:#?}");
        // People read the same.
        let output = run("dsc", scratch.path(), &["check", "it.ds"]);
        let (code, said) = ending(&output);
        assert_eq!((code, text(&output.stdout).as_str()), (Some(1), ""));
        for (line, column, _) in &expected {
            assert!(said.contains(&format!("it.ds:{line}:{column}")), "{line}:{column} is in:\n{said}");
        }
        assert!(said.ends_with("dsc: it.ds: 5 errors\n"), "{said}");
        // What has mistakes is not compiled.
        assert_eq!(run("dsc", scratch.path(), &["compile", "it.ds"]).status.code(), Some(1));
        assert!(!scratch.path().join("it.dsb").exists());
    }
}

#[test]
fn what_is_not_utf8_is_an_error_at_its_line() {
    let scratch = scratch();
    for (source, line) in [
        (&b"print(1);\nprint(\"\xff\");\nprint(2);\n"[..], 2),
        (b"\xc3", 1),
        (b"// \xed\xa0\x80\nprint(1);\n", 1),
        (b"print(1);\r\n\r\nprint(\"\xf0\x9f\x98", 3),
    ] {
        let (_, diagnostics) = check(scratch.path(), source);
        let first = diagnostics.first().expect("it is said");
        assert_eq!(first["span"]["line"], line, "{first}");
        assert!(first["message"].as_str().is_some_and(|message| message.contains("UTF-8")), "{first}");
    }
    let (_, good) = check(scratch.path(), "\u{feff}print(\"é\");\r\n".as_bytes());
    assert!(good.is_empty(), "a byte order mark and CRLF are no mistakes: {good:?}");
}

/// What `compile` says, `check` says too.
#[test]
fn check_reports_what_compile_does() {
    let scratch = scratch();
    let wide = "void f(String s) {}\ntask t(String s) { print((try new Command(s).run()).text()); }\n";
    let endless = "record Box<T>(T v) {}\n<T> int deep(T t, int n) { return n == 0 ? 0 : deep(new Box<T>(t), n - 1); }\n\
                   print(deep(1, 3));\n";
    for (source, code, severity, line) in [
        (wide, "W0002", "warning", 2),
        (endless, "E0902", "error", 2),
        ("private int f() { return 1; }\n", "E0112", "error", 1),
    ] {
        let (_, checked) = check(scratch.path(), source.as_bytes());
        let said: Vec<_> = checked.iter().map(|d| (d["code"].as_str(), d["severity"].as_str())).collect();
        assert_eq!(said, [(Some(code), Some(severity))], "{source}");
        assert_eq!(checked[0]["span"]["line"], line, "{source}");
        let output = run("dsc", scratch.path(), &["compile", "it.ds", "--message-format", "json"]);
        assert_eq!(json_lines(&output.stdout), checked, "{source}");
    }
    // What others import is nothing to run, and no mistake.
    let (_, library) = check(scratch.path(), b"int f() { return 1; }\n");
    assert!(library.is_empty(), "{library:?}");
}

/// A `@Needs` of a task speaks for what it does.
#[test]
fn needs_of_a_task_count() {
    let scratch = scratch();
    let source = "@Needs(\"exec:/usr/lib/checks/*\")\ntask t(String name) {\n\
                  print((try new Command(\"/usr/lib/checks/\" + name).run()).text());\n}\n";
    let (_, said) = check(scratch.path(), source.as_bytes());
    assert!(said.is_empty(), "{said:?}");
    good("dsc", scratch.path(), &["compile", "it.ds"]);
    let shown = good("dsc", scratch.path(), &["inspect", "it.dsb"]);
    assert!(shown.contains("exec:/usr/lib/checks/*") && !shown.contains("exec:*"), "{shown}");
}

/// An import that names nothing is one mistake, and what is missing is offered.
#[test]
fn imports_are_judged_once() {
    let scratch = scratch();
    let folder = scratch.path();
    fs::create_dir(folder.join("care")).expect("a folder can be made");
    let checks = "void restart(String s) { print(s); }\nprivate int hidden() { return 1; }\n\
                  class Held { private static final int N = 1; private Held() {} }\n";
    fs::write(folder.join("care/checks.ds"), checks).expect("a file can be written");
    let edit = |text: &str| Some(text.to_owned());
    for (source, line, code, offered) in [
        ("import care.cheks.*;\nrestart(helper());\nFoo f = new Foo();\n", 1, "E0105", edit("care.checks")),
        ("import care.checks.restrat;\nrestrat(\"x\");\nrestrat(\"y\");\n", 1, "E0105", edit("restart")),
        ("import care.checks;\nrestart(\"x\");\n", 1, "E0105", edit("import care.checks.*;")),
        ("import care.checks.hidden;\nprint(hidden());\n", 1, "E0106", None),
        ("print(1);\nrestart(\"x\");\nrestart(\"y\");\n", 2, "E0101", edit("import care.checks.restart;\n")),
        ("import java.util.*;\nprint(1);\n", 1, "E0105", edit("")),
        ("import care.checks.*;\nprint(Held.N);\n", 2, "E0106", None),
        ("import care.checks.*;\nvar h = new Held();\n", 2, "E0106", None),
    ] {
        let (_, said) = check(folder, source.as_bytes());
        assert_eq!(said.len(), 1, "{source}{said:#?}");
        assert_eq!((said[0]["span"]["line"].as_u64(), said[0]["code"].as_str()), (Some(line), Some(code)));
        let found = said[0]["edits"].as_array().and_then(|edits| edits.first()).map(|e| e["text"].clone());
        assert_eq!(found, offered.map(Value::from), "{source}");
    }
}

#[test]
fn an_empty_file_says_that_it_does_nothing() {
    let scratch = scratch();
    for source in ["", "\n\n", "// nothing\n", "\u{feff}", "/** A comment. */"] {
        let (_, diagnostics) = check(scratch.path(), source.as_bytes());
        assert!(diagnostics.len() <= 1, "one thing is said at most: {diagnostics:?}");
        let output = run("dsc", scratch.path(), &["compile", "it.ds"]);
        let (code, said) = ending(&output);
        assert!(matches!(code, Some(0 | 1)) && !said.contains("panicked"), "{source:?}: {said}");
    }
}

/// Deep nesting is refused where it becomes too deep, in every construct that nests; nothing crashes.
#[test]
fn ten_thousand_nested_are_refused() {
    let scratch = scratch();
    let n = 10_000;
    let nests: [(&str, String); 19] = [
        ("parentheses", format!("int x = {}1{};\n", "(".repeat(n), ")".repeat(n))),
        ("open parentheses", format!("int x = {}", "(".repeat(n))),
        ("closing parentheses", format!("int x = 1{};\n", ")".repeat(n))),
        ("blocks", format!("{}{}\n", "{".repeat(n), "}".repeat(n))),
        ("open blocks", "{".repeat(n)),
        ("lists", format!("var x = {}{};\n", "[".repeat(n), "]".repeat(n))),
        ("calls", format!("int f(int x) {{ return x; }}\nprint({}1{});\n", "f(".repeat(n), ")".repeat(n))),
        ("indexes", format!("List<int> a = [0];\nint x = {}0{};\n", "a[".repeat(n), "]".repeat(n))),
        ("types", format!("{}int{} x;\n", "List<".repeat(n), ">".repeat(n))),
        ("negations", format!("boolean b = {}true;\n", "!".repeat(n))),
        ("minuses", format!("int x = {}1;\n", "- ".repeat(n))),
        ("lambdas", format!("var f = {}1;\n", (0..n).map(|i| format!("(int x{i}) -> ")).collect::<String>())),
        ("ifs", format!("{}print(1);\n", "if (true) ".repeat(n))),
        ("loops", format!("{}print(1);\n", "while (true) ".repeat(n))),
        ("conditions", format!("int x = {}1{};\n", "true ? ".repeat(n), " : 2".repeat(n))),
        ("interpolations", format!("String s = {}1{};\n", "\"${".repeat(n), "}\"".repeat(n))),
        ("tries", format!("LogPool p = {}LogPool.open(\"p\");\n", "try ".repeat(n))),
        ("casts", format!("int x = {}1;\n", "(int) ".repeat(n))),
        ("comments", format!("{}\n", "/*".repeat(n))),
    ];
    for (what, source) in nests {
        let (output, diagnostics) = check(scratch.path(), source.as_bytes());
        assert_eq!(output.status.code(), Some(1), "{what} are refused");
        // Each closing bracket without a partner is a mistake of its own; all else is one or a few.
        let most = if what == "closing parentheses" { n } else { 20 };
        let count = diagnostics.len();
        assert!((1..=most).contains(&count), "{what}: {count} errors");
        for diagnostic in &diagnostics {
            let message = diagnostic["message"].as_str().expect("a message");
            assert!(message.len() < 500, "{what}: {message}");
        }
    }
}

/// Compiles and runs each, which prints its line.
fn run_chains(chains: &[(&str, String, &str)]) {
    let scratch = scratch();
    for (what, source, printed) in chains {
        compile(scratch.path(), what, source);
        let image = format!("{what}.dsb");
        assert_eq!(good("dsvm", scratch.path(), &["exec", &image]), format!("{printed}\n"), "{what}");
    }
}

#[test]
fn long_chains_of_numbers_compile_and_run() {
    let n = 10_000;
    run_chains(&[
        ("sum", format!("int one = 1;\nprint(one{});\n", " + one".repeat(n)), "10001"),
        ("difference", format!("int one = 1;\nprint(one{});\n", " - one".repeat(n)), "-9999"),
        ("mixed", format!("int one = 1;\nprint(one{});\n", " + one * one - one".repeat(n / 3)), "1"),
    ]);
}

#[test]
fn other_long_chains_compile_and_run() {
    let n = 10_000;
    run_chains(&[
        ("and", format!("boolean t = 1 < 2;\nprint(t{});\n", " && t".repeat(n)), "true"),
        ("or", format!("boolean f = 2 < 1;\nprint(f{});\n", " || f".repeat(n)), "false"),
        ("text", format!("String s = \"\";\nprint((s{}).length());\n", " + \"ab\"".repeat(n)), "20000"),
        ("list", format!("List<int> xs = [0{}];\nprint(xs.size());\n", ", 1".repeat(n)), "10001"),
        ("statements", format!("int n = 0;\n{}print(n);\n", "n++;\n".repeat(n)), "10000"),
    ]);
}

/// Chains that are long in a way of their own end in a diagnostic or an image, no matter which.
#[test]
fn chains_of_all_kinds_do_no_harm() {
    let scratch = scratch();
    let n = 10_000;
    let chains = [
        ("members", format!("String s = \"a\"{};\nprint(s);\n", ".trim()".repeat(n))),
        ("else ifs", format!("int x = 1;\n{}print(1);\n", "if (x == 0) print(0); else ".repeat(n))),
        ("defaults", format!("int? x = null;\nint y = {}1;\nprint(y);\n", "x ?? ".repeat(n))),
        ("choices", format!("boolean b = 1 < 2;\nint x = {}3;\nprint(x);\n", "b ? 1 : ".repeat(n))),
        ("comparisons", format!("boolean b = 1 < 2;\nprint(b{});\n", " == b".repeat(n))),
        ("steps", format!("int n = 0;\nn{};\n", "++".repeat(n))),
        ("names", format!("int {} = 1;\n", "a".repeat(n))),
        ("paths", format!("import a{};\n", ".a".repeat(n))),
        ("annotations", format!("{}task T() {{}}\n", "@Needs(\"exec:a\") ".repeat(n))),
        ("strings", format!("print({});\n", "\"a\" ".repeat(n))),
        ("unions", format!("int{} x = 1;\n", "?".repeat(n))),
    ];
    for (what, source) in chains {
        fs::write(scratch.path().join("it.ds"), source).expect("a file can be written");
        let output = run("dsc", scratch.path(), &["compile", "it.ds"]);
        let (code, said) = ending(&output);
        assert!(matches!(code, Some(0 | 1)), "{what}: {}: {said}", output.status);
        if code == Some(0) {
            let output = run("dsvm", scratch.path(), &["exec", "it.dsb", "--for", "20s"]);
            assert!(matches!(output.status.code(), Some(0 | 1)), "{what}: {}", text(&output.stderr));
        }
    }
}

#[test]
fn check_walks_folders() {
    let scratch = scratch();
    let folder = scratch.path();
    for (name, source) in [
        ("src/good.ds", "print(1);\n"),
        ("src/deep/er/bad.ds", "int x = \"a\";\n"),
        ("src/worse.ds", "print(nobody);\nprint(nowhere);\n"),
        ("src/.hidden/bad.ds", "print(;\n"),
        ("src/.bad.ds", "print(;\n"),
        ("src/notes.txt", "print(;\n"),
        ("good/one.ds", "print(1);\n"),
        ("good/two.ds", "task T() {}\n"),
        ("none/notes.txt", "nothing\n"),
    ] {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().expect("a file stands in a folder")).expect("folders can be made");
        fs::write(file, source).expect("a file can be written");
    }
    let output = run("dsc", folder, &["check", "src", "--message-format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let found: Vec<(String, u64)> = json_lines(&output.stdout)
        .iter()
        .map(|d| {
            (d["file"].as_str().expect("a file").to_owned(), d["span"]["line"].as_u64().expect("a line"))
        })
        .collect();
    let expected = [("src/deep/er/bad.ds", 1), ("src/worse.ds", 1), ("src/worse.ds", 2)];
    assert_eq!(found, expected.map(|(file, line)| (file.to_owned(), line)));
    assert_eq!(good("dsc", folder, &["check", "good"]), "");
    assert_eq!(good("dsc", folder, &["check", "good", "src/good.ds"]), "");
    assert_eq!(run("dsc", folder, &["check", "none"]).status.code(), Some(2));
    assert_eq!(run("dsc", folder, &["check", "missing"]).status.code(), Some(2));
    assert_eq!(run("dsc", folder, &["check", "good", "missing.ds"]).status.code(), Some(2));
    assert_eq!(run("dsc", folder, &["check"]).status.code(), Some(2));
    let written = fs::read_dir(folder.join("good")).expect("the folder can be listed").count();
    assert_eq!(written, 2, "check writes nothing");
}

#[test]
fn what_cannot_be_written_is_said() {
    let scratch = scratch();
    let folder = scratch.path();
    fs::write(folder.join("it.ds"), "print(1);\n").expect("a file can be written");
    fs::create_dir(folder.join("inside")).expect("a folder can be made");
    for args in [
        &["compile", "missing.ds"][..],
        &["compile", "inside"],
        &["compile", "it.ds", "-o", "nowhere/it.dsb"],
        &["compile", "it.ds", "-o", "inside"],
        &["compile", "it.ds", "-o", "/dev/full"],
    ] {
        let output = run("dsc", folder, args);
        let (code, said) = ending(&output);
        assert_eq!((code, text(&output.stdout).as_str()), (Some(2), ""), "{args:?}: {said}");
        assert!(said.starts_with("dsc: ") && said.lines().count() == 1, "{args:?}: {said}");
    }
    let mut names: Vec<_> = fs::read_dir(folder)
        .expect("the folder can be listed")
        .map(|e| e.expect("an entry").file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["inside", "it.ds"], "nothing is left over");
}

/// Whenever `dsc` is killed, the image is the one that was there or the new one.
#[test]
fn a_killed_compiler_leaves_no_half_image() {
    let scratch = scratch();
    let folder = scratch.path();
    let image = compile(folder, "it", "print(1);\n");
    let old = fs::read(&image).expect("an image is written");
    let long: String = (0..1500).map(|i| format!("print(\"{}{i}\");\n", "x".repeat(1000))).collect();
    fs::write(folder.join("it.ds"), long).expect("a file can be written");
    good("dsc", folder, &["compile", "it.ds", "-o", "new.dsb"]);
    let new = fs::read(folder.join("new.dsb")).expect("an image is written");
    assert!(new.len() > 1 << 20);
    let parts = || {
        let entries = fs::read_dir(folder).expect("the folder can be listed");
        entries
            .filter(|e| e.as_ref().is_ok_and(|e| e.file_name().to_string_lossy().ends_with(".part")))
            .count()
    };
    // Killed as soon as it has begun to write, and at the latest when it has ended.
    for _ in 0..10 {
        fs::write(&image, &old).expect("a file can be written");
        let before = parts();
        let mut dsc = command("dsc", folder);
        let mut dsc = Running::start(dsc.args(["compile", "it.ds"]).stderr(Stdio::null()));
        wait_for("it to write", || {
            (parts() > before || matches!(dsc.0.try_wait(), Ok(Some(_)))).then_some(())
        });
        if let Ok(None) = dsc.0.try_wait() {
            dsc.kill_hard();
        }
        let there = fs::read(&image).expect("the image is there");
        assert!(
            there == old || there == new,
            "{} bytes are neither {} nor {}",
            there.len(),
            old.len(),
            new.len()
        );
    }
    assert!(finish(command("dsc", folder).args(["compile", "it.ds"])).status.success());
    assert!(fs::read(&image).expect("the image is there") == new);
}

#[test]
fn of_a_long_line_what_stands_around_a_mistake_is_shown() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let list = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    let source = format!("List<int> all = [{}, \"größe\", {}];\n", list(2000), list(2000));
    std::fs::write(scratch.path().join("long.ds"), source).expect("a file can be written");
    let output = dscript_tests::run("dsc", scratch.path(), &["check", "long.ds"]);
    let said = dscript_tests::text(&output.stderr) + &dscript_tests::text(&output.stdout);
    let line = said
        .lines()
        .find(|line| line.contains("1998, 1999, \"größe\", 0, 1"))
        .unwrap_or_else(|| panic!("{said}"));
    assert!(line.contains("| ...") && line.ends_with("..."), "{said}");
    let marks = said.lines().find(|line| line.ends_with("^^^^^^^")).unwrap_or_else(|| panic!("{said}"));
    assert_eq!(marks.find('^'), line.find("\"größe\""), "{said}");
}
