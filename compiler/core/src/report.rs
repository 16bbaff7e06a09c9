//! From what the stages found to what is told: cascades are left out, and missing imports offered.
//!
//! Pure but for [`Sources`], which is asked for other modules only where a name is unknown.

use crate::defs::{Def, Defs, ModuleId};
use crate::modules::{Sources, item_name};
use crate::names;
use dscript_grammar::codes::{self, Code};
use dscript_grammar::diagnostic::{Diagnostic, Severity};
use dscript_grammar::span::{FileId, Interner, Span};
use dscript_grammar::{SourceMap, parse};
use rustc_hash::FxHashSet;

/// Other modules that are read to find where an unknown name is declared.
const MODULES_READ_MAX: usize = 200;

/// One mistake is told once.
///
/// What cannot be read makes what is understood of its line doubtful, so other stages are silent there. A name that
/// nothing is like is most likely one missing declaration: told where it is met first, not at every use.
pub fn prune(diagnostics: &mut Vec<Diagnostic>, map: &SourceMap) {
    dscript_grammar::render::sort(diagnostics);
    let line = |d: &Diagnostic| (d.file, map.get(d.file).line_col(d.span.start).0);
    let unread: FxHashSet<(FileId, u32)> = diagnostics.iter().filter(|d| is_unread(d)).map(line).collect();
    let read: FxHashSet<(FileId, Span)> =
        diagnostics.iter().filter(|d| is_reading(d.code)).map(|d| (d.file, d.span)).collect();
    let mut told: FxHashSet<(FileId, String, u32)> = FxHashSet::default();
    diagnostics.retain(|d| {
        let (file, at) = line(d);
        if !is_reading(d.code) && unread.contains(&(file, at)) {
            return false;
        }
        if !is_unknown(d.code) {
            return true;
        }
        if read.contains(&(file, d.span)) {
            return false;
        }
        // A slip is put right at every place.
        let is_slip = d.edits.iter().any(|edit| edit.span == d.span);
        // A name is one mistake, wherever a type or a value was wanted of it.
        let name = match d.code {
            codes::UNKNOWN_NAME | codes::UNKNOWN_TYPE => {
                let text = map.get(file).text();
                text.get(d.span.start as usize..d.span.end as usize).unwrap_or_default()
            }
            _ => &d.message,
        };
        told.insert((file, name.to_string(), if is_slip { at } else { 0 }))
    });
}

/// Found by lexer or parser.
fn is_reading(code: Code) -> bool {
    code.name() < "E0100" || code == codes::NOT_ASSIGNABLE
}

/// Text that could not be read, and for which nothing stands in the tree.
fn is_unread(d: &Diagnostic) -> bool {
    match d.code {
        codes::SYNTAX | codes::BRACKET | codes::UNTERMINATED | codes::BAD_CHARACTER => {
            d.edits.is_empty() || d.code != codes::SYNTAX
        }
        codes::JAVA_WORD => d.edits.is_empty(),
        codes::NESTING => true,
        _ => false,
    }
}

fn is_unknown(code: Code) -> bool {
    [codes::UNKNOWN_NAME, codes::UNKNOWN_TYPE, codes::PRIVATE, codes::AMBIGUOUS].contains(&code)
}

/// Offers the import that an unknown name lacks, where a module declares it.
pub fn offer_imports(
    diagnostics: &mut [Diagnostic],
    defs: &Defs<'_>,
    map: &SourceMap,
    sources: &dyn Sources,
) {
    let unknown = |d: &Diagnostic| {
        matches!(d.code, codes::UNKNOWN_NAME | codes::UNKNOWN_TYPE)
            && d.edits.is_empty()
            // Of a name of this body that is out of scope it is said where it is declared.
            && d.labels.is_empty()
            && d.severity == Severity::Error
    };
    if !diagnostics.iter().any(unknown) {
        return;
    }
    let mut declared = Declared { others: None };
    for diagnostic in diagnostics.iter_mut().filter(|d| unknown(d)) {
        let Some(module) = defs.modules.iter().position(|m| m.file == diagnostic.file && !m.is_std) else {
            continue;
        };
        let text = map.get(diagnostic.file).text();
        let name = &text[diagnostic.span.start as usize..diagnostic.span.end as usize];
        let Some(path) = declared.module_of(name, ModuleId(module as u32), defs, map, sources) else {
            continue;
        };
        let import = format!("import {path}.{name};\n");
        let at = match defs.modules[module].ast.imports.last() {
            Some(last) => text[last.span.end as usize..]
                .find('\n')
                .map_or(last.span.start, |newline| last.span.end + newline as u32 + 1),
            None => 0,
        };
        diagnostic.help.push(format!("`{path}` declares it: import it"));
        diagnostic.edits.push(dscript_grammar::diagnostic::Edit { span: Span::new(at, at), text: import });
    }
}

/// What modules declare that the program does not import.
struct Declared {
    /// Each with its path and its public names; read when first needed.
    others: Option<Vec<(String, Vec<String>)>>,
}

impl Declared {
    fn module_of(
        &mut self,
        name: &str,
        own: ModuleId,
        defs: &Defs<'_>,
        map: &SourceMap,
        sources: &dyn Sources,
    ) -> Option<String> {
        let loaded = defs.modules.iter().enumerate().filter(|&(i, m)| i != own.index() && !m.is_std);
        for (_, module) in loaded {
            let found = module.names.iter().find(|&(_, &def)| declared_as(defs, map, module.file, def, name));
            if found.is_some_and(|(_, &def)| !names::is_private(defs, def)) {
                return Some(module.path.clone());
            }
        }
        let others = self.others.get_or_insert_with(|| {
            let known: FxHashSet<&str> = defs.modules.iter().map(|m| m.path.as_str()).collect();
            let paths = sources.paths().into_iter().filter_map(|path| {
                let dotted = path.strip_suffix(".ds")?.replace('/', ".");
                (!known.contains(dotted.as_str())).then_some((path, dotted))
            });
            paths
                .take(MODULES_READ_MAX)
                .filter_map(|(path, dotted)| Some((dotted, public_names(&sources.read(&path)?.1)?)))
                .collect()
        });
        others.iter().find(|(_, names)| names.iter().any(|n| n == name)).map(|(path, _)| path.clone())
    }
}

fn declared_as(defs: &Defs<'_>, map: &SourceMap, file: FileId, def: Def, name: &str) -> bool {
    let Some(span) = names::def_span(defs, def) else { return false };
    map.get(file).text().get(span.start as usize..span.end as usize) == Some(name)
}

fn public_names(bytes: &[u8]) -> Option<Vec<String>> {
    let mut map = SourceMap::default();
    let file = map.add_bytes("", bytes).ok()?;
    let mut interner = Interner::default();
    let parsed = parse(file, map.get(file).text(), &mut interner);
    let public = parsed.module.items.iter().filter(|item| item.modifiers.private.is_none());
    Some(public.filter_map(item_name).map(|name| interner.name(name.name).to_string()).collect())
}
