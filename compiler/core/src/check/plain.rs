//! What is plain enough to be data: the settings of a scenario.

use super::stmt::strip;
use crate::defs::{Defs, ModuleId};
use crate::facts::{Facts, Res};
use dscript_grammar::ast::{self, BinaryOp, Expr, ExprKind};
use dscript_grammar::span::NodeId;

/// Constants that are looked into for one setting; where they name each other in a circle, it ends here.
const CONSTANTS_MAX: u32 = 64;

/// The value of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plain {
    /// An int, or a Duration in nanoseconds.
    Number(i64),
    /// A parameter, by its declaration.
    Param(NodeId),
    /// Constant, and out of range.
    TooLarge,
}

/// The local that an expression only names.
pub(super) fn param(facts: &[Facts], module: ModuleId, expr: &Expr) -> Option<NodeId> {
    match facts[module.index()].res(strip(expr).id) {
        Res::Local(node) => Some(node),
        _ => None,
    }
}

/// A setting whose types fit: literals, `static final` constants of them, arithmetic on both; or a parameter.
pub(crate) fn plain(defs: &Defs<'_>, facts: &[Facts], module: ModuleId, expr: &Expr) -> Option<Plain> {
    if let Some(node) = param(facts, module, expr) {
        return Some(Plain::Param(node));
    }
    match number(defs, facts, module, expr, &mut 0)? {
        Some(value) => Some(Plain::Number(value)),
        None => Some(Plain::TooLarge),
    }
}

/// The inner `None` is a value out of range. Durations are nanoseconds, so their arithmetic is that of ints.
fn number(
    defs: &Defs<'_>,
    facts: &[Facts],
    module: ModuleId,
    expr: &Expr,
    constants: &mut u32,
) -> Option<Option<i64>> {
    let expr = strip(expr);
    match &expr.kind {
        ExprKind::Int(value) | ExprKind::Duration(value) => Some(i64::try_from(*value).ok()),
        ExprKind::Unary { op: ast::UnaryOp::Neg, operand } => {
            Some(number(defs, facts, module, operand, constants)?.and_then(i64::checked_neg))
        }
        ExprKind::Unary { op: ast::UnaryOp::Plus, operand } => {
            number(defs, facts, module, operand, constants)
        }
        ExprKind::Chain { first, rest } => {
            let mut value = number(defs, facts, module, first, constants)?;
            for link in rest {
                let other = number(defs, facts, module, &link.operand, constants)?;
                let apply = match link.op {
                    BinaryOp::Add => i64::checked_add,
                    BinaryOp::Sub => i64::checked_sub,
                    BinaryOp::Mul => i64::checked_mul,
                    BinaryOp::Div => i64::checked_div,
                    BinaryOp::Rem => i64::checked_rem,
                    _ => return None,
                };
                value = value.zip(other).and_then(|(a, b)| apply(a, b));
            }
            Some(value)
        }
        ExprKind::Name(_) | ExprKind::Field { .. } => match facts[module.index()].res(expr.id) {
            Res::Const(id) if *constants < CONSTANTS_MAX => {
                *constants += 1;
                let def = &defs.consts[id.index()];
                number(defs, facts, def.module, def.init?, constants)
            }
            _ => None,
        },
        _ => None,
    }
}

/// A literal text, or a `static final` that is one.
pub(crate) fn plain_text<'d>(
    defs: &'d Defs<'_>,
    facts: &[Facts],
    module: ModuleId,
    expr: &'d Expr,
) -> Option<&'d str> {
    let (mut module, mut expr) = (module, expr);
    for _ in 0..CONSTANTS_MAX {
        expr = strip(expr);
        match &expr.kind {
            ExprKind::Str(parts) => {
                return match &parts[..] {
                    [] => Some(""),
                    [ast::StrPart::Text(text)] => Some(text),
                    _ => None,
                };
            }
            ExprKind::Name(_) | ExprKind::Field { .. } => {
                let Res::Const(id) = facts[module.index()].res(expr.id) else { return None };
                let def = &defs.consts[id.index()];
                (module, expr) = (def.module, def.init?);
            }
            _ => return None,
        }
    }
    None
}
