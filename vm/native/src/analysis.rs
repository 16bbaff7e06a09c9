//! What the translator must know of a function before it begins: where blocks begin, which references are alive
//! where a collection may happen, and which of them need a slot of the frame's window for that.

use dscript_bytecode::ids::*;
use dscript_bytecode::image::{Function, RegType, ScalarKind};
use dscript_bytecode::instr::{Instr, Visitor};
use dscript_bytecode::trap::TrapKind;

use crate::loops::{all_loops, looped};
use crate::regions::Regions;
use crate::replaced::Replaced;

pub(crate) struct Analysis {
    /// By instruction: whether a block begins there, to which there is a way.
    pub leaders: Vec<bool>,
    /// The head of each loop and its last jump back.
    pub loops: Vec<(usize, usize)>,
    /// By instruction, where a collection may happen in it: references alive across it, and for one that collects
    /// before it reads its operands, those too. For a jump backward: those alive at its target. In a region of `within` those
    /// as well that are alive where the function goes on when the time is up.
    pub alive: Vec<Option<Box<[R]>>>,
    /// By reference register: its slot of the native window, where it needs one.
    pub slots: Vec<Option<u16>>,
    pub slot_count: usize,
    /// By instruction that gives references: whether a collection may find one of them still alive, so that it is written
    /// to its slot.
    pub kept: Vec<bool>,
    /// Registers alive at each block's beginning, by instruction; only of leaders.
    pub heads: Vec<Option<Box<[Reg]>>>,
    /// All ways into each block, by its first instruction.
    pub sources: Vec<Vec<Source>>,
    /// By leader: whether no way leads there but the one from the instruction before it.
    pub joined: Vec<bool>,
    /// By leader: the jump that ends it, where it only looks at something and jumps on, and jumps forward are all that
    /// leads there. Then it stands in the place of these jumps, so that a loop has one jump, at its end.
    pub tests: Vec<Option<usize>>,
    /// By instruction: whether it lies in a loop.
    pub looped: Vec<bool>,
    /// Of calls of functions, in order: the slots that may hold references nobody reads any more.
    pub dead: Vec<(usize, Box<[u16]>)>,
}

/// Instructions that a test may have before its jump.
const TEST_MAX: usize = 6;
/// Jumps that a test may replace.
const TEST_COPIES_MAX: usize = 4;

/// Reads and writes of one instruction.
#[derive(Default)]
pub(crate) struct Operands {
    pub uses: Vec<Reg>,
    pub defs: Vec<Reg>,
    pub labels: Vec<Label>,
}

impl Operands {
    pub fn of(instr: &Instr) -> Operands {
        let mut operands = Operands::default();
        instr.visit(&mut operands);
        operands
    }
}

impl Visitor for Operands {
    fn use_scalar(&mut self, reg: S, _: Option<ScalarKind>) {
        self.uses.push(Reg::S(reg));
    }
    fn use_ref(&mut self, reg: R) {
        self.uses.push(Reg::R(reg));
    }
    fn def_scalar(&mut self, reg: S, _: Option<ScalarKind>) {
        self.defs.push(Reg::S(reg));
    }
    fn def_ref(&mut self, reg: R) {
        self.defs.push(Reg::R(reg));
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

/// How an instruction may collect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Collects {
    Never,
    /// With its operands read; they are alive no more unless something else needs them.
    After,
    /// Before it reads its operands.
    Before,
    /// The interpreter may do it, with operands and results in slots.
    Lent,
}

/// A set of registers: references from 0, scalars behind them.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Set(Vec<u64>);

impl Set {
    pub fn new(size: usize) -> Self {
        Set(vec![0; size.div_ceil(64)])
    }

    pub fn insert(&mut self, index: usize) {
        self.0[index / 64] |= 1 << (index % 64);
    }

    pub fn has(&self, index: usize) -> bool {
        self.0[index / 64] >> (index % 64) & 1 != 0
    }

    pub fn remove(&mut self, index: usize) {
        self.0[index / 64] &= !(1 << (index % 64));
    }

    /// Whether it grew.
    fn extend(&mut self, other: &Set) -> bool {
        let mut grown = false;
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            grown |= *theirs & !*mine != 0;
            *mine |= theirs;
        }
        grown
    }

