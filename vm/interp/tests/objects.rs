//! Texts, equality, lists, maps and sets through natives; everything also with a collection at every allocation.

mod common;
use common::asm::Asm;
use common::{Limits, Machine, check, load, main, prelude, script};

fn asm() -> Asm {
    let mut asm = Asm::new();
    prelude(&mut asm);
    asm
}

fn show(reg: &str, ty: &str) -> String {
    format!("text.r {reg} :{ty} r1\ncall.native $print [r1] []\n")
}

#[test]
fn texts_of_values() {
    let mut asm = asm();
    asm.record("Point", "x:double y:double");
    asm.record("Deep", "name:String at:Point since:Duration when:Time n:int? mode:Fault tags:List<String>");
    let body = format!(
        "double %1.0 s1\ndouble %2.5 s2\nnew :Point [s1 s2] r2\n{}\
         const \"a b\" r1\nint #90000000000 s3\nint #0 s4\nbool false s5\nint #0 s6\nint #2 s7\n\
         list.new :List<String> #0 r4\nlist.add.r r4 r1\nlist.add.r r4 r1\n\
         new :Deep [r1 r2 s3 s4 s5 s6 s7 r4] r3\n{}\
         list.new :List<Deep> #0 r5\nlist.add.r r5 r3\n{}",
        show("r2", "Point"),
        show("r3", "Deep"),
        show("r5", "List<Deep>"),
    );
    main(
        &mut asm,
        "double double Duration Time boolean int Fault String Point Deep List<String> List<Deep>",
        &body,
    );
    let deep = "Deep(name: a b, at: Point(x: 1.0, y: 2.5), since: 1m30s, when: 1970-01-01T00:00:00Z, n: null, \
                mode: USER, tags: [a b, a b])";
    check(asm, &format!("Point(x: 1.0, y: 2.5)\n{deep}\n[{deep}]"));
}

#[test]
fn classes_have_their_own_text_also_within_collections() {
    let mut asm = asm();
    let node = asm.class("Node", "n:int", None);
    asm.class("Plain", "n:int", None);
    asm.function(
        "toString",
        "Node => String | int String String",
        "get.s r0 .0 s0\nconst \"node \" r1\ntext.s s0 :int r2\nconcat [r1 r2] r1\nreturn [r1]",
    );
    asm.set_to_string(node, "toString");
    let body = format!(
        "int #1 s1\nnew :Node [s1] r2\n{}list.new :List<Node> #0 r3\nlist.add.r r3 r2\nint #2 s1\n\
         new :Node [s1] r2\nlist.add.r r3 r2\n{}new :Plain [s1] r4\n{}",
        show("r2", "Node"),
        show("r3", "List<Node>"),
        show("r4", "Plain")
    );
    main(&mut asm, "int String Node List<Node> Plain", &body);
    check(asm, "node 1\n[node 1, node 2]\nPlain");
}

#[test]
fn texts_within_texts_have_a_limit() {
    for (depth, expected) in
        [(20, "returned true"), (60, "trap stack: texts within texts are nested too deep")]
    {
        let mut asm = asm();
        let node = asm.class("Node", "next:int", None);
        let list = asm.ty("List<Node>");
        if let dscript_bytecode::image::Type::Class(of) = &mut asm.image.types[node.index()] {
            of.fields[0].ty = list;
        }
        asm.function(
            "toString",
            "Node => String | List<Node> String",
            "get.r r0 .0 r1\ntext.r r1 :List<Node> r2\nreturn [r2]",
        );
        asm.set_to_string(node, "toString");
        let body = format!(
            "int #0 s1\nint #{depth} s2\nlist.new :List<Node> #0 r2\nloop:\nnew :Node [r2] r1\n\
             list.new :List<Node> #0 r2\nlist.add.r r2 r1\nadd.imm s1 #1 s1\nif.lt.i s1 s2 @loop\n\
             text.r r2 :List<Node> r3"
        );
        main(&mut asm, "int int Node List<Node> String", &body);
        let end =
            Machine::new(&load(asm), Limits { stress: true, ..Limits::default() }).run(vec![]).to_string();
        assert_eq!(end.lines().next(), Some(expected));
    }
}

#[test]
fn a_list_within_itself_has_no_text() {
    let mut asm = asm();
    asm.interface("Any", &[]);
    let bag = asm.record("Bag", "of:List<Any>");
    asm.implement(bag, "Any", &[]);
    let body = "list.new :List<Any> #0 r3\nnew :Bag [r3] r2\nlist.add.r r3 r2\ntext.r r3 :List<Any> r1";
    main(&mut asm, "String Bag List<Any>", body);
    check(
        asm,
        "trap stack: a value is nested too deep, or within itself, to be shown as text\nat main (test.ds:6:1)",
    );
}

