//! Natives that are a few machine instructions.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I64};
use cranelift_codegen::ir::{InstBuilder, Value};
use dscript_bytecode::ids::*;
use dscript_bytecode::instr::Instr;

use super::{Area, Translator};
use crate::layout;
use crate::unit::Intrinsic;

impl<'p> Translator<'_, '_, 'p> {
    pub(super) fn call_native(&mut self, instr: &'p Instr, native: NativeId, args: &[Reg], results: &[Reg]) {
        let Some(intrinsic) = self.unit.intrinsic(native) else {
            self.lend(instr);
            return;
        };
        match (intrinsic, args, results) {
            (Intrinsic::Sqrt, &[Reg::S(x)], &[Reg::S(dst)]) => {
                let x = self.scalar(x);
                let root = self.b.ins().sqrt(x);
                self.set_scalar(dst, root);
            }
            (Intrinsic::AbsDouble, &[Reg::S(x)], &[Reg::S(dst)]) => {
                let x = self.scalar(x);
                let value = self.b.ins().fabs(x);
                self.set_scalar(dst, value);
            }
            (Intrinsic::Add | Intrinsic::Sub | Intrinsic::Mul, &[Reg::S(x), Reg::S(y)], &[Reg::S(dst)]) => {
                let (x, y) = (self.scalar(x), self.scalar(y));
                let value = match intrinsic {
                    Intrinsic::Add => self.b.ins().iadd(x, y),
                    Intrinsic::Sub => self.b.ins().isub(x, y),
                    _ => self.b.ins().imul(x, y),
                };
                self.set_scalar(dst, value);
            }
            (Intrinsic::Length, &[Reg::R(text)], &[Reg::S(dst)]) => {
                let text = self.object(text);
                let length = self.code_points(text);
                self.set_scalar(dst, length);
            }
            (Intrinsic::CharAt, &[Reg::R(text), Reg::S(index)], &[Reg::S(dst)]) => {
                self.char_at(instr, text, index, dst);
            }
            _ => self.lend(instr),
        }
    }

    /// Of a String of either form.
    fn code_points(&mut self, text: Value) -> Value {
        let flags = self.flags(Area::Headers);
        self.b.ins().uload32(flags, text, layout::CODE_POINTS)
    }

    /// The byte at an index, where the text lies in one piece and each of its code points is one.
    fn char_at(&mut self, instr: &'p Instr, text: R, index: S, dst: S) {
        let (text, index) = (self.object(text), self.scalar(index));
        let flags = self.flags(Area::Headers);
        let header = self.b.ins().load(I64, flags, text, layout::TAG);
        let points = self.code_points(text);
        // Tag and length in one: the tag of a whole String, and as many bytes as code points.
        let bytes = self.b.ins().ishl_imm_u(points, 32);
        let plain = self.b.ins().bor_imm_u(bytes, i64::from(layout::STRING));
        let other = self.b.ins().icmp(IntCC::NotEqual, header, plain);
        let outside = self.b.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, index, points);
        let rarely = self.b.ins().bor(other, outside);
        self.or_lend(instr, rarely, |this| {
            let address = this.b.ins().iadd(text, index);
            let flags = this.flags(Area::ScalarElements);
            let byte = this.b.ins().load(I8, flags, address, layout::TEXT);
            let value = this.b.ins().uextend(I64, byte);
            this.set_scalar(dst, value);
        });
    }
}
