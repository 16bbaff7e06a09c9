//! Declares what modules hold and resolves the signatures; bodies are not looked at.
//!
//! First every name is entered, then imports are joined, then types in signatures are resolved, so
//! declarations may stand in any order and modules may import each other.

mod imports;
mod members;
mod signatures;
mod types;

use crate::defs::*;
use crate::modules::Program;
use crate::names;
use crate::types::{Ty, TyKind, Types};
use dscript_grammar::SourceMap;
use dscript_grammar::ast::{self, ItemKind};
use dscript_grammar::codes;
use dscript_grammar::diagnostic::Diagnostic;
use dscript_grammar::span::{FileId, Interner, Span};
use rustc_hash::FxHashMap;

pub struct Collector<'a, 'c> {
    pub defs: Defs<'a>,
    pub types: &'c mut Types,
    pub interner: &'c Interner,
    pub map: &'c SourceMap,
    pub diagnostics: &'c mut Vec<Diagnostic>,
    /// What carries `@Needs`, to be read when all constants are known.
    pub needy: Vec<(Needy, Place, &'a ast::Annotation)>,
}

/// What may carry `@Needs`.
#[derive(Clone, Copy)]
pub enum Needy {
    Fn(FnId),
    Task(TaskId),
}

/// What a function's declaration is found in.
#[derive(Clone, Copy)]
pub struct Place {
    module: ModuleId,
    owner: Option<TypeDefId>,
}

impl<'a> Collector<'a, '_> {
    pub fn collect(&mut self, program: &'a Program) {
        for (index, file) in program.modules.iter().enumerate() {
            self.defs.modules.push(Module {
                file: file.file,
                path: file.path.clone(),
                is_std: file.is_std,
                ast: &file.parsed.module,
                broken: &file.broken,
                names: FxHashMap::default(),
                imported: FxHashMap::default(),
                globs: Vec::new(),
                lost: file.parsed.lost.clone(),
                lacks_names: file.lacks_names,
                is_root: file.is_root,
                doubted: Default::default(),
            });
            self.declare_types(ModuleId(index as u32));
        }
        self.find_known();
        for (index, file) in program.modules.iter().enumerate() {
            let module = ModuleId(index as u32);
            for (import, resolved) in file.parsed.module.imports.iter().zip(&file.imports) {
                if let (None, Some(name)) = (resolved, import.path.last()) {
                    self.defs.modules[index].lost.insert(name.name);
                }
            }
            for (prelude, other) in program.modules.iter().enumerate() {
                if other.is_prelude && prelude != index {
                    self.defs.modules[index].globs.push(ModuleId(prelude as u32));
                }
            }
            for (import, resolved) in file.parsed.module.imports.iter().zip(&file.imports) {
                if let Some(imported) = resolved {
                    if imported.all {
                        self.defs.modules[index].globs.push(ModuleId(imported.module as u32));
                    } else {
                        self.import_types(module, import, ModuleId(imported.module as u32));
                    }
                }
            }
        }
        for index in 0..program.modules.len() {
            self.declare_rest(ModuleId(index as u32), program);
        }
        self.seal();
        self.permitted_implement();
        for (index, file) in program.modules.iter().enumerate() {
            for (import, resolved) in file.parsed.module.imports.iter().zip(&file.imports) {
                if let Some(imported) = resolved.filter(|i| !i.all) {
                    self.import_one(ModuleId(index as u32), import, ModuleId(imported.module as u32));
                }
            }
        }
        for (carrier, place, annotation) in std::mem::take(&mut self.needy) {
            let needs = Some(self.needs(place, annotation));
            match carrier {
                Needy::Fn(id) => self.defs.fns[id.index()].needs = needs,
                Needy::Task(id) => self.defs.tasks[id.index()].needs = needs,
            }
        }
    }

