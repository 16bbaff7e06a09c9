//! A failure that is overlooked, answered in each of the four ways: `try`, `isError`, `??`, `ignore`.

use super::{Action, Here, insert};
use crate::features::Cx;
use dscript_compiler::types::{Ty, TyKind};
use dscript_grammar::ast::{Expr, ExprKind, ItemKind, Stmt, StmtKind};
use dscript_grammar::diagnostic::{Diagnostic, Edit};
use dscript_grammar::walk::{Node, path_at};

pub(super) fn actions(cx: &mut Cx<'_, '_, '_>, here: &Here<'_>, diagnostic: &Diagnostic) -> Vec<Action> {
    let tree = cx.a.defs.modules[here.module.index()].ast;
    cx.a.look_within(here.module, diagnostic.span);
    let path = path_at(tree, diagnostic.span.start);
    let fails = can_fail(&path);
    let stmt = path.iter().rev().find_map(|n| match n {
        Node::Stmt(stmt) => Some(*stmt),
        _ => None,
    });
    let local = path.iter().rev().find_map(|n| match n {
        Node::LocalVar(v) if v.name.span == diagnostic.span => Some(*v),
        _ => None,
    });
    if let (Some(var), Some(stmt)) = (local, stmt) {
        return unseen(cx, here, (here.written(var.name.span), var.init.as_ref()), stmt, fails);
    }
    let expr = path.iter().rev().find_map(|n| match n {
        Node::Expr(expr) if expr.span == diagnostic.span => Some(*expr),
        _ => None,
    });
    // An operator is what does not fit: its operand may be an error.
    let operand = || {
        let operands = path.iter().rev().find_map(|n| match n {
            Node::Expr(Expr { kind: ExprKind::Binary { left, right, .. }, .. }) => {
                Some(vec![&**left, &**right])
            }
            Node::Expr(Expr { kind: ExprKind::Chain { first, rest }, .. }) => {
                Some(std::iter::once(&**first).chain(rest.iter().map(|link| &link.operand)).collect())
            }
            Node::Expr(Expr { kind: ExprKind::Unary { operand, .. }, .. }) => Some(vec![&**operand]),
            _ => None,
        })?;
        operands.into_iter().find(|e| {
            let ty = cx.a.type_of(here.module, e);
            cx.a.types.fallible_inner(ty).is_some()
        })
    };
    match expr.or_else(operand) {
        Some(expr) => used(cx, here, expr, stmt, fails),
        None => Vec::new(),
    }
}

