//! The handlers of the internal code, but for calls (`calls`) and what is slow (`slow`).
//!
//! Each reads its operands from the words at `ip`: a handler's address, then four operands of 16 bits, of which
//! the upper two may be a number or a distance of 32 bits. See `emit` for what is where.

use super::machine::{M, Status};
use super::operands::{quotient_of_power, remainder_of_power};
use super::slow;
use crate::arithmetic::Operation;
use crate::heap::{Ref, high, low};
use crate::ops::double_to_int;
use crate::stack::Frame;
use crate::vm::Vm;
use dscript_bytecode::ids::TypeId;
use dscript_bytecode::trap::TrapKind;

/// Handlers: each body has the machine's registers under the given name. One that others go to where something is rare is
/// cold and never inlined, so that they need no registers for what it calls.
macro_rules! handlers {
    ($($(#[$attribute:meta])* $name:ident $([$($generics:tt)*])? |$m:ident| $body:expr)*) => {$(
        $(#[$attribute])*
        #[allow(unused_unsafe, clippy::missing_safety_doc)]
        pub(in crate::code) unsafe extern "C-unwind" fn $name $(<$($generics)*>)? (
            ip: *const u64,
            s: *mut u64,
            r: *mut Ref,
            heap: *mut u64,
            vm: *mut Vm,
            row: *mut Frame,
        ) -> Status {
            let $m = M { ip, s, r, heap, vm, row };
            // SAFETY: see `machine`.
            unsafe { $body }
        }
    )*};
}
pub(super) use handlers;

/// What a trap of arithmetic says; operands come as they are, in the registers of a handler's call.
#[cold]
#[inline(never)]
pub(super) unsafe extern "C-unwind" fn overflow(
    ip: *const u64,
    a: i64,
    b: i64,
    sign: u64,
    vm: *mut Vm,
) -> Status {
    let m = M { ip, vm, ..M::default() };
    // SAFETY: see `machine`.
    unsafe {
        let sign = sign as u8 as char;
        // A constant may have stood on the left, or been taken away.
        let (a, sign, b) = match (*vm).program.code(m.frame().function).form_at(ip) {
            super::Form::Written => (a, sign, b),
            super::Form::Swapped => (b, sign, a),
            super::Form::Negated => (a, '-', b.wrapping_neg()),
        };
        m.trap_of(Operation::Binary(a, sign, b), Operation::overflow)
    }
}

#[cold]
#[inline(never)]
pub(super) unsafe extern "C-unwind" fn by_zero(
    ip: *const u64,
    a: i64,
    sign: u64,
    _: u64,
    vm: *mut Vm,
) -> Status {
    let m = M { ip, vm, ..M::default() };
    // SAFETY: see `machine`.
    unsafe { m.trap_of(Operation::Binary(a, sign as u8 as char, 0), Operation::by_zero) }
}

#[cold]
#[inline(never)]
unsafe extern "C-unwind" fn bad_shift(ip: *const u64, by: i64, _: u64, _: u64, vm: *mut Vm) -> Status {
    let m = M { ip, vm, ..M::default() };
    // SAFETY: see `machine`.
    unsafe { m.trap(TrapKind::Shift, format!("a shift by {by} is outside 0..63")) }
}

#[cold]
#[inline(never)]
pub(super) unsafe extern "C-unwind" fn bad_index(
    ip: *const u64,
    index: i64,
    size: u64,
    _: u64,
    vm: *mut Vm,
) -> Status {
    let m = M { ip, vm, ..M::default() };
    // SAFETY: see `machine`.
    unsafe { m.trap(TrapKind::Index, format!("index {index}, size {size}")) }
}

/// Other traps, by number.
#[cold]
#[inline(never)]
unsafe extern "C-unwind" fn other(ip: *const u64, what: u64, bits: u64, _: u64, vm: *mut Vm) -> Status {
    let m = M { ip, vm, ..M::default() };
    let a = bits as i64;
    // SAFETY: see `machine`.
    unsafe {
        match what {
            NULL => m.trap(TrapKind::Internal, "null where the compiler had shown a value".into()),
            TYPE => {
                m.trap(TrapKind::Internal, "an object of another type than the compiler had shown".into())
            }
            CHANGED => {
                m.trap(TrapKind::Changed, "a collection was changed while a for-each walked it".into())
            }
            NEGATION => m.trap_of(Operation::Negation(a), Operation::overflow),
            _ => match double_to_int(f64::from_bits(bits)) {
                Ok(_) => Status::Again,
                Err(trap) => m.trap(trap.kind, trap.text),
            },
        }
    }
}

const NULL: u64 = 0;
const TYPE: u64 = 1;
const CHANGED: u64 = 2;
const NEGATION: u64 = 3;
const CAST: u64 = 4;

macro_rules! checked {
    ($m:ident, $a:expr, $b:expr, $method:ident, $sign:literal, $dst:literal, $words:literal) => {{
        let (a, b): (i64, i64) = ($a, $b);
        let (value, overflows) = a.$method(b);
        if overflows {
            return overflow($m.ip, a, b, $sign as u64, $m.vm);
        }
        $m.set_int::<$dst>(value);
        $m.next($words)
    }};
}

macro_rules! shift {
    ($m:ident, |$x:ident, $by:ident| $value:expr) => {{
        let ($x, by) = ($m.int::<0>(), $m.int::<1>());
        if by as u64 >= 64 {
            return bad_shift($m.ip, by, 0, 0, $m.vm);
        }
        let $by = by as u32;
        $m.set_int::<2>($value);
        $m.next(2)
    }};
}

macro_rules! set {
    ($m:ident, int $value:expr) => {{
        $m.set_int::<2>($value);
        $m.next(2)
    }};
    ($m:ident, double $value:expr) => {{
        $m.set_double::<2>($value);
        $m.next(2)
    }};
    ($m:ident, bool $value:expr) => {{
        $m.set_bits::<2>(u64::from($value));
        $m.next(2)
    }};
}

handlers! {
    mov_s |m| { m.set_bits::<1>(m.bits::<0>()); m.next(2) }
    mov_r |m| { m.set_ref::<1>(m.reference::<0>()); m.next(2) }
    load |m| { m.set_bits::<0>(m.word(2)); m.next(3) }
    load_small |m| { m.set_int::<0>(i64::from(m.upper())); m.next(2) }
    null |m| { m.set_ref::<0>(0); m.next(2) }
    constant |m| {
        let object = *(*m.vm).constants.as_ptr().add(m.upper() as usize);
        if object == 0 {
            return slow::constant(m.ip, m.s, m.r, m.heap, m.vm, m.row);
        }
        m.set_ref::<0>(object);
        m.next(3)
    }

    add |m| checked!(m, m.int::<0>(), m.int::<1>(), overflowing_add, '+', 2, 2)
    sub |m| checked!(m, m.int::<0>(), m.int::<1>(), overflowing_sub, '-', 2, 2)
    mul |m| checked!(m, m.int::<0>(), m.int::<1>(), overflowing_mul, '*', 2, 2)
    div |m| {
        let (a, b) = (m.int::<0>(), m.int::<1>());
        if b == 0 {
            return by_zero(m.ip, a, '/' as u64, 0, m.vm);
        }
        // Most numbers are small, and a short division is much faster than a long one.
        if (a | b) as u64 >> 32 == 0 {
            m.set_int::<2>(i64::from(a as u32 / b as u32));
            return m.next(2);
        }
        checked!(m, a, b, overflowing_div, '/', 2, 2)
    }
    rem |m| {
        let (a, b) = (m.int::<0>(), m.int::<1>());
        if b == 0 {
            return by_zero(m.ip, a, '%' as u64, 0, m.vm);
        }
        if (a | b) as u64 >> 32 == 0 {
            m.set_int::<2>(i64::from(a as u32 % b as u32));
            return m.next(2);
        }
        set!(m, int a.wrapping_rem(b))
    }
    neg |m| {
        let a = m.int::<0>();
        let (value, overflows) = a.overflowing_neg();
        if overflows {
            return other(m.ip, NEGATION, a as u64, 0, m.vm);
        }
        set!(m, int value)
    }
    and |m| set!(m, int m.int::<0>() & m.int::<1>())
    or |m| set!(m, int m.int::<0>() | m.int::<1>())
    xor |m| set!(m, int m.int::<0>() ^ m.int::<1>())
    not |m| set!(m, int !m.int::<0>())
    shl |m| shift!(m, |x, by| x << by)
    shr |m| shift!(m, |x, by| x >> by)
    ushr |m| shift!(m, |x, by| (x as u64 >> by) as i64)

    add_imm |m| checked!(m, m.int::<0>(), i64::from(m.upper()), overflowing_add, '+', 1, 2)
    mul_imm |m| checked!(m, m.int::<0>(), i64::from(m.upper()), overflowing_mul, '*', 1, 2)
    and_imm |m| { m.set_int::<1>(m.int::<0>() & i64::from(m.upper())); m.next(2) }
    shl_imm |m| { m.set_int::<1>(m.int::<0>() << (m.upper() & 63)); m.next(2) }
    shr_imm |m| { m.set_int::<1>(m.int::<0>() >> (m.upper() & 63)); m.next(2) }
    ushr_imm |m| { m.set_int::<1>((m.bits::<0>() >> (m.upper() & 63)) as i64); m.next(2) }
    div_imm |m| {
        let (a, b) = (m.int::<0>(), m.upper() as u32);
        if a as u64 >> 32 == 0 {
            m.set_int::<1>(i64::from(a as u32 / b));
        } else {
            m.set_int::<1>(a.wrapping_div(i64::from(b)));
        }
        m.next(2)
    }
    rem_imm |m| {
        let (a, b) = (m.int::<0>(), m.upper() as u32);
        if a as u64 >> 32 == 0 {
            m.set_int::<1>(i64::from(a as u32 % b));
        } else {
            m.set_int::<1>(a.wrapping_rem(i64::from(b)));
        }
        m.next(2)
    }
    // By a power of two: word 2 is one less.
    rem_power |m| { m.set_int::<1>(remainder_of_power(m.int::<0>(), m.word(2) as i64)); m.next(3) }
    // By 2 to the power of the number.
    div_power |m| { m.set_int::<1>(quotient_of_power(m.int::<0>(), m.upper() as u32 & 63)); m.next(2) }
    add_k |m| checked!(m, m.int::<0>(), m.word(2) as i64, overflowing_add, '+', 1, 3)
    mul_k |m| checked!(m, m.int::<0>(), m.word(2) as i64, overflowing_mul, '*', 1, 3)
    and_k |m| { m.set_int::<1>(m.int::<0>() & m.word(2) as i64); m.next(3) }
    div_k |m| { m.set_int::<1>(m.int::<0>().wrapping_div(m.word(2) as i64)); m.next(3) }
    rem_k |m| { m.set_int::<1>(m.int::<0>().wrapping_rem(m.word(2) as i64)); m.next(3) }
    half |m| { m.set_int::<1>(m.int::<0>() / 2); m.next(2) }

    add_d |m| set!(m, double m.double::<0>() + m.double::<1>())
    sub_d |m| set!(m, double m.double::<0>() - m.double::<1>())
    mul_d |m| set!(m, double m.double::<0>() * m.double::<1>())
    div_d |m| set!(m, double m.double::<0>() / m.double::<1>())
    neg_d |m| set!(m, double -m.double::<0>())
    to_double |m| set!(m, double m.int::<0>() as f64)
    to_int |m| {
        let a = m.double::<0>();
        // As `double_to_int`, which then says what is wrong.
        if a >= i64::MIN as f64 && a < -(i64::MIN as f64) {
            set!(m, int a as i64)
        } else {
            other(m.ip, CAST, a.to_bits(), 0, m.vm)
        }
    }
    sqrt |m| set!(m, double m.double::<0>().sqrt())
    add_dk |m| { m.set_double::<1>(m.double::<0>() + f64::from_bits(m.word(2))); m.next(3) }
    sub_dk |m| { m.set_double::<1>(m.double::<0>() - f64::from_bits(m.word(2))); m.next(3) }
    sub_kd |m| { m.set_double::<1>(f64::from_bits(m.word(2)) - m.double::<0>()); m.next(3) }
    mul_dk |m| { m.set_double::<1>(m.double::<0>() * f64::from_bits(m.word(2))); m.next(3) }
    div_dk |m| { m.set_double::<1>(m.double::<0>() / f64::from_bits(m.word(2))); m.next(3) }
    div_kd |m| { m.set_double::<1>(f64::from_bits(m.word(2)) / m.double::<0>()); m.next(3) }

    eq_i |m| set!(m, bool m.int::<0>() == m.int::<1>())
    lt_i |m| set!(m, bool m.int::<0>() < m.int::<1>())
    le_i |m| set!(m, bool m.int::<0>() <= m.int::<1>())
    eq_d |m| set!(m, bool m.double::<0>() == m.double::<1>())
    lt_d |m| set!(m, bool m.double::<0>() < m.double::<1>())
    le_d |m| set!(m, bool m.double::<0>() <= m.double::<1>())
    eq_b |m| set!(m, bool (m.bits::<0>() != 0) == (m.bits::<1>() != 0))
    not_b |m| set!(m, bool m.bits::<0>() == 0)
    same |m| set!(m, bool m.reference::<0>() == m.reference::<1>())
    is_null |m| set!(m, bool m.reference::<0>() == 0)
    eq_value |m| {
        let (a, b) = (m.reference::<0>(), m.reference::<1>());
        if a == b || a == 0 || b == 0 {
            m.set_bits::<2>(u64::from(a == b));
            return m.next(4);
        }
        slow::eq_value(m.ip, m.s, m.r, m.heap, m.vm, m.row)
    }

    jump |m| m.jump()
    jump_back |m| {
        (*m.vm).fuel -= 1;
        if (*m.vm).fuel < 0 {
            return slow::interrupt_jump(m.ip, m.s, m.r, m.heap, m.vm, m.row);
        }
        m.jump()
    }
    switch |m| {
        let place = m.int::<0>().wrapping_sub(m.word(2) as i64) as u64;
        (*m.vm).fuel -= 1;
        if (*m.vm).fuel < 0 {
            return slow::interrupt_switch(m.ip, m.s, m.r, m.heap, m.vm, m.row);
        }
        let count = m.upper() as u64;
        // The last of the distances is that of the default.
        let distance = *m.ip.add(3).cast::<i32>().add(place.min(count) as usize);
        let mut m = m;
        m.ip = m.ip.offset(distance as isize);
        super::machine::go(m)
    }

    get_s |m| { m.set_bits::<2>(*m.object(m.reference::<0>()).add(m.op::<1>())); m.next(2) }
    set_s |m| { *m.object(m.reference::<0>()).add(m.op::<1>()) = m.bits::<2>(); m.next(2) }
    // The operand counts halves of words from the header.
    get_r |m| {
        let value = *m.object(m.reference::<0>()).cast::<Ref>().add(m.op::<1>());
        m.set_ref::<2>(value);
        m.next(2)
    }
    set_r |m| {
        let (object, value) = (m.reference::<0>(), m.reference::<2>());
        let before = m.object(object).cast::<Ref>().add(m.op::<1>()).replace(value);
        let young = (*m.vm).heap.young;
        if value as usize >= young && (object as usize) < young && (before as usize) < young {
            return slow::remember_field(m.ip, m.s, m.r, m.heap, m.vm, m.row);
        }
        m.next(2)
    }
    unwrap |m| {
        let object = m.reference::<0>();
        if object == 0 {
            return other(m.ip, NULL, 0, 0, m.vm);
        }
        m.set_ref::<1>(object);
        m.next(2)
    }
    // A type that no other type is an instance of.
    is_exactly |m| {
        let object = m.reference::<0>();
        let is = object != 0 && low(*m.object(object)) == m.upper() as u32;
        m.set_bits::<1>(u64::from(is));
        m.next(2)
    }
    is_instance |m| {
        let object = m.reference::<0>();
        let ty = TypeId(m.upper() as u32);
        let is = object != 0 && (*m.vm).program.is_instance(low(*m.object(object)), ty);
        m.set_bits::<1>(u64::from(is));
        m.next(2)
    }
    narrow_exactly |m| {
        let object = m.reference::<0>();
        if object == 0 || low(*m.object(object)) != m.upper() as u32 {
            return other(m.ip, TYPE, 0, 0, m.vm);
        }
        m.set_ref::<1>(object);
        m.next(2)
    }
    narrow |m| {
        let object = m.reference::<0>();
        let ty = TypeId(m.upper() as u32);
        if object == 0 || !(*m.vm).program.is_instance(low(*m.object(object)), ty) {
            return other(m.ip, TYPE, 0, 0, m.vm);
        }
        m.set_ref::<1>(object);
        m.next(2)
    }

    list_size |m| {
        m.set_bits::<2>(u64::from(low(*m.object(m.reference::<0>()).add(1))));
        m.next(2)
    }
    version |m| {
        m.set_bits::<2>(u64::from(high(*m.object(m.reference::<0>()).add(1))));
        m.next(2)
    }
    check_version |m| {
        if u64::from(high(*m.object(m.reference::<0>()).add(1))) != m.bits::<1>() {
            return other(m.ip, CHANGED, 0, 0, m.vm);
        }
        m.next(2)
    }
}

/// The elements of the list in operand 0, where the index in operand 1 is below its size.
macro_rules! element {
    ($m:ident) => {{
        let list = $m.object($m.reference::<0>());
        let (index, size) = ($m.bits::<1>(), u64::from(low(*list.add(1))));
        if index >= size {
            return bad_index($m.ip, index as i64, size, 0, $m.vm);
        }
        ($m.object(low(*list.add(2))).add(1), index as usize)
    }};
}

macro_rules! append {
    ($m:ident, $type:ty, $value:expr) => {{
        let list = $m.object($m.reference::<0>());
        let (head, array) = (*list.add(1), low(*list.add(2)));
        let size = low(head);
        // Null has no room.
        if size >= high(*$m.object(array)) {
            return slow::instruction($m.ip, $m.s, $m.r, $m.heap, $m.vm, $m.row);
        }
        *$m.object(array).add(1).cast::<$type>().add(size as usize) = $value as $type;
        // One more element, one more change; the size stays below the array's length.
        *list.add(1) = head.wrapping_add(1 | 1 << 32);
        array
    }};
}

handlers! {
    list_get_s |m| { let (array, index) = element!(m); m.set_bits::<2>(*array.add(index)); m.next(2) }
    list_get_b |m| {
        let (array, index) = element!(m);
        m.set_bits::<2>(u64::from(*array.cast::<u8>().add(index)));
        m.next(2)
    }
    list_get_r |m| {
        let (array, index) = element!(m);
        m.set_ref::<2>(*array.cast::<Ref>().add(index));
        m.next(2)
    }
    list_set_s |m| { let (array, index) = element!(m); *array.add(index) = m.bits::<2>(); m.next(2) }
    list_set_b |m| {
        let (array, index) = element!(m);
        *array.cast::<u8>().add(index) = m.bits::<2>() as u8;
        m.next(2)
    }
    list_set_b_imm |m| {
        let (array, index) = element!(m);
        *array.cast::<u8>().add(index) = m.op::<2>() as u8;
        m.next(2)
    }
    list_set_r |m| {
        let (array, index) = element!(m);
        let value = m.reference::<2>();
        let before = array.cast::<Ref>().add(index).replace(value);
        let (young, at) = ((*m.vm).heap.young, array.offset_from(m.heap) as usize);
        if value as usize >= young && at < young && (before as usize) < young {
            return slow::remember_element(m.ip, m.s, m.r, m.heap, m.vm, m.row);
        }
        m.next(2)
    }
    list_add_s |m| { append!(m, u64, m.bits::<1>()); m.next(3) }
    list_add_b |m| { append!(m, u8, m.bits::<1>()); m.next(3) }
    list_add_r |m| {
        let value = m.reference::<1>();
        let array = append!(m, Ref, value);
        let young = (*m.vm).heap.young;
        if value as usize >= young && (array as usize) < young {
            return slow::remember_last(m.ip, m.s, m.r, m.heap, m.vm, m.row);
        }
        m.next(3)
    }

    // A struct of `word(2)` scalars and references, whose registers follow.
    new |m| {
        let vm = &mut *m.vm;
        let (words, scalars, refs) = (m.op::<1>(), m.op::<2>(), m.op::<3>());
        let at = vm.heap.next;
        if words > vm.heap.end.saturating_sub(at) {
            return slow::new(m.ip, m.s, m.r, m.heap, m.vm, m.row);
        }
        vm.heap.next = at + words;
        let object = m.heap.add(at);
        *object = m.word(2);
        let regs = m.ip.add(3).cast::<u16>();
        for i in 0..scalars {
            *object.add(1 + i) = *m.s.add(*regs.add(i) as usize);
        }
        let slots = object.add(1 + scalars).cast::<Ref>();
        for i in 0..refs {
            *slots.add(i) = *m.r.add(*regs.add(scalars + i) as usize);
        }
        if refs % 2 == 1 {
            *slots.add(refs) = 0;
        }
        m.set_ref::<0>(at as Ref);
        m.next(3 + (scalars + refs).div_ceil(4))
    }
}

/// Jumps on a condition, forwards and back; going back is a place of interruption.
macro_rules! branches {
    ($($forward:ident $back:ident |$m:ident| $condition:expr;)*) => {
        handlers! {$(
            $forward |$m| if $condition { $m.jump() } else { $m.next(2) }
            $back |$m| {
                if $condition {
                    (*$m.vm).fuel -= 1;
                    if (*$m.vm).fuel < 0 {
                        return slow::interrupt_jump($m.ip, $m.s, $m.r, $m.heap, $m.vm, $m.row);
                    }
                    $m.jump()
                } else {
                    $m.next(2)
                }
            }
        )*}
    };
}

branches! {
    if_true if_true_back |m| m.bits::<0>() != 0;
    if_false if_false_back |m| m.bits::<0>() == 0;
    if_eq if_eq_back |m| m.int::<0>() == m.int::<1>();
    if_ne if_ne_back |m| m.int::<0>() != m.int::<1>();
    if_lt if_lt_back |m| m.int::<0>() < m.int::<1>();
    if_le if_le_back |m| m.int::<0>() <= m.int::<1>();
    if_eq_imm if_eq_imm_back |m| m.int::<0>() == i64::from(m.op::<1>() as i16);
    if_ne_imm if_ne_imm_back |m| m.int::<0>() != i64::from(m.op::<1>() as i16);
    if_lt_imm if_lt_imm_back |m| m.int::<0>() < i64::from(m.op::<1>() as i16);
    if_ge_imm if_ge_imm_back |m| m.int::<0>() >= i64::from(m.op::<1>() as i16);
    if_eq_d if_eq_d_back |m| m.double::<0>() == m.double::<1>();
    if_ne_d if_ne_d_back |m| m.double::<0>() != m.double::<1>();
    if_lt_d if_lt_d_back |m| m.double::<0>() < m.double::<1>();
    if_le_d if_le_d_back |m| m.double::<0>() <= m.double::<1>();
    if_nlt_d if_nlt_d_back |m| { let less = m.double::<0>() < m.double::<1>(); !less };
    if_nle_d if_nle_d_back |m| { let less = m.double::<0>() <= m.double::<1>(); !less };
    if_null if_null_back |m| m.reference::<0>() == 0;
    if_some if_some_back |m| m.reference::<0>() != 0;
}

/// Counted loops: add a step, which is said of `m`, to a register, compare it, go back.
macro_rules! loops {
    ($step:expr; $($name:ident |$m:ident, $i:ident| $condition:expr;)*) => {
        handlers! {$(
            $name |$m| {
                let (a, b) = ($m.int::<0>(), $step);
                let ($i, overflows) = a.overflowing_add(b);
                if overflows {
                    // Not `a`, so that nothing needs it any more.
                    return overflow($m.ip, $i.wrapping_sub(b), b, '+' as u64, $m.vm);
                }
                $m.set_int::<0>($i);
                if $condition {
                    (*$m.vm).fuel -= 1;
                    if (*$m.vm).fuel < 0 {
                        return slow::interrupt_jump($m.ip, $m.s, $m.r, $m.heap, $m.vm, $m.row);
                    }
                    $m.jump()
                } else {
                    $m.next(3)
                }
            }
        )*}
    };
}

loops! {
    m.word(2) as i32 as i64;
    loop_lt |m, i| i < m.int::<1>();
    loop_le |m, i| i <= m.int::<1>();
    loop_lt_imm |m, i| i < i64::from(m.op::<1>() as i16);
    // The bound is the size of a list, which goes to a register too.
    loop_list |m, i| {
        let size = u64::from(low(*m.object(m.reference::<1>()).add(1)));
        *m.s.add(*m.ip.add(2).cast::<u16>().add(2) as usize) = size;
        i < size as i64
    };
    loop_list_le |m, i| {
        let size = u64::from(low(*m.object(m.reference::<1>()).add(1)));
        *m.s.add(*m.ip.add(2).cast::<u16>().add(2) as usize) = size;
        i <= size as i64
    };
    loop_gt |m, i| i > m.int::<1>();
    loop_ge |m, i| i >= m.int::<1>();
    loop_ge_imm |m, i| i >= i64::from(m.op::<1>() as i16);
}

// Of these the step is a register.
loops! {
    *m.s.add(m.word(2) as usize) as i64;
    step_lt |m, i| i < m.int::<1>();
    step_le |m, i| i <= m.int::<1>();
}

handlers! {
    // The end of a round over a list: word 2 names the registers of the version it had and of its size. A trap of the sum
    // is placed there.
    loop_each |m| {
        let state = *m.object(m.reference::<1>()).add(1);
        let registers = m.ip.add(2).cast::<u16>();
        if u64::from(high(state)) != *m.s.add(*registers as usize) {
            return other(m.ip, CHANGED, 0, 0, m.vm);
        }
        let (i, overflows) = m.int::<0>().overflowing_add(1);
        if overflows {
            return overflow(m.ip.add(2), i.wrapping_sub(1), 1, '+' as u64, m.vm);
        }
        m.set_int::<0>(i);
        *m.s.add(*registers.add(1) as usize) = u64::from(low(state));
        if i < i64::from(low(state)) {
            (*m.vm).fuel -= 1;
            if (*m.vm).fuel < 0 {
                return slow::interrupt_jump(m.ip, m.s, m.r, m.heap, m.vm, m.row);
            }
            m.jump()
        } else {
            m.next(3)
        }
    }
}
