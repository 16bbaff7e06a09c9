//! Which names can be used at a place, and which call stands around it.

use super::entity::{last_name, names_local};
use super::{Analysis, Entity};
use crate::defs::*;
use crate::facts::Target;
use crate::names;
use crate::types::{Ty, TyKind};
use dscript_grammar::ast::{self, Expr, ExprKind, ItemKind, PatternKind, StmtKind};
use dscript_grammar::span::{NodeId, Span, Symbol};
use dscript_grammar::walk::{Node, path_at};
use rustc_hash::FxHashSet;

/// A name that can be used at a place.
#[derive(Clone, Copy, Debug)]
pub struct Visible {
    pub name: Symbol,
    pub entity: Entity,
    /// How far away it is declared: 0 a local, 1 a member of the type around, 2 this module, 3 an import, 4 std.
    pub distance: u8,
}

/// A call that stands around a place.
#[derive(Clone, Debug)]
pub struct Callee {
    pub what: CalleeKind,
    /// The types of the parameters, as far as they are known at the call.
    pub params: Vec<Ty>,
    /// Names of parameters that have a value already.
    pub named: Vec<Symbol>,
    /// The argument that the place is in.
    pub active: usize,
    /// The name of the argument there, where it has one.
    pub active_name: Option<Symbol>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalleeKind {
    Fn(FnId),
    Task(TaskId),
    Scenario(ScenarioId),
    /// The fields of a record, by `with`.
    With(TypeDefId),
    Value,
}

impl<'a> Analysis<'a, '_> {
    /// The type whose member stands around a place, and whether there is a `this`.
    pub fn owner_at(&self, module: ModuleId, offset: u32) -> Option<(TypeDefId, bool)> {
        let path = path_at(self.defs.modules[module.index()].ast, offset);
        let mut owner = None;
        let mut has_this = false;
        for node in path {
            let Node::Item(item) = node else { continue };
            match &item.kind {
                ItemKind::Record(_) | ItemKind::Class(_) | ItemKind::Enum(_) | ItemKind::Interface(_) => {
                    let name = crate::modules::item_name(item)?;
                    owner = match self.defs.modules[module.index()].names.get(&name.name) {
                        Some(Def::Type(id)) => Some(*id),
                        _ => None,
                    };
                }
                ItemKind::Function(_) => has_this = item.modifiers.static_.is_none(),
                ItemKind::Constructor(_) | ItemKind::CompactConstructor(_) => has_this = true,
                _ => {}
            }
        }
        owner.map(|owner| (owner, has_this))
    }

    /// Every name that can be used at a place; nearer ones hide those further away.
    pub fn visible(&mut self, module: ModuleId, offset: u32) -> Vec<Visible> {
        let defs = self.defs;
        let mut found = Vec::new();
        let mut names: FxHashSet<Symbol> = FxHashSet::default();
        let mut add = |name: Symbol, entity: Entity, distance: u8| {
            if names.insert(name) {
                found.push(Visible { name, entity, distance });
            }
        };
        for (node, name) in self.locals_at(module, offset).into_iter().rev() {
            add(name, self.local(module, node), 0);
        }
        if let Some((owner, has_this)) = self.owner_at(module, offset) {
            let def = &defs.types[owner.index()];
            for (place, field) in def.fields.iter().enumerate().filter(|_| has_this) {
                add(field.name, Entity::Field(owner, place as u32), 1);
            }
            for (place, constant) in def.constants.iter().enumerate() {
                add(constant.0, Entity::EnumConst(owner, place as u32), 1);
            }
            def.consts.iter().for_each(|(&name, &id)| add(name, Entity::Const(id), 1));
            let methods = def.methods.iter().filter(|&(_, id)| has_this || !defs.fns[id.index()].is_method);
            methods.for_each(|(&name, &id)| add(name, Entity::Fn(id), 1));
        }
        let own = &defs.modules[module.index()];
        own.names.iter().for_each(|(&name, &def)| add(name, Entity::from(def), 2));
        own.imported.iter().for_each(|(&name, &def)| add(name, Entity::from(def), 3));
        for &glob in own.globs.iter().rev() {
            let other = &defs.modules[glob.index()];
            let public = other.names.iter().filter(|&(_, &def)| !names::is_private(defs, def));
            public.for_each(|(&name, &def)| add(name, Entity::from(def), if other.is_std { 4 } else { 3 }));
        }
        found
    }

    /// What other modules declare that this one does not see: the module that declares it, and it.
    pub fn importable(&self, module: ModuleId) -> Vec<(ModuleId, Symbol, Entity)> {
        let own = &self.defs.modules[module.index()];
        let mut found = Vec::new();
        for (index, other) in self.defs.modules.iter().enumerate() {
            let id = ModuleId(index as u32);
            if other.is_std || id == module || own.globs.contains(&id) {
                continue;
            }
            let public = other.names.iter().filter(|&(name, &def)| {
                !names::is_private(self.defs, def)
                    && !own.names.contains_key(name)
                    && !own.imported.contains_key(name)
            });
            found.extend(public.map(|(&name, &def)| (id, name, Entity::from(def))));
        }
        found.sort_by_key(|(module, name, _)| (self.name(*name), module.0));
        found
    }

