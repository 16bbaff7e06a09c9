//! Calls: what is called, and which argument is which parameter.

use super::Checker;
use super::expr::count;
use super::members::find_method;
use super::stmt::strip;
use crate::defs::{Def, FnId, TypeDefId, TypeKind};
use crate::facts::{ArgSource, CallFact, EnumMember, Target};
use crate::names::{Found, lookup, suggest};
use crate::types::{Ty, TyKind};
use dscript_grammar::ast::{self, Arg, Expr, ExprKind};
use dscript_grammar::codes;
use dscript_grammar::span::{Span, Symbol};

/// Methods that count as a look at a Subprocess.
const LOOKS: [&str; 4] = ["wait", "waitFor", "error", "isError"];

impl<'a, 'c> Checker<'a, 'c> {
    pub(super) fn call(
        &mut self,
        expr: &'a Expr,
        callee: &'a Expr,
        args: &'a [Arg],
        expected: Option<Ty>,
    ) -> Ty {
        match &callee.kind {
            ExprKind::Name(name) => self.call_name(expr, callee, *name, args, expected),
            ExprKind::Field { receiver, name } => {
                self.call_member(expr, callee, receiver, *name, args, expected)
            }
            _ => {
                let ty = self.expr(callee, None);
                self.call_value(expr, callee.span, ty, args)
            }
        }
    }

    fn call_name(
        &mut self,
        expr: &'a Expr,
        callee: &'a Expr,
        name: Symbol,
        args: &'a [Arg],
        expected: Option<Ty>,
    ) -> Ty {
        // As in Java, a variable does not hide a function of its name: unless it holds one itself.
        if let Some(index) = self.local_index(name) {
            let ty = self.cx.locals[index].ty;
            if self.holds_function(ty) || !self.names_function(name) {
                let ty = self.expr(callee, None);
                return self.call_value(expr, callee.span, ty, args);
            }
        }
        if let Some(owner) = self.cx.owner {
            let decl = &self.defs.types[owner.index()];
            if let Some(&method) = decl.methods.get(&name) {
                return self.call_own(expr, callee, owner, method, args, expected);
            }
            if let Some(this) = self.cx.this
                && let Some((method, parent)) = find_method(self.types, self.defs, this, name)
                && !(self.defs.fns[method.index()].is_abstract() && self.is_enum_member(decl.kind, method))
            {
                let parent = self.types.nominal_parts(parent).map_or(owner, |(def, _)| def);
                return self.call_own(expr, callee, parent, method, args, expected);
            }
            let field = decl.fields.iter().find(|f| f.name == name).filter(|_| self.cx.this.is_some());
            let held = field.map(|f| f.ty).or(decl.consts.get(&name).map(|c| self.defs.consts[c.index()].ty));
            if let Some(held) = held
                && (self.holds_function(held) || !self.names_function(name))
            {
                let ty = self.expr(callee, None);
                return self.call_value(expr, callee.span, ty, args);
            }
        }
        let text = self.text(name);
        if let Some(owner) = self.cx.owner
            && self.defs.types[owner.index()].kind == TypeKind::Enum
        {
            let has_this = self.cx.this.is_some() && !self.cx.in_constructor;
            match text {
                "ordinal" if has_this => {
                    self.capture_this();
                    return self.call_enum(expr, EnumMember::Ordinal, owner, args, Ty::INT);
                }
                "name" if has_this => {
                    self.capture_this();
                    let string = self.string();
                    return self.call_enum(expr, EnumMember::Name, owner, args, string);
                }
                "values" | "parse" => return self.call_enum_static(expr, text, owner, args),
                _ => {}
            }
        }
        if let Some(ty) = self.own_built_in(expr, text, args) {
            return ty;
        }
        match self.lookup(name, callee.span) {
            Some(Def::Fn(id)) => self.call_fn(expr, callee.span, Target::Fn(id), id, &[], args, expected),
            Some(Def::Const(_)) => {
                let ty = self.expr(callee, None);
                self.call_value(expr, callee.span, ty, args)
            }
            Some(Def::Type(_)) => {
                let at = Span::new(callee.span.start, callee.span.start);
                let report = self
                    .diagnostic(codes::NOT_CALLABLE, callee.span, format!("`{text}` is a type"))
                    .help(format!("an object of it is made by `new {text}(...)`"))
                    .edit(at, "new ");
                self.diagnostics.push(report);
                self.poison_args(args)
            }
            Some(Def::Task(_)) => {
                let message = format!("`{text}` is a task: it cannot be called like a function");
                self.error(codes::NOT_CALLABLE, callee.span, message);
                self.poison_args(args)
            }
            Some(Def::Scenario(_)) => {
                let message = format!("`{text}` is a scenario: it cannot be called like a function");
                self.error(codes::NOT_CALLABLE, callee.span, message);
                self.poison_args(args)
            }
            None => self.poison_args(args),
        }
    }

