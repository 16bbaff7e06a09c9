//! How deep each node's subtree is, by node id; known when the node is made, from its children.
//!
//! Two numbers: what *nests* in a node, and how *high* its subtree is. Links of a flat chain (`a.b().c()`,
//! `a ?? b ?? c`, `else if`) stand on each other in the tree, so they make it high, and nothing nests in them.

use crate::ast::*;
use crate::span::NodeId;

/// Deepest nesting. Brackets are limited apart, and each makes at most two or three nodes; this bounds what nests
/// without them: operators before their operand, lambdas, statements without braces, types.
pub const TREE_DEPTH_MAX: u32 = 640;

/// Highest tree: a chain of calls has two nodes a link.
pub const TREE_HEIGHT_MAX: u32 = 60_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    pub nesting: u16,
    pub height: u16,
}

impl Depth {
    pub const LEAF: Depth = Depth { nesting: 1, height: 1 };

    pub fn fits(self) -> bool {
        u32::from(self.nesting) <= TREE_DEPTH_MAX && u32::from(self.height) <= TREE_HEIGHT_MAX
    }

    fn or(self, other: Depth) -> Depth {
        Depth { nesting: self.nesting.max(other.nesting), height: self.height.max(other.height) }
    }

    /// Of a node in which one of this depth stands.
    fn around(self) -> Depth {
        Depth { nesting: self.nesting + 1, height: self.height + 1 }
    }
}

#[derive(Debug, Default)]
pub struct Depths {
    /// The id of the first node.
    first: u32,
    of: Vec<Depth>,
}

impl Depths {
    pub fn new(first: u32) -> Self {
        Self { first, of: Vec::new() }
    }

    pub fn add(&mut self, depth: Depth) -> NodeId {
        self.of.push(depth);
        NodeId(self.end() - 1)
    }

    /// Behind the last id.
    pub fn end(&self) -> u32 {
        self.first + self.of.len() as u32
    }

    pub fn of(&self, id: NodeId) -> Depth {
        self.of[(id.0 - self.first) as usize]
    }

    /// The height of the highest subtree.
    pub fn height(&self) -> u32 {
        self.of.iter().map(|d| u32::from(d.height)).max().unwrap_or(0)
    }

    /// `node` gets one more child, if it may.
    pub fn raise(&mut self, node: NodeId, child: NodeId) -> bool {
        let depth = self.of(node).or(self.of(child).around());
        if depth.fits() {
            self.of[(node.0 - self.first) as usize] = depth;
        }
        depth.fits()
    }

    /// The depth of a node above what `walk` visits.
    pub fn above(&self, walk: impl FnOnce(&mut Deepest<'_>)) -> Depth {
        let mut deepest = Deepest { depths: self, depth: Depth::LEAF };
        walk(&mut deepest);
        deepest.depth
    }
}

/// Visits the direct children of a node.
pub struct Deepest<'a> {
    depths: &'a Depths,
    depth: Depth,
}

