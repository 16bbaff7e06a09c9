//! From the portable instructions of a function to the steps that are emitted: moves between registers go where
//! they can, constants become operands, and what nobody reads is left out.
//!
//! All of it looks at one block at a time: from a head, or the begin, to the next head. What is live at a block's
//! end is what the heads it goes to name. A region of `within` may be cancelled at every place of interruption, so
//! what its label needs is live there too.

use super::Form;
use crate::stack::OUTGOING;
use dscript_bytecode::ids::*;
use dscript_bytecode::image::{Function, ScalarKind};
use dscript_bytecode::instr::{Instr, Renamer, Visitor};
use dscript_bytecode::trap::TrapKind;

/// One step of a function; it stands for the instruction at `pc`.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub pc: u32,
    pub op: Op,
}

#[derive(Clone, Debug)]
pub(super) enum Op {
    /// Nothing is left of the instruction.
    Gone,
    Plain(Instr),
    IntImm {
        op: IntOp,
        form: Form,
        a: S,
        value: i32,
        dst: S,
    },
    DoubleConst {
        op: DoubleOp,
        a: S,
        value: f64,
        left: bool,
        dst: S,
    },
    IfImm {
        cond: Cond,
        a: S,
        value: i16,
        to: Label,
    },
    /// A double and a field: the field is the second operand, or the first where `left` is set.
    DoubleField {
        op: DoubleOp,
        a: S,
        object: R,
        slot: Slot,
        left: bool,
        dst: S,
    },
    /// Adds a double to a field, or takes it away.
    ChangeField {
        op: DoubleOp,
        a: S,
        object: R,
        slot: Slot,
    },
    /// `c + a * b` or `c - a * b`, each rounded twice as the two operations are.
    MulAdd {
        op: DoubleOp,
        a: S,
        b: S,
        c: S,
        dst: S,
    },
}

