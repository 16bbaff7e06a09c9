//! An image calls natives with just the registers their signatures stand for, or is refused.

mod common;
use common::asm::Asm;
use common::{load, main, registry};
use dscript_interp::Program;
use dscript_interp::native::{Body, NativeDef, RecordField, Registry};
use dscript_interp::value::Value;

fn refusal(name: &str, type_args: &str, params: &str, results: &str) -> Option<String> {
    let mut asm = Asm::new();
    asm.record("P", "x:int");
    asm.native("n", name, type_args, params, results);
    main(&mut asm, "", "");
    Program::load(&asm.build().to_bytes(), &registry()).err().map(|e| e.to_string())
}

#[test]
fn registers_must_fit() {
    for (name, type_args, params, results) in [
        ("List.get", "int", "List<int> int", "int?"),
        ("List.get", "String", "List<String> int", "String?"),
        ("List.get", "String?", "List<String?> int", "String?"),
        ("List.get", "P", "List<P> int", "P?"),
        ("Map.put", "String Fault", "Map<String,Fault> String Fault", ""),
        ("Test.fail", "", "String", "String!"),
        ("Test.require", "", "String", "void!"),
        ("Task.fiber", "", "()->void", ""),
    ] {
        assert_eq!(refusal(name, type_args, params, results), None, "{name}<{type_args}>");
    }
    for (name, type_args, params, results) in [
        ("List.get", "int", "List<int> int", "int"),
        ("List.get", "int", "List<String> int", "int?"),
        ("List.get", "int", "List<int>", "int?"),
        ("List.get", "int", "List<int> int int", "int?"),
        ("List.get", "int", "List<int> double", "int?"),
        ("List.get", "", "List<int> int", "int?"),
        ("List.get", "String", "List<String> int", "String"),
        ("String.length", "", "String?", "int"),
        ("Test.fail", "", "String", "String Error?"),
        ("Task.fiber", "", "()->int", ""),
        ("no.such", "", "", ""),
    ] {
        assert!(
            refusal(name, type_args, params, results).is_some(),
            "{name}<{type_args}> {params} => {results}"
        );
    }
    assert_eq!(refusal("no.such", "", "", "").as_deref(), Some("no native is called `no.such`"));
}

static FIND: &[NativeDef] = &[NativeDef {
    name: "Pool.find",
    signature: "<T>(String, Class<T>) -> List<T>!",
    body: Body::Outside(|call| {
        let Value::Type(ty) = call.args[1] else { panic!("a type") };
        assert_eq!(call.type_args(), [ty]);
        let record = |n| {
            let value = |field: RecordField| {
                assert!(matches!(&*field.ty, "int" | "double" | "String?"), "{}", field.ty);
                (field.name, Value::Int(n))
            };
            Value::Record(call.record_fields(ty).into_iter().take(2).map(value).collect())
        };
        Ok(Value::List(vec![record(1), record(2)]))
    }),
}];

#[test]
fn types_as_values_take_no_register() {
    let mut asm = Asm::new();
    common::prelude(&mut asm);
    asm.record("Sample", "n:int d:double note:String?");
    asm.native("find", "Pool.find", "Sample", "String", "List<Sample>!");
    main(
        &mut asm,
        "String List<Sample>? Error? List<Sample>",
        "const \"k\" r1\ncall.native $find [r1] [r2 r3]\nunwrap r2 r4\ntext.r r4 :List<Sample> r1\n\
         call.native $print [r1] []",
    );
    let mut registry = Registry::pure();
    registry.add(FIND);
    let program = Program::load(&asm.build().to_bytes(), &registry).expect("loads");
    let machine = common::Machine::new(&program, common::Limits::default());
    machine.run(vec![]);
    assert_eq!(machine.output(), ["[Sample(n: 1, d: 1.0, note: null), Sample(n: 2, d: 2.0, note: null)]"]);
    let mut asm = Asm::new();
    main(&mut asm, "", "");
    assert_eq!(load(asm).manifest().tasks.len(), 1);
}
