//! What ints are made of in a loop: sums of what stays the same in it, of its counter, and of products of two of these,
//! perhaps shifted right. So it is known before the loop which elements of a list it reaches.

use dscript_bytecode::ids::*;
use dscript_bytecode::instr::Instr;

use crate::analysis::Operands;

/// Terms of one sum.
const TERMS_MAX: usize = 4;
/// Constants beyond this are of no use for indices.
const PLUS_MAX: i64 = 1 << 30;
/// A factor of one number, that is no product. With products counted once, sums of numbers of at most 31 bits fit.
const TIMES_MAX: i64 = 1 << 29;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Symbol {
    /// The loop's counter at the beginning of the round.
    Counter,
    /// What stays the same.
    Stays(S),
}

/// One or two symbols, and how often their product is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    pub times: i64,
    pub first: Symbol,
    pub second: Option<Symbol>,
}

/// The counter itself.
const COUNTER: Term = Term { times: 1, first: Symbol::Counter, second: None };

impl Term {
    fn symbols(&self) -> impl Iterator<Item = Symbol> {
        [Some(self.first), self.second].into_iter().flatten()
    }

    fn key(&self) -> (Symbol, Option<Symbol>) {
        (self.first, self.second)
    }

    fn is_of_use(&self) -> bool {
        let most = if self.second.is_some() { 1 } else { TIMES_MAX };
        (-most..=most).contains(&self.times)
    }
}

/// Terms of different symbols, in order, and a constant; all of it shifted right by so many bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sum {
    terms: [Option<Term>; TERMS_MAX],
    pub plus: i64,
    pub bits: u8,
}

impl Sum {
    pub fn of_constant(plus: i64) -> Option<Sum> {
        (-PLUS_MAX..=PLUS_MAX).contains(&plus).then_some(Sum { terms: [None; TERMS_MAX], plus, bits: 0 })
    }

    pub fn of_symbol(first: Symbol) -> Sum {
        let mut terms = [None; TERMS_MAX];
        terms[0] = Some(Term { times: 1, first, second: None });
        Sum { terms, plus: 0, bits: 0 }
    }

    pub fn terms(&self) -> impl Iterator<Item = Term> {
        self.terms.into_iter().flatten()
    }

    /// It without its constant.
    pub fn base(self) -> Sum {
        Sum { plus: 0, ..self }
    }

    pub fn is_constant(&self) -> bool {
        self.terms[0].is_none()
    }

    fn constant(&self) -> Option<i64> {
        (self.is_constant() && self.bits == 0).then_some(self.plus)
    }

    /// It shifted right, which keeps the order of its values.
    fn shifted(self, bits: Sum) -> Option<Sum> {
        let bits = bits.constant().and_then(|bits| u8::try_from(bits).ok())?;
        let bits = self.bits + bits.min(i64::BITS as u8);
        (u32::from(bits) < i64::BITS).then_some(Sum { bits, ..self })
    }

    pub fn counts(&self) -> bool {
        self.symbols().any(|symbol| symbol == Symbol::Counter)
    }

    /// Whether it grows by as much as the counter does, before it is shifted.
    pub fn grows_alike(&self) -> bool {
        let mut counted = self.terms().filter(|term| term.symbols().any(|symbol| symbol == Symbol::Counter));
        counted.next() == Some(COUNTER) && counted.next().is_none()
    }

    /// It without the counter, where it is a sum of that and what stays the same.
    pub fn beside_counter(&self) -> Option<Sum> {
        if self.bits > 0 || !self.grows_alike() {
            return None;
        }
        Sum::of_terms(self.terms().filter(|term| *term != COUNTER).collect(), self.plus)
    }

    fn symbols(&self) -> impl Iterator<Item = Symbol> {
        self.terms().flat_map(|term| term.symbols().collect::<Vec<_>>())
    }

    /// Whether all that it is made of is known where these registers are, the counter apart.
    pub fn is_known(&self, known: &dyn Fn(S) -> bool) -> bool {
        self.symbols().all(|symbol| match symbol {
            Symbol::Stays(reg) => known(reg),
            Symbol::Counter => true,
        })
    }

