//! Loops of two kinds. In those in which nothing is collected and no list changes its size, where the elements of a
//! list lie and how many they are is read once, before the loop. Where objects are made and elements are added, which
//! collects in rare rounds only, that is read anew after it, and the size of a list that grows is reckoned with. Those
//! that count up to a bound need not look at the counter of interruptions each time: they take off it what many rounds
//! cost, and compare with the end of these.

use std::ops::{Range, RangeInclusive};

use dscript_bytecode::ids::*;
use dscript_bytecode::image::{Function, ScalarKind};
use dscript_bytecode::instr::Instr;

use crate::analysis::{Analysis, Collects, Operands};
use crate::sums::{Sum, Sums};

/// A loop, and the lists whose elements it reaches and that are the same all through it, and the Strings.
pub(crate) struct QuietLoop {
    pub head: usize,
    /// Its last instruction, a jump to the head.
    pub last: usize,
    pub lists: Vec<R>,
    pub texts: Vec<R>,
    /// Lists that it adds elements to, and whose size nothing else in it changes.
    pub growing: Vec<R>,
    /// Whether objects may move in rare rounds.
    pub moves: bool,
    /// Lists that it reads anew in each round, always the same ones. Behind those that they are read from.
    pub rows: Vec<Row>,
}

/// A list that an instruction of a loop reads from where nothing changes in the loop, as `a[i]` in a loop over `j`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub reg: R,
    /// The instruction.
    pub at: usize,
    /// Between which instructions the register holds it.
    pub scope: (usize, usize),
    pub from: Source,
    /// What it is read from in the end, which is the same all through the loop.
    pub root: R,
    /// The row before it, by its number, that is the same list.
    pub like: Option<usize>,
}

impl Row {
    pub fn holds(&self, pc: usize) -> bool {
        (self.scope.0..=self.scope.1).contains(&pc)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Element { list: R, index: Sum },
    Field { object: R, slot: Slot },
}

/// What of the references that objects hold changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stores {
    pub elements: bool,
    pub fields: bool,
}

/// What all of some instructions change.
impl FromIterator<Stores> for Stores {
    fn from_iter<I: IntoIterator<Item = Stores>>(all: I) -> Stores {
        all.into_iter().fold(Stores::default(), |a, b| Stores {
            elements: a.elements || b.elements,
            fields: a.fields || b.fields,
        })
    }
}

/// A loop's head and the last jump back to it.
pub(crate) type Ends = (usize, usize);

/// All loops.
pub(crate) fn all_loops(operands: &[Operands]) -> Vec<Ends> {
    let mut loops: Vec<Ends> = Vec::new();
    for (pc, ops) in operands.iter().enumerate() {
        for head in ops.labels.iter().map(|to| to.index()).filter(|to| *to <= pc) {
            match loops.iter_mut().find(|(at, _)| *at == head) {
                Some((_, last)) => *last = pc,
                None => loops.push((head, pc)),
            }
        }
    }
    loops
}

/// Head and last jump back of each loop that is entered at its head only; a test that stands in the place of a jump to it
/// is no part of the loop there.
pub(crate) fn entered_at_heads(operands: &[Operands], analysis: &Analysis) -> Vec<(usize, usize)> {
    let at_head = |(head, last): &(usize, usize)| {
        let into = |to: usize| (head + 1..=*last).contains(&to);
        let leads_out = |pc: usize| operands[pc].labels.iter().all(|to| !into(to.index()));
        let outside = (0..*head).chain(last + 1..operands.len());
        let mut ways =
            outside.flat_map(|pc| &operands[pc].labels).map(|to| to.index()).filter(|to| into(*to));
        ways.all(|to| analysis.tests[to].is_some_and(|end| leads_out(end) && leads_out(end + 1)))
    };
    all_loops(operands).into_iter().filter(at_head).collect()
}

/// All loops, outer ones first.
pub(crate) fn nest(code: &[Instr]) -> Vec<Ends> {
    let operands: Vec<Operands> = code.iter().map(Operands::of).collect();
    let mut loops = all_loops(&operands);
    loops.sort_unstable();
    loops
}

