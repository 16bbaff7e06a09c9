//! Handlers of what allocates, waits or is rare: they bring the frame up to date, let the state do the work, and load
//! windows and heap anew.

use super::PureStep;
use super::handlers::handlers;
use super::machine::{M, Status, go, outlined};
use crate::door::Met;
use crate::fiber::Exit;
use crate::heap::{Ref, SLICE, STRING, high, low};
use crate::native::{PureCall, Trapped};
use crate::quick::{pair_get as pair_get_at, pair_put as pair_put_at};
use crate::stack::Frame;
use crate::vm::{Vm, trapped};
use dscript_bytecode::ids::{ConstId, TypeId};
use dscript_bytecode::instr::Instr;
use dscript_bytecode::trap::TrapKind;

/// The instruction that stands in word 2.
#[inline(always)]
unsafe fn instr(m: M) -> &'static Instr {
    // SAFETY: the code keeps the instructions that its words point to.
    unsafe { &*(m.word(2) as *const Instr) }
}

fn misplaced() -> Exit {
    trapped(TrapKind::Internal, "a handler stands before an instruction of another kind").into()
}

/// A trap of the instruction at `ip`, in the innermost frame. The place is noted only now: finding it takes longer than most
/// instructions.
#[cold]
#[inline(never)]
unsafe fn trapped_here(m: M, trap: Trapped) -> Exit {
    // SAFETY: see `machine`.
    unsafe { m.note_place() };
    Exit::Trap(trap)
}

outlined! {
    // What is wanted at a place of interruption, where the fiber goes on at `ip`.
    ask |m| {
        m.note_place();
        m.frame().ip = m.ip;
        m.running().interrupted()
    }

    make_constant |m| {
        let made = (*m.vm).constant(ConstId(m.upper() as u32));
        made.map(|_| ()).map_err(|trap| trapped_here(m, trap))
    }

    make_object |m| {
        let (words, scalars, refs) = (m.op::<1>(), m.op::<2>(), m.op::<3>());
        (*m.vm).reserve(words).map_err(|trap| trapped_here(m, trap)).map(|()| {
            let heap = &mut (*m.vm).heap;
            let object = heap.allocate(m.word(2) as u32, 0, words);
            let regs = m.ip.add(3).cast::<u16>();
            for i in 0..scalars {
                heap.set_word(object, 1 + i, *m.s.add(*regs.add(i) as usize));
            }
            for i in 0..refs {
                heap.set_ref_at(object, 1 + scalars, i, *m.r.add(*regs.add(scalars + i) as usize));
            }
            m.set_ref::<0>(object);
        })
    }

    compare |m| {
        let (a, b) = (m.reference::<0>(), m.reference::<1>());
        let equal = (*m.vm).equal_refs(TypeId(m.word(2) as u32), a, b);
        equal.map(|equal| m.set_bits::<2>(u64::from(equal))).map_err(|trap| trapped_here(m, trap))
    }

    do_slowly |m| {
        let instr = instr(m);
        // A text may be made by functions of the program, which see the place when they run.
        if matches!(instr, Instr::TextRef { .. }) {
            m.note_place();
        }
        m.running().do_slowly(instr).map_err(|exit| match exit {
            Exit::Trap(trap) if !matches!(instr, Instr::TextRef { .. }) => trapped_here(m, trap),
            exit => exit,
        })
    }

    call_pure |m| {
        m.frame().pc = m.upper() as u32;
        // The code keeps what its words point to, and the program its natives.
        let PureStep { body, native, args, results } = &*(m.word(2) as *const PureStep);
        let vm = &mut *m.vm;
        let linked = &*(*std::sync::Arc::as_ptr(&vm.program)).natives.as_ptr().add(native.index());
        body(&mut PureCall { vm, linked, args, results }).map_err(Exit::Trap)
    }

    call_outside |m| {
        m.frame().pc = m.upper() as u32;
        let program = std::sync::Arc::as_ptr(&(*m.vm).program);
        match instr(m) {
            Instr::CallNative { native, args, results } => {
                let linked = &(&(*program).natives)[native.index()];
                m.running().call_outside(linked, args, results)
            }
            _ => Err(misplaced()),
        }
    }

    leave_region |m| {
        m.note_place();
        m.running().end_region()
    }
}

