//! Expressions but calls.

use super::build::{Mark, Regs};
use super::{Lowerer, Val};
use crate::check::{binary_type, show_type, unreadable};
use crate::constants;
use crate::facts::Res;
use crate::types::{Ty, TyKind};
use dscript_bytecode::ids::*;
use dscript_bytecode::image::{RegType, ScalarKind, TimeOperands};
use dscript_bytecode::instr::Instr;
use dscript_grammar::ast::{self, BinaryOp, Expr, ExprKind, UnaryOp};
use dscript_grammar::codes;
use dscript_grammar::span::{NodeId, Span};

impl<'a> Lowerer<'a, '_> {
    /// The type the checker found for a node, in this instance.
    pub(super) fn node_ty(&mut self, id: NodeId) -> Ty {
        let ty = self.facts[self.cx.module.index()].ty(id);
        self.subst(ty)
    }

    pub(super) fn res(&self, id: NodeId) -> Res {
        self.facts[self.cx.module.index()].res(id)
    }

    /// The value as one of type `to`.
    pub(super) fn expr_as(&mut self, expr: &'a Expr, to: Ty) -> Val {
        // Branches convert each for itself, so that both ways end in the same registers.
        let value = match &expr.kind {
            ExprKind::Paren(inner) => return self.expr_as(inner, to),
            ExprKind::Conditional { cond, then, else_ } => {
                let ty = if to == Ty::VOID { self.node_ty(expr.id) } else { to };
                return self.conditional(cond, then, else_, ty);
            }
            _ => self.expr(expr),
        };
        self.convert(value, to)
    }

    pub(super) fn expr(&mut self, expr: &'a Expr) -> Val {
        let postfix =
            matches!(expr.kind, ExprKind::Call { .. } | ExprKind::Field { .. } | ExprKind::Index { .. });
        if !postfix {
            return self.expr_kind(expr);
        }
        // Of what a link of a chain of calls was computed from, the next has no use.
        let mark = self.b.mark_taken();
        let value = self.expr_kind(expr);
        self.b.release_but(mark, value.regs);
        value
    }

    fn expr_kind(&mut self, expr: &'a Expr) -> Val {
        self.at(expr.span);
        match &expr.kind {
            ExprKind::Paren(inner) => self.expr(inner),
            ExprKind::Int(value) => self.int(*value as i64, Ty::INT),
            ExprKind::Char(code) => self.int(i64::from(*code), Ty::INT),
            ExprKind::Duration(value) => self.int(*value as i64, Ty::DURATION),
            ExprKind::Double(value) => {
                let dst = self.scalar(ScalarKind::Double);
                self.b.emit(Instr::Double { value: *value, dst });
                Val { ty: Ty::DOUBLE, regs: Regs::new(&[Reg::S(dst)]) }
            }
            ExprKind::Bool(value) => {
                let dst = self.scalar(ScalarKind::Bool);
                self.b.emit(Instr::Bool { value: *value, dst });
                Val { ty: Ty::BOOL, regs: Regs::new(&[Reg::S(dst)]) }
            }
            ExprKind::Null => Val { ty: Ty::NULL, regs: Regs::none() },
            ExprKind::Str(parts) => self.string(parts),
            ExprKind::Name(_) => self.name(expr),
            ExprKind::This => {
                let ty = self.node_ty(expr.id);
                match self.cx.this {
                    Some(regs) => Val { ty, regs },
                    None => self.absent(ty),
                }
            }
            ExprKind::Field { receiver, .. } => self.field(expr, receiver),
            ExprKind::Index { receiver, index } => self.index(expr, receiver, index),
            ExprKind::Call { callee, args } => self.call(expr, Some(callee), args),
            ExprKind::New { args, .. } => self.call(expr, None, args),
            ExprKind::Unary { op, operand } => self.unary(expr, *op, operand),
            ExprKind::Step { target, delta, prefix } => self.step(target, *delta, *prefix),
            ExprKind::Binary { .. } => self.condition_value(expr),
            ExprKind::Chain { first, rest } => {
                if matches!(rest[0].op, BinaryOp::And | BinaryOp::Or) {
                    return self.condition_value(expr);
                }
                self.chain(first, rest)
            }
            ExprKind::Assign { op, target, value, .. } => self.assign(*op, target, value),
            ExprKind::Conditional { cond, then, else_ } => {
                let ty = self.node_ty(expr.id);
                self.conditional(cond, then, else_, ty)
            }
            ExprKind::Coalesce { left, right } => self.coalesce(expr, left, right),
            ExprKind::Lambda(lambda) => self.lambda(expr, lambda),
            ExprKind::Cast { operand, .. } => self.cast(expr, operand),
            ExprKind::Try(operand) => self.try_expr(expr, operand),
            ExprKind::Fail(value) => {
                self.fail(expr.span, value);
                Val { ty: Ty::NEVER, regs: Regs::none() }
            }
            ExprKind::List(items) => self.list(expr, items),
            ExprKind::Map(entries) => self.map(expr, entries),
            ExprKind::ClassOf(_) => {
                let ty = self.node_ty(expr.id);
                if let TyKind::Class(read) = *self.types.kind(ty)
                    && unreadable(self.types, self.defs, read).is_some()
                {
                    let shown = show_type(self.types, self.defs, self.interner, read);
                    self.unfit(codes::BAD_TYPE, &format!("values of `{shown}` cannot be read"));
                }
                Val { ty, regs: Regs::none() }
            }
            ExprKind::InstanceOf { .. } => self.condition_value(expr),
            ExprKind::Switch(switch) => {
                let ty = self.node_ty(expr.id);
                self.switch_expr(switch, ty)
            }
            ExprKind::Range { .. } | ExprKind::ScenarioRef { .. } | ExprKind::Error => self.void(),
        }
    }

    pub(super) fn int(&mut self, value: i64, ty: Ty) -> Val {
        let dst = self.int_const(value);
        Val { ty, regs: Regs::new(&[Reg::S(dst)]) }
    }

    pub(super) fn jump_if_null(&mut self, value: Val, mark: Mark) {
        self.null_jump(value, true, mark);
    }

    /// Jumps when `value == null` is `when`. Of a `T?` whose `T` may fail an error is not null.
    pub(super) fn null_jump(&mut self, value: Val, when: bool, mark: Mark) {
        let ty = self.types.resolve(value.ty);
        if let Some(inner) = self.types.fallible_inner(ty) {
            let Reg::R(error) = value.regs.last() else { return };
            let held = Val { ty: inner, regs: value.regs.but_last() };
            let done = self.b.mark();
            let to = self.b.to(if when { done } else { mark });
            self.b.emit(Instr::IfNotNull { a: error, to });
            self.null_jump(held, when, mark);
            return self.b.place(done);
        }
        let to = self.b.to(mark);
        match *value.regs.slice() {
            [Reg::S(flag), _] if when => self.b.emit(Instr::IfNot { a: flag, to }),
            [Reg::S(flag), _] => self.b.emit(Instr::If { a: flag, to }),
            [Reg::R(a)] if when => self.b.emit(Instr::IfNull { a, to }),
            [Reg::R(a)] => self.b.emit(Instr::IfNotNull { a, to }),
            _ => {}
        }
    }

    /// What a `T?` holds where it is not null. The `T?` of a generic function whose `T` may fail is a `T?!`.
    pub(super) fn held_by_nullable(&mut self, ty: Ty) -> Option<Ty> {
        let ty = self.types.resolve(ty);
        if let Some(inner) = self.types.nullable_inner(ty) {
            return Some(inner);
        }
        let inner = self.types.fallible_inner(ty)?;
        let held = self.types.nullable_inner(inner)?;
        Some(self.types.fallible(held))
    }

    // ---- operators ----

    pub(super) fn unary(&mut self, expr: &'a Expr, op: UnaryOp, operand: &'a Expr) -> Val {
        match op {
            UnaryOp::Not => return self.condition_value(expr),
            UnaryOp::Plus => return self.expr(operand),
            _ => {}
        }
        let mut plain = operand;
        while let ExprKind::Paren(inner) = &plain.kind {
            plain = inner;
        }
        match (op, &plain.kind) {
            (UnaryOp::Neg, ExprKind::Int(value)) => return self.int((*value as i64).wrapping_neg(), Ty::INT),
            (UnaryOp::Neg, ExprKind::Duration(value)) => {
                return self.int((*value as i64).wrapping_neg(), Ty::DURATION);
            }
            _ => {}
        }
        let value = self.expr(operand);
        self.at(expr.span);
        let regs = self.take(value.ty);
        if regs.slice().is_empty() {
            return value;
        }
        let (a, dst) = (value.regs.s(), regs.s());
        let instr = match (op, value.ty) {
            (UnaryOp::BitNot, _) => Instr::NotInt { a, dst },
            (_, Ty::DOUBLE) => Instr::NegDouble { a, dst },
            _ => Instr::NegInt { a, dst },
        };
        self.b.emit_time(instr, time_operands(value.ty, value.ty));
        Val { ty: value.ty, regs }
    }

    pub(super) fn chain(&mut self, first: &'a Expr, rest: &'a [ast::ChainLink]) -> Val {
        let mut left = self.expr(first);
        // The register of the results so far, which each further one may be put into.
        let mut own: Option<Regs> = None;
        for (index, link) in rest.iter().enumerate() {
            if own.is_none() {
                left = self.guard(left, &[&link.operand]);
            }
            let mark = self.b.mark_taken();
            let right = self.expr(&link.operand);
            self.at(first.span.to(link.operand.span));
            let result = binary_type(self.types, self.defs, link.op, left.ty, right.ty).unwrap_or(Ty::POISON);
            if result == self.string_ty() {
                return self.text_chain(first.span, left, right, &rest[index + 1..]);
            }
            let into = own.filter(|_| left.ty == result);
            left = self.arithmetic(link.op, left, right, result, into);
            if into.is_some() {
                self.b.release(mark);
            }
            own = Some(left.regs);
        }
        left
    }

    /// The result goes to `into`, or else to a register of its own.
    pub(super) fn arithmetic(
        &mut self,
        op: BinaryOp,
        left: Val,
        right: Val,
        result: Ty,
        into: Option<Regs>,
    ) -> Val {
        if left.regs.slice().is_empty() || right.regs.slice().is_empty() {
            return self.absent(result);
        }
        let (left, right) = if result == Ty::DOUBLE {
            (self.convert(left, Ty::DOUBLE), self.convert(right, Ty::DOUBLE))
        } else {
            (left, right)
        };
        let regs = into.unwrap_or_else(|| self.take(result));
        if regs.slice().is_empty() {
            return Val { ty: result, regs };
        }
        let (a, b, dst) = (left.regs.s(), right.regs.s(), regs.s());
        if result == Ty::DOUBLE {
            self.b.emit(match op {
                BinaryOp::Add => Instr::AddDouble { a, b, dst },
                BinaryOp::Sub => Instr::SubDouble { a, b, dst },
                BinaryOp::Mul => Instr::MulDouble { a, b, dst },
                BinaryOp::Div => Instr::DivDouble { a, b, dst },
                _ => Instr::RemDouble { a, b, dst },
            });
            return Val { ty: result, regs };
        }
        if result == Ty::BOOL {
            self.bool_op(op, a, b, dst);
            return Val { ty: result, regs };
        }
        let instr = match op {
            BinaryOp::Add => Instr::AddInt { a, b, dst },
            BinaryOp::Sub => Instr::SubInt { a, b, dst },
            BinaryOp::Mul => Instr::MulInt { a, b, dst },
            BinaryOp::Div => Instr::DivInt { a, b, dst },
            BinaryOp::Rem => Instr::RemInt { a, b, dst },
            BinaryOp::Shl => Instr::ShlInt { a, b, dst },
            BinaryOp::Shr => Instr::ShrInt { a, b, dst },
            BinaryOp::UShr => Instr::UShrInt { a, b, dst },
            BinaryOp::BitAnd => Instr::AndInt { a, b, dst },
            BinaryOp::BitOr => Instr::OrInt { a, b, dst },
            _ => Instr::XorInt { a, b, dst },
        };
        self.b.emit_time(instr, time_operands(left.ty, right.ty));
        Val { ty: result, regs }
    }

    /// `&`, `|` and `^` on booleans; both sides are computed already.
    pub(super) fn bool_op(&mut self, op: BinaryOp, a: S, b: S, dst: S) {
        if op == BinaryOp::BitXor {
            let same = self.scalar(ScalarKind::Bool);
            self.b.emit(Instr::EqBool { a, b, dst: same });
            self.b.emit(Instr::NotBool { a: same, dst });
            return;
        }
        let done = self.b.mark();
        let result = self.scalar(ScalarKind::Bool);
        self.b.emit(Instr::MoveScalar { src: a, dst: result });
        let to = self.b.to(done);
        self.b.emit(if op == BinaryOp::BitAnd { Instr::IfNot { a, to } } else { Instr::If { a, to } });
        self.b.emit(Instr::MoveScalar { src: b, dst: result });
        self.b.jump(done);
        self.b.place(done);
        self.b.emit(Instr::MoveScalar { src: result, dst });
    }

    /// Ends the limited regions that are open here and not outside.
    pub(super) fn leave_regions(&mut self, outside: u32) {
        for _ in outside..self.cx.regions {
            self.b.emit(Instr::LimitLeave {});
        }
    }

    /// A chain of these ends in the same registers, whichever condition holds.
    pub(super) fn conditional(&mut self, cond: &'a Expr, then: &'a Expr, else_: &'a Expr, ty: Ty) -> Val {
        let dst = self.take(ty);
        let done = self.b.mark();
        let (mut cond, mut then, mut else_) = (cond, then, else_);
        loop {
            let no = self.b.mark();
            self.operand_jump(cond, false, no);
            self.branch(then, ty, dst, done);
            self.b.place(no);
            let ExprKind::Conditional { cond: c, then: t, else_: e } = &else_.kind else { break };
            (cond, then, else_) = (c, t, e);
        }
        self.branch(else_, ty, dst, done);
        self.b.place(done);
        Val { ty, regs: dst }
    }

    /// One way to a value that goes to `dst`.
    fn branch(&mut self, expr: &'a Expr, ty: Ty, dst: Regs, done: Mark) {
        let mark = self.b.mark_taken();
        let value = self.expr_as(expr, ty);
        self.copy(value.regs, dst);
        self.b.release(mark);
        self.b.jump(done);
    }

    /// `a ?? b ?? c` likewise.
    pub(super) fn coalesce(&mut self, expr: &'a Expr, left: &'a Expr, right: &'a Expr) -> Val {
        let ty = self.node_ty(expr.id);
        let dst = self.take(ty);
        let done = self.b.mark();
        let (mut left, mut right) = (left, right);
        loop {
            let other = self.b.mark();
            let mark = self.b.mark_taken();
            self.present(left, ty, dst, other, done);
            self.b.release(mark);
            self.b.place(other);
            let ExprKind::Coalesce { left: l, right: r } = &right.kind else { break };
            (left, right) = (l, r);
        }
        self.branch(right, ty, dst, done);
        self.b.place(done);
        Val { ty, regs: dst }
    }

    /// A value that goes to `dst` and on to `done`, unless it is null or an error.
    fn present(&mut self, expr: &'a Expr, ty: Ty, dst: Regs, other: Mark, done: Mark) {
        let mut value = self.expr(expr);
        // Where a generic function replaces null, an error stays what it is.
        let written = self.facts[self.cx.module.index()].ty(expr.id);
        let written = self.types.resolve(written);
        let only_null = self.types.nullable_inner(written).is_some();
        if !only_null && let Some(inner) = self.types.fallible_inner(value.ty) {
            let Reg::R(error) = value.regs.last() else { return };
            let to = self.b.to(other);
            self.b.emit(Instr::IfNotNull { a: error, to });
            let held = value.regs.but_last();
            let regs = if inner == Ty::VOID { held } else { self.held_as(held, inner) };
            value = Val { ty: inner, regs };
        }
        if value.ty == Ty::NULL {
            return self.b.jump(other);
        }
        if let Some(inner) = self.held_by_nullable(value.ty) {
            self.jump_if_null(value, other);
            value = self.narrow(value, inner);
        }
        let value = self.convert(value, ty);
        self.copy(value.regs, dst);
        self.b.jump(done);
    }

    pub(super) fn cast(&mut self, expr: &'a Expr, operand: &'a Expr) -> Val {
        let ty = self.node_ty(expr.id);
        let value = self.expr(operand);
        self.at(expr.span);
        if ty == Ty::INT && value.ty == Ty::DOUBLE {
            let dst = self.scalar(ScalarKind::Int);
            self.b.emit(Instr::DoubleToInt { a: value.regs.s(), dst });
            return Val { ty, regs: Regs::new(&[Reg::S(dst)]) };
        }
        self.convert(value, ty)
    }

    // ---- failure ----

    pub(super) fn try_expr(&mut self, expr: &'a Expr, operand: &'a Expr) -> Val {
        let value = self.expr(operand);
        self.at(expr.span);
        let Some(inner) = self.types.fallible_inner(value.ty) else { return value };
        let good = self.b.mark();
        let Reg::R(error) = value.regs.last() else { return self.absent(inner) };
        let to = self.b.to(good);
        self.b.emit(Instr::IfNull { a: error, to });
        let error_ty = self.error_ty();
        let found = self.unwrap(value.regs.last(), error_ty);
        self.fail_with(found.r());
        self.b.place(good);
        let held = value.regs.but_last();
        let regs = if inner == Ty::VOID { Regs::none() } else { self.held_as(held, inner) };
        Val { ty: inner, regs }
    }

    /// Ends the function with an error.
    pub(super) fn fail_with(&mut self, error: R) {
        if let Some(&retry) = self.cx.retries.last() {
            self.b.copy(Reg::R(error), Reg::R(retry.error));
            self.leave_regions(retry.regions);
            self.b.jump(retry.failed);
            return;
        }
        let (mark, register) = match self.cx.fail {
            Some(known) => known,
            None => {
                let ty = self.error_type_id().unwrap_or(TypeId(0));
                let mark = self.b.mark();
                let kept =
                    self.b.keep(RegType::Ref(dscript_bytecode::image::RefType { ty, nullable: false }));
                let Reg::R(register) = kept else { unreachable!("an error is a reference") };
                self.cx.fail = Some((mark, register));
                (mark, register)
            }
        };
        self.b.copy(Reg::R(error), Reg::R(register));
        self.b.jump(mark);
    }

    /// `fail value`, which stands at `span`.
    pub(super) fn fail(&mut self, span: Span, value: &'a Expr) {
        let value = self.expr(value);
        self.at(span);
        let error_ty = self.error_ty();
        if value.ty == error_ty {
            self.fail_with(value.regs.r());
            return;
        }
        if value.regs.slice().is_empty() {
            return;
        }
        let [file, line, column] = self.place_values(span);
        let error = self.call_std("failure", &[value, file, line, column]);
        self.fail_with(error.regs.r());
    }
}

