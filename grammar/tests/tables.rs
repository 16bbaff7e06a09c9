//! One row each: literals, operators, soft words and the mistakes in them.

mod common;

use common::{Rows, expression, read};

fn errors(text: &str) -> Vec<String> {
    read("t.ds", text).short()
}

#[test]
fn literals() {
    let mut rows = Rows::default();
    for (text, dump) in [
        ("42", "42"),
        ("1_000", "1000"),
        ("0", "0"),
        ("0xFF", "255"),
        ("0Xff_ff", "65535"),
        ("0b101", "5"),
        ("0x7FFFFFFFFFFFFFFF", "9223372036854775807"),
        ("4KiB", "4096"),
        ("64MiB", "67108864"),
        ("2GiB", "2147483648"),
        ("1TiB", "1099511627776"),
        ("10KB", "10000"),
        ("5MB", "5000000"),
        ("1GB", "1000000000"),
        ("1TB", "1000000000000"),
        ("0.5", "0.5d"),
        ("1e-3", "0.001d"),
        ("1E3", "1000.0d"),
        ("1.5e+2", "150.0d"),
        ("1_0.2_5", "10.25d"),
        ("0.0", "0.0d"),
        ("0e5", "0.0d"),
        ("7ns", "7ns"),
        ("500us", "500000ns"),
        ("250ms", "250000000ns"),
        ("5s", "5000000000ns"),
        ("10m", "600000000000ns"),
        ("2h", "7200000000000ns"),
        ("1d", "86400000000000ns"),
        ("-9223372036854775808", "(Neg 9223372036854775808)"),
        ("1 - -9223372036854775808", "(chain 1 Sub (Neg 9223372036854775808))"),
        ("'a'", "'97'"),
        ("'\\''", "'39'"),
        ("'\\u{1F600}'", "'128512'"),
        ("'\\uD83D\\uDE00'", "'128512'"),
        ("'\\0'", "'0'"),
        ("'\\377'", "'255'"),
        ("'$'", "'36'"),
        ("\"\"", "\"\""),
        ("\"a$b\"", "\"a$b\""),
        ("\"\\${a}\"", "\"${a}\""),
        ("\"${a}\"", "${a}"),
        ("\"${a}${b}\"", "${a}~${b}"),
        ("\"${\"${\"x\"}\"}\"", "${${\"x\"}}"),
        ("\"${ {1: 2}[1] }\"", "${{1: 2}[1]}"),
        ("\"${'\"'}\"", "${'34'}"),
        ("r\"\\d\"", "\"\\\\d\""),
        ("r#\"a\"b\"#", "\"a\\\"b\""),
        ("r##\"a\"#b\"##", "\"a\\\"#b\""),
        ("\"\"\"\n  a\n  \"\"\"", "\"a\\n\""),
        ("\"\"\"\n  a\"\"\"", "\"a\""),
        ("\"\"\"\n  a\n b\n  \"\"\"", "\" a\\nb\\n\""),
        ("\"\"\"\n    a\n\n    b\n  \"\"\"", "\"  a\\n\\n  b\\n\""),
        ("\"\"\"\r\n  a\r\n  b\"\"\"", "\"a\\nb\""),
        ("\"\"\"\n  a\\\n  b\"\"\"", "\"ab\""),
        ("\"\"\"\n  a\\\\\n  b\"\"\"", "\"a\\\\\\nb\""),
        ("\"\"\"\n  ${a +\n b} c  \n  \"\"\"", "${(chain a Add b)}~\" c\\n\""),
        ("r\"\"\"\n  \\n${a}\n  \"\"\"", "\"\\\\n${a}\\n\""),
        ("[]", "[]"),
        ("[1, 2,]", "[1, 2]"),
        ("{:}", "{}"),
        ("{\"a\": 1,}", "{\"a\": 1}"),
        ("true", "true"),
        ("null", "null"),
    ] {
        rows.same(text, expression(text), dump);
    }
    rows.finish();
}

