//! References, objects and lists: the ways that need no help, with the rest in cold blocks or lent.
//!
//! The layouts are the heap's; see its head comment and `layout`.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I32, I64};
use cranelift_codegen::ir::{BlockArg, InstBuilder, Value};
use cranelift_frontend::Variable;
use dscript_bytecode::ids::*;
use dscript_bytecode::instr::Instr;

use super::seen::Cell;
use super::{Area, Translator};
use crate::context::{What, at, helper};
use crate::layout;
use crate::unit::{LIST_MOST, Test};

/// The length of a reference among elements, as a power of two.
pub(super) const REF_BITS: u8 = 2;

/// The length of a scalar among elements, as a power of two.
pub(super) fn scalar_bits(in_bytes: bool) -> u8 {
    if in_bytes { 0 } else { 3 }
}

impl<'p> Translator<'_, '_, 'p> {
    /// False where the instruction is not one of these.
    pub(super) fn object_instruction(&mut self, instr: &'p Instr) -> bool {
        match *instr {
            Instr::MoveRef { src, dst } => {
                let value = self.reference(src);
                self.set_ref(dst, value);
            }
            Instr::Null { dst } => {
                let null = self.int(0);
                self.set_ref(dst, null);
            }
            Instr::Const { value, dst } => self.constant_object(instr, value, dst),
            Instr::SameRef { a, b, dst } => {
                let (x, y) = (self.reference(a), self.reference(b));
                let same = self.b.ins().icmp(IntCC::Equal, x, y);
                self.set_scalar(dst, same);
            }
            Instr::IsNull { a, dst } => {
                let x = self.reference(a);
                let null = self.b.ins().icmp_imm_s(IntCC::Equal, x, 0);
                self.set_scalar(dst, null);
            }
            Instr::IfNull { a, to } => {
                let x = self.reference(a);
                let null = self.b.ins().icmp_imm_s(IntCC::Equal, x, 0);
                self.jump_if(null, to);
            }
            Instr::IfNotNull { a, to } => {
                let x = self.reference(a);
                let some = self.b.ins().icmp_imm_s(IntCC::NotEqual, x, 0);
                self.jump_if(some, to);
            }
            Instr::New { ty, ref slots, dst } => self.new_object(ty, slots, dst),
            Instr::ListNew { ty, capacity, dst } if capacity <= LIST_MOST => {
                self.new_list(ty, capacity.max(0) as usize, dst);
            }
            Instr::GetScalar { object, slot, dst } => {
                let (reference, at) = (self.reference(object), layout::scalar_field(slot));
                let ty = super::scalar_type(self.function.scalars[dst.index()]);
                let value = self.known_or(Cell::ScalarField(reference, at, ty), |this| {
                    let address = this.address(reference);
                    let flags = this.flags(Area::ScalarFields);
                    this.b.ins().load(ty, flags, address, at)
                });
                self.set_scalar(dst, value);
            }
            Instr::SetScalar { object, slot, src } => {
                let (value, reference) = (self.scalar(src), self.reference(object));
                let ty = super::scalar_type(self.function.scalars[src.index()]);
                self.seen.stored(Cell::ScalarField(reference, layout::scalar_field(slot), ty), value);
                let address = self.address(reference);
                let value = self.bits(self.function.scalars[src.index()], value);
                let flags = self.flags(Area::ScalarFields);
                self.b.ins().store(flags, value, address, layout::scalar_field(slot));
            }
            Instr::GetRef { object, slot, dst } => {
                let value = match self.row(dst) {
                    Some(row) => row,
                    None => {
                        let (at, reference) = (self.ref_field(object, slot), self.reference(object));
                        self.known_or(Cell::RefField(reference, at), |this| {
                            let address = this.address(reference);
                            let flags = this.flags(Area::RefFields);
                            this.b.ins().uload32(flags, address, at)
                        })
                    }
                };
                self.set_ref(dst, value);
            }
            Instr::SetRef { object, slot, src } => {
                let at = self.ref_field(object, slot);
                let (value, reference) = (self.reference(src), self.reference(object));
                self.seen.stored(Cell::RefField(reference, at), value);
                let address = self.address(reference);
                self.store_ref(Area::RefFields, value, address, at);
            }
            Instr::Unwrap { src, dst } => {
                let value = self.reference(src);
                let null = self.b.ins().icmp_imm_s(IntCC::Equal, value, 0);
                self.trap_if(null, What::Null, value, value);
                self.set_ref(dst, value);
            }
            Instr::InstanceOf { src, ty, dst } => {
                let value = self.reference(src);
                let is = self.is_instance(value, ty);
                self.set_scalar(dst, is);
            }
            Instr::Narrow { src, ty, dst } => {
                let value = self.reference(src);
                let is = self.is_instance(value, ty);
                let is_not = self.b.ins().icmp_imm_s(IntCC::Equal, is, 0);
                self.trap_if(is_not, What::Narrow, value, value);
                self.set_ref(dst, value);
            }

            Instr::ListSize { list, dst } => {
                let size = match self.view(list) {
                    Some((_, size)) => size,
                    None => self.size_of(list),
                };
                self.set_scalar(dst, size);
            }
            Instr::ListGetScalar { list, index, dst } => {
                let ty = super::scalar_type(self.function.scalars[dst.index()]);
                let bytes = self.in_bytes(list);
                let (array, index) = self.element(list, index);
                let value = self.known_or(Cell::ScalarElement(array, index, ty), |this| {
                    let flags = this.flags(Area::ScalarElements);
                    let (address, offset) = this.element_at(array, index, scalar_bits(bytes));
                    this.b.ins().load(ty, flags, address, offset)
                });
                self.set_scalar(dst, value);
            }
            Instr::ListSetScalar { list, index, src } => {
                let bytes = self.in_bytes(list);
                let (array, index) = self.element(list, index);
                let stored = self.scalar(src);
                let ty = super::scalar_type(self.function.scalars[src.index()]);
                self.seen.stored(Cell::ScalarElement(array, index, ty), stored);
                let value = self.element_bits(src, bytes);
                let flags = self.flags(Area::ScalarElements);
                let (address, offset) = self.element_at(array, index, scalar_bits(bytes));
                self.b.ins().store(flags, value, address, offset);
            }
            Instr::ListGetRef { list, index, dst } => {
                let (array, index) = self.element(list, index);
                let value = match self.row(dst) {
                    Some(row) => row,
                    None => self.known_or(Cell::RefElement(array, index), |this| {
                        let flags = this.flags(Area::RefElements);
                        let (address, offset) = this.element_at(array, index, REF_BITS);
                        this.b.ins().uload32(flags, address, offset)
                    }),
                };
                self.set_ref(dst, value);
            }
            Instr::ListSetRef { list, index, src } => {
                let (array, index) = self.element(list, index);
                let value = self.reference(src);
                self.seen.stored(Cell::RefElement(array, index), value);
                let (address, offset) = self.element_at(array, index, REF_BITS);
                self.store_ref(Area::RefElements, value, address, offset);
            }
            Instr::ListAddScalar { list, src } => {
                let bytes = self.in_bytes(list);
                let value = self.element_bits(src, bytes);
                self.list_add(instr, list, |this, array, size| {
                    let address = this.nth(array, size, scalar_bits(bytes));
                    let flags = this.flags(Area::ScalarElements);
                    this.b.ins().store(flags, value, address, layout::ELEMENTS);
                });
            }
            Instr::ListAddRef { list, src } => {
                let value = self.reference(src);
                self.list_add(instr, list, |this, array, size| {
                    let address = this.nth(array, size, REF_BITS);
                    this.store_ref(Area::RefElements, value, address, layout::ELEMENTS);
                });
            }
            Instr::Version { collection, dst } => {
                let collection = self.object(collection);
                let version = self.version(collection);
                self.set_scalar(dst, version);
            }
            Instr::CheckVersion { collection, version } => {
                let (collection, seen) = (self.object(collection), self.scalar(version));
                let now = self.version(collection);
                let changed = self.b.ins().icmp(IntCC::NotEqual, now, seen);
                self.trap_if(changed, What::Changed, seen, now);
            }
            _ => return false,
        }
        true
    }

