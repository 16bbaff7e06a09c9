//! The messages after the greeting. Every one may be lost with its connection and sent again on the next one; each
//! is written so that getting it twice, or late, changes nothing.

use std::fmt;

use dscript_logpool::Record;
use serde::{Deserialize, Serialize};

use crate::codec::{Broken, Wire, at_most, count_fits, labels_fit, text_fits};
use crate::ids::{ImageHash, NodeId, RunId, Secret};
use crate::limits::*;

/// From a node to its controller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromNode {
    /// First on every connection: all runs the node knows of. A run that the controller thinks is there and
    /// is not in it will never be heard of again.
    Inventory {
        #[serde(deserialize_with = "at_most::<_, _, INVENTORY_MAX>")]
        runs: Vec<RunId>,
    },
    /// How a run stands. Reports of one run only ever grow; the controller keeps the furthest.
    Report(RunReport),
    /// Log records; kept by the node until `LogAck` of the same batch.
    LogBatch {
        batch: u64,
        #[serde(with = "crate::flat")]
        records: Vec<Record>,
    },
    Ping,
}

/// From the controller to a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToNode {
    /// Run this, once, however often it comes.
    Ship(Shipment),
    /// End the run and everything it started; a run not known yet will not begin.
    Stop {
        run: RunId,
    },
    /// The report up to this stage is durable; a run whose stage `Gone` is acknowledged may be forgotten.
    ReportAck {
        run: RunId,
        stage: Stage,
    },
    /// All records of the batch are durable.
    LogAck {
        batch: u64,
    },
    Pong,
}

/// A D-Task on its way to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shipment {
    pub run: RunId,
    /// Later shipments of a controller have greater numbers; near its milliseconds since 1970.
    pub order: u64,
    /// Hash over `image`.
    pub hash: ImageHash,
    #[serde(with = "crate::codec::bytes")]
    pub image: Vec<u8>,
    /// `None`: the script, else the only task.
    pub task: Option<String>,
    #[serde(deserialize_with = "at_most::<_, _, PARAMS_MAX>")]
    pub params: Vec<(String, String)>,
    /// What it is called on the node: a later run of the same label replaces this one.
    pub label: String,
}

/// How far a run has come on its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Stage {
    /// The node has it, durably.
    Accepted,
    /// The body runs.
    Running,
    /// The result stands; what the task started may live on.
    Ended,
    /// Nothing of it is left.
    Gone,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Ending {
    True,
    False,
    Failed,
    TimedOut,
    Stopped,
    Refused,
    Lost,
}

impl Ending {
    pub fn word(self) -> &'static str {
        match self {
            Ending::True => "true",
            Ending::False => "false",
            Ending::Failed => "failed",
            Ending::TimedOut => "timed out",
            Ending::Stopped => "stopped",
            Ending::Refused => "refused",
            Ending::Lost => "lost",
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// The result of a run, with why. Times are nanoseconds since 1970 UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub ending: Ending,
    pub reason: String,
    pub at: i64,
}

impl Outcome {
    pub fn new(ending: Ending, reason: impl Into<String>, at: i64) -> Self {
        Self { ending, reason: cut(reason.into(), REASON_BYTES_MAX), at }
    }
}

/// `text`, not longer than `bytes`; what was cut is said.
pub fn cut(mut text: String, bytes: usize) -> String {
    const MARK: &str = " ... (cut)";
    if text.len() > bytes {
        let mut end = bytes.saturating_sub(MARK.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(MARK);
    }
    text
}

/// Everything the node knows of a run: whole, so that one report replaces all before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    pub run: RunId,
    pub stage: Stage,
    pub started: Option<i64>,
    /// There from `Ended` on.
    pub outcome: Option<Outcome>,
    /// There at `Gone`.
    pub gone: Option<i64>,
}

/// From an operator: one request a connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromOperator {
    CreateToken,
    ListNodes,
    /// Drops a node that will not come back; its runs are lost.
    ForgetNode {
        name: String,
    },
    Ship(Order),
    ListRuns {
        limit: u32,
    },
    /// `begins`: digits with which only one run's id begins.
    ShowRun {
        begins: String,
    },
    StopRun {
        begins: String,
    },
    QueryLog(LogQuery),
    /// Aggregates of what a query finds. The answer is a record for each group (see `LogStats`).
    StatsLog {
        query: LogQuery,
        stats: LogStats,
    },
    /// As a query, and then what comes, until the operator goes.
    TailLog(LogQuery),
    /// `skip_damaged`: as in a query.
    ListPools {
        skip_damaged: bool,
    },
    /// All records that fit, in no order that counts.
    ExportLog(LogQuery),
}

