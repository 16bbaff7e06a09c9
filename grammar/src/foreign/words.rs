//! Java's reserved words, each with what to do instead.

use crate::diagnostic::{Diagnostic, Edit};
use crate::soft::{BodyEnd, Pass, Place};
use crate::span::Span;
use crate::token::{Kw, Tok};

/// What to do instead of a reserved word that means nothing here.
pub fn advice(word: Kw) -> Option<&'static str> {
    Some(match word {
        Kw::Public => "everything is visible to importers unless it is marked `private`",
        Kw::Protected => "write `private`, or nothing",
        Kw::Abstract => "there is no inheritance of state; declare an `interface`",
        Kw::Transient | Kw::Volatile | Kw::StrictFp => "leave it out",
        Kw::Synchronized => "a D-Task is single-threaded, so nothing needs a lock; leave it out",
        Kw::Package => "a module's name is its path from the source root; leave the line out",
        Kw::Throw => "an expected failure is a value: write `fail \"text\";`",
        Kw::Throws => "a function that can fail returns a `T!`",
        Kw::Super => "there is no inheritance of state",
        Kw::Catch | Kw::Finally => {
            "an expected failure is a value: see `isError(x)`, `try e` and `e ?? fallback`"
        }
        Kw::Goto => "use a loop with a label",
        Kw::Const => "write `static final`",
        Kw::Long | Kw::Short | Kw::Byte => "`int` is the only whole number type; it has 64 bits",
        Kw::CharWord => "a character is an `int`, its code point",
        Kw::Float => "`double` is the only floating point type",
        _ => return None,
    })
}

