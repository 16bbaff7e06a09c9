//! One event after the other, and what must come of each. The whole fleet on a bad network is in
//! `tests/simulation.rs`.

use dscript_protocol::hello::{Greeting, NodeHello};
use dscript_protocol::limits::*;
use dscript_protocol::message::*;
use dscript_protocol::{NodeId, RunId, Secret};

use super::*;

struct Controller {
    fleet: Fleet,
    entries: Vec<Entry>,
    now: Now,
    requests: u64,
}

impl Controller {
    fn new() -> Self {
        let now = Now { wall: 1_000_000_000_000_000_000, mono_ms: 5 };
        let fleet = Fleet::new(Durable::default(), [7; 32], now, LOST_MS);
        Self { fleet, entries: Vec::new(), now, requests: 0 }
    }

    fn pass(&mut self, ms: u64) {
        self.now.mono_ms += ms;
        self.now.wall += ms as i64 * 1_000_000;
    }

    fn event(&mut self, event: Event) -> Vec<Effect> {
        self.pass(1);
        let step = self.fleet.step(self.now, event);
        self.entries.extend(step.entries);
        assert_eq!(Durable::replay(self.entries.clone()), *self.fleet.durable());
        step.effects
    }

    fn restart(&mut self) {
        self.pass(1);
        self.fleet = Fleet::new(Durable::replay(self.entries.clone()), [8; 32], self.now, LOST_MS);
    }

    fn ask(&mut self, message: FromOperator) -> Vec<ToOperator> {
        self.requests += 1;
        let request = Request(self.requests);
        answers(self.event(Event::Asked { request, message }))
    }

    fn token(&mut self) -> Secret {
        match &self.ask(FromOperator::CreateToken)[..] {
            [ToOperator::Token { token, .. }, ToOperator::Done] => token.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn hello(&mut self, connection: u64, hello: NodeHello) -> (Greeting, Vec<Effect>) {
        let mut effects = self.event(Event::NodeHello { connection: Connection(connection), hello });
        let place = effects.iter().position(|effect| matches!(effect, Effect::Greet { .. })).unwrap();
        match effects.remove(place) {
            Effect::Greet { greeting, .. } => (greeting, effects),
            _ => unreachable!("just found"),
        }
    }

    fn join(&mut self, number: u64) {
        let mut hello = hello(number);
        hello.token = Some(self.token());
        assert_eq!(self.hello(number, hello).0, Greeting::Welcome);
    }

    fn ship(&mut self, label: &str, selector: &str) -> (Vec<RunInfo>, Vec<ToOperator>) {
        let order = Order {
            image: b"image".to_vec(),
            selector: selector.into(),
            task: None,
            params: Vec::new(),
            label: label.into(),
            wait: false,
        };
        let mut answers = self.ask(FromOperator::Ship(order));
        match answers.remove(0) {
            ToOperator::Runs(runs) => (runs, answers),
            other => (Vec::new(), vec![other]),
        }
    }

    fn report(&mut self, connection: u64, run: RunId, stage: Stage, ending: Ending) -> Vec<Effect> {
        let at = self.now.wall;
        let report = RunReport {
            run,
            stage,
            started: Some(at),
            outcome: (stage >= Stage::Ended).then(|| Outcome::new(ending, "as the node says", at)),
            gone: (stage == Stage::Gone).then_some(at),
        };
        let message = FromNode::Report(report);
        self.event(Event::NodeSaid { connection: Connection(connection), message })
    }

    fn info(&mut self, run: RunId) -> RunInfo {
        match &self.ask(FromOperator::ShowRun { begins: run.to_string() })[..] {
            [ToOperator::Runs(runs), ToOperator::Done] => runs[0].clone(),
            other => panic!("{other:?}"),
        }
    }

    fn ending(&mut self, run: RunId) -> Option<Ending> {
        self.info(run).outcome.map(|outcome| outcome.ending)
    }
}

fn hello(number: u64) -> NodeHello {
    NodeHello {
        node: NodeId(number.into()),
        secret: Secret(format!("secret {number}")),
        token: None,
        name: format!("node-{number}"),
        labels: vec![("parity".into(), if number.is_multiple_of(2) { "even" } else { "odd" }.into())],
        software: "test".into(),
    }
}

fn answers(effects: Vec<Effect>) -> Vec<ToOperator> {
    effects
        .into_iter()
        .filter_map(|effect| if let Effect::Answer { message, .. } = effect { Some(message) } else { None })
        .collect()
}

fn shipped(effects: &[Effect]) -> Vec<RunId> {
    effects
        .iter()
        .filter_map(
            |effect| if let Effect::Ship { shipment, .. } = effect { Some(shipment.run) } else { None },
        )
        .collect()
}

fn stops(effects: &[Effect]) -> Vec<RunId> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send { message: ToNode::Stop { run }, .. } => Some(*run),
            _ => None,
        })
        .collect()
}

