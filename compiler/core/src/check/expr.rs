//! Expressions but calls: names, members, operators, conditions, assignment, lambdas.

use super::flow::Flow;
use super::ops::binary_type;
use super::stmt::strip;
use super::{Checker, Ending, LambdaFrame, Local, field_node};
use crate::defs::{Def, TypeDefId, TypeKind};
use crate::facts::{LambdaFact, Res};
use crate::names::{Found, lookup, suggest};
use crate::types::{Ty, TyKind};
use dscript_grammar::ast::{self, BinaryOp, Expr, ExprKind, LambdaBody, UnaryOp};
use dscript_grammar::codes;
use dscript_grammar::span::{NodeId, Span, Symbol};

impl<'a> Checker<'a, '_> {
    /// The type of an expression; `expected` helps literals, lambdas and generic calls.
    pub(super) fn expr(&mut self, expr: &'a Expr, expected: Option<Ty>) -> Ty {
        let ty = self.expr_kind(expr, expected);
        self.facts().types[expr.id.0 as usize] = ty;
        ty
    }

    /// An expression whose value must be a `wanted`; gives the type it has by itself.
    pub(super) fn expr_to(&mut self, expr: &'a Expr, wanted: Ty) -> Ty {
        let found = self.expr(expr, Some(wanted));
        self.require(expr, found, wanted);
        self.types.resolve(found)
    }

    /// Reports a value that does not fit.
    pub(super) fn require(&mut self, expr: &Expr, found: Ty, wanted: Ty) {
        if self.fits(found, wanted) {
            return;
        }
        let found = self.types.resolve(found);
        let wanted = self.types.resolve(wanted);
        let (shown, want) = (self.show(found), self.show(wanted));
        let span = expr.span;
        let at = Span::new(span.start, span.start);
        if let Some(inner) = self.types.fallible_inner(found)
            && self.fits(inner, wanted)
        {
            let report = self
                .diagnostic(codes::USED_AS_VALUE, span, format!("this is a `{shown}`: it may be an error"))
                .help("hand the error on with `try`, test it with `isError`, or replace it with `??`")
                .edit(at, "try ");
            self.diagnostics.push(report);
            return;
        }
        if let Some(inner) = self.types.nullable_inner(found)
            && self.fits(inner, wanted)
        {
            let report = self
                .diagnostic(codes::NULLABLE, span, format!("this is a `{shown}`: it may be null"))
                .help("test it with `!= null` first, or replace null with `?? VALUE`");
            self.diagnostics.push(report);
            return;
        }
        let mut report =
            self.diagnostic(codes::MISMATCH, span, format!("a `{want}` is wanted, this is `{shown}`"));
        if found == Ty::DOUBLE && wanted == Ty::INT {
            report = report.help("`(int)` cuts the fraction off").edit(at, "(int) ");
        } else if found == Ty::NULL {
            report = report.help(format!("only a `{want}?` may be null"));
        } else if self.is_string(wanted) && super::ops::has_text(self.types, found) {
            report = report.help("as text: \"${...}\"");
        }
        self.diagnostics.push(report);
    }

    fn expr_kind(&mut self, expr: &'a Expr, expected: Option<Ty>) -> Ty {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Int(value) => self.int(*value, span, false, expected),
            ExprKind::Double(_) => Ty::DOUBLE,
            ExprKind::Bool(_) => Ty::BOOL,
            ExprKind::Null => Ty::NULL,
            ExprKind::Char(_) => Ty::INT,
            ExprKind::Duration(value) => self.duration(*value, span, false),
            ExprKind::Str(parts) => self.string_literal(parts),
            ExprKind::Name(name) => self.name(expr, *name),
            ExprKind::This => self.this(span),
            ExprKind::Paren(inner) => self.expr(inner, expected),
            ExprKind::Field { receiver, name } => self.field(expr, receiver, *name),
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
            ExprKind::Fail(value) => self.fail(span, value),
            ExprKind::List(items) => self.list(span, items, expected),
            ExprKind::Map(entries) => self.map_literal(span, entries, expected),
            ExprKind::ClassOf(ty) => self.class_of(ty),
            ExprKind::Range { low, high } => {
                self.expr_to(low, Ty::INT);
                self.expr_to(high, Ty::INT);
                self.error(codes::MISMATCH, span, "a range stands in a for-each only")
            }
            ExprKind::ScenarioRef { .. } => {
                self.error(codes::UNSUPPORTED, span, "scenarios are not supported yet")
            }
            ExprKind::Error => Ty::POISON,
        }
    }

    // ---- names and members ----

    fn name(&mut self, expr: &'a Expr, name: Symbol) -> Ty {
        let span = expr.span;
        if let Some(index) = self.local_index(name) {
            return self.local_value(expr.id, index, span);
        }
        if let Some(ty) = self.own_member(expr, name) {
            return ty;
        }
        let text = self.text(name);
        match self.lookup(name, span) {
            None => Ty::POISON,
            Some(Def::Const(id)) => {
                self.facts().res[expr.id.0 as usize] = Res::Const(id);
                self.defs.consts[id.index()].ty
            }
            Some(Def::Fn(id)) => {
                let def = &self.defs.fns[id.index()];
                if def.intrinsic.is_some() || !def.type_params.is_empty() {
                    let message = format!("`{text}` cannot be a value: call it, or write a lambda");
                    return self.error(codes::NOT_A_VALUE, span, message);
                }
                if def.is_lowlevel {
                    self.effect(span, id);
                }
                self.facts().res[expr.id.0 as usize] = Res::Fn(id);
                let params: Vec<Ty> = def.params.iter().map(|p| p.ty).collect();
                self.types.function(&params, def.ret)
            }
            Some(Def::Type(_)) => {
                self.error(codes::NOT_A_VALUE, span, format!("`{text}` is a type, not a value"))
            }
            Some(Def::Task(_)) => {
                self.error(codes::NOT_A_VALUE, span, format!("`{text}` is a task, not a value"))
            }
            Some(Def::Other) => self.error(codes::NOT_A_VALUE, span, format!("`{text}` is not a value")),
        }
    }

    fn local_value(&mut self, node: NodeId, index: usize, span: Span) -> Ty {
        let local = &mut self.cx.locals[index];
        local.read = true;
        let (declaration, ty, depth, name) = (local.node, local.ty, local.depth, local.name);
        if self.cx.flow.is_unassigned(declaration) {
            let message = format!("`{}` may have no value here", self.text(name));
            self.error(codes::UNASSIGNED, span, message);
            self.cx.flow.assign(declaration);
        }
        if (depth as usize) < self.cx.lambdas.len() {
            for frame in &mut self.cx.lambdas[depth as usize..] {
                if !frame.captures.contains(&declaration) {
                    frame.captures.push(declaration);
                }
            }
            self.cx.captured.push((declaration, span));
        }
        self.cx.flow.handle(declaration);
        self.facts().res[node.0 as usize] = Res::Local(declaration);
        self.cx.flow.narrowed(declaration).unwrap_or(ty)
    }

    /// A bare name that is a member of the type around it.
    fn own_member(&mut self, expr: &Expr, name: Symbol) -> Option<Ty> {
        let owner = self.cx.owner?;
        let def = &self.defs.types[owner.index()];
        if let Some(this) = self.cx.this
            && let Some(index) = def.fields.iter().position(|f| f.name == name)
        {
            self.capture_this();
            return Some(self.field_of(expr, this, owner, index));
        }
        if let Some(&id) = def.consts.get(&name) {
            self.facts().res[expr.id.0 as usize] = Res::Const(id);
            return Some(self.defs.consts[id.index()].ty);
        }
        if let Some(index) = def.constants.iter().position(|c| c.0 == name) {
            self.facts().res[expr.id.0 as usize] = Res::EnumConst(owner, index as u32);
            return Some(self.types.nominal(owner, &[]));
        }
        None
    }

    pub(super) fn capture_this(&mut self) {
        for frame in &mut self.cx.lambdas {
            frame.captures_this = true;
        }
    }

    fn this(&mut self, span: Span) -> Ty {
        match self.cx.this {
            Some(_) if self.cx.in_constructor => self.error(
                codes::CONSTRUCTOR,
                span,
                "`this` is not whole before the constructor ends: only its fields may be used",
            ),
            Some(ty) => {
                self.capture_this();
                ty
            }
            None => self.error(codes::NOT_A_VALUE, span, "there is no `this` here"),
        }
    }

    /// The type whose static members `receiver` names.
    pub(super) fn type_receiver(&mut self, receiver: &Expr) -> Option<TypeDefId> {
        let ExprKind::Name(name) = receiver.kind else { return None };
        if self.local_index(name).is_some() {
            return None;
        }
        if let Some(owner) = self.cx.owner
            && self.cx.this.is_some()
            && self.defs.types[owner.index()].fields.iter().any(|f| f.name == name)
        {
            return None;
        }
        match lookup(self.defs, self.cx.module, name) {
            Found::One(Def::Type(id)) => {
                self.facts().res[receiver.id.0 as usize] = Res::Type(id);
                Some(id)
            }
            _ => None,
        }
    }

    fn field(&mut self, expr: &'a Expr, receiver: &'a Expr, name: ast::Ident) -> Ty {
        if let Some(def) = self.type_receiver(receiver) {
            return self.static_field(expr, def, name);
        }
        if matches!(receiver.kind, ExprKind::This)
            && self.cx.in_constructor
            && let (Some(this), Some(owner)) = (self.cx.this, self.cx.owner)
        {
            let fields = &self.defs.types[owner.index()].fields;
            if let Some(index) = fields.iter().position(|f| f.name == name.name) {
                return self.field_of(expr, this, owner, index);
            }
        }
        let ty = self.receiver(receiver, name.name);
        let Some((def, _)) = self.types.nominal_parts(ty) else {
            if !matches!(ty, Ty::POISON | Ty::NEVER) {
                let shown = self.show(ty);
                let message = format!("a `{shown}` has no field `{}`", self.text(name.name));
                self.error(codes::UNKNOWN_MEMBER, name.span, message);
            }
            return Ty::POISON;
        };
        let fields = &self.defs.types[def.index()].fields;
        match fields.iter().position(|f| f.name == name.name) {
            Some(index) => {
                let sig = &fields[index];
                if sig.is_private && self.defs.types[def.index()].module != self.cx.module {
                    let message = format!("the field `{}` is private to its module", self.text(name.name));
                    self.error(codes::PRIVATE, name.span, message);
                }
                self.field_of(expr, ty, def, index)
            }
            None => self.unknown_member(def, ty, name, false),
        }
    }

    fn field_of(&mut self, expr: &Expr, object: Ty, def: TypeDefId, index: usize) -> Ty {
        let sig = &self.defs.types[def.index()].fields[index];
        let node = field_node(index as u32);
        if self.cx.in_constructor && Some(object) == self.cx.this && self.cx.flow.is_unassigned(node) {
            let message = format!("the field `{}` has no value here yet", self.text(sig.name));
            self.error(codes::UNASSIGNED, expr.span, message);
        }
        self.facts().res[expr.id.0 as usize] = Res::Field(index as u32);
        let args = self.types.nominal_parts(object).map(|(_, args)| args.to_vec()).unwrap_or_default();
        let params = self.defs.types[def.index()].type_params.clone();
        self.types.substitute(sig.ty, &params, &args)
    }

    fn static_field(&mut self, expr: &Expr, def: TypeDefId, name: ast::Ident) -> Ty {
        let decl = &self.defs.types[def.index()];
        if let Some(index) = decl.constants.iter().position(|c| c.0 == name.name) {
            self.facts().res[expr.id.0 as usize] = Res::EnumConst(def, index as u32);
            return self.types.nominal(def, &[]);
        }
        if let Some(&id) = decl.consts.get(&name.name) {
            self.facts().res[expr.id.0 as usize] = Res::Const(id);
            return self.defs.consts[id.index()].ty;
        }
        let candidates = decl.constants.iter().map(|c| c.0).chain(decl.consts.keys().copied());
        let near = suggest(self.text(name.name), candidates.map(|s| self.interner.name(s)));
        let message = format!("`{}` has no constant `{}`", self.text(decl.name), self.text(name.name));
        let mut report = self.diagnostic(codes::UNKNOWN_MEMBER, name.span, message);
        if decl.methods.contains_key(&name.name) {
            report = report.help("it is a function: call it with `()`");
        } else if let Some(near) = near {
            report = report.help(format!("did you mean `{near}`?")).edit(name.span, near);
        }
        self.diagnostics.push(report);
        Ty::POISON
    }

    pub(super) fn unknown_member(&mut self, def: TypeDefId, ty: Ty, name: ast::Ident, call: bool) -> Ty {
        let shown = self.show(ty);
        let decl = &self.defs.types[def.index()];
        let text = self.text(name.name);
        let what = if call { "method" } else { "field" };
        let mut report =
            self.diagnostic(codes::UNKNOWN_MEMBER, name.span, format!("a `{shown}` has no {what} `{text}`"));
        if !call && decl.methods.contains_key(&name.name) {
            report = report
                .help("it is a method: call it with `()`")
                .edit(Span::new(name.span.end, name.span.end), "()");
        } else if call && decl.fields.iter().any(|f| f.name == name.name) {
            report = report.help(format!("it is a field: write `.{text}` without parentheses"));
        } else {
            let members = decl.fields.iter().map(|f| f.name).chain(decl.methods.keys().copied());
            if let Some(near) = suggest(text, members.map(|s| self.interner.name(s))) {
                report = report.help(format!("did you mean `{near}`?")).edit(name.span, near);
            }
        }
        self.diagnostics.push(report);
        Ty::POISON
    }

    /// The value before a `.`: it must be there.
    pub(super) fn receiver(&mut self, receiver: &'a Expr, member: Symbol) -> Ty {
        let ty = self.expr(receiver, None);
        let ty = self.types.resolve(ty);
        let text = self.text(member);
        if self.types.fallible_inner(ty).is_some() {
            let shown = self.show(ty);
            let report = self
                .diagnostic(
                    codes::USED_AS_VALUE,
                    receiver.span,
                    format!("this is a `{shown}`: it may be an error"),
                )
                .help(format!("handle the failure before `.{text}`: `try`, `isError` or `??`"));
            self.diagnostics.push(report);
            return Ty::POISON;
        }
        if self.types.nullable_inner(ty).is_some() || ty == Ty::NULL {
            let shown = self.show(ty);
            let report = self
                .diagnostic(codes::NULLABLE, receiver.span, format!("this is a `{shown}`: it may be null"))
                .help(format!("test it with `!= null` before `.{text}`, or replace null with `??`"));
            self.diagnostics.push(report);
            return Ty::POISON;
        }
        ty
    }

    fn index(&mut self, receiver: &'a Expr, index: &'a Expr) -> Ty {
        let ty = self.expr(receiver, None);
        let ty = self.types.resolve(ty);
        let parts = self.types.nominal_parts(ty).map(|(def, args)| (def, args.to_vec()));
        match parts {
            Some((def, args)) if Some(def) == self.defs.known.list => {
                self.expr_to(index, Ty::INT);
                args[0]
            }
            Some((def, args)) if Some(def) == self.defs.known.map => {
                self.expr_to(index, args[0]);
                self.types.nullable(args[1])
            }
            _ => {
                self.expr(index, None);
                if ty == Ty::POISON {
                    return ty;
                }
                let shown = self.show(ty);
                let mut report = self.diagnostic(
                    codes::NOT_INDEXABLE,
                    receiver.span,
                    format!("a `{shown}` cannot be indexed"),
                );
                if self.is_string(ty) {
                    report = report.help("a character is `s.charAt(i)`");
                } else if self.types.nullable_inner(ty).is_some() {
                    report = report.help("it may be null: test it with `!= null` first");
                } else if self.types.fallible_inner(ty).is_some() {
                    report = report.help("it may be an error: `try`, `isError` or `??` first");
                }
                self.diagnostics.push(report);
                Ty::POISON
            }
        }
    }

    // ---- operators ----

    fn unary(&mut self, span: Span, op: UnaryOp, operand: &'a Expr) -> Ty {
        if op == UnaryOp::Neg {
            let literal = match strip(operand).kind {
                ExprKind::Int(value) => Some(self.int(value, operand.span, true, None)),
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

    fn operator_error(&mut self, span: Span, message: String, operands: &[(&Expr, Ty)]) -> Ty {
        let mut report = self.diagnostic(codes::OPERATOR, span, message);
        for (operand, ty) in operands {
            if self.types.fallible_inner(*ty).is_some() {
                let at = Span::new(operand.span.start, operand.span.start);
                report.code = codes::USED_AS_VALUE;
                report = report.help("it may be an error: `try`, `isError` or `??` first").edit(at, "try ");
                break;
            }
            if self.types.nullable_inner(*ty).is_some() {
                report.code = codes::NULLABLE;
                report = report.help("it may be null: test it with `!= null`, or use `?? VALUE`");
                break;
            }
        }
        self.diagnostics.push(report);
        Ty::POISON
    }

    fn chain(&mut self, first: &'a Expr, rest: &'a [ast::ChainLink]) -> Ty {
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
                None => self.bad_operands(link.op, link.op_span, (left_expr, left), (&link.operand, right)),
            };
            left_expr = &link.operand;
        }
        left
    }

    fn bad_operands(&mut self, op: BinaryOp, span: Span, left: (&Expr, Ty), right: (&Expr, Ty)) -> Ty {
        if left.1 == Ty::NEVER || right.1 == Ty::NEVER {
            return Ty::POISON;
        }
        let (a, b) = (self.show(left.1), self.show(right.1));
        let sign = symbol(op);
        self.operator_error(span, format!("`{sign}` does not fit `{a}` and `{b}`"), &[left, right])
    }

    // ---- conditions ----

    /// A condition: what is known where it holds, and where not.
    pub(super) fn cond(&mut self, expr: &'a Expr) -> (Flow, Flow) {
        if let ExprKind::Assign { op: None, op_span, .. } = &strip(expr).kind {
            let report = self
                .diagnostic(codes::CONDITION, *op_span, "an assignment is not a condition")
                .help("to compare, write `==`")
                .edit(*op_span, "==");
            self.diagnostics.push(report);
            return (self.cx.flow.clone(), self.cx.flow.clone());
        }
        let flows = self.cond_kind(expr);
        self.facts().types[expr.id.0 as usize] = Ty::BOOL;
        flows
    }

    fn cond_kind(&mut self, expr: &'a Expr) -> (Flow, Flow) {
        match &expr.kind {
            ExprKind::Paren(inner) => self.cond(inner),
            ExprKind::Bool(true) => (self.cx.flow.clone(), Flow::dead()),
            ExprKind::Bool(false) => (Flow::dead(), self.cx.flow.clone()),
            ExprKind::Unary { op: UnaryOp::Not, operand } => {
                let (yes, no) = self.cond(operand);
                (no, yes)
            }
            ExprKind::Chain { first, rest } if matches!(rest[0].op, BinaryOp::And | BinaryOp::Or) => {
                let is_and = rest[0].op == BinaryOp::And;
                let (mut yes, mut no) = self.cond(first);
                for link in rest {
                    let from = if is_and { &mut yes } else { &mut no };
                    self.cx.flow = std::mem::take(from);
                    let (y, n) = self.cond(&link.operand);
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
            _ => {
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
                        self.diagnostics.push(report);
                    }
                }
                (self.cx.flow.clone(), self.cx.flow.clone())
            }
        }
    }

    /// Whether a callee is the built-in `isError`.
    fn is_test(&self, callee: &Expr) -> bool {
        let ExprKind::Name(name) = callee.kind else { return false };
        self.text(name) == "isError"
            && self.local_index(name).is_none()
            && matches!(lookup(self.defs, self.cx.module, name),
                Found::One(Def::Fn(id)) if self.defs.fns[id.index()].intrinsic.is_some())
    }

    /// `isError(x)`: an Error where it holds, the value where not.
    fn test_flows(&mut self, arg: &Expr) -> (Flow, Flow) {
        let (mut yes, mut no) = (self.cx.flow.clone(), self.cx.flow.clone());
        if let ExprKind::Name(name) = strip(arg).kind
            && let Some(index) = self.local_index(name)
        {
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

    fn comparison(&mut self, op: BinaryOp, op_span: Span, left: &'a Expr, right: &'a Expr) -> (Flow, Flow) {
        let is_null = |e: &Expr| matches!(strip(e).kind, ExprKind::Null);
        let a = if is_null(right) { self.null_operand(left) } else { self.expr(left, None) };
        let a = self.types.resolve(a);
        let b = if is_null(left) { self.null_operand(right) } else { self.expr(right, None) };
        let b = self.types.resolve(b);
        if binary_type(self.types, self.defs, op, a, b).is_none() && a != Ty::NEVER && b != Ty::NEVER {
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
            && let ExprKind::Name(name) = strip(tested).kind
            && let Some(index) = self.local_index(name)
        {
            let (node, ty) = (self.cx.locals[index].node, self.cx.locals[index].ty);
            let ty = self.types.resolve(self.cx.flow.narrowed(node).unwrap_or(ty));
            if let Some(inner) = self.types.nullable_inner(ty) {
                let not_null = if op == BinaryOp::Eq { &mut no } else { &mut yes };
                not_null.narrow(node, inner);
            }
        }
        (yes, no)
    }

    /// What is compared with null: a `T?` variable may be, also where it is known not to be null.
    fn null_operand(&mut self, expr: &'a Expr) -> Ty {
        let narrowed = self.expr(expr, None);
        let narrowed = self.types.resolve(narrowed);
        if self.types.nullable_inner(narrowed).is_some() || self.types.fallible_inner(narrowed).is_some() {
            return narrowed;
        }
        let ExprKind::Name(name) = strip(expr).kind else { return narrowed };
        let Some(index) = self.local_index(name) else { return narrowed };
        let declared = self.types.resolve(self.cx.locals[index].ty);
        if self.types.nullable_inner(declared).is_some() {
            self.set_target_types(expr, declared);
            return declared;
        }
        narrowed
    }

    fn bad_comparison(&mut self, op: BinaryOp, span: Span, left: (&Expr, Ty), right: (&Expr, Ty)) {
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

    fn conditional(&mut self, cond: &'a Expr, then: &'a Expr, else_: &'a Expr, expected: Option<Ty>) -> Ty {
        let (yes, no) = self.cond(cond);
        self.cx.flow = yes;
        let a = self.expr(then, expected);
        let after = std::mem::replace(&mut self.cx.flow, no);
        let b = self.expr(else_, expected);
        self.cx.flow.join(&after);
        self.joined(else_, a, b, expected)
    }

    /// The common type of two branches; with an expected type that both fit, that one.
    fn joined(&mut self, second: &Expr, a: Ty, b: Ty, expected: Option<Ty>) -> Ty {
        if let Some(wanted) = expected
            && !self.types.is_open(wanted)
            && wanted != Ty::POISON
            && self.fits(a, wanted)
            && self.fits(b, wanted)
        {
            return wanted;
        }
        match self.join(a, b) {
            Some(ty) => ty,
            None => {
                let (x, y) = (self.show(a), self.show(b));
                let message = format!("one way this is `{x}`, the other way `{y}`");
                self.error(codes::MISMATCH, second.span, message)
            }
        }
    }

    fn coalesce(&mut self, left: &'a Expr, right: &'a Expr, expected: Option<Ty>) -> Ty {
        let ty = self.whole(left, None);
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
            self.error(codes::CANNOT_FAIL, left.span, message);
        }
        let before = self.cx.flow.clone();
        let wanted = match expected {
            Some(wanted) if inner == Ty::NULL => Some(wanted),
            _ if inner == Ty::VOID => None,
            _ => Some(inner),
        };
        let other = self.expr(right, wanted);
        let other = self.types.resolve(other);
        self.cx.flow.join(&before);
        if inner == Ty::VOID && other == Ty::NEVER {
            return Ty::VOID;
        }
        if other == Ty::NEVER {
            return inner;
        }
        self.joined(right, inner, other, expected)
    }

    fn try_expr(&mut self, span: Span, operand: &'a Expr, expected: Option<Ty>) -> Ty {
        let expected = expected.filter(|&ty| !self.types.is_open(ty));
        let wanted = expected.map(|ty| self.types.fallible(ty));
        let ty = self.whole(operand, wanted);
        let word = Span::new(span.start, span.start + 3);
        match self.types.fallible_inner(ty) {
            Some(inner) => {
                self.may_fail(word, "try");
                inner
            }
            None if ty == Ty::POISON || ty == Ty::NEVER => ty,
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
                }
                self.diagnostics.push(report);
                ty
            }
        }
    }

    fn cast(&mut self, ty: &'a ast::TypeExpr, operand: &'a Expr) -> Ty {
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

    // ---- assignment ----

    fn step(&mut self, span: Span, target: &'a Expr) -> Ty {
        let ty = self.target(target, true);
        let ty = self.types.resolve(ty);
        if !matches!(ty, Ty::INT | Ty::DOUBLE | Ty::POISON) {
            let shown = self.show(ty);
            self.error(codes::OPERATOR, span, format!("`++` and `--` do not fit a `{shown}`"));
            return Ty::POISON;
        }
        ty
    }

    fn assign(
        &mut self,
        span: Span,
        op: Option<BinaryOp>,
        op_span: Span,
        target: &'a Expr,
        value: &'a Expr,
    ) -> Ty {
        let Some(op) = op else {
            return self.plain_assign(target, value);
        };
        let ty = self.target(target, true);
        let ty = self.types.resolve(ty);
        let found = self.expr(value, None);
        let found = self.types.resolve(found);
        if ty == Ty::POISON {
            return ty;
        }
        if let (ExprKind::Index { receiver, index }, Some(_)) =
            (&strip(target).kind, self.types.nullable_inner(ty))
        {
            let _ = (receiver, index);
            let report = self
                .diagnostic(codes::NULLABLE, span, "the key may not be there: its value may be null")
                .help("write `m[k] = (m[k] ?? 0) + 1`, or `m.update(k, 0, v -> v + 1)`");
            self.diagnostics.push(report);
            return Ty::POISON;
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

    fn plain_assign(&mut self, target: &'a Expr, value: &'a Expr) -> Ty {
        // A local's value is computed before the local changes.
        if let ExprKind::Name(name) = strip(target).kind
            && let Some(index) = self.local_index(name)
        {
            let local = self.cx.locals[index].clone();
            let found = self.expr_to(value, local.ty);
            self.local_target(target, index, false);
            if self.cx.flow.is_pending(local.node) {
                self.report_pending(&local);
                self.cx.flow.handle(local.node);
            }
            self.cx.flow.assign(local.node);
            self.cx.flow.widen(local.node);
            self.narrow_on_assign(local.node, local.ty, found);
            self.start_pending(local.node, local.ty, value);
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
        }
        ty
    }

    fn set_target_types(&mut self, target: &Expr, ty: Ty) {
        self.facts().types[target.id.0 as usize] = ty;
        if let ExprKind::Paren(inner) = &target.kind {
            self.set_target_types(inner, ty);
        }
    }

    /// What `receiver[...] = v` stores.
    fn stored_in(&mut self, receiver: &Expr) -> Ty {
        let ty = self.facts().ty(receiver.id);
        let ty = self.types.resolve(ty);
        match self.types.nominal_parts(ty) {
            Some((_, args)) => args.last().copied().unwrap_or(Ty::POISON),
            None => Ty::POISON,
        }
    }

    /// A `T` assigned to a `T?` or `T!` is known to be one.
    pub(super) fn narrow_on_assign(&mut self, node: NodeId, declared: Ty, found: Ty) {
        let inner = self.types.nullable_inner(declared).or_else(|| self.types.fallible_inner(declared));
        let Some(inner) = inner else { return };
        let error = self.error_type();
        let is_value = self.types.nullable_inner(found).is_none()
            && self.types.fallible_inner(found).is_none()
            && !matches!(found, Ty::NULL | Ty::POISON | Ty::NEVER | Ty::VOID)
            && found != error;
        if is_value && inner != Ty::VOID {
            self.cx.flow.narrow(node, inner);
            if let Some(local) = self.cx.locals.iter_mut().find(|l| l.node == node) {
                local.read = true;
            }
        }
    }

    fn local_target(&mut self, target: &Expr, index: usize, reads: bool) {
        let local = &mut self.cx.locals[index];
        local.assigned += 1;
        let (node, name, is_final, depth, declared, had) =
            (local.node, local.name, local.is_final, local.depth, local.span, local.assigned > 1);
        let inner = strip(target).id;
        self.facts().res[inner.0 as usize] = Res::Local(node);
        let text = self.text(name);
        if (depth as usize) < self.cx.lambdas.len() {
            let report = self
                .diagnostic(
                    codes::CAPTURE,
                    target.span,
                    format!("a lambda cannot assign `{text}`, which is declared outside it"),
                )
                .label(declared, "declared here");
            self.diagnostics.push(report);
        } else if is_final && (had && !self.cx.flow.is_unassigned(node) || reads) {
            let report = self
                .diagnostic(codes::FINAL, target.span, format!("`{text}` is final and has a value already"))
                .label(declared, "declared here");
            self.diagnostics.push(report);
        }
    }

    /// The place an assignment writes; with `reads`, its old value is used too.
    fn target(&mut self, target: &'a Expr, reads: bool) -> Ty {
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
                        let ty = self.name(target, *name);
                        self.field_target(target, ty)
                    }
                },
            },
            ExprKind::Field { receiver, name } => {
                let own = matches!(receiver.kind, ExprKind::This);
                match own.then(|| self.constructor_field(target, name.name, reads)).flatten() {
                    Some(ty) => ty,
                    None => {
                        let ty = self.field(target, receiver, *name);
                        self.field_target(target, ty)
                    }
                }
            }
            ExprKind::Index { receiver, index } => self.index(receiver, index),
            _ => {
                self.expr(target, None);
                self.error(
                    codes::NOT_ASSIGNABLE,
                    target.span,
                    "only variables, fields and elements can be assigned",
                )
            }
        };
        self.facts().types[target.id.0 as usize] = ty;
        ty
    }

    /// A field of `this` that a constructor gives a value.
    fn constructor_field(&mut self, target: &Expr, name: Symbol, reads: bool) -> Option<Ty> {
        let owner = self.cx.owner.filter(|_| self.cx.in_constructor && !reads)?;
        let fields = &self.defs.types[owner.index()].fields;
        let index = fields.iter().position(|f| f.name == name)?;
        if fields[index].is_final && !self.cx.flow.is_unassigned(field_node(index as u32)) {
            let message = format!("the field `{}` is final and has a value already", self.text(name));
            self.error(codes::FINAL, target.span, message);
        }
        self.facts().res[target.id.0 as usize] = Res::Field(index as u32);
        Some(fields[index].ty)
    }

    fn field_target(&mut self, target: &Expr, ty: Ty) -> Ty {
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
                } else if sig.is_final {
                    self.error(codes::FINAL, target.span, format!("the field `{name}` is final"));
                }
                ty
            }
            _ => self.error(codes::NOT_ASSIGNABLE, target.span, "a constant cannot be assigned"),
        }
    }

    // ---- lambdas ----

    fn lambda(&mut self, expr: &'a Expr, lambda: &'a ast::Lambda, expected: Option<Ty>) -> Ty {
        let mut wanted = expected.map(|ty| self.types.resolve(ty));
        while let Some(ty) = wanted
            && let Some(inner) = self.types.nullable_inner(ty).or_else(|| self.types.fallible_inner(ty))
        {
            wanted = Some(inner);
        }
        let signature = match wanted.map(|ty| self.types.kind(ty).clone()) {
            Some(TyKind::Function(params, ret)) => Some((params.to_vec(), ret)),
            _ => None,
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
        let mut params = Vec::new();
        for (index, param) in lambda.params.iter().enumerate() {
            let from_context = signature.as_ref().map(|(params, _)| self.types.resolve(params[index]));
            let ty = match (&param.ty, from_context) {
                (Some(declared), _) => {
                    let ty = self.type_expr(declared);
                    if let Some(wanted) = from_context
                        && !self.same(ty, wanted)
                    {
                        let (wanted, ty) = (self.show(wanted), self.show(ty));
                        let message = format!("the parameter is a `{wanted}` here, not a `{ty}`");
                        self.error(codes::MISMATCH, declared.span, message);
                    }
                    ty
                }
                (None, Some(ty)) if !self.types.is_open(ty) => ty,
                _ => self.error(
                    codes::CANNOT_INFER,
                    param.name.span,
                    "the parameter's type cannot be seen here: write it, as in `(int x) -> ...`",
                ),
            };
            params.push(ty);
        }
        let wanted_ret =
            signature.map(|(_, ret)| self.types.resolve(ret)).filter(|&ret| !self.types.is_open(ret));
        let ret = self.lambda_body(expr, lambda, &params, wanted_ret);
        self.types.function(&params, ret)
    }

    fn lambda_body(
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
        let outer_retries = std::mem::replace(&mut self.cx.retries, 0);
        let outer_yields = std::mem::take(&mut self.cx.yields);
        let outer_flow = self.cx.flow.clone();
        self.cx.lambdas.push(LambdaFrame { node: expr.id, captures: Vec::new(), captures_this: false });
        self.open_scope();
        for (param, &ty) in lambda.params.iter().zip(params) {
            self.declare(Local {
                name: param.name.name,
                node: param.id,
                span: param.name.span,
                ty,
                is_final: false,
                assigned: 1,
                read: true,
                depth: 0,
                is_pattern: false,
            });
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
        self.cx.yields = outer_yields;
        let pending_then: Vec<NodeId> =
            outer_flow.pending().iter().copied().filter(|&n| !self.cx.flow.is_pending(n)).collect();
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
    fn lambda_value(&mut self, body: &'a Expr, wanted: Option<Ty>) -> Ty {
        match wanted {
            Some(Ty::VOID) => {
                let ty = self.expr(body, None);
                let ty = self.types.resolve(ty);
                if self.types.fallible_inner(ty).is_some() {
                    let report = self
                        .diagnostic(
                            codes::UNHANDLED,
                            body.span,
                            "a failure is overlooked: this result may be an error",
                        )
                        .help("handle it in the lambda: `??`, `isError` or `ignore(...)`");
                    self.diagnostics.push(report);
                }
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

    fn lambda_result(&mut self, expr: &Expr, found: Vec<Ty>, last: Ty, fails: bool) -> Ty {
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

    /// What a for-each walks: the type of its elements.
    pub(super) fn iterated(&mut self, iter: &'a Expr) -> Ty {
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
                report = report
                    .help("it may be an error: `try`, `isError` or `??` first")
                    .edit(Span::new(iter.span.start, iter.span.start), "try ");
            } else if self.types.nullable_inner(ty).is_some() {
                report.code = codes::NULLABLE;
                report = report.help("it may be null: test it with `!= null` first");
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

/// `1 parameter`, `2 parameters`
pub(super) fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// An operator as it is written.
fn symbol(op: BinaryOp) -> &'static str {
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
