//! What a piece of text would mean at a place: for members and arguments in code that is half written, where the tree
//! has no node for it.

use super::scope::CalleeKind;
use super::{Analysis, Callee};
use crate::check::Checker;
use crate::check::scratch::Place;
use crate::defs::{ModuleId, TypeDefId};
use crate::facts::{Facts, Res, Target};
use crate::types::{Ty, TyKind};
use dscript_grammar::ast::{ExprKind, Ident, StmtKind};
use dscript_grammar::parse;
use dscript_grammar::span::{NodeId, Span};

/// What a receiver is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    Value(Ty),
    /// The name of a type.
    Type(TypeDefId),
}

impl Analysis<'_, '_> {
    /// What an expression, given as text, is at a place.
    pub fn receiver_of_text(&mut self, module: ModuleId, offset: u32, text: &str) -> Option<Receiver> {
        self.scratch(module, offset, text, |analysis, ty, facts, expr| {
            if let Some(Res::Type(id)) = facts.res.get(expr.0 as usize) {
                return Some(Receiver::Type(*id));
            }
            let ty = analysis.types.resolve(ty);
            (ty != Ty::POISON && ty != Ty::VOID).then_some(Receiver::Value(ty))
        })
    }

    /// What would be called by the text in front of parentheses, at a place.
    pub fn callee_of_text(&mut self, module: ModuleId, offset: u32, text: &str) -> Option<Callee> {
        let call = format!("{text}()");
        self.scratch(module, offset, &call, |analysis, _, facts, expr| {
            let defs = analysis.defs;
            let target = facts.calls.get(&expr).map(|f| f.target.clone());
            let id = match target {
                Some(Target::Fn(id) | Target::Method(id) | Target::Intrinsic(_, id)) => Some(id),
                _ => facts.meant.get(&expr).copied(),
            }?;
            let params = defs.fns[id.index()].params.iter().map(|p| p.ty).collect();
            let what = CalleeKind::Fn(id);
            Some(Callee { what, params, named: Vec::new(), active: 0, active_name: None })
        })
    }

    fn scratch<R>(
        &mut self,
        module: ModuleId,
        offset: u32,
        text: &str,
        found: impl FnOnce(&mut Self, Ty, &Facts, NodeId) -> Option<R>,
    ) -> Option<R> {
        self.look_within(module, Span::new(offset, offset));
        // Names of the text are names of the module's text: they are known.
        let mut interner = self.interner.clone();
        let file = self.defs.modules[module.index()].file;
        let parsed = parse(file, &format!("var x = {text};"), &mut interner);
        let StmtKind::Local(local) = &parsed.module.script.first()?.kind else { return None };
        let expr = local.vars.first()?.init.as_ref()?;
        if matches!(expr.kind, ExprKind::Error) || interner.len() != self.interner.len() {
            return None;
        }
        let visible = self.visible(module, offset);
        let mut locals = Vec::new();
        for (count, known) in visible.into_iter().filter(|v| v.distance == 0).enumerate() {
            let ty = match self.entity_type(known.entity) {
                Some(ty) => self.types.resolve(ty),
                None => continue,
            };
            let name = Ident { name: known.name, span: Span::default() };
            // Their ids are beyond those of the text.
            locals.push((NodeId(parsed.module.node_count + count as u32), name, self.plain(ty)));
        }
        let owner = self.owner_at(module, offset);
        let mut facts = Vec::new();
        facts.resize_with(self.defs.modules.len(), Facts::default);
        facts[module.index()] = Facts::new(parsed.module.node_count);
        let mut diagnostics = Vec::new();
        let looked_at = vec![true; self.defs.fns.len()];
        let known = (facts, looked_at);
        let (interner, map, sources) = (self.interner, self.map, self.sources);
        let mut checker =
            Checker::new(self.defs, &mut self.types, interner, map, &mut diagnostics, sources, known);
        let ty = checker.expression_at(&Place { module, owner, locals: &locals }, expr);
        let facts = std::mem::take(&mut checker.facts[module.index()]);
        drop(checker);
        found(self, ty, &facts, expr.id)
    }

    /// A type without `?` and `!`: what a value is once it was looked at.
    pub fn plain(&mut self, ty: Ty) -> Ty {
        let ty = self.types.resolve(ty);
        match self.types.kind(ty) {
            TyKind::Nullable(inner) | TyKind::Fallible(inner) => {
                let inner = *inner;
                self.plain(inner)
            }
            _ => ty,
        }
    }
}
