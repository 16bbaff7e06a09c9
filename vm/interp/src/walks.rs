//! Where code points of texts lie that are not ASCII: what was found out by looking for one helps to find the next, so that
//! programs can walk such a text by the numbers of its code points.

use crate::heap::{Heap, Ref};

/// Of each so many code points the first is known.
const EVERY: usize = 64;
/// Texts of which places are known at once. Together the places take a part of what these texts do.
const TEXTS_MOST: usize = 8;

/// What is known of texts that were walked last.
#[derive(Debug, Default)]
pub(crate) struct Walks {
    texts: Vec<Walk>,
    /// The one that is given up next.
    oldest: usize,
}

#[derive(Debug)]
struct Walk {
    text: Ref,
    /// The bytes where code points `EVERY`, `2 * EVERY` and so on begin, as far as they were looked for.
    places: Vec<u32>,
}

impl Walks {
    /// Keeps what is known of objects below one: the others move or die.
    pub fn keep_below(&mut self, young: usize) {
        self.texts.retain(|walk| (walk.text as usize) < young);
        self.oldest = 0;
    }

    /// The places that are known of a text.
    fn of(&mut self, text: Ref) -> &mut Vec<u32> {
        let at = self.texts.iter().position(|walk| walk.text == text).unwrap_or_else(|| {
            let new = Walk { text, places: Vec::new() };
            if self.texts.len() < TEXTS_MOST {
                self.texts.push(new);
                return self.texts.len() - 1;
            }
            let at = self.oldest;
            self.oldest = (at + 1) % TEXTS_MOST;
            self.texts[at] = new;
            at
        });
        &mut self.texts[at].places
    }
}

impl Heap {
    /// The byte of a String where a code point begins, or its end, and what looking for that costs; `index` is at most
    /// the number of code points.
    pub(crate) fn byte_of(&mut self, string: Ref, index: usize) -> (usize, usize) {
        let points = self.code_points(string);
        debug_assert!(index <= points);
        if index == points {
            return (self.len(string), 0);
        }
        if points == self.len(string) {
            return (index, 0);
        }
        // SAFETY: looking for places neither makes nor moves objects.
        let bytes = unsafe { std::slice::from_raw_parts(self.text_start(string), self.len(string)) };
        if index < EVERY {
            return (ahead(bytes, 0, index), index / 8);
        }
        let places = self.walks.of(string);
        let (wanted, known) = (index / EVERY, places.len());
        let mut at = places.last().map_or(0, |place| *place as usize);
        for _ in known..wanted {
            at = ahead(bytes, at, EVERY);
            places.push(at as u32);
        }
        let looked = wanted.saturating_sub(known) * EVERY + index % EVERY;
        (ahead(bytes, places[wanted - 1] as usize, index % EVERY), looked / 8)
    }
}

/// Where the code point begins that comes so many after the one at a byte; there are so many.
fn ahead(utf8: &[u8], from: usize, count: usize) -> usize {
    let mut at = from;
    for _ in 0..count {
        at += match utf8[at] {
            ..0x80 => 1,
            0x80..0xe0 => 2,
            0xe0..0xf0 => 3,
            _ => 4,
        };
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The next of a fixed row of numbers that look random.
    fn next(seed: &mut u64) -> usize {
        *seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (*seed >> 33) as usize
    }

    #[test]
    fn places_are_those_of_the_standard_library() {
        let mut heap = Heap::new(64 << 20);
        let mut seed = 1;
        // More than are known at once, and some that are shorter than what is noted of one.
        let texts: Vec<(Ref, String)> = (0..TEXTS_MOST + 5)
            .map(|at| {
                let length = if at % 4 == 0 { 70 } else { 1000 };
                let text: String = (0..length).map(|_| ['a', 'ö', '語', '🦀'][next(&mut seed) % 4]).collect();
                (heap.string(&text), text)
            })
            .collect();
        for round in 0..20_000 {
            let (object, text) = &texts[next(&mut seed) % texts.len()];
            let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let index = next(&mut seed) % starts.len();
            assert_eq!(heap.byte_of(*object, index).0, starts[index], "{text} {index}");
            assert!(heap.walks.texts.len() <= TEXTS_MOST);
            if round % 1000 == 0 {
                heap.walks.keep_below(*object as usize);
            }
        }
    }

    #[test]
    fn walking_costs_as_much_as_the_text_is_long() {
        let mut heap = Heap::new(64 << 20);
        let text = heap.string(&"aö".repeat(2000));
        for indices in [(0..4000).collect::<Vec<_>>(), (0..4000).rev().collect()] {
            let cost: usize = indices.into_iter().map(|index| heap.byte_of(text, index).1).sum();
            assert!(cost < 4000 * EVERY / 8, "{cost}");
        }
    }

    #[test]
    fn nothing_is_known_of_what_moves_or_dies() {
        let mut heap = Heap::new(64 << 20);
        let [old, young] = ["ö".repeat(300), "語".repeat(300)].map(|text| heap.string(&text));
        for text in [old, young] {
            heap.byte_of(text, 200);
        }
        heap.walks.keep_below(young as usize);
        assert_eq!(heap.walks.texts.iter().map(|walk| walk.text).collect::<Vec<_>>(), [old]);
        heap.walks.keep_below(0);
        assert!(heap.walks.texts.is_empty());
    }
}
