//! What the next look-ups will read, brought near before they are done.
//!
//! A look-up in a large map waits for memory three times, each time for a place that the one before names: the index, the
//! entry, and the text of its key. The pieces of a text are often looked up all, one after the other. Where those of the
//! text cut last were, the hashes of new ones are taken at once, and these places are asked for of all of them together.

use super::{INDEX, KEYS, KeyKind, VALUES};
use crate::heap::{Ref, STRING};
use crate::program::Element;
use crate::vm::Vm;
use std::convert::Infallible;

/// Pieces that are looked at: what is asked for must stay near until it is read.
const MOST: usize = 64;
/// Entries that the map has room for at least. A smaller one is near anyway.
const LARGE: usize = 1 << 12;

/// What tells whether pieces of texts are looked up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ahead {
    /// Texts that were looked up since a text was cut.
    pub asked: usize,
    /// How many pieces that text had.
    cut: usize,
}

impl Vm {
    /// Takes note of an array of texts that were just cut out of one, and brings near what looking them up will read where
    /// that is likely to be done.
    #[inline]
    pub(crate) fn look_ahead(&mut self, texts: Ref, count: usize) {
        let last = std::mem::replace(&mut self.ahead, Ahead { asked: 0, cut: count });
        if last.cut > 1 && last.asked >= last.cut && self.memo.map != 0 {
            self.bring_near(self.memo.map, texts, count.min(MOST));
        }
    }

    #[inline(never)]
    fn bring_near(&mut self, map: Ref, texts: Ref, count: usize) {
        let kind = self.kind_of(map);
        let (is_text, values_are) = (kind.keys == KeyKind::Text, kind.value_element);
        if !is_text || self.map_capacity(map) < LARGE {
            return;
        }
        let [index, keys, values] = [INDEX, KEYS, VALUES].map(|which| self.array(map, which));
        let heap = &mut self.heap;
        let mut hashes = [0; MOST];
        for (at, hash) in hashes[..count].iter_mut().enumerate() {
            let text = heap.ref_at(texts, 1, at);
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
