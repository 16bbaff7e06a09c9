//! The loop around the handlers: enters the innermost frame, and sorts out why handlers come back.
//!
//! A call within the program pushes a frame and goes on; it does not recurse.

use std::sync::Arc;

use crate::code::{Handler, M, Status};
use crate::fiber::{Exit, Running};
use crate::vm::trapped;
use dscript_bytecode::trap::TrapKind;

/// Dispatch loops within natives within dispatch loops: the depth of `toString` calls from collections.
const NESTED_MAX: usize = 32;

impl Running<'_> {
    /// Runs until the entry frame at index `base` returns; its results are in the `returned` cell.
    pub fn run(&mut self, base: usize) -> Result<(), Exit> {
        if self.nested >= NESTED_MAX {
            return Err(trapped(TrapKind::Stack, "texts within texts are nested too deep").into());
        }
        self.nested += 1;
        let result = self.run_entry(base);
        self.nested -= 1;
        result
    }

    /// As `run`, for a frame that native code calls.
    pub(crate) fn run_entry(&mut self, base: usize) -> Result<(), Exit> {
        // The code must outlive the handlers.
        let program = Arc::clone(&self.vm().program);
        let result = loop {
            let done = self.dispatch();
            match done.map_err(|exit| self.or_late(exit)) {
                Err(Exit::Limit(limit)) if self.vm().stack.limits[limit].frame >= base => {
                    self.leave_region(limit);
                }
                result => break result,
            }
        };
        drop(program);
        result
    }

    /// Where work was cut for taking too long: that a limit is past, or that the fiber is to stop, comes first.
    pub(crate) fn or_late(&mut self, exit: Exit) -> Exit {
        match exit {
            Exit::Trap(trap) if trap.kind == TrapKind::Timeout => match self.status() {
                Ok(()) => Exit::Trap(trap),
                Err(late) => {
                    self.vm().trace = None;
                    late
                }
            },
            exit => exit,
        }
    }

    fn dispatch(&mut self) -> Result<(), Exit> {
        let running = std::ptr::from_mut(self).cast();
        let vm = self.vm();
        vm.running = running;
        vm.stack.grow_rows(vm.frames_max);
        let vm = std::ptr::from_mut(vm);
        // SAFETY: `vm` is the state of this fiber's task, and stays where it is while the fiber runs; the innermost
        // frame's `ip` names a step of its function's code.
        unsafe {
            let mut status = Status::Again;
            loop {
                match status {
                    #[cfg(debug_assertions)]
                    Status::Next => {
                        let m = (*vm).machine;
                        status = handler(m)(m.ip, m.s, m.r, m.heap, m.vm, m.row);
                    }
                    Status::Again => {
                        let ip = (*(*vm).stack.frames.innermost).ip;
                        let m = M { ip, vm, ..M::default() }.reload();
                        status = handler(m)(m.ip, m.s, m.r, m.heap, m.vm, m.row);
                    }
                    Status::Returned => return Ok(()),
                    Status::Exit => {
                        return Err((*vm).exit.take().expect("who leaves frames says why"));
                    }
                }
            }
        }
    }
}

/// The handler of the step at `ip`.
unsafe fn handler(m: M) -> Handler {
    // SAFETY: the first word of a step is its handler's address.
    unsafe { std::mem::transmute::<usize, Handler>(*m.ip as usize) }
}
