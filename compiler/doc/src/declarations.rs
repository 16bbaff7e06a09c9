//! What a reader is shown of each declaration: its kind, its signature, what it reaches, its doc comment, its members.

use crate::markdown::{render, summary};
use crate::names::{Names, is_public, members, name_of};
use crate::scenario;
use crate::signature::Signer;
use crate::{Source, escape};
use dscript_grammar::ast::{Expr, ExprKind, Item, ItemKind, Param, StrPart};
use dscript_grammar::comments::doc_text;

pub(crate) struct Module {
    pub path: String,
    pub prelude: bool,
    pub capabilities: Vec<String>,
    /// In the order of the text.
    pub declarations: Vec<Declaration>,
}

pub(crate) struct Declaration {
    pub kind: Kind,
    pub name: String,
    /// `List.add`
    pub id: String,
    /// `record`, `monitor task`, `method`
    pub word: &'static str,
    pub signature: String,
    pub lowlevel: bool,
    pub needs: Vec<String>,
    pub dcase: Option<String>,
    pub doc: String,
    pub summary: String,
    /// Components, constants, states.
    pub details: String,
    /// It is described where it is declared first: it overrides, or is a `toString`.
    pub described: bool,
    pub members: Vec<Declaration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Task,
    Scenario,
    Type,
    Function,
    Constant,
}

impl Module {
    /// Every name with whether it has a doc comment.
    pub fn all_names(&self) -> Vec<(&str, bool)> {
        let mut all = Vec::new();
        for declaration in &self.declarations {
            let all_of_it = std::iter::once(declaration).chain(&declaration.members);
            all.extend(all_of_it.map(|d| (d.id.as_str(), !d.doc.is_empty() || d.described)));
        }
        all
    }
}

pub(crate) fn module(names: &Names<'_>, index: usize) -> Module {
    let source: &Source = names.sources[index];
    let mut declarations = Vec::new();
    if !source.parsed.module.script.is_empty() {
        declarations.push(script(&source.path));
    }
    for item in source.parsed.module.items.iter().filter(|item| is_public(item)) {
        declarations.extend(declaration(names, index, item, None));
    }
    Module {
        path: source.path.clone(),
        prelude: source.prelude,
        capabilities: source.capabilities.clone(),
        declarations,
    }
}

/// The task that the statements of a file are.
fn script(path: &str) -> Declaration {
    let name = path.rsplit('.').next().unwrap_or(path).to_owned();
    let text = "The script of this file: its statements are the body of one D-Task.";
    Declaration {
        kind: Kind::Task,
        id: name.clone(),
        word: "script",
        signature: format!("<span class=\"kw\">script</span> <span class=\"name\">{}</span>", escape(&name)),
        name,
        lowlevel: false,
        needs: Vec::new(),
        dcase: None,
        doc: format!("<p>{text}</p>"),
        summary: text.to_owned(),
        details: String::new(),
        described: false,
        members: Vec::new(),
    }
}

fn declaration<'a>(
    names: &Names<'a>,
    module: usize,
    item: &'a Item,
    owner: Option<&'a Item>,
) -> Option<Declaration> {
    let name = names.text(name_of(item)?);
    let owner_name = owner.and_then(name_of).map(|owner| names.text(owner));
    let (kind, word) = kind(item, owner.is_some());
    let mut signer = Signer { names, module, type_params: Vec::new() };
    for params in owner.map(type_params).into_iter().chain([type_params(item)]) {
        signer.scope(params);
    }
    let id = owner_name.map_or_else(|| name.to_owned(), |owner| format!("{owner}.{name}"));
    let own = (kind == Kind::Type).then_some(name).or(owner_name);
    let text = doc(names.sources[module], item.span.start);
    // A parameter's name means the parameter.
    let params: Vec<&str> = params_of(item).iter().map(|p| names.text(p.name.name)).collect();
    let lookup = |word: &str| {
        let address = names.address(module, own, word).filter(|_| !params.contains(&word));
        address.filter(|found| !found.ends_with(&format!("#{id}")))
    };
    let mut declared = Declaration {
        kind,
        name: name.to_owned(),
        word,
        signature: signer.item(item),
        lowlevel: item.modifiers.lowlevel.is_some(),
        needs: annotation(item, names, "Needs").map_or_else(Vec::new, texts_of),
        dcase: annotation(item, names, "DCase").and_then(text_of),
        doc: text.as_deref().map_or_else(String::new, |text| render(text, &lookup)),
        summary: text.as_deref().map_or_else(String::new, summary),
        details: details(&signer, item, &lookup),
        described: owner.is_some()
            && (name == "toString" || item.annotations.iter().any(|a| names.text(a.name.name) == "Override")),
        members: Vec::new(),
        id,
    };
    let inner = members(item).iter().filter(|member| is_public(member));
    declared.members = inner.filter_map(|member| declaration(names, module, member, Some(item))).collect();
    Some(declared)
}

