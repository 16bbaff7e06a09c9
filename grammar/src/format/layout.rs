//! Documents and their lines: what is needed of `pretty`, and how a document is measured before it is laid out.

use std::convert::Infallible;

use pretty::{Doc as Node, DocAllocator, RefDoc, Render, RenderAnnotated};

pub(super) type Doc<'a> = RefDoc<'a>;
pub(super) type Arena<'a> = pretty::Arena<'a>;

/// Makes documents.
#[derive(Clone, Copy)]
pub(super) struct Make<'a>(pub &'a Arena<'a>);

impl<'a> Make<'a> {
    fn node(self, node: Node<'a, Doc<'a>>) -> Doc<'a> {
        self.0.alloc(node)
    }

    pub fn nil(self) -> Doc<'a> {
        self.node(Node::Nil)
    }

    /// A text without line ends.
    pub fn text(self, text: &'a str) -> Doc<'a> {
        let doc = self.node(Node::BorrowedText(text));
        if text.is_ascii() { doc } else { self.node(Node::RenderLen(text.chars().count(), doc)) }
    }

    /// A text that no line is broken for.
    pub fn free_text(self, text: &'a str) -> Doc<'a> {
        let doc = self.node(Node::BorrowedText(text));
        self.node(Node::RenderLen(0, doc))
    }

    pub fn concat(self, docs: impl IntoIterator<Item = Doc<'a>>) -> Doc<'a> {
        docs.into_iter()
            .reduce(|left, right| self.node(Node::Append(left, right)))
            .unwrap_or_else(|| self.nil())
    }

    /// On one line if it fits, else broken at all its lines.
    pub fn group(self, doc: Doc<'a>) -> Doc<'a> {
        self.node(Node::Group(doc))
    }

    pub fn nest(self, by: isize, doc: Doc<'a>) -> Doc<'a> {
        self.node(Node::Nest(by, doc))
    }

    pub fn hard(self) -> Doc<'a> {
        self.node(Node::Hardline)
    }

    /// A line end where the group is broken, else `flat`.
    pub fn line(self, flat: &'a str) -> Doc<'a> {
        self.either(self.hard(), self.text(flat))
    }

    /// Depending on whether the group is broken.
    pub fn either(self, broken: Doc<'a>, flat: Doc<'a>) -> Doc<'a> {
        self.node(Node::FlatAlt(broken, flat))
    }

    /// `then` where it is reached with so many columns left, else `otherwise`.
    pub fn if_room(self, columns: usize, then: Doc<'a>, otherwise: Doc<'a>) -> Doc<'a> {
        let fits = move |at: usize| at.saturating_add(columns) <= super::WIDTH;
        self.0.column(move |at| if fits(at) { then } else { otherwise }).into_doc()
    }

    /// Lines at the left margin, whatever is around.
    pub fn unindented(self, doc: Doc<'a>) -> Doc<'a> {
        self.0.nesting(move |by| self.nest(-(by as isize), doc)).into_doc()
    }
}

/// Columns up to the first place where a line may end, with no room for anything but that.
pub(super) fn head_width(doc: Doc<'_>) -> usize {
    measure(doc, false).0
}

/// Columns on one line, if it can stand on one.
pub(super) fn flat_width(doc: Doc<'_>) -> Option<usize> {
    let (width, whole) = measure(doc, true);
    whole.then_some(width)
}

/// Columns up to the first line end, and whether there was none. Beyond the width of a line nobody asks.
fn measure(doc: Doc<'_>, flat: bool) -> (usize, bool) {
    let mut width = 0;
    let mut stack = vec![doc];
    while let Some(doc) = stack.pop() {
        if width > super::WIDTH {
            return (width, false);
        }
        match *doc {
            Node::Nil | Node::Fail => {}
            Node::Append(left, right) => stack.extend([right, left]),
            Node::FlatAlt(broken, on_one_line) => stack.push(if flat { on_one_line } else { broken }),
            Node::Group(inner) | Node::Nest(_, inner) | Node::Annotated(_, inner) | Node::Union(_, inner) => {
                stack.push(inner);
            }
            Node::Hardline => return (width, false),
            Node::RenderLen(length, _) => width += length,
            Node::OwnedText(ref text) => width += text.len(),
            Node::BorrowedText(text) => width += text.len(),
            Node::SmallText(ref text) => width += text.len(),
            Node::Column(at) => stack.push(at(if flat { 0 } else { usize::MAX })),
            Node::Nesting(at) => stack.push(at(0)),
        }
    }
    (width, true)
}

pub(super) fn render(doc: Doc<'_>, width: usize) -> String {
    let mut lines = Lines::default();
    let Ok(()) = doc.render_raw(width, &mut lines);
    lines.out
}

/// Writes lines, and no spaces at the end of an empty one.
#[derive(Default)]
struct Lines {
    out: String,
    /// Indentation of a line nothing has been written on.
    indent: usize,
}

impl Render for Lines {
    type Error = Infallible;

    /// Of `pretty`, indentation only.
    fn write_str(&mut self, spaces: &str) -> Result<usize, Infallible> {
        self.indent += spaces.len();
        Ok(spaces.len())
    }

    fn write_str_all(&mut self, text: &str) -> Result<(), Infallible> {
        if text == "\n" {
            self.indent = 0;
        } else if !text.is_empty() {
            self.out.extend(std::iter::repeat_n(' ', std::mem::take(&mut self.indent)));
        }
        self.out.push_str(text);
        Ok(())
    }

    fn fail_doc(&self) -> Infallible {
        unreachable!("no document of ours fails")
    }
}

impl<'a> RenderAnnotated<'a, ()> for Lines {
    fn push_annotation(&mut self, _: &'a ()) -> Result<(), Infallible> {
        Ok(())
    }

    fn pop_annotation(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
