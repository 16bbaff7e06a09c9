//! What the verifier refuses, and with which words. Each row breaks the sample in one place.

mod common;

use common::*;
use dscript_bytecode::ids::*;
use dscript_bytecode::image::*;
use dscript_bytecode::instr::Instr;
use dscript_bytecode::trap::TrapKind;
use dscript_bytecode::verify::verify;
use std::time::{Duration, Instant};

#[test]
fn sample_verifies() {
    assert_eq!(verify(&sample()), Ok(()));
    assert_eq!(verify(&Image::default()), Ok(()));
}

fn check(image: &Image, expected: &str) {
    let found = verify(image).map_or_else(|e| e.to_string(), |()| "verified".into());
    assert!(found.contains(expected), "expected: {expected}\n   found: {found}");
}

/// Breaks the sample's tables.
fn refused(expected: &str, change: impl FnOnce(&mut Image)) {
    let mut image = sample();
    change(&mut image);
    check(&image, expected);
}

/// The probe with this code.
fn probe(code: Vec<Instr>, heads: Vec<Head>) -> Image {
    let mut image = sample();
    image.functions[PROBE].code = code;
    image.functions[PROBE].heads = heads;
    image
}

/// One instruction that is wrong (or, for `verified`, right) between good ones.
fn instr(expected: &str, instr: Instr) {
    let ends = instr.ends_block();
    let mut code = vec![Instr::LimitLeave {}, instr];
    code.extend((!ends).then(|| Instr::Return { values: regs([]) }));
    let expected = match expected {
        "verified" => expected.to_string(),
        _ => format!("in function `probe`, instruction 1: {expected}"),
    };
    check(&probe(code, vec![]), &expected);
}

fn head(at: u32, scalars: &[u16], refs: &[u16]) -> Head {
    let scalars = scalars.iter().map(|s| S(*s)).collect();
    Head { at: Label(at), scalars, refs: refs.iter().map(|r| R(*r)).collect() }
}

fn done() -> Instr {
    Instr::Return { values: regs([]) }
}

fn jump(to: u32) -> Instr {
    Instr::Jump { to: Label(to) }
}

fn record(image: &mut Image, ty: TypeId) -> &mut Struct {
    match &mut image.types[ty.index()] {
        Type::Record(s) | Type::Class(s) => s,
        other => panic!("{other:?} is no struct"),
    }
}

