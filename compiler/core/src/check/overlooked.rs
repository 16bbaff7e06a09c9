//! What a generic body drops. A type parameter may stand for a `T!`: then a value of it that nobody looks at is a
//! failure that is overlooked. The body is checked once and says where that would be; lowering, which knows the type
//! arguments, reports the calls for which it is so.

use super::{Checker, Local};
use crate::types::{Ty, TyKind};
use dscript_grammar::span::Span;

impl Checker<'_, '_> {
    /// Whether a value of the type is a failure perhaps: a `T!`, or of a type parameter.
    pub(super) fn may_be_failure(&self, ty: Ty) -> bool {
        self.types.fallible_inner(ty).is_some() || self.is_parameter(ty)
    }

    /// Whether a type is a type parameter, or a `?` of one.
    fn is_parameter(&self, ty: Ty) -> bool {
        let ty = self.types.nullable_inner(ty).unwrap_or(ty);
        matches!(self.types.kind(ty), TyKind::Param(_))
    }

    /// Whether a type parameter occurs in the type.
    fn is_generic(&self, ty: Ty) -> bool {
        match self.types.kind(ty) {
            TyKind::Param(_) => true,
            TyKind::Nullable(t) | TyKind::Fallible(t) | TyKind::Class(t) => self.is_generic(*t),
            TyKind::Nominal(_, args) => args.iter().any(|&t| self.is_generic(t)),
            _ => false,
        }
    }

    /// A value of the type is dropped here. Of one that is a failure for certain it is said at once.
    pub(super) fn overlooks(&mut self, ty: Ty, at: Span) {
        if self.cx.function.is_some() {
            let ty = self.types.resolve(ty);
            if self.is_generic(ty) {
                self.cx.overlooked.push((ty, at));
            }
        }
    }

    /// As `overlooks`, of what a local holds; tells whether that is all there is to say of it.
    pub(super) fn overlooks_local(&mut self, local: &Local, at: Span) -> bool {
        let ty = self.types.resolve(local.ty);
        let only_parameter = self.is_parameter(ty);
        if only_parameter {
            self.overlooks(ty, at);
        }
        only_parameter
    }

    /// Keeps what the body of the function drops.
    pub(super) fn keep_overlooked(&mut self) {
        let overlooked = std::mem::take(&mut self.cx.overlooked);
        if let Some(function) = self.cx.function.filter(|_| !overlooked.is_empty()) {
            self.facts().overlooked.insert(function, overlooked);
        }
    }
}
