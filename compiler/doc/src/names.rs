//! Where each name leads: what a word in a signature or a doc comment stands for.

use crate::Source;
use dscript_grammar::ast::{Item, ItemKind};
use dscript_grammar::span::{Interner, Symbol};
use std::collections::BTreeMap;

pub(crate) struct Names<'a> {
    pub sources: &'a [&'a Source],
    pub interner: &'a Interner,
    /// Of each module: its declarations.
    declared: Vec<BTreeMap<&'a str, Inside<'a>>>,
}

/// The names inside a type.
#[derive(Default)]
struct Inside<'a> {
    members: Vec<&'a str>,
    /// Components and constants, which stand where their type does.
    parts: Vec<&'a str>,
}

/// Whether readers are shown it.
pub(crate) fn is_public(item: &Item) -> bool {
    item.modifiers.private.is_none() && !matches!(item.kind, ItemKind::Test(_) | ItemKind::Error)
}

/// What a declaration is called; a constructor has its type's name.
pub(crate) fn name_of(item: &Item) -> Option<Symbol> {
    match &item.kind {
        ItemKind::Function(f) => Some(f.name.name),
        ItemKind::Task(t) => Some(t.name.name),
        ItemKind::Scenario(s) => Some(s.name.name),
        ItemKind::Record(r) => Some(r.name.name),
        ItemKind::Class(c) => Some(c.name.name),
        ItemKind::Enum(e) => Some(e.name.name),
        ItemKind::Interface(i) => Some(i.name.name),
        ItemKind::Field(f) => Some(f.name.name),
        ItemKind::Constructor(c) => Some(c.name.name),
        ItemKind::CompactConstructor(_) | ItemKind::Test(_) | ItemKind::Error => None,
    }
}

pub(crate) fn members(item: &Item) -> &[Item] {
    match &item.kind {
        ItemKind::Record(r) => &r.members,
        ItemKind::Class(c) => &c.members,
        ItemKind::Enum(e) => &e.members,
        ItemKind::Interface(i) => &i.members,
        _ => &[],
    }
}

/// The name of a module's page: no other page has it, and it needs no escapes in an address.
pub(crate) fn page_name(module: &str) -> String {
    if module == "index" {
        return "~index.html".to_owned();
    }
    let mut name = String::new();
    for c in module.chars() {
        match c {
            c if c.is_alphanumeric() || "._-".contains(c) => name.push(c),
            c => name.push_str(&format!("~{:x}", u32::from(c))),
        }
    }
    name + ".html"
}

impl<'a> Names<'a> {
    pub fn new(sources: &'a [&'a Source], interner: &'a Interner) -> Self {
        let declared = sources.iter().map(|source| declared(source, interner)).collect();
        Names { sources, interner, declared }
    }

    pub fn text(&self, symbol: Symbol) -> &'a str {
        self.interner.name(symbol)
    }

    /// The address of what a module means by a name, with a member after a dot, or of a member of `owner`.
    pub fn address(&self, module: usize, owner: Option<&str>, name: &str) -> Option<String> {
        let (first, member) = match name.split_once('.') {
            Some((first, member)) => (first, Some(member)),
            None => (name, None),
        };
        if let (Some(owner), None) = (owner, member)
            && let Some(address) = self.member(module, owner, name)
        {
            return Some(address);
        }
        let found = self.module_of(module, first)?;
        match member {
            None => Some(self.anchor(found, first)),
            Some(member) => self.member(found, first, member),
        }
    }

    fn member(&self, module: usize, owner: &str, name: &str) -> Option<String> {
        let inside = self.declared[module].get(owner)?;
        if inside.members.contains(&name) {
            return Some(self.anchor(module, &format!("{owner}.{name}")));
        }
        inside.parts.contains(&name).then(|| self.anchor(module, owner))
    }

    fn anchor(&self, module: usize, id: &str) -> String {
        format!("{}#{id}", page_name(&self.sources[module].path))
    }

    /// Own declarations come before imports, those before the prelude.
    fn module_of(&self, module: usize, name: &str) -> Option<usize> {
        if self.declared[module].contains_key(name) {
            return Some(module);
        }
        let by_path = |path: &str| self.sources.iter().position(|s| s.path == path);
        for import in &self.sources[module].parsed.module.imports {
            let words: Vec<&str> = import.path.iter().map(|word| self.text(word.name)).collect();
            let from = match words.split_last() {
                _ if import.all => by_path(&words.join(".")),
                Some((last, before)) if *last == name => by_path(&before.join(".")),
                _ => None,
            };
            if let Some(from) = from.filter(|&from| self.declared[from].contains_key(name)) {
                return Some(from);
            }
        }
        (0..self.sources.len()).find(|&i| self.sources[i].prelude && self.declared[i].contains_key(name))
    }
}

fn declared<'a>(source: &'a Source, interner: &'a Interner) -> BTreeMap<&'a str, Inside<'a>> {
    let mut all = BTreeMap::new();
    for item in source.parsed.module.items.iter().filter(|item| is_public(item)) {
        let Some(name) = name_of(item).map(|name| interner.name(name)) else { continue };
        let own = members(item).iter().filter(|member| is_public(member)).filter_map(name_of);
        let members = own.map(|symbol| interner.name(symbol)).filter(|&member| member != name).collect();
        let parts = match &item.kind {
            ItemKind::Enum(e) => e.constants.iter().map(|c| interner.name(c.name.name)).collect(),
            ItemKind::Record(r) => r.components.iter().map(|c| interner.name(c.name.name)).collect(),
            _ => Vec::new(),
        };
        all.insert(name, Inside { members, parts });
    }
    all
}
