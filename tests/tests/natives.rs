//! What the library declares as `native` and what the engine has bodies for are the same, with the same signatures.

use std::collections::BTreeMap;

use dscript_grammar::ast::{Function, Item, ItemKind, TypeExpr, TypeExprKind};
use dscript_grammar::span::{FileId, Interner};
use dscript_tests::report;

/// Those that `dsc test` itself has the bodies of: a program that runs on a node has no test.
const OF_TESTS: &[&str] = &[
    "Connection.of",
    "Lines.of",
    "LogPool.standIn",
    "Scenario.path",
    "Subprocess.failed",
    "Subprocess.running",
];

/// The signatures of all natives in `std`, by name.
fn declared() -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for file in dscript_std::FILES {
        let mut interner = Interner::default();
        let parsed = dscript_grammar::parse(FileId(0), file.text, &mut interner);
        assert!(parsed.diagnostics.is_empty(), "{} parses", file.path);
        for item in &parsed.module.items {
            match &item.kind {
                ItemKind::Function(function) => {
                    let name = interner.name(function.name.name).to_string();
                    if is_native(item, &interner) {
                        all.insert(name, signature(function, &interner, None, &[]));
                    }
                }
                ItemKind::Class(class) => {
                    let owner = interner.name(class.name.name);
                    let params: Vec<&str> =
                        class.type_params.iter().map(|p| interner.name(p.name.name)).collect();
                    for member in &class.members {
                        let ItemKind::Function(function) = &member.kind else { continue };
                        if !is_native(member, &interner) {
                            continue;
                        }
                        let name = format!("{owner}.{}", interner.name(function.name.name));
                        let this = member.modifiers.static_.is_none().then_some(owner);
                        all.insert(name, signature(function, &interner, this, &params));
                    }
                }
                _ => {}
            }
        }
    }
    all
}

/// What the compiler makes of it itself is none, but for `print`.
fn is_native(item: &Item, interner: &Interner) -> bool {
    let is_print = matches!(&item.kind, ItemKind::Function(f) if interner.name(f.name.name) == "print");
    let intrinsic = item.annotations.iter().any(|a| interner.name(a.name.name) == "Intrinsic");
    item.modifiers.native.is_some() && (is_print || !intrinsic)
}

fn signature(function: &Function, interner: &Interner, this: Option<&str>, owner: &[&str]) -> String {
    let mut params = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    if let Some(this) = this {
        names.extend(owner);
        let args = if owner.is_empty() { String::new() } else { format!("<{}>", owner.join(", ")) };
        params.push(format!("{this}{args}"));
    }
    names.extend(function.type_params.iter().map(|p| interner.name(p.name.name)));
    params.extend(function.params.iter().map(|p| text(&p.ty, interner)));
    let front = if names.is_empty() { String::new() } else { format!("<{}>", names.join(", ")) };
    plain(&format!("{front}({}) -> {}", params.join(", "), text(&function.ret, interner)))
}

fn text(ty: &TypeExpr, interner: &Interner) -> String {
    let list = |all: &[TypeExpr]| all.iter().map(|t| text(t, interner)).collect::<Vec<_>>().join(", ");
    match &ty.kind {
        TypeExprKind::Named { name, args } if args.is_empty() => interner.name(name.name).to_string(),
        TypeExprKind::Named { name, args } => format!("{}<{}>", interner.name(name.name), list(args)),
        TypeExprKind::Nullable(inner) => format!("{}?", text(inner, interner)),
        TypeExprKind::Fallible(inner) => format!("{}!", text(inner, interner)),
        TypeExprKind::Function { params, ret } => format!("({}) -> {}", list(params), text(ret, interner)),
        TypeExprKind::Error => "?".into(),
    }
}

/// With type parameters by their number: what they are called does not matter.
fn plain(signature: &str) -> String {
    let Some((front, rest)) = signature.strip_prefix('<').and_then(|s| s.split_once(">(")) else {
        return signature.to_string();
    };
    let names: Vec<&str> = front.split(", ").collect();
    let mut out = format!("<{}>(", names.len());
    let mut word = String::new();
    for c in rest.chars().chain([' ']) {
        if c.is_alphanumeric() {
            word.push(c);
            continue;
        }
        match names.iter().position(|name| *name == word) {
            Some(place) => out.push_str(&format!("#{place}")),
            None => out.push_str(&word),
        }
        word.clear();
        out.push(c);
    }
    out.trim_end().to_string()
}

#[test]
fn natives_are_declared_as_they_are() {
    let declared = declared();
    let mut failures = Vec::new();
    let registry = dscript_host::registry();
    let bodies: BTreeMap<&str, String> =
        registry.defs().into_iter().map(|def| (def.name, plain(def.signature))).collect();
    for (name, signature) in &declared {
        match bodies.get(&**name) {
            Some(body) if body == signature => {}
            Some(body) => {
                failures.push(format!("{name}: std declares `{signature}`, its body takes `{body}`"))
            }
            None if name.starts_with("TestRun.")
                || name.starts_with("ScenarioRun.")
                || OF_TESTS.contains(&&**name) => {}
            None => failures.push(format!("{name} has no body")),
        }
    }
    for (name, signature) in &bodies {
        // An empty collection is made by `new`.
        if !declared.contains_key(*name) && !name.ends_with(".new") {
            failures.push(format!("{name}: std does not declare `{signature}`"));
        }
    }
    report(&failures);
}
