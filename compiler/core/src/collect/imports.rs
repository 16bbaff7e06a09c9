//! What modules have from each other, and what the language knows of the library by name.

use super::Collector;
use crate::defs::*;
use crate::names::{self, suggest};
use dscript_grammar::ast;
use dscript_grammar::codes;
use dscript_grammar::diagnostic::Diagnostic;

impl<'a> Collector<'a, '_> {
    /// Finds the types of std that the compiler has to do with.
    pub(super) fn find_known(&mut self) {
        let Defs { types, known, modules, .. } = &mut self.defs;
        known.to_string = self.interner.get("toString");
        for (index, def) in types.iter().enumerate() {
            if !modules[def.module.index()].is_std {
                continue;
            }
            let slot = match self.interner.name(def.name) {
                "String" => &mut known.string,
                "Bytes" => &mut known.bytes,
                "List" => &mut known.list,
                "Map" => &mut known.map,
                "Set" => &mut known.set,
                "Entry" => &mut known.entry,
                "Error" => &mut known.error,
                "Subprocess" => &mut known.subprocess,
                "Command" => &mut known.command,
                "Int" => &mut known.int,
                "Double" => &mut known.double,
                "Boolean" => &mut known.boolean,
                "Duration" => &mut known.duration,
                "Time" => &mut known.time,
                _ => continue,
            };
            *slot = Some(TypeDefId(index as u32));
        }
    }

    pub(super) fn import_types(&mut self, module: ModuleId, import: &ast::Import, from: ModuleId) {
        let Some(name) = import.path.last() else { return };
        if let Some(&def @ Def::Type(_)) = self.defs.modules[from.index()].names.get(&name.name) {
            self.defs.modules[module.index()].imported.insert(name.name, def);
        }
    }

    pub(super) fn import_one(&mut self, module: ModuleId, import: &ast::Import, from: ModuleId) {
        let Some(name) = import.path.last() else { return };
        let file = self.file(module);
        let text = self.interner.name(name.name).to_string();
        let origin = &self.defs.modules[from.index()];
        match origin.names.get(&name.name) {
            Some(&def) if names::is_private(&self.defs, def) => {
                let report = Diagnostic::error(
                    codes::PRIVATE,
                    file,
                    name.span,
                    format!("`{text}` is private to module `{}`", origin.path),
                );
                let report = match self.def_span(def) {
                    Some(span) => report.label_in(origin.file, span, "declared here"),
                    None => report,
                };
                self.report(report);
                self.defs.modules[module.index()].lost.insert(name.name);
            }
            Some(&def) => {
                let known = self.defs.modules[module.index()].imported.insert(name.name, def);
                if known.is_some_and(|known| known != def) {
                    let message = format!("two imports bring the name `{text}`");
                    let mut report = Diagnostic::error(codes::AMBIGUOUS, file, name.span, message);
                    let imports = &self.defs.modules[module.index()].ast.imports;
                    let first = imports
                        .iter()
                        .filter(|i| !i.all)
                        .find_map(|i| i.path.last().filter(|w| w.name == name.name && w.span != name.span));
                    if let Some(first) = first {
                        report = report.label(first.span, "the other one is here");
                    }
                    self.report(report);
                }
            }
            None => {
                let candidates = origin.names.keys().map(|&s| self.interner.name(s));
                let mut report = Diagnostic::error(
                    codes::IMPORT,
                    file,
                    name.span,
                    format!("module `{}` declares no `{text}`", origin.path),
                );
                if let Some(near) = suggest(&text, candidates) {
                    report = report.help(format!("did you mean `{near}`?")).edit(name.span, near);
                }
                self.report(report);
                self.defs.modules[module.index()].lost.insert(name.name);
            }
        }
    }
}
