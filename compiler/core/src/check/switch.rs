//! `switch`, `instanceof` and patterns: what they test and what they bind.

use super::Checker;
use super::coverage::{Key, Rows, Shape, WORK_MAX};
use super::flow::Flow;
use super::pattern::binds;
use super::stmt::strip;
use crate::constants;
use crate::defs::{TypeDefId, TypeKind};
use crate::facts::Res;
use crate::types::{Ty, TyKind};
use dscript_grammar::ast::{self, ArmBody, BinaryOp, Expr, ExprKind, StrPart, SwitchLabel};
use dscript_grammar::codes;
use dscript_grammar::span::Span;

impl<'a> Checker<'a, '_> {
    pub(super) fn switch_stmt(&mut self, switch: &'a ast::Switch) {
        let subject = self.subject(switch);
        let mut passed = self.cx.flow.clone();
        let mut after = Flow::dead();
        let mut rows = Rows::default();
        let mut broken = false;
        let locals = self.cx.locals.len();
        self.cx.jumps.push(super::Jump {
            label: None,
            breaks: Flow::dead(),
            has_break: false,
            head: Flow::dead(),
            continues: Flow::dead(),
            locals,
            kind: super::JumpKind::Switch,
            began: self.now(),
        });
        for arm in switch.tried() {
            self.cx.flow = passed.clone();
            self.open_scope();
            broken |= !self.arm_labels(arm, subject, &mut rows, &mut passed);
            match &arm.body {
                ArmBody::Expr(body) => {
                    if matches!(strip(body).kind, ExprKind::Fail(_)) {
                        self.arm_value(body, None);
                        self.cx.flow = self.cx.flow.ended();
                    } else {
                        self.arm_for_effect(body);
                    }
                }
                ArmBody::Block(block) => self.block(block),
            }
            self.close_scope();
            after.join(&self.cx.flow);
        }
        if let Some(jump) = self.cx.jumps.pop() {
            after.join(&jump.breaks);
        }
        let open = self.exhaustive(subject, &rows);
        if broken || open.is_none() {
            self.facts().exhaustive.insert(switch.subject.id);
        } else {
            self.facts().exhaustive.remove(&switch.subject.id);
        }
        // A way past it that nobody can see is not spoken of.
        let hidden = subject == Ty::POISON || broken && open.is_some();
        match open {
            _ if hidden => after.doubted |= after.dead,
            Some(missing) if self.must_cover(switch, subject) => {
                self.report_missing(switch, &missing, Some("{ }"));
                after.doubted |= after.dead;
            }
            Some(_) => after.join(&passed),
            None => {}
        }
        self.cx.flow = after;
    }

    pub(super) fn switch_expr(&mut self, switch: &'a ast::Switch, expected: Option<Ty>) -> Ty {
        let expected = expected.filter(|&ty| self.is_shaped(ty) && ty != Ty::POISON && ty != Ty::VOID);
        let subject = self.subject(switch);
        let mut passed = self.cx.flow.clone();
        let mut after = Flow::dead();
        let mut rows = Rows::default();
        let mut broken = false;
        let mut found: Vec<(Ty, Span, Option<&'a Expr>)> = Vec::new();
        for arm in switch.tried() {
            self.cx.flow = passed.clone();
            self.open_scope();
            broken |= !self.arm_labels(arm, subject, &mut rows, &mut passed);
            match &arm.body {
                ArmBody::Expr(body) => {
                    let ty = self.arm_value(body, expected);
                    found.push((self.types.resolve(ty), body.span, Some(body)));
                }
                ArmBody::Block(block) => {
                    self.cx.arms.push(super::Arm {
                        found: Vec::new(),
                        wanted: expected,
                        after: Flow::dead(),
                        locals: self.cx.locals.len(),
                        jumps: self.cx.jumps.len(),
                    });
                    self.block(block);
                    let Some(arm) = self.cx.arms.pop() else { continue };
                    let broken = self.defs.modules[self.cx.module.index()].is_broken(block.span);
                    if !self.cx.flow.dead && !broken {
                        let brace = Span::new(block.span.end.saturating_sub(1), block.span.end);
                        self.error(
                            codes::MISSING_RETURN,
                            brace,
                            "a path reaches the end of the arm without `yield`",
                        );
                    }
                    // `yield` left the block: the switch goes on behind it.
                    match arm.found.is_empty() {
                        true => self.cx.flow.dead = true,
                        false => self.cx.flow = arm.after,
                    }
                    found.extend(arm.found.into_iter().map(|ty| (ty, block.span, None)));
                }
            }
            self.close_scope();
            after.join(&self.cx.flow);
        }
        if !broken && let Some(missing) = self.exhaustive(subject, &rows) {
            let given = found.iter().map(|f| f.0).find(|&ty| !matches!(ty, Ty::NEVER | Ty::NULL));
            let value = match expected.or(given) {
                _ if self.can_fail() => Some("fail \"not expected\";"),
                Some(ty) => self.value_to_begin_with(ty),
                None => None,
            };
            self.report_missing(switch, &missing, value);
        }
        self.cx.flow = after;
        if let Some(wanted) = expected
            && found.iter().all(|&(ty, _, _)| self.fits(ty, wanted))
        {
            let found: Vec<Ty> = found.iter().map(|f| f.0).collect();
            return self.as_known(&found, wanted);
        }
        let mut result = Ty::NEVER;
        let mut before: Option<Span> = None;
        for &(ty, span, _) in &found {
            result = match self.join(result, ty) {
                Some(joined) => joined,
                None => {
                    if let Some(wanted) = expected {
                        return self.arms_that_misfit(&found, wanted);
                    }
                    let (a, b) = (self.show(result), self.show(ty));
                    let message = format!("another arm gives `{a}`, this one `{b}`");
                    let mut report = self.diagnostic(codes::MISMATCH, span, message);
                    if let Some(before) = before {
                        report = report.label(before, format!("this gives `{a}`"));
                    }
                    self.diagnostics.push(report);
                    return Ty::POISON;
                }
            };
            if ty != Ty::NEVER {
                before = before.or(Some(span));
            }
        }
        result
    }

    /// Arms that give something else than what is wanted.
    fn arms_that_misfit(&mut self, found: &[(Ty, Span, Option<&'a Expr>)], wanted: Ty) -> Ty {
        for &(ty, span, body) in found {
            match body {
                Some(body) => {
                    self.require(body, ty, wanted);
                }
                None if !self.fits(ty, wanted) => {
                    let (wanted, shown) = (self.show(wanted), self.show(ty));
                    let message = format!("a `{wanted}` is wanted, this arm gives `{shown}`");
                    self.error(codes::MISMATCH, span, message);
                }
                None => {}
            }
        }
        Ty::POISON
    }

    /// What stands behind `->` where no value is wanted.
    fn arm_for_effect(&mut self, body: &'a Expr) {
        let ty = self.for_effect(body);
        let is_statement = matches!(
            strip(body).kind,
            ExprKind::Call { .. }
                | ExprKind::Assign { .. }
                | ExprKind::Step { .. }
                | ExprKind::Try(_)
                | ExprKind::Error
        );
        if ty == Ty::NEVER {
            self.leave_body(body.span);
        } else if !is_statement && ty != Ty::VOID && self.types.fallible_inner(ty).is_none() {
            self.error(
                codes::SYNTAX,
                body.span,
                "an arm of a `switch` statement is a call, an assignment or a block",
            );
        }
    }

    /// What stands behind `->`; here `fail` is an expression.
    fn arm_value(&mut self, body: &'a Expr, expected: Option<Ty>) -> Ty {
        let ExprKind::Fail(value) = &strip(body).kind else { return self.expr(body, expected) };
        let ty = self.fail(strip(body).span, value);
        self.facts().types[body.id.0 as usize] = ty;
        self.facts().types[strip(body).id.0 as usize] = ty;
        ty
    }

    pub(super) fn yield_stmt(&mut self, span: Span, value: &'a Expr) {
        let wanted = self.cx.arms.last().and_then(|arm| arm.wanted);
        let ty = self.expr(value, wanted);
        let ty = self.types.resolve(ty);
        if let Some(locals) = self.cx.arms.last().map(|arm| arm.locals) {
            self.report_left(locals, Span::new(span.start, span.start + 5));
        }
        match self.cx.arms.last_mut() {
            Some(arm) => {
                arm.found.push(ty);
                arm.after.join(&self.cx.flow);
            }
            None => {
                self.error(codes::NO_LOOP, span, "`yield` may stand only in an arm of a `switch` expression");
            }
        }
        self.cx.flow = self.cx.flow.ended();
    }

    fn subject(&mut self, switch: &'a ast::Switch) -> Ty {
        let ty = self.expr(&switch.subject, None);
        let ty = self.types.resolve(ty);
        let ty = self.as_declared(&switch.subject, ty);
        if self.types.fallible_inner(ty).is_some() {
            return self.failure_first(&switch.subject, ty);
        }
        if matches!(ty, Ty::VOID | Ty::NULL | Ty::RANGE)
            || matches!(self.types.kind(ty), TyKind::Function(..))
        {
            let shown = self.show(ty);
            return self.error(
                codes::PATTERN,
                switch.subject.span,
                format!("a `{shown}` cannot be switched over"),
            );
        }
        ty
    }

    /// Whether a statement must cover every case: over enums and sealed interfaces, and with patterns or null.
    fn must_cover(&mut self, switch: &ast::Switch, subject: Ty) -> bool {
        if subject == Ty::POISON {
            return false;
        }
        let plain = self.types.nullable_inner(subject).unwrap_or(subject);
        let by_type = match self.types.nominal_parts(plain) {
            Some((def, _)) => {
                let decl = &self.defs.types[def.index()];
                decl.kind == TypeKind::Enum || decl.permits.is_some()
            }
            None => false,
        };
        by_type
            || switch
                .arms
                .iter()
                .flat_map(|arm| &arm.labels)
                .any(|label| matches!(label, SwitchLabel::Pattern(_) | SwitchLabel::Null(_)))
    }

    /// Checks an arm's labels and guard; variables of patterns are declared in the open scope.
    /// False where a label could not be understood. `passed` is what is known where no arm so far has matched.
    fn arm_labels(
        &mut self,
        arm: &'a ast::SwitchArm,
        subject: Ty,
        rows: &mut Rows,
        passed: &mut Flow,
    ) -> bool {
        let mut shapes = Vec::new();
        let mut good = true;
        let mut binding_told = false;
        for label in &arm.labels {
            let (shape, span) = match label {
                SwitchLabel::Default(span) => (Some(Shape::Any), *span),
                SwitchLabel::Null(span) => {
                    if self.types.nullable_inner(subject).is_none() && subject != Ty::POISON {
                        let shown = self.show(subject);
                        self.error(codes::PATTERN, *span, format!("a `{shown}` is never null"));
                    }
                    (Some(Shape::Null), *span)
                }
                SwitchLabel::Value(value) => (self.constant_label(value, subject), value.span),
                SwitchLabel::Pattern(pattern) => {
                    let plain = self.types.nullable_inner(subject).unwrap_or(subject);
                    let shape = self.pattern(pattern, plain);
                    if arm.labels.len() > 1 && binds(pattern) && !std::mem::replace(&mut binding_told, true) {
                        self.error(
                            codes::PATTERN,
                            pattern.span,
                            "a case with several labels binds no variables",
                        );
                    }
                    // A type pattern lets null pass.
                    let shape = match shape {
                        Some(Shape::Any) if plain != subject => Some(Shape::Object(plain, Vec::new())),
                        shape => shape,
                    };
                    (shape, pattern.span)
                }
            };
            let Some(shape) = shape else {
                good = false;
                continue;
            };
            let head = self.head(&shape);
            let before = rows.about(head.as_ref());
            // As in Java, one earlier case must cover it: several that do so together leave it to the reader.
            let mut covers = |row: &Vec<Shape>| {
                let mut work = WORK_MAX;
                !self.useful(std::slice::from_ref(row), std::slice::from_ref(&shape), &[subject], &mut work)
            };
            if subject != Ty::POISON && before.iter().any(&mut covers) {
                let again = before.iter().any(|row| row[0] == shape);
                let message = if again && matches!(shape, Shape::Const(_) | Shape::Case(..)) {
                    "this case stands twice"
                } else {
                    "this case is never reached: earlier ones cover it"
                };
                let first = rows.all.iter().position(|row| row[0] == shape).map(|at| rows.spans[at]);
                let mut report = self.diagnostic(codes::DOMINATED, span, message);
                if let Some(first) = first {
                    report = report.label(first, "first here");
                }
                self.diagnostics.push(report);
            }
            shapes.push((shape, head, span));
        }
        match &arm.guard {
            // A guarded case may let its values pass.
            Some(guard) => {
                let (yes, no) = self.cond(guard);
                passed.join(&no);
                self.cx.flow = yes;
            }
            None => shapes.into_iter().for_each(|(shape, head, span)| rows.add(vec![shape], head, span)),
        }
        good
    }

    fn constant_label(&mut self, value: &'a Expr, subject: Ty) -> Option<Shape> {
        let plain = self.types.nullable_inner(subject).unwrap_or(subject);
        // A bare or qualified name may be an enum's constant; a qualified one also of an enum behind an interface.
        let own = self.types.nominal_parts(plain).map(|(def, _)| def);
        let own = own.filter(|def| self.defs.types[def.index()].kind == TypeKind::Enum);
        let def = own.or_else(|| self.qualifying_enum(value, plain));
        if let Some(def) = def
            && let Some((name, span)) = self.enum_label(value, def)
        {
            let plain = self.types.nominal(def, &[]);
            let decl = &self.defs.types[def.index()];
            return match decl.constant_places.get(&name) {
                Some(&place) => {
                    self.facts().types[value.id.0 as usize] = plain;
                    self.facts().res[value.id.0 as usize] = Res::EnumConst(def, place);
                    Some(Shape::Case(plain, place))
                }
                None => {
                    let near = crate::names::suggest(
                        self.text(name),
                        decl.constants.iter().map(|c| self.interner.name(c.0)),
                    );
                    let message = format!("`{}` has no constant `{}`", self.text(decl.name), self.text(name));
                    let mut report = self.diagnostic(codes::UNKNOWN_MEMBER, span, message);
                    if let Some(near) = near {
                        report = report.help(format!("did you mean `{near}`?")).edit(span, near);
                    }
                    self.diagnostics.push(report);
                    None
                }
            };
        }
        let told = self.diagnostics.len();
        let ty = self.expr_to(value, plain);
        if ty == Ty::POISON || plain == Ty::POISON || self.diagnostics.len() > told {
            return None;
        }
        let shape = self.constant_shape(value, plain);
        if shape.is_none() && !self.is_mistaken_constant(value) {
            self.error(
                codes::PATTERN,
                value.span,
                "a case is a constant: a literal, or a `static final` made of literals",
            );
        }
        shape
    }

    /// The enum that a qualified label names, where its constants may be values of the subject's type.
    fn qualifying_enum(&mut self, value: &Expr, subject: Ty) -> Option<TypeDefId> {
        let ExprKind::Field { receiver, .. } = &value.kind else { return None };
        let ExprKind::Name(name) = receiver.kind else { return None };
        let found = crate::names::lookup(self.defs, self.cx.module, name);
        let crate::names::Found::One(crate::defs::Def::Type(def)) = found else { return None };
        let ty = self.types.nominal(def, &[]);
        let is_enum = self.defs.types[def.index()].kind == TypeKind::Enum;
        (is_enum && subject != Ty::POISON && self.fits(ty, subject)).then_some(def)
    }

    fn enum_label(&self, value: &Expr, def: TypeDefId) -> Option<(dscript_grammar::span::Symbol, Span)> {
        match &value.kind {
            ExprKind::Name(name) => Some((*name, value.span)),
            ExprKind::Field { receiver, name } => match receiver.kind {
                ExprKind::Name(ty) if ty == self.defs.types[def.index()].name => Some((name.name, name.span)),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether a constant is named that nobody knows, because of a mistake in its declaration.
    fn is_mistaken_constant(&mut self, value: &Expr) -> bool {
        let Res::Const(id) = self.facts().res(strip(value).id) else { return false };
        let def = &self.defs.consts[id.index()];
        let file = self.file_of(def.module);
        def.init.is_none_or(|init| {
            let broken = self.defs.modules[def.module.index()].is_broken(init.span);
            broken || self.told_within(file, init.span)
        })
    }

    /// The value of a constant label.
    fn constant_shape(&mut self, value: &Expr, ty: Ty) -> Option<Shape> {
        let number = |n: i64| {
            if ty == Ty::DOUBLE { Key::Double((n as f64).to_bits()) } else { Key::Int(n) }
        };
        match &value.kind {
            ExprKind::Paren(inner) => self.constant_shape(inner, ty),
            ExprKind::Int(n) | ExprKind::Duration(n) => Some(Shape::Const(number(*n as i64))),
            ExprKind::Char(code) => Some(Shape::Const(number(i64::from(*code)))),
            ExprKind::Double(d) => Some(Shape::Const(Key::Double(d.to_bits()))),
            ExprKind::Bool(b) => Some(Shape::Case(Ty::BOOL, u32::from(*b))),
            ExprKind::Str(parts) => match &parts[..] {
                [] => Some(Shape::Const(Key::Text(String::new()))),
                [StrPart::Text(text)] => Some(Shape::Const(Key::Text(text.to_string()))),
                _ => None,
            },
            ExprKind::Chain { first, rest } => self.constant_chain(value, first, rest, ty),
            ExprKind::Unary { op: ast::UnaryOp::Neg, operand } => match self.constant_shape(operand, ty)? {
                Shape::Const(Key::Int(n)) => Some(Shape::Const(Key::Int(n.wrapping_neg()))),
                Shape::Const(Key::Double(bits)) => {
                    Some(Shape::Const(Key::Double((-f64::from_bits(bits)).to_bits())))
                }
                _ => None,
            },
            _ => match self.facts().res(value.id) {
                Res::Const(id) => {
                    let def = &self.defs.consts[id.index()];
                    let init = def.init?;
                    // What is known of a constant of another module is kept there.
                    let here = std::mem::replace(&mut self.cx.module, def.module);
                    let shape = self.constant_shape(init, ty);
                    self.cx.module = here;
                    shape
                }
                _ => None,
            },
        }
    }

    /// The value of constants that are put together.
    fn constant_chain(
        &mut self,
        whole: &Expr,
        first: &Expr,
        rest: &[ast::ChainLink],
        ty: Ty,
    ) -> Option<Shape> {
        let own = self.facts().ty(whole.id);
        if self.is_string(own) {
            return constants::text(self.defs, (self.cx.module, None), whole)
                .map(|t| Shape::Const(Key::Text(t)));
        }
        let mut value = self.constant_shape(first, own)?;
        for link in rest {
            let operand = self.constant_shape(&link.operand, own)?;
            let (Shape::Const(a), Shape::Const(b)) = (value, operand) else { return None };
            value = Shape::Const(computed(link.op, a, b)?);
        }
        match value {
            Shape::Const(Key::Int(n)) if ty == Ty::DOUBLE => {
                Some(Shape::Const(Key::Double((n as f64).to_bits())))
            }
            value => Some(value),
        }
    }
}

/// What an operator makes of two constant numbers; none where that would trap.
fn computed(op: BinaryOp, a: Key, b: Key) -> Option<Key> {
    match (a, b) {
        (Key::Int(a), Key::Int(b)) => Some(Key::Int(match op {
            BinaryOp::Add => a.checked_add(b)?,
            BinaryOp::Sub => a.checked_sub(b)?,
            BinaryOp::Mul => a.checked_mul(b)?,
            BinaryOp::Div => a.checked_div(b)?,
            BinaryOp::Rem => a.checked_rem(b)?,
            _ => return None,
        })),
        (Key::Double(a), Key::Double(b)) => {
            let (a, b) = (f64::from_bits(a), f64::from_bits(b));
            let value = match op {
                BinaryOp::Add => a + b,
                BinaryOp::Sub => a - b,
                BinaryOp::Mul => a * b,
                BinaryOp::Div => a / b,
                BinaryOp::Rem => a % b,
                _ => return None,
            };
            Some(Key::Double(value.to_bits()))
        }
        _ => None,
    }
}
