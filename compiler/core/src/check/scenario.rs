//! Scenarios: what is proved of their states before anything runs.
//!
//! Each clause first, with its task, arguments and options; then each state as a whole; then the graph of all states:
//! that every one is reached, and that no way round is without a pause. Where the text itself could not be read,
//! nothing is said of what may only be missing.

use super::graph::Way;
use super::plain::{Plain, param, plain, plain_text};
use super::stmt::strip;
use super::{Checker, Context, Ending};
use crate::defs::{Def, ScenarioDef, ScenarioId, TaskId};
use crate::facts::{ArgSource, RunFact};
use crate::names::{Found, lookup, suggest};
use crate::types::Ty;
use dscript_bytecode::scenario::{Aggregate, selector_terms};
use dscript_grammar::ast::{self, Arg, ClauseKind, Expr, ExprKind, Ident, Role, StepOptionKind};
use dscript_grammar::codes;
use dscript_grammar::span::Span;

/// The only place besides the node where a step may run.
const CONTROLLER: &str = "controller";

/// What a state has, with the place of the first of each.
#[derive(Default)]
struct Seen {
    monitor: Option<Span>,
    other: Option<Span>,
    query: Option<Span>,
    success: Option<Span>,
    failure: Option<Span>,
    broken: bool,
}

