//! Second copies of loops, for small numbers that stay within lists.
//!
//! A product of two ints nearly always fits, and yet the test that it does costs more than the product; an index that
//! counts up to a bound nearly always is inside of the list that the bound was made from. Where a counted loop multiplies
//! numbers that are its counter, stay the same in it, or follow from such, or reaches into lists by them, these are looked at
//! before the loop: when all are small, and the first and the last index inside, it goes through a copy of the loop in
//! which neither needs a test.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, InstBuilder, Value};
use cranelift_frontend::{FunctionBuilder, Variable};
use dscript_bytecode::ids::*;
use dscript_bytecode::image::Function;
use dscript_bytecode::instr::Instr;

use super::Translator;
use super::loops::{Chunk, Entry, View, Viewed, view_at};
use crate::analysis::{Analysis, Collects, Operands};
use crate::loops::{CountedLoop, factors, list_of};
use crate::ranges::{Assumed, Ranges, SMALL};
use crate::regions::Regions;
use crate::replaced::Replaced;
use crate::sums::{Sum, Sums};
use crate::unit::{Intrinsic, Unit};

/// Instructions of a loop that is copied, and numbers and lists that are looked at before one.
const LENGTH_MAX: usize = 80;
const FACTORS_MAX: usize = 10;
const INSIDE_MAX: usize = 8;

pub(super) struct Copy {
    pub entry: Entry,
    counted: CountedLoop,
    /// What must be small.
    regs: Vec<S>,
    /// What must be inside, so that these instructions need no test.
    inside: Vec<Inside>,
    safe: Safe,
    /// Whether it has code of calls that count as nested, which may be one deeper.
    deep: bool,
    /// Of the copy, by instruction of the function.
    pub blocks: Vec<Option<Block>>,
    ranges: Ranges,
}

/// Instructions of a loop's copy whose index is inside.
#[derive(Default)]
pub(super) struct Safe {
    /// In their order, with what the index is.
    indices: Vec<(usize, Sum)>,
    counter: Option<S>,
    /// The instruction by which the counter grows.
    step: usize,
}

impl Safe {
    fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    pub(super) fn contains(&self, pc: usize) -> bool {
        self.indices.binary_search_by_key(&pc, |(pc, _)| *pc).is_ok()
    }

    /// Where the index is the loop's counter and something that stays the same: that, and the counter.
    pub(super) fn beside_counter(&self, pc: usize) -> Option<(Sum, S)> {
        let at = self.indices.binary_search_by_key(&pc, |(pc, _)| *pc).ok().filter(|_| pc < self.step)?;
        Some((self.indices[at].1.beside_counter()?, self.counter?))
    }
}

/// All indices of one base into one list: these and what lies between.
#[derive(Clone, Copy)]
struct Inside {
    size: Variable,
    base: Sum,
    first: i64,
    last: i64,
}

/// What is known of a function before it is translated.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub function: &'a Function,
    pub regions: &'a Regions,
    pub analysis: &'a Analysis,
    pub ranges: &'a Ranges,
    pub views: &'a [View],
    pub entries: &'a [Entry],
}

