//! Statements: scopes, jumps out of a body, and what is known after each.

use super::flow::Flow;
use super::ops::holds_failures;
use super::{Checker, Handling, Jump, JumpKind, Local};
use crate::facts::Target;
use crate::types::{Ty, TyKind};
use dscript_grammar::ast::{self, ExprKind, Stmt, StmtKind};
use dscript_grammar::codes;
use dscript_grammar::diagnostic::Diagnostic;
use dscript_grammar::span::{NodeId, Span};
use dscript_grammar::walk::Node;

impl<'a> Checker<'a, '_> {
    pub(super) fn block(&mut self, block: &'a ast::Block) {
        self.open_scope();
        self.stmts(&block.stmts);
        self.close_scope();
    }

    pub(super) fn stmts(&mut self, stmts: &'a [Stmt]) {
        let mut told = false;
        let mut asserted = None;
        for (index, stmt) in stmts.iter().enumerate() {
            let idle = matches!(stmt.kind, StmtKind::Empty | StmtKind::Error | StmtKind::Item(_));
            if let Some(flow) = asserted.take() {
                self.cx.flow = flow;
            }
            if self.cx.flow.dead && !told && !idle {
                told = true;
                if !self.cx.flow.doubted {
                    let mut report =
                        self.diagnostic(codes::UNREACHABLE, stmt.span, "this statement is never reached");
                    if let Some((at, why)) = index.checked_sub(1).and_then(|before| way_out(&stmts[before])) {
                        report = report.label(at, why);
                    }
                    self.diagnostics.push(report);
                }
            }
            if told {
                // What follows is looked at for its own mistakes, as if it were reached.
                self.cx.flow.dead = false;
            }
            self.stmt(stmt);
            asserted = self.cx.asserted.take();
            if told {
                self.cx.flow.dead = true;
            }
        }
        self.cx.asserted = asserted;
    }

    fn stmt(&mut self, stmt: &'a Stmt) {
        self.stmt_kind(stmt);
        if !matches!(stmt.kind, StmtKind::Assert { .. } | StmtKind::If { .. } | StmtKind::Block(_)) {
            self.cx.asserted = None;
        }
        if self.cx.exprs == 0 {
            self.settle(0);
        }
    }

    fn stmt_kind(&mut self, stmt: &'a Stmt) {
        match &stmt.kind {
            StmtKind::Local(local) => self.local(local),
            StmtKind::Expr(expr) => self.expr_stmt(expr),
            StmtKind::If { cond, then, else_ } => {
                let before = self.cx.flow.clone();
                let (mut yes, mut no) = self.cond(cond);
                // As in Java, a constant condition makes nothing unreachable: it switches code on and off.
                match (yes.dead, no.dead) {
                    (true, false) => yes = before.with_patterns_of(&yes),
                    (false, true) => no = before.with_patterns_of(&no),
                    _ => {}
                }
                self.no_body(then, "if", true);
                if let Some(else_) = else_ {
                    self.no_body(else_, "else", true);
                }
                self.cx.flow = yes;
                self.cx.asserted = None;
                self.scoped(then);
                let after_then = std::mem::replace(&mut self.cx.flow, no);
                let asserted = self.cx.asserted.take();
                if let Some(else_) = else_ {
                    self.scoped(else_);
                }
                self.cx.flow.join(&after_then);
                // Behind branches that all end, what is there is reached as far as Java knows.
                let asserted = [asserted, self.cx.asserted.take()].into_iter().flatten();
                self.cx.asserted = asserted.filter(|_| self.cx.flow.dead).reduce(|mut all, other| {
                    all.join(&other);
                    all
                });
            }
            StmtKind::While { cond, body } => {
                self.no_body(body, "while", false);
                self.while_loop(None, cond, body);
            }
            StmtKind::DoWhile { body, cond } => self.do_while(None, body, cond),
            StmtKind::For { body, .. } | StmtKind::ForEach { body, .. } => {
                self.no_body(body, "for", false);
                self.for_loop(None, stmt);
            }
            StmtKind::Labeled { label, body } => match &body.kind {
                StmtKind::While { cond, body } => self.while_loop(Some(*label), cond, body),
                StmtKind::DoWhile { body, cond } => self.do_while(Some(*label), body, cond),
                StmtKind::For { .. } | StmtKind::ForEach { .. } => self.for_loop(Some(*label), body),
                StmtKind::Every { period, body: block } => self.every(Some(*label), body.span, period, block),
                _ => {
                    self.error(codes::NO_LOOP, label.span, "a label may stand only before a loop");
                    self.labelled(*label, body);
                }
            },
            StmtKind::Break(label) => self.jump(stmt.span, label.as_ref(), true),
            StmtKind::Continue(label) => self.jump(stmt.span, label.as_ref(), false),
            StmtKind::Return(value) => self.return_stmt(stmt.span, value.as_ref()),
            StmtKind::Block(block) => self.block(block),
            StmtKind::Assert { cond, message } => {
                let (yes, no) = self.cond(cond);
                self.cx.flow = no;
                let failed = self.cx.flow.clone();
                if let Some(message) = message {
                    self.text_operand(message);
                }
                self.cx.flow = yes;
                if self.cx.flow.dead && !failed.dead {
                    // `assert false;` ends a path, and what stands behind it is not a mistake: Java reaches it.
                    self.cx.asserted = Some(failed);
                }
            }
            StmtKind::Fail(value) => {
                self.fail(stmt.span, value);
            }
            StmtKind::Switch(switch) => self.switch_stmt(switch),
            StmtKind::Yield(value) => self.yield_stmt(stmt.span, value),
            StmtKind::Every { period, body } => self.every(None, stmt.span, period, body),
            StmtKind::Within { limit, body, else_ } => self.within(stmt.span, limit, body, else_.as_deref()),
            StmtKind::Retry { times, pause, body, else_ } => {
                self.retry(stmt.span, times, pause, body, else_.as_deref());
            }
            StmtKind::Given { target, answers } => self.given(stmt, target, answers),
            StmtKind::Verify { target, times, with } => self.verify(stmt, target, times, with.as_deref()),
            StmtKind::Item(item) => {
                self.error(
                    codes::SYNTAX,
                    item.span,
                    "types and functions are declared at the top level of a module",
                );
            }
            StmtKind::Error => self.unread(),
            StmtKind::Empty => {}
        }
    }

    /// `if (c);`: what stands behind it always runs. A loop may do all its work in its head, where no block follows.
    fn no_body(&mut self, body: &Stmt, word: &str, always: bool) {
        let is_written = body.span.end > body.span.start;
        if !matches!(body.kind, StmtKind::Empty) || !is_written {
            return;
        }
        let (before, behind) = self.map.get(self.file()).text().split_at(body.span.end as usize);
        let follows = behind.trim_start().starts_with('{');
        if !(always || follows) {
            return;
        }
        let spaced = before.trim_end_matches(';').ends_with(char::is_whitespace);
        let message = format!("the `{word}` ends at this `;`: what stands behind it is no part of it");
        let report = self.diagnostic(codes::SYNTAX, body.span, message);
        let report = match follows {
            true => report.edit(body.span, ""),
            false => report
                .help("a block without statements says that nothing is to be done")
                .edit(body.span, if spaced { "{ }" } else { " { }" }),
        };
        self.diagnostics.push(report);
    }

    /// A statement that is no loop and has a label all the same: a `break` in it may name the label.
    fn labelled(&mut self, label: ast::Ident, body: &'a Stmt) {
        self.cx.jumps.push(Jump {
            label: Some(label),
            breaks: Flow::dead(),
            has_break: false,
            head: Flow::dead(),
            continues: Flow::dead(),
            locals: self.cx.locals.len(),
            kind: JumpKind::Labelled,
            began: self.now(),
        });
        self.stmt(body);
        if let Some(jump) = self.cx.jumps.pop() {
            self.cx.flow.join(&jump.breaks);
        }
    }

    /// A statement that could not be read: it may have given every variable its value, and looked at each.
    fn unread(&mut self) {
        for index in 0..self.cx.locals.len() {
            let local = &mut self.cx.locals[index];
            local.read = true;
            let (node, is_pattern) = (local.node, local.is_pattern);
            if !is_pattern {
                self.cx.flow.assign(node);
            }
            self.look_at(node);
        }
    }

    /// A statement that is a scope of its own.
    pub(super) fn scoped(&mut self, stmt: &'a Stmt) {
        self.open_scope();
        self.stmt(stmt);
        self.close_scope();
    }

    /// `retrun x;` is read as the declaration of an `x` of type `retrun`.
    fn misspelt_word(&mut self, local: &ast::Local) -> bool {
        let (Some(ty), [var]) = (&local.ty, &local.vars[..]) else { return false };
        let ast::TypeExprKind::Named { name, args } = &ty.kind else { return false };
        let is_type = !matches!(
            crate::names::lookup(self.defs, self.cx.module, name.name),
            crate::names::Found::Nothing
        );
        if is_type || !args.is_empty() || var.init.is_some() || self.local_index(var.name.name).is_none() {
            return false;
        }
        let text = self.text(name.name);
        let words = ["return", "break", "continue", "yield", "fail"];
        let Some(near) = crate::names::suggest(text, words.into_iter()) else { return false };
        let report = self
            .diagnostic(codes::UNKNOWN_NAME, name.span, format!("there is no `{text}` here"))
            .help(format!("did you mean `{near}`?"))
            .edit(name.span, near);
        self.diagnostics.push(report);
        true
    }

    fn local(&mut self, local: &'a ast::Local) {
        if self.misspelt_word(local) {
            self.unread();
            // Each of these words leaves.
            self.cx.flow.dead = true;
            self.cx.flow.doubted = true;
            return;
        }
        let declared = local.ty.as_ref().map(|ty| self.type_expr(ty));
        for var in &local.vars {
            let ty = match (declared, &var.init) {
                (Some(ty), Some(init)) => {
                    let found = self.expr_to(init, ty);
                    self.declare_var(local, var, ty, true);
                    self.narrow_on_assign(var.id, ty, found);
                    self.start_pending(var.id, ty, init, var.name.span);
                    self.start_unseen(var.id, ty, found, var.name.span);
                    continue;
                }
                (Some(ty), None) => ty,
                (None, Some(init)) => {
                    let ty = self.expr(init, None);
                    let ty = self.types.resolve(ty);
                    let ty = self.inferable(init, ty);
                    self.declare_var(local, var, ty, true);
                    self.start_pending(var.id, ty, init, var.name.span);
                    self.start_unseen(var.id, ty, ty, var.name.span);
                    continue;
                }
                (None, None) => self.error(
                    codes::CANNOT_INFER,
                    var.name.span,
                    "`var` needs a value to take its type from",
                ),
            };
            self.declare_var(local, var, ty, false);
        }
    }

    fn declare_var(&mut self, local: &ast::Local, var: &ast::LocalVar, ty: Ty, has_value: bool) {
        self.declare(Local {
            name: var.name.name,
            node: var.id,
            span: var.name.span,
            ty,
            is_final: local.final_,
            assigned: u32::from(has_value),
            read: false,
            read_at: 0,
            depth: 0,
            is_pattern: false,
            assigned_at: var.name.span,
            handling: Handling::default(),
        });
        if !has_value && ty != Ty::POISON {
            self.cx.flow.declare_unassigned(var.id);
        }
    }

    /// A local that holds what may be a failure owes it a look before the next one.
    pub(super) fn start_unseen(&mut self, local: NodeId, declared: Ty, found: Ty, at: Span) {
        if !self.may_be_failure(declared) {
            return;
        }
        let found = self.types.resolve(found);
        let fallible = self.may_be_failure(found);
        if fallible {
            self.cx.flow.set_unseen(local);
        }
        self.start_owed(local, fallible.then_some(at));
    }

    /// A local that takes over a started Subprocess owes it a look.
    pub(super) fn start_pending(&mut self, local: NodeId, ty: Ty, value: &ast::Expr, at: Span) {
        let ty = self.types.nullable_inner(ty).unwrap_or(ty);
        if !self.is_subprocess(ty) || !self.starts(value) {
            return;
        }
        self.cx.flow.set_pending(local, at);
        if let Some(local) = self.cx.locals.iter_mut().rev().find(|l| l.node == local) {
            local.handling = Handling { told: local.handling.told, ..Handling::default() };
        }
    }

    /// Whether a value of type Subprocess may be one that was started here: held ones have a name, or lie in something.
    fn starts(&self, value: &ast::Expr) -> bool {
        match &strip(value).kind {
            ExprKind::Call { .. } => {
                let fact = self.facts[self.cx.module.index()].calls.get(&strip(value).id);
                match fact.map(|fact| &fact.target) {
                    Some(Target::Fn(id) | Target::Method(id)) => self.defs.fns[id.index()].is_lowlevel,
                    _ => true,
                }
            }
            ExprKind::Try(inner) => self.starts(inner),
            ExprKind::Coalesce { left, right } => self.starts(left) || self.starts(right),
            ExprKind::Conditional { then, else_, .. } => self.starts(then) || self.starts(else_),
            ExprKind::Switch(switch) => switch.arms.iter().any(|arm| match &arm.body {
                ast::ArmBody::Expr(body) => self.starts(body),
                ast::ArmBody::Block(block) => self.yields_started(Node::Block(block)),
            }),
            _ => false,
        }
    }

    /// Whether an arm of a switch gives a Subprocess that was started here.
    fn yields_started(&self, node: Node<'_>) -> bool {
        let mut any = false;
        node.children(&mut |child| {
            any |= match child {
                Node::Stmt(Stmt { kind: StmtKind::Yield(value), .. }) => self.starts(value),
                // In it, a `yield` is another switch's.
                Node::Expr(_) => false,
                child => self.yields_started(child),
            }
        });
        any
    }

    /// A type that a `var` may have.
    fn inferable(&mut self, init: &ast::Expr, ty: Ty) -> Ty {
        let open = self.types.is_open(ty);
        let what = match self.types.kind(ty) {
            TyKind::Void => "a call that gives nothing",
            TyKind::Null => "`null`",
            TyKind::Range => "a range",
            TyKind::Class(_) => "a type",
            _ if open => "this",
            _ => return ty,
        };
        self.error(codes::CANNOT_INFER, init.span, format!("`var` cannot take its type from {what}"))
    }

    pub(super) fn expr_stmt(&mut self, expr: &'a ast::Expr) {
        if self.for_effect(expr) == Ty::NEVER {
            self.leave_body(expr.span);
        }
    }

    /// An expression whose value nobody takes: it may hold no failure, and no Subprocess.
    pub(super) fn for_effect(&mut self, expr: &'a ast::Expr) -> Ty {
        let ty = self.expr(expr, None);
        let ty = self.types.resolve(ty);
        // What is stored is not dropped.
        let stored = matches!(strip(expr).kind, ExprKind::Assign { .. });
        if self.types.fallible_inner(ty).is_some() && !stored {
            let message = "a failure is overlooked: this result may be an error";
            let report = self.diagnostic(codes::UNHANDLED, expr.span, message).help(
                "hand it on with `try`, test it with `isError`, replace it with `??`, or `ignore(...)` it",
            );
            let report = self.offer_handling(report, expr);
            self.diagnostics.push(report);
            return ty;
        }
        let is_call = matches!(strip(expr).kind, ExprKind::Call { .. });
        if is_call {
            self.overlooks(ty, expr.span);
        }
        if is_call && !self.is_subprocess(ty) && holds_failures(self.types, self.defs, ty) {
            let report = self
                .diagnostic(
                    codes::UNHANDLED,
                    expr.span,
                    "a failure is overlooked: these results may be errors",
                )
                .help("keep them and look at each, or `ignore(...)` them all");
            self.diagnostics.push(report);
            return ty;
        }
        if self.is_subprocess(ty) && is_call && self.starts(expr) {
            let report = self
                .diagnostic(
                    codes::SUBPROCESS,
                    expr.span,
                    "nobody looks at the Subprocess that is started here",
                )
                .help("keep it in a variable and test it with `isError`, wait for it, or `ignore(...)` it");
            self.diagnostics.push(report);
            return ty;
        }
        if !matches!(ty, Ty::VOID | Ty::NEVER)
            && matches!(strip(expr).kind, ExprKind::Call { .. } | ExprKind::New { .. })
        {
            self.dropped(expr);
        }
        ty
    }

    /// A dropped failure is handed on where that is possible, else it must be said that it does not matter.
    pub(super) fn offer_handling(&mut self, report: Diagnostic, expr: &ast::Expr) -> Diagnostic {
        if self.can_fail() {
            return self.with_try(report, expr);
        }
        let (start, end) =
            (Span::new(expr.span.start, expr.span.start), Span::new(expr.span.end, expr.span.end));
        report.edit(start, "ignore(").edit(end, ")")
    }
}

