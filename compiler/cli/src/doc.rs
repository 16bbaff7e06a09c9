//! `dsc doc`: the manual of a library as static HTML, from its doc comments.

use crate::files;
use crate::report::{MessageFormat, Reporter, print_line};
use dscript_compiler::{Compilation, Goal, Library};
use dscript_doc::{Manual, Source, manual};
use dscript_grammar::codes;
use dscript_grammar::diagnostic::{Diagnostic, Severity};
use dscript_grammar::span::Interner;
use dscript_grammar::{SourceMap, parse};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Write the manual of a library, from its doc comments
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  dsc doc src/ -o manual          every module below src/\n  \
    dsc doc std -o manual           the library of D-Script itself\n  \
    dsc doc src/ -o manual --json | jq '.undocumented'\n\n\
    The manual begins with DIR/index.html; it needs no server and loads nothing from elsewhere.\n\
    Exit status: 0 written, 1 there are errors in the source, 2 it could not be done")]
pub struct Args {
    /// A folder with source files, or one source file; `std` is the library of D-Script
    path: PathBuf,
    /// Where to write: a new or empty folder, or one of an earlier run, whose pages are replaced
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// What the first page is headed with; without it, the name of the folder
    #[arg(long)]
    title: Option<String>,
    /// A summary as one JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Names the files of the last run, so that pages of modules that are gone go too.
const LIST: &str = ".dsc-doc";

pub fn run(args: &Args) -> Result<ExitCode, String> {
    let mut interner = Interner::default();
    let is_std = args.path == Path::new("std");
    let found = if is_std { Some(library(&mut interner)) } else { sources(&args.path, &mut interner)? };
    let Some(sources) = found else { return Ok(ExitCode::from(1)) };
    let title = match &args.title {
        Some(title) => title.clone(),
        None if is_std => "D-Script library".to_owned(),
        None => title(&args.path)?,
    };
    let made = manual(&title, &sources, &interner);
    write(&args.out, &made)?;
    tell(args, &title, &sources, &made)?;
    Ok(ExitCode::SUCCESS)
}

fn tell(args: &Args, title: &str, sources: &[Source], made: &Manual) -> Result<(), String> {
    if args.json {
        let mut modules: Vec<&str> = sources.iter().map(|s| s.path.as_str()).collect();
        modules.sort_unstable();
        return print_line(
            &json!({
                "title": title, "out": args.out, "modules": modules, "files": made.files.keys().collect::<Vec<_>>(),
                "declarations": made.declarations, "undocumented": made.undocumented,
            })
            .to_string(),
        );
    }
    eprintln!(
        "wrote {}: {} modules, {} declarations, {} without a doc comment",
        args.out.join("index.html").display(),
        sources.len(),
        made.declarations,
        made.undocumented.len()
    );
    Ok(())
}

fn title(path: &Path) -> Result<String, String> {
    let full = fs::canonicalize(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let named = if full.is_file() { full.with_extension("") } else { full };
    Ok(named.file_name().map_or_else(|| "D-Script".to_owned(), |name| name.to_string_lossy().into_owned()))
}

// ---- sources ----

fn library(interner: &mut Interner) -> Vec<Source> {
    let mut map = SourceMap::default();
    let files = dscript_std::FILES.iter();
    files
        .map(|file| Source {
            path: file.path.trim_end_matches(".ds").replace('/', "."),
            text: file.text.to_owned(),
            parsed: parse(map.add(file.path, file.text), file.text, interner),
            prelude: file.prelude,
            capabilities: Vec::new(),
        })
        .collect()
}

/// `None` after showing what is wrong with them.
fn sources(path: &Path, interner: &mut Interner) -> Result<Option<Vec<Source>>, String> {
    if !path.exists() {
        return Err(format!("{}: there is no such file or folder", path.display()));
    }
    let paths = files::all(&[path.to_path_buf()])?;
    if paths.is_empty() {
        return Err(format!("{}: no `.ds` files there", path.display()));
    }
    let mut reporter = Reporter::new(MessageFormat::Text, false);
    let mut all = Vec::new();
    let mut failed = 0;
    let library = Library::default();
    for file in &paths {
        let root = match path.is_dir() {
            true => files::open_below(path, file)?,
            false => files::open(file)?,
        };
        let mut map = SourceMap::default();
        let id = match map.add_bytes(&root.shown, &root.bytes) {
            Ok(id) => id,
            Err(diagnostic) => {
                reporter.show(&Compilation::failed(map, diagnostic.file, vec![diagnostic]))?;
                failed += 1;
                continue;
            }
        };
        let text = map.get(id).text().to_owned();
        let parsed = parse(id, &text, interner);
        let compiled = library.compile(&root.module, &root.shown, &root.bytes, &root, Goal::Image);
        // A library has nothing to run.
        let wrong = |d: &Diagnostic| d.severity == Severity::Error && d.code != codes::NO_TASK;
        if compiled.diagnostics.iter().any(wrong) {
            reporter.show(&compiled)?;
            failed += 1;
            continue;
        }
        // What the module's tasks need, where it has any.
        let capabilities = compiled.image.map_or_else(Vec::new, |image| image.manifest.capabilities);
        all.push(Source { path: root.module, text, parsed, prelude: false, capabilities });
    }
    reporter.summary(&files::counted(failed));
    Ok((failed == 0).then_some(all))
}

// ---- output ----

fn write(folder: &Path, made: &Manual) -> Result<(), String> {
    let about = |path: &Path, e: std::io::Error| format!("{}: {e}", path.display());
    fs::create_dir_all(folder).map_err(|e| about(folder, e))?;
    let list = folder.join(LIST);
    let others = || fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if !list.is_file() && others() {
        let shown = folder.display();
        return Err(format!(
            "{shown}: has other files in it; name an empty folder, or one that `dsc doc` wrote"
        ));
    }
    let before = fs::read_to_string(&list).unwrap_or_default();
    for name in before.lines().filter(|name| is_page(name) && !made.files.contains_key(*name)) {
        // It may be gone already.
        let _ = fs::remove_file(folder.join(name));
    }
    for (name, text) in &made.files {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|e| about(&path, e))?;
    }
    let names: String = made.files.keys().map(|name| format!("{name}\n")).collect();
    fs::write(&list, names).map_err(|e| about(&list, e))
}

/// A list that was changed by hand removes nothing else.
fn is_page(name: &str) -> bool {
    name.ends_with(".html") && !name.contains(['/', '\\'])
}
