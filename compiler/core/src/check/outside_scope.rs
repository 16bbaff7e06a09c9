//! Names of variables that the text around declares, but not for where they are used: further down, or in the script
//! around a function.

use super::Checker;
use dscript_grammar::ast::{self, Stmt, StmtKind};
use dscript_grammar::codes;
use dscript_grammar::diagnostic::Diagnostic;
use dscript_grammar::span::{Span, Symbol};
use dscript_grammar::walk::{Node, path_at};

impl<'a> Checker<'a, '_> {
    /// What to say of a name that means nothing at `span`, if a variable of that name is near.
    pub(super) fn out_of_scope(&self, name: Symbol, span: Span) -> Option<Diagnostic> {
        let module: &'a ast::Module = self.defs.modules[self.cx.module.index()].ast;
        let path = path_at(module, span.start);
        let in_item = path.iter().any(|node| matches!(node, Node::Item(_)));
        let blocks = path.iter().rev().filter_map(|node| match node {
            Node::Block(block) => Some(&block.stmts[..]),
            Node::Module(module) if !in_item => Some(&module.script[..]),
            _ => None,
        });
        let text = self.text(name);
        for stmts in blocks {
            if let Some(later) =
                stmts.iter().find_map(|stmt| declared_by(stmt, name)).filter(|s| s.start > span.start)
            {
                let message = format!("`{text}` is declared further down");
                return Some(self.diagnostic(codes::UNKNOWN_NAME, span, message).label(later, "here"));
            }
        }
        let of_script = module.script.iter().find_map(|stmt| declared_by(stmt, name)).filter(|_| in_item)?;
        let message = format!("`{text}` is a local of the script, which functions do not see");
        let report = self.diagnostic(codes::SCRIPT_LOCAL, span, message).label(of_script, "declared here");
        Some(report.help("pass it as a parameter, or make it `static final`"))
    }
}

/// The name of a variable that the statement itself declares.
fn declared_by(stmt: &Stmt, name: Symbol) -> Option<Span> {
    let StmtKind::Local(local) = &stmt.kind else { return None };
    local.vars.iter().find(|var| var.name.name == name).map(|var| var.name.span)
}