#[test]
fn precedence() {
    let mut rows = Rows::default();
    for (text, dump) in [
        ("a + b * c - d", "(chain a Add (chain b Mul c) Sub d)"),
        ("(a + b) * c", "(chain (paren (chain a Add b)) Mul c)"),
        ("a - (b - c)", "(chain a Sub (paren (chain b Sub c)))"),
        ("-a * !b", "(chain (Neg a) Mul (Not b))"),
        ("a << 1 + 2", "(chain a Shl (chain 1 Add 2))"),
        ("a >> 1 >>> 2", "(chain a Shr 1 UShr 2)"),
        ("a > b >> c", "(Gt a (chain b Shr c))"),
        ("a >= b", "(Ge a b)"),
        ("a < b == c < d", "(Eq (Lt a b) (Lt c d))"),
        ("a == b != c", "(Ne (Eq a b) c)"),
        ("a & b | c ^ d", "(chain (chain a BitAnd b) BitOr (chain c BitXor d))"),
        ("a & b == c", "(chain a BitAnd (Eq b c))"),
        ("a && b || c && d", "(chain (chain a And b) Or (chain c And d))"),
        ("a || b ?? c", "(?? (chain a Or b) c)"),
        ("a ?? b ?? c", "(?? a (?? b c))"),
        ("a ?? b ? c : d", "(? (?? a b) c d)"),
        ("a ? b : c ? d : e", "(? a b (? c d e))"),
        ("a ? b ? c : d : e", "(? a (? b c d) e)"),
        ("a = b += c", "(= a (Add= b c))"),
        ("a ? b : c = d", "ERROR"),
        ("try a.b().c() + 1", "(chain (try a.b().c()) Add 1)"),
        ("try a ?? b", "(?? (try a) b)"),
        ("!try a.b()", "(Not (try a.b()))"),
        ("-a.b", "(Neg a.b)"),
        ("-x[0]++", "(Neg (x[0]++))"),
        ("a ?? fail \"x\"", "(?? a (fail \"x\"))"),
        ("fail \"x\"", "(fail \"x\")"),
        ("x -> y -> x + y", "(\\x -> (\\y -> (chain x Add y)))"),
        ("x -> x ? 1 : 2", "(\\x -> (? x 1 2))"),
        ("x -> {:}", "(\\x -> {})"),
        ("x -> { }", "(\\x -> {})"),
        ("(int) a + b", "(chain (cast int a) Add b)"),
        ("(int) -a", "(cast int (Neg a))"),
        ("(a) - b", "(chain (paren a) Sub b)"),
        ("(a)(b)", "(paren a)(b)"),
        ("a instanceof B && c", "(chain (instanceof a B) And c)"),
        ("a instanceof B b ? b : c", "(? (instanceof a B b) b c)"),
        ("a instanceof List<int> xs", "(instanceof a List<int> xs)"),
        ("new A().b", "(new A()).b"),
        ("new List<List<int>>()", "(new List<List<int>>())"),
        ("a.b[c](d).e", "a.b[c](d).e"),
        ("f(a < b, c > d)", "f((Lt a b), (Gt c d))"),
        ("f(a < b, c > (d))", "f((Lt a b), (Gt c (paren d)))"),
        ("0..n", "(range 0 n)"),
        ("a + 1..b - 1", "(range (chain a Add 1) (chain b Sub 1))"),
        ("T.class", "(class T)"),
        ("f(k: 1, v: a ? b : c)", "f(k: 1, v: (? a b c))"),
    ] {
        if dump == "ERROR" {
            assert!(!errors(&format!("x = {text};")).is_empty(), "`{text}` is refused");
        } else {
            rows.same(text, expression(text), dump);
        }
    }
    rows.finish();
}

