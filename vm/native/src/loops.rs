//! Loops of two kinds. In those in which nothing is collected and no list changes its size, where the elements of a
//! list lie and how many they are is read once, before the loop. Those that count up to a bound need not look at the
//! counter of interruptions each time: they take off it what many rounds cost, and compare with the end of these.

use dscript_bytecode::ids::*;
use dscript_bytecode::instr::Instr;

use crate::analysis::{Analysis, Collects, Operands};
use crate::ranges::Ranges;

/// A loop, and the lists whose elements it reaches and that are the same all through it.
pub(crate) struct QuietLoop {
    pub head: usize,
    /// Its last instruction, a jump to the head.
    pub last: usize,
    pub lists: Vec<R>,
}

/// The head of each loop and the last jump back to it.
fn all_loops(operands: &[Operands]) -> Vec<(usize, usize)> {
    let mut loops: Vec<(usize, usize)> = Vec::new();
    for (pc, ops) in operands.iter().enumerate() {
        for head in ops.labels.iter().map(|to| to.index()).filter(|to| *to <= pc) {
            match loops.iter_mut().find(|(at, _)| *at == head) {
                Some((_, last)) => *last = pc,
                None => loops.push((head, pc)),
            }
        }
    }
    loops
}

/// Of so many instructions in loops one may be lent, for the rest to be worth machine code.
const LENT_ONE_OF: u64 = 12;
/// How often a loop within another is taken to go round.
const ROUNDS: u64 = 8;
/// Loops deeper than this count as this deep.
const DEPTH_MAX: usize = 6;

/// Whether the loops of a function, or all of it where there is none, are mostly done by machine code of their own.
/// What is lent takes longer from there than from the interpreter, which has handlers made for it.
pub(crate) fn pay(code: &[Instr], is_lent: impl Fn(&Instr) -> bool) -> bool {
    let operands: Vec<Operands> = code.iter().map(Operands::of).collect();
    let loops = all_loops(&operands);
    let (mut all, mut lent) = (0, 0);
    for (pc, instr) in code.iter().enumerate() {
        let depth = loops.iter().filter(|(head, last)| (*head..=*last).contains(&pc)).count();
        if depth == 0 && !loops.is_empty() {
            continue;
        }
        let weight = ROUNDS.pow(depth.min(DEPTH_MAX) as u32);
        all += weight;
        lent += if is_lent(instr) { weight } else { 0 };
    }
    lent * LENT_ONE_OF <= all
}

pub(crate) fn quiet_loops(
    code: &[Instr],
    analysis: &Analysis,
    collects: &dyn Fn(&Instr) -> Collects,
) -> Vec<QuietLoop> {
    let operands: Vec<Operands> = code.iter().map(Operands::of).collect();
    let mut loops = all_loops(&operands);
    let quiet = |instr: &Instr| {
        collects(instr) == Collects::Never
            && !matches!(instr, Instr::ListAddScalar { .. } | Instr::ListAddRef { .. })
    };
    // Outer loops first.
    loops.sort_by_key(|(head, last)| (*head, std::cmp::Reverse(*last)));
    let mut found = Vec::new();
    for (head, last) in loops {
        if !code[head..=last].iter().all(quiet) {
            continue;
        }
        let changed = |list: R| operands[head..=last].iter().any(|ops| ops.defs.contains(&Reg::R(list)));
        let alive =
            |list: R| analysis.heads[head].as_ref().is_some_and(|alive| alive.contains(&Reg::R(list)));
        let mut lists: Vec<R> = code[head..=last]
            .iter()
            .filter_map(|instr| match *instr {
                Instr::ListGetScalar { list, .. }
                | Instr::ListGetRef { list, .. }
                | Instr::ListSetScalar { list, .. }
                | Instr::ListSetRef { list, .. }
                | Instr::ListSize { list, .. } => Some(list),
                _ => None,
            })
            .filter(|list| alive(*list) && !changed(*list))
            .collect();
        lists.sort();
        lists.dedup();
        if !lists.is_empty() {
            found.push(QuietLoop { head, last, lists });
        }
    }
    found
}

/// A loop whose counter grows in every round, up to a bound that stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CountedLoop {
    pub head: usize,
    /// The comparison that jumps back, the only jump to the head from within.
    pub last: usize,
    pub step: Step,
}

/// By what a counter grows: a number above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Constant(i64),
    /// That stays the same in the loop.
    Register(S),
}

pub(crate) fn counted_loops(code: &[Instr], ranges: &Ranges) -> Vec<CountedLoop> {
    let operands: Vec<Operands> = code.iter().map(Operands::of).collect();
    let counted = |last: usize| {
        let (counter, bound, to) = match code[last] {
            Instr::IfLtInt { a, b, to } | Instr::IfLeInt { a, b, to } => (a, b, to),
            _ => return None,
        };
        let head = to.index();
        if head > last {
            return None;
        }
        let inside = head..=last;
        let defines = |pc: &usize, reg: S| operands[*pc].defs.contains(&Reg::S(reg));
        let mut steps = inside.clone().filter(|pc| defines(pc, counter));
        let step = steps.next()?;
        let stays = |reg: S| !inside.clone().any(|pc| defines(&pc, reg));
        let jumps_back = |pc: usize| operands[pc].labels.contains(&to);
        let one_way_back = (head..code.len()).filter(|pc| jumps_back(*pc)).eq([last]);
        // Nothing within jumps over the step.
        let avoided = (head..step)
            .any(|pc| operands[pc].labels.iter().any(|to| inside.contains(&to.index()) && to.index() > step));
        let by = grows(code, ranges, step, counter)?;
        let even = match by {
            Step::Constant(_) => true,
            Step::Register(reg) => stays(reg),
        };
        let counted = steps.next().is_none() && even && stays(bound) && one_way_back && !avoided;
        counted.then_some(CountedLoop { head, last, step: by })
    };
    (0..code.len()).filter_map(counted).collect()
}

/// By what a register grows in an instruction that defines it, with the one before.
fn grows(code: &[Instr], ranges: &Ranges, step: usize, counter: S) -> Option<Step> {
    let sum = |pc: usize, sum: S| match code[pc] {
        Instr::AddImm { a, value, dst } if a == counter && dst == sum && value > 0 => {
            Some(Step::Constant(value))
        }
        Instr::AddInt { a, b, dst } if a == counter && dst == sum && ranges.at(pc)[1].low > 0 => {
            Some(Step::Register(b))
        }
        _ => None,
    };
    match code[step] {
        Instr::MoveScalar { src, .. } => sum(step.checked_sub(1)?, src),
        _ => sum(step, counter),
    }
}
