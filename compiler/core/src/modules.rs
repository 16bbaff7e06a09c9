//! Which files make up a program: the root, what it imports, and std.
//!
//! Reads through [`Sources`] only; a module that cannot be read is one diagnostic at its import.

use crate::names::suggest;
use dscript_bytecode::image::Script;
use dscript_grammar::ast;
use dscript_grammar::codes;
use dscript_grammar::diagnostic::Diagnostic;
use dscript_grammar::span::{FileId, Interner, Span};
use dscript_grammar::{Parsed, SourceMap, parse, room};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// The user's modules, by path from the source root (`care/checks.ds`).
pub trait Sources {
    /// The bytes of a module and the name to show for it; `None` when there is no such file.
    fn read(&self, path: &str) -> Option<(String, Vec<u8>)>;

    /// A script that a module embeds; `name` is a path within the module's folder, without `..`.
    fn script(&self, module: &str, name: &str) -> Result<Script, ScriptProblem>;

    /// The paths of the modules there are, as far as they are known: for suggestions only.
    fn paths(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Why a file cannot be embedded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptProblem {
    /// There is no file; how its place is shown.
    Missing(String),
    /// A link leads out of the module's folder.
    Outside,
    /// It has more than `SCRIPT_BYTES_MAX` bytes.
    TooLarge,
    /// It is there and cannot be read, and why.
    Unreadable(String),
}

/// No modules but the one given.
pub struct NoSources;

impl Sources for NoSources {
    fn read(&self, _path: &str) -> Option<(String, Vec<u8>)> {
        None
    }

    fn script(&self, _module: &str, name: &str) -> Result<Script, ScriptProblem> {
        Err(ScriptProblem::Missing(name.to_owned()))
    }
}

/// A parsed module before names are resolved.
pub struct ModuleFile {
    pub file: FileId,
    /// `care.checks`
    pub path: String,
    pub is_std: bool,
    pub is_prelude: bool,
    /// Its top-level statements are a program of their own.
    pub is_root: bool,
    /// Shared with whoever keeps it for the next time.
    pub parsed: Arc<Parsed>,
    /// Where the text could not be read: what stands there says nothing of what was meant.
    pub broken: Vec<Span>,
    /// For each import of the tree, the module it names and whether its last word names a declaration there.
    pub imports: Vec<Option<Imported>>,
    /// A `.*` import names no module: unknown names may be from there.
    pub lacks_names: bool,
}

/// What an import resolved to.
#[derive(Clone, Copy)]
pub struct Imported {
    pub module: usize,
    pub all: bool,
}

/// All modules of a program; the root is the first. Where a program stays, every module of the user's is a root.
#[derive(Default)]
pub struct Program {
    pub modules: Vec<ModuleFile>,
}

impl Program {
    /// Runs what walks over the trees of all modules, on a stack with room for it.
    pub fn walked<R>(&self, walk: impl FnOnce() -> R) -> R {
        let height = self.modules.iter().map(|m| m.parsed.module.height).max().unwrap_or(0);
        room::to_walk(height, walk)
    }
}

/// The name of what every module knows.
const PRELUDE: &str = "std.prelude";

/// The trees of std, read once for any number of programs.
#[derive(Clone)]
pub struct Library {
    pub(crate) map: SourceMap,
    pub(crate) interner: Interner,
    /// In the order of `dscript_std::FILES`.
    trees: Vec<(FileId, Arc<Parsed>)>,
}

impl Default for Library {
    fn default() -> Self {
        let (mut map, mut interner) = (SourceMap::default(), Interner::default());
        let trees = dscript_std::FILES.iter().map(|file| {
            let id = map.add(file.path, file.text);
            (id, Arc::new(parse(id, file.text, &mut interner)))
        });
        let trees = trees.collect();
        Self { map, interner, trees }
    }
}

impl Library {
    pub(crate) fn modules(&self) -> impl Iterator<Item = Known> {
        dscript_std::FILES.iter().zip(&self.trees).map(|(source, (file, parsed))| Known {
            file: *file,
            path: source.path.trim_end_matches(".ds").replace('/', "."),
            is_std: true,
            is_prelude: source.prelude,
            parsed: parsed.clone(),
        })
    }
}

/// A module that is read.
pub struct Known {
    pub file: FileId,
    pub path: String,
    pub is_std: bool,
    pub is_prelude: bool,
    pub parsed: Arc<Parsed>,
}

/// Puts together a program of these modules, each of the user's a root, and what they import. They include those of
/// std.
pub fn link(
    known: impl Iterator<Item = Known>,
    map: &mut SourceMap,
    sources: &dyn Sources,
    interner: &mut Interner,
    diagnostics: &mut Vec<Diagnostic>,
) -> Program {
    let mut loader =
        Loader { map, sources, interner, diagnostics, modules: Vec::new(), by_path: FxHashMap::default() };
    for module in known {
        let is_root = !module.is_std;
        let index = loader.add(module);
        loader.modules[index].is_root = is_root;
    }
    loader.all_imports()
}

struct Loader<'s> {
    map: &'s mut SourceMap,
    sources: &'s dyn Sources,
    interner: &'s mut Interner,
    diagnostics: &'s mut Vec<Diagnostic>,
    modules: Vec<ModuleFile>,
    /// `None` for a path that has no file.
    by_path: FxHashMap<String, Option<usize>>,
}

impl Loader<'_> {
    fn all_imports(mut self) -> Program {
        let mut next = 0;
        while next < self.modules.len() {
            self.imports(next);
            next += 1;
        }
        Program { modules: self.modules }
    }

