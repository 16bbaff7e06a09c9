//! The heap of one task: 8-byte words, bump allocation, a nursery and an old part, collected by copying.
//!
//! A reference is the index of an object's header word; 0 is null. A header is a tag (low half) and a length
//! (high half). Tags below `FIRST_RAW` are types of the image, whose objects have a fixed size:
//!   struct   header | scalar slots, a word each | reference slots, two to a word
//!   list     header | size, version | backing
//!   map, set header | live, version | used | index, hashes | keys, values
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
//! `remember`ed (`store_ref` does both).
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

use crate::memory;
use rustc_hash::FxHashMap;
use std::cmp::Ordering;

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
/// Words of the old part that are the least after a full collection.
const OLD_LEAST: usize = 32 << 10;
/// Remembered slots until repeated ones are taken out.
const REMEMBERED_LEAST: usize = 1 << 12;
pub(crate) const SLICE_WORDS: usize = 4;
/// Pieces of a text of so many bytes and more share its bytes. A full collection gives them bytes of their own where
/// little else of the text is in use.
const SHARED_LEAST: usize = 64;

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
    cap: usize,
    /// The window lies in the old part.
    in_old: bool,
    /// No collection for a while: the buffer grows instead.
    suspended: bool,
    /// Collects at every allocation.
    pub stress: bool,
    /// Words that may be live.
    limit: usize,
    /// Slots of old objects that may hold references to young ones, counted in references.
    remembered: Vec<usize>,
    remembered_max: usize,
    /// Handles in the nursery.
    young_handles: Vec<Ref>,
    pub collections: u64,
}

