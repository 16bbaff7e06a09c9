//! Scenarios to rows of the manifest. What is checked is taken as it is; arguments become small functions of the
//! scenario's parameters and the node.

use super::Lowerer;
use crate::check::plain::{Plain, plain, plain_text};
use crate::defs::*;
use crate::facts::{ArgSource, RunFact};
use crate::types::Ty;
use dscript_bytecode::image;
use dscript_bytecode::limits::{
    GUARD_RULES_MAX, SCENARIO_TEXT_BYTES_MAX, SCENARIOS_MAX, STATES_MAX, STEPS_MAX,
};
use dscript_bytecode::scenario::{self as row, Setting, StateId};
use dscript_grammar::ast::{self, Arg, BinaryOp, ClauseKind, Expr, Ident, Role, StepOptionKind};
use dscript_grammar::span::{NodeId, Span};
use rustc_hash::FxHashMap;

/// Characters of an argument that people are shown.
const ARGUMENT_SHOWN_MAX: usize = 200;

/// What is known while one scenario is lowered.
struct Place<'a, 'c, 't> {
    def: &'c ScenarioDef<'a>,
    /// Its parameters, then `node`.
    params: Vec<(NodeId, Ty)>,
    tasks: &'t mut FxHashMap<TaskId, row::TaskId>,
}

impl<'a, 'c> Lowerer<'a, 'c> {
    /// Every scenario of the root module; the root's tasks are in the manifest already.
    pub(super) fn scenarios(&mut self) {
        let defs = self.defs;
        let root = |module: ModuleId| module == ModuleId(0);
        let own = defs.tasks.iter().enumerate().filter(|(_, t)| root(t.module));
        let mut tasks: FxHashMap<TaskId, row::TaskId> =
            own.enumerate().map(|(row, (id, _))| (TaskId(id as u32), row::TaskId(row as u32))).collect();
        for def in defs.scenarios.iter().filter(|s| root(s.module)) {
            let scenario = self.scenario(def, &mut tasks);
            self.image.manifest.scenarios.push(scenario);
        }
        if let Some(def) = defs.scenarios.iter().filter(|s| root(s.module)).nth(SCENARIOS_MAX) {
            self.cx.module = def.module;
            self.at_most(def.span, "scenarios", self.image.manifest.scenarios.len(), SCENARIOS_MAX);
        }
    }

    fn at_most(&mut self, span: Span, what: &str, count: usize, max: usize) {
        if count > max {
            self.limit(span, format!("there are more than {max} {what}"));
        }
    }

    pub(super) fn scenario(
        &mut self,
        def: &'c ScenarioDef<'a>,
        tasks: &mut FxHashMap<TaskId, row::TaskId>,
    ) -> row::Scenario {
        let tree = def.tree;
        self.cx.module = def.module;
        self.at_most(def.span, "states", tree.states.len(), STATES_MAX);
        self.at_most(def.span, "guard rules", tree.guard.len(), GUARD_RULES_MAX);
        let mut known: Vec<(NodeId, Ty)> = Vec::new();
        let mut params = Vec::new();
        for param in &def.params {
            let default = param.default.map(|value| {
                let key = (param.node, def.module, Vec::new());
                self.default_function(key, &known, None, Vec::new(), param.ty, value)
            });
            let name = self.interner.name(param.name).to_string();
            let ty = self.type_id(param.ty);
            self.read.push(ty);
            params.push(image::TaskParam { name, ty, default });
            known.push((param.node, param.ty));
        }
        let string = self.string_ty();
        known.push((def.item.id, string));
        let mut place = Place { def, params: known, tasks };
        let selector = tree.selector.as_ref().and_then(|selector| self.selector(&place, selector));
        let guard = tree.guard.iter().map(|rule| self.guard_rule(&place, rule)).collect();
        let states = tree.states.iter().map(|state| self.state(&mut place, state)).collect();
        let initial = tree.states.iter().position(|s| s.initial).unwrap_or(0);
        row::Scenario {
            name: def.name.clone(),
            params,
            selector,
            guard,
            states,
            initial: StateId(initial as u32),
            dcase: def.dcase.clone(),
            doc: def.doc.clone(),
        }
    }

    fn selector(&mut self, place: &Place<'a, 'c, '_>, expr: &'a Expr) -> Option<row::Selector> {
        let module = place.def.module;
        if let Some(Plain::Param(node)) = plain(self.defs, &self.facts, module, expr) {
            return Some(row::Selector::Param(param_id(place, node)));
        }
        let text = plain_text(self.defs, &self.facts, module, expr)?.to_string();
        self.at_most(expr.span, "bytes in this selector", text.len(), SCENARIO_TEXT_BYTES_MAX);
        Some(row::Selector::Text(text))
    }

