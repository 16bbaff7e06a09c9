//! Second copies of loops, for small numbers.
//!
//! A product of two ints nearly always fits, and yet the test that it does costs more than the product. Where a counted
//! loop multiplies numbers that are its counter, stay the same in it, or follow from such, these are looked at before
//! the loop: when all are small, it goes through a copy of the loop in which the products need no test.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, InstBuilder};
use cranelift_frontend::FunctionBuilder;
use dscript_bytecode::ids::*;
use dscript_bytecode::image::Function;
use dscript_bytecode::instr::Instr;

use super::Translator;
use super::loops::Chunk;
use crate::analysis::{Analysis, Collects};
use crate::loops::factors;
use crate::ranges::{Assumed, Ranges, SMALL};
use crate::unit::Unit;

/// Instructions of a loop that is copied, and numbers that are looked at before one.
const LENGTH_MAX: usize = 80;
const FACTORS_MAX: usize = 10;

pub(super) struct Copy {
    head: usize,
    last: usize,
    /// What must be small.
    regs: Vec<S>,
    /// Of the copy, by instruction of the function.
    blocks: Vec<Option<Block>>,
    ranges: Ranges,
}

/// The loops of a function that are worth it.
pub(super) fn copies(
    b: &mut FunctionBuilder,
    unit: &Unit<'_>,
    function: &Function,
    analysis: &Analysis,
    ranges: &Ranges,
    chunks: &[Chunk],
    blocks: &mut [Option<Block>],
) -> Vec<Copy> {
    let code = &function.code[..];
    let mut copies = Vec::new();
    for of in chunks.iter().map(|chunk| chunk.of) {
        let (head, last) = (of.head, of.last);
        if last - head >= LENGTH_MAX
            || last + 1 >= code.len()
            || products(unit, code, ranges, head, last) == 0
        {
            continue;
        }
        let Some(regs) = factors(code, function, &of) else { continue };
        let known =
            |reg: &S| analysis.heads[head].as_ref().is_some_and(|alive| alive.contains(&Reg::S(*reg)));
        if regs.len() > FACTORS_MAX || !regs.iter().all(known) {
            continue;
        }
        let assumed = Assumed { head, regs: regs.clone() };
        let small = Ranges::of(function, &analysis.leaders, &[], Some(assumed));
        if products(unit, code, &small, head, last) >= products(unit, code, ranges, head, last) {
            continue;
        }
        // Both copies go on behind the loop.
        blocks[last + 1].get_or_insert_with(|| b.create_block());
        let mut own = blocks.to_vec();
        for block in own[head..=last].iter_mut().flatten() {
            *block = b.create_block();
        }
        copies.push(Copy { head, last, regs, blocks: own, ranges: small });
    }
    copies
}

/// How many products of a loop, those in the code of functions put into it included, may not fit.
fn products(unit: &Unit<'_>, code: &[Instr], ranges: &Ranges, head: usize, last: usize) -> usize {
    let mut all = ranges.products_checked(code, head..=last);
    for (pc, instr) in code.iter().enumerate().take(last + 1).skip(head) {
        if let Instr::Call { function, .. } = instr
            && unit.is_inlined(*function)
        {
            let callee = unit.function(*function);
            if !callee.code.iter().any(|instr| matches!(instr, Instr::MulInt { .. })) {
                continue;
            }
            let analysis = Analysis::of(callee, &|_| Collects::Never);
            let inner = Ranges::of(callee, &analysis.leaders, ranges.arguments(pc), None);
            all += inner.products_checked(&callee.code, 0..=callee.code.len() - 1);
        }
    }
    all
}

impl Translator<'_, '_, '_> {
    /// Goes to a block from an instruction, or from the beginning; into the copy of a loop where that may be.
    pub(super) fn enter_block(&mut self, from: Option<usize>, to: usize) {
        let block = self.block_at(to);
        let outside =
            |copy: &&Copy| copy.head == to && !from.is_some_and(|pc| (copy.head..=copy.last).contains(&pc));
        let Some(copy) = self.copies.iter().find(outside) else {
            self.b.ins().jump(block, &[]);
            return;
        };
        let small = copy.blocks[to].expect("a loop's head leads a block");
        let mut together = None;
        for reg in copy.regs.clone() {
            let value = self.scalar(reg);
            let above = self.b.ins().iadd_imm_s(value, SMALL);
            together = Some(match together {
                Some(others) => self.b.ins().bor(others, above),
                None => above,
            });
        }
        let together = together.expect("a counted loop has a counter");
        let fits = self.b.ins().icmp_imm_u(IntCC::UnsignedLessThan, together, 2 * SMALL);
        self.b.ins().brif(fits, small, &[], block, &[]);
    }

    pub(super) fn translate_copies(&mut self) {
        for mut copy in std::mem::take(&mut self.copies) {
            std::mem::swap(&mut self.blocks, &mut copy.blocks);
            std::mem::swap(&mut self.ranges, &mut copy.ranges);
            if self.code(copy.head..copy.last + 1) {
                let behind = self.block_at(copy.last + 1);
                self.b.ins().jump(behind, &[]);
            }
            std::mem::swap(&mut self.blocks, &mut copy.blocks);
            std::mem::swap(&mut self.ranges, &mut copy.ranges);
        }
    }
}
