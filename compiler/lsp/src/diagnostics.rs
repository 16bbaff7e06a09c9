//! The compiler's diagnostics as the protocol has them.

use crate::features::Cx;
use dscript_compiler::defs::ModuleId;
use dscript_compiler::session::Analysis;
use dscript_grammar::diagnostic::{Diagnostic, Severity};
use dscript_grammar::span::{FileId, Span};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Diagnostics by the path of their module.
pub fn by_module(a: &Analysis<'_, '_>, all: &mut [Diagnostic]) -> BTreeMap<String, Vec<Diagnostic>> {
    let mut found: BTreeMap<String, Vec<Diagnostic>> = BTreeMap::new();
    for diagnostic in all {
        if let Some(module) = a.module_of(diagnostic.file) {
            let path = a.defs.modules[module.index()].path.clone();
            found.entry(path).or_default().push(diagnostic.clone());
        }
    }
    found
}

/// Some modules and all that they import, with what that imports.
pub fn closures<'m>(a: &Analysis<'_, '_>, from: impl Iterator<Item = &'m str>) -> BTreeSet<String> {
    let mut ask: Vec<usize> = from.filter_map(|path| a.module_at(path)).map(ModuleId::index).collect();
    let mut found = BTreeSet::new();
    while let Some(index) = ask.pop() {
        let module = &a.program.modules[index];
        if !module.is_std && found.insert(module.path.clone()) {
            ask.extend(module.imports.iter().flatten().map(|i| i.module));
        }
    }
    found
}

pub fn to_value(cx: &Cx<'_, '_, '_>, d: &Diagnostic) -> Value {
    let place = |file: FileId, span: Span| cx.location(cx.a.module_of(file)?, span);
    convert(d, place)
}

fn convert(d: &Diagnostic, place: impl Fn(FileId, Span) -> Option<Value>) -> Value {
    let mut message = d.message.clone();
    for help in &d.help {
        message.push_str("\nhelp: ");
        message.push_str(help);
    }
    let range = place(d.file, d.span).map_or(Value::Null, |l| l["range"].clone());
    let mut value = json!({
        "range": range,
        "severity": match d.severity { Severity::Error => 1, Severity::Warning => 2 },
        "code": d.code.name(),
        "source": "dsc",
        "message": message,
    });
    let related: Vec<Value> = d
        .labels
        .iter()
        .filter_map(|l| Some(json!({"location": place(l.file, l.span)?, "message": l.text})))
        .collect();
    if !related.is_empty() {
        value["relatedInformation"] = json!(related);
    }
    if d.code == dscript_grammar::codes::UNREACHABLE || d.code == dscript_grammar::codes::UNUSED_RESULT {
        // Shown faded.
        value["tags"] = json!([1]);
    }
    value
}

/// What only the compilation to the end said of a module, if it was of these texts.
pub fn of_compiled(cx: &Cx<'_, '_, '_>, module: &str, known: &[&Diagnostic]) -> Vec<Value> {
    let key = (cx.root.place.clone(), module.to_string());
    let Some(compiled) = cx.worker.compiled.get(&key).filter(|c| c.stamp == cx.worker.stamp) else {
        return Vec::new();
    };
    let own = |file: FileId| {
        // The compilation numbers files by itself.
        let path = if file == compiled.file { module } else { compiled.map.get(file).name() };
        cx.a.module_at(path)
    };
    let place = |file: FileId, span: Span| cx.location(own(file)?, span);
    let found = compiled.diagnostics.iter().filter(|d| d.file == compiled.file);
    let new = found.filter(|d| !known.iter().any(|k| k.code == d.code && k.span == d.span));
    new.map(|d| convert(d, place)).collect()
}
