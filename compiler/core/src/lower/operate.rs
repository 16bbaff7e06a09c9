//! The statements for operations: `every`, `within`, `retry`.

use super::build::Regs;
use super::{Lowerer, Retry, Val};
use crate::types::Ty;
use dscript_bytecode::ids::*;
use dscript_bytecode::image::{RefType, RegType, ScalarKind};
use dscript_bytecode::instr::Instr;
use dscript_bytecode::trap::TrapKind;
use dscript_grammar::ast::{self, Expr};
use dscript_grammar::span::{Span, Symbol};

/// The longest pause between two tries.
const PAUSE_MAX_NS: i64 = 300_000_000_000;

impl<'a> Lowerer<'a, '_> {
    /// Traps unless `value` is above 0.
    fn require_positive(&mut self, value: S, text: &str) {
        let good = self.b.mark();
        let zero = self.int_const(0);
        let to = self.b.to(good);
        self.b.emit(Instr::IfLtInt { a: zero, b: value, to });
        let text = self.constant(text);
        self.b.emit(Instr::Trap { kind: TrapKind::Argument, text });
        self.b.place(good);
    }

    fn kept_int(&mut self, value: Val) -> S {
        let kept = self.scalar(ScalarKind::Int);
        self.b.copy(value.regs.slice()[0], Reg::S(kept));
        kept
    }

    /// The ticks are multiples of the period from the first: late ones are left out, and none drifts.
    pub(super) fn every(
        &mut self,
        label: Option<Symbol>,
        span: Span,
        period: &'a Expr,
        body: &'a ast::Block,
    ) {
        let period = self.expr_as(period, Ty::DURATION);
        if period.regs.slice().is_empty() {
            return;
        }
        let period = self.kept_int(period);
        self.at(span);
        self.require_positive(period, "the period of `every` must be above 0");
        let next = self.scalar(ScalarKind::Int);
        let now = self.plain_native("Task.monotonic", &[], Ty::INT);
        self.b.copy(now.regs.slice()[0], Reg::S(next));
        let (head, go_on, leave) = (self.b.mark(), self.b.mark(), self.b.mark());
        self.b.jump(head);
        self.b.place(head);
        self.cx.loops.push(super::Loop { label, go_on, leave, is_switch: false, regions: self.cx.regions });
        self.block(body);
        self.cx.loops.pop();
        self.b.jump(go_on);
        self.b.place(go_on);
        self.at(span);
        let mark = self.b.mark_taken();
        let int = |reg: S| Val { ty: Ty::INT, regs: Regs::new(&[Reg::S(reg)]) };
        let after = self.call_std("nextTick", &[int(next), int(period)]);
        self.b.copy(after.regs.slice()[0], Reg::S(next));
        self.plain_native("Task.sleepUntil", &[int(next)], Ty::VOID);
        self.b.release(mark);
        self.b.jump(head);
        self.b.place(leave);
    }

    pub(super) fn within(
        &mut self,
        span: Span,
        limit: &'a Expr,
        body: &'a ast::Block,
        else_: Option<&'a ast::Block>,
    ) {
        let limit = self.expr_as(limit, Ty::DURATION);
        if limit.regs.slice().is_empty() {
            return;
        }
        let limit = self.kept_int(limit);
        self.at(span);
        let (cut, done) = (self.b.mark(), self.b.mark());
        let to = self.b.to(cut);
        self.b.emit(Instr::LimitEnter { limit, to });
        self.cx.regions += 1;
        self.block(body);
        self.cx.regions -= 1;
        self.b.emit(Instr::LimitLeave {});
        self.b.jump(done);
        self.b.place(cut);
        self.at(span);
        match else_ {
            Some(else_) => self.block(else_),
            None => {
                let limit = Val { ty: Ty::DURATION, regs: Regs::new(&[Reg::S(limit)]) };
                let place = self.place_values(span);
                let error = self.call_std("timedOut", &[limit, place[0], place[1], place[2]]);
                self.fail_with(error.regs.r());
            }
        }
        self.b.jump(done);
        self.b.place(done);
    }

    pub(super) fn retry(
        &mut self,
        span: Span,
        times: &'a Expr,
        pause: &'a Expr,
        body: &'a ast::Block,
        else_: Option<&'a ast::RetryElse>,
    ) {
        let times = self.expr_as(times, Ty::INT);
        let times = self.guard(times, &[pause]);
        let pause = self.expr_as(pause, Ty::DURATION);
        if times.regs.slice().is_empty() || pause.regs.slice().is_empty() {
            return;
        }
        let (left, pause) = (self.kept_int(times), self.kept_int(pause));
        self.at(span);
        self.require_positive(left, "`retry` must run its block at least once");
        // Less than no pause is none: doubled, it would overflow.
        let counted = self.b.mark();
        let zero = self.int_const(0);
        let to = self.b.to(counted);
        self.b.emit(Instr::IfLeInt { a: zero, b: pause, to });
        self.b.emit(Instr::Int { value: 0, dst: pause });
        self.b.jump(counted);
        self.b.place(counted);
        let ty = self.error_type_id().unwrap_or(TypeId(0));
        let Reg::R(error) = self.b.keep(RegType::Ref(RefType { ty, nullable: false })) else {
            unreachable!("an error is a reference")
        };
        let (head, failed, last, done) = (self.b.mark(), self.b.mark(), self.b.mark(), self.b.mark());
        self.b.jump(head);
        self.b.place(head);
        self.cx.retries.push(Retry { failed, error, regions: self.cx.regions });
        self.block(body);
        self.cx.retries.pop();
        self.b.jump(done);
        self.b.place(failed);
        self.at(span);
        let mark = self.b.mark_taken();
        self.b.emit(Instr::AddImm { a: left, value: -1, dst: left });
        let zero = self.int_const(0);
        let to = self.b.to(last);
        self.b.emit(Instr::IfLeInt { a: left, b: zero, to });
        let wait = Val { ty: Ty::DURATION, regs: Regs::new(&[Reg::S(pause)]) };
        self.plain_native("System.sleep", &[wait], Ty::VOID);
        // The pause doubles, up to its limit; one that was longer from the start stays.
        let longest = self.int_const(PAUSE_MAX_NS);
        let to = self.b.to(head);
        self.b.emit(Instr::IfLeInt { a: longest, b: pause, to });
        let limit = self.int_const(PAUSE_MAX_NS / 2);
        let (small, again) = (self.b.mark(), self.b.mark());
        let to = self.b.to(small);
        self.b.emit(Instr::IfLeInt { a: pause, b: limit, to });
        self.b.emit(Instr::Int { value: PAUSE_MAX_NS, dst: pause });
        self.b.jump(again);
        self.b.place(small);
        self.b.emit(Instr::AddInt { a: pause, b: pause, dst: pause });
        self.b.jump(again);
        self.b.place(again);
        self.b.release(mark);
        self.b.jump(head);
        self.b.place(last);
        match else_ {
            Some(else_) => {
                if let Some((node, _, _)) = &else_.error {
                    self.cx.locals.insert(*node, Regs::new(&[Reg::R(error)]));
                }
                self.block(&else_.body);
            }
            None => self.fail_with(error),
        }
        self.b.jump(done);
        self.b.place(done);
    }

    /// File, line and column of a place, as values.
    pub(super) fn place_values(&mut self, span: Span) -> [Val; 3] {
        let module = self.cx.module;
        let source = self.source(module);
        let file = self.image.manifest.sources[source as usize].path.clone();
        let (line, column) = self.map.get(self.defs.modules[module.index()].file).line_col(span.start);
        let number = |lowerer: &mut Self, n: u32| {
            let reg = lowerer.int_const(i64::from(n));
            Val { ty: Ty::INT, regs: Regs::new(&[Reg::S(reg)]) }
        };
        let file = self.string_const(&file);
        [file, number(self, line), number(self, column)]
    }
}
