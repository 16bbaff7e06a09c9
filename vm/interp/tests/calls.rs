//! Calls, closures, interfaces, statics, recursion and its limits.

mod common;
use common::asm::Asm;
use common::{Limits, Machine, check, load, main, prelude, script};
use dscript_bytecode::image::TaskParam;
use dscript_bytecode::trap::TrapKind;
use dscript_interp::FiberEnd;
use dscript_interp::value::Value;

fn asm() -> Asm {
    let mut asm = Asm::new();
    prelude(&mut asm);
    asm
}

#[test]
fn recursion_gives_results() {
    let mut asm = asm();
    asm.function(
        "fib",
        "int => int | int int",
        "int #2 s1\nif.lt.i s0 s1 @small\nadd.imm s0 #-1 s1\ncall &fib [s1] [s1]\nadd.imm s0 #-2 s2\n\
         call &fib [s2] [s2]\nadd.i s1 s2 s1\nreturn [s1]\nsmall:\nreturn [s0]",
    );
    main(
        &mut asm,
        "int String",
        "int #20 s1\ncall &fib [s1] [s1]\ntext.s s1 :int r1\ncall.native $print [r1] []",
    );
    check(asm, "6765");
}

#[test]
fn several_results_and_mixed_parameters() {
    let mut asm = asm();
    asm.function(
        "swap",
        "int String int String => String int? String | boolean",
        "bool true s2\nreturn [r1 s2 s0 r0]",
    );
    main(
        &mut asm,
        "int int String String boolean String",
        "int #1 s1\nint #2 s2\nconst \"a\" r1\nconst \"b\" r2\ncall &swap [s1 r1 s2 r2] [r2 s3 s1 r1]\n\
         text.s s1 :int r3\nconcat [r2 r3 r1] r3\ncall.native $print [r3] []",
    );
    check(asm, "b1a");
}

#[test]
fn endless_recursion_is_a_stack_trap() {
    let mut asm = asm();
    asm.function("down", "int => |", "add.imm s0 #1 s0\ncall &down [s0] []\nreturn []");
    main(&mut asm, "int", "int #0 s1\ncall &down [s1] []");
    let program = load(asm);
    let FiberEnd::Trapped(report) = Machine::new(&program, Limits::default()).run(vec![]) else { panic!() };
    assert_eq!(report.kind, TrapKind::Stack);
    assert_eq!(report.stack.len(), 40);
    assert_eq!(report.omitted, Some((32, 65536 - 40)));
    assert_eq!(report.stack[0].to_string(), "down (test.ds:2:1)");
    assert_eq!(report.stack[39].to_string(), "main (test.ds:4:1)");
    assert!(report.to_string().contains("\n  ... 65496 more ...\n"), "{report}");
}

#[test]
fn many_registers_hit_the_bank_limit_first() {
    let mut asm = asm();
    let locals = "int ".repeat(1000);
    asm.function("down", &format!("=> | {locals}"), "call &down [] []\nreturn []");
    main(&mut asm, "", "call &down [] []");
    let end = Machine::new(&load(asm), Limits::default()).run(vec![]);
    assert!(end.to_string().starts_with("trap stack: nested calls hold too many values\n"), "{end}");
}

#[test]
fn a_trap_shows_the_calls_innermost_first() {
    let mut asm = asm();
    asm.function("inner", "int => int | int", "int #0 s1\ndiv.i s0 s1 s1\nreturn [s1]");
    asm.function("outer", "int => int |", "\n\ncall &inner [s0] [s0]\nreturn [s0]");
    main(&mut asm, "int", "int #5 s1\ncall &outer [s1] [s1]");
    check(
        asm,
        "trap division by zero: 5 / 0\nat inner (test.ds:2:1)\nat outer (test.ds:3:1)\nat main (test.ds:4:1)",
    );
}