#[test]
fn a_token_lets_one_node_in_once() {
    let mut controller = Controller::new();
    let token = controller.token();
    assert!(matches!(controller.hello(1, hello(1)).0, Greeting::Refused { again: false, .. }));
    let mut with_token = hello(1);
    with_token.token = Some(token.clone());
    assert_eq!(controller.hello(2, with_token.clone()).0, Greeting::Welcome);
    // The same hello again: the welcome was lost on its way.
    assert_eq!(controller.hello(3, with_token).0, Greeting::Welcome);
    let mut thief = hello(9);
    thief.token = Some(token);
    assert!(matches!(controller.hello(4, thief).0, Greeting::Refused { again: false, .. }));
    // From then on its secret is enough, and another secret is not.
    controller.restart();
    assert_eq!(controller.hello(5, hello(1)).0, Greeting::Welcome);
    let mut liar = hello(1);
    liar.secret = Secret("another".into());
    assert!(matches!(controller.hello(6, liar).0, Greeting::Refused { again: false, .. }));
    // Only the token's hash is kept.
    assert!(!format!("{:?}", controller.entries).contains("secret 1"));
}

#[test]
fn tokens_grow_old() {
    let mut controller = Controller::new();
    let mut late = hello(1);
    late.token = Some(controller.token());
    controller.pass(TOKEN_MS + 1);
    assert!(matches!(controller.hello(1, late).0, Greeting::Refused { .. }));
    controller.event(Event::Tick);
    assert!(controller.fleet.durable().tokens.is_empty());
}

#[test]
fn a_machine_set_up_anew_takes_its_name_back_when_the_old_one_is_away() {
    let mut controller = Controller::new();
    controller.join(1);
    let (runs, _) = controller.ship("a", "all");
    let mut anew = hello(7);
    anew.name = "node-1".into();
    anew.token = Some(controller.token());
    assert!(matches!(controller.hello(2, anew.clone()).0, Greeting::Refused { .. }));
    controller.event(Event::ConnectionLost { connection: Connection(1) });
    assert_eq!(controller.hello(3, anew).0, Greeting::Welcome);
    assert_eq!(controller.ending(runs[0].run), Some(Ending::Lost));
    assert_eq!(controller.fleet.durable().nodes.len(), 1);
}

#[test]
fn ships_to_those_selected_now_or_when_they_come_back() {
    let mut controller = Controller::new();
    assert!(
        matches!(&controller.ship("a", "all").1[0], ToOperator::Refused { reason } if reason.contains("token"))
    );
    (1..=4).for_each(|number| controller.join(number));
    controller.event(Event::ConnectionLost { connection: Connection(2) });
    let (runs, _) = controller.ship("a", "parity=even");
    let names: Vec<&str> = runs.iter().map(|run| run.node.as_str()).collect();
    assert_eq!(names, ["node-2", "node-4"]);
    assert!(controller.ship("a", "parity=none").0.is_empty());
    assert!(controller.ship("a", "nonsense").0.is_empty());
    let (_, effects) = controller.hello(12, hello(2));
    assert_eq!(shipped(&effects), [runs[0].run]);
    // Not after the node has it, but again before that.
    controller.report(12, runs[0].run, Stage::Accepted, Ending::True);
    assert_eq!(shipped(&controller.hello(13, hello(2)).1), []);
    assert_eq!(shipped(&controller.hello(14, hello(4)).1), [runs[1].run]);
}

#[test]
fn reports_are_acknowledged_and_only_grow() {
    let mut controller = Controller::new();
    controller.join(1);
    let run = controller.ship("a", "all").0[0].run;
    controller.report(1, run, Stage::Ended, Ending::False);
    let effects = controller.report(1, run, Stage::Running, Ending::True);
    let ack = ToNode::ReportAck { run, stage: Stage::Running };
    assert_eq!(effects, [Effect::Send { connection: Connection(1), message: ack }]);
    assert_eq!(controller.ending(run), Some(Ending::False));
    assert_eq!(controller.info(run).standing, Standing::LivesOn);
    controller.report(1, run, Stage::Gone, Ending::False);
    assert_eq!(controller.info(run).standing, Standing::Over);
    // Another node's word on it counts for nothing.
    controller.join(2);
    let run = controller.ship("b", "name=node-1").0[0].run;
    controller.report(2, run, Stage::Gone, Ending::True);
    assert_eq!(controller.ending(run), None);
}

#[test]
fn waiting_ends_when_every_result_stands() {
    let mut controller = Controller::new();
    (1..=2).for_each(|number| controller.join(number));
    let order = Order {
        image: Vec::new(),
        selector: "all".into(),
        task: None,
        params: Vec::new(),
        label: "a".into(),
        wait: true,
    };
    let answers_now = controller.ask(FromOperator::Ship(order));
    let [ToOperator::Runs(runs)] = &answers_now[..] else { panic!("{answers_now:?}") };
    let first = answers(controller.report(1, runs[0].run, Stage::Ended, Ending::True));
    assert!(matches!(&first[..], [ToOperator::Run(_)]));
    let second = answers(controller.report(2, runs[1].run, Stage::Ended, Ending::False));
    assert!(matches!(&second[..], [ToOperator::Run(_), ToOperator::Done]));
}