impl<'a> Checker<'a, '_> {
    pub fn scenario(&mut self, id: ScenarioId) {
        let defs = self.defs;
        let def = &defs.scenarios[id.index()];
        self.cx = Context {
            module: def.module,
            ending: Ending::Nothing("a scenario"),
            pure_what: "a scenario",
            ..Context::default()
        };
        self.defaults(&def.params);
        self.open_params(&def.params);
        if let Some(selector) = &def.tree.selector {
            self.selector(selector);
        }
        let mut counts = Vec::new();
        for rule in &def.tree.guard {
            if self.guard_rule(rule).is_some() {
                self.counted_already(&mut counts, rule);
            }
        }
        self.node(def);
        let ways = self.states(def);
        self.initial(def);
        self.graph(def, ways);
        self.close_scope();
        self.judge_captures();
    }

    /// Whether a part of the text there could not be read.
    fn is_damaged(&self, span: Span) -> bool {
        let file = self.file();
        self.diagnostics.iter().any(|d| {
            let syntax = d.code.name().starts_with("E00");
            syntax && d.file == file && span.start <= d.span.start && d.span.end <= span.end
        })
    }

    /// The node's name, in the arguments of steps.
    fn node(&mut self, def: &ScenarioDef<'a>) {
        // A word that stands nowhere in the program needs no declaration.
        let Some(name) = self.interner.get("node") else { return };
        if let Some(param) = def.params.iter().find(|p| p.name == name) {
            let report = self
                .diagnostic(codes::DUPLICATE, param.span, "`node` is the node's name in every scenario")
                .help("give the parameter another name");
            self.diagnostics.push(report);
            return;
        }
        let ty = self.string();
        self.bind_as(def.item.id, ast::Ident { name, span: def.span }, ty, true, false);
    }

    // ---- the states ----

    fn initial(&mut self, def: &ScenarioDef<'a>) {
        let mut initial = def.tree.states.iter().filter(|s| s.initial);
        let Some(first) = initial.next() else {
            if self.is_damaged(def.item.span) {
                return;
            }
            let message = format!("the scenario `{}` has no initial state", def.name);
            let mut report = self.diagnostic(codes::INITIAL_STATE, def.span, message);
            if let Some(state) = def.tree.states.first() {
                let at = Span::new(state.span.start, state.span.start);
                report = report.help("say with which it begins").edit(at, "initial ");
            }
            self.diagnostics.push(report);
            return;
        };
        for state in initial {
            let report = self
                .diagnostic(codes::INITIAL_STATE, state.name.span, "a scenario has one initial state")
                .label(first.name.span, "the first one is here");
            self.diagnostics.push(report);
        }
    }

    /// Checks each state by itself; gives the ways out of each, `None` where one leads nowhere known.
    fn states(&mut self, def: &'_ ScenarioDef<'a>) -> Option<Vec<Vec<Way>>> {
        let tree = def.tree;
        let mut known = !self.is_damaged(def.item.span);
        for (index, state) in tree.states.iter().enumerate() {
            if let Some(first) = tree.states[..index].iter().find(|s| s.name.name == state.name.name) {
                let message = format!("the state `{}` is declared twice", self.text(state.name.name));
                let report = self
                    .diagnostic(codes::DUPLICATE, state.name.span, message)
                    .label(first.name.span, "first declared here");
                self.diagnostics.push(report);
                known = false;
            }
        }
        let mut all = Vec::new();
        for state in &tree.states {
            let mut ways: Vec<Way> = Vec::new();
            let mut seen = Seen::default();
            for clause in &state.clauses {
                self.clause(state, clause, &mut seen);
                let (go, after) = match &clause.kind {
                    ClauseKind::On { go, after, .. } => (*go, after.is_some()),
                    ClauseKind::When { go, .. } => (*go, false),
                    ClauseKind::Step { .. } | ClauseKind::Error => continue,
                };
                match self.state_named(def, go) {
                    Some(to) => ways.push(Way { to, span: go.span, pauses: after }),
                    None => known = false,
                }
            }
            // A query without a monitor is told of already; both watch, and what watches takes time.
            if seen.monitor.is_some() || seen.query.is_some() {
                ways.iter_mut().for_each(|way| way.pauses = true);
            }
            known &= !seen.broken & self.state(state, &seen);
            all.push(ways);
        }
        known.then_some(all)
    }

    fn state_named(&mut self, def: &ScenarioDef<'a>, go: Ident) -> Option<usize> {
        let states = &def.tree.states;
        let found = states.iter().position(|s| s.name.name == go.name);
        if found.is_none() && !self.is_damaged(def.item.span) {
            let text = self.text(go.name);
            let message = format!("the scenario `{}` has no state `{text}`", def.name);
            let mut report = self.diagnostic(codes::UNKNOWN_STATE, go.span, message);
            if let Some(near) = suggest(text, states.iter().map(|s| self.interner.name(s.name.name))) {
                report = report.help(format!("did you mean `{near}`?")).edit(go.span, near);
            }
            self.diagnostics.push(report);
        }
        found
    }

    /// A state as a whole; false where it has no answer that it needs.
    fn state(&mut self, state: &'a ast::State, seen: &Seen) -> bool {
        let name = self.text(state.name.name);
        if let (Some(monitor), Some(other)) = (seen.monitor, seen.other) {
            let (first, second) =
                if monitor.start < other.start { (monitor, other) } else { (other, monitor) };
            let message = "monitors run side by side, other tasks one after the other: a state has one kind";
            let report = self
                .diagnostic(codes::MIXED_STATE, second, message)
                .label(first, "the other kind is here")
                .help("put them in two states");
            self.diagnostics.push(report);
        }
        let alone = seen.monitor.is_none() && !state.final_ && !seen.broken && !self.is_damaged(state.span);
        if let Some(query) = seen.query.filter(|_| alone) {
            let message = "`when log` stands in a state of monitors only";
            let report = self
                .diagnostic(codes::QUERY, query, message)
                .label(state.name.span, "this state has no monitor");
            self.diagnostics.push(report);
        }
        if state.final_ {
            let message = format!("the state `{name}` is final: it is never left");
            for span in [seen.success, seen.failure, seen.query].into_iter().flatten() {
                let report = self.diagnostic(codes::DEAD_CLAUSE, span, message.clone()).edit(span, "");
                self.diagnostics.push(report);
            }
            if let Some(span) = seen.monitor {
                let report = self
                    .diagnostic(
                        codes::DEAD_CLAUSE,
                        span,
                        "a final state does not watch: the scenario ends there",
                    )
                    .label(state.name.span, "declared `final` here");
                self.diagnostics.push(report);
            }
            return true;
        }
        if let Some(span) = seen.success.filter(|_| seen.monitor.is_some() && seen.other.is_none()) {
            let report = self
                .diagnostic(
                    codes::DEAD_CLAUSE,
                    span,
                    "monitors watch until one fails: they never end with success",
                )
                .help("leave it out")
                .edit(span, "");
            self.diagnostics.push(report);
        }
        if seen.broken {
            return true;
        }
        let success = seen.success.is_none() && seen.monitor.is_none();
        let missing = match (success, seen.failure.is_none()) {
            (false, false) => return true,
            (true, false) => "success",
            (false, true) => "failure",
            (true, true) => "success and failure",
        };
        let message = format!("the state `{name}` does not say what follows {missing}");
        let word = if seen.failure.is_none() { "failure" } else { "success" };
        let help = match (missing, state.clauses.is_empty()) {
            ("success and failure", true) => {
                "a state that ends the scenario is declared `final state`".to_string()
            }
            _ => format!("write `on {word} go STATE;`"),
        };
        let report = self.diagnostic(codes::OUTCOME, state.name.span, message).help(help);
        self.diagnostics.push(report);
        false
    }

    fn clause(&mut self, state: &'a ast::State, clause: &'a ast::Clause, seen: &mut Seen) {
        match &clause.kind {
            ClauseKind::Step { role, task, args, options } => {
                let slot = if *role == Role::Monitor { &mut seen.monitor } else { &mut seen.other };
                slot.get_or_insert(Span::new(clause.span.start, task.span.end));
                self.scenario_step(clause, *role, *task, args, options);
            }
            ClauseKind::When { .. } => {
                seen.query.get_or_insert(clause.span);
                self.query(clause);
            }
            ClauseKind::On { success, after, .. } => {
                let slot = if *success { &mut seen.success } else { &mut seen.failure };
                if let Some(first) = *slot {
                    let word = if *success { "success" } else { "failure" };
                    let message = format!("the state `{}` answers {word} twice", self.text(state.name.name));
                    let report = self
                        .diagnostic(codes::DUPLICATE, clause.span, message)
                        .label(first, "first answered here");
                    self.diagnostics.push(report);
                }
                slot.get_or_insert(clause.span);
                if let Some(after) = after {
                    self.setting(after, Ty::DURATION);
                }
            }
            ClauseKind::Error => seen.broken = true,
        }
    }

    // ---- steps ----

    fn scenario_step(
        &mut self,
        clause: &'a ast::Clause,
        role: Role,
        task: Ident,
        args: &'a [Arg],
        options: &'a [ast::StepOption],
    ) {
        let word = Span::new(clause.span.start, clause.span.start + role_word(role).len() as u32);
        if let Some(fact) = self.task_call(task, args, role, Some(word)) {
            self.facts().runs.insert(clause.id, fact);
        }
        for (index, option) in options.iter().enumerate() {
            let kind = std::mem::discriminant(&option.kind);
            let name = option_word(&option.kind);
            if let Some(first) = options[..index].iter().find(|o| std::mem::discriminant(&o.kind) == kind) {
                let report = self
                    .diagnostic(codes::DUPLICATE, option.span, format!("`{name}` is said twice of this step"))
                    .label(first.span, "first said here");
                self.diagnostics.push(report);
            } else if !fits_role(&option.kind, role) {
                let article = if matches!(role, Role::Analyze) { "an" } else { "a" };
                let message = format!("`{name}` is no option of {article} `{}` step", role_word(role));
                let mut report = self.diagnostic(codes::STEP_OPTION, option.span, message);
                if let Some(help) = option_help(&option.kind, role, options) {
                    report = report.help(help);
                }
                self.diagnostics.push(report);
            }
            self.option(clause, option);
        }
        self.time_to_verify(options);
    }

    /// `within` bounds the tries with their verifications: one that lasts as long can never hold.
    fn time_to_verify(&mut self, options: &'a [ast::StepOption]) {
        let number = |value: &Expr| match plain(self.defs, &self.facts, self.cx.module, value) {
            Some(Plain::Number(number)) => Some(number),
            _ => None,
        };
        let within = options.iter().find_map(|option| match &option.kind {
            StepOptionKind::Within(value) => Some((option.span, number(value)?)),
            _ => None,
        });
        let verify = options.iter().find_map(|option| match &option.kind {
            StepOptionKind::Verify { for_: Some(value), .. } => Some((value.span, number(value)?)),
            _ => None,
        });
        if let (Some((bound, most)), Some((span, time))) = (within, verify)
            && time >= most
        {
            let message = "the step is over before its verification is: it can never succeed";
            let report = self
                .diagnostic(codes::STEP_OPTION, span, message)
                .label(bound, "this bounds all tries, their verifications included");
            self.diagnostics.push(report);
        }
    }

    fn option(&mut self, clause: &'a ast::Clause, option: &'a ast::StepOption) {
        match &option.kind {
            StepOptionKind::Every(value) | StepOptionKind::Within(value) => {
                self.setting(value, Ty::DURATION);
            }
            StepOptionKind::Failing(value) => {
                self.setting(value, Ty::INT);
            }
            StepOptionKind::Retry { times, every } => {
                self.setting(times, Ty::INT);
                if let Some(every) = every {
                    self.setting(every, Ty::DURATION);
                }
            }
            StepOptionKind::Verify { task, args, for_ } => {
                if let Some(fact) = self.task_call(*task, args, Role::Monitor, None) {
                    self.facts().verified.insert(clause.id, fact);
                }
                if let Some(for_) = for_ {
                    self.setting(for_, Ty::DURATION);
                }
            }
            StepOptionKind::At(place) => {
                let text = self.text(place.name);
                if text != CONTROLLER {
                    let message = format!("a step runs on its node or at the controller, not at `{text}`");
                    let report = self
                        .diagnostic(codes::STEP_OPTION, place.span, message)
                        .help("write `at controller`")
                        .edit(place.span, CONTROLLER);
                    self.diagnostics.push(report);
                }
            }
            StepOptionKind::WithApproval => {}
        }
    }

    /// A task with its arguments; `word` is the role as it is written, where it is.
    fn task_call(&mut self, name: Ident, args: &'a [Arg], role: Role, word: Option<Span>) -> Option<RunFact> {
        let Some(id) = self.task_named(name) else {
            self.arguments_alone(args);
            return None;
        };
        let defs = self.defs;
        let def = &defs.tasks[id.index()];
        let file = defs.modules[def.module.index()].file;
        if def.role != Some(role) {
            let (declared, wanted) = (def.role.map(role_word), role_word(role));
            let message = match declared {
                Some(declared) => format!("`{}` is a {declared} task, not a {wanted} task", def.name),
                None => format!("`{}` has no role", def.name),
            }
            .replace("a analyze", "an analyze");
            let mut report =
                self.diagnostic(codes::ROLE, name.span, message).label_in(file, def.span, "declared here");
            report = match (word, declared) {
                // What a step may say, and what its state must answer, hangs on the role.
                (Some(_), Some(declared)) if (declared == "monitor") != (wanted == "monitor") => {
                    report.help(format!("its step is written `{declared} {}(...)`", def.name))
                }
                (Some(word), Some(declared)) => report.edit(word, declared),
                (_, None) => report.help(format!("declare it as `{wanted} task {}`", def.name)),
                (None, Some(_)) => report.help("what is verified is a monitor's answer"),
            };
            self.diagnostics.push(report);
        }
        let end = args.last().map_or(name.span.end, |arg| arg.value.span.end + 1);
        let whole = Span::new(name.span.start, end);
        let declared = (def.module, def.span);
        let Some(places) = self.match_params(whole, name.span, &def.name, &def.params, declared, args) else {
            self.arguments_alone(args);
            return None;
        };
        for (arg, &place) in args.iter().zip(&places) {
            self.expr_to(&arg.value, def.params[place].ty);
        }
        let source = |place: usize| match places.iter().position(|&p| p == place) {
            Some(index) => ArgSource::Given(index as u32),
            None => ArgSource::Default,
        };
        let params = def.params.iter().enumerate().map(|(place, p)| (p.ty, source(place))).collect();
        Some(RunFact { task: id, params })
    }

    /// Looks at arguments for their own mistakes.
    fn arguments_alone(&mut self, args: &'a [Arg]) {
        for arg in args {
            if !matches!(strip(&arg.value).kind, ExprKind::Lambda(_)) {
                self.expr(&arg.value, Some(Ty::POISON));
            }
        }
    }

    fn task_named(&mut self, name: Ident) -> Option<TaskId> {
        let text = self.text(name.name);
        if let Found::Nothing = lookup(self.defs, self.cx.module, name.name) {
            let own = &self.defs.modules[self.cx.module.index()];
            let globs = own.globs.iter().map(|g| &self.defs.modules[g.index()].names);
            let visible = globs.chain([&own.names, &own.imported]).flatten();
            let tasks = visible.filter(|(_, d)| matches!(d, Def::Task(_)));
            let near = suggest(text, tasks.map(|(s, _)| self.interner.name(*s)));
            let mut report =
                self.diagnostic(codes::UNKNOWN_NAME, name.span, format!("there is no task `{text}` here"));
            if let Some(near) = near {
                report = report.help(format!("did you mean `{near}`?")).edit(name.span, near);
            }
            self.diagnostics.push(report);
            return None;
        }
        let what = match self.lookup(name.name, name.span)? {
            Def::Task(id) => return Some(id),
            Def::Fn(_) => "a function",
            Def::Type(_) => "a type",
            Def::Const(_) => "a constant",
            Def::Scenario(_) => "a scenario",
        };
        let message = format!("`{text}` is {what}; a step of a scenario runs a task");
        self.error(codes::ROLE, name.span, message);
        None
    }

    // ---- queries ----

    fn query(&mut self, clause: &'a ast::Clause) {
        let ClauseKind::When { key, aggregate, field, over, value, .. } = &clause.kind else { return };
        let string = self.string();
        self.expr_to(key, string);
        let name = self.text(aggregate.name);
        match Aggregate::find(name) {
            Some(found) if field.is_none() && !found.counts_records() => {
                let end = Span::new(aggregate.span.end, aggregate.span.end + 1);
                let report = self
                    .diagnostic(
                        codes::QUERY,
                        aggregate.span,
                        format!("`{name}` needs a field of the records"),
                    )
                    .help(format!("write `{name}(FIELD)`"));
                self.diagnostics.push(report.edit(Span::new(end.end, end.end), "FIELD"));
            }
            Some(_) => {}
            None => {
                let percentiles = ["p50", "p90", "p95", "p99", "p999"];
                let words = Aggregate::NAMED.iter().map(|(word, _)| *word).chain(percentiles);
                let message = format!("there is no aggregate `{name}`");
                let mut report = self
                    .diagnostic(codes::QUERY, aggregate.span, message)
                    .help("there are avg, min, max, sum, count, last, first, rate, and p50 to p99, p999");
                if let Some(near) = suggest(name, words) {
                    report = report.help(format!("did you mean `{near}`?")).edit(aggregate.span, near);
                }
                self.diagnostics.push(report);
            }
        }
        self.setting(over, Ty::DURATION);
        self.expr_to(value, Ty::DOUBLE);
    }

    // ---- settings, selector, guard ----

    /// As `expr_to`, where what is computed cannot stand: no conversion is offered.
    fn constant_to(&mut self, expr: &'a Expr, wanted: Ty) -> Ty {
        let told = self.diagnostics.len();
        let found = self.expr_to(expr, wanted);
        for report in &mut self.diagnostics[told..] {
            if report.code == codes::MISMATCH && report.span == expr.span && report.edits.len() > 1
                || report.edits.iter().any(|edit| edit.text.starts_with("(int)"))
            {
                report.edits.clear();
                report.help = vec!["a constant or a parameter of the scenario stands here".to_owned()];
            }
        }
        found
    }

    /// A constant or a parameter, more than zero.
    fn setting(&mut self, expr: &'a Expr, wanted: Ty) -> Option<i64> {
        let found = self.constant_to(expr, wanted);
        if found != wanted {
            return None;
        }
        match plain(self.defs, &self.facts, self.cx.module, expr) {
            // In the place of a number that could not be read stands 0.
            Some(Plain::Number(value)) if value < 1 && self.is_damaged(expr.span) => None,
            Some(Plain::Number(value)) if value < 1 => {
                self.error(codes::SETTING, expr.span, "this must be more than zero");
                None
            }
            Some(Plain::Number(value)) => Some(value),
            Some(Plain::Param(_)) => None,
            Some(Plain::TooLarge) => {
                self.error(codes::LITERAL_RANGE, expr.span, "this does not fit");
                None
            }
            None => {
                let report = self
                    .diagnostic(
                        codes::SETTING,
                        expr.span,
                        "a constant or a parameter of the scenario stands here",
                    )
                    .help("make it a parameter of the scenario with this default");
                self.diagnostics.push(report);
                None
            }
        }
    }

    /// The count, where it is a good constant.
    fn guard_rule(&mut self, rule: &'a ast::GuardRule) -> Option<i64> {
        let value = self.setting(&rule.count, Ty::INT);
        if let Some(value) = value.filter(|&value| rule.percent && value > 100) {
            let message = format!("{value} percent is more than all nodes");
            self.error(codes::GUARD, rule.count.span, message);
        }
        if let Some(per) = &rule.per {
            self.setting(per, Ty::DURATION);
        }
        if rule.per.is_none() && !rule.recovering {
            let report = self
                .diagnostic(codes::GUARD, rule.span, "this rule does not say what it counts")
                .help("`at most 1 recovering;` counts nodes at once, `at most 10% per 10m;` those begun in a time");
            self.diagnostics.push(report);
            return None;
        }
        value
    }

    /// All rules must hold, so of two that count the same thing one says nothing.
    fn counted_already(&mut self, counts: &mut Vec<&'a ast::GuardRule>, rule: &'a ast::GuardRule) {
        if rule.per.is_some() {
            return;
        }
        let Some(first) = counts.iter().find(|first| first.percent == rule.percent) else {
            return counts.push(rule);
        };
        let what = if rule.percent { "N% recovering" } else { "N recovering" };
        let message = format!("this scenario has an `at most {what}` already");
        let report = self.diagnostic(codes::GUARD, rule.span, message).label(first.span, "the first");
        self.diagnostics.push(report.help("all rules must hold: keep the lower one"));
    }

    fn selector(&mut self, expr: &'a Expr) {
        let string = self.string();
        let found = self.constant_to(expr, string);
        if found != string || string == Ty::POISON {
            return;
        }
        if param(&self.facts, self.cx.module, expr).is_some() {
            return;
        }
        let Some(text) = plain_text(self.defs, &self.facts, self.cx.module, expr) else {
            let message = "a selector is a constant text or a parameter of the scenario";
            self.error(codes::SELECTOR, expr.span, message);
            return;
        };
        let Err(error) = selector_terms(text) else { return };
        // Inside a literal without escapes every byte of the text has its own place.
        let inner = strip(expr).span;
        let literal = matches!(strip(expr).kind, ExprKind::Str(_))
            && (inner.end - inner.start) as usize == text.len() + 2;
        let span = match literal && error.end > error.start {
            true => Span::new(inner.start + 1 + error.start as u32, inner.start + 1 + error.end as u32),
            false => expr.span,
        };
        let message = format!("this is no selector: {}", error.what);
        let report = self
            .diagnostic(codes::SELECTOR, span, message)
            .help("a selector is `key=value`, several joined by `,`; `*` in a value is any text");
        self.diagnostics.push(report);
    }
}

