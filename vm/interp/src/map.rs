//! Maps and sets: entries in insertion order, found through an index.
//!
//! Four arrays hang off a map: the index (twice as many words as entries, probed linearly: the key's hash above,
//! the number of its entry plus one below, or 0), the entries' hashes in half words (0 marks a removed entry),
//! their keys, and a map's values. Where keys and values are words, they lie side by side in the array of keys. A
//! removed entry keeps its places until the arrays are made anew; the one in the index has no hash then.

use crate::heap::{Heap, Ref, SCALARS, high, low, pair};
use crate::list::array_words;
use crate::native::Trapped;
use crate::program::{Element, Info};
use crate::text::{fold, mix};
use crate::vm::{Cell, Vm};
use dscript_bytecode::ids::TypeId;
use dscript_bytecode::image::Type;

const INDEX: usize = 0;
const HASHES: usize = 1;
const KEYS: usize = 2;
const VALUES: usize = 3;
/// The word of a map where these references begin.
const ARRAYS: usize = 3;
const ENTRIES_LEAST: usize = 8;
const ENTRIES_MAX: usize = 1 << 30;

/// What a map or set holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MapType {
    pub ty: TypeId,
    pub key: TypeId,
    pub value: Option<TypeId>,
    keys: KeyKind,
    key_element: Element,
    /// `None` in a set.
    value_element: Element,
    /// Keys and values lie side by side.
    paired: bool,
}

/// The last key that was looked up: it is often the next one too.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memo {
    map: Ref,
    key: u64,
    /// Size and version of the map, which every structural change changes.
    state: u64,
    hash: u32,
    entry: Option<usize>,
}

/// How keys are hashed and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyKind {
    /// By their bits.
    Bits,
    /// By their bytes.
    Text,
    /// By their content, part by part.
    Parts,
}

impl MapType {
    pub fn new(types: &[Type], infos: &[Info], ty: TypeId) -> Option<Self> {
        let (key, value) = match types[ty.index()] {
            Type::Map(key, value) => (key, Some(value)),
            Type::Set(key) => (key, None),
            _ => return None,
        };
        let keys = match types[key.index()] {
            Type::Int | Type::Bool | Type::Duration | Type::Time | Type::Enum { .. } => KeyKind::Bits,
            Type::String => KeyKind::Text,
            _ => KeyKind::Parts,
        };
        let value_element = value.map_or(Element::None, |v| infos[v.index()].element);
        let key_element = infos[key.index()].element;
        let paired = key_element == Element::Scalar && value_element == Element::Scalar;
        Some(MapType { ty, key, value, keys, key_element, value_element, paired })
    }
}

/// The bit of a hash that tells which int it is of.
const IS_KEY: u32 = 1 << 31;

/// The hash of an int: eight that follow each other have places that follow each other, as programs often ask for
/// keys in their order. Never 0. Those of the ints from 0 to 2^31 - 1 are all different and differ from those of
/// all others, so that where such a hash is found its entry need not be looked at.
#[inline]
fn bits_hash(key: u64) -> u32 {
    if key < u64::from(IS_KEY) {
        // Each step gives different results for different numbers of 28 bits.
        const MASK: u32 = (1 << 28) - 1;
        let mut eights = (key as u32 >> 3).wrapping_mul(0x9e37_79b1) & MASK;
        eights ^= eights >> 14;
        eights = eights.wrapping_mul(0x85eb_ca6b) & MASK;
        eights ^= eights >> 13;
        return IS_KEY | eights << 3 | key as u32 & 7;
    }
    let hash = fold(mix(key >> 3)) & !IS_KEY & !7 | (key & 7) as u32;
    if hash == 0 { 8 } else { hash }
}

/// Whether equal hashes mean equal ints.
#[inline]
fn is_key(hash: u32) -> bool {
    hash & IS_KEY != 0
}

fn entry_words(map: &MapType, capacity: usize) -> usize {
    let values = if map.value.is_some() { array_words(map.value_element, capacity) } else { 0 };
    // Side by side they have one header for two.
    (1 + 2 * capacity) + (1 + capacity / 2) + array_words(map.key_element, capacity) + values
}

pub(crate) fn map_words(map: &MapType, entries: usize) -> usize {
    5 + if entries == 0 { 0 } else { entry_words(map, capacity_for(entries)) }
}

fn capacity_for(entries: usize) -> usize {
    entries.next_power_of_two().max(ENTRIES_LEAST)
}

