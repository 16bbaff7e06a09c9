//! Which declaration each name in the text stands for, read from the checker's tables.
//!
//! Where the tables say nothing, because a mistake kept the checker from saying it, the name is looked up as the checker
//! would have.

use super::Analysis;
use crate::defs::*;
use crate::facts::{Replaced, Res, Target};
use crate::names::{self, Found};
use crate::types::{Ty, TyKind};
use dscript_grammar::ast::{self, ClauseKind, Expr, ExprKind, Ident, ItemKind, PatternKind, StepOptionKind};
use dscript_grammar::span::{NodeId, Span, Symbol};
use dscript_grammar::walk::Node;
use rustc_hash::FxHashMap;

/// Something with a name that a program declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entity {
    Module(ModuleId),
    Fn(FnId),
    Type(TypeDefId),
    Const(ConstId),
    Task(TaskId),
    Scenario(ScenarioId),
    /// A field, or a component of a record.
    Field(TypeDefId, u32),
    EnumConst(TypeDefId, u32),
    State(ScenarioId, u32),
    /// A variable or parameter, by its declaration.
    Local(ModuleId, NodeId),
    TypeParam(ModuleId, NodeId),
}

/// A name in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    pub span: Span,
    pub entity: Entity,
    pub is_declaration: bool,
    /// The variable or field is given a value here.
    pub is_write: bool,
}

/// The fields that components of records are.
pub(super) fn components(defs: &Defs<'_>) -> FxHashMap<(ModuleId, NodeId), Entity> {
    let mut found = FxHashMap::default();
    for (index, def) in defs.types.iter().enumerate().filter(|(_, d)| d.kind == TypeKind::Record) {
        let Some(constructor) = def.constructor else { continue };
        for (place, param) in defs.fns[constructor.index()].params.iter().enumerate() {
            found.insert((def.module, param.node), Entity::Field(TypeDefId(index as u32), place as u32));
        }
    }
    found
}

/// What stands around a node.
#[derive(Clone, Default)]
struct Around<'a> {
    owner: Option<TypeDefId>,
    type_params: Vec<&'a ast::TypeParam>,
    scenario: Option<ScenarioId>,
}

