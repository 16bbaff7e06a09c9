//! Literals, lists, maps and text.

use super::Checker;
use super::ops::{has_text, is_key};
use crate::defs::{TypeDefId, TypeKind};
use crate::facts::Res;
use crate::types::{Ty, TyKind};
use dscript_grammar::ast::{self, Expr, ExprKind, StrPart};
use dscript_grammar::codes;
use dscript_grammar::diagnostic::{Diagnostic, Edit};
use dscript_grammar::span::Span;
use rustc_hash::FxHashMap;

/// A constant that is a key.
#[derive(PartialEq, Eq, Hash)]
enum Constant<'k> {
    Int(i128),
    Duration(i128),
    Bool(bool),
    Text(&'k str),
    Enum(TypeDefId, u32),
}

/// What in a type cannot be.
enum Unfit {
    /// A type of keys that is none.
    Key(Ty),
    /// A type argument, and the bound of its parameter that it does not meet.
    Bound(Ty, Ty),
}

impl<'a> Checker<'a, '_> {
    pub(super) fn int(&mut self, value: u64, span: Span, negated: bool) -> Ty {
        let limit = i64::MAX as u64 + u64::from(negated);
        if value > limit {
            return self.error(
                codes::LITERAL_RANGE,
                span,
                "the number does not fit an int: its limits are -9223372036854775808 and 9223372036854775807",
            );
        }
        Ty::INT
    }

    pub(super) fn duration(&mut self, value: u64, span: Span, negated: bool) -> Ty {
        let limit = i64::MAX as u64 + u64::from(negated);
        if value > limit {
            return self.error(codes::LITERAL_RANGE, span, "the Duration is longer than 292 years");
        }
        Ty::DURATION
    }

    pub(super) fn string_literal(&mut self, parts: &'a [StrPart]) -> Ty {
        for part in parts {
            if let StrPart::Expr(expr) = part {
                self.text_operand(expr);
            }
        }
        self.string()
    }

    /// An expression that is turned into text.
    pub(super) fn text_operand(&mut self, expr: &'a Expr) {
        if self.refuse_char(expr) {
            return;
        }
        let ty = self.expr(expr, None);
        let ty = self.types.resolve(ty);
        self.require_text(expr, ty);
    }

    pub(super) fn require_text(&mut self, expr: &Expr, ty: Ty) {
        if has_text(self.types, self.defs, ty) || ty == Ty::NEVER || self.has_poison(ty) {
            return;
        }
        let span = expr.span;
        let shown = self.show(ty);
        let mut report = self.diagnostic(codes::NO_TEXT, span, format!("a `{shown}` has no text"));
        if self.types.fallible_inner(ty).is_some() {
            report = report.help("handle the failure first: `try`, `isError` or `??`");
            report = self.with_try(report, expr);
        } else if self.types.nullable_inner(ty).is_some() || ty == Ty::NULL {
            report = report.help("say what to show instead of null: `x ?? \"...\"`");
        } else if self.types.nominal_parts(ty).is_some() {
            report = report
                .help("something in it has none: a failure, or a function; a record may have a `toString()`");
        }
        let report = self.offer_call(report, expr, ty);
        self.diagnostics.push(report);
    }

    /// A character literal is an int: as text it would be a number, which nobody means.
    pub(super) fn refuse_char(&mut self, expr: &Expr) -> bool {
        let ExprKind::Char(code) = super::stmt::strip(expr).kind else { return false };
        let shown = match char::from_u32(code) {
            Some('"') => "\\\"".to_string(),
            Some('\\') => "\\\\".to_string(),
            Some(c) => c.escape_debug().to_string(),
            None => String::new(),
        };
        let report = self
            .diagnostic(codes::NO_TEXT, expr.span, "a character literal is a number, not a text")
            .help(format!("write the String \"{shown}\""))
            .edit(expr.span, format!("\"{shown}\""));
        self.diagnostics.push(report);
        true
    }

    pub(super) fn list(&mut self, span: Span, items: &'a [Expr], expected: Option<Ty>) -> Ty {
        let wanted = expected.and_then(|ty| self.expected_args(ty, self.defs.known.list)).map(|args| args[0]);
        let element = match wanted {
            Some(element) if !self.types.is_open(element) => {
                for item in items {
                    self.expr_to(item, element);
                }
                element
            }
            _ => {
                let mut element = Ty::NEVER;
                // After a mistake nothing is said of what the elements have in common.
                let mut told = false;
                for item in items {
                    let ty = self.expr(item, wanted);
                    let ty = self.types.resolve(ty);
                    match self.join(element, ty) {
                        Some(joined) => element = joined,
                        None if !told => self.misfit_beside(item.span, "the list holds", element, ty),
                        None => {}
                    }
                    told |= ty == Ty::POISON || self.join(element, ty).is_none();
                }
                match element {
                    _ if told => Ty::POISON,
                    Ty::NEVER | Ty::NULL if expected == Some(Ty::POISON) => Ty::POISON,
                    Ty::NEVER | Ty::NULL => {
                        let open = wanted.unwrap_or_else(|| self.types.fresh());
                        self.await_list(span, open);
                        if element == Ty::NULL { self.types.nullable(open) } else { open }
                    }
                    _ => element,
                }
            }
        };
        match self.defs.known.list {
            Some(list) => self.types.nominal(list, &[element]),
            None => Ty::POISON,
        }
    }

    pub(super) fn map_literal(
        &mut self,
        span: Span,
        entries: &'a [(Expr, Expr)],
        expected: Option<Ty>,
    ) -> Ty {
        let wanted = expected.and_then(|ty| self.expected_args(ty, self.defs.known.map));
        let wanted = wanted.map(|args| (args[0], args[1]));
        let (key, value) = match wanted {
            Some((key, value)) if !self.types.is_open(key) && !self.types.is_open(value) => {
                let mut quotes: Option<usize> = None;
                for (k, v) in entries {
                    self.expr_to(k, key);
                    self.offer_quotes(k, &mut quotes);
                    self.expr_to(v, value);
                }
                (key, value)
            }
            _ => {
                let (mut key, mut value) = (Ty::NEVER, Ty::NEVER);
                let mut told = false;
                let mut quotes: Option<usize> = None;
                for (k, v) in entries {
                    let parts = [
                        (k, &mut key, wanted.map(|w| w.0), "the map's keys are"),
                        (v, &mut value, wanted.map(|w| w.1), "the map's values are"),
                    ];
                    for (expr, joined, wanted, what) in parts {
                        let ty = self.expr(expr, wanted);
                        let ty = self.types.resolve(ty);
                        if std::ptr::eq(expr, k) {
                            self.offer_quotes(expr, &mut quotes);
                        }
                        match self.join(*joined, ty) {
                            Some(both) => *joined = both,
                            None if !told => self.misfit_beside(expr.span, what, *joined, ty),
                            None => {}
                        }
                        told |= ty == Ty::POISON || self.join(*joined, ty).is_none();
                    }
                }
                let open = |checker: &mut Self, found: Ty, wanted: Option<Ty>| match found {
                    _ if told => Ty::POISON,
                    Ty::NEVER | Ty::NULL if expected == Some(Ty::POISON) => Ty::POISON,
                    Ty::NEVER => wanted.unwrap_or_else(|| checker.types.fresh()),
                    Ty::NULL => {
                        let open = wanted.unwrap_or_else(|| checker.types.fresh());
                        checker.types.nullable(open)
                    }
                    _ => found,
                };
                key = open(self, key, wanted.map(|w| w.0));
                value = open(self, value, wanted.map(|w| w.1));
                if expected != Some(Ty::POISON) && !told {
                    self.await_map(span, key, value);
                }
                (key, value)
            }
        };
        self.duplicate_keys(entries);
        match self.defs.known.map {
            Some(map) => self.types.nominal(map, &[key, value]),
            None => Ty::POISON,
        }
    }

    /// Reports an element that has nothing in common with those before it.
    fn misfit_beside(&mut self, span: Span, what: &str, before: Ty, ty: Ty) {
        let (a, b) = (self.show(before), self.show(ty));
        let mut report = self.diagnostic(codes::MISMATCH, span, format!("{what} `{a}`; this is `{b}`"));
        report = match (self.is_string(before), self.is_string(ty)) {
            (true, _) if has_text(self.types, self.defs, ty) => report.help("as text: `\"${...}\"`"),
            (_, true) if has_text(self.types, self.defs, before) => {
                report.help("as text, the others are `\"${...}\"`")
            }
            _ => report
                .help("all are of one type; types of one interface fit where that interface is declared"),
        };
        self.diagnostics.push(report);
    }

    /// A key that is an unknown name was meant as a text: of a map's keys it is told once, where `first` says.
    fn offer_quotes(&mut self, key: &Expr, first: &mut Option<usize>) {
        let is_unknown = |d: &Diagnostic| {
            d.code == codes::UNKNOWN_NAME && d.span == key.span && d.edits.is_empty() && d.labels.is_empty()
        };
        if !matches!(key.kind, ExprKind::Name(_)) {
            return;
        }
        let Some(told) = self.diagnostics.pop_if(|d| is_unknown(d)) else { return };
        let (start, end) = (Span::new(key.span.start, key.span.start), Span::new(key.span.end, key.span.end));
        match *first {
            Some(first) => {
                let told = &mut self.diagnostics[first];
                told.edits.extend([start, end].map(|span| Edit { span, text: "\"".to_string() }));
            }
            None => {
                *first = Some(self.diagnostics.len());
                let told = told.help("a key that is a text stands in quotes");
                self.diagnostics.push(told.edit(start, "\"").edit(end, "\""));
            }
        }
    }

    /// Reports what in the type cannot be: keys that are none, arguments that do not meet a bound.
    pub(super) fn arguments_fit(&mut self, span: Span, ty: Ty) -> bool {
        match self.unfit_in(ty) {
            None => return true,
            Some(Unfit::Bound(arg, bound)) => self.not_within(span, arg, bound),
            Some(Unfit::Key(key)) => {
                let shown = self.show(key);
                let report =
                    self.diagnostic(codes::BAD_TYPE, span, format!("a `{shown}` cannot be a key")).help(
                        "keys are int, boolean, String, Bytes, Duration, Time, enums, and records of these",
                    );
                self.diagnostics.push(report);
            }
        }
        false
    }

    fn unfit_in(&mut self, ty: Ty) -> Option<Unfit> {
        let ty = self.types.resolve(ty);
        match self.types.kind(ty).clone() {
            TyKind::Nominal(def, args) => {
                let defs = self.defs;
                if let Some((arg, bound)) = self.first_missed(&defs.types[def.index()].type_params, &args) {
                    return Some(Unfit::Bound(arg, bound));
                }
                let keyed = Some(def) == defs.known.map || Some(def) == defs.known.set;
                if keyed && !is_key(self.types, defs, args[0]) {
                    return Some(Unfit::Key(args[0]));
                }
                args.iter().find_map(|&t| self.unfit_in(t))
            }
            TyKind::Nullable(t) | TyKind::Fallible(t) | TyKind::Class(t) => self.unfit_in(t),
            TyKind::Function(params, ret) => {
                params.iter().find_map(|&t| self.unfit_in(t)).or_else(|| self.unfit_in(ret))
            }
            _ => None,
        }
    }

    /// Keys that are constants and stand twice; the entries were looked at before.
    fn duplicate_keys(&mut self, entries: &'a [(Expr, Expr)]) {
        let mut seen: FxHashMap<Constant<'a>, Span> = FxHashMap::default();
        for (key, _) in entries {
            let Some(constant) = self.constant_key(key) else { continue };
            if let Some(first) = seen.get(&constant).copied() {
                let report = self
                    .diagnostic(codes::DUPLICATE, key.span, "this key stands twice in the map")
                    .label(first, "first here");
                self.diagnostics.push(report);
            } else {
                seen.insert(constant, key.span);
            }
        }
    }

    fn constant_key(&mut self, key: &'a Expr) -> Option<Constant<'a>> {
        match &key.kind {
            ExprKind::Paren(inner) => self.constant_key(inner),
            ExprKind::Int(n) => Some(Constant::Int(i128::from(*n))),
            ExprKind::Char(code) => Some(Constant::Int(i128::from(*code))),
            ExprKind::Duration(n) => Some(Constant::Duration(i128::from(*n))),
            ExprKind::Bool(b) => Some(Constant::Bool(*b)),
            ExprKind::Str(parts) => match &parts[..] {
                [] => Some(Constant::Text("")),
                [StrPart::Text(text)] => Some(Constant::Text(text)),
                _ => None,
            },
            ExprKind::Unary { op: ast::UnaryOp::Neg, operand } => match self.constant_key(operand)? {
                Constant::Int(n) => Some(Constant::Int(-n)),
                Constant::Duration(n) => Some(Constant::Duration(-n)),
                _ => None,
            },
            _ => match self.facts().res(key.id) {
                Res::EnumConst(def, place) => Some(Constant::Enum(def, place)),
                Res::Const(id) => {
                    let def = &self.defs.consts[id.index()];
                    let init = def.init?;
                    // What is known of a constant of another module is kept there.
                    let here = std::mem::replace(&mut self.cx.module, def.module);
                    let found = self.constant_key(init);
                    self.cx.module = here;
                    found
                }
                _ => None,
            },
        }
    }

    /// The arguments of an expected collection type, through `?` and `!`.
    pub(super) fn expected_args(&mut self, ty: Ty, def: Option<crate::defs::TypeDefId>) -> Option<Vec<Ty>> {
        let mut ty = self.types.resolve(ty);
        while let Some(inner) = self.types.nullable_inner(ty).or_else(|| self.types.fallible_inner(ty)) {
            ty = inner;
        }
        match self.types.nominal_parts(ty) {
            Some((found, args)) if Some(found) == def => Some(args.to_vec()),
            _ => None,
        }
    }

    pub(super) fn class_of(&mut self, expr: &'a ast::TypeExpr) -> Ty {
        let ty = self.type_expr(expr);
        if ty == Ty::POISON {
            return ty;
        }
        if let Some(bad) = super::unreadable(self.types, self.defs, ty) {
            let (shown, part) = (self.show(ty), self.show(bad));
            let kind = self.types.nominal_parts(bad).map(|(def, _)| self.defs.types[def.index()].kind);
            let what = match kind {
                Some(TypeKind::Class) => format!("`{part}` is a class"),
                Some(TypeKind::Interface) => format!("`{part}` is an interface"),
                _ => format!("no `{part}` is ever read"),
            };
            let message = match bad == ty {
                true => {
                    format!("{what}: only records, and what they are made of, are read as their `.class`")
                }
                false => format!("values of `{shown}` cannot be read: {what}"),
            };
            let report = self.diagnostic(codes::BAD_TYPE, expr.span, message).help(
                "good are records, enums, numbers, booleans, Strings, Bytes, Durations and Times, and lists, sets and maps of these",
            );
            self.diagnostics.push(report);
            return Ty::POISON;
        }
        self.types.intern(crate::types::TyKind::Class(ty))
    }
}