    /// Where the object behind a register lies.
    pub(super) fn object(&mut self, reg: R) -> Value {
        let reference = self.reference(reg);
        self.address(reference)
    }

    pub(super) fn address(&mut self, reference: Value) -> Value {
        let heap = self.read(self.heap);
        let offset = self.b.ins().ishl_imm_u(reference, 3);
        self.b.ins().iadd(heap, offset)
    }

    /// Where a reference field lies in objects of the type that the register has.
    pub(super) fn ref_field(&self, object: R, slot: Slot) -> i32 {
        self.unit.shape(self.function.refs[object.index()].ty).ref_field(slot)
    }

    pub(super) fn tag(&mut self, reference: Value) -> Value {
        let address = self.address(reference);
        let flags = self.flags(Area::Headers);
        self.b.ins().uload32(flags, address, layout::TAG)
    }

    /// A constant String or Bytes; made when it is first asked for.
    fn constant_object(&mut self, instr: &'p Instr, id: ConstId, dst: R) {
        let constants = self.load_context(at::CONSTANTS);
        // Filled in by calls only.
        let flags = self.flags(Area::Tables);
        let known = self.b.ins().uload32(flags, constants, 4 * id.0 as i32);
        let missing = self.b.ins().icmp_imm_s(IntCC::Equal, known, 0);
        self.or_lend(instr, missing, |this| this.set_ref(dst, known));
    }

