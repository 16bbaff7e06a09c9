//! Scalar replacement: objects of scalars that nobody keeps are never made.
//!
//! An object whose fields are scalars, that is only read where it was made and in short functions it is given to or comes from,
//! is no object in machine code: its fields are variables. Those functions stand in the place of their calls then, within a room of
//! their own, and what they are given and give are fields.
//!
//! A register holds different objects one after the other. What belongs together is a *web*: definitions of one register that
//! meet in a use. A web is replaced, or none of it: where one of its definitions is an object that exists (a parameter, an
//! element, what another call gives), or one of its uses needs an object (to store it, compare it, hand it on), it is real. A
//! move links two webs of different registers: both are replaced or neither is, with fields of their own. Where the code begins in
//! a loop of the interpreter, the records that are alive there are taken apart; another object may be written to by another name.

use dscript_bytecode::ids::{FunctionId, R, Reg, TypeId};
use dscript_bytecode::image::{Function, Image, RegType, ScalarKind, Type, slots};
use dscript_bytecode::instr::Instr;

use crate::analysis::{Collects, Operands, Set};
use crate::translate::{NESTED_MAX, weight};
use crate::unit::Unit;

/// Definitions that are followed in one function; one with more has its objects made.
const DEFINITIONS_MAX: usize = 512;
/// How often what is real is looked through; where more is found then, all is.
const ROUNDS_MAX: usize = 16;
/// Functions in each other whose code stands in the place of calls for this; one that only makes the object is one of them.
pub(crate) const DEPTH_MAX: usize = NESTED_MAX + 1;
/// The weight of a function that does so, with those it calls, and of all of them in one function.
const LIGHT_MAX: usize = 64;
const ALL_LIGHT_MAX: usize = 480;

/// What is handed over as fields in a call: of its parameters, and of its results.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handed {
    pub params: Vec<bool>,
    pub results: Vec<bool>,
}

impl Handed {
    fn is_any(&self) -> bool {
        self.params.iter().chain(&self.results).any(|handed| *handed)
    }
}

/// The objects of a function that are not made.
#[derive(Default)]
pub(crate) struct Replaced {
    /// By web: its register and what its fields are.
    pub webs: Vec<(R, Box<[ScalarKind]>)>,
    /// By instruction and register.
    reads: Vec<(usize, R, usize)>,
    writes: Vec<(usize, R, usize)>,
    /// Webs that parameters are, by parameter.
    pub given: Vec<Option<usize>>,
    /// Webs that hold objects of the interpreter where the code begins in a loop.
    pub entered: Vec<usize>,
    /// Calls with fields among what they hand over, and whether an object is made in them.
    calls: Vec<(usize, Handed, bool)>,
}

impl Replaced {
    /// `handed` is what its caller has as fields; `loop_at` the loop that its code begins with.
    pub fn of(unit: &Unit<'_>, function: &Function, handed: &Handed, loop_at: Option<usize>) -> Replaced {
        match Solution::of(unit, function, handed, loop_at, DEPTH_MAX) {
            Some(solution) => solution.replaced(),
            None => Replaced::default(),
        }
    }

    /// The web that an instruction reads in a register.
    pub fn read(&self, pc: usize, reg: R) -> Option<usize> {
        find(&self.reads, pc, reg)
    }

    /// The web that an instruction gives to a register.
    pub fn written(&self, pc: usize, reg: R) -> Option<usize> {
        find(&self.writes, pc, reg)
    }

    /// What a call whose code stands in its place hands over as fields.
    pub fn call(&self, pc: usize) -> Option<&Handed> {
        self.calls.iter().find(|(at, ..)| *at == pc).map(|(_, handed, _)| handed)
    }

    /// How an instruction may collect where that is otherwise than it would be with its objects made.
    pub fn collects(&self, function: &Function, instr: &Instr) -> Option<Collects> {
        let is_at = |pc: usize| std::ptr::eq(instr, &function.code[pc]);
        match instr {
            Instr::New { dst, .. } => {
                self.writes.iter().any(|(pc, reg, _)| reg == dst && is_at(*pc)).then_some(Collects::Never)
            }
            Instr::Call { .. } => {
                let (.., makes) = self.calls.iter().find(|(pc, ..)| is_at(*pc))?;
                Some(if *makes { Collects::After } else { Collects::Never })
            }
            _ => None,
        }
    }

