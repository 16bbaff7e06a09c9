//! Where the interpreter says that it is, to an engine that wants to know.

mod common;
use common::asm::Asm;
use common::{Limits, Machine, load, main, prelude};
use dscript_bytecode::ids::FunctionId;
use dscript_interp::door::{Activation, Cell, Engine, Exit, Look, Met, Running, Sampled};
use dscript_interp::{FiberEnd, Program};
use std::sync::{Arc, Mutex};

/// Wants to be asked again soon after each call, as if it had code for the loop around that.
struct Asked {
    every: i64,
    /// Whether each telling was of a jump.
    jumps: Mutex<Vec<bool>>,
    /// Where the outermost frame was, and its second scalar.
    outermost: Mutex<Vec<(u32, u64)>>,
}

impl Engine for Asked {
    fn enter(&self, _: &mut Running<'_>, _: usize) -> Result<Option<Cell>, Exit> {
        unreachable!("it gives no entries")
    }
    fn calls(&self, _: &Activation, _: &mut dyn FnMut(FunctionId, u32) -> bool) -> bool {
        true
    }
    fn samples(&self) -> Option<i64> {
        Some(self.every)
    }
    fn sampled(
        &self,
        _: &Arc<Program>,
        function: FunctionId,
        pc: u32,
        met: Met,
        frames: &mut dyn Iterator<Item = Look<'_>>,
    ) -> Sampled {
        let frames: Vec<Look> = frames.collect();
        let innermost = frames.last().expect("a frame runs");
        assert_eq!((innermost.function, innermost.pc), (function, Some(pc)));
        let place = frames[0].pc.expect("nothing is native");
        self.outermost.lock().expect("one thread").push((place, frames[0].scalars[1]));
        self.jumps.lock().expect("one thread").push(met == Met::Jump);
        if met == Met::Jump { Sampled::Nothing } else { Sampled::Soon }
    }
}

/// What is told of a program of 100,000 rounds of a call and a jump.
fn told(every: i64, before: &str) -> Asked {
    let mut asm = Asm::new();
    prelude(&mut asm);
    asm.function(
        "work",
        "int => int | int",
        "int #1 s1\nif.lt.i s0 s1 @small\nadd.imm s0 #1 s0\nsmall:\nreturn [s0]",
    );
    let again = "again:\ncall &work [s1] [s3]\nadd.imm s1 #1 s1\nif.lt.i s1 s2 @again";
    main(&mut asm, "int int int", &format!("int #0 s1\nint #100000 s2\n{before}{again}"));
    let program = load(asm);
    let engine = Arc::new(Asked { every, jumps: Mutex::default(), outermost: Mutex::default() });
    program.attach(Arc::clone(&engine) as Arc<dyn Engine>);
    assert_eq!(Machine::new(&program, Limits::default()).run(vec![]), FiberEnd::Returned(true));
    drop(program);
    Arc::into_inner(engine).expect("the program is gone")
}

#[test]
fn a_jump_is_met_soon_after_a_call() {
    let mut calls = 0;
    // A round is a call and a jump, so whichever is met first is always met: both are tried.
    for before in ["", "call &work [s1] [s3]\n"] {
        let met = told(4_000, before).jumps.into_inner().expect("one thread");
        assert!(met.len() >= 50, "{met:?}");
        calls += met.iter().filter(|jump| !**jump).count();
        assert!(met.windows(2).all(|pair| pair[0] || pair[1]), "{met:?}");
    }
    assert!(calls >= 25, "{calls}");
}

/// Each call that is told of is done before the next telling, whatever the engine answers, so the program comes to its end.
#[test]
fn a_program_gets_on_however_often_it_is_looked_at() {
    for every in [1, 2, 3, 7] {
        let met = told(every, "").jumps.into_inner().expect("one thread");
        let calls = met.iter().filter(|jump| !**jump).count();
        assert!(calls <= 100_000 && met.len() >= 20_000, "{} of {} with {every}", calls, met.len());
    }
}

/// `main` is at the call or at the loop's head, and its counter grows.
#[test]
fn an_engine_sees_how_far_the_outermost_frame_is() {
    let outermost = told(999, "").outermost.into_inner().expect("one thread");
    assert!(outermost.len() >= 100, "{outermost:?}");
    assert!(outermost.iter().all(|(place, _)| (2..=4).contains(place)), "{outermost:?}");
    assert!(outermost.windows(2).all(|pair| pair[0].1 < pair[1].1), "{outermost:?}");
}
