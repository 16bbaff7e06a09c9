//! Values in registers: taking, moving, converting, boxing.

use super::build::Regs;
use super::{Lowerer, Val};
use crate::types::{Ty, TyKind};
use dscript_bytecode::ids::*;
use dscript_bytecode::image::{self, RefType, RegType, ScalarKind};
use dscript_bytecode::instr::Instr;

impl Lowerer<'_, '_> {
    /// Registers for a value of the type, until the statement or scope ends.
    pub(super) fn take(&mut self, ty: Ty) -> Regs {
        let regs: Vec<Reg> = self.regs_of(ty).into_iter().map(|reg| self.b.take(reg)).collect();
        Regs::new(&regs)
    }

    pub(super) fn scalar(&mut self, kind: ScalarKind) -> S {
        match self.b.take(RegType::Scalar(kind)) {
            Reg::S(s) => s,
            Reg::R(_) => unreachable!("a scalar was asked for"),
        }
    }

    pub(super) fn reference(&mut self, ty: TypeId, nullable: bool) -> R {
        match self.b.take(RegType::Ref(RefType { ty, nullable })) {
            Reg::R(r) => r,
            Reg::S(_) => unreachable!("a reference was asked for"),
        }
    }

    pub(super) fn copy(&mut self, from: Regs, to: Regs) {
        for (&src, &dst) in from.slice().iter().zip(to.slice()) {
            self.b.copy(src, dst);
        }
    }

    pub(super) fn void(&mut self) -> Val {
        Val { ty: Ty::VOID, regs: Regs::none() }
    }

    /// A register that holds nothing of importance, and yet has a value.
    pub(super) fn zero(&mut self, ty: RegType) -> Reg {
        let reg = self.b.take(ty);
        match (ty, reg) {
            (RegType::Scalar(ScalarKind::Int), Reg::S(dst)) => self.b.emit(Instr::Int { value: 0, dst }),
            (RegType::Scalar(ScalarKind::Double), Reg::S(dst)) => {
                self.b.emit(Instr::Double { value: 0.0, dst })
            }
            (RegType::Scalar(ScalarKind::Bool), Reg::S(dst)) => {
                self.b.emit(Instr::Bool { value: false, dst })
            }
            (RegType::Ref(_), Reg::R(dst)) => self.b.emit(Instr::Null { dst }),
            _ => unreachable!("a register is of its bank"),
        }
        reg
    }

    pub(super) fn int_const(&mut self, value: i64) -> S {
        let dst = self.scalar(ScalarKind::Int);
        self.b.emit(Instr::Int { value, dst });
        dst
    }

    pub(super) fn string_const(&mut self, text: &str) -> Val {
        let ty = self.string_ty();
        let regs = self.take(ty);
        let value = self.constant(text);
        self.b.emit(Instr::Const { value, dst: regs.r() });
        Val { ty, regs }
    }

    /// A null reference of the Error register's type.
    fn no_error(&mut self) -> Reg {
        let error = self.error_type_id().unwrap_or(TypeId(0));
        self.zero(RegType::Ref(RefType { ty: error, nullable: true }))
    }

    /// Registers for any value where none will ever be: code after them is never reached.
    pub(super) fn absent(&mut self, ty: Ty) -> Val {
        let regs = self.take(ty);
        Val { ty, regs }
    }

