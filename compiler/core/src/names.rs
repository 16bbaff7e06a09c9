//! Looks names up in a module, resolves type expressions, and finds near misses.

use crate::check::java;
use crate::defs::*;
use crate::types::{Ty, TyKind, Types};
use dscript_grammar::ast;
use dscript_grammar::codes;
use dscript_grammar::diagnostic::Diagnostic;
use dscript_grammar::span::{Interner, Span, Symbol};

/// What a name means in a module.
pub enum Found {
    One(Def),
    /// Two imports by `.*` declare it.
    Two(ModuleId, ModuleId),
    /// Declared, but private to another module.
    Private(ModuleId),
    Nothing,
}

/// Own declarations come before single imports, those before `.*`, those before the prelude.
pub fn lookup(defs: &Defs<'_>, module: ModuleId, name: Symbol) -> Found {
    let own = &defs.modules[module.index()];
    if let Some(&def) = own.names.get(&name).or_else(|| own.imported.get(&name)) {
        return Found::One(def);
    }
    let mut found: Option<(ModuleId, Def)> = None;
    let mut private = None;
    // The prelude's modules come first in `globs`; user imports hide them.
    for &glob in own.globs.iter().rev() {
        let other = &defs.modules[glob.index()];
        let Some(&def) = other.names.get(&name) else { continue };
        if is_private(defs, def) {
            // What the library keeps to itself is nobody's business.
            private = private.or((!other.is_std).then_some(glob));
            continue;
        }
        match found {
            None => found = Some((glob, def)),
            // Imported once more, though it needs no import.
            Some((first, _)) if first == glob => {}
            Some((first, _)) if other.is_std && !defs.modules[first.index()].is_std => {}
            Some((first, _)) => return Found::Two(first, glob),
        }
    }
    match (found, private) {
        (Some((_, def)), _) => Found::One(def),
        (None, Some(module)) => Found::Private(module),
        (None, None) => Found::Nothing,
    }
}

pub fn is_private(defs: &Defs<'_>, def: Def) -> bool {
    match def {
        Def::Fn(id) => defs.fns[id.index()].is_private,
        Def::Type(id) => defs.types[id.index()].is_private,
        Def::Const(id) => defs.consts[id.index()].is_private,
        Def::Task(id) => defs.tasks[id.index()].is_private,
        Def::Scenario(id) => defs.scenarios[id.index()].item.modifiers.private.is_some(),
    }
}

/// The candidate that `name` is most likely a slip of.
pub fn suggest<'s>(name: &str, candidates: impl Iterator<Item = &'s str>) -> Option<String> {
    let limit = (name.chars().count() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        if candidate == name {
            continue;
        }
        let same = candidate.eq_ignore_ascii_case(name);
        let distance = if same { 0 } else { strsim::osa_distance(name, candidate) };
        // A name of one letter is near to any other; and names of no letter are the compiler's own.
        let kept = name.chars().count().max(candidate.chars().count()) > distance;
        if kept
            && distance <= limit
            && candidate != "?"
            && best.is_none_or(|(d, c)| (distance, candidate) < (d, c))
        {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, c)| c.to_string())
}

/// A name that two imports by `.*` bring.
pub fn ambiguous(
    defs: &Defs<'_>,
    interner: &Interner,
    own: &Module<'_>,
    (name, span): (Symbol, Span),
    (a, b): (ModuleId, ModuleId),
) -> Diagnostic {
    let (mut a, mut b) = (&defs.modules[a.index()], &defs.modules[b.index()]);
    if a.path > b.path {
        std::mem::swap(&mut a, &mut b);
    }
    let text = interner.name(name);
    let message = format!("`{text}` is declared by both `{}` and `{}`", a.path, b.path);
    let mut report = Diagnostic::error(codes::AMBIGUOUS, own.file, span, message)
        .help(format!("import the one that is meant by its name, such as `import {}.{text};`", a.path));
    for module in [a, b] {
        let declared = module.names.get(&name).and_then(|&def| def_span(defs, def));
        if let Some(declared) = declared {
            report = report.label_in(module.file, declared, "declared here");
        }
    }
    report
}