    /// Leaves out the registers that hold no reference.
    pub fn strip(&self, pc: usize, operands: &mut Operands) {
        let is_ref =
            |reg: &Reg, web: &dyn Fn(R) -> Option<usize>| matches!(reg, Reg::R(r) if web(*r).is_some());
        operands.uses.retain(|reg| !is_ref(reg, &|r| self.read(pc, r)));
        operands.defs.retain(|reg| !is_ref(reg, &|r| self.written(pc, r)));
    }
}

fn find(all: &[(usize, R, usize)], pc: usize, reg: R) -> Option<usize> {
    let at = all.binary_search_by_key(&(pc, reg), |(pc, reg, _)| (*pc, *reg)).ok()?;
    Some(all[at].2)
}

/// Where a register gets what it holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Param(usize),
    /// The interpreter's frame.
    Frame,
    At(usize),
}

struct Solution<'a> {
    function: &'a Function,
    /// Definitions of registers that may hold such objects.
    definitions: Vec<(Origin, R)>,
    /// By definition: another of the same web, or itself.
    same: Vec<usize>,
    /// By definition: whether its web is real; only of the one that stands for it.
    real: Vec<bool>,
    reads: Vec<(usize, R, usize)>,
    kinds: Vec<Option<&'a [ScalarKind]>>,
    calls: Vec<(usize, Handed, bool)>,
    /// What is handed over to it and by it, as it turned out.
    handed: Handed,
    /// Whether an object is made in it, or where it calls.
    makes: bool,
}