    fn guard_rule(&mut self, place: &Place<'a, 'c, '_>, rule: &'a ast::GuardRule) -> row::GuardRule {
        let most = self.setting(place, &rule.count);
        row::GuardRule {
            most: if rule.percent { row::Amount::Percent(most) } else { row::Amount::Count(most) },
            per: rule.per.as_ref().map(|per| self.setting(place, per)),
        }
    }

    fn setting(&self, place: &Place<'a, 'c, '_>, expr: &Expr) -> Setting {
        match plain(self.defs, &self.facts, place.def.module, expr) {
            Some(Plain::Number(value)) => Setting::Constant(value),
            Some(Plain::Param(node)) => Setting::Param(param_id(place, node)),
            Some(Plain::TooLarge) | None => unreachable!("the checker refuses other settings"),
        }
    }

    // ---- states ----

    fn state(&mut self, place: &mut Place<'a, 'c, '_>, state: &'a ast::State) -> row::State {
        self.cx.module = place.def.module;
        self.at_most(state.name.span, "steps in this state", state.clauses.len(), STEPS_MAX);
        let (mut monitors, mut queries, mut steps) = (Vec::new(), Vec::new(), Vec::new());
        let (mut success, mut failure) = (None, None);
        for clause in &state.clauses {
            match &clause.kind {
                ClauseKind::Step { role, args, options, .. } => {
                    let Some(fact) = self.facts[place.def.module.index()].runs.get(&clause.id).cloned()
                    else {
                        continue;
                    };
                    let call = self.task_call(place, &fact, args);
                    if *role == Role::Monitor {
                        monitors.push(self.monitor(place, call, options));
                    } else {
                        steps.push(self.task_step(place, call, clause.id, options));
                    }
                }
                ClauseKind::When { .. } => queries.extend(self.query(place, clause)),
                ClauseKind::On { success: is_success, go, after } => {
                    let after = after.as_ref().map(|after| self.setting(place, after));
                    let edge = row::Edge { to: state_id(place, *go), after };
                    *(if *is_success { &mut success } else { &mut failure }) = Some(edge);
                }
                ClauseKind::Error => {}
            }
        }
        let name = self.interner.name(state.name.name).to_string();
        let work = match (failure, success) {
            (Some(failure), _) if !monitors.is_empty() => row::Work::Watch { monitors, queries, failure },
            (Some(failure), Some(success)) => row::Work::Run { steps, success, failure },
            _ => row::Work::Final { steps },
        };
        row::State { name, work }
    }

    fn monitor(
        &mut self,
        place: &Place<'a, 'c, '_>,
        call: row::Call,
        options: &'a [ast::StepOption],
    ) -> row::Monitor {
        let mut monitor = row::Monitor {
            call,
            every: Setting::Constant(row::EVERY_DEFAULT_NANOS),
            failing: Setting::Constant(1),
            within: Setting::Constant(row::WITHIN_DEFAULT_NANOS),
        };
        for option in options {
            match &option.kind {
                StepOptionKind::Every(value) => monitor.every = self.setting(place, value),
                StepOptionKind::Failing(value) => monitor.failing = self.setting(place, value),
                StepOptionKind::Within(value) => monitor.within = self.setting(place, value),
                _ => {}
            }
        }
        monitor
    }

    fn task_step(
        &mut self,
        place: &mut Place<'a, 'c, '_>,
        call: row::Call,
        clause: NodeId,
        options: &'a [ast::StepOption],
    ) -> row::Step {
        let mut step = row::Step {
            call,
            within: Setting::Constant(row::WITHIN_DEFAULT_NANOS),
            retry: None,
            verify: None,
            at_controller: false,
            with_approval: false,
        };
        for option in options {
            match &option.kind {
                StepOptionKind::Within(value) => step.within = self.setting(place, value),
                StepOptionKind::Retry { times, every } => {
                    let times = self.setting(place, times);
                    let pause = every.as_ref().map(|every| self.setting(place, every));
                    step.retry = Some(row::Retry { times, pause });
                }
                StepOptionKind::Verify { args, for_, .. } => {
                    let fact = self.facts[place.def.module.index()].verified.get(&clause).cloned();
                    let Some(fact) = fact else { continue };
                    let call = self.task_call(place, &fact, args);
                    let lasting = for_.as_ref().map(|value| self.setting(place, value));
                    step.verify = Some(row::Verify { call, lasting });
                }
                StepOptionKind::At(_) => step.at_controller = true,
                StepOptionKind::WithApproval => step.with_approval = true,
                StepOptionKind::Every(_) | StepOptionKind::Failing(_) => {}
            }
        }
        step
    }