/// Where a thing is declared.
pub fn def_span(defs: &Defs<'_>, def: Def) -> Option<Span> {
    match def {
        Def::Fn(id) => Some(defs.fns[id.index()].span),
        Def::Type(id) => Some(defs.types[id.index()].span),
        Def::Const(id) => Some(defs.consts[id.index()].span),
        Def::Task(id) => Some(defs.tasks[id.index()].span),
        Def::Scenario(id) => Some(defs.scenarios[id.index()].span),
    }
}

/// Resolves type expressions of one module.
pub struct TypeResolver<'r, 'a> {
    pub defs: &'r Defs<'a>,
    pub types: &'r mut Types,
    pub interner: &'r Interner,
    pub diagnostics: &'r mut Vec<Diagnostic>,
    pub module: ModuleId,
    pub type_params: &'r [TypeParamId],
}

impl TypeResolver<'_, '_> {
    fn error(&mut self, code: codes::Code, span: Span, message: impl Into<String>) -> Ty {
        let file = self.defs.modules[self.module.index()].file;
        self.diagnostics.push(Diagnostic::error(code, file, span, message));
        Ty::POISON
    }

    /// A type that values may have.
    pub fn resolve(&mut self, expr: &ast::TypeExpr) -> Ty {
        let ty = self.resolve_result(expr);
        if ty == Ty::VOID {
            return self.error(codes::BAD_TYPE, expr.span, "`void` is the type of no value");
        }
        ty
    }

    /// A type that functions may return: `void` is good too.
    pub fn resolve_result(&mut self, expr: &ast::TypeExpr) -> Ty {
        if self.defs.modules[self.module.index()].is_broken(expr.span) {
            return Ty::POISON;
        }
        match &expr.kind {
            ast::TypeExprKind::Error => Ty::POISON,
            ast::TypeExprKind::Named { name, args } => self.named(expr, *name, args),
            ast::TypeExprKind::Nullable(inner) => {
                let ty = self.resolve_result(inner);
                match self.types.kind(ty) {
                    TyKind::Fallible(_) => {
                        let fix = "write `T?!`: null or an error";
                        self.suffixes(expr, inner, "?!", format!("there is no `T!?`; {fix}"))
                    }
                    TyKind::Void => self.error(codes::BAD_TYPE, expr.span, "there is no `void?`"),
                    _ => self.types.nullable(ty),
                }
            }
            ast::TypeExprKind::Fallible(inner) => {
                let ty = self.resolve_result(inner);
                if self.types.fallible_inner(ty).is_some() {
                    return self.suffixes(expr, inner, "!", "there is no `T!!`: once is enough".into());
                }
                self.types.fallible(ty)
            }
            ast::TypeExprKind::Function { params, ret } => {
                let params: Vec<Ty> = params.iter().map(|p| self.resolve(p)).collect();
                let ret = self.resolve_result(ret);
                self.types.function(&params, ret)
            }
        }
    }

    /// Suffixes that cannot stand together, with those that were meant.
    fn suffixes(&mut self, expr: &ast::TypeExpr, inner: &ast::TypeExpr, meant: &str, message: String) -> Ty {
        let file = self.defs.modules[self.module.index()].file;
        let mut report = Diagnostic::error(codes::BAD_TYPE, file, expr.span, message);
        if let ast::TypeExprKind::Fallible(plain) = &inner.kind {
            report = report.edit(Span::new(plain.span.end, expr.span.end), meant);
        }
        self.diagnostics.push(report);
        Ty::POISON
    }

