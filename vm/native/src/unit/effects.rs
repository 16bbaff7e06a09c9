//! What native code does for an instruction: whether it changes anything, reaches objects, or calls something.

use dscript_bytecode::ids::FunctionId;
use dscript_bytecode::instr::Instr;
use dscript_interp::door::Quick;

use super::{Intrinsic, Unit};
use crate::replaced;

/// Whether native code usually does it without a call.
fn is_in_place(quick: Quick) -> bool {
    matches!(quick, Quick::Size | Quick::IsEmpty | Quick::RemoveAt | Quick::ElementAt)
}

impl Unit<'_> {
    /// Whether an instruction that collects never changes anything but registers.
    pub fn changes(&self, instr: &Instr) -> bool {
        match instr {
            Instr::SetScalar { .. }
            | Instr::SetRef { .. }
            | Instr::ListSetScalar { .. }
            | Instr::ListSetRef { .. } => true,
            Instr::CallNative { native, .. } => !matches!(
                self.intrinsic(*native),
                Some(
                    Intrinsic::Length
                        | Intrinsic::BytesLength
                        | Intrinsic::Quick(Quick::Size | Quick::IsEmpty)
                )
            ),
            Instr::Call { function, .. } => {
                self.function(*function).code.iter().any(|instr| self.changes(instr))
            }
            _ => false,
        }
    }

    /// Whether native code reaches objects for an instruction, in the code it puts in its place included.
    pub fn uses_heap(&self, instr: &Instr) -> bool {
        match instr {
            Instr::Call { function, .. } if self.is_inlined(*function) => {
                self.function(*function).code.iter().any(|instr| self.uses_heap(instr))
            }
            Instr::Call { function, .. } => {
                self.expansion_uses_heap(*function, replaced::DEPTH_MAX)
                    || self.short_ways(*function).is_some_and(|ways| !ways.function.refs.is_empty())
            }
            Instr::CallNative { native, .. } => {
                use Intrinsic::{BytesGet, BytesLength, CharAt, Length};
                match self.intrinsic(*native) {
                    Some(Intrinsic::Quick(quick)) => is_in_place(quick),
                    intrinsic => matches!(intrinsic, Some(Length | CharAt | BytesLength | BytesGet)),
                }
            }
            Instr::New { .. }
            | Instr::ListNew { .. }
            | Instr::GetScalar { .. }
            | Instr::GetRef { .. }
            | Instr::SetScalar { .. }
            | Instr::SetRef { .. }
            | Instr::InstanceOf { .. }
            | Instr::Narrow { .. }
            | Instr::ListSize { .. }
            | Instr::ListGetScalar { .. }
            | Instr::ListGetRef { .. }
            | Instr::ListSetScalar { .. }
            | Instr::ListSetRef { .. }
            | Instr::ListAddScalar { .. }
            | Instr::ListAddRef { .. }
            | Instr::Version { .. }
            | Instr::CheckVersion { .. }
            | Instr::CallValue { .. }
            | Instr::CallMethod { .. } => true,
            _ => false,
        }
    }

    /// Whether native code usually calls something for an instruction, that has registers to itself.
    pub fn calls(&self, instr: &Instr) -> bool {
        match instr {
            Instr::Call { function, .. } if self.is_inlined(*function) => {
                self.function(*function).code.iter().any(|instr| self.calls(instr))
            }
            Instr::Call { .. } | Instr::CallValue { .. } | Instr::CallMethod { .. } => true,
            Instr::CallNative { native, .. } => match self.intrinsic(*native) {
                Some(Intrinsic::Quick(quick)) => !is_in_place(quick),
                Some(Intrinsic::OfDoubles(_) | Intrinsic::OfInts(_)) | None => true,
                Some(_) => false,
            },
            _ => false,
        }
    }

    /// Whether code that may stand in the place of calls of a function reaches objects, with that of its own calls.
    fn expansion_uses_heap(&self, function: FunctionId, depth: usize) -> bool {
        let f = self.function(function);
        let called = |instr: &Instr| match instr {
            Instr::Call { function: callee, .. } => {
                *callee != function && depth > 1 && self.expansion_uses_heap(*callee, depth - 1)
            }
            _ => false,
        };
        self.is_expandable(function) && (!f.refs.is_empty() || f.code.iter().any(called))
    }
}
