//! Checked trees to bytecode: one function for each list of type arguments that is reached from a task.
//!
//! Work goes through a queue, so the image's tables are in the order of first use and two compilations of the
//! same text give the same bytes. Mistakes were reported before; what is found here are limits.

mod access;
mod assign;
mod build;
mod call;
mod cond;
mod dispatch;
mod expr;
mod given;
mod lambda;
mod operate;
mod run;
mod scenario;
mod stmt;
mod switch;
mod test;
mod text;
mod value;

pub use test::{TEST, WRAPPER};

use crate::Goal;
use crate::check::{Checker, holds_failures, is_key, show_type};
use crate::defs::ConstId;
use crate::defs::*;
use crate::facts::Facts;
use crate::modules::NoSources;
use crate::types::{Ty, TyKind, Types};
use build::{Builder, Mark, Regs};
use dscript_bytecode::capability::Capability;
use dscript_bytecode::ids::{ConstId as TextId, *};
use dscript_bytecode::image::{
    self, Constant, Image, NativeInstance, RefType, RegType, ScalarKind, Static, Type,
};
use dscript_bytecode::instr::Instr;
use dscript_bytecode::limits;
use dscript_grammar::ast::{self, Expr};
use dscript_grammar::codes::{self, Code};
use dscript_grammar::diagnostic::Diagnostic;
use dscript_grammar::span::{Interner, NodeId, Span};
use dscript_grammar::{Places, SourceMap};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeSet;

/// Distinct instances of one generic function; past it the program is taken to need endlessly many.
const INSTANCES_MAX: usize = 1_000;

/// How many types a type argument may be made of, and how many any type: what is made of type arguments within a
/// function is larger than they are.
const TYPE_ARG_SIZE_MAX: u32 = 200;
const TYPE_SIZE_MAX: u32 = 4 * TYPE_ARG_SIZE_MAX;

/// A value in registers.
#[derive(Clone, Copy, Debug)]
struct Val {
    ty: Ty,
    regs: Regs,
}

/// A function that is still to be built.
enum Job<'a> {
    Fn {
        id: FnId,
        args: Vec<Ty>,
        by: Option<usize>,
        function: FunctionId,
    },
    /// The default value of a parameter, from the parameters before it.
    Default {
        module: ModuleId,
        params: Vec<(NodeId, Ty)>,
        owner: Option<FnId>,
        args: Vec<Ty>,
        ty: Ty,
        value: &'a Expr,
        function: FunctionId,
    },
    Static {
        id: ConstId,
        function: FunctionId,
    },
    /// What an interface's table calls: takes the object as its own type, calls the method behind.
    Adapter {
        this: Ty,
        object: TypeId,
        method: FnId,
        owner: Ty,
        extra: Vec<Ty>,
        /// What the interface's method gives; the method behind may give something more exact.
        wanted: Ty,
        function: FunctionId,
    },
    /// The list of what an enum's constants hold.
    EnumTable {
        def: TypeDefId,
        function: FunctionId,
    },
    /// The text of an enum's constant behind an interface: its name.
    EnumText {
        def: TypeDefId,
        object: TypeId,
        function: FunctionId,
    },
    /// A function value held as one of another type: takes the closure, converts, calls what it captured.
    Adapted {
        from: Ty,
        to: Ty,
        closure: TypeId,
        function: FunctionId,
    },
    /// A function value of a plain function: takes the closure, calls the function.
    Thunk {
        id: FnId,
        args: Vec<Ty>,
        closure: TypeId,
        function: FunctionId,
    },
    Test(test::TestJob),
}

pub struct Lowerer<'a, 'c> {
    defs: &'c Defs<'a>,
    types: &'c mut Types,
    interner: &'c Interner,
    facts: Vec<Facts>,
    /// By function, whether the checker looked at its body.
    looked_at: Vec<bool>,
    scripts: &'c [image::Script],
    map: &'c SourceMap,
    diagnostics: &'c mut Vec<Diagnostic>,
    image: Image,
    type_ids: FxHashMap<Ty, TypeId>,
    raw_types: FxHashMap<Type, TypeId>,
    reg_types: FxHashMap<Ty, Vec<RegType>>,
    instances: FxHashMap<(FnId, Vec<Ty>), FunctionId>,
    instance_counts: FxHashMap<FnId, usize>,
    defaults: FxHashMap<(NodeId, ModuleId, Vec<Ty>), FunctionId>,
    statics: FxHashMap<ConstId, StaticId>,
    thunks: FxHashMap<(FnId, Vec<Ty>), (TypeId, FunctionId)>,
    /// Closure types of function values that are held as another type: from, to.
    adapters: FxHashMap<(Ty, Ty), TypeId>,
    enum_tables: FxHashMap<TypeDefId, StaticId>,
    enum_boxes: FxHashMap<TypeDefId, TypeId>,
    /// The methods that are called through each interface, in the order of its table.
    tables: FxHashMap<Ty, Vec<dispatch::Entry>>,
    /// Types with interfaces above them: the object's type in the image, and the type itself.
    implementors: Vec<(TypeId, Ty)>,
    /// Records some components of which have defaults.
    with_defaults: Vec<(TypeId, Ty)>,
    /// Types whose values natives or operators make.
    read: Vec<TypeId>,
    /// Of `with_defaults`, those whose defaults are in the image.
    completed: FxHashSet<TypeId>,
    natives: FxHashMap<(String, Vec<TypeId>), NativeId>,
    strings: FxHashMap<String, TextId>,
    sources: FxHashMap<ModuleId, u32>,
    /// Of each source, to find lines in.
    places: Vec<Places<'c>>,
    capabilities: BTreeSet<String>,
    /// Of these, what pools need that are opened.
    pools: BTreeSet<String>,
    lowlevel: BTreeSet<String>,
    warned: FxHashSet<(ModuleId, Span)>,
    /// Capabilities that are wider than they look, by the body that needs them.
    told_wide: FxHashSet<(ModuleId, Span, String)>,
    /// Where instances of generic functions were asked for.
    requests: Vec<Request>,
    /// What asks for the function that is begun next.
    requested: Option<usize>,
    /// Whether it was reported that there would be ever more to build.
    too_deep: bool,
    queue: std::collections::VecDeque<Job<'a>>,
    /// In a program of tests.
    stage: Option<test::Stage>,
    // ---- the function being built ----
    b: Builder,
    cx: Cx<'c>,
}

