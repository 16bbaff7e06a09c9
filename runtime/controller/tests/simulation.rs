//! Controller and nodes, the real decision code of both, on a network that drops, doubles, delays and reorders, with
//! connections that break and processes that are killed at any moment, from a printed seed.
//!
//! What must hold whatever happens: a run begins at most once; and when the trouble is over, every run has an end
//! that both sides agree on, and nothing is left running that was stopped or replaced.

use std::collections::{BTreeMap, BTreeSet};

use dscript_protocol::hello::{Greeting, NodeHello};
use dscript_protocol::limits::LOST_MS;
use dscript_protocol::message::*;
use dscript_protocol::{NodeId, RunId, Secret};
use dsctl::fleet::{self, Connection, Fleet, Request};
use dsvm::runs::{self, Runs};

const NODES: u64 = 3;
const TROUBLE_MS: u64 = 120_000;
const CALM_MS: u64 = 300_000;
const TICK_MS: u64 = 1_000;

struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// What is on its way, or will happen by itself.
#[derive(Clone)]
enum Mail {
    Hello {
        node: u64,
        connection: u64,
    },
    ToNode {
        node: u64,
        connection: u64,
        message: ToNode,
    },
    FromNode {
        connection: u64,
        message: FromNode,
    },
    Welcome {
        node: u64,
        connection: u64,
    },
    /// The body of a run ends, if the node's process is still the one that began it.
    BodyEnds {
        node: u64,
        life: u64,
        run: RunId,
    },
    BodyGone {
        node: u64,
        life: u64,
        run: RunId,
    },
}

struct Node {
    runs: Runs,
    disk: Vec<runs::Entry>,
    /// Counts the node's processes.
    life: u64,
    connection: Option<u64>,
    /// Runs whose body executes in this life, and whether they were told to stop.
    executing: BTreeMap<RunId, bool>,
    hello: NodeHello,
}

struct World {
    chance: Chance,
    ms: u64,
    trouble: bool,
    mail: BTreeMap<(u64, u64), Mail>,
    mails: u64,
    connections: u64,
    requests: u64,
    fleet: Fleet,
    disk: Vec<fleet::Entry>,
    images: BTreeMap<dscript_protocol::ImageHash, Vec<u8>>,
    nodes: Vec<Node>,
    /// How often each run's body has begun.
    begun: BTreeMap<RunId, u32>,
    /// Runs in the order in which they were shipped, by node and label.
    shipped: BTreeMap<(String, String), Vec<RunId>>,
}

impl World {
    fn new(seed: u64) -> Self {
        let now = fleet::Now { wall: 1, mono_ms: 0 };
        let fleet = Fleet::new(fleet::Durable::default(), [seed as u8; 32], now, LOST_MS);
        let mut world = Self {
            chance: Chance(seed | 1),
            ms: 0,
            trouble: false,
            mail: BTreeMap::new(),
            mails: 0,
            connections: 0,
            requests: 0,
            fleet,
            disk: Vec::new(),
            images: BTreeMap::new(),
            nodes: Vec::new(),
            begun: BTreeMap::new(),
            shipped: BTreeMap::new(),
        };
        for number in 0..NODES {
            let answers = world.ask(FromOperator::CreateToken);
            let Some(ToOperator::Token { token, .. }) = answers.into_iter().next() else {
                panic!("no token")
            };
            let hello = NodeHello {
                node: NodeId(number.into()),
                secret: Secret(format!("{number}")),
                token: Some(token),
                name: format!("n{number}"),
                labels: Vec::new(),
                software: String::new(),
            };
            let (runs, _) = Runs::wake(runs::Durable::default(), runs::Now::default());
            world.nodes.push(Node {
                runs,
                disk: Vec::new(),
                life: 0,
                connection: None,
                executing: BTreeMap::new(),
                hello,
            });
        }
        world.trouble = true;
        world
    }

    fn wall(&self) -> i64 {
        self.ms as i64 * 1_000_000 + 1
    }

