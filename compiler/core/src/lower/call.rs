//! Calls: arguments in their written order, natives, and built-ins.

use super::build::Regs;
use super::expr::assigns;
use super::{Lowerer, Val};
use crate::defs::{Body, FnId, Intrinsic, TypeDefId};
use crate::facts::{ArgSource, CallFact, Res, Target};
use crate::format::{self, Piece, Spec, Takes};
use crate::types::{Ty, TyKind};
use dscript_bytecode::ids::*;
use dscript_bytecode::image::{RefType, RegType, ScalarKind, Script};
use dscript_bytecode::instr::Instr;
use dscript_grammar::ast::{Arg, Expr, ExprKind};
use dscript_grammar::span::NodeId;

impl<'a, 'c> Lowerer<'a, 'c> {
    /// A call or a `new`; `callee` is `None` for the latter.
    pub(super) fn call(&mut self, expr: &'a Expr, callee: Option<&'a Expr>, args: &'a [Arg]) -> Val {
        let ty = self.node_ty(expr.id);
        let Some(fact) = self.facts[self.cx.module.index()].calls.get(&expr.id).cloned() else {
            return self.absent(ty);
        };
        match fact.target {
            Target::Fn(id) => self.call_fn(expr, id, None, &fact, args, ty),
            Target::Method(id) => {
                let Some(receiver) = self.receiver(callee) else { return self.absent(ty) };
                let later: Vec<&'a Expr> = args.iter().map(|a| &a.value).collect();
                let receiver = self.guard(receiver, &later);
                self.call_fn(expr, id, Some(receiver), &fact, args, ty)
            }
            Target::Value => self.call_value(expr, callee, &fact, args, ty),
            Target::Enum(member, def) => self.call_enum(expr, member, def, callee, args, ty),
            Target::Text => {
                let Some(value) = self.receiver(callee) else { return self.absent(ty) };
                self.at(expr.span);
                self.text(value)
            }
            Target::With => self.call_with(expr, callee, &fact, args, ty),
            Target::Intrinsic(intrinsic, id) => self.call_intrinsic(expr, intrinsic, id, args, ty),
        }
    }

    /// The object a method is called on: what stands before its name, or `this`.
    pub(super) fn receiver(&mut self, callee: Option<&'a Expr>) -> Option<Val> {
        match callee.map(|c| &c.kind) {
            Some(ExprKind::Field { receiver, .. }) => Some(self.expr(receiver)),
            _ => Some(Val { ty: self.cx.this_ty?, regs: self.cx.this? }),
        }
    }

    /// The arguments in their written order, each as its parameter's type.
    pub(super) fn args(&mut self, fact: &CallFact, args: &'a [Arg]) -> Vec<Option<Val>> {
        let mut values: Vec<Option<Val>> = vec![None; fact.params.len()];
        let mut places: Vec<Option<usize>> = vec![None; args.len()];
        for (place, (_, source)) in fact.params.iter().enumerate() {
            if let ArgSource::Given(index) = source {
                places[*index as usize] = Some(place);
            }
        }
        // Up to here, what is computed must outlast an assignment in a later argument.
        let last = args.iter().rposition(|arg| assigns(&arg.value)).unwrap_or(0);
        for (index, arg) in args.iter().enumerate() {
            let Some(place) = places[index] else { continue };
            let wanted = self.subst(fact.params[place].0);
            let value = self.expr_as(&arg.value, wanted);
            values[place] = Some(if index < last { self.copied(value) } else { value });
        }
        values
    }

