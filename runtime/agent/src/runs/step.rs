//! The node's decisions: an event comes in, entries for the journal and effects come out. Whoever calls it makes
//! images and entries durable first, in that order, and only then carries out the effects.

use std::collections::{BTreeMap, BTreeSet};

use dscript_protocol::ids::short;
use dscript_protocol::limits::{NODE_RUNS_MAX, RESEND_MS};
use dscript_protocol::message::{Ending, FromNode, Outcome, Shipment, Stage, ToNode};
use dscript_protocol::{ImageHash, RunId};

use super::state::{Durable, Entry, Run};

/// The time: what people call it, and one that never jumps.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// Nanoseconds since 1970 UTC.
    pub wall: i64,
    pub mono_ms: u64,
}

#[derive(Clone, Debug)]
pub enum Event {
    Connected,
    Disconnected,
    Said(ToNode),
    /// The engine would not begin the run: a bad image, no such task, a capability that the policy refuses.
    Refused {
        run: RunId,
        reason: String,
    },
    /// The run's result stands.
    Ended {
        run: RunId,
        started: Option<i64>,
        outcome: Outcome,
    },
    /// Nothing of the run is left.
    Gone {
        run: RunId,
    },
    /// The node is told to end: its runs are stopped and none begins.
    ShutDown,
    Tick,
}

/// A run to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    pub run: RunId,
    pub hash: ImageHash,
    pub task: Option<String>,
    pub params: Vec<(String, String)>,
    pub label: String,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    Start(Start),
    /// Stop the run; it ends with the events that a run ends with.
    Stop {
        run: RunId,
    },
    Send(FromNode),
    /// No run needs the image any more.
    DropImage {
        hash: ImageHash,
    },
    /// A run that was executing when the process died: its end is to be told in its log too.
    Note {
        run: RunId,
        label: String,
        outcome: Outcome,
    },
}

/// What a step decided.
#[derive(Debug, Default)]
pub struct Step {
    pub images: Vec<(ImageHash, Vec<u8>)>,
    pub entries: Vec<Entry>,
    pub effects: Vec<Effect>,
}

/// The node's mind: the durable state and what is only true while this process lives.
pub struct Runs {
    durable: Durable,
    connected: bool,
    closing: bool,
    /// Why a run was told to stop, which becomes the reason of its end.
    stopping: BTreeMap<RunId, String>,
    /// Stages reported and not acknowledged, and when.
    reported: BTreeMap<RunId, (Stage, u64)>,
}

impl Runs {
    /// The mind of a node that starts, with what the one before it left: what was executing is lost.
    pub fn wake(durable: Durable, now: Now) -> (Self, Step) {
        let mut runs = Self {
            durable,
            connected: false,
            closing: false,
            stopping: BTreeMap::new(),
            reported: BTreeMap::new(),
        };
        let mut step = Step::default();
        let left: Vec<(RunId, Stage, String)> =
            runs.durable.runs.iter().map(|(id, run)| (*id, run.stage, run.label.clone())).collect();
        for (run, stage, label) in left {
            if stage == Stage::Running {
                let outcome = Outcome::new(Ending::Lost, "the node restarted while it ran", now.wall);
                step.effects.push(Effect::Note { run, label, outcome: outcome.clone() });
                runs.decide(Entry::Ended { run, started: None, outcome }, &mut step);
            }
            if matches!(stage, Stage::Running | Stage::Ended) {
                runs.decide(Entry::Gone { run, at: now.wall }, &mut step);
            }
        }
        runs.begin_what_may(now, &mut step);
        (runs, step)
    }

    pub fn durable(&self) -> &Durable {
        &self.durable
    }

    pub fn step(&mut self, now: Now, event: Event) -> Step {
        let mut step = Step::default();
        match event {
            Event::Connected => {
                self.connected = true;
                self.reported.clear();
                let runs: Vec<RunId> = self.durable.runs.keys().copied().collect();
                step.effects.push(Effect::Send(FromNode::Inventory { runs: runs.clone() }));
                runs.into_iter().for_each(|run| self.report(now, run, &mut step));
            }
            Event::Disconnected => self.connected = false,
            Event::Said(ToNode::Ship(shipment)) => self.take(now, shipment, &mut step),
            Event::Said(ToNode::Stop { run }) => self.stop(now, run, &mut step),
            Event::Said(ToNode::ReportAck { run, stage }) => self.acknowledged(run, stage, &mut step),
            Event::Said(ToNode::LogAck { .. } | ToNode::Pong) => {}
            Event::Refused { run, reason } => {
                self.end(now, run, None, Outcome::new(Ending::Refused, reason, now.wall), &mut step);
                self.gone(now, run, &mut step);
            }
            Event::Ended { run, started, outcome } => self.end(now, run, started, outcome, &mut step),
            Event::Gone { run } => self.gone(now, run, &mut step),
            Event::ShutDown => self.shut_down(now, &mut step),
            Event::Tick => self.report_again(now, &mut step),
        }
        keep_last_reports(&mut step.effects);
        step
    }

