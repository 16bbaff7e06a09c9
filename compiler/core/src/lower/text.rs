//! Texts: interpolation, concatenation, and the text of a value.

use super::expr::assigns;
use super::{Lowerer, Val};
use crate::check::{has_text, show_type};
use crate::lower::build::Regs;
use crate::types::Ty;
use dscript_bytecode::ids::*;
use dscript_bytecode::instr::Instr;
use dscript_grammar::ast::{self, StrPart};
use dscript_grammar::codes;
use dscript_grammar::span::Span;

/// Texts that are joined at once; longer runs are joined piece by piece, so that a frame stays small.
const PARTS_MAX: usize = 256;

/// Texts that are to be joined.
struct Parts {
    regs: Vec<Reg>,
    /// Of a long run, what is joined already goes here.
    sum: Option<Val>,
    /// What is taken since may be given back when the parts are joined.
    mark: usize,
    /// Whether evaluating a later part may assign a local that an earlier one shows.
    changes: bool,
}

impl<'a> Lowerer<'a, '_> {
    pub(super) fn string(&mut self, parts: &'a [StrPart]) -> Val {
        match parts {
            [] => self.string_const(""),
            [StrPart::Text(text)] => self.string_const(text),
            _ => {
                let changes = parts.iter().any(|p| matches!(p, StrPart::Expr(expr) if assigns(expr)));
                let mut joined = self.begin_parts(parts.len(), changes);
                for part in parts {
                    let value = match part {
                        StrPart::Text(text) => self.string_const(text),
                        StrPart::Expr(expr) => {
                            let value = self.expr(expr);
                            self.text(value)
                        }
                    };
                    self.add_part(&mut joined, value);
                }
                self.concat(joined.regs)
            }
        }
    }

    /// A run of `+` on texts, whose first two operands are computed.
    pub(super) fn text_chain(
        &mut self,
        start: Span,
        left: Val,
        right: Val,
        rest: &'a [ast::ChainLink],
    ) -> Val {
        let changes = rest.iter().any(|link| assigns(&link.operand));
        let mut parts = self.begin_parts(rest.len() + 2, changes);
        for value in [left, right] {
            let text = self.text(value);
            self.add_part(&mut parts, text);
        }
        for link in rest {
            let value = self.expr(&link.operand);
            self.at(start.to(link.operand.span));
            let text = self.text(value);
            self.add_part(&mut parts, text);
        }
        self.concat(parts.regs)
    }

    fn begin_parts(&mut self, count: usize, changes: bool) -> Parts {
        let ty = self.string_ty();
        let sum = (count > PARTS_MAX).then(|| Val { ty, regs: self.take(ty) });
        Parts { regs: Vec::with_capacity(count.min(PARTS_MAX)), sum, mark: self.b.mark_taken(), changes }
    }

    fn add_part(&mut self, parts: &mut Parts, text: Val) {
        let text = if parts.changes { self.copied(text) } else { text };
        parts.regs.push(text.regs.slice()[0]);
        if let Some(sum) = parts.sum
            && parts.regs.len() == PARTS_MAX
        {
            let regs = std::mem::take(&mut parts.regs);
            self.b.emit(Instr::Concat { parts: regs.into(), dst: sum.regs.r() });
            self.b.release(parts.mark);
            parts.regs.push(sum.regs.slice()[0]);
        }
    }

    pub(super) fn concat(&mut self, parts: Vec<Reg>) -> Val {
        let ty = self.string_ty();
        if let [one] = parts[..] {
            return Val { ty, regs: Regs::new(&[one]) };
        }
        let regs = self.take(ty);
        self.b.emit(Instr::Concat { parts: parts.into(), dst: regs.r() });
        Val { ty, regs }
    }

    /// The text of a value, as `${}` shows it.
    pub(super) fn text(&mut self, value: Val) -> Val {
        let string = self.string_ty();
        let from = self.types.resolve(value.ty);
        if from == string {
            return value;
        }
        if matches!(from, Ty::NEVER | Ty::POISON) {
            return self.absent(string);
        }
        if let Some(inner) = self.types.nullable_inner(from) {
            return self.nullable_text(value, inner);
        }
        if !has_text(self.types, self.defs, from) {
            let shown = show_type(self.types, self.defs, self.interner, from);
            self.unfit(codes::NO_TEXT, &format!("`{shown}` has no text"));
            return self.absent(string);
        }
        let dst = self.take(string);
        let ty = self.type_id(from);
        match value.regs.slice()[0] {
            Reg::S(src) => self.b.emit(Instr::TextScalar { src, ty, dst: dst.r() }),
            Reg::R(src) => self.b.emit(Instr::TextRef { src, ty, dst: dst.r() }),
        }
        Val { ty: string, regs: dst }
    }

    /// In generic code an item may be null after all.
    pub(super) fn nullable_text(&mut self, value: Val, inner: Ty) -> Val {
        let string = self.string_ty();
        let dst = self.take(string);
        let (null, done) = (self.b.mark(), self.b.mark());
        self.jump_if_null(value, null);
        let plain = self.narrow(value, inner);
        let text = self.text(plain);
        self.copy(text.regs, dst);
        self.b.jump(done);
        self.b.place(null);
        let text = self.string_const("null");
        self.copy(text.regs, dst);
        self.b.jump(done);
        self.b.place(done);
        Val { ty: string, regs: dst }
    }
}