    fn plus(self, other: Sum) -> Option<Sum> {
        let plus = self.plus + other.plus;
        if self.bits + other.bits > 0 || !(-PLUS_MAX..=PLUS_MAX).contains(&plus) {
            return None;
        }
        let mut all: Vec<Term> = self.terms().collect();
        for term in other.terms() {
            match all.iter_mut().find(|known| known.key() == term.key()) {
                Some(known) => known.times += term.times,
                None => all.push(term),
            }
        }
        Sum::of_terms(all, plus)
    }

    fn of_terms(mut all: Vec<Term>, plus: i64) -> Option<Sum> {
        all.retain(|term| term.times != 0);
        all.sort_by_key(Term::key);
        if all.len() > TERMS_MAX || !all.iter().all(Term::is_of_use) {
            return None;
        }
        let mut terms = [None; TERMS_MAX];
        for (place, term) in terms.iter_mut().zip(all) {
            *place = Some(term);
        }
        Some(Sum { terms, plus, bits: 0 })
    }

    fn times(self, factor: i64) -> Option<Sum> {
        if self.bits > 0 || !(-TIMES_MAX..=TIMES_MAX).contains(&factor) {
            return None;
        }
        let plus = Sum::of_constant(self.plus * factor)?.plus;
        Sum::of_terms(self.terms().map(|term| Term { times: term.times * factor, ..term }).collect(), plus)
    }

    fn product(self, other: Sum) -> Option<Sum> {
        if let Some(factor) = self.constant() {
            return other.times(factor);
        }
        if let Some(factor) = other.constant() {
            return self.times(factor);
        }
        let mut sum = self.base().times(other.plus)?.plus(other.base().times(self.plus)?)?;
        sum = sum.plus(Sum::of_constant(self.plus.checked_mul(other.plus)?)?)?;
        for x in self.terms() {
            for y in other.terms() {
                if x.second.is_some() || y.second.is_some() {
                    return None;
                }
                let (first, second) = (x.first.min(y.first), x.first.max(y.first));
                // A square of the counter has its extremes elsewhere than at its ends.
                if second == Symbol::Counter {
                    return None;
                }
                let term = Term { times: x.times.checked_mul(y.times)?, first, second: Some(second) };
                sum = sum.plus(Sum::of_terms(vec![term], 0)?)?;
            }
        }
        Some(sum)
    }
}

/// Of a loop without loops in it: the index of each instruction that has one, where it is such a sum.
pub(crate) struct Sums {
    head: usize,
    indices: Vec<Option<Sum>>,
}

impl Sums {
    pub fn index(&self, pc: usize) -> Option<Sum> {
        self.indices[pc - self.head]
    }

