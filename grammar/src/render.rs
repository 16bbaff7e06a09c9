//! Diagnostics as people and programs read them: an excerpt with labels, or one JSON object a line.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Origin, Patch, Renderer, Snippet};
use serde_json::{Value, json};

use crate::diagnostic::{Diagnostic, Severity};
use crate::source::{SourceFile, SourceMap};
use crate::span::{FileId, Span};

/// Of a longer line only what stands around a place is shown: nobody could read it, and the renderer's work grows with it.
const LINE_SHOWN_BYTES_MAX: usize = 4_000;
/// How much that is, on each side of where the place begins.
const WINDOW_BYTES: usize = 50;

/// The diagnostic as rustc would show it, with a line end.
pub fn text(diagnostic: &Diagnostic, sources: &SourceMap, color: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let file = sources.get(diagnostic.file);
    let here = diagnostic.labels.iter().filter(|l| l.file == diagnostic.file).map(|l| l.span);
    let excerpt = Excerpt::new(file, here.chain([diagnostic.span]));
    let renderer = if color { Renderer::styled() } else { Renderer::plain() }.decor_style(DecorStyle::Ascii);
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code.name());
    if excerpt.is_too_wide() {
        let (line, column) = file.line_col(diagnostic.span.start);
        let place = Origin::path(file.name()).line(line as usize).char_column(column as usize);
        let (window, marked) = window(diagnostic.span, file);
        let shown = Snippet::source(window).line_start(line as usize);
        let mut group = title.element(shown.annotation(AnnotationKind::Primary.span(marked))).element(place);
        for help in &diagnostic.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        return renderer.render(&[group]).to_string() + "\n";
    }
    let mut main = excerpt.snippet();
    let mut primary = AnnotationKind::Primary.span(excerpt.range(diagnostic.span));
    if let Some(label) =
        diagnostic.labels.iter().find(|l| l.file == diagnostic.file && l.span == diagnostic.span)
    {
        primary = primary.label(label.text.as_str());
    }
    main = main.annotation(primary);
    for label in &diagnostic.labels {
        if label.file == diagnostic.file && label.span != diagnostic.span {
            main = main.annotation(
                AnnotationKind::Context.span(excerpt.range(label.span)).label(label.text.as_str()),
            );
        }
    }
    let mut group = title.element(main);
    for label in diagnostic.labels.iter().filter(|l| l.file != diagnostic.file) {
        let other = Excerpt::new(sources.get(label.file), [label.span]);
        let context = AnnotationKind::Context.span(other.range(label.span)).label(label.text.as_str());
        group = group.element(other.snippet().annotation(context));
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let mut report = vec![group];
    if !diagnostic.edits.is_empty() {
        let excerpt = Excerpt::new(file, diagnostic.edits.iter().map(|e| e.span));
        let mut patched = excerpt.snippet();
        for edit in &diagnostic.edits {
            patched = patched.patch(Patch::new(excerpt.range(edit.span), edit.text.as_str()));
        }
        report.push(Level::HELP.secondary_title(describe_edits(diagnostic, file)).element(patched));
    }
    renderer.render(&report).to_string() + "\n"
}

/// What stands around the beginning of a span in its line, and where the span is in that.
fn window(span: Span, file: &SourceFile) -> (String, std::ops::Range<usize>) {
    let (text, place) = (file.text(), range(span, file));
    let line_start = text[..place.start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[place.start..].find('\n').map_or(text.len(), |at| place.start + at);
    let around =
        place.start.saturating_sub(WINDOW_BYTES).max(line_start)..(place.start + WINDOW_BYTES).min(line_end);
    let std::ops::Range { start, end } =
        range(Span { start: around.start as u32, end: around.end as u32 }, file);
    let front = if start > line_start { "..." } else { "" };
    let back = if end < line_end { "..." } else { "" };
    let at = |place: usize| place.min(end) - start + front.len();
    (format!("{front}{}{back}", &text[start..end]), at(place.start)..at(place.end))
}

/// The lines of a file that a report shows: the renderer's work grows with the text it is given.
struct Excerpt<'a> {
    file: &'a SourceFile,
    /// Where the lines begin and end in the text.
    lines: std::ops::Range<usize>,
}

impl<'a> Excerpt<'a> {
    fn new(file: &'a SourceFile, spans: impl IntoIterator<Item = Span>) -> Self {
        let ranges = spans.into_iter().map(|span| range(span, file));
        let all = ranges.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or_default();
        let text = file.text();
        let start = text[..all.start].rfind('\n').map_or(0, |at| at + 1);
        let end = text[all.end..].find('\n').map_or(text.len(), |at| all.end + at + 1);
        Self { file, lines: start..end }
    }

    fn is_too_wide(&self) -> bool {
        self.file.text()[self.lines.clone()].lines().any(|line| line.len() > LINE_SHOWN_BYTES_MAX)
    }

    fn snippet<T: Clone>(&self) -> Snippet<'a, T> {
        let (line, _) = self.file.line_col(self.lines.start as u32);
        Snippet::source(&self.file.text()[self.lines.clone()])
            .path(self.file.name())
            .line_start(line as usize)
            .fold(true)
    }

    fn range(&self, span: Span) -> std::ops::Range<usize> {
        let range = range(span, self.file);
        range.start - self.lines.start..range.end - self.lines.start
    }
}

fn describe_edits(diagnostic: &Diagnostic, file: &SourceFile) -> String {
    match diagnostic.edits.as_slice() {
        [one] => {
            let old = &file.text()[range(one.span, file)];
            match (old.is_empty(), one.text.is_empty()) {
                (true, _) => format!("insert `{}`", one.text.trim()),
                (false, true) => format!("remove `{}`", old.trim()),
                (false, false) => format!("write `{}`", one.text.trim()),
            }
        }
        _ => "change it like this".to_owned(),
    }
}

/// The span as the renderer wants it: inside the text and on character boundaries.
fn range(span: Span, file: &SourceFile) -> std::ops::Range<usize> {
    let text = file.text();
    let clamp = |offset: u32| {
        let mut at = (offset as usize).min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = clamp(span.start);
    start..clamp(span.end).max(start)
}

/// One line of JSON: code, severity, message, file, span, labels, help, edits.
pub fn json(diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    let name = |file: FileId| sources.get(file).name();
    let labels: Vec<Value> = diagnostic
        .labels
        .iter()
        .map(|l| json!({ "file": name(l.file), "span": span_json(l.file, l.span, sources), "text": l.text }))
        .collect();
    let edits: Vec<Value> = diagnostic
        .edits
        .iter()
        .map(|e| json!({ "span": span_json(diagnostic.file, e.span, sources), "text": e.text }))
        .collect();
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    json!({
        "code": diagnostic.code.name(),
        "severity": severity,
        "message": diagnostic.message,
        "file": name(diagnostic.file),
        "span": span_json(diagnostic.file, diagnostic.span, sources),
        "labels": labels,
        "help": diagnostic.help,
        "edits": edits,
    })
    .to_string()
}

fn span_json(file: FileId, span: Span, sources: &SourceMap) -> Value {
    let file = sources.get(file);
    let (line, column) = file.line_col(span.start);
    let (end_line, end_column) = file.line_col(span.end);
    json!({
        "start": span.start,
        "end": span.end,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
    })
}

/// By file and place; at one place errors before warnings, then by code.
pub fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by_key(|d| (d.file, d.span.start, d.span.end, d.severity, d.code.name()));
}
