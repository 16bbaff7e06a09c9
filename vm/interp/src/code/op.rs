//! The steps that the portable instructions of a function become: what each reads, writes and may do.

use super::Form;
use dscript_bytecode::ids::*;
use dscript_bytecode::instr::{Instr, Renamer, Visitor};

/// One step of a function; it stands for the instruction at `pc`.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub pc: u32,
    pub op: Op,
}

#[derive(Clone, Debug)]
pub(super) enum Op {
    /// Nothing is left of the instruction.
    Gone,
    Plain(Instr),
    IntImm {
        op: IntOp,
        form: Form,
        a: S,
        value: i32,
        dst: S,
    },
    /// With a constant too large for `IntImm`.
    IntConst {
        op: IntOp,
        form: Form,
        a: S,
        value: i64,
        dst: S,
    },
    DoubleConst {
        op: DoubleOp,
        a: S,
        value: f64,
        left: bool,
        dst: S,
    },
    IfImm {
        cond: Cond,
        a: S,
        value: i16,
        to: Label,
    },
    /// Reads a scalar that `from` says.
    Load {
        from: Source,
        dst: S,
    },
    Binary {
        op: BinaryOp,
        form: Form,
        a: Source,
        b: Source,
        dst: S,
    },
    Branch {
        test: Test,
        a: Source,
        b: Source,
        to: Label,
    },
    /// `c + a * b` or `c - a * b`, each rounded twice as the two operations are.
    MulAdd {
        op: DoubleOp,
        a: Source,
        b: Source,
        c: S,
        dst: S,
    },
    /// `a * b + c` of ints; the product is that of the step `product`.
    MulAddInt {
        product: u32,
        product_form: Form,
        form: Form,
        a: S,
        b: Source,
        c: Source,
        dst: S,
    },
    /// Jumps where the remainder of `a`, by the step `remainder`, is the value, or is not.
    IfRem {
        remainder: u32,
        a: S,
        b: Source,
        value: i32,
        equal: bool,
        to: Label,
    },
    Store {
        to: Source,
        value: Source,
    },
    StoreBool {
        list: R,
        index: S,
        value: bool,
    },
    /// Does an operation, that of the step `operation`, on what is stored there.
    Change {
        operation: u32,
        op: BinaryOp,
        form: Form,
        to: Source,
        b: Source,
    },
    /// Adds a product to a field, or takes it away.
    ChangeMul {
        op: DoubleOp,
        a: S,
        b: S,
        object: R,
        slot: Slot,
    },
    /// Exchanges two elements of a list.
    Swap {
        a: Source,
        b: Source,
    },
    /// `x` where `a < b`, or `a <= b`, and else `y`.
    Choose {
        test: Test,
        a: S,
        b: S,
        x: S,
        y: S,
        dst: S,
    },
}

/// Where an operand is. Elements are those of lists of scalars in whole words; a step is named where reading one may trap.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Source {
    Register(S),
    Constant(u64),
    Field {
        object: R,
        slot: Slot,
    },
    Element {
        list: R,
        at: Index,
    },
    /// The element of a list that is the element of a list.
    Nested {
        lists: R,
        row: Index,
        at: Index,
    },
    /// A list of booleans.
    Bool {
        list: R,
        at: Index,
    },
}

/// An index into a list, and the step that reads it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Index {
    pub pc: u32,
    pub reg: S,
    pub shift: Option<Shift>,
}

/// A constant that the step adds to an index.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shift {
    pub pc: u32,
    pub form: Form,
    pub value: i32,
}

