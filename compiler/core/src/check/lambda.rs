//! Lambdas, and what a for-each walks.

use super::expr::{binds_tight, count};
use super::stmt::strip;
use super::{Checker, Ending, LambdaFrame};
use crate::defs::{TypeDefId, TypeKind};
use crate::facts::LambdaFact;
use crate::types::{Ty, TyKind};
use dscript_grammar::ast::{self, Expr, ExprKind, LambdaBody};
use dscript_grammar::codes;
use dscript_grammar::span::{NodeId, Span};

impl<'a> Checker<'a, '_> {
    pub(super) fn lambda(&mut self, expr: &'a Expr, lambda: &'a ast::Lambda, expected: Option<Ty>) -> Ty {
        let mut wanted = expected.map(|ty| self.types.resolve(ty));
        while let Some(ty) = wanted
            && let Some(inner) = self.types.nullable_inner(ty).or_else(|| self.types.fallible_inner(ty))
        {
            wanted = Some(inner);
        }
        let signature = match wanted.map(|ty| (ty, self.types.kind(ty).clone())) {
            Some((_, TyKind::Function(params, ret))) => Some((params.to_vec(), ret)),
            None | Some((Ty::POISON | Ty::VOID, _) | (_, TyKind::Infer(_) | TyKind::Param(_))) => None,
            Some((ty, _)) => return self.unwanted_lambda(expr, ty),
        };
        if let Some((params, _)) = &signature
            && params.len() != lambda.params.len()
        {
            let message = format!(
                "a function of {} is wanted, this lambda takes {}",
                count(params.len(), "parameter"),
                lambda.params.len()
            );
            self.error(codes::MISMATCH, expr.span, message);
            return Ty::POISON;
        }
        let mut bad = false;
        let mut params = Vec::new();
        for (index, param) in lambda.params.iter().enumerate() {
            let from_context = signature.as_ref().map(|(params, _)| self.types.resolve(params[index]));
            let ty = match (&param.ty, from_context) {
                (Some(declared), _) => {
                    let ty = self.type_expr(declared);
                    if let Some(wanted) = from_context
                        && !self.same(ty, wanted)
                    {
                        bad = true;
                        let (wanted, ty) = (self.show(wanted), self.show(ty));
                        let message = format!("the parameter is a `{wanted}` here, not a `{ty}`");
                        let report = self.diagnostic(codes::MISMATCH, declared.span, message);
                        self.diagnostics.push(report.edit(declared.span, wanted));
                    }
                    ty
                }
                (None, Some(ty)) if !self.types.is_open(ty) => ty,
                // What the first one lacks, the others lack too.
                _ if bad || expected == Some(Ty::POISON) => Ty::POISON,
                _ => {
                    bad = true;
                    let name = self.text(param.name.name);
                    let report = self.diagnostic(
                        codes::CANNOT_INFER,
                        param.name.span,
                        format!("the type of the parameter `{name}` cannot be seen here"),
                    );
                    self.diagnostics.push(report.help(format!("write it, as in `(int {name}) -> ...`")));
                    Ty::POISON
                }
            };
            params.push(ty);
        }
        let wanted_ret = match signature {
            Some((_, ret)) => Some(self.types.resolve(ret)).filter(|&ret| self.is_shaped(ret)),
            // Of one that goes to what is unknown, nobody can say what its result is to be.
            None => expected.filter(|&ty| ty == Ty::POISON),
        };
        let ret = self.lambda_body(expr, lambda, &params, wanted_ret);
        if bad { Ty::POISON } else { self.types.function(&params, ret) }
    }

    /// A lambda where a value of another type is wanted.
    fn unwanted_lambda(&mut self, expr: &Expr, wanted: Ty) -> Ty {
        let is_interface = self
            .types
            .nominal_parts(wanted)
            .is_some_and(|(def, _)| self.defs.types[def.index()].kind == TypeKind::Interface);
        let shown = self.show(wanted);
        let mut report =
            self.diagnostic(codes::MISMATCH, expr.span, format!("a `{shown}` is wanted, this is a lambda"));
        if is_interface {
            report = report
                .help("lambdas do not become interfaces: take a function type, such as `(int) -> boolean`");
        }
        self.diagnostics.push(report);
        Ty::POISON
    }

    pub(super) fn lambda_body(
        &mut self,
        expr: &'a Expr,
        lambda: &'a ast::Lambda,
        params: &[Ty],
        wanted: Option<Ty>,
    ) -> Ty {
        let ending = match wanted {
            Some(ret) => Ending::Returns(ret),
            None => Ending::Infer { found: Vec::new(), fails: false },
        };
        let outer_ending = std::mem::replace(&mut self.cx.ending, ending);
        let outer_jumps = std::mem::take(&mut self.cx.jumps);
        let outer_task = std::mem::replace(&mut self.cx.is_task, false);
        let outer_retries = std::mem::take(&mut self.cx.retries);
        let outer_arms = std::mem::take(&mut self.cx.arms);
        let outer_cuts = std::mem::take(&mut self.cx.cuts);
        let outer_flow = self.cx.flow.clone();
        let in_loop = outer_jumps.iter().any(|jump| matches!(jump.kind, super::JumpKind::Loop));
        self.cx.lambdas.push(LambdaFrame {
            node: expr.id,
            captures: Vec::new(),
            captures_this: false,
            in_loop,
        });
        self.open_scope();
        for (param, &ty) in lambda.params.iter().zip(params) {
            self.bind(param.id, param.name, ty);
            self.expects_a_look();
        }
        let body_ty = match &lambda.body {
            LambdaBody::Expr(body) => self.lambda_value(body, wanted),
            LambdaBody::Block(block) => {
                self.block(block);
                match wanted {
                    Some(ret) => {
                        self.end_of_body(block.span, ret);
                        ret
                    }
                    None if self.cx.flow.dead => Ty::NEVER,
                    // What could not be read may have returned something.
                    None if self.defs.modules[self.cx.module.index()].is_broken(block.span) => Ty::POISON,
                    None => Ty::VOID,
                }
            }
        };
        self.close_scope();
        let ret = match std::mem::replace(&mut self.cx.ending, outer_ending) {
            Ending::Infer { found, fails } => self.lambda_result(expr, found, body_ty, fails),
            _ => body_ty,
        };
        self.cx.jumps = outer_jumps;
        self.cx.is_task = outer_task;
        self.cx.retries = outer_retries;
        self.cx.arms = outer_arms;
        self.cx.cuts = outer_cuts;
        let pending_then: Vec<NodeId> = outer_flow
            .pending()
            .iter()
            .map(|p| p.0)
            .filter(|&n| self.cx.flow.pending_at(n).is_none())
            .collect();
        self.cx.flow = outer_flow;
        for node in pending_then {
            self.cx.flow.handle(node);
        }
        if let Some(frame) = self.cx.lambdas.pop() {
            debug_assert_eq!(frame.node, expr.id);
            let fact = LambdaFact {
                params: params.to_vec(),
                ret,
                captures: frame.captures,
                captures_this: frame.captures_this,
            };
            self.facts().lambdas.insert(expr.id, fact);
        }
        ret
    }

    /// The value of an expression lambda.
    pub(super) fn lambda_value(&mut self, body: &'a Expr, wanted: Option<Ty>) -> Ty {
        match wanted {
            Some(Ty::VOID) => {
                self.for_effect(body);
                Ty::VOID
            }
            Some(ret) => {
                let inner = self.types.fallible_inner(ret);
                if inner == Some(Ty::VOID) {
                    let ty = self.expr(body, Some(ret));
                    let ty = self.types.resolve(ty);
                    if ty != Ty::VOID && ty != Ty::NEVER {
                        self.require(body, ty, ret);
                    }
                } else {
                    self.expr_to(body, ret);
                }
                ret
            }
            None => {
                let ty = self.expr(body, None);
                self.types.resolve(ty)
            }
        }
    }

    pub(super) fn lambda_result(&mut self, expr: &Expr, found: Vec<Ty>, last: Ty, fails: bool) -> Ty {
        let mut ret = last;
        for ty in found {
            ret = match self.join(ret, ty) {
                Some(joined) => joined,
                None => {
                    let (a, b) = (self.show(ret), self.show(ty));
                    let message = format!("the lambda returns `{a}` in one place and `{b}` in another");
                    self.error(codes::MISMATCH, expr.span, message)
                }
            };
        }
        if ret == Ty::NEVER {
            ret = Ty::VOID;
        }
        if ret == Ty::NULL {
            return self.error(
                codes::CANNOT_INFER,
                expr.span,
                "what this lambda returns cannot be seen here",
            );
        }
        if fails { self.types.fallible(ret) } else { ret }
    }

    /// What a for-each walks: the type of its elements, which its variable wants to be `wanted`.
    pub(super) fn iterated(&mut self, iter: &'a Expr, wanted: Option<Ty>) -> Ty {
        if let ExprKind::Range { low, high } = &strip(iter).kind {
            self.expr_to(low, Ty::INT);
            self.expr_to(high, Ty::INT);
            self.facts().types[iter.id.0 as usize] = Ty::RANGE;
            return Ty::INT;
        }
        let ty = self.expr(iter, None);
        let ty = self.types.resolve(ty);
        let parts = self.types.nominal_parts(ty).map(|(def, args)| (def, args.to_vec()));
        let known = &self.defs.known;
        if let Some((def, args)) = parts {
            if Some(def) == known.list || Some(def) == known.set {
                return args[0];
            }
            if Some(def) == known.map {
                return match known.entry {
                    Some(entry) => self.types.nominal(entry, &args),
                    None => Ty::POISON,
                };
            }
            if let Some(next) = self.stream_next(def) {
                let ret = self.defs.fns[next.index()].ret;
                let params = self.defs.types[def.index()].type_params.clone();
                let ret = self.types.substitute(ret, &params, &args);
                return self.types.nullable_inner(ret).unwrap_or(Ty::POISON);
            }
        }
        if ty != Ty::POISON {
            let shown = self.show(ty);
            let mut report =
                self.diagnostic(codes::NOT_ITERABLE, iter.span, format!("a `{shown}` cannot be walked"));
            if self.types.fallible_inner(ty).is_some() {
                report.code = codes::USED_AS_VALUE;
                report = report.help("it may be an error: `try`, `isError` or `??` first");
                report = self.with_try(report, iter);
            } else if self.types.nullable_inner(ty).is_some() {
                report.code = codes::NULLABLE;
                report = report.help("it may be null: test it with `!= null` first");
            } else if ty == Ty::INT {
                let at = Span::new(iter.span.start, iter.span.start);
                report = report.help("a range is written `0..n`").edit(at, "0..");
            } else if self.is_string(ty) {
                report = report.help("of a text walk `s.chars()`, its code points, or `s.lines()`");
                if wanted == Some(Ty::INT) && (binds_tight(iter) || matches!(iter.kind, ExprKind::Str(_))) {
                    report = report.edit(Span::new(iter.span.end, iter.span.end), ".chars()");
                }
            } else {
                report = report.help("lists, maps, sets, ranges `0..n` and streams can be");
            }
            self.diagnostics.push(report);
        }
        Ty::POISON
    }

    /// A stream is a type with `native T? next()`.
    pub(crate) fn stream_next(&self, def: TypeDefId) -> Option<crate::defs::FnId> {
        let next = self.interner.get("next")?;
        let &id = self.defs.types[def.index()].methods.get(&next)?;
        let sig = &self.defs.fns[id.index()];
        (sig.is_native && sig.params.is_empty() && self.types.nullable_inner(sig.ret).is_some()).then_some(id)
    }

    /// A Subprocess that is returned, stored or passed is somebody else's to look at.
    pub(super) fn mark_moved(&mut self, value: &Expr) {
        if let ExprKind::Name(name) = strip(value).kind
            && let Some(index) = self.local_index(name)
        {
            let node = self.cx.locals[index].node;
            self.cx.flow.handle(node);
        }
    }
}
