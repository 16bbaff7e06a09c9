//! What the verifier refuses of scenarios. Each row breaks the sample's in one place.

mod common;

use common::*;
use dscript_bytecode::ids::*;
use dscript_bytecode::image::*;
use dscript_bytecode::limits::*;
use dscript_bytecode::scenario::*;
use dscript_bytecode::verify::verify;

fn refused(expected: &str, change: impl FnOnce(&mut Image)) {
    let mut image = sample();
    change(&mut image);
    let found = verify(&image).map_or_else(|e| e.to_string(), |()| "verified".into());
    assert!(found.contains(expected), "expected: {expected}\n   found: {found}");
}

fn scenario(expected: &str, change: impl FnOnce(&mut Scenario)) {
    refused(expected, |image| change(&mut image.manifest.scenarios[0]));
}

/// A monitor, a query or the way out of the first state.
fn watch(expected: &str, change: impl FnOnce(&mut Vec<Monitor>, &mut Vec<Query>, &mut Edge)) {
    scenario(expected, |s| match &mut s.states[0].work {
        Work::Watch { monitors, queries, failure } => change(monitors, queries, failure),
        other => panic!("{other:?} does not watch"),
    });
}

/// A step or the ways out of the second state.
fn run(expected: &str, change: impl FnOnce(&mut Vec<Step>, &mut Edge, &mut Edge)) {
    scenario(expected, |s| match &mut s.states[1].work {
        Work::Run { steps, success, failure } => change(steps, success, failure),
        other => panic!("{other:?} does not run"),
    });
}

#[test]
fn round_trip() {
    let image = sample();
    let again = Image::from_bytes(&image.to_bytes()).expect("what was written is read");
    assert_eq!(image.manifest.scenarios, again.manifest.scenarios);
    assert_eq!(image.to_bytes(), again.to_bytes());
}

#[test]
fn names_and_parameters() {
    scenario("verified", |_| {});
    scenario("it has no name", |s| s.name.clear());
    scenario("the name of a scenario has a control character", |s| s.name.push('\u{1b}'));
    refused("two scenarios are called `Care`", |image| {
        let again = image.manifest.scenarios[0].clone();
        image.manifest.scenarios.push(again);
    });
    refused("257 scenarios, 256 are allowed", |image| {
        image.manifest.scenarios = vec![image.manifest.scenarios[0].clone(); SCENARIOS_MAX + 1];
    });
    scenario("parameter `n` has no name of its own", |s| s.params.push(s.params[0].clone()));
    scenario("parameter `n` is of a type that no parameter has", |s| s.params[0].ty = HANDLE);
    scenario("parameter `n` is of a type that no parameter has", |s| s.params[0].ty = TypeId(99));
    scenario("default of parameter `n`: `lambda` must take ()", |s| s.params[0].default = Some(CLOSURE_CODE));
    scenario("fn99 is outside the function table", |s| s.params[0].default = Some(FunctionId(99)));
    // A parameter more, and every function takes too little.
    scenario("`int of a scenario` must take (int, int, String)", |s| {
        s.params.push(TaskParam { name: "m".into(), ty: INT, default: None });
    });
}

#[test]
fn selector_and_guard() {
    scenario("its selector is bad: a part of it has no `=`", |s| {
        s.selector = Some(Selector::Text("all".into()))
    });
    scenario("parameter `n` has not the type it is used with", |s| {
        s.selector = Some(Selector::Param(ParamId(0)));
    });
    scenario("there is no param1", |s| s.selector = Some(Selector::Param(ParamId(1))));
    scenario("4098 bytes in its selector", |s| {
        s.selector = Some(Selector::Text(format!("a={}", "x".repeat(SCENARIO_TEXT_BYTES_MAX))));
    });
    let guard = |expected: &str, most, per| {
        scenario(expected, |s| s.guard = vec![GuardRule { most, per }]);
    };
    guard("guard: 0 is less than 1", Amount::Count(Setting::Constant(0)), None);
    guard("guard: 101 percent is more than all", Amount::Percent(Setting::Constant(101)), None);
    let param = Setting::Param(ParamId(0));
    guard("guard: parameter `n` has not the type it is used with", Amount::Count(param), Some(param));
    guard("guard: there is no param7", Amount::Percent(Setting::Param(ParamId(7))), None);
    guard("verified", Amount::Percent(param), Some(Setting::Constant(1)));
    scenario("guard rules, 64 are allowed", |s| s.guard = vec![s.guard[0].clone(); GUARD_RULES_MAX + 1]);
}

