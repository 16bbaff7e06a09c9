//! A program that stays while its texts change, for editors.
//!
//! [`Session`] keeps what an edit elsewhere does not change: the trees of the files, and what was said of bodies.
//! For each state of the texts [`Session::analyze`] puts the modules together, declares their names and makes an
//! [`Analysis`]; that one checks body by body, so that it can be left for something more urgent, and answers from the
//! same tables the compiler lowers from. Facts about a body are found when they are asked for. Every module of the
//! user's is a root: its script is a program of its own.
//!
//! What a body's diagnostics depend on is its own text and the *outline* of all modules, which is their text without
//! bodies and comments; while neither changes, they are taken from the last time and moved to where the body is now.

mod bodies;
mod entity;
mod members;
mod scope;
mod scratch;

pub use bodies::BodyId;
pub use entity::{Entity, Occurrence};
pub use members::{Member, MemberKind};
pub use scope::{Callee, CalleeKind, Visible};
pub use scratch::Receiver;

use crate::check;
use crate::collect::Collector;
use crate::defs::{Defs, ModuleId};
use crate::facts::Facts;
use crate::modules::{self, Known, Library, Program, Sources};
use crate::report;
use crate::types::{Ty, Types};
use bodies::{Cache, Outline};
use dscript_grammar::ast;
use dscript_grammar::diagnostic::Diagnostic;
use dscript_grammar::span::{FileId, Interner, NodeId, Span, Symbol};
use dscript_grammar::{Parsed, SourceMap, parse};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

/// Names that may be kept of texts that are gone, before everything is read anew.
const NAMES_KEPT_MAX: usize = 2_000_000;

/// The modules of one source root, and std.
pub struct Session {
    map: SourceMap,
    interner: Interner,
    /// By path: `care.checks`.
    files: FxHashMap<String, File>,
    library: Library,
    cache: Cache,
}

struct File {
    id: FileId,
    parsed: Arc<Parsed>,
    outline: Outline,
}

impl Default for Session {
    fn default() -> Self {
        let library = Library::default();
        let (map, interner) = (library.map.clone(), library.interner.clone());
        Self { map, interner, files: FxHashMap::default(), library, cache: Cache::default() }
    }
}

impl Session {
    /// Gives a module (`care.checks`) its text; `shown` is the name of its file.
    pub fn set(&mut self, path: &str, shown: &str, text: &str) {
        if self.interner.len() > NAMES_KEPT_MAX {
            self.read_anew();
        }
        let Some(file) = self.files.get_mut(path) else {
            let id = self.map.add(shown, text);
            let file = read(id, &self.map, &mut self.interner);
            self.files.insert(path.to_string(), file);
            return;
        };
        let old = self.map.get(file.id).text();
        if old == text {
            return;
        }
        // Nobody else holds the tree between two states.
        let followed = Arc::get_mut(&mut file.parsed)
            .is_some_and(|parsed| parsed.follow(file.id, old, text, &mut self.interner));
        self.map.replace(file.id, text);
        if followed {
            file.outline = file.parsed.module.walked(|| Outline::new(&file.parsed, text));
        } else {
            *file = read(file.id, &self.map, &mut self.interner);
        }
    }

    /// Forgets a module, whose file is gone.
    pub fn remove(&mut self, path: &str) {
        if let Some(file) = self.files.remove(path) {
            self.map.replace(file.id, "");
        }
    }

    /// Whether there is such a module.
    pub fn has(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// The modules that a module's imports may mean, by path.
    pub fn imports(&self, path: &str) -> Vec<String> {
        let Some(file) = self.files.get(path) else { return Vec::new() };
        let mut found = Vec::new();
        for import in &file.parsed.module.imports {
            let words: Vec<&str> = import.path.iter().map(|w| self.interner.name(w.name)).collect();
            found.push(words.join("."));
            if !import.all && words.len() > 1 {
                found.push(words[..words.len() - 1].join("."));
            }
        }
        found
    }

    pub fn text(&self, path: &str) -> Option<&str> {
        Some(self.map.get(self.files.get(path)?.id).text())
    }

    fn read_anew(&mut self) {
        let mut fresh = Session::default();
        for (path, file) in &self.files {
            let file = self.map.get(file.id);
            fresh.set(path, file.name(), file.text());
        }
        *self = fresh;
    }

    /// Puts the modules together as they are now, for as long as `f` runs.
    pub fn analyze<R>(&mut self, sources: &dyn Sources, f: impl FnOnce(&mut Analysis<'_, '_>) -> R) -> R {
        let mut paths: Vec<&String> = self.files.keys().collect();
        paths.sort();
        let own = paths.iter().map(|&path| {
            let file = &self.files[path];
            let (path, parsed) = (path.clone(), file.parsed.clone());
            Known { file: file.id, path, is_std: false, is_prelude: false, parsed }
        });
        let mut diagnostics = Vec::new();
        let closed = Closed(sources);
        let known: Vec<Known> = own.chain(self.library.modules()).collect();
        let program =
            modules::link(known.into_iter(), &mut self.map, &closed, &mut self.interner, &mut diagnostics);
        program.walked(|| {
            let outlines = program.modules.iter().filter(|m| !m.is_std).map(|m| &self.files[&m.path].outline);
            let surroundings = bodies::surroundings(outlines);
            let mut types = Types::default();
            let mut collector = Collector {
                defs: Defs::default(),
                types: &mut types,
                interner: &self.interner,
                map: &self.map,
                diagnostics: &mut diagnostics,
                needy: Vec::new(),
            };
            collector.collect(&program);
            let defs = collector.defs;
            let mut analysis = Analysis {
                defs: &defs,
                program: &program,
                interner: &self.interner,
                map: &self.map,
                sources,
                types,
                facts: Vec::new(),
                looked_at: vec![false; defs.fns.len()],
                known: FxHashSet::default(),
                diagnostics,
                surroundings,
                cache: &mut self.cache,
                queue: Vec::new(),
                next: 0,
                components: FxHashMap::default(),
            };
            analysis.begin();
            f(&mut analysis)
        })
    }
}

fn read(id: FileId, map: &SourceMap, interner: &mut Interner) -> File {
    let text = map.get(id).text();
    let parsed = parse(id, text, interner);
    let outline = parsed.module.walked(|| Outline::new(&parsed, text));
    File { id, parsed: Arc::new(parsed), outline }
}

/// Every module there is, is known: nothing more is read.
struct Closed<'s>(&'s dyn Sources);

