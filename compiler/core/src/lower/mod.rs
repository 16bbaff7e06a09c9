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
mod function;
mod given;
mod lambda;
mod needs;
mod operate;
mod run;
mod scenario;
mod stmt;
mod switch;
mod test;
mod text;
mod types;
mod unroll;
mod value;

pub use test::{TEST, WRAPPER};

use crate::Goal;
use crate::check::holds_failures;
use crate::defs::ConstId;
use crate::defs::*;
use crate::facts::Facts;
use crate::types::{Ty, Types};
use build::{Builder, Mark, Regs};
use dscript_bytecode::capability::Capability;
use dscript_bytecode::ids::{ConstId as TextId, *};
use dscript_bytecode::image::{self, Constant, Image, NativeInstance, RegType, Static, Type};
use dscript_bytecode::limits;
use dscript_grammar::ast::Expr;
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