impl Vm {
    #[inline]
    pub(crate) fn map_type(&self, ty: TypeId) -> MapType {
        self.program.maps[ty.index()].expect("a type of maps or sets")
    }

    #[inline]
    pub(crate) fn map_type_of(&self, map: Ref) -> MapType {
        self.map_type(TypeId(self.heap.tag(map)))
    }

    /// Room for `map_words` was reserved.
    pub(crate) fn new_map(&mut self, map: &MapType, entries: usize) -> Ref {
        let object = self.heap.allocate(map.ty.0, 0, 5);
        if entries > 0 {
            self.make_arrays(map, object, capacity_for(entries));
        }
        object
    }

    fn make_arrays(&mut self, map: &MapType, object: Ref, capacity: usize) {
        let index = self.heap.allocate(SCALARS, 2 * capacity as u32, 1 + 2 * capacity);
        let hashes = self.heap.allocate(SCALARS, (capacity / 2) as u32, 1 + capacity / 2);
        let (keys, values) = match map.value {
            Some(_) if map.paired => (self.new_array(Element::Scalar, 2 * capacity), 0),
            Some(_) => {
                let keys = self.new_array(map.key_element, capacity);
                (keys, self.new_array(map.value_element, capacity))
            }
            None => (self.new_array(map.key_element, capacity), 0),
        };
        for (at, array) in [(INDEX, index), (HASHES, hashes), (KEYS, keys), (VALUES, values)] {
            self.heap.set_ref_at(object, ARRAYS, at, array);
        }
    }

    #[inline]
    fn array(&self, map: Ref, which: usize) -> Ref {
        self.heap.ref_at(map, ARRAYS, which)
    }

    #[inline]
    fn half(&self, array: Ref, index: usize) -> u32 {
        self.heap.ref_at(array, 1, index)
    }

    #[inline]
    pub(crate) fn map_size(&self, map: Ref) -> usize {
        low(self.heap.word(map, 1)) as usize
    }

    #[inline]
    fn map_used(&self, map: Ref) -> usize {
        self.heap.word(map, 2) as usize
    }

    fn map_capacity(&self, map: Ref) -> usize {
        match self.array(map, INDEX) {
            0 => 0,
            index => self.heap.len(index) / 2,
        }
    }

    fn map_resized(&mut self, map: Ref, size: usize, used: usize) {
        let version = high(self.heap.word(map, 1)).wrapping_add(1);
        self.heap.set_word(map, 1, pair(size as u32, version));
        self.heap.set_word(map, 2, used as u64);
    }

    #[inline]
    fn key_hash(&mut self, map: &MapType, key: u64) -> Result<u32, Trapped> {
        match map.keys {
            KeyKind::Bits => Ok(bits_hash(key)),
            KeyKind::Text => Ok(self.heap.text_hash(low(key))),
            KeyKind::Parts => {
                let cell = self.unboxed(map.key, key);
                self.hash(map.key, cell)
            }
        }
    }

    fn kind_of(&self, map: Ref) -> &MapType {
        self.program.maps[self.heap.tag(map) as usize].as_ref().expect("a type of maps or sets")
    }

    /// The entry of a key that is an int or a String, which cannot fail to be compared.
    fn map_find_simple(&mut self, map: Ref, key: u64) -> Option<usize> {
        if self.map_size(map) == 0 {
            return None;
        }
        let state = self.heap.word(map, 1);
        let memo = self.memo;
        if memo.map == map && memo.key == key && memo.state == state {
            return memo.entry;
        }
        let kind = self.kind_of(map);
        let (is_text, paired, element) = (kind.keys == KeyKind::Text, kind.paired, kind.key_element);
        let (hash, entry) = if is_text {
            let hash = self.heap.text_hash(low(key));
            let same = |heap: &Heap, keys, entry| {
                let other = heap.ref_at(keys, 1, entry);
                other == low(key) || heap.same_text(low(key), other)
            };
            (hash, self.map_probe(map, hash, same))
        } else if paired {
            let hash = bits_hash(key);
            let same = |heap: &Heap, keys, entry| is_key(hash) || heap.word(keys, 1 + 2 * entry) == key;
            (hash, self.map_probe(map, hash, same))
        } else {
            let hash = bits_hash(key);
            let same = |_: &Heap, keys, entry| is_key(hash) || self.array_get(element, keys, entry) == key;
            (hash, self.map_probe(map, hash, same))
        };
        self.memo = Memo { map, key, state, hash, entry };
        entry
    }

