//! Where one instance of a scenario stands, and what it does next.
//!
//! An event is taken in first; then `advance` does everything that is due at that time, state after state, until only
//! what is outstanding is left. What is outstanding has a token of its own, so an answer that comes late (a
//! monitor's whose state was left, an approval that was asked for before) changes nothing.
//!
//! A try of a step is its task and, where that says true, the verification. `within` bounds all tries with their
//! pauses, from the first one on; waiting for an approval or a permit does not count. The approval is asked for
//! before the permit, so nobody holds a permit while a person thinks.
//!
//! A monitor is asked at once when its state is entered for the first time, and never more often than its rate, also
//! when its state was left meanwhile: that is what makes a state that watches a pause on every way round.

use crate::plan::{Edge, Monitor, Plan, Step, Work};
use dscript_bytecode::scenario::{Part, Place, StateId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How often a verification asks.
const VERIFY_EVERY_NANOS: i64 = 1_000_000_000;

/// Names what is outstanding; never used twice by one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Token(pub u64);

/// What the driver has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Time has gone on.
    Tick,
    /// A run's result stands. Told once for every run, also after [`Effect::Stop`]. Of a run that failed or was
    /// stopped the `undo` is done.
    Ended { run: Token, success: bool },
    /// The `undo` of a run that had said true is done, where there was anything to undo.
    Undone { run: Token },
    /// The standing query at this place of the state holds.
    Holds { visit: Token, query: usize },
    /// The answer to a question; a permit that is not granted yet is not answered yet.
    Answered { ask: Token, yes: bool },
}

/// What the driver does, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A state is entered. Its arguments have their values from now on, and its standing queries are watched as
    /// `visit` until the next state is entered or waited for.
    Enter { state: StateId, visit: Token },
    /// Runs a task.
    Run { run: Token, place: Place },
    /// Ends a run that goes on; one that has ended is left alone.
    Stop { run: Token },
    /// Runs the `undo` of a run that had said true.
    Undo { run: Token },
    /// A person is asked whether the step may begin.
    AskApproval { ask: Token, place: Place },
    /// The guard is asked whether this node may recover.
    AskPermit { ask: Token, place: Place },
    /// The recovery is over.
    ReturnPermit,
    /// The state is left, and the next one entered then.
    Wait { to: StateId, until: i64 },
    /// The steps of a final state are done.
    End,
}

/// One instance of a scenario. Times are nanoseconds on a clock of the driver's choice that never goes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    state: StateId,
    entered: i64,
    phase: Phase,
    /// The last one given away.
    token: u64,
    /// When each monitor was asked last.
    asked: BTreeMap<(StateId, u32), i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    Watching { visit: Token, watches: Vec<Watch> },
    Working { step: usize, permit: bool, stage: Stage },
    Waiting { to: StateId, until: i64 },
    Ended,
}