/// A call that asks for an instance of a generic function.
#[derive(Clone, Copy)]
struct Request {
    module: ModuleId,
    span: Span,
    callee: FnId,
    /// The request for the instance that the call stands in.
    by: Option<usize>,
}

/// The body being lowered.
struct Cx<'c> {
    module: ModuleId,
    /// The source last asked for, by its module.
    source: Option<(ModuleId, u32)>,
    /// Where the next instructions come from.
    here: Span,
    type_params: Vec<TypeParamId>,
    type_args: Vec<Ty>,
    locals: FxHashMap<NodeId, Regs>,
    this: Option<Regs>,
    this_ty: Option<Ty>,
    /// In a constructor: the registers of each field.
    fields: Vec<Regs>,
    in_constructor: bool,
    /// In a constructor: where `return` goes.
    done: Option<Mark>,
    ret: Ty,
    fail: Option<(Mark, R)>,
    loops: Vec<Loop>,
    /// `retry` blocks around, innermost last: where an error goes.
    retries: Vec<Retry>,
    /// Switch expressions around, innermost last: where `yield` goes.
    yields: Vec<Yield>,
    /// Limited regions (`within`) that are open here.
    regions: u32,
    /// The patterns of the `@Needs` around this code, which speaks for it.
    needs: Option<&'c [String]>,
    /// The function or task that this code is part of, by its name's place; and whether that is a script.
    body: Span,
    is_script: bool,
    /// What asked for this instance.
    by: Option<usize>,
}

impl Default for Cx<'_> {
    fn default() -> Self {
        Self {
            module: ModuleId(0),
            source: None,
            here: Span::default(),
            type_params: Vec::new(),
            type_args: Vec::new(),
            locals: FxHashMap::default(),
            this: None,
            this_ty: None,
            fields: Vec::new(),
            in_constructor: false,
            done: None,
            ret: Ty::VOID,
            fail: None,
            loops: Vec::new(),
            retries: Vec::new(),
            yields: Vec::new(),
            regions: 0,
            needs: None,
            body: Span::default(),
            is_script: false,
            by: None,
        }
    }
}

struct Loop {
    label: Option<dscript_grammar::span::Symbol>,
    go_on: Mark,
    leave: Mark,
    /// A `switch` statement: `break` leaves it, `continue` goes past it.
    is_switch: bool,
    /// Open regions outside the loop.
    regions: u32,
}

#[derive(Clone, Copy)]
struct Retry {
    failed: Mark,
    error: R,
    regions: u32,
}

#[derive(Clone, Copy)]
struct Yield {
    ty: Ty,
    regs: Regs,
    done: Mark,
    regions: u32,
}

/// What the checker found out.
pub struct Found<'c> {
    pub facts: Vec<Facts>,
    /// By function, whether its body was looked at.
    pub looked_at: Vec<bool>,
    pub scripts: &'c [image::Script],
}

/// Lowers every task of the root module, or for [`Goal::Test`] every test.
pub fn lower<'a>(
    defs: &Defs<'a>,
    types: &mut Types,
    interner: &Interner,
    found: Found<'_>,
    map: &SourceMap,
    diagnostics: &mut Vec<Diagnostic>,
    (name, goal): (&str, Goal),
) -> Image {
    let mut lowerer = Lowerer {
        defs,
        types,
        interner,
        facts: found.facts,
        looked_at: found.looked_at,
        scripts: found.scripts,
        map,
        diagnostics,
        image: Image::default(),
        type_ids: FxHashMap::default(),
        raw_types: FxHashMap::default(),
        reg_types: FxHashMap::default(),
        instances: FxHashMap::default(),
        instance_counts: FxHashMap::default(),
        defaults: FxHashMap::default(),
        statics: FxHashMap::default(),
        thunks: FxHashMap::default(),
        adapters: FxHashMap::default(),
        enum_tables: FxHashMap::default(),
        enum_boxes: FxHashMap::default(),
        tables: FxHashMap::default(),
        implementors: Vec::new(),
        with_defaults: Vec::new(),
        read: Vec::new(),
        completed: FxHashSet::default(),
        natives: FxHashMap::default(),
        strings: FxHashMap::default(),
        sources: FxHashMap::default(),
        places: Vec::new(),
        capabilities: BTreeSet::new(),
        pools: BTreeSet::new(),
        lowlevel: BTreeSet::new(),
        warned: FxHashSet::default(),
        told_wide: FxHashSet::default(),
        requests: Vec::new(),
        requested: None,
        too_deep: false,
        queue: std::collections::VecDeque::new(),
        stage: None,
        b: Builder::default(),
        cx: Cx::default(),
    };
    lowerer.image.manifest.name = name.to_string();
    lowerer.program(goal);
    lowerer.pool_needs();
    let mut image = lowerer.image;
    image.manifest.capabilities = lowerer.capabilities.into_iter().collect();
    image.manifest.lowlevel = lowerer.lowlevel.into_iter().collect();
    image.manifest.needs.sort_by_key(|needs| needs.function);
    image
}