    /// Adds what one way brings; whether there is more now.
    pub fn meet(all: &mut Option<Set>, one: &Set) -> bool {
        match all {
            Some(all) => all.extend(one),
            None => {
                *all = Some(one.clone());
                true
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(word, bits)| {
            (0..64).filter(move |bit| bits >> bit & 1 != 0).map(move |bit| word * 64 + bit)
        })
    }
}

/// By instruction: whether there is a way to it.
fn reached(code: &[Instr], operands: &[Operands]) -> Vec<bool> {
    let mut reached = vec![false; code.len()];
    let mut starts = vec![0];
    while let Some(start) = starts.pop() {
        for pc in start..code.len() {
            if std::mem::replace(&mut reached[pc], true) {
                break;
            }
            starts.extend(operands[pc].labels.iter().map(|to| to.index()));
            if code[pc].ends_block() {
                break;
            }
        }
    }
    reached
}

impl Analysis {
    /// `entered` says that it is called, and so may be interrupted before its first instruction.
    pub fn of(
        function: &Function,
        regions: &Regions,
        collects: &dyn Fn(&Instr) -> Collects,
        replaced: &Replaced,
        entered: bool,
    ) -> Analysis {
        let code = &function.code[..];
        let mut operands: Vec<Operands> = code.iter().map(Operands::of).collect();
        let mut leaders = vec![false; code.len() + 1];
        leaders[0] = true;
        for (pc, reached) in reached(code, &operands).into_iter().enumerate() {
            if !reached {
                operands[pc] = Operands::default();
            }
            replaced.strip(pc, &mut operands[pc]);
            for label in &operands[pc].labels {
                leaders[label.index()] = true;
            }
        }
        let is_backward = |pc: usize| operands[pc].labels.iter().any(|to| to.index() <= pc);
        let refs = function.refs.len();
        let number = |reg: Reg| match reg {
            Reg::R(r) => r.index(),
            Reg::S(s) => refs + s.index(),
        };
        let size = refs + function.scalars.len();
        // Registers alive at the beginning of each block, until nothing changes.
        let mut live: Vec<Option<Set>> = leaders.iter().map(|leads| leads.then(|| Set::new(size))).collect();
        // What is alive where the function goes on when the time of a region around a call out is up.
        let ways_out = |pc: usize, set: &mut Set, live: &[Option<Set>]| {
            for to in regions.ways_out(pc) {
                set.extend(live[to].as_ref().expect("labels lead blocks"));
            }
        };
        let step = |pc: usize, set: &mut Set, live: &[Option<Set>]| {
            if code[pc].ends_block() {
                set.0.fill(0);
            }
            for label in &operands[pc].labels {
                set.extend(live[label.index()].as_ref().expect("labels lead blocks"));
            }
            for def in &operands[pc].defs {
                set.remove(number(*def));
            }
            for used in &operands[pc].uses {
                set.insert(number(*used));
            }
            if regions.at(pc).is_some() && (is_backward(pc) || collects(&code[pc]) != Collects::Never) {
                ways_out(pc, set, live);
            }
        };
        loop {
            let mut changed = false;
            let mut set = Set::new(size);
            for pc in (0..code.len()).rev() {
                step(pc, &mut set, &live);
                if leaders[pc] {
                    let head = live[pc].as_mut().expect("a leader has a set");
                    changed |= head.extend(&set);
                    set.clone_from(head);
                }
            }
            if !changed {
                break;
            }
        }

        let mut alive: Vec<Option<Box<[R]>>> = vec![None; code.len()];
        let mut slotted = Set::new(refs.max(1));
        let only_refs =
            |set: &Set| -> Box<[R]> { set.iter().filter(|i| *i < refs).map(|i| R(i as u16)).collect() };
        let mut set = Set::new(size);
        for pc in (0..code.len()).rev() {
            let (instr, ops) = (&code[pc], &operands[pc]);
            let kind = collects(instr);
            if kind != Collects::Never {
                let mut across = set.clone();
                for def in &ops.defs {
                    across.remove(number(*def));
                }
                ways_out(pc, &mut across, &live);
                if kind == Collects::Before {
                    ops.uses.iter().for_each(|used| across.insert(number(*used)));
                }
                alive[pc] = Some(only_refs(&across));
                if kind == Collects::Lent {
                    for reg in ops.uses.iter().chain(&ops.defs) {
                        if let Reg::R(r) = reg {
                            slotted.insert(r.index());
                        }
                    }
                }
            }
            step(pc, &mut set, &live);
            if leaders[pc] {
                set.clone_from(live[pc].as_ref().expect("a leader has a set"));
            }
            if is_backward(pc) {
                let mut at_target = Set::new(size);
                ways_out(pc, &mut at_target, &live);
                for label in ops.labels.iter().filter(|to| to.index() <= pc) {
                    at_target.extend(live[label.index()].as_ref().expect("labels lead blocks"));
                }
                alive[pc] = Some(only_refs(&at_target));
            }
            for r in alive[pc].iter().flat_map(|a| a.iter()) {
                slotted.insert(r.index());
            }
        }
        let params = function.params.iter().filter(|p| entered && matches!(p, RegType::Ref(_)));
        for (index, _) in params.enumerate() {
            if live[0].as_ref().is_some_and(|head| head.0[index / 64] >> (index % 64) & 1 != 0) {
                slotted.insert(index);
            }
        }
        let mut slots = vec![None; refs];
        let mut slot_count = 0;
        for index in slotted.iter().filter(|i| *i < refs) {
            slots[index] = Some(slot_count as u16);
            slot_count += 1;
        }
        let heads = live
            .iter()
            .map(|set| {
                set.as_ref().map(|set| {
                    set.iter()
                        .map(|i| if i < refs { Reg::R(R(i as u16)) } else { Reg::S(S((i - refs) as u16)) })
                        .collect()
                })
            })
            .collect();
        let kept = kept(code, &operands, &leaders, &alive, collects);
        let sources = sources(code, &operands, &leaders);
        let tests: Vec<Option<usize>> = (0..code.len())
            .map(|head| {
                let from = &sources[head];
                let forward = |from: &Source| matches!(from, Source::Jump(from) if *from < head);
                let few = !from.is_empty() && from.len() <= TEST_COPIES_MAX;
                let end =
                    (head..code.len().min(head + TEST_MAX)).find(|pc| !operands[*pc].labels.is_empty())?;
                let looks = |pc: usize| {
                    collects(&code[pc]) == Collects::Never
                        && (pc == head || !leaders[pc])
                        && (pc == end || operands[pc].defs.iter().all(|def| matches!(def, Reg::S(_))))
                };
                let decides =
                    !code[end].ends_block() && matches!(code.get(end + 1), Some(Instr::Jump { .. }));
                (few && from.iter().all(forward) && decides && (head..=end).all(looks)).then_some(end)
            })
            .collect();
        // What a test jumps to is reached from elsewhere.
        let mut of_test = vec![false; code.len() + 1];
        tests.iter().flatten().for_each(|end| of_test[end + 1] = true);
        let joined = sources
            .iter()
            .enumerate()
            .map(|(to, from)| match from[..] {
                [Source::Before] => true,
                [Source::Jump(from)] => from + 1 == to && !of_test[from],
                _ => false,
            })
            .collect();
        let loops = all_loops(&operands);
        let looped = looped(&loops, code.len());
        let dead = Vec::new();
        let mut analysis = Analysis {
            leaders,
            loops,
            alive,
            slots,
            slot_count,
            kept,
            heads,
            sources,
            joined,
            tests,
            looped,
            dead,
        };
        analysis.dead = dead_slots(function, &operands, &analysis, collects);
        analysis
    }
}

/// `Analysis::dead`: follows what is in slots, forward, to calls after which nobody needs it. These empty them.
fn dead_slots(
    function: &Function,
    operands: &[Operands],
    Analysis { leaders, alive, slots, kept, .. }: &Analysis,
    collects: &dyn Fn(&Instr) -> Collects,
) -> Vec<(usize, Box<[u16]>)> {
    let code = &function.code[..];
    let calls = |pc: usize| {
        matches!(code[pc], Instr::Call { .. } | Instr::CallValue { .. } | Instr::CallMethod { .. })
            && alive[pc].is_some()
    };
    if !(0..code.len()).any(calls) {
        return Vec::new();
    }
    let params = function.params.iter().filter(|param| matches!(param, RegType::Ref(_))).count();
    let slot_of = |reg: usize| slots[reg].map(usize::from);
    let refs = slots.len().max(1);
    let mut filled: Vec<Option<Set>> = vec![None; code.len() + 1];
    let mut start = Set::new(refs);
    (0..params).filter_map(slot_of).for_each(|slot| start.insert(slot));
    filled[0] = Some(start);
    let mut dead = Vec::new();
    loop {
        let mut changed = false;
        let mut now: Option<Set> = None;
        dead.clear();
        for pc in 0..code.len() {
            if leaders[pc] {
                changed |= now.as_ref().is_some_and(|now| Set::meet(&mut filled[pc], now));
                now.clone_from(&filled[pc]);
            }
            let Some(set) = &mut now else { continue };
            if calls(pc) {
                let mut gone = set.clone();
                let needed = alive[pc].iter().flat_map(|regs| regs.iter());
                needed.filter_map(|reg| slot_of(reg.index())).for_each(|slot| gone.remove(slot));
                if collects(&code[pc]) == Collects::Lent {
                    let read = operands[pc].uses.iter().filter_map(|reg| match reg {
                        Reg::R(r) => slot_of(r.index()),
                        Reg::S(_) => None,
                    });
                    read.for_each(|slot| gone.remove(slot));
                }
                gone.iter().for_each(|slot| set.remove(slot));
                dead.push((pc, gone.iter().map(|slot| slot as u16).collect::<Box<[u16]>>()));
            }
            for def in operands[pc].defs.iter().filter(|_| kept[pc]) {
                if let Reg::R(r) = def {
                    slot_of(r.index()).into_iter().for_each(|slot| set.insert(slot));
                }
            }
            for label in &operands[pc].labels {
                changed |= Set::meet(&mut filled[label.index()], set);
            }
            if code[pc].ends_block() {
                now = None;
            }
        }
        if !changed {
            dead.retain(|(_, slots)| !slots.is_empty());
            return dead;
        }
    }
}

/// `Analysis::kept`: what a collection needs, followed back to where it was given.
fn kept(
    code: &[Instr],
    operands: &[Operands],
    leaders: &[bool],
    alive: &[Option<Box<[R]>>],
    collects: &dyn Fn(&Instr) -> Collects,
) -> Vec<bool> {
    let refs = |regs: &[Reg]| -> Vec<usize> {
        regs.iter().filter_map(|reg| if let Reg::R(r) = reg { Some(r.index()) } else { None }).collect()
    };
    let most = operands.iter().flat_map(|ops| refs(&ops.defs).into_iter().chain(refs(&ops.uses))).max();
    let size = most.map_or(0, |most| most + 1);
    let mut needed: Vec<Set> = leaders.iter().map(|_| Set::new(size)).collect();
    let mut kept = vec![false; code.len()];
    loop {
        let mut changed = false;
        let mut set = Set::new(size);
        for pc in (0..code.len()).rev() {
            let ops = &operands[pc];
            if code[pc].ends_block() {
                set.0.fill(0);
            }
            for label in &ops.labels {
                set.extend(&needed[label.index()]);
            }
            for def in refs(&ops.defs) {
                kept[pc] |= set.has(def);
                set.remove(def);
            }
            for reg in alive[pc].iter().flat_map(|alive| alive.iter()) {
                set.insert(reg.index());
            }
            if collects(&code[pc]) == Collects::Lent {
                refs(&ops.uses).into_iter().for_each(|used| set.insert(used));
            }
            if leaders[pc] {
                changed |= needed[pc].extend(&set);
                set.clone_from(&needed[pc]);
            }
        }
        if !changed {
            return kept;
        }
    }
}

/// A way into a block.
pub(crate) enum Source {
    /// From the instruction before it, which goes on there.
    Before,
    /// By a jump that does nothing else.
    Jump(usize),
    /// From an instruction that may go on elsewhere.
    Branch(usize),
    /// The function begins there.
    Entry,
}

/// All ways into each block, by its first instruction.
fn sources(code: &[Instr], operands: &[Operands], leaders: &[bool]) -> Vec<Vec<Source>> {
    let mut sources: Vec<Vec<Source>> = leaders.iter().map(|_| Vec::new()).collect();
    sources[0].push(Source::Entry);
    for (pc, instr) in code.iter().enumerate() {
        if leaders[pc + 1] && !instr.ends_block() {
            sources[pc + 1].push(Source::Before);
        }
        for label in &operands[pc].labels {
            let jumps = matches!(instr, Instr::Jump { .. });
            sources[label.index()].push(if jumps { Source::Jump(pc) } else { Source::Branch(pc) });
        }
    }
    sources
}
