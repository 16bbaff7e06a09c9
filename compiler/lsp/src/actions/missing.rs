//! What has to be declared: `lowlevel`, a state, a capability.

use super::{Action, Here, insert};
use crate::features::Cx;
use dscript_compiler::constants;
use dscript_grammar::ast::{Item, ItemKind};
use dscript_grammar::codes;
use dscript_grammar::diagnostic::{Diagnostic, Edit};
use dscript_grammar::span::Span;
use dscript_grammar::walk::{Node, path_at};

/// The function around a place.
fn function_at<'a>(cx: &Cx<'_, 'a, '_>, here: &Here<'_>, at: u32) -> Option<&'a Item> {
    let tree = cx.a.defs.modules[here.module.index()].ast;
    path_at(tree, at).into_iter().rev().find_map(|n| match n {
        Node::Item(item) if matches!(item.kind, ItemKind::Function(_)) => Some(item),
        _ => None,
    })
}

/// Marks the function around a call `lowlevel`.
pub(super) fn lowlevel(cx: &mut Cx<'_, '_, '_>, here: &Here<'_>, at: Span) -> Option<Action> {
    let item = function_at(cx, here, at.start)?;
    let ItemKind::Function(f) = &item.kind else { return None };
    if item.modifiers.lowlevel.is_some() {
        return None;
    }
    let start = f.type_params.first().map_or(f.ret.span.start, |p| {
        // `<T> T f()`: before the bracket.
        here.text[..p.name.span.start as usize].rfind('<').map_or(f.ret.span.start, |at| at as u32)
    });
    let mut edits = vec![insert(start, "lowlevel ")];
    // What reaches outside may fail.
    let ret = here.written(f.ret.span);
    if !ret.ends_with('!') && ret != "void" && ret != "Subprocess" {
        edits.push(insert(f.ret.span.end, "!"));
    }
    let name = here.written(f.name.span);
    let mut action = Action::fix(format!("Make `{name}` `lowlevel`"), here.module, edits);
    action.preferred = true;
    Some(action)
}

/// The same where nothing is wrong yet: with the cursor on a function's name.
pub(super) fn lowlevel_here(cx: &mut Cx<'_, '_, '_>, here: &Here<'_>) -> Option<Action> {
    let item = function_at(cx, here, here.span.start)?;
    let ItemKind::Function(f) = &item.kind else { return None };
    let on_name = f.name.span.start <= here.span.start && here.span.end <= f.name.span.end;
    if !on_name || f.body.is_none() {
        return None;
    }
    let mut action = lowlevel(cx, here, f.name.span)?;
    action.kind = "refactor.rewrite";
    action.preferred = false;
    Some(action)
}

/// Creates the state that `go` names.
pub(super) fn state(cx: &mut Cx<'_, '_, '_>, here: &Here<'_>, at: Span) -> Option<Action> {
    let tree = cx.a.defs.modules[here.module.index()].ast;
    let scenario = path_at(tree, at.start).into_iter().find_map(|n| match n {
        Node::Item(item) => match &item.kind {
            ItemKind::Scenario(s) => Some(s),
            _ => None,
        },
        _ => None,
    })?;
    let last = scenario.states.last()?;
    let name = here.written(at);
    let indent = here.indent(last.span.start);
    let text = format!("\n{indent}final state {name} {{\n{indent}}}");
    Some(Action::fix(format!("Create the state `{name}`"), here.module, vec![insert(last.span.end, text)]))
}

/// Declares what a function needs.
pub(super) fn capability(
    cx: &mut Cx<'_, '_, '_>,
    here: &Here<'_>,
    diagnostic: &Diagnostic,
) -> Option<Action> {
    let wanted = diagnostic.message.split('`').nth(1)?;
    let tree = cx.a.defs.modules[here.module.index()].ast;
    let item = path_at(tree, diagnostic.span.start).into_iter().rev().find_map(|n| match n {
        Node::Item(item) if matches!(item.kind, ItemKind::Function(_) | ItemKind::Task(_)) => Some(item),
        _ => None,
    })?;
    let known = item.annotations.iter().find(|a| here.written(a.name.span) == "Needs");
    let literal = constants::written(wanted);
    let edit = match known {
        Some(needs) => {
            let last = needs.args.last()?;
            let value = last.value.span;
            // A list of patterns, or one that becomes a list.
            match here.written(value).strip_suffix(']') {
                Some(_) => insert(value.end - 1, format!(", {literal}")),
                None => insert(value.end, format!(", {literal}")),
            }
        }
        None => {
            let indent = here.indent(item.span.start);
            insert(item.span.start, format!("@Needs({literal})\n{indent}"))
        }
    };
    let title = match diagnostic.code {
        codes::LEFT_OUT => format!("Add `{wanted}` to `@Needs`"),
        _ => format!("Declare it: `@Needs({literal})`"),
    };
    Some(Action::fix(title, here.module, vec![Edit { span: edit.span, text: edit.text }]))
}
