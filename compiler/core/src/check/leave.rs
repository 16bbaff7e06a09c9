//! What leaves a body: `return` and `fail`.

use super::stmt::head;
use super::{Checker, Ending};
use crate::types::Ty;
use dscript_grammar::ast::{self, ExprKind};
use dscript_grammar::codes;
use dscript_grammar::span::Span;
use dscript_grammar::walk::{Node, path_at};

impl<'a> Checker<'a, '_> {
    /// A switch expression has a value wherever its arms end.
    pub(super) fn leaves_switch(&mut self, span: Span, word: &str) {
        let at = head(span, word.len() as u32);
        let report = self
            .diagnostic(codes::NO_LOOP, at, format!("`{word}` cannot leave a `switch` that gives a value"))
            .help("give the value of the arm with `yield`, or write the `switch` as a statement");
        self.diagnostics.push(report);
    }

    pub(super) fn return_stmt(&mut self, span: Span, value: Option<&'a ast::Expr>) {
        if !self.cx.arms.is_empty() {
            self.leaves_switch(span, "return");
            // It was meant for the arm, most likely, and not as the function's result.
            if let Some(value) = value {
                self.expr(value, Some(Ty::POISON));
            }
            return self.leave_body(head(span, 6));
        }
        if let Some(ast::Expr { kind: ExprKind::Fail(error), span: fail, .. }) = value {
            let report = self
                .diagnostic(
                    codes::TRY_OUTSIDE,
                    head(span, 6),
                    "`fail` gives no value to return: it ends the function itself",
                )
                .edit(Span::new(span.start, fail.start), "");
            self.diagnostics.push(report);
            self.expr(error, None);
            return self.leave_body(head(span, 6));
        }
        match self.cx.ending.clone() {
            Ending::Returns(ret) => match value {
                Some(value) if ret == Ty::VOID => {
                    self.expr(value, None);
                    self.error(codes::MISMATCH, value.span, "a `void` function returns no value");
                }
                Some(value) => {
                    let inner = self.types.fallible_inner(ret);
                    if inner == Some(Ty::VOID) {
                        let ty = self.expr(value, Some(ret));
                        let ty = self.types.resolve(ty);
                        self.require(value, ty, ret);
                    } else if self.cx.is_task {
                        // What a task says is true or false; that an error may stand for false goes without saying.
                        let found = self.expr(value, Some(ret));
                        let wanted = if self.fits(found, ret) { ret } else { inner.unwrap_or(ret) };
                        self.require(value, found, wanted);
                    } else {
                        self.expr_to(value, ret);
                    }
                    self.mark_moved(value);
                }
                None => {
                    let plain = self.types.fallible_inner(ret).unwrap_or(ret);
                    if plain != Ty::VOID && ret != Ty::POISON && !self.cx.is_task {
                        let wanted = self.show(ret);
                        self.error(
                            codes::MISMATCH,
                            span,
                            format!("`return` needs a value of type `{wanted}`"),
                        );
                    }
                }
            },
            Ending::Infer { .. } => {
                let ty = match value {
                    Some(value) => {
                        let ty = self.expr(value, None);
                        self.mark_moved(value);
                        ty
                    }
                    None => Ty::VOID,
                };
                if let Ending::Infer { found, .. } = &mut self.cx.ending {
                    found.push(ty);
                }
            }
            Ending::Nothing(_) => {
                if let Some(value) = value {
                    self.expr(value, None);
                    self.error(codes::MISMATCH, value.span, "nothing is returned here");
                }
                self.require_whole(span, "where the constructor returns");
            }
        }
        self.leave_body(head(span, 6));
    }

    /// `fail e`; never goes on.
    pub(super) fn fail(&mut self, span: Span, value: &'a ast::Expr) -> Ty {
        let ty = self.expr(value, None);
        let ty = self.types.resolve(ty);
        let error = self.error_type();
        if !self.is_string(ty) && ty != error && ty != Ty::POISON {
            let shown = self.show(ty);
            self.error(
                codes::MISMATCH,
                value.span,
                format!("`fail` takes a String or an Error, not `{shown}`"),
            );
        }
        self.may_fail(Span::new(span.start, span.start + 4), "fail");
        self.leave_failed(Span::new(span.start, span.start + 4));
        self.cx.flow = self.cx.flow.ended();
        Ty::NEVER
    }

    /// Whether a failure has somewhere to go from here.
    pub(super) fn can_fail(&self) -> bool {
        !self.cx.retries.is_empty()
            || match self.cx.ending {
                Ending::Returns(ret) => self.types.fallible_inner(ret).is_some(),
                Ending::Infer { .. } => true,
                Ending::Nothing(_) => false,
            }
    }

    /// The type that the function around a place is declared to give.
    fn declared_result(&self, span: Span) -> Option<Span> {
        let module = self.defs.modules[self.cx.module.index()].ast;
        path_at(module, span.start).into_iter().rev().find_map(|node| match node {
            Node::Item(ast::Item { kind: ast::ItemKind::Function(function), .. }) => Some(function.ret.span),
            _ => None,
        })
    }

    /// Checks that a failure has somewhere to go from here, and says so if it has not.
    pub(super) fn may_fail(&mut self, span: Span, word: &str) -> bool {
        if !self.cx.retries.is_empty() {
            return true;
        }
        let message = match &mut self.cx.ending {
            Ending::Returns(ret) => {
                let ret = *ret;
                if ret == Ty::POISON || self.types.fallible_inner(ret).is_some() {
                    return true;
                }
                let shown = self.show(ret);
                format!("`{word}` needs a function whose result can hold an error, such as `{shown}!`")
            }
            Ending::Infer { fails, .. } => {
                *fails = true;
                return true;
            }
            Ending::Nothing(what) => format!("`{word}` cannot stand in {what}: nothing could take the error"),
        };
        let mut report = self.diagnostic(codes::TRY_OUTSIDE, span, message);
        if self.cx.lambdas.is_empty()
            && let Some(result) = self.declared_result(span)
        {
            let end = Span::new(result.end, result.end);
            // A default value fails before its function does.
            if !self.written(result).ends_with('!') {
                report = report.label(result, "the result is declared here").edit(end, "!");
            }
        }
        if word == "within" {
            report =
                report.help("or say what happens when the time is over: `within (...) { ... } else { ... }`");
        }
        self.diagnostics.push(report);
        false
    }
}