/// What an operator wants shipped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    #[serde(with = "crate::codec::bytes")]
    pub image: Vec<u8>,
    pub selector: String,
    /// The task as the image names it; `None` for the script.
    pub task: Option<String>,
    #[serde(deserialize_with = "at_most::<_, _, PARAMS_MAX>")]
    pub params: Vec<(String, String)>,
    pub label: String,
    /// Keep the connection until all runs have ended, with a `Run` at each change.
    pub wait: bool,
}

/// Which log records; what is `None` selects nothing away. Times are nanoseconds since 1970 UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogQuery {
    pub pool: Option<String>,
    pub key: Option<String>,
    pub node: Option<String>,
    pub task: Option<String>,
    pub run: Option<String>,
    pub since: Option<i64>,
    pub until: Option<i64>,
    /// An expression that must be true of a record, as the LogPool reads it.
    pub condition: Option<String>,
    /// This many: the first in the order asked for, or else the newest.
    pub limit: Option<u64>,
    /// In which order, as the LogPool reads it: of records, or of the groups of aggregates.
    pub order: Option<String>,
    /// Whether the answer is made without what is damaged, rather than not at all.
    pub skip_damaged: bool,
    /// The fields that the records are given with; all where none is named.
    pub fields: Vec<String>,
}

/// Which aggregates, as the LogPool reads them. Each group is answered by a record: the beginning of its window as
/// the time, and as fields what it has in common and then the aggregates, in the order asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogStats {
    /// `avg(us), p99(wa)`
    pub aggregates: String,
    /// `node, key`; may be empty.
    pub by: String,
    /// The length of the windows in nanoseconds.
    pub every: Option<i64>,
}

/// The answers to an operator, in order; `Done` or `Refused` is the last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToOperator {
    Token {
        token: Secret,
        hours: u32,
    },
    Nodes(Vec<NodeInfo>),
    /// The runs asked for, or those that a `Ship` began.
    Runs(Vec<RunInfo>),
    /// A run waited for has changed.
    Run(RunInfo),
    Records(#[serde(with = "crate::flat")] Vec<Record>),
    Keys(Vec<KeyInfo>),
    /// What the records of the answer were found without.
    Skipped(Vec<Skipped>),
    /// What may be wrong with a question that was answered, in words.
    Doubts(Vec<String>),
    Done,
    Refused {
        reason: String,
    },
}

/// A node as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInfo {
    pub node: NodeId,
    pub name: String,
    #[serde(deserialize_with = "at_most::<_, _, LABELS_MAX>")]
    pub labels: Vec<(String, String)>,
    pub software: String,
    pub connected: bool,
    /// When something came from it last; `None`: not since the controller started.
    pub heard: Option<i64>,
    /// Runs of which something is left there.
    pub runs: u32,
}

/// Where a run stands, as operators see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Standing {
    /// The node does not have it yet.
    Waiting,
    /// The node has it and not begun.
    Accepted,
    Running,
    /// The result stands, and what the task started lives on.
    LivesOn,
    /// Nothing of it is left.
    Over,
}

/// A run as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInfo {
    pub run: RunId,
    pub node: String,
    pub label: String,
    pub task: Option<String>,
    pub hash: ImageHash,
    pub standing: Standing,
    pub created: i64,
    pub started: Option<i64>,
    pub outcome: Option<Outcome>,
    pub gone: Option<i64>,
    /// An operator asked for its end.
    pub stop_asked: bool,
}

impl RunInfo {
    /// One word or two for tables: the result if there is one.
    pub fn word(&self) -> &'static str {
        match (&self.outcome, self.standing) {
            (Some(outcome), _) => outcome.ending.word(),
            (None, Standing::Waiting) => "waiting",
            (None, Standing::Accepted) => "accepted",
            (None, _) => "running",
        }
    }

    /// Nanoseconds from the first instruction to the result.
    pub fn duration(&self) -> Option<i64> {
        Some(self.outcome.as_ref()?.at.saturating_sub(self.started?))
    }
}

/// One key of a pool of the controller's LogPool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInfo {
    pub pool: String,
    pub key: String,
    pub nodes: Vec<String>,
    pub records: u64,
    /// Time of the first record and of the last.
    pub first: i64,
    pub last: i64,
}

/// Something damaged that an answer was made without.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    pub file: String,
    /// What of the file, in words.
    pub what: String,
    /// How many records it has, whether they were wanted or not; `None`: nobody knows.
    pub records: Option<u64>,
}

impl From<dscript_logpool::Skipped> for Skipped {
    fn from(skipped: dscript_logpool::Skipped) -> Skipped {
        let dscript_logpool::Skipped { path, what, records } = skipped;
        Skipped { file: path.display().to_string(), what, records }
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.what)?;
        match self.records {
            Some(1) => f.write_str(" (1 record)"),
            Some(count) => write!(f, " ({count} records)"),
            None => f.write_str(" (an unknown number of records)"),
        }
    }
}

