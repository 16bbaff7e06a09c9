//! The frames of one fiber over its two register banks.
//!
//! A callee's window begins where its caller's ends. Slots of the reference bank below the top are always
//! valid references: they are roots.

use crate::heap::Ref;
use crate::memory;
use crate::room::Held;
use dscript_bytecode::ids::FunctionId;

/// Slots of either bank of one fiber.
pub(crate) const BANK_SLOTS_MAX: usize = 4 << 20;

/// References that a call zeroes at once.
pub(crate) const ZEROED: usize = 8;

/// Scalars above the innermost window that a caller may write before the call is done: arguments are made there.
pub(crate) const OUTGOING: usize = 16;

/// A place in either bank, or a number of registers of either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Marks {
    pub scalars: u32,
    pub refs: u32,
}

impl Marks {
    pub fn new(scalars: usize, refs: usize) -> Self {
        Marks { scalars: scalars as u32, refs: refs as u32 }
    }

    #[inline]
    pub fn scalars(self) -> usize {
        self.scalars as usize
    }

    #[inline]
    pub fn refs(self) -> usize {
        self.refs as usize
    }
}

#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Frame {
    /// Where its code goes on, once what runs above has returned.
    pub ip: *const u64,
    /// Where its window begins and ends.
    pub base: Marks,
    pub end: Marks,
    pub function: FunctionId,
    /// Not 0 where returning is more than going on in the frame below.
    pub special: u32,
    /// The portable instruction that runs, where the handlers have handed over. Where a call runs above, `ip` says it.
    pub pc: u32,
}

/// Of a frame: returning from it leaves the dispatch loop.
pub(crate) const ENTRY: u32 = 1;
/// Of a frame: it may have open regions.
pub(crate) const LIMITED: u32 = 2;

/// The frames of a fiber, outermost first. Below them lies a row that is none, where its memory is there at all.
pub(crate) struct Frames {
    rows: Vec<Frame>,
    /// The innermost.
    pub innermost: *mut Frame,
    /// The frame that must ask for more before it calls.
    pub last: *mut Frame,
}

impl Default for Frames {
    fn default() -> Self {
        Frames { rows: Vec::new(), innermost: std::ptr::null_mut(), last: std::ptr::null_mut() }
    }
}

impl Frames {
    /// Makes room for one more; calls ask again beyond `limit`.
    fn grow(&mut self, limit: usize) {
        let len = self.len();
        if len + 1 >= self.rows.len() {
            let none = Frame {
                ip: std::ptr::null(),
                base: Marks::default(),
                end: Marks::default(),
                function: FunctionId(0),
                special: ENTRY,
                pc: 0,
            };
            let more = len.max(8);
            let rows = len + 1 + more.min(limit.saturating_sub(len)).max(1);
            self.rows.reserve_exact(rows - self.rows.len());
            self.rows.resize(rows, none);
        }
        let first = self.rows.as_mut_ptr();
        self.innermost = first.wrapping_add(len);
        self.last = first.wrapping_add(limit.min(self.rows.len() - 1));
    }

    /// Where the innermost window ends.
    #[inline]
    pub fn end(&self) -> Marks {
        // SAFETY: the row below the outermost is one too.
        if self.rows.is_empty() { Marks::default() } else { unsafe { (*self.innermost).end } }
    }

    /// There is room: `Stack::grow_rows` made it.
    pub fn push(&mut self, frame: Frame) {
        let len = self.len();
        self.rows[len + 1] = frame;
        self.innermost = self.rows[len + 1..].as_mut_ptr();
    }

    /// Pushes a frame where there is a row for it; else false.
    #[inline]
    pub fn push_within(&mut self, frame: Frame) -> bool {
        let next = self.innermost.wrapping_add(1);
        if self.rows.is_empty() || next >= self.rows.as_mut_ptr_range().end {
            return false;
        }
        // SAFETY: it is one of the rows.
        unsafe { next.write(frame) };
        self.innermost = next;
        true
    }

    pub fn pop(&mut self) -> Option<Frame> {
        let frame = self.last().copied()?;
        self.innermost = self.innermost.wrapping_sub(1);
        Some(frame)
    }

    /// Takes one off; there is one.
    #[inline]
    pub fn drop_last(&mut self) {
        debug_assert!(!self.is_empty());
        self.innermost = self.innermost.wrapping_sub(1);
    }

    /// The window of the innermost frame, where there is one, ends here in the bank of references.
    #[inline]
    pub fn end_refs_at(&mut self, top: usize) {
        if !self.rows.is_empty() {
            // SAFETY: the row below the outermost is one too.
            unsafe { (*self.innermost).end.refs = top as u32 };
        }
    }

    pub fn truncate(&mut self, len: usize) {
        if len < self.len() {
            self.innermost = self.rows[len..].as_mut_ptr();
        }
    }
}