    /// `toString()` where no method has that name.
    pub(super) fn call_text(&mut self, expr: &Expr) -> Ty {
        let fact = CallFact { target: Target::Text, type_args: Vec::new(), params: Vec::new() };
        self.facts().calls.insert(expr.id, fact);
        self.string()
    }

    /// Whether a value of the type is a function, or may be one.
    fn holds_function(&mut self, ty: Ty) -> bool {
        let ty = self.types.resolve(ty);
        ty == Ty::POISON
            || matches!(self.types.kind(ty), TyKind::Param(_))
            || self.expected_function(ty).is_some()
    }

    /// Whether a bare name is that of a method of the type around, or of a function of the module.
    fn names_function(&mut self, name: Symbol) -> bool {
        let owner = self.cx.owner.map(|owner| &self.defs.types[owner.index()]);
        owner.is_some_and(|decl| decl.methods.contains_key(&name))
            || self.cx.this.is_some_and(|this| find_method(self.types, self.defs, this, name).is_some())
            || matches!(lookup(self.defs, self.cx.module, name), Found::One(Def::Fn(_)))
    }

    /// Looks at the arguments of a call that cannot be made, for their own mistakes.
    pub(super) fn poison_args(&mut self, args: &'a [Arg]) -> Ty {
        for arg in args {
            self.expr(&arg.value, Some(Ty::POISON));
        }
        Ty::POISON
    }

    /// A bare call of a method of the type around it.
    fn call_own(
        &mut self,
        expr: &'a Expr,
        callee: &'a Expr,
        owner: TypeDefId,
        method: FnId,
        args: &'a [Arg],
        expected: Option<Ty>,
    ) -> Ty {
        let def = &self.defs.fns[method.index()];
        if !def.is_method {
            return self.call_fn(expr, callee.span, Target::Fn(method), method, &[], args, expected);
        }
        match self.cx.this {
            Some(this) if !self.cx.in_constructor => {
                self.capture_this();
                let owner_args = self.owner_args(owner, this);
                self.call_fn(expr, callee.span, Target::Method(method), method, &owner_args, args, expected)
            }
            Some(_) => {
                self.error(
                    codes::CONSTRUCTOR,
                    callee.span,
                    "a constructor cannot call methods: `this` is not whole yet",
                );
                self.poison_args(args)
            }
            None => {
                let message =
                    format!("the method `{}` needs an object, and there is none here", self.text(def.name));
                self.error(codes::NOT_CALLABLE, callee.span, message);
                self.poison_args(args)
            }
        }
    }

    fn owner_args(&mut self, owner: TypeDefId, this: Ty) -> Vec<Ty> {
        let seen = self.as_super(this, owner);
        seen.and_then(|ty| self.types.nominal_parts(ty)).map(|(_, args)| args.to_vec()).unwrap_or_default()
    }

