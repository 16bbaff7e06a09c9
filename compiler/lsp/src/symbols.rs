//! What a file declares, and what is declared anywhere by that name.

use crate::describe;
use crate::features::{Answer, Cx};
use crate::position::Lines;
use dscript_compiler::defs::ModuleId;
use dscript_grammar::ast::{Item, ItemKind, StmtKind};
use dscript_grammar::span::{Interner, Span};
use serde_json::{Value, json};

/// Symbols of a whole workspace that are shown at once.
const SYMBOLS_MAX: usize = 500;

mod kind {
    pub const CLASS: u8 = 5;
    pub const METHOD: u8 = 6;
    pub const FIELD: u8 = 8;
    pub const CONSTRUCTOR: u8 = 9;
    pub const ENUM: u8 = 10;
    pub const INTERFACE: u8 = 11;
    pub const FUNCTION: u8 = 12;
    pub const VARIABLE: u8 = 13;
    pub const CONSTANT: u8 = 14;
    pub const NAMESPACE: u8 = 3;
    pub const OBJECT: u8 = 19;
    pub const ENUM_MEMBER: u8 = 22;
    pub const STRUCT: u8 = 23;
    pub const EVENT: u8 = 24;
}

struct Symbol {
    name: String,
    detail: String,
    kind: u8,
    whole: Span,
    at: Span,
    children: Vec<Symbol>,
}

impl Symbol {
    fn to_value(&self, lines: Lines<'_>) -> Value {
        let mut value = json!({
            "name": if self.name.is_empty() { "?" } else { &self.name },
            "kind": self.kind,
            "range": lines.range(self.whole.to(self.at)),
            "selectionRange": lines.range(self.at),
        });
        if !self.detail.is_empty() {
            value["detail"] = json!(self.detail);
        }
        if !self.children.is_empty() {
            value["children"] = self.children.iter().map(|c| c.to_value(lines)).collect();
        }
        value
    }
}

fn symbol(item: &Item, names: &Interner, is_member: bool) -> Option<Symbol> {
    let leaf = |name: Span, text: &str, detail: &str, kind: u8, children: Vec<Symbol>| {
        Some(Symbol { name: text.into(), detail: detail.into(), kind, whole: item.span, at: name, children })
    };
    let members =
        |members: &[Item]| members.iter().filter_map(|m| symbol(m, names, true)).collect::<Vec<_>>();
    match &item.kind {
        ItemKind::Function(f) => {
            let kind = if is_member { kind::METHOD } else { kind::FUNCTION };
            let detail = if item.modifiers.lowlevel.is_some() { "lowlevel" } else { "" };
            leaf(f.name.span, names.name(f.name.name), detail, kind, Vec::new())
        }
        ItemKind::Task(t) => {
            let detail = t.role.map_or("task".to_string(), |r| format!("{} task", describe::role(r)));
            leaf(t.name.span, names.name(t.name.name), &detail, kind::EVENT, Vec::new())
        }
        ItemKind::Scenario(s) => {
            let states = s.states.iter().map(|state| Symbol {
                name: names.name(state.name.name).into(),
                detail: "state".into(),
                kind: kind::OBJECT,
                whole: state.span,
                at: state.name.span,
                children: Vec::new(),
            });
            leaf(s.name.span, names.name(s.name.name), "scenario", kind::NAMESPACE, states.collect())
        }
        ItemKind::Test(t) => {
            let name = match &t.name.kind {
                dscript_grammar::ast::ExprKind::Str(parts) => match &parts[..] {
                    [dscript_grammar::ast::StrPart::Text(text)] => text.to_string(),
                    _ => "test".into(),
                },
                _ => "test".into(),
            };
            leaf(t.name.span, &name, "test", kind::METHOD, Vec::new())
        }
        ItemKind::Record(r) => {
            let mut children: Vec<Symbol> = r
                .components
                .iter()
                .map(|p| Symbol {
                    name: names.name(p.name.name).into(),
                    detail: String::new(),
                    kind: kind::FIELD,
                    whole: p.span,
                    at: p.name.span,
                    children: Vec::new(),
                })
                .collect();
            children.extend(members(&r.members));
            leaf(r.name.span, names.name(r.name.name), "record", kind::STRUCT, children)
        }
        ItemKind::Class(c) => {
            leaf(c.name.span, names.name(c.name.name), "class", kind::CLASS, members(&c.members))
        }
        ItemKind::Interface(i) => {
            leaf(i.name.span, names.name(i.name.name), "interface", kind::INTERFACE, members(&i.members))
        }
        ItemKind::Enum(e) => {
            let mut children: Vec<Symbol> = e
                .constants
                .iter()
                .map(|c| Symbol {
                    name: names.name(c.name.name).into(),
                    detail: String::new(),
                    kind: kind::ENUM_MEMBER,
                    whole: dscript_grammar::walk::Node::EnumConstant(c).span(),
                    at: c.name.span,
                    children: Vec::new(),
                })
                .collect();
            children.extend(members(&e.members));
            leaf(e.name.span, names.name(e.name.name), "enum", kind::ENUM, children)
        }
        ItemKind::Field(f) => {
            let constant = item.modifiers.static_.is_some();
            let kind = if constant { kind::CONSTANT } else { kind::FIELD };
            leaf(f.name.span, names.name(f.name.name), "", kind, Vec::new())
        }
        ItemKind::Constructor(c) => {
            leaf(c.name.span, names.name(c.name.name), "", kind::CONSTRUCTOR, Vec::new())
        }
        ItemKind::CompactConstructor(c) => {
            leaf(c.name.span, names.name(c.name.name), "", kind::CONSTRUCTOR, Vec::new())
        }
        ItemKind::Error => None,
    }
}