impl std::ops::Deref for Frames {
    type Target = [Frame];
    #[inline]
    fn deref(&self) -> &[Frame] {
        if self.rows.is_empty() {
            return &[];
        }
        let first = self.rows.as_ptr();
        let len = (self.innermost as usize - first as usize) / size_of::<Frame>();
        debug_assert!(len < self.rows.len());
        // SAFETY: `innermost` names one of the rows.
        unsafe { std::slice::from_raw_parts(first.add(1), len) }
    }
}

impl std::ops::DerefMut for Frames {
    #[inline]
    fn deref_mut(&mut self) -> &mut [Frame] {
        let len = self.len();
        self.rows.get_mut(1..1 + len).unwrap_or_default()
    }
}

/// An open `within` region.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub region: u64,
    /// The index of its frame; of a native one, that of the frame which native code was entered with.
    pub frame: usize,
    /// On the monotonic clock.
    pub deadline: i64,
    /// Where the frame goes on when it is cancelled.
    pub to: u32,
    /// Temporaries that were there when it began.
    pub temps: usize,
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
    pub frames: Frames,
    /// Where a window may end without asking for more.
    pub room: Marks,
    /// Outermost first.
    pub limits: Vec<Limit>,
    /// References that natives keep over allocations.
    pub temps: Vec<Ref>,
    /// Entries into native code that have not returned, outermost first.
    pub activations: Vec<Activation>,
    /// Calls of native code that have no row in `frames`, less the rows that stand for none.
    pub hidden: isize,
    /// What of it, and of the fiber's native stack, counts for the task's memory.
    pub held: Option<Held>,
}

impl Stack {
    /// Makes room for one more frame of at most `limit`, those that have no row included.
    pub fn grow_rows(&mut self, limit: usize) {
        self.frames.grow(limit.saturating_add_signed(-self.hidden));
    }

    /// The window of so many registers above the innermost; `None` where a bank would exceed its limit. References
    /// are zeroed.
    pub fn window(&mut self, scalars: usize, refs: usize) -> Option<(Marks, Marks)> {
        let base = self.frames.end();
        let (s_end, r_end) = (base.scalars() + scalars, base.refs() + refs);
        if s_end > BANK_SLOTS_MAX || r_end > BANK_SLOTS_MAX {
            return None;
        }
        if s_end + OUTGOING > self.scalars.len() {
            let more = (2 * self.scalars.len()).clamp(32, BANK_SLOTS_MAX);
            self.scalars.resize((s_end + OUTGOING).max(more), 0);
        }
        // Calls zero some references at once, beyond the window where it is small.
        if r_end + ZEROED > self.refs.len() {
            self.refs.resize((r_end + ZEROED).max((2 * self.refs.len()).clamp(32, BANK_SLOTS_MAX)), 0);
        }
        // Fewer than the limit, so that a call that needs more than that comes here.
        let most = |len: usize, beyond: usize| (len - beyond).min(BANK_SLOTS_MAX);
        self.room = Marks::new(most(self.scalars.len(), OUTGOING), most(self.refs.len(), ZEROED));
        self.refs[base.refs()..r_end].fill(0);
        Some((base, Marks::new(s_end, r_end)))
    }

    /// The window of so many scalars and no references above the innermost, where the banks need not grow for it.
    #[inline]
    pub fn window_within(&self, scalars: usize) -> Option<(Marks, Marks)> {
        let base = self.frames.end();
        let end = Marks { scalars: base.scalars + scalars as u32, ..base };
        let fits = end.scalars() + OUTGOING <= self.scalars.len() && end.refs() + ZEROED <= self.refs.len();
        (fits && end.scalars() <= BANK_SLOTS_MAX).then_some((base, end))
    }

    /// Bytes of memory that it has.
    pub fn bytes(&self) -> usize {
        // Native code writes beyond what it has said to be in use.
        let end = self.refs.as_ptr_range().end.addr();
        let room = (self.refs.capacity() - self.refs.len()) * size_of::<Ref>();
        self.bytes_in_use() + memory::touched(end..end + room, false)
    }

    /// The same without what native code may have used.
    pub fn bytes_in_use(&self) -> usize {
        8 * self.scalars.len() + size_of_val(&self.refs[..]) + self.frames.rows.len() * size_of::<Frame>()
    }

    /// References below this are roots.
    pub fn refs_top(&self) -> usize {
        self.frames.end().refs()
    }

    /// Calls that are nested.
    pub fn depth(&self) -> usize {
        self.frames.len().wrapping_add_signed(self.hidden)
    }

    /// Takes the innermost frame off, with its limits.
    pub fn pop(&mut self) {
        if self.frames.pop().is_some() {
            while self.limits.last().is_some_and(|l| l.frame >= self.frames.len()) {
                self.limits.pop();
            }
        }
    }
}
