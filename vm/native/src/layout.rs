//! Where things lie in the heap, in bytes from an object's header, for the code that is generated.

use dscript_bytecode::ids::{Slot, TypeId};
use dscript_interp::Program;
use dscript_interp::door;

pub(crate) const TAG: i32 = 0;
/// Of an array: its elements; of a text: its bytes.
pub(crate) const LENGTH: i32 = 4;
/// Of an array, the first one.
pub(crate) const ELEMENTS: i32 = 8;
pub(crate) const LIST_SIZE: i32 = 8;
/// The upper half of the word that the size is in.
pub(crate) const VERSION: i32 = 12;
/// A list's size and version, one more each.
pub(crate) const GROWN: i64 = (1 << 32) + 1;
/// The same of one that has lost an element.
pub(crate) const SHRUNK: i64 = (1 << 32) - 1;
/// Words of a list, without its array.
pub(crate) const LIST_WORDS: u32 = 3;
pub(crate) const LIST_ARRAY: i32 = 16;
/// The tag of a String that lies in one piece.
pub(crate) const STRING: u32 = door::STRING_TAG;
/// The tag of a String that is a piece of another or of a buffer.
pub(crate) const SLICE: u32 = door::SLICE_TAG;
/// Of a String in either form.
pub(crate) const CODE_POINTS: i32 = 8;
/// The first byte of a String that lies in one piece, and of a buffer.
pub(crate) const TEXT: i32 = 16;
/// Of a piece: what it is of, and its first byte there.
pub(crate) const SLICE_OF: i32 = 16;
pub(crate) const SLICE_FIRST: i32 = 24;

/// What code that is kept depends on.
pub(crate) const ALL: [i64; 15] = [
    TAG as i64,
    LENGTH as i64,
    ELEMENTS as i64,
    LIST_SIZE as i64,
    VERSION as i64,
    GROWN,
    SHRUNK,
    LIST_WORDS as i64,
    LIST_ARRAY as i64,
    STRING as i64,
    SLICE as i64,
    CODE_POINTS as i64,
    TEXT as i64,
    SLICE_OF as i64,
    SLICE_FIRST as i64,
];

pub(crate) fn header(ty: TypeId) -> i64 {
    i64::from(ty.0)
}

pub(crate) fn scalar_field(slot: Slot) -> i32 {
    8 * (1 + i32::from(slot.0))
}

/// The objects of a struct type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub words: u32,
    /// The word where the references begin.
    pub first: u32,
}

impl Shape {
    pub fn of(program: &Program, ty: TypeId) -> Shape {
        let (words, first) = door::shape(program, ty);
        Shape { words, first }
    }

    pub fn ref_field(self, slot: Slot) -> i32 {
        8 * self.first as i32 + 4 * i32::from(slot.0)
    }
}
