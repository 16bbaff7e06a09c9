//! A scenario with the values of its parameters: every setting is a number.

use dscript_bytecode::image::{Role, Task};
use dscript_bytecode::scenario::{self as row, ParamId, Setting, StateId};
use std::fmt;

/// What a machine follows. Its states have the ids of the manifest's.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub(crate) initial: StateId,
    pub(crate) states: Vec<State>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    pub name: String,
    pub work: Work,
}

/// Times are nanoseconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Work {
    Watch { monitors: Vec<Monitor>, queries: Vec<StateId>, failure: Edge, over: i64 },
    Run { steps: Vec<Step>, success: Edge, failure: Edge },
    Final { steps: Vec<Step> },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Edge {
    pub to: StateId,
    pub after: i64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Monitor {
    pub every: i64,
    pub failing: i64,
    pub within: i64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    pub within: i64,
    pub tries: i64,
    /// Between two tries.
    pub pause: i64,
    /// How long the verification lasts; 0 is asked once.
    pub verify: Option<i64>,
    pub approval: bool,
    /// A permit of the guard is needed.
    pub permit: bool,
}

/// A parameter's value that its setting cannot have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingError {
    pub param: String,
    pub value: i64,
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the parameter `{}` is used where a number more than zero is needed, and is not",
            self.param
        )
    }
}

impl std::error::Error for SettingError {}

/// Reads settings; the first bad one is kept.
struct Reader<'a> {
    scenario: &'a row::Scenario,
    tasks: &'a [Task],
    param: &'a dyn Fn(ParamId) -> i64,
    error: Option<SettingError>,
}

impl Plan {
    /// `tasks` are those of the scenario's manifest; `param` gives the value of a parameter that is an int, or a
    /// Duration in nanoseconds.
    pub fn new(
        scenario: &row::Scenario,
        tasks: &[Task],
        param: &dyn Fn(ParamId) -> i64,
    ) -> Result<Plan, SettingError> {
        let mut reader = Reader { scenario, tasks, param, error: None };
        let states = scenario
            .states
            .iter()
            .map(|state| State { name: state.name.clone(), work: reader.work(&state.work) })
            .collect();
        match reader.error {
            Some(error) => Err(error),
            None => Ok(Plan { initial: scenario.initial, states }),
        }
    }

    pub fn state_name(&self, state: StateId) -> &str {
        self.states.get(state.index()).map_or("", |state| &state.name)
    }

    /// For how long a state must have watched so that each of its monitors was asked `rounds` times, and its
    /// queries have seen all they look at; 0 where it does not watch.
    pub fn watch_nanos(&self, state: StateId, rounds: i64) -> i64 {
        match self.states.get(state.index()).map(|state| &state.work) {
            Some(Work::Watch { monitors, over, .. }) => {
                let slowest = monitors.iter().map(|m| m.every.saturating_mul(rounds)).max();
                slowest.unwrap_or(0).max(*over)
            }
            _ => 0,
        }
    }
}

impl Reader<'_> {
    fn work(&mut self, work: &row::Work) -> Work {
        match work {
            row::Work::Watch { monitors, queries, failure } => Work::Watch {
                monitors: monitors.iter().map(|m| self.monitor(m)).collect(),
                queries: queries.iter().map(|q| q.to).collect(),
                failure: self.edge(failure),
                over: queries.iter().map(|q| self.setting(q.over)).max().unwrap_or(0),
            },
            row::Work::Run { steps, success, failure } => Work::Run {
                steps: steps.iter().map(|s| self.step(s)).collect(),
                success: self.edge(success),
                failure: self.edge(failure),
            },
            row::Work::Final { steps } => Work::Final { steps: steps.iter().map(|s| self.step(s)).collect() },
        }
    }

    fn monitor(&mut self, monitor: &row::Monitor) -> Monitor {
        Monitor {
            every: self.setting(monitor.every),
            failing: self.setting(monitor.failing),
            within: self.setting(monitor.within),
        }
    }

    fn step(&mut self, step: &row::Step) -> Step {
        let recovers = self.tasks.get(step.call.task.index()).is_some_and(|t| t.role == Some(Role::Recover));
        Step {
            within: self.setting(step.within),
            tries: step.retry.map_or(1, |retry| self.setting(retry.times)),
            pause: self.optional(step.retry.and_then(|retry| retry.pause)),
            verify: step.verify.as_ref().map(|verify| self.optional(verify.lasting)),
            approval: step.with_approval,
            permit: recovers && !self.scenario.guard.is_empty(),
        }
    }

    fn edge(&mut self, edge: &row::Edge) -> Edge {
        Edge { to: edge.to, after: self.optional(edge.after) }
    }

    fn optional(&mut self, setting: Option<Setting>) -> i64 {
        setting.map_or(0, |setting| self.setting(setting))
    }

    /// Never less than 1: a bad value ends in an error.
    fn setting(&mut self, setting: Setting) -> i64 {
        match setting {
            Setting::Constant(value) => value.max(1),
            Setting::Param(id) => {
                let value = (self.param)(id);
                if value < 1 {
                    let param =
                        self.scenario.params.get(id.index()).map_or_else(String::new, |p| p.name.clone());
                    self.error.get_or_insert(SettingError { param, value });
                }
                value.max(1)
            }
        }
    }
}
