//! Many tasks in one process: what one that waits costs, and whether one that computes leaves the others their turns.

mod common;

use common::asm::Asm;
use common::{Limits, Machine, TestHost, drive, load, main, prelude};
use std::rc::Rc;
use std::sync::Arc;

use dscript_interp::value::Value;
use dscript_interp::{Fiber, FiberEnd, Program};

const TASKS: usize = 10_000;
/// The promise is 20 KiB; builds that are not optimized use more of the native stack.
const TASK_BYTES_MAX: usize = if cfg!(debug_assertions) { 40 << 10 } else { 20 << 10 };

fn sleeper() -> Arc<Program> {
    let mut asm = Asm::new();
    prelude(&mut asm);
    asm.native("sleep", "Test.sleep", "", "Duration", "");
    main(
        &mut asm,
        "int int String",
        "int #0 s1\nloop:\ntext.s s1 :int r1\nint #1000000000 s2\ncall.native $sleep [s2] []\n\
         add.imm s1 #1 s1\nint #3 s2\nif.lt.i s1 s2 @loop",
    );
    load(asm)
}

/// Resident bytes of this process.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("the kernel tells");
    let pages = text.split(' ').nth(1).and_then(|n| n.parse::<usize>().ok()).expect("a count of pages");
    pages * 4096
}

#[test]
fn waiting_tasks_are_small() {
    let program = sleeper();
    let host = Rc::new(TestHost::default());
    let before = resident();
    let machines: Vec<Machine> =
        (0..TASKS).map(|_| Machine::on(Rc::clone(&host), &program, Limits::default())).collect();
    let fibers: Vec<Fiber> = machines.iter().map(|m| m.task.start(0, Vec::<Value>::new())).collect();
    let tasks: Vec<_> = machines.iter().map(|m| &m.task).collect();
    let most = std::cell::Cell::new(0);
    let ends = common::drive_until(&host, &tasks, fibers, |host| {
        if host.clock.get() > 0 && most.get() == 0 {
            most.set(resident() - before);
        }
    });
    assert!(ends.iter().all(|end| *end == FiberEnd::Returned(true)), "{:?}", ends[0]);
    let each = most.get() / TASKS;
    println!("{each} bytes a waiting task");
    assert!(each < TASK_BYTES_MAX, "{each} bytes a waiting task");
}

#[test]
fn a_task_that_computes_leaves_the_others_their_turns() {
    let program = sleeper();
    let mut asm = Asm::new();
    prelude(&mut asm);
    main(&mut asm, "int int", "int #0 s1\nint #2000000 s2\nloop:\nadd.imm s1 #1 s1\nif.lt.i s1 s2 @loop");
    let busy = load(asm);
    let host = Rc::new(TestHost::default());
    let waiting = Machine::on(Rc::clone(&host), &program, Limits::default());
    let computing = Machine::on(Rc::clone(&host), &busy, Limits::default());
    let fibers = vec![computing.task.start(0, vec![]), waiting.task.start(0, vec![])];
    let ends = drive(&host, &[&computing.task, &waiting.task], fibers);
    assert!(ends.iter().all(|end| *end == FiberEnd::Returned(true)));
    // Each turn takes a virtual millisecond: a hundred of them, of 20,000 jumps back each.
    assert!(host.yields.get() >= 90, "it gave way {} times", host.yields.get());
}