    /// An object of so many words, whose first is its header, and where it lies.
    fn allocate(&mut self, words: u32, header: i64) -> (Value, Value) {
        let (context, flags) = (self.context(), self.flags(Area::Context));
        let top = self.b.ins().load(I64, flags, context, at::TOP);
        let end = self.b.ins().load(I64, flags, context, at::END);
        let above = self.b.ins().iadd_imm_s(top, i64::from(words));
        let full = self.b.ins().icmp(IntCC::UnsignedGreaterThan, above, end);
        let alive = self.alive();
        let known = self.known_references(&alive);
        let (rare, make) = (self.cold(), self.b.create_block());
        let at_top = self.b.append_block_param(make, I64);
        self.b.ins().brif(full, rare, &[], make, &[BlockArg::Value(top)]);
        let usually = self.seen.clone();
        self.go_to(rare);
        let wanted = self.int(i64::from(words));
        self.call_helper(helper::RESERVE, &[wanted]);
        self.come_back(&alive);
        let top = self.load_context(at::TOP);
        self.meet(&usually, &alive);
        self.join(make, top);
        self.go_to(make);
        let mut names: Vec<(Value, Value)> = Vec::new();
        for (variable, before) in known {
            // Others are read anew where they are needed, by a name that is not known yet.
            if !self.seen.is_moved(variable) {
                names.push((before, self.read(variable)));
            }
        }
        self.seen.rename(&names);
        let context = self.context();
        let flags = self.flags(Area::Context);
        let above = self.b.ins().iadd_imm_s(at_top, i64::from(words));
        self.b.ins().store(flags, above, context, at::TOP);
        let address = self.address(at_top);
        let flags = self.flags(Area::Headers);
        let header = self.int(header);
        self.b.ins().store(flags, header, address, 0);
        (at_top, address)
    }

    /// Those that are alive across an instruction, in functions around this one too, and of whose objects something is known.
    fn known_references(&mut self, alive: &[R]) -> Vec<(Variable, Value)> {
        let own = alive.iter().map(|reg| self.refs[reg.index()]);
        let all: Vec<Variable> = own.chain(self.around.iter().map(|(variable, _)| *variable)).collect();
        let mut known = Vec::new();
        for variable in all {
            if !self.seen.is_moved(variable) {
                let reference = self.read(variable);
                known.extend(self.seen.knows(reference).then_some((variable, reference)));
            }
        }
        known
    }

    /// A list without elements.
    fn new_list(&mut self, ty: TypeId, capacity: usize, dst: R) {
        let (header, words, refs) = self.unit.array_of(ty, capacity);
        let (list, address) = self.allocate(layout::LIST_WORDS + words, layout::header(ty));
        let (flags, zero) = (self.flags(Area::Lists), self.int(0));
        self.b.ins().store(flags, zero, address, layout::LIST_SIZE);
        let array = match capacity {
            0 => zero,
            _ => self.b.ins().iadd_imm_s(list, i64::from(layout::LIST_WORDS)),
        };
        self.b.ins().store(flags, array, address, layout::LIST_ARRAY);
        if capacity > 0 {
            let array = self.b.ins().iadd_imm_s(address, 8 * i64::from(layout::LIST_WORDS));
            let (flags, header) = (self.flags(Area::Headers), self.int(header));
            self.b.ins().store(flags, header, array, layout::TAG);
            let flags = self.flags(Area::RefElements);
            for word in (1..words as i32).filter(|_| refs) {
                self.b.ins().store(flags, zero, array, 8 * word);
            }
        }
        self.set_ref(dst, list);
    }

