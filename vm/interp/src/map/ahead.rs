//! What the next look-ups will read, brought near before they are done.
//!
//! A look-up in a large map waits for memory three times, each time for a place that the one before names: the index, the
//! entry, and the text of its key. The pieces of a text are often looked up all, one after the other. Where those of the
//! text cut last were, or the first of this one, the hashes of the next are taken at once, and these places are asked for
//! of all of them together.

use super::{INDEX, KEYS, KeyKind, VALUES};
use crate::heap::{Ref, STRING};
use crate::program::Element;
use crate::vm::Vm;
use std::convert::Infallible;

/// Pieces that this is done for at once: what was asked for must stay near until it is read.
const MOST: usize = 32;
/// Entries that the map has room for at least. A smaller one is near anyway.
const LARGE: usize = 1 << 12;

/// The pieces of the text that was cut last, and how far they were looked up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ahead {
    /// Texts that were looked up since, as many as pieces where each of these is.
    asked: usize,
    /// With so many, what the pieces from `from` on will read is asked for.
    due: usize,
    from: usize,
    count: usize,
    /// The array that holds the pieces; 0 where it may have moved.
    pieces: Ref,
}

impl Ahead {
    /// Objects from this one on are moved.
    pub(crate) fn keep_below(&mut self, end: usize) {
        if self.pieces as usize >= end {
            self.pieces = 0;
        }
    }
}

impl Vm {
    /// Takes note of the pieces that a text was just cut into, an array of so many.
    #[inline]
    pub(crate) fn was_cut(&mut self, pieces: Ref, count: usize) {
        let last = self.ahead;
        self.ahead = Ahead { asked: 0, due: MOST, from: MOST + MOST / 2, count, pieces };
        if last.count > 1 && last.asked >= last.count && self.memo.map != 0 {
            (self.ahead.due, self.ahead.from) = (0, 0);
            self.look_ahead(self.memo.map);
        }
    }

    /// Takes note of a text that is looked up in a map or set.
    #[inline(always)]
    pub(super) fn is_asked(&mut self, map: Ref) {
        self.ahead.asked += 1;
        if self.ahead.asked == self.ahead.due {
            self.look_ahead(map);
        }
    }

    /// Brings near what looking up the next pieces will read of a map.
    #[inline(never)]
    fn look_ahead(&mut self, map: Ref) {
        let Ahead { due, from, count, pieces, .. } = self.ahead;
        let to = count.min(from + MOST);
        if from >= to || pieces == 0 {
            return;
        }
        (self.ahead.due, self.ahead.from) = (if due == 0 { MOST / 2 } else { due + MOST }, to);
        let kind = self.kind_of(map);
        let (is_text, values_are) = (kind.keys == KeyKind::Text, kind.value_element);
        if !is_text || self.map_capacity(map) < LARGE {
            return;
        }
        let [index, keys, values] = [INDEX, KEYS, VALUES].map(|which| self.array(map, which));
        let heap = &mut self.heap;
        let mut hashes = [0; MOST];
        for (at, hash) in (from..to).zip(&mut hashes) {
            let text = heap.ref_at(pieces, 1, at);
            // Longer ones, whose bytes lie elsewhere, take longer than is won.
            if heap.tag(text) == STRING {
                *hash = heap.text_hash(text);
                heap.ask_for_place(index, *hash);
            }
        }
        let mut entries = [0; MOST];
        let mut found = 0;
        for hash in hashes.into_iter().filter(|hash| *hash != 0) {
            // Most likely it is the one.
            let Ok(entry) = heap.find_entry(index, hash, |_| Ok::<_, Infallible>(true));
            let Some(entry) = entry else { continue };
            heap.ask_for(keys, 1 + entry / 2);
            match values_are {
                Element::Scalar => heap.ask_for(values, 1 + entry),
                Element::Ref | Element::Boxed => heap.ask_for(values, 1 + entry / 2),
                Element::Bool | Element::None => {}
            }
            entries[found] = entry;
            found += 1;
        }
        for entry in &entries[..found] {
            let key = heap.ref_at(keys, 1, *entry);
            heap.ask_for(key, 0);
            // It may reach into the next line of the cache.
            heap.ask_for(key, 4);
        }
    }
}
