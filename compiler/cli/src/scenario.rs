//! The scenarios of an image in words and as JSON, for `dsc inspect`.
//!
//! Steps are worded as D-Script writes them; `graph` uses the same words.

use dscript_bytecode::asm::type_name;
use dscript_bytecode::image::{Image, Role, TaskParam};
use dscript_bytecode::scenario::*;
use dscript_interp::duration_text;
use serde_json::{Value, json};

/// A scenario with the image around it.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    pub image: &'a Image,
    pub scenario: &'a Scenario,
}

/// A way out of a state, in words.
pub struct Way {
    /// `success`, `failure`, or a query.
    what: String,
    is_query: bool,
    /// ` after 1m`
    after: String,
    pub to: StateId,
}

impl Way {
    pub fn label(&self) -> String {
        format!("{}{}", self.words(), self.after)
    }

    /// `on success`, `when log "vmstat" ...`
    fn words(&self) -> String {
        let on = if self.is_query { "" } else { "on " };
        format!("{on}{}", self.what)
    }
}

pub fn role_word(role: Role) -> &'static str {
    match role {
        Role::Monitor => "monitor",
        Role::Analyze => "analyze",
        Role::Recover => "recover",
        Role::Respond => "respond",
    }
}

pub fn params(image: &Image, params: &[TaskParam]) -> String {
    let shown = params.iter().map(|p| {
        let default = if p.default.is_some() { " = ..." } else { "" };
        format!("{} {}{default}", type_name(image, p.ty), p.name)
    });
    shown.collect::<Vec<_>>().join(", ")
}

impl<'a> Shown<'a> {
    pub fn all(image: &'a Image) -> impl Iterator<Item = Shown<'a>> {
        image.manifest.scenarios.iter().map(move |scenario| Shown { image, scenario })
    }

    /// Name and parameters.
    pub fn title(self) -> String {
        format!("{}({})", self.scenario.name, params(self.image, &self.scenario.params))
    }

    /// All of it, as the text of `dsc inspect` has it.
    pub fn describe(self) -> String {
        let mut lines = vec![format!("  {}{}", self.title(), self.selector_words())];
        if let Some(dcase) = &self.scenario.dcase {
            lines[0].push_str(&format!(" [D-Case {dcase}]"));
        }
        if let Some(first) = self.scenario.doc.as_ref().and_then(|d| d.lines().next()) {
            lines.push(format!("      {first}"));
        }
        lines.extend(self.scenario.guard.iter().map(|rule| format!("      guard {}", self.guard(rule))));
        for (index, state) in self.scenario.states.iter().enumerate() {
            let initial = if self.scenario.initial.index() == index { "initial " } else { "" };
            let final_ = if matches!(state.work, Work::Final { .. }) { "final " } else { "" };
            lines.push(format!("    {initial}{final_}state {}", state.name));
            lines.extend(self.tasks(state).into_iter().map(|line| format!("      {line}")));
            for way in self.ways(state) {
                lines.push(format!("      {} go {}{}", way.words(), self.state_name(way.to), way.after));
            }
        }
        lines.join("\n") + "\n"
    }

    fn selector_words(self) -> String {
        match &self.scenario.selector {
            Some(Selector::Text(text)) => format!(" on nodes({text:?})"),
            Some(Selector::Param(param)) => format!(" on nodes({})", self.param(*param)),
            None => String::new(),
        }
    }

    pub fn guard(self, rule: &GuardRule) -> String {
        let most = match rule.most {
            Amount::Count(count) => self.number(count),
            Amount::Percent(percent) => format!("{}%", self.number(percent)),
        };
        match rule.per {
            Some(per) => format!("at most {most} per {}", self.time(per)),
            None => format!("at most {most} recovering"),
        }
    }

    fn param(self, id: ParamId) -> &'a str {
        self.scenario.params.get(id.index()).map_or("?", |p| &p.name)
    }

