//! What instructions do beyond the registers of one frame: calls, statics, frames that are left, and whatever allocates.

use crate::arithmetic::Operation;
use crate::fiber::{Exit, Running};
use crate::format;
use crate::heap::string_words;
use crate::link::Linked;
use crate::native::{Body, Failure, OutsideBody, OutsideCall, PureCall, Trapped};
use crate::program::Program;
use crate::stack::{ENTRY, Frame};
use crate::text::INT_DIGITS;
use crate::value::Value;
use crate::vm::{Cell, StaticState, Vm, trapped};
use dscript_bytecode::ids::*;
use dscript_bytecode::image::{Constant, Type};
use dscript_bytecode::instr::Instr;
use dscript_bytecode::trap::TrapKind;

/// `(int) d`: truncated, where that fits.
pub(crate) fn double_to_int(value: f64) -> Result<i64, Trapped> {
    // Both bounds are exact as doubles; the upper is the first that does not fit.
    if value >= i64::MIN as f64 && value < -(i64::MIN as f64) {
        return Ok(value as i64);
    }
    Err(trapped(TrapKind::Cast, format!("{} does not fit an int", format::double_text(value))))
}

impl Program {
    pub(crate) fn constant_text(&self, id: ConstId) -> &str {
        match &self.image().constants[id.index()] {
            Constant::String(text) => text,
            Constant::Bytes(_) => "",
        }
    }

    /// Whether an object with this tag is of a type, an interface's or function's included.
    pub(crate) fn is_instance(&self, tag: u32, ty: TypeId) -> bool {
        if tag == ty.0 {
            return true;
        }
        match (self.image().types.get(tag as usize), self.ty(ty)) {
            (Some(Type::Record(s) | Type::Class(s)), Type::Interface { .. }) => {
                s.implements.iter().any(|i| i.interface == ty)
            }
            (Some(Type::Closure { ty: of, .. }), Type::Function { .. }) => *of == ty,
            _ => false,
        }
    }

    /// The type's own `toString()`.
    pub(crate) fn to_string(&self, tag: u32) -> Option<FunctionId> {
        self.infos.get(tag as usize)?.object.as_ref()?.to_string
    }

    pub(crate) fn closure_code(&self, tag: u32) -> FunctionId {
        match self.image().types[tag as usize] {
            Type::Closure { code, .. } => code,
            ref other => panic!("a function value is a closure, not {other:?}"),
        }
    }

    pub(crate) fn method(&self, tag: u32, interface: TypeId, method: MethodId) -> FunctionId {
        match &self.image().types[tag as usize] {
            Type::Record(s) | Type::Class(s) => s
                .implements
                .iter()
                .find(|i| i.interface == interface)
                .map(|i| i.methods[method.index()])
                .expect("an object behind an interface implements it"),
            other => panic!("an object behind an interface is a record or class, not {other:?}"),
        }
    }
}

// ---- calls ----

impl Vm {
    #[inline]
    pub(crate) fn frame(&self) -> &Frame {
        debug_assert!(!self.stack.frames.is_empty(), "a running fiber has a frame");
        // SAFETY: the innermost of at least one.
        unsafe { &*self.stack.frames.innermost }
    }

    #[inline]
    pub(crate) fn get_s(&self, reg: S) -> u64 {
        let at = self.frame().base.scalars() + reg.index();
        debug_assert!(at < self.stack.scalars.len());
        // SAFETY: the verifier has shown that the frame has the register.
        unsafe { *self.stack.scalars.as_ptr().add(at) }
    }

    #[inline]
    pub(crate) fn get_r(&self, reg: R) -> u32 {
        let at = self.frame().base.refs() + reg.index();
        debug_assert!(at < self.stack.refs.len());
        // SAFETY: as `get_s`.
        unsafe { *self.stack.refs.as_ptr().add(at) }
    }

    #[inline]
    pub(crate) fn set_s(&mut self, reg: S, bits: u64) {
        let at = self.frame().base.scalars() + reg.index();
        debug_assert!(at < self.stack.scalars.len());
        // SAFETY: as `get_s`.
        unsafe { *self.stack.scalars.as_mut_ptr().add(at) = bits }
    }

    #[inline]
    pub(crate) fn set_r(&mut self, reg: R, object: u32) {
        let at = self.frame().base.refs() + reg.index();
        debug_assert!(at < self.stack.refs.len());
        // SAFETY: as `get_s`.
        unsafe { *self.stack.refs.as_mut_ptr().add(at) = object }
    }

