//! The compiler: modules, names, types, checks and lowering to bytecode. Knows no file and no clock.

mod check;
mod collect;
pub mod constants;
pub mod defs;
pub mod facts;
mod format;
mod lower;
pub mod modules;
mod names;
mod report;
pub mod session;
pub mod types;

pub use check::show_type;
pub use lower::{TEST as TEST_PREFIX, WRAPPER as GIVEN_WRAPPER};
pub use modules::{Library, NoSources, ScriptProblem, Sources};

use dscript_grammar::codes;
use dscript_grammar::diagnostic::{Diagnostic, Severity};
use dscript_grammar::span::{FileId, Span};
use dscript_grammar::{SourceMap, parse};
use modules::Known;
use std::sync::Arc;

/// What came of a compilation: every mistake found, and the image where there was none.
pub struct Compilation {
    pub map: SourceMap,
    /// The file that was compiled.
    pub root: FileId,
    pub diagnostics: Vec<Diagnostic>,
    pub image: Option<dscript_bytecode::image::Image>,
    /// The trees of every module. To give them up takes time, which a process that ends need not spend.
    pub program: modules::Program,
}

impl Compilation {
    /// One that came to nothing but these.
    pub fn failed(map: SourceMap, root: FileId, diagnostics: Vec<Diagnostic>) -> Self {
        Self { map, root, diagnostics, image: None, program: modules::Program::default() }
    }

    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }
}

/// What a compilation is to produce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Diagnostics only, all that the other goals give.
    Check,
    /// An image of the root's tasks.
    Image,
    /// An image of the root's tests, for the runner of tests; none where there are no tests. Its tasks are the
    /// tests and, last, one that tells the runner of every `given` that answered nothing.
    Test,
}

/// Compiles the module `module_path` (`care.checks`), whose text is `bytes` and which is shown as `shown`.
///
/// [`Library::compile`] is the same for whoever compiles more than one.
pub fn compile(
    module_path: &str,
    shown: &str,
    bytes: &[u8],
    sources: &dyn Sources,
    goal: Goal,
) -> Compilation {
    Library::default().compile(module_path, shown, bytes, sources, goal)
}

/// Checks every body of std, which a compilation takes to be good.
pub fn check_library() -> Compilation {
    build(Library::default(), "library", ("library.ds", b""), &NoSources, Goal::Check, true)
}

impl Library {
    /// Compiles a module on top of this library; see [`compile`].
    pub fn compile(
        &self,
        module_path: &str,
        shown: &str,
        bytes: &[u8],
        sources: &dyn Sources,
        goal: Goal,
    ) -> Compilation {
        build(self.clone(), module_path, (shown, bytes), sources, goal, false)
    }
}

fn build(
    library: Library,
    module_path: &str,
    (shown, bytes): (&str, &[u8]),
    sources: &dyn Sources,
    goal: Goal,
    whole_library: bool,
) -> Compilation {
    let std: Vec<Known> = library.modules().collect();
    let Library { mut map, mut interner, .. } = library;
    let mut diagnostics = Vec::new();
    let root: FileId = match map.add_bytes(shown, bytes) {
        Ok(root) => root,
        Err(diagnostic) => return Compilation::failed(map, diagnostic.file, vec![diagnostic]),
    };
    let parsed = Arc::new(parse(root, map.get(root).text(), &mut interner));
    let path = module_path.to_string();
    let own = Known { file: root, path, is_std: false, is_prelude: false, parsed };
    let known = std::iter::once(own).chain(std);
    let program = modules::link(known, &mut map, sources, &mut interner, &mut diagnostics);
    let image = program.walked(|| {
        let mut types = types::Types::default();
        let mut collector = collect::Collector {
            defs: defs::Defs::default(),
            types: &mut types,
            interner: &interner,
            map: &map,
            diagnostics: &mut diagnostics,
            needy: Vec::new(),
        };
        collector.collect(&program);
        let defs = collector.defs;
        let mut checker = check::Checker::new(
            &defs,
            &mut types,
            &interner,
            &map,
            &mut diagnostics,
            sources,
            Default::default(),
        );
        checker.run(whole_library);
        let (facts, looked_at, scripts) = (checker.facts, checker.looked_at, checker.scripts.into_rows());
        let good = !diagnostics.iter().any(|d: &Diagnostic| d.severity == Severity::Error);
        let has_tests = defs.tests.iter().any(|t| t.module == defs::ModuleId(0));
        let mut image = None;
        let runs = defs.tasks.iter().any(|t| t.module == defs::ModuleId(0))
            || defs.scenarios.iter().any(|s| s.module == defs::ModuleId(0));
        let lowered = match goal {
            Goal::Check | Goal::Image => runs,
            Goal::Test => has_tests,
        };
        // A file that others import is checked as what it is.
        let is_library = |module: &defs::Module<'_>| {
            let items = &module.ast.items;
            has_tests || items.is_empty() || items.iter().any(|item| item.modifiers.private.is_none())
        };
        let wants_task =
            goal == Goal::Image || goal == Goal::Check && !whole_library && !is_library(&defs.modules[0]);
        if good && wants_task && !runs {
            let message = "there is no task to run in this file";
            diagnostics.push(
                Diagnostic::error(codes::NO_TASK, root, Span::default(), message)
                    .help("write statements at its top level, or declare a `task`"),
            );
        } else if good && lowered {
            let name = module_path.rsplit('.').next().unwrap_or(module_path);
            let found = lower::Found { facts, looked_at, scripts: &scripts };
            image =
                Some(lower::lower(&defs, &mut types, &interner, found, &map, &mut diagnostics, (name, goal)));
        }
        if goal == Goal::Check || diagnostics.iter().any(|d| d.severity == Severity::Error) {
            image = None;
        }
        report::prune(&mut diagnostics, &map);
        report::offer_imports(&mut diagnostics, &defs, &map, sources);
        image
    });
    Compilation { map, root, diagnostics, image, program }
}
