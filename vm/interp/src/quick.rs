//! Natives of maps, sets, lists and texts that are done at once where nothing is unusual: then they neither collect nor trap nor wait.
//! The interpreter has handlers for them, and machine code calls them without bringing the fiber up to date. The rest,
//! such as a map that must grow, is the ordinary native's.

use crate::fiber::Running;
use crate::heap::{BOOLS, Ref, SCALARS, string_words};
use crate::map;
use crate::natives::{as_char, char_of, short_decimal, trimmed};
use crate::program::{Element, Info, Program};
use crate::text::{INT_DIGITS, piece_words};
use crate::vm::Vm;
use dscript_bytecode::ids::{NativeId, TypeId};
use dscript_bytecode::image::{Image, Type};
use memchr::memmem;
use std::ptr::NonNull;

/// Bytes of a text that is looked through at once.
const SHORT: usize = 256;
/// Elements of a list that are moved at once.
const FEW: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quick {
    /// The value of a key: a flag and a scalar, or a reference that may be null.
    Get,
    /// Whether a key is there.
    Has,
    /// Stores the value of a key, where there is room.
    Put,
    /// As these, of a map of words to words.
    PairGet,
    PairHas,
    PairPut,
    /// Puts a key into a set, where there is room; whether it is new.
    Add,
    /// How many entries there are.
    Size,
    /// The number of the entry after one.
    Next,
    /// The key of an entry with this number, where there is one.
    KeyAt,
    /// Its value.
    ValueAt,
    /// Below, at or above 0 as a String sorts before, with or after another.
    Compare,
    /// Whether a String has nothing in it.
    IsEmpty,
    /// Whether a String begins or ends with another.
    StartsWith,
    EndsWith,
    /// Whether a short String has another in it.
    Contains,
    /// The int that a String of a few decimal digits stands for: a flag and a scalar.
    ParseInt,
    /// Takes an element out of a list, where few lie behind it.
    RemoveAt,
    /// The element of a list at an index, where there is one: a flag and a scalar, or a reference that may be null.
    ElementAt,
    /// Takes a key out of a map; its value, as `Get` gives it.
    Remove,
    /// Takes a key out of a set; whether it was there.
    Drop,
    /// The String of one code point.
    TextOfCode,
    /// A String from one code point to another.
    Slice,
    /// A String without the space around it.
    Trim,
}

impl Quick {
    /// Whether there are ways that are the ordinary native's.
    pub fn may_be_lent(self) -> bool {
        use Quick::{
            Add, Contains, KeyAt, PairPut, ParseInt, Put, RemoveAt, Slice, TextOfCode, Trim, ValueAt,
        };
        matches!(self, Put | PairPut | Add | KeyAt | ValueAt | Contains | ParseInt | RemoveAt)
            || matches!(self, TextOfCode | Slice | Trim)
    }

    /// What a native of this program is, by its name and how its keys and values are held.
    pub fn of(program: &Program, native: NativeId) -> Option<Quick> {
        Quick::of_native(program.image(), &program.infos, native)
    }

