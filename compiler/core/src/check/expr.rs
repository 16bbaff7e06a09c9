//! Expressions but calls: names, members, operators, conditions, assignment, lambdas.

use super::Checker;
use super::ops::binary_type;
use super::stmt::strip;
use crate::types::{Ty, TyKind};
use dscript_grammar::ast::{self, BinaryOp, Expr, ExprKind, UnaryOp};
use dscript_grammar::codes;
use dscript_grammar::diagnostic::Edit;
use dscript_grammar::span::Span;

impl<'a> Checker<'a, '_> {
    /// The type of an expression; `expected` helps literals, lambdas and generic calls.
    pub(super) fn expr(&mut self, expr: &'a Expr, expected: Option<Ty>) -> Ty {
        let waiting = self.cx.waiting.len();
        self.cx.exprs += 1;
        let mut ty = self.expr_kind(expr, expected);
        self.cx.exprs -= 1;
        self.facts().types[expr.id.0 as usize] = ty;
        if expected.is_none() {
            // Nothing else will tell.
            ty = self.types.resolve(ty);
            if self.cx.exprs == 0 || matches!(self.types.kind(ty), TyKind::Infer(_)) {
                self.settle(waiting);
                ty = self.types.resolve(ty);
            }
        }
        ty
    }

    /// An expression whose value must be a `wanted`; gives the type it has by itself.
    pub(super) fn expr_to(&mut self, expr: &'a Expr, wanted: Ty) -> Ty {
        let found = self.expr(expr, Some(wanted));
        self.require(expr, found, wanted);
        if self.cx.exprs == 0 {
            self.settle(0);
        }
        self.types.resolve(found)
    }

    pub(super) fn expr_kind(&mut self, expr: &'a Expr, expected: Option<Ty>) -> Ty {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Int(value) => self.int(*value, span, false),
            ExprKind::Double(_) => Ty::DOUBLE,
            ExprKind::Bool(_) => Ty::BOOL,
            ExprKind::Null => Ty::NULL,
            ExprKind::Char(_) => Ty::INT,
            ExprKind::Duration(value) => self.duration(*value, span, false),
            ExprKind::Str(parts) => self.string_literal(parts),
            ExprKind::Name(name) => self.name(expr, *name, expected),
            ExprKind::This => self.this(span),
            ExprKind::Paren(inner) => self.expr(inner, expected),
            ExprKind::Field { receiver, name } => self.field(expr, receiver, *name, expected),
            ExprKind::Index { receiver, index } => self.index(receiver, index),
            ExprKind::Call { callee, args } => self.call(expr, callee, args, expected),
            ExprKind::New { ty, args } => self.new_object(expr, ty, args, expected),
            ExprKind::Unary { op, operand } => self.unary(span, *op, operand),
            ExprKind::Step { target, .. } => self.step(span, target),
            ExprKind::Binary { .. } => {
                let (yes, no) = self.cond_kind(expr);
                self.cx.flow = yes;
                self.cx.flow.join(&no);
                Ty::BOOL
            }
            ExprKind::Chain { first, rest } => {
                if matches!(rest[0].op, BinaryOp::And | BinaryOp::Or) {
                    let (yes, no) = self.cond_kind(expr);
                    self.cx.flow = yes;
                    self.cx.flow.join(&no);
                    return Ty::BOOL;
                }
                self.chain(first, rest)
            }
            ExprKind::Assign { op, op_span, target, value } => {
                self.assign(span, *op, *op_span, target, value)
            }
            ExprKind::Conditional { cond, then, else_ } => self.conditional(cond, then, else_, expected),
            ExprKind::Coalesce { left, right } => self.coalesce(left, right, expected),
            ExprKind::Lambda(lambda) => self.lambda(expr, lambda, expected),
            ExprKind::Cast { ty, operand } => self.cast(ty, operand),
            ExprKind::InstanceOf { .. } => {
                let (yes, no) = self.cond_kind(expr);
                self.cx.flow = yes;
                self.cx.flow.join(&no);
                Ty::BOOL
            }
            ExprKind::Switch(switch) => self.switch_expr(switch, expected),
            ExprKind::Try(operand) => self.try_expr(span, operand, expected),
            ExprKind::Fail(value) => self.misplaced_fail(span, value),
            ExprKind::List(items) => self.list(span, items, expected),
            ExprKind::Map(entries) => self.map_literal(span, entries, expected),
            ExprKind::ClassOf(ty) => self.class_of(ty),
            ExprKind::Range { low, high } => {
                self.expr_to(low, Ty::INT);
                self.expr_to(high, Ty::INT);
                self.error(codes::MISMATCH, span, "a range stands in a for-each only")
            }
            ExprKind::ScenarioRef { .. } => {
                self.error(codes::RUN, span, "a scenario is no value: `run(scenario ...)` runs it in a test")
            }
            ExprKind::Error => Ty::POISON,
        }
    }

    // ---- operators ----

    pub(super) fn unary(&mut self, span: Span, op: UnaryOp, operand: &'a Expr) -> Ty {
        if op == UnaryOp::Neg {
            let literal = match strip(operand).kind {
                ExprKind::Int(value) => Some(self.int(value, operand.span, true)),
                ExprKind::Duration(value) => Some(self.duration(value, operand.span, true)),
                _ => None,
            };
            if let Some(ty) = literal {
                let mut inner = operand;
                loop {
                    self.facts().types[inner.id.0 as usize] = ty;
                    let ExprKind::Paren(next) = &inner.kind else { return ty };
                    inner = next;
                }
            }
        }
        if op == UnaryOp::Not {
            let (yes, no) = self.cond(operand);
            self.cx.flow = yes;
            self.cx.flow.join(&no);
            return Ty::BOOL;
        }
        let ty = self.expr(operand, None);
        let ty = self.types.resolve(ty);
        let good = match op {
            UnaryOp::Neg => matches!(ty, Ty::INT | Ty::DOUBLE | Ty::DURATION),
            UnaryOp::Plus => matches!(ty, Ty::INT | Ty::DOUBLE),
            _ => ty == Ty::INT,
        };
        if good || ty == Ty::POISON {
            return ty;
        }
        let sign = match op {
            UnaryOp::Neg => "-",
            UnaryOp::Plus => "+",
            _ => "~",
        };
        let shown = self.show(ty);
        self.operator_error(span, format!("`{sign}` does not fit a `{shown}`"), &[(operand, ty)])
    }

    pub(super) fn operator_error(&mut self, span: Span, message: String, operands: &[(&Expr, Ty)]) -> Ty {
        let mut report = self.diagnostic(codes::OPERATOR, span, message);
        for (operand, ty) in operands {
            if self.types.fallible_inner(*ty).is_some() {
                report.code = codes::USED_AS_VALUE;
                report = match self.copy_of_field(operand) {
                    Some(copy) => {
                        report.help(format!("it may be an error: `try` or `??`, or {copy} and test that"))
                    }
                    None => report.help("it may be an error: `try`, `isError` or `??` first"),
                };
                report = self.with_try(report, operand);
                break;
            }
            if self.types.nullable_inner(*ty).is_some() {
                report.code = codes::NULLABLE;
                report = match self.copy_of_field(operand) {
                    Some(copy) => {
                        report.help(format!("it may be null: {copy} and test that, or use `?? VALUE`"))
                    }
                    None => report.help("it may be null: test it with `!= null`, or use `?? VALUE`"),
                };
                break;
            }
        }
        self.diagnostics.push(report);
        Ty::POISON
    }

    pub(super) fn chain(&mut self, first: &'a Expr, rest: &'a [ast::ChainLink]) -> Ty {
        let text_chain = rest[0].op == BinaryOp::Add;
        let mut left_expr = first;
        let mut left = self.expr(first, None);
        left = self.types.resolve(left);
        for link in rest {
            let right = self.expr(&link.operand, None);
            let right = self.types.resolve(right);
            if text_chain && (self.is_string(left) || self.is_string(right)) {
                let other = if self.is_string(left) { &link.operand } else { left_expr };
                if self.refuse_char(other) {
                    left = self.string();
                    continue;
                }
            }
            left = match binary_type(self.types, self.defs, link.op, left, right) {
                Some(ty) => ty,
                None if (link.op, left, right) == (BinaryOp::Mul, Ty::INT, Ty::DURATION) => {
                    self.duration_first(first.span.to(left_expr.span), left_expr.span == first.span, link)
                }
                None => self.bad_operands(link.op, link.op_span, (left_expr, left), (&link.operand, right)),
            };
            left_expr = &link.operand;
        }
        left
    }

    /// Refuses `n * 1s`, where the number is all that stands before it in its chain.
    fn duration_first(&mut self, number: Span, is_one: bool, link: &ast::ChainLink) -> Ty {
        let (written, time) = (self.written(number), self.written(link.operand.span));
        let written = if is_one { written.to_owned() } else { format!("({written})") };
        let report = self
            .diagnostic(codes::OPERATOR, link.op_span, "`*` does not fit `int` and `Duration`".to_owned())
            .help("the Duration stands first: `1s * n`")
            .edit(number, time)
            .edit(link.operand.span, written);
        self.diagnostics.push(report);
        Ty::POISON
    }

    pub(super) fn bad_operands(
        &mut self,
        op: BinaryOp,
        span: Span,
        left: (&Expr, Ty),
        right: (&Expr, Ty),
    ) -> Ty {
        if left.1 == Ty::NEVER || right.1 == Ty::NEVER {
            return Ty::POISON;
        }
        let (a, b) = (self.show(left.1), self.show(right.1));
        let sign = symbol(op);
        if matches!(
            (op, left.1, right.1),
            (BinaryOp::Mul | BinaryOp::Div, Ty::DURATION, Ty::DOUBLE)
                | (BinaryOp::Mul, Ty::DOUBLE, Ty::DURATION)
        ) {
            let report = self
                .diagnostic(codes::OPERATOR, span, format!("`{sign}` does not fit `{a}` and `{b}`"))
                .help("a Duration is taken times a double by `times`: `(10s).times(1.5)`");
            self.diagnostics.push(report);
            return Ty::POISON;
        }
        self.operator_error(span, format!("`{sign}` does not fit `{a}` and `{b}`"), &[left, right])
    }

    pub(super) fn conditional(
        &mut self,
        cond: &'a Expr,
        then: &'a Expr,
        else_: &'a Expr,
        expected: Option<Ty>,
    ) -> Ty {
        let (yes, no) = self.cond(cond);
        self.cx.flow = yes;
        let a = self.expr(then, expected);
        let after = std::mem::replace(&mut self.cx.flow, no);
        let b = self.expr(else_, expected);
        self.cx.flow.join(&after);
        self.joined((then, a), (else_, b), expected)
    }

    /// The common type of two branches; with an expected type that both fit, that one.
    pub(super) fn joined(&mut self, first: (&Expr, Ty), second: (&Expr, Ty), expected: Option<Ty>) -> Ty {
        let (a, b) = (first.1, second.1);
        let wanted = expected.filter(|&ty| self.is_shaped(ty) && ty != Ty::POISON && ty != Ty::VOID);
        if let Some(wanted) = wanted
            && self.fits(a, wanted)
            && self.fits(b, wanted)
        {
            return self.as_known(&[a, b], wanted);
        }
        if let Some(ty) = self.join(a, b) {
            return ty;
        }
        if let Some(wanted) = wanted {
            self.require(first.0, a, wanted);
            self.require(second.0, b, wanted);
            return Ty::POISON;
        }
        let (x, y) = (self.show(a), self.show(b));
        let message = format!("one way this is `{x}`, the other way `{y}`");
        let report = self
            .diagnostic(codes::MISMATCH, second.0.span, message)
            .label(first.0.span, format!("this is `{x}`"));
        self.diagnostics.push(report);
        Ty::POISON
    }

    /// The type of what comes by several ways to where a `wanted` is wanted: without null or the failure if no way
    /// gives any.
    pub(super) fn as_known(&mut self, found: &[Ty], wanted: Ty) -> Ty {
        let mut ty = self.types.resolve(wanted);
        if self.types.is_open(ty) {
            return ty;
        }
        while let Some(inner) = self.types.fallible_inner(ty).or_else(|| self.types.nullable_inner(ty))
            && inner != Ty::VOID
            && found.iter().all(|&found| self.fits(found, inner))
        {
            ty = inner;
        }
        ty
    }

    pub(super) fn coalesce(&mut self, left: &'a Expr, right: &'a Expr, expected: Option<Ty>) -> Ty {
        let wanted = expected.map(|ty| self.types.nullable(ty));
        let ty = self.whole(left, wanted);
        let mut inner = ty;
        if let Some(t) = self.types.fallible_inner(inner) {
            inner = t;
        }
        if let Some(t) = self.types.nullable_inner(inner) {
            inner = t;
        }
        if inner == ty && !matches!(ty, Ty::POISON | Ty::NULL) {
            let shown = self.show(ty);
            let message = format!("a `{shown}` is neither null nor an error: `??` does nothing");
            let mut report = self.diagnostic(codes::CANNOT_FAIL, left.span, message);
            report = if self.is_subprocess(ty) {
                report.help("a Subprocess is tested with `isError(p)`")
            } else if matches!(self.types.kind(ty), TyKind::Function(..)) {
                self.offer_call(report, left, ty)
            } else {
                report.edit(Span::new(left.span.end, right.span.end), "")
            };
            self.diagnostics.push(report);
            self.expr(right, Some(Ty::POISON));
            return Ty::POISON;
        }
        let before = self.cx.flow.clone();
        let wanted = match expected {
            Some(wanted) if inner == Ty::NULL => Some(wanted),
            _ if inner == Ty::VOID => None,
            _ => Some(inner),
        };
        let other = match &strip(right).kind {
            ExprKind::Fail(value) => self.fail(strip(right).span, value),
            _ => self.expr(right, wanted),
        };
        self.facts().types[right.id.0 as usize] = other;
        self.facts().types[strip(right).id.0 as usize] = other;
        let other = self.types.resolve(other);
        self.cx.flow.join(&before);
        if inner == Ty::VOID && other == Ty::NEVER {
            return Ty::VOID;
        }
        if inner == Ty::NULL {
            return other;
        }
        // What cannot be null any more is known not to be, whatever may be stored.
        if let Some(wanted) = expected
            && self.types.nullable_inner(wanted).is_some()
            && let Some(natural) = self.join(inner, other)
            && self.types.nullable_inner(natural).is_none()
            && natural != Ty::NULL
        {
            return natural;
        }
        if other == Ty::NEVER {
            return inner;
        }
        self.joined((left, inner), (right, other), expected)
    }

    /// `fail` ends something: it is a statement, an arm of a `switch`, or the right side of `??`.
    fn misplaced_fail(&mut self, span: Span, value: &'a Expr) -> Ty {
        self.expr(value, None);
        let word = Span::new(span.start, span.start + 4);
        let report = self
            .diagnostic(codes::TRY_OUTSIDE, word, "`fail` gives no value: it cannot stand in an expression")
            .help("write it as a statement, as an arm of a `switch`, or to the right of `??`");
        self.diagnostics.push(report);
        Ty::POISON
    }

    pub(super) fn try_expr(&mut self, span: Span, operand: &'a Expr, expected: Option<Ty>) -> Ty {
        let expected = expected.filter(|&ty| !self.types.is_open(ty));
        let wanted = expected.map(|ty| self.types.fallible(ty));
        let told = self.diagnostics.len();
        let inside = std::mem::replace(&mut self.cx.in_try, true);
        let ty = self.whole(operand, wanted);
        self.cx.in_try = inside;
        let word = Span::new(span.start, span.start + 3);
        match self.types.fallible_inner(ty) {
            Some(inner) => {
                self.may_fail(word, "try");
                self.may_leave_failed(word);
                inner
            }
            None if ty == Ty::POISON || ty == Ty::NEVER => ty,
            None if self.moves_inside(told, Span::new(span.start, operand.span.start)) => ty,
            None if matches!(self.types.kind(ty), TyKind::Function(..)) => {
                let name = self.written(operand.span);
                let message =
                    format!("`{name}` is a function, which cannot be an error; its result may be one");
                let report = self.diagnostic(codes::CANNOT_FAIL, word, message);
                let report = self.offer_call(report, operand, ty);
                self.diagnostics.push(report);
                Ty::POISON
            }
            None => {
                let shown = self.show(ty);
                let mut report = self.diagnostic(
                    codes::CANNOT_FAIL,
                    word,
                    format!("a `{shown}` cannot be an error: `try` does nothing"),
                );
                if self.is_subprocess(ty) {
                    report = report
                        .help("a Subprocess is tested with `isError(p)`; `p.error()` says what went wrong");
                } else if self.types.nullable_inner(ty).is_some() {
                    report = report.help("it may be null: use `?? VALUE` or `?? fail \"...\"`");
                    self.diagnostics.push(report);
                    return self.types.nullable_inner(ty).unwrap_or(ty);
                } else {
                    report = report.edit(Span::new(span.start, operand.span.start), "");
                }
                self.diagnostics.push(report);
                ty
            }
        }
    }

    /// Where the failure that a `try` was for lies further inside, what was told there takes the `try` along.
    fn moves_inside(&mut self, told: usize, word: Span) -> bool {
        let inside = self
            .diagnostics
            .iter_mut()
            .skip(told)
            .find(|d| d.code == codes::USED_AS_VALUE && !d.edits.is_empty());
        let Some(report) = inside else { return false };
        report.edits.insert(0, Edit { span: word, text: String::new() });
        true
    }

    pub(super) fn cast(&mut self, ty: &'a ast::TypeExpr, operand: &'a Expr) -> Ty {
        let wanted = self.type_expr(ty);
        let found = self.expr(operand, None);
        let found = self.types.resolve(found);
        if matches!(wanted, Ty::INT | Ty::DOUBLE) && matches!(found, Ty::INT | Ty::DOUBLE) {
            return wanted;
        }
        if wanted != Ty::POISON && found != Ty::POISON {
            let (found, want) = (self.show(found), self.show(wanted));
            let report = self
                .diagnostic(codes::CAST, ty.span, format!("a `{found}` cannot be cast to `{want}`"))
                .help("casts are `(int)` and `(double)`, between numbers");
            self.diagnostics.push(report);
        }
        wanted
    }
}

/// `1 parameter`, `2 parameters`
pub(super) fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// An operator as it is written.
pub(super) fn symbol(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Div => "/",
        BinaryOp::Rem => "%",
        BinaryOp::Shl => "<<",
        BinaryOp::Shr => ">>",
        BinaryOp::UShr => ">>>",
        BinaryOp::BitAnd => "&",
        BinaryOp::BitOr => "|",
        BinaryOp::BitXor => "^",
        BinaryOp::And => "&&",
        BinaryOp::Or => "||",
        BinaryOp::Eq => "==",
        BinaryOp::Ne => "!=",
        BinaryOp::Lt => "<",
        BinaryOp::Le => "<=",
        BinaryOp::Gt => ">",
        BinaryOp::Ge => ">=",
    }
}

/// Whether what stands before an expression, such as `try` or a cast, is about all of it.
pub(super) fn binds_tight(expr: &Expr) -> bool {
    matches!(
        expr.kind,
        ExprKind::Call { .. }
            | ExprKind::Name(_)
            | ExprKind::Field { .. }
            | ExprKind::Index { .. }
            | ExprKind::Paren(_)
            | ExprKind::Double(_)
    )
}
