//! Handlers of calls and returns.
//!
//! A call is: handler | counts of arguments to copy (scalars, references), place | callee | how large the window is, for
//! a method also the object | arguments, four to a word, scalars first | result registers, four to a word in their
//! order, the first four in the last word. The frame of the caller keeps the word after that, so a return finds the
//! results just before it. With at most one result the last word also says, below 0, how large the caller's window is,
//! scalars and references: the callee's begins there, and whoever returns goes back by that. Scalar arguments may have
//! been made where the callee has them already (`OUTGOING`); there is nothing to copy then.

use super::handlers::{handlers, overflow};
use super::machine::{Handler, M, Status, go, outlined};
use super::slow;
use super::{Code, MethodSite};
use crate::door::Entered;
use crate::fiber::Exit;
use crate::heap::{Ref, low};
use crate::stack::{ENTRY, Frame, OUTGOING, ZEROED};
use crate::vm::{Cell, StaticSlot, StaticState, Vm};
use dscript_bytecode::ids::StaticId;
use dscript_bytecode::instr::Instr;
use std::sync::atomic::Ordering;

/// Words of a call before its arguments.
pub(super) const CALL_WORDS: usize = 4;

/// Opens the callee's frame above the innermost, and a window for it. The windows are still the caller's, and the
/// parameters still to be filled; `after` is where the caller goes on. False where there is no room.
#[inline(always)]
unsafe fn open(m: M, code: &Code, after: *const u64) -> bool {
    // SAFETY: see `machine`.
    unsafe {
        let stack = &mut (*m.vm).stack;
        let caller = m.row;
        if caller >= stack.frames.last {
            return false;
        }
        // Nobody reads the row before it is the innermost.
        let row = caller.add(1);
        let base = (*caller).end.scalars;
        (*row).base.scalars = base;
        let end = base + code.window.scalars;
        (*row).end.scalars = end;
        if end > stack.room.scalars {
            return false;
        }
        let base = (*caller).end.refs;
        (*row).base.refs = base;
        let end = base + code.window.refs;
        (*row).end.refs = end;
        if end > stack.room.refs {
            return false;
        }
        // With `special`, which is 0.
        (&raw mut (*row).function).cast::<u64>().write_unaligned(u64::from(code.function.0));
        (*caller).ip = after;
        stack.frames.innermost = row;
        true
    }
}

/// Goes on in the callee: its references are zeroed as far as they are no parameters. `m` has its windows.
#[inline(always)]
unsafe fn begin(m: M, code: &Code) -> Status {
    // SAFETY: see `machine`.
    unsafe {
        debug_assert_eq!(m.s, m.reload().s);
        debug_assert_eq!(m.r, m.reload().r);
        let m = M { ip: code.start(), ..m };
        if code.window.refs as usize > ZEROED {
            zero_more(m.ip, m.s, m.r, m.heap, m.vm, m.row)
        } else {
            go(m)
        }
    }
}

/// At the begin of a function: the references that are not zeroed yet and no parameters.
#[inline(never)]
unsafe extern "C-unwind" fn zero_more(
    ip: *const u64,
    s: *mut u64,
    r: *mut Ref,
    heap: *mut u64,
    vm: *mut Vm,
    row: *mut Frame,
) -> Status {
    // SAFETY: see `machine`.
    unsafe {
        let m = M { ip, s, r, heap, vm, row };
        let code = (*vm).program.code(m.frame().function);
        let first = ZEROED.max(code.param_refs as usize);
        r.add(first).write_bytes(0, code.window.refs().saturating_sub(first));
        go(m)
    }
}

/// Zeroes the first references of a window, which there is always room for.
#[inline(always)]
unsafe fn zero(r: *mut Ref) {
    // SAFETY: see `ZEROED`.
    unsafe { r.cast::<[Ref; ZEROED]>().write([0; ZEROED]) }
}

