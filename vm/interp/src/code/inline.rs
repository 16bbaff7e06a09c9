//! Puts the code of small functions in the place of their calls.
//!
//! Only what runs straight through and calls nothing is put in: such a function needs no frame of its own, as nothing
//! but a trap can look for it. Its registers come after those of the caller.

use dscript_bytecode::ids::*;
use dscript_bytecode::image::{Function, Image, RegType};
use dscript_bytecode::instr::{Instr, Renamer};
use dscript_bytecode::limits::REGISTERS_MAX;
use rustc_hash::FxHashMap;

/// Instructions of a function that is put in the place of its calls.
const INLINED_MAX: usize = 24;

/// A function with the small ones it calls put in.
pub(super) struct Flat {
    pub function: Function,
    pub origins: Vec<Origin>,
}

/// Where an instruction comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// In the function itself.
    pub pc: u32,
    /// In the function that is called there.
    pub inner: Option<(FunctionId, u32)>,
}

pub(super) fn flatten(image: &Image, f: &Function) -> Flat {
    let mut flat = Flat {
        function: Function { code: Vec::with_capacity(f.code.len()), ..f.clone() },
        origins: Vec::with_capacity(f.code.len()),
    };
    let mut moved = Vec::with_capacity(f.code.len());
    let mut windows = FxHashMap::default();
    for (pc, instr) in f.code.iter().enumerate() {
        moved.push(flat.function.code.len() as u32);
        let pc = pc as u32;
        match instr {
            Instr::Call { function, args, results }
                if is_straight(image, &image.functions[function.index()]) =>
            {
                let callee = &image.functions[function.index()];
                match flat.window(*function, callee, &mut windows) {
                    Some(window) => flat.put(pc, *function, callee, window, args, results),
                    None => flat.push(instr.clone(), Origin { pc, inner: None }),
                }
            }
            _ => flat.push(instr.clone(), Origin { pc, inner: None }),
        }
    }
    for instr in &mut flat.function.code {
        instr.rename(&mut Labels(&moved));
    }
    for head in &mut flat.function.heads {
        head.at = Label(moved[head.at.index()]);
    }
    flat
}

/// Whether calls of the function are no frames of their own, and so are not counted as nested: those that are put in,
/// and those that only choose one of their arguments.
pub(crate) fn is_small(image: &Image, function: FunctionId) -> bool {
    let f = &image.functions[function.index()];
    is_straight(image, f) || choice(f).is_some()
}

/// Whether a function may be put in the place of its calls.
fn is_straight(image: &Image, f: &Function) -> bool {
    if f.code.len() > INLINED_MAX || !f.heads.is_empty() {
        return false;
    }
    let Some((Instr::Return { .. }, body)) = f.code.split_last() else { return false };
    body.iter().all(|instr| match instr {
        Instr::CallNative { native, .. } => image.natives[native.index()].name == "Math.sqrt",
        Instr::Call { .. }
        | Instr::CallValue { .. }
        | Instr::CallMethod { .. }
        | Instr::GetStatic { .. }
        | Instr::TextRef { .. }
        | Instr::LimitEnter { .. }
        | Instr::LimitLeave {}
        | Instr::Return { .. } => false,
        _ => true,
    })
}

/// A function that gives one of its int parameters: `x` where `a < b`, or `a <= b`, and else `y`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub or_equal: bool,
    pub a: u16,
    pub b: u16,
    pub x: u16,
    pub y: u16,
}

/// What a function chooses, where it does nothing else.
pub(super) fn choice(f: &Function) -> Option<Choice> {
    let params = f.params.len();
    let ints = f.params.iter().all(|param| matches!(param, RegType::Scalar(_)));
    if f.code.len() > INLINED_MAX || !ints || params > 4 {
        return None;
    }
    let (or_equal, a, b, to) = match f.code[0] {
        Instr::IfLtInt { a, b, to } => (false, a, b, to),
        Instr::IfLeInt { a, b, to } => (true, a, b, to),
        _ => return None,
    };
    let (x, y) = (given(f, to.index())?, given(f, 1)?);
    let all_params = [a, b, x, y].iter().all(|reg| reg.index() < params);
    all_params.then_some(Choice { or_equal, a: a.0, b: b.0, x: x.0, y: y.0 })
}

