//! The heap of one task: 8-byte words in a space that is copied to another when its budget is used.
//!
//! A reference is the index of an object's header word; 0 is null. A header is a tag (low half) and a length
//! (high half). Tags below `FIRST_RAW` are types of the image, whose objects have a fixed size:
//!   struct   header | scalar slots, a word each | reference slots, two to a word
//!   list     header | size, version | backing
//!   map, set header | live, version | used | index, hashes | keys, values
//!   handle   header | row of the task's table of resources
//! Raw tags: `STRING` (length in bytes) header | code points, cached hash | bytes, zero-padded;
//! `BYTES` header | bytes, zero-padded; `SCALARS` header | words; `REFS` header | references, two to a word.
//!
//! Allocation never collects by itself: whoever needs room asks `Vm::reserve` first, which may move every
//! object, then reads its references anew and allocates. So no native can hold a stale reference by accident
//! between two allocations.

use std::cmp::Ordering;

pub(crate) type Ref = u32;

pub(crate) const FORWARD: u32 = u32::MAX;
pub(crate) const STRING: u32 = u32::MAX - 1;
pub(crate) const BYTES: u32 = u32::MAX - 2;
pub(crate) const SCALARS: u32 = u32::MAX - 3;
pub(crate) const REFS: u32 = u32::MAX - 4;
pub(crate) const FIRST_RAW: u32 = u32::MAX - 15;

/// Words of the first space, and the least budget after a collection.
const START_WORDS: usize = 4 << 10;
const LEAST_WORDS: usize = 32 << 10;

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
    words: Vec<u64>,
    /// Words that may be used before the next collection.
    budget: usize,
    /// Words that may be live.
    limit: usize,
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

pub(crate) fn bytes_words(bytes: usize) -> usize {
    1 + bytes.div_ceil(8)
}

pub(crate) fn refs_words(refs: usize) -> usize {
    1 + refs.div_ceil(2)
}

impl Heap {
    pub fn new(limit_bytes: u64) -> Self {
        // References are 32 bits; the last few tags are never indices.
        let limit = (limit_bytes / 8).clamp(64, u64::from(FIRST_RAW)) as usize;
        let budget = START_WORDS.min(limit);
        let mut words = Vec::with_capacity(budget);
        words.push(header(SCALARS, 0));
        Self { words, budget, limit, collections: 0 }
    }

    pub fn limit_bytes(&self) -> u64 {
        self.limit as u64 * 8
    }

    /// Words in use, garbage included.
    pub fn used(&self) -> usize {
        self.words.len()
    }

    pub fn has_room(&self, words: usize) -> bool {
        words <= self.budget.saturating_sub(self.words.len())
    }

    /// Begins a collection; `finish` ends it.
    pub fn begin(&mut self) -> Collector {
        let from = std::mem::take(&mut self.words);
        let mut to = Vec::with_capacity(from.len());
        to.push(header(SCALARS, 0));
        Collector { from, to, scanned: 1, handles: Vec::new() }
    }

    /// Takes the survivors over. False when they and `words` more exceed the limit.
    pub fn finish(&mut self, collector: Collector, words: usize) -> bool {
        self.words = collector.to;
        self.collections += 1;
        let live = self.words.len();
        let fits = live + words <= self.limit;
        self.budget = (2 * live).max(LEAST_WORDS).min(self.limit).max(if fits { live + words } else { live });
        self.words.reserve_exact(self.budget - live);
        fits
    }

    /// Lets allocations go beyond the budget for a while.
    pub fn suspend_budget(&mut self) -> usize {
        std::mem::replace(&mut self.budget, usize::MAX)
    }

    pub fn restore_budget(&mut self, budget: usize) {
        self.budget = budget;
    }

    /// Makes an object of `words` words with the header; the rest is zero. Room was reserved.
    pub fn allocate(&mut self, tag: u32, len: u32, words: usize) -> Ref {
        debug_assert!(self.has_room(words), "allocation without reserve");
        let at = self.words.len();
        self.words.push(header(tag, len));
        self.words.resize(at + words, 0);
        at as Ref
    }

    pub fn tag(&self, object: Ref) -> u32 {
        low(self.words[object as usize])
    }

    /// Bytes, words or references, by tag.
    pub fn len(&self, object: Ref) -> usize {
        high(self.words[object as usize]) as usize
    }

    pub fn word(&self, object: Ref, index: usize) -> u64 {
        self.words[object as usize + index]
    }

