//! Maps and sets: entries in insertion order, found through an index.
//!
//! Four arrays hang off a map: the index (`index`), the entries' hashes in half words (0 marks a removed entry),
//! their keys, and a map's values. Where keys and values are words, they lie side by side in the array of keys. A
//! removed entry keeps its place until the arrays are made anew.

mod ahead;
mod index;

use crate::heap::{Ref, SCALARS, high, low, pair};
use crate::list::array_words;
use crate::native::Trapped;
use crate::program::{Element, Info};
use crate::vm::{Cell, Vm};
pub(crate) use ahead::Ahead;
use dscript_bytecode::ids::TypeId;
use dscript_bytecode::image::Type;
pub(crate) use index::{find_pair, put_pair};
use std::convert::Infallible;

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

/// The last key that was looked up and is an object: it is often the next one too.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memo {
    map: Ref,
    key: Ref,
    /// Size and version of the map, which every structural change changes.
    state: u64,
    found: Found,
}

/// What is known of a key.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    hash: u32,
    entry: Option<u32>,
}

impl Found {
    fn entry(self) -> Option<usize> {
        self.entry.map(|entry| entry as usize)
    }
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

fn entry_words(map: &MapType, capacity: usize) -> usize {
    let values = if map.value.is_some() { array_words(map.value_element, capacity) } else { 0 };
    // Side by side they have one header for two.
    (1 + capacity) + (1 + capacity / 2) + array_words(map.key_element, capacity) + values
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
        let index = self.heap.allocate(SCALARS, capacity as u32, 1 + capacity);
        let hashes = self.new_entries(Element::Scalar, capacity / 2);
        let (keys, values) = match map.value {
            Some(_) if map.paired => (self.new_entries(Element::Scalar, 2 * capacity), 0),
            Some(_) => {
                let keys = self.new_entries(map.key_element, capacity);
                (keys, self.new_entries(map.value_element, capacity))
            }
            None => (self.new_entries(map.key_element, capacity), 0),
        };
        for (at, array) in [(INDEX, index), (HASHES, hashes), (KEYS, keys), (VALUES, values)] {
            self.heap.set_ref_at(object, ARRAYS, at, array);
        }
    }

