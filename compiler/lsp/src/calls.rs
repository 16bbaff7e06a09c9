//! Who calls whom: which tasks come to a Low-Level Script, and what a task comes to.

use crate::describe;
use crate::features::{Answer, Cx, Failure};
use crate::references::uses;
use dscript_compiler::defs::ModuleId;
use dscript_compiler::session::Entity;
use dscript_grammar::ast::{ExprKind, ItemKind, StrPart};
use dscript_grammar::span::Span;
use dscript_grammar::walk::{Node, path_at};
use serde_json::{Value, json};

/// Something that calls: a function, a task, a scenario, a test, or a script as a whole.
struct Caller {
    module: ModuleId,
    whole: Span,
    at: Span,
    name: String,
    detail: String,
}

fn caller_at(cx: &mut Cx<'_, '_, '_>, module: ModuleId, offset: u32) -> Caller {
    let tree = cx.a.defs.modules[module.index()].ast;
    let path = path_at(tree, offset);
    let innermost = path.iter().rev().find_map(|n| match n {
        Node::Item(item) if !matches!(item.kind, ItemKind::Field(_)) => Some(*item),
        _ => None,
    });
    let Some(item) = innermost else {
        let path = cx.a.defs.modules[module.index()].path.clone();
        let end = cx.a.module_text(module).len() as u32;
        return Caller {
            module,
            whole: Span::new(0, end),
            at: Span::default(),
            name: path,
            detail: "script".into(),
        };
    };
    let whole = item.span;
    let text = cx.a.module_text(module);
    let (at, detail) = match &item.kind {
        ItemKind::Function(f) => (f.name.span, "function"),
        ItemKind::Task(t) => (t.name.span, "task"),
        ItemKind::Scenario(s) => (s.name.span, "scenario"),
        ItemKind::Constructor(c) => (c.name.span, "constructor"),
        ItemKind::CompactConstructor(c) => (c.name.span, "constructor"),
        ItemKind::Test(t) => {
            let name = match &t.name.kind {
                ExprKind::Str(parts) => match &parts[..] {
                    [StrPart::Text(text)] => text.to_string(),
                    _ => "test".into(),
                },
                _ => "test".into(),
            };
            return Caller { module, whole, at: t.name.span, name, detail: "test".into() };
        }
        ItemKind::Record(r) => (r.name.span, "record"),
        ItemKind::Class(c) => (c.name.span, "class"),
        ItemKind::Enum(e) => (e.name.span, "enum"),
        ItemKind::Interface(i) => (i.name.span, "interface"),
        ItemKind::Field(_) | ItemKind::Error => (whole, "declaration"),
    };
    let name = text[at.start as usize..at.end as usize].to_string();
    let shown = match cx.a.occurrence_at(module, at.start) {
        Some(found) => describe::entity(cx.a, found.entity),
        None => detail.to_string(),
    };
    Caller { module, whole, at, name, detail: shown }
}

fn to_value(cx: &Cx<'_, '_, '_>, caller: &Caller, root: &str) -> Option<Value> {
    let uri = cx.uri(caller.module)?;
    let lines = cx.lines(caller.module);
    let is_task = caller.detail.contains("task ") || caller.detail.starts_with("scenario");
    Some(json!({
        "name": caller.name,
        "kind": if is_task { 24 } else { 12 },
        "detail": caller.detail,
        "uri": uri,
        "range": lines.range(caller.whole),
        "selectionRange": lines.range(caller.at),
        // The file it was asked from tells the source root, also where the item is the library's.
        "data": {"uri": root, "module": cx.a.defs.modules[caller.module.index()].path, "at": caller.at.start},
    }))
}

pub fn prepare(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Answer {
    let (module, offset) = cx.at(params)?;
    let root = crate::features::address(params).unwrap_or_default().to_string();
    let declared = cx.a.occurrence_at(module, offset).and_then(|found| match found.entity {
        Entity::Fn(_) | Entity::Task(_) | Entity::Scenario(_) => cx.a.declaration(found.entity),
        _ => None,
    });
    let Some((home, span)) = declared else { return Ok(Value::Null) };
    let caller = caller_at(cx, home, span.start);
    Ok(to_value(cx, &caller, &root).map_or(Value::Null, |item| json!([item])))
}

/// The thing that an item of an earlier answer stands for.
fn item(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Result<(ModuleId, u32, String), Failure> {
    let data = params.pointer("/item/data").ok_or(Failure::params("the item is none of ours"))?;
    let module = data.get("module").and_then(Value::as_str).and_then(|path| cx.a.module_at(path));
    let at = data.get("at").and_then(Value::as_u64);
    let root = data.get("uri").and_then(Value::as_str).unwrap_or_default().to_string();
    match (module, at) {
        (Some(module), Some(at)) => Ok((module, at as u32, root)),
        _ => Err(Failure::refused("the item is not there any more")),
    }
}

pub fn incoming(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Answer {
    let (module, at, root) = item(cx, params)?;
    let Some(found) = cx.a.occurrence_at(module, at) else { return Ok(json!([])) };
    let mut callers: Vec<(Caller, Vec<Value>)> = Vec::new();
    for (module, occurrence) in uses(cx, found.entity) {
        if occurrence.is_declaration || in_import(cx, module, occurrence.span) {
            continue;
        }
        let range = cx.lines(module).range(occurrence.span);
        let caller = caller_at(cx, module, occurrence.span.start);
        match callers.iter_mut().find(|(c, _)| c.module == caller.module && c.whole == caller.whole) {
            Some((_, ranges)) => ranges.push(range),
            None => callers.push((caller, vec![range])),
        }
    }
    let values = callers.iter().filter_map(|(caller, ranges)| {
        Some(json!({"from": to_value(cx, caller, &root)?, "fromRanges": ranges}))
    });
    Ok(values.collect())
}

fn in_import(cx: &Cx<'_, '_, '_>, module: ModuleId, span: Span) -> bool {
    let imports = &cx.a.defs.modules[module.index()].ast.imports;
    imports.iter().any(|i| i.span.start <= span.start && span.end <= i.span.end)
}

pub fn outgoing(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Answer {
    let (module, at, root) = item(cx, params)?;
    let whole = caller_at(cx, module, at).whole;
    let mut called: Vec<(Entity, Vec<Value>)> = Vec::new();
    for occurrence in cx.a.occurrences(module, whole) {
        let within = whole.start <= occurrence.span.start && occurrence.span.end <= whole.end;
        let calls = matches!(occurrence.entity, Entity::Fn(_) | Entity::Task(_) | Entity::Scenario(_));
        if occurrence.is_declaration || !within || !calls {
            continue;
        }
        let range = cx.lines(module).range(occurrence.span);
        match called.iter_mut().find(|(entity, _)| *entity == occurrence.entity) {
            Some((_, ranges)) => ranges.push(range),
            None => called.push((occurrence.entity, vec![range])),
        }
    }
    let mut values = Vec::new();
    for (entity, ranges) in called {
        let Some((home, span)) = cx.a.declaration(entity) else { continue };
        let target = caller_at(cx, home, span.start);
        if let Some(to) = to_value(cx, &target, &root) {
            values.push(json!({"to": to, "fromRanges": ranges}));
        }
    }
    Ok(json!(values))
}