/// The parameter that a function returns from `pc` on, where it does nothing else.
fn given(f: &Function, mut pc: usize) -> Option<S> {
    let mut copies: Vec<(S, S)> = Vec::new();
    let source = |copies: &[(S, S)], reg: S| {
        copies.iter().rev().find(|(copy, _)| *copy == reg).map_or(reg, |(_, source)| *source)
    };
    loop {
        match f.code[pc] {
            Instr::MoveScalar { src, dst } => {
                copies.push((dst, source(&copies, src)));
                pc += 1;
            }
            Instr::Jump { to } if to.index() > pc => pc = to.index(),
            Instr::Return { ref values } => match values[..] {
                [Reg::S(value)] => return Some(source(&copies, value)),
                _ => return None,
            },
            _ => return None,
        }
    }
}

/// Registers of the larger bank of a function with those of all small ones it calls; beyond `REGISTERS_MAX` some are
/// not put in.
pub(crate) fn frame_registers(image: &Image, function: FunctionId) -> usize {
    let f = &image.functions[function.index()];
    let mut small: Vec<FunctionId> = f
        .code
        .iter()
        .filter_map(|instr| match instr {
            Instr::Call { function, .. } if is_straight(image, &image.functions[function.index()]) => {
                Some(*function)
            }
            _ => None,
        })
        .collect();
    small.sort();
    small.dedup();
    let (mut scalars, mut refs) = (f.scalars.len(), f.refs.len());
    for function in small {
        let callee = &image.functions[function.index()];
        (scalars, refs) = (scalars + callee.scalars.len(), refs + callee.refs.len());
    }
    scalars.max(refs)
}

impl Flat {
    fn push(&mut self, instr: Instr, origin: Origin) {
        self.function.code.push(instr);
        self.origins.push(origin);
    }

    /// The first registers of a callee's own, one place for all of its calls; `None` where there would be too many.
    fn window(
        &mut self,
        id: FunctionId,
        callee: &Function,
        windows: &mut FxHashMap<FunctionId, (u16, u16)>,
    ) -> Option<(u16, u16)> {
        if let Some(window) = windows.get(&id) {
            return Some(*window);
        }
        let f = &mut self.function;
        let window = (f.scalars.len(), f.refs.len());
        if window.0 + callee.scalars.len() > REGISTERS_MAX || window.1 + callee.refs.len() > REGISTERS_MAX {
            return None;
        }
        f.scalars.extend(&callee.scalars);
        f.refs.extend(&callee.refs);
        let window = (window.0 as u16, window.1 as u16);
        windows.insert(id, window);
        Some(window)
    }

    fn put(
        &mut self,
        pc: u32,
        id: FunctionId,
        callee: &Function,
        window: (u16, u16),
        args: &[Reg],
        results: &[Reg],
    ) {
        let origin = |inner: usize| Origin { pc, inner: Some((id, inner as u32)) };
        let (mut scalar, mut reference) = window;
        for (param, arg) in callee.params.iter().zip(args) {
            let to = match param {
                RegType::Scalar(_) => {
                    scalar += 1;
                    Reg::S(S(scalar - 1))
                }
                RegType::Ref(_) => {
                    reference += 1;
                    Reg::R(R(reference - 1))
                }
            };
            self.push(copy(*arg, to), origin(0));
        }
        for (inner, instr) in callee.code.iter().enumerate() {
            let mut instr = instr.clone();
            instr.rename(&mut Shift(window));
            match instr {
                Instr::Return { values } => {
                    for (value, result) in values.iter().zip(results) {
                        self.push(copy(*value, *result), origin(inner));
                    }
                }
                instr => self.push(instr, origin(inner)),
            }
        }
    }
}

fn copy(from: Reg, to: Reg) -> Instr {
    match (from, to) {
        (Reg::S(src), Reg::S(dst)) => Instr::MoveScalar { src, dst },
        (Reg::R(src), Reg::R(dst)) => Instr::MoveRef { src, dst },
        _ => panic!("values are passed within a bank"),
    }
}

struct Shift((u16, u16));

impl Renamer for Shift {
    fn use_scalar(&mut self, reg: &mut S) {
        reg.0 += self.0.0;
    }
    fn use_ref(&mut self, reg: &mut R) {
        reg.0 += self.0.1;
    }
    fn def_scalar(&mut self, reg: &mut S) {
        reg.0 += self.0.0;
    }
    fn def_ref(&mut self, reg: &mut R) {
        reg.0 += self.0.1;
    }
}

struct Labels<'m>(&'m [u32]);

impl Renamer for Labels<'_> {
    fn use_scalar(&mut self, _reg: &mut S) {}
    fn use_ref(&mut self, _reg: &mut R) {}
    fn def_scalar(&mut self, _reg: &mut S) {}
    fn def_ref(&mut self, _reg: &mut R) {}
    fn label(&mut self, label: &mut Label) {
        label.0 = self.0[label.index()];
    }
}