#[test]
fn types() {
    let add = |expected: &str, ty: Type| refused(expected, |image| image.types.push(ty));
    add("type25 (List<type99>): type99 is outside the type table", Type::List(TypeId(99)));
    add("`T??` is not a type", Type::Nullable(INT_OR_NULL));
    add("`T!?` is not a type", Type::Nullable(VOID_OR_ERROR));
    add("`T!!` is not a type", Type::Fallible(VOID_OR_ERROR));
    add("`T!!` is not a type", Type::Fallible(TypeId(TYPES)));
    add("`T??` is not a type", Type::Nullable(TypeId(TYPES)));
    add("`void?` is not a type", Type::Nullable(VOID));
    add("void is not a type of values", Type::List(VOID));
    add("void is not a type of values", Type::Function { params: vec![VOID], ret: INT });
    add("type25 (List<int>): the table has this type twice", Type::List(INT));
    add("type2 (double) cannot be a key", Type::Set(DOUBLE));
    add("cannot be a key", Type::Map(STRINGS, INT));
    add("cannot be a key", Type::Set(COUNTER));
    add("cannot be a key", Type::Map(INT_OR_NULL, INT));
    add("type20 (Circle) cannot be a key", Type::Set(CIRCLE));
    add("verified", Type::Map(POSITION, DOUBLE));
    add(
        "a closure must be of a function type",
        Type::Closure { ty: INT, code: CLOSURE_CODE, captured: vec![] },
    );
    add("its code fn99 is outside", Type::Closure { ty: FUNCTION, code: FunctionId(99), captured: vec![] });
    add(
        "(fn1 as (int) -> int): `lambda` must take (fn1 as (int) -> int, int)",
        Type::Closure { ty: FUNCTION, code: CLOSURE_CODE, captured: vec![] },
    );
    add("the name of a type has a control character: \"\\u{1b}\"", Type::Handle("\u{1b}".into()));
    let field = |ty| Field { name: "x".into(), ty };
    let with_fields =
        |fields| Type::Record(Struct { name: "Odd".into(), fields, implements: vec![], to_string: None });
    add("void is not a type of values", with_fields(vec![field(VOID)]));
    add("its objects have 5000 slots, 4096 are allowed", with_fields(vec![field(INT); 5000]));
    // A record that holds one that is no key, through another one.
    refused("type25 (Odd) cannot be a key", |image| {
        image.types.push(with_fields(vec![field(TypeId(TYPES + 1))]));
        image.types.push(with_fields(vec![field(DOUBLE)]));
        image.types.push(Type::Set(TypeId(TYPES)));
    });
    // Types may be circular through named types only, and what is written down is bounded.
    add("type25: the type is a part of itself", Type::List(TypeId(TYPES)));
    refused("the type is a part of itself", |image| {
        image.types.push(Type::Map(INT, TypeId(TYPES + 1)));
        image.types.push(Type::Function { params: vec![INT, TypeId(TYPES)], ret: VOID });
    });
    refused("type34: the type is made of 2047 parts, 1024 are allowed", |image| {
        image.types.push(Type::Function { params: vec![INT], ret: INT });
        image.types[FUNCTION.index()] = Type::Function { params: vec![STRING], ret: INT };
        for i in 0..40 {
            let inner = TypeId(TYPES + i);
            image.types.push(Type::Function { params: vec![inner], ret: inner });
        }
    });
    refused("verified", |image| {
        image.types.push(Type::List(TypeId(TYPES + 1)));
        image.types.push(with_fields(vec![field(TypeId(TYPES))]));
    });
    add("verified", with_fields(vec![field(TypeId(TYPES))]));
    refused("`lambda` must return (double)", |image| {
        image.types[FUNCTION.index()] = Type::Function { params: vec![INT], ret: DOUBLE };
    });
}

#[test]
fn types_and_their_functions() {
    refused("(Circle): it implements type1, which is not an interface", |image| {
        record(image, CIRCLE).implements[0].interface = INT;
    });
    refused("(Circle): as Shape: it has 0 methods for 1", |image| {
        record(image, CIRCLE).implements[0].methods.clear()
    });
    refused("(Circle): as Shape: area: `Circle.toString` must return (double)", |image| {
        record(image, CIRCLE).implements[0].methods[0] = CIRCLE_TEXT;
    });
    refused("(Circle): as Shape: area: `GREETING` must take (Circle)", |image| {
        record(image, CIRCLE).implements[0].methods[0] = GREETING;
    });
    refused("(Circle): it implements an interface twice", |image| {
        let again = record(image, CIRCLE).implements[0].clone();
        record(image, CIRCLE).implements.push(again);
    });
    refused("(Circle): toString: it must take the object and return a String", |image| {
        record(image, CIRCLE).to_string = Some(AREA);
    });
    refused("(Counter): toString: it must take the object", |image| {
        record(image, COUNTER).to_string = Some(CIRCLE_TEXT);
    });
    refused("(Circle): toString: fn77 is outside", |image| {
        record(image, CIRCLE).to_string = Some(FunctionId(77))
    });
}

#[test]
fn arithmetic_of_times() {
    let times = |expected: &str, rows: &[(u32, u32)]| {
        let row = |&(function, at): &(u32, u32)| TimeArithmetic {
            function: FunctionId(function),
            at,
            operands: TimeOperands::Durations,
        };
        refused(expected, |image| image.times = rows.iter().map(row).collect());
    };
    times("verified", &[(0, 11), (0, 13), (0, 15)]);
    times("arithmetic of times in fn0: `rem.i` is none", &[(0, 14)]);
    times("arithmetic of times in fn0: it has no instruction 4000000000", &[(0, 4_000_000_000)]);
    times("fn77 is outside", &[(77, 0)]);
    times("the arithmetic of times is not in order", &[(0, 11), (0, 10)]);
    times("the arithmetic of times is not in order", &[(0, 11), (0, 11)]);
}

