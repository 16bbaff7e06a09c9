//! `switch` and patterns: cases are tried in order, `default` behind all constants.

use super::build::{Mark, Regs};
use super::{Lowerer, Val, Yield};
use crate::check::each_child;
use crate::defs::TypeKind;
use crate::types::Ty;
use dscript_bytecode::ids::*;
use dscript_bytecode::image::ScalarKind;
use dscript_bytecode::instr::Instr;
use dscript_bytecode::trap::TrapKind;
use dscript_grammar::ast::{self, ArmBody, Expr, ExprKind, Pattern, PatternKind, SwitchLabel};
use dscript_grammar::span::NodeId;

impl<'a> Lowerer<'a, '_> {
    pub(super) fn switch_stmt(&mut self, switch: &'a ast::Switch) {
        let done = self.b.mark();
        let regions = self.cx.regions;
        self.cx.loops.push(super::Loop { label: None, go_on: done, leave: done, is_switch: true, regions });
        self.arms(switch, None, done);
        self.cx.loops.pop();
        if self.facts[self.cx.module.index()].exhaustive.contains(&switch.subject.id) {
            self.no_case();
        }
        self.b.jump(done);
        self.b.place(done);
    }

    pub(super) fn switch_expr(&mut self, switch: &'a ast::Switch, ty: Ty) -> Val {
        let done = self.b.mark();
        let regs = self.take(ty);
        self.arms(switch, Some(Val { ty, regs }), done);
        self.no_case();
        self.b.place(done);
        Val { ty, regs }
    }

    /// Where every case is covered, this is never reached.
    fn no_case(&mut self) {
        if !self.b.is_dead() {
            let text = self.constant("no case of the switch matches");
            self.b.emit(Instr::Trap { kind: TrapKind::Internal, text });
        }
    }

    fn arms(&mut self, switch: &'a ast::Switch, result: Option<Val>, done: Mark) {
        let subject = self.expr(&switch.subject);
        // The subject stays what it was, whatever guards and bodies assign.
        let kept = self.take(subject.ty);
        self.copy(subject.regs, kept);
        let subject = Val { ty: subject.ty, regs: kept };
        for arm in switch.tried() {
            if self.b.is_dead() {
                break;
            }
            let mark = self.b.mark_taken();
            let (body, next) = (self.b.mark(), self.b.mark());
            self.at(arm.span);
            for (index, label) in arm.labels.iter().enumerate() {
                if index + 1 == arm.labels.len() {
                    self.test_label(label, subject, next);
                } else {
                    let other = self.b.mark();
                    self.test_label(label, subject, other);
                    self.b.jump(body);
                    self.b.place(other);
                }
            }
            self.b.jump(body);
            self.b.place(body);
            if let Some(guard) = &arm.guard {
                self.jump_unless(guard, next);
            }
            match (&arm.body, result) {
                (ArmBody::Expr(body), Some(result)) => {
                    let value = self.expr_as(body, result.ty);
                    self.copy(value.regs, result.regs);
                }
                (ArmBody::Expr(body), None) => {
                    self.expr(body);
                }
                (ArmBody::Block(block), Some(result)) => {
                    let regions = self.cx.regions;
                    self.cx.yields.push(Yield { ty: result.ty, regs: result.regs, done, regions });
                    self.block(block);
                    self.cx.yields.pop();
                }
                (ArmBody::Block(block), None) => self.block(block),
            }
            self.b.jump(done);
            self.b.place(next);
            self.b.release(mark);
        }
    }

    pub(super) fn yield_stmt(&mut self, value: &'a Expr) {
        let Some(&target) = self.cx.yields.last() else { return };
        let value = self.expr_as(value, target.ty);
        self.copy(value.regs, target.regs);
        self.leave_regions(target.regions);
        self.b.jump(target.done);
    }

    /// Jumps to `fail` where the label does not match.
    fn test_label(&mut self, label: &'a SwitchLabel, subject: Val, fail: Mark) {
        match label {
            SwitchLabel::Default(_) => {}
            SwitchLabel::Null(_) => {
                let null = Val { ty: Ty::NULL, regs: Regs::none() };
                self.equality_jump(subject, null, false, fail);
            }
            SwitchLabel::Value(value) => {
                let mut subject = subject;
                if let Some(inner) = self.types.nullable_inner(subject.ty) {
                    self.jump_if_null(subject, fail);
                    subject = self.narrow(subject, inner);
                }
                let value = self.expr_as(value, subject.ty);
                self.equality_jump(subject, value, false, fail);
            }
            SwitchLabel::Pattern(pattern) => self.test_pattern(pattern, subject, fail),
        }
    }

    /// Jumps to `fail` where the pattern does not match; else its variables have their values.
    pub(super) fn test_pattern(&mut self, pattern: &'a Pattern, value: Val, fail: Mark) {
        if value.regs.slice().is_empty() {
            return;
        }
        let wanted =
            self.facts[self.cx.module.index()].patterns.get(&pattern.id).copied().unwrap_or(value.ty);
        let wanted = self.subst(wanted);
        let matched = self.test_type(value, wanted, fail);
        match &pattern.kind {
            PatternKind::Type { name, .. } => {
                if name.is_some() {
                    let kept = self.pattern_variable(pattern.id, wanted);
                    self.copy(matched.regs, kept);
                }
            }
            PatternKind::Record { parts, .. } => {
                let fields = self.struct_fields(wanted);
                for (index, part) in parts.iter().enumerate() {
                    let Some(&ty) = fields.get(index) else { continue };
                    let (scalar, reference) = self.field_slots(&fields, index);
                    let regs = self.take(ty);
                    self.load_slots(matched.regs.r(), regs, scalar, reference);
                    let held = Val { ty, regs };
                    self.test_pattern(part, held, fail);
                }
            }
        }
    }

    /// The registers of a pattern's variable: it may be used far behind the statement it stands in.
    fn pattern_variable(&mut self, pattern: NodeId, ty: Ty) -> Regs {
        if let Some(&regs) = self.cx.locals.get(&pattern) {
            return regs;
        }
        let kept: Vec<Reg> = self.regs_of(ty).into_iter().map(|reg| self.b.keep(reg)).collect();
        let kept = Regs::new(&kept);
        self.cx.locals.insert(pattern, kept);
        kept
    }

    /// Gives the variables of a loop's condition their registers: its body is lowered first.
    pub(super) fn declare_patterns(&mut self, cond: &'a Expr) {
        let mut exprs = vec![cond];
        let mut patterns: Vec<&Pattern> = Vec::new();
        while let Some(expr) = exprs.pop() {
            if let ExprKind::InstanceOf { pattern, .. } = &expr.kind {
                patterns.push(pattern);
            }
            each_child(expr, &mut |child| exprs.push(child));
        }
        while let Some(pattern) = patterns.pop() {
            match &pattern.kind {
                PatternKind::Type { name: None, .. } => {}
                PatternKind::Type { .. } => {
                    let facts = &self.facts[self.cx.module.index()];
                    if let Some(ty) = facts.patterns.get(&pattern.id).copied() {
                        let ty = self.subst(ty);
                        self.pattern_variable(pattern.id, ty);
                    }
                }
                PatternKind::Record { parts, .. } => patterns.extend(parts),
            }
        }
    }

    /// The value as one of `wanted`; jumps to `fail` where it is none.
    fn test_type(&mut self, value: Val, wanted: Ty, fail: Mark) -> Val {
        let from = self.types.resolve(value.ty);
        if from == wanted {
            return value;
        }
        if let Some(inner) = self.held_by_nullable(from)
            && self.held_by_nullable(wanted).is_none()
        {
            self.jump_if_null(value, fail);
            let plain = self.narrow(value, inner);
            return self.test_type(plain, wanted, fail);
        }
        let kind = |lowerer: &Self, ty: Ty| {
            lowerer.types.nominal_parts(ty).map(|(def, _)| lowerer.defs.types[def.index()].kind)
        };
        if kind(self, from) != Some(TypeKind::Interface) {
            return self.convert(value, wanted);
        }
        let is_enum = kind(self, wanted) == Some(TypeKind::Enum);
        let ty = if is_enum { self.enum_box(wanted) } else { self.type_id(wanted) };
        let is = self.scalar(ScalarKind::Bool);
        let src = value.regs.r();
        self.b.emit(Instr::InstanceOf { src, ty, dst: is });
        let to = self.b.to(fail);
        self.b.emit(Instr::IfNot { a: is, to });
        self.narrow_object(value, wanted)
    }

    /// An interface's value that is known to be one of `wanted`.
    pub(super) fn narrow_object(&mut self, value: Val, wanted: Ty) -> Val {
        let def = self.types.nominal_parts(wanted).map(|(def, _)| def);
        let is_enum = def.is_some_and(|def| self.defs.types[def.index()].kind == TypeKind::Enum);
        let ty = if is_enum { self.enum_box(wanted) } else { self.type_id(wanted) };
        let dst = self.reference(ty, false);
        self.b.emit(Instr::Narrow { src: value.regs.r(), ty, dst });
        if is_enum {
            return self.enum_of_box(Reg::R(dst), wanted);
        }
        Val { ty: wanted, regs: Regs::new(&[Reg::R(dst)]) }
    }
}