/// Operations on an int and a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IntOp {
    Add,
    Mul,
    And,
    Shl,
    Shr,
    UShr,
    /// The constant is above 0, as of the next.
    Div,
    Rem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DoubleOp {
    Add,
    Sub,
    Mul,
    Div,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cond {
    Eq,
    Ne,
    Lt,
    Ge,
}

/// Steps looked at to find where a moved value was made.
const LOOK_BACK: usize = 32;

pub(super) fn select(f: &Function) -> Vec<Step> {
    let steps = f.code.iter().enumerate();
    // Who jumps to a return returns at once.
    let at_once = |instr: &Instr| match instr {
        Instr::Jump { to } if matches!(f.code[to.index()], Instr::Return { .. }) => {
            f.code[to.index()].clone()
        }
        instr => instr.clone(),
    };
    let steps = steps.map(|(pc, instr)| Step { pc: pc as u32, op: Op::Plain(at_once(instr)) }).collect();
    let mut pass = Pass::new(f, steps);
    for (start, end) in pass.blocks() {
        pass.clean(start, end);
        pass.forward(start, end);
        pass.fusing = true;
        // What is put together once may be taken in by another step then.
        pass.clean(start, end);
        pass.clean(start, end);
        pass.fusing = false;
        pass.placing = true;
        pass.clean(start, end);
        pass.placing = false;
    }
    pass.steps
}

impl Op {
    fn visit<V: Visitor>(&self, visitor: &mut V) {
        match self {
            Op::Gone => {}
            Op::Plain(instr) => instr.visit(visitor),
            Op::IntImm { a, dst, .. } => {
                visitor.use_scalar(*a, None);
                visitor.def_scalar(*dst, None);
            }
            Op::DoubleConst { a, dst, .. } => {
                visitor.use_scalar(*a, None);
                visitor.def_scalar(*dst, None);
            }
            Op::IfImm { a, to, .. } => {
                visitor.use_scalar(*a, None);
                visitor.label(*to);
            }
            Op::DoubleField { a, object, dst, .. } => {
                visitor.use_scalar(*a, None);
                visitor.use_ref(*object);
                visitor.def_scalar(*dst, None);
            }
            Op::ChangeField { a, object, .. } => {
                visitor.use_scalar(*a, None);
                visitor.use_ref(*object);
            }
            Op::MulAdd { a, b, c, dst, .. } => {
                visitor.use_scalar(*a, None);
                visitor.use_scalar(*b, None);
                visitor.use_scalar(*c, None);
                visitor.def_scalar(*dst, None);
            }
        }
    }

    fn rename<N: Renamer>(&mut self, renamer: &mut N) {
        match self {
            Op::Gone => {}
            Op::Plain(instr) => instr.rename(renamer),
            Op::IntImm { a, dst, .. } | Op::DoubleConst { a, dst, .. } => {
                renamer.use_scalar(a);
                renamer.def_scalar(dst);
            }
            Op::IfImm { a, .. } => renamer.use_scalar(a),
            Op::DoubleField { a, object, dst, .. } => {
                renamer.use_scalar(a);
                renamer.use_ref(object);
                renamer.def_scalar(dst);
            }
            Op::ChangeField { a, object, .. } => {
                renamer.use_scalar(a);
                renamer.use_ref(object);
            }
            Op::MulAdd { a, b, c, dst, .. } => {
                renamer.use_scalar(a);
                renamer.use_scalar(b);
                renamer.use_scalar(c);
                renamer.def_scalar(dst);
            }
        }
    }

    /// Whether it does nothing but write its registers, and may be left out where those are dead.
    fn is_pure(&self) -> bool {
        match self {
            Op::Gone | Op::DoubleConst { .. } | Op::DoubleField { .. } | Op::MulAdd { .. } => true,
            Op::IntImm { op, .. } => !matches!(op, IntOp::Add | IntOp::Mul),
            Op::IfImm { .. } | Op::ChangeField { .. } => false,
            Op::Plain(instr) => matches!(
                instr,
                Instr::MoveScalar { .. }
                    | Instr::MoveRef { .. }
                    | Instr::Int { .. }
                    | Instr::Double { .. }
                    | Instr::Bool { .. }
                    | Instr::Null { .. }
                    | Instr::AndInt { .. }
                    | Instr::OrInt { .. }
                    | Instr::XorInt { .. }
                    | Instr::NotInt { .. }
                    | Instr::AddDouble { .. }
                    | Instr::SubDouble { .. }
                    | Instr::MulDouble { .. }
                    | Instr::DivDouble { .. }
                    | Instr::NegDouble { .. }
                    | Instr::IntToDouble { .. }
                    | Instr::EqInt { .. }
                    | Instr::LtInt { .. }
                    | Instr::LeInt { .. }
                    | Instr::EqDouble { .. }
                    | Instr::LtDouble { .. }
                    | Instr::LeDouble { .. }
                    | Instr::EqBool { .. }
                    | Instr::NotBool { .. }
                    | Instr::SameRef { .. }
                    | Instr::IsNull { .. }
                    | Instr::GetScalar { .. }
                    | Instr::GetRef { .. }
                    | Instr::InstanceOf { .. }
                    | Instr::ListSize { .. }
                    | Instr::Version { .. }
            ),
        }
    }

    /// Whether a region of `within` may be left here.
    fn interrupts(&self) -> bool {
        let Op::Plain(instr) = self else { return false };
        matches!(
            instr,
            Instr::Call { .. }
                | Instr::CallValue { .. }
                | Instr::CallMethod { .. }
                | Instr::CallNative { .. }
                | Instr::GetStatic { .. }
                | Instr::TextRef { .. }
                | Instr::LimitEnter { .. }
                | Instr::LimitLeave {}
        )
    }
}

fn double_op(op: &Op) -> Option<(DoubleOp, S, S, S)> {
    match *op {
        Op::Plain(Instr::AddDouble { a, b, dst }) => Some((DoubleOp::Add, a, b, dst)),
        Op::Plain(Instr::SubDouble { a, b, dst }) => Some((DoubleOp::Sub, a, b, dst)),
        Op::Plain(Instr::MulDouble { a, b, dst }) => Some((DoubleOp::Mul, a, b, dst)),
        Op::Plain(Instr::DivDouble { a, b, dst }) => Some((DoubleOp::Div, a, b, dst)),
        _ => None,
    }
}

/// What a step reads, writes and goes to.
#[derive(Default)]
struct Operands {
    uses: Vec<Reg>,
    defs: Vec<Reg>,
    labels: Vec<Label>,
}

impl Operands {
    fn of(&mut self, op: &Op) -> &Self {
        self.uses.clear();
        self.defs.clear();
        self.labels.clear();
        op.visit(self);
        self
    }
}

impl Visitor for Operands {
    fn use_scalar(&mut self, reg: S, _kind: Option<ScalarKind>) {
        self.uses.push(Reg::S(reg));
    }
    fn use_ref(&mut self, reg: R) {
        self.uses.push(Reg::R(reg));
    }
    fn def_scalar(&mut self, reg: S, _kind: Option<ScalarKind>) {
        self.defs.push(Reg::S(reg));
    }
    fn def_ref(&mut self, reg: R) {
        self.defs.push(Reg::R(reg));
    }
    fn label(&mut self, label: Label) {
        self.labels.push(label);
    }
    fn type_id(&mut self, _id: TypeId) {}
    fn const_id(&mut self, _id: ConstId) {}
    fn function(&mut self, _id: FunctionId) {}
    fn native(&mut self, _id: NativeId) {}
    fn static_id(&mut self, _id: StaticId) {}
    fn slot(&mut self, _slot: Slot) {}
    fn method(&mut self, _method: MethodId) {}
    fn int(&mut self, _value: i64) {}
    fn double(&mut self, _value: f64) {}
    fn bool(&mut self, _value: bool) {}
    fn trap(&mut self, _kind: TrapKind) {}
}

/// Takes one register for another where it is written.
struct Retarget {
    from: Reg,
    to: Reg,
}

impl Renamer for Retarget {
    fn use_scalar(&mut self, _reg: &mut S) {}
    fn use_ref(&mut self, _reg: &mut R) {}
    fn def_scalar(&mut self, reg: &mut S) {
        if let (Reg::S(from), Reg::S(to)) = (self.from, self.to)
            && *reg == from
        {
            *reg = to;
        }
    }
    fn def_ref(&mut self, reg: &mut R) {
        if let (Reg::R(from), Reg::R(to)) = (self.from, self.to)
            && *reg == from
        {
            *reg = to;
        }
    }
}

/// A set of registers that is emptied at once.
struct RegSet {
    round: u32,
    scalars: Vec<u32>,
    refs: Vec<u32>,
}

impl RegSet {
    fn new(f: &Function) -> Self {
        RegSet { round: 1, scalars: vec![0; f.scalars.len() + OUTGOING], refs: vec![0; f.refs.len()] }
    }

    fn clear(&mut self) {
        self.round += 1;
    }

    fn mark(&mut self, reg: Reg) -> &mut u32 {
        match reg {
            Reg::S(s) => &mut self.scalars[s.index()],
            Reg::R(r) => &mut self.refs[r.index()],
        }
    }

    fn add(&mut self, reg: Reg) {
        *self.mark(reg) = self.round;
    }

    fn remove(&mut self, reg: Reg) {
        *self.mark(reg) = 0;
    }

    fn has(&self, reg: Reg) -> bool {
        self.round
            == match reg {
                Reg::S(s) => self.scalars[s.index()],
                Reg::R(r) => self.refs[r.index()],
            }
    }
}

/// What a scalar register holds for sure.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Known {
    Nothing,
    Int(i64),
    Double(f64),
}