impl Deepest<'_> {
    fn id(&mut self, id: NodeId) {
        self.depth = self.depth.or(self.depths.of(id).around());
    }

    /// A child that is a link of the same chain.
    fn link(&mut self, id: NodeId) {
        let Depth { nesting, height } = self.depths.of(id);
        self.depth = self.depth.or(Depth { nesting, height: height + 1 });
    }

    fn expr(&mut self, expr: &Expr) {
        self.id(expr.id);
    }

    fn opt(&mut self, expr: Option<&Expr>) {
        if let Some(expr) = expr {
            self.id(expr.id);
        }
    }

    fn exprs(&mut self, exprs: &[Expr]) {
        for expr in exprs {
            self.id(expr.id);
        }
    }

    fn args(&mut self, args: &[Arg]) {
        for arg in args {
            self.id(arg.value.id);
        }
    }

    fn ty(&mut self, ty: &TypeExpr) {
        self.id(ty.id);
    }

    fn types(&mut self, types: &[TypeExpr]) {
        for ty in types {
            self.id(ty.id);
        }
    }

    fn type_params(&mut self, params: &[TypeParam]) {
        for param in params {
            self.types(&param.bounds);
        }
    }

    fn block(&mut self, block: &Block) {
        for stmt in &block.stmts {
            self.id(stmt.id);
        }
    }

    fn opt_block(&mut self, block: Option<&Block>) {
        if let Some(block) = block {
            self.block(block);
        }
    }

    fn params(&mut self, params: &[Param]) {
        for param in params {
            self.ty(&param.ty);
            self.opt(param.default.as_deref());
        }
    }

    fn items(&mut self, items: &[Item]) {
        for item in items {
            self.id(item.id);
        }
    }

    fn vars(&mut self, vars: &[LocalVar]) {
        for var in vars {
            self.opt(var.init.as_ref());
        }
    }

    fn switch(&mut self, switch: &Switch) {
        self.expr(&switch.subject);
        for arm in &switch.arms {
            for label in &arm.labels {
                match label {
                    SwitchLabel::Value(expr) => self.expr(expr),
                    SwitchLabel::Pattern(pattern) => self.id(pattern.id),
                    SwitchLabel::Default(_) | SwitchLabel::Null(_) => {}
                }
            }
            self.opt(arm.guard.as_ref());
            match &arm.body {
                ArmBody::Expr(expr) => self.expr(expr),
                ArmBody::Block(block) => self.block(block),
            }
        }
    }

    pub fn expr_kind(&mut self, kind: &ExprKind) {
        match kind {
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
                    if let StrPart::Expr(expr) = part {
                        self.expr(expr);
                    }
                }
            }
            ExprKind::Paren(inner) | ExprKind::Try(inner) | ExprKind::Fail(inner) => self.expr(inner),
            ExprKind::Field { receiver, .. } => self.link(receiver.id),
            ExprKind::Index { receiver, index } => {
                self.link(receiver.id);
                self.expr(index);
            }
            ExprKind::Call { callee, args } => {
                self.link(callee.id);
                self.args(args);
            }
            ExprKind::New { ty, args } => {
                self.ty(ty);
                self.args(args);
            }
            ExprKind::Unary { operand, .. } => self.expr(operand),
            ExprKind::Step { target, .. } => self.expr(target),
            ExprKind::Binary { left, right, .. } => {
                self.link(left.id);
                self.expr(right);
            }
            ExprKind::Coalesce { left, right } => {
                self.expr(left);
                self.link(right.id);
            }
            ExprKind::Chain { first, rest } => {
                self.expr(first);
                for link in rest {
                    self.expr(&link.operand);
                }
            }
            ExprKind::Assign { target, value, .. } => {
                self.expr(target);
                self.link(value.id);
            }
            ExprKind::Conditional { cond, then, else_ } => {
                self.expr(cond);
                self.expr(then);
                self.link(else_.id);
            }
            ExprKind::Lambda(lambda) => {
                for param in &lambda.params {
                    if let Some(ty) = &param.ty {
                        self.ty(ty);
                    }
                }
                match &lambda.body {
                    LambdaBody::Expr(expr) => self.expr(expr),
                    LambdaBody::Block(block) => self.block(block),
                }
            }
            ExprKind::Cast { ty, operand } => {
                self.ty(ty);
                self.expr(operand);
            }
            ExprKind::InstanceOf { operand, pattern } => {
                self.expr(operand);
                self.id(pattern.id);
            }
            ExprKind::Switch(switch) => self.switch(switch),
            ExprKind::List(items) => self.exprs(items),
            ExprKind::Map(entries) => {
                for (key, value) in entries {
                    self.expr(key);
                    self.expr(value);
                }
            }
            ExprKind::ClassOf(ty) => self.ty(ty),
            ExprKind::Range { low, high } => {
                self.expr(low);
                self.expr(high);
            }
            ExprKind::ScenarioRef { args, .. } => self.args(args),
        }
    }

    pub fn type_kind(&mut self, kind: &TypeExprKind) {
        match kind {
            TypeExprKind::Named { args, .. } => self.types(args),
            TypeExprKind::Nullable(inner) | TypeExprKind::Fallible(inner) => self.ty(inner),
            TypeExprKind::Function { params, ret } => {
                self.types(params);
                self.ty(ret);
            }
            TypeExprKind::Error => {}
        }
    }

    pub fn pattern_kind(&mut self, kind: &PatternKind) {
        match kind {
            PatternKind::Type { ty: Some(ty), .. } => self.ty(ty),
            PatternKind::Type { ty: None, .. } => {}
            PatternKind::Record { ty, parts } => {
                self.ty(ty);
                for part in parts {
                    self.id(part.id);
                }
            }
        }
    }

    pub fn stmt_kind(&mut self, kind: &StmtKind) {
        match kind {
            StmtKind::Local(local) => {
                if let Some(ty) = &local.ty {
                    self.ty(ty);
                }
                self.vars(&local.vars);
            }
            StmtKind::Expr(e) | StmtKind::Yield(e) | StmtKind::Fail(e) => self.expr(e),
            StmtKind::If { cond, then, else_ } => {
                self.expr(cond);
                self.id(then.id);
                if let Some(else_) = else_ {
                    self.link(else_.id);
                }
            }
            StmtKind::While { cond, body } | StmtKind::DoWhile { body, cond } => {
                self.expr(cond);
                self.id(body.id);
            }
            StmtKind::For { init, cond, update, body } => {
                for stmt in init {
                    self.id(stmt.id);
                }
                self.opt(cond.as_deref());
                self.exprs(update);
                self.id(body.id);
            }
            StmtKind::ForEach { var, iter, body } => {
                if let Some(ty) = &var.ty {
                    self.ty(ty);
                }
                self.expr(iter);
                self.id(body.id);
            }
            StmtKind::Labeled { body, .. } => self.id(body.id),
            StmtKind::Break(_) | StmtKind::Continue(_) | StmtKind::Empty | StmtKind::Error => {}
            StmtKind::Return(value) => self.opt(value.as_ref()),
            StmtKind::Block(block) => self.block(block),
            StmtKind::Assert { cond, message } => {
                self.expr(cond);
                self.opt(message.as_deref());
            }
            StmtKind::Switch(switch) => self.switch(switch),
            StmtKind::Every { period, body } => {
                self.expr(period);
                self.block(body);
            }
            StmtKind::Within { limit, body, else_ } => {
                self.expr(limit);
                self.block(body);
                self.opt_block(else_.as_deref());
            }
            StmtKind::Retry { times, pause, body, else_ } => {
                self.expr(times);
                self.expr(pause);
                self.block(body);
                if let Some(else_) = else_ {
                    self.block(&else_.body);
                }
            }
            StmtKind::Given { target, answers } => {
                self.expr(target);
                answers.iter().for_each(|answer| self.expr(answer.operand()));
            }
            StmtKind::Verify { target, times, with } => {
                self.expr(target);
                self.expr(times);
                if let Some(args) = with {
                    self.args(args);
                }
            }
            StmtKind::Item(item) => self.id(item.id),
        }
    }

    pub fn item_kind(&mut self, kind: &ItemKind) {
        match kind {
            ItemKind::Function(f) => {
                self.type_params(&f.type_params);
                self.params(&f.params);
                self.ty(&f.ret);
                self.opt_block(f.body.as_ref());
            }
            ItemKind::Task(task) => {
                self.params(&task.params);
                self.block(&task.body);
                self.opt_block(task.undo.as_ref());
            }
            ItemKind::Scenario(scenario) => {
                self.params(&scenario.params);
                self.opt(scenario.selector.as_deref());
                for rule in &scenario.guard {
                    self.expr(&rule.count);
                    self.opt(rule.per.as_deref());
                }
                for clause in scenario.states.iter().flat_map(|s| &s.clauses) {
                    self.clause(&clause.kind);
                }
            }
            ItemKind::Test(test) => self.block(&test.body),
            ItemKind::Record(record) => {
                self.type_params(&record.type_params);
                self.params(&record.components);
                self.types(&record.implements);
                self.items(&record.members);
            }
            ItemKind::Class(class) => {
                self.type_params(&class.type_params);
                self.types(&class.implements);
                self.items(&class.members);
            }
            ItemKind::Enum(e) => {
                self.types(&e.implements);
                for constant in &e.constants {
                    self.args(&constant.args);
                }
                self.items(&e.members);
            }
            ItemKind::Interface(interface) => {
                self.type_params(&interface.type_params);
                self.types(&interface.extends);
                self.types(&interface.permits);
                self.items(&interface.members);
            }
            ItemKind::Field(field) => {
                self.ty(&field.ty);
                self.opt(field.init.as_deref());
            }
            ItemKind::Constructor(c) => {
                self.params(&c.params);
                self.block(&c.body);
            }
            ItemKind::CompactConstructor(c) => self.block(&c.body),
            ItemKind::Error => {}
        }
    }

    fn clause(&mut self, kind: &ClauseKind) {
        match kind {
            ClauseKind::Step { args, options, .. } => {
                self.args(args);
                for option in options {
                    match &option.kind {
                        StepOptionKind::Every(e) | StepOptionKind::Failing(e) | StepOptionKind::Within(e) => {
                            self.expr(e)
                        }
                        StepOptionKind::Retry { times, every } => {
                            self.expr(times);
                            self.opt(every.as_deref());
                        }
                        StepOptionKind::Verify { args, for_, .. } => {
                            self.args(args);
                            self.opt(for_.as_ref());
                        }
                        StepOptionKind::At(_) | StepOptionKind::WithApproval => {}
                    }
                }
            }
            ClauseKind::When { key, over, value, .. } => {
                self.expr(key);
                self.expr(over);
                self.expr(value);
            }
            ClauseKind::On { after, .. } => self.opt(after.as_ref()),
            ClauseKind::Error => {}
        }
    }
}
