//! What a program has ahead of it, as far as the loops say that it is in: one that counts up to a bound tells how many
//! rounds are left, and what its rounds have taken so far tells what those will. A function that calls itself in more
//! than one place goes through these like a loop through its rounds.

use dscript_bytecode::ids::{FunctionId, S};
use dscript_bytecode::image::Image;
use dscript_bytecode::instr::Instr;
use dscript_interp::door::Look;
use rustc_hash::FxHashMap;

use crate::analysis::Operands;
use crate::loops::{self, CountedLoop, Step};

/// Frames that are looked at, the outermost: what those above do is part of their rounds.
const FRAMES_MAX: usize = 16;
/// How many times what was done of a loop is believed to be ahead of it, and once more for each round that was seen: the
/// first may be quite unlike the others. Of rounds that become ever shorter only as much is believed as was done.
const GUESSED: u64 = 4;
/// Instructions of the longest function whose loops are thought to count: finding out takes as long as there are
/// loops in it, times their length.
const INSTRUCTIONS_MAX: usize = 4_000;

/// An estimate in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ahead {
    pub ns: u64,
    /// Whether that is about all there is until the loops are done; else it is the least.
    pub all: bool,
}

/// What the program has ahead of it, and of that what the innermost frame has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outlook {
    pub program: Ahead,
    pub frame: Ahead,
}

/// What was seen of a program's loops.
#[derive(Default)]
pub(crate) struct Foresight {
    /// Of functions that were met.
    shapes: FxHashMap<FunctionId, Shape>,
    /// Of the loops that the program is in, outermost first.
    marks: Vec<Mark>,
    spent_ns: u64,
}

struct Shape {
    /// Outer ones first.
    loops: Vec<Loop>,
    /// Where it calls itself, with how many more of such calls it comes by from there.
    own_calls: Vec<(usize, u64)>,
}

struct Loop {
    head: usize,
    last: usize,
    /// Where it counts up.
    counted: Option<CountedLoop>,
}

/// A running loop as it was when it was seen first.
struct Mark {
    frame: usize,
    function: FunctionId,
    head: usize,
    spent_ns: u64,
    /// The counter then, and when it was seen last.
    first: i64,
    last: i64,
    /// Between a quarter and half of the way, and what is so next: what all had taken, and the counter.
    middle: (u64, i64),
    later: (u64, i64),
}

impl Mark {
    /// Whether rounds take less than half of what they took at first: then nobody knows what those that are left will take.
    fn is_faster(&self, spent_ns: u64, counter: i64, step: u64) -> bool {
        let part = |from: (u64, i64), to: (u64, i64)| {
            (u128::from(to.0 - from.0), u128::from(to.1.abs_diff(from.1) / step))
        };
        let (before_ns, before) = part((self.spent_ns, self.first), self.middle);
        let (since_ns, since) = part(self.middle, (spent_ns, counter));
        2 * since_ns * before.max(1) < before_ns * since
    }
}

/// A loop that an instruction is in, or the calls of its function to itself as one: its frame, function and head, and its
/// counter, the rounds left and the step where it counts.
type Around = (usize, FunctionId, usize, Option<(i64, u64, u64)>);

/// What stands for a head where calls are the rounds.
const OWN_CALLS: usize = usize::MAX;

impl Foresight {
    /// So much more was done, and now the program is there.
    pub fn look(
        &mut self,
        image: &Image,
        spent_ns: u64,
        frames: &mut dyn Iterator<Item = Look<'_>>,
    ) -> Outlook {
        self.spent_ns += spent_ns;
        let mut around: Vec<Around> = Vec::new();
        let mut innermost = None;
        for (at, frame) in frames.enumerate() {
            let Some(pc) = frame.pc.filter(|_| at < FRAMES_MAX) else {
                innermost = None;
                break;
            };
            innermost = Some(at);
            let pc = pc as usize;
            let shape = self.shapes.entry(frame.function);
            let shape = shape.or_insert_with(|| Shape::of(image, frame.function));
            let here = shape.loops.iter().filter(|l| (l.head..=l.last).contains(&pc));
            around.extend(here.map(|l| (at, frame.function, l.head, l.state(frame.scalars))));
            if let Ok(which) = shape.own_calls.binary_search_by_key(&pc, |(pc, _)| *pc) {
                let state = (which as i64, shape.own_calls[which].1, 1);
                around.push((at, frame.function, OWN_CALLS, Some(state)));
            }
        }
        self.mark(&around);
        let Some(innermost) = innermost else {
            // What is deep in calls of a function to itself takes little of these.
            let all =
                around.last().is_some_and(|(at, _, head, _)| at + 1 == FRAMES_MAX && *head == OWN_CALLS);
            return Outlook { program: self.ahead(&around, 0, all), frame: Ahead::default() };
        };
        Outlook { program: self.ahead(&around, 0, true), frame: self.ahead(&around, innermost, true) }
    }

