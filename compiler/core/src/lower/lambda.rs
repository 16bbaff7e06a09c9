//! List and map literals, and lambdas with what they capture.

use super::build::Regs;
use super::{Lowerer, Val};
use crate::types::Ty;
use dscript_bytecode::ids::*;
use dscript_bytecode::image::{RegType, Type};
use dscript_bytecode::instr::Instr;
use dscript_bytecode::limits::LIST_CAPACITY_MAX;
use dscript_grammar::ast::{self, Expr, LambdaBody};
use dscript_grammar::span::NodeId;

impl<'a> Lowerer<'a, '_> {
    pub(super) fn list(&mut self, expr: &'a Expr, items: &'a [Expr]) -> Val {
        let ty = self.node_ty(expr.id);
        let element = match self.types.nominal_parts(ty) {
            Some((_, args)) => args[0],
            None => return self.absent(ty),
        };
        let id = self.type_id(ty);
        let regs = self.take(ty);
        self.b.emit(Instr::ListNew {
            ty: id,
            capacity: (items.len() as i64).min(LIST_CAPACITY_MAX),
            dst: regs.r(),
        });
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

    pub(super) fn map(&mut self, expr: &'a Expr, entries: &'a [(Expr, Expr)]) -> Val {
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

    pub(super) fn lambda(&mut self, expr: &'a Expr, lambda: &'a ast::Lambda) -> Val {
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

    pub(super) fn lambda_code(
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
            needs: self.cx.needs,
            body: self.cx.body,
            is_script: self.cx.is_script,
            by: self.cx.by,
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
    pub(super) fn lambda_result(&mut self, body: &'a Expr, ret: Ty) -> Val {
        let value = self.expr(body);
        if value.ty == Ty::VOID || value.ty == Ty::NEVER {
            return value;
        }
        self.convert(value, ret)
    }
}
