//! Types, failures, effects and flow of every body.
//!
//! One pass over each body, in the order of the text, carrying a [`Flow`]; what runs more than once may be passed
//! again (see `rounds`). Types flow down as expectations and up as results; what is found goes into [`Facts`]. A
//! mistake is reported once and becomes `Poison`, which fits everything.

mod access;
mod assign;
mod call;
mod cond;
mod coverage;
mod expr;
mod flow;
mod infer;
pub(crate) mod java;
mod lambda;
mod literal;
mod loops;
mod members;
mod ops;
mod outside_scope;
mod overlooked;
mod placement;
mod rounds;
mod run;
pub(crate) mod scenario;
pub(crate) mod scratch;
mod script;
mod stmt;
mod switch;
mod test;
mod unused;

use crate::defs::*;
use crate::facts::Facts;
use crate::modules::Sources;
use crate::names::{self, Found};
use crate::types::{Ty, TyKind, Types};
use dscript_grammar::SourceMap;
use dscript_grammar::ast;
use dscript_grammar::codes::{self, Code};
use dscript_grammar::diagnostic::Diagnostic;
use dscript_grammar::span::{FileId, Interner, NodeId, Span, Symbol};
use flow::Flow;
pub(crate) use members::{all_supers, as_super, find_method};
pub use ops::{binary_type, has_equality, has_text, holds_failures, is_key, unreadable};
use rustc_hash::FxHashMap;
pub(crate) use stmt::each_child;
pub use stmt::strip;
pub(crate) use test::mentions;

