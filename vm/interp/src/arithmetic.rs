//! Traps of int arithmetic: they show the operands as what the program has them for. A register knows no type but its
//! kind; the image says which instructions have Durations and Times for operands.

use crate::format::{duration_text, time_text};
use crate::native::Trapped;
use crate::vm::{Vm, trapped};
use dscript_bytecode::image::TimeOperands;
use dscript_bytecode::trap::TrapKind;

/// An operation with its operands.
#[derive(Clone, Copy, Debug)]
pub enum Operation {
    Binary(i64, char, i64),
    Negation(i64),
}

impl Operation {
    /// The trap of an operation whose result does not fit.
    pub fn overflow(self, operands: Option<TimeOperands>) -> Trapped {
        let result = Unit::of_result(operands, self).name();
        trapped(TrapKind::Overflow, format!("{} does not fit {result}", self.text(operands)))
    }

    /// The trap of a division by zero.
    pub fn by_zero(self, operands: Option<TimeOperands>) -> Trapped {
        trapped(TrapKind::DivisionByZero, self.text(operands))
    }

    fn text(self, operands: Option<TimeOperands>) -> String {
        let [left, right] = Unit::of_operands(operands);
        match self {
            Operation::Binary(a, sign, b) => format!("{} {sign} {}", left.text(a), right.text(b)),
            Operation::Negation(a) => format!("-({})", left.text(a)),
        }
    }
}

#[derive(Clone, Copy)]
enum Unit {
    Int,
    Duration,
    Time,
}

impl Unit {
    fn of_operands(operands: Option<TimeOperands>) -> [Unit; 2] {
        match operands {
            None => [Unit::Int; 2],
            Some(TimeOperands::Durations) => [Unit::Duration; 2],
            Some(TimeOperands::DurationInt) => [Unit::Duration, Unit::Int],
            Some(TimeOperands::TimeDuration) => [Unit::Time, Unit::Duration],
            Some(TimeOperands::Times) => [Unit::Time; 2],
        }
    }

    fn of_result(operands: Option<TimeOperands>, operation: Operation) -> Unit {
        match (operands, operation) {
            (None, _) | (Some(TimeOperands::Durations), Operation::Binary(_, '/', _)) => Unit::Int,
            (Some(TimeOperands::TimeDuration), _) => Unit::Time,
            _ => Unit::Duration,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Unit::Int => "an int",
            Unit::Duration => "a Duration",
            Unit::Time => "a Time",
        }
    }

    fn text(self, value: i64) -> String {
        match self {
            Unit::Int => value.to_string(),
            Unit::Duration => duration_text(value),
            Unit::Time => time_text(value),
        }
    }
}

impl Vm {
    /// What the operands of the innermost instruction are, which is noted and traps.
    pub(crate) fn time_operands(&self) -> Option<TimeOperands> {
        let mut innermost = None;
        self.calls(|function, pc| {
            innermost = Some((function, pc));
            false
        });
        let (function, pc) = innermost?;
        self.program.image().time_operands(function, pc)
    }
}
