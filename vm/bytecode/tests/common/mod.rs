//! A small image by hand that has every kind of type, row and instruction, and verifies.
#![allow(dead_code)] // Each test file is a program of its own and uses a part.

use dscript_bytecode::ids::*;
use dscript_bytecode::image::*;
use dscript_bytecode::instr::Instr;
use dscript_bytecode::scenario::*;
use dscript_bytecode::trap::TrapKind;

pub const VOID: TypeId = TypeId(0);
pub const INT: TypeId = TypeId(1);
pub const DOUBLE: TypeId = TypeId(2);
pub const BOOL: TypeId = TypeId(3);
pub const DURATION: TypeId = TypeId(4);
pub const STRING: TypeId = TypeId(5);
pub const BYTES: TypeId = TypeId(6);
pub const FAULT: TypeId = TypeId(7);
pub const FAULTS: TypeId = TypeId(8);
pub const TEXTS: TypeId = TypeId(9);
pub const POSITION: TypeId = TypeId(10);
pub const ERROR: TypeId = TypeId(11);
pub const ERROR_OR_NULL: TypeId = TypeId(12);
pub const INTS: TypeId = TypeId(13);
pub const STRINGS: TypeId = TypeId(14);
pub const INT_OR_NULL: TypeId = TypeId(15);
pub const BOXES: TypeId = TypeId(16);
pub const FUNCTION: TypeId = TypeId(17);
pub const CLOSURE: TypeId = TypeId(18);
pub const SHAPE: TypeId = TypeId(19);
pub const CIRCLE: TypeId = TypeId(20);
pub const COUNTER: TypeId = TypeId(21);
pub const STRING_OR_NULL: TypeId = TypeId(22);
pub const HANDLE: TypeId = TypeId(23);
pub const VOID_OR_ERROR: TypeId = TypeId(24);
pub const TYPES: u32 = 25;

pub const EVERYTHING: usize = 0;
pub const CLOSURE_CODE: FunctionId = FunctionId(1);
pub const AREA: FunctionId = FunctionId(2);
pub const CIRCLE_TEXT: FunctionId = FunctionId(3);
pub const GREETING: FunctionId = FunctionId(4);
pub const DEFAULT: FunctionId = FunctionId(5);
pub const UNDO: FunctionId = FunctionId(6);
/// Takes one register of many types and does nothing; tests put code into it.
pub const PROBE: usize = 7;

/// Of the scenario's parameter and the node's name.
pub const INT_VALUE: FunctionId = FunctionId(8);
pub const TEXT_VALUE: FunctionId = FunctionId(9);
pub const DOUBLE_VALUE: FunctionId = FunctionId(10);
/// The tasks.
pub const SAMPLE: TaskId = TaskId(0);
pub const WATCH: TaskId = TaskId(1);

pub fn object(ty: TypeId) -> RefType {
    RefType { ty, nullable: false }
}

pub fn nullable(ty: TypeId) -> RefType {
    RefType { ty, nullable: true }
}

pub const I: RegType = RegType::Scalar(ScalarKind::Int);
pub const D: RegType = RegType::Scalar(ScalarKind::Double);
pub const B: RegType = RegType::Scalar(ScalarKind::Bool);

pub fn s(register: u16) -> Reg {
    Reg::S(S(register))
}

pub fn r(register: u16) -> Reg {
    Reg::R(R(register))
}

pub fn regs<const N: usize>(regs: [Reg; N]) -> Box<[Reg]> {
    regs.into()
}

fn structure(name: &str, fields: &[(&str, TypeId)]) -> Struct {
    let fields = fields.iter().map(|(name, ty)| Field { name: name.to_string(), ty: *ty }).collect();
    Struct { name: name.into(), fields, implements: vec![], to_string: None }
}