    fn named(&mut self, expr: &ast::TypeExpr, name: ast::Ident, args: &[ast::TypeExpr]) -> Ty {
        let text = self.interner.name(name.name);
        let simple = match text {
            "int" => Some(Ty::INT),
            "double" => Some(Ty::DOUBLE),
            "boolean" => Some(Ty::BOOL),
            "void" => Some(Ty::VOID),
            _ => None,
        };
        if let Some(ty) = simple {
            if !args.is_empty() {
                return self.error(
                    codes::TYPE_ARGUMENTS,
                    expr.span,
                    format!("`{text}` takes no type arguments"),
                );
            }
            return ty;
        }
        if let Some(&param) =
            self.type_params.iter().rev().find(|p| self.defs.type_params[p.index()].name == name.name)
        {
            return self.types.intern(TyKind::Param(param));
        }
        let resolved: Vec<Ty> = args.iter().map(|a| self.resolve(a)).collect();
        match lookup(self.defs, self.module, name.name) {
            Found::One(Def::Type(id)) => {
                let known = &self.defs.known;
                if Some(id) == known.duration {
                    return Ty::DURATION;
                }
                if Some(id) == known.time {
                    return Ty::TIME;
                }
                if Some(id) == known.int || Some(id) == known.double || Some(id) == known.boolean {
                    let small = text.to_lowercase();
                    let file = self.defs.modules[self.module.index()].file;
                    self.diagnostics.push(
                        Diagnostic::error(
                            codes::BAD_TYPE,
                            file,
                            name.span,
                            format!("the type is written `{small}`; `{text}` only holds its functions"),
                        )
                        .edit(name.span, small),
                    );
                    return Ty::POISON;
                }
                let def = &self.defs.types[id.index()];
                if text == "Class" && self.defs.modules[def.module.index()].is_std {
                    let inner = resolved.first().copied().unwrap_or(Ty::POISON);
                    return self.types.intern(TyKind::Class(inner));
                }
                if def.type_params.len() != resolved.len() {
                    let wanted = match def.type_params.len() {
                        0 => "no type arguments".to_string(),
                        1 => "one type argument".to_string(),
                        n => format!("{n} type arguments"),
                    };
                    let given = match (def.type_params.len(), resolved.len()) {
                        (0, _) => String::new(),
                        (_, 0) => ", and there are none here".to_string(),
                        (_, n) => format!(", not {n}"),
                    };
                    return self.error(
                        codes::TYPE_ARGUMENTS,
                        expr.span,
                        format!("`{text}` takes {wanted}{given}"),
                    );
                }
                self.types.nominal(id, &resolved)
            }
            Found::One(_) => self.error(codes::UNKNOWN_TYPE, name.span, format!("`{text}` is not a type")),
            Found::Two(a, b) => {
                let own = &self.defs.modules[self.module.index()];
                let report = ambiguous(self.defs, self.interner, own, (name.name, name.span), (a, b));
                self.diagnostics.push(report);
                Ty::POISON
            }
            Found::Private(module) => {
                let path = &self.defs.modules[module.index()].path;
                self.error(codes::PRIVATE, name.span, format!("`{text}` is private to module `{path}`"))
            }
            Found::Nothing => self.unknown(name, text, resolved.len()),
        }
    }

    fn unknown(&mut self, name: ast::Ident, text: &str, args: usize) -> Ty {
        let hint = java::type_name(text);
        let file = self.defs.modules[self.module.index()].file;
        let mut report =
            Diagnostic::error(codes::UNKNOWN_TYPE, file, name.span, format!("there is no type `{text}`"));
        let java = match text {
            "long" | "short" | "byte" | "Integer" | "Long" => Some("int"),
            "float" | "Double" | "Float" => Some("double"),
            "bool" | "Bool" => Some("boolean"),
            "char" | "Character" => Some("int"),
            "ArrayList" => Some("List"),
            "HashMap" | "LinkedHashMap" => Some("Map"),
            "HashSet" => Some("Set"),
            "string" => Some("String"),
            _ => None,
        };
        let near = java.map(str::to_string).or_else(|| {
            let own = &self.defs.modules[self.module.index()];
            let visible = own.globs.iter().map(|g| &self.defs.modules[g.index()].names).chain([&own.names]);
            let types = visible.flatten().filter(
                |(_, d)| matches!(d, Def::Type(id) if self.defs.types[id.index()].type_params.len() == args),
            );
            suggest(text, types.map(|(s, _)| self.interner.name(*s)).chain(["int", "double", "boolean"]))
        });
        let is_slip = near.is_some() || hint.is_some();
        if text == "?" || self.defs.modules[self.module.index()].is_lost(name.name, is_slip) {
            return Ty::POISON;
        }
        if let Some((better, help)) = hint {
            report = report.help(help);
            if !better.is_empty() {
                report = report.edit(name.span, better);
            }
        } else if let Some(near) = near {
            report = report.help(format!("did you mean `{near}`?")).edit(name.span, near);
        }
        self.diagnostics.push(report);
        Ty::POISON
    }
}
