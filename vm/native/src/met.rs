//! Where the interpreter was met, and what was made of that: what was compiled, for calls or to begin in a loop, and which loop
//! code begins with.
//!
//! Code for a running loop is best where it begins with the outermost loop whose rounds are short: the interpreter soon comes
//! to its head. So a nested loop that is worth compiling is looked at for up to `STEPS_MAX` jumps and calls, one by one, to see
//! which of those around it come to their next rounds; and for as long the interpreter then goes on until it comes to the one
//! that there is code for. Where none comes round so soon, code begins with the inner one (`translate/way_in`).

use dscript_bytecode::ids::FunctionId;
use dscript_bytecode::instr::Instr;
use dscript_interp::door::Sampled;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::foresight::Foresight;
use crate::hot::Heat;
use crate::loops;
use crate::translate::Start;

/// Jumps and calls one by one that are looked at for a loop to come to its next round.
const STEPS_MAX: usize = 64;

/// What is worth compiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub function: FunctionId,
    pub start: Start,
    /// Whether most of what is ahead is in the frame that runs, so that its next call is not what it is for.
    pub here: bool,
}

/// What a program that is compiled as it runs has been seen to do.
#[derive(Default)]
pub(crate) struct Seen {
    pub foresight: Foresight,
    pub heat: FxHashMap<(FunctionId, Start), Heat>,
    /// Compiled, being compiled, or not to be.
    pub asked: FxHashSet<(FunctionId, Start)>,
    /// Code that begins in loops.
    pub loops: FxHashMap<(FunctionId, u32), usize>,
    /// The loops of functions that were met: head and last instruction.
    nests: FxHashMap<FunctionId, Box<[loops::Ends]>>,
    /// Of functions with code that begins in a loop: how often the next jump was asked for until it went to that.
    steps: FxHashMap<FunctionId, usize>,
    scout: Option<Scout>,
}

/// A loop that is to be compiled, while it is found out which of those around it come to their next rounds soon: code that
/// begins with the outermost of these is better.
struct Scout {
    function: FunctionId,
    /// The heads of the loop and those around it, outermost first.
    nest: Vec<u32>,
    /// Of these the outermost that was jumped to.
    begin: u32,
    /// Jumps and calls that were looked at.
    steps: usize,
    /// As in `Wish`.
    here: bool,
}

impl Seen {
    /// The heads of the loops that an instruction is in, outermost first.
    pub fn loops_around(&mut self, function: FunctionId, code: &[Instr], pc: u32) -> Vec<u32> {
        let nest = self.nests.entry(function).or_insert_with(|| loops::nest(code).into());
        let around = nest.iter().filter(|(head, last)| (*head..=*last).contains(&(pc as usize)));
        around.map(|(head, _)| *head as u32).collect()
    }

    /// What there is for a jump or a call in these loops.
    pub fn code_around(&mut self, function: FunctionId, around: &[u32], jump: Option<u32>) -> Sampled {
        let entry = |head: u32| self.loops.get(&(function, head));
        if let Some(entry) = jump.and_then(entry) {
            self.steps.remove(&function);
            return Sampled::Enter(*entry);
        }
        if !around.iter().any(|head| entry(*head).is_some()) {
            return Sampled::Nothing;
        }
        let steps = self.steps.entry(function).or_default();
        *steps += 1;
        // The loop that there is code for does not come to its next round for long.
        if *steps > STEPS_MAX { Sampled::Nothing } else { Sampled::Soon }
    }

    /// Whether a loop is looked at that is to be compiled.
    pub fn scouts(&self) -> bool {
        self.scout.is_some()
    }

    /// Begins to look at a loop, by its wish and the heads of it and those around it.
    pub fn begin_scout(&mut self, Wish { function, start, here }: Wish, around: &[u32]) {
        let Start::Loop(begin) = start else { return };
        self.scout = Some(Scout { function, nest: around.to_vec(), begin, steps: 0, here });
    }