fn types() -> Vec<Type> {
    let faults = ["SYSTEM", "SOFTWARE", "USER", "EXTERNAL"].map(String::from).to_vec();
    let error = [
        ("code", STRING),
        ("message", STRING),
        ("fault", FAULTS),
        ("cause", ERROR_OR_NULL),
        ("position", POSITION),
        ("data", TEXTS),
    ];
    let mut circle = structure("Circle", &[("radius", DOUBLE), ("label", STRING_OR_NULL)]);
    circle.implements = vec![Implementation { interface: SHAPE, methods: vec![AREA] }];
    circle.to_string = Some(CIRCLE_TEXT);
    let area = InterfaceMethod { name: "area".into(), params: vec![], ret: DOUBLE };
    let counter = [("count", INT), ("last", INT_OR_NULL), ("label", STRING), ("note", STRING_OR_NULL)];
    let types = vec![
        Type::Void,
        Type::Int,
        Type::Double,
        Type::Bool,
        Type::Duration,
        Type::String,
        Type::Bytes,
        Type::Enum { name: "Fault".into(), constants: faults },
        Type::Set(FAULT),
        Type::Map(STRING, STRING),
        Type::Record(structure("Position", &[("file", STRING), ("line", INT), ("column", INT)])),
        Type::Record(structure("Error", &error)),
        Type::Nullable(ERROR),
        Type::List(INT),
        Type::List(STRING),
        Type::Nullable(INT),
        Type::List(INT_OR_NULL),
        Type::Function { params: vec![INT], ret: INT },
        Type::Closure { ty: FUNCTION, code: CLOSURE_CODE, captured: vec![INT, STRING] },
        Type::Interface { name: "Shape".into(), methods: vec![area] },
        Type::Record(circle),
        Type::Class(structure("Counter", &counter)),
        Type::Nullable(STRING),
        Type::Handle("Subprocess".into()),
        Type::Fallible(VOID),
    ];
    assert_eq!(types.len(), TYPES as usize);
    types
}

/// Without heads and lines; parameters are declared as the first registers, `more` after them.
fn function(
    name: &str,
    params: &[RegType],
    results: &[RegType],
    more: &[RegType],
    code: Vec<Instr>,
) -> Function {
    let (mut scalars, mut refs) = (vec![], vec![]);
    for reg in params.iter().chain(more) {
        match *reg {
            RegType::Scalar(kind) => scalars.push(kind),
            RegType::Ref(r) => refs.push(r),
        }
    }
    Function {
        name: name.into(),
        params: params.to_vec(),
        results: results.to_vec(),
        scalars,
        refs,
        code,
        heads: vec![],
        lines: vec![],
    }
}

