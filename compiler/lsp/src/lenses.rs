//! Lines above declarations: run a test, show a scenario's graph, what a program may reach; and the command that gives
//! the graph.

use crate::features::{Answer, Cx, Failure};
use dscript_compiler::defs::ModuleId;
use dscript_compiler::session::Entity;
use dscript_grammar::ast::{ExprKind, ItemKind, StrPart};
use dscript_grammar::span::Span;
use serde_json::{Value, json};

pub const SHOW_SCENARIO: &str = "dscript.showScenario";
/// The client's: it knows how to run a test and where to show what came of it.
const RUN_TEST: &str = "dscript.runTest";
/// The client's: shows the list that is its argument.
const SHOW_CAPABILITIES: &str = "dscript.showCapabilities";

/// Low-Level Scripts that a lens names.
const NAMED_MAX: usize = 4;

pub fn lenses(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Answer {
    let module = cx.module(params)?;
    let uri = crate::features::address(params).unwrap_or_default().to_string();
    let lines = cx.lines(module);
    let tree = cx.a.defs.modules[module.index()].ast;
    let mut found = Vec::new();
    let mut add = |span: Span, title: String, command: &str, arguments: Value| {
        let command = json!({"title": title, "command": command, "arguments": arguments});
        found.push(json!({"range": lines.range(span), "command": command}));
    };
    for item in &tree.items {
        match &item.kind {
            ItemKind::Test(test) => {
                if let ExprKind::Str(parts) = &test.name.kind
                    && let [StrPart::Text(name)] = &parts[..]
                {
                    add(test.name.span, "Run test".into(), RUN_TEST, json!([{"uri": uri, "name": name}]));
                }
            }
            ItemKind::Scenario(s) => {
                let name = cx.a.name(s.name.name);
                add(s.name.span, "Show graph".into(), SHOW_SCENARIO, json!([{"uri": uri, "name": name}]));
            }
            ItemKind::Task(task) => {
                let (mut names, needs) = reached(cx, module, item.span);
                if names.is_empty() {
                    continue;
                }
                let all = names.clone();
                let more = names.len().saturating_sub(NAMED_MAX);
                names.truncate(NAMED_MAX);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                let title = format!("reaches {}{more}", names.join(", "));
                add(task.name.span, title, SHOW_CAPABILITIES, json!([{"lowlevel": all, "needs": needs}]));
            }
            _ => {}
        }
    }
    let path = cx.a.defs.modules[module.index()].path.clone();
    let compiled = cx.worker.compiled.get(&(cx.root.place.clone(), path));
    if let Some(image) = compiled.filter(|c| c.stamp == cx.worker.stamp).and_then(|c| c.image.as_ref())
        && !image.manifest.capabilities.is_empty()
    {
        let needs = &image.manifest.capabilities;
        let title = format!("needs {}", needs.join(", "));
        add(
            Span::default(),
            title,
            SHOW_CAPABILITIES,
            json!([{"lowlevel": image.manifest.lowlevel, "needs": needs}]),
        );
    }
    Ok(json!(found))
}

/// The Low-Level Scripts that a declaration comes to, and what those say they need.
fn reached(cx: &mut Cx<'_, '_, '_>, module: ModuleId, whole: Span) -> (Vec<String>, Vec<String>) {
    let mut ask = vec![(module, whole)];
    let mut seen: Vec<Entity> = Vec::new();
    let (mut names, mut needs) = (Vec::new(), Vec::new());
    while let Some((module, span)) = ask.pop() {
        for occurrence in cx.a.occurrences(module, span) {
            let inside = span.start <= occurrence.span.start && occurrence.span.end <= span.end;
            let Entity::Fn(id) = occurrence.entity else { continue };
            if !inside || occurrence.is_declaration || seen.contains(&occurrence.entity) {
                continue;
            }
            seen.push(occurrence.entity);
            let def = &cx.a.defs.fns[id.index()];
            if def.is_lowlevel {
                let owner = def
                    .owner
                    .map_or(String::new(), |o| format!("{}.", cx.a.name(cx.a.defs.types[o.index()].name)));
                names.push(format!("{owner}{}", cx.a.name(def.name)));
                needs.extend(def.needs.iter().flatten().cloned());
            }
            // The library's functions speak for what they call.
            if !cx.a.defs.modules[def.module.index()].is_std {
                ask.push((def.module, cx.a.whole_declaration(def.module, def.span)));
            }
        }
    }
    needs.sort();
    needs.dedup();
    (names, needs)
}

pub fn execute(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Answer {
    let command = params.get("command").and_then(Value::as_str).unwrap_or("");
    if command != SHOW_SCENARIO {
        return Err(Failure::params(&format!("no command `{command}` is known")));
    }
    let argument = params.pointer("/arguments/0").cloned().unwrap_or(Value::Null);
    let module = cx.module(params)?;
    let path = cx.a.defs.modules[module.index()].path.clone();
    let compiled = crate::whole::now(cx, &path);
    let image = compiled.map_err(|first| {
        Failure::refused(format!("the program has mistakes, so there is no graph yet: {first}"))
    })?;
    let all = (cx.worker.hooks().scenarios)(&image);
    let name = argument.get("name").and_then(Value::as_str);
    let rows = all.get("scenarios").and_then(Value::as_array);
    let is_own = |s: &Value| s.get("name").and_then(Value::as_str) == name;
    match name {
        Some(name) if !rows.is_some_and(|rows| rows.iter().any(is_own)) => {
            Err(Failure::refused(format!("there is no scenario `{name}` in this file")))
        }
        _ => Ok(all),
    }
}