/// Tells an engine where the fiber is; native code that goes on at the head of a loop, or 0.
#[inline(never)]
unsafe fn sample(ip: *const u64, vm: *mut Vm, head: bool) -> usize {
    let m = M { ip, vm, ..M::default() };
    // SAFETY: see `machine`.
    unsafe {
        let frame = m.frame();
        let code = (*vm).program.code(frame.function);
        let (place, met) = match head {
            true => (code.head_at(ip), Met::Jump),
            false => (Some(code.origin(code.pc_of(ip)).pc), Met::Call),
        };
        place.map_or(0, |pc| m.running().sample(pc, met))
    }
}

/// Whether a region was entered, rather than its limit being past already.
#[inline(never)]
unsafe fn enter_region(ip: *const u64, limit: i64, vm: *mut Vm) -> bool {
    let m = M { ip, vm, ..M::default() };
    // SAFETY: see `machine`.
    unsafe {
        m.note_place();
        match instr(m) {
            Instr::LimitEnter { to, .. } => m.running().enter_region(limit, *to).is_some(),
            _ => false,
        }
    }
}

/// Goes on after `words` words where an outlined function did well.
macro_rules! after {
    ($m:ident, $name:ident, $words:expr) => {
        if $name($m.ip, $m.s, $m.r, $m.heap, $m.vm) { $m.reload().next($words) } else { Status::Exit }
    };
}

macro_rules! spend {
    ($m:ident) => {
        (*$m.vm).fuel -= 1;
        if (*$m.vm).fuel < 0 {
            return interrupt_call($m.ip, $m.s, $m.r, $m.heap, $m.vm, $m.row);
        }
    };
}

handlers! {
    // The counter of interruptions ran out at a jump back.
    #[cold]
    #[inline(never)]
    interrupt_jump |m| interrupt_head(m.ip.offset(m.upper() as isize), m.s, m.r, m.heap, m.vm, m.row)
    #[cold]
    #[inline(never)]
    interrupt_switch |m| {
        let place = m.int::<0>().wrapping_sub(m.word(2) as i64) as u64;
        let distance = *m.ip.add(3).cast::<i32>().add(place.min(m.upper() as u64) as usize);
        interrupt_head(m.ip.offset(distance as isize), m.s, m.r, m.heap, m.vm, m.row)
    }
    // At a head, where native code may go on.
    #[cold]
    #[inline(never)]
    interrupt_head |m| {
        if !ask(m.ip, m.s, m.r, m.heap, m.vm) {
            return Status::Exit;
        }
        match sample(m.ip, m.vm, true) {
            0 => go(m.reload()),
            entry => super::calls::run_native(m.vm, entry, m.ip),
        }
    }
    // At a call, which is then done: it takes one off the counter again, and must not come back here for that.
    #[cold]
    #[inline(never)]
    interrupt_call |m| {
        if !ask(m.ip, m.s, m.r, m.heap, m.vm) {
            return Status::Exit;
        }
        sample(m.ip, m.vm, false);
        (*m.vm).grant_one();
        go(m.reload())
    }

    #[cold]
    #[inline(never)]
    constant |m| {
        if make_constant(m.ip, m.s, m.r, m.heap, m.vm) { go(m.reload()) } else { Status::Exit }
    }
    #[cold]
    #[inline(never)]
    new |m| after!(m, make_object, 3 + (m.op::<2>() + m.op::<3>()).div_ceil(4))
    #[cold]
    #[inline(never)]
    eq_value |m| {
        let (a, b) = (m.reference::<0>(), m.reference::<1>());
        let heap = &(*m.vm).heap;
        if heap.is_string(a) {
            m.set_bits::<2>(u64::from(heap.same_text(a, b)));
            return m.next(4);
        }
        after!(m, compare, 4)
    }
    // An old object has got a reference to a young one: in a field, in a list, at the end of one.
    #[cold]
    #[inline(never)]
    remember_field |m| {
        (*m.vm).heap.remember(2 * m.reference::<0>() as usize + m.op::<1>());
        m.next(2)
    }
    #[cold]
    #[inline(never)]
    remember_element |m| {
        let array = low(*m.object(m.reference::<0>()).add(2)) as usize;
        (*m.vm).heap.remember(2 * (array + 1) + m.bits::<1>() as usize);
        m.next(2)
    }
    #[cold]
    #[inline(never)]
    remember_last |m| {
        let list = m.object(m.reference::<0>());
        (*m.vm).heap.remember(2 * (low(*list.add(2)) as usize + 1) + low(*list.add(1)) as usize - 1);
        m.next(3)
    }
    // Whatever has no handler of its own.
    #[cold]
    #[inline(never)]
    instruction |m| after!(m, do_slowly, 3)

    // Word 3 is for the natives below, which have registers there and fall back to this.
    #[cold]
    #[inline(never)]
    native_pure |m| {
        spend!(m);
        if !call_pure(m.ip, m.s, m.r, m.heap, m.vm) {
            return Status::Exit;
        }
        let mut m = m;
        m.heap = (*m.vm).heap.base;
        m.next(4)
    }
    native_outside |m| {
        spend!(m);
        after!(m, call_outside, 4)
    }

    limit_enter |m| if enter_region(m.ip, m.int::<0>(), m.vm) { m.next(3) } else { m.jump() }
    limit_leave |m| after!(m, leave_region, 2)
}