    pub fn set_word(&mut self, object: Ref, index: usize, value: u64) {
        self.words[object as usize + index] = value;
    }

    pub fn scalars_mut(&mut self, array: Ref) -> &mut [u64] {
        let at = array as usize + 1;
        let len = self.len(array);
        &mut self.words[at..at + len]
    }

    /// The reference at `index` of those that begin at word `first` of an object.
    pub fn ref_at(&self, object: Ref, first: usize, index: usize) -> Ref {
        (self.words[object as usize + first + index / 2] >> (index % 2 * 32)) as Ref
    }

    pub fn set_ref_at(&mut self, object: Ref, first: usize, index: usize, value: Ref) {
        let shift = index % 2 * 32;
        let word = &mut self.words[object as usize + first + index / 2];
        *word = *word & !(0xffff_ffff << shift) | u64::from(value) << shift;
    }

    /// Moves `count` words or references of an array, within it or from one to another.
    pub fn copy_scalars(&mut self, from: Ref, at: usize, to: Ref, to_at: usize, count: usize) {
        debug_assert!(at + count <= self.len(from) && to_at + count <= self.len(to));
        let start = from as usize + 1 + at;
        self.words.copy_within(start..start + count, to as usize + 1 + to_at);
    }

    pub fn copy_refs(&mut self, from: Ref, at: usize, to: Ref, to_at: usize, count: usize) {
        if at.is_multiple_of(2) && to_at.is_multiple_of(2) && (from != to || at >= to_at) {
            let start = from as usize + 1 + at / 2;
            self.words.copy_within(start..start + count / 2, to as usize + 1 + to_at / 2);
            if count % 2 == 1 {
                let last = self.ref_at(from, 1, at + count - 1);
                self.set_ref_at(to, 1, to_at + count - 1, last);
            }
            return;
        }
        let mut step = |i: usize| {
            let value = self.ref_at(from, 1, at + i);
            self.set_ref_at(to, 1, to_at + i, value);
        };
        if from == to && at < to_at {
            (0..count).rev().for_each(&mut step)
        } else {
            (0..count).for_each(step)
        }
    }

    // ---- texts ----

    pub fn string(&mut self, text: &str) -> Ref {
        let object = self.allocate(STRING, text.len() as u32, string_words(text.len()));
        self.set_word(object, 1, u64::from(code_points(text.as_bytes())));
        self.fill(object, 2, text.as_bytes());
        object
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> Ref {
        let object = self.allocate(BYTES, bytes.len() as u32, bytes_words(bytes.len()));
        self.fill(object, 1, bytes);
        object
    }

    fn fill(&mut self, object: Ref, first: usize, bytes: &[u8]) {
        let at = object as usize + first;
        let (chunks, rest) = bytes.as_chunks::<8>();
        for (word, chunk) in self.words[at..].iter_mut().zip(chunks) {
            *word = u64::from_le_bytes(*chunk);
        }
        for (i, byte) in rest.iter().enumerate() {
            self.words[at + chunks.len()] |= u64::from(*byte) << (8 * i);
        }
    }

    fn text_first(&self, object: Ref) -> usize {
        if self.tag(object) == STRING { 2 } else { 1 }
    }

    pub fn code_points(&self, string: Ref) -> usize {
        low(self.word(string, 1)) as usize
    }

    pub fn is_ascii(&self, string: Ref) -> bool {
        self.code_points(string) == self.len(string)
    }

    pub fn byte(&self, object: Ref, index: usize) -> u8 {
        debug_assert!(index < self.len(object));
        (self.word(object, self.text_first(object) + index / 8) >> (index % 8 * 8)) as u8
    }

    fn text_words(&self, object: Ref) -> &[u64] {
        let at = object as usize + self.text_first(object);
        &self.words[at..at + self.len(object).div_ceil(8)]
    }

    /// A copy of the bytes of a String or Bytes.
    pub fn copy_bytes(&self, object: Ref) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len(object) + 8);
        for word in self.text_words(object) {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.truncate(self.len(object));
        out
    }

    pub fn text(&self, string: Ref) -> String {
        String::from_utf8(self.copy_bytes(string)).expect("Strings in the heap are UTF-8")
    }

    pub fn same_text(&self, a: Ref, b: Ref) -> bool {
        self.len(a) == self.len(b) && self.text_words(a) == self.text_words(b)
    }