#[test]
fn error_type() {
    let default =
        |field: u32, function: u32| FieldDefault { ty: POSITION, field, function: FunctionId(function) };
    let defaults = |expected: &str, rows: Vec<FieldDefault>| {
        refused(expected, |image| image.defaults = rows);
    };
    defaults("that is no record", vec![FieldDefault { ty: COUNTER, ..default(0, 4) }]);
    defaults("that is no record", vec![FieldDefault { ty: TypeId(999), ..default(0, 4) }]);
    defaults("it has 3 fields", vec![default(3, 4)]);
    defaults("`default` must return (String)", vec![default(0, 5)]);
    defaults("`GREETING` must take (String)", vec![default(1, 4)]);
    defaults("fn77 is outside", vec![default(0, 77)]);
    defaults("the defaults of components are not in order", vec![default(0, 4), default(0, 4)]);
    refused("the error type is outside the type table", |image| image.manifest.error_type = Some(TypeId(99)));
    refused("the error type is not a record", |image| image.manifest.error_type = Some(COUNTER));
    refused("the error type has 3 fields, not 6", |image| image.manifest.error_type = Some(POSITION));
    refused("a `T!` and names no error type", |image| image.manifest.error_type = None);
    refused("the error type has String text where it must have String message", |image| {
        record(image, ERROR).fields[1].name = "text".into();
    });
    refused("the error type has Map<String, String> fault where it must have Set of SYSTEM", |image| {
        record(image, ERROR).fields[2].ty = TEXTS;
    });
    refused("where it must have Set of SYSTEM, SOFTWARE, USER, EXTERNAL fault", |image| {
        image.types[FAULT.index()] = Type::Enum { name: "Fault".into(), constants: vec!["SYSTEM".into()] };
    });
    refused("where it must have Error? cause", |image| record(image, ERROR).fields[3].ty = STRING_OR_NULL);
    refused("where it must have record position", |image| record(image, ERROR).fields[4].ty = COUNTER);
    refused("where it must have Map<String, String> data", |image| {
        record(image, ERROR).fields[5].ty = FAULTS
    });
}

#[test]
fn manifest() {
    let task = |expected: &str, change: fn(&mut Task)| {
        refused(expected, |image| change(&mut image.manifest.tasks[0]));
    };
    task("it has no name", |task| task.name.clear());
    task("the name of a task has a control character", |task| task.name.push('\n'));
    task("task `sample`: fn99 is outside the function table", |task| task.function = FunctionId(99));
    task("task `sample`: `lambda` must take (int)", |task| task.function = CLOSURE_CODE);
    task("task `sample`: `undo` must return (boolean, Error?)", |task| task.function = UNDO);
    task("task `sample`: undo: `everything` must return (Error?)", |task| task.undo = Some(task.function));
    task("parameter `n`: `GREETING` must return (int)", |task| task.params[0].default = Some(GREETING));
    task("default of parameter `n`: `undo` must take ()", |task| task.params[0].default = Some(UNDO));
    task("parameter `n` is of a type that no parameter of a task has", |task| task.params[0].ty = COUNTER);
    task("parameter `n` is of a type that no parameter of a task has", |task| task.params[0].ty = TypeId(99));
    task("parameter `n` has no name of its own", |task| task.params.push(task.params[0].clone()));
    refused("two tasks are called `sample`", |image| {
        let again = image.manifest.tasks[0].clone();
        image.manifest.tasks.push(again);
    });
    refused("the image has two scripts", |image| {
        let mut again = image.manifest.tasks[0].clone();
        image.manifest.tasks[0].script = true;
        (again.name, again.script) = ("again".into(), true);
        image.manifest.tasks.push(again);
    });
    let capabilities = |expected: &str, all: &[&str]| {
        refused(expected, |image| {
            image.manifest.capabilities = all.iter().map(|text| text.to_string()).collect();
        });
    };
    capabilities("bad capability `exec`: after its kind it needs", &["exec"]);
    capabilities("capability `exec:**` must be written `exec:*`", &["exec:**"]);
    capabilities("the capabilities are not sorted, or `exec:a` is there twice", &["exec:b", "exec:a"]);
    capabilities("the capabilities are not sorted, or `exec:a` is there twice", &["exec:a", "exec:a"]);
    let needs = |expected: &str, all: &[(u32, &str)]| {
        refused(expected, |image| {
            let row = |&(function, text): &(u32, &str)| Needs {
                function: FunctionId(function),
                capabilities: vec![text.to_string()],
            };
            image.manifest.needs = all.iter().map(row).collect();
        });
    };
    needs("fn999 is outside the function table", &[(999, "exec:a")]);
    needs("needs: bad capability `exec`", &[(0, "exec")]);
    needs("what functions need is not in their order", &[(1, "exec:a"), (0, "exec:a")]);
    needs("what functions need is not in their order", &[(1, "exec:a"), (1, "exec:b")]);
    refused("the Low-Level Scripts are not sorted", |image| {
        image.manifest.lowlevel = vec!["b".into(), "a".into()];
    });
    refused("the name of a source has a control character", |image| {
        image.manifest.sources[0].path.push('\r')
    });
}