    fn call_member(
        &mut self,
        expr: &'a Expr,
        callee: &'a Expr,
        receiver: &'a Expr,
        name: ast::Ident,
        args: &'a [Arg],
        expected: Option<Ty>,
    ) -> Ty {
        if let Some(def) = self.type_receiver(receiver) {
            return self.call_static(expr, callee, def, name, args, expected);
        }
        if self.written(callee.span) == "System.out.println" && self.is_unknown_static(receiver) {
            let message = "D-Script has no `System.out.println`";
            let report = self.diagnostic(codes::UNKNOWN_MEMBER, callee.span, message);
            self.diagnostics.push(report.help("write `print(...)`").edit(callee.span, "print"));
            return self.poison_args(args);
        }
        let pending = self.pending_local(receiver);
        let ty = self.receiver(receiver, name.name);
        if let Some((local, at)) = pending
            && !LOOKS.contains(&self.text(name.name))
        {
            self.keep_pending(local, at);
            self.cx.locals[local].handling.called = Some(name.name);
        }
        if matches!(ty, Ty::POISON | Ty::NEVER) {
            self.offer_static(receiver, name, Some(args));
            return self.poison_args(args);
        }
        if matches!(self.types.kind(ty), TyKind::Param(_)) {
            return match find_method(self.types, self.defs, ty, name.name) {
                Some((method, owner)) => {
                    let owner_args =
                        self.types.nominal_parts(owner).map(|(_, a)| a.to_vec()).unwrap_or_default();
                    self.call_fn(expr, name.span, Target::Method(method), method, &owner_args, args, expected)
                }
                None if self.is_half_known(ty) => self.poison_args(args),
                None => {
                    let shown = self.show(ty);
                    let message =
                        format!("nothing says that a `{shown}` has a method `{}`", self.text(name.name));
                    let report = self.diagnostic(codes::UNKNOWN_MEMBER, name.span, message);
                    self.diagnostics
                        .push(report.help(format!("give it a bound: `<{shown} extends SomeInterface>`")));
                    self.poison_args(args)
                }
            };
        }
        let Some((def, owner_args)) = self.member_type(ty) else {
            let shown = self.show(ty);
            let message = format!("a `{shown}` has no method `{}`", self.text(name.name));
            self.error(codes::UNKNOWN_MEMBER, name.span, message);
            return self.poison_args(args);
        };
        let decl = &self.defs.types[def.index()];
        let own = decl.methods.get(&name.name).map(|&method| (method, owner_args.clone()));
        let found = own.or_else(|| {
            let (method, owner) = find_method(self.types, self.defs, ty, name.name)?;
            if self.defs.fns[method.index()].is_abstract() && self.is_enum_member(decl.kind, method) {
                return None;
            }
            Some((method, self.types.nominal_parts(owner).map(|(_, a)| a.to_vec()).unwrap_or_default()))
        });
        if let Some((method, owner_args)) = found {
            let sig = &self.defs.fns[method.index()];
            if sig.is_private && sig.module != self.cx.module {
                let message = format!("the method `{}` is private to its module", self.text(name.name));
                let report = self.diagnostic(codes::PRIVATE, name.span, message);
                self.diagnostics.push(report.label_in(self.file_of(sig.module), sig.span, "declared here"));
            }
            if !sig.is_method {
                let owner = self.text(decl.name);
                let mut report = self
                    .diagnostic(
                        codes::NOT_CALLABLE,
                        name.span,
                        format!("`{}` belongs to the type", self.text(name.name)),
                    )
                    .help(format!("call it as `{owner}.{}(...)`", self.text(name.name)));
                let first = sig.params.first().map(|p| p.ty);
                let paren = self.written(Span::new(name.span.end, expr.span.end)).find('(');
                if let (Some(first), Some(paren)) = (first, paren)
                    && first == ty
                {
                    // What stands before the `.` was meant as the first argument.
                    let at = name.span.end + paren as u32 + 1;
                    let comma = if args.is_empty() { "" } else { ", " };
                    let moved = format!("{}{comma}", self.written(receiver.span));
                    report = report.edit(receiver.span, owner).edit(Span::new(at, at), moved);
                } else if matches!(receiver.kind, ExprKind::Name(_) | ExprKind::This) {
                    report = report.edit(receiver.span, owner);
                }
                self.diagnostics.push(report);
                return self.poison_args(args);
            }
            return self.call_fn(
                expr,
                name.span,
                Target::Method(method),
                method,
                &owner_args,
                args,
                expected,
            );
        }
        if let Some(field) = decl.fields.iter().find(|f| f.name == name.name) {
            let held = self.types.substitute(field.ty, &decl.type_params, &owner_args);
            if matches!(self.types.kind(held), TyKind::Function(..)) {
                let ty = self.expr(callee, None);
                return self.call_value(expr, callee.span, ty, args);
            }
        }
        if decl.kind == TypeKind::Record && self.text(name.name) == "with" {
            return self.call_with(expr, ty, args);
        }
        if self.text(name.name) == "toString"
            && args.is_empty()
            && super::ops::has_text(self.types, self.defs, ty)
        {
            return self.call_text(expr);
        }
        if decl.kind == TypeKind::Enum {
            let member = match self.text(name.name) {
                "ordinal" => Some((EnumMember::Ordinal, Ty::INT)),
                "name" => Some((EnumMember::Name, self.string())),
                _ => None,
            };
            if let Some((member, ret)) = member {
                return self.call_enum(expr, member, def, args, ret);
            }
        }
        let behind = Span::new(name.span.end, expr.span.end);
        self.unknown_member(def, ty, name, Some((behind, Some(args))));
        self.poison_args(args)
    }

