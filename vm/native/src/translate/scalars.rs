//! Moves, numbers, comparisons and jumps.

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::{F64, I8, I32, I64};
use cranelift_codegen::ir::{BlockArg, InstBuilder, JumpTableData, Value};
use dscript_bytecode::ids::*;
use dscript_bytecode::instr::Instr;

use super::Translator;
use super::loops::Chunk;
use crate::context::{What, helper};
use crate::ranges::Range;

impl<'p> Translator<'_, '_, 'p> {
    /// False where the instruction is not one of these.
    pub(super) fn scalar_instruction(&mut self, instr: &'p Instr) -> bool {
        match *instr {
            Instr::MoveScalar { src, dst } => {
                let value = self.scalar(src);
                self.set_scalar(dst, value);
            }
            Instr::Int { value, dst } => {
                let value = self.int(value);
                self.set_scalar(dst, value);
            }
            Instr::Double { value, dst } => {
                let value = self.b.ins().f64const(value);
                self.set_scalar(dst, value);
            }
            Instr::Bool { value, dst } => {
                let value = self.b.ins().iconst(I8, i64::from(value));
                self.set_scalar(dst, value);
            }

            Instr::AddInt { a, b, dst } => {
                let (x, y) = (self.scalar(a), self.scalar(b));
                let [p, q] = self.ranges.at(self.pc);
                let sum = match (self.constant(x), self.constant(y)) {
                    _ if p.plus(q).1 => self.b.ins().iadd(x, y),
                    (_, Some(value)) => self.add_constant(x, value, What::Sum, y),
                    (Some(value), None) => self.add_constant(y, value, What::SumOf, x),
                    // With one side's sign known the sum has overflowed when it lies on the wrong side of the other.
                    (None, None) if p.low >= 0 || q.low >= 0 => {
                        let sum = self.b.ins().iadd(x, y);
                        let other = if p.low >= 0 { y } else { x };
                        let overflow = self.b.ins().icmp(IntCC::SignedLessThan, sum, other);
                        self.trap_if(overflow, What::Sum, sum, y);
                        sum
                    }
                    (None, None) => {
                        self.check_overflow();
                        let (sum, overflow) = self.b.ins().sadd_overflow(x, y);
                        self.trap_if(overflow, What::Sum, sum, y);
                        sum
                    }
                };
                self.set_scalar(dst, sum);
            }
            Instr::AddImm { a, value, dst } => {
                let (x, y) = (self.scalar(a), self.int(value));
                let [p, q] = self.ranges.at(self.pc);
                let sum = if p.plus(q).1 {
                    let sum = self.b.ins().iadd(x, y);
                    if self.steps_counter(a, dst) { self.opaque(sum) } else { sum }
                } else {
                    self.add_constant(x, value, What::Sum, y)
                };
                self.set_scalar(dst, sum);
            }
            Instr::SubInt { a, b, dst } => {
                let (x, y) = (self.scalar(a), self.scalar(b));
                let [p, q] = self.ranges.at(self.pc);
                let difference = match self.constant(y) {
                    _ if p.minus(q).1 => self.b.ins().isub(x, y),
                    Some(value) if value != i64::MIN => self.add_constant(x, -value, What::Difference, y),
                    _ if q.low >= 0 => {
                        let difference = self.b.ins().isub(x, y);
                        let overflow = self.b.ins().icmp(IntCC::SignedGreaterThan, difference, x);
                        self.trap_if(overflow, What::Difference, difference, y);
                        difference
                    }
                    _ => {
                        self.check_overflow();
                        let (difference, overflow) = self.b.ins().ssub_overflow(x, y);
                        self.trap_if(overflow, What::Difference, difference, y);
                        difference
                    }
                };
                self.set_scalar(dst, difference);
            }
            Instr::MulInt { a, b, dst } => {
                let (x, y) = (self.scalar(a), self.scalar(b));
                let [p, q] = self.ranges.at(self.pc);
                let product = if p.times(q).1 {
                    self.multiply(x, y)
                } else if let Some(times) = multiple_of(p, q).filter(|times| times.is_positive) {
                    // One comparison, where the processor's own test of a product takes three steps.
                    let overflow = self.misfits(times, x, y);
                    self.trap_if(overflow, What::Mul, x, y);
                    self.multiply(x, y)
                } else {
                    self.check_overflow();
                    let (product, overflow) = self.b.ins().smul_overflow(x, y);
                    self.trap_if(overflow, What::Mul, x, y);
                    product
                };
                self.set_scalar(dst, product);
            }
            Instr::DivInt { a, b, dst } => {
                let (x, y) = (self.scalar(a), self.scalar(b));
                let quotient = self.divide(x, y);
                self.set_scalar(dst, quotient);
            }
            Instr::RemInt { a, b, dst } => {
                let (x, y) = (self.scalar(a), self.scalar(b));
                let [p, q] = self.ranges.at(self.pc);
                if !q.lacks(0) {
                    let zero = self.b.ins().icmp_imm_s(IntCC::Equal, y, 0);
                    self.trap_if(zero, What::RemZero, x, y);
                }
                let rest = self.rest(x, y, [p, q]);
                self.set_scalar(dst, rest);
            }
            Instr::NegInt { a, dst } => {
                let x = self.scalar(a);
                let overflow = self.b.ins().icmp_imm_s(IntCC::Equal, x, i64::MIN);
                self.trap_if(overflow, What::Neg, x, x);
                let value = self.b.ins().ineg(x);
                self.set_scalar(dst, value);
            }
            Instr::AndInt { a, b, dst } => self.binary(a, b, dst, |t, x, y| {
                const LOW: Option<i64> = Some(u32::MAX as i64);
                match [x, y].map(|value| t.constant(value)) {
                    [_, LOW] => t.low_half(x),
                    [LOW, _] => t.low_half(y),
                    _ => t.b.ins().band(x, y),
                }
            }),
            Instr::OrInt { a, b, dst } => self.binary(a, b, dst, |t, x, y| t.b.ins().bor(x, y)),
            Instr::XorInt { a, b, dst } => self.binary(a, b, dst, |t, x, y| t.b.ins().bxor(x, y)),
            Instr::NotInt { a, dst } => {
                let x = self.scalar(a);
                let value = self.b.ins().bnot(x);
                self.set_scalar(dst, value);
            }
            Instr::ShlInt { a, b, dst } => self.shift(a, b, dst, |t, x, y| t.b.ins().ishl(x, y)),
            Instr::ShrInt { a, b, dst } => self.shift(a, b, dst, |t, x, y| t.b.ins().sshr(x, y)),
            Instr::UShrInt { a, b, dst } => self.shift(a, b, dst, |t, x, y| t.b.ins().ushr(x, y)),

            Instr::AddDouble { a, b, dst } => self.binary(a, b, dst, |t, x, y| t.b.ins().fadd(x, y)),
            Instr::SubDouble { a, b, dst } => self.binary(a, b, dst, |t, x, y| t.b.ins().fsub(x, y)),
            Instr::MulDouble { a, b, dst } => self.binary(a, b, dst, |t, x, y| t.b.ins().fmul(x, y)),
            Instr::DivDouble { a, b, dst } => self.binary(a, b, dst, |t, x, y| t.b.ins().fdiv(x, y)),
            Instr::RemDouble { a, b, dst } => self.binary(a, b, dst, |t, x, y| t.remainder(x, y)),
            Instr::NegDouble { a, dst } => {
                let x = self.scalar(a);
                let value = self.b.ins().fneg(x);
                self.set_scalar(dst, value);
            }
            Instr::IntToDouble { a, dst } => {
                let x = self.scalar(a);
                let value = self.b.ins().fcvt_from_sint(F64, x);
                self.set_scalar(dst, value);
            }
            Instr::DoubleToInt { a, dst } => {
                let x = self.scalar(a);
                let low = self.b.ins().f64const(i64::MIN as f64);
                let high = self.b.ins().f64const(-(i64::MIN as f64));
                let from = self.b.ins().fcmp(FloatCC::GreaterThanOrEqual, x, low);
                let to = self.b.ins().fcmp(FloatCC::LessThan, x, high);
                let fits = self.b.ins().band(from, to);
                let misfit = self.b.ins().icmp_imm_s(IntCC::Equal, fits, 0);
                let no_int = misfit;
                self.rarely(no_int, |this| {
                    let bits = this.b.ins().bitcast(I64, cranelift_codegen::ir::MemFlagsData::new(), x);
                    this.trap(What::Cast, bits, bits);
                });
                let value = self.b.ins().fcvt_to_sint_sat(I64, x);
                self.set_scalar(dst, value);
            }

            Instr::EqInt { a, b, dst } => self.compare(IntCC::Equal, a, b, dst),
            Instr::LtInt { a, b, dst } => self.compare(IntCC::SignedLessThan, a, b, dst),
            Instr::LeInt { a, b, dst } => self.compare(IntCC::SignedLessThanOrEqual, a, b, dst),
            Instr::EqBool { a, b, dst } => self.compare(IntCC::Equal, a, b, dst),
            Instr::EqDouble { a, b, dst } => self.compare_doubles(FloatCC::Equal, a, b, dst),
            Instr::LtDouble { a, b, dst } => self.compare_doubles(FloatCC::LessThan, a, b, dst),
            Instr::LeDouble { a, b, dst } => self.compare_doubles(FloatCC::LessThanOrEqual, a, b, dst),
            Instr::NotBool { a, dst } => {
                let x = self.scalar(a);
                let value = self.b.ins().icmp_imm_s(IntCC::Equal, x, 0);
                self.set_scalar(dst, value);
            }

            Instr::Jump { to } => self.jump(to),
            Instr::If { a, to } => {
                let x = self.scalar(a);
                self.jump_if(x, to);
            }
            Instr::IfNot { a, to } => {
                let x = self.scalar(a);
                let not = self.b.ins().icmp_imm_s(IntCC::Equal, x, 0);
                self.jump_if(not, to);
            }
            Instr::IfEqInt { a, b, to } => self.jump_compared(IntCC::Equal, a, b, to),
            Instr::IfNeInt { a, b, to } => self.jump_compared(IntCC::NotEqual, a, b, to),
            Instr::IfLtInt { a, b, to } => self.jump_compared(IntCC::SignedLessThan, a, b, to),
            Instr::IfLeInt { a, b, to } => self.jump_compared(IntCC::SignedLessThanOrEqual, a, b, to),
            Instr::IfEqDouble { a, b, to } => self.jump_doubles(FloatCC::Equal, a, b, to),
            Instr::IfNeDouble { a, b, to } => self.jump_doubles(FloatCC::NotEqual, a, b, to),
            Instr::IfLtDouble { a, b, to } => self.jump_doubles(FloatCC::LessThan, a, b, to),
            Instr::IfLeDouble { a, b, to } => self.jump_doubles(FloatCC::LessThanOrEqual, a, b, to),
            Instr::IfNotLtDouble { a, b, to } => {
                if !self.choose_extreme(a, b, to) {
                    self.jump_doubles(FloatCC::UnorderedOrGreaterThanOrEqual, a, b, to);
                }
            }
            Instr::IfNotLeDouble { a, b, to } => self.jump_doubles(FloatCC::UnorderedOrGreaterThan, a, b, to),
            Instr::Switch { a, low, ref targets, default } => self.switch(a, low, targets, default),
            _ => return false,
        }
        true
    }

