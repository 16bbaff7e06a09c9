//! Lists: size and version in one word, and a backing array of scalars or references with room to grow.

use crate::heap::{BOOLS, Heap, REFS, Ref, SCALARS, bytes_words, high, low, pair, refs_words};
use crate::native::Trapped;
use crate::program::Element;
use crate::vm::{Vm, trapped};
use dscript_bytecode::ids::TypeId;
use dscript_bytecode::image::Type;
use dscript_bytecode::trap::TrapKind;

const SIZE_MAX: usize = i32::MAX as usize;
/// Words of an array that is made at once as its list grows.
const SMALL: usize = 1 << 10;

pub(crate) fn array_words(element: Element, count: usize) -> usize {
    if count == 0 {
        return 0;
    }
    match element {
        Element::Bool => bytes_words(count),
        Element::Scalar | Element::None => 1 + count,
        Element::Ref | Element::Boxed => refs_words(count),
    }
}

pub(crate) fn list_words(element: Element, count: usize) -> usize {
    3 + array_words(element, count)
}

impl Heap {
    pub(crate) fn list_size(&self, list: Ref) -> usize {
        low(self.word(list, 1)) as usize
    }

    pub(crate) fn version(&self, collection: Ref) -> u32 {
        high(self.word(collection, 1))
    }

    /// A structural change.
    pub(crate) fn list_resized(&mut self, list: Ref, size: usize) {
        let version = self.version(list).wrapping_add(1);
        self.set_word(list, 1, pair(size as u32, version));
    }

    pub(crate) fn list_array(&self, list: Ref) -> Ref {
        self.ref_at(list, 2, 0)
    }
}

/// The tag of an array.
pub(crate) fn array_tag(element: Element) -> u32 {
    match element {
        Element::Bool => BOOLS,
        Element::Scalar | Element::None => SCALARS,
        Element::Ref | Element::Boxed => REFS,
    }
}

impl Vm {
    pub(crate) fn list_element(&self, ty: TypeId) -> (TypeId, Element) {
        match *self.program.ty(ty) {
            Type::List(element) | Type::Set(element) => (element, self.program.info(element).element),
            ref other => panic!("{other:?} is not a list type"),
        }
    }

    /// Room was reserved.
    pub(crate) fn new_array(&mut self, element: Element, count: usize) -> Ref {
        if count == 0 {
            return 0;
        }
        self.heap.allocate(array_tag(element), count as u32, array_words(element, count))
    }

    /// An empty list; room was reserved.
    pub(crate) fn new_list(&mut self, ty: TypeId, capacity: usize) -> Ref {
        let (_, element) = self.list_element(ty);
        let list = self.heap.allocate(ty.0, 0, 3);
        let array = self.new_array(element, capacity);
        self.heap.set_ref_at(list, 2, 0, array);
        list
    }

    pub(crate) fn list_with_capacity(&mut self, ty: TypeId, capacity: i64) -> Result<Ref, Trapped> {
        let (_, element) = self.list_element(ty);
        // A wish, not a promise: absurd ones are met as the list grows.
        let capacity = capacity.clamp(0, 1 << 20) as usize;
        self.reserve(list_words(element, capacity))?;
        Ok(self.new_list(ty, capacity))
    }

    pub(crate) fn list_get(&self, element: Element, list: Ref, index: usize) -> u64 {
        self.array_get(element, self.heap.list_array(list), index)
    }

    pub(crate) fn list_set(&mut self, element: Element, list: Ref, index: usize, value: u64) {
        let array = self.heap.list_array(list);
        self.array_set(element, array, index, value);
    }

    pub(crate) fn array_set(&mut self, element: Element, array: Ref, index: usize, value: u64) {
        match element {
            Element::Bool => self.heap.bools_mut(array)[index] = value as u8,
            Element::Scalar | Element::None => self.heap.set_word(array, 1 + index, value),
            Element::Ref | Element::Boxed => self.heap.set_ref_at(array, 1, index, low(value)),
        }
    }