    fn call_fn(
        &mut self,
        expr: &'a Expr,
        id: FnId,
        receiver: Option<Val>,
        fact: &CallFact,
        args: &'a [Arg],
        ty: Ty,
    ) -> Val {
        let defs = self.defs;
        let def = &defs.fns[id.index()];
        let type_args: Vec<Ty> = fact.type_args.iter().map(|&t| self.subst(t)).collect();
        let given = self.args(fact, args);
        let mut values: Vec<Val> = Vec::new();
        for (index, value) in given.into_iter().enumerate() {
            let value = match value {
                Some(value) => value,
                None => {
                    let wanted = self.subst(fact.params[index].0);
                    self.default_value(id, index, &type_args, &values, wanted)
                }
            };
            values.push(value);
        }
        self.at(expr.span);
        self.needs(id, fact, args, expr.span);
        if let Some(receiver) = receiver {
            return self.dispatch(id, receiver, type_args, values, expr.span, ty);
        }
        if def.is_native {
            return self.call_native(id, &type_args, &values, ty);
        }
        let ret = self.types.substitute(def.ret, &def.type_params, &type_args);
        let function = self.instance(id, type_args, expr.span);
        self.emit_call(function, &values, ret)
    }

    pub(super) fn emit_call(&mut self, function: FunctionId, values: &[Val], ret: Ty) -> Val {
        let args: Vec<Reg> = values.iter().flat_map(|v| v.regs.slice().to_vec()).collect();
        let results = self.take(ret);
        self.b.emit(Instr::Call { function, args: args.into(), results: results.slice().into() });
        Val { ty: ret, regs: results }
    }

    /// A parameter's default, computed from the parameters before it.
    pub(super) fn default_value(
        &mut self,
        id: FnId,
        index: usize,
        type_args: &[Ty],
        before: &[Val],
        wanted: Ty,
    ) -> Val {
        let defs = self.defs;
        let def = &defs.fns[id.index()];
        let param = &def.params[index];
        let Some(value) = param.default else { return self.absent(wanted) };
        let params: Vec<(NodeId, Ty)> = def.params[..index].iter().map(|p| (p.node, p.ty)).collect();
        let key = (param.node, def.module, type_args.to_vec());
        let function = self.default_function(key, &params, Some(id), type_args.to_vec(), param.ty, value);
        self.emit_call(function, before, wanted)
    }

    fn call_value(
        &mut self,
        expr: &'a Expr,
        callee: Option<&'a Expr>,
        fact: &CallFact,
        args: &'a [Arg],
        ty: Ty,
    ) -> Val {
        let Some(callee) = callee else { return self.absent(ty) };
        let function = self.expr(callee);
        let later: Vec<&'a Expr> = args.iter().map(|a| &a.value).collect();
        let function = self.guard(function, &later);
        let values: Vec<Val> = self.args(fact, args).into_iter().flatten().collect();
        self.at(expr.span);
        if function.regs.slice().is_empty() {
            return self.absent(ty);
        }
        let ret = match self.types.kind(function.ty) {
            TyKind::Function(_, ret) => *ret,
            _ => ty,
        };
        let args: Vec<Reg> = values.iter().flat_map(|v| v.regs.slice().to_vec()).collect();
        let results = self.take(ret);
        self.b.emit(Instr::CallValue {
            callee: function.regs.r(),
            args: args.into(),
            results: results.slice().into(),
        });
        Val { ty: ret, regs: results }
    }

    // ---- natives ----

