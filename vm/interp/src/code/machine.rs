//! What a handler holds in machine registers, and how it goes on to the next.
//!
//! A handler is an `extern "C-unwind"` function of six register arguments, and ends in a call of the next one with
//! the same arguments, which optimized builds turn into a jump. Builds with debug assertions return to a loop
//! instead, as nothing promises that jump there.
//!
//! The jump needs a handler without a stack frame of its own at that point: nothing whose address was handed on may
//! live in it. So whatever makes a `Result`, a text or the like is an `outlined!` function that gives a `bool`, and
//! `M` goes by value to inlined functions only. A handler that calls all the same uses up the fiber's small stack
//! within milliseconds, so any benchmark finds it.
//!
//! # Safety
//! `ip` names a word of the code of the running function, where a handler stands; `s` and `r` are the windows of the
//! innermost frame, which `row` is, `heap` is the heap's base, and `vm` the state of the running fiber's task, which nothing else
//! holds meanwhile. Registers lie within their windows and hold values of their declared types, as the verifier
//! has shown of the instructions that the code was made from. Whatever may move the banks or the heap loads anew.

use crate::arithmetic::Operation;
use crate::fiber::{Exit, Running};
use crate::heap::Ref;
use crate::native::Trapped;
use crate::stack::Frame;
use crate::vm::{Vm, trapped};
use dscript_bytecode::image::TimeOperands;
use dscript_bytecode::trap::TrapKind;

pub(crate) type Handler =
    unsafe extern "C-unwind" fn(*const u64, *mut u64, *mut Ref, *mut u64, *mut Vm, *mut Frame) -> Status;

/// Why the handlers return to the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Status {
    /// In builds that do not jump: the next handler is to run.
    #[cfg(debug_assertions)]
    Next,
    /// The entry frame has returned.
    Returned,
    /// Frames are left: `Vm::exit` says why.
    Exit,
    /// The innermost frame says where to go on.
    Again,
}

#[derive(Clone, Copy)]
pub(crate) struct M {
    pub ip: *const u64,
    pub s: *mut u64,
    pub r: *mut Ref,
    pub heap: *mut u64,
    pub vm: *mut Vm,
    /// The innermost frame, as the stack has it.
    pub row: *mut Frame,
}

impl Default for M {
    fn default() -> Self {
        let null = std::ptr::null_mut();
        let (ip, r, row) = (std::ptr::null(), std::ptr::null_mut(), std::ptr::null_mut());
        M { ip, s: null, r, heap: null, vm: std::ptr::null_mut(), row }
    }
}

/// Goes on at `m.ip`.
#[inline(always)]
pub(super) unsafe fn go(m: M) -> Status {
    #[cfg(not(debug_assertions))]
    // SAFETY: the word holds a handler.
    unsafe {
        let next: Handler = std::mem::transmute(*m.ip);
        next(m.ip, m.s, m.r, m.heap, m.vm, m.row)
    }
    #[cfg(debug_assertions)]
    // SAFETY: the state is this task's.
    unsafe {
        (*m.vm).machine = m;
        Status::Next
    }
}

// SAFETY of all: what the head of this file says.
#[allow(clippy::missing_safety_doc, clippy::undocumented_unsafe_blocks)]
impl M {
    /// One of the four operands in the first word after the handler.
    #[inline(always)]
    pub unsafe fn op<const K: usize>(self) -> usize {
        unsafe { *self.ip.add(1).cast::<u16>().add(K) as usize }
    }

    /// The upper half of that word, as a distance or a number.
    #[inline(always)]
    pub unsafe fn upper(self) -> i32 {
        unsafe { *self.ip.add(1).cast::<i32>().add(1) }
    }

    #[inline(always)]
    pub unsafe fn word(self, index: usize) -> u64 {
        unsafe { *self.ip.add(index) }
    }

    #[inline(always)]
    pub unsafe fn int<const K: usize>(self) -> i64 {
        unsafe { *self.s.add(self.op::<K>()) as i64 }
    }

    #[inline(always)]
    pub unsafe fn bits<const K: usize>(self) -> u64 {
        unsafe { *self.s.add(self.op::<K>()) }
    }

    #[inline(always)]
    pub unsafe fn double<const K: usize>(self) -> f64 {
        unsafe { f64::from_bits(self.bits::<K>()) }
    }