/// A call: opens the frame, fills the parameters, goes on. `object`, where there is one, goes before the other
/// references.
#[inline(always)]
unsafe fn enter(m: M, code: &Code, result_words: usize, scalars: usize, refs: usize, object: Ref) -> Status {
    // SAFETY: see `machine`; a code's address is that of a row of the program's table.
    unsafe {
        let after = m.ip.add(CALL_WORDS + (scalars + refs).div_ceil(4) + result_words);
        if !open(m, code, after) {
            let callee = std::ptr::from_ref(code).cast_mut().cast();
            return enter_slow(m.ip, callee, object as usize as *mut Ref, m.heap, m.vm);
        }
        let (up_s, up_r) = said(m);
        let (s, r) = (m.s.add(up_s), m.r.add(up_r));
        zero(r);
        let args = m.ip.add(CALL_WORDS).cast::<u16>();
        for i in 0..scalars {
            *s.add(i) = *m.s.add(*args.add(i) as usize);
        }
        let first = usize::from(object != 0);
        if object != 0 {
            *r = object;
        }
        for i in 0..refs {
            *r.add(first + i) = *m.r.add(*args.add(scalars + i) as usize);
        }
        begin(M { s, r, row: m.row.add(1), ..m }, code)
    }
}

/// As `enter`, of a call with at most one result and a few arguments, whose numbers are known: they are copied first, so
/// that the caller's windows are no longer needed then. There is always room for a few beyond a window. An object goes
/// before the other references.
#[inline(always)]
unsafe fn enter_few<const SCALARS: usize, const REFS: usize>(
    m: M,
    code: &Code,
    object: Option<Ref>,
) -> Status {
    const { assert!(SCALARS <= OUTGOING && REFS < ZEROED) };
    // SAFETY: as `enter`.
    unsafe {
        let (up_s, up_r) = said(m);
        let (s, r) = (m.s.add(up_s), m.r.add(up_r));
        zero(r);
        let args = m.ip.add(CALL_WORDS).cast::<u16>();
        for i in 0..SCALARS {
            *s.add(i) = *m.s.add(*args.add(i) as usize);
        }
        let first = usize::from(object.is_some());
        if let Some(object) = object {
            *r = object;
        }
        for i in 0..REFS {
            *r.add(first + i) = *m.r.add(*args.add(SCALARS + i) as usize);
        }
        let m = M { s, r, ..m };
        if !open(m, code, m.ip.add(CALL_WORDS + (SCALARS + REFS).div_ceil(4) + 1)) {
            let callee = std::ptr::from_ref(code).cast_mut().cast();
            return enter_slow(m.ip, callee, object.unwrap_or_default() as usize as *mut Ref, m.heap, m.vm);
        }
        begin(M { row: m.row.add(1), ..m }, code)
    }
}

/// The size of the caller's window, where the call says it.
#[inline(always)]
unsafe fn said(m: M) -> (usize, usize) {
    // SAFETY: the caller is a call with such a word.
    unsafe {
        let sizes = m.ip.add(3).cast::<u16>();
        (*sizes as usize, *sizes.add(1) as usize)
    }
}

/// Leaves the innermost frame, which is not special: where the caller goes on, with its windows.
#[inline(always)]
unsafe fn leave(m: M) -> M {
    // SAFETY: the caller's place follows the last word of a call of at most one result.
    unsafe {
        let row = m.row.sub(1);
        (*m.vm).stack.frames.innermost = row;
        let ip = (*row).ip;
        let down = ip.sub(1).cast::<i16>();
        M { ip, row, s: m.s.offset(*down.add(1) as isize), r: m.r.offset(*down.add(2) as isize), ..m }
    }
}

#[inline(always)]
unsafe fn is_special(m: M) -> bool {
    // SAFETY: see `machine`.
    unsafe { (*m.row).special != 0 }
}

/// Returns an int from a frame that is not special.
#[inline(always)]
unsafe fn give(m: M, value: u64) -> Status {
    // SAFETY: as `leave`.
    unsafe {
        let m = leave(m);
        *m.s.add(super::result_reg(m.ip, 0)) = value;
        go(m)
    }
}