#[test]
fn closures_and_interfaces() {
    let mut asm = asm();
    let adder = asm.closure("Adder", "(int)->int", "int");
    asm.function("add", "Adder int => int | int", "get.s r0 .0 s1\nadd.i s0 s1 s0\nreturn [s0]");
    asm.set_code(adder, "add");
    asm.interface("Shape", &[("area", "int")]);
    let square = asm.record("Square", "side:int");
    asm.function("area", "Square => int | int", "get.s r0 .0 s0\nmul.i s0 s0 s0\nreturn [s0]");
    asm.implement(square, "Shape", &["area"]);
    let other = asm.record("Other", "side:int");
    asm.function("area2", "Other => int | int", "int #-1 s0\nreturn [s0]");
    asm.implement(other, "Shape", &["area2"]);
    main(
        &mut asm,
        "int String (int)->int Shape boolean Square",
        "int #40 s1\nnew :Adder [s1] r2\nint #2 s1\ncall.value r2 [s1] [s1]\ntext.s s1 :int r1\n\
         call.native $print [r1] []\n\
         int #7 s1\nnew :Square [s1] r3\ncall.method r3 :Shape ~0 [] [s1]\ntext.s s1 :int r1\n\
         call.native $print [r1] []\ninstance.of r3 :Other s2\ntext.s s2 :boolean r1\ncall.native $print [r1] []\n\
         narrow r3 :Square r4\nnew :Other [s1] r3\ncall.method r3 :Shape ~0 [] [s1]\ntext.s s1 :int r1\n\
         call.native $print [r1] []\nnarrow r3 :Square r4",
    );
    check(
        asm,
        "42\n49\nfalse\n-1\ntrap internal: an object of another type than the compiler had shown\nat main (test.ds:22:1)",
    );
}

#[test]
fn statics_are_made_once_at_first_use() {
    let mut asm = asm();
    asm.function("init", "=> String | String", "const \"made\" r0\ncall.native $print [r0] []\nreturn [r0]");
    asm.fixed("String", "init");
    main(
        &mut asm,
        "String",
        "get.static ^0 [r1]\nget.static ^0 [r1]\ncall.native $print [r1] []\nget.static ^0 [r1]",
    );
    check(asm, "made\nmade");
}

#[test]
fn a_static_that_needs_itself_traps() {
    let mut asm = asm();
    asm.function("init", "=> int | int", "get.static ^0 [s0]\nreturn [s0]");
    asm.fixed("int", "init");
    main(&mut asm, "int", "get.static ^0 [s1]");
    check(
        asm,
        "trap initialization: a static final needs its own value\nat init (test.ds:1:1)\nat main (test.ds:3:1)",
    );
}

#[test]
fn parameters_defaults_and_undo() {
    let mut asm = asm();
    let (int, text) = (asm.ty("int"), asm.ty("String"));
    asm.function("default", "int => String | String", "text.s s0 :int r0\nreturn [r0]");
    asm.function(
        "main",
        "int String => boolean! | boolean Error?",
        "call.native $print [r0] []\nbool false s1\nnull r1\nreturn [s1 r1]",
    );
    asm.function("undo", "int String => void! | Error?", "call.native $print [r0] []\nnull r1\nreturn [r1]");
    let default = Some(asm.function_id("default"));
    let params = vec![
        TaskParam { name: "n".into(), ty: int, default: None },
        TaskParam { name: "t".into(), ty: text, default },
    ];
    asm.task_with("main", "main", params, Some("undo"));
    let program = load(asm);
    let machine = Machine::new(&program, Limits { stress: true, ..Limits::default() });
    assert_eq!(machine.run(vec![Value::Int(5)]), FiberEnd::Returned(false));
    assert_eq!(machine.run(vec![Value::Int(6)]), FiberEnd::Returned(false));
    assert_eq!(machine.run(vec![Value::Int(6), Value::String("given".into())]), FiberEnd::Returned(false));
    let undo = machine.task.run_undo(0, vec![Some(Value::Int(1))]).expect("an undo block");
    assert_eq!(common::drive(&machine.host, &[&machine.task], vec![undo]), [FiberEnd::Returned(true)]);
    assert_eq!(machine.output(), ["5", "6", "given", "1"]);
    let end = machine.run(vec![]);
    assert_eq!(end.to_string(), "trap argument: parameter n is missing");
    let end = machine.run(vec![Value::Bool(true)]);
    assert_eq!(end.to_string(), "trap argument: parameter n: Bool(true) is not a int");
}

#[test]
fn unwrap_of_null_is_caught() {
    check(
        script("String? String", "null r1\nunwrap r1 r2"),
        "trap internal: null where the compiler had shown a value\nat main (test.ds:4:1)",
    );
}
