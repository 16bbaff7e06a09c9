//! `given` and `verify`: what they compare arguments with, what a `given` answers, and how calls are counted.

use super::build::Regs;
use super::test::{COMMAND_NATIVES, Seen};
use super::{Lowerer, Val};
use crate::defs::FnId;
use crate::facts::{CallFact, Made, Replaced, Res, StandInFact, Target};
use crate::types::{Ty, TyKind};
use dscript_bytecode::ids::*;
use dscript_bytecode::image::ScalarKind;
use dscript_bytecode::instr::Instr;
use dscript_bytecode::limits;
use dscript_bytecode::trap::TrapKind;
use dscript_grammar::ast::{Arg, Expr, ExprKind, GivenAnswer, Stmt};
use dscript_grammar::span::Span;

impl<'a> Lowerer<'a, '_> {
    fn stand_in_fact(&self, stmt: &Stmt) -> Option<StandInFact> {
        self.facts[self.cx.module.index()].stand_ins.get(&stmt.id).cloned()
    }

    /// The functions that a statement speaks of.
    fn replaced(&self, replaced: Replaced) -> Vec<FnId> {
        match replaced {
            Replaced::Fn(id) => vec![id],
            Replaced::Command { made, run, start } => {
                let program = made != Made::Script;
                let script = made != Made::Program;
                let wanted = [run && program, start && program, run && script, start && script];
                let natives = COMMAND_NATIVES.iter().zip(wanted).filter(|(_, wanted)| *wanted);
                natives.filter_map(|(name, _)| self.command_native(name)).collect()
            }
        }
    }

    pub(super) fn given(&mut self, stmt: &'a Stmt, target: &'a Expr, answers: &'a [GivenAnswer]) {
        let Some(fact) = self.stand_in_fact(stmt) else { return };
        let args: &'a [Arg] = match &target.kind {
            ExprKind::Call { args, .. } => args,
            _ => &[],
        };
        let place = self.place_text(stmt.span);
        let place = self.string_const(&place);
        let text = self.source_text(target.span);
        let text = self.string_const(&text);
        let used = self.call_std("newUse", &[place, text]);
        let ids = self.replaced(fact.replaced);
        let Some(&first) = ids.first() else { return };
        let is_command = !matches!(fact.replaced, Replaced::Fn(_));
        let any = args.is_empty() && !matches!(target.kind, ExprKind::Call { .. });
        // How many arguments are left open, and the object.
        let left = fact.places.iter().filter(|place| place.is_none()).count();
        let unwritten = match is_command {
            true => 0,
            false => self.defs.fns[first.index()].params.len().saturating_sub(fact.places.len()),
        };
        let arguments = if any { limits::SIGNATURE_REGISTERS_MAX } else { left + unwritten };
        let open = (arguments + usize::from(!fact.of_object)) as i64;
        let object = self.written_object(target, &fact);
        let matcher = self.matcher(stmt.span, first, (object, args), &fact, any);
        for id in ids {
            let seen = self.seen(id, &fact.type_args);
            let (matches, answer_ty) = self.stand_in_args(&seen);
            let answers = self.answers(stmt.span, &seen, answers);
            let stand_in = self.stand_in(id, &fact.type_args);
            let Some((owner, _)) = self.types.nominal_parts(stand_in.ty) else { return };
            let count = self.int_const(open);
            let count = Val { ty: Ty::INT, regs: Regs::new(&[Reg::S(count)]) };
            let values = [stand_in, matcher, answers, count, used];
            self.at(stmt.span);
            self.method_of(owner, "add", &[matches, answer_ty], &values);
        }
    }

    pub(super) fn verify(
        &mut self,
        stmt: &'a Stmt,
        target: &'a Expr,
        times: &'a Expr,
        with: Option<&'a [Arg]>,
    ) {
        let Some(fact) = self.stand_in_fact(stmt) else { return };
        let args: Option<&'a [Arg]> = match &target.kind {
            ExprKind::Call { args, .. } => Some(args),
            _ => with,
        };
        let wanted = self.expr_as(times, Ty::INT);
        let wanted =
            self.guard(wanted, &args.unwrap_or_default().iter().map(|a| &a.value).collect::<Vec<_>>());
        let ids = self.replaced(fact.replaced);
        let Some(&first) = ids.first() else { return };
        let object = self.written_object(target, &fact);
        let matcher = match (args, object) {
            (None, None) => None,
            (args, object) => {
                let written = (object, args.unwrap_or_default());
                Some(self.matcher(stmt.span, first, written, &fact, args.is_none()))
            }
        };
        let sum = self.scalar(ScalarKind::Int);
        self.b.emit(Instr::Int { value: 0, dst: sum });
        for &id in &ids {
            let seen = self.seen(id, &fact.type_args);
            let (matches, answer) = self.stand_in_args(&seen);
            let stand_in = self.stand_in(id, &fact.type_args);
            let Some((owner, _)) = self.types.nominal_parts(stand_in.ty) else { return };
            let count = match matcher {
                Some(matcher) => self.method_of(owner, "count", &[matches, answer], &[stand_in, matcher]),
                None => self.method_of(owner, "total", &[matches, answer], &[stand_in]),
            };
            self.b.emit(Instr::AddInt { a: sum, b: count.regs.s(), dst: sum });
        }
        let good = self.b.mark();
        let to = self.b.to(good);
        self.b.emit(Instr::IfEqInt { a: sum, b: wanted.regs.s(), to });
        self.at(stmt.span);
        let mut what = self.source_text(target.span);
        if let (Some(first), Some(last)) = (with.and_then(|w| w.first()), with.and_then(|w| w.last())) {
            let written = self.source_text(Span::new(first.value.span.start, last.value.span.end));
            what.push_str(&format!("({written})"));
        }
        let what = self.string_const(&what);
        let found = Val { ty: Ty::INT, regs: Regs::new(&[Reg::S(sum)]) };
        let mut calls: Option<Val> = None;
        for &id in &ids {
            let seen = self.seen(id, &fact.type_args);
            let (matches, answer) = self.stand_in_args(&seen);
            let stand_in = self.stand_in(id, &fact.type_args);
            let Some((owner, _)) = self.types.nominal_parts(stand_in.ty) else { return };
            let texts = self.method_of(owner, "seen", &[matches, answer], &[stand_in]);
            match (calls, self.defs.known.list) {
                (Some(all), Some(list)) => {
                    let string = self.string_ty();
                    self.method_of(list, "addAll", &[string], &[all, texts]);
                }
                _ => calls = Some(texts),
            }
        }
        let Some(calls) = calls else { return };
        let text = self.call_std("miscount", &[what, wanted, found, calls]);
        self.at(stmt.span);
        self.b.emit(Instr::TrapText { kind: TrapKind::Assert, text: text.regs.r() });
        self.b.place(good);
    }

    /// What an `assert` without a text says: in a test, what is not so.
    pub(super) fn assertion_text(&self, cond: &Expr) -> String {
        match self.stage {
            Some(_) => format!("assertion failed: {}", self.source_text(cond.span)),
            None => "assertion failed".into(),
        }
    }

    fn source_text(&self, span: Span) -> String {
        let file = self.defs.modules[self.cx.module.index()].file;
        let text = self.map.get(file).text();
        text.get(span.start as usize..span.end as usize).unwrap_or_default().to_string()
    }

    /// `care/checks.ds:12:5`
    fn place_text(&self, span: Span) -> String {
        let module = &self.defs.modules[self.cx.module.index()];
        let (line, column) = self.map.get(module.file).line_col(span.start);
        format!("{}.ds:{line}:{column}", module.path.replace('.', "/"))
    }

    /// The object that stands before a method and must be equal.
    fn written_object(&mut self, target: &'a Expr, fact: &StandInFact) -> Option<&'a Expr> {
        let callee = match &target.kind {
            ExprKind::Call { callee, .. } => callee,
            _ => target,
        };
        match &callee.kind {
            ExprKind::Field { receiver, .. } if fact.of_object => Some(receiver),
            _ => None,
        }
    }

    /// Whether the object and the arguments of a call are equal to these; with `any` all arguments are.
    fn matcher(
        &mut self,
        span: Span,
        id: FnId,
        (object, args): (Option<&'a Expr>, &'a [Arg]),
        fact: &StandInFact,
        any: bool,
    ) -> Val {
        let seen = self.seen(id, &fact.type_args).compared();
        if !any && !matches!(fact.replaced, Replaced::Fn(_)) {
            let pattern = self.command_pattern(args, fact);
            return self.closure(span, &seen, Ty::BOOL, &[pattern], |this, params, held| {
                let fits = this.call_std("commandFits", &[held[0], params[0], params[1]]);
                this.return_value(fits);
            });
        }
        let mut wanted: Vec<(usize, Val)> = Vec::new();
        if let Some(object) = object {
            let value = self.expr_as(object, seen[0]);
            wanted.push((0, self.guard(value, &args.iter().map(|a| &a.value).collect::<Vec<_>>())));
        }
        for (index, (arg, place)) in args.iter().zip(&fact.places).enumerate() {
            let Some(kept) = place.and_then(|place| self.place_in(id, &fact.type_args, place)) else {
                continue;
            };
            let value = self.expr_as(&arg.value, seen[kept]);
            let later: Vec<&'a Expr> = args[index + 1..].iter().map(|a| &a.value).collect();
            wanted.push((kept, self.guard(value, &later)));
        }
        let captured: Vec<Val> = wanted.iter().map(|&(_, value)| value).collect();
        self.closure(span, &seen, Ty::BOOL, &captured, |this, params, held| {
            let no = this.b.mark();
            for (&(kept, _), &value) in wanted.iter().zip(held) {
                this.equality_jump(params[kept], value, false, no);
            }
            this.return_bool(true);
            this.b.place(no);
            if !this.b.is_dead() {
                this.return_bool(false);
            }
        })
    }

    fn return_bool(&mut self, value: bool) {
        let dst = self.scalar(ScalarKind::Bool);
        self.b.emit(Instr::Bool { value, dst });
        self.return_value(Val { ty: Ty::BOOL, regs: Regs::new(&[Reg::S(dst)]) });
    }

    /// The program and its arguments as a `List<String?>`, null for `_`.
    fn command_pattern(&mut self, args: &'a [Arg], fact: &StandInFact) -> Val {
        let string = self.string_ty();
        let item = self.types.nullable(string);
        let Some(list) = self.defs.known.list else { return self.absent(item) };
        let (ty, texts) = (self.types.nominal(list, &[item]), self.types.nominal(list, &[string]));
        let row = self.type_id(ty);
        let all = self.take(ty);
        self.b.emit(Instr::ListNew { ty: row, capacity: args.len() as i64, dst: all.r() });
        let pattern = Val { ty, regs: all };
        for (arg, place) in args.iter().zip(&fact.places) {
            let mark = self.b.mark_taken();
            let value = match place {
                None => Val { ty: Ty::NULL, regs: Regs::none() },
                Some(_) => match self.script(&arg.value) {
                    Some(script) => self.string_const(&script.name),
                    None => self.expr(&arg.value),
                },
            };
            self.at(arg.value.span);
            if value.ty == texts {
                self.call_std("spread", &[pattern, value]);
            } else {
                let value = if value.ty == Ty::NULL { value } else { self.text(value) };
                let value = self.convert(value, item);
                self.list_add(all.r(), value);
            }
            self.b.release(mark);
        }
        pattern
    }

    /// The answers as a list of closures over the parameters.
    fn answers(&mut self, span: Span, seen: &Seen, answers: &'a [GivenAnswer]) -> Val {
        let (_, answer_ty) = self.stand_in_args(seen);
        let Some(list) = self.defs.known.list else { return self.absent(answer_ty) };
        let ty = self.types.nominal(list, &[answer_ty]);
        let row = self.type_id(ty);
        let all = self.take(ty);
        self.b.emit(Instr::ListNew { ty: row, capacity: 1, dst: all.r() });
        for answer in answers {
            let mark = self.b.mark_taken();
            let closure = match answer {
                GivenAnswer::Returns(value) => self.answer(seen, value),
                GivenAnswer::Fails(error) => self.failure(span, seen, error),
            };
            self.list_add(all.r(), closure);
            self.b.release(mark);
        }
        Val { ty, regs: all }
    }

    fn answer(&mut self, seen: &Seen, value: &'a Expr) -> Val {
        let ret = seen.ret();
        let mut plain = value;
        while let ExprKind::Paren(inner) = &plain.kind {
            plain = inner;
        }
        if let ExprKind::Lambda(_) = plain.kind {
            let computed = self.expr(plain);
            return self.closure(value.span, &seen.params, ret, &[computed], |this, params, held| {
                let given = match this.types.kind(held[0].ty) {
                    TyKind::Function(_, given) => *given,
                    _ => ret,
                };
                let result = this.call_closure(held[0], params, given);
                this.return_value(result);
            });
        }
        let nothing = ret == Ty::VOID || self.types.fallible_inner(ret) == Some(Ty::VOID);
        let is_name = matches!(plain.kind, ExprKind::Name(name) if self.interner.name(name) == "ok");
        let found = if nothing && is_name && self.node_ty(plain.id) == Ty::POISON {
            self.void()
        } else if self.stands_alone(value) {
            // Each call gets one of its own: a Subprocess or a list that the program changes is not seen again.
            return self.closure(value.span, &seen.params, ret, &[], |this, _, _| {
                let made = this.expr_as(value, ret);
                this.return_value(made);
            });
        } else {
            self.expr_as(value, ret)
        };
        let captured = if found.ty == Ty::VOID { Vec::new() } else { vec![found] };
        self.closure(value.span, &seen.params, ret, &captured, |this, _, held| {
            let result = held.first().copied().unwrap_or_else(|| this.void());
            this.return_value(result);
        })
    }

    /// Whether an answer is the same wherever it is evaluated: it names no local, and asks nothing outside.
    fn stands_alone(&self, expr: &Expr) -> bool {
        let alone = match &expr.kind {
            ExprKind::Name(_) => !matches!(self.res(expr.id), Res::Local(_)),
            ExprKind::Call { .. } => match self.facts[self.cx.module.index()].calls.get(&expr.id) {
                Some(CallFact { target: Target::Fn(id) | Target::Method(id), .. }) => {
                    !self.defs.fns[id.index()].is_lowlevel
                }
                _ => false,
            },
            ExprKind::Try(_)
            | ExprKind::Fail(_)
            | ExprKind::Assign { .. }
            | ExprKind::Step { .. }
            | ExprKind::Switch(_)
            | ExprKind::InstanceOf { .. }
            | ExprKind::Lambda(_)
            | ExprKind::This
            | ExprKind::Error => false,
            _ => true,
        };
        let mut parts_alone = true;
        crate::check::each_child(expr, &mut |part| parts_alone &= self.stands_alone(part));
        alone && parts_alone
    }

    fn failure(&mut self, span: Span, seen: &Seen, error: &'a Expr) -> Val {
        let ret = seen.ret();
        let value = self.expr(error);
        self.at(error.span);
        let held = if self.types.fallible_inner(ret).is_none() {
            let code = self.string_const("fail");
            self.plain_native("Subprocess.failed", &[value, code], ret)
        } else if value.ty == self.string_ty() {
            let [file, line, column] = self.place_values(error.span);
            self.call_std("failure", &[value, file, line, column])
        } else {
            value
        };
        self.closure(span, &seen.params, ret, &[held], |this, _, held| {
            this.return_value(held[0]);
        })
    }
}