/// The instructions of the loop at a head.
pub(crate) fn extent(code: &[Instr], head: usize) -> Range<usize> {
    let jumps = |instr: &Instr| Operands::of(instr).labels.iter().any(|to| to.index() == head);
    head..code.iter().rposition(jumps).map_or(head, |last| last.max(head)) + 1
}

/// Every instruction that lies in a loop.
pub(crate) fn inside(code: &[Instr]) -> Vec<usize> {
    let operands: Vec<Operands> = code.iter().map(Operands::of).collect();
    let looped = looped(&all_loops(&operands), code.len());
    (0..code.len()).filter(|pc| looped[*pc]).collect()
}

/// By instruction of so many: whether it lies in one of these loops.
pub(crate) fn looped(loops: &[(usize, usize)], length: usize) -> Vec<bool> {
    let mut last_of = vec![0; length];
    for &(head, last) in loops {
        last_of[head] = last + 1;
    }
    let mut end = 0;
    let within = |(pc, last): (usize, &usize)| {
        end = end.max(*last);
        pc < end
    };
    last_of.iter().enumerate().map(within).collect()
}

/// Whether no list has another size after an instruction, and none has moved.
fn is_quiet(instr: &Instr, collects: &dyn Fn(&Instr) -> Collects) -> bool {
    collects(instr) == Collects::Never && added_to(instr).is_none()
}

/// Whether an instruction collects, if at all, where there is no room, and changes the size of no list or of one by one more
/// element.
fn is_rarely_loud(instr: &Instr, collects: &dyn Fn(&Instr) -> Collects) -> bool {
    matches!(collects(instr), Collects::Never | Collects::Before) || added_to(instr).is_some()
}

/// Whether a list has the same size after an instruction.
pub(crate) fn keeps_size(
    instr: &Instr,
    list: R,
    collects: &dyn Fn(&Instr) -> Collects,
    apart: &dyn Fn(R, R) -> bool,
) -> bool {
    is_rarely_loud(instr, collects) && added_to(instr).is_none_or(|other| apart(list, other))
}

/// The list that an instruction adds an element to.
fn added_to(instr: &Instr) -> Option<R> {
    match *instr {
        Instr::ListAddScalar { list, .. } | Instr::ListAddRef { list, .. } => Some(list),
        _ => None,
    }
}

/// Whether two registers never hold the same list in a loop: `kind` says what the elements are, and `params` how many of the
/// first registers hold parameters. A list that was made before the loop is none that was there already then.
pub(crate) fn apart<'f>(
    code: &'f [Instr],
    params: usize,
    kind: &'f dyn Fn(R) -> Option<ScalarKind>,
) -> impl Fn(Ends, R, R) -> bool + 'f {
    let operands: Vec<Operands> = code.iter().map(Operands::of).collect();
    // From where on a register holds what it does in the loop, and where that was made, if it is a new list.
    let since = move |(head, last): Ends, reg: R| {
        let defines = |pc: usize| operands[pc].defs.contains(&Reg::R(reg));
        let leads = |pc: usize, to: RangeInclusive<usize>| {
            operands[pc].labels.iter().any(|label| to.contains(&label.index()))
        };
        let (from, made) = match (0..head).rev().find(|pc| defines(*pc)) {
            None if reg.index() < params => (0, None),
            None => return None,
            Some(pc) => match code[pc] {
                Instr::ListNew { .. } => (pc + 1, Some(pc)),
                Instr::MoveRef { src, .. } if pc > 0 => {
                    let new = matches!(code[pc - 1], Instr::ListNew { dst, .. } if dst == src);
                    let only = !(0..code.len()).any(|from| leads(from, pc..=pc));
                    (pc + 1, (new && only).then_some(pc - 1))
                }
                _ => (pc + 1, None),
            },
        };
        // With the loops around it that begin behind that: nothing else leads there but from it.
        let mut end = last;
        while let Some(around) = (end + 1..code.len()).find(|pc| leads(*pc, from..=end)) {
            end = around;
        }
        let alone = !(0..from).any(|pc| leads(pc, from..=end)) && !(from..=end).any(defines);
        alone.then_some((from, made))
    };
    move |within, a, b| {
        if kind(a) != kind(b) {
            return true;
        }
        let (Some((a, a_made)), Some((b, b_made))) = (since(within, a), since(within, b)) else {
            return false;
        };
        a_made.is_some_and(|at| at >= b) || b_made.is_some_and(|at| at >= a)
    }
}

