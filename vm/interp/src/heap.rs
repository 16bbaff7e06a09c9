//! The heap of one task: 8-byte words, bump allocation, a nursery and an old part, collected by copying.
//!
//! A reference is the index of an object's header word; 0 is null. A header is a tag (low half) and a length
//! (high half). Tags below `FIRST_RAW` are types of the image, whose objects have a fixed size:
//!   struct   header | scalar slots, a word each | reference slots, two to a word
//!   list     header | size, version | backing
//!   map, set header | live, version | used, first | index, hashes | keys, values
//!   handle   header | row of the task's table of resources
//! Raw tags: `STRING` (length in bytes) header | code points, cached hash | bytes, zero-padded;
//! `SLICE` (length in bytes) header | code points, cached hash | a `BUFFER` or `STRING` | first byte in it, a String
//! too;
//! `BUFFER` (capacity in bytes) header | bytes in use | bytes;
//! `BYTES` header | bytes, zero-padded; `SCALARS` header | words; `BOOLS` (length in bytes) header | bytes of 0 or 1;
//! `REFS` header | references, two to a word. The first of two halves or references is the low one.
//!
//! Memory is one buffer: `[1, old_top)` holds old objects, `[young, cap)` is the nursery, and what lies between is
//! room for survivors. Objects are made in the window `[next, end)`, which is the nursery or, for what is too
//! large for that, a stretch of the old part; then the nursery is empty. So a fresh object needs no write barrier,
//! and every other store of a reference does: a slot below `young` that gets a reference from `young` on must be
//! `remember`ed (`store_ref` does both), but where it had one before: then it was.
//!
//! Allocation never collects by itself: whoever needs room asks `Vm::reserve` first, which may move every
//! object and the buffer, then reads its references anew and allocates. So no native can hold a stale reference by
//! accident between two allocations.
//!
//! Machine code and the interpreter's handlers reach `base`, `next`, `end` and `young` directly.
//!
//! # Safety
//! References in registers and objects are made by allocation here and moved by the collector only; the verifier
//! has shown that each register and slot holds one of its declared type. So indices derived from a reference
//! and its type lie within its object. Debug builds check them against the buffer.

use crate::collector::Collector;
use crate::memory::Buffer;
use crate::room::Room;
use crate::walks::Walks;

pub(crate) type Ref = u32;

pub(crate) const FORWARD: u32 = u32::MAX;
pub(crate) const STRING: u32 = u32::MAX - 1;
pub(crate) const BYTES: u32 = u32::MAX - 2;
pub(crate) const SCALARS: u32 = u32::MAX - 3;
pub(crate) const REFS: u32 = u32::MAX - 4;
pub(crate) const BOOLS: u32 = u32::MAX - 5;
pub(crate) const SLICE: u32 = u32::MAX - 6;
pub(crate) const BUFFER: u32 = u32::MAX - 7;
pub(crate) const FIRST_RAW: u32 = u32::MAX - 15;

/// Words of the nursery at first and at most.
const NURSERY_LEAST: usize = 4 << 10;
const NURSERY_MOST: usize = 256 << 10;
/// Words that the nursery of a program grows to which allocates much, as long as next to nothing of it survives: a part of
/// what a processor has beside it.
const NURSERY_BUSY: usize = 32 << 10;
/// Collections of a nursery in one turn of the program that make it larger.
const OFTEN: u32 = 8;
/// Words of the old part that are the least after a full collection.
const OLD_LEAST: usize = 32 << 10;
/// Remembered slots until repeated ones are taken out.
const REMEMBERED_LEAST: usize = 1 << 12;
pub(crate) const SLICE_WORDS: usize = 4;

/// What the collector knows of the objects of a type.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shape {
    /// With the header; 0 where the type has no objects of its own.
    pub words: u32,
    /// The word where the references begin.
    pub first: u32,
    pub refs: u32,
    pub handle: bool,
}

pub(crate) struct Heap {
    buffer: Buffer,
    /// Where it lies.
    pub base: *mut u64,
    /// The window where objects are made, in words.
    pub next: usize,
    /// `next` or less where every allocation is to collect first, beyond the buffer where none is.
    pub end: usize,
    /// Where the nursery begins; old objects lie below.
    pub young: usize,
    /// Where the window really ends.
    window_end: usize,
    /// The end of the old objects while the window is the nursery.
    old_top: usize,
    /// Words of the buffer that are used; it may have more.
    cap: usize,
    /// The window lies in the old part.
    in_old: bool,
    /// No collection for a while: the buffer grows instead.
    suspended: bool,
    /// Collects at every allocation.
    pub stress: bool,
    /// Words that may be live, together with what the task has beside the heap.
    limit: usize,
    /// What the task has beside the heap.
    pub room: Room,
    /// Slots of old objects that may hold references to young ones, counted in references.
    remembered: Vec<usize>,
    remembered_max: usize,
    /// Handles in the nursery.
    young_handles: Vec<Ref>,
    pub collections: u64,
    /// Of the nursery, since the turn began or it grew.
    in_turn: u32,
    /// Where code points of the texts lie that were walked last.
    pub(crate) walks: Walks,
}

