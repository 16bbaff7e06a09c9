//! When what the interpreter does is worth compiling: once it has been at it for about as long as compiling it takes.
//! Whoever then finds that the program ends at once has paid for both, about twice what was needed.
//!
//! Both are estimates in nanoseconds, from numbers of instructions: what a program does must not depend on a clock.

use std::collections::VecDeque;

use dscript_bytecode::ids::FunctionId;
use dscript_bytecode::image::{Image, Type};
use dscript_bytecode::instr::Instr;
use dscript_interp::door::Met;
use rustc_hash::FxHashSet;

use crate::code::Code;
use crate::foresight::Outlook;
use crate::loops;
use crate::translate::{self, Start};

/// What the interpreter takes for an instruction.
const STEP_NS: u64 = 1;
/// Instructions of one round of a loop, or of one call, that are thought to be done: of long ones many are jumped over.
const ROUND_MAX: usize = 64;
/// What compiling takes, for the first time and again, what it takes for an instruction, and for how many of these one
/// counts that becomes a call, and one that reaches an object or an element.
const COMPILE_FIRST_NS: u64 = 600_000;
const COMPILE_AGAIN_NS: u64 = 200_000;
const COMPILE_INSTR_NS: u64 = 14_000;
const CALL_WEIGHT: usize = 7;
const OBJECT_WEIGHT: usize = 4;
/// What a call takes, beyond its instructions, that native code leaves to the interpreter.
const LENT_CALL_NS: u64 = 100;
/// What is compiled with a hot function, in instructions.
const TOGETHER_MAX: usize = 2_000;

/// What is known to be ahead must be worth more than compiling by this part of it, and counts up to so many times what
/// was done: it is an estimate.
const MARGIN: u64 = 2;
const BELIEVED: u64 = 8;
/// How many times what compiling takes is spent where little is known to be ahead.
const PATIENCE: u64 = 4;

/// How often an engine is told where the interpreter is, and how soon it compiles that.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Jumps and calls between two tellings; more than 0.
    pub every: i64,
    /// Whether what is met is compiled when it is met first.
    pub at_once: bool,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { every: 4_000, at_once: false }
    }
}

/// How much of a program's time has gone into a function or a loop.
pub(crate) struct Heat {
    spent_ns: u64,
    /// What one jump or call stands for.
    round_ns: u64,
    /// What compiling its own instructions takes, and those of the functions that are compiled with it.
    compile_ns: u64,
    with_it: Vec<(FunctionId, u64)>,
    /// Whether it may be compiled for what is ahead alone. Where there is code for calls already, no other than the frame
    /// that runs has a use for it.
    eager: bool,
}

impl Heat {
    pub fn of(image: &Image, function: FunctionId, start: Start) -> Heat {
        let code = &image.functions[function.index()].code;
        let round = match start {
            Start::Call => &code[..],
            Start::Loop(head) => &code[loops::extent(code, head as usize)],
        };
        // What is a call anyway takes as long in machine code.
        let round = round.iter().filter(|instr| !is_call(instr)).count();
        let ns = |id: FunctionId| COMPILE_INSTR_NS * compiled_size(image, id) as u64;
        let with_it = together(image, function, start)[1..].iter().map(|id| (*id, ns(*id))).collect();
        let round_ns = STEP_NS * round.clamp(1, ROUND_MAX) as u64;
        Heat { spent_ns: 0, round_ns, compile_ns: ns(function), with_it, eager: true }
    }

    /// So many jumps or calls more; gives what they took.
    pub fn add(&mut self, rounds: i64, met: Met) -> u64 {
        let beyond = if met == Met::LentCall { LENT_CALL_NS } else { 0 };
        let more = (self.round_ns + beyond) * rounds as u64;
        self.spent_ns += more;
        more
    }

    /// Whether it is worth compiling now, with what is ahead of the program, of whose `all_ns` this is a part; `code` is
    /// what was compiled of it.
    pub fn is_worth(&self, outlook: Outlook, all_ns: u64, code: Option<&Code>, pace: Pace) -> bool {
        if pace.at_once {
            return true;
        }
        let has_code = |function| code.is_some_and(|code| code.has_code(function));
        let missing = self.with_it.iter().filter(|(function, _)| !has_code(*function));
        let base_ns = if code.is_some() { COMPILE_AGAIN_NS } else { COMPILE_FIRST_NS };
        let worth_ns = base_ns + self.compile_ns + missing.map(|(_, ns)| ns).sum::<u64>();
        let enough_ns = worth_ns + worth_ns / MARGIN;
        let part = self.spent_ns as f64 / all_ns.max(1) as f64;
        let (ahead, ahead_ns) = match self.eager {
            true => (outlook.program, (outlook.program.ns as f64 * part) as u64),
            false => (outlook.frame, outlook.frame.ns),
        };
        if self.eager && ahead_ns.min(BELIEVED * self.spent_ns) >= enough_ns {
            return true;
        }
        let soon_done = ahead.all && ahead_ns < enough_ns && self.spent_ns < PATIENCE * worth_ns;
        self.spent_ns >= worth_ns && !soon_done
    }

