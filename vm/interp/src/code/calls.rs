//! Handlers of calls and returns.
//!
//! A call is: handler | counts of arguments (scalars, references), place | callee | method | arguments, four to a
//! word, scalars first | result registers, four to a word in their order, the first four in the last word. The
//! frame of the caller keeps the word after that, so a return finds the results just before it.

use super::Code;
use super::handlers::handlers;
use super::machine::{Handler, M, Status, go, outlined};
use super::slow;
use crate::door::Entered;
use crate::fiber::Exit;
use crate::heap::{Ref, low};
use crate::stack::ZEROED;
use crate::vm::{Cell, StaticSlot, StaticState, Vm};
use dscript_bytecode::ids::{FunctionId, MethodId, StaticId, TypeId};
use dscript_bytecode::instr::Instr;

/// Words of a call before its arguments.
pub(super) const CALL_WORDS: usize = 4;

/// Two references, aligned as they are.
#[repr(C)]
#[derive(Clone, Copy)]
struct Pair(Ref, Ref);

/// Opens the callee's frame and fills its parameters; `object`, where there is one, goes before the other references.
#[inline(always)]
unsafe fn enter(m: M, callee: *const Code, scalars: usize, refs: usize, object: Ref) -> Status {
    // SAFETY: see `machine`; a code's address is that of a row of the program's table.
    unsafe {
        let code = &*callee;
        let stack = &mut (*m.vm).stack;
        let (s_base, r_base) = (stack.scalars_top, stack.refs_top);
        let (s_top, r_top) = (s_base + code.scalars as usize, r_base + code.refs as usize);
        let depth = stack.frames.len();
        if depth >= stack.rows_max || s_top > stack.scalars.len() || r_top + ZEROED > stack.refs.len() {
            return enter_slow(m.ip, callee.cast_mut().cast(), object as usize as *mut Ref, m.heap, m.vm);
        }
        let frames = stack.frames.as_mut_ptr();
        let caller = frames.add(depth - 1);
        (*caller).pc = m.upper() as u32;
        (*caller).ip = m.ip.add(CALL_WORDS + (scalars + refs).div_ceil(4) + code.result_words as usize);
        let row = frames.add(depth);
        (*row).function = code.function;
        (*row).entry = 0;
        (*row).scalars = s_base as u32;
        (*row).refs = r_base as u32;
        stack.frames.set_len(depth + 1);
        (stack.scalars_top, stack.refs_top) = (s_top, r_top);
        let s = stack.scalars.as_mut_ptr().add(s_base);
        let r = stack.refs.as_mut_ptr().add(r_base);
        // A few at once; volatile, so that it does not become a call, which needs a stack frame.
        let mut zeroed = 0;
        while zeroed < code.refs as usize {
            for i in 0..ZEROED / 2 {
                r.add(zeroed).cast::<Pair>().add(i).write_volatile(Pair(0, 0));
            }
            zeroed += ZEROED;
        }
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
        go(M { ip: code.start(), s, r, heap: m.heap, vm: m.vm })
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
        caller.pc = m.upper() as u32;
        caller.ip = m.ip.add(CALL_WORDS + (scalars + refs).div_ceil(4) + code.result_words as usize);
        (*m.vm).open_frame(code.function, false).map_err(Exit::Trap).map(|()| {
            // The banks may have moved, so the caller's windows are found anew.
            let stack = &mut (*m.vm).stack;
            let caller = stack.frames[stack.frames.len() - 2];
            let callee = stack.frames[stack.frames.len() - 1];
            let args = m.ip.add(CALL_WORDS).cast::<u16>();
            let (s, r) = (callee.scalars as usize, callee.refs as usize);
            for i in 0..scalars {
                stack.scalars[s + i] = stack.scalars[caller.scalars as usize + *args.add(i) as usize];
            }
            let first = usize::from(object != 0);
            if object != 0 {
                stack.refs[r] = object;
            }
            for i in 0..refs {
                let arg = *args.add(scalars + i) as usize;
                stack.refs[r + first + i] = stack.refs[caller.refs as usize + arg];
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
                let refs = m.frame().refs;
                vm.stack.refs[refs as usize] = object;
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
            return slow::interrupt_call($m.ip, $m.s, $m.r, $m.heap, $m.vm);
        }
    };
}

macro_rules! calls {
    ($($name:ident $scalars:literal $refs:literal;)*) => {
        handlers! {$(
            $name |m| {
                spend!(m);
                enter(m, m.word(2) as *const Code, $scalars, $refs, 0)
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
}

handlers! {
    native |m| {
        let first = (*m.vm).program.code(m.frame().function).first();
        run_native(m.vm, m.word(1) as usize, first)
    }
    call |m| {
        spend!(m);
        enter(m, m.word(2) as *const Code, m.op::<0>(), m.op::<1>(), 0)
    }
    // The callee is the register in word 2.
    call_value |m| {
        spend!(m);
        let object = *m.r.add(m.word(2) as usize);
        let program = &(*m.vm).program;
        let function = program.closure_code(low(*m.object(object)));
        let code: *const Code = program.code(function);
        enter(m, code, m.op::<0>(), m.op::<1>(), object)
    }
    // Word 2 holds the tag met last and its method, word 3 the object's register, method and interface.
    call_method |m| {
        spend!(m);
        let what = m.word(3);
        let object = *m.r.add(what as u16 as usize);
        let tag = low(*m.object(object));
        let program = &(*m.vm).program;
        // Written by every thread that runs the program: each value fits the tag beside it.
        let cache = &*m.ip.add(2).cast::<std::sync::atomic::AtomicU64>();
        let cached = cache.load(std::sync::atomic::Ordering::Relaxed);
        let function = if low(cached) == tag {
            FunctionId((cached >> 32) as u32)
        } else {
            let function = program.method(tag, TypeId((what >> 32) as u32), MethodId((what >> 16) as u16));
            cache.store(u64::from(tag) | u64::from(function.0) << 32, std::sync::atomic::Ordering::Relaxed);
            function
        };
        let code: *const Code = program.code(function);
        enter(m, code, m.op::<0>(), m.op::<1>(), object)
    }

    return_none |m| {
        let stack = &mut (*m.vm).stack;
        let depth = stack.frames.len();
        let frames = stack.frames.as_mut_ptr();
        let row = &*frames.add(depth - 1);
        if row.entry != 0 || !stack.limits.is_empty() {
            return return_any(m.ip, m.s, m.r, m.heap, m.vm);
        }
        let caller = &*frames.add(depth - 2);
        (stack.scalars_top, stack.refs_top) = (row.scalars as usize, row.refs as usize);
        let s = stack.scalars.as_mut_ptr().add(caller.scalars as usize);
        let r = stack.refs.as_mut_ptr().add(caller.refs as usize);
        stack.frames.set_len(depth - 1);
        go(M { ip: caller.ip, s, r, heap: m.heap, vm: m.vm })
    }
    return_s |m| {
        let stack = &mut (*m.vm).stack;
        let depth = stack.frames.len();
        let frames = stack.frames.as_mut_ptr();
        let row = &*frames.add(depth - 1);
        if row.entry != 0 || !stack.limits.is_empty() {
            return return_any(m.ip, m.s, m.r, m.heap, m.vm);
        }
        let value = *m.s.add(*m.ip.add(2).cast::<u16>() as usize);
        let caller = &*frames.add(depth - 2);
        (stack.scalars_top, stack.refs_top) = (row.scalars as usize, row.refs as usize);
        let s = stack.scalars.as_mut_ptr().add(caller.scalars as usize);
        let r = stack.refs.as_mut_ptr().add(caller.refs as usize);
        *s.add(*caller.ip.sub(1).cast::<u16>() as usize) = value;
        stack.frames.set_len(depth - 1);
        go(M { ip: caller.ip, s, r, heap: m.heap, vm: m.vm })
    }
    return_r |m| {
        let stack = &mut (*m.vm).stack;
        let depth = stack.frames.len();
        let frames = stack.frames.as_mut_ptr();
        let row = &*frames.add(depth - 1);
        if row.entry != 0 || !stack.limits.is_empty() {
            return return_any(m.ip, m.s, m.r, m.heap, m.vm);
        }
        let value = *m.r.add(*m.ip.add(2).cast::<u16>() as usize);
        let caller = &*frames.add(depth - 2);
        (stack.scalars_top, stack.refs_top) = (row.scalars as usize, row.refs as usize);
        let s = stack.scalars.as_mut_ptr().add(caller.scalars as usize);
        let r = stack.refs.as_mut_ptr().add(caller.refs as usize);
        *r.add(*caller.ip.sub(1).cast::<u16>() as usize) = value;
        stack.frames.set_len(depth - 1);
        go(M { ip: caller.ip, s, r, heap: m.heap, vm: m.vm })
    }
    // Operand 0 counts the results; their registers and, from the word after, their banks follow as 16 bits each.
    return_any |m| {
        let count = m.op::<0>();
        let regs = m.ip.add(2).cast::<u16>();
        let banks = m.ip.add(2 + count.div_ceil(4)).cast::<u16>();
        if m.frame().entry != 0 {
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