    /// Whether an expression is a static member that its type does not have.
    fn is_unknown_static(&mut self, expr: &Expr) -> bool {
        let ExprKind::Field { receiver, name } = &expr.kind else { return false };
        let Some(def) = self.type_receiver(receiver) else { return false };
        !self.defs.types[def.index()].consts.contains_key(&name.name)
    }

    /// The local that an expression names, where it holds a Subprocess nobody has looked at, and where it got that.
    pub(super) fn pending_local(&self, expr: &Expr) -> Option<(usize, Span)> {
        let ExprKind::Name(name) = strip(expr).kind else { return None };
        let index = self.local_index(name)?;
        self.cx.flow.pending_at(self.cx.locals[index].node).map(|at| (index, at))
    }

    /// The last use of a local was no look at the Subprocess in it.
    pub(super) fn keep_pending(&mut self, index: usize, at: Span) {
        let local = &mut self.cx.locals[index];
        local.handling.looks = local.handling.looks.saturating_sub(1);
        self.cx.flow.set_pending(local.node, at);
    }

    /// The declaration that holds a type's methods, with its type arguments.
    fn member_type(&mut self, ty: Ty) -> Option<(TypeDefId, Vec<Ty>)> {
        if let Some(def) = self.defs.known.simple(ty) {
            return Some((def, Vec::new()));
        }
        self.types.nominal_parts(ty).map(|(def, args)| (def, args.to_vec()))
    }

    fn call_static(
        &mut self,
        expr: &'a Expr,
        callee: &'a Expr,
        def: TypeDefId,
        name: ast::Ident,
        args: &'a [Arg],
        expected: Option<Ty>,
    ) -> Ty {
        let decl = &self.defs.types[def.index()];
        let type_name = self.text(decl.name);
        match decl.methods.get(&name.name) {
            Some(&id) if !self.defs.fns[id.index()].is_method => {
                let sig = &self.defs.fns[id.index()];
                if sig.is_private && sig.module != self.cx.module {
                    let message = format!("`{}` is private to its module", self.text(name.name));
                    let report = self.diagnostic(codes::PRIVATE, name.span, message);
                    self.diagnostics.push(report.label_in(
                        self.file_of(sig.module),
                        sig.span,
                        "declared here",
                    ));
                }
                let ty = self.call_fn(expr, name.span, Target::Fn(id), id, &[], args, expected);
                if Some(def) == self.defs.known.list && self.text(name.name) == "filled" {
                    self.shared_fill(expr, args);
                }
                ty
            }
            None if decl.consts.contains_key(&name.name) => {
                let ty = self.expr(callee, None);
                self.call_value(expr, callee.span, ty, args)
            }
            Some(_) => {
                let message = format!("`{}` needs an object: `{type_name}` is a type", self.text(name.name));
                self.error(codes::NOT_CALLABLE, name.span, message);
                self.poison_args(args)
            }
            None if decl.kind == TypeKind::Enum && matches!(self.text(name.name), "values" | "parse") => {
                self.call_enum_static(expr, self.text(name.name), def, args)
            }
            None if self.is_lost_member(def, name.name) => self.poison_args(args),
            None => {
                let statics = decl.methods.iter().filter(|(_, id)| !self.defs.fns[id.index()].is_method);
                let near = suggest(self.text(name.name), statics.map(|(s, _)| self.interner.name(*s)));
                let message = format!("`{type_name}` has no function `{}`", self.text(name.name));
                let mut report = self.diagnostic(codes::UNKNOWN_MEMBER, name.span, message);
                if let Some((better, help)) = self.static_of_java(def, self.text(name.name)) {
                    report = self.renamed(report.help(help), def, name.span, better, Some(args));
                } else if decl.kind == TypeKind::Enum && self.text(name.name) == "valueOf" {
                    report = report
                        .help(format!("it is `{type_name}.parse(text)`, which gives a `{type_name}?`"))
                        .edit(name.span, "parse");
                } else if let Some(near) = near {
                    report = report.help(format!("did you mean `{near}`?")).edit(name.span, near);
                }
                self.diagnostics.push(report);
                self.poison_args(args)
            }
        }
    }