/// Every instruction. Scalars: s0 int, s1 int, s2 double, s3 boolean. References as `more` lists them.
fn everything() -> Function {
    let more = [
        I,
        D,
        B,
        RegType::Ref(object(STRING)),      // r0
        RegType::Ref(nullable(STRING)),    // r1
        RegType::Ref(object(INTS)),        // r2
        RegType::Ref(object(STRINGS)),     // r3
        RegType::Ref(object(CIRCLE)),      // r4
        RegType::Ref(object(COUNTER)),     // r5
        RegType::Ref(object(FUNCTION)),    // r6
        RegType::Ref(object(SHAPE)),       // r7
        RegType::Ref(object(INT_OR_NULL)), // r8
        RegType::Ref(object(BOXES)),       // r9
        RegType::Ref(nullable(ERROR)),     // r10
        RegType::Ref(object(BYTES)),       // r11
        RegType::Ref(object(CLOSURE)),     // r12
    ];
    let (i, j, d, b) = (S(0), S(1), S(2), S(3));
    // The head of the loop, the one for limits and the end.
    let build = |again: Label, cancelled: Label, end: Label| {
        let mut code = vec![
            Instr::MoveScalar { src: i, dst: j },
            Instr::Int { value: -7, dst: j },
            Instr::Double { value: 0.5, dst: d },
            Instr::Bool { value: true, dst: b },
            Instr::Const { value: ConstId(0), dst: R(0) },
            Instr::Const { value: ConstId(1), dst: R(11) },
            Instr::MoveRef { src: R(0), dst: R(1) },
            Instr::Unwrap { src: R(1), dst: R(0) },
            Instr::Null { dst: R(1) },
            Instr::Null { dst: R(10) },
        ];
        code.extend([
            Instr::AddInt { a: i, b: j, dst: j },
            Instr::SubInt { a: i, b: j, dst: j },
            Instr::MulInt { a: i, b: j, dst: j },
            Instr::DivInt { a: i, b: j, dst: j },
            Instr::RemInt { a: i, b: j, dst: j },
            Instr::NegInt { a: i, dst: j },
            Instr::AddImm { a: i, value: i64::MIN, dst: j },
            Instr::AndInt { a: i, b: j, dst: j },
            Instr::OrInt { a: i, b: j, dst: j },
            Instr::XorInt { a: i, b: j, dst: j },
            Instr::NotInt { a: i, dst: j },
            Instr::ShlInt { a: i, b: j, dst: j },
            Instr::ShrInt { a: i, b: j, dst: j },
            Instr::UShrInt { a: i, b: j, dst: j },
            Instr::AddDouble { a: d, b: d, dst: d },
            Instr::SubDouble { a: d, b: d, dst: d },
            Instr::MulDouble { a: d, b: d, dst: d },
            Instr::DivDouble { a: d, b: d, dst: d },
            Instr::RemDouble { a: d, b: d, dst: d },
            Instr::NegDouble { a: d, dst: d },
            Instr::IntToDouble { a: i, dst: d },
            Instr::DoubleToInt { a: d, dst: j },
            Instr::EqInt { a: i, b: j, dst: b },
            Instr::LtInt { a: i, b: j, dst: b },
            Instr::LeInt { a: i, b: j, dst: b },
            Instr::EqDouble { a: d, b: d, dst: b },
            Instr::LtDouble { a: d, b: d, dst: b },
            Instr::LeDouble { a: d, b: d, dst: b },
            Instr::EqBool { a: b, b, dst: b },
            Instr::NotBool { a: b, dst: b },
            Instr::SameRef { a: R(0), b: R(1), dst: b },
            Instr::IsNull { a: R(1), dst: b },
            Instr::EqValue { a: R(0), b: R(1), ty: STRING, dst: b },
        ]);
        code.extend([
            Instr::New { ty: CIRCLE, slots: regs([s(2), r(1)]), dst: R(4) },
            Instr::New { ty: COUNTER, slots: regs([s(0), s(3), s(1), r(0), r(1)]), dst: R(5) },
            Instr::New { ty: CLOSURE, slots: regs([s(0), r(0)]), dst: R(12) },
            Instr::New { ty: INT_OR_NULL, slots: regs([s(3), s(0)]), dst: R(8) },
            Instr::MoveRef { src: R(12), dst: R(6) },
            Instr::MoveRef { src: R(4), dst: R(7) },
            Instr::GetScalar { object: R(5), slot: Slot(2), dst: j },
            Instr::GetRef { object: R(5), slot: Slot(1), dst: R(1) },
            Instr::SetScalar { object: R(5), slot: Slot(1), src: b },
            Instr::SetRef { object: R(5), slot: Slot(1), src: R(0) },
            Instr::InstanceOf { src: R(7), ty: CIRCLE, dst: b },
            Instr::Narrow { src: R(7), ty: CIRCLE, dst: R(4) },
            Instr::ListNew { ty: INTS, capacity: 4, dst: R(2) },
            Instr::ListNew { ty: STRINGS, capacity: 0, dst: R(3) },
            Instr::ListNew { ty: BOXES, capacity: 1, dst: R(9) },
            Instr::ListAddScalar { list: R(2), src: i },
            Instr::ListAddRef { list: R(9), src: R(8) },
            Instr::ListSize { list: R(2), dst: j },
            Instr::ListGetScalar { list: R(2), index: i, dst: j },
            Instr::ListGetRef { list: R(3), index: i, dst: R(0) },
            Instr::ListSetScalar { list: R(2), index: i, src: j },
            Instr::ListSetRef { list: R(3), index: i, src: R(0) },
            Instr::Version { collection: R(2), dst: j },
            Instr::CheckVersion { collection: R(2), version: j },
            Instr::Concat { parts: regs([r(0), r(0)]), dst: R(1) },
            Instr::TextScalar { src: i, ty: DURATION, dst: R(0) },
            Instr::TextRef { src: R(2), ty: INTS, dst: R(0) },
            Instr::Call { function: AREA, args: regs([r(4)]), results: regs([s(2)]) },
            Instr::CallNative { native: NativeId(0), args: regs([r(0)]), results: regs([]) },
            Instr::CallValue { callee: R(6), args: regs([s(0)]), results: regs([s(1)]) },
            Instr::CallMethod {
                object: R(4),
                ty: SHAPE,
                method: MethodId(0),
                args: regs([]),
                results: regs([s(2)]),
            },
            Instr::GetStatic { from: StaticId(0), results: regs([r(0)]) },
            Instr::LimitEnter { limit: i, to: cancelled },
            Instr::Jump { to: again },
        ]);
        let at_again = code.len();
        code.extend([
            Instr::If { a: b, to: end },
            Instr::IfNot { a: b, to: end },
            Instr::IfEqInt { a: i, b: j, to: end },
            Instr::IfNeInt { a: i, b: j, to: end },
            Instr::IfLtInt { a: i, b: j, to: end },
            Instr::IfLeInt { a: i, b: j, to: end },
            Instr::IfEqDouble { a: d, b: d, to: end },
            Instr::IfNeDouble { a: d, b: d, to: end },
            Instr::IfLtDouble { a: d, b: d, to: end },
            Instr::IfLeDouble { a: d, b: d, to: end },
            Instr::IfNotLtDouble { a: d, b: d, to: end },
            Instr::IfNotLeDouble { a: d, b: d, to: end },
            Instr::IfNull { a: R(1), to: end },
            Instr::IfNotNull { a: R(1), to: end },
            Instr::LimitLeave {},
            Instr::Switch { a: i, low: -1, targets: [again, end].into(), default: cancelled },
        ]);
        let at_cancelled = code.len();
        code.extend([
            Instr::If { a: b, to: end },
            Instr::Const { value: ConstId(0), dst: R(0) },
            Instr::TrapText { kind: TrapKind::Assert, text: R(0) },
        ]);
        let at_end = code.len();
        code.push(Instr::Return { values: regs([s(3), r(10)]) });
        (code, [at_again, at_cancelled, at_end].map(|at| Label(at as u32)))
    };
    let (_, [again, cancelled, end]) = build(Label(0), Label(0), Label(0));
    let (code, _) = build(again, cancelled, end);
    let mut f = function("everything", &[I], &[B, RegType::Ref(nullable(ERROR))], &more, code);
    f.heads = vec![
        Head { at: again, scalars: vec![i, j, d, b], refs: vec![R(1), R(10)] },
        Head { at: cancelled, scalars: vec![b], refs: vec![R(10)] },
        Head { at: end, scalars: vec![b], refs: vec![R(10)] },
    ];
    f.lines = vec![
        Line { at: 0, source: 0, line: 1, column: 1 },
        Line { at: 4, source: 0, line: 2, column: 5 },
        Line { at: again.0, source: 1, line: 3, column: 9 },
    ];
    f
}

