//! One event after the other, and what must come of each.

use dscript_protocol::message::{Ending, FromNode, Outcome, Shipment, Stage, ToNode};
use dscript_protocol::{ImageHash, RunId};

use super::*;

struct Node {
    runs: Runs,
    /// The journal as the disk has it.
    entries: Vec<Entry>,
    ms: u64,
}

impl Node {
    fn new() -> Self {
        let (runs, _) = Runs::wake(Durable::default(), Now::default());
        let mut node = Self { runs, entries: Vec::new(), ms: 0 };
        node.event(Event::Connected);
        node
    }

    fn now(&self) -> Now {
        Now { wall: self.ms as i64 * 1_000_000, mono_ms: self.ms }
    }

    fn event(&mut self, event: Event) -> Vec<Effect> {
        self.ms += 1;
        let step = self.runs.step(self.now(), event);
        self.entries.extend(step.entries);
        assert_eq!(Durable::replay(self.entries.clone()), *self.runs.durable());
        step.effects
    }

    fn ship(&mut self, run: u128, order: u64, label: &str) -> Vec<Effect> {
        self.event(Event::Said(ToNode::Ship(shipment(run, order, label))))
    }

    fn restart(&mut self) -> Vec<Effect> {
        self.ms += 1;
        let (runs, step) = Runs::wake(Durable::replay(self.entries.clone()), self.now());
        self.runs = runs;
        self.entries.extend(step.entries);
        step.effects
    }

    fn ended(&mut self, run: u128, ending: Ending) -> Vec<Effect> {
        let at = self.ms as i64;
        let outcome = Outcome::new(ending, "as the engine says", at);
        self.event(Event::Ended { run: RunId(run), started: Some(at), outcome })
    }

    fn outcome(&self, run: u128) -> &Outcome {
        self.runs.durable().runs[&RunId(run)].outcome.as_ref().unwrap()
    }
}

fn shipment(run: u128, order: u64, label: &str) -> Shipment {
    let image = b"image".to_vec();
    Shipment {
        run: RunId(run),
        order,
        hash: ImageHash::of(&image),
        image,
        task: None,
        params: Vec::new(),
        label: label.into(),
    }
}

fn starts(effects: &[Effect]) -> Vec<u128> {
    effects
        .iter()
        .filter_map(|effect| if let Effect::Start(start) = effect { Some(start.run.0) } else { None })
        .collect()
}

fn stops(effects: &[Effect]) -> Vec<u128> {
    effects
        .iter()
        .filter_map(|effect| if let Effect::Stop { run } = effect { Some(run.0) } else { None })
        .collect()
}

