//! Waits, cancelling, `within`, several fibers and tasks, outside natives and their errors.

mod common;
use common::asm::Asm;
use common::{Limits, MS, Machine, TestHost, check, drive, drive_until, load, main, prelude, script};
use dscript_bytecode::param::{self, ParamValue};
use dscript_interp::{FiberEnd, OutputLimit};
use std::rc::Rc;

fn asm() -> Asm {
    let mut asm = Asm::new();
    prelude(&mut asm);
    asm.native("sleep", "Test.sleep", "", "Duration", "");
    asm
}

const PRINT: &str = "call.native $print [r1] []\n";
const ENDLESS: &str = "loop:\nadd.imm s1 #1 s1\njump @loop";

#[test]
fn a_wait_takes_its_time() {
    let mut a = asm();
    main(&mut a, "int", "int #5000000 s1\ncall.native $sleep [s1] []\ncall.native $sleep [s1] []");
    let machine = Machine::new(&load(a), Limits::default());
    assert_eq!(machine.run(vec![]), FiberEnd::Returned(true));
    assert_eq!(machine.host.clock.get(), 10 * MS);
}

#[test]
fn loops_and_waits_are_cancelled() {
    for body in [format!("int #0 s1\n{ENDLESS}"), "int #9000000000 s1\ncall.native $sleep [s1] []".into()] {
        let mut a = asm();
        main(&mut a, "int", &body);
        let machine = Machine::new(&load(a), Limits::default());
        let fiber = machine.task.start(0, vec![]);
        let mut rounds = 0;
        let ends = drive_until(&machine.host, &[&machine.task], vec![fiber], |_| {
            rounds += 1;
            if rounds == 1 {
                machine.task.cancel();
            }
        });
        assert_eq!(ends, [FiberEnd::Cancelled]);
        assert!(machine.host.clock.get() < 100 * MS);
    }
}

#[test]
fn a_dropped_fiber_is_unwound() {
    let mut a = asm();
    main(&mut a, "int", &format!("int #0 s1\n{ENDLESS}"));
    let machine = Machine::new(&load(a), Limits::default());
    let mut fiber = Box::pin(machine.task.start(0, vec![]));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::future::Future::poll(fiber.as_mut(), &mut cx).is_pending());
    drop(fiber);
    drop(machine.task.start(0, vec![]));
    assert!(machine.task.heap_stats().1 > 0, "the task's state came back");
}

#[test]
fn within_leaves_a_loop_a_call_and_a_wait() {
    for inner in ["call &spin [] []", "int #9000000000000 s1\ncall.native $sleep [s1] []"] {
        let mut a = asm();
        a.function("spin", "=> | int", "int #0 s0\nloop:\nadd.imm s0 #1 s0\njump @loop");
        main(
            &mut a,
            "int String",
            &format!(
                "int #50000000 s1\nlimit.enter s1 @else\n{inner}\nlimit.leave\nconst \"done\" r1\n{PRINT}\
                 jump @end\nelse:\nconst \"late\" r1\n{PRINT}end:\nreturn [s0 r0]"
            ),
        );
        let machine = Machine::new(&load(a), Limits::default());
        assert_eq!(machine.run(vec![]), FiberEnd::Returned(true));
        assert_eq!(machine.output(), ["late"]);
        assert_eq!(machine.host.cancelled_regions.borrow().len(), 1);
        assert!((50..60).contains(&(machine.host.clock.get() / MS)));
    }
}

#[test]
fn a_block_that_ends_in_time_goes_on() {
    let mut a = asm();
    main(
        &mut a,
        "int String",
        &format!(
            "int #50000000 s1\nlimit.enter s1 @else\nint #10 s1\ncall.native $sleep [s1] []\nlimit.leave\n\
             const \"done\" r1\n{PRINT}int #90000000 s1\ncall.native $sleep [s1] []\njump @end\nelse:\n\
             const \"late\" r1\n{PRINT}end:\nreturn [s0 r0]"
        ),
    );
    check(a, "done");
}

#[test]
fn the_outer_of_nested_limits_wins() {
    for (outer, inner, expected) in [(20, 50, "outer"), (50, 20, "inner"), (0, 20, "outer")] {
        let mut a = asm();
        a.function(
            "f",
            "int => | int String",
            "limit.enter s0 @else\nint #9000000000000 s1\ncall.native $sleep [s1] []\nlimit.leave\nreturn []\n\
                 else:\nconst \"inner\" r0\ncall.native $print [r0] []\nreturn []",
        );
        main(
            &mut a,
            "int int String",
            &format!(
                "int #{} s1\nint #{} s2\nlimit.enter s1 @else\ncall &f [s2] []\nlimit.leave\njump @end\nelse:\n\
                 const \"outer\" r1\n{PRINT}end:\nreturn [s0 r0]",
                outer * MS,
                inner * MS
            ),
        );
        check(a, expected);
    }
}

