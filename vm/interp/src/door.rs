//! The door for native code: what an engine that compiles bytecode needs of a running fiber, and no more.
//!
//! Native frames have no rows in the fiber's `frames` but the one they were entered with. Their references lie in
//! windows of the fiber's reference bank, one above the other; their scalars are the engine's own business. An
//! engine *calls out* for everything that is not worth machine code: it says where it is (`call_out`), and then asks
//! for a collection, an interruption, or for any instruction by `execute`, which lends the native frame's windows
//! to the interpreter's own handler. So a rarely run instruction has one implementation.
//!
//! While native code runs, the heap's top, the counter of interruptions and the top of the reference bank live in
//! the engine's own context; `call_out` brings them here, `state` fetches them back.

use std::sync::Arc;

use crate::arithmetic::Operation;
pub use crate::fiber::{Exit, Running};
use crate::list::{array_tag, array_words};
use crate::native::{Body, PureCall, Trapped};
pub use crate::natives::{characters, power};
use crate::program::Program;
pub use crate::quick::{Quick, pair_place, pair_put};
pub use crate::stack::Activation;
use crate::stack::{BANK_SLOTS_MAX, ENTRY, Frame, Marks};
pub use crate::vm::Cell;
use crate::vm::{StaticSlot, StaticState, Vm, trapped};
use dscript_bytecode::ids::*;
use dscript_bytecode::image::{RegType, Type};
use dscript_bytecode::instr::Instr;
use dscript_bytecode::trap::TrapKind;

/// The most calls that native code nests, which is also the documented limit.
pub const FRAMES_MAX: usize = 64 << 10;
/// The native frames of the deepest stack are `FRAMES_MAX` of this size.
pub const NATIVE_FRAME_BYTES: usize = 512;
/// What of a fiber's stack is for them. Only what is touched costs memory.
pub(crate) const NATIVE_STACK_BYTES: usize = NATIVE_FRAME_BYTES * FRAMES_MAX;
/// Registers of either bank in a function whose frames may be nested as deep as frames may.
pub const NATIVE_REGISTERS: usize = BANK_SLOTS_MAX / FRAMES_MAX;

/// The reference bank of a fiber that runs native code: what the interpreter may open, and as much again for native
/// windows, so that these need no check of their own. Only what is touched costs memory.
const NATIVE_BANK_SLOTS: usize = 2 * BANK_SLOTS_MAX;

/// Compiled code of one program.
pub trait Engine: Send + Sync {
    /// Runs the innermost frame from its first instruction, or the one the entry is for, to its return, and
    /// gives its results. `None` where there is no room for native frames: the interpreter runs it.
    fn enter(&self, running: &mut Running<'_>, entry: usize) -> Result<Option<Cell>, Exit>;
    /// Shows the calls of an activation, innermost first, the frame it was entered with included; false as
    /// soon as `see` is.
    fn calls(&self, activation: &Activation, see: &mut dyn FnMut(FunctionId, u32) -> bool) -> bool;
    /// After how many jumps and calls it wants to be told where the interpreter is, each time; `None` for never.
    fn samples(&self) -> Option<i64>;
    /// So many were done, the last one here; with the frames of the fiber, outermost first.
    fn sampled(
        &self,
        program: &Arc<Program>,
        function: FunctionId,
        pc: u32,
        met: Met,
        frames: &mut dyn Iterator<Item = Look<'_>>,
    ) -> Sampled;
}

/// What an engine sees of a frame of the interpreter.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    pub function: FunctionId,
    /// Where it is; `None` where native code runs in its place, which shows no more frames.
    pub pc: Option<u32>,
    /// None of a function that is put in the place of its call.
    pub scalars: &'a [u64],
}

/// What the last one was that was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// A jump to this head.
    Jump,
    /// A call at this place.
    Call,
    /// A call of this function that native code has left to the interpreter.
    LentCall,
}

/// What an engine makes of where the interpreter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampled {
    Nothing,
    /// There is code for the head that was jumped to: its entry.
    Enter(usize),
    /// There is code for a loop that this is in, or may be: the engine wants to be told of the next jump or call.
    Soon,
}

/// What native code keeps at hand.
#[derive(Clone, Copy, Debug)]
pub struct NativeState {
    pub heap: *mut u64,
    /// In words: the next free one, and the end of what may be used.
    pub top: usize,
    pub end: usize,
    /// Where young objects begin: the heap must know of references to them in older ones.
    pub young: usize,
    pub fuel: i64,
    pub constants: *const u32,
    pub statics: *const u8,
}

