//! Loops in which nothing is collected and no list changes its size: there, where the elements of a list lie and how
//! many they are is read once, before the loop.

use dscript_bytecode::ids::*;
use dscript_bytecode::instr::Instr;

use crate::analysis::{Analysis, Collects, Operands};

/// A loop, and the lists whose elements it reaches and that are the same all through it.
pub(crate) struct QuietLoop {
    pub head: usize,
    /// Its last instruction, a jump to the head.
    pub last: usize,
    pub lists: Vec<R>,
}

pub(crate) fn quiet_loops(
    code: &[Instr],
    analysis: &Analysis,
    collects: &dyn Fn(&Instr) -> Collects,
) -> Vec<QuietLoop> {
    let operands: Vec<Operands> = code.iter().map(Operands::of).collect();
    // The last jump back to each head.
    let mut loops: Vec<(usize, usize)> = Vec::new();
    for (pc, ops) in operands.iter().enumerate() {
        for head in ops.labels.iter().map(|to| to.index()).filter(|to| *to <= pc) {
            match loops.iter_mut().find(|(at, _)| *at == head) {
                Some((_, last)) => *last = pc,
                None => loops.push((head, pc)),
            }
        }
    }
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