struct Pass<'f> {
    f: &'f Function,
    steps: Vec<Step>,
    live: RegSet,
    operands: Operands,
    /// Whether steps are put together while a block is cleaned.
    fusing: bool,
    /// Whether arguments are made where the callee has them.
    placing: bool,
    /// What the labels of regions need.
    regions: Vec<Reg>,
    /// Of the block: known constants by scalar register, and registers that hold the same as another.
    known: Vec<(u32, Known)>,
    block: u32,
    copies: Vec<(Reg, Reg)>,
}

impl<'f> Pass<'f> {
    fn new(f: &'f Function, steps: Vec<Step>) -> Self {
        let mut pass = Pass {
            f,
            steps,
            live: RegSet::new(f),
            operands: Operands::default(),
            fusing: false,
            placing: false,
            regions: Vec::new(),
            known: vec![(0, Known::Nothing); f.scalars.len()],
            block: 0,
            copies: Vec::new(),
        };
        for instr in &f.code {
            if let Instr::LimitEnter { to, .. } = instr {
                pass.regions.extend(head_regs(f, *to));
            }
        }
        pass
    }

    fn blocks(&self) -> Vec<(usize, usize)> {
        let mut starts = vec![0];
        starts.extend(self.f.heads.iter().map(|h| h.at.index()).filter(|at| *at > 0));
        let ends = starts[1..].iter().copied().chain([self.f.code.len()]);
        starts.iter().copied().zip(ends).collect()
    }

