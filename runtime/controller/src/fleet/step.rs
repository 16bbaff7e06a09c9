//! The controller's decisions: an event comes in, entries for the journal and effects come out. Whoever calls it
//! makes images and entries durable first, in that order, and only then carries out the effects.

use std::collections::{BTreeMap, BTreeSet};

use dscript_protocol::hello::{Greeting, NodeHello};
use dscript_protocol::limits::*;
use dscript_protocol::message::*;
use dscript_protocol::units::spoken;
use dscript_protocol::{ImageHash, NodeId, RunId};

use super::state::{Durable, Entry, Node};

/// A node's connection, new for each one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Connection(pub u64);

/// An operator's request, new for each one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Request(pub u64);

/// The time: what people call it, and one that never jumps, for leases.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// Nanoseconds since 1970 UTC.
    pub wall: i64,
    pub mono_ms: u64,
}

#[derive(Clone, Debug)]
pub enum Event {
    NodeHello { connection: Connection, hello: NodeHello },
    NodeSaid { connection: Connection, message: FromNode },
    ConnectionLost { connection: Connection },
    Asked { request: Request, message: FromOperator },
    AskerGone { request: Request },
    Tick,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    Greet {
        connection: Connection,
        greeting: Greeting,
    },
    Send {
        connection: Connection,
        message: ToNode,
    },
    /// Send this with the image of its hash put in.
    Ship {
        connection: Connection,
        shipment: Shipment,
    },
    Close {
        connection: Connection,
    },
    Answer {
        request: Request,
        message: ToOperator,
    },
}

/// What a step decided.
#[derive(Debug, Default)]
pub struct Step {
    pub images: Vec<(ImageHash, Vec<u8>)>,
    pub entries: Vec<Entry>,
    pub effects: Vec<Effect>,
}

/// The controller's mind: the durable state and what is only true while this process lives.
pub struct Fleet {
    pub(super) durable: Durable,
    connections: BTreeMap<Connection, Link>,
    by_node: BTreeMap<NodeId, Connection>,
    /// When something came from a node last; from the start of the controller on.
    heard: BTreeMap<NodeId, Now>,
    started_ms: u64,
    /// Runs that an operator waits for.
    pub(super) waits: BTreeMap<Request, BTreeSet<RunId>>,
    lost_ms: u64,
    seed: [u8; 32],
    drawn: u64,
}

struct Link {
    node: NodeId,
    heard_ms: u64,
    /// Runs reported on this connection that are not gone: an inventory that comes late may not have them.
    reported: BTreeSet<RunId>,
    /// What was sent and waits for a report, and when.
    sent: BTreeMap<RunId, u64>,
}

impl Fleet {
    /// `seed` makes tokens and ids of runs, and must be secret and new in each process.
    pub fn new(durable: Durable, seed: [u8; 32], now: Now, lost_ms: u64) -> Self {
        Self {
            durable,
            connections: BTreeMap::new(),
            by_node: BTreeMap::new(),
            heard: BTreeMap::new(),
            started_ms: now.mono_ms,
            waits: BTreeMap::new(),
            lost_ms,
            seed,
            drawn: 0,
        }
    }

    pub fn durable(&self) -> &Durable {
        &self.durable
    }

    /// Forgets old runs; to be followed by a snapshot, as no entry says so.
    pub fn prune(&mut self) {
        self.durable.prune();
    }

    pub(super) fn connection_of(&self, node: NodeId) -> Option<Connection> {
        self.by_node.get(&node).copied()
    }

    pub(super) fn heard_of(&self, node: NodeId) -> Option<i64> {
        self.heard.get(&node).map(|now| now.wall)
    }

    /// The node at the other end, if the connection is welcome.
    pub fn node_at(&self, connection: Connection) -> Option<NodeId> {
        self.connections.get(&connection).map(|link| link.node)
    }

    pub fn step(&mut self, now: Now, event: Event) -> Step {
        let mut step = Step::default();
        match event {
            Event::NodeHello { connection, hello } => self.greet(now, connection, hello, &mut step),
            Event::NodeSaid { connection, message } => self.hear(now, connection, message, &mut step),
            Event::ConnectionLost { connection } => self.drop_connection(connection),
            Event::Asked { request, message } => {
                if let Err(reason) = self.answer(now, request, message, &mut step) {
                    step.effects.push(Effect::Answer { request, message: ToOperator::Refused { reason } });
                }
            }
            Event::AskerGone { request } => {
                self.waits.remove(&request);
            }
            Event::Tick => self.tick(now, &mut step),
        }
        step
    }

