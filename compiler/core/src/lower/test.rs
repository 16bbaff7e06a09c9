//! Tests: each is a task of the image, and what reaches outside goes through a function that stands in for it.
//!
//! A function that some `given` or `verify` names, and every native of std that reaches outside, is called through
//! a wrapper. It asks the `StandIn` of the function (std/testing.ds; a static, so one for each run) for an answer;
//! without one it calls the program's own function, or ends the test where the machine would be touched.
//! Comparisons and answers are closures over the function's parameters, so values stay what they are.

use super::build::Regs;
use super::{Lowerer, Val};
use crate::check::{has_text, mentions};
use crate::defs::*;
use crate::facts::Replaced;
use crate::types::{Ty, TyKind};
use dscript_bytecode::ids::*;
use dscript_bytecode::image::{self, RefType, RegType, ScalarKind, Static, Type};
use dscript_bytecode::instr::Instr;
use dscript_bytecode::scenario as row;
use dscript_bytecode::trap::TrapKind;
use dscript_grammar::span::{NodeId, Span};
use rustc_hash::{FxHashMap, FxHashSet};

/// Lowlevel natives that a test's run has: time, the task itself, and what is asked of a given Subprocess.
const PROVIDED: [&str; 6] = ["System.sleep", "System.now", "Task.", "Subprocess.", "Lines.", "Scenario.path"];

/// How the names of wrappers begin: reports leave them out.
pub const WRAPPER: &str = "given ";

/// How the names of a manifest's tasks begin that are tests. The next one tells which givens were not used; then
/// come the tasks of scenarios that are run.
pub const TEST: &str = "test ";

/// What a program of tests has besides.
#[derive(Default)]
pub(super) struct Stage {
    /// Functions that some `given` or `verify` names.
    pub named: FxHashSet<FnId>,
    wrappers: FxHashMap<(FnId, Vec<Ty>), FunctionId>,
    stand_ins: FxHashMap<FnId, StaticId>,
    pub tasks: FxHashMap<TaskId, (FunctionId, Option<FunctionId>)>,
    /// Rows of the manifest, for scenarios that are run.
    pub task_rows: FxHashMap<TaskId, row::TaskId>,
    pub scenario_rows: FxHashMap<ScenarioId, usize>,
    /// The function itself is wanted, not its wrapper.
    itself: bool,
}

pub(super) enum TestJob {
    Wrapper {
        id: FnId,
        args: Vec<Ty>,
        function: FunctionId,
    },
    /// Makes the `StandIn` of a function.
    StandIn {
        id: FnId,
        function: FunctionId,
    },
    Task {
        id: TaskId,
        function: FunctionId,
    },
    Undo {
        id: TaskId,
        function: FunctionId,
    },
}

/// Behind a Command that is run or started, and behind one of a script.
pub(super) const COMMAND_NATIVES: [&str; 4] = ["execute", "spawn", "executeScript", "spawnScript"];

/// What of a function a test sees: its parameters without those of a type parameter, and its result.
pub(super) struct Seen {
    pub params: Vec<Ty>,
    pub ret: Ty,
}

