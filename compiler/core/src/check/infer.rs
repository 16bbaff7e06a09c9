//! Calls of declared functions and the inference of their type arguments.
//!
//! A type argument is found, in this order, from the type arguments of the receiver or after `new`; from the
//! type that is expected of the result, where it stands inside another type; from arguments in which it stands
//! inside another type; from the arguments whose parameter it is, together with what is expected of the result;
//! and from lambdas, which come last because their own parameters' types are found first. What one call leaves
//! open may be found by the expression around it: it is kept in `waiting` until that expression ends.

use super::stmt::strip;
use super::{Checker, has_equality};
use crate::defs::{FnId, Order, TypeParamId};
use crate::facts::{ArgSource, CallFact, Target};
use crate::types::{Ty, TyKind};
use dscript_grammar::ast::{Arg, Expr, ExprKind};
use dscript_grammar::codes;
use dscript_grammar::diagnostic::Label;
use dscript_grammar::span::Span;

/// Something whose type the expression around it has still to tell.
pub(super) struct Waiting {
    span: Span,
    what: Open,
}

enum Open {
    /// A call of a generic function with its type arguments.
    Call(FnId, Vec<Ty>),
    /// The elements of a list literal.
    List(Ty),
    /// Keys and values of a map literal.
    Map(Ty, Ty),
}

/// What the place of a call expects of type arguments that are the call's result: a wish, not a duty.
type Wishes = Vec<(u32, Ty)>;

