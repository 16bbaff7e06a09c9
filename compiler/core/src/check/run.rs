//! `run` in a test: of a task, or of a scenario with or without a time.

use super::Checker;
use super::stmt::strip;
use crate::defs::{Def, ModuleId, ParamSig};
use crate::facts::{ArgSource, RunFact, ScenarioFact};
use crate::names::{Found, lookup, suggest};
use crate::types::Ty;
use dscript_grammar::ast::{Arg, Expr, ExprKind};
use dscript_grammar::codes;
use dscript_grammar::span::{Span, Symbol};

impl<'a> Checker<'a, '_> {
    /// `run(task(...))`, `run(scenario NAME(...))`, `run(scenario NAME(...), time)`
    pub(super) fn run_call(&mut self, expr: &'a Expr, args: &'a [Arg]) -> Ty {
        if !self.in_test(expr.span, "`run` stands") {
            return Ty::POISON;
        }
        let (Some(first), 1 | 2) = (args.first(), args.len()) else {
            let message = "`run` takes a task, or a scenario and how long to run it";
            self.error(codes::ARGUMENTS, expr.span, message);
            return Ty::BOOL;
        };
        let arg = strip(&first.value);
        if let ExprKind::ScenarioRef { name, args: given } = &arg.kind {
            self.run_scenario(expr, arg.span, *name, given);
        } else {
            self.run_task(expr, arg);
        }
        let Some(time) = args.get(1).map(|a| &a.value) else { return Ty::BOOL };
        if matches!(arg.kind, ExprKind::ScenarioRef { .. }) {
            self.expr_to(time, Ty::DURATION);
        } else {
            let report = self
                .diagnostic(codes::RUN, time.span, "only a scenario is run for a time")
                .help("put `within` around what the task waits for");
            self.diagnostics.push(report);
        }
        Ty::BOOL
    }

    fn run_task(&mut self, expr: &'a Expr, arg: &'a Expr) {
        let called = match &arg.kind {
            ExprKind::Call { callee, args } => match callee.kind {
                ExprKind::Name(name) => match self.lookup(name, callee.span) {
                    Some(Def::Task(task)) => Some((task, callee.span, args)),
                    Some(Def::Scenario(_)) => {
                        let at = Span::new(callee.span.start, callee.span.start);
                        let report = self
                            .diagnostic(codes::RUN, callee.span, "a scenario is named as such")
                            .help("write `scenario` before its name")
                            .edit(at, "scenario ");
                        self.diagnostics.push(report);
                        return;
                    }
                    None => return,
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        };
        let Some((task, span, args)) = called else {
            let report = self
                .diagnostic(codes::RUN, arg.span, "`run` takes the call of a task, or a scenario")
                .help("write `run(restart(\"cache\"))` or `run(scenario CacheCare(\"cache\"))`");
            self.diagnostics.push(report);
            return;
        };
        let defs = self.defs;
        let def = &defs.tasks[task.index()];
        let declared = (def.module, def.span);
        if let Some(params) = self.run_args(arg.span, span, &def.name, &def.params, declared, args) {
            self.facts().runs.insert(expr.id, RunFact { task, params });
        }
    }

    fn run_scenario(
        &mut self,
        expr: &'a Expr,
        whole: Span,
        name: dscript_grammar::ast::Ident,
        args: &'a [Arg],
    ) {
        if let Found::Nothing = lookup(self.defs, self.cx.module, name.name) {
            return self.no_scenario(name.name, name.span);
        }
        let id = match self.lookup(name.name, name.span) {
            Some(Def::Scenario(id)) => id,
            Some(other) => {
                let what = if matches!(other, Def::Task(_)) { "is a task" } else { "is no scenario" };
                let message = format!("`{}` {what}", self.text(name.name));
                let mut report = self.diagnostic(codes::RUN, name.span, message);
                if matches!(other, Def::Task(_)) {
                    let word = Span::new(whole.start, name.span.start);
                    report = report.help("a task is run without the word `scenario`").edit(word, "");
                }
                self.diagnostics.push(report);
                return;
            }
            None => return,
        };
        let defs = self.defs;
        let def = &defs.scenarios[id.index()];
        let declared = (def.module, def.span);
        if let Some(params) = self.run_args(whole, name.span, &def.name, &def.params, declared, args) {
            self.facts().scenarios.insert(expr.id, ScenarioFact { scenario: id, params });
        }
    }

    fn no_scenario(&mut self, name: Symbol, span: Span) {
        let text = self.text(name);
        let own = &self.defs.modules[self.cx.module.index()];
        let globs = own.globs.iter().map(|g| &self.defs.modules[g.index()].names);
        let visible = globs.chain([&own.names, &own.imported]).flatten();
        let scenarios = visible.filter(|(_, d)| matches!(d, Def::Scenario(_)));
        let near = suggest(text, scenarios.map(|(s, _)| self.interner.name(*s)));
        let message = format!("there is no scenario `{text}` here");
        let mut report = self.diagnostic(codes::UNKNOWN_NAME, span, message);
        if let Some(near) = near {
            report = report.help(format!("did you mean `{near}`?")).edit(span, near);
        }
        self.diagnostics.push(report);
    }

    /// Checks arguments against the parameters of a task or scenario.
    fn run_args(
        &mut self,
        whole: Span,
        span: Span,
        name: &str,
        sigs: &[ParamSig<'a>],
        declared: (ModuleId, Span),
        args: &'a [Arg],
    ) -> Option<Vec<(Ty, ArgSource)>> {
        let places = self.match_params(whole, span, name, sigs, declared, args)?;
        for (arg, &place) in args.iter().zip(&places) {
            self.expr_to(&arg.value, sigs[place].ty);
        }
        let source = |place: usize| match places.iter().position(|&p| p == place) {
            Some(index) => ArgSource::Given(index as u32),
            None => ArgSource::Default,
        };
        Some(sigs.iter().enumerate().map(|(place, p)| (p.ty, source(place))).collect())
    }
}
