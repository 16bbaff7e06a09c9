//! Expressions. Operators stand at the beginning of a line.

use super::printer::{INDENT, Printer, Sep};
use crate::ast::*;
use crate::span::Span;

impl Printer<'_> {
    pub fn expr(&mut self, expr: &Expr) {
        self.expr_by(expr, INDENT);
    }

    /// `by` indents the later lines of operators; in parentheses of their own they are indented already.
    fn expr_by(&mut self, expr: &Expr, by: isize) {
        match &expr.kind {
            ExprKind::Int(_)
            | ExprKind::Double(_)
            | ExprKind::Bool(_)
            | ExprKind::Null
            | ExprKind::Char(_)
            | ExprKind::Duration(_)
            | ExprKind::Str(_)
            | ExprKind::Name(_)
            | ExprKind::This => self.any(),
            ExprKind::ClassOf(_) | ExprKind::Error => self.up_to(expr.span.end),
            ExprKind::Paren(inner) => self.parenthesized(|p| p.expr_by(inner, 0)),
            ExprKind::Field { .. } | ExprKind::Index { .. } | ExprKind::Call { .. } => self.postfix(expr),
            ExprKind::New { ty, args } => {
                self.token("new");
                self.space();
                self.ty(ty);
                self.args(args);
            }
            ExprKind::Unary { operand, .. } => {
                let op = self.next_text();
                self.any();
                // `- -x` is not `--x`.
                if op == "-" && self.next_text().starts_with('-')
                    || op == "+" && self.next_text().starts_with('+')
                {
                    self.space();
                }
                self.expr(operand);
            }
            ExprKind::Step { target, prefix, .. } => {
                if *prefix {
                    self.any();
                }
                self.expr(target);
                if !prefix {
                    self.any();
                }
            }
            ExprKind::Binary { op_span, left, right, .. } => self.group(|p| {
                p.expr(left);
                p.nest_by(by, |p| p.operator(*op_span, right));
            }),
            ExprKind::Chain { first, rest } => self.group(|p| {
                p.expr(first);
                p.nest_by(by, |p| {
                    for link in rest {
                        p.operator(link.op_span, &link.operand);
                    }
                });
            }),
            ExprKind::Coalesce { .. } => self.group(|p| p.coalesce(expr, by)),
            ExprKind::Conditional { .. } => self.group(|p| p.conditional(expr)),
            ExprKind::Assign { op_span, target, value, .. } => {
                self.assigned(target, *op_span);
                self.value(|p| p.assignments(value));
            }
            ExprKind::Lambda(lambda) => self.lambda(lambda),
            ExprKind::Cast { ty, operand } => {
                self.token("(");
                self.ty(ty);
                self.token(")");
                self.space();
                self.expr(operand);
            }
            ExprKind::InstanceOf { operand, pattern } => self.group(|p| {
                p.expr(operand);
                p.nest_by(by, |p| {
                    p.line();
                    p.token("instanceof");
                    p.space();
                    p.pattern(pattern);
                });
            }),
            ExprKind::Switch(switch) => self.switch(switch, expr.span, true),
            ExprKind::Try(inner) => self.prefixed("try", inner),
            ExprKind::Fail(inner) => self.prefixed("fail", inner),
            ExprKind::List(items) => self.list(items),
            ExprKind::Map(entries) => self.map(entries),
            ExprKind::Range { low, high } => {
                self.expr(low);
                self.token("..");
                self.expr(high);
            }
            ExprKind::ScenarioRef { args, .. } => {
                self.token("scenario");
                self.space();
                self.any();
                self.args(args);
            }
        }
    }

    pub fn prefixed(&mut self, word: &str, operand: &Expr) {
        self.token(word);
        self.space();
        self.expr(operand);
    }

    fn operator(&mut self, op: Span, operand: &Expr) {
        self.line();
        self.gap();
        self.up_to(op.end);
        self.space();
        self.expr(operand);
    }

    /// `a ?? b ?? c`, flat although the tree leans to the right.
    fn coalesce(&mut self, expr: &Expr, by: isize) {
        let mut next = expr;
        let mut left_most = true;
        while let ExprKind::Coalesce { left, right } = &next.kind {
            if left_most {
                self.expr(left);
            } else {
                self.nest_by(by, |p| p.coalesced(left));
            }
            left_most = false;
            next = right;
        }
        self.nest_by(by, |p| p.coalesced(next));
    }

    fn coalesced(&mut self, operand: &Expr) {
        self.line();
        self.token("??");
        self.space();
        self.expr(operand);
    }

    /// `a ? b : c ? d : e`: each condition after the first beside its `:`.
    fn conditional(&mut self, expr: &Expr) {
        let mut next = expr;
        let mut first = true;
        while let ExprKind::Conditional { cond, then, else_ } = &next.kind {
            if first {
                self.expr(cond);
            } else {
                self.nest(|p| p.expr(cond));
            }
            first = false;
            self.nest(|p| {
                p.line();
                p.token("?");
                p.space();
                p.expr(then);
                p.line();
                p.token(":");
                p.space();
                p.gap();
            });
            next = else_;
        }
        self.nest(|p| p.expr(next));
    }

    fn assigned(&mut self, target: &Expr, op: Span) {
        self.expr(target);
        self.space();
        self.gap();
        self.up_to(op.end);
    }

    /// The value of an assignment; of `a = b = c` each below the other.
    fn assignments(&mut self, value: &Expr) {
        if !matches!(value.kind, ExprKind::Assign { .. }) {
            return self.expr(value);
        }
        self.group(|p| {
            let mut next = value;
            while let ExprKind::Assign { op_span, target, value, .. } = &next.kind {
                p.assigned(target, *op_span);
                p.line();
                next = value;
            }
            p.expr(next);
        });
    }

    /// `(`, what stands inside, `)`; the inside on lines of its own if it does not fit.
    pub fn parenthesized(&mut self, inside: impl FnOnce(&mut Self)) {
        self.gap();
        self.group(|p| {
            p.token("(");
            p.nest(|p| {
                p.soft();
                inside(p);
                p.comments_inside();
            });
            p.close_sep(Sep::Soft);
            p.token(")");
        });
    }

    /// The condition of a statement, in its parentheses.
    pub fn condition(&mut self, expr: &Expr) {
        self.parenthesized(|p| p.expr_by(expr, 0));
    }

    fn lambda(&mut self, lambda: &Lambda) {
        let head = |p: &mut Self| {
            p.lambda_params(lambda);
            p.space();
            p.token("->");
        };
        match &lambda.body {
            LambdaBody::Expr(body) => {
                head(self);
                self.arrow_value(body);
            }
            LambdaBody::Block(block) => self.with_block(head, block, true),
        }
    }

    /// What stands after `->`. Operators on several lines stand below all of it.
    fn arrow_value(&mut self, value: &Expr) {
        let operators = matches!(
            value.kind,
            ExprKind::Chain { .. }
                | ExprKind::Binary { .. }
                | ExprKind::Coalesce { .. }
                | ExprKind::Conditional { .. }
        );
        self.value_by(operators, |p| p.expr(value));
    }

    fn lambda_params(&mut self, lambda: &Lambda) {
        if self.is("(") {
            self.listed(["(", ")"], &lambda.params, super::lists::Breaks::Together, |p, param| {
                match &param.ty {
                    Some(ty) => {
                        p.ty(ty);
                        p.space();
                    }
                    None if p.next_start() != param.name.span.start => {
                        p.token("var");
                        p.space();
                    }
                    None => {}
                }
                p.any();
            });
        } else {
            self.any();
        }
    }

    /// `one_line`: it may stay on one line, if it was there.
    pub fn switch(&mut self, switch: &Switch, span: Span, one_line: bool) {
        self.token("switch");
        self.space();
        self.condition(&switch.subject);
        self.space();
        let plain = |arm: &SwitchArm| matches!(arm.body, ArmBody::Expr(_));
        let one_line = one_line
            && self.on_one_line(span)
            && !self.comment_before(span.end)
            && !switch.arms.is_empty()
            && switch.arms.iter().all(plain);
        if one_line {
            self.gap();
            return self.group(|p| {
                p.token("{");
                p.nest(|p| {
                    for arm in &switch.arms {
                        p.line();
                        p.gap();
                        p.arm(arm);
                    }
                });
                p.line();
                p.token("}");
            });
        }
        self.braces(|p| {
            for (index, arm) in switch.arms.iter().enumerate() {
                p.sep = if index == 0 { Sep::First } else { Sep::Lines };
                p.gap();
                p.arm(arm);
            }
        });
    }

    fn arm(&mut self, arm: &SwitchArm) {
        let head = |p: &mut Self| {
            p.labels(arm);
            p.space();
            p.token("->");
        };
        match &arm.body {
            ArmBody::Expr(body) => {
                head(self);
                self.arrow_value(body);
                self.hoisted(";");
            }
            ArmBody::Block(block) => self.with_block(head, block, true),
        }
    }

    fn labels(&mut self, arm: &SwitchArm) {
        self.group(|p| {
            if p.is("case") {
                p.token("case");
                p.space();
            }
            p.nest(|p| {
                p.together(&arm.labels, |p, label| match label {
                    SwitchLabel::Default(_) | SwitchLabel::Null(_) => p.any(),
                    SwitchLabel::Value(value) => p.expr(value),
                    SwitchLabel::Pattern(pattern) => p.pattern(pattern),
                });
                if let Some(guard) = &arm.guard {
                    p.line();
                    p.token("when");
                    p.space();
                    p.expr(guard);
                }
            });
        });
    }
}
