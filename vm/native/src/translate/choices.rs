//! Short ways that only reckon with numbers, with one way on behind them: both are gone, and what is chosen is the result. A
//! processor that guesses the way wrong loses more than they take. Where it would guess to count or not, as at the sons in a
//! heap, what is read next would wait for the result: such ways stay. Where a number on one of them does not fit an int,
//! one of them is gone after all, and may trap.

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{Block, InstBuilder, Value};
use dscript_bytecode::ids::*;
use dscript_bytecode::image::ScalarKind;
use dscript_bytecode::instr::Instr;

use super::Translator;
use super::scalars::{multiple_of, power_of_two};
use crate::analysis::{Operands, Source};

/// Instructions of one way, and registers that differ behind them.
const LENGTH_MAX: usize = 5;
const CHOSEN_MAX: usize = 2;
/// Instructions of one way that do more than to move a number.
const RECKONED_MAX: usize = 2;

/// A way from a jump to where both meet.
struct Way {
    pcs: std::ops::Range<usize>,
    to: usize,
}

impl<'p> Translator<'_, '_, 'p> {
    /// Instead of a jump on a condition; false where it is none of these, or is left for the case that a number does not fit.
    pub(super) fn choose(&mut self, condition: Value, to: Label) -> bool {
        let pc = self.pc;
        // A test that stands in the place of another jump is followed by one.
        if pc != self.from || to.index() <= pc {
            return false;
        }
        let Some(here) = self.way(pc + 1) else { return false };
        let there = match self.led_on(to.index()) == here.to {
            true => Way { pcs: 0..0, to: here.to },
            false => match self.way(to.index()) {
                Some(there) if there.to == here.to => there,
                _ => return false,
            },
        };
        let code = &self.function.code[..];
        let Some(alive) = self.analysis.heads[here.to].clone() else { return false };
        let mut chosen: Vec<S> = Vec::new();
        for pc in here.pcs.clone().chain(there.pcs.clone()) {
            if let Some(dst) = defined(&code[pc])
                && alive.contains(&Reg::S(dst))
                && !chosen.contains(&dst)
            {
                chosen.push(dst);
            }
        }
        if chosen.len() > CHOSEN_MAX || chosen.is_empty() || self.reaches_by(here.to, &chosen) {
            return false;
        }
        // A number of the way that is not chosen counts too: that costs less than to leave it out, and is as rare.
        let mut one_by_one = None;
        let not = self.values_of(here.pcs, &chosen, &mut one_by_one);
        let yes = self.values_of(there.pcs, &chosen, &mut one_by_one);
        self.pc = pc;
        self.here();
        let seen = one_by_one.is_some().then(|| self.seen.clone());
        for ((reg, yes), not) in chosen.into_iter().zip(yes).zip(not) {
            let value = self.b.ins().select(condition, yes, not);
            self.set_scalar(reg, value);
        }
        let (Some(one_by_one), Some(seen)) = (one_by_one, seen) else {
            self.meet_behind(to, here.to);
            return true;
        };
        self.jump(Label(here.to as u32));
        self.seen = seen;
        self.go_to(one_by_one);
        false
    }

    /// Instead of a jump where `a < b` does not hold: where all that lies between is that one of them is the other then, the
    /// processor has an instruction for it.
    pub(super) fn choose_extreme(&mut self, a: S, b: S, to: Label) -> bool {
        let (pc, meet) = (self.pc, to.index());
        let Some(&Instr::MoveScalar { src, dst }) = self.function.code.get(pc + 1) else { return false };
        let alive = self.analysis.heads[meet].as_ref().is_some_and(|alive| alive.contains(&Reg::S(dst)));
        let is_one = (src, dst) == (a, b) || (src, dst) == (b, a);
        if pc != self.from || meet != pc + 2 || self.blocks[pc + 1].is_some() || !alive || !is_one {
            return false;
        }
        let [x, y, yes, not] = [a, b, src, dst].map(|reg| self.scalar(reg));
        let less = self.b.ins().fcmp(FloatCC::LessThan, x, y);
        let value = self.b.ins().select(less, yes, not);
        self.set_scalar(dst, value);
        self.meet_behind(to, meet);
        true
    }

