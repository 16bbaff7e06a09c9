//! Locals from their declaration to the end of their scope: whether they are read, and what is owed for a failure they
//! may hold.

use super::{Checker, Handling, Local, Moment, Owed, ops};
use crate::types::Ty;
use dscript_grammar::diagnostic::Diagnostic;
use dscript_grammar::span::{NodeId, Span, Symbol};
use dscript_grammar::{ast, codes};

impl<'a, 'c> Checker<'a, 'c> {
    pub(super) fn declare(&mut self, local: Local) {
        let node = local.node;
        let ty = local.ty;
        let clash = self.local_index(local.name).map(|index| &self.cx.locals[index]);
        if let Some(first) = clash {
            let text = format!("the variable `{}` is declared twice here", self.interner.name(local.name));
            let report =
                self.diagnostic(codes::DUPLICATE, local.span, text).label(first.span, "first declared here");
            self.diagnostics.push(report);
        }
        if local.assigned > 0 {
            self.cx.flow.assign(node);
        }
        self.bring_in(Local { depth: self.cx.lambdas.len() as u32, ..local });
        self.facts().locals.insert(node, ty);
    }

    /// Has the innermost scope know a local.
    pub(super) fn bring_in(&mut self, local: Local) {
        self.cx.by_name.entry(local.name).or_default().push(self.cx.locals.len());
        self.cx.locals.push(local);
    }

    pub(super) fn open_scope(&mut self) {
        self.cx.scopes.push(self.cx.locals.len());
    }

    pub(super) fn close_scope(&mut self) {
        let start = self.cx.scopes.pop().unwrap_or(0);
        let closed = self.cx.locals.split_off(start);
        for local in &closed {
            if let Some(places) = self.cx.by_name.get_mut(&local.name) {
                places.pop();
            }
        }
        for local in closed {
            self.cx.closed.insert(local.name, (local.span, local.is_pattern));
            if !self.cx.flow.dead {
                self.report_pending(&local, None);
            }
            self.cx.flow.handle(local.node);
            self.cx.assigned.insert(local.node, (local.assigned, local.assigned_at));
            if self.may_be_failure(local.ty) {
                match local.read {
                    true => self.report_owed(&local),
                    false => self.report_unread(&local, false),
                }
            } else if !local.read
                && !self.is_subprocess(local.ty)
                && ops::holds_failures(self.types, self.defs, local.ty)
            {
                self.report_unread(&local, true);
            } else if !local.read {
                self.overlooks(local.ty, local.span);
            }
        }
    }

    /// Nobody has read a local that may hold a failure, or several.
    fn report_unread(&mut self, local: &Local, several: bool) {
        if self.overlooks_local(local, local.span) {
            return;
        }
        let name = self.text(local.name);
        let (message, help) = match several {
            false => (
                format!("the failure that `{name}` may hold is never looked at"),
                format!("test it with `isError({name})`, or say that it does not matter: `ignore({name})`"),
            ),
            true => (
                format!("the failures that `{name}` may hold are never looked at"),
                format!("test each with `isError`, or say that they do not matter: `ignore({name})`"),
            ),
        };
        let report = self.diagnostic(codes::UNHANDLED, local.span, message).help(help);
        self.diagnostics.push(report);
    }

    /// A local ends: every failure it got must have been looked at on some way.
    fn report_owed(&mut self, local: &Local) {
        let name = self.text(local.name);
        if self.cx.function.is_some() {
            let owed = self.cx.owed.iter().filter(|o| o.local == local.node && !o.seen).map(|o| o.at);
            let owed: Vec<Span> = owed.collect();
            if owed.into_iter().any(|at| self.overlooks_local(local, at)) {
                return;
            }
        }
        for owed in self.cx.owed.iter_mut().filter(|o| o.local == local.node && !o.seen) {
            let message = format!("the failure that `{name}` may hold from here on is never looked at");
            let file = self.defs.modules[self.cx.module.index()].file;
            let report = Diagnostic::error(codes::UNHANDLED, file, owed.at, message).help(format!(
                "test it with `isError({name})` behind this, or say that it does not matter: `ignore({name})`"
            ));
            self.diagnostics.push(report);
            owed.seen = true;
        }
    }

    /// A local gets a value; one that may be a failure is owed a look.
    pub(super) fn start_owed(&mut self, local: NodeId, at: Option<Span>) {
        let new = at.map(|at| {
            self.cx.owed.push(Owed { local, at, seen: false });
            self.cx.owed.len() as u32 - 1
        });
        let owed = &self.cx.owed;
        self.cx.flow.owe(new, |old| owed[old as usize].local == local && Some(old) != new);
    }

    /// Somebody looks at what a local holds.
    pub(super) fn look_at(&mut self, local: NodeId) {
        self.cx.flow.handle(local);
        self.cx.flow.see(local);
        for &owed in self.cx.flow.owed() {
            let owed = &mut self.cx.owed[owed as usize];
            owed.seen |= owed.local == local;
        }
    }

    pub(super) fn now(&self) -> Moment {
        Moment { owed: self.cx.owed.len(), reads: self.cx.reads }
    }