    #[inline(always)]
    pub unsafe fn reference<const K: usize>(self) -> Ref {
        unsafe { *self.r.add(self.op::<K>()) }
    }

    #[inline(always)]
    pub unsafe fn set_bits<const K: usize>(self, value: u64) {
        unsafe { *self.s.add(self.op::<K>()) = value }
    }

    #[inline(always)]
    pub unsafe fn set_int<const K: usize>(self, value: i64) {
        unsafe { self.set_bits::<K>(value as u64) }
    }

    #[inline(always)]
    pub unsafe fn set_double<const K: usize>(self, value: f64) {
        unsafe { self.set_bits::<K>(value.to_bits()) }
    }

    #[inline(always)]
    pub unsafe fn set_ref<const K: usize>(self, value: Ref) {
        unsafe { *self.r.add(self.op::<K>()) = value }
    }

    #[inline(always)]
    pub unsafe fn object(self, object: Ref) -> *mut u64 {
        unsafe { self.heap.add(object as usize) }
    }

    /// Goes on `words` further.
    #[inline(always)]
    pub unsafe fn next(mut self, words: usize) -> Status {
        unsafe {
            self.ip = self.ip.add(words);
            go(self)
        }
    }

    /// Goes on at the distance in the upper half of the first word.
    #[inline(always)]
    pub unsafe fn jump(mut self) -> Status {
        unsafe {
            self.ip = self.ip.offset(self.upper() as isize);
            go(self)
        }
    }

    #[inline(always)]
    pub unsafe fn frame(self) -> &'static mut Frame {
        unsafe { &mut *(*self.vm).stack.frames.innermost }
    }

    /// Loads windows and heap anew, and keeps the place.
    #[inline(always)]
    pub unsafe fn reload(mut self) -> M {
        unsafe {
            let vm = &mut *self.vm;
            let frame = self.frame();
            self.s = vm.stack.scalars.as_mut_ptr().add(frame.base.scalars());
            self.r = vm.stack.refs.as_mut_ptr().add(frame.base.refs());
            self.heap = vm.heap.base;
            self.row = vm.stack.frames.innermost;
            self
        }
    }

    /// The fiber that runs.
    #[inline(always)]
    pub unsafe fn running(self) -> &'static mut Running<'static> {
        unsafe { &mut *(*self.vm).running.cast() }
    }

    /// Notes the place of the instruction at `ip` in the frame, for reports and positions.
    #[inline(always)]
    pub unsafe fn note_place(self) {
        unsafe {
            let frame = self.frame();
            frame.pc = (*self.vm).program.code(frame.function).pc_of(self.ip);
        }
    }

    /// For what never goes on from here.
    #[cold]
    #[inline(never)]
    pub unsafe fn trap(self, kind: TrapKind, text: String) -> Status {
        unsafe {
            self.note_place();
            (*self.vm).exit = Some(Exit::Trap(trapped(kind, text)));
        }
        Status::Exit
    }

    /// As `trap`, of an operation on ints.
    #[cold]
    #[inline(never)]
    pub unsafe fn trap_of(
        self,
        operation: Operation,
        trap: fn(Operation, Option<TimeOperands>) -> Trapped,
    ) -> Status {
        unsafe {
            self.note_place();
            (*self.vm).exit = Some(Exit::Trap(trap(operation, (*self.vm).time_operands())));
        }
        Status::Exit
    }
}

/// A function of a handler's arguments that does what needs a stack frame; false where it has left an exit.
macro_rules! outlined {
    ($($name:ident |$m:ident| $body:expr)*) => {$(
        #[inline(never)]
        #[allow(clippy::missing_safety_doc)]
        unsafe fn $name(ip: *const u64, s: *mut u64, r: *mut Ref, heap: *mut u64, vm: *mut Vm) -> bool {
            let $m = M { ip, s, r, heap, vm, ..M::default() };
            // SAFETY: see the head of `machine`.
            let result: Result<(), Exit> = unsafe { $body };
            match result {
                Ok(()) => true,
                Err(exit) => {
                    // SAFETY: as above.
                    unsafe { (*vm).exit = Some(exit) };
                    false
                }
            }
        }
    )*};
}
pub(super) use outlined;
