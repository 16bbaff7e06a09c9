//! Writes the steps of a function as words. A step is the address of its handler, and operands as that reads them.

mod call;

use super::calls;
use super::inline::{Flat, choice, flatten};
use super::op::{Cond, DoubleOp, IntOp, Op, Step};
use super::select::{Facts, select};
use super::{Code, Form, Handler, INLINED, handlers as h, slow};
use crate::link::Linked;
use crate::program::{Element, Info};
use crate::stack::Marks;
use dscript_bytecode::ids::*;
use dscript_bytecode::image::{Function, Image, RegType, Type};
use dscript_bytecode::instr::Instr;

pub(super) fn emit(
    image: &Image,
    infos: &[Info],
    natives: &[Linked],
    index: FunctionId,
    written: &Function,
    table: *const Code,
) -> Code {
    let flat = flatten(image, written);
    let f = &flat.function;
    let mut emitter = Emitter {
        image,
        infos,
        natives,
        f,
        written,
        flat: &flat,
        table,
        words: Vec::with_capacity(4 * f.code.len()),
        code: Code {
            function: index,
            window: Marks::new(f.scalars.len(), f.refs.len()),
            param_refs: f.params.iter().filter(|param| matches!(param, RegType::Ref(_))).count() as u32,
            result_words: call::result_words(f.results.len()) as u32,
            ..Code::default()
        },
        starts: Vec::with_capacity(f.code.len()),
        fixes: Vec::new(),
        taken: None,
        copying: None,
        dead: Vec::new(),
    };
    let words: Vec<bool> = f.refs.iter().map(|reg| emitter.is_list_of_words(reg.ty)).collect();
    let choices = |function: FunctionId| choice(&image.functions[function.index()]);
    let (steps, dead) = select(f, &Facts { words: &words, choices: &choices });
    emitter.dead = dead;
    for (at, step) in steps.iter().enumerate() {
        emitter.starts.push(emitter.words.len() as u32);
        if !matches!(step.op, Op::Gone) && emitter.taken.take_if(|taken| *taken == at).is_none() {
            emitter.note(at);
            emitter.step(&steps, at);
        }
    }
    emitter.finish()
}

pub(super) struct Emitter<'a> {
    image: &'a Image,
    infos: &'a [Info],
    natives: &'a [Linked],
    f: &'a Function,
    /// As the image has it.
    written: &'a Function,
    flat: &'a Flat,
    table: *const Code,
    pub words: Vec<u64>,
    pub code: Code,
    /// The first word of each step.
    starts: Vec<u32>,
    /// Distances still to be written: the word they are counted from, the half word they go to, the label.
    fixes: Vec<(usize, usize, Label)>,
    /// A step that the one before has done too.
    pub taken: Option<usize>,
    /// What comes after the step that is emitted, where that is a copy.
    pub copying: Option<usize>,
    /// Which references calls need no more, by step.
    dead: Vec<(usize, u64)>,
}

pub(super) fn lanes(a: u16, b: u16, c: u16, d: u16) -> u64 {
    u64::from(a) | u64::from(b) << 16 | u64::from(c) << 32 | u64::from(d) << 48
}

pub(super) fn with_upper(a: u16, b: u16, upper: u32) -> u64 {
    u64::from(a) | u64::from(b) << 16 | u64::from(upper) << 32
}

fn packed(regs: impl Iterator<Item = u16>) -> Vec<u64> {
    let regs: Vec<u16> = regs.collect();
    regs.chunks(4)
        .map(|four| four.iter().enumerate().fold(0, |word, (i, reg)| word | u64::from(*reg) << (16 * i)))
        .collect()
}

fn number(reg: &Reg) -> u16 {
    match reg {
        Reg::S(s) => s.0,
        Reg::R(r) => r.0,
    }
}

fn bank(reg: &Reg) -> u16 {
    u16::from(matches!(reg, Reg::R(_)))
}

