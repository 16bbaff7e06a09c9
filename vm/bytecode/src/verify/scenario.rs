//! The manifest's scenarios: ranges, names, what functions take and return, and that no way round is without a pause.

use super::tables::{check_function, is_parameter_type};
use super::{Check, Context, check_name};
use crate::ids::{FunctionId, TypeId};
use crate::image::*;
use crate::limits::*;
use crate::scenario::*;
use std::collections::HashSet;

pub fn check(cx: &Context<'_>) -> Check {
    let scenarios = &cx.image.manifest.scenarios;
    limit("scenarios", scenarios.len(), SCENARIOS_MAX)?;
    let mut names = HashSet::new();
    for scenario in scenarios {
        let about = |what| format!("scenario `{}`: {what}", scenario.name.escape_debug());
        Checker::check(cx, scenario).map_err(about)?;
        if !names.insert(&scenario.name) {
            return Err(format!("two scenarios are called `{}`", scenario.name));
        }
    }
    Ok(())
}

fn limit(what: &str, count: usize, max: usize) -> Check {
    if count > max {
        return Err(format!("it has {count} {what}, {max} are allowed"));
    }
    Ok(())
}

struct Checker<'c, 'a> {
    cx: &'c Context<'a>,
    scenario: &'c Scenario,
    /// The registers of all parameters, then the node's name.
    taken: Vec<RegType>,
    string: Option<RegType>,
}

impl<'c, 'a> Checker<'c, 'a> {
    fn check(cx: &'c Context<'a>, scenario: &'c Scenario) -> Check {
        check_name("a scenario", &scenario.name)?;
        if scenario.name.is_empty() {
            return Err("it has no name".into());
        }
        let string = cx.image.types.iter().position(|ty| *ty == Type::String);
        let string = string.map(|id| RegType::Ref(RefType { ty: TypeId(id as u32), nullable: false }));
        let mut checker = Checker { cx, scenario, taken: Vec::new(), string };
        checker.params()?;
        checker.taken.extend(string);
        match &scenario.selector {
            Some(Selector::Text(text)) => {
                limit("bytes in its selector", text.len(), SCENARIO_TEXT_BYTES_MAX)?;
                selector_terms(text).map_err(|e| format!("its selector is bad: {}", e.what))?;
            }
            Some(Selector::Param(param)) => checker.param(*param, &Type::String)?,
            None => {}
        }
        limit("guard rules", scenario.guard.len(), GUARD_RULES_MAX)?;
        for rule in &scenario.guard {
            checker.guard(rule).map_err(|what| format!("guard: {what}"))?;
        }
        checker.states()
    }

    fn params(&mut self) -> Check {
        let mut names = HashSet::new();
        for param in &self.scenario.params {
            check_name("a parameter", &param.name)?;
            if param.name.is_empty() || !names.insert(&param.name) {
                return Err(format!("parameter `{}` has no name of its own", param.name));
            }
            if !is_parameter_type(self.cx, param.ty) {
                return Err(format!("parameter `{}` is of a type that no parameter has", param.name));
            }
            let registers = self.cx.types.registers(param.ty);
            if let Some(default) = param.default {
                self.cx.spend(self.taken.len())?;
                check_function(self.cx, default, &[], &self.taken, registers)
                    .map_err(|what| format!("default of parameter `{}`: {what}", param.name))?;
            }
            self.taken.extend_from_slice(registers);
        }
        Ok(())
    }

    fn states(&self) -> Check {
        let states = &self.scenario.states;
        limit("states", states.len(), STATES_MAX)?;
        self.state(self.scenario.initial)?;
        let mut names = HashSet::new();
        for state in states {
            check_name("a state", &state.name)?;
            if state.name.is_empty() || !names.insert(&state.name) {
                return Err(format!("state `{}` has no name of its own", state.name));
            }
            self.work(&state.work).map_err(|what| format!("state `{}`: {what}", state.name))?;
        }
        self.pauses()
    }

    fn work(&self, work: &Work) -> Check {
        match work {
            Work::Watch { monitors, queries, failure } => {
                if monitors.is_empty() {
                    return Err("it watches and has no monitor".into());
                }
                limit("steps", monitors.len() + queries.len(), STEPS_MAX)?;
                for monitor in monitors {
                    self.call(&monitor.call, true)?;
                    self.setting(monitor.every, &Type::Duration)?;
                    self.setting(monitor.failing, &Type::Int)?;
                    self.setting(monitor.within, &Type::Duration)?;
                }
                for query in queries {
                    self.query(query).map_err(|what| format!("query: {what}"))?;
                }
                self.edge(*failure)
            }
            Work::Run { steps, success, failure } => {
                self.steps(steps)?;
                self.edge(*success)?;
                self.edge(*failure)
            }
            Work::Final { steps } => self.steps(steps),
        }
    }

    fn steps(&self, steps: &[Step]) -> Check {
        limit("steps", steps.len(), STEPS_MAX)?;
        for step in steps {
            self.call(&step.call, false)?;
            self.setting(step.within, &Type::Duration)?;
            if let Some(retry) = &step.retry {
                self.setting(retry.times, &Type::Int)?;
                self.optional(retry.pause, &Type::Duration)?;
            }
            if let Some(verify) = &step.verify {
                self.call(&verify.call, true).map_err(|what| format!("verify: {what}"))?;
                self.optional(verify.lasting, &Type::Duration)?;
            }
        }
        Ok(())
    }

