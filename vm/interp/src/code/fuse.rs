//! Puts steps together: a step reads its operands where they are instead of from registers that hold them only for it,
//! and changes a value where it is.
//!
//! A step that makes a value is put into the one that needs it only where nothing between would notice: nothing may
//! write what it reads, and what may trap does so in the order in which it was written. Each part keeps its place.

use super::Form;
use super::op::*;
use super::select::{LOOK_BACK, Operands, Pass, Stage};
use dscript_bytecode::ids::*;
use dscript_bytecode::instr::Instr;

impl Pass<'_> {
    pub(super) fn fuse(&mut self, start: usize, at: usize, stage: Stage) -> bool {
        match stage {
            Stage::Places => self.fuse_place(start, at),
            Stage::Operands => self.fuse_operands(start, at),
            Stage::Changes => self.fuse_change(start, at),
            Stage::Clean | Stage::Arguments => false,
        }
    }

    /// The step before `at` that makes `made`, which only `at` needs, where it may as well be done at `at`.
    fn maker(&self, start: usize, at: usize, made: Reg) -> Option<usize> {
        let mut here = Operands::default();
        here.of(&self.steps[at].op);
        if self.live.has(made) && !here.defs.contains(&made)
            || here.uses.iter().filter(|r| **r == made).count() > 1
        {
            return None;
        }
        let (mut written, mut most) = (Vec::new(), Effect::None);
        let mut between = Operands::default();
        for j in (start.max(at.saturating_sub(LOOK_BACK))..at).rev() {
            let op = &self.steps[j].op;
            if matches!(op, Op::Gone) {
                continue;
            }
            between.of(op);
            if between.defs.contains(&made) {
                let moves = match op.effect() {
                    Effect::None => most < Effect::Writes || matches!(op, Op::Plain(Instr::MulDouble { .. })),
                    Effect::Traps => most == Effect::None,
                    Effect::Writes => false,
                };
                return (moves && between.uses.iter().all(|r| !written.contains(r))).then_some(j);
            }
            let is_asked = op.interrupts() && self.regions.contains(&made);
            if between.uses.contains(&made) || !between.labels.is_empty() || is_asked {
                return None;
            }
            most = most.max(op.effect());
            written.extend(&between.defs);
        }
        None
    }

    /// The constant that is added to an index, by the only step that needs it.
    fn shift(&mut self, start: usize, at: usize, index: S) -> Option<(S, Shift)> {
        let j = self.maker(start, at, Reg::S(index))?;
        let Op::IntImm { op: IntOp::Add, form, a, value, .. } = self.steps[j].op else { return None };
        self.steps[j].op = Op::Gone;
        Some((a, Shift { pc: j as u32, form, value }))
    }

    /// How elements are found: indices with a constant, and lists that are elements.
    fn fuse_place(&mut self, start: usize, at: usize) -> bool {
        let (list, index) = match self.steps[at].op {
            Op::Plain(
                Instr::ListGetScalar { list, index, .. } | Instr::ListSetScalar { list, index, .. },
            ) if self.facts.words[self.written_list(at).index()] => (list, index),
            _ => return false,
        };
        let mut place = Index::new(at, index);
        if let Some((reg, shift)) = self.shift(start, at, index) {
            place = Index { pc: at as u32, reg, shift: Some(shift) };
            self.put_place(at, Source::Element { list, at: place.clone() });
        }
        if let Some(j) = self.maker(start, at, Reg::R(list))
            && let Op::Plain(Instr::ListGetRef { list: lists, index, .. }) = self.steps[j].op
        {
            self.steps[j].op = Op::Gone;
            let mut row = Index::new(j, index);
            self.put_place(at, Source::Nested { lists, row: row.clone(), at: place.clone() });
            if let Some((reg, shift)) = self.shift(start, at, index) {
                row = Index { pc: j as u32, reg, shift: Some(shift) };
                self.put_place(at, Source::Nested { lists, row, at: place });
            }
            return true;
        }
        place.shift.is_some()
    }

    /// The list of an element as the portable instruction names it.
    fn written_list(&self, at: usize) -> R {
        match self.f.code[at] {
            Instr::ListGetScalar { list, .. } | Instr::ListSetScalar { list, .. } => list,
            _ => panic!("a step of an element stands for an instruction of one"),
        }
    }

    /// Has a step read or write there.
    fn put_place(&mut self, at: usize, place: Source) {
        let op = &mut self.steps[at].op;
        *op = match op {
            Op::Plain(Instr::ListGetScalar { dst, .. }) | Op::Load { dst, .. } => {
                Op::Load { from: place, dst: *dst }
            }
            Op::Plain(Instr::ListSetScalar { src, .. }) => {
                Op::Store { to: place, value: Source::Register(*src) }
            }
            Op::Store { value, .. } => Op::Store { to: place, value: value.clone() },
            _ => panic!("a step of an element reads or writes one"),
        };
    }

    /// Where the value of a register is, which only step `at` needs; the step that reads it.
    fn place_of(&self, start: usize, at: usize, reg: S) -> Option<(usize, Source)> {
        let j = self.maker(start, at, Reg::S(reg))?;
        let place = match &self.steps[j].op {
            Op::Plain(Instr::GetScalar { object, slot, .. }) => {
                Source::Field { object: *object, slot: *slot }
            }
            Op::Plain(Instr::ListGetScalar { list, index, .. }) => {
                let (list, at) = (*list, Index::new(j, *index));
                match self.facts.words[self.written_list(j).index()] {
                    true => Source::Element { list, at },
                    false => Source::Bool { list, at },
                }
            }
            Op::Load { from, .. } => from.clone(),
            _ => return None,
        };
        Some((j, place))
    }

    fn fuse_operands(&mut self, start: usize, at: usize) -> bool {
        self.fuse_product(start, at) || self.fuse_remainder(start, at) || self.fuse_sources(start, at)
    }

    /// Sums of a product.
    fn fuse_product(&mut self, start: usize, at: usize) -> bool {
        let product = |pass: &Self, reg: S| pass.maker(start, at, Reg::S(reg));
        match self.steps[at].op {
            Op::Plain(Instr::AddDouble { a, b, dst } | Instr::SubDouble { a, b, dst }) if a != b => {
                let op = match self.steps[at].op {
                    Op::Plain(Instr::AddDouble { .. }) => DoubleOp::Add,
                    _ => DoubleOp::Sub,
                };
                // The second operand first: its maker is the nearer one.
                for (made, c, left) in [(b, a, false), (a, b, true)] {
                    if let Some(j) = product(self, made)
                        && let Op::Plain(Instr::MulDouble { a, b, .. }) = self.steps[j].op
                        && (op == DoubleOp::Add || !left)
                    {
                        let (a, b) = (Source::Register(a), Source::Register(b));
                        self.steps[at].op = Op::MulAdd { op, a, b, c, dst };
                        self.steps[j].op = Op::Gone;
                        return true;
                    }
                }
                false
            }
            Op::Plain(Instr::AddInt { a, b, dst }) if a != b => {
                for (made, c, form) in [(b, a, Form::Swapped), (a, b, Form::Written)] {
                    if let Some(j) = product(self, made) {
                        let c = Source::Register(c);
                        if self.add_to_product(at, j, c, form, dst) {
                            return true;
                        }
                    }
                }
                false
            }
            Op::IntImm { op: IntOp::Add, form, a, value, dst } => {
                let c = Source::Constant(i64::from(value) as u64);
                product(self, a).is_some_and(|j| self.add_to_product(at, j, c, form, dst))
            }
            _ => false,
        }
    }

    fn add_to_product(&mut self, at: usize, j: usize, c: Source, form: Form, dst: S) -> bool {
        let (a, b, product_form) = match self.steps[j].op {
            Op::Plain(Instr::MulInt { a, b, .. }) => (a, Source::Register(b), Form::Written),
            Op::IntImm { op: IntOp::Mul, form, a, value, .. } => {
                (a, Source::Constant(i64::from(value) as u64), form)
            }
            _ => return false,
        };
        self.steps[at].op = Op::MulAddInt { product: j as u32, product_form, form, a, b, c, dst };
        self.steps[j].op = Op::Gone;
        true
    }

    /// Jumps by a remainder.
    fn fuse_remainder(&mut self, start: usize, at: usize) -> bool {
        let Op::IfImm { cond, a, value, to } = self.steps[at].op else { return false };
        let equal = match cond {
            Cond::Eq => true,
            Cond::Ne => false,
            Cond::Lt | Cond::Ge => return false,
        };
        let Some(j) = self.maker(start, at, Reg::S(a)) else { return false };
        let (a, b) = match self.steps[j].op {
            Op::IntImm { op: IntOp::Rem, a, value, .. } => (a, Source::Constant(value as u64)),
            Op::Plain(Instr::RemInt { a, b, .. }) => (a, Source::Register(b)),
            _ => return false,
        };
        self.steps[at].op = Op::IfRem { remainder: j as u32, a, b, value: i32::from(value), equal, to };
        self.steps[j].op = Op::Gone;
        true
    }

    /// Operands in memory.
    fn fuse_sources(&mut self, start: usize, at: usize) -> bool {
        let Some(mut operands) = sources(&self.steps[at].op) else { return false };
        let mut fused = false;
        for second in [true, false] {
            let Source::Register(reg) = *operands.side(second) else { continue };
            let Some((j, place)) = self.place_of(start, at, reg) else { continue };
            let mut better = operands.clone();
            *better.side(second) = place;
            if !better.fit(&self.steps[at].op) {
                continue;
            }
            let mut step = self.steps[at].op.clone();
            put_sources(&mut step, &better);
            if better.is_backwards() {
                let Op::Branch { test, a, b, to } = step else { continue };
                let Some(test) = test.mirrored() else { continue };
                better = Pair { a: b, b: a };
                step = Op::Branch { test, a: better.a.clone(), b: better.b.clone(), to };
            }
            // The makers of what is left are looked for from the step as it is then.
            self.steps[at].op = step;
            self.steps[j].op = Op::Gone;
            operands = better;
            fused = true;
        }
        fused
    }

    /// Operations whose result goes where one of the operands was.
    fn fuse_change(&mut self, start: usize, at: usize) -> bool {
        let (to, value) = match &self.steps[at].op {
            Op::Plain(Instr::SetScalar { object, slot, src }) => {
                (Source::Field { object: *object, slot: *slot }, *src)
            }
            Op::Plain(Instr::ListSetScalar { list, index, src }) => {
                let (list, index, src) = (*list, *index, *src);
                if !self.facts.words[self.written_list(at).index()] {
                    return self.fuse_bool(start, at, list, index, src);
                }
                (Source::Element { list, at: Index::new(at, index) }, src)
            }
            Op::Store { to, value: Source::Register(src) } => (to.clone(), *src),
            _ => return false,
        };
        if self.fuse_swap(start, at, &to, value) {
            return true;
        }
        let Some(j) = self.maker(start, at, Reg::S(value)) else { return false };
        let operation = j as u32;
        let better = match &self.steps[j].op {
            Op::Binary { op, form, a, b, .. } if a.is_same(&to) && !b.is_place() => {
                Op::Change { operation, op: *op, form: *form, to: a.clone(), b: b.clone() }
            }
            // Of sums it does not matter which operand is first, but for what a trap says.
            Op::Binary { op: op @ (BinaryOp::AddInt | BinaryOp::Double(DoubleOp::Add)), a, b, .. }
                if b.is_same(&to) && !a.is_place() =>
            {
                Op::Change { operation, op: *op, form: Form::Swapped, to: b.clone(), b: a.clone() }
            }
            Op::MulAdd { op, a: Source::Register(a), b: Source::Register(b), c, .. } => {
                let (op, a, b, c) = (*op, *a, *b, *c);
                let Source::Field { object, slot } = to else { return false };
                let Some((k, from)) = self.place_before(start, j, at, c) else { return false };
                if from != to {
                    return false;
                }
                self.steps[k].op = Op::Gone;
                Op::ChangeMul { op, a, b, object, slot }
            }
            Op::Plain(Instr::Int { value, .. }) => match (&to, *value) {
                (Source::Field { .. }, _) => return false,
                (_, value) => Op::Store { to, value: Source::Constant(value as u64) },
            },
            Op::Plain(Instr::Double { value, .. }) if !matches!(to, Source::Field { .. }) => {
                Op::Store { to, value: Source::Constant(value.to_bits()) }
            }
            Op::Plain(Instr::ListGetScalar { list, index, .. })
                if self.facts.words[self.written_list(j).index()] && matches!(to, Source::Element { .. }) =>
            {
                Op::Store { to, value: Source::Element { list: *list, at: Index::new(j, *index) } }
            }
            Op::Load { from: from @ Source::Element { .. }, .. } if matches!(to, Source::Element { .. }) => {
                Op::Store { to, value: from.clone() }
            }
            _ => return false,
        };
        self.steps[at].op = better;
        self.steps[j].op = Op::Gone;
        true
    }

    /// A constant for an element of a list of booleans.
    fn fuse_bool(&mut self, start: usize, at: usize, list: R, index: S, src: S) -> bool {
        let Some(j) = self.maker(start, at, Reg::S(src)) else { return false };
        let Op::Plain(Instr::Bool { value, .. }) = self.steps[j].op else { return false };
        self.steps[at].op = Op::StoreBool { list, index, value };
        self.steps[j].op = Op::Gone;
        true
    }

    /// The field that a step reads which is put into `j`, and with that into `at`: only `j` needs it.
    fn place_before(&self, start: usize, j: usize, at: usize, reg: S) -> Option<(usize, Source)> {
        let reg = Reg::S(reg);
        let mut between = Operands::default();
        if self.live.has(reg) {
            return None;
        }
        let mut written = Vec::new();
        for step in &self.steps[j + 1..=at] {
            between.of(&step.op);
            if between.uses.contains(&reg) || between.defs.contains(&reg) {
                return None;
            }
            written.extend(&between.defs);
        }
        for k in (start.max(j.saturating_sub(LOOK_BACK))..j).rev() {
            let op = &self.steps[k].op;
            between.of(op);
            if between.defs.contains(&reg) {
                let Op::Plain(Instr::GetScalar { object, slot, .. }) = *op else { return None };
                let is_same = !written.contains(&Reg::R(object));
                return is_same.then_some((k, Source::Field { object, slot }));
            }
            if between.uses.contains(&reg) || !between.labels.is_empty() || op.effect() > Effect::None {
                return None;
            }
            written.extend(&between.defs);
        }
        None
    }

    /// Two elements read into registers, and each written where the other was.
    fn fuse_swap(&mut self, start: usize, at: usize, second: &Source, value: S) -> bool {
        let mut before = (start..at).rev().filter(|j| !matches!(self.steps[*j].op, Op::Gone));
        let (Some(set), Some(read), Some(first)) = (before.next(), before.next(), before.next()) else {
            return false;
        };
        let of = |at: usize| match &self.steps[at].op {
            Op::Plain(
                Instr::ListGetScalar { list, index, dst: reg }
                | Instr::ListSetScalar { list, index, src: reg },
            ) => Some((Source::Element { list: *list, at: Index::new(at, *index) }, *reg)),
            Op::Load { from, dst } => Some((from.clone(), *dst)),
            Op::Store { to, value: Source::Register(reg) } => Some((to.clone(), *reg)),
            _ => None,
        };
        let is_set = |at: usize| {
            matches!(self.steps[at].op, Op::Plain(Instr::ListSetScalar { .. }) | Op::Store { .. })
        };
        if !is_set(set) || is_set(read) || is_set(first) {
            return false;
        }
        let (Some((a_to, other)), Some((b, b_reg)), Some((a, a_reg))) = (of(set), of(read), of(first)) else {
            return false;
        };
        let (Source::Element { list: x, at: i }, Source::Element { list: y, at: k }) = (&a, &b) else {
            return false;
        };
        let dead = [a_reg, b_reg].iter().all(|reg| !self.live.has(Reg::S(*reg)));
        let read_apart =
            a_reg != b_reg && ![i.reg, k.reg].contains(&a_reg) && ![i.reg, k.reg].contains(&b_reg);
        let swaps = b_reg == other && a_reg == value && a.is_same(&a_to) && b.is_same(second);
        if !(x == y && dead && read_apart && swaps) {
            return false;
        }
        self.steps[at].op = Op::Swap { a, b };
        for gone in [set, read, first] {
            self.steps[gone].op = Op::Gone;
        }
        true
    }
}