#[test]
fn tables() {
    refused("static 0: fn99 is outside", |image| image.statics[0].init = FunctionId(99));
    refused("static 0: `default` must return (String)", |image| image.statics[0].init = DEFAULT);
    refused("static 0: `Circle.toString` must take ()", |image| image.statics[0].init = CIRCLE_TEXT);
    refused("static 0: void is not a type of values", |image| image.statics[0].ty = VOID);
    refused("native 0 `print`: type99 is outside", |image| image.natives[0].type_args[0] = TypeId(99));
    refused("native 0 `print`: its parameters: type99 is outside", |image| {
        image.natives[0].params[0] = RegType::Ref(object(TypeId(99)));
    });
    refused("native 0 `print`: its results: values of type1 (int) are not references", |image| {
        image.natives[0].results = vec![RegType::Ref(object(INT))];
    });
    refused("two scripts are called `fix.sh`", |image| {
        let again = image.scripts[0].clone();
        image.scripts.push(again);
    });
    refused("script `fix.sh`: its first line does not name what runs it", |image| {
        image.scripts[0].bytes = b"echo\n".to_vec();
    });
    refused("script `fix.sh`: it has 4194305 bytes, 4194304 are allowed", |image| {
        image.scripts[0].bytes.resize((4 << 20) + 1, b'#');
    });
    refused("the image has 65537 types, 65536 are allowed", |image| image.types.resize(65537, Type::Int));
}

#[test]
fn function_heads() {
    let with = |expected: &str, change: fn(&mut Function)| {
        refused(&format!("in function `probe`: {expected}"), |image| change(&mut image.functions[PROBE]));
    };
    with("its parameters are not its first registers", |f| f.scalars[0] = ScalarKind::Bool);
    with("its parameters are not its first registers", |f| f.refs[0].nullable = true);
    with("its parameters are not its first registers", |f| f.params.extend([I, I]));
    with("register r17: values of type22 (String?) are not references", |f| {
        f.refs[17] = object(STRING_OR_NULL)
    });
    with("it has 16385 scalar registers, 16384 are allowed", |f| f.scalars.resize(16385, ScalarKind::Int));
    with("its results take 1025 registers, 1024 are allowed", |f| f.results = vec![I; 1025]);
    with("it has no code", |f| f.code.clear());
    with("its heads are not in order", |f| f.heads = vec![head(0, &[], &[]), head(0, &[], &[])]);
    with("head @1 is outside the code", |f| f.heads = vec![head(1, &[], &[])]);
    with("head @0 names a register that the function does not have", |f| f.heads = vec![head(0, &[4], &[])]);
    with("head @0 names a register that the function does not have", |f| f.heads = vec![head(0, &[], &[18])]);
    let line = |at, source, line| Line { at, source, line, column: 1 };
    refused("its lines are not in order", |image| {
        image.functions[PROBE].lines = vec![line(0, 0, 1), line(0, 0, 2)];
    });
    for bad in [line(1, 0, 1), line(0, 2, 1), line(0, 0, 0)] {
        refused("names no place", |image| image.functions[PROBE].lines = vec![bad]);
    }
}

