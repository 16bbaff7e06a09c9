//! Functions of the module that is made, one for each job: of tasks, functions and their instances, constructors, defaults.

use super::build::{Builder, Regs};
use super::{Cx, INSTANCES_MAX, Job, Lowerer, Request, TYPE_ARG_SIZE_MAX, Val, bound};
use crate::check::{Checker, show_type};
use crate::defs::*;
use crate::modules::NoSources;
use crate::types::{Ty, TyKind};
use dscript_bytecode::ids::*;
use dscript_bytecode::image::{self, RefType, RegType, ScalarKind, Type};
use dscript_bytecode::instr::Instr;
use dscript_bytecode::limits;
use dscript_grammar::ast::{self, Expr};
use dscript_grammar::codes;
use dscript_grammar::diagnostic::Diagnostic;
use dscript_grammar::span::{NodeId, Span};
use rustc_hash::FxHashSet;
use std::collections::BTreeSet;

impl<'a, 'c> Lowerer<'a, 'c> {
    // ---- tasks ----

    pub(super) fn task(&mut self, def: &'c TaskDef<'a>) {
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

    pub(super) fn task_manifest_row(
        &mut self,
        def: &'c TaskDef<'a>,
        function: FunctionId,
        undo: Option<FunctionId>,
    ) {
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
    pub(super) fn end_task(&mut self, span: Span) {
        if self.b.is_dead() {
            return;
        }
        self.at(span);
        let reg = self.scalar(ScalarKind::Bool);
        self.b.emit(Instr::Bool { value: true, dst: reg });
        self.return_value(Val { ty: Ty::BOOL, regs: Regs::new(&[Reg::S(reg)]) });
    }

    // ---- jobs ----

    pub(super) fn job(&mut self, job: Job<'a>) {
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

    pub(super) fn function(&mut self, id: FnId, args: Vec<Ty>, function: FunctionId) {
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

    pub(super) fn self_type(&mut self, owner: TypeDefId) -> Ty {
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
    pub(super) fn qualified(&self, id: FnId) -> String {
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
    pub(super) fn constructor(&mut self, def: &'c FnDef<'a>, block: Option<&'a ast::Block>) {
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
        // Nobody but a `return` goes there otherwise, and what runs straight through is short to call.
        if self.b.is_reached(done) {
            self.b.jump(done);
            self.b.place(done);
        }
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

    pub(super) fn begin(&mut self, module: ModuleId, name: String, params: &[(NodeId, Ty)], ret: Ty) {
        self.begin_generic(module, name, params, ret, Vec::new(), Vec::new());
    }

    pub(super) fn begin_generic(
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

    pub(super) fn params_of(&mut self, ty: Ty) -> Regs {
        let regs: Vec<Reg> = self.regs_of(ty).into_iter().map(|reg| self.b.param(reg)).collect();
        Regs::new(&regs)
    }

    pub(super) fn reserve(&mut self) -> FunctionId {
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

    pub(super) fn add_function(&mut self, span: Span) -> FunctionId {
        let id = self.reserve();
        self.set_function(id, span);
        id
    }

    pub(super) fn set_function(&mut self, id: FunctionId, span: Span) {
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
    pub(super) fn shown_short(&mut self, ty: Ty) -> String {
        let shown = show_type(self.types, self.defs, self.interner, ty);
        shown.chars().take(120).collect()
    }

    /// Reports, once, that there would be ever more to build.
    pub(super) fn never_ends(&mut self, module: ModuleId, span: Span, message: String) {
        if !std::mem::replace(&mut self.too_deep, true) {
            let file = self.defs.modules[module.index()].file;
            self.diagnostics.push(Diagnostic::error(codes::TOO_LARGE, file, span, message));
        }
    }

    pub(super) fn instance(&mut self, id: FnId, args: Vec<Ty>, span: Span) -> FunctionId {
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

    pub(super) fn default_function(
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
    pub(super) fn fill_defaults(&mut self) -> bool {
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
}