impl Sources for Closed<'_> {
    fn read(&self, _path: &str) -> Option<(String, Vec<u8>)> {
        None
    }

    fn script(
        &self,
        module: &str,
        name: &str,
    ) -> Result<dscript_bytecode::image::Script, modules::ScriptProblem> {
        self.0.script(module, name)
    }

    fn paths(&self) -> Vec<String> {
        self.0.paths()
    }
}

/// One state of the texts: what they declare, and what is found out about it.
pub struct Analysis<'a, 'c> {
    pub defs: &'c Defs<'a>,
    pub program: &'a Program,
    pub interner: &'c Interner,
    pub map: &'c SourceMap,
    pub types: Types,
    sources: &'c dyn Sources,
    /// By module; made when something of it is looked at.
    facts: Vec<Facts>,
    looked_at: Vec<bool>,
    /// Bodies that facts are known of.
    known: FxHashSet<BodyId>,
    diagnostics: Vec<Diagnostic>,
    surroundings: bodies::Hash,
    cache: &'c mut Cache,
    /// The user's bodies, and how many of them something was said of.
    queue: Vec<BodyId>,
    next: usize,
    /// The fields that components of records are, by module and the component's node.
    components: FxHashMap<(ModuleId, NodeId), Entity>,
}

impl<'a, 'c> Analysis<'a, 'c> {
    /// Checks what is not in bodies.
    fn begin(&mut self) {
        self.facts.resize_with(self.defs.modules.len(), Facts::default);
        self.components = entity::components(self.defs);
        let mut found = Vec::new();
        self.checker(&mut found, |checker| checker.declarations());
        self.diagnostics.append(&mut found);
        self.queue = bodies::all(self.defs);
    }

    /// Runs a checker that goes on from what is known, with diagnostics of its own.
    fn checker<R>(
        &mut self,
        diagnostics: &mut Vec<Diagnostic>,
        f: impl FnOnce(&mut check::Checker<'a, '_>) -> R,
    ) -> R {
        let known = (std::mem::take(&mut self.facts), std::mem::take(&mut self.looked_at));
        let mut checker = check::Checker::new(
            self.defs,
            &mut self.types,
            self.interner,
            self.map,
            diagnostics,
            self.sources,
            known,
        );
        let result = f(&mut checker);
        self.facts = std::mem::take(&mut checker.facts);
        self.looked_at = std::mem::take(&mut checker.looked_at);
        result
    }

    /// Looks at the next body; false when all were looked at.
    pub fn step(&mut self) -> bool {
        let Some(&body) = self.queue.get(self.next) else { return false };
        self.next += 1;
        self.judge(body);
        self.next < self.queue.len()
    }

    /// Whether everything is known that there is to say.
    pub fn is_done(&self) -> bool {
        self.next >= self.queue.len()
    }

    /// What is wrong with the program, as far as its bodies were looked at.
    pub fn diagnostics(&mut self) -> Vec<Diagnostic> {
        if self.is_done() {
            self.cache.forget_unused();
        }
        let mut found = self.diagnostics.clone();
        report::prune(&mut found, self.map);
        report::offer_imports(&mut found, self.defs, self.map, self.sources);
        found
    }

    /// What was found out about a module, as far as its bodies were looked at; see [`look`](Self::look).
    pub fn facts(&self, module: ModuleId) -> &Facts {
        &self.facts[module.index()]
    }

    /// The type of an expression in a body that was looked at.
    pub fn type_of(&mut self, module: ModuleId, expr: &ast::Expr) -> Ty {
        let found = self.facts[module.index()].types.get(expr.id.0 as usize).copied();
        self.types.resolve(found.unwrap_or(Ty::POISON))
    }

    /// A type as the user writes it.
    pub fn show(&mut self, ty: Ty) -> String {
        let ty = self.types.resolve(ty);
        check::show_type(&self.types, self.defs, self.interner, ty)
    }

    pub fn module_of(&self, file: FileId) -> Option<ModuleId> {
        self.defs.modules.iter().position(|m| m.file == file).map(|i| ModuleId(i as u32))
    }

    pub fn module_at(&self, path: &str) -> Option<ModuleId> {
        self.defs.modules.iter().position(|m| m.path == path).map(|i| ModuleId(i as u32))
    }

    pub fn parsed(&self, module: ModuleId) -> &'a Parsed {
        &self.program.modules[module.index()].parsed
    }

    pub fn module_text(&self, module: ModuleId) -> &'c str {
        self.map.get(self.defs.modules[module.index()].file).text()
    }

    pub fn name(&self, symbol: Symbol) -> &'c str {
        self.interner.name(symbol)
    }

    /// The doc comment before a declaration, without its stars.
    pub fn doc(&self, module: ModuleId, declaration: Span) -> Option<String> {
        let text = self.module_text(module);
        let span = self.parsed(module).doc_before(declaration.start, text)?;
        Some(dscript_grammar::comments::doc_text(text, span))
    }
}
