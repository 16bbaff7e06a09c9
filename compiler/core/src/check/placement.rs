//! What stands where it means nothing: modifiers, annotations, constructors, and names that a type has twice.
//!
//! Looks at the declarations of the user's modules alone, once, before any body.

use super::Checker;
use crate::constants;
use crate::defs::{ModuleId, TypeKind};
use crate::facts::EnumMember;
use crate::modules::item_name;
use crate::names::suggest;
use dscript_grammar::ast::{self, Annotation, ExprKind, Item, ItemKind, StrPart, TypeParam};
use dscript_grammar::codes;
use dscript_grammar::diagnostic::Diagnostic;
use dscript_grammar::span::{Span, Symbol};
use rustc_hash::FxHashMap;

/// The type around a member.
#[derive(Clone, Copy)]
struct Owner {
    kind: TypeKind,
    name: Symbol,
}

impl<'a> Checker<'a, '_> {
    pub(super) fn placements(&mut self) {
        let defs = self.defs;
        for (index, module) in defs.modules.iter().enumerate() {
            if module.is_std {
                continue;
            }
            self.cx.module = ModuleId(index as u32);
            for item in &module.ast.items {
                self.place(item, None);
                let Some((kind, members)) = members_of(item) else { continue };
                let Some(name) = item_name(item) else { continue };
                let owner = Owner { kind, name: name.name };
                for member in members {
                    self.place(member, Some(owner));
                }
                self.constructors(members, owner);
                self.member_names(item, members);
                self.interfaces_once(item);
            }
        }
    }

    fn place(&mut self, item: &'a Item, owner: Option<Owner>) {
        self.annotations(item, owner);
        self.modifiers(item, owner);
        match &item.kind {
            ItemKind::Function(f) => {
                self.type_params(&f.type_params);
                self.placed_method(item, f, owner);
            }
            ItemKind::Record(r) => self.type_params(&r.type_params),
            ItemKind::Class(c) => self.type_params(&c.type_params),
            ItemKind::Interface(i) => self.type_params(&i.type_params),
            _ => {}
        }
    }

    fn push(&mut self, report: Diagnostic) {
        self.diagnostics.push(report);
    }

    // ---- modifiers ----

    fn modifiers(&mut self, item: &Item, owner: Option<Owner>) {
        let m = &item.modifiers;
        let what = described(&item.kind, owner);
        let is_function = matches!(item.kind, ItemKind::Function(_));
        let is_type = members_of(item).is_some();
        let is_interface = matches!(item.kind, ItemKind::Interface(_));
        let is_run = matches!(item.kind, ItemKind::Task(_) | ItemKind::Scenario(_) | ItemKind::Test(_));
        let is_constructor = matches!(item.kind, ItemKind::Constructor(_) | ItemKind::CompactConstructor(_));
        let in_interface = owner.is_some_and(|o| o.kind == TypeKind::Interface);
        if matches!(item.kind, ItemKind::Error) {
            return;
        }
        let refused = [
            // A constructor's was spoken of where it is declared.
            (m.lowlevel, !is_function && !is_constructor, "lowlevel"),
            (m.sealed, !is_interface, "sealed"),
            (m.default, !(is_function && in_interface), "default"),
            (m.native, !is_function, "native"),
            (m.static_, is_type || is_run || is_constructor, "static"),
            (
                m.final_,
                is_interface || is_run || is_constructor || matches!(item.kind, ItemKind::Enum(_)),
                "final",
            ),
        ];
        for (span, wrong, word) in refused {
            let Some(span) = span.filter(|_| wrong) else { continue };
            let mut report =
                self.diagnostic(codes::MODIFIER, span, format!("`{word}` says nothing about {what}"));
            report = match word {
                "lowlevel" if is_run => report.help("a task may always reach outside"),
                "lowlevel" => report.help("functions and methods are `lowlevel`"),
                "sealed" => report.help("interfaces are `sealed`; nothing extends a class or a record"),
                "default" => report.help("`default` gives a method of an interface its body"),
                "native" => report.help("only the library declares `native`"),
                _ => report,
            };
            self.push(report.edit(self.with_space(item, span), ""));
        }
    }

    /// A modifier and the space up to what follows it.
    fn with_space(&self, item: &Item, span: Span) -> Span {
        let m = &item.modifiers;
        let spans = [m.private, m.static_, m.final_, m.lowlevel, m.native, m.sealed, m.default];
        let next = spans.into_iter().flatten().map(|s| s.start).filter(|&s| s >= span.end).min();
        // Words are set apart by one space where nobody meant otherwise.
        Span::new(span.start, next.unwrap_or(span.end + 1).min(span.end + 1))
    }

    fn placed_method(&mut self, item: &Item, f: &ast::Function, owner: Option<Owner>) {
        let Some(owner) = owner else { return };
        let m = &item.modifiers;
        let name = self.text(f.name.name);
        if owner.kind == TypeKind::Interface {
            let own = m.static_.or(m.private);
            match (m.default, own, &f.body) {
                (Some(default), Some(_), _) => {
                    let report = self
                        .diagnostic(codes::MODIFIER, default, "a static or private method is not `default`")
                        .edit(self.with_space(item, default), "");
                    self.push(report);
                }
                (Some(_), None, None) => {
                    self.error(
                        codes::SYNTAX,
                        f.name.span,
                        format!("the `default` method `{name}` has no body"),
                    );
                }
                (None, None, Some(_)) => {
                    let at = Span::new(f.ret.span.start, f.ret.span.start);
                    let at =
                        f.type_params.first().map_or(at, |_| Span::new(item.span.start, item.span.start));
                    let report = self
                        .diagnostic(
                            codes::MODIFIER,
                            f.name.span,
                            format!("`{name}` has a body, so it must be `default`"),
                        )
                        .edit(at, "default ");
                    self.push(report);
                }
                _ => {}
            }
        }
        if owner.kind == TypeKind::Enum && EnumMember::ALL.iter().any(|m| m.is_static() && m.word() == name) {
            let report = self
                .diagnostic(codes::DUPLICATE, f.name.span, format!("every enum has a `{name}` of its own"))
                .help("give the method another name");
            self.push(report);
        }
        if name == "toString" && f.params.is_empty() && m.static_.is_none() {
            self.text_method(f, m.lowlevel);
        }
    }

    /// `toString()` is what texts call.
    fn text_method(&mut self, f: &ast::Function, lowlevel: Option<Span>) {
        let is_string = match &f.ret.kind {
            ast::TypeExprKind::Named { name, args } => args.is_empty() && self.text(name.name) == "String",
            ast::TypeExprKind::Error => true,
            _ => false,
        };
        if !is_string {
            let report = self
                .diagnostic(
                    codes::OVERRIDE,
                    f.ret.span,
                    "`toString()` is an object's text: it returns a String",
                )
                .help("name the method otherwise, or let it return a `String`");
            self.push(report);
        } else if let Some(span) = lowlevel {
            let report = self
                .diagnostic(
                    codes::OVERRIDE,
                    span,
                    "`toString()` is an object's text: it cannot reach outside",
                )
                .help("name the method otherwise");
            self.push(report);
        }
    }

    // ---- constructors ----

    fn constructors(&mut self, members: &'a [Item], owner: Owner) {
        let type_name = self.text(owner.name);
        let mut compact: Option<Span> = None;
        for member in members {
            let (name, is_compact) = match &member.kind {
                ItemKind::Constructor(c) => (c.name, false),
                ItemKind::CompactConstructor(c) => (c.name, true),
                _ => continue,
            };
            let text = self.text(name.name);
            if self.defs.modules[self.cx.module.index()].is_broken(member.span) {
                continue;
            }
            if name.name != owner.name && !is_compact {
                let report = self
                    .diagnostic(codes::BAD_TYPE, name.span, format!("the method `{text}` has no result type"))
                    .help(format!(
                        "write its type before the name, or `void`; the constructor is called `{type_name}`"
                    ));
                self.push(report);
            } else if owner.kind == TypeKind::Interface {
                self.error(codes::MODIFIER, name.span, "an interface has no constructor");
            } else if is_compact && (owner.kind != TypeKind::Record || name.name != owner.name) {
                let report = match owner.kind {
                    TypeKind::Record => self
                        .diagnostic(
                            codes::SYNTAX,
                            name.span,
                            format!("the compact constructor is called `{type_name}`"),
                        )
                        .edit(name.span, type_name),
                    _ => {
                        let end = Span::new(name.span.end, name.span.end);
                        let message = "only records have a constructor without a parameter list";
                        self.diagnostic(codes::MODIFIER, name.span, message).edit(end, "()")
                    }
                };
                self.push(report);
            } else if is_compact {
                if let Some(first) = compact {
                    let report = self
                        .diagnostic(codes::DUPLICATE, name.span, "a record has one compact constructor")
                        .label(first, "the first one is here");
                    self.push(report);
                }
                compact = compact.or(Some(name.span));
            }
        }
    }

    // ---- names that stand twice ----

    fn type_params(&mut self, params: &[TypeParam]) {
        for (index, param) in params.iter().enumerate() {
            if let Some(first) = params[..index].iter().find(|p| p.name.name == param.name.name) {
                let text = self.text(param.name.name);
                let report = self
                    .diagnostic(
                        codes::DUPLICATE,
                        param.name.span,
                        format!("the type parameter `{text}` is declared twice"),
                    )
                    .label(first.name.span, "first declared here");
                self.push(report);
            }
        }
    }

    /// Static constants beside fields, components and an enum's constants; two fields were spoken of before.
    fn member_names(&mut self, item: &'a Item, members: &'a [Item]) {
        let mut seen: FxHashMap<Symbol, (Span, bool)> = FxHashMap::default();
        match &item.kind {
            ItemKind::Record(r) => {
                seen.extend(r.components.iter().map(|c| (c.name.name, (c.name.span, false))));
            }
            ItemKind::Enum(e) => {
                seen.extend(e.constants.iter().map(|c| (c.name.name, (c.name.span, false))));
            }
            _ => {}
        }
        for member in members {
            let ItemKind::Field(f) = &member.kind else { continue };
            let is_static = member.modifiers.static_.is_some();
            match seen.get(&f.name.name) {
                Some(&(first, first_static)) if is_static || first_static => {
                    let text = self.text(f.name.name);
                    let report = self
                        .diagnostic(
                            codes::DUPLICATE,
                            f.name.span,
                            format!("`{text}` is declared twice in this type"),
                        )
                        .label(first, "first declared here");
                    self.push(report);
                }
                Some(_) => {}
                None => {
                    seen.insert(f.name.name, (f.name.span, is_static));
                }
            }
        }
    }

    fn interfaces_once(&mut self, item: &'a Item) {
        let written: &[ast::TypeExpr] = match &item.kind {
            ItemKind::Record(r) => &r.implements,
            ItemKind::Class(c) => &c.implements,
            ItemKind::Enum(e) => &e.implements,
            ItemKind::Interface(i) => &i.extends,
            _ => return,
        };
        let name = |ty: &ast::TypeExpr| match &ty.kind {
            ast::TypeExprKind::Named { name, .. } => Some(name.name),
            _ => None,
        };
        for (index, ty) in written.iter().enumerate() {
            let Some(first) = written[..index].iter().find(|t| name(t).is_some() && name(t) == name(ty))
            else {
                continue;
            };
            let report = self
                .diagnostic(codes::DUPLICATE, ty.span, "this interface stands here twice")
                .label(first.span, "first here");
            self.push(report);
        }
    }

    // ---- annotations ----

    fn annotations(&mut self, item: &'a Item, owner: Option<Owner>) {
        let is_local = matches!(item.kind, ItemKind::Field(_)) && item.modifiers.static_.is_none();
        if owner.is_none() && is_local && item.annotations.len() == 1 {
            return; // that it is no constant was said
        }
        for (index, annotation) in item.annotations.iter().enumerate() {
            let name = self.text(annotation.name.name);
            let mut before = item.annotations[..index].iter().filter(|a| a.name.name == annotation.name.name);
            if let Some(first) = before.next() {
                if before.next().is_some() {
                    continue; // said at the second
                }
                let mut report = self
                    .diagnostic(codes::ANNOTATION, annotation.span, format!("`@{name}` stands here twice"))
                    .label(first.span, "first here");
                // What both need is written in one.
                if let (Some(last), Some((from, to))) = (first.args.last(), ends(&annotation.args))
                    && name == "Needs"
                {
                    let at = Span::new(last.value.span.end, last.value.span.end);
                    let more = self.written(Span::new(from, to)).to_owned();
                    report = report.edit(at, format!(", {more}"));
                }
                let text = &self.map.get(self.file()).text()[..annotation.span.start as usize];
                let start = text.trim_end().len() as u32;
                let report = report.edit(Span::new(start, annotation.span.end), "");
                self.push(report);
                continue;
            }
            match name {
                "Override" => self.override_(item, annotation, owner),
                "DCase" => self.dcase(item, annotation, owner),
                "Needs" => self.needs(item, annotation, owner),
                _ => {
                    let message = format!("there is no annotation `@{name}`");
                    let mut report = self.diagnostic(codes::ANNOTATION, annotation.name.span, message);
                    let is_method = owner.is_some() && matches!(item.kind, ItemKind::Function(_));
                    let good = match &item.kind {
                        ItemKind::Function(_) if is_method => &["Override", "Needs"][..],
                        ItemKind::Function(_) => &["Needs"],
                        ItemKind::Task(_) => &["DCase", "Needs"],
                        ItemKind::Scenario(_) => &["DCase"],
                        _ => &[],
                    };
                    report = match suggest(name, good.iter().copied()) {
                        Some(near) => {
                            report.help(format!("did you mean `@{near}`?")).edit(annotation.name.span, near)
                        }
                        None => report.help("there are `@Needs`, `@DCase` and `@Override`"),
                    };
                    self.push(report);
                }
            }
        }
    }

    /// What is to be left out with an annotation: up to what stands behind it.
    fn to_next(&self, span: Span) -> Span {
        let text = self.map.get(self.file()).text();
        let rest = &text[span.end as usize..];
        Span::new(span.start, span.end + (rest.len() - rest.trim_start().len()) as u32)
    }

    fn misplaced(&mut self, annotation: &Annotation, stands: &str) {
        let name = self.text(annotation.name.name);
        let message = format!("`@{name}` stands before {stands}");
        let report = self
            .diagnostic(codes::ANNOTATION, annotation.span, message)
            .edit(self.to_next(annotation.span), "");
        self.push(report);
    }

    fn override_(&mut self, item: &Item, annotation: &Annotation, owner: Option<Owner>) {
        let is_method = matches!(item.kind, ItemKind::Function(_)) && item.modifiers.static_.is_none();
        if owner.is_none() || !is_method {
            self.misplaced(annotation, "a method that an interface declares");
        } else if let Some(arg) = annotation.args.first() {
            self.error(codes::ANNOTATION, arg.value.span, "`@Override` takes nothing");
        }
    }

    fn dcase(&mut self, item: &Item, annotation: &Annotation, owner: Option<Owner>) {
        if owner.is_some() || !matches!(item.kind, ItemKind::Task(_) | ItemKind::Scenario(_)) {
            return self.misplaced(annotation, "a task or a scenario");
        }
        let good =
            matches!(&annotation.args[..], [arg] if constant_text(&arg.value).is_some_and(|t| !t.is_empty()));
        if !good {
            let span = annotation.args.first().map_or(annotation.span, |arg| arg.value.span);
            let report = self
                .diagnostic(codes::ANNOTATION, span, "`@DCase` takes the name of a node of the D-Case")
                .help("write `@DCase(\"G2.1\")`");
            self.push(report);
        }
    }

    fn needs(&mut self, item: &'a Item, annotation: &'a Annotation, owner: Option<Owner>) {
        let params = match &item.kind {
            ItemKind::Function(f) if item.modifiers.lowlevel.is_some() => &f.params,
            ItemKind::Task(t) if owner.is_none() => &t.params,
            _ => return self.misplaced(annotation, "a lowlevel function or a task"),
        };
        if annotation.args.is_empty() {
            let report = self
                .diagnostic(codes::NEEDS, annotation.span, "`@Needs` says which capabilities are needed")
                .help("write `@Needs(\"exec:/usr/lib/checks/*\")`");
            self.push(report);
        }
        for arg in &annotation.args {
            let texts: &[ast::Expr] = match &arg.value.kind {
                ExprKind::List(items) => items,
                _ => std::slice::from_ref(&arg.value),
            };
            for text in texts {
                let Some(pattern) = constants::text(self.defs, (self.cx.module, None), text) else {
                    continue;
                };
                for place in places(&pattern) {
                    if params.iter().any(|p| self.text(p.name.name) == place) {
                        continue;
                    }
                    let mut report = self.diagnostic(
                        codes::NEEDS,
                        text.span,
                        format!("there is no parameter `{place}` to stand for `{{{place}}}`"),
                    );
                    let near = suggest(place, params.iter().map(|p| self.text(p.name.name)));
                    if let Some(near) = near {
                        report = report.help(format!("did you mean `{{{near}}}`?"));
                    }
                    self.push(report);
                }
            }
        }
    }
}