fn header(tag: u32, len: u32) -> u64 {
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

/// Words of a piece of a text.
pub(crate) fn piece_words(bytes: usize) -> usize {
    if bytes < SHARED_LEAST { string_words(bytes) } else { SLICE_WORDS }
}

pub(crate) fn bytes_words(bytes: usize) -> usize {
    1 + bytes.div_ceil(8)
}

pub(crate) fn refs_words(refs: usize) -> usize {
    1 + refs.div_ceil(2)
}

impl Drop for Heap {
    fn drop(&mut self) {
        // SAFETY: the buffer is of so many words, and nothing refers to it any more.
        unsafe { memory::free(self.base, self.cap) };
    }
}

impl Heap {
    pub fn new(limit_bytes: u64) -> Self {
        // References are 32 bits; the last few tags are never indices.
        let limit = (limit_bytes / 8).clamp(64, u64::from(FIRST_RAW) / 2) as usize;
        // At first all is nursery, so that a small task touches little memory.
        let cap = NURSERY_LEAST;
        let mut heap = Self {
            base: memory::allocate(cap),
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
            remembered: Vec::new(),
            remembered_max: REMEMBERED_LEAST,
            young_handles: Vec::new(),
            collections: 0,
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
        // SAFETY: the buffer is of `self.cap` words.
        self.base = unsafe { memory::resize(self.base, self.cap, cap) };
        self.cap = cap;
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

    /// For native code, which allocates by itself: where the words lie, the next free one, the end of the window, and
    /// where the nursery begins.
    pub fn native_view(&self) -> (*mut u64, usize, usize, usize) {
        (self.base, self.next, self.end, self.young)
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
        let nursery = self.cap - self.young;
        // A nursery whose objects survive is too small for the program.
        if survived > nursery / 4 && nursery < NURSERY_MOST {
            self.resize(self.young + 2 * nursery);
        }
        (dead, self.open_window(words))
    }

    /// Begins a full collection; `finish_full` ends it.
    pub fn begin_full(&mut self, words: usize) -> Collector {
        let used = self.used();
        let to = memory::allocate(used + words + NURSERY_MOST);
        // SAFETY: the buffer has more than one word.
        unsafe { *to = header(SCALARS, 0) };
        self.remembered.clear();
        self.young_handles.clear();
        let slices = Some(Vec::new());
        Collector { from: self.base, low: 1, to, next: 1, scanned: 1, handles: Vec::new(), slices }
    }

    /// Takes the survivors over. False when they and `words` more exceed the limit.
    pub fn finish_full(&mut self, collector: &Collector, words: usize) -> bool {
        let cap = self.used() + words + NURSERY_MOST;
        // SAFETY: nothing refers to the old buffer any more, which is of so many words.
        unsafe { memory::free(self.base, self.cap) };
        (self.base, self.cap) = (collector.to, cap);
        self.collections += 1;
        let live = collector.next;
        let fits = live + words <= self.limit;
        let nursery = (live / 4).clamp(NURSERY_LEAST, NURSERY_MOST);
        let wanted = live + if fits { words } else { 0 };
        let room = (2 * wanted).max(OLD_LEAST).min(self.limit) + nursery;
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
        unsafe { *self.base.cast::<Ref>().add(slot) = value };
        if value as usize >= self.young && slot / 2 < self.young {
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

    #[inline]
    pub fn set_word(&mut self, object: Ref, index: usize, value: u64) {
        debug_assert!(object as usize + index < self.cap);
        // SAFETY: as `word`.
        unsafe { *self.base.add(object as usize + index) = value }
    }

    pub fn scalars_mut(&mut self, array: Ref) -> &mut [u64] {
        let len = self.len(array);
        // SAFETY: a `SCALARS` object has so many words after its header.
        unsafe { std::slice::from_raw_parts_mut(self.base.add(array as usize + 1), len) }
    }

    /// The bytes of a `BOOLS` array.
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

    // ---- texts ----

    #[inline]
    pub fn string(&mut self, text: &str) -> Ref {
        self.string_of(text.as_bytes(), code_points(text.as_bytes()))
    }

    /// A String of bytes that are UTF-8 of so many code points.
    #[inline]
    pub fn string_of(&mut self, bytes: &[u8], points: u32) -> Ref {
        let words = string_words(bytes.len());
        let object = self.allocate_raw(STRING, bytes.len() as u32, words);
        self.set_word(object, 1, u64::from(points));
        self.fill(object, 2, words, bytes);
        object
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> Ref {
        let words = bytes_words(bytes.len());
        let object = self.allocate_raw(BYTES, bytes.len() as u32, words);
        self.fill(object, 1, words, bytes);
        object
    }

    #[inline]
    fn fill(&mut self, object: Ref, first: usize, words: usize, bytes: &[u8]) {
        if words > first {
            self.set_word(object, words - 1, 0);
        }
        // SAFETY: the object has room for the bytes, and they lie outside it.
        unsafe {
            let target = self.base.add(object as usize + first).cast::<u8>();
            target.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
    }

    #[inline]
    pub fn code_points(&self, string: Ref) -> usize {
        low(self.word(string, 1)) as usize
    }

    #[inline]
    pub fn is_ascii(&self, string: Ref) -> bool {
        self.code_points(string) == self.len(string)
    }

    #[inline]
    pub fn is_string(&self, object: Ref) -> bool {
        matches!(self.tag(object), STRING | SLICE)
    }

    /// Where the bytes of a String or Bytes begin.
    #[inline]
    pub fn text_start(&self, object: Ref) -> *const u8 {
        let at = object as usize;
        // SAFETY: the words lie within the object, and a slice within its buffer.
        unsafe {
            match self.tag(object) {
                STRING => self.base.add(at + 2).cast(),
                SLICE => {
                    let buffer = low(self.word(object, 2)) as usize;
                    self.base.add(buffer + 2).cast::<u8>().add(self.word(object, 3) as usize)
                }
                _ => self.base.add(at + 1).cast(),
            }
        }
    }

    /// The bytes of a String or Bytes.
    #[inline]
    pub fn text_bytes(&self, object: Ref) -> &[u8] {
        // SAFETY: a text has as many bytes as its header says.
        unsafe { std::slice::from_raw_parts(self.text_start(object), self.len(object)) }
    }

    #[inline]
    pub fn text(&self, string: Ref) -> &str {
        debug_assert!(std::str::from_utf8(self.text_bytes(string)).is_ok());
        // SAFETY: Strings are made from UTF-8 and cut between code points only.
        unsafe { std::str::from_utf8_unchecked(self.text_bytes(string)) }
    }

    pub fn byte(&self, object: Ref, index: usize) -> u8 {
        self.text_bytes(object)[index]
    }

    #[inline]
    pub fn same_text(&self, a: Ref, b: Ref) -> bool {
        let (head, other) = (self.word(a, 0), self.word(b, 0));
        if high(head) != high(other) {
            return false;
        }
        // Bytes that lie in the objects are padded to words.
        if low(head) == STRING && low(other) == STRING && high(head) < 64 {
            return (2..string_words(high(head) as usize))
                .all(|word| self.word(a, word) == self.word(b, word));
        }
        self.text_bytes(a) == self.text_bytes(b)
    }

    /// By code points, which is the order of the bytes.
    pub fn compare_text(&self, a: Ref, b: Ref) -> Ordering {
        self.text_bytes(a).cmp(self.text_bytes(b))
    }

    /// Never 0; kept with the String.
    #[inline]
    pub fn text_hash(&mut self, object: Ref) -> u32 {
        let is_string = self.is_string(object);
        if is_string && high(self.word(object, 1)) != 0 {
            return high(self.word(object, 1));
        }
        let hash = bytes_hash(self.text_bytes(object));
        if is_string {
            self.set_word(object, 1, pair(self.code_points(object) as u32, hash));
        }
        hash
    }

    /// Copies bytes of text `from` into text `to`.
    #[inline]
    pub fn copy_text(&mut self, from: Ref, at: usize, count: usize, to: Ref, to_at: usize) {
        debug_assert!(at + count <= self.len(from) && to_at + count <= self.len(to));
        // SAFETY: both ranges lie within their texts.
        unsafe {
            let target = self.text_start(to).cast_mut().add(to_at);
            target.copy_from(self.text_start(from).add(at), count);
        }
    }

    /// A text of the bytes of several, which are so many with so many code points; room for it was reserved.
    #[inline]
    pub fn new_text(&mut self, bytes: usize, points: usize) -> Ref {
        let words = string_words(bytes);
        let object = self.allocate_raw(STRING, bytes as u32, words);
        self.set_word(object, 1, points as u64);
        if words > 2 {
            self.set_word(object, words - 1, 0);
        }
        object
    }

    /// A String of a part of another; room for `piece_words` was reserved.
    #[inline]
    pub fn piece(&mut self, text: Ref, at: usize, bytes: usize, points: usize) -> Ref {
        debug_assert!(at + bytes <= self.len(text));
        if bytes >= SHARED_LEAST {
            return match self.tag(text) {
                SLICE => {
                    let first = self.word(text, 3) as usize;
                    self.new_slice(low(self.word(text, 2)), first + at, bytes, points)
                }
                _ => self.new_slice(text, at, bytes, points),
            };
        }
        let object = self.new_text(bytes, points);
        // SAFETY: the object has room for the bytes, which lie within the text.
        unsafe {
            let target = self.base.add(object as usize + 2).cast::<u8>();
            copy_short(self.text_start(text).add(at), target, bytes);
        }
        object
    }

    // ---- growing texts ----

    /// A buffer for so many bytes; room for `buffer_words` was reserved.
    pub fn new_buffer(&mut self, bytes: usize) -> Ref {
        let buffer = self.allocate_raw(BUFFER, bytes as u32, string_words(bytes));
        self.set_word(buffer, 1, 0);
        buffer
    }

    /// A String that is the bytes of a buffer from `first` on.
    pub fn new_slice(&mut self, buffer: Ref, first: usize, bytes: usize, points: usize) -> Ref {
        let slice = self.allocate_raw(SLICE, bytes as u32, SLICE_WORDS);
        self.set_word(slice, 1, points as u64);
        self.set_word(slice, 2, u64::from(buffer));
        self.set_word(slice, 3, first as u64);
        slice
    }

    /// The buffer behind a String that ends where the buffer's used part does, when it has room for `bytes` more.
    pub fn growing(&self, string: Ref, bytes: usize) -> Option<Ref> {
        if self.tag(string) != SLICE {
            return None;
        }
        let buffer = low(self.word(string, 2));
        if self.tag(buffer) != BUFFER {
            return None;
        }
        let (first, used) = (self.word(string, 3) as usize, self.word(buffer, 1) as usize);
        (first + self.len(string) == used && bytes <= self.len(buffer) - used).then_some(buffer)
    }

    /// Appends the bytes of a text to a buffer that has room.
    pub fn append(&mut self, buffer: Ref, text: Ref) {
        let (used, count) = (self.word(buffer, 1) as usize, self.len(text));
        debug_assert!(used + count <= self.len(buffer));
        // SAFETY: the buffer has room after its used part, where no text lies.
        unsafe {
            let target = self.base.add(buffer as usize + 2).cast::<u8>().add(used);
            target.copy_from_nonoverlapping(self.text_start(text), count);
        }
        self.set_word(buffer, 1, (used + count) as u64);
    }
}

/// Copies few bytes, mostly in two steps.
///
/// # Safety
/// As `copy_nonoverlapping`.
#[inline]
unsafe fn copy_short(from: *const u8, to: *mut u8, bytes: usize) {
    // SAFETY: every step lies within the bytes.
    unsafe {
        match bytes {
            0 => {}
            1..4 => {
                *to = *from;
                *to.add(bytes / 2) = *from.add(bytes / 2);
                *to.add(bytes - 1) = *from.add(bytes - 1);
            }
            4..8 => {
                from.copy_to_nonoverlapping(to, 4);
                from.add(bytes - 4).copy_to_nonoverlapping(to.add(bytes - 4), 4);
            }
            _ => {
                let mut at = 0;
                while at + 8 < bytes {
                    from.add(at).copy_to_nonoverlapping(to.add(at), 8);
                    at += 8;
                }
                from.add(bytes - 8).copy_to_nonoverlapping(to.add(bytes - 8), 8);
            }
        }
    }
}

pub(crate) fn code_points(utf8: &[u8]) -> u32 {
    utf8.iter().filter(|b| (**b as i8) >= -0x40).count() as u32
}

/// The hash of a text; never 0.
pub(crate) fn bytes_hash(bytes: &[u8]) -> u32 {
    let mut hash = bytes.len() as u64;
    let (chunks, rest) = bytes.as_chunks::<8>();
    for chunk in chunks {
        hash = mix(hash ^ u64::from_le_bytes(*chunk));
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        hash = mix(hash ^ u64::from_le_bytes(last));
    }
    fold(hash)
}

/// One round of a fixed hash: the same on every machine and in every run.
#[inline]
pub(crate) fn mix(value: u64) -> u64 {
    let product = u128::from(value ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
    (product as u64) ^ (product >> 64) as u64
}

#[inline]
pub(crate) fn fold(hash: u64) -> u32 {
    ((hash ^ hash >> 32) as u32).max(1)
}

/// A collection under way: objects from word `low` on move behind `next` of the target.
pub(crate) struct Collector {
    from: *mut u64,
    low: usize,
    to: *mut u64,
    next: usize,
    scanned: usize,
    /// Rows of the resource table that were reached.
    pub handles: Vec<u32>,
    /// Slices that have moved and whose bytes have not, of a full collection.
    slices: Option<Vec<Ref>>,
}

/// First word with references, their number, and all words of an object.
#[inline]
fn extent(shapes: &[Shape], head: u64) -> (usize, usize, usize) {
    let (tag, len) = (low(head), high(head) as usize);
    match tag {
        STRING | BUFFER => (0, 0, string_words(len)),
        SLICE => (2, 1, SLICE_WORDS),
        BYTES | BOOLS => (0, 0, bytes_words(len)),
        SCALARS => (0, 0, 1 + len),
        REFS => (1, len, refs_words(len)),
        tag => {
            let shape = shapes[tag as usize];
            (shape.first as usize, shape.refs as usize, shape.words as usize)
        }
    }
}

impl Collector {
    /// Words that have moved so far, with the word 0.
    pub fn moved_words(&self) -> usize {
        self.next
    }

    /// Moves the object behind a root or slot, once, and points the root at its new place.
    #[inline]
    pub fn forward(&mut self, shapes: &[Shape], root: &mut Ref) {
        if *root as usize >= self.low {
            *root = self.moved(shapes, *root);
        }
    }

    fn moved(&mut self, shapes: &[Shape], object: Ref) -> Ref {
        // SAFETY: a reference names the header of an object, or the forward left there; the target has room for
        // all that can survive, outside the objects that are moved.
        unsafe {
            let at = self.from.add(object as usize);
            let head = *at;
            let tag = low(head);
            if tag == FORWARD {
                return high(head);
            }
            if tag < FIRST_RAW && shapes[tag as usize].handle {
                self.handles.push(*at.add(1) as u32);
            }
            let (_, _, words) = extent(shapes, head);
            let target = self.to.add(self.next);
            if words <= 8 {
                for i in 0..words {
                    *target.add(i) = *at.add(i);
                }
            } else {
                target.copy_from_nonoverlapping(at, words);
            }
            let new = self.next as u32;
            self.next += words;
            *at = header(FORWARD, new);
            new
        }
    }

    /// Moves the bytes of slices, after `scan`: whole texts that others refer to or whose slices are a good part of
    /// them, else only what each slice has of them.
    pub fn move_bytes(&mut self, shapes: &[Shape]) {
        let slices = self.slices.take().unwrap_or_default();
        let mut needed: FxHashMap<Ref, usize> = FxHashMap::default();
        for slice in &slices {
            // SAFETY: a slice that has moved is whole, and refers to the header of a text or a forward.
            unsafe {
                let at = self.to.add(*slice as usize);
                let text = low(*at.add(2));
                if low(*self.from.add(text as usize)) != FORWARD {
                    *needed.entry(text).or_default() += string_words(high(*at) as usize);
                }
            }
        }
        for slice in slices {
            // SAFETY: as above; what the slices of a text need is less than half of it where they do not share it.
            unsafe {
                let at = self.to.add(slice as usize);
                let (text, bytes) = (low(*at.add(2)), high(*at) as usize);
                let from = self.from.add(text as usize);
                let is_shared =
                    low(*from) == FORWARD || 2 * needed[&text] >= string_words(high(*from) as usize);
                if is_shared {
                    *at.add(2) = u64::from(self.moved(shapes, text));
                    continue;
                }
                let own = self.to.add(self.next);
                *own = header(BUFFER, bytes as u32);
                *own.add(1) = bytes as u64;
                let first = from.add(2).cast::<u8>().add(*at.add(3) as usize);
                own.add(2).cast::<u8>().copy_from_nonoverlapping(first, bytes);
                (*at.add(2), *at.add(3)) = (self.next as u64, 0);
                self.next += string_words(bytes);
            }
        }
        self.scanned = self.next;
    }

    /// Moves all that the moved objects reach.
    pub fn scan(&mut self, shapes: &[Shape]) {
        while self.scanned < self.next {
            // SAFETY: every moved object is whole.
            unsafe {
                let at = self.to.add(self.scanned);
                let (first, refs, words) = extent(shapes, *at);
                if low(*at) == SLICE
                    && let Some(slices) = &mut self.slices
                {
                    slices.push(self.scanned as Ref);
                    self.scanned += words;
                    continue;
                }
                let slots = at.add(first).cast::<Ref>();
                for index in 0..refs {
                    self.forward(shapes, &mut *slots.add(index));
                }
                self.scanned += words;
            }
        }
    }
}