#[test]
fn ways_through_the_code() {
    let flow = |expected: &str, code: Vec<Instr>, heads: Vec<Head>| check(&probe(code, heads), expected);
    let set = |s| Instr::Int { value: 0, dst: S(s) };
    let add = |a| Instr::AddInt { a: S(a), b: S(0), dst: S(0) };
    flow("instruction 0: the code runs past its end", vec![set(0)], vec![]);
    flow("instruction 0: s3 is read and not initialised", vec![add(3), done()], vec![]);
    flow("verified", vec![set(3), add(3), done()], vec![]);
    flow("instruction 0: the function has no register s4", vec![add(4), done()], vec![]);
    flow(
        "instruction 0: r17 is read and not initialised",
        vec![Instr::MoveRef { src: R(17), dst: R(0) }, done()],
        vec![],
    );
    flow("instruction 0: s1 is double, not int", vec![add(1), done()], vec![]);
    flow("instruction 1: nothing comes here", vec![done(), done()], vec![]);
    flow("verified", vec![jump(1), done()], vec![head(1, &[], &[])]);
    flow("instruction 0: target @1 is not a head", vec![jump(1), done()], vec![]);
    flow("instruction 0: target @9 is outside the code", vec![jump(9), done()], vec![]);
    // What a head does not name is not initialised behind it, what it names must be before.
    flow(
        "instruction 2: s0 is read and not initialised",
        vec![jump(1), set(3), add(0), done()],
        vec![head(1, &[], &[])],
    );
    flow(
        "instruction 0: s3 is not initialised here, and head @1 needs it",
        vec![jump(1), done()],
        vec![head(1, &[3], &[])],
    );
    flow(
        "instruction 0: r17 is not initialised here, and head @1 needs it",
        vec![jump(1), done()],
        vec![head(1, &[0], &[17])],
    );
    flow(
        "instruction 1: s3 is not initialised here, and head @1 needs it",
        vec![Instr::LimitLeave {}, done()],
        vec![head(1, &[3], &[])],
    );
    flow(
        "instruction 0: s3 is not initialised here, and head @0 needs it",
        vec![done()],
        vec![head(0, &[3], &[])],
    );
    // A loop that needs on its way back what only the first way in has.
    flow(
        "instruction 3: s0 is not initialised here, and head @1 needs it",
        vec![set(3), add(0), jump(3), jump(1)],
        vec![head(1, &[0], &[]), head(3, &[], &[])],
    );
    flow("verified", vec![set(3), add(0), jump(3), jump(1)], vec![head(1, &[0], &[]), head(3, &[0], &[])]);
    flow(
        "instruction 0: s3 is not initialised here, and head @2 needs it",
        vec![Instr::LimitEnter { limit: S(0), to: Label(2) }, set(3), done()],
        vec![head(2, &[3], &[])],
    );
    flow(
        "instruction 0: target @1 is not a head",
        vec![Instr::Switch { a: S(0), low: 0, targets: [Label(1)].into(), default: Label(0) }, done()],
        vec![head(0, &[0], &[])],
    );
}

