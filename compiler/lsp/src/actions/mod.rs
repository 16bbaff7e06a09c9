//! What can be done about the code at the cursor.
//!
//! First what the compiler itself suggests, as it is; then, for mistakes that have several good answers, each of them;
//! then what can be made of a selection.

mod extract;
mod failures;
mod missing;

use crate::features::{Answer, Cx, Failure};
use dscript_compiler::defs::ModuleId;
use dscript_grammar::codes;
use dscript_grammar::diagnostic::{Diagnostic, Edit};
use dscript_grammar::span::Span;
use serde_json::{Value, json};

/// What takes the place of a part of a module's text.
type Change = (ModuleId, Span, String);

/// One thing to do.
struct Action {
    title: String,
    kind: &'static str,
    edits: Vec<Change>,
    /// It is for this diagnostic.
    diagnostic: Option<Value>,
    preferred: bool,
}

impl Action {
    fn fix(title: impl Into<String>, module: ModuleId, edits: Vec<Edit>) -> Self {
        let edits = edits.into_iter().map(|e| (module, e.span, e.text)).collect();
        Self { title: title.into(), kind: "quickfix", edits, diagnostic: None, preferred: false }
    }
}

/// Where an action is asked for.
struct Here<'t> {
    module: ModuleId,
    span: Span,
    text: &'t str,
}

impl<'t> Here<'t> {
    fn written(&self, span: Span) -> &'t str {
        &self.text[span.start as usize..span.end as usize]
    }

    /// The white space that the line of a place begins with.
    fn indent(&self, at: u32) -> &'t str {
        let start = self.text[..at as usize].rfind('\n').map_or(0, |i| i + 1);
        let line = &self.text[start..];
        &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
    }
}

fn insert(at: u32, text: impl Into<String>) -> Edit {
    Edit { span: Span::new(at, at), text: text.into() }
}