    fn add_head(&mut self, label: Label) {
        for reg in head_regs(self.f, label) {
            self.live.add(reg);
        }
    }

    /// Backwards through a block: makes values where they are moved to, and takes out what nobody reads.
    fn clean(&mut self, start: usize, end: usize) {
        self.live.clear();
        let falls = !matches!(&self.steps[end - 1].op, Op::Plain(instr) if instr.ends_block());
        if falls && end < self.steps.len() {
            self.add_head(Label(end as u32));
        }
        for at in (start..end).rev() {
            if matches!(self.steps[at].op, Op::Gone) {
                continue;
            }
            let mut operands = std::mem::take(&mut self.operands);
            operands.of(&self.steps[at].op);
            for label in &operands.labels {
                self.add_head(*label);
            }
            if self.steps[at].op.interrupts() {
                for i in 0..self.regions.len() {
                    self.live.add(self.regions[i]);
                }
            }
            let is_dead = operands.defs.iter().all(|reg| !self.live.has(*reg));
            let moved = match &self.steps[at].op {
                Op::Plain(Instr::MoveScalar { src, dst }) => Some((Reg::S(*src), Reg::S(*dst))),
                Op::Plain(Instr::MoveRef { src, dst }) => Some((Reg::R(*src), Reg::R(*dst))),
                _ => None,
            };
            let goes = self.steps[at].op.is_pure() && is_dead
                || moved.is_some_and(|(src, dst)| src == dst)
                || moved.is_some_and(|(src, dst)| !self.live.has(src) && self.retarget(start, at, src, dst));
            if goes {
                self.steps[at].op = Op::Gone;
            } else {
                if self.fusing && self.fuse(start, at) || self.placing && self.place_arguments(start, at) {
                    operands.of(&self.steps[at].op);
                }
                for reg in &operands.defs {
                    self.live.remove(*reg);
                }
                for reg in &operands.uses {
                    self.live.add(*reg);
                }
            }
            self.operands = operands;
        }
    }

    /// Has the value that `src` gets before step `at` made in `dst`, where nothing in between minds.
    fn retarget(&mut self, start: usize, at: usize, src: Reg, dst: Reg) -> bool {
        let mut between = Operands::default();
        let is_outgoing = matches!(dst, Reg::S(s) if s.index() >= self.f.scalars.len());
        for j in (start.max(at.saturating_sub(LOOK_BACK))..at).rev() {
            between.of(&self.steps[j].op);
            if between.defs.contains(&src) {
                // Several results are moved one by one, out of the window that outgoing ones would be put in.
                if between.defs.contains(&dst)
                    || self.steps[j].op.interrupts() && (self.regions.contains(&dst) || is_outgoing)
                {
                    return false;
                }
                self.steps[j].op.rename(&mut Retarget { from: src, to: dst });
                return true;
            }
            let minds = between.uses.contains(&src)
                || between.uses.contains(&dst)
                || between.defs.contains(&dst)
                || between.labels.iter().any(|label| head_regs(self.f, *label).any(|r| r == dst || r == src))
                || self.steps[j].op.interrupts() && (self.regions.contains(&dst) || is_outgoing);
            if minds {
                return false;
            }
        }
        false
    }