#[test]
fn moves_and_constants() {
    instr("int goes to s1, which is double", Instr::MoveScalar { src: S(0), dst: S(1) });
    instr("String? goes to r0, which is String", Instr::MoveRef { src: R(1), dst: R(0) });
    instr("Shape goes to r4, which is Circle", Instr::MoveRef { src: R(7), dst: R(4) });
    instr("Counter goes to r7, which is Shape", Instr::MoveRef { src: R(5), dst: R(7) });
    instr("verified", Instr::MoveRef { src: R(4), dst: R(10) });
    instr("verified", Instr::MoveRef { src: R(12), dst: R(16) });
    instr("null goes to r0, which is String", Instr::Null { dst: R(0) });
    instr("a String goes to r2, which is List<int>", Instr::Const { value: ConstId(0), dst: R(2) });
    instr("Bytes go to r1, which is String?", Instr::Const { value: ConstId(1), dst: R(1) });
    instr("const9 is outside the constant table", Instr::Const { value: ConstId(9), dst: R(1) });
    let equal = |a, b, ty| Instr::EqValue { a: R(a), b: R(b), ty, dst: S(2) };
    instr("verified", equal(0, 1, STRING));
    instr("r2 is List<int>, not String?", equal(0, 2, STRING));
    instr("functions are not compared by content", equal(6, 6, FUNCTION));
    instr("r0 is String, not int?", equal(0, 0, INT));
}

#[test]
fn objects() {
    let new = |slots: &[Reg], ty, dst| Instr::New { ty, slots: slots.into(), dst: R(dst) };
    instr("1 slot registers are given, 2 are needed", new(&[s(1)], CIRCLE, 4));
    instr("s0 is int, and slot 0 is double", new(&[s(0), r(1)], CIRCLE, 4));
    instr("r2 is List<int>, and slot 1 is String?", new(&[s(1), r(2)], CIRCLE, 4));
    instr("verified", new(&[s(1), r(0)], CIRCLE, 7));
    instr("Circle goes to r5, which is Counter", new(&[s(1), r(0)], CIRCLE, 5));
    instr("objects of Subprocess are not made from slots", new(&[], HANDLE, 15));
    instr("objects of List<int> are not made from slots", new(&[], INTS, 2));
    instr("objects of String? are not made from slots", new(&[r(1)], STRING_OR_NULL, 1));
    instr("type99 is outside the type table", new(&[], TypeId(99), 1));
    let get = |object, slot, dst| Instr::GetScalar { object: R(object), slot: Slot(slot), dst: S(dst) };
    instr("verified", get(4, 0, 1));
    instr("verified", get(5, 1, 2));
    instr("verified", get(8, 1, 0));
    instr("verified", get(12, 0, 0));
    instr("Circle has no scalar slot 1", get(4, 1, 1));
    instr("String has no scalar slot 0", get(0, 0, 1));
    instr("Shape has no scalar slot 0", get(7, 0, 1));
    instr("double goes to s0, which is int", get(4, 0, 0));
    instr("r9 is Counter? and may be null", get(9, 0, 0));
    let get = |object, slot, dst| Instr::GetRef { object: R(object), slot: Slot(slot), dst: R(dst) };
    instr("String? goes to r0, which is String", get(5, 1, 0));
    instr("Counter has no reference slot 2", get(5, 2, 0));
    instr("r9 is Counter? and may be null", get(9, 0, 0));
    let set = |object, slot, src| Instr::SetScalar { object: R(object), slot: Slot(slot), src: S(src) };
    instr("verified", set(5, 0, 0));
    instr("s1 is double, not int", set(5, 0, 1));
    instr("r4 is Circle, whose slots never change", set(4, 0, 1));
    instr("r8 is int?, whose slots never change", set(8, 1, 0));
    let set = |object, slot, src| Instr::SetRef { object: R(object), slot: Slot(slot), src: R(src) };
    instr("verified", set(5, 1, 0));
    instr("r1 is String?, not String", set(5, 0, 1));
    instr("r12 is fn1 as (int) -> int, whose slots never change", set(12, 0, 0));
    let unwrap = |src, dst| Instr::Unwrap { src: R(src), dst: R(dst) };
    instr("verified", unwrap(10, 7));
    instr("unwrap needs a nullable source", unwrap(0, 0));
    instr("unwrap needs a nullable source", unwrap(1, 1));
    instr("String goes to r2, which is List<int>", unwrap(1, 2));
    let is = |src, ty| Instr::InstanceOf { src: R(src), ty, dst: S(2) };
    instr("verified", is(10, CIRCLE));
    instr("verified", is(16, CLOSURE));
    instr("Circle is never found behind Circle", is(4, CIRCLE));
    instr("int is never found behind Shape", is(7, INT));
    let narrow = |src, ty, dst| Instr::Narrow { src: R(src), ty, dst: R(dst) };
    instr("verified", narrow(7, CIRCLE, 4));
    instr("verified", narrow(6, CLOSURE, 12));
    instr("r10 is Shape? and may be null", narrow(10, CIRCLE, 4));
    instr("Counter goes to r4, which is Circle", narrow(7, COUNTER, 4));
    instr("Subprocess is never found behind Shape", narrow(7, HANDLE, 15));
}

