//! Between which bounds ints lie, so that checks that cannot fail are left out: a counter that is below something
//! does not overflow by one more, a masked value times a small constant not either.
//!
//! An interval for each int register at the beginning of each block; comparisons narrow both sides on either way
//! out. Loops are gone through until nothing changes, with bounds that keep growing let go to the ends of the type.

use dscript_bytecode::ids::{Label, Reg, S};
use dscript_bytecode::image::{Function, ScalarKind};
use dscript_bytecode::instr::Instr;

use rustc_hash::FxHashMap;

use crate::analysis::Operands;
use crate::regions::Regions;

/// Both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub low: i64,
    pub high: i64,
}

const ALL: Range = Range { low: i64::MIN, high: i64::MAX };
/// Passes over the function until growing bounds are let go, and until what is known is thrown away.
const PASSES_EXACT: usize = 4;
const PASSES_MAX: usize = 40;
/// Passes after that in which bounds come back.
const PASSES_NARROWING: usize = 4;
/// Sizes of lists and lengths of texts.
const SIZE: Range = Range { low: 0, high: i32::MAX as i64 };

/// What is known of the operands of each instruction that may check them.
pub(crate) struct Ranges {
    /// By instruction: the ranges of its first two int operands, as they are read.
    operands: Vec<[Range; 2]>,
    /// By call: the ranges of its scalar arguments.
    arguments: FxHashMap<usize, Vec<Range>>,
    assumed: Option<Assumed>,
}

/// What is taken for granted wherever a loop's head is reached: these registers are at most `SMALL` away from 0.
#[derive(Clone, Debug)]
pub(crate) struct Assumed {
    pub head: usize,
    pub regs: Vec<S>,
}

/// So small that the product of two such numbers, or of one with the sum of two, fits, and a list's size hardly ever is more.
pub(crate) const SMALL: i64 = 1 << 30;

impl Range {
    fn exactly(value: i64) -> Range {
        Range { low: value, high: value }
    }

