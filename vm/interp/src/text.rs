//! Texts in the heap: Strings, slices that share the bytes of others, buffers that grow, Bytes. `heap` says how they lie.

use crate::heap::{
    BUFFER, BYTES, Heap, Ref, SLICE, SLICE_WORDS, STRING, bytes_words, header, high, low, pair, string_words,
};
use std::cmp::Ordering;

/// Pieces of a text of so many bytes and more share its bytes. A full collection gives them bytes of their own where
/// little else of the text is in use.
const SHARED_LEAST: usize = 64;

/// Words of a piece of a text.
pub(crate) fn piece_words(bytes: usize) -> usize {
    if bytes < SHARED_LEAST { string_words(bytes) } else { SLICE_WORDS }
}

/// Bytes of the longest int.
pub(crate) const INT_DIGITS: usize = 20;

/// The text of an int, at the end of the buffer.
fn int_text(value: i64, digits: &mut [u8; INT_DIGITS]) -> &[u8] {
    let mut rest = value.unsigned_abs();
    let mut at = INT_DIGITS;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    &digits[at..]
}

impl Heap {
    /// The text of an int; there is room for one of `INT_DIGITS` bytes.
    pub fn text_of_int(&mut self, value: i64) -> Ref {
        let mut digits = [0; INT_DIGITS];
        let text = int_text(value, &mut digits);
        self.string_of(text, text.len() as u32)
    }

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
        let (x, y) = (self.text_word(a, 0), self.text_word(b, 0));
        if x != y {
            return x.cmp(&y);
        }
        self.text_bytes(a).cmp(self.text_bytes(b))
    }

    /// Eight bytes of a text from a place in it on, as a number that sorts as they do; those that are missing are 0.
    #[inline]
    pub fn text_word(&self, text: Ref, from: usize) -> u64 {
        let (bytes, start) = (self.len(text), self.text_start(text));
        let left = bytes - from;
        if left == 0 {
            return 0;
        }
        // SAFETY: there are so many bytes, or those that a text in one piece is padded with.
        let word = |at| u64::from_be(unsafe { start.add(at).cast::<u64>().read_unaligned() });
        if left >= 8 {
            word(from)
        } else if bytes >= 8 {
            word(bytes - 8) << (8 * (8 - left))
        } else if self.tag(text) == STRING {
            word(0) << (8 * from)
        } else {
            let mut first = [0; 8];
            first[..left].copy_from_slice(&self.text_bytes(text)[from..]);
            u64::from_be_bytes(first)
        }
    }

    /// Never 0; kept with the String.
    #[inline]
    pub fn text_hash(&mut self, object: Ref) -> u32 {
        let is_string = self.is_string(object);
        if is_string && high(self.word(object, 1)) != 0 {
            return high(self.word(object, 1));
        }
        let hash = match self.tag(object) {
            // Bytes that lie in the object are padded to words.
            STRING => {
                let bytes = self.len(object);
                let words = 2..string_words(bytes);
                fold(words.fold(bytes as u64, |hash, at| mix(hash ^ self.word(object, at))))
            }
            _ => bytes_hash(self.text_bytes(object)),
        };
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

    /// Copies bytes into a text that is being made.
    pub fn fill_bytes(&mut self, text: Ref, at: usize, bytes: &[u8]) {
        assert!(at + bytes.len() <= self.len(text), "a text has room for what it is filled with");
        // SAFETY: the bytes lie outside the heap, and the text has room for them.
        unsafe {
            let target = self.text_start(text).cast_mut().add(at);
            target.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
    }

    /// Makes a text end after so many bytes, which were filled; what it is to be where they are not UTF-8.
    pub fn end_text(&mut self, text: Ref, bytes: usize, is_ascii: bool) -> Result<(), String> {
        assert!(bytes <= self.len(text), "a text ends where its bytes do");
        self.set_word(text, 0, header(STRING, bytes as u32));
        let last = string_words(bytes) - 1;
        if last >= 2 {
            let kept = u64::MAX >> (8 * (8 * (last - 1) - bytes));
            self.set_word(text, last, self.word(text, last) & kept);
        }
        let all = self.text_bytes(text);
        let points = if is_ascii {
            bytes as u32
        } else if std::str::from_utf8(all).is_ok() {
            code_points(all)
        } else {
            return Err(String::from_utf8_lossy(all).into_owned());
        };
        self.set_word(text, 1, u64::from(points));
        Ok(())
    }

    /// A String of so many code points of an array, which are all ASCII; room for it was reserved.
    pub fn text_of_ascii(&mut self, array: Ref, count: usize) -> Ref {
        let text = self.new_text(count, count);
        debug_assert!(count <= self.len(array));
        // SAFETY: the array has so many words and the text so many bytes, and they are two objects.
        unsafe {
            let (from, to) =
                (self.base.add(array as usize + 1), self.base.add(text as usize + 2).cast::<u8>());
            (0..count).for_each(|at| *to.add(at) = *from.add(at) as u8);
        }
        text
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
        self.fill_text(object, 0, text, at, bytes);
        object
    }

    /// Fills an array that was made just now with pieces of a text, of which each begins and ends so; room for them was
    /// reserved.
    pub fn fill_pieces(&mut self, text: Ref, pieces: &[(u32, u32)], is_ascii: bool, array: Ref) {
        let (mut first, mut next) = (self.text_start(text), self.next);
        for (index, (start, end)) in pieces.iter().enumerate() {
            let (start, bytes) = (*start as usize, (end - start) as usize);
            // SAFETY: the piece lies within the text, and there is room behind the object that was made last.
            let piece = unsafe {
                let from = first.add(start);
                if is_ascii && bytes <= SHORT && self.reaches(from, SHORT) && self.is_free(next, SHORT_WORDS)
                {
                    let target = self.base.add(next);
                    *target = header(STRING, bytes as u32);
                    *target.add(1) = bytes as u64;
                    copy_short(from, target.add(2).cast(), bytes);
                    let piece = next as Ref;
                    next += string_words(bytes);
                    piece
                } else {
                    let bytes_of = std::slice::from_raw_parts(from, bytes);
                    let points = if is_ascii { bytes } else { code_points(bytes_of) as usize };
                    self.next = next;
                    let piece = self.piece(text, start, bytes, points);
                    (first, next) = (self.text_start(text), self.next);
                    piece
                }
            };
            self.set_ref_at(array, 1, index, piece);
        }
        self.next = next;
    }

    /// Copies bytes of a text into the text that was made last. What is behind them there is lost, so that is filled from
    /// its begin on.
    #[inline]
    pub fn fill_text(&mut self, object: Ref, to: usize, text: Ref, at: usize, count: usize) {
        debug_assert!(at + count <= self.len(text) && to + count <= self.len(object));
        // SAFETY: both ranges lie within their texts, and what lies behind the object is free.
        unsafe {
            let from = self.text_start(text).add(at);
            let target = self.base.add(object as usize + 2).cast::<u8>().add(to);
            if count <= SHORT && self.reaches(from, SHORT) && self.reaches(target, SHORT) {
                copy_short(from, target, count);
            } else {
                from.copy_to_nonoverlapping(target, count);
            }
        }
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
            let from = self.text_start(text);
            let target = self.base.add(buffer as usize + 2).cast::<u8>().add(used);
            if count <= SHORT && used + SHORT <= self.len(buffer) && self.reaches(from, SHORT) {
                copy_short(from, target, count);
            } else {
                target.copy_from_nonoverlapping(from, count);
            }
        }
        self.set_word(buffer, 1, (used + count) as u64);
    }
}

