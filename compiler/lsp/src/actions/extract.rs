//! A variable or a function out of what is selected.

use super::{Action, Here};
use crate::features::Cx;
use dscript_compiler::session::Entity;
use dscript_compiler::types::Ty;
use dscript_grammar::ast::{ExprKind, ItemKind, Stmt, StmtKind};
use dscript_grammar::span::{NodeId, Span};
use dscript_grammar::walk::{Node, path_at};

pub(super) fn actions(cx: &mut Cx<'_, '_, '_>, here: &Here<'_>) -> Vec<Action> {
    cx.a.look_within(here.module, here.span);
    let selected = trimmed(here);
    let mut found = Vec::new();
    found.extend(variable(cx, here, selected));
    found.extend(function(cx, here, selected));
    found
}

/// The selection without space around it.
fn trimmed(here: &Here<'_>) -> Span {
    let text = here.written(here.span);
    let start = here.span.start + (text.len() - text.trim_start().len()) as u32;
    let end = here.span.end - (text.len() - text.trim_end().len()) as u32;
    Span::new(start, end.max(start))
}

fn variable(cx: &mut Cx<'_, '_, '_>, here: &Here<'_>, selected: Span) -> Option<Action> {
    let tree = cx.a.defs.modules[here.module.index()].ast;
    let path = path_at(tree, selected.start);
    let expr = path.iter().rev().find_map(|n| match n {
        Node::Expr(expr) if expr.span == selected => Some(*expr),
        _ => None,
    })?;
    let ty = cx.a.type_of(here.module, expr);
    if matches!(ty, Ty::VOID | Ty::POISON | Ty::NEVER | Ty::NULL | Ty::RANGE)
        || matches!(expr.kind, ExprKind::Lambda(_))
    {
        return None;
    }
    // In front of the statement, if that stands in a block.
    let stmt_at = path.iter().rposition(|n| matches!(n, Node::Stmt(_)))?;
    let Node::Stmt(stmt) = path[stmt_at] else { return None };
    if !matches!(path[stmt_at - 1], Node::Block(_) | Node::Module(_))
        || matches!(stmt.kind, StmtKind::While { .. } | StmtKind::For { .. } | StmtKind::DoWhile { .. })
    {
        return None;
    }
    let between = &path[stmt_at..];
    if between.iter().any(|n| matches!(n, Node::Expr(e) if matches!(e.kind, ExprKind::Lambda(_)))) {
        return None;
    }
    let name = free(cx, here, "value");
    let indent = here.indent(stmt.span.start);
    let text = here.written(selected);
    let edits = vec![
        (here.module, Span::new(stmt.span.start, stmt.span.start), format!("var {name} = {text};\n{indent}")),
        (here.module, selected, name.clone()),
    ];
    let title = format!("Extract into the variable `{name}`");
    Some(Action { title, kind: "refactor.extract.variable", edits, diagnostic: None, preferred: false })
}

