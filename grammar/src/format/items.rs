//! Files, declarations and members.

use super::lists::Breaks;
use super::printer::{Printer, Sep};
use crate::ast::*;
use crate::span::Span;

/// Columns of what continues the head of a declaration, so that it stands out from the body.
pub(super) const HEAD_INDENT: isize = 8;

/// A piece of a file, in the order of the text.
enum Part<'t> {
    Import,
    Items(&'t [Item]),
    Stmt(&'t Stmt),
}

impl Printer<'_> {
    pub fn module(&mut self, module: &Module) {
        let mut parts: Vec<(Span, Part<'_>)> = Vec::new();
        parts.extend(module.imports.iter().map(|import| (import.span, Part::Import)));
        parts.extend(together(&module.items).map(|items| (items[0].span, Part::Items(items))));
        parts.extend(module.script.iter().map(|stmt| (stmt.span, Part::Stmt(stmt))));
        parts.sort_by_key(|(span, _)| span.start);
        for (span, part) in parts {
            self.stray_semicolons();
            if !self.fresh {
                self.sep = Sep::Lines;
            }
            self.gap();
            match part {
                Part::Import => self.import(span),
                Part::Items(items) => self.items(items),
                Part::Stmt(stmt) => self.stmt(stmt),
            }
        }
        self.stray_semicolons();
    }

    /// Semicolons between declarations mean nothing; they stay behind what was before.
    fn stray_semicolons(&mut self) {
        while self.is(";") {
            self.hoisted(";");
        }
    }

    fn import(&mut self, span: Span) {
        self.token("import");
        self.space();
        self.gap();
        self.up_to(span.end - 1);
        self.semicolon();
    }

    /// One declaration; several fields may have been declared together.
    pub fn items(&mut self, items: &[Item]) {
        let item = &items[0];
        self.gap();
        self.head(item);
        match &item.kind {
            ItemKind::Function(function) => self.function(function),
            ItemKind::Task(task) => self.task(task),
            ItemKind::Scenario(scenario) => self.scenario(scenario),
            ItemKind::Test(test) => {
                self.prefixed("test", &test.name);
                self.space();
                self.block(&test.body, false);
            }
            ItemKind::Record(record) => self.record(record),
            ItemKind::Class(class) => {
                self.named("class", &class.type_params);
                self.supertypes("implements", &class.implements);
                self.members(&class.members);
            }
            ItemKind::Enum(e) => self.enum_(e),
            ItemKind::Interface(interface) => {
                self.named("interface", &interface.type_params);
                self.supertypes("extends", &interface.extends);
                self.supertypes("permits", &interface.permits);
                self.members(&interface.members);
            }
            ItemKind::Field(field) => {
                self.ty(&field.ty);
                self.space();
                let inits: Vec<Option<&Expr>> = items
                    .iter()
                    .map(|item| match &item.kind {
                        ItemKind::Field(field) => field.init.as_deref(),
                        _ => None,
                    })
                    .collect();
                self.variables(&inits);
                self.semicolon();
            }
            ItemKind::Constructor(constructor) => {
                self.any();
                self.with_block(|p| p.params(&constructor.params), &constructor.body, true);
            }
            ItemKind::CompactConstructor(constructor) => {
                self.with_block(Self::any, &constructor.body, true);
            }
            ItemKind::Error => self.up_to(item.span.end),
        }
    }

    /// Annotations, each on a line of its own (one without arguments may stay beside what it is said of), and
    /// modifiers.
    fn head(&mut self, item: &Item) {
        let m = &item.modifiers;
        let modifiers = [m.private, m.static_, m.final_, m.lowlevel, m.native, m.sealed, m.default];
        let modifiers = modifiers.into_iter().flatten().map(|span| (span, None));
        let annotations = item.annotations.iter().map(|a| (a.span, Some(a)));
        let mut words: Vec<(Span, Option<&Annotation>)> = modifiers.chain(annotations).collect();
        words.sort_by_key(|(span, _)| span.start);
        let mut after_modifier = false;
        for (span, annotation) in words {
            let mut beside = after_modifier;
            match annotation {
                Some(annotation) => {
                    self.gap();
                    self.token("@");
                    self.any();
                    if self.next_start() < span.end {
                        self.args(&annotation.args);
                    } else {
                        beside |= self.on_one_line(Span::new(span.end, self.next_start()));
                    }
                }
                None => {
                    self.any();
                    after_modifier = true;
                    beside = true;
                }
            }
            self.sep = if beside { Sep::Space } else { Sep::Hard };
        }
    }

    fn function(&mut self, function: &Function) {
        if !function.type_params.is_empty() {
            self.type_params(&function.type_params);
            self.space();
        }
        self.ty(&function.ret);
        self.space();
        self.any();
        match &function.body {
            Some(body) => self.with_block(|p| p.params(&function.params), body, true),
            None => {
                self.params(&function.params);
                self.semicolon();
            }
        }
    }

    fn named(&mut self, word: &str, type_params: &[TypeParam]) {
        self.token(word);
        self.space();
        self.any();
        self.type_params(type_params);
    }

    /// `implements A, B` and the like.
    fn supertypes(&mut self, word: &str, types: &[TypeExpr]) {
        if types.is_empty() {
            return;
        }
        self.continued(HEAD_INDENT, |p| {
            p.line();
            p.token(word);
            p.space();
            p.together(types, Self::ty);
        });
    }

    fn record(&mut self, record: &Record) {
        self.named("record", &record.type_params);
        self.params(&record.components);
        self.supertypes("implements", &record.implements);
        if self.is(";") {
            self.semicolon();
        } else {
            self.members(&record.members);
        }
    }

    fn members(&mut self, members: &[Item]) {
        self.space();
        self.braces(|p| {
            p.sep = Sep::First;
            p.member_lines(members);
        });
    }

    /// Members on lines of their own; the separator before the first is asked for already.
    fn member_lines(&mut self, members: &[Item]) {
        self.stray_semicolons();
        for (index, items) in together(members).enumerate() {
            if index > 0 {
                self.sep = Sep::Lines;
            } else if self.sep == Sep::None {
                // After a stray semicolon.
                self.sep = Sep::Lines;
            }
            self.items(items);
            self.stray_semicolons();
        }
    }

    fn enum_(&mut self, e: &Enum) {
        self.named("enum", &[]);
        self.supertypes("implements", &e.implements);
        self.space();
        let close = self.close_of_next();
        let has_semicolon = !e.members.is_empty() || self.semicolon_in_next();
        if e.constants.is_empty() && !has_semicolon {
            return self.braces(|_| {});
        }
        if has_semicolon {
            return self.braces(|p| {
                p.sep = Sep::First;
                p.gap();
                p.group(|p| p.constants(&e.constants));
                if p.is(",") {
                    p.skip(",");
                }
                p.hoisted(";");
                p.sep = Sep::Lines;
                p.member_lines(&e.members);
            });
        }
        let kept_broken = self.last_before(close) == ",";
        self.group_here(|p| {
            p.hoisted("{");
            p.nest(|p| {
                p.sep = if kept_broken { Sep::Hard } else { Sep::Line };
                p.gap();
                p.constants(&e.constants);
                p.end_of_list(Breaks::WithComma);
            });
            p.close_sep(Sep::Line);
            p.token("}");
        });
    }

    fn constants(&mut self, constants: &[EnumConstant]) {
        for (index, constant) in constants.iter().enumerate() {
            if index > 0 {
                self.hoisted(",");
                self.line();
            }
            self.any();
            if self.is("(") {
                self.args(&constant.args);
            }
        }
    }
}

/// Items one by one, fields that were declared together in one piece.
fn together(items: &[Item]) -> impl Iterator<Item = &[Item]> {
    items.chunk_by(|a, b| a.span == b.span)
}