    fn binary(&mut self, a: S, b: S, dst: S, op: impl FnOnce(&mut Self, Value, Value) -> Value) {
        let (x, y) = (self.scalar(a), self.scalar(b));
        let value = op(self, x, y);
        self.set_scalar(dst, value);
    }

    /// What is left of a division by what is not 0, of numbers in these ranges.
    pub(super) fn rest(&mut self, x: Value, y: Value, [p, q]: [Range; 2]) -> Value {
        match self.constant(y) {
            Some(-1) => self.int(0),
            Some(value) if p.low >= 0 && power_of_two(q).is_some() => self.b.ins().band_imm_s(x, value - 1),
            // Without a look at what is below zero.
            _ if p.low >= 0 && q.low > 0 => self.b.ins().urem(x, y),
            _ => self.b.ins().srem(x, y),
        }
    }

    /// The lower half of a word: as a number of its own that is an instruction less than a mask.
    pub(super) fn low_half(&mut self, word: Value) -> Value {
        let half = self.b.ins().ireduce(I32, word);
        self.b.ins().uextend(I64, half)
    }

    /// x + constant: it has overflowed when the sum lies on the wrong side of x.
    fn add_constant(&mut self, x: Value, constant: i64, what: What, other: Value) -> Value {
        let sum = self.b.ins().iadd_imm_s(x, constant);
        if constant != 0 {
            let wrong = if constant > 0 { IntCC::SignedLessThan } else { IntCC::SignedGreaterThan };
            let overflow = self.b.ins().icmp(wrong, sum, x);
            self.trap_if(overflow, what, sum, other);
        }
        sum
    }

