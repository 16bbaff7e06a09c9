//! Statements of other languages, from Java's `try` to a shell's `if [ ... ]; then`.

use crate::codes;
use crate::diagnostic::{Diagnostic, Edit};
use crate::soft::{Pass, Place};
use crate::span::Span;
use crate::token::{Kw, Tok, Token};

/// Tokens between a shell's `if` and its `then`.
const SHELL_HEAD_MAX: usize = 64;

impl Pass<'_> {
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

    /// `x, err = f();`
    pub(crate) fn several_targets(&mut self) -> bool {
        if self.peek(1) != Some(Tok::Comma) || !self.starts() || self.place() != Place::Block {
            return false;
        }
        let mut last = self.at;
        while self.tok_at(last + 1) == Tok::Comma && self.tok_at(last + 2).is_ident() {
            last += 2;
        }
        let sign = self.tok_at(last + 1) == Tok::Assign
            || self.tok_at(last + 1) == Tok::Colon && self.tok_at(last + 2) == Tok::Assign;
        if last == self.at || !sign {
            return false;
        }
        let span = self.tokens[self.at].span().to(self.tokens[last].span());
        let diagnostic =
            Diagnostic::error(codes::SYNTAX, self.file, span, "an assignment sets one variable at a time")
                .help("a failure is part of the value, a `T!`; of several values make a record");
        self.diagnostics.push(diagnostic);
        let end = self.find(|t| t == Tok::Semi);
        let close = self.tokens.get(end.saturating_sub(1)).map_or(span.end, |t| t.end);
        self.put(Tok::BadItem, span.start, close, if self.is_semicolon(end) { end + 1 } else { end });
        true
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

    /// `when (x) { 1 -> ...; else -> ... }`, `match (x) { ... }`
    pub(crate) fn other_switch(&mut self) -> bool {
        let word = self.word(self.at).to_owned();
        if !matches!(word.as_str(), "when" | "match") || self.peek(1) != Some(Tok::LParen) {
            return false;
        }
        let body = self.partners[self.at + 1] as usize + 1;
        let statement = self.starts();
        let value =
            matches!(self.before(), Some(Tok::Assign | Tok::Arrow | Tok::LParen | Tok::Kw(Kw::Return)));
        if self.tok_at(body) != Tok::LBrace || !(statement || value) {
            return false;
        }
        let close = self.partners[body] as usize;
        let arrow = self.tokens[body..close].iter().any(|t| t.tok == Tok::Arrow);
        if !arrow {
            return false;
        }
        let span = self.tokens[self.at].span();
        self.tell(
            span,
            format!("D-Script has no `{word}`"),
            "write `switch (x) { case 1 -> ...; default -> ...; }`",
        );
        let bad = if statement { Tok::BadItem } else { Tok::BadExpr };
        self.put(bad, span.start, self.tokens[close].end, close + 1);
        true
    }

    /// `} elif (...) {`
    pub(crate) fn else_in_one_word(&mut self) -> bool {
        let span = self.tokens[self.at].span();
        let text = &self.text[span.start as usize..span.end as usize];
        if !matches!(text, "elif" | "elsif" | "elseif")
            || self.before() != Some(Tok::RBrace)
            || self.peek(1) != Some(Tok::LParen)
        {
            return false;
        }
        let edit = Edit { span, text: "else if".to_owned() };
        self.tell(span, format!("D-Script has no `{text}`"), "write `else if`").edits.push(edit);
        self.out.push(Token { start: span.start, end: span.end, tok: Tok::Kw(Kw::Else) });
        self.put(Tok::Kw(Kw::If), span.start, span.end, self.at + 1);
        true
    }

    /// `try { } catch (E e) { } finally { }`, with or without resources.
    pub(crate) fn java_try(&mut self) -> bool {
        let mut block = self.at + 1;
        if self.peek(1) == Some(Tok::LParen) {
            block = self.partners[block] as usize + 1;
        }
        if self.tokens.get(block).is_none_or(|t| t.tok != Tok::LBrace) {
            return false;
        }
        let mut close = self.partners[block] as usize;
        let tok_at = |i: usize| self.tokens.get(i).map(|t| t.tok);
        loop {
            match tok_at(close + 1) {
                Some(Tok::Kw(Kw::Catch)) if tok_at(close + 2) == Some(Tok::LParen) => {
                    let head = self.partners[close + 2] as usize;
                    if tok_at(head + 1) != Some(Tok::LBrace) {
                        break;
                    }
                    close = self.partners[head + 1] as usize;
                }
                Some(Tok::Kw(Kw::Finally)) if tok_at(close + 2) == Some(Tok::LBrace) => {
                    close = self.partners[close + 2] as usize;
                }
                _ => break,
            }
        }
        let span = self.tokens[self.at].span();
        self.tell(
            span,
            "D-Script has no `try` blocks",
            "an expected failure is a value: test it with `isError(x)`, pass it on with `try e`, or write `e ?? fallback`",
        );
        self.put(Tok::BadItem, span.start, self.tokens[close].end, close + 1);
        true
    }

    /// `if (int x = f()) { }`: a condition that declares a variable.
    pub(crate) fn declared_condition(&mut self) -> bool {
        let open = self.opened_at();
        let head = open > 0 && open + 1 == self.out.len() && self.out[open].tok == Tok::LParen;
        if !head || !matches!(self.out[open - 1].tok, Tok::Kw(Kw::If | Kw::While)) {
            return false;
        }
        let Some(name) = self.type_end(self.at).filter(|&at| self.tok_at(at).is_ident()) else {
            return false;
        };
        if self.tok_at(name + 1) != Tok::Assign {
            return false;
        }
        let close = self.partners[self.at - 1] as usize;
        let span = self.tokens[self.at].span().to(self.tokens[name].span());
        let (word, name) = (self.out[open - 1].tok, self.word(name).to_owned());
        let help = match word {
            Tok::Kw(Kw::If) => format!("declare `{name}` in a statement before the `if`"),
            _ => format!("declare `{name}` before the loop, and give it its value in there"),
        };
        let message = "a condition declares no variable";
        self.diagnostics.push(Diagnostic::error(codes::SYNTAX, self.file, span, message).help(help));
        self.put(Tok::BadExpr, span.start, self.tokens[close - 1].end, close);
        true
    }

    /// `if [ $x = 1 ]; then ... fi`, `while test -f x; do ... done`: nothing between such words is read.
    pub(crate) fn block_of_a_shell(&mut self) -> bool {
        if self.peek(1) == Some(Tok::LParen) {
            return false;
        }
        let begins = |pass: &Self, at: usize| match pass.tokens[pass.at].tok {
            Tok::Kw(Kw::If) => pass.word(at) == "then",
            _ => pass.tok_at(at) == Tok::Kw(Kw::Do),
        };
        let mut block = self.at + 1;
        while block < self.tokens.len() && !begins(self, block) {
            let brackets = matches!(self.tok_at(block), Tok::LBrace | Tok::RBrace);
            if brackets || block > self.at + SHELL_HEAD_MAX {
                return false;
            }
            block += 1;
        }
        if block >= self.tokens.len() {
            return false;
        }
        let mut open = 1;
        let mut end = block + 1;
        while end < self.tokens.len() && open > 0 && (self.partners[end] as usize) >= end {
            let own = self.tok_at(end + 1) != Tok::LParen;
            match self.tok_at(end) {
                Tok::Kw(Kw::If | Kw::While | Kw::For) if own => open += 1,
                _ if matches!(self.word(end), "fi" | "done") => open -= 1,
                _ => {}
            }
            end = (self.partners[end] as usize).max(end) + 1;
        }
        let span = self.tokens[self.at].span();
        let word = self.word(self.at).to_owned();
        let head = if word == "for" { "for (String x : list)" } else { "CONDITION" };
        let meant = if word == "for" { head.to_owned() } else { format!("{word} ({head})") };
        let diagnostic = Diagnostic::error(
            codes::SYNTAX,
            self.file,
            span,
            format!("this is a shell's `{word}`"),
        )
        .help(format!(
            "write `{meant} {{ ... }}`; a script of a shell is run as it is by `Command.script(\"FILE.sh\")`"
        ));
        self.diagnostics.push(diagnostic);
        let last = self.tokens[end - 1].end;
        self.put(Tok::BadItem, span.start, last, if self.is_semicolon(end) { end + 1 } else { end });
        true
    }

    /// `if x > 3:` and the like, with what is indented below: read as one thing that could not be.
    pub(crate) fn block_by_indentation(&mut self) -> bool {
        let begins = |pass: &Self, at: usize| {
            let head = matches!(
                pass.tok_at(at),
                Tok::Kw(Kw::If | Kw::Else | Kw::While | Kw::For | Kw::Class | Kw::Try | Kw::Finally)
            );
            head || matches!(pass.word(at), "def" | "elif" | "except" | "with")
        };
        // The token behind a `:` that ends its line, within brackets as outside.
        let body = |pass: &Self, at: usize| {
            let mut end = at + 1;
            while end < pass.tokens.len() && !pass.begins_line_at(end) {
                if matches!(pass.tok_at(end), Tok::LBrace | Tok::Semi) {
                    return None;
                }
                end += 1;
            }
            // `if (c) x = a ? b :` goes on in the next line.
            let colon = match (pass.tok_at(at), pass.tok_at(at + 1)) {
                (Tok::Kw(Kw::Else | Kw::Try | Kw::Finally), _) => at + 1,
                (_, Tok::LParen) => pass.partners[at + 1] as usize + 1,
                (Tok::Ident(_), _) if pass.word(at) == "def" && pass.tok_at(at + 2) != Tok::LParen => at,
                _ => end - 1,
            };
            (end < pass.tokens.len() && colon == end - 1 && pass.tok_at(colon) == Tok::Colon).then_some(end)
        };
        if !self.starts() || !self.begins_line_at(self.at) || !begins(self, self.at) {
            return false;
        }
        let Some(mut end) = body(self, self.at) else { return false };
        let column = self.column(self.at);
        if self.column(end) <= column {
            return false;
        }
        while end < self.tokens.len() && (self.partners[end] as usize) >= end {
            if self.begins_line_at(end) && self.column(end) <= column {
                let more = self.column(end) == column && self.tok_at(end) != Tok::Kw(Kw::Class);
                let clause = !matches!(self.tok_at(end), Tok::Kw(Kw::If | Kw::While | Kw::For | Kw::Try))
                    && !matches!(self.word(end), "def" | "with");
                match body(self, end).filter(|_| more && clause && begins(self, end)) {
                    Some(next) => {
                        end = next;
                        continue;
                    }
                    None => break,
                }
            }
            end = (self.partners[end] as usize).max(end) + 1;
        }
        let span = self.tokens[self.at].span();
        let message = "a block stands in braces: indentation means nothing";
        let word = self.word(self.at);
        let help = match word {
            "def" => "write `int f(int x) { ... }`, the type of the result first".to_owned(),
            "class" => "write `class Name { ... }`".to_owned(),
            "if" | "while" => format!("write `{word} (CONDITION) {{ ... }}`"),
            "for" => "write `for (var x : list) { ... }`".to_owned(),
            _ => "write `{ ... }`".to_owned(),
        };
        self.diagnostics.push(Diagnostic::error(codes::SYNTAX, self.file, span, message).help(help));
        self.put(Tok::BadItem, span.start, self.tokens[end - 1].end, end);
        true
    }

    /// Bytes from the beginning of its line to the token.
    fn column(&self, index: usize) -> usize {
        let start = self.tokens[index].start as usize;
        start - self.text[..start].rfind('\n').map_or(0, |at| at + 1)
    }

    /// `import { a } from "b";`, `import a from "b";`, `import a, b`, `import a as b`, and `import a` on a line of its own
    pub(crate) fn import_of_a_script(&mut self) -> bool {
        let end = self.line_end();
        let from = (self.at + 1..end)
            .any(|at| self.word(at) == "from" && matches!(self.tok_at(at + 1), Tok::Str(_)));
        let mut path = self.at + 2;
        while self.tok_at(path) == Tok::Dot && self.tok_at(path + 1).is_ident() {
            path += 2;
        }
        let several = path < end && (self.tok_at(path) == Tok::Comma || self.word(path) == "as");
        let alone = path == self.at + 2 && path == end && !self.is_semicolon(end);
        if !from && !(self.next(1).is_ident() && (several || alone)) {
            return false;
        }
        let span = self.tokens[self.at].span().to(self.tokens[end - 1].span());
        let diagnostic =
            Diagnostic::error(codes::SYNTAX, self.file, span, "an import is a path: the module, then a name")
                .help("write `import a.b;` for `b` of the module `a`, `import a.*;` for all of it");
        self.diagnostics.push(diagnostic);
        self.give_up_line();
        true
    }

    /// `from a import b`
    pub(crate) fn import_from(&mut self) -> bool {
        if self.word(self.at) != "from" || !self.starts() || !self.next(1).is_ident() {
            return false;
        }
        let end = self.line_end();
        let Some(import) = (self.at + 2..end).find(|&at| self.tok_at(at) == Tok::Kw(Kw::Import)) else {
            return false;
        };
        let span = self.tokens[self.at].span().to(self.tokens[end - 1].span());
        let path = &self.text[self.tokens[self.at + 1].start as usize..self.tokens[import - 1].end as usize];
        let mut diagnostic =
            Diagnostic::error(codes::SYNTAX, self.file, span, "an import is a path: the module, then a name")
                .help("write `import a.b;` for `b` of the module `a`, `import a.*;` for all of it");
        if end == import + 2 {
            let semicolon = if self.is_semicolon(end) { "" } else { ";" };
            let meant = format!("import {path}.{}{semicolon}", self.word(import + 1));
            diagnostic = diagnostic.edit(span, meant);
        }
        self.diagnostics.push(diagnostic);
        self.give_up_line();
        true
    }

    /// `name: "x"`, as configurations give a value.
    pub(crate) fn entry_of_yaml(&mut self) -> bool {
        if self.peek(1) != Some(Tok::Colon) || !self.starts() || self.place() != Place::Block {
            return false;
        }
        let value = self.at + 2;
        let literal = matches!(
            self.tok_at(value),
            Tok::Str(_)
                | Tok::StrStart
                | Tok::Int(_)
                | Tok::Double(_)
                | Tok::Duration(_)
                | Tok::Kw(Kw::True | Kw::False | Kw::Null)
        );
        let alone =
            self.tok_at(value).is_ident() && self.begins_line_at(value + 1) && !self.begins_line_at(value);
        if value >= self.tokens.len() || !(literal || alone) {
            return false;
        }
        let (name, colon) = (self.tokens[self.at].span(), self.tokens[self.at + 1].span());
        let end = self.line_end();
        let mut diagnostic =
            Diagnostic::error(codes::SYNTAX, self.file, name.to(colon), "a value is given by `=`");
        if literal {
            diagnostic = diagnostic.edit(Span::new(name.start, name.start), "var ").edit(colon, " =");
            if !self.is_semicolon(end) {
                let last = self.tokens[end - 1].end;
                diagnostic = diagnostic.edit(Span::new(last, last), ";");
            }
        }
        self.diagnostics.push(diagnostic.help("a declaration is `TYPE NAME = VALUE;`"));
        self.give_up_line();
        true
    }
}