    fn call(&self, call: &Call, monitor: bool) -> Check {
        let tasks = &self.cx.image.manifest.tasks;
        let Some(task) = tasks.get(call.task.index()) else {
            return Err(format!("there is no {:?}", call.task));
        };
        let fits = match task.role {
            Some(role) => (role == Role::Monitor) == monitor,
            None => false,
        };
        if !fits {
            return Err(format!("task `{}` has not the role it is used in", task.name.escape_debug()));
        }
        if call.args.len() != task.params.len() {
            let (found, needed) = (call.args.len(), task.params.len());
            return Err(format!("task `{}` takes {needed} arguments, not {found}", task.name.escape_debug()));
        }
        for (arg, param) in call.args.iter().zip(&task.params) {
            let about = |what| format!("argument `{}`: {what}", param.name.escape_debug());
            match arg {
                Some(arg) => self.argument(arg, self.cx.types.registers(param.ty)).map_err(about)?,
                None if param.default.is_some() => {}
                None => return Err(about("it is missing, and the parameter has no default".into())),
            }
        }
        Ok(())
    }

    fn query(&self, query: &Query) -> Check {
        let Some(string) = self.string else {
            return Err("it has a key, and the image has no texts".into());
        };
        self.argument(&query.key, &[string]).map_err(|what| format!("key: {what}"))?;
        if let Aggregate::Percentile(tenths) = query.aggregate
            && !(1..1000).contains(&tenths)
        {
            return Err(format!("there is no percentile {tenths}/10"));
        }
        match &query.field {
            Some(field) => {
                check_name("a field", field)?;
                limit("bytes in the name of its field", field.len(), SCENARIO_TEXT_BYTES_MAX)?;
            }
            None if query.aggregate.counts_records() => {}
            None => return Err(format!("`{}` needs a field", query.aggregate.name())),
        }
        self.setting(query.over, &Type::Duration)?;
        self.argument(&query.value, &[RegType::Scalar(ScalarKind::Double)])
            .map_err(|what| format!("value: {what}"))?;
        self.state(query.to)
    }

    fn argument(&self, arg: &Argument, results: &[RegType]) -> Check {
        check_name("an argument", &arg.text)?;
        limit("bytes in the text of an argument", arg.text.len(), SCENARIO_TEXT_BYTES_MAX)?;
        if self.string.is_none() {
            return Err("it takes the node's name, and the image has no texts".into());
        }
        self.function(arg.function, results)
    }

    fn function(&self, id: FunctionId, results: &[RegType]) -> Check {
        self.cx.spend(self.taken.len())?;
        check_function(self.cx, id, &[], &self.taken, results)
    }

    fn guard(&self, rule: &GuardRule) -> Check {
        match rule.most {
            Amount::Count(count) => self.setting(count, &Type::Int)?,
            Amount::Percent(Setting::Constant(percent)) if percent > 100 => {
                return Err(format!("{percent} percent is more than all"));
            }
            Amount::Percent(percent) => self.setting(percent, &Type::Int)?,
        }
        self.optional(rule.per, &Type::Duration)
    }

    fn edge(&self, edge: Edge) -> Check {
        self.optional(edge.after, &Type::Duration)?;
        self.state(edge.to)
    }

    fn state(&self, id: StateId) -> Check {
        if id.index() >= self.scenario.states.len() {
            return Err(format!("there is no {id:?}"));
        }
        Ok(())
    }

    fn optional(&self, setting: Option<Setting>, ty: &Type) -> Check {
        setting.map_or(Ok(()), |setting| self.setting(setting, ty))
    }

    fn setting(&self, setting: Setting, ty: &Type) -> Check {
        match setting {
            Setting::Constant(value) if value < 1 => Err(format!("{value} is less than 1")),
            Setting::Constant(_) => Ok(()),
            Setting::Param(param) => self.param(param, ty),
        }
    }

    fn param(&self, id: ParamId, ty: &Type) -> Check {
        let Some(param) = self.scenario.params.get(id.index()) else {
            return Err(format!("there is no {id:?}"));
        };
        if self.cx.image.types.get(param.ty.index()) != Some(ty) {
            return Err(format!("parameter `{}` has not the type it is used with", param.name));
        }
        Ok(())
    }

    /// States that nothing in a hurry leads to are taken away, with their ways out, until none is left.
    fn pauses(&self) -> Check {
        let states = &self.scenario.states;
        let ways: Vec<Vec<StateId>> = states.iter().map(|s| s.work.hasty_edges()).collect();
        let mut arrivals = vec![0_usize; states.len()];
        for to in ways.iter().flatten() {
            arrivals[to.index()] += 1;
        }
        let mut open: Vec<usize> = (0..states.len()).filter(|&s| arrivals[s] == 0).collect();
        let mut gone = 0;
        while let Some(state) = open.pop() {
            gone += 1;
            for to in &ways[state] {
                arrivals[to.index()] -= 1;
                if arrivals[to.index()] == 0 {
                    open.push(to.index());
                }
            }
        }
        if gone < states.len() {
            return Err("some of its states go round without a pause".into());
        }
        Ok(())
    }
}
