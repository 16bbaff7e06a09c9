//! Handlers of steps that read their operands where they are: in a register, a word of the code, a field, an element of
//! a list, or an element of an element. One generic handler stands for all ways to find its operands.
//!
//! Registers stand in the first word after the handler. What else there is to an operand follows in words of its own,
//! those of the first operand first; a trap of finding it is placed at one of these words.

use super::handlers::{bad_index, by_zero, handlers, overflow};
use super::machine::{M, Status};
use super::slow;
use crate::heap::{Ref, low};
use crate::stack::Frame;
use crate::vm::Vm;

/// Goes on with a value, or leaves the handler with its trap.
macro_rules! get {
    ($value:expr) => {
        match $value {
            Ok(value) => value,
            Err(status) => return status,
        }
    };
}

/// How an operand is found.
#[allow(clippy::missing_safety_doc)]
pub(super) trait Source {
    /// That it has of its own.
    const WORDS: usize;

    /// The operand whose register is in lane `LANE` and whose words begin at `at`.
    unsafe fn get<const LANE: usize>(m: M, at: usize) -> Result<u64, Status>;
}

/// An operand in memory.
#[allow(clippy::missing_safety_doc)]
pub(super) trait Place: Source {
    unsafe fn find(m: M, at: usize) -> Result<*mut u64, Status>;
}

/// An element of a list that is known.
#[allow(clippy::missing_safety_doc)]
pub(super) trait Item: Source {
    /// Its index, which is below the size of the list.
    unsafe fn index(m: M, list: *mut u64, at: usize) -> Result<usize, Status>;
}

pub(super) enum Register {}
pub(super) enum Constant {}
pub(super) enum Field {}
pub(super) enum Element {}
/// An element whose index is a register and a constant.
pub(super) enum Shifted {}
pub(super) enum Nested {}
/// Both indices are registers and constants.
pub(super) enum ShiftedNested {}
pub(super) enum Bool {}

impl Source for Register {
    const WORDS: usize = 0;

    #[inline(always)]
    unsafe fn get<const LANE: usize>(m: M, _at: usize) -> Result<u64, Status> {
        // SAFETY: see `machine`.
        Ok(unsafe { m.bits::<LANE>() })
    }
}

impl Source for Constant {
    const WORDS: usize = 1;

    #[inline(always)]
    unsafe fn get<const LANE: usize>(m: M, at: usize) -> Result<u64, Status> {
        // SAFETY: see `machine`.
        Ok(unsafe { m.word(at) })
    }
}

/// A lane of a word.
#[inline(always)]
unsafe fn lane(m: M, at: usize, lane: usize) -> usize {
    // SAFETY: see `machine`.
    unsafe { *m.ip.add(at).cast::<u16>().add(lane) as usize }
}

/// The array of a list, where an index is below its size; traps are placed at word `at`.
#[inline(always)]
unsafe fn array(m: M, list: Ref, index: u64, at: usize) -> Result<*mut u64, Status> {
    // SAFETY: see `machine`.
    unsafe {
        let list = m.object(list);
        within(m, list, index, at)?;
        Ok(m.object(low(*list.add(2))).add(1))
    }
}

/// An index with the constant in word `at`, where its trap is placed too.
#[inline(always)]
unsafe fn shifted(m: M, index: u64, at: usize) -> Result<u64, Status> {
    // SAFETY: see `machine`.
    unsafe {
        let (a, b) = (index as i64, m.word(at) as i64);
        let (value, overflows) = a.overflowing_add(b);
        if overflows {
            return Err(overflow(m.ip.add(at), a, b, '+' as u64, m.vm));
        }
        Ok(value as u64)
    }
}

/// Places are read alike.
macro_rules! places {
    ($($name:ident $words:literal |$m:ident, $at:ident| $body:expr)*) => {$(
        impl Place for $name {
            #[inline(always)]
            unsafe fn find($m: M, $at: usize) -> Result<*mut u64, Status> {
                // SAFETY: see `machine`.
                unsafe { $body }
            }
        }

        impl Source for $name {
            const WORDS: usize = $words;

            #[inline(always)]
            unsafe fn get<const LANE: usize>(m: M, at: usize) -> Result<u64, Status> {
                // SAFETY: see `machine`.
                unsafe { Self::find(m, at).map(|place| *place) }
            }
        }
    )*};
}