impl<'a> Analysis<'a, '_> {
    /// Every name in a part of a module that stands for a declaration, in the order of the text.
    pub fn occurrences(&mut self, module: ModuleId, within: Span) -> Vec<Occurrence> {
        self.look_within(module, within);
        let declared = self.declared(module);
        let mut walk = Walk { analysis: self, module, within, declared, out: Vec::new() };
        let tree = walk.analysis.defs.modules[module.index()].ast;
        walk.node(Node::Module(tree), &Around::default());
        let mut found = walk.out;
        found.retain(|o| o.span.start < o.span.end);
        found.sort_by_key(|o| (o.span, !o.is_declaration));
        found.dedup_by_key(|o| o.span);
        found
    }

    /// What the name at a place stands for.
    pub fn occurrence_at(&mut self, module: ModuleId, offset: u32) -> Option<Occurrence> {
        let found = self.occurrences(module, Span::new(offset, offset));
        found.into_iter().find(|o| o.span.start <= offset && offset <= o.span.end)
    }

    /// What a module declares but locals, by the place of the name.
    fn declared(&self, module: ModuleId) -> FxHashMap<u32, Entity> {
        let defs = self.defs;
        let mut found = FxHashMap::default();
        for (i, def) in defs.fns.iter().enumerate().filter(|(_, d)| d.module == module) {
            if !matches!(def.body, Body::Constructor(_) | Body::Record(_)) {
                found.insert(def.span.start, Entity::Fn(FnId(i as u32)));
            }
        }
        for (i, def) in defs.types.iter().enumerate().filter(|(_, d)| d.module == module) {
            let id = TypeDefId(i as u32);
            found.insert(def.span.start, Entity::Type(id));
            for (place, field) in def.fields.iter().enumerate() {
                found.insert(field.span.start, Entity::Field(id, place as u32));
            }
            for (place, (_, span)) in def.constants.iter().enumerate() {
                found.insert(span.start, Entity::EnumConst(id, place as u32));
            }
        }
        for (i, def) in defs.consts.iter().enumerate().filter(|(_, d)| d.module == module) {
            found.insert(def.span.start, Entity::Const(ConstId(i as u32)));
        }
        for (i, def) in defs.tasks.iter().enumerate().filter(|(_, d)| d.module == module) {
            if matches!(def.body, TaskBody::Block(_)) {
                found.insert(def.span.start, Entity::Task(TaskId(i as u32)));
            }
        }
        for (i, def) in defs.scenarios.iter().enumerate().filter(|(_, d)| d.module == module) {
            found.insert(def.span.start, Entity::Scenario(ScenarioId(i as u32)));
        }
        found
    }

    /// A parameter of a function, or the component of a record that it is.
    pub(super) fn local(&self, module: ModuleId, node: NodeId) -> Entity {
        self.components.get(&(module, node)).copied().unwrap_or(Entity::Local(module, node))
    }

    /// Where a thing is declared: the module and its name there. Nothing for what has no text, such as a module.
    pub fn declaration(&self, entity: Entity) -> Option<(ModuleId, Span)> {
        let defs = self.defs;
        match entity {
            Entity::Module(id) => Some((id, Span::default())),
            Entity::Fn(id) => Some((defs.fns[id.index()].module, defs.fns[id.index()].span)),
            Entity::Type(id) => Some((defs.types[id.index()].module, defs.types[id.index()].span)),
            Entity::Const(id) => Some((defs.consts[id.index()].module, defs.consts[id.index()].span)),
            Entity::Task(id) => Some((defs.tasks[id.index()].module, defs.tasks[id.index()].span)),
            Entity::Scenario(id) => {
                Some((defs.scenarios[id.index()].module, defs.scenarios[id.index()].span))
            }
            Entity::Field(id, place) => {
                let def = &defs.types[id.index()];
                Some((def.module, def.fields.get(place as usize)?.span))
            }
            Entity::EnumConst(id, place) => {
                let def = &defs.types[id.index()];
                Some((def.module, def.constants.get(place as usize)?.1))
            }
            Entity::State(id, place) => {
                let def = &defs.scenarios[id.index()];
                Some((def.module, def.tree.states.get(place as usize)?.name.span))
            }
            Entity::Local(module, node) | Entity::TypeParam(module, node) => {
                let mut found = None;
                Node::Module(defs.modules[module.index()].ast).each(&mut |n| {
                    if let Some((id, name)) = names_local(n)
                        && id == node
                    {
                        found = Some(name.span);
                    }
                });
                found.map(|span| (module, span))
            }
        }
    }

    /// The declaration around a declared name, with its head and body; for a local its name alone.
    pub fn whole_declaration(&self, module: ModuleId, name: Span) -> Span {
        let path = dscript_grammar::walk::path_at(self.defs.modules[module.index()].ast, name.start);
        let around = path.iter().rev().find(|n| matches!(n, Node::Item(_) | Node::State(_)));
        around.map_or(name, |n| n.span())
    }

    /// The declared type of a variable or parameter in a body that was looked at.
    pub fn local_type(&mut self, module: ModuleId, node: NodeId) -> Ty {
        let found = self.facts[module.index()].locals.get(&node).copied().unwrap_or(Ty::POISON);
        self.types.resolve(found)
    }
}

/// The variable, parameter or type parameter that a node declares.
pub(super) fn names_local(node: Node<'_>) -> Option<(NodeId, Ident)> {
    match node {
        Node::Param(p) => Some((p.id, p.name)),
        Node::TypeParam(p) => Some((p.id, p.name)),
        Node::LocalVar(v) => Some((v.id, v.name)),
        Node::ForEachVar(v) => Some((v.id, v.name)),
        Node::LambdaParam(p) => Some((p.id, p.name)),
        Node::RetryElse(e) => e.error.as_ref().map(|(id, _, name)| (*id, *name)),
        Node::Pattern(p) => match &p.kind {
            PatternKind::Type { name: Some(name), .. } => Some((p.id, *name)),
            _ => None,
        },
        _ => None,
    }
}

