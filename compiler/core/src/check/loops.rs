//! Loops and the jumps in them: what is known at their heads, in every round, and behind them. `within` and `retry` run
//! their blocks under conditions of their own.

use super::flow::Flow;
use super::stmt::head;
use super::{Checker, Jump, JumpKind, Local, Retry, field_node};
use crate::types::Ty;
use dscript_grammar::ast::{self, Stmt, StmtKind};
use dscript_grammar::codes;
use dscript_grammar::span::{NodeId, Span};

impl<'a> Checker<'a, '_> {
    pub(super) fn enter_loop(&mut self, label: Option<ast::Ident>) {
        if let Some(label) = label
            && let Some(outer) = self.cx.jumps.iter().filter_map(|j| j.label).find(|l| l.name == label.name)
        {
            let message = format!("a loop around this one has the label `{}` too", self.text(label.name));
            let report = self
                .diagnostic(codes::DUPLICATE, label.span, message)
                .label(outer.span, "first declared here");
            self.diagnostics.push(report);
        }
        let locals = self.cx.locals.len();
        self.cx.jumps.push(Jump {
            label,
            breaks: Flow::dead(),
            has_break: false,
            head: self.cx.flow.clone(),
            continues: Flow::dead(),
            locals,
            kind: JumpKind::Loop,
            began: self.now(),
        });
    }

    /// The end of a loop's body, where `continue` goes on as well: what the body has assigned, it may assign again.
    pub(super) fn end_round(&mut self) {
        let Some(jump) = self.cx.jumps.last_mut() else { return };
        let continues = std::mem::replace(&mut jump.continues, Flow::dead());
        let (locals, head) = (jump.locals, jump.head.clone());
        self.cx.flow.join(&continues);
        let end = self.cx.flow.clone();
        self.assigned_again(locals, &head, &end, "is final, and a loop assigns it in every round");
    }

    /// What gets its value between `head` and `back`, which leads there again, gets it more than once.
    /// Speaks of the `locals` that stand before both.
    pub(super) fn assigned_again(&mut self, locals: usize, head: &Flow, back: &Flow, what: &str) {
        if back.dead {
            return;
        }
        let again = |node| back.may_be_assigned(node) && !head.may_be_assigned(node);
        let mut finals = Vec::new();
        for local in self.cx.locals.iter_mut().take(locals).filter(|local| again(local.node)) {
            local.assigned += 1;
            if local.is_final {
                finals.push((local.name, local.assigned_at, local.span));
            }
        }
        for (index, field) in self.constructed().iter().enumerate() {
            let node = field_node(index as u32);
            if field.is_final
                && again(node)
                && let Some(&(_, span)) = self.cx.assigned.get(&node)
            {
                finals.push((field.name, span, field.span));
            }
        }
        for (name, span, declared) in finals {
            let message = format!("`{}` {what}", self.text(name));
            let report = self.diagnostic(codes::FINAL, span, message).label(declared, "declared here");
            self.diagnostics.push(report);
        }
    }

    /// A loop whose condition is constantly false has a body that is never reached.
    fn never_entered(&mut self, reached: bool, mut yes: Flow, body: &Stmt) -> Flow {
        if reached && yes.dead {
            self.error(codes::UNREACHABLE, body.span, "this statement is never reached");
            yes = self.cx.flow.clone().with_patterns_of(&yes);
        }
        yes
    }

    /// Goes on behind a loop, from where its condition does not hold; gives what is known at the end of a round.
    pub(super) fn leave_loop(&mut self, after: Flow) -> Flow {
        let back = std::mem::replace(&mut self.cx.flow, after);
        if let Some(jump) = self.cx.jumps.pop() {
            self.came_round(jump.began, jump.began);
            if jump.has_break {
                self.cx.flow.join(&jump.breaks);
            }
        }
        back
    }

    pub(super) fn while_loop(&mut self, label: Option<ast::Ident>, cond: &'a ast::Expr, body: &'a Stmt) {
        self.rounds(body.span, |checker| {
            checker.enter_loop(label);
            let reached = !checker.cx.flow.dead;
            let (yes, no, asked) = checker.loop_cond(cond);
            checker.cx.flow = checker.never_entered(reached, yes, body);
            checker.scoped(body);
            checker.end_round();
            let no = checker.after_rounds(no, &asked);
            checker.leave_loop(no)
        });
    }

    /// As `cond`; tells also what the condition assigns.
    fn loop_cond(&mut self, cond: &'a ast::Expr) -> (Flow, Flow, Vec<NodeId>) {
        let from = self.cx.assigns.len();
        let (yes, no) = self.cond(cond);
        (yes, no, self.cx.assigns[from..].to_vec())
    }

    /// What is known where a condition ends a loop: it may have been asked after the round that ends here.
    fn after_rounds(&self, mut no: Flow, asked: &[NodeId]) -> Flow {
        let (owed, back) = (&self.cx.owed, &self.cx.flow);
        if !no.dead && !back.dead {
            let came = back.owed().iter().copied();
            no.may_owe(came.filter(|&o| !asked.contains(&owed[o as usize].local)));
        }
        no
    }

    pub(super) fn do_while(&mut self, label: Option<ast::Ident>, body: &'a Stmt, cond: &'a ast::Expr) {
        self.rounds(body.span, |checker| {
            checker.enter_loop(label);
            checker.scoped(body);
            checker.end_round();
            // Where no round comes to its end, the condition is not asked, and only `break` leaves.
            let dead = std::mem::replace(&mut checker.cx.flow.dead, false);
            let (yes, no) = checker.cond(cond);
            checker.cx.flow = if dead { yes.ended() } else { yes };
            checker.leave_loop(if dead { no.ended() } else { no })
        });
    }

    pub(super) fn for_loop(&mut self, label: Option<ast::Ident>, stmt: &'a Stmt) {
        self.open_scope();
        match &stmt.kind {
            StmtKind::For { init, cond, update, body } => {
                self.stmts(init);
                self.rounds(body.span, |checker| {
                    checker.enter_loop(label);
                    let before = checker.cx.flow.dead;
                    let (yes, no, asked) = match cond {
                        Some(cond) => checker.loop_cond(cond),
                        None => (checker.cx.flow.clone(), checker.cx.flow.ended(), Vec::new()),
                    };
                    checker.cx.flow = checker.never_entered(!before, yes, body);
                    checker.scoped(body);
                    checker.end_round();
                    let dead = std::mem::replace(&mut checker.cx.flow.dead, false);
                    for expr in update {
                        checker.expr_stmt(expr);
                    }
                    checker.cx.flow.dead = dead;
                    let no = checker.after_rounds(no, &asked);
                    checker.leave_loop(no)
                });
            }
            StmtKind::ForEach { var, iter, body } => {
                let declared = var.ty.as_ref().map(|declared| (declared, self.type_expr(declared)));
                let element = self.iterated(iter, declared.map(|(_, wanted)| wanted));
                let ty = match declared {
                    Some((declared, wanted)) => {
                        if !self.fits(element, wanted) {
                            let is_entry = self.is_known(element, self.defs.known.entry);
                            let (element, wanted) = (self.show(element), self.show(wanted));
                            let message = format!("the elements are `{element}`, not `{wanted}`");
                            let mut report = self.diagnostic(codes::MISMATCH, declared.span, message);
                            if is_entry {
                                report = report.help(
                                    "an entry has a `.key` and a `.value`; `m.keys()` and `m.values()` have one of them",
                                );
                            }
                            self.diagnostics.push(report);
                        }
                        wanted
                    }
                    None => element,
                };
                self.rounds(body.span, |checker| {
                    checker.enter_loop(label);
                    let mut after = checker.cx.flow.clone();
                    checker.open_scope();
                    checker.bind_as(var.id, var.name, ty, var.final_, false);
                    if let Some(local) = checker.cx.locals.last_mut() {
                        local.read = false;
                    }
                    checker.scoped(body);
                    checker.close_scope();
                    checker.end_round();
                    after.join(&checker.cx.flow);
                    checker.leave_loop(after)
                });
            }
            _ => {}
        }
        // As in Java, a pattern of the condition that must have matched behind the loop is in scope there.
        let start = self.cx.scopes.last().copied().unwrap_or(0);
        let is_behind = |local: &&Local| local.is_pattern && self.cx.flow.is_matched(local.node);
        let patterns: Vec<Local> = self.cx.locals[start..].iter().filter(is_behind).cloned().collect();
        self.close_scope();
        patterns.into_iter().for_each(|local| self.bring_in(local));
    }

    pub(super) fn jump(&mut self, span: Span, label: Option<&ast::Ident>, is_break: bool) {
        let index = match label {
            Some(label) => self.cx.jumps.iter().rposition(|j| j.label.is_some_and(|l| l.name == label.name)),
            None => self.cx.jumps.iter().rposition(|j| match j.kind {
                JumpKind::Loop => true,
                JumpKind::Switch => is_break,
                JumpKind::Labelled => false,
            }),
        };
        match index {
            Some(index) => {
                if self.cx.arms.last().is_some_and(|arm| index < arm.jumps) {
                    self.leaves_switch(span, if is_break { "break" } else { "continue" });
                }
                self.report_left(self.cx.jumps[index].locals, head(span, if is_break { 5 } else { 8 }));
                let flow = self.cx.flow.clone();
                let jump = &mut self.cx.jumps[index];
                if is_break {
                    jump.has_break = true;
                    jump.breaks.join(&flow);
                } else {
                    jump.continues.join(&flow);
                }
            }
            None => {
                let word = if is_break { "break" } else { "continue" };
                let message = match label {
                    Some(label) => {
                        format!("there is no loop with the label `{}` around this", self.text(label.name))
                    }
                    None => format!("`{word}` may stand only in a loop"),
                };
                let lambda = self.cx.lambdas.iter().any(|l| l.in_loop);
                let report = self.diagnostic(codes::NO_LOOP, span, message);
                let report = match lambda {
                    true => report.help("a lambda is a function of its own; `return` ends one call of it"),
                    false => report,
                };
                self.diagnostics.push(report);
            }
        }
        self.cx.flow = self.cx.flow.ended();
        self.cx.flow.doubted = index.is_none();
    }

    /// The words `every` and `retry` wait: they reach outside. Tells whether that may be here.
    fn waits(&mut self, span: Span, word: &str) -> bool {
        if !self.cx.effects {
            let what = self.cx.pure_what;
            let at = head(span, word.len() as u32);
            let report = self
                .diagnostic(codes::EFFECT, at, format!("`{word}` waits, and this is {what}"))
                .help("mark the function around it `lowlevel`, or write it in a task");
            self.diagnostics.push(report);
        }
        self.cx.effects
    }

    pub(super) fn every(
        &mut self,
        label: Option<ast::Ident>,
        span: Span,
        period: &'a ast::Expr,
        body: &'a ast::Block,
    ) {
        self.waits(span, "every");
        self.expr_to(period, Ty::DURATION);
        self.rounds(body.span, |checker| {
            checker.enter_loop(label);
            checker.block(body);
            checker.end_round();
            let never = checker.cx.flow.ended();
            checker.leave_loop(never)
        });
    }

    pub(super) fn within(
        &mut self,
        span: Span,
        limit: &'a ast::Expr,
        body: &'a ast::Block,
        else_: Option<&'a ast::Block>,
    ) {
        self.expr_to(limit, Ty::DURATION);
        let before = self.cx.flow.clone();
        let began = self.now();
        self.cx.cuts.push(before.clone());
        self.block(body);
        // Past the limit: whatever the body assigns and looks at may have come to pass, or not.
        let mut cut = self.cx.cuts.pop().unwrap_or_default();
        for local in self.cx.locals.iter().filter(|l| l.read_at > began.reads) {
            cut.see(local.node);
        }
        let after = std::mem::replace(&mut self.cx.flow, cut);
        match else_ {
            Some(else_) => self.block(else_),
            None => {
                let word = head(span, 6);
                let good = self.may_fail(word, "within");
                if good {
                    // What the body waits for is being waited for.
                    for &(local, _) in before.pending().iter().filter(|p| after.pending_at(p.0).is_none()) {
                        self.cx.flow.handle(local);
                    }
                    self.may_leave_failed(word);
                }
                // What is missing where it may not fail is the `else`, and nobody knows where that would lead.
                self.cx.flow = self.cx.flow.ended();
                self.cx.flow.doubted = !good;
            }
        }
        self.cx.flow.join(&after);
    }

    pub(super) fn retry(
        &mut self,
        span: Span,
        times: &'a ast::Expr,
        pause: &'a ast::Expr,
        body: &'a ast::Block,
        else_: Option<&'a ast::RetryElse>,
    ) {
        let may_wait = self.waits(span, "retry");
        self.expr_to(times, Ty::INT);
        self.expr_to(pause, Ty::DURATION);
        let began = self.now();
        let before = self.cx.flow.clone();
        let mut failed = Flow::dead();
        self.rounds(body.span, |checker| {
            let head = checker.cx.flow.clone();
            checker.cx.retries.push(Retry { locals: checker.cx.locals.len(), fails: Flow::dead() });
            checker.block(body);
            let retry = checker.cx.retries.pop();
            failed = retry.map_or_else(Flow::dead, |retry| retry.fails);
            checker.assigned_again(
                checker.cx.locals.len(),
                &head,
                &failed,
                "is final, and may have a value when `retry` runs this again",
            );
            failed.clone()
        });
        let fails = !failed.dead;
        if !fails {
            // Nothing can fail in it, and the rest is never reached: that is not spoken of.
            failed = before;
        }
        let after = std::mem::replace(&mut self.cx.flow, failed);
        match else_ {
            Some(else_) => {
                self.open_scope();
                if let Some((node, written, name)) = &else_.error {
                    let ty = self.type_expr(written);
                    let error = self.error_type();
                    if ty != error && ty != Ty::POISON {
                        self.error(codes::MISMATCH, written.span, "what a retry ends with is an `Error`");
                    }
                    self.bind(*node, *name, error);
                }
                self.block(&else_.body);
                self.close_scope();
            }
            None => {
                let word = head(span, 5);
                if may_wait && self.may_fail(word, "retry") && fails {
                    self.may_leave_failed(word);
                }
                self.cx.flow = self.cx.flow.ended();
            }
        }
        self.came_round(began, began);
        self.cx.flow.join(&after);
    }
}