pub fn probe_registers() -> (Vec<RegType>, Vec<RegType>) {
    let params = vec![
        I,                                 // s0
        D,                                 // s1
        B,                                 // s2
        RegType::Ref(object(STRING)),      // r0
        RegType::Ref(nullable(STRING)),    // r1
        RegType::Ref(object(INTS)),        // r2
        RegType::Ref(object(STRINGS)),     // r3
        RegType::Ref(object(CIRCLE)),      // r4
        RegType::Ref(object(COUNTER)),     // r5
        RegType::Ref(object(FUNCTION)),    // r6
        RegType::Ref(object(SHAPE)),       // r7
        RegType::Ref(object(INT_OR_NULL)), // r8
        RegType::Ref(nullable(COUNTER)),   // r9
        RegType::Ref(nullable(SHAPE)),     // r10
        RegType::Ref(object(BYTES)),       // r11
        RegType::Ref(object(CLOSURE)),     // r12
        RegType::Ref(nullable(INTS)),      // r13
        RegType::Ref(object(TEXTS)),       // r14
        RegType::Ref(object(HANDLE)),      // r15
        RegType::Ref(nullable(FUNCTION)),  // r16
    ];
    // s3 and r17 are not initialised at entry.
    (params, vec![I, RegType::Ref(object(STRING))])
}

