//! Which nullable registers hold an object for sure, so that an `unwrap` of one is only a move.
//!
//! Jumps say it (`if.null`, `if.some`), and what makes objects does. A head knows what all ways to it know.

use dscript_bytecode::ids::*;
use dscript_bytecode::image::{Function, ScalarKind};
use dscript_bytecode::instr::{Instr, Visitor};
use dscript_bytecode::trap::TrapKind;

/// Registers that hold an object for sure.
type Known = Vec<bool>;

/// The code of a function, where moves stand for the `unwrap`s that cannot trap.
pub(super) fn without_needless_unwraps(f: &Function) -> Vec<Instr> {
    let mut code = f.code.clone();
    if !code.iter().any(|instr| matches!(instr, Instr::Unwrap { .. })) {
        return code;
    }
    let mut flow = Flow { f, at_heads: vec![None; f.heads.len()], changed: true };
    while flow.changed {
        flow.changed = false;
        flow.walk(|_, _| {});
    }
    flow.walk(|pc, known| {
        if let Instr::Unwrap { src, dst } = f.code[pc]
            && known[src.index()]
        {
            code[pc] = Instr::MoveRef { src, dst };
        }
    });
    code
}

struct Flow<'f> {
    f: &'f Function,
    /// `None` where nobody has come yet.
    at_heads: Vec<Option<Known>>,
    changed: bool,
}

impl Flow<'_> {
    /// Once through the function; shows what is known before each instruction that may be reached.
    fn walk(&mut self, mut see: impl FnMut(usize, &Known)) {
        let f = self.f;
        let always = || f.refs.iter().map(|reg| !reg.nullable).collect::<Known>();
        let mut known = Some(always());
        let mut heads = f.heads.iter().enumerate().peekable();
        for (pc, instr) in f.code.iter().enumerate() {
            if let Some((head, _)) = heads.next_if(|(_, head)| head.at.index() == pc) {
                if let Some(known) = &known {
                    self.meet(head, known);
                }
                known = self.at_heads[head].clone();
            }
            let Some(now) = &mut known else { continue };
            see(pc, now);
            match instr {
                Instr::IfNull { a, to } => {
                    self.reach(*to, now);
                    now[a.index()] = true;
                }
                Instr::IfNotNull { a, to } => {
                    let mut there = now.clone();
                    there[a.index()] = true;
                    self.reach(*to, &there);
                }
                // Whoever is cancelled comes from anywhere within.
                Instr::LimitEnter { to, .. } => self.reach(*to, &always()),
                Instr::MoveRef { src, dst } => {
                    now[dst.index()] = now[src.index()] || !f.refs[dst.index()].nullable
                }
                Instr::Unwrap { src, dst } => {
                    now[src.index()] = true;
                    now[dst.index()] = true;
                }
                _ => {
                    let mut targets = Targets::default();
                    instr.visit(&mut targets);
                    for label in &targets.labels {
                        self.reach(*label, now);
                    }
                    for reg in targets.defs {
                        now[reg.index()] = !f.refs[reg.index()].nullable;
                    }
                }
            }
            if instr.ends_block() {
                known = None;
            }
        }
    }

    fn reach(&mut self, label: Label, known: &Known) {
        let head = self.f.heads.partition_point(|head| head.at < label);
        self.meet(head, known);
    }

    fn meet(&mut self, head: usize, known: &Known) {
        match &mut self.at_heads[head] {
            Some(there) => {
                for (there, known) in there.iter_mut().zip(known) {
                    if *there && !known {
                        *there = false;
                        self.changed = true;
                    }
                }
            }
            nothing => {
                *nothing = Some(known.clone());
                self.changed = true;
            }
        }
    }
}

/// The references that an instruction writes, and where it goes.
#[derive(Default)]
struct Targets {
    defs: Vec<R>,
    labels: Vec<Label>,
}

impl Visitor for Targets {
    fn use_scalar(&mut self, _reg: S, _kind: Option<ScalarKind>) {}
    fn use_ref(&mut self, _reg: R) {}
    fn def_scalar(&mut self, _reg: S, _kind: Option<ScalarKind>) {}
    fn def_ref(&mut self, reg: R) {
        self.defs.push(reg);
    }
    fn label(&mut self, label: Label) {
        self.labels.push(label);
    }
    fn type_id(&mut self, _id: TypeId) {}
    fn const_id(&mut self, _id: ConstId) {}
    fn function(&mut self, _id: FunctionId) {}
    fn native(&mut self, _id: NativeId) {}
    fn static_id(&mut self, _id: StaticId) {}
    fn slot(&mut self, _slot: Slot) {}
    fn method(&mut self, _method: MethodId) {}
    fn int(&mut self, _value: i64) {}
    fn double(&mut self, _value: f64) {}
    fn bool(&mut self, _value: bool) {}
    fn trap(&mut self, _kind: TrapKind) {}
}
