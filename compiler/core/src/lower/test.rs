//! Tests: each is a task of the image, and what reaches outside goes through a function that stands in for it.
//!
//! A function that some `given` or `verify` names, and every native of std that reaches outside, is called through
//! a wrapper. It asks the `StandIn` of the function (std/testing.ds; a static, so one for each run) for an answer;
//! without one it calls the program's own function, or ends the test where the machine would be touched.
//! Comparisons and answers are closures over the function's parameters, so values stay what they are.

use super::build::Regs;
use super::{Lowerer, Val};
use crate::check::{has_text, mentions, show_type};
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
const PROVIDED: [&str; 7] =
    ["System.sleep", "System.now", "Task.", "Subprocess.", "Lines.", "Connection.", "Scenario.path"];

/// How the names of wrappers begin: reports leave them out.
pub const WRAPPER: &str = "given ";

/// How the names of a manifest's tasks begin that are tests. The next one tells which givens were not used; then
/// come the tasks of scenarios that are run.
pub const TEST: &str = "test ";

/// What has a `StandIn`: an instance of a function or, without type arguments, the function.
type Spoken = (FnId, Vec<Ty>);

/// What a program of tests has besides.
#[derive(Default)]
pub(super) struct Stage {
    /// Functions that some `given` or `verify` names.
    pub named: FxHashSet<FnId>,
    /// The same with the type arguments of one instance, or with none where all are meant.
    spoken: FxHashSet<Spoken>,
    wrappers: FxHashMap<Spoken, FunctionId>,
    stand_ins: FxHashMap<Spoken, StaticId>,
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
        args: Vec<Ty>,
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

/// What of a function a test sees: the object of a method, the parameters and the result. Of all instances together only
/// what has the same type in each, of one all that takes a register.
pub(super) struct Seen {
    pub object: Option<Ty>,
    pub params: Vec<Ty>,
    /// `None` of instances with results of different types: a `given` answers none of them.
    ret: Option<Ty>,
}

impl Seen {
    pub fn ret(&self) -> Ty {
        self.ret.unwrap_or(Ty::VOID)
    }

