//! From the portable instructions of a function to the steps that are emitted: moves between registers go where
//! they can, constants become operands, and what nobody reads is left out.
//!
//! All of it looks at one block at a time: from a head, or the begin, to the next head. What is live at a block's
//! end is what the heads it goes to name. A region of `within` may be cancelled at every place of interruption, so
//! what its label needs is live there too.

use super::Form;
use super::inline::Choice;
use super::nulls::without_needless_unwraps;
use super::op::{Cond, DoubleOp, IntOp, Op, Source, Step, Test};
use crate::stack::OUTGOING;
use dscript_bytecode::ids::*;
use dscript_bytecode::image::{Function, ScalarKind};
use dscript_bytecode::instr::{Instr, Renamer, Visitor};
use dscript_bytecode::trap::TrapKind;

/// Steps looked at to find where a moved value was made.
pub(super) const LOOK_BACK: usize = 32;

/// References of a frame, the first ones, of which calls say whether they are dead.
const DEAD_MAX: usize = u64::BITS as usize;

/// What is known of a function from the image it belongs to.
pub(super) struct Facts<'f> {
    /// Whether the elements of the list in a register are whole words, by register.
    pub words: &'f [bool],
    /// What functions choose that do nothing else.
    pub choices: &'f dyn Fn(FunctionId) -> Option<Choice>,
}

/// What is done while a block is cleaned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Clean,
    /// Puts together how elements are found.
    Places,
    /// Has steps read their operands where they are.
    Operands,
    /// Has steps change values where they are.
    Changes,
    /// Makes arguments where the callee has them.
    Arguments,
}

/// The steps of a function, and which references nobody reads any more while a call runs, by the call's step.
pub(super) fn select(f: &Function, facts: &Facts<'_>) -> (Vec<Step>, Vec<(usize, u64)>) {
    let code = without_needless_unwraps(f);
    let steps = code.iter().enumerate();
    // Who jumps to a return returns at once.
    let at_once = |instr: &Instr| match instr {
        Instr::Jump { to } if matches!(f.code[to.index()], Instr::Return { .. }) => {
            f.code[to.index()].clone()
        }
        instr => instr.clone(),
    };
    let steps = steps.map(|(pc, instr)| Step { pc: pc as u32, op: Op::Plain(at_once(instr)) }).collect();
    let mut pass = Pass::new(f, facts, steps);
    for (start, end) in pass.blocks() {
        pass.clean(start, end, Stage::Clean);
        pass.forward(start, end);
        pass.clean(start, end, Stage::Places);
        // What is put together once may be taken in by another step then.
        pass.clean(start, end, Stage::Operands);
        pass.clean(start, end, Stage::Operands);
        pass.clean(start, end, Stage::Changes);
        pass.clean(start, end, Stage::Arguments);
    }
    pass.dead.sort_unstable();
    (pass.steps, pass.dead)
}

/// What a step reads, writes and goes to.
#[derive(Default)]
pub(super) struct Operands {
    pub uses: Vec<Reg>,
    pub defs: Vec<Reg>,
    pub labels: Vec<Label>,
}

