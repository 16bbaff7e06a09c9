//! What may stand behind a `.`: the members of a value, and those of a type.

use super::{Analysis, Entity};
use crate::check;
use crate::defs::*;
use crate::facts::EnumMember;
use crate::types::{Ty, TyKind};
use dscript_grammar::span::Symbol;
use rustc_hash::FxHashSet;

/// A member that a module may use.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    pub kind: MemberKind,
    /// The value's, or the type of the method: a function type, with type arguments put in.
    pub ty: Ty,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberKind {
    Field(TypeDefId, u32),
    Method(FnId),
    Const(ConstId),
    EnumConst(TypeDefId, u32),
    /// What every enum has.
    Enum(EnumMember),
    /// `with` of records.
    With,
}

impl MemberKind {
    pub fn entity(self) -> Option<Entity> {
        match self {
            MemberKind::Field(id, place) => Some(Entity::Field(id, place)),
            MemberKind::Method(id) => Some(Entity::Fn(id)),
            MemberKind::Const(id) => Some(Entity::Const(id)),
            MemberKind::EnumConst(id, place) => Some(Entity::EnumConst(id, place)),
            MemberKind::Enum(_) | MemberKind::With => None,
        }
    }
}

impl Analysis<'_, '_> {
    /// The declaration that holds the members of a value.
    fn member_type(&mut self, ty: Ty) -> Option<Ty> {
        match self.defs.known.simple(ty) {
            Some(id) => Some(self.types.nominal(id, &[])),
            None => self.types.nominal_parts(ty).is_some().then_some(ty),
        }
    }

    /// The members of a value of this type, as seen in a module.
    pub fn members(&mut self, ty: Ty, seen_in: ModuleId) -> Vec<Member> {
        let defs = self.defs;
        let ty = self.types.resolve(ty);
        let mut all: Vec<Ty> = match self.types.kind(ty).clone() {
            TyKind::Param(param) => defs.type_params[param.index()].bounds.clone(),
            _ => self.member_type(ty).into_iter().collect(),
        };
        for own in all.clone() {
            all.extend(check::all_supers(&mut self.types, defs, own));
        }
        let mut names: FxHashSet<Symbol> = FxHashSet::default();
        let mut found = Vec::new();
        for (depth, part) in all.into_iter().enumerate() {
            let Some((id, args)) = self.types.nominal_parts(part).map(|(d, a)| (d, a.to_vec())) else {
                continue;
            };
            let def = &defs.types[id.index()];
            for (place, field) in def.fields.iter().enumerate() {
                if (!field.is_private || def.module == seen_in) && names.insert(field.name) {
                    let ty = self.types.substitute(field.ty, &def.type_params, &args);
                    found.push(Member { kind: MemberKind::Field(id, place as u32), ty });
                }
            }
            let mut methods: Vec<FnId> = def.methods.values().copied().collect();
            methods.sort();
            for method in methods {
                let sig = &defs.fns[method.index()];
                let hidden = sig.is_private && sig.module != seen_in;
                if sig.is_method && !hidden && names.insert(sig.name) {
                    let ty = self.fn_type(method, &args);
                    found.push(Member { kind: MemberKind::Method(method), ty });
                }
            }
            if depth == 0 && def.kind == TypeKind::Record {
                found.push(Member { kind: MemberKind::With, ty: part });
            }
            if depth == 0 && def.kind == TypeKind::Enum {
                let own = EnumMember::ALL.into_iter().filter(|m| !m.is_static());
                found.extend(own.map(|m| Member { kind: MemberKind::Enum(m), ty: Ty::POISON }));
            }
        }
        found
    }

    /// The members that are reached through a type's name, as seen in a module.
    pub fn static_members(&mut self, id: TypeDefId, seen_in: ModuleId) -> Vec<Member> {
        let defs = self.defs;
        let def = &defs.types[id.index()];
        let own = self.types.nominal(id, &[]);
        let mut found = Vec::new();
        for place in 0..def.constants.len() {
            found.push(Member { kind: MemberKind::EnumConst(id, place as u32), ty: own });
        }
        let mut consts: Vec<ConstId> = def.consts.values().copied().collect();
        consts.sort();
        for id in consts {
            let sig = &defs.consts[id.index()];
            if !sig.is_private || sig.module == seen_in {
                found.push(Member { kind: MemberKind::Const(id), ty: sig.ty });
            }
        }
        let mut methods: Vec<FnId> = def.methods.values().copied().collect();
        methods.sort();
        for method in methods {
            let sig = &defs.fns[method.index()];
            if !sig.is_method && (!sig.is_private || sig.module == seen_in) {
                let ty = self.fn_type(method, &[]);
                found.push(Member { kind: MemberKind::Method(method), ty });
            }
        }
        if def.kind == TypeKind::Enum {
            let own = EnumMember::ALL.into_iter().filter(|m| m.is_static());
            found.extend(own.map(|m| Member { kind: MemberKind::Enum(m), ty: Ty::POISON }));
        }
        found
    }

    /// A function's type, with the type arguments of its owner.
    pub fn fn_type(&mut self, id: FnId, owner_args: &[Ty]) -> Ty {
        let def = &self.defs.fns[id.index()];
        let params: Vec<Ty> = def.params.iter().map(|p| p.ty).collect();
        let ty = self.types.function(&params, def.ret);
        let owned = def.owner.map_or(0, |o| self.defs.types[o.index()].type_params.len());
        let known = owned.min(owner_args.len());
        self.types.substitute(ty, &def.type_params[..known], &owner_args[..known])
    }
}
