//! One function: its head, and which registers are initialised along the ways through its code.
//!
//! One pass in code order. What is initialised grows within a block; at a head it becomes exactly what the head names,
//! which must be initialised wherever control comes to it: at each jump, and where the block before falls into it.

use super::{Check, Context, check_name, rules};
use crate::asm::{kind_name, type_name};
use crate::ids::*;
use crate::image::*;
use crate::instr::Visitor;
use crate::limits::*;
use crate::trap::TrapKind;

/// What callers and tables see, the registers, heads and lines.
pub fn check_head(cx: &Context<'_>, f: &Function) -> Check {
    check_name("a function", &f.name)?;
    check_registers(cx, &f.params, "parameters")?;
    check_registers(cx, &f.results, "results")?;
    for (bank, count) in [("scalar", f.scalars.len()), ("reference", f.refs.len())] {
        if count > REGISTERS_MAX {
            return Err(format!("it has {count} {bank} registers, {REGISTERS_MAX} are allowed"));
        }
    }
    for (i, r) in f.refs.iter().enumerate() {
        check_ref(cx, *r).map_err(|what| format!("register r{i}: {what}"))?;
    }
    let (mut scalars, mut refs) = (f.scalars.iter(), f.refs.iter());
    let is_first = |param: &RegType| match param {
        RegType::Scalar(kind) => scalars.next() == Some(kind),
        RegType::Ref(r) => refs.next() == Some(r),
    };
    if !f.params.iter().all(is_first) {
        return Err("its parameters are not its first registers".into());
    }
    if f.code.is_empty() {
        return Err("it has no code".into());
    }
    if f.code.len() > FUNCTION_INSTRUCTIONS_MAX {
        return Err(format!("it has {} instructions, {FUNCTION_INSTRUCTIONS_MAX} are allowed", f.code.len()));
    }
    if !f.heads.is_sorted_by(|a, b| a.at < b.at) {
        return Err("its heads are not in order".into());
    }
    for head in &f.heads {
        if head.at.index() >= f.code.len() {
            return Err(format!("head {:?} is outside the code", head.at));
        }
        let scalars_known = head.scalars.iter().all(|s| s.index() < f.scalars.len());
        if !scalars_known || !head.refs.iter().all(|r| r.index() < f.refs.len()) {
            return Err(format!("head {:?} names a register that the function does not have", head.at));
        }
    }
    if !f.lines.is_sorted_by(|a, b| a.at < b.at) {
        return Err("its lines are not in order".into());
    }
    for line in &f.lines {
        let known = (line.source as usize) < cx.image.manifest.sources.len();
        if !known || line.at as usize >= f.code.len() || line.line == 0 || line.column == 0 {
            return Err(format!("its line for instruction {} names no place", line.at));
        }
    }
    Ok(())
}

/// The registers that a call passes.
pub fn check_registers(cx: &Context<'_>, regs: &[RegType], what: &str) -> Check {
    if regs.len() > SIGNATURE_REGISTERS_MAX {
        let found = regs.len();
        return Err(format!("its {what} take {found} registers, {SIGNATURE_REGISTERS_MAX} are allowed"));
    }
    for reg in regs {
        if let RegType::Ref(r) = reg {
            check_ref(cx, *r).map_err(|e| format!("its {what}: {e}"))?;
        }
    }
    Ok(())
}

fn check_ref(cx: &Context<'_>, r: RefType) -> Check {
    if r.ty.index() >= cx.image.types.len() {
        return Err(format!("{:?} is outside the type table", r.ty));
    }
    if !cx.types.is_object(r.ty) {
        return Err(format!("values of {:?} ({}) are not references", r.ty, type_name(cx.image, r.ty)));
    }
    Ok(())
}

/// The code of a function whose head is good. The error names the instruction.
pub fn check_code(cx: &Context<'_>, f: &Function) -> Result<(), (usize, String)> {
    let mut flow = Flow::new(cx, f);
    let mut reached = true;
    for (at, instr) in f.code.iter().enumerate() {
        let about = |what| (at, what);
        if let Some(head) = flow.head_at[at] {
            if reached {
                flow.arrive(head as usize).map_err(about)?;
            }
            flow.begin_block(head as usize);
        } else if !reached {
            return Err(about("nothing comes here: the block before has ended, and no head is here".into()));
        }
        instr.visit(&mut flow);
        if let Some(what) = flow.error.take() {
            return Err(about(what));
        }
        rules::check(cx, f, instr).map_err(about)?;
        reached = !instr.ends_block();
    }
    if reached {
        return Err((f.code.len() - 1, "the code runs past its end".into()));
    }
    Ok(())
}

/// What is initialised, and the first thing wrong with an operand.
struct Flow<'c, 'a> {
    cx: &'c Context<'a>,
    f: &'c Function,
    /// By instruction, the row of `f.heads` there.
    head_at: Vec<Option<u32>>,
    /// Of the current block; a register is initialised when it is marked with it.
    block: u32,
    scalars: Vec<u32>,
    refs: Vec<u32>,
    /// By head, the last block from which a way to it was found good. Later ones from there are too.
    arrived: Vec<u32>,
    error: Option<String>,
}