    pub(crate) fn of_native(image: &Image, infos: &[Info], native: NativeId) -> Option<Quick> {
        let native = &image.natives[native.index()];
        let quick = match native.name.as_str() {
            "Map.get" => Quick::Get,
            "Map.containsKey" | "Set.contains" => Quick::Has,
            "Map.put" => Quick::Put,
            "Set.add" => Quick::Add,
            "Map.size" | "Set.size" => Quick::Size,
            "Map.nextIndex" | "Set.nextIndex" => Quick::Next,
            "Map.keyAt" | "Set.at" => Quick::KeyAt,
            "Map.valueAt" => Quick::ValueAt,
            "String.compareTo" => Quick::Compare,
            "String.isEmpty" => Quick::IsEmpty,
            "String.startsWith" => Quick::StartsWith,
            "String.endsWith" => Quick::EndsWith,
            "String.contains" => Quick::Contains,
            "Int.parse" => Quick::ParseInt,
            "List.removeAt" => Quick::RemoveAt,
            "List.get" => Quick::ElementAt,
            "Map.remove" => Quick::Remove,
            "Set.remove" => Quick::Drop,
            "String.fromCodePoint" => Quick::TextOfCode,
            "String.slice" => Quick::Slice,
            "String.trim" => Quick::Trim,
            _ => return None,
        };
        let is_plain = |ty: &TypeId| infos[ty.index()].element != Element::Boxed;
        match quick {
            Quick::Size | Quick::Next => return Some(quick),
            Quick::Compare | Quick::IsEmpty | Quick::StartsWith | Quick::EndsWith => return Some(quick),
            Quick::Contains | Quick::ParseInt => return Some(quick),
            Quick::TextOfCode | Quick::Slice | Quick::Trim => return Some(quick),
            Quick::KeyAt | Quick::RemoveAt | Quick::ElementAt => {
                return native.type_args.first().is_some_and(is_plain).then_some(quick);
            }
            Quick::ValueAt => return native.type_args.get(1).is_some_and(is_plain).then_some(quick),
            _ => {}
        }
        let key = &image.types[native.type_args.first()?.index()];
        let simple = matches!(
            key,
            Type::String | Type::Int | Type::Bool | Type::Duration | Type::Time | Type::Enum { .. }
        );
        if !simple || !native.type_args.get(1).is_none_or(is_plain) {
            return None;
        }
        let is_word = |ty: &TypeId| infos[ty.index()].element == Element::Scalar;
        let pairs = native.type_args.len() == 2 && native.type_args.iter().all(is_word);
        Some(match quick {
            Quick::Get if pairs => Quick::PairGet,
            Quick::Has if pairs => Quick::PairHas,
            Quick::Put if pairs => Quick::PairPut,
            quick => quick,
        })
    }
}

/// Where the value of a key lies in a map of words to words. It stays there until a call that may collect, or that
/// gives the map other arrays.
///
/// # Safety
/// The map is one, in the heap that begins at `heap`.
#[inline]
pub unsafe fn pair_place(heap: *mut u64, map: u32, key: u64) -> Option<NonNull<u64>> {
    // SAFETY: the caller sees to it.
    unsafe { map::find_pair(heap, map, key) }
}

/// The value of a key in such a map.
///
/// # Safety
/// As `pair_place`.
#[inline]
pub unsafe fn pair_get(heap: *mut u64, map: u32, key: u64) -> Option<u64> {
    // SAFETY: the caller sees to it.
    unsafe { pair_place(heap, map, key).map(|place| place.read()) }
}

/// Stores it, and says whether the key is new; `None` where there is no room, and nothing was done.
///
/// # Safety
/// As `pair_place`.
#[inline]
pub unsafe fn pair_put(heap: *mut u64, map: u32, key: u64, value: u64) -> Option<bool> {
    // SAFETY: the caller sees to it.
    unsafe { map::put_pair(heap, map, key, value) }
}

impl Vm {
    pub(crate) fn starts_with(&self, text: Ref, part: Ref) -> bool {
        self.heap.text_bytes(text).starts_with(self.heap.text_bytes(part))
    }

    pub(crate) fn ends_with(&self, text: Ref, part: Ref) -> bool {
        self.heap.text_bytes(text).ends_with(self.heap.text_bytes(part))
    }

    /// `None` where looking costs more than a call.
    pub(crate) fn contains_now(&self, text: Ref, part: Ref) -> Option<bool> {
        let bytes = self.heap.text_bytes(text);
        (bytes.len() <= SHORT).then(|| memmem::find(bytes, self.heap.text_bytes(part)).is_some())
    }

