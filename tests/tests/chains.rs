//! Long flat chains of every kind are compiled, run, also where everything is compiled to machine code, and formatted; only
//! nesting has a limit that people meet.

use dscript_tests::{good, text};
use std::fs;

const LINKS: usize = 10_000;

/// A program with a chain of that many links, and what it prints.
fn programs() -> Vec<(&'static str, String, &'static str)> {
    let n = LINKS;
    let chosen = |case: &dyn Fn(usize) -> String| (0..n).map(case).collect::<String>();
    let asked = "print(f(0));\nprint(f(9999));\nprint(f(10000));\n";
    vec![
        ("plus", format!("int f(int a) {{ return a{}; }}\nprint(f(1));\n", " + a".repeat(n)), "10001\n"),
        (
            "texts",
            format!(
                "String f(String s) {{ return s{}; }}\nprint(f(\"b\").length());\n",
                " + \"a\" + s".repeat(n / 2)
            ),
            "10001\n",
        ),
        (
            "and_or",
            format!(
                "boolean f(int a) {{ return a == 1{}; }}\nprint(f(0));\n",
                " || a > 9 && a < 3".repeat(n / 2)
            ),
            "false\n",
        ),
        (
            "equal",
            format!("boolean f(boolean a) {{ return a{}; }}\nprint(f(true));\n", " == a".repeat(n)),
            "true\n",
        ),
        (
            "null",
            format!("int f(int? a) {{ return {}7; }}\nprint(f(null));\nprint(f(3));\n", "a ?? ".repeat(n)),
            "7\n3\n",
        ),
        (
            "errors",
            format!(
                "int! g(int k) {{ if (k > 0) {{ fail \"no\"; }} return k; }}\n\
                 double f(int a) {{ return {}7.5; }}\nprint(f(1));\nprint(f(0));\n",
                "g(a) ?? ".repeat(n)
            ),
            "7.5\n0.0\n",
        ),
        (
            "conditions",
            format!(
                "int f(int a) {{ return {}-1; }}\n{asked}",
                chosen(&|i| format!("a == {i} ? {} : ", i + 1))
            ),
            "1\n10000\n-1\n",
        ),
        (
            "else_if",
            format!(
                "int f(int a) {{ {} {{ return -1; }} }}\n{asked}",
                chosen(&|i| format!("if (a == {i}) {{ return {}; }} else ", i + 1))
            ),
            "1\n10000\n-1\n",
        ),
        (
            "methods",
            format!(
                "class B {{ int n = 0; B b() {{ this.n = this.n + 1; return this; }} }}\n\
                 var x = new B(){};\nprint(x.n);\n",
                ".b()".repeat(n)
            ),
            "10000\n",
        ),
        (
            "natives",
            format!(
                "String f(String s) {{ return s{}; }}\nprint(f(\"a\"));\n",
                ".replace(\"a\", \"b\").toUpper()".repeat(n / 2)
            ),
            "B\n",
        ),
        (
            "lambdas",
            format!(
                "int? f(List<int> s) {{ return s{}.first(); }}\nprint(f([1]) ?? 0);\n",
                ".map(x -> x + 1)".repeat(n)
            ),
            "10001\n",
        ),
        (
            "assigned",
            format!("int a = 0;\nint b = 0;\n{}5;\nprint(a + b);\n", "a = b = ".repeat(n / 2)),
            "10\n",
        ),
    ]
}

#[test]
fn long_chains_compile_run_and_format() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    for (name, program, expected) in programs() {
        let (source, image) = (format!("{name}.ds"), format!("{name}.dsb"));
        fs::write(scratch.path().join(&source), &program).expect("a file can be written");
        good("dsc", scratch.path(), &["compile", &source]);
        // Each lambda is a function: there are ten thousand of them rather than a long one.
        let engines = if name == "lambdas" { &["interp"][..] } else { &["interp", "jit"] };
        for engine in engines {
            let printed = good("dsvm", scratch.path(), &["exec", &image, "--engine", engine]);
            assert_eq!(printed, expected, "{name} with {engine}");
        }
        good("dsc", scratch.path(), &["fmt", &source]);
        good("dsc", scratch.path(), &["fmt", "--check", &source]);
        let formatted = fs::read_to_string(scratch.path().join(&source)).expect("the file is there");
        assert!(formatted.lines().all(|line| line.len() <= 100), "{name} is within the width");
    }
}

/// Nesting of brackets stays a mistake, and one only.
#[test]
fn nested_brackets_are_one_mistake() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    for (open, close) in [("(", ")"), ("{ ", "}"), ("f(", ")"), ("[", "]")] {
        let inside = format!("{}1{}", open.repeat(LINKS), close.repeat(LINKS));
        let program =
            if open == "{ " { inside.replace('1', "print(1);") } else { format!("print({inside});") };
        fs::write(scratch.path().join("deep.ds"), program).expect("a file can be written");
        let output = dscript_tests::run("dsc", scratch.path(), &["check", "deep.ds"]);
        let shown = text(&output.stderr);
        assert_eq!(
            (output.status.code(), shown.matches("error[").count()),
            (Some(1), 1),
            "{open}: {shown:.400}"
        );
        assert!(shown.contains("error[E0010]"), "{shown:.400}");
    }
}