    /// On its way, unless the network loses it; perhaps twice; later mail may overtake it.
    fn post(&mut self, mail: Mail, lossy: bool) {
        let copies = if !(self.trouble && lossy) {
            1
        } else if self.chance.one_in(10) {
            0
        } else if self.chance.one_in(10) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let delay = 1 + if self.trouble { self.chance.below(80) } else { 1 };
            self.later(delay, mail.clone());
        }
    }

    fn later(&mut self, delay_ms: u64, mail: Mail) {
        self.mails += 1;
        self.mail.insert((self.ms + delay_ms, self.mails), mail);
    }

    // ---- the controller ----

    fn controller(&mut self, event: fleet::Event) -> Vec<ToOperator> {
        let now = fleet::Now { wall: self.wall(), mono_ms: self.ms };
        let step = self.fleet.step(now, event);
        self.images.extend(step.images);
        self.disk.extend(step.entries);
        if self.trouble && self.chance.one_in(150) {
            // Killed between deciding and doing.
            self.controller_restarts();
            return Vec::new();
        }
        let mut answers = Vec::new();
        for effect in step.effects {
            match effect {
                fleet::Effect::Greet { connection, greeting } => {
                    assert_eq!(greeting, Greeting::Welcome);
                    if let Some(node) = self.node_of(connection.0) {
                        self.post(Mail::Welcome { node, connection: connection.0 }, false);
                    }
                }
                fleet::Effect::Send { connection, message } => self.send_to_node(connection.0, message),
                fleet::Effect::Ship { connection, mut shipment } => {
                    shipment.image = self.images[&shipment.hash].clone();
                    self.send_to_node(connection.0, ToNode::Ship(shipment));
                }
                fleet::Effect::Close { connection } => self.break_connection(connection.0),
                fleet::Effect::Answer { message, .. } => answers.push(message),
            }
        }
        answers
    }

    fn controller_restarts(&mut self) {
        let now = fleet::Now { wall: self.wall(), mono_ms: self.ms };
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.chance.next().to_le_bytes());
        self.fleet = Fleet::new(fleet::Durable::replay(self.disk.clone()), seed, now, LOST_MS);
        for number in 0..NODES {
            self.node_disconnects(number);
        }
    }

    fn ask(&mut self, message: FromOperator) -> Vec<ToOperator> {
        self.requests += 1;
        let request = Request(self.requests);
        self.controller(fleet::Event::Asked { request, message })
    }

    fn node_of(&self, connection: u64) -> Option<u64> {
        (0..NODES).find(|number| self.nodes[*number as usize].connection == Some(connection))
    }

    fn send_to_node(&mut self, connection: u64, message: ToNode) {
        if let Some(node) = self.node_of(connection) {
            self.post(Mail::ToNode { node, connection, message }, true);
        }
    }

    fn break_connection(&mut self, connection: u64) {
        if let Some(node) = self.node_of(connection) {
            self.node_disconnects(node);
        }
        let lost = fleet::Event::ConnectionLost { connection: Connection(connection) };
        self.fleet.step(fleet::Now { wall: self.wall(), mono_ms: self.ms }, lost);
    }

    // ---- nodes ----

    fn node(&mut self, number: u64, event: runs::Event) {
        let now = runs::Now { wall: self.wall(), mono_ms: self.ms };
        let step = self.nodes[number as usize].runs.step(now, event);
        self.node_does(number, step);
    }

    fn node_does(&mut self, number: u64, step: runs::Step) {
        self.nodes[number as usize].disk.extend(step.entries);
        if self.trouble && self.chance.one_in(150) {
            self.node_restarts(number);
            return;
        }
        for effect in step.effects {
            let node = &mut self.nodes[number as usize];
            match effect {
                runs::Effect::Start(start) => {
                    *self.begun.entry(start.run).or_default() += 1;
                    node.executing.insert(start.run, false);
                    let life = node.life;
                    let length = 1 + self.chance.below(20_000);
                    self.later(length, Mail::BodyEnds { node: number, life, run: start.run });
                }
                runs::Effect::Stop { run } => {
                    if let Some(stopped) = node.executing.get_mut(&run) {
                        *stopped = true;
                        let life = node.life;
                        self.later(5, Mail::BodyEnds { node: number, life, run });
                        self.later(9, Mail::BodyGone { node: number, life, run });
                    }
                }
                runs::Effect::Send(message) => {
                    if let Some(connection) = node.connection {
                        self.post(Mail::FromNode { connection, message }, true);
                    }
                }
                runs::Effect::DropImage { .. } | runs::Effect::Note { .. } => {}
            }
        }
    }

    fn node_restarts(&mut self, number: u64) {
        let now = runs::Now { wall: self.wall(), mono_ms: self.ms };
        if let Some(connection) = self.nodes[number as usize].connection.take() {
            self.break_connection(connection);
        }
        let node = &mut self.nodes[number as usize];
        node.life += 1;
        node.executing.clear();
        let (runs, step) = Runs::wake(runs::Durable::replay(node.disk.clone()), now);
        node.runs = runs;
        self.node_does(number, step);
    }

    fn node_disconnects(&mut self, number: u64) {
        if self.nodes[number as usize].connection.take().is_some() {
            self.node(number, runs::Event::Disconnected);
        }
    }

    fn node_connects(&mut self, number: u64) {
        self.connections += 1;
        let connection = self.connections;
        self.nodes[number as usize].connection = Some(connection);
        self.post(Mail::Hello { node: number, connection }, false);
    }

    // ---- time ----

    fn deliver(&mut self, mail: Mail) {
        match mail {
            Mail::Hello { node, connection } => {
                if self.nodes[node as usize].connection == Some(connection) {
                    let hello = self.nodes[node as usize].hello.clone();
                    self.controller(fleet::Event::NodeHello { connection: Connection(connection), hello });
                }
            }
            Mail::Welcome { node, connection } => {
                if self.nodes[node as usize].connection == Some(connection) {
                    self.node(node, runs::Event::Connected);
                }
            }
            Mail::ToNode { node, connection, message } => {
                if self.nodes[node as usize].connection == Some(connection) {
                    self.node(node, runs::Event::Said(message));
                }
            }
            Mail::FromNode { connection, message } => {
                if self.node_of(connection).is_some() {
                    self.controller(fleet::Event::NodeSaid { connection: Connection(connection), message });
                }
            }
            Mail::BodyEnds { node, life, run } => {
                let there = &self.nodes[node as usize];
                let Some(stopped) = there.executing.get(&run).copied().filter(|_| there.life == life) else {
                    return;
                };
                let ending = if stopped { Ending::Stopped } else { Ending::True };
                let outcome = Outcome::new(ending, ending.word(), self.wall());
                self.node(node, runs::Event::Ended { run, started: None, outcome });
                if self.chance.one_in(2) {
                    let after = 1 + self.chance.below(3_000);
                    self.later(after, Mail::BodyGone { node, life, run });
                }
            }
            Mail::BodyGone { node, life, run } => {
                let there = &mut self.nodes[node as usize];
                if there.life == life && there.executing.remove(&run).is_some() {
                    self.node(node, runs::Event::Gone { run });
                }
            }
        }
    }

    fn run_until(&mut self, end_ms: u64) {
        while self.ms < end_ms {
            let next_tick = (self.ms / TICK_MS + 1) * TICK_MS;
            match self.mail.first_key_value().map(|(key, _)| *key) {
                Some((at, number)) if at <= next_tick => {
                    self.ms = self.ms.max(at);
                    if let Some(mail) = self.mail.remove(&(at, number)) {
                        self.deliver(mail);
                    }
                }
                _ => {
                    self.ms = next_tick;
                    self.tick();
                }
            }
        }
    }

    fn tick(&mut self) {
        self.controller(fleet::Event::Tick);
        for number in 0..NODES {
            self.node(number, runs::Event::Tick);
            match self.nodes[number as usize].connection {
                None => self.node_connects(number),
                Some(connection) if self.trouble && self.chance.one_in(20) => {
                    self.break_connection(connection)
                }
                Some(connection) => self.post(Mail::FromNode { connection, message: FromNode::Ping }, false),
            }
        }
        if !self.trouble {
            return;
        }
        if self.chance.one_in(3) {
            self.ship();
        }
        if self.chance.one_in(6) {
            let all: Vec<RunId> = self.shipped.values().flatten().copied().collect();
            if !all.is_empty() {
                let run = all[self.chance.below(all.len() as u64) as usize];
                self.ask(FromOperator::StopRun { begins: run.to_string() });
            }
        }
    }

    fn ship(&mut self) {
        let order = Order {
            image: format!("image {}", self.chance.below(3)).into_bytes(),
            selector: if self.chance.one_in(2) {
                "all".into()
            } else {
                format!("name=n{}", self.chance.below(NODES))
            },
            task: None,
            params: Vec::new(),
            label: format!("task {}", self.chance.below(3)),
            wait: false,
        };
        let label = order.label.clone();
        self.ask(FromOperator::Ship(order));
        // Also what the operator did not hear of, as the controller was killed answering.
        let known: BTreeSet<RunId> = self.shipped.values().flatten().copied().collect();
        for (run, made) in &self.fleet.durable().runs {
            if !known.contains(run) {
                assert_eq!(made.label, label);
                self.shipped.entry((made.node_name.clone(), label.clone())).or_default().push(*run);
            }
        }
    }

    fn check(&self) {
        for (run, times) in &self.begun {
            assert!(*times <= 1, "run {run} began {times} times");
        }
        let durable = self.fleet.durable();
        let mut living: BTreeMap<RunId, u64> = BTreeMap::new();
        for number in 0..NODES {
            living.extend(self.nodes[number as usize].executing.keys().map(|run| (*run, number)));
        }
        for ((node, label), runs) in &self.shipped {
            for run in runs {
                let known = &durable.runs[run];
                assert!(known.outcome.is_some(), "run {run} of {label} on {node} has no end: {known:?}");
                let lives = living.contains_key(run);
                assert_eq!(known.gone.is_none(), lives, "run {run} of {label} on {node}: {known:?}");
                assert!(!(known.stop_asked && lives), "run {run} was stopped and lives");
                let began = self.begun.contains_key(run);
                let ending = known.outcome.as_ref().map(|outcome| outcome.ending);
                assert!(began || ending != Some(Ending::True), "run {run} never began and answered true");
                assert!(!known.assumed, "run {run}: the node never said how it stands");
            }
            // One of a label lives at most, and none that began later has come and gone in its place.
            let order = |run: &RunId| durable.runs[run].order;
            let alive: Vec<&RunId> = runs.iter().filter(|run| living.contains_key(run)).collect();
            assert!(alive.len() <= 1, "{label} on {node}: {alive:?} live side by side");
            if let [alive] = alive[..] {
                let later = runs.iter().find(|run| order(run) > order(alive) && self.begun.contains_key(run));
                assert_eq!(later, None, "{label} on {node}: {alive} should have been replaced");
            }
        }
        // Nothing executes that the controller does not know of.
        for run in living.keys() {
            assert!(durable.runs.contains_key(run));
        }
    }
}

fn play(seed: u64) -> usize {
    let mut world = World::new(seed);
    world.run_until(TROUBLE_MS);
    world.trouble = false;
    world.run_until(TROUBLE_MS + CALM_MS);
    world.check();
    world.begun.len()
}

#[test]
fn every_run_begins_at_most_once_and_has_an_end() {
    let told = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds: Vec<u64> = match told("SEED") {
        Some(seed) => vec![seed],
        None => (1..=told("SEEDS").unwrap_or(60)).map(|number| number * 7919).collect(),
    };
    let mut begun = 0;
    for seed in seeds {
        println!("SEED={seed}");
        begun += play(seed);
    }
    println!("{begun} runs began");
}
