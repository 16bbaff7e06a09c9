//! Bodies of the pure natives, a file for each type that `std` declares, and what they all use of a call.

mod bytes;
mod command;
mod cut;
mod json;
mod list;
mod map;
mod math;
mod pattern;
mod regex;
mod string;
mod task;
mod time;

pub(crate) use math::{as_char, short_decimal};
pub use math::{characters, power};
pub(crate) use string::{char_of, trimmed};

use crate::heap::Ref;
use crate::link::Ty;
use crate::list::list_words;
use crate::native::{PureCall, Registry, Trapped};
use crate::program::Element;
use crate::text::piece_words;
use crate::vm::{Cell, Vm, trapped};
use dscript_bytecode::ids::{Reg, TypeId};
use dscript_bytecode::trap::TrapKind;

pub(crate) fn add_all(registry: &mut Registry) {
    let all = [
        string::DEFS,
        bytes::DEFS,
        bytes::OWNED,
        list::DEFS,
        map::DEFS,
        math::DEFS,
        time::DEFS,
        json::DEFS,
        regex::DEFS,
        regex::OWNED,
        command::DEFS,
        task::DEFS,
    ];
    for defs in all {
        registry.add(defs);
    }
}

type Done = Result<(), Trapped>;

/// Pieces whose places are kept in memory from one cut to the next.
const PIECES_KEPT: usize = 1 << 12;

macro_rules! natives {
    ($($name:literal $signature:literal $body:expr;)*) => {
        pub(super) const DEFS: &[crate::native::NativeDef] = &[$(crate::native::NativeDef {
            name: $name,
            signature: $signature,
            body: crate::native::Body::Pure($body),
        }),*];
    };
}
use natives;

