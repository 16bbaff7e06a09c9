//! Blocks and statements.

use super::printer::{Printer, Sep};
use crate::ast::*;

impl Printer<'_> {
    /// `{`, what stands inside, each on lines of its own, `}`.
    pub fn braces(&mut self, inside: impl FnOnce(&mut Self)) {
        self.hoisted("{");
        if self.is("}") {
            return self.empty_braces();
        }
        self.nest(|p| {
            inside(p);
            p.sep = Sep::Lines;
            p.comments_inside();
        });
        self.hard();
        self.token("}");
    }

    fn empty_braces(&mut self) {
        if self.comment_next() {
            let between = &self.text[self.end as usize..self.next_start() as usize];
            if !between.contains('\n') {
                // `{ /* nothing */ }`
                self.space();
                self.comments_inside();
                self.space();
                return self.token("}");
            }
            self.nest(|p| {
                p.sep = Sep::First;
                p.comments_inside();
            });
            self.hard();
        }
        self.token("}");
    }

    /// A head and its block; both must fit on the line if the block is to stay on it.
    pub fn with_block(&mut self, head: impl FnOnce(&mut Self), block: &Block, one_line: bool) {
        self.group(|p| {
            head(p);
            p.space();
            p.block(block, one_line);
        });
    }

    /// `one_line`: a single simple statement may stay on the line, if it was there, and if the group around fits.
    pub fn block(&mut self, block: &Block, one_line: bool) {
        if one_line
            && let [only] = block.stmts.as_slice()
            && is_simple(only)
            && self.on_one_line(block.span)
            && !self.comment_before(block.span.end)
        {
            self.token("{");
            self.nest(|p| {
                p.line();
                p.stmt(only);
            });
            self.line();
            return self.token("}");
        }
        self.braces(|p| p.stmts(&block.stmts));
    }

    fn stmts(&mut self, stmts: &[Stmt]) {
        for (index, stmt) in stmts.iter().enumerate() {
            if index > 0 && matches!(stmt.kind, StmtKind::Empty) {
                self.hoisted(";");
                continue;
            }
            self.sep = if index == 0 { Sep::First } else { Sep::Lines };
            self.stmt(stmt);
        }
    }

    pub fn semicolon(&mut self) {
        self.hoisted(";");
    }

    pub fn stmt(&mut self, stmt: &Stmt) {
        self.gap();
        match &stmt.kind {
            StmtKind::Local(local) => {
                self.local(local);
                self.semicolon();
            }
            StmtKind::Expr(expr) => {
                self.expr(expr);
                self.semicolon();
            }
            StmtKind::If { .. } => self.if_(stmt),
            StmtKind::While { cond, body } => {
                self.token("while");
                self.space();
                self.with_body(|p| p.condition(cond), body, true);
            }
            StmtKind::DoWhile { body, cond } => {
                self.with_body(|p| p.token("do"), body, false);
                match body.kind {
                    StmtKind::Block(_) => self.space(),
                    _ => self.hard(),
                }
                self.token("while");
                self.space();
                self.condition(cond);
                self.semicolon();
            }
            StmtKind::For { init, cond, update, body } => {
                self.token("for");
                self.space();
                self.with_body(|p| p.for_head(init, cond.as_deref(), update), body, true);
            }
            StmtKind::ForEach { var, iter, body } => {
                self.token("for");
                self.space();
                self.with_body(|p| p.for_each_head(var, iter), body, true);
            }
            StmtKind::Labeled { body, .. } => {
                self.any();
                self.hoisted(":");
                self.space();
                self.stmt(body);
            }
            StmtKind::Break(label) | StmtKind::Continue(label) => {
                self.any();
                if label.is_some() {
                    self.space();
                    self.any();
                }
                self.semicolon();
            }
            StmtKind::Return(value) => {
                self.token("return");
                if let Some(value) = value {
                    self.space();
                    self.expr(value);
                }
                self.semicolon();
            }
            StmtKind::Block(block) => self.block(block, false),
            StmtKind::Assert { cond, message } => {
                self.group(|p| {
                    p.prefixed("assert", cond);
                    if let Some(message) = message {
                        p.nest(|p| {
                            p.line();
                            p.token(":");
                            p.space();
                            p.expr(message);
                        });
                    }
                });
                self.semicolon();
            }
            StmtKind::Switch(switch) => self.switch(switch, stmt.span, false),
            StmtKind::Yield(value) => {
                self.prefixed("yield", value);
                self.semicolon();
            }
            StmtKind::Fail(value) => {
                self.prefixed("fail", value);
                self.semicolon();
            }
            StmtKind::Every { period, body } => {
                self.with_block(|p| p.limit("every", period), body, true);
            }
            StmtKind::Within { limit, body, else_ } => {
                self.with_block(|p| p.limit("within", limit), body, else_.is_none());
                if let Some(body) = else_ {
                    self.space();
                    self.token("else");
                    self.space();
                    self.block(body, false);
                }
            }
            StmtKind::Retry { times, pause, body, else_ } => {
                self.retry([times, pause], body, else_.as_deref())
            }
            StmtKind::Given { target, answers } => self.given(target, answers),
            StmtKind::Verify { target, times, with } => self.verify(target, times, with.as_deref()),
            StmtKind::Item(item) => self.items(std::slice::from_ref(item)),
            StmtKind::Empty => self.token(";"),
            StmtKind::Error => self.up_to(stmt.span.end),
        }
    }

    fn limit(&mut self, word: &str, limit: &Expr) {
        self.token(word);
        self.space();
        self.condition(limit);
    }

    fn retry(&mut self, [times, pause]: [&Expr; 2], body: &Block, else_: Option<&RetryElse>) {
        let head = |p: &mut Self| {
            p.token("retry");
            p.space();
            p.parenthesized(|p| {
                p.expr(times);
                p.hoisted(",");
                p.line();
                p.expr(pause);
            });
        };
        self.with_block(head, body, else_.is_none());
        let Some(else_) = else_ else { return };
        self.space();
        self.token("else");
        self.space();
        if let Some((_, ty, _)) = &else_.error {
            self.parenthesized(|p| {
                p.ty(ty);
                p.space();
                p.any();
            });
            self.space();
        }
        self.block(&else_.body, false);
    }

    fn if_(&mut self, stmt: &Stmt) {
        let mut next = stmt;
        while let StmtKind::If { cond, then, else_ } = &next.kind {
            self.token("if");
            self.space();
            self.with_body(|p| p.condition(cond), then, else_.is_none() && std::ptr::eq(next, stmt));
            let Some(else_) = else_ else { return };
            match then.kind {
                StmtKind::Block(_) => self.space(),
                _ => self.hard(),
            }
            if !matches!(else_.kind, StmtKind::If { .. }) {
                return self.with_body(|p| p.token("else"), else_, false);
            }
            self.token("else");
            self.space();
            self.gap();
            next = else_;
        }
    }

    /// A head and what it governs: a block, or one statement, on the same line if it fits.
    fn with_body(&mut self, head: impl FnOnce(&mut Self), body: &Stmt, one_line: bool) {
        if let StmtKind::Block(block) = &body.kind {
            return self.with_block(head, block, one_line);
        }
        self.group(|p| {
            head(p);
            if let StmtKind::Empty = body.kind {
                return p.semicolon();
            }
            p.nest(|p| {
                p.line();
                p.stmt(body);
            });
        });
    }

    fn for_head(&mut self, init: &[Stmt], cond: Option<&Expr>, update: &[Expr]) {
        self.parenthesized(|p| {
            for (index, stmt) in init.iter().enumerate() {
                if index > 0 {
                    p.hoisted(",");
                    p.line();
                }
                match &stmt.kind {
                    StmtKind::Local(local) => p.local(local),
                    StmtKind::Expr(expr) => p.expr(expr),
                    _ => p.up_to(stmt.span.end),
                }
            }
            p.hoisted(";");
            if let Some(cond) = cond {
                p.line();
                p.expr(cond);
            }
            p.hoisted(";");
            for (index, expr) in update.iter().enumerate() {
                if index > 0 {
                    p.hoisted(",");
                }
                p.line();
                p.expr(expr);
            }
        });
    }

    fn for_each_head(&mut self, var: &ForEachVar, iter: &Expr) {
        let close = self.close_of_next();
        let head = |p: &mut Self| {
            if var.final_ {
                p.token("final");
                p.space();
            }
            p.written_type(var.ty.as_ref());
            p.any();
            p.space();
            p.token(":");
        };
        if self.holds_lines(iter, true) && !self.comment_before(close) {
            self.token("(");
            head(self);
            self.value(|p| p.expr(iter));
            return self.token(")");
        }
        self.parenthesized(|p| {
            head(p);
            p.line();
            p.expr(iter);
        });
    }

    /// `var` where there is no type.
    fn written_type(&mut self, ty: Option<&TypeExpr>) {
        match ty {
            Some(ty) => self.ty(ty),
            None => self.token("var"),
        }
        self.space();
    }

    pub fn local(&mut self, local: &Local) {
        if self.is("final") {
            self.token("final");
            self.space();
        }
        self.written_type(local.ty.as_ref());
        let vars: Vec<Option<&Expr>> = local.vars.iter().map(|v| v.init.as_ref()).collect();
        self.variables(&vars);
    }

    /// `a = 1, b`: names and what they start with.
    pub fn variables(&mut self, inits: &[Option<&Expr>]) {
        if let [Some(init)] = inits {
            return self.variable(init);
        }
        self.gap();
        self.group(|p| {
            p.nest(|p| {
                for (index, init) in inits.iter().enumerate() {
                    if index > 0 {
                        p.hoisted(",");
                        p.line();
                    }
                    match init {
                        Some(init) => p.variable(init),
                        None => p.any(),
                    }
                }
            });
        });
    }

    fn variable(&mut self, init: &Expr) {
        self.any();
        self.space();
        self.token("=");
        self.value(|p| p.expr(init));
    }

    // ---- in tests ----

    fn given(&mut self, target: &Expr, answers: &[GivenAnswer]) {
        self.token("given");
        self.space();
        self.expr(target);
        self.group(|p| {
            p.nest(|p| {
                p.line();
                p.together(answers, |p, answer| {
                    if p.next_start() < answer.operand().span.start {
                        p.token(if matches!(answer, GivenAnswer::Fails(_)) { "fails" } else { "returns" });
                        p.space();
                    }
                    p.expr(answer.operand());
                });
            });
        });
        self.semicolon();
    }

    fn verify(&mut self, target: &Expr, times: &Expr, with: Option<&[Arg]>) {
        self.token("verify");
        self.space();
        self.expr(target);
        self.space();
        self.prefixed("called", times);
        if let Some(args) = with {
            self.space();
            self.token("with");
            self.space();
            self.gap();
            self.args(args);
        }
        self.semicolon();
    }

    /// Pieces after one another, each on a line of its own if they do not all fit.
    pub fn continued(&mut self, indent: isize, parts: impl FnOnce(&mut Self)) {
        self.group(|p| p.nest_by(indent, parts));
    }
}

/// A statement without statements inside.
fn is_simple(stmt: &Stmt) -> bool {
    matches!(
        stmt.kind,
        StmtKind::Local(_)
            | StmtKind::Expr(_)
            | StmtKind::Break(_)
            | StmtKind::Continue(_)
            | StmtKind::Return(_)
            | StmtKind::Assert { .. }
            | StmtKind::Yield(_)
            | StmtKind::Fail(_)
            | StmtKind::Given { .. }
            | StmtKind::Verify { .. }
    )
}