    /// An array of which nothing is read before it is stored there, so words need not be cleared.
    fn new_entries(&mut self, element: Element, count: usize) -> Ref {
        match element {
            Element::Scalar => self.heap.allocate_raw(SCALARS, count as u32, 1 + count),
            _ => self.new_array(element, count),
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
        low(self.heap.word(map, 2)) as usize
    }

    /// The first entry that is not removed; 0 where there is none.
    #[inline]
    fn map_first(&self, map: Ref) -> usize {
        high(self.heap.word(map, 2)) as usize
    }

    fn map_capacity(&self, map: Ref) -> usize {
        match self.array(map, INDEX) {
            0 => 0,
            index => self.heap.len(index),
        }
    }

    fn map_resized(&mut self, map: Ref, size: usize, used: usize, first: usize) {
        let version = high(self.heap.word(map, 1)).wrapping_add(1);
        self.heap.set_word(map, 1, pair(size as u32, version));
        self.heap.set_word(map, 2, pair(used as u32, first as u32));
    }

    #[inline]
    fn key_hash(&mut self, map: &MapType, key: u64) -> Result<u32, Trapped> {
        match map.keys {
            KeyKind::Bits => Ok(index::bits_hash(key)),
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

    /// What is known of a key that is an int or a String, which cannot fail to be compared.
    fn map_find_simple(&mut self, map: Ref, key: u64) -> Found {
        let kind = self.kind_of(map);
        let (is_text, element) = (kind.keys == KeyKind::Text, kind.key_element);
        if is_text {
            return self.map_find_text(map, low(key));
        }
        let hash = index::bits_hash(key);
        let found = if kind.paired {
            self.map_probe(map, hash, |vm, keys, entry| Ok(vm.heap.word(keys, 1 + 2 * entry) == key))
        } else {
            self.map_probe(map, hash, |vm, keys, entry| Ok(vm.array_get(element, keys, entry) == key))
        };
        let entry: Result<_, Infallible> = found;
        let Ok(entry) = entry;
        Found { hash, entry }
    }

    fn map_find_text(&mut self, map: Ref, key: Ref) -> Found {
        let state = self.heap.word(map, 1);
        let memo = self.memo;
        if memo.map == map && memo.key == key && memo.state == state {
            return memo.found;
        }
        self.is_asked(map);
        let hash = self.heap.text_hash(key);
        let entry: Result<_, Infallible> = self.map_probe(map, hash, |vm, keys, entry| {
            let other = vm.heap.ref_at(keys, 1, entry);
            Ok(other == key || vm.heap.same_text(key, other))
        });
        let Ok(entry) = entry;
        let found = Found { hash, entry };
        self.memo = Memo { map, key, state, found };
        found
    }

    /// The entry with such a hash of which `same` holds, given the keys.
    #[inline(always)]
    fn map_probe<E>(
        &self,
        map: Ref,
        hash: u32,
        same: impl Fn(&Vm, Ref, usize) -> Result<bool, E>,
    ) -> Result<Option<u32>, E> {
        let index = self.array(map, INDEX);
        if index == 0 {
            return Ok(None);
        }
        let keys = self.array(map, KEYS);
        let found = self.heap.find_entry(index, hash, |entry| same(self, keys, entry))?;
        Ok(found.map(|entry| entry as u32))
    }

    /// The value of such a key.
    #[inline(never)]
    pub(crate) fn map_get(&mut self, map: Ref, key: u64) -> Option<u64> {
        let entry = self.map_find_simple(map, key).entry()?;
        Some(self.map_value(self.kind_of(map), map, entry))
    }

    #[inline(never)]
    pub(crate) fn map_has(&mut self, map: Ref, key: u64) -> bool {
        self.map_find_simple(map, key).entry.is_some()
    }

    /// Puts a value in the place of such a key, or behind the others where there is room, and says whether the key is
    /// new; else `None`.
    #[inline(never)]
    pub(crate) fn map_put_now(&mut self, map: Ref, key: u64, value: u64) -> Option<bool> {
        let found = self.map_find_simple(map, key);
        let kind = *self.kind_of(map);
        match found.entry() {
            Some(entry) => self.map_set_value(&kind, map, entry, value),
            None if self.map_used(map) == self.map_capacity(map) => return None,
            None => self.map_append(&kind, map, key, value, found.hash),
        }
        Some(found.entry.is_none())
    }

    /// Takes such a key out, if it is there, and gives its value; of a set that says nothing.
    #[inline(never)]
    pub(crate) fn map_remove_now(&mut self, map: Ref, key: u64) -> Option<u64> {
        if self.map_size(map) == 0 {
            return None;
        }
        let entry = self.map_find_simple(map, key).entry()?;
        let kind = *self.kind_of(map);
        let value = kind.value.map_or(0, |_| self.map_value(&kind, map, entry));
        self.map_remove(&kind, map, entry);
        Some(value)
    }

    /// The entry of a key, a scalar's bits or a reference.
    pub(crate) fn map_find(&mut self, kind: &MapType, map: Ref, key: u64) -> Result<Option<usize>, Trapped> {
        if self.map_size(map) == 0 {
            return Ok(None);
        }
        self.map_look_up(kind, map, key).map(Found::entry)
    }

    #[inline]
    fn map_look_up(&mut self, kind: &MapType, map: Ref, key: u64) -> Result<Found, Trapped> {
        if kind.keys != KeyKind::Parts {
            return Ok(self.map_find_simple(map, key));
        }
        let memo = self.memo;
        let state = self.heap.word(map, 1);
        if memo.map == map && memo.key == low(key) && memo.state == state {
            return Ok(memo.found);
        }
        let hash = self.key_hash(kind, key)?;
        let found = Found { hash, entry: self.map_find_hashed(kind, map, key, hash)? };
        self.memo = Memo { map, key: low(key), state, found };
        Ok(found)
    }

    fn map_find_hashed(&self, kind: &MapType, map: Ref, key: u64, hash: u32) -> Result<Option<u32>, Trapped> {
        self.map_probe(map, hash, |vm, keys, entry| match kind.keys {
            KeyKind::Bits if kind.paired => Ok(vm.heap.word(keys, 1 + 2 * entry) == key),
            KeyKind::Bits => Ok(vm.array_get(kind.key_element, keys, entry) == key),
            KeyKind::Text | KeyKind::Parts => {
                let other = vm.heap.ref_at(keys, 1, entry);
                if other == low(key) {
                    return Ok(true);
                }
                match kind.keys {
                    KeyKind::Text => Ok(vm.heap.same_text(low(key), other)),
                    _ => vm.equal(kind.key, Cell::reference(low(key)), Cell::reference(other)),
                }
            }
        })
    }

    /// Adds or replaces. True when the key is new. Map, key and value may move.
    pub(crate) fn map_put(
        &mut self,
        kind: &MapType,
        map: Ref,
        key: u64,
        value: u64,
    ) -> Result<bool, Trapped> {
        let found = self.map_look_up(kind, map, key)?;
        if let Some(entry) = found.entry() {
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
        self.map_append(kind, map, key, value, found.hash);
        Ok(true)
    }

    /// Adds a new key; there is room for one entry more.
    fn map_append(&mut self, kind: &MapType, map: Ref, key: u64, value: u64, hash: u32) {
        let entry = self.map_used(map);
        let (keys, hashes) = (self.array(map, KEYS), self.array(map, HASHES));
        self.set_key(kind, keys, entry, key);
        self.heap.set_half_at(hashes, entry, hash);
        self.map_set_value(kind, map, entry, value);
        self.heap.enter(self.array(map, INDEX), entry, hash);
        self.map_resized(map, self.map_size(map) + 1, entry + 1, self.map_first(map));
    }

    /// New arrays without the removed entries; room was reserved.
    fn rebuild(&mut self, kind: &MapType, map: Ref, capacity: usize) {
        let used = self.map_used(map);
        let old = [HASHES, KEYS, VALUES].map(|which| self.array(map, which));
        self.make_arrays(kind, map, capacity);
        let index = self.array(map, INDEX);
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
            } else {
                self.array_copy(kind.key_element, old[1], entry, new[1], next, 1);
                if kind.value.is_some() {
                    self.array_copy(kind.value_element, old[2], entry, new[2], next, 1);
                }
            }
            self.heap.enter(index, next, hash);
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
        self.heap.forget(self.array(map, INDEX), entry, self.half(hashes, entry));
        self.heap.set_half_at(hashes, entry, 0);
        self.set_key(kind, keys, entry, 0);
        self.map_set_value(kind, map, entry, 0);
        match self.map_size(map) - 1 {
            0 => self.map_clear(map),
            size => {
                // What was before the first entry is skipped once, not at each look for the first.
                let first = match self.map_first(map) {
                    first if first == entry => self.map_next(map, entry + 1).unwrap_or_default(),
                    first => first,
                };
                self.map_resized(map, size, self.map_used(map), first);
            }
        }
    }

    pub(crate) fn map_clear(&mut self, map: Ref) {
        for which in [INDEX, HASHES, KEYS, VALUES] {
            self.heap.set_ref_at(map, ARRAYS, which, 0);
        }
        self.map_resized(map, 0, 0, 0);
    }

    /// The first entry at or after `from`.
    pub(crate) fn map_next(&self, map: Ref, from: usize) -> Option<usize> {
        let hashes = self.array(map, HASHES);
        (from.max(self.map_first(map))..self.map_used(map)).find(|entry| self.half(hashes, *entry) != 0)
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
        let found = self.map_find_hashed(kind, b, key, self.half(self.array(a, HASHES), entry))?;
        Ok(found.map(|entry| entry as usize))
    }
}
