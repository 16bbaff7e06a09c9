//! The tree of one module: plain data with spans, no facts about meaning.
//!
//! Facts live in side tables keyed by [`NodeId`]. Comments are kept beside the tree, sorted by place.
//! Long flat operator chains are one node ([`ExprKind::Chain`]). Other chains (`a.b().c()`, `a ?? b ?? c`, `else if`)
//! make a tree as high as they are long; whoever walks over a module does so [within its height](Module::walked).

use crate::room;
use crate::span::{NodeId, Span, Symbol};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ident {
    pub name: Symbol,
    pub span: Span,
}

/// One file. `items` and `script` are each in source order; spans tell how they interleave.
#[derive(Clone, Debug, Default)]
pub struct Module {
    pub imports: Vec<Import>,
    pub items: Vec<Item>,
    /// Top-level statements: the body of the script's D-Task.
    pub script: Vec<Stmt>,
    /// Ids run from 0 to here.
    pub node_count: u32,
    /// Nodes on the longest way from a declaration or statement down.
    pub height: u32,
}

impl Module {
    /// Runs what walks over the tree, on a stack with room for it.
    pub fn walked<R>(&self, walk: impl FnOnce() -> R) -> R {
        room::to_walk(self.height, walk)
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        let (items, script) = (std::mem::take(&mut self.items), std::mem::take(&mut self.script));
        room::to_drop(self.height, || drop((items, script)));
    }
}

/// `import a.b.c;` or, with `all`, `import a.b.*;`
#[derive(Clone, Debug)]
pub struct Import {
    pub span: Span,
    pub path: Vec<Ident>,
    pub all: bool,
}

/// A declaration: at top level, or a member of a type.
#[derive(Clone, Debug)]
pub struct Item {
    pub id: NodeId,
    pub span: Span,
    pub annotations: Vec<Annotation>,
    pub modifiers: Modifiers,
    pub kind: ItemKind,
}

#[derive(Clone, Debug)]
pub struct Annotation {
    pub span: Span,
    pub name: Ident,
    pub args: Vec<Arg>,
}

/// Each modifier with its place, where present.
#[derive(Clone, Debug, Default)]
pub struct Modifiers {
    pub private: Option<Span>,
    pub static_: Option<Span>,
    pub final_: Option<Span>,
    pub lowlevel: Option<Span>,
    pub native: Option<Span>,
    pub sealed: Option<Span>,
    /// `default` before an interface method.
    pub default: Option<Span>,
}

#[derive(Clone, Debug)]
pub enum ItemKind {
    Function(Function),
    Task(Task),
    Scenario(Scenario),
    Test(Test),
    Record(Record),
    Class(Class),
    Enum(Enum),
    Interface(Interface),
    /// A module constant or a field; in a class without `init` where the constructor sets it.
    Field(Field),
    Constructor(Constructor),
    /// A record's constructor without a parameter list.
    CompactConstructor(CompactConstructor),
    /// A declaration that could not be read.
    Error,
}

#[derive(Clone, Debug)]
pub struct TypeParam {
    pub id: NodeId,
    pub name: Ident,
    pub bounds: Vec<TypeExpr>,
}

#[derive(Clone, Debug)]
pub struct Param {
    pub id: NodeId,
    pub span: Span,
    pub final_: bool,
    pub ty: TypeExpr,
    pub name: Ident,
    pub default: Option<Box<Expr>>,
}

/// A function or method; `body` is `None` for `native` and abstract ones.
#[derive(Clone, Debug)]
pub struct Function {
    pub name: Ident,
    pub type_params: Vec<TypeParam>,
    pub params: Vec<Param>,
    pub ret: Box<TypeExpr>,
    pub body: Option<Block>,
}

#[derive(Clone, Debug)]
pub struct Field {
    pub ty: TypeExpr,
    pub name: Ident,
    pub init: Option<Box<Expr>>,
}

#[derive(Clone, Debug)]
pub struct Constructor {
    pub name: Ident,
    pub params: Vec<Param>,
    pub body: Block,
}

#[derive(Clone, Debug)]
pub struct CompactConstructor {
    pub name: Ident,
    pub body: Block,
}

#[derive(Clone, Debug)]
pub struct Record {
    pub name: Ident,
    pub type_params: Vec<TypeParam>,
    pub components: Vec<Param>,
    pub implements: Vec<TypeExpr>,
    pub members: Vec<Item>,
}

#[derive(Clone, Debug)]
pub struct Class {
    pub name: Ident,
    pub type_params: Vec<TypeParam>,
    pub implements: Vec<TypeExpr>,
    pub members: Vec<Item>,
}