pub struct Checker<'a, 'c> {
    pub defs: &'c Defs<'a>,
    pub types: &'c mut Types,
    pub interner: &'c Interner,
    /// The text, for edits that repeat some of it.
    map: &'c SourceMap,
    pub diagnostics: &'c mut Vec<Diagnostic>,
    pub facts: Vec<Facts>,
    pub scripts: script::Scripts<'c>,
    /// By function, whether its body was looked at.
    pub looked_at: Vec<bool>,
    /// Calls whose result is dropped, to be judged when all bodies are known.
    dropped: Vec<(ModuleId, &'a ast::Expr)>,
    cx: Context,
}

/// A local variable or parameter.
#[derive(Clone, Debug)]
struct Local {
    name: Symbol,
    node: NodeId,
    span: Span,
    ty: Ty,
    is_final: bool,
    /// How often it may be assigned, its initial value included.
    assigned: u32,
    /// Whether its value was ever read.
    read: bool,
    /// When it was read last; see `Context::reads`.
    read_at: u32,
    /// The number of lambdas around its declaration.
    depth: u32,
    /// Bound by a pattern: in scope only where the pattern has matched.
    is_pattern: bool,
    /// Where it was assigned last.
    assigned_at: Span,
    /// What was done with a started Subprocess since it got it.
    handling: Handling,
}

/// What a body does with a started Subprocess that a local holds.
#[derive(Clone, Copy, Debug, Default)]
struct Handling {
    /// How often it was looked at.
    looks: u32,
    /// A method that was called on it, which is no look.
    called: Option<Symbol>,
    /// It was said that nobody looks at it.
    told: bool,
}

/// How the current function or lambda may end.
#[derive(Clone, Debug)]
enum Ending {
    /// Returns values of this type.
    Returns(Ty),
    /// A lambda whose result is found from its body.
    Infer { found: Vec<Ty>, fails: bool },
    /// An initializer or a constructor: nothing may fail in it.
    Nothing(&'static str),
}

/// A `retry` around the current place.
struct Retry {
    /// How many locals there were before it.
    locals: usize,
    /// What is known where its body fails.
    fails: Flow,
}

/// A block that is the arm of a switch expression.
struct Arm {
    /// What its `yield`s give, and the type that is wanted of them.
    found: Vec<Ty>,
    wanted: Option<Ty>,
    /// What is known behind the switch, by the ways of its `yield`s.
    after: Flow,
    /// How many locals, and how many loops and switches, there were before it.
    locals: usize,
    jumps: usize,
}

/// A loop or labelled statement around the current place.
struct Jump {
    label: Option<ast::Ident>,
    breaks: Flow,
    has_break: bool,
    /// What is known where the loop begins, and where `continue` goes on.
    head: Flow,
    continues: Flow,
    /// How many locals there were before it.
    locals: usize,
    kind: JumpKind,
    began: Moment,
}

/// What a `break` or `continue` leaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum JumpKind {
    Loop,
    /// A `switch` statement: `break` leaves it, `continue` goes past it.
    Switch,
    /// What has a label and is no loop, which is a mistake: only its label leads out of it.
    Labelled,
}

/// A moment of the walk over a body.
#[derive(Clone, Copy)]
struct Moment {
    owed: usize,
    reads: u32,
}

/// A value that a local got and that may be a failure.
#[derive(Clone)]
struct Owed {
    local: NodeId,
    at: Span,
    seen: bool,
}

struct LambdaFrame {
    node: NodeId,
    captures: Vec<NodeId>,
    captures_this: bool,
    /// It stands in a loop, which cannot be left from inside it.
    in_loop: bool,
}

/// The body that is being checked.
struct Context {
    module: ModuleId,
    owner: Option<TypeDefId>,
    /// The function whose body it is, where that is generic.
    function: Option<FnId>,
    /// What it drops of the types of its parameters.
    overlooked: Vec<(Ty, Span)>,
    /// The type of `this`, where there is one.
    this: Option<Ty>,
    type_params: Vec<TypeParamId>,
    ending: Ending,
    effects: bool,
    /// What to say where an effect is met in a pure body.
    pure_what: &'static str,
    flow: Flow,
    locals: Vec<Local>,
    /// The places of the locals of each name, innermost last.
    by_name: FxHashMap<Symbol, Vec<usize>>,
    /// Where each scope's locals begin.
    scopes: Vec<usize>,
    jumps: Vec<Jump>,
    lambdas: Vec<LambdaFrame>,
    owed: Vec<Owed>,
    /// How often a local was read so far.
    reads: u32,
    /// Captures to be judged when the body is done: local, place.
    captured: Vec<(NodeId, Span)>,
    /// Locals of closed scopes, for the judgement of captures.
    assigned: FxHashMap<NodeId, (u32, Span)>,
    in_constructor: bool,
    is_task: bool,
    is_test: bool,
    /// The `retry` blocks of this body around the current place, innermost last.
    retries: Vec<Retry>,
    /// The arms of switch expressions around it, innermost last.
    arms: Vec<Arm>,
    /// What is known where a `within` around it is cut off, innermost last.
    cuts: Vec<Flow>,
    /// The locals, and fields of an object under construction, that got a value so far, in that order.
    assigns: Vec<NodeId>,
    /// By where it begins, what the rounds of a loop cannot take over from before it.
    weaker: FxHashMap<u32, rounds::Weaker>,
    /// What is known behind the statement just looked at, where it ends in an `assert` that never holds.
    asserted: Option<Flow>,
    /// What the expression around it has still to tell the type of.
    waiting: Vec<infer::Waiting>,
    /// How many expressions stand around the current one.
    exprs: u32,
    /// The current expression is the operand of a `try`.
    in_try: bool,
    /// Names whose scope has ended in this body, each with its last declaration.
    closed: FxHashMap<Symbol, (Span, bool)>,
}

impl Default for Context {
    fn default() -> Self {
        Self {
            module: ModuleId(0),
            owner: None,
            function: None,
            overlooked: Vec::new(),
            this: None,
            type_params: Vec::new(),
            ending: Ending::Returns(Ty::VOID),
            effects: false,
            pure_what: "a pure function",
            flow: Flow::default(),
            locals: Vec::new(),
            by_name: FxHashMap::default(),
            scopes: Vec::new(),
            jumps: Vec::new(),
            lambdas: Vec::new(),
            owed: Vec::new(),
            reads: 0,
            captured: Vec::new(),
            assigned: FxHashMap::default(),
            in_constructor: false,
            is_task: false,
            is_test: false,
            retries: Vec::new(),
            arms: Vec::new(),
            cuts: Vec::new(),
            assigns: Vec::new(),
            weaker: FxHashMap::default(),
            asserted: None,
            waiting: Vec::new(),
            exprs: 0,
            in_try: false,
            closed: FxHashMap::default(),
        }
    }
}

impl<'a, 'c> Checker<'a, 'c> {
    /// A checker that goes on from what was found out before; `facts` and `looked_at` are empty at first.
    pub fn new(
        defs: &'c Defs<'a>,
        types: &'c mut Types,
        interner: &'c Interner,
        map: &'c SourceMap,
        diagnostics: &'c mut Vec<Diagnostic>,
        sources: &'c dyn Sources,
        (facts, looked_at): (Vec<Facts>, Vec<bool>),
    ) -> Self {
        let scripts = script::Scripts::new(sources);
        Self {
            defs,
            types,
            interner,
            map,
            diagnostics,
            facts,
            scripts,
            looked_at,
            dropped: Vec::new(),
            cx: Context::default(),
        }
    }

    /// Checks every body of the user's modules; std is known to be good, and of its functions only those are
    /// looked at that lowering comes to (see [`function`](Self::function)), unless `whole` is set.
    pub fn run(&mut self, whole: bool) {
        self.facts = self.defs.modules.iter().map(|m| Facts::new(m.ast.node_count)).collect();
        self.looked_at = vec![false; self.defs.fns.len()];
        self.declarations();
        for index in 0..self.defs.consts.len() {
            self.constant(ConstId(index as u32));
        }
        for index in 0..self.defs.types.len() {
            self.enum_constants(TypeDefId(index as u32));
        }
        for index in 0..self.defs.fns.len() {
            if whole || !self.defs.modules[self.defs.fns[index].module.index()].is_std {
                self.function(FnId(index as u32));
            }
        }
        for index in 0..self.defs.tasks.len() {
            self.task(TaskId(index as u32));
        }
        for index in 0..self.defs.scenarios.len() {
            self.scenario(ScenarioId(index as u32));
        }
        for index in 0..self.defs.tests.len() {
            self.test(TestId(index as u32));
        }
        self.unused_results();
    }

    /// Checks what is not in bodies.
    pub fn declarations(&mut self) {
        self.placements();
        self.implementations();
        self.signatures();
        self.type_arguments();
    }