/// The kind and the members of a type's declaration.
fn members_of(item: &Item) -> Option<(TypeKind, &[Item])> {
    Some(match &item.kind {
        ItemKind::Record(r) => (TypeKind::Record, &r.members),
        ItemKind::Class(c) => (TypeKind::Class, &c.members),
        ItemKind::Enum(e) => (TypeKind::Enum, &e.members),
        ItemKind::Interface(i) => (TypeKind::Interface, &i.members),
        _ => return None,
    })
}

/// A declaration as a message speaks of it.
fn described(kind: &ItemKind, owner: Option<Owner>) -> &'static str {
    match (kind, owner) {
        (ItemKind::Function(_), None) => "a function",
        (ItemKind::Function(_), Some(_)) => "a method of this type",
        (ItemKind::Task(_), _) => "a task",
        (ItemKind::Scenario(_), _) => "a scenario",
        (ItemKind::Test(_), _) => "a test",
        (ItemKind::Record(_), _) => "a record",
        (ItemKind::Class(_), _) => "a class",
        (ItemKind::Enum(_), _) => "an enum",
        (ItemKind::Interface(_), _) => "an interface",
        (ItemKind::Field(_), None) => "a constant",
        (ItemKind::Field(_), Some(_)) => "a field",
        _ => "a constructor",
    }
}

/// A text literal without `${}`.
fn constant_text(expr: &ast::Expr) -> Option<&str> {
    match &expr.kind {
        ExprKind::Str(parts) => match &parts[..] {
            [] => Some(""),
            [StrPart::Text(text)] => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// Where arguments begin and end.
fn ends(args: &[ast::Arg]) -> Option<(u32, u32)> {
    Some((args.first()?.value.span.start, args.last()?.value.span.end))
}

/// The words in `{ }` of a pattern.
fn places(pattern: &str) -> impl Iterator<Item = &str> {
    pattern.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(word, _)| word)
}
