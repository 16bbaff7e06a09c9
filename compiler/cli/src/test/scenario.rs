//! `run(scenario ...)`: drives the machine of a scenario in virtual time.
//!
//! std/testing.ds carries out what the machine decides: it asks for the next order, starts a fiber for it, and tells how
//! that went. Stopping is done here. A scenario is a run of its own that all others are part of, so its end leaves
//! nothing behind.

use super::natives::{native, stage};
use super::stage::{Sleep, Stage};
use dscript_bytecode::scenario::{Place, StateId};
use dscript_bytecode::trap::TrapKind;
use dscript_interp::duration_text;
use dscript_interp::native::{Failure, NativeDef, OutsideCall, Trapped};
use dscript_interp::value::Value;
use dscript_scenario::{Effect, Event, Machine, Plan, Token};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// At rest is what has watched for so long, and for so many rounds of its slowest monitor.
const REST_NANOS: i64 = 600_000_000_000;
const REST_ROUNDS: i64 = 10;
/// What has not come to rest by then never does.
const DAY_NANOS: i64 = 86_400_000_000_000;
const STATES_MAX: usize = 1_000;
/// States of a path that a report shows.
const PATH_SHOWN_MAX: usize = 12;

/// A scenario that a test runs.
pub(super) struct Acting {
    name: String,
    plan: Plan,
    machine: Machine,
    /// Where each call stands; by its index it is ordered.
    places: Vec<Place>,
    /// Of each standing query.
    queries: Vec<StateId>,
    /// Its own run, of which all others are part.
    run: usize,
    jobs: BTreeMap<Token, Job>,
    /// What watches the standing queries of the state.
    watcher: Option<usize>,
    orders: VecDeque<Order>,
    waiting: Option<Waker>,
    began: i64,
    /// When it is to end, where the test says so.
    limit: Option<i64>,
    path: Vec<(i64, StateId)>,
    end: Option<End>,
    /// Until its end, or its last event.
    lasted: i64,
}

/// A run that the machine wants.
struct Job {
    /// The index of its call.
    call: i64,
    /// Once it has begun.
    run: Option<usize>,
}

/// What std/testing.ds is to do, as it reads it.
type Order = [i64; 4];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Final,
    Rest,
    /// The time that the test gave is over.
    Limit,
    /// After a day, or too many states.
    Restless,
}

/// How a scenario went, for reports.
#[derive(Debug, PartialEq, Eq)]
pub struct Played {
    pub name: String,
    /// `final`, `rest`, `limit`, `restless`, or `running` where the test ended before.
    pub end: &'static str,
    /// States, and when they were entered since it began, in nanoseconds.
    pub path: Vec<(i64, String)>,
    pub lasted: i64,
}

impl Played {
    /// One line for people.
    pub fn line(&self) -> String {
        let last = self.path.last().map_or("", |(_, state)| state);
        let how = match self.end {
            "final" => "ended in",
            "rest" => "came to rest in",
            "limit" => "was in",
            "restless" => "had not come to rest and was in",
            _ => "was still in",
        };
        let mut line = format!("{} {how} {last} after {}:", self.name, duration_text(self.lasted));
        let hidden = self.path.len().saturating_sub(PATH_SHOWN_MAX);
        if hidden > 0 {
            // A write to a String cannot fail.
            let _ = write!(line, " ({hidden} states before)");
        }
        for (at, state) in &self.path[hidden..] {
            let _ = write!(line, " {state} ({})", duration_text(*at));
        }
        line
    }
}

impl Acting {
    pub fn played(&self) -> Played {
        Played {
            name: self.name.clone(),
            end: match self.end {
                Some(End::Final) => "final",
                Some(End::Rest) => "rest",
                Some(End::Limit) => "limit",
                Some(End::Restless) => "restless",
                None => "running",
            },
            path: self.path.iter().map(|&(at, state)| (at - self.began, self.state(state))).collect(),
            lasted: self.lasted,
        }
    }

    fn state(&self, state: StateId) -> String {
        self.plan.state_name(state).to_owned()
    }

    /// Whether it answered true.
    fn is_good(&self) -> bool {
        match self.end {
            Some(End::Final | End::Rest) => true,
            Some(End::Limit) => self.machine.is_watching() || self.machine.has_ended(),
            Some(End::Restless) | None => false,
        }
    }

    fn rest_at(&self) -> Option<i64> {
        if self.limit.is_some() || !self.machine.is_watching() {
            return None;
        }
        let quiet = self.plan.watch_nanos(self.machine.state(), REST_ROUNDS).max(REST_NANOS);
        Some(self.machine.entered().saturating_add(quiet))
    }

    fn ends_at(&self) -> i64 {
        self.limit.unwrap_or_else(|| self.began.saturating_add(DAY_NANOS))
    }

