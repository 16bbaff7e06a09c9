//! Short ways through functions: what one does before it returns early, so that a call of it that may be nested very often (a
//! walk of a tree, which is at a leaf half of the time) need not be done where it only asks that.

use dscript_bytecode::ids::*;
use dscript_bytecode::image::{Function, RegType};
use dscript_bytecode::instr::Instr;

use crate::analysis::{Collects, Operands};
use crate::translate::weight;
use crate::unit::Unit;

/// What a way may count from the beginning of a function to where it returns, and all instructions that are on such ways.
/// What is asked last of many things is hardly ever so.
const WAY_MAX: usize = 5;
const ALL_MAX: usize = 12;

/// A function with its short ways only. Where these are left, which is at the first instruction from where none of them is
/// followed any more, it returns its parameters: from there on the function itself is called with them. Nothing has been
/// changed until there.
pub(crate) struct ShortWays {
    pub function: Function,
    /// Instructions that stand where the ways are left, in order.
    pub left_at: Vec<usize>,
    pub weight: usize,
}

impl ShortWays {
    pub fn of(unit: &Unit<'_>, id: FunctionId) -> Option<ShortWays> {
        let function = unit.function(id);
        let code = &function.code[..];
        let simple = |pc: usize| {
            let instr = &code[pc];
            !matches!(instr, Instr::CallValue { .. } | Instr::CallMethod { .. } | Instr::LimitEnter { .. })
                && unit.collects(function, instr) == Collects::Never
                && Operands::of(instr).labels.iter().all(|to| to.index() > pc)
        };
        // What is left of the shortest way to a return.
        let mut rest: Vec<Option<usize>> = vec![None; code.len()];
        for pc in (0..code.len()).rev().filter(|pc| simple(*pc)) {
            let own = weight(&code[pc..=pc]);
            rest[pc] = match code[pc] {
                Instr::Return { .. } => Some(own),
                _ => next(code, pc).filter_map(|to| rest[to]).min().map(|rest| rest + own),
            };
        }
        let params = param_registers(function);
        let keeps_params = |instr: &Instr| !Operands::of(instr).defs.iter().any(|def| params.contains(def));
        // Ways come to an instruction from before it only: what the shortest one has counted, and whether one has changed
        // something.
        let mut come: Vec<Option<(usize, bool)>> = vec![None; code.len()];
        come[0] = Some((0, false));
        let mut ways = Vec::new();
        let mut left_at = Vec::new();
        for pc in 0..code.len() {
            let Some((count, changed)) = come[pc] else { continue };
            if rest[pc].is_none_or(|rest| count + rest > WAY_MAX) {
                if changed {
                    return None;
                }
                left_at.push(pc);
                continue;
            }
            ways.push(code[pc].clone());
            let count = count + weight(&code[pc..=pc]);
            let changed = changed || unit.changes(&code[pc]) || !keeps_params(&code[pc]);
            for to in next(code, pc) {
                let others = come[to].unwrap_or((count, changed));
                come[to] = Some((count.min(others.0), changed | others.1));
            }
        }
        let weight = weight(&ways);
        if ways.is_empty() || left_at.is_empty() || weight > ALL_MAX {
            return None;
        }
        let leave = |values: &[Reg]| Instr::Return { values: values.into() };
        let code = come.iter().zip(code).enumerate().map(|(pc, (come, instr))| match come {
            Some(_) if left_at.contains(&pc) => leave(&params),
            Some(_) => instr.clone(),
            // No way leads there.
            None => leave(&[]),
        });
        let code = code.collect();
        let function = Function {
            name: String::new(),
            params: function.params.clone(),
            results: function.results.clone(),
            scalars: function.scalars.clone(),
            refs: function.refs.clone(),
            code,
            heads: Vec::new(),
            lines: Vec::new(),
        };
        Some(ShortWays { function, left_at, weight })
    }
}

/// The registers that a function finds its parameters in.
fn param_registers(function: &Function) -> Vec<Reg> {
    let (mut scalars, mut refs) = (0, 0);
    let register = |param: &RegType| match param {
        RegType::Scalar(_) => {
            scalars += 1;
            Reg::S(S(scalars - 1))
        }
        RegType::Ref(_) => {
            refs += 1;
            Reg::R(R(refs - 1))
        }
    };
    function.params.iter().map(register).collect()
}

/// Where an instruction goes on.
fn next(code: &[Instr], pc: usize) -> impl Iterator<Item = usize> {
    let behind = (!code[pc].ends_block()).then_some(pc + 1);
    let labels = Operands::of(&code[pc]).labels;
    behind.into_iter().chain(labels.into_iter().map(|to| to.index()))
}