impl<'a> Lowerer<'a, '_> {
    /// Every test of the root module as a task.
    pub(super) fn tests(&mut self) {
        let defs = self.defs;
        let mut named = FxHashSet::default();
        for fact in self.facts[0].stand_ins.values() {
            match fact.replaced {
                Replaced::Fn(id) => drop(named.insert(id)),
                Replaced::Command { .. } => named.extend(self.command_natives()),
            }
        }
        self.stage = Some(Stage { named, ..Stage::default() });
        let tests = defs.tests.iter().filter(|t| t.module == ModuleId(0));
        let rows: Vec<(&TestDef<'a>, FunctionId)> = tests.map(|test| (test, self.reserve())).collect();
        for (test, function) in &rows {
            self.add_test(format!("{TEST}{}", test.name), *function);
        }
        let unused = self.reserve();
        self.add_test("unused givens".into(), unused);
        for (test, function) in rows {
            let result = self.types.fallible(Ty::BOOL);
            self.begin(test.module, test.name.clone(), &[], result);
            self.at(test.span);
            // The first line of the code is the test's own.
            let Reg::S(dst) = self.b.keep(RegType::Scalar(ScalarKind::Bool)) else { continue };
            self.b.emit(Instr::Bool { value: true, dst });
            self.block(test.body);
            self.return_value(Val { ty: Ty::BOOL, regs: Regs::new(&[Reg::S(dst)]) });
            self.set_function(function, test.span);
        }
        let result = self.types.fallible(Ty::BOOL);
        self.begin(ModuleId(0), "unused givens".into(), &[], result);
        self.at(Span::default());
        self.call_std("tellUnused", &[]);
        self.end_task(Span::default());
        self.set_function(unused, Span::default());
    }

    fn add_test(&mut self, name: String, function: FunctionId) {
        self.image.manifest.tasks.push(image::Task {
            name,
            script: false,
            role: None,
            params: Vec::new(),
            function,
            undo: None,
            dcase: None,
            doc: None,
        });
    }

    pub(super) fn test_job(&mut self, job: TestJob) {
        match job {
            TestJob::Wrapper { id, args, function } => self.wrapper(id, args, function),
            TestJob::StandIn { id, function } => {
                let ty = self.stand_in_type(id);
                let def = &self.defs.fns[id.index()];
                self.begin(def.module, "stand-in".into(), &[], ty);
                self.at(def.span);
                let made = self.make(ty, &[]);
                self.return_value(made);
                self.set_function(function, def.span);
            }
            TestJob::Task { id, function } => {
                let defs = self.defs;
                let def = &defs.tasks[id.index()];
                let params: Vec<(NodeId, Ty)> = def.params.iter().map(|p| (p.node, p.ty)).collect();
                let result = self.types.fallible(Ty::BOOL);
                self.begin(def.module, def.name.clone(), &params, result);
                self.at(def.span);
                match def.body {
                    TaskBody::Block(block) => self.block(block),
                    TaskBody::Script(stmts) => self.stmts(stmts),
                }
                self.end_task(def.span);
                self.set_function(function, def.span);
            }
            TestJob::Undo { id, function } => {
                let defs = self.defs;
                let def = &defs.tasks[id.index()];
                let Some(block) = def.undo else { return };
                let params: Vec<(NodeId, Ty)> = def.params.iter().map(|p| (p.node, p.ty)).collect();
                let result = self.types.fallible(Ty::VOID);
                self.begin(def.module, format!("undo of {}", def.name), &params, result);
                self.at(def.span);
                self.block(block);
                let void = self.void();
                self.return_value(void);
                self.set_function(function, def.span);
            }
        }
    }

    // ---- wrappers ----

    /// What is called in the place of a function; `None` for the function itself.
    pub(super) fn stand_in_for(&mut self, id: FnId, args: &[Ty]) -> Option<FunctionId> {
        let stage = self.stage.as_ref().filter(|stage| !stage.itself)?;
        let def = &self.defs.fns[id.index()];
        if !def.is_lowlevel || !stage.named.contains(&id) && !self.touches(id) {
            return None;
        }
        let key = (id, args.to_vec());
        if let Some(&known) = stage.wrappers.get(&key) {
            return Some(known);
        }
        let function = self.reserve();
        self.queue.push_back(super::Job::Test(TestJob::Wrapper { id, args: args.to_vec(), function }));
        self.stage.as_mut()?.wrappers.insert(key, function);
        Some(function)
    }

    /// Whether the function itself would touch the machine.
    fn touches(&self, id: FnId) -> bool {
        let def = &self.defs.fns[id.index()];
        let name = self.qualified(id);
        let provided = |p: &str| if p.ends_with('.') { name.starts_with(p) } else { name == p };
        def.is_native && !PROVIDED.iter().any(|p| provided(p))
    }

    fn wrapper(&mut self, id: FnId, args: Vec<Ty>, function: FunctionId) {
        let defs = self.defs;
        let def = &defs.fns[id.index()];
        let mut declared: Vec<(NodeId, Ty)> = Vec::new();
        if let (true, Some(owner)) = (def.is_method, def.owner) {
            declared.push((NodeId(u32::MAX), self.self_type(owner)));
        }
        let own = declared.len();
        declared.extend(def.params.iter().map(|p| (p.node, p.ty)));
        let name = format!("{WRAPPER}{}", self.qualified(id));
        // A `T.class` is known to the instance; it takes no register.
        let is_class = |types: &crate::types::Types, ty: Ty| matches!(types.kind(ty), TyKind::Class(_));
        let passed: Vec<(NodeId, Ty)> =
            declared.iter().copied().filter(|&(_, ty)| !is_class(self.types, ty)).collect();
        self.begin_generic(def.module, name, &passed, def.ret, def.type_params.clone(), args.clone());
        self.at(def.span);
        let ret = self.cx.ret;
        let mut values: Vec<Val> = Vec::new();
        for (node, ty) in &declared {
            let ty = self.subst(*ty);
            let regs = self.cx.locals.get(node).copied().unwrap_or(Regs::none());
            values.push(Val { ty, regs });
        }
        let text = self.call_text(id, &values[own..]);
        let mut nearest = None;
        let is_named = self.stage.as_ref().is_some_and(|stage| stage.named.contains(&id));
        if is_named {
            let seen = self.seen(id);
            let kept: Vec<Val> = self.kept_params(id).into_iter().map(|place| values[own + place]).collect();
            let (matches, answer) = self.stand_in_args(&seen);
            let call = self.closure(def.span, &[matches], Ty::BOOL, &kept, |this, params, held| {
                let result = this.call_closure(params[0], held, Ty::BOOL);
                this.return_value(result);
            });
            let stand_in = self.stand_in(id);
            let Some((owner, _)) = self.types.nominal_parts(stand_in.ty) else { return };
            let found = self.method_of(owner, "answer", &[matches, answer], &[stand_in, call, text]);
            let none = self.b.mark();
            self.jump_if_null(found, none);
            let found = self.narrow(found, answer);
            self.plain_native("TestRun.reach", &[], Ty::VOID);
            let result = self.call_closure(found, &kept, ret);
            self.return_value(result);
            self.b.place(none);
            if self.touches(id) {
                nearest = Some(self.method_of(owner, "nearest", &[matches, answer], &[stand_in, text]));
            }
        }
        if self.touches(id) {
            let nearest = nearest.unwrap_or_else(|| self.string_const(""));
            self.plain_native("TestRun.missing", &[text, nearest], Ty::VOID);
            self.b.emit(Instr::TrapText { kind: TrapKind::Assert, text: text.regs.r() });
        } else {
            self.set_itself(true);
            let result = if def.is_native {
                self.call_native(id, &args, &values, ret)
            } else {
                let function = self.instance(id, args, def.span);
                self.emit_call(function, &values, ret)
            };
            self.set_itself(false);
            self.return_value(result);
        }
        self.set_function(function, def.span);
    }

    fn set_itself(&mut self, itself: bool) {
        if let Some(stage) = &mut self.stage {
            stage.itself = itself;
        }
    }

    /// A call as a report shows it: `Service.restart("cache")`.
    fn call_text(&mut self, id: FnId, values: &[Val]) -> Val {
        if self.command_natives().contains(&id) {
            let script = COMMAND_NATIVES[2..].iter().any(|name| self.command_native(name) == Some(id));
            let how = self.string_const(if script { "Command.script" } else { "Command" });
            return self.call_std("commandText", &[how, values[0], values[1]]);
        }
        let string = self.string_ty();
        let mut parts = vec![self.string_const(&format!("{}(", self.qualified(id))).regs.slice()[0]];
        for (index, &value) in values.iter().enumerate() {
            if index > 0 {
                parts.push(self.string_const(", ").regs.slice()[0]);
            }
            let shown = if value.regs.slice().is_empty() || !has_text(self.types, self.defs, value.ty) {
                self.string_const("...")
            } else if value.ty == string {
                self.call_std("quoted", &[value])
            } else {
                self.text(value)
            };
            parts.push(shown.regs.slice()[0]);
        }
        parts.push(self.string_const(")").regs.slice()[0]);
        self.concat(parts)
    }

    // ---- stand-ins ----

    /// The natives behind `Command.run` and `Command.start`.
    fn command_natives(&self) -> Vec<FnId> {
        COMMAND_NATIVES.iter().filter_map(|name| self.command_native(name)).collect()
    }

    pub(super) fn command_native(&self, name: &str) -> Option<FnId> {
        let command = self.defs.known.command?;
        let name = self.interner.get(name)?;
        self.defs.types[command.index()].methods.get(&name).copied()
    }

    /// The places of the parameters that a test sees: of a Command the program and its arguments.
    pub(super) fn kept_params(&self, id: FnId) -> Vec<usize> {
        if self.command_natives().contains(&id) {
            return vec![0, 1];
        }
        let def = &self.defs.fns[id.index()];
        let plain = |ty: Ty| !def.type_params.iter().any(|&p| mentions(self.types, ty, p));
        (0..def.params.len()).filter(|&place| plain(def.params[place].ty)).collect()
    }

    pub(super) fn seen(&self, id: FnId) -> Seen {
        let def = &self.defs.fns[id.index()];
        let params = self.kept_params(id).into_iter().map(|place| def.params[place].ty).collect();
        Seen { params, ret: def.ret }
    }

    /// The type arguments of its `StandIn`: the types of what compares arguments, and of an answer.
    pub(super) fn stand_in_args(&mut self, seen: &Seen) -> (Ty, Ty) {
        let matches = self.types.function(&seen.params, Ty::BOOL);
        let answer = self.types.function(&seen.params, seen.ret);
        (matches, answer)
    }

    pub(super) fn std_type(&self, name: &str) -> TypeDefId {
        let symbol = self.interner.get(name);
        let found = self.defs.modules.iter().filter(|m| m.is_std).find_map(|m| match m.names.get(&symbol?) {
            Some(Def::Type(id)) => Some(*id),
            _ => None,
        });
        found.unwrap_or_else(|| unreachable!("std declares {name}"))
    }

    fn stand_in_type(&mut self, id: FnId) -> Ty {
        let seen = self.seen(id);
        let (matches, answer) = self.stand_in_args(&seen);
        let def = self.std_type("StandIn");
        self.types.nominal(def, &[matches, answer])
    }

    pub(super) fn stand_in(&mut self, id: FnId) -> Val {
        let ty = self.stand_in_type(id);
        let known = self.stage.as_ref().and_then(|stage| stage.stand_ins.get(&id).copied());
        let from = known.unwrap_or_else(|| {
            let init = self.reserve();
            let row = self.type_id(ty);
            let index = StaticId(self.image.statics.len() as u32);
            self.image.statics.push(Static { ty: row, init });
            self.queue.push_back(super::Job::Test(TestJob::StandIn { id, function: init }));
            if let Some(stage) = &mut self.stage {
                stage.stand_ins.insert(id, index);
            }
            index
        });
        let regs = self.take(ty);
        self.b.emit(Instr::GetStatic { from, results: regs.slice().into() });
        Val { ty, regs }
    }

    /// A new object of a class of std.
    pub(super) fn make(&mut self, ty: Ty, values: &[Val]) -> Val {
        let Some((def, args)) = self.types.nominal_parts(ty).map(|(d, a)| (d, a.to_vec())) else {
            return self.absent(ty);
        };
        let Some(constructor) = self.defs.types[def.index()].constructor else { return self.absent(ty) };
        let span = self.defs.types[def.index()].span;
        let function = self.instance(constructor, args, span);
        self.emit_call(function, values, ty)
    }

    // ---- closures ----

    /// A function value that holds `captured`; `body` builds its code from its parameters and what it holds.
    pub(super) fn closure(
        &mut self,
        span: Span,
        params: &[Ty],
        ret: Ty,
        captured: &[Val],
        body: impl FnOnce(&mut Self, &[Val], &[Val]),
    ) -> Val {
        let ty = self.types.function(params, ret);
        let signature = self.type_id(ty);
        let code = self.reserve();
        let types: Vec<TypeId> = captured.iter().map(|v| self.type_id(v.ty)).collect();
        let closure = self.raw_type(Type::Closure { ty: signature, code, captured: types });
        let slots: Vec<Reg> = captured.iter().flat_map(|v| v.regs.slice().to_vec()).collect();
        let dst = self.reference(closure, false);
        self.b.emit(Instr::New { ty: closure, slots: slots.into(), dst });

        let name = self.b.name.clone();
        let outer_builder = std::mem::take(&mut self.b);
        let cx = super::Cx { module: self.cx.module, ret, ..super::Cx::default() };
        let outer = std::mem::replace(&mut self.cx, cx);
        self.b.name = name;
        self.b.results = self.regs_of(ret);
        let own = self.b.param(RegType::Ref(RefType { ty: closure, nullable: false }));
        let Reg::R(own) = own else { unreachable!("a closure is a reference") };
        let given: Vec<Val> = params.iter().map(|&ty| Val { ty, regs: self.params_of(ty) }).collect();
        self.at(span);
        let (mut scalar, mut reference) = (0, 0);
        let mut held = Vec::new();
        for value in captured {
            let regs = self.take(value.ty);
            self.load_slots(own, regs, scalar, reference);
            for reg in regs.slice() {
                match reg {
                    Reg::S(_) => scalar += 1,
                    Reg::R(_) => reference += 1,
                }
            }
            held.push(Val { ty: value.ty, regs });
        }
        body(self, &given, &held);
        self.set_function(code, span);
        self.b = outer_builder;
        self.cx = outer;
        self.at(span);
        let regs = self.take(ty);
        self.copy(Regs::new(&[Reg::R(dst)]), regs);
        Val { ty, regs }
    }

    pub(super) fn call_closure(&mut self, callee: Val, values: &[Val], ret: Ty) -> Val {
        let args: Vec<Reg> = values.iter().flat_map(|v| v.regs.slice().to_vec()).collect();
        let results = self.take(ret);
        self.b.emit(Instr::CallValue {
            callee: callee.regs.r(),
            args: args.into(),
            results: results.slice().into(),
        });
        Val { ty: ret, regs: results }
    }
}
