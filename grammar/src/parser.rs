//! From text to tree: lexer, brackets, words, then the generated tables.

use crate::Parsed;
use crate::balance::{self, Damage};
use crate::codes;
use crate::depth::TREE_HEIGHT_MAX;
use crate::diagnostic::Diagnostic;
use crate::lexer;
use crate::render;
use crate::room;
use crate::soft;
use crate::span::{FileId, Interner, Span, Symbol};
use crate::token::{Tok, Token, Words};
use crate::tree::{Cx, Names};
use rustc_hash::FxHashSet;

/// The generated parser.
#[allow(clippy::all, clippy::pedantic, clippy::undocumented_unsafe_blocks, dead_code, unused)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/parser.rs"));
}

/// Reads one file. Always gives a tree; broken pieces are error nodes in it, with a diagnostic each.
pub fn parse(file: FileId, text: &str, interner: &mut Interner) -> Parsed {
    if text.len() >= u32::MAX as usize {
        let diagnostic =
            Diagnostic::error(codes::TEXT_TOO_LONG, file, Span::default(), "a file can have at most 4 GiB");
        return Parsed { diagnostics: vec![diagnostic], ..Parsed::default() };
    }
    read(file, text, 0, 0, interner)
}

/// Reads a file from `start` on; ids of nodes begin at `first_id`.
pub(crate) fn read(file: FileId, text: &str, start: usize, first_id: u32, interner: &mut Interner) -> Parsed {
    let words = Words::new(interner);
    let names = Names::new(interner);
    let mut lexed = lexer::lex(file, text, start, &words, interner);
    lexed.damaged.sort();
    let damage = || Damage { text, spans: &lexed.damaged, lost_end: lexed.lost_end };
    let mut diagnostics = lexed.diagnostics;
    let balanced = balance::balance(file, lexed.tokens, &damage(), &mut diagnostics);
    let list_name = interner.intern("List");
    let read = diagnostics.len();
    let marked = soft::mark(file, text, &balanced, &words, (list_name, names.no_name), &mut diagnostics);
    // Behind text that the lexer lost nobody knows what was meant.
    let mut seen = 0;
    diagnostics.retain(|d| {
        seen += 1;
        seen <= read || !damage().covers(d.span.start)
    });
    let tokens = marked.tokens;
    let stands_alone = balanced.braces_matched && !lexed.lost_end;
    // The tree may have their room.
    drop(balanced);
    let cx = Cx::new(file, &tokens, damage(), lexed.texts, &words, names, first_id);
    let none = std::iter::empty::<(u32, Tok, u32)>();
    let height = TREE_HEIGHT_MAX.min(tokens.len() as u32);
    let module =
        room::to_drop(height, || generated::ModuleParser::new().parse(&cx, none).unwrap_or_default());
    let mut unread = cx.diagnostics.take();
    // A number where none may stand is no bad number besides.
    diagnostics.retain(|d| d.code != codes::BAD_NUMBER || unread.iter().all(|u| u.span != d.span));
    diagnostics.append(&mut unread);
    let mut lost_text = cx.lost.take();
    lost_text.extend(marked.lost);
    // What the pass over the tokens gave up is one token in its place.
    let given_up = |t: &&Token| matches!(t.tok, Tok::BadExpr | Tok::BadItem | Tok::BadType | Tok::BadArm);
    lost_text.extend(tokens.iter().filter(given_up).map(|t| t.span()));
    let lost = if lost_text.is_empty() {
        FxHashSet::default()
    } else {
        names_in(&lexer::lex(file, text, start, &words, interner).tokens, lost_text)
    };
    render::sort(&mut diagnostics);
    first_of_each_line(&mut diagnostics, text);
    Parsed { module, comments: lexed.comments, diagnostics, lost, stands_alone }
}

/// What may follow a text, by the parser's own tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Follows {
    /// The words of the language, in no order.
    pub words: Vec<&'static str>,
    /// A name, of whatever.
    pub name: bool,
    /// Anything that has a value.
    pub expression: bool,
    /// A statement or declaration.
    pub statement: bool,
    /// A type, and no value.
    pub ty: bool,
    /// A member of a type.
    pub member: bool,
}

