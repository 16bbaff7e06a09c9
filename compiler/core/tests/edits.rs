//! What diagnostics suggest: applied, an edit leaves a program without the mistake that it was for, and makes no other.
//!
//! Every edit for every rejected program is applied alone, and the program compiled again.

use dscript_compiler::{Goal, Library, NoSources};
use dscript_grammar::codes;
use dscript_grammar::diagnostic::{Diagnostic, Edit, Severity};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const CORPUS: [&str; 2] = ["tests/reject", "grammar/tests/errors"];

fn programs() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let entries =
        CORPUS.iter().flat_map(|folder| std::fs::read_dir(root.join(folder)).expect("the corpus is there"));
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "ds"));
    files.sort();
    files
}

/// What is wrong with the program itself.
fn check(library: &Library, text: &str) -> Vec<Diagnostic> {
    let compiled = library.compile("it", "it.ds", text.as_bytes(), &NoSources, Goal::Check);
    compiled.diagnostics.into_iter().filter(|d| d.file == compiled.root).collect()
}

/// The text with the edits applied, and where each has put its own text.
fn applied(text: &str, edits: &[Edit]) -> (String, Vec<(usize, usize)>) {
    let mut edits: Vec<&Edit> = edits.iter().collect();
    edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
    let (mut out, mut at, mut places) = (String::new(), 0, Vec::new());
    for edit in edits {
        let start = edit.span.start as usize;
        assert!(start >= at, "edits overlap: {edit:?}");
        out.push_str(&text[at..start]);
        places.push((out.len(), out.len() + edit.text.len()));
        out.push_str(&edit.text);
        at = edit.span.end as usize;
    }
    out.push_str(&text[at..]);
    (out, places)
}

/// Where a place of the text is after the edits.
fn moved(edits: &[Edit], at: u32) -> i64 {
    let before = edits.iter().filter(|e| e.span.end <= at && e.span.start < at);
    i64::from(at) + before.map(|e| e.text.len() as i64 - i64::from(e.span.end - e.span.start)).sum::<i64>()
}

/// What is wrong after an edit that was not wrong before it.
fn harm(
    before: &[Diagnostic],
    fixed: &Diagnostic,
    after: &[Diagnostic],
    places: &[(usize, usize)],
) -> Option<String> {
    let same = |a: &Diagnostic, b: &Diagnostic| a.code == b.code && a.message == b.message;
    let place = moved(&fixed.edits, fixed.span.start);
    if after.iter().any(|d| same(d, fixed) && i64::from(d.span.start) == place) {
        return Some("the mistake is still there".to_owned());
    }
    let is_new = |d: &&Diagnostic| {
        let told = |all: &[Diagnostic]| all.iter().filter(|other| same(other, d)).count();
        // Which modules and scripts there are is not known here.
        let world = [codes::IMPORT, codes::SCRIPT_FILE].contains(&d.code);
        d.severity == Severity::Error && !world && told(after) > told(before)
    };
    let touches = |d: &&Diagnostic| {
        let (start, end) = (d.span.start as usize, d.span.end as usize);
        places.iter().any(|&(from, to)| from < to && start < to && end > from)
    };
    let new = after.iter().filter(is_new).find(touches)?;
    Some(format!("now {} at {}: {}", new.code.name(), new.span.start, new.message))
}

fn judge(library: &Library, file: &Path, failures: &Mutex<Vec<String>>, edits: &AtomicUsize) {
    let text = std::fs::read_to_string(file).expect("a program is text");
    let before = check(library, &text);
    for diagnostic in before.iter().filter(|d| !d.edits.is_empty()) {
        edits.fetch_add(1, Ordering::Relaxed);
        let (fixed, places) = applied(&text, &diagnostic.edits);
        let after = check(library, &fixed);
        if let Some(harm) = harm(&before, diagnostic, &after, &places) {
            let line = text[..diagnostic.span.start as usize].matches('\n').count() + 1;
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let shown = diagnostic.edits.iter().map(|edit| {
                let old = &text[edit.span.start as usize..edit.span.end as usize];
                format!("`{old}` -> `{}`", edit.text)
            });
            let shown: Vec<String> = shown.collect();
            failures.lock().expect("no panic").push(format!(
                "{name}:{line} {} {}\n    {}\n    {harm}",
                diagnostic.code.name(),
                diagnostic.message,
                shown.join(", "),
            ));
        }
    }
}

#[test]
fn suggested_edits_mend_what_they_are_for() {
    let library = Library::default();
    let files = programs();
    let (failures, edits, next) = (Mutex::new(Vec::new()), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let work = || {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    judge(&library, file, &failures, &edits);
                }
            };
            // As much as a program's first thread has.
            let thread = std::thread::Builder::new().stack_size(8 << 20);
            thread.spawn_scoped(scope, work).expect("a thread can be started");
        }
    });
    let failures = failures.into_inner().expect("no panic");
    let edits = edits.into_inner();
    assert!(edits > 200, "the corpus has many edits: {edits}");
    assert!(failures.is_empty(), "{} of {edits} edits are wrong:\n{}", failures.len(), failures.join("\n"));
}