fn params_fit(params: &[(String, String)]) -> Result<(), Broken> {
    count_fits("parameters", params.len(), PARAMS_MAX)?;
    params.iter().try_for_each(|(name, value)| {
        text_fits("parameter name", name, NAME_BYTES_MAX)?;
        text_fits("parameter", value, PARAM_BYTES_MAX)
    })
}

fn task_fits(task: Option<&String>, label: &str) -> Result<(), Broken> {
    if label.is_empty() {
        return Err(Broken("a run needs a label"));
    }
    text_fits("label", label, NAME_BYTES_MAX)?;
    task.map_or(Ok(()), |task| text_fits("task", task, NAME_BYTES_MAX))
}

fn image_fits(image: &[u8]) -> Result<(), Broken> {
    count_fits("image bytes", image.len(), IMAGE_BYTES_MAX)
}

fn outcome_fits(outcome: Option<&Outcome>) -> Result<(), Broken> {
    outcome.map_or(Ok(()), |outcome| text_fits("reason", &outcome.reason, REASON_BYTES_MAX))
}

impl Wire for FromNode {
    const BYTES_MAX: usize = NODE_FRAME_BYTES_MAX;

    fn check(&self) -> Result<(), Broken> {
        match self {
            FromNode::Inventory { runs } => count_fits("runs", runs.len(), INVENTORY_MAX),
            FromNode::Report(report) => {
                if (report.stage >= Stage::Ended) != report.outcome.is_some()
                    || (report.stage == Stage::Gone) != report.gone.is_some()
                {
                    return Err(Broken("a report has its outcome from `Ended` on and its end at `Gone`"));
                }
                outcome_fits(report.outcome.as_ref())
            }
            FromNode::LogBatch { records, .. } => count_fits("records", records.len(), BATCH_RECORDS_MAX),
            FromNode::Ping => Ok(()),
        }
    }
}

impl Wire for ToNode {
    const BYTES_MAX: usize = FRAME_BYTES_MAX;

    fn check(&self) -> Result<(), Broken> {
        match self {
            ToNode::Ship(shipment) => {
                image_fits(&shipment.image)?;
                params_fit(&shipment.params)?;
                task_fits(shipment.task.as_ref(), &shipment.label)
            }
            _ => Ok(()),
        }
    }
}

impl Wire for FromOperator {
    const BYTES_MAX: usize = FRAME_BYTES_MAX;

    fn check(&self) -> Result<(), Broken> {
        match self {
            FromOperator::Ship(order) => {
                image_fits(&order.image)?;
                params_fit(&order.params)?;
                text_fits("selector", &order.selector, SELECTOR_BYTES_MAX)?;
                task_fits(order.task.as_ref(), &order.label)
            }
            FromOperator::ShowRun { begins: text } | FromOperator::StopRun { begins: text } => {
                text_fits("run", text, NAME_BYTES_MAX)
            }
            FromOperator::ForgetNode { name } => text_fits("node", name, NAME_BYTES_MAX),
            FromOperator::QueryLog(query) | FromOperator::TailLog(query) | FromOperator::ExportLog(query) => {
                query_fits(query)
            }
            FromOperator::StatsLog { query, stats } => {
                text_fits("stats", &stats.aggregates, CONDITION_BYTES_MAX)?;
                text_fits("by", &stats.by, CONDITION_BYTES_MAX)?;
                query_fits(query)
            }
            _ => Ok(()),
        }
    }
}

fn query_fits(query: &LogQuery) -> Result<(), Broken> {
    for (what, text) in [("condition", &query.condition), ("order", &query.order)] {
        text.as_ref().map_or(Ok(()), |text| text_fits(what, text, CONDITION_BYTES_MAX))?;
    }
    [&query.pool, &query.key, &query.node, &query.task, &query.run]
        .into_iter()
        .flatten()
        .try_for_each(|text| text_fits("query", text, SELECTOR_BYTES_MAX))
}

impl Wire for ToOperator {
    const BYTES_MAX: usize = FRAME_BYTES_MAX;

    fn check(&self) -> Result<(), Broken> {
        match self {
            ToOperator::Runs(runs) => {
                count_fits("runs", runs.len(), RUNS_LISTED_MAX)?;
                runs.iter().try_for_each(|run| outcome_fits(run.outcome.as_ref()))
            }
            ToOperator::Run(run) => outcome_fits(run.outcome.as_ref()),
            ToOperator::Nodes(nodes) => {
                count_fits("nodes", nodes.len(), NODES_MAX)?;
                nodes.iter().try_for_each(|node| labels_fit(&node.labels))
            }
            ToOperator::Refused { reason } => text_fits("reason", reason, REASON_BYTES_MAX),
            _ => Ok(()),
        }
    }
}
