//! What may be written at the cursor.
//!
//! Behind a `.` the members; in an import modules and what they declare; else what the parser's tables say can stand
//! there: words of the language, and where a name can, the names in scope and those that an import would bring.

mod item;
pub mod text_before;

use crate::describe;
use crate::features::{Answer, Cx, Failure};
use dscript_compiler::defs::{Body, ModuleId, TypeKind};
use dscript_compiler::session::{CalleeKind, Entity, Member, MemberKind, Receiver};
use dscript_compiler::types::Ty;
use dscript_grammar::ast::{self, ItemKind};
use dscript_grammar::span::Span;
use dscript_grammar::walk::{Node, path_at};
use dscript_grammar::{Follows, follows};
use item::{Item, Rank, kind};
use serde_json::{Value, json};

/// Names that need an import are offered once this much of one is written.
const IMPORT_LETTERS_MIN: usize = 2;

/// Where the cursor is.
struct Here<'t> {
    module: ModuleId,
    offset: u32,
    text: &'t str,
    /// The part of a name before the cursor.
    written: &'t str,
    /// The name around the cursor: what an item replaces.
    word: Span,
}

pub fn completion(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Answer {
    let (module, offset) = cx.at(params)?;
    let text = cx.a.module_text(module);
    if in_comment(cx, module, offset) {
        return Ok(json!([]));
    }
    let start = text_before::word_start(text, offset as usize);
    let end = text_before::word_end(text, offset as usize);
    let word = Span::new(start as u32, end as u32);
    let here = Here { module, offset, text, written: &text[start..offset as usize], word };
    let mut items = Vec::new();
    if let Some(import) = text_before::import(text, start) {
        imports(cx, &import, &mut items);
    } else if let Some(receiver) = text_before::receiver(text, start) {
        members(cx, &here, receiver, &mut items);
    } else {
        anything(cx, &here, &mut items);
    }
    let lines = cx.lines(module);
    let range = lines.range(word);
    let uri = crate::features::address(params).unwrap_or_default().to_string();
    let items: Vec<Value> =
        items.into_iter().map(|item| item.to_value(&range, &uri, cx.worker.client.snippets)).collect();
    Ok(json!({"isIncomplete": false, "items": items}))
}

/// Adds the doc comment.
pub fn resolve(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Answer {
    let mut item = params.clone();
    let data = params.get("data").ok_or(Failure::params("the item is none of ours"))?;
    let module = data.get("module").and_then(Value::as_str).and_then(|path| cx.a.module_at(path));
    let at = data.get("at").and_then(Value::as_u64);
    if let (Some(module), Some(at)) = (module, at)
        && let Some(found) = cx.a.occurrence_at(module, at as u32)
    {
        let text = crate::hover::text(cx, found.entity);
        item["documentation"] = json!({"kind": "markdown", "value": text});
    }
    Ok(item)
}

fn in_comment(cx: &Cx<'_, '_, '_>, module: ModuleId, offset: u32) -> bool {
    let comments = &cx.a.parsed(module).comments;
    comments.iter().any(|c| c.span.start < offset && (offset < c.span.end || c.line && offset == c.span.end))
}

// ---- imports ----

fn imports(cx: &mut Cx<'_, '_, '_>, import: &text_before::Import<'_>, items: &mut Vec<Item>) {
    let prefix = if import.path.is_empty() { String::new() } else { format!("{}.", import.path) };
    let mut seen = Vec::new();
    for module in &cx.a.defs.modules {
        let Some(rest) = module.path.strip_prefix(&prefix) else { continue };
        let (word, more) = rest.split_once('.').map_or((rest, false), |(word, _)| (word, true));
        if !word.is_empty() && !seen.contains(&word) {
            seen.push(word);
            items.push(Item::new(word, kind::MODULE, Rank::Near).detail(if more {
                "folder"
            } else {
                "module"
            }));
        }
    }
    if let Some(module) = cx.a.module_at(import.path) {
        items.push(Item::new("*", kind::KEYWORD, Rank::Near).detail("everything it declares"));
        let declared = &cx.a.defs.modules[module.index()].names;
        let mut names: Vec<_> = declared.iter().map(|(&n, &d)| (n, d)).collect();
        names.sort_by_key(|(n, _)| *n);
        for (name, def) in names {
            let entity = Entity::from(def);
            if cx.a.is_private(entity) {
                continue;
            }
            let text = cx.a.name(name).to_string();
            items.push(of_entity(cx, &text, entity, Rank::Near));
        }
    }
}

// ---- members ----

fn members(
    cx: &mut Cx<'_, '_, '_>,
    here: &Here<'_>,
    receiver: text_before::Written<'_>,
    items: &mut Vec<Item>,
) {
    let at = here.word.start;
    cx.a.look_within(here.module, Span::new(at, at));
    let tree = cx.a.receiver_at(here.module, here.offset.max(at));
    // The tree may have lost what stands before the dot, or read it as part of something else.
    let tree = tree.filter(|expr| expr.span.start as usize == receiver.start && !receiver.text.is_empty());
    let found = tree.and_then(|expr| match cx.a.named_type(here.module, expr) {
        Some(id) => Some(Receiver::Type(id)),
        None => {
            let ty = cx.a.type_of(here.module, expr);
            (!matches!(ty, Ty::POISON | Ty::VOID)).then_some(Receiver::Value(ty))
        }
    });
    let found = found.or_else(|| cx.a.receiver_of_text(here.module, at, receiver.text));
    let calls = has_parentheses(here);
    match found {
        Some(Receiver::Type(id)) => {
            for member in cx.a.static_members(id, here.module) {
                items.extend(member_item(cx, member, calls));
            }
        }
        Some(Receiver::Value(ty)) => {
            let plain = cx.a.plain(ty);
            for member in cx.a.members(plain, here.module) {
                items.extend(member_item(cx, member, calls));
            }
        }
        None => {}
    }
}

/// Arguments are written behind the name already.
fn has_parentheses(here: &Here<'_>) -> bool {
    here.text[here.word.end as usize..].starts_with('(')
}

fn member_item(cx: &mut Cx<'_, '_, '_>, member: Member, calls: bool) -> Option<Item> {
    let (name, item_kind) = match member.kind {
        MemberKind::Field(id, place) => {
            (cx.a.defs.types[id.index()].fields[place as usize].name, kind::FIELD)
        }
        MemberKind::Method(id) => (cx.a.defs.fns[id.index()].name, kind::METHOD),
        MemberKind::Const(id) => (cx.a.defs.consts[id.index()].name, kind::CONSTANT),
        MemberKind::EnumConst(id, place) => {
            (cx.a.defs.types[id.index()].constants[place as usize].0, kind::ENUM_MEMBER)
        }
        MemberKind::Enum(own) => {
            return Some(
                Item::new(own.word(), kind::METHOD, Rank::Near).call(!calls, false).detail("of every enum"),
            );
        }
        MemberKind::With => {
            return Some(
                Item::new("with", kind::METHOD, Rank::Near)
                    .call(!calls, true)
                    .detail("a copy with other values"),
            );
        }
    };
    let text = cx.a.name(name).to_string();
    let mut item = Item::new(&text, item_kind, Rank::Near);
    let shown = cx.a.show(member.ty);
    item = item.detail(&shown);
    if let MemberKind::Method(id) = member.kind {
        let takes = !cx.a.defs.fns[id.index()].params.is_empty();
        item = item.call(!calls, takes);
        if cx.a.defs.fns[id.index()].is_lowlevel {
            item = item.detail(&format!("lowlevel {shown}"));
        }
    }
    Some(with_place(cx, item, member.kind.entity()))
}

fn with_place(cx: &Cx<'_, '_, '_>, item: Item, entity: Option<Entity>) -> Item {
    match entity.and_then(|e| cx.a.declaration(e)) {
        Some((module, span)) => item.declared(&cx.a.defs.modules[module.index()].path, span.start),
        None => item,
    }
}

// ---- everything else ----

/// The text from the start of the declaration or statement around the cursor.
fn around<'t>(cx: &Cx<'_, '_, '_>, here: &Here<'t>) -> &'t str {
    let at = here.word.start;
    let tree = cx.a.defs.modules[here.module.index()].ast;
    let path = path_at(tree, at);
    let start = match path.get(1) {
        Some(Node::Item(item)) if item.span.end > at => item.span.start as usize,
        Some(Node::Stmt(stmt)) if stmt.span.end > at => stmt.span.start as usize,
        _ => text_before::declaration_start(here.text, at as usize),
    };
    // What could not be read may begin further up than what was read of it.
    let start = start.min(text_before::declaration_start(here.text, at as usize));
    &here.text[start.min(at as usize)..at as usize]
}

fn anything(cx: &mut Cx<'_, '_, '_>, here: &Here<'_>, items: &mut Vec<Item>) {
    let before = around(cx, here);
    let follows = follows(before);
    words(cx, here, &follows, before, items);
    if text_before::last_word(before) == Some("go") {
        states(cx, here, items);
        return;
    }
    let named = if follows.expression { parameters(cx, here, items) } else { None };
    if !follows.name && !follows.expression && !follows.ty {
        return;
    }
    names(cx, here, &follows, before, items, named);
}

fn words(cx: &Cx<'_, '_, '_>, here: &Here<'_>, follows: &Follows, before: &str, items: &mut Vec<Item>) {
    for word in &follows.words {
        items.push(Item::new(word, kind::KEYWORD, Rank::Word));
    }
    if !cx.worker.client.snippets {
        return;
    }
    let at_start = before.trim().is_empty();
    for snippet in item::SNIPPETS {
        // One that declares stands between declarations, one that does among statements.
        let fits = match snippet.place {
            item::Place::Module => at_start && follows.statement,
            item::Place::Statement => follows.statement && follows.words.contains(&snippet.begins),
            item::Place::State => follows.words.contains(&snippet.begins) && in_scenario(cx, here),
        };
        if fits {
            items.push(
                Item::new(snippet.label, kind::SNIPPET, Rank::Word)
                    .snippet(snippet.text)
                    .detail(snippet.what),
            );
        }
    }
}

fn in_scenario(cx: &Cx<'_, '_, '_>, here: &Here<'_>) -> bool {
    let tree = cx.a.defs.modules[here.module.index()].ast;
    path_at(tree, here.offset)
        .iter()
        .any(|n| matches!(n, Node::Item(ast::Item { kind: ItemKind::Scenario(_), .. })))
}

fn states(cx: &Cx<'_, '_, '_>, here: &Here<'_>, items: &mut Vec<Item>) {
    let tree = cx.a.defs.modules[here.module.index()].ast;
    for node in path_at(tree, here.word.start) {
        if let Node::Item(ast::Item { kind: ItemKind::Scenario(scenario), .. }) = node {
            for state in &scenario.states {
                items.push(
                    Item::new(cx.a.name(state.name.name), kind::ENUM_MEMBER, Rank::Near).detail("state"),
                );
            }
        }
    }
}

/// Offers parameters by name; gives the type that the argument should have.
fn parameters(cx: &mut Cx<'_, '_, '_>, here: &Here<'_>, items: &mut Vec<Item>) -> Option<Ty> {
    let at = here.word.start;
    let callee = match cx.a.callee_at(here.module, at) {
        Some(callee) => callee,
        None => {
            let call = text_before::open_call(here.text, at as usize)?;
            let mut found = cx.a.callee_of_text(here.module, at, call.callee)?;
            found.active = call.commas;
            found
        }
    };
    let defs = cx.a.defs;
    let params = match callee.what {
        CalleeKind::Fn(id) => &defs.fns[id.index()].params,
        CalleeKind::Task(id) => &defs.tasks[id.index()].params,
        CalleeKind::Scenario(id) => &defs.scenarios[id.index()].params,
        CalleeKind::With(id) => {
            for field in defs.types[id.index()].fields.iter().filter(|f| !callee.named.contains(&f.name)) {
                let shown = cx.a.show(field.ty);
                let text = format!("{}:", cx.a.name(field.name));
                items.push(
                    Item::new(&text, kind::PROPERTY, Rank::First).insert(&format!("{text} ")).detail(&shown),
                );
            }
            return None;
        }
        CalleeKind::Value => return callee.params.get(callee.active).copied(),
    };
    // Only at the start of an argument.
    let before = here.text[..at as usize].trim_end();
    if before.ends_with('(') || before.ends_with(',') {
        for (index, param) in params.iter().enumerate().skip(callee.active) {
            if !callee.named.contains(&param.name) {
                let shown = cx.a.show(callee.params.get(index).copied().unwrap_or(param.ty));
                let text = format!("{}:", cx.a.name(param.name));
                items.push(
                    Item::new(&text, kind::PROPERTY, Rank::First).insert(&format!("{text} ")).detail(&shown),
                );
            }
        }
    }
    callee.params.get(callee.active).or(params.get(callee.active).map(|p| &p.ty)).copied()
}

fn names(
    cx: &mut Cx<'_, '_, '_>,
    here: &Here<'_>,
    follows: &Follows,
    before: &str,
    items: &mut Vec<Item>,
    wanted: Option<Ty>,
) {
    let types_only = (follows.ty || text_before::last_word(before) == Some("new")) && !follows.expression;
    let after_new = text_before::last_word(before) == Some("new");
    let role = matches!(text_before::last_word(before), Some("monitor" | "analyze" | "recover" | "respond"))
        && in_scenario(cx, here);
    let verify = text_before::last_word(before) == Some("verify") && in_scenario(cx, here);
    let stand_in = matches!(text_before::last_word(before), Some("given" | "verify")) && !verify;
    let calls = has_parentheses(here);
    let fits = |cx: &Cx<'_, '_, '_>, entity: Entity| match entity {
        Entity::Type(id) => {
            let kind = cx.a.defs.types[id.index()].kind;
            !(role || verify)
                && (!after_new || matches!(kind, TypeKind::Record | TypeKind::Class | TypeKind::Native))
        }
        Entity::Task(_) => role || verify || text_before::inside_run(before),
        Entity::Scenario(_) => text_before::last_word(before) == Some("scenario"),
        Entity::Fn(id) if stand_in => cx.a.defs.fns[id.index()].is_lowlevel,
        _ => !types_only && !role && !verify && !stand_in,
    };
    let visible = cx.a.visible(here.module, here.word.start);
    for known in visible {
        if !fits(cx, known.entity) {
            continue;
        }
        let text = cx.a.name(known.name).to_string();
        if text == "?" || known.distance == 0 && text == here.written && known_only_here(here, &text) {
            continue;
        }
        let mut rank = match known.distance {
            0 => Rank::Local,
            1 | 2 => Rank::Near,
            3 => Rank::Imported,
            _ => Rank::Library,
        };
        if let Some(wanted) = wanted
            && known.distance == 0
            && cx.a.entity_type(known.entity).is_some_and(|ty| cx.a.types.resolve(ty) == wanted)
        {
            rank = Rank::First;
        }
        let mut item = of_entity(cx, &text, known.entity, rank);
        if !calls && !after_new {
            item = called(cx, item, known.entity);
        }
        items.push(item);
    }
    if here.written.chars().count() < IMPORT_LETTERS_MIN {
        return;
    }
    for (module, name, entity) in cx.a.importable(here.module) {
        let text = cx.a.name(name);
        let near = text.to_lowercase().starts_with(&here.written.to_lowercase());
        if !near || !fits(cx, entity) {
            continue;
        }
        let path = cx.a.defs.modules[module.index()].path.clone();
        let edit = crate::actions::import_edit(cx, here.module, &path, text);
        let text = text.to_string();
        let mut item = of_entity(cx, &text, entity, Rank::Unimported).also(edit).from(&path);
        if !calls && !after_new {
            item = called(cx, item, entity);
        }
        items.push(item);
    }
}

/// The name is in the text once: it is the one being written.
fn known_only_here(here: &Here<'_>, name: &str) -> bool {
    here.text.matches(name).count() == 1
}

fn called(cx: &Cx<'_, '_, '_>, item: Item, entity: Entity) -> Item {
    let defs = cx.a.defs;
    match entity {
        Entity::Fn(id) => item.call(true, !defs.fns[id.index()].params.is_empty()),
        Entity::Task(id) => item.call(true, !defs.tasks[id.index()].params.is_empty()),
        Entity::Scenario(id) => item.call(true, !defs.scenarios[id.index()].params.is_empty()),
        _ => item,
    }
}

fn of_entity(cx: &mut Cx<'_, '_, '_>, text: &str, entity: Entity, rank: Rank) -> Item {
    let defs = cx.a.defs;
    let item_kind = match entity {
        Entity::Fn(id) if defs.fns[id.index()].owner.is_some() => kind::METHOD,
        Entity::Fn(_) => kind::FUNCTION,
        Entity::Type(id) => match defs.types[id.index()].kind {
            TypeKind::Record => kind::STRUCT,
            TypeKind::Class | TypeKind::Native => kind::CLASS,
            TypeKind::Enum => kind::ENUM,
            TypeKind::Interface => kind::INTERFACE,
        },
        Entity::Const(_) => kind::CONSTANT,
        Entity::Task(_) | Entity::Scenario(_) => kind::EVENT,
        Entity::Field(..) => kind::FIELD,
        Entity::EnumConst(..) | Entity::State(..) => kind::ENUM_MEMBER,
        Entity::Local(..) => kind::VARIABLE,
        Entity::TypeParam(..) => kind::TYPE_PARAMETER,
        Entity::Module(_) => kind::MODULE,
    };
    let detail = match entity {
        Entity::Local(..) | Entity::Field(..) | Entity::Const(_) => {
            cx.a.entity_type(entity).map_or(String::new(), |ty| cx.a.show(ty))
        }
        Entity::Fn(id) if matches!(defs.fns[id.index()].body, Body::Constructor(_)) => String::new(),
        Entity::Type(_) => String::new(),
        _ => describe::entity(cx.a, entity),
    };
    let item = Item::new(text, item_kind, rank).detail(&detail);
    let place = if matches!(entity, Entity::Local(..) | Entity::TypeParam(..)) { None } else { Some(entity) };
    with_place(cx, item, place)
}