pub(crate) fn header(tag: u32, len: u32) -> u64 {
    u64::from(tag) | u64::from(len) << 32
}

pub(crate) fn low(word: u64) -> u32 {
    word as u32
}

pub(crate) fn high(word: u64) -> u32 {
    (word >> 32) as u32
}

pub(crate) fn pair(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

pub(crate) fn string_words(bytes: usize) -> usize {
    2 + bytes.div_ceil(8)
}

pub(crate) fn bytes_words(bytes: usize) -> usize {
    1 + bytes.div_ceil(8)
}

pub(crate) fn refs_words(refs: usize) -> usize {
    1 + refs.div_ceil(2)
}

impl Heap {
    pub fn new(limit_bytes: u64) -> Self {
        // References are 32 bits; the last few tags are never indices.
        let limit = (limit_bytes / 8).clamp(64, u64::from(FIRST_RAW) / 2) as usize;
        // At first all is nursery, so that a small task touches little memory.
        let cap = NURSERY_LEAST;
        let buffer = Buffer::new(cap);
        let mut heap = Self {
            base: buffer.base,
            buffer,
            next: 1,
            end: cap,
            young: 1,
            window_end: cap,
            old_top: 1,
            cap,
            in_old: false,
            suspended: false,
            stress: false,
            limit,
            room: Room::new(8 * limit),
            remembered: Vec::new(),
            remembered_max: REMEMBERED_LEAST,
            young_handles: Vec::new(),
            collections: 0,
            in_turn: 0,
            walks: Walks::default(),
        };
        // Reading through null finds an object without parts.
        heap.set_word(0, 0, header(SCALARS, 0));
        heap
    }

    pub fn limit_bytes(&self) -> u64 {
        self.limit as u64 * 8
    }

    /// Words in use, garbage included.
    pub fn used(&self) -> usize {
        if self.in_old { self.next } else { self.old_top + self.next - self.young }
    }

    #[inline]
    pub fn has_room(&self, words: usize) -> bool {
        words <= self.end.saturating_sub(self.next)
    }

    /// Whether so many words from one on, at or behind the next free one, are free.
    #[inline]
    pub fn is_free(&self, from: usize, words: usize) -> bool {
        from + words <= self.window_end
    }

    /// Whether so many bytes from a place in the buffer on are its own.
    #[inline]
    pub fn reaches(&self, from: *const u8, bytes: usize) -> bool {
        from as usize + bytes <= self.base as usize + 8 * self.cap
    }

    /// Lets allocations grow the heap for a while instead of collecting.
    pub fn suspend_collection(&mut self) {
        self.suspended = true;
        self.end = usize::MAX;
    }

    pub fn resume_collection(&mut self) {
        self.suspended = false;
        self.set_end();
    }

    fn set_end(&mut self) {
        self.end = match (self.suspended, self.stress) {
            (true, _) => usize::MAX,
            (_, true) => 0,
            _ => self.window_end,
        };
    }

    pub fn set_stress(&mut self) {
        self.stress = true;
        self.set_end();
    }

    /// Makes an object of `words` words with the header; the rest is zero. Room was reserved.
    #[inline]
    pub fn allocate(&mut self, tag: u32, len: u32, words: usize) -> Ref {
        let at = self.allocate_raw(tag, len, words);
        // SAFETY: the object lies within the window.
        unsafe { self.base.add(at as usize + 1).write_bytes(0, words - 1) };
        at
    }

    /// As `allocate`, with words of whatever was there before: the caller fills all of them at once.
    #[inline]
    pub fn allocate_raw(&mut self, tag: u32, len: u32, words: usize) -> Ref {
        if words > self.window_end - self.next {
            self.extend(words);
        }
        let at = self.next;
        self.next += words;
        self.set_word(at as Ref, 0, header(tag, len));
        at as Ref
    }

    /// Makes an array longer where it lies, which it can be where it was made last and there is room behind it. What is new of
    /// one of references is zero.
    pub fn lengthen(&mut self, array: Ref, len: usize, from: usize, to: usize) -> bool {
        let (end, more) = (array as usize + from, to - from);
        // An array that ends where the empty nursery begins is none of that.
        let is_last = end == self.next && (array as usize >= self.young || self.in_old && array != 0);
        let fits = self.has_room(more) && more <= self.window_end - end;
        if !is_last || !fits && !self.lengthen_window(more) {
            return false;
        }
        if self.tag(array) == REFS {
            // SAFETY: what follows the array lies within the window.
            unsafe { self.base.add(end).write_bytes(0, more) };
        }
        self.set_word(array, 0, header(self.tag(array), len as u32));
        self.next = end + more;
        true
    }

    /// Makes a window in the old part longer, if it has room for so many words then.
    fn lengthen_window(&mut self, words: usize) -> bool {
        let (end, nursery) = (self.next + words, self.cap - self.young);
        let fits = self.in_old && !self.stress && end + nursery / 2 <= self.young;
        if fits {
            self.window_end = end;
            self.set_end();
        }
        fits
    }

    /// Makes the nursery larger, as its end is the buffer's.
    #[cold]
    fn extend(&mut self, words: usize) {
        assert!(self.suspended, "room is reserved before it is used");
        self.leave_old();
        if self.cap - self.next < words {
            let cap = self.next + words.max(NURSERY_LEAST) * 2;
            assert!(cap < FIRST_RAW as usize, "a heap has fewer words than references can name");
            self.resize(cap);
        }
        self.window_end = self.cap;
        self.set_end();
    }

    fn resize(&mut self, cap: usize) {
        self.buffer.fit(cap);
        (self.base, self.cap) = (self.buffer.base, cap);
    }

    fn leave_old(&mut self) {
        if self.in_old {
            (self.old_top, self.next, self.in_old) = (self.next, self.young, false);
        }
    }

    /// A window of so many words without a collection, where the nursery is empty or large enough.
    fn open_window(&mut self, words: usize) -> bool {
        let nursery = self.cap - self.young;
        if words <= self.cap - self.next {
            self.window_end = self.cap;
        } else if self.next == self.young && self.old_top + words + nursery / 2 <= self.young {
            (self.next, self.window_end, self.in_old) = (self.old_top, self.old_top + words, true);
        } else {
            return false;
        }
        self.set_end();
        true
    }

    /// The program begins a turn.
    pub fn begin_turn(&mut self) {
        self.in_turn = 0;
    }

    /// For native code, which allocates by itself: where the words lie, the next free one, the end of the window, and
    /// where the nursery begins.
    #[inline]
    pub fn native_view(&self) -> (*mut u64, usize, usize, usize) {
        let read = |word: &usize| {
            // SAFETY: a reference. One word at a time: two that lie side by side, read at once just after one of them
            // was written, would wait for that.
            unsafe { std::ptr::from_ref(word).read_volatile() }
        };
        (self.base, read(&self.next), read(&self.end), read(&self.young))
    }

    /// Takes over what native code has made: `top` lies within the window.
    pub fn set_native_top(&mut self, top: usize) {
        debug_assert!((self.next..=self.window_end).contains(&top));
        self.next = top;
    }

    // ---- collections ----

    /// Whether the survivors of the nursery are sure to fit; else a full collection is due.
    pub fn can_collect_young(&self) -> bool {
        !self.in_old && self.old_top + (self.next - self.young) <= self.young
    }

    /// Finds room without collecting: a stretch of the old part that was begun is left.
    pub fn find_room(&mut self, words: usize) -> bool {
        if self.stress || !self.in_old {
            self.leave_old();
            return false;
        }
        self.leave_old();
        self.open_window(words)
    }

    /// Begins to move the survivors of the nursery to the old part; `finish_young` ends it.
    pub fn begin_young(&mut self) -> Collector {
        Collector {
            from: self.base,
            low: self.young,
            to: self.base,
            next: self.old_top,
            scanned: self.old_top,
            handles: Vec::new(),
            slices: None,
        }
    }

    /// The slots outside the nursery that refer to it.
    pub fn forward_remembered(&mut self, collector: &mut Collector, shapes: &[Shape]) {
        for slot in std::mem::take(&mut self.remembered) {
            // SAFETY: the slot was within an old object, and those have not moved since.
            let slot = unsafe { &mut *self.base.cast::<Ref>().add(slot) };
            collector.forward(shapes, slot);
        }
    }

    /// Takes the survivors over. Gives the resource rows of the handles that died, and whether `words` now fit.
    pub fn finish_young(&mut self, collector: &Collector, words: usize) -> (Vec<u32>, bool) {
        let dead = self.young_handles.iter().filter(|handle| self.tag(**handle) != FORWARD);
        let dead = dead.map(|handle| self.word(*handle, 1) as u32).collect();
        self.young_handles.clear();
        let survived = collector.next - self.old_top;
        self.old_top = collector.next;
        self.next = self.young;
        self.collections += 1;
        self.in_turn += 1;
        let nursery = self.cap - self.young;
        // A nursery whose objects survive is too small for the program, and so is one that is full all the time.
        let survive = survived > nursery / 4 && nursery < NURSERY_MOST;
        let often = self.in_turn >= OFTEN && nursery < NURSERY_BUSY;
        if survive || often {
            self.resize(self.young + 2 * nursery);
            self.in_turn = 0;
        }
        (dead, self.open_window(words))
    }

    /// Begins a full collection, to a buffer of its own; `finish_full` ends it.
    pub fn begin_full(&mut self, words: usize) -> (Collector, Buffer) {
        let used = self.used();
        let buffer = Buffer::new(used + words + NURSERY_MOST);
        let to = buffer.base;
        // SAFETY: the buffer has more than one word.
        unsafe { *to = header(SCALARS, 0) };
        self.remembered.clear();
        self.young_handles.clear();
        let slices = Some(Vec::new());
        let collector =
            Collector { from: self.base, low: 1, to, next: 1, scanned: 1, handles: Vec::new(), slices };
        (collector, buffer)
    }

    /// Takes the survivors over. False when they and `words` more exceed the limit.
    pub fn finish_full(&mut self, collector: &Collector, buffer: Buffer, words: usize) -> bool {
        // Nothing refers to the old one any more.
        self.buffer = buffer;
        self.collections += 1;
        let live = collector.next;
        self.room.set_live(8 * live);
        let limit = self.limit.saturating_sub(self.room.beside() / 8);
        let fits = live + words <= limit;
        let nursery = (live / 4).clamp(NURSERY_LEAST, NURSERY_MOST);
        let wanted = live + if fits { words } else { 0 };
        // With more room there are fewer collections. Much has more, as long as that is a small part of what the task may have.
        let plenty = if wanted < NURSERY_MOST { 0 } else { (4 * wanted).min(limit / 4) };
        let room = plenty.max(2 * wanted).max(OLD_LEAST).min(limit) + nursery;
        self.young = room.max(wanted + nursery);
        self.resize(self.young + nursery);
        (self.old_top, self.next, self.in_old) = (live, self.young, false);
        self.remembered_max = REMEMBERED_LEAST;
        let open = self.open_window(if fits { words } else { 0 });
        debug_assert!(open, "a full collection makes room");
        fits
    }

    /// Stores a reference in a slot, counted in references from the buffer's begin.
    #[inline]
    fn store_ref(&mut self, slot: usize, value: Ref) {
        debug_assert!(slot / 2 < self.cap);
        // SAFETY: the slot lies within an object.
        let before = unsafe { self.base.cast::<Ref>().add(slot).replace(value) };
        if value as usize >= self.young && slot / 2 < self.young && (before as usize) < self.young {
            self.remember(slot);
        }
    }

    /// Notes a slot of an old object that got a reference to a young one.
    #[cold]
    #[inline(never)]
    pub fn remember(&mut self, slot: usize) {
        self.remembered.push(slot);
        if self.remembered.len() >= self.remembered_max {
            self.remembered.sort_unstable();
            self.remembered.dedup();
            self.remembered_max = (2 * self.remembered.len()).max(REMEMBERED_LEAST);
        }
    }

    pub fn new_handle(&mut self, tag: u32, row: usize) -> Ref {
        let object = self.allocate(tag, 0, 2);
        self.set_word(object, 1, row as u64);
        if object as usize >= self.young {
            self.young_handles.push(object);
        }
        object
    }

    // ---- objects ----

    #[inline]
    pub fn tag(&self, object: Ref) -> u32 {
        low(self.word(object, 0))
    }

    /// Bytes, words or references, by tag.
    #[inline]
    pub fn len(&self, object: Ref) -> usize {
        high(self.word(object, 0)) as usize
    }

    #[inline]
    pub fn word(&self, object: Ref, index: usize) -> u64 {
        debug_assert!(object as usize + index < self.cap);
        // SAFETY: the index lies within an object of its type.
        unsafe { *self.base.add(object as usize + index) }
    }

    /// Has a word brought near, where the CPU can do that without waiting for it.
    #[inline(always)]
    pub fn ask_for(&self, object: Ref, index: usize) {
        let word = self.base.wrapping_add(object as usize + index);
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: every CPU of the target has the instruction, which reads nothing, whatever the address is.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(word.cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = word;
    }

    #[inline]
    pub fn set_word(&mut self, object: Ref, index: usize, value: u64) {
        debug_assert!(object as usize + index < self.cap);
        // SAFETY: as `word`.
        unsafe { *self.base.add(object as usize + index) = value }
    }

    /// The words of a `SCALARS` array.
    pub fn scalars(&self, array: Ref) -> &[u64] {
        let len = self.len(array);
        // SAFETY: a `SCALARS` object has so many words after its header, and the word 0 is one without any.
        unsafe { std::slice::from_raw_parts(self.base.add(array as usize + 1), len) }
    }

    pub fn scalars_mut(&mut self, array: Ref) -> &mut [u64] {
        let len = self.len(array);
        // SAFETY: a `SCALARS` object has so many words after its header.
        unsafe { std::slice::from_raw_parts_mut(self.base.add(array as usize + 1), len) }
    }

    /// The bytes of a `BOOLS` array.
    pub fn bools(&self, array: Ref) -> &[u8] {
        let len = self.len(array);
        // SAFETY: a `BOOLS` object has so many bytes after its header, and the word 0 is one without any.
        unsafe { std::slice::from_raw_parts(self.base.add(array as usize + 1).cast(), len) }
    }

    /// As `bools`.
    pub fn bools_mut(&mut self, array: Ref) -> &mut [u8] {
        let len = self.len(array);
        // SAFETY: a `BOOLS` object has so many bytes after its header.
        unsafe { std::slice::from_raw_parts_mut(self.base.add(array as usize + 1).cast(), len) }
    }

    #[inline]
    pub fn bool_at(&self, array: Ref, index: usize) -> u8 {
        debug_assert!(index < self.len(array));
        // SAFETY: the index is below the array's length.
        unsafe { *self.base.add(array as usize + 1).cast::<u8>().add(index) }
    }

    /// The reference at `index` of those that begin at word `first` of an object.
    #[inline]
    pub fn ref_at(&self, object: Ref, first: usize, index: usize) -> Ref {
        let slot = 2 * (object as usize + first) + index;
        debug_assert!(slot / 2 < self.cap);
        // SAFETY: the slot lies within an object.
        unsafe { *self.base.cast::<Ref>().add(slot) }
    }

    #[inline]
    pub fn set_ref_at(&mut self, object: Ref, first: usize, index: usize, value: Ref) {
        self.store_ref(2 * (object as usize + first) + index, value);
    }

    /// Half of a word that is no reference, in arrays of numbers.
    #[inline]
    pub fn set_half_at(&mut self, array: Ref, index: usize, value: u32) {
        debug_assert!(index / 2 < self.len(array));
        // SAFETY: the index is below the array's length.
        unsafe { *self.base.add(array as usize + 1).cast::<u32>().add(index) = value };
    }

    /// Moves `count` words, bytes or references of an array, within it or from one to another.
    pub fn copy_scalars(&mut self, from: Ref, at: usize, to: Ref, to_at: usize, count: usize) {
        debug_assert!(at + count <= self.len(from) && to_at + count <= self.len(to));
        // SAFETY: both ranges lie within their arrays.
        unsafe {
            let source = self.base.add(from as usize + 1 + at);
            source.copy_to(self.base.add(to as usize + 1 + to_at), count);
        }
    }

    pub fn copy_bools(&mut self, from: Ref, at: usize, to: Ref, to_at: usize, count: usize) {
        debug_assert!(at + count <= self.len(from) && to_at + count <= self.len(to));
        // SAFETY: both ranges lie within their arrays.
        unsafe {
            let source = self.base.add(from as usize + 1).cast::<u8>().add(at);
            source.copy_to(self.base.add(to as usize + 1).cast::<u8>().add(to_at), count);
        }
    }

    pub fn copy_refs(&mut self, from: Ref, at: usize, to: Ref, to_at: usize, count: usize) {
        debug_assert!(at + count <= self.len(from) && to_at + count <= self.len(to));
        let target = 2 * (to as usize + 1) + to_at;
        // SAFETY: both ranges lie within their arrays.
        unsafe {
            let source = self.base.add(from as usize + 1).cast::<Ref>().add(at);
            source.copy_to(self.base.cast::<Ref>().add(target), count);
        }
        if (to as usize) < self.young && self.next > self.young {
            for slot in target..target + count {
                // SAFETY: the slot lies within the array.
                if unsafe { *self.base.cast::<Ref>().add(slot) } as usize >= self.young {
                    self.remember(slot);
                }
            }
        }
    }
}
