//! Expressions but calls.

use super::build::{Mark, Regs};
use super::{Lowerer, Val, literal_text};
use crate::check::binary_type;
use crate::facts::Res;
use crate::types::{Ty, TyKind};
use dscript_bytecode::ids::*;
use dscript_bytecode::image::{RegType, ScalarKind, Type};
use dscript_bytecode::instr::Instr;
use dscript_grammar::ast::{self, BinaryOp, Expr, ExprKind, LambdaBody, StrPart, UnaryOp};
use dscript_grammar::span::NodeId;

impl<'a> Lowerer<'a, '_> {
    /// The type the checker found for a node, in this instance.
    pub(super) fn node_ty(&mut self, id: NodeId) -> Ty {
        let ty = self.facts[self.cx.module.index()].ty(id);
        self.subst(ty)
    }

    fn res(&self, id: NodeId) -> Res {
        self.facts[self.cx.module.index()].res(id)
    }

    /// The value as one of type `to`.
    pub(super) fn expr_as(&mut self, expr: &'a Expr, to: Ty) -> Val {
        // Branches convert each for itself, so that both ways end in the same registers.
        let value = match &expr.kind {
            ExprKind::Paren(inner) => return self.expr_as(inner, to),
            ExprKind::Conditional { cond, then, else_ } => {
                let ty = if to == Ty::VOID { self.node_ty(expr.id) } else { to };
                return self.conditional(cond, then, else_, ty);
            }
            _ => self.expr(expr),
        };
        self.convert(value, to)
    }

    pub(super) fn expr(&mut self, expr: &'a Expr) -> Val {
        self.at(expr.span);
        match &expr.kind {
            ExprKind::Paren(inner) => self.expr(inner),
            ExprKind::Int(value) => self.int(*value as i64, Ty::INT),
            ExprKind::Char(code) => self.int(i64::from(*code), Ty::INT),
            ExprKind::Duration(value) => self.int(*value as i64, Ty::DURATION),
            ExprKind::Double(value) => {
                let dst = self.scalar(ScalarKind::Double);
                self.b.emit(Instr::Double { value: *value, dst });
                Val { ty: Ty::DOUBLE, regs: Regs::new(&[Reg::S(dst)]) }
            }
            ExprKind::Bool(value) => {
                let dst = self.scalar(ScalarKind::Bool);
                self.b.emit(Instr::Bool { value: *value, dst });
                Val { ty: Ty::BOOL, regs: Regs::new(&[Reg::S(dst)]) }
            }
            ExprKind::Null => Val { ty: Ty::NULL, regs: Regs::none() },
            ExprKind::Str(parts) => self.string(parts),
            ExprKind::Name(_) => self.name(expr),
            ExprKind::This => {
                let ty = self.node_ty(expr.id);
                match self.cx.this {
                    Some(regs) => Val { ty, regs },
                    None => self.absent(ty),
                }
            }
            ExprKind::Field { receiver, .. } => self.field(expr, receiver),
            ExprKind::Index { receiver, index } => self.index(expr, receiver, index),
            ExprKind::Call { callee, args } => self.call(expr, Some(callee), args),
            ExprKind::New { args, .. } => self.call(expr, None, args),
            ExprKind::Unary { op, operand } => self.unary(expr, *op, operand),
            ExprKind::Step { target, delta, prefix } => self.step(target, *delta, *prefix),
            ExprKind::Binary { .. } => self.condition_value(expr),
            ExprKind::Chain { first, rest } => {
                if matches!(rest[0].op, BinaryOp::And | BinaryOp::Or) {
                    return self.condition_value(expr);
                }
                self.chain(first, rest)
            }
            ExprKind::Assign { op, target, value, .. } => self.assign(*op, target, value),
            ExprKind::Conditional { cond, then, else_ } => {
                let ty = self.node_ty(expr.id);
                self.conditional(cond, then, else_, ty)
            }
            ExprKind::Coalesce { left, right } => self.coalesce(expr, left, right),
            ExprKind::Lambda(lambda) => self.lambda(expr, lambda),
            ExprKind::Cast { operand, .. } => self.cast(expr, operand),
            ExprKind::Try(operand) => self.try_expr(expr, operand),
            ExprKind::Fail(value) => {
                self.fail(value);
                Val { ty: Ty::NEVER, regs: Regs::none() }
            }
            ExprKind::List(items) => self.list(expr, items),
            ExprKind::Map(entries) => self.map(expr, entries),
            ExprKind::ClassOf(_) => {
                let ty = self.node_ty(expr.id);
                Val { ty, regs: Regs::none() }
            }
            ExprKind::InstanceOf { .. } => self.condition_value(expr),
            ExprKind::Switch(switch) => {
                let ty = self.node_ty(expr.id);
                self.switch_expr(switch, ty)
            }
            ExprKind::Range { .. } | ExprKind::ScenarioRef { .. } | ExprKind::Error => self.void(),
        }
    }

    fn int(&mut self, value: i64, ty: Ty) -> Val {
        let dst = self.int_const(value);
        Val { ty, regs: Regs::new(&[Reg::S(dst)]) }
    }

    // ---- text ----

    fn string(&mut self, parts: &'a [StrPart]) -> Val {
        match parts {
            [] => self.string_const(""),
            [StrPart::Text(text)] => self.string_const(text),
            _ => {
                let mut regs = Vec::new();
                for part in parts {
                    let value = match part {
                        StrPart::Text(text) => self.string_const(text),
                        StrPart::Expr(expr) => {
                            let value = self.expr(expr);
                            self.text(value)
                        }
                    };
                    regs.push(value.regs.slice()[0]);
                }
                self.concat(regs)
            }
        }
    }

    fn concat(&mut self, parts: Vec<Reg>) -> Val {
        let ty = self.string_ty();
        if let [one] = parts[..] {
            return Val { ty, regs: Regs::new(&[one]) };
        }
        let regs = self.take(ty);
        self.b.emit(Instr::Concat { parts: parts.into(), dst: regs.r() });
        Val { ty, regs }
    }

    /// The text of a value, as `${}` shows it.
    pub(super) fn text(&mut self, value: Val) -> Val {
        let string = self.string_ty();
        let from = self.types.resolve(value.ty);
        if from == string {
            return value;
        }
        if matches!(from, Ty::NEVER | Ty::POISON) {
            return self.absent(string);
        }
        if let Some(inner) = self.types.nullable_inner(from) {
            return self.nullable_text(value, inner);
        }
        let dst = self.take(string);
        let ty = self.type_id(from);
        match value.regs.slice()[0] {
            Reg::S(src) => self.b.emit(Instr::TextScalar { src, ty, dst: dst.r() }),
            Reg::R(src) => self.b.emit(Instr::TextRef { src, ty, dst: dst.r() }),
        }
        Val { ty: string, regs: dst }
    }

    /// In generic code an item may be null after all.
    fn nullable_text(&mut self, value: Val, inner: Ty) -> Val {
        let string = self.string_ty();
        let dst = self.take(string);
        let (null, done) = (self.b.mark(), self.b.mark());
        self.jump_if_null(value, null);
        let plain = self.narrow(value, inner);
        let text = self.text(plain);
        self.copy(text.regs, dst);
        self.b.jump(done);
        self.b.place(null);
        let text = self.string_const("null");
        self.copy(text.regs, dst);
        self.b.jump(done);
        self.b.place(done);
        Val { ty: string, regs: dst }
    }

    pub(super) fn jump_if_null(&mut self, value: Val, mark: Mark) {
        let to = self.b.to(mark);
        match *value.regs.slice() {
            [Reg::S(flag), _] => self.b.emit(Instr::IfNot { a: flag, to }),
            [Reg::R(a)] => self.b.emit(Instr::IfNull { a, to }),
            _ => {}
        }
    }

    // ---- names and members ----

    fn name(&mut self, expr: &'a Expr) -> Val {
        let ty = self.node_ty(expr.id);
        match self.res(expr.id) {
            Res::Local(node) => {
                let declared = self.facts[self.cx.module.index()].locals.get(&node).copied().unwrap_or(ty);
                let declared = self.subst(declared);
                match self.cx.locals.get(&node).copied() {
                    Some(regs) => self.narrow(Val { ty: declared, regs }, ty),
                    None => self.absent(ty),
                }
            }
            Res::Field(index) => self.own_field(index, ty),
            Res::Const(id) => self.constant_value(id, ty),
            Res::EnumConst(_, index) => self.int(i64::from(index), ty),
            Res::Fn(id) => self.function_value(id, ty),
            Res::Type(_) | Res::None => self.absent(ty),
        }
    }

    /// A field of `this`.
    fn own_field(&mut self, index: u32, ty: Ty) -> Val {
        if self.cx.in_constructor {
            return Val { ty, regs: self.cx.fields[index as usize] };
        }
        let (Some(this), Some(owner)) = (self.cx.this, self.cx.this_ty) else { return self.absent(ty) };
        self.field_value(Val { ty: owner, regs: this }, index, ty)
    }

    /// A field of an object, or of an enum's constant.
    fn field_value(&mut self, object: Val, index: u32, ty: Ty) -> Val {
        match object.regs.slice()[0] {
            Reg::R(reg) => self.read_field(reg, object.ty, index, ty),
            Reg::S(ordinal) => {
                let (data, data_ty) = self.enum_data(object.ty, ordinal);
                self.read_field(data, data_ty, index, ty)
            }
        }
    }

    fn read_field(&mut self, object: R, owner: Ty, index: u32, ty: Ty) -> Val {
        let fields = self.struct_fields(owner);
        let (scalar, reference) = self.field_slots(&fields, index as usize);
        let regs = self.take(ty);
        self.load_slots(object, regs, scalar, reference);
        Val { ty, regs }
    }

    /// The types of a record's or class's fields in this instance.
    pub(super) fn struct_fields(&mut self, ty: Ty) -> Vec<Ty> {
        if let TyKind::EnumData(def) = *self.types.kind(ty) {
            return self.defs.types[def.index()].fields.iter().map(|f| f.ty).collect();
        }
        let Some((def, args)) = self.types.nominal_parts(ty).map(|(d, a)| (d, a.to_vec())) else {
            return Vec::new();
        };
        let decl = &self.defs.types[def.index()];
        decl.fields.iter().map(|f| self.types.substitute(f.ty, &decl.type_params, &args)).collect()
    }

    fn field(&mut self, expr: &'a Expr, receiver: &'a Expr) -> Val {
        let ty = self.node_ty(expr.id);
        match self.res(expr.id) {
            Res::Const(id) => self.constant_value(id, ty),
            Res::EnumConst(_, index) => self.int(i64::from(index), ty),
            Res::Field(index) => {
                if self.cx.in_constructor && matches!(receiver.kind, ExprKind::This) {
                    return self.own_field(index, ty);
                }
                let object = self.expr(receiver);
                self.at(expr.span);
                if object.regs.slice().is_empty() {
                    return self.absent(ty);
                }
                self.field_value(object, index, ty)
            }
            _ => {
                self.expr(receiver);
                self.absent(ty)
            }
        }
    }

    fn constant_value(&mut self, id: crate::defs::ConstId, ty: Ty) -> Val {
        let init = self.defs.consts[id.index()].init;
        let simple = init.and_then(|init| simple_constant(init, false));
        match simple {
            Some(Simple::Int(value)) if ty != Ty::DOUBLE => self.int(value, ty),
            Some(Simple::Int(value)) => self.double(value as f64),
            Some(Simple::Double(value)) => self.double(value),
            Some(Simple::Text(text)) => self.string_const(&text),
            None => {
                let from = self.static_id(id);
                let regs = self.take(ty);
                self.b.emit(Instr::GetStatic { from, results: regs.slice().into() });
                Val { ty, regs }
            }
        }
    }

    fn double(&mut self, value: f64) -> Val {
        let dst = self.scalar(ScalarKind::Double);
        self.b.emit(Instr::Double { value, dst });
        Val { ty: Ty::DOUBLE, regs: Regs::new(&[Reg::S(dst)]) }
    }

    fn function_value(&mut self, id: crate::defs::FnId, ty: Ty) -> Val {
        let closure = match self.thunks.get(&id) {
            Some(&(closure, _)) => closure,
            None => {
                let function = self.reserve();
                let signature = self.type_id(ty);
                let closure =
                    self.raw_type(Type::Closure { ty: signature, code: function, captured: Vec::new() });
                self.thunks.insert(id, (closure, function));
                self.queue.push_back(super::Job::Thunk { id, closure, function });
                closure
            }
        };
        let dst = self.reference(closure, false);
        self.b.emit(Instr::New { ty: closure, slots: Box::new([]), dst });
        let regs = self.take(ty);
        self.copy(Regs::new(&[Reg::R(dst)]), regs);
        Val { ty, regs }
    }

    /// A function value as one of a wider type.
    pub(super) fn adapted(&mut self, value: Val, to: Ty) -> Val {
        let from = self.types.resolve(value.ty);
        let closure = match self.adapters.get(&(from, to)) {
            Some(&known) => known,
            None => {
                let function = self.reserve();
                let (ty, held) = (self.type_id(to), self.type_id(from));
                let closure = self.raw_type(Type::Closure { ty, code: function, captured: vec![held] });
                self.adapters.insert((from, to), closure);
                self.queue.push_back(super::Job::Adapted { from, to, closure, function });
                closure
            }
        };
        let dst = self.reference(closure, false);
        self.b.emit(Instr::New { ty: closure, slots: value.regs.slice().into(), dst });
        let regs = self.take(to);
        self.copy(Regs::new(&[Reg::R(dst)]), regs);
        Val { ty: to, regs }
    }

    pub(super) fn adapted_code(&mut self, from: Ty, to: Ty, closure: TypeId, function: FunctionId) {
        let (TyKind::Function(inner, inner_ret), TyKind::Function(params, ret)) =
            (self.types.kind(from).clone(), self.types.kind(to).clone())
        else {
            unreachable!("functions are adapted to functions")
        };
        let module = self.cx.module;
        self.begin(module, "function value".into(), &[], ret);
        let own =
            self.b.param(RegType::Ref(dscript_bytecode::image::RefType { ty: closure, nullable: false }));
        let Reg::R(own) = own else { unreachable!("a closure is a reference") };
        let mut values = Vec::new();
        for &ty in &params {
            let regs = self.params_of(ty);
            values.push(Val { ty, regs });
        }
        self.at(dscript_grammar::span::Span::default());
        let held = self.take(from);
        self.load_slots(own, held, 0, 0);
        let mut args = Vec::new();
        for (value, &wanted) in values.into_iter().zip(inner.iter()) {
            args.extend(self.convert(value, wanted).regs.slice());
        }
        let results = self.take(inner_ret);
        self.b.emit(Instr::CallValue {
            callee: held.r(),
            args: args.into(),
            results: results.slice().into(),
        });
        self.return_value(Val { ty: inner_ret, regs: results });
        self.set_function(function, dscript_grammar::span::Span::default());
    }

    fn index(&mut self, expr: &'a Expr, receiver: &'a Expr, index: &'a Expr) -> Val {
        let ty = self.node_ty(expr.id);
        let object = self.expr(receiver);
        let (def, args) = match self.types.nominal_parts(object.ty) {
            Some((def, args)) => (def, args.to_vec()),
            None => return self.absent(ty),
        };
        if Some(def) == self.defs.known.list {
            let object = self.guard(object, &[index]);
            let at = self.expr_as(index, Ty::INT);
            self.at(expr.span);
            return self.list_get(object.regs.r(), at.regs.s(), args[0]);
        }
        let object = self.guard(object, &[index]);
        let key = self.expr_as(index, args[0]);
        self.at(expr.span);
        self.method_of(def, "get", &args, &[object, key])
    }

    pub(super) fn list_get(&mut self, list: R, index: S, element: Ty) -> Val {
        let slot = self.element_type(element);
        let dst = self.b.take(slot);
        match dst {
            Reg::S(dst) => self.b.emit(Instr::ListGetScalar { list, index, dst }),
            Reg::R(dst) => self.b.emit(Instr::ListGetRef { list, index, dst }),
        }
        self.unboxed(dst, element)
    }

    /// A value that stays what it is while `later` is computed: a local's register is copied if that may change it.
    pub(super) fn guard(&mut self, value: Val, later: &[&'a Expr]) -> Val {
        if !later.iter().any(|e| assigns(e)) {
            return value;
        }
        let regs: Vec<Reg> = value
            .regs
            .slice()
            .iter()
            .map(|&reg| {
                let ty = self.b.type_of(reg);
                let copy = self.b.take(ty);
                self.b.copy(reg, copy);
                copy
            })
            .collect();
        Val { ty: value.ty, regs: Regs::new(&regs) }
    }

    // ---- operators ----

    fn unary(&mut self, expr: &'a Expr, op: UnaryOp, operand: &'a Expr) -> Val {
        match op {
            UnaryOp::Not => return self.condition_value(expr),
            UnaryOp::Plus => return self.expr(operand),
            _ => {}
        }
        let mut plain = operand;
        while let ExprKind::Paren(inner) = &plain.kind {
            plain = inner;
        }
        match (op, &plain.kind) {
            (UnaryOp::Neg, ExprKind::Int(value)) => return self.int((*value as i64).wrapping_neg(), Ty::INT),
            (UnaryOp::Neg, ExprKind::Duration(value)) => {
                return self.int((*value as i64).wrapping_neg(), Ty::DURATION);
            }
            _ => {}
        }
        let value = self.expr(operand);
        self.at(expr.span);
        let regs = self.take(value.ty);
        if regs.slice().is_empty() {
            return value;
        }
        let (a, dst) = (value.regs.s(), regs.s());
        self.b.emit(match (op, value.ty) {
            (UnaryOp::BitNot, _) => Instr::NotInt { a, dst },
            (_, Ty::DOUBLE) => Instr::NegDouble { a, dst },
            _ => Instr::NegInt { a, dst },
        });
        Val { ty: value.ty, regs }
    }

    fn chain(&mut self, first: &'a Expr, rest: &'a [ast::ChainLink]) -> Val {
        let mut left = self.expr(first);
        // A run of `+` on texts becomes one concatenation.
        let mut parts: Option<Vec<Reg>> = None;
        for (index, link) in rest.iter().enumerate() {
            if parts.is_none() {
                left = self.guard(left, &[&link.operand]);
            }
            let right = self.expr(&link.operand);
            self.at(first.span.to(link.operand.span));
            let string = self.string_ty();
            if let Some(parts) = &mut parts {
                let text = self.text(right);
                parts.push(text.regs.slice()[0]);
                continue;
            }
            let result = binary_type(self.types, self.defs, link.op, left.ty, right.ty).unwrap_or(Ty::POISON);
            if result == string {
                let (a, b) = (self.text(left), self.text(right));
                let mut list = Vec::with_capacity(rest.len() - index + 1);
                list.extend([a.regs.slice()[0], b.regs.slice()[0]]);
                parts = Some(list);
                continue;
            }
            left = self.arithmetic(link.op, left, right, result);
        }
        match parts {
            Some(parts) => self.concat(parts),
            None => left,
        }
    }

    fn arithmetic(&mut self, op: BinaryOp, left: Val, right: Val, result: Ty) -> Val {
        if left.regs.slice().is_empty() || right.regs.slice().is_empty() {
            return self.absent(result);
        }
        let (left, right) = if result == Ty::DOUBLE {
            (self.convert(left, Ty::DOUBLE), self.convert(right, Ty::DOUBLE))
        } else {
            (left, right)
        };
        let regs = self.take(result);
        if regs.slice().is_empty() {
            return Val { ty: result, regs };
        }
        let (a, b, dst) = (left.regs.s(), right.regs.s(), regs.s());
        if result == Ty::DOUBLE {
            self.b.emit(match op {
                BinaryOp::Add => Instr::AddDouble { a, b, dst },
                BinaryOp::Sub => Instr::SubDouble { a, b, dst },
                BinaryOp::Mul => Instr::MulDouble { a, b, dst },
                BinaryOp::Div => Instr::DivDouble { a, b, dst },
                _ => Instr::RemDouble { a, b, dst },
            });
            return Val { ty: result, regs };
        }
        if result == Ty::BOOL {
            self.bool_op(op, a, b, dst);
            return Val { ty: result, regs };
        }
        self.b.emit(match op {
            BinaryOp::Add => Instr::AddInt { a, b, dst },
            BinaryOp::Sub => Instr::SubInt { a, b, dst },
            BinaryOp::Mul => Instr::MulInt { a, b, dst },
            BinaryOp::Div => Instr::DivInt { a, b, dst },
            BinaryOp::Rem => Instr::RemInt { a, b, dst },
            BinaryOp::Shl => Instr::ShlInt { a, b, dst },
            BinaryOp::Shr => Instr::ShrInt { a, b, dst },
            BinaryOp::UShr => Instr::UShrInt { a, b, dst },
            BinaryOp::BitAnd => Instr::AndInt { a, b, dst },
            BinaryOp::BitOr => Instr::OrInt { a, b, dst },
            _ => Instr::XorInt { a, b, dst },
        });
        Val { ty: result, regs }
    }

    /// `&`, `|` and `^` on booleans; both sides are computed already.
    fn bool_op(&mut self, op: BinaryOp, a: S, b: S, dst: S) {
        if op == BinaryOp::BitXor {
            let same = self.scalar(ScalarKind::Bool);
            self.b.emit(Instr::EqBool { a, b, dst: same });
            self.b.emit(Instr::NotBool { a: same, dst });
            return;
        }
        let done = self.b.mark();
        let result = self.scalar(ScalarKind::Bool);
        self.b.emit(Instr::MoveScalar { src: a, dst: result });
        let to = self.b.to(done);
        self.b.emit(if op == BinaryOp::BitAnd { Instr::IfNot { a, to } } else { Instr::If { a, to } });
        self.b.emit(Instr::MoveScalar { src: b, dst: result });
        self.b.jump(done);
        self.b.place(done);
        self.b.emit(Instr::MoveScalar { src: result, dst });
    }

    // ---- conditions ----

    fn condition_value(&mut self, expr: &'a Expr) -> Val {
        let dst = self.scalar(ScalarKind::Bool);
        let (no, done) = (self.b.mark(), self.b.mark());
        self.jump_unless(expr, no);
        self.b.emit(Instr::Bool { value: true, dst });
        self.b.jump(done);
        self.b.place(no);
        self.b.emit(Instr::Bool { value: false, dst });
        self.b.jump(done);
        self.b.place(done);
        Val { ty: Ty::BOOL, regs: Regs::new(&[Reg::S(dst)]) }
    }

    pub(super) fn jump_unless(&mut self, expr: &'a Expr, mark: Mark) {
        self.jump_when(expr, false, mark);
    }

    /// Jumps when the condition is `when`, else goes on.
    pub(super) fn jump_when(&mut self, expr: &'a Expr, when: bool, mark: Mark) {
        match &expr.kind {
            ExprKind::Paren(inner) => self.jump_when(inner, when, mark),
            ExprKind::Bool(value) => {
                if *value == when {
                    self.b.jump(mark);
                }
            }
            ExprKind::Unary { op: UnaryOp::Not, operand } => self.jump_when(operand, !when, mark),
            ExprKind::Chain { first, rest } if matches!(rest[0].op, BinaryOp::And | BinaryOp::Or) => {
                let is_and = rest[0].op == BinaryOp::And;
                if is_and == when {
                    // All must hold (or none): the first that does not decides.
                    let other = self.b.mark();
                    self.jump_when(first, !when, other);
                    for (index, link) in rest.iter().enumerate() {
                        if index + 1 == rest.len() {
                            self.jump_when(&link.operand, when, mark);
                        } else {
                            self.jump_when(&link.operand, !when, other);
                        }
                    }
                    self.b.place(other);
                } else {
                    self.jump_when(first, when, mark);
                    for link in rest {
                        self.jump_when(&link.operand, when, mark);
                    }
                }
            }
            ExprKind::Binary { op, left, right, .. } => self.comparison(expr, *op, left, right, when, mark),
            ExprKind::InstanceOf { operand, pattern } => {
                let value = self.expr(operand);
                if when {
                    let no = self.b.mark();
                    self.test_pattern(pattern, value, no);
                    self.b.jump(mark);
                    self.b.place(no);
                } else {
                    self.test_pattern(pattern, value, mark);
                }
            }
            _ => {
                let value = self.expr_as(expr, Ty::BOOL);
                if value.regs.slice().is_empty() {
                    return;
                }
                let (a, to) = (value.regs.s(), self.b.to(mark));
                self.b.emit(if when { Instr::If { a, to } } else { Instr::IfNot { a, to } });
            }
        }
    }

    fn comparison(
        &mut self,
        expr: &'a Expr,
        op: BinaryOp,
        left: &'a Expr,
        right: &'a Expr,
        when: bool,
        mark: Mark,
    ) {
        let a = self.expr(left);
        let a = self.guard(a, &[right]);
        let b = self.expr(right);
        self.at(expr.span);
        if matches!(a.ty, Ty::NEVER | Ty::POISON) || matches!(b.ty, Ty::NEVER | Ty::POISON) {
            return;
        }
        if matches!(op, BinaryOp::Eq | BinaryOp::Ne) {
            let when = when == (op == BinaryOp::Eq);
            return self.equality_jump(a, b, when, mark);
        }
        let to_double = a.ty == Ty::DOUBLE || b.ty == Ty::DOUBLE;
        let (a, b) =
            if to_double { (self.convert(a, Ty::DOUBLE), self.convert(b, Ty::DOUBLE)) } else { (a, b) };
        let (x, y) = match op {
            BinaryOp::Lt | BinaryOp::Le => (a.regs.s(), b.regs.s()),
            _ => (b.regs.s(), a.regs.s()),
        };
        let strict = matches!(op, BinaryOp::Lt | BinaryOp::Gt);
        let to = self.b.to(mark);
        self.b.emit(match (to_double, strict, when) {
            (false, true, true) => Instr::IfLtInt { a: x, b: y, to },
            (false, true, false) => Instr::IfLeInt { a: y, b: x, to },
            (false, false, true) => Instr::IfLeInt { a: x, b: y, to },
            (false, false, false) => Instr::IfLtInt { a: y, b: x, to },
            (true, true, true) => Instr::IfLtDouble { a: x, b: y, to },
            (true, true, false) => Instr::IfNotLtDouble { a: x, b: y, to },
            (true, false, true) => Instr::IfLeDouble { a: x, b: y, to },
            (true, false, false) => Instr::IfNotLeDouble { a: x, b: y, to },
        });
    }

    /// Jumps when `a == b` is `when`.
    pub(super) fn equality_jump(&mut self, a: Val, b: Val, when: bool, mark: Mark) {
        if a.ty == Ty::NULL || b.ty == Ty::NULL {
            let value = if a.ty == Ty::NULL { b } else { a };
            let to = self.b.to(mark);
            match *value.regs.slice() {
                [Reg::S(flag), _] if when => self.b.emit(Instr::IfNot { a: flag, to }),
                [Reg::S(flag), _] => self.b.emit(Instr::If { a: flag, to }),
                [Reg::R(a)] if when => self.b.emit(Instr::IfNull { a, to }),
                [Reg::R(a)] => self.b.emit(Instr::IfNotNull { a, to }),
                _ if when => self.b.jump(mark),
                _ => {}
            }
            return;
        }
        let inner_a = self.types.nullable_inner(a.ty).unwrap_or(a.ty);
        let inner_b = self.types.nullable_inner(b.ty).unwrap_or(b.ty);
        let joined = if inner_a == inner_b { inner_a } else { Ty::DOUBLE };
        let either_null = inner_a != a.ty || inner_b != b.ty;
        if either_null && matches!(self.regs_of(joined)[..], [RegType::Scalar(_)]) {
            return self.nullable_equality(a, b, joined, when, mark);
        }
        let (a, b) = if either_null { (a, b) } else { (self.convert(a, joined), self.convert(b, joined)) };
        match (a.regs.slice()[0], b.regs.slice()[0]) {
            (Reg::S(x), Reg::S(y)) if joined == Ty::DOUBLE => {
                let to = self.b.to(mark);
                self.b.emit(if when {
                    Instr::IfEqDouble { a: x, b: y, to }
                } else {
                    Instr::IfNeDouble { a: x, b: y, to }
                });
            }
            (Reg::S(x), Reg::S(y)) if joined == Ty::BOOL => {
                let dst = self.scalar(ScalarKind::Bool);
                self.b.emit(Instr::EqBool { a: x, b: y, dst });
                self.jump_on(dst, when, mark);
            }
            (Reg::S(x), Reg::S(y)) => {
                let to = self.b.to(mark);
                self.b.emit(if when {
                    Instr::IfEqInt { a: x, b: y, to }
                } else {
                    Instr::IfNeInt { a: x, b: y, to }
                });
            }
            (Reg::R(x), Reg::R(y)) => {
                let dst = self.scalar(ScalarKind::Bool);
                let ty = self.type_id(joined);
                let by_identity = matches!(self.image.types[ty.index()], Type::Class(_) | Type::Handle(_));
                self.b.emit(if by_identity {
                    Instr::SameRef { a: x, b: y, dst }
                } else {
                    Instr::EqValue { a: x, b: y, ty, dst }
                });
                self.jump_on(dst, when, mark);
            }
            _ => {}
        }
    }

    fn jump_on(&mut self, a: S, when: bool, mark: Mark) {
        let to = self.b.to(mark);
        self.b.emit(if when { Instr::If { a, to } } else { Instr::IfNot { a, to } });
    }

    /// Two scalars that may be null are equal when both are null, or both are there and equal.
    fn nullable_equality(&mut self, a: Val, b: Val, joined: Ty, when: bool, mark: Mark) {
        let wanted = self.types.nullable(joined);
        let (a, b) = (self.convert(a, wanted), self.convert(b, wanted));
        let (equal, differ) = (self.b.mark(), self.b.mark());
        let flags = self.scalar(ScalarKind::Bool);
        let (Reg::S(fa), Reg::S(fb)) = (a.regs.slice()[0], b.regs.slice()[0]) else { return };
        self.b.emit(Instr::EqBool { a: fa, b: fb, dst: flags });
        self.jump_on(flags, false, differ);
        self.jump_on(fa, false, equal);
        let plain = |v: Val| Val { ty: joined, regs: Regs::new(&[v.regs.slice()[1]]) };
        self.equality_jump(plain(a), plain(b), false, differ);
        self.b.jump(equal);
        let done = self.b.mark();
        self.b.place(equal);
        self.b.jump(if when { mark } else { done });
        self.b.place(differ);
        self.b.jump(if when { done } else { mark });
        self.b.place(done);
    }

    /// Ends the limited regions that are open here and not outside.
    pub(super) fn leave_regions(&mut self, outside: u32) {
        for _ in outside..self.cx.regions {
            self.b.emit(Instr::LimitLeave {});
        }
    }

    fn conditional(&mut self, cond: &'a Expr, then: &'a Expr, else_: &'a Expr, ty: Ty) -> Val {
        let dst = self.take(ty);
        let (no, done) = (self.b.mark(), self.b.mark());
        self.jump_unless(cond, no);
        let value = self.expr_as(then, ty);
        self.copy(value.regs, dst);
        self.b.jump(done);
        self.b.place(no);
        let value = self.expr_as(else_, ty);
        self.copy(value.regs, dst);
        self.b.jump(done);
        self.b.place(done);
        Val { ty, regs: dst }
    }

    fn coalesce(&mut self, expr: &'a Expr, left: &'a Expr, right: &'a Expr) -> Val {
        let ty = self.node_ty(expr.id);
        let value = self.expr(left);
        let (other, done) = (self.b.mark(), self.b.mark());
        let dst = self.take(ty);
        let mut value = value;
        if let Some(inner) = self.types.fallible_inner(value.ty) {
            let Reg::R(error) = value.regs.last() else { return self.absent(ty) };
            let to = self.b.to(other);
            self.b.emit(Instr::IfNotNull { a: error, to });
            let held = value.regs.but_last();
            let regs = if inner == Ty::VOID { held } else { self.held_as(held, inner) };
            value = Val { ty: inner, regs };
        }
        if value.ty == Ty::NULL {
            self.b.jump(other);
        } else if let Some(inner) = self.types.nullable_inner(value.ty) {
            self.jump_if_null(value, other);
            value = self.narrow(value, inner);
        }
        if value.ty != Ty::NULL {
            let value = self.convert(value, ty);
            self.copy(value.regs, dst);
            self.b.jump(done);
        }
        self.b.place(other);
        let fallback = self.expr_as(right, ty);
        self.copy(fallback.regs, dst);
        self.b.jump(done);
        self.b.place(done);
        Val { ty, regs: dst }
    }

    fn cast(&mut self, expr: &'a Expr, operand: &'a Expr) -> Val {
        let ty = self.node_ty(expr.id);
        let value = self.expr(operand);
        self.at(expr.span);
        if ty == Ty::INT && value.ty == Ty::DOUBLE {
            let dst = self.scalar(ScalarKind::Int);
            self.b.emit(Instr::DoubleToInt { a: value.regs.s(), dst });
            return Val { ty, regs: Regs::new(&[Reg::S(dst)]) };
        }
        self.convert(value, ty)
    }

    // ---- failure ----

    fn try_expr(&mut self, expr: &'a Expr, operand: &'a Expr) -> Val {
        let value = self.expr(operand);
        self.at(expr.span);
        let Some(inner) = self.types.fallible_inner(value.ty) else { return value };
        let good = self.b.mark();
        let Reg::R(error) = value.regs.last() else { return self.absent(inner) };
        let to = self.b.to(good);
        self.b.emit(Instr::IfNull { a: error, to });
        let error_ty = self.error_ty();
        let found = self.unwrap(value.regs.last(), error_ty);
        self.fail_with(found.r());
        self.b.place(good);
        let held = value.regs.but_last();
        let regs = if inner == Ty::VOID { Regs::none() } else { self.held_as(held, inner) };
        Val { ty: inner, regs }
    }

    /// Ends the function with an error.
    pub(super) fn fail_with(&mut self, error: R) {
        if let Some(&retry) = self.cx.retries.last() {
            self.b.copy(Reg::R(error), Reg::R(retry.error));
            self.leave_regions(retry.regions);
            self.b.jump(retry.failed);
            return;
        }
        let (mark, register) = match self.cx.fail {
            Some(known) => known,
            None => {
                let ty = self.error_type_id().unwrap_or(TypeId(0));
                let mark = self.b.mark();
                let kept =
                    self.b.keep(RegType::Ref(dscript_bytecode::image::RefType { ty, nullable: false }));
                let Reg::R(register) = kept else { unreachable!("an error is a reference") };
                self.cx.fail = Some((mark, register));
                (mark, register)
            }
        };
        self.b.copy(Reg::R(error), Reg::R(register));
        self.b.jump(mark);
    }

    pub(super) fn fail(&mut self, value: &'a Expr) {
        let span = value.span;
        let value = self.expr(value);
        self.at(span);
        let error_ty = self.error_ty();
        if value.ty == error_ty {
            self.fail_with(value.regs.r());
            return;
        }
        if value.regs.slice().is_empty() {
            return;
        }
        let [file, line, column] = self.place_values(span);
        let error = self.call_std("failure", &[value, file, line, column]);
        self.fail_with(error.regs.r());
    }

    // ---- collections and lambdas ----

    fn list(&mut self, expr: &'a Expr, items: &'a [Expr]) -> Val {
        let ty = self.node_ty(expr.id);
        let element = match self.types.nominal_parts(ty) {
            Some((_, args)) => args[0],
            None => return self.absent(ty),
        };
        let id = self.type_id(ty);
        let regs = self.take(ty);
        self.b.emit(Instr::ListNew { ty: id, capacity: items.len() as i64, dst: regs.r() });
        for item in items {
            let mark = self.b.mark_taken();
            let value = self.expr_as(item, element);
            self.at(item.span);
            self.list_add(regs.r(), value);
            self.b.release(mark);
        }
        Val { ty, regs }
    }

    pub(super) fn list_add(&mut self, list: R, value: Val) {
        if value.regs.slice().is_empty() && !self.is_boxed(value.ty) {
            return;
        }
        match self.boxed(value) {
            Reg::S(src) => self.b.emit(Instr::ListAddScalar { list, src }),
            Reg::R(src) => self.b.emit(Instr::ListAddRef { list, src }),
        }
    }

    fn map(&mut self, expr: &'a Expr, entries: &'a [(Expr, Expr)]) -> Val {
        let ty = self.node_ty(expr.id);
        let (def, args) = match self.types.nominal_parts(ty) {
            Some((def, args)) => (def, args.to_vec()),
            None => return self.absent(ty),
        };
        let made = self.new_native("Map.new", ty, &args);
        for (key, value) in entries {
            let mark = self.b.mark_taken();
            let k = self.expr_as(key, args[0]);
            let k = self.guard(k, &[value]);
            let v = self.expr_as(value, args[1]);
            self.at(key.span);
            self.method_of(def, "put", &args, &[made, k, v]);
            self.b.release(mark);
        }
        made
    }

    fn lambda(&mut self, expr: &'a Expr, lambda: &'a ast::Lambda) -> Val {
        let Some(fact) = self.facts[self.cx.module.index()].lambdas.get(&expr.id).cloned() else {
            let ty = self.node_ty(expr.id);
            return self.absent(ty);
        };
        let params: Vec<Ty> = fact.params.iter().map(|&t| self.subst(t)).collect();
        let ret = self.subst(fact.ret);
        let ty = self.types.function(&params, ret);
        let signature = self.type_id(ty);
        // What it captures, and the registers that hold it here.
        let mut captured: Vec<(Option<NodeId>, Ty, Regs)> = Vec::new();
        if fact.captures_this
            && let (Some(regs), Some(this)) = (self.cx.this, self.cx.this_ty)
        {
            captured.push((None, this, regs));
        }
        for node in &fact.captures {
            let declared = self.facts[self.cx.module.index()].locals.get(node).copied().unwrap_or(Ty::POISON);
            let declared = self.subst(declared);
            if let Some(&regs) = self.cx.locals.get(node) {
                captured.push((Some(*node), declared, regs));
            }
        }
        let code = self.reserve();
        let types = captured.iter().map(|&(_, ty, _)| self.type_id(ty)).collect();
        let closure = self.raw_type(Type::Closure { ty: signature, code, captured: types });
        let slots: Vec<Reg> = captured.iter().flat_map(|(_, _, regs)| regs.slice().to_vec()).collect();
        let dst = self.reference(closure, false);
        self.b.emit(Instr::New { ty: closure, slots: slots.into(), dst });
        self.lambda_code(lambda, closure, code, &params, ret, captured);
        self.at(expr.span);
        let regs = self.take(ty);
        self.copy(Regs::new(&[Reg::R(dst)]), regs);
        Val { ty, regs }
    }

    fn lambda_code(
        &mut self,
        lambda: &'a ast::Lambda,
        closure: TypeId,
        code: FunctionId,
        params: &[Ty],
        ret: Ty,
        captured: Vec<(Option<NodeId>, Ty, Regs)>,
    ) {
        let name = format!("lambda in {}", self.b.name.trim_start_matches("lambda in "));
        let outer_builder = std::mem::take(&mut self.b);
        let cx = super::Cx {
            module: self.cx.module,
            type_params: self.cx.type_params.clone(),
            type_args: self.cx.type_args.clone(),
            ret,
            covered: self.cx.covered,
            ..super::Cx::default()
        };
        let outer = std::mem::replace(&mut self.cx, cx);
        self.b.name = name;
        self.b.results = self.regs_of(ret);
        let Reg::R(own) =
            self.b.param(RegType::Ref(dscript_bytecode::image::RefType { ty: closure, nullable: false }))
        else {
            unreachable!("a closure is a reference")
        };
        for (param, &ty) in lambda.params.iter().zip(params) {
            let regs = self.params_of(ty);
            self.cx.locals.insert(param.id, regs);
        }
        let span = match &lambda.body {
            LambdaBody::Expr(body) => body.span,
            LambdaBody::Block(block) => block.span,
        };
        self.at(span);
        let (mut scalar, mut reference) = (0, 0);
        for (node, ty, _) in captured {
            let regs = self.take(ty);
            self.load_slots(own, regs, scalar, reference);
            for reg in regs.slice() {
                match reg {
                    Reg::S(_) => scalar += 1,
                    Reg::R(_) => reference += 1,
                }
            }
            match node {
                Some(node) => {
                    self.cx.locals.insert(node, regs);
                }
                None => {
                    self.cx.this = Some(regs);
                    self.cx.this_ty = Some(ty);
                }
            }
        }
        match &lambda.body {
            LambdaBody::Expr(body) => {
                let value = if ret == Ty::VOID {
                    self.expr(body);
                    self.void()
                } else {
                    self.lambda_result(body, ret)
                };
                if !self.b.is_dead() {
                    self.return_value(value);
                }
            }
            LambdaBody::Block(block) => {
                self.block(block);
                if !self.b.is_dead() {
                    let void = self.void();
                    self.return_value(void);
                }
            }
        }
        self.set_function(code, span);
        self.b = outer_builder;
        self.cx = outer;
    }

    /// The value of an expression lambda; a `void` call is good for `void!`.
    fn lambda_result(&mut self, body: &'a Expr, ret: Ty) -> Val {
        let value = self.expr(body);
        if value.ty == Ty::VOID || value.ty == Ty::NEVER {
            return value;
        }
        self.convert(value, ret)
    }

    // ---- assignment ----

    fn step(&mut self, target: &'a Expr, delta: i8, prefix: bool) -> Val {
        let ty = self.node_ty(target.id);
        let place = self.place_of(target);
        let old = self.read_place(&place, ty);
        let new = self.take(ty);
        if new.slice().is_empty() {
            return old;
        }
        let before = if prefix {
            old
        } else {
            let copy = self.take(ty);
            self.copy(old.regs, copy);
            Val { ty, regs: copy }
        };
        if ty == Ty::DOUBLE {
            let one = self.double(f64::from(delta));
            self.b.emit(Instr::AddDouble { a: old.regs.s(), b: one.regs.s(), dst: new.s() });
        } else {
            self.b.emit(Instr::AddImm { a: old.regs.s(), value: i64::from(delta), dst: new.s() });
        }
        let new = Val { ty, regs: new };
        self.write_place(&place, new);
        if prefix { new } else { before }
    }

    fn assign(&mut self, op: Option<BinaryOp>, target: &'a Expr, value: &'a Expr) -> Val {
        let place = self.place_of(target);
        let Some(op) = op else {
            let place = self.guard_place(place, value);
            let wanted = self.place_ty(&place, target);
            let value = self.expr_as(value, wanted);
            self.at(target.span);
            self.write_place(&place, value);
            return value;
        };
        let ty = self.node_ty(target.id);
        let place = self.guard_place(place, value);
        let old = self.read_place(&place, ty);
        let old = self.guard(old, &[value]);
        let right = self.expr(value);
        self.at(target.span.to(value.span));
        let string = self.string_ty();
        let new = if ty == string {
            let (a, b) = (self.text(old), self.text(right));
            self.concat(vec![a.regs.slice()[0], b.regs.slice()[0]])
        } else {
            let result = binary_type(self.types, self.defs, op, old.ty, right.ty).unwrap_or(ty);
            self.arithmetic(op, old, right, result)
        };
        self.write_place(&place, new);
        new
    }

    fn place_of(&mut self, target: &'a Expr) -> Place {
        match &target.kind {
            ExprKind::Paren(inner) => self.place_of(inner),
            ExprKind::Name(_) => match self.res(target.id) {
                Res::Local(node) => match self.cx.locals.get(&node) {
                    Some(&regs) => {
                        let declared = self.facts[self.cx.module.index()].locals.get(&node).copied();
                        let ty = self.subst(declared.unwrap_or(Ty::POISON));
                        Place::Regs(regs, ty)
                    }
                    None => Place::Nothing,
                },
                Res::Field(index) => self.own_place(index),
                _ => Place::Nothing,
            },
            ExprKind::Field { receiver, .. } => {
                let Res::Field(index) = self.res(target.id) else { return Place::Nothing };
                if self.cx.in_constructor && matches!(receiver.kind, ExprKind::This) {
                    return self.own_place(index);
                }
                let object = self.expr(receiver);
                if object.regs.slice().is_empty() {
                    return Place::Nothing;
                }
                let fields = self.struct_fields(object.ty);
                let slots = self.field_slots(&fields, index as usize);
                Place::Field { object: object.regs.r(), slots, ty: fields[index as usize] }
            }
            ExprKind::Index { receiver, index } => {
                let object = self.expr(receiver);
                let Some((def, args)) = self.types.nominal_parts(object.ty).map(|(d, a)| (d, a.to_vec()))
                else {
                    return Place::Nothing;
                };
                let object = self.guard(object, &[index]);
                if Some(def) == self.defs.known.list {
                    let at = self.expr_as(index, Ty::INT);
                    Place::Item { list: object.regs.r(), index: at.regs.s(), element: args[0] }
                } else {
                    let key = self.expr_as(index, args[0]);
                    Place::Entry { map: object, key }
                }
            }
            _ => Place::Nothing,
        }
    }

    fn own_place(&mut self, index: u32) -> Place {
        if self.cx.in_constructor {
            let regs = self.cx.fields[index as usize];
            // The type is the field's own.
            let ty = self.cx.ret;
            let fields = self.struct_fields(ty);
            return Place::Regs(regs, fields[index as usize]);
        }
        let (Some(this), Some(owner)) = (self.cx.this, self.cx.this_ty) else { return Place::Nothing };
        let fields = self.struct_fields(owner);
        let slots = self.field_slots(&fields, index as usize);
        Place::Field { object: this.r(), slots, ty: fields[index as usize] }
    }

    /// The value side may assign locals that the place was computed from.
    fn guard_place(&mut self, place: Place, value: &'a Expr) -> Place {
        if !assigns(value) {
            return place;
        }
        let any = Ty::POISON;
        match place {
            Place::Item { list, index, element } => {
                let both =
                    self.guard(Val { ty: any, regs: Regs::new(&[Reg::R(list), Reg::S(index)]) }, &[value]);
                match *both.regs.slice() {
                    [Reg::R(list), Reg::S(index)] => Place::Item { list, index, element },
                    _ => Place::Nothing,
                }
            }
            Place::Field { object, slots, ty } => {
                let object = self.guard(Val { ty: any, regs: Regs::new(&[Reg::R(object)]) }, &[value]);
                Place::Field { object: object.regs.r(), slots, ty }
            }
            Place::Entry { map, key } => {
                Place::Entry { map: self.guard(map, &[value]), key: self.guard(key, &[value]) }
            }
            other => other,
        }
    }

    /// What may be stored there.
    fn place_ty(&mut self, place: &Place, target: &Expr) -> Ty {
        match place {
            Place::Regs(_, ty) | Place::Field { ty, .. } => *ty,
            Place::Item { element, .. } => *element,
            Place::Entry { map, .. } => match self.types.nominal_parts(map.ty) {
                Some((_, args)) => args[1],
                None => Ty::POISON,
            },
            Place::Nothing => self.node_ty(target.id),
        }
    }

    fn read_place(&mut self, place: &Place, ty: Ty) -> Val {
        match *place {
            Place::Regs(regs, declared) => self.narrow(Val { ty: declared, regs }, ty),
            Place::Field { object, slots, ty } => {
                let regs = self.take(ty);
                self.load_slots(object, regs, slots.0, slots.1);
                Val { ty, regs }
            }
            Place::Item { list, index, element } => self.list_get(list, index, element),
            Place::Entry { .. } | Place::Nothing => self.absent(ty),
        }
    }

    fn write_place(&mut self, place: &Place, value: Val) {
        match *place {
            Place::Regs(regs, declared) => {
                let value = self.convert(value, declared);
                self.copy(value.regs, regs);
            }
            Place::Field { object, slots, ty } => {
                let value = self.convert(value, ty);
                let (mut scalar, mut reference) = slots;
                for &reg in value.regs.slice() {
                    match reg {
                        Reg::S(src) => {
                            self.b.emit(Instr::SetScalar { object, slot: Slot(scalar), src });
                            scalar += 1;
                        }
                        Reg::R(src) => {
                            self.b.emit(Instr::SetRef { object, slot: Slot(reference), src });
                            reference += 1;
                        }
                    }
                }
            }
            Place::Item { list, index, element } => {
                let value = self.convert(value, element);
                if value.regs.slice().is_empty() {
                    return;
                }
                match self.boxed(value) {
                    Reg::S(src) => self.b.emit(Instr::ListSetScalar { list, index, src }),
                    Reg::R(src) => self.b.emit(Instr::ListSetRef { list, index, src }),
                }
            }
            Place::Entry { map, key } => {
                let Some((def, args)) = self.types.nominal_parts(map.ty).map(|(d, a)| (d, a.to_vec())) else {
                    return;
                };
                self.method_of(def, "put", &args, &[map, key, value]);
            }
            Place::Nothing => {}
        }
    }
}