#[derive(Clone, Debug)]
pub struct Enum {
    pub name: Ident,
    pub implements: Vec<TypeExpr>,
    pub constants: Vec<EnumConstant>,
    pub members: Vec<Item>,
}

#[derive(Clone, Debug)]
pub struct EnumConstant {
    pub id: NodeId,
    pub name: Ident,
    pub args: Vec<Arg>,
}

#[derive(Clone, Debug)]
pub struct Interface {
    pub name: Ident,
    pub type_params: Vec<TypeParam>,
    pub extends: Vec<TypeExpr>,
    pub permits: Vec<TypeExpr>,
    pub members: Vec<Item>,
}

// ---- declarations for operations ----

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Monitor,
    Analyze,
    Recover,
    Respond,
}

#[derive(Clone, Debug)]
pub struct Task {
    pub role: Option<Role>,
    pub name: Ident,
    pub params: Vec<Param>,
    pub body: Block,
    pub undo: Option<Block>,
}

#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: Ident,
    pub params: Vec<Param>,
    /// The argument of `on nodes(...)`.
    pub selector: Option<Box<Expr>>,
    pub guard: Vec<GuardRule>,
    pub states: Vec<State>,
}

/// `at most COUNT [%] [recovering] [per DURATION];`
#[derive(Clone, Debug)]
pub struct GuardRule {
    pub span: Span,
    pub count: Expr,
    pub percent: bool,
    pub recovering: bool,
    pub per: Option<Box<Expr>>,
}

#[derive(Clone, Debug)]
pub struct State {
    pub id: NodeId,
    pub span: Span,
    pub initial: bool,
    pub final_: bool,
    pub name: Ident,
    pub clauses: Vec<Clause>,
}

#[derive(Clone, Debug)]
pub struct Clause {
    pub id: NodeId,
    pub span: Span,
    pub kind: ClauseKind,
}

#[derive(Clone, Debug)]
pub enum ClauseKind {
    /// `monitor T(args) every 5s failing 3;` and the like for the other roles.
    Step {
        role: Role,
        task: Ident,
        args: Vec<Arg>,
        options: Vec<StepOption>,
    },
    /// `when log KEY AGG(FIELD) over WINDOW CMP VALUE go STATE;`
    When {
        key: Box<Expr>,
        aggregate: Ident,
        field: Option<Ident>,
        over: Box<Expr>,
        op: BinaryOp,
        value: Box<Expr>,
        go: Ident,
    },
    /// `on success|failure go STATE [after DURATION];`
    On {
        success: bool,
        go: Ident,
        after: Option<Expr>,
    },
    Error,
}

#[derive(Clone, Debug)]
pub struct StepOption {
    pub span: Span,
    pub kind: StepOptionKind,
}

#[derive(Clone, Debug)]
pub enum StepOptionKind {
    Every(Expr),
    Failing(Expr),
    Within(Expr),
    Retry {
        times: Expr,
        every: Option<Box<Expr>>,
    },
    Verify {
        task: Ident,
        args: Vec<Arg>,
        for_: Option<Expr>,
    },
    /// `at controller`
    At(Ident),
    /// `with approval`
    WithApproval,
}

#[derive(Clone, Debug)]
pub struct Test {
    pub name: Expr,
    pub body: Block,
}

// ---- types ----

#[derive(Clone, Debug)]
pub struct TypeExpr {
    pub id: NodeId,
    pub span: Span,
    pub kind: TypeExprKind,
}

#[derive(Clone, Debug)]
pub enum TypeExprKind {
    /// `Name` or `Name<A, B>`; `int`, `double`, `boolean`, `void` are names too.
    Named {
        name: Ident,
        args: Vec<TypeExpr>,
    },
    /// `T?`
    Nullable(Box<TypeExpr>),
    /// `T!`
    Fallible(Box<TypeExpr>),
    /// `(A, B) -> R`
    Function {
        params: Vec<TypeExpr>,
        ret: Box<TypeExpr>,
    },
    Error,
}

// ---- statements ----

#[derive(Clone, Debug)]
pub struct Block {
    pub span: Span,
    pub stmts: Vec<Stmt>,
}

#[derive(Clone, Debug)]
pub struct Stmt {
    pub id: NodeId,
    pub span: Span,
    pub kind: StmtKind,
}