/// What is known of a function where its quiet loops are looked for.
pub(crate) struct Facts<'a> {
    pub collects: &'a dyn Fn(&Instr) -> Collects,
    pub stores: &'a dyn Fn(&Instr) -> Stores,
    /// Of which text an instruction reads a code point.
    pub char_at: &'a dyn Fn(&Instr) -> Option<R>,
    /// In a loop.
    pub apart: &'a dyn Fn(Ends, R, R) -> bool,
}

pub(crate) fn quiet_loops(code: &[Instr], analysis: &Analysis, facts: &Facts<'_>) -> Vec<QuietLoop> {
    let operands: Vec<Operands> = code.iter().map(Operands::of).collect();
    let mut loops = all_loops(&operands);
    // Outer loops first.
    loops.sort_by_key(|(head, last)| (*head, std::cmp::Reverse(*last)));
    let mut found = Vec::new();
    for (head, last) in loops {
        let inside = &code[head..=last];
        // Before a loop in it they are read anew, which is often enough.
        let innermost = is_innermost(&operands, head, last);
        let moves = !inside.iter().all(|instr| is_quiet(instr, facts.collects));
        if moves && !(innermost && inside.iter().all(|instr| is_rarely_loud(instr, facts.collects))) {
            continue;
        }
        let changed = |reg: R| operands[head..=last].iter().any(|ops| ops.defs.contains(&Reg::R(reg)));
        let alive = |reg: R| analysis.heads[head].as_ref().is_some_and(|alive| alive.contains(&Reg::R(reg)));
        let same = |of: &dyn Fn(&Instr) -> Option<R>| {
            let mut regs: Vec<R> =
                inside.iter().filter_map(of).filter(|reg| alive(*reg) && !changed(*reg)).collect();
            regs.sort();
            regs.dedup();
            regs
        };
        let apart = |a: R, b: R| (facts.apart)((head, last), a, b);
        let grows_alone =
            |list: R| inside.iter().filter_map(added_to).all(|other| other == list || apart(list, other));
        let keeps = |list: R| inside.iter().filter_map(added_to).all(|other| apart(list, other));
        let lists = same(&|instr| list_of(instr).filter(|list| keeps(*list)));
        let texts = same(facts.char_at);
        let growing = same(&|instr| added_to(instr).filter(|list| grows_alone(*list)));
        let rows = match innermost && !moves {
            true => rows(code, &operands, analysis, (head, last), inside.iter().map(facts.stores).collect()),
            false => Vec::new(),
        };
        if !(lists.is_empty() && texts.is_empty() && growing.is_empty() && rows.is_empty()) {
            found.push(QuietLoop { head, last, lists, texts, growing, moves, rows });
        }
    }
    found
}

fn is_innermost(operands: &[Operands], head: usize, last: usize) -> bool {
    (head..=last).all(|pc| operands[pc].labels.iter().all(|to| to.index() == head || to.index() > pc))
}

/// The list that an instruction reaches into.
pub(crate) fn list_of(instr: &Instr) -> Option<R> {
    match *instr {
        Instr::ListGetScalar { list, .. }
        | Instr::ListGetRef { list, .. }
        | Instr::ListSetScalar { list, .. }
        | Instr::ListSetRef { list, .. }
        | Instr::ListSize { list, .. } => Some(list),
        _ => None,
    }
}

