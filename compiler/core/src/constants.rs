//! Texts that are known when a program is compiled: literals, and `static final` constants made of them.

use crate::check::strip;
use crate::defs::{ConstId, Def, Defs, ModuleId, TypeDefId};
use crate::names::{Found, lookup};
use dscript_grammar::ast::{BinaryOp, Expr, ExprKind, StrPart};

/// The text of an expression that is a literal without `${}`; of an int its digits.
pub fn literal(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Paren(inner) => literal(inner),
        ExprKind::Int(value) => Some(value.to_string()),
        ExprKind::Str(parts) => match &parts[..] {
            [] => Some(String::new()),
            [StrPart::Text(text)] => Some(text.to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// The text of a constant, by its name or from what it is put together of: literals, constants and `+`.
pub fn constant(defs: &Defs<'_>, id: ConstId) -> Option<String> {
    constant_within(defs, id, CONSTANT_DEPTH_MAX)
}

/// The text that an expression in a module, or in a type of it, stands for.
pub fn text(defs: &Defs<'_>, place: Place, expr: &Expr) -> Option<String> {
    is_text(defs, place, expr, CONSTANT_DEPTH_MAX)
        .then(|| constant_expr(defs, place, expr, CONSTANT_DEPTH_MAX))
        .flatten()
}

/// Constants that lead from one to the next; beyond it one may lead back to itself.
const CONSTANT_DEPTH_MAX: u32 = 32;

fn constant_within(defs: &Defs<'_>, id: ConstId, depth: u32) -> Option<String> {
    let def = &defs.consts[id.index()];
    constant_expr(defs, (def.module, def.owner), def.init?, depth.checked_sub(1)?)
}

/// `place`: the module, and the type around.
fn constant_expr(defs: &Defs<'_>, place: Place, expr: &Expr, depth: u32) -> Option<String> {
    match &strip(expr).kind {
        // A sum of numbers would be another number.
        ExprKind::Chain { first, rest } if is_text(defs, place, first, depth) => {
            let mut text = constant_expr(defs, place, first, depth)?;
            for link in rest {
                if link.op != BinaryOp::Add {
                    return None;
                }
                text += &constant_expr(defs, place, &link.operand, depth)?;
            }
            Some(text)
        }
        ExprKind::Name(_) | ExprKind::Field { .. } => {
            constant_within(defs, named(defs, place, strip(expr))?, depth)
        }
        _ => literal(expr),
    }
}

/// A text as a literal of a program.
pub fn written(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for c in text.chars() {
        match c {
            '\\' | '"' | '$' => literal.extend(['\\', c]),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            c if c.is_control() => literal.push_str(&format!("\\u{{{:x}}}", c as u32)),
            c => literal.push(c),
        }
    }
    literal.push('"');
    literal
}

/// Where an expression stands: in a module, and in a type.
pub type Place = (ModuleId, Option<TypeDefId>);

/// The constant that `NAME` or `TYPE.NAME` is.
fn named(defs: &Defs<'_>, (module, around): Place, expr: &Expr) -> Option<ConstId> {
    let member = |owner: TypeDefId, name| defs.types[owner.index()].consts.get(&name).copied();
    match &expr.kind {
        ExprKind::Name(name) => {
            around.and_then(|owner| member(owner, *name)).or_else(|| match lookup(defs, module, *name) {
                Found::One(Def::Const(id)) => Some(id),
                _ => None,
            })
        }
        ExprKind::Field { receiver, name } => match &receiver.kind {
            ExprKind::Name(owner) => match lookup(defs, module, *owner) {
                Found::One(Def::Type(owner)) => member(owner, name.name),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

fn is_text(defs: &Defs<'_>, place: Place, expr: &Expr, depth: u32) -> bool {
    match &strip(expr).kind {
        ExprKind::Str(_) => true,
        ExprKind::Chain { first, .. } => is_text(defs, place, first, depth),
        _ => named(defs, place, strip(expr)).is_some_and(|id| {
            let def = &defs.consts[id.index()];
            depth > 0 && def.init.is_some_and(|init| is_text(defs, (def.module, def.owner), init, depth - 1))
        }),
    }
}