    fn find_end(&self, now: i64) -> Option<End> {
        if self.machine.has_ended() {
            return Some(End::Final);
        }
        if self.rest_at().is_some_and(|at| at <= now) {
            return Some(End::Rest);
        }
        if self.path.len() > STATES_MAX {
            return Some(End::Restless);
        }
        let over = if self.limit.is_some() { End::Limit } else { End::Restless };
        (self.ends_at() <= now).then_some(over)
    }

    /// The moment at which there is something to do, if nothing is told before.
    fn wake(&self) -> i64 {
        self.machine.wake().into_iter().chain(self.rest_at()).fold(self.ends_at(), i64::min)
    }

    fn tell(&mut self, stage: &Stage, event: Event) {
        let effects = self.machine.step(&self.plan, stage.clock.get(), event);
        self.carry_out(stage, effects);
    }

    fn carry_out(&mut self, stage: &Stage, effects: Vec<Effect>) {
        self.lasted = stage.clock.get() - self.began;
        for effect in effects {
            match effect {
                Effect::Enter { state, visit } => {
                    self.stop_watcher(stage);
                    self.path.push((stage.clock.get(), state));
                    let first = self.queries.partition_point(|&of| of < state);
                    let count = self.queries[first..].iter().take_while(|&&of| of == state).count();
                    if count > 0 {
                        self.orders.push_back([5, visit.0 as i64, first as i64, count as i64]);
                    }
                }
                Effect::Wait { .. } => self.stop_watcher(stage),
                Effect::Run { run, place } => {
                    let call = self.call(place);
                    self.jobs.insert(run, Job { call, run: None });
                    self.orders.push_back([1, run.0 as i64, call, 0]);
                }
                Effect::Stop { run } => self.stop(stage, run),
                Effect::Undo { run } => {
                    let Some(job) = self.jobs.get(&run) else { continue };
                    let id = job.run.unwrap_or(self.run);
                    self.orders.push_back([2, run.0 as i64, job.call, id as i64]);
                }
                Effect::AskApproval { ask, place } => {
                    self.orders.push_back([3, ask.0 as i64, self.call(place), 0]);
                }
                Effect::AskPermit { ask, place } => {
                    self.orders.push_back([4, ask.0 as i64, self.call(place), 0]);
                }
                Effect::ReturnPermit | Effect::End => {}
            }
        }
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }

    fn call(&self, place: Place) -> i64 {
        let index = self.places.iter().position(|&p| p == place);
        index.unwrap_or_else(|| unreachable!("{place:?} is a call of the scenario")) as i64
    }

    fn stop(&mut self, stage: &Stage, run: Token) {
        match self.jobs.get(&run).and_then(|job| job.run) {
            Some(id) => stage.end_run(id),
            // Its order was not taken yet: it never begins.
            None => {
                self.orders.retain(|order| order[0] != 1 || order[1] != run.0 as i64);
                self.tell(stage, Event::Ended { run, success: false });
            }
        }
    }

    fn stop_watcher(&mut self, stage: &Stage) {
        self.orders.retain(|order| order[0] != 5);
        if let Some(watcher) = self.watcher.take() {
            stage.end_run(watcher);
        }
    }

    /// The next order, if there is one now.
    fn order(&mut self, stage: &Stage) -> Option<Order> {
        loop {
            let now = stage.clock.get();
            if let Some(end) = self.find_end(now) {
                self.end = Some(end);
                self.lasted = now - self.began;
                stage.end_run(self.run);
                return Some([0, i64::from(self.is_good()), 0, 0]);
            }
            if let Some(order) = self.orders.pop_front() {
                return Some(order);
            }
            if self.machine.wake().is_none_or(|at| at > now) {
                return None;
            }
            self.tell(stage, Event::Tick);
        }
    }
}

// ---- natives ----