/// Whether an error has somewhere to go: a task, a script, a test, or a function with a `T!`.
fn can_fail(path: &[Node<'_>]) -> bool {
    for node in path.iter().rev() {
        match node {
            Node::Expr(Expr { kind: ExprKind::Lambda(_), .. }) => return true,
            Node::Item(item) => match &item.kind {
                ItemKind::Function(f) => {
                    return matches!(f.ret.kind, dscript_grammar::ast::TypeExprKind::Fallible(_));
                }
                ItemKind::Task(_) | ItemKind::Test(_) => return true,
                _ => return false,
            },
            _ => {}
        }
    }
    true
}

/// An expression as the operand of `try` or `??`.
fn operand(here: &Here<'_>, expr: &Expr) -> String {
    let text = here.written(expr.span);
    let tight = matches!(
        expr.kind,
        ExprKind::Call { .. }
            | ExprKind::Name(_)
            | ExprKind::Field { .. }
            | ExprKind::Index { .. }
            | ExprKind::Paren(_)
    );
    if tight { text.to_string() } else { format!("({text})") }
}

/// A variable whose failure nobody looks at.
fn unseen(
    cx: &mut Cx<'_, '_, '_>,
    here: &Here<'_>,
    (name, init): (&str, Option<&Expr>),
    stmt: &Stmt,
    fails: bool,
) -> Vec<Action> {
    let indent = here.indent(stmt.span.start);
    let mut found = Vec::new();
    let after = stmt.span.end;
    if let Some(init) = init {
        if fails && matches!(&stmt.kind, StmtKind::Local(local) if local.ty.is_none()) {
            let edit = insert(init.span.start, "try ");
            found.push(Action::fix("Hand the error on with `try`", here.module, vec![edit]));
        }
        let ty = cx.a.type_of(here.module, init);
        if matches!(&stmt.kind, StmtKind::Local(local) if local.ty.is_none())
            && let Some(default) = default_of(cx, ty)
        {
            let edit = insert(init.span.end, format!(" ?? {default}"));
            found.push(Action::fix(format!("Replace the error: `?? {default}`"), here.module, vec![edit]));
        }
    }
    let test = format!("\n{indent}if (isError({name})) {{\n{indent}    {}\n{indent}}}", leave(fails, name));
    found.insert(
        found.len().min(1),
        Action::fix(format!("Test it: `isError({name})`"), here.module, vec![insert(after, test)]),
    );
    let ignore = format!("\n{indent}ignore({name});");
    found.push(Action::fix(
        format!("Say that it does not matter: `ignore({name})`"),
        here.module,
        vec![insert(after, ignore)],
    ));
    found
}

/// What ends the block that is entered on an error.
fn leave(fails: bool, name: &str) -> String {
    if fails { format!("fail {name};") } else { "return;".into() }
}

/// A value that may be an error, dropped or used as if it were none.
fn used(
    cx: &mut Cx<'_, '_, '_>,
    here: &Here<'_>,
    expr: &Expr,
    stmt: Option<&Stmt>,
    fails: bool,
) -> Vec<Action> {
    let mut found = Vec::new();
    let ty = cx.a.type_of(here.module, expr);
    let text = here.written(expr.span);
    let dropped = stmt.is_some_and(|s| matches!(&s.kind, StmtKind::Expr(e) if e.span == expr.span));
    // Before a member: `(try f()).x`.
    let tree = cx.a.defs.modules[here.module.index()].ast;
    let inside = path_at(tree, expr.span.start).iter().any(|n| match n {
        Node::Expr(Expr { kind: ExprKind::Field { receiver, .. }, .. }) => receiver.span == expr.span,
        Node::Expr(Expr { kind: ExprKind::Index { receiver, .. }, .. }) => receiver.span == expr.span,
        _ => false,
    });
    let wrapped = |inner: String| if inside { format!("({inner})") } else { inner };
    if fails {
        let edit = Edit { span: expr.span, text: wrapped(format!("try {}", operand(here, expr))) };
        let mut action = Action::fix("Hand the error on with `try`", here.module, vec![edit]);
        action.preferred = true;
        found.push(action);
    }
    if let Some(stmt) = stmt {
        let indent = here.indent(stmt.span.start);
        let name = free_name(here, "result");
        let test = format!("if (isError({name})) {{\n{indent}    {}\n{indent}}}", leave(fails, &name));
        let edits = if dropped {
            vec![Edit { span: stmt.span, text: format!("var {name} = {text};\n{indent}{test}") }]
        } else if is_plain(stmt) {
            let before = format!("var {name} = {text};\n{indent}{test}\n{indent}");
            vec![insert(stmt.span.start, before), Edit { span: expr.span, text: name.clone() }]
        } else {
            Vec::new()
        };
        if !edits.is_empty() {
            found.push(Action::fix("Test it with `isError` first", here.module, edits));
        }
    }
    if !dropped && let Some(default) = default_of(cx, ty) {
        let replaced = format!("{} ?? {default}", operand(here, expr));
        let loose = inside || !stands_alone(tree, expr);
        let text = if loose { format!("({replaced})") } else { replaced };
        let edit = Edit { span: expr.span, text };
        found.push(Action::fix(format!("Replace the error: `?? {default}`"), here.module, vec![edit]));
    }
    if dropped {
        let edit = Edit { span: expr.span, text: format!("ignore({text})") };
        found.push(Action::fix("Say that it does not matter: `ignore(...)`", here.module, vec![edit]));
        if let Some(default) = default_of(cx, ty) {
            let name = free_name(here, "result");
            let edit =
                Edit { span: expr.span, text: format!("var {name} = {} ?? {default}", operand(here, expr)) };
            found.push(Action::fix(
                format!("Keep it, or a replacement: `?? {default}`"),
                here.module,
                vec![edit],
            ));
        }
    }
    found
}

/// What stands before the statement runs once for it.
fn is_plain(stmt: &Stmt) -> bool {
    matches!(
        stmt.kind,
        StmtKind::Local(_)
            | StmtKind::Expr(_)
            | StmtKind::Return(Some(_))
            | StmtKind::If { .. }
            | StmtKind::Assert { .. }
            | StmtKind::ForEach { .. }
            | StmtKind::Switch(_)
    )
}

/// Nothing binds to an expression from outside: an initializer, an argument, a result.
fn stands_alone(tree: &dscript_grammar::ast::Module, expr: &Expr) -> bool {
    let path = path_at(tree, expr.span.start);
    let at = path.iter().position(|n| matches!(n, Node::Expr(e) if e.span == expr.span));
    match at.and_then(|at| path.get(at.wrapping_sub(1))) {
        Some(Node::LocalVar(_) | Node::Arg(_) | Node::Stmt(_) | Node::Block(_) | Node::Param(_)) => true,
        Some(Node::Expr(outer)) => {
            matches!(
                outer.kind,
                ExprKind::Paren(_) | ExprKind::Assign { .. } | ExprKind::List(_) | ExprKind::Map(_)
            )
        }
        _ => false,
    }
}

/// A name like this that the text does not have.
fn free_name(here: &Here<'_>, wish: &str) -> String {
    let mut name = wish.to_string();
    let mut count = 1;
    while here.text.contains(&name) {
        count += 1;
        name = format!("{wish}{count}");
    }
    name
}

/// A value that can stand in place of an error: of the simple types only.
fn default_of(cx: &mut Cx<'_, '_, '_>, ty: Ty) -> Option<String> {
    let ty = cx.a.types.resolve(ty);
    let inner = cx.a.types.fallible_inner(ty).unwrap_or(ty);
    let known = &cx.a.defs.known;
    let text = match inner {
        Ty::INT => "0",
        Ty::DOUBLE => "0.0",
        Ty::BOOL => "false",
        Ty::DURATION => "0s",
        _ => match cx.a.types.kind(inner) {
            TyKind::Nullable(_) => "null",
            TyKind::Nominal(def, _) if Some(*def) == known.string => "\"\"",
            TyKind::Nominal(def, _) if Some(*def) == known.list => "[]",
            TyKind::Nominal(def, _) if Some(*def) == known.map => "{:}",
            _ => return None,
        },
    };
    Some(text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dscript_compiler::defs::ModuleId;
    use dscript_grammar::span::Span;

    #[test]
    fn names_are_free() {
        let text = "var result = 1; var result2 = 2;";
        let here = Here { module: ModuleId(0), span: Span::default(), text };
        assert_eq!(free_name(&here, "result"), "result3");
        assert_eq!(free_name(&here, "other"), "other");
    }
}