/// What may follow the end of a text that begins at the start of a declaration or statement of a module.
pub fn follows(text: &str) -> Follows {
    // Soft words are told by what follows them: a name, which is then taken away again.
    let text = &format!("{text} x");
    let mut interner = Interner::default();
    let file = FileId::default();
    let words = Words::new(&mut interner);
    let names = Names::new(&mut interner);
    let mut lexed = lexer::lex(file, text, 0, &words, &mut interner);
    lexed.damaged.sort();
    let damage = || Damage { text, spans: &lexed.damaged, lost_end: lexed.lost_end };
    let mut diagnostics = Vec::new();
    let balanced = balance::balance(file, lexed.tokens, &damage(), &mut diagnostics);
    let list_name = interner.intern("List");
    let mut tokens =
        soft::mark(file, text, &balanced, &words, (list_name, names.no_name), &mut diagnostics).tokens;
    // Brackets that are open stay open.
    while tokens.last().is_some_and(|t| t.start == t.end && crate::nesting::is_close(t.tok)) {
        tokens.pop();
    }
    tokens.pop();
    let cx = Cx::new(file, &tokens, damage(), lexed.texts, &words, names, 0);
    cx.expected_at_end.replace(Some(Vec::new()));
    let none = std::iter::empty::<(u32, Tok, u32)>();
    // What is read is of no interest, and not whole.
    let height = TREE_HEIGHT_MAX.min(tokens.len() as u32);
    room::to_drop(height, || drop(generated::ModuleParser::new().parse(&cx, none)));
    let expected = cx.expected_at_end.take().unwrap_or_default();
    let mut found = Follows::default();
    for name in &expected {
        match name.trim_matches('"') {
            "name" => found.name = true,
            "bad expression" => found.expression = true,
            "bad item" => found.member = true,
            "bad type" => found.ty = true,
            "scenario reference" => found.words.push("scenario"),
            "block else" => found.words.push("else"),
            other => found.words.extend(crate::token::word(other)),
        }
    }
    found.statement = expected.iter().any(|n| n.trim_matches('"') == "while");
    found.words.sort();
    found.words.dedup();
    found
}

/// Whether a text is a name that a program may declare.
pub fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_')
        && !crate::token::is_reserved(text)
}

/// The names in some spans of the text.
fn names_in(tokens: &[Token], mut spans: Vec<Span>) -> FxHashSet<Symbol> {
    spans.sort();
    let mut names = FxHashSet::default();
    let mut reached = 0;
    for span in spans {
        let from = tokens.partition_point(|t| t.start < span.start.max(reached));
        for token in tokens[from..].iter().take_while(|t| t.end <= span.end) {
            if let Tok::Ident(name) = token.tok {
                names.insert(name);
            }
        }
        reached = reached.max(span.end);
    }
    names
}

/// Where a line could not be read, what else seems wrong with how it is written comes from that.
fn first_of_each_line(diagnostics: &mut Vec<Diagnostic>, text: &str) {
    let mut last: Option<Diagnostic> = None;
    diagnostics.retain(|d| {
        let structural = matches!(
            d.code,
            codes::SYNTAX
                | codes::BRACKET
                | codes::MISSING_SEMICOLON
                | codes::NOT_A_STATEMENT
                | codes::UNTERMINATED
        );
        let told = last.as_ref().is_some_and(|before| {
            let between = before.span.start as usize..(d.span.start.max(before.span.start)) as usize;
            !text[between].contains('\n')
        });
        // An edit says what stands there instead.
        let unread = d.code == codes::BRACKET
            || d.edits.is_empty()
                && (structural || matches!(d.code, codes::JAVA_WORD | codes::BAD_CHARACTER));
        if structural && told {
            return false;
        }
        if unread {
            last = Some(d.clone());
        }
        true
    });
}