    /// All that was done.
    pub fn spent_ns(&self) -> u64 {
        self.spent_ns
    }

    /// Keeps what is known of loops that still run, and begins with others.
    fn mark(&mut self, around: &[Around]) {
        let mut kept = 0;
        for (mark, (frame, function, head, state)) in self.marks.iter_mut().zip(around) {
            let counter = state.map_or(0, |(counter, ..)| counter);
            if (mark.frame, mark.function, mark.head) != (*frame, *function, *head) || counter < mark.last {
                break;
            }
            kept += 1;
            if self.spent_ns - mark.spent_ns >= 2 * (mark.later.0 - mark.spent_ns) {
                mark.middle = std::mem::replace(&mut mark.later, (self.spent_ns, counter));
            }
            // Another round: loops in it were begun anew.
            if std::mem::replace(&mut mark.last, counter) != counter {
                break;
            }
        }
        self.marks.truncate(kept);
        let spent_ns = self.spent_ns;
        self.marks.extend(around[kept..].iter().map(|(frame, function, head, state)| {
            let counter = state.map_or(0, |(counter, ..)| counter);
            let now = (spent_ns, counter);
            Mark {
                frame: *frame,
                function: *function,
                head: *head,
                spent_ns,
                first: counter,
                last: counter,
                middle: now,
                later: now,
            }
        }));
    }

    /// What the loops of this frame and those above it have ahead of them; `all` where what runs in them is known.
    fn ahead(&self, around: &[Around], frame: usize, mut all: bool) -> Ahead {
        let mut ns: u64 = 0;
        for (mark, (at, _, head, state)) in self.marks.iter().zip(around).rev() {
            if *at < frame {
                break;
            }
            let Some((counter, left, step)) = *state else {
                all = false;
                continue;
            };
            let since = self.spent_ns - mark.spent_ns;
            let rounds = counter.abs_diff(mark.first) / step;
            let known = match rounds {
                // What a function calls itself for later tends to be less.
                _ if *head == OWN_CALLS => {
                    let more =
                        if rounds == 0 { left.saturating_mul(since.saturating_add(ns) / 2) } else { 0 };
                    ns.saturating_add(more)
                }
                // A round takes what this one has taken until now, and what is ahead of it.
                0 => {
                    all &= left == 0 || since > 0;
                    ns.saturating_add(left.saturating_mul(since.saturating_add(ns)))
                }
                rounds => {
                    all = true;
                    left.saturating_mul(since / rounds).saturating_add(ns.min(since / rounds))
                }
            };
            let times = match *head != OWN_CALLS && mark.is_faster(self.spent_ns, counter, step) {
                true => 1,
                false => rounds.saturating_add(GUESSED),
            };
            let believed = ns.max(since.saturating_mul(times));
            all &= *head == OWN_CALLS || known <= believed;
            ns = known.min(believed);
        }
        Ahead { ns, all }
    }
}

impl Shape {
    fn of(image: &Image, function: FunctionId) -> Shape {
        let code = &image.functions[function.index()].code;
        Shape { loops: loops_of(code), own_calls: own_calls(code, function) }
    }
}