    /// What follows of the instruction jumps by a flag of overflow, which nothing else reads.
    pub(super) fn check_overflow(&mut self) {
        self.here();
        self.unit.checks.insert(self.place);
    }

    /// A value that the code generator does not look into. It would make a sum with a constant anew wherever it is used, and
    /// a counter's old and new value would both be needed at the loop's end, so that one is moved to the other there.
    fn opaque(&mut self, value: Value) -> Value {
        let twice = self.b.ins().iconcat(value, value);
        self.b.ins().isplit(twice).0
    }

    /// Whether the instruction makes the counter of a loop around it grow.
    fn steps_counter(&self, a: S, dst: S) -> bool {
        let next = &self.function.code[self.pc + 1];
        let counts = |chunk: &Chunk| {
            let counter = chunk.of.counter;
            let moved = || matches!(*next, Instr::MoveScalar { src, dst: to } if src == dst && to == counter);
            chunk.holds(self.pc) && a == counter && (dst == counter || moved())
        };
        self.chunks.iter().any(counts)
    }

    /// Whether so many times a number do not fit an int, by the number alone.
    pub(super) fn misfits(&mut self, times: Times, x: Value, y: Value) -> Value {
        let factor = if times.of_first { x } else { y };
        let (least, most) = (i64::MIN / times.by, i64::MAX / times.by);
        if times.is_positive {
            return self.b.ins().icmp_imm_s(IntCC::SignedGreaterThan, factor, most);
        }
        let above = self.b.ins().iadd_imm_s(factor, -least);
        self.b.ins().icmp_imm_u(IntCC::UnsignedGreaterThan, above, most - least)
    }

