//! Interfaces: which method a call reaches, tables of methods, and enums behind interfaces.
//!
//! A table has an entry for each method that is called through the interface, generic methods one for each list
//! of type arguments. Tables are filled when all code is built; filling builds more, until nothing is new.

use super::build::Regs;
use super::{Job, Lowerer, Val};
use crate::check::{all_supers, as_super, find_method};
use crate::defs::{FnId, TypeDefId, TypeKind};
use crate::facts::{ArgSource, CallFact, EnumMember};
use crate::types::{Ty, TyKind};
use dscript_bytecode::ids::*;
use dscript_bytecode::image::{
    self, Implementation, InterfaceMethod, RefType, RegType, ScalarKind, Static, Type,
};
use dscript_bytecode::instr::Instr;
use dscript_grammar::ast::{Arg, Expr, ExprKind};
use dscript_grammar::span::Span;

/// A row of an interface's table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    method: FnId,
    /// Arguments for the method's own type parameters.
    extra: Vec<Ty>,
}

impl<'a> Lowerer<'a, '_> {
    fn kind_of(&self, ty: Ty) -> Option<TypeKind> {
        self.types.nominal_parts(ty).map(|(def, _)| self.defs.types[def.index()].kind)
    }

    /// Calls a method on an object: the one it has, or through its interface's table.
    pub(super) fn dispatch(
        &mut self,
        id: FnId,
        receiver: Val,
        type_args: Vec<Ty>,
        mut values: Vec<Val>,
        span: Span,
        ty: Ty,
    ) -> Val {
        let defs = self.defs;
        let def = &defs.fns[id.index()];
        let Some(owner) = def.owner else { return self.absent(ty) };
        let receiver_ty = self.types.resolve(receiver.ty);
        if receiver.regs.slice().is_empty() {
            return self.absent(ty);
        }
        let owner_is_interface = defs.types[owner.index()].kind == TypeKind::Interface;
        if !owner_is_interface || def.is_private {
            values.insert(0, receiver);
            if def.is_native {
                return self.call_native(id, &type_args, &values, ty);
            }
            let ret = self.types.substitute(def.ret, &def.type_params, &type_args);
            let function = self.instance(id, type_args, span);
            return self.emit_call(function, &values, ret);
        }
        let own_params = defs.types[owner.index()].type_params.len();
        let extra: Vec<Ty> = type_args[own_params.min(type_args.len())..].to_vec();
        if self.kind_of(receiver_ty) == Some(TypeKind::Interface) {
            return self.call_through(id, receiver, &type_args, extra, values);
        }
        // The object's type is known here: so is its method.
        let Some((method, found)) = find_method(self.types, defs, receiver_ty, def.name) else {
            return self.absent(ty);
        };
        if defs.fns[method.index()].is_abstract() {
            return self.enum_member(method, receiver);
        }
        let receiver = if found == receiver_ty { receiver } else { self.convert(receiver, found) };
        let mut args = self.types.nominal_parts(found).map(|(_, a)| a.to_vec()).unwrap_or_default();
        args.extend(extra);
        let sig = &defs.fns[method.index()];
        let ret = self.types.substitute(sig.ret, &sig.type_params, &args);
        values.insert(0, receiver);
        let function = self.instance(method, args, span);
        let value = self.emit_call(function, &values, ret);
        self.convert(value, ty)
    }

    fn call_through(
        &mut self,
        id: FnId,
        receiver: Val,
        type_args: &[Ty],
        extra: Vec<Ty>,
        values: Vec<Val>,
    ) -> Val {
        let defs = self.defs;
        let def = &defs.fns[id.index()];
        let entry = Entry { method: id, extra };
        let interface = self.types.resolve(receiver.ty);
        let ty = self.type_id(interface);
        let table = self.tables.entry(interface).or_default();
        let index = match table.iter().position(|e| *e == entry) {
            Some(index) => index,
            None => {
                table.push(entry);
                let index = table.len() - 1;
                let params = def
                    .params
                    .iter()
                    .map(|p| self.types.substitute(p.ty, &def.type_params, type_args))
                    .collect::<Vec<_>>()
                    .into_iter()
                    .map(|ty| self.type_id(ty))
                    .collect();
                let ret = self.types.substitute(def.ret, &def.type_params, type_args);
                let ret = self.type_id(ret);
                let name = self.interner.name(def.name).to_string();
                if let Type::Interface { methods, .. } = &mut self.image.types[ty.index()] {
                    methods.push(InterfaceMethod { name, params, ret });
                }
                index
            }
        };
        let ret = self.types.substitute(def.ret, &def.type_params, type_args);
        let args: Vec<Reg> = values.iter().flat_map(|v| v.regs.slice().to_vec()).collect();
        let results = self.take(ret);
        self.b.emit(Instr::CallMethod {
            object: receiver.regs.r(),
            ty,
            method: MethodId(index as u16),
            args: args.into(),
            results: results.slice().into(),
        });
        Val { ty: ret, regs: results }
    }

    /// Adds to every type's tables what its interfaces have got since; whether anything was added.
    pub(super) fn fill_tables(&mut self) -> bool {
        let mut any = false;
        let mut index = 0;
        while index < self.implementors.len() {
            let (object, ty) = self.implementors[index];
            index += 1;
            for parent in all_supers(self.types, self.defs, ty) {
                let (Some(&interface), Some(table)) = (self.type_ids.get(&parent), self.tables.get(&parent))
                else {
                    continue;
                };
                let table = table.clone();
                let filled = self.filled(object, interface);
                if filled.is_none() || filled < Some(table.len()) {
                    any = true;
                }
                for entry in &table[filled.unwrap_or(0)..] {
                    let function = self.table_function(object, ty, parent, entry);
                    self.implementation(object, interface).push(function);
                }
                self.implementation(object, interface);
            }
        }
        any
    }

    /// How many rows of the interface's table the type has; `None` where it has no table yet.
    fn filled(&self, object: TypeId, interface: TypeId) -> Option<usize> {
        match &self.image.types[object.index()] {
            Type::Record(s) | Type::Class(s) => {
                s.implements.iter().find(|i| i.interface == interface).map(|i| i.methods.len())
            }
            _ => None,
        }
    }

    fn implementation(&mut self, object: TypeId, interface: TypeId) -> &mut Vec<FunctionId> {
        let (Type::Record(s) | Type::Class(s)) = &mut self.image.types[object.index()] else {
            unreachable!("only objects implement interfaces")
        };
        let at = match s.implements.iter().position(|i| i.interface == interface) {
            Some(at) => at,
            None => {
                s.implements.push(Implementation { interface, methods: Vec::new() });
                s.implements.len() - 1
            }
        };
        &mut s.implements[at].methods
    }

    fn table_function(&mut self, object: TypeId, this: Ty, parent: Ty, entry: &Entry) -> FunctionId {
        let defs = self.defs;
        let name = defs.fns[entry.method.index()].name;
        let Some((method, owner)) = find_method(self.types, defs, this, name) else {
            unreachable!("the checker has shown that the method is there")
        };
        let wanted = self.result_in(entry.method, parent, &entry.extra);
        let is_own = owner == this && self.kind_of(this) != Some(TypeKind::Enum);
        if is_own && self.result_in(method, owner, &entry.extra) == wanted {
            let mut args = self.types.nominal_parts(this).map(|(_, a)| a.to_vec()).unwrap_or_default();
            args.extend(entry.extra.iter().copied());
            return self.instance(method, args, defs.fns[method.index()].span);
        }
        let function = self.reserve();
        let extra = entry.extra.clone();
        self.queue.push_back(Job::Adapter { this, object, method, owner, extra, wanted, function });
        function
    }

    /// A method of an interface that nobody wrote: one that every enum has.
    fn enum_member(&mut self, method: FnId, value: Val) -> Val {
        match self.interner.name(self.defs.fns[method.index()].name) {
            "ordinal" => Val { ty: Ty::INT, regs: value.regs },
            _ => self.text(value),
        }
    }

    /// What a method gives in a type at or below the one that declares it, with its own type arguments.
    fn result_in(&mut self, method: FnId, seen: Ty, extra: &[Ty]) -> Ty {
        let sig = &self.defs.fns[method.index()];
        let owner = sig.owner.and_then(|owner| as_super(self.types, self.defs, seen, owner));
        let parts = owner.and_then(|ty| self.types.nominal_parts(ty));
        let mut args = parts.map(|(_, a)| a.to_vec()).unwrap_or_default();
        args.extend(extra.iter().copied());
        let ret = self.types.substitute(sig.ret, &sig.type_params, &args);
        self.types.resolve(ret)
    }

    pub(super) fn adapter(
        &mut self,
        this: Ty,
        object: TypeId,
        (method, owner, extra): (FnId, Ty, Vec<Ty>),
        wanted: Ty,
        function: FunctionId,
    ) {
        let defs = self.defs;
        let sig = &defs.fns[method.index()];
        let mut args = self.types.nominal_parts(owner).map(|(_, a)| a.to_vec()).unwrap_or_default();
        args.extend(extra);
        let ret = self.types.substitute(sig.ret, &sig.type_params, &args);
        let name = self.qualified(method);
        self.begin(sig.module, name, &[], wanted);
        let own = self.b.param(RegType::Ref(RefType { ty: object, nullable: false }));
        let mut values = Vec::new();
        for param in &sig.params {
            let ty = self.types.substitute(param.ty, &sig.type_params, &args);
            let regs = self.params_of(ty);
            values.push(Val { ty, regs });
        }
        self.at(sig.span);
        let own = if self.kind_of(this) == Some(TypeKind::Enum) {
            self.enum_of_box(own, this)
        } else {
            Val { ty: this, regs: Regs::new(&[own]) }
        };
        if sig.is_abstract() {
            let value = self.enum_member(method, own);
            self.return_value(value);
            return self.set_function(function, sig.span);
        }
        let own = if owner == this { own } else { self.convert(own, owner) };
        values.insert(0, own);
        let target = self.instance(method, args, sig.span);
        let value = self.emit_call(target, &values, ret);
        self.return_value(value);
        self.set_function(function, sig.span);
    }

    // ---- values behind interfaces ----

    /// A record, class, enum or interface value as one of an interface above it.
    pub(super) fn as_interface(&mut self, value: Val, to: Ty) -> Val {
        match self.kind_of(value.ty) {
            Some(TypeKind::Enum) => {
                let object = self.enum_box(value.ty);
                let dst = self.reference(object, false);
                self.b.emit(Instr::New { ty: object, slots: value.regs.slice().into(), dst });
                self.type_id(to);
                Val { ty: to, regs: Regs::new(&[Reg::R(dst)]) }
            }
            Some(TypeKind::Interface) => {
                let dst = self.take(to);
                let ty = self.type_id(to);
                self.b.emit(Instr::Narrow { src: value.regs.r(), ty, dst: dst.r() });
                Val { ty: to, regs: dst }
            }
            _ => {
                self.type_id(to);
                Val { ty: to, regs: value.regs }
            }
        }
    }

    /// Whether a value changes its registers on the way to an interface.
    pub(super) fn changes_form(&self, from: Ty, to: Ty) -> bool {
        from != to && matches!(self.kind_of(from), Some(TypeKind::Enum | TypeKind::Interface))
    }

    /// A value that may be null, converted where it is not.
    pub(super) fn convert_present(&mut self, value: Val, inner: Ty, to: Ty) -> Val {
        let dst = self.take(to);
        let (null, done) = (self.b.mark(), self.b.mark());
        self.jump_if_null(value, null);
        let plain = self.narrow(value, inner);
        let converted = self.convert(plain, to);
        self.copy(converted.regs, dst);
        self.b.jump(done);
        self.b.place(null);
        let none = self.convert(Val { ty: Ty::NULL, regs: Regs::none() }, to);
        self.copy(none.regs, dst);
        self.b.jump(done);
        self.b.place(done);
        Val { ty: to, regs: dst }
    }

    /// The type of the object that holds an enum's constant behind an interface.
    pub(super) fn enum_box(&mut self, ty: Ty) -> TypeId {
        let Some((def, _)) = self.types.nominal_parts(ty) else { unreachable!("an enum is a declared type") };
        if let Some(&known) = self.enum_boxes.get(&def) {
            return known;
        }
        let held = self.type_id(ty);
        let id = TypeId(self.image.types.len() as u32);
        let to_string = FunctionId(self.image.functions.len() as u32);
        let name = self.interner.name(self.defs.types[def.index()].name).to_string();
        self.image.types.push(Type::Record(image::Struct {
            name,
            fields: vec![image::Field { name: "constant".into(), ty: held }],
            implements: Vec::new(),
            to_string: Some(to_string),
        }));
        self.enum_boxes.insert(def, id);
        self.implementors.push((id, ty));
        let function = self.reserve();
        self.queue.push_back(Job::EnumText { def, object: id, function });
        id
    }

    pub(super) fn enum_of_box(&mut self, object: Reg, ty: Ty) -> Val {
        let Reg::R(object) = object else { unreachable!("a box is a reference") };
        let regs = self.take(ty);
        self.load_slots(object, regs, 0, 0);
        Val { ty, regs }
    }

    pub(super) fn enum_text(&mut self, def: TypeDefId, object: TypeId, function: FunctionId) {
        let decl = &self.defs.types[def.index()];
        let string = self.string_ty();
        self.begin(decl.module, self.interner.name(decl.name).to_string(), &[], string);
        let own = self.b.param(RegType::Ref(RefType { ty: object, nullable: false }));
        self.at(decl.span);
        let ty = self.types.nominal(def, &[]);
        let constant = self.enum_of_box(own, ty);
        let text = self.text(constant);
        self.return_value(text);
        self.set_function(function, decl.span);
    }

    // ---- enums ----

    /// What a constant of an enum with fields holds.
    pub(super) fn enum_data(&mut self, ty: Ty, ordinal: S) -> (R, Ty) {
        let Some((def, _)) = self.types.nominal_parts(ty) else { unreachable!("an enum is a declared type") };
        let data = self.types.intern(TyKind::EnumData(def));
        let Some(list) = self.defs.known.list else { unreachable!("std declares List") };
        let table_ty = self.types.nominal(list, &[data]);
        let from = match self.enum_tables.get(&def) {
            Some(&known) => known,
            None => {
                let ty = self.type_id(table_ty);
                let init = self.reserve();
                let id = StaticId(self.image.statics.len() as u32);
                self.image.statics.push(Static { ty, init });
                self.enum_tables.insert(def, id);
                self.queue.push_back(Job::EnumTable { def, function: init });
                id
            }
        };
        let table = self.take(table_ty);
        self.b.emit(Instr::GetStatic { from, results: table.slice().into() });
        let found = self.list_get(table.r(), ordinal, data);
        (found.regs.r(), data)
    }

    pub(super) fn enum_table(&mut self, def: TypeDefId, function: FunctionId) {
        let defs = self.defs;
        let decl = &defs.types[def.index()];
        let (Some(list), Some(constructor)) = (defs.known.list, decl.constructor) else { return };
        let data = self.types.intern(TyKind::EnumData(def));
        let ty = self.types.nominal(list, &[data]);
        let name = self.interner.name(decl.name).to_string();
        self.begin(decl.module, name, &[], ty);
        self.at(decl.span);
        let id = self.type_id(ty);
        let regs = self.take(ty);
        self.b.emit(Instr::ListNew { ty: id, capacity: decl.constant_trees.len() as i64, dst: regs.r() });
        for constant in decl.constant_trees {
            self.at(constant.name.span);
            let Some(fact) = self.facts[decl.module.index()].calls.get(&constant.id).cloned() else {
                continue;
            };
            let mark = self.b.mark_taken();
            let given = self.args(&fact, &constant.args);
            let mut values = Vec::new();
            for (index, value) in given.into_iter().enumerate() {
                let value = match value {
                    Some(value) => value,
                    None => self.default_value(constructor, index, &[], &values, fact.params[index].0),
                };
                values.push(value);
            }
            let target = self.instance(constructor, Vec::new(), decl.span);
            let made = self.emit_call(target, &values, data);
            self.list_add(regs.r(), made);
            self.b.release(mark);
        }
        self.return_value(Val { ty, regs });
        self.set_function(function, decl.span);
    }

    pub(super) fn call_enum(
        &mut self,
        expr: &'a Expr,
        member: EnumMember,
        def: TypeDefId,
        callee: Option<&'a Expr>,
        args: &'a [Arg],
        ty: Ty,
    ) -> Val {
        let own = self.types.nominal(def, &[]);
        let count = self.defs.types[def.index()].constants.len();
        match member {
            EnumMember::Ordinal | EnumMember::Name => {
                let value = match (callee.map(|c| &c.kind), self.cx.this) {
                    (Some(ExprKind::Field { receiver, .. }), _) => self.expr(receiver),
                    (_, Some(regs)) => Val { ty: own, regs },
                    _ => return self.absent(ty),
                };
                if member == EnumMember::Ordinal {
                    return Val { ty: Ty::INT, regs: value.regs };
                }
                self.at(expr.span);
                self.text(value)
            }
            EnumMember::Values => {
                let id = self.type_id(ty);
                let regs = self.take(ty);
                self.b.emit(Instr::ListNew { ty: id, capacity: count as i64, dst: regs.r() });
                for index in 0..count {
                    let mark = self.b.mark_taken();
                    let constant = self.int_const(index as i64);
                    self.list_add(regs.r(), Val { ty: own, regs: Regs::new(&[Reg::S(constant)]) });
                    self.b.release(mark);
                }
                Val { ty, regs }
            }
            EnumMember::Parse => {
                let text = self.string_ty();
                let wanted = self.expr_as(&args[0].value, text);
                let string = self.type_id(text);
                let dst = self.take(ty);
                let done = self.b.mark();
                let names: Vec<_> = self.defs.types[def.index()].constants.iter().map(|c| c.0).collect();
                for (index, name) in names.into_iter().enumerate() {
                    let mark = self.b.mark_taken();
                    let next = self.b.mark();
                    let name = self.string_const(self.interner.name(name));
                    let same = self.scalar(ScalarKind::Bool);
                    self.b.emit(Instr::EqValue {
                        a: wanted.regs.r(),
                        b: name.regs.r(),
                        ty: string,
                        dst: same,
                    });
                    let to = self.b.to(next);
                    self.b.emit(Instr::IfNot { a: same, to });
                    let constant = self.int_const(index as i64);
                    let value = self.convert(Val { ty: own, regs: Regs::new(&[Reg::S(constant)]) }, ty);
                    self.copy(value.regs, dst);
                    self.b.jump(done);
                    self.b.place(next);
                    self.b.release(mark);
                }
                let none = self.convert(Val { ty: Ty::NULL, regs: Regs::none() }, ty);
                self.copy(none.regs, dst);
                self.b.jump(done);
                self.b.place(done);
                Val { ty, regs: dst }
            }
        }
    }

    /// `r.with(x: 1)`
    pub(super) fn call_with(
        &mut self,
        expr: &'a Expr,
        callee: Option<&'a Expr>,
        fact: &CallFact,
        args: &'a [Arg],
        ty: Ty,
    ) -> Val {
        let Some(value) = self.receiver(callee) else { return self.absent(ty) };
        if value.regs.slice().is_empty() {
            return self.absent(ty);
        }
        let later: Vec<&'a Expr> = args.iter().map(|a| &a.value).collect();
        let object = self.guard(value, &later);
        let given = self.args(fact, args);
        self.at(expr.span);
        let fields = self.struct_fields(object.ty);
        let mut values = Vec::new();
        for (index, value) in given.into_iter().enumerate() {
            debug_assert!(value.is_some() || fact.params[index].1 == ArgSource::Default);
            let value = match value {
                Some(value) => value,
                None => {
                    let (scalar, reference) = self.field_slots(&fields, index);
                    let regs = self.take(fields[index]);
                    self.load_slots(object.regs.r(), regs, scalar, reference);
                    Val { ty: fields[index], regs }
                }
            };
            values.push(value);
        }
        let Some((def, type_args)) = self.types.nominal_parts(object.ty).map(|(d, a)| (d, a.to_vec())) else {
            return self.absent(ty);
        };
        let Some(constructor) = self.defs.types[def.index()].constructor else { return self.absent(ty) };
        let function = self.instance(constructor, type_args, expr.span);
        self.emit_call(function, &values, ty)
    }
}