    /// The entry with such a hash of which `same` holds, given the keys.
    #[inline(always)]
    fn map_probe(&self, map: Ref, hash: u32, same: impl Fn(&Heap, Ref, usize) -> bool) -> Option<usize> {
        let index = self.array(map, INDEX);
        if index == 0 {
            return None;
        }
        let keys = self.array(map, KEYS);
        let mask = self.heap.len(index) - 1;
        let mut place = hash as usize & mask;
        loop {
            let found = self.heap.word(index, 1 + place);
            if found == 0 {
                return None;
            }
            let entry = (low(found) as usize).wrapping_sub(1);
            if high(found) == hash && same(&self.heap, keys, entry) {
                return Some(entry);
            }
            place = (place + 1) & mask;
        }
    }

    /// The value of such a key.
    #[inline(never)]
    pub(crate) fn map_get(&mut self, map: Ref, key: u64) -> Option<u64> {
        let entry = self.map_find_simple(map, key)?;
        Some(self.map_value(self.kind_of(map), map, entry))
    }

    #[inline(never)]
    pub(crate) fn map_has(&mut self, map: Ref, key: u64) -> bool {
        self.map_find_simple(map, key).is_some()
    }

    /// Puts a value in the place of such a key, or behind the others where there is room, and says whether the key is
    /// new; else `None`.
    #[inline(never)]
    pub(crate) fn map_put_now(&mut self, map: Ref, key: u64, value: u64) -> Option<bool> {
        if self.map_size(map) == 0 {
            return None;
        }
        let found = self.map_find_simple(map, key);
        let kind = *self.kind_of(map);
        match found {
            Some(entry) => self.map_set_value(&kind, map, entry, value),
            None if self.map_used(map) == self.map_capacity(map) => return None,
            None => {
                let hash = self.memo.hash;
                self.map_append(&kind, map, key, value, hash);
            }
        }
        Some(found.is_none())
    }

    /// The entry of a key, a scalar's bits or a reference.
    pub(crate) fn map_find(&mut self, kind: &MapType, map: Ref, key: u64) -> Result<Option<usize>, Trapped> {
        if self.map_size(map) == 0 {
            return Ok(None);
        }
        self.map_look_up(kind, map, key).map(|memo| memo.entry)
    }

    #[inline]
    fn map_look_up(&mut self, kind: &MapType, map: Ref, key: u64) -> Result<Memo, Trapped> {
        let memo = self.memo;
        let state = self.heap.word(map, 1);
        if memo.map == map && memo.key == key && memo.state == state {
            return Ok(memo);
        }
        let hash = self.key_hash(kind, key)?;
        let entry = self.map_find_hashed(kind, map, key, hash)?;
        self.memo = Memo { map, key, state, hash, entry };
        Ok(self.memo)
    }

    #[inline]
    fn map_find_hashed(
        &self,
        kind: &MapType,
        map: Ref,
        key: u64,
        hash: u32,
    ) -> Result<Option<usize>, Trapped> {
        let index = self.array(map, INDEX);
        if index == 0 {
            return Ok(None);
        }
        let keys = self.array(map, KEYS);
        let mask = self.heap.len(index) - 1;
        let mut place = hash as usize & mask;
        loop {
            let found = self.heap.word(index, 1 + place);
            if found == 0 {
                return Ok(None);
            }
            if high(found) == hash {
                let entry = low(found) as usize - 1;
                let same = match kind.keys {
                    KeyKind::Bits if is_key(hash) => true,
                    KeyKind::Bits if kind.paired => self.heap.word(keys, 1 + 2 * entry) == key,
                    KeyKind::Bits => self.array_get(kind.key_element, keys, entry) == key,
                    KeyKind::Text => {
                        let other = self.heap.ref_at(keys, 1, entry);
                        other == low(key) || self.heap.same_text(low(key), other)
                    }
                    KeyKind::Parts => {
                        let other = self.heap.ref_at(keys, 1, entry);
                        other == low(key)
                            || self.equal(kind.key, Cell::reference(low(key)), Cell::reference(other))?
                    }
                };
                if same {
                    return Ok(Some(entry));
                }
            }
            place = (place + 1) & mask;
        }
    }