    pub(super) fn decide(&mut self, entry: Entry, step: &mut Step) {
        self.durable.apply(entry.clone());
        step.entries.push(entry);
    }

    pub(super) fn draw(&mut self) -> [u8; 32] {
        self.drawn += 1;
        let mut hasher = blake3::Hasher::new_keyed(&self.seed);
        hasher.update(&self.drawn.to_le_bytes());
        *hasher.finalize().as_bytes()
    }

    // ---- nodes ----

    fn greet(&mut self, now: Now, connection: Connection, hello: NodeHello, step: &mut Step) {
        match self.admit(now, &hello, step) {
            Ok(()) => {
                if let Some(old) = self.by_node.get(&hello.node).copied() {
                    self.drop_connection(old);
                    step.effects.push(Effect::Close { connection: old });
                }
                let link = Link {
                    node: hello.node,
                    heard_ms: now.mono_ms,
                    reported: BTreeSet::new(),
                    sent: BTreeMap::new(),
                };
                self.connections.insert(connection, link);
                self.by_node.insert(hello.node, connection);
                self.heard.insert(hello.node, now);
                step.effects.push(Effect::Greet { connection, greeting: Greeting::Welcome });
                self.send_what_is_due(now, connection, step);
            }
            Err((reason, again)) => {
                step.effects
                    .push(Effect::Greet { connection, greeting: Greeting::Refused { reason, again } });
                step.effects.push(Effect::Close { connection });
            }
        }
    }

    /// Lets a node in that is known by its secret or has a token; the flag of the error says whether the same
    /// hello may be taken later.
    fn admit(&mut self, now: Now, hello: &NodeHello, step: &mut Step) -> Result<(), (String, bool)> {
        let as_node = Node {
            name: hello.name.clone(),
            labels: hello.labels.clone(),
            software: hello.software.clone(),
            secret: hello.secret.hash(),
        };
        let name = &hello.name;
        let known = self.durable.nodes.get(&hello.node);
        if known.is_some_and(|known| known.secret != as_node.secret) {
            return Err(("the node's secret is not the one it joined with".into(), false));
        }
        let used_token = if known.is_some() {
            None
        } else {
            let Some(token) = &hello.token else {
                let reason =
                    "this node is not known here: start it once with a join token (`dsctl token` makes one)";
                return Err((reason.into(), false));
            };
            let hash = token.hash();
            match self.durable.tokens.get(&hash) {
                Some(&until_ms) if wall_ms(now) < until_ms => Some(hash),
                _ => {
                    let reason =
                        "the join token is not known, used up or too old: `dsctl token` makes a new one";
                    return Err((reason.into(), false));
                }
            }
        };
        let same_name = self.durable.node_named(name).filter(|&other| other != hello.node);
        if let Some(other) = same_name {
            if used_token.is_none() || self.by_node.contains_key(&other) {
                let reason = format!("another node is called `{name}`: give this one its own --name");
                return Err((reason, used_token.is_none()));
            }
            // The machine was set up anew; what the old one knew is gone.
            self.forget(
                now,
                other,
                &format!("node {name} joined anew, its runs are not known any more"),
                step,
            );
        }
        if self.durable.nodes.len() >= NODES_MAX && !self.durable.nodes.contains_key(&hello.node) {
            return Err((format!("there are {NODES_MAX} nodes already"), true));
        }
        if self.durable.nodes.get(&hello.node) != Some(&as_node) {
            self.decide(Entry::NodeJoined { node: hello.node, as_node, used_token }, step);
        }
        Ok(())
    }

