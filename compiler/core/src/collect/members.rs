//! Members of types, and their constructors.

use super::{Collector, Needy, Place};
use crate::defs::*;
use crate::types::{Ty, TyKind};
use dscript_grammar::ast::{self, ItemKind};
use dscript_grammar::codes;
use dscript_grammar::diagnostic::Diagnostic;
use dscript_grammar::span::Span;

impl<'a> Collector<'a, '_> {
    pub(super) fn constructor(
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

    pub(super) fn members(&mut self, place: Place, type_params: &[TypeParamId], members: &'a [ast::Item]) {
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
    pub(super) fn lacks_constructor(&mut self, module: ModuleId, e: &ast::Enum) {
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
    pub(super) fn lost_constructor(&mut self, place: Place, item: &ast::Item, c: &ast::Class) -> bool {
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
}

/// The constructor that a class or an enum declares; what has another name is a method without a result type.
pub(super) fn explicit_constructor(
    members: &[ast::Item],
    owner: ast::Ident,
) -> Option<(&ast::Item, &ast::Constructor)> {
    members.iter().find_map(|m| match &m.kind {
        ItemKind::Constructor(k) if k.name.name == owner.name => Some((m, k)),
        _ => None,
    })
}