struct Walk<'w, 'a, 'c> {
    analysis: &'w mut Analysis<'a, 'c>,
    module: ModuleId,
    within: Span,
    declared: FxHashMap<u32, Entity>,
    out: Vec<Occurrence>,
}

impl<'a> Walk<'_, 'a, '_> {
    fn add(&mut self, span: Span, entity: Entity) {
        self.out.push(Occurrence { span, entity, is_declaration: false, is_write: false });
    }

    fn declare(&mut self, span: Span, entity: Entity) {
        self.out.push(Occurrence { span, entity, is_declaration: true, is_write: true });
    }

    fn declare_name(&mut self, name: Ident) {
        if let Some(&entity) = self.declared.get(&name.span.start) {
            self.declare(name.span, entity);
        }
    }

    fn node(&mut self, node: Node<'a>, around: &Around<'a>) {
        let span = node.span();
        let is_module = matches!(node, Node::Module(_));
        if !is_module && (span.end < self.within.start || self.within.end < span.start) {
            return;
        }
        let mut inner = around.clone();
        match node {
            Node::Import(import) => self.import(import),
            Node::Item(item) => self.item(item, &mut inner),
            Node::TypeParam(p) => {
                self.declare(p.name.span, Entity::TypeParam(self.module, p.id));
            }
            Node::EnumConstant(c) => {
                self.declare_name(c.name);
                if let Some(constructor) =
                    around.owner.and_then(|o| self.analysis.defs.types[o.index()].constructor)
                {
                    self.named_args(&c.args, constructor);
                }
            }
            Node::State(state) => {
                let id = around.scenario.and_then(|s| self.state(s, state.name.name));
                id.into_iter().for_each(|id| self.declare(state.name.span, id));
            }
            Node::Clause(clause) => self.clause(clause, around),
            Node::StepOption(option) => {
                if let StepOptionKind::Verify { task, args, .. } = &option.kind {
                    self.task(*task, args);
                }
            }
            Node::Type(ty) => self.type_name(ty, around),
            Node::Stmt(stmt) => self.stmt(stmt),
            Node::Expr(expr) => self.expr(expr, around),
            _ => {
                if let Some((id, name)) = names_local(node) {
                    let entity = self.analysis.local(self.module, id);
                    self.declare(name.span, entity);
                }
            }
        }
        let mut children = Vec::new();
        node.children(&mut |child| children.push(child));
        for child in children {
            self.node(child, &inner);
        }
    }

    fn import(&mut self, import: &ast::Import) {
        let module = &self.analysis.program.modules[self.module.index()];
        let place = module.parsed.module.imports.iter().position(|i| i.span == import.span);
        let Some(found) = place.and_then(|p| module.imports.get(p).copied().flatten()) else { return };
        let from = ModuleId(found.module as u32);
        let (words, last) = match (found.all, import.path.split_last()) {
            (true, _) => (&import.path[..], None),
            (false, Some((last, words))) => (words, Some(last)),
            (false, None) => return,
        };
        if let (Some(first), Some(end)) = (words.first(), words.last()) {
            self.add(first.span.to(end.span), Entity::Module(from));
        }
        if let Some(last) = last
            && let Some(&def) = self.analysis.defs.modules[from.index()].names.get(&last.name)
        {
            self.add(last.span, Entity::from(def));
        }
    }

