//! `a.b(c)[d].e(f)`: chains of calls, which break before their dots.

use super::printer::Printer;
use crate::ast::*;
use crate::span::Span;

/// A head as short as this has its first call beside it.
const SHORT_HEAD: usize = 4;

/// `.name`, and the calls and indexes after it.
struct Link<'t> {
    parts: Vec<&'t Expr>,
}

impl Link<'_> {
    fn calls(&self) -> bool {
        self.parts.iter().any(|part| matches!(part.kind, ExprKind::Call { .. }))
    }
}

impl Printer<'_> {
    pub fn postfix(&mut self, expr: &Expr) {
        let mut parts = Vec::new();
        let mut head = expr;
        loop {
            parts.push(head);
            head = match &head.kind {
                ExprKind::Field { receiver, .. } | ExprKind::Index { receiver, .. } => receiver.as_ref(),
                ExprKind::Call { callee, .. } => callee.as_ref(),
                _ => break,
            };
        }
        // The head itself, and what is called or indexed before the first dot.
        let mut beside = Vec::new();
        let mut links: Vec<Link<'_>> = Vec::new();
        for part in parts.into_iter().rev() {
            match (&part.kind, links.last_mut()) {
                (ExprKind::Field { .. }, _) => links.push(Link { parts: vec![part] }),
                (_, Some(link)) => link.parts.push(part),
                (_, None) => beside.push(part),
            }
        }
        let calls = links.iter().filter(|link| link.calls()).count();
        let commented = links.iter().any(|link| self.comment_before_link(link));
        let hugs = calls == 2 && links.last().is_some_and(|link| self.link_holds_lines(link));
        let breaks = commented || calls > 1 && !hugs;
        if !breaks {
            for part in beside.into_iter().chain(links.into_iter().flat_map(|link| link.parts)) {
                self.part_of_chain(part);
            }
            return;
        }
        let mut first = links.iter().position(Link::calls).unwrap_or(0);
        if commented {
            first = 0;
        } else if self.short_head(head) && beside.len() == 1 && first == 0 {
            first = 1;
        }
        let rest = links.split_off(first);
        self.group(|p| {
            for part in beside.into_iter().chain(links.into_iter().flat_map(|link| link.parts)) {
                p.part_of_chain(part);
            }
            p.nest(|p| {
                for link in rest {
                    if commented || link.calls() {
                        p.soft();
                    }
                    for part in link.parts {
                        p.part_of_chain(part);
                    }
                }
            });
        });
    }

    /// A comment stands between the dot's neighbours.
    fn comment_before_link(&self, link: &Link<'_>) -> bool {
        match &link.parts[0].kind {
            ExprKind::Field { receiver, name } => {
                self.comment_in(Span::new(receiver.span.end, name.span.start))
            }
            _ => false,
        }
    }

    fn link_holds_lines(&self, link: &Link<'_>) -> bool {
        link.parts.iter().any(|part| match &part.kind {
            ExprKind::Call { args, .. } => {
                args.last().is_some_and(|arg| self.holds_lines(&arg.value, args.len() == 1))
            }
            _ => false,
        })
    }

    /// `this`, a type's name or a short one.
    fn short_head(&self, head: &Expr) -> bool {
        let text = self.slice(head.span);
        match head.kind {
            ExprKind::This => true,
            ExprKind::Name(_) => text.len() <= SHORT_HEAD || text.starts_with(char::is_uppercase),
            _ => false,
        }
    }

    /// The last part of `expr`, or all of it if it is the head.
    fn part_of_chain(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Field { .. } => {
                self.token(".");
                self.any();
            }
            ExprKind::Index { index, .. } => {
                self.gap();
                self.group(|p| {
                    p.token("[");
                    p.nest(|p| {
                        p.soft();
                        p.expr(index);
                        p.comments_inside();
                    });
                    p.close_sep(super::printer::Sep::Soft);
                    p.token("]");
                });
            }
            ExprKind::Call { args, .. } => self.args(args),
            _ => self.expr(expr),
        }
    }
}