/// A monitor of the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Watch {
    /// When it is asked next, or was asked where it runs.
    due: i64,
    failures: i64,
    /// The run, and when it has taken too long.
    run: Option<(Token, i64)>,
}

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    Approval {
        ask: Token,
    },
    Permit {
        ask: Token,
    },
    Trying {
        run: Token,
        tries: Tries,
    },
    Verifying {
        tried: Token,
        asked: Option<Token>,
        due: i64,
        until: i64,
        tries: Tries,
    },
    /// The task took too long: its end is waited for.
    Stopping {
        run: Token,
    },
    /// What a task did is taken back; then the next try, where there is one.
    Undoing {
        run: Token,
        tries: Tries,
    },
    Pausing {
        until: i64,
        tries: Tries,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Tries {
    /// Begun so far.
    made: i64,
    /// When all of them must be done.
    until: i64,
}

impl Machine {
    /// A new instance in the initial state.
    pub fn begin(plan: &Plan, now: i64) -> (Machine, Vec<Effect>) {
        let mut machine = Machine {
            state: plan.initial,
            entered: now,
            phase: Phase::Ended,
            token: 0,
            asked: BTreeMap::new(),
        };
        let mut effects = Vec::new();
        let mut turn = Turn { machine: &mut machine, plan, now, effects: &mut effects };
        turn.enter(plan.initial);
        turn.advance();
        (machine, effects)
    }

    /// Takes an event in; `now` is never before that of the last one.
    pub fn step(&mut self, plan: &Plan, now: i64, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut turn = Turn { machine: self, plan, now, effects: &mut effects };
        turn.take(event);
        turn.advance();
        effects
    }

    /// When [`Event::Tick`] is due, if nothing else happens before.
    pub fn wake(&self) -> Option<i64> {
        match &self.phase {
            Phase::Watching { watches, .. } => {
                watches.iter().map(|watch| watch.run.map_or(watch.due, |(_, until)| until)).min()
            }
            Phase::Working { stage, .. } => match *stage {
                Stage::Approval { .. }
                | Stage::Permit { .. }
                | Stage::Stopping { .. }
                | Stage::Undoing { .. } => None,
                Stage::Trying { tries, .. } => Some(tries.until),
                Stage::Verifying { asked: Some(_), tries, .. } => Some(tries.until),
                Stage::Verifying { due, tries, .. } => Some(due.min(tries.until)),
                Stage::Pausing { until, .. } => Some(until),
            },
            Phase::Waiting { until, .. } => Some(*until),
            Phase::Ended => None,
        }
    }

    pub fn state(&self) -> StateId {
        self.state
    }

    /// When the state was entered.
    pub fn entered(&self) -> i64 {
        self.entered
    }

    /// Its monitors watch.
    pub fn is_watching(&self) -> bool {
        matches!(self.phase, Phase::Watching { .. })
    }

    /// It is in a final state whose steps are done.
    pub fn has_ended(&self) -> bool {
        self.phase == Phase::Ended
    }
}

/// One call of `step`.
struct Turn<'a> {
    machine: &'a mut Machine,
    plan: &'a Plan,
    now: i64,
    effects: &'a mut Vec<Effect>,
}

/// How a step came out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Success,
    Failure,
}

