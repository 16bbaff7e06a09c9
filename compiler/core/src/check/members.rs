//! Members of types through the interfaces above them, and whether types keep what they promise.

use super::Checker;
use crate::defs::{Body, Defs, FnId, TypeDefId, TypeKind};
use crate::types::{Ty, TyKind, Types};
use dscript_grammar::codes;
use dscript_grammar::span::{Span, Symbol};

/// How deep interfaces may extend each other; circles end here.
const SUPERS_MAX: u32 = 64;

/// The direct interfaces of a type, with its type arguments put in.
pub fn supers(types: &mut Types, defs: &Defs<'_>, ty: Ty) -> Vec<Ty> {
    let Some((def, args)) = types.nominal_parts(ty).map(|(d, a)| (d, a.to_vec())) else { return Vec::new() };
    let decl = &defs.types[def.index()];
    decl.supers.iter().map(|&s| types.substitute(s, &decl.type_params, &args)).collect()
}

/// A type seen as one of the interfaces above it, or as itself.
pub fn as_super(types: &mut Types, defs: &Defs<'_>, ty: Ty, wanted: TypeDefId) -> Option<Ty> {
    fn go(types: &mut Types, defs: &Defs<'_>, ty: Ty, wanted: TypeDefId, depth: u32) -> Option<Ty> {
        if types.nominal_parts(ty)?.0 == wanted {
            return Some(ty);
        }
        if depth == SUPERS_MAX {
            return None;
        }
        supers(types, defs, ty).into_iter().find_map(|s| go(types, defs, s, wanted, depth + 1))
    }
    go(types, defs, ty, wanted, 0)
}

/// Every interface above a type, itself not included, each once.
pub fn all_supers(types: &mut Types, defs: &Defs<'_>, ty: Ty) -> Vec<Ty> {
    let mut found: Vec<Ty> = Vec::new();
    let mut queue = supers(types, defs, ty);
    while let Some(next) = queue.pop() {
        if !found.contains(&next) && found.len() < 1_000 {
            found.push(next);
            queue.extend(supers(types, defs, next));
        }
    }
    found.sort();
    found
}

/// The method a type has under a name: its own, else the one it inherits, one with a body first; with the type whose
/// member it is.
pub fn find_method(types: &mut Types, defs: &Defs<'_>, ty: Ty, name: Symbol) -> Option<(FnId, Ty)> {
    if let TyKind::Param(param) = types.kind(ty) {
        let bounds = defs.type_params[param.index()].bounds.clone();
        return bounds.into_iter().find_map(|bound| find_method(types, defs, bound, name));
    }
    let (def, _) = types.nominal_parts(ty)?;
    if let Some(&id) = defs.types[def.index()].methods.get(&name) {
        return Some((id, ty));
    }
    let all = inherited(types, defs, ty, name);
    let with_body = all.iter().find(|(id, _)| !defs.fns[id.index()].is_abstract());
    with_body.or(all.first()).copied()
}

/// The methods of a name that a type inherits: those of interfaces above it that no interface between declares anew.
pub fn inherited(types: &mut Types, defs: &Defs<'_>, ty: Ty, name: Symbol) -> Vec<(FnId, Ty)> {
    let mut found: Vec<(FnId, Ty)> = Vec::new();
    for parent in all_supers(types, defs, ty) {
        let Some((def, _)) = types.nominal_parts(parent) else { continue };
        let Some(&id) = defs.types[def.index()].methods.get(&name) else { continue };
        let sig = &defs.fns[id.index()];
        if sig.is_method && !sig.is_private {
            found.push((id, parent));
        }
    }
    if found.len() > 1 {
        let above: Vec<Ty> = found.iter().flat_map(|&(_, owner)| all_supers(types, defs, owner)).collect();
        found.retain(|(_, owner)| !above.contains(owner));
    }
    found
}

/// Whether a type stands below one that a mistake hides: it may have any member, and be any interface.
pub fn is_half_known(types: &mut Types, defs: &Defs<'_>, ty: Ty) -> bool {
    match types.kind(ty) {
        TyKind::Param(param) => {
            let bounds = &defs.type_params[param.index()].bounds;
            bounds.iter().any(|&bound| bound == Ty::POISON || is_half_known(types, defs, bound))
        }
        TyKind::Nominal(..) => all_supers(types, defs, ty).contains(&Ty::POISON),
        _ => false,
    }
}

