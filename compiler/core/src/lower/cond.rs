//! Conditions as jumps, comparisons and equality.

use super::build::{Mark, Regs};
use super::{Lowerer, Val};
use crate::check::{as_super, has_equality, show_type};
use crate::types::Ty;
use dscript_bytecode::ids::*;
use dscript_bytecode::image::{RegType, ScalarKind, Type};
use dscript_bytecode::instr::Instr;
use dscript_grammar::ast::{BinaryOp, Expr, ExprKind, UnaryOp};
use dscript_grammar::codes;

impl<'a> Lowerer<'a, '_> {
    pub(super) fn condition_value(&mut self, expr: &'a Expr) -> Val {
        let (no, done) = (self.b.mark(), self.b.mark());
        self.operand_jump(expr, false, no);
        let dst = self.scalar(ScalarKind::Bool);
        self.b.emit(Instr::Bool { value: true, dst });
        self.b.jump(done);
        self.b.place(no);
        self.b.emit(Instr::Bool { value: false, dst });
        self.b.jump(done);
        self.b.place(done);
        Val { ty: Ty::BOOL, regs: Regs::new(&[Reg::S(dst)]) }
    }

    pub(super) fn jump_unless(&mut self, expr: &'a Expr, mark: Mark) {
        self.jump_when(expr, false, mark);
    }

    /// Jumps when the condition is `when`, else goes on.
    pub(super) fn jump_when(&mut self, expr: &'a Expr, when: bool, mark: Mark) {
        match &expr.kind {
            ExprKind::Paren(inner) => self.jump_when(inner, when, mark),
            ExprKind::Bool(value) => {
                if *value == when {
                    self.b.jump(mark);
                }
            }
            ExprKind::Unary { op: UnaryOp::Not, operand } => self.jump_when(operand, !when, mark),
            ExprKind::Chain { first, rest } if matches!(rest[0].op, BinaryOp::And | BinaryOp::Or) => {
                let is_and = rest[0].op == BinaryOp::And;
                if is_and == when {
                    // All must hold (or none): the first that does not decides.
                    let other = self.b.mark();
                    self.operand_jump(first, !when, other);
                    for (index, link) in rest.iter().enumerate() {
                        if index + 1 == rest.len() {
                            self.operand_jump(&link.operand, when, mark);
                        } else {
                            self.operand_jump(&link.operand, !when, other);
                        }
                    }
                    self.b.place(other);
                } else {
                    self.operand_jump(first, when, mark);
                    for link in rest {
                        self.operand_jump(&link.operand, when, mark);
                    }
                }
            }
            ExprKind::Conditional { cond, then, else_ } => {
                let done = self.b.mark();
                let (mut cond, mut then, mut else_) = (cond, then, else_);
                loop {
                    let no = self.b.mark();
                    self.operand_jump(cond, false, no);
                    self.operand_jump(then, when, mark);
                    self.b.jump(done);
                    self.b.place(no);
                    let ExprKind::Conditional { cond: c, then: t, else_: e } = &else_.kind else { break };
                    (cond, then, else_) = (c, t, e);
                }
                self.operand_jump(else_, when, mark);
                self.b.place(done);
            }
            ExprKind::Binary { op, left, right, .. } => self.comparison(expr, *op, left, right, when, mark),
            ExprKind::InstanceOf { operand, pattern } => {
                let value = self.expr(operand);
                if when {
                    let no = self.b.mark();
                    self.test_pattern(pattern, value, no);
                    self.b.jump(mark);
                    self.b.place(no);
                } else {
                    self.test_pattern(pattern, value, mark);
                }
            }
            _ => {
                let value = self.expr_as(expr, Ty::BOOL);
                if value.regs.slice().is_empty() {
                    return;
                }
                let (a, to) = (value.regs.s(), self.b.to(mark));
                self.b.emit(if when { Instr::If { a, to } } else { Instr::IfNot { a, to } });
            }
        }
    }

    /// What an operand of a chain took is of no use to the next.
    pub(super) fn operand_jump(&mut self, expr: &'a Expr, when: bool, to: Mark) {
        let mark = self.b.mark_taken();
        self.jump_when(expr, when, to);
        self.b.release(mark);
    }

    pub(super) fn comparison(
        &mut self,
        expr: &'a Expr,
        op: BinaryOp,
        left: &'a Expr,
        right: &'a Expr,
        when: bool,
        mark: Mark,
    ) {
        let a = self.expr(left);
        let a = self.guard(a, &[right]);
        let b = self.expr(right);
        self.at(expr.span);
        if matches!(a.ty, Ty::NEVER | Ty::POISON) || matches!(b.ty, Ty::NEVER | Ty::POISON) {
            return;
        }
        if matches!(op, BinaryOp::Eq | BinaryOp::Ne) {
            let when = when == (op == BinaryOp::Eq);
            return self.equality_jump(a, b, when, mark);
        }
        let to_double = a.ty == Ty::DOUBLE || b.ty == Ty::DOUBLE;
        let (a, b) =
            if to_double { (self.convert(a, Ty::DOUBLE), self.convert(b, Ty::DOUBLE)) } else { (a, b) };
        let (x, y) = match op {
            BinaryOp::Lt | BinaryOp::Le => (a.regs.s(), b.regs.s()),
            _ => (b.regs.s(), a.regs.s()),
        };
        let strict = matches!(op, BinaryOp::Lt | BinaryOp::Gt);
        let to = self.b.to(mark);
        self.b.emit(match (to_double, strict, when) {
            (false, true, true) => Instr::IfLtInt { a: x, b: y, to },
            (false, true, false) => Instr::IfLeInt { a: y, b: x, to },
            (false, false, true) => Instr::IfLeInt { a: x, b: y, to },
            (false, false, false) => Instr::IfLtInt { a: y, b: x, to },
            (true, true, true) => Instr::IfLtDouble { a: x, b: y, to },
            (true, true, false) => Instr::IfNotLtDouble { a: x, b: y, to },
            (true, false, true) => Instr::IfLeDouble { a: x, b: y, to },
            (true, false, false) => Instr::IfNotLeDouble { a: x, b: y, to },
        });
    }

    /// Jumps when `a == b` is `when`.
    pub(super) fn equality_jump(&mut self, a: Val, b: Val, when: bool, mark: Mark) {
        if a.ty == Ty::NULL || b.ty == Ty::NULL {
            let value = if a.ty == Ty::NULL { b } else { a };
            if value.regs.slice().is_empty() {
                // `null == null`
                if when {
                    self.b.jump(mark);
                }
                return;
            }
            self.null_jump(value, when, mark);
            return;
        }
        let inner_a = self.types.nullable_inner(a.ty).unwrap_or(a.ty);
        let inner_b = self.types.nullable_inner(b.ty).unwrap_or(b.ty);
        let joined = self.compared_as(inner_a, inner_b);
        let either_null = inner_a != a.ty || inner_b != b.ty;
        if either_null && matches!(self.regs_of(joined)[..], [RegType::Scalar(_)]) {
            return self.nullable_equality(a, b, joined, when, mark);
        }
        if !has_equality(self.types, self.defs, joined) {
            let shown = show_type(self.types, self.defs, self.interner, joined);
            return self.unfit(codes::NO_EQUALITY, &format!("`{shown}` cannot be compared by `==`"));
        }
        let wanted = if either_null { self.types.nullable(joined) } else { joined };
        let (a, b) = (self.convert(a, wanted), self.convert(b, wanted));
        match (a.regs.slice()[0], b.regs.slice()[0]) {
            (Reg::S(x), Reg::S(y)) if joined == Ty::DOUBLE => {
                let to = self.b.to(mark);
                self.b.emit(if when {
                    Instr::IfEqDouble { a: x, b: y, to }
                } else {
                    Instr::IfNeDouble { a: x, b: y, to }
                });
            }
            (Reg::S(x), Reg::S(y)) if joined == Ty::BOOL => {
                let dst = self.scalar(ScalarKind::Bool);
                self.b.emit(Instr::EqBool { a: x, b: y, dst });
                self.jump_on(dst, when, mark);
            }
            (Reg::S(x), Reg::S(y)) => {
                let to = self.b.to(mark);
                self.b.emit(if when {
                    Instr::IfEqInt { a: x, b: y, to }
                } else {
                    Instr::IfNeInt { a: x, b: y, to }
                });
            }
            (Reg::R(x), Reg::R(y)) => {
                let dst = self.scalar(ScalarKind::Bool);
                let ty = self.type_id(joined);
                let by_identity = matches!(self.image.types[ty.index()], Type::Class(_) | Type::Handle(_));
                self.b.emit(if by_identity {
                    Instr::SameRef { a: x, b: y, dst }
                } else {
                    Instr::EqValue { a: x, b: y, ty, dst }
                });
                self.jump_on(dst, when, mark);
            }
            _ => {}
        }
    }

    /// The type as which values of two types are compared: of two that differ, one is an interface of the other, or
    /// they are numbers.
    fn compared_as(&mut self, a: Ty, b: Ty) -> Ty {
        if a == b {
            return a;
        }
        match self.types.nominal_parts(b).map(|(def, _)| def) {
            Some(wide) if as_super(self.types, self.defs, a, wide).is_some() => b,
            Some(_) => a,
            None => Ty::DOUBLE,
        }
    }

    pub(super) fn jump_on(&mut self, a: S, when: bool, mark: Mark) {
        let to = self.b.to(mark);
        self.b.emit(if when { Instr::If { a, to } } else { Instr::IfNot { a, to } });
    }

    /// Two scalars that may be null are equal when both are null, or both are there and equal.
    pub(super) fn nullable_equality(&mut self, a: Val, b: Val, joined: Ty, when: bool, mark: Mark) {
        let wanted = self.types.nullable(joined);
        let (a, b) = (self.convert(a, wanted), self.convert(b, wanted));
        let (equal, differ) = (self.b.mark(), self.b.mark());
        let flags = self.scalar(ScalarKind::Bool);
        let (Reg::S(fa), Reg::S(fb)) = (a.regs.slice()[0], b.regs.slice()[0]) else { return };
        self.b.emit(Instr::EqBool { a: fa, b: fb, dst: flags });
        self.jump_on(flags, false, differ);
        self.jump_on(fa, false, equal);
        let plain = |v: Val| Val { ty: joined, regs: Regs::new(&[v.regs.slice()[1]]) };
        self.equality_jump(plain(a), plain(b), false, differ);
        self.b.jump(equal);
        let done = self.b.mark();
        self.b.place(equal);
        self.b.jump(if when { mark } else { done });
        self.b.place(differ);
        self.b.jump(if when { done } else { mark });
        self.b.place(done);
    }
}
