//! What operators mean for which types, and which type fits where another is wanted.

use super::Checker;
use crate::defs::{Defs, TypeDefId, TypeKind, TypeParamId};
use crate::types::{Ty, TyKind, Types};
use dscript_grammar::ast::BinaryOp;
use std::cell::Cell;

/// The type of `left op right`; `None` where the operator does not fit.
pub fn binary_type(types: &Types, defs: &Defs<'_>, op: BinaryOp, left: Ty, right: Ty) -> Option<Ty> {
    use BinaryOp::*;
    if left == Ty::POISON || right == Ty::POISON {
        return Some(if matches!(op, And | Or | Eq | Ne | Lt | Le | Gt | Ge) {
            Ty::BOOL
        } else {
            Ty::POISON
        });
    }
    let is_string = |ty: Ty| {
        defs.known.string.is_some() && types.nominal_parts(ty).map(|(def, _)| def) == defs.known.string
    };
    let numbers = matches!(left, Ty::INT | Ty::DOUBLE) && matches!(right, Ty::INT | Ty::DOUBLE);
    let number = if left == Ty::INT && right == Ty::INT { Ty::INT } else { Ty::DOUBLE };
    match op {
        Add if is_string(left) && has_text(types, defs, right) => Some(left),
        Add if is_string(right) && has_text(types, defs, left) => Some(right),
        Add | Sub | Mul | Div | Rem if numbers => Some(number),
        Add | Sub if left == Ty::DURATION && right == Ty::DURATION => Some(Ty::DURATION),
        Add | Sub if left == Ty::TIME && right == Ty::DURATION => Some(Ty::TIME),
        Sub if left == Ty::TIME && right == Ty::TIME => Some(Ty::DURATION),
        Mul | Div if left == Ty::DURATION && right == Ty::INT => Some(Ty::DURATION),
        Div if left == Ty::DURATION && right == Ty::DURATION => Some(Ty::INT),
        Shl | Shr | UShr if left == Ty::INT && right == Ty::INT => Some(Ty::INT),
        BitAnd | BitOr | BitXor if left == right && matches!(left, Ty::INT | Ty::BOOL) => Some(left),
        And | Or if left == Ty::BOOL && right == Ty::BOOL => Some(Ty::BOOL),
        Lt | Le | Gt | Ge if numbers => Some(Ty::BOOL),
        Lt | Le | Gt | Ge if left == right && matches!(left, Ty::DURATION | Ty::TIME) => Some(Ty::BOOL),
        Eq | Ne if equality(types, defs, left, right) => Some(Ty::BOOL),
        _ => None,
    }
}

/// Whether two values may be compared by `==`.
fn equality(types: &Types, defs: &Defs<'_>, left: Ty, right: Ty) -> bool {
    let plain = |ty: Ty| types.nullable_inner(ty).unwrap_or(ty);
    if left == Ty::NULL || right == Ty::NULL {
        let other = if left == Ty::NULL { right } else { left };
        return other == Ty::NULL || types.nullable_inner(other).is_some();
    }
    let (left, right) = (plain(left), plain(right));
    if matches!((left, right), (Ty::INT | Ty::DOUBLE, Ty::INT | Ty::DOUBLE)) {
        return true;
    }
    left == right && has_equality(types, defs, left)
}

/// Whether values of the type can be compared at all.
pub fn has_equality(types: &Types, defs: &Defs<'_>, ty: Ty) -> bool {
    Parts::new(types, defs).all(ty, None, &|ty, kind| match kind {
        _ if types.nullable_inner(ty).is_some() => Some(Inner::Args),
        Some(TypeKind::Record) => Some(Inner::Fields),
        Some(_) if is_collection(types, defs, ty) => Some(Inner::Args),
        Some(_) => Some(Inner::None),
        None => {
            matches!(ty, Ty::INT | Ty::DOUBLE | Ty::BOOL | Ty::DURATION | Ty::TIME).then_some(Inner::None)
        }
    })
}