    pub fn constant(&mut self, id: ConstId) {
        let def = &self.defs.consts[id.index()];
        let (Some(init), ty) = (def.init, def.ty) else { return };
        self.cx = Context {
            module: def.module,
            owner: def.owner,
            ending: Ending::Nothing("an initializer"),
            pure_what: "an initializer",
            ..Context::default()
        };
        self.cx.scopes.push(0);
        self.expr_to(init, ty);
    }

    /// The arguments of an enum's constants.
    pub fn enum_constants(&mut self, id: TypeDefId) {
        let defs = self.defs;
        let def = &defs.types[id.index()];
        let Some(constructor) = def.constructor.filter(|_| def.kind == TypeKind::Enum) else { return };
        self.cx = Context {
            module: def.module,
            owner: Some(id),
            ending: Ending::Nothing("an initializer"),
            pure_what: "an initializer",
            ..Context::default()
        };
        self.cx.scopes.push(0);
        for constant in def.constant_trees {
            self.enum_constant(constructor, constant);
        }
    }

    /// Checks a function's defaults and body, once.
    pub fn function(&mut self, id: FnId) {
        if std::mem::replace(&mut self.looked_at[id.index()], true) {
            return;
        }
        let defs = self.defs;
        let def = &defs.fns[id.index()];
        self.cx = Context {
            module: def.module,
            owner: def.owner,
            function: Some(id).filter(|_| !def.type_params.is_empty()),
            type_params: def.type_params.clone(),
            ending: Ending::Returns(def.ret),
            effects: def.is_lowlevel,
            ..Context::default()
        };
        if let Some(owner) = def.owner.filter(|_| def.is_method) {
            self.cx.this = Some(self.self_type(owner));
        }
        self.defaults(&def.params);
        match def.body {
            Body::None => {}
            Body::Block(block) => {
                self.open_params(&def.params);
                self.body(block, def.ret);
            }
            Body::Constructor(block) => self.constructor(def, block),
            Body::Record(compact) => self.record_constructor(def, compact),
        }
        self.keep_overlooked();
    }

    /// The type of `this` in a type's own members.
    fn self_type(&mut self, owner: TypeDefId) -> Ty {
        let known = &self.defs.known;
        let simple = [
            (known.int, Ty::INT),
            (known.double, Ty::DOUBLE),
            (known.boolean, Ty::BOOL),
            (known.duration, Ty::DURATION),
            (known.time, Ty::TIME),
        ];
        if let Some((_, ty)) = simple.iter().find(|(def, _)| *def == Some(owner)) {
            return *ty;
        }
        let params = self.defs.types[owner.index()].type_params.clone();
        let args: Vec<Ty> = params.iter().map(|&p| self.types.intern(TyKind::Param(p))).collect();
        self.types.nominal(owner, &args)
    }

    /// Default values are pure and may use the parameters before their own.
    fn defaults(&mut self, params: &'c [ParamSig<'a>]) {
        if params.iter().all(|p| p.default.is_none()) {
            return;
        }
        let effects = std::mem::replace(&mut self.cx.effects, false);
        let ending = std::mem::replace(&mut self.cx.ending, Ending::Nothing("a default value"));
        let this = self.cx.this.take();
        let what = std::mem::replace(&mut self.cx.pure_what, "a default value");
        self.cx.scopes.push(self.cx.locals.len());
        for param in params {
            if let Some(default) = param.default {
                self.expr_to(default, param.ty);
            }
            self.declare_param(param);
        }
        self.cx.locals.clear();
        self.cx.by_name.clear();
        self.cx.scopes.clear();
        self.cx.flow = Flow::default();
        self.cx.effects = effects;
        self.cx.ending = ending;
        self.cx.this = this;
        self.cx.pure_what = what;
    }

    fn declare_param(&mut self, param: &ParamSig<'a>) {
        if self.local_index(param.name).is_some() {
            return; // two parameters of one name were reported with the signature
        }
        let name = ast::Ident { name: param.name, span: param.span };
        self.bind_as(param.node, name, param.ty, param.is_final, false);
    }