impl<'a, 'c> Lowerer<'a, 'c> {
    fn program(&mut self, goal: Goal) {
        let defs = self.defs;
        if goal == Goal::Test {
            self.tests();
        } else {
            for task in defs.tasks.iter().filter(|t| t.module == ModuleId(0)) {
                self.task(task);
            }
            self.scenarios();
        }
        loop {
            while let Some(job) = self.queue.pop_front() {
                self.job(job);
            }
            let (tables, defaults) = (self.fill_tables(), self.fill_defaults());
            if !tables && !defaults {
                break;
            }
        }
        self.image.defaults.sort_by_key(|row| (row.ty, row.field));
        self.image.times.sort_by_key(|row| (row.function, row.at));
        self.check_tables();
    }

    /// An image has room for so many rows in each table.
    fn check_tables(&mut self) {
        let image = &self.image;
        let text: usize = self.strings.keys().map(String::len).sum();
        let instructions = image.functions.iter().map(|f| f.code.len()).sum();
        let tables = [
            ("types", image.types.len(), limits::TYPES_MAX),
            ("constants", image.constants.len(), limits::CONSTANTS_MAX),
            ("bytes of text", text, limits::CONSTANTS_BYTES_MAX - (1 << 20)),
            ("natives", image.natives.len(), limits::NATIVES_MAX),
            ("statics", image.statics.len(), limits::STATICS_MAX),
            ("functions", image.functions.len(), limits::FUNCTIONS_MAX),
            ("instructions", instructions, limits::INSTRUCTIONS_MAX),
            ("operations on Durations and Times", image.times.len(), limits::TIMES_MAX),
        ];
        for (what, count, most) in tables {
            if count > most {
                self.cx.module = ModuleId(0);
                self.limit(
                    Span::default(),
                    format!("the program needs {count} {what}, {most} are allowed: split it"),
                );
            }
        }
    }

    // ---- reports ----

    fn limit(&mut self, span: Span, message: impl Into<String>) {
        let file = self.defs.modules[self.cx.module.index()].file;
        self.diagnostics.push(Diagnostic::error(codes::TOO_LARGE, file, span, message));
    }

    /// Reports what a generic function does and its type arguments cannot do, at the user's call that chose them.
    fn unfit(&mut self, code: Code, what: &str) {
        if let Some((module, span, callee)) = self.chosen_at() {
            if self.warned.insert((module, span)) {
                let file = self.defs.modules[module.index()].file;
                let message = format!("{what}, and `{}` asks for that here", self.qualified(callee));
                self.diagnostics.push(Diagnostic::error(code, file, span, message));
            }
            return;
        }
        // The body itself says of which type it is.
        if self.warned.insert((self.cx.module, self.cx.here)) {
            let file = self.defs.modules[self.cx.module.index()].file;
            self.diagnostics.push(Diagnostic::error(code, file, self.cx.here, what));
        }
    }

    /// The user's call that chose the type arguments of what is lowered, and what it calls.
    fn chosen_at(&self) -> Option<(ModuleId, Span, FnId)> {
        let mut by = self.cx.by;
        while let Some(index) = by {
            let Request { module, span, callee, by: next } = self.requests[index];
            by = next;
            if next.is_none() || !self.defs.modules[module.index()].is_std {
                return Some((module, span, callee));
            }
        }
        None
    }

    /// Reports a failure that a generic function is handed and drops, at the user's call.
    fn overlooked(&mut self, id: FnId, args: &[Ty]) {
        let defs = self.defs;
        let def = &defs.fns[id.index()];
        let Some(dropped) = self.facts[def.module.index()].overlooked.get(&id).cloned() else { return };
        for (ty, at) in dropped {
            let ty = self.types.substitute(ty, &def.type_params, args);
            if !holds_failures(self.types, defs, ty) {
                continue;
            }
            let Some((module, span, callee)) = self.chosen_at() else { return };
            if self.warned.insert((module, span)) {
                let file = defs.modules[module.index()].file;
                let message = format!(
                    "a failure is overlooked: `{}` drops what it is given here",
                    self.qualified(callee)
                );
                let report = Diagnostic::error(codes::UNHANDLED, file, span, message)
                    .label_in(defs.modules[def.module.index()].file, at, "nobody looks at this")
                    .help("hand it on with `try`, or test it with `isError`, before the call");
                self.diagnostics.push(report);
            }
            return;
        }
    }

    // ---- tasks ----

    fn task(&mut self, def: &'c TaskDef<'a>) {
        let result = self.types.fallible(Ty::BOOL);
        let params: Vec<(NodeId, Ty)> = def.params.iter().map(|p| (p.node, p.ty)).collect();
        self.begin(def.module, def.name.clone(), &params, result);
        self.at(def.span);
        self.cx.needs = def.needs.as_deref();
        self.cx.body = def.span;
        self.cx.is_script = matches!(def.body, TaskBody::Script(_));
        self.declared_needs(def.needs.as_deref().unwrap_or_default());
        match def.body {
            TaskBody::Block(block) => self.block(block),
            TaskBody::Script(stmts) => self.stmts(stmts),
        }
        self.end_task(def.span);
        let function = self.add_function(def.span);
        let undo = def.undo.map(|block| {
            let result = self.types.fallible(Ty::VOID);
            self.begin(def.module, format!("undo of {}", def.name), &params, result);
            self.at(def.span);
            self.cx.needs = def.needs.as_deref();
            self.cx.body = def.span;
            self.block(block);
            let void = self.void();
            self.return_value(void);
            self.add_function(def.span)
        });
        self.task_manifest_row(def, function, undo);
    }

