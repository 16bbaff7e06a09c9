//! Text to tree: tokens, grammar, tree, comments, spans and diagnostics. Knows nothing of meaning.

pub mod ast;
pub mod codes;
pub mod comments;
pub mod diagnostic;
pub mod format;
pub mod render;
pub mod room;
pub mod source;
pub mod span;
pub mod walk;

mod balance;
mod depth;
mod driver;
mod expected;
mod explain;
mod foreign;
mod lexer;
mod nesting;
mod parens;
mod parser;
mod shift;
mod soft;
mod splice;
mod token;
mod tree;

pub use comments::Comment;
pub use parser::{Follows, follows, is_name, parse};
pub use source::{Places, SourceFile, SourceMap};

use diagnostic::Diagnostic;
use rustc_hash::FxHashSet;
use span::{Span, Symbol};

/// What could be read of one file, and what was wrong with it.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    pub module: ast::Module,
    /// In the order of the text.
    pub comments: Vec<Comment>,
    pub diagnostics: Vec<Diagnostic>,
    /// Names in the text that could not be read: what declares them may be lost.
    pub lost: FxHashSet<Symbol>,
    /// Its braces match, and no text or comment runs to its end: what stands behind it is read without it.
    stands_alone: bool,
}

impl Parsed {
    /// The doc comment directly before the declaration that begins at `item_start`.
    pub fn doc_before(&self, item_start: u32, text: &str) -> Option<Span> {
        comments::doc_before(&self.comments, item_start, text)
    }
}