    /// The value as one of type `to`; the checker has shown that it fits.
    pub(super) fn convert(&mut self, value: Val, to: Ty) -> Val {
        let from = self.types.resolve(value.ty);
        let to = self.types.resolve(to);
        if from == to || to == Ty::VOID {
            return Val { ty: to, regs: value.regs };
        }
        if matches!(from, Ty::NEVER | Ty::POISON) {
            return self.absent(to);
        }
        let error = self.error_ty();
        match (self.types.kind(from).clone(), self.types.kind(to).clone()) {
            (TyKind::Int, TyKind::Double) => {
                let dst = self.scalar(ScalarKind::Double);
                self.b.emit(Instr::IntToDouble { a: value.regs.s(), dst });
                Val { ty: to, regs: Regs::new(&[Reg::S(dst)]) }
            }
            (TyKind::Fallible(a), TyKind::Fallible(b)) => {
                let inner = self.convert_held(Val { ty: a, regs: value.regs.but_last() }, b);
                Val { ty: to, regs: inner.with(value.regs.last()) }
            }
            (_, TyKind::Fallible(b)) if from == error && b != error => {
                let all = self.regs_of(to);
                let mut regs: Vec<Reg> = all[..all.len() - 1].iter().map(|ty| self.zero(*ty)).collect();
                regs.push(value.regs.slice()[0]);
                Val { ty: to, regs: Regs::new(&regs) }
            }
            (_, TyKind::Fallible(b)) => {
                let inner = self.convert(value, b);
                let none = self.no_error();
                Val { ty: to, regs: inner.regs.with(none) }
            }
            (TyKind::Null, TyKind::Nullable(_)) => {
                let regs: Vec<Reg> = self.regs_of(to).into_iter().map(|ty| self.zero(ty)).collect();
                Val { ty: to, regs: Regs::new(&regs) }
            }
            (TyKind::Nullable(a), TyKind::Nullable(b)) if self.changes_form(a, b) => {
                self.convert_present(value, a, to)
            }
            (TyKind::Nullable(_), TyKind::Nullable(_)) => {
                let regs = self.convert_held(value, to);
                Val { ty: to, regs }
            }
            (_, TyKind::Nullable(b)) => {
                let inner = self.convert(value, b);
                if let Reg::R(_) = inner.regs.slice()[0] {
                    return Val { ty: to, regs: inner.regs };
                }
                let flag = self.scalar(ScalarKind::Bool);
                self.b.emit(Instr::Bool { value: true, dst: flag });
                Val { ty: to, regs: Regs::new(&[Reg::S(flag), inner.regs.slice()[0]]) }
            }
            (TyKind::Nominal(a, _), TyKind::Nominal(b, _)) if a != b => self.as_interface(value, to),
            (TyKind::Function(..), TyKind::Function(..)) => self.adapted(value, to),
            _ => Val { ty: to, regs: value.regs },
        }
    }

    /// Converts what is held beside an error or a flag: registers may be empty of meaning.
    fn convert_held(&mut self, value: Val, to: Ty) -> Regs {
        let (from, to) = (self.types.resolve(value.ty), self.types.resolve(to));
        if from == to {
            return value.regs;
        }
        match (self.types.nullable_inner(from), self.types.nullable_inner(to)) {
            (Some(a), Some(b)) => {
                if let [flag, held] = *value.regs.slice() {
                    let inner = self.convert_held(Val { ty: a, regs: Regs::new(&[held]) }, b);
                    return Regs::new(&[flag, inner.slice()[0]]);
                }
                value.regs
            }
            (None, Some(_)) => match value.regs.slice()[0] {
                Reg::R(_) => value.regs,
                Reg::S(_) => self.convert(Val { ty: from, regs: value.regs }, to).regs,
            },
            _ if from == Ty::INT && to == Ty::DOUBLE => self.convert(value, to).regs,
            _ => value.regs,
        }
    }

    /// A local as the flow has narrowed it: without null, without the error, the error alone, or one of the types
    /// behind its interface.
    pub(super) fn narrow(&mut self, value: Val, to: Ty) -> Val {
        let (from, to) = (self.types.resolve(value.ty), self.types.resolve(to));
        if from == to {
            return value;
        }
        if let Some(inner) = self.types.fallible_inner(from) {
            if self.types.fallible_inner(to).is_some() {
                // Not null; that it is no error was not said.
                let regs = match *value.regs.slice() {
                    [Reg::S(_), held, error] => Regs::new(&[held, error]),
                    _ => value.regs,
                };
                return Val { ty: to, regs };
            }
            let error = self.error_ty();
            if to == error && inner != error {
                let regs = self.unwrap(value.regs.last(), to);
                return Val { ty: to, regs };
            }
            let held = value.regs.but_last();
            let regs = self.held_as(held, inner);
            return self.narrow(Val { ty: inner, regs }, to);
        }
        if let Some(inner) = self.types.nullable_inner(from) {
            let regs = match *value.regs.slice() {
                [_, held] => Regs::new(&[held]),
                [reg] => self.unwrap(reg, inner),
                _ => value.regs,
            };
            return self.narrow(Val { ty: inner, regs }, to);
        }
        match (self.types.nominal_parts(from), self.types.nominal_parts(to)) {
            (Some((a, _)), Some((b, _))) if a != b => self.narrow_object(value, to),
            _ => value,
        }
    }