    /// Calls a native, or the instruction it is.
    pub(super) fn call_native(&mut self, id: FnId, type_args: &[Ty], values: &[Val], ty: Ty) -> Val {
        let defs = self.defs;
        let def = &defs.fns[id.index()];
        if let Some(function) = self.stand_in_for(id, type_args) {
            return self.emit_call(function, values, ty);
        }
        let name = match (def.body, def.owner) {
            // A native constructor.
            (Body::None, Some(owner)) if defs.types[owner.index()].constructor == Some(id) => {
                let owner_name = self.interner.name(defs.types[owner.index()].name).to_string();
                return self.new_native(&format!("{owner_name}.new"), ty, type_args);
            }
            _ => self.qualified(id),
        };
        if def.owner == defs.known.list
            && let Some(value) = self.list_instruction(&name, type_args, values)
        {
            return value;
        }
        let mut args = Vec::new();
        let mut params = Vec::new();
        let mut declared: Vec<Ty> = def.params.iter().map(|p| p.ty).collect();
        if let (true, Some(owner)) = (def.is_method, def.owner) {
            let this = self.self_type(owner);
            declared.insert(0, this);
        }
        for (&value, &sig) in values.iter().zip(&declared) {
            if let &TyKind::Class(named) = self.types.kind(sig) {
                let named = self.types.substitute(named, &def.type_params, type_args);
                let named = self.type_id(named);
                self.read.push(named);
                continue;
            }
            if matches!(self.types.kind(sig), TyKind::Param(_)) {
                if value.regs.slice().is_empty() && !self.is_boxed(value.ty) {
                    return self.absent(ty);
                }
                params.push(self.element_type(value.ty));
                args.push(self.boxed(value));
            } else {
                let concrete = self.types.substitute(sig, &def.type_params, type_args);
                params.extend(self.regs_of(concrete));
                args.extend(value.regs.slice());
            }
        }
        let ret = self.native_result(def.ret, &def.type_params, type_args);
        let type_ids: Vec<TypeId> = type_args.iter().map(|&t| self.type_id(t)).collect();
        let native = self.native_id(&name, type_ids, params, ret.regs.clone());
        let results: Vec<Reg> = ret.regs.iter().map(|&reg| self.b.take(reg)).collect();
        self.b.emit(Instr::CallNative { native, args: args.into(), results: results.clone().into() });
        self.native_value(ret, &results)
    }

    /// How a native gives its result: values of a type parameter as elements.
    fn native_result(&mut self, sig: Ty, params: &[crate::defs::TypeParamId], args: &[Ty]) -> NativeResult {
        let ty = self.types.substitute(sig, params, args);
        let is_param = |types: &crate::types::Types, t: Ty| matches!(types.kind(t), TyKind::Param(_));
        if is_param(self.types, sig) {
            return NativeResult { ty, form: Form::Element, regs: vec![self.element_type(ty)] };
        }
        if let Some(inner) = self.types.nullable_inner(sig)
            && is_param(self.types, inner)
        {
            let element = self.types.substitute(inner, params, args);
            let regs = match self.element_type(element) {
                RegType::Ref(r) => vec![RegType::Ref(RefType { nullable: true, ..r })],
                scalar => vec![RegType::Scalar(ScalarKind::Bool), scalar],
            };
            return NativeResult { ty, form: Form::NullableElement(element), regs };
        }
        let regs = self.regs_of(ty);
        NativeResult { ty, form: Form::Plain, regs }
    }

    fn native_value(&mut self, ret: NativeResult, results: &[Reg]) -> Val {
        match ret.form {
            Form::Plain => Val { ty: ret.ty, regs: Regs::new(results) },
            Form::Element => self.unboxed(results[0], ret.ty),
            Form::NullableElement(element) if self.is_boxed(element) => {
                // A box that may be missing: a `T?` of an element that is itself held in several registers.
                let regs = self.take(ret.ty);
                let (missing, done) = (self.b.mark(), self.b.mark());
                let Reg::R(a) = results[0] else { return self.absent(ret.ty) };
                let to = self.b.to(missing);
                self.b.emit(Instr::IfNull { a, to });
                let id = self.type_id(element);
                let object = self.reference(id, false);
                self.b.emit(Instr::Unwrap { src: a, dst: object });
                let value = self.unboxed(Reg::R(object), element);
                let value = self.convert(value, ret.ty);
                self.copy(value.regs, regs);
                self.b.jump(done);
                self.b.place(missing);
                let types: Vec<RegType> = self.regs_of(ret.ty);
                for (ty, &reg) in types.into_iter().zip(regs.slice()) {
                    let zero = self.zero(ty);
                    self.b.copy(zero, reg);
                }
                self.b.jump(done);
                self.b.place(done);
                Val { ty: ret.ty, regs }
            }
            Form::NullableElement(_) => Val { ty: ret.ty, regs: Regs::new(results) },
        }
    }

