//! Walks over the tokens. What is printed is always the next token of the text; between two tokens stand the
//! separator that the layout asked for, and the comments found there.

use super::layout::{Arena, Doc, Make, flat_width, head_width};
use crate::comments::Comment;
use crate::lexer::Lexed;
use crate::span::Span;
use crate::token::{Tok, Token};

/// Columns of one level.
pub(super) const INDENT: isize = 4;

/// What stands before the next token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sep {
    None,
    Space,
    /// A line end where the group is broken.
    Soft,
    /// A line end where the group is broken, else a space.
    Line,
    Hard,
    /// A line end, and an empty line if there was one.
    Lines,
    /// The first line of a block or file: a line end, and no empty line before the first thing.
    First,
}

pub(super) struct Printer<'a> {
    pub make: Make<'a>,
    pub text: &'a str,
    /// Tokens, a text with interpolations being one.
    tokens: Vec<Span>,
    pub comments: Vec<Comment>,
    at: usize,
    pub comment_at: usize,
    pub sep: Sep,
    /// Where the last token or comment ended, but for tokens that were moved before a comment.
    pub end: u32,
    /// The last thing printed opened a bracket.
    pub opened: bool,
    /// Nothing has been printed yet.
    pub fresh: bool,
    out: Vec<Doc<'a>>,
}

impl<'a> Printer<'a> {
    pub fn new(arena: &'a Arena<'a>, text: &'a str, lexed: &Lexed) -> Self {
        let tokens = whole_texts(&lexed.tokens);
        let inside = |c: &Comment| {
            let next = tokens.partition_point(|t| t.start <= c.span.start);
            next > 0 && tokens[next - 1].end > c.span.start
        };
        let comments = lexed.comments.iter().filter(|c| !inside(c)).copied().collect();
        Self {
            make: Make(arena),
            text,
            tokens,
            comments,
            at: 0,
            comment_at: 0,
            sep: Sep::First,
            end: 0,
            opened: false,
            fresh: true,
            out: Vec::new(),
        }
    }