#[test]
fn endless_equality_ends() {
    // Two lists that hold themselves, equal as far as anyone can see.
    let mut asm = asm();
    asm.interface("Any", &[]);
    let bag = asm.record("Bag", "of:List<Any>");
    asm.implement(bag, "Any", &[]);
    let make = |list: &str| {
        format!(
            "list.new :List<Any> #0 {list}\nnew :Bag [{list}] r1\nlist.add.r {list} r1\nlist.add.r {list} r1\n"
        )
    };
    let body = format!("{}{}eq.v r2 r3 :List<Any> s1", make("r2"), make("r3"));
    main(&mut asm, "boolean Bag List<Any> List<Any>", &body);
    let end = Machine::new(&load(asm), Limits { memory_bytes: 1 << 20, ..Limits::default() }).run(vec![]);
    assert!(end.to_string().starts_with("trap timeout: this value is too large to be compared"), "{end}");
}

#[test]
fn equality_is_by_content_and_doubles_as_in_java() {
    let mut asm = asm();
    asm.record("P", "d:double s:String n:int?");
    let p = |value: &str, reg: &str| {
        format!("double %{value} s1\nconst \"x\" r1\nbool false s2\nnew :P [s1 r1 s2 s3] {reg}\n")
    };
    let compare = "eq.v r2 r3 :P s2\ntext.s s2 :boolean r1\ncall.native $print [r1] []\n";
    let body = format!(
        "int #1 s3\n{}int #2 s3\n{}{compare}{}{}{compare}{}{compare}null r3\n{compare}",
        p("NaN", "r2"),
        p("NaN", "r3"),
        p("0.0", "r2"),
        p("-0.0", "r3"),
        p("0.0", "r3"),
    );
    main(&mut asm, "double boolean int String P? P?", &body);
    check(asm, "true\nfalse\ntrue\nfalse");
}

#[test]
fn list_operations() {
    let mut asm = asm();
    for (alias, params, results) in [
        ("insert", "List<int> int int", ""),
        ("get", "List<int> int", "int?"),
        ("removeAt", "List<int> int", "int"),
        ("indexOf", "List<int> int", "int"),
        ("addAll", "List<int> List<int>", ""),
        ("reverse", "List<int>", ""),
        ("slice", "List<int> int int", "List<int>"),
        ("sortNatural", "List<int>", ""),
        ("filled", "int int", "List<int>"),
    ] {
        asm.native(alias, &format!("List.{alias}"), "int", params, results);
    }
    let list = || show("r2", "List<int>");
    let body = format!(
        "list.new :List<int> #0 r2\nint #3 s1\nlist.add.s r2 s1\nint #1 s1\nlist.add.s r2 s1\nint #0 s2\nint #9 s3\n\
         call.native $insert [r2 s2 s3] []\n{}call.native $addAll [r2 r2] []\n{}call.native $sortNatural [r2] []\n{}\
         call.native $reverse [r2] []\n{}call.native $removeAt [r2 s2] [s3]\n{}call.native $indexOf [r2 s1] [s3]\n\
         text.s s3 :int r1\ncall.native $print [r1] []\nint #2 s3\ncall.native $slice [r2 s1 s3] [r3]\n{}\
         int #77 s3\ncall.native $get [r2 s3] [s4 s3]\ntext.s s4 :boolean r1\ncall.native $print [r1] []\n\
         int #3 s1\nint #7 s3\ncall.native $filled [s1 s3] [r2]\n{}int #3 s1\nlist.get.s r2 s1 s1",
        list(),
        list(),
        list(),
        list(),
        list(),
        show("r3", "List<int>"),
        list(),
    );
    main(&mut asm, "int int int boolean String List<int> List<int>", &body);
    check(
        asm,
        "[9, 3, 1]\n[9, 3, 1, 9, 3, 1]\n[1, 1, 3, 3, 9, 9]\n[9, 9, 3, 3, 1, 1]\n[9, 3, 3, 1, 1]\n3\n[3]\nfalse\n\
         [7, 7, 7]\ntrap index: index 3, size 3\nat main (test.ds:42:1)",
    );
}