    /// The operations of lists that are instructions.
    fn list_instruction(&mut self, name: &str, type_args: &[Ty], values: &[Val]) -> Option<Val> {
        match name {
            "List.size" => {
                let dst = self.scalar(ScalarKind::Int);
                self.b.emit(Instr::ListSize { list: values[0].regs.r(), dst });
                Some(Val { ty: Ty::INT, regs: Regs::new(&[Reg::S(dst)]) })
            }
            "List.add" => {
                let value = self.convert(values[1], type_args[0]);
                self.list_add(values[0].regs.r(), value);
                Some(self.void())
            }
            _ => None,
        }
    }

    /// An empty collection.
    pub(super) fn new_native(&mut self, name: &str, ty: Ty, type_args: &[Ty]) -> Val {
        let id = self.type_id(ty);
        let regs = self.take(ty);
        if name == "List.new" {
            self.b.emit(Instr::ListNew { ty: id, capacity: 0, dst: regs.r() });
            return Val { ty, regs };
        }
        let type_ids: Vec<TypeId> = type_args.iter().map(|&t| self.type_id(t)).collect();
        let results = self.regs_of(ty);
        let native = self.native_id(name, type_ids, Vec::new(), results);
        self.b.emit(Instr::CallNative { native, args: Box::new([]), results: regs.slice().into() });
        Val { ty, regs }
    }

    /// Calls a method by name on values that fit it: for what the language itself does with a type of std.
    pub(super) fn method_of(&mut self, def: TypeDefId, name: &str, type_args: &[Ty], values: &[Val]) -> Val {
        let defs = self.defs;
        let method = self.interner.get(name).and_then(|s| defs.types[def.index()].methods.get(&s).copied());
        let Some(id) = method else { unreachable!("std declares {name}") };
        let sig = &defs.fns[id.index()];
        let ret = self.types.substitute(sig.ret, &sig.type_params, type_args);
        let mut all = vec![values[0]];
        for (&value, param) in values[1..].iter().zip(&sig.params) {
            let wanted = self.types.substitute(param.ty, &sig.type_params, type_args);
            all.push(self.convert(value, wanted));
        }
        if sig.is_native {
            return self.call_native(id, type_args, &all, ret);
        }
        let function = self.instance(id, type_args.to_vec(), sig.span);
        self.emit_call(function, &all, ret)
    }

    /// Calls a function of a type of std by name.
    fn static_of(&mut self, def: TypeDefId, name: &str, values: &[Val]) -> Val {
        let defs = self.defs;
        let found = self.interner.get(name).and_then(|s| defs.types[def.index()].methods.get(&s).copied());
        let Some(id) = found else { unreachable!("std declares {name}") };
        let ret = defs.fns[id.index()].ret;
        if defs.fns[id.index()].is_native {
            return self.call_native(id, &[], values, ret);
        }
        let function = self.instance(id, Vec::new(), defs.fns[id.index()].span);
        self.emit_call(function, values, ret)
    }

    /// Calls a function of std by name.
    pub(super) fn call_std(&mut self, name: &str, values: &[Val]) -> Val {
        let defs = self.defs;
        let symbol = self.interner.get(name);
        let found = defs.modules.iter().filter(|m| m.is_std).find_map(|m| match m.names.get(&symbol?) {
            Some(crate::defs::Def::Fn(id)) => Some(*id),
            _ => None,
        });
        let Some(id) = found else { unreachable!("std declares {name}") };
        let ret = defs.fns[id.index()].ret;
        let function = self.instance(id, Vec::new(), defs.fns[id.index()].span);
        self.emit_call(function, values, ret)
    }

    // ---- built-ins ----