    fn task_manifest_row(&mut self, def: &'c TaskDef<'a>, function: FunctionId, undo: Option<FunctionId>) {
        let params: Vec<(NodeId, Ty)> = def.params.iter().map(|p| (p.node, p.ty)).collect();
        let mut task_params = Vec::new();
        for (index, param) in def.params.iter().enumerate() {
            let default = param.default.map(|value| {
                let key = (param.node, def.module, Vec::new());
                self.default_function(key, &params[..index], None, Vec::new(), param.ty, value)
            });
            let name = self.interner.name(param.name).to_string();
            let ty = self.type_id(param.ty);
            self.read.push(ty);
            task_params.push(image::TaskParam { name, ty, default });
        }
        let role = def.role.map(|role| match role {
            ast::Role::Monitor => image::Role::Monitor,
            ast::Role::Analyze => image::Role::Analyze,
            ast::Role::Recover => image::Role::Recover,
            ast::Role::Respond => image::Role::Respond,
        });
        self.image.manifest.tasks.push(image::Task {
            name: def.name.clone(),
            script: matches!(def.body, TaskBody::Script(_)),
            role,
            params: task_params,
            function,
            undo,
            dcase: def.dcase.clone(),
            doc: def.doc.clone(),
        });
    }

    /// Reaching the end of a task's body is true.
    fn end_task(&mut self, span: Span) {
        if self.b.is_dead() {
            return;
        }
        self.at(span);
        let reg = self.scalar(ScalarKind::Bool);
        self.b.emit(Instr::Bool { value: true, dst: reg });
        self.return_value(Val { ty: Ty::BOOL, regs: Regs::new(&[Reg::S(reg)]) });
    }

    // ---- jobs ----

    fn job(&mut self, job: Job<'a>) {
        match job {
            Job::Fn { id, args, by, function } => {
                self.requested = by;
                self.function(id, args, function);
            }
            Job::Default { module, params, owner, args, ty, value, function } => {
                if let Some(owner) = owner {
                    self.look_at(owner);
                }
                let type_params =
                    owner.map(|f| self.defs.fns[f.index()].type_params.clone()).unwrap_or_default();
                self.begin_generic(module, "default value".into(), &params, ty, type_params, args);
                let ty = self.cx.ret;
                let value = self.expr_as(value, ty);
                self.return_value(value);
                self.set_function(function, Span::default());
            }
            Job::Static { id, function } => {
                let def = &self.defs.consts[id.index()];
                let name = self.interner.name(def.name).to_string();
                self.begin(def.module, name, &[], def.ty);
                if let Some(init) = def.init {
                    let value = self.expr_as(init, def.ty);
                    self.return_value(value);
                }
                self.set_function(function, def.span);
            }
            Job::Adapted { from, to, closure, function } => self.adapted_code(from, to, closure, function),
            Job::Thunk { id, args, closure, function } => self.thunk(id, args, closure, function),
            Job::Test(job) => self.test_job(job),
            Job::Adapter { this, object, method, owner, extra, wanted, function } => {
                self.adapter(this, object, (method, owner, extra), wanted, function);
            }
            Job::EnumTable { def, function } => self.enum_table(def, function),
            Job::EnumText { def, object, function } => self.enum_text(def, object, function),
        }
    }

    /// Has the checker look at a function of std, whose facts are needed now.
    fn look_at(&mut self, id: FnId) {
        if self.looked_at[id.index()] {
            return;
        }
        let found = (std::mem::take(&mut self.facts), std::mem::take(&mut self.looked_at));
        // No function of std names a script.
        let (map, sources) = (self.map, &NoSources);
        let mut checker =
            Checker::new(self.defs, self.types, self.interner, map, self.diagnostics, sources, found);
        checker.function(id);
        (self.facts, self.looked_at) = (checker.facts, checker.looked_at);
    }

    fn function(&mut self, id: FnId, args: Vec<Ty>, function: FunctionId) {
        self.look_at(id);
        let defs = self.defs;
        let def = &defs.fns[id.index()];
        let mut params: Vec<(NodeId, Ty)> = Vec::new();
        let this = NodeId(u32::MAX);
        if let (true, Some(owner)) = (def.is_method, def.owner) {
            params.push((this, self.self_type(owner)));
        }
        params.extend(def.params.iter().map(|p| (p.node, p.ty)));
        let name = self.qualified(id);
        let ret = match (def.owner, def.body) {
            // An enum's constructor makes what its constants hold.
            (Some(owner), Body::Constructor(_) | Body::Record(_))
                if defs.types[owner.index()].kind == TypeKind::Enum =>
            {
                self.types.intern(TyKind::EnumData(owner))
            }
            _ => def.ret,
        };
        self.begin_generic(def.module, name, &params, ret, def.type_params.clone(), args.clone());
        self.at(def.span);
        self.overlooked(id, &args);
        self.cx.this = self.cx.locals.remove(&this);
        if let (Some(_), Some(owner)) = (self.cx.this, def.owner) {
            let ty = self.self_type(owner);
            self.cx.this_ty = Some(self.subst(ty));
        }
        self.cx.needs = def.needs.as_deref();
        self.cx.body = def.span;
        match def.body {
            Body::None => {}
            Body::Block(block) => {
                self.block(block);
                if !self.b.is_dead() {
                    let void = self.void();
                    self.at(Span::new(block.span.end.saturating_sub(1), block.span.end));
                    self.return_value(void);
                }
            }
            Body::Constructor(block) => self.constructor(def, Some(block)),
            Body::Record(compact) => self.constructor(def, compact),
        }
        self.set_function(function, def.span);
    }