fn type_params(item: &Item) -> &[dscript_grammar::ast::TypeParam] {
    match &item.kind {
        ItemKind::Record(r) => &r.type_params,
        ItemKind::Class(c) => &c.type_params,
        ItemKind::Interface(i) => &i.type_params,
        _ => &[],
    }
}

fn params_of(item: &Item) -> &[Param] {
    match &item.kind {
        ItemKind::Function(f) => &f.params,
        ItemKind::Task(t) => &t.params,
        ItemKind::Scenario(s) => &s.params,
        ItemKind::Record(r) => &r.components,
        ItemKind::Constructor(c) => &c.params,
        _ => &[],
    }
}

fn kind(item: &Item, is_member: bool) -> (Kind, &'static str) {
    use dscript_grammar::ast::Role;
    match &item.kind {
        ItemKind::Task(task) => {
            let word = match task.role {
                Some(Role::Monitor) => "monitor task",
                Some(Role::Analyze) => "analyze task",
                Some(Role::Recover) => "recover task",
                Some(Role::Respond) => "respond task",
                None => "task",
            };
            (Kind::Task, word)
        }
        ItemKind::Scenario(_) => (Kind::Scenario, "scenario"),
        ItemKind::Record(_) => (Kind::Type, "record"),
        ItemKind::Class(_) => (Kind::Type, "class"),
        ItemKind::Enum(_) => (Kind::Type, "enum"),
        ItemKind::Interface(_) => (Kind::Type, "interface"),
        ItemKind::Field(_) if item.modifiers.static_.is_some() => (Kind::Constant, "constant"),
        ItemKind::Field(_) => (Kind::Constant, "field"),
        ItemKind::Constructor(_) => (Kind::Function, "constructor"),
        _ if is_member => (Kind::Function, "method"),
        _ => (Kind::Function, "function"),
    }
}

fn doc(source: &Source, start: u32) -> Option<String> {
    source.parsed.doc_before(start, &source.text).map(|span| doc_text(&source.text, span))
}

// ---- what stands below the doc comment ----

fn details(signer: &Signer<'_, '_>, item: &Item, lookup: &dyn Fn(&str) -> Option<String>) -> String {
    let (names, module) = (signer.names, signer.module);
    match &item.kind {
        ItemKind::Scenario(tree) => {
            params(signer, params_of(item), lookup) + &scenario::states(names, module, tree)
        }
        ItemKind::Enum(tree) => {
            let mut rows = String::new();
            for constant in &tree.constants {
                let text = doc(names.sources[module], constant.name.span.start).unwrap_or_default();
                let name = escape(names.text(constant.name.name));
                rows.push_str(&format!("<dt><code>{name}</code></dt><dd>{}</dd>\n", render(&text, lookup)));
            }
            format!("<dl>\n{rows}</dl>\n")
        }
        _ => params(signer, params_of(item), lookup),
    }
}

/// Parameters that have a doc comment of their own.
fn params(signer: &Signer<'_, '_>, params: &[Param], lookup: &dyn Fn(&str) -> Option<String>) -> String {
    let source = signer.names.sources[signer.module];
    let mut rows = String::new();
    for param in params {
        let Some(text) = doc(source, param.span.start) else { continue };
        let name = escape(signer.names.text(param.name.name));
        rows.push_str(&format!("<dt><code>{name}</code></dt><dd>{}</dd>\n", render(&text, lookup)));
    }
    if rows.is_empty() { rows } else { format!("<dl>\n{rows}</dl>\n") }
}

// ---- annotations ----

fn annotation<'i>(item: &'i Item, names: &Names<'_>, name: &str) -> Option<&'i Expr> {
    let found = item.annotations.iter().find(|a| names.text(a.name.name) == name)?;
    found.args.first().map(|arg| &arg.value)
}

fn text_of(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Str(parts) => match &parts[..] {
            [StrPart::Text(text)] => Some(text.to_string()),
            _ => None,
        },
        _ => None,
    }
}

fn texts_of(expr: &Expr) -> Vec<String> {
    match &expr.kind {
        ExprKind::List(items) => items.iter().filter_map(text_of).collect(),
        _ => text_of(expr).into_iter().collect(),
    }
}