    /// Goes on where two ways meet that are gone, one of them to `other`.
    fn meet_behind(&mut self, other: Label, meet: usize) {
        if self.leads_only(self.pc, other.index(), meet) {
            self.blocks[other.index()] = None;
            self.blocks[meet] = None;
            self.goes_on = Some(meet);
        } else {
            self.jump(Label(meet as u32));
        }
        self.closed = true;
    }

    /// Whether the ways from a jump, of which one is to `other`, are all that lies between it and where they meet, and all that
    /// leads there: then these are no places where ways meet any more.
    fn leads_only(&self, jump: usize, other: usize, meet: usize) -> bool {
        let (sources, tests) = (&self.analysis.sources, &self.analysis.tests);
        let from_here = |source: &Source| match *source {
            Source::Before => true,
            Source::Jump(from) => (jump..meet).contains(&from),
            Source::Branch(from) => from == jump,
            Source::Entry => false,
        };
        let only_jump = |source: &Source| matches!(*source, Source::Branch(from) if from == jump);
        other <= meet
            && sources[meet].iter().all(from_here)
            && (other == meet || sources[other].iter().all(only_jump))
            && (jump + 1..meet).all(|pc| pc == other || self.blocks[pc].is_none())
            // A test has no block, but stands at all jumps to it.
            && (jump + 1..=meet).all(|pc| tests[pc].is_none())
    }

    /// Whether the block that begins at an instruction reaches into a list by one of these numbers: what it stores or reads
    /// there would wait for all that the choice is made from, where a guess goes on at once.
    fn reaches_by(&self, start: usize, chosen: &[S]) -> bool {
        let code = &self.function.code[..];
        let end = (start + 1..code.len()).find(|pc| self.analysis.leaders[*pc]).unwrap_or(code.len());
        let mut left = chosen.to_vec();
        code[start..end].iter().any(|instr| {
            let index = match *instr {
                Instr::ListGetScalar { index, .. }
                | Instr::ListSetScalar { index, .. }
                | Instr::ListGetRef { index, .. }
                | Instr::ListSetRef { index, .. } => Some(index),
                _ => None,
            };
            let reaches = index.is_some_and(|index| left.contains(&index));
            let defs = Operands::of(instr).defs;
            left.retain(|reg| !defs.contains(&Reg::S(*reg)));
            reaches
        })
    }

