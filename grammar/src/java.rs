//! Java's words and forms that D-Script does not have: one message at each place, and a repair that lets the
//! rest be read. Part of the pass over the tokens (`soft`).

use crate::codes;
use crate::diagnostic::{Diagnostic, Edit};
use crate::soft::{BodyEnd, Pass, Place};
use crate::span::Span;
use crate::token::{Kw, Tok, Token};

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
    pub(crate) fn skip(&mut self, to: usize) {
        self.at = to;
    }

    pub(crate) fn tell(&mut self, span: Span, message: impl Into<String>, help: &str) -> &mut Diagnostic {
        self.diagnostics.push(Diagnostic::error(codes::JAVA_WORD, self.file, span, message).help(help));
        let last = self.diagnostics.len() - 1;
        &mut self.diagnostics[last]
    }

    fn tell_word(&mut self, word: Kw) -> &mut Diagnostic {
        let span = self.tokens[self.at].span();
        let text = word.text();
        self.tell(span, format!("D-Script has no `{text}`"), advice(word).unwrap_or("leave it out"))
    }

    /// Deals with the current token if it is Java's and not ours.
    pub(crate) fn java(&mut self) -> bool {
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
                    || self.header_of_others()
                    || self.class_with_components()
                    || self.several_targets()
                    || self.walrus()
                    || self.type_behind()
                    || self.other_switch()
                    || self.several_names()
                    || self.undo_of_a_script()
                    || self.untyped_function()
            }
            Tok::Arrow | Tok::Assign => self.body_without_braces(),
            Tok::EqEq | Tok::NotEq => self.third_sign(),
            Tok::Star => self.power(),
            Tok::Not => self.not_null(),
            Tok::Coalesce => self.nullable_twice(),
            Tok::Lt => self.type_arguments_of_a_call(),
            _ => false,
        }
    }

    fn java_word(&mut self, word: Kw) -> bool {
        let span = self.tokens[self.at].span();
        match word {
            Kw::Public | Kw::Protected | Kw::Abstract | Kw::Transient | Kw::Volatile | Kw::StrictFp => {
                if !self.starts() {
                    return false;
                }
                let end = self.tokens.get(self.at + 1).map_or(span.end, |t| t.start);
                // One message for a run of modifiers.
                let run = self.tokens[..self.at]
                    .iter()
                    .rev()
                    .map_while(|t| match t.tok {
                        Tok::Kw(word) if is_modifier(word) => Some(word),
                        _ => None,
                    })
                    .any(|word| advice(word).is_some());
                let bodiless = word == Kw::Abstract && self.is_bodiless();
                if bodiless && !run {
                    let help =
                        "each method has its body here; what several types have in common is an `interface`";
                    self.tell(span, "D-Script has no `abstract`", help);
                } else if !run {
                    let edit = Edit { span: Span::new(span.start, end), text: String::new() };
                    self.tell_word(word).edits.push(edit);
                }
                self.skip(self.at + 1);
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
            Kw::Return => return self.body_without_braces(),
            Kw::Const if self.starts() => self.constant(),
            Kw::Class => return self.class_with_components(),
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

    /// Whether the member that begins here ends without a body, in a type whose methods all have one. Its `;` is read
    /// as a body then.
    fn is_bodiless(&mut self) -> bool {
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

    /// `try { } catch (E e) { } finally { }`, with or without resources.
    fn java_try(&mut self) -> bool {
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

    /// `T[]`, and `new T[n]`.
    fn java_array(&mut self) -> bool {
        let Some(before) = self.before() else { return false };
        let element = before.is_ident() || before.is_primitive();
        let close = self.partners[self.at] as usize;
        let last = self.out.len() - 1;
        if element && last > 0 && self.out[last - 1].tok == Tok::Kw(Kw::New) {
            let start = self.out[last - 1].start;
            self.report_array(
                Span::new(start, self.tokens[close].end),
                "write `new List<T>(size, fill)`, or `[a, b]`",
            );
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
        self.report_array(span, "write `List<T>`");
        let plain = self.tokens.get(close + 1).is_none_or(|t| t.tok != Tok::LBracket);
        if element && plain {
            let of = self.out[last];
            let written = &self.text[of.start as usize..of.end as usize];
            let meant = Edit { span, text: format!("List<{written}>") };
            if let Some(told) = self.diagnostics.last_mut().filter(|d| d.span == span) {
                told.edits.push(meant);
            }
            self.as_list(span.end);
            self.skip(close + 1);
            return true;
        }
        self.skip(close + 1);
        true
    }

    /// The type read last, of one word, becomes the list of it that is meant.
    fn as_list(&mut self, end: u32) {
        let last = self.out.len() - 1;
        let of = self.out[last];
        let at = |start: u32, end: u32, tok: Tok| Token { start, end, tok };
        self.out[last] = at(of.start, of.start, Tok::Ident(self.list_name));
        self.out.push(at(of.start, of.start, Tok::Lt));
        self.out.push(of);
        self.out.push(at(of.end, end, Tok::Gt));
    }

    fn report_array(&mut self, span: Span, help: &str) {
        if !self.array_reported {
            self.array_reported = true;
            self.tell(span, "D-Script has no arrays", help);
        }
    }

    /// `<?>`, `<? extends T>`, `<? super T>`
    fn java_wildcard(&mut self) -> bool {
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

    /// `?.` and `?:` of other languages: the first is read as `.`, the second as `??`.
    fn other_question(&mut self) -> bool {
        let (span, next) = (self.tokens[self.at].span(), self.tokens.get(self.at + 1).copied());
        let Some(next) = next.filter(|t| t.start == span.end) else { return false };
        if !self.before().is_some_and(Tok::ends_operand) {
            return false;
        }
        let both = span.to(next.span());
        match next.tok {
            Tok::Dot => {
                let help = "test it with `!= null` first, or replace null with `??` before the `.`";
                self.tell(both, "D-Script has no `?.`", help);
                self.skip(self.at + 1);
            }
            Tok::Colon => {
                let edit = Edit { span: both, text: "??".to_owned() };
                self.tell(both, "D-Script has no `?:` without a middle", "null is replaced by `??`")
                    .edits
                    .push(edit);
                self.put(Tok::Coalesce, both.start, both.end, self.at + 2);
            }
            _ => return false,
        }
        true
    }

    /// `} elif (...) {`
    fn else_in_one_word(&mut self) -> bool {
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

    /// A word before `task NAME(` that is no role, or a second role.
    fn wrong_role(&mut self) -> bool {
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

    /// `name(...) { ... }` at the top of a file: a function without the type of its result.
    fn untyped_function(&mut self) -> bool {
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

    /// `{1, 2}` where a list is meant.
    pub(crate) fn array_initializer(&mut self, close: usize) {
        if self.array_reported {
            return;
        }
        let (open, close) = (self.tokens[self.at].span(), self.tokens[close].span());
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
        if !self.array_reported {
            let diagnostic = Diagnostic::error(codes::SYNTAX, self.file, span, "`{}` is not a value")
                .help("the empty map is `{:}`, the empty list `[]`")
                .edit(span, "{:}");
            self.diagnostics.push(diagnostic);
        }
        let colon = Span::new(self.tokens[self.at].end, self.tokens[self.at].end);
        self.open_map();
        self.out.push(Token::new(colon, Tok::Colon));
    }
}

fn is_modifier(word: Kw) -> bool {
    matches!(
        word,
        Kw::Public
            | Kw::Protected
            | Kw::Abstract
            | Kw::Transient
            | Kw::Volatile
            | Kw::StrictFp
            | Kw::Static
            | Kw::Final
            | Kw::Private
            | Kw::Synchronized
            | Kw::Native
            | Kw::Default
    )
}