    fn join(self, other: Range) -> Range {
        Range { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    pub fn lacks(self, value: i64) -> bool {
        value < self.low || value > self.high
    }

    pub fn within(self, low: i64, high: i64) -> bool {
        low <= self.low && self.high <= high
    }

    /// From the extreme results of an operation; without the ends of the type where they lie beyond.
    fn of(results: [i128; 4]) -> (Range, bool) {
        let low = results.into_iter().min().unwrap_or_default();
        let high = results.into_iter().max().unwrap_or_default();
        let fits = low >= i128::from(i64::MIN) && high <= i128::from(i64::MAX);
        let clamp = |value: i128| value.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        (Range { low: clamp(low), high: clamp(high) }, fits)
    }

    fn ends(self, other: Range, op: impl Fn(i128, i128) -> i128) -> (Range, bool) {
        let (a, b) = (i128::from(self.low), i128::from(self.high));
        let (c, d) = (i128::from(other.low), i128::from(other.high));
        Range::of([op(a, c), op(a, d), op(b, c), op(b, d)])
    }

    pub fn plus(self, other: Range) -> (Range, bool) {
        self.ends(other, |x, y| x + y)
    }

    pub fn minus(self, other: Range) -> (Range, bool) {
        self.ends(other, |x, y| x - y)
    }

    pub fn times(self, other: Range) -> (Range, bool) {
        let (range, fits) = self.ends(other, |x, y| x * y);
        let known = [self, other].into_iter().find(|factor| factor.low == factor.high && factor.low > 1);
        match known.filter(|_| !fits) {
            // So many times something, where it fits.
            Some(Range { low: by, .. }) => {
                (Range { low: range.low / by * by, high: range.high / by * by }, fits)
            }
            None => (range, fits),
        }
    }
}

type State = Vec<Range>;

impl Ranges {
    /// `given` is what is known of the scalar parameters; nothing where there are fewer.
    pub fn of(
        function: &Function,
        leaders: &[bool],
        regions: &Regions,
        given: &[Range],
        assumed: Option<Assumed>,
    ) -> Ranges {
        let code = &function.code[..];
        let mut all = vec![ALL; function.scalars.len()];
        for (index, range) in given.iter().enumerate() {
            all[index] = *range;
        }
        // `None` where no way leads to yet.
        let mut heads: Vec<Option<State>> = vec![None; code.len() + 1];
        heads[0] = Some(all.clone());
        // Bounds are let go where loops begin only: elsewhere they follow from those.
        let mut loops = vec![false; code.len() + 1];
        for (pc, instr) in code.iter().enumerate() {
            let back = |to: &&Label| to.index() <= pc;
            Operands::of(instr).labels.iter().filter(back).for_each(|to| loops[to.index()] = true);
        }
        let mut ranges =
            Ranges { operands: vec![[ALL; 2]; code.len()], arguments: FxHashMap::default(), assumed };
        let never = vec![false; code.len() + 1];
        for pass in 0..=PASSES_MAX {
            if !ranges.walk(
                function,
                leaders,
                regions,
                &mut heads,
                None,
                if pass < PASSES_EXACT { &never } else { &loops },
            ) {
                break;
            }
            if pass == PASSES_MAX {
                // Never seen; then nothing is known.
                ranges.operands.fill([ALL; 2]);
                ranges.arguments.clear();
                return ranges;
            }
        }
        // What follows from bounds that hold holds as well, and they were let go farther than they had to be.
        for _ in 0..PASSES_NARROWING {
            let mut next = vec![None; code.len() + 1];
            next[0] = Some(all.clone());
            ranges.walk(function, leaders, regions, &mut heads, Some(&mut next), &never);
            heads = next;
        }
        ranges.walk(function, leaders, regions, &mut heads, None, &never);
        ranges
    }

    /// One way through the function from what is known at the heads of its blocks; what follows for them is joined into
    /// that, or into `next`; bounds that grow are let go where `widen` says so. Whether the former changed.
    fn walk(
        &mut self,
        function: &Function,
        leaders: &[bool],
        regions: &Regions,
        heads: &mut [Option<State>],
        mut next: Option<&mut [Option<State>]>,
        widen: &[bool],
    ) -> bool {
        let mut changed = false;
        let mut state: Option<State> = None;
        for (pc, instr) in function.code.iter().enumerate() {
            if leaders[pc] {
                if let Some(state) = &state {
                    changed |= flow(&mut into(&mut next, heads)[pc], state, widen[pc]);
                }
                state = heads[pc].clone();
                if let (Some(state), Some(assumed)) = (&mut state, &self.assumed)
                    && assumed.head == pc
                {
                    for reg in &assumed.regs {
                        let known = &mut state[reg.index()];
                        let both = Range { low: known.low.max(-SMALL), high: known.high.min(SMALL) };
                        // Else the loop is not entered so.
                        if both.low <= both.high {
                            *known = both;
                        }
                    }
                }
            }
            let Some(now) = &mut state else { continue };
            self.operands[pc] = operands_of(instr, now);
            if let Instr::Call { args, .. } = instr {
                let ranges = args.iter().filter_map(|arg| match *arg {
                    Reg::S(reg) => Some(now[reg.index()]),
                    Reg::R(_) => None,
                });
                self.arguments.insert(pc, ranges.collect::<Vec<_>>());
            }
            if let Some((a, b, taken, to)) = compared(instr) {
                let mut away = now.clone();
                if narrow(&mut away, a, b, taken) {
                    changed |= flow(&mut into(&mut next, heads)[to], &away, widen[to]);
                }
                if !narrow(now, a, b, taken.negated()) {
                    state = None;
                }
                continue;
            }
            if let (Instr::LimitEnter { to, .. }, Some(region)) = (instr, regions.begun_at(pc)) {
                // The time may be up anywhere in the region.
                let mut later = now.clone();
                regions.all[region].written.iter().for_each(|reg| later[reg.index()] = ALL);
                changed |= flow(&mut into(&mut next, heads)[to.index()], &later, false);
                continue;
            }
            for label in &Operands::of(instr).labels {
                changed |= flow(&mut into(&mut next, heads)[label.index()], now, widen[label.index()]);
            }
            step(function, instr, now);
            if instr.ends_block() {
                state = None;
            }
        }
        changed
    }

    /// What is known of the scalar arguments of a call.
    pub fn arguments(&self, pc: usize) -> &[Range] {
        self.arguments.get(&pc).map_or(&[], Vec::as_slice)
    }

    /// Multiplications among these instructions that may not fit.
    pub fn products_checked(&self, code: &[Instr], pcs: std::ops::RangeInclusive<usize>) -> usize {
        let checked = |pc: &usize| {
            matches!(code[*pc], Instr::MulInt { .. }) && !self.at(*pc)[0].times(self.at(*pc)[1]).1
        };
        pcs.filter(checked).count()
    }

    pub fn at(&self, pc: usize) -> [Range; 2] {
        self.operands[pc]
    }
}

fn into<'a>(
    next: &'a mut Option<&mut [Option<State>]>,
    heads: &'a mut [Option<State>],
) -> &'a mut [Option<State>] {
    match next {
        Some(next) => next,
        None => heads,
    }
}

