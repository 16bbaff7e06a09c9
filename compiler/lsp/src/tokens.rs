//! What each name is, for colouring: words of the language are left to the editor's grammar.

use crate::features::{Answer, Cx, Failure};
use dscript_compiler::defs::{ModuleId, TypeKind};
use dscript_compiler::session::{Entity, Occurrence};
use dscript_grammar::span::{NodeId, Span};
use dscript_grammar::walk::Node;
use rustc_hash::FxHashSet;
use serde_json::{Value, json};

const TYPES: &[&str] = &[
    "namespace",
    "class",
    "enum",
    "interface",
    "struct",
    "typeParameter",
    "parameter",
    "variable",
    "property",
    "enumMember",
    "function",
    "method",
    "event",
];
const MODIFIERS: &[&str] =
    &["declaration", "readonly", "static", "defaultLibrary", "modification", "lowlevel"];

pub fn provider() -> Value {
    json!({"legend": {"tokenTypes": TYPES, "tokenModifiers": MODIFIERS}, "full": true, "range": true})
}

pub fn full(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Answer {
    let module = cx.module(params)?;
    let end = cx.a.module_text(module).len() as u32;
    Ok(tokens(cx, module, Span::new(0, end)))
}

pub fn range(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Answer {
    let module = cx.module(params)?;
    let range = params.get("range").and_then(|r| cx.lines(module).span(r));
    let span = range.ok_or(Failure::params("that is no range"))?;
    Ok(tokens(cx, module, span))
}

fn tokens(cx: &mut Cx<'_, '_, '_>, module: ModuleId, span: Span) -> Value {
    let found = cx.a.occurrences(module, span);
    let params = parameters(cx, module);
    let lines = cx.lines(module);
    let mut data: Vec<usize> = Vec::new();
    let (mut last_line, mut last_column) = (0, 0);
    for occurrence in found {
        if occurrence.span.end < span.start || span.end < occurrence.span.start {
            continue;
        }
        let (line, column) = lines.place(occurrence.span.start);
        let from = if line == last_line { last_column } else { 0 };
        let (kind, modifiers) = describe(cx, &occurrence, &params);
        let kind = TYPES.iter().position(|t| *t == kind).unwrap_or_default();
        let bits = modifiers.iter().filter_map(|m| MODIFIERS.iter().position(|n| n == m));
        let bits: usize = bits.map(|bit| 1 << bit).sum();
        data.extend([line - last_line, column - from, lines.length(occurrence.span), kind, bits]);
        (last_line, last_column) = (line, column);
    }
    json!({"data": data})
}

fn parameters(cx: &Cx<'_, '_, '_>, module: ModuleId) -> FxHashSet<NodeId> {
    let mut found = FxHashSet::default();
    Node::Module(cx.a.defs.modules[module.index()].ast).each(&mut |node| match node {
        Node::Param(p) => drop(found.insert(p.id)),
        Node::LambdaParam(p) => drop(found.insert(p.id)),
        _ => {}
    });
    found
}

fn describe(
    cx: &Cx<'_, '_, '_>,
    occurrence: &Occurrence,
    params: &FxHashSet<NodeId>,
) -> (&'static str, Vec<&'static str>) {
    let defs = cx.a.defs;
    let mut modifiers = Vec::new();
    if occurrence.is_declaration {
        modifiers.push("declaration");
    } else if occurrence.is_write {
        modifiers.push("modification");
    }
    let home = cx.a.declaration(occurrence.entity).map(|(module, _)| module);
    if home.is_some_and(|m| defs.modules[m.index()].is_std) {
        modifiers.push("defaultLibrary");
    }
    let kind = match occurrence.entity {
        Entity::Module(_) => "namespace",
        Entity::Fn(id) => {
            let def = &defs.fns[id.index()];
            if def.is_lowlevel {
                modifiers.push("lowlevel");
            }
            if def.owner.is_some() && !def.is_method {
                modifiers.push("static");
            }
            if def.owner.is_some() { "method" } else { "function" }
        }
        Entity::Type(id) => match defs.types[id.index()].kind {
            TypeKind::Record => "struct",
            TypeKind::Enum => "enum",
            TypeKind::Interface => "interface",
            TypeKind::Class | TypeKind::Native => "class",
        },
        Entity::Const(_) => {
            modifiers.extend(["readonly", "static"]);
            "variable"
        }
        Entity::Task(_) | Entity::Scenario(_) => "event",
        Entity::Field(id, place) => {
            if defs.types[id.index()].fields.get(place as usize).is_some_and(|f| f.is_final) {
                modifiers.push("readonly");
            }
            "property"
        }
        Entity::EnumConst(..) | Entity::State(..) => "enumMember",
        Entity::Local(_, node) if params.contains(&node) => "parameter",
        Entity::Local(..) => "variable",
        Entity::TypeParam(..) => "typeParameter",
    };
    (kind, modifiers)
}