    fn open_params(&mut self, params: &'c [ParamSig<'a>]) {
        self.cx.scopes.push(self.cx.locals.len());
        for param in params {
            self.declare_param(param);
        }
    }

    /// The body of a function whose parameters are open: who takes a failure looks at it.
    fn body(&mut self, block: &'a ast::Block, ret: Ty) {
        let params = self.cx.scopes.last().copied().unwrap_or(0);
        for index in params..self.cx.locals.len() {
            self.cx.locals[index].read = !self.may_be_failure(self.cx.locals[index].ty);
        }
        self.block(block);
        self.end_of_body(block.span, ret);
        self.close_scope();
        self.judge_captures();
    }

    /// A body whose end is reached must not owe a value.
    fn end_of_body(&mut self, span: Span, ret: Ty) {
        if self.cx.flow.dead || ret == Ty::VOID || ret == Ty::POISON {
            return;
        }
        if self.types.fallible_inner(ret) == Some(Ty::VOID) {
            return;
        }
        if self.defs.modules[self.cx.module.index()].is_broken(span) {
            return; // what could not be read may have returned
        }
        let brace = Span::new(span.end.saturating_sub(1), span.end);
        self.error(codes::MISSING_RETURN, brace, "a path reaches the end of the function without `return`");
    }

    fn constructor(&mut self, def: &'c FnDef<'a>, block: &'a ast::Block) {
        let Some(owner) = def.owner else { return };
        self.cx.this = Some(self.self_type(owner));
        self.cx.ending = Ending::Nothing("a constructor");
        self.cx.pure_what = "a constructor";
        self.cx.effects = false;
        self.field_initializers(owner);
        self.open_params(&def.params);
        self.block(block);
        self.require_whole(def.span, "at the end of the constructor");
        self.close_scope();
        self.judge_captures();
    }

    /// The fields that the body gives values, where it is a constructor's.
    pub(super) fn constructed(&self) -> &'c [FieldSig<'a>] {
        let owner = self.cx.owner.filter(|_| self.cx.in_constructor);
        owner.map_or(&[], |owner| &self.defs.types[owner.index()].fields)
    }

    /// A constructor may end here: every field of the object has a value.
    fn require_whole(&mut self, span: Span, place: &str) {
        for (index, field) in self.constructed().iter().enumerate() {
            if self.cx.flow.is_unassigned(field_node(index as u32)) {
                let text = format!("the field `{}` has no value {place}", self.interner.name(field.name));
                self.error(codes::CONSTRUCTOR, span, text);
            }
        }
    }

    /// What the fields begin with, in their order. Comes before the parameters, which are of the constructor alone.
    fn field_initializers(&mut self, owner: TypeDefId) {
        let fields = &self.defs.types[owner.index()].fields;
        self.cx.in_constructor = true;
        self.cx.this = Some(self.self_type(owner));
        for index in 0..fields.len() {
            self.cx.flow.declare_unassigned(field_node(index as u32));
        }
        for (index, field) in fields.iter().enumerate() {
            if let Some(init) = field.init {
                self.expr_to(init, field.ty);
                self.cx.flow.assign(field_node(index as u32));
            }
        }
    }

    fn record_constructor(&mut self, def: &'c FnDef<'a>, compact: Option<&'a ast::Block>) {
        let Some(owner) = def.owner else { return };
        self.cx.ending = Ending::Nothing("a constructor");
        self.cx.pure_what = "a constructor";
        if self.defs.types[owner.index()].kind != TypeKind::Record {
            self.field_initializers(owner);
            let fields = self.defs.types[owner.index()].fields.iter();
            for sig in fields.filter(|f| f.init.is_none() && !def.is_doubtful) {
                let text = format!("the field `{}` has no value", self.interner.name(sig.name));
                let report = self.diagnostic(codes::CONSTRUCTOR, sig.span, text);
                self.diagnostics.push(report.help("give it one here, or in a constructor"));
            }
        }
        self.open_params(&def.params);
        if let Some(block) = compact {
            self.block(block);
        }
        self.close_scope();
        self.judge_captures();
    }

    pub fn task(&mut self, id: TaskId) {
        let defs = self.defs;
        let def = &defs.tasks[id.index()];
        let result = self.types.fallible(Ty::BOOL);
        self.cx = Context {
            module: def.module,
            ending: Ending::Returns(result),
            effects: true,
            is_task: true,
            ..Context::default()
        };
        self.task_params(&def.params);
        self.defaults(&def.params);
        self.open_params(&def.params);
        match def.body {
            TaskBody::Block(block) => {
                let returns_value = names_return_value(&block.stmts);
                self.block(block);
                if returns_value && !self.cx.flow.dead {
                    let brace = Span::new(block.span.end.saturating_sub(1), block.span.end);
                    let text = "a task that returns a value must do so on every path";
                    self.error(codes::MISSING_RETURN, brace, text);
                }
            }
            TaskBody::Script(stmts) => self.stmts(stmts),
        }
        self.close_scope();
        self.judge_captures();
        if let Some(undo) = def.undo {
            self.cx.flow = Flow::default();
            let result = self.types.fallible(Ty::VOID);
            self.cx.ending = Ending::Returns(result);
            self.cx.is_task = false;
            self.cx.assigned.clear();
            self.open_params(&def.params);
            self.block(undo);
            self.close_scope();
            self.judge_captures();
        }
    }

    /// Operators give a task's parameters: what a record holds must be something they can write, too.
    fn task_params(&mut self, params: &[ParamSig<'a>]) {
        for param in params {
            let mut seen = Vec::new();
            let Some((name, ty)) = self.unwritable(param.ty, &mut seen) else { continue };
            let (name, shown) = (self.text(name), self.show(ty));
            let message = format!("`{name}` in it is a `{shown}`: operators cannot give it");
            let report = self.diagnostic(codes::BAD_TYPE, param.span, message);
            self.diagnostics.push(report.help(
                "good are int, double, boolean, String, Duration, enums, and lists and records of these",
            ));
        }
    }

    /// A component of a record that no operator can write.
    fn unwritable(&mut self, ty: Ty, seen: &mut Vec<TypeDefId>) -> Option<(Symbol, Ty)> {
        let (def, args) = self.types.nominal_parts(ty).map(|(def, args)| (def, args.to_vec()))?;
        if Some(def) == self.defs.known.list {
            return self.unwritable(args[0], seen);
        }
        let decl = &self.defs.types[def.index()];
        if decl.kind != TypeKind::Record || seen.contains(&def) {
            return None;
        }
        seen.push(def);
        for field in &decl.fields {
            let ty = self.types.substitute(field.ty, &decl.type_params, &args);
            let kind = self.types.nominal_parts(ty).map(|(def, _)| self.defs.types[def.index()].kind);
            let is_list = self.is_known(ty, self.defs.known.list);
            let plain = matches!(ty, Ty::INT | Ty::DOUBLE | Ty::BOOL | Ty::DURATION | Ty::POISON)
                || self.is_string(ty)
                || kind == Some(TypeKind::Enum);
            if plain {
                continue;
            }
            if !is_list && kind != Some(TypeKind::Record) {
                return Some((field.name, ty));
            }
            let found = self.unwritable(ty, seen);
            if found.is_some() {
                return found;
            }
        }
        None
    }

    // ---- reports ----

    fn file(&self) -> FileId {
        self.defs.modules[self.cx.module.index()].file
    }

    fn file_of(&self, module: ModuleId) -> FileId {
        self.defs.modules[module.index()].file
    }

    fn diagnostic(&self, code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, self.file(), span, with_articles(message.into()))
    }

    /// Reports a mistake; its expression's type is then unknown.
    fn error(&mut self, code: Code, span: Span, message: impl Into<String>) -> Ty {
        let report = self.diagnostic(code, span, message);
        self.diagnostics.push(report);
        Ty::POISON
    }

    /// Whether a mistake within a place was told of.
    fn told_within(&self, file: FileId, span: Span) -> bool {
        self.diagnostics
            .iter()
            .any(|d| d.file == file && span.start <= d.span.start && d.span.end <= span.end)
    }

    /// What is written at a place of the module.
    fn written(&self, span: Span) -> &'c str {
        &self.map.get(self.file()).text()[span.start as usize..span.end as usize]
    }

    fn text(&self, name: Symbol) -> &'c str {
        self.interner.name(name)
    }

    /// A type as the user writes it.
    pub fn show(&mut self, ty: Ty) -> String {
        let ty = self.types.resolve(ty);
        show_type(self.types, self.defs, self.interner, ty)
    }

    // ---- scopes ----

    fn facts(&mut self) -> &mut Facts {
        &mut self.facts[self.cx.module.index()]
    }

    fn declare(&mut self, local: Local) {
        let node = local.node;
        let ty = local.ty;
        let clash = self.local_index(local.name).map(|index| &self.cx.locals[index]);
        if let Some(first) = clash {
            let text = format!("the variable `{}` is declared twice here", self.interner.name(local.name));
            let report =
                self.diagnostic(codes::DUPLICATE, local.span, text).label(first.span, "first declared here");
            self.diagnostics.push(report);
        }
        if local.assigned > 0 {
            self.cx.flow.assign(node);
        }
        self.cx.by_name.entry(local.name).or_default().push(self.cx.locals.len());
        self.cx.locals.push(Local { depth: self.cx.lambdas.len() as u32, ..local });
        self.facts().locals.insert(node, ty);
    }

    fn open_scope(&mut self) {
        self.cx.scopes.push(self.cx.locals.len());
    }

    fn close_scope(&mut self) {
        let start = self.cx.scopes.pop().unwrap_or(0);
        let closed = self.cx.locals.split_off(start);
        for local in &closed {
            if let Some(places) = self.cx.by_name.get_mut(&local.name) {
                places.pop();
            }
        }
        for local in closed {
            self.cx.closed.insert(local.name, (local.span, local.is_pattern));
            if !self.cx.flow.dead {
                self.report_pending(&local, None);
            }
            self.cx.flow.handle(local.node);
            self.cx.assigned.insert(local.node, (local.assigned, local.assigned_at));
            if self.may_be_failure(local.ty) {
                match local.read {
                    true => self.report_owed(&local),
                    false => self.report_unread(&local, false),
                }
            } else if !local.read
                && !self.is_subprocess(local.ty)
                && ops::holds_failures(self.types, self.defs, local.ty)
            {
                self.report_unread(&local, true);
            } else if !local.read {
                self.overlooks(local.ty, local.span);
            }
        }
    }

    /// Nobody has read a local that may hold a failure, or several.
    fn report_unread(&mut self, local: &Local, several: bool) {
        if self.overlooks_local(local, local.span) {
            return;
        }
        let name = self.text(local.name);
        let (message, help) = match several {
            false => (
                format!("the failure that `{name}` may hold is never looked at"),
                format!("test it with `isError({name})`, or say that it does not matter: `ignore({name})`"),
            ),
            true => (
                format!("the failures that `{name}` may hold are never looked at"),
                format!("test each with `isError`, or say that they do not matter: `ignore({name})`"),
            ),
        };
        let report = self.diagnostic(codes::UNHANDLED, local.span, message).help(help);
        self.diagnostics.push(report);
    }

    /// A local ends: every failure it got must have been looked at on some way.
    fn report_owed(&mut self, local: &Local) {
        let name = self.text(local.name);
        if self.cx.function.is_some() {
            let owed = self.cx.owed.iter().filter(|o| o.local == local.node && !o.seen).map(|o| o.at);
            let owed: Vec<Span> = owed.collect();
            if owed.into_iter().any(|at| self.overlooks_local(local, at)) {
                return;
            }
        }
        for owed in self.cx.owed.iter_mut().filter(|o| o.local == local.node && !o.seen) {
            let message = format!("the failure that `{name}` may hold from here on is never looked at");
            let file = self.defs.modules[self.cx.module.index()].file;
            let report = Diagnostic::error(codes::UNHANDLED, file, owed.at, message).help(format!(
                "test it with `isError({name})` behind this, or say that it does not matter: `ignore({name})`"
            ));
            self.diagnostics.push(report);
            owed.seen = true;
        }
    }

    /// A local gets a value; one that may be a failure is owed a look.
    fn start_owed(&mut self, local: NodeId, at: Option<Span>) {
        let new = at.map(|at| {
            self.cx.owed.push(Owed { local, at, seen: false });
            self.cx.owed.len() as u32 - 1
        });
        let owed = &self.cx.owed;
        self.cx.flow.owe(new, |old| owed[old as usize].local == local && Some(old) != new);
    }

    /// Somebody looks at what a local holds.
    fn look_at(&mut self, local: NodeId) {
        self.cx.flow.handle(local);
        self.cx.flow.see(local);
        for &owed in self.cx.flow.owed() {
            let owed = &mut self.cx.owed[owed as usize];
            owed.seen |= owed.local == local;
        }
    }

    fn now(&self) -> Moment {
        Moment { owed: self.cx.owed.len(), reads: self.cx.reads }
    }

    /// What locals got since `got` may have come to where they were read since `read`, though that stands before it.
    fn came_round(&mut self, got: Moment, read: Moment) {
        for owed in self.cx.owed[got.owed..].iter_mut().filter(|o| !o.seen) {
            let mut locals = self.cx.locals.iter();
            owed.seen = locals.any(|l| l.node == owed.local && l.read_at > read.reads);
        }
    }

    /// A local is left, by the scope's end or by the `exit`: if a Subprocess in it is still to be looked at, it is told.
    fn report_pending(&mut self, local: &Local, exit: Option<Span>) {
        let Some(at) = self.cx.flow.pending_at(local.node) else { return };
        self.cx.flow.handle(local.node);
        if local.handling.told {
            return;
        }
        let name = self.text(local.name);
        let some_path = if exit.is_some() || local.handling.looks > 0 { " on some path" } else { "" };
        let message = format!("nobody looks at the Subprocess `{name}`{some_path}");
        let mut help =
            format!("test it with `isError({name})`, wait for it, store or return it, or `ignore({name})`");
        if let Some(called) = local.handling.called {
            help.push_str(&format!("; `{}` alone is no look at it", self.text(called)));
        }
        let mut report = self.diagnostic(codes::SUBPROCESS, at, message).help(help);
        if let Some(exit) = exit {
            report = report.label(exit, "nobody has looked at it on the way out here");
        }
        self.diagnostics.push(report);
        if let Some(local) = self.cx.locals.iter_mut().find(|l| l.node == local.node) {
            local.handling.told = true;
        }
    }

    /// `return` leaves all scopes: what is pending then will stay so.
    fn leave_body(&mut self, exit: Span) {
        self.report_left(0, exit);
        self.cx.flow = Flow::dead();
    }

    /// A failure that comes from elsewhere may leave from here. One that ends a D-Task leaves nothing behind: the task
    /// stops with what it started.
    fn may_leave_failed(&mut self, exit: Span) {
        if !(self.cx.is_task && self.cx.retries.is_empty()) {
            self.leave_failed(exit);
        }
    }

    /// A failure leaves from here, to the innermost `retry` or out of the body.
    fn leave_failed(&mut self, exit: Span) {
        self.report_left(self.cx.retries.last().map_or(0, |retry| retry.locals), exit);
        if let Some(retry) = self.cx.retries.last_mut() {
            retry.fails.join(&self.cx.flow);
        }
    }

    /// A way leaves the scopes of the locals from this place on.
    fn report_left(&mut self, from: usize, exit: Span) {
        if self.cx.flow.pending().is_empty() {
            return;
        }
        let depth = self.cx.lambdas.len() as u32;
        let inside = self.cx.locals[from.min(self.cx.locals.len())..].iter();
        let left: Vec<Local> = inside.filter(|l| l.depth == depth).cloned().collect();
        for local in left {
            self.report_pending(&local, Some(exit));
        }
    }

    /// A local that begins with a value: a parameter, a pattern's variable, what a loop walks.
    fn bind(&mut self, node: NodeId, name: ast::Ident, ty: Ty) {
        self.bind_as(node, name, ty, false, false);
    }

    /// Who is handed a failure looks at it: the local declared last.
    fn expects_a_look(&mut self) {
        if let Some(local) = self.cx.locals.last_mut() {
            let (node, ty) = (local.node, self.types.resolve(local.ty));
            let looks = self.may_be_failure(ty);
            if let Some(local) = self.cx.locals.last_mut().filter(|l| l.node == node) {
                local.read = !looks;
            }
        }
    }

    fn bind_as(&mut self, node: NodeId, name: ast::Ident, ty: Ty, is_final: bool, is_pattern: bool) {
        self.declare(Local {
            name: name.name,
            node,
            span: name.span,
            ty,
            is_final,
            assigned: 1,
            read: true,
            read_at: 0,
            depth: 0,
            is_pattern,
            assigned_at: name.span,
            handling: Handling::default(),
        });
    }

    fn local_index(&self, name: Symbol) -> Option<usize> {
        let places = self.cx.by_name.get(&name)?;
        places.iter().rev().copied().find(|&index| {
            let local = &self.cx.locals[index];
            !(local.is_pattern && self.cx.flow.is_unmatched(local.node))
        })
    }

    fn judge_captures(&mut self) {
        for (node, span) in std::mem::take(&mut self.cx.captured) {
            let Some(&(count, last)) = self.cx.assigned.get(&node) else { continue };
            if count > 1 {
                let report = self
                    .diagnostic(
                        codes::CAPTURE,
                        span,
                        "a lambda may only use variables that are assigned once",
                    )
                    .label(last, "this one is assigned again here")
                    .help("copy it into a new variable before the lambda");
                self.diagnostics.push(report);
            }
        }
    }

    fn lookup(&mut self, name: Symbol, span: Span) -> Option<Def> {
        match names::lookup(self.defs, self.cx.module, name) {
            Found::One(def) => Some(def),
            Found::Two(a, b) => {
                let own = &self.defs.modules[self.cx.module.index()];
                let report = names::ambiguous(self.defs, self.interner, own, (name, span), (a, b));
                self.diagnostics.push(report);
                None
            }
            Found::Private(module) => {
                let path = &self.defs.modules[module.index()].path;
                let message = format!("`{}` is private to module `{path}`", self.text(name));
                self.error(codes::PRIVATE, span, message);
                None
            }
            Found::Nothing => {
                self.unknown_name(name, span);
                None
            }
        }
    }

    fn unknown_name(&mut self, name: Symbol, span: Span) {
        let text = self.text(name);
        let java = java::name(text);
        // What the script declares is as little part of a signature as what is lost.
        self.defs.modules[self.cx.module.index()].doubted.set(true);
        if let Some(report) = self.out_of_scope(name, span) {
            self.diagnostics.push(report);
            return;
        }
        let own = &self.defs.modules[self.cx.module.index()];
        let imported = own.globs.iter().flat_map(|g| &self.defs.modules[g.index()].names);
        let imported = imported.filter(|&(_, &def)| !names::is_private(self.defs, def)).chain(&own.names);
        let members = self.cx.owner.iter().flat_map(|o| {
            let def = &self.defs.types[o.index()];
            def.fields.iter().map(|f| f.name).chain(def.methods.keys().copied())
        });
        let all = self.cx.locals.iter().map(|l| l.name).chain(members).chain(imported.map(|(&name, _)| name));
        let near = names::suggest(text, all.map(|s| self.interner.name(s)));
        let is_slip = near.is_some() || java.is_some();
        if text == "?" || self.defs.modules[self.cx.module.index()].is_lost(name, is_slip) {
            return;
        }
        if let Some(owner) = self.cx.owner {
            let own = self.self_type(owner);
            if self.is_half_known(own) || self.defs.types[owner.index()].lost.contains(&name) {
                return;
            }
        }
        let mut report = self.diagnostic(codes::UNKNOWN_NAME, span, format!("there is no `{text}` here"));
        if let Some(owner) = self.cx.owner.filter(|_| self.cx.this.is_none())
            && self.defs.types[owner.index()].fields.iter().any(|f| f.name == name)
        {
            let help = format!("`{text}` is a field of an object, and there is no object here: pass one");
            self.diagnostics.push(report.help(help));
            return;
        }
        let unmatched = self.cx.by_name.get(&name).and_then(|places| places.last());
        let unmatched =
            unmatched.map(|&index| (self.cx.locals[index].span, self.cx.locals[index].is_pattern));
        if let Some((declared, is_pattern)) = unmatched.or(self.cx.closed.get(&name).copied()) {
            report = match is_pattern {
                true => report
                    .label(declared, "known only where this pattern has matched")
                    .help("test first what must have matched, and use it inside that `if`"),
                false => report
                    .label(declared, "known only in the block it is declared in")
                    .help("declare it before that block"),
            };
        } else if let Some((better, help)) = java {
            report = report.help(help);
            if !better.is_empty() {
                report = report.edit(span, better);
            }
        } else if let Some(plain) = text.strip_prefix('$').filter(|plain| !plain.is_empty()) {
            report = report.help("names stand as they are, without `$`").edit(span, plain);
        } else if let Some(qualified) = self.constant_of_enum(name) {
            report = report.help(format!("did you mean `{qualified}`?")).edit(span, qualified);
        } else if let Some(near) = near {
            report = report.help(format!("did you mean `{near}`?")).edit(span, near);
        }
        self.diagnostics.push(report);
    }

    /// The constant of that name of an enum of this module, as it is written.
    fn constant_of_enum(&self, name: Symbol) -> Option<String> {
        let own = self.defs.types.iter().filter(|decl| decl.module == self.cx.module);
        let decl = own.into_iter().find(|decl| decl.constants.iter().any(|constant| constant.0 == name))?;
        Some(format!("{}.{}", self.text(decl.name), self.text(name)))
    }

    fn type_expr(&mut self, expr: &ast::TypeExpr) -> Ty {
        let mut resolver = names::TypeResolver {
            defs: self.defs,
            types: self.types,
            interner: self.interner,
            diagnostics: self.diagnostics,
            module: self.cx.module,
            type_params: &self.cx.type_params,
        };
        let ty = resolver.resolve(expr);
        self.facts().type_exprs.insert(expr.id, ty);
        if self.arguments_fit(expr.span, ty) { ty } else { Ty::POISON }
    }

    fn string(&mut self) -> Ty {
        match self.defs.known.string {
            Some(def) => self.types.nominal(def, &[]),
            None => Ty::POISON,
        }
    }

    fn error_type(&mut self) -> Ty {
        match self.defs.known.error {
            Some(def) => self.types.nominal(def, &[]),
            None => Ty::POISON,
        }
    }

    fn is_string(&self, ty: Ty) -> bool {
        self.is_known(ty, self.defs.known.string)
    }

    fn is_subprocess(&self, ty: Ty) -> bool {
        self.is_known(ty, self.defs.known.subprocess)
    }

    fn is_known(&self, ty: Ty, known: Option<TypeDefId>) -> bool {
        known.is_some() && self.types.nominal_parts(ty).map(|(def, _)| def) == known
    }
}

