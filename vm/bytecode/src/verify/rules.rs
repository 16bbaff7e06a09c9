//! What each instruction asks of the types of its operands, beyond what its row in the table says.
//!
//! Ids and registers are in range and scalars of the kinds the table names when these rules are asked.

use super::{Check, Context};
use crate::asm::{kind_name, ref_name, reg_name, type_name};
use crate::ids::*;
use crate::image::*;
use crate::instr::Instr;
use crate::limits::*;

pub fn check(cx: &Context<'_>, f: &Function, instr: &Instr) -> Check {
    let rules = Rules { cx, f };
    rules.check(instr)
}

struct Rules<'c, 'a> {
    cx: &'c Context<'a>,
    f: &'c Function,
}

impl<'a> Rules<'_, 'a> {
    fn check(&self, instr: &Instr) -> Check {
        let types = &self.cx.types;
        let image = self.cx.image;
        match instr {
            // The table's row says it all.
            Instr::Int { .. } | Instr::Double { .. } | Instr::Bool { .. } => Ok(()),
            Instr::AddInt { .. }
            | Instr::SubInt { .. }
            | Instr::MulInt { .. }
            | Instr::DivInt { .. }
            | Instr::RemInt { .. }
            | Instr::NegInt { .. }
            | Instr::AddImm { .. }
            | Instr::AndInt { .. }
            | Instr::OrInt { .. }
            | Instr::XorInt { .. }
            | Instr::NotInt { .. }
            | Instr::ShlInt { .. }
            | Instr::ShrInt { .. }
            | Instr::UShrInt { .. } => Ok(()),
            Instr::AddDouble { .. }
            | Instr::SubDouble { .. }
            | Instr::MulDouble { .. }
            | Instr::DivDouble { .. }
            | Instr::RemDouble { .. }
            | Instr::NegDouble { .. }
            | Instr::IntToDouble { .. }
            | Instr::DoubleToInt { .. } => Ok(()),
            Instr::EqInt { .. }
            | Instr::LtInt { .. }
            | Instr::LeInt { .. }
            | Instr::EqDouble { .. }
            | Instr::LtDouble { .. }
            | Instr::LeDouble { .. }
            | Instr::EqBool { .. }
            | Instr::NotBool { .. }
            | Instr::SameRef { .. }
            | Instr::IsNull { .. } => Ok(()),
            Instr::Jump { .. }
            | Instr::If { .. }
            | Instr::IfNot { .. }
            | Instr::IfEqInt { .. }
            | Instr::IfNeInt { .. }
            | Instr::IfLtInt { .. }
            | Instr::IfLeInt { .. }
            | Instr::IfEqDouble { .. }
            | Instr::IfNeDouble { .. }
            | Instr::IfLtDouble { .. }
            | Instr::IfLeDouble { .. }
            | Instr::IfNotLtDouble { .. }
            | Instr::IfNotLeDouble { .. }
            | Instr::IfNull { .. }
            | Instr::IfNotNull { .. }
            | Instr::Switch { .. }
            | Instr::LimitEnter { .. }
            | Instr::LimitLeave {} => Ok(()),

            Instr::MoveScalar { src, dst } => self.same_kind(self.scalar(*src), *dst),
            Instr::MoveRef { src, dst } => self.goes(self.reference(*src), *dst),
            Instr::Null { dst } => {
                if self.reference(*dst).nullable {
                    return Ok(());
                }
                Err(format!("null goes to {dst:?}, which is {}", self.shown(*dst)))
            }
            Instr::Const { value, dst } => {
                let to = types.get(self.reference(*dst).ty);
                match (&image.constants[value.index()], to) {
                    (Constant::String(_), Type::String) | (Constant::Bytes(_), Type::Bytes) => Ok(()),
                    (Constant::String(_), _) => {
                        Err(format!("a String goes to {dst:?}, which is {}", self.shown(*dst)))
                    }
                    (Constant::Bytes(_), _) => {
                        Err(format!("Bytes go to {dst:?}, which is {}", self.shown(*dst)))
                    }
                }
            }
            Instr::EqValue { a, b, ty, dst: _ } => {
                self.not_a_function(*ty, "compared by content")?;
                let wanted = RefType { ty: *ty, nullable: true };
                self.agrees(*a, wanted)?;
                self.agrees(*b, wanted)
            }

            Instr::New { ty, slots, dst } => {
                let Some(declared) = types.slots(*ty) else {
                    return Err(format!("objects of {} are not made from slots", type_name(image, *ty)));
                };
                self.pass(slots, &declared.all, "slot")?;
                self.goes(RefType { ty: *ty, nullable: false }, *dst)
            }
            Instr::GetScalar { object, slot, dst } => self.same_kind(self.scalar_slot(*object, *slot)?, *dst),
            Instr::GetRef { object, slot, dst } => self.goes(self.ref_slot(*object, *slot)?, *dst),
            Instr::SetScalar { object, slot, src } => {
                self.changeable(*object)?;
                self.is_kind(*src, self.scalar_slot(*object, *slot)?)
            }
            Instr::SetRef { object, slot, src } => {
                self.changeable(*object)?;
                self.agrees(*src, self.ref_slot(*object, *slot)?)
            }
            Instr::Unwrap { src, dst } => {
                let from = self.reference(*src);
                if !from.nullable || self.reference(*dst).nullable {
                    return Err("unwrap needs a nullable source and a target that is not".into());
                }
                self.goes(RefType { nullable: false, ..from }, *dst)
            }
            Instr::InstanceOf { src, ty, dst: _ } => self.narrows(self.reference(*src).ty, *ty),
            Instr::Narrow { src, ty, dst } => {
                self.narrows(self.not_null(*src)?, *ty)?;
                self.goes(RefType { ty: *ty, nullable: false }, *dst)
            }

            Instr::ListNew { ty, capacity, dst } => {
                if !matches!(types.get(*ty), Type::List(_)) {
                    return Err(format!("{} is not a list", type_name(image, *ty)));
                }
                if !(0..=LIST_CAPACITY_MAX).contains(capacity) {
                    return Err(format!("capacity {capacity} is outside 0..={LIST_CAPACITY_MAX}"));
                }
                self.goes(RefType { ty: *ty, nullable: false }, *dst)
            }
            Instr::ListSize { list, dst: _ } => self.element(*list).map(|_| ()),
            Instr::ListGetScalar { list, index: _, dst } => self.same_kind(self.scalar_element(*list)?, *dst),
            Instr::ListGetRef { list, index: _, dst } => self.goes(self.ref_element(*list)?, *dst),
            Instr::ListSetScalar { list, index: _, src } | Instr::ListAddScalar { list, src } => {
                self.is_kind(*src, self.scalar_element(*list)?)
            }
            Instr::ListSetRef { list, index: _, src } | Instr::ListAddRef { list, src } => {
                self.agrees(*src, self.ref_element(*list)?)
            }
            Instr::Version { collection, .. } | Instr::CheckVersion { collection, .. } => {
                match types.get(self.not_null(*collection)?) {
                    Type::List(_) | Type::Map(..) | Type::Set(_) => Ok(()),
                    _ => {
                        Err(format!("{collection:?} is {}, not a list, map or set", self.shown(*collection)))
                    }
                }
            }
            Instr::Concat { parts, dst } => {
                for part in parts {
                    match part {
                        Reg::R(r) => self.string(*r)?,
                        Reg::S(s) => return Err(format!("{s:?} is not a String")),
                    }
                }
                match types.get(self.reference(*dst).ty) {
                    Type::String => Ok(()),
                    _ => Err(format!("a String goes to {dst:?}, which is {}", self.shown(*dst))),
                }
            }
            Instr::TextScalar { src, ty, dst } => {
                match types.registers(*ty) {
                    [RegType::Scalar(kind)] => self.is_kind(*src, *kind)?,
                    _ => return Err(format!("{} is not a scalar", type_name(image, *ty))),
                }
                self.string_target(*dst)
            }
            Instr::TextRef { src, ty, dst } => {
                self.not_a_function(*ty, "turned into text")?;
                self.agrees(*src, RefType { ty: *ty, nullable: false })?;
                self.string_target(*dst)
            }

            Instr::Call { function, args, results } => {
                let callee = &image.functions[function.index()];
                self.call(args, results, &callee.params, &callee.results)
            }
            Instr::CallNative { native, args, results } => {
                let callee = &image.natives[native.index()];
                self.call(args, results, &callee.params, &callee.results)
            }
            Instr::CallValue { callee, args, results } => {
                let ty = self.not_null(*callee)?;
                match (types.get(ty), types.signature(ty, 0)) {
                    (Type::Function { .. }, Some(signature)) => {
                        self.call(args, results, &signature.params, &signature.results)
                    }
                    _ => Err(format!("{callee:?} is {}, not a function", self.shown(*callee))),
                }
            }
            Instr::CallMethod { object, ty, method, args, results } => {
                if !matches!(types.get(*ty), Type::Interface { .. }) {
                    return Err(format!("{} is not an interface", type_name(image, *ty)));
                }
                self.agrees(*object, RefType { ty: *ty, nullable: false })?;
                let Some(signature) = types.signature(*ty, method.index()) else {
                    return Err(format!("{} has no {method:?}", type_name(image, *ty)));
                };
                self.call(args, results, &signature.params, &signature.results)
            }
            Instr::Return { values } => self.pass(values, &self.f.results, "result"),
            Instr::GetStatic { from, results } => {
                self.receive(types.registers(image.statics[from.index()].ty), results)
            }
            Instr::Trap { kind: _, text } => match image.constants[text.index()] {
                Constant::String(_) => Ok(()),
                Constant::Bytes(_) => Err("the text of a trap must be a String".into()),
            },
            Instr::TrapText { kind: _, text } => self.string(*text),
        }
    }

    fn scalar(&self, reg: S) -> ScalarKind {
        self.f.scalars[reg.index()]
    }

    fn reference(&self, reg: R) -> RefType {
        self.f.refs[reg.index()]
    }

    fn declared(&self, reg: Reg) -> RegType {
        match reg {
            Reg::S(s) => RegType::Scalar(self.scalar(s)),
            Reg::R(r) => RegType::Ref(self.reference(r)),
        }
    }

    fn shown(&self, reg: R) -> String {
        ref_name(self.cx.image, self.reference(reg))
    }

    /// The type of what a register refers to, which it must.
    fn not_null(&self, reg: R) -> Check<TypeId> {
        match self.reference(reg) {
            RefType { ty, nullable: false } => Ok(ty),
            _ => Err(format!("{reg:?} is {} and may be null", self.shown(reg))),
        }
    }

    /// Whether a value of kind `from` may be written to `to`.
    fn same_kind(&self, from: ScalarKind, to: S) -> Check {
        if from == self.scalar(to) {
            return Ok(());
        }
        Err(format!("{} goes to {to:?}, which is {}", kind_name(from), kind_name(self.scalar(to))))
    }

    /// Whether `reg` may be read as `kind`.
    fn is_kind(&self, reg: S, kind: ScalarKind) -> Check {
        if self.scalar(reg) == kind {
            return Ok(());
        }
        Err(format!("{reg:?} is {}, not {}", kind_name(self.scalar(reg)), kind_name(kind)))
    }

    /// Whether a value of type `from` may be written to `to`.
    fn goes(&self, from: RefType, to: R) -> Check {
        if self.cx.types.assignable(from, self.reference(to)) {
            return Ok(());
        }
        Err(format!("{} goes to {to:?}, which is {}", ref_name(self.cx.image, from), self.shown(to)))
    }

    /// Whether `reg` may be read as `wanted`.
    fn agrees(&self, reg: R, wanted: RefType) -> Check {
        if self.cx.types.assignable(self.reference(reg), wanted) {
            return Ok(());
        }
        Err(format!("{reg:?} is {}, not {}", self.shown(reg), ref_name(self.cx.image, wanted)))
    }

    fn string(&self, reg: R) -> Check {
        match self.cx.types.get(self.not_null(reg)?) {
            Type::String => Ok(()),
            _ => Err(format!("{reg:?} is {}, not String", self.shown(reg))),
        }
    }

    fn string_target(&self, dst: R) -> Check {
        match self.cx.types.get(self.reference(dst).ty) {
            Type::String => Ok(()),
            _ => Err(format!("a String goes to {dst:?}, which is {}", self.shown(dst))),
        }
    }

    fn pass(&self, given: &[Reg], wanted: &[RegType], what: &str) -> Check {
        if given.len() != wanted.len() {
            return Err(format!("{} {what} registers are given, {} are needed", given.len(), wanted.len()));
        }
        for (i, (reg, wanted)) in given.iter().zip(wanted).enumerate() {
            let declared = self.declared(*reg);
            if !self.cx.types.reg_assignable(declared, *wanted) {
                let image = self.cx.image;
                let (found, wanted) = (reg_name(image, declared), reg_name(image, *wanted));
                return Err(format!("{reg:?} is {found}, and {what} {i} is {wanted}"));
            }
        }
        Ok(())
    }

    fn receive(&self, given: &[RegType], into: &[Reg]) -> Check {
        if given.len() != into.len() {
            return Err(format!("{} result registers are named, there are {}", into.len(), given.len()));
        }
        for (i, (given, reg)) in given.iter().zip(into).enumerate() {
            let declared = self.declared(*reg);
            if !self.cx.types.reg_assignable(*given, declared) {
                let image = self.cx.image;
                let (given, found) = (reg_name(image, *given), reg_name(image, declared));
                return Err(format!("result {i} is {given} and goes to {reg:?}, which is {found}"));
            }
        }
        Ok(())
    }

    fn call(&self, args: &[Reg], into: &[Reg], params: &[RegType], results: &[RegType]) -> Check {
        self.pass(args, params, "parameter")?;
        self.receive(results, into)
    }

    fn scalar_slot(&self, object: R, slot: Slot) -> Check<ScalarKind> {
        let ty = self.not_null(object)?;
        let slots = self.cx.types.slots(ty);
        slots
            .and_then(|slots| slots.scalars.get(slot.index()).copied())
            .ok_or_else(|| self.no_slot(ty, "scalar", slot))
    }

    fn ref_slot(&self, object: R, slot: Slot) -> Check<RefType> {
        let ty = self.not_null(object)?;
        let slots = self.cx.types.slots(ty);
        slots
            .and_then(|slots| slots.refs.get(slot.index()).copied())
            .ok_or_else(|| self.no_slot(ty, "reference", slot))
    }

    fn no_slot(&self, ty: TypeId, bank: &str, slot: Slot) -> String {
        format!("{} has no {bank} slot {}", type_name(self.cx.image, ty), slot.0)
    }

    fn changeable(&self, object: R) -> Check {
        match self.cx.types.get(self.not_null(object)?) {
            Type::Class(_) => Ok(()),
            _ => Err(format!("{object:?} is {}, whose slots never change", self.shown(object))),
        }
    }

    /// Whether objects behind references of type `from` may turn out to be of type `ty`.
    fn narrows(&self, from: TypeId, ty: TypeId) -> Check {
        let good = match (self.cx.types.get(from), self.cx.types.get(ty)) {
            (Type::Interface { .. }, Type::Record(_) | Type::Class(_) | Type::Interface { .. }) => true,
            (Type::Function { .. }, Type::Closure { ty, .. }) => *ty == from,
            _ => false,
        };
        if good {
            return Ok(());
        }
        let image = self.cx.image;
        Err(format!("{} is never found behind {}", type_name(image, ty), type_name(image, from)))
    }

    fn not_a_function(&self, ty: TypeId, what: &str) -> Check {
        match self.cx.types.get(ty) {
            Type::Function { .. } | Type::Closure { .. } => Err(format!("functions are not {what}")),
            _ => Ok(()),
        }
    }

    fn element(&self, list: R) -> Check<RegType> {
        match self.cx.types.get(self.not_null(list)?) {
            Type::List(element) => {
                self.cx.types.element(*element).ok_or_else(|| "the list has no elements".to_string())
            }
            _ => Err(format!("{list:?} is {}, not a list", self.shown(list))),
        }
    }

    fn scalar_element(&self, list: R) -> Check<ScalarKind> {
        match self.element(list)? {
            RegType::Scalar(kind) => Ok(kind),
            RegType::Ref(_) => Err(format!("elements of {list:?} ({}) are references", self.shown(list))),
        }
    }

    fn ref_element(&self, list: R) -> Check<RefType> {
        match self.element(list)? {
            RegType::Ref(r) => Ok(r),
            RegType::Scalar(_) => Err(format!("elements of {list:?} ({}) are scalars", self.shown(list))),
        }
    }
}