#[test]
fn collections_and_text() {
    let new = |ty, capacity, dst| Instr::ListNew { ty, capacity, dst: R(dst) };
    instr("verified", new(INTS, 1 << 20, 13));
    instr("Map<String, String> is not a list", new(TEXTS, 0, 14));
    instr("capacity -1 is outside 0..=1048576", new(INTS, -1, 2));
    instr("List<int> goes to r3, which is List<String>", new(INTS, 0, 3));
    instr("r0 is String, not a list", Instr::ListSize { list: R(0), dst: S(0) });
    instr("r13 is List<int>? and may be null", Instr::ListSize { list: R(13), dst: S(0) });
    let get = |list, dst| Instr::ListGetScalar { list: R(list), index: S(0), dst: S(dst) };
    instr("int goes to s1, which is double", get(2, 1));
    instr("elements of r3 (List<String>) are references", get(3, 0));
    let get = |list, dst| Instr::ListGetRef { list: R(list), index: S(0), dst: R(dst) };
    instr("verified", get(3, 1));
    instr("elements of r2 (List<int>) are scalars", get(2, 0));
    instr("String goes to r2, which is List<int>", get(3, 2));
    instr("s1 is double, not int", Instr::ListSetScalar { list: R(2), index: S(0), src: S(1) });
    instr("r1 is String?, not String", Instr::ListSetRef { list: R(3), index: S(0), src: R(1) });
    instr("s2 is boolean, not int", Instr::ListAddScalar { list: R(2), src: S(2) });
    instr("r2 is List<int>, not String", Instr::ListAddRef { list: R(3), src: R(2) });
    instr("verified", Instr::Version { collection: R(14), dst: S(0) });
    instr("r0 is String, not a list, map or set", Instr::Version { collection: R(0), dst: S(0) });
    instr("r13 is List<int>? and may be null", Instr::CheckVersion { collection: R(13), version: S(0) });
    let concat = |parts: &[Reg], dst| Instr::Concat { parts: parts.into(), dst: R(dst) };
    instr("verified", concat(&[], 1));
    instr("s0 is not a String", concat(&[s(0)], 0));
    instr("r1 is String? and may be null", concat(&[r(0), r(1)], 0));
    instr("r2 is List<int>, not String", concat(&[r(2)], 0));
    instr("a String goes to r11, which is Bytes", concat(&[r(0)], 11));
    let text = |src, ty, dst| Instr::TextScalar { src: S(src), ty, dst: R(dst) };
    instr("verified", text(0, FAULT, 0));
    instr("s0 is int, not double", text(0, DOUBLE, 0));
    instr("String is not a scalar", text(0, STRING, 0));
    instr("int? is not a scalar", text(0, INT_OR_NULL, 0));
    instr("a String goes to r2, which is List<int>", text(0, INT, 2));
    let text = |src, ty, dst| Instr::TextRef { src: R(src), ty, dst: R(dst) };
    instr("verified", text(4, SHAPE, 0));
    instr("r1 is String?, not String", text(1, STRING, 0));
    instr("r2 is List<int>, not List<String>", text(2, STRINGS, 0));
    instr("functions are not turned into text", text(6, FUNCTION, 0));
    instr("a String goes to r2, which is List<int>", text(4, CIRCLE, 2));
}

