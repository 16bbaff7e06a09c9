//! Programs larger than anybody writes by hand: each compiles to an image that the verifier takes, or meets a
//! diagnostic that names the limit.

use dscript_bytecode::verify::verify;
use dscript_compiler::session::Session;
use dscript_compiler::{Compilation, Goal, NoSources, compile};

/// As deep as the compiler's own thread.
fn build(source: String) -> Compilation {
    let worker = std::thread::Builder::new()
        .stack_size(64 << 20)
        .spawn(move || compile("large", "large.ds", source.as_bytes(), &NoSources, Goal::Image));
    worker.expect("a thread starts").join().expect("the compiler does not panic")
}

fn messages(compilation: &Compilation) -> Vec<&str> {
    compilation.diagnostics.iter().map(|d| d.message.as_str()).collect()
}

fn fits(source: String) {
    let compilation = build(source);
    assert!(!compilation.has_errors(), "{:?}", messages(&compilation));
    let image = compilation.image.expect("an image without errors");
    verify(&image).expect("the verifier takes what the compiler makes");
}

fn meets(source: String, limit: &str) {
    let compilation = build(source);
    let all = messages(&compilation);
    assert!(all.iter().any(|m| m.contains(limit)), "{all:?}");
    assert!(compilation.image.is_none());
}

/// `part` for each number, with `between` between them.
fn many(count: usize, between: &str, part: impl Fn(usize) -> String) -> String {
    (0..count).map(part).collect::<Vec<_>>().join(between)
}

#[test]
fn long_chains_need_few_registers() {
    let body = |text: String| format!("boolean f(int a) {{ return {text}; }}\nprint(f(1));\n");
    fits(body(many(20_000, " && ", |i| format!("a != {i}"))));
    fits(body(many(20_000, " || ", |i| format!("a == {i}"))));
    fits(format!(
        "int f(int a) {{ return {}; }}\nprint(f(1));\n",
        many(20_000, " + ", |i| format!("a * {i}"))
    ));
    let texts = many(20_000, " + ", |_| "a + b".into());
    fits(format!("String f(String a, int b) {{ return {texts}; }}\nprint(f(\"x\", 1));\n"));
    let pieces = many(20_000, " ", |_| "${a} ${b}".into());
    fits(format!("String f(String a, int b) {{ return \"{pieces}\"; }}\nprint(f(\"x\", 1));\n"));
}

#[test]
fn long_literals_and_switches() {
    fits(format!("List<int> xs = [{}];\nprint(xs.size());\n", many(20_000, ", ", |i| i.to_string())));
    fits(format!(
        "Map<int, String> m = {{{}}};\nprint(m.size());\n",
        many(20_000, ", ", |i| format!("{i}: \"{i}\""))
    ));
    let cases = many(5_000, "\n", |i| format!("case {i} -> {};", i * 3));
    fits(format!("int f(int a) {{ return switch (a) {{ {cases} default -> 0; }}; }}\nprint(f(7));\n"));
    let cases = many(5_000, "\n", |i| format!("case \"k{i}\" -> {i};"));
    fits(format!(
        "int f(String a) {{ return switch (a) {{ {cases} default -> 0; }}; }}\nprint(f(\"k7\"));\n"
    ));
    fits(format!("String s = \"{}\";\nprint(s.length());\n", "x".repeat(1_000_000)));
}

#[test]
fn many_declarations() {
    let calls =
        |i: usize| format!("int f{i}(int a) {{ return a > 0 ? f{}(a - 1) : a; }}", (i * 7_919 + 1) % 10_000);
    fits(format!("{}\nprint(f0(5));\n", many(10_000, "\n", calls)));
    fits(format!("enum E {{ {} }}\nprint(E.C77);\n", many(50_000, ", ", |i| format!("C{i}"))));
    let records = many(2_000, "\n", |i| format!("record R{i}(int a) implements S {{}}"));
    let cases = many(2_000, "\n", |i| format!("case R{i} r -> r.a;"));
    fits(format!(
        "sealed interface S {{}}\n{records}\nint f(S s) {{ return switch (s) {{ {cases} }}; }}\nprint(f(new R7(1)));\n"
    ));
    fits(format!("int x = 1;\n{}\nprint(x);\n", many(20_000, "\n", |i| format!("x = x + {i};"))));
}

#[test]
fn a_switch_over_a_large_enum_is_still_judged() {
    let constants = many(5_000, ", ", |i| format!("C{i}"));
    let cases = many(4_999, "\n", |i| format!("case C{i} -> {i};"));
    let source = format!(
        "enum E {{ {constants} }}\nint f(E e) {{ return switch (e) {{ {cases} }}; }}\nprint(f(E.C1));\n"
    );
    let compilation = build(source);
    assert_eq!(messages(&compilation), ["the switch does not cover every case"]);
    assert_eq!(compilation.diagnostics[0].help, ["missing: `C4999`"]);
}

#[test]
fn limits_are_named() {
    let locals = many(20_000, "\n", |i| format!("int x{i} = {i};"));
    meets(format!("{locals}\nprint(x7);\n"), "registers than a function may have (16384)");
    let params = many(2_000, ", ", |i| format!("int a{i}"));
    let args = many(2_000, ", ", |i| i.to_string());
    meets(format!("int f({params}) {{ return a7; }}\nprint(f({args}));\n"), "1024 are allowed");
    let fields = many(5_000, "\n", |i| format!("int a{i} = {i};"));
    meets(format!("class R {{ {fields} }}\nprint(new R().a7);\n"), "4096 are allowed");
    let functions = many(66_000, "\n", |i| format!("int f{i}() {{ return {i}; }}"));
    let calls = many(66_000, "\n", |i| format!("f{i}();"));
    meets(format!("{functions}\n{calls}\n"), "65536 are allowed");
}

/// Also on a thread with a small stack, as an editor's server or a test may have.
#[test]
fn an_editor_looks_at_long_chains() {
    let text = format!(
        "class B {{ int n = 0; B b() {{ return this; }} }}\nvar x = new B(){};\nprint(x.m);\n",
        ".b()".repeat(10_000)
    );
    let mut session = Session::default();
    session.set("long", "long.ds", &text);
    let found = session.analyze(&NoSources, |analysis| {
        while analysis.step() {}
        analysis.diagnostics()
    });
    let messages: Vec<_> = found.iter().map(|d| d.message.as_str()).collect();
    assert!(matches!(messages[..], [one] if one.contains("`m`")), "{messages:?}");
}
