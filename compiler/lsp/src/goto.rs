//! From a name to what it stands for.

use crate::features::{Answer, Cx};
use dscript_compiler::session::Entity;
use serde_json::{Value, json};

fn locations(cx: &Cx<'_, '_, '_>, entities: impl IntoIterator<Item = Entity>) -> Value {
    let found: Vec<Value> = entities.into_iter().filter_map(|e| cx.declared_at(e)).collect();
    json!(found)
}

pub fn definition(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Answer {
    let (module, offset) = cx.at(params)?;
    let found = cx.a.occurrence_at(module, offset).map(|o| o.entity);
    Ok(locations(cx, found))
}

pub fn type_definition(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Answer {
    let (module, offset) = cx.at(params)?;
    let found = cx.a.occurrence_at(module, offset).map(|o| o.entity);
    let ty = found.and_then(|entity| cx.a.entity_type(entity));
    let entity = ty.and_then(|ty| cx.a.type_entity(ty));
    Ok(locations(cx, entity.or(found.filter(|e| matches!(e, Entity::Type(_))))))
}

pub fn implementation(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Answer {
    let (module, offset) = cx.at(params)?;
    let Some(found) = cx.a.occurrence_at(module, offset) else { return Ok(json!([])) };
    let below = cx.a.implementations(found.entity);
    Ok(locations(cx, if below.is_empty() { vec![found.entity] } else { below }))
}
