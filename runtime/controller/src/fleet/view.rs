//! The fleet as operators see it.

use dscript_protocol::RunPrefix;
use dscript_protocol::limits::RUNS_LISTED_MAX;
use dscript_protocol::message::{NodeInfo, RunInfo, Stage, Standing};
use dscript_protocol::{NodeId, RunId};

use super::state::{Durable, Run};
use super::step::Fleet;

impl Fleet {
    pub(super) fn node_infos(&self) -> Vec<NodeInfo> {
        let durable = self.durable();
        let mut infos: Vec<NodeInfo> = durable
            .nodes
            .iter()
            .map(|(id, node)| NodeInfo {
                node: *id,
                name: node.name.clone(),
                labels: node.labels.clone(),
                software: node.software.clone(),
                connected: self.connection_of(*id).is_some(),
                heard: self.heard_of(*id),
                runs: runs_left(durable, *id),
            })
            .collect();
        infos.sort_by(|a, b| a.name.cmp(&b.name));
        infos
    }

    /// The newest so many, newest first.
    pub(super) fn run_infos(&self, limit: usize) -> Vec<RunInfo> {
        let mut runs: Vec<(&RunId, &Run)> = self.durable().runs.iter().collect();
        runs.sort_by_key(|(id, run)| (std::cmp::Reverse(run.order), **id));
        runs.truncate(limit.min(RUNS_LISTED_MAX));
        runs.into_iter().map(|(id, run)| run_info(*id, run)).collect()
    }

    pub(super) fn run_info(&self, run: RunId) -> Option<RunInfo> {
        self.durable().runs.get(&run).map(|found| run_info(run, found))
    }

    /// The only run whose id begins like that, else what to tell the operator.
    pub(super) fn find_run(&self, begins: &str) -> Result<RunId, String> {
        let prefix: RunPrefix = begins
            .parse()
            .map_err(|_| format!("`{begins}` is no run: a run is written in hexadecimal digits"))?;
        let mut fitting = self.durable().runs.keys().filter(|run| prefix.matches(**run));
        match (fitting.next(), fitting.next()) {
            (Some(run), None) => Ok(*run),
            (Some(_), Some(_)) => Err(format!("more than one run begins with `{begins}`: give more digits")),
            (None, _) => Err(format!("no run begins with `{begins}`; `dsctl runs` lists them")),
        }
    }
}

fn runs_left(durable: &Durable, node: NodeId) -> u32 {
    let left = durable.runs.values().filter(|run| run.node == node && !run.is_over()).count();
    u32::try_from(left).unwrap_or(u32::MAX)
}

fn run_info(id: RunId, run: &Run) -> RunInfo {
    let standing = match run.stage {
        _ if run.is_over() => Standing::Over,
        None => Standing::Waiting,
        Some(Stage::Accepted) => Standing::Accepted,
        Some(Stage::Running) => Standing::Running,
        Some(Stage::Ended) => Standing::LivesOn,
        Some(Stage::Gone) => Standing::Over,
    };
    RunInfo {
        run: id,
        node: run.node_name.clone(),
        label: run.label.clone(),
        task: run.task.clone(),
        hash: run.hash,
        standing,
        created: run.created,
        started: run.started,
        outcome: run.outcome.clone(),
        gone: run.gone,
        stop_asked: run.stop_asked,
    }
}
