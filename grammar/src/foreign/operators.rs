//! Operators and signs of other languages.

use crate::codes;
use crate::diagnostic::{Diagnostic, Edit};
use crate::soft::{Pass, Place};
use crate::span::Span;
use crate::token::{Kw, Tok, Token};

impl Pass<'_> {
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

    pub(crate) fn begins_operand(&self, at: usize) -> bool {
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
    pub(crate) fn in_head_of_for(&self) -> bool {
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

    /// `?.` and `?:` of other languages: the first is read as `.`, the second as `??`.
    pub(crate) fn other_question(&mut self) -> bool {
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

    /// `1,000`: commas between the groups of a number, which is told by a group that begins with a zero.
    pub(crate) fn digits_with_commas(&mut self) -> bool {
        let written = |at: usize| self.word(at);
        let digits = |at: usize| written(at).bytes().all(|b| b.is_ascii_digit());
        let closely = |at: usize| self.tokens[at - 1].end == self.tokens[at].start;
        let mut last = self.at;
        while self.tok_at(last + 1) == Tok::Comma
            && matches!(self.tok_at(last + 2), Tok::Int(_))
            && closely(last + 1)
            && closely(last + 2)
            && written(last + 2).len() == 3
            && digits(last + 2)
        {
            last += 2;
        }
        let zero = (self.at + 2..=last).step_by(2).any(|at| written(at).starts_with('0'));
        if !zero || !digits(self.at) || written(self.at).len() > 3 {
            return false;
        }
        let span = self.tokens[self.at].span().to(self.tokens[last].span());
        let groups = self.text[span.start as usize..span.end as usize].to_owned();
        // What was said of a group.
        let inside = |d: &Diagnostic| {
            d.code == codes::BAD_NUMBER && d.span.start > span.start && d.span.end <= span.end
        };
        while let Some(told) = self.diagnostics.iter().position(inside) {
            self.diagnostics.remove(told);
            for frame in &mut self.frames {
                frame.sign_told = frame.sign_told.map(|at| if at > told { at - 1 } else { at });
            }
        }
        self.otherwise(span, "the digits of a number are grouped by `_`", &groups.replace(',', "_"));
        let value = groups.replace(',', "").parse().ok().filter(|value| *value < i64::MAX as u64);
        self.put(Tok::Int(value.unwrap_or(0)), span.start, span.end, last + 1);
        true
    }
}