/// Registers by their place in the flat lists of the call.
impl PureCall<'_> {
    #[inline]
    fn bits(&self, arg: usize) -> u64 {
        match self.args[arg] {
            Reg::S(s) => self.vm.get_s(s),
            Reg::R(r) => self.vm.get_r(r).into(),
        }
    }

    #[inline]
    fn int(&self, arg: usize) -> i64 {
        self.bits(arg) as i64
    }

    fn double(&self, arg: usize) -> f64 {
        f64::from_bits(self.bits(arg))
    }

    #[inline]
    fn object(&self, arg: usize) -> Ref {
        self.bits(arg) as Ref
    }

    /// A String as it lies in the heap.
    #[inline]
    fn str(&self, arg: usize) -> &str {
        self.vm.heap.text(self.object(arg))
    }

    /// A copy of a String.
    fn text(&mut self, arg: usize) -> String {
        let object = self.object(arg);
        self.spend(self.vm.heap.len(object) / 16);
        self.vm.heap.text(object).to_owned()
    }

    /// Counts work towards the turn.
    #[inline]
    fn spend(&mut self, steps: usize) {
        self.vm.fuel -= steps as i64;
    }

    #[inline]
    fn set_bits(&mut self, result: usize, bits: u64) {
        match self.results[result] {
            Reg::S(s) => self.vm.set_s(s, bits),
            Reg::R(r) => self.vm.set_r(r, bits as Ref),
        }
    }

    #[inline]
    fn give_int(&mut self, value: i64) -> Done {
        self.set_bits(0, value as u64);
        Ok(())
    }

    #[inline]
    fn give_bool(&mut self, value: bool) -> Done {
        self.set_bits(0, value.into());
        Ok(())
    }

    fn give_double(&mut self, value: f64) -> Done {
        self.set_bits(0, value.to_bits());
        Ok(())
    }

    #[inline]
    fn give_object(&mut self, object: Ref) -> Done {
        self.set_bits(0, object.into());
        Ok(())
    }

    fn give_text(&mut self, text: &str) -> Done {
        let object = self.vm.new_string(text)?;
        self.give_object(object)
    }

    /// A `T?`: a flag and a scalar, or a reference.
    #[inline]
    fn give_optional(&mut self, value: Option<u64>) -> Done {
        if self.results.len() == 2 {
            self.set_bits(0, value.is_some().into());
            self.set_bits(1, value.unwrap_or_default());
        } else {
            self.set_bits(0, value.unwrap_or_default());
        }
        Ok(())
    }

    /// The type of the one object it gives.
    fn result_type(&self) -> TypeId {
        match self.linked.result {
            Ty::Image(id) => id,
            ref other => panic!("a native that gives {other:?} has no type of objects"),
        }
    }

    fn type_arg(&self, index: usize) -> (TypeId, Element) {
        let ty = self.linked.type_args[index];
        (ty, self.vm.program.info(ty).element)
    }

    /// A range of a thing of `size` parts.
    fn range(&self, from: usize, to: usize, size: usize) -> Result<(usize, usize), Trapped> {
        let (a, b) = (self.int(from), self.int(to));
        if 0 <= a && a <= b && b as u64 <= size as u64 {
            return Ok((a as usize, b as usize));
        }
        Err(trapped(TrapKind::Index, format!("range {a}..{b}, size {size}")))
    }

    fn give_ints(&mut self, ints: impl Iterator<Item = u64> + Clone) -> Done {
        let ty = self.result_type();
        let count = ints.clone().count();
        self.vm.check_size(count.saturating_mul(8))?;
        self.vm.reserve(list_words(Element::Scalar, count))?;
        let list = self.vm.new_list(ty, count);
        let array = self.vm.heap.list_array(list);
        for (index, value) in ints.enumerate() {
            self.vm.array_set(Element::Scalar, array, index, value);
        }
        self.vm.heap.list_resized(list, count);
        self.give_object(list)
    }

    fn give_texts<'t>(&mut self, texts: impl Iterator<Item = &'t str> + Clone) -> Done {
        let (count, bytes) = texts.clone().fold((0, 0), |(n, bytes), t| (n + 1, bytes + t.len()));
        let list = self.list_of_texts(count, bytes)?;
        self.fill_texts(list, texts)
    }

    /// The pieces of a text that is an argument: `cut` says where each begins and ends. It is told how many it may give at most;
    /// where there are more, the list has no room.
    fn give_pieces(&mut self, arg: usize, cut: impl FnOnce(&str, usize, &mut Vec<(u32, u32)>)) -> Done {
        let mut pieces = std::mem::take(&mut self.vm.pieces);
        pieces.clear();
        let text = self.str(arg);
        let (bytes, is_ascii) = (text.len(), self.vm.heap.is_ascii(self.object(arg)));
        let most = self.vm.pieces_max();
        cut(text, most + 1, &mut pieces);
        self.spend(bytes / 8 + pieces.len());
        if pieces.len() > most {
            return Err(self.vm.out_of_memory());
        }
        let done = self.list_of_pieces(arg, &pieces, is_ascii);
        if pieces.capacity() <= PIECES_KEPT {
            self.vm.pieces = pieces;
        }
        done
    }

    fn list_of_pieces(&mut self, arg: usize, pieces: &[(u32, u32)], is_ascii: bool) -> Done {
        let (ty, count) = (self.result_type(), pieces.len());
        let words: usize = pieces.iter().map(|(start, end)| piece_words((end - start) as usize)).sum();
        let words = words.saturating_add(list_words(Element::Ref, count));
        self.vm.check_size(words.saturating_mul(8))?;
        self.vm.reserve(words)?;
        let list = self.vm.new_list(ty, count);
        let (text, array) = (self.object(arg), self.vm.heap.list_array(list));
        self.vm.heap.fill_pieces(text, pieces, is_ascii, array);
        self.vm.heap.list_resized(list, count);
        self.vm.was_cut(array, count);
        self.give_object(list)
    }

    /// An empty list with room for so many texts of so many bytes in all.
    fn list_of_texts(&mut self, count: usize, bytes: usize) -> Result<Ref, Trapped> {
        let words = count.saturating_mul(3).saturating_add(bytes / 8);
        let words = words.saturating_add(list_words(Element::Ref, count));
        self.vm.check_size(words.saturating_mul(8))?;
        self.vm.reserve(words)?;
        let ty = self.result_type();
        Ok(self.vm.new_list(ty, count))
    }

    fn fill_texts<'t>(&mut self, list: Ref, texts: impl Iterator<Item = &'t str>) -> Done {
        let array = self.vm.heap.list_array(list);
        let mut count = 0;
        for text in texts {
            let text = self.vm.heap.string(text);
            self.vm.heap.set_ref_at(array, 1, count, text);
            count += 1;
        }
        self.vm.heap.list_resized(list, count);
        self.give_object(list)
    }
}

/// Elements of a collection as values of their type.
fn cells(vm: &Vm, ty: TypeId, a: u64, b: u64) -> (Cell, Cell) {
    (vm.unboxed(ty, a), vm.unboxed(ty, b))
}

/// How many there are, where a negative number makes no sense.
fn count(value: i64, what: &str) -> Result<usize, Trapped> {
    usize::try_from(value).map_err(|_| trapped(TrapKind::Argument, format!("{what} is {value}")))
}