#[test]
fn maps_keep_the_order_of_insertion() {
    let mut asm = asm();
    let args = "String int";
    for (alias, params, results) in [
        ("new", "", "Map<String,int>"),
        ("put", "Map<String,int> String int", ""),
        ("get", "Map<String,int> String", "int?"),
        ("remove", "Map<String,int> String", "int?"),
        ("size", "Map<String,int>", "int"),
        ("keys", "Map<String,int>", "List<String>"),
        ("values", "Map<String,int>", "List<int>"),
        ("nextIndex", "Map<String,int> int", "int"),
        ("keyAt", "Map<String,int> int", "String"),
    ] {
        asm.native(alias, &format!("Map.{alias}"), args, params, results);
    }
    let body = format!(
        "call.native $new [] [r2]\nint #0 s1\nint #40 s2\nconst \"k\" r4\n\
         fill:\ntext.s s1 :int r3\nconcat [r4 r3] r3\ncall.native $put [r2 r3 s1] []\nadd.imm s1 #1 s1\n\
         if.lt.i s1 s2 @fill\n\
         int #4 s1\n\
         drop:\ntext.s s1 :int r3\nconcat [r4 r3] r3\ncall.native $remove [r2 r3] [s3 s4]\nadd.imm s1 #1 s1\n\
         if.lt.i s1 s2 @drop\n\
         const \"k1\" r3\nint #-1 s1\ncall.native $put [r2 r3 s1] []\nconst \"k0\" r3\n\
         call.native $remove [r2 r3] [s3 s4]\ncall.native $put [r2 r3 s1] []\n{}\
         call.native $get [r2 r4] [s3 s4]\ntext.s s3 :boolean r1\ncall.native $print [r1] []\n\
         call.native $keys [r2] [r5]\n{}call.native $values [r2] [r6]\n{}\
         call.native $nextIndex [r2 s1] [s1]\ncall.native $keyAt [r2 s1] [r1]\ncall.native $print [r1] []\n\
         int #1000 s1\ncall.native $keyAt [r2 s1] [r1]",
        show("r2", "Map<String,int>"),
        show("r5", "List<String>"),
        show("r6", "List<int>")
    );
    main(&mut asm, "int int boolean int String Map<String,int> String String List<String> List<int>", &body);
    check(
        asm,
        "{k1: -1, k2: 2, k3: 3, k0: -1}\nfalse\n[k1, k2, k3, k0]\n[-1, 2, 3, -1]\nk1\n\
         trap index: no entry has number 1000\nat main (test.ds:41:1)",
    );
}

#[test]
fn sets_of_records_compare_and_loops_notice_changes() {
    let mut asm = asm();
    asm.record("K", "a:int b:String");
    asm.native("new", "Set.new", "K", "", "Set<K>");
    asm.native("add", "Set.add", "K", "Set<K> K", "boolean");
    let add = |n: u32, text: &str, set: &str| {
        format!("int #{n} s1\nconst \"{text}\" r1\nnew :K [s1 r1] r2\ncall.native $add [{set} r2] [s2]\n")
    };
    let body = format!(
        "call.native $new [] [r3]\ncall.native $new [] [r4]\n{}{}{}text.s s2 :boolean r1\ncall.native $print [r1] []\n{}\
         {}{}eq.v r3 r4 :Set<K> s2\ntext.s s2 :boolean r1\ncall.native $print [r1] []\nversion r3 s1\n\
         check.version r3 s1\n{}check.version r3 s3",
        add(1, "x", "r3"),
        add(2, "y", "r3"),
        add(1, "x", "r3"),
        show("r3", "Set<K>"),
        add(2, "y", "r4"),
        add(1, "x", "r4"),
        "add.imm s1 #0 s3\nint #3 s1\nconst \"z\" r1\nnew :K [s1 r1] r2\ncall.native $add [r3 r2] [s2]\n",
    );
    main(&mut asm, "int boolean int String K Set<K> Set<K>", &body);
    check(
        asm,
        "false\n[K(a: 1, b: x), K(a: 2, b: y)]\ntrue\n\
         trap changed while iterated: a collection was changed while a for-each walked it\nat main (test.ds:39:1)",
    );
}

#[test]
fn boxes_in_collections() {
    let mut asm = asm();
    let body = format!(
        "list.new :List<int?> #0 r2\nbool true s1\nint #5 s2\nnew :int? [s1 s2] r3\nlist.add.r r2 r3\nbool false s1\n\
         new :int? [s1 s2] r3\nlist.add.r r2 r3\n{}",
        show("r2", "List<int?>")
    );
    main(&mut asm, "boolean int String List<int?>", &body);
    // A register that holds a box is not what a local of type `int?` is.
    let int = asm.ty("int?");
    let function = asm.image.functions.last_mut().expect("main");
    function.refs.push(dscript_bytecode::image::RefType { ty: int, nullable: false });
    check(asm, "[5, null]");
}

