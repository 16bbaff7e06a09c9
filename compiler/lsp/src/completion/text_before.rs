//! What stands before the cursor, told by the text alone: in code that is being written the tree may not have it.

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

pub fn word_start(text: &str, at: usize) -> usize {
    text[..at].char_indices().rev().take_while(|(_, c)| is_word(*c)).last().map_or(at, |(i, _)| i)
}

pub fn word_end(text: &str, at: usize) -> usize {
    text[at..].char_indices().find(|(_, c)| !is_word(*c)).map_or(text.len(), |(i, _)| at + i)
}

/// The last word of a text, where nothing but space follows it.
pub fn last_word(text: &str) -> Option<&str> {
    let text = text.trim_end();
    let start = word_start(text, text.len());
    (start < text.len()).then(|| &text[start..])
}

/// An import that is being written.
pub struct Import<'t> {
    /// `care.checks` of `import care.checks.re`
    pub path: &'t str,
}

pub fn import(text: &str, word: usize) -> Option<Import<'_>> {
    let line = text[..word].rfind('\n').map_or(0, |at| at + 1);
    let rest = text[line..word].trim_start().strip_prefix("import")?;
    if !rest.starts_with(char::is_whitespace) {
        return None;
    }
    let path = rest.trim_start();
    let good = path.chars().all(|c| is_word(c) || c == '.');
    good.then(|| Import { path: path.trim_end_matches('.') })
}

/// An expression before a dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written<'t> {
    pub text: &'t str,
    pub start: usize,
}

/// The expression whose member a word is; `None` where no dot stands before it.
pub fn receiver(text: &str, word: usize) -> Option<Written<'_>> {
    let before = text[..word].trim_end();
    let before = before.strip_suffix('.')?;
    if before.ends_with('.') {
        return None; // a range
    }
    let end = before.trim_end().len();
    let start = operand_start(text, end)?;
    Some(Written { text: &text[start..end], start })
}

/// Where the operand begins that ends at a place: names, literals, calls, indices, joined by dots.
fn operand_start(text: &str, end: usize) -> Option<usize> {
    let mut at = end;
    loop {
        let before = &text[..at];
        let last = before.chars().next_back()?;
        at = match last {
            ')' | ']' => {
                let open = matching_open(before)?;
                let head = text[..open].trim_end();
                if head.ends_with('>') {
                    return None; // type arguments, or a comparison: only the tree can tell
                }
                // `f(...)`, `xs[...]`, or parentheses alone.
                if head.ends_with(is_word) || head.ends_with(')') || head.ends_with(']') {
                    at = head.len();
                    if !head.ends_with(is_word) {
                        continue;
                    }
                    word_start(text, at)
                } else {
                    open
                }
            }
            '"' => quote_start(before)?,
            c if is_word(c) => word_start(text, at),
            _ => return None,
        };
        let head = text[..at].trim_end();
        match head.strip_suffix('.') {
            Some(rest) if !rest.ends_with('.') => at = rest.trim_end().len(),
            _ => break,
        }
    }
    let head = text[..at].trim_end();
    if last_word(head) == Some("new") {
        at = word_start(head, head.len());
    }
    Some(at)
}

/// Where the bracket opens that the text ends with.
fn matching_open(text: &str) -> Option<usize> {
    let mut depth = 0;
    let mut rest = text;
    while let Some((at, c)) = rest.char_indices().next_back() {
        match c {
            ')' | ']' | '}' => depth += 1,
            '(' | '[' | '{' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            '"' => {
                rest = &rest[..quote_start(rest)?];
                continue;
            }
            _ => {}
        }
        rest = &rest[..at];
    }
    None
}

/// Where the text literal begins that the text ends with.
fn quote_start(text: &str) -> Option<usize> {
    let inner = &text[..text.len() - 1];
    let line = inner.rfind('\n').map_or(0, |at| at + 1);
    inner[line..].rfind('"').map(|at| line + at)
}

/// A call whose parentheses are open.
pub struct OpenCall<'t> {
    pub callee: &'t str,
    /// How many arguments are complete.
    pub commas: usize,
}

pub fn open_call(text: &str, at: usize) -> Option<OpenCall<'_>> {
    let mut rest = &text[..at];
    let mut commas = 0;
    while let Some((place, c)) = rest.char_indices().next_back() {
        match c {
            ')' | ']' | '}' => {
                rest = &rest[..matching_open(rest)?];
                continue;
            }
            '"' => {
                rest = &rest[..quote_start(rest)?];
                continue;
            }
            '(' => {
                let end = rest[..place].trim_end().len();
                if !text[..end].ends_with(is_word) {
                    return None;
                }
                let start = operand_start(text, end)?;
                return Some(OpenCall { callee: &text[start..end], commas });
            }
            '[' | '{' | ';' => return None,
            ',' => commas += 1,
            _ => {}
        }
        rest = &rest[..place];
    }
    None
}

/// Whether the cursor is in the parentheses of `run`.
pub fn inside_run(before: &str) -> bool {
    open_call(before, before.len()).is_some_and(|call| call.callee == "run")
}

/// Where the declaration or statement begins that a place is in, if it is written as the formatter would: the last
/// line that begins with a word, and not within brackets.
pub fn declaration_start(text: &str, at: usize) -> usize {
    let mut start = text[..at].rfind('\n').map_or(0, |i| i + 1);
    loop {
        let line = &text[start..at];
        if start == 0 || line.starts_with(|c: char| is_word(c) || c == '@') {
            return start;
        }
        start = text[..start - 1].rfind('\n').map_or(0, |i| i + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn before_dot(text: &str, expected: Option<&str>) {
        let word = word_start(text, text.len());
        assert_eq!(receiver(text, word).map(|r| r.text), expected, "{text}");
    }

    #[test]
    fn receivers_are_found_in_the_text() {
        before_dot("x = a.b", Some("a"));
        before_dot("x = a.b.", Some("a.b"));
        before_dot("f(a).", Some("f(a)"));
        before_dot("return xs[0].get(1, \")\").na", Some("xs[0].get(1, \")\")"));
        before_dot("new List<int>(3).", None);
        before_dot("new Command(\"ls\").", Some("new Command(\"ls\")"));
        before_dot("(a + b).", Some("(a + b)"));
        before_dot("\"text\".", Some("\"text\""));
        before_dot("a\n    .b()\n    .", Some("a\n    .b()"));
        before_dot("for (int i : 0..", None);
        before_dot("x", None);
    }

    #[test]
    fn open_calls_are_found_in_the_text() {
        let found = |text: &str| open_call(text, text.len()).map(|c| (c.callee.to_string(), c.commas));
        assert_eq!(found("f(1, "), Some(("f".into(), 1)));
        assert_eq!(found("a.b(g(1, 2), \"(\", "), Some(("a.b".into(), 2)));
        assert_eq!(found("f(1);"), None);
        assert_eq!(found("if ("), Some(("if".into(), 0)));
    }
}
