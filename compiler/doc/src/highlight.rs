//! Colours for code in doc comments. It need not be a whole program, so this looks at words only.

use crate::escape;

const WORDS: &[&str] = &[
    "abstract",
    "analyze",
    "assert",
    "boolean",
    "break",
    "case",
    "class",
    "continue",
    "default",
    "do",
    "double",
    "else",
    "enum",
    "every",
    "extends",
    "fail",
    "failing",
    "false",
    "final",
    "for",
    "given",
    "if",
    "implements",
    "import",
    "initial",
    "instanceof",
    "int",
    "interface",
    "lowlevel",
    "monitor",
    "native",
    "new",
    "null",
    "parallel",
    "private",
    "record",
    "recover",
    "respond",
    "retry",
    "return",
    "scenario",
    "sealed",
    "state",
    "static",
    "switch",
    "task",
    "test",
    "this",
    "true",
    "try",
    "undo",
    "var",
    "verify",
    "void",
    "when",
    "while",
    "within",
    "yield",
];

/// Code as HTML.
pub(crate) fn highlight(code: &str) -> String {
    let mut html = String::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let (class, length) = piece(rest, first);
        let (text, after) = rest.split_at(length);
        match class {
            "" => html.push_str(&escape(text)),
            class => html.push_str(&format!("<span class=\"{class}\">{}</span>", escape(text))),
        }
        rest = after;
    }
    html
}

/// What begins here, and its length in bytes, at least one character.
fn piece(rest: &str, first: char) -> (&'static str, usize) {
    let until = |end: Option<usize>| end.unwrap_or(rest.len());
    if rest.starts_with("//") {
        return ("com", until(rest.find('\n')));
    }
    if rest.starts_with("/*") {
        return ("com", until(rest.find("*/").map(|at| at + 2)));
    }
    if let Some(block) = rest.strip_prefix("\"\"\"") {
        return ("str", until(block.find("\"\"\"").map(|at| at + 6)));
    }
    if first == '"' || first == '\'' {
        return ("str", quoted(rest, first));
    }
    if first.is_ascii_digit() {
        let number = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
        return ("num", until(rest.find(number)));
    }
    if first.is_alphabetic() || first == '_' {
        let end = until(rest.find(|c: char| !(c.is_alphanumeric() || c == '_')));
        let word = &rest[..end];
        let class = match first {
            _ if WORDS.contains(&word) => "kw",
            c if c.is_uppercase() => "ty",
            _ => "",
        };
        return (class, end);
    }
    ("", first.len_utf8())
}

/// To the closing quote, or the end of the line.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '\n' => return at,
            _ if std::mem::take(&mut escaped) => {}
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::highlight;

    #[test]
    fn words_texts_and_comments() {
        let check = |code: &str, expected: &str| assert_eq!(highlight(code), expected);
        check("int n = 4KiB;", "<span class=\"kw\">int</span> n = <span class=\"num\">4KiB</span>;");
        check(
            "f(\"a\\\"<b>\") // <i>\nx",
            "f(<span class=\"str\">&quot;a\\&quot;&lt;b&gt;&quot;</span>) <span class=\"com\">// &lt;i&gt;</span>\nx",
        );
        check("\"open\nList é", "<span class=\"str\">&quot;open</span>\n<span class=\"ty\">List</span> é");
        check("/* <script>", "<span class=\"com\">/* &lt;script&gt;</span>");
        check("'", "<span class=\"str\">&#39;</span>");
    }
}
