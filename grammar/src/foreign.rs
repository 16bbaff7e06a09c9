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
        let two_before = self.out.len().checked_sub(2).map(|i| self.out[i].tok);
        if !called || two_before == Some(Tok::Kw(Kw::New)) {
            return false;
        }
        if self.before() != Some(Tok::Dot) && two_before.is_some_and(ends_type) {
            return self.type_parameters_behind(end);
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

    /// `int f<T>(T x) { }`: the type parameters of a declaration stand behind its name.
    fn type_parameters_behind(&mut self, end: usize) -> bool {
        let span = Span::new(self.tokens[self.at].start, self.tokens[end - 1].end);
        let written = &self.text[span.start as usize..span.end as usize];
        let help = format!("write `{written}` first, then the type of the result");
        let message = "type parameters stand before the type of the result";
        self.diagnostics.push(Diagnostic::error(codes::SYNTAX, self.file, span, message).help(help));
        self.lost.push(span);
        self.skip(end);
        true
    }

    /// Says what is written otherwise here, with the edit that puts it right.
    pub(crate) fn otherwise(&mut self, span: Span, message: impl Into<String>, text: &str) {
        let diagnostic = Diagnostic::error(codes::SYNTAX, self.file, span, message).edit(span, text);
        self.diagnostics.push(diagnostic);
    }

    fn word(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |t| &self.text[t.start as usize..t.end as usize])
    }

    /// The token right behind the current one, without a space.
    fn follows_closely(&self, tok: Tok) -> Option<Span> {
        let span = self.tokens[self.at].span();
        let next = self.tokens.get(self.at + 1).filter(|t| t.tok == tok && t.start == span.end)?;
        Some(span.to(next.span()))
    }

    /// `a and b`, `a or b`, `not a`, `x is T`, `for (var x in xs)`.
    pub(crate) fn word_operator(&mut self) -> bool {
        let span = self.tokens[self.at].span();
        let after_operand = self.before().is_some_and(Tok::ends_operand) && !self.starts();
        // Outside brackets `T or(T other)` is a declaration.
        let operand = self.begins_operand(self.at + 1)
            && (self.peek(1) != Some(Tok::LParen) || self.place() == Place::Inner);
        let (sign, tok) = match self.word(self.at) {
            "and" if after_operand && operand => ("&&", Tok::AndAnd),
            "or" if after_operand && operand => ("||", Tok::OrOr),
            "not" if !after_operand && operand && self.peek(1) != Some(Tok::LParen) => ("!", Tok::Not),
            "is" if after_operand && self.next(1).is_ident() => ("instanceof", Tok::Kw(Kw::InstanceOf)),
            "in" | "of" if after_operand && operand && self.in_head_of_for() => (":", Tok::Colon),
            _ => return false,
        };
        let word = self.word(self.at).to_owned();
        // Two names in a row may be a declaration: `Name is = ...`.
        if matches!(self.peek(1), Some(Tok::Assign | Tok::Semi)) {
            return false;
        }
        self.otherwise(span, format!("D-Script has no `{word}`: it is written `{sign}`"), sign);
        if tok == Tok::Colon && self.out.len() == self.opened_at() + 2 {
            // `for (i in xs)`: what it walks gives the variable its type.
            let name = self.out.len() - 1;
            let at = self.out[name].start;
            self.out.insert(name, Token { start: at, end: at, tok: Tok::Kw(Kw::Var) });
            if let Some(told) = self.diagnostics.last_mut() {
                told.edits.push(Edit { span: Span::new(at, at), text: "var ".to_owned() });
            }
        }
        self.push(tok);
        true
    }

    fn begins_operand(&self, at: usize) -> bool {
        matches!(
            self.tok_at(at),
            Tok::Ident(_)
                | Tok::Int(_)
                | Tok::Double(_)
                | Tok::Duration(_)
                | Tok::Char(_)
                | Tok::Str(_)
                | Tok::StrStart
                | Tok::LParen
                | Tok::LBracket
                | Tok::LBrace
                | Tok::Not
                | Tok::Minus
                | Tok::Kw(Kw::True | Kw::False | Kw::Null | Kw::This | Kw::New | Kw::Try)
        ) && at < self.tokens.len()
    }

    /// Inside `for (`, directly.
    fn in_head_of_for(&self) -> bool {
        let open = self.opened_at();
        open > 0 && self.out[open - 1].tok == Tok::Kw(Kw::For)
    }

    /// `===`, `!==`
    pub(crate) fn third_sign(&mut self) -> bool {
        let Some(span) = self.follows_closely(Tok::Assign) else { return false };
        let sign = if self.tokens[self.at].tok == Tok::EqEq { "==" } else { "!=" };
        self.otherwise(
            span,
            format!("D-Script has no `{sign}=`: `{sign}` compares values of one type"),
            sign,
        );
        self.push(self.tokens[self.at].tok);
        self.skip(self.at + 1);
        true
    }

    /// `a ** b`
    pub(crate) fn power(&mut self) -> bool {
        let Some(span) = self.follows_closely(Tok::Star) else { return false };
        if !self.before().is_some_and(Tok::ends_operand) {
            return false;
        }
        let diagnostic = Diagnostic::error(codes::SYNTAX, self.file, span, "D-Script has no `**`")
            .help("a power is `Math.pow(a, b)`");
        self.diagnostics.push(diagnostic);
        self.skip(self.at + 1);
        self.push(Tok::Star);
        true
    }

    /// `x!!`
    pub(crate) fn not_null(&mut self) -> bool {
        let Some(span) = self.follows_closely(Tok::Not) else { return false };
        let ends =
            matches!(self.peek(2), Some(Tok::RParen | Tok::Dot | Tok::Comma | Tok::Semi | Tok::RBracket));
        if !ends || !self.before().is_some_and(Tok::ends_operand) {
            return false;
        }
        let diagnostic = Diagnostic::error(codes::SYNTAX, self.file, span, "D-Script has no `!!`")
            .help("test it with `!= null` first, or replace null: `x ?? VALUE`, `x ?? fail \"...\"`");
        self.diagnostics.push(diagnostic);
        // What it makes of the value is not known.
        self.lost.push(span);
        self.skip(self.at + 2);
        true
    }

    /// `x := 1;`
    pub(crate) fn walrus(&mut self) -> bool {
        let name = self.tokens[self.at];
        let sign = self.tokens.get(self.at + 1..self.at + 3);
        let Some(&[colon, assign]) = sign else { return false };
        if (colon.tok, assign.tok) != (Tok::Colon, Tok::Assign) || colon.end != assign.start || !self.starts()
        {
            return false;
        }
        let sign = colon.span().to(assign.span());
        let start = Span::new(name.start, name.start);
        let message = "a variable is declared by its type, or by `var`, and `=`";
        let diagnostic =
            Diagnostic::error(codes::SYNTAX, self.file, sign, message).edit(start, "var ").edit(sign, "=");
        self.diagnostics.push(diagnostic);
        self.out.push(Token { start: name.start, end: name.start, tok: Tok::Kw(Kw::Var) });
        self.out.push(name);
        self.put(Tok::Assign, sign.start, sign.end, self.at + 3);
        true
    }

    /// `x: int = 3;`, and `int f(x: int)`: the type stands before the name.
    pub(crate) fn type_behind(&mut self) -> bool {
        if self.peek(1) != Some(Tok::Colon) {
            return false;
        }
        let name = self.tokens[self.at];
        let Some(end) = self.type_end(self.at + 2) else { return false };
        let first = self.tokens[self.at + 2];
        let capital = self.text[first.start as usize..].starts_with(char::is_uppercase);
        // `let x: int = 3;`
        let before = self.out.last().copied();
        let text = before.map_or("", |t| &self.text[t.start as usize..t.end as usize]);
        let declared = before.filter(|_| matches!(text, "let" | "val" | "var") && self.last_at_start);
        let good = match self.place() {
            Place::Block if self.starts() || declared.is_some() => {
                (first.tok.is_primitive() || capital)
                    && matches!(self.tok_at(end), Tok::Assign | Tok::Semi)
                    && end > self.at + 2
            }
            Place::Inner => {
                let parameters = self.opened_at() >= 2 && {
                    let open = self.opened_at();
                    self.out[open - 1].tok.is_ident() && ends_type(self.out[open - 2].tok)
                };
                (first.tok.is_primitive() || parameters)
                    && matches!(self.before(), Some(Tok::LParen | Tok::LambdaParen | Tok::Comma))
                    && matches!(self.tok_at(end), Tok::Comma | Tok::RParen | Tok::Assign)
            }
            _ => false,
        };
        if !good || (self.tok_at(end) == Tok::Semi && !first.tok.is_primitive()) {
            return false;
        }
        let span = declared.unwrap_or(name).span().to(self.tokens[end - 1].span());
        if declared.is_some() {
            self.out.pop();
        }
        let ty = &self.text[first.start as usize..self.tokens[end - 1].end as usize];
        let meant = format!("{ty} {}", self.word(self.at));
        match self.frame().sign_told.filter(|_| self.place() == Place::Inner) {
            // Of one list of parameters it is told once.
            Some(told) => self.diagnostics[told].edits.push(Edit { span, text: meant }),
            None => {
                if self.place() == Place::Inner {
                    self.frame().sign_told = Some(self.diagnostics.len());
                }
                self.otherwise(span, "the type stands before the name", &meant);
            }
        }
        self.out.extend_from_slice(&self.tokens[self.at + 2..end]);
        self.out.push(name);
        self.skip(end);
        true
    }

    /// `fun f(x: int): int {`, `def f(x) {`, `fn f(x: int) -> int {`, `func f() int {`, `function f(x) {`
    pub(crate) fn header_of_others(&mut self) -> bool {
        let word = self.word(self.at).to_owned();
        let function = matches!(word.as_str(), "fun" | "def" | "fn" | "func" | "function");
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
}

/// Whether a type may end with the token.
fn ends_type(tok: Tok) -> bool {
    tok.is_primitive() || matches!(tok, Tok::Ident(_) | Tok::Gt | Tok::Question | Tok::Not)
}