/// Joins a state into a block's; whether that changed.
fn flow(head: &mut Option<State>, from: &State, widen: bool) -> bool {
    let Some(head) = head else {
        *head = Some(from.clone());
        return true;
    };
    let mut changed = false;
    for (known, new) in head.iter_mut().zip(from) {
        let before = *known;
        let joined = before.join(*new);
        if joined != before {
            changed = true;
            *known = joined;
            if widen && joined.low == new.low && joined.low != before.low {
                known.low = [0, i64::MIN + 1].into_iter().find(|low| *low <= new.low).unwrap_or(i64::MIN);
            }
            if widen && joined.high == new.high && joined.high != before.high {
                // One less is what a counter has that is below something.
                known.high = new.high.max(i64::MAX - 1);
            }
        }
    }
    changed
}

#[derive(Clone, Copy)]
enum Relation {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    /// Of the operands the other way round.
    Greater,
    GreaterOrEqual,
}

impl Relation {
    fn negated(self) -> Relation {
        match self {
            Relation::Equal => Relation::NotEqual,
            Relation::NotEqual => Relation::Equal,
            Relation::Less => Relation::GreaterOrEqual,
            Relation::LessOrEqual => Relation::Greater,
            Relation::Greater => Relation::LessOrEqual,
            Relation::GreaterOrEqual => Relation::Less,
        }
    }
}

/// A jump that compares ints: what holds where it is taken, and where it goes.
fn compared(instr: &Instr) -> Option<(S, S, Relation, usize)> {
    match *instr {
        Instr::IfEqInt { a, b, to } => Some((a, b, Relation::Equal, to.index())),
        Instr::IfNeInt { a, b, to } => Some((a, b, Relation::NotEqual, to.index())),
        Instr::IfLtInt { a, b, to } => Some((a, b, Relation::Less, to.index())),
        Instr::IfLeInt { a, b, to } => Some((a, b, Relation::LessOrEqual, to.index())),
        _ => None,
    }
}

/// Takes over that a relation holds; false where it cannot.
fn narrow(state: &mut State, a: S, b: S, relation: Relation) -> bool {
    let (mut x, mut y) = (state[a.index()], state[b.index()]);
    match relation {
        Relation::Equal => {
            let both = Range { low: x.low.max(y.low), high: x.high.min(y.high) };
            (x, y) = (both, both);
        }
        Relation::NotEqual => {}
        Relation::Less => {
            x.high = x.high.min(y.high.saturating_sub(1));
            y.low = y.low.max(x.low.saturating_add(1));
        }
        Relation::LessOrEqual => {
            x.high = x.high.min(y.high);
            y.low = y.low.max(x.low);
        }
        Relation::Greater => {
            y.high = y.high.min(x.high.saturating_sub(1));
            x.low = x.low.max(y.low.saturating_add(1));
        }
        Relation::GreaterOrEqual => {
            y.high = y.high.min(x.high);
            x.low = x.low.max(y.low);
        }
    }
    if x.low > x.high || y.low > y.high {
        return false;
    }
    (state[a.index()], state[b.index()]) = (x, y);
    true
}

fn operands_of(instr: &Instr, state: &State) -> [Range; 2] {
    let of = |reg: S| state[reg.index()];
    match *instr {
        Instr::AddInt { a, b, .. }
        | Instr::SubInt { a, b, .. }
        | Instr::MulInt { a, b, .. }
        | Instr::DivInt { a, b, .. }
        | Instr::RemInt { a, b, .. }
        | Instr::ShlInt { a, b, .. }
        | Instr::ShrInt { a, b, .. }
        | Instr::UShrInt { a, b, .. }
        | Instr::IfLtInt { a, b, .. }
        | Instr::IfLeInt { a, b, .. } => [of(a), of(b)],
        Instr::AddImm { a, value, .. } => [of(a), Range::exactly(value)],
        Instr::NegInt { a, .. } => [of(a), ALL],
        _ => [ALL; 2],
    }
}

