//! What stands in brackets with commas between: arguments, parameters, lists, maps.

use super::layout::{flat_width, head_width};
use super::printer::{INDENT, Printer, Sep};
use crate::ast::*;

/// How a list breaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Breaks {
    /// All together on a line of their own if they fit there; no comma after the last.
    Together,
    /// Each on a line of its own.
    Each,
    /// Each on a line of its own, with a comma after the last; also if there was such a comma.
    WithComma,
}

impl<'a> Printer<'a> {
    /// `open`, the items with commas between, `close`: on one line, or each on its own.
    pub fn listed<T>(
        &mut self,
        brackets: [&str; 2],
        items: &[T],
        breaks: Breaks,
        mut each: impl FnMut(&mut Self, &T),
    ) {
        let [open, close] = brackets;
        if items.is_empty() {
            return self.empty(brackets);
        }
        self.gap();
        let broken = match breaks {
            Breaks::Together => false,
            Breaks::Each => true,
            Breaks::WithComma => self.last_before(self.close_of_next()) == ",",
        };
        let [first, next] = if broken { [Sep::Hard; 2] } else { [Sep::Soft, Sep::Line] };
        self.group(|p| {
            p.token(open);
            p.nest(|p| {
                p.sep = first;
                let mut all = |p: &mut Self| {
                    for (index, item) in items.iter().enumerate() {
                        if index > 0 {
                            p.sep = next;
                        }
                        each(p, item);
                        if index + 1 < items.len() {
                            p.hoisted(",");
                        }
                    }
                    p.end_of_list(breaks);
                };
                match breaks {
                    Breaks::Together => p.group(all),
                    Breaks::Each | Breaks::WithComma => all(p),
                }
            });
            p.close_sep(Sep::Soft);
            p.token(close);
        });
    }

