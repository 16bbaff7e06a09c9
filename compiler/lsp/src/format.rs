//! The one style, over the compiler's own formatter: a file, some lines of it, or the line that was just ended.
//!
//! A file that cannot be read is left alone. Formatting moves nothing from one line's meaning to another's, so what a
//! range asks for are those of the whole file's edits that touch it.

use crate::features::{Answer, Cx, Failure};
use crate::position::Lines;
use dscript_compiler::defs::ModuleId;
use dscript_grammar::span::{FileId, Span};
use serde_json::{Value, json};

/// Lines of a block that are compared pairwise; beyond that it is replaced as a whole.
const COMPARED_MAX: usize = 4_000_000;

struct Edit {
    span: Span,
    text: String,
}

fn edits(cx: &Cx<'_, '_, '_>, module: ModuleId) -> Result<Vec<Edit>, Failure> {
    let text = cx.a.module_text(module);
    match dscript_grammar::format::format(FileId::default(), text) {
        Ok(out) => Ok(difference(text, &out)),
        // Nothing is wrong with asking: what is wrong with the text is shown beside it.
        Err(_) => Ok(Vec::new()),
    }
}

/// The lines in which two texts differ, as few as there are.
fn difference(old: &str, new: &str) -> Vec<Edit> {
    let a: Vec<&str> = old.split_inclusive('\n').collect();
    let b: Vec<&str> = new.split_inclusive('\n').collect();
    let head = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let tail = a[head..].iter().rev().zip(b[head..].iter().rev()).take_while(|(x, y)| x == y).count();
    let (a_mid, b_mid) = (&a[head..a.len() - tail], &b[head..b.len() - tail]);
    let start: usize = a[..head].iter().map(|l| l.len()).sum();
    if a_mid.len() * b_mid.len() > COMPARED_MAX {
        let length: usize = a_mid.iter().map(|l| l.len()).sum();
        let span = Span::new(start as u32, (start + length) as u32);
        return vec![Edit { span, text: b_mid.concat() }];
    }
    // The longest common part, line by line.
    let width = b_mid.len() + 1;
    let mut common = vec![0u32; (a_mid.len() + 1) * width];
    for i in (0..a_mid.len()).rev() {
        for j in (0..b_mid.len()).rev() {
            common[i * width + j] = match a_mid[i] == b_mid[j] {
                true => common[(i + 1) * width + j + 1] + 1,
                false => common[(i + 1) * width + j].max(common[i * width + j + 1]),
            };
        }
    }
    let mut found: Vec<Edit> = Vec::new();
    let (mut i, mut j, mut at) = (0, 0, start);
    let mut open: Option<(usize, String)> = None;
    while i < a_mid.len() || j < b_mid.len() {
        if i < a_mid.len() && j < b_mid.len() && a_mid[i] == b_mid[j] {
            if let Some((from, text)) = open.take() {
                found.push(Edit { span: Span::new(from as u32, at as u32), text });
            }
            at += a_mid[i].len();
            (i, j) = (i + 1, j + 1);
            continue;
        }
        let change = open.get_or_insert_with(|| (at, String::new()));
        let take_new =
            i == a_mid.len() || j < b_mid.len() && common[i * width + j + 1] >= common[(i + 1) * width + j];
        if take_new {
            change.1.push_str(b_mid[j]);
            j += 1;
        } else {
            at += a_mid[i].len();
            i += 1;
        }
    }
    if let Some((from, text)) = open {
        found.push(Edit { span: Span::new(from as u32, at as u32), text });
    }
    found
}

fn to_values(lines: Lines<'_>, edits: impl Iterator<Item = Edit>) -> Value {
    edits.map(|e| json!({"range": lines.range(e.span), "newText": e.text})).collect()
}

pub fn whole(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Answer {
    let module = cx.module(params)?;
    let found = edits(cx, module)?;
    Ok(to_values(cx.lines(module), found.into_iter()))
}

pub fn range(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Answer {
    let module = cx.module(params)?;
    let lines = cx.lines(module);
    let span = params.get("range").and_then(|r| lines.span(r)).ok_or(Failure::params("that is no range"))?;
    within(cx, module, span)
}

pub fn on_type(cx: &mut Cx<'_, '_, '_>, params: &Value) -> Answer {
    let (module, offset) = cx.at(params)?;
    let lines = cx.lines(module);
    // A closing brace ends the whole of what it closes; a semicolon a line.
    let text = cx.a.module_text(module);
    let typed_brace = text[..offset as usize].ends_with('}');
    let around = dscript_grammar::walk::path_at(cx.a.defs.modules[module.index()].ast, offset);
    let closed = around.iter().rev().map(|n| n.span()).find(|s| typed_brace && s.end == offset);
    let line = lines.line_of(offset);
    let own = Span::new(lines.line_start(line), offset);
    within(cx, module, closed.unwrap_or(own))
}

fn within(cx: &Cx<'_, '_, '_>, module: ModuleId, span: Span) -> Answer {
    let lines = cx.lines(module);
    let first = lines.line_start(lines.line_of(span.start));
    let last = lines.line_start(lines.line_of(span.end) + 1);
    let found =
        edits(cx, module)?.into_iter().filter(|e| e.span.start < last.max(first + 1) && first <= e.span.end);
    let inside = found.filter(|e| first <= e.span.start && e.span.end <= last);
    Ok(to_values(lines, inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_lead_from_one_to_the_other() {
        for (old, new) in
            [("a\nb\nc\n", "a\nx\nc\n"), ("", "a\n"), ("a\nb\n", "b\n"), ("a", "b\na"), ("x\ny\n", "x\ny\n")]
        {
            let mut text = old.to_string();
            for edit in difference(old, new).into_iter().rev() {
                text.replace_range(edit.span.start as usize..edit.span.end as usize, &edit.text);
            }
            assert_eq!(text, new);
        }
    }
}
