//! Objects that are not made: their fields are variables.

use cranelift_codegen::ir::{self, InstBuilder, Value};
use dscript_bytecode::ids::{Reg, Slot};
use dscript_bytecode::image::ScalarKind;
use dscript_bytecode::instr::Instr;

use super::{Area, Translator, scalar_type};
use crate::layout;

impl<'p> Translator<'_, '_, 'p> {
    /// False where the instruction is none of such an object.
    pub(super) fn replaced_instruction(&mut self, instr: &'p Instr) -> bool {
        match *instr {
            Instr::New { ref slots, dst, .. } => {
                let Some(web) = self.replaced.written(self.pc, dst) else { return false };
                let mut values = self.values(slots).into_iter();
                self.set_fields(web, &mut values);
            }
            Instr::GetScalar { object, slot, dst } => {
                let Some(web) = self.replaced.read(self.pc, object) else { return false };
                let value = self.read(self.fields[web][slot.index()]);
                self.set_scalar(dst, value);
            }
            Instr::MoveRef { src, dst } => {
                let Some(web) = self.replaced.written(self.pc, dst) else { return false };
                let mut values = self.values(&[Reg::R(src)]).into_iter();
                self.set_fields(web, &mut values);
            }
            _ => return false,
        }
        true
    }

    pub(super) fn fields_of(&mut self, web: usize) -> Vec<Value> {
        self.fields[web].clone().into_iter().map(|field| self.read(field)).collect()
    }

    pub(super) fn field_types(&self, web: usize) -> Vec<ir::Type> {
        self.replaced.webs[web].1.iter().map(|kind| scalar_type(*kind)).collect()
    }

    /// Takes as many values as it has fields.
    pub(super) fn set_fields(&mut self, web: usize, values: &mut impl Iterator<Item = Value>) {
        for (field, value) in self.fields[web].clone().into_iter().zip(values) {
            self.b.def_var(field, value);
        }
    }

    pub(super) fn replaced_result(&self, reg: Reg) -> Option<usize> {
        match reg {
            Reg::R(reg) => self.replaced.written(self.pc, reg),
            Reg::S(_) => None,
        }
    }

    pub(super) fn replaced_param(&self, param: usize) -> Option<usize> {
        self.replaced.given.get(param).copied().flatten()
    }

    /// Where the code begins in a loop: reads the fields of records that the interpreter has made before it.
    pub(super) fn take_apart(&mut self, scalars: Value) {
        for web in self.replaced.entered.clone() {
            let (reg, kinds) = self.replaced.webs[web].clone();
            let reference = self.load_register(Reg::R(reg), scalars);
            let address = self.address(reference);
            let flags = self.flags(Area::ScalarFields);
            let read = |(kind, slot): (&ScalarKind, u16)| {
                self.b.ins().load(scalar_type(*kind), flags, address, layout::scalar_field(Slot(slot)))
            };
            let values: Vec<Value> = kinds.iter().zip(0..).map(read).collect();
            self.set_fields(web, &mut values.into_iter());
        }
    }
}