/// Whether values of the type may be keys of maps and elements of sets.
pub fn is_key(types: &Types, defs: &Defs<'_>, ty: Ty) -> bool {
    let known = &defs.known;
    Parts::new(types, defs).all(ty, None, &|ty, kind| match kind {
        Some(TypeKind::Record) => Some(Inner::Fields),
        Some(TypeKind::Enum) => Some(Inner::None),
        Some(_) => {
            let def = types.nominal_parts(ty).map(|(def, _)| def);
            (def == known.string || def == known.bytes).then_some(Inner::None)
        }
        None => matches!(ty, Ty::INT | Ty::BOOL | Ty::DURATION | Ty::TIME).then_some(Inner::None),
    })
}

/// Whether `print`, `${}` and `+` can show a value of the type. What is null in a list or a record is shown as such.
pub fn has_text(types: &Types, defs: &Defs<'_>, ty: Ty) -> bool {
    types.nullable_inner(ty).is_none()
        && Parts::new(types, defs).all(ty, None, &|ty, kind| match kind {
            _ if types.nullable_inner(ty).is_some() => Some(Inner::Args),
            Some(TypeKind::Record) if shows_itself(types, defs, ty) => Some(Inner::None),
            Some(TypeKind::Record) => Some(Inner::Fields),
            Some(_) if is_collection(types, defs, ty) => Some(Inner::Args),
            Some(_) => Some(Inner::None),
            None => {
                matches!(ty, Ty::INT | Ty::DOUBLE | Ty::BOOL | Ty::DURATION | Ty::TIME).then_some(Inner::None)
            }
        })
}

/// What in a type keeps its values from being read, as JSON or from records of a log pool; none where all can be.
pub fn unreadable(types: &Types, defs: &Defs<'_>, ty: Ty) -> Option<Ty> {
    let found = Cell::new(None);
    Parts::new(types, defs).all(ty, None, &|ty, kind| {
        let part = match kind {
            _ if types.nullable_inner(ty).is_some() => Some(Inner::Args),
            Some(TypeKind::Record) => Some(Inner::Fields),
            Some(TypeKind::Enum) => Some(Inner::None),
            Some(_) if is_collection(types, defs, ty) => Some(Inner::Args),
            Some(_) => {
                let def = types.nominal_parts(ty).map(|(def, _)| def);
                (def == defs.known.string || def == defs.known.bytes).then_some(Inner::None)
            }
            None => {
                matches!(ty, Ty::INT | Ty::DOUBLE | Ty::BOOL | Ty::DURATION | Ty::TIME).then_some(Inner::None)
            }
        };
        if part.is_none() {
            found.set(Some(ty));
        }
        part
    });
    found.get()
}

/// Whether values of the type hold failures, or Subprocesses, that somebody has to look at.
pub fn holds_failures(types: &Types, defs: &Defs<'_>, ty: Ty) -> bool {
    !Parts::new(types, defs).all(ty, None, &|ty, kind| match kind {
        _ if types.nullable_inner(ty).is_some() => Some(Inner::Args),
        _ if types.fallible_inner(ty).is_some() => None,
        Some(TypeKind::Record) => Some(Inner::Fields),
        Some(_) if is_collection(types, defs, ty) => Some(Inner::Args),
        Some(TypeKind::Native) => {
            let is_subprocess = types.nominal_parts(ty).map(|(def, _)| def) == defs.known.subprocess;
            (!is_subprocess).then_some(Inner::None)
        }
        _ => Some(Inner::None),
    })
}

fn is_collection(types: &Types, defs: &Defs<'_>, ty: Ty) -> bool {
    let def = types.nominal_parts(ty).map(|(def, _)| def);
    def.is_some() && [defs.known.list, defs.known.set, defs.known.map].contains(&def)
}

fn shows_itself(types: &Types, defs: &Defs<'_>, ty: Ty) -> bool {
    types.nominal_parts(ty).is_some_and(|(def, _)| defs.own_text(def).is_some())
}

/// Which parts of a type count as well.
enum Inner {
    None,
    /// Its type arguments, or what it is a `?` of.
    Args,
    /// A record's components.
    Fields,
}