    /// An element that was taken out of a list of what is not boxed, a scalar's bits or a reference. `None` where there is no
    /// such element, or many would have to be moved; nothing was done then.
    pub(crate) fn list_remove_now(&mut self, list: Ref, index: i64) -> Option<u64> {
        let size = self.heap.list_size(list);
        let index = usize::try_from(index).ok().filter(|index| *index < size && size - index <= FEW)?;
        let array = self.heap.list_array(list);
        let element = match self.heap.tag(array) {
            BOOLS => Element::Bool,
            SCALARS => Element::Scalar,
            _ => Element::Ref,
        };
        let value = self.array_get(element, array, index);
        self.array_copy(element, array, index + 1, array, index, size - index - 1);
        self.array_set(element, array, size - 1, 0);
        self.heap.list_resized(list, size - 1);
        Some(value)
    }

    /// The bytes of a text from `start` to `end`, each a code point, where there is room for a text of them.
    fn part_now(&mut self, text: Ref, start: usize, end: usize) -> Option<Ref> {
        let bytes = end - start;
        if bytes == self.heap.len(text) {
            return Some(text);
        }
        self.heap.has_room(piece_words(bytes)).then(|| self.heap.piece(text, start, bytes, bytes))
    }

    /// `None` where the text is of another form, or no number.
    pub(crate) fn parse_int_now(&self, text: Ref, radix: i64) -> Option<u64> {
        if radix != 10 {
            return None;
        }
        short_decimal(self.heap.text_bytes(text))
    }
}