impl Operands {
    pub fn of(&mut self, op: &Op) -> &Self {
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
pub(super) struct RegSet {
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

    pub fn has(&self, reg: Reg) -> bool {
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

pub(super) struct Pass<'f> {
    pub f: &'f Function,
    pub facts: &'f Facts<'f>,
    pub steps: Vec<Step>,
    pub live: RegSet,
    operands: Operands,
    /// What the labels of regions need.
    pub regions: Vec<Reg>,
    /// What calls need no more, as `select` gives it.
    dead: Vec<(usize, u64)>,
    /// Of the block: known constants by scalar register, and registers that hold the same as another.
    known: Vec<(u32, Known)>,
    block: u32,
    copies: Vec<(Reg, Reg)>,
}

impl<'f> Pass<'f> {
    fn new(f: &'f Function, facts: &'f Facts<'f>, steps: Vec<Step>) -> Self {
        let mut pass = Pass {
            f,
            facts,
            steps,
            live: RegSet::new(f),
            operands: Operands::default(),
            regions: Vec::new(),
            dead: Vec::new(),
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
    fn clean(&mut self, start: usize, end: usize, stage: Stage) {
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
                let changed = match stage {
                    Stage::Clean => false,
                    Stage::Arguments => self.place_arguments(start, at),
                    _ => self.fuse(start, at, stage),
                };
                if changed {
                    operands.of(&self.steps[at].op);
                }
                for reg in &operands.defs {
                    self.live.remove(*reg);
                }
                if stage == Stage::Arguments && self.steps[at].op.opens_frame() {
                    self.note_dead(at);
                }
                for reg in &operands.uses {
                    self.live.add(*reg);
                }
            }
            self.operands = operands;
        }
    }

    /// Notes of a call which references nobody reads after it before they are written: its results, and what is not live.
    fn note_dead(&mut self, at: usize) {
        let refs = (0..self.f.refs.len().min(DEAD_MAX)).map(|i| Reg::R(R(i as u16)));
        let needed = |reg: &Reg| self.live.has(*reg) || self.regions.contains(reg);
        let dead = refs.enumerate().filter(|(_, reg)| !needed(reg)).fold(0, |dead, (i, _)| dead | 1 << i);
        if dead != 0 {
            self.dead.push((at, dead));
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
        let formed = |op, form, a: S, value: i64, dst: S| match i32::try_from(value) {
            Ok(value) => Some(Op::IntImm { op, form, a, value, dst }),
            Err(_) => Some(Op::IntConst { op, form, a, value, dst }),
        };
        let int = |op, a: S, b: S, dst: S| formed(op, Form::Written, a, self.constant(b)?, dst);
        let either = |op, a: S, b: S, dst: S| {
            int(op, a, b, dst).or_else(|| formed(op, Form::Swapped, b, self.constant(a)?, dst))
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
        let compare = |test, a: S, b: S, to| match (self.known(a), self.known(b)) {
            (_, Known::Double(value)) => {
                let (a, b) = (Source::Register(a), Source::Constant(value.to_bits()));
                Some(Op::Branch { test, a, b, to })
            }
            (Known::Double(value), _) => {
                let (a, b) = (Source::Constant(value.to_bits()), Source::Register(b));
                Some(Op::Branch { test, a, b, to })
            }
            _ => None,
        };
        match *instr {
            Instr::MoveScalar { src, dst } => match self.known(src) {
                Known::Int(value) => Some(Op::Plain(Instr::Int { value, dst })),
                Known::Double(value) => Some(Op::Plain(Instr::Double { value, dst })),
                Known::Nothing => None,
            },
            Instr::AddImm { a, value, dst } => formed(IntOp::Add, Form::Written, a, value, dst),
            Instr::AddInt { a, b, dst } => either(IntOp::Add, a, b, dst),
            Instr::SubInt { a, b, dst } => {
                formed(IntOp::Add, Form::Negated, a, self.constant(b)?.checked_neg()?, dst)
            }
            Instr::MulInt { a, b, dst } => either(IntOp::Mul, a, b, dst),
            Instr::Call { function, ref args, ref results } => self.choice(function, args, results),
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
            Instr::IfLtDouble { a, b, to } => compare(Test::LtDouble, a, b, to),
            Instr::IfLeDouble { a, b, to } => compare(Test::LeDouble, a, b, to),
            Instr::IfNotLtDouble { a, b, to } => compare(Test::NotLtDouble, a, b, to),
            Instr::IfNotLeDouble { a, b, to } => compare(Test::NotLeDouble, a, b, to),
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

impl Pass<'_> {
    /// A call of a function that chooses one of its arguments.
    fn choice(&self, function: FunctionId, args: &[Reg], results: &[Reg]) -> Option<Op> {
        let Choice { or_equal, a, b, x, y } = (self.facts.choices)(function)?;
        let scalar = |index: u16| match args.get(index as usize)? {
            Reg::S(s) => Some(*s),
            Reg::R(_) => None,
        };
        let [Reg::S(dst)] = *results else { return None };
        let test = if or_equal { Test::Le } else { Test::Lt };
        Some(Op::Choose { test, a: scalar(a)?, b: scalar(b)?, x: scalar(x)?, y: scalar(y)?, dst })
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
