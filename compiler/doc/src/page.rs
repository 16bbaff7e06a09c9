//! The pages: a frame with search and the list of modules, one page a module, and the first page.

use crate::declarations::{Declaration, Kind, Module};
use crate::escape;
use crate::names::page_name;
use serde_json::json;
use std::collections::BTreeMap;

const INDEX: &str = "index.html";
/// How sections are headed, in their order.
const SECTIONS: [(Kind, &str); 5] = [
    (Kind::Scenario, "Scenarios"),
    (Kind::Task, "Tasks"),
    (Kind::Type, "Types"),
    (Kind::Function, "Functions"),
    (Kind::Constant, "Constants"),
];

pub(crate) fn pages(title: &str, modules: &[Module]) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    files.insert(INDEX.to_owned(), frame(title, title, modules, None, &index(title, modules)));
    for module in modules {
        let name = format!("{} - {title}", module.path);
        files.insert(page_name(&module.path), frame(title, &name, modules, Some(module), &body(module)));
    }
    files.insert("search.js".to_owned(), search(modules));
    files
}

fn frame(title: &str, name: &str, modules: &[Module], current: Option<&Module>, body: &str) -> String {
    let (title, name) = (escape(title), escape(name));
    let mut links = String::new();
    for module in modules {
        let is_current = current.is_some_and(|c| c.path == module.path);
        let mark = if is_current { " aria-current=\"page\"" } else { "" };
        let (page, path) = (escape(&page_name(&module.path)), escape(&module.path));
        links.push_str(&format!(
            "<li><a href=\"{page}\"{mark}>{path}</a>{}</li>\n",
            outline(module, is_current)
        ));
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
        <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{name}</title>\n\
        <link rel=\"stylesheet\" href=\"style.css\">\n<script src=\"search.js\" defer></script>\n\
        <script src=\"manual.js\"></script>\n</head>\n<body>\n<header>\n\
        <a class=\"home\" href=\"{INDEX}\">{title}</a>\n<div class=\"search\" role=\"search\">\n\
        <input id=\"search\" type=\"search\" placeholder=\"Search (press /)\" aria-label=\"Search\" autocomplete=\"off\" \
        spellcheck=\"false\">\n<ol id=\"results\" hidden></ol>\n</div>\n\
        <button id=\"theme\" type=\"button\" aria-label=\"Light or dark\" title=\"Light or dark\"></button>\n</header>\n\
        <div class=\"columns\">\n<nav aria-label=\"Modules\">\n<ul>\n{links}</ul>\n</nav>\n<main>\n{body}</main>\n</div>\n\
        </body>\n</html>\n"
    )
}

/// The declarations of the page that is shown.
fn outline(module: &Module, is_current: bool) -> String {
    if !is_current || module.declarations.is_empty() {
        return String::new();
    }
    let mut html = String::from("\n<ul>\n");
    for (kind, _) in SECTIONS {
        for declaration in module.declarations.iter().filter(|d| d.kind == kind) {
            let (id, name) = (escape(&declaration.id), escape(&declaration.name));
            html.push_str(&format!("<li><a href=\"#{id}\">{name}</a></li>\n"));
        }
    }
    html.push_str("</ul>\n");
    html
}

// ---- the first page ----

fn index(title: &str, modules: &[Module]) -> String {
    let mut html = format!("<h1>{}</h1>\n", escape(title));
    if modules.is_empty() {
        html.push_str("<p>There is nothing in it.</p>\n");
    }
    for (kind, heading) in &SECTIONS[..4] {
        let all = || modules.iter().flat_map(|m| m.declarations.iter().map(move |d| (m, d)));
        let found: Vec<_> = all().filter(|(_, d)| d.kind == *kind).collect();
        if found.is_empty() {
            continue;
        }
        html.push_str(&format!("<h2>{heading}</h2>\n<table class=\"list\">\n"));
        for (module, declaration) in found {
            html.push_str(&list_row(&page_name(&module.path), declaration));
        }
        html.push_str("</table>\n");
    }
    html.push_str("<h2>Modules</h2>\n<table class=\"list\">\n");
    for module in modules {
        let (page, path) = (escape(&page_name(&module.path)), escape(&module.path));
        let names: Vec<String> = module.declarations.iter().map(|d| escape(&d.name)).collect();
        html.push_str(&format!(
            "<tr><td><a href=\"{page}\"><code>{path}</code></a></td><td class=\"names\">{}</td></tr>\n",
            names.join(" ")
        ));
    }
    html.push_str("</table>\n");
    html
}

