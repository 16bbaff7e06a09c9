//! What can be folded, and what a selection grows to.

use crate::features::{Answer, Cx, Failure};
use dscript_grammar::span::Span;
use dscript_grammar::walk::{Node, path_at};
use serde_json::{Value, json};

pub fn folds(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Answer {
    let module = cx.module(params)?;
    let lines = cx.lines(module);
    let tree = cx.a.defs.modules[module.index()].ast;
    let mut found: Vec<(usize, usize, Option<&str>)> = Vec::new();
    let mut add = |span: Span, kind: Option<&'static str>| {
        let (first, last) = (lines.line_of(span.start), lines.line_of(span.end.max(1) - 1));
        // The closing bracket stays to be seen.
        let last = if kind.is_none() { last.saturating_sub(1) } else { last };
        if last > first {
            found.push((first, last, kind));
        }
    };
    if let (Some(first), Some(last)) = (tree.imports.first(), tree.imports.last()) {
        add(first.span.to(last.span), Some("imports"));
    }
    for comment in &cx.a.parsed(module).comments {
        add(comment.span, Some("comment"));
    }
    Node::Module(tree).each(&mut |node| match node {
        Node::Item(_) | Node::Block(_) | Node::State(_) | Node::SwitchArm(_) => add(node.span(), None),
        Node::Expr(expr)
            if matches!(
                expr.kind,
                dscript_grammar::ast::ExprKind::List(_)
                    | dscript_grammar::ast::ExprKind::Map(_)
                    | dscript_grammar::ast::ExprKind::Switch(_)
            ) =>
        {
            add(node.span(), None);
        }
        Node::Stmt(stmt) if matches!(stmt.kind, dscript_grammar::ast::StmtKind::Switch(_)) => {
            add(node.span(), None)
        }
        _ => {}
    });
    found.sort();
    found.dedup_by_key(|(first, _, _)| *first);
    let values = found.into_iter().map(|(first, last, kind)| {
        let mut value = json!({"startLine": first, "endLine": last});
        if let Some(kind) = kind {
            value["kind"] = json!(kind);
        }
        value
    });
    Ok(values.collect())
}

pub fn selections(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Answer {
    let module = cx.module(params)?;
    let lines = cx.lines(module);
    let tree = cx.a.defs.modules[module.index()].ast;
    let positions = params.get("positions").and_then(Value::as_array);
    let positions = positions.ok_or(Failure::params("the request names no positions"))?;
    let mut all = Vec::new();
    for position in positions {
        let offset = lines.offset(position).ok_or(Failure::params("that is no position"))?;
        let text = lines.text;
        let word = Span::new(
            crate::completion::text_before::word_start(text, offset as usize) as u32,
            crate::completion::text_before::word_end(text, offset as usize) as u32,
        );
        let mut spans = vec![Span::new(0, text.len() as u32)];
        spans.extend(path_at(tree, offset).iter().skip(1).map(|n| n.span()));
        spans.push(word);
        spans.dedup();
        let mut selection = Value::Null;
        let mut outer = Span::new(0, text.len() as u32);
        for span in spans {
            if span.start == span.end || span.start < outer.start || outer.end < span.end {
                continue;
            }
            outer = span;
            let mut inner = json!({"range": lines.range(span)});
            if !selection.is_null() {
                inner["parent"] = selection;
            }
            selection = inner;
        }
        all.push(selection);
    }
    Ok(json!(all))
}