    /// What locals got since `got` may have come to where they were read since `read`, though that stands before it.
    pub(super) fn came_round(&mut self, got: Moment, read: Moment) {
        for owed in self.cx.owed[got.owed..].iter_mut().filter(|o| !o.seen) {
            let mut locals = self.cx.locals.iter();
            owed.seen = locals.any(|l| l.node == owed.local && l.read_at > read.reads);
        }
    }

    /// A local is left, by the scope's end or by the `exit`: if a Subprocess in it is still to be looked at, it is told.
    fn report_pending(&mut self, local: &Local, exit: Option<Span>) {
        let Some(at) = self.cx.flow.pending_at(local.node) else { return };
        self.cx.flow.handle(local.node);
        if local.handling.told {
            return;
        }
        let name = self.text(local.name);
        let some_path = if exit.is_some() || local.handling.looks > 0 { " on some path" } else { "" };
        let message = format!("nobody looks at the Subprocess `{name}`{some_path}");
        let mut help =
            format!("test it with `isError({name})`, wait for it, store or return it, or `ignore({name})`");
        if let Some(called) = local.handling.called {
            help.push_str(&format!("; `{}` alone is no look at it", self.text(called)));
        }
        let mut report = self.diagnostic(codes::SUBPROCESS, at, message).help(help);
        if let Some(exit) = exit {
            report = report.label(exit, "nobody has looked at it on the way out here");
        }
        self.diagnostics.push(report);
        if let Some(local) = self.cx.locals.iter_mut().find(|l| l.node == local.node) {
            local.handling.told = true;
        }
    }

    /// `return` leaves all scopes: what is pending then will stay so.
    pub(super) fn leave_body(&mut self, exit: Span) {
        self.report_left(0, exit);
        self.cx.flow = self.cx.flow.ended();
    }

    /// A failure that comes from elsewhere may leave from here. One that ends a D-Task leaves nothing behind: the task
    /// stops with what it started.
    pub(super) fn may_leave_failed(&mut self, exit: Span) {
        if !(self.cx.is_task && self.cx.retries.is_empty()) {
            self.leave_failed(exit);
        }
    }

    /// A failure leaves from here, to the innermost `retry` or out of the body.
    pub(super) fn leave_failed(&mut self, exit: Span) {
        self.report_left(self.cx.retries.last().map_or(0, |retry| retry.locals), exit);
        if let Some(retry) = self.cx.retries.last_mut() {
            retry.fails.join(&self.cx.flow);
        }
    }

    /// A way leaves the scopes of the locals from this place on.
    pub(super) fn report_left(&mut self, from: usize, exit: Span) {
        if self.cx.flow.pending().is_empty() {
            return;
        }
        let depth = self.cx.lambdas.len() as u32;
        let inside = self.cx.locals[from.min(self.cx.locals.len())..].iter();
        let left: Vec<Local> = inside.filter(|l| l.depth == depth).cloned().collect();
        for local in left {
            self.report_pending(&local, Some(exit));
        }
    }

    /// A local that begins with a value: a parameter, a pattern's variable, what a loop walks.
    pub(super) fn bind(&mut self, node: NodeId, name: ast::Ident, ty: Ty) {
        self.bind_as(node, name, ty, false, false);
    }

    /// Who is handed a failure looks at it: the local declared last.
    pub(super) fn expects_a_look(&mut self) {
        if let Some(local) = self.cx.locals.last_mut() {
            let (node, ty) = (local.node, self.types.resolve(local.ty));
            let looks = self.may_be_failure(ty);
            if let Some(local) = self.cx.locals.last_mut().filter(|l| l.node == node) {
                local.read = !looks;
            }
        }
    }

    pub(super) fn bind_as(
        &mut self,
        node: NodeId,
        name: ast::Ident,
        ty: Ty,
        is_final: bool,
        is_pattern: bool,
    ) {
        if is_pattern {
            self.cx.flow.match_pattern(node);
        }
        self.declare(Local {
            name: name.name,
            node,
            span: name.span,
            ty,
            is_final,
            assigned: 1,
            read: true,
            read_at: 0,
            depth: 0,
            is_pattern,
            assigned_at: name.span,
            handling: Handling::default(),
        });
    }

    pub(super) fn local_index(&self, name: Symbol) -> Option<usize> {
        let places = self.cx.by_name.get(&name)?;
        places.iter().rev().copied().find(|&index| {
            let local = &self.cx.locals[index];
            !local.is_pattern || self.cx.flow.is_matched(local.node)
        })
    }

    pub(super) fn judge_captures(&mut self) {
        for (node, span) in std::mem::take(&mut self.cx.captured) {
            let Some(&(count, last)) = self.cx.assigned.get(&node) else { continue };
            if count > 1 {
                let report = self
                    .diagnostic(
                        codes::CAPTURE,
                        span,
                        "a lambda may only use variables that are assigned once",
                    )
                    .label(last, "this one is assigned again here")
                    .help("copy it into a new variable before the lambda");
                self.diagnostics.push(report);
            }
        }
    }
}
