//! What the controller must not forget, and the entries that change it. Replaying the entries gives the state
//! again; nothing else changes it.

use std::collections::BTreeMap;

use dscript_protocol::message::{Ending, Outcome, RunReport, Stage};
use dscript_protocol::{ImageHash, NodeId, RunId};
use serde::{Deserialize, Serialize};

/// Runs of which nothing is left are forgotten, oldest first, beyond this many.
const RUNS_KEPT_MAX: usize = 10_000;

/// Everything that survives the controller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Durable {
    /// Hashes of join tokens nobody used yet, and until when they may be (milliseconds since 1970).
    pub tokens: BTreeMap<ImageHash, u64>,
    pub nodes: BTreeMap<NodeId, Node>,
    pub runs: BTreeMap<RunId, Run>,
    /// The greatest `order` given to a shipment.
    pub last_order: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    pub name: String,
    pub labels: Vec<(String, String)>,
    pub software: String,
    /// Hash of the secret by which the node is known again.
    pub secret: ImageHash,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub node: NodeId,
    /// The node's name when the run was made; kept for when the node is not there any more.
    pub node_name: String,
    pub order: u64,
    pub hash: ImageHash,
    pub task: Option<String>,
    pub params: Vec<(String, String)>,
    pub label: String,
    pub created: i64,
    /// What the node has reported; `None`: not that it has the run.
    pub stage: Option<Stage>,
    pub started: Option<i64>,
    pub outcome: Option<Outcome>,
    pub gone: Option<i64>,
    pub stop_asked: bool,
    /// The outcome is what the controller had to assume; a report of the node corrects it.
    pub assumed: bool,
}

impl Run {
    /// Whether the node may still have to be told or asked something about it.
    pub fn is_over(&self) -> bool {
        self.gone.is_some()
    }
}

/// A decision. Variants are added at the end only: journals live longer than programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    Snapshot(Durable),
    TokenMade {
        hash: ImageHash,
        until_ms: u64,
    },
    /// A node joined, or came back with another name, other labels or other software.
    NodeJoined {
        node: NodeId,
        as_node: Node,
        used_token: Option<ImageHash>,
    },
    NodeForgotten {
        node: NodeId,
    },
    RunMade {
        run: RunId,
        as_run: Run,
    },
    StopAsked {
        run: RunId,
    },
    Reported(RunReport),
    /// The controller ends a run by itself.
    Assumed {
        run: RunId,
        outcome: Outcome,
    },
    TokenExpired {
        hash: ImageHash,
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
            Entry::TokenMade { hash, until_ms } => {
                self.tokens.insert(hash, until_ms);
            }
            Entry::TokenExpired { hash } => {
                self.tokens.remove(&hash);
            }
            Entry::NodeJoined { node, as_node, used_token } => {
                if let Some(hash) = used_token {
                    self.tokens.remove(&hash);
                }
                self.nodes.insert(node, as_node);
            }
            Entry::NodeForgotten { node } => {
                self.nodes.remove(&node);
            }
            Entry::RunMade { run, as_run } => {
                self.last_order = self.last_order.max(as_run.order);
                self.runs.insert(run, as_run);
            }
            Entry::StopAsked { run } => {
                if let Some(run) = self.runs.get_mut(&run) {
                    run.stop_asked = true;
                }
            }
            Entry::Reported(report) => {
                if let Some(run) = self.runs.get_mut(&report.run) {
                    run.stage = Some(report.stage);
                    run.started = report.started;
                    run.outcome = report.outcome;
                    run.gone = report.gone;
                    run.assumed = false;
                }
            }
            Entry::Assumed { run, outcome } => {
                if let Some(run) = self.runs.get_mut(&run) {
                    run.assumed = true;
                    run.gone.get_or_insert(outcome.at);
                    run.outcome.get_or_insert(outcome);
                }
            }
        }
    }

    /// Forgets the oldest of the runs that are over, so that a snapshot stays small.
    pub fn prune(&mut self) {
        let mut over: Vec<(u64, RunId)> =
            self.runs.iter().filter(|(_, run)| run.is_over()).map(|(id, run)| (run.order, *id)).collect();
        if let Some(excess) = over.len().checked_sub(RUNS_KEPT_MAX).filter(|&excess| excess > 0) {
            over.sort_unstable();
            for (_, run) in &over[..excess] {
                self.runs.remove(run);
            }
        }
    }

    /// Images that may still have to be sent to somebody.
    pub fn images_needed(&self) -> std::collections::BTreeSet<ImageHash> {
        self.runs.values().filter(|run| run.must_be_shipped()).map(|run| run.hash).collect()
    }

    pub fn node_named(&self, name: &str) -> Option<NodeId> {
        self.nodes.iter().find(|(_, node)| node.name == name).map(|(id, _)| *id)
    }
}

impl Run {
    pub fn must_be_shipped(&self) -> bool {
        self.stage.is_none() && self.outcome.is_none()
    }

    /// Whether the node is to be told to stop it: somebody asked, or the controller gave it up before the node
    /// said that it has it (it may have been under way).
    pub fn must_be_stopped(&self) -> bool {
        let confirmed_gone = self.gone.is_some() && !self.assumed;
        let given_up = self.stage.is_none() && self.outcome.is_some();
        !confirmed_gone && (self.stop_asked || given_up)
    }

    pub fn was_lost(&self) -> bool {
        self.outcome.as_ref().is_some_and(|outcome| outcome.ending == Ending::Lost)
    }
}
