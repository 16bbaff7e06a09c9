//! Natives that are a few machine instructions.

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::{F64, I8, I32, I64};
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, MemFlagsData, Value};
use dscript_bytecode::ids::*;
use dscript_bytecode::image::ScalarKind;
use dscript_bytecode::instr::Instr;
use dscript_interp::door::Quick;

use super::objects::{REF_BITS, scalar_bits};
use super::seen::Cell;
use super::{Area, Translator};
use crate::context::{What, at, helper};
use crate::layout;
use crate::unit::Intrinsic;

impl<'p> Translator<'_, '_, 'p> {
    pub(super) fn call_native(&mut self, instr: &'p Instr, native: NativeId, args: &[Reg], results: &[Reg]) {
        let Some(intrinsic) = self.unit.intrinsic(native) else {
            self.lend(instr);
            return;
        };
        match (intrinsic, args, results) {
            (Intrinsic::Sqrt, &[Reg::S(x)], &[Reg::S(dst)]) => {
                let x = self.scalar(x);
                let root = self.b.ins().sqrt(x);
                self.set_scalar(dst, root);
            }
            (Intrinsic::AbsDouble, &[Reg::S(x)], &[Reg::S(dst)]) => {
                let x = self.scalar(x);
                let value = self.b.ins().fabs(x);
                self.set_scalar(dst, value);
            }
            (Intrinsic::AbsInt, &[Reg::S(x)], &[Reg::S(dst)]) => {
                let x = self.scalar(x);
                let overflow = self.b.ins().icmp_imm_s(IntCC::Equal, x, i64::MIN);
                self.trap_if(overflow, What::Abs, x, x);
                let value = self.b.ins().iabs(x);
                self.set_scalar(dst, value);
            }
            (Intrinsic::OfDoubles(which), _, &[Reg::S(dst)]) => {
                let mut given = Vec::new();
                for arg in args {
                    given.extend(if let Reg::S(reg) = *arg { Some(self.scalar(reg)) } else { None });
                }
                let value = self.ask(which, &given, F64);
                self.set_scalar(dst, value);
            }
            (Intrinsic::OfInts(which), &[Reg::S(x)], &[dst]) => {
                let x = self.scalar(x);
                let value = self.ask(which, &[x], I64);
                self.give(dst, value);
            }
            (Intrinsic::FloorMod, &[Reg::S(x), Reg::S(y)], &[Reg::S(dst)]) => {
                let (x, y, ranges) = (self.scalar(x), self.scalar(y), self.ranges.at(self.pc));
                let zero = self.b.ins().icmp_imm_s(IntCC::Equal, y, 0);
                self.trap_if(zero, What::DivZero, x, y);
                let rest = self.rest(x, y, ranges);
                // Of numbers of one sign it is the same.
                let signs = self.b.ins().bxor(rest, y);
                let differ = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, signs, 0);
                let other = self.b.ins().iadd(rest, y);
                let other = self.b.ins().select(differ, other, rest);
                let none = self.b.ins().icmp_imm_s(IntCC::Equal, rest, 0);
                let value = self.b.ins().select(none, rest, other);
                self.set_scalar(dst, value);
            }
            (
                Intrinsic::BitCount | Intrinsic::LeadingZeros | Intrinsic::TrailingZeros,
                &[Reg::S(x)],
                &[Reg::S(dst)],
            ) => {
                let x = self.scalar(x);
                let value = match intrinsic {
                    Intrinsic::BitCount => self.b.ins().popcnt(x),
                    Intrinsic::LeadingZeros => self.b.ins().clz(x),
                    _ => self.b.ins().ctz(x),
                };
                self.set_scalar(dst, value);
            }
            (Intrinsic::RotateLeft | Intrinsic::RotateRight, &[Reg::S(x), Reg::S(by)], &[Reg::S(dst)]) => {
                let (x, by) = (self.scalar(x), self.scalar(by));
                let value = match intrinsic {
                    Intrinsic::RotateLeft => self.b.ins().rotl(x, by),
                    _ => self.b.ins().rotr(x, by),
                };
                self.set_scalar(dst, value);
            }
            (Intrinsic::ToBits, &[Reg::S(x)], &[Reg::S(dst)]) => {
                let x = self.scalar(x);
                let bits = self.b.ins().bitcast(I64, MemFlagsData::new(), x);
                let is_nan = self.b.ins().fcmp(FloatCC::Unordered, x, x);
                let nan = self.int(f64::NAN.to_bits() as i64);
                let value = self.b.ins().select(is_nan, nan, bits);
                self.set_scalar(dst, value);
            }
            (Intrinsic::FromBits, &[Reg::S(x)], &[Reg::S(dst)]) => {
                let x = self.scalar(x);
                let value = self.b.ins().bitcast(F64, MemFlagsData::new(), x);
                self.set_scalar(dst, value);
            }
            (Intrinsic::Add | Intrinsic::Sub | Intrinsic::Mul, &[Reg::S(x), Reg::S(y)], &[Reg::S(dst)]) => {
                let (x, y) = (self.scalar(x), self.scalar(y));
                let value = match intrinsic {
                    Intrinsic::Add => self.b.ins().iadd(x, y),
                    Intrinsic::Sub => self.b.ins().isub(x, y),
                    _ => self.b.ins().imul(x, y),
                };
                self.set_scalar(dst, value);
            }
            (Intrinsic::Length, &[Reg::R(text)], &[Reg::S(dst)]) => {
                let text = self.object(text);
                let length = self.code_points(text);
                self.set_scalar(dst, length);
            }
            (Intrinsic::CharAt, &[Reg::R(text), Reg::S(index)], &[Reg::S(dst)]) => {
                self.char_at(text, index, dst);
            }
            (Intrinsic::BytesLength, &[Reg::R(bytes)], &[Reg::S(dst)]) => {
                let bytes = self.object(bytes);
                let length = self.bytes_length(bytes);
                self.set_scalar(dst, length);
            }
            (Intrinsic::BytesGet, &[Reg::R(bytes), Reg::S(index)], &[Reg::S(dst)]) => {
                let bytes = self.object(bytes);
                let index = self.scalar(index);
                let length = self.bytes_length(bytes);
                let outside = self.b.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, index, length);
                self.rarely(outside, |this| this.trap(What::Index, index, length));
                let start = self.b.ins().iadd_imm_s(bytes, i64::from(layout::ELEMENTS));
                let value = self.byte_at(start, index);
                self.set_scalar(dst, value);
            }
            (Intrinsic::Quick(quick), ..) => self.quick_native(instr, quick, args, results),
            _ => self.lend(instr),
        }
    }

    /// Of a String of either form.
    pub(super) fn code_points(&mut self, text: Value) -> Value {
        let flags = self.flags(Area::Headers);
        self.b.ins().uload32(flags, text, layout::CODE_POINTS)
    }

    pub(super) fn bytes_length(&mut self, bytes: Value) -> Value {
        let flags = self.flags(Area::Headers);
        self.b.ins().uload32(flags, bytes, layout::LENGTH)
    }

    /// The code point at an index: where each is one byte, that byte.
    fn char_at(&mut self, text: R, index: S, dst: S) {
        let (reference, index) = (self.reference(text), self.scalar(index));
        if let (true, Some((start, _))) = (self.safe.contains(self.pc), self.text_view(text)) {
            let value = self.byte_at(start, index);
            return self.set_scalar(dst, value);
        }
        let (rare, get, next) = (self.cold(), self.b.create_block(), self.b.create_block());
        let result = self.b.append_block_param(next, I64);
        match self.text_view(text) {
            Some((start, bytes)) => {
                let outside = self.b.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, index, bytes);
                let start = BlockArg::Value(start);
                self.b.append_block_param(get, I64);
                self.b.ins().brif(outside, rare, &[], get, &[start]);
            }
            None => {
                let object = self.object(text);
                let points = self.code_points(object);
                let inside = self.b.create_block();
                let outside = self.b.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, index, points);
                self.b.ins().brif(outside, rare, &[], inside, &[]);
                self.go_to(inside);
                self.single_bytes(object, points, get, rare);
            }
        }
        self.go_to(get);
        let start = self.b.block_params(get)[0];
        let value = self.byte_at(start, index);
        self.join(next, value);
        self.go_to(rare);
        let code = self.ask_rarely(helper::CHAR_AT, &[reference, index]);
        let none = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, code, 0);
        self.rarely(none, |this| {
            let object = this.object(text);
            let points = this.code_points(object);
            this.trap(What::Index, index, points);
        });
        let cost = self.load_context(at::VALUES);
        self.spend(cost);
        self.join(next, code);
        self.go_to(next);
        self.set_scalar(dst, result);
    }

    fn byte_at(&mut self, start: Value, index: Value) -> Value {
        let address = self.b.ins().iadd(start, index);
        let flags = self.flags(Area::ScalarElements);
        let byte = self.b.ins().load(I8, flags, address, 0);
        self.b.ins().uextend(I64, byte)
    }

    /// Takes what was done off the counter of interruptions.
    fn spend(&mut self, cost: Value) {
        self.pay(cost);
        let pc = self.pc;
        self.begin_chunks(&|chunk| chunk.holds(pc));
    }

    /// Goes to `get` with where the bytes of a String begin, if each of its code points is one, else to `rare`.
    pub(super) fn single_bytes(&mut self, text: Value, points: Value, get: Block, rare: Block) {
        if self.b.block_params(get).is_empty() {
            self.b.append_block_param(get, I64);
        }
        let flags = self.flags(Area::Headers);
        let header = self.b.ins().load(I64, flags, text, layout::TAG);
        // Tag and length in one: as many bytes as code points.
        let bytes = self.b.ins().ishl_imm_u(points, 32);
        let (other, piece) = (self.b.create_block(), self.b.create_block());
        let whole = self.b.ins().bor_imm_u(bytes, i64::from(layout::STRING));
        let is_whole = self.b.ins().icmp(IntCC::Equal, header, whole);
        let start = self.b.ins().iadd_imm_s(text, i64::from(layout::TEXT));
        self.b.ins().brif(is_whole, get, &[BlockArg::Value(start)], other, &[]);
        self.go_to(other);
        let slice = self.b.ins().bor_imm_u(bytes, i64::from(layout::SLICE));
        let is_slice = self.b.ins().icmp(IntCC::Equal, header, slice);
        self.b.ins().brif(is_slice, piece, &[], rare, &[]);
        self.go_to(piece);
        let of = self.b.ins().uload32(flags, text, layout::SLICE_OF);
        let of = self.address(of);
        let first = self.b.ins().load(I64, flags, text, layout::SLICE_FIRST);
        let start = self.b.ins().iadd(of, first);
        let start = self.b.ins().iadd_imm_s(start, i64::from(layout::TEXT));
        self.join(get, start);
    }

    /// Whether two Strings are equal; `known` says that `same` says it already.
    pub(super) fn compare_texts(&mut self, known: Value, same: Value, x: Value, y: Value, dst: S) {
        let (look, done) = (self.b.create_block(), self.b.create_block());
        let result = self.b.append_block_param(done, I8);
        self.b.ins().brif(known, done, &[BlockArg::Value(same)], look, &[]);
        self.go_to(look);
        let context = self.context();
        let equal = self.ask(helper::SAME_TEXT, &[context, x, y], I64);
        let equal = self.b.ins().ireduce(I8, equal);
        self.join(done, equal);
        self.go_to(done);
        self.set_scalar(dst, result);
    }

    /// Natives of maps, sets and texts that a helper does at once where nothing is unusual.
    fn quick_native(&mut self, instr: &'p Instr, quick: Quick, args: &[Reg], results: &[Reg]) {
        let Reg::R(object) = args[0] else { return self.quick_call(instr, quick, args, results) };
        if quick == Quick::Size {
            let map = self.object(object);
            let size = self.list_size(map);
            return self.give(results[0], size);
        }
        if quick == Quick::IsEmpty {
            let text = self.object(object);
            let points = self.code_points(text);
            let is_empty = self.b.ins().icmp_imm_s(IntCC::Equal, points, 0);
            let is_empty = self.bits(ScalarKind::Bool, is_empty);
            return self.give(results[0], is_empty);
        }
        if let (Quick::ElementAt, [_, Reg::S(index)]) = (quick, args) {
            return self.element_if_any(object, *index, results);
        }
        if let (Quick::RemoveAt, [_, Reg::S(index)]) = (quick, args) {
            return self.remove_at(instr, object, *index, results[0]);
        }
        self.quick_call(instr, quick, args, results);
    }

    /// Those that are a call of a helper.
    fn quick_call(&mut self, instr: &'p Instr, quick: Quick, args: &[Reg], results: &[Reg]) {
        let mut given = vec![self.context()];
        for arg in args {
            given.push(match *arg {
                Reg::R(reg) => self.reference(reg),
                Reg::S(reg) => {
                    let value = self.scalar(reg);
                    let kind = self.function.scalars[reg.index()];
                    let value = self.bits(kind, value);
                    if kind == ScalarKind::Double {
                        self.b.ins().bitcast(I64, MemFlagsData::new(), value)
                    } else {
                        value
                    }
                }
            });
        }
        match quick {
            Quick::Size | Quick::IsEmpty | Quick::ElementAt => {}
            Quick::Compare | Quick::StartsWith | Quick::EndsWith => {
                let which = match quick {
                    Quick::Compare => helper::COMPARE_TEXT,
                    Quick::StartsWith => helper::STARTS_WITH,
                    _ => helper::ENDS_WITH,
                };
                let result = self.ask(which, &given, I64);
                self.give(results[0], result);
            }
            Quick::Contains => {
                let found = self.ask(helper::CONTAINS, &given, I64);
                let undone = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, found, 0);
                self.or_lend(instr, undone, |this| this.give(results[0], found));
            }
            Quick::ParseInt => {
                let found = self.ask(helper::PARSE_INT, &given, I64);
                let undone = self.b.ins().icmp_imm_s(IntCC::Equal, found, 0);
                self.or_lend(instr, undone, |this| {
                    let value = this.load_context(at::VALUES);
                    this.give(results[0], found);
                    this.give(results[1], value);
                });
            }
            Quick::TextOfCode | Quick::Slice | Quick::Trim => {
                let which = match quick {
                    Quick::TextOfCode => helper::TEXT_OF_CODE,
                    Quick::Slice => helper::SLICE,
                    _ => helper::TRIM,
                };
                let Reg::R(dst) = results[0] else { unreachable!("a String is a reference") };
                self.made_or_lend(instr, which, &given, dst);
            }
            Quick::Drop => {
                let found = self.ask(helper::MAP_REMOVE, &given, I64);
                self.seen.forget_cells();
                self.give(results[0], found);
            }
            Quick::Get | Quick::Remove => {
                let which = if quick == Quick::Get { helper::MAP_GET } else { helper::MAP_REMOVE };
                let found = self.ask(which, &given, I64);
                if quick == Quick::Remove {
                    self.seen.forget_cells();
                }
                let value = self.load_context(at::VALUES);
                if let [flag, value_of] = *results {
                    self.give(flag, found);
                    self.give(value_of, value);
                } else {
                    self.give(results[0], value);
                }
            }
            Quick::Has => {
                let found = self.ask(helper::MAP_HAS, &given, I64);
                self.give(results[0], found);
            }
            Quick::PairGet | Quick::PairHas => {
                let place = self.pair_place(&given);
                let found = self.b.ins().icmp_imm_s(IntCC::NotEqual, place, 0);
                let word = self.bits(ScalarKind::Bool, found);
                self.give(results[0], word);
                if let Some(value_of) = results.get(1) {
                    let (context, flags) = (self.context(), self.flags(Area::ScalarElements));
                    let none = self.b.ins().iadd_imm_s(context, i64::from(at::VALUES));
                    let from = self.b.ins().select(found, place, none);
                    let value = self.b.ins().load(I64, flags, from, 0);
                    self.give(*value_of, value);
                }
            }
            Quick::Next => {
                let next = self.ask(helper::MAP_NEXT, &given, I64);
                self.give(results[0], next);
            }
            Quick::KeyAt | Quick::ValueAt | Quick::RemoveAt => {
                let found = match quick {
                    Quick::KeyAt => self.ask(helper::MAP_KEY_AT, &given, I64),
                    Quick::ValueAt => self.ask(helper::MAP_VALUE_AT, &given, I64),
                    _ => self.ask_rarely(helper::REMOVE_AT, &given[1..]),
                };
                let missing = self.b.ins().icmp_imm_s(IntCC::Equal, found, 0);
                self.or_lend(instr, missing, |this| {
                    let value = this.load_context(at::VALUES);
                    this.give(results[0], value);
                });
            }
            Quick::Put | Quick::PairPut | Quick::Add => {
                if quick == Quick::Add {
                    let none = self.int(0);
                    given.push(none);
                }
                let is_new = match quick {
                    Quick::PairPut => self.put_pair(&given),
                    _ => self.ask(helper::MAP_PUT, &given, I64),
                };
                let undone = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, is_new, 0);
                self.or_lend(instr, undone, |this| {
                    if let Some(result) = results.first() {
                        this.give(*result, is_new);
                    }
                });
            }
        }
    }

    /// Where the value of a key lies in a map of words to words, or 0: where that was seen before, it is not looked for again.
    fn pair_place(&mut self, given: &[Value]) -> Value {
        let cell = Cell::Pair(given[1], given[2]);
        let place = self.at_pair(cell, |_, place| place, |this| this.ask(helper::PAIR_PLACE, given, I64));
        self.seen.stored(cell, place);
        place
    }

    /// Stores the value of a key in such a map, and says whether it is new, or -1 where nothing was done.
    fn put_pair(&mut self, given: &[Value]) -> Value {
        let store = |this: &mut Self, place| {
            let flags = this.flags(Area::ScalarElements);
            this.b.ins().store(flags, given[3], place, 0);
            this.int(0)
        };
        self.at_pair(Cell::Pair(given[1], given[2]), store, |this| this.ask(helper::PAIR_PUT, given, I64))
    }

    /// What is done where a key is known to have a value, or else.
    fn at_pair(
        &mut self,
        cell: Cell,
        there: impl FnOnce(&mut Self, Value) -> Value,
        other: impl FnOnce(&mut Self) -> Value,
    ) -> Value {
        let Some(place) = self.seen.cell(cell) else { return other(self) };
        let (here, unknown, done) = (self.b.create_block(), self.b.create_block(), self.b.create_block());
        let result = self.b.append_block_param(done, I64);
        self.b.ins().brif(place, here, &[], unknown, &[]);
        self.go_to(here);
        let value = there(self, place);
        self.join(done, value);
        self.go_to(unknown);
        let value = other(self);
        self.join(done, value);
        self.go_to(done);
        result
    }

    /// Takes an element out of a list; the last one is taken without a call.
    fn remove_at(&mut self, instr: &'p Instr, list: R, index: S, result: Reg) {
        let at = self.scalar(index);
        let (object, size, one) = (self.object(list), self.size_of(list), self.int(1));
        let last = self.b.ins().isub(size, one);
        let is_last = self.b.ins().icmp(IntCC::Equal, at, last);
        let [looked, here, other, done] = [(); 4].map(|()| self.b.create_block());
        self.b.ins().brif(is_last, looked, &[], other, &[]);
        self.go_to(looked);
        // The last of none is at -1.
        let none = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, at, 0);
        self.b.ins().brif(none, other, &[], here, &[]);
        self.go_to(here);
        let array = self.list_array(object);
        let value = self.nth_element(list, array, at, result);
        if let Reg::R(_) = result {
            let (flags, zero) = (self.flags(Area::RefElements), self.b.ins().iconst(I32, 0));
            let address = self.nth(array, at, REF_BITS);
            self.b.ins().store(flags, zero, address, layout::ELEMENTS);
        }
        let flags = self.flags(Area::Lists);
        let both = self.b.ins().load(I64, flags, object, layout::LIST_SIZE);
        let both = self.b.ins().iadd_imm_s(both, layout::SHRUNK);
        self.b.ins().store(flags, both, object, layout::LIST_SIZE);
        let seen = self.seen.clone();
        self.set_to(result, value);
        self.b.ins().jump(done, &[]);
        self.seen = seen;
        self.go_to(other);
        self.quick_call(instr, Quick::RemoveAt, &[Reg::R(list), Reg::S(index)], &[result]);
        self.b.ins().jump(done, &[]);
        self.go_to(done);
    }

    /// The element at an index, and whether there is one.
    fn element_if_any(&mut self, list: R, index: S, results: &[Reg]) {
        let at = self.scalar(index);
        let (object, size) = (self.object(list), self.size_of(list));
        let inside = self.b.ins().icmp(IntCC::UnsignedLessThan, at, size);
        let (some, done) = (self.b.create_block(), self.b.create_block());
        let (flag, result) = match *results {
            [flag, result] => (Some(flag), result),
            _ => (None, results[0]),
        };
        let none = match result {
            Reg::R(_) => self.int(0),
            Reg::S(reg) => self.zero(self.function.scalars[reg.index()]),
        };
        let value = self.b.append_block_param(done, self.b.func.dfg.value_type(none));
        self.b.ins().brif(inside, some, &[], done, &[BlockArg::Value(none)]);
        self.go_to(some);
        let array = self.list_array(object);
        let element = self.nth_element(list, array, at, result);
        self.join(done, element);
        self.go_to(done);
        if let Some(flag) = flag {
            let inside = self.bits(ScalarKind::Bool, inside);
            self.give(flag, inside);
        }
        self.set_to(result, value);
    }

    /// An element of the kind that a register holds, of the array of a list.
    fn nth_element(&mut self, list: R, array: Value, index: Value, like: Reg) -> Value {
        match like {
            Reg::R(_) => {
                let (address, flags) = (self.nth(array, index, REF_BITS), self.flags(Area::RefElements));
                self.b.ins().uload32(flags, address, layout::ELEMENTS)
            }
            Reg::S(reg) => {
                let address = self.nth(array, index, scalar_bits(self.in_bytes(list)));
                let ty = super::scalar_type(self.function.scalars[reg.index()]);
                let flags = self.flags(Area::ScalarElements);
                self.b.ins().load(ty, flags, address, layout::ELEMENTS)
            }
        }
    }

    fn zero(&mut self, kind: ScalarKind) -> Value {
        match kind {
            ScalarKind::Double => self.b.ins().f64const(0.0),
            kind => self.b.ins().iconst(super::scalar_type(kind), 0),
        }
    }

    fn set_to(&mut self, reg: Reg, value: Value) {
        match reg {
            Reg::R(reg) => self.set_ref(reg, value),
            Reg::S(reg) => self.set_scalar(reg, value),
        }
    }

    /// Sets a register to what a word holds.
    fn give(&mut self, to: Reg, word: Value) {
        match to {
            Reg::R(reg) => self.set_ref(reg, word),
            Reg::S(reg) => {
                let value = match self.function.scalars[reg.index()] {
                    ScalarKind::Int => word,
                    ScalarKind::Bool => self.b.ins().ireduce(I8, word),
                    ScalarKind::Double => self.b.ins().bitcast(F64, MemFlagsData::new(), word),
                };
                self.set_scalar(reg, value);
            }
        }
    }
}