fn rows(
    code: &[Instr],
    operands: &[Operands],
    analysis: &Analysis,
    (head, last): (usize, usize),
    stores: Stores,
) -> Vec<Row> {
    let inside = head..=last;
    let sums = Sums::of(code, operands, &analysis.leaders, (head, last), None);
    // Where the loop is entered, or gone through once more.
    let outside = (0..head).chain(last + 1..code.len()).flat_map(|pc| &operands[pc].labels);
    let entries: Vec<usize> =
        outside.map(|to| to.index()).filter(|to| inside.contains(to)).chain([head]).collect();
    let alive_at =
        |at: usize, reg: Reg| analysis.heads[at].as_ref().is_some_and(|alive| alive.contains(&reg));
    let definitions = |reg: Reg| inside.clone().filter(|pc| operands[*pc].defs.contains(&reg)).count();
    let stays = |reg: Reg| alive_at(head, reg) && definitions(reg) == 0;
    let begins_without = |reg: Reg| entries.iter().all(|at| !alive_at(*at, reg));
    let mut found: Vec<Row> = Vec::new();
    let mut places = Vec::new();
    for at in inside.clone() {
        let (reg, base, from) = match code[at] {
            Instr::ListGetRef { list, dst, .. } if !stores.elements => match sums.index(at) {
                Some(index) if index.is_known(&|reg| alive_at(head, Reg::S(reg))) => {
                    (dst, list, Source::Element { list, index })
                }
                _ => continue,
            },
            Instr::GetRef { object, slot, dst } if !stores.fields => {
                (dst, object, Source::Field { object, slot })
            }
            _ => continue,
        };
        let behind = found.iter().rposition(|row| row.reg == base && row.holds(at));
        let root = match behind {
            Some(row) => Some(found[row].root),
            None => stays(Reg::R(base)).then_some(base),
        };
        let Some(root) = root else { continue };
        // Where it is read, by the first of all rows that are that list.
        let place = |base: Option<usize>, root: R, from: Source| match (base, from) {
            (Some(row), Source::Element { index, .. }) => (Err(found[row].like.unwrap_or(row)), Ok(index)),
            (Some(row), Source::Field { slot, .. }) => (Err(found[row].like.unwrap_or(row)), Err(slot)),
            (None, Source::Element { index, .. }) => (Ok(root), Ok(index)),
            (None, Source::Field { slot, .. }) => (Ok(root), Err(slot)),
        };
        let here = place(behind, root, from);
        let like = places.iter().position(|there| *there == here);
        let scope = if begins_without(Reg::R(reg)) && definitions(Reg::R(reg)) == 1 {
            (head, last)
        } else {
            // Until something else is in the register, or may be.
            let ends = |pc: &usize| analysis.leaders[*pc] || operands[*pc - 1].defs.contains(&Reg::R(reg));
            (at + 1, (at + 2..=last).find(ends).unwrap_or(last + 1) - 1)
        };
        let read = |instr: &Instr| {
            let field_of = if let Instr::GetRef { object, .. } = *instr { Some(object) } else { None };
            list_of(instr) == Some(reg) || field_of == Some(reg)
        };
        if code[scope.0..=scope.1].iter().any(read) {
            found.push(Row { reg, at, scope, from, root, like });
            places.push(here);
        }
    }
    found
}

/// A loop whose counter grows in every round, up to a bound that stays, or falls down to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CountedLoop {
    pub head: usize,
    /// The comparison that jumps back, the only jump to the head from within.
    pub last: usize,
    pub counter: S,
    pub bound: S,
    /// Whether the counter may be the bound.
    pub reaches: bool,
    /// Whether it falls.
    pub down: bool,
    pub step: Step,
    /// Instructions from here to the comparison make the bound anew each time, from what stays the same.
    pub test: usize,
}

/// What else than numbers may stay the same in a loop.
pub(crate) struct Stable<'a> {
    /// Of which text an instruction gives the length.
    pub length: &'a dyn Fn(&Instr) -> Option<R>,
    /// Whether an instruction of a loop leaves the size of a list as it is.
    pub keeps_size: &'a dyn Fn(Ends, &Instr, R) -> bool,
}