    /// A product that fits.
    pub(super) fn multiply(&mut self, x: Value, y: Value) -> Value {
        let (of, times) = match (self.constant(x), self.constant(y)) {
            (Some(value), _) => (y, value),
            (_, Some(value)) => (x, value),
            _ => (x, 0),
        };
        match times {
            // One step to add it to a multiple of itself, three to multiply.
            3 | 5 | 9 => {
                let shifted = self.b.ins().ishl_imm_u(of, i64::from((times - 1).trailing_zeros()));
                self.b.ins().iadd(of, shifted)
            }
            _ => self.b.ins().imul(x, y),
        }
    }

    pub(super) fn divide(&mut self, x: Value, y: Value) -> Value {
        let [p, q] = self.ranges.at(self.pc);
        if p.low >= 0
            && let Some(shift) = power_of_two(q)
        {
            return self.b.ins().ushr_imm_u(x, shift);
        }
        if p.low >= 0 && q.low > 0 {
            return self.b.ins().udiv(x, y);
        }
        if q.lacks(0) && (q.lacks(-1) || p.lacks(i64::MIN)) {
            return self.b.ins().sdiv(x, y);
        }
        let zero = self.b.ins().icmp_imm_s(IntCC::Equal, y, 0);
        self.trap_if(zero, What::DivZero, x, y);
        let minus = self.b.ins().icmp_imm_s(IntCC::Equal, y, -1);
        let (negate, divide, done) = (self.cold(), self.b.create_block(), self.b.create_block());
        let result = self.b.append_block_param(done, I64);
        self.b.ins().brif(minus, negate, &[], divide, &[]);
        self.go_to(negate);
        let overflow = self.b.ins().icmp_imm_s(IntCC::Equal, x, i64::MIN);
        self.trap_if(overflow, What::Div, x, y);
        let value = self.b.ins().ineg(x);
        self.join(done, value);
        self.go_to(divide);
        let value = self.b.ins().sdiv(x, y);
        self.join(done, value);
        self.go_to(done);
        result
    }