/// The windows of the innermost frame.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    pub scalars: *const u64,
    pub refs: *mut u32,
    /// Where the bank begins.
    pub bank: *mut u32,
}

/// Where native code calls out.
#[derive(Clone, Copy, Debug)]
pub struct CallOut {
    pub top: usize,
    pub fuel: i64,
    /// The window of the native frame: where it begins in the bank, and its slots.
    pub refs: usize,
    pub slots: usize,
    pub native_frame: usize,
    pub place: u32,
}

/// An instruction that the interpreter does for a native frame: its scalar operands are renumbered to those lent,
/// its references to the slots of the native window.
#[derive(Clone, Copy, Debug)]
pub struct Lend<'a> {
    pub function: FunctionId,
    pub pc: u32,
    pub instr: &'a Instr,
    /// Of the window.
    pub slots: usize,
    /// Calls that may still be nested.
    pub left: i64,
}

/// The tag of a String that lies in one piece.
pub const STRING_TAG: u32 = crate::heap::STRING;
/// The tag of a String that is a piece of another or of a buffer.
pub const SLICE_TAG: u32 = crate::heap::SLICE;

/// Whether lists of booleans hold their elements in bytes.
pub const BOOLS_IN_BYTES: bool = true;

/// Bytes from one static to the next, to its state, to its first scalar and reference; and the state that is set.
pub const STATIC_LAYOUT: [usize; 5] = StaticSlot::LAYOUT;

/// What became of the innermost frame.
pub(crate) enum Entered {
    /// It was an entry frame, and has left its results in `returned`.
    Returned,
    /// The one below has its results.
    Gone,
    /// It is as it was: there is no room for native code.
    NoRoom,
}

impl Vm {
    /// Whether the innermost row is that of an instruction done for the native frame that called out last.
    #[inline]
    fn lend(&mut self, lent: bool) {
        if let Some(native) = self.stack.activations.last_mut() {
            native.lent = lent;
        }
    }
}

