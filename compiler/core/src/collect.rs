//! Declares what modules hold and resolves the signatures; bodies are not looked at.
//!
//! First every name is entered, then imports are joined, then types in signatures are resolved, so
//! declarations may stand in any order and modules may import each other.

use crate::constants;
use crate::defs::*;
use crate::modules::{Program, item_name};
use crate::names::{self, Found, suggest};
use crate::types::{Ty, TyKind, Types};
use dscript_bytecode::capability::Capability;
use dscript_grammar::SourceMap;
use dscript_grammar::ast::{self, ItemKind};
use dscript_grammar::codes;
use dscript_grammar::diagnostic::Diagnostic;
use dscript_grammar::span::{FileId, Interner, Span};
use rustc_hash::FxHashMap;

pub struct Collector<'a, 'c> {
    pub defs: Defs<'a>,
    pub types: &'c mut Types,
    pub interner: &'c Interner,
    pub map: &'c SourceMap,
    pub diagnostics: &'c mut Vec<Diagnostic>,
    /// What carries `@Needs`, to be read when all constants are known.
    pub needy: Vec<(Needy, Place, &'a ast::Annotation)>,
}

/// What may carry `@Needs`.
#[derive(Clone, Copy)]
pub enum Needy {
    Fn(FnId),
    Task(TaskId),
}

/// What a function's declaration is found in.
#[derive(Clone, Copy)]
pub struct Place {
    module: ModuleId,
    owner: Option<TypeDefId>,
}

impl<'a> Collector<'a, '_> {
    pub fn collect(&mut self, program: &'a Program) {
        for (index, file) in program.modules.iter().enumerate() {
            self.defs.modules.push(Module {
                file: file.file,
                path: file.path.clone(),
                is_std: file.is_std,
                ast: &file.parsed.module,
                broken: &file.broken,
                names: FxHashMap::default(),
                imported: FxHashMap::default(),
                globs: Vec::new(),
                lost: file.parsed.lost.clone(),
                lacks_names: file.lacks_names,
                is_root: file.is_root,
                doubted: Default::default(),
            });
            self.declare_types(ModuleId(index as u32));
        }
        self.find_known();
        for (index, file) in program.modules.iter().enumerate() {
            let module = ModuleId(index as u32);
            for (import, resolved) in file.parsed.module.imports.iter().zip(&file.imports) {
                if let (None, Some(name)) = (resolved, import.path.last()) {
                    self.defs.modules[index].lost.insert(name.name);
                }
            }
            for (prelude, other) in program.modules.iter().enumerate() {
                if other.is_prelude && prelude != index {
                    self.defs.modules[index].globs.push(ModuleId(prelude as u32));
                }
            }
            for (import, resolved) in file.parsed.module.imports.iter().zip(&file.imports) {
                if let Some(imported) = resolved {
                    if imported.all {
                        self.defs.modules[index].globs.push(ModuleId(imported.module as u32));
                    } else {
                        self.import_types(module, import, ModuleId(imported.module as u32));
                    }
                }
            }
        }
        for index in 0..program.modules.len() {
            self.declare_rest(ModuleId(index as u32), program);
        }
        self.seal();
        self.permitted_implement();
        for (index, file) in program.modules.iter().enumerate() {
            for (import, resolved) in file.parsed.module.imports.iter().zip(&file.imports) {
                if let Some(imported) = resolved.filter(|i| !i.all) {
                    self.import_one(ModuleId(index as u32), import, ModuleId(imported.module as u32));
                }
            }
        }
        for (carrier, place, annotation) in std::mem::take(&mut self.needy) {
            let needs = Some(self.needs(place, annotation));
            match carrier {
                Needy::Fn(id) => self.defs.fns[id.index()].needs = needs,
                Needy::Task(id) => self.defs.tasks[id.index()].needs = needs,
            }
        }
    }