    pub(super) fn forget(&mut self, now: Now, node: NodeId, why: &str, step: &mut Step) {
        let runs: Vec<RunId> = self
            .durable
            .runs
            .iter()
            .filter(|(_, run)| run.node == node && !run.is_over())
            .map(|(id, _)| *id)
            .collect();
        for run in runs {
            self.assume(run, Outcome::new(Ending::Lost, why, now.wall), step);
        }
        if let Some(connection) = self.by_node.get(&node).copied() {
            self.drop_connection(connection);
            step.effects.push(Effect::Close { connection });
        }
        self.heard.remove(&node);
        self.decide(Entry::NodeForgotten { node }, step);
    }

    fn drop_connection(&mut self, connection: Connection) {
        if let Some(link) = self.connections.remove(&connection)
            && self.by_node.get(&link.node) == Some(&connection)
        {
            self.by_node.remove(&link.node);
        }
    }

    fn hear(&mut self, now: Now, connection: Connection, message: FromNode, step: &mut Step) {
        let Some(link) = self.connections.get_mut(&connection) else { return };
        link.heard_ms = now.mono_ms;
        let node = link.node;
        self.heard.insert(node, now);
        match message {
            FromNode::Ping => step.effects.push(Effect::Send { connection, message: ToNode::Pong }),
            FromNode::LogBatch { .. } => {}
            FromNode::Inventory { runs } => self.compare(now, connection, node, runs, step),
            FromNode::Report(report) => self.take_report(now, connection, node, report, step),
        }
    }

    /// Runs that the node had and knows nothing of any more are lost.
    fn compare(&mut self, now: Now, connection: Connection, node: NodeId, runs: Vec<RunId>, step: &mut Step) {
        let there: BTreeSet<RunId> = runs.into_iter().collect();
        let Some(link) = self.connections.get(&connection) else { return };
        let missing: Vec<RunId> = self
            .durable
            .runs
            .iter()
            .filter(|(_, run)| run.node == node && run.stage.is_some() && run.stage != Some(Stage::Gone))
            .filter(|(id, run)| !there.contains(id) && !link.reported.contains(id) && !run.is_over())
            .map(|(id, _)| *id)
            .collect();
        for run in missing {
            let why = "the node does not know the run any more: its data was lost";
            self.assume(run, Outcome::new(Ending::Lost, why, now.wall), step);
        }
    }

    fn take_report(
        &mut self,
        now: Now,
        connection: Connection,
        node: NodeId,
        report: RunReport,
        step: &mut Step,
    ) {
        let (run, stage) = (report.run, report.stage);
        if let Some(link) = self.connections.get_mut(&connection) {
            if stage == Stage::Gone {
                link.reported.remove(&run);
            } else {
                link.reported.insert(run);
            }
        }
        let ack = Effect::Send { connection, message: ToNode::ReportAck { run, stage } };
        let news = self.durable.runs.get(&run).is_some_and(|known| {
            known.node == node && (known.stage < Some(stage) || known.assumed && known.stage == Some(stage))
        });
        if news {
            self.decide(Entry::Reported(report), step);
        }
        step.effects.push(ack);
        // An old report answers nothing: what was sent since may have been lost and is sent again in time.
        let due =
            self.durable.runs.get(&run).is_some_and(|run| run.must_be_shipped() || run.must_be_stopped());
        if (news || !due)
            && let Some(link) = self.connections.get_mut(&connection)
        {
            link.sent.remove(&run);
        }
        if news {
            self.tell_waiting(run, step);
            self.send_due(now, connection, run, step);
        }
    }

    // ---- runs ----

    pub(super) fn assume(&mut self, run: RunId, outcome: Outcome, step: &mut Step) {
        self.decide(Entry::Assumed { run, outcome }, step);
        self.tell_waiting(run, step);
    }

    /// Everything the node at this connection should know, oldest run first.
    fn send_what_is_due(&mut self, now: Now, connection: Connection, step: &mut Step) {
        let Some(node) = self.node_at(connection) else { return };
        let mut due: Vec<(u64, RunId)> = self
            .durable
            .runs
            .iter()
            .filter(|(_, run)| run.node == node && (run.must_be_shipped() || run.must_be_stopped()))
            .map(|(id, run)| (run.order, *id))
            .collect();
        due.sort_unstable();
        for (_, run) in due {
            self.send_due(now, connection, run, step);
        }
    }