    /// Whether no run has begun of which something is left.
    pub fn nothing_lives(&self) -> bool {
        !self.durable.runs.values().any(|run| matches!(run.stage, Stage::Running | Stage::Ended))
    }

    fn decide(&mut self, entry: Entry, step: &mut Step) {
        self.durable.apply(entry.clone());
        step.entries.push(entry);
    }

    fn report(&mut self, now: Now, run: RunId, step: &mut Step) {
        let Some(found) = self.durable.runs.get(&run) else { return };
        if self.connected {
            self.reported.insert(run, (found.stage, now.mono_ms));
            step.effects.push(Effect::Send(FromNode::Report(found.report(run))));
        }
    }

    fn take(&mut self, now: Now, shipment: Shipment, step: &mut Step) {
        let id = shipment.run;
        if self.durable.runs.contains_key(&id) {
            return self.report(now, id, step);
        }
        if self.durable.remembered.contains(&id) || self.durable.runs.len() >= 2 * NODE_RUNS_MAX {
            // Settled long ago, or no room even to remember a refusal: a controller that means it sends it again.
            return;
        }
        let refusal = self.refusal(&shipment, now);
        let run = Run {
            order: shipment.order,
            hash: shipment.hash,
            task: shipment.task,
            params: shipment.params,
            label: shipment.label,
            stage: if refusal.is_some() { Stage::Gone } else { Stage::Accepted },
            started: None,
            gone: refusal.as_ref().map(|_| now.wall),
            outcome: refusal,
        };
        if run.stage == Stage::Accepted {
            step.images.push((shipment.hash, shipment.image));
            self.replace_older(now, id, &run, step);
        }
        self.decide(Entry::Accepted { run: id, as_run: run }, step);
        self.begin_what_may(now, step);
        self.report(now, id, step);
    }

    fn refusal(&self, shipment: &Shipment, now: Now) -> Option<Outcome> {
        let newer = self
            .durable
            .runs
            .iter()
            .filter(|(_, run)| run.label == shipment.label && run.order > shipment.order)
            .max_by_key(|(_, run)| run.order);
        if let Some((newer, _)) = newer {
            let why = format!("replaced by run {} before it began", short(*newer));
            return Some(Outcome::new(Ending::Stopped, why, now.wall));
        }
        if ImageHash::of(&shipment.image) != shipment.hash {
            let why = "the image was damaged on its way: its hash does not fit";
            return Some(Outcome::new(Ending::Refused, why, now.wall));
        }
        let live = self.durable.runs.values().filter(|run| run.stage < Stage::Gone).count();
        (live >= NODE_RUNS_MAX).then(|| {
            let why = format!("the node holds {NODE_RUNS_MAX} runs already");
            Outcome::new(Ending::Refused, why, now.wall)
        })
    }

    /// A run takes the place of those of its label: they are told to stop, and it begins when nothing of them is
    /// left.
    fn replace_older(&mut self, now: Now, by: RunId, run: &Run, step: &mut Step) {
        let older: Vec<RunId> = self
            .durable
            .runs
            .iter()
            .filter(|(_, other)| other.label == run.label && other.stage < Stage::Gone)
            .map(|(id, _)| *id)
            .collect();
        for old in older {
            self.stop_because(now, old, format!("replaced by run {}", short(by)), step);
        }
    }

    fn stop(&mut self, now: Now, run: RunId, step: &mut Step) {
        if self.durable.runs.contains_key(&run) {
            return self.stop_because(now, run, "stopped by an operator".into(), step);
        }
        if self.durable.remembered.contains(&run) || self.durable.runs.len() >= 2 * NODE_RUNS_MAX {
            return;
        }
        // The shipment may still come: then the run is known, and over.
        let outcome = Outcome::new(Ending::Stopped, "stopped before it began", now.wall);
        let as_run = Run {
            order: 0,
            hash: ImageHash([0; 32]),
            task: None,
            params: Vec::new(),
            label: String::new(),
            stage: Stage::Gone,
            started: None,
            outcome: Some(outcome),
            gone: Some(now.wall),
        };
        self.decide(Entry::Accepted { run, as_run }, step);
        self.report(now, run, step);
    }

