//! The parameters of the call around the cursor.

use crate::completion::text_before;
use crate::describe;
use crate::features::{Answer, Cx};
use dscript_compiler::session::{Callee, CalleeKind, Entity};
use serde_json::{Value, json};

pub fn help(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Answer {
    let (module, offset) = cx.at(params)?;
    let callee = match cx.a.callee_at(module, offset) {
        Some(callee) => Some(callee),
        None => {
            // The tree has no call there: the text may.
            let text = cx.a.module_text(module);
            match text_before::open_call(text, offset as usize) {
                Some(call) => {
                    cx.a.callee_of_text(module, offset, call.callee)
                        .map(|found| Callee { active: call.commas, ..found })
                }
                None => None,
            }
        }
    };
    let Some(callee) = callee else { return Ok(Value::Null) };
    let (label, entity, parts, names) = shown(cx, &callee);
    let named = callee.active_name.and_then(|name| names.iter().position(|n| *n == cx.a.name(name)));
    let active = named.unwrap_or(callee.active);
    let parameters: Vec<Value> = parts.iter().map(|p| json!({"label": p})).collect();
    let mut signature = json!({"label": label, "parameters": parameters, "activeParameter": active});
    if let Some(doc) = entity.and_then(|e| describe::doc(cx.a, e)) {
        signature["documentation"] = json!({"kind": "markdown", "value": doc});
    }
    Ok(json!({"signatures": [signature], "activeSignature": 0, "activeParameter": active}))
}

/// The head of a call, what it calls, its parameters as written, and their names.
fn shown(cx: &mut Cx<'_, '_, '_>, callee: &Callee) -> (String, Option<Entity>, Vec<String>, Vec<String>) {
    let defs = cx.a.defs;
    let names = |params: &[dscript_compiler::defs::ParamSig<'_>]| {
        params.iter().map(|p| cx.a.interner.name(p.name).to_string()).collect::<Vec<_>>()
    };
    match callee.what {
        CalleeKind::Fn(id) => {
            let def = &defs.fns[id.index()];
            let names = names(&def.params);
            let parts = describe::params(cx.a, def.module, &def.params, &callee.params);
            let head = describe::function(cx.a, id);
            let before = head.split_once('(').map_or(head.as_str(), |(before, _)| before);
            (format!("{before}({})", parts.join(", ")), Some(Entity::Fn(id)), parts, names)
        }
        CalleeKind::Task(id) => {
            let def = &defs.tasks[id.index()];
            let names = names(&def.params);
            let parts = describe::params(cx.a, def.module, &def.params, &callee.params);
            (format!("task {}({})", def.name, parts.join(", ")), Some(Entity::Task(id)), parts, names)
        }
        CalleeKind::Scenario(id) => {
            let def = &defs.scenarios[id.index()];
            let names = names(&def.params);
            let parts = describe::params(cx.a, def.module, &def.params, &callee.params);
            (format!("scenario {}({})", def.name, parts.join(", ")), Some(Entity::Scenario(id)), parts, names)
        }
        CalleeKind::With(id) => {
            let def = &defs.types[id.index()];
            let names: Vec<String> = def.fields.iter().map(|f| cx.a.name(f.name).to_string()).collect();
            let parts: Vec<String> = names
                .iter()
                .zip(&callee.params)
                .map(|(name, &ty)| format!("{name}: {}", cx.a.show(ty)))
                .collect();
            (format!("with({})", parts.join(", ")), Some(Entity::Type(id)), parts, names)
        }
        CalleeKind::Value => {
            let parts: Vec<String> = callee.params.iter().map(|&ty| cx.a.show(ty)).collect();
            (format!("({})", parts.join(", ")), None, parts, Vec::new())
        }
    }
}
