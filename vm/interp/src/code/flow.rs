//! How steps follow one another: the ends of loops as one step, and short ways from a jump to the next branch as copies
//! in its place.

use super::emit::{Emitter, lanes};
use super::op::{Cond, IntOp, Op, Step};
use super::{Handler, handlers as h};
use dscript_bytecode::ids::*;
use dscript_bytecode::instr::Instr;

/// Steps that are copied in the place of a jump to them.
const COPIED_MAX: usize = 5;

impl Emitter<'_> {
    /// An addition at the end of a loop, with the comparison and the jump back.
    pub(super) fn counted(&mut self, steps: &[Step], at: usize, a: S, value: i32) -> bool {
        let Some(next) = self.following(steps, at) else { return false };
        let mut word = u64::from(value as u32);
        let (handler, b, to): (Handler, u16, Label) = match next.op {
            Op::Plain(Instr::IfLtInt { a: x, b, to }) if x == a && b != a => (h::loop_lt, b.0, to),
            Op::Plain(Instr::IfLeInt { a: x, b, to }) if x == a && b != a => (h::loop_le, b.0, to),
            Op::Plain(Instr::IfLtInt { a: b, b: x, to }) if x == a && b != a => (h::loop_gt, b.0, to),
            Op::Plain(Instr::IfLeInt { a: b, b: x, to }) if x == a && b != a => (h::loop_ge, b.0, to),
            Op::IfImm { cond: Cond::Lt, a: x, value, to } if x == a => (h::loop_lt_imm, value as u16, to),
            Op::IfImm { cond: Cond::Ge, a: x, value, to } if x == a => (h::loop_ge_imm, value as u16, to),
            Op::Plain(Instr::ListSize { list, dst }) if dst != a => {
                word |= u64::from(dst.0) << 32;
                match self.following(steps, next.pc as usize).map(|step| &step.op) {
                    Some(Op::Plain(Instr::IfLtInt { a: x, b, to })) if *x == a && *b == dst => {
                        (h::loop_list, list.0, *to)
                    }
                    Some(Op::Plain(Instr::IfLeInt { a: x, b, to })) if *x == a && *b == dst => {
                        (h::loop_list_le, list.0, *to)
                    }
                    _ => return false,
                }
            }
            _ => return false,
        };
        if to.0 > steps[at].pc {
            return false;
        }
        self.end_of_loop(handler, a, b, to, word);
        // Whoever does not go back compares again, and goes on.
        self.jump_to(steps, at, next.pc);
        true
    }

    fn end_of_loop(&mut self, handler: Handler, a: S, b: u16, to: Label, word: u64) {
        self.branch([handler; 2], 0, a.0, b, to);
        self.words.push(word);
    }

    /// As `counted`, where a register is added.
    pub(super) fn stepped(&mut self, steps: &[Step], at: usize, a: S, step: S) -> bool {
        let Some(next) = self.following(steps, at) else { return false };
        let (handler, b, to): (Handler, S, Label) = match next.op {
            Op::Plain(Instr::IfLtInt { a: x, b, to }) if x == a && b != a => (h::step_lt, b, to),
            Op::Plain(Instr::IfLeInt { a: x, b, to }) if x == a && b != a => (h::step_le, b, to),
            _ => return false,
        };
        if to.0 > steps[at].pc {
            return false;
        }
        self.end_of_loop(handler, a, b.0, to, step.0.into());
        self.jump_to(steps, at, next.pc);
        true
    }

    /// The end of a round over a list: that it has not changed, the next index, and the jump back.
    pub(super) fn each(&mut self, steps: &[Step], at: usize, collection: R, version: S) -> bool {
        let Some(next) = self.next_in_block(steps, at) else { return false };
        let Op::IntImm { a, value: 1, dst, op: IntOp::Add, .. } = steps[next].op else { return false };
        let Some(sized) = self.following(steps, next) else { return false };
        let Op::Plain(Instr::ListSize { list, dst: size }) = sized.op else { return false };
        let compared = self.following(steps, sized.pc as usize).map(|step| &step.op);
        let Some(Op::Plain(Instr::IfLtInt { a: x, b, to })) = compared else { return false };
        let is_loop = (a, *x, *b, list) == (dst, a, size, collection) && size != a && to.index() <= next;
        if !is_loop || self.copying.is_some() {
            return false;
        }
        let from = self.words.len();
        self.end_of_loop(h::loop_each, a, list.0, *to, lanes(version.0, size.0, 0, 0));
        self.note_at(from + 2, next);
        self.jump_to(steps, next, sized.pc);
        self.taken = Some(next);
        true
    }

    /// Goes to a step further on, unless it comes next anyway.
    pub(super) fn jump_to(&mut self, steps: &[Step], at: usize, pc: u32) {
        if !self.comes_next(steps, at, pc) {
            self.branch([h::jump, h::jump_back], steps[at].pc, 0, 0, Label(pc));
        }
    }

    fn comes_next(&self, steps: &[Step], at: usize, pc: u32) -> bool {
        if let Some(next) = self.copying {
            return next == pc as usize;
        }
        pc as usize > at
            && steps[at + 1..pc as usize].iter().all(|step| match &step.op {
                Op::Gone => true,
                Op::Plain(Instr::Jump { to }) => to.0 <= pc && to.index() > at,
                _ => false,
            })
    }

    /// In the place of a jump ahead: the few steps from there to the next branch, and a jump to what follows that.
    pub(super) fn copy_ahead(&mut self, steps: &[Step], at: usize, to: Label) -> bool {
        if self.copying.is_some() || self.comes_next(steps, at, to.0) {
            return false;
        }
        let Some(run) = self.run_from(steps, to.index()) else { return false };
        let last = run[run.len() - 1];
        let after = run[1..].iter().copied().chain([last + 1]);
        for (i, next) in run.iter().copied().zip(after) {
            self.copying = Some(next);
            self.note(i);
            self.step(steps, i);
        }
        self.copying = None;
        if is_branch(&steps[last].op) {
            self.note(last);
            self.branch([h::jump, h::jump_back], steps[at].pc, 0, 0, Label(last as u32 + 1));
        }
        true
    }

    /// The steps from `at` to a branch, a return or a jump back; `None` where there are too many, or any that are not
    /// copied.
    fn run_from(&self, steps: &[Step], mut at: usize) -> Option<Vec<usize>> {
        let mut run = Vec::new();
        loop {
            match &steps.get(at)?.op {
                Op::Gone => at += 1,
                Op::Plain(Instr::Jump { to }) if to.index() > at => at = to.index(),
                op if run.len() == COPIED_MAX || !is_copied(op) => return None,
                op => {
                    run.push(at);
                    if is_branch(op) || matches!(op, Op::Plain(instr) if instr.ends_block()) {
                        return Some(run);
                    }
                    at += 1;
                }
            }
        }
    }
}