    /// Registers of the running frame as one value.
    pub(crate) fn registers(&self, regs: &[Reg]) -> Cell {
        let mut cell = Cell::default();
        let (mut i, mut j) = (0, 0);
        for reg in regs {
            match *reg {
                Reg::S(s) => {
                    cell.s[i] = self.get_s(s);
                    i += 1;
                }
                Reg::R(r) => {
                    cell.r[j] = self.get_r(r);
                    j += 1;
                }
            }
        }
        cell
    }

    pub(crate) fn set_registers(&mut self, regs: &[Reg], cell: Cell) {
        let (mut i, mut j) = (0, 0);
        for reg in regs {
            match *reg {
                Reg::S(s) => {
                    self.set_s(s, cell.s[i]);
                    i += 1;
                }
                Reg::R(r) => {
                    self.set_r(r, cell.r[j]);
                    j += 1;
                }
            }
        }
    }

    /// Opens a frame whose parameters are still to be filled.
    pub(crate) fn open_frame(&mut self, function: FunctionId, entry: bool) -> Result<(), Trapped> {
        let limit = self.frames_max;
        if self.stack.depth() >= limit {
            return Err(trapped(TrapKind::Stack, format!("more than {limit} calls are nested")));
        }
        let callee = self.program.code(function);
        let (registers, ip) = (callee.window, callee.start());
        let Some((base, end)) = self.stack.window(registers.scalars(), registers.refs()) else {
            return Err(trapped(TrapKind::Stack, "nested calls hold too many values"));
        };
        self.stack.grow_rows(limit);
        let special = if entry { ENTRY } else { 0 };
        self.stack.frames.push(Frame { ip, base, end, function, special, pc: 0 });
        Ok(())
    }
}

impl Running<'_> {
    pub(crate) fn call_outside(
        &mut self,
        linked: &Linked,
        args: &[Reg],
        results: &[Reg],
    ) -> Result<(), Exit> {
        // Work before may have come back late.
        self.status()?;
        let body = match linked.def.body {
            Body::Outside(body) => body,
            Body::Ready { now, outside } => {
                if now(&mut PureCall { vm: self.vm(), linked, args, results })? {
                    return Ok(());
                }
                outside
            }
            Body::Pure(_) => panic!("a pure native is called otherwise"),
        };
        let values = self.vm().export_args(linked, args)?;
        let kept = self.vm().stack.temps.len();
        let done = self.call_body(body, linked, values, results);
        // A text that was made is the program's now, or nobody's.
        self.vm().stack.temps.truncate(kept);
        done
    }

    fn call_body(
        &mut self,
        body: OutsideBody,
        linked: &Linked,
        values: Vec<Value>,
        results: &[Reg],
    ) -> Result<(), Exit> {
        let mut call = OutsideCall { args: values, waiting: self, linked, exit: None, text: None };
        let result = body(&mut call);
        if let Some(exit) = call.exit.take() {
            return Err(exit);
        }
        match result {
            Ok(value) => {
                let value = self.completed_result(&linked.result, value)?;
                self.vm().import_result(linked, results, Ok(&value)).map_err(Exit::Trap)
            }
            Err(Failure::Error(error)) => {
                self.vm().import_result(linked, results, Err(&error)).map_err(Exit::Trap)
            }
            Err(Failure::Trap(trap)) => Err(Exit::Trap(trap)),
            Err(Failure::Cancelled) => Err(Exit::Cancelled),
        }
    }

    /// Waits for a static that another fiber computes.
    pub(crate) fn await_static(&mut self, id: StaticId) -> Result<(), Exit> {
        let vm = self.vm();
        if vm.statics[id.index()].state == StaticState::Running(vm.fiber) {
            return Err(trapped(TrapKind::Initialization, "a static final needs its own value").into());
        }
        // Another fiber was interrupted while it computes the value.
        self.interrupted()
    }

    /// Does an instruction of the innermost frame that has no handler of its own.
    pub(crate) fn do_slowly(&mut self, instr: &Instr) -> Result<(), Exit> {
        let vm = self.vm();
        match *instr {
            Instr::AddImm { a, value, dst } => {
                let a = vm.get_s(a) as i64;
                let sum = a.checked_add(value);
                let sum = sum.ok_or_else(|| Operation::Binary(a, '+', value).overflow(None))?;
                vm.set_s(dst, sum as u64);
            }
            Instr::RemDouble { a, b, dst } => {
                let (a, b) = (f64::from_bits(vm.get_s(a)), f64::from_bits(vm.get_s(b)));
                vm.set_s(dst, (a % b).to_bits());
            }
            Instr::ListNew { ty, capacity, dst } => {
                let list = vm.list_with_capacity(ty, capacity)?;
                vm.set_r(dst, list);
            }
            Instr::ListAddScalar { list, src } => vm.list_add_of(vm.get_r(list), vm.get_s(src))?,
            Instr::ListAddRef { list, src } => vm.list_add_of(vm.get_r(list), vm.get_r(src).into())?,
            Instr::Concat { ref parts, dst } => vm.concat(parts, dst)?,
            Instr::TextScalar { src, ty, dst } => vm.text_scalar(src, ty, dst)?,
            Instr::TextRef { src, ty, dst } => self.text_ref(src, ty, dst)?,
            Instr::Trap { kind, text } => {
                let text = vm.program.constant_text(text).to_owned();
                return Err(trapped(kind, text).into());
            }
            Instr::TrapText { kind, text } => {
                return Err(trapped(kind, vm.heap.text(vm.get_r(text))).into());
            }
            ref other => panic!("`{}` has a handler", other.mnemonic()),
        }
        Ok(())
    }
}