    /// Adds or replaces. True when the key is new. Map, key and value may move.
    pub(crate) fn map_put(
        &mut self,
        kind: &MapType,
        map: Ref,
        key: u64,
        value: u64,
    ) -> Result<bool, Trapped> {
        let Memo { hash, entry, .. } = self.map_look_up(kind, map, key)?;
        if let Some(entry) = entry {
            self.map_set_value(kind, map, entry, value);
            return Ok(false);
        }
        let (mut map, mut key, mut value) = (map, key, value);
        if self.map_used(map) == self.map_capacity(map) {
            let capacity = capacity_for((self.map_size(map) + 1) * 4 / 3);
            if capacity > ENTRIES_MAX {
                return Err(self.out_of_memory());
            }
            let keep_key = if kind.key_element.is_scalar() { 0 } else { low(key) };
            let has_ref = kind.value.is_some() && !kind.value_element.is_scalar();
            let keep_value = if has_ref { low(value) } else { 0 };
            let kept = self.reserve_with(entry_words(kind, capacity), [map, keep_key, keep_value])?;
            map = kept[0];
            if !kind.key_element.is_scalar() {
                key = u64::from(kept[1]);
            }
            if has_ref {
                value = u64::from(kept[2]);
            }
            self.rebuild(kind, map, capacity);
        }
        self.map_append(kind, map, key, value, hash);
        Ok(true)
    }

    /// Adds a new key; there is room for one entry more.
    fn map_append(&mut self, kind: &MapType, map: Ref, key: u64, value: u64, hash: u32) {
        let entry = self.map_used(map);
        let (keys, hashes) = (self.array(map, KEYS), self.array(map, HASHES));
        self.set_key(kind, keys, entry, key);
        self.heap.set_half_at(hashes, entry, hash);
        self.map_set_value(kind, map, entry, value);
        self.enter(map, entry, hash);
        self.map_resized(map, self.map_size(map) + 1, entry + 1);
    }

    fn enter(&mut self, map: Ref, entry: usize, hash: u32) {
        let index = self.array(map, INDEX);
        let mask = self.heap.len(index) - 1;
        let mut place = hash as usize & mask;
        while self.heap.word(index, 1 + place) != 0 {
            place = (place + 1) & mask;
        }
        self.heap.set_word(index, 1 + place, pair(entry as u32 + 1, hash));
    }

    /// New arrays without the removed entries; room was reserved.
    fn rebuild(&mut self, kind: &MapType, map: Ref, capacity: usize) {
        let used = self.map_used(map);
        let old = [HASHES, KEYS, VALUES].map(|which| self.array(map, which));
        self.make_arrays(kind, map, capacity);
        let new = [HASHES, KEYS, VALUES].map(|which| self.array(map, which));
        let mut next = 0;
        for entry in 0..used {
            let hash = self.half(old[0], entry);
            if hash == 0 {
                continue;
            }
            self.heap.set_half_at(new[0], next, hash);
            if kind.paired {
                self.heap.copy_scalars(old[1], 2 * entry, new[1], 2 * next, 2);
                self.enter(map, next, hash);
                next += 1;
                continue;
            }
            self.array_copy(kind.key_element, old[1], entry, new[1], next, 1);
            if kind.value.is_some() {
                self.array_copy(kind.value_element, old[2], entry, new[2], next, 1);
            }
            self.enter(map, next, hash);
            next += 1;
        }
        self.heap.set_word(map, 2, next as u64);
    }

    fn set_key(&mut self, kind: &MapType, keys: Ref, entry: usize, key: u64) {
        if kind.paired {
            self.heap.set_word(keys, 1 + 2 * entry, key);
        } else {
            self.array_set(kind.key_element, keys, entry, key);
        }
    }

    fn map_set_value(&mut self, kind: &MapType, map: Ref, entry: usize, value: u64) {
        if kind.paired {
            let keys = self.array(map, KEYS);
            return self.heap.set_word(keys, 2 + 2 * entry, value);
        }
        if kind.value.is_some() {
            let values = self.array(map, VALUES);
            self.array_set(kind.value_element, values, entry, value);
        }
    }

    pub(crate) fn map_remove(&mut self, kind: &MapType, map: Ref, entry: usize) {
        let (keys, hashes) = (self.array(map, KEYS), self.array(map, HASHES));
        self.forget(map, entry, self.half(hashes, entry));
        self.heap.set_half_at(hashes, entry, 0);
        self.set_key(kind, keys, entry, 0);
        self.map_set_value(kind, map, entry, 0);
        match self.map_size(map) - 1 {
            0 => self.map_clear(map),
            size => self.map_resized(map, size, self.map_used(map)),
        }
    }