fn of_module(cx: &Cx<'_, '_, '_>, module: ModuleId) -> Vec<Symbol> {
    let tree = cx.a.defs.modules[module.index()].ast;
    let mut found: Vec<Symbol> =
        tree.items.iter().filter_map(|item| symbol(item, cx.a.interner, false)).collect();
    for stmt in &tree.script {
        if let StmtKind::Local(local) = &stmt.kind {
            found.extend(local.vars.iter().map(|v| Symbol {
                name: cx.a.name(v.name.name).into(),
                detail: String::new(),
                kind: kind::VARIABLE,
                whole: stmt.span,
                at: v.name.span,
                children: Vec::new(),
            }));
        }
    }
    found.sort_by_key(|s| s.whole);
    found
}

pub fn document(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Answer {
    let module = cx.module(params)?;
    let lines = cx.lines(module);
    Ok(of_module(cx, module).iter().map(|s| s.to_value(lines)).collect())
}

/// Whether the letters of a query stand in a name in their order, in any case.
fn matches(query: &str, name: &str) -> bool {
    let mut letters = name.chars().flat_map(char::to_lowercase);
    query.chars().flat_map(char::to_lowercase).all(|wanted| letters.any(|c| c == wanted))
}

pub fn workspace(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Answer {
    let query = params.get("query").and_then(Value::as_str).unwrap_or("");
    let mut found = Vec::new();
    for index in 0..cx.a.defs.modules.len() {
        let module = ModuleId(index as u32);
        if cx.a.defs.modules[index].is_std {
            continue;
        }
        for symbol in of_module(cx, module) {
            let parts = symbol.children.iter().map(|c| (c, symbol.name.as_str()));
            for (part, container) in std::iter::once((&symbol, "")).chain(parts) {
                if found.len() >= SYMBOLS_MAX {
                    return Ok(json!(found));
                }
                if part.kind == kind::VARIABLE || !matches(query, &part.name) {
                    continue;
                }
                let Some(location) = cx.location(module, part.at) else { continue };
                let path = &cx.a.defs.modules[index].path;
                let container =
                    if container.is_empty() { path.clone() } else { format!("{path}.{container}") };
                found.push(json!({
                    "name": part.name, "kind": part.kind, "location": location, "containerName": container,
                }));
            }
        }
    }
    Ok(json!(found))
}
