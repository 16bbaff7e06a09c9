//! Bodies: what they are, what is said of them, and when what was said the last time is still true.

use super::Analysis;
use crate::check::Checker;
use crate::defs::*;
use crate::facts::Facts;
use dscript_grammar::Parsed;
use dscript_grammar::ast::{self, ItemKind};
use dscript_grammar::diagnostic::Diagnostic;
use dscript_grammar::span::{FileId, Span};
use rustc_hash::FxHashMap;

pub(super) type Hash = [u8; 32];

/// Something that is checked on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyId {
    Const(ConstId),
    /// The arguments of an enum's constants.
    EnumConstants(TypeDefId),
    Fn(FnId),
    Task(TaskId),
    Scenario(ScenarioId),
    Test(TestId),
}

/// What other bodies may depend on in a file.
#[derive(Default)]
pub(super) struct Outline {
    /// Of the text without bodies and comments.
    hash: Hash,
}

impl Outline {
    pub fn new(parsed: &Parsed, text: &str) -> Self {
        let mut left_out: Vec<Span> = parsed.comments.iter().map(|c| c.span).collect();
        parsed.module.items.iter().for_each(|item| bodies_of(item, &mut left_out));
        left_out.extend(parsed.module.script.iter().map(|s| s.span));
        left_out.sort();
        let mut hasher = blake3::Hasher::new();
        let mut at = 0;
        for span in left_out {
            if (span.start as usize) > at {
                hasher.update(&text.as_bytes()[at..span.start as usize]);
                hasher.update(b"{");
            }
            at = at.max(span.end as usize);
        }
        hasher.update(&text.as_bytes()[at.min(text.len())..]);
        Self { hash: *hasher.finalize().as_bytes() }
    }
}

/// The bodies in a declaration that no other body depends on.
fn bodies_of(item: &ast::Item, out: &mut Vec<Span>) {
    match &item.kind {
        ItemKind::Function(f) => out.extend(f.body.as_ref().map(|b| b.span)),
        ItemKind::Task(t) => {
            out.push(t.body.span);
            out.extend(t.undo.as_ref().map(|b| b.span));
        }
        ItemKind::Test(t) => out.push(t.body.span),
        ItemKind::Constructor(c) => out.push(c.body.span),
        ItemKind::CompactConstructor(c) => out.push(c.body.span),
        ItemKind::Scenario(s) => out.extend(s.states.iter().map(|s| s.span)),
        ItemKind::Record(r) => r.members.iter().for_each(|m| bodies_of(m, out)),
        ItemKind::Class(c) => c.members.iter().for_each(|m| bodies_of(m, out)),
        ItemKind::Enum(e) => e.members.iter().for_each(|m| bodies_of(m, out)),
        ItemKind::Interface(i) => i.members.iter().for_each(|m| bodies_of(m, out)),
        ItemKind::Field(_) | ItemKind::Error => {}
    }
}

/// What every body stands in: the outlines of all modules, in their order.
pub(super) fn surroundings<'o>(outlines: impl Iterator<Item = &'o Outline>) -> Hash {
    let mut hasher = blake3::Hasher::new();
    for outline in outlines {
        hasher.update(&outline.hash);
    }
    *hasher.finalize().as_bytes()
}

/// What was said of bodies.
#[derive(Default)]
pub(super) struct Cache {
    said: FxHashMap<Hash, Said>,
    /// Counts the times that everything was said.
    round: u64,
}

struct Said {
    surroundings: Hash,
    /// Of the file's doubtful names, where something hung on them.
    doubt: Option<Hash>,
    /// The body's place at that time.
    start: u32,
    file: FileId,
    diagnostics: Vec<Diagnostic>,
    round: u64,
}

impl Cache {
    pub fn forget_unused(&mut self) {
        let round = self.round;
        self.said.retain(|_, said| said.round >= round);
        self.round += 1;
    }
}

/// Every body of the user's modules.
pub(super) fn all(defs: &Defs<'_>) -> Vec<BodyId> {
    let own = |module: ModuleId| !defs.modules[module.index()].is_std;
    let consts = (0..defs.consts.len()).filter(|&i| own(defs.consts[i].module));
    let types =
        (0..defs.types.len()).filter(|&i| own(defs.types[i].module) && defs.types[i].kind == TypeKind::Enum);
    let fns = (0..defs.fns.len()).filter(|&i| own(defs.fns[i].module));
    let mut found: Vec<BodyId> = consts.map(|i| BodyId::Const(ConstId(i as u32))).collect();
    found.extend(types.map(|i| BodyId::EnumConstants(TypeDefId(i as u32))));
    found.extend(fns.map(|i| BodyId::Fn(FnId(i as u32))));
    found.extend((0..defs.tasks.len()).map(|i| BodyId::Task(TaskId(i as u32))));
    found.extend((0..defs.scenarios.len()).map(|i| BodyId::Scenario(ScenarioId(i as u32))));
    found.extend((0..defs.tests.len()).map(|i| BodyId::Test(TestId(i as u32))));
    found
}