impl<'a> Checker<'a, '_> {
    /// A call of a declared function; `owner_args` are the type arguments of its owner, where known.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn call_fn(
        &mut self,
        expr: &'a Expr,
        span: Span,
        target: Target,
        id: FnId,
        owner_args: &[Ty],
        args: &'a [Arg],
        expected: Option<Ty>,
    ) -> Ty {
        let defs = self.defs;
        let def = &defs.fns[id.index()];
        if def.is_lowlevel && !self.effect(span, id) {
            self.facts().meant.insert(expr.id, id);
            return self.poison_args(args);
        }
        self.test_only(span, id);
        if let Some(intrinsic) = def.intrinsic {
            return self.call_intrinsic(expr, intrinsic, id, args);
        }
        let mut type_args = owner_args.to_vec();
        while type_args.len() < def.type_params.len() {
            let fresh = self.types.fresh();
            type_args.push(fresh);
        }
        let params: Vec<Ty> =
            def.params.iter().map(|p| self.types.substitute(p.ty, &def.type_params, &type_args)).collect();
        let ret = self.types.substitute(def.ret, &def.type_params, &type_args);
        let Some(places) = self.match_args(expr.span, span, id, args) else {
            self.facts().meant.insert(expr.id, id);
            return self.poison_args(args);
        };
        let mut wishes = Wishes::new();
        if let Some(expected) = expected
            && self.types.is_open(ret)
        {
            self.wish(ret, expected, &mut wishes);
        }
        let good = self.infer_args(id, args, &places, (&params, &type_args), &wishes);
        if !good {
            // What a mistaken argument leaves open is not spoken of.
            self.close(&type_args);
        }
        for &(var, wish) in &wishes {
            if self.types.inferred(var).is_none() {
                self.types.set_inferred(var, wish);
            }
        }
        let mut sources = Vec::new();
        for (place, &param) in params.iter().enumerate() {
            let given = places.iter().position(|&p| p == place);
            let source = given.map_or(ArgSource::Default, |index| ArgSource::Given(index as u32));
            sources.push((param, source));
        }
        if !type_args.is_empty() {
            self.no_void(span, id, &type_args);
            self.await_call(span, id, &type_args);
        }
        let fact = CallFact { target, type_args, params: sources };
        self.facts().calls.insert(expr.id, fact);
        self.types.resolve(ret)
    }

    /// Checks the arguments against their parameters, and finds type arguments by them; tells whether all fit.
    pub(super) fn infer_args(
        &mut self,
        id: FnId,
        args: &'a [Arg],
        places: &[usize],
        (params, type_args): (&[Ty], &[Ty]),
        wishes: &[(u32, Ty)],
    ) -> bool {
        let mut good = true;
        let late = |arg: &Arg| needs_context(&arg.value);
        // Arguments whose parameter is a type argument that is still open, with their types.
        let mut bare: Vec<(&'a Expr, Ty, Ty)> = Vec::new();
        for (arg, &place) in args.iter().zip(places).filter(|(arg, _)| !late(arg)) {
            let param = params[place];
            let wanted = self.with_wishes(param, wishes);
            let wanted = match self.bare_var(wanted) {
                Some(var) => bare.iter().find(|b| self.bare_var(b.2) == Some(var)).map_or(wanted, |b| b.1),
                None => wanted,
            };
            let found = self.expr(&arg.value, Some(wanted));
            good &= !self.has_poison(found);
            match self.bare_var(param) {
                Some(_) => bare.push((&arg.value, found, param)),
                None => good &= self.require_arg(&arg.value, found, param, (id, place)),
            }
            self.mark_moved(&arg.value);
        }
        for index in 0..bare.len() {
            if let Some(var) = self.bare_var(bare[index].2) {
                self.choose(var, &bare, wishes);
            }
        }
        for (value, found, param) in bare {
            good &= self.require(value, found, param);
        }
        let mut rest: Vec<usize> = (0..args.len()).filter(|&i| late(&args[i])).collect();
        while !rest.is_empty() {
            // Where one lambda's parameters are found by another's result, that one comes first.
            let known = |checker: &mut Self, i: usize| {
                let wanted = checker.with_wishes(params[places[i]], wishes);
                checker.takes_known(wanted)
            };
            let next = (0..rest.len()).find(|&at| known(self, rest[at])).unwrap_or(0);
            let index = rest.remove(next);
            if !good {
                self.close(type_args);
            }
            let (value, param) = (&args[index].value, params[places[index]]);
            let wanted = self.with_wishes(param, wishes);
            let found = self.expr(value, Some(wanted));
            good &= !self.has_poison(found);
            good &= self.require_arg(value, found, param, (id, places[index]));
            self.mark_moved(value);
        }
        good
    }

    /// As `require`; shows the parameter beside a mistake in its argument.
    fn require_arg(&mut self, value: &Expr, found: Ty, param: Ty, (id, place): (FnId, usize)) -> bool {
        if self.require(value, found, param) {
            return true;
        }
        let defs = self.defs;
        let def = &defs.fns[id.index()];
        let module = &defs.modules[def.module.index()];
        if let Some(last) = self.diagnostics.last_mut()
            && last.code == codes::MISMATCH
            && last.span == value.span
            && last.labels.is_empty()
            && !module.is_std
        {
            let text = "the parameter is declared here".to_string();
            last.labels.push(Label { file: module.file, span: def.params[place].span, text });
        }
        false
    }

    /// The type argument that a parameter's type is, through `?` and `!`, while it is open.
    fn bare_var(&mut self, param: Ty) -> Option<u32> {
        let mut ty = self.types.resolve(param);
        while let Some(inner) = self.types.nullable_inner(ty).or_else(|| self.types.fallible_inner(ty)) {
            ty = inner;
        }
        match self.types.kind(ty) {
            TyKind::Infer(var) => Some(*var),
            _ => None,
        }
    }

    /// Finds a type argument that all arguments for it fit: what is wished, else what they have in common.
    fn choose(&mut self, var: u32, bare: &[(&'a Expr, Ty, Ty)], wishes: &[(u32, Ty)]) {
        let mut founds = Vec::new();
        for &(_, found, param) in bare {
            if self.bare_var(param) == Some(var) {
                let param = self.types.resolve(param);
                let mut found = self.types.resolve(found);
                if self.types.fallible_inner(param).is_some() {
                    found = self.types.fallible_inner(found).unwrap_or(found);
                }
                let inner = self.types.fallible_inner(param).unwrap_or(param);
                if self.types.nullable_inner(inner).is_some() {
                    found = self.types.nullable_inner(found).unwrap_or(found);
                    if found == Ty::NULL {
                        continue;
                    }
                }
                founds.push(found);
            }
        }
        if founds.is_empty() {
            return;
        }
        if let Some(&(_, wish)) = wishes.iter().find(|w| w.0 == var) {
            // What is stored in a `T?` is better known as a `T` where it is one.
            let value = self.types.fallible_inner(wish).unwrap_or(wish);
            let value = self.types.nullable_inner(value).unwrap_or(value);
            for wish in [value, wish] {
                if founds.iter().all(|&found| self.fits(found, wish)) {
                    self.types.set_inferred(var, wish);
                    return;
                }
            }
        }
        let mut all = Ty::NEVER;
        for found in founds {
            match self.join(all, found) {
                Some(joined) => all = joined,
                // What does not fit is reported where it stands.
                None => break,
            }
        }
        match all {
            Ty::NEVER | Ty::VOID => {}
            Ty::NULL => {
                let fresh = self.types.fresh();
                let nullable = self.types.nullable(fresh);
                self.types.set_inferred(var, nullable);
            }
            // It waits for itself.
            _ if self.types.resolve(all) == self.types.intern(TyKind::Infer(var)) => {}
            _ => self.types.set_inferred(var, all),
        }
    }

    /// A parameter's type with what is wished put in for what is open.
    fn with_wishes(&mut self, param: Ty, wishes: &[(u32, Ty)]) -> Ty {
        fn go(types: &mut crate::types::Types, ty: Ty, wishes: &[(u32, Ty)]) -> Ty {
            match types.kind(ty) {
                TyKind::Infer(var) => {
                    let var = *var;
                    wishes.iter().find(|w| w.0 == var).map_or(ty, |w| w.1)
                }
                _ => types.map(ty, &mut |types, t| go(types, t, wishes)),
            }
        }
        let param = self.types.resolve(param);
        if wishes.is_empty() || !self.types.is_open(param) { param } else { go(self.types, param, wishes) }
    }

    /// Whether what a function of this type takes is known, or it is no function.
    fn takes_known(&mut self, ty: Ty) -> bool {
        let mut ty = self.types.resolve(ty);
        while let Some(inner) = self.types.nullable_inner(ty).or_else(|| self.types.fallible_inner(ty)) {
            ty = inner;
        }
        match self.types.kind(ty).clone() {
            TyKind::Function(params, _) => params.iter().all(|&p| !self.types.is_open(p)),
            _ => true,
        }
    }

    /// Whether an expected type says something, though it may be open within: it is more than a type argument.
    pub(super) fn is_shaped(&mut self, ty: Ty) -> bool {
        self.bare_var(ty).is_none()
    }

    /// What an expected result says of type arguments: inside another type they must be so, elsewhere it is a wish.
    fn wish(&mut self, ret: Ty, expected: Ty, wishes: &mut Wishes) {
        let (ret, expected) = (self.types.resolve(ret), self.types.resolve(expected));
        if matches!(expected, Ty::POISON | Ty::VOID | Ty::NULL) || self.bare_var(expected).is_some() {
            return;
        }
        if let TyKind::Infer(var) = *self.types.kind(ret) {
            if !wishes.iter().any(|w| w.0 == var) {
                wishes.push((var, expected));
            }
            return;
        }
        match (self.types.kind(ret).clone(), self.types.kind(expected).clone()) {
            (TyKind::Nominal(..), TyKind::Nominal(b, ys)) => {
                let seen = self.as_super(ret, b);
                let xs = seen.and_then(|t| self.types.nominal_parts(t)).map(|(_, xs)| xs.to_vec());
                for (&x, &y) in xs.iter().flatten().zip(ys.iter()) {
                    self.unify(x, y);
                }
            }
            (TyKind::Function(ps, r), TyKind::Function(qs, s)) if ps.len() == qs.len() => {
                for (&p, &q) in ps.iter().zip(qs.iter()) {
                    self.unify(p, q);
                }
                self.wish(r, s, wishes);
            }
            (TyKind::Nullable(a), TyKind::Nullable(b)) | (TyKind::Fallible(a), TyKind::Fallible(b)) => {
                self.wish(a, b, wishes);
            }
            (_, TyKind::Nullable(b)) | (_, TyKind::Fallible(b)) => self.wish(ret, b, wishes),
            (TyKind::Fallible(a), _) | (TyKind::Nullable(a), _) => self.wish(a, expected, wishes),
            _ => {}
        }
    }

    /// The function type that is expected, through `?` and `!`.
    pub(super) fn expected_function(&mut self, expected: Ty) -> Option<(Vec<Ty>, Ty)> {
        let mut ty = self.types.resolve(expected);
        while let Some(inner) = self.types.nullable_inner(ty).or_else(|| self.types.fallible_inner(ty)) {
            ty = inner;
        }
        match self.types.kind(ty) {
            TyKind::Function(params, ret) => Some((params.to_vec(), *ret)),
            _ => None,
        }
    }

    /// Finds what is open in a function's type by the one that is expected.
    pub(super) fn unify_function(&mut self, ty: Ty, expected: Ty) {
        let TyKind::Function(params, ret) = self.types.kind(ty).clone() else { return };
        let Some((wanted, result)) = self.expected_function(expected) else { return };
        for (&param, &wanted) in params.iter().zip(&wanted) {
            if !self.types.is_open(wanted) {
                self.unify(param, wanted);
            }
        }
        let result = self.types.resolve(result);
        if !self.types.is_open(result) {
            let result = self.types.fallible_inner(result).unwrap_or(result);
            self.unify(ret, result);
        }
    }

    /// Finds what is open in `ty` so that it becomes `known`, as far as they are alike.
    fn unify(&mut self, ty: Ty, known: Ty) {
        let (ty, known) = (self.types.resolve(ty), self.types.resolve(known));
        match (self.types.kind(ty).clone(), self.types.kind(known).clone()) {
            (TyKind::Infer(var), _) => self.types.set_inferred(var, known),
            (TyKind::Nominal(a, xs), TyKind::Nominal(b, ys)) if a == b => {
                for (&x, &y) in xs.iter().zip(ys.iter()) {
                    self.unify(x, y);
                }
            }
            (TyKind::Nullable(a), TyKind::Nullable(b))
            | (TyKind::Fallible(a), TyKind::Fallible(b))
            | (TyKind::Class(a), TyKind::Class(b)) => self.unify(a, b),
            (TyKind::Function(ps, r), TyKind::Function(qs, s)) if ps.len() == qs.len() => {
                for (&p, &q) in ps.iter().zip(qs.iter()) {
                    self.unify(p, q);
                }
                self.unify(r, s);
            }
            _ => {}
        }
    }

    // ---- what is still open ----

    pub(super) fn await_call(&mut self, span: Span, id: FnId, type_args: &[Ty]) {
        self.cx.waiting.push(Waiting { span, what: Open::Call(id, type_args.to_vec()) });
    }

    pub(super) fn await_list(&mut self, span: Span, element: Ty) {
        self.cx.waiting.push(Waiting { span, what: Open::List(element) });
    }

    pub(super) fn await_map(&mut self, span: Span, key: Ty, value: Ty) {
        self.cx.waiting.push(Waiting { span, what: Open::Map(key, value) });
    }

    /// Judges what has been waiting since there were `from` others: what is open now stays so, and is reported.
    pub(super) fn settle(&mut self, from: usize) {
        let waiting = self.cx.waiting.split_off(from.min(self.cx.waiting.len()));
        for Waiting { span, what } in waiting {
            match what {
                Open::Call(id, type_args) => {
                    if self.close(&type_args) {
                        if self.is_mistaken(id) {
                            continue;
                        }
                        let name = self.callee_name(id);
                        let message = format!("the type arguments of `{name}` cannot be seen here");
                        let report = self
                            .diagnostic(codes::CANNOT_INFER, span, message)
                            .help("say the type of the variable it goes to, or after `new`");
                        self.diagnostics.push(report);
                    } else {
                        self.no_void(span, id, &type_args);
                        if self.check_bounds(span, id, &type_args) {
                            let def = &self.defs.fns[id.index()];
                            let ret = self.types.substitute(def.ret, &def.type_params, &type_args);
                            self.arguments_fit(span, ret);
                        }
                    }
                }
                Open::List(element) => {
                    if self.close(&[element]) {
                        let message = "what this list is to hold cannot be seen here";
                        let report = self.diagnostic(codes::CANNOT_INFER, span, message);
                        let help = "say the type of the variable it goes to: `List<int> xs = [];`";
                        self.diagnostics.push(report.help(help));
                    }
                }
                Open::Map(key, value) => {
                    if self.close(&[key, value]) {
                        let message = "what this map is to hold cannot be seen here";
                        let report = self.diagnostic(codes::CANNOT_INFER, span, message);
                        let help = "say the type of the variable it goes to: `Map<String, int> m = {:};`";
                        self.diagnostics.push(report.help(help));
                    } else if let Some(map) = self.defs.known.map {
                        let ty = self.types.nominal(map, &[key, value]);
                        self.arguments_fit(span, ty);
                    }
                }
            }
        }
    }

    /// Whether a mistake in a function's signature keeps calls from telling its type arguments.
    fn is_mistaken(&mut self, id: FnId) -> bool {
        let defs = self.defs;
        let def = &defs.fns[id.index()];
        let name = |p: &crate::defs::TypeParamId| defs.type_params[p.index()].name;
        let twice = (1..def.type_params.len())
            .any(|i| def.type_params[..i].iter().any(|p| name(p) == name(&def.type_params[i])));
        twice || self.has_poison(def.ret) || def.params.iter().any(|p| self.has_poison(p.ty))
    }

    /// Makes what is open in the types unknown for good; whether there was any.
    pub(super) fn close(&mut self, tys: &[Ty]) -> bool {
        let mut any = false;
        for &ty in tys {
            let ty = self.types.resolve(ty);
            any |= self.types.close(ty);
        }
        any
    }

    /// What a generic function makes values of, is one. What is none is unknown from here on.
    fn no_void(&mut self, span: Span, id: FnId, type_args: &[Ty]) {
        let mut found = false;
        for &arg in type_args {
            if self.types.resolve(arg) == Ty::VOID {
                found = true;
                if let TyKind::Infer(var) = *self.types.kind(arg) {
                    self.types.set_inferred(var, Ty::POISON);
                }
            }
        }
        if !found {
            return;
        }
        let message = format!("`{}` wants a value of the function that it is given", self.callee_name(id));
        let report = self
            .diagnostic(codes::MISMATCH, span, message)
            .help("this one gives nothing: let it return something, or do the same in a `for`");
        self.diagnostics.push(report);
    }

    /// Type arguments must implement what their parameters ask for; whether they do.
    fn check_bounds(&mut self, span: Span, id: FnId, type_args: &[Ty]) -> bool {
        let defs = self.defs;
        let params = &defs.fns[id.index()].type_params;
        if let Some((param, order)) = defs.fns[id.index()].ordered
            && let Some(place) = params.iter().position(|&p| p == param)
        {
            let arg = self.types.resolve(type_args[place]);
            let good = match self.types.kind(arg) {
                TyKind::Poison | TyKind::Param(_) => true,
                _ if order == Order::Equality => has_equality(self.types, self.defs, arg),
                TyKind::Int | TyKind::Double | TyKind::Duration => true,
                TyKind::Bool | TyKind::Time => order == Order::Natural,
                TyKind::Nominal(def, _) => {
                    order == Order::Natural
                        && (Some(*def) == defs.known.string
                            || defs.types[def.index()].kind == crate::defs::TypeKind::Enum)
                }
                _ => false,
            };
            if !good {
                let shown = self.show(arg);
                let (what, help) = match order {
                    Order::Natural => (
                        "has no natural order",
                        "sort by a key that has one, or give a comparison: `sortWith`",
                    ),
                    Order::Numeric => ("cannot be added up", "numbers and Durations can"),
                    Order::Equality => (
                        "cannot be compared by `==`",
                        "look for it yourself, by something of it that can be: `any(x -> ...)`",
                    ),
                };
                let report = self.diagnostic(codes::BOUND, span, format!("a `{shown}` {what}")).help(help);
                self.diagnostics.push(report);
                return false;
            }
        }
        let missed = self.first_missed(params, type_args);
        if let Some((arg, bound)) = missed {
            self.not_within(span, arg, bound);
        }
        missed.is_none()
    }

    /// The first argument that does not implement what its parameter asks for, and that.
    pub(super) fn first_missed(&mut self, params: &[TypeParamId], type_args: &[Ty]) -> Option<(Ty, Ty)> {
        let defs = self.defs;
        for (&param, &arg) in params.iter().zip(type_args) {
            let arg = self.types.resolve(arg);
            for &bound in &defs.type_params[param.index()].bounds {
                let wanted = self.types.substitute(bound, params, type_args);
                if arg != Ty::POISON && !self.fits(arg, wanted) {
                    return Some((arg, wanted));
                }
            }
        }
        None
    }

    pub(super) fn not_within(&mut self, span: Span, arg: Ty, bound: Ty) {
        let (arg, bound) = (self.show(arg), self.show(bound));
        self.error(codes::BOUND, span, format!("a `{arg}` is no `{bound}`"));
    }
}

/// Whether an argument is a lambda, or made of lambdas: its parameter's type should be known before.
fn needs_context(expr: &Expr) -> bool {
    match &strip(expr).kind {
        ExprKind::Lambda(_) => true,
        ExprKind::List(items) => items.iter().any(needs_context),
        ExprKind::Map(entries) => entries.iter().any(|(_, value)| needs_context(value)),
        ExprKind::Conditional { then, else_, .. } => needs_context(then) || needs_context(else_),
        _ => false,
    }
}
