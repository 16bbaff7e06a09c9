//! References, what is known of lists by them, and the heap's base after a call that may have collected: they are read anew where they are needed next, or where
//! ways meet (`Seen::moved`). And the slots they lie in meanwhile, which are emptied where nobody reads them any more.

use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData};
use cranelift_frontend::Variable;
use dscript_bytecode::ids::{R, Reg};
use dscript_bytecode::instr::Instr;

use super::loops::View;
use super::seen::{Home, Seen};
use super::{Area, Translator};
use crate::analysis::Operands;
use crate::context::at;

impl Translator<'_, '_, '_> {
    /// Before a call: empties the slots that nobody reads any more. Frames of what calls itself are soon gone.
    pub(super) fn forget_dead(&mut self, instr: &Instr) {
        if self.unit.is_recursive(self.id) && !self.analysis.looped[self.pc] {
            return;
        }
        let Ok(row) = self.analysis.dead.binary_search_by_key(&self.pc, |(pc, _)| *pc) else { return };
        // Some may still have to be read from there.
        for reg in Operands::of(instr).uses {
            if let Reg::R(r) = reg
                && self.replaced.read(self.pc, r).is_none()
            {
                self.reference(r);
            }
        }
        let mut stored = vec![true; self.slot_count];
        self.analysis.dead[row].1.iter().for_each(|slot| stored[usize::from(*slot)] = false);
        self.zero_slots(&stored);
    }

    /// Empties the slots of the window that were not stored.
    pub(super) fn zero_slots(&mut self, stored: &[bool]) {
        let region = self.flags(Area::Window).alias_region();
        // Two at a time lie anywhere.
        let flags = MemFlagsData::new().with_notrap().with_alias_region(region);
        let mut free = (0..stored.len()).filter(|slot| !stored[*slot]).peekable();
        while let Some(slot) = free.next() {
            let ty = if free.next_if_eq(&(slot + 1)).is_some() { I64 } else { I32 };
            let zero = self.b.ins().iconst(ty, 0);
            self.b.ins().store(flags, zero, self.window, 4 * slot as i32);
        }
    }

    /// After a call that may have collected: references are read anew where they are needed next.
    pub(super) fn reload(&mut self, alive: &[R]) {
        for reg in alive {
            let slot =
                self.analysis.slots[reg.index()].expect("what is alive across a collection has a slot");
            self.seen.set_moved(self.refs[reg.index()], Home::Slot(slot));
        }
    }

    /// The same of those that functions around this one have.
    pub(super) fn reload_around(&mut self) {
        for (variable, slot) in &self.around {
            self.seen.set_moved(*variable, Home::Slot(*slot));
        }
    }

    pub(super) fn reload_heap(&mut self) {
        if self.uses_heap {
            self.seen.set_moved(self.heap, Home::Context);
        }
    }

    pub(super) fn read_anew(&mut self, variable: Variable, home: Home) {
        let value = match home {
            Home::Slot(slot) => {
                let flags = self.flags(Area::Window);
                self.b.ins().uload32(flags, self.window, 4 * i32::from(slot))
            }
            Home::Context => self.load_context(at::HEAP),
            Home::View(at) => return self.read_view(at),
        };
        self.b.def_var(variable, value);
    }

    /// Where ways meet, what was moved on this one and is alive there has its new value.
    pub(super) fn settle(&mut self, to: usize) {
        let refs = self.alive_at(to);
        let mut alive: Vec<Variable> = refs.iter().map(|reg| self.refs[reg.index()]).collect();
        let views =
            self.views.iter().filter(|view| view.moves && view.holds(to) && refs.contains(&view.root));
        alive.extend(views.flat_map(View::variables));
        self.settle_those(|this, variable| alive.contains(&variable) || this.is_around(variable));
    }

    /// The same where an inlined function returns.
    pub(super) fn settle_around(&mut self) {
        self.settle_those(Self::is_around);
    }

    pub(super) fn settle_those(&mut self, which: impl Fn(&Self, Variable) -> bool) {
        for (variable, home) in self.seen.moved().to_vec() {
            if which(self, variable) && self.seen.take_moved(variable).is_some() {
                self.read_anew(variable, home);
            }
        }
    }

    /// Whether functions around an inlined one go on with it, or all of them do.
    fn is_around(&self, variable: Variable) -> bool {
        variable == self.heap || self.around.iter().any(|(known, _)| *known == variable)
    }

    /// At the end of a rare way that may have collected: where it meets the usual one. What is done once reads these references
    /// anew behind it, whichever way it came; else what is known on the usual way is, and the rare one reads it.
    pub(super) fn meet(&mut self, usually: &Seen, alive: &[R]) {
        if !self.is_repeated() {
            let those: Vec<Variable> = alive.iter().map(|reg| self.refs[reg.index()]).collect();
            self.settle_those(|_, variable| !those.contains(&variable));
            let homes = self.seen.moved().to_vec();
            self.seen.clone_from(usually);
            homes.into_iter().for_each(|(variable, home)| self.seen.set_moved(variable, home));
            return;
        }
        self.settle_those(|_, variable| !usually.is_moved(variable));
        self.seen.clone_from(usually);
    }
}