#[derive(Clone, Debug)]
pub enum StmtKind {
    Local(Local),
    Expr(Expr),
    If {
        cond: Expr,
        then: Box<Stmt>,
        else_: Option<Box<Stmt>>,
    },
    While {
        cond: Expr,
        body: Box<Stmt>,
    },
    DoWhile {
        body: Box<Stmt>,
        cond: Expr,
    },
    /// `init` holds one `Local`, or expression statements.
    For {
        init: Vec<Stmt>,
        cond: Option<Box<Expr>>,
        update: Vec<Expr>,
        body: Box<Stmt>,
    },
    ForEach {
        var: Box<ForEachVar>,
        iter: Expr,
        body: Box<Stmt>,
    },
    Labeled {
        label: Ident,
        body: Box<Stmt>,
    },
    Break(Option<Ident>),
    Continue(Option<Ident>),
    Return(Option<Expr>),
    Block(Block),
    /// `assert cond : message;`
    Assert {
        cond: Expr,
        message: Option<Box<Expr>>,
    },
    Switch(Switch),
    Yield(Expr),
    Fail(Expr),
    Every {
        period: Box<Expr>,
        body: Block,
    },
    Within {
        limit: Box<Expr>,
        body: Block,
        else_: Option<Box<Block>>,
    },
    Retry {
        times: Box<Expr>,
        pause: Box<Expr>,
        body: Block,
        else_: Option<Box<RetryElse>>,
    },
    /// `given CALL returns A, B, fails "text";`, in tests only.
    Given {
        target: Box<Expr>,
        answers: Vec<GivenAnswer>,
    },
    /// `verify TARGET called N [with (ARGS)];`, in tests only.
    Verify {
        target: Box<Expr>,
        times: Box<Expr>,
        with: Option<Vec<Arg>>,
    },
    /// A type or function declared where none may stand.
    Item(Box<Item>),
    Empty,
    /// Text that could not be read.
    Error,
}

/// `final int a = 1, b;`; `ty` is `None` for `var`.
#[derive(Clone, Debug)]
pub struct Local {
    pub final_: bool,
    pub ty: Option<TypeExpr>,
    pub vars: Vec<LocalVar>,
}

#[derive(Clone, Debug)]
pub struct LocalVar {
    pub id: NodeId,
    pub name: Ident,
    pub init: Option<Expr>,
}

#[derive(Clone, Debug)]
pub struct ForEachVar {
    pub id: NodeId,
    pub final_: bool,
    pub ty: Option<TypeExpr>,
    pub name: Ident,
}

/// `else (Error e) { ... }` or `else { ... }`
#[derive(Clone, Debug)]
pub struct RetryElse {
    pub error: Option<(NodeId, TypeExpr, Ident)>,
    pub body: Block,
}

#[derive(Clone, Debug)]
pub enum GivenAnswer {
    Returns(Expr),
    Fails(Expr),
}

impl GivenAnswer {
    pub fn operand(&self) -> &Expr {
        match self {
            GivenAnswer::Returns(value) | GivenAnswer::Fails(value) => value,
        }
    }
}

// ---- expressions ----

#[derive(Clone, Debug)]
pub struct Expr {
    pub id: NodeId,
    pub span: Span,
    pub kind: ExprKind,
}

#[derive(Clone, Debug)]
pub struct Arg {
    pub name: Option<Ident>,
    pub value: Expr,
}

