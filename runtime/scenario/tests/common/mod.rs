//! Scenarios as data, and a small world that drives one in virtual time.
// Each of the tests uses a part of it.
#![allow(dead_code)]

use dscript_bytecode::ids::{FunctionId, TypeId};
use dscript_bytecode::image::{Role, Task, TaskParam};
use dscript_bytecode::scenario::*;
use dscript_scenario::{Effect, Event, Machine, Plan, Token};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

pub const SECOND: i64 = 1_000_000_000;

/// The manifest's tasks: one for each role.
pub fn tasks() -> Vec<Task> {
    let task = |name: &str, role| Task {
        name: name.into(),
        script: false,
        role: Some(role),
        params: Vec::new(),
        function: FunctionId(0),
        undo: None,
        dcase: None,
        doc: None,
    };
    vec![
        task("look", Role::Monitor),
        task("find", Role::Analyze),
        task("mend", Role::Recover),
        task("page", Role::Respond),
    ]
}

pub fn call(task: u32) -> Call {
    Call { task: TaskId(task), args: Vec::new() }
}

pub fn seconds(n: i64) -> Setting {
    Setting::Constant(n * SECOND)
}

pub fn go(to: u32) -> Edge {
    Edge { to: StateId(to), after: None }
}

pub fn go_after(to: u32, after: i64) -> Edge {
    Edge { to: StateId(to), after: Some(seconds(after)) }
}

pub fn monitor(every: i64, failing: i64) -> Monitor {
    Monitor {
        call: call(0),
        every: seconds(every),
        failing: Setting::Constant(failing),
        within: Setting::Constant(WITHIN_DEFAULT_NANOS),
    }
}

pub fn step(task: u32) -> Step {
    Step {
        call: call(task),
        within: Setting::Constant(WITHIN_DEFAULT_NANOS),
        retry: None,
        verify: None,
        at_controller: false,
        with_approval: false,
    }
}

pub fn query(to: u32) -> Query {
    let argument = || Argument { function: FunctionId(0), text: String::new() };
    Query {
        key: argument(),
        aggregate: Aggregate::Count,
        field: None,
        over: seconds(30),
        comparison: Comparison::Greater,
        value: argument(),
        to: StateId(to),
    }
}

/// A scenario of these states, which begins in the first.
pub fn scenario(states: Vec<(&str, Work)>) -> Scenario {
    Scenario {
        name: "Care".into(),
        params: vec![TaskParam { name: "often".into(), ty: TypeId(0), default: None }],
        selector: None,
        guard: Vec::new(),
        states: states.into_iter().map(|(name, work)| State { name: name.into(), work }).collect(),
        initial: StateId(0),
        dcase: None,
        doc: None,
    }
}

pub fn guarded(mut scenario: Scenario) -> Scenario {
    scenario.guard.push(GuardRule { most: Amount::Count(Setting::Constant(1)), per: None });
    scenario
}

pub fn plan(scenario: &Scenario) -> Plan {
    Plan::new(scenario, &tasks(), &|_| 1).expect("the settings are good")
}

/// How a run, an `undo` or a question ends: after so long, with this answer; `None` never does by itself.
pub type Answer = Option<(i64, bool)>;

/// Runs a machine against answers and writes down what it does.
pub struct World<'a> {
    plan: &'a Plan,
    scenario: &'a Scenario,
    pub machine: Machine,
    pub now: i64,
    /// What will happen, by when and by whom.
    coming: BTreeMap<(i64, u64), Event>,
    order: u64,
    running: BTreeSet<Token>,
    answers: &'a mut dyn FnMut(&str) -> Answer,
    pub log: String,
}