    /// Begins anew: other code is there now for what is ahead.
    pub fn cool(&mut self) {
        self.spent_ns = 0;
        self.eager = false;
    }
}

/// Whether machine code calls something for an instruction, usually or when that is slow.
fn is_call(instr: &Instr) -> bool {
    use Instr::*;
    matches!(
        instr,
        Call { .. }
            | CallValue { .. }
            | CallMethod { .. }
            | CallNative { .. }
            | Const { .. }
            | Concat { .. }
            | TextScalar { .. }
            | TextRef { .. }
            | ListNew { .. }
            | ListAddScalar { .. }
            | ListAddRef { .. }
            | New { .. }
            | EqValue { .. }
            | GetStatic { .. }
    )
}

/// Whether machine code reaches an object or an element for an instruction.
fn reaches(instr: &Instr) -> bool {
    use Instr::*;
    matches!(
        instr,
        GetScalar { .. }
            | GetRef { .. }
            | SetScalar { .. }
            | SetRef { .. }
            | ListSize { .. }
            | ListGetScalar { .. }
            | ListGetRef { .. }
            | ListSetScalar { .. }
            | ListSetRef { .. }
    )
}

/// Instructions of a function as it is compiled: where it calls itself, it is put in the place of that a few deep.
fn compiled_size(image: &Image, function: FunctionId) -> usize {
    const COPIES: usize = 6;
    let code = &image.functions[function.index()].code;
    let calls_itself =
        |instr: &Instr| matches!(instr, Instr::Call { function: callee, .. } if *callee == function);
    let copies = if code.iter().any(calls_itself) { COPIES } else { 1 };
    // Only a short function is put in.
    let weight = |instr: &Instr| match instr {
        _ if is_call(instr) => CALL_WEIGHT,
        _ if reaches(instr) => OBJECT_WEIGHT,
        _ => 1,
    };
    let size = code.iter().map(weight).sum::<usize>();
    size.max((copies * code.len()).min(translate::ROOM))
}

/// A function and those it calls, nearest first; of a loop those that are called in it.
pub(crate) fn together(image: &Image, function: FunctionId, start: Start) -> Vec<FunctionId> {
    let mut found = vec![function];
    let mut size = image.functions[function.index()].code.len();
    let mut queue = VecDeque::from([function]);
    let mut part = match start {
        Start::Call => None,
        Start::Loop(head) => Some(loops::extent(&image.functions[function.index()].code, head as usize)),
    };
    while let Some(next) = queue.pop_front() {
        let code = &image.functions[next.index()].code;
        for instr in part.take().map_or(&code[..], |part| &code[part]) {
            let Instr::Call { function: callee, .. } = *instr else { continue };
            if found.contains(&callee) {
                continue;
            }
            size += image.functions[callee.index()].code.len();
            if size > TOGETHER_MAX {
                return found;
            }
            found.push(callee);
            queue.push_back(callee);
        }
    }
    found
}

