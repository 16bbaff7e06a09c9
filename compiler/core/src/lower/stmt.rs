//! Statements.

use super::build::{Mark, Regs};
use super::{Loop, Lowerer, Val, unroll};
use crate::types::Ty;
use dscript_bytecode::ids::*;
use dscript_bytecode::image::{RegType, ScalarKind};
use dscript_bytecode::instr::Instr;
use dscript_bytecode::trap::TrapKind;
use dscript_grammar::ast::{self, Expr, ExprKind, Stmt, StmtKind};
use dscript_grammar::span::Symbol;

impl<'a> Lowerer<'a, '_> {
    pub(super) fn block(&mut self, block: &'a ast::Block) {
        let mark = self.b.mark_taken();
        self.stmts(&block.stmts);
        self.b.release(mark);
    }

    /// Locals live until their block ends; what a statement takes besides is given back at its end.
    pub(super) fn stmts(&mut self, stmts: &'a [Stmt]) {
        for stmt in stmts {
            self.stmt(stmt);
        }
    }

    fn scoped(&mut self, stmt: &'a Stmt) {
        let mark = self.b.mark_taken();
        self.stmt(stmt);
        self.b.release(mark);
    }

    fn stmt(&mut self, stmt: &'a Stmt) {
        if self.b.is_dead() {
            return;
        }
        if let StmtKind::Local(local) = &stmt.kind {
            return self.local(local);
        }
        let mark = self.b.mark_taken();
        self.other(stmt, None);
        self.b.release(mark);
    }

    fn local(&mut self, local: &'a ast::Local) {
        for var in &local.vars {
            let facts = &self.facts[self.cx.module.index()];
            let ty = facts.locals.get(&var.id).copied().unwrap_or(Ty::POISON);
            let ty = self.subst(ty);
            let regs = self.take(ty);
            let mark = self.b.mark_taken();
            if let Some(init) = &var.init {
                let value = self.expr_as(init, ty);
                self.copy(value.regs, regs);
            }
            self.b.release(mark);
            self.cx.locals.insert(var.id, regs);
        }
    }

    fn other(&mut self, stmt: &'a Stmt, label: Option<Symbol>) {
        self.at(stmt.span);
        match &stmt.kind {
            StmtKind::Expr(expr) => {
                self.expr(expr);
            }
            StmtKind::If { cond, then, else_ } => {
                let (no, done) = (self.b.mark(), self.b.mark());
                let mark = self.b.mark_taken();
                self.jump_unless(cond, no);
                self.b.release(mark);
                self.scoped(then);
                if let Some(else_) = else_ {
                    self.b.jump(done);
                    self.b.place(no);
                    self.scoped(else_);
                    self.b.place(done);
                } else {
                    self.b.place(no);
                }
            }
            StmtKind::While { cond, body } => self.while_loop(label, cond, body),
            StmtKind::DoWhile { body, cond } => {
                let (head, go_on, leave) = (self.b.mark(), self.b.mark(), self.b.mark());
                self.b.jump(head);
                self.b.place(head);
                self.in_loop(label, go_on, leave, body);
                self.b.place(go_on);
                self.jump_when(cond, true, head);
                self.b.place(leave);
            }
            StmtKind::For { init, cond, update, body } => {
                self.for_loop(label, init, cond.as_deref(), update, body)
            }
            StmtKind::ForEach { var, iter, body } => self.for_each(label, var, iter, body),
            StmtKind::Labeled { label, body } => self.other(body, Some(label.name)),
            StmtKind::Break(label) => self.leave(label.as_ref(), true),
            StmtKind::Continue(label) => self.leave(label.as_ref(), false),
            StmtKind::Return(value) => self.return_stmt(value.as_ref()),
            StmtKind::Block(block) => self.block(block),
            StmtKind::Assert { cond, message } => {
                let good = self.b.mark();
                self.jump_when(cond, true, good);
                self.at(stmt.span);
                match message {
                    Some(message) => {
                        let value = self.expr(message);
                        let text = self.text(value);
                        self.at(stmt.span);
                        self.b.emit(Instr::TrapText { kind: TrapKind::Assert, text: text.regs.r() });
                    }
                    None => {
                        let text = self.assertion_text(cond);
                        let text = self.constant(&text);
                        self.b.emit(Instr::Trap { kind: TrapKind::Assert, text });
                    }
                }
                self.b.place(good);
            }
            StmtKind::Fail(value) => self.fail(stmt.span, value),
            StmtKind::Switch(switch) => self.switch_stmt(switch),
            StmtKind::Yield(value) => self.yield_stmt(value),
            StmtKind::Every { period, body } => self.every(label, stmt.span, period, body),
            StmtKind::Within { limit, body, else_ } => self.within(stmt.span, limit, body, else_.as_deref()),
            StmtKind::Retry { times, pause, body, else_ } => {
                self.retry(stmt.span, times, pause, body, else_.as_deref());
            }
            StmtKind::Given { target, answers } => self.given(stmt, target, answers),
            StmtKind::Verify { target, times, with } => self.verify(stmt, target, times, with.as_deref()),
            StmtKind::Local(_) | StmtKind::Item(_) | StmtKind::Empty | StmtKind::Error => {}
        }
    }

    // ---- ends ----

    fn return_stmt(&mut self, value: Option<&'a Expr>) {
        if let Some(done) = self.cx.done {
            self.b.jump(done);
            return;
        }
        let ret = self.cx.ret;
        let value = match value {
            Some(value) => {
                let inner = self.types.fallible_inner(ret);
                if inner == Some(Ty::VOID) {
                    let found = self.expr(value);
                    if found.ty == Ty::VOID { self.void() } else { self.convert(found, ret) }
                } else {
                    self.expr_as(value, ret)
                }
            }
            // A task's plain `return` is true.
            None if self.types.fallible_inner(ret) == Some(Ty::BOOL) => {
                let dst = self.scalar(ScalarKind::Bool);
                self.b.emit(Instr::Bool { value: true, dst });
                Val { ty: Ty::BOOL, regs: Regs::new(&[Reg::S(dst)]) }
            }
            None => self.void(),
        };
        self.return_value(value);
    }

    /// Returns a value of, or fitting, the function's result.
    pub(super) fn return_value(&mut self, value: Val) {
        if self.b.is_dead() {
            return;
        }
        let ret = self.cx.ret;
        if self.regs_of(ret).is_empty() {
            self.b.emit(Instr::Return { values: Box::new([]) });
            return;
        }
        let value = self.convert(value, ret);
        self.b.emit(Instr::Return { values: value.regs.slice().into() });
    }

    // ---- loops ----

    fn in_loop(&mut self, label: Option<Symbol>, go_on: Mark, leave: Mark, body: &'a Stmt) {
        self.cx.loops.push(Loop { label, go_on, leave, is_switch: false, regions: self.cx.regions });
        self.scoped(body);
        self.cx.loops.pop();
    }

    fn leave(&mut self, label: Option<&ast::Ident>, is_break: bool) {
        let found = match label {
            Some(label) => self.cx.loops.iter().rfind(|l| l.label == Some(label.name)),
            None => self.cx.loops.iter().rfind(|l| is_break || !l.is_switch),
        };
        if let Some(found) = found {
            let mark = if is_break { found.leave } else { found.go_on };
            let regions = found.regions;
            self.leave_regions(regions);
            self.b.jump(mark);
        }
    }

    /// One round of a loop whose rounds are known.
    fn round(&mut self, leave: Mark, body: &'a Stmt) {
        let go_on = self.b.mark();
        self.in_loop(None, go_on, leave, body);
        self.b.jump(go_on);
        self.b.place(go_on);
    }

    /// The condition stands at the end, so that a turn of the loop is one jump.
    fn while_loop(&mut self, label: Option<Symbol>, cond: &'a Expr, body: &'a Stmt) {
        let (head, test, leave) = (self.b.mark(), self.b.mark(), self.b.mark());
        self.declare_patterns(cond);
        self.b.begin_loop(test, head);
        self.in_loop(label, test, leave, body);
        self.b.jump(test);
        self.b.place(test);
        let mark = self.b.mark_taken();
        self.jump_when(cond, true, head);
        self.b.release(mark);
        self.b.jump(leave);
        self.b.place(leave);
    }

    fn for_loop(
        &mut self,
        label: Option<Symbol>,
        init: &'a [Stmt],
        cond: Option<&'a Expr>,
        update: &'a [Expr],
        body: &'a Stmt,
    ) {
        // Its patterns may be known behind the loop.
        if let Some(cond) = cond {
            self.declare_patterns(cond);
        }
        let scope = self.b.mark_taken();
        self.stmts(init);
        if let Some(rounds) = unroll::rounds(init, cond, update, body).filter(|_| label.is_none()) {
            let leave = self.b.mark();
            for _ in 0..rounds {
                self.round(leave, body);
                for expr in update {
                    let mark = self.b.mark_taken();
                    self.expr(expr);
                    self.b.release(mark);
                }
            }
            self.b.jump(leave);
            self.b.place(leave);
            self.b.release(scope);
            return;
        }
        let (head, go_on, test, leave) = (self.b.mark(), self.b.mark(), self.b.mark(), self.b.mark());
        self.b.begin_loop(test, head);
        self.in_loop(label, go_on, leave, body);
        self.b.jump(go_on);
        self.b.place(go_on);
        for expr in update {
            let mark = self.b.mark_taken();
            self.expr(expr);
            self.b.release(mark);
        }
        self.b.jump(test);
        self.b.place(test);
        let mark = self.b.mark_taken();
        match cond {
            Some(cond) => {
                self.jump_when(cond, true, head);
                self.b.jump(leave);
            }
            None => self.b.jump(head),
        }
        self.b.release(mark);
        self.b.place(leave);
        self.b.release(scope);
    }

    fn for_each(&mut self, label: Option<Symbol>, var: &'a ast::ForEachVar, iter: &'a Expr, body: &'a Stmt) {
        let scope = self.b.mark_taken();
        let declared = self.facts[self.cx.module.index()].locals.get(&var.id).copied().unwrap_or(Ty::POISON);
        let ty = self.subst(declared);
        let regs = self.take(ty);
        self.cx.locals.insert(var.id, regs);
        let item = Item { regs, ty };
        let mut plain = iter;
        while let ExprKind::Paren(inner) = &plain.kind {
            plain = inner;
        }
        if let ExprKind::Range { low, high } = &plain.kind {
            self.range_loop(label, item, low, high, body);
        } else {
            let collection = self.expr(iter);
            self.at(iter.span);
            let parts = self.types.nominal_parts(collection.ty).map(|(d, a)| (d, a.to_vec()));
            let known = &self.defs.known;
            if let Some((def, args)) = parts {
                if Some(def) == known.list {
                    self.list_loop(label, item, collection, args[0], iter, body);
                } else if Some(def) == known.map || Some(def) == known.set {
                    self.table_loop(label, item, collection, &args, iter, body);
                } else {
                    self.stream_loop(label, item, collection, iter, body);
                }
            }
        }
        self.b.release(scope);
    }

    fn set_item(&mut self, item: Item, value: Val) {
        let value = self.convert(value, item.ty);
        self.copy(value.regs, item.regs);
    }

    fn range_loop(
        &mut self,
        label: Option<Symbol>,
        item: Item,
        low: &'a Expr,
        high: &'a Expr,
        body: &'a Stmt,
    ) {
        let counter = self.scalar(ScalarKind::Int);
        let start = self.expr_as(low, Ty::INT);
        let start = self.guard(start, &[high]);
        let end = self.expr_as(high, Ty::INT);
        let limit = self.scalar(ScalarKind::Int);
        self.b.copy(end.regs.slice()[0], Reg::S(limit));
        self.b.copy(start.regs.slice()[0], Reg::S(counter));
        if let Some(rounds) = unroll::rounds_of_range(low, high, body).filter(|_| label.is_none()) {
            let leave = self.b.mark();
            for _ in 0..rounds {
                let mark = self.b.mark_taken();
                self.set_item(item, Val { ty: Ty::INT, regs: Regs::new(&[Reg::S(counter)]) });
                self.b.release(mark);
                self.round(leave, body);
                self.b.emit(Instr::AddImm { a: counter, value: 1, dst: counter });
            }
            self.b.jump(leave);
            self.b.place(leave);
            return;
        }
        let (head, go_on, test, leave) = (self.b.mark(), self.b.mark(), self.b.mark(), self.b.mark());
        self.b.begin_loop(test, head);
        let mark = self.b.mark_taken();
        self.set_item(item, Val { ty: Ty::INT, regs: Regs::new(&[Reg::S(counter)]) });
        self.b.release(mark);
        self.in_loop(label, go_on, leave, body);
        self.b.jump(go_on);
        self.b.place(go_on);
        self.b.emit(Instr::AddImm { a: counter, value: 1, dst: counter });
        self.b.jump(test);
        self.b.place(test);
        let to = self.b.to(head);
        self.b.emit(Instr::IfLtInt { a: counter, b: limit, to });
        self.b.jump(leave);
        self.b.place(leave);
    }

    fn list_loop(
        &mut self,
        label: Option<Symbol>,
        item: Item,
        list: Val,
        element: Ty,
        iter: &'a Expr,
        body: &'a Stmt,
    ) {
        let object = self.kept(list);
        let (index, version) = (self.scalar(ScalarKind::Int), self.scalar(ScalarKind::Int));
        self.b.emit(Instr::Version { collection: object, dst: version });
        self.b.emit(Instr::Int { value: 0, dst: index });
        let (head, go_on, test, leave) = (self.b.mark(), self.b.mark(), self.b.mark(), self.b.mark());
        self.b.begin_loop(test, head);
        let mark = self.b.mark_taken();
        let value = self.list_get(object, index, element);
        self.set_item(item, value);
        self.b.release(mark);
        self.in_loop(label, go_on, leave, body);
        self.b.jump(go_on);
        self.b.place(go_on);
        self.at(iter.span);
        self.b.emit(Instr::CheckVersion { collection: object, version });
        self.b.emit(Instr::AddImm { a: index, value: 1, dst: index });
        self.b.jump(test);
        self.b.place(test);
        let mark = self.b.mark_taken();
        let size = self.scalar(ScalarKind::Int);
        self.b.emit(Instr::ListSize { list: object, dst: size });
        let to = self.b.to(head);
        self.b.emit(Instr::IfLtInt { a: index, b: size, to });
        self.b.release(mark);
        self.b.jump(leave);
        self.b.place(leave);
    }

    /// A map's entries, or a set's items, by their places in the table.
    fn table_loop(
        &mut self,
        label: Option<Symbol>,
        item: Item,
        table: Val,
        args: &[Ty],
        iter: &'a Expr,
        body: &'a Stmt,
    ) {
        let object = self.kept(table);
        let table = Val { ty: table.ty, regs: Regs::new(&[Reg::R(object)]) };
        let Some((def, _)) = self.types.nominal_parts(table.ty) else { return };
        let (index, version) = (self.scalar(ScalarKind::Int), self.scalar(ScalarKind::Int));
        self.b.emit(Instr::Version { collection: object, dst: version });
        self.b.emit(Instr::Int { value: -1, dst: index });
        let place = Val { ty: Ty::INT, regs: Regs::new(&[Reg::S(index)]) };
        let (head, go_on, test, leave) = (self.b.mark(), self.b.mark(), self.b.mark(), self.b.mark());
        self.b.begin_loop(test, head);
        let mark = self.b.mark_taken();
        let value = if args.len() == 2 {
            let key = self.method_of(def, "keyAt", args, &[table, place]);
            let value = self.method_of(def, "valueAt", args, &[table, place]);
            let Some(entry) = self.defs.known.entry else { return };
            let ty = self.types.nominal(entry, args);
            let id = self.type_id(ty);
            let regs = self.take(ty);
            let slots: Vec<Reg> = key.regs.slice().iter().chain(value.regs.slice()).copied().collect();
            self.b.emit(Instr::New { ty: id, slots: slots.into(), dst: regs.r() });
            Val { ty, regs }
        } else {
            self.method_of(def, "at", args, &[table, place])
        };
        self.set_item(item, value);
        self.b.release(mark);
        self.in_loop(label, go_on, leave, body);
        self.b.jump(go_on);
        self.b.place(go_on);
        self.at(iter.span);
        self.b.emit(Instr::CheckVersion { collection: object, version });
        self.b.jump(test);
        self.b.place(test);
        let mark = self.b.mark_taken();
        let next = self.method_of(def, "nextIndex", args, &[table, place]);
        self.b.copy(next.regs.slice()[0], Reg::S(index));
        let zero = self.int_const(0);
        let to = self.b.to(head);
        self.b.emit(Instr::IfLeInt { a: zero, b: index, to });
        self.b.release(mark);
        self.b.jump(leave);
        self.b.place(leave);
    }

    fn stream_loop(
        &mut self,
        label: Option<Symbol>,
        item: Item,
        stream: Val,
        iter: &'a Expr,
        body: &'a Stmt,
    ) {
        let object = self.kept(stream);
        let stream = Val { ty: stream.ty, regs: Regs::new(&[Reg::R(object)]) };
        let Some((def, args)) = self.types.nominal_parts(stream.ty).map(|(d, a)| (d, a.to_vec())) else {
            return;
        };
        let (head, leave) = (self.b.mark(), self.b.mark());
        self.b.jump(head);
        self.b.place(head);
        let mark = self.b.mark_taken();
        self.at(iter.span);
        let next = self.method_of(def, "next", &args, &[stream]);
        self.jump_if_null(next, leave);
        let inner = self.types.nullable_inner(next.ty).unwrap_or(next.ty);
        let value = self.narrow(next, inner);
        self.set_item(item, value);
        self.b.release(mark);
        self.in_loop(label, head, leave, body);
        self.b.jump(head);
        self.b.place(leave);
    }

    /// The object in a register of its own: the variable it came from may change.
    fn kept(&mut self, value: Val) -> R {
        let ty = self.b.type_of(value.regs.slice()[0]);
        let reg = self.b.take(ty);
        self.b.copy(value.regs.slice()[0], reg);
        debug_assert!(matches!(ty, RegType::Ref(_)));
        match reg {
            Reg::R(r) => r,
            Reg::S(_) => unreachable!("a collection is a reference"),
        }
    }
}

/// The variable of a for-each.
#[derive(Clone, Copy)]
struct Item {
    regs: Regs,
    ty: Ty,
}