// ---- frames that are left ----

impl Vm {
    /// Takes a frame off that did not return; a static it was to compute is computed anew when asked for.
    pub(crate) fn abandon_frame(&mut self) {
        let Some(gone) = self.stack.frames.last().copied() else { return };
        self.stack.pop();
        if gone.special & ENTRY != 0 {
            return;
        }
        let Some(caller) = self.stack.frames.last() else { return };
        let code = self.program.code(caller.function);
        let place = code.origin(code.pc_before(caller.ip)).pc;
        let code = &self.program.image().functions[caller.function.index()].code;
        if let Instr::GetStatic { from, .. } = &code[place as usize] {
            self.statics[from.index()].state = StaticState::Unset;
        }
    }

    /// The place of what a frame is at.
    pub(crate) fn place_of(&self, index: usize) -> u32 {
        let frame = &self.stack.frames[index];
        match self.stack.frames.get(index + 1) {
            Some(above) if above.special & ENTRY == 0 => {
                self.program.code(frame.function).pc_before(frame.ip)
            }
            _ => frame.pc,
        }
    }
}

// ---- objects and texts ----

impl Vm {
    /// The object of a constant, made when it is first asked for.
    pub(crate) fn constant(&mut self, id: ConstId) -> Result<u32, Trapped> {
        let program = std::sync::Arc::clone(&self.program);
        let object = match &program.image().constants[id.index()] {
            Constant::String(text) => self.new_string(text)?,
            Constant::Bytes(bytes) => self.new_bytes(bytes)?,
        };
        self.constants[id.index()] = object;
        Ok(object)
    }

    pub(crate) fn equal_refs(&mut self, ty: TypeId, a: u32, b: u32) -> Result<bool, Trapped> {
        match self.same_now(a, b) {
            Some(same) => Ok(same),
            None => self.equal(ty, Cell::reference(a), Cell::reference(b)),
        }
    }

    pub(crate) fn concat(&mut self, parts: &[Reg], dst: R) -> Result<(), Trapped> {
        let part = |vm: &Vm, at: usize| match parts[at] {
            Reg::R(reg) => vm.get_r(reg),
            Reg::S(_) => unreachable!("an image that joins scalars is refused"),
        };
        if parts.is_empty() {
            return Ok(());
        }
        let mut joint = self.joint(parts.len(), part);
        self.check_size(joint.bytes)?;
        let collections = self.heap.collections;
        self.reserve(joint.words)?;
        if self.heap.collections != collections {
            // The first text may have been moved out of the buffer that it was to grow in.
            joint = self.joint(parts.len(), part);
            self.reserve(joint.words)?;
        }
        let text = self.join(joint, parts.len(), part);
        self.set_r(dst, text);
        Ok(())
    }

    pub(crate) fn text_scalar(&mut self, src: S, ty: TypeId, dst: R) -> Result<(), Trapped> {
        let bits = self.get_s(src);
        if matches!(self.program.ty(ty), Type::Int) {
            self.reserve(string_words(INT_DIGITS))?;
            let text = self.heap.text_of_int(bits as i64);
            self.set_r(dst, text);
            return Ok(());
        }
        let text = self.scalar_text(ty, bits);
        let text = self.new_string(&text)?;
        self.set_r(dst, text);
        Ok(())
    }

    pub(crate) fn scalar_text(&self, ty: TypeId, bits: u64) -> String {
        match self.program.ty(ty) {
            Type::Double => format::double_text(f64::from_bits(bits)),
            Type::Bool => (bits != 0).to_string(),
            Type::Duration => format::duration_text(bits as i64),
            Type::Time => format::time_text(bits as i64),
            // A hostile image can hold an enum that is none of its constants.
            Type::Enum { name, constants } => {
                constants.get(bits as usize).cloned().unwrap_or_else(|| format!("{name}#{bits}"))
            }
            _ => (bits as i64).to_string(),
        }
    }
}