    fn self_type(&mut self, owner: TypeDefId) -> Ty {
        let known = &self.defs.known;
        let simple = [(known.duration, Ty::DURATION), (known.time, Ty::TIME)];
        if let Some((_, ty)) = simple.iter().find(|(def, _)| *def == Some(owner)) {
            return *ty;
        }
        let params = self.defs.types[owner.index()].type_params.clone();
        let args: Vec<Ty> = params.iter().map(|&p| self.types.intern(TyKind::Param(p))).collect();
        self.types.nominal(owner, &args)
    }

    /// `Type.method`, or a function's plain name.
    fn qualified(&self, id: FnId) -> String {
        let def = &self.defs.fns[id.index()];
        let name = self.interner.name(def.name);
        match def.owner {
            Some(owner) if !matches!(def.body, Body::Constructor(_) | Body::Record(_)) => {
                format!("{}.{name}", self.interner.name(self.defs.types[owner.index()].name))
            }
            Some(_) => format!("new {name}"),
            None => name.to_string(),
        }
    }

    /// A constructor: fields live in registers until the object is made whole at the end.
    fn constructor(&mut self, def: &'c FnDef<'a>, block: Option<&'a ast::Block>) {
        let Some(owner) = def.owner else { return };
        let decl = &self.defs.types[owner.index()];
        let is_record = decl.kind == TypeKind::Record;
        self.cx.in_constructor = !is_record;
        if is_record {
            self.cx.fields = def.params.iter().filter_map(|p| self.cx.locals.get(&p.node).copied()).collect();
        } else {
            for field in &decl.fields {
                let ty = self.subst(field.ty);
                let regs = self.take(ty);
                self.cx.fields.push(regs);
            }
            for (index, field) in decl.fields.iter().enumerate() {
                if let Some(init) = field.init {
                    let ty = self.subst(field.ty);
                    let value = self.expr_as(init, ty);
                    let dst = self.cx.fields[index];
                    self.copy(value.regs, dst);
                }
            }
        }
        let done = self.b.mark();
        self.cx.done = Some(done);
        if let Some(block) = block {
            self.block(block);
        }
        self.b.jump(done);
        self.b.place(done);
        let made = self.cx.ret;
        self.at(def.span);
        let slots: Vec<Reg> = self.cx.fields.iter().flat_map(|f| f.slice().to_vec()).collect();
        let ty = self.type_id(made);
        let dst = self.take(made);
        self.b.emit(Instr::New { ty, slots: slots.into(), dst: dst.r() });
        self.return_value(Val { ty: made, regs: dst });
    }

    fn thunk(&mut self, id: FnId, type_args: Vec<Ty>, closure: TypeId, function: FunctionId) {
        let def = &self.defs.fns[id.index()];
        let name = self.qualified(id);
        self.begin_generic(def.module, name, &[], def.ret, def.type_params.clone(), type_args.clone());
        self.b.param(RegType::Ref(RefType { ty: closure, nullable: false }));
        let mut values = Vec::new();
        for param in &def.params {
            let ty = self.subst(param.ty);
            let regs = self.params_of(ty);
            values.push(Val { ty, regs });
        }
        self.at(def.span);
        let ret = self.cx.ret;
        let value = if def.is_native {
            self.call_native(id, &type_args, &values, ret)
        } else {
            let target = self.instance(id, type_args, def.span);
            self.emit_call(target, &values, ret)
        };
        self.return_value(value);
        self.set_function(function, def.span);
    }

    // ---- functions of the image ----

    fn begin(&mut self, module: ModuleId, name: String, params: &[(NodeId, Ty)], ret: Ty) {
        self.begin_generic(module, name, params, ret, Vec::new(), Vec::new());
    }

    fn begin_generic(
        &mut self,
        module: ModuleId,
        name: String,
        params: &[(NodeId, Ty)],
        ret: Ty,
        type_params: Vec<TypeParamId>,
        type_args: Vec<Ty>,
    ) {
        self.b = Builder::default();
        self.b.name = name;
        self.cx = Cx { module, type_params, type_args, by: self.requested.take(), ..Cx::default() };
        let ret = self.subst(ret);
        self.cx.ret = ret;
        self.b.results = self.regs_of(ret);
        for &(node, ty) in params {
            let ty = self.subst(ty);
            let regs = self.params_of(ty);
            self.cx.locals.insert(node, regs);
        }
    }

    fn params_of(&mut self, ty: Ty) -> Regs {
        let regs: Vec<Reg> = self.regs_of(ty).into_iter().map(|reg| self.b.param(reg)).collect();
        Regs::new(&regs)
    }

    fn reserve(&mut self) -> FunctionId {
        let id = FunctionId(self.image.functions.len() as u32);
        self.image.functions.push(image::Function {
            name: String::new(),
            params: Vec::new(),
            results: Vec::new(),
            scalars: Vec::new(),
            refs: Vec::new(),
            code: Vec::new(),
            heads: Vec::new(),
            lines: Vec::new(),
        });
        id
    }

    fn add_function(&mut self, span: Span) -> FunctionId {
        let id = self.reserve();
        self.set_function(id, span);
        id
    }