/// Where a bank or the rows of frames must grow, or the calls are too deep. Takes the callee and the object in the
/// place of the windows.
#[cold]
#[inline(never)]
unsafe extern "C-unwind" fn enter_slow(
    ip: *const u64,
    callee: *mut u64,
    object: *mut Ref,
    heap: *mut u64,
    vm: *mut Vm,
) -> Status {
    // SAFETY: as `enter`.
    unsafe {
        if !open_frame(ip, callee, object, heap, vm) {
            return Status::Exit;
        }
        let m = M { ip: (*callee.cast::<Code>()).start(), vm, ..M::default() };
        go(m.reload())
    }
}

outlined! {
    open_frame |m| {
        let code = &*m.s.cast::<Code>();
        let object = m.r as usize as Ref;
        let (scalars, refs) = (m.op::<0>(), m.op::<1>());
        let caller = m.frame();
        // For the report of a trap; once the callee runs, `ip` says it.
        caller.pc = m.upper() as u32;
        caller.ip = m.ip.add(CALL_WORDS + (scalars + refs).div_ceil(4) + code.result_words as usize);
        (*m.vm).open_frame(code.function, false).map_err(Exit::Trap).map(|()| {
            // The banks may have moved, so the caller's windows are found anew.
            let stack = &mut (*m.vm).stack;
            let caller = stack.frames[stack.frames.len() - 2];
            let callee = stack.frames[stack.frames.len() - 1];
            let args = m.ip.add(CALL_WORDS).cast::<u16>();
            let (s, r) = (callee.base.scalars(), callee.base.refs());
            for i in 0..scalars {
                stack.scalars[s + i] = stack.scalars[caller.base.scalars() + *args.add(i) as usize];
            }
            let first = usize::from(object != 0);
            if object != 0 {
                stack.refs[r] = object;
            }
            for i in 0..refs {
                let arg = *args.add(scalars + i) as usize;
                stack.refs[r + first + i] = stack.refs[caller.base.refs() + arg];
            }
        })
    }

    begin_static |m| {
        let id = StaticId(*m.ip.add(1) as u32);
        let vm = &mut *m.vm;
        m.frame().pc = m.upper() as u32;
        m.frame().ip = m.ip.add(4);
        let init = vm.program.image().statics[id.index()].init;
        vm.statics[id.index()].state = StaticState::Running(vm.fiber);
        vm.open_frame(init, false).map_err(Exit::Trap)
    }

    await_static |m| {
        m.frame().pc = m.upper() as u32;
        m.running().await_static(StaticId(*m.ip.add(1) as u32))
    }

    begin_text |m| {
        let vm = &mut *m.vm;
        let object = m.reference::<0>();
        m.frame().pc = m.upper() as u32;
        m.frame().ip = m.ip.add(4);
        match vm.program.to_string(vm.heap.tag(object)) {
            Some(function) => vm.open_frame(function, false).map_err(Exit::Trap).map(|()| {
                let refs = m.frame().base.refs();
                vm.stack.refs[refs] = object;
            }),
            None => Ok(()),
        }
    }

    // The results of an entry frame, which is left.
    leave_entry |m| {
        let count = m.op::<0>();
        let regs = m.ip.add(2).cast::<u16>();
        let banks = m.ip.add(2 + count.div_ceil(4)).cast::<u16>();
        let mut cell = Cell::default();
        let (mut i, mut j) = (0, 0);
        for k in 0..count.min(4) {
            let reg = *regs.add(k) as usize;
            if *banks.add(k) == 0 {
                cell.s[i] = *m.s.add(reg);
                i += 1;
            } else {
                cell.r[j] = *m.r.add(reg);
                j += 1;
            }
        }
        (*m.vm).returned = cell;
        (*m.vm).stack.pop();
        Ok(())
    }

    // The value of a static, from the registers its initializer has returned into.
    keep_static |m| {
        let id = *m.ip.add(1) as u32 as usize;
        let (count, banks) = (m.word(2) as u32 as usize, m.word(2) >> 32);
        let mut value = Cell::default();
        let (mut i, mut j) = (0, 0);
        for k in 0..count {
            let from = super::result_reg(m.ip.add(4), k);
            if banks >> k & 1 == 0 {
                value.s[i] = *m.s.add(from);
                i += 1;
            } else {
                value.r[j] = *m.r.add(from);
                j += 1;
            }
        }
        (&mut (*m.vm).statics)[id] = StaticSlot { state: StaticState::Set, value };
        Ok(())
    }

    show |m| {
        m.frame().pc = m.upper() as u32;
        m.running().do_slowly(&*(m.word(2) as *const Instr))
    }
}

