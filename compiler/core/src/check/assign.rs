//! Assignment: the places it writes, and what is known afterwards.

use super::cond::literal_without_truth;
use super::ops::binary_type;
use super::stmt::strip;
use super::{Checker, Local, field_node};
use crate::defs::TypeKind;
use crate::facts::Res;
use crate::types::Ty;
use dscript_grammar::ast::{BinaryOp, Expr, ExprKind};
use dscript_grammar::codes;
use dscript_grammar::diagnostic::Diagnostic;
use dscript_grammar::span::{NodeId, Span, Symbol};

impl<'a> Checker<'a, '_> {
    pub(super) fn step(&mut self, span: Span, target: &'a Expr) -> Ty {
        let ty = self.target(target, true);
        let ty = self.types.resolve(ty);
        if !matches!(ty, Ty::INT | Ty::DOUBLE | Ty::POISON) {
            if let (ExprKind::Index { .. }, Some(inner)) =
                (&strip(target).kind, self.types.nullable_inner(ty))
            {
                return self.changes_missing(span, target, inner, None);
            }
            let shown = self.show(ty);
            self.error(codes::OPERATOR, span, format!("`++` and `--` do not fit a `{shown}`"));
            return Ty::POISON;
        }
        ty
    }

    /// `m[k] += v`, `m[k]++`: there may be nothing to change. `by` is the operator's place, and the operator.
    fn changes_missing(
        &mut self,
        span: Span,
        target: &Expr,
        inner: Ty,
        by: Option<(Span, &'static str)>,
    ) -> Ty {
        let element = self.written(target.span);
        let zero = match inner {
            Ty::DOUBLE => "0.0",
            Ty::DURATION => "0s",
            _ if self.is_string(inner) => "\"\"",
            _ => "0",
        };
        let mut report = self
            .diagnostic(codes::NULLABLE, span, "the key may not be there: its value may be null")
            .help("write `m[k] = (m[k] ?? 0) + 1`, or `m.update(k, 0, v -> v + 1)`");
        if !element.contains('\n') {
            report = match by {
                Some((op, sign)) => report.edit(op, format!("= ({element} ?? {zero}) {sign}")),
                None => {
                    let sign = if self.written(span).contains("--") { "-" } else { "+" };
                    report.edit(span, format!("{element} = ({element} ?? {zero}) {sign} 1"))
                }
            };
        }
        self.diagnostics.push(report);
        Ty::POISON
    }

    pub(super) fn assign(
        &mut self,
        span: Span,
        op: Option<BinaryOp>,
        op_span: Span,
        target: &'a Expr,
        value: &'a Expr,
    ) -> Ty {
        let Some(op) = op else {
            // `at = null ? ...`
            if let ExprKind::Conditional { cond, .. } = &strip(value).kind
                && literal_without_truth(cond)
            {
                self.not_a_condition(op_span);
                return Ty::POISON;
            }
            return self.plain_assign(target, value);
        };
        let ty = self.target(target, true);
        let ty = self.types.resolve(ty);
        if op == BinaryOp::Add && self.is_string(ty) && self.refuse_char(value) {
            return ty;
        }
        let found = self.expr(value, None);
        let found = self.types.resolve(found);
        if ty == Ty::POISON {
            return ty;
        }
        if let (ExprKind::Index { .. }, Some(inner)) = (&strip(target).kind, self.types.nullable_inner(ty)) {
            let sign = super::expr::symbol(op);
            return self.changes_missing(span, target, inner, Some((op_span, sign)));
        }
        match binary_type(self.types, self.defs, op, ty, found) {
            Some(result) if self.same(result, ty) => {}
            Some(result) => {
                let (r, t) = (self.show(result), self.show(ty));
                let report = self
                    .diagnostic(
                        codes::MISMATCH,
                        op_span,
                        format!("the result is `{r}`, which a `{t}` cannot hold"),
                    )
                    .help("compound assignment never narrows: cast the value");
                self.diagnostics.push(report);
            }
            None => {
                self.bad_operands(op, op_span, (target, ty), (value, found));
            }
        }
        ty
    }

    pub(super) fn plain_assign(&mut self, target: &'a Expr, value: &'a Expr) -> Ty {
        // A local's value is computed before the local changes.
        if let ExprKind::Name(name) = strip(target).kind
            && let Some(index) = self.local_index(name)
        {
            let local = self.cx.locals[index].clone();
            let found = self.expr_to(value, local.ty);
            self.local_target(target, index, false);
            self.overwrites(target.span, &local);
            let known = self.cx.flow.narrowed(local.node);
            self.cx.flow.assign(local.node);
            self.cx.flow.widen(local.node);
            self.narrow_on_assign(local.node, local.ty, found);
            // What an `instanceof` has told stays true of another value of that type.
            if let Some(known) = known
                && self.cx.flow.narrowed(local.node).is_none()
                && known != self.error_type()
                && self.is_value(found)
                && self.fits(found, known)
            {
                self.cx.flow.narrow(local.node, known);
            }
            self.start_pending(local.node, local.ty, value, target.span);
            self.start_unseen(local.node, local.ty, found, target.span);
            self.got_value(local.node);
            self.set_target_types(target, local.ty);
            return local.ty;
        }
        let ty = self.target(target, false);
        let ty = match (&strip(target).kind, self.types.nullable_inner(ty)) {
            // Storing into a map takes the value itself.
            (ExprKind::Index { receiver, .. }, Some(_)) => self.stored_in(receiver),
            _ => ty,
        };
        self.expr_to(value, ty);
        let own = match &strip(target).kind {
            ExprKind::Field { receiver, .. } => matches!(receiver.kind, ExprKind::This),
            kind => matches!(kind, ExprKind::Name(_)),
        };
        if own
            && self.cx.in_constructor
            && let Res::Field(index) = self.facts().res(strip(target).id)
        {
            self.cx.flow.assign(field_node(index));
            self.got_value(field_node(index));
        } else if own && self.cx.in_constructor && ty == Ty::POISON {
            // Any of them may be meant.
            for index in 0..self.constructed().len() as u32 {
                self.cx.flow.assign(field_node(index));
                self.got_value(field_node(index));
            }
        }
        ty
    }

    /// Keeps in mind that a local or field has got a value here, for the ways that may lead from here elsewhere.
    fn got_value(&mut self, node: NodeId) {
        self.cx.assigns.push(node);
        for cut in &mut self.cx.cuts {
            cut.or_assigned(node, &self.cx.flow);
        }
    }

    /// A variable gets another value: what it held must have been looked at.
    fn overwrites(&mut self, at: Span, local: &Local) {
        let (code, what, from) = if let Some(from) = self.cx.flow.pending_at(local.node) {
            (codes::SUBPROCESS, "the Subprocess it holds", from)
        } else if self.cx.flow.is_unseen(local.node) {
            (codes::UNHANDLED, "the failure it may hold", local.assigned_at)
        } else {
            return;
        };
        if code == codes::UNHANDLED && self.overlooks_local(local, from) {
            return self.look_at(local.node);
        }
        let name = self.text(local.name);
        let when = if from == at { " in the next round" } else { "" };
        let mut report = self
            .diagnostic(code, at, format!("`{name}` gets another value{when} before anybody looks at {what}"))
            .help(format!(
                "test it with `isError({name})` first, or say that it does not matter: `ignore({name})`"
            ));
        if from != at {
            report = report.label(from, "it comes from here");
        } else if let Some(local) = self.cx.locals.iter_mut().find(|l| l.node == local.node) {
            local.handling.told = true;
        }
        self.diagnostics.push(report);
        self.look_at(local.node);
    }

    pub(super) fn set_target_types(&mut self, target: &Expr, ty: Ty) {
        self.facts().types[target.id.0 as usize] = ty;
        if let ExprKind::Paren(inner) = &target.kind {
            self.set_target_types(inner, ty);
        }
    }

    /// What `receiver[...] = v` stores.
    pub(super) fn stored_in(&mut self, receiver: &Expr) -> Ty {
        let ty = self.facts().ty(receiver.id);
        let ty = self.types.resolve(ty);
        match self.types.nominal_parts(ty) {
            Some((_, args)) => args.last().copied().unwrap_or(Ty::POISON),
            None => Ty::POISON,
        }
    }

    /// A `T` assigned to a `T?` or `T!` is known to be one.
    pub(super) fn narrow_on_assign(&mut self, node: NodeId, declared: Ty, found: Ty) {
        let error = self.error_type();
        if found == error || matches!(found, Ty::POISON | Ty::NEVER | Ty::VOID) {
            return;
        }
        let (found, mut known) = (self.types.resolve(found), declared);
        if self.types.fallible_inner(found).is_none() {
            known = self.types.fallible_inner(known).unwrap_or(known);
        }
        if self.is_value(found) {
            known = self.types.nullable_inner(known).unwrap_or(known);
        }
        if known != declared && known != Ty::VOID {
            self.cx.flow.narrow(node, known);
            if let Some(local) = self.cx.locals.iter_mut().find(|l| l.node == node) {
                local.read = true;
            }
        }
    }

    /// Whether a type's values are neither null nor a failure.
    fn is_value(&self, ty: Ty) -> bool {
        self.types.nullable_inner(ty).is_none()
            && self.types.fallible_inner(ty).is_none()
            && !matches!(ty, Ty::NULL | Ty::POISON | Ty::NEVER | Ty::VOID)
    }

    pub(super) fn local_target(&mut self, target: &Expr, index: usize, reads: bool) {
        let local = &mut self.cx.locals[index];
        let had = self.cx.flow.may_be_assigned(local.node);
        local.assigned = if had { local.assigned + 1 } else { local.assigned.max(1) };
        local.assigned_at = target.span;
        let (node, name, is_final, depth, declared) =
            (local.node, local.name, local.is_final, local.depth, local.span);
        let inner = strip(target).id;
        self.facts().res[inner.0 as usize] = Res::Local(node);
        let text = self.text(name);
        if (depth as usize) < self.cx.lambdas.len() {
            // Said here, so not of the places where the lambda reads it.
            self.cx.locals[index].assigned -= 1;
            let report = self
                .diagnostic(
                    codes::CAPTURE,
                    target.span,
                    format!("a lambda cannot assign `{text}`, which is declared outside it"),
                )
                .label(declared, "declared here");
            self.diagnostics.push(report);
        } else if is_final && (had || reads) {
            let report = self
                .diagnostic(
                    codes::FINAL,
                    target.span,
                    if self.cx.flow.is_unassigned(node) {
                        format!("`{text}` is final and may have a value already")
                    } else {
                        format!("`{text}` is final and has a value already")
                    },
                )
                .label(declared, "declared here");
            self.diagnostics.push(report);
        }
    }

    /// The place an assignment writes; with `reads`, its old value is used too.
    pub(super) fn target(&mut self, target: &'a Expr, reads: bool) -> Ty {
        let ty = match &target.kind {
            ExprKind::Paren(inner) => self.target(inner, reads),
            ExprKind::Name(name) => match self.local_index(*name) {
                Some(index) => {
                    let node = self.cx.locals[index].node;
                    if reads {
                        self.local_value(target.id, index, target.span);
                    }
                    let ty =
                        self.types.resolve(self.cx.flow.narrowed(node).unwrap_or(self.cx.locals[index].ty));
                    self.local_target(target, index, reads);
                    ty
                }
                None => match self.constructor_field(target, *name, reads) {
                    Some(ty) => ty,
                    None => {
                        let told = self.diagnostics.len();
                        let ty = self.name(target, *name, None);
                        if !reads && self.diagnostics.len() > told {
                            self.offer_declaration(target.span);
                        }
                        self.field_target(target, ty)
                    }
                },
            },
            ExprKind::Field { receiver, name } => {
                let own = matches!(receiver.kind, ExprKind::This);
                match own.then(|| self.constructor_field(target, name.name, reads)).flatten() {
                    Some(ty) => ty,
                    None => {
                        let ty = self.field(target, receiver, *name, None);
                        self.field_target(target, ty)
                    }
                }
            }
            ExprKind::Index { receiver, index } => self.index(receiver, index),
            // What else stands there was refused by the parser.
            _ => {
                self.expr(target, None);
                Ty::POISON
            }
        };
        self.facts().types[target.id.0 as usize] = ty;
        ty
    }

    /// What is assigned and unknown was most likely meant as a declaration.
    fn offer_declaration(&mut self, target: Span) {
        let is_unknown =
            |d: &Diagnostic| d.code == codes::UNKNOWN_NAME && d.span == target && d.edits.is_empty();
        let Some(told) = self.diagnostics.pop_if(|d| is_unknown(d) && d.labels.is_empty()) else { return };
        let at = Span::new(target.start, target.start);
        let told =
            told.help("a variable is declared by its type, or by `var`: `var x = ...;`").edit(at, "var ");
        self.diagnostics.push(told);
    }

    /// A field of `this` that a constructor gives a value.
    pub(super) fn constructor_field(&mut self, target: &Expr, name: Symbol, reads: bool) -> Option<Ty> {
        let owner = self.cx.owner.filter(|_| self.cx.in_constructor && !reads)?;
        let fields = &self.defs.types[owner.index()].fields;
        let index = fields.iter().position(|f| f.name == name)?;
        if !self.cx.lambdas.is_empty() {
            self.field_too_early(target.span);
        }
        let node = field_node(index as u32);
        self.cx.assigned.insert(node, (1, target.span));
        if fields[index].is_final && self.cx.flow.may_be_assigned(node) {
            let message = format!("the field `{}` is final and has a value already", self.text(name));
            self.error(codes::FINAL, target.span, message);
        }
        self.facts().res[target.id.0 as usize] = Res::Field(index as u32);
        Some(fields[index].ty)
    }

    pub(super) fn field_target(&mut self, target: &Expr, ty: Ty) -> Ty {
        if ty == Ty::POISON {
            return ty;
        }
        match self.facts().res(target.id) {
            Res::Field(index) => {
                let def = match &target.kind {
                    ExprKind::Field { receiver, .. } => {
                        let ty = self.facts().ty(receiver.id);
                        let ty = self.types.resolve(ty);
                        self.types.nominal_parts(ty).map(|(def, _)| def).or(self.cx.owner)
                    }
                    _ => self.cx.owner,
                };
                let Some(def) = def else { return ty };
                let decl = &self.defs.types[def.index()];
                let sig = &decl.fields[index as usize];
                let name = self.text(sig.name);
                if decl.kind == TypeKind::Record {
                    let report = self
                        .diagnostic(codes::FINAL, target.span, "a record is immutable")
                        .help(format!("make a changed copy: `r.with({name}: ...)`"));
                    self.diagnostics.push(report);
                } else if decl.kind == TypeKind::Enum {
                    let report = self
                        .diagnostic(
                            codes::FINAL,
                            target.span,
                            "the fields of an enum's constants stay as they are",
                        )
                        .help("keep what changes in a map: `Map<E, int>`");
                    self.diagnostics.push(report);
                } else if sig.is_final {
                    let report = self
                        .diagnostic(codes::FINAL, target.span, format!("the field `{name}` is final"))
                        .label_in(self.file_of(decl.module), sig.span, "declared here");
                    self.diagnostics.push(report);
                }
                ty
            }
            Res::Const(id) if !self.defs.consts[id.index()].is_final => ty,
            _ => self.error(codes::NOT_ASSIGNABLE, target.span, "a constant cannot be assigned"),
        }
    }
}
