//! Comments between tokens: which lines they stand on, and the line ends they force.

use super::printer::{Printer, Sep};
use crate::comments::Comment;

impl<'a> Printer<'a> {
    /// The separator and the comments before the next token.
    pub fn gap(&mut self) {
        self.comments_here(false);
        let between = &self.text[self.end as usize..self.next_start() as usize];
        if self.sep == Sep::Lines && has_blank_line(between) {
            self.blank_line();
        }
        self.push_sep();
    }

    fn blank_line(&mut self) {
        if !self.fresh {
            self.push(self.make.hard());
        }
    }

    /// The comments before a closing bracket; they stand inside. What is to stand before the bracket is asked for
    /// afterwards, with [`close_sep`](Self::close_sep).
    pub fn comments_inside(&mut self) {
        self.comments_here(true);
    }

    /// The separator before a closing bracket, unless a comment has forced another.
    pub fn close_sep(&mut self, sep: Sep) {
        if self.sep != Sep::Hard {
            self.sep = sep;
        }
    }

    /// The comments at the end of the file.
    pub fn last_comments(&mut self) {
        self.sep = Sep::Lines;
        self.comments_here(true);
    }

    fn comments_here(&mut self, closing: bool) {
        let limit = self.next_start();
        if !self.comment_before(limit) {
            return;
        }
        let in_lines = matches!(self.sep, Sep::Lines | Sep::First);
        while let Some(&comment) = self.comments.get(self.comment_at).filter(|c| c.span.start < limit) {
            let before = &self.text[self.end as usize..comment.span.start as usize];
            let own_line = before.contains('\n');
            let ends_line = comment.line || self.ends_line(&comment);
            if own_line {
                if self.sep == Sep::Lines && has_blank_line(before) {
                    self.blank_line();
                }
                self.sep = Sep::Hard;
            } else if ends_line {
                self.sep = Sep::Space;
            } else {
                self.sep = match self.sep {
                    Sep::None if self.opened => Sep::None,
                    Sep::None => Sep::Space,
                    Sep::Soft | Sep::Line if closing && !self.opened => Sep::Space,
                    other => other,
                };
            }
            self.push_sep();
            self.comment(&comment);
            self.comment_at += 1;
            self.end = comment.span.end;
            self.opened = false;
            self.fresh = false;
            self.sep = match self.next_text() {
                _ if ends_line && in_lines => Sep::Lines,
                _ if ends_line => Sep::Hard,
                "," | ";" | "." | ")" | "]" | "}" if !self.comment_next() => Sep::None,
                _ => Sep::Space,
            };
            if comment.doc && self.sep == Sep::Space && !closing && !self.comment_before(limit) {
                // What it speaks of stands beside it or below.
                self.sep = Sep::None;
                let line = self.make.line(" ");
                self.push(self.make.group(line));
            }
        }
        if closing && self.sep == Sep::Lines {
            self.sep = Sep::Hard;
        }
    }

    /// Nothing more stands on the line after the comment.
    pub fn ends_line(&self, comment: &Comment) -> bool {
        let rest = &self.text[comment.span.end as usize..];
        rest.trim_start_matches([' ', '\t', '\r', '\u{C}']).starts_with('\n')
    }

    fn comment(&mut self, comment: &Comment) {
        let text = self.slice(comment.span);
        if comment.line {
            // No code is broken for the sake of a comment behind it.
            return self.push(self.make.free_text(text.trim_end()));
        }
        let mut lines = text.split('\n').map(str::trim_end);
        let first = lines.next().unwrap_or("");
        self.push(self.make.text(first));
        let starred = text.lines().skip(1).all(|line| line.trim_start().starts_with('*'));
        let mut rest = Vec::new();
        for line in lines {
            rest.push(self.make.hard());
            if starred {
                rest.extend([self.make.text(" "), self.make.text(line.trim_start())]);
            } else {
                rest.push(self.make.text(line));
            }
        }
        if !rest.is_empty() {
            let rest = self.make.concat(rest);
            self.push(if starred { rest } else { self.make.unindented(rest) });
        }
    }
}

/// An empty line, and nothing else, between two line ends.
fn has_blank_line(between: &str) -> bool {
    let mut lines = between.split('\n').skip(1).peekable();
    while let Some(line) = lines.next() {
        if lines.peek().is_some() && line.trim().is_empty() {
            return true;
        }
    }
    false
}