    fn item(&mut self, item: &'a ast::Item, around: &mut Around<'a>) {
        let own_type = |around: &mut Around<'a>, name: Ident, params: &'a [ast::TypeParam]| {
            around.type_params.extend(params);
            if let Some(Entity::Type(id)) = self.declared.get(&name.span.start) {
                around.owner = Some(*id);
            }
        };
        let name = match &item.kind {
            ItemKind::Function(f) => {
                around.type_params.extend(&f.type_params);
                f.name
            }
            ItemKind::Record(r) => {
                own_type(around, r.name, &r.type_params);
                r.name
            }
            ItemKind::Class(c) => {
                own_type(around, c.name, &c.type_params);
                c.name
            }
            ItemKind::Interface(i) => {
                own_type(around, i.name, &i.type_params);
                i.name
            }
            ItemKind::Enum(e) => {
                own_type(around, e.name, &[]);
                e.name
            }
            ItemKind::Constructor(c) => {
                around.owner.into_iter().for_each(|owner| self.add(c.name.span, Entity::Type(owner)));
                return;
            }
            ItemKind::CompactConstructor(c) => {
                around.owner.into_iter().for_each(|owner| self.add(c.name.span, Entity::Type(owner)));
                return;
            }
            ItemKind::Scenario(s) => {
                if let Some(Entity::Scenario(id)) = self.declared.get(&s.name.span.start) {
                    around.scenario = Some(*id);
                }
                s.name
            }
            ItemKind::Task(t) => t.name,
            ItemKind::Field(f) => f.name,
            ItemKind::Test(_) | ItemKind::Error => return,
        };
        self.declare_name(name);
    }

    fn state(&self, scenario: ScenarioId, name: Symbol) -> Option<Entity> {
        let states = &self.analysis.defs.scenarios[scenario.index()].tree.states;
        let place = states.iter().position(|s| s.name.name == name)?;
        Some(Entity::State(scenario, place as u32))
    }

    fn clause(&mut self, clause: &'a ast::Clause, around: &Around<'a>) {
        match &clause.kind {
            ClauseKind::Step { task, args, .. } => self.task(*task, args),
            ClauseKind::When { go, .. } | ClauseKind::On { go, .. } => {
                let state = around.scenario.and_then(|s| self.state(s, go.name));
                state.into_iter().for_each(|state| self.add(go.span, state));
            }
            ClauseKind::Error => {}
        }
    }

    fn task(&mut self, task: Ident, args: &[ast::Arg]) {
        if let Found::One(def @ Def::Task(id)) = names::lookup(self.analysis.defs, self.module, task.name) {
            self.add(task.span, Entity::from(def));
            let def = &self.analysis.defs.tasks[id.index()];
            self.named_params(args, &def.params, def.module);
        }
    }

    fn type_name(&mut self, ty: &'a ast::TypeExpr, around: &Around<'a>) {
        let ast::TypeExprKind::Named { name, .. } = &ty.kind else { return };
        if let Some(param) = around.type_params.iter().rev().find(|p| p.name.name == name.name) {
            return self.add(name.span, Entity::TypeParam(self.module, param.id));
        }
        if let Found::One(Def::Type(id)) = names::lookup(self.analysis.defs, self.module, name.name) {
            self.add(name.span, Entity::Type(id));
        }
    }

    fn stmt(&mut self, stmt: &'a ast::Stmt) {
        let (ast::StmtKind::Given { target, .. } | ast::StmtKind::Verify { target, .. }) = &stmt.kind else {
            return;
        };
        let fact = self.analysis.facts[self.module.index()].stand_ins.get(&stmt.id);
        let Some(Replaced::Fn(id)) = fact.map(|f| f.replaced) else { return };
        let callee = match &target.kind {
            ExprKind::Call { callee, .. } => callee,
            _ => target,
        };
        self.add(last_name(callee), Entity::Fn(id));
    }

    fn named_args(&mut self, args: &[ast::Arg], callee: FnId) {
        let def = &self.analysis.defs.fns[callee.index()];
        self.named_params(args, &def.params, def.module);
    }