    fn file(&self, module: ModuleId) -> FileId {
        self.defs.modules[module.index()].file
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn enter(&mut self, module: ModuleId, name: ast::Ident, def: Def) {
        let names = &mut self.defs.modules[module.index()].names;
        if let Some(&first) = names.get(&name.name) {
            let file = self.file(module);
            let text = self.interner.name(name.name).to_string();
            let mut report = Diagnostic::error(
                codes::DUPLICATE,
                file,
                name.span,
                format!("`{text}` is declared twice in this module"),
            );
            if let Some(span) = self.def_span(first) {
                report = report.label(span, "first declared here");
            }
            self.report(report);
            // Nobody knows which of the two a call means.
            if let Def::Fn(id) = first {
                self.defs.fns[id.index()].is_doubtful = true;
            }
        } else {
            names.insert(name.name, def);
        }
    }

    fn def_span(&self, def: Def) -> Option<Span> {
        names::def_span(&self.defs, def)
    }

    fn declare_types(&mut self, module: ModuleId) {
        let tree = self.defs.modules[module.index()].ast;
        for item in &tree.items {
            let (kind, type_params): (_, &'a [ast::TypeParam]) = match &item.kind {
                ItemKind::Record(r) => (TypeKind::Record, &r.type_params),
                ItemKind::Class(c) if item.modifiers.native.is_some() => (TypeKind::Native, &c.type_params),
                ItemKind::Class(c) => (TypeKind::Class, &c.type_params),
                ItemKind::Enum(_) => (TypeKind::Enum, &[]),
                ItemKind::Interface(i) => (TypeKind::Interface, &i.type_params),
                _ => continue,
            };
            let Some(name) = item_name(item) else { continue };
            let id = TypeDefId(self.defs.types.len() as u32);
            let type_params = self.type_params(type_params);
            self.defs.types.push(TypeDef {
                module,
                name: name.name,
                span: name.span,
                kind,
                is_private: item.modifiers.private.is_some(),
                type_params,
                fields: Vec::new(),
                methods: FxHashMap::default(),
                consts: FxHashMap::default(),
                constructor: None,
                constants: Vec::new(),
                constant_places: FxHashMap::default(),
                supers: Vec::new(),
                permits: None,
                permits_written: false,
                constant_trees: &[],
                lost: Default::default(),
            });
            self.enter(module, name, Def::Type(id));
        }
    }

    fn type_params(&mut self, params: &[ast::TypeParam]) -> Vec<TypeParamId> {
        params
            .iter()
            .map(|p| {
                self.defs.type_params.push(TypeParamDef { name: p.name.name, bounds: Vec::new() });
                TypeParamId(self.defs.type_params.len() as u32 - 1)
            })
            .collect()
    }

    /// Finds the types of std that the compiler has to do with.
    fn find_known(&mut self) {
        let Defs { types, known, modules, .. } = &mut self.defs;
        known.to_string = self.interner.get("toString");
        for (index, def) in types.iter().enumerate() {
            if !modules[def.module.index()].is_std {
                continue;
            }
            let slot = match self.interner.name(def.name) {
                "String" => &mut known.string,
                "Bytes" => &mut known.bytes,
                "List" => &mut known.list,
                "Map" => &mut known.map,
                "Set" => &mut known.set,
                "Entry" => &mut known.entry,
                "Error" => &mut known.error,
                "Subprocess" => &mut known.subprocess,
                "Command" => &mut known.command,
                "Int" => &mut known.int,
                "Double" => &mut known.double,
                "Boolean" => &mut known.boolean,
                "Duration" => &mut known.duration,
                "Time" => &mut known.time,
                _ => continue,
            };
            *slot = Some(TypeDefId(index as u32));
        }
    }

    fn import_types(&mut self, module: ModuleId, import: &ast::Import, from: ModuleId) {
        let Some(name) = import.path.last() else { return };
        if let Some(&def @ Def::Type(_)) = self.defs.modules[from.index()].names.get(&name.name) {
            self.defs.modules[module.index()].imported.insert(name.name, def);
        }
    }

    fn import_one(&mut self, module: ModuleId, import: &ast::Import, from: ModuleId) {
        let Some(name) = import.path.last() else { return };
        let file = self.file(module);
        let text = self.interner.name(name.name).to_string();
        let origin = &self.defs.modules[from.index()];
        match origin.names.get(&name.name) {
            Some(&def) if names::is_private(&self.defs, def) => {
                let report = Diagnostic::error(
                    codes::PRIVATE,
                    file,
                    name.span,
                    format!("`{text}` is private to module `{}`", origin.path),
                );
                let report = match self.def_span(def) {
                    Some(span) => report.label_in(origin.file, span, "declared here"),
                    None => report,
                };
                self.report(report);
                self.defs.modules[module.index()].lost.insert(name.name);
            }
            Some(&def) => {
                let known = self.defs.modules[module.index()].imported.insert(name.name, def);
                if known.is_some_and(|known| known != def) {
                    let message = format!("two imports bring the name `{text}`");
                    let mut report = Diagnostic::error(codes::AMBIGUOUS, file, name.span, message);
                    let imports = &self.defs.modules[module.index()].ast.imports;
                    let first = imports
                        .iter()
                        .filter(|i| !i.all)
                        .find_map(|i| i.path.last().filter(|w| w.name == name.name && w.span != name.span));
                    if let Some(first) = first {
                        report = report.label(first.span, "the other one is here");
                    }
                    self.report(report);
                }
            }
            None => {
                let candidates = origin.names.keys().map(|&s| self.interner.name(s));
                let mut report = Diagnostic::error(
                    codes::IMPORT,
                    file,
                    name.span,
                    format!("module `{}` declares no `{text}`", origin.path),
                );
                if let Some(near) = suggest(&text, candidates) {
                    report = report.help(format!("did you mean `{near}`?")).edit(name.span, near);
                }
                self.report(report);
                self.defs.modules[module.index()].lost.insert(name.name);
            }
        }
    }

    fn declare_rest(&mut self, module: ModuleId, program: &'a Program) {
        let tree = self.defs.modules[module.index()].ast;
        let place = Place { module, owner: None };
        for item in &tree.items {
            match &item.kind {
                ItemKind::Function(f) => {
                    if let Some(id) = self.function(place, item, f, &[]) {
                        self.enter(module, f.name, Def::Fn(id));
                    }
                }
                ItemKind::Field(f) => {
                    let (is_static, is_final) = (item.modifiers.static_, item.modifiers.final_);
                    // With `lowlevel` alone it is no constant but for that word, of which it is said.
                    let is_local = is_static.or(is_final).is_none() && item.modifiers.lowlevel.is_some();
                    if (is_static.is_none() || is_final.is_none()) && !is_local {
                        let file = self.file(module);
                        self.report(
                            Diagnostic::error(
                                codes::MODIFIER,
                                file,
                                f.name.span,
                                "a variable of a module must be `static final`",
                            )
                            .help("no state survives a run: pass what changes as a parameter"),
                        );
                    }
                    let id = self.constant(place, item, f);
                    self.enter(module, f.name, Def::Const(id));
                }
                ItemKind::Task(t) => {
                    let id = self.task(module, item, t, program);
                    self.enter(module, t.name, Def::Task(id));
                }
                ItemKind::Record(_) | ItemKind::Class(_) | ItemKind::Enum(_) | ItemKind::Interface(_) => {
                    self.type_members(module, item);
                }
                ItemKind::Scenario(s) => {
                    let id = self.scenario(module, item, s, program);
                    self.enter(module, s.name, Def::Scenario(id));
                }
                ItemKind::Test(t) => self.test(module, t),
                ItemKind::Constructor(c) => {
                    let file = self.file(module);
                    self.report(Diagnostic::error(
                        codes::SYNTAX,
                        file,
                        c.name.span,
                        "a constructor stands in a class",
                    ));
                }
                ItemKind::CompactConstructor(_) | ItemKind::Error => {}
            }
        }
        if !tree.script.is_empty() && self.defs.modules[module.index()].is_root {
            let path = &self.defs.modules[module.index()].path;
            let name = path.rsplit('.').next().unwrap_or(path).to_string();
            let first = &tree.script[0];
            if let Some(other) = self.defs.tasks.iter().find(|t| t.module == module && t.name == name) {
                let message = format!("a task is called `{name}`, as the script of this file is");
                let report = Diagnostic::error(codes::DUPLICATE, self.file(module), other.span, message)
                    .help("name the task or the file otherwise");
                self.report(report);
            }
            self.defs.tasks.push(TaskDef {
                module,
                name,
                span: first.span,
                is_private: false,
                role: None,
                params: Vec::new(),
                body: TaskBody::Script(&tree.script),
                undo: None,
                needs: None,
                dcase: None,
                doc: None,
            });
        }
    }

    fn type_members(&mut self, module: ModuleId, item: &'a ast::Item) {
        let Some(name) = item_name(item) else { return };
        let Some(&Def::Type(id)) = self.defs.modules[module.index()].names.get(&name.name) else { return };
        if self.defs.types[id.index()].span != name.span {
            return; // the second of two with one name
        }
        let place = Place { module, owner: Some(id) };
        let type_params = self.defs.types[id.index()].type_params.clone();
        match &item.kind {
            ItemKind::Record(r) => {
                self.supers(id, &r.implements);
                let compact = r.members.iter().find_map(|m| match &m.kind {
                    ItemKind::CompactConstructor(c) => Some(&c.body),
                    _ => None,
                });
                let params = self.params(place, &type_params, &r.components);
                self.check_bounds(id, &r.type_params);
                let fields = params
                    .iter()
                    .map(|p| FieldSig {
                        name: p.name,
                        span: p.span,
                        ty: p.ty,
                        is_final: true,
                        is_private: false,
                        init: None,
                    })
                    .collect();
                self.defs.types[id.index()].fields = fields;
                self.constructor(place, name, params, Body::Record(compact), item);
                let head_end = r.members.first().map_or(item.span.end, |member| member.span.start);
                let head = Span::new(name.span.end, head_end);
                let doubtful = self.defs.modules[module.index()].is_broken(head);
                if let Some(made) = self.defs.fns.last_mut() {
                    made.is_doubtful = doubtful;
                }
                self.members(place, &type_params, &r.members);
            }
            ItemKind::Class(c) => {
                self.supers(id, &c.implements);
                self.check_bounds(id, &c.type_params);
                self.members(place, &type_params, &c.members);
                let explicit = explicit_constructor(&c.members, c.name);
                if self.defs.types[id.index()].kind == TypeKind::Class {
                    match explicit {
                        Some((member, k)) => {
                            let params = self.params(place, &type_params, &k.params);
                            self.constructor(place, k.name, params, Body::Constructor(&k.body), member);
                        }
                        None => {
                            self.constructor(place, name, Vec::new(), Body::Record(None), item);
                            let doubtful = self.lost_constructor(place, item, c);
                            if let Some(made) = self.defs.fns.last_mut() {
                                made.is_doubtful = doubtful;
                            }
                        }
                    }
                } else if let Some((member, k)) = explicit {
                    let params = self.params(place, &type_params, &k.params);
                    self.constructor(place, k.name, params, Body::None, member);
                }
            }
            ItemKind::Enum(e) => {
                for constant in &e.constants {
                    let decl = &mut self.defs.types[id.index()];
                    if let Some(&place) = decl.constant_places.get(&constant.name.name) {
                        let first = decl.constants[place as usize].1;
                        let file = self.file(module);
                        let text = self.interner.name(constant.name.name);
                        let report = Diagnostic::error(
                            codes::DUPLICATE,
                            file,
                            constant.name.span,
                            format!("the constant `{text}` is declared twice"),
                        )
                        .label(first, "first declared here");
                        self.report(report);
                        continue;
                    }
                    decl.constant_places.insert(constant.name.name, decl.constants.len() as u32);
                    decl.constants.push((constant.name.name, constant.name.span));
                }
                self.supers(id, &e.implements);
                self.defs.types[id.index()].constant_trees = &e.constants;
                self.members(place, &type_params, &e.members);
                let explicit = explicit_constructor(&e.members, e.name);
                match explicit {
                    Some((member, k)) => {
                        let params = self.params(place, &type_params, &k.params);
                        self.constructor(place, k.name, params, Body::Constructor(&k.body), member);
                    }
                    None => {
                        self.constructor(place, name, Vec::new(), Body::Record(None), item);
                        self.lacks_constructor(module, e);
                    }
                }
            }
            ItemKind::Interface(i) => {
                self.check_bounds(id, &i.type_params);
                self.supers(id, &i.extends);
                self.members(place, &type_params, &i.members);
                if item.modifiers.sealed.is_some() {
                    let permits = self.permits(module, id, i);
                    let decl = &mut self.defs.types[id.index()];
                    decl.permits = Some(permits);
                    decl.permits_written = !i.permits.is_empty();
                } else if let Some(first) = i.permits.first() {
                    let file = self.file(module);
                    let at = Span::new(item.span.start, item.span.start);
                    self.report(
                        Diagnostic::error(
                            codes::SEALED,
                            file,
                            first.span,
                            "only a `sealed` interface says what it permits",
                        )
                        .edit(at, "sealed "),
                    );
                }
            }
            _ => {}
        }
    }

    /// Resolves what a type implements or extends.
    fn supers(&mut self, id: TypeDefId, written: &[ast::TypeExpr]) {
        let module = self.defs.types[id.index()].module;
        let type_params = self.defs.types[id.index()].type_params.clone();
        for expr in written {
            let ty = self.type_expr(module, &type_params, expr);
            let kind = self.types.nominal_parts(ty).map(|(def, _)| self.defs.types[def.index()].kind);
            let interface = self.types.nominal_parts(ty).map(|(def, _)| def);
            let supers = &self.defs.types[id.index()].supers;
            let again = |s: &Ty| self.types.nominal_parts(*s).is_some_and(|(def, _)| Some(def) == interface);
            if kind == Some(TypeKind::Interface) {
                // That one stands here twice is said with what else is out of place.
                if !supers.iter().any(again) {
                    self.defs.types[id.index()].supers.push(ty);
                }
                continue;
            }
            if ty != Ty::POISON {
                let file = self.file(module);
                self.report(
                    Diagnostic::error(
                        codes::BAD_TYPE,
                        file,
                        expr.span,
                        "only interfaces can be implemented or extended",
                    )
                    .help("no state is inherited: hold an object of that type in a field instead"),
                );
            }
            // What is above it is not known: it may have any member.
            self.defs.types[id.index()].supers.push(Ty::POISON);
        }
    }

    /// The types that a sealed interface names as permitted.
    fn permits(&mut self, module: ModuleId, own: TypeDefId, interface: &ast::Interface) -> Vec<TypeDefId> {
        let mut permits: Vec<TypeDefId> = Vec::new();
        for written in &interface.permits {
            let file = self.file(module);
            // As in Java, what is permitted is named without type arguments.
            let bare = match &written.kind {
                ast::TypeExprKind::Named { name, args } if args.is_empty() => {
                    names::lookup(&self.defs, module, name.name)
                }
                _ => Found::Nothing,
            };
            let def = match bare {
                Found::One(Def::Type(def)) => Some(def),
                _ => {
                    let ty = self.type_expr(module, &[], written);
                    self.types.nominal_parts(ty).map(|(def, _)| def)
                }
            };
            let Some(def) = def else { continue };
            let report = if permits.contains(&def) {
                Diagnostic::error(codes::DUPLICATE, file, written.span, "this type is permitted twice")
            } else if self.defs.types[def.index()].module != module {
                let message = "a sealed interface permits types of its own module";
                Diagnostic::error(codes::SEALED, file, written.span, message)
            } else if def == own {
                let message = "a sealed interface permits others, not itself";
                Diagnostic::error(codes::SEALED, file, written.span, message)
            } else {
                permits.push(def);
                continue;
            };
            self.report(report);
        }
        permits
    }

    /// What a sealed interface permits must implement it.
    fn permitted_implement(&mut self) {
        let sealed = self.defs.modules.iter().enumerate().flat_map(|(index, module)| {
            module.ast.items.iter().filter_map(move |item| match &item.kind {
                ItemKind::Interface(i) if item.modifiers.sealed.is_some() => Some((index, i)),
                _ => None,
            })
        });
        let sealed: Vec<(usize, &ast::Interface)> = sealed.collect();
        for (index, interface) in sealed {
            let module = ModuleId(index as u32);
            let Some(&Def::Type(id)) = self.defs.modules[index].names.get(&interface.name.name) else {
                continue;
            };
            if self.defs.types[id.index()].span != interface.name.span {
                continue; // the second of two with one name
            }
            for written in &interface.permits {
                let ast::TypeExprKind::Named { name, .. } = &written.kind else { continue };
                let Found::One(Def::Type(def)) = names::lookup(&self.defs, module, name.name) else {
                    continue;
                };
                let decl = &self.defs.types[def.index()];
                let implements =
                    decl.supers.iter().any(|&s| self.types.nominal_parts(s).is_some_and(|(d, _)| d == id));
                if implements || decl.module != module || def == id {
                    continue;
                }
                let (permitted, sealed) =
                    (self.interner.name(decl.name), self.interner.name(interface.name.name));
                let message = format!("`{permitted}` is permitted and does not implement `{sealed}`");
                let report = Diagnostic::error(codes::SEALED, self.file(module), written.span, message)
                    .label(decl.span, "declared here")
                    .help(format!("write `implements {sealed}` there, or leave it out here"));
                self.report(report);
            }
        }
    }

    /// A sealed interface without `permits` permits every type of its module that implements it; no type of
    /// another module may.
    fn seal(&mut self) {
        for index in 0..self.defs.types.len() {
            let id = TypeDefId(index as u32);
            let supers = self.defs.types[index].supers.clone();
            let (module, span) = (self.defs.types[index].module, self.defs.types[index].span);
            for super_ty in supers {
                let Some((parent, _)) = self.types.nominal_parts(super_ty) else { continue };
                let def = &mut self.defs.types[parent.index()];
                let same_module = def.module == module;
                let (name, parent_span, parent_file) =
                    (def.name, def.span, self.defs.modules[def.module.index()].file);
                let explicit = def.permits_written;
                let Some(permits) = &mut def.permits else { continue };
                let fine = if explicit { permits.contains(&id) } else { same_module };
                if !fine {
                    let text = self.interner.name(name);
                    let message = format!("the sealed interface `{text}` does not permit this type");
                    let file = self.file(module);
                    self.report(Diagnostic::error(codes::SEALED, file, span, message).label_in(
                        parent_file,
                        parent_span,
                        "sealed here",
                    ));
                } else if !explicit && permits.last() != Some(&id) {
                    permits.push(id);
                }
            }
        }
    }

    /// Resolves the bounds of a type's parameters.
    fn check_bounds(&mut self, id: TypeDefId, params: &[ast::TypeParam]) {
        let module = self.defs.types[id.index()].module;
        let ids = self.defs.types[id.index()].type_params.clone();
        self.bounds(module, &ids, params, &ids);
    }

    /// Resolves `<T extends Interface>`; `ids` are the parameters themselves, `scope` all that may be named.
    fn bounds(
        &mut self,
        module: ModuleId,
        ids: &[TypeParamId],
        params: &[ast::TypeParam],
        scope: &[TypeParamId],
    ) {
        for (&id, param) in ids.iter().zip(params) {
            for bound in &param.bounds {
                let ty = self.type_expr(module, scope, bound);
                let kind = self.types.nominal_parts(ty).map(|(def, _)| self.defs.types[def.index()].kind);
                if kind == Some(TypeKind::Interface) {
                    self.defs.type_params[id.index()].bounds.push(ty);
                    continue;
                }
                if ty != Ty::POISON {
                    let file = self.file(module);
                    self.report(Diagnostic::error(
                        codes::BAD_TYPE,
                        file,
                        bound.span,
                        "a bound is an interface",
                    ));
                }
                self.defs.type_params[id.index()].bounds.push(Ty::POISON);
            }
        }
    }

    fn constructor(
        &mut self,
        place: Place,
        name: ast::Ident,
        params: Vec<ParamSig<'a>>,
        body: Body<'a>,
        item: &'a ast::Item,
    ) {
        let Some(owner) = place.owner else { return };
        let id = FnId(self.defs.fns.len() as u32);
        let def = &self.defs.types[owner.index()];
        let type_params = def.type_params.clone();
        let is_native = matches!(body, Body::None);
        let args: Vec<Ty> = type_params.iter().map(|&p| self.types.intern(TyKind::Param(p))).collect();
        let ret = self.types.nominal(owner, &args);
        let intrinsic = self.annotations(place, item, name, Needy::Fn(id));
        self.defs.fns.push(FnDef {
            module: place.module,
            name: name.name,
            span: name.span,
            owner: place.owner,
            is_method: false,
            is_private: matches!(item.kind, ItemKind::Constructor(_)) && item.modifiers.private.is_some(),
            is_lowlevel: false,
            is_native,
            intrinsic,
            needs: None,
            type_params,
            params,
            ret,
            body,
            overrides: None,
            ordered: None,
            is_doubtful: false,
        });
        self.defs.types[owner.index()].constructor = Some(id);
    }

    fn members(&mut self, place: Place, type_params: &[TypeParamId], members: &'a [ast::Item]) {
        let Some(owner) = place.owner else { return };
        let mut constructors = 0;
        for member in members {
            match &member.kind {
                ItemKind::Function(f) => {
                    let Some(id) = self.function(place, member, f, type_params) else { continue };
                    if let Some(&first) = self.defs.types[owner.index()].methods.get(&f.name.name) {
                        let report = Diagnostic::error(
                            codes::DUPLICATE,
                            self.file(place.module),
                            f.name.span,
                            format!("`{}` is declared twice in this type", self.interner.name(f.name.name)),
                        )
                        .label(self.defs.fns[first.index()].span, "first declared here")
                        .help("there is no overloading: parameters may have defaults");
                        self.report(report);
                        self.defs.fns[first.index()].is_doubtful = true;
                        continue;
                    }
                    self.defs.types[owner.index()].methods.insert(f.name.name, id);
                }
                ItemKind::Field(f) if member.modifiers.static_.is_some() => {
                    let id = self.constant(place, member, f);
                    self.defs.types[owner.index()].consts.insert(f.name.name, id);
                }
                ItemKind::Field(f) => {
                    let ty = self.type_expr(place.module, type_params, &f.ty);
                    let field = FieldSig {
                        name: f.name.name,
                        span: f.name.span,
                        ty,
                        is_final: member.modifiers.final_.is_some(),
                        is_private: member.modifiers.private.is_some(),
                        init: f.init.as_deref(),
                    };
                    let def = &mut self.defs.types[owner.index()];
                    if matches!(def.kind, TypeKind::Record | TypeKind::Interface) {
                        let message = if def.kind == TypeKind::Record {
                            "a record has no fields but its components"
                        } else {
                            "an interface has no fields"
                        };
                        let is_interface = def.kind == TypeKind::Interface;
                        def.lost.insert(field.name);
                        let file = self.file(place.module);
                        let report = Diagnostic::error(codes::MODIFIER, file, f.name.span, message);
                        let start = Span::new(member.span.start, member.span.start);
                        self.report(match is_interface && field.init.is_some() {
                            true => report.help("a constant is `static final`").edit(start, "static final "),
                            false if is_interface => {
                                report.help("ask for a method instead, such as `int size();`")
                            }
                            false => report.help("what a record holds stands between its `( )`"),
                        });
                        continue;
                    }
                    if let Some(first) = def.fields.iter().find(|g| g.name == field.name) {
                        let report = Diagnostic::error(
                            codes::DUPLICATE,
                            self.defs.modules[place.module.index()].file,
                            field.span,
                            format!("the field `{}` is declared twice", self.interner.name(field.name)),
                        )
                        .label(first.span, "first declared here");
                        self.report(report);
                        continue;
                    }
                    def.fields.push(field);
                }
                ItemKind::Constructor(c) => {
                    self.check_constructor(place, member, c.name, &mut constructors);
                    self.untyped_method(place, member, c, type_params);
                }
                ItemKind::CompactConstructor(_) | ItemKind::Error => {}
                _ => {
                    let file = self.file(place.module);
                    self.report(Diagnostic::error(
                        codes::SYNTAX,
                        file,
                        member.span,
                        "this declaration stands at the top level of a module, not in a type",
                    ));
                }
            }
        }
    }

    /// Constants with values need a constructor that takes them: told once, for the enum made last.
    fn lacks_constructor(&mut self, module: ModuleId, e: &ast::Enum) {
        let Some(first) = e.constants.iter().find(|c| !c.args.is_empty()) else { return };
        let file = self.file(module);
        let name = self.interner.name(e.name.name);
        let message = format!("`{name}` has no constructor that takes the values of its constants");
        let help = format!("declare fields and a constructor: `int n; {name}(int n) {{ this.n = n; }}`");
        self.report(Diagnostic::error(codes::ARGUMENTS, file, first.name.span, message).help(help));
        if let Some(made) = self.defs.fns.last_mut() {
            made.is_doubtful = true;
        }
    }

    /// A method without a result type, which was spoken of: whatever it returns.
    fn untyped_method(
        &mut self,
        place: Place,
        member: &'a ast::Item,
        c: &'a ast::Constructor,
        type_params: &[TypeParamId],
    ) {
        let Some(owner) = place.owner else { return };
        let decl = &self.defs.types[owner.index()];
        if decl.name == c.name.name || decl.methods.contains_key(&c.name.name) {
            return;
        }
        let params = self.params(place, type_params, &c.params);
        let id = FnId(self.defs.fns.len() as u32);
        self.defs.fns.push(FnDef {
            module: place.module,
            name: c.name.name,
            span: c.name.span,
            owner: place.owner,
            is_method: member.modifiers.static_.is_none(),
            is_private: false,
            is_lowlevel: member.modifiers.lowlevel.is_some(),
            is_native: false,
            intrinsic: None,
            needs: None,
            type_params: type_params.to_vec(),
            params,
            ret: Ty::POISON,
            body: Body::Block(&c.body),
            overrides: None,
            ordered: None,
            is_doubtful: false,
        });
        self.defs.types[owner.index()].methods.insert(c.name.name, id);
    }

    /// Whether a class without a constructor has one that a mistake hides: under another name, with a result type, or
    /// in text that could not be read.
    fn lost_constructor(&mut self, place: Place, item: &ast::Item, c: &ast::Class) -> bool {
        let mut lost = self.defs.modules[place.module.index()].is_broken(item.span);
        for member in &c.members {
            match &member.kind {
                ItemKind::Constructor(_) | ItemKind::CompactConstructor(_) => lost = true,
                ItemKind::Function(f) if f.name.name == c.name.name => {
                    lost = true;
                    let file = self.file(place.module);
                    let report = Diagnostic::error(
                        codes::MODIFIER,
                        file,
                        f.ret.span,
                        "a constructor has no result type; a method has a name of its own",
                    )
                    .edit(Span::new(f.ret.span.start, f.name.span.start), "");
                    self.report(report);
                }
                _ => {}
            }
        }
        lost
    }

    fn check_constructor(&mut self, place: Place, member: &ast::Item, name: ast::Ident, count: &mut u32) {
        let Some(owner) = place.owner else { return };
        if self.defs.types[owner.index()].name != name.name {
            return; // a method without a result type
        }
        *count += 1;
        let message = match self.defs.types[owner.index()].kind {
            TypeKind::Record => "a record has a compact constructor only, without a parameter list",
            TypeKind::Interface => return,
            _ if *count > 1 => "a class has one constructor: its parameters may have defaults",
            _ if member.modifiers.lowlevel.is_some() => {
                "a constructor cannot reach outside: use a static function"
            }
            _ => return,
        };
        let file = self.file(place.module);
        self.report(Diagnostic::error(codes::MODIFIER, file, name.span, message));
    }

    /// Keeps the `@Needs` of what is about to be declared as `carrier`; gives its `@Intrinsic`.
    fn annotations(
        &mut self,
        place: Place,
        item: &'a ast::Item,
        name: ast::Ident,
        carrier: Needy,
    ) -> Option<Intrinsic> {
        let mut intrinsic = None;
        for annotation in &item.annotations {
            match self.interner.name(annotation.name.name) {
                "Needs" => self.needy.push((carrier, place, annotation)),
                "Intrinsic" if self.defs.modules[place.module.index()].is_std => {
                    intrinsic = match self.interner.name(name.name) {
                        "print" => Some(Intrinsic::Print),
                        "isError" => Some(Intrinsic::IsError),
                        "ignore" => Some(Intrinsic::Ignore),
                        "max" | "min" | "abs" | "clamp" => Some(Intrinsic::IntOrDouble),
                        "format" => Some(Intrinsic::Format),
                        "Command" => Some(Intrinsic::NewCommand),
                        "script" => Some(Intrinsic::Script),
                        "run" => Some(Intrinsic::Run),
                        _ => None,
                    }
                }
                _ => {}
            }
        }
        intrinsic
    }

    fn ordered(&self, item: &ast::Item, params: &[TypeParamId]) -> Option<(TypeParamId, Order)> {
        item.annotations.iter().find_map(|a| {
            let order = match self.interner.name(a.name.name) {
                "Ordered" => Order::Natural,
                "Numeric" => Order::Numeric,
                "Comparable" => Order::Equality,
                _ => return None,
            };
            let ast::ExprKind::Str(parts) = &a.args.first()?.value.kind else { return None };
            let [ast::StrPart::Text(name)] = &parts[..] else { return None };
            let is_it =
                |p: &&TypeParamId| self.interner.name(self.defs.type_params[p.index()].name) == &**name;
            let param = params.iter().find(is_it)?;
            Some((*param, order))
        })
    }

    fn override_span(&self, item: &ast::Item) -> Option<Span> {
        item.annotations.iter().find(|a| self.interner.name(a.name.name) == "Override").map(|a| a.span)
    }

    /// The capability that a part of `@Needs` writes.
    fn needed(&self, place: Place, expr: &ast::Expr) -> Result<String, Diagnostic> {
        let report = |why: String| Diagnostic::error(codes::NEEDS, self.file(place.module), expr.span, why);
        let Some(text) = constants::text(&self.defs, (place.module, place.owner), expr) else {
            return Err(report("a capability is a constant text".to_owned())
                .help("write it here, `\"exec:/usr/lib/checks/*\"`, or name a `static final` String made of such texts"));
        };
        // What is filled in later may be any text, so long as a text there makes a capability.
        let read = Capability::parse(&without_places(&text, "x"))
            .and_then(|_| Capability::parse_known(&without_places(&text, "*")));
        read.map(|_| text).map_err(|why| report(why.to_string()))
    }

    fn needs(&mut self, place: Place, annotation: &ast::Annotation) -> Vec<String> {
        let mut all = Vec::new();
        let mut queue: Vec<&ast::Expr> = annotation.args.iter().map(|a| &a.value).collect();
        while let Some(expr) = queue.pop() {
            match &expr.kind {
                ast::ExprKind::List(items) => queue.extend(items.iter()),
                ast::ExprKind::Error => {}
                _ => match self.needed(place, expr) {
                    Ok(text) => all.push(text),
                    Err(report) => self.report(report),
                },
            }
        }
        all.sort();
        all
    }

    fn function(
        &mut self,
        place: Place,
        item: &'a ast::Item,
        f: &'a ast::Function,
        outer: &[TypeParamId],
    ) -> Option<FnId> {
        // What belongs to the type itself knows nothing of an object's type arguments.
        let outer = if item.modifiers.static_.is_some() { &[] } else { outer };
        let own = self.type_params(&f.type_params);
        let type_params: Vec<TypeParamId> = outer.iter().copied().chain(own.iter().copied()).collect();
        self.bounds(place.module, &own, &f.type_params, &type_params);
        let params = self.params(place, &type_params, &f.params);
        let ret = self.ret_type(place.module, &type_params, &f.ret);
        let id = FnId(self.defs.fns.len() as u32);
        let intrinsic = self.annotations(place, item, f.name, Needy::Fn(id));
        let is_std = self.defs.modules[place.module.index()].is_std;
        let is_native = item.modifiers.native.is_some();
        let in_interface =
            place.owner.is_some_and(|o| self.defs.types[o.index()].kind == TypeKind::Interface)
                && item.modifiers.static_.is_none()
                && item.modifiers.private.is_none();
        let file = self.file(place.module);
        let head_end = f.body.as_ref().map_or(item.span.end, |body| body.span.start);
        let head = Span::new(f.name.span.end, head_end);
        let is_doubtful = self.defs.modules[place.module.index()].is_broken(head);
        if let Some(span) = item.modifiers.native.filter(|_| !is_std) {
            self.report(Diagnostic::error(codes::MODIFIER, file, span, "only the library declares `native`"));
        } else if f.body.is_none() && !is_native && !in_interface && !is_doubtful {
            let text = self.interner.name(f.name.name).to_string();
            self.report(Diagnostic::error(
                codes::SYNTAX,
                file,
                f.name.span,
                format!("the function `{text}` has no body"),
            ));
        }
        let is_lowlevel = item.modifiers.lowlevel.is_some();
        // What else is wrong with a result that cannot be, nobody knows.
        let ret = if is_lowlevel && !is_std && !self.check_lowlevel_result(file, f, ret) {
            Ty::POISON
        } else {
            ret
        };
        let ordered = self.ordered(item, &type_params);
        self.defs.fns.push(FnDef {
            module: place.module,
            name: f.name.name,
            span: f.name.span,
            owner: place.owner,
            is_method: place.owner.is_some() && item.modifiers.static_.is_none(),
            is_private: item.modifiers.private.is_some(),
            is_lowlevel,
            is_native,
            intrinsic,
            needs: None,
            type_params,
            params,
            ret,
            body: f.body.as_ref().map_or(Body::None, Body::Block),
            overrides: self.override_span(item),
            ordered,
            is_doubtful,
        });
        Some(id)
    }

    /// Whatever reaches outside can fail: a user's Low-Level Script says so in its result. Tells whether it does.
    fn check_lowlevel_result(&mut self, file: FileId, f: &ast::Function, ret: Ty) -> bool {
        let good = match self.types.kind(ret) {
            TyKind::Fallible(_) | TyKind::Void | TyKind::Poison => true,
            TyKind::Nominal(def, _) => Some(*def) == self.defs.known.subprocess,
            _ => false,
        };
        if !good {
            self.report(
                Diagnostic::error(
                    codes::BAD_TYPE,
                    file,
                    f.ret.span,
                    "a lowlevel function returns a `T!`, a Subprocess or void",
                )
                .help("whatever reaches outside can fail: declare the result with `!`")
                .edit(Span::new(f.ret.span.end, f.ret.span.end), "!"),
            );
        }
        good
    }

    fn params(
        &mut self,
        place: Place,
        type_params: &[TypeParamId],
        params: &'a [ast::Param],
    ) -> Vec<ParamSig<'a>> {
        let mut all: Vec<ParamSig<'a>> = Vec::new();
        for param in params {
            if let Some(first) = all.iter().find(|p| p.name == param.name.name) {
                let report = Diagnostic::error(
                    codes::DUPLICATE,
                    self.file(place.module),
                    param.name.span,
                    format!("the parameter `{}` is declared twice", self.interner.name(param.name.name)),
                )
                .label(first.span, "first declared here");
                self.report(report);
            }
            let ty = self.type_expr(place.module, type_params, &param.ty);
            all.push(ParamSig {
                node: param.id,
                name: param.name.name,
                span: param.name.span,
                ty,
                default: param.default.as_deref(),
                is_final: param.final_,
            });
        }
        all
    }