impl Emitter<'_> {
    pub fn op(&mut self, handler: Handler, operands: u64) {
        self.words.push(handler as usize as u64);
        self.words.push(operands);
    }

    /// From the next word on the code is that of a step.
    pub fn note(&mut self, at: usize) {
        let place = self.place(at);
        self.code.places.push((self.words.len() as u32, place));
    }

    /// As `note`, from a word before the next one on.
    pub fn note_at(&mut self, word: usize, at: usize) {
        let place = self.place(at);
        self.code.places.push((word as u32, place));
    }

    /// The next word is that of an operation that is not done as it was written.
    pub fn note_form(&mut self, form: Form) {
        if form != Form::Written {
            self.code.forms.push((self.words.len() as u32, form));
        }
    }

    /// What a frame notes of the place of a step.
    fn place(&mut self, at: usize) -> u32 {
        let origin = self.flat.origins[at];
        if origin.inner.is_none() {
            return origin.pc;
        }
        if self.code.inlined.last() != Some(&origin) {
            self.code.inlined.push(origin);
        }
        INLINED | (self.code.inlined.len() - 1) as u32
    }

    fn three(&mut self, handler: Handler, a: S, b: S, c: S) {
        self.op(handler, lanes(a.0, b.0, c.0, 0));
    }

    /// A jump to a label, one way or back.
    pub fn branch(&mut self, [forward, back]: [Handler; 2], pc: u32, a: u16, b: u16, to: Label) {
        let at = self.words.len();
        self.fixes.push((at, 2 * (at + 1) + 1, to));
        self.op(if to.0 <= pc { back } else { forward }, with_upper(a, b, 0));
    }

    /// Keeps an instruction that a word points to.
    fn keep(&mut self, instr: &Instr) {
        let instr = Box::new(instr.clone());
        self.words.push(std::ptr::from_ref::<Instr>(&instr) as usize as u64);
        self.code.instrs.push(instr);
    }

    fn slow(&mut self, instr: &Instr) {
        self.op(slow::instruction, 0);
        self.keep(instr);
    }

    /// The type of a reference register as the portable instruction names it: a copy may be of a wider type.
    fn ref_type(&self, r: R) -> TypeId {
        self.f.refs[r.index()].ty
    }

    /// The word where the references of an object begin.
    fn first_ref(&self, ty: TypeId) -> u16 {
        1 + self.infos[ty.index()].object.as_ref().map_or(0, |object| object.scalars)
    }

    /// Whether it is a list whose elements are whole words.
    fn is_list_of_words(&self, ty: TypeId) -> bool {
        match self.image.types[ty.index()] {
            Type::List(element) => self.infos[element.index()].element == Element::Scalar,
            _ => false,
        }
    }

    fn element(&self, list: R) -> Element {
        match self.image.types[self.ref_type(list).index()] {
            Type::List(element) => self.infos[element.index()].element,
            ref other => panic!("{other:?} is not a list type"),
        }
    }

    pub fn step(&mut self, steps: &[Step], at: usize) {
        let Step { pc, ref op } = steps[at];
        match op {
            Op::Gone => {}
            Op::Plain(instr) => self.plain(steps, at, instr),
            Op::IntImm { op, form, a, value, dst } => {
                self.note_form(*form);
                if *op == IntOp::Add
                    && (a == dst && self.counted(steps, at, *a, *value)
                        || self.call_with_sum(steps, at, *a, *value, *dst))
                {
                    return;
                }
                let power = power_of_two((*value).into());
                let (handler, value): (Handler, u32) = match (op, power) {
                    (IntOp::Add, _) => (h::add_imm, *value as u32),
                    (IntOp::Mul, _) => (h::mul_imm, *value as u32),
                    (IntOp::And, _) => (h::and_imm, *value as u32),
                    (IntOp::Shl, _) => (h::shl_imm, *value as u32),
                    (IntOp::Shr, _) => (h::shr_imm, *value as u32),
                    (IntOp::UShr, _) => (h::ushr_imm, *value as u32),
                    (IntOp::Div, _) if *value == 2 => (h::half, *value as u32),
                    (IntOp::Div, Some(power)) => (h::div_power, power),
                    (IntOp::Div, None) => (h::div_imm, *value as u32),
                    (IntOp::Rem, Some(_)) => return self.remainder_of_power(*a, (*value).into(), *dst),
                    (IntOp::Rem, None) => (h::rem_imm, *value as u32),
                };
                self.op(handler, with_upper(a.0, dst.0, value));
            }
            Op::IntConst { op, form, a, value, dst } => {
                self.note_form(*form);
                let handler: Handler = match (op, power_of_two(*value)) {
                    (IntOp::Add, _) => h::add_k,
                    (IntOp::Mul, _) => h::mul_k,
                    (IntOp::And, _) => h::and_k,
                    (IntOp::Div, Some(power)) => return self.op(h::div_power, with_upper(a.0, dst.0, power)),
                    (IntOp::Div, None) => h::div_k,
                    (IntOp::Rem, Some(_)) => return self.remainder_of_power(*a, *value, *dst),
                    (IntOp::Rem, None) => h::rem_k,
                    (IntOp::Shl | IntOp::Shr | IntOp::UShr, _) => panic!("distances of shifts are small"),
                };
                self.op(handler, with_upper(a.0, dst.0, 0));
                self.words.push(*value as u64);
            }
            Op::DoubleConst { op, a, value, left, dst } => {
                let handler: Handler = match (op, left) {
                    (DoubleOp::Add, _) => h::add_dk,
                    (DoubleOp::Mul, _) => h::mul_dk,
                    (DoubleOp::Sub, false) => h::sub_dk,
                    (DoubleOp::Sub, true) => h::sub_kd,
                    (DoubleOp::Div, false) => h::div_dk,
                    (DoubleOp::Div, true) => h::div_kd,
                };
                self.op(handler, with_upper(a.0, dst.0, 0));
                self.words.push(value.to_bits());
            }
            Op::IfImm { cond, a, value, to } => {
                if to.0 > pc && self.returned_after(steps, at).is_some_and(|value| matches!(value, Reg::S(_)))
                {
                    let handler: Handler = match cond {
                        Cond::Eq => calls::if_eq_or_return,
                        Cond::Ne => calls::if_ne_or_return,
                        Cond::Lt => calls::if_lt_or_return,
                        Cond::Ge => calls::if_ge_or_return,
                    };
                    return self.branch([handler; 2], pc, a.0, *value as u16, *to);
                }
                let pair: [Handler; 2] = match cond {
                    Cond::Eq => [h::if_eq_imm, h::if_eq_imm_back],
                    Cond::Ne => [h::if_ne_imm, h::if_ne_imm_back],
                    Cond::Lt => [h::if_lt_imm, h::if_lt_imm_back],
                    Cond::Ge => [h::if_ge_imm, h::if_ge_imm_back],
                };
                self.branch(pair, pc, a.0, *value as u16, *to);
            }
            Op::Load { from, dst } => self.load_from(from, *dst),
            Op::Binary { op, form, a, b, dst } => {
                self.note_form(*form);
                self.binary(*op, a, b, *dst);
            }
            Op::Branch { test, a, b, to } => self.branch_by(*test, a, b, pc, *to),
            Op::MulAdd { op, a, b, c, dst } => self.mul_add(*op, a, b, *c, *dst),
            Op::MulAddInt { product, product_form, form, a, b, c, dst } => {
                self.note_form(*form);
                self.mul_add_int((*product, *product_form), *a, b, c, *dst);
            }
            Op::IfRem { remainder, a, b, value, equal, to } => {
                self.branch_by_remainder(*remainder as usize, *a, b, (*value, *equal), pc, *to);
            }
            Op::Store { to, value } => self.store(to, value),
            Op::StoreBool { list, index, value } => {
                self.op(h::list_set_b_imm, lanes(list.0, index.0, (*value).into(), 0));
            }
            Op::Change { operation, op, form, to, b } => {
                self.note(*operation as usize);
                self.note_form(*form);
                self.change(*op, to, b);
            }
            Op::ChangeMul { op, a, b, object, slot } => self.change_mul(*op, *a, *b, *object, *slot),
            Op::Swap { a, b } => self.swap(a, b),
            Op::Choose { test, a, b, x, y, dst } => self.choose(*test, [*a, *b, *x, *y], *dst),
        }
    }

    fn remainder_of_power(&mut self, a: S, value: i64, dst: S) {
        self.op(h::rem_power, with_upper(a.0, dst.0, 0));
        self.words.push(value as u64 - 1);
    }

    /// What runs after step `at`, where nothing but jumps to it lies between.
    pub fn following<'s>(&self, steps: &'s [Step], at: usize) -> Option<&'s Step> {
        let mut next = at + 1;
        loop {
            let step = steps.get(next)?;
            match &step.op {
                Op::Gone => next += 1,
                Op::Plain(Instr::Jump { to }) if to.index() > next => next = to.index(),
                _ => return Some(step),
            }
        }
    }

    /// The step after `at`, where nobody jumps to it.
    pub fn next_in_block(&self, steps: &[Step], at: usize) -> Option<usize> {
        let next = (at + 1..steps.len()).find(|next| !matches!(steps[*next].op, Op::Gone))?;
        let heads = &self.f.heads;
        let first = heads.partition_point(|head| head.at.index() <= at);
        heads.get(first).is_none_or(|head| head.at.index() > next).then_some(next)
    }

    /// What the step after `at` returns, where it is one value.
    fn returned_after(&self, steps: &[Step], at: usize) -> Option<Reg> {
        if self.copying.is_some() {
            return None;
        }
        let next = steps[at + 1..].iter().find(|step| !matches!(step.op, Op::Gone))?;
        match &next.op {
            Op::Plain(Instr::Return { values }) => match values[..] {
                [value] => Some(value),
                _ => None,
            },
            _ => None,
        }
    }

    fn plain(&mut self, steps: &[Step], at: usize, instr: &Instr) {
        let pc = steps[at].pc;
        // What calls is of the function itself.
        let place = self.flat.origins[at].pc;
        let written = &self.f.code[pc as usize];
        match instr {
            Instr::MoveScalar { src, dst } => self.op(h::mov_s, lanes(src.0, dst.0, 0, 0)),
            Instr::MoveRef { src, dst } => self.op(h::mov_r, lanes(src.0, dst.0, 0, 0)),
            Instr::Int { value, dst } => {
                let small = i32::try_from(*value).ok();
                let value = *value as u64;
                match small.filter(|_| self.returned_after(steps, at) == Some(Reg::S(*dst))) {
                    Some(small) => self.op(calls::return_small, with_upper(dst.0, 0, small as u32)),
                    None => self.load(value, *dst),
                }
            }
            Instr::Double { value, dst } => self.load(value.to_bits(), *dst),
            Instr::Bool { value, dst } => self.load(u64::from(*value), *dst),
            Instr::Null { dst } => self.op(h::null, lanes(dst.0, 0, 0, 0)),
            Instr::Const { value, dst } => {
                self.op(h::constant, with_upper(dst.0, 0, value.0));
                self.keep(instr);
            }

            Instr::AddInt { a, b, dst } => {
                let is_returned = self.returned_after(steps, at) == Some(Reg::S(*dst));
                if a == dst && !is_returned && self.stepped(steps, at, *a, *b) {
                    return;
                }
                self.three(if is_returned { calls::return_sum } else { h::add }, *a, *b, *dst);
            }
            Instr::SubInt { a, b, dst } => self.three(h::sub, *a, *b, *dst),
            Instr::MulInt { a, b, dst } => self.three(h::mul, *a, *b, *dst),
            Instr::DivInt { a, b, dst } => self.three(h::div, *a, *b, *dst),
            Instr::RemInt { a, b, dst } => self.three(h::rem, *a, *b, *dst),
            Instr::NegInt { a, dst } => self.three(h::neg, *a, *a, *dst),
            // A constant too large for the short form.
            Instr::AddImm { .. } => self.slow(instr),
            Instr::AndInt { a, b, dst } => self.three(h::and, *a, *b, *dst),
            Instr::OrInt { a, b, dst } => self.three(h::or, *a, *b, *dst),
            Instr::XorInt { a, b, dst } => self.three(h::xor, *a, *b, *dst),
            Instr::NotInt { a, dst } => self.three(h::not, *a, *a, *dst),
            Instr::ShlInt { a, b, dst } => self.three(h::shl, *a, *b, *dst),
            Instr::ShrInt { a, b, dst } => self.three(h::shr, *a, *b, *dst),
            Instr::UShrInt { a, b, dst } => self.three(h::ushr, *a, *b, *dst),

            Instr::AddDouble { a, b, dst } => self.three(h::add_d, *a, *b, *dst),
            Instr::SubDouble { a, b, dst } => self.three(h::sub_d, *a, *b, *dst),
            Instr::MulDouble { a, b, dst } => self.three(h::mul_d, *a, *b, *dst),
            Instr::DivDouble { a, b, dst } => self.three(h::div_d, *a, *b, *dst),
            Instr::RemDouble { .. } => self.slow(instr),
            Instr::NegDouble { a, dst } => self.three(h::neg_d, *a, *a, *dst),
            Instr::IntToDouble { a, dst } => self.three(h::to_double, *a, *a, *dst),
            Instr::DoubleToInt { a, dst } => self.three(h::to_int, *a, *a, *dst),

            Instr::EqInt { a, b, dst } => self.three(h::eq_i, *a, *b, *dst),
            Instr::LtInt { a, b, dst } => self.three(h::lt_i, *a, *b, *dst),
            Instr::LeInt { a, b, dst } => self.three(h::le_i, *a, *b, *dst),
            Instr::EqDouble { a, b, dst } => self.three(h::eq_d, *a, *b, *dst),
            Instr::LtDouble { a, b, dst } => self.three(h::lt_d, *a, *b, *dst),
            Instr::LeDouble { a, b, dst } => self.three(h::le_d, *a, *b, *dst),
            Instr::EqBool { a, b, dst } => self.three(h::eq_b, *a, *b, *dst),
            Instr::NotBool { a, dst } => self.three(h::not_b, *a, *a, *dst),
            Instr::SameRef { a, b, dst } => self.op(h::same, lanes(a.0, b.0, dst.0, 0)),
            Instr::IsNull { a, dst } => self.op(h::is_null, lanes(a.0, 0, dst.0, 0)),
            Instr::EqValue { a, b, ty, dst } => {
                self.op(h::eq_value, lanes(a.0, b.0, dst.0, 0));
                self.words.push(u64::from(ty.0));
                self.words.push(0);
            }

            Instr::Jump { to } => {
                if to.index() <= at {
                    self.branch([h::jump, h::jump_back], pc, 0, 0, *to);
                } else if !self.copy_ahead(steps, at, *to) {
                    self.jump_to(steps, at, to.0);
                }
            }
            Instr::If { a, to } => self.branch([h::if_true, h::if_true_back], pc, a.0, 0, *to),
            Instr::IfNot { a, to } => self.branch([h::if_false, h::if_false_back], pc, a.0, 0, *to),
            Instr::IfEqInt { a, b, to } => self.branch([h::if_eq, h::if_eq_back], pc, a.0, b.0, *to),
            Instr::IfNeInt { a, b, to } => self.branch([h::if_ne, h::if_ne_back], pc, a.0, b.0, *to),
            Instr::IfLtInt { a, b, to } => self.branch([h::if_lt, h::if_lt_back], pc, a.0, b.0, *to),
            Instr::IfLeInt { a, b, to } => self.branch([h::if_le, h::if_le_back], pc, a.0, b.0, *to),
            Instr::IfEqDouble { a, b, to } => self.branch([h::if_eq_d, h::if_eq_d_back], pc, a.0, b.0, *to),
            Instr::IfNeDouble { a, b, to } => self.branch([h::if_ne_d, h::if_ne_d_back], pc, a.0, b.0, *to),
            Instr::IfLtDouble { a, b, to } => self.branch([h::if_lt_d, h::if_lt_d_back], pc, a.0, b.0, *to),
            Instr::IfLeDouble { a, b, to } => self.branch([h::if_le_d, h::if_le_d_back], pc, a.0, b.0, *to),
            Instr::IfNotLtDouble { a, b, to } => {
                self.branch([h::if_nlt_d, h::if_nlt_d_back], pc, a.0, b.0, *to);
            }
            Instr::IfNotLeDouble { a, b, to } => {
                self.branch([h::if_nle_d, h::if_nle_d_back], pc, a.0, b.0, *to);
            }
            Instr::IfNull { a, to } => self.branch([h::if_null, h::if_null_back], pc, a.0, 0, *to),
            Instr::IfNotNull { a, to } => self.branch([h::if_some, h::if_some_back], pc, a.0, 0, *to),
            Instr::Switch { a, low, targets, default } => {
                let from = self.words.len();
                self.op(h::switch, with_upper(a.0, 0, targets.len() as u32));
                self.words.push(*low as u64);
                let first = self.words.len();
                self.words.resize(first + (targets.len() + 1).div_ceil(2), 0);
                for (i, to) in targets.iter().chain([default]).enumerate() {
                    self.fixes.push((from, 2 * first + i, *to));
                }
            }

            Instr::New { ty, slots, dst } => self.new_object(*ty, slots, *dst),
            Instr::GetScalar { object, slot, dst } => {
                self.op(h::get_s, lanes(object.0, 1 + slot.0, dst.0, 0));
            }
            Instr::SetScalar { object, slot, src } => {
                self.op(h::set_s, lanes(object.0, 1 + slot.0, src.0, 0));
            }
            Instr::GetRef { object, slot, dst } => {
                let Instr::GetRef { object: as_written, .. } = written else { return };
                let half = 2 * self.first_ref(self.ref_type(*as_written)) + slot.0;
                self.op(h::get_r, lanes(object.0, half, dst.0, 0));
            }
            Instr::SetRef { object, slot, src } => {
                let Instr::SetRef { object: as_written, .. } = written else { return };
                let half = 2 * self.first_ref(self.ref_type(*as_written)) + slot.0;
                self.op(h::set_r, lanes(object.0, half, src.0, 0));
            }
            Instr::Unwrap { src, dst } => self.op(h::unwrap, lanes(src.0, dst.0, 0, 0)),
            Instr::InstanceOf { src, ty, dst } => {
                let handler: Handler = if self.is_final(*ty) { h::is_exactly } else { h::is_instance };
                self.op(handler, with_upper(src.0, dst.0, ty.0));
            }
            Instr::Narrow { src, ty, dst } => {
                let handler: Handler = if self.is_final(*ty) { h::narrow_exactly } else { h::narrow };
                self.op(handler, with_upper(src.0, dst.0, ty.0));
            }

            Instr::ListNew { .. } => self.slow(instr),
            Instr::ListSize { list, dst } => self.op(h::list_size, lanes(list.0, 0, dst.0, 0)),
            Instr::ListGetScalar { list, index, dst } => {
                let Instr::ListGetScalar { list: as_written, .. } = written else { return };
                let is_bool = self.element(*as_written) == Element::Bool;
                let handler: Handler = if is_bool { h::list_get_b } else { h::list_get_s };
                self.op(handler, lanes(list.0, index.0, dst.0, 0));
            }
            Instr::ListGetRef { list, index, dst } => {
                self.op(h::list_get_r, lanes(list.0, index.0, dst.0, 0));
            }
            Instr::ListSetScalar { list, index, src } => {
                let Instr::ListSetScalar { list: as_written, .. } = written else { return };
                let is_bool = self.element(*as_written) == Element::Bool;
                let handler: Handler = if is_bool { h::list_set_b } else { h::list_set_s };
                self.op(handler, lanes(list.0, index.0, src.0, 0));
            }
            Instr::ListSetRef { list, index, src } => {
                self.op(h::list_set_r, lanes(list.0, index.0, src.0, 0));
            }
            Instr::ListAddScalar { list, src } => {
                let Instr::ListAddScalar { list: as_written, .. } = written else { return };
                let is_bool = self.element(*as_written) == Element::Bool;
                let handler: Handler = if is_bool { h::list_add_b } else { h::list_add_s };
                self.op(handler, lanes(list.0, src.0, 0, 0));
                self.keep(instr);
            }
            Instr::ListAddRef { list, src } => {
                self.op(h::list_add_r, lanes(list.0, src.0, 0, 0));
                self.keep(instr);
            }
            Instr::Version { collection, dst } => self.op(h::version, lanes(collection.0, 0, dst.0, 0)),
            Instr::CheckVersion { collection, version } => {
                if self.each(steps, at, *collection, *version) {
                    return;
                }
                self.op(h::check_version, lanes(collection.0, version.0, 0, 0));
            }
            Instr::Concat { .. } | Instr::TextScalar { .. } => self.slow(instr),
            Instr::TextRef { src, dst, .. } => {
                self.op(calls::text, with_upper(src.0, dst.0, place));
                self.keep(instr);
                self.results(&[Reg::R(*dst)]);
            }

            Instr::Call { .. }
            | Instr::CallValue { .. }
            | Instr::CallMethod { .. }
            | Instr::CallNative { .. } => {
                self.call_step(instr, place);
                self.note_dead(at);
            }
            Instr::Return { values } => match values[..] {
                [] => {
                    self.op(calls::return_none, 0);
                    self.words.push(0);
                }
                [Reg::S(s)] => {
                    self.op(calls::return_s, lanes(1, 0, 0, 0));
                    self.words.extend([u64::from(s.0), 0]);
                }
                [Reg::R(r)] => {
                    self.op(calls::return_r, lanes(1, 0, 0, 0));
                    self.words.extend([u64::from(r.0), 1]);
                }
                _ => {
                    self.op(calls::return_any, lanes(values.len() as u16, 0, 0, 0));
                    self.words.extend(packed(values.iter().map(number)));
                    self.words.extend(packed(values.iter().map(bank)));
                }
            },
            Instr::GetStatic { from, results } => {
                let banks =
                    results.iter().enumerate().fold(0, |bits, (i, reg)| bits | u64::from(bank(reg)) << i);
                for handler in [calls::get_static as Handler, calls::store_static] {
                    self.op(handler, u64::from(from.0) | u64::from(place) << 32);
                    self.words.push(results.len() as u64 | banks << 32);
                    self.results(results);
                }
            }
            Instr::Trap { .. } | Instr::TrapText { .. } => self.slow(instr),
            Instr::LimitEnter { limit, to } => {
                let from = self.words.len();
                self.fixes.push((from, 2 * (from + 1) + 1, *to));
                self.op(slow::limit_enter, lanes(limit.0, 0, 0, 0));
                // The frame notes the label as the image has it.
                let head = self.f.heads.partition_point(|head| head.at < *to);
                self.keep(&Instr::LimitEnter { limit: *limit, to: self.written.heads[head].at });
            }
            Instr::LimitLeave {} => self.op(slow::limit_leave, 0),
        }
    }

    fn load(&mut self, bits: u64, dst: S) {
        match i32::try_from(bits as i64) {
            Ok(small) => self.op(h::load_small, with_upper(dst.0, 0, small as u32)),
            Err(_) => {
                self.op(h::load, lanes(dst.0, 0, 0, 0));
                self.words.push(bits);
            }
        }
    }

    /// Whether no other type's objects are instances of it.
    fn is_final(&self, ty: TypeId) -> bool {
        !matches!(self.image.types[ty.index()], Type::Interface { .. } | Type::Function { .. })
    }

    fn new_object(&mut self, ty: TypeId, slots: &[Reg], dst: R) {
        let (scalars, refs) = counts(slots);
        let words = 1 + scalars + refs.div_ceil(2);
        self.op(h::new, lanes(dst.0, words as u16, scalars as u16, refs as u16));
        self.words.push(u64::from(ty.0));
        self.arguments(slots);
    }

    fn finish(mut self) -> Code {
        for (from, half, label) in std::mem::take(&mut self.fixes) {
            let to = self.starts[label.index()];
            let distance = (i64::from(to) - from as i64) as i32;
            let word = &mut self.words[half / 2];
            let shift = half % 2 * 32;
            *word = *word & !(0xffff_ffff << shift) | u64::from(distance as u32) << shift;
        }
        // Both are in the same order.
        let heads = self.written.heads.iter().zip(&self.f.heads);
        self.code.heads = heads.map(|(head, moved)| (head.at.0, self.starts[moved.at.index()])).collect();
        self.code.words = std::mem::take(&mut self.words).into();
        self.code
    }
}

/// The number of the only bit of a constant above 1.
pub(super) fn power_of_two(value: i64) -> Option<u32> {
    (value > 1 && value & (value - 1) == 0).then(|| value.trailing_zeros())
}

/// Registers of each bank.
fn counts(regs: &[Reg]) -> (usize, usize) {
    let refs = regs.iter().filter(|reg| matches!(reg, Reg::R(_))).count();
    (regs.len() - refs, refs)
}