#[test]
fn strings_count_code_points() {
    let mut asm = asm();
    for (alias, params, results) in [
        ("length", "String", "int"),
        ("charAt", "String int", "int"),
        ("slice", "String int int", "String"),
        ("indexOf", "String String int", "int"),
        ("split", "String String int", "List<String>"),
        ("lines", "String", "List<String>"),
        ("trim", "String", "String"),
        ("reverse", "String", "String"),
        ("repeat", "String int", "String"),
        ("replace", "String String String", "String"),
        ("compareTo", "String String", "int"),
    ] {
        asm.native(alias, &format!("String.{alias}"), "", params, results);
    }
    asm.native("join", "List.joinTexts", "", "List<String> String", "String");
    asm.native("parse", "Int.parse", "", "String int", "int?");
    let int = "text.s s1 :int r1\ncall.native $print [r1] []\n";
    let body = format!(
        "const \"aé😀z, ü\" r2\ncall.native $length [r2] [s1]\n{int}int #2 s1\ncall.native $charAt [r2 s1] [s1]\n{int}\
         int #1 s1\nint #3 s2\ncall.native $slice [r2 s1 s2] [r1]\ncall.native $print [r1] []\nconst \", \" r3\n\
         int #0 s2\ncall.native $indexOf [r2 r3 s2] [s1]\n{int}call.native $split [r2 r3 s2] [r4]\n{}call.native $join [r4 r3] [r1]\n\
         call.native $print [r1] []\ncall.native $reverse [r2] [r1]\ncall.native $print [r1] []\n\
         const \"  x \" r1\ncall.native $trim [r1] [r1]\nint #3 s1\ncall.native $repeat [r1 s1] [r1]\n\
         call.native $print [r1] []\nconst \"a\\nb\\n\" r1\ncall.native $lines [r1] [r4]\n{}\
         const \"z\" r1\nconst \"--\" r5\ncall.native $replace [r2 r1 r5] [r1]\ncall.native $print [r1] []\n\
         call.native $compareTo [r2 r1] [s1]\n{int}const \"-12\" r1\nint #10 s2\ncall.native $parse [r1 s2] [s3 s1]\n{int}\
         const \"12x\" r1\ncall.native $parse [r1 s2] [s3 s1]\ntext.s s3 :boolean r1\ncall.native $print [r1] []\n\
         int #7 s1\ncall.native $charAt [r2 s1] [s1]",
        show("r4", "List<String>"),
        show("r4", "List<String>")
    );
    main(&mut asm, "int int boolean String String String List<String> String", &body);
    check(
        asm,
        "7\n128512\né😀\n4\n[aé😀z, ü]\naé😀z, ü\nü ,z😀éa\nxxx\n[a, b]\naé😀--, ü\n1\n-12\nfalse\n\
         trap index: index 7, size 7\nat main (test.ds:53:1)",
    );
}

#[test]
fn garbage_goes_and_live_bytes_are_limited() {
    // 2,000,000 records of which none lives on.
    let mut a = asm();
    a.record("P", "x:int y:int");
    main(
        &mut a,
        "int int P",
        "int #0 s1\nint #2000000 s2\nloop:\nnew :P [s1 s2] r1\nadd.imm s1 #1 s1\nif.lt.i s1 s2 @loop",
    );
    let machine = Machine::new(&load(a), Limits { memory_bytes: 1 << 20, ..Limits::default() });
    assert_eq!(machine.run(vec![]).to_string(), "returned true");
    assert!(machine.task.heap_stats().0 > 20);
    // A list that only grows.
    let grow = "list.new :List<int> #0 r1\nint #0 s1\nloop:\nlist.add.s r1 s1\njump @loop";
    let machine = Machine::new(
        &load(script("int List<int>", grow)),
        Limits { memory_bytes: 1 << 20, ..Limits::default() },
    );
    let end = machine.run(vec![]).to_string();
    assert_eq!(end, "trap memory: more than 1MiB are in use\n  at main (test.ds:6:1)");
    // One text that is too large to be.
    let mut a = asm();
    a.native("repeat", "String.repeat", "", "String int", "String");
    main(
        &mut a,
        "int String",
        "const \"abc\" r1\nint #1000000000000000 s1\ncall.native $repeat [r1 s1] [r1]",
    );
    check(a, "trap memory: more than 16MiB are in use\nat main (test.ds:5:1)");
}
