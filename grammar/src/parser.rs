//! From text to tree: lexer, brackets, words, then the generated tables.

use crate::Parsed;
use crate::balance::{self, Damage};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::lexer;
use crate::render;
use crate::soft;
use crate::span::{FileId, Interner, Span};
use crate::token::{Kw, Tok, Words};
use crate::tree::Cx;

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
    let words = Words::new(interner);
    let no_name = interner.intern("?");
    let primitives = [Kw::Int, Kw::Double, Kw::Boolean, Kw::Void].map(|word| interner.intern(word.text()));
    let mut lexed = lexer::lex(file, text, &words, interner);
    lexed.damaged.sort();
    let damage = || Damage { text, spans: &lexed.damaged, lost_end: lexed.lost_end };
    let mut diagnostics = lexed.diagnostics;
    let balanced = balance::balance(file, lexed.tokens, &damage(), &mut diagnostics);
    let tokens = soft::mark(file, text, &balanced, &words, &mut diagnostics);
    let cx = Cx::new(file, &tokens, damage(), lexed.texts, &words, no_name, primitives);
    let none = std::iter::empty::<(u32, Tok, u32)>();
    let module = generated::ModuleParser::new().parse(&cx, none).unwrap_or_default();
    diagnostics.append(&mut cx.diagnostics.borrow_mut());
    render::sort(&mut diagnostics);
    Parsed { module, comments: lexed.comments, diagnostics }
}