    fn named_params(&mut self, args: &[ast::Arg], params: &[ParamSig<'_>], module: ModuleId) {
        for name in args.iter().filter_map(|a| a.name) {
            if let Some(param) = params.iter().find(|p| p.name == name.name) {
                self.add(name.span, self.analysis.local(module, param.node));
            }
        }
    }

    fn expr(&mut self, expr: &'a Expr, around: &Around<'a>) {
        match &expr.kind {
            ExprKind::Name(name) => self.name(expr, *name, around),
            ExprKind::Field { receiver, name } => self.field(expr, receiver, *name),
            ExprKind::Call { callee, args } => {
                let fact = self.analysis.facts[self.module.index()].calls.get(&expr.id).cloned();
                let meant = self.analysis.facts[self.module.index()].meant.get(&expr.id).copied();
                let target = match fact.as_ref().map(|f| &f.target) {
                    Some(Target::Fn(id) | Target::Method(id) | Target::Intrinsic(_, id)) => Some(*id),
                    _ => meant,
                };
                if let Some(id) = target {
                    self.add(last_name(callee), Entity::Fn(id));
                    self.named_args(args, id);
                } else if let Some(Target::With) = fact.map(|f| f.target) {
                    let ty = self.analysis.type_of(self.module, expr);
                    if let Some((def, _)) = self.analysis.types.nominal_parts(ty) {
                        for name in args.iter().filter_map(|a| a.name) {
                            self.field_name(def, name);
                        }
                    }
                } else if let ExprKind::Name(name) = callee.kind
                    && let Found::One(Def::Task(_)) = names::lookup(self.analysis.defs, self.module, name)
                {
                    self.task(Ident { name, span: callee.span }, args);
                }
            }
            ExprKind::New { args, .. } => {
                let facts = &self.analysis.facts[self.module.index()];
                let target = facts.calls.get(&expr.id).map(|f| f.target.clone());
                let meant = facts.meant.get(&expr.id).copied();
                if let Some(id) = match target {
                    Some(Target::Fn(id)) => Some(id),
                    _ => meant,
                } {
                    self.named_args(args, id);
                }
            }
            ExprKind::ScenarioRef { name, args } => {
                if let Found::One(Def::Scenario(id)) =
                    names::lookup(self.analysis.defs, self.module, name.name)
                {
                    self.add(name.span, Entity::Scenario(id));
                    let def = &self.analysis.defs.scenarios[id.index()];
                    self.named_params(args, &def.params, def.module);
                }
            }
            ExprKind::Assign { target, .. } | ExprKind::Step { target, .. } => {
                let at = last_name(target);
                let before = self.out.len();
                self.expr(target, around);
                self.out[before..].iter_mut().filter(|o| o.span == at).for_each(|o| o.is_write = true);
            }
            _ => {}
        }
    }

    fn name(&mut self, expr: &Expr, name: Symbol, around: &Around<'a>) {
        let res = self.analysis.facts[self.module.index()].res.get(expr.id.0 as usize).copied();
        let entity = match res.unwrap_or(Res::None) {
            Res::Local(node) => self.analysis.local(self.module, node),
            Res::Field(place) => match around.owner {
                Some(owner) => Entity::Field(owner, place),
                None => return,
            },
            Res::Const(id) => Entity::Const(id),
            Res::EnumConst(id, place) => Entity::EnumConst(id, place),
            Res::Fn(id) => Entity::Fn(id),
            Res::Type(id) => Entity::Type(id),
            Res::None => match names::lookup(self.analysis.defs, self.module, name) {
                Found::One(def) => Entity::from(def),
                _ => return,
            },
        };
        self.add(expr.span, entity);
    }

    fn field(&mut self, expr: &Expr, receiver: &'a Expr, name: Ident) {
        let res = self.analysis.facts[self.module.index()].res.get(expr.id.0 as usize).copied();
        match res.unwrap_or(Res::None) {
            Res::Field(_) | Res::None => {
                let ty = self.analysis.type_of(self.module, receiver);
                if let Some((def, _)) = self.analysis.types.nominal_parts(ty) {
                    self.field_name(def, name);
                }
            }
            Res::Const(id) => self.add(name.span, Entity::Const(id)),
            Res::EnumConst(id, place) => self.add(name.span, Entity::EnumConst(id, place)),
            Res::Fn(id) => self.add(name.span, Entity::Fn(id)),
            Res::Local(_) | Res::Type(_) => {}
        }
    }

    fn field_name(&mut self, def: TypeDefId, name: Ident) {
        let fields = &self.analysis.defs.types[def.index()].fields;
        if let Some(place) = fields.iter().position(|f| f.name == name.name) {
            self.add(name.span, Entity::Field(def, place as u32));
        }
    }
}

/// The last name of `a.b.c`.
pub(super) fn last_name(expr: &Expr) -> Span {
    match &expr.kind {
        ExprKind::Field { name, .. } => name.span,
        ExprKind::Paren(inner) => last_name(inner),
        _ => expr.span,
    }
}

impl From<Def> for Entity {
    fn from(def: Def) -> Self {
        match def {
            Def::Fn(id) => Entity::Fn(id),
            Def::Type(id) => Entity::Type(id),
            Def::Const(id) => Entity::Const(id),
            Def::Task(id) => Entity::Task(id),
            Def::Scenario(id) => Entity::Scenario(id),
        }
    }
}

impl Analysis<'_, '_> {
    /// The declaration that a value's type names, within `?`, `!` and collections of one kind of thing.
    pub fn type_entity(&mut self, ty: Ty) -> Option<Entity> {
        let ty = self.types.resolve(ty);
        if let Some(id) = self.defs.known.simple(ty) {
            return Some(Entity::Type(id));
        }
        match self.types.kind(ty).clone() {
            TyKind::Nullable(inner) | TyKind::Fallible(inner) | TyKind::Class(inner) => {
                self.type_entity(inner)
            }
            TyKind::Nominal(id, _) => Some(Entity::Type(id)),
            _ => None,
        }
    }