fn is_branch(op: &Op) -> bool {
    match op {
        Op::IfImm { .. } | Op::Branch { .. } | Op::IfRem { .. } => true,
        Op::Plain(instr) => matches!(
            instr,
            Instr::If { .. }
                | Instr::IfNot { .. }
                | Instr::IfEqInt { .. }
                | Instr::IfNeInt { .. }
                | Instr::IfLtInt { .. }
                | Instr::IfLeInt { .. }
                | Instr::IfEqDouble { .. }
                | Instr::IfNeDouble { .. }
                | Instr::IfLtDouble { .. }
                | Instr::IfLeDouble { .. }
                | Instr::IfNotLtDouble { .. }
                | Instr::IfNotLeDouble { .. }
                | Instr::IfNull { .. }
                | Instr::IfNotNull { .. }
        ),
        _ => false,
    }
}

/// What is short, and done where it stands.
fn is_copied(op: &Op) -> bool {
    match op {
        Op::Plain(instr) => {
            is_branch(op)
                || matches!(
                    instr,
                    Instr::MoveScalar { .. }
                        | Instr::MoveRef { .. }
                        | Instr::Int { .. }
                        | Instr::Double { .. }
                        | Instr::Bool { .. }
                        | Instr::Null { .. }
                        | Instr::AddInt { .. }
                        | Instr::SubInt { .. }
                        | Instr::MulInt { .. }
                        | Instr::RemInt { .. }
                        | Instr::AndInt { .. }
                        | Instr::OrInt { .. }
                        | Instr::XorInt { .. }
                        | Instr::AddDouble { .. }
                        | Instr::SubDouble { .. }
                        | Instr::MulDouble { .. }
                        | Instr::DivDouble { .. }
                        | Instr::GetScalar { .. }
                        | Instr::GetRef { .. }
                        | Instr::ListSize { .. }
                        | Instr::ListGetScalar { .. }
                        | Instr::ListGetRef { .. }
                        | Instr::Jump { .. }
                        | Instr::Return { .. }
                )
        }
        _ => true,
    }
}
