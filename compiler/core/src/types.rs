//! Types as the checker sees them: interned, compared by id.

use crate::defs::{TypeDefId, TypeParamId};
use rustc_hash::FxHashMap;

/// An interned type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ty(pub u32);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TyKind {
    /// A mistake was reported here; fits everything.
    Poison,
    /// The type of an expression that never yields a value (`fail` in an arm).
    Never,
    Void,
    /// The type of `null` alone.
    Null,
    Int,
    Double,
    Bool,
    Duration,
    Time,
    /// A declared type with its arguments; `String`, `List`, `Subprocess` are declared in std.
    Nominal(TypeDefId, Box<[Ty]>),
    Nullable(Ty),
    Fallible(Ty),
    Function(Box<[Ty]>, Ty),
    Param(TypeParamId),
    /// Found by inference; see `Types::resolve`.
    Infer(u32),
    /// `T.class`
    Class(Ty),
    /// `a..b`, in for-each only.
    Range,
    /// What the constants of an enum with fields hold; only lowering makes it.
    EnumData(TypeDefId),
}

impl Ty {
    pub const POISON: Ty = Ty(0);
    pub const NEVER: Ty = Ty(1);
    pub const VOID: Ty = Ty(2);
    pub const NULL: Ty = Ty(3);
    pub const INT: Ty = Ty(4);
    pub const DOUBLE: Ty = Ty(5);
    pub const BOOL: Ty = Ty(6);
    pub const DURATION: Ty = Ty(7);
    pub const TIME: Ty = Ty(8);
    pub const RANGE: Ty = Ty(9);
}

/// All types of a compilation, and what inference has found.
pub struct Types {
    kinds: Vec<TyKind>,
    ids: FxHashMap<TyKind, Ty>,
    inferred: Vec<Option<Ty>>,
    /// Whether any inference variable occurs in the type.
    open: Vec<bool>,
    /// How many types the type is made of, itself included.
    sizes: Vec<u32>,
}

impl Default for Types {
    fn default() -> Self {
        let mut types =
            Self { kinds: vec![], ids: FxHashMap::default(), inferred: vec![], open: vec![], sizes: vec![] };
        let fixed = [
            TyKind::Poison,
            TyKind::Never,
            TyKind::Void,
            TyKind::Null,
            TyKind::Int,
            TyKind::Double,
            TyKind::Bool,
            TyKind::Duration,
            TyKind::Time,
            TyKind::Range,
        ];
        for kind in fixed {
            types.intern(kind);
        }
        types
    }
}

impl Types {
    pub fn intern(&mut self, kind: TyKind) -> Ty {
        if let Some(&ty) = self.ids.get(&kind) {
            return ty;
        }
        let open = match &kind {
            TyKind::Infer(_) => true,
            TyKind::Nominal(_, args) => args.iter().any(|t| self.open[t.0 as usize]),
            TyKind::Nullable(t) | TyKind::Fallible(t) | TyKind::Class(t) => self.open[t.0 as usize],
            TyKind::Function(ps, r) => self.open[r.0 as usize] || ps.iter().any(|t| self.open[t.0 as usize]),
            _ => false,
        };
        let sum = |parts: &[Ty]| parts.iter().fold(1u32, |n, t| n.saturating_add(self.sizes[t.0 as usize]));
        let size = match &kind {
            TyKind::Nominal(_, args) => sum(args),
            TyKind::Function(params, ret) => sum(params).saturating_add(self.sizes[ret.0 as usize]),
            TyKind::Nullable(t) | TyKind::Fallible(t) | TyKind::Class(t) => self.sizes[t.0 as usize],
            _ => 1,
        };
        let ty = Ty(self.kinds.len() as u32);
        self.kinds.push(kind.clone());
        self.open.push(open);
        self.sizes.push(size);
        self.ids.insert(kind, ty);
        ty
    }

    pub fn kind(&self, ty: Ty) -> &TyKind {
        &self.kinds[ty.0 as usize]
    }

    pub fn nominal(&mut self, def: TypeDefId, args: &[Ty]) -> Ty {
        self.intern(TyKind::Nominal(def, args.into()))
    }

    /// `T?`; once is enough.
    pub fn nullable(&mut self, ty: Ty) -> Ty {
        match self.kind(ty) {
            TyKind::Nullable(_) | TyKind::Null | TyKind::Poison => ty,
            // Of a `T!` that may be missing: null or an error, `T?!`.
            TyKind::Fallible(inner) => {
                let inner = *inner;
                let inner = self.nullable(inner);
                self.fallible(inner)
            }
            _ => self.intern(TyKind::Nullable(ty)),
        }
    }

    pub fn fallible(&mut self, ty: Ty) -> Ty {
        match self.kind(ty) {
            TyKind::Fallible(_) | TyKind::Poison => ty,
            _ => self.intern(TyKind::Fallible(ty)),
        }
    }

    pub fn function(&mut self, params: &[Ty], ret: Ty) -> Ty {
        self.intern(TyKind::Function(params.into(), ret))
    }

