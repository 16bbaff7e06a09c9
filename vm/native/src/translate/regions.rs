//! Regions of `within`: see `crate::regions` for what they are and what frames do when the time is up.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{Block, InstBuilder};
use cranelift_frontend::{FunctionBuilder, Variable};
use dscript_bytecode::ids::*;

use super::Translator;
use crate::context::helper;

/// How a frame goes on where a call in a region did not come to its end.
#[derive(Clone, Copy)]
pub(super) struct WayOut {
    /// Asks whether the time of the region is up, and goes on at its label or as in the region around it.
    pub block: Block,
    /// The region's place in the fiber's list of limits, while it is open.
    place: Variable,
}

impl WayOut {
    pub fn new(b: &mut FunctionBuilder) -> WayOut {
        let block = b.create_block();
        b.set_cold_block(block);
        WayOut { block, place: b.declare_var(I64) }
    }
}

impl Translator<'_, '_, '_> {
    /// The innermost region of the outer function that is open here.
    pub(super) fn region(&self) -> Option<usize> {
        self.regions.at(self.pc).or(self.region_around)
    }

    /// Where the frame goes on after a call that did not come to its end.
    pub(super) fn way_out(&self) -> Block {
        self.way_out_of(self.region())
    }

    fn way_out_of(&self, region: Option<usize>) -> Block {
        region.map_or(self.exit, |region| self.ways_out[region].block)
    }

    pub(super) fn enter_region(&mut self, limit: S, to: Label) {
        let region = self.regions.begun_at(self.pc).expect("each region was found");
        let (context, limit, label) = (self.context(), self.scalar(limit), self.int(i64::from(to.0)));
        let place = self.ask(helper::ENTER_REGION, &[context, limit, label], I64);
        self.b.def_var(self.ways_out[region].place, place);
        let past = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, place, 0);
        let (edge, next) = (self.cold(), self.b.create_block());
        self.b.ins().brif(past, edge, &[], next, &[]);
        self.jump_on_edge(edge, to);
        self.go_to(next);
        if self.regions.all[region].outer.is_none() {
            self.b.def_var(self.first_region, place);
        }
    }

    /// Before a return: takes off what the frame has in the list of limits.
    pub(super) fn leave_regions(&mut self) {
        let (context, first) = (self.context(), self.b.use_var(self.first_region));
        self.call_direct(helper::DROP_REGIONS, &[context, first], None);
    }

    pub(super) fn end_region(&mut self) {
        let context = self.context();
        let ended = self.ask(helper::END_REGION, &[context], I64);
        let past = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, ended, 0);
        let (out, next) = (self.way_out(), self.b.create_block());
        self.b.ins().brif(past, out, &[], next, &[]);
        self.go_to(next);
    }

    /// Where the function is called no region is open.
    pub(super) fn begin_regions(&mut self) {
        let none = self.int(-1);
        self.b.def_var(self.first_region, none);
    }

    /// Where the function begins at an instruction in a running frame: the regions that the interpreter has begun are the last
    /// of all that are open.
    pub(super) fn find_regions(&mut self, pc: usize) {
        self.begin_regions();
        let open: Vec<usize> = self.regions.outwards(self.regions.at(pc)).collect();
        if open.is_empty() {
            return;
        }
        let context = self.context();
        let all = self.ask(helper::REGIONS_OPEN, &[context], I64);
        for (region, inner) in open.into_iter().zip(1..) {
            let place = self.b.ins().iadd_imm_s(all, -inner);
            self.b.def_var(self.ways_out[region].place, place);
            // That of the outermost comes last.
            self.b.def_var(self.first_region, place);
        }
    }

    /// The ways out of the function's regions.
    pub(super) fn translate_ways_out(&mut self) {
        for region in 0..self.ways_out.len() {
            let WayOut { block, place } = self.ways_out[region];
            let (enter, to) = (self.regions.all[region].enter, self.regions.all[region].to);
            (self.pc, self.from) = (enter, enter);
            self.here();
            self.b.switch_to_block(block);
            self.seen.clear();
            let (context, place) = (self.context(), self.b.use_var(place));
            let fuel = self.ask(helper::LEAVE_REGION, &[context, place], I64);
            let other = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, fuel, 0);
            let out = self.way_out_of(self.regions.all[region].outer);
            let here = self.b.create_block();
            self.b.ins().brif(other, out, &[], here, &[]);
            self.go_to(here);
            self.b.def_var(self.fuel, fuel);
            self.reload_heap();
            let alive = self.alive_at(to.index());
            self.reload(&alive);
            self.jump(to);
        }
    }
}
