//! Loops of a few rounds that are known where they are written, as over the neighbours of a place: their body stands there
//! once for each round. Nothing is left of the loop but its counter, which is a number that is known in each of them.

use crate::check::strip;
use dscript_grammar::ast::{BinaryOp, Expr, ExprKind, Stmt, StmtKind, UnaryOp};
use dscript_grammar::span::Symbol;
use dscript_grammar::walk::Node;

/// Rounds of such a loop.
const ROUNDS_MAX: usize = 4;
/// Nodes of the tree that all its rounds have.
const WEIGHT_MAX: usize = 160;
/// Nodes that a call counts for.
const CALL: usize = 6;

/// How many rounds a `for` has, where its body is short and leaves its counter alone.
pub(super) fn rounds(init: &[Stmt], cond: Option<&Expr>, update: &[Expr], body: &Stmt) -> Option<usize> {
    let [Stmt { kind: StmtKind::Local(local), .. }] = init else { return None };
    let ([var], Some(cond), [update]) = (&local.vars[..], cond, update) else { return None };
    let counter = var.name.name;
    let first = constant(var.init.as_ref()?)?;
    let ExprKind::Binary { op, left, right, .. } = &cond.kind else { return None };
    let is_counter = |expr: &Expr| matches!(expr.kind, ExprKind::Name(name) if name == counter);
    let (bound, step) = (constant(right)?, step(update, &is_counter)?);
    let holds = |value: i64| match op {
        BinaryOp::Lt => Some(value < bound),
        BinaryOp::Le => Some(value <= bound),
        BinaryOp::Gt => Some(value > bound),
        BinaryOp::Ge => Some(value >= bound),
        _ => None,
    };
    if !is_counter(left) {
        return None;
    }
    let mut rounds = 0;
    while holds(first + step * rounds as i64)? {
        rounds += 1;
        if rounds > ROUNDS_MAX {
            return None;
        }
    }
    is_short(body, rounds, Some(counter)).then_some(rounds)
}

/// How many rounds a loop over a range has, where its body is short.
pub(super) fn rounds_of_range(low: &Expr, high: &Expr, body: &Stmt) -> Option<usize> {
    let rounds = usize::try_from(constant(high)? - constant(low)?).ok()?;
    (rounds <= ROUNDS_MAX && is_short(body, rounds, None)).then_some(rounds)
}

fn is_short(body: &Stmt, rounds: usize, counter: Option<Symbol>) -> bool {
    rounds > 0 && weight(Node::Stmt(body), counter).is_some_and(|weight| weight * rounds <= WEIGHT_MAX)
}

/// By how much the counter of a loop grows.
fn step(update: &Expr, is_counter: &dyn Fn(&Expr) -> bool) -> Option<i64> {
    match &update.kind {
        ExprKind::Step { target, delta, .. } if is_counter(target) => Some(i64::from(*delta)),
        ExprKind::Assign { op: Some(BinaryOp::Add), target, value, .. } if is_counter(target) => {
            constant(value)
        }
        ExprKind::Assign { op: Some(BinaryOp::Sub), target, value, .. } if is_counter(target) => {
            Some(-constant(value)?)
        }
        _ => None,
    }
}

/// A number as it is written, so small that it is the same as a double.
fn constant(expr: &Expr) -> Option<i64> {
    const MOST: u64 = 1 << 50;
    match &strip(expr).kind {
        ExprKind::Int(value @ ..=MOST) => Some(*value as i64),
        ExprKind::Unary { op: UnaryOp::Neg, operand } => Some(-constant(operand)?),
        _ => None,
    }
}

/// The nodes of what may stand in several places, all rounds of such loops counted; `None` where there is anything else, or a
/// counter gets another value.
fn weight(node: Node<'_>, counter: Option<Symbol>) -> Option<usize> {
    let is_counter = |expr: &Expr| matches!(strip(expr).kind, ExprKind::Name(name) if Some(name) == counter);
    let mut rounds = 1;
    let own = match node {
        Node::Stmt(stmt) => match &stmt.kind {
            StmtKind::For { init, cond, update, body } => {
                rounds = self::rounds(init, cond.as_deref(), update, body).unwrap_or(1);
                1
            }
            StmtKind::Empty | StmtKind::Break(None) | StmtKind::Continue(None) => 1,
            StmtKind::Expr(_) | StmtKind::Local(_) | StmtKind::Block(_) => 1,
            StmtKind::If { .. } | StmtKind::Return(_) => 1,
            _ => return None,
        },
        Node::Expr(expr) => match &expr.kind {
            ExprKind::Step { target, .. } | ExprKind::Assign { target, .. } if is_counter(target) => {
                return None;
            }
            ExprKind::Call { .. } | ExprKind::New { .. } => CALL,
            ExprKind::Lambda(_) | ExprKind::Switch(_) | ExprKind::InstanceOf { .. } | ExprKind::Try(_) => {
                return None;
            }
            ExprKind::Fail(_) | ExprKind::ScenarioRef { .. } | ExprKind::Error => return None,
            _ => 1,
        },
        _ => 0,
    };
    let mut all = Some(0);
    node.children(&mut |child| {
        all = all.and_then(|all| Some(all + weight(child, counter)?));
    });
    Some(own + rounds * all?)
}