    /// What registers hold at the end of a way; where a number on it does not fit, it goes to a block, which is made then.
    fn values_of(
        &mut self,
        pcs: std::ops::Range<usize>,
        regs: &[S],
        one_by_one: &mut Option<Block>,
    ) -> Vec<Value> {
        let mut made: Vec<(S, Value)> = Vec::new();
        let function = self.function;
        for pc in pcs {
            self.pc = pc;
            let instr = &function.code[pc];
            let [p, q] = self.ranges.at(pc);
            let of = |this: &mut Self, reg: S| {
                let known = made.iter().rfind(|(made, _)| *made == reg).map(|(_, value)| *value);
                known.unwrap_or_else(|| this.scalar(reg))
            };
            let value = match *instr {
                Instr::Int { value, .. } => self.int(value),
                Instr::MoveScalar { src, .. } => of(self, src),
                Instr::AddImm { a, value, .. } => {
                    let x = of(self, a);
                    let sum = self.b.ins().iadd_imm_s(x, value);
                    if !p.plus(q).1 {
                        let wrong = if value < 0 { IntCC::SignedGreaterThan } else { IntCC::SignedLessThan };
                        let overflow = self.b.ins().icmp(wrong, sum, x);
                        self.leave_if(overflow, one_by_one);
                    }
                    sum
                }
                // Nothing waits for this test, and the processor's own takes as long as a product of any two numbers.
                Instr::MulInt { a, b, .. } if let Some(times) = multiple_of(p, q) => {
                    let (x, y) = (of(self, a), of(self, b));
                    if !p.times(q).1 {
                        let overflow = self.misfits(times, x, y);
                        self.leave_if(overflow, one_by_one);
                    }
                    self.multiply(x, y)
                }
                Instr::AddInt { a, b, .. } | Instr::SubInt { a, b, .. } | Instr::MulInt { a, b, .. } => {
                    let (x, y) = (of(self, a), of(self, b));
                    let (_, fits) = match *instr {
                        Instr::AddInt { .. } => p.plus(q),
                        Instr::SubInt { .. } => p.minus(q),
                        _ => p.times(q),
                    };
                    if fits {
                        match *instr {
                            Instr::AddInt { .. } => self.b.ins().iadd(x, y),
                            Instr::SubInt { .. } => self.b.ins().isub(x, y),
                            _ => self.multiply(x, y),
                        }
                    } else {
                        self.check_overflow();
                        let ins = self.b.ins();
                        let (value, overflow) = match *instr {
                            Instr::AddInt { .. } => ins.sadd_overflow(x, y),
                            Instr::SubInt { .. } => ins.ssub_overflow(x, y),
                            _ => ins.smul_overflow(x, y),
                        };
                        self.leave_if(overflow, one_by_one);
                        value
                    }
                }
                Instr::DivInt { a, b, .. } => {
                    let (x, y) = (of(self, a), of(self, b));
                    self.divide(x, y)
                }
                _ => continue,
            };
            made.extend(defined(instr).map(|dst| (dst, value)));
        }
        let of = |reg: &S| {
            let known = made.iter().rfind(|(made, _)| made == reg).map(|(_, value)| *value);
            known.unwrap_or_else(|| self.scalar(*reg))
        };
        regs.iter().map(of).collect()
    }

    fn leave_if(&mut self, misfits: Value, to: &mut Option<Block>) {
        let (to, next) = (*to.get_or_insert_with(|| self.cold()), self.b.create_block());
        self.b.ins().brif(misfits, to, &[], next, &[]);
        self.go_to(next);
    }

    /// The way that begins at an instruction, where it is short and cannot fail.
    fn way(&self, start: usize) -> Option<Way> {
        let code = &self.function.code[..];
        let mut reckoned = 0;
        for (pc, instr) in code.iter().enumerate().skip(start).take(LENGTH_MAX + 1) {
            if pc > start && self.analysis.leaders[pc] {
                return Some(Way { pcs: start..pc, to: self.led_on(pc) }).filter(|way| way.to > self.pc);
            }
            let can = match *instr {
                Instr::Jump { to } => {
                    return Some(Way { pcs: start..pc, to: self.led_on(to.index()) })
                        .filter(|way| way.to > self.pc && !self.analysis.joined[way.to]);
                }
                Instr::Int { .. } => true,
                Instr::MoveScalar { dst, .. } => self.function.scalars[dst.index()] == ScalarKind::Int,
                Instr::AddImm { .. } | Instr::AddInt { .. } | Instr::SubInt { .. } | Instr::MulInt { .. } => {
                    reckoned += 1;
                    reckoned <= RECKONED_MAX
                }
                Instr::DivInt { .. } => {
                    reckoned += 1;
                    reckoned <= RECKONED_MAX && power_of_two(self.ranges.at(pc)[1]).is_some()
                }
                _ => false,
            };
            if !can {
                return None;
            }
        }
        None
    }

    /// Where one comes from the beginning of a block that only jumps on.
    fn led_on(&self, mut to: usize) -> usize {
        while let Some(Instr::Jump { to: next }) = self.function.code.get(to)
            && next.index() > to
            && !self.analysis.joined[next.index()]
        {
            to = next.index();
        }
        to
    }
}

/// The register that an instruction of a way gives.
fn defined(instr: &Instr) -> Option<S> {
    match *instr {
        Instr::Int { dst, .. }
        | Instr::MoveScalar { dst, .. }
        | Instr::AddImm { dst, .. }
        | Instr::AddInt { dst, .. }
        | Instr::SubInt { dst, .. }
        | Instr::MulInt { dst, .. }
        | Instr::DivInt { dst, .. } => Some(dst),
        _ => None,
    }
}