    /// `values()` or `parse(text)` of an enum.
    fn call_enum_static(&mut self, expr: &'a Expr, name: &str, def: TypeDefId, args: &'a [Arg]) -> Ty {
        let own = self.types.nominal(def, &[]);
        if name == "values" {
            let ret = self.defs.known.list.map_or(Ty::POISON, |list| self.types.nominal(list, &[own]));
            return self.call_enum(expr, EnumMember::Values, def, args, ret);
        }
        let ret = self.types.nullable(own);
        self.call_enum(expr, EnumMember::Parse, def, args, ret)
    }

    fn call_enum(
        &mut self,
        expr: &'a Expr,
        member: EnumMember,
        def: TypeDefId,
        args: &'a [Arg],
        ret: Ty,
    ) -> Ty {
        let wanted = usize::from(member == EnumMember::Parse);
        if args.len() != wanted {
            let takes = if wanted == 0 { "no arguments" } else { "1 argument" };
            self.error(codes::ARGUMENTS, expr.span, format!("this takes {takes}, not {}", args.len()));
            return self.poison_args(args);
        }
        let string = self.string();
        for arg in args {
            self.expr_to(&arg.value, string);
        }
        let params = (0..wanted).map(|i| (string, ArgSource::Given(i as u32))).collect();
        let fact = CallFact { target: Target::Enum(member, def), type_args: Vec::new(), params };
        self.facts().calls.insert(expr.id, fact);
        ret
    }

    /// A copy of a record with some components changed.
    pub(super) fn call_with(&mut self, expr: &'a Expr, ty: Ty, args: &'a [Arg]) -> Ty {
        let Some((def, type_args)) = self.types.nominal_parts(ty).map(|(d, a)| (d, a.to_vec())) else {
            return ty;
        };
        let decl = &self.defs.types[def.index()];
        let mut params: Vec<(Ty, ArgSource)> = Vec::new();
        for field in &decl.fields {
            let field_ty = self.types.substitute(field.ty, &decl.type_params, &type_args);
            params.push((field_ty, ArgSource::Default));
        }
        for (index, arg) in args.iter().enumerate() {
            let place = arg.name.and_then(|name| decl.fields.iter().position(|f| f.name == name.name));
            match place {
                Some(place) if params[place].1 == ArgSource::Default => {
                    self.expr_to(&arg.value, params[place].0);
                    params[place].1 = ArgSource::Given(index as u32);
                }
                Some(_) => {
                    self.error(codes::ARGUMENTS, arg.value.span, "this component has a value already");
                }
                None => {
                    let (span, text) = match arg.name {
                        Some(name) => (
                            name.span,
                            format!("`{}` has no component `{}`", self.text(decl.name), self.text(name.name)),
                        ),
                        None => (
                            arg.value.span,
                            "`with` names the components it changes: `r.with(x: 1)`".to_string(),
                        ),
                    };
                    self.error(codes::ARGUMENTS, span, text);
                    self.expr(&arg.value, Some(Ty::POISON));
                }
            }
        }
        let fact = CallFact { target: Target::With, type_args, params };
        self.facts().calls.insert(expr.id, fact);
        ty
    }

    /// The arguments of an enum constant's constructor.
    pub(super) fn enum_constant(&mut self, constructor: FnId, constant: &'a ast::EnumConstant) {
        let defs = self.defs;
        let def = &defs.fns[constructor.index()];
        let Some(places) =
            self.match_args(constant.name.span, constant.name.span, constructor, &constant.args)
        else {
            return;
        };
        for (arg, &place) in constant.args.iter().zip(&places) {
            self.expr_to(&arg.value, def.params[place].ty);
        }
        let params = def
            .params
            .iter()
            .enumerate()
            .map(|(place, p)| {
                let given = places.iter().position(|&q| q == place);
                (p.ty, given.map_or(ArgSource::Default, |i| ArgSource::Given(i as u32)))
            })
            .collect();
        let fact = CallFact { target: Target::Fn(constructor), type_args: Vec::new(), params };
        self.facts().calls.insert(constant.id, fact);
    }

