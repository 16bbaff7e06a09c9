//! A file that was edited, read again where that was.
//!
//! An edit inside a block of one declaration or statement of the top level changes nothing outside of it, as long as its
//! braces match and no text or comment runs out of it: recovery from a mistake never leaves matching braces. So that
//! one part is read anew at its place in the text, and what follows it moves along. Whatever is not sure to come out as
//! if all had been read is left to [`parse`](crate::parse).

use crate::Parsed;
use crate::ast::{ItemKind, StmtKind};
use crate::parser;
use crate::room;
use crate::shift::{By, Shift};
use crate::span::{FileId, Interner, Span};
use crate::walk::Node;
use std::ops::Range;

/// Node ids per byte of text after which all is read anew, so that tables by id stay small.
const IDS_PER_BYTE: usize = 2;

/// A part of the top level: its index among the declarations or among the statements.
#[derive(Clone, Copy)]
enum Part {
    Item(usize),
    Stmt(usize),
}

impl Parsed {
    /// Makes what was read of `old` what reading `new` would give, but for the ids of nodes; false if that cannot be
    /// done, and nothing was changed.
    pub fn follow(&mut self, file: FileId, old: &str, new: &str, interner: &mut Interner) -> bool {
        let Some((part, place)) = self.edited(old, new) else { return false };
        let bytes = new.len() as i64 - old.len() as i64;
        let end = (i64::from(place.end) + bytes) as usize;
        if !new.is_char_boundary(end) || self.module.node_count as usize > IDS_PER_BYTE * new.len() {
            return false;
        }
        let start = place.start as usize;
        let mut read = parser::read(file, &new[..end], start, self.module.node_count, interner);
        let whole = Span::new(place.start, end as u32);
        if !read.stands_alone || !read.is_one(part, whole) {
            return false;
        }
        let by = By { from: place.end, bytes };
        let module = &mut self.module;
        let height = module.height;
        room::to_walk(height, || {
            let behind = module.items.partition_point(|i| i.span.start < by.from);
            module.items[behind..].iter_mut().for_each(|i| i.shift(by));
            let behind = module.script.partition_point(|s| s.span.start < by.from);
            module.script[behind..].iter_mut().for_each(|s| s.shift(by));
            module.imports.shift(by);
        });
        // What was there goes out of use with `read`.
        match part {
            Part::Item(at) => std::mem::swap(&mut module.items[at], &mut read.module.items[0]),
            Part::Stmt(at) => std::mem::swap(&mut module.script[at], &mut read.module.script[0]),
        }
        module.node_count = read.module.node_count;
        module.height = height.max(read.module.height);
        read.module.height = module.height;
        let inside = inside(&self.comments, |c| c.span, place);
        self.comments[inside.end..].iter_mut().for_each(|c| c.shift(by));
        self.comments.splice(inside, std::mem::take(&mut read.comments));
        self.diagnostics = std::mem::take(&mut read.diagnostics);
        self.lost = std::mem::take(&mut read.lost);
        true
    }

    /// The part whose block alone differs, and where it was.
    fn edited(&self, old: &str, new: &str) -> Option<(Part, Span)> {
        if !self.stands_alone || old.len() >= u32::MAX as usize || new.len() >= u32::MAX as usize {
            return None;
        }
        let edit = difference(old.as_bytes(), new.as_bytes());
        let module = &self.module;
        let holds = |span: Span| span.start < edit.start && edit.end < span.end;
        let item = module.items.partition_point(|i| i.span.end <= edit.start);
        let stmt = module.script.partition_point(|s| s.span.end <= edit.start);
        let (part, node) = match (module.items.get(item), module.script.get(stmt)) {
            (Some(i), _) if holds(i.span) => (Part::Item(item), Node::Item(i)),
            (_, Some(s)) if holds(s.span) => (Part::Stmt(stmt), Node::Stmt(s)),
            _ => return None,
        };
        let place = node.span();
        // Only what stands alone on its lines: of each line the first mistake is told.
        let before = old[..place.start as usize].rsplit('\n').next()?;
        let after = old[place.end as usize..].split('\n').next()?;
        let alone = before.trim().is_empty() && after.trim().is_empty();
        let told_inside =
            self.diagnostics.iter().all(|d| place.start <= d.span.start && d.span.end <= place.end);
        let in_block = || room::to_walk(module.height, || is_in_block(node, old, &edit));
        (alone && told_inside && in_block()).then_some((part, place))
    }

    /// Nothing was read but one part at this place.
    fn is_one(&self, part: Part, place: Span) -> bool {
        let module = &self.module;
        match (part, module.items.as_slice(), module.script.as_slice()) {
            (Part::Item(_), [item], []) => {
                module.imports.is_empty() && item.span == place && !matches!(item.kind, ItemKind::Error)
            }
            (Part::Stmt(_), [], [stmt]) => {
                module.imports.is_empty() && stmt.span == place && !matches!(stmt.kind, StmtKind::Error)
            }
            _ => false,
        }
    }
}

/// What of `old` is not in `new`: all but the longest common beginning and end.
fn difference(old: &[u8], new: &[u8]) -> Span {
    let start = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - start;
    let same = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    Span::new(start as u32, (old.len() - same) as u32)
}

/// Whether an edit lies between the braces of a block below a node.
fn is_in_block(node: Node<'_>, text: &str, edit: &Span) -> bool {
    let mut found = false;
    node.children(&mut |child| {
        let span = child.span();
        if !found && span.start < edit.start && edit.end < span.end {
            let bytes = text.as_bytes();
            let braces = bytes[span.start as usize] == b'{' && bytes[span.end as usize - 1] == b'}';
            found = (braces && matches!(child, Node::Block(_))) || is_in_block(child, text, edit);
        }
    });
    found
}

/// Of things in the order of the text, those in a place.
fn inside<T>(things: &[T], span: impl Fn(&T) -> Span, place: Span) -> Range<usize> {
    let start = things.partition_point(|t| span(t).start < place.start);
    start..start + things[start..].partition_point(|t| span(t).start < place.end)
}