fn list_row(page: &str, declaration: &Declaration) -> String {
    let (page, id, name) = (escape(page), escape(&declaration.id), escape(&declaration.name));
    format!(
        "<tr><td><a href=\"{page}#{id}\"><code>{name}</code></a></td><td>{}</td><td>{}</td></tr>\n",
        word(declaration),
        escape(&declaration.summary)
    )
}

fn word(declaration: &Declaration) -> String {
    let role = declaration.word.strip_suffix(" task").unwrap_or(declaration.word);
    format!("<span class=\"badge {role}\">{}</span>", declaration.word)
}

// ---- a module ----

fn body(module: &Module) -> String {
    let mut html = format!("<h1><span class=\"of\">module</span> {}</h1>\n", escape(&module.path));
    if module.prelude {
        html.push_str("<p class=\"note\">No import is needed.</p>\n");
    } else {
        let import = format!("import {}.*;", module.path);
        html.push_str(&format!("<pre class=\"code\">{}</pre>\n", crate::highlight::highlight(&import)));
    }
    if !module.capabilities.is_empty() {
        html.push_str(&format!("<p class=\"note\">Its tasks reach: {}</p>\n", chips(&module.capabilities)));
    }
    if module.declarations.is_empty() {
        html.push_str("<p>There is nothing for others in it.</p>\n");
    }
    for (kind, heading) in SECTIONS {
        let mut found = module.declarations.iter().filter(|d| d.kind == kind).peekable();
        if found.peek().is_some() {
            html.push_str(&format!("<h2>{heading}</h2>\n"));
        }
        for declaration in found {
            html.push_str(&whole(declaration));
        }
    }
    html
}

fn whole(declaration: &Declaration) -> String {
    let mut html = format!("<section id=\"{}\">\n", escape(&declaration.id));
    html.push_str(&head(declaration, "h3"));
    html.push_str(&text(declaration));
    for member in &declaration.members {
        let id = escape(&member.id);
        html.push_str(&format!(
            "<div class=\"member\" id=\"{id}\">\n{}{}</div>\n",
            head(member, "h4"),
            text(member)
        ));
    }
    html.push_str("</section>\n");
    html
}

fn head(declaration: &Declaration, level: &str) -> String {
    let (id, name) = (escape(&declaration.id), escape(&declaration.name));
    format!(
        "<{level}><a href=\"#{id}\">{name}</a> {}</{level}>\n<pre class=\"signature\">{}</pre>\n",
        word(declaration),
        declaration.signature
    )
}

fn text(declaration: &Declaration) -> String {
    let mut html = String::new();
    let mut notes = Vec::new();
    if declaration.lowlevel {
        notes.push("<span class=\"badge lowlevel\">reaches outside</span>".to_owned());
    }
    if !declaration.needs.is_empty() {
        notes.push(format!("needs {}", chips(&declaration.needs)));
    }
    if let Some(case) = &declaration.dcase {
        notes.push(format!("D-Case {}", chips(std::slice::from_ref(case))));
    }
    if !notes.is_empty() {
        html.push_str(&format!("<p class=\"note\">{}</p>\n", notes.join(" ")));
    }
    html.push_str(&declaration.doc);
    html.push_str(&declaration.details);
    html
}

fn chips(texts: &[String]) -> String {
    let all: Vec<String> =
        texts.iter().map(|t| format!("<code class=\"chip\">{}</code>", escape(t))).collect();
    all.join(" ")
}

// ---- search ----

/// One entry a line: name, kind, page with anchor, summary.
fn search(modules: &[Module]) -> String {
    let mut lines = Vec::new();
    for module in modules {
        let page = page_name(&module.path);
        lines.push(json!([module.path, "module", page, ""]));
        for declaration in &module.declarations {
            for entry in std::iter::once(declaration).chain(&declaration.members) {
                let address = format!("{page}#{}", entry.id);
                lines.push(json!([entry.id, entry.word, address, entry.summary]));
            }
        }
    }
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    format!("const INDEX = [\n{}\n];\n", lines.join(",\n"))
}
