//! Scenarios as an image's manifest holds them: state machines over its tasks, as plain data.
//!
//! The forms leave no room for what the compiler refuses: a state either watches (monitors side by side, until one
//! fails or a query holds), or works (tasks in order, the first failure decides), or is final. Everything that is computed
//! is a function of the image: it takes the registers of the scenario's parameters, then the node's name (a
//! `String`), and returns one value. Nothing here knows how a scenario is run.

use crate::ids::{FunctionId, ids};
use crate::image::TaskParam;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What bounds a step that says nothing of it.
pub const WITHIN_DEFAULT_NANOS: i64 = 600_000_000_000;
/// How often a monitor is asked that does not say.
pub const EVERY_DEFAULT_NANOS: i64 = 10_000_000_000;

ids! {
    /// A row of the manifest's tasks.
    TaskId(u32) "task";
    /// A state of the same scenario.
    StateId(u32) "state";
    /// A parameter of the same scenario.
    ParamId(u32) "param";
}

/// One instance of it runs for each selected node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scenario {
    pub name: String,
    pub params: Vec<TaskParam>,
    /// Every node where there is none.
    pub selector: Option<Selector>,
    /// All of them must hold before a recovery may begin.
    pub guard: Vec<GuardRule>,
    pub states: Vec<State>,
    pub initial: StateId,
    /// `@DCase("...")`
    pub dcase: Option<String>,
    pub doc: Option<String>,
}

/// `key=value` joined by `,`: all must hold; see [`selector_terms`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Selector {
    Text(String),
    /// A parameter of type `String`.
    Param(ParamId),
}

/// An `int`, or a `Duration` in nanoseconds. Never less than 1; a parameter is looked at when the scenario starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Setting {
    Constant(i64),
    Param(ParamId),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuardRule {
    pub most: Amount,
    /// Recoveries begun within this time; without it, those that go on at once.
    pub per: Option<Setting>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Amount {
    Count(Setting),
    /// Of the selected nodes, rounded down, at least 1.
    Percent(Setting),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub name: String,
    pub work: Work,
}

/// What happens in a state, and how it is left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Work {
    /// Side by side, until one fails or a query holds.
    Watch { monitors: Vec<Monitor>, queries: Vec<Query>, failure: Edge },
    /// One after the other; the first failure decides.
    Run { steps: Vec<Step>, success: Edge, failure: Edge },
    /// One after the other; then the scenario has ended, whatever they said.
    Final { steps: Vec<Step> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    pub to: StateId,
    /// How long to wait before.
    pub after: Option<Setting>,
}

/// A task with its arguments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    pub task: TaskId,
    /// One for each parameter of the task; `None` takes the parameter's default.
    pub args: Vec<Option<Argument>>,
}

/// A value that is computed when its state is entered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Argument {
    pub function: FunctionId,
    /// As it is written in the source, for people.
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Monitor {
    pub call: Call,
    pub every: Setting,
    /// So many failures in a row count as one.
    pub failing: Setting,
    pub within: Setting,
}

/// A task that is no monitor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub call: Call,
    /// Bounds all tries together.
    pub within: Setting,
    pub retry: Option<Retry>,
    pub verify: Option<Verify>,
    /// Runs at the controller instead of the node.
    pub at_controller: bool,
    /// An operator is asked before.
    pub with_approval: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// At most so many runs in all.
    pub times: Setting,
    pub pause: Option<Setting>,
}

/// A monitor that must say true after the step: once, or each second for a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verify {
    pub call: Call,
    pub lasting: Option<Setting>,
}

/// A standing query on this node's log records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// A `String`.
    pub key: Argument,
    pub aggregate: Aggregate,
    /// Only `count` and `rate` do without.
    pub field: Option<String>,
    pub over: Setting,
    pub comparison: Comparison,
    /// A `double`.
    pub value: Argument,
    pub to: StateId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Aggregate {
    Avg,
    Min,
    Max,
    Sum,
    Count,
    Last,
    First,
    Rate,
    /// In tenths of a percent: 999 is the 99.9th percentile.
    Percentile(u16),
}

impl Aggregate {
    /// `avg`, `p99`; three digits have a tenth: `p999` is the 99.9th percentile.
    pub fn find(name: &str) -> Option<Aggregate> {
        if let Some(digits) = name.strip_prefix('p') {
            let plain = matches!(digits.len(), 1..=3) && digits.bytes().all(|b| b.is_ascii_digit());
            let number: u16 = digits.parse().ok().filter(|&n| plain && n > 0 && !digits.starts_with('0'))?;
            return Some(Aggregate::Percentile(if digits.len() == 3 { number } else { number * 10 }));
        }
        Aggregate::NAMED.iter().find(|(word, _)| *word == name).map(|(_, aggregate)| *aggregate)
    }

    pub const NAMED: [(&'static str, Aggregate); 8] = [
        ("avg", Aggregate::Avg),
        ("min", Aggregate::Min),
        ("max", Aggregate::Max),
        ("sum", Aggregate::Sum),
        ("count", Aggregate::Count),
        ("last", Aggregate::Last),
        ("first", Aggregate::First),
        ("rate", Aggregate::Rate),
    ];

    /// As [`Aggregate::find`] reads it.
    pub fn name(self) -> String {
        match self {
            Aggregate::Percentile(tenths) if tenths % 10 == 0 && tenths < 1000 => format!("p{}", tenths / 10),
            Aggregate::Percentile(tenths) => format!("p{tenths}"),
            _ => {
                let row = Aggregate::NAMED.iter().find(|(_, aggregate)| *aggregate == self);
                row.map_or_else(String::new, |(word, _)| (*word).to_string())
            }
        }
    }

    /// Whether it is of records, not of a field's values.
    pub fn counts_records(self) -> bool {
        matches!(self, Aggregate::Count | Aggregate::Rate)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

impl Comparison {
    pub fn symbol(self) -> &'static str {
        match self {
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
            Comparison::Equal => "==",
            Comparison::NotEqual => "!=",
        }
    }
}

/// Where in a scenario one of its calls stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    pub state: StateId,
    pub part: Part,
}

/// By its place among its kind in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Part {
    Monitor(u32),
    Step(u32),
    /// The verification of that step.
    Verify(u32),
}