/// The two operands of a step that may be in memory.
#[derive(Clone)]
struct Pair {
    a: Source,
    b: Source,
}

impl Pair {
    /// Whether the second operand is written before the first, and both may trap: the first is looked for first.
    fn is_backwards(&self) -> bool {
        match (self.a.looked_for_at(), self.b.looked_for_at()) {
            (Some(a), Some(b)) => b < a,
            _ => false,
        }
    }

    fn side(&mut self, second: bool) -> &mut Source {
        if second { &mut self.b } else { &mut self.a }
    }

    /// Whether there is a handler for such operands; makes both of one kind.
    fn fit(&mut self, op: &Op) -> bool {
        let booleans = [&self.a, &self.b].iter().any(|source| matches!(source, Source::Bool { .. }));
        if booleans || matches!(op, Op::Branch { test: Test::True | Test::False, .. }) {
            return matches!(op, Op::Plain(Instr::If { .. } | Instr::IfNot { .. }));
        }
        if matches!(op, Op::Plain(Instr::If { .. } | Instr::IfNot { .. })) {
            return matches!(self.a, Source::Field { .. });
        }
        if !self.a.is_place() || !self.b.is_place() {
            return true;
        }
        match (&mut self.a, &mut self.b) {
            (Source::Field { .. }, Source::Field { .. }) => true,
            (Source::Element { at: a, .. }, Source::Element { at: b, .. }) => {
                alike(a, b);
                true
            }
            (Source::Nested { row, at, .. }, Source::Nested { row: other_row, at: other, .. }) => {
                let shifted = [&*row, at, other_row, other].iter().any(|index| index.shift.is_some());
                if shifted {
                    for index in [row, at, other_row, other] {
                        shifted_by_none(index);
                    }
                }
                true
            }
            _ => false,
        }
    }
}

