//! Words of calls: of functions, of function values, of methods, and of natives.

use super::{Emitter, bank, counts, lanes, number, packed, with_upper};
use crate::code::calls::{self, CALL_WORDS};
use crate::code::op::{Op, Step};
use crate::code::{Handler, MethodSite, PureStep, handlers as h, slow};
use crate::native::Body;
use crate::quick::Quick;
use dscript_bytecode::ids::*;
use dscript_bytecode::instr::Instr;

/// A call has one word for results even where it has none, so that all calls look alike.
pub(super) fn result_words(results: usize) -> usize {
    results.div_ceil(4).max(1)
}

impl Emitter<'_> {
    /// `place` is what the frame notes of the call.
    pub(super) fn call_step(&mut self, instr: &Instr, place: u32) {
        match instr {
            Instr::Call { function, args, results } => {
                let callee = self.table.wrapping_add(function.index()) as usize as u64;
                let handler: Handler = match self.copied(args) {
                    _ if result_words(results.len()) > 1 => calls::call,
                    (0, 0) => calls::call_0,
                    (1, 0) => calls::call_s,
                    (2, 0) => calls::call_ss,
                    (3, 0) => calls::call_sss,
                    (0, 1) => calls::call_r,
                    (0, 2) => calls::call_rr,
                    (1, 1) => calls::call_rs,
                    (2, 1) => calls::call_rss,
                    (1, 2) => calls::call_rrs,
                    (0, 3) => calls::call_rrr,
                    (4, 0) => calls::call_ssss,
                    (3, 1) => calls::call_rsss,
                    (4, 1) => calls::call_rssss,
                    _ => calls::call,
                };
                self.call(handler, place, callee, 0, args, results);
            }
            Instr::CallValue { callee, args, results } => {
                let handler: Handler = match self.copied(args) {
                    (0, 0) => calls::call_value_0,
                    (1, 0) => calls::call_value_s,
                    (0, 1) => calls::call_value_r,
                    (0, 2) => calls::call_value_rr,
                    _ => calls::call_value,
                };
                self.call(handler, place, u64::from(callee.0), 0, args, results);
            }
            Instr::CallMethod { object, ty, method, args, results } => {
                let site = Box::new(MethodSite::new(*ty, *method));
                let at = std::ptr::from_ref::<MethodSite>(&site) as usize as u64;
                self.code.sites.push(site);
                let handler: Handler = match self.copied(args) {
                    _ if result_words(results.len()) > 1 => calls::call_method,
                    (0, 0) => calls::call_method_0,
                    (1, 0) => calls::call_method_s,
                    (0, 1) => calls::call_method_r,
                    _ => calls::call_method,
                };
                self.call(handler, place, at, u64::from(object.0) << 32, args, results);
            }
            Instr::CallNative { native, args, results } => {
                self.call_native(instr, *native, (args, results), place);
            }
            other => panic!("`{}` calls nothing", other.mnemonic()),
        }
    }

    fn call_native(
        &mut self,
        instr: &Instr,
        native: NativeId,
        (args, results): (&[Reg], &[Reg]),
        place: u32,
    ) {
        let linked = &self.natives[native.index()];
        if linked.def.name == "Math.sqrt"
            && let ([Reg::S(a)], [Reg::S(dst)]) = (args, results)
        {
            return self.three(h::sqrt, *a, *a, *dst);
        }
        let (handler, registers): (Handler, u64) = match (linked.def.name, args, results) {
            ("String.length", [Reg::R(text)], [Reg::S(dst)]) => {
                (slow::string_length, lanes(text.0, 0, dst.0, 0))
            }
            ("String.charAt", [Reg::R(text), Reg::S(index)], [Reg::S(dst)]) => {
                (slow::char_at, lanes(text.0, index.0, dst.0, 0))
            }
            ("Bytes.length", [Reg::R(bytes)], [Reg::S(dst)]) => {
                (slow::bytes_length, lanes(bytes.0, 0, dst.0, 0))
            }
            ("Bytes.get", [Reg::R(bytes), Reg::S(index)], [Reg::S(dst)]) => {
                (slow::bytes_get, lanes(bytes.0, index.0, dst.0, 0))
            }
            _ => match linked.def.body {
                Body::Pure(_) => self.quick(native, args, results).unwrap_or((slow::native_pure, 0)),
                Body::Outside(_) | Body::Ready { .. } => (slow::native_outside, 0),
            },
        };
        self.op(handler, with_upper(0, 0, place));
        match linked.def.body {
            Body::Pure(body) => {
                let (args, results) = (args.into(), results.into());
                let step = Box::new(PureStep { body, native, args, results });
                self.words.push(std::ptr::from_ref::<PureStep>(&step) as usize as u64);
                self.code.pure.push(step);
            }
            Body::Outside(_) | Body::Ready { .. } => self.keep(instr),
        }
        self.words.push(registers);
    }

    /// A sum that is the only argument of the call after it, made where the callee has it.
    pub(super) fn call_with_sum(&mut self, steps: &[Step], at: usize, a: S, value: i32, dst: S) -> bool {
        let Some(next) = self.next_in_block(steps, at) else { return false };
        let Op::Plain(Instr::Call { function, args, results }) = &steps[next].op else { return false };
        let (Ok(value), true) = (i16::try_from(value), dst.index() == self.f.scalars.len()) else {
            return false;
        };
        if args[..] != [Reg::S(dst)] || results.len() > 1 {
            return false;
        }
        let callee = self.table.wrapping_add(function.index()) as usize as u64;
        let from = self.words.len();
        self.call(calls::call_sum, self.flat.origins[next].pc, callee, 0, args, results);
        self.words[from + 3] |= u64::from(a.0) << 32 | u64::from(value as u16) << 48;
        self.note_dead(next);
        // What traps at the first word is the sum.
        self.note_at(from + 1, next);
        self.taken = Some(next);
        true
    }

    /// The handler of a native that has one for the usual way, and its registers.
    fn quick(&self, native: NativeId, args: &[Reg], results: &[Reg]) -> Option<(Handler, u64)> {
        let quick = Quick::of_native(self.image, self.infos, native)?;
        let handler: Handler = match (quick, args, results) {
            (Quick::PairGet, ..) => slow::pair_get,
            (Quick::PairHas, ..) => slow::pair_contains,
            (Quick::PairPut, ..) => slow::pair_put,
            (Quick::Get, [_, Reg::S(_)], [_, _]) => slow::map_get_bits,
            (Quick::Get, [_, Reg::R(_)], [_, _]) => slow::map_get_text,
            (Quick::Get, [_, Reg::S(_)], _) => slow::map_get_bits_ref,
            (Quick::Get, _, _) => slow::map_get_text_ref,
            (Quick::Has, [_, Reg::S(_)], _) => slow::map_contains_bits,
            (Quick::Has, _, _) => slow::map_contains_text,
            (Quick::Put, [_, Reg::S(_), Reg::S(_)], _) => slow::map_put_bits,
            (Quick::Put, [_, Reg::R(_), Reg::S(_)], _) => slow::map_put_text,
            (Quick::Put, [_, Reg::S(_), _], _) => slow::map_put_bits_ref,
            (Quick::Put, _, _) => slow::map_put_text_ref,
            (Quick::Add, [_, Reg::S(_)], _) => slow::set_add_bits,
            (Quick::Add, _, _) => slow::set_add_text,
            (Quick::Size, _, _) => slow::map_size,
            (Quick::Next, _, _) => slow::map_next,
            (Quick::KeyAt, _, [Reg::S(_)]) => slow::map_key_at_bits,
            (Quick::KeyAt, _, _) => slow::map_key_at_ref,
            (Quick::ValueAt, _, [Reg::S(_)]) => slow::map_value_at_bits,
            (Quick::ValueAt, _, _) => slow::map_value_at_ref,
            (Quick::Compare, ..) => slow::compare_texts,
            (Quick::IsEmpty, ..) => slow::is_empty,
            (Quick::StartsWith, ..) => slow::starts_with,
            (Quick::EndsWith, ..) => slow::ends_with,
            (Quick::Contains, ..) => slow::contains,
            (Quick::ParseInt, ..) => slow::parse_int,
            (Quick::RemoveAt, _, [Reg::S(_)]) => slow::remove_at_bits,
            (Quick::RemoveAt, ..) => slow::remove_at_ref,
            (Quick::ElementAt | Quick::Remove | Quick::Drop, ..) => return None,
            (Quick::TextOfCode | Quick::Slice | Quick::Trim, ..) => return None,
        };
        let reg = |of: &[Reg], at: usize| of.get(at).map_or(0, number);
        let registers = match quick {
            Quick::Put | Quick::PairPut => lanes(reg(args, 0), reg(args, 1), reg(args, 2), 0),
            _ => lanes(reg(args, 0), reg(args, 1), reg(results, 0), reg(results, 1)),
        };
        Some((handler, registers))
    }

    /// Registers four to a word, scalars first.
    pub(super) fn arguments(&mut self, regs: &[Reg]) {
        let of = |wanted: u16| regs.iter().filter(move |reg| bank(reg) == wanted).map(number);
        self.words.extend(packed(of(0).chain(of(1))));
    }

    /// Whether the scalar arguments were made where the callee has them.
    fn are_made(&self, args: &[Reg]) -> bool {
        let scalars = args.iter().filter_map(|arg| match arg {
            Reg::S(s) => Some(s.index()),
            Reg::R(_) => None,
        });
        scalars.enumerate().all(|(i, s)| s == self.f.scalars.len() + i)
    }

    /// Arguments of each bank that the call copies.
    fn copied(&self, args: &[Reg]) -> (usize, usize) {
        let (scalars, refs) = counts(args);
        (if self.are_made(args) { 0 } else { scalars }, refs)
    }

    /// The word of a call that says how large the window is.
    fn window(&self) -> u64 {
        lanes(self.f.scalars.len() as u16, self.f.refs.len() as u16, 0, 0)
    }

    fn call(&mut self, handler: Handler, pc: u32, callee: u64, object: u64, args: &[Reg], results: &[Reg]) {
        let (scalars, refs) = self.copied(args);
        let from = self.words.len();
        self.op(handler, with_upper(scalars as u16, refs as u16, pc));
        self.words.extend([callee, self.window() | object]);
        debug_assert_eq!(self.words.len() - from, CALL_WORDS);
        let copied: Vec<Reg> = args.iter().copied().filter(|arg| scalars > 0 || bank(arg) == 1).collect();
        self.arguments(&copied);
        self.results(results);
    }

    /// The call of step `at` has just been written.
    pub(super) fn note_dead(&mut self, at: usize) {
        if let Ok(row) = self.dead.binary_search_by_key(&at, |(step, _)| *step) {
            self.code.dead.push((self.words.len() as u32, self.dead[row].1));
        }
    }

    /// The words before the one that a callee returns to.
    pub(super) fn results(&mut self, results: &[Reg]) {
        let mut words = packed(results.iter().map(number));
        words.resize(result_words(results.len()), 0);
        if results.len() < 2 {
            let below = |registers: usize| (registers as u16).wrapping_neg();
            words[0] |= lanes(0, below(self.f.scalars.len()), below(self.f.refs.len()), 0);
        }
        words.reverse();
        self.words.extend(words);
    }
}
