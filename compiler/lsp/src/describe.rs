//! Declarations in words: as they would be written, from the compiler's tables.

use dscript_compiler::defs::*;
use dscript_compiler::session::{Analysis, Entity};
use dscript_compiler::types::Ty;
use dscript_grammar::ast::{self, Role};
use dscript_grammar::span::Span;

pub fn role(role: Role) -> &'static str {
    match role {
        Role::Monitor => "monitor",
        Role::Analyze => "analyze",
        Role::Recover => "recover",
        Role::Respond => "respond",
    }
}

/// Parameters, each as it is written: `int interval = 5`.
pub fn params(
    a: &mut Analysis<'_, '_>,
    module: ModuleId,
    params: &[ParamSig<'_>],
    types: &[Ty],
) -> Vec<String> {
    let text = a.module_text(module);
    let mut shown = Vec::new();
    for (index, param) in params.iter().enumerate() {
        let ty = a.show(types.get(index).copied().unwrap_or(param.ty));
        let default = param.default.map(|e| &text[e.span.start as usize..e.span.end as usize]);
        let default = default.map_or(String::new(), |d| format!(" = {d}"));
        shown.push(format!("{ty} {}{default}", a.name(param.name)));
    }
    shown
}

/// A function's head.
pub fn function(a: &mut Analysis<'_, '_>, id: FnId) -> String {
    let def = &a.defs.fns[id.index()];
    let owner = def.owner.map(|o| &a.defs.types[o.index()]);
    let shown = params(a, def.module, &def.params, &[]).join(", ");
    let owned = owner.map_or(0, |o| o.type_params.len());
    let name = match (owner, def.body) {
        (Some(owner), Body::Constructor(_) | Body::Record(_)) => {
            return format!("new {}({shown})", a.name(owner.name));
        }
        (Some(owner), _) => format!("{}.{}", a.name(owner.name), a.name(def.name)),
        (None, _) => a.name(def.name).to_string(),
    };
    let own: Vec<&str> =
        def.type_params.iter().skip(owned).map(|p| a.name(a.defs.type_params[p.index()].name)).collect();
    let generic = if own.is_empty() { String::new() } else { format!("<{}> ", own.join(", ")) };
    let lowlevel = if def.is_lowlevel { "lowlevel " } else { "" };
    let static_ = if owner.is_some() && !def.is_method { "static " } else { "" };
    let ret = a.show(def.ret);
    format!("{static_}{lowlevel}{generic}{ret} {name}({shown})")
}

fn type_head(a: &mut Analysis<'_, '_>, id: TypeDefId) -> String {
    let def = &a.defs.types[id.index()];
    let word = match def.kind {
        TypeKind::Record => "record",
        TypeKind::Class | TypeKind::Native => "class",
        TypeKind::Enum => "enum",
        TypeKind::Interface if def.permits.is_some() => "sealed interface",
        TypeKind::Interface => "interface",
    };
    let mut head = format!("{word} {}", a.name(def.name));
    if !def.type_params.is_empty() {
        let names: Vec<&str> =
            def.type_params.iter().map(|p| a.name(a.defs.type_params[p.index()].name)).collect();
        head.push_str(&format!("<{}>", names.join(", ")));
    }
    if def.kind == TypeKind::Record
        && let Some(constructor) = def.constructor
    {
        let sig = &a.defs.fns[constructor.index()];
        let shown = params(a, sig.module, &sig.params, &[]).join(", ");
        head.push_str(&format!("({shown})"));
    }
    if !def.supers.is_empty() {
        let supers: Vec<String> = def.supers.iter().map(|&t| a.show(t)).collect();
        let word = if def.kind == TypeKind::Interface { "extends" } else { "implements" };
        head.push_str(&format!(" {word} {}", supers.join(", ")));
    }
    head
}

/// What a name stands for, as it would be declared.
pub fn entity(a: &mut Analysis<'_, '_>, entity: Entity) -> String {
    let defs = a.defs;
    match entity {
        Entity::Module(id) => format!("module {}", defs.modules[id.index()].path),
        Entity::Fn(id) => function(a, id),
        Entity::Type(id) => type_head(a, id),
        Entity::Const(id) => {
            let def = &defs.consts[id.index()];
            let owner =
                def.owner.map_or(String::new(), |o| format!("{}.", a.name(defs.types[o.index()].name)));
            let text = a.module_text(def.module);
            let value = def.init.map_or("...", |e| &text[e.span.start as usize..e.span.end as usize]);
            let ty = a.show(def.ty);
            format!("static final {ty} {owner}{} = {value}", a.name(def.name))
        }
        Entity::Task(id) => {
            let def = &defs.tasks[id.index()];
            let shown = params(a, def.module, &def.params, &[]).join(", ");
            let role = def.role.map_or(String::new(), |r| format!("{} ", role(r)));
            format!("{role}task {}({shown})", def.name)
        }
        Entity::Scenario(id) => {
            let def = &defs.scenarios[id.index()];
            let shown = params(a, def.module, &def.params, &[]).join(", ");
            format!("scenario {}({shown})", def.name)
        }
        Entity::Field(id, place) => {
            let def = &defs.types[id.index()];
            let field = &def.fields[place as usize];
            let final_ = if field.is_final && def.kind != TypeKind::Record { "final " } else { "" };
            let ty = a.show(field.ty);
            format!("{final_}{ty} {}.{}", a.name(def.name), a.name(field.name))
        }
        Entity::EnumConst(id, place) => {
            let def = &defs.types[id.index()];
            format!("{}.{}", a.name(def.name), a.name(def.constants[place as usize].0))
        }
        Entity::State(id, place) => {
            let state: &ast::State = &defs.scenarios[id.index()].tree.states[place as usize];
            let (initial, final_) =
                (if state.initial { "initial " } else { "" }, if state.final_ { "final " } else { "" });
            format!("{initial}{final_}state {}", a.name(state.name.name))
        }
        Entity::Local(module, node) => {
            let ty = match a.entity_type(Entity::Local(module, node)) {
                Some(ty) => a.show(ty),
                None => "var".into(),
            };
            let name = a
                .declaration(entity)
                .map_or("?", |(m, s)| &a.module_text(m)[s.start as usize..s.end as usize]);
            format!("{ty} {name}")
        }
        Entity::TypeParam(..) => {
            let name = a
                .declaration(entity)
                .map_or("?", |(m, s)| &a.module_text(m)[s.start as usize..s.end as usize]);
            format!("type parameter {name}")
        }
    }
}

/// What an entity needs to be allowed to, as far as it says.
pub fn needs(a: &Analysis<'_, '_>, entity: Entity) -> Option<Vec<String>> {
    match entity {
        Entity::Fn(id) => a.defs.fns[id.index()].needs.clone(),
        Entity::Task(id) => a.defs.tasks[id.index()].needs.clone(),
        _ => None,
    }
}

/// The doc comment of a declaration.
pub fn doc(a: &Analysis<'_, '_>, entity: Entity) -> Option<String> {
    if matches!(entity, Entity::Local(..) | Entity::TypeParam(..) | Entity::Module(_)) {
        return None;
    }
    let (module, name) = a.declaration(entity)?;
    let whole = a.whole_declaration(module, name);
    // A component of a record is within a declaration that is another one's.
    let is_own = !matches!(entity, Entity::Field(id, _) if a.defs.types[id.index()].kind == TypeKind::Record);
    let found = if is_own { a.doc(module, whole) } else { None };
    found.or_else(|| a.doc(module, Span::new(name.start, name.start))).filter(|d| !d.is_empty())
}
