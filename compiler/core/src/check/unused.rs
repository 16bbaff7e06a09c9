//! Calls whose result is dropped although they do nothing else: told when every body is known, because that depends on
//! the bodies of the functions that are called.
//!
//! A function only computes when it reaches nothing outside, prints and asserts nothing, waits for nothing, assigns
//! nothing but its own locals, and calls only functions that do the same. Doubt is decided for it: a function value, a
//! method of an interface and what may change a collection are taken to do more.

use super::Checker;
use super::stmt::strip;
use crate::defs::{Body, FnDef, FnId, Intrinsic, ModuleId};
use crate::facts::{Res, Target};
use dscript_grammar::ast::{self, Expr, ExprKind, StmtKind};
use dscript_grammar::codes;
use dscript_grammar::diagnostic::Diagnostic;
use dscript_grammar::walk::Node;
use rustc_hash::FxHashMap;

/// Types of std whose methods change nothing.
const VALUES: [&str; 8] = ["String", "Bytes", "Int", "Double", "Boolean", "Math", "Duration", "Time"];

/// Of the types of std that can change, what only reads.
const READS: [&str; 24] = [
    "size",
    "isEmpty",
    "get",
    "contains",
    "containsKey",
    "indexOf",
    "first",
    "last",
    "keys",
    "values",
    "min",
    "max",
    "sorted",
    "reversed",
    "distinct",
    "slice",
    "take",
    "drop",
    "copy",
    "zip",
    "chunks",
    "join",
    "toSet",
    "lastIndexOf",
];

impl<'a> Checker<'a, '_> {
    /// A call whose result nobody uses.
    pub(super) fn dropped(&mut self, expr: &'a Expr) {
        self.dropped.push((self.cx.module, expr));
    }

    /// Warns of what was dropped, when all bodies have been looked at.
    pub(super) fn unused_results(&mut self) {
        let mut known = FxHashMap::default();
        for (module, expr) in std::mem::take(&mut self.dropped) {
            if !self.only_computes(module, Node::Expr(expr), false, &mut known) {
                continue;
            }
            let mut report = Diagnostic::warning(
                codes::UNUSED_RESULT,
                self.file_of(module),
                expr.span,
                "the result is not used, and the call does nothing else",
            );
            let target = self.facts[module.index()].calls.get(&strip(expr).id).map(|fact| &fact.target);
            if let Some(Target::Fn(id) | Target::Method(id)) = target {
                let def = &self.defs.fns[id.index()];
                let owner = def.owner.map(|owner| self.text(self.defs.types[owner.index()].name));
                report = if !self.is_std(def.module) {
                    report.label_in(self.file_of(def.module), def.span, "this only computes")
                } else if def.is_method && owner == Some("String") {
                    let name = self.text(def.name);
                    report
                        .help(format!("a String never changes: keep the result, as in `s = s.{name}(...);`"))
                } else if def.is_method && matches!(self.text(def.name), "sorted" | "reversed") {
                    let name = if self.text(def.name) == "sorted" { "sort" } else { "reverse" };
                    report.help(format!("this gives a new list; `{name}()` changes the list itself"))
                } else {
                    report
                };
            }
            self.diagnostics.push(report);
        }
    }

    fn is_std(&self, module: ModuleId) -> bool {
        self.defs.modules[module.index()].is_std
    }

    /// Whether nothing below the node does more than compute; `constructs`: fields of `this` are the result.
    fn only_computes(
        &self,
        module: ModuleId,
        node: Node<'a>,
        constructs: bool,
        known: &mut FxHashMap<FnId, bool>,
    ) -> bool {
        let mut good = true;
        node.each(&mut |part| {
            good = good
                && match part {
                    Node::Stmt(stmt) => !matches!(
                        stmt.kind,
                        StmtKind::Assert { .. }
                            | StmtKind::Every { .. }
                            | StmtKind::Within { .. }
                            | StmtKind::Retry { .. }
                            | StmtKind::Error
                    ),
                    Node::Expr(expr) => self.is_quiet(module, expr, constructs, known),
                    _ => true,
                };
        });
        good
    }

    /// Whether an expression does nothing itself; its operands are looked at apart.
    fn is_quiet(
        &self,
        module: ModuleId,
        expr: &'a Expr,
        constructs: bool,
        known: &mut FxHashMap<FnId, bool>,
    ) -> bool {
        let facts = &self.facts[module.index()];
        match &expr.kind {
            ExprKind::Assign { target, .. } | ExprKind::Step { target, .. } => {
                let target = strip(target);
                let own = match &target.kind {
                    ExprKind::Field { receiver, .. } => matches!(strip(receiver).kind, ExprKind::This),
                    _ => true,
                };
                match facts.res(target.id) {
                    Res::Local(_) => true,
                    Res::Field(_) => constructs && own,
                    _ => false,
                }
            }
            ExprKind::Call { .. } | ExprKind::New { .. } => {
                match facts.calls.get(&expr.id).map(|fact| &fact.target) {
                    Some(Target::Fn(id) | Target::Method(id)) => self.function_only_computes(*id, known),
                    Some(Target::Enum(..) | Target::With | Target::Text) => true,
                    Some(Target::Intrinsic(intrinsic, _)) => matches!(
                        intrinsic,
                        Intrinsic::IsError | Intrinsic::Ignore | Intrinsic::IntOrDouble | Intrinsic::Format
                    ),
                    Some(Target::Value) | None => false,
                }
            }
            ExprKind::Error => false,
            _ => true,
        }
    }

    fn function_only_computes(&self, id: FnId, known: &mut FxHashMap<FnId, bool>) -> bool {
        // A function that comes back to itself does what the rest of it does.
        if let Some(&found) = known.get(&id) {
            return found;
        }
        known.insert(id, true);
        let def = &self.defs.fns[id.index()];
        let found = if def.is_lowlevel {
            false
        } else if self.is_std(def.module) {
            self.library_only_computes(def)
        } else {
            let block = |block: &'a ast::Block, constructs, known: &mut _| {
                self.only_computes(def.module, Node::Block(block), constructs, known)
            };
            match def.body {
                Body::None | Body::Record(None) => matches!(def.body, Body::Record(_)),
                Body::Block(body) => block(body, false, known),
                Body::Constructor(body) | Body::Record(Some(body)) => block(body, true, known),
            }
        };
        known.insert(id, found);
        found
    }

    fn library_only_computes(&self, def: &FnDef<'a>) -> bool {
        let Some(owner) = def.owner else { return false };
        let owner = self.text(self.defs.types[owner.index()].name);
        VALUES.contains(&owner)
            || matches!(owner, "List" | "Map" | "Set") && READS.contains(&self.text(def.name))
    }
}