    fn new_object(&mut self, ty: TypeId, slots: &[Reg], dst: R) {
        let shape = self.unit.shape(ty);
        let (object, address) = self.allocate(shape.words, layout::header(ty));
        let (mut scalar, mut reference) = (0, 0);
        for slot in slots {
            match *slot {
                Reg::S(reg) => {
                    let (value, at) = (self.scalar(reg), layout::scalar_field(Slot(scalar)));
                    let kind = self.function.scalars[reg.index()];
                    self.seen.loaded(Cell::ScalarField(object, at, super::scalar_type(kind)), value);
                    let value = self.bits(kind, value);
                    let flags = self.flags(Area::ScalarFields);
                    self.b.ins().store(flags, value, address, at);
                    scalar += 1;
                }
                Reg::R(reg) => {
                    let (value, at) = (self.reference(reg), shape.ref_field(Slot(reference)));
                    self.seen.loaded(Cell::RefField(object, at), value);
                    let flags = self.flags(Area::RefFields);
                    self.b.ins().istore32(flags, value, address, at);
                    reference += 1;
                }
            }
        }
        if reference % 2 == 1 {
            // The other half of the last word.
            let (flags, zero) = (self.flags(Area::RefFields), self.b.ins().iconst(I32, 0));
            self.b.ins().store(flags, zero, address, shape.ref_field(Slot(reference)));
        }
        self.set_ref(dst, object);
    }

    /// Whether an object is of a type; false for null.
    fn is_instance(&mut self, reference: Value, ty: TypeId) -> Value {
        let (some, done) = (self.b.create_block(), self.b.create_block());
        let result = self.b.append_block_param(done, I8);
        let (null, no) = (self.b.ins().icmp_imm_s(IntCC::Equal, reference, 0), self.b.ins().iconst(I8, 0));
        let arg = BlockArg::Value(no);
        self.b.ins().brif(null, done, &[arg], some, &[]);
        self.go_to(some);
        let tag = self.tag(reference);
        let is = match self.unit.test(ty) {
            Test::Tag => self.b.ins().icmp_imm_u(IntCC::Equal, tag, i64::from(ty.0)),
            Test::Table(table) => {
                let is = self.look_up(table, tag);
                self.b.ins().icmp_imm_s(IntCC::NotEqual, is, 0)
            }
        };
        self.join(done, is);
        self.go_to(done);
        result
    }

    /// A row of one of the program's tables by tag.
    pub(super) fn look_up(&mut self, table: u32, tag: Value) -> Value {
        let tables = self.load_context(at::DISPATCH);
        let offset = self.b.ins().ishl_imm_u(tag, 2);
        let address = self.b.ins().iadd(tables, offset);
        let flags = self.flags(Area::Tables);
        self.b.ins().uload32(flags, address, 4 * table as i32)
    }

    // ---- lists ----

    pub(super) fn list_size(&mut self, list: Value) -> Value {
        let flags = self.flags(Area::Lists);
        self.b.ins().uload32(flags, list, layout::LIST_SIZE)
    }

    fn version(&mut self, collection: Value) -> Value {
        let flags = self.flags(Area::Lists);
        self.b.ins().uload32(flags, collection, layout::VERSION)
    }