/// Operations on an int and a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IntOp {
    Add,
    Mul,
    And,
    Shl,
    Shr,
    UShr,
    /// The constant is above 0, as of the next.
    Div,
    Rem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DoubleOp {
    Add,
    Sub,
    Mul,
    Div,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BinaryOp {
    AddInt,
    SubInt,
    MulInt,
    Double(DoubleOp),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cond {
    Eq,
    Ne,
    Lt,
    Ge,
}

/// What a branch asks of two operands, or of a boolean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Eq,
    Ne,
    Lt,
    Le,
    LtDouble,
    LeDouble,
    NotLtDouble,
    NotLeDouble,
    Gt,
    Ge,
    GtDouble,
    GeDouble,
    NotGtDouble,
    NotGeDouble,
    True,
    False,
}

impl Test {
    /// The same of the operands the other way round.
    pub fn mirrored(self) -> Option<Test> {
        Some(match self {
            Test::Eq | Test::Ne => self,
            Test::Lt => Test::Gt,
            Test::Le => Test::Ge,
            Test::LtDouble => Test::GtDouble,
            Test::LeDouble => Test::GeDouble,
            Test::NotLtDouble => Test::NotGtDouble,
            Test::NotLeDouble => Test::NotGeDouble,
            _ => return None,
        })
    }
}

/// What a step does besides writing its registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effect {
    None,
    /// It may trap.
    Traps,
    /// It may write what others read, or call.
    Writes,
}

impl Index {
    pub fn new(pc: usize, reg: S) -> Self {
        Index { pc: pc as u32, reg, shift: None }
    }
}

impl Source {
    pub fn is_register(&self) -> bool {
        matches!(self, Source::Register(_))
    }

    /// Whether it is in memory.
    pub fn is_place(&self) -> bool {
        !matches!(self, Source::Register(_) | Source::Constant(_))
    }

    /// The step that looks for it first, where that may trap.
    pub fn looked_for_at(&self) -> Option<u32> {
        match self {
            Source::Element { at: index, .. }
            | Source::Bool { at: index, .. }
            | Source::Nested { row: index, .. } => Some(index.pc),
            Source::Register(_) | Source::Constant(_) | Source::Field { .. } => None,
        }
    }

    /// Whether both are the same field or element.
    pub fn is_same(&self, other: &Source) -> bool {
        let same = |x: &Index, y: &Index| {
            let value = |of: &Index| of.shift.as_ref().map_or(0, |shift| shift.value);
            x.reg == y.reg && value(x) == value(y)
        };
        match (self, other) {
            (Source::Element { list, at }, Source::Element { list: l, at: a }) => list == l && same(at, a),
            (Source::Nested { lists, row, at }, Source::Nested { lists: l, row: r, at: a }) => {
                lists == l && same(row, r) && same(at, a)
            }
            (a, b) => a == b,
        }
    }

    fn effect(&self) -> Effect {
        match self {
            Source::Register(_) | Source::Constant(_) | Source::Field { .. } => Effect::None,
            Source::Element { .. } | Source::Nested { .. } | Source::Bool { .. } => Effect::Traps,
        }
    }

    fn visit<V: Visitor>(&self, visitor: &mut V) {
        match self {
            Source::Register(s) => visitor.use_scalar(*s, None),
            Source::Constant(_) => {}
            Source::Field { object, .. } => visitor.use_ref(*object),
            Source::Element { list, at } | Source::Bool { list, at } => {
                visitor.use_ref(*list);
                visitor.use_scalar(at.reg, None);
            }
            Source::Nested { lists, row, at } => {
                visitor.use_ref(*lists);
                visitor.use_scalar(row.reg, None);
                visitor.use_scalar(at.reg, None);
            }
        }
    }

    fn rename<N: Renamer>(&mut self, renamer: &mut N) {
        match self {
            Source::Register(s) => renamer.use_scalar(s),
            Source::Constant(_) => {}
            Source::Field { object, .. } => renamer.use_ref(object),
            Source::Element { list, at } | Source::Bool { list, at } => {
                renamer.use_ref(list);
                renamer.use_scalar(&mut at.reg);
            }
            Source::Nested { lists, row, at } => {
                renamer.use_ref(lists);
                renamer.use_scalar(&mut row.reg);
                renamer.use_scalar(&mut at.reg);
            }
        }
    }
}