/// A scenario of every form: it watches, works with everything a step may have, and ends.
pub fn scenario() -> Scenario {
    let argument = |function, text: &str| Argument { function, text: text.into() };
    let int = || Some(argument(INT_VALUE, "n + 1"));
    let (second, count) = (Setting::Constant(1_000_000_000), Setting::Param(ParamId(0)));
    let edge = |to, after| Edge { to: StateId(to), after };
    let state = |name: &str, work| State { name: name.into(), work };
    Scenario {
        name: "Care".into(),
        params: vec![TaskParam { name: "n".into(), ty: INT, default: Some(DEFAULT) }],
        selector: Some(Selector::Text("role=cache,zone=eu-*".into())),
        guard: vec![
            GuardRule { most: Amount::Count(count), per: None },
            GuardRule { most: Amount::Percent(Setting::Constant(10)), per: Some(second) },
        ],
        states: vec![
            state(
                "Healthy",
                Work::Watch {
                    monitors: vec![Monitor {
                        call: Call { task: WATCH, args: vec![int()] },
                        every: second,
                        failing: count,
                        within: second,
                    }],
                    queries: vec![Query {
                        key: argument(TEXT_VALUE, "node"),
                        aggregate: Aggregate::Percentile(999),
                        field: Some("wa".into()),
                        over: second,
                        comparison: Comparison::Greater,
                        value: argument(DOUBLE_VALUE, "n"),
                        to: StateId(1),
                    }],
                    failure: edge(1, None),
                },
            ),
            state(
                "Repair",
                Work::Run {
                    steps: vec![Step {
                        call: Call { task: SAMPLE, args: vec![None] },
                        within: second,
                        retry: Some(Retry { times: Setting::Constant(3), pause: Some(second) }),
                        verify: Some(Verify {
                            call: Call { task: WATCH, args: vec![int()] },
                            lasting: Some(second),
                        }),
                        at_controller: true,
                        with_approval: true,
                    }],
                    success: edge(0, Some(second)),
                    failure: edge(2, None),
                },
            ),
            state("GivenUp", Work::Final { steps: vec![] }),
        ],
        initial: StateId(0),
        dcase: Some("G2".into()),
        doc: None,
    }
}

