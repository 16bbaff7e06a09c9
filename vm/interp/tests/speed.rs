//! Not a test of anything but speed: `cargo test --release -p dscript-interp --test speed -- --ignored --nocapture`.

mod common;
use common::asm::Asm;
use common::{Limits, Machine, load, main, prelude};
use std::time::Instant;

fn time(name: &str, asm: Asm) {
    let program = load(asm);
    let machine = Machine::new(&program, Limits { memory_bytes: 256 << 20, ..Limits::default() });
    let start = Instant::now();
    let end = machine.run(vec![]);
    println!("{name}: {:?} {end} {:?}", start.elapsed(), machine.output());
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    let mut asm = Asm::new();
    prelude(&mut asm);
    let start = Instant::now();
    main(
        &mut asm,
        "int int int String",
        "int #0 s1\nint #0 s3\nint #100000000 s2\nloop:\nadd.i s3 s1 s3\nadd.imm s1 #1 s1\nif.lt.i s1 s2 @loop\n\
         text.s s3 :int r1\ncall.native $print [r1] []",
    );
    time("loop of 1e8 additions", asm);
    let mut asm = Asm::new();
    prelude(&mut asm);
    asm.function(
        "fib",
        "int => int | int int",
        "int #2 s1\nif.lt.i s0 s1 @small\nadd.imm s0 #-1 s1\ncall &fib [s1] [s1]\nadd.imm s0 #-2 s2\n\
         call &fib [s2] [s2]\nadd.i s1 s2 s1\nreturn [s1]\nsmall:\nreturn [s0]",
    );
    main(
        &mut asm,
        "int String",
        "int #32 s1\ncall &fib [s1] [s1]\ntext.s s1 :int r1\ncall.native $print [r1] []",
    );
    time("fib 32", asm);
    let mut asm = Asm::new();
    prelude(&mut asm);
    asm.native("new", "Map.new", "int int", "", "Map<int,int>");
    asm.native("put", "Map.put", "int int", "Map<int,int> int int", "");
    main(
        &mut asm,
        "int int Map<int,int>",
        "call.native $new [] [r1]\nint #0 s1\nint #1000000 s2\nloop:\ncall.native $put [r1 s1 s1] []\n\
         add.imm s1 #1 s1\nif.lt.i s1 s2 @loop",
    );
    time("1e6 map puts", asm);
    let mut asm = Asm::new();
    prelude(&mut asm);
    asm.record("P", "x:int y:int");
    main(
        &mut asm,
        "int int P",
        "int #0 s1\nint #10000000 s2\nloop:\nnew :P [s1 s2] r1\nadd.imm s1 #1 s1\nif.lt.i s1 s2 @loop",
    );
    time("1e7 small records", asm);
    println!("all with loading {:?}", start.elapsed());
    let start = Instant::now();
    let mut asm = Asm::new();
    prelude(&mut asm);
    main(&mut asm, "String", "const \"hello world\" r1\ncall.native $print [r1] []");
    let image = asm.build().to_bytes();
    println!("assembled {:?}", start.elapsed());
    let start = Instant::now();
    let program = dscript_interp::Program::load(&image, &common::registry()).expect("loads");
    let machine = Machine::new(&program, Limits::default());
    let end = machine.run(vec![]);
    println!("hello world: load and run {:?} {end}", start.elapsed());
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    println!("{}", status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or_default());
}
