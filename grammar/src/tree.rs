//! What the parser's actions build with: node ids, depths, the pieces of declarations, and the mistakes that only
//! show when a node is put together.
//!
//! Every node's depth is known when it is made; one beyond the limit becomes an error node, so no later walk over
//! the tree can run out of stack, however the text nests without brackets.

use std::cell::{Cell, RefCell};

use crate::ast::*;
use crate::balance::{Damage, too_deep};
use crate::codes::{self, Code};
use crate::depth::{Depth, Depths, TREE_HEIGHT_MAX};
use crate::diagnostic::Diagnostic;
use crate::span::{FileId, Interner, NodeId, Span, Symbol};
use crate::token::{Kw, TextId, Tok, Token, Words};

/// The parser's surroundings: where ids, depths and diagnostics come together.
pub(crate) struct Cx<'a> {
    pub file: FileId,
    pub tokens: &'a [Token],
    pub damage: Damage<'a>,
    pub diagnostics: RefCell<Vec<Diagnostic>>,
    /// Text for which nothing stands in the tree.
    pub lost: RefCell<Vec<Span>>,
    /// What could follow the last token; filled where it is asked for.
    pub expected_at_end: RefCell<Option<Vec<String>>>,
    /// Stands where a name is missing.
    pub no_name: Symbol,
    words: &'a Words,
    /// `int double boolean void`, as names.
    primitives: [Symbol; 4],
    texts: RefCell<Vec<Box<str>>>,
    depths: RefCell<Depths>,
    too_deep: Cell<bool>,
}

/// A piece of a block or file.
pub(crate) enum Part {
    Import(Import),
    Item(Box<Item>),
    Items(Vec<Item>),
    Stmt(Stmt),
}

/// A declaration without its modifiers.
pub(crate) enum Core {
    Item(ItemKind),
    Vars(Option<TypeExpr>, Vec<LocalVar>),
}

/// Annotations and modifiers.
#[derive(Default)]
pub(crate) struct Head {
    pub annotations: Vec<Annotation>,
    pub modifiers: Modifiers,
}

#[derive(Clone, Copy)]
pub(crate) enum Modifier {
    Private,
    Static,
    Final,
    LowLevel,
    Native,
    Sealed,
    Default,
}

/// An arm, and where it has the colon of an old-style case.
pub(crate) struct ReadArm {
    pub arm: Option<Box<SwitchArm>>,
    pub colon: Option<Span>,
}

/// Names that nodes are made of.
pub(crate) struct Names {
    /// Stands where a name is missing.
    pub no_name: Symbol,
    primitives: [Symbol; 4],
}

impl Names {
    pub fn new(interner: &mut Interner) -> Self {
        let primitives = [Kw::Int, Kw::Double, Kw::Boolean, Kw::Void];
        Self {
            no_name: interner.intern("?"),
            primitives: primitives.map(|word| interner.intern(word.text())),
        }
    }
}

impl<'a> Cx<'a> {
    pub fn new(
        file: FileId,
        tokens: &'a [Token],
        damage: Damage<'a>,
        texts: Vec<Box<str>>,
        words: &'a Words,
        Names { no_name, primitives }: Names,
        first_id: u32,
    ) -> Self {
        Self {
            file,
            tokens,
            damage,
            diagnostics: RefCell::new(Vec::new()),
            lost: RefCell::new(Vec::new()),
            expected_at_end: RefCell::new(None),
            no_name,
            words,
            primitives,
            texts: RefCell::new(texts),
            depths: RefCell::new(Depths::new(first_id)),
            too_deep: Cell::new(false),
        }
    }

    pub fn report(&self, diagnostic: Diagnostic) {
        if !self.damage.covers(diagnostic.span.start) {
            self.diagnostics.borrow_mut().push(diagnostic);
        }
    }

    pub fn soft_word(&self, tok: Tok) -> Option<Kw> {
        self.words.soft(tok)
    }

    /// The name a reserved word would be.
    pub fn reserved_symbol(&self, word: Kw) -> Option<Symbol> {
        self.words.reserved_symbol(word)
    }