    fn query(&mut self, place: &Place<'a, 'c, '_>, clause: &'a ast::Clause) -> Option<row::Query> {
        let ClauseKind::When { key, aggregate, field, over, op, value, go } = &clause.kind else {
            return None;
        };
        let string = self.string_ty();
        Some(row::Query {
            key: self.argument(place, "key of a query", key, string),
            aggregate: row::Aggregate::find(self.interner.name(aggregate.name))?,
            field: field.map(|field| self.interner.name(field.name).to_string()),
            over: self.setting(place, over),
            comparison: match op {
                BinaryOp::Lt => row::Comparison::Less,
                BinaryOp::Le => row::Comparison::LessOrEqual,
                BinaryOp::Gt => row::Comparison::Greater,
                BinaryOp::Ge => row::Comparison::GreaterOrEqual,
                BinaryOp::Eq => row::Comparison::Equal,
                _ => row::Comparison::NotEqual,
            },
            value: self.argument(place, "value of a query", value, Ty::DOUBLE),
            to: state_id(place, *go),
        })
    }

    // ---- tasks and their arguments ----

    fn task_call(&mut self, place: &mut Place<'a, 'c, '_>, fact: &RunFact, args: &'a [Arg]) -> row::Call {
        let task = self.task_row(place, fact.task);
        let name = format!("argument of {}", self.defs.tasks[fact.task.index()].name);
        let args = fact
            .params
            .iter()
            .map(|&(ty, source)| match source {
                ArgSource::Given(index) => Some(self.argument(place, &name, &args[index as usize].value, ty)),
                ArgSource::Default => None,
            })
            .collect();
        row::Call { task, args }
    }

    /// The task in the manifest; a task of another module gets there when it is first used.
    fn task_row(&mut self, place: &mut Place<'a, 'c, '_>, id: TaskId) -> row::TaskId {
        if let Some(&known) = place.tasks.get(&id) {
            return known;
        }
        let defs = self.defs;
        let def = &defs.tasks[id.index()];
        let row = row::TaskId(self.image.manifest.tasks.len() as u32);
        if self.stage.is_some() {
            let (function, undo) = self.task_functions(id);
            self.task_manifest_row(def, function, undo);
        } else {
            self.task(def);
        }
        place.tasks.insert(id, row);
        let tasks = &mut self.image.manifest.tasks;
        if let Some((last, before)) = tasks.split_last_mut()
            && before.iter().any(|t| t.name == last.name)
        {
            last.name = format!("{}.{}", defs.modules[def.module.index()].path, def.name);
        }
        row
    }

    fn argument(&mut self, place: &Place<'a, 'c, '_>, name: &str, value: &'a Expr, ty: Ty) -> row::Argument {
        self.begin(place.def.module, name.to_string(), &place.params, ty);
        self.at(value.span);
        let found = self.expr_as(value, ty);
        self.return_value(found);
        let function = self.add_function(value.span);
        row::Argument { function, text: self.one_line(value.span) }
    }

    /// The text of a span with its blanks made single.
    fn one_line(&self, span: Span) -> String {
        let file = self.defs.modules[self.cx.module.index()].file;
        let text = self.map.get(file).text();
        let text = text.get(span.start as usize..span.end as usize).unwrap_or_default();
        let words: Vec<&str> = text.split_whitespace().collect();
        let plain: String = words.join(" ").chars().filter(|c| !c.is_control()).collect();
        match plain.char_indices().nth(ARGUMENT_SHOWN_MAX) {
            Some((end, _)) => format!("{}...", &plain[..end]),
            None => plain,
        }
    }
}

fn param_id(place: &Place<'_, '_, '_>, node: NodeId) -> row::ParamId {
    let index = place.params.iter().position(|&(param, _)| param == node);
    row::ParamId(index.unwrap_or_default() as u32)
}

fn state_id(place: &Place<'_, '_, '_>, go: Ident) -> StateId {
    let index = place.def.tree.states.iter().position(|s| s.name.name == go.name);
    StateId(index.unwrap_or_default() as u32)
}