impl Stable<'_> {
    /// Nothing.
    pub const NONE: Stable<'static> = Stable { length: &|_| None, keeps_size: &|_, _, _| false };
}

/// By what a counter grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Below 0 where it falls, else above.
    Constant(i64),
    /// A number above 0 that is the same in each round.
    Register(S),
}

/// `positive` says of an addition that its second operand is above 0.
pub(crate) fn counted_loops(
    code: &[Instr],
    positive: &dyn Fn(usize) -> bool,
    stable: &Stable<'_>,
) -> Vec<CountedLoop> {
    let operands: Vec<Operands> = code.iter().map(Operands::of).collect();
    let mut leads = vec![false; code.len() + 1];
    for (pc, ops) in operands.iter().enumerate() {
        ops.labels.iter().for_each(|to| leads[to.index()] = true);
        leads[pc + 1] |= code[pc].ends_block();
    }
    let counted = |last: usize, down: bool| {
        let (a, b, reaches, to) = match code[last] {
            Instr::IfLtInt { a, b, to } => (a, b, false, to),
            Instr::IfLeInt { a, b, to } => (a, b, true, to),
            _ => return None,
        };
        let (counter, bound) = if down { (b, a) } else { (a, b) };
        let head = to.index();
        if head > last {
            return None;
        }
        let inside = head..=last;
        let defines = |pc: &usize, reg: S| operands[*pc].defs.contains(&Reg::S(reg));
        let mut steps = inside.clone().filter(|pc| defines(pc, counter));
        let step = steps.next()?;
        let stays = |reg: S| !inside.clone().any(|pc| defines(&pc, reg));
        let jumps_back = |pc: usize| operands[pc].labels.contains(&to);
        let one_way_back = (head..code.len()).filter(|pc| jumps_back(*pc)).eq([last]);
        // Nothing within jumps over the step.
        let avoided = (head..step)
            .any(|pc| operands[pc].labels.iter().any(|to| inside.contains(&to.index()) && to.index() > step));
        let by = grows(code, positive, &leads, step, counter)?;
        let made = |reg: S, end: usize, products: bool| {
            made_from(code, &operands, &leads, (head, last), (reg, end), products, stable)
        };
        let even = match by {
            Step::Constant(by) => (by < 0) == down,
            Step::Register(reg) => {
                let kept = !(step..=last).any(|pc| defines(&pc, reg));
                !down && (stays(reg) || kept && made(reg, step, true).is_some())
            }
        };
        let test = if stays(bound) { last } else { made(bound, last, false)? };
        let counted =
            steps.next().is_none() && even && one_way_back && !avoided && !(test..last).contains(&step);
        counted.then_some(CountedLoop { head, last, counter, bound, reaches, down, step: by, test })
    };
    (0..code.len()).filter_map(|last| counted(last, false).or_else(|| counted(last, true))).collect()
}

/// Where the instructions begin that make a register before an instruction of a loop from what stays the same in it, if they
/// do, in one block; of products only where these are of use.
fn made_from(
    code: &[Instr],
    operands: &[Operands],
    leads: &[bool],
    (head, last): (usize, usize),
    (reg, end): (S, usize),
    products: bool,
    stable: &Stable<'_>,
) -> Option<usize> {
    let start = (head..=end).rev().find(|pc| leads[*pc])?;
    let inside = &operands[head..=last];
    let stays = |reg: &Reg| !inside.iter().any(|ops| ops.defs.contains(reg));
    let mut made: Vec<Reg> = Vec::new();
    let mut first = None;
    for pc in start..end {
        let pure = match code[pc] {
            Instr::Int { .. } | Instr::MoveScalar { .. } | Instr::AddImm { .. } => true,
            Instr::AddInt { .. } | Instr::SubInt { .. } => true,
            Instr::MulInt { .. } => products,
            Instr::ListSize { list, .. } => {
                code[head..=last].iter().all(|instr| (stable.keeps_size)((head, last), instr, list))
            }
            ref other => (stable.length)(other).is_some(),
        };
        let known = pure && operands[pc].uses.iter().all(|reg| made.contains(reg) || stays(reg));
        for def in &operands[pc].defs {
            made.retain(|reg| reg != def);
            if known {
                made.push(*def);
                first.get_or_insert(pc);
            }
        }
    }
    first.filter(|_| made.contains(&Reg::S(reg)))
}