/// Natives that are done at once where nothing is unusual: their registers stand in word 3.
macro_rules! quick {
    ($($name:ident |$m:ident, $quick:ident| $body:expr)*) => {
        handlers! {$(
            $name |$m| {
                let $quick = M { ip: $m.ip.add(2), ..$m };
                let done: bool = $body;
                if done { $m.next(4) } else { native_pure($m.ip, $m.s, $m.r, $m.heap, $m.vm, $m.row) }
            }
        )*}
    };
}

quick! {
    string_length |m, quick| {
        quick.set_bits::<2>(u64::from(low(*m.object(quick.reference::<0>()).add(1))));
        true
    }
    char_at |m, quick| {
        let string = m.object(quick.reference::<0>());
        let (head, points, index) = (*string, low(*string.add(1)), quick.bits::<1>());
        // One byte a code point, and the bytes lie in the object.
        let is_quick = low(head) == STRING && high(head) == points && index < u64::from(points);
        if is_quick {
            quick.set_bits::<2>(u64::from(*string.add(2).cast::<u8>().add(index as usize)));
        } else if low(head) == SLICE && high(head) == points && index < u64::from(points) {
            let bytes = m.object(low(*string.add(2))).add(2).cast::<u8>();
            quick.set_bits::<2>(u64::from(*bytes.add(*string.add(3) as usize + index as usize)));
            return m.next(4);
        }
        is_quick
    }

    bytes_length |m, quick| {
        quick.set_bits::<2>(u64::from(high(*m.object(quick.reference::<0>()))));
        true
    }
    bytes_get |m, quick| {
        let bytes = m.object(quick.reference::<0>());
        let index = quick.bits::<1>();
        let is_inside = index < u64::from(high(*bytes));
        if is_inside {
            quick.set_bits::<2>(u64::from(*bytes.add(1).cast::<u8>().add(index as usize)));
        }
        is_inside
    }
    remove_at_bits |m, quick| {
        let value = (*m.vm).list_remove_now(quick.reference::<0>(), quick.int::<1>());
        if let Some(value) = value {
            quick.set_bits::<2>(value);
        }
        value.is_some()
    }
    remove_at_ref |m, quick| {
        let value = (*m.vm).list_remove_now(quick.reference::<0>(), quick.int::<1>());
        if let Some(value) = value {
            quick.set_ref::<2>(value as Ref);
        }
        value.is_some()
    }

    compare_texts |m, quick| {
        let order = (*m.vm).heap.compare_text(quick.reference::<0>(), quick.reference::<1>());
        quick.set_int::<2>(order as i64);
        true
    }

    is_empty |m, quick| {
        quick.set_bits::<2>(u64::from(high(*m.object(quick.reference::<0>())) == 0));
        true
    }
    starts_with |m, quick| {
        let yes = (*m.vm).starts_with(quick.reference::<0>(), quick.reference::<1>());
        quick.set_bits::<2>(u64::from(yes));
        true
    }
    ends_with |m, quick| {
        let yes = (*m.vm).ends_with(quick.reference::<0>(), quick.reference::<1>());
        quick.set_bits::<2>(u64::from(yes));
        true
    }
    contains |m, quick| {
        let found = (*m.vm).contains_now(quick.reference::<0>(), quick.reference::<1>());
        quick.set_bits::<2>(u64::from(found.unwrap_or_default()));
        found.is_some()
    }
    parse_int |m, quick| {
        let value = (*m.vm).parse_int_now(quick.reference::<0>(), quick.int::<1>());
        if let Some(value) = value {
            quick.set_bits::<2>(1);
            quick.set_bits::<3>(value);
        }
        value.is_some()
    }

    pair_get |m, quick| {
        let value = pair_get_at(m.heap, quick.reference::<0>(), quick.bits::<1>());
        quick.set_bits::<2>(u64::from(value.is_some()));
        quick.set_bits::<3>(value.unwrap_or_default());
        true
    }
    pair_contains |m, quick| {
        let value = pair_get_at(m.heap, quick.reference::<0>(), quick.bits::<1>());
        quick.set_bits::<2>(u64::from(value.is_some()));
        true
    }
    pair_put |m, quick| {
        pair_put_at(m.heap, quick.reference::<0>(), quick.bits::<1>(), quick.bits::<2>()).is_some()
    }
    map_get_bits |m, quick| {
        get(m.vm, quick, quick.bits::<1>())
    }
    map_get_text |m, quick| {
        get(m.vm, quick, quick.reference::<1>().into())
    }
    map_get_bits_ref |m, quick| {
        let value = (*m.vm).map_get(quick.reference::<0>(), quick.bits::<1>());
        quick.set_ref::<2>(value.unwrap_or_default() as Ref);
        true
    }
    map_get_text_ref |m, quick| {
        let value = (*m.vm).map_get(quick.reference::<0>(), quick.reference::<1>().into());
        quick.set_ref::<2>(value.unwrap_or_default() as Ref);
        true
    }
    map_contains_bits |m, quick| {
        let found = (*m.vm).map_has(quick.reference::<0>(), quick.bits::<1>());
        quick.set_bits::<2>(u64::from(found));
        true
    }
    map_contains_text |m, quick| {
        let found = (*m.vm).map_has(quick.reference::<0>(), quick.reference::<1>().into());
        quick.set_bits::<2>(u64::from(found));
        true
    }
    map_put_bits |m, quick| {
        (*m.vm).map_put_now(quick.reference::<0>(), quick.bits::<1>(), quick.bits::<2>()).is_some()
    }
    map_put_text |m, quick| {
        (*m.vm).map_put_now(quick.reference::<0>(), quick.reference::<1>().into(), quick.bits::<2>()).is_some()
    }
    map_put_bits_ref |m, quick| {
        let value = quick.reference::<2>().into();
        (*m.vm).map_put_now(quick.reference::<0>(), quick.bits::<1>(), value).is_some()
    }
    map_put_text_ref |m, quick| {
        let value = quick.reference::<2>().into();
        (*m.vm).map_put_now(quick.reference::<0>(), quick.reference::<1>().into(), value).is_some()
    }
    set_add_bits |m, quick| {
        let is_new = (*m.vm).map_put_now(quick.reference::<0>(), quick.bits::<1>(), 0);
        quick.set_bits::<2>(u64::from(is_new.unwrap_or_default()));
        is_new.is_some()
    }
    set_add_text |m, quick| {
        let is_new = (*m.vm).map_put_now(quick.reference::<0>(), quick.reference::<1>().into(), 0);
        quick.set_bits::<2>(u64::from(is_new.unwrap_or_default()));
        is_new.is_some()
    }
    map_size |m, quick| {
        quick.set_bits::<2>(u64::from(low(*m.object(quick.reference::<0>()).add(1))));
        true
    }
    map_next |m, quick| {
        let next = (*m.vm).map_after(quick.reference::<0>(), quick.int::<1>());
        quick.set_int::<2>(next);
        true
    }
    map_key_at_bits |m, quick| {
        let key = (*m.vm).map_key_at(quick.reference::<0>(), quick.int::<1>());
        quick.set_bits::<2>(key.unwrap_or_default());
        key.is_some()
    }
    map_key_at_ref |m, quick| {
        let key = (*m.vm).map_key_at(quick.reference::<0>(), quick.int::<1>());
        quick.set_ref::<2>(key.unwrap_or_default() as Ref);
        key.is_some()
    }
    map_value_at_bits |m, quick| {
        let value = (*m.vm).map_value_at(quick.reference::<0>(), quick.int::<1>());
        quick.set_bits::<2>(value.unwrap_or_default());
        value.is_some()
    }
    map_value_at_ref |m, quick| {
        let value = (*m.vm).map_value_at(quick.reference::<0>(), quick.int::<1>());
        quick.set_ref::<2>(value.unwrap_or_default() as Ref);
        value.is_some()
    }
}

/// Looks a scalar up: whether it is there goes to a register, and the value.
#[inline(always)]
unsafe fn get(vm: *mut Vm, quick: M, key: u64) -> bool {
    // SAFETY: see `machine`.
    unsafe {
        let value = (*vm).map_get(quick.reference::<0>(), key);
        quick.set_bits::<2>(u64::from(value.is_some()));
        quick.set_bits::<3>(value.unwrap_or_default());
        true
    }
}
