//! `run` in a test. A task becomes an `Attempt` of std/testing.ds: its body and its `undo`, with their arguments.
//! A scenario becomes a row of the manifest, and for each of its calls a closure that makes the attempt; the
//! runner of tests decides with the row, and `runScenario` there calls the closures.

use super::build::Regs;
use super::test::TestJob;
use super::{Lowerer, Val};
use crate::defs::*;
use crate::facts::{ArgSource, ScenarioFact};
use crate::types::Ty;
use dscript_bytecode::ids::*;
use dscript_bytecode::instr::Instr;
use dscript_bytecode::scenario as row;
use dscript_grammar::ast::{Arg, Expr, ExprKind};
use dscript_grammar::span::{NodeId, Span};

/// What `node` is in a test.
const NODE: &str = "node";

impl<'a, 'c> Lowerer<'a, 'c> {
    pub(super) fn run_call(&mut self, expr: &'a Expr, args: &'a [Arg]) -> Val {
        let mut plain = &args[0].value;
        while let ExprKind::Paren(inner) = &plain.kind {
            plain = inner;
        }
        let facts = &self.facts[self.cx.module.index()];
        match &plain.kind {
            ExprKind::ScenarioRef { args: given, .. } => {
                let Some(fact) = facts.scenarios.get(&expr.id).cloned() else { return self.absent(Ty::BOOL) };
                self.run_scenario(expr.span, &fact, given, args.get(1).map(|a| &a.value))
            }
            ExprKind::Call { args: given, .. } => {
                let Some(fact) = facts.runs.get(&expr.id).cloned() else { return self.absent(Ty::BOOL) };
                let def = &self.defs.tasks[fact.task.index()];
                let held = self.run_args(def.module, &def.params, &fact.params, given, None);
                self.at(expr.span);
                let attempt = self.attempt(expr.span, fact.task, &held);
                self.at(expr.span);
                self.call_std("runTask", &[attempt])
            }
            _ => self.absent(Ty::BOOL),
        }
    }