    /// Takes the hash of an entry out of the index, so that nothing is found there.
    fn forget(&mut self, map: Ref, entry: usize, hash: u32) {
        let index = self.array(map, INDEX);
        let mask = self.heap.len(index) - 1;
        let mut place = hash as usize & mask;
        while low(self.heap.word(index, 1 + place)) as usize != entry + 1 {
            place = (place + 1) & mask;
        }
        self.heap.set_word(index, 1 + place, pair(entry as u32 + 1, 0));
    }

    pub(crate) fn map_clear(&mut self, map: Ref) {
        for which in [INDEX, HASHES, KEYS, VALUES] {
            self.heap.set_ref_at(map, ARRAYS, which, 0);
        }
        self.map_resized(map, 0, 0);
    }

    /// The first entry at or after `from`.
    pub(crate) fn map_next(&self, map: Ref, from: usize) -> Option<usize> {
        let hashes = self.array(map, HASHES);
        (from..self.map_used(map)).find(|entry| self.half(hashes, *entry) != 0)
    }

    /// Whether a program's index names an entry.
    pub(crate) fn map_entry(&self, map: Ref, index: i64) -> Option<usize> {
        let entry = usize::try_from(index).ok()?;
        (self.map_next(map, entry) == Some(entry)).then_some(entry)
    }

    /// The number of the entry after one, or -1.
    pub(crate) fn map_after(&self, map: Ref, after: i64) -> i64 {
        let from = usize::try_from(after.saturating_add(1)).unwrap_or_default();
        self.map_next(map, from).map_or(-1, |entry| entry as i64)
    }

    pub(crate) fn map_key_at(&self, map: Ref, index: i64) -> Option<u64> {
        let entry = self.map_entry(map, index)?;
        Some(self.map_key(self.kind_of(map), map, entry))
    }

    pub(crate) fn map_value_at(&self, map: Ref, index: i64) -> Option<u64> {
        let entry = self.map_entry(map, index)?;
        Some(self.map_value(self.kind_of(map), map, entry))
    }

    pub(crate) fn map_key(&self, kind: &MapType, map: Ref, entry: usize) -> u64 {
        if kind.paired {
            return self.heap.word(self.array(map, KEYS), 1 + 2 * entry);
        }
        self.array_get(kind.key_element, self.array(map, KEYS), entry)
    }

    #[inline]
    pub(crate) fn map_value(&self, kind: &MapType, map: Ref, entry: usize) -> u64 {
        if kind.paired {
            return self.heap.word(self.array(map, KEYS), 2 + 2 * entry);
        }
        self.array_get(kind.value_element, self.array(map, VALUES), entry)
    }
}

impl Vm {
    /// The entry of `b` for the key of an entry of `a`, another map of the same type: hashes are kept.
    pub(crate) fn map_find_as(
        &self,
        kind: &MapType,
        a: Ref,
        entry: usize,
        b: Ref,
        key: u64,
    ) -> Result<Option<usize>, Trapped> {
        self.map_find_hashed(kind, b, key, self.half(self.array(a, HASHES), entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustc_hash::FxHashSet;

    #[test]
    fn small_ints_have_hashes_of_their_own() {
        // Places of all bits, and runs.
        let keys: FxHashSet<u64> = (0..31)
            .flat_map(|bit| (0..40_000u64).map(move |n| (n << bit) & ((1 << 31) - 1)))
            .chain((1 << 31) - 1_000..1 << 31)
            .collect();
        let hashes: FxHashSet<u32> = keys.iter().map(|key| bits_hash(*key)).collect();
        assert_eq!(hashes.len(), keys.len());
        assert!(hashes.iter().all(|hash| is_key(*hash)));
        assert!([1 << 31, 1 << 40, u64::MAX, i64::MIN as u64].iter().all(|key| {
            let hash = bits_hash(*key);
            hash != 0 && !is_key(hash)
        }));
    }

    #[test]
    fn strides_do_not_crowd_a_map() {
        const ENTRIES: usize = 1 << 11;
        for bit in 0..20 {
            let mut taken = vec![false; 2 * ENTRIES];
            let mut steps = 0;
            for n in 0..ENTRIES as u64 {
                let mut place = bits_hash(n << bit) as usize & (taken.len() - 1);
                while std::mem::replace(&mut taken[place], true) {
                    place = (place + 1) & (taken.len() - 1);
                    steps += 1;
                }
            }
            assert!(steps < 8 * ENTRIES, "{steps} steps for a stride of 2^{bit}");
        }
    }
}
