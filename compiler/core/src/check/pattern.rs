//! Patterns, in `instanceof` and in the labels of a switch: what they match, what they bind, and what is known then.

use super::Checker;
use super::coverage::Shape;
use super::flow::Flow;
use super::stmt::strip;
use crate::defs::TypeKind;
use crate::types::Ty;
use dscript_grammar::ast::{self, Expr, ExprKind, Pattern, PatternKind};
use dscript_grammar::codes;
use dscript_grammar::span::Span;

impl<'a> Checker<'a, '_> {
    /// `e instanceof PATTERN`
    pub(super) fn instance_of(&mut self, operand: &'a Expr, pattern: &'a Pattern) -> (Flow, Flow) {
        let ty = self.expr(operand, None);
        let mut ty = self.types.resolve(ty);
        if self.types.fallible_inner(ty).is_some() {
            ty = self.failure_first(operand, ty);
        }
        let ty = self.as_declared(operand, ty);
        let plain = self.types.nullable_inner(ty).unwrap_or(ty);
        let before = self.cx.flow.clone();
        self.pattern(pattern, plain);
        let mut yes = std::mem::replace(&mut self.cx.flow, before);
        // What has matched is known to be one.
        let matched = self.facts().patterns.get(&pattern.id).copied();
        if let Some(index) = self.tested_local(operand)
            && let Some(wanted) = matched
            && wanted != Ty::POISON
            && wanted != ty
            && self.fits(wanted, plain)
        {
            yes.narrow(self.cx.locals[index].node, wanted);
        }
        (yes, self.cx.flow.clone())
    }

    /// A local that is an interface's value counts as such, also where an `instanceof` has told more.
    pub(super) fn as_declared(&mut self, expr: &'a Expr, ty: Ty) -> Ty {
        let ExprKind::Name(name) = strip(expr).kind else { return ty };
        let Some(index) = self.local_index(name) else { return ty };
        let declared = self.types.resolve(self.cx.locals[index].ty);
        let plain = self.types.nullable_inner(declared).unwrap_or(declared);
        let is_interface = self
            .types
            .nominal_parts(plain)
            .is_some_and(|(def, _)| self.defs.types[def.index()].kind == TypeKind::Interface);
        if !is_interface || ty == declared || ty == plain {
            return ty;
        }
        self.set_target_types(expr, plain);
        plain
    }

    /// Checks a pattern against values of a type, declares its variables as matched, and gives its shape.
    pub(super) fn pattern(&mut self, pattern: &'a Pattern, ty: Ty) -> Option<Shape> {
        match &pattern.kind {
            PatternKind::Type { ty: written, name } => {
                let wanted = match written {
                    Some(written) => {
                        let wanted = self.pattern_type(written, ty);
                        self.can_match(written.span, ty, wanted);
                        wanted
                    }
                    None => ty,
                };
                self.facts().patterns.insert(pattern.id, wanted);
                if let Some(name) = name {
                    self.bind_as(pattern.id, *name, wanted, false, true);
                    self.expects_a_look();
                    self.cx.flow.assign(pattern.id);
                }
                if wanted == Ty::POISON {
                    return None;
                }
                Some(if self.fits(ty, wanted) { Shape::Any } else { Shape::Object(wanted, Vec::new()) })
            }
            PatternKind::Record { ty: written, parts } => {
                let wanted = self.pattern_type(written, ty);
                self.can_match(written.span, ty, wanted);
                self.facts().patterns.insert(pattern.id, wanted);
                let Some((def, args)) = self.types.nominal_parts(wanted).map(|(d, a)| (d, a.to_vec())) else {
                    for part in parts {
                        self.pattern(part, Ty::POISON);
                    }
                    return None;
                };
                let decl = &self.defs.types[def.index()];
                if decl.kind != TypeKind::Record {
                    let shown = self.show(wanted);
                    self.error(codes::PATTERN, written.span, format!("`{shown}` is not a record"));
                    for part in parts {
                        self.pattern(part, Ty::POISON);
                    }
                    return None;
                }
                if decl.fields.len() != parts.len() {
                    // Of a component that could not be read nobody knows whether it is one.
                    if decl.fields.iter().any(|field| self.text(field.name) == "?") {
                        for part in parts {
                            self.pattern(part, Ty::POISON);
                        }
                        return None;
                    }
                    let message = format!(
                        "`{}` has {}, not {}",
                        self.text(decl.name),
                        super::expr::count(decl.fields.len(), "component"),
                        parts.len()
                    );
                    self.error(codes::PATTERN, pattern.span, message);
                    for part in parts {
                        self.pattern(part, Ty::POISON);
                    }
                    return None;
                }
                let mut shapes = Vec::new();
                for (part, field) in parts.iter().zip(&decl.fields) {
                    let field_ty = self.types.substitute(field.ty, &decl.type_params, &args);
                    shapes.push(self.part(part, field_ty));
                }
                let shapes: Option<Vec<Shape>> = shapes.into_iter().collect();
                Some(Shape::Object(wanted, shapes?))
            }
        }
    }

    /// A component's pattern: `var x` and the component's own type match null too; other patterns do not.
    fn part(&mut self, part: &'a Pattern, ty: Ty) -> Option<Shape> {
        let inner = self.types.nullable_inner(ty);
        match (&part.kind, inner) {
            (PatternKind::Type { ty: None, .. }, _) | (_, None) => self.pattern(part, ty),
            (PatternKind::Type { ty: Some(written), .. }, Some(_))
                if matches!(written.kind, ast::TypeExprKind::Nullable(_)) =>
            {
                self.pattern(part, ty)
            }
            (_, Some(inner)) => match self.pattern(part, inner)? {
                Shape::Any => Some(Shape::Object(inner, Vec::new())),
                shape => Some(shape),
            },
        }
    }

    /// The type a pattern names; type arguments left out are those of the value.
    fn pattern_type(&mut self, written: &'a ast::TypeExpr, ty: Ty) -> Ty {
        if let ast::TypeExprKind::Named { name, args } = &written.kind
            && args.is_empty()
            && let crate::names::Found::One(crate::defs::Def::Type(def)) =
                crate::names::lookup(self.defs, self.cx.module, name.name)
            && !self.defs.types[def.index()].type_params.is_empty()
        {
            let params = self.defs.types[def.index()].type_params.clone();
            let fresh: Vec<Ty> = params.iter().map(|_| self.types.fresh()).collect();
            let open = self.types.nominal(def, &fresh);
            let target = self.types.nominal_parts(ty).map(|(d, _)| d);
            if let Some(target) = target
                && let Some(seen) = self.as_super(open, target)
            {
                self.same(seen, ty);
            }
            let found = self.types.resolve(open);
            if !self.types.is_open(found) {
                self.facts().type_exprs.insert(written.id, found);
                return found;
            }
            return self.error(
                codes::CANNOT_INFER,
                written.span,
                "the type arguments of this pattern cannot be seen here",
            );
        }
        self.type_expr(written)
    }

    fn can_match(&mut self, span: Span, ty: Ty, wanted: Ty) {
        if ty == Ty::POISON || wanted == Ty::POISON {
            return;
        }
        // A component; what is switched over or tested was looked at before.
        if self.types.fallible_inner(ty).is_some() && wanted != ty {
            let shown = self.show(ty);
            let message = format!("this component is a `{shown}`: it may be an error");
            let report = self.diagnostic(codes::USED_AS_VALUE, span, message);
            let report = report.help("match it with `var NAME`, and look at that");
            self.diagnostics.push(report);
            return;
        }
        // An int is a double, but no double is an int.
        let narrows = (ty, wanted) == (Ty::DOUBLE, Ty::INT);
        if !narrows && (self.fits(ty, wanted) || self.fits(wanted, ty)) {
            return;
        }
        let kind = |checker: &Self, t: Ty| {
            checker.types.nominal_parts(t).map(|(def, _)| checker.defs.types[def.index()].kind)
        };
        // A type that implements an interface may be behind another interface as well, unless that is sealed.
        if kind(self, ty) == Some(TypeKind::Interface) && kind(self, wanted) == Some(TypeKind::Interface) {
            return;
        }
        let (a, b) = (self.show(ty), self.show(wanted));
        self.error(codes::PATTERN, span, format!("a `{a}` is never a `{b}`"));
    }
}

/// Whether a pattern has variables.
pub(super) fn binds(pattern: &Pattern) -> bool {
    match &pattern.kind {
        PatternKind::Type { name, .. } => name.is_some(),
        PatternKind::Record { parts, .. } => parts.iter().any(binds),
    }
}