    pub fn error(&self, code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, self.file, span, message)
    }

    // ---- nodes ----

    /// The id of a node of this depth, and whether the depth is within the limits.
    fn sized(&self, span: Span, depth: Depth) -> (NodeId, bool) {
        let fits = depth.fits();
        if !fits && !self.too_deep.replace(true) {
            let at = Span::new(span.start, span.start);
            self.report(if u32::from(depth.height) > TREE_HEIGHT_MAX {
                self.error(codes::NESTING, at, "this chain is too long")
                    .help(format!("about {} links fit; give parts a name of their own", TREE_HEIGHT_MAX / 2))
            } else {
                too_deep(self.file, at).help("operators and statements that stand in each other count too")
            });
        }
        (self.depths.borrow_mut().add(if fits { depth } else { Depth::LEAF }), fits)
    }

    pub fn id(&self) -> NodeId {
        self.depths.borrow_mut().add(Depth::LEAF)
    }

    pub fn node_count(&self) -> u32 {
        self.depths.borrow().end()
    }

    pub fn expr(&self, start: u32, end: u32, kind: ExprKind) -> Expr {
        let span = Span::new(start, end);
        let depth = self.depths.borrow().above(|d| d.expr_kind(&kind));
        let (id, fits) = self.sized(span, depth);
        Expr { id, span, kind: if fits { kind } else { ExprKind::Error } }
    }

    pub fn stmt(&self, start: u32, end: u32, kind: StmtKind) -> Stmt {
        let span = Span::new(start, end);
        let depth = self.depths.borrow().above(|d| d.stmt_kind(&kind));
        let (id, fits) = self.sized(span, depth);
        Stmt { id, span, kind: if fits { kind } else { StmtKind::Error } }
    }

    pub fn ty(&self, start: u32, end: u32, kind: TypeExprKind) -> TypeExpr {
        let span = Span::new(start, end);
        let depth = self.depths.borrow().above(|d| d.type_kind(&kind));
        let (id, fits) = self.sized(span, depth);
        TypeExpr { id, span, kind: if fits { kind } else { TypeExprKind::Error } }
    }

    pub fn pattern(&self, start: u32, end: u32, kind: PatternKind) -> Pattern {
        let span = Span::new(start, end);
        let depth = self.depths.borrow().above(|d| d.pattern_kind(&kind));
        let (id, fits) = self.sized(span, depth);
        Pattern { id, span, kind: if fits { kind } else { PatternKind::Type { ty: None, name: None } } }
    }

    pub fn item(&self, start: u32, end: u32, head: Option<Head>, kind: ItemKind) -> Item {
        let span = Span::new(start, end);
        let depth = self.depths.borrow().above(|d| d.item_kind(&kind));
        let (id, fits) = self.sized(span, depth);
        let head = head.unwrap_or_default();
        let kind = if fits { kind } else { ItemKind::Error };
        Item { id, span, annotations: head.annotations, modifiers: head.modifiers, kind }
    }

    pub fn boxed(&self, start: u32, end: u32, kind: ExprKind) -> Box<Expr> {
        Box::new(self.expr(start, end, kind))
    }

    /// `left op right`, where `left` may be a chain of the same precedence already.
    pub fn chain(&self, left: Expr, op: BinaryOp, op_span: Span, right: Expr) -> Expr {
        let span = left.span.to(right.span);
        let link = ChainLink { op, op_span, operand: right };
        let mut left = left;
        if let ExprKind::Chain { rest, .. } = &mut left.kind
            && rest.first().is_some_and(|first| level(first.op) == level(op))
        {
            if self.depths.borrow_mut().raise(left.id, link.operand.id) {
                rest.push(link);
                left.span = span;
                return left;
            }
            return self.expr(
                span.start,
                span.end,
                ExprKind::Chain { first: Box::new(left), rest: vec![link] },
            );
        }
        self.expr(span.start, span.end, ExprKind::Chain { first: Box::new(left), rest: vec![link] })
    }

    pub fn binary(&self, left: Expr, op: BinaryOp, op_span: Span, right: Expr) -> Expr {
        let (start, end) = (left.span.start, right.span.end);
        self.expr(start, end, ExprKind::Binary { op, op_span, left: Box::new(left), right: Box::new(right) })
    }

    pub fn unary(&self, start: u32, op: UnaryOp, operand: Expr) -> Expr {
        let end = operand.span.end;
        self.expr(start, end, ExprKind::Unary { op, operand: Box::new(operand) })
    }

    /// `>>` and `>>>` are single tokens to a reader; apart they are a mistake.
    pub fn shift(&self, left: Expr, ops: &[Span], right: Expr) -> Expr {
        let (first, last) = (ops[0], ops[ops.len() - 1]);
        let span = first.to(last);
        let op = if ops.len() == 2 { BinaryOp::Shr } else { BinaryOp::UShr };
        if span.end - span.start != ops.len() as u32 {
            let text = if ops.len() == 2 { ">>" } else { ">>>" };
            self.report(
                self.error(codes::SYNTAX, span, format!("`{text}` is written without spaces"))
                    .edit(span, text),
            );
        }
        self.chain(left, op, span, right)
    }

    pub fn step(&self, start: u32, end: u32, target: Expr, delta: i8, prefix: bool) -> Expr {
        self.check_target(&target, if delta > 0 { "`++`" } else { "`--`" }, false);
        self.expr(start, end, ExprKind::Step { target: Box::new(target), delta, prefix })
    }

    pub fn assign(&self, target: Expr, op: Option<BinaryOp>, op_span: Span, value: Expr) -> Expr {
        self.check_target(&target, "an assignment", op.is_none());
        let (start, end) = (target.span.start, value.span.end);
        self.expr(
            start,
            end,
            ExprKind::Assign { op, op_span, target: Box::new(target), value: Box::new(value) },
        )
    }

    /// `equals`: an `=` stands behind it that may have been meant as `==`.
    fn check_target(&self, target: &Expr, what: &str, equals: bool) {
        let mut inner = target;
        while let ExprKind::Paren(next) = &inner.kind {
            inner = next;
        }
        let good = matches!(
            inner.kind,
            ExprKind::Name(_) | ExprKind::Field { .. } | ExprKind::Index { .. } | ExprKind::Error
        );
        if !good {
            let message = format!("{what} needs a variable, a field or an element");
            let report = self.error(codes::NOT_ASSIGNABLE, target.span, message);
            self.report(match equals {
                true => report.help("to compare, write `==`"),
                false => report,
            });
        }
    }

    pub fn text(&self, id: TextId) -> Box<str> {
        std::mem::take(&mut self.texts.borrow_mut()[id.0 as usize])
    }

    pub fn str_text(&self, id: TextId) -> Vec<StrPart> {
        let text = self.text(id);
        if text.is_empty() { Vec::new() } else { vec![StrPart::Text(text)] }
    }

    /// `T.class`
    pub fn class_of(&self, receiver: Expr, end: u32) -> Expr {
        let (start, span) = (receiver.span.start, receiver.span);
        match receiver.kind {
            ExprKind::Name(name) => {
                let name = Ident { name, span };
                let ty = self.ty(span.start, span.end, TypeExprKind::Named { name, args: Vec::new() });
                self.expr(start, end, ExprKind::ClassOf(Box::new(ty)))
            }
            ExprKind::Error => self.expr(start, end, ExprKind::Error),
            _ => {
                self.report(self.error(codes::SYNTAX, span, "`.class` stands after the name of a type"));
                self.expr(start, end, ExprKind::Error)
            }
        }
    }

    pub fn method_reference(&self, receiver: Expr, at: Span, end: u32) -> Expr {
        self.report(
            self.error(codes::JAVA_WORD, at, "there are no method references")
                .help("a function's plain name is a value; otherwise write a lambda, `x -> x.name()`"),
        );
        self.expr(receiver.span.start, end, ExprKind::Error)
    }

    pub fn primitive(&self, start: u32, end: u32, which: usize) -> TypeExpr {
        let name = Ident { name: self.primitives[which], span: Span::new(start, end) };
        self.ty(start, end, TypeExprKind::Named { name, args: Vec::new() })
    }

    /// `(T)` in a type groups; only one type can be grouped.
    pub fn grouped_type(&self, start: u32, end: u32, mut types: Vec<TypeExpr>) -> TypeExpr {
        match types.pop() {
            Some(ty) if types.is_empty() => ty,
            _ => {
                self.report(
                    self.error(
                        codes::SYNTAX,
                        Span::new(start, end),
                        "a function type needs `->` and a result",
                    )
                    .help("write `(A, B) -> R`, or `(A, B) -> void`"),
                );
                self.ty(start, end, TypeExprKind::Error)
            }
        }
    }

    /// `@Name(value = 1)` names its argument as Java does.
    pub fn annotation_args(&self, args: Vec<Arg>) -> Vec<Arg> {
        args.into_iter()
            .map(|arg| match arg.value.kind {
                ExprKind::Assign { op: None, target, value, .. }
                    if arg.name.is_none() && matches!(target.kind, ExprKind::Name(_)) =>
                {
                    let ExprKind::Name(name) = target.kind else { unreachable!("tested above") };
                    Arg { name: Some(Ident { name, span: target.span }), value: *value }
                }
                kind => Arg { name: arg.name, value: Expr { kind, ..arg.value } },
            })
            .collect()
    }

    // ---- declarations ----

    pub fn modifier(&self, mut head: Head, modifier: Modifier, span: Span) -> Head {
        let m = &mut head.modifiers;
        let slot = match modifier {
            Modifier::Private => &mut m.private,
            Modifier::Static => &mut m.static_,
            Modifier::Final => &mut m.final_,
            Modifier::LowLevel => &mut m.lowlevel,
            Modifier::Native => &mut m.native,
            Modifier::Sealed => &mut m.sealed,
            Modifier::Default => &mut m.default,
        };
        if let Some(first) = slot.replace(span) {
            self.report(
                self.error(codes::SYNTAX, span, "this modifier stands here twice")
                    .label(first, "first here")
                    .edit(span, ""),
            );
        }
        head
    }

    /// A declaration in a file or block: variables are locals, unless a modifier says otherwise.
    pub fn part(&self, start: u32, end: u32, head: Option<Head>, core: Core) -> Part {
        match core {
            Core::Item(kind) => Part::Item(Box::new(self.item(start, end, head, kind))),
            Core::Vars(ty, vars) => {
                let head = head.unwrap_or_default();
                let m = &head.modifiers;
                let member = m.static_.or(m.private).or(m.native).or(m.lowlevel).or(m.sealed);
                if member.is_some() || !head.annotations.is_empty() {
                    return Part::Items(self.fields(start, end, head, ty, vars));
                }
                let local = Local { final_: m.final_.is_some(), ty, vars };
                Part::Stmt(self.stmt(start, end, StmtKind::Local(local)))
            }
        }
    }

    pub fn member(&self, start: u32, end: u32, head: Option<Head>, core: Core) -> Vec<Item> {
        match core {
            Core::Item(kind) => vec![self.item(start, end, head, kind)],
            Core::Vars(ty, vars) => self.fields(start, end, head.unwrap_or_default(), ty, vars),
        }
    }

    /// `static final int A = 1, B = 2;` is one declaration for each name.
    fn fields(
        &self,
        start: u32,
        end: u32,
        head: Head,
        ty: Option<TypeExpr>,
        vars: Vec<LocalVar>,
    ) -> Vec<Item> {
        let ty = ty.unwrap_or_else(|| {
            let at = vars.first().map_or(Span::new(start, end), |v| v.name.span);
            self.report(self.error(codes::SYNTAX, at, "a field or constant needs a written type"));
            self.ty(at.start, at.start, TypeExprKind::Error)
        });
        vars.into_iter()
            .map(|var| {
                let head = Head { annotations: head.annotations.clone(), modifiers: head.modifiers.clone() };
                let field = Field { ty: ty.clone(), name: var.name, init: var.init.map(Box::new) };
                self.item(start, end, Some(head), ItemKind::Field(field))
            })
            .collect()
    }

    pub fn class(
        &self,
        name: Ident,
        type_params: Vec<TypeParam>,
        extends: Option<TypeExpr>,
        mut implements: Vec<TypeExpr>,
        members: Vec<Item>,
    ) -> ItemKind {
        if let Some(parent) = extends {
            // What it was to inherit is not known.
            implements.push(self.ty(parent.span.start, parent.span.end, TypeExprKind::Error));
            self.report(
                self.error(codes::JAVA_WORD, parent.span, "classes do not inherit").help(
                    "declare an `interface` and write `implements`, or hold the other object in a field",
                ),
            );
        }
        ItemKind::Class(Class { name, type_params, implements, members })
    }

    /// The body of an enum's constant, which is left out.
    pub fn constant_body(&self, start: u32, end: u32) {
        self.report(
            self.error(codes::JAVA_WORD, Span::new(start, end), "the constants of an enum have no bodies")
                .help("give the enum a method that switches over `this`, or a field that each constant sets"),
        );
    }

    /// `T?`; once is enough.
    pub fn nullable(&self, start: u32, end: u32, inner: TypeExpr) -> TypeExpr {
        if matches!(inner.kind, TypeExprKind::Nullable(_)) {
            // All after the first are one mistake.
            let second = Span::new(inner.span.end, end);
            let mut diagnostics = self.diagnostics.borrow_mut();
            diagnostics.pop_if(|d| d.code == codes::BAD_TYPE && d.span.start == second.start);
            drop(diagnostics);
            let message = "there is no `T??`: null is one value, and once is enough";
            self.report(self.error(codes::BAD_TYPE, second, message).edit(second, ""));
            return inner;
        }
        self.ty(start, end, TypeExprKind::Nullable(Box::new(inner)))
    }

    /// `every` after `retry` belongs to it.
    pub fn step_options(&self, options: Vec<StepOption>) -> Vec<StepOption> {
        let mut out: Vec<StepOption> = Vec::with_capacity(options.len());
        for option in options {
            match (out.last_mut(), option.kind) {
                (
                    Some(StepOption { span, kind: StepOptionKind::Retry { every: every @ None, .. } }),
                    StepOptionKind::Every(pause),
                ) => {
                    *every = Some(Box::new(pause));
                    *span = span.to(option.span);
                }
                (_, kind) => out.push(StepOption { span: option.span, kind }),
            }
        }
        out
    }

    // ---- statements ----

    pub fn block(&self, start: u32, end: u32, parts: Vec<Part>) -> Block {
        Block { span: Span::new(start, end), stmts: self.stmts(parts) }
    }

    pub fn stmts(&self, parts: Vec<Part>) -> Vec<Stmt> {
        let mut stmts = Vec::with_capacity(parts.len());
        let as_stmt = |item: Box<Item>| self.stmt(item.span.start, item.span.end, StmtKind::Item(item));
        for part in parts {
            match part {
                Part::Stmt(stmt) => stmts.push(stmt),
                Part::Item(item) => stmts.push(as_stmt(item)),
                Part::Items(items) => stmts.extend(items.into_iter().map(|item| as_stmt(Box::new(item)))),
                // The grammar has imports at the top of a file only.
                Part::Import(_) => {}
            }
        }
        stmts
    }

    pub fn module(&self, parts: Vec<Part>) -> Module {
        let mut module = Module::default();
        for part in parts {
            match part {
                Part::Import(import) => module.imports.push(import),
                Part::Item(item) => module.items.push(*item),
                Part::Items(items) => module.items.extend(items),
                Part::Stmt(Stmt { kind: StmtKind::Empty, .. }) => {}
                Part::Stmt(stmt) => module.script.push(stmt),
            }
        }
        module.node_count = self.node_count();
        module.height = self.depths.borrow().height();
        module
    }

    pub fn switch(&self, keyword: Span, subject: Expr, arms: Vec<ReadArm>) -> Switch {
        if let Some(colon) = arms.iter().find_map(|a| a.colon) {
            self.report(
                self.error(codes::JAVA_WORD, colon, "`switch` has arrow cases only")
                    .help("write `case X -> ...;` or `case X -> { ... }`; cases never fall through"),
            );
        }
        Switch {
            keyword,
            subject: Box::new(subject),
            arms: arms.into_iter().filter_map(|a| a.arm).map(|a| *a).collect(),
        }
    }

    /// `-> return x;`: a statement after an arrow needs braces.
    pub fn arm_statement(&self, stmt: Stmt) -> ArmBody {
        let span = stmt.span;
        self.report(
            self.error(codes::SYNTAX, span, "a statement after `->` needs braces")
                .edit(Span::new(span.start, span.start), "{ ")
                .edit(Span::new(span.end, span.end), " }"),
        );
        ArmBody::Block(Block { span, stmts: vec![stmt] })
    }
}

/// Which operators chain with each other.
fn level(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Rem => 0,
        BinaryOp::Add | BinaryOp::Sub => 1,
        BinaryOp::Shl | BinaryOp::Shr | BinaryOp::UShr => 2,
        BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => 3,
        BinaryOp::Eq | BinaryOp::Ne => 4,
        BinaryOp::BitAnd => 5,
        BinaryOp::BitXor => 6,
        BinaryOp::BitOr => 7,
        BinaryOp::And => 8,
        BinaryOp::Or => 9,
    }
}