    fn add(&mut self, module: Known) -> usize {
        let Known { file, path, is_std, is_prelude, parsed } = module;
        self.diagnostics.extend(parsed.diagnostics.iter().cloned());
        let unread = parsed.diagnostics.iter().filter(|d| d.code != codes::MISSING_SEMICOLON);
        let broken = unread.map(|d| d.span).collect();
        let index = self.modules.len();
        self.by_path.insert(path.clone(), Some(index));
        self.modules.push(ModuleFile {
            file,
            path,
            is_std,
            is_prelude,
            is_root: false,
            parsed,
            broken,
            imports: Vec::new(),
            lacks_names: false,
        });
        index
    }

    /// The module of a dotted path, read if need be.
    fn module(&mut self, dotted: &str) -> Option<usize> {
        if let Some(&known) = self.by_path.get(dotted) {
            return known;
        }
        let is_std = dotted == "std" || dotted.starts_with("std.");
        let found = if is_std { None } else { self.read(dotted) };
        self.by_path.insert(dotted.to_string(), found);
        found
    }

    fn read(&mut self, dotted: &str) -> Option<usize> {
        let (name, bytes) = self.sources.read(&format!("{}.ds", dotted.replace('.', "/")))?;
        match self.map.add_bytes(&name, &bytes) {
            Ok(file) => {
                let parsed = Arc::new(parse(file, self.map.get(file).text(), self.interner));
                let path = dotted.to_string();
                Some(self.add(Known { file, path, is_std: false, is_prelude: false, parsed }))
            }
            Err(diagnostic) => {
                self.diagnostics.push(diagnostic);
                None
            }
        }
    }

    fn imports(&mut self, index: usize) {
        let imports = self.modules[index].parsed.module.imports.clone();
        let resolved: Vec<_> = imports.iter().map(|import| self.import(index, import)).collect();
        // Nobody expects names of Java's packages here: those are unknown for a reason of their own.
        self.modules[index].lacks_names = imports
            .iter()
            .zip(&resolved)
            .any(|(import, found)| found.is_none() && self.names_module(import) && !self.is_java(import));
        self.modules[index].imports = resolved;
    }

    fn import(&mut self, index: usize, import: &ast::Import) -> Option<Imported> {
        let file = self.modules[index].file;
        let words: Vec<&str> = import.path.iter().map(|w| self.interner.name(w.name)).collect();
        let whole = words.join(".");
        let parent = words[..words.len().saturating_sub(1)].join(".");
        let module = if import.all { &whole } else { &parent };
        if module == PRELUDE {
            return self.prelude(import);
        }
        if import.all {
            return match self.module(&whole) {
                Some(module) => Some(Imported { module, all: true }),
                None => {
                    self.report_missing(file, import, &whole);
                    None
                }
            };
        }
        let own = self.module(&whole);
        let outer = if parent.is_empty() { None } else { self.module(&parent) };
        match (outer, own) {
            (Some(module), None) => Some(Imported { module, all: false }),
            (None, Some(_)) => {
                self.diagnostics.push(
                    Diagnostic::error(
                        codes::IMPORT,
                        file,
                        import.span,
                        format!("`{whole}` is a module; what it declares is imported by `{whole}.*`"),
                    )
                    .edit(import.span, format!("import {whole}.*;")),
                );
                None
            }
            (Some(module), Some(_)) => {
                let name = import.path[import.path.len() - 1].name;
                if !declares(&self.modules[module].parsed.module, name) {
                    self.diagnostics.push(
                        Diagnostic::error(
                            codes::IMPORT,
                            file,
                            import.span,
                            format!("`{whole}` is a module; what it declares is imported by `{whole}.*`"),
                        )
                        .edit(import.span, format!("import {whole}.*;")),
                    );
                } else {
                    self.diagnostics.push(
                        Diagnostic::error(
                            codes::IMPORT,
                            file,
                            import.span,
                            format!("`{whole}` is both a module and a declaration of `{parent}`"),
                        )
                        .help("give one of them another name"),
                    );
                }
                None
            }
            (None, None) => {
                self.report_missing(file, import, if parent.is_empty() { &whole } else { &parent });
                None
            }
        }
    }

