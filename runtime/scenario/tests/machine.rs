//! What a machine does, as a log of effects in virtual time. Monitors that say true at once are left out of it.

mod common;

use common::*;
use dscript_bytecode::scenario::*;
use dscript_scenario::{Effect, Event, Machine, Plan, Token};
use std::collections::HashMap;

/// Runs a scenario for so many seconds. Answers are taken in order, the last one stays; what has none says true at once.
fn check(scenario: &Scenario, answers: &[(&str, &[Answer])], until: i64, expected: &str) {
    let plan = plan(scenario);
    let mut given: HashMap<&str, Vec<Answer>> = answers.iter().map(|(n, a)| (*n, a.to_vec())).collect();
    let mut answer = |name: &str| match given.get_mut(name) {
        Some(all) if all.len() > 1 => all.remove(0),
        Some(all) => all[0],
        None => Some((0, true)),
    };
    let mut world = World::new(&plan, scenario, &mut answer);
    while world.go_on(until * SECOND) {}
    let expected: String = expected.lines().map(|l| format!("{}\n", l.trim())).collect();
    assert_eq!(world.log.trim(), expected.trim());
}

fn ok(after: i64) -> Answer {
    Some((after * SECOND, true))
}

fn bad(after: i64) -> Answer {
    Some((after * SECOND, false))
}

/// A state that watches, one that works, one that is final.
fn three(monitors: Vec<Monitor>, step: Step) -> Scenario {
    scenario(vec![
        ("Well", Work::Watch { monitors, queries: vec![query(2)], failure: go(1) }),
        ("Mend", Work::Run { steps: vec![step], success: go(0), failure: go(2) }),
        ("Done", Work::Final { steps: vec![] }),
    ])
}

fn mend(step: Step) -> Scenario {
    scenario(vec![
        ("Mend", Work::Run { steps: vec![step], success: go(1), failure: go(2) }),
        ("Good", Work::Final { steps: vec![] }),
        ("Bad", Work::Final { steps: vec![] }),
    ])
}

fn retry(times: i64, pause: Option<i64>) -> Option<Retry> {
    Some(Retry { times: Setting::Constant(times), pause: pause.map(seconds) })
}

fn verify(lasting: Option<i64>) -> Option<Verify> {
    Some(Verify { call: call(0), lasting: lasting.map(seconds) })
}

#[test]
fn monitors_watch_side_by_side_each_at_its_own_rate() {
    check(
        &three(vec![monitor(5, 1), monitor(1, 3)], step(2)),
        &[
            ("Well.monitor0", &[ok(0), ok(0), bad(0), ok(0)]),
            ("Well.monitor1", &[bad(0), bad(0), ok(0), bad(0), ok(0)]),
        ],
        30,
        "0s enter Well
         0s run Well.monitor1: false
         1s run Well.monitor1: false
         3s run Well.monitor1: false
         10s run Well.monitor0: false
         10s stop it
         10s enter Mend
         10s run Mend.step0: true
         10s enter Well",
    );
}

#[test]
fn a_success_starts_the_count_of_failures_anew() {
    check(
        &three(vec![monitor(1, 3)], step(2)),
        &[("Well.monitor0", &[bad(0), bad(0), ok(0), bad(0), bad(0), bad(0), ok(0)])],
        30,
        "0s enter Well
         0s run Well.monitor0: false
         1s run Well.monitor0: false
         3s run Well.monitor0: false
         4s run Well.monitor0: false
         5s run Well.monitor0: false
         5s enter Mend
         5s run Mend.step0: true
         5s enter Well",
    );
}

#[test]
fn a_monitor_is_never_asked_more_often_than_its_rate() {
    check(
        &three(vec![monitor(10, 1)], step(2)),
        &[("Well.monitor0", &[bad(0)]), ("Mend.step0", &[ok(3)])],
        20,
        "0s enter Well
         0s run Well.monitor0: false
         0s enter Mend
         0s run Mend.step0: true
         3s enter Well
         10s run Well.monitor0: false
         10s enter Mend
         10s run Mend.step0: true
         13s enter Well
         20s run Well.monitor0: false
         20s enter Mend
         20s run Mend.step0: true",
    );
}

#[test]
fn ticks_that_pass_while_a_monitor_runs_are_left_out() {
    check(
        &three(vec![monitor(2, 2)], step(2)),
        &[("Well.monitor0", &[bad(5), ok(2), bad(0), bad(1), ok(0)])],
        12,
        "0s enter Well
         0s run Well.monitor0: false
         6s run Well.monitor0: true
         8s run Well.monitor0: false
         10s run Well.monitor0: false
         11s enter Mend
         11s run Mend.step0: true
         11s enter Well",
    );
}

#[test]
fn a_monitor_that_takes_too_long_has_failed_and_the_others_are_stopped() {
    let slow = Monitor { within: seconds(4), ..monitor(60, 1) };
    check(
        &three(vec![slow, monitor(60, 1)], step(2)),
        &[("Well.monitor0", &[None]), ("Well.monitor1", &[ok(9)]), ("Mend.step0", &[bad(0)])],
        12,
        "0s enter Well
         0s run Well.monitor0: never ends
         0s run Well.monitor1: true
         4s stop it
         4s stop it
         4s enter Mend
         4s run Mend.step0: false
         4s enter Done
         4s end",
    );
}

