//! Names, members, receivers and indices.

use super::members::all_supers;
use super::{Checker, field_node};
use crate::defs::{ConstId, Def, FnId, TypeDefId};
use crate::facts::Res;
use crate::names::{Found, lookup, suggest};
use crate::types::Ty;
use dscript_grammar::ast::{self, Arg, Expr, ExprKind};
use dscript_grammar::codes;
use dscript_grammar::span::{NodeId, Span, Symbol};

/// Up to so many constants of an enum a message names.
const CONSTANTS_NAMED_MAX: usize = 8;

impl<'a> Checker<'a, '_> {
    pub(super) fn name(&mut self, expr: &'a Expr, name: Symbol, expected: Option<Ty>) -> Ty {
        let span = expr.span;
        if let Some(index) = self.local_index(name) {
            return self.local_value(expr.id, index, span);
        }
        if let Some(ty) = self.own_member(expr, name, expected) {
            return ty;
        }
        let text = self.text(name);
        match self.lookup(name, span) {
            None => Ty::POISON,
            Some(Def::Const(id)) => {
                self.facts().res[expr.id.0 as usize] = Res::Const(id);
                self.defs.consts[id.index()].ty
            }
            Some(Def::Fn(id)) => self.function_value(expr, span, id, expected),
            Some(Def::Type(_)) => {
                self.error(codes::NOT_A_VALUE, span, format!("`{text}` is a type, not a value"))
            }
            Some(Def::Task(_)) => {
                self.error(codes::NOT_A_VALUE, span, format!("`{text}` is a task, not a value"))
            }
            Some(Def::Scenario(_)) => {
                self.error(codes::NOT_A_VALUE, span, format!("`{text}` is a scenario, not a value"))
            }
        }
    }

    /// A function without an object as a value; what is expected finds the type arguments of a generic one.
    fn function_value(&mut self, expr: &Expr, span: Span, id: FnId, expected: Option<Ty>) -> Ty {
        let def = &self.defs.fns[id.index()];
        if def.intrinsic.is_some() || def.is_method {
            let message = format!("`{}` cannot be a value: call it, or write a lambda", self.text(def.name));
            return self.error(codes::NOT_A_VALUE, span, message);
        }
        if def.is_lowlevel {
            self.effect(span, id);
        }
        self.facts().res[expr.id.0 as usize] = Res::Fn(id);
        let params: Vec<Ty> = def.params.iter().map(|p| p.ty).collect();
        let ty = self.types.function(&params, def.ret);
        if def.type_params.is_empty() {
            return ty;
        }
        let type_args: Vec<Ty> = def.type_params.iter().map(|_| self.types.fresh()).collect();
        let ty = self.types.substitute(ty, &def.type_params, &type_args);
        if let Some(expected) = expected {
            self.unify_function(ty, expected);
        }
        self.await_call(span, id, &type_args);
        self.facts().fn_values.insert(expr.id, type_args);
        self.types.resolve(ty)
    }

    pub(super) fn local_value(&mut self, node: NodeId, index: usize, span: Span) -> Ty {
        let local = &mut self.cx.locals[index];
        local.read = true;
        local.handling.looks += 1;
        self.cx.reads += 1;
        local.read_at = self.cx.reads;
        let (declaration, ty, depth, name) = (local.node, local.ty, local.depth, local.name);
        if self.cx.flow.is_unassigned(declaration) {
            let declared = self.cx.locals[index].span;
            let report = self
                .diagnostic(codes::UNASSIGNED, span, format!("`{}` may have no value here", self.text(name)))
                .label(declared, "declared here without a value");
            self.diagnostics.push(report);
            self.cx.flow.assign(declaration);
        }
        if (depth as usize) < self.cx.lambdas.len() {
            for frame in &mut self.cx.lambdas[depth as usize..] {
                if !frame.captures.contains(&declaration) {
                    frame.captures.push(declaration);
                }
            }
            self.cx.captured.push((declaration, span));
        }
        self.look_at(declaration);
        self.facts().res[node.0 as usize] = Res::Local(declaration);
        self.cx.flow.narrowed(declaration).unwrap_or(ty)
    }

    /// A bare name that is a member of the type around it.
    pub(super) fn own_member(&mut self, expr: &Expr, name: Symbol, expected: Option<Ty>) -> Option<Ty> {
        let owner = self.cx.owner?;
        let def = &self.defs.types[owner.index()];
        if let Some(this) = self.cx.this
            && let Some(index) = def.fields.iter().position(|f| f.name == name)
        {
            if self.cx.in_constructor && !self.cx.lambdas.is_empty() {
                return Some(self.field_too_early(expr.span));
            }
            self.capture_this();
            return Some(self.own_field(expr, this, owner, index));
        }
        if let Some(id) = self.type_const(owner, name) {
            self.facts().res[expr.id.0 as usize] = Res::Const(id);
            return Some(self.defs.consts[id.index()].ty);
        }
        if let Some(&place) = def.constant_places.get(&name) {
            self.facts().res[expr.id.0 as usize] = Res::EnumConst(owner, place);
            return Some(self.types.nominal(owner, &[]));
        }
        let &method = def.methods.get(&name)?;
        Some(self.function_value(expr, expr.span, method, expected))
    }

    /// A constant of a type: its own, else one that it inherits from an interface.
    fn type_const(&mut self, def: TypeDefId, name: Symbol) -> Option<ConstId> {
        if let Some(&id) = self.defs.types[def.index()].consts.get(&name) {
            return Some(id);
        }
        let own = self.self_type(def);
        all_supers(self.types, self.defs, own).into_iter().find_map(|parent| {
            let (def, _) = self.types.nominal_parts(parent)?;
            self.defs.types[def.index()].consts.get(&name).copied()
        })
    }

    pub(super) fn capture_this(&mut self) {
        for frame in &mut self.cx.lambdas {
            frame.captures_this = true;
        }
    }

    pub(super) fn this(&mut self, span: Span) -> Ty {
        match self.cx.this {
            Some(_) if self.cx.in_constructor => self.error(
                codes::CONSTRUCTOR,
                span,
                "`this` is not whole before the constructor ends: only its fields may be used",
            ),
            Some(ty) => {
                self.capture_this();
                ty
            }
            None => self.error(codes::NOT_A_VALUE, span, "there is no `this` here"),
        }
    }

    /// The type whose static members `receiver` names.
    pub(super) fn type_receiver(&mut self, receiver: &Expr) -> Option<TypeDefId> {
        let ExprKind::Name(name) = receiver.kind else { return None };
        if self.local_index(name).is_some() {
            return None;
        }
        if let Some(owner) = self.cx.owner
            && self.cx.this.is_some()
            && self.defs.types[owner.index()].fields.iter().any(|f| f.name == name)
        {
            return None;
        }
        match lookup(self.defs, self.cx.module, name) {
            Found::One(Def::Type(id)) => {
                self.facts().res[receiver.id.0 as usize] = Res::Type(id);
                Some(id)
            }
            _ => None,
        }
    }

    pub(super) fn field(
        &mut self,
        expr: &'a Expr,
        receiver: &'a Expr,
        name: ast::Ident,
        expected: Option<Ty>,
    ) -> Ty {
        if let Some(def) = self.type_receiver(receiver) {
            return self.static_field(expr, def, name, expected);
        }
        if matches!(receiver.kind, ExprKind::This)
            && self.cx.in_constructor
            && let (Some(this), Some(owner)) = (self.cx.this, self.cx.owner)
        {
            let fields = &self.defs.types[owner.index()].fields;
            if let Some(index) = fields.iter().position(|f| f.name == name.name) {
                if !self.cx.lambdas.is_empty() {
                    return self.field_too_early(expr.span);
                }
                return self.own_field(expr, this, owner, index);
            }
        }
        let ty = match self.cx.owner.filter(|_| self.cx.in_constructor) {
            // Of `this` one says that it has no such field.
            Some(owner)
                if matches!(receiver.kind, ExprKind::This)
                    && !self.defs.types[owner.index()].methods.contains_key(&name.name) =>
            {
                self.cx.this.unwrap_or(Ty::POISON)
            }
            _ => self.receiver(receiver, name.name),
        };
        let Some((def, _)) = self.types.nominal_parts(ty) else {
            if !matches!(ty, Ty::POISON | Ty::NEVER) {
                let shown = self.show(ty);
                let message = format!("a `{shown}` has no field `{}`", self.text(name.name));
                self.error(codes::UNKNOWN_MEMBER, name.span, message);
            }
            self.offer_static(receiver, name, None);
            return Ty::POISON;
        };
        let fields = &self.defs.types[def.index()].fields;
        match fields.iter().position(|f| f.name == name.name) {
            Some(index) => {
                let sig = &fields[index];
                if sig.is_private && self.defs.types[def.index()].module != self.cx.module {
                    let message = format!("the field `{}` is private to its module", self.text(name.name));
                    let file = self.file_of(self.defs.types[def.index()].module);
                    let mut report = self.diagnostic(codes::PRIVATE, name.span, message);
                    let method = self.defs.types[def.index()].methods.get(&name.name);
                    if method.is_some_and(|m| !self.defs.fns[m.index()].is_private) {
                        let end = Span::new(name.span.end, name.span.end);
                        report = report.help("the method of this name gives it: call it").edit(end, "()");
                    }
                    self.diagnostics.push(report.label_in(file, sig.span, "declared here"));
                }
                self.field_of(expr, ty, def, index)
            }
            None => self.unknown_member(def, ty, name, None),
        }
    }

    /// What a lambda would see of an object that is still under construction.
    pub(super) fn field_too_early(&mut self, span: Span) -> Ty {
        let message = "a lambda cannot use fields before the constructor ends: `this` is not whole yet";
        self.error(codes::CONSTRUCTOR, span, message)
    }

    /// A field of `this`: in a constructor it must have got its value.
    fn own_field(&mut self, expr: &Expr, this: Ty, def: TypeDefId, index: usize) -> Ty {
        if self.cx.in_constructor && self.cx.flow.is_unassigned(field_node(index as u32)) {
            let name = self.text(self.defs.types[def.index()].fields[index].name);
            self.error(codes::UNASSIGNED, expr.span, format!("the field `{name}` has no value here yet"));
        }
        self.field_of(expr, this, def, index)
    }

    pub(super) fn field_of(&mut self, expr: &Expr, object: Ty, def: TypeDefId, index: usize) -> Ty {
        let sig = &self.defs.types[def.index()].fields[index];
        self.facts().res[expr.id.0 as usize] = Res::Field(index as u32);
        let args = self.types.nominal_parts(object).map(|(_, args)| args.to_vec()).unwrap_or_default();
        let params = self.defs.types[def.index()].type_params.clone();
        self.types.substitute(sig.ty, &params, &args)
    }

    fn static_field(&mut self, expr: &Expr, def: TypeDefId, name: ast::Ident, expected: Option<Ty>) -> Ty {
        let decl = &self.defs.types[def.index()];
        if let Some(&place) = decl.constant_places.get(&name.name) {
            self.facts().res[expr.id.0 as usize] = Res::EnumConst(def, place);
            return self.types.nominal(def, &[]);
        }
        if let Some(id) = self.type_const(def, name.name) {
            let sig = &self.defs.consts[id.index()];
            if sig.is_private && sig.module != self.cx.module {
                let message = format!("the constant `{}` is private to its module", self.text(name.name));
                let report = self.diagnostic(codes::PRIVATE, name.span, message);
                self.diagnostics.push(report.label_in(self.file_of(sig.module), sig.span, "declared here"));
            }
            self.facts().res[expr.id.0 as usize] = Res::Const(id);
            return sig.ty;
        }
        let wants_function = expected.is_some_and(|ty| self.expected_function(ty).is_some());
        if let Some(&id) = decl.methods.get(&name.name)
            && wants_function
            && !self.defs.fns[id.index()].is_method
        {
            return self.function_value(expr, name.span, id, expected);
        }
        if self.is_lost_member(def, name.name) {
            return Ty::POISON;
        }
        let candidates = decl.constants.iter().map(|c| c.0).chain(decl.consts.keys().copied());
        let near = suggest(self.text(name.name), candidates.map(|s| self.interner.name(s)));
        let message = format!("`{}` has no constant `{}`", self.text(decl.name), self.text(name.name));
        let mut report = self.diagnostic(codes::UNKNOWN_MEMBER, name.span, message);
        if decl.methods.contains_key(&name.name) {
            report = report.help("it is a function: call it with `()`");
        } else if let Some((better, help)) = self.static_of_java(def, self.text(name.name)) {
            report = self.renamed(report.help(help), def, name.span, better, None);
        } else if let Some(near) = near {
            report = report.help(format!("did you mean `{near}`?")).edit(name.span, near);
        } else if !decl.constants.is_empty() && decl.constants.len() <= CONSTANTS_NAMED_MAX {
            let names: Vec<_> = decl.constants.iter().map(|c| format!("`{}`", self.text(c.0))).collect();
            report = report.help(format!("its constants are {}", names.join(", ")));
        }
        self.diagnostics.push(report);
        Ty::POISON
    }

    /// Whether a mistake in its type keeps a member from being known.
    pub(super) fn is_lost_member(&self, def: TypeDefId, name: Symbol) -> bool {
        let decl = &self.defs.types[def.index()];
        decl.lost.contains(&name) || self.defs.modules[decl.module.index()].is_lost(name, true)
    }

    pub(super) fn unknown_member(
        &mut self,
        def: TypeDefId,
        ty: Ty,
        name: ast::Ident,
        call: Option<(Span, Option<&[Arg]>)>,
    ) -> Ty {
        if self.is_half_known(ty) || self.is_lost_member(def, name.name) {
            return Ty::POISON;
        }
        let shown = self.show(ty);
        let decl = &self.defs.types[def.index()];
        let text = self.text(name.name);
        let what = if call.is_some() { "method" } else { "field" };
        let mut report =
            self.diagnostic(codes::UNKNOWN_MEMBER, name.span, format!("a `{shown}` has no {what} `{text}`"));
        if call.is_none() && decl.methods.contains_key(&name.name) {
            report = report
                .help("it is a method: call it with `()`")
                .edit(Span::new(name.span.end, name.span.end), "()");
        } else if let Some((args, _)) = call.filter(|_| decl.fields.iter().any(|f| f.name == name.name)) {
            report = report.help(format!("it is a field: write `.{text}` without parentheses"));
            if self.written(args).strip_prefix('(').is_some_and(|rest| rest.trim() == ")") {
                report = report.edit(args, "");
            }
        } else if let Some((better, help)) = self.member_of_java(def, text, call.is_some()) {
            report = report.help(help);
            report = match call {
                Some((_, args)) => self.renamed(report, def, name.span, better, args),
                None if better.is_empty() => report,
                None => report.edit(name.span, format!("{better}()")),
            };
        } else {
            let members = decl.fields.iter().map(|f| f.name).chain(decl.methods.keys().copied());
            if let Some(near) = suggest(text, members.map(|s| self.interner.name(s))) {
                report = report.help(format!("did you mean `{near}`?")).edit(name.span, near);
            }
        }
        self.diagnostics.push(report);
        Ty::POISON
    }

    /// The value before a `.`: it must be there.
    pub(super) fn receiver(&mut self, receiver: &'a Expr, member: Symbol) -> Ty {
        let ty = self.expr(receiver, None);
        let ty = self.types.resolve(ty);
        let text = self.text(member);
        if self.types.fallible_inner(ty).is_some() {
            let shown = self.show(ty);
            let report = self
                .diagnostic(
                    codes::USED_AS_VALUE,
                    receiver.span,
                    format!("this is a `{shown}`: it may be an error"),
                )
                .help(match self.copy_of_field(receiver) {
                    Some(copy) => format!("before `.{text}`, `try` or `??`, or {copy} and test that"),
                    None => format!("handle the failure before `.{text}`: `try`, `isError` or `??`"),
                });
            let report = self.with_try_inside(report, receiver);
            self.diagnostics.push(report);
            // A `try` around it asks whether what follows can fail too.
            let inner = self.types.fallible_inner(ty).filter(|_| self.cx.in_try);
            return inner.unwrap_or(Ty::POISON);
        }
        if self.types.nullable_inner(ty).is_some() || ty == Ty::NULL {
            let shown = self.show(ty);
            let report = self
                .diagnostic(codes::NULLABLE, receiver.span, format!("this is a `{shown}`: it may be null"))
                .help(match self.copy_of_field(receiver) {
                    Some(copy) => format!("{copy} and test that before `.{text}`, or replace null with `??`"),
                    None => format!("test it with `!= null` before `.{text}`, or replace null with `??`"),
                });
            self.diagnostics.push(report);
            return Ty::POISON;
        }
        ty
    }

    pub(super) fn index(&mut self, receiver: &'a Expr, index: &'a Expr) -> Ty {
        let ty = self.expr(receiver, None);
        let ty = self.types.resolve(ty);
        let parts = self.types.nominal_parts(ty).map(|(def, args)| (def, args.to_vec()));
        match parts {
            Some((def, args)) if Some(def) == self.defs.known.list => {
                self.expr_to(index, Ty::INT);
                args[0]
            }
            Some((def, args)) if Some(def) == self.defs.known.map => {
                self.expr_to(index, args[0]);
                self.types.nullable(args[1])
            }
            _ => {
                self.expr(index, None);
                if ty == Ty::POISON {
                    return ty;
                }
                let shown = self.show(ty);
                let mut report = self.diagnostic(
                    codes::NOT_INDEXABLE,
                    receiver.span,
                    format!("a `{shown}` cannot be indexed"),
                );
                if self.is_string(ty) {
                    report = report.help("a character is `s.charAt(i)`");
                } else if self.types.nullable_inner(ty).is_some() {
                    report.code = codes::NULLABLE;
                    report = report.help("it may be null: test it with `!= null` first");
                } else if self.types.fallible_inner(ty).is_some() {
                    report.code = codes::USED_AS_VALUE;
                    report = report.help("it may be an error: `try`, `isError` or `??` first");
                    report = self.with_try_inside(report, receiver);
                }
                self.diagnostics.push(report);
                Ty::POISON
            }
        }
    }
}