    /// Has scalar arguments of a call made in the callee's window, which begins after the last register, where nobody
    /// else needs them. No step between may call, as what it calls has its window there.
    fn place_arguments(&mut self, start: usize, at: usize) -> bool {
        let Op::Plain(
            Instr::Call { args, results, .. }
            | Instr::CallValue { args, results, .. }
            | Instr::CallMethod { args, results, .. },
        ) = &self.steps[at].op
        else {
            return false;
        };
        let (args, results) = (args.clone(), results.clone());
        let scalars: Vec<S> = args
            .iter()
            .filter_map(|arg| match arg {
                Reg::S(s) => Some(*s),
                Reg::R(_) => None,
            })
            .collect();
        let mut placed = false;
        for (i, src) in scalars.iter().enumerate().take(OUTGOING) {
            let is_live = self.live.has(Reg::S(*src)) && !results.contains(&Reg::S(*src));
            let is_once = scalars.iter().filter(|s| *s == src).count() == 1;
            let to = S((self.f.scalars.len() + i) as u16);
            if is_live || !is_once || !self.retarget(start, at, Reg::S(*src), Reg::S(to)) {
                continue;
            }
            placed = true;
            if let Op::Plain(
                Instr::Call { args, .. } | Instr::CallValue { args, .. } | Instr::CallMethod { args, .. },
            ) = &mut self.steps[at].op
            {
                for arg in args.iter_mut().filter(|arg| **arg == Reg::S(*src)) {
                    *arg = Reg::S(to);
                }
            }
        }
        placed
    }

    /// Puts earlier steps of doubles into the one at `at`, where it alone needs what they make.
    fn fuse(&mut self, start: usize, at: usize) -> bool {
        let mut fused = false;
        if let Op::Plain(Instr::SetScalar { object, slot, src }) = self.steps[at].op
            && let Some(j) = self.maker(start, at, src)
            && let Op::DoubleField { op, a, object: from, slot: read, left, .. } = self.steps[j].op
            && (from, read) == (object, slot)
            && (left || op == DoubleOp::Add)
            && matches!(op, DoubleOp::Add | DoubleOp::Sub)
        {
            self.steps[at].op = Op::ChangeField { op, a, object, slot };
            self.steps[j].op = Op::Gone;
            fused = true;
        }
        let Some((op, a, b, dst)) = double_op(&self.steps[at].op) else { return fused };
        if a == b {
            return fused;
        }
        // The second operand first: its maker is the nearer one.
        for (made, other, left) in [(b, a, false), (a, b, true)] {
            let Some(j) = self.maker(start, at, made) else { continue };
            let better = match self.steps[j].op {
                Op::Plain(Instr::GetScalar { object, slot, .. }) => {
                    Op::DoubleField { op, a: other, object, slot, left, dst }
                }
                Op::Plain(Instr::MulDouble { a: x, b: y, .. })
                    if op == DoubleOp::Add || op == DoubleOp::Sub && !left =>
                {
                    Op::MulAdd { op, a: x, b: y, c: other, dst }
                }
                _ => continue,
            };
            self.steps[at].op = better;
            self.steps[j].op = Op::Gone;
            return true;
        }
        fused
    }

    /// The step before `at` that makes `reg`, which only `at` needs, where it may as well be done at `at`.
    fn maker(&mut self, start: usize, at: usize, reg: S) -> Option<usize> {
        let made = Reg::S(reg);
        let mut here = Operands::default();
        here.of(&self.steps[at].op);
        if self.live.has(made) && !here.defs.contains(&made)
            || here.uses.iter().filter(|r| **r == made).count() > 1
        {
            return None;
        }
        let (mut written, mut stores) = (Vec::new(), false);
        let mut between = Operands::default();
        for j in (start.max(at.saturating_sub(LOOK_BACK))..at).rev() {
            let op = &self.steps[j].op;
            if matches!(op, Op::Gone) {
                continue;
            }
            between.of(op);
            if between.defs.contains(&made) {
                let moves = match op {
                    Op::Plain(Instr::GetScalar { .. }) | Op::DoubleField { .. } => !stores,
                    Op::Plain(Instr::MulDouble { .. }) => true,
                    _ => false,
                };
                return (moves && between.uses.iter().all(|r| !written.contains(r))).then_some(j);
            }
            let is_asked = op.interrupts() && self.regions.contains(&made);
            if between.uses.contains(&made) || !between.labels.is_empty() || is_asked {
                return None;
            }
            stores |= !op.is_pure() && !matches!(op, Op::IntImm { .. });
            written.extend(&between.defs);
        }
        None
    }