pub fn actions(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Answer {
    let module = cx.module(params)?;
    let lines = cx.lines(module);
    let span = params.get("range").and_then(|r| lines.span(r)).ok_or(Failure::params("that is no range"))?;
    let here = Here { module, span, text: cx.a.module_text(module) };
    let wanted: Option<Vec<&str>> = params
        .pointer("/context/only")
        .and_then(Value::as_array)
        .map(|all| all.iter().filter_map(Value::as_str).collect());
    let wants = |kind: &str| {
        wanted.as_ref().is_none_or(|all| all.iter().any(|w| kind == *w || kind.starts_with(&format!("{w}."))))
    };
    let mut found = Vec::new();
    if wants("quickfix") {
        let file = cx.a.defs.modules[module.index()].file;
        while cx.a.step() {}
        let mut all = cx.a.diagnostics();
        all.retain(|d| d.file == file && d.span.start <= span.end && span.start <= d.span.end);
        all.extend(compiled(cx, module, span));
        for diagnostic in &all {
            let value = crate::diagnostics::to_value(cx, diagnostic);
            let mut own = fixes(cx, &here, diagnostic);
            own.iter_mut().for_each(|action| action.diagnostic = Some(value.clone()));
            found.extend(own);
        }
    }
    if wants("refactor.extract") && span.start < span.end {
        found.extend(extract::actions(cx, &here));
    }
    if wants("refactor.rewrite") {
        found.extend(missing::lowlevel_here(cx, &here));
    }
    let mut seen: Vec<(String, Vec<Change>)> = Vec::new();
    found.retain(|action| {
        let key = (action.title.clone(), action.edits.clone());
        let is_new = !seen.contains(&key);
        seen.push(key);
        is_new
    });
    let values = found.into_iter().map(|action| {
        let mut value = json!({
            "title": action.title,
            "kind": action.kind,
            "edit": cx.workspace_edit(action.edits),
        });
        if let Some(diagnostic) = action.diagnostic {
            value["diagnostics"] = json!([diagnostic]);
        }
        if action.preferred {
            value["isPreferred"] = json!(true);
        }
        value
    });
    Ok(values.collect())
}

/// What only lowering said, at a place.
fn compiled(cx: &Cx<'_, '_, '_>, module: ModuleId, span: Span) -> Vec<Diagnostic> {
    let path = cx.a.defs.modules[module.index()].path.clone();
    let key = (cx.root.place.clone(), path);
    let known = cx.worker.compiled.get(&key).filter(|c| c.stamp == cx.worker.stamp);
    let Some(known) = known else { return Vec::new() };
    let file = cx.a.defs.modules[module.index()].file;
    let own = known
        .diagnostics
        .iter()
        .filter(|d| d.file == known.file && matches!(d.code, codes::WIDE_CAPABILITY | codes::LEFT_OUT));
    let near = own.filter(|d| d.span.start <= span.end && span.start <= d.span.end);
    near.cloned().map(|d| Diagnostic { file, labels: Vec::new(), ..d }).collect()
}

fn fixes(cx: &mut Cx<'_, '_, '_>, here: &Here<'_>, diagnostic: &Diagnostic) -> Vec<Action> {
    let mut found = Vec::new();
    let failing = matches!(diagnostic.code, codes::UNHANDLED | codes::USED_AS_VALUE);
    if failing {
        found.extend(failures::actions(cx, here, diagnostic));
    }
    if !diagnostic.edits.is_empty() && !failing {
        let mut action = Action::fix(title(here, diagnostic), here.module, diagnostic.edits.clone());
        action.preferred = true;
        found.push(action);
    }
    match diagnostic.code {
        codes::EFFECT => found.extend(missing::lowlevel(cx, here, diagnostic.span)),
        codes::UNKNOWN_STATE => found.extend(missing::state(cx, here, diagnostic.span)),
        codes::WIDE_CAPABILITY | codes::LEFT_OUT => found.extend(missing::capability(cx, here, diagnostic)),
        codes::UNKNOWN_NAME | codes::UNKNOWN_TYPE => found.extend(imports(cx, here, diagnostic)),
        _ => {}
    }
    found
}

/// What the compiler's edit does, in words.
fn title(here: &Here<'_>, diagnostic: &Diagnostic) -> String {
    if diagnostic.code == codes::NOT_EXHAUSTIVE {
        return "Add the missing cases".into();
    }
    match &diagnostic.edits[..] {
        [edit] => {
            let (old, new) = (here.written(edit.span).trim(), edit.text.trim());
            match (old.is_empty(), new.is_empty()) {
                (_, true) => format!("Remove `{old}`"),
                (true, false) if new.starts_with("import ") => format!("Add `{new}`"),
                (true, false) if new.contains('\n') => "Insert what is missing".into(),
                (true, false) => format!("Insert `{new}`"),
                (false, false) => format!("Replace by `{new}`"),
            }
        }
        _ => match diagnostic.help.first() {
            Some(help) => help.clone(),
            None => "Apply the compiler's suggestion".into(),
        },
    }
}

/// Every module that declares an unknown name.
fn imports(cx: &mut Cx<'_, '_, '_>, here: &Here<'_>, diagnostic: &Diagnostic) -> Vec<Action> {
    let name = here.written(diagnostic.span);
    let all = cx.a.importable(here.module);
    let all = all.into_iter().filter(|(_, symbol, _)| cx.a.name(*symbol) == name);
    let mut found: Vec<Action> = all
        .map(|(module, _, _)| {
            let path = &cx.a.defs.modules[module.index()].path;
            let (at, text) = import_place(cx, here.module, path, name);
            Action::fix(format!("Add `{}`", text.trim()), here.module, vec![insert(at, text)])
        })
        .collect();
    if let [only] = &mut found[..] {
        only.preferred = true;
    }
    found
}

/// Where an import of a name goes, and how it is written.
fn import_place(cx: &Cx<'_, '_, '_>, module: ModuleId, path: &str, name: &str) -> (u32, String) {
    let text = cx.a.module_text(module);
    let at = match cx.a.defs.modules[module.index()].ast.imports.last() {
        Some(last) => text[last.span.end as usize..]
            .find('\n')
            .map_or(last.span.start, |newline| last.span.end + newline as u32 + 1),
        None => 0,
    };
    (at, format!("import {path}.{name};\n"))
}

/// The edit that imports a name.
pub fn import_edit(cx: &Cx<'_, '_, '_>, module: ModuleId, path: &str, name: &str) -> Value {
    let (at, text) = import_place(cx, module, path, name);
    json!({"range": cx.lines(module).range(Span::new(at, at)), "newText": text})
}