    fn constant(&mut self, place: Place, item: &ast::Item, f: &'a ast::Field) -> ConstId {
        let ty = self.type_expr(place.module, &[], &f.ty);
        if f.init.is_none() {
            let file = self.file(place.module);
            self.report(Diagnostic::error(codes::SYNTAX, file, f.name.span, "a constant needs a value"));
        }
        if item.modifiers.final_.is_none() && place.owner.is_some() {
            let file = self.file(place.module);
            self.report(
                Diagnostic::error(
                    codes::MODIFIER,
                    file,
                    f.name.span,
                    "a static variable must be `static final`",
                )
                .help("no state survives a run: pass what changes as a parameter"),
            );
        }
        let id = ConstId(self.defs.consts.len() as u32);
        self.defs.consts.push(ConstDef {
            module: place.module,
            owner: place.owner,
            name: f.name.name,
            span: f.name.span,
            is_private: item.modifiers.private.is_some(),
            is_final: item.modifiers.final_.is_some(),
            ty,
            init: f.init.as_deref(),
        });
        id
    }

    fn task(&mut self, module: ModuleId, item: &'a ast::Item, t: &'a ast::Task, program: &Program) -> TaskId {
        let params = self.task_params(module, &t.params, "task");
        let dcase = self.dcase(item);
        let doc = self.doc(module, item, program);
        let id = TaskId(self.defs.tasks.len() as u32);
        self.annotations(Place { module, owner: None }, item, t.name, Needy::Task(id));
        self.defs.tasks.push(TaskDef {
            module,
            name: self.interner.name(t.name.name).to_string(),
            span: t.name.span,
            is_private: item.modifiers.private.is_some(),
            role: t.role,
            params,
            body: TaskBody::Block(&t.body),
            undo: t.undo.as_ref(),
            needs: None,
            dcase,
            doc,
        });
        id
    }