impl<'c, 'a> Flow<'c, 'a> {
    fn new(cx: &'c Context<'a>, f: &'c Function) -> Self {
        let mut head_at = vec![None; f.code.len()];
        for (i, head) in f.heads.iter().enumerate() {
            head_at[head.at.index()] = Some(i as u32);
        }
        let mut flow = Flow {
            cx,
            f,
            head_at,
            block: 1,
            scalars: vec![0; f.scalars.len()],
            refs: vec![0; f.refs.len()],
            arrived: vec![0; f.heads.len()],
            error: None,
        };
        let scalar_params = f.params.iter().filter(|p| matches!(p, RegType::Scalar(_))).count();
        flow.scalars[..scalar_params].fill(1);
        flow.refs[..f.params.len() - scalar_params].fill(1);
        flow
    }

    /// From here on just what the head names is initialised.
    fn begin_block(&mut self, head: usize) {
        self.block += 1;
        for s in &self.f.heads[head].scalars {
            self.scalars[s.index()] = self.block;
        }
        for r in &self.f.heads[head].refs {
            self.refs[r.index()] = self.block;
        }
    }

    /// Whether what `head` names is initialised here.
    fn arrive(&mut self, head: usize) -> Check {
        if self.arrived[head] == self.block {
            return Ok(());
        }
        let Head { at, scalars, refs } = &self.f.heads[head];
        self.cx.spend(1 + scalars.len() + refs.len())?;
        let scalar = scalars.iter().find(|s| self.scalars[s.index()] != self.block).map(|s| Reg::S(*s));
        let reference = refs.iter().find(|r| self.refs[r.index()] != self.block).map(|r| Reg::R(*r));
        match scalar.or(reference) {
            Some(reg) => Err(format!("{reg:?} is not initialised here, and head {at:?} needs it")),
            None => {
                self.arrived[head] = self.block;
                Ok(())
            }
        }
    }

    fn refuse(&mut self, what: impl FnOnce() -> String) {
        if self.error.is_none() {
            self.error = Some(what());
        }
    }

    fn row(&mut self, what: &str, id: &dyn std::fmt::Debug, index: usize, count: usize) {
        if index >= count {
            self.refuse(|| format!("{id:?} is outside the {what} table"));
        }
    }

    /// Whether the function has the register, and it is of the kind.
    fn scalar(&mut self, reg: S, kind: Option<ScalarKind>) -> bool {
        let Some(found) = self.f.scalars.get(reg.index()) else {
            self.refuse(|| format!("the function has no register {reg:?}"));
            return false;
        };
        if let Some(kind) = kind
            && kind != *found
        {
            self.refuse(|| format!("{reg:?} is {}, not {}", kind_name(*found), kind_name(kind)));
            return false;
        }
        true
    }

    fn reference(&mut self, reg: R) -> bool {
        let known = reg.index() < self.f.refs.len();
        if !known {
            self.refuse(|| format!("the function has no register {reg:?}"));
        }
        known
    }
}

impl Visitor for Flow<'_, '_> {
    fn use_scalar(&mut self, reg: S, kind: Option<ScalarKind>) {
        if self.scalar(reg, kind) && self.scalars[reg.index()] != self.block {
            self.refuse(|| format!("{reg:?} is read and not initialised"));
        }
    }
    fn use_ref(&mut self, reg: R) {
        if self.reference(reg) && self.refs[reg.index()] != self.block {
            self.refuse(|| format!("{reg:?} is read and not initialised"));
        }
    }
    fn def_scalar(&mut self, reg: S, kind: Option<ScalarKind>) {
        if self.scalar(reg, kind) {
            self.scalars[reg.index()] = self.block;
        }
    }
    fn def_ref(&mut self, reg: R) {
        if self.reference(reg) {
            self.refs[reg.index()] = self.block;
        }
    }
    fn label(&mut self, label: Label) {
        match self.head_at.get(label.index()) {
            None => self.refuse(|| format!("target {label:?} is outside the code")),
            Some(None) => self.refuse(|| format!("target {label:?} is not a head")),
            Some(Some(head)) => {
                if let Err(what) = self.arrive(*head as usize) {
                    self.refuse(|| what);
                }
            }
        }
    }
    fn type_id(&mut self, id: TypeId) {
        self.row("type", &id, id.index(), self.cx.image.types.len());
    }
    fn const_id(&mut self, id: ConstId) {
        self.row("constant", &id, id.index(), self.cx.image.constants.len());
    }
    fn function(&mut self, id: FunctionId) {
        self.row("function", &id, id.index(), self.cx.image.functions.len());
    }
    fn native(&mut self, id: NativeId) {
        self.row("native", &id, id.index(), self.cx.image.natives.len());
    }
    fn static_id(&mut self, id: StaticId) {
        self.row("static", &id, id.index(), self.cx.image.statics.len());
    }
    /// Slots and methods are counted in a type: `rules`.
    fn slot(&mut self, _slot: Slot) {}
    fn method(&mut self, _method: MethodId) {}
    fn int(&mut self, _value: i64) {}
    fn double(&mut self, _value: f64) {}
    fn bool(&mut self, _value: bool) {}
    fn trap(&mut self, _kind: TrapKind) {}
}