    /// What a call is compared by.
    pub fn compared(&self) -> Vec<Ty> {
        self.object.into_iter().chain(self.params.iter().copied()).collect()
    }
}

impl<'a> Lowerer<'a, '_> {
    /// Every test of the root module as a task.
    pub(super) fn tests(&mut self) {
        let defs = self.defs;
        let mut spoken = FxHashSet::default();
        for fact in self.facts[0].stand_ins.values() {
            match fact.replaced {
                Replaced::Fn(id) => drop(spoken.insert((id, fact.type_args.clone()))),
                Replaced::Command { .. } => {
                    spoken.extend(self.command_natives().into_iter().map(|id| (id, Vec::new())));
                }
            }
        }
        let named = spoken.iter().map(|(id, _)| *id).collect();
        self.stage = Some(Stage { named, spoken, ..Stage::default() });
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
            TestJob::StandIn { id, args, function } => {
                let ty = self.stand_in_type(id, &args);
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
        let nearest = self.ask_stand_ins(id, &args, (&values, own), text, def.span);
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

    /// Returns what a `given` answers, of this instance or of all; goes on where none does, with what comes near.
    fn ask_stand_ins(
        &mut self,
        id: FnId,
        args: &[Ty],
        (values, own): (&[Val], usize),
        text: Val,
        span: Span,
    ) -> Option<Val> {
        let ret = self.cx.ret;
        let all = if args.is_empty() { vec![Vec::new()] } else { vec![args.to_vec(), Vec::new()] };
        let stage = self.stage.as_ref()?;
        let spoken: Vec<Spoken> =
            all.into_iter().map(|args| (id, args)).filter(|one| stage.spoken.contains(one)).collect();
        let mut asked = Vec::new();
        for (id, args) in spoken {
            let seen = self.seen(id, &args);
            let passed = self.kept_params(id, &args).into_iter().map(|place| values[own + place]);
            let passed: Vec<Val> = passed.collect();
            let compared: Vec<Val> =
                values[..seen.object.map_or(0, |_| own)].iter().chain(&passed).copied().collect();
            let (matches, answer) = self.stand_in_args(&seen);
            let call = self.closure(span, &[matches], Ty::BOOL, &compared, |this, params, held| {
                let result = this.call_closure(params[0], held, Ty::BOOL);
                this.return_value(result);
            });
            let stand_in = self.stand_in(id, &args);
            let (owner, _) = self.types.nominal_parts(stand_in.ty)?;
            self.method_of(owner, "note", &[matches, answer], &[stand_in, call, text]);
            if seen.ret.is_some() {
                asked.push((owner, matches, answer, stand_in, call, passed));
            }
        }
        // The most exact `given` answers, whichever of the two it stands in.
        let second = self.b.mark();
        if let [(owner, m, a, first, call, _), (_, m2, a2, other, call2, _)] = &asked[..] {
            let near = self.method_of(*owner, "rank", &[*m, *a], &[*first, *call]);
            let far = self.method_of(*owner, "rank", &[*m2, *a2], &[*other, *call2]);
            let to = self.b.to(second);
            self.b.emit(Instr::IfLtInt { a: far.regs.s(), b: near.regs.s(), to });
        }
        let mut nearest = None;
        let count = asked.len();
        for (index, (owner, matches, answer, stand_in, call, passed)) in asked.into_iter().enumerate() {
            if index == 1 {
                self.b.place(second);
            }
            let found = self.method_of(owner, "answer", &[matches, answer], &[stand_in, call]);
            let none = self.b.mark();
            self.jump_if_null(found, none);
            let found = self.narrow(found, answer);
            self.plain_native("TestRun.reach", &[], Ty::VOID);
            let result = self.call_closure(found, &passed, ret);
            self.return_value(result);
            self.b.place(none);
            if index + 1 == count && self.touches(id) {
                nearest = Some(self.method_of(owner, "nearest", &[matches, answer], &[stand_in, text]));
            }
        }
        if count < 2 {
            self.b.place(second);
        }
        nearest
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
            let shown = if let TyKind::Class(named) = *self.types.kind(value.ty) {
                let named = show_type(self.types, self.defs, self.interner, named);
                self.string_const(&format!("{named}.class"))
            } else if value.regs.slice().is_empty() || !has_text(self.types, self.defs, value.ty) {
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
    fn kept_params(&self, id: FnId, args: &[Ty]) -> Vec<usize> {
        if self.command_natives().contains(&id) {
            return vec![0, 1];
        }
        let def = &self.defs.fns[id.index()];
        let is_kept = |ty: Ty| match args {
            [] => !def.type_params.iter().any(|&p| mentions(self.types, ty, p)),
            _ => !matches!(self.types.kind(ty), TyKind::Class(_)),
        };
        (0..def.params.len()).filter(|&place| is_kept(def.params[place].ty)).collect()
    }

    /// Which of what is compared a parameter is.
    pub(super) fn place_in(&mut self, id: FnId, args: &[Ty], place: usize) -> Option<usize> {
        let before = usize::from(self.seen(id, args).object.is_some());
        self.kept_params(id, args).iter().position(|&kept| kept == place).map(|at| before + at)
    }

    pub(super) fn seen(&mut self, id: FnId, args: &[Ty]) -> Seen {
        let defs = self.defs;
        let def = &defs.fns[id.index()];
        let kept = self.kept_params(id, args);
        let given = |this: &mut Self, ty: Ty| match args {
            [] => ty,
            _ => this.types.substitute(ty, &def.type_params, args),
        };
        let object = def.owner.filter(|_| def.is_method).map(|owner| self.self_type(owner));
        let is_open = |this: &Self, ty: Ty| {
            args.is_empty() && def.type_params.iter().any(|&p| mentions(this.types, ty, p))
        };
        let object = object.filter(|&ty| !is_open(self, ty)).map(|ty| given(self, ty));
        let params = kept.into_iter().map(|place| given(self, def.params[place].ty)).collect();
        let ret = (!is_open(self, def.ret)).then(|| given(self, def.ret));
        Seen { object, params, ret }
    }

    /// The type arguments of its `StandIn`: the types of what compares arguments, and of an answer.
    pub(super) fn stand_in_args(&mut self, seen: &Seen) -> (Ty, Ty) {
        let matches = self.types.function(&seen.compared(), Ty::BOOL);
        let answer = self.types.function(&seen.params, seen.ret());
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

    fn stand_in_type(&mut self, id: FnId, args: &[Ty]) -> Ty {
        let seen = self.seen(id, args);
        let (matches, answer) = self.stand_in_args(&seen);
        let def = self.std_type("StandIn");
        self.types.nominal(def, &[matches, answer])
    }

    pub(super) fn stand_in(&mut self, id: FnId, args: &[Ty]) -> Val {
        let ty = self.stand_in_type(id, args);
        let key = (id, args.to_vec());
        let known = self.stage.as_ref().and_then(|stage| stage.stand_ins.get(&key).copied());
        let from = known.unwrap_or_else(|| {
            let init = self.reserve();
            let row = self.type_id(ty);
            let index = StaticId(self.image.statics.len() as u32);
            self.image.statics.push(Static { ty: row, init });
            self.queue.push_back(super::Job::Test(TestJob::StandIn {
                id,
                args: args.to_vec(),
                function: init,
            }));
            if let Some(stage) = &mut self.stage {
                stage.stand_ins.insert(key, index);
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
