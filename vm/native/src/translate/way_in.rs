//! Code that begins in a loop gets there through the heads of the loops around it.
//!
//! With a way into the middle of them these would be no loops of their own to the code generator: it would take them and the
//! loop it begins in for one, and not know that what is inside is done more often. So a head of a loop around leads on, the
//! first time, to the one in it.

use cranelift_codegen::ir::InstBuilder;
use cranelift_codegen::ir::types::I8;
use cranelift_frontend::Variable;

use super::Translator;

/// How the loop is reached that code begins in.
pub(super) struct WayIn {
    /// The heads of the loops around it, outermost first.
    around: Vec<usize>,
    head: usize,
    /// Whether it was not reached yet.
    leads: Variable,
}

impl Translator<'_, '_, '_> {
    /// Goes to the head of a loop from the beginning of the code.
    pub(super) fn begin_in_loop(&mut self, head: usize) {
        let loops = self.analysis.loops.iter();
        let mut around: Vec<usize> =
            loops.filter(|(first, last)| *first < head && head <= *last).map(|(first, _)| *first).collect();
        around.sort_unstable();
        let Some(outermost) = around.first().copied() else { return self.enter_block(None, head) };
        let leads = self.b.declare_var(I8);
        self.set_leads(leads, true);
        self.way_in = Some(WayIn { around, head, leads });
        self.settle(head);
        let block = self.block_at(outermost);
        self.b.ins().jump(block, &[]);
    }

    /// At the head of a loop around the one that the code begins in: goes on there at first.
    pub(super) fn lead_on(&mut self) {
        let Some(WayIn { around, head, leads }) = self.way_in.as_ref().filter(|_| self.inlined.is_none())
        else {
            return;
        };
        let (head, leads) = (*head, *leads);
        let Some(at) = around.iter().position(|around| *around == self.pc) else { return };
        let inner = around.get(at + 1).copied();
        let first_time = self.b.use_var(leads);
        let usual = self.b.create_block();
        let on = match inner {
            Some(inner) => self.block_at(inner),
            None => self.b.create_block(),
        };
        self.b.ins().brif(first_time, on, &[], usual, &[]);
        if inner.is_none() {
            self.go_to(on);
            self.set_leads(leads, false);
            self.enter_block(None, head);
        }
        self.go_to(usual);
        self.set_leads(leads, false);
    }

    fn set_leads(&mut self, variable: Variable, leads: bool) {
        let value = self.b.ins().iconst(I8, i64::from(leads));
        self.b.def_var(variable, value);
    }
}