/// "an `int`", "a `String`".
fn with_articles(message: String) -> String {
    let mut fixed = String::with_capacity(message.len() + 4);
    let mut rest = message.as_str();
    while let Some(at) = rest.find("a `") {
        let (before, after) = rest.split_at(at + 1);
        fixed.push_str(before);
        let starts_word = at == 0 || rest.as_bytes()[at - 1] == b' ';
        let vowel = after[2..].starts_with(|c: char| "aeiouAEIOU".contains(c));
        if starts_word && vowel {
            fixed.push('n');
        }
        rest = after;
    }
    fixed.push_str(rest);
    fixed
}

/// The node under which a constructor's flow keeps a field of `this`.
fn field_node(field: u32) -> NodeId {
    NodeId(u32::MAX - field)
}

/// Whether `return VALUE;` stands anywhere in the body itself.
fn names_return_value(stmts: &[ast::Stmt]) -> bool {
    fn block(b: &ast::Block) -> bool {
        names_return_value(&b.stmts)
    }
    stmts.iter().any(|s| match &s.kind {
        ast::StmtKind::Return(value) => value.is_some(),
        ast::StmtKind::If { then, else_, .. } => {
            names_return_value(std::slice::from_ref(then))
                || else_.as_ref().is_some_and(|e| names_return_value(std::slice::from_ref(e)))
        }
        ast::StmtKind::While { body, .. }
        | ast::StmtKind::DoWhile { body, .. }
        | ast::StmtKind::For { body, .. }
        | ast::StmtKind::ForEach { body, .. }
        | ast::StmtKind::Labeled { body, .. } => names_return_value(std::slice::from_ref(body)),
        ast::StmtKind::Block(b) | ast::StmtKind::Every { body: b, .. } => block(b),
        ast::StmtKind::Within { body, else_, .. } => block(body) || else_.as_deref().is_some_and(block),
        ast::StmtKind::Retry { body, else_, .. } => {
            block(body) || else_.as_ref().is_some_and(|e| block(&e.body))
        }
        ast::StmtKind::Switch(switch) => switch.arms.iter().any(|arm| match &arm.body {
            ast::ArmBody::Block(b) => block(b),
            ast::ArmBody::Expr(_) => false,
        }),
        _ => false,
    })
}