#[test]
fn states() {
    scenario("there is no state0", |s| s.states.clear());
    scenario("there is no state3", |s| s.initial = StateId(3));
    scenario("state `Healthy` has no name of its own", |s| s.states[2].name = "Healthy".into());
    scenario("state `` has no name of its own", |s| s.states[2].name.clear());
    scenario("the name of a state has a control character", |s| s.states[2].name = "a\n".into());
    scenario("1025 states, 1024 are allowed", |s| s.states = vec![s.states[2].clone(); STATES_MAX + 1]);
    run("state `Repair`: there is no state9", |_, success, _| success.to = StateId(9));
    run("state `Repair`: there is no state9", |_, _, failure| failure.to = StateId(9));
    run("state `Repair`: -1 is less than 1", |_, success, _| success.after = Some(Setting::Constant(-1)));
    watch("state `Healthy`: it watches and has no monitor", |monitors, _, _| monitors.clear());
    watch("257 steps, 256 are allowed", |monitors, _, _| {
        *monitors = vec![monitors[0].clone(); STEPS_MAX];
    });
    run("257 steps, 256 are allowed", |steps, _, _| *steps = vec![steps[0].clone(); STEPS_MAX + 1]);
}

#[test]
fn ways_round_have_a_pause() {
    run("some of its states go round without a pause", |_, success, _| {
        *success = Edge { to: StateId(1), after: None };
    });
    run("verified", |_, success, _| success.after = None);
    run("verified", |_, success, _| success.to = StateId(1));
    scenario("some of its states go round without a pause", |s| {
        let edge = |to| Edge { to: StateId(to), after: None };
        s.states[1].work = Work::Run { steps: vec![], success: edge(0), failure: edge(2) };
        s.states[2].work = Work::Run { steps: vec![], success: edge(0), failure: edge(1) };
    });
}

#[test]
fn calls() {
    run("there is no task5", |steps, _, _| steps[0].call.task = TaskId(5));
    run("task `watch` has not the role it is used in", |steps, _, _| steps[0].call.task = WATCH);
    watch("task `sample` has not the role it is used in", |monitors, _, _| monitors[0].call.task = SAMPLE);
    refused("task `sample` has not the role it is used in", |image| image.manifest.tasks[0].role = None);
    watch("task `watch` takes 1 arguments, not 0", |monitors, _, _| monitors[0].call.args.clear());
    watch("argument `n`: it is missing, and the parameter has no default", |monitors, _, _| {
        monitors[0].call.args[0] = None;
    });
    let argument = |expected: &str, function, text: &str| {
        let argument = Argument { function, text: text.into() };
        watch(expected, |monitors, _, _| monitors[0].call.args[0] = Some(argument));
    };
    argument("argument `n`: fn99 is outside the function table", FunctionId(99), "n");
    argument("argument `n`: `text of a scenario` must return (int)", TEXT_VALUE, "n");
    argument("argument `n`: `default` must take (int, String)", DEFAULT, "n");
    argument("the name of an argument has a control character", INT_VALUE, "n\n");
    argument("bytes in the text of an argument", INT_VALUE, &"x".repeat(SCENARIO_TEXT_BYTES_MAX + 1));
    run("verify: task `sample` has not the role it is used in", |steps, _, _| {
        let verify = steps[0].verify.as_mut().expect("the sample verifies");
        verify.call.task = SAMPLE;
    });
    run("0 is less than 1", |steps, _, _| {
        steps[0].retry = Some(Retry { times: Setting::Constant(0), pause: None });
    });
    run("parameter `n` has not the type it is used with", |steps, _, _| {
        steps[0].within = Setting::Param(ParamId(0));
    });
    watch("there is no param4", |monitors, _, _| monitors[0].every = Setting::Param(ParamId(4)));
}

#[test]
fn queries() {
    watch("query: key: `double of a scenario` must return (String)", |_, queries, _| {
        queries[0].key.function = DOUBLE_VALUE;
    });
    watch("query: value: `int of a scenario` must return (double)", |_, queries, _| {
        queries[0].value.function = INT_VALUE;
    });
    watch("query: there is no percentile 1000/10", |_, queries, _| {
        queries[0].aggregate = Aggregate::Percentile(1000);
    });
    watch("query: `p999` needs a field", |_, queries, _| queries[0].field = None);
    watch("verified", |_, queries, _| {
        queries[0].field = None;
        queries[0].aggregate = Aggregate::Count;
    });
    watch("query: there is no state3", |_, queries, _| queries[0].to = StateId(3));
    watch("query: 0 is less than 1", |_, queries, _| queries[0].over = Setting::Constant(0));
}