/// The loops of a function that are worth it.
pub(super) fn copies(
    b: &mut FunctionBuilder,
    unit: &Unit<'_>,
    known: Known<'_>,
    chunks: &[Chunk],
    blocks: &mut [Option<Block>],
) -> Vec<Copy> {
    let Known { function, regions, analysis, ranges, .. } = known;
    let code = &function.code[..];
    let mut copies = Vec::new();
    // What few rounds save is less than to look before them.
    for of in chunks.iter().filter(|chunk| chunk.few.is_none()).map(|chunk| chunk.of) {
        let (head, last) = (of.head, of.last);
        let Some(entry) = known.entries.iter().find(|entry| entry.head == head).copied() else { continue };
        if last - head >= LENGTH_MAX || last + 1 >= code.len() {
            continue;
        }
        // Where the time of a region is up the function goes on in one place, which is not in a copy.
        if regions.all.iter().any(|region| (head..=last).contains(&region.enter)) {
            continue;
        }
        let Some(regs) = factors(code, function, &of) else { continue };
        let alive =
            |reg: &S| analysis.heads[head].as_ref().is_some_and(|alive| alive.contains(&Reg::S(*reg)));
        if regs.len() > FACTORS_MAX || !regs.iter().all(alive) {
            continue;
        }
        let (inside, safe) = inside(unit, known, of);
        let checked = products(unit, code, ranges, head, last);
        if checked == 0 && safe.is_empty() {
            continue;
        }
        let assumed = Assumed { head, regs: regs.clone() };
        let small = Ranges::of(function, &analysis.leaders, regions, &[], Some(assumed));
        if safe.is_empty() && products(unit, code, &small, head, last) >= checked {
            continue;
        }
        // Both copies go on behind the loop.
        blocks[last + 1].get_or_insert_with(|| b.create_block());
        let mut own = blocks.to_vec();
        for block in own[head..=last].iter_mut().flatten() {
            *block = b.create_block();
        }
        let entry = Entry { paid: entry.paid.map(|_| b.create_block()), ..entry };
        let deep = code[head..=last].iter().any(|instr| match instr {
            Instr::Call { function, .. } => unit.is_inlined(*function) && unit.is_counted(*function),
            _ => unit.inlined_callees(function, instr).is_some(),
        });
        copies.push(Copy { entry, counted: of, regs, inside, safe, deep, blocks: own, ranges: small });
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
            // What is put into loops has none.
            let regions = Regions::default();
            let analysis = Analysis::of(callee, &regions, &|_| Collects::Never, &Replaced::default(), false);
            let inner = Ranges::of(callee, &analysis.leaders, &regions, ranges.arguments(pc), None);
            all += inner.products_checked(&callee.code, 0..=callee.code.len() - 1);
        }
    }
    all
}

/// Indices in a loop that can be seen before it to be inside of lists and texts that do not change in it, and the instructions
/// that have them.
fn inside(unit: &Unit<'_>, known: Known<'_>, of: CountedLoop) -> (Vec<Inside>, Safe) {
    let (mut found, mut safe) = (Vec::<Inside>::new(), Safe::default());
    if !known.views.iter().any(|view| (view.head, view.last) == (of.head, of.last)) {
        return (found, safe);
    }
    let code = &known.function.code[..];
    let begin = known.analysis.heads[of.head].as_deref().unwrap_or_default();
    let alive = |reg: S| begin.contains(&Reg::S(reg));
    let operands: Vec<Operands> = code.iter().map(Operands::of).collect();
    let extent = (of.head, of.last);
    safe.counter = Some(of.counter);
    let steps = |pc: &usize| operands[*pc].defs.contains(&Reg::S(of.counter));
    safe.step = (of.head..=of.last).find(steps).expect("a counted loop has a step");
    let sums = Sums::of(code, &operands, &known.analysis.leaders, extent, Some(of.counter));
    for (pc, instr) in code.iter().enumerate().take(of.last + 1).skip(of.head) {
        let (reg, what) = match instr {
            Instr::ListSize { .. } => continue,
            Instr::CallNative { native, args, .. } if unit.intrinsic(*native) == Some(Intrinsic::CharAt) => {
                match args[..] {
                    [Reg::R(text), Reg::S(_)] => (text, Viewed::Text),
                    _ => continue,
                }
            }
            _ => match list_of(instr) {
                Some(list) => (list, Viewed::List),
                None => continue,
            },
        };
        let view = view_at(known.views, reg, what, pc, pc).filter(|view| (view.head, view.last) == extent);
        let (Some(view), Some(sum)) = (view, sums.index(pc)) else { continue };
        let (base, plus) = (sum.base(), sum.plus);
        if base.is_constant() && plus < 0 || !base.is_known(&alive) {
            continue;
        }
        match found.iter().position(|inside| (inside.size, inside.base) == (view.size, base)) {
            Some(at) => {
                found[at].first = found[at].first.min(plus);
                found[at].last = found[at].last.max(plus);
            }
            None if found.len() < INSIDE_MAX => {
                found.push(Inside { size: view.size, base, first: plus, last: plus });
            }
            None => continue,
        }
        safe.indices.push((pc, sum));
    }
    (found, safe)
}