    /// A value for each parameter; `later` is evaluated after them.
    fn run_args(
        &mut self,
        module: ModuleId,
        sigs: &'c [ParamSig<'a>],
        sources: &[(Ty, ArgSource)],
        args: &'a [Arg],
        later: Option<&'a Expr>,
    ) -> Vec<Val> {
        let mut values: Vec<Option<Val>> = vec![None; sigs.len()];
        for (index, arg) in args.iter().enumerate() {
            let place = sources.iter().position(|(_, s)| *s == ArgSource::Given(index as u32));
            let Some(place) = place else { continue };
            let value = self.expr_as(&arg.value, sigs[place].ty);
            let later: Vec<&'a Expr> = args[index + 1..].iter().map(|a| &a.value).chain(later).collect();
            values[place] = Some(self.guard(value, &later));
        }
        let mut held: Vec<Val> = Vec::new();
        for (place, value) in values.into_iter().enumerate() {
            let value = value.unwrap_or_else(|| self.param_default(module, sigs, place, &held));
            held.push(value);
        }
        held
    }

    /// The default value of a parameter, from the values of those before it.
    fn param_default(
        &mut self,
        module: ModuleId,
        sigs: &'c [ParamSig<'a>],
        place: usize,
        held: &[Val],
    ) -> Val {
        let sig = &sigs[place];
        let Some(default) = sig.default else { return self.absent(sig.ty) };
        let before: Vec<(NodeId, Ty)> = sigs[..place].iter().map(|p| (p.node, p.ty)).collect();
        let key = (sig.node, module, Vec::new());
        let function = self.default_function(key, &before, None, Vec::new(), sig.ty, default);
        self.emit_call(function, held, sig.ty)
    }

    // ---- tasks ----

    /// An `Attempt` of std/testing.ds.
    fn attempt(&mut self, span: Span, task: TaskId, held: &[Val]) -> Val {
        let (body, undo) = self.task_functions(task);
        let result = self.types.fallible(Ty::BOOL);
        let body = self.task_closure(span, body, held, result);
        let result = self.types.fallible(Ty::VOID);
        let back = self.types.function(&[], result);
        let back = self.types.nullable(back);
        let undo = match undo {
            Some(undo) => self.task_closure(span, undo, held, result),
            None => Val { ty: Ty::NULL, regs: Regs::none() },
        };
        let undo = self.convert(undo, back);
        let name = self.string_const(&self.defs.tasks[task.index()].name);
        let ty = self.attempt_type();
        self.make(ty, &[name, body, undo])
    }

    fn attempt_type(&mut self) -> Ty {
        let def = self.std_type("Attempt");
        self.types.nominal(def, &[])
    }

    fn task_closure(&mut self, span: Span, function: FunctionId, held: &[Val], ret: Ty) -> Val {
        self.closure(span, &[], ret, held, |this, _, held| {
            let result = this.emit_call(function, held, ret);
            this.return_value(result);
        })
    }

    /// The functions of a task's body and of its undo.
    pub(super) fn task_functions(&mut self, id: TaskId) -> (FunctionId, Option<FunctionId>) {
        if let Some(&known) = self.stage.as_ref().and_then(|stage| stage.tasks.get(&id)) {
            return known;
        }
        let function = self.reserve();
        self.queue.push_back(super::Job::Test(TestJob::Task { id, function }));
        let undo = self.defs.tasks[id.index()].undo.map(|_| {
            let function = self.reserve();
            self.queue.push_back(super::Job::Test(TestJob::Undo { id, function }));
            function
        });
        if let Some(stage) = &mut self.stage {
            stage.tasks.insert(id, (function, undo));
        }
        (function, undo)
    }

    // ---- scenarios ----

    fn run_scenario(
        &mut self,
        span: Span,
        fact: &ScenarioFact,
        args: &'a [Arg],
        time: Option<&'a Expr>,
    ) -> Val {
        let defs = self.defs;
        let def = &defs.scenarios[fact.scenario.index()];
        let mut held = self.run_args(def.module, &def.params, &fact.params, args, time);
        let limit = match time {
            Some(time) => self.expr_as(time, Ty::DURATION),
            None => Val { ty: Ty::NULL, regs: Regs::none() },
        };
        let nullable = self.types.nullable(Ty::DURATION);
        let limit = self.convert(limit, nullable);
        self.at(span);
        let settings = self.new_list(Ty::INT);
        for value in &held {
            // A Duration is its nanoseconds; no other type is a setting.
            let regs = match value.ty {
                Ty::INT | Ty::DURATION => value.regs,
                _ => Regs::new(&[Reg::S(self.int_const(0))]),
            };
            self.list_add(settings.regs.r(), Val { ty: Ty::INT, regs });
        }
        held.push(self.string_const(NODE));
        let index = self.scenario_row(fact.scenario);
        let row = self.image.manifest.scenarios[index].clone();
        let attempt = self.attempt_type();
        let make = self.types.function(&[], attempt);
        let calls = self.new_list(make);
        for (_, call) in row.calls() {
            let mark = self.b.mark_taken();
            let closure = self.call_closure_of(span, call, &held);
            self.list_add(calls.regs.r(), closure);
            self.b.release(mark);
        }
        let holds = self.types.function(&[], Ty::BOOL);
        let queries = self.new_list(holds);
        if self.queries_are_given() {
            for (_, query) in row.queries() {
                let mark = self.b.mark_taken();
                let closure = self.query_closure(span, query, &held);
                self.list_add(queries.regs.r(), closure);
                self.b.release(mark);
            }
        }
        let index = Val { ty: Ty::INT, regs: Regs::new(&[Reg::S(self.int_const(index as i64))]) };
        self.at(span);
        self.call_std("runScenario", &[index, settings, calls, queries, limit])
    }

    fn new_list(&mut self, item: Ty) -> Val {
        let Some(list) = self.defs.known.list else { return self.absent(item) };
        let ty = self.types.nominal(list, &[item]);
        let row = self.type_id(ty);
        let regs = self.take(ty);
        self.b.emit(Instr::ListNew { ty: row, capacity: 1, dst: regs.r() });
        Val { ty, regs }
    }

    /// What makes the attempt of a call, from the scenario's parameters and the node.
    fn call_closure_of(&mut self, span: Span, call: &row::Call, held: &[Val]) -> Val {
        let rows = self.stage.iter().flat_map(|stage| &stage.task_rows);
        let task = rows.into_iter().find(|(_, row)| **row == call.task).map(|(task, _)| *task);
        let ty = self.attempt_type();
        let Some(task) = task else { return self.absent(ty) };
        let defs = self.defs;
        let def = &defs.tasks[task.index()];
        self.closure(span, &[], ty, held, |this, _, held| {
            let mut values: Vec<Val> = Vec::new();
            for (place, arg) in call.args.iter().enumerate() {
                let value = match arg {
                    Some(arg) => this.emit_call(arg.function, held, def.params[place].ty),
                    None => this.param_default(def.module, &def.params, place, &values),
                };
                values.push(value);
            }
            let attempt = this.attempt(span, task, &values);
            this.return_value(attempt);
        })
    }

    /// Whether some `given` answers for standing queries; without one there is nothing to ask.
    fn queries_are_given(&self) -> bool {
        let owner = self.std_type("Scenario");
        let name = self.interner.get("query");
        let query = name.and_then(|name| self.defs.types[owner.index()].methods.get(&name));
        let stage = self.stage.as_ref();
        query.is_some_and(|query| stage.is_some_and(|stage| stage.named.contains(query)))
    }

    /// Whether a standing query holds now.
    fn query_closure(&mut self, span: Span, query: &row::Query, held: &[Val]) -> Val {
        self.closure(span, &[], Ty::BOOL, held, |this, _, held| {
            let string = this.string_ty();
            let key = this.emit_call(query.key.function, held, string);
            let value = this.emit_call(query.value.function, held, Ty::DOUBLE);
            let field = query.field.as_deref().unwrap_or_default();
            let aggregate = this.string_const(&format!("{}({field})", query.aggregate.name()));
            let comparison = this.string_const(query.comparison.symbol());
            let holds = this.call_std("queryHolds", &[key, aggregate, comparison, value]);
            this.return_value(holds);
        })
    }

    /// The scenario in the manifest, which gets there when it is first run.
    fn scenario_row(&mut self, id: ScenarioId) -> usize {
        if let Some(&known) = self.stage.as_ref().and_then(|stage| stage.scenario_rows.get(&id)) {
            return known;
        }
        let defs = self.defs;
        let def = &defs.scenarios[id.index()];
        let builder = std::mem::take(&mut self.b);
        let cx = std::mem::take(&mut self.cx);
        let mut tasks = self.stage.as_mut().map(|s| std::mem::take(&mut s.task_rows)).unwrap_or_default();
        let mut scenario = self.scenario(def, &mut tasks);
        self.b = builder;
        self.cx = cx;
        let scenarios = &mut self.image.manifest.scenarios;
        if scenarios.iter().any(|s| s.name == scenario.name) {
            scenario.name = format!("{}.{}", defs.modules[def.module.index()].path, def.name);
        }
        let index = scenarios.len();
        scenarios.push(scenario);
        if let Some(stage) = &mut self.stage {
            stage.task_rows = tasks;
            stage.scenario_rows.insert(id, index);
        }
        index
    }
}