    /// The variables and parameters in scope, outermost first.
    fn locals_at(&self, module: ModuleId, offset: u32) -> Vec<(NodeId, Symbol)> {
        let tree = self.defs.modules[module.index()].ast;
        let path = path_at(tree, offset);
        let mut found = Vec::new();
        let in_item = path.iter().any(|n| matches!(n, Node::Item(_)));
        for (depth, &node) in path.iter().enumerate() {
            let next = path.get(depth + 1).copied();
            match node {
                Node::Module(m) if !in_item => before(&m.script, offset, &mut found),
                Node::Block(b) => before(&b.stmts, offset, &mut found),
                Node::Item(item) => match &item.kind {
                    ItemKind::Function(f) => params(&f.params, &mut found),
                    ItemKind::Task(t) => params(&t.params, &mut found),
                    ItemKind::Scenario(s) => params(&s.params, &mut found),
                    ItemKind::Constructor(c) => params(&c.params, &mut found),
                    ItemKind::Record(r) => {
                        if let Some(Node::Item(ast::Item { kind: ItemKind::CompactConstructor(_), .. })) =
                            next
                        {
                            params(&r.components, &mut found);
                        }
                    }
                    _ => {}
                },
                Node::Stmt(stmt) => match &stmt.kind {
                    StmtKind::For { init, .. } => before(init, offset, &mut found),
                    StmtKind::ForEach { var, body, .. } if body.span.start <= offset => {
                        found.push((var.id, var.name.name));
                    }
                    StmtKind::If { cond, then, .. } if holds(then.span, offset) => patterns(cond, &mut found),
                    StmtKind::While { cond, body } if holds(body.span, offset) => patterns(cond, &mut found),
                    _ => {}
                },
                Node::RetryElse(e) => found.extend(e.error.as_ref().map(|(id, _, name)| (*id, name.name))),
                Node::SwitchArm(arm) => {
                    for label in &arm.labels {
                        if let ast::SwitchLabel::Pattern(p) = label {
                            pattern_names(Node::Pattern(p), &mut found);
                        }
                    }
                }
                Node::Expr(expr) => match &expr.kind {
                    ExprKind::Lambda(l) => found.extend(l.params.iter().map(|p| (p.id, p.name.name))),
                    ExprKind::Chain { first, rest } if rest[0].op == ast::BinaryOp::And => {
                        let operands = std::iter::once(&**first).chain(rest.iter().map(|l| &l.operand));
                        operands.filter(|e| e.span.end <= offset).for_each(|e| patterns(e, &mut found));
                    }
                    ExprKind::Conditional { cond, then, .. } if holds(then.span, offset) => {
                        patterns(cond, &mut found);
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        found
    }

    /// The call whose arguments a place is among.
    pub fn callee_at(&mut self, module: ModuleId, offset: u32) -> Option<Callee> {
        self.look_within(module, Span::new(offset, offset));
        let path = path_at(self.defs.modules[module.index()].ast, offset);
        let text = self.module_text(module);
        for node in path.iter().rev() {
            let (args, name_end): (&[ast::Arg], u32) = match node {
                Node::Expr(Expr { kind: ExprKind::Call { callee, args }, .. }) => (args, callee.span.end),
                Node::Expr(Expr { kind: ExprKind::New { ty, args }, .. }) => (args, ty.span.end),
                Node::Expr(Expr { kind: ExprKind::ScenarioRef { name, args }, .. }) => (args, name.span.end),
                Node::Clause(ast::Clause { kind: ast::ClauseKind::Step { task, args, .. }, .. }) => {
                    (args, task.span.end)
                }
                Node::EnumConstant(c) => (&c.args, c.name.span.end),
                // A block inside an argument is no place among arguments.
                Node::Block(_) => return None,
                _ => continue,
            };
            let open = text[name_end as usize..].find('(').map(|at| name_end + at as u32);
            if open.is_none_or(|open| offset <= open) {
                continue;
            }
            let closed = text.as_bytes().get(node.span().end as usize - 1) == Some(&b')');
            if closed && offset >= node.span().end {
                continue;
            }
            let Some((what, params)) = self.callee(module, *node, offset) else { continue };
            let spans: Vec<Span> = args.iter().map(|a| Node::Arg(a).span()).collect();
            let active = spans
                .iter()
                .filter(|s| s.end <= offset && text[s.end as usize..offset as usize].contains(','))
                .count();
            let named = args.iter().filter_map(|a| a.name).map(|n| n.name).collect();
            let active_name = args.get(active).and_then(|a| a.name).map(|n| n.name);
            return Some(Callee { what, params, named, active, active_name });
        }
        None
    }

    fn callee(&mut self, module: ModuleId, node: Node<'a>, offset: u32) -> Option<(CalleeKind, Vec<Ty>)> {
        let defs = self.defs;
        let lookup = |name: Symbol| match names::lookup(defs, module, name) {
            names::Found::One(def) => Some(def),
            _ => None,
        };
        let task = |id: TaskId| {
            (CalleeKind::Task(id), defs.tasks[id.index()].params.iter().map(|p| p.ty).collect::<Vec<_>>())
        };
        let scenario = |id: ScenarioId| {
            let params = defs.scenarios[id.index()].params.iter().map(|p| p.ty).collect::<Vec<_>>();
            (CalleeKind::Scenario(id), params)
        };
        let function = |id: FnId| {
            (CalleeKind::Fn(id), defs.fns[id.index()].params.iter().map(|p| p.ty).collect::<Vec<_>>())
        };
        match node {
            Node::Clause(ast::Clause { kind: ast::ClauseKind::Step { task: name, .. }, .. }) => {
                match lookup(name.name)? {
                    Def::Task(id) => Some(task(id)),
                    _ => None,
                }
            }
            Node::EnumConstant(_) => {
                let (owner, _) = self.owner_at(module, offset)?;
                defs.types[owner.index()].constructor.map(function)
            }
            Node::Expr(expr) => {
                let facts = &self.facts[module.index()];
                if let Some(fact) = facts.calls.get(&expr.id) {
                    let params: Vec<Ty> = fact.params.iter().map(|p| p.0).collect();
                    match fact.target {
                        Target::Fn(id) | Target::Method(id) | Target::Intrinsic(_, id) => {
                            let whole = defs.fns[id.index()].params.len() == params.len();
                            return Some(if whole { (CalleeKind::Fn(id), params) } else { function(id) });
                        }
                        Target::With => {
                            let ty = self.type_of(module, expr);
                            let (def, _) = self.types.nominal_parts(ty)?;
                            return Some((CalleeKind::With(def), params));
                        }
                        Target::Value => return Some((CalleeKind::Value, params)),
                        Target::Enum(..) | Target::Text => return None,
                    }
                }
                if let Some(&id) = facts.meant.get(&expr.id) {
                    return Some(function(id));
                }
                match &expr.kind {
                    ExprKind::ScenarioRef { name, .. } => match lookup(name.name)? {
                        Def::Scenario(id) => Some(scenario(id)),
                        _ => None,
                    },
                    ExprKind::Call { callee, .. } => {
                        let ty = self.type_of(module, callee);
                        if let TyKind::Function(params, _) = self.types.kind(ty) {
                            return Some((CalleeKind::Value, params.to_vec()));
                        }
                        let ExprKind::Name(name) = callee.kind else { return None };
                        match lookup(name)? {
                            Def::Task(id) => Some(task(id)),
                            Def::Fn(id) => Some(function(id)),
                            Def::Scenario(id) => Some(scenario(id)),
                            _ => None,
                        }
                    }
                    ExprKind::New { ty, .. } => match &ty.kind {
                        ast::TypeExprKind::Named { name, .. } => match lookup(name.name)? {
                            Def::Type(id) => defs.types[id.index()].constructor.map(function),
                            _ => None,
                        },
                        _ => None,
                    },
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The value before the `.` that a place is behind, with what the name there is.
    pub fn receiver_at(&mut self, module: ModuleId, offset: u32) -> Option<&'a Expr> {
        let path = path_at(self.defs.modules[module.index()].ast, offset);
        path.iter().rev().find_map(|node| match node {
            Node::Expr(expr) => match &expr.kind {
                ExprKind::Field { receiver, name }
                    if receiver.span.end < offset && offset <= name.span.end.max(offset) =>
                {
                    let at = last_name(expr);
                    (at.start <= offset).then_some(&**receiver)
                }
                _ => None,
            },
            _ => None,
        })
    }

    /// The type whose name an expression is, where it stands for the type itself.
    pub fn named_type(&self, module: ModuleId, expr: &Expr) -> Option<TypeDefId> {
        match self.facts[module.index()].res.get(expr.id.0 as usize) {
            Some(crate::facts::Res::Type(id)) => Some(*id),
            Some(crate::facts::Res::None) => {
                let ExprKind::Name(name) = expr.kind else { return None };
                match names::lookup(self.defs, module, name) {
                    names::Found::One(Def::Type(id)) => Some(id),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

fn holds(span: Span, offset: u32) -> bool {
    span.start <= offset && offset <= span.end
}

fn params(params: &[ast::Param], out: &mut Vec<(NodeId, Symbol)>) {
    out.extend(params.iter().map(|p| (p.id, p.name.name)));
}

fn before(stmts: &[ast::Stmt], offset: u32, out: &mut Vec<(NodeId, Symbol)>) {
    for stmt in stmts.iter().filter(|s| s.span.end <= offset) {
        if let StmtKind::Local(local) = &stmt.kind {
            out.extend(local.vars.iter().map(|v| (v.id, v.name.name)));
        }
    }
}

fn patterns(expr: &Expr, out: &mut Vec<(NodeId, Symbol)>) {
    pattern_names(Node::Expr(expr), out);
}

fn pattern_names(node: Node<'_>, out: &mut Vec<(NodeId, Symbol)>) {
    node.each(&mut |n| {
        if let Node::Pattern(ast::Pattern { kind: PatternKind::Type { .. }, .. }) = n
            && let Some((id, name)) = names_local(n)
        {
            out.push((id, name.name));
        }
    });
}