impl Translator<'_, '_, '_> {
    /// At the end of what stands before a loop: goes to the loop, or to its copy where that may be.
    pub(super) fn choose_copy(&mut self, entry: Entry) {
        let head = self.block_at(entry.head);
        let usual = entry.paid.unwrap_or(head);
        let Some(at) = self.copies.iter().position(|copy| copy.entry.head == entry.head) else {
            self.b.ins().jump(usual, &[]);
            return;
        };
        let Copy { counted, ref regs, ref inside, .. } = self.copies[at];
        let (regs, inside) = (regs.clone(), inside.clone());
        let small = self.copies[at].entry.paid.or(self.copies[at].blocks[entry.head]);
        let small = small.expect("a loop's head leads a block");
        let mut together = None;
        let bound = self.bound(counted);
        let numbers: Vec<Value> = regs.into_iter().map(|reg| self.scalar(reg)).collect();
        for value in numbers.into_iter().chain((counted.test < counted.last).then_some(bound)) {
            let above = self.b.ins().iadd_imm_s(value, SMALL);
            together = Some(match together {
                Some(others) => self.b.ins().bor(others, above),
                None => above,
            });
        }
        let together = together.expect("a counted loop has a counter");
        let mut fits = self.b.ins().icmp_imm_u(IntCC::UnsignedLessThan, together, 2 * SMALL);
        for inside in inside {
            let holds = self.is_inside(counted, bound, inside);
            fits = self.b.ins().band(fits, holds);
        }
        if self.copies[at].deep {
            let deeper = self.b.ins().icmp_imm_s(IntCC::NotEqual, self.left, 0);
            fits = self.b.ins().band(fits, deeper);
        }
        self.b.ins().brif(fits, small, &[], usual, &[]);
    }

    /// Whether these indices are inside; where the loop's numbers are small.
    fn is_inside(&mut self, counted: CountedLoop, bound: Value, inside: Inside) -> Value {
        let size = self.b.use_var(inside.size);
        let mut holds = None;
        let mut check = |this: &mut Self, value: Value, plus: i64| {
            let index = this.b.ins().iadd_imm_s(value, plus);
            let index = this.shifted(index, inside.base);
            let here = this.b.ins().icmp(IntCC::UnsignedLessThan, index, size);
            holds = Some(match holds {
                Some(others) => this.b.ins().band(others, here),
                None => here,
            });
        };
        if !inside.base.counts() {
            let value = self.terms(inside.base, None);
            check(self, value, inside.first);
            if inside.last != inside.first {
                check(self, value, inside.last);
            }
        } else {
            let first = self.scalar(counted.counter);
            // A loop that looks at its counter only at its end goes through it once.
            let (low, high) = if counted.down {
                let last = if counted.reaches { bound } else { self.b.ins().iadd_imm_s(bound, 1) };
                (self.b.ins().smin(first, last), first)
            } else {
                let last = if counted.reaches { bound } else { self.b.ins().iadd_imm_s(bound, -1) };
                (first, self.b.ins().smax(first, last))
            };
            // It has its extremes at the ends of the counter.
            let (at_low, at_high) = (self.terms(inside.base, Some(low)), self.terms(inside.base, Some(high)));
            check(self, at_low, inside.first);
            check(self, at_high, inside.last);
            if !inside.base.grows_alike() {
                check(self, at_low, inside.last);
                check(self, at_high, inside.first);
            }
        }
        holds.expect("something was compared")
    }

    pub(super) fn translate_copies(&mut self) {
        let mut copies = std::mem::take(&mut self.copies);
        for copy in &mut copies {
            let Entry { head, last, .. } = copy.entry;
            let entry = self.entries.iter().position(|entry| entry.head == head).expect("it was found there");
            std::mem::swap(&mut self.blocks, &mut copy.blocks);
            std::mem::swap(&mut self.ranges, &mut copy.ranges);
            std::mem::swap(&mut self.safe, &mut copy.safe);
            std::mem::swap(&mut self.deep, &mut copy.deep);
            std::mem::swap(&mut self.entries[entry], &mut copy.entry);
            if self.code(head..last + 1) {
                let behind = self.block_at(last + 1);
                self.settle(last + 1);
                self.b.ins().jump(behind, &[]);
            }
            self.begin_paid(self.entries[entry]);
            std::mem::swap(&mut self.entries[entry], &mut copy.entry);
            std::mem::swap(&mut self.blocks, &mut copy.blocks);
            std::mem::swap(&mut self.ranges, &mut copy.ranges);
            std::mem::swap(&mut self.safe, &mut copy.safe);
            std::mem::swap(&mut self.deep, &mut copy.deep);
        }
        self.copies = copies;
    }
}