    /// What is known without an import may be imported all the same.
    fn prelude(&self, import: &ast::Import) -> Option<Imported> {
        let mut prelude = (0..self.modules.len()).filter(|&i| self.modules[i].is_prelude);
        let first = prelude.clone().next()?;
        let named = import.path.last().filter(|_| !import.all);
        let module =
            named.and_then(|name| prelude.find(|&i| declares(&self.modules[i].parsed.module, name.name)));
        Some(Imported { module: module.unwrap_or(first), all: import.all })
    }

    /// Whether an import names a module, with or without `.*`.
    fn names_module(&self, import: &ast::Import) -> bool {
        let words: Vec<&str> = import.path.iter().map(|w| self.interner.name(w.name)).collect();
        import.all || matches!(self.by_path.get(&words.join(".")), Some(Some(_)))
    }

    fn is_java(&self, import: &ast::Import) -> bool {
        let first = import.path.first().map(|word| self.interner.name(word.name));
        matches!(first, Some("java" | "javax" | "jakarta"))
    }

    fn report_missing(&mut self, file: FileId, import: &ast::Import, path: &str) {
        let shown = format!("{}.ds", path.replace('.', "/"));
        let mut report =
            Diagnostic::error(codes::IMPORT, file, import.span, format!("there is no module `{path}`"));
        let is_std = path == "std" || path.starts_with("std.");
        let known: Vec<String> = match is_std {
            true => dscript_std::FILES.iter().map(|f| f.path.to_string()).collect(),
            false => self.sources.paths(),
        };
        let known = known.iter().filter_map(|p| p.strip_suffix(".ds")).map(|p| p.replace('/', "."));
        let known: Vec<String> = known.collect();
        let words = path.split('.').count();
        let near = suggest(path, known.iter().map(String::as_str));
        report = if self.is_java(import) {
            let text = self.map.get(file).text();
            let end = import.span.end as usize;
            let newline = text[end..].starts_with('\n');
            let line = Span::new(import.span.start, import.span.end + u32::from(newline));
            report.help("Java's packages do not exist here; the library needs no import").edit(line, "")
        } else if let (Some(near), Some(last)) = (near, import.path.get(words - 1)) {
            let whole = import.path[0].span.to(last.span);
            report.help(format!("did you mean `{near}`?")).edit(whole, near)
        } else if is_std {
            report.help("the library needs no import: what it declares is known everywhere")
        } else {
            report.help(format!("it would be the file `{shown}` under the source root"))
        };
        self.diagnostics.push(report);
    }
}

fn declares(module: &ast::Module, name: dscript_grammar::span::Symbol) -> bool {
    module.items.iter().any(|item| item_name(item).is_some_and(|n| n.name == name))
}

/// The declared name of a top-level declaration.
pub fn item_name(item: &ast::Item) -> Option<ast::Ident> {
    match &item.kind {
        ast::ItemKind::Function(f) => Some(f.name),
        ast::ItemKind::Task(t) => Some(t.name),
        ast::ItemKind::Scenario(s) => Some(s.name),
        ast::ItemKind::Record(r) => Some(r.name),
        ast::ItemKind::Class(c) => Some(c.name),
        ast::ItemKind::Enum(e) => Some(e.name),
        ast::ItemKind::Interface(i) => Some(i.name),
        ast::ItemKind::Field(f) => Some(f.name),
        ast::ItemKind::Test(_)
        | ast::ItemKind::Constructor(_)
        | ast::ItemKind::CompactConstructor(_)
        | ast::ItemKind::Error => None,
    }
}
