//! Declarations as they are written, in HTML, with their types linked.

use crate::escape;
use crate::highlight::highlight;
use crate::names::Names;
use dscript_grammar::ast::*;
use dscript_grammar::span::Span;

/// Parameters longer than this together stand one a line.
const LINE_CHARS_MAX: usize = 88;

pub(crate) struct Signer<'n, 'a> {
    pub names: &'n Names<'a>,
    pub module: usize,
    /// Type parameters in scope, which are no types of the library.
    pub type_params: Vec<&'a str>,
}

/// HTML, and how many characters of it are seen.
#[derive(Default)]
struct Out {
    html: String,
    chars: usize,
}

impl Out {
    fn text(&mut self, text: &str) {
        self.chars += text.chars().count();
        self.html.push_str(&escape(text));
    }

    fn word(&mut self, class: &str, text: &str) {
        self.html.push_str(&format!("<span class=\"{class}\">"));
        self.text(text);
        self.html.push_str("</span>");
    }
}

fn role_word(role: Role) -> &'static str {
    match role {
        Role::Monitor => "monitor",
        Role::Analyze => "analyze",
        Role::Recover => "recover",
        Role::Respond => "respond",
    }
}

impl<'a> Signer<'_, 'a> {
    pub fn scope(&mut self, params: &[TypeParam]) {
        self.type_params.extend(params.iter().map(|p| self.names.text(p.name.name)));
    }

    /// The whole declaration without its body.
    pub fn item(&mut self, item: &'a Item) -> String {
        let mut out = Out::default();
        for (word, is_there) in [
            ("static", item.modifiers.static_.is_some()),
            ("final", item.modifiers.final_.is_some()),
            ("sealed", item.modifiers.sealed.is_some()),
            ("default", item.modifiers.default.is_some()),
            ("lowlevel", item.modifiers.lowlevel.is_some()),
        ] {
            if is_there {
                out.word("kw", word);
                out.text(" ");
            }
        }
        let known = self.type_params.len();
        match &item.kind {
            ItemKind::Function(f) => {
                self.type_parameters(&mut out, &f.type_params, " ");
                self.ty(&mut out, &f.ret);
                out.text(" ");
                self.name(&mut out, f.name);
                self.params(&mut out, &f.params);
            }
            ItemKind::Task(t) => {
                if let Some(role) = t.role {
                    out.word("kw", role_word(role));
                    out.text(" ");
                }
                self.headed(&mut out, "task", t.name);
                self.params(&mut out, &t.params);
            }
            ItemKind::Scenario(s) => {
                self.headed(&mut out, "scenario", s.name);
                self.params(&mut out, &s.params);
                if let Some(selector) = &s.selector {
                    out.text(" ");
                    out.word("kw", "on nodes");
                    out.text("(");
                    self.source(&mut out, selector.span);
                    out.text(")");
                }
            }
            ItemKind::Record(r) => {
                self.headed(&mut out, "record", r.name);
                self.type_parameters(&mut out, &r.type_params, "");
                self.params(&mut out, &r.components);
                self.types(&mut out, "implements", &r.implements);
            }
            ItemKind::Class(c) => {
                self.headed(&mut out, "class", c.name);
                self.type_parameters(&mut out, &c.type_params, "");
                self.types(&mut out, "implements", &c.implements);
            }
            ItemKind::Enum(e) => {
                self.headed(&mut out, "enum", e.name);
                self.types(&mut out, "implements", &e.implements);
            }
            ItemKind::Interface(i) => {
                self.headed(&mut out, "interface", i.name);
                self.type_parameters(&mut out, &i.type_params, "");
                self.types(&mut out, "extends", &i.extends);
                self.types(&mut out, "permits", &i.permits);
            }
            ItemKind::Field(f) => {
                self.ty(&mut out, &f.ty);
                out.text(" ");
                self.name(&mut out, f.name);
                if let Some(init) = f.init.as_ref().filter(|_| item.modifiers.static_.is_some()) {
                    out.text(" = ");
                    self.source(&mut out, init.span);
                }
            }
            ItemKind::Constructor(c) => {
                out.word("kw", "new");
                out.text(" ");
                self.name(&mut out, c.name);
                self.params(&mut out, &c.params);
            }
            ItemKind::CompactConstructor(_) | ItemKind::Test(_) | ItemKind::Error => {}
        }
        self.type_params.truncate(known);
        out.html
    }

    fn headed(&self, out: &mut Out, word: &str, name: Ident) {
        out.word("kw", word);
        out.text(" ");
        self.name(out, name);
    }

    fn name(&self, out: &mut Out, name: Ident) {
        out.word("name", self.names.text(name.name));
    }

    /// They are in scope from here on.
    fn type_parameters(&mut self, out: &mut Out, params: &'a [TypeParam], after: &str) {
        if params.is_empty() {
            return;
        }
        self.scope(params);
        out.text("<");
        for (index, param) in params.iter().enumerate() {
            if index > 0 {
                out.text(", ");
            }
            out.word("ty", self.names.text(param.name.name));
            for (index, bound) in param.bounds.iter().enumerate() {
                out.text(if index == 0 { " extends " } else { " & " });
                self.ty(out, bound);
            }
        }
        out.text(">");
        out.text(after);
    }

    fn types(&self, out: &mut Out, word: &str, types: &'a [TypeExpr]) {
        for (index, ty) in types.iter().enumerate() {
            if index == 0 {
                out.text(" ");
                out.word("kw", word);
                out.text(" ");
            } else {
                out.text(", ");
            }
            self.ty(out, ty);
        }
    }

    fn params(&self, out: &mut Out, params: &'a [Param]) {
        let mut flat = Out::default();
        let mut each = Vec::new();
        for (index, param) in params.iter().enumerate() {
            let mut one = Out::default();
            self.one_param(&mut one, param);
            if index > 0 {
                flat.text(", ");
            }
            flat.chars += one.chars;
            flat.html.push_str(&one.html);
            each.push(one.html);
        }
        out.text("(");
        if out.chars + flat.chars > LINE_CHARS_MAX && each.len() > 1 {
            out.html.push_str(&format!("\n    {}", each.join(",\n    ")));
        } else {
            out.html.push_str(&flat.html);
            out.chars += flat.chars;
        }
        out.text(")");
    }

    fn one_param(&self, out: &mut Out, param: &'a Param) {
        self.ty(out, &param.ty);
        out.text(" ");
        out.text(self.names.text(param.name.name));
        if let Some(default) = &param.default {
            out.text(" = ");
            self.source(out, default.span);
        }
    }

    fn ty(&self, out: &mut Out, ty: &'a TypeExpr) {
        match &ty.kind {
            TypeExprKind::Named { name, args } => {
                let text = self.names.text(name.name);
                let address = match self.type_params.contains(&text) {
                    true => None,
                    false => self.names.address(self.module, None, text),
                };
                match address {
                    Some(address) => {
                        out.html.push_str(&format!("<a class=\"ty\" href=\"{}\">", escape(&address)));
                        out.text(text);
                        out.html.push_str("</a>");
                    }
                    None => out.word("ty", text),
                }
                for (index, arg) in args.iter().enumerate() {
                    out.text(if index == 0 { "<" } else { ", " });
                    self.ty(out, arg);
                }
                if !args.is_empty() {
                    out.text(">");
                }
            }
            TypeExprKind::Nullable(inner) => self.marked(out, inner, "?"),
            TypeExprKind::Fallible(inner) => self.marked(out, inner, "!"),
            TypeExprKind::Function { params, ret } => {
                out.text("(");
                for (index, param) in params.iter().enumerate() {
                    if index > 0 {
                        out.text(", ");
                    }
                    self.ty(out, param);
                }
                out.text(") -> ");
                self.ty(out, ret);
            }
            TypeExprKind::Error => out.text("?"),
        }
    }

    fn marked(&self, out: &mut Out, inner: &'a TypeExpr, mark: &str) {
        let function = matches!(inner.kind, TypeExprKind::Function { .. });
        if function {
            out.text("(");
        }
        self.ty(out, inner);
        out.text(if function { ")" } else { "" });
        out.text(mark);
    }

    /// An expression as it is written, on one line.
    fn source(&self, out: &mut Out, span: Span) {
        let text = one_line(&self.names.sources[self.module].text, span);
        out.chars += text.chars().count();
        out.html.push_str(&highlight(&text));
    }
}

/// The text of a span with its blanks made single, and without comments' line ends.
pub(crate) fn one_line(text: &str, span: Span) -> String {
    let text = text.get(span.start as usize..span.end as usize).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