    pub fn state_name(self, id: StateId) -> &'a str {
        self.scenario.states.get(id.index()).map_or("?", |s| &s.name)
    }

    fn number(self, setting: Setting) -> String {
        match setting {
            Setting::Constant(value) => value.to_string(),
            Setting::Param(param) => self.param(param).to_string(),
        }
    }

    fn time(self, setting: Setting) -> String {
        match setting {
            Setting::Constant(nanos) => duration_text(nanos),
            Setting::Param(param) => self.param(param).to_string(),
        }
    }

    // ---- states in words ----

    /// The tasks of a state, one a line.
    pub fn tasks(self, state: &State) -> Vec<String> {
        match &state.work {
            Work::Watch { monitors, .. } => monitors.iter().map(|m| self.monitor(m)).collect(),
            Work::Run { steps, .. } | Work::Final { steps } => steps.iter().map(|s| self.step(s)).collect(),
        }
    }

    pub fn ways(self, state: &State) -> Vec<Way> {
        let plain = |what: &str, edge: &Edge| {
            let after = edge.after.map(|after| format!(" after {}", self.time(after))).unwrap_or_default();
            Way { what: what.to_string(), is_query: false, after, to: edge.to }
        };
        let asked = |q: &Query| Way { what: self.query(q), is_query: true, after: String::new(), to: q.to };
        match &state.work {
            Work::Watch { queries, failure, .. } => {
                queries.iter().map(asked).chain([plain("failure", failure)]).collect()
            }
            Work::Run { success, failure, .. } => vec![plain("success", success), plain("failure", failure)],
            Work::Final { .. } => Vec::new(),
        }
    }

    fn query(self, query: &Query) -> String {
        format!(
            "when log {} {}({}) over {} {} {}",
            query.key.text,
            query.aggregate.name(),
            query.field.as_deref().unwrap_or_default(),
            self.time(query.over),
            query.comparison.symbol(),
            query.value.text
        )
    }

    fn monitor(self, monitor: &Monitor) -> String {
        let mut words = format!("{} every {}", self.role_call(&monitor.call), self.time(monitor.every));
        if monitor.failing != Setting::Constant(1) {
            words.push_str(&format!(" failing {}", self.number(monitor.failing)));
        }
        words + &self.within(monitor.within)
    }

    fn within(self, within: Setting) -> String {
        match within {
            Setting::Constant(WITHIN_DEFAULT_NANOS) => String::new(),
            _ => format!(" within {}", self.time(within)),
        }
    }

    fn step(self, step: &Step) -> String {
        let mut words = self.role_call(&step.call);
        if let Some(retry) = &step.retry {
            words.push_str(&format!(" retry {}", self.number(retry.times)));
            if let Some(pause) = retry.pause {
                words.push_str(&format!(" every {}", self.time(pause)));
            }
        }
        words.push_str(&self.within(step.within));
        if let Some(verify) = &step.verify {
            words.push_str(&format!(" verify {}", self.call(&verify.call)));
            if let Some(lasting) = verify.lasting {
                words.push_str(&format!(" for {}", self.time(lasting)));
            }
        }
        words.push_str(if step.at_controller { " at controller" } else { "" });
        words.push_str(if step.with_approval { " with approval" } else { "" });
        words
    }

    fn role_call(self, call: &Call) -> String {
        let role = self.image.manifest.tasks.get(call.task.index()).and_then(|task| task.role);
        format!("{} {}", role.map_or("task", role_word), self.call(call))
    }

    fn call(self, call: &Call) -> String {
        let Some(task) = self.image.manifest.tasks.get(call.task.index()) else { return "?".into() };
        let mut shown = Vec::new();
        let mut skipped = false;
        for (arg, param) in call.args.iter().zip(&task.params) {
            match arg {
                Some(arg) if skipped => shown.push(format!("{}: {}", param.name, arg.text)),
                Some(arg) => shown.push(arg.text.clone()),
                None => skipped = true,
            }
        }
        format!("{}({})", task.name, shown.join(", "))
    }

    // ---- JSON ----

    pub fn to_json(self) -> Value {
        let scenario = self.scenario;
        let selector = match &scenario.selector {
            Some(Selector::Text(text)) => json!(text),
            Some(Selector::Param(param)) => json!({"param": self.param(*param)}),
            None => Value::Null,
        };
        let guard: Vec<Value> = scenario
            .guard
            .iter()
            .map(|rule| match rule.most {
                Amount::Count(n) => (n, false, rule.per),
                Amount::Percent(n) => (n, true, rule.per),
            })
            .map(|(n, percent, per)| {
                json!({"most": self.number_json(n), "percent": percent, "per": per.map(|p| self.time_json(p))})
            })
            .collect();
        let params: Vec<Value> = scenario
            .params
            .iter()
            .map(|p| json!({"name": p.name, "type": type_name(self.image, p.ty), "has_default": p.default.is_some()}))
            .collect();
        json!({
            "name": scenario.name, "params": params, "selector": selector, "guard": guard,
            "initial": self.state_name(scenario.initial), "dcase": scenario.dcase, "doc": scenario.doc,
            "states": scenario.states.iter().map(|s| self.state_json(s)).collect::<Vec<_>>(),
        })
    }

    fn number_json(self, setting: Setting) -> Value {
        match setting {
            Setting::Constant(value) => json!(value),
            Setting::Param(param) => json!({"param": self.param(param)}),
        }
    }

    /// A Duration as D-Script writes it.
    fn time_json(self, setting: Setting) -> Value {
        match setting {
            Setting::Constant(nanos) => json!(duration_text(nanos)),
            Setting::Param(param) => json!({"param": self.param(param)}),
        }
    }

    fn state_json(self, state: &State) -> Value {
        let (kind, steps, queries): (&str, Vec<Value>, &[Query]) = match &state.work {
            Work::Watch { monitors, queries, .. } => {
                ("watch", monitors.iter().map(|m| self.monitor_json(m)).collect(), queries)
            }
            Work::Run { steps, .. } => ("run", steps.iter().map(|s| self.step_json(s)).collect(), &[]),
            Work::Final { steps } => ("final", steps.iter().map(|s| self.step_json(s)).collect(), &[]),
        };
        let edge = |edge: &Edge| {
            let after = edge.after.map(|after| self.time_json(after));
            json!({"go": self.state_name(edge.to), "after": after})
        };
        let (success, failure) = match &state.work {
            Work::Watch { failure, .. } => (Value::Null, edge(failure)),
            Work::Run { success, failure, .. } => (edge(success), edge(failure)),
            Work::Final { .. } => (Value::Null, Value::Null),
        };
        let queries: Vec<Value> = queries.iter().map(|q| self.query_json(q)).collect();
        json!({
            "name": state.name, "kind": kind, "steps": steps, "queries": queries, "success": success,
            "failure": failure,
        })
    }

    fn query_json(self, query: &Query) -> Value {
        json!({
            "key": query.key.text, "aggregate": query.aggregate.name(), "field": query.field,
            "over": self.time_json(query.over), "comparison": query.comparison.symbol(),
            "value": query.value.text, "go": self.state_name(query.to),
        })
    }

    fn call_json(self, call: &Call) -> Value {
        let Some(task) = self.image.manifest.tasks.get(call.task.index()) else { return Value::Null };
        let given = call.args.iter().zip(&task.params);
        let args: serde_json::Map<String, Value> =
            given.filter_map(|(arg, param)| Some((param.name.clone(), json!(arg.as_ref()?.text)))).collect();
        json!({"task": task.name, "role": task.role.map(role_word), "args": args})
    }

    fn monitor_json(self, monitor: &Monitor) -> Value {
        let mut all = self.call_json(&monitor.call);
        all["every"] = self.time_json(monitor.every);
        all["failing"] = self.number_json(monitor.failing);
        all["within"] = self.time_json(monitor.within);
        all
    }

    fn step_json(self, step: &Step) -> Value {
        let mut all = self.call_json(&step.call);
        all["within"] = self.time_json(step.within);
        all["retry"] = step.retry.as_ref().map_or(Value::Null, |retry| {
            json!({"times": self.number_json(retry.times), "every": retry.pause.map(|p| self.time_json(p))})
        });
        all["verify"] = step.verify.as_ref().map_or(Value::Null, |verify| {
            let mut call = self.call_json(&verify.call);
            call["for"] = verify.lasting.map_or(Value::Null, |lasting| self.time_json(lasting));
            call
        });
        all["at_controller"] = json!(step.at_controller);
        all["with_approval"] = json!(step.with_approval);
        all
    }
}
