//! Moves a tree along when the text before it becomes longer or shorter.

use crate::ast::*;
use crate::comments::Comment;
use crate::span::Span;

/// What stands at `from` or behind it moves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct By {
    pub from: u32,
    pub bytes: i64,
}

pub(crate) trait Shift {
    fn shift(&mut self, by: By);
}

impl Shift for Span {
    fn shift(&mut self, by: By) {
        // A node that was made up may stand nowhere, at 0.
        if self.start >= by.from {
            let moved = |at: u32| (i64::from(at) + by.bytes) as u32;
            *self = Span::new(moved(self.start), moved(self.end));
        }
    }
}

impl<T: Shift> Shift for Box<T> {
    fn shift(&mut self, by: By) {
        (**self).shift(by);
    }
}

impl<T: Shift> Shift for Option<T> {
    fn shift(&mut self, by: By) {
        self.iter_mut().for_each(|x| x.shift(by));
    }
}

impl<T: Shift> Shift for Vec<T> {
    fn shift(&mut self, by: By) {
        self.iter_mut().for_each(|x| x.shift(by));
    }
}

/// Structs by their fields; those behind the semicolon have no place.
macro_rules! fields {
    ($($ty:ident { $($field:ident),* $(; $($same:ident),*)? })*) => {$(
        impl Shift for $ty {
            fn shift(&mut self, by: By) {
                let $ty { $($field,)* $($($same: _),*)? } = self;
                $($field.shift(by);)*
            }
        }
    )*};
}

/// Enums by what their variants hold.
macro_rules! variants {
    ($($ty:ident { $($pattern:pat => $($part:ident)*;)* })*) => {$(
        impl Shift for $ty {
            fn shift(&mut self, by: By) {
                match self {
                    $($pattern => { $($part.shift(by);)* })*
                }
            }
        }
    )*};
}

fields! {
    Import { span, path; all }
    Item { span, annotations, modifiers, kind; id }
    Annotation { span, name, args }
    Modifiers { private, static_, final_, lowlevel, native, sealed, default }
    TypeParam { name, bounds; id }
    Param { span, ty, name, default; id, final_ }
    Function { name, type_params, params, ret, body }
    Field { ty, name, init }
    Constructor { name, params, body }
    CompactConstructor { name, body }
    Record { name, type_params, components, implements, members }
    Class { name, type_params, implements, members }
    Enum { name, implements, constants, members }
    EnumConstant { name, args; id }
    Interface { name, type_params, extends, permits, members }
    Task { name, params, body, undo; role }
    Scenario { name, params, selector, guard, states }
    GuardRule { span, count, per; percent, recovering }
    State { span, name, clauses; id, initial, final_ }
    Clause { span, kind; id }
    StepOption { span, kind }
    Test { name, body }
    TypeExpr { span, kind; id }
    Block { span, stmts }
    Stmt { span, kind; id }
    Local { ty, vars; final_ }
    LocalVar { name, init; id }
    ForEachVar { ty, name; id, final_ }
    Expr { span, kind; id }
    Arg { name, value }
    ChainLink { op_span, operand; op }
    Lambda { params, body }
    LambdaParam { ty, name; id }
    Switch { keyword, subject, arms }
    SwitchArm { span, labels, guard, body }
    Pattern { span, kind; id }
    Ident { span; name }
    Comment { span; doc, line }
}