    fn call_intrinsic(
        &mut self,
        expr: &'a Expr,
        intrinsic: Intrinsic,
        id: FnId,
        args: &'a [Arg],
        ty: Ty,
    ) -> Val {
        match intrinsic {
            Intrinsic::Print => {
                let value = self.expr(&args[0].value);
                let text = self.text(value);
                self.at(expr.span);
                self.plain_native("print", &[text], Ty::VOID)
            }
            Intrinsic::IsError => {
                let value = self.whole(&args[0].value);
                self.at(expr.span);
                self.is_error(value)
            }
            Intrinsic::Ignore => {
                self.whole(&args[0].value);
                self.void()
            }
            Intrinsic::IntOrDouble => {
                let suffix = if ty == Ty::DOUBLE { "Double" } else { "Int" };
                let name = format!("{}{suffix}", self.interner.name(self.defs.fns[id.index()].name));
                let mut values = Vec::new();
                for (index, arg) in args.iter().enumerate() {
                    let value = self.expr_as(&arg.value, ty);
                    let later: Vec<&'a Expr> = args[index + 1..].iter().map(|a| &a.value).collect();
                    values.push(self.guard(value, &later));
                }
                self.at(expr.span);
                match self.defs.fns[id.index()].owner {
                    Some(owner) => self.static_of(owner, &name, &values),
                    None => self.absent(ty),
                }
            }
            Intrinsic::NewCommand | Intrinsic::Script => self.new_command(expr, id, args, ty),
            Intrinsic::Format => self.format(expr, id, args, ty),
            Intrinsic::Run => self.run_call(expr, args),
        }
    }

    /// A local as it is declared, not as the flow has narrowed it.
    fn whole(&mut self, expr: &'a Expr) -> Val {
        let mut plain = expr;
        while let ExprKind::Paren(inner) = &plain.kind {
            plain = inner;
        }
        let facts = &self.facts[self.cx.module.index()];
        if let Res::Local(node) = facts.res(plain.id)
            && matches!(plain.kind, ExprKind::Name(_))
            && let Some(&ty) = facts.locals.get(&node)
            && let Some(&regs) = self.cx.locals.get(&node)
        {
            let ty = self.subst(ty);
            if self.types.fallible_inner(ty).is_some() {
                return Val { ty, regs };
            }
        }
        self.expr(expr)
    }

    fn is_error(&mut self, value: Val) -> Val {
        if self.types.fallible_inner(value.ty).is_some() {
            let Reg::R(a) = value.regs.last() else { return self.absent(Ty::BOOL) };
            let (none, dst) = (self.scalar(ScalarKind::Bool), self.scalar(ScalarKind::Bool));
            self.b.emit(Instr::IsNull { a, dst: none });
            self.b.emit(Instr::NotBool { a: none, dst });
            return Val { ty: Ty::BOOL, regs: Regs::new(&[Reg::S(dst)]) };
        }
        match self.defs.known.subprocess {
            Some(def) if !value.regs.slice().is_empty() => self.method_of(def, "isError", &[], &[value]),
            _ => self.absent(Ty::BOOL),
        }
    }

    /// A native without type parameters.
    pub(super) fn plain_native(&mut self, name: &str, values: &[Val], ret: Ty) -> Val {
        let params: Vec<RegType> = values.iter().flat_map(|v| self.regs_of(v.ty)).collect();
        let results = self.regs_of(ret);
        let native = self.native_id(name, Vec::new(), params, results);
        let args: Vec<Reg> = values.iter().flat_map(|v| v.regs.slice().to_vec()).collect();
        let regs = self.take(ret);
        self.b.emit(Instr::CallNative { native, args: args.into(), results: regs.slice().into() });
        Val { ty: ret, regs }
    }

    /// A text of pieces, each made by a native.
    fn format(&mut self, expr: &'a Expr, id: FnId, args: &'a [Arg], ty: Ty) -> Val {
        let (Some(owner), Some((pattern, rest))) = (self.defs.fns[id.index()].owner, args.split_first())
        else {
            return self.absent(ty);
        };
        let pieces = self.constant_text(&pattern.value).and_then(|text| format::parse(&text).ok());
        let mut values = Vec::new();
        for (index, arg) in rest.iter().enumerate() {
            let value = self.expr(&arg.value);
            let later: Vec<&'a Expr> = rest[index + 1..].iter().map(|a| &a.value).collect();
            values.push(self.guard(value, &later));
        }
        let mut parts = Vec::new();
        for piece in pieces.into_iter().flatten() {
            let text = match piece {
                Piece::Text(text) => self.string_const(&text),
                Piece::Value(spec) => {
                    let Some(&value) = values.get(spec.arg) else { return self.absent(ty) };
                    self.at(rest[spec.arg].value.span);
                    self.format_piece(owner, &spec, value)
                }
            };
            parts.push(text.regs.slice()[0]);
        }
        self.at(expr.span);
        if parts.is_empty() { self.string_const("") } else { self.concat(parts) }
    }

