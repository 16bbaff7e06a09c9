//! The index of a map or set: where the entry of a key is found.
//!
//! Twice as many half words as there is room for entries, a power of two, probed by a fixed step from the place that the
//! low bits of the key's hash name. As many low bits of a half word hold the number of an entry plus one, the others
//! are those of its hash; it is 0 where there never was an entry, and `REMOVED` where it is gone.
//!
//! Maps of words to words are what numbers are counted in, so these have a way of their own (`find_pair`, `put_pair`),
//! which the interpreter's handlers and machine code take: nothing is looked up but the map's own words.

use super::{ARRAYS, HASHES, INDEX, KEYS};
use crate::heap::{Heap, Ref, high, low};
use crate::text::mix;
use std::ptr::NonNull;

/// No number of an entry, and not 0.
const REMOVED: u32 = 1 << 31;
/// Makes a hash other than 0.
const IS_HASH: u32 = 1 << 31;
/// From a place to the next that is probed. Odd, so that all places are, and not 1: eight keys that follow each other lie side by
/// side, and where these meet eight others, each has its next place where theirs are not.
const STEP: u32 = 9;
/// A map's size and version, one more each.
const GROWN: u64 = (1 << 32) + 1;

/// The hash of an int: eight that follow each other have places that follow each other, as programs often ask for
/// keys in their order. Never 0.
#[inline]
pub(crate) fn bits_hash(key: u64) -> u32 {
    let mixed = mix(key >> 3);
    (mixed as u32) << 3 | (key as u32 ^ (mixed >> 61) as u32) & 7 | IS_HASH
}

/// The bits of a hash that name a place in an index of so many words, which are those that hold an entry's number.
#[inline(always)]
fn places(words: u32) -> u32 {
    2 * words - 1
}

/// Whether a half word of the index, which is not 0, may stand for a key with this hash.
#[inline(always)]
fn may_be(slot: u32, hash: u32, places: u32) -> bool {
    slot ^ hash <= places
}

impl Heap {
    /// The entry with such a hash of which `same` holds, given an index.
    #[inline(always)]
    pub(super) fn find_entry<E>(
        &self,
        index: Ref,
        hash: u32,
        mut same: impl FnMut(usize) -> Result<bool, E>,
    ) -> Result<Option<usize>, E> {
        let places = places(self.len(index) as u32);
        let mut place = hash & places;
        loop {
            let slot = self.ref_at(index, 1, place as usize);
            if slot == 0 {
                return Ok(None);
            }
            if may_be(slot, hash, places) && slot & places != 0 {
                let entry = (slot & places) as usize - 1;
                if same(entry)? {
                    return Ok(Some(entry));
                }
            }
            place = (place + STEP) & places;
        }
    }

    /// Brings the place near where the entry of a key with this hash is found.
    #[inline(always)]
    pub(super) fn ask_for_place(&self, index: Ref, hash: u32) {
        self.ask_for(index, 1 + (hash & places(self.len(index) as u32)) as usize / 2);
    }

    /// Notes where an entry is, which is not in the index yet.
    pub(super) fn enter(&mut self, index: Ref, entry: usize, hash: u32) {
        let places = places(self.len(index) as u32);
        let mut place = hash & places;
        while self.ref_at(index, 1, place as usize) != 0 {
            place = (place + STEP) & places;
        }
        self.set_half_at(index, place as usize, hash & !places | (entry as u32 + 1));
    }

    /// Lets nothing be found where an entry with this hash was.
    pub(super) fn forget(&mut self, index: Ref, entry: usize, hash: u32) {
        let places = places(self.len(index) as u32);
        let mut place = hash & places;
        while self.ref_at(index, 1, place as usize) & places != entry as u32 + 1 {
            place = (place + STEP) & places;
        }
        self.set_half_at(index, place as usize, REMOVED);
    }
}

/// What probing a map of words to words looks at.
struct Pairs {
    map: *mut u64,
    index: *mut u32,
    entries: *mut u64,
    capacity: u32,
    hash: u32,
}

/// Where probing for a key ended.
enum Place {
    /// At its value.
    Found(NonNull<u64>),
    /// At a half word of the index that is 0.
    Free(*mut u32),
}