    fn known(&self, reg: S) -> Known {
        let (block, known) = self.known[reg.index()];
        if block == self.block { known } else { Known::Nothing }
    }

    fn know(&mut self, reg: S, known: Known) {
        self.known[reg.index()] = (self.block, known);
    }

    fn constant(&self, reg: S) -> Option<i64> {
        match self.known(reg) {
            Known::Int(value) => Some(value),
            _ => None,
        }
    }

    /// Forwards through a block: reads registers at their source, and makes operands of constants.
    fn forward(&mut self, start: usize, end: usize) {
        self.block += 1;
        self.copies.clear();
        for at in start..end {
            let mut op = std::mem::replace(&mut self.steps[at].op, Op::Gone);
            op.rename(&mut Sources(&self.copies));
            if let Op::Plain(instr) = &op
                && let Some(better) = self.with_constants(instr)
            {
                op = better;
            }
            let mut operands = std::mem::take(&mut self.operands);
            operands.of(&op);
            for reg in &operands.defs {
                self.copies.retain(|(copy, source)| copy != reg && source != reg);
                if let Reg::S(s) = reg {
                    self.know(*s, Known::Nothing);
                }
            }
            self.operands = operands;
            match op {
                Op::Plain(Instr::MoveScalar { src, dst }) if src != dst => {
                    self.copies.push((Reg::S(dst), Reg::S(src)));
                }
                Op::Plain(Instr::MoveRef { src, dst }) if src != dst => {
                    self.copies.push((Reg::R(dst), Reg::R(src)));
                }
                Op::Plain(Instr::Int { value, dst }) => self.know(dst, Known::Int(value)),
                Op::Plain(Instr::Double { value, dst }) => self.know(dst, Known::Double(value)),
                _ => {}
            }
            self.steps[at].op = op;
        }
    }

