//! Writes the steps whose operands may be in memory: chooses the handler by how each operand is found.

use super::emit::{Emitter, lanes, power_of_two};
use super::op::{BinaryOp, DoubleOp, Index, Source, Test};
use super::{Form, Handler, operands as o};
use dscript_bytecode::ids::*;

/// How an operand is found; there is a type of each name in `operands`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Register,
    Constant,
    Field,
    Element,
    Shifted,
    Nested,
    ShiftedNested,
    Bool,
}

fn shape(source: &Source) -> Shape {
    match source {
        Source::Register(_) => Shape::Register,
        Source::Constant(_) => Shape::Constant,
        Source::Field { .. } => Shape::Field,
        Source::Element { at: Index { shift: None, .. }, .. } => Shape::Element,
        Source::Element { .. } => Shape::Shifted,
        Source::Nested { row: Index { shift: None, .. }, at: Index { shift: None, .. }, .. } => Shape::Nested,
        Source::Nested { .. } => Shape::ShiftedNested,
        Source::Bool { .. } => Shape::Bool,
    }
}

/// The handler for a place, as the type `$P`.
macro_rules! by_place {
    (of elements $place:expr, |$P:ident| $handler:expr) => {
        by_place!(@ $place, $P, $handler, Element Shifted Nested ShiftedNested)
    };
    ($place:expr, |$P:ident| $handler:expr) => {
        by_place!(@ $place, $P, $handler, Field Element Shifted Nested ShiftedNested)
    };
    (@ $place:expr, $P:ident, $handler:expr, $($shape:ident)*) => {
        match shape($place) {
            $(Shape::$shape => {
                type $P = o::$shape;
                let handler: Handler = $handler;
                handler
            })*
            other => panic!("{other:?} is no place"),
        }
    };
}

/// The handler for two operands, of which one at least is in memory, and both in one kind of place or only one.
macro_rules! by_pair {
    ($a:expr, $b:expr, |$A:ident, $B:ident| $handler:expr) => {
        by_pair!(@ $a, $b, $A, $B, $handler, Field Element Shifted Nested ShiftedNested)
    };
    (@ $a:expr, $b:expr, $A:ident, $B:ident, $handler:expr, $($shape:ident)*) => {
        match (shape($a), shape($b)) {
            $(
                (Shape::$shape, Shape::$shape) => by_pair!(! $A $shape, $B $shape, $handler),
                (Shape::$shape, Shape::Register) => by_pair!(! $A $shape, $B Register, $handler),
                (Shape::Register, Shape::$shape) => by_pair!(! $A Register, $B $shape, $handler),
                (Shape::$shape, Shape::Constant) => by_pair!(! $A $shape, $B Constant, $handler),
                (Shape::Constant, Shape::$shape) => by_pair!(! $A Constant, $B $shape, $handler),
            )*
            (Shape::Register, Shape::Constant) => by_pair!(! $A Register, $B Constant, $handler),
            (Shape::Constant, Shape::Register) => by_pair!(! $A Constant, $B Register, $handler),
            (Shape::Register, Shape::Register) => by_pair!(! $A Register, $B Register, $handler),
            other => panic!("no handler has operands like {other:?}"),
        }
    };
    (! $A:ident $a:ident, $B:ident $b:ident, $handler:expr) => {{
        type $A = o::$a;
        type $B = o::$b;
        let handler: Handler = $handler;
        handler
    }};
}

/// The handler of an operation.
macro_rules! by_operation {
    ($op:expr, |$O:ident| $handler:expr) => {
        by_operation!(@ $op, $O, $handler, BinaryOp::AddInt => AddInt, BinaryOp::SubInt => SubInt,
            BinaryOp::MulInt => MulInt, BinaryOp::Double(DoubleOp::Add) => AddDouble,
            BinaryOp::Double(DoubleOp::Sub) => SubDouble, BinaryOp::Double(DoubleOp::Mul) => MulDouble,
            BinaryOp::Double(DoubleOp::Div) => DivDouble)
    };
    (@ $op:expr, $O:ident, $handler:expr, $($pattern:pat => $name:ident),*) => {
        match $op {
            $($pattern => {
                type $O = o::$name;
                $handler
            })*
        }
    };
}