    /// Items with commas between and no brackets around: on one line, or each on its own.
    pub fn together<T>(&mut self, items: &[T], mut each: impl FnMut(&mut Self, &T)) {
        self.group(|p| {
            p.nest(|p| {
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        p.hoisted(",");
                        p.line();
                    }
                    each(p, item);
                }
            });
        });
    }

    /// What stands between the last item and the closing bracket.
    pub fn end_of_list(&mut self, breaks: Breaks) {
        if self.is(",") {
            self.skip(",");
        }
        if breaks == Breaks::WithComma {
            let comma = self.make.either(self.make.text(","), self.make.nil());
            self.push(comma);
        }
        self.comments_inside();
    }

    /// Brackets with nothing but comments between.
    pub fn empty(&mut self, [open, close]: [&str; 2]) {
        self.token(open);
        self.nest(Self::comments_inside);
        self.close_sep(Sep::None);
        self.token(close);
    }

    pub fn params(&mut self, params: &[Param]) {
        let breaks = if self.documented() { Breaks::Each } else { Breaks::Together };
        self.listed(["(", ")"], params, breaks, |p, param| {
            if param.final_ {
                p.token("final");
                p.space();
            }
            p.ty(&param.ty);
            p.space();
            p.any();
            if let Some(default) = &param.default {
                p.space();
                p.token("=");
                p.value(|p| p.expr(default));
            }
        });
    }

    /// A doc comment stands in the bracket that is the next token.
    fn documented(&self) -> bool {
        let rest = &self.comments[self.comment_at..];
        if rest.is_empty() {
            return false;
        }
        let close = self.close_of_next();
        rest.iter().take_while(|c| c.span.start < close).any(|c| c.doc)
    }

    pub fn arg(&mut self, arg: &Arg) {
        if arg.name.is_some() {
            self.any();
            if self.is(":") {
                self.token(":");
            } else {
                // In an annotation.
                self.space();
                self.token("=");
            }
            return self.value(|p| p.expr(&arg.value));
        }
        self.expr(&arg.value);
    }

    /// The arguments of a call. A last one that is a block keeps its beginning on the line of the call.
    pub fn args(&mut self, args: &[Arg]) {
        let Some((last, before)) = args.split_last() else { return self.empty(["(", ")"]) };
        let hugs = self.holds_lines(&last.value, before.is_empty())
            && !before.iter().any(|arg| matches!(arg.value.kind, ExprKind::Lambda(_) | ExprKind::Switch(_)))
            && !self.comment_around(args);
        if !hugs {
            return self.listed(["(", ")"], args, Breaks::Together, Self::arg);
        }
        let make = self.make;
        self.token("(");
        let mut here = Vec::new();
        let mut below = Vec::new();
        for arg in before {
            let doc = self.capture(|p| p.arg(arg));
            self.skip(",");
            here.extend([doc, make.text(", ")]);
            below.extend([doc, make.text(","), make.line(" ")]);
        }
        let width = flat_width(make.concat(here.iter().copied()));
        let last = self.capture(|p| p.arg(last));
        if self.is(",") {
            self.skip(",");
        }
        below.push(last);
        here.push(last);
        let below = make.group(make.concat(below));
        let below = make.nest(INDENT, make.concat([make.line(""), below]));
        let below = make.group(make.concat([below, make.line("")]));
        let args = match width {
            Some(width) => make.if_room(width + head_width(last), make.concat(here), below),
            None => below,
        };
        self.push(args);
        self.token(")");
    }

    /// A comment stands beside the arguments, outside the last one.
    fn comment_around(&self, args: &[Arg]) -> bool {
        let close = self.close_of_next();
        let inside = args.last().map(|last| last.value.span);
        self.comments[self.comment_at..]
            .iter()
            .take_while(|c| c.span.start < close)
            .any(|c| inside.is_none_or(|last| c.span.start < last.start || c.span.end > last.end))
    }

    pub fn list(&mut self, items: &[Expr]) {
        if items.len() < 4 || !items.iter().all(is_number) {
            return self.listed(["[", "]"], items, Breaks::WithComma, Self::expr);
        }
        // Numbers fill their lines.
        self.gap();
        self.group(|p| {
            p.token("[");
            p.nest(|p| {
                for (index, item) in items.iter().enumerate() {
                    if index == 0 {
                        p.soft();
                    } else {
                        p.group(|p| {
                            p.line();
                            p.gap();
                        });
                    }
                    p.expr(item);
                    if index + 1 < items.len() {
                        p.hoisted(",");
                    }
                }
                p.end_of_list(Breaks::WithComma);
            });
            p.close_sep(Sep::Soft);
            p.token("]");
        });
    }

    pub fn map(&mut self, entries: &[(Expr, Expr)]) {
        if entries.is_empty() {
            self.token("{");
            self.token(":");
            self.nest(Self::comments_inside);
            self.close_sep(Sep::None);
            return self.token("}");
        }
        self.listed(["{", "}"], entries, Breaks::WithComma, |p, (key, value)| {
            p.expr(key);
            p.token(":");
            p.value(|p| p.expr(value));
        });
    }

    /// An argument that may stand over several lines, the first of them beside the parenthesis and the last before
    /// the closing one. `only`: there is no other argument.
    pub fn holds_lines(&self, expr: &Expr, only: bool) -> bool {
        match &expr.kind {
            ExprKind::Lambda(lambda) => match &lambda.body {
                LambdaBody::Block(block) => !block.stmts.is_empty(),
                LambdaBody::Expr(_) => false,
            },
            ExprKind::Switch(_) => true,
            ExprKind::Str(_) => !self.on_one_line(expr.span),
            ExprKind::List(items) => !items.is_empty(),
            ExprKind::Map(entries) => !entries.is_empty(),
            ExprKind::Call { args, callee } if only => {
                let plain = match &callee.kind {
                    ExprKind::Name(_) => true,
                    ExprKind::Field { receiver, .. } => {
                        matches!(receiver.kind, ExprKind::Name(_) | ExprKind::This)
                    }
                    _ => false,
                };
                plain && matches!(args.as_slice(), [one] if self.holds_lines(&one.value, true))
            }
            ExprKind::New { args, .. } if only => {
                matches!(args.as_slice(), [one] if self.holds_lines(&one.value, true))
            }
            _ => false,
        }
    }
}

fn is_number(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Int(_)
        | ExprKind::Double(_)
        | ExprKind::Duration(_)
        | ExprKind::Char(_)
        | ExprKind::Bool(_) => true,
        ExprKind::Unary { op: UnaryOp::Neg, operand } => {
            matches!(operand.kind, ExprKind::Int(_) | ExprKind::Double(_) | ExprKind::Duration(_))
        }
        _ => false,
    }
}