    pub(crate) fn array_copy(
        &mut self,
        element: Element,
        from: Ref,
        at: usize,
        to: Ref,
        to_at: usize,
        n: usize,
    ) {
        if n == 0 {
            return;
        }
        match element {
            Element::Bool => self.heap.copy_bools(from, at, to, to_at, n),
            Element::Scalar | Element::None => self.heap.copy_scalars(from, at, to, to_at, n),
            Element::Ref | Element::Boxed => self.heap.copy_refs(from, at, to, to_at, n),
        }
    }

    /// Makes sure `extra` more elements fit. The list and what is kept may have moved.
    pub(crate) fn list_room<const N: usize>(
        &mut self,
        element: Element,
        list: Ref,
        extra: usize,
        keep: [Ref; N],
    ) -> Result<(Ref, [Ref; N]), Trapped> {
        let size = self.heap.list_size(list);
        let array = self.heap.list_array(list);
        let capacity = if array == 0 { 0 } else { self.heap.len(array) };
        if size + extra <= capacity {
            return Ok((list, keep));
        }
        if size + extra > SIZE_MAX {
            return Err(self.out_of_memory());
        }
        let (from, capacity) = (array_words(element, capacity), (size + extra).max(2 * capacity).max(4));
        let words = array_words(element, capacity);
        if self.heap.lengthen(array, capacity, from, words) {
            self.fuel -= ((words - from) / 16) as i64;
            return Ok((list, keep));
        }
        let at = self.stack.temps.len();
        self.stack.temps.push(list);
        let kept = self.reserve_with(words, keep);
        let list = self.stack.temps[at];
        self.stack.temps.truncate(at);
        let kept = kept?;
        let old = self.heap.list_array(list);
        // A large one was moved just now, to where there is room behind it.
        if old != array && self.heap.lengthen(old, capacity, from, words) {
            return Ok((list, kept));
        }
        let new = match element.is_scalar() {
            // What lies behind its elements is not read.
            true => self.heap.allocate_raw(array_tag(element), capacity as u32, words),
            false => self.new_array(element, capacity),
        };
        self.array_copy(element, old, 0, new, 0, size);
        self.heap.set_ref_at(list, 2, 0, new);
        Ok((list, kept))
    }

    /// The array of a list with room for one more element, where it is small and nothing need be collected.
    pub(crate) fn list_grow_now(&mut self, list: Ref) -> Option<Ref> {
        let (_, element) = self.list_element(TypeId(self.heap.tag(list)));
        let words = array_words(element, 2 * self.heap.list_size(list).max(2));
        if words > SMALL || !self.heap.has_room(words) {
            return None;
        }
        let (list, []) = self.list_room(element, list, 1, []).ok()?;
        Some(self.heap.list_array(list))
    }

    /// Appends to a list of whatever type.
    pub(crate) fn list_add_of(&mut self, list: Ref, value: u64) -> Result<(), Trapped> {
        let (_, element) = self.list_element(TypeId(self.heap.tag(list)));
        self.list_add(element, list, value)
    }

    /// Appends a scalar's bits or a reference.
    pub(crate) fn list_add(&mut self, element: Element, list: Ref, value: u64) -> Result<(), Trapped> {
        let (list, value) = if element.is_scalar() {
            (self.list_room(element, list, 1, [])?.0, value)
        } else {
            let (list, [value]) = self.list_room(element, list, 1, [low(value)])?;
            (list, u64::from(value))
        };
        let size = self.heap.list_size(list);
        self.list_set(element, list, size, value);
        self.heap.list_resized(list, size + 1);
        Ok(())
    }

    /// The index where it lies below `end`; else the trap.
    pub(crate) fn index(&self, index: i64, end: usize) -> Result<usize, Trapped> {
        usize::try_from(index)
            .ok()
            .filter(|i| *i < end)
            .ok_or_else(|| trapped(TrapKind::Index, format!("index {index}, size {end}")))
    }
}