/// The handlers of a branch, ahead and back; those of mirrored tests are for elements only.
macro_rules! by_test {
    ($test:expr, $a:expr, $b:expr, $($name:ident)* ; $($mirrored:ident)*) => {
        match $test {
            $(Test::$name => [
                by_pair!($a, $b, |A, B| o::branch::<o::$name, A, B, false>),
                by_pair!($a, $b, |A, B| o::branch::<o::$name, A, B, true>),
            ],)*
            $(Test::$mirrored => [
                by_place!(of elements $a, |E| o::branch::<o::$mirrored, E, E, false>),
                by_place!(of elements $a, |E| o::branch::<o::$mirrored, E, E, true>),
            ],)*
            Test::True => match shape($a) {
                Shape::Field => both!(True, Field),
                _ => both!(True, Bool),
            },
            Test::False => match shape($a) {
                Shape::Field => both!(False, Field),
                _ => both!(False, Bool),
            },
        }
    };
}

/// Of a boolean.
macro_rules! both {
    ($test:ident, $place:ident) => {
        [
            o::branch::<o::$test, o::$place, o::Constant, false> as Handler,
            o::branch::<o::$test, o::$place, o::Constant, true> as Handler,
        ]
    };
}

/// The register of an operand that is in one.
fn register(source: &Source) -> u16 {
    match source {
        Source::Register(s) => s.0,
        _ => 0,
    }
}

