//! The one style of D-Script: 4 spaces, braces as in Java, 100 columns.
//!
//! The tree says where lines may break; every token and comment is taken from the text, in its order, so nothing can
//! be lost or change its meaning: literals stay as they were written. Only commas at the end of a list are put in and
//! left out, and a `,`, `;` or `{` moves in front of a comment that would push it to another line.
//! Steps: `printer` walks over the tokens and puts comments between them, `items` to `types` lay out the tree,
//! `layout` turns the document into lines, and at the end the tokens before and after are compared.

mod comments;
mod exprs;
mod items;
mod layout;
mod lists;
mod operations;
mod postfix;
mod printer;
mod stmts;
mod types;

use std::borrow::Cow;

use crate::Parsed;
use crate::diagnostic::{Diagnostic, Severity};
use crate::lexer::{self, Lexed};
use crate::parser::parse;
use crate::span::{FileId, Interner};
use crate::token::{Tok, Words};
use layout::Arena;
use printer::Printer;

/// Columns that a line may have.
pub const WIDTH: usize = 100;

/// Formats one file. A file with errors is left alone; they are returned.
pub fn format(file: FileId, text: &str) -> Result<String, Vec<Diagnostic>> {
    let parsed = parse(file, text, &mut Interner::default());
    if parsed.diagnostics.iter().any(|d| d.severity == Severity::Error) {
        return Err(parsed.diagnostics);
    }
    let (text, parsed) = match plain_line_ends(text) {
        Cow::Borrowed(text) => (Cow::Borrowed(text), parsed),
        Cow::Owned(text) => {
            let parsed = parse(file, &text, &mut Interner::default());
            (Cow::Owned(text), parsed)
        }
    };
    let out = print(file, &text, &parsed);
    assert_eq!(essence(file, &text), essence(file, &out), "formatting keeps every token and comment");
    Ok(out)
}

fn print(file: FileId, text: &str, parsed: &Parsed) -> String {
    let lexed = lex(file, text);
    parsed.module.walked(|| {
        let arena = Arena::new();
        let mut printer = Printer::new(&arena, text, &lexed);
        printer.module(&parsed.module);
        layout::render(printer.finish(), WIDTH)
    })
}

fn lex(file: FileId, text: &str) -> Lexed {
    let mut interner = Interner::default();
    let words = Words::new(&mut interner);
    lexer::lex(file, text, 0, &words, &mut interner)
}

/// The text without a byte order mark, and with `\n` at the end of each line.
fn plain_line_ends(text: &str) -> Cow<'_, str> {
    let rest = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    if !rest.contains("\r\n") {
        return if rest.len() == text.len() { text.into() } else { rest.to_owned().into() };
    }
    let mut out = String::with_capacity(rest.len());
    for line in rest.split_inclusive('\n') {
        match line.strip_suffix('\n') {
            Some(line) => {
                out.push_str(line.trim_end_matches('\r'));
                out.push('\n');
            }
            None => out.push_str(line),
        }
    }
    out.into()
}

/// What formatting keeps: the texts of tokens, but for commas at the end of a list, and of comments, but for their
/// indentation.
fn essence(file: FileId, text: &str) -> (Vec<String>, Vec<String>) {
    let lexed = lex(file, text);
    let mut tokens = Vec::with_capacity(lexed.tokens.len());
    for (index, token) in lexed.tokens.iter().enumerate() {
        let next = lexed.tokens.get(index + 1).map(|t| t.tok);
        let last = matches!(next, Some(Tok::RParen | Tok::RBracket | Tok::RBrace | Tok::Semi));
        if token.tok != Tok::Comma || !last {
            tokens.push(text[token.start as usize..token.end as usize].to_owned());
        }
    }
    let lines = |comment: &str| comment.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    let comments =
        lexed.comments.iter().map(|c| lines(&text[c.span.start as usize..c.span.end as usize])).collect();
    (tokens, comments)
}