variants! {
    ItemKind {
        ItemKind::Function(x) => x;
        ItemKind::Task(x) => x;
        ItemKind::Scenario(x) => x;
        ItemKind::Test(x) => x;
        ItemKind::Record(x) => x;
        ItemKind::Class(x) => x;
        ItemKind::Enum(x) => x;
        ItemKind::Interface(x) => x;
        ItemKind::Field(x) => x;
        ItemKind::Constructor(x) => x;
        ItemKind::CompactConstructor(x) => x;
        ItemKind::Error => ;
    }
    ClauseKind {
        ClauseKind::Step { role: _, task, args, options } => task args options;
        ClauseKind::When { key, aggregate, field, over, op: _, value, go } => key aggregate field over value go;
        ClauseKind::On { success: _, go, after } => go after;
        ClauseKind::Error => ;
    }
    StepOptionKind {
        StepOptionKind::Every(x) | StepOptionKind::Failing(x) | StepOptionKind::Within(x) => x;
        StepOptionKind::Retry { times, every } => times every;
        StepOptionKind::Verify { task, args, for_ } => task args for_;
        StepOptionKind::At(x) => x;
        StepOptionKind::WithApproval => ;
    }
    TypeExprKind {
        TypeExprKind::Named { name, args } => name args;
        TypeExprKind::Nullable(x) | TypeExprKind::Fallible(x) => x;
        TypeExprKind::Function { params, ret } => params ret;
        TypeExprKind::Error => ;
    }
    StmtKind {
        StmtKind::Local(x) => x;
        StmtKind::Expr(x) | StmtKind::Yield(x) | StmtKind::Fail(x) => x;
        StmtKind::If { cond, then, else_ } => cond then else_;
        StmtKind::While { cond, body } | StmtKind::DoWhile { body, cond } => cond body;
        StmtKind::For { init, cond, update, body } => init cond update body;
        StmtKind::ForEach { var, iter, body } => var iter body;
        StmtKind::Labeled { label, body } => label body;
        StmtKind::Break(x) | StmtKind::Continue(x) => x;
        StmtKind::Return(x) => x;
        StmtKind::Block(x) => x;
        StmtKind::Assert { cond, message } => cond message;
        StmtKind::Switch(x) => x;
        StmtKind::Every { period, body } => period body;
        StmtKind::Within { limit, body, else_ } => limit body else_;
        StmtKind::Retry { times, pause, body, else_ } => times pause body else_;
        StmtKind::Given { target, answers } => target answers;
        StmtKind::Verify { target, times, with } => target times with;
        StmtKind::Item(x) => x;
        StmtKind::Empty | StmtKind::Error => ;
    }
    GivenAnswer {
        GivenAnswer::Returns(x) => x;
        GivenAnswer::Fails(x) => x;
    }
    ExprKind {
        ExprKind::Int(_) | ExprKind::Double(_) | ExprKind::Bool(_) | ExprKind::Null | ExprKind::Char(_) => ;
        ExprKind::Duration(_) | ExprKind::Name(_) | ExprKind::This | ExprKind::Error => ;
        ExprKind::Str(x) => x;
        ExprKind::Paren(x) | ExprKind::Try(x) | ExprKind::Fail(x) => x;
        ExprKind::Field { receiver, name } => receiver name;
        ExprKind::Index { receiver, index } => receiver index;
        ExprKind::Call { callee, args } => callee args;
        ExprKind::New { ty, args } => ty args;
        ExprKind::Unary { op: _, operand } => operand;
        ExprKind::Step { target, delta: _, prefix: _ } => target;
        ExprKind::Binary { op: _, op_span, left, right } => op_span left right;
        ExprKind::Chain { first, rest } => first rest;
        ExprKind::Assign { op: _, op_span, target, value } => op_span target value;
        ExprKind::Conditional { cond, then, else_ } => cond then else_;
        ExprKind::Coalesce { left, right } => left right;
        ExprKind::Lambda(x) => x;
        ExprKind::Cast { ty, operand } => ty operand;
        ExprKind::InstanceOf { operand, pattern } => operand pattern;
        ExprKind::Switch(x) => x;
        ExprKind::List(x) => x;
        ExprKind::Map(x) => x;
        ExprKind::ClassOf(x) => x;
        ExprKind::Range { low, high } => low high;
        ExprKind::ScenarioRef { name, args } => name args;
    }
    StrPart {
        StrPart::Text(_) => ;
        StrPart::Expr(x) => x;
    }
    LambdaBody {
        LambdaBody::Expr(x) => x;
        LambdaBody::Block(x) => x;
    }
    SwitchLabel {
        SwitchLabel::Default(x) | SwitchLabel::Null(x) => x;
        SwitchLabel::Value(x) => x;
        SwitchLabel::Pattern(x) => x;
    }
    ArmBody {
        ArmBody::Expr(x) => x;
        ArmBody::Block(x) => x;
    }
    PatternKind {
        PatternKind::Type { ty, name } => ty name;
        PatternKind::Record { ty, parts } => ty parts;
    }
}

/// An entry of a map.
impl Shift for (Expr, Expr) {
    fn shift(&mut self, by: By) {
        self.0.shift(by);
        self.1.shift(by);
    }
}

impl Shift for RetryElse {
    fn shift(&mut self, by: By) {
        let RetryElse { error, body } = self;
        if let Some((_, ty, name)) = error {
            ty.shift(by);
            name.shift(by);
        }
        body.shift(by);
    }
}
