//! Calls: what is called, and which argument is which parameter.

use super::Checker;
use super::expr::count;
use super::members::find_method;
use super::stmt::strip;
use crate::constants;
use crate::defs::{Body, Def, FnId, Intrinsic, ModuleId, ParamSig, TypeDefId, TypeKind};
use crate::facts::{ArgSource, CallFact, EnumMember, Target};
use crate::format::{self, Piece, Takes};
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

    /// A bare `with(x: 1)` of a record or `toString()`, in the type's own methods.
    fn own_built_in(&mut self, expr: &'a Expr, name: &str, args: &'a [Arg]) -> Option<Ty> {
        let this = self.cx.this.filter(|_| !self.cx.in_constructor)?;
        let (def, _) = self.types.nominal_parts(this)?;
        match name {
            "with" if self.defs.types[def.index()].kind == TypeKind::Record => {
                self.capture_this();
                Some(self.call_with(expr, this, args))
            }
            "toString" if args.is_empty() && super::ops::has_text(self.types, self.defs, this) => {
                self.capture_this();
                Some(self.call_text(expr))
            }
            _ => None,
        }
    }

    /// `toString()` where no method has that name.
    fn call_text(&mut self, expr: &Expr) -> Ty {
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
        self.unknown_member(def, ty, name, Some(Span::new(name.span.end, expr.span.end)));
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
                self.call_fn(expr, name.span, Target::Fn(id), id, &[], args, expected)
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
                    report = report.help(help);
                    if !better.is_empty() {
                        report = report.edit(name.span, better);
                    }
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
    fn call_with(&mut self, expr: &'a Expr, ty: Ty, args: &'a [Arg]) -> Ty {
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
                return self.call_fn(expr, ty.span, Target::Fn(filled), filled, &owner_args, args, expected);
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

    /// For each argument the parameter it is for; `None` after a report.
    pub(super) fn match_args(
        &mut self,
        whole: Span,
        span: Span,
        id: FnId,
        args: &[Arg],
    ) -> Option<Vec<usize>> {
        let defs = self.defs;
        let def = &defs.fns[id.index()];
        if def.is_doubtful {
            return None;
        }
        let name = self.callee_name(id);
        self.match_params(whole, span, name, &def.params, (def.module, def.span), args)
    }

    /// The name that a call of the function says.
    pub(super) fn callee_name(&self, id: FnId) -> &'c str {
        let def = &self.defs.fns[id.index()];
        match (def.body, def.owner) {
            (Body::Constructor(_) | Body::Record(_), Some(owner)) => {
                self.text(self.defs.types[owner.index()].name)
            }
            _ => self.text(def.name),
        }
    }

    /// As `match_args`, of a function or task by its name, its parameters, and where it is declared.
    pub(super) fn match_params(
        &mut self,
        whole: Span,
        span: Span,
        name: &str,
        params: &[ParamSig<'a>],
        declared: (ModuleId, Span),
        args: &[Arg],
    ) -> Option<Vec<usize>> {
        let declared_in = self.defs.modules[declared.0.index()].file;
        if params.iter().any(|p| self.text(p.name) == "?") {
            return None; // nobody knows which parameters were meant
        }
        let mut places = Vec::new();
        let mut named = false;
        for (index, arg) in args.iter().enumerate() {
            let place = match arg.name {
                Some(word) => {
                    named = true;
                    match params.iter().position(|p| p.name == word.name) {
                        Some(place) => place,
                        None => {
                            let text = self.text(word.name);
                            let near = suggest(text, params.iter().map(|p| self.interner.name(p.name)));
                            let mut report = self.diagnostic(
                                codes::ARGUMENTS,
                                word.span,
                                format!("`{name}` has no parameter `{text}`"),
                            );
                            if let Some(near) = near {
                                report = report.help(format!("did you mean `{near}`?")).edit(word.span, near);
                            }
                            self.diagnostics.push(report);
                            return None;
                        }
                    }
                }
                None if named => {
                    let message = "an argument without a name cannot follow one with a name";
                    self.error(codes::ARGUMENTS, arg.value.span, message);
                    return None;
                }
                None if index >= params.len() => {
                    let takes = match params.len() {
                        0 => "no arguments".to_string(),
                        n => count(n, "argument"),
                    };
                    let message = format!("`{name}` takes {takes}, not {}", args.len());
                    let mut report = self.diagnostic(codes::ARGUMENTS, arg.value.span, message).label_in(
                        declared_in,
                        declared.1,
                        "declared here",
                    );
                    if self.is_chained(declared) && args.iter().all(|a| a.name.is_none()) {
                        report =
                            report.help(format!("write one call for each: `.{name}(...).{name}(...)`")).edit(
                                Span::new(args[0].value.span.end, arg.value.span.start),
                                format!(").{name}("),
                            );
                        for pair in args[index..].windows(2) {
                            let between = Span::new(pair[0].value.span.end, pair[1].value.span.start);
                            report = report.edit(between, format!(").{name}("));
                        }
                    }
                    self.diagnostics.push(report);
                    return None;
                }
                None => index,
            };
            if places.contains(&place) {
                let text = self.text(params[place].name);
                self.error(
                    codes::ARGUMENTS,
                    arg.value.span,
                    format!("the parameter `{text}` has a value already"),
                );
                return None;
            }
            places.push(place);
        }
        let missing = (0..params.len()).find(|p| !places.contains(p) && params[*p].default.is_none());
        if let Some(missing) = missing {
            let text = self.text(params[missing].name);
            let ty = self.show(params[missing].ty);
            let end = Span::new(whole.end.saturating_sub(1), whole.end);
            let at = if args.is_empty() { span } else { end };
            let report = self
                .diagnostic(
                    codes::ARGUMENTS,
                    at,
                    format!("`{name}` also needs the parameter `{text}`, a `{ty}`"),
                )
                .label_in(declared_in, declared.1, "declared here");
            self.diagnostics.push(report);
            return None;
        }
        Some(places)
    }

    /// Whether the method declared there takes one thing and gives what it was called on, to be called again.
    fn is_chained(&self, declared: (ModuleId, Span)) -> bool {
        let found = self.defs.fns.iter().find(|f| f.module == declared.0 && f.span == declared.1);
        found.is_some_and(|f| {
            let own = self.types.nominal_parts(f.ret).filter(|(_, args)| args.is_empty());
            f.params.len() == 1 && f.is_method && own.map(|(def, _)| def) == f.owner
        })
    }

    // ---- built-in calls that a signature cannot describe ----

    pub(super) fn call_intrinsic(
        &mut self,
        expr: &'a Expr,
        intrinsic: Intrinsic,
        id: FnId,
        args: &'a [Arg],
    ) -> Ty {
        let name = self.text(self.defs.fns[id.index()].name);
        let wanted = match intrinsic {
            Intrinsic::Print | Intrinsic::IsError | Intrinsic::Ignore => Some(1),
            Intrinsic::IntOrDouble => Some(self.defs.fns[id.index()].params.len()),
            Intrinsic::NewCommand | Intrinsic::Script | Intrinsic::Format | Intrinsic::Run => None,
        };
        if let Some(named) = args.iter().find_map(|a| a.name) {
            self.error(codes::ARGUMENTS, named.span, format!("the arguments of `{name}` have no names"));
            self.facts().meant.insert(expr.id, id);
            return self.poison_args(args);
        }
        if let Some(wanted) = wanted
            && args.len() != wanted
        {
            let message = format!("`{name}` takes {}, not {}", count(wanted, "argument"), args.len());
            self.error(codes::ARGUMENTS, expr.span, message);
            self.facts().meant.insert(expr.id, id);
            return self.poison_args(args);
        }
        let mut params = Vec::new();
        let ret = match intrinsic {
            Intrinsic::Print => {
                let ty = self.expr(&args[0].value, None);
                let ty = self.types.resolve(ty);
                self.require_text(&args[0].value, ty);
                Ty::VOID
            }
            Intrinsic::IsError => self.is_error(&args[0].value),
            Intrinsic::Ignore => self.ignore(&args[0].value),
            Intrinsic::IntOrDouble => self.int_or_double(args),
            Intrinsic::NewCommand => self.new_command(expr, args, false),
            Intrinsic::Script => self.new_command(expr, args, true),
            Intrinsic::Format => self.format(expr, args),
            Intrinsic::Run => self.run_call(expr, args),
        };
        for (index, arg) in args.iter().enumerate() {
            let ty = self.facts().ty(arg.value.id);
            params.push((ty, ArgSource::Given(index as u32)));
        }
        let fact = CallFact { target: Target::Intrinsic(intrinsic, id), type_args: Vec::new(), params };
        self.facts().calls.insert(expr.id, fact);
        ret
    }

    fn is_error(&mut self, arg: &'a Expr) -> Ty {
        let ty = self.whole_failure(arg);
        let good = self.types.fallible_inner(ty).is_some() || self.is_subprocess(ty);
        let error = self.error_type();
        if !good && !matches!(ty, Ty::POISON | Ty::NEVER) {
            let shown = self.show(ty);
            let message = if ty == error {
                "this is an error for certain here: it was tested before".to_string()
            } else {
                format!("a `{shown}` cannot be an error")
            };
            let report = self.diagnostic(codes::CANNOT_FAIL, arg.span, message);
            let report = self.offer_call(report, arg, ty);
            self.diagnostics.push(report);
        }
        Ty::BOOL
    }

    fn ignore(&mut self, arg: &'a Expr) -> Ty {
        let ty = self.whole_failure(arg);
        let good = super::ops::holds_failures(self.types, self.defs, ty) || self.may_be_failure(ty);
        if !good && !matches!(ty, Ty::POISON | Ty::NEVER) {
            let shown = self.show(ty);
            let message = format!("a `{shown}` cannot fail: there is nothing to ignore");
            let report = self.diagnostic(codes::CANNOT_FAIL, arg.span, message);
            let report = self.offer_call(report, arg, ty);
            self.diagnostics.push(report);
        }
        Ty::VOID
    }

    fn int_or_double(&mut self, args: &'a [Arg]) -> Ty {
        let mut result = Ty::INT;
        for arg in args {
            let ty = self.expr(&arg.value, None);
            let ty = self.types.resolve(ty);
            match ty {
                Ty::INT => {}
                Ty::DOUBLE => result = Ty::DOUBLE,
                Ty::POISON | Ty::NEVER => return Ty::POISON,
                _ => {
                    self.require(&arg.value, ty, Ty::DOUBLE);
                    return Ty::POISON;
                }
            }
        }
        result
    }

    /// `String.format(pattern, args...)`.
    fn format(&mut self, expr: &'a Expr, args: &'a [Arg]) -> Ty {
        let string = self.string();
        let Some((pattern, values)) = args.split_first() else {
            self.error(codes::ARGUMENTS, expr.span, "`format` needs a pattern");
            return string;
        };
        let span = pattern.value.span;
        let found = self.expr(&pattern.value, Some(string));
        self.require(&pattern.value, found, string);
        let mut types = Vec::new();
        for arg in values {
            let ty = self.expr(&arg.value, None);
            types.push(self.types.resolve(ty));
        }
        if found != string {
            return string;
        }
        let Some(constant) = self.constant_text(&pattern.value) else {
            let report = self
                .diagnostic(codes::ARGUMENTS, span, "the pattern of `format` must be a constant text")
                .help("write it here, or make it a `static final`; `${}` builds texts from parts");
            self.diagnostics.push(report);
            return string;
        };
        let pieces = match format::parse(&constant) {
            Ok(pieces) => pieces,
            Err(what) => {
                self.error(codes::ARGUMENTS, span, what);
                return string;
            }
        };
        let mut used = vec![false; values.len()];
        for piece in &pieces {
            let Piece::Value(spec) = piece else { continue };
            let (Some(arg), Some(&ty)) = (values.get(spec.arg), types.get(spec.arg)) else {
                let message = format!(
                    "`{}` writes argument {} after the pattern, and there are {}",
                    spec.written,
                    spec.arg + 1,
                    values.len()
                );
                self.error(codes::ARGUMENTS, span, message);
                return string;
            };
            used[spec.arg] = true;
            let (good, wanted) = match spec.takes {
                Takes::Int => (ty == Ty::INT, "an int"),
                Takes::Char => (ty == Ty::INT, "an int, the code point of a character"),
                Takes::Number => (matches!(ty, Ty::INT | Ty::DOUBLE), "a number"),
                Takes::Bool => (ty == Ty::BOOL, "a boolean"),
                Takes::Text => {
                    if !self.refuse_char(&arg.value) {
                        self.require_text(&arg.value, ty);
                    }
                    continue;
                }
            };
            if !good && !matches!(ty, Ty::POISON | Ty::NEVER) {
                let shown = self.show(ty);
                let mut report = self.diagnostic(
                    codes::MISMATCH,
                    arg.value.span,
                    format!("`{}` takes {wanted}, and this is a `{shown}`", spec.written),
                );
                if ty == Ty::DOUBLE && spec.takes == Takes::Int {
                    report = report.help("`%.0f` writes a double without its fraction");
                }
                self.diagnostics.push(report);
            }
        }
        if let Some(unused) = used.iter().position(|used| !used) {
            let span = values[unused].value.span;
            let report = self
                .diagnostic(codes::ARGUMENTS, span, "the pattern has no place for this argument")
                .help("a place is `%s` for any value, `%d` for an int, `%.2f` for a number with two digits");
            self.diagnostics.push(report);
        }
        string
    }

    /// What a text is that has been looked at: only literals and `static final` constants count as constant.
    pub(super) fn constant_text(&mut self, expr: &Expr) -> Option<String> {
        match self.facts().res(expr.id) {
            crate::facts::Res::Const(id) => constants::constant(self.defs, id),
            _ => constants::literal(expr),
        }
    }

    /// `new Command(program, ...)`, or `Command.script(name, ...)`.
    fn new_command(&mut self, expr: &'a Expr, args: &'a [Arg], is_script: bool) -> Ty {
        let Some(command) = self.defs.known.command else { return Ty::POISON };
        if args.is_empty() {
            let what = if is_script { "script's" } else { "program's" };
            self.error(codes::ARGUMENTS, expr.span, format!("a Command needs the {what} name"));
        }
        for (index, arg) in args.iter().enumerate() {
            if self.refuse_char(&arg.value) {
                continue;
            }
            let ty = self.expr(&arg.value, None);
            let ty = self.types.resolve(ty);
            if index == 0 {
                let string = self.string();
                self.require(&arg.value, ty, string);
                if is_script && ty == string {
                    self.script(&arg.value);
                }
            } else {
                self.require_text(&arg.value, ty);
            }
        }
        self.types.nominal(command, &[])
    }
}