/// The step of frames that begin in native code: handler | entry.
pub(super) fn native_step() -> u64 {
    let handler: Handler = native;
    handler as usize as u64
}

/// Runs the innermost frame as native code, and gives its results to the one below. Where there is no room for that
/// the interpreter goes on at `ip`.
#[inline(never)]
pub(super) unsafe fn run_native(vm: *mut Vm, entry: usize, ip: *const u64) -> Status {
    // SAFETY: see `machine`.
    unsafe {
        let m = M { vm, ..M::default() };
        match m.running().enter_native(entry) {
            Ok(Entered::Returned) => Status::Returned,
            Ok(Entered::Gone) => Status::Again,
            Ok(Entered::NoRoom) => {
                m.frame().ip = ip;
                Status::Again
            }
            Err(exit) => {
                (*vm).exit = Some(exit);
                Status::Exit
            }
        }
    }
}

macro_rules! spend {
    ($m:ident) => {
        (*$m.vm).fuel -= 1;
        if (*$m.vm).fuel < 0 {
            return slow::interrupt_call($m.ip, $m.s, $m.r, $m.heap, $m.vm, $m.row);
        }
    };
}

/// The function that word 2 of a call names.
#[inline(always)]
unsafe fn callee(m: M) -> &'static Code {
    // SAFETY: it is a row of the program's table, which outlives the handlers.
    unsafe { &*(m.word(2) as *const Code) }
}

macro_rules! calls {
    ($($name:ident $scalars:literal $refs:literal;)*) => {
        handlers! {$(
            $name |m| {
                spend!(m);
                enter_few::<$scalars, $refs>(m, callee(m), None)
            }
        )*}
    };
}

calls! {
    call_0 0 0;
    call_s 1 0;
    call_ss 2 0;
    call_sss 3 0;
    call_r 0 1;
    call_rr 0 2;
    call_rs 1 1;
    call_rss 2 1;
    call_rrs 1 2;
    call_rrr 0 3;
    call_ssss 4 0;
    call_rsss 3 1;
    call_rssss 4 1;
}

/// Calls of function values: the callee is the register in word 2.
macro_rules! value_calls {
    ($($name:ident |$m:ident| $scalars:expr, $refs:expr;)*) => {
        handlers! {$(
            $name |$m| {
                spend!($m);
                let object = *$m.r.add($m.word(2) as usize);
                let program = &(*$m.vm).program;
                let function = program.closure_code(low(*$m.object(object)));
                let code = &*std::ptr::from_ref(program.code(function));
                enter($m, code, code.result_words as usize, $scalars, $refs, object)
            }
        )*}
    };
}

value_calls! {
    call_value |m| m.op::<0>(), m.op::<1>();
    call_value_0 |m| 0, 0;
    call_value_s |m| 1, 0;
    call_value_r |m| 0, 1;
    call_value_rr |m| 0, 2;
}

/// Calls of an interface's methods: word 2 is the call's `MethodSite`, and word 3 names the object too.
macro_rules! method_calls {
    ($($name:ident $scalars:literal $refs:literal;)*) => {
        handlers! {$(
            $name |m| {
                let object = object_of(m);
                let Some(code) = method_of(m, object) else {
                    return find_method(m.ip, m.s, m.r, m.heap, m.vm, m.row);
                };
                spend!(m);
                enter_few::<$scalars, $refs>(m, code, Some(object))
            }
        )*}
    };
}

method_calls! {
    call_method_0 0 0;
    call_method_s 1 0;
    call_method_r 0 1;
}

#[inline(always)]
unsafe fn object_of(m: M) -> Ref {
    // SAFETY: `m` is at a call of a method.
    unsafe { *m.r.add(*m.ip.add(3).cast::<u16>().add(2) as usize) }
}

