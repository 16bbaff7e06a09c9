//! An expression that stands in no body: what an editor asks about text that cannot be read as it is.

use super::{Checker, Context, Ending};
use crate::defs::{ModuleId, TypeDefId};
use crate::types::Ty;
use dscript_grammar::ast::{Expr, Ident};
use dscript_grammar::span::NodeId;

/// Where the expression is to be understood.
pub struct Place<'l> {
    pub module: ModuleId,
    /// The type around it, and whether there is a `this`.
    pub owner: Option<(TypeDefId, bool)>,
    pub locals: &'l [(NodeId, Ident, Ty)],
}

impl<'a> Checker<'a, '_> {
    /// The type that an expression has at a place, where every effect is allowed and every failure may go on.
    pub fn expression_at(&mut self, place: &Place<'_>, expr: &'a Expr) -> Ty {
        let failing = self.types.fallible(Ty::BOOL);
        self.cx = Context {
            module: place.module,
            owner: place.owner.map(|o| o.0),
            ending: Ending::Returns(failing),
            effects: true,
            is_task: true,
            is_test: true,
            ..Context::default()
        };
        if let Some((owner, true)) = place.owner {
            self.cx.this = Some(self.self_type(owner));
        }
        self.cx.scopes.push(0);
        for &(node, name, ty) in place.locals {
            self.bind(node, name, ty);
        }
        // Whether it names a type is found out as for the receiver of a member.
        if self.type_receiver(expr).is_some() {
            return Ty::VOID;
        }
        let ty = self.expr(expr, None);
        self.types.resolve(ty)
    }
}
