//! What is not written and yet there: inferred types, and the names of parameters.

use crate::features::{Answer, Cx, Failure};
use dscript_compiler::defs::{ModuleId, ParamSig};
use dscript_compiler::facts::Target;
use dscript_compiler::types::Ty;
use dscript_grammar::ast::{Arg, ExprKind, StmtKind, UnaryOp};
use dscript_grammar::span::NodeId;
use dscript_grammar::walk::Node;
use serde_json::{Value, json};

pub fn hints(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Answer {
    let module = cx.module(params)?;
    let range = params.get("range").and_then(|r| cx.lines(module).span(r));
    let within = range.ok_or(Failure::params("that is no range"))?;
    cx.a.look_within(module, within);
    let mut nodes = Vec::new();
    Node::Module(cx.a.defs.modules[module.index()].ast).each(&mut |node| {
        let span = node.span();
        if span.start <= within.end && within.start <= span.end {
            nodes.push(node);
        }
    });
    let mut found: Vec<(u32, Value)> = Vec::new();
    for node in nodes {
        match node {
            Node::Stmt(stmt) => {
                if let StmtKind::Local(local) = &stmt.kind
                    && local.ty.is_none()
                {
                    for var in &local.vars {
                        typed(cx, module, var.id, var.name.span.end, &mut found);
                    }
                }
            }
            Node::ForEachVar(var) if var.ty.is_none() => {
                typed(cx, module, var.id, var.name.span.end, &mut found)
            }
            Node::LambdaParam(p) if p.ty.is_none() => typed(cx, module, p.id, p.name.span.end, &mut found),
            Node::Expr(expr) => {
                if let ExprKind::Call { args, .. } | ExprKind::New { args, .. } = &expr.kind {
                    arguments(cx, module, expr.id, args, &mut found);
                }
            }
            _ => {}
        }
    }
    found.retain(|(at, _)| within.start <= *at && *at <= within.end);
    found.sort_by_key(|(at, _)| *at);
    Ok(found.into_iter().map(|(_, hint)| hint).collect())
}

fn typed(cx: &mut Cx<'_, '_, '_>, module: ModuleId, node: NodeId, at: u32, out: &mut Vec<(u32, Value)>) {
    let ty = cx.a.local_type(module, node);
    if ty == Ty::POISON {
        return;
    }
    let shown = cx.a.show(ty);
    let position = cx.lines(module).position(at);
    out.push((at, json!({"position": position, "label": format!(": {shown}"), "kind": 1})));
}

/// Names the parameters that literals are for.
fn arguments(
    cx: &mut Cx<'_, '_, '_>,
    module: ModuleId,
    call: NodeId,
    args: &[Arg],
    out: &mut Vec<(u32, Value)>,
) {
    let defs = cx.a.defs;
    let Some(fact) = cx.a.facts(module).calls.get(&call) else { return };
    let (Target::Fn(id) | Target::Method(id)) = fact.target else { return };
    let params: &[ParamSig<'_>] = &defs.fns[id.index()].params;
    if params.len() < 2 && !matches!(args, [Arg { value, .. }] if matches!(value.kind, ExprKind::Bool(_))) {
        return;
    }
    for (arg, param) in args.iter().zip(params) {
        if arg.name.is_some() {
            return;
        }
        let literal = match &arg.value.kind {
            ExprKind::Unary { op: UnaryOp::Neg, operand } => &operand.kind,
            kind => kind,
        };
        let shown = matches!(
            literal,
            ExprKind::Int(_)
                | ExprKind::Double(_)
                | ExprKind::Bool(_)
                | ExprKind::Null
                | ExprKind::Char(_)
                | ExprKind::Duration(_)
                | ExprKind::Str(_)
        );
        if shown {
            let at = arg.value.span.start;
            let label = format!("{}:", cx.a.name(param.name));
            let position = cx.lines(module).position(at);
            out.push((at, json!({"position": position, "label": label, "kind": 2, "paddingRight": true})));
        }
    }
}
