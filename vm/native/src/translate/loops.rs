//! What is done once for a loop, or for many of its rounds.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::{FunctionBuilder, Variable};
use dscript_bytecode::ids::*;
use dscript_bytecode::image::Function;

use super::Translator;
use crate::context::helper;
use crate::loops::{CountedLoop, Step, counted_loops};
use crate::ranges::Ranges;

/// Rounds of a counted loop that are paid for at once.
const CHUNK: i64 = 64;

/// Where the array of a list lies, and how many elements it has, in a loop where neither changes.
#[derive(Clone, Copy)]
pub(super) struct View {
    pub head: usize,
    pub last: usize,
    pub list: R,
    pub array: Variable,
    pub size: Variable,
}

impl View {
    pub(super) fn holds(&self, pc: usize) -> bool {
        (self.head..=self.last).contains(&pc)
    }
}

/// A counted loop, and how far it may count until the counter of interruptions is looked at again.
#[derive(Clone, Copy)]
pub(super) struct Chunk {
    pub of: CountedLoop,
    pub limit: Variable,
}

impl Chunk {
    pub(super) fn holds(&self, pc: usize) -> bool {
        (self.of.head..=self.of.last).contains(&pc)
    }
}

pub(super) fn chunks(b: &mut FunctionBuilder, function: &Function, ranges: &Ranges) -> Vec<Chunk> {
    let loops = counted_loops(&function.code, ranges).into_iter();
    loops.map(|of| Chunk { of, limit: b.declare_var(I64) }).collect()
}

impl Translator<'_, '_, '_> {
    /// Before a way into loops in which no list changes: reads where their lists lie. `from` is outside of what is
    /// no loop around both.
    pub(super) fn enter_loops(&mut self, from: Option<usize>, to: usize) {
        if !self.enters_loops(from, to) {
            return;
        }
        let alive = self.alive_at(to);
        self.read_views(&|view| {
            view.holds(to) && !from.is_some_and(|pc| view.holds(pc)) && alive.contains(&view.list)
        });
        self.begin_chunks(&|chunk| chunk.holds(to) && !from.is_some_and(|pc| chunk.holds(pc)));
    }

    pub(super) fn enters_loops(&self, from: Option<usize>, to: usize) -> bool {
        let within = |pc: &dyn Fn(usize) -> bool| pc(to) && !from.is_some_and(pc);
        self.views.iter().any(|view| within(&|pc| view.holds(pc)))
            || self.chunks.iter().any(|chunk| within(&|pc| chunk.holds(pc)))
    }

    pub(super) fn read_views(&mut self, which: &dyn Fn(&View) -> bool) {
        for at in 0..self.views.len() {
            let View { list, array, size, .. } = self.views[at];
            if which(&self.views[at]) {
                let object = self.object(list);
                let (now, start) = (self.list_size(object), self.list_array(object));
                self.b.def_var(size, now);
                self.b.def_var(array, start);
            }
        }
    }

    /// Reads anew where lists lie that the loops around an instruction reach.
    pub(super) fn read_views_around(&mut self, pc: usize, alive: &[R]) {
        self.read_views(&|view| view.holds(pc) && alive.contains(&view.list));
    }

    /// Array and size of a list, where they are known.
    pub(super) fn view(&mut self, list: R) -> Option<(Value, Value)> {
        let here = |view: &&View| view.list == list && view.holds(self.pc) && view.holds(self.from);
        let view = self.views.iter().rev().find(here)?;
        let (array, size) = (view.array, view.size);
        Some((self.b.use_var(array), self.b.use_var(size)))
    }

    /// Before a counted loop no round is paid for.
    pub(super) fn begin_chunks(&mut self, which: &dyn Fn(&Chunk) -> bool) {
        for at in 0..self.chunks.len() {
            if which(&self.chunks[at]) {
                let none = self.int(i64::MIN);
                self.b.def_var(self.chunks[at].limit, none);
            }
        }
    }

    /// The jump back of a counted loop, where it is one.
    pub(super) fn chunk(&self, to: Label) -> Option<Chunk> {
        let here = |chunk: &&Chunk| (chunk.of.head, chunk.of.last) == (to.index(), self.pc);
        self.chunks.iter().find(here).filter(|_| to.index() <= self.from).copied()
    }

    /// Jumps back where the counter is below the bound, and now and then pays for the rounds until it is looked at
    /// again.
    pub(super) fn jump_counted(&mut self, chunk: Chunk, condition: IntCC, counter: Value, bound: Value) {
        let target = self.block_at(chunk.of.head);
        let (look, more, next) = (self.cold(), self.cold(), self.b.create_block());
        let limit = self.b.use_var(chunk.limit);
        let paid = self.b.ins().icmp(condition, counter, limit);
        self.b.ins().brif(paid, target, &[], look, &[]);
        self.b.switch_to_block(look);
        let holds = self.b.ins().icmp(condition, counter, bound);
        self.b.ins().brif(holds, more, &[], next, &[]);
        self.b.switch_to_block(more);
        // Where that overflows the end comes too early, or the bound is all there is.
        let end = match chunk.of.step {
            Step::Constant(step) => self.b.ins().iadd_imm_s(counter, step.saturating_mul(CHUNK)),
            Step::Register(step) => {
                let step = self.scalar(step);
                let rounds = self.b.ins().imul_imm_s(step, CHUNK);
                self.b.ins().iadd(counter, rounds)
            }
        };
        let limit = self.b.ins().smin(end, bound);
        self.b.def_var(chunk.limit, limit);
        let (rounds, most) = (self.b.ins().isub(limit, counter), self.int(CHUNK));
        let rounds = self.b.ins().umin(rounds, most);
        let fuel = self.b.use_var(self.fuel);
        let fuel = self.b.ins().isub(fuel, rounds);
        self.b.def_var(self.fuel, fuel);
        let below = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, fuel, 0);
        let rare = self.cold();
        self.b.ins().brif(below, rare, &[], target, &[]);
        self.b.switch_to_block(rare);
        self.interrupt_in_loop(chunk.of.head);
        self.b.ins().jump(target, &[]);
        self.b.switch_to_block(next);
    }

    /// An interruption at a jump back.
    pub(super) fn interrupt_in_loop(&mut self, head: usize) {
        // What the counter is below zero need not be kept.
        let fuel = self.int(-1);
        self.b.def_var(self.fuel, fuel);
        self.call_helper(helper::INTERRUPT, &[]);
        let alive = self.alive();
        self.come_back(&alive);
        self.read_views_around(head, &alive);
    }
}