#[test]
fn steps_run_in_order_and_the_first_failure_decides() {
    let steps = scenario(vec![
        (
            "Work",
            Work::Run { steps: vec![step(1), step(2), step(3)], success: go(1), failure: go_after(2, 60) },
        ),
        ("Good", Work::Final { steps: vec![] }),
        ("Bad", Work::Final { steps: vec![step(3), step(3)] }),
    ]);
    check(
        &steps,
        &[("Work.step0", &[ok(2)])],
        99,
        "0s enter Work
         0s run Work.step0: true
         2s run Work.step1: true
         2s run Work.step2: true
         2s enter Good
         2s end",
    );
    // A final state runs all of them.
    check(
        &steps,
        &[("Work.step1", &[bad(0)]), ("Bad.step0", &[bad(1)])],
        99,
        "0s enter Work
         0s run Work.step0: true
         0s run Work.step1: false
         0s wait 60s for Bad
         60s enter Bad
         60s run Bad.step0: false
         61s run Bad.step1: true
         61s end",
    );
}

#[test]
fn retries_and_their_pauses() {
    check(
        &mend(Step { retry: retry(3, Some(10)), ..step(1) }),
        &[("Mend.step0", &[bad(1), bad(0), ok(0)])],
        99,
        "0s enter Mend
         0s run Mend.step0: false
         11s run Mend.step0: false
         21s run Mend.step0: true
         21s enter Good
         21s end",
    );
    check(
        &mend(Step { retry: retry(2, None), ..step(1) }),
        &[("Mend.step0", &[bad(0)])],
        99,
        "0s enter Mend
         0s run Mend.step0: false
         0s run Mend.step0: false
         0s enter Bad
         0s end",
    );
}

#[test]
fn within_bounds_all_tries_with_their_pauses() {
    // The third would begin after the limit: nothing waits for it.
    check(
        &mend(Step { retry: retry(9, Some(10)), within: seconds(20), ..step(1) }),
        &[("Mend.step0", &[bad(1)])],
        99,
        "0s enter Mend
         0s run Mend.step0: false
         11s run Mend.step0: false
         12s enter Bad
         12s end",
    );
    check(
        &mend(Step { retry: retry(9, Some(10)), within: seconds(20), ..step(1) }),
        &[("Mend.step0", &[bad(1), None])],
        99,
        "0s enter Mend
         0s run Mend.step0: false
         11s run Mend.step0: never ends
         20s stop it
         20s enter Bad
         20s end",
    );
}

#[test]
fn a_verification_asks_every_second_and_at_the_end() {
    check(
        &mend(Step { verify: verify(Some(3)), ..step(2) }),
        &[("Mend.verify0", &[ok(0), ok(0), ok(0), bad(0)])],
        99,
        "0s enter Mend
         0s run Mend.step0: true
         3s run Mend.verify0: false
         3s undo
         3s enter Bad
         3s end",
    );
    check(
        &mend(Step { verify: verify(Some(3)), ..step(2) }),
        &[],
        99,
        "0s enter Mend
         0s run Mend.step0: true
         3s enter Good
         3s end",
    );
    // Without a time it is asked once.
    check(
        &mend(Step { verify: verify(None), ..step(2) }),
        &[("Mend.verify0", &[ok(2)])],
        99,
        "0s enter Mend
         0s run Mend.step0: true
         0s run Mend.verify0: true
         2s enter Good
         2s end",
    );
}

#[test]
fn a_failed_verification_takes_back_and_tries_again() {
    check(
        &mend(Step { verify: verify(Some(2)), retry: retry(2, Some(5)), ..step(2) }),
        &[("Mend.verify0", &[ok(0), bad(0), ok(0)]), ("undo", &[ok(1)])],
        99,
        "0s enter Mend
         0s run Mend.step0: true
         1s run Mend.verify0: false
         1s undo
         7s run Mend.step0: true
         9s enter Good
         9s end",
    );
}

#[test]
fn a_verification_that_takes_too_long_takes_back_and_gives_up() {
    check(
        &mend(Step { verify: verify(Some(60)), within: seconds(10), retry: retry(3, None), ..step(2) }),
        &[("Mend.verify0", &[ok(0), None])],
        99,
        "0s enter Mend
         0s run Mend.step0: true
         1s run Mend.verify0: never ends
         10s stop it
         10s undo
         10s enter Bad
         10s end",
    );
}