/// Each of them is a name wherever it does not start its construct.
#[test]
fn soft_words_are_names() {
    let words = [
        "after",
        "analyze",
        "approval",
        "at",
        "called",
        "every",
        "failing",
        "failure",
        "fails",
        "given",
        "go",
        "guard",
        "initial",
        "log",
        "monitor",
        "most",
        "nodes",
        "on",
        "over",
        "per",
        "permits",
        "record",
        "recover",
        "recovering",
        "respond",
        "retry",
        "returns",
        "scenario",
        "sealed",
        "state",
        "success",
        "task",
        "test",
        "undo",
        "var",
        "verify",
        "when",
        "with",
        "within",
        "yield",
        "ok",
        "controller",
        "node",
    ];
    let places = [
        "int W = 1;",
        "W = 2;",
        "W.a = W;",
        "a.W = W.b;",
        "W[0] = W[1];",
        "W++; --W;",
        "f(W, W + 1, W(2), W: 3, W);",
        "var x = W ? W : W;",
        "return W;",
        "for (W x : W) { }",
        "for (int W : xs) { }",
        "for (int i = W; i < W; i++) W = i;",
        "g(W -> W, (W) -> W, (W, a) -> W);",
        "List<W> x = [W, W];",
        "Map<W, W> x = {W: W, \"${W}\": W};",
        "W? x = W; W! y = W;",
        "switch (W) { case W -> W; case W, A -> W; case W w -> W; default -> W; }",
        "if (W) W = W; else W = W;",
        "while (W) { W = W; }",
        "break W;",
        "int f(int W, W a) { return W; }",
        "W f(W W) { return W; }",
        "class W { int W; W a; W W() { return this.W; } }",
        "record A(int W, W b) { }",
        "enum A { W, B }",
        "import a.W.b; import W.*;",
        "task t(int W) { W = 1; }",
        "test \"x\" { W = 1; assert W; run(W); }",
        "var t = try W.a() ?? W;",
        "x = (int) W + (W) + (W.a);",
        "x = a instanceof W || b instanceof W w;",
        "scenario S(int W) { initial state W { on failure go W; } }",
        "scenario S(int W) { initial state A { monitor W(W) every W failing W; analyze W(W: W) within W; } }",
        "x = W < W && W > W;",
        "x = -W; x = !W; x = try W;",
        "assert W : W;",
        "fail W;",
    ];
    let mut rows = Rows::default();
    for word in words {
        for place in places {
            let text = place.replace('W', word);
            // As in Java: such a word can't be the type at the beginning of a declaration that reads like its own.
            let declares =
                [" x", " a", " b", " w"].iter().any(|name| text.contains(&format!("{word}{name}")))
                    || text.contains(&format!("{word} {word}"))
                    || text.contains(&format!("{word}?"));
            let like_its_own =
                text.contains(&format!("{word} f(")) || text.contains(&format!("{word} {word}("));
            if (matches!(word, "var" | "yield") && declares)
                || (matches!(word, "record" | "scenario" | "task") && like_its_own)
            {
                continue;
            }
            // Such a type is declared beside it, or it is a task without that word.
            if matches!(word, "monitor" | "analyze" | "recover" | "respond")
                && text.contains(&format!("{word} f("))
            {
                let declared = format!("record {word}() {{}}\n{text}");
                rows.same(&declared, errors(&declared), Vec::<String>::new());
                continue;
            }
            if word == "when" && text.contains("case when") {
                continue;
            }
            rows.same(&text, errors(&text), Vec::<String>::new());
        }
    }
    rows.finish();
    assert_eq!(
        errors("every(5);\nwithin(5);\nretry(1, 2);\nint every = within(every(3));"),
        Vec::<String>::new()
    );
}

#[test]
fn messages() {
    let mut rows = Rows::default();
    for (text, wanted) in [
        ("int x = 5", "1:10 E0011 expected `;`"),
        ("x = 5min;", "1:5 E0004 `5min` has an unknown unit, `min`"),
        ("x = 1L;", "1:5 E0004 `1L` has a suffix that does not exist here"),
        (
            "x = 9223372036854775808;",
            "1:5 E0005 this number is out of range: an `int` goes up to 9223372036854775807",
        ),
        ("x = \"\\uD800\";", "1:6 E0006 half of a surrogate pair is not a character"),
        ("x = \"abc;\ny = 1;", "1:5 E0008 this text is not closed on its line"),
        ("f(\"abc);\ny = 1;", "1:3 E0008 this text is not closed on its line"),
        ("f(\"abc ${x);\ny = 1;", "1:3 E0008 this text is not closed on its line"),
        ("/* never", "1:1 E0008 this comment is never closed"),
        ("void f() { /* never", "1:12 E0008 this comment is never closed"),
        ("void f() {", "1:10 E0009 this `{` is never closed"),
        ("f(1;", "1:4 E0009 expected `)`"),
        ("x = a > > b;", "1:7 E0001 `>>` is written without spaces"),
        ("a < b < c;", "1:10 E0001 expected `,` or `>`, found `;`"),
        ("if (a < b < c) { }", "1:11 E0001 comparisons do not chain"),
        ("f() = 3;", "1:1 E0210 an assignment needs a variable, a field or an element"),
        ("a + b;", "1:3 E0014 an expression alone is not a statement"),
        ("int class = 3;", "1:5 E0013 `class` is a reserved word and can't be a name"),
        ("int[] xs = [];", "1:1 E0012 D-Script has no arrays"),
        ("throw new X();", "1:1 E0012 D-Script has no `throw`"),
        ("int x = 1, = 2;", "1:12 E0001 expected a name, found `=`"),
        ("double d = 1.0.5;", "1:15 E0004 a `double` begins with a digit: write `0.5`"),
        ("double d = .5;", "1:12 E0004 a `double` begins with a digit: write `0.5`"),
        ("f(x::y);", "1:4 E0012 there are no method references"),
        ("every (5s) f();", "1:12 E0001 expected `;`, found a name"),
        ("x = \u{201C}a\u{201D};", "1:5 E0002 texts stand in plain quotes, `\"`"),
        ("é = 1; x = 5é;", "1:12 E0004 `5é` has an unknown unit, `é`"),
        ("{ import a.b; }", "1:3 E0001 imports stand at the top of the file"),
    ] {
        rows.same(text, errors(text), [wanted]);
    }
    rows.finish();
}