fn role_word(role: Role) -> &'static str {
    match role {
        Role::Monitor => "monitor",
        Role::Analyze => "analyze",
        Role::Recover => "recover",
        Role::Respond => "respond",
    }
}

fn option_word(option: &StepOptionKind) -> &'static str {
    match option {
        StepOptionKind::Every(_) => "every",
        StepOptionKind::Failing(_) => "failing",
        StepOptionKind::Within(_) => "within",
        StepOptionKind::Retry { .. } => "retry",
        StepOptionKind::Verify { .. } => "verify",
        StepOptionKind::At(_) => "at",
        StepOptionKind::WithApproval => "with approval",
    }
}

fn fits_role(option: &StepOptionKind, role: Role) -> bool {
    match option {
        StepOptionKind::Every(_) | StepOptionKind::Failing(_) => role == Role::Monitor,
        StepOptionKind::Within(_) => true,
        StepOptionKind::Retry { .. } => role != Role::Monitor,
        StepOptionKind::Verify { .. } => role == Role::Recover,
        StepOptionKind::At(_) => matches!(role, Role::Analyze | Role::Respond),
        StepOptionKind::WithApproval => matches!(role, Role::Recover | Role::Respond),
    }
}

fn option_help(option: &StepOptionKind, role: Role, all: &[ast::StepOption]) -> Option<&'static str> {
    let retries = all.iter().any(|o| matches!(o.kind, StepOptionKind::Retry { .. }));
    match option {
        StepOptionKind::Every(_) if retries => {
            Some("the pause of `retry` stands right after it: `retry 3 every 10s`")
        }
        StepOptionKind::Every(_) => {
            Some("only monitors are asked again and again; others run once: `retry 3 every 10s`")
        }
        StepOptionKind::Retry { .. } => {
            Some("how many failures of a monitor count as one is said by `failing 3`")
        }
        StepOptionKind::Failing(_) => Some("how often a task is tried is said by `retry 3`"),
        StepOptionKind::WithApproval if role == Role::Monitor => {
            Some("monitors change nothing: nobody is asked before")
        }
        _ => None,
    }
}