#[test]
fn an_approval_comes_before_the_permit_and_neither_is_timed() {
    let asking = guarded(mend(Step { with_approval: true, within: seconds(5), ..step(2) }));
    check(
        &asking,
        &[("approval", &[ok(600)]), ("permit", &[ok(60)])],
        999,
        "0s enter Mend
         0s ask approval for Mend.step0: true
         600s ask permit for Mend.step0: true
         660s run Mend.step0: true
         660s return permit
         660s enter Good
         660s end",
    );
    check(
        &asking,
        &[("approval", &[bad(1)])],
        999,
        "0s enter Mend
         0s ask approval for Mend.step0: false
         1s enter Bad
         1s end",
    );
    // A guard that says no is asked again by whoever drives; the recovery waits.
    check(
        &guarded(mend(step(2))),
        &[("permit", &[bad(0)])],
        999,
        "0s enter Mend
         0s ask permit for Mend.step0: false",
    );
    // Only recoveries are guarded.
    check(
        &guarded(mend(step(3))),
        &[],
        999,
        "0s enter Mend
         0s run Mend.step0: true
         0s enter Good
         0s end",
    );
}

#[test]
fn a_permit_is_held_until_what_was_done_is_taken_back() {
    check(
        &guarded(mend(Step { verify: verify(None), retry: retry(2, Some(1)), ..step(2) })),
        &[("Mend.verify0", &[bad(0)]), ("undo", &[ok(3)])],
        99,
        "0s enter Mend
         0s ask permit for Mend.step0: true
         0s run Mend.step0: true
         0s run Mend.verify0: false
         0s undo
         4s run Mend.step0: true
         4s run Mend.verify0: false
         4s undo
         7s return permit
         7s enter Bad
         7s end",
    );
}

fn begun(scenario: &Scenario) -> (Plan, Machine, Vec<Effect>) {
    let plan = plan(scenario);
    let (machine, effects) = Machine::begin(&plan, 0);
    (plan, machine, effects)
}

#[test]
fn a_query_that_holds_leaves_the_state() {
    let (plan, mut machine, effects) = begun(&three(vec![monitor(5, 1)], step(2)));
    let [Effect::Enter { visit, .. }, Effect::Run { run, .. }] = effects[..] else {
        panic!("it watches: {effects:?}")
    };
    let effects = machine.step(&plan, SECOND, Event::Holds { visit, query: 0 });
    assert!(effects.contains(&Effect::Stop { run }), "{effects:?}");
    assert_eq!(effects.last(), Some(&Effect::End));
    assert!(machine.has_ended());
    assert_eq!((machine.state(), machine.entered(), machine.wake()), (StateId(2), SECOND, None));
}

#[test]
fn what_comes_late_changes_nothing() {
    let (plan, mut machine, effects) = begun(&three(vec![monitor(5, 1)], step(1)));
    let [Effect::Enter { visit, .. }, Effect::Run { run, .. }] = effects[..] else {
        panic!("it watches: {effects:?}")
    };
    let effects = machine.step(&plan, 0, Event::Ended { run, success: false });
    let [Effect::Enter { .. }, Effect::Run { run: step, .. }] = effects[..] else {
        panic!("it mends: {effects:?}")
    };
    let before = machine.clone();
    for event in [
        Event::Ended { run, success: false },
        Event::Holds { visit, query: 0 },
        Event::Undone { run: step },
        Event::Answered { ask: step, yes: false },
        Event::Ended { run: Token(99), success: true },
        Event::Tick,
    ] {
        assert_eq!(machine.step(&plan, SECOND, event), []);
        assert_eq!(machine, before, "after {event:?}");
    }
    machine.step(&plan, SECOND, Event::Ended { run: step, success: true });
    assert!(machine.is_watching());
    // The state is the first again, the visit is another.
    assert_eq!(machine.step(&plan, SECOND, Event::Holds { visit, query: 0 }), []);
}

#[test]
fn a_success_that_comes_after_the_limit_is_taken_back() {
    let (plan, mut machine, effects) = begun(&mend(Step { within: seconds(5), ..step(2) }));
    let [_, Effect::Run { run, .. }] = effects[..] else { panic!("it mends: {effects:?}") };
    assert_eq!(machine.wake(), Some(5 * SECOND));
    assert_eq!(machine.step(&plan, 5 * SECOND, Event::Tick), [Effect::Stop { run }]);
    assert_eq!(machine.wake(), None);
    let effects = machine.step(&plan, 6 * SECOND, Event::Ended { run, success: true });
    assert_eq!(effects, [Effect::Undo { run }]);
    machine.step(&plan, 7 * SECOND, Event::Undone { run });
    assert_eq!((machine.has_ended(), machine.state()), (true, StateId(2)));
}

#[test]
fn parameters_are_read_when_it_begins() {
    let often = Setting::Param(ParamId(0));
    let scenario = three(vec![Monitor { every: often, ..monitor(5, 1) }], step(2));
    let plan = Plan::new(&scenario, &tasks(), &|_| 7 * SECOND).expect("it is good");
    assert_eq!(plan.watch_nanos(StateId(0), 3), 30 * SECOND, "the query looks at 30 s");
    assert_eq!(plan.watch_nanos(StateId(0), 10), 70 * SECOND);
    assert_eq!(plan.watch_nanos(StateId(1), 10), 0);
    let error = Plan::new(&scenario, &tasks(), &|_| 0).expect_err("0 is no rate");
    assert_eq!((error.param.as_str(), error.value), ("often", 0));
}
