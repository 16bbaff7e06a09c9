//! Regions of `within`: begun, ended, and cut short where the time is up.
//!
//! A fiber has a list of the limits of its open regions, outermost first. A limit belongs to a frame: a row, or all that
//! native code has above one. Whoever finds a limit past (a wait, the end of a turn, the end of a region) leaves all frames
//! above that of the outermost such limit, and that frame goes on where the limit says. For a row that is the loop around
//! the handlers; native frames ask for each of their own regions, by its place in the list, whether it is that one.

use crate::fiber::{Exit, Running};
use crate::native::Trapped;
use crate::stack::{LIMITED, Limit};
use crate::vm::{Vm, trapped};
use dscript_bytecode::ids::Label;
use dscript_bytecode::trap::TrapKind;

impl Running<'_> {
    /// Begins a region; its place in the list of limits. `None` where its limit is past already.
    pub fn enter_region(&mut self, limit: i64, to: Label) -> Option<usize> {
        let vm = self.vm();
        if limit <= 0 {
            return None;
        }
        let frame = vm.stack.frames.len() - 1;
        let region = vm.next_region;
        vm.next_region += 1;
        let deadline = vm.host.monotonic().saturating_add(limit);
        let temps = vm.stack.temps.len();
        vm.stack.limits.push(Limit { region, frame, deadline, to: to.0, temps });
        vm.stack.frames[frame].special |= LIMITED;
        Some(vm.stack.limits.len() - 1)
    }

    /// Ends the innermost region of the innermost frame.
    pub fn end_region(&mut self) -> Result<(), Exit> {
        let vm = self.vm();
        // Work that nothing interrupts may have gone past the limit.
        match vm.limit_over() {
            Some(limit) => Err(Exit::Limit(limit)),
            None => vm.end_region().map_err(Exit::Trap),
        }
    }

    /// Cancels the region of a limit: frames above its own go, and that goes on at its label.
    pub(crate) fn leave_region(&mut self, limit: usize) {
        let vm = self.vm();
        let Limit { frame, to, .. } = vm.stack.limits[limit];
        while vm.stack.frames.len() > frame + 1 {
            vm.abandon_frame();
        }
        let function = vm.stack.frames[frame].function;
        vm.stack.frames[frame].pc = to;
        vm.stack.frames[frame].ip = vm.program.code(function).ip_of(to);
        vm.cancel_region(limit);
    }

    /// Cancels the region of a limit of a native frame, which goes on by itself.
    pub fn leave_native_region(&mut self, limit: usize) {
        self.vm().cancel_region(limit);
    }

    /// A native frame returns: its regions, which are those from this place on, are no longer open.
    pub fn drop_regions(&mut self, first: usize) {
        self.vm().stack.limits.truncate(first);
    }

    /// How many regions are open.
    pub fn regions_open(&mut self) -> usize {
        self.vm().stack.limits.len()
    }
}

impl Vm {
    fn end_region(&mut self) -> Result<(), Trapped> {
        let frame = self.stack.frames.len() - 1;
        match self.stack.limits.last() {
            Some(limit) if limit.frame == frame => {
                self.stack.limits.pop();
                Ok(())
            }
            _ => Err(trapped(TrapKind::Internal, "a region ends that was not begun")),
        }
    }

    /// Ends the region of a limit with those in it. What was started in one of them was started in this one too, and is
    /// cancelled.
    fn cancel_region(&mut self, limit: usize) {
        let Limit { region, temps, .. } = self.stack.limits[limit];
        self.stack.limits.truncate(limit);
        self.stack.temps.truncate(temps);
        self.host.region_cancelled(region);
        if let Some(shared) = self.shared.upgrade() {
            shared.cancel_region(region);
        }
    }
}