    fn shift(&mut self, a: S, b: S, dst: S, op: impl FnOnce(&mut Self, Value, Value) -> Value) {
        let (x, y) = (self.scalar(a), self.scalar(b));
        if !self.ranges.at(self.pc)[1].within(0, 63) {
            let outside = self.b.ins().icmp_imm_s(IntCC::UnsignedGreaterThan, y, 63);
            self.trap_if(outside, What::Shift, x, y);
        }
        let value = op(self, x, y);
        self.set_scalar(dst, value);
    }

    /// `%` of doubles, by a helper that calls nothing.
    fn remainder(&mut self, x: Value, y: Value) -> Value {
        self.ask(helper::REMAINDER, &[x, y], F64)
    }

    fn compare(&mut self, condition: IntCC, a: S, b: S, dst: S) {
        let (x, y) = (self.scalar(a), self.scalar(b));
        let value = self.compared(condition, x, y);
        self.set_scalar(dst, value);
    }

    fn compare_doubles(&mut self, condition: FloatCC, a: S, b: S, dst: S) {
        let (x, y) = (self.scalar(a), self.scalar(b));
        let value = self.b.ins().fcmp(condition, x, y);
        self.set_scalar(dst, value);
    }

    fn jump_compared(&mut self, condition: IntCC, a: S, b: S, to: Label) {
        let (x, y) = (self.scalar(a), self.scalar(b));
        if let Some(chunk) = self.chunk(to) {
            return self.jump_counted(chunk, condition, x, y);
        }
        let holds = self.compared(condition, x, y);
        self.jump_if(holds, to);
    }

    fn jump_doubles(&mut self, condition: FloatCC, a: S, b: S, to: Label) {
        let (x, y) = (self.scalar(a), self.scalar(b));
        let holds = self.b.ins().fcmp(condition, x, y);
        self.jump_if(holds, to);
    }

    fn switch(&mut self, a: S, low: i64, targets: &[Label], default: Label) {
        let x = self.scalar(a);
        let place = self.b.ins().iadd_imm_s(x, low.wrapping_neg());
        let outside = self.b.ins().icmp_imm_s(IntCC::UnsignedGreaterThanOrEqual, place, targets.len() as i64);
        let inside = self.b.create_block();
        // A jump backward needs a block of its own for the interruption, as one into a loop for what is read there.
        let mut edges = Vec::new();
        let mut edge = |this: &mut Self, to: Label| {
            if to.index() > this.from && !this.enters_loops(Some(this.from), to.index()) {
                return this.block_at(to.index());
            }
            let block = this.b.create_block();
            edges.push((block, to));
            block
        };
        for to in targets.iter().chain([&default]) {
            self.settle(to.index());
        }
        let default = edge(self, default);
        let targets: Vec<_> = targets.iter().map(|to| edge(self, *to)).collect();
        self.b.ins().brif(outside, default, &[], inside, &[]);
        self.go_to(inside);
        let index = self.b.ins().ireduce(I32, place);
        let none: [BlockArg; 0] = [];
        let pool = &mut self.b.func.dfg.value_lists;
        let call = |block, pool: &mut _| cranelift_codegen::ir::BlockCall::new(block, none, pool);
        let default = call(default, pool);
        let calls: Vec<_> = targets.iter().map(|block| call(*block, pool)).collect();
        let table = self.b.create_jump_table(JumpTableData::new(default, &calls));
        self.b.ins().br_table(index, table);
        for (block, to) in edges {
            self.jump_on_edge(block, to);
        }
    }
}

/// A product of a number and one above 1 that is known.
#[derive(Clone, Copy)]
pub(super) struct Times {
    of_first: bool,
    is_positive: bool,
    by: i64,
}

/// Of factors in these ranges, where one is known.
pub(super) fn multiple_of(p: Range, q: Range) -> Option<Times> {
    let known = |range: Range| (range.low == range.high && range.low > 1).then_some(range.low);
    let times = |of_first: bool, of: Range, by: i64| Times { of_first, is_positive: of.low >= 0, by };
    known(q).map(|by| times(true, p, by)).or_else(|| known(p).map(|by| times(false, q, by)))
}

/// The logarithm of a number that is known and a power of two.
pub(super) fn power_of_two(range: Range) -> Option<i64> {
    let known = range.low == range.high && range.low > 0 && range.low & (range.low - 1) == 0;
    known.then(|| i64::from(range.low.trailing_zeros()))
}
