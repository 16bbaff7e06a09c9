//! Forms of other languages that are like ours: one message at each place, and a repair that reads what was meant.
//! Part of the pass over the tokens (`soft`).

use crate::codes;
use crate::diagnostic::{Diagnostic, Edit};
use crate::soft::{BodyEnd, Pass, Place};
use crate::span::Span;
use crate::token::{Kw, Tok, Token};

impl Pass<'_> {
    /// `int f(int x) => x + 1;`, and the like with `->` or `=`: read as the body that is meant.
    pub(crate) fn body_without_braces(&mut self) -> bool {
        if self.before() != Some(Tok::RParen) || !matches!(self.place(), Place::Block | Place::Interface) {
            return false;
        }
        let open = self.closed.1;
        let back = |n: usize| open.checked_sub(n).map(|i| self.out[i].tok);
        let typed = back(2).is_some_and(|t| {
            t.is_primitive() || matches!(t, Tok::Ident(_) | Tok::Gt | Tok::Question | Tok::Not)
        });
        let end = self.find(|t| t == Tok::Semi);
        if !back(1).is_some_and(Tok::is_ident) || !typed || !self.is_semicolon(end) {
            return false;
        }
        if self.next(1) == Tok::LBrace && self.tokens[self.at].tok == Tok::Arrow {
            return false;
        }
        let is_void = back(2) == Some(Tok::Kw(Kw::Void));
        let word = if is_void { "{" } else { "{ return" };
        let (span, close) = (self.tokens[self.at].span(), self.tokens[end].end);
        let help = match is_void {
            true => "write `{ ...; }`",
            false => "write `{ return ...; }`",
        };
        let diagnostic =
            Diagnostic::error(codes::SYNTAX, self.file, span, "the body of a function stands in braces")
                .help(help)
                .edit(span, word)
                .edit(Span::new(close, close), " }");
        self.diagnostics.push(diagnostic);
        self.out[open].tok = Tok::LParen;
        self.open_body(span);
        if !is_void {
            self.out.push(Token { start: span.end, end: span.end, tok: Tok::Kw(Kw::Return) });
        }
        self.body_end = Some((end, BodyEnd::Close));
        self.skip(self.at + 1);
        true
    }

    /// `var (a, b) = pair;`, `for (var (k, v) : map)`
    pub(crate) fn several_names(&mut self) -> bool {
        if self.soft_at(0) != Some(Kw::Var) || self.peek(1) != Some(Tok::LParen) {
            return false;
        }
        let head = matches!(self.before(), Some(Tok::LParen));
        let close = self.partners[self.at + 1] as usize;
        let sign = if head { Tok::Colon } else { Tok::Assign };
        if !(head || self.starts()) || self.tok_at(close + 1) != sign {
            return false;
        }
        let span = self.tokens[self.at].span().to(self.tokens[close].span());
        let help = match head {
            true => "name the element: of a map it is an entry with `.key` and `.value`",
            false => "name the whole, and read its parts: a Pair has `.first` and `.second`",
        };
        let diagnostic =
            Diagnostic::error(codes::SYNTAX, self.file, span, "a declaration gives one name at a time")
                .help(help);
        self.diagnostics.push(diagnostic);
        if head {
            self.out.push(Token { start: span.start, end: span.start, tok: Tok::BadType });
            self.out.push(Token { start: span.start, end: span.end, tok: Tok::Ident(self.no_name) });
            self.lost.push(span);
            self.skip(close + 1);
        } else {
            let end = self.find(|t| t == Tok::Semi);
            let last = self.tokens.get(end.saturating_sub(1)).map_or(span.end, |t| t.end);
            let semicolon = self.is_semicolon(end);
            self.put(Tok::BadItem, span.start, last, if semicolon { end + 1 } else { end });
        }
        true
    }

    /// Whether a `;` stands there, and not the end of the file.
    fn is_semicolon(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|t| t.tok == Tok::Semi)
    }

    /// `undo { }` behind statements.
    pub(crate) fn undo_of_a_script(&mut self) -> bool {
        if self.soft_at(0) != Some(Kw::Undo)
            || self.peek(1) != Some(Tok::LBrace)
            || self.before() != Some(Tok::Semi)
        {
            return false;
        }
        let (span, close) = (self.tokens[self.at].span(), self.partners[self.at + 1] as usize);
        let diagnostic =
            Diagnostic::error(codes::SYNTAX, self.file, span, "`undo` stands after the body of a `task`")
                .help("a script has none: write a task, `task name() { ... } undo { ... }`");
        self.diagnostics.push(diagnostic);
        self.put(Tok::BadItem, span.start, self.tokens[close].end, close + 1);
        true
    }

    /// `int??`
    pub(crate) fn nullable_twice(&mut self) -> bool {
        let named = self.next(1).is_ident();
        let ends_type = match self.before() {
            Some(tok) if tok.is_primitive() => true,
            Some(Tok::Gt) => named,
            Some(Tok::Ident(_)) => {
                named && self.last_at_start && matches!(self.next(2), Tok::Assign | Tok::Semi | Tok::LParen)
            }
            _ => false,
        };
        if !ends_type {
            return false;
        }
        let span = self.tokens[self.at].span();
        let diagnostic = Diagnostic::error(
            codes::BAD_TYPE,
            self.file,
            span,
            "there is no `T??`: null is one value, and once is enough",
        )
        .edit(span, "?");
        self.diagnostics.push(diagnostic);
        self.push(Tok::Question);
        true
    }

    /// `f<int>(3)`, `Lists.<int>of(3)`
    pub(crate) fn type_arguments_of_a_call(&mut self) -> bool {
        let open = self.tokens[self.at];
        let Some(end) = self.type_arguments_end() else { return false };
        if self.tok_at(end) != Tok::LParen {
            return false;
        }
        let called = match self.before() {
            Some(Tok::Dot) => self.tok_at(end).is_ident(),
            // A function's name: types begin with a capital, and comparisons with a space.
            Some(Tok::Ident(_)) => {
                let name = &self.text[..open.start as usize];
                let name = name.rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or("");
                !name.is_empty()
                    && name.starts_with(char::is_lowercase)
                    && self.tokens[self.at + 1..end - 1].iter().all(|t| self.reads_as_type(*t))
            }
            _ => false,
        };
        let declares = self.out.len() >= 2 && self.out[self.out.len() - 2].tok == Tok::Kw(Kw::New);
        if !called || declares {
            return false;
        }
        let span = Span::new(open.start, self.tokens[end - 1].end);
        let diagnostic =
            Diagnostic::error(codes::TYPE_ARGUMENTS, self.file, span, "a call takes no type arguments")
                .help("they are found from its arguments and from the type of the variable it goes to")
                .edit(span, "");
        self.diagnostics.push(diagnostic);
        self.skip(end);
        true
    }

    /// A primitive type, a name with a capital, or what stands between types.
    fn reads_as_type(&self, token: Token) -> bool {
        match token.tok {
            Tok::Ident(_) => self.text[token.start as usize..].starts_with(char::is_uppercase),
            tok => {
                tok.is_primitive() || matches!(tok, Tok::Lt | Tok::Gt | Tok::Comma | Tok::Question | Tok::Not)
            }
        }
    }

    /// `=>`, which other languages write for `->`.
    pub(crate) fn fat_arrow(&mut self) {
        let span = self.tokens[self.at].span();
        if &self.text[span.start as usize..span.end as usize] != "=>" {
            return;
        }
        let in_switch = self.place() == Place::Switch;
        // The arms of one switch are spoken of once.
        if let Some(told) = self.frame().sign_told.filter(|_| in_switch) {
            self.diagnostics[told].edits.push(Edit { span, text: "->".to_owned() });
            return;
        }
        let message = if in_switch { "a case is written with `->`" } else { "a lambda is written with `->`" };
        let diagnostic = Diagnostic::error(codes::SYNTAX, self.file, span, message).edit(span, "->");
        if in_switch {
            self.frame().sign_told = Some(self.diagnostics.len());
        }
        self.diagnostics.push(diagnostic);
    }

    /// Another sign between the key and the value of a map's entry: read as `:`.
    pub(crate) fn sign_of_entry(&mut self) {
        let span = self.tokens[self.at].span();
        let told = self.frame().sign_told;
        let from = self.out.last().map_or(span.start, |t| t.end);
        let meant = Edit { span: Span::new(from, span.end), text: ":".to_owned() };
        match told {
            Some(told) => self.diagnostics[told].edits.push(meant),
            None => {
                let message = "`:` stands between the key and the value of an entry";
                let mut diagnostic = Diagnostic::error(codes::SYNTAX, self.file, span, message);
                diagnostic.edits.push(meant);
                self.frame().sign_told = Some(self.diagnostics.len());
                self.diagnostics.push(diagnostic);
            }
        }
        self.frame().in_value = true;
        self.push(Tok::Colon);
    }
}