/// Bytes that are copied all at once where that many are there.
const SHORT: usize = 16;
/// Words of a text of so many.
const SHORT_WORDS: usize = 2 + SHORT / 8;

/// Copies up to `SHORT` bytes and fills up with zeroes, in the same steps however many they are: lengths of words cannot be
/// foreseen.
///
/// # Safety
/// `SHORT` bytes can be read and written.
#[inline]
unsafe fn copy_short(from: *const u8, to: *mut u8, bytes: usize) {
    const MASKS: [u8; 2 * SHORT] = {
        let mut masks = [0; 2 * SHORT];
        masks.split_at_mut(SHORT).0.copy_from_slice(&[u8::MAX; SHORT]);
        masks
    };
    // SAFETY: the caller sees to it, and the mask lies within those.
    unsafe {
        let mask = MASKS.as_ptr().add(SHORT - bytes).cast::<u128>().read_unaligned();
        to.cast::<u128>().write_unaligned(from.cast::<u128>().read_unaligned() & mask);
    }
}

pub(crate) fn code_points(utf8: &[u8]) -> u32 {
    // Most texts are, and that is seen several times as fast.
    let count = match utf8.is_ascii() {
        true => utf8.len(),
        false => utf8.iter().filter(|b| (**b as i8) >= -0x40).count(),
    };
    count as u32
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