impl<'a> Solution<'a> {
    /// None where there is nothing to be replaced.
    fn of(
        unit: &'a Unit<'_>,
        function: &'a Function,
        handed: &Handed,
        loop_at: Option<usize>,
        depth: usize,
    ) -> Option<Solution<'a>> {
        let code = &function.code[..];
        let kinds: Vec<Option<&[ScalarKind]>> =
            function.refs.iter().map(|reg| if reg.nullable { None } else { unit.fields(reg.ty) }).collect();
        let is_source = |instr: &Instr| matches!(instr, Instr::New { .. } | Instr::Call { .. });
        if kinds.iter().all(Option::is_none)
            || !(handed.is_any() || code.iter().any(is_source))
            // The way out of a region that is cut short is none that is followed here.
            || code.iter().any(|instr| matches!(instr, Instr::LimitEnter { .. }))
        {
            return None;
        }
        let operands: Vec<Operands> = code.iter().map(Operands::of).collect();
        let candidate = |reg: &Reg| match *reg {
            Reg::R(r) if kinds[r.index()].is_some() => Some(r),
            _ => None,
        };
        let mut definitions: Vec<(Origin, R)> = Vec::new();
        match loop_at {
            Some(_) => {
                let all = (0..kinds.len()).map(|r| R(r as u16)).filter(|r| kinds[r.index()].is_some());
                definitions.extend(all.map(|r| (Origin::Frame, r)));
            }
            None => {
                let params = function.params.iter().enumerate();
                let refs = params.filter(|(_, param)| matches!(param, RegType::Ref(_))).enumerate();
                let own = refs.map(|(r, (param, _))| (Origin::Param(param), R(r as u16)));
                definitions.extend(own.filter(|(_, r)| kinds[r.index()].is_some()));
            }
        }
        let entry = definitions.len();
        for (pc, operands) in operands.iter().enumerate() {
            definitions.extend(operands.defs.iter().filter_map(candidate).map(|r| (Origin::At(pc), r)));
        }
        if definitions.len() > DEFINITIONS_MAX {
            return None;
        }
        let count = definitions.len();
        let mut solution = Solution {
            function,
            definitions,
            same: (0..count).collect(),
            real: vec![false; count],
            reads: Vec::new(),
            kinds,
            calls: Vec::new(),
            handed: handed.clone(),
            makes: false,
        };
        solution.handed.params.resize(function.params.len(), false);
        solution.handed.results.resize(function.results.len(), false);
        for (param, handed) in solution.handed.params.iter_mut().enumerate() {
            *handed &= solution.definitions.iter().any(|(origin, _)| *origin == Origin::Param(param));
        }
        solution.follow(&operands, loop_at.unwrap_or(0), entry);
        solution.decide(unit, depth).then_some(solution)
    }

    fn root(&self, mut definition: usize) -> usize {
        while self.same[definition] != definition {
            definition = self.same[definition];
        }
        definition
    }

    /// Finds what each use reads: definitions that reach it become one web.
    fn follow(&mut self, operands: &[Operands], start: usize, entry: usize) {
        let code = &self.function.code[..];
        let count = self.definitions.len();
        let mut first = vec![None; code.len()];
        for (n, (origin, _)) in self.definitions.iter().enumerate().rev() {
            if let Origin::At(pc) = origin {
                first[*pc] = Some(n);
            }
        }
        let mut of_register: Vec<Vec<usize>> = vec![Vec::new(); self.kinds.len()];
        self.definitions.iter().enumerate().for_each(|(n, (_, r))| of_register[r.index()].push(n));
        let mut reaching: Vec<Option<Set>> = vec![None; code.len() + 1];
        let mut begin = Set::new(count);
        (0..entry).for_each(|n| begin.insert(n));
        let mut leads = vec![false; code.len() + 1];
        operands.iter().flat_map(|ops| &ops.labels).for_each(|to| leads[to.index()] = true);
        leads[start] = true;
        reaching[start] = Some(begin);
        loop {
            let mut changed = false;
            let mut now: Option<Set> = None;
            self.reads.clear();
            for pc in 0..code.len() {
                if leads[pc] {
                    changed |= now.as_ref().is_some_and(|now| Set::meet(&mut reaching[pc], now));
                    now.clone_from(&reaching[pc]);
                }
                let Some(set) = &mut now else { continue };
                for reg in &operands[pc].uses {
                    let Reg::R(r) = *reg else { continue };
                    let here = of_register[r.index()].iter().filter(|n| set.has(**n));
                    if let Some(one) = here.copied().reduce(|a, b| {
                        self.join(a, b);
                        a
                    }) {
                        self.reads.push((pc, r, one));
                    }
                }
                if let Some(mut n) = first[pc] {
                    while n < count && self.definitions[n].0 == Origin::At(pc) {
                        let r = self.definitions[n].1;
                        of_register[r.index()].iter().for_each(|other| set.remove(*other));
                        set.insert(n);
                        n += 1;
                    }
                }
                for label in &operands[pc].labels {
                    changed |= Set::meet(&mut reaching[label.index()], set);
                }
                if code[pc].ends_block() {
                    now = None;
                }
            }
            if !changed {
                break;
            }
        }
        self.reads.sort_unstable();
        self.reads.dedup_by_key(|(pc, r, _)| (*pc, *r));
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.same[b] = a;
    }

    fn is_real(&self, definition: usize) -> bool {
        self.real[self.root(definition)]
    }

    /// Whether that is new.
    fn make_real(&mut self, definition: usize) -> bool {
        let root = self.root(definition);
        !std::mem::replace(&mut self.real[root], true)
    }

    fn read(&self, pc: usize, reg: R) -> Option<usize> {
        find(&self.reads, pc, reg)
    }

    fn written(&self, pc: usize, reg: R) -> Option<usize> {
        self.definitions.iter().position(|(origin, r)| *origin == Origin::At(pc) && *r == reg)
    }

    /// Calls of functions whose code may stand in their place for this, as far as there is room.
    fn light_calls(&self, unit: &Unit<'_>, depth: usize) -> Vec<(usize, FunctionId)> {
        let mut room = ALL_LIGHT_MAX;
        let mut calls = Vec::new();
        for (pc, instr) in self.function.code.iter().enumerate() {
            let Instr::Call { function, ref args, ref results } = *instr else { continue };
            let hands_over = args.iter().any(|arg| matches!(arg, Reg::R(r) if self.read(pc, *r).is_some()))
                || results.iter().any(|reg| matches!(reg, Reg::R(r) if self.written(pc, *r).is_some()));
            if hands_over
                && let Some(light) = light(unit, function, depth)
                && light <= room
            {
                room -= light;
                calls.push((pc, function));
            }
        }
        calls
    }

    /// Finds the webs that are real, and with them those that are linked to them; false where that takes too long.
    fn decide(&mut self, unit: &Unit<'_>, depth: usize) -> bool {
        let code = &self.function.code[..];
        let mut links: Vec<(usize, usize)> = Vec::new();
        let calls = self.light_calls(unit, depth);
        let is_light = |pc: usize| calls.iter().any(|(at, _)| *at == pc);
        for n in 0..self.definitions.len() {
            let (origin, reg) = self.definitions[n];
            let fits = match origin {
                Origin::Param(param) => self.handed.params[param],
                Origin::Frame => unit.is_record(self.function.refs[reg.index()].ty),
                Origin::At(pc) => match code[pc] {
                    Instr::New { ty, .. } => self.function.refs[reg.index()].ty == ty,
                    Instr::MoveRef { src, .. } => match self.read(pc, src) {
                        Some(from) => {
                            links.push((from, n));
                            true
                        }
                        None => false,
                    },
                    Instr::Call { .. } => is_light(pc),
                    _ => false,
                },
            };
            if !fits {
                self.make_real(n);
            }
        }
        for (pc, reg, n) in self.reads.clone() {
            let fits = match code[pc] {
                Instr::GetScalar { .. } => true,
                Instr::MoveRef { dst, .. } => self.written(pc, dst).is_some(),
                Instr::Return { ref values } => {
                    let handed =
                        |(at, value): (usize, &Reg)| *value != Reg::R(reg) || self.handed.results[at];
                    values.iter().enumerate().all(handed)
                }
                Instr::Call { .. } => is_light(pc),
                _ => false,
            };
            if !fits {
                self.make_real(n);
            }
        }
        for round in 0.. {
            if round == ROUNDS_MAX {
                return false;
            }
            let mut changed = false;
            for (a, b) in &links {
                if self.is_real(*a) != self.is_real(*b) {
                    self.make_real(*a);
                    self.make_real(*b);
                    changed = true;
                }
            }
            self.calls.clear();
            for (pc, callee) in &calls {
                changed |= self.ask(unit, *pc, *callee, depth);
            }
            changed |= self.agree();
            if !changed {
                break;
            }
        }
        self.makes = code.iter().enumerate().any(|(pc, instr)| match instr {
            Instr::New { dst, .. } => self.written(pc, *dst).is_none_or(|n| self.is_real(n)),
            Instr::Call { .. } => match self.calls.iter().find(|(at, ..)| *at == pc) {
                Some((.., makes)) => *makes,
                None => unit.collects(self.function, instr) != Collects::Never,
            },
            _ => false,
        });
        true
    }

    /// What a call may hand over as fields; whether something is real that was not.
    fn ask(&mut self, unit: &Unit<'_>, pc: usize, callee: FunctionId, depth: usize) -> bool {
        let Instr::Call { args, results, .. } = &self.function.code[pc] else { return false };
        let web = |reg: &Reg, find: &dyn Fn(R) -> Option<usize>| match *reg {
            Reg::R(r) => find(r).filter(|n| !self.is_real(*n)),
            Reg::S(_) => None,
        };
        let params: Vec<Option<usize>> = args.iter().map(|arg| web(arg, &|r| self.read(pc, r))).collect();
        let given: Vec<Option<usize>> =
            results.iter().map(|result| web(result, &|r| self.written(pc, r))).collect();
        let wanted = Handed {
            params: params.iter().map(Option::is_some).collect(),
            results: given.iter().map(Option::is_some).collect(),
        };
        if !wanted.is_any() {
            return false;
        }
        let inner = Solution::of(unit, unit.function(callee), &wanted, None, depth - 1);
        let mut changed = false;
        let refused: Vec<usize> = match &inner {
            Some(Solution { handed: got, .. }) => {
                let all = params.iter().zip(&got.params).chain(given.iter().zip(&got.results));
                all.filter(|(_, got)| !**got).filter_map(|(web, _)| *web).collect()
            }
            None => params.iter().chain(&given).filter_map(|web| *web).collect(),
        };
        for n in refused {
            changed |= self.make_real(n);
        }
        self.calls.push((pc, wanted, inner.is_none_or(|inner| inner.makes)));
        changed
    }

    /// A result is fields on each way out or on none; a parameter that became real is handed over as an object.
    fn agree(&mut self) -> bool {
        let mut changed = false;
        let code = &self.function.code[..];
        for at in 0..self.handed.results.len() {
            let values: Vec<Option<usize>> = code
                .iter()
                .enumerate()
                .filter_map(|(pc, instr)| match instr {
                    Instr::Return { values } => match values[at] {
                        Reg::R(r) => Some(self.read(pc, r)),
                        Reg::S(_) => None,
                    },
                    _ => None,
                })
                .collect();
            let fields = |value: &Option<usize>| value.is_some_and(|n| !self.is_real(n));
            if self.handed.results[at] && !values.iter().all(fields) {
                self.handed.results[at] = false;
                changed = true;
            }
            if !self.handed.results[at] {
                for n in values.into_iter().flatten() {
                    changed |= self.make_real(n);
                }
            }
        }
        for n in 0..self.definitions.len() {
            if let (Origin::Param(param), _) = self.definitions[n]
                && self.is_real(n)
                && std::mem::replace(&mut self.handed.params[param], false)
            {
                changed = true;
            }
        }
        changed
    }

    fn replaced(&self) -> Replaced {
        let mut replaced = Replaced { given: vec![None; self.function.params.len()], ..Replaced::default() };
        let mut web_of = vec![None; self.definitions.len()];
        for n in 0..self.definitions.len() {
            let (root, (_, reg)) = (self.root(n), self.definitions[n]);
            if let Some(kinds) = self.kinds[reg.index()]
                && !self.real[root]
            {
                let web = *web_of[root].get_or_insert_with(|| {
                    replaced.webs.push((reg, kinds.into()));
                    replaced.webs.len() - 1
                });
                match self.definitions[n].0 {
                    Origin::Param(param) => replaced.given[param] = Some(web),
                    Origin::Frame => replaced.entered.push(web),
                    Origin::At(pc) => replaced.writes.push((pc, reg, web)),
                }
            }
        }
        let reads = self.reads.iter().filter_map(|(pc, reg, n)| Some((*pc, *reg, web_of[self.root(*n)]?)));
        replaced.reads = reads.collect();
        replaced.writes.sort_unstable();
        // What nobody reads need not be there in the frame.
        replaced.entered.retain(|web| replaced.reads.iter().any(|(.., read)| read == web));
        replaced.calls.clone_from(&self.calls);
        replaced
    }
}

