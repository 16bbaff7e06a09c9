//! `Command.script(...)`: the file that it names, read through the program's sources.

use super::Checker;
use crate::modules::{ScriptProblem, Sources};
use dscript_bytecode::image::Script;
use dscript_bytecode::limits::{SCRIPT_BYTES_MAX, SCRIPTS_BYTES_MAX, SCRIPTS_MAX};
use dscript_bytecode::script::interpreter;
use dscript_grammar::ast::Expr;
use dscript_grammar::codes;
use rustc_hash::FxHashMap;

/// The scripts that a program names, each read once.
pub struct Scripts<'c> {
    sources: &'c dyn Sources,
    rows: Vec<Script>,
    /// By the module and the name it uses.
    found: FxHashMap<(String, String), Result<usize, ScriptProblem>>,
    bytes: usize,
}

impl<'c> Scripts<'c> {
    pub fn new(sources: &'c dyn Sources) -> Self {
        Scripts { sources, rows: Vec::new(), found: FxHashMap::default(), bytes: 0 }
    }

    pub fn into_rows(self) -> Vec<Script> {
        self.rows
    }

    fn load(&mut self, module: &str, name: &str) -> Result<usize, ScriptProblem> {
        let key = (module.to_owned(), name.to_owned());
        if let Some(known) = self.found.get(&key) {
            return known.clone();
        }
        let row = self.sources.script(module, name).map(|script| {
            // Modules of one folder name one file.
            let known = self.rows.iter().position(|row| row.name == script.name);
            known.unwrap_or_else(|| {
                self.bytes += script.bytes.len();
                self.rows.push(script);
                self.rows.len() - 1
            })
        });
        self.found.insert(key, row.clone());
        row
    }
}

impl Checker<'_, '_> {
    /// The script of this name, which is an expression of type String.
    pub(super) fn script(&mut self, expr: &Expr) {
        let Some(written) = self.constant_text(expr) else {
            let report = self
                .diagnostic(codes::SCRIPT_NAME, expr.span, "the name of a script must be a constant text")
                .help("the file is read when the program is compiled: write its name here, or make it a `static final`");
            self.diagnostics.push(report);
            return;
        };
        let parts: Vec<&str> = written.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if written.starts_with('/') || parts.contains(&"..") {
            let message = format!("`{written}` does not lie in the folder of this module");
            let help =
                "a script is a file in the module's folder, or in a folder below it, named without `..`";
            let report = self.diagnostic(codes::SCRIPT_PLACE, expr.span, message).help(help);
            self.diagnostics.push(report);
            return;
        }
        let name = parts.join("/");
        let module = &self.defs.modules[self.cx.module.index()];
        let row = match self.scripts.load(&module.path, &name) {
            Ok(row) => row,
            Err(problem) => {
                let (code, message) = match problem {
                    ScriptProblem::Missing(shown) => {
                        (codes::SCRIPT_FILE, format!("there is no file `{shown}`"))
                    }
                    ScriptProblem::Unreadable(why) => {
                        (codes::SCRIPT_FILE, format!("the script cannot be read: {why}"))
                    }
                    ScriptProblem::Outside => (
                        codes::SCRIPT_PLACE,
                        format!("`{written}` is a link that leads out of the folder of this module"),
                    ),
                    ScriptProblem::TooLarge => {
                        (codes::TOO_LARGE, format!("a script has at most {} MiB", SCRIPT_BYTES_MAX >> 20))
                    }
                };
                self.error(code, expr.span, message);
                return;
            }
        };
        if let Err(what) = interpreter(&self.scripts.rows[row].bytes) {
            self.error(codes::SCRIPT_INTERPRETER, expr.span, format!("`{written}`: {what}"));
            return;
        }
        // The image's table has some room of its own for names.
        if self.scripts.rows.len() > SCRIPTS_MAX || self.scripts.bytes > SCRIPTS_BYTES_MAX - (1 << 20) {
            let most = (SCRIPTS_BYTES_MAX - (1 << 20)) >> 20;
            let message = format!("a program embeds at most {SCRIPTS_MAX} scripts of {most} MiB together");
            self.error(codes::TOO_LARGE, expr.span, message);
            return;
        }
        self.facts().scripts.insert(expr.id, row);
    }
}