    fn stop_because(&mut self, now: Now, run: RunId, why: String, step: &mut Step) {
        match self.durable.runs.get(&run).map(|found| found.stage) {
            Some(Stage::Accepted) => {
                let why = format!("{why} before it began");
                self.end(now, run, None, Outcome::new(Ending::Stopped, why, now.wall), step);
                self.gone(now, run, step);
            }
            Some(Stage::Running | Stage::Ended) => {
                self.stopping.entry(run).or_insert(why);
                step.effects.push(Effect::Stop { run });
            }
            // Gone: the controller has not heard it yet.
            Some(Stage::Gone) => self.report(now, run, step),
            None => {}
        }
    }

    /// What has not begun yet stays accepted, and begins when the node starts again.
    fn shut_down(&mut self, now: Now, step: &mut Step) {
        self.closing = true;
        let living: Vec<RunId> = self
            .durable
            .runs
            .iter()
            .filter(|(_, run)| matches!(run.stage, Stage::Running | Stage::Ended))
            .map(|(id, _)| *id)
            .collect();
        for run in living {
            self.stop_because(now, run, "the node was shut down".into(), step);
        }
    }

    fn end(&mut self, now: Now, run: RunId, started: Option<i64>, mut outcome: Outcome, step: &mut Step) {
        let Some(found) = self.durable.runs.get(&run) else { return };
        if found.stage >= Stage::Ended {
            return;
        }
        let hash = found.hash;
        if outcome.ending == Ending::Stopped
            && let Some(why) = self.stopping.get(&run)
        {
            outcome.reason = why.clone();
        }
        self.decide(Entry::Ended { run, started, outcome }, step);
        if !self.durable.images_needed().contains(&hash) {
            step.effects.push(Effect::DropImage { hash });
        }
        self.report(now, run, step);
    }

    fn gone(&mut self, now: Now, run: RunId, step: &mut Step) {
        match self.durable.runs.get(&run).map(|found| found.stage) {
            Some(Stage::Ended) => {}
            Some(Stage::Accepted | Stage::Running) => {
                // The engine ended without a result.
                let why = "the engine ended the run without a result";
                self.end(now, run, None, Outcome::new(Ending::Lost, why, now.wall), step);
            }
            Some(Stage::Gone) | None => return,
        }
        self.stopping.remove(&run);
        self.decide(Entry::Gone { run, at: now.wall }, step);
        self.report(now, run, step);
        self.begin_what_may(now, step);
    }

    /// Begins every accepted run of whose label nothing older is left.
    fn begin_what_may(&mut self, now: Now, step: &mut Step) {
        if self.closing {
            return;
        }
        let live: Vec<(&str, u64, Stage, RunId)> = self
            .durable
            .runs
            .iter()
            .filter(|(_, run)| run.stage < Stage::Gone)
            .map(|(id, run)| (run.label.as_str(), run.order, run.stage, *id))
            .collect();
        let mut first: BTreeMap<&str, (u64, Stage, RunId)> = BTreeMap::new();
        for (label, order, stage, run) in live {
            let candidate = (order, stage, run);
            first.entry(label).and_modify(|best| *best = candidate.min(*best)).or_insert(candidate);
        }
        let ready: BTreeSet<RunId> = first
            .values()
            .filter(|(_, stage, _)| *stage == Stage::Accepted)
            .map(|(_, _, run)| *run)
            .collect();
        for run in ready {
            self.decide(Entry::Began { run, at: now.wall }, step);
            let Some(found) = self.durable.runs.get(&run) else { continue };
            step.effects.push(Effect::Start(Start {
                run,
                hash: found.hash,
                task: found.task.clone(),
                params: found.params.clone(),
                label: found.label.clone(),
            }));
            self.report(now, run, step);
        }
    }

    fn acknowledged(&mut self, run: RunId, stage: Stage, step: &mut Step) {
        if self.reported.get(&run).is_some_and(|(reported, _)| *reported <= stage) {
            self.reported.remove(&run);
        }
        let gone = self.durable.runs.get(&run).is_some_and(|found| found.stage == Stage::Gone);
        if gone && stage == Stage::Gone {
            self.decide(Entry::Settled { run }, step);
        }
    }

    fn report_again(&mut self, now: Now, step: &mut Step) {
        if !self.connected {
            return;
        }
        let due: Vec<RunId> = self
            .reported
            .iter()
            .filter(|(_, (_, sent_ms))| now.mono_ms.saturating_sub(*sent_ms) > RESEND_MS)
            .map(|(run, _)| *run)
            .collect();
        due.into_iter().for_each(|run| self.report(now, run, step));
    }
}

/// A report is whole: of those of one run in a step only the last need be sent.
fn keep_last_reports(effects: &mut Vec<Effect>) {
    let mut seen = BTreeSet::new();
    let mut place = effects.len();
    while place > 0 {
        place -= 1;
        if let Effect::Send(FromNode::Report(report)) = &effects[place]
            && !seen.insert(report.run)
        {
            effects.remove(place);
        }
    }
}