    pub(super) fn send_due(&mut self, now: Now, connection: Connection, id: RunId, step: &mut Step) {
        let Some(link) = self.connections.get_mut(&connection) else { return };
        let Some(run) = self.durable.runs.get(&id) else { return };
        if run.must_be_shipped() {
            let shipment = Shipment {
                run: id,
                order: run.order,
                hash: run.hash,
                image: Vec::new(),
                task: run.task.clone(),
                params: run.params.clone(),
                label: run.label.clone(),
            };
            step.effects.push(Effect::Ship { connection, shipment });
            link.sent.insert(id, now.mono_ms);
        }
        if run.must_be_stopped() {
            step.effects.push(Effect::Send { connection, message: ToNode::Stop { run: id } });
            link.sent.insert(id, now.mono_ms);
        }
    }

    fn tell_waiting(&mut self, run: RunId, step: &mut Step) {
        let Some(info) = self.run_info(run) else { return };
        let waiting: Vec<Request> =
            self.waits.iter().filter(|(_, runs)| runs.contains(&run)).map(|(request, _)| *request).collect();
        for request in waiting {
            step.effects.push(Effect::Answer { request, message: ToOperator::Run(info.clone()) });
            self.finish_wait(request, step);
        }
    }

    pub(super) fn finish_wait(&mut self, request: Request, step: &mut Step) {
        let Some(runs) = self.waits.get(&request) else { return };
        let all_stand =
            runs.iter().all(|run| self.durable.runs.get(run).is_none_or(|found| found.outcome.is_some()));
        if all_stand {
            self.waits.remove(&request);
            step.effects.push(Effect::Answer { request, message: ToOperator::Done });
        }
    }

    // ---- time ----

    fn tick(&mut self, now: Now, step: &mut Step) {
        let silent: Vec<Connection> = self
            .connections
            .iter()
            .filter(|(_, link)| now.mono_ms.saturating_sub(link.heard_ms) > SILENCE_MS_MAX)
            .map(|(connection, _)| *connection)
            .collect();
        for connection in silent {
            self.drop_connection(connection);
            step.effects.push(Effect::Close { connection });
        }
        self.end_leases(now, step);
        self.send_again(now, step);
        let old: Vec<ImageHash> = self
            .durable
            .tokens
            .iter()
            .filter(|(_, until_ms)| **until_ms <= wall_ms(now))
            .map(|(hash, _)| *hash)
            .collect();
        for hash in old {
            self.decide(Entry::TokenExpired { hash }, step);
        }
    }

    /// Nothing is running for ever: a node not heard of for too long loses its runs, until it says otherwise.
    fn end_leases(&mut self, now: Now, step: &mut Step) {
        let mut ends = Vec::new();
        for (id, run) in self.durable.runs.iter().filter(|(_, run)| !run.is_over()) {
            if self.by_node.contains_key(&run.node) {
                continue;
            }
            let heard_ms = self.heard.get(&run.node).map_or(self.started_ms, |heard| heard.mono_ms);
            let silent_ms = now.mono_ms.saturating_sub(heard_ms);
            let waiting_ms = now.wall.saturating_sub(run.created).max(0) as u64 / 1_000_000;
            // A run made while the node was away already has a lease of its own.
            if silent_ms.min(waiting_ms) > self.lost_ms {
                ends.push((*id, silent_ms));
            }
        }
        for (run, silent_ms) in ends {
            let silent = spoken(i64::try_from(silent_ms).unwrap_or(i64::MAX).saturating_mul(1_000_000));
            let why = format!("nothing was heard from the node for {silent}");
            self.assume(run, Outcome::new(Ending::Lost, why, now.wall), step);
        }
    }

    fn send_again(&mut self, now: Now, step: &mut Step) {
        let mut again = Vec::new();
        for (connection, link) in &self.connections {
            for (run, sent_ms) in &link.sent {
                if now.mono_ms.saturating_sub(*sent_ms) > RESEND_MS {
                    again.push((*connection, *run));
                }
            }
        }
        for (connection, run) in again {
            if let Some(link) = self.connections.get_mut(&connection) {
                link.sent.remove(&run);
            }
            self.send_due(now, connection, run, step);
        }
    }
}

pub(super) fn wall_ms(now: Now) -> u64 {
    u64::try_from(now.wall / 1_000_000).unwrap_or(0)
}