/// The weight of a function, with those it calls, whose code may stand in the place of calls where that spares an object: it is
/// short, has no loop, and neither stores anything in what exists nor calls what might.
fn light(unit: &Unit<'_>, function: FunctionId, depth: usize) -> Option<usize> {
    if depth == 0 || !unit.is_expandable(function) {
        return None;
    }
    let function = unit.function(function);
    let mut all = weight(&function.code);
    for (pc, instr) in function.code.iter().enumerate() {
        match *instr {
            Instr::New { .. } => {}
            Instr::Call { function, .. } => all += light(unit, function, depth - 1)?,
            Instr::SetScalar { .. }
            | Instr::SetRef { .. }
            | Instr::ListSetScalar { .. }
            | Instr::ListSetRef { .. }
            | Instr::CallMethod { .. }
            | Instr::CallValue { .. } => return None,
            _ => {
                let goes_on = Operands::of(instr).labels.iter().all(|to| to.index() > pc);
                if !goes_on || unit.collects(function, instr) != Collects::Never {
                    return None;
                }
            }
        }
        if all > LIGHT_MAX {
            return None;
        }
    }
    Some(all)
}

/// What the fields of the objects of a type are, where they are few scalars.
pub(crate) fn few_scalars(image: &Image, ty: TypeId) -> Option<Box<[ScalarKind]>> {
    const FEW: usize = 8;
    if !matches!(image.types[ty.index()], Type::Record(_) | Type::Class(_)) {
        return None;
    }
    let slots = slots(&image.types, image.manifest.error_type, ty)?;
    let kinds = slots.iter().map(|slot| match slot {
        RegType::Scalar(kind) => Some(*kind),
        RegType::Ref(_) => None,
    });
    kinds.collect::<Option<Box<[_]>>>().filter(|kinds| kinds.len() <= FEW)
}