#[test]
fn a_silent_node_loses_its_runs_until_it_says_otherwise() {
    let mut controller = Controller::new();
    controller.join(1);
    let run = controller.ship("a", "all").0[0].run;
    controller.report(1, run, Stage::Running, Ending::True);
    controller.pass(SILENCE_MS_MAX + 1);
    assert_eq!(controller.event(Event::Tick), [Effect::Close { connection: Connection(1) }]);
    assert_eq!(controller.ending(run), None);
    controller.pass(LOST_MS);
    controller.event(Event::Tick);
    assert_eq!(controller.ending(run), Some(Ending::Lost));
    assert_eq!(controller.info(run).standing, Standing::Over);
    // It comes back: it was running all the time.
    controller.hello(2, hello(1));
    controller.report(2, run, Stage::Running, Ending::True);
    assert_eq!(controller.ending(run), None);
    controller.report(2, run, Stage::Gone, Ending::True);
    assert_eq!(controller.ending(run), Some(Ending::True));
}

#[test]
fn a_restarted_controller_gives_nodes_a_new_lease() {
    let mut controller = Controller::new();
    controller.join(1);
    let run = controller.ship("a", "all").0[0].run;
    controller.report(1, run, Stage::Running, Ending::True);
    controller.pass(LOST_MS);
    controller.restart();
    controller.event(Event::Tick);
    assert_eq!(controller.ending(run), None);
    controller.pass(LOST_MS + 1);
    controller.event(Event::Tick);
    assert_eq!(controller.ending(run), Some(Ending::Lost));
}

#[test]
fn a_run_that_its_node_forgot_is_lost() {
    let mut controller = Controller::new();
    controller.join(1);
    let kept = controller.ship("a", "all").0[0].run;
    let forgotten = controller.ship("b", "all").0[0].run;
    let unsent = controller.ship("c", "all").0[0].run;
    for run in [kept, forgotten] {
        controller.report(1, run, Stage::Running, Ending::True);
    }
    controller.hello(2, hello(1));
    let message = FromNode::Inventory { runs: vec![kept] };
    controller.event(Event::NodeSaid { connection: Connection(2), message });
    assert_eq!(controller.ending(kept), None);
    assert_eq!(controller.ending(forgotten), Some(Ending::Lost));
    assert_eq!(controller.ending(unsent), None);
}

#[test]
fn stopping() {
    let mut controller = Controller::new();
    controller.join(1);
    controller.event(Event::ConnectionLost { connection: Connection(1) });
    // Never sent: over at once, and the node is told all the same, as it may have been sent.
    let run = controller.ship("a", "all").0[0].run;
    controller.ask(FromOperator::StopRun { begins: run.to_string() });
    assert_eq!(controller.ending(run), Some(Ending::Stopped));
    let (_, effects) = controller.hello(2, hello(1));
    assert_eq!((shipped(&effects), stops(&effects)), (vec![], vec![run]));
    controller.report(2, run, Stage::Gone, Ending::Stopped);
    assert_eq!(stops(&controller.hello(3, hello(1)).1), []);
    // Running: stopped when the node says so, and told again on each connection.
    let run = controller.ship("a", "all").0[0].run;
    controller.report(3, run, Stage::Running, Ending::True);
    controller.requests += 1;
    let request = Request(controller.requests);
    let begins = short(run);
    let effects = controller.event(Event::Asked { request, message: FromOperator::StopRun { begins } });
    assert_eq!(stops(&effects), [run]);
    assert_eq!(controller.ending(run), None);
    controller.restart();
    assert_eq!(stops(&controller.hello(4, hello(1)).1), [run]);
    controller.report(4, run, Stage::Gone, Ending::Stopped);
    assert_eq!(controller.ending(run), Some(Ending::Stopped));
}

fn short(run: RunId) -> String {
    dscript_protocol::ids::short(run)
}

#[test]
fn a_later_shipment_of_a_label_replaces_one_that_waits() {
    let mut controller = Controller::new();
    controller.join(1);
    controller.event(Event::ConnectionLost { connection: Connection(1) });
    let first = controller.ship("a", "all").0[0].run;
    let other = controller.ship("b", "all").0[0].run;
    let second = controller.ship("a", "all").0[0].run;
    assert_eq!(controller.ending(first), Some(Ending::Stopped));
    let (_, effects) = controller.hello(2, hello(1));
    assert_eq!(shipped(&effects), [other, second]);
    assert_eq!(stops(&effects), [first]);
}

#[test]
fn what_is_not_reported_is_sent_again() {
    let mut controller = Controller::new();
    controller.join(1);
    let run = controller.ship("a", "all").0[0].run;
    let mut again = 0;
    for _ in 0..RESEND_MS / 1000 + 2 {
        controller.pass(1000);
        controller.event(Event::NodeSaid { connection: Connection(1), message: FromNode::Ping });
        again += shipped(&controller.event(Event::Tick)).len();
    }
    assert_eq!(again, 1);
    controller.report(1, run, Stage::Accepted, Ending::True);
    controller.pass(RESEND_MS + 1);
    controller.event(Event::NodeSaid { connection: Connection(1), message: FromNode::Ping });
    assert_eq!(shipped(&controller.event(Event::Tick)), []);
}
