//! Declared types: their parameters and bounds, what they extend, and which types may implement them.

use super::members::explicit_constructor;
use super::{Collector, Place};
use crate::defs::*;
use crate::modules::item_name;
use crate::names::{self, Found};
use crate::types::Ty;
use dscript_grammar::ast::{self, ItemKind};
use dscript_grammar::codes;
use dscript_grammar::diagnostic::Diagnostic;
use dscript_grammar::span::Span;
use rustc_hash::FxHashMap;

impl<'a> Collector<'a, '_> {
    pub(super) fn declare_types(&mut self, module: ModuleId) {
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

    pub(super) fn type_params(&mut self, params: &[ast::TypeParam]) -> Vec<TypeParamId> {
        params
            .iter()
            .map(|p| {
                self.defs.type_params.push(TypeParamDef { name: p.name.name, bounds: Vec::new() });
                TypeParamId(self.defs.type_params.len() as u32 - 1)
            })
            .collect()
    }

    pub(super) fn type_members(&mut self, module: ModuleId, item: &'a ast::Item) {
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
    pub(super) fn permitted_implement(&mut self) {
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
    pub(super) fn seal(&mut self) {
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
    pub(super) fn bounds(
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
}