/// By what a register grows in an instruction that defines it, with the one before.
fn grows(
    code: &[Instr],
    positive: &dyn Fn(usize) -> bool,
    leads: &[bool],
    step: usize,
    counter: S,
) -> Option<Step> {
    // What a constant in the block before an instruction gives.
    let constant = |pc: usize, reg: S| {
        let before = (0..pc).rev().take_while(|at| !leads[at + 1]);
        let mut defines =
            before.map(|at| &code[at]).skip_while(|i| !Operands::of(i).defs.contains(&Reg::S(reg)));
        if let Some(Instr::Int { value, .. }) = defines.next() { Some(*value) } else { None }
    };
    let sum = |pc: usize, sum: S| {
        let step = match code[pc] {
            Instr::AddImm { a, value, dst } if (a, dst) == (counter, sum) => Step::Constant(value),
            Instr::AddInt { a, b, dst } if (a, dst) == (counter, sum) => match constant(pc, b) {
                Some(value) => Step::Constant(value),
                None if positive(pc) => Step::Register(b),
                None => return None,
            },
            Instr::SubInt { a, b, dst } if (a, dst) == (counter, sum) => {
                Step::Constant(constant(pc, b)?.checked_neg()?)
            }
            _ => return None,
        };
        (step != Step::Constant(0)).then_some(step)
    };
    match code[step] {
        Instr::MoveScalar { src, .. } => sum(step.checked_sub(1)?, src),
        _ => sum(step, counter),
    }
}

/// What a loop has of numbers that the products in it are made of: all that stay the same in it and are used for
/// arithmetic, and its counter. `None` where there are other loops in it.
pub(crate) fn factors(code: &[Instr], function: &Function, of: &CountedLoop) -> Option<Vec<S>> {
    let inside = of.head..=of.last;
    let operands: Vec<Operands> = code[inside.clone()].iter().map(Operands::of).collect();
    let jumps_back = |at: usize| operands[at].labels.iter().any(|to| to.index() <= of.head + at);
    if (0..operands.len() - 1).any(jumps_back) {
        return None;
    }
    let changes = |reg: S| operands.iter().any(|ops| ops.defs.contains(&Reg::S(reg)));
    let mut regs = vec![of.counter];
    regs.extend((!changes(of.bound)).then_some(of.bound));
    for (instr, ops) in code[inside].iter().zip(&operands) {
        let counts = match instr {
            Instr::AddInt { .. }
            | Instr::SubInt { .. }
            | Instr::MulInt { .. }
            | Instr::AddImm { .. }
            | Instr::Call { .. } => true,
            // The copy of a number is one too.
            Instr::MoveScalar { .. } => true,
            _ => false,
        };
        for used in ops.uses.iter().filter(|_| counts) {
            if let Reg::S(reg) = *used
                && function.scalars[reg.index()] == ScalarKind::Int
                && !changes(reg)
                && !regs.contains(&reg)
            {
                regs.push(reg);
            }
        }
    }
    Some(regs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_loops_in_loops() {
        let (a, b) = (S(0), S(1));
        let call = || Instr::Call { function: FunctionId(0), args: Box::default(), results: Box::default() };
        let back = |to: u32| Instr::IfLtInt { a, b, to: Label(to) };
        // 1..=6 is a loop, 2..=4 one in it.
        let code =
            [call(), call(), Instr::Int { value: 1, dst: a }, call(), back(2), call(), back(1), call()];
        assert_eq!(nest(&code), [(1, 6), (2, 4)]);
        assert_eq!([1, 2].map(|head| extent(&code, head)), [1..7, 2..5]);
        assert_eq!(inside(&code), (1..=6).collect::<Vec<_>>());
    }
}