/// The type parameters of a type, and what stands for them.
struct Env<'e> {
    params: &'e [TypeParamId],
    args: &'e [Ty],
    outer: Option<&'e Env<'e>>,
}

/// A walk through a type and what values of it are made of.
struct Parts<'p, 'a> {
    types: &'p Types,
    defs: &'p Defs<'a>,
    /// Records that are being walked: they may hold themselves.
    around: Vec<TypeDefId>,
}

impl<'p, 'a> Parts<'p, 'a> {
    fn new(types: &'p Types, defs: &'p Defs<'a>) -> Self {
        Self { types, defs, around: Vec::new() }
    }

    /// Whether `good` says of the type and of all its parts which of their parts count; it is given the kind of declared
    /// types. What is not known yet is taken to be good.
    fn all(
        &mut self,
        ty: Ty,
        env: Option<&Env<'_>>,
        good: &dyn Fn(Ty, Option<TypeKind>) -> Option<Inner>,
    ) -> bool {
        match self.types.kind(ty) {
            TyKind::Poison | TyKind::Infer(_) => true,
            TyKind::Param(param) => {
                let Some(env) = env else { return true };
                match env.params.iter().position(|p| p == param) {
                    Some(place) => self.all(env.args[place], env.outer, good),
                    None => true,
                }
            }
            TyKind::Nullable(inner) => good(ty, None).is_some() && self.all(*inner, env, good),
            TyKind::Nominal(id, args) => {
                let def = &self.defs.types[id.index()];
                match good(ty, Some(def.kind)) {
                    None => false,
                    Some(Inner::None) => true,
                    Some(Inner::Args) => args.iter().all(|&arg| self.all(arg, env, good)),
                    Some(Inner::Fields) if self.around.contains(id) => true,
                    Some(Inner::Fields) => {
                        self.around.push(*id);
                        let env = Env { params: &def.type_params, args, outer: env };
                        let all = def.fields.iter().all(|field| self.all(field.ty, Some(&env), good));
                        self.around.pop();
                        all
                    }
                }
            }
            _ => good(ty, None).is_some(),
        }
    }
}

impl Checker<'_, '_> {
    /// Whether a value of type `from` may stand where a `to` is wanted.
    pub(super) fn fits(&mut self, from: Ty, to: Ty) -> bool {
        let (from, to) = (self.types.resolve(from), self.types.resolve(to));
        if from == Ty::POISON || to == Ty::POISON {
            // What a mistake would have told is not asked for again.
            self.close(&[from, to]);
            return true;
        }
        if from == to || from == Ty::NEVER {
            return true;
        }
        let known_error = self.error_type();
        match (self.types.kind(from).clone(), self.types.kind(to).clone()) {
            (TyKind::Int, TyKind::Double) => true,
            (TyKind::Null, TyKind::Nullable(_)) => true,
            (TyKind::Fallible(a), TyKind::Fallible(b)) => {
                self.fits(a, b) && {
                    let (a, b) = (self.types.resolve(a), self.types.resolve(b));
                    same_registers(self.types, a, b)
                }
            }
            (_, TyKind::Fallible(inner)) => from == known_error || self.fits(from, inner),
            (TyKind::Nullable(a), TyKind::Nullable(b)) => self.fits(a, b),
            (_, TyKind::Nullable(inner)) => self.fits(from, inner),
            (TyKind::Infer(var), _) => {
                self.types.set_inferred(var, to);
                true
            }
            (_, TyKind::Infer(var)) => {
                self.types.set_inferred(var, from);
                true
            }
            (TyKind::Nominal(a, xs), TyKind::Nominal(b, ys)) => {
                if a == b {
                    return xs.iter().zip(ys.iter()).all(|(&x, &y)| self.same(x, y));
                }
                match self.as_super(from, b) {
                    Some(found) => self.same(found, to),
                    None => self.is_half_known(from) && self.is_interface(b),
                }
            }
            (TyKind::Param(param), TyKind::Nominal(b, _)) => {
                let bounds = self.defs.type_params[param.index()].bounds.clone();
                self.is_half_known(from) && self.is_interface(b)
                    || bounds.into_iter().any(|bound| match self.as_super(bound, b) {
                        Some(found) => self.same(found, to),
                        None => false,
                    })
            }
            (TyKind::Function(ps, r), TyKind::Function(qs, s)) => {
                // A function that takes more and gives less will do.
                ps.len() == qs.len()
                    && ps.iter().zip(qs.iter()).all(|(&p, &q)| self.fits(q, p))
                    && self.fits(r, s)
            }
            (TyKind::Class(a), TyKind::Class(b)) => self.same(a, b),
            _ => false,
        }
    }

