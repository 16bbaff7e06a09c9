//! Builds one bytecode function: registers, labels, lines, and at the end the live registers of jump targets.
//!
//! Code that cannot be reached is not emitted: after a jump or return nothing is, until a label that something
//! jumps to is placed.

use dscript_bytecode::ids::*;
use dscript_bytecode::image::{
    Function, Head, Line, RefType, RegType, ScalarKind, TimeArithmetic, TimeOperands,
};
use dscript_bytecode::instr::{Instr, Visitor};
use dscript_bytecode::limits::REGISTERS_MAX;
use dscript_bytecode::trap::TrapKind;
use rustc_hash::FxHashMap;

/// The registers of one value: at most a flag, a value and an error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Regs {
    len: u8,
    regs: [Reg; 3],
}

impl Regs {
    pub fn new(regs: &[Reg]) -> Self {
        let mut all = [Reg::S(S(0)); 3];
        all[..regs.len()].copy_from_slice(regs);
        Self { len: regs.len() as u8, regs: all }
    }

    pub fn none() -> Self {
        Self::new(&[])
    }

    pub fn slice(&self) -> &[Reg] {
        &self.regs[..self.len as usize]
    }

    /// Without the last register.
    pub fn but_last(&self) -> Regs {
        Self::new(&self.slice()[..self.len as usize - 1])
    }

    pub fn last(&self) -> Reg {
        self.regs[self.len as usize - 1]
    }

    pub fn with(&self, reg: Reg) -> Regs {
        let mut all = self.slice().to_vec();
        all.push(reg);
        Self::new(&all)
    }

    /// The one scalar register. A value of a type that was refused has none, and its code goes nowhere.
    pub fn s(&self) -> S {
        match self.slice() {
            [] => S(0),
            [Reg::S(s), ..] => *s,
            [Reg::R(_), ..] => unreachable!("a scalar register"),
        }
    }

    /// The one reference register, likewise.
    pub fn r(&self) -> R {
        match self.slice() {
            [] => R(0),
            [Reg::R(r), ..] => *r,
            [Reg::S(_), ..] => unreachable!("a reference register"),
        }
    }
}

/// The offset of what comes from no place in a text.
const NOWHERE: u32 = u32::MAX;

/// A place to jump to, before its position is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(u32);

#[derive(Default)]
pub struct Builder {
    pub name: String,
    pub params: Vec<RegType>,
    pub results: Vec<RegType>,
    scalars: Vec<ScalarKind>,
    refs: Vec<RefType>,
    code: Vec<Instr>,
    /// Where instructions come from; until the end, a line's number is the offset in the text.
    lines: Vec<Line>,
    /// Position of each mark, once placed, and whether anything jumps there.
    marks: Vec<(Option<u32>, bool)>,
    free: FxHashMap<RegType, Vec<Reg>>,
    /// Registers in use, in the order they were taken.
    taken: Vec<(RegType, Reg)>,
    dead: bool,
    /// Source, and offset in its text.
    place: Option<(u32, u32)>,
    /// Instructions whose operands are Durations or Times.
    times: Vec<(u32, TimeOperands)>,
    /// Whether it needs more registers than a function may have.
    pub overflow: bool,
}

impl Builder {
    /// The next instructions come from this place: source, and offset in its text.
    pub fn at(&mut self, place: (u32, u32)) {
        self.place = Some(place);
    }

    /// Instructions so far.
    pub fn len(&self) -> usize {
        self.code.len()
    }

    pub fn is_dead(&self) -> bool {
        self.dead
    }

    /// A register that stays taken until `release` goes back behind it.
    pub fn take(&mut self, ty: RegType) -> Reg {
        let reg = match self.free.get_mut(&ty).and_then(Vec::pop) {
            Some(reg) => reg,
            None => self.fresh(ty),
        };
        self.taken.push((ty, reg));
        reg
    }

    fn fresh(&mut self, ty: RegType) -> Reg {
        let count = match ty {
            RegType::Scalar(_) => self.scalars.len(),
            RegType::Ref(_) => self.refs.len(),
        };
        if count >= REGISTERS_MAX {
            self.overflow = true;
        }
        match ty {
            RegType::Scalar(kind) => {
                self.scalars.push(kind);
                Reg::S(S(count as u16))
            }
            RegType::Ref(ty) => {
                self.refs.push(ty);
                Reg::R(R(count as u16))
            }
        }
    }