impl Running<'_> {
    /// Runs the innermost frame as native code.
    pub(crate) fn enter_native(&mut self, entry: usize) -> Result<Entered, Exit> {
        let program = Arc::clone(&self.vm().program);
        let engine = program.engine().expect("native code is an engine's");
        let turn_left = self.vm().turn_left;
        let results = engine.enter(self, entry)?;
        let vm = self.vm();
        if vm.turn_left != turn_left && engine.samples().is_some() {
            // The interpreter would have been met in there: it is met here, or it would hardly ever be where its
            // calls do most of the work.
            vm.end_slice();
        }
        vm.stack.grow_rows(vm.frames_max);
        let Some(results) = results else { return Ok(Entered::NoRoom) };
        let frame = *vm.frame();
        vm.stack.pop();
        if frame.special & ENTRY != 0 {
            vm.returned = results;
            return Ok(Entered::Returned);
        }
        let after = vm.frame().ip;
        let (mut i, mut j) = (0, 0);
        for (k, kind) in program.image().functions[frame.function.index()].results.iter().enumerate() {
            // SAFETY: the frame below is at a call of the function, which has so many results.
            let to = unsafe { crate::code::result_reg(after, k) } as u16;
            match kind {
                RegType::Scalar(_) => {
                    vm.set_s(S(to), results.s[i]);
                    i += 1;
                }
                RegType::Ref(_) => {
                    vm.set_r(R(to), results.r[j]);
                    j += 1;
                }
            }
        }
        Ok(Entered::Gone)
    }

    /// After an interruption: tells the engine where the fiber is; an entry for that place, or 0.
    pub(crate) fn sample(&mut self, pc: u32, met: Met) -> usize {
        let vm = self.vm();
        let function = vm.frame().function;
        match vm.tell_engine(function, pc, met) {
            Sampled::Enter(entry) => entry,
            Sampled::Nothing => 0,
            Sampled::Soon => {
                vm.end_slice();
                0
            }
        }
    }

    /// The lowest address of the fiber's native stack.
    pub fn stack_end(&self) -> usize {
        self.stack.start
    }

    /// Calls that may still be nested in the innermost frame.
    pub fn depth_left(&mut self) -> i64 {
        let vm = self.vm();
        vm.frames_max as i64 - vm.stack.depth() as i64
    }

    /// Slots of the reference bank that native windows may still take.
    pub fn bank_left(&mut self) -> usize {
        NATIVE_BANK_SLOTS - self.vm().stack.refs_top()
    }

    /// The windows of the innermost frame. The reference bank does not move any more from now on.
    pub fn windows(&mut self) -> Windows {
        let vm = self.vm();
        let frame = *vm.frame();
        let stack = &mut vm.stack;
        if stack.refs.capacity() < NATIVE_BANK_SLOTS {
            stack.refs.reserve_exact(NATIVE_BANK_SLOTS - stack.refs.len());
        }
        let bank = stack.refs.as_mut_ptr();
        Windows {
            scalars: stack.scalars[frame.base.scalars()..].as_ptr(),
            refs: bank.wrapping_add(frame.base.refs()),
            bank,
        }
    }

    #[inline]
    pub fn state(&mut self) -> NativeState {
        let vm = self.vm();
        let (heap, top, end, young) = vm.heap.native_view();
        NativeState {
            heap,
            top,
            end,
            young,
            fuel: vm.fuel,
            constants: vm.constants.as_ptr(),
            statics: vm.statics.as_ptr().cast(),
        }
    }

    pub fn begin_activation(&mut self) {
        let stack = &mut self.vm().stack;
        let frame = stack.frames.len() - 1;
        stack.activations.push(Activation { frame, lent: false, native_frame: 0, place: 0 });
    }

    /// Native code has returned to the frame it was entered with.
    ///
    /// # Safety
    /// `top` is the engine's bump pointer: between the one `state` gave last and its `end`, or the words up to it
    /// were reserved; all words below it are written.
    pub unsafe fn end_activation(&mut self, top: usize, fuel: i64) {
        let vm = self.vm();
        vm.stack.activations.pop();
        vm.fuel = fuel;
        vm.heap.set_native_top(top);
    }

    /// Native code calls out.
    ///
    /// # Safety
    /// As `end_activation`; and all slots of the bank below the end of the given window hold references.
    #[inline]
    pub unsafe fn call_out(&mut self, at: CallOut) {
        let vm = self.vm();
        vm.fuel = at.fuel;
        vm.heap.set_native_top(at.top);
        let stack = &mut vm.stack;
        let top = at.refs + at.slots;
        stack.frames.end_refs_at(top);
        if stack.refs.len() < top {
            assert!(top <= stack.refs.capacity(), "native windows lie within the bank");
            // SAFETY: within the capacity, and written by native code.
            unsafe { stack.refs.set_len(top) };
        }
        let native = stack.activations.last_mut().expect("native code was entered");
        (native.native_frame, native.place) = (at.native_frame, at.place);
    }

    /// An old object has got a reference to a young one in a slot, counted in references from the heap's begin.
    pub fn remember(&mut self, slot: usize) {
        self.vm().heap.remember(slot);
    }

    /// Makes room for an object, collecting where there is none.
    pub fn reserve_words(&mut self, words: usize) -> Result<(), Exit> {
        let result = self.vm().reserve(words).map_err(Exit::Trap);
        self.keep_trace_of(result)
    }

    /// The trap of an operation, at the place that called out, whose result does not fit.
    pub fn overflow(&mut self, operation: Operation) -> Trapped {
        operation.overflow(self.vm().time_operands())
    }

    /// The trap of a division by zero at the place that called out.
    pub fn by_zero(&mut self, operation: Operation) -> Trapped {
        operation.by_zero(self.vm().time_operands())
    }

    /// The counter of interruptions ran out.
    pub fn interrupt(&mut self) -> Result<(), Exit> {
        let result = self.interrupted();
        self.keep_trace_of(result)
    }

    /// Ends the native frames with a trap at the place that called out.
    pub fn trap(&mut self, trap: Trapped) -> Exit {
        self.vm().keep_trace();
        Exit::Trap(trap)
    }

    #[inline]
    fn keep_trace_of(&mut self, result: Result<(), Exit>) -> Result<(), Exit> {
        if matches!(result, Err(Exit::Trap(_))) {
            self.vm().keep_trace();
        }
        result
    }

    /// Does an instruction of a native frame that has called out; `scalars` is lent as its window. What ends the frame is
    /// boxed, so that it takes one word to say that nothing does.
    pub fn execute(&mut self, lend: Lend<'_>, scalars: &mut [u64]) -> Result<(), Box<Exit>> {
        if let Some(done) = self.execute_leaf(&lend, scalars) {
            return done;
        }
        self.execute_any(&lend, scalars).map_err(Box::new)
    }

    /// `execute` for whatever an instruction does.
    #[inline(never)]
    fn execute_any(&mut self, lend: &Lend<'_>, scalars: &mut [u64]) -> Result<(), Exit> {
        let vm = self.vm();
        let depth = vm.frames_max as i64 - lend.left;
        let native = *vm.stack.activations.last().expect("native code was entered");
        let Some((base, end)) = vm.stack.window(scalars.len(), 0) else {
            return Err(self.trap(trapped(TrapKind::Stack, "nested calls hold too many values")));
        };
        let lent = base.scalars()..end.scalars();
        vm.stack.scalars[lent.clone()].copy_from_slice(scalars);
        let base = Marks::new(base.scalars(), base.refs() - lend.slots);
        let row = vm.stack.frames.len();
        debug_assert_eq!(row, native.frame + 1);
        let (function, pc) = (lend.function, lend.pc);
        vm.stack.grow_rows(usize::MAX);
        vm.stack.frames.push(Frame { function, pc, base, end, special: 0, ip: std::ptr::null() });
        let hidden = std::mem::replace(&mut vm.stack.hidden, depth as isize - (row as isize + 1));
        vm.lend(true);
        let done = self.handle(lend.instr).map_err(|exit| self.or_late(exit));
        let done = self.keep_trace_of(done);
        let vm = self.vm();
        while vm.stack.frames.len() > row + 1 {
            vm.abandon_frame();
        }
        vm.stack.frames.truncate(row);
        vm.stack.hidden = hidden;
        vm.stack.grow_rows(vm.frames_max);
        vm.lend(false);
        scalars.copy_from_slice(&vm.stack.scalars[lent]);
        done
    }

    /// `execute` for what calls no function of the program and waits for nothing: the frame is there only for its
    /// windows, so what calls go by is not touched. `None` where that does not fit.
    #[inline]
    fn execute_leaf(&mut self, lend: &Lend<'_>, scalars: &mut [u64]) -> Option<Result<(), Box<Exit>>> {
        let vm = self.vm();
        let native = match lend.instr {
            Instr::Const { .. }
            | Instr::EqValue { .. }
            | Instr::ListNew { .. }
            | Instr::ListAddScalar { .. }
            | Instr::ListAddRef { .. }
            | Instr::Concat { .. }
            | Instr::TextScalar { .. } => None,
            Instr::CallNative { native, args, results } => {
                let program = Arc::as_ptr(&vm.program);
                // SAFETY: the program stays as long as the task that runs it, and does not change.
                let linked = unsafe { &(&(*program).natives)[native.index()] };
                let Body::Pure(body) = linked.def.body else { return None };
                if vm.fuel < 1 {
                    return None;
                }
                vm.fuel -= 1;
                Some((body, linked, args, results))
            }
            _ => return None,
        };
        let (base, end) = vm.stack.window_within(scalars.len())?;
        let (first, refs) = (base.scalars(), base.refs() - lend.slots);
        let frame = Frame {
            function: lend.function,
            pc: lend.pc,
            base: Marks::new(first, refs),
            end,
            special: 0,
            ip: std::ptr::null(),
        };
        if !vm.stack.frames.push_within(frame) {
            return None;
        }
        copy_few(scalars, &mut vm.stack.scalars[first..end.scalars()]);
        vm.lend(true);
        let exit = match (native, lend.instr) {
            (Some((body, linked, args, results)), _) => {
                body(&mut PureCall { vm, linked, args, results }).err().map(Exit::Trap)
            }
            (None, Instr::Concat { parts, dst }) => vm.concat(parts, *dst).err().map(Exit::Trap),
            (None, Instr::TextScalar { src, ty, dst }) => {
                vm.text_scalar(*src, *ty, *dst).err().map(Exit::Trap)
            }
            _ => self.handle(lend.instr).err(),
        };
        if let Some(exit) = exit {
            return Some(Err(self.leave_failed(exit)));
        }
        let vm = self.vm();
        vm.lend(false);
        vm.stack.frames.drop_last();
        copy_few(&vm.stack.scalars[first..first + scalars.len()], scalars);
        Some(Ok(()))
    }

    /// Takes the frame of an instruction off that ends the native frame.
    #[cold]
    fn leave_failed(&mut self, exit: Exit) -> Box<Exit> {
        let exit = self.or_late(exit);
        let vm = self.vm();
        if matches!(exit, Exit::Trap(_)) {
            vm.keep_trace();
        }
        vm.lend(false);
        vm.stack.frames.drop_last();
        Box::new(exit)
    }

    /// The handlers of the instructions that native code leaves to the interpreter.
    fn handle(&mut self, instr: &Instr) -> Result<(), Exit> {
        let vm = self.vm();
        match instr {
            Instr::Const { value, dst } => {
                let object = match vm.constants[value.index()] {
                    0 => vm.constant(*value)?,
                    object => object,
                };
                vm.set_r(*dst, object);
            }
            Instr::EqValue { a, b, ty, dst } => {
                let (x, y) = (vm.get_r(*a), vm.get_r(*b));
                if x == y || x == 0 || y == 0 {
                    vm.set_s(*dst, (x == y).into());
                } else if vm.heap.is_string(x) {
                    let same = vm.heap.same_text(x, y);
                    vm.set_s(*dst, same.into());
                } else {
                    let same = vm.equal_refs(*ty, x, y)?;
                    vm.set_s(*dst, same.into());
                }
            }
            Instr::ListNew { .. }
            | Instr::ListAddScalar { .. }
            | Instr::ListAddRef { .. }
            | Instr::Concat { .. }
            | Instr::TextScalar { .. } => self.do_slowly(instr)?,
            Instr::TextRef { src, ty, dst } => {
                let object = vm.get_r(*src);
                if vm.heap.is_string(object) {
                    vm.set_r(*dst, object);
                } else if let Some(function) = vm.program.to_string(vm.heap.tag(object)) {
                    self.call_function(function, None, &[Reg::R(*src)], &[Reg::R(*dst)])?;
                } else {
                    self.text_ref(*src, *ty, *dst)?;
                }
            }
            Instr::Call { function, args, results } => self.call_function(*function, None, args, results)?,
            Instr::CallValue { callee, args, results } => {
                let function = vm.program.closure_code(vm.heap.tag(vm.get_r(*callee)));
                self.call_function(function, Some(*callee), args, results)?;
            }
            Instr::CallMethod { object, ty, method, args, results } => {
                let function = vm.program.method(vm.heap.tag(vm.get_r(*object)), *ty, *method);
                self.call_function(function, Some(*object), args, results)?;
            }
            Instr::CallNative { native, args, results } => {
                self.spend()?;
                let program = Arc::clone(&self.vm().program);
                let linked = &program.natives[native.index()];
                match linked.def.body {
                    Body::Pure(body) => body(&mut PureCall { vm: self.vm(), linked, args, results })?,
                    Body::Outside(_) | Body::Ready { .. } => self.call_outside(linked, args, results)?,
                }
            }
            Instr::GetStatic { from, results } => self.read_static(*from, results)?,
            other => panic!("`{}` has a native form", other.mnemonic()),
        }
        Ok(())
    }

    /// A call is a place of interruption; whether there was one.
    fn spend(&mut self) -> Result<bool, Exit> {
        let vm = self.vm();
        vm.fuel -= 1;
        if vm.fuel < 0 {
            self.interrupted()?;
            return Ok(true);
        }
        Ok(false)
    }

    fn call_function(
        &mut self,
        function: FunctionId,
        object: Option<R>,
        args: &[Reg],
        results: &[Reg],
    ) -> Result<(), Exit> {
        if self.spend()? {
            self.vm().tell_engine(function, 0, Met::LentCall);
        }
        // Called directly, a small function is none of the calls that are counted.
        let counted = object.is_some() || !crate::code::is_small(self.vm().program.image(), function);
        let uncounted = isize::from(!counted);
        self.vm().stack.hidden -= uncounted;
        let done = self.run_function(function, object, args);
        self.vm().stack.hidden += uncounted;
        done?;
        let vm = self.vm();
        let returned = vm.returned;
        vm.set_registers(results, returned);
        Ok(())
    }

    fn read_static(&mut self, id: StaticId, results: &[Reg]) -> Result<(), Exit> {
        loop {
            let vm = self.vm();
            let fiber = vm.fiber;
            match vm.statics[id.index()].state {
                StaticState::Set => {
                    let value = vm.statics[id.index()].value;
                    vm.set_registers(results, value);
                    return Ok(());
                }
                StaticState::Unset => {
                    vm.statics[id.index()].state = StaticState::Running(fiber);
                    let init = vm.program.image().statics[id.index()].init;
                    let done = self.run_function(init, None, &[]);
                    let vm = self.vm();
                    vm.statics[id.index()] = match done {
                        Ok(()) => StaticSlot { state: StaticState::Set, value: vm.returned },
                        Err(_) => StaticSlot::default(),
                    };
                    done?;
                }
                StaticState::Running(owner) if owner == fiber => {
                    let text = "a static final needs its own value";
                    return Err(trapped(TrapKind::Initialization, text).into());
                }
                StaticState::Running(_) => self.interrupted()?,
            }
        }
    }

    /// Runs a function with registers of the innermost frame; `object` goes before the others. Its results are in
    /// the `returned` cell.
    fn run_function(&mut self, function: FunctionId, object: Option<R>, args: &[Reg]) -> Result<(), Exit> {
        let vm = self.vm();
        let caller = *vm.frame();
        vm.open_frame(function, true)?;
        let callee = *vm.frame();
        let (mut i, mut j) = (callee.base.scalars(), callee.base.refs());
        for arg in object.map(Reg::R).iter().chain(args) {
            match arg {
                Reg::S(s) => {
                    vm.stack.scalars[i] = vm.stack.scalars[caller.base.scalars() + s.index()];
                    i += 1;
                }
                Reg::R(r) => {
                    vm.stack.refs[j] = vm.stack.refs[caller.base.refs() + r.index()];
                    j += 1;
                }
            }
        }
        let base = vm.stack.frames.len() - 1;
        self.run_entry(base)
    }
}