    /// The same with a constant for a register, where there is such a form.
    fn with_constants(&self, instr: &Instr) -> Option<Op> {
        let int = |op, a: S, b: S, dst: S| {
            let value = i32::try_from(self.constant(b)?).ok()?;
            Some(Op::IntImm { op, form: Form::Written, a, value, dst })
        };
        let either = |op, a: S, b: S, dst: S| {
            int(op, a, b, dst).or_else(|| {
                let value = i32::try_from(self.constant(a)?).ok()?;
                Some(Op::IntImm { op, form: Form::Swapped, a: b, value, dst })
            })
        };
        let shift =
            |op, a: S, b: S, dst: S| self.constant(b).filter(|b| (0..64).contains(b)).and(int(op, a, b, dst));
        let divide = |op, a: S, b: S, dst: S| self.constant(b).filter(|b| *b > 0).and(int(op, a, b, dst));
        let double = |op, a: S, b: S, dst: S| match (self.known(a), self.known(b)) {
            (_, Known::Double(value)) => Some(Op::DoubleConst { op, a, value, left: false, dst }),
            (Known::Double(value), _) => Some(Op::DoubleConst { op, a: b, value, left: true, dst }),
            _ => None,
        };
        let jump = |cond, a: S, value: i64, to| {
            let value = i16::try_from(value).ok()?;
            Some(Op::IfImm { cond, a, value, to })
        };
        match *instr {
            Instr::MoveScalar { src, dst } => match self.known(src) {
                Known::Int(value) => Some(Op::Plain(Instr::Int { value, dst })),
                Known::Double(value) => Some(Op::Plain(Instr::Double { value, dst })),
                Known::Nothing => None,
            },
            Instr::AddImm { a, value, dst } => {
                let value = i32::try_from(value).ok()?;
                Some(Op::IntImm { op: IntOp::Add, form: Form::Written, a, value, dst })
            }
            Instr::AddInt { a, b, dst } => either(IntOp::Add, a, b, dst),
            Instr::SubInt { a, b, dst } => {
                let value = i32::try_from(self.constant(b)?).ok()?.checked_neg()?;
                Some(Op::IntImm { op: IntOp::Add, form: Form::Negated, a, value, dst })
            }
            Instr::MulInt { a, b, dst } => either(IntOp::Mul, a, b, dst),
            Instr::AndInt { a, b, dst } => either(IntOp::And, a, b, dst),
            Instr::ShlInt { a, b, dst } => shift(IntOp::Shl, a, b, dst),
            Instr::ShrInt { a, b, dst } => shift(IntOp::Shr, a, b, dst),
            Instr::UShrInt { a, b, dst } => shift(IntOp::UShr, a, b, dst),
            Instr::DivInt { a, b, dst } => divide(IntOp::Div, a, b, dst),
            Instr::RemInt { a, b, dst } => divide(IntOp::Rem, a, b, dst),
            Instr::AddDouble { a, b, dst } => double(DoubleOp::Add, a, b, dst),
            Instr::SubDouble { a, b, dst } => double(DoubleOp::Sub, a, b, dst),
            Instr::MulDouble { a, b, dst } => double(DoubleOp::Mul, a, b, dst),
            Instr::DivDouble { a, b, dst } => double(DoubleOp::Div, a, b, dst),
            Instr::IfEqInt { a, b, to } => match (self.constant(a), self.constant(b)) {
                (_, Some(value)) => jump(Cond::Eq, a, value, to),
                (Some(value), _) => jump(Cond::Eq, b, value, to),
                _ => None,
            },
            Instr::IfNeInt { a, b, to } => match (self.constant(a), self.constant(b)) {
                (_, Some(value)) => jump(Cond::Ne, a, value, to),
                (Some(value), _) => jump(Cond::Ne, b, value, to),
                _ => None,
            },
            Instr::IfLtInt { a, b, to } => match (self.constant(a), self.constant(b)) {
                (_, Some(value)) => jump(Cond::Lt, a, value, to),
                (Some(value), _) => jump(Cond::Ge, b, value.checked_add(1)?, to),
                _ => None,
            },
            Instr::IfLeInt { a, b, to } => match (self.constant(a), self.constant(b)) {
                (_, Some(value)) => jump(Cond::Lt, a, value.checked_add(1)?, to),
                (Some(value), _) => jump(Cond::Ge, b, value, to),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Reads registers where their value came from.
struct Sources<'c>(&'c [(Reg, Reg)]);

impl Sources<'_> {
    fn of(&self, reg: Reg) -> Reg {
        self.0.iter().find(|(copy, _)| *copy == reg).map_or(reg, |(_, source)| *source)
    }
}

impl Renamer for Sources<'_> {
    fn use_scalar(&mut self, reg: &mut S) {
        if let Reg::S(source) = self.of(Reg::S(*reg)) {
            *reg = source;
        }
    }
    fn use_ref(&mut self, reg: &mut R) {
        if let Reg::R(source) = self.of(Reg::R(*reg)) {
            *reg = source;
        }
    }
    fn def_scalar(&mut self, _reg: &mut S) {}
    fn def_ref(&mut self, _reg: &mut R) {}
}

/// What is live at a label.
fn head_regs(f: &Function, label: Label) -> impl Iterator<Item = Reg> + '_ {
    let head = f.heads.binary_search_by(|h| h.at.cmp(&label)).map(|i| &f.heads[i]);
    let head = head.expect("the verifier has found a head at every label");
    head.scalars.iter().map(|s| Reg::S(*s)).chain(head.refs.iter().map(|r| Reg::R(*r)))
}