#[test]
fn a_file_may_begin_with_a_byte_order_mark_and_have_windows_line_ends() {
    let read = read("w.ds", "\u{FEFF}int x = 1;\r\nint y = ;\r\n");
    assert_eq!(read.short(), ["2:9 E0001 expected an expression, found `;`"]);
    assert_eq!(errors("\u{FEFF}x;"), ["1:2 E0014 an expression alone is not a statement"]);
}

#[test]
fn five_mistakes_are_five_diagnostics() {
    let text = "int first = 1\nint second = 2 + ;\nvoid f(int a, b) { return a; }\nclass P {\n    int = 3;\n    \
                int y() { return g(1 2); }\n}\nprint(\"done\");\n";
    assert_eq!(
        errors(text),
        [
            "1:14 E0011 expected `;`",
            "2:18 E0001 expected an expression, found `;`",
            "3:16 E0001 expected a name, found `)`",
            "5:9 E0001 expected a name, found `=`",
            "6:26 E0001 expected `,`, `)` or an operator, found a number",
        ]
    );
}

#[test]
fn doc_comments_belong_to_what_follows_them() {
    let text = "/** one */\nint f() { return 1; }\n/** two */\n// note\n@A\nint g() { return 1; }\n/** lost */\nx = 1;\n\
                int h() { return 1; }\n/**/ int i() { return 1; }\n";
    let read = read("d.ds", text);
    let docs: Vec<Option<&str>> = read
        .parsed
        .module
        .items
        .iter()
        .map(|item| {
            let span = read.parsed.doc_before(item.span.start, text)?;
            Some(&text[span.start as usize..span.end as usize])
        })
        .collect();
    assert_eq!(docs, [Some("/** one */"), Some("/** two */"), None, None]);
}

#[test]
fn json_is_one_line_with_every_field() {
    let read = read("j.ds", "\n  int x = 1\n");
    let line = dscript_grammar::render::json(&read.parsed.diagnostics[0], &read.sources);
    assert!(!line.contains('\n'));
    let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(
        value,
        serde_json::json!({
            "code": "E0011", "severity": "error", "message": "expected `;`", "file": "j.ds",
            "span": {"start": 12, "end": 12, "line": 2, "column": 12, "end_line": 2, "end_column": 12},
            "labels": [], "help": [],
            "edits": [{
                "span": {"start": 12, "end": 12, "line": 2, "column": 12, "end_line": 2, "end_column": 12}, "text": ";"
            }],
        })
    );
}

#[test]
fn bytes_that_are_not_utf8_are_an_error_at_their_line() {
    let mut sources = dscript_grammar::SourceMap::default();
    let error = sources.add_bytes("b.ds", b"ok\nbad \xFF here").expect_err("refused");
    assert_eq!(sources.get(error.file).line_col(error.span.start), (2, 5));
    assert!(dscript_grammar::render::text(&error, &sources, false).contains("b.ds:2:5"));
}
