//! Signatures of functions, and the annotations in front of them.

use super::{Collector, Needy, Place, without_places};
use crate::constants;
use crate::defs::*;
use crate::names;
use crate::types::{Ty, TyKind};
use dscript_bytecode::capability::Capability;
use dscript_grammar::ast;
use dscript_grammar::codes;
use dscript_grammar::diagnostic::Diagnostic;
use dscript_grammar::span::{FileId, Span};

impl<'a> Collector<'a, '_> {
    /// Keeps the `@Needs` of what is about to be declared as `carrier`; gives its `@Intrinsic`.
    pub(super) fn annotations(
        &mut self,
        place: Place,
        item: &'a ast::Item,
        name: ast::Ident,
        carrier: Needy,
    ) -> Option<Intrinsic> {
        let mut intrinsic = None;
        for annotation in &item.annotations {
            match self.interner.name(annotation.name.name) {
                "Needs" => self.needy.push((carrier, place, annotation)),
                "Intrinsic" if self.defs.modules[place.module.index()].is_std => {
                    intrinsic = match self.interner.name(name.name) {
                        "print" => Some(Intrinsic::Print),
                        "isError" => Some(Intrinsic::IsError),
                        "ignore" => Some(Intrinsic::Ignore),
                        "max" | "min" | "abs" | "clamp" => Some(Intrinsic::IntOrDouble),
                        "format" => Some(Intrinsic::Format),
                        "Command" => Some(Intrinsic::NewCommand),
                        "script" => Some(Intrinsic::Script),
                        "run" => Some(Intrinsic::Run),
                        _ => None,
                    }
                }
                _ => {}
            }
        }
        intrinsic
    }

    fn ordered(&self, item: &ast::Item, params: &[TypeParamId]) -> Option<(TypeParamId, Order)> {
        item.annotations.iter().find_map(|a| {
            let order = match self.interner.name(a.name.name) {
                "Ordered" => Order::Natural,
                "Numeric" => Order::Numeric,
                "Comparable" => Order::Equality,
                _ => return None,
            };
            let ast::ExprKind::Str(parts) = &a.args.first()?.value.kind else { return None };
            let [ast::StrPart::Text(name)] = &parts[..] else { return None };
            let is_it =
                |p: &&TypeParamId| self.interner.name(self.defs.type_params[p.index()].name) == &**name;
            let param = params.iter().find(is_it)?;
            Some((*param, order))
        })
    }

    fn override_span(&self, item: &ast::Item) -> Option<Span> {
        item.annotations.iter().find(|a| self.interner.name(a.name.name) == "Override").map(|a| a.span)
    }

    /// The capability that a part of `@Needs` writes.
    fn needed(&self, place: Place, expr: &ast::Expr) -> Result<String, Diagnostic> {
        let report = |why: String| Diagnostic::error(codes::NEEDS, self.file(place.module), expr.span, why);
        let Some(text) = constants::text(&self.defs, (place.module, place.owner), expr) else {
            return Err(report("a capability is a constant text".to_owned())
                .help("write it here, `\"exec:/usr/lib/checks/*\"`, or name a `static final` String made of such texts"));
        };
        // What is filled in later may be any text, so long as a text there makes a capability.
        let read = Capability::parse(&without_places(&text, "x"))
            .and_then(|_| Capability::parse_known(&without_places(&text, "*")));
        read.map(|_| text).map_err(|why| report(why.to_string()))
    }

    pub(super) fn needs(&mut self, place: Place, annotation: &ast::Annotation) -> Vec<String> {
        let mut all = Vec::new();
        let mut queue: Vec<&ast::Expr> = annotation.args.iter().map(|a| &a.value).collect();
        while let Some(expr) = queue.pop() {
            match &expr.kind {
                ast::ExprKind::List(items) => queue.extend(items.iter()),
                ast::ExprKind::Error => {}
                _ => match self.needed(place, expr) {
                    Ok(text) => all.push(text),
                    Err(report) => self.report(report),
                },
            }
        }
        all.sort();
        all
    }

    pub(super) fn function(
        &mut self,
        place: Place,
        item: &'a ast::Item,
        f: &'a ast::Function,
        outer: &[TypeParamId],
    ) -> Option<FnId> {
        // What belongs to the type itself knows nothing of an object's type arguments.
        let outer = if item.modifiers.static_.is_some() { &[] } else { outer };
        let own = self.type_params(&f.type_params);
        let type_params: Vec<TypeParamId> = outer.iter().copied().chain(own.iter().copied()).collect();
        self.bounds(place.module, &own, &f.type_params, &type_params);
        let params = self.params(place, &type_params, &f.params);
        let ret = self.ret_type(place.module, &type_params, &f.ret);
        let id = FnId(self.defs.fns.len() as u32);
        let intrinsic = self.annotations(place, item, f.name, Needy::Fn(id));
        let is_std = self.defs.modules[place.module.index()].is_std;
        let is_native = item.modifiers.native.is_some();
        let in_interface =
            place.owner.is_some_and(|o| self.defs.types[o.index()].kind == TypeKind::Interface)
                && item.modifiers.static_.is_none()
                && item.modifiers.private.is_none();
        let file = self.file(place.module);
        let head_end = f.body.as_ref().map_or(item.span.end, |body| body.span.start);
        let head = Span::new(f.name.span.end, head_end);
        let is_doubtful = self.defs.modules[place.module.index()].is_broken(head);
        if let Some(span) = item.modifiers.native.filter(|_| !is_std) {
            self.report(Diagnostic::error(codes::MODIFIER, file, span, "only the library declares `native`"));
        } else if f.body.is_none() && !is_native && !in_interface && !is_doubtful {
            let text = self.interner.name(f.name.name).to_string();
            self.report(Diagnostic::error(
                codes::SYNTAX,
                file,
                f.name.span,
                format!("the function `{text}` has no body"),
            ));
        }
        let is_lowlevel = item.modifiers.lowlevel.is_some();
        // What else is wrong with a result that cannot be, nobody knows.
        let ret = if is_lowlevel && !is_std && !self.check_lowlevel_result(file, f, ret) {
            Ty::POISON
        } else {
            ret
        };
        let ordered = self.ordered(item, &type_params);
        self.defs.fns.push(FnDef {
            module: place.module,
            name: f.name.name,
            span: f.name.span,
            owner: place.owner,
            is_method: place.owner.is_some() && item.modifiers.static_.is_none(),
            is_private: item.modifiers.private.is_some(),
            is_lowlevel,
            is_native,
            intrinsic,
            needs: None,
            type_params,
            params,
            ret,
            body: f.body.as_ref().map_or(Body::None, Body::Block),
            overrides: self.override_span(item),
            ordered,
            is_doubtful,
        });
        Some(id)
    }

    /// Whatever reaches outside can fail: a user's Low-Level Script says so in its result. Tells whether it does.
    fn check_lowlevel_result(&mut self, file: FileId, f: &ast::Function, ret: Ty) -> bool {
        let good = match self.types.kind(ret) {
            TyKind::Fallible(_) | TyKind::Void | TyKind::Poison => true,
            TyKind::Nominal(def, _) => Some(*def) == self.defs.known.subprocess,
            _ => false,
        };
        if !good {
            self.report(
                Diagnostic::error(
                    codes::BAD_TYPE,
                    file,
                    f.ret.span,
                    "a lowlevel function returns a `T!`, a Subprocess or void",
                )
                .help("whatever reaches outside can fail: declare the result with `!`")
                .edit(Span::new(f.ret.span.end, f.ret.span.end), "!"),
            );
        }
        good
    }

    pub(super) fn params(
        &mut self,
        place: Place,
        type_params: &[TypeParamId],
        params: &'a [ast::Param],
    ) -> Vec<ParamSig<'a>> {
        let mut all: Vec<ParamSig<'a>> = Vec::new();
        for param in params {
            if let Some(first) = all.iter().find(|p| p.name == param.name.name) {
                let report = Diagnostic::error(
                    codes::DUPLICATE,
                    self.file(place.module),
                    param.name.span,
                    format!("the parameter `{}` is declared twice", self.interner.name(param.name.name)),
                )
                .label(first.span, "first declared here");
                self.report(report);
            }
            let ty = self.type_expr(place.module, type_params, &param.ty);
            all.push(ParamSig {
                node: param.id,
                name: param.name.name,
                span: param.name.span,
                ty,
                default: param.default.as_deref(),
                is_final: param.final_,
            });
        }
        all
    }

    pub(super) fn type_expr(&mut self, module: ModuleId, params: &[TypeParamId], expr: &ast::TypeExpr) -> Ty {
        self.resolver(module, params).resolve(expr)
    }

    fn ret_type(&mut self, module: ModuleId, params: &[TypeParamId], expr: &ast::TypeExpr) -> Ty {
        self.resolver(module, params).resolve_result(expr)
    }

    fn resolver<'r>(
        &'r mut self,
        module: ModuleId,
        params: &'r [TypeParamId],
    ) -> names::TypeResolver<'r, 'a> {
        names::TypeResolver {
            defs: &self.defs,
            types: self.types,
            interner: self.interner,
            diagnostics: self.diagnostics,
            module,
            type_params: params,
        }
    }
}
