//! Comments, kept beside the tree in the order of the text.

use crate::span::Span;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comment {
    pub span: Span,
    /// It starts with `/**`.
    pub doc: bool,
    /// It starts with `//`.
    pub line: bool,
}

/// The doc comment directly before `item_start`: nothing but white space and other comments between.
pub fn doc_before(comments: &[Comment], item_start: u32, text: &str) -> Option<Span> {
    let mut end = item_start as usize;
    let after = comments.partition_point(|c| c.span.end <= item_start);
    for comment in comments[..after].iter().rev() {
        let gap = text.get(comment.span.end as usize..end)?;
        if !gap.trim().is_empty() {
            return None;
        }
        if comment.doc {
            return Some(comment.span);
        }
        end = comment.span.start as usize;
    }
    None
}

/// The text of a `/** */` comment without its stars.
pub fn doc_text(source: &str, span: Span) -> String {
    let raw = &source[span.start as usize..span.end as usize];
    let inner = raw.strip_prefix("/**").unwrap_or(raw).strip_suffix("*/").unwrap_or(raw);
    let lines = inner.lines().map(|line| {
        let line = line.trim();
        line.strip_prefix('*').map_or(line, |rest| rest.strip_prefix(' ').unwrap_or(rest)).trim_end()
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_string()
}
