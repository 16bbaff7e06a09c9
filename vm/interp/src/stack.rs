//! The frames of one fiber over its two register banks.
//!
//! A callee's window begins where its caller's ends. Slots of the reference bank below the top are always
//! valid references: they are roots.

use crate::heap::Ref;
use dscript_bytecode::ids::FunctionId;

/// Slots of either bank of one fiber.
pub(crate) const BANK_SLOTS_MAX: usize = 4 << 20;

/// References that a call zeroes at once.
pub(crate) const ZEROED: usize = 8;

#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Frame {
    /// Where its code goes on, once what runs above has returned.
    pub ip: *const u64,
    pub function: FunctionId,
    /// Not 0: returning from it leaves the dispatch loop rather than going on in the frame below.
    pub entry: u32,
    pub scalars: u32,
    pub refs: u32,
    /// The portable instruction that runs, or whose call runs above; of the innermost frame only known where the
    /// handlers have handed over.
    pub pc: u32,
}

/// An open `within` region.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub region: u64,
    /// The index of its frame.
    pub frame: usize,
    /// On the monotonic clock.
    pub deadline: i64,
    /// Where the frame goes on when it is cancelled.
    pub to: u32,
}

/// An entry into native code: its frames, the one it was entered with included, have no rows but that one.
#[derive(Clone, Copy, Debug)]
pub struct Activation {
    /// The index of the frame it was entered with.
    pub(crate) frame: usize,
    /// Whether the row after that lends its windows to an instruction the interpreter does for the native frame.
    pub(crate) lent: bool,
    /// The native frame that called out last, and its place; what they mean is the engine's.
    pub native_frame: usize,
    pub place: u32,
}

#[derive(Default)]
pub(crate) struct Stack {
    pub scalars: Vec<u64>,
    pub refs: Vec<Ref>,
    pub frames: Vec<Frame>,
    /// Outermost first.
    pub limits: Vec<Limit>,
    /// References that natives keep over allocations.
    pub temps: Vec<Ref>,
    /// Frames there may be until calls must ask for more.
    pub rows_max: usize,
    /// Entries into native code that have not returned, outermost first.
    pub activations: Vec<Activation>,
    /// Calls of native code that have no row in `frames`, less the rows that stand for none.
    pub hidden: isize,
    /// Ends of the innermost window.
    pub scalars_top: usize,
    pub refs_top: usize,
}

impl Stack {
    /// Makes room for one more frame of at most `limit`, those that have no row included.
    pub fn grow_rows(&mut self, limit: usize) {
        let limit = limit.saturating_add_signed(-self.hidden);
        if self.frames.len() == self.frames.capacity() {
            let more = self.frames.len().max(8);
            self.frames.reserve_exact(more.min(limit.saturating_sub(self.frames.len())));
        }
        self.rows_max = self.frames.capacity().min(limit);
    }

    /// Opens a window above the top; false where a bank would exceed its limit. References are zeroed.
    pub fn open(&mut self, scalars: usize, refs: usize) -> bool {
        let (s_end, r_end) = (self.scalars_top + scalars, self.refs_top + refs);
        if s_end > BANK_SLOTS_MAX || r_end > BANK_SLOTS_MAX {
            return false;
        }
        if s_end > self.scalars.len() {
            self.scalars.resize(s_end.max(2 * self.scalars.len()).clamp(32, BANK_SLOTS_MAX), 0);
        }
        // Calls zero some references at once, beyond the window where it is small.
        if r_end + ZEROED > self.refs.len() {
            self.refs.resize((r_end + ZEROED).max((2 * self.refs.len()).clamp(32, BANK_SLOTS_MAX)), 0);
        }
        self.refs[self.refs_top..r_end].fill(0);
        (self.scalars_top, self.refs_top) = (s_end, r_end);
        true
    }

    /// Calls that are nested.
    pub fn depth(&self) -> usize {
        self.frames.len().wrapping_add_signed(self.hidden)
    }

    /// Takes the innermost frame off, with its limits.
    pub fn pop(&mut self) {
        if let Some(frame) = self.frames.pop() {
            (self.scalars_top, self.refs_top) = (frame.scalars as usize, frame.refs as usize);
            while self.limits.last().is_some_and(|l| l.frame >= self.frames.len()) {
                self.limits.pop();
            }
        }
    }
}