    pub fn of(
        code: &[Instr],
        operands: &[Operands],
        leaders: &[bool],
        (head, last): (usize, usize),
        counter: Option<S>,
    ) -> Sums {
        type State = Vec<Option<Sum>>;
        let scalars = operands[head..=last].iter().flat_map(|ops| ops.uses.iter().chain(&ops.defs));
        let size =
            scalars.filter_map(|reg| if let Reg::S(s) = reg { Some(s.index() + 1) } else { None }).max();
        let stay = |reg: usize| Some(Sum::of_symbol(Symbol::Stays(S(reg as u16))));
        let mut entered: State = (0..size.unwrap_or(0)).map(stay).collect();
        for def in operands[head..=last].iter().flat_map(|ops| &ops.defs) {
            if let Reg::S(reg) = def {
                entered[reg.index()] = None;
            }
        }
        let mut begun = entered.clone();
        if let Some(counter) = counter {
            begun[counter.index()] = Some(Sum::of_symbol(Symbol::Counter));
        }
        let mut heads: Vec<Option<State>> = vec![None; last + 1 - head];
        heads[0] = Some(begun);
        let outside = (0..head).chain(last + 1..code.len()).flat_map(|pc| &operands[pc].labels);
        for to in outside.map(|to| to.index()).filter(|to| (head + 1..=last).contains(to)) {
            heads[to - head] = Some(entered.clone());
        }
        let meet = |into: &mut Option<State>, from: &State| match into {
            Some(known) => known.iter_mut().zip(from).for_each(|(known, from)| {
                if known != from {
                    *known = None;
                }
            }),
            None => *into = Some(from.clone()),
        };
        let mut indices = vec![None; last + 1 - head];
        let mut state: Option<State> = None;
        for pc in head..=last {
            if leaders[pc] {
                if let (Some(state), true) = (&state, pc > head) {
                    meet(&mut heads[pc - head], state);
                }
                state = heads[pc - head].clone();
            }
            let Some(now) = &mut state else { continue };
            indices[pc - head] = index_of(&code[pc]).and_then(|index| now[index.index()]);
            let of = |reg: S| now[reg.index()];
            let sum = match code[pc] {
                Instr::Int { value, .. } => Sum::of_constant(value),
                Instr::MoveScalar { src, .. } => of(src),
                Instr::AddImm { a, value, .. } => both(of(a), Sum::of_constant(value), Sum::plus),
                Instr::AddInt { a, b, .. } => both(of(a), of(b), Sum::plus),
                Instr::SubInt { a, b, .. } => both(of(a), of(b).and_then(|b| b.times(-1)), Sum::plus),
                Instr::MulInt { a, b, .. } => both(of(a), of(b), Sum::product),
                Instr::ShrInt { a, b, .. } => both(of(a), of(b), Sum::shifted),
                _ => None,
            };
            for def in &operands[pc].defs {
                if let Reg::S(reg) = def {
                    now[reg.index()] = sum;
                }
            }
            for to in
                operands[pc].labels.iter().map(|to| to.index()).filter(|to| (pc + 1..=last).contains(to))
            {
                meet(&mut heads[to - head], now);
            }
            if code[pc].ends_block() {
                state = None;
            }
        }
        Sums { head, indices }
    }
}

/// The index by which an instruction reaches into a list or a text.
fn index_of(instr: &Instr) -> Option<S> {
    match *instr {
        Instr::ListGetScalar { index, .. }
        | Instr::ListGetRef { index, .. }
        | Instr::ListSetScalar { index, .. }
        | Instr::ListSetRef { index, .. } => Some(index),
        // The natives that have one have no other scalar.
        Instr::CallNative { ref args, .. } => match args[..] {
            [Reg::R(_), Reg::S(index)] => Some(index),
            _ => None,
        },
        _ => None,
    }
}

fn both(a: Option<Sum>, b: Option<Sum>, op: impl FnOnce(Sum, Sum) -> Option<Sum>) -> Option<Sum> {
    op(a?, b?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_have_one_form() {
        let of = |reg: u16| Sum::of_symbol(Symbol::Stays(S(reg)));
        let (i, n, counter) = (of(0), of(1), Sum::of_symbol(Symbol::Counter));
        let constant = |value| Sum::of_constant(value).expect("it is small");
        // (i - 1) * n + j + n is i * n + j.
        let above = i.plus(constant(-1)).and_then(|i| i.product(n)).and_then(|row| row.plus(counter));
        let there = above.and_then(|above| above.plus(n));
        assert_eq!(there, n.product(i).and_then(|row| counter.plus(row)));
        assert!(there.is_some_and(|there| there.grows_alike() && there.counts()));
        assert_eq!(there.and_then(|there| there.beside_counter()), n.product(i));
        let down = constant(7).plus(counter.times(-1).expect("it is small"));
        assert!(down.is_some_and(|down| down.counts() && !down.grows_alike() && down.plus == 7));
        assert_eq!(counter.product(counter), None);
        assert_eq!(i.product(n).and_then(|square| square.product(n)), None);
        assert_eq!(i.product(n).and_then(|square| square.times(2)), None);
        assert_eq!(constant(1 << 30).plus(constant(1)), None);
        assert!(!i.product(n).expect("it is a product").is_known(&|reg| reg == S(0)));
        let word = counter.shifted(constant(6)).expect("it is a shift");
        assert_eq!(word.bits, 6);
        assert!(
            word.grows_alike()
                && word.plus(i).is_none()
                && word.times(2).is_none()
                && i.product(word).is_none()
        );
        assert_eq!(word.shifted(constant(1)).map(|word| word.bits), Some(7));
        assert_eq!(word.shifted(constant(58)).or(word.shifted(constant(-1))).or(word.shifted(i)), None);
    }
}