impl Running<'_> {
    /// The value of a key, a scalar's bits or a reference.
    pub fn map_get(&mut self, map: u32, key: u64) -> Option<u64> {
        self.vm().map_get(map, key)
    }

    pub fn map_has(&mut self, map: u32, key: u64) -> bool {
        self.vm().map_has(map, key)
    }

    /// Stores a value, and says whether the key is new; `None` where there is no room, and nothing was done.
    pub fn map_put(&mut self, map: u32, key: u64, value: u64) -> Option<bool> {
        self.vm().map_put_now(map, key, value)
    }

    /// The number of the entry of a map or set after one, or -1.
    pub fn map_next(&mut self, map: u32, after: i64) -> i64 {
        self.vm().map_after(map, after)
    }

    /// The key of an entry, a scalar's bits or a reference.
    pub fn map_key_at(&mut self, map: u32, index: i64) -> Option<u64> {
        self.vm().map_key_at(map, index)
    }

    /// Its value.
    pub fn map_value_at(&mut self, map: u32, index: i64) -> Option<u64> {
        self.vm().map_value_at(map, index)
    }

    /// Whether two Strings have the same text.
    pub fn same_text(&mut self, a: u32, b: u32) -> bool {
        self.vm().heap.same_text(a, b)
    }

    /// Whether two objects are equal records or lists; `None` where there is more to look at than numbers and texts.
    pub fn same_now(&mut self, a: u32, b: u32) -> Option<bool> {
        self.vm().same_now(a, b)
    }

    /// Makes room for one more element in a full list, where that is little and nothing need be collected: the array, or 0.
    /// Native code has used the heap up to `top`, and goes on there.
    pub fn list_grow_now(&mut self, top: &mut usize, list: u32) -> u32 {
        let vm = self.vm();
        vm.heap.set_native_top(*top);
        let array = vm.list_grow_now(list);
        *top = vm.heap.next;
        array.unwrap_or(0)
    }

    /// Below, at or above 0 as a String sorts before, with or after another.
    pub fn compare_text(&mut self, a: u32, b: u32) -> i64 {
        self.vm().heap.compare_text(a, b) as i64
    }

    pub fn starts_with(&mut self, text: u32, part: u32) -> bool {
        self.vm().starts_with(text, part)
    }

    pub fn ends_with(&mut self, text: u32, part: u32) -> bool {
        self.vm().ends_with(text, part)
    }

    /// Whether a String has another in it; `None` where looking for it costs more than a call.
    pub fn contains_now(&mut self, text: u32, part: u32) -> Option<bool> {
        self.vm().contains_now(text, part)
    }

    /// The int that a few decimal digits stand for; `None` for all other texts.
    pub fn parse_int_now(&mut self, text: u32, radix: i64) -> Option<u64> {
        self.vm().parse_int_now(text, radix)
    }

    /// An element that was taken out of a list; `None` where nothing was done. Native code has used the heap up to `top`: which
    /// elements are young goes by that.
    pub fn list_remove_now(&mut self, top: usize, list: u32, index: i64) -> Option<u64> {
        let vm = self.vm();
        vm.heap.set_native_top(top);
        vm.list_remove_now(list, index)
    }

    /// The text of an int, or 0 where there is no room for it; native code has used the heap up to `top`, and goes on there.
    pub fn text_of_int_now(&mut self, top: &mut usize, value: i64) -> u32 {
        let heap = &mut self.vm().heap;
        heap.set_native_top(*top);
        if !heap.has_room(string_words(INT_DIGITS)) {
            return 0;
        }
        let text = heap.text_of_int(value);
        *top = heap.next;
        text
    }

    /// The text of a code point, or 0 where there is no room for it, or that is none; `top` as above.
    pub fn text_of_code_now(&mut self, top: &mut usize, code: i64) -> u32 {
        let heap = &mut self.vm().heap;
        heap.set_native_top(*top);
        let Some(code) = as_char(code) else { return 0 };
        let mut bytes = [0; 4];
        let text = code.encode_utf8(&mut bytes);
        if !heap.has_room(string_words(text.len())) {
            return 0;
        }
        let text = heap.string_of(text.as_bytes(), 1);
        *top = heap.next;
        text
    }

    /// A text from one code point to another, or 0 where there is no room for it, or it has no such, or one of more than a
    /// byte; `top` as above.
    pub fn slice_now(&mut self, top: &mut usize, text: u32, from: i64, to: i64) -> u32 {
        let vm = self.vm();
        vm.heap.set_native_top(*top);
        let inside = 0 <= from && from <= to && to as u64 <= vm.heap.len(text) as u64;
        if !inside || !vm.heap.is_ascii(text) {
            return 0;
        }
        let part = vm.part_now(text, from as usize, to as usize);
        *top = vm.heap.next;
        part.unwrap_or(0)
    }

    /// A text without the space around it, or 0 as above.
    pub fn trim_now(&mut self, top: &mut usize, text: u32) -> u32 {
        let vm = self.vm();
        vm.heap.set_native_top(*top);
        if !vm.heap.is_ascii(text) {
            return 0;
        }
        let (start, end) = trimmed(vm.heap.text_bytes(text));
        let part = vm.part_now(text, start, end);
        *top = vm.heap.next;
        part.unwrap_or(0)
    }

    /// Takes a key out of a map or set, if it is there; its value, if it has one.
    pub fn map_remove_now(&mut self, top: usize, map: u32, key: u64) -> Option<u64> {
        let vm = self.vm();
        vm.heap.set_native_top(top);
        vm.map_remove_now(map, key)
    }

    /// Some texts as one, or 0 where there is no room for it; `top` as above.
    pub fn concat_now(&mut self, top: &mut usize, parts: &[u64]) -> u32 {
        let vm = self.vm();
        vm.heap.set_native_top(*top);
        let part = |_: &Vm, at: usize| parts[at] as u32;
        let joint = vm.joint(parts.len(), part);
        if vm.check_size(joint.bytes).is_err() || !vm.heap.has_room(joint.words) {
            return 0;
        }
        let text = vm.join(joint, parts.len(), part);
        *top = vm.heap.next;
        text
    }

    /// A code point of a String, where it has so many, and what looking for it costs.
    pub fn char_at(&mut self, string: u32, index: i64) -> Option<(i64, i64)> {
        let heap = &mut self.vm().heap;
        let index = usize::try_from(index).ok().filter(|index| *index < heap.code_points(string))?;
        let (code, cost) = char_of(heap, string, index);
        Some((code.into(), cost as i64))
    }
}