impl Op {
    pub fn visit<V: Visitor>(&self, visitor: &mut V) {
        match self {
            Op::Gone => {}
            Op::Plain(instr) => instr.visit(visitor),
            Op::IntImm { a, dst, .. } | Op::IntConst { a, dst, .. } | Op::DoubleConst { a, dst, .. } => {
                visitor.use_scalar(*a, None);
                visitor.def_scalar(*dst, None);
            }
            Op::IfImm { a, to, .. } => {
                visitor.use_scalar(*a, None);
                visitor.label(*to);
            }
            Op::Load { from, dst } => {
                from.visit(visitor);
                visitor.def_scalar(*dst, None);
            }
            Op::Binary { a, b, dst, .. } => {
                a.visit(visitor);
                b.visit(visitor);
                visitor.def_scalar(*dst, None);
            }
            Op::Branch { a, b, to, .. } => {
                a.visit(visitor);
                b.visit(visitor);
                visitor.label(*to);
            }
            Op::MulAdd { a, b, c, dst, .. } => {
                a.visit(visitor);
                b.visit(visitor);
                visitor.use_scalar(*c, None);
                visitor.def_scalar(*dst, None);
            }
            Op::MulAddInt { a, b, c, dst, .. } => {
                visitor.use_scalar(*a, None);
                b.visit(visitor);
                c.visit(visitor);
                visitor.def_scalar(*dst, None);
            }
            Op::IfRem { a, b, to, .. } => {
                visitor.use_scalar(*a, None);
                b.visit(visitor);
                visitor.label(*to);
            }
            Op::Store { to, value: b } | Op::Change { to, b, .. } | Op::Swap { a: to, b } => {
                to.visit(visitor);
                b.visit(visitor);
            }
            Op::StoreBool { list, index, .. } => {
                visitor.use_ref(*list);
                visitor.use_scalar(*index, None);
            }
            Op::ChangeMul { a, b, object, .. } => {
                visitor.use_scalar(*a, None);
                visitor.use_scalar(*b, None);
                visitor.use_ref(*object);
            }
            Op::Choose { a, b, x, y, dst, .. } => {
                for reg in [a, b, x, y] {
                    visitor.use_scalar(*reg, None);
                }
                visitor.def_scalar(*dst, None);
            }
        }
    }

    pub fn rename<N: Renamer>(&mut self, renamer: &mut N) {
        match self {
            Op::Gone => {}
            Op::Plain(instr) => instr.rename(renamer),
            Op::IntImm { a, dst, .. } | Op::IntConst { a, dst, .. } | Op::DoubleConst { a, dst, .. } => {
                renamer.use_scalar(a);
                renamer.def_scalar(dst);
            }
            Op::IfImm { a, .. } => renamer.use_scalar(a),
            Op::Load { from, dst } => {
                from.rename(renamer);
                renamer.def_scalar(dst);
            }
            Op::Binary { a, b, dst, .. } => {
                a.rename(renamer);
                b.rename(renamer);
                renamer.def_scalar(dst);
            }
            Op::Branch { a, b, .. } => {
                a.rename(renamer);
                b.rename(renamer);
            }
            Op::MulAdd { a, b, c, dst, .. } => {
                a.rename(renamer);
                b.rename(renamer);
                renamer.use_scalar(c);
                renamer.def_scalar(dst);
            }
            Op::MulAddInt { a, b, c, dst, .. } => {
                renamer.use_scalar(a);
                b.rename(renamer);
                c.rename(renamer);
                renamer.def_scalar(dst);
            }
            Op::IfRem { a, b, .. } => {
                renamer.use_scalar(a);
                b.rename(renamer);
            }
            Op::Store { to, value: b } | Op::Change { to, b, .. } | Op::Swap { a: to, b } => {
                to.rename(renamer);
                b.rename(renamer);
            }
            Op::StoreBool { list, index, .. } => {
                renamer.use_ref(list);
                renamer.use_scalar(index);
            }
            Op::ChangeMul { a, b, object, .. } => {
                renamer.use_scalar(a);
                renamer.use_scalar(b);
                renamer.use_ref(object);
            }
            Op::Choose { a, b, x, y, dst, .. } => {
                for reg in [a, b, x, y] {
                    renamer.use_scalar(reg);
                }
                renamer.def_scalar(dst);
            }
        }
    }