    /// A register for the whole function: it is never given back.
    pub fn keep(&mut self, ty: RegType) -> Reg {
        self.fresh(ty)
    }

    pub fn mark_taken(&self) -> usize {
        self.taken.len()
    }

    /// Gives back every register taken since `mark`.
    pub fn release(&mut self, mark: usize) {
        for (ty, reg) in self.taken.drain(mark..) {
            self.free.entry(ty).or_default().push(reg);
        }
    }

    /// Gives back every register taken since `mark` that is not among those of a value.
    pub fn release_but(&mut self, mark: usize, value: Regs) {
        let mut kept = mark;
        for at in mark..self.taken.len() {
            let (ty, reg) = self.taken[at];
            if value.slice().contains(&reg) {
                self.taken[kept] = (ty, reg);
                kept += 1;
            } else {
                self.free.entry(ty).or_default().push(reg);
            }
        }
        self.taken.truncate(kept);
    }

    /// A parameter; all come before any other register.
    pub fn param(&mut self, ty: RegType) -> Reg {
        self.params.push(ty);
        self.fresh(ty)
    }

    pub fn type_of(&self, reg: Reg) -> RegType {
        match reg {
            Reg::S(s) => RegType::Scalar(self.scalars[s.index()]),
            Reg::R(r) => RegType::Ref(self.refs[r.index()]),
        }
    }

    pub fn emit(&mut self, instr: Instr) {
        if self.dead {
            return;
        }
        let at = self.code.len() as u32;
        let (source, line) = self.place.unwrap_or((0, NOWHERE));
        if self.lines.last().is_none_or(|l| (l.source, l.line) != (source, line)) {
            self.lines.push(Line { at, source, line, column: 0 });
        }
        self.dead = instr.ends_block();
        self.code.push(instr);
    }

    /// As `emit`, of arithmetic with Durations or Times.
    pub fn emit_time(&mut self, instr: Instr, operands: Option<TimeOperands>) {
        if let (Some(operands), false) = (operands, self.dead) {
            self.times.push((self.code.len() as u32, operands));
        }
        self.emit(instr);
    }

    /// The arithmetic with Durations and Times that was emitted.
    pub fn times_of(&self, function: FunctionId) -> impl Iterator<Item = TimeArithmetic> + '_ {
        self.times.iter().map(move |&(at, operands)| TimeArithmetic { function, at, operands })
    }

    pub fn mark(&mut self) -> Mark {
        self.marks.push((None, false));
        Mark(self.marks.len() as u32 - 1)
    }

    /// The label for a jump that is emitted next.
    pub fn to(&mut self, mark: Mark) -> Label {
        if !self.dead {
            self.marks[mark.0 as usize].1 = true;
        }
        Label(mark.0)
    }

    pub fn jump(&mut self, mark: Mark) {
        let to = self.to(mark);
        self.emit(Instr::Jump { to });
    }

    /// Whether a jump to the mark was emitted.
    pub fn is_reached(&self, mark: Mark) -> bool {
        self.marks[mark.0 as usize].1
    }

    /// Puts the mark here.
    pub fn place(&mut self, mark: Mark) {
        let slot = &mut self.marks[mark.0 as usize];
        slot.0 = Some(self.code.len() as u32);
        if slot.1 {
            self.dead = false;
        }
    }

    /// Jumps to a loop's test and puts the mark of its body behind: the test will jump back to it.
    pub fn begin_loop(&mut self, test: Mark, body: Mark) {
        let reached = !self.dead;
        self.jump(test);
        let slot = &mut self.marks[body.0 as usize];
        slot.0 = Some(self.code.len() as u32);
        slot.1 |= reached;
        self.dead = !reached;
    }

    /// A move between registers of either bank.
    pub fn copy(&mut self, src: Reg, dst: Reg) {
        if src == dst {
            return;
        }
        match (src, dst) {
            (Reg::S(src), Reg::S(dst)) => self.emit(Instr::MoveScalar { src, dst }),
            (Reg::R(src), Reg::R(dst)) => self.emit(Instr::MoveRef { src, dst }),
            _ => unreachable!("a move stays in its bank"),
        }
    }

    /// The function, with every mark at its place and the live registers of each head; `place` gives the line and
    /// column of an offset in a source.
    pub fn finish(mut self, mut place: impl FnMut(u32, u32) -> (u32, u32)) -> Function {
        for line in &mut self.lines {
            (line.line, line.column) =
                if line.line == NOWHERE { (0, 0) } else { place(line.source, line.line) };
        }
        for instr in &mut self.code {
            map_labels(instr, &mut |label| {
                Label(self.marks[label.index()].0.unwrap_or_else(|| unreachable!("a mark is placed")))
            });
        }
        let heads = live_heads(&self.code, self.scalars.len(), self.refs.len());
        Function {
            name: self.name,
            params: self.params,
            results: self.results,
            scalars: self.scalars,
            refs: self.refs,
            code: self.code,
            heads,
            lines: self.lines,
        }
    }
}