    fn call_value(&mut self, expr: &'a Expr, span: Span, ty: Ty, args: &'a [Arg]) -> Ty {
        let ty = self.types.resolve(ty);
        let TyKind::Function(params, ret) = self.types.kind(ty).clone() else {
            if ty != Ty::POISON {
                let shown = self.show(ty);
                self.error(codes::NOT_CALLABLE, span, format!("a `{shown}` cannot be called"));
            }
            return self.poison_args(args);
        };
        if args.len() != params.len() {
            let message =
                format!("this function takes {}, not {}", count(params.len(), "argument"), args.len());
            self.error(codes::ARGUMENTS, expr.span, message);
            return self.poison_args(args);
        }
        let mut sources = Vec::new();
        for (index, (arg, &param)) in args.iter().zip(params.iter()).enumerate() {
            if let Some(name) = arg.name {
                self.error(codes::ARGUMENTS, name.span, "the parameters of a function value have no names");
            }
            self.expr_to(&arg.value, param);
            sources.push((param, ArgSource::Given(index as u32)));
        }
        let fact = CallFact { target: Target::Value, type_args: Vec::new(), params: sources };
        self.facts().calls.insert(expr.id, fact);
        ret
    }

    pub(super) fn new_object(
        &mut self,
        expr: &'a Expr,
        ty: &'a ast::TypeExpr,
        args: &'a [Arg],
        expected: Option<Ty>,
    ) -> Ty {
        let ast::TypeExprKind::Named { name, args: written } = &ty.kind else {
            self.error(codes::NOT_CALLABLE, ty.span, "only classes and records are made by `new`");
            return self.poison_args(args);
        };
        let def = match lookup(self.defs, self.cx.module, name.name) {
            Found::One(Def::Type(def)) => def,
            _ => {
                let made = self.type_expr(ty);
                if made != Ty::POISON {
                    let shown = self.show(made);
                    self.error(codes::NOT_CALLABLE, ty.span, format!("a `{shown}` is not made by `new`"));
                }
                return self.poison_args(args);
            }
        };
        let decl = &self.defs.types[def.index()];
        let mut owner_args = Vec::new();
        if !written.is_empty() || decl.type_params.is_empty() {
            let made = self.type_expr(ty);
            if made == Ty::POISON {
                return self.poison_args(args);
            }
            if let Some((_, found)) = self.types.nominal_parts(made) {
                owner_args = found.to_vec();
            }
        }
        if Some(def) == self.defs.known.list && args.len() == 2 {
            let filled = self.interner.get("filled").and_then(|name| decl.methods.get(&name).copied());
            if let Some(filled) = filled {
                let ty = self.call_fn(expr, ty.span, Target::Fn(filled), filled, &owner_args, args, expected);
                self.shared_fill(expr, args);
                return ty;
            }
        }
        let Some(constructor) = decl.constructor.filter(|_| decl.kind != TypeKind::Enum) else {
            let report = match decl.kind {
                TypeKind::Enum => {
                    self.diagnostic(codes::NOT_CALLABLE, ty.span, "an enum's values are its constants")
                }
                _ => {
                    let message = format!("a `{}` cannot be made by `new`", self.text(decl.name));
                    self.diagnostic(codes::NOT_CALLABLE, ty.span, message)
                }
            };
            self.diagnostics.push(report);
            return self.poison_args(args);
        };
        let sig = &self.defs.fns[constructor.index()];
        if sig.is_private && sig.module != self.cx.module {
            let message = format!("the constructor of `{}` is private to its module", self.text(decl.name));
            let report = self.diagnostic(codes::PRIVATE, ty.span, message).label_in(
                self.file_of(sig.module),
                sig.span,
                "declared here",
            );
            self.diagnostics.push(report);
        }
        let target = Target::Fn(constructor);
        self.call_fn(expr, ty.span, target, constructor, &owner_args, args, expected)
    }

    /// Reports a call that reaches outside from where nothing may.
    /// Tells whether it may.
    pub(super) fn effect(&mut self, span: Span, id: FnId) -> bool {
        if self.cx.effects {
            return true;
        }
        let name = self.text(self.defs.fns[id.index()].name);
        let what = self.cx.pure_what;
        let report = self
            .diagnostic(codes::EFFECT, span, format!("`{name}` reaches outside, and this is {what}"))
            .help(match what {
                "a pure function" => "mark the function around it `lowlevel`, or call it from a task",
                _ => "call it before, and hand in what it gives",
            })
            .label_in(
                self.defs.modules[self.defs.fns[id.index()].module.index()].file,
                self.defs.fns[id.index()].span,
                "declared `lowlevel` here",
            );
        self.diagnostics.push(report);
        false
    }
}
