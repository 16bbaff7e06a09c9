//! Conditions: comparisons, tests, and what is known where they hold and where not.

use super::Checker;
use super::expr::symbol;
use super::flow::Flow;
use super::ops::binary_type;
use super::stmt::strip;
use crate::defs::Def;
use crate::names::{Found, lookup};
use crate::types::{Ty, TyKind};
use dscript_grammar::ast::{BinaryOp, Expr, ExprKind, UnaryOp};
use dscript_grammar::codes;
use dscript_grammar::diagnostic::Severity;
use dscript_grammar::span::{Span, Symbol};
use dscript_grammar::walk::Node;

impl<'a> Checker<'a, '_> {
    /// A condition: what is known where it holds, and where not.
    pub(super) fn cond(&mut self, expr: &'a Expr) -> (Flow, Flow) {
        if let ExprKind::Assign { op: None, op_span, target, value } = &strip(expr).kind {
            // Of a target that cannot be one it was said.
            if !self.defs.modules[self.cx.module.index()].is_broken(target.span) {
                self.not_a_condition(*op_span);
            }
            // Whichever is meant, the variable counts as one that has a value, and both sides as used.
            if let Some(index) = self.tested_local(target) {
                let node = self.cx.locals[index].node;
                self.cx.flow.assign(node);
            }
            let ty = self.expr(target, None);
            self.expr(value, Some(ty));
            return (self.cx.flow.clone(), self.cx.flow.clone());
        }
        let told = self.diagnostics.len();
        let mut flows = self.cond_kind(expr);
        if !matches!(
            strip(expr).kind,
            ExprKind::Unary { .. } | ExprKind::Chain { .. } | ExprKind::Conditional { .. }
        ) {
            self.doubt_test(expr, told, &mut flows);
        }
        self.facts().types[expr.id.0 as usize] = Ty::BOOL;
        flows
    }

    /// Where a test is mistaken, what it would have told of the locals in it is not known; where a name in it is, of
    /// any local of which nothing is told yet.
    fn doubt_test(&mut self, expr: &Expr, told: usize, flows: &mut (Flow, Flow)) {
        let new = &self.diagnostics[told..];
        if new.iter().all(|d| d.severity != Severity::Error) {
            return;
        }
        let any = new.iter().any(|d| d.code == codes::UNKNOWN_NAME);
        let mut named = Vec::new();
        names_in(Node::Expr(expr), &mut named);
        for local in &self.cx.locals {
            let ty = self.types.resolve(local.ty);
            let may_lack = self.types.nullable_inner(ty).or_else(|| self.types.fallible_inner(ty)).is_some();
            let is_meant =
                |flow: &Flow| named.contains(&local.name) || any && flow.narrowed(local.node).is_none();
            for flow in [&mut flows.0, &mut flows.1] {
                if may_lack && is_meant(flow) {
                    flow.narrow(local.node, Ty::POISON);
                    flow.see(local.node);
                }
            }
        }
    }

    pub(super) fn cond_kind(&mut self, expr: &'a Expr) -> (Flow, Flow) {
        match &expr.kind {
            ExprKind::Paren(inner) => self.cond(inner),
            ExprKind::Bool(true) => (self.cx.flow.clone(), self.cx.flow.ended()),
            ExprKind::Bool(false) => (self.cx.flow.ended(), self.cx.flow.clone()),
            ExprKind::Unary { op: UnaryOp::Not, operand } => {
                let (yes, no) = self.branch(operand);
                (no, yes)
            }
            ExprKind::Chain { first, rest } if matches!(rest[0].op, BinaryOp::And | BinaryOp::Or) => {
                let is_and = rest[0].op == BinaryOp::And;
                let (mut yes, mut no) = self.branch(first);
                for link in rest {
                    let from = if is_and { &mut yes } else { &mut no };
                    self.cx.flow = std::mem::take(from);
                    let (y, n) = self.branch(&link.operand);
                    if is_and {
                        yes = y;
                        no.join(&n);
                    } else {
                        no = n;
                        yes.join(&y);
                    }
                }
                (yes, no)
            }
            ExprKind::Binary { op, op_span, left, right } => self.comparison(*op, *op_span, left, right),
            ExprKind::InstanceOf { operand, pattern } => self.instance_of(operand, pattern),
            ExprKind::Call { callee, args } if args.len() == 1 && self.is_test(callee) => {
                self.expr(expr, None);
                self.test_flows(&args[0].value)
            }
            ExprKind::Conditional { cond, then, else_ } => {
                let (yes, no) = self.cond(cond);
                self.cx.flow = yes;
                let (mut yes, mut no_after) = self.branch(then);
                self.cx.flow = no;
                let (y, n) = self.branch(else_);
                yes.join(&y);
                no_after.join(&n);
                (yes, no_after)
            }
            _ => self.plain_cond(expr),
        }
    }

    /// Says so of the assignment with this `=`.
    pub(super) fn not_a_condition(&mut self, op_span: Span) {
        let report = self
            .diagnostic(codes::CONDITION, op_span, "an assignment is not a condition")
            .help("to compare, write `==`")
            .edit(op_span, "==");
        self.diagnostics.push(report);
    }

    /// A condition that a `?:` chooses, or an operand of `!`, `&&` and `||`: in it, an assignment is meant.
    fn branch(&mut self, expr: &'a Expr) -> (Flow, Flow) {
        match strip(expr).kind {
            ExprKind::Assign { .. } => self.plain_cond(expr),
            _ => self.cond(expr),
        }
    }

    /// A condition of which nothing is known but its value.
    fn plain_cond(&mut self, expr: &'a Expr) -> (Flow, Flow) {
        let ty = self.expr(expr, Some(Ty::BOOL));
        let ty = self.types.resolve(ty);
        if !matches!(ty, Ty::BOOL | Ty::POISON | Ty::NEVER) {
            let shown = self.show(ty);
            if self.types.fallible_inner(ty) == Some(Ty::BOOL)
                || self.types.nullable_inner(ty) == Some(Ty::BOOL)
            {
                self.require(expr, ty, Ty::BOOL);
            } else {
                let mut report = self.diagnostic(
                    codes::CONDITION,
                    expr.span,
                    format!("a condition is a boolean; this is `{shown}`"),
                );
                if ty == Ty::INT {
                    report = report.help("compare it: `!= 0`");
                }
                report = self.offer_call(report, expr, ty);
                self.diagnostics.push(report);
            }
        }
        (self.cx.flow.clone(), self.cx.flow.clone())
    }

    /// Whether a callee is the built-in `isError`.
    pub(super) fn is_test(&self, callee: &Expr) -> bool {
        let ExprKind::Name(name) = callee.kind else { return false };
        self.text(name) == "isError"
            && self.local_index(name).is_none()
            && matches!(lookup(self.defs, self.cx.module, name),
                Found::One(Def::Fn(id)) if self.defs.fns[id.index()].intrinsic.is_some())
    }

    /// The local that a tested operand names, or assigns: `(line = next()) != null`.
    pub(super) fn tested_local(&self, expr: &Expr) -> Option<usize> {
        match &strip(expr).kind {
            ExprKind::Name(name) => self.local_index(*name),
            ExprKind::Assign { op: None, target, .. } => self.tested_local(target),
            _ => None,
        }
    }

    /// `isError(x)`: an Error where it holds, the value where not.
    pub(super) fn test_flows(&mut self, arg: &Expr) -> (Flow, Flow) {
        let (mut yes, mut no) = (self.cx.flow.clone(), self.cx.flow.clone());
        if let Some(index) = self.tested_local(arg) {
            let (node, ty) = (self.cx.locals[index].node, self.cx.locals[index].ty);
            let ty = self.types.resolve(self.cx.flow.narrowed(node).unwrap_or(ty));
            if let Some(inner) = self.types.fallible_inner(ty) {
                let error = self.error_type();
                yes.narrow(node, error);
                if inner != Ty::VOID {
                    no.narrow(node, inner);
                }
            }
        }
        (yes, no)
    }

    /// The type of an operand whose null or error is asked for: a local counts as declared, not as narrowed.
    pub(super) fn whole(&mut self, expr: &'a Expr, expected: Option<Ty>) -> Ty {
        let ty = self.expr(expr, expected);
        let ty = self.types.resolve(ty);
        let mut inner = expr;
        while let ExprKind::Paren(next) = &inner.kind {
            inner = next;
        }
        if let ExprKind::Name(name) = inner.kind
            && let Some(index) = self.local_index(name)
        {
            let declared = self.types.resolve(self.cx.locals[index].ty);
            if self.types.nullable_inner(declared).is_some() || self.types.fallible_inner(declared).is_some()
            {
                self.set_target_types(expr, declared);
                return declared;
            }
        }
        ty
    }

    pub(super) fn comparison(
        &mut self,
        op: BinaryOp,
        op_span: Span,
        left: &'a Expr,
        right: &'a Expr,
    ) -> (Flow, Flow) {
        let is_null = |e: &Expr| matches!(strip(e).kind, ExprKind::Null);
        self.cx.exprs += 1;
        let a = if is_null(right) { self.null_operand(left) } else { self.expr(left, None) };
        let a = self.types.resolve(a);
        // `xs == []`: what the left is helps the right.
        let b = if is_null(left) { self.null_operand(right) } else { self.expr(right, Some(a)) };
        self.cx.exprs -= 1;
        let equality = matches!(op, BinaryOp::Eq | BinaryOp::Ne);
        if equality && (self.types.is_open(a) || self.types.is_open(b)) {
            self.same(a, b);
        }
        let (a, b) = (self.types.resolve(a), self.types.resolve(b));
        let good =
            binary_type(self.types, self.defs, op, a, b).is_some() || equality && self.comparable_above(a, b);
        if !good && a != Ty::NEVER && b != Ty::NEVER {
            self.bad_comparison(op, op_span, (left, a), (right, b));
        }
        let (mut yes, mut no) = (self.cx.flow.clone(), self.cx.flow.clone());
        let tested = if b == Ty::NULL {
            Some(left)
        } else if a == Ty::NULL {
            Some(right)
        } else {
            None
        };
        if let Some(tested) = tested
            && let Some(index) = self.tested_local(tested)
        {
            let (node, ty) = (self.cx.locals[index].node, self.cx.locals[index].ty);
            let ty = self.types.resolve(self.cx.flow.narrowed(node).unwrap_or(ty));
            if let Some(inner) = self.types.nullable_inner(ty) {
                let (null, not_null) =
                    if op == BinaryOp::Eq { (&mut yes, &mut no) } else { (&mut no, &mut yes) };
                not_null.narrow(node, inner);
                // There is no Subprocess to look at.
                null.handle(node);
            }
        }
        (yes, no)
    }

    /// Whether one operand's type is an interface that the other's implements: they may be the same value.
    fn comparable_above(&mut self, a: Ty, b: Ty) -> bool {
        let a = self.types.nullable_inner(a).unwrap_or(a);
        let b = self.types.nullable_inner(b).unwrap_or(b);
        let nominal = |types: &crate::types::Types, ty: Ty| {
            matches!(types.kind(ty), TyKind::Nominal(..) | TyKind::Param(_))
        };
        a != b && nominal(self.types, a) && nominal(self.types, b) && (self.fits(a, b) || self.fits(b, a))
    }

    /// The type of an operand whose error is asked for: a `T!` local counts as declared, also where it is narrowed.
    pub(super) fn whole_failure(&mut self, expr: &'a Expr) -> Ty {
        if let ExprKind::Name(name) = strip(expr).kind
            && let Some(index) = self.local_index(name)
        {
            let declared = self.types.resolve(self.cx.locals[index].ty);
            if self.types.fallible_inner(declared).is_none() {
                let ty = self.expr(expr, None);
                return self.types.resolve(ty);
            }
        }
        self.whole(expr, None)
    }

    /// What is compared with null: a `T?` variable may be, also where it is known not to be null.
    pub(super) fn null_operand(&mut self, expr: &'a Expr) -> Ty {
        let pending = self.pending_local(expr);
        let narrowed = self.expr(expr, None);
        let narrowed = self.types.resolve(narrowed);
        if let Some((local, at)) = pending {
            self.keep_pending(local, at);
        }
        if self.types.nullable_inner(narrowed).is_some() || self.types.fallible_inner(narrowed).is_some() {
            return narrowed;
        }
        let ExprKind::Name(name) = strip(expr).kind else { return narrowed };
        let Some(index) = self.local_index(name) else { return narrowed };
        // Of a `T?!` no error is left where it is known to be a `T`.
        let declared = self.types.resolve(self.cx.locals[index].ty);
        let declared = self.types.fallible_inner(declared).unwrap_or(declared);
        if self.types.nullable_inner(declared).is_some() {
            self.set_target_types(expr, declared);
            return declared;
        }
        narrowed
    }

    pub(super) fn bad_comparison(&mut self, op: BinaryOp, span: Span, left: (&Expr, Ty), right: (&Expr, Ty)) {
        let (a, b) = (self.show(left.1), self.show(right.1));
        let sign = symbol(op);
        if !matches!(op, BinaryOp::Eq | BinaryOp::Ne) {
            if self.is_string(left.1) && self.is_string(right.1) {
                let report = self
                    .diagnostic(codes::OPERATOR, span, format!("`{sign}` does not fit Strings"))
                    .help(format!("write `a.compareTo(b) {sign} 0`"));
                self.diagnostics.push(report);
                return;
            }
            self.bad_operands(op, span, left, right);
            return;
        }
        let is_null = |ty: Ty| ty == Ty::NULL;
        for (one, other) in [(left, right), (right, left)] {
            if is_null(other.1) && self.types.fallible_inner(one.1).is_some() {
                self.failure_first(one.0, one.1);
                return;
            }
        }
        let report = if left.1 == Ty::NULL || right.1 == Ty::NULL {
            let other = if left.1 == Ty::NULL { b } else { a };
            self.diagnostic(codes::NO_EQUALITY, span, format!("a `{other}` is never null"))
        } else {
            self.diagnostic(
                codes::NO_EQUALITY,
                span,
                format!("`{a}` and `{b}` cannot be compared by `{sign}`"),
            )
        };
        self.diagnostics.push(report);
    }
}

fn names_in(node: Node<'_>, names: &mut Vec<Symbol>) {
    if let Node::Expr(Expr { kind: ExprKind::Name(name), .. }) = node {
        names.push(*name);
    }
    node.children(&mut |child| names_in(child, names));
}

/// Whether it is a value that no boolean is.
pub(super) fn literal_without_truth(expr: &Expr) -> bool {
    use ExprKind::*;
    matches!(strip(expr).kind, Null | Int(_) | Double(_) | Char(_) | Duration(_) | Str(_))
}