/// A type as the user writes it.
pub fn show_type(types: &Types, defs: &Defs<'_>, interner: &Interner, ty: Ty) -> String {
    let show = |t: &Ty| show_type(types, defs, interner, *t);
    let grouped = |t: &Ty| match types.kind(*t) {
        TyKind::Function(..) => format!("({})", show(t)),
        _ => show(t),
    };
    match types.kind(ty) {
        TyKind::Poison => "?".into(),
        TyKind::Never => "never".into(),
        TyKind::Void => "void".into(),
        TyKind::Null => "null".into(),
        TyKind::Int => "int".into(),
        TyKind::Double => "double".into(),
        TyKind::Bool => "boolean".into(),
        TyKind::Duration => "Duration".into(),
        TyKind::Time => "Time".into(),
        TyKind::Range => "range".into(),
        TyKind::Infer(_) => "?".into(),
        TyKind::Param(p) => interner.name(defs.type_params[p.index()].name).into(),
        TyKind::EnumData(def) => interner.name(defs.types[def.index()].name).into(),
        TyKind::Nullable(t) => format!("{}?", grouped(t)),
        TyKind::Fallible(t) => format!("{}!", grouped(t)),
        TyKind::Class(t) => format!("Class<{}>", show(t)),
        TyKind::Function(params, ret) => {
            let params: Vec<String> = params.iter().map(show).collect();
            format!("({}) -> {}", params.join(", "), show(ret))
        }
        TyKind::Nominal(def, args) => {
            let name = interner.name(defs.types[def.index()].name);
            if args.is_empty() {
                return name.into();
            }
            let args: Vec<String> = args.iter().map(show).collect();
            format!("{name}<{}>", args.join(", "))
        }
    }
}
