//! The dispatch loop: runs decoded instructions over the windows of the innermost frame.
//!
//! A call within the program pushes a frame and goes round; it does not recurse. An instruction that may
//! collect, suspend or move the banks saves the frame's place first and makes the loop take its windows anew.

use std::sync::Arc;

use crate::fiber::{Exit, Running};
use crate::heap::{Heap, Ref};
use crate::native::Body;
use crate::ops::double_to_int;
use crate::program::Program;
use crate::stack::Stack;
use crate::vm::{Vm, trapped};
use dscript_bytecode::ids::*;
use dscript_bytecode::instr::Instr;
use dscript_bytecode::trap::TrapKind;

/// Dispatch loops within natives within dispatch loops: the depth of `toString` calls from collections.
const NESTED_MAX: usize = 32;

impl Running<'_> {
    /// Runs until the entry frame at index `base` returns; its results are in the `returned` cell.
    pub fn run(&mut self, base: usize) -> Result<(), Exit> {
        if self.nested >= NESTED_MAX {
            return Err(trapped(TrapKind::Stack, "texts within texts are nested too deep").into());
        }
        self.nested += 1;
        let temps = self.vm().stack.temps.len();
        let program = Arc::clone(&self.vm().program);
        let result = loop {
            match self.dispatch(&program) {
                Err(Exit::Limit(limit)) if self.vm().stack.limits[limit].frame >= base => {
                    self.leave_region(limit);
                    self.vm().stack.temps.truncate(temps);
                }
                result => break result,
            }
        };
        self.nested -= 1;
        result
    }

    #[allow(clippy::cognitive_complexity)]
    fn dispatch(&mut self, program: &Program) -> Result<(), Exit> {
        let functions = &program.image().functions[..];
        'frame: loop {
            let Vm { heap, stack, fuel, constants, .. } = self.vm();
            let Stack { scalars, refs, frames, scalars_top, refs_top, .. } = stack;
            let frame = frames.last_mut().expect("a running fiber has a frame");
            let code = &functions[frame.function.index()].code[..];
            let mut pc = frame.pc as usize;
            let s = &mut scalars[frame.scalars as usize..*scalars_top];
            let r = &mut refs[frame.refs as usize..*refs_top];

            macro_rules! int {
                ($reg:expr) => {
                    s[$reg.index()] as i64
                };
            }
            macro_rules! double {
                ($reg:expr) => {
                    f64::from_bits(s[$reg.index()])
                };
            }
            macro_rules! bool {
                ($reg:expr) => {
                    s[$reg.index()] != 0
                };
            }
            macro_rules! set_int {
                ($reg:expr, $value:expr) => {
                    s[$reg.index()] = $value as u64
                };
            }
            macro_rules! set_double {
                ($reg:expr, $value:expr) => {
                    s[$reg.index()] = f64::to_bits($value)
                };
            }
            macro_rules! trap {
                ($kind:ident, $($text:tt)*) => {{
                    frame.pc = pc as u32;
                    return Err(trapped(TrapKind::$kind, format!($($text)*)).into());
                }};
            }
            macro_rules! checked {
                ($method:ident, $sign:literal, $a:expr, $b:expr, $dst:expr) => {{
                    let (a, b): (i64, i64) = ($a, $b);
                    match a.$method(b) {
                        Some(value) => set_int!($dst, value),
                        None => trap!(Overflow, "{a} {} {b} does not fit an int", $sign),
                    }
                }};
            }
            macro_rules! shift {
                ($a:expr, $b:expr, $dst:expr, |$x:ident, $by:ident| $value:expr) => {{
                    let ($x, by) = (int!($a), int!($b));
                    if !(0..64).contains(&by) {
                        trap!(Shift, "a shift by {by} is outside 0..63");
                    }
                    let $by = by as u32;
                    set_int!($dst, $value)
                }};
            }
            macro_rules! jump {
                ($to:expr) => {{
                    let to = $to.index();
                    if to <= pc {
                        *fuel -= 1;
                        if *fuel < 0 {
                            frame.pc = to as u32;
                            self.interrupted()?;
                            continue 'frame;
                        }
                    }
                    pc = to;
                    continue;
                }};
            }
            macro_rules! jump_if {
                ($condition:expr, $to:expr) => {
                    if $condition {
                        jump!($to)
                    }
                };
            }
            // Hands the whole state over, then goes on after this instruction.
            macro_rules! slow {
                ($running:ident => $body:expr) => {{
                    frame.pc = pc as u32;
                    let $running = &mut *self;
                    $body?;
                    self.advance();
                    continue 'frame;
                }};
            }
            // A call: an interruption point, then a new frame.
            macro_rules! call {
                ($running:ident => $body:expr) => {{
                    frame.pc = pc as u32;
                    *fuel -= 1;
                    if *fuel < 0 {
                        self.interrupted()?;
                    }
                    let $running = &mut *self;
                    $body?;
                    continue 'frame;
                }};
            }
            macro_rules! element_index {
                ($list:expr, $index:expr) => {{
                    let list = r[$list.index()];
                    let (index, size) = (int!($index), heap.list_size(list));
                    if index as u64 >= size as u64 {
                        trap!(Index, "index {index}, size {size}");
                    }
                    (heap.list_array(list), index as usize)
                }};
            }

            loop {
                match &code[pc] {
                    Instr::MoveScalar { src, dst } => s[dst.index()] = s[src.index()],
                    Instr::MoveRef { src, dst } => r[dst.index()] = r[src.index()],
                    Instr::Int { value, dst } => set_int!(dst, *value),
                    Instr::Double { value, dst } => set_double!(dst, *value),
                    Instr::Bool { value, dst } => set_int!(dst, *value),
                    Instr::Null { dst } => r[dst.index()] = 0,
                    Instr::Const { value, dst } => match constants[value.index()] {
                        0 => slow!(this => this.vm().load_constant(*value, *dst)),
                        object => r[dst.index()] = object,
                    },

                    Instr::AddInt { a, b, dst } => checked!(checked_add, "+", int!(a), int!(b), dst),
                    Instr::SubInt { a, b, dst } => checked!(checked_sub, "-", int!(a), int!(b), dst),
                    Instr::MulInt { a, b, dst } => checked!(checked_mul, "*", int!(a), int!(b), dst),
                    Instr::DivInt { a, b, dst } => {
                        if int!(b) == 0 {
                            trap!(DivisionByZero, "{} / 0", int!(a));
                        }
                        checked!(checked_div, "/", int!(a), int!(b), dst)
                    }
                    Instr::RemInt { a, b, dst } => {
                        if int!(b) == 0 {
                            trap!(DivisionByZero, "{} % 0", int!(a));
                        }
                        set_int!(dst, int!(a).wrapping_rem(int!(b)))
                    }
                    Instr::NegInt { a, dst } => match int!(a).checked_neg() {
                        Some(value) => set_int!(dst, value),
                        None => trap!(Overflow, "-({}) does not fit an int", int!(a)),
                    },
                    Instr::AddImm { a, value, dst } => checked!(checked_add, "+", int!(a), *value, dst),
                    Instr::AndInt { a, b, dst } => set_int!(dst, int!(a) & int!(b)),
                    Instr::OrInt { a, b, dst } => set_int!(dst, int!(a) | int!(b)),
                    Instr::XorInt { a, b, dst } => set_int!(dst, int!(a) ^ int!(b)),
                    Instr::NotInt { a, dst } => set_int!(dst, !int!(a)),
                    Instr::ShlInt { a, b, dst } => shift!(a, b, dst, |x, by| x << by),
                    Instr::ShrInt { a, b, dst } => shift!(a, b, dst, |x, by| x >> by),
                    Instr::UShrInt { a, b, dst } => shift!(a, b, dst, |x, by| x as u64 >> by),

                    Instr::AddDouble { a, b, dst } => set_double!(dst, double!(a) + double!(b)),
                    Instr::SubDouble { a, b, dst } => set_double!(dst, double!(a) - double!(b)),
                    Instr::MulDouble { a, b, dst } => set_double!(dst, double!(a) * double!(b)),
                    Instr::DivDouble { a, b, dst } => set_double!(dst, double!(a) / double!(b)),
                    Instr::RemDouble { a, b, dst } => set_double!(dst, double!(a) % double!(b)),
                    Instr::NegDouble { a, dst } => set_double!(dst, -double!(a)),
                    Instr::IntToDouble { a, dst } => set_double!(dst, int!(a) as f64),
                    Instr::DoubleToInt { a, dst } => match double_to_int(double!(a)) {
                        Ok(value) => set_int!(dst, value),
                        Err(trap) => {
                            frame.pc = pc as u32;
                            return Err(trap.into());
                        }
                    },

                    Instr::EqInt { a, b, dst } => set_int!(dst, (int!(a) == int!(b))),
                    Instr::LtInt { a, b, dst } => set_int!(dst, (int!(a) < int!(b))),
                    Instr::LeInt { a, b, dst } => set_int!(dst, (int!(a) <= int!(b))),
                    Instr::EqDouble { a, b, dst } => set_int!(dst, (double!(a) == double!(b))),
                    Instr::LtDouble { a, b, dst } => set_int!(dst, (double!(a) < double!(b))),
                    Instr::LeDouble { a, b, dst } => set_int!(dst, (double!(a) <= double!(b))),
                    Instr::EqBool { a, b, dst } => set_int!(dst, (bool!(a) == bool!(b))),
                    Instr::NotBool { a, dst } => set_int!(dst, !bool!(a)),
                    Instr::SameRef { a, b, dst } => set_int!(dst, (r[a.index()] == r[b.index()])),
                    Instr::IsNull { a, dst } => set_int!(dst, (r[a.index()] == 0)),
                    Instr::EqValue { a, b, ty, dst } => {
                        let (x, y) = (r[a.index()], r[b.index()]);
                        if x == y {
                            set_int!(dst, 1);
                        } else if x == 0 || y == 0 {
                            set_int!(dst, 0);
                        } else if heap.is_string(x) {
                            set_int!(dst, heap.same_text(x, y));
                        } else {
                            slow!(this => this.vm().equal_refs(*ty, *a, *b, *dst))
                        }
                    }

                    Instr::Jump { to } => jump!(to),
                    Instr::If { a, to } => jump_if!(bool!(a), to),
                    Instr::IfNot { a, to } => jump_if!(!bool!(a), to),
                    Instr::IfEqInt { a, b, to } => jump_if!(int!(a) == int!(b), to),
                    Instr::IfNeInt { a, b, to } => jump_if!(int!(a) != int!(b), to),
                    Instr::IfLtInt { a, b, to } => jump_if!(int!(a) < int!(b), to),
                    Instr::IfLeInt { a, b, to } => jump_if!(int!(a) <= int!(b), to),
                    Instr::IfEqDouble { a, b, to } => jump_if!(double!(a) == double!(b), to),
                    Instr::IfNeDouble { a, b, to } => jump_if!(double!(a) != double!(b), to),
                    Instr::IfLtDouble { a, b, to } => jump_if!(double!(a) < double!(b), to),
                    Instr::IfLeDouble { a, b, to } => jump_if!(double!(a) <= double!(b), to),
                    Instr::IfNotLtDouble { a, b, to } => {
                        let less = double!(a) < double!(b);
                        jump_if!(!less, to)
                    }
                    Instr::IfNotLeDouble { a, b, to } => {
                        let less = double!(a) <= double!(b);
                        jump_if!(!less, to)
                    }
                    Instr::IfNull { a, to } => jump_if!(r[a.index()] == 0, to),
                    Instr::IfNotNull { a, to } => jump_if!(r[a.index()] != 0, to),
                    Instr::Switch { a, low, targets, default } => {
                        let place = int!(a).wrapping_sub(*low) as u64;
                        let to = usize::try_from(place).ok().and_then(|i| targets.get(i)).unwrap_or(default);
                        jump!(to)
                    }

                    Instr::New { ty, slots, dst } => {
                        let words = program.shapes[ty.index()].words as usize;
                        if !heap.has_room(words) {
                            slow!(this => this.vm().new_object(*ty, slots, *dst))
                        }
                        let first = program.shapes[ty.index()].first as usize;
                        r[dst.index()] = make_object(heap, ty.0, words, first, slots, s, r);
                    }
                    Instr::GetScalar { object, slot, dst } => {
                        s[dst.index()] = heap.word(r[object.index()], 1 + slot.index());
                    }
                    Instr::GetRef { object, slot, dst } => {
                        let object = r[object.index()];
                        let first = program.shapes[heap.tag(object) as usize].first as usize;
                        r[dst.index()] = heap.ref_at(object, first, slot.index());
                    }
                    Instr::SetScalar { object, slot, src } => {
                        heap.set_word(r[object.index()], 1 + slot.index(), s[src.index()]);
                    }
                    Instr::SetRef { object, slot, src } => {
                        let object = r[object.index()];
                        let first = program.shapes[heap.tag(object) as usize].first as usize;
                        heap.set_ref_at(object, first, slot.index(), r[src.index()]);
                    }
                    Instr::Unwrap { src, dst } => match r[src.index()] {
                        0 => trap!(Internal, "null where the compiler had shown a value"),
                        object => r[dst.index()] = object,
                    },
                    Instr::InstanceOf { src, ty, dst } => {
                        let object = r[src.index()];
                        set_int!(dst, (object != 0 && program.is_instance(heap.tag(object), *ty)))
                    }
                    Instr::Narrow { src, ty, dst } => {
                        let object = r[src.index()];
                        if object == 0 || !program.is_instance(heap.tag(object), *ty) {
                            trap!(Internal, "an object of another type than the compiler had shown");
                        }
                        r[dst.index()] = object;
                    }

                    Instr::ListNew { ty, capacity, dst } => slow!(this => {
                        let vm = this.vm();
                        vm.list_with_capacity(*ty, *capacity).map(|list| vm.set_r(*dst, list))
                    }),
                    Instr::ListSize { list, dst } => set_int!(dst, heap.list_size(r[list.index()])),
                    Instr::ListGetScalar { list, index, dst } => {
                        let (array, index) = element_index!(list, index);
                        s[dst.index()] = heap.scalar_at(array, index);
                    }
                    Instr::ListGetRef { list, index, dst } => {
                        let (array, index) = element_index!(list, index);
                        r[dst.index()] = heap.ref_at(array, 1, index);
                    }
                    Instr::ListSetScalar { list, index, src } => {
                        let (array, index) = element_index!(list, index);
                        heap.set_scalar_at(array, index, s[src.index()]);
                    }
                    Instr::ListSetRef { list, index, src } => {
                        let (array, index) = element_index!(list, index);
                        heap.set_ref_at(array, 1, index, r[src.index()]);
                    }
                    Instr::ListAddScalar { list, src } => {
                        let (list, value) = (r[list.index()], s[src.index()]);
                        if !heap.list_add_scalar(list, value) {
                            slow!(this => this.vm().list_add_of(list, value))
                        }
                    }
                    Instr::ListAddRef { list, src } => {
                        let (list, value) = (r[list.index()], r[src.index()]);
                        if !heap.list_add_ref(list, value) {
                            slow!(this => this.vm().list_add_of(list, value.into()))
                        }
                    }
                    Instr::Version { collection, dst } => {
                        set_int!(dst, heap.version(r[collection.index()]))
                    }
                    Instr::CheckVersion { collection, version } => {
                        if i64::from(heap.version(r[collection.index()])) != int!(version) {
                            trap!(Changed, "a collection was changed while a for-each walked it");
                        }
                    }
                    Instr::Concat { parts, dst } => slow!(this => this.vm().concat(parts, *dst)),
                    Instr::TextScalar { src, ty, dst } => {
                        slow!(this => this.vm().text_scalar(*src, *ty, *dst))
                    }
                    Instr::TextRef { src, ty, dst } => {
                        let object = r[src.index()];
                        if heap.is_string(object) {
                            r[dst.index()] = object;
                        } else if let Some(function) = program.to_string(heap.tag(object)) {
                            let args = [Reg::R(*src)];
                            call!(this => this.push(function, None, &args))
                        } else {
                            slow!(this => this.text_ref(*src, *ty, *dst))
                        }
                    }

                    Instr::Call { function, args, .. } => call!(this => this.push(*function, None, args)),
                    Instr::CallValue { callee, args, .. } => {
                        let function = program.closure_code(heap.tag(r[callee.index()]));
                        call!(this => this.push(function, Some(*callee), args))
                    }
                    Instr::CallMethod { object, ty, method, args, .. } => {
                        let function = program.method(heap.tag(r[object.index()]), *ty, *method);
                        call!(this => this.push(function, Some(*object), args))
                    }
                    Instr::CallNative { native, args, results } => {
                        frame.pc = pc as u32;
                        *fuel -= 1;
                        if *fuel < 0 {
                            self.interrupted()?;
                        }
                        let linked = &program.natives[native.index()];
                        match linked.def.body {
                            Body::Pure(body) => self.call_pure(linked, body, args, results)?,
                            Body::Outside(body) => self.call_outside(linked, body, args, results)?,
                        }
                        self.advance();
                        continue 'frame;
                    }
                    Instr::Return { values } => {
                        if self.vm().leave_frame(program, values) {
                            return Ok(());
                        }
                        continue 'frame;
                    }
                    Instr::GetStatic { from, .. } => {
                        frame.pc = pc as u32;
                        self.get_static(program, *from)?;
                        continue 'frame;
                    }
                    Instr::Trap { kind, text } => {
                        frame.pc = pc as u32;
                        return Err(trapped(*kind, program.constant_text(*text)).into());
                    }
                    Instr::TrapText { kind, text } => {
                        frame.pc = pc as u32;
                        return Err(trapped(*kind, heap.text(r[text.index()]).to_owned()).into());
                    }
                    Instr::LimitEnter { limit, to } => {
                        let (limit, to) = (int!(limit), *to);
                        frame.pc = pc as u32;
                        self.enter_region(limit, to);
                        continue 'frame;
                    }
                    Instr::LimitLeave {} => slow!(this => this.vm().end_region()),
                }
                pc += 1;
            }
        }
    }
}

/// An object with its slots from registers; there is room.
pub(crate) fn make_object(
    heap: &mut Heap,
    tag: u32,
    words: usize,
    first: usize,
    slots: &[Reg],
    s: &[u64],
    r: &[Ref],
) -> Ref {
    let object = heap.allocate(tag, 0, words);
    let (mut scalar, mut reference) = (1, 0);
    for slot in slots {
        match slot {
            Reg::S(reg) => {
                heap.set_word(object, scalar, s[reg.index()]);
                scalar += 1;
            }
            Reg::R(reg) => {
                heap.set_ref_at(object, first, reference, r[reg.index()]);
                reference += 1;
            }
        }
    }
    object
}