pub fn sample() -> Image {
    let this = |ty| RegType::Ref(object(ty));
    let string = RegType::Ref(object(STRING));
    let error = RegType::Ref(nullable(ERROR));
    let (probe_params, probe_more) = probe_registers();
    let text = |dst: u16| {
        vec![Instr::Const { value: ConstId(0), dst: R(dst) }, Instr::Return { values: regs([r(dst)]) }]
    };
    let functions = vec![
        everything(),
        function(
            "lambda",
            &[this(CLOSURE), I],
            &[I],
            &[],
            vec![
                Instr::GetScalar { object: R(0), slot: Slot(0), dst: S(0) },
                Instr::Return { values: regs([s(0)]) },
            ],
        ),
        function(
            "Circle.area",
            &[this(CIRCLE)],
            &[D],
            &[D],
            vec![
                Instr::GetScalar { object: R(0), slot: Slot(0), dst: S(0) },
                Instr::Return { values: regs([s(0)]) },
            ],
        ),
        function("Circle.toString", &[this(CIRCLE)], &[string], &[string], text(1)),
        function("GREETING", &[], &[string], &[string], text(0)),
        function(
            "default",
            &[],
            &[I],
            &[I],
            vec![Instr::Int { value: 3, dst: S(0) }, Instr::Return { values: regs([s(0)]) }],
        ),
        function("undo", &[I], &[error], &[], vec![Instr::Trap { kind: TrapKind::Index, text: ConstId(0) }]),
        function("probe", &probe_params, &[], &probe_more, vec![Instr::Return { values: regs([]) }]),
        function("int of a scenario", &[I, string], &[I], &[], vec![Instr::Return { values: regs([s(0)]) }]),
        function(
            "text of a scenario",
            &[I, string],
            &[string],
            &[],
            vec![Instr::Return { values: regs([r(0)]) }],
        ),
        function(
            "double of a scenario",
            &[I, string],
            &[D],
            &[D],
            vec![Instr::IntToDouble { a: S(0), dst: S(1) }, Instr::Return { values: regs([s(1)]) }],
        ),
    ];
    let source = |path: &str| Source { path: path.into(), hash: [7; 32] };
    Image {
        manifest: Manifest {
            name: "sample".into(),
            tasks: vec![
                Task {
                    name: "sample".into(),
                    script: false,
                    role: Some(Role::Recover),
                    params: vec![TaskParam { name: "n".into(), ty: INT, default: Some(DEFAULT) }],
                    function: FunctionId(0),
                    undo: Some(UNDO),
                    dcase: Some("G1".into()),
                    doc: Some("Does everything.\nTwice.".into()),
                },
                Task {
                    name: "watch".into(),
                    script: false,
                    role: Some(Role::Monitor),
                    params: vec![TaskParam { name: "n".into(), ty: INT, default: None }],
                    function: FunctionId(0),
                    undo: None,
                    dcase: None,
                    doc: None,
                },
            ],
            capabilities: vec!["exec:systemctl".into(), "logpool:write:*".into()],
            lowlevel: vec!["System.startDVMStat".into()],
            sources: vec![source("sample.ds"), source("std/system.ds")],
            error_type: Some(ERROR),
            scenarios: vec![scenario()],
            needs: vec![Needs {
                function: FunctionId(0),
                capabilities: vec!["exec:/usr/lib/checks/*".into()],
            }],
        },
        types: types(),
        constants: vec![Constant::String("hello \"you\"".into()), Constant::Bytes(vec![0, 255])],
        natives: vec![NativeInstance {
            name: "print".into(),
            type_args: vec![STRING],
            params: vec![string],
            results: vec![],
        }],
        statics: vec![Static { ty: STRING, init: GREETING }],
        functions,
        defaults: vec![FieldDefault { ty: POSITION, field: 0, function: FunctionId(4) }],
        times: [(10, TimeOperands::TimeDuration), (12, TimeOperands::DurationInt)]
            .map(|(at, operands)| TimeArithmetic { function: FunctionId(0), at, operands })
            .into(),
        scripts: vec![Script { name: "fix.sh".into(), bytes: b"#!/bin/sh\n".to_vec() }],
        signatures: vec![Signature { scheme: "ed25519".into(), key: vec![1; 32], bytes: vec![2; 64] }],
    }
}

/// A seeded generator (splitmix64), so that a failure can be repeated.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}