fn map_labels(instr: &mut Instr, f: &mut dyn FnMut(Label) -> Label) {
    match instr {
        Instr::Jump { to }
        | Instr::If { to, .. }
        | Instr::IfNot { to, .. }
        | Instr::IfEqInt { to, .. }
        | Instr::IfNeInt { to, .. }
        | Instr::IfLtInt { to, .. }
        | Instr::IfLeInt { to, .. }
        | Instr::IfEqDouble { to, .. }
        | Instr::IfNeDouble { to, .. }
        | Instr::IfLtDouble { to, .. }
        | Instr::IfLeDouble { to, .. }
        | Instr::IfNotLtDouble { to, .. }
        | Instr::IfNotLeDouble { to, .. }
        | Instr::IfNull { to, .. }
        | Instr::IfNotNull { to, .. }
        | Instr::LimitEnter { to, .. } => *to = f(*to),
        Instr::Switch { targets, default, .. } => {
            targets.iter_mut().for_each(|t| *t = f(*t));
            *default = f(*default);
        }
        _ => {}
    }
}

/// A set of registers of both banks, scalars first, as bits of words.
type Bits = [u64];

fn add(set: &mut Bits, bit: usize) {
    set[bit / 64] |= 1 << (bit % 64);
}

fn remove(set: &mut Bits, bit: usize) {
    set[bit / 64] &= !(1 << (bit % 64));
}

/// The members, in order.
fn members(set: &Bits) -> impl Iterator<Item = usize> {
    set.iter().enumerate().flat_map(|(at, &word)| {
        let mut rest = word;
        std::iter::from_fn(move || {
            let bit = (rest != 0).then(|| at * 64 + rest.trailing_zeros() as usize);
            rest &= rest.wrapping_sub(1);
            bit
        })
    })
}

/// What an instruction reads, writes and jumps to, with registers as bit numbers.
struct Effects {
    scalars: usize,
    uses: Vec<usize>,
    defs: Vec<usize>,
    labels: Vec<Label>,
}

impl Visitor for Effects {
    fn use_scalar(&mut self, reg: S, _: Option<ScalarKind>) {
        self.uses.push(reg.index());
    }
    fn use_ref(&mut self, reg: R) {
        self.uses.push(self.scalars + reg.index());
    }
    fn def_scalar(&mut self, reg: S, _: Option<ScalarKind>) {
        self.defs.push(reg.index());
    }
    fn def_ref(&mut self, reg: R) {
        self.defs.push(self.scalars + reg.index());
    }
    fn label(&mut self, label: Label) {
        self.labels.push(label);
    }
    fn type_id(&mut self, _: TypeId) {}
    fn const_id(&mut self, _: ConstId) {}
    fn function(&mut self, _: FunctionId) {}
    fn native(&mut self, _: NativeId) {}
    fn static_id(&mut self, _: StaticId) {}
    fn slot(&mut self, _: Slot) {}
    fn method(&mut self, _: MethodId) {}
    fn int(&mut self, _: i64) {}
    fn double(&mut self, _: f64) {}
    fn bool(&mut self, _: bool) {}
    fn trap(&mut self, _: TrapKind) {}
}