/// What an assignment writes.
enum Place {
    /// A local, or a field in a constructor, with its declared type.
    Regs(Regs, Ty),
    Field {
        object: R,
        slots: (u16, u16),
        ty: Ty,
    },
    Item {
        list: R,
        index: S,
        element: Ty,
    },
    Entry {
        map: Val,
        key: Val,
    },
    /// Reported before.
    Nothing,
}

/// Whether evaluating the expression may assign a local.
fn assigns(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Assign { .. } | ExprKind::Step { .. } => true,
        ExprKind::Name(_) | ExprKind::Int(_) | ExprKind::Null | ExprKind::Bool(_) => false,
        _ => {
            let mut found = false;
            crate::check::each_child(expr, &mut |child| found |= assigns(child));
            found
        }
    }
}

enum Simple {
    Int(i64),
    Double(f64),
    Text(String),
}

/// A constant that is written out at each use.
fn simple_constant(expr: &Expr, negated: bool) -> Option<Simple> {
    match &expr.kind {
        ExprKind::Paren(inner) => simple_constant(inner, negated),
        ExprKind::Unary { op: UnaryOp::Neg, operand } if !negated => simple_constant(operand, true),
        ExprKind::Int(value) | ExprKind::Duration(value) => {
            let value = *value as i64;
            Some(Simple::Int(if negated { value.wrapping_neg() } else { value }))
        }
        ExprKind::Double(value) => Some(Simple::Double(if negated { -value } else { *value })),
        ExprKind::Char(code) if !negated => Some(Simple::Int(i64::from(*code))),
        _ if negated => None,
        _ => literal_text(expr).map(Simple::Text),
    }
}