/// Whole statements of one block become a function; what they use becomes its parameters.
fn function(cx: &mut Cx<'_, '_, '_>, here: &Here<'_>, selected: Span) -> Option<Action> {
    let tree = cx.a.defs.modules[here.module.index()].ast;
    let path = path_at(tree, selected.start);
    let (stmts, item): (&[Stmt], Option<_>) = {
        let stmts = path.iter().rev().find_map(|n| match n {
            Node::Block(b) => Some(&b.stmts[..]),
            Node::Module(m) => Some(&m.script[..]),
            _ => None,
        })?;
        let item = path.iter().find_map(|n| match n {
            Node::Item(item) => Some(*item),
            _ => None,
        });
        (stmts, item)
    };
    let inside = |s: Span| selected.start <= s.start && s.end <= selected.end;
    let taken: Vec<&Stmt> = stmts.iter().filter(|s| inside(s.span)).collect();
    let (first, last) = (taken.first()?, taken.last()?);
    if first.span.start != selected.start || last.span.end != selected.end {
        return None;
    }
    // What leaves the block, or belongs to an object, cannot be taken out of it.
    let mut leaves = false;
    let mut declared: Vec<NodeId> = Vec::new();
    for stmt in &taken {
        Node::Stmt(stmt).each(&mut |n| match n {
            Node::Stmt(s) => {
                leaves |= matches!(
                    s.kind,
                    StmtKind::Return(_)
                        | StmtKind::Break(_)
                        | StmtKind::Continue(_)
                        | StmtKind::Yield(_)
                        | StmtKind::Given { .. }
                        | StmtKind::Verify { .. }
                );
            }
            Node::Expr(e) => leaves |= matches!(e.kind, ExprKind::This),
            Node::LocalVar(v) => declared.push(v.id),
            _ => {}
        });
    }
    if leaves {
        return None;
    }
    let whole = item.map_or(selected, |i| i.span);
    let all = cx.a.occurrences(here.module, whole.to(selected));
    let mut params: Vec<(NodeId, Span)> = Vec::new();
    let mut written = false;
    let mut lowlevel = false;
    for occurrence in all.iter().filter(|o| inside(o.span)) {
        match occurrence.entity {
            Entity::Local(module, node) if module == here.module => {
                let outside = cx.a.declaration(occurrence.entity).is_some_and(|(_, span)| !inside(span));
                written |= outside && occurrence.is_write;
                if outside && !params.iter().any(|(known, _)| *known == node) {
                    params.push((node, occurrence.span));
                }
            }
            Entity::Fn(id) => {
                let def = &cx.a.defs.fns[id.index()];
                lowlevel |= def.is_lowlevel;
                written |= def.is_method && def.owner.is_some() && all_bare(here, occurrence.span);
            }
            Entity::Field(..) => written |= all_bare(here, occurrence.span),
            _ => {}
        }
    }
    let used_later = all.iter().any(|o| {
        !inside(o.span)
            && matches!(o.entity, Entity::Local(m, node) if m == here.module && declared.contains(&node))
    });
    if written || used_later {
        return None;
    }
    let mut shown = Vec::new();
    let mut args = Vec::new();
    for (node, at) in params {
        let ty = cx.a.local_type(here.module, node);
        if ty == Ty::POISON {
            return None;
        }
        let name = here.written(at);
        shown.push(format!("{} {name}", cx.a.show(ty)));
        args.push(name.to_string());
    }
    let fails = here.written(selected).contains("try ") || here.written(selected).contains("fail ");
    let name = free(cx, here, "extracted");
    let text = here.written(selected);
    let indent = here.indent(selected.start);
    let body: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(n, line)| {
            let line = if n == 0 { line } else { line.strip_prefix(indent).unwrap_or(line.trim_start()) };
            if line.is_empty() { String::new() } else { format!("    {line}") }
        })
        .collect();
    let (word, ret) = (if lowlevel { "lowlevel " } else { "" }, if fails { "void!" } else { "void" });
    let declaration = format!("{word}{ret} {name}({}) {{\n{}\n}}", shown.join(", "), body.join("\n"));
    let call = format!("{}{name}({});", if fails { "try " } else { "" }, args.join(", "));
    let after = match item {
        Some(item) if !matches!(item.kind, ItemKind::Error) => item.span.end,
        _ => here.text.trim_end().len() as u32,
    };
    let edits = vec![
        (here.module, selected, call),
        (here.module, Span::new(after, after), format!("\n\n{declaration}")),
    ];
    let title = format!("Extract into the function `{name}`");
    Some(Action { title, kind: "refactor.extract.function", edits, diagnostic: None, preferred: false })
}

/// No dot stands before a name: it is a member of `this`.
fn all_bare(here: &Here<'_>, name: Span) -> bool {
    !here.text[..name.start as usize].trim_end().ends_with('.')
}

fn free(cx: &mut Cx<'_, '_, '_>, here: &Here<'_>, wish: &str) -> String {
    let known = cx.a.visible(here.module, here.span.start);
    let taken = |name: &str| {
        known.iter().any(|v| cx.a.name(v.name) == name) || here.text.contains(&format!(" {name} ="))
    };
    let mut name = wish.to_string();
    let mut count = 1;
    while taken(&name) {
        count += 1;
        name = format!("{wish}{count}");
    }
    name
}