places! {
    // Object, field.
    Field 1 |m, at| Ok(m.object(*m.r.add(lane(m, at, 0))).add(lane(m, at, 1)))
    // List, index.
    Element 1 |m, at| {
        let (list, index) = (*m.r.add(lane(m, at, 0)), *m.s.add(lane(m, at, 1)));
        Ok(array(m, list, index, at)?.add(index as usize))
    }
    // List, index; what is added to that.
    Shifted 2 |m, at| {
        let (list, index) = (*m.r.add(lane(m, at, 0)), *m.s.add(lane(m, at, 1)));
        let index = shifted(m, index, at + 1)?;
        Ok(array(m, list, index, at)?.add(index as usize))
    }
    // List, row; index.
    Nested 2 |m, at| {
        let (lists, row) = (*m.r.add(lane(m, at, 0)), *m.s.add(lane(m, at, 1)));
        let list = *array(m, lists, row, at)?.cast::<Ref>().add(row as usize);
        let index = *m.s.add(lane(m, at + 1, 0));
        Ok(array(m, list, index, at + 1)?.add(index as usize))
    }
    // List, row; what is added to that; index; what is added to that.
    ShiftedNested 4 |m, at| {
        let (lists, row) = (*m.r.add(lane(m, at, 0)), *m.s.add(lane(m, at, 1)));
        let row = shifted(m, row, at + 1)?;
        let list = *array(m, lists, row, at)?.cast::<Ref>().add(row as usize);
        let index = shifted(m, *m.s.add(lane(m, at + 2, 0)), at + 3)?;
        Ok(array(m, list, index, at + 2)?.add(index as usize))
    }
}

/// The index, where it is below the size of the list; traps are placed at word `at`.
#[inline(always)]
unsafe fn within(m: M, list: *mut u64, index: u64, at: usize) -> Result<usize, Status> {
    // SAFETY: see `machine`.
    unsafe {
        let size = u64::from(low(*list.add(1)));
        if index >= size {
            return Err(bad_index(m.ip.add(at), index as i64, size, 0, m.vm));
        }
        Ok(index as usize)
    }
}

impl Item for Element {
    #[inline(always)]
    unsafe fn index(m: M, list: *mut u64, at: usize) -> Result<usize, Status> {
        // SAFETY: see `machine`.
        unsafe { within(m, list, *m.s.add(lane(m, at, 1)), at) }
    }
}

impl Item for Shifted {
    #[inline(always)]
    unsafe fn index(m: M, list: *mut u64, at: usize) -> Result<usize, Status> {
        // SAFETY: see `machine`.
        unsafe { within(m, list, shifted(m, *m.s.add(lane(m, at, 1)), at + 1)?, at) }
    }
}

impl Source for Bool {
    const WORDS: usize = 1;

    #[inline(always)]
    unsafe fn get<const LANE: usize>(m: M, at: usize) -> Result<u64, Status> {
        // SAFETY: see `machine`.
        unsafe {
            let (list, index) = (*m.r.add(lane(m, at, 0)), *m.s.add(lane(m, at, 1)));
            Ok(u64::from(*array(m, list, index, at)?.cast::<u8>().add(index as usize)))
        }
    }
}

/// What is done with two operands; a trap is placed at the step's first word.
#[allow(clippy::missing_safety_doc)]
pub(super) trait Operation {
    unsafe fn apply(m: M, a: u64, b: u64) -> Result<u64, Status>;
}

macro_rules! operations {
    ($($name:ident $method:ident $sign:literal)* ; $($double:ident |$a:ident, $b:ident| $value:expr)*) => {
        $(
            pub(super) enum $name {}
            impl Operation for $name {
                #[inline(always)]
                unsafe fn apply(m: M, a: u64, b: u64) -> Result<u64, Status> {
                    let (value, overflows) = (a as i64).$method(b as i64);
                    if overflows {
                        // SAFETY: see `machine`.
                        return Err(unsafe { overflow(m.ip, a as i64, b as i64, $sign as u64, m.vm) });
                    }
                    Ok(value as u64)
                }
            }
        )*
        $(
            pub(super) enum $double {}
            impl Operation for $double {
                #[inline(always)]
                unsafe fn apply(_m: M, a: u64, b: u64) -> Result<u64, Status> {
                    let ($a, $b) = (f64::from_bits(a), f64::from_bits(b));
                    Ok(f64::to_bits($value))
                }
            }
        )*
    };
}