fn reports(effects: &[Effect]) -> Vec<(u128, Stage)> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send(FromNode::Report(report)) => Some((report.run.0, report.stage)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_run_sent_twice_runs_once() {
    let mut node = Node::new();
    assert_eq!(starts(&node.ship(1, 1, "a")), [1]);
    let again = node.ship(1, 1, "a");
    assert_eq!(starts(&again), []);
    assert_eq!(reports(&again), [(1, Stage::Running)]);
    node.ended(1, Ending::True);
    node.event(Event::Gone { run: RunId(1) });
    assert_eq!(starts(&node.ship(1, 1, "a")), []);
    node.event(Event::Said(ToNode::ReportAck { run: RunId(1), stage: Stage::Gone }));
    assert!(node.runs.durable().runs.is_empty());
    assert_eq!(node.ship(1, 1, "a"), []);
    node.restart();
    assert_eq!(node.ship(1, 1, "a"), []);
}

#[test]
fn a_later_run_of_the_same_label_waits_for_the_end_of_the_one_before() {
    let mut node = Node::new();
    node.ship(1, 1, "a");
    let effects = node.ship(2, 2, "a");
    assert_eq!((starts(&effects), stops(&effects)), (vec![], vec![1]));
    assert_eq!(starts(&node.ship(9, 3, "other")), [9]);
    assert_eq!(starts(&node.ended(1, Ending::Stopped)), []);
    assert_eq!(node.outcome(1).reason, format!("replaced by run {}", "0".repeat(12)));
    assert_eq!(starts(&node.event(Event::Gone { run: RunId(1) })), [2]);
    // One that lives on after its result is replaced as well.
    node.ended(2, Ending::True);
    assert_eq!(stops(&node.ship(3, 4, "a")), [2]);
    assert_eq!(starts(&node.event(Event::Gone { run: RunId(2) })), [3]);
    assert_eq!(node.outcome(2).ending, Ending::True);
}

#[test]
fn of_three_of_a_label_the_one_in_the_middle_never_begins() {
    let mut node = Node::new();
    node.ship(1, 1, "a");
    node.ship(2, 2, "a");
    node.ship(3, 3, "a");
    assert_eq!(node.outcome(2).ending, Ending::Stopped);
    assert_eq!(starts(&node.event(Event::Gone { run: RunId(1) })), [3]);
    // An old one that comes late does not replace the new one.
    assert_eq!(starts(&node.ship(4, 2, "a")), []);
    assert_eq!(node.outcome(4).ending, Ending::Stopped);
}

#[test]
fn what_executed_when_the_node_died_is_lost_and_what_had_not_begun_begins() {
    let mut node = Node::new();
    node.ship(1, 1, "a");
    node.ship(2, 2, "b");
    node.ended(2, Ending::False);
    node.ship(3, 3, "a");
    let effects = node.restart();
    assert_eq!(starts(&effects), [3]);
    assert_eq!(node.outcome(1).ending, Ending::Lost);
    assert!(node.outcome(1).reason.contains("restarted"));
    assert_eq!(node.outcome(2).ending, Ending::False);
    let effects = node.event(Event::Connected);
    assert_eq!(reports(&effects), [(1, Stage::Gone), (2, Stage::Gone), (3, Stage::Running)]);
    assert!(matches!(&effects[0], Effect::Send(FromNode::Inventory { runs }) if runs.len() == 3));
}

#[test]
fn stopping() {
    let mut node = Node::new();
    // Stopped before it came.
    let effects = node.event(Event::Said(ToNode::Stop { run: RunId(7) }));
    assert_eq!(reports(&effects), [(7, Stage::Gone)]);
    assert_eq!(starts(&node.ship(7, 7, "a")), []);
    // Stopped while it runs.
    node.ship(8, 8, "a");
    let effects = node.event(Event::Said(ToNode::Stop { run: RunId(8) }));
    assert!(effects.contains(&Effect::Stop { run: RunId(8) }));
    node.ended(8, Ending::Stopped);
    assert_eq!(node.outcome(8).reason, "stopped by an operator");
    // The result stood before the stop came through.
    node.event(Event::Gone { run: RunId(8) });
    node.ship(9, 9, "b");
    node.event(Event::Said(ToNode::Stop { run: RunId(9) }));
    node.ended(9, Ending::True);
    assert_eq!(node.outcome(9).reason, "as the engine says");
}

#[test]
fn refusals() {
    let mut node = Node::new();
    let mut bad = shipment(1, 1, "a");
    bad.image.push(0);
    assert_eq!(starts(&node.event(Event::Said(ToNode::Ship(bad)))), []);
    assert_eq!(node.outcome(1).ending, Ending::Refused);
    node.ship(2, 2, "a");
    node.event(Event::Refused { run: RunId(2), reason: "no such task".into() });
    assert_eq!(node.outcome(2).reason, "no such task");
    assert_eq!(node.runs.durable().runs[&RunId(2)].stage, Stage::Gone);
    assert!(node.runs.durable().images_needed().is_empty());
}

#[test]
fn what_is_not_acknowledged_is_reported_again() {
    let mut node = Node::new();
    node.ship(1, 1, "a");
    node.ms += dscript_protocol::limits::RESEND_MS + 1;
    assert_eq!(reports(&node.event(Event::Tick)), [(1, Stage::Running)]);
    node.event(Event::Said(ToNode::ReportAck { run: RunId(1), stage: Stage::Running }));
    node.ms += dscript_protocol::limits::RESEND_MS + 1;
    assert_eq!(reports(&node.event(Event::Tick)), []);
    node.event(Event::Disconnected);
    assert_eq!(reports(&node.ended(1, Ending::True)), []);
    assert_eq!(reports(&node.event(Event::Connected)), [(1, Stage::Ended)]);
}
