//! The manual of a library as static HTML, from its doc comments. Knows no file and no clock.
//!
//! `names` says where each declaration stands, `signature` writes declarations with their types linked, `markdown` the
//! doc comments, `declarations` puts both together, and `page` lays the pages out. What is private is left out. The
//! same sources give the same bytes; a page loads nothing but its own style, script and search index.

#![forbid(unsafe_code)]

mod declarations;
mod highlight;
mod markdown;
mod names;
mod page;
mod scenario;
mod signature;

use dscript_grammar::Parsed;
use dscript_grammar::span::Interner;
use std::collections::BTreeMap;

/// A module of the library.
pub struct Source {
    /// `care.checks`
    pub path: String,
    pub text: String,
    pub parsed: Parsed,
    /// Its names need no import.
    pub prelude: bool,
    /// What its tasks reach, where that is known.
    pub capabilities: Vec<String>,
}

/// The pages, and what may be said of them.
pub struct Manual {
    /// By their names, without folders.
    pub files: BTreeMap<String, String>,
    /// Declarations, members included.
    pub declarations: usize,
    /// Those without a doc comment: `care.checks.restart`.
    pub undocumented: Vec<String>,
}

/// Writes the manual. The order of the modules does not matter.
pub fn manual(title: &str, sources: &[Source], interner: &Interner) -> Manual {
    let mut sorted: Vec<&Source> = sources.iter().collect();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    let names = names::Names::new(&sorted, interner);
    let modules: Vec<declarations::Module> =
        sorted.iter().enumerate().map(|(index, _)| declarations::module(&names, index)).collect();
    let mut files = page::pages(title, &modules);
    files.insert("style.css".into(), include_str!("../assets/style.css").into());
    files.insert("manual.js".into(), include_str!("../assets/manual.js").into());
    let mut manual = Manual { files, declarations: 0, undocumented: Vec::new() };
    for module in &modules {
        for (name, documented) in module.all_names() {
            manual.declarations += 1;
            if !documented {
                manual.undocumented.push(format!("{}.{name}", module.path));
            }
        }
    }
    manual
}

/// For text and attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