/// What of a statement keeps the next from being reached, and why.
fn way_out(stmt: &Stmt) -> Option<(Span, &'static str)> {
    let word = |len| head(stmt.span, len);
    Some(match &stmt.kind {
        StmtKind::Return(_) => (word(6), "this leaves the function"),
        StmtKind::Break(_) => (word(5), "this leaves the loop"),
        StmtKind::Continue(_) => (word(8), "this goes on with the next round"),
        StmtKind::Yield(_) => (word(5), "this gives the value of the arm"),
        StmtKind::Fail(_) => (word(4), "this ends the function"),
        StmtKind::While { .. } => (word(5), "this never ends: nothing breaks out of it"),
        StmtKind::DoWhile { .. } => (word(2), "this never ends: nothing breaks out of it"),
        StmtKind::For { .. } => (word(3), "this never ends: nothing breaks out of it"),
        StmtKind::Every { .. } => (word(5), "this never ends: nothing breaks out of it"),
        StmtKind::If { .. } => (word(2), "every way through this leaves"),
        StmtKind::Switch(_) => (word(6), "every way through this leaves"),
        StmtKind::Within { .. } => (word(6), "every way through this leaves"),
        StmtKind::Retry { .. } => (word(5), "every way through this leaves"),
        StmtKind::Block(_) => (word(1), "every way through this leaves"),
        _ => return None,
    })
}