/// Calls of a function to itself; none where there is but one, or where it is too long to look.
fn own_calls(code: &[Instr], function: FunctionId) -> Vec<(usize, u64)> {
    let is_own = |instr: &Instr| matches!(instr, Instr::Call { function: callee, .. } if *callee == function);
    let calls: Vec<usize> = (0..code.len()).filter(|pc| is_own(&code[*pc])).collect();
    if calls.len() < 2 || code.len() > INSTRUCTIONS_MAX {
        return Vec::new();
    }
    // Straight on, over tests and along jumps ahead.
    let left = |from: usize| {
        let (mut pc, mut left) = (from + 1, 0);
        while let Some(instr) = code.get(pc) {
            left += u64::from(is_own(instr));
            pc = match instr {
                Instr::Jump { to } if to.index() > pc => to.index(),
                _ if instr.ends_block() => break,
                _ => pc + 1,
            };
        }
        left
    };
    calls.iter().map(|pc| (*pc, left(*pc))).collect()
}

fn loops_of(code: &[Instr]) -> Vec<Loop> {
    let operands: Vec<Operands> = code.iter().map(Operands::of).collect();
    let counted = match code.len() {
        0..=INSTRUCTIONS_MAX => loops::counted_loops(code, &|_| true, &loops::Stable::NONE),
        _ => Vec::new(),
    };
    let of = |(head, last): (usize, usize)| {
        let counted = counted.iter().find(|of| of.head == head && !of.down).copied();
        Loop { head, last, counted }
    };
    let mut loops: Vec<Loop> = loops::all_loops(&operands).into_iter().map(of).collect();
    loops.sort_by_key(|l| (l.head, std::cmp::Reverse(l.last)));
    loops
}

