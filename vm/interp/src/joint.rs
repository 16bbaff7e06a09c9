//! Texts that others are joined to.

use crate::heap::{Ref, SLICE_WORDS, string_words};
use crate::vm::Vm;

/// Bytes from which on a text that is added to gets room to grow.
const GROWING_LEAST: usize = 256;

/// What is made of some texts.
#[derive(Clone, Copy)]
pub(crate) struct Joint {
    pub bytes: usize,
    points: usize,
    /// What the heap must have room for.
    pub words: usize,
    /// Of the buffer where it is in one that may grow on.
    capacity: Option<usize>,
}

impl Vm {
    /// What so many texts become, of which there is at least one.
    pub(crate) fn joint(&self, count: usize, part: impl Fn(&Vm, usize) -> Ref) -> Joint {
        let heap = &self.heap;
        let (mut bytes, mut points) = (0, 0);
        for at in 0..count {
            let text = part(self, at);
            bytes += heap.len(text);
            points += heap.code_points(text);
        }
        let first = part(self, 0);
        let start = heap.len(first);
        // A long text that something short is added to may well grow on.
        if start < GROWING_LEAST || bytes - start > start {
            return Joint { bytes, points, words: string_words(bytes), capacity: None };
        }
        let capacity = (2 * bytes).min(u32::MAX as usize);
        let grows = heap.growing(first, bytes - start).is_some();
        let words = SLICE_WORDS + if grows { 0 } else { string_words(capacity) };
        Joint { bytes, points, words, capacity: Some(capacity) }
    }

    /// Joins the texts; there is room for it.
    pub(crate) fn join(&mut self, joint: Joint, count: usize, part: impl Fn(&Vm, usize) -> Ref) -> Ref {
        let Joint { bytes, points, capacity, .. } = joint;
        let Some(capacity) = capacity else {
            let text = self.heap.new_text(bytes, points);
            let mut to = 0;
            for at in 0..count {
                let part = part(self, at);
                let length = self.heap.len(part);
                self.heap.fill_text(text, to, part, 0, length);
                to += length;
            }
            return text;
        };
        // In the buffer of the first one, where nothing has been added to it yet.
        let first = part(self, 0);
        let start = self.heap.len(first);
        let (buffer, begin) = match self.heap.growing(first, bytes - start) {
            Some(buffer) => (buffer, self.heap.word(buffer, 1) as usize - start),
            None => {
                let buffer = self.heap.new_buffer(capacity);
                self.heap.append(buffer, first);
                (buffer, 0)
            }
        };
        for at in 1..count {
            let part = part(self, at);
            self.heap.append(buffer, part);
        }
        self.heap.new_slice(buffer, begin, bytes, points)
    }
}
