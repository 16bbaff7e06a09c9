//! Short ways that only move numbers, with one way on behind them: both are gone, and what is chosen is the result. A
//! processor that guesses the way wrong loses more than they take. Where it would guess to count or not, as at the sons in a
//! heap, what is read next would wait for the result: such ways stay.

use cranelift_codegen::ir::{InstBuilder, Value};
use dscript_bytecode::ids::*;
use dscript_bytecode::image::ScalarKind;
use dscript_bytecode::instr::Instr;

use super::Translator;
use crate::analysis::Operands;

/// Instructions of one way, and registers that differ behind them.
const LENGTH_MAX: usize = 4;
const CHOSEN_MAX: usize = 2;

/// A way from a jump to where both meet.
struct Way {
    pcs: std::ops::Range<usize>,
    to: usize,
}

impl<'p> Translator<'_, '_, 'p> {
    /// Instead of a jump on a condition; false where it is none of these.
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
        let not = self.values_of(here.pcs, &chosen);
        let yes = self.values_of(there.pcs, &chosen);
        for ((reg, yes), not) in chosen.into_iter().zip(yes).zip(not) {
            let value = self.b.ins().select(condition, yes, not);
            self.set_scalar(reg, value);
        }
        self.pc = pc;
        self.jump(Label(here.to as u32));
        self.closed = true;
        true
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

    /// What registers hold at the end of a way.
    fn values_of(&mut self, pcs: std::ops::Range<usize>, regs: &[S]) -> Vec<Value> {
        let mut made: Vec<(S, Value)> = Vec::new();
        let function = self.function;
        for instr in &function.code[pcs] {
            let of = |this: &mut Self, reg: S| {
                let known = made.iter().rfind(|(made, _)| *made == reg).map(|(_, value)| *value);
                known.unwrap_or_else(|| this.scalar(reg))
            };
            let value = match *instr {
                Instr::Int { value, .. } => self.int(value),
                Instr::MoveScalar { src, .. } => of(self, src),
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

    /// The way that begins at an instruction, where it is short and cannot fail.
    fn way(&self, start: usize) -> Option<Way> {
        let code = &self.function.code[..];
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
        Instr::Int { dst, .. } | Instr::MoveScalar { dst, .. } => Some(dst),
        _ => None,
    }
}
