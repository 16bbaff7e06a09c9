//! Values that do not fit where they stand, and what would help.

use super::Checker;
use super::expr::{binds_tight, count};
use super::stmt::strip;
use crate::constants;
use crate::types::{Ty, TyKind};
use dscript_grammar::ast::{Expr, ExprKind};
use dscript_grammar::codes;
use dscript_grammar::diagnostic::Diagnostic;
use dscript_grammar::span::Span;

impl<'a> Checker<'a, '_> {
    /// Reports a value that does not fit; tells whether it does.
    pub(super) fn require(&mut self, expr: &Expr, found: Ty, wanted: Ty) -> bool {
        if self.fits(found, wanted) {
            return true;
        }
        if !self.defs.modules[self.cx.module.index()].is_broken(expr.span) {
            self.misfit(expr, found, wanted);
        }
        false
    }

    fn misfit(&mut self, expr: &Expr, found: Ty, wanted: Ty) {
        let found = self.types.resolve(found);
        let wanted = self.types.resolve(wanted);
        let (shown, want) = (self.show(found), self.show(wanted));
        self.close(&[found]);
        let span = expr.span;
        let at = Span::new(span.start, span.start);
        if let Some(inner) = self.types.fallible_inner(found)
            && self.fits(inner, wanted)
        {
            let report = self
                .diagnostic(codes::USED_AS_VALUE, span, format!("this is a `{shown}`: it may be an error"))
                .help(self.ways_out(expr));
            let report = self.with_try(report, expr);
            self.diagnostics.push(report);
            return;
        }
        let held = self.types.fallible_inner(found).and_then(|inner| self.types.nullable_inner(inner));
        if let Some(inner) = held
            && self.fits(inner, wanted)
        {
            let message = format!("this is a `{shown}`: it may be an error, or null");
            let report = self
                .diagnostic(codes::USED_AS_VALUE, span, message)
                .help("hand the error on and replace null: `(try ...) ?? VALUE`; `??` alone replaces both");
            self.diagnostics.push(report);
            return;
        }
        if let Some(inner) = self.types.nullable_inner(found)
            && self.fits(inner, wanted)
        {
            let help = match self.copy_of_field(expr) {
                Some(copy) => format!("{copy} and test that, or replace null with `?? VALUE`"),
                None => "test it with `!= null` first, or replace null with `?? VALUE`".to_string(),
            };
            let report = self
                .diagnostic(codes::NULLABLE, span, format!("this is a `{shown}`: it may be null"))
                .help(help);
            self.diagnostics.push(report);
            return;
        }
        let mut report =
            self.diagnostic(codes::MISMATCH, span, format!("a `{want}` is wanted, this is `{shown}`"));
        if let TyKind::Function(given, result) = self.types.kind(found).clone() {
            report = match self.types.kind(wanted).clone() {
                TyKind::Function(taken, wanted) => {
                    self.other_function(report, (&given, result), (&taken, wanted))
                }
                _ => self.offer_call(report, expr, found),
            };
        } else if self.is_known(wanted, self.defs.known.set) && self.is_known(found, self.defs.known.list) {
            let end = Span::new(span.end, span.end);
            report = report.help("a list becomes a set by `toSet()`").edit(end, ".toSet()");
        } else if self.is_known(wanted, self.defs.known.list) && self.is_known(found, self.defs.known.set) {
            let end = Span::new(span.end, span.end);
            report = report.help("a set becomes a list by `values()`").edit(end, ".values()");
        } else if found == Ty::DOUBLE && wanted == Ty::INT {
            report = report.help("`(int)` cuts the fraction off");
            report = match binds_tight(expr) {
                true => report.edit(at, "(int) "),
                false => report.edit(at, "(int) (").edit(Span::new(span.end, span.end), ")"),
            };
        } else if wanted == Ty::DURATION && found == Ty::INT {
            report = report.help("a Duration has a unit: `5s`, `250ms`, or `1s * n`");
        } else if matches!(wanted, Ty::INT | Ty::DOUBLE)
            && let Some(text) = constants::literal(expr).filter(|_| self.is_string(found))
        {
            // Of another text nobody knows which number was meant.
            let digits = text.strip_prefix('-').unwrap_or(&text);
            if digits.parse::<u32>().is_ok_and(|n| n.to_string() == digits) {
                report = report.edit(span, text);
            }
        } else if matches!(wanted, Ty::INT | Ty::DOUBLE) && self.is_string(found) {
            let (name, ty) = if wanted == Ty::INT { ("Int", "int") } else { ("Double", "double") };
            report = report.help(format!("`{name}.parse(text)` reads one, and gives `{ty}?`"));
        } else if found == Ty::NULL {
            report = report.help(super::with_articles(format!("only a `{want}?` may be null")));
        } else if self.is_string(wanted)
            && super::ops::has_text(self.types, self.defs, found)
            && !self.has_poison(found)
        {
            let end = Span::new(span.end, span.end);
            let is_literal = matches!(expr.kind, ExprKind::Int(_) | ExprKind::Double(_) | ExprKind::Bool(_));
            report = match is_literal {
                true => report.edit(at, "\"").edit(end, "\""),
                false => report.help("as text: `\"${...}\"`").edit(at, "\"${").edit(end, "}\""),
            };
        }
        self.diagnostics.push(report);
    }

    /// A function where one of another type is wanted: what the difference is.
    fn other_function(
        &mut self,
        report: Diagnostic,
        (given, result): (&[Ty], Ty),
        (taken, wanted): (&[Ty], Ty),
    ) -> Diagnostic {
        if given.len() != taken.len() {
            let count = |n| count(n, "argument");
            return report.help(format!(
                "it takes {}, and will be given {}",
                count(given.len()),
                count(taken.len())
            ));
        }
        if self.fits(result, wanted) {
            return report;
        }
        let (shown, want) = (self.show(result), self.show(wanted));
        report.help(super::with_articles(format!(
            "it gives a `{shown}`, not a `{want}`: a lambda can make one of it"
        )))
    }

    /// Where a function stands and its result was meant: offers the call.
    pub(super) fn offer_call(&mut self, report: Diagnostic, value: &Expr, ty: Ty) -> Diagnostic {
        let TyKind::Function(params, _) = self.types.kind(ty) else { return report };
        if !matches!(strip(value).kind, ExprKind::Name(_) | ExprKind::Field { .. }) {
            return report;
        }
        let end = Span::new(value.span.end, value.span.end);
        let name = self.written(value.span);
        match params.is_empty() {
            true => report.help(format!("a function is called with `()`: `{name}()`")).edit(end, "()"),
            false => report.help(format!("a function is called with its arguments: `{name}(...)`")),
        }
    }

    /// Reports a `T!` whose value is looked at as if there were one for certain.
    pub(super) fn failure_first(&mut self, value: &Expr, ty: Ty) -> Ty {
        let shown = self.show(ty);
        let report = self
            .diagnostic(codes::USED_AS_VALUE, value.span, format!("this is a `{shown}`: it may be an error"))
            .help(self.ways_out(value));
        let report = self.with_try(report, value);
        self.diagnostics.push(report);
        Ty::POISON
    }

    /// What to do with a value that may be an error.
    pub(super) fn ways_out(&self, expr: &Expr) -> String {
        match self.copy_of_field(expr) {
            Some(copy) => {
                format!("hand the error on with `try`, replace it with `??`, or {copy} and test that")
            }
            None => {
                "hand the error on with `try`, test it with `isError`, or replace it with `??`".to_string()
            }
        }
    }

    /// How to come to a variable with the value of a field: what a test says of a field itself does not last.
    pub(super) fn copy_of_field(&self, expr: &Expr) -> Option<String> {
        let expr = strip(expr);
        let is_field = matches!(expr.kind, ExprKind::Field { .. } | ExprKind::Name(_))
            && matches!(self.facts[self.cx.module.index()].res(expr.id), crate::facts::Res::Field(_));
        let text = self.map.get(self.file()).text();
        let written = text.get(expr.span.start as usize..expr.span.end as usize).filter(|_| is_field)?;
        let name = written.rsplit('.').next().unwrap_or(written);
        let name = if name == written { "value" } else { name };
        Some(format!("copy the field first (`var {name} = {written};`)"))
    }

    /// Offers `try` before a value that may be an error, where the error has somewhere to go.
    pub(super) fn with_try(&self, report: Diagnostic, value: &Expr) -> Diagnostic {
        if !self.can_fail() {
            return report;
        }
        let at = Span::new(value.span.start, value.span.start);
        // `try` binds like `!`: what binds less stands in parentheses.
        if binds_tight(value) {
            report.edit(at, "try ")
        } else {
            report.edit(at, "try (").edit(Span::new(value.span.end, value.span.end), ")")
        }
    }

    /// As `with_try`, where something binds tighter to the value: `(try f()).x`.
    pub(super) fn with_try_inside(&self, report: Diagnostic, value: &Expr) -> Diagnostic {
        if !self.can_fail() {
            return report;
        }
        let at = Span::new(value.span.start, value.span.start);
        report.edit(at, "(try ").edit(Span::new(value.span.end, value.span.end), ")")
    }

    /// Whether a mistake was reported within a type.
    pub(super) fn has_poison(&mut self, ty: Ty) -> bool {
        let ty = self.types.resolve(ty);
        if ty == Ty::POISON {
            return true;
        }
        let mut found = false;
        self.types.map(ty, &mut |types, part| {
            let part = types.resolve(part);
            found |= part == Ty::POISON;
            part
        });
        found
    }
}