    /// What a `T!` holds, as the registers of a `T`: references are known to be there unless `T` is nullable.
    pub(super) fn held_as(&mut self, held: Regs, ty: Ty) -> Regs {
        match (held.slice(), self.types.nullable_inner(ty)) {
            (&[reg @ Reg::R(_)], None) => self.unwrap(reg, ty),
            _ => held,
        }
    }

    /// A nullable reference that is known to be there.
    pub(super) fn unwrap(&mut self, reg: Reg, ty: Ty) -> Regs {
        if matches!(self.b.type_of(reg), RegType::Ref(RefType { nullable: false, .. })) {
            return Regs::new(&[reg]);
        }
        let dst = self.take(ty);
        match reg {
            Reg::R(src) => self.b.emit(Instr::Unwrap { src, dst: dst.r() }),
            Reg::S(_) => unreachable!("a reference is unwrapped"),
        }
        dst
    }

    // ---- elements of collections ----

    /// The one register of an element of the type.
    pub(super) fn element_type(&mut self, ty: Ty) -> RegType {
        let id = self.type_id(ty);
        let error = self.image.manifest.error_type;
        image::element(&self.image.types, error, id)
            .unwrap_or(RegType::Ref(RefType { ty: id, nullable: false }))
    }

    pub(super) fn is_boxed(&mut self, ty: Ty) -> bool {
        let ty = self.types.resolve(ty);
        self.types.fallible_inner(ty).is_some() || self.regs_of(ty).len() != 1
    }

    pub(super) fn boxed(&mut self, value: Val) -> Reg {
        if !self.is_boxed(value.ty) {
            return value.regs.slice()[0];
        }
        let ty = self.type_id(value.ty);
        let dst = self.reference(ty, false);
        self.b.emit(Instr::New { ty, slots: value.regs.slice().into(), dst });
        Reg::R(dst)
    }

    /// The value of an element register.
    pub(super) fn unboxed(&mut self, reg: Reg, ty: Ty) -> Val {
        if !self.is_boxed(ty) {
            return Val { ty, regs: Regs::new(&[reg]) };
        }
        let regs = self.take(ty);
        let Reg::R(object) = reg else { unreachable!("a box is a reference") };
        self.load_slots(object, regs, 0, 0);
        Val { ty, regs }
    }

    /// Reads consecutive slots of both banks, from the given ones on.
    pub(super) fn load_slots(&mut self, object: R, to: Regs, mut scalar: u16, mut reference: u16) {
        for &reg in to.slice() {
            match reg {
                Reg::S(dst) => {
                    self.b.emit(Instr::GetScalar { object, slot: Slot(scalar), dst });
                    scalar += 1;
                }
                Reg::R(dst) => {
                    self.b.emit(Instr::GetRef { object, slot: Slot(reference), dst });
                    reference += 1;
                }
            }
        }
    }

    /// The first slots, in each bank, of a field of a struct with these field types.
    pub(super) fn field_slots(&mut self, fields: &[Ty], index: usize) -> (u16, u16) {
        let (mut scalar, mut reference) = (0, 0);
        for &field in &fields[..index] {
            for reg in self.regs_of(field) {
                match reg {
                    RegType::Scalar(_) => scalar += 1,
                    RegType::Ref(_) => reference += 1,
                }
            }
        }
        (scalar, reference)
    }
}
