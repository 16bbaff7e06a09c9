//! Loops of a few rounds that are known where they are written, as over the neighbours of a place: their body stands there
//! once for each round. Nothing is left of the loop but its counter, which is a number that is known in each of them.

use dscript_grammar::ast::{Arg, BinaryOp, Expr, ExprKind, Stmt, StmtKind, StrPart, UnaryOp};
use dscript_grammar::span::Symbol;

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
    while holds(step.checked_mul(rounds as i64)?.checked_add(first)?)? {
        rounds += 1;
        if rounds > ROUNDS_MAX {
            return None;
        }
    }
    is_short(body, rounds, Some(counter)).then_some(rounds)
}

/// How many rounds a loop over a range has, where its body is short.
pub(super) fn rounds_of_range(low: &Expr, high: &Expr, body: &Stmt) -> Option<usize> {
    let rounds = usize::try_from(constant(high)?.checked_sub(constant(low)?)?).ok()?;
    (rounds <= ROUNDS_MAX && is_short(body, rounds, None)).then_some(rounds)
}

fn is_short(body: &Stmt, rounds: usize, counter: Option<Symbol>) -> bool {
    rounds > 0 && Weight { counter }.stmt(body).is_some_and(|weight| weight * rounds <= WEIGHT_MAX)
}

/// By how much the counter of a loop grows.
fn step(update: &Expr, is_counter: &dyn Fn(&Expr) -> bool) -> Option<i64> {
    match &update.kind {
        ExprKind::Step { target, delta, .. } if is_counter(target) => Some(i64::from(*delta)),
        ExprKind::Assign { op: Some(BinaryOp::Add), target, value, .. } if is_counter(target) => {
            constant(value)
        }
        ExprKind::Assign { op: Some(BinaryOp::Sub), target, value, .. } if is_counter(target) => {
            constant(value)?.checked_neg()
        }
        _ => None,
    }
}

/// A small number as it is written.
fn constant(expr: &Expr) -> Option<i64> {
    match &expr.kind {
        ExprKind::Int(value) => i64::try_from(*value).ok(),
        ExprKind::Paren(inner) => constant(inner),
        ExprKind::Unary { op: UnaryOp::Neg, operand } => constant(operand)?.checked_neg(),
        _ => None,
    }
}

/// Counts the nodes of what may stand in several places; there is no count of what else there is, or where a counter gets another
/// value.
struct Weight {
    counter: Option<Symbol>,
}

impl Weight {
    fn stmt(&self, stmt: &Stmt) -> Option<usize> {
        let weight = match &stmt.kind {
            StmtKind::Empty | StmtKind::Break(None) | StmtKind::Continue(None) => 0,
            StmtKind::Expr(expr) => self.expr(expr)?,
            StmtKind::Local(local) => local
                .vars
                .iter()
                .flat_map(|var| &var.init)
                .map(|init| self.expr(init))
                .sum::<Option<usize>>()?,
            StmtKind::Block(block) => {
                block.stmts.iter().map(|stmt| self.stmt(stmt)).sum::<Option<usize>>()?
            }
            StmtKind::If { cond, then, else_ } => {
                let other = else_.as_ref().map_or(Some(0), |stmt| self.stmt(stmt));
                self.expr(cond)? + self.stmt(then)? + other?
            }
            StmtKind::For { init, cond, update, body } => {
                let rounds = rounds(init, cond.as_deref(), update, body).unwrap_or(1);
                let all = init.iter().map(|stmt| self.stmt(stmt)).sum::<Option<usize>>()?;
                let test = cond.as_ref().map_or(Some(0), |cond| self.expr(cond))?;
                all + test + rounds * (self.all(update)? + self.stmt(body)?)
            }
            StmtKind::Return(value) => value.as_ref().map_or(Some(0), |value| self.expr(value))?,
            _ => return None,
        };
        Some(weight + 1)
    }

    fn all<'e>(&self, all: impl IntoIterator<Item = &'e Expr>) -> Option<usize> {
        all.into_iter().map(|expr| self.expr(expr)).sum()
    }

    fn args(&self, args: &[Arg]) -> Option<usize> {
        self.all(args.iter().map(|arg| &arg.value))
    }

    fn expr(&self, expr: &Expr) -> Option<usize> {
        let weight = match &expr.kind {
            ExprKind::Int(_)
            | ExprKind::Double(_)
            | ExprKind::Bool(_)
            | ExprKind::Null
            | ExprKind::Char(_) => 0,
            ExprKind::Duration(_) | ExprKind::Name(_) | ExprKind::This => 0,
            ExprKind::Str(parts) => self.all(parts.iter().filter_map(|part| match part {
                StrPart::Expr(expr) => Some(expr),
                StrPart::Text(_) => None,
            }))?,
            ExprKind::Paren(inner) | ExprKind::Unary { operand: inner, .. } => self.expr(inner)?,
            ExprKind::Cast { operand, .. } | ExprKind::Field { receiver: operand, .. } => {
                self.expr(operand)?
            }
            ExprKind::Index { receiver, index } => self.expr(receiver)? + self.expr(index)?,
            ExprKind::Call { callee, args } => CALL + self.expr(callee)? + self.args(args)?,
            ExprKind::New { args, .. } => CALL + self.args(args)?,
            ExprKind::Step { target, .. } => self.target(target)?,
            ExprKind::Binary { left, right, .. } | ExprKind::Coalesce { left, right } => {
                self.expr(left)? + self.expr(right)?
            }
            ExprKind::Chain { first, rest } => {
                self.expr(first)? + self.all(rest.iter().map(|link| &link.operand))?
            }
            ExprKind::Assign { target, value, .. } => self.target(target)? + self.expr(value)?,
            ExprKind::Conditional { cond, then, else_ } => {
                self.expr(cond)? + self.expr(then)? + self.expr(else_)?
            }
            _ => return None,
        };
        Some(weight + 1)
    }

    /// What gets a value.
    fn target(&self, target: &Expr) -> Option<usize> {
        match target.kind {
            ExprKind::Name(name) if Some(name) == self.counter => None,
            _ => self.expr(target),
        }
    }
}