/// Live registers at every jump target, by the usual backward data flow over blocks. A region of `within` may be cut at
/// any place of it, so what its label needs is live all through.
fn live_heads(code: &[Instr], scalars: usize, refs: usize) -> Vec<Head> {
    let mut effects = Effects { scalars, uses: Vec::new(), defs: Vec::new(), labels: Vec::new() };
    let mut is_head = vec![false; code.len() + 1];
    // Jumps: from an instruction to another.
    let mut jumps: Vec<(usize, usize)> = Vec::new();
    // Where each region begins, and its label; its code stands between the two.
    let mut regions: Vec<(usize, usize)> = Vec::new();
    for (at, instr) in code.iter().enumerate() {
        instr.visit(&mut effects);
        effects.uses.clear();
        effects.defs.clear();
        for label in effects.labels.drain(..) {
            is_head[label.index()] = true;
            jumps.push((at, label.index()));
            if matches!(instr, Instr::LimitEnter { .. }) {
                regions.push((at, label.index()));
            }
        }
    }
    if jumps.is_empty() {
        return Vec::new();
    }
    // A block begins at a head, at the entry and after a conditional jump's fall-through is not cut: jumps in
    // the middle of a block add what is live at their targets.
    let starts: Vec<usize> = (0..code.len()).filter(|&at| at == 0 || is_head[at]).collect();
    let mut block_of = vec![0usize; code.len()];
    for (block, &start) in starts.iter().enumerate() {
        let end = starts.get(block + 1).copied().unwrap_or(code.len());
        block_of[start..end].fill(block);
    }
    let words = (scalars + refs).div_ceil(64);
    let mut live = vec![0u64; words * starts.len()];
    let mut set = vec![0u64; words];
    let mut queued = vec![true; starts.len()];
    let mut queue: Vec<usize> = (0..starts.len()).collect();
    let mut sources: Vec<Vec<usize>> = vec![Vec::new(); starts.len()];
    for &(enter, cut) in &regions {
        jumps.extend((block_of[enter] + 1..block_of[cut]).map(|block| (starts[block], cut)));
    }
    for (from, to) in jumps {
        sources[block_of[to]].push(block_of[from]);
    }
    for (block, from) in sources.iter_mut().enumerate().skip(1) {
        from.push(block - 1);
    }
    while let Some(block) = queue.pop() {
        queued[block] = false;
        let end = starts.get(block + 1).copied().unwrap_or(code.len());
        match live.get((block + 1) * words..(block + 2) * words) {
            Some(next) if !code[end - 1].ends_block() => set.copy_from_slice(next),
            _ => set.fill(0),
        }
        for at in (starts[block]..end).rev() {
            code[at].visit(&mut effects);
            effects.defs.drain(..).for_each(|d| remove(&mut set, d));
            let around = regions.iter().filter(|&&(enter, cut)| enter < at && at < cut).map(|&(_, cut)| cut);
            for target in effects.labels.drain(..).map(Label::index).chain(around) {
                let target = block_of[target] * words;
                for (word, &more) in set.iter_mut().zip(&live[target..target + words]) {
                    *word |= more;
                }
            }
            effects.uses.drain(..).for_each(|u| add(&mut set, u));
        }
        let known = &mut live[block * words..(block + 1) * words];
        if set != known {
            known.copy_from_slice(&set);
            for &source in &sources[block] {
                if !queued[source] {
                    queued[source] = true;
                    queue.push(source);
                }
            }
        }
    }
    let heads = starts.iter().enumerate().filter(|&(_, &start)| is_head[start]);
    heads
        .map(|(block, &start)| {
            let set = &live[block * words..(block + 1) * words];
            let mut head = Head { at: Label(start as u32), scalars: Vec::new(), refs: Vec::new() };
            for bit in members(set) {
                if bit < scalars {
                    head.scalars.push(S(bit as u16));
                } else {
                    head.refs.push(R((bit - scalars) as u16));
                }
            }
            head
        })
        .collect()
}