    fn set_function(&mut self, id: FunctionId, span: Span) {
        if self.too_deep {
            // There will be no image; what is built is looked at for its other mistakes alone.
            self.b = Builder::default();
            return;
        }
        self.place_fail();
        let builder = std::mem::take(&mut self.b);
        let name = if builder.name.is_empty() { "this" } else { &builder.name };
        let signature = builder.params.len().max(builder.results.len());
        if let Some(message) = if builder.overflow {
            Some(format!(
                "`{name}` needs more registers than a function may have ({}): split it",
                limits::REGISTERS_MAX
            ))
        } else if signature > limits::SIGNATURE_REGISTERS_MAX {
            Some(format!(
                "the parameters of `{name}` take {signature} registers, {} are allowed: pass a record or a list",
                limits::SIGNATURE_REGISTERS_MAX
            ))
        } else if builder.len() > limits::FUNCTION_INSTRUCTIONS_MAX {
            Some(format!(
                "`{name}` has {} instructions, {} are allowed: split it",
                builder.len(),
                limits::FUNCTION_INSTRUCTIONS_MAX
            ))
        } else {
            None
        } {
            return self.limit(span, message);
        }
        self.image.times.extend(builder.times_of(id));
        let places = &mut self.places;
        self.image.functions[id.index()] =
            builder.finish(|source, offset| places[source as usize].line_col(offset));
        // The library's functions serve whoever calls them.
        if let Some(needs) = self.cx.needs
            && !self.defs.modules[self.cx.module.index()].is_std
        {
            let capabilities: BTreeSet<String> =
                needs.iter().filter_map(|text| bound(text)).map(|bound| bound.to_string()).collect();
            let capabilities = capabilities.into_iter().collect();
            self.image.manifest.needs.push(image::Needs { function: id, capabilities });
        }
    }

    /// Where `try` and `fail` go: the error in its register, no value.
    fn place_fail(&mut self) {
        let Some((mark, error)) = self.cx.fail.take() else { return };
        self.b.place(mark);
        let ret = self.cx.ret;
        let mut regs = Vec::new();
        let all = self.regs_of(ret);
        for ty in &all[..all.len() - 1] {
            regs.push(self.zero(*ty));
        }
        regs.push(Reg::R(error));
        self.b.emit(Instr::Return { values: regs.into() });
    }

    /// The beginning of a type's name.
    fn shown_short(&mut self, ty: Ty) -> String {
        let shown = show_type(self.types, self.defs, self.interner, ty);
        shown.chars().take(120).collect()
    }

    /// Reports, once, that there would be ever more to build.
    fn never_ends(&mut self, module: ModuleId, span: Span, message: String) {
        if !std::mem::replace(&mut self.too_deep, true) {
            let file = self.defs.modules[module.index()].file;
            self.diagnostics.push(Diagnostic::error(codes::TOO_LARGE, file, span, message));
        }
    }

    fn instance(&mut self, id: FnId, args: Vec<Ty>, span: Span) -> FunctionId {
        if let Some(function) = self.stand_in_for(id, &args) {
            return function;
        }
        let key = (id, args);
        if let Some(&known) = self.instances.get(&key) {
            return known;
        }
        let count = self.instance_counts.entry(id).or_default();
        *count += 1;
        let count = *count;
        let function = self.reserve();
        self.instances.insert(key.clone(), function);
        if count > INSTANCES_MAX || key.1.iter().any(|&arg| self.types.size(arg) > TYPE_ARG_SIZE_MAX) {
            let args: Vec<String> = key.1.iter().map(|&arg| self.shown_short(arg)).collect();
            let message = format!(
                "`{}` calls itself with ever new type arguments: <{}...>",
                self.qualified(id),
                args.join(", ")
            );
            self.never_ends(self.cx.module, span, message);
        } else if !self.defs.fns[id.index()].is_native {
            let by = (!key.1.is_empty()).then(|| {
                self.requests.push(Request { module: self.cx.module, span, callee: id, by: self.cx.by });
                self.requests.len() - 1
            });
            self.queue.push_back(Job::Fn { id, args: key.1, by, function });
        }
        function
    }

    fn default_function(
        &mut self,
        key: (NodeId, ModuleId, Vec<Ty>),
        params: &[(NodeId, Ty)],
        owner: Option<FnId>,
        args: Vec<Ty>,
        ty: Ty,
        value: &'a Expr,
    ) -> FunctionId {
        if let Some(&known) = self.defaults.get(&key) {
            return known;
        }
        let function = self.reserve();
        let module = key.1;
        self.defaults.insert(key, function);
        self.queue.push_back(Job::Default {
            module,
            params: params.to_vec(),
            owner,
            args,
            ty,
            value,
            function,
        });
        function
    }

    /// The defaults of records that are read, as far as the image has them not yet; whether there were any.
    fn fill_defaults(&mut self) -> bool {
        if self.with_defaults.len() == self.completed.len() {
            return false;
        }
        let mut read = FxHashSet::default();
        let mut left = self.read.clone();
        while let Some(id) = left.pop() {
            if !read.insert(id) {
                continue;
            }
            match &self.image.types[id.index()] {
                Type::Nullable(of) | Type::Fallible(of) | Type::List(of) | Type::Set(of) => left.push(*of),
                Type::Map(key, value) => left.extend([*key, *value]),
                Type::Record(of) => left.extend(of.fields.iter().map(|field| field.ty)),
                _ => {}
            }
        }
        let mut any = false;
        for (id, ty) in self.with_defaults.clone() {
            if read.contains(&id) && self.completed.insert(id) {
                self.defaults_of(id, ty);
                any = true;
            }
        }
        any
    }

