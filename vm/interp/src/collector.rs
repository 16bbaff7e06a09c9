//! Moves what is reached: the survivors of the nursery to the old part, or all objects to a new buffer.

use crate::heap::{
    BOOLS, BUFFER, BYTES, FIRST_RAW, FORWARD, REFS, Ref, SCALARS, SLICE, SLICE_WORDS, STRING, Shape,
    bytes_words, header, high, low, refs_words, string_words,
};
use rustc_hash::FxHashMap;

/// A collection under way: objects from word `low` on move behind `next` of the target.
pub(crate) struct Collector {
    pub from: *mut u64,
    pub low: usize,
    pub to: *mut u64,
    pub next: usize,
    pub scanned: usize,
    /// Rows of the resource table that were reached.
    pub handles: Vec<u32>,
    /// Slices that have moved and whose bytes have not, of a full collection.
    pub slices: Option<Vec<Ref>>,
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