impl Running<'_> {
    pub fn program(&mut self) -> Arc<Program> {
        Arc::clone(&self.vm().program)
    }

    /// The most calls that may be nested.
    pub fn frames_max(&mut self) -> usize {
        self.vm().frames_max
    }

    /// A copy of a String.
    pub fn text_of(&mut self, string: u32) -> String {
        self.vm().heap.text(string).to_owned()
    }
}

/// Copies between slices of one length, which hardly ever is more than a few: a call to copy so little costs more than that.
/// Word by word: two that were just written one by one cannot be read at once before both are in memory.
#[inline]
fn copy_few(from: &[u64], to: &mut [u64]) {
    // SAFETY: a reference.
    let read = |word: &u64| unsafe { std::ptr::from_ref(word).read_volatile() };
    match (from, to) {
        ([], []) => {}
        ([a], [x]) => *x = *a,
        ([a, b], [x, y]) => (*x, *y) = (read(a), read(b)),
        ([a, b, c], [x, y, z]) => (*x, *y, *z) = (read(a), read(b), read(c)),
        (from, to) => to.copy_from_slice(from),
    }
}

/// Words of an object of a struct type, and the word where its references begin.
pub fn shape(program: &Program, ty: TypeId) -> (u32, u32) {
    let shape = program.shapes[ty.index()];
    (shape.words, shape.first)
}

/// The tag of the array of a list type with so many elements, its words, and whether it holds references.
pub fn array_of(program: &Program, list: TypeId, count: usize) -> (u32, u32, bool) {
    let element = match *program.ty(list) {
        Type::List(element) => program.info(element).element,
        ref other => panic!("{other:?} is not a list type"),
    };
    (array_tag(element), array_words(element, count) as u32, !element.is_scalar())
}

/// Whether an object with this tag is of a type, an interface's or function's included.
pub fn is_instance(program: &Program, tag: TypeId, ty: TypeId) -> bool {
    program.is_instance(tag.0, ty)
}

/// Whether the interpreter puts the function in the place of its calls, which are then not counted as nested.
pub fn is_put_in(program: &Program, function: FunctionId) -> bool {
    crate::code::is_small(program.image(), function)
}

/// Registers of the larger bank in the interpreter's frames of a function, where that is to put in all it can.
pub fn frame_registers(program: &Program, function: FunctionId) -> usize {
    crate::code::frame_registers(program.image(), function)
}
