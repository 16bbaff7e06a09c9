//! Writes and reads the operands of instructions: LEB128 integers, zigzag for signed ones, doubles as 8 bytes.

use crate::ids::*;
use crate::trap::TrapKind;

/// Registers or targets one instruction may list.
pub const LIST_MAX: usize = 65_535;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Byte of the code where it went wrong.
    pub at: usize,
    pub what: &'static str,
}

#[derive(Default)]
pub struct Writer {
    pub bytes: Vec<u8>,
}

impl Writer {
    fn unsigned(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    pub fn opcode(&mut self, code: u8) {
        self.bytes.push(code);
    }
    pub fn scalar(&mut self, reg: &S) {
        self.unsigned(reg.0.into());
    }
    pub fn reference(&mut self, reg: &R) {
        self.unsigned(reg.0.into());
    }
    pub fn registers(&mut self, regs: &[Reg]) {
        self.unsigned(regs.len() as u64);
        for reg in regs {
            match reg {
                Reg::S(s) => self.unsigned(u64::from(s.0) << 1),
                Reg::R(r) => self.unsigned(u64::from(r.0) << 1 | 1),
            }
        }
    }
    pub fn label(&mut self, label: &Label) {
        self.unsigned(label.0.into());
    }
    pub fn labels(&mut self, labels: &[Label]) {
        self.unsigned(labels.len() as u64);
        labels.iter().for_each(|l| self.label(l));
    }
    pub fn type_id(&mut self, id: &TypeId) {
        self.unsigned(id.0.into());
    }
    pub fn const_id(&mut self, id: &ConstId) {
        self.unsigned(id.0.into());
    }
    pub fn function(&mut self, id: &FunctionId) {
        self.unsigned(id.0.into());
    }
    pub fn native(&mut self, id: &NativeId) {
        self.unsigned(id.0.into());
    }
    pub fn static_id(&mut self, id: &StaticId) {
        self.unsigned(id.0.into());
    }
    pub fn slot(&mut self, slot: &Slot) {
        self.unsigned(slot.0.into());
    }
    pub fn method(&mut self, method: &MethodId) {
        self.unsigned(method.0.into());
    }
    pub fn int(&mut self, value: &i64) {
        self.unsigned((value << 1 ^ (value >> 63)) as u64);
    }
    pub fn double(&mut self, value: &f64) {
        self.bytes.extend(value.to_bits().to_le_bytes());
    }
    pub fn bool(&mut self, value: &bool) {
        self.bytes.push(u8::from(*value));
    }
    pub fn trap(&mut self, kind: &TrapKind) {
        self.bytes.push(*kind as u8);
    }
}

pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

type Decoded<T> = Result<T, DecodeError>;

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    fn error<T>(&self, what: &'static str) -> Decoded<T> {
        Err(DecodeError { at: self.at, what })
    }

    pub fn unknown_opcode(&self, _code: u8) -> DecodeError {
        DecodeError { at: self.at.saturating_sub(1), what: "unknown instruction" }
    }

    fn byte(&mut self) -> Decoded<u8> {
        let Some(&byte) = self.bytes.get(self.at) else {
            return self.error("code ends within an instruction");
        };
        self.at += 1;
        Ok(byte)
    }

    /// Only the shortest form is good, so that a program has one encoding.
    fn unsigned(&mut self) -> Decoded<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 || shift > 0 && byte == 0 {
                return self.error("integer is not in its shortest form");
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        self.error("integer too long")
    }

    fn narrow<T: TryFrom<u64>>(&mut self) -> Decoded<T> {
        let value = self.unsigned()?;
        match T::try_from(value) {
            Ok(value) => Ok(value),
            Err(_) => self.error("integer out of range"),
        }
    }

    fn count(&mut self) -> Decoded<usize> {
        let count = self.narrow::<u32>()? as usize;
        if count > LIST_MAX || count > self.bytes.len() - self.at {
            return self.error("list too long");
        }
        Ok(count)
    }

    pub fn opcode(&mut self) -> Decoded<u8> {
        self.byte()
    }
    pub fn scalar(&mut self) -> Decoded<S> {
        Ok(S(self.narrow()?))
    }
    pub fn reference(&mut self) -> Decoded<R> {
        Ok(R(self.narrow()?))
    }
    pub fn registers(&mut self) -> Decoded<Box<[Reg]>> {
        let count = self.count()?;
        let mut all = Vec::with_capacity(count);
        for _ in 0..count {
            let value = self.narrow::<u32>()?;
            let Ok(index) = u16::try_from(value >> 1) else { return self.error("register out of range") };
            all.push(if value & 1 == 0 { Reg::S(S(index)) } else { Reg::R(R(index)) });
        }
        Ok(all.into())
    }
    pub fn label(&mut self) -> Decoded<Label> {
        Ok(Label(self.narrow()?))
    }
    pub fn labels(&mut self) -> Decoded<Box<[Label]>> {
        let count = self.count()?;
        (0..count).map(|_| self.label()).collect()
    }
    pub fn type_id(&mut self) -> Decoded<TypeId> {
        Ok(TypeId(self.narrow()?))
    }
    pub fn const_id(&mut self) -> Decoded<ConstId> {
        Ok(ConstId(self.narrow()?))
    }
    pub fn function(&mut self) -> Decoded<FunctionId> {
        Ok(FunctionId(self.narrow()?))
    }
    pub fn native(&mut self) -> Decoded<NativeId> {
        Ok(NativeId(self.narrow()?))
    }
    pub fn static_id(&mut self) -> Decoded<StaticId> {
        Ok(StaticId(self.narrow()?))
    }
    pub fn slot(&mut self) -> Decoded<Slot> {
        Ok(Slot(self.narrow()?))
    }
    pub fn method(&mut self) -> Decoded<MethodId> {
        Ok(MethodId(self.narrow()?))
    }
    pub fn int(&mut self) -> Decoded<i64> {
        let value = self.unsigned()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }
    pub fn double(&mut self) -> Decoded<f64> {
        let mut bits = [0; 8];
        for byte in &mut bits {
            *byte = self.byte()?;
        }
        Ok(f64::from_bits(u64::from_le_bytes(bits)))
    }
    pub fn bool(&mut self) -> Decoded<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => self.error("boolean out of range"),
        }
    }
    pub fn trap(&mut self) -> Decoded<TrapKind> {
        match TrapKind::from_code(self.byte()?) {
            Some(kind) => Ok(kind),
            None => self.error("unknown kind of trap"),
        }
    }
}