impl<'a> Analysis<'a, '_> {
    pub(super) fn body_module(&self, body: BodyId) -> ModuleId {
        let defs = self.defs;
        match body {
            BodyId::Const(id) => defs.consts[id.index()].module,
            BodyId::EnumConstants(id) => defs.types[id.index()].module,
            BodyId::Fn(id) => defs.fns[id.index()].module,
            BodyId::Task(id) => defs.tasks[id.index()].module,
            BodyId::Scenario(id) => defs.scenarios[id.index()].module,
            BodyId::Test(id) => defs.tests[id.index()].module,
        }
    }

    /// The text that a body's diagnostics depend on; `None` where it is part of the outline.
    fn body_span(&self, body: BodyId) -> Option<Span> {
        let defs = self.defs;
        match body {
            BodyId::Const(_) | BodyId::EnumConstants(_) => None,
            BodyId::Fn(id) => match defs.fns[id.index()].body {
                Body::Block(block) | Body::Constructor(block) | Body::Record(Some(block)) => Some(block.span),
                Body::None | Body::Record(None) => None,
            },
            BodyId::Task(id) => {
                let def = &defs.tasks[id.index()];
                match def.body {
                    TaskBody::Block(block) => Some(def.undo.map_or(block.span, |u| block.span.to(u.span))),
                    TaskBody::Script([first, .., last]) => Some(first.span.to(last.span)),
                    TaskBody::Script([only]) => Some(only.span),
                    TaskBody::Script([]) => None,
                }
            }
            BodyId::Scenario(id) => {
                let states = &defs.scenarios[id.index()].tree.states;
                Some(states.first()?.span.to(states.last()?.span))
            }
            BodyId::Test(id) => Some(defs.tests[id.index()].body.span),
        }
    }

    fn body_name(&self, body: BodyId) -> (&str, &str) {
        let defs = self.defs;
        match body {
            BodyId::Const(_) | BodyId::EnumConstants(_) => ("", ""),
            BodyId::Fn(id) => {
                let def = &defs.fns[id.index()];
                let owner = def.owner.map_or("", |o| self.interner.name(defs.types[o.index()].name));
                (owner, self.interner.name(def.name))
            }
            BodyId::Task(id) => ("task", &defs.tasks[id.index()].name),
            BodyId::Scenario(id) => ("scenario", &defs.scenarios[id.index()].name),
            BodyId::Test(id) => ("test", &defs.tests[id.index()].name),
        }
    }

    /// Says what is wrong with a body: what was said before, where that still holds.
    pub(super) fn judge(&mut self, body: BodyId) {
        let module = self.body_module(body);
        let file = self.defs.modules[module.index()].file;
        let Some(span) = self.body_span(body) else {
            let mut found = Vec::new();
            self.check(body, &mut found);
            self.diagnostics.append(&mut found);
            return;
        };
        let text = self.map.get(file).text();
        let (owner, name) = self.body_name(body);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&file.0.to_le_bytes());
        hasher.update(owner.as_bytes());
        hasher.update(b"\0");
        hasher.update(name.as_bytes());
        hasher.update(b"\0");
        hasher.update(&text.as_bytes()[span.start as usize..span.end as usize]);
        // Brackets that are missing elsewhere may change how the same text is read.
        for broken in self.defs.modules[module.index()].broken.iter().filter(|b| within(**b, span)) {
            hasher.update(&(broken.start - span.start).to_le_bytes());
        }
        let key: Hash = *hasher.finalize().as_bytes();
        let doubt = self.doubt(module);
        let round = self.cache.round;
        if let Some(said) = self.cache.said.get_mut(&key)
            && said.surroundings == self.surroundings
            && said.doubt.is_none_or(|d| d == doubt)
        {
            said.round = round;
            let by = i64::from(span.start) - i64::from(said.start);
            let moved = said.diagnostics.iter().map(|d| shifted(d, by));
            self.diagnostics.extend(moved);
            return;
        }
        let mut found = Vec::new();
        let doubted = self.defs.modules[module.index()].doubted.replace(false);
        self.check(body, &mut found);
        let doubts = self.defs.modules[module.index()].doubted.replace(doubted);
        // What points elsewhere may have to be moved by another distance.
        let own =
            found.iter().all(|d| d.file == file && places(d).all(|(f, s)| f == file && within(s, span)));
        if own {
            let said = Said {
                surroundings: self.surroundings,
                doubt: doubts.then_some(doubt),
                start: span.start,
                file,
                diagnostics: found.clone(),
                round,
            };
            debug_assert!(said.diagnostics.iter().all(|d| d.file == said.file));
            self.cache.said.insert(key, said);
        }
        self.diagnostics.append(&mut found);
    }

    fn doubt(&self, module: ModuleId) -> Hash {
        let own = &self.defs.modules[module.index()];
        let mut lost: Vec<&str> = own.lost.iter().map(|&name| self.interner.name(name)).collect();
        for stmt in &own.ast.script {
            if let ast::StmtKind::Local(local) = &stmt.kind {
                lost.extend(local.vars.iter().map(|v| self.interner.name(v.name.name)));
            }
        }
        if lost.is_empty() && !own.lacks_names {
            return Hash::default();
        }
        lost.sort();
        *blake3::hash(format!("{} {}", own.lacks_names, lost.join(" ")).as_bytes()).as_bytes()
    }

    /// Checks a body, unless facts are known of it; gives what is wrong with it.
    fn check(&mut self, body: BodyId, found: &mut Vec<Diagnostic>) {
        let module = self.body_module(body);
        self.make_facts(module);
        let is_new = self.known.insert(body);
        if let BodyId::Fn(id) = body
            && !is_new
        {
            // Its diagnostics are wanted, and were not kept when somebody asked for its facts.
            self.looked_at[id.index()] = false;
        }
        self.checker(found, |checker| check_one(checker, body));
    }

    pub(super) fn make_facts(&mut self, module: ModuleId) {
        if self.facts[module.index()].types.is_empty() {
            self.facts[module.index()] = Facts::new(self.defs.modules[module.index()].ast.node_count);
        }
    }

    /// Finds out about one body.
    pub fn look(&mut self, body: BodyId) {
        if !self.known.contains(&body) {
            self.check(body, &mut Vec::new());
        }
    }

    /// Finds out about everything in a part of a module.
    pub fn look_within(&mut self, module: ModuleId, span: Span) {
        self.make_facts(module);
        for body in self.bodies_within(module, span) {
            self.look(body);
        }
    }

    /// The bodies that have something in a part of a module.
    pub fn bodies_within(&self, module: ModuleId, span: Span) -> Vec<BodyId> {
        let defs = self.defs;
        let touches = |s: Span| s.start <= span.end && span.start <= s.end;
        let mut found = Vec::new();
        for (i, def) in defs.fns.iter().enumerate().filter(|(_, d)| d.module == module) {
            let body = BodyId::Fn(FnId(i as u32));
            let params = def.params.iter().map(|p| p.default.map_or(p.span, |d| p.span.to(d.span)));
            let whole = params.chain(self.body_span(body)).chain([def.span]).reduce(Span::to);
            if whole.is_some_and(touches) {
                found.push(body);
            }
        }
        for (i, def) in defs.consts.iter().enumerate().filter(|(_, d)| d.module == module) {
            if touches(def.init.map_or(def.span, |e| def.span.to(e.span))) {
                found.push(BodyId::Const(ConstId(i as u32)));
            }
        }
        for (i, def) in defs.types.iter().enumerate().filter(|(_, d)| d.module == module) {
            let constants = def.constant_trees.iter().flat_map(|c| c.args.iter().map(|a| a.value.span));
            if constants.reduce(Span::to).is_some_and(touches) {
                found.push(BodyId::EnumConstants(TypeDefId(i as u32)));
            }
            // Initializers of fields are checked with the constructor.
            let fields = def.fields.iter().filter_map(|f| f.init).any(|e| touches(e.span));
            found.extend(def.constructor.filter(|_| fields).map(BodyId::Fn));
        }
        for (i, def) in defs.tasks.iter().enumerate().filter(|(_, d)| d.module == module) {
            let body = BodyId::Task(TaskId(i as u32));
            let whole = self.body_span(body).map_or(def.span, |s| s.to(def.span));
            if touches(whole) {
                found.push(body);
            }
        }
        for (i, def) in defs.scenarios.iter().enumerate().filter(|(_, d)| d.module == module) {
            if touches(def.item.span) {
                found.push(BodyId::Scenario(ScenarioId(i as u32)));
            }
        }
        for (i, def) in defs.tests.iter().enumerate().filter(|(_, d)| d.module == module) {
            if touches(def.span.to(def.body.span)) {
                found.push(BodyId::Test(TestId(i as u32)));
            }
        }
        found
    }
}

fn check_one(checker: &mut Checker<'_, '_>, body: BodyId) {
    match body {
        BodyId::Const(id) => checker.constant(id),
        BodyId::EnumConstants(id) => checker.enum_constants(id),
        BodyId::Fn(id) => checker.function(id),
        BodyId::Task(id) => checker.task(id),
        BodyId::Scenario(id) => checker.scenario(id),
        BodyId::Test(id) => checker.test(id),
    }
}

fn within(inner: Span, outer: Span) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// Every place a diagnostic speaks of.
fn places(d: &Diagnostic) -> impl Iterator<Item = (FileId, Span)> {
    let labels = d.labels.iter().map(|l| (l.file, l.span));
    labels.chain(d.edits.iter().map(|e| (d.file, e.span))).chain([(d.file, d.span)])
}

fn shifted(diagnostic: &Diagnostic, by: i64) -> Diagnostic {
    let shift =
        |span: Span| Span::new((i64::from(span.start) + by) as u32, (i64::from(span.end) + by) as u32);
    let mut moved = diagnostic.clone();
    moved.span = shift(moved.span);
    moved.labels.iter_mut().for_each(|l| l.span = shift(l.span));
    moved.edits.iter_mut().for_each(|e| e.span = shift(e.span));
    moved
}