operations! {
    AddInt overflowing_add '+'
    SubInt overflowing_sub '-'
    MulInt overflowing_mul '*'
    ;
    AddDouble |a, b| a + b
    SubDouble |a, b| a - b
    MulDouble |a, b| a * b
    DivDouble |a, b| a / b
}

/// What a branch asks.
pub(super) trait Test {
    fn holds(a: u64, b: u64) -> bool;
}

macro_rules! tests {
    ($($name:ident |$a:ident, $b:ident| $condition:expr)*) => {$(
        pub(super) enum $name {}
        impl Test for $name {
            #[inline(always)]
            fn holds($a: u64, $b: u64) -> bool {
                $condition
            }
        }
    )*};
}

tests! {
    Eq |a, b| a == b
    Ne |a, b| a != b
    Lt |a, b| (a as i64) < b as i64
    Le |a, b| a as i64 <= b as i64
    LtDouble |a, b| f64::from_bits(a) < f64::from_bits(b)
    LeDouble |a, b| f64::from_bits(a) <= f64::from_bits(b)
    NotLtDouble |a, b| { let less = f64::from_bits(a) < f64::from_bits(b); !less }
    NotLeDouble |a, b| { let less = f64::from_bits(a) <= f64::from_bits(b); !less }
    Gt |a, b| Lt::holds(b, a)
    Ge |a, b| Le::holds(b, a)
    GtDouble |a, b| LtDouble::holds(b, a)
    GeDouble |a, b| LeDouble::holds(b, a)
    NotGtDouble |a, b| NotLtDouble::holds(b, a)
    NotGeDouble |a, b| NotLeDouble::holds(b, a)
    True |a, _b| a != 0
    False |a, _b| a == 0
}

/// The divisor of a remainder that a branch asks for: a register, or the upper half of word 2.
#[allow(clippy::missing_safety_doc)]
pub(super) trait Divisor {
    unsafe fn remainder(m: M, a: i64) -> Result<i64, Status>;
}

pub(super) enum ByRegister {}
pub(super) enum ByConstant {}
/// The constant is one less than the power of two to divide by.
pub(super) enum ByPower {}

impl Divisor for ByRegister {
    #[inline(always)]
    unsafe fn remainder(m: M, a: i64) -> Result<i64, Status> {
        // SAFETY: see `machine`.
        let b = unsafe { m.int::<1>() };
        if b == 0 {
            // SAFETY: as above.
            return Err(unsafe { by_zero(m.ip.add(2), a, '%' as u64, 0, m.vm) });
        }
        Ok(remainder(a, b))
    }
}

impl Divisor for ByConstant {
    #[inline(always)]
    unsafe fn remainder(m: M, a: i64) -> Result<i64, Status> {
        // SAFETY: see `machine`.
        Ok(remainder(a, unsafe { m.word(2) >> 32 } as i64))
    }
}

impl Divisor for ByPower {
    #[inline(always)]
    unsafe fn remainder(m: M, a: i64) -> Result<i64, Status> {
        // SAFETY: see `machine`.
        Ok(remainder_of_power(a, unsafe { m.word(2) >> 32 } as i64))
    }
}

/// `a % b` where `b` is not 0. Most numbers are small, and a short division is much faster than a long one.
#[inline(always)]
pub(super) fn remainder(a: i64, b: i64) -> i64 {
    if (a | b) as u64 >> 32 == 0 { i64::from(a as u32 % b as u32) } else { a.wrapping_rem(b) }
}

/// `a % b` where `b` is a power of two and `mask` one less.
#[inline(always)]
pub(super) fn remainder_of_power(a: i64, mask: i64) -> i64 {
    let towards_zero = a >> 63 & mask;
    a.wrapping_sub(a.wrapping_add(towards_zero) & !mask)
}

/// `a / 2^bits`, where there is at least one bit.
#[inline(always)]
pub(super) fn quotient_of_power(a: i64, bits: u32) -> i64 {
    let towards_zero = ((a >> 63) as u64 >> (64 - bits)) as i64;
    a.wrapping_add(towards_zero) >> bits
}