/// Whether evaluating the expression may assign a local.
pub(super) fn assigns(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Assign { .. } | ExprKind::Step { .. } => true,
        ExprKind::Name(_) | ExprKind::Int(_) | ExprKind::Null | ExprKind::Bool(_) => false,
        _ => {
            let mut found = false;
            crate::check::each_child(expr, &mut |child| found |= assigns(child));
            found
        }
    }
}

pub(super) enum Simple {
    Int(i64),
    Double(f64),
    Text(String),
}

/// A constant that is written out at each use.
pub(super) fn simple_constant(expr: &Expr, negated: bool) -> Option<Simple> {
    match &expr.kind {
        ExprKind::Paren(inner) => simple_constant(inner, negated),
        ExprKind::Unary { op: UnaryOp::Neg, operand } if !negated => simple_constant(operand, true),
        ExprKind::Int(value) | ExprKind::Duration(value) => {
            let value = *value as i64;
            Some(Simple::Int(if negated { value.wrapping_neg() } else { value }))
        }
        ExprKind::Double(value) => Some(Simple::Double(if negated { -value } else { *value })),
        ExprKind::Char(code) if !negated => Some(Simple::Int(i64::from(*code))),
        _ if negated => None,
        _ => constants::literal(expr).map(Simple::Text),
    }
}

/// What an image says of arithmetic whose operands are Durations or Times.
fn time_operands(left: Ty, right: Ty) -> Option<TimeOperands> {
    match (left, right) {
        (Ty::DURATION, Ty::DURATION) => Some(TimeOperands::Durations),
        (Ty::DURATION, Ty::INT) => Some(TimeOperands::DurationInt),
        (Ty::TIME, Ty::DURATION) => Some(TimeOperands::TimeDuration),
        (Ty::TIME, Ty::TIME) => Some(TimeOperands::Times),
        _ => None,
    }
}