impl<'a> Checker<'a, '_> {
    /// Whether a mistake hides what stands above the type: see [`is_half_known`].
    pub(super) fn is_half_known(&mut self, ty: Ty) -> bool {
        is_half_known(self.types, self.defs, ty)
    }

    /// Checks that what others see does not speak of what they do not.
    pub(super) fn signatures(&mut self) {
        let defs = self.defs;
        for def in &defs.fns {
            let owner_private = def.owner.is_some_and(|o| defs.types[o.index()].is_private);
            if def.is_private || owner_private || defs.modules[def.module.index()].is_std {
                continue;
            }
            self.cx.module = def.module;
            let bounds = def.type_params.iter().flat_map(|p| &defs.type_params[p.index()].bounds);
            let bounds = bounds.map(|&ty| (ty, def.span));
            let all = def.params.iter().map(|p| (p.ty, p.span)).chain([(def.ret, def.span)]).chain(bounds);
            for (ty, span) in all {
                self.visible(ty, span);
            }
        }
        for def in defs.types.iter().filter(|t| !t.is_private && t.kind == TypeKind::Class) {
            if defs.modules[def.module.index()].is_std {
                continue;
            }
            self.cx.module = def.module;
            for field in def.fields.iter().filter(|f| !f.is_private) {
                self.visible(field.ty, field.span);
            }
        }
        for def in &defs.consts {
            let owner_private = def.owner.is_some_and(|o| defs.types[o.index()].is_private);
            if !def.is_private && !owner_private {
                self.cx.module = def.module;
                self.visible(def.ty, def.span);
            }
        }
        let tasks = defs.tasks.iter().filter(|t| !t.is_private).map(|t| (t.module, &t.params));
        let scenarios = defs.scenarios.iter().filter(|s| s.item.modifiers.private.is_none());
        for (module, params) in tasks.chain(scenarios.map(|s| (s.module, &s.params))) {
            self.cx.module = module;
            for param in params {
                self.visible(param.ty, param.span);
            }
        }
    }

    /// Checks the type arguments in signatures, fields and what types implement.
    pub(super) fn type_arguments(&mut self) {
        let defs = self.defs;
        for def in &defs.fns {
            // A record's constructor has the types of its components.
            let made = matches!(def.body, Body::Record(_));
            if defs.modules[def.module.index()].is_std || made {
                continue;
            }
            self.cx.module = def.module;
            for param in &def.params {
                self.arguments_fit(param.span, param.ty);
            }
            self.arguments_fit(def.span, def.ret);
        }
        for def in defs.types.iter().filter(|def| !defs.modules[def.module.index()].is_std) {
            self.cx.module = def.module;
            for field in &def.fields {
                self.arguments_fit(field.span, field.ty);
            }
            for &above in &def.supers {
                self.arguments_fit(def.span, above);
            }
        }
        for def in &defs.consts {
            self.cx.module = def.module;
            self.arguments_fit(def.span, def.ty);
        }
    }

    fn visible(&mut self, ty: Ty, span: Span) {
        if let Some(name) = self.private_in(ty) {
            let report = self
                .diagnostic(
                    codes::PRIVATE,
                    span,
                    format!("this is visible to importers, and `{name}` is private"),
                )
                .help("make both private, or neither");
            self.diagnostics.push(report);
        }
    }

    fn private_in(&self, ty: Ty) -> Option<String> {
        match self.types.kind(ty) {
            TyKind::Nominal(def, args) => {
                let decl = &self.defs.types[def.index()];
                if decl.is_private && !self.defs.modules[decl.module.index()].is_std {
                    return Some(self.interner.name(decl.name).to_string());
                }
                args.iter().find_map(|&t| self.private_in(t))
            }
            TyKind::Nullable(t) | TyKind::Fallible(t) | TyKind::Class(t) => self.private_in(*t),
            TyKind::Function(params, ret) => {
                params.iter().find_map(|&t| self.private_in(t)).or_else(|| self.private_in(*ret))
            }
            _ => None,
        }
    }

    /// Whether `upper` is among the supertypes of `lower`.
    fn is_above(&mut self, upper: TypeDefId, lower: TypeDefId) -> bool {
        let own = self.self_type(lower);
        let above = all_supers(self.types, self.defs, own);
        above.iter().any(|&t| self.types.nominal_parts(t).is_some_and(|(def, _)| def == upper))
    }

    /// Reports a circle of supertypes, through which `first` comes back to itself.
    fn extends_itself(&mut self, first: TypeDefId) {
        let decl = &self.defs.types[first.index()];
        let name = self.interner.name(decl.name);
        let mut report = self.diagnostic(codes::BAD_TYPE, decl.span, format!("`{name}` extends itself"));
        let mut at = first;
        loop {
            let supers = self.defs.types[at.index()].supers.clone();
            let next = supers.iter().find_map(|&t| {
                let (def, _) = self.types.nominal_parts(t)?;
                (def == first || self.is_above(first, def)).then_some(def)
            });
            match next {
                Some(next) if next != first && report.labels.len() < self.defs.types.len() => {
                    let decl = &self.defs.types[next.index()];
                    let file = self.file_of(decl.module);
                    let name = self.interner.name(decl.name);
                    report = report.label_in(file, decl.span, format!("by way of `{name}`"));
                    at = next;
                }
                _ => break,
            }
        }
        self.diagnostics.push(report);
    }

    /// Checks that every type has the methods its interfaces ask for.
    pub(super) fn implementations(&mut self) {
        let mut circles: Vec<Ty> = Vec::new();
        for index in 0..self.defs.types.len() {
            let id = TypeDefId(index as u32);
            let decl = &self.defs.types[index];
            self.cx.module = decl.module;
            self.overrides(id);
            let own = self.self_type(id);
            let above = all_supers(self.types, self.defs, own);
            if above.iter().any(|&t| self.types.nominal_parts(t).is_some_and(|(def, _)| def == id)) {
                // Every type of a circle is above each of them: it is told once.
                if !circles.contains(&own) {
                    self.extends_itself(id);
                    circles.extend(&above);
                }
                continue;
            }
            self.inherits_one(id, own);
            if decl.supers.is_empty() || decl.kind == TypeKind::Interface {
                continue;
            }
            for parent in above {
                self.implementation(id, own, parent);
            }
        }
    }

    /// Of a method that comes from two interfaces with a body in either, nobody could say which is meant.
    fn inherits_one(&mut self, id: TypeDefId, own: Ty) {
        let defs = self.defs;
        let decl = &defs.types[id.index()];
        if decl.supers.len() < 2 {
            return;
        }
        let mut names: Vec<Symbol> = Vec::new();
        for parent in all_supers(self.types, defs, own) {
            if let Some((def, _)) = self.types.nominal_parts(parent) {
                names.extend(defs.types[def.index()].methods.keys());
            }
        }
        names.retain(|name| !decl.methods.contains_key(name));
        names.sort();
        names.dedup();
        for name in names {
            let all = inherited(self.types, defs, own, name);
            if let [(first, a), (second, b), ..] = all[..]
                && all.iter().any(|(id, _)| !defs.fns[id.index()].is_abstract())
            {
                let (a, b) = (self.show(a), self.show(b));
                let (own, name) = (self.text(decl.name), self.text(name));
                let message = format!("`{own}` has a method `{name}` from `{a}` and one from `{b}`");
                let mut report = self.diagnostic(codes::NOT_IMPLEMENTED, decl.span, message);
                for id in [first, second] {
                    let sig = &defs.fns[id.index()];
                    let file = defs.modules[sig.module.index()].file;
                    report = report.label_in(file, sig.span, "declared here");
                }
                self.diagnostics.push(report.help("declare the method here as well: that one counts"));
            }
        }
    }

    /// Whether a method of an interface is one that every enum has: `name()` and `ordinal()`.
    pub(super) fn is_enum_member(&mut self, kind: TypeKind, method: FnId) -> bool {
        let sig = &self.defs.fns[method.index()];
        kind == TypeKind::Enum
            && sig.params.is_empty()
            && match self.text(sig.name) {
                "name" => self.is_string(sig.ret),
                "ordinal" => sig.ret == Ty::INT,
                _ => false,
            }
    }

    fn implementation(&mut self, id: TypeDefId, own: Ty, parent: Ty) {
        let defs = self.defs;
        let Some((def, args)) = self.types.nominal_parts(parent).map(|(d, a)| (d, a.to_vec())) else {
            return;
        };
        let interface = &defs.types[def.index()];
        let mut wanted: Vec<FnId> = interface.methods.values().copied().collect();
        wanted.sort();
        let mut missing = Vec::new();
        for method in wanted {
            let sig = &defs.fns[method.index()];
            if !sig.is_method || sig.is_private {
                continue;
            }
            let name = self.interner.name(sig.name);
            if name == "?" {
                continue; // nobody knows what was meant
            }
            let (found, owner) = match find_method(self.types, defs, own, sig.name) {
                Some(found) => found,
                None => continue,
            };
            let have = &defs.fns[found.index()];
            let hidden = match (have.is_method, have.is_private) {
                (false, _) => Some("static"),
                (_, true) => Some("private"),
                _ => None,
            };
            if let Some(word) = hidden.filter(|_| have.owner == Some(id)) {
                let interface_name = self.interner.name(interface.name);
                let message =
                    format!("`{name}` is {word}, and `{interface_name}` asks for a method that all see");
                let file = defs.modules[sig.module.index()].file;
                let report = self.diagnostic(codes::NOT_IMPLEMENTED, have.span, message).label_in(
                    file,
                    sig.span,
                    "declared here",
                );
                self.diagnostics.push(report);
                continue;
            }
            if have.is_abstract() {
                if sig.is_abstract() && !self.is_enum_member(defs.types[id.index()].kind, method) {
                    missing.push(name);
                }
                continue;
            }
            if found == method {
                continue;
            }
            let owner_args = self.types.nominal_parts(owner).map(|(_, a)| a.to_vec()).unwrap_or_default();
            let owner_params = self
                .types
                .nominal_parts(owner)
                .map(|(d, _)| defs.types[d.index()].type_params.clone())
                .unwrap_or_default();
            // A generic method's own parameters stand for each other by place.
            let extra = have.type_params.len().saturating_sub(owner_params.len());
            let mut from: Vec<_> = interface.type_params.clone();
            let mut to: Vec<Ty> = args.clone();
            let fits = sig.type_params.len() - interface.type_params.len() == extra
                && sig.params.len() == have.params.len();
            for (mine, theirs) in sig.type_params[interface.type_params.len()..]
                .iter()
                .zip(&have.type_params[owner_params.len().min(have.type_params.len())..])
            {
                from.push(*mine);
                to.push(self.types.intern(TyKind::Param(*theirs)));
            }
            let same =
                fits && sig.params.iter().zip(&have.params).all(|(a, b)| {
                    let a = self.types.substitute(a.ty, &from, &to);
                    let b = self.types.substitute(b.ty, &owner_params, &owner_args);
                    a == b || a == Ty::POISON || b == Ty::POISON
                }) && {
                    let a = self.types.substitute(sig.ret, &from, &to);
                    let b = self.types.substitute(have.ret, &owner_params, &owner_args);
                    // As in Java, what is returned may be more exact.
                    a == b || a != Ty::DOUBLE && self.fits(b, a)
                };
            let file = defs.modules[sig.module.index()].file;
            if !same {
                let interface_name = self.interner.name(interface.name);
                let message = format!(
                    "`{name}` does not have the parameters and result that `{interface_name}` asks for"
                );
                let report = self.diagnostic(codes::NOT_IMPLEMENTED, have.span, message).label_in(
                    file,
                    sig.span,
                    "declared here",
                );
                self.diagnostics.push(report);
            } else if have.is_lowlevel && !sig.is_lowlevel {
                let report = self
                    .diagnostic(
                        codes::EFFECT,
                        have.span,
                        format!("`{name}` reaches outside, and its interface says it does not"),
                    )
                    .label_in(file, sig.span, "declared here");
                self.diagnostics.push(report);
            }
        }
        if !missing.is_empty() && !self.is_half_known(own) {
            let decl = &defs.types[id.index()];
            let list = missing.join("`, `");
            let (name, parent) = (self.interner.name(decl.name), self.show(parent));
            let message = format!("`{name}` lacks `{list}` of `{parent}`");
            let report = self.diagnostic(codes::NOT_IMPLEMENTED, decl.span, message).label_in(
                defs.modules[interface.module.index()].file,
                interface.span,
                "asked for here",
            );
            self.diagnostics.push(report);
        }
    }

    fn overrides(&mut self, id: TypeDefId) {
        let defs = self.defs;
        let mut methods: Vec<FnId> = defs.types[id.index()].methods.values().copied().collect();
        methods.sort();
        for method in methods {
            let sig = &defs.fns[method.index()];
            // Where nothing can be overridden the annotation was refused.
            let Some(span) = sig.overrides.filter(|_| sig.is_method) else { continue };
            let own = self.self_type(id);
            let found = all_supers(self.types, defs, own).into_iter().any(|parent| {
                self.types
                    .nominal_parts(parent)
                    .is_some_and(|(def, _)| defs.types[def.index()].methods.contains_key(&sig.name))
            });
            let is_text = self.interner.name(sig.name) == "toString" && sig.params.is_empty();
            let hidden = self.is_half_known(own);
            if !found && !hidden && !is_text && !matches!(sig.body, Body::None) {
                let message =
                    format!("`{}` overrides no method of an interface", self.interner.name(sig.name));
                self.error(codes::OVERRIDE, span, message);
            }
        }
    }
}