    fn scenario(
        &mut self,
        module: ModuleId,
        item: &'a ast::Item,
        tree: &'a ast::Scenario,
        program: &Program,
    ) -> ScenarioId {
        let params = self.task_params(module, &tree.params, "scenario");
        let dcase = self.dcase(item);
        let doc = self.doc(module, item, program);
        let name = self.interner.name(tree.name.name).to_string();
        let span = tree.name.span;
        let id = ScenarioId(self.defs.scenarios.len() as u32);
        self.defs.scenarios.push(ScenarioDef { module, name, span, params, item, tree, dcase, doc });
        id
    }

    /// Parameters whose values operators give.
    fn task_params(&mut self, module: ModuleId, trees: &'a [ast::Param], what: &str) -> Vec<ParamSig<'a>> {
        let params = self.params(Place { module, owner: None }, &[], trees);
        for (tree, sig) in trees.iter().zip(&params) {
            if !self.is_task_param(sig.ty) {
                let file = self.file(module);
                let message = format!("a {what}'s parameter cannot have this type");
                self.report(Diagnostic::error(codes::BAD_TYPE, file, tree.ty.span, message).help(
                    "good are int, double, boolean, String, Duration, enums, and lists and records of these",
                ));
            }
        }
        params
    }

    /// The text of `@DCase("...")`.
    fn dcase(&self, item: &ast::Item) -> Option<String> {
        let found = item.annotations.iter().find(|a| self.interner.name(a.name.name) == "DCase")?;
        let ast::ExprKind::Str(parts) = &found.args.first()?.value.kind else { return None };
        match &parts[..] {
            [ast::StrPart::Text(text)] => Some(text.to_string()),
            _ => None,
        }
    }

    fn doc(&self, module: ModuleId, item: &ast::Item, program: &Program) -> Option<String> {
        let file = &program.modules[module.index()];
        let text = self.map.get(file.file).text();
        file.parsed
            .doc_before(item.span.start, text)
            .map(|span| dscript_grammar::comments::doc_text(text, span))
    }

    fn test(&mut self, module: ModuleId, t: &'a ast::Test) {
        let file = self.file(module);
        let name = match &t.name.kind {
            ast::ExprKind::Str(parts) => match &parts[..] {
                [] => String::new(),
                [ast::StrPart::Text(text)] => {
                    if text.contains(char::is_control) {
                        let message = "a test's name is one line, without control characters";
                        self.report(Diagnostic::error(codes::BAD_CHARACTER, file, t.name.span, message));
                    }
                    text.to_string()
                }
                _ => {
                    let message = "a test's name is a text without `${}`";
                    self.report(Diagnostic::error(codes::SYNTAX, file, t.name.span, message));
                    "?".into()
                }
            },
            _ => return,
        };
        let first = self.defs.tests.iter().find(|d| d.module == module && d.name == name && name != "?");
        if let Some(first) = first {
            let report = Diagnostic::error(
                codes::DUPLICATE,
                file,
                t.name.span,
                "two tests of this module have the same name",
            )
            .label(first.span, "first declared here");
            self.report(report);
        }
        self.defs.tests.push(TestDef { module, name, span: t.name.span, body: &t.body });
    }

    fn is_task_param(&self, ty: Ty) -> bool {
        match self.types.kind(ty) {
            TyKind::Int | TyKind::Double | TyKind::Bool | TyKind::Duration | TyKind::Poison => true,
            TyKind::Nominal(def, args) => {
                let kind = self.defs.types[def.index()].kind;
                Some(*def) == self.defs.known.string
                    || Some(*def) == self.defs.known.list && args.iter().all(|&t| self.is_task_param(t))
                    || kind == TypeKind::Enum
                    || kind == TypeKind::Record
            }
            _ => false,
        }
    }

    fn type_expr(&mut self, module: ModuleId, params: &[TypeParamId], expr: &ast::TypeExpr) -> Ty {
        let mut resolver = names::TypeResolver {
            defs: &self.defs,
            types: self.types,
            interner: self.interner,
            diagnostics: self.diagnostics,
            module,
            type_params: params,
        };
        resolver.resolve(expr)
    }

    fn ret_type(&mut self, module: ModuleId, params: &[TypeParamId], expr: &ast::TypeExpr) -> Ty {
        let mut resolver = names::TypeResolver {
            defs: &self.defs,
            types: self.types,
            interner: self.interner,
            diagnostics: self.diagnostics,
            module,
            type_params: params,
        };
        resolver.resolve_result(expr)
    }
}

/// The constructor that a class or an enum declares; what has another name is a method without a result type.
fn explicit_constructor(members: &[ast::Item], owner: ast::Ident) -> Option<(&ast::Item, &ast::Constructor)> {
    members.iter().find_map(|m| match &m.kind {
        ItemKind::Constructor(k) if k.name.name == owner.name => Some((m, k)),
        _ => None,
    })
}

/// A pattern with every `{parameter}` replaced.
fn without_places(pattern: &str, stand_in: &str) -> String {
    let mut plain = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        plain.push_str(before);
        let Some((_, tail)) = after.split_once('}') else { break };
        plain.push_str(stand_in);
        rest = tail;
    }
    plain.push_str(rest);
    plain
}