impl Pass<'_> {
    pub(crate) fn java_word(&mut self, word: Kw) -> bool {
        let span = self.tokens[self.at].span();
        match word {
            Kw::Public | Kw::Protected | Kw::Abstract | Kw::Transient | Kw::Volatile | Kw::StrictFp => {
                return self.starts() && self.modifiers();
            }
            Kw::Synchronized if self.starts() => {
                self.tell_word(word);
                let head = if self.peek(1) == Some(Tok::LParen) {
                    self.partners[self.at + 1] as usize
                } else {
                    self.at
                };
                self.skip(head + 1);
            }
            Kw::Package if self.starts() => {
                let end = self.find(|t| t == Tok::Semi);
                let semicolon = self.tokens.get(end).is_some_and(|t| t.tok == Tok::Semi);
                let last = self.tokens.get(if semicolon { end } else { end - 1 }).map_or(span.end, |t| t.end);
                let newline = self.text[last as usize..].starts_with('\n');
                let line = Span::new(span.start, last + u32::from(newline));
                self.tell_word(word).edits.push(Edit { span: line, text: String::new() });
                self.skip(if semicolon { end + 1 } else { end });
            }
            Kw::Static if self.before() == Some(Tok::Kw(Kw::Import)) => {
                self.tell(
                    span,
                    "there is no `import static`",
                    "import the declaration by its path: `import a.b.name;`",
                );
                // The whole import is given up: what it names is Java's most likely.
                let end = self.find(|t| t == Tok::Semi);
                let start = self.out.pop().map_or(span.start, |t| t.start);
                let last = self.tokens.get(end.saturating_sub(1)).map_or(span.end, |t| t.end);
                let semicolon = self.tokens.get(end).is_some_and(|t| t.tok == Tok::Semi);
                self.put(Tok::BadItem, start, last, if semicolon { end + 1 } else { end });
            }
            Kw::Throws if self.before() == Some(Tok::RParen) => {
                self.tell_word(word);
                let end = self.find(|t| matches!(t, Tok::Semi | Tok::LBrace));
                self.skip(end);
            }
            Kw::Throw => {
                let arm = self.before() == Some(Tok::Arrow);
                self.tell_word(word);
                let end = self.find(|t| t == Tok::Semi);
                let semicolon = self.tokens.get(end).is_some_and(|t| t.tok == Tok::Semi);
                if self.starts() && !arm && semicolon {
                    self.put(Tok::BadItem, span.start, self.tokens[end].end, end + 1);
                } else {
                    self.put(Tok::BadExpr, span.start, self.tokens[end.saturating_sub(1)].end, end);
                }
            }
            Kw::Try if self.starts() => return self.java_try(),
            Kw::Extends => return self.extends_abstract_class(),
            Kw::Return => return self.body_without_braces(),
            Kw::If | Kw::While | Kw::For if self.starts() => {
                return self.block_of_a_shell() || self.block_by_indentation();
            }
            Kw::Import if self.starts() => return self.import_of_a_script(),
            word if Tok::Kw(word).is_primitive() && self.declared_condition() => {}
            Kw::Const if self.starts() => self.constant(),
            Kw::Class => return self.class_with_components() || self.block_by_indentation(),
            Kw::Super => {
                self.tell_word(word);
                self.put(Tok::BadExpr, span.start, span.end, self.at + 1);
            }
            Kw::Long | Kw::Short | Kw::Byte | Kw::CharWord | Kw::Float => {
                let named = self.before().is_some_and(|t| t.is_primitive() || t.is_ident() || t == Tok::Dot);
                let typed = matches!(
                    self.peek(1),
                    Some(
                        Tok::Ident(_)
                            | Tok::LBracket
                            | Tok::Gt
                            | Tok::Comma
                            | Tok::Dot
                            | Tok::Question
                            | Tok::Not
                            | Tok::RParen
                            | Tok::Ellipsis
                    )
                );
                if named || !typed {
                    return false;
                }
                let ours = if word == Kw::Float { Kw::Double } else { Kw::Int };
                let edit = Edit { span, text: ours.text().to_owned() };
                self.tell_word(word).edits.push(edit);
                let cast = self.before() == Some(Tok::LParen) && self.peek(1) == Some(Tok::RParen);
                if cast && let Some(paren) = self.out.last_mut() {
                    paren.tok = Tok::CastParen;
                }
                self.push(Tok::Kw(ours));
            }
            _ => return false,
        }
        true
    }

    /// The modifiers from here to the declaration they stand before: one message for all that mean nothing here.
    fn modifiers(&mut self) -> bool {
        let word_at = |pass: &Self, at: usize| match pass.tok_at(at) {
            Tok::Kw(word) if is_foreign(word) => Some((word, true)),
            Tok::Kw(word @ (Kw::Private | Kw::Static | Kw::Final | Kw::LowLevel)) => Some((word, false)),
            _ => None,
        };
        let run: Vec<(usize, Kw, bool)> = (self.at..)
            .map_while(|at| word_at(self, at).map(|(word, foreign)| (at, word, foreign)))
            .collect();
        let abstract_at = run.iter().find(|m| m.1 == Kw::Abstract).map(|m| m.0);
        let end = self.at + run.len();
        let bodiless = abstract_at.is_some() && self.is_bodiless();
        if bodiless
            && self.at < self.abstract_until
            && let Some((semicolon, BodyEnd::Whole)) = self.body_end
        {
            // Of its class it was said.
            self.body_end = None;
            let start = self.tokens[self.at].start;
            self.put(Tok::BadItem, start, self.tokens[semicolon].end, semicolon + 1);
            return true;
        }
        if abstract_at.is_some() && !bodiless {
            self.abstract_class();
        }
        // A class of which something is left open is no class without the word either.
        let open =
            self.tokens[end..self.abstract_until.max(end)].iter().any(|t| t.tok == Tok::Kw(Kw::Abstract));
        let told = abstract_at.unwrap_or(self.at);
        let span = self.tokens[told].span();
        let Tok::Kw(word) = self.tokens[told].tok else { return false };
        let edits = run.iter().filter(|m| m.2).map(|m| {
            let (start, end) = (self.tokens[m.0].start, self.tokens.get(m.0 + 1).map(|t| t.start));
            Edit { span: Span::new(start, end.unwrap_or(self.tokens[m.0].end)), text: String::new() }
        });
        let edits: Vec<Edit> = edits.filter(|_| !bodiless && !open).collect();
        let help = match bodiless {
            true => "each method has its body here; what several types have in common is an `interface`",
            false if self.place() == Place::Interface => "leave it out: that is what an interface declares",
            false => advice(word).unwrap_or("leave it out"),
        };
        self.tell(span, format!("D-Script has no `{}`", word.text()), help).edits = edits;
        for (_, _, foreign) in run {
            if foreign {
                self.skip(self.at + 1);
            } else {
                self.push(self.tokens[self.at].tok);
            }
        }
        true
    }

    pub(crate) fn tell_word(&mut self, word: Kw) -> &mut Diagnostic {
        let span = self.tokens[self.at].span();
        let text = word.text();
        self.tell(span, format!("D-Script has no `{text}`"), advice(word).unwrap_or("leave it out"))
    }
}

/// Whether a modifier means nothing here.
fn is_foreign(word: Kw) -> bool {
    matches!(
        word,
        Kw::Public
            | Kw::Protected
            | Kw::Abstract
            | Kw::Transient
            | Kw::Volatile
            | Kw::StrictFp
            | Kw::Synchronized
    )
}