    /// A jump or a call while a loop is looked at that is to be compiled; gives it once it is known where its code begins,
    /// or it has come to its end.
    pub fn scout(&mut self, function: FunctionId, around: &[u32], jump: Option<u32>) -> Option<Wish> {
        let scout = self.scout.as_mut()?;
        let is_there = scout.function == function && around.first() == scout.nest.first();
        if let Some(head) = jump.filter(|head| is_there && *head < scout.begin && scout.nest.contains(head)) {
            scout.begin = head;
        }
        scout.steps += 1;
        let has_ended = scout.function == function && !is_there;
        let is_outermost = Some(&scout.begin) == scout.nest.first();
        let Scout { function, nest, begin, here, .. } =
            self.scout.take_if(|scout| has_ended || is_outermost || scout.steps >= STEPS_MAX)?;
        if let Some(head) = nest.last().filter(|head| **head != begin)
            && let Some(heat) = self.heat.get_mut(&(function, Start::Loop(*head)))
        {
            heat.cool();
        }
        Some(Wish { function, start: Start::Loop(begin), here })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use dscript_bytecode::ids::{Label, S};

    const FUNCTION: FunctionId = FunctionId(3);
    /// Loops at 2, 5 and 9, each in the one before.
    const NEST: [u32; 3] = [2, 5, 9];

    fn scouting() -> Seen {
        let mut seen = Seen::default();
        seen.begin_scout(Wish { function: FUNCTION, start: Start::Loop(9), here: true }, &NEST);
        seen
    }

    fn wish(head: u32) -> Option<Wish> {
        Some(Wish { function: FUNCTION, start: Start::Loop(head), here: true })
    }

    /// What comes of so many jumps to the innermost loop.
    fn jumps(seen: &mut Seen, count: usize) -> Option<Wish> {
        (0..count).find_map(|_| seen.scout(FUNCTION, &NEST, Some(9)))
    }

    #[test]
    fn finds_the_loops_around_an_instruction() {
        let step = || Instr::Int { value: 1, dst: S(0) };
        let back = |to: u32| Instr::IfLtInt { a: S(0), b: S(1), to: Label(to) };
        // 1..=6 is a loop, 2..=4 one in it.
        let code = [step(), step(), step(), step(), back(2), step(), back(1), step()];
        let mut seen = Seen::default();
        let around = [0, 1, 3, 5, 7].map(|pc| seen.loops_around(FUNCTION, &code, pc));
        assert_eq!(around, [vec![], vec![1], vec![1, 2], vec![1], vec![]]);
    }

    #[test]
    fn code_begins_with_the_outermost_loop_that_comes_round_soon() {
        let mut seen = scouting();
        assert_eq!(jumps(&mut seen, 5), None);
        assert_eq!(seen.scout(FUNCTION, &NEST[..2], Some(5)), None);
        assert_eq!(jumps(&mut seen, 5), None);
        assert_eq!(seen.scout(FUNCTION, &NEST[..1], Some(2)), wish(2));
        assert!(!seen.scouts());
        let mut seen = scouting();
        assert_eq!(seen.scout(FUNCTION, &NEST[..2], Some(5)), None);
        assert_eq!(jumps(&mut seen, STEPS_MAX), wish(5));
    }

    #[test]
    fn a_loop_that_ends_or_goes_on_for_long_is_compiled_itself() {
        assert_eq!(jumps(&mut scouting(), STEPS_MAX - 1), None);
        assert_eq!(jumps(&mut scouting(), STEPS_MAX), wish(9));
        // A sibling of all three, and another function.
        assert_eq!(scouting().scout(FUNCTION, &[30], Some(30)), wish(9));
        let mut seen = scouting();
        assert_eq!(seen.scout(FunctionId(1), &[2], Some(2)), None);
        assert_eq!(jumps(&mut seen, STEPS_MAX - 1), wish(9));
    }

    #[test]
    fn the_interpreter_goes_on_to_the_loop_that_there_is_code_for() {
        let mut seen = Seen::default();
        assert_eq!(seen.code_around(FUNCTION, &NEST, Some(9)), Sampled::Nothing);
        seen.loops.insert((FUNCTION, 5), 77);
        let inner = |seen: &mut Seen| seen.code_around(FUNCTION, &NEST, Some(9));
        for _ in 0..STEPS_MAX {
            assert_eq!(inner(&mut seen), Sampled::Soon);
        }
        // It does not come to its next round.
        assert_eq!(inner(&mut seen), Sampled::Nothing);
        assert_eq!(seen.code_around(FUNCTION, &NEST[..2], None), Sampled::Nothing);
        assert_eq!(seen.code_around(FUNCTION, &NEST[..2], Some(5)), Sampled::Enter(77));
        assert_eq!(inner(&mut seen), Sampled::Soon);
        assert_eq!(seen.code_around(FUNCTION, &NEST[..1], Some(2)), Sampled::Nothing);
        assert_eq!(seen.code_around(FunctionId(1), &[5], Some(5)), Sampled::Nothing);
    }
}