    fn format_piece(&mut self, owner: TypeDefId, spec: &Spec, value: Val) -> Val {
        let int = |lowerer: &mut Self, value: i64| {
            let dst = lowerer.int_const(value);
            Val { ty: Ty::INT, regs: Regs::new(&[Reg::S(dst)]) }
        };
        let letter = self.string_const(&spec.letter_and_flags);
        let width = int(self, spec.width as i64);
        match spec.takes {
            Takes::Int => self.static_of(owner, "formatInt", &[value, letter, width]),
            Takes::Number => {
                let value = self.convert(value, Ty::DOUBLE);
                let decimals = int(self, spec.precision.unwrap_or(6) as i64);
                self.static_of(owner, "formatDouble", &[value, letter, width, decimals])
            }
            Takes::Char | Takes::Bool | Takes::Text => {
                let text = match spec.takes {
                    Takes::Char => self.static_of(owner, "fromCodePoint", &[value]),
                    _ => self.text(value),
                };
                let most = int(self, spec.precision.map_or(-1, |most| most as i64));
                self.static_of(owner, "formatText", &[text, letter, width, most])
            }
        }
    }

    fn new_command(&mut self, expr: &'a Expr, id: FnId, args: &'a [Arg], ty: Ty) -> Val {
        let defs = self.defs;
        let Some(list) = defs.known.list else { return self.absent(ty) };
        let string = self.string_ty();
        let list_ty = self.types.nominal(list, &[string]);
        let later: Vec<&'a Expr> = args[1..].iter().map(|a| &a.value).collect();
        let script = self.script(&args[0].value);
        let program = match script {
            Some(script) => self.string_const(&script.name),
            None => self.expr_as(&args[0].value, string),
        };
        let program = self.guard(program, &later);
        let type_id = self.type_id(list_ty);
        let all = self.take(list_ty);
        self.b.emit(Instr::ListNew { ty: type_id, capacity: later.len() as i64, dst: all.r() });
        for arg in later {
            let value = self.expr(arg);
            self.at(arg.span);
            if value.ty == list_ty {
                let both = [Val { ty: list_ty, regs: all }, value];
                self.method_of(list, "addAll", &[string], &both);
            } else {
                let text = self.text(value);
                self.list_add(all.r(), text);
            }
        }
        self.at(expr.span);
        let params = vec![(string, ArgSource::Given(0)), (list_ty, ArgSource::Default)];
        let fact = CallFact { target: Target::Fn(id), type_args: Vec::new(), params };
        match script {
            Some(script) => {
                self.embed(script);
                self.left_out([(script.capability().to_string().as_str(), false)], expr.span);
            }
            None => self.needs(id, &fact, args, expr.span),
        }
        let function = self.instance(id, Vec::new(), expr.span);
        self.emit_call(function, &[program, Val { ty: list_ty, regs: all }], ty)
    }

    /// The script that an expression names, where it is the name of one.
    pub(super) fn script(&self, expr: &Expr) -> Option<&'c Script> {
        let row = self.facts[self.cx.module.index()].scripts.get(&expr.id)?;
        self.scripts.get(*row)
    }

    /// Puts a script into the image, and its capability.
    fn embed(&mut self, script: &Script) {
        if !self.image.scripts.iter().any(|known| known.name == script.name) {
            self.image.scripts.push(script.clone());
        }
        if self.cx.needs.is_none() {
            self.capabilities.insert(script.capability().to_string());
        }
    }
}

/// A native's result registers and what they mean.
struct NativeResult {
    ty: Ty,
    form: Form,
    regs: Vec<RegType>,
}

enum Form {
    Plain,
    /// A value of a type parameter.
    Element,
    /// `T?` of a type parameter.
    NullableElement(Ty),
}
