//! Heads and bodies of declarations as other languages write them.

use crate::codes;
use crate::diagnostic::{Diagnostic, Edit};
use crate::foreign::{FUNCTION_WORDS, ends_type};
use crate::soft::{BodyEnd, Pass, Place};
use crate::span::Span;
use crate::token::{Kw, Tok, Token};

impl Pass<'_> {
    /// `const x = 1;`, `const int X = 1;`
    pub(crate) fn constant(&mut self) {
        let span = self.tokens[self.at].span();
        let untyped = self.next(1).is_ident() && self.peek(2) == Some(Tok::Assign);
        let words: &[Kw] = match (untyped, self.at_top()) {
            (true, _) => &[Kw::Final, Kw::Var],
            (false, true) => &[Kw::Static, Kw::Final],
            (false, false) => &[Kw::Final],
        };
        let meant: Vec<&str> = words.iter().map(|word| word.text()).collect();
        let help = "a local that does not change is `final`, a constant of a module or type `static final`";
        let edit = Edit { span, text: meant.join(" ") };
        self.tell(span, "D-Script has no `const`", help).edits.push(edit);
        for &word in words {
            self.out.push(Token { start: span.start, end: span.end, tok: Tok::Kw(word) });
        }
        self.skip(self.at + 1);
    }

    /// `fun f(x: int): int {`, `def f(x) {`, `fn f(x: int) -> int {`, `func f() int {`, `function f(x) {`
    pub(crate) fn header_of_others(&mut self) -> bool {
        let word = self.word(self.at).to_owned();
        let function = FUNCTION_WORDS.contains(&word.as_str());
        if !function || !self.starts() || !self.next(1).is_ident() || self.peek(2) != Some(Tok::LParen) {
            return false;
        }
        let (open, close) = (self.at + 2, self.partners[self.at + 2] as usize);
        // The type of the result: behind a sign, or alone.
        let sign = usize::from(matches!(self.tok_at(close + 1), Tok::Colon | Tok::Arrow));
        let result = self.type_end(close + 1 + sign).map(|end| (close + 1 + sign, end));
        let body = result.map_or(close + 1, |(_, end)| end);
        if !matches!(self.tok_at(body), Tok::LBrace | Tok::Assign) || body >= self.tokens.len() {
            return false;
        }
        let span = self.tokens[self.at].span();
        let name = self.word(self.at + 1).to_owned();
        let diagnostic =
            Diagnostic::error(codes::JAVA_WORD, self.file, span, format!("D-Script has no `{word}`")).help(
                format!("a function begins with the type of its result: `int {name}(int x) {{ ... }}`"),
            );
        self.diagnostics.push(diagnostic);
        let unknown = |at: u32| Token { start: at, end: at, tok: Tok::BadType };
        match result {
            Some((from, to)) => self.out.extend_from_slice(&self.tokens[from..to]),
            None => self.out.push(unknown(span.start)),
        }
        self.out.push(self.tokens[self.at + 1]);
        let opened = self.out.len();
        self.out.push(self.tokens[open]);
        let mut at = open + 1;
        while at < close {
            let token = self.tokens[at];
            let behind = (self.tok_at(at + 1) == Tok::Colon).then(|| self.type_end(at + 2)).flatten();
            match behind {
                Some(end) if token.tok.is_ident() => {
                    self.out.extend_from_slice(&self.tokens[at + 2..end]);
                    self.out.push(token);
                    at = end;
                }
                _ => {
                    let alone = token.tok.is_ident()
                        && matches!(self.tokens[at - 1].tok, Tok::LParen | Tok::Comma)
                        && matches!(self.tok_at(at + 1), Tok::Comma | Tok::RParen | Tok::Assign);
                    if alone {
                        self.out.push(unknown(token.start));
                    }
                    self.out.push(token);
                    at += 1;
                }
            }
        }
        self.out.push(self.tokens[close]);
        self.closed = (Place::Inner, opened);
        self.skip(body);
        true
    }

    /// `class P(int x)`, `data class P(int x)`: a record.
    pub(crate) fn class_with_components(&mut self) -> bool {
        let data = usize::from(self.word(self.at) == "data");
        let class = self.peek(data) == Some(Tok::Kw(Kw::Class));
        let components = self.next(data + 1).is_ident() && self.peek(data + 2) == Some(Tok::LParen);
        if !class || !self.starts() || !(components || data == 1) {
            return false;
        }
        let span = self.tokens[self.at].span().to(self.tokens[self.at + data].span());
        let (message, word, kind) = match components {
            true => ("a class with components in its head is a `record`", "record", Kw::Record),
            false => ("D-Script has no `data`", "class", Kw::Class),
        };
        self.otherwise(span, message, word);
        self.put(Tok::Kw(kind), span.start, span.end, self.at + data + 1);
        true
    }

    /// A word before `task NAME(` that is no role, or a second role.
    pub(crate) fn wrong_role(&mut self) -> bool {
        let named = |pass: &Self, at: usize| {
            pass.soft_at(at) == Some(Kw::Task)
                && matches!(pass.next(at + 1), Tok::Ident(_))
                && pass.next(at + 2) == Tok::LParen
        };
        let role =
            |word: Option<Kw>| matches!(word, Some(Kw::Monitor | Kw::Analyze | Kw::Recover | Kw::Respond));
        if !self.at_top() || !self.starts() {
            return false;
        }
        let second = role(self.soft_at(0)) && role(self.soft_at(1)) && named(self, 2);
        let unknown = !role(self.soft_at(0)) && self.soft_at(0) != Some(Kw::Task) && named(self, 1);
        if !second && !unknown {
            return false;
        }
        let token = self.tokens[self.at + usize::from(second)];
        let text = &self.text[token.start as usize..token.end as usize];
        let message = match second {
            true => "a task has one role".to_owned(),
            false => format!("a task has no role `{text}`"),
        };
        let next = self.tokens[self.at + 1 + usize::from(second)].start;
        let span = token.span();
        let diagnostic = Diagnostic::error(codes::SYNTAX, self.file, span, message)
            .help("the roles are `monitor`, `analyze`, `recover` and `respond`; a task may have none")
            .edit(Span::new(token.start, next), "");
        self.diagnostics.push(diagnostic);
        if second {
            self.out
                .push(Token { tok: self.soft_at(0).map_or(Tok::BadItem, Tok::Kw), ..self.tokens[self.at] });
        }
        self.skip(self.at + 1 + usize::from(second));
        true
    }

    /// `recover restart(...) { ... }` and `recover task (...) { ... }`: a word is missing.
    pub(crate) fn task_without_a_word(&mut self) -> bool {
        let role = self
            .soft_at(0)
            .filter(|word| matches!(word, Kw::Monitor | Kw::Analyze | Kw::Recover | Kw::Respond));
        let head = usize::from(role.is_some());
        let is_task = self.soft_at(head) == Some(Kw::Task);
        if !self.at_top() || !self.starts() || !(is_task || role.is_some() && self.next(1).is_ident()) {
            return false;
        }
        let open = self.at + head + 1;
        if self.tok_at(open) != Tok::LParen || self.tok_at(self.partners[open] as usize + 1) != Tok::LBrace {
            return false;
        }
        let (word, second) = (self.tokens[self.at], self.tokens[open - 1]);
        // A type may have such a name.
        let declares = |pair: &[Token]| {
            let kind = match pair[0].tok {
                Tok::Kw(kind) => Some(kind),
                tok => self.words.soft(tok),
            };
            matches!(kind, Some(Kw::Class | Kw::Record | Kw::Enum | Kw::Interface)) && pair[1].tok == word.tok
        };
        if !is_task && self.tokens.windows(2).any(declares) {
            return false;
        }
        let at = Span::new(second.start, second.start);
        let diagnostic = match is_task {
            true => Diagnostic::error(codes::SYNTAX, self.file, second.span(), "a task has a name")
                .help("write it before the parameters: `task restart(String unit) { ... }`"),
            false => {
                let message = format!("a task begins with `{} task`", self.word(self.at));
                Diagnostic::error(codes::SYNTAX, self.file, word.span(), message).edit(at, "task ")
            }
        };
        self.diagnostics.push(diagnostic);
        if let Some(role) = role {
            self.out.push(Token { tok: Tok::Kw(role), ..word });
        }
        let task = if is_task { second.span() } else { at };
        self.out.push(Token { start: task.start, end: task.end, tok: Tok::Kw(Kw::Task) });
        if is_task {
            self.out.push(Token { start: task.end, end: task.end, tok: Tok::Ident(self.no_name) });
        } else {
            self.out.push(second);
        }
        self.skip(open);
        true
    }

    /// `test { ... }`: it has a name to be told by.
    pub(crate) fn test_without_a_name(&mut self) -> bool {
        if self.soft_at(0) != Some(Kw::Test)
            || self.peek(1) != Some(Tok::LBrace)
            || !self.at_top()
            || !self.starts()
        {
            return false;
        }
        let (span, close) = (self.tokens[self.at].span(), self.partners[self.at + 1] as usize);
        let diagnostic = Diagnostic::error(codes::SYNTAX, self.file, span, "a test has a name")
            .help("say what it shows: `test \"a dead cache is restarted\" { ... }`");
        self.diagnostics.push(diagnostic);
        self.put(Tok::BadItem, span.start, self.tokens[close].end, close + 1);
        true
    }

    /// `name(...) { ... }` at the top of a file: a function without the type of its result.
    pub(crate) fn untyped_function(&mut self) -> bool {
        if !self.at_top() || !self.starts() || self.peek(1) != Some(Tok::LParen) {
            return false;
        }
        let close = self.partners[self.at + 1] as usize;
        let tok_at = |i: usize| self.tokens.get(i).map(|t| t.tok);
        if tok_at(close + 1) != Some(Tok::LBrace) || self.is_soft_word() {
            return false;
        }
        let span = self.tokens[self.at].span();
        let name = self.text[span.start as usize..span.end as usize].to_owned();
        let other = match name.as_str() {
            "unless" => Some("write `if (!(...))`"),
            "until" => Some("write `while (!(...))`"),
            "foreach" => Some("write `for (var x : list)`"),
            "loop" | "forever" => Some("write `while (true)`, or `every (1s)`"),
            _ => None,
        };
        if let Some(help) = other {
            self.tell(span, format!("D-Script has no `{name}`"), help);
        } else {
            let message = format!("the function `{name}` has no result type");
            let diagnostic = Diagnostic::error(codes::SYNTAX, self.file, span, message)
                .help("write the type of its result before the name, or `void`");
            self.diagnostics.push(diagnostic);
        }
        self.out.push(Token { start: span.start, end: span.start, tok: Tok::BadType });
        self.push(self.tokens[self.at].tok);
        true
    }

    /// `int f<T>(T x) { }`: the type parameters of a declaration stand behind its name.
    pub(crate) fn type_parameters_behind(&mut self, end: usize) -> bool {
        let span = Span::new(self.tokens[self.at].start, self.tokens[end - 1].end);
        let written = &self.text[span.start as usize..span.end as usize];
        let help = format!("write `{written}` first, then the type of the result");
        let message = "type parameters stand before the type of the result";
        self.diagnostics.push(Diagnostic::error(codes::SYNTAX, self.file, span, message).help(help));
        self.lost.push(span);
        self.skip(end);
        true
    }

    /// `int f(int x) => x + 1;`, and the like with `->` or `=`: read as the body that is meant.
    pub(crate) fn body_without_braces(&mut self) -> bool {
        if self.before() != Some(Tok::RParen) || !matches!(self.place(), Place::Block | Place::Interface) {
            return false;
        }
        let open = self.closed.1;
        let back = |n: usize| open.checked_sub(n).map(|i| self.out[i].tok);
        let typed = back(2).is_some_and(ends_type);
        let end = self.find(|t| t == Tok::Semi);
        if !back(1).is_some_and(Tok::is_ident) || !typed || !self.is_semicolon(end) {
            return false;
        }
        if self.next(1) == Tok::LBrace && self.tokens[self.at].tok == Tok::Arrow {
            return false;
        }
        // `int f() return 1;`
        let returns = self.tokens[self.at].tok == Tok::Kw(Kw::Return);
        let is_void = back(2) == Some(Tok::Kw(Kw::Void)) || returns;
        let word = if is_void { "{" } else { "{ return" };
        let (span, close) = (self.tokens[self.at].span(), self.tokens[end].end);
        let help = match is_void {
            true if !returns => "write `{ ...; }`",
            _ => "write `{ return ...; }`",
        };
        let diagnostic =
            Diagnostic::error(codes::SYNTAX, self.file, span, "the body of a function stands in braces")
                .help(help)
                .edit(
                    if returns { Span::new(span.start, span.start) } else { span },
                    if returns { "{ " } else { word },
                )
                .edit(Span::new(close, close), " }");
        self.diagnostics.push(diagnostic);
        self.out[open].tok = Tok::LParen;
        if returns {
            self.open_body(Span::new(span.start, span.start));
            self.body_end = Some((end, BodyEnd::Close));
            self.push(Tok::Kw(Kw::Return));
            return true;
        }
        self.open_body(span);
        if !is_void {
            self.out.push(Token { start: span.end, end: span.end, tok: Tok::Kw(Kw::Return) });
        }
        self.body_end = Some((end, BodyEnd::Close));
        self.skip(self.at + 1);
        true
    }

    /// Whether the member that begins here ends without a body, in a type whose methods all have one. Its `;` is read
    /// as a body then.
    pub(crate) fn is_bodiless(&mut self) -> bool {
        let end = self.find(|t| matches!(t, Tok::Semi | Tok::LBrace));
        let bodiless = self.tokens.get(end).is_some_and(|t| t.tok == Tok::Semi)
            && end > 0
            && self.tokens[end - 1].tok == Tok::RParen
            && self.place() == Place::Block;
        if bodiless {
            self.body_end = Some((end, BodyEnd::Whole));
        }
        bodiless
    }

    /// `abstract class A { ... }`: what is abstract in it needs no word of its own, and neither has a class that was to
    /// inherit from it.
    pub(crate) fn abstract_class(&mut self) {
        let class = (self.at..self.at + 4).find(|&at| self.tok_at(at) == Tok::Kw(Kw::Class));
        let Some(Tok::Ident(name)) = class.map(|at| self.tok_at(at + 1)) else { return };
        let body = self.find(|t| matches!(t, Tok::LBrace | Tok::Semi));
        if self.tok_at(body) == Tok::LBrace {
            self.abstract_until = self.partners[body] as usize;
            self.abstract_classes.push(name);
        }
    }

    /// `class B extends A`, where `A` was spoken of: it stays open what B is.
    pub(crate) fn extends_abstract_class(&mut self) -> bool {
        let Some(Tok::Ident(parent)) = self.peek(1) else { return false };
        let class = self.out.len() >= 2 && self.out[self.out.len() - 2].tok == Tok::Kw(Kw::Class);
        let Some(end) =
            self.type_end(self.at + 1).filter(|_| class && self.abstract_classes.contains(&parent))
        else {
            return false;
        };
        let span = self.tokens[self.at].span();
        self.out.push(Token { start: span.start, end: span.end, tok: Tok::Kw(Kw::Implements) });
        let more = self.tok_at(end) == Tok::Kw(Kw::Implements);
        self.put(Tok::BadType, self.tokens[self.at + 1].start, self.tokens[end - 1].end, end);
        if more {
            self.push(Tok::Comma);
        }
        true
    }

    /// `undo f();`, without braces.
    pub(crate) fn undo_without_braces(&mut self) -> bool {
        if self.soft_at(0) != Some(Kw::Undo)
            || self.before() != Some(Tok::RBrace)
            || !(self.next(1).is_ident() && matches!(self.next(2), Tok::LParen | Tok::Dot))
        {
            return false;
        }
        let end = self.find(|t| matches!(t, Tok::Semi | Tok::LBrace));
        if !self.is_semicolon(end) {
            return false;
        }
        let (word, close) = (self.tokens[self.at].span(), self.tokens[end].end);
        let start = self.tokens[self.at + 1].start;
        let diagnostic =
            Diagnostic::error(codes::SYNTAX, self.file, word, "what `undo` does stands in braces")
                .edit(Span::new(start, start), "{ ")
                .edit(Span::new(close, close), " }");
        self.diagnostics.push(diagnostic);
        self.push(Tok::Kw(Kw::Undo));
        self.open_body(Span::new(start, start));
        self.body_end = Some((end, BodyEnd::Close));
        true
    }
}
