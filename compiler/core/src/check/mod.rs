//! Types, failures, effects and flow of every body.
//!
//! One pass over each body, in the order of the text, carrying a [`Flow`]; what runs more than once may be passed
//! again (see `rounds`). Types flow down as expectations and up as results; what is found goes into [`Facts`]. A
//! mistake is reported once and becomes `Poison`, which fits everything.

mod access;
mod args;
mod assign;
mod built_in;
mod call;
mod cond;
mod coverage;
mod declaration;
mod expr;
mod fill;
mod flow;
mod graph;
mod infer;
pub(crate) mod java;
mod lambda;
mod leave;
mod literal;
mod locals;
mod loops;
mod members;
mod misfit;
mod ops;
mod outside_scope;
mod overlooked;
mod pattern;
mod placement;
pub(crate) mod plain;
mod rounds;
mod run;
mod scenario;
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
