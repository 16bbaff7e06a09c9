//! What a node must not forget of its runs, and the entries that change it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dscript_protocol::limits::NODE_RUNS_REMEMBERED;
use dscript_protocol::message::{Ending, Outcome, RunReport, Stage};
use dscript_protocol::{ImageHash, RunId};
use serde::{Deserialize, Serialize};

/// Everything that survives the node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Durable {
    /// Runs whose end the controller has not acknowledged.
    pub runs: BTreeMap<RunId, Run>,
    /// Runs that are done with, oldest first: shipped once more, they are not run once more.
    pub remembered: VecDeque<RunId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub order: u64,
    pub hash: ImageHash,
    pub task: Option<String>,
    pub params: Vec<(String, String)>,
    pub label: String,
    pub stage: Stage,
    pub started: Option<i64>,
    pub outcome: Option<Outcome>,
    pub gone: Option<i64>,
}

impl Run {
    pub fn report(&self, run: RunId) -> RunReport {
        RunReport {
            run,
            stage: self.stage,
            started: self.started,
            outcome: self.outcome.clone(),
            gone: self.gone,
        }
    }
}

/// A decision. Variants are added at the end only: journals live longer than programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    Snapshot(Durable),
    Accepted {
        run: RunId,
        as_run: Run,
    },
    /// From here on the body may have run: it will never be begun again.
    Began {
        run: RunId,
        at: i64,
    },
    Ended {
        run: RunId,
        started: Option<i64>,
        outcome: Outcome,
    },
    Gone {
        run: RunId,
        at: i64,
    },
    /// The controller knows its end.
    Settled {
        run: RunId,
    },
}

impl Durable {
    pub fn replay(entries: Vec<Entry>) -> Self {
        let mut state = Durable::default();
        entries.into_iter().for_each(|entry| state.apply(entry));
        state
    }

    pub fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Snapshot(state) => *self = state,
            Entry::Accepted { run, as_run } => {
                self.runs.insert(run, as_run);
            }
            Entry::Began { run, at } => {
                if let Some(run) = self.runs.get_mut(&run) {
                    run.stage = Stage::Running;
                    run.started = Some(at);
                }
            }
            Entry::Ended { run, started, outcome } => {
                if let Some(run) = self.runs.get_mut(&run) {
                    run.stage = Stage::Ended;
                    run.started =
                        if outcome.ending == Ending::Refused { None } else { started.or(run.started) };
                    run.outcome = Some(outcome);
                }
            }
            Entry::Gone { run, at } => {
                if let Some(run) = self.runs.get_mut(&run) {
                    run.stage = Stage::Gone;
                    run.gone = Some(at);
                }
            }
            Entry::Settled { run } => {
                self.runs.remove(&run);
                self.remembered.push_back(run);
                while self.remembered.len() > NODE_RUNS_REMEMBERED {
                    self.remembered.pop_front();
                }
            }
        }
    }

    /// Images that a run may still need.
    pub fn images_needed(&self) -> BTreeSet<ImageHash> {
        self.runs.values().filter(|run| run.stage < Stage::Ended).map(|run| run.hash).collect()
    }
}