    fn defaults_of(&mut self, record: TypeId, ty: Ty) {
        let defs = self.defs;
        let Some((def, args)) = self.types.nominal_parts(ty).map(|(def, args)| (def, args.to_vec())) else {
            return;
        };
        let Some(constructor) = defs.types[def.index()].constructor else { return };
        let def = &defs.fns[constructor.index()];
        for (index, param) in def.params.iter().enumerate() {
            let Some(value) = param.default else { continue };
            let before: Vec<(NodeId, Ty)> = def.params[..index].iter().map(|p| (p.node, p.ty)).collect();
            let key = (param.node, def.module, args.clone());
            let function =
                self.default_function(key, &before, Some(constructor), args.clone(), param.ty, value);
            self.image.defaults.push(image::FieldDefault { ty: record, field: index as u32, function });
        }
    }

    fn static_id(&mut self, id: ConstId) -> StaticId {
        if let Some(&known) = self.statics.get(&id) {
            return known;
        }
        let init = self.reserve();
        let ty = self.type_id(self.defs.consts[id.index()].ty);
        let index = StaticId(self.image.statics.len() as u32);
        self.image.statics.push(Static { ty, init });
        self.statics.insert(id, index);
        self.queue.push_back(Job::Static { id, function: init });
        index
    }

    // ---- types and constants of the image ----

    /// A type of the tree in this instance.
    fn subst(&mut self, ty: Ty) -> Ty {
        let ty = self.types.resolve(ty);
        self.types.substitute(ty, &self.cx.type_params, &self.cx.type_args)
    }

    fn raw_type(&mut self, ty: Type) -> TypeId {
        if let Some(&known) = self.raw_types.get(&ty) {
            return known;
        }
        let id = TypeId(self.image.types.len() as u32);
        self.image.types.push(ty.clone());
        self.raw_types.insert(ty, id);
        id
    }

    fn type_id(&mut self, ty: Ty) -> TypeId {
        let ty = self.types.resolve(ty);
        if let Some(&known) = self.type_ids.get(&ty) {
            return known;
        }
        if self.types.size(ty) > TYPE_SIZE_MAX {
            // The outermost declared type is the one that grows.
            let plain = self.types.nullable_inner(ty).or(self.types.fallible_inner(ty)).unwrap_or(ty);
            let def = self.types.nominal_parts(plain).map(|(def, _)| &self.defs.types[def.index()]);
            let (module, span) = def.map_or((self.cx.module, Span::default()), |d| (d.module, d.span));
            let message = format!("a type holds ever larger types: `{}...`", self.shown_short(ty));
            self.never_ends(module, span, message);
            return self.raw_type(Type::Void);
        }
        let simple = match self.types.kind(ty).clone() {
            TyKind::Int => Type::Int,
            TyKind::Double => Type::Double,
            TyKind::Bool => Type::Bool,
            TyKind::Duration => Type::Duration,
            TyKind::Time => Type::Time,
            TyKind::Nullable(inner) => Type::Nullable(self.type_id(inner)),
            TyKind::Fallible(inner) => {
                self.error_type_id();
                Type::Fallible(self.type_id(inner))
            }
            TyKind::Function(params, ret) => Type::Function {
                params: params.iter().map(|&p| self.type_id(p)).collect(),
                ret: self.type_id(ret),
            },
            TyKind::Nominal(def, args) => return self.nominal_type(ty, def, &args),
            TyKind::EnumData(def) => {
                let fields = self.struct_fields(ty);
                let names: Vec<String> = self.defs.types[def.index()]
                    .fields
                    .iter()
                    .map(|f| self.interner.name(f.name).to_string())
                    .collect();
                let fields = names
                    .into_iter()
                    .zip(fields)
                    .map(|(name, ty)| image::Field { name, ty: self.type_id(ty) })
                    .collect();
                let name = show_type(self.types, self.defs, self.interner, ty);
                let id = TypeId(self.image.types.len() as u32);
                let row = image::Struct { name, fields, implements: Vec::new(), to_string: None };
                self.image.types.push(Type::Record(row));
                self.type_ids.insert(ty, id);
                return id;
            }
            TyKind::Class(inner) => return self.type_id(inner),
            _ => Type::Void,
        };
        let id = self.raw_type(simple);
        self.type_ids.insert(ty, id);
        id
    }

