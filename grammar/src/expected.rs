//! What could stand at a place, told to people: categories instead of forty tokens.

use crate::token::Tok;

/// The grammar's names of the tokens that can be read next.
pub struct Expected {
    names: Vec<String>,
}

/// How many kinds of things a message names.
const NAMED_MAX: usize = 4;

/// In this order: if the first token can stand, all of `covers` go without saying.
const CATEGORIES: &[(&str, &str, &[&str])] = &[
    ("import", "a statement or declaration", &["*"]),
    ("while", "a statement", &["*"]),
    ("bad arm", "`case`, `default` or `}`", &["*"]),
    ("enum", "a member", &["*"]),
    ("bad expression", "an expression", EXPRESSION),
    ("bad type", "a type", &["name", "int", "double", "boolean", "void", "type (", "bad type"]),
    ("*", "an operator", OPERATORS),
    ("&&", "an operator", OPERATORS),
    (
        "+=",
        "an assignment",
        &[
            "=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=", ">>>=", "++", "--", ".", "[",
            "::", "(",
        ],
    ),
    ("text end", "the end of the text", &["text piece", "text end", "${"]),
    ("bad item", "", &["bad item"]),
];

const EXPRESSION: &[&str] = &[
    "name",
    "int literal",
    "double literal",
    "duration literal",
    "char literal",
    "text literal",
    "text start",
    "lambda (",
    "cast (",
    "map {",
    "scenario reference",
    "bad expression",
    "(",
    "[",
    "!",
    "~",
    "+",
    "-",
    "++",
    "--",
    "fail",
    "false",
    "int",
    "double",
    "boolean",
    "void",
    "new",
    "null",
    "switch",
    "this",
    "true",
    "try",
];

const OPERATORS: &[&str] = &[
    "+",
    "-",
    "*",
    "/",
    "%",
    "++",
    "--",
    "&",
    "|",
    "^",
    "&&",
    "||",
    "<<",
    "==",
    "!=",
    "<",
    ">",
    "<=",
    ">=",
    "?",
    "??",
    "..",
    "=",
    "+=",
    "-=",
    "*=",
    "/=",
    "%=",
    "&=",
    "|=",
    "^=",
    "<<=",
    ">>=",
    ">>>=",
    "instanceof",
    ".",
    "[",
    "(",
    "::",
    "->",
];

impl Expected {
    /// From lalrpop's list, where names stand in quotes.
    pub fn new(names: Vec<String>) -> Self {
        let names = names.into_iter().map(|n| n.trim_matches('"').to_owned()).collect();
        Self { names }
    }

    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|n| n == name)
    }

    /// Nothing but this token can be read.
    pub fn only(&self, name: &str) -> bool {
        self.names.iter().all(|n| n == name) && !self.names.is_empty()
    }

    /// `` `;`, `,` or an expression ``
    pub fn list(&self) -> String {
        let mut left: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let mut said: Vec<String> = Vec::new();
        for &(mark, category, covers) in CATEGORIES {
            if !left.contains(&mark) {
                continue;
            }
            if covers == ["*"] {
                return category.to_owned();
            }
            left.retain(|name| !covers.contains(name));
            if !category.is_empty() {
                said.push(category.to_owned());
            }
        }
        if left.contains(&"?") && left.contains(&"!") && left.len() > 2 {
            // A type's suffixes go without saying.
            left.retain(|name| !["?", "!", ".", "<", "[", "("].contains(name));
        }
        let calls = ["::", "(", "[", "."];
        if calls.iter().all(|name| left.contains(name)) && left.len() > calls.len() {
            left.retain(|name| !calls.contains(name));
        }
        if left.contains(&";") {
            said.retain(|category| category != "an assignment");
        }
        // What is most likely missing comes first.
        let mut words: Vec<String> = Vec::new();
        for name in [";", ",", ")", "]", "}", "(", "{", ":"] {
            if left.contains(&name) {
                words.push(quoted(name));
                left.retain(|n| *n != name);
            }
        }
        words.extend(left.iter().map(|name| quoted(name)));
        let room = NAMED_MAX.saturating_sub(said.len()).max(1);
        words.truncate(room);
        words.append(&mut said);
        words.dedup();
        match words.split_last() {
            None => "something else".to_owned(),
            Some((last, [])) => last.clone(),
            Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        }
    }
}

fn quoted(name: &str) -> String {
    match name {
        "name" => "a name".to_owned(),
        "interpolation end" => "`}`".to_owned(),
        "text literal" | "text start" => "a text".to_owned(),
        "int literal" => "a number".to_owned(),
        "duration literal" => "a duration".to_owned(),
        "block else" => "`else`".to_owned(),
        "lambda (" | "cast (" | "type (" => "`(`".to_owned(),
        _ => format!("`{name}`"),
    }
}

/// A token as a message names it.
pub fn describe(tok: Tok) -> String {
    match tok {
        Tok::Ident(_) => "a name".to_owned(),
        Tok::Int(_) | Tok::Double(_) => "a number".to_owned(),
        Tok::Duration(_) => "a duration".to_owned(),
        Tok::Char(_) => "a character".to_owned(),
        Tok::Str(_) | Tok::StrStart | Tok::Text(_) => "a text".to_owned(),
        Tok::StrEnd => "the end of the text".to_owned(),
        other => other.text().map_or_else(|| "something unreadable".to_owned(), |t| format!("`{t}`")),
    }
}