/// Goes to the distance in the first word where a condition holds; `BACK` is a place of interruption.
macro_rules! jump_if {
    ($m:ident, $back:ident, $condition:expr, $words:expr) => {
        if $condition {
            if $back {
                (*$m.vm).fuel -= 1;
                if (*$m.vm).fuel < 0 {
                    return slow::interrupt_jump($m.ip, $m.s, $m.r, $m.heap, $m.vm, $m.row);
                }
            }
            $m.jump()
        } else {
            $m.next($words)
        }
    };
}

handlers! {
    load [A: Source] |m| {
        let value = get!(A::get::<0>(m, 2));
        m.set_bits::<2>(value);
        m.next(2 + A::WORDS)
    }
    binary [O: Operation, A: Source, B: Source] |m| {
        let a = get!(A::get::<0>(m, 2));
        let b = get!(B::get::<1>(m, 2 + A::WORDS));
        let value = get!(O::apply(m, a, b));
        m.set_bits::<2>(value);
        m.next(2 + A::WORDS + B::WORDS)
    }
    branch [T: Test, A: Source, B: Source, const BACK: bool] |m| {
        let a = get!(A::get::<0>(m, 2));
        let b = get!(B::get::<1>(m, 2 + A::WORDS));
        jump_if!(m, BACK, T::holds(a, b), 2 + A::WORDS + B::WORDS)
    }
    // The product is rounded before the sum is.
    mul_add [O: Operation, A: Source, B: Source] |m| {
        let a = get!(A::get::<0>(m, 2));
        let b = get!(B::get::<1>(m, 2 + A::WORDS));
        let product = (f64::from_bits(a) * f64::from_bits(b)).to_bits();
        let value = get!(O::apply(m, m.bits::<2>(), product));
        m.set_bits::<3>(value);
        m.next(2 + A::WORDS + B::WORDS)
    }
    // A trap of the product is placed at the second word.
    mul_add_int [B: Source, C: Source] |m| {
        let a = m.int::<0>();
        let b = get!(B::get::<1>(m, 2)) as i64;
        let c = get!(C::get::<2>(m, 2 + B::WORDS)) as i64;
        let (product, overflows) = a.overflowing_mul(b);
        if overflows {
            return overflow(m.ip.add(1), a, b, '*' as u64, m.vm);
        }
        let (value, overflows) = product.overflowing_add(c);
        if overflows {
            return overflow(m.ip, product, c, '+' as u64, m.vm);
        }
        m.set_int::<3>(value);
        m.next(2 + B::WORDS + C::WORDS)
    }
    // The remainder that is asked for is the lower half of word 2, where traps are placed.
    if_rem [D: Divisor, const EQUAL: bool, const BACK: bool] |m| {
        let rest = get!(D::remainder(m, m.int::<0>()));
        let is_equal = rest == i64::from(m.word(2) as i32);
        jump_if!(m, BACK, is_equal == EQUAL, 3)
    }
    store [P: Place, V: Source] |m| {
        let value = get!(V::get::<0>(m, 2 + P::WORDS));
        *get!(P::find(m, 2)) = value;
        m.next(2 + P::WORDS + V::WORDS)
    }
    change [O: Operation, P: Place, B: Source] |m| {
        let place = get!(P::find(m, 2));
        let b = get!(B::get::<0>(m, 2 + P::WORDS));
        *place = get!(O::apply(m, *place, b));
        m.next(2 + P::WORDS + B::WORDS)
    }
    change_mul [O: Operation] |m| {
        let place = get!(Field::find(m, 2));
        let product = (m.double::<0>() * m.double::<1>()).to_bits();
        *place = get!(O::apply(m, *place, product));
        m.next(3)
    }
    // Of one list.
    swap [A: Item] |m| {
        let list = m.object(*m.r.add(lane(m, 2, 0)));
        let i = get!(A::index(m, list, 2));
        let j = get!(A::index(m, list, 2 + A::WORDS));
        let array = m.object(low(*list.add(2))).add(1);
        std::ptr::swap(array.add(i), array.add(j));
        m.next(2 + 2 * A::WORDS)
    }
    choose [T: Test] |m| {
        let (x, y) = (m.op::<2>(), m.op::<3>());
        let from = if T::holds(m.bits::<0>(), m.bits::<1>()) { x } else { y };
        *m.s.add(m.word(2) as usize) = *m.s.add(from);
        m.next(3)
    }
}