    fn file(&self, module: ModuleId) -> FileId {
        self.defs.modules[module.index()].file
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn enter(&mut self, module: ModuleId, name: ast::Ident, def: Def) {
        let names = &mut self.defs.modules[module.index()].names;
        if let Some(&first) = names.get(&name.name) {
            let file = self.file(module);
            let text = self.interner.name(name.name).to_string();
            let mut report = Diagnostic::error(
                codes::DUPLICATE,
                file,
                name.span,
                format!("`{text}` is declared twice in this module"),
            );
            if let Some(span) = self.def_span(first) {
                report = report.label(span, "first declared here");
            }
            self.report(report);
            // Nobody knows which of the two a call means.
            if let Def::Fn(id) = first {
                self.defs.fns[id.index()].is_doubtful = true;
            }
        } else {
            names.insert(name.name, def);
        }
    }

    fn def_span(&self, def: Def) -> Option<Span> {
        names::def_span(&self.defs, def)
    }

    fn declare_rest(&mut self, module: ModuleId, program: &'a Program) {
        let tree = self.defs.modules[module.index()].ast;
        let place = Place { module, owner: None };
        for item in &tree.items {
            match &item.kind {
                ItemKind::Function(f) => {
                    if let Some(id) = self.function(place, item, f, &[]) {
                        self.enter(module, f.name, Def::Fn(id));
                    }
                }
                ItemKind::Field(f) => {
                    let (is_static, is_final) = (item.modifiers.static_, item.modifiers.final_);
                    // With `lowlevel` alone it is no constant but for that word, of which it is said.
                    let is_local = is_static.or(is_final).is_none() && item.modifiers.lowlevel.is_some();
                    if (is_static.is_none() || is_final.is_none()) && !is_local {
                        let file = self.file(module);
                        self.report(
                            Diagnostic::error(
                                codes::MODIFIER,
                                file,
                                f.name.span,
                                "a variable of a module must be `static final`",
                            )
                            .help("no state survives a run: pass what changes as a parameter"),
                        );
                    }
                    let id = self.constant(place, item, f);
                    self.enter(module, f.name, Def::Const(id));
                }
                ItemKind::Task(t) => {
                    let id = self.task(module, item, t, program);
                    self.enter(module, t.name, Def::Task(id));
                }
                ItemKind::Record(_) | ItemKind::Class(_) | ItemKind::Enum(_) | ItemKind::Interface(_) => {
                    self.type_members(module, item);
                }
                ItemKind::Scenario(s) => {
                    let id = self.scenario(module, item, s, program);
                    self.enter(module, s.name, Def::Scenario(id));
                }
                ItemKind::Test(t) => self.test(module, t),
                ItemKind::Constructor(c) => {
                    let file = self.file(module);
                    self.report(Diagnostic::error(
                        codes::SYNTAX,
                        file,
                        c.name.span,
                        "a constructor stands in a class",
                    ));
                }
                ItemKind::CompactConstructor(_) | ItemKind::Error => {}
            }
        }
        if !tree.script.is_empty() && self.defs.modules[module.index()].is_root {
            let path = &self.defs.modules[module.index()].path;
            let name = path.rsplit('.').next().unwrap_or(path).to_string();
            let first = &tree.script[0];
            if let Some(other) = self.defs.tasks.iter().find(|t| t.module == module && t.name == name) {
                let message = format!("a task is called `{name}`, as the script of this file is");
                let report = Diagnostic::error(codes::DUPLICATE, self.file(module), other.span, message)
                    .help("name the task or the file otherwise");
                self.report(report);
            }
            self.defs.tasks.push(TaskDef {
                module,
                name,
                span: first.span,
                is_private: false,
                role: None,
                params: Vec::new(),
                body: TaskBody::Script(&tree.script),
                undo: None,
                needs: None,
                dcase: None,
                doc: None,
            });
        }
    }

    fn constant(&mut self, place: Place, item: &ast::Item, f: &'a ast::Field) -> ConstId {
        let ty = self.type_expr(place.module, &[], &f.ty);
        if f.init.is_none() {
            let file = self.file(place.module);
            self.report(Diagnostic::error(codes::SYNTAX, file, f.name.span, "a constant needs a value"));
        }
        if item.modifiers.final_.is_none() && place.owner.is_some() {
            let file = self.file(place.module);
            self.report(
                Diagnostic::error(
                    codes::MODIFIER,
                    file,
                    f.name.span,
                    "a static variable must be `static final`",
                )
                .help("no state survives a run: pass what changes as a parameter"),
            );
        }
        let id = ConstId(self.defs.consts.len() as u32);
        self.defs.consts.push(ConstDef {
            module: place.module,
            owner: place.owner,
            name: f.name.name,
            span: f.name.span,
            is_private: item.modifiers.private.is_some(),
            is_final: item.modifiers.final_.is_some(),
            ty,
            init: f.init.as_deref(),
        });
        id
    }

    fn task(&mut self, module: ModuleId, item: &'a ast::Item, t: &'a ast::Task, program: &Program) -> TaskId {
        let params = self.task_params(module, &t.params, "task");
        let dcase = self.dcase(item);
        let doc = self.doc(module, item, program);
        let id = TaskId(self.defs.tasks.len() as u32);
        self.annotations(Place { module, owner: None }, item, t.name, Needy::Task(id));
        self.defs.tasks.push(TaskDef {
            module,
            name: self.interner.name(t.name.name).to_string(),
            span: t.name.span,
            is_private: item.modifiers.private.is_some(),
            role: t.role,
            params,
            body: TaskBody::Block(&t.body),
            undo: t.undo.as_ref(),
            needs: None,
            dcase,
            doc,
        });
        id
    }

    fn scenario(
        &mut self,
        module: ModuleId,
        item: &'a ast::Item,
        tree: &'a ast::Scenario,
        program: &Program,
    ) -> ScenarioId {
        let params = self.task_params(module, &tree.params, "scenario");
        let dcase = self.dcase(item);
        let doc = self.doc(module, item, program);
        let name = self.interner.name(tree.name.name).to_string();
        let span = tree.name.span;
        let id = ScenarioId(self.defs.scenarios.len() as u32);
        self.defs.scenarios.push(ScenarioDef { module, name, span, params, item, tree, dcase, doc });
        id
    }

    /// Parameters whose values operators give.
    fn task_params(&mut self, module: ModuleId, trees: &'a [ast::Param], what: &str) -> Vec<ParamSig<'a>> {
        let params = self.params(Place { module, owner: None }, &[], trees);
        for (tree, sig) in trees.iter().zip(&params) {
            if !self.is_task_param(sig.ty) {
                let file = self.file(module);
                let message = format!("a {what}'s parameter cannot have this type");
                self.report(Diagnostic::error(codes::BAD_TYPE, file, tree.ty.span, message).help(
                    "good are int, double, boolean, String, Duration, enums, and lists and records of these",
                ));
            }
        }
        params
    }

    /// The text of `@DCase("...")`.
    fn dcase(&self, item: &ast::Item) -> Option<String> {
        let found = item.annotations.iter().find(|a| self.interner.name(a.name.name) == "DCase")?;
        let ast::ExprKind::Str(parts) = &found.args.first()?.value.kind else { return None };
        match &parts[..] {
            [ast::StrPart::Text(text)] => Some(text.to_string()),
            _ => None,
        }
    }

    fn doc(&self, module: ModuleId, item: &ast::Item, program: &Program) -> Option<String> {
        let file = &program.modules[module.index()];
        let text = self.map.get(file.file).text();
        file.parsed
            .doc_before(item.span.start, text)
            .map(|span| dscript_grammar::comments::doc_text(text, span))
    }

    fn test(&mut self, module: ModuleId, t: &'a ast::Test) {
        let file = self.file(module);
        let name = match &t.name.kind {
            ast::ExprKind::Str(parts) => match &parts[..] {
                [] => String::new(),
                [ast::StrPart::Text(text)] => {
                    if text.contains(char::is_control) {
                        let message = "a test's name is one line, without control characters";
                        self.report(Diagnostic::error(codes::BAD_CHARACTER, file, t.name.span, message));
                    }
                    text.to_string()
                }
                _ => {
                    let message = "a test's name is a text without `${}`";
                    self.report(Diagnostic::error(codes::SYNTAX, file, t.name.span, message));
                    "?".into()
                }
            },
            _ => return,
        };
        let first = self.defs.tests.iter().find(|d| d.module == module && d.name == name && name != "?");
        if let Some(first) = first {
            let report = Diagnostic::error(
                codes::DUPLICATE,
                file,
                t.name.span,
                "two tests of this module have the same name",
            )
            .label(first.span, "first declared here");
            self.report(report);
        }
        self.defs.tests.push(TestDef { module, name, span: t.name.span, body: &t.body });
    }

    fn is_task_param(&self, ty: Ty) -> bool {
        match self.types.kind(ty) {
            TyKind::Int | TyKind::Double | TyKind::Bool | TyKind::Duration | TyKind::Poison => true,
            TyKind::Nominal(def, args) => {
                let kind = self.defs.types[def.index()].kind;
                Some(*def) == self.defs.known.string
                    || Some(*def) == self.defs.known.list && args.iter().all(|&t| self.is_task_param(t))
                    || kind == TypeKind::Enum
                    || kind == TypeKind::Record
            }
            _ => false,
        }
    }
}

/// A pattern with every `{parameter}` replaced.
fn without_places(pattern: &str, stand_in: &str) -> String {
    let mut plain = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        plain.push_str(before);
        let Some((_, tail)) = after.split_once('}') else { break };
        plain.push_str(stand_in);
        rest = tail;
    }
    plain.push_str(rest);
    plain
}