#[test]
fn computing_tasks_take_turns() {
    let count = |name: &str| {
        let body = format!(
            "int #0 s1\nint #100000 s2\nloop:\nadd.imm s1 #1 s1\nif.lt.i s1 s2 @loop\nconst \"{name}\" r1\n{PRINT}\
             int #0 s1\nagain:\nadd.imm s1 #1 s1\nif.lt.i s1 s2 @again\nconst \"{name}\" r1\n{PRINT}"
        );
        load(script("int int String", &body))
    };
    let host = Rc::new(TestHost::default());
    let a = Machine::on(Rc::clone(&host), &count("a"), Limits::default());
    let b = Machine::on(Rc::clone(&host), &count("b"), Limits::default());
    let ends = drive(&host, &[&a.task, &b.task], vec![a.task.start(0, vec![]), b.task.start(0, vec![])]);
    assert_eq!(ends, [FiberEnd::Returned(true), FiberEnd::Returned(true)]);
    assert_eq!(*host.lines.borrow(), ["a", "b", "a", "b"]);
    assert!(host.yields.get() >= 16);
}

#[test]
fn fibers_share_the_heap_and_are_awaited() {
    let mut a = asm();
    a.native("fiber", "Task.fiber", "", "()->void", "");
    a.native("ended", "Task.ended", "", "", "int");
    a.native("waitEnded", "Task.waitEnded", "", "int", "");
    let body = a.closure("Body", "()->void", "List<String> int");
    a.function(
        "body",
        "Body => | int List<String> String",
        "get.s r0 .0 s0\nget.r r0 .0 r1\ntext.s s0 :int r2\ncall.native $sleep [s0] []\nlist.add.r r1 r2\nreturn []",
    );
    a.set_code(body, "body");
    main(
        &mut a,
        "int int int String List<String> ()->void",
        &format!(
            "list.new :List<String> #0 r2\nint #300 s1\nnew :Body [r2 s1] r3\ncall.native $fiber [r3] []\nint #100 s1\n\
             new :Body [r2 s1] r3\ncall.native $fiber [r3] []\nint #2 s3\n\
             loop:\ncall.native $ended [] [s2]\nlist.size r2 s1\nif.eq.i s1 s3 @all\ncall.native $waitEnded [s2] []\n\
             jump @loop\nall:\ntext.r r2 :List<String> r1\n{PRINT}"
        ),
    );
    check(a, "[100, 300]");
}

#[test]
fn fibers_of_a_cancelled_region_end() {
    let mut a = asm();
    a.native("fiber", "Task.fiber", "", "()->void", "");
    let body = a.closure("Body", "()->void", "");
    a.function("body", "Body => | int", &ENDLESS.replace("s1", "s0").replace("loop:", "int #0 s0\nloop:"));
    a.set_code(body, "body");
    main(
        &mut a,
        "int ()->void",
        "int #20000000 s1\nlimit.enter s1 @else\nnew :Body [] r1\ncall.native $fiber [r1] []\n\
         int #9000000000000 s1\ncall.native $sleep [s1] []\nlimit.leave\nelse:\nreturn [s0 r0]",
    );
    let machine = Machine::new(&load(a), Limits::default());
    let fiber = machine.task.start(0, vec![]);
    let ends = drive(&machine.host, &[&machine.task], vec![fiber]);
    assert_eq!(ends, [FiberEnd::Returned(true), FiberEnd::Cancelled]);
}

#[test]
fn errors_come_in_with_their_place() {
    let mut a = asm();
    a.native("fail", "Test.fail", "", "String", "String!");
    main(
        &mut a,
        "boolean String String? Error?",
        "const \"file\" r1\ncall.native $fail [r1] [r2 r3]\nif.null r3 @fine\nreturn [s0 r3]\nfine:\nreturn [s0 r0]",
    );
    let program = load(a);
    for stress in [false, true] {
        let end = Machine::new(&program, Limits { stress, ..Limits::default() }).run(vec![]);
        assert_eq!(end.to_string(), "error ENOENT: no such file\n  at test.ds:4:1");
        let FiberEnd::Failed(failed) = end else { panic!() };
        assert_eq!(failed.error.fault.len(), 2);
        assert_eq!(failed.error.data, [("path".to_owned(), "/x".to_owned())]);
    }
}