pub(super) static NATIVES: &[NativeDef] = &[
    native("Scenario.path", "() -> List<String>", |call| {
        let stage = stage(call);
        let scenarios = stage.scenarios.borrow();
        let states =
            scenarios.last().map(|s| s.path.iter().map(|&(_, id)| Value::String(s.state(id))).collect());
        Ok(Value::List(states.unwrap_or_default()))
    }),
    native("ScenarioRun.begin", "(int, List<int>, boolean, Duration) -> int", begin),
    native("ScenarioRun.next", "(int) -> List<int>", next),
    native("ScenarioRun.started", "(int, int, String) -> int", |call| {
        let token = token(call);
        with(call, |call, stage, scenario| {
            let run = stage.begin_run_in(call.string(2), Some(scenario.run));
            if let Some(job) = scenario.jobs.get_mut(&token) {
                job.run = Some(run);
            }
            stage.spawn.set(Some(scenario.run));
            Value::Int(run as i64)
        })
    }),
    native("ScenarioRun.beside", "(int) -> void", |call| {
        with(call, |_, stage, scenario| {
            stage.spawn.set(Some(scenario.run));
            Value::Null
        })
    }),
    native("ScenarioRun.watched", "(int) -> void", |call| {
        with(call, |_, stage, scenario| {
            let run = stage.begin_run_in(&scenario.name, Some(scenario.run));
            scenario.watcher = Some(run);
            stage.spawn.set(Some(run));
            Value::Null
        })
    }),
    native("ScenarioRun.ended", "(int, int, boolean) -> void", |call| {
        let (run, success) = (token(call), truth(call));
        tell(call, Event::Ended { run, success })
    }),
    native("ScenarioRun.undone", "(int, int) -> void", |call| {
        let run = token(call);
        tell(call, Event::Undone { run })
    }),
    native("ScenarioRun.answered", "(int, int, boolean) -> void", |call| {
        let (ask, yes) = (token(call), truth(call));
        tell(call, Event::Answered { ask, yes })
    }),
    native("ScenarioRun.holds", "(int, int, int) -> void", |call| {
        let (visit, query) = (token(call), call.int(2) as usize);
        tell(call, Event::Holds { visit, query })
    }),
];

fn token(call: &OutsideCall<'_>) -> Token {
    Token(call.int(1) as u64)
}

fn truth(call: &OutsideCall<'_>) -> bool {
    matches!(call.args[2], Value::Bool(true))
}

/// Calls `f` with the scenario that the first argument names.
fn with(
    call: &mut OutsideCall<'_>,
    f: impl FnOnce(&OutsideCall<'_>, &Stage, &mut Acting) -> Value,
) -> Result<Value, Failure> {
    let stage = stage(call);
    let mut scenarios = stage.scenarios.borrow_mut();
    Ok(f(call, &stage, &mut scenarios[call.int(0) as usize]))
}

fn tell(call: &mut OutsideCall<'_>, event: Event) -> Result<Value, Failure> {
    with(call, |_, stage, scenario| {
        scenario.tell(stage, event);
        Value::Null
    })
}

fn begin(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let stage = stage(call);
    let image = stage.program.image();
    let scenario = &image.manifest.scenarios[call.int(0) as usize];
    let settings: Vec<i64> = match &call.args[1] {
        Value::List(all) => all.iter().map(|v| if let Value::Int(n) = v { *n } else { 0 }).collect(),
        _ => Vec::new(),
    };
    let refused = |text: String| Err(Failure::Trap(Trapped { kind: TrapKind::Assert, text }));
    let value =
        |param: dscript_bytecode::scenario::ParamId| settings.get(param.index()).copied().unwrap_or(0);
    let plan = match Plan::new(scenario, &image.manifest.tasks, &value) {
        Ok(plan) => plan,
        Err(error) => return refused(format!("the scenario {} cannot begin: {error}", scenario.name)),
    };
    let (limited, limit) = (truth(call), call.int(3));
    if limited && limit <= 0 {
        return refused(format!("the time of `run` must be more than zero, not {}", duration_text(limit)));
    }
    let now = stage.clock.get();
    let (machine, effects) = Machine::begin(&plan, now);
    let mut acting = Acting {
        name: scenario.name.clone(),
        plan,
        machine,
        places: scenario.calls().into_iter().map(|(place, _)| place).collect(),
        queries: scenario.queries().into_iter().map(|(state, _)| state).collect(),
        run: stage.begin_run(&scenario.name),
        jobs: BTreeMap::new(),
        watcher: None,
        orders: VecDeque::new(),
        waiting: None,
        began: now,
        limit: limited.then(|| now.saturating_add(limit)),
        path: Vec::new(),
        end: None,
        lasted: 0,
    };
    acting.carry_out(&stage, effects);
    let mut scenarios = stage.scenarios.borrow_mut();
    scenarios.push(acting);
    Ok(Value::Int(scenarios.len() as i64 - 1))
}

fn next(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let (stage, index) = (stage(call), call.int(0) as usize);
    let order = call.wait(NextOrder { stage, index, sleep: None })?;
    Ok(Value::List(order.map(Value::Int).into()))
}

struct NextOrder {
    stage: Rc<Stage>,
    index: usize,
    sleep: Option<Sleep>,
}

impl Future for NextOrder {
    type Output = Order;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Order> {
        let stage = self.stage.clone();
        let mut scenarios = stage.scenarios.borrow_mut();
        let scenario = &mut scenarios[self.index];
        if let Some(order) = scenario.order(&stage) {
            return Poll::Ready(order);
        }
        scenario.waiting = Some(cx.waker().clone());
        let mut sleep = Sleep::new(&stage, scenario.wake());
        // It is later than now: it only leaves its waker.
        let _ = Pin::new(&mut sleep).poll(cx);
        self.sleep = Some(sleep);
        Poll::Pending
    }
}