impl<'a> World<'a> {
    pub fn new(
        plan: &'a Plan,
        scenario: &'a Scenario,
        answers: &'a mut dyn FnMut(&str) -> Answer,
    ) -> World<'a> {
        let (machine, effects) = Machine::begin(plan, 0);
        let mut world = World {
            plan,
            scenario,
            machine,
            now: 0,
            coming: BTreeMap::new(),
            order: 0,
            running: BTreeSet::new(),
            answers,
            log: String::new(),
        };
        world.carry_out(effects);
        world
    }

    fn come(&mut self, after: i64, event: Event) {
        self.order += 1;
        self.coming.insert((self.now + after, self.order), event);
    }

    fn note(&mut self, what: &str) {
        let millis = self.now / 1_000_000;
        // Writing to a String cannot fail.
        let _ = if millis % 1000 == 0 {
            writeln!(self.log, "{}s {what}", millis / 1000)
        } else {
            writeln!(self.log, "{millis}ms {what}")
        };
    }

    fn place(&self, place: Place) -> String {
        let state = &self.scenario.states[place.state.index()].name;
        match place.part {
            Part::Monitor(i) => format!("{state}.monitor{i}"),
            Part::Step(i) => format!("{state}.step{i}"),
            Part::Verify(i) => format!("{state}.verify{i}"),
        }
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Enter { state, .. } => {
                    let name = self.scenario.states[state.index()].name.clone();
                    self.note(&format!("enter {name}"));
                }
                Effect::Run { run, place } => {
                    let name = self.place(place);
                    self.running.insert(run);
                    let answer = (self.answers)(&name);
                    match answer {
                        // What is asked again and again is told only when it says something new.
                        Some((0, true)) if !name.contains(".step") => {}
                        Some((_, success)) => self.note(&format!("run {name}: {success}")),
                        None => self.note(&format!("run {name}: never ends")),
                    }
                    if let Some((after, success)) = answer {
                        self.come(after, Event::Ended { run, success });
                    }
                }
                Effect::Stop { run } => {
                    if self.running.contains(&run) {
                        self.note("stop it");
                        let ends = |e: &Event| matches!(e, Event::Ended { run: r, .. } if *r == run);
                        self.coming.retain(|_, event| !ends(event));
                        self.come(0, Event::Ended { run, success: false });
                    }
                }
                Effect::Undo { run } => {
                    self.note("undo");
                    if let Some((after, _)) = (self.answers)("undo") {
                        self.come(after, Event::Undone { run });
                    }
                }
                Effect::AskApproval { ask, place } => {
                    let name = self.place(place);
                    self.ask("approval", &name, ask);
                }
                Effect::AskPermit { ask, place } => {
                    let name = self.place(place);
                    self.ask("permit", &name, ask);
                }
                Effect::ReturnPermit => self.note("return permit"),
                Effect::Wait { to, until } => {
                    let name = &self.scenario.states[to.index()].name;
                    let line = format!("wait {}s for {name}", (until - self.now) / SECOND);
                    self.note(&line);
                }
                Effect::End => self.note("end"),
            }
        }
    }

    fn ask(&mut self, what: &str, name: &str, ask: Token) {
        let answer = (self.answers)(what);
        match answer {
            Some((_, yes)) => self.note(&format!("ask {what} for {name}: {yes}")),
            None => self.note(&format!("ask {what} for {name}: no answer")),
        }
        if let Some((after, yes)) = answer {
            self.come(after, Event::Answered { ask, yes });
        }
    }

    /// Goes to the next event or moment; false where nothing will ever happen, or only later than `until`.
    pub fn go_on(&mut self, until: i64) -> bool {
        let event = self.coming.first_key_value().map(|(&(at, _), _)| at);
        let Some(at) = event.into_iter().chain(self.machine.wake()).min().filter(|&at| at <= until) else {
            return false;
        };
        self.now = self.now.max(at);
        let due = self.coming.first_entry().filter(|e| e.key().0 <= self.now);
        let event = due.map_or(Event::Tick, |entry| entry.remove());
        self.tell(event);
        true
    }

    pub fn tell(&mut self, event: Event) {
        if let Event::Ended { run, .. } = event {
            self.running.remove(&run);
        }
        let effects = self.machine.step(self.plan, self.now, event);
        self.carry_out(effects);
    }
}
