//! How a fiber ends, and how that reads: the first line begins with the kind.

use crate::value::ErrorValue;
use dscript_bytecode::trap::TrapKind;
use std::fmt;

/// One place of a call stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub function: String,
    /// As `Manifest::sources` names it.
    pub file: String,
    pub line: u32,
    pub column: u32,
}

impl Frame {
    /// Whether it is in the library's own sources.
    pub fn is_library(&self) -> bool {
        self.file.starts_with("std/")
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{}:{})", self.function, self.file, self.line, self.column)
    }
}

/// A trap with the calls that led to it.
#[derive(Clone, Debug, PartialEq)]
pub struct TrapReport {
    pub kind: TrapKind,
    pub text: String,
    /// Innermost first; the middle of a very deep one is left out.
    pub stack: Vec<Frame>,
    /// Where frames are left out, and how many: after `stack[0]` of the pair come `1` more.
    pub omitted: Option<(usize, usize)>,
}

impl fmt::Display for TrapReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "trap {}", self.kind.name())?;
        if !self.text.is_empty() {
            write!(f, ": {}", self.text)?;
        }
        // A library function that traps does so for what its caller gave it: that place comes first.
        let inside = self.stack.iter().take_while(|frame| frame.is_library()).count();
        let first = if inside == self.stack.len() { 0 } else { inside };
        for (index, frame) in self.stack.iter().enumerate().skip(first) {
            if let Some((at, count)) = self.omitted
                && at == index
            {
                write!(f, "\n  ... {count} more ...")?;
            }
            write!(f, "\n  at {frame}")?;
        }
        Ok(())
    }
}

/// An error that ended a task's body.
#[derive(Clone, Debug, PartialEq)]
pub struct Failed {
    pub error: ErrorValue,
    /// `FILE:LINE:COL` where the error was made, where known.
    pub position: Option<String>,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ErrorValue { code, message, .. } = &self.error;
        match code.as_str() {
            "fail" => write!(f, "fail: {message}")?,
            code => write!(f, "error {code}: {message}")?,
        }
        let mut cause = self.error.cause.as_deref();
        // Causes come from outside as owned values and are few; 16 is more than anyone reads.
        for _ in 0..16 {
            let Some(error) = cause else { break };
            write!(f, "\n  caused by {}: {}", error.code, error.message)?;
            cause = error.cause.as_deref();
        }
        if let Some(position) = &self.position {
            write!(f, "\n  at {position}")?;
        }
        Ok(())
    }
}

/// How a fiber ended.
#[derive(Clone, Debug, PartialEq)]
pub enum FiberEnd {
    /// The body ended; an undo or a started function that gives nothing counts as true.
    Returned(bool),
    Failed(Failed),
    Trapped(TrapReport),
    Cancelled,
}

impl fmt::Display for FiberEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FiberEnd::Returned(value) => write!(f, "returned {value}"),
            FiberEnd::Failed(failed) => failed.fmt(f),
            FiberEnd::Trapped(report) => report.fmt(f),
            FiberEnd::Cancelled => f.write_str("cancelled"),
        }
    }
}