impl Emitter<'_> {
    /// The words of an operand.
    fn operand(&mut self, source: &Source) {
        match source {
            Source::Register(_) => {}
            Source::Constant(bits) => self.words.push(*bits),
            Source::Field { object, slot } => self.words.push(lanes(object.0, 1 + slot.0, 0, 0)),
            Source::Element { list, at } | Source::Bool { list, at } => {
                self.index(Some(*list), at, at.shift.is_some())
            }
            Source::Nested { lists, row, at } => {
                let shifted = row.shift.is_some() || at.shift.is_some();
                self.index(Some(*lists), row, shifted);
                self.index(None, at, shifted);
            }
        }
    }

    /// A list, unless it is found before, and an index, each with a word for its traps.
    fn index(&mut self, list: Option<R>, index: &Index, shifted: bool) {
        self.note(index.pc as usize);
        self.words.push(match list {
            Some(list) => lanes(list.0, index.reg.0, 0, 0),
            None => lanes(index.reg.0, 0, 0, 0),
        });
        if !shifted {
            return;
        }
        match &index.shift {
            Some(shift) => {
                self.note(shift.pc as usize);
                self.note_form(shift.form);
                self.words.push(i64::from(shift.value) as u64);
            }
            None => self.words.push(0),
        }
    }

    pub(super) fn load_from(&mut self, from: &Source, dst: S) {
        self.op(by_place!(from, |P| o::load::<P>), lanes(0, 0, dst.0, 0));
        self.operand(from);
    }

    pub(super) fn binary(&mut self, op: BinaryOp, a: &Source, b: &Source, dst: S) {
        let handler = by_operation!(op, |O| by_pair!(a, b, |A, B| o::binary::<O, A, B>));
        self.op(handler, lanes(register(a), register(b), dst.0, 0));
        self.operand(a);
        self.operand(b);
    }

    pub(super) fn branch_by(&mut self, test: Test, a: &Source, b: &Source, pc: u32, to: Label) {
        let handlers = by_test!(test, a, b, Eq Ne Lt Le LtDouble LeDouble NotLtDouble NotLeDouble;
            Gt Ge GtDouble GeDouble NotGtDouble NotGeDouble);
        self.branch(handlers, pc, register(a), register(b), to);
        self.operand(a);
        self.operand(b);
    }

    pub(super) fn mul_add(&mut self, op: DoubleOp, a: &Source, b: &Source, c: S, dst: S) {
        let handler = match op {
            DoubleOp::Add => by_pair!(a, b, |A, B| o::mul_add::<o::AddDouble, A, B>),
            _ => by_pair!(a, b, |A, B| o::mul_add::<o::SubDouble, A, B>),
        };
        self.op(handler, lanes(register(a), register(b), c.0, dst.0));
        self.operand(a);
        self.operand(b);
    }

    pub(super) fn mul_add_int(&mut self, (product, form): (u32, Form), a: S, b: &Source, c: &Source, dst: S) {
        let handler: Handler = match (b.is_register(), c.is_register()) {
            (true, true) => o::mul_add_int::<o::Register, o::Register>,
            (true, false) => o::mul_add_int::<o::Register, o::Constant>,
            (false, true) => o::mul_add_int::<o::Constant, o::Register>,
            (false, false) => o::mul_add_int::<o::Constant, o::Constant>,
        };
        let second = self.words.len() + 1;
        self.op(handler, lanes(a.0, register(b), register(c), dst.0));
        self.note_at(second, product as usize);
        if form != Form::Written {
            self.code.forms.push((second as u32, form));
        }
        self.operand(b);
        self.operand(c);
    }

    /// Jumps where the remainder of a division by `b` is the value, or is not.
    pub(super) fn branch_by_remainder(
        &mut self,
        remainder: usize,
        a: S,
        b: &Source,
        (value, equal): (i32, bool),
        pc: u32,
        to: Label,
    ) {
        let constant = match b {
            Source::Constant(value) => *value as i64,
            _ => 0,
        };
        let power = power_of_two(constant);
        let handlers: [Handler; 2] = match (b, power, equal) {
            (Source::Register(_), _, true) => {
                [o::if_rem::<o::ByRegister, true, false>, o::if_rem::<o::ByRegister, true, true>]
            }
            (Source::Register(_), _, false) => {
                [o::if_rem::<o::ByRegister, false, false>, o::if_rem::<o::ByRegister, false, true>]
            }
            (_, Some(_), true) => [o::if_rem::<o::ByPower, true, false>, o::if_rem::<o::ByPower, true, true>],
            (_, Some(_), false) => {
                [o::if_rem::<o::ByPower, false, false>, o::if_rem::<o::ByPower, false, true>]
            }
            (_, None, true) => {
                [o::if_rem::<o::ByConstant, true, false>, o::if_rem::<o::ByConstant, true, true>]
            }
            (_, None, false) => {
                [o::if_rem::<o::ByConstant, false, false>, o::if_rem::<o::ByConstant, false, true>]
            }
        };
        self.branch(handlers, pc, a.0, register(b), to);
        self.note(remainder);
        let divisor = if power.is_some() { constant as u32 - 1 } else { constant as u32 };
        self.words.push(u64::from(value as u32) | u64::from(divisor) << 32);
    }

    pub(super) fn store(&mut self, to: &Source, value: &Source) {
        let handler = match shape(value) {
            Shape::Register => by_place!(to, |P| o::store::<P, o::Register>),
            Shape::Constant => by_place!(to, |P| o::store::<P, o::Constant>),
            Shape::Element => by_place!(to, |P| o::store::<P, o::Element>),
            Shape::Shifted => by_place!(to, |P| o::store::<P, o::Shifted>),
            other => panic!("no step stores {other:?}"),
        };
        self.op(handler, lanes(register(value), 0, 0, 0));
        self.operand(to);
        self.operand(value);
    }

    pub(super) fn change(&mut self, op: BinaryOp, to: &Source, b: &Source) {
        let handler = by_operation!(op, |O| match b {
            Source::Register(_) => by_place!(to, |P| o::change::<O, P, o::Register>),
            _ => by_place!(to, |P| o::change::<O, P, o::Constant>),
        });
        self.op(handler, lanes(register(b), 0, 0, 0));
        self.operand(to);
        self.operand(b);
    }

    pub(super) fn change_mul(&mut self, op: DoubleOp, a: S, b: S, object: R, slot: Slot) {
        let handler: Handler = match op {
            DoubleOp::Add => o::change_mul::<o::AddDouble>,
            _ => o::change_mul::<o::SubDouble>,
        };
        self.op(handler, lanes(a.0, b.0, 0, 0));
        self.operand(&Source::Field { object, slot });
    }

    pub(super) fn swap(&mut self, a: &Source, b: &Source) {
        let shifted = [a, b].iter().any(|place| shape(place) == Shape::Shifted);
        let handler: Handler = if shifted { o::swap::<o::Shifted> } else { o::swap::<o::Element> };
        self.op(handler, 0);
        for place in [a, b] {
            if let Source::Element { list, at } = place {
                self.index(Some(*list), at, shifted);
            }
        }
    }

    pub(super) fn choose(&mut self, test: Test, regs: [S; 4], dst: S) {
        let [a, b, x, y] = regs;
        let handler: Handler = if test == Test::Le { o::choose::<o::Le> } else { o::choose::<o::Lt> };
        self.op(handler, lanes(a.0, b.0, x.0, y.0));
        self.words.push(dst.0.into());
    }
}
