//! The tree as nodes with children, for what asks where something stands rather than what it means: the way from a
//! place to the nodes around it, and everything below a node.
//!
//! Children come in the order of the text; a node's span holds those of its children.

use crate::ast::*;
use crate::span::Span;

/// Any node of a module's tree.
#[derive(Clone, Copy, Debug)]
pub enum Node<'a> {
    Module(&'a Module),
    Import(&'a Import),
    Item(&'a Item),
    Annotation(&'a Annotation),
    TypeParam(&'a TypeParam),
    Param(&'a Param),
    EnumConstant(&'a EnumConstant),
    GuardRule(&'a GuardRule),
    State(&'a State),
    Clause(&'a Clause),
    StepOption(&'a StepOption),
    Type(&'a TypeExpr),
    Block(&'a Block),
    Stmt(&'a Stmt),
    LocalVar(&'a LocalVar),
    ForEachVar(&'a ForEachVar),
    RetryElse(&'a RetryElse),
    Expr(&'a Expr),
    Arg(&'a Arg),
    LambdaParam(&'a LambdaParam),
    SwitchArm(&'a SwitchArm),
    Pattern(&'a Pattern),
}

impl<'a> Node<'a> {
    pub fn span(self) -> Span {
        let typed = |ty: Option<&TypeExpr>, name: Span| ty.map_or(name, |t| t.span.to(name));
        match self {
            Node::Module(m) => {
                let items = m.items.iter().map(|i| i.span);
                let all =
                    items.chain(m.script.iter().map(|s| s.span)).chain(m.imports.iter().map(|i| i.span));
                all.reduce(Span::to).unwrap_or_default()
            }
            Node::Import(n) => n.span,
            Node::Item(n) => n.span,
            Node::Annotation(n) => n.span,
            Node::TypeParam(n) => n.bounds.iter().fold(n.name.span, |s, b| s.to(b.span)),
            Node::Param(n) => n.span,
            Node::EnumConstant(n) => n.args.iter().fold(n.name.span, |s, a| s.to(Node::Arg(a).span())),
            Node::GuardRule(n) => n.span,
            Node::State(n) => n.span,
            Node::Clause(n) => n.span,
            Node::StepOption(n) => n.span,
            Node::Type(n) => n.span,
            Node::Block(n) => n.span,
            Node::Stmt(n) => n.span,
            Node::LocalVar(n) => n.init.as_ref().map_or(n.name.span, |e| n.name.span.to(e.span)),
            Node::ForEachVar(n) => typed(n.ty.as_ref(), n.name.span),
            Node::RetryElse(n) => match &n.error {
                Some((_, ty, _)) => ty.span.to(n.body.span),
                None => n.body.span,
            },
            Node::Expr(n) => n.span,
            Node::Arg(n) => n.name.map_or(n.value.span, |name| name.span.to(n.value.span)),
            Node::LambdaParam(n) => typed(n.ty.as_ref(), n.name.span),
            Node::SwitchArm(n) => n.span,
            Node::Pattern(n) => n.span,
        }
    }

    /// Calls `f` with each node directly below this one.
    pub fn children(self, f: &mut dyn FnMut(Node<'a>)) {
        match self {
            Node::Module(m) => module(m, f),
            Node::Import(_) => {}
            Node::Item(n) => item(n, f),
            Node::Annotation(n) => n.args.iter().for_each(|a| f(Node::Arg(a))),
            Node::TypeParam(n) => n.bounds.iter().for_each(|t| f(Node::Type(t))),
            Node::Param(n) => {
                f(Node::Type(&n.ty));
                n.default.iter().for_each(|e| f(Node::Expr(e)));
            }
            Node::EnumConstant(n) => n.args.iter().for_each(|a| f(Node::Arg(a))),
            Node::GuardRule(n) => {
                f(Node::Expr(&n.count));
                n.per.iter().for_each(|e| f(Node::Expr(e)));
            }
            Node::State(n) => n.clauses.iter().for_each(|c| f(Node::Clause(c))),
            Node::Clause(n) => clause(n, f),
            Node::StepOption(n) => step_option(n, f),
            Node::Type(n) => match &n.kind {
                TypeExprKind::Named { args, .. } => args.iter().for_each(|t| f(Node::Type(t))),
                TypeExprKind::Nullable(t) | TypeExprKind::Fallible(t) => f(Node::Type(t)),
                TypeExprKind::Function { params, ret } => {
                    params.iter().for_each(|t| f(Node::Type(t)));
                    f(Node::Type(ret));
                }
                TypeExprKind::Error => {}
            },
            Node::Block(n) => n.stmts.iter().for_each(|s| f(Node::Stmt(s))),
            Node::Stmt(n) => stmt(n, f),
            Node::LocalVar(n) => n.init.iter().for_each(|e| f(Node::Expr(e))),
            Node::ForEachVar(n) => n.ty.iter().for_each(|t| f(Node::Type(t))),
            Node::RetryElse(n) => {
                n.error.iter().for_each(|(_, ty, _)| f(Node::Type(ty)));
                f(Node::Block(&n.body));
            }
            Node::Expr(n) => expr(n, f),
            Node::Arg(n) => f(Node::Expr(&n.value)),
            Node::LambdaParam(n) => n.ty.iter().for_each(|t| f(Node::Type(t))),
            Node::SwitchArm(n) => arm(n, f),
            Node::Pattern(n) => match &n.kind {
                PatternKind::Type { ty, .. } => ty.iter().for_each(|t| f(Node::Type(t))),
                PatternKind::Record { ty, parts } => {
                    f(Node::Type(ty));
                    parts.iter().for_each(|p| f(Node::Pattern(p)));
                }
            },
        }
    }

    /// Calls `f` with this node and everything below it, parents first.
    pub fn each(self, f: &mut dyn FnMut(Node<'a>)) {
        f(self);
        self.children(&mut |child| child.each(f));
    }
}

/// The nodes around a place, outermost first; where two meet, the later one.
pub fn path_at(module: &Module, offset: u32) -> Vec<Node<'_>> {
    let mut path = vec![Node::Module(module)];
    loop {
        let mut inner = None;
        path[path.len() - 1].children(&mut |child| {
            let span = child.span();
            if span.start <= offset && offset <= span.end {
                inner = Some(child);
            }
        });
        match inner {
            Some(node) => path.push(node),
            None => return path,
        }
    }
}

fn module<'a>(m: &'a Module, f: &mut dyn FnMut(Node<'a>)) {
    m.imports.iter().for_each(|i| f(Node::Import(i)));
    let (mut items, mut script) = (m.items.iter().peekable(), m.script.iter().peekable());
    loop {
        match (items.peek(), script.peek()) {
            (Some(item), Some(stmt)) if item.span.start <= stmt.span.start => {
                f(Node::Item(item));
                items.next();
            }
            (_, Some(stmt)) => {
                f(Node::Stmt(stmt));
                script.next();
            }
            (Some(item), None) => {
                f(Node::Item(item));
                items.next();
            }
            (None, None) => return,
        }
    }
}

fn item<'a>(n: &'a Item, f: &mut dyn FnMut(Node<'a>)) {
    n.annotations.iter().for_each(|a| f(Node::Annotation(a)));
    match &n.kind {
        ItemKind::Function(x) => {
            let type_params = |f: &mut dyn FnMut(Node<'a>)| {
                x.type_params.iter().for_each(|t| f(Node::TypeParam(t)));
            };
            // Type parameters stand before the result.
            type_params(f);
            f(Node::Type(&x.ret));
            x.params.iter().for_each(|p| f(Node::Param(p)));
            x.body.iter().for_each(|b| f(Node::Block(b)));
        }
        ItemKind::Task(x) => {
            x.params.iter().for_each(|p| f(Node::Param(p)));
            f(Node::Block(&x.body));
            x.undo.iter().for_each(|b| f(Node::Block(b)));
        }
        ItemKind::Scenario(x) => {
            x.params.iter().for_each(|p| f(Node::Param(p)));
            x.selector.iter().for_each(|e| f(Node::Expr(e)));
            x.guard.iter().for_each(|g| f(Node::GuardRule(g)));
            x.states.iter().for_each(|s| f(Node::State(s)));
        }
        ItemKind::Test(x) => {
            f(Node::Expr(&x.name));
            f(Node::Block(&x.body));
        }
        ItemKind::Record(x) => {
            x.type_params.iter().for_each(|t| f(Node::TypeParam(t)));
            x.components.iter().for_each(|p| f(Node::Param(p)));
            x.implements.iter().for_each(|t| f(Node::Type(t)));
            x.members.iter().for_each(|m| f(Node::Item(m)));
        }
        ItemKind::Class(x) => {
            x.type_params.iter().for_each(|t| f(Node::TypeParam(t)));
            x.implements.iter().for_each(|t| f(Node::Type(t)));
            x.members.iter().for_each(|m| f(Node::Item(m)));
        }
        ItemKind::Enum(x) => {
            x.implements.iter().for_each(|t| f(Node::Type(t)));
            x.constants.iter().for_each(|c| f(Node::EnumConstant(c)));
            x.members.iter().for_each(|m| f(Node::Item(m)));
        }
        ItemKind::Interface(x) => {
            x.type_params.iter().for_each(|t| f(Node::TypeParam(t)));
            x.extends.iter().chain(&x.permits).for_each(|t| f(Node::Type(t)));
            x.members.iter().for_each(|m| f(Node::Item(m)));
        }
        ItemKind::Field(x) => {
            f(Node::Type(&x.ty));
            x.init.iter().for_each(|e| f(Node::Expr(e)));
        }
        ItemKind::Constructor(x) => {
            x.params.iter().for_each(|p| f(Node::Param(p)));
            f(Node::Block(&x.body));
        }
        ItemKind::CompactConstructor(x) => f(Node::Block(&x.body)),
        ItemKind::Error => {}
    }
}

fn clause<'a>(n: &'a Clause, f: &mut dyn FnMut(Node<'a>)) {
    match &n.kind {
        ClauseKind::Step { args, options, .. } => {
            args.iter().for_each(|a| f(Node::Arg(a)));
            options.iter().for_each(|o| f(Node::StepOption(o)));
        }
        ClauseKind::When { key, over, value, .. } => {
            [key, over, value].into_iter().for_each(|e| f(Node::Expr(e)));
        }
        ClauseKind::On { after, .. } => after.iter().for_each(|e| f(Node::Expr(e))),
        ClauseKind::Error => {}
    }
}

fn step_option<'a>(n: &'a StepOption, f: &mut dyn FnMut(Node<'a>)) {
    match &n.kind {
        StepOptionKind::Every(e) | StepOptionKind::Failing(e) | StepOptionKind::Within(e) => f(Node::Expr(e)),
        StepOptionKind::Retry { times, every } => {
            f(Node::Expr(times));
            every.iter().for_each(|e| f(Node::Expr(e)));
        }
        StepOptionKind::Verify { args, for_, .. } => {
            args.iter().for_each(|a| f(Node::Arg(a)));
            for_.iter().for_each(|e| f(Node::Expr(e)));
        }
        StepOptionKind::At(_) | StepOptionKind::WithApproval => {}
    }
}

fn stmt<'a>(n: &'a Stmt, f: &mut dyn FnMut(Node<'a>)) {
    match &n.kind {
        StmtKind::Local(local) => {
            local.ty.iter().for_each(|t| f(Node::Type(t)));
            local.vars.iter().for_each(|v| f(Node::LocalVar(v)));
        }
        StmtKind::Expr(e) | StmtKind::Yield(e) | StmtKind::Fail(e) => f(Node::Expr(e)),
        StmtKind::If { cond, then, else_ } => {
            f(Node::Expr(cond));
            f(Node::Stmt(then));
            else_.iter().for_each(|s| f(Node::Stmt(s)));
        }
        StmtKind::While { cond, body } => {
            f(Node::Expr(cond));
            f(Node::Stmt(body));
        }
        StmtKind::DoWhile { body, cond } => {
            f(Node::Stmt(body));
            f(Node::Expr(cond));
        }
        StmtKind::For { init, cond, update, body } => {
            init.iter().for_each(|s| f(Node::Stmt(s)));
            cond.iter().for_each(|e| f(Node::Expr(e)));
            update.iter().for_each(|e| f(Node::Expr(e)));
            f(Node::Stmt(body));
        }
        StmtKind::ForEach { var, iter, body } => {
            f(Node::ForEachVar(var));
            f(Node::Expr(iter));
            f(Node::Stmt(body));
        }
        StmtKind::Labeled { body, .. } => f(Node::Stmt(body)),
        StmtKind::Break(_) | StmtKind::Continue(_) | StmtKind::Empty | StmtKind::Error => {}
        StmtKind::Return(value) => value.iter().for_each(|e| f(Node::Expr(e))),
        StmtKind::Block(b) => f(Node::Block(b)),
        StmtKind::Assert { cond, message } => {
            f(Node::Expr(cond));
            message.iter().for_each(|e| f(Node::Expr(e)));
        }
        StmtKind::Switch(s) => switch(s, f),
        StmtKind::Every { period, body } => {
            f(Node::Expr(period));
            f(Node::Block(body));
        }
        StmtKind::Within { limit, body, else_ } => {
            f(Node::Expr(limit));
            f(Node::Block(body));
            else_.iter().for_each(|b| f(Node::Block(b)));
        }
        StmtKind::Retry { times, pause, body, else_ } => {
            f(Node::Expr(times));
            f(Node::Expr(pause));
            f(Node::Block(body));
            else_.iter().for_each(|e| f(Node::RetryElse(e)));
        }
        StmtKind::Given { target, answers } => {
            f(Node::Expr(target));
            answers.iter().for_each(|answer| f(Node::Expr(answer.operand())));
        }
        StmtKind::Verify { target, times, with } => {
            f(Node::Expr(target));
            f(Node::Expr(times));
            with.iter().flatten().for_each(|a| f(Node::Arg(a)));
        }
        StmtKind::Item(i) => f(Node::Item(i)),
    }
}

fn switch<'a>(n: &'a Switch, f: &mut dyn FnMut(Node<'a>)) {
    f(Node::Expr(&n.subject));
    n.arms.iter().for_each(|a| f(Node::SwitchArm(a)));
}

fn arm<'a>(n: &'a SwitchArm, f: &mut dyn FnMut(Node<'a>)) {
    for label in &n.labels {
        match label {
            SwitchLabel::Default(_) | SwitchLabel::Null(_) => {}
            SwitchLabel::Value(e) => f(Node::Expr(e)),
            SwitchLabel::Pattern(p) => f(Node::Pattern(p)),
        }
    }
    n.guard.iter().for_each(|e| f(Node::Expr(e)));
    match &n.body {
        ArmBody::Expr(e) => f(Node::Expr(e)),
        ArmBody::Block(b) => f(Node::Block(b)),
    }
}

fn expr<'a>(n: &'a Expr, f: &mut dyn FnMut(Node<'a>)) {
    match &n.kind {
        ExprKind::Int(_)
        | ExprKind::Double(_)
        | ExprKind::Bool(_)
        | ExprKind::Null
        | ExprKind::Char(_)
        | ExprKind::Duration(_)
        | ExprKind::Name(_)
        | ExprKind::This
        | ExprKind::Error => {}
        ExprKind::Str(parts) => {
            for part in parts {
                if let StrPart::Expr(e) = part {
                    f(Node::Expr(e));
                }
            }
        }
        ExprKind::Paren(e)
        | ExprKind::Unary { operand: e, .. }
        | ExprKind::Step { target: e, .. }
        | ExprKind::Try(e)
        | ExprKind::Fail(e)
        | ExprKind::Field { receiver: e, .. } => f(Node::Expr(e)),
        ExprKind::Index { receiver: a, index: b }
        | ExprKind::Binary { left: a, right: b, .. }
        | ExprKind::Assign { target: a, value: b, .. }
        | ExprKind::Coalesce { left: a, right: b }
        | ExprKind::Range { low: a, high: b } => {
            f(Node::Expr(a));
            f(Node::Expr(b));
        }
        ExprKind::Call { callee, args } => {
            f(Node::Expr(callee));
            args.iter().for_each(|a| f(Node::Arg(a)));
        }
        ExprKind::New { ty, args } => {
            f(Node::Type(ty));
            args.iter().for_each(|a| f(Node::Arg(a)));
        }
        ExprKind::Chain { first, rest } => {
            f(Node::Expr(first));
            rest.iter().for_each(|link| f(Node::Expr(&link.operand)));
        }
        ExprKind::Conditional { cond, then, else_ } => {
            [cond, then, else_].into_iter().for_each(|e| f(Node::Expr(e)));
        }
        ExprKind::Lambda(lambda) => {
            lambda.params.iter().for_each(|p| f(Node::LambdaParam(p)));
            match &lambda.body {
                LambdaBody::Expr(e) => f(Node::Expr(e)),
                LambdaBody::Block(b) => f(Node::Block(b)),
            }
        }
        ExprKind::Cast { ty, operand } => {
            f(Node::Type(ty));
            f(Node::Expr(operand));
        }
        ExprKind::InstanceOf { operand, pattern } => {
            f(Node::Expr(operand));
            f(Node::Pattern(pattern));
        }
        ExprKind::Switch(s) => switch(s, f),
        ExprKind::List(items) => items.iter().for_each(|e| f(Node::Expr(e))),
        ExprKind::Map(entries) => {
            for (key, value) in entries {
                f(Node::Expr(key));
                f(Node::Expr(value));
            }
        }
        ExprKind::ClassOf(ty) => f(Node::Type(ty)),
        ExprKind::ScenarioRef { args, .. } => args.iter().for_each(|a| f(Node::Arg(a))),
    }
}
