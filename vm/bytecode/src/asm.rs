//! The disassembler.
use crate::ids::TypeId;
use crate::image::Image;

/// The whole image as text.
pub fn disassemble(_image: &Image) -> String {
    unreachable!("not written yet")
}

/// A type as D-Script writes it.
pub fn type_name(_image: &Image, _ty: TypeId) -> String {
    unreachable!("not written yet")
}