fn alike(a: &mut Index, b: &mut Index) {
    if a.shift.is_some() || b.shift.is_some() {
        shifted_by_none(a);
        shifted_by_none(b);
    }
}

/// An index with a shift, if by 0.
fn shifted_by_none(index: &mut Index) {
    let pc = index.pc;
    index.shift.get_or_insert(Shift { pc, form: Form::Written, value: 0 });
}

fn sources(op: &Op) -> Option<Pair> {
    let registers = |a: S, b: S| (a != b).then_some(Pair { a: Source::Register(a), b: Source::Register(b) });
    let with_constant =
        |a: S, value: i64| Some(Pair { a: Source::Register(a), b: Source::Constant(value as u64) });
    match *op {
        Op::Plain(
            Instr::AddInt { a, b, .. }
            | Instr::SubInt { a, b, .. }
            | Instr::MulInt { a, b, .. }
            | Instr::AddDouble { a, b, .. }
            | Instr::SubDouble { a, b, .. }
            | Instr::MulDouble { a, b, .. }
            | Instr::DivDouble { a, b, .. }
            | Instr::IfEqInt { a, b, .. }
            | Instr::IfNeInt { a, b, .. }
            | Instr::IfLtInt { a, b, .. }
            | Instr::IfLeInt { a, b, .. }
            | Instr::IfLtDouble { a, b, .. }
            | Instr::IfLeDouble { a, b, .. }
            | Instr::IfNotLtDouble { a, b, .. }
            | Instr::IfNotLeDouble { a, b, .. },
        ) => registers(a, b),
        Op::Plain(Instr::If { a, .. } | Instr::IfNot { a, .. }) => with_constant(a, 0),
        Op::IntImm { op: IntOp::Add | IntOp::Mul, a, value, .. } => with_constant(a, value.into()),
        Op::IfImm { a, value, .. } => with_constant(a, value.into()),
        Op::DoubleConst { op, a, value, left, .. }
            if !left || matches!(op, DoubleOp::Add | DoubleOp::Mul) =>
        {
            with_constant(a, value.to_bits() as i64)
        }
        Op::Binary { ref a, ref b, .. }
        | Op::Branch { ref a, ref b, .. }
        | Op::MulAdd { ref a, ref b, .. } => Some(Pair { a: a.clone(), b: b.clone() }),
        _ => None,
    }
}