/// The first `len` bytes of a span: the word a statement begins with.
pub(super) fn head(span: Span, len: u32) -> Span {
    Span::new(span.start, (span.start + len).min(span.end))
}

/// Without parentheses.
pub fn strip(expr: &ast::Expr) -> &ast::Expr {
    match &expr.kind {
        ExprKind::Paren(inner) => strip(inner),
        _ => expr,
    }
}

/// Visits the direct operands of an expression, lambdas' bodies excepted.
pub(crate) fn each_child<'e>(expr: &'e ast::Expr, f: &mut dyn FnMut(&'e ast::Expr)) {
    match &expr.kind {
        ExprKind::Str(parts) => {
            for part in parts {
                if let ast::StrPart::Expr(e) = part {
                    f(e);
                }
            }
        }
        ExprKind::Paren(e)
        | ExprKind::Try(e)
        | ExprKind::Fail(e)
        | ExprKind::Field { receiver: e, .. }
        | ExprKind::Unary { operand: e, .. }
        | ExprKind::Cast { operand: e, .. }
        | ExprKind::Step { target: e, .. }
        | ExprKind::InstanceOf { operand: e, .. } => f(e),
        ExprKind::Index { receiver, index } => {
            f(receiver);
            f(index);
        }
        ExprKind::Call { callee, args } => {
            f(callee);
            args.iter().for_each(|a| f(&a.value));
        }
        ExprKind::New { args, .. } | ExprKind::ScenarioRef { args, .. } => {
            args.iter().for_each(|a| f(&a.value))
        }
        ExprKind::Binary { left, right, .. }
        | ExprKind::Coalesce { left, right }
        | ExprKind::Range { low: left, high: right } => {
            f(left);
            f(right);
        }
        ExprKind::Chain { first, rest } => {
            f(first);
            rest.iter().for_each(|link| f(&link.operand));
        }
        ExprKind::Assign { target, value, .. } => {
            f(target);
            f(value);
        }
        ExprKind::Conditional { cond, then, else_ } => {
            f(cond);
            f(then);
            f(else_);
        }
        ExprKind::List(items) => items.iter().for_each(f),
        ExprKind::Map(entries) => entries.iter().for_each(|(k, v)| {
            f(k);
            f(v);
        }),
        ExprKind::Switch(switch) => f(&switch.subject),
        ExprKind::Int(_)
        | ExprKind::Double(_)
        | ExprKind::Bool(_)
        | ExprKind::Null
        | ExprKind::Char(_)
        | ExprKind::Duration(_)
        | ExprKind::Name(_)
        | ExprKind::This
        | ExprKind::Lambda(_)
        | ExprKind::ClassOf(_)
        | ExprKind::Error => {}
    }
}