#[test]
fn calls() {
    let call = |function, args: &[Reg], results: &[Reg]| Instr::Call {
        function,
        args: args.into(),
        results: results.into(),
    };
    instr("verified", call(AREA, &[r(4)], &[s(1)]));
    instr("fn99 is outside the function table", call(FunctionId(99), &[], &[]));
    instr("0 parameter registers are given, 1 are needed", call(AREA, &[], &[s(1)]));
    instr("r5 is Counter, and parameter 0 is Circle", call(AREA, &[r(5)], &[s(1)]));
    instr("r7 is Shape, and parameter 0 is Circle", call(AREA, &[r(7)], &[s(1)]));
    instr("s0 is int, and parameter 0 is Circle", call(AREA, &[s(0)], &[s(1)]));
    instr("0 result registers are named, there are 1", call(AREA, &[r(4)], &[]));
    instr("result 0 is double and goes to s0, which is int", call(AREA, &[r(4)], &[s(0)]));
    instr("result 0 is String and goes to r2, which is List<int>", call(GREETING, &[], &[r(2)]));
    let native = |native, args: &[Reg]| Instr::CallNative {
        native: NativeId(native),
        args: args.into(),
        results: regs([]),
    };
    instr("native3 is outside the native table", native(3, &[r(0)]));
    instr("r1 is String?, and parameter 0 is String", native(0, &[r(1)]));
    let value = |callee, args: &[Reg]| Instr::CallValue {
        callee: R(callee),
        args: args.into(),
        results: regs([s(0)]),
    };
    instr("verified", value(6, &[s(0)]));
    instr("r16 is ((int) -> int)? and may be null", value(16, &[s(0)]));
    instr("r0 is String, not a function", value(0, &[s(0)]));
    instr("r7 is Shape, not a function", value(7, &[]));
    instr("s1 is double, and parameter 0 is int", value(6, &[s(1)]));
    let method = |object, ty, method| Instr::CallMethod {
        object: R(object),
        ty,
        method: MethodId(method),
        args: regs([]),
        results: regs([s(1)]),
    };
    instr("verified", method(4, SHAPE, 0));
    instr("Shape has no method1", method(7, SHAPE, 1));
    instr("Circle is not an interface", method(4, CIRCLE, 0));
    instr("r10 is Shape?, not Shape", method(10, SHAPE, 0));
    instr("r5 is Counter, not Shape", method(5, SHAPE, 0));
    instr("1 result registers are given, 0 are needed", Instr::Return { values: regs([s(0)]) });
    instr("static4 is outside", Instr::GetStatic { from: StaticId(4), results: regs([r(0)]) });
    instr("result 0 is String and goes to r2", Instr::GetStatic { from: StaticId(0), results: regs([r(2)]) });
    instr("the text of a trap must be a String", Instr::Trap { kind: TrapKind::Assert, text: ConstId(1) });
    instr("r1 is String? and may be null", Instr::TrapText { kind: TrapKind::Assert, text: R(1) });
}

/// Many blocks that each jump to the same many heads, which need the same many registers: the image is small and
/// a check of every pair would be long.
#[test]
fn time_is_linear() {
    const N: u32 = 600;
    let scalars: Vec<S> = (0..N as u16).map(S).collect();
    let target = |i: u32| Label(2 * N + i);
    let mut f = sample().functions[PROBE].clone();
    (f.params, f.refs) = (vec![I; N as usize], vec![]);
    f.scalars = vec![ScalarKind::Int; N as usize];
    f.code.clear();
    for i in 0..N {
        let targets = (0..N).map(target).collect();
        f.code.push(Instr::LimitLeave {});
        f.code.push(Instr::Switch { a: S(0), low: 0, targets, default: target(i) });
    }
    f.code.extend((0..N).map(|_| Instr::Return { values: regs([]) }));
    let starts = (0..N).map(|i| Label(2 * i)).chain((0..N).map(target));
    f.heads = starts.map(|at| Head { at, scalars: scalars.clone(), refs: vec![] }).collect();
    let mut image = sample();
    image.functions[PROBE] = f;
    let start = Instant::now();
    check(&image, "the image takes too long to check for its size");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}