    pub fn fresh(&mut self) -> Ty {
        let id = self.inferred.len() as u32;
        self.inferred.push(None);
        self.intern(TyKind::Infer(id))
    }

    /// What inference has found for a variable.
    pub fn inferred(&self, var: u32) -> Option<Ty> {
        self.inferred[var as usize]
    }

    /// Gives up on what is open in a resolved type: it becomes `Poison`. Whether there was any.
    pub fn close(&mut self, ty: Ty) -> bool {
        if !self.open[ty.0 as usize] {
            return false;
        }
        if let TyKind::Infer(var) = self.kind(ty) {
            let var = *var;
            self.set_inferred(var, Ty::POISON);
        } else {
            self.map(ty, &mut |types, t| {
                types.close(t);
                t
            });
        }
        true
    }

    /// Records what a variable stands for. A type that holds the variable itself is none.
    pub fn set_inferred(&mut self, var: u32, ty: Ty) {
        let ty = self.resolve(ty);
        if *self.kind(ty) == TyKind::Infer(var) {
            return;
        }
        let found = if self.holds(ty, var) { Ty::POISON } else { ty };
        self.inferred[var as usize] = Some(found);
    }

    fn holds(&self, ty: Ty, var: u32) -> bool {
        self.open[ty.0 as usize]
            && match self.kind(ty) {
                TyKind::Infer(other) => *other == var,
                TyKind::Nominal(_, args) => args.iter().any(|&t| self.holds(t, var)),
                TyKind::Nullable(t) | TyKind::Fallible(t) | TyKind::Class(t) => self.holds(*t, var),
                TyKind::Function(params, ret) => {
                    self.holds(*ret, var) || params.iter().any(|&t| self.holds(t, var))
                }
                _ => false,
            }
    }

    /// The type with everything inference has found put in.
    pub fn resolve(&mut self, ty: Ty) -> Ty {
        if !self.open[ty.0 as usize] {
            return ty;
        }
        match self.kind(ty).clone() {
            TyKind::Infer(var) => match self.inferred[var as usize] {
                Some(found) => self.resolve(found),
                None => ty,
            },
            _ => self.map(ty, &mut |types, t| types.resolve(t)),
        }
    }

    /// What an inference variable stands for, at the top.
    pub fn resolved(&self, ty: Ty) -> Ty {
        match self.kind(ty) {
            TyKind::Infer(var) => self.inferred[*var as usize].map_or(ty, |found| self.resolved(found)),
            _ => ty,
        }
    }

    pub fn is_open(&mut self, ty: Ty) -> bool {
        let ty = self.resolve(ty);
        self.open[ty.0 as usize]
    }

    /// Rebuilds a type with `f` applied to its direct parts.
    pub fn map(&mut self, ty: Ty, f: &mut dyn FnMut(&mut Types, Ty) -> Ty) -> Ty {
        match self.kind(ty).clone() {
            TyKind::Nominal(def, args) if !args.is_empty() => {
                let args: Vec<Ty> = args.iter().map(|&t| f(self, t)).collect();
                self.nominal(def, &args)
            }
            TyKind::Nullable(t) => {
                let t = f(self, t);
                self.nullable(t)
            }
            TyKind::Fallible(t) => {
                let t = f(self, t);
                self.fallible(t)
            }
            TyKind::Class(t) => {
                let t = f(self, t);
                self.intern(TyKind::Class(t))
            }
            TyKind::Function(params, ret) => {
                let params: Vec<Ty> = params.iter().map(|&t| f(self, t)).collect();
                let ret = f(self, ret);
                self.function(&params, ret)
            }
            _ => ty,
        }
    }

    /// Puts `args` in the place of the type parameters `params`.
    pub fn substitute(&mut self, ty: Ty, params: &[TypeParamId], args: &[Ty]) -> Ty {
        if params.is_empty() {
            return ty;
        }
        match self.kind(ty) {
            TyKind::Param(id) => match params.iter().position(|p| p == id) {
                Some(i) => args.get(i).copied().unwrap_or(Ty::POISON),
                None => ty,
            },
            TyKind::Infer(_) => {
                let found = self.resolve(ty);
                if found == ty { ty } else { self.substitute(found, params, args) }
            }
            _ => self.map(ty, &mut |types, t| types.substitute(t, params, args)),
        }
    }

    /// How many types the type is made of, itself included.
    pub fn size(&self, ty: Ty) -> u32 {
        self.sizes[ty.0 as usize]
    }

    /// `T` of `T?`.
    pub fn nullable_inner(&self, ty: Ty) -> Option<Ty> {
        match self.kind(ty) {
            TyKind::Nullable(t) => Some(*t),
            _ => None,
        }
    }

    /// `T` of `T!`.
    pub fn fallible_inner(&self, ty: Ty) -> Option<Ty> {
        match self.kind(ty) {
            TyKind::Fallible(t) => Some(*t),
            _ => None,
        }
    }

    pub fn nominal_parts(&self, ty: Ty) -> Option<(TypeDefId, &[Ty])> {
        match self.kind(ty) {
            TyKind::Nominal(def, args) => Some((*def, args)),
            _ => None,
        }
    }
}