impl Turn<'_> {
    fn token(&mut self) -> Token {
        self.machine.token += 1;
        Token(self.machine.token)
    }

    fn place(&self, part: Part) -> Place {
        Place { state: self.machine.state, part }
    }

    fn run(&mut self, part: Part) -> Token {
        let run = self.token();
        let place = self.place(part);
        self.effects.push(Effect::Run { run, place });
        run
    }

    fn monitors(&self) -> &[Monitor] {
        match &self.plan.states[self.machine.state.index()].work {
            Work::Watch { monitors, .. } => monitors,
            Work::Run { .. } | Work::Final { .. } => &[],
        }
    }

    fn steps(&self) -> &[Step] {
        match &self.plan.states[self.machine.state.index()].work {
            Work::Run { steps, .. } | Work::Final { steps } => steps,
            Work::Watch { .. } => &[],
        }
    }

    // ---- states ----

    fn enter(&mut self, state: StateId) {
        let visit = self.token();
        self.machine.state = state;
        self.machine.entered = self.now;
        self.effects.push(Effect::Enter { state, visit });
        if let Work::Watch { monitors, .. } = &self.plan.states[state.index()].work {
            let due = |(monitor, index): (&Monitor, u32)| {
                let asked = self.machine.asked.get(&(state, index));
                asked.map_or(self.now, |at| at.saturating_add(monitor.every).max(self.now))
            };
            let watch = |due| Watch { due, failures: 0, run: None };
            let watches = monitors.iter().zip(0..).map(due).map(watch).collect();
            self.machine.phase = Phase::Watching { visit, watches };
        } else {
            self.begin_step(0);
        }
    }

    /// Stops what watches, and goes on at once or after a time.
    fn follow(&mut self, edge: Edge) {
        if let Phase::Watching { watches, .. } = &self.machine.phase {
            self.effects.extend(watches.iter().filter_map(|w| w.run).map(|(run, _)| Effect::Stop { run }));
        }
        let until = self.now.saturating_add(edge.after);
        if edge.after > 0 {
            self.effects.push(Effect::Wait { to: edge.to, until });
        }
        self.machine.phase = Phase::Waiting { to: edge.to, until };
    }

    // ---- events ----

    fn take(&mut self, event: Event) {
        match event {
            Event::Tick => {}
            Event::Ended { run, success } => self.ended(run, success),
            Event::Undone { run } => {
                if let Phase::Working { stage: Stage::Undoing { run: undone, tries }, .. } =
                    self.machine.phase
                    && undone == run
                {
                    self.try_again(tries);
                }
            }
            Event::Holds { visit, query } => {
                if let (Phase::Watching { visit: current, .. }, Work::Watch { queries, .. }) =
                    (&self.machine.phase, &self.plan.states[self.machine.state.index()].work)
                    && *current == visit
                    && let Some(&to) = queries.get(query)
                {
                    self.follow(Edge { to, after: 0 });
                }
            }
            Event::Answered { ask, yes } => self.answered(ask, yes),
        }
    }

    fn answered(&mut self, ask: Token, yes: bool) {
        let Phase::Working { step, permit, stage } = &mut self.machine.phase else { return };
        let step = *step;
        match *stage {
            Stage::Approval { ask: asked } if asked == ask => match yes {
                true => self.ask_permit(step),
                false => self.step_done(Outcome::Failure),
            },
            // A guard that refuses has not answered yet: the recovery waits.
            Stage::Permit { ask: asked } if asked == ask && yes => {
                *permit = true;
                self.first_try(step);
            }
            _ => {}
        }
    }

    fn ended(&mut self, run: Token, success: bool) {
        match &mut self.machine.phase {
            Phase::Watching { watches, .. } => {
                let found = watches.iter().position(|w| w.run.is_some_and(|(token, _)| token == run));
                if let Some(index) = found {
                    self.monitor_said(index, success);
                }
            }
            Phase::Working { step, stage, .. } => {
                let step = *step;
                match *stage {
                    Stage::Trying { run: tried, tries } if tried == run => match success {
                        true => self.verify(step, run, tries),
                        false => self.try_again(tries),
                    },
                    Stage::Verifying { tried, asked: Some(asked), due, until, tries } if asked == run => {
                        self.verified(tried, due, until, tries, success);
                    }
                    // It was done before it was stopped, and too late all the same.
                    Stage::Stopping { run: stopped } if stopped == run => match success {
                        true => self.take_back(run, Tries { made: i64::MAX, until: self.now }),
                        false => self.step_done(Outcome::Failure),
                    },
                    _ => {}
                }
            }
            Phase::Waiting { .. } | Phase::Ended => {}
        }
    }

    // ---- monitors ----

    fn monitor_said(&mut self, index: usize, success: bool) {
        let Monitor { every, failing, .. } = self.monitors()[index];
        let Phase::Watching { watches, .. } = &mut self.machine.phase else { return };
        let watch = &mut watches[index];
        watch.run = None;
        watch.due = next_tick(watch.due, every, self.now);
        watch.failures = if success { 0 } else { watch.failures + 1 };
        if watch.failures >= failing
            && let Work::Watch { failure, .. } = &self.plan.states[self.machine.state.index()].work
        {
            self.follow(*failure);
        }
    }

    // ---- steps ----

    fn begin_step(&mut self, step: usize) {
        let Some(&Step { approval, .. }) = self.steps().get(step) else { return self.steps_done() };
        if !approval {
            return self.ask_permit(step);
        }
        let ask = self.token();
        let place = self.place(Part::Step(step as u32));
        self.effects.push(Effect::AskApproval { ask, place });
        self.working(step, Stage::Approval { ask });
    }

    fn working(&mut self, step: usize, stage: Stage) {
        let permit = match self.machine.phase {
            Phase::Working { step: current, permit, .. } if current == step => permit,
            _ => false,
        };
        self.machine.phase = Phase::Working { step, permit, stage };
    }

    fn stage(&mut self, next: Stage) {
        if let Phase::Working { stage, .. } = &mut self.machine.phase {
            *stage = next;
        }
    }

    fn ask_permit(&mut self, step: usize) {
        if !self.steps()[step].permit {
            return self.first_try(step);
        }
        let ask = self.token();
        let place = self.place(Part::Step(step as u32));
        self.effects.push(Effect::AskPermit { ask, place });
        self.working(step, Stage::Permit { ask });
    }

    fn first_try(&mut self, step: usize) {
        let until = self.now.saturating_add(self.steps()[step].within);
        self.begin_try(step, Tries { made: 0, until });
    }

    fn begin_try(&mut self, step: usize, tries: Tries) {
        let run = self.run(Part::Step(step as u32));
        self.working(step, Stage::Trying { run, tries: Tries { made: tries.made + 1, ..tries } });
    }

    /// After a try that failed.
    fn try_again(&mut self, tries: Tries) {
        let Phase::Working { step, .. } = self.machine.phase else { return };
        let Step { tries: most, pause, .. } = self.steps()[step];
        let next = self.now.saturating_add(pause);
        if tries.made >= most || next >= tries.until {
            return self.step_done(Outcome::Failure);
        }
        self.stage(Stage::Pausing { until: next, tries });
    }

    fn verify(&mut self, step: usize, tried: Token, tries: Tries) {
        let Some(lasting) = self.steps()[step].verify else { return self.step_done(Outcome::Success) };
        let until = self.now.saturating_add(lasting);
        self.stage(Stage::Verifying { tried, asked: None, due: self.now, until, tries });
    }

    /// The monitor of a verification has answered.
    fn verified(&mut self, tried: Token, due: i64, until: i64, tries: Tries, success: bool) {
        if !success {
            self.take_back(tried, tries);
        } else if self.now >= until {
            self.step_done(Outcome::Success);
        } else {
            // The last one is asked when the time is over.
            let due = next_tick(due, VERIFY_EVERY_NANOS, self.now).min(until);
            self.stage(Stage::Verifying { tried, asked: None, due, until, tries });
        }
    }

    fn take_back(&mut self, run: Token, tries: Tries) {
        self.effects.push(Effect::Undo { run });
        self.stage(Stage::Undoing { run, tries });
    }

    fn step_done(&mut self, outcome: Outcome) {
        let Phase::Working { step, permit, .. } = self.machine.phase else { return };
        if permit {
            self.effects.push(Effect::ReturnPermit);
        }
        let state = &self.plan.states[self.machine.state.index()].work;
        match (outcome, state) {
            (Outcome::Failure, Work::Run { failure, .. }) => self.follow(*failure),
            _ => self.begin_step(step + 1),
        }
    }

    fn steps_done(&mut self) {
        match &self.plan.states[self.machine.state.index()].work {
            Work::Run { success, .. } => self.follow(*success),
            Work::Final { .. } | Work::Watch { .. } => {
                self.machine.phase = Phase::Ended;
                self.effects.push(Effect::End);
            }
        }
    }

    // ---- time ----

    /// Does what is due. It ends: every round through states has a pause, as the image's verifier proves.
    fn advance(&mut self) {
        while self.advance_once() {}
    }

    /// False where nothing is due.
    fn advance_once(&mut self) -> bool {
        let now = self.now;
        match &self.machine.phase {
            Phase::Watching { watches, .. } => {
                let late = watches.iter().position(|w| w.run.is_some_and(|(_, until)| until <= now));
                if let Some(index) = late {
                    if let Some((run, _)) = watches[index].run {
                        self.effects.push(Effect::Stop { run });
                    }
                    self.monitor_said(index, false);
                    return true;
                }
                let Some(index) = watches.iter().position(|w| w.run.is_none() && w.due <= now) else {
                    return false;
                };
                let until = now.saturating_add(self.monitors()[index].within);
                let run = self.run(Part::Monitor(index as u32));
                self.machine.asked.insert((self.machine.state, index as u32), now);
                if let Phase::Watching { watches, .. } = &mut self.machine.phase {
                    watches[index].run = Some((run, until));
                }
                true
            }
            &Phase::Working { step, stage, .. } => self.advance_step(step, stage),
            &Phase::Waiting { to, until } if until <= now => {
                self.enter(to);
                true
            }
            Phase::Waiting { .. } | Phase::Ended => false,
        }
    }

    fn advance_step(&mut self, step: usize, stage: Stage) -> bool {
        let now = self.now;
        match stage {
            Stage::Trying { run, tries } if tries.until <= now => {
                self.effects.push(Effect::Stop { run });
                self.stage(Stage::Stopping { run });
            }
            Stage::Verifying { tried, asked, tries, .. } if tries.until <= now => {
                self.effects.extend(asked.map(|run| Effect::Stop { run }));
                self.take_back(tried, tries);
            }
            Stage::Verifying { tried, asked: None, due, until, tries } if due <= now => {
                let run = self.run(Part::Verify(step as u32));
                self.stage(Stage::Verifying { tried, asked: Some(run), due, until, tries });
            }
            Stage::Pausing { until, tries } if until <= now => self.begin_try(step, tries),
            _ => return false,
        }
        true
    }
}

/// The first tick after `due` that is not past: ticks stay at their distance, missed ones are left out.
fn next_tick(due: i64, every: i64, now: i64) -> i64 {
    let passed = now.saturating_sub(due).max(0);
    let ticks = (passed.saturating_add(every - 1) / every).max(1);
    due.saturating_add(ticks.saturating_mul(every))
}