    /// The backing array, and the index, which is inside.
    fn element(&mut self, list: R, index: S) -> (Value, Value) {
        let index = self.scalar(index);
        let (array, size) = match self.view(list) {
            Some((array, size)) => (Some(array), size),
            None => (None, self.size_of(list)),
        };
        if !self.safe.contains(self.pc) && !self.seen.is_below(index, size) {
            let outside = self.b.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, index, size);
            self.trap_if(outside, What::Index, index, size);
            self.seen.set_below(index, size);
        }
        let array = array.unwrap_or_else(|| {
            let reference = self.reference(list);
            self.known_or(Cell::Array(reference), |this| {
                let list = this.address(reference);
                this.list_array(list)
            })
        });
        (array, index)
    }

    pub(super) fn size_of(&mut self, list: R) -> Value {
        let reference = self.reference(list);
        self.known_or(Cell::Size(reference), |this| {
            let list = this.address(reference);
            this.list_size(list)
        })
    }

    /// What was seen in memory, or is loaded.
    fn known_or(&mut self, cell: Cell, load: impl FnOnce(&mut Self) -> Value) -> Value {
        if let Some(value) = self.seen.cell(cell) {
            return value;
        }
        let value = load(self);
        self.seen.loaded(cell, value);
        value
    }

    /// Where the array of a list lies.
    pub(super) fn list_array(&mut self, list: Value) -> Value {
        let flags = self.flags(Area::Lists);
        let array = self.b.ins().uload32(flags, list, layout::LIST_ARRAY);
        self.address(array)
    }

    /// Whether a list holds its elements in bytes.
    pub(super) fn in_bytes(&self, list: R) -> bool {
        self.unit.is_bool_list(self.function.refs[list.index()].ty)
    }

    fn element_bits(&mut self, src: S, bytes: bool) -> Value {
        let value = self.scalar(src);
        if bytes { value } else { self.bits(self.function.scalars[src.index()], value) }
    }

    /// Where an element lies whose length in bytes is a power of two.
    pub(super) fn nth(&mut self, array: Value, index: Value, bits: u8) -> Value {
        let offset = if bits == 0 { index } else { self.b.ins().ishl_imm_u(index, i64::from(bits)) };
        self.b.ins().iadd(array, offset)
    }

    /// The same of the element that this instruction reaches, as an address and what is to be added to it. Where the index is
    /// known to be the counter of a loop and something that stays the same, that lies in an address of its own.
    fn element_at(&mut self, array: Value, index: Value, bits: u8) -> (Value, i32) {
        if let Some((sum, counter)) = self.safe.beside_counter(self.pc)
            && let Ok(offset) = i32::try_from(sum.plus << bits)
            && let Some(offset) = offset.checked_add(layout::ELEMENTS)
        {
            let stays = self.terms(sum, None);
            let row = self.nth(array, stays, bits);
            let counter = self.scalar(counter);
            return (self.nth(row, counter, bits), offset);
        }
        (self.nth(array, index, bits), layout::ELEMENTS)
    }

    /// Stores a reference in an object that may be old: the heap must know of the first one to a young object there.
    fn store_ref(&mut self, area: Area, value: Value, address: Value, offset: i32) {
        let flags = self.flags(area);
        let young = self.load_context(at::YOUNG);
        let is_young = self.b.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, value, young);
        let (look, first) = (self.cold(), self.cold());
        let (old, next) = (self.cold(), self.b.create_block());
        self.b.ins().brif(is_young, look, &[], next, &[]);
        self.go_to(look);
        let before = self.b.ins().uload32(flags, address, offset);
        let is_known = self.b.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, before, young);
        self.b.ins().brif(is_known, next, &[], first, &[]);
        self.go_to(first);
        let heap = self.read(self.heap);
        let place = self.b.ins().iadd_imm_s(address, i64::from(offset));
        let place = self.b.ins().isub(place, heap);
        let words = self.b.ins().ushr_imm_u(place, 3);
        let is_old = self.b.ins().icmp(IntCC::UnsignedLessThan, words, young);
        self.b.ins().brif(is_old, old, &[], next, &[]);
        self.go_to(old);
        let slot = self.b.ins().ushr_imm_u(place, 2);
        self.call_helper(helper::REMEMBER, &[slot]);
        self.b.ins().jump(next, &[]);
        self.go_to(next);
        self.b.ins().istore32(flags, value, address, offset);
    }

    /// Appends where the array has room, or is small and gets some.
    fn list_add(&mut self, instr: &'p Instr, list: R, store: impl FnOnce(&mut Self, Value, Value)) {
        let reference = self.reference(list);
        let list_at = self.address(reference);
        let view = self.growing(list);
        let (address, word, room) = match view {
            Some(view) => (self.read(view.start), Some(self.read(view.size)), self.read(view.object)),
            None => {
                let address = self.list_array(list_at);
                // Index 0 of the heap is an array without room, so a list without an array has none.
                (address, None, self.room_of(address))
            }
        };
        let size = match word {
            Some(word) => self.low_half(word),
            None => self.list_size(list_at),
        };
        let full = self.b.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, size, room);
        let [grow, grown, rare] = [(); 3].map(|()| self.cold());
        let here = self.b.create_block();
        let place = self.b.append_block_param(here, I64);
        self.b.ins().brif(full, grow, &[], here, &[BlockArg::Value(address)]);
        self.go_to(grow);
        let array = self.ask_rarely(helper::GROW_LIST, &[reference]);
        self.b.ins().brif(array, grown, &[], rare, &[]);
        self.go_to(grown);
        let address = self.address(array);
        if let Some(view) = view {
            let room = self.room_of(address);
            self.b.def_var(view.start, address);
            self.b.def_var(view.object, room);
        }
        self.join(here, address);
        self.or_lend_in(instr, rare, here, |this| {
            store(this, place, size);
            let both = word.unwrap_or_else(|| this.size_word(list_at));
            let both = this.b.ins().iadd_imm_s(both, layout::GROWN);
            let flags = this.flags(Area::Lists);
            this.b.ins().store(flags, both, list_at, layout::LIST_SIZE);
            if let Some(view) = view {
                this.b.def_var(view.size, both);
            }
        });
    }

    /// How many elements an array has room for.
    pub(super) fn room_of(&mut self, array: Value) -> Value {
        let flags = self.flags(Area::Headers);
        self.b.ins().uload32(flags, array, layout::LENGTH)
    }

    /// The word that a list's size and version are in.
    pub(super) fn size_word(&mut self, list: Value) -> Value {
        let flags = self.flags(Area::Lists);
        self.b.ins().load(I64, flags, list, layout::LIST_SIZE)
    }
}