    /// Whether it does nothing but write its registers, and may be left out where those are dead.
    pub fn is_pure(&self) -> bool {
        self.effect() == Effect::None
    }

    pub fn effect(&self) -> Effect {
        match self {
            Op::Gone | Op::DoubleConst { .. } | Op::Choose { .. } => Effect::None,
            Op::IntImm { op: IntOp::Add | IntOp::Mul, .. }
            | Op::IntConst { op: IntOp::Add | IntOp::Mul, .. } => Effect::Traps,
            Op::IntImm { .. } | Op::IntConst { .. } => Effect::None,
            Op::Load { from, .. } => from.effect(),
            Op::Binary { op: BinaryOp::Double(_), a, b, .. } | Op::MulAdd { a, b, .. } => {
                a.effect().max(b.effect())
            }
            Op::Binary { .. } | Op::MulAddInt { .. } => Effect::Traps,
            Op::IfImm { .. }
            | Op::Branch { .. }
            | Op::IfRem { .. }
            | Op::Store { .. }
            | Op::StoreBool { .. }
            | Op::Change { .. }
            | Op::ChangeMul { .. }
            | Op::Swap { .. } => Effect::Writes,
            Op::Plain(instr) => match instr {
                Instr::MoveScalar { .. }
                | Instr::MoveRef { .. }
                | Instr::Int { .. }
                | Instr::Double { .. }
                | Instr::Bool { .. }
                | Instr::Null { .. }
                | Instr::AndInt { .. }
                | Instr::OrInt { .. }
                | Instr::XorInt { .. }
                | Instr::NotInt { .. }
                | Instr::AddDouble { .. }
                | Instr::SubDouble { .. }
                | Instr::MulDouble { .. }
                | Instr::DivDouble { .. }
                | Instr::NegDouble { .. }
                | Instr::IntToDouble { .. }
                | Instr::EqInt { .. }
                | Instr::LtInt { .. }
                | Instr::LeInt { .. }
                | Instr::EqDouble { .. }
                | Instr::LtDouble { .. }
                | Instr::LeDouble { .. }
                | Instr::EqBool { .. }
                | Instr::NotBool { .. }
                | Instr::SameRef { .. }
                | Instr::IsNull { .. }
                | Instr::GetScalar { .. }
                | Instr::GetRef { .. }
                | Instr::InstanceOf { .. }
                | Instr::ListSize { .. }
                | Instr::Version { .. } => Effect::None,
                Instr::AddInt { .. }
                | Instr::SubInt { .. }
                | Instr::MulInt { .. }
                | Instr::DivInt { .. }
                | Instr::RemInt { .. }
                | Instr::NegInt { .. }
                | Instr::AddImm { .. }
                | Instr::ShlInt { .. }
                | Instr::ShrInt { .. }
                | Instr::UShrInt { .. }
                | Instr::DoubleToInt { .. }
                | Instr::Unwrap { .. }
                | Instr::Narrow { .. }
                | Instr::ListGetScalar { .. }
                | Instr::ListGetRef { .. }
                | Instr::CheckVersion { .. } => Effect::Traps,
                _ => Effect::Writes,
            },
        }
    }

    /// Whether what it calls has a frame above that of the step.
    pub fn opens_frame(&self) -> bool {
        matches!(self, Op::Plain(Instr::Call { .. } | Instr::CallValue { .. } | Instr::CallMethod { .. }))
    }

    /// Whether a region of `within` may be left here.
    pub fn interrupts(&self) -> bool {
        let Op::Plain(instr) = self else { return false };
        matches!(
            instr,
            Instr::Call { .. }
                | Instr::CallValue { .. }
                | Instr::CallMethod { .. }
                | Instr::CallNative { .. }
                | Instr::GetStatic { .. }
                | Instr::TextRef { .. }
                | Instr::LimitEnter { .. }
                | Instr::LimitLeave {}
        )
    }
}