impl Scenario {
    /// Every call, in the order of the text.
    pub fn calls(&self) -> Vec<(Place, &Call)> {
        let mut all = Vec::new();
        for (state, index) in self.states.iter().zip(0..) {
            let mut add = |part, call| all.push((Place { state: StateId(index), part }, call));
            match &state.work {
                Work::Watch { monitors, .. } => {
                    monitors.iter().zip(0..).for_each(|(monitor, i)| add(Part::Monitor(i), &monitor.call));
                }
                Work::Run { steps, .. } | Work::Final { steps } => {
                    for (step, i) in steps.iter().zip(0..) {
                        add(Part::Step(i), &step.call);
                        if let Some(verify) = &step.verify {
                            add(Part::Verify(i), &verify.call);
                        }
                    }
                }
            }
        }
        all
    }

    /// Every standing query with its state, in the order of the text.
    pub fn queries(&self) -> Vec<(StateId, &Query)> {
        let mut all = Vec::new();
        for (state, index) in self.states.iter().zip(0..) {
            if let Work::Watch { queries, .. } = &state.work {
                all.extend(queries.iter().map(|query| (StateId(index), query)));
            }
        }
        all
    }
}

impl Work {
    /// Every way out, queries first.
    pub fn edges(&self) -> Vec<Edge> {
        match self {
            Work::Watch { queries, failure, .. } => {
                let found = queries.iter().map(|q| Edge { to: q.to, after: None });
                found.chain([*failure]).collect()
            }
            Work::Run { success, failure, .. } => vec![*success, *failure],
            Work::Final { .. } => Vec::new(),
        }
    }

    /// Ways out that lead on at once: no monitor watches before, and nothing waits on the way.
    pub fn hasty_edges(&self) -> Vec<StateId> {
        match self {
            Work::Run { .. } => self.edges().iter().filter(|e| e.after.is_none()).map(|e| e.to).collect(),
            Work::Watch { .. } | Work::Final { .. } => Vec::new(),
        }
    }
}

/// What is wrong with a selector, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectorError {
    /// Bytes of the text.
    pub start: usize,
    pub end: usize,
    pub what: &'static str,
}

/// The `key=value` pairs of a selector; `*` in a value stands for any text. Blanks around each part are left out.
pub fn selector_terms(text: &str) -> Result<Vec<(&str, &str)>, SelectorError> {
    let mut terms: Vec<(&str, &str)> = Vec::new();
    let mut start = 0;
    for term in text.split(',') {
        let end = start + term.len();
        let bad = |what| Err(SelectorError { start, end, what });
        let Some((key, value)) = term.split_once('=') else {
            return bad(if term.trim().is_empty() {
                "a part of it is empty"
            } else {
                "a part of it has no `=`"
            });
        };
        let (key, value) = (key.trim(), value.trim());
        if key.is_empty() {
            return bad("a part of it has no key before `=`");
        }
        if value.is_empty() {
            return bad("a part of it has no value after `=`; `*` is any value");
        }
        if !key.chars().all(|c| c.is_alphanumeric() || "_-./".contains(c)) {
            return bad("a key is made of letters, digits and `_ - . /`");
        }
        if value.chars().any(|c| c.is_control() || c.is_whitespace() || c == '=') {
            return bad("a value has no blanks and no `=`");
        }
        terms.push((key, value));
        start = end + 1;
    }
    Ok(terms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors() {
        let check = |text: &str, expected: &str| {
            let found = selector_terms(text).map_or_else(
                |e| format!("{}..{} {}", e.start, e.end, e.what),
                |terms| terms.iter().map(|(k, v)| format!("{k}={v};")).collect(),
            );
            assert_eq!(found, expected, "of `{text}`");
        };
        check("role=cache", "role=cache;");
        check("role=cache, zone=eu-*", "role=cache;zone=eu-*;");
        check("name=*", "name=*;");
        check("", "0..0 a part of it is empty");
        check("role=cache,", "11..11 a part of it is empty");
        check("a=b,all", "4..7 a part of it has no `=`");
        check("=x", "0..2 a part of it has no key before `=`");
        check("role=", "0..5 a part of it has no value after `=`; `*` is any value");
        check("ro le=x", "0..7 a key is made of letters, digits and `_ - . /`");
        check("*=x", "0..3 a key is made of letters, digits and `_ - . /`");
        check("a=b c", "0..5 a value has no blanks and no `=`");
        check("a==b", "0..4 a value has no blanks and no `=`");
    }

    #[test]
    fn aggregates() {
        for (name, percentile) in [("p50", 500), ("p99", 990), ("p999", 999), ("p1", 10), ("p995", 995)] {
            assert_eq!(Aggregate::find(name), Some(Aggregate::Percentile(percentile)), "{name}");
            assert_eq!(Aggregate::Percentile(percentile).name(), name);
        }
        for (name, aggregate) in Aggregate::NAMED {
            assert_eq!((Aggregate::find(name), aggregate.name()), (Some(aggregate), name.to_string()));
        }
        for name in ["p", "p0", "p0999", "p1000", "p99x", "median", "Avg", "p+9"] {
            assert_eq!(Aggregate::find(name), None, "{name}");
        }
    }
}