#[test]
fn capabilities_are_declared_and_allowed() {
    let mut a = asm();
    a.image.manifest.capabilities = vec!["exec:ls".into(), "exec:rm".into()];
    a.native("require", "Test.require", "", "String", "void!");
    let ask = |what: &str| {
        format!(
            "const \"{what}\" r1\ncall.native $require [r1] [r2]\nis.null r2 s1\ntext.s s1 :boolean r1\n{PRINT}"
        )
    };
    main(
        &mut a,
        "boolean String Error?",
        &format!("{}{}{}return [s0 r2]", ask("exec:ls"), ask("exec:rm"), ask("exec:cat")),
    );
    check(a, "true\nfalse\nfalse\nerror denied: the program does not declare exec:cat\nat test.ds:14:1");
}

#[test]
fn values_go_out_and_come_back() {
    let mut a = asm();
    a.record("In", "n:int? d:double tags:Set<String>");
    a.record("Out", "name:String ins:List<In> by:Map<Fault,Duration> b:Bytes?");
    a.native("echo", "Test.echo", "Out", "Out", "Out");
    a.native("set", "Set.new", "String", "", "Set<String>");
    a.native("add", "Set.add", "String", "Set<String> String", "boolean");
    a.native("map", "Map.new", "Fault Duration", "", "Map<Fault,Duration>");
    a.native("put", "Map.put", "Fault Duration", "Map<Fault,Duration> Fault Duration", "");
    main(
        &mut a,
        "boolean int double int Out Set<String> In List<In> Map<Fault,Duration> Bytes? String",
        "call.native $set [] [r2]\nconst \"t\" r7\ncall.native $add [r2 r7] [s1]\nbool true s1\nint #4 s2\n\
         double %0.5 s3\nnew :In [s1 s2 s3 r2] r3\nlist.new :List<In> #0 r4\nlist.add.r r4 r3\n\
         call.native $map [] [r5]\nint #3 s4\nint #1500000000 s2\ncall.native $put [r5 s4 s2] []\nnull r6\n\
         new :Out [r7 r4 r5 r6] r1\ncall.native $echo [r1] [r1]\ntext.r r1 :Out r7\ncall.native $print [r7] []",
    );
    check(a, "Out(name: t, ins: [In(n: 4, d: 0.5, tags: [t])], by: {EXTERNAL: 1s500ms}, b: null)");
}

#[test]
fn deep_values_stop_before_the_stack_does() {
    for (depth, expected) in
        [(90, "returned true"), (150, "trap stack: a value is nested too deep to go outside")]
    {
        let mut a = asm();
        let list = a.record("L", "n:int next:int?");
        let next = a.ty("L?");
        if let dscript_bytecode::image::Type::Record(of) = &mut a.image.types[list.index()] {
            of.fields[1].ty = next;
        }
        a.native("echo", "Test.echo", "L", "L", "L");
        main(
            &mut a,
            "int int L L?",
            &format!(
                "int #0 s1\nint #{depth} s2\nnull r2\nloop:\nnew :L [s1 r2] r1\nmove.r r1 r2\nadd.imm s1 #1 s1\n\
                 if.lt.i s1 s2 @loop\ncall.native $echo [r1] [r1]"
            ),
        );
        let end = Machine::new(&load(a), Limits::default()).run(vec![]).to_string();
        assert_eq!(end.lines().next(), Some(expected));
    }
}

#[test]
fn resources_go_when_nobody_reaches_them() {
    let mut a = asm();
    a.handle("Probe");
    a.native("open", "Test.open", "", "", "Probe");
    main(
        &mut a,
        "int int Probe String",
        "int #0 s1\nint #100 s2\nloop:\ncall.native $open [] [r1]\nadd.imm s1 #1 s1\nif.lt.i s1 s2 @loop\n\
         const \"x\" r2\nconcat [r2 r2] r2",
    );
    let machine = Machine::new(&load(a), Limits { stress: true, ..Limits::default() });
    assert_eq!(machine.run(vec![]), FiberEnd::Returned(true));
    assert!(machine.host.dropped.get() >= 98, "{}", machine.host.dropped.get());
    drop(machine.task);
    assert_eq!(machine.host.dropped.get(), 100);
}

