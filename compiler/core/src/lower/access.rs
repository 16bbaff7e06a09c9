//! Names, fields, indices, constants and function values.

use super::build::Regs;
use super::expr::{Simple, assigns, simple_constant};
use super::{Lowerer, Val};
use crate::facts::Res;
use crate::types::{Ty, TyKind};
use dscript_bytecode::ids::*;
use dscript_bytecode::image::{RegType, ScalarKind, Type};
use dscript_bytecode::instr::Instr;
use dscript_grammar::ast::{Expr, ExprKind};
use dscript_grammar::span::NodeId;

impl<'a> Lowerer<'a, '_> {
    pub(super) fn name(&mut self, expr: &'a Expr) -> Val {
        let ty = self.node_ty(expr.id);
        match self.res(expr.id) {
            Res::Local(node) => {
                let declared = self.facts[self.cx.module.index()].locals.get(&node).copied().unwrap_or(ty);
                let declared = self.subst(declared);
                match self.cx.locals.get(&node).copied() {
                    Some(regs) => self.narrow(Val { ty: declared, regs }, ty),
                    None => self.absent(ty),
                }
            }
            Res::Field(index) => self.own_field(index, ty),
            Res::Const(id) => self.constant_value(id, ty),
            Res::EnumConst(_, index) => self.int(i64::from(index), ty),
            Res::Fn(id) => self.function_value(expr.id, id, ty),
            Res::Type(_) | Res::None => self.absent(ty),
        }
    }

    /// A field of `this`.
    pub(super) fn own_field(&mut self, index: u32, ty: Ty) -> Val {
        if self.cx.in_constructor {
            return Val { ty, regs: self.cx.fields[index as usize] };
        }
        let (Some(this), Some(owner)) = (self.cx.this, self.cx.this_ty) else { return self.absent(ty) };
        self.field_value(Val { ty: owner, regs: this }, index, ty)
    }

    /// A field of an object, or of an enum's constant.
    pub(super) fn field_value(&mut self, object: Val, index: u32, ty: Ty) -> Val {
        match object.regs.slice()[0] {
            Reg::R(reg) => self.read_field(reg, object.ty, index, ty),
            Reg::S(ordinal) => {
                let (data, data_ty) = self.enum_data(object.ty, ordinal);
                self.read_field(data, data_ty, index, ty)
            }
        }
    }

    pub(super) fn read_field(&mut self, object: R, owner: Ty, index: u32, ty: Ty) -> Val {
        let fields = self.struct_fields(owner);
        let (scalar, reference) = self.field_slots(&fields, index as usize);
        let regs = self.take(ty);
        self.load_slots(object, regs, scalar, reference);
        Val { ty, regs }
    }

    /// The types of a record's or class's fields in this instance.
    pub(super) fn struct_fields(&mut self, ty: Ty) -> Vec<Ty> {
        if let TyKind::EnumData(def) = *self.types.kind(ty) {
            return self.defs.types[def.index()].fields.iter().map(|f| f.ty).collect();
        }
        let Some((def, args)) = self.types.nominal_parts(ty).map(|(d, a)| (d, a.to_vec())) else {
            return Vec::new();
        };
        let decl = &self.defs.types[def.index()];
        decl.fields.iter().map(|f| self.types.substitute(f.ty, &decl.type_params, &args)).collect()
    }

    pub(super) fn field(&mut self, expr: &'a Expr, receiver: &'a Expr) -> Val {
        let ty = self.node_ty(expr.id);
        match self.res(expr.id) {
            Res::Const(id) => self.constant_value(id, ty),
            Res::EnumConst(_, index) => self.int(i64::from(index), ty),
            Res::Fn(id) => self.function_value(expr.id, id, ty),
            Res::Field(index) => {
                if self.cx.in_constructor && matches!(receiver.kind, ExprKind::This) {
                    return self.own_field(index, ty);
                }
                let object = self.expr(receiver);
                self.at(expr.span);
                if object.regs.slice().is_empty() {
                    return self.absent(ty);
                }
                self.field_value(object, index, ty)
            }
            _ => {
                self.expr(receiver);
                self.absent(ty)
            }
        }
    }

    pub(super) fn constant_value(&mut self, id: crate::defs::ConstId, ty: Ty) -> Val {
        let init = self.defs.consts[id.index()].init;
        let simple = init.and_then(|init| simple_constant(init, false));
        let plain = self.types.fallible_inner(ty).unwrap_or(ty);
        let plain = self.types.nullable_inner(plain).unwrap_or(plain);
        let value = match simple {
            Some(Simple::Int(value)) if plain != Ty::DOUBLE => self.int(value, plain),
            Some(Simple::Int(value)) => self.double(value as f64),
            Some(Simple::Double(value)) => self.double(value),
            Some(Simple::Text(text)) => self.string_const(&text),
            None => {
                let from = self.static_id(id);
                let regs = self.take(ty);
                self.b.emit(Instr::GetStatic { from, results: regs.slice().into() });
                return Val { ty, regs };
            }
        };
        self.convert(value, ty)
    }

    pub(super) fn double(&mut self, value: f64) -> Val {
        let dst = self.scalar(ScalarKind::Double);
        self.b.emit(Instr::Double { value, dst });
        Val { ty: Ty::DOUBLE, regs: Regs::new(&[Reg::S(dst)]) }
    }

    fn function_value(&mut self, node: NodeId, id: crate::defs::FnId, ty: Ty) -> Val {
        let args = self.facts[self.cx.module.index()].fn_values.get(&node).cloned().unwrap_or_default();
        let args: Vec<Ty> = args.into_iter().map(|ty| self.subst(ty)).collect();
        let key = (id, args);
        let closure = match self.thunks.get(&key) {
            Some(&(closure, _)) => closure,
            None => {
                let function = self.reserve();
                let signature = self.type_id(ty);
                let closure =
                    self.raw_type(Type::Closure { ty: signature, code: function, captured: Vec::new() });
                self.thunks.insert(key.clone(), (closure, function));
                self.queue.push_back(super::Job::Thunk { id, args: key.1, closure, function });
                closure
            }
        };
        let dst = self.reference(closure, false);
        self.b.emit(Instr::New { ty: closure, slots: Box::new([]), dst });
        let regs = self.take(ty);
        self.copy(Regs::new(&[Reg::R(dst)]), regs);
        Val { ty, regs }
    }

    /// A function value as one of a wider type.
    pub(super) fn adapted(&mut self, value: Val, to: Ty) -> Val {
        let from = self.types.resolve(value.ty);
        let closure = match self.adapters.get(&(from, to)) {
            Some(&known) => known,
            None => {
                let function = self.reserve();
                let (ty, held) = (self.type_id(to), self.type_id(from));
                let closure = self.raw_type(Type::Closure { ty, code: function, captured: vec![held] });
                self.adapters.insert((from, to), closure);
                self.queue.push_back(super::Job::Adapted { from, to, closure, function });
                closure
            }
        };
        let dst = self.reference(closure, false);
        self.b.emit(Instr::New { ty: closure, slots: value.regs.slice().into(), dst });
        let regs = self.take(to);
        self.copy(Regs::new(&[Reg::R(dst)]), regs);
        Val { ty: to, regs }
    }

    pub(super) fn adapted_code(&mut self, from: Ty, to: Ty, closure: TypeId, function: FunctionId) {
        let (TyKind::Function(inner, inner_ret), TyKind::Function(params, ret)) =
            (self.types.kind(from).clone(), self.types.kind(to).clone())
        else {
            unreachable!("functions are adapted to functions")
        };
        let module = self.cx.module;
        self.begin(module, "function value".into(), &[], ret);
        let own =
            self.b.param(RegType::Ref(dscript_bytecode::image::RefType { ty: closure, nullable: false }));
        let Reg::R(own) = own else { unreachable!("a closure is a reference") };
        let mut values = Vec::new();
        for &ty in &params {
            let regs = self.params_of(ty);
            values.push(Val { ty, regs });
        }
        self.at(dscript_grammar::span::Span::default());
        let held = self.take(from);
        self.load_slots(own, held, 0, 0);
        let mut args = Vec::new();
        for (value, &wanted) in values.into_iter().zip(inner.iter()) {
            args.extend(self.convert(value, wanted).regs.slice());
        }
        let results = self.take(inner_ret);
        self.b.emit(Instr::CallValue {
            callee: held.r(),
            args: args.into(),
            results: results.slice().into(),
        });
        self.return_value(Val { ty: inner_ret, regs: results });
        self.set_function(function, dscript_grammar::span::Span::default());
    }

    pub(super) fn index(&mut self, expr: &'a Expr, receiver: &'a Expr, index: &'a Expr) -> Val {
        let ty = self.node_ty(expr.id);
        let object = self.expr(receiver);
        let (def, args) = match self.types.nominal_parts(object.ty) {
            Some((def, args)) => (def, args.to_vec()),
            None => return self.absent(ty),
        };
        if Some(def) == self.defs.known.list {
            let object = self.guard(object, &[index]);
            let at = self.expr_as(index, Ty::INT);
            self.at(expr.span);
            return self.list_get(object.regs.r(), at.regs.s(), args[0]);
        }
        let object = self.guard(object, &[index]);
        let key = self.expr_as(index, args[0]);
        self.at(expr.span);
        self.method_of(def, "get", &args, &[object, key])
    }

    pub(super) fn list_get(&mut self, list: R, index: S, element: Ty) -> Val {
        let slot = self.element_type(element);
        let dst = self.b.take(slot);
        match dst {
            Reg::S(dst) => self.b.emit(Instr::ListGetScalar { list, index, dst }),
            Reg::R(dst) => self.b.emit(Instr::ListGetRef { list, index, dst }),
        }
        self.unboxed(dst, element)
    }

    /// A value that stays what it is while `later` is computed: a local's register is copied if that may change it.
    pub(super) fn guard(&mut self, value: Val, later: &[&'a Expr]) -> Val {
        if later.iter().any(|e| assigns(e)) { self.copied(value) } else { value }
    }

    /// The value in registers of its own.
    pub(super) fn copied(&mut self, value: Val) -> Val {
        let regs: Vec<Reg> = value
            .regs
            .slice()
            .iter()
            .map(|&reg| {
                let ty = self.b.type_of(reg);
                let copy = self.b.take(ty);
                self.b.copy(reg, copy);
                copy
            })
            .collect();
        Val { ty: value.ty, regs: Regs::new(&regs) }
    }
}