    fn nominal_type(&mut self, ty: Ty, def: TypeDefId, args: &[Ty]) -> TypeId {
        let known = &self.defs.known;
        let (list, map, set) = (known.list, known.map, known.set);
        let (string, bytes) = (known.string, known.bytes);
        let is_error = known.error == Some(def);
        let decl = &self.defs.types[def.index()];
        let name = self.interner.name(decl.name).to_string();
        if (Some(def) == map || Some(def) == set) && !is_key(self.types, self.defs, args[0]) {
            let shown = show_type(self.types, self.defs, self.interner, args[0]);
            self.unfit(codes::BAD_TYPE, &format!("`{shown}` cannot be a key"));
        }
        let simple = if Some(def) == list {
            Type::List(self.type_id(args[0]))
        } else if Some(def) == set {
            Type::Set(self.type_id(args[0]))
        } else if Some(def) == map {
            Type::Map(self.type_id(args[0]), self.type_id(args[1]))
        } else if Some(def) == string {
            Type::String
        } else if Some(def) == bytes {
            Type::Bytes
        } else if decl.kind == TypeKind::Native {
            Type::Handle(name)
        } else if decl.kind == TypeKind::Enum {
            let constants = decl.constants.iter().map(|c| self.interner.name(c.0).to_string()).collect();
            Type::Enum { name, constants }
        } else if decl.kind == TypeKind::Interface {
            let id = TypeId(self.image.types.len() as u32);
            let name = show_type(self.types, self.defs, self.interner, ty);
            self.image.types.push(Type::Interface { name, methods: Vec::new() });
            self.type_ids.insert(ty, id);
            self.tables.entry(ty).or_default();
            return id;
        } else {
            // Records and classes may hold themselves: the row is taken before its fields are known.
            let id = TypeId(self.image.types.len() as u32);
            self.image.types.push(Type::Void);
            self.type_ids.insert(ty, id);
            if !decl.supers.is_empty() {
                self.implementors.push((id, ty));
            }
            if is_error {
                self.image.manifest.error_type = Some(id);
            }
            let mut fields = Vec::new();
            for field in &decl.fields {
                let field_ty = self.types.substitute(field.ty, &decl.type_params, args);
                let name = self.interner.name(field.name).to_string();
                fields.push(image::Field { name, ty: self.type_id(field_ty) });
            }
            let constructor = decl.constructor.map(|id| &self.defs.fns[id.index()]);
            if decl.kind == TypeKind::Record
                && constructor.is_some_and(|c| c.params.iter().any(|p| p.default.is_some()))
            {
                self.with_defaults.push((id, ty));
            }
            let to_string = self.defs.own_text(def).map(|m| self.instance(m, args.to_vec(), decl.span));
            let shown = show_type(self.types, self.defs, self.interner, ty);
            if fields.len() > limits::SLOTS_MAX {
                let file = self.defs.modules[decl.module.index()].file;
                let message = format!(
                    "`{shown}` has {} fields, {} are allowed: split it, or use a list",
                    fields.len(),
                    limits::SLOTS_MAX
                );
                self.diagnostics.push(Diagnostic::error(codes::TOO_LARGE, file, decl.span, message));
            }
            let row = image::Struct { name: shown, fields, implements: Vec::new(), to_string };
            self.image.types[id.index()] =
                if decl.kind == TypeKind::Record { Type::Record(row) } else { Type::Class(row) };
            return id;
        };
        let id = self.raw_type(simple);
        self.type_ids.insert(ty, id);
        id
    }

    fn error_type_id(&mut self) -> Option<TypeId> {
        let error = self.defs.known.error?;
        let ty = self.types.nominal(error, &[]);
        Some(self.type_id(ty))
    }

    fn error_ty(&mut self) -> Ty {
        match self.defs.known.error {
            Some(def) => self.types.nominal(def, &[]),
            None => Ty::POISON,
        }
    }

    fn string_ty(&mut self) -> Ty {
        match self.defs.known.string {
            Some(def) => self.types.nominal(def, &[]),
            None => Ty::POISON,
        }
    }

    /// The registers of a value of the type.
    fn regs_of(&mut self, ty: Ty) -> Vec<RegType> {
        let ty = self.types.resolve(ty);
        if let Some(known) = self.reg_types.get(&ty) {
            return known.clone();
        }
        let regs = match ty {
            Ty::POISON | Ty::NEVER | Ty::VOID | Ty::NULL | Ty::RANGE => Vec::new(),
            // The instance knows which type is meant.
            _ if matches!(self.types.kind(ty), TyKind::Class(_)) => Vec::new(),
            _ => {
                let id = self.type_id(ty);
                let error = self.image.manifest.error_type;
                match image::registers(&self.image.types, error, id) {
                    Some(regs) => regs,
                    // A type that never ends was reported.
                    None if self.too_deep => Vec::new(),
                    None => {
                        let shown = show_type(self.types, self.defs, self.interner, ty);
                        let name = self.b.name.clone();
                        let message = format!("a value of type `{shown}` cannot be held (in `{name}`)");
                        self.limit(Span::default(), message);
                        Vec::new()
                    }
                }
            }
        };
        self.reg_types.insert(ty, regs.clone());
        regs
    }

    fn constant(&mut self, text: &str) -> TextId {
        if let Some(&known) = self.strings.get(text) {
            return known;
        }
        let id = TextId(self.image.constants.len() as u32);
        self.image.constants.push(Constant::String(text.to_string()));
        self.strings.insert(text.to_string(), id);
        id
    }

    fn native_id(
        &mut self,
        name: &str,
        type_args: Vec<TypeId>,
        params: Vec<RegType>,
        results: Vec<RegType>,
    ) -> NativeId {
        let key = (name.to_string(), type_args.clone());
        if let Some(&known) = self.natives.get(&key) {
            return known;
        }
        let id = NativeId(self.image.natives.len() as u32);
        self.image.natives.push(NativeInstance { name: name.to_string(), type_args, params, results });
        self.natives.insert(key, id);
        id
    }

    fn source(&mut self, module: ModuleId) -> u32 {
        if let Some(&known) = self.sources.get(&module) {
            return known;
        }
        let def = &self.defs.modules[module.index()];
        let text = self.map.get(def.file).text();
        let index = self.image.manifest.sources.len() as u32;
        self.image.manifest.sources.push(image::Source {
            path: format!("{}.ds", def.path.replace('.', "/")),
            hash: *blake3::hash(text.as_bytes()).as_bytes(),
        });
        self.places.push(Places::new(self.map.get(def.file)));
        self.sources.insert(module, index);
        index
    }

    /// The next instructions come from this span of the module.
    fn at(&mut self, span: Span) {
        let module = self.cx.module;
        let source = match self.cx.source {
            Some((known, source)) if known == module => source,
            _ => {
                let source = self.source(module);
                self.cx.source = Some((module, source));
                source
            }
        };
        self.cx.here = span;
        self.b.at((source, span.start));
    }
}

/// What a pattern of `@Needs` lets its function do; `{parameter}` stands for anything.
fn bound(pattern: &str) -> Option<Capability> {
    let mut plain = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        plain.push_str(before);
        plain.push('*');
        rest = after.split_once('}')?.1;
    }
    plain.push_str(rest);
    Capability::parse(&plain).ok()
}