    pub fn finish(mut self) -> Doc<'a> {
        assert!(self.at == self.tokens.len(), "the layout covers every token; {} left", self.next_text());
        self.last_comments();
        if !self.fresh {
            self.push(self.make.hard());
        }
        self.make.concat(self.out)
    }

    // ---- looking ahead ----

    pub fn slice(&self, span: Span) -> &'a str {
        &self.text[span.start as usize..span.end as usize]
    }

    /// The next token; empty at the end.
    pub fn next_text(&self) -> &'a str {
        self.tokens.get(self.at).map_or("", |&t| self.slice(t))
    }

    /// Where the next token starts.
    pub fn next_start(&self) -> u32 {
        self.tokens.get(self.at).map_or(self.text.len() as u32, |t| t.start)
    }

    pub fn is(&self, text: &str) -> bool {
        self.next_text() == text
    }

    /// The token that ends at or before `end`, and none that starts later.
    pub fn last_before(&self, end: u32) -> &'a str {
        match self.tokens.partition_point(|t| t.end <= end).checked_sub(1) {
            Some(index) => self.slice(self.tokens[index]),
            None => "",
        }
    }

    /// Where the bracket that is the next token is closed.
    pub fn close_of_next(&self) -> u32 {
        self.in_next().find(|&(depth, _)| depth == 0).map_or(self.text.len() as u32, |(_, token)| token.start)
    }

    /// A semicolon stands in the bracket that is the next token, and in no other.
    pub fn semicolon_in_next(&self) -> bool {
        self.in_next()
            .take_while(|&(depth, _)| depth > 0)
            .any(|(depth, token)| depth == 1 && self.slice(token) == ";")
    }

    /// Tokens from the next on, with how many brackets are open after each.
    fn in_next(&self) -> impl Iterator<Item = (u32, Span)> {
        self.tokens[self.at..].iter().scan(0u32, |depth, &token| {
            match self.slice(token) {
                "(" | "[" | "{" => *depth += 1,
                ")" | "]" | "}" => *depth = depth.saturating_sub(1),
                _ => {}
            }
            Some((*depth, token))
        })
    }

    /// Comments that are not printed yet stand before `place`.
    pub fn comment_before(&self, place: u32) -> bool {
        self.comments.get(self.comment_at).is_some_and(|c| c.span.start < place)
    }

    pub fn comment_next(&self) -> bool {
        self.comment_before(self.next_start())
    }

    /// A comment starts in this stretch of the text.
    pub fn comment_in(&self, span: Span) -> bool {
        let first = self.comments.partition_point(|c| c.span.start < span.start);
        self.comments.get(first).is_some_and(|c| c.span.start < span.end)
    }

    /// No line ends in the text of `span`.
    pub fn on_one_line(&self, span: Span) -> bool {
        !self.slice(span).contains('\n')
    }

    // ---- tokens ----

    /// The next token, whatever it is.
    pub fn any(&mut self) {
        self.gap();
        let Some(&token) = self.tokens.get(self.at) else { return };
        self.at += 1;
        self.write(token);
        self.end = token.end;
    }

    /// The next token, which is this.
    pub fn token(&mut self, expected: &str) {
        self.expect(expected);
        self.any();
    }

    /// The next token, before comments that would move it to another line.
    pub fn hoisted(&mut self, expected: &str) {
        self.expect(expected);
        let start = self.next_start();
        let pending = &self.comments[self.comment_at..];
        let moves = pending.iter().take_while(|c| c.span.start < start).any(|c| {
            let before = Span::new(self.end, c.span.start);
            c.line || self.ends_line(c) || !self.on_one_line(before) || !self.on_one_line(c.span)
        });
        if !moves {
            return self.any();
        }
        self.push_sep();
        let token = self.tokens[self.at];
        self.at += 1;
        self.write(token);
    }

    /// Leaves the next token out.
    pub fn skip(&mut self, expected: &str) {
        self.expect(expected);
        if !self.comment_next() {
            self.end = self.tokens[self.at].end;
        }
        self.at += 1;
    }

    /// Tokens up to `end`, with nothing between them.
    pub fn up_to(&mut self, end: u32) {
        while self.next_start() < end {
            self.any();
        }
    }

    fn expect(&self, expected: &str) {
        let found = self.next_text();
        assert!(found == expected, "at byte {}: `{expected}` and not `{found}`", self.next_start());
    }

    fn write(&mut self, token: Span) {
        let text = self.slice(token);
        self.opened = matches!(text, "(" | "[" | "{" | "<");
        self.fresh = false;
        self.verbatim(text);
    }

    /// A text whose later lines stay where they are.
    pub fn verbatim(&mut self, text: &'a str) {
        let mut lines = text.split('\n');
        let first = lines.next().unwrap_or("");
        self.push(self.make.text(first));
        let mut rest = Vec::new();
        for line in lines {
            rest.extend([self.make.hard(), self.make.text(line)]);
        }
        if !rest.is_empty() {
            let rest = self.make.concat(rest);
            self.push(self.make.unindented(rest));
        }
    }

    // ---- separators ----

    pub fn space(&mut self) {
        self.sep = Sep::Space;
    }

    pub fn line(&mut self) {
        self.sep = Sep::Line;
    }

    pub fn soft(&mut self) {
        self.sep = Sep::Soft;
    }

    pub fn hard(&mut self) {
        self.sep = Sep::Hard;
    }

    /// Writes the separator.
    pub fn push_sep(&mut self) {
        let sep = std::mem::replace(&mut self.sep, Sep::None);
        let doc = match sep {
            Sep::None => return,
            _ if self.fresh => return,
            Sep::Space => self.make.text(" "),
            Sep::Soft => self.make.line(""),
            Sep::Line => self.make.line(" "),
            Sep::Hard | Sep::Lines | Sep::First => self.make.hard(),
        };
        self.push(doc);
    }

    // ---- documents ----

    pub fn push(&mut self, doc: Doc<'a>) {
        self.out.push(doc);
    }

    pub fn capture(&mut self, inside: impl FnOnce(&mut Self)) -> Doc<'a> {
        let before = std::mem::take(&mut self.out);
        inside(self);
        let docs = std::mem::replace(&mut self.out, before);
        self.make.concat(docs)
    }

    /// A separator that was asked for before belongs outside.
    fn part(&mut self, inside: impl FnOnce(&mut Self)) -> Doc<'a> {
        if self.sep != Sep::None {
            self.gap();
        }
        self.capture(inside)
    }

    pub fn group(&mut self, inside: impl FnOnce(&mut Self)) {
        let doc = self.part(inside);
        self.push(self.make.group(doc));
    }

    /// A separator that was asked for before stands inside.
    pub fn group_here(&mut self, inside: impl FnOnce(&mut Self)) {
        let doc = self.capture(inside);
        self.push(self.make.group(doc));
    }

    pub fn nest(&mut self, inside: impl FnOnce(&mut Self)) {
        self.nest_by(INDENT, inside);
    }

    pub fn nest_by(&mut self, by: isize, inside: impl FnOnce(&mut Self)) {
        let doc = self.part(inside);
        self.push(self.make.nest(by, doc));
    }

    /// What stands after `=` or `->`: on the same line if its beginning fits there.
    pub fn value(&mut self, inside: impl FnOnce(&mut Self)) {
        self.value_by(false, inside);
    }

    /// `whole`: on the same line only if all of it fits there.
    pub fn value_by(&mut self, whole: bool, inside: impl FnOnce(&mut Self)) {
        if self.comment_next() {
            return self.nest(|p| {
                p.space();
                inside(p);
            });
        }
        let doc = self.capture(inside);
        let make = self.make;
        let here = make.concat([make.text(" "), doc]);
        let below = make.nest(INDENT, make.concat([make.hard(), doc]));
        let width = if whole { flat_width(doc).unwrap_or(super::WIDTH) } else { head_width(doc) };
        self.push(make.if_room(1 + width, here, below));
    }
}

/// The tokens, those of a text with interpolations put together.
fn whole_texts(tokens: &[Token]) -> Vec<Span> {
    let mut out = Vec::with_capacity(tokens.len());
    let mut open = 0;
    let mut start = 0;
    for token in tokens {
        if token.tok == Tok::StrStart {
            if open == 0 {
                start = token.start;
            }
            open += 1;
        }
        if token.tok == Tok::StrEnd {
            open -= 1;
            if open == 0 {
                out.push(Span::new(start, token.end));
            }
        } else if open == 0 {
            out.push(token.span());
        }
    }
    out
}