impl Pairs {
    /// `None` where the map has no arrays.
    #[inline(always)]
    unsafe fn of(heap: *mut u64, map: Ref, key: u64) -> Option<Pairs> {
        // SAFETY: see `find_pair`.
        unsafe {
            let map = heap.add(map as usize);
            let index = low(*map.add(ARRAYS + INDEX / 2));
            if index == 0 {
                return None;
            }
            let index = heap.add(index as usize);
            let entries = heap.add(low(*map.add(ARRAYS + KEYS / 2)) as usize + 1);
            let capacity = high(*index);
            Some(Pairs { map, index: index.add(1).cast(), entries, capacity, hash: bits_hash(key) })
        }
    }

    #[inline(always)]
    unsafe fn place(&self, key: u64) -> Place {
        let places = places(self.capacity);
        let mut place = self.hash & places;
        loop {
            // SAFETY: see `find_pair`; an index is never full.
            unsafe {
                let slot = self.index.add(place as usize);
                if *slot == 0 {
                    return Place::Free(slot);
                }
                if may_be(*slot, self.hash, places) && *slot & places != 0 {
                    let entry = self.entries.add(2 * ((*slot & places) as usize - 1));
                    if *entry == key {
                        return Place::Found(NonNull::new_unchecked(entry.add(1)));
                    }
                }
            }
            place = (place + STEP) & places;
        }
    }
}

/// Where the value of a key lies.
///
/// # Safety
/// `map` is one of words to words, in the heap that begins at `heap`.
#[inline(always)]
pub(crate) unsafe fn find_pair(heap: *mut u64, map: Ref, key: u64) -> Option<NonNull<u64>> {
    // SAFETY: a map's words name its arrays.
    unsafe {
        match Pairs::of(heap, map, key)?.place(key) {
            Place::Found(value) => Some(value),
            Place::Free(_) => None,
        }
    }
}

/// Stores the value of a key, and says whether the key is new; `None` where there is no room, and nothing was done.
///
/// # Safety
/// As `find_pair`.
#[inline(always)]
pub(crate) unsafe fn put_pair(heap: *mut u64, map: Ref, key: u64, value: u64) -> Option<bool> {
    // SAFETY: as `find_pair`; there is room in the arrays for as many entries as the index has words.
    unsafe {
        let pairs = Pairs::of(heap, map, key)?;
        let slot = match pairs.place(key) {
            Place::Found(old) => {
                old.write(value);
                return Some(false);
            }
            Place::Free(slot) => slot,
        };
        let used = low(*pairs.map.add(2));
        if used == pairs.capacity {
            return None;
        }
        let hashes = high(*pairs.map.add(ARRAYS + HASHES / 2)) as usize;
        *heap.add(hashes + 1).cast::<u32>().add(used as usize) = pairs.hash;
        let entry = pairs.entries.add(2 * used as usize);
        *entry = key;
        *entry.add(1) = value;
        *slot = pairs.hash & !places(pairs.capacity) | (used + 1);
        *pairs.map.add(1) = (*pairs.map.add(1)).wrapping_add(GROWN);
        *pairs.map.add(2) += 1;
        Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_hash_is_zero() {
        let keys = (0..64).flat_map(|bit| [1u64 << bit, (1 << bit) - 1, !(1 << bit)]);
        assert!(keys.map(bits_hash).all(|hash| hash != 0));
    }

    /// Probes for a free place, beyond the first, of so many keys.
    fn steps(entries: usize, keys: impl Iterator<Item = u64>) -> usize {
        let mut taken = vec![false; 2 * entries];
        let mut steps = 0;
        for key in keys.take(entries) {
            let mut place = bits_hash(key) as usize & (taken.len() - 1);
            while std::mem::replace(&mut taken[place], true) {
                place = (place + STEP as usize) & (taken.len() - 1);
                steps += 1;
            }
        }
        steps
    }

    #[test]
    fn strides_do_not_crowd_a_map() {
        const ENTRIES: usize = 1 << 11;
        for bit in 0..53 {
            for from in [0u64, 1 << 40, u64::MAX << 20] {
                let steps = steps(ENTRIES, (0..).map(|n| from.wrapping_add(n << bit)));
                assert!(steps < 8 * ENTRIES, "{steps} steps for a stride of 2^{bit} from {from}");
            }
        }
        for stride in (1..20_000).step_by(3) {
            let steps = steps(ENTRIES / 2, (0..).map(|n| n * stride));
            assert!(steps < 4 * ENTRIES, "{steps} steps for a stride of {stride}");
        }
    }
}