/// What an instruction leaves in its registers.
fn step(function: &Function, instr: &Instr, state: &mut State) {
    let [x, y] = operands_of(instr, state);
    let of = |reg: S| state[reg.index()];
    let bits = |high: i64| i64::MAX >> high.leading_zeros().saturating_sub(1).min(63);
    let (dst, range) = match *instr {
        Instr::Int { value, dst } => (dst, Range::exactly(value)),
        Instr::MoveScalar { src, dst } => (dst, of(src)),
        Instr::AddInt { dst, .. } | Instr::AddImm { dst, .. } => (dst, x.plus(y).0),
        Instr::SubInt { dst, .. } => (dst, x.minus(y).0),
        Instr::MulInt { dst, .. } => (dst, x.times(y).0),
        Instr::DivInt { dst, .. } if y.low > 0 => (dst, x.ends(y, |x, y| x / y).0),
        Instr::RemInt { dst, .. } if y.low > 0 => {
            let most = y.high - 1;
            let low = if x.low >= 0 { 0 } else { (-most).max(x.low) };
            (dst, Range { low, high: if x.high <= 0 { 0 } else { most.min(x.high) } })
        }
        Instr::NegInt { dst, .. } => (dst, Range::exactly(0).minus(x).0),
        Instr::AndInt { a, b, dst } => {
            let (x, y) = (of(a), of(b));
            let high = match (x.low >= 0, y.low >= 0) {
                (true, true) => x.high.min(y.high),
                (true, false) => x.high,
                (false, true) => y.high,
                (false, false) => i64::MAX,
            };
            let low = if x.low >= 0 || y.low >= 0 { 0 } else { i64::MIN };
            (dst, Range { low, high })
        }
        Instr::OrInt { a, b, dst } | Instr::XorInt { a, b, dst } if of(a).low >= 0 && of(b).low >= 0 => {
            (dst, Range { low: 0, high: bits(of(a).high | of(b).high) })
        }
        Instr::ShrInt { dst, .. } if y.low == y.high && y.within(0, 63) => {
            (dst, Range { low: x.low >> y.low, high: x.high >> y.low })
        }
        Instr::UShrInt { dst, .. } if y.low == y.high && y.within(1, 63) => {
            let high = if x.low >= 0 { x.high >> y.low } else { (u64::MAX >> y.low) as i64 };
            (dst, Range { low: 0, high })
        }
        Instr::ListSize { dst, .. } => (dst, SIZE),
        Instr::ListGetScalar { index, .. }
        | Instr::ListSetScalar { index, .. }
        | Instr::ListGetRef { index, .. }
        | Instr::ListSetRef { index, .. } => {
            let known = of(index);
            // It was inside.
            let inside = Range { low: known.low.max(0), high: known.high.min(SIZE.high - 1) };
            if inside.low <= inside.high {
                state[index.index()] = inside;
            }
            if let Instr::ListGetScalar { dst, .. } = *instr {
                state[dst.index()] = ALL;
            }
            return;
        }
        _ => {
            for def in Operands::of(instr).defs {
                if let Reg::S(reg) = def {
                    state[reg.index()] = ALL;
                }
            }
            return;
        }
    };
    if function.scalars[dst.index()] == ScalarKind::Int {
        state[dst.index()] = range;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_and_narrows() {
        let mut state = vec![Range { low: 0, high: 10 }, Range { low: 5, high: i64::MAX }];
        assert!(narrow(&mut state, S(0), S(1), Relation::Less));
        assert_eq!(state[0], Range { low: 0, high: 10 });
        assert!(narrow(&mut state, S(1), S(0), Relation::Less));
        assert_eq!(state, [Range { low: 6, high: 10 }, Range { low: 5, high: 9 }]);
        assert!(!narrow(&mut vec![Range::exactly(1), Range::exactly(1)], S(0), S(1), Relation::Less));
    }

    #[test]
    fn knows_what_fits() {
        let check = |x: (i64, i64), y: (i64, i64), fits: [bool; 3]| {
            let (x, y) = (Range { low: x.0, high: x.1 }, Range { low: y.0, high: y.1 });
            assert_eq!([x.plus(y).1, x.minus(y).1, x.times(y).1], fits, "{x:?} {y:?}");
        };
        check((0, i64::MAX - 1), (1, 1), [true, true, true]);
        check((0, i64::MAX), (1, 1), [false, true, true]);
        check((i64::MIN, 0), (1, 1), [true, false, true]);
        check((i64::MIN, 0), (-1, -1), [false, true, false]);
        check((0, 0xf_ffff), (5, 1 << 40), [true, true, true]);
        let (threefold, fits) = ALL.times(Range::exactly(3));
        assert_eq!((threefold, fits), (Range { low: i64::MIN + 2, high: i64::MAX - 1 }, false));
    }
}
