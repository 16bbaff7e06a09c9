//! Every place a name is used: to show, to highlight, and to change.
//!
//! Modules that do not have the name in their text are not looked at.

use crate::features::{Answer, Cx, Failure};
use dscript_compiler::defs::ModuleId;
use dscript_compiler::session::{Entity, Occurrence};
use dscript_grammar::span::Span;
use serde_json::{Value, json};

/// The name that a declaration has.
fn name_of<'c>(cx: &Cx<'_, '_, 'c>, entity: Entity) -> Option<&'c str> {
    let (module, span) = cx.a.declaration(entity)?;
    Some(&cx.a.module_text(module)[span.start as usize..span.end as usize])
}

/// Every use of a declaration, in the order of modules and text.
pub fn uses(cx: &mut Cx<'_, '_, '_>, entity: Entity) -> Vec<(ModuleId, Occurrence)> {
    let Some(name) = name_of(cx, entity) else { return Vec::new() };
    let modules: Vec<ModuleId> = match entity {
        Entity::Local(module, _) if !is_param(cx, entity) => vec![module],
        Entity::TypeParam(module, _) => vec![module],
        _ => (0..cx.a.defs.modules.len() as u32).map(ModuleId).collect(),
    };
    let (declared_in, _) = cx.a.declaration(entity).unwrap_or((ModuleId(0), Span::default()));
    let mut found = Vec::new();
    for module in modules {
        // The library uses itself only.
        let is_std = cx.a.defs.modules[module.index()].is_std;
        if is_std && module != declared_in && !matches!(cx.root.place, crate::roots::Place::Library) {
            continue;
        }
        let text = cx.a.module_text(module);
        let places: Vec<usize> = text.match_indices(name).map(|(at, _)| at).collect();
        let mut last_end = 0;
        for at in places {
            if at < last_end {
                continue;
            }
            let span = Span::new(at as u32, (at + name.len()) as u32);
            let all = cx.a.occurrences(module, span);
            for occurrence in all.into_iter().filter(|o| o.entity == entity && o.span == span) {
                found.push((module, occurrence));
                last_end = at + name.len();
            }
        }
    }
    found
}

/// Parameters may be named at calls in other modules.
fn is_param(cx: &Cx<'_, '_, '_>, entity: Entity) -> bool {
    let Entity::Local(module, node) = entity else { return false };
    let defs = cx.a.defs;
    let fns = defs.fns.iter().filter(|d| d.module == module).flat_map(|d| &d.params);
    let tasks = defs.tasks.iter().filter(|d| d.module == module).flat_map(|d| &d.params);
    let scenarios = defs.scenarios.iter().filter(|d| d.module == module).flat_map(|d| &d.params);
    fns.chain(tasks).chain(scenarios).any(|p| p.node == node)
}

pub fn references(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Answer {
    let (module, offset) = cx.at(params)?;
    let with_declaration =
        params.pointer("/context/includeDeclaration").and_then(Value::as_bool).unwrap_or(true);
    let Some(found) = cx.a.occurrence_at(module, offset) else { return Ok(json!([])) };
    let all = uses(cx, found.entity);
    let shown = all.into_iter().filter(|(_, o)| with_declaration || !o.is_declaration);
    let shown: Vec<Value> = shown.filter_map(|(module, o)| cx.location(module, o.span)).collect();
    Ok(json!(shown))
}

pub fn highlight(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Answer {
    let (module, offset) = cx.at(params)?;
    let Some(found) = cx.a.occurrence_at(module, offset) else { return Ok(json!([])) };
    let lines = cx.lines(module);
    let all = uses(cx, found.entity).into_iter().filter(|(m, _)| *m == module);
    let shown: Vec<Value> = all
        .map(|(_, o)| json!({"range": lines.range(o.span), "kind": if o.is_write { 3 } else { 2 }}))
        .collect();
    Ok(json!(shown))
}

/// What can be renamed: what is declared in the user's modules.
fn renamable(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Result<Occurrence, Failure> {
    let (module, offset) = cx.at(params)?;
    let found =
        cx.a.occurrence_at(module, offset).ok_or(Failure::refused("there is no name to change here"))?;
    let declared = cx.a.declaration(found.entity);
    match (found.entity, declared) {
        (Entity::Module(_), _) => Err(Failure::refused("a module has the name of its file: rename that")),
        (_, Some((home, _))) if cx.a.defs.modules[home.index()].is_std => {
            Err(Failure::refused("the library declares this: its names stay"))
        }
        _ => Ok(found),
    }
}

pub fn prepare_rename(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Answer {
    let (module, _) = cx.at(params)?;
    let found = renamable(cx, params)?;
    let text = cx.a.module_text(module);
    let name = &text[found.span.start as usize..found.span.end as usize];
    Ok(json!({"range": cx.lines(module).range(found.span), "placeholder": name}))
}

pub fn rename(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Answer {
    let found = renamable(cx, params)?;
    let new = params.get("newName").and_then(Value::as_str).unwrap_or("");
    if !dscript_grammar::is_name(new) {
        return Err(Failure::refused(format!("`{new}` cannot be a name")));
    }
    let mut edits = Vec::new();
    for (module, occurrence) in uses(cx, found.entity) {
        // A method that comes from an interface keeps what asks for it.
        edits.push((module, occurrence.span, new.to_string()));
    }
    for related in family(cx, found.entity) {
        for (module, occurrence) in uses(cx, related) {
            edits.push((module, occurrence.span, new.to_string()));
        }
    }
    if edits.iter().any(|(module, _, _)| cx.a.defs.modules[module.index()].is_std) {
        return Err(Failure::refused("the library asks for a method of this name"));
    }
    edits.sort_by_key(|(module, span, _)| (module.0, *span));
    edits.dedup();
    Ok(cx.workspace_edit(edits))
}

/// Methods that must keep the same name: those that an interface asks for, and the interface's.
fn family(cx: &mut Cx<'_, '_, '_>, entity: Entity) -> Vec<Entity> {
    let Entity::Fn(id) = entity else { return Vec::new() };
    let def = &cx.a.defs.fns[id.index()];
    let (Some(_), true) = (def.owner, def.is_method) else { return Vec::new() };
    let mut known = vec![entity];
    let mut ask = vec![entity];
    let name = def.name;
    while let Some(next) = ask.pop() {
        let mut near = cx.a.implementations(next);
        let fns = (0..cx.a.defs.fns.len() as u32).map(dscript_compiler::defs::FnId);
        let same: Vec<_> = fns
            .filter(|f| cx.a.defs.fns[f.index()].name == name && cx.a.defs.fns[f.index()].owner.is_some())
            .collect();
        for other in same {
            if cx.a.implementations(Entity::Fn(other)).contains(&next) {
                near.push(Entity::Fn(other));
            }
        }
        for found in near {
            if !known.contains(&found) {
                known.push(found);
                ask.push(found);
            }
        }
    }
    known.remove(0);
    known
}
