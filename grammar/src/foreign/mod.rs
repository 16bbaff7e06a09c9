//! Forms of Java and of other languages that D-Script does not have: one message at each place, and a repair that
//! reads what was meant.
//!
//! There are two moments. What its tokens alone tell is met in the pass over them (`soft`), before anything is parsed, so
//! that the rest of the text is read as if it had been written well: `Pass::foreign` is the table, by the token that a
//! form begins with. What only a mistake of the parser shows is worded there (`habits`).

mod declarations;
pub mod habits;
mod operators;
mod statements;
mod types;
mod words;

pub use words::advice;

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::soft::Pass;
use crate::span::Span;
use crate::token::{Tok, Token};

/// Words by which other languages begin a function.
const FUNCTION_WORDS: [&str; 6] = ["def", "fn", "fun", "func", "function", "sub"];

impl Pass<'_> {
    /// Deals with the current token if a form of another language begins with it.
    pub(crate) fn foreign(&mut self) -> bool {
        match self.tokens[self.at].tok {
            Tok::Kw(word) => self.java_word(word),
            Tok::Ellipsis => {
                let span = self.tokens[self.at].span();
                let element = self.before().is_some_and(|t| t.is_primitive() || t.is_ident());
                if !element && self.before().is_some_and(Tok::ends_operand) {
                    self.otherwise(span, "a range is written with `..`", "..");
                    self.push(Tok::DotDot);
                    return true;
                }
                if !element {
                    let help = "lists are joined by `addAll`, or by `a + b` of texts";
                    self.tell(span, "D-Script has no `...`", help);
                    self.skip(self.at + 1);
                    return true;
                }
                self.tell(span, "there are no variable argument lists", "take a `List<T>`");
                self.as_list(span.end);
                self.skip(self.at + 1);
                true
            }
            Tok::LBracket => self.java_array(),
            Tok::Question => self.java_wildcard() || self.other_question(),
            Tok::Ident(_) => {
                self.word_operator()
                    || self.else_in_one_word()
                    || self.wrong_role()
                    || self.word(self.at) == "def" && self.block_by_indentation()
                    || self.header_of_others()
                    || self.class_with_components()
                    || self.several_targets()
                    || self.import_from()
                    || self.walrus()
                    || self.entry_of_yaml()
                    || self.type_behind()
                    || self.other_switch()
                    || self.several_names()
                    || self.declared_condition()
                    || self.undo_of_a_script()
                    || self.undo_without_braces()
                    || self.task_without_a_word()
                    || self.test_without_a_name()
                    || self.untyped_function()
            }
            Tok::Arrow | Tok::Assign => self.body_without_braces(),
            Tok::EqEq | Tok::NotEq => self.third_sign(),
            Tok::Star => self.power(),
            Tok::Not => self.not_null(),
            Tok::Coalesce => self.nullable_twice(),
            Tok::Lt => self.type_arguments_of_a_call(),
            Tok::Int(_) => self.digits_with_commas(),
            _ => false,
        }
    }

    pub(crate) fn skip(&mut self, to: usize) {
        self.at = to;
    }

    pub(crate) fn tell(&mut self, span: Span, message: impl Into<String>, help: &str) -> &mut Diagnostic {
        self.diagnostics.push(Diagnostic::error(codes::JAVA_WORD, self.file, span, message).help(help));
        let last = self.diagnostics.len() - 1;
        &mut self.diagnostics[last]
    }

    /// Says what is written otherwise here, with the edit that puts it right.
    pub(crate) fn otherwise(&mut self, span: Span, message: impl Into<String>, text: &str) {
        let diagnostic = Diagnostic::error(codes::SYNTAX, self.file, span, message).edit(span, text);
        self.diagnostics.push(diagnostic);
    }

    pub(crate) fn word(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |t| &self.text[t.start as usize..t.end as usize])
    }

    /// The token right behind the current one, without a space.
    pub(crate) fn follows_closely(&self, tok: Tok) -> Option<Span> {
        let span = self.tokens[self.at].span();
        let next = self.tokens.get(self.at + 1).filter(|t| t.tok == tok && t.start == span.end)?;
        Some(span.to(next.span()))
    }

    /// The first token from here on, brackets skipped, that `stop` accepts; or the end of what is around.
    pub(crate) fn find(&self, stop: impl Fn(Tok) -> bool) -> usize {
        let mut at = self.at;
        while at < self.tokens.len() && (self.partners[at] as usize) >= at && !stop(self.tokens[at].tok) {
            at = (self.partners[at] as usize).max(at) + 1;
        }
        at
    }

    /// Puts one token for what lies between here and `next`.
    pub(crate) fn put(&mut self, tok: Tok, start: u32, end: u32, next: usize) {
        self.out.push(Token { start, end, tok });
        self.skip(next);
    }

    /// Whether a `;` stands there, and not the end of the file.
    pub(crate) fn is_semicolon(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|t| t.tok == Tok::Semi)
    }

    /// Whether a line ends before the token at this place, or the text does.
    pub(crate) fn begins_line_at(&self, index: usize) -> bool {
        let (Some(token), Some(before)) = (self.tokens.get(index), index.checked_sub(1)) else { return true };
        self.text[self.tokens[before].end as usize..token.start as usize].contains('\n')
    }

    /// Where the line of the current token ends: at a `;`, before the token that begins the next one, or before the end
    /// of what is around.
    pub(crate) fn line_end(&self) -> usize {
        let mut at = self.at;
        loop {
            at = (self.partners[at] as usize).max(at) + 1;
            let inside = self.tokens.get(at).is_some_and(|t| t.tok != Tok::Semi);
            if !inside || (self.partners[at] as usize) < at || self.begins_line_at(at) {
                return at;
            }
        }
    }

    /// Puts one token for the line that begins here, its `;` included.
    pub(crate) fn give_up_line(&mut self) {
        let end = self.line_end();
        let (start, last) = (self.tokens[self.at].start, self.tokens[end - 1].end);
        self.put(Tok::BadItem, start, last, if self.is_semicolon(end) { end + 1 } else { end });
    }
}

/// Whether a type may end with the token.
fn ends_type(tok: Tok) -> bool {
    tok.is_primitive() || matches!(tok, Tok::Ident(_) | Tok::Gt | Tok::Question | Tok::Not)
}
