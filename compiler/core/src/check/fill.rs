//! `new List<T>(size, fill)`: its places hold the same object, which is seen where that object can change.

use super::Checker;
use super::stmt::strip;
use crate::defs::TypeKind;
use dscript_grammar::ast::{Arg, Expr, ExprKind};
use dscript_grammar::codes;
use dscript_grammar::diagnostic::Diagnostic;
use dscript_grammar::span::Symbol;
use dscript_grammar::walk::Node;

/// What the lambda's parameter may be called: the first that is no local.
const NAMES: [&str; 4] = ["i", "at", "index", "place"];

impl Checker<'_, '_> {
    /// Warns where the one object that fills a list is made on the spot and can change; the call was looked at before.
    pub(super) fn shared_fill(&mut self, call: &Expr, args: &[Arg]) {
        let [size, fill] = args else { return };
        let (size, fill) = (strip(&size.value), strip(&fill.value));
        if matches!(size.kind, ExprKind::Int(0 | 1)) || !self.makes_what_changes(fill) {
            return;
        }
        let message = "every place of the list holds this one object";
        let mut report = Diagnostic::warning(codes::SHARED_FILL, self.file(), fill.span, message)
            .help("make one for each place, as in `new List<int>(n, 0).map(i -> ...)`, or name the one that is meant");
        let is_free =
            |name: &&str| self.interner.get(name).is_none_or(|name| self.local_index(name).is_none());
        // Of what a literal is to hold less is known in a lambda, and locals that change are not captured.
        if matches!(fill.kind, ExprKind::New { .. })
            && !self.names_locals(fill)
            && let Some(name) = NAMES.into_iter().find(is_free)
        {
            let (size, fill) = (self.written(size.span), self.written(fill.span));
            report = report.edit(call.span, format!("new List<int>({size}, 0).map({name} -> {fill})"));
        }
        self.diagnostics.push(report);
    }

    fn names_locals(&self, expr: &Expr) -> bool {
        let is_local = |name: Symbol| self.local_index(name).is_some();
        let mut found = false;
        Node::Expr(expr).each(&mut |node| {
            found |= matches!(node, Node::Expr(Expr { kind: ExprKind::Name(name), .. }) if is_local(*name));
        });
        found
    }

    fn makes_what_changes(&mut self, expr: &Expr) -> bool {
        match expr.kind {
            ExprKind::List(_) | ExprKind::Map(_) => true,
            ExprKind::New { .. } => {
                let ty = self.facts().ty(expr.id);
                let Some((def, _)) = self.types.nominal_parts(ty) else { return false };
                let known = &self.defs.known;
                let decl = &self.defs.types[def.index()];
                [known.list, known.map, known.set].contains(&Some(def))
                    || decl.kind == TypeKind::Class && decl.fields.iter().any(|field| !field.is_final)
            }
            _ => false,
        }
    }
}
