//! The kinds of traps: bugs of a program that end its D-Task at once.

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TrapKind {
    Overflow = 0,
    DivisionByZero = 1,
    Index = 2,
    Cast = 3,
    Shift = 4,
    Assert = 5,
    Stack = 6,
    Memory = 7,
    Timeout = 8,
    /// A collection was changed while a for-each walked it.
    Changed = 9,
    /// A static's initializer needs its own value.
    Initialization = 10,
    /// A limit, period or count that makes no sense.
    Argument = 11,
    /// The engine met what the compiler had ruled out.
    Internal = 12,
    /// More was printed than the limit of the run allows.
    Output = 13,
}

impl TrapKind {
    pub const ALL: [TrapKind; 14] = [
        TrapKind::Overflow,
        TrapKind::DivisionByZero,
        TrapKind::Index,
        TrapKind::Cast,
        TrapKind::Shift,
        TrapKind::Assert,
        TrapKind::Stack,
        TrapKind::Memory,
        TrapKind::Timeout,
        TrapKind::Changed,
        TrapKind::Initialization,
        TrapKind::Argument,
        TrapKind::Internal,
        TrapKind::Output,
    ];

    pub fn from_code(code: u8) -> Option<TrapKind> {
        Self::ALL.get(code as usize).copied()
    }

    /// As reports print it, after `trap `.
    pub fn name(self) -> &'static str {
        match self {
            TrapKind::Overflow => "overflow",
            TrapKind::DivisionByZero => "division by zero",
            TrapKind::Index => "index",
            TrapKind::Cast => "cast",
            TrapKind::Shift => "shift",
            TrapKind::Assert => "assert",
            TrapKind::Stack => "stack",
            TrapKind::Memory => "memory",
            TrapKind::Timeout => "timeout",
            TrapKind::Changed => "changed while iterated",
            TrapKind::Initialization => "initialization",
            TrapKind::Argument => "argument",
            TrapKind::Internal => "internal",
            TrapKind::Output => "output",
        }
    }
}