/// By function: whether it may be called again and again, by a loop, by itself, or through a value. `recursive` and
/// `edges` are as in `graph`.
pub(crate) fn repeated(image: &Image, recursive: &[bool], edges: &[Vec<u32>]) -> Vec<bool> {
    let mut again: FxHashSet<u32> =
        (0..edges.len() as u32).filter(|function| recursive[*function as usize]).collect();
    for ty in &image.types {
        match ty {
            Type::Closure { code, .. } => {
                again.insert(code.0);
            }
            Type::Record(of) | Type::Class(of) => {
                again.extend(of.implements.iter().flat_map(|i| &i.methods).map(|method| method.0));
                again.extend(of.to_string.map(|function| function.0));
            }
            _ => {}
        }
    }
    for function in &image.functions {
        for pc in loops::inside(&function.code) {
            if let Instr::Call { function, .. } = function.code[pc] {
                again.insert(function.0);
            }
        }
    }
    let mut result = vec![false; edges.len()];
    let mut queue: Vec<u32> = again.into_iter().collect();
    while let Some(next) = queue.pop() {
        if !std::mem::replace(&mut result[next as usize], true) {
            queue.extend(&edges[next as usize]);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foresight::Ahead;
    use dscript_bytecode::ids::{Label, S};
    use dscript_bytecode::image::Function;

    fn call(function: u32) -> Instr {
        Instr::Call { function: FunctionId(function), args: Box::default(), results: Box::default() }
    }

    fn image(functions: &[&[Instr]]) -> Image {
        let function = |code: &&[Instr]| Function {
            name: String::new(),
            params: Vec::new(),
            results: Vec::new(),
            scalars: Vec::new(),
            refs: Vec::new(),
            code: code.to_vec(),
            heads: Vec::new(),
            lines: Vec::new(),
        };
        Image { functions: functions.iter().map(function).collect(), ..Image::default() }
    }

    /// 0 calls 1 in a loop and 2 behind it; 1 calls 3.
    fn sample() -> Image {
        let back = Instr::IfLtInt { a: S(0), b: S(1), to: Label(1) };
        let zero = Instr::Int { value: 0, dst: S(0) };
        image(&[&[zero, call(1), back, call(2)], &[call(3)], &[], &[]])
    }

    #[test]
    fn what_a_loop_calls_is_compiled_with_it_and_what_follows_is_not() {
        let ids = |start| together(&sample(), FunctionId(0), start).iter().map(|f| f.0).collect::<Vec<_>>();
        assert_eq!(ids(Start::Loop(1)), [0, 1, 3]);
        assert_eq!(ids(Start::Call), [0, 1, 2, 3]);
    }

    #[test]
    fn what_a_loop_calls_and_what_that_calls_is_called_again() {
        let edges = [vec![1, 2], vec![3], vec![], vec![]];
        assert_eq!(repeated(&sample(), &[false; 4], &edges), [false, true, false, true]);
        assert_eq!(repeated(&sample(), &[false, false, true, false], &edges), [false, true, true, true]);
    }

    #[test]
    fn long_code_is_worth_it_later() {
        let rounds = |instrs: usize| {
            let code = vec![Instr::Int { value: 0, dst: S(0) }; instrs];
            let mut heat = Heat::of(&image(&[&code]), FunctionId(0), Start::Call);
            let worth = |heat: &mut Heat| {
                let spent = heat.add(1_000, Met::Call);
                heat.is_worth(Outlook::default(), spent, None, Pace::default())
            };
            (1..).find(|_| worth(&mut heat)).expect("some time it is worth it")
        };
        assert!(rounds(10) < rounds(1_000) && rounds(1_000) < rounds(2_000));
        let pace = Pace { every: 1, at_once: true };
        let heat = Heat::of(&image(&[&[call(0)]]), FunctionId(0), Start::Call);
        assert!(heat.is_worth(Outlook::default(), 0, None, pace));
    }

    #[test]
    fn what_is_known_to_be_ahead_decides() {
        let pace = Pace::default();
        let code = vec![Instr::Int { value: 0, dst: S(0) }; 10];
        let heat = |rounds| {
            let mut heat = Heat::of(&image(&[&code]), FunctionId(0), Start::Call);
            heat.add(rounds, Met::Call);
            heat
        };
        let (first, early, late) = (heat(1_000), heat(20_000), heat(1_000_000));
        let outlook = |ns, all| Outlook { program: Ahead { ns, all }, frame: Ahead::default() };
        let (little, much) = (outlook(1_000, true), outlook(1_000_000_000, false));
        assert!(
            early.is_worth(much, early.spent_ns, None, pace)
                && !early.is_worth(little, early.spent_ns, None, pace)
        );
        // Little was seen yet.
        assert!(!first.is_worth(much, first.spent_ns, None, pace));
        // Of what is ahead only as much is this one's as it was until now.
        assert!(!early.is_worth(much, 10_000 * early.spent_ns, None, pace));
        let mut worth = heat((COMPILE_FIRST_NS + early.compile_ns) as i64 / 10);
        assert!(worth.is_worth(outlook(1_000, false), worth.spent_ns, None, pace));
        assert!(
            !worth.is_worth(little, worth.spent_ns, None, pace)
                && late.is_worth(little, late.spent_ns, None, pace)
        );
        worth.cool();
        worth.add(20_000, Met::Call);
        assert!(!worth.is_worth(much, worth.spent_ns, None, pace));
        worth.add(100_000, Met::Call);
        let frame = Ahead { ns: 1_000, all: true };
        assert!(
            !worth.is_worth(Outlook { frame, ..much }, worth.spent_ns, None, pace)
                && worth.is_worth(much, worth.spent_ns, None, pace)
        );
    }
}