/// The object's method, where the call has met such an object last.
#[inline(always)]
unsafe fn method_of(m: M, object: Ref) -> Option<&'static Code> {
    // SAFETY: see `machine`; the code keeps the sites that its words point to, and the table outlives the handlers.
    unsafe {
        let site = &*(m.word(2) as *const MethodSite);
        let tag = low(*m.object(object));
        let found = site.found[tag as usize % site.found.len()].load(Ordering::Relaxed);
        let program = &(*m.vm).program;
        let codes = program.codes.as_ptr();
        (low(found) == tag).then(|| &*codes.add((found >> 32) as usize))
    }
}

handlers! {
    // Finds the method that a call is of, and does the call again.
    #[cold]
    #[inline(never)]
    find_method |m| {
        let site = &*(m.word(2) as *const MethodSite);
        let tag = low(*m.object(object_of(m)));
        let function = (*m.vm).program.method(tag, site.interface, site.method);
        let found = &site.found[tag as usize % site.found.len()];
        found.store(u64::from(tag) | u64::from(function.0) << 32, Ordering::Relaxed);
        go(m)
    }
    call_method |m| {
        let object = object_of(m);
        let Some(code) = method_of(m, object) else {
            return find_method(m.ip, m.s, m.r, m.heap, m.vm, m.row);
        };
        spend!(m);
        enter(m, code, code.result_words as usize, m.op::<0>(), m.op::<1>(), object)
    }
    native |m| {
        let first = (*m.vm).program.code(m.frame().function).first();
        run_native(m.vm, m.word(1) as usize, first)
    }
    call |m| {
        spend!(m);
        let code = callee(m);
        enter(m, code, code.result_words as usize, m.op::<0>(), m.op::<1>(), 0)
    }
    // The one argument is a register and a constant, which stand with the size of the window.
    call_sum |m| {
        spend!(m);
        let code = callee(m);
        if !open(m, code, m.ip.add(CALL_WORDS + 1)) {
            return sum_slow(m.ip, m.s, m.r, m.heap, m.vm, m.row);
        }
        let (up_s, up_r) = said(m);
        let operands = m.ip.add(3).cast::<u16>();
        let (a, b) = (*m.s.add(*operands.add(2) as usize) as i64, i64::from(*operands.add(3) as i16));
        let (value, overflows) = a.overflowing_add(b);
        if overflows {
            (*m.vm).stack.frames.innermost = m.row;
            return overflow(m.ip, a, b, '+' as u64, m.vm);
        }
        let m = M { s: m.s.add(up_s), r: m.r.add(up_r), row: m.row.add(1), ..m };
        *m.s = value as u64;
        zero(m.r);
        begin(m, code)
    }
    // Where there is no room yet.
    #[cold]
    #[inline(never)]
    sum_slow |m| {
        let operands = m.ip.add(3).cast::<u16>();
        let (a, b) = (*m.s.add(*operands.add(2) as usize) as i64, i64::from(*operands.add(3) as i16));
        let (value, overflows) = a.overflowing_add(b);
        if overflows {
            return overflow(m.ip, a, b, '+' as u64, m.vm);
        }
        *m.s.add(said(m).0) = value as u64;
        enter_slow(m.ip, m.word(2) as *mut u64, std::ptr::null_mut(), m.heap, m.vm)
    }
    return_none |m| {
        if is_special(m) {
            return return_any(m.ip, m.s, m.r, m.heap, m.vm, m.row);
        }
        go(leave(m))
    }
    return_s |m| {
        if is_special(m) {
            return return_any(m.ip, m.s, m.r, m.heap, m.vm, m.row);
        }
        give(m, *m.s.add(*m.ip.add(2).cast::<u16>() as usize))
    }
    return_r |m| {
        if is_special(m) {
            return return_any(m.ip, m.s, m.r, m.heap, m.vm, m.row);
        }
        let value = *m.r.add(*m.ip.add(2).cast::<u16>() as usize);
        let m = leave(m);
        *m.r.add(super::result_reg(m.ip, 0)) = value;
        go(m)
    }
    // A sum and its return; the latter follows by itself too.
    return_sum |m| {
        let (a, b) = (m.int::<0>(), m.int::<1>());
        let (value, overflows) = a.overflowing_add(b);
        if overflows {
            return overflow(m.ip, a, b, '+' as u64, m.vm);
        }
        if is_special(m) {
            m.set_int::<2>(value);
            return m.next(2);
        }
        give(m, value as u64)
    }
    return_small |m| {
        if is_special(m) {
            m.set_int::<0>(i64::from(m.upper()));
            return m.next(2);
        }
        give(m, i64::from(m.upper()) as u64)
    }
    // Operand 0 counts the results; their registers and, from the word after, their banks follow as 16 bits each.
    #[inline(never)]
    return_any |m| {
        let count = m.op::<0>();
        let regs = m.ip.add(2).cast::<u16>();
        let banks = m.ip.add(2 + count.div_ceil(4)).cast::<u16>();
        if m.frame().special & ENTRY != 0 {
            leave_entry(m.ip, m.s, m.r, m.heap, m.vm);
            return Status::Returned;
        }
        (*m.vm).stack.pop();
        let (from_s, from_r) = (m.s, m.r);
        let mut m = m.reload();
        m.ip = m.frame().ip;
        for k in 0..count {
            let (from, to) = (*regs.add(k) as usize, super::result_reg(m.ip, k));
            if *banks.add(k) == 0 {
                *m.s.add(to) = *from_s.add(from);
            } else {
                *m.r.add(to) = *from_r.add(from);
            }
        }
        go(m)
    }

    // Handler | static, place | counts of results, their banks as bits | result registers; `store_static` follows.
    get_static |m| {
        let id = StaticId(*m.ip.add(1) as u32);
        let slot = &*(*m.vm).statics.as_ptr().add(id.index());
        match slot.state {
            StaticState::Set => {
                let (mut i, mut j) = (0, 0);
                let (count, banks) = (m.word(2) as u32 as usize, m.word(2) >> 32);
                for k in 0..count {
                    let to = super::result_reg(m.ip.add(4), k);
                    if banks >> k & 1 == 0 {
                        *m.s.add(to) = slot.value.s[i];
                        i += 1;
                    } else {
                        *m.r.add(to) = slot.value.r[j];
                        j += 1;
                    }
                }
                m.next(8)
            }
            StaticState::Unset => {
                if begin_static(m.ip, m.s, m.r, m.heap, m.vm) { Status::Again } else { Status::Exit }
            }
            StaticState::Running(_) => {
                if await_static(m.ip, m.s, m.r, m.heap, m.vm) { go(m.reload()) } else { Status::Exit }
            }
        }
    }
    // The initializer has returned into the result registers.
    store_static |m| {
        keep_static(m.ip, m.s, m.r, m.heap, m.vm);
        m.next(4)
    }

    // Handler | object, target, place | instruction | target: the text of an object.
    text |m| {
        let object = m.reference::<0>();
        let vm = &mut *m.vm;
        if vm.heap.is_string(object) {
            m.set_ref::<1>(object);
            return m.next(4);
        }
        if vm.program.to_string(vm.heap.tag(object)).is_none() {
            let done = show(m.ip, m.s, m.r, m.heap, m.vm);
            return if done { m.reload().next(4) } else { Status::Exit };
        }
        spend!(m);
        if begin_text(m.ip, m.s, m.r, m.heap, m.vm) { Status::Again } else { Status::Exit }
    }
}

/// A comparison with a constant, and the return that follows where it does not hold.
macro_rules! or_return {
    ($($name:ident |$m:ident| $condition:expr;)*) => {
        handlers! {$(
            $name |$m| {
                if $condition {
                    return $m.jump();
                }
                if is_special($m) {
                    return $m.next(2);
                }
                give($m, *$m.s.add(*$m.ip.add(4).cast::<u16>() as usize))
            }
        )*}
    };
}

or_return! {
    if_eq_or_return |m| m.int::<0>() == i64::from(m.op::<1>() as i16);
    if_ne_or_return |m| m.int::<0>() != i64::from(m.op::<1>() as i16);
    if_lt_or_return |m| m.int::<0>() < i64::from(m.op::<1>() as i16);
    if_ge_or_return |m| m.int::<0>() >= i64::from(m.op::<1>() as i16);
}