#[derive(Clone, Debug)]
pub enum ExprKind {
    /// The magnitude; 2^63 is good only under a minus sign. Sizes (`4KiB`) are ints too.
    Int(u64),
    Double(f64),
    Bool(bool),
    Null,
    /// A code point.
    Char(u32),
    /// Nanoseconds; may be 2^63 only under a minus sign.
    Duration(u64),
    /// Text without interpolation has at most one part.
    Str(Vec<StrPart>),
    Name(Symbol),
    This,
    Paren(Box<Expr>),
    Field {
        receiver: Box<Expr>,
        name: Ident,
    },
    Index {
        receiver: Box<Expr>,
        index: Box<Expr>,
    },
    /// `callee` is a name or a field for plain calls.
    Call {
        callee: Box<Expr>,
        args: Vec<Arg>,
    },
    New {
        ty: Box<TypeExpr>,
        args: Vec<Arg>,
    },
    Unary {
        op: UnaryOp,
        operand: Box<Expr>,
    },
    /// `++x`, `x--`: `delta` is 1 or -1.
    Step {
        target: Box<Expr>,
        delta: i8,
        prefix: bool,
    },
    /// One operator that does not chain: comparisons.
    Binary {
        op: BinaryOp,
        op_span: Span,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// `a + b - c`: left-associative operators of one precedence, at least one in `rest`.
    Chain {
        first: Box<Expr>,
        rest: Vec<ChainLink>,
    },
    /// `target = value`, or `target op= value`.
    Assign {
        op: Option<BinaryOp>,
        op_span: Span,
        target: Box<Expr>,
        value: Box<Expr>,
    },
    Conditional {
        cond: Box<Expr>,
        then: Box<Expr>,
        else_: Box<Expr>,
    },
    /// `a ?? b`
    Coalesce {
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Lambda(Box<Lambda>),
    Cast {
        ty: Box<TypeExpr>,
        operand: Box<Expr>,
    },
    InstanceOf {
        operand: Box<Expr>,
        pattern: Box<Pattern>,
    },
    Switch(Box<Switch>),
    /// `try e`
    Try(Box<Expr>),
    /// `fail e` where an expression may stand (right of `??`, in an arm).
    Fail(Box<Expr>),
    List(Vec<Expr>),
    /// `{k: v}`; `{:}` is empty.
    Map(Vec<(Expr, Expr)>),
    /// `VMStat.class`
    ClassOf(Box<TypeExpr>),
    /// `a..b`
    Range {
        low: Box<Expr>,
        high: Box<Expr>,
    },
    /// `scenario Name(args)` as an argument of `run`.
    ScenarioRef {
        name: Ident,
        args: Vec<Arg>,
    },
    /// Text that could not be read.
    Error,
}

#[derive(Clone, Debug)]
pub struct ChainLink {
    pub op: BinaryOp,
    pub op_span: Span,
    pub operand: Expr,
}

#[derive(Clone, Debug)]
pub enum StrPart {
    /// Escapes are resolved.
    Text(Box<str>),
    Expr(Expr),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    Neg,
    Plus,
    Not,
    BitNot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    Shl,
    Shr,
    UShr,
    BitAnd,
    BitOr,
    BitXor,
    And,
    Or,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

#[derive(Clone, Debug)]
pub struct Lambda {
    pub params: Vec<LambdaParam>,
    pub body: LambdaBody,
}

#[derive(Clone, Debug)]
pub struct LambdaParam {
    pub id: NodeId,
    pub ty: Option<TypeExpr>,
    pub name: Ident,
}

#[derive(Clone, Debug)]
pub enum LambdaBody {
    Expr(Box<Expr>),
    Block(Block),
}

#[derive(Clone, Debug)]
pub struct Switch {
    /// The word `switch`.
    pub keyword: Span,
    pub subject: Box<Expr>,
    pub arms: Vec<SwitchArm>,
}

impl Switch {
    /// The arms in the order in which they are tried: `default` comes behind the constants that stand behind it.
    pub fn tried(&self) -> impl Iterator<Item = &SwitchArm> {
        let is_default = |arm: &SwitchArm| arm.labels.iter().any(|l| matches!(l, SwitchLabel::Default(_)));
        let is_constant = |arm: &SwitchArm| arm.labels.iter().all(|l| matches!(l, SwitchLabel::Value(_)));
        let default = self.arms.iter().position(is_default).unwrap_or(self.arms.len());
        let (before, rest) = self.arms.split_at(default);
        let (default, behind) = rest.split_at(rest.len().min(1));
        let constants = behind.iter().filter(move |arm| is_constant(arm));
        let others = behind.iter().filter(move |arm| !is_constant(arm));
        before.iter().chain(constants).chain(default).chain(others)
    }
}

#[derive(Clone, Debug)]
pub struct SwitchArm {
    pub span: Span,
    /// `default ->` is one label.
    pub labels: Vec<SwitchLabel>,
    pub guard: Option<Expr>,
    pub body: ArmBody,
}

#[derive(Clone, Debug)]
pub enum SwitchLabel {
    Default(Span),
    Null(Span),
    /// A constant, or the name of one.
    Value(Expr),
    Pattern(Pattern),
}

#[derive(Clone, Debug)]
pub enum ArmBody {
    Expr(Expr),
    Block(Block),
}

#[derive(Clone, Debug)]
pub struct Pattern {
    pub id: NodeId,
    pub span: Span,
    pub kind: PatternKind,
}

#[derive(Clone, Debug)]
pub enum PatternKind {
    /// `Circle c`, `var x` (no type), or in `instanceof` a bare `Circle` (no name).
    Type { ty: Option<TypeExpr>, name: Option<Ident> },
    /// `Point(int x, var y)`
    Record { ty: TypeExpr, parts: Vec<Pattern> },
}
