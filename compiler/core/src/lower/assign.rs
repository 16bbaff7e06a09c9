//! Assignment: the places it reads and writes.

use super::build::Regs;
use super::expr::assigns;
use super::{Lowerer, Val};
use crate::check::binary_type;
use crate::facts::Res;
use crate::types::Ty;
use dscript_bytecode::ids::*;
use dscript_bytecode::instr::Instr;
use dscript_grammar::ast::{BinaryOp, Expr, ExprKind};

impl<'a> Lowerer<'a, '_> {
    pub(super) fn step(&mut self, target: &'a Expr, delta: i8, prefix: bool) -> Val {
        let ty = self.node_ty(target.id);
        let place = self.place_of(target);
        let old = self.read_place(&place, ty);
        let new = self.take(ty);
        if new.slice().is_empty() {
            return old;
        }
        let before = if prefix {
            old
        } else {
            let copy = self.take(ty);
            self.copy(old.regs, copy);
            Val { ty, regs: copy }
        };
        if ty == Ty::DOUBLE {
            let one = self.double(f64::from(delta));
            self.b.emit(Instr::AddDouble { a: old.regs.s(), b: one.regs.s(), dst: new.s() });
        } else {
            self.b.emit(Instr::AddImm { a: old.regs.s(), value: i64::from(delta), dst: new.s() });
        }
        let new = Val { ty, regs: new };
        self.write_place(&place, new);
        if prefix { new } else { before }
    }

    pub(super) fn assign(&mut self, op: Option<BinaryOp>, target: &'a Expr, value: &'a Expr) -> Val {
        let place = self.place_of(target);
        let Some(op) = op else {
            let place = self.guard_place(place, value);
            let wanted = self.place_ty(&place, target);
            let value = self.expr_as(value, wanted);
            self.at(target.span);
            self.write_place(&place, value);
            return value;
        };
        let ty = self.node_ty(target.id);
        let place = self.guard_place(place, value);
        let old = self.read_place(&place, ty);
        let old = self.guard(old, &[value]);
        let right = self.expr(value);
        self.at(target.span.to(value.span));
        let string = self.string_ty();
        let new = if ty == string {
            let (a, b) = (self.text(old), self.text(right));
            self.concat(vec![a.regs.slice()[0], b.regs.slice()[0]])
        } else {
            let result = binary_type(self.types, self.defs, op, old.ty, right.ty).unwrap_or(ty);
            self.arithmetic(op, old, right, result, None)
        };
        self.write_place(&place, new);
        new
    }

    pub(super) fn place_of(&mut self, target: &'a Expr) -> Place {
        match &target.kind {
            ExprKind::Paren(inner) => self.place_of(inner),
            ExprKind::Name(_) => match self.res(target.id) {
                Res::Local(node) => match self.cx.locals.get(&node) {
                    Some(&regs) => {
                        let declared = self.facts[self.cx.module.index()].locals.get(&node).copied();
                        let ty = self.subst(declared.unwrap_or(Ty::POISON));
                        Place::Regs(regs, ty)
                    }
                    None => Place::Nothing,
                },
                Res::Field(index) => self.own_place(index),
                _ => Place::Nothing,
            },
            ExprKind::Field { receiver, .. } => {
                let Res::Field(index) = self.res(target.id) else { return Place::Nothing };
                if self.cx.in_constructor && matches!(receiver.kind, ExprKind::This) {
                    return self.own_place(index);
                }
                let object = self.expr(receiver);
                if object.regs.slice().is_empty() {
                    return Place::Nothing;
                }
                let fields = self.struct_fields(object.ty);
                let slots = self.field_slots(&fields, index as usize);
                Place::Field { object: object.regs.r(), slots, ty: fields[index as usize] }
            }
            ExprKind::Index { receiver, index } => {
                let object = self.expr(receiver);
                let Some((def, args)) = self.types.nominal_parts(object.ty).map(|(d, a)| (d, a.to_vec()))
                else {
                    return Place::Nothing;
                };
                let object = self.guard(object, &[index]);
                if Some(def) == self.defs.known.list {
                    let at = self.expr_as(index, Ty::INT);
                    Place::Item { list: object.regs.r(), index: at.regs.s(), element: args[0] }
                } else {
                    let key = self.expr_as(index, args[0]);
                    Place::Entry { map: object, key }
                }
            }
            _ => Place::Nothing,
        }
    }

    pub(super) fn own_place(&mut self, index: u32) -> Place {
        if self.cx.in_constructor {
            let regs = self.cx.fields[index as usize];
            // The type is the field's own.
            let ty = self.cx.ret;
            let fields = self.struct_fields(ty);
            return Place::Regs(regs, fields[index as usize]);
        }
        let (Some(this), Some(owner)) = (self.cx.this, self.cx.this_ty) else { return Place::Nothing };
        let fields = self.struct_fields(owner);
        let slots = self.field_slots(&fields, index as usize);
        Place::Field { object: this.r(), slots, ty: fields[index as usize] }
    }

    /// The value side may assign locals that the place was computed from.
    pub(super) fn guard_place(&mut self, place: Place, value: &'a Expr) -> Place {
        if !assigns(value) {
            return place;
        }
        let any = Ty::POISON;
        match place {
            Place::Item { list, index, element } => {
                let both =
                    self.guard(Val { ty: any, regs: Regs::new(&[Reg::R(list), Reg::S(index)]) }, &[value]);
                match *both.regs.slice() {
                    [Reg::R(list), Reg::S(index)] => Place::Item { list, index, element },
                    _ => Place::Nothing,
                }
            }
            Place::Field { object, slots, ty } => {
                let object = self.guard(Val { ty: any, regs: Regs::new(&[Reg::R(object)]) }, &[value]);
                Place::Field { object: object.regs.r(), slots, ty }
            }
            Place::Entry { map, key } => {
                Place::Entry { map: self.guard(map, &[value]), key: self.guard(key, &[value]) }
            }
            other => other,
        }
    }

    /// What may be stored there.
    pub(super) fn place_ty(&mut self, place: &Place, target: &Expr) -> Ty {
        match place {
            Place::Regs(_, ty) | Place::Field { ty, .. } => *ty,
            Place::Item { element, .. } => *element,
            Place::Entry { map, .. } => match self.types.nominal_parts(map.ty) {
                Some((_, args)) => args[1],
                None => Ty::POISON,
            },
            Place::Nothing => self.node_ty(target.id),
        }
    }

    pub(super) fn read_place(&mut self, place: &Place, ty: Ty) -> Val {
        match *place {
            Place::Regs(regs, declared) => self.narrow(Val { ty: declared, regs }, ty),
            Place::Field { object, slots, ty } => {
                let regs = self.take(ty);
                self.load_slots(object, regs, slots.0, slots.1);
                Val { ty, regs }
            }
            Place::Item { list, index, element } => self.list_get(list, index, element),
            Place::Entry { .. } | Place::Nothing => self.absent(ty),
        }
    }

    pub(super) fn write_place(&mut self, place: &Place, value: Val) {
        match *place {
            Place::Regs(regs, declared) => {
                let value = self.convert(value, declared);
                self.copy(value.regs, regs);
            }
            Place::Field { object, slots, ty } => {
                let value = self.convert(value, ty);
                let (mut scalar, mut reference) = slots;
                for &reg in value.regs.slice() {
                    match reg {
                        Reg::S(src) => {
                            self.b.emit(Instr::SetScalar { object, slot: Slot(scalar), src });
                            scalar += 1;
                        }
                        Reg::R(src) => {
                            self.b.emit(Instr::SetRef { object, slot: Slot(reference), src });
                            reference += 1;
                        }
                    }
                }
            }
            Place::Item { list, index, element } => {
                let value = self.convert(value, element);
                if value.regs.slice().is_empty() {
                    return;
                }
                match self.boxed(value) {
                    Reg::S(src) => self.b.emit(Instr::ListSetScalar { list, index, src }),
                    Reg::R(src) => self.b.emit(Instr::ListSetRef { list, index, src }),
                }
            }
            Place::Entry { map, key } => {
                let Some((def, args)) = self.types.nominal_parts(map.ty).map(|(d, a)| (d, a.to_vec())) else {
                    return;
                };
                self.method_of(def, "put", &args, &[map, key, value]);
            }
            Place::Nothing => {}
        }
    }
}

/// What an assignment writes.
pub(super) enum Place {
    /// A local, or a field in a constructor, with its declared type.
    Regs(Regs, Ty),
    Field {
        object: R,
        slots: (u16, u16),
        ty: Ty,
    },
    Item {
        list: R,
        index: S,
        element: Ty,
    },
    Entry {
        map: Val,
        key: Val,
    },
    /// Reported before.
    Nothing,
}