    fn is_interface(&self, def: TypeDefId) -> bool {
        self.defs.types[def.index()].kind == TypeKind::Interface
    }

    /// A type seen as one of the interfaces above it, or as itself.
    pub(super) fn as_super(&mut self, ty: Ty, wanted: TypeDefId) -> Option<Ty> {
        super::members::as_super(self.types, self.defs, ty, wanted)
    }

    /// Whether two types are one, once what is open is inferred.
    pub(super) fn same(&mut self, a: Ty, b: Ty) -> bool {
        let (a, b) = (self.types.resolve(a), self.types.resolve(b));
        if a == Ty::POISON || b == Ty::POISON {
            self.close(&[a, b]);
            return true;
        }
        if a == b {
            return true;
        }
        match (self.types.kind(a).clone(), self.types.kind(b).clone()) {
            (TyKind::Infer(var), _) => {
                self.types.set_inferred(var, b);
                true
            }
            (_, TyKind::Infer(var)) => {
                self.types.set_inferred(var, a);
                true
            }
            (TyKind::Nominal(d, xs), TyKind::Nominal(e, ys)) => {
                d == e && xs.len() == ys.len() && xs.iter().zip(ys.iter()).all(|(&x, &y)| self.same(x, y))
            }
            (TyKind::Nullable(x), TyKind::Nullable(y)) | (TyKind::Fallible(x), TyKind::Fallible(y)) => {
                self.same(x, y)
            }
            (TyKind::Function(ps, r), TyKind::Function(qs, s)) => {
                ps.len() == qs.len()
                    && ps.iter().zip(qs.iter()).all(|(&p, &q)| self.same(p, q))
                    && self.same(r, s)
            }
            _ => false,
        }
    }

    /// The type that values of both types have, for lists, `?:` and `??`.
    pub(super) fn join(&mut self, a: Ty, b: Ty) -> Option<Ty> {
        let (a, b) = (self.types.resolve(a), self.types.resolve(b));
        if a == b || b == Ty::NEVER || a != Ty::NEVER && b == Ty::POISON {
            return Some(a);
        }
        if a == Ty::NEVER || a == Ty::POISON {
            return Some(b);
        }
        if matches!((a, b), (Ty::INT | Ty::DOUBLE, Ty::INT | Ty::DOUBLE)) {
            return Some(Ty::DOUBLE);
        }
        if a == Ty::NULL {
            return (b != Ty::VOID && self.types.fallible_inner(b).is_none()).then(|| self.types.nullable(b));
        }
        if b == Ty::NULL {
            return self.join(b, a);
        }
        if let (Some(x), y) = (self.types.nullable_inner(a), self.types.nullable_inner(b).unwrap_or(b)) {
            let joined = self.join(x, y)?;
            return Some(self.types.nullable(joined));
        }
        if self.types.nullable_inner(b).is_some() {
            return self.join(b, a);
        }
        if self.fits(a, b) {
            return Some(b);
        }
        if self.fits(b, a) {
            return Some(a);
        }
        None
    }
}

/// Whether a `T!` of one is held as a `T!` of the other: conversions inside it would need its value.
fn same_registers(types: &Types, a: Ty, b: Ty) -> bool {
    let scalar = |ty: Ty| matches!(ty, Ty::INT | Ty::DOUBLE | Ty::BOOL | Ty::DURATION | Ty::TIME);
    a == b
        || !(scalar(a) || scalar(b))
        || a == Ty::INT && b == Ty::DOUBLE
        || types.nullable_inner(b).is_some()
}