/// Has a step read its operands there.
fn put_sources(step: &mut Op, Pair { a, b }: &Pair) {
    let (x, y) = (a.clone(), b.clone());
    let binary = |op, form, dst| Op::Binary { op, form, a: x.clone(), b: y.clone(), dst };
    let double = |op, dst| binary(BinaryOp::Double(op), Form::Written, dst);
    let branch = |test, to| Op::Branch { test, a: x.clone(), b: y.clone(), to };
    let better = match *step {
        Op::Plain(ref instr) => match *instr {
            Instr::AddInt { dst, .. } => binary(BinaryOp::AddInt, Form::Written, dst),
            Instr::SubInt { dst, .. } => binary(BinaryOp::SubInt, Form::Written, dst),
            Instr::MulInt { dst, .. } => binary(BinaryOp::MulInt, Form::Written, dst),
            Instr::AddDouble { dst, .. } => double(DoubleOp::Add, dst),
            Instr::SubDouble { dst, .. } => double(DoubleOp::Sub, dst),
            Instr::MulDouble { dst, .. } => double(DoubleOp::Mul, dst),
            Instr::DivDouble { dst, .. } => double(DoubleOp::Div, dst),
            Instr::IfEqInt { to, .. } => branch(Test::Eq, to),
            Instr::IfNeInt { to, .. } => branch(Test::Ne, to),
            Instr::IfLtInt { to, .. } => branch(Test::Lt, to),
            Instr::IfLeInt { to, .. } => branch(Test::Le, to),
            Instr::IfLtDouble { to, .. } => branch(Test::LtDouble, to),
            Instr::IfLeDouble { to, .. } => branch(Test::LeDouble, to),
            Instr::IfNotLtDouble { to, .. } => branch(Test::NotLtDouble, to),
            Instr::IfNotLeDouble { to, .. } => branch(Test::NotLeDouble, to),
            Instr::If { to, .. } => branch(Test::True, to),
            Instr::IfNot { to, .. } => branch(Test::False, to),
            _ => return,
        },
        Op::IntImm { op, form, dst, .. } => {
            binary(if op == IntOp::Add { BinaryOp::AddInt } else { BinaryOp::MulInt }, form, dst)
        }
        Op::DoubleConst { op, dst, .. } => double(op, dst),
        Op::IfImm { cond, to, .. } => match cond {
            Cond::Eq => branch(Test::Eq, to),
            Cond::Ne => branch(Test::Ne, to),
            Cond::Lt => branch(Test::Lt, to),
            Cond::Ge => Op::Branch { test: Test::Le, a: y.clone(), b: x.clone(), to },
        },
        Op::Binary { op, form, dst, .. } => binary(op, form, dst),
        Op::Branch { test, to, .. } => branch(test, to),
        Op::MulAdd { op, c, dst, .. } => Op::MulAdd { op, a: x, b: y, c, dst },
        _ => return,
    };
    *step = better;
}
