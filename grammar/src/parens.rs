//! What a `(` opens: the parameters of a lambda, a cast, a function type, or none of these. Part of the pass over
//! the tokens (`soft`).

use crate::soft::Pass;
use crate::token::{Kw, Tok};

/// How far a type is looked at, in tokens.
const TYPE_SCAN_MAX: u32 = 200;
/// How deeply types nest in such a look.
const TYPE_DEPTH_MAX: u32 = 40;

impl Pass<'_> {
    /// At `<` after a name: if type arguments begin here, parentheses in them are types.
    pub(crate) fn type_arguments(&mut self) {
        let mut fuel = TYPE_SCAN_MAX;
        if let Some(end) = self.scan_type_args(self.at, 0, &mut fuel) {
            self.types_until = self.types_until.max(end);
        }
    }

    /// The end of the type that begins at a place, if one does.
    pub(crate) fn type_end(&self, at: usize) -> Option<usize> {
        let mut fuel = TYPE_SCAN_MAX;
        self.scan_type(at, 0, &mut fuel)
    }

    /// The end of the type arguments that begin here, if some do.
    pub(crate) fn type_arguments_end(&self) -> Option<usize> {
        let mut fuel = TYPE_SCAN_MAX;
        self.scan_type_args(self.at, 0, &mut fuel)
    }

    pub(crate) fn paren(&mut self) -> Tok {
        let before = self.before().unwrap_or(Tok::Semi);
        let close = self.partners[self.at] as usize;
        let after = self.tokens.get(close + 1).map_or(Tok::Semi, |t| t.tok);
        let case_label = self.frames[self.frames.len() - 1].case_label;
        if self.at < self.types_until || before == Tok::TypeParen {
            return Tok::TypeParen;
        }
        let mut fuel = TYPE_SCAN_MAX;
        let type_place = self.starts()
            || matches!(before, Tok::LParen | Tok::LambdaParen | Tok::Comma | Tok::Gt | Tok::Arrow)
            || matches!(before, Tok::Kw(Kw::New | Kw::InstanceOf | Kw::Extends | Kw::Implements));
        if type_place
            && !case_label
            && matches!(after, Tok::Arrow | Tok::Question | Tok::Not)
            && let Some(end) = self.scan_type(self.at, 0, &mut fuel)
            && self.tok_at(end).is_ident()
        {
            self.types_until = end;
            return Tok::TypeParen;
        }
        let control = matches!(before, Tok::Kw(word) if !matches!(word, Kw::Return | Kw::Fail | Kw::Try | Kw::Yield | Kw::Returns));
        let after_cast = before == Tok::RParen && self.out[self.closed.1].tok == Tok::CastParen;
        if before.ends_operand() && !after_cast && !self.starts() {
            return Tok::LParen;
        }
        if after == Tok::Arrow && !case_label && !control {
            return Tok::LambdaParen;
        }
        if close == self.at + 2 && self.next(1).is_primitive() {
            return Tok::CastParen;
        }
        let mut fuel = TYPE_SCAN_MAX;
        let operand = matches!(
            after,
            Tok::Ident(_)
                | Tok::Int(_)
                | Tok::Double(_)
                | Tok::Duration(_)
                | Tok::Char(_)
                | Tok::Str(_)
                | Tok::StrStart
                | Tok::Not
                | Tok::Tilde
                | Tok::Kw(Kw::New | Kw::This | Kw::True | Kw::False | Kw::Null | Kw::Switch | Kw::Try)
        );
        if operand && !control && self.scan_type(self.at + 1, 0, &mut fuel) == Some(close) {
            return Tok::CastParen;
        }
        Tok::LParen
    }

    pub(crate) fn tok_at(&self, index: usize) -> Tok {
        self.tokens.get(index).map_or(Tok::Semi, |t| t.tok)
    }

    /// The end of the type that begins at `index`, if one does.
    fn scan_type(&self, index: usize, depth: u32, fuel: &mut u32) -> Option<usize> {
        *fuel = fuel.checked_sub(1)?;
        if depth > TYPE_DEPTH_MAX {
            return None;
        }
        let mut end = match self.tok_at(index) {
            tok if tok.is_primitive() => index + 1,
            Tok::Ident(_) if self.tok_at(index + 1) == Tok::Lt => {
                self.scan_type_args(index + 1, depth + 1, fuel)?
            }
            Tok::Ident(_) | Tok::BadType => index + 1,
            Tok::LParen => {
                let close = self.partners[index] as usize;
                if self.tok_at(close + 1) == Tok::Arrow {
                    let mut at = index + 1;
                    while at < close {
                        at = self.scan_type(at, depth + 1, fuel)?;
                        match self.tok_at(at) {
                            Tok::Comma if at < close => at += 1,
                            _ if at == close => {}
                            _ => return None,
                        }
                    }
                    self.scan_type(close + 2, depth + 1, fuel)?
                } else {
                    let function = self.tok_at(index + 1) == Tok::LParen;
                    let suffix = matches!(self.tok_at(close + 1), Tok::Question | Tok::Not);
                    if !function || !suffix || self.scan_type(index + 1, depth + 1, fuel)? != close {
                        return None;
                    }
                    close + 1
                }
            }
            _ => return None,
        };
        while matches!(self.tok_at(end), Tok::Question | Tok::Not) {
            end += 1;
        }
        Some(end)
    }

    /// The end of `<A, B>` that begins at `index`.
    fn scan_type_args(&self, index: usize, depth: u32, fuel: &mut u32) -> Option<usize> {
        let mut at = index + 1;
        loop {
            at = self.scan_type(at, depth + 1, fuel)?;
            match self.tok_at(at) {
                Tok::Comma => at += 1,
                Tok::Gt => return Some(at + 1),
                _ => return None,
            }
        }
    }
}
