//! Types and values of them as other languages write them: arrays, wildcards, type arguments at calls, `x: int`.

use crate::codes;
use crate::diagnostic::{Diagnostic, Edit};
use crate::foreign::ends_type;
use crate::soft::{Pass, Place};
use crate::span::Span;
use crate::token::{Kw, Tok, Token};

impl Pass<'_> {
    /// `T[]`, and `new T[n]`.
    pub(crate) fn java_array(&mut self) -> bool {
        let Some(before) = self.before() else { return false };
        let element = before.is_ident() || before.is_primitive();
        let close = self.partners[self.at] as usize;
        let last = self.out.len() - 1;
        if element && last > 0 && self.out[last - 1].tok == Tok::Kw(Kw::New) {
            let start = self.out[last - 1].start;
            let edits = self.list_for_array(start, before, close);
            let span = Span::new(start, self.tokens[close].end);
            self.report_array(span, "write `new List<T>(size, fill)`, or `[a, b]`", edits);
            self.out.truncate(last - 1);
            let mut end = close;
            while let Some(tok) = self.tokens.get(end + 1).map(|t| t.tok) {
                if !matches!(tok, Tok::LBracket | Tok::LBrace) {
                    break;
                }
                end = self.partners[end + 1] as usize;
            }
            self.put(Tok::BadExpr, start, self.tokens[end].end, end + 1);
            return true;
        }
        let after = self.tokens.get(close + 1).map(|t| t.tok);
        let generic = before == Tok::Gt && matches!(after, Some(Tok::Ident(_) | Tok::LBracket));
        if close != self.at + 1 || !(element || generic) {
            return false;
        }
        let span = Span::new(self.out[last].start, self.tokens[close].end);
        let plain = element && self.tokens.get(close + 1).is_none_or(|t| t.tok != Tok::LBracket);
        let written = self.element(self.out[last]);
        let meant = plain.then(|| vec![Edit { span, text: format!("List<{written}>") }]);
        self.report_array(span, "write `List<T>`", meant);
        if plain {
            self.as_list(span.end);
            self.skip(close + 1);
            return true;
        }
        self.skip(close + 1);
        true
    }

    /// The type read last, of one word, becomes the list of it that is meant.
    pub(crate) fn as_list(&mut self, end: u32) {
        let last = self.out.len() - 1;
        let of = self.out[last];
        let at = |start: u32, end: u32, tok: Tok| Token { start, end, tok };
        self.out[last] = at(of.start, of.start, Tok::Ident(self.list_name));
        self.out.push(at(of.start, of.start, Tok::Lt));
        self.out.push(of);
        self.out.push(at(of.end, end, Tok::Gt));
    }

    /// The edits that make a list of `new T[n]` and `new T[] {...}`, whose `new` and last `]` are told: where one can
    /// say what the elements are.
    fn list_for_array(&self, start: u32, element: Tok, close: usize) -> Option<Vec<Edit>> {
        let edit =
            |start: u32, end: u32, text: &str| Edit { span: Span::new(start, end), text: text.to_string() };
        let next = self.tokens.get(close + 1);
        if close == self.at + 1 {
            let open = next.filter(|t| t.tok == Tok::LBrace)?;
            let end = self.tokens[self.partners[close + 1] as usize];
            let inner = &self.text[open.end as usize..end.start as usize];
            return (!inner.contains('{'))
                .then(|| vec![edit(start, open.end, "["), edit(end.start, end.end, "]")]);
        }
        let fill = match element {
            Tok::Kw(Kw::Int) => "0",
            Tok::Kw(Kw::Double) => "0.0",
            Tok::Kw(Kw::Boolean) => "false",
            _ => return None,
        };
        if next.is_some_and(|t| matches!(t.tok, Tok::LBracket | Tok::LBrace)) {
            return None;
        }
        let (open, end) = (self.tokens[self.at], self.tokens[close]);
        let written = self.element(*self.out.last()?);
        Some(vec![
            edit(start, open.end, &format!("new List<{written}>(")),
            edit(end.start, end.end, &format!(", {fill})")),
        ])
    }

    /// What the elements of a list are called that an array of `long` or `float` becomes.
    fn element(&self, of: Token) -> &str {
        match of.tok {
            Tok::Kw(Kw::Int) => "int",
            Tok::Kw(Kw::Double) => "double",
            _ => &self.text[of.start as usize..of.end as usize],
        }
    }

    /// Of the arrays in one statement it is told once, and they become lists together or not at all.
    fn report_array(&mut self, span: Span, help: &str, meant: Option<Vec<Edit>>) {
        let told = match self.array_told.map(|told| &mut self.diagnostics[told]) {
            Some(told) => {
                let is_known = meant.is_some() && !told.edits.is_empty();
                if !is_known {
                    told.edits.clear();
                }
                if !told.help.iter().any(|h| h == help) {
                    told.help.push(help.to_string());
                }
                is_known.then_some(told)
            }
            None => {
                self.array_told = Some(self.diagnostics.len());
                Some(self.tell(span, "D-Script has no arrays", help))
            }
        };
        if let (Some(told), Some(meant)) = (told, meant) {
            told.edits.extend(meant);
        }
    }

    /// `<?>`, `<? extends T>`, `<? super T>`
    pub(crate) fn java_wildcard(&mut self) -> bool {
        if !matches!(self.before(), Some(Tok::Lt | Tok::Comma)) {
            return false;
        }
        let span = self.tokens[self.at].span();
        let help = "type arguments are exact; a generic function, `<T> ...`, takes any";
        match self.peek(1) {
            Some(Tok::Kw(Kw::Extends | Kw::Super)) => {
                self.tell(span, "there are no wildcards in types", help);
                self.skip(self.at + 2);
            }
            Some(Tok::Gt | Tok::Comma) => {
                self.tell(span, "there are no wildcards in types", help);
                self.put(Tok::BadType, span.start, span.end, self.at + 1);
            }
            _ => return false,
        }
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
    pub(crate) fn reads_as_type(&self, token: Token) -> bool {
        match token.tok {
            Tok::Ident(_) => self.text[token.start as usize..].starts_with(char::is_uppercase),
            tok => {
                tok.is_primitive() || matches!(tok, Tok::Lt | Tok::Gt | Tok::Comma | Tok::Question | Tok::Not)
            }
        }
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

    /// The elements of an array that a report speaks of become those of the list.
    fn array_too(&mut self, told: usize, meant: &[(Span, &str)]) {
        let edits = &mut self.diagnostics[told].edits;
        if !edits.is_empty() {
            edits.extend(meant.iter().map(|&(span, text)| Edit { span, text: text.to_string() }));
        }
    }

    /// `{1, 2}` where a list is meant.
    pub(crate) fn array_initializer(&mut self, close: usize) {
        let (open, close) = (self.tokens[self.at].span(), self.tokens[close].span());
        if let Some(told) = self.array_told {
            return self.array_too(told, &[(open, "["), (close, "]")]);
        }
        let diagnostic =
            Diagnostic::error(codes::SYNTAX, self.file, open.to(close), "a list is written in `[ ]`")
                .edit(open, "[")
                .edit(close, "]");
        self.diagnostics.push(diagnostic);
    }

    /// `{}` where a value is meant: the empty map is `{:}`.
    pub(crate) fn empty_braces(&mut self) {
        let close = self.partners[self.at] as usize;
        let span = self.tokens[self.at].span().to(self.tokens[close].span());
        match self.array_told {
            Some(told) => self.array_too(told, &[(span, "[]")]),
            None => {
                let diagnostic = Diagnostic::error(codes::SYNTAX, self.file, span, "`{}` is not a value")
                    .help("the empty map is `{:}`, the empty list `[]`")
                    .edit(span, "{:}");
                self.diagnostics.push(diagnostic);
            }
        }
        let colon = Span::new(self.tokens[self.at].end, self.tokens[self.at].end);
        self.open_map();
        self.out.push(Token::new(colon, Tok::Colon));
    }
}