    /// By code points, which is the order of the bytes.
    pub fn compare_text(&self, a: Ref, b: Ref) -> Ordering {
        for (x, y) in self.text_words(a).iter().zip(self.text_words(b)) {
            if x != y {
                return x.swap_bytes().cmp(&y.swap_bytes());
            }
        }
        self.len(a).cmp(&self.len(b))
    }

    /// Never 0; kept with the String.
    pub fn text_hash(&mut self, object: Ref) -> u32 {
        let is_string = self.tag(object) == STRING;
        if is_string && high(self.word(object, 1)) != 0 {
            return high(self.word(object, 1));
        }
        let mut hash = self.len(object) as u64;
        for word in self.text_words(object) {
            hash = mix(hash ^ word);
        }
        let hash = fold(hash);
        if is_string {
            self.set_word(object, 1, pair(self.code_points(object) as u32, hash));
        }
        hash
    }

    /// Appends bytes of text `from` to text `to`, whose bytes from `to_at` on are still zero.
    pub fn append_bytes(&mut self, from: Ref, at: usize, count: usize, to: Ref, to_at: usize) {
        let source = from as usize + self.text_first(from);
        let target = to as usize + self.text_first(to);
        let mut done = 0;
        while done < count {
            let (byte, out) = (at + done, to_at + done);
            // As many as one word of either side holds.
            let n = (8 - byte % 8).min(8 - out % 8).min(count - done);
            let mut word = self.words[source + byte / 8] >> (byte % 8 * 8);
            if n < 8 {
                word &= (1 << (n * 8)) - 1;
            }
            self.words[target + out / 8] |= word << (out % 8 * 8);
            done += n;
        }
    }
}

pub(crate) fn code_points(utf8: &[u8]) -> u32 {
    utf8.iter().filter(|b| (**b as i8) >= -0x40).count() as u32
}

/// One round of a fixed hash: the same on every machine and in every run.
pub(crate) fn mix(value: u64) -> u64 {
    let product = u128::from(value ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
    (product as u64) ^ (product >> 64) as u64
}

pub(crate) fn fold(hash: u64) -> u32 {
    ((hash ^ hash >> 32) as u32).max(1)
}

/// A collection under way.
pub(crate) struct Collector {
    from: Vec<u64>,
    to: Vec<u64>,
    scanned: usize,
    /// Rows of the resource table that were reached.
    pub handles: Vec<u32>,
}

impl Collector {
    /// Moves the object behind a root or slot, once, and points the root at its new place.
    pub fn forward(&mut self, shapes: &[Shape], root: &mut Ref) {
        if *root != 0 {
            *root = self.moved(shapes, *root);
        }
    }

    fn moved(&mut self, shapes: &[Shape], object: Ref) -> Ref {
        let at = object as usize;
        let head = self.from[at];
        let (tag, len) = (low(head), high(head) as usize);
        let words = match tag {
            FORWARD => return high(head),
            STRING => string_words(len),
            BYTES => bytes_words(len),
            SCALARS => 1 + len,
            REFS => refs_words(len),
            tag => {
                let shape = shapes[tag as usize];
                if shape.handle {
                    self.handles.push(self.from[at + 1] as u32);
                }
                shape.words as usize
            }
        };
        let new = self.to.len() as u32;
        self.to.extend_from_slice(&self.from[at..at + words]);
        self.from[at] = header(FORWARD, new);
        new
    }

    /// Moves all that the moved objects reach.
    pub fn scan(&mut self, shapes: &[Shape]) {
        while self.scanned < self.to.len() {
            let at = self.scanned;
            let (tag, len) = (low(self.to[at]), high(self.to[at]) as usize);
            let (first, refs, words) = match tag {
                STRING => (0, 0, string_words(len)),
                BYTES => (0, 0, bytes_words(len)),
                SCALARS => (0, 0, 1 + len),
                REFS => (1, len, refs_words(len)),
                tag => {
                    let shape = shapes[tag as usize];
                    (shape.first as usize, shape.refs as usize, shape.words as usize)
                }
            };
            for index in at + first..at + first + refs.div_ceil(2) {
                let word = self.to[index];
                if word != 0 {
                    let (mut a, mut b) = (low(word), high(word));
                    self.forward(shapes, &mut a);
                    self.forward(shapes, &mut b);
                    self.to[index] = pair(a, b);
                }
            }
            self.scanned = at + words;
        }
    }
}
