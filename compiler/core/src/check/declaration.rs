//! Declarations with code in them: functions, constructors, constants, tasks.

use super::flow::Flow;
use super::{Checker, Context, Ending, field_node};
use crate::defs::*;
use crate::types::{Ty, TyKind};
use dscript_grammar::span::{Span, Symbol};
use dscript_grammar::{ast, codes};

impl<'a, 'c> Checker<'a, 'c> {
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
    pub(super) fn self_type(&mut self, owner: TypeDefId) -> Ty {
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
    pub(super) fn defaults(&mut self, params: &'c [ParamSig<'a>]) {
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

    pub(super) fn open_params(&mut self, params: &'c [ParamSig<'a>]) {
        self.cx.scopes.push(self.cx.locals.len());
        for param in params {
            self.declare_param(param);
        }
    }

    /// The body of a function whose parameters are open: who takes a failure looks at it.
    pub(super) fn body(&mut self, block: &'a ast::Block, ret: Ty) {
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
    pub(super) fn end_of_body(&mut self, span: Span, ret: Ty) {
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

    pub(super) fn constructor(&mut self, def: &'c FnDef<'a>, block: &'a ast::Block) {
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
    pub(super) fn require_whole(&mut self, span: Span, place: &str) {
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