    /// The type of the variable, field or function's result that a name stands for.
    pub fn entity_type(&mut self, entity: Entity) -> Option<Ty> {
        let defs = self.defs;
        match entity {
            Entity::Fn(id) => Some(defs.fns[id.index()].ret),
            Entity::Const(id) => Some(defs.consts[id.index()].ty),
            Entity::Field(id, place) => Some(defs.types[id.index()].fields.get(place as usize)?.ty),
            Entity::EnumConst(id, _) => Some(self.types.nominal(id, &[])),
            Entity::Local(module, node) => {
                let (_, span) = self.declaration(entity)?;
                self.look_within(module, span);
                Some(self.local_type(module, node))
            }
            _ => None,
        }
    }

    /// What implements an interface or one of its methods, or overrides a method.
    pub fn implementations(&mut self, entity: Entity) -> Vec<Entity> {
        let defs = self.defs;
        let (interface, method) = match entity {
            Entity::Type(id) => (id, None),
            Entity::Fn(id) => match defs.fns[id.index()].owner {
                Some(owner) => (owner, Some(defs.fns[id.index()].name)),
                None => return Vec::new(),
            },
            _ => return Vec::new(),
        };
        let mut found = Vec::new();
        for (index, def) in defs.types.iter().enumerate() {
            let id = TypeDefId(index as u32);
            let args: Vec<Ty> =
                def.type_params.iter().map(|&p| self.types.intern(TyKind::Param(p))).collect();
            let own = self.types.nominal(id, &args);
            let above = crate::check::all_supers(&mut self.types, defs, own);
            let is_below =
                above.iter().any(|&t| self.types.nominal_parts(t).is_some_and(|(d, _)| d == interface));
            if !is_below || id == interface {
                continue;
            }
            match method {
                None => found.push(Entity::Type(id)),
                Some(name) => found.extend(def.methods.get(&name).map(|&m| Entity::Fn(m))),
            }
        }
        found
    }
}

impl Analysis<'_, '_> {
    /// Whether only its own module sees a declaration.
    pub fn is_private(&self, entity: Entity) -> bool {
        let defs = self.defs;
        match entity {
            Entity::Fn(id) => names::is_private(defs, Def::Fn(id)),
            Entity::Type(id) => names::is_private(defs, Def::Type(id)),
            Entity::Const(id) => names::is_private(defs, Def::Const(id)),
            Entity::Task(id) => names::is_private(defs, Def::Task(id)),
            Entity::Scenario(id) => names::is_private(defs, Def::Scenario(id)),
            Entity::Field(id, place) => {
                defs.types[id.index()].fields.get(place as usize).is_some_and(|f| f.is_private)
            }
            _ => false,
        }
    }
}