impl Loop {
    /// The counter, the rounds left after this one and the step; `None` where it does not count.
    fn state(&self, scalars: &[u64]) -> Option<(i64, u64, u64)> {
        let of = self.counted?;
        let int = |reg: S| scalars.get(reg.index()).map(|bits| *bits as i64);
        let (counter, bound) = (int(of.counter)?, int(of.bound)?);
        let step = match of.step {
            Step::Constant(step) => step,
            Step::Register(reg) => int(reg)?,
        };
        let step = u64::try_from(step).ok().filter(|step| *step > 0)?;
        let end = if of.reaches { bound.saturating_add(1) } else { bound };
        let left = if counter < end { (end.abs_diff(counter) - 1) / step } else { 0 };
        Some((counter, left, step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dscript_bytecode::ids::Label;
    use dscript_bytecode::image::Function;

    const FUNCTION: FunctionId = FunctionId(0);

    /// A loop at 0 that counts S0 up to S1, in it one at 1 that counts S2 up to S3; and a loop at 5 without a bound.
    fn image() -> Image {
        let step = |reg: u16| Instr::AddImm { a: S(reg), value: 1, dst: S(reg) };
        let back = |a: u16, b: u16, to: u32| Instr::IfLtInt { a: S(a), b: S(b), to: Label(to) };
        let code = vec![
            Instr::Int { value: 0, dst: S(2) },
            step(2),
            back(2, 3, 1),
            step(0),
            back(0, 1, 0),
            step(0),
            Instr::Jump { to: Label(5) },
        ];
        let function = Function {
            name: String::new(),
            params: Vec::new(),
            results: Vec::new(),
            scalars: Vec::new(),
            refs: Vec::new(),
            code,
            heads: Vec::new(),
            lines: Vec::new(),
        };
        Image { functions: vec![function], ..Image::default() }
    }

    fn look(foresight: &mut Foresight, spent_ns: u64, pc: Option<u32>, scalars: &[u64]) -> Ahead {
        let mut frames = std::iter::once(Look { function: FUNCTION, pc, scalars });
        foresight.look(&image(), spent_ns, &mut frames).program
    }

    #[test]
    fn rounds_that_are_left_take_as_long_as_those_before() {
        let mut foresight = Foresight::default();
        let mut at = |spent, outer, inner| look(&mut foresight, spent, Some(1), &[outer, 10, inner, 100]);
        assert!(!at(1_000, 0, 10).all);
        // 10 rounds took 1,000: 79 take 7,900. Of the outer loop not one was seen whole.
        assert_eq!(at(1_000, 0, 20), Ahead { ns: 7_900, all: false });
        // Three rounds of the outer loop in 27,000.
        assert_eq!(at(26_000, 3, 20), Ahead { ns: 6 * 9_000, all: true });
        assert_eq!(at(9_000, 9, 99), Ahead { ns: 0, all: true });
    }

    #[test]
    fn of_rounds_that_become_shorter_no_more_is_believed_than_was_done() {
        let mut foresight = Foresight::default();
        let mut at = |spent, outer| look(&mut foresight, spent, Some(4), &[outer, 10_000, 0, 0]);
        at(0, 0);
        at(1_000, 1);
        assert_eq!(at(1_000, 2), Ahead { ns: 2_000 * (2 + GUESSED), all: false });
        // The third thousand were ten rounds.
        assert_eq!(at(1_000, 12), Ahead { ns: 3_000, all: false });
    }

    #[test]
    fn of_a_loop_without_a_bound_and_of_native_code_nothing_is_known() {
        let mut foresight = Foresight::default();
        for _ in 0..3 {
            assert_eq!(look(&mut foresight, 1_000, Some(5), &[0; 4]), Ahead { ns: 0, all: false });
            assert_eq!(look(&mut foresight, 1_000, None, &[0; 4]), Ahead { ns: 0, all: false });
        }
        assert_eq!(look(&mut foresight, 1_000, Some(4), &[9, 10, 0, 0]), Ahead { ns: 0, all: true });
    }

    #[test]
    fn a_frame_has_only_its_own_loops_ahead() {
        let mut foresight = Foresight::default();
        let mut at = |counter| {
            let below = Look { function: FUNCTION, pc: Some(4), scalars: &[0, 10, 0, 0] };
            let above = Look { function: FUNCTION, pc: Some(4), scalars: &[counter, 10, 0, 0] };
            foresight.look(&image(), 1_000, &mut [below, above].into_iter())
        };
        at(0);
        let Outlook { program, frame } = at(5);
        assert_eq!(frame, Ahead { ns: 4 * 200, all: true });
        assert_eq!(program, Ahead { ns: GUESSED * 1_000, all: false });
    }

    #[test]
    fn calls_of_itself_that_are_left_take_half_as_long() {
        let call = || Instr::Call { function: FUNCTION, args: Box::default(), results: Box::default() };
        let mut image = image();
        image.functions[0].code = vec![
            call(),
            Instr::Jump { to: Label(3) },
            call(),
            call(),
            Instr::Return { values: Box::default() },
        ];
        assert_eq!(own_calls(&image.functions[0].code, FUNCTION), [(0, 1), (2, 1), (3, 0)]);
        let mut foresight = Foresight::default();
        let mut at = |pcs: &[u32]| {
            let mut frames = pcs.iter().map(|pc| Look { function: FUNCTION, pc: Some(*pc), scalars: &[] });
            foresight.look(&image, 1_000, &mut frames).program
        };
        at(&[0, 0, 0]);
        // The innermost took 2,000 until now and takes 1,000 more, so that the one below it has 1,500 beyond that.
        at(&[0, 0, 0]);
        assert_eq!(at(&[0, 0, 0]), Ahead { ns: 1_000 + 1_500 + 2_250, all: true });
        assert_eq!(at(&[0, 0, 3]), Ahead { ns: 1_500 + 2_250, all: true });
        assert_eq!(at(&[0; 10]), Ahead { ns: 2_000 + 3_000, all: true });
        // What those take that are too deep to be looked at is little of it.
        assert!(at(&[0; 40]).all);
        assert_eq!(at(&[3, 3, 3]), Ahead { ns: 0, all: true });
    }

    #[test]
    fn numbers_that_are_too_large_do_no_harm() {
        let mut foresight = Foresight::default();
        let far = i64::MAX as u64;
        look(&mut foresight, 1_000, Some(1), &[0, far, 0, far]);
        assert_eq!(look(&mut foresight, 1_000, Some(1), &[0, far, 0, far]).ns, GUESSED * 1_000);
        look(&mut foresight, 1_000, Some(1), &[i64::MIN as u64, far, 0, far]);
        look(&mut foresight, 1_000, Some(1), &[far, far, 0, far]);
    }
}
