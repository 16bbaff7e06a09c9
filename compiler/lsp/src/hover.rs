//! What stands under the cursor: its declaration, effect, capabilities and doc comment.

use crate::describe;
use crate::features::{Answer, Cx};
use dscript_compiler::session::Entity;
use dscript_compiler::types::Ty;
use dscript_grammar::ast::ExprKind;
use dscript_grammar::span::Span;
use dscript_grammar::walk::{Node, path_at};
use serde_json::{Value, json};

pub fn hover(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Answer {
    let (module, offset) = cx.at(params)?;
    let lines = cx.lines(module);
    if let Some(found) = cx.a.occurrence_at(module, offset) {
        let text = text(cx, found.entity);
        return Ok(markdown(&text, lines.range(found.span)));
    }
    // A value without a name: its type.
    let tree = cx.a.defs.modules[module.index()].ast;
    let path = path_at(tree, offset);
    let Some(Node::Expr(expr)) = path.iter().rev().find(|n| matches!(n, Node::Expr(_))) else {
        return Ok(Value::Null);
    };
    let literal = matches!(
        expr.kind,
        ExprKind::Str(_)
            | ExprKind::Int(_)
            | ExprKind::Double(_)
            | ExprKind::Bool(_)
            | ExprKind::Null
            | ExprKind::Error
    );
    cx.a.look_within(module, Span::new(offset, offset));
    let ty = cx.a.type_of(module, expr);
    if literal || ty == Ty::POISON || ty == Ty::VOID {
        return Ok(Value::Null);
    }
    let shown = cx.a.show(ty);
    Ok(markdown(&format!("```dscript\n{shown}\n```"), lines.range(expr.span)))
}

/// All that is told of a declaration, as Markdown.
pub fn text(cx: &mut Cx<'_, '_, '_>, entity: Entity) -> String {
    let mut text = format!("```dscript\n{}\n```", describe::entity(cx.a, entity));
    if let Some(needs) = describe::needs(cx.a, entity).filter(|needs| !needs.is_empty()) {
        let listed: Vec<String> = needs.iter().map(|n| format!("`{n}`")).collect();
        text.push_str(&format!("\n\nNeeds {}", listed.join(", ")));
    }
    if let Some(doc) = describe::doc(cx.a, entity) {
        text.push_str("\n\n");
        text.push_str(&doc);
    }
    if let Some((module, _)) = cx.a.declaration(entity)
        && !matches!(
            entity,
            Entity::Local(..) | Entity::TypeParam(..) | Entity::State(..) | Entity::Module(_)
        )
    {
        text.push_str(&format!("\n\n*{}*", cx.a.defs.modules[module.index()].path));
    }
    text
}

fn markdown(text: &str, range: Value) -> Value {
    json!({"contents": {"kind": "markdown", "value": text}, "range": range})
}