#[test]
fn a_panic_takes_down_one_task() {
    let mut a = asm();
    a.native("panic", "Test.panic", "", "", "");
    main(&mut a, "", "call.native $panic [] []");
    let machine = Machine::new(&load(a), Limits::default());
    assert_eq!(machine.run(vec![]).to_string(), "trap internal: our own bug");
    assert_eq!(machine.run(vec![]).to_string(), "trap internal: the task's state is lost");
}

#[test]
fn parameters_are_read_from_text() {
    let mut a = asm();
    let types =
        ["int", "double", "boolean", "String", "Duration", "Fault", "List<int>", "List<String>", "int?"];
    let ids: Vec<_> = types.iter().map(|t| a.ty(t)).collect();
    let record = a.record("P", "x:int tags:List<String> d:Duration?");
    main(&mut a, "", "");
    let program = load(a);
    let read = |id: usize, text: &str| format!("{:?}", param::parse(program.image(), ids[id], text));
    assert_eq!(read(0, " 256MiB"), "Ok(Int(268435456))");
    assert_eq!(read(0, "1_000"), "Ok(Int(1000))");
    assert_eq!(read(0, "-0xFF"), "Ok(Int(-255))");
    assert_eq!(read(0, "0b1_01"), "Ok(Int(5))");
    for bad in ["0x", "0x_1", "--1", "+-1", "1__", "0b2", "KiB"] {
        assert_eq!(read(0, bad), format!("Err(\"`{bad}` is not an int\")"));
    }
    assert_eq!(read(0, "x"), "Err(\"`x` is not an int\")");
    assert_eq!(read(1, "0.5"), "Ok(Double(0.5))");
    assert_eq!(read(2, "true"), "Ok(Bool(true))");
    assert_eq!(read(3, " [as] it, is "), "Ok(String(\" [as] it, is \"))");
    assert_eq!(read(4, "1m30s"), "Ok(Duration(90000000000))");
    assert_eq!(read(5, "USER"), "Ok(Enum(\"USER\"))");
    assert_eq!(read(5, "NOBODY"), "Err(\"`NOBODY` is not one of SYSTEM, SOFTWARE, USER, EXTERNAL\")");
    assert_eq!(read(6, "1, 2,3"), "Ok(List([Int(1), Int(2), Int(3)]))");
    assert_eq!(read(6, "[]"), "Ok(List([]))");
    assert_eq!(read(6, "[1, 2"), "Err(\"`]` is missing\")");
    assert_eq!(read(7, r#"["a, b", c d]"#), r#"Ok(List([String("a, b"), String("c d")]))"#);
    assert_eq!(read(8, "null"), "Ok(Null)");
    let value =
        param::parse(program.image(), record, r#"{x: 1, tags: [a, "\"b\""], d: 5s}"#).expect("a record");
    let fields = vec![
        ("x".to_owned(), "Int(1)".to_owned()),
        ("tags".to_owned(), r#"List([String("a"), String("\"b\"")])"#.to_owned()),
        ("d".to_owned(), "Duration(5000000000)".to_owned()),
    ];
    let ParamValue::Record(found) = value else { panic!() };
    let found: Vec<_> = found.into_iter().map(|(n, v)| (n, format!("{v:?}"))).collect();
    assert_eq!(found, fields);
}

/// A task that lives on may print for ever, as long as it is not too much at a time.
#[test]
fn output_is_limited_by_the_hour() {
    let prints = |lines: u32, pause_ns: i64| {
        let mut a = asm();
        let body = format!(
            "const \"four\" r1\nint #0 s1\nint #{lines} s3\nint #{pause_ns} s2\nloop:\n{PRINT}\
             call.native $sleep [s2] []\nadd.imm s1 #1 s1\nif.lt.i s1 s3 @loop"
        );
        main(&mut a, "int Duration int String", &body);
        let output = Some(OutputLimit { bytes: 55, line_bytes: 7 });
        let machine = Machine::new(&load(a), Limits { output, ..Limits::default() });
        let end = machine.run(vec![]).to_string();
        (machine.output().len(), end.lines().next().unwrap_or_default().to_owned())
    };
    const MINUTE: i64 = 60_000 * MS;
    let trap = || "trap output: more than 55 bytes in an hour".to_owned();
    assert_eq!(prints(5, 0), (5, "returned true".to_owned()));
    assert_eq!(prints(6, 0), (5, trap()));
    assert_eq!(prints(6, 11 * MINUTE), (5, trap()));
    assert_eq!(prints(1000, 12 * MINUTE), (1000, "returned true".to_owned()));
}
