//! One function from bytecode to Cranelift's form.
//!
//! A scalar register is an SSA variable; a reference register is one too, and where a collection may happen while it
//! is alive it also has a slot in the frame's window, written whenever it is. What may collect lies behind a call:
//! when that comes back, the references that are alive are read anew from their slots. So on the way that does not
//! collect, however long, nothing is read twice, and no reference is in a machine register while objects move.
//!
//! A function takes the calls that may still be nested, its window, the counter of interruptions and its arguments;
//! it gives the counter, below zero when it did not come to its end, and its results. Everything rare, traps
//! included, is in blocks marked cold.

mod calls;
mod choices;
mod copies;
mod helpers;
mod inline;
mod intrinsics;
mod loops;
mod moved;
mod objects;
mod prepared;
mod regions;
mod replaced;
mod rests;
mod scalars;
mod seen;
mod way_in;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{F64, I8, I64};
use cranelift_codegen::ir::{
    self, AbiParam, AliasRegionData, Block, BlockArg, InstBuilder, MemFlagsData, Signature, SourceLoc, Value,
};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};
use dscript_bytecode::ids::*;
use dscript_bytecode::image::{Function, RegType, ScalarKind};
use dscript_bytecode::instr::Instr;

use crate::analysis::Analysis;
use crate::context::{What, at, helper};
use crate::ranges::Ranges;
use crate::regions::Regions;
use crate::replaced::{Handed, Replaced};
use crate::short::ShortWays;
use crate::unit::Unit;
use copies::{Copy, Safe};
pub(crate) use inline::{NESTED_MAX, ROOM, is_short, weight};
use loops::{Chunk, Entry, View};
use prepared::Prepared;
use regions::WayOut;
use seen::Seen;
use way_in::WayIn;

/// How functions of a program call each other.
pub(crate) const CONVENTION: CallConv = CallConv::Tail;

/// Where translated code begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Start {
    Call,
    /// In a running frame of the interpreter, at a loop's head; the scalars come from its window.
    Loop(u32),
}

pub(crate) fn scalar_type(kind: ScalarKind) -> ir::Type {
    match kind {
        ScalarKind::Int => I64,
        ScalarKind::Double => F64,
        ScalarKind::Bool => I8,
    }
}

pub(crate) fn reg_type(reg: &RegType) -> ir::Type {
    match reg {
        RegType::Scalar(kind) => scalar_type(*kind),
        RegType::Ref(_) => I64,
    }
}

/// What a function takes and gives.
pub(crate) fn signature(function: &Function, start: Start) -> Signature {
    let mut signature = Signature::new(CONVENTION);
    signature.params.extend([AbiParam::new(I64); 3]);
    match start {
        Start::Call => {
            signature.params.extend(function.params.iter().map(|p| AbiParam::new(reg_type(p))));
        }
        Start::Loop(_) => signature.params.push(AbiParam::new(I64)),
    }
    signature.returns.push(AbiParam::new(I64));
    signature.returns.extend(function.results.iter().map(|r| AbiParam::new(reg_type(r))));
    signature
}

/// What memory an access is to; accesses of different kinds never meet.
#[derive(Clone, Copy)]
enum Area {
    Context,
    Window,
    Tables,
    Headers,
    Lists,
    ScalarElements,
    RefElements,
    ScalarFields,
    RefFields,
}

pub(crate) struct Translator<'a, 'f, 'p> {
    b: FunctionBuilder<'f>,
    unit: &'a mut Unit<'p>,
    id: FunctionId,
    function: &'p Function,
    replaced: Replaced,
    /// By web of `replaced`.
    fields: Vec<Vec<Variable>>,
    regions: Regions,
    /// In the code of a function that was inlined: the region of the outer one that its call is in.
    region_around: Option<usize>,
    /// Of the outer function's regions.
    ways_out: Vec<WayOut>,
    /// The place of the outermost of these in the fiber's list of limits, or -1 where none was begun: all of the frame's are
    /// from there on.
    first_region: Variable,
    analysis: Analysis,
    ranges: Ranges,
    scalars: Vec<Variable>,
    refs: Vec<Variable>,
    fuel: Variable,
    heap: Variable,
    left: Value,
    window: Value,
    blocks: Vec<Option<Block>>,
    /// Returns with the counter below zero.
    exit: Block,
    /// Where traps are reported.
    trap: Option<Block>,
    /// The context in a block that was asked for it, where no call lies between.
    context: Option<(Block, Value)>,
    pc: usize,
    /// Where it is as to the order of instructions: `pc`, but the jump that a test takes the place of.
    from: usize,
    place: u32,
    /// Of the window.
    slot_count: usize,
    /// Whether it reaches objects by itself.
    uses_heap: bool,
    /// Whether what has registers to itself is called anywhere in the function.
    calls: bool,
    /// Lists whose elements are known to lie in one place, from one instruction to another; outer loops first.
    views: Vec<View>,
    chunks: Vec<Chunk>,
    entries: Vec<Entry>,
    copies: Vec<Copy>,
    /// In the copy of a loop: instructions whose index is inside.
    safe: Safe,
    /// In the copy of a loop: whether calls may be nested one deeper.
    deep: bool,
    /// In the short ways of a function that stand in the place of its call.
    short: Option<&'p ShortWays>,
    /// Whether what follows an instruction is done.
    closed: bool,
    /// Where the current block goes on, after instructions that were done with the last one.
    goes_on: Option<usize>,
    /// On the way here, since the last place where ways meet.
    seen: Seen,
    /// In the function's own code, where it begins in a loop that is in others.
    way_in: Option<WayIn>,
    /// In the code of a function that was inlined: where it goes when it returns, and the call's place.
    inlined: Option<(Block, u32)>,
    /// Where references lie that functions around an inlined one go on with, which it may collect: in which slots.
    around: Vec<(Variable, u16)>,
    /// The function that all of it becomes.
    outer: FunctionId,
    /// Functions that are being inlined, one in the other.
    nested: usize,
    /// Instructions that may still be put in the place of calls.
    room: usize,
    /// The same of short ways.
    short_room: usize,
}

impl<'a, 'f, 'p> Translator<'a, 'f, 'p> {
    pub fn translate(
        unit: &'a mut Unit<'p>,
        id: FunctionId,
        start: Start,
        out: &'f mut ir::Function,
        context: &'f mut FunctionBuilderContext,
    ) {
        let function = unit.function(id);
        out.signature = signature(function, start);
        let mut b = FunctionBuilder::new(out, context);
        let scalars = function.scalars.iter().map(|kind| b.declare_var(scalar_type(*kind))).collect();
        let refs = function.refs.iter().map(|_| b.declare_var(I64)).collect();
        let [fuel, heap, first_region] = [(); 3].map(|()| b.declare_var(I64));
        let entry = b.create_block();
        b.append_block_params_for_function_params(entry);
        let loop_at = match start {
            Start::Call => None,
            Start::Loop(pc) => Some(pc as usize),
        };
        let replaced = match unit.is_plain(id) {
            true => Replaced::default(),
            false => Replaced::of(unit, function, &Handed::default(), loop_at),
        };
        let prepared = Prepared::of(&mut b, unit, function, &[], replaced, true);
        let Prepared { replaced, fields, regions, analysis, ranges, views, chunks, entries, blocks, copies } =
            prepared;
        let exit = b.create_block();
        b.set_cold_block(exit);
        let ways_out = regions.all.iter().map(|_| WayOut::new(&mut b)).collect();
        b.switch_to_block(entry);
        b.seal_block(entry);
        let params = b.block_params(entry).to_vec();
        let slot_count = analysis.slot_count;
        let uses_heap = function.code.iter().any(|instr| unit.uses_heap(instr));
        let calls = function.code.iter().any(|instr| unit.calls(instr));
        let place = unit.place(id, 0, slot_count, None);
        let mut this = Translator {
            b,
            unit,
            id,
            function,
            replaced,
            fields,
            regions,
            region_around: None,
            ways_out,
            first_region,
            analysis,
            ranges,
            scalars,
            refs,
            fuel,
            heap,
            left: params[0],
            window: params[1],
            blocks,
            exit,
            trap: None,
            context: None,
            pc: 0,
            from: 0,
            place,
            slot_count,
            uses_heap,
            calls,
            views,
            chunks,
            entries,
            copies,
            safe: Safe::default(),
            deep: false,
            short: None,
            closed: false,
            goes_on: None,
            seen: Seen::default(),
            way_in: None,
            inlined: None,
            around: Vec::new(),
            outer: id,
            nested: 0,
            room: ROOM,
            short_room: inline::SHORT_ROOM,
        };
        this.entry(start, &params);
        this.code(0..function.code.len());
        this.way_in = None;
        this.begin_loops();
        this.translate_copies();
        this.translate_ways_out();
        this.seal_blocks();
        this.trap_block();
        this.exit_block();
        this.b.seal_block(this.exit);
        let config = this.unit.frontend_config();
        this.b.finalize(config);
    }

    fn entry(&mut self, start: Start, params: &[Value]) {
        self.b.set_srcloc(SourceLoc::new(self.place));
        let one = self.b.ins().iconst(I64, 1);
        self.left = self.b.ins().isub(params[0], one);
        let fuel = self.b.ins().isub(params[2], one);
        self.b.def_var(self.fuel, fuel);
        self.reload_heap();
        match start {
            Start::Call => {
                let (mut s, mut r) = (0, 0);
                let mut stored = vec![false; self.analysis.slot_count];
                for (param, value) in self.function.params.iter().zip(&params[3..]) {
                    match param {
                        RegType::Scalar(_) => {
                            self.b.def_var(self.scalars[s], *value);
                            s += 1;
                        }
                        RegType::Ref(_) => {
                            self.keep_ref(R(r as u16), *value);
                            if let Some(slot) = self.analysis.slots[r] {
                                stored[usize::from(slot)] = true;
                            }
                            r += 1;
                        }
                    }
                }
                self.zero_slots(&stored);
                self.begin_regions();
                self.check_entry();
                self.enter_loops(None, 0);
                self.enter_block(None, 0);
            }
            Start::Loop(pc) => {
                let head = self.analysis.heads[pc as usize].clone().expect("a loop's head leads a block");
                let values: Vec<(Reg, Value)> =
                    head.iter().map(|reg| (*reg, self.load_register(*reg, params[3]))).collect();
                self.take_apart(params[3]);
                let mut stored = vec![false; self.analysis.slot_count];
                for (reg, value) in values {
                    match reg {
                        Reg::S(s) => self.b.def_var(self.scalars[s.index()], value),
                        Reg::R(r) => {
                            self.keep_ref(r, value);
                            if let Some(slot) = self.analysis.slots[r.index()] {
                                stored[usize::from(slot)] = true;
                            }
                        }
                    }
                }
                self.zero_slots(&stored);
                let alive: Vec<R> =
                    head.iter().filter_map(|reg| if let Reg::R(r) = reg { Some(*r) } else { None }).collect();
                self.read_views_around(pc as usize, &alive);
                self.begin_chunks(&|_| true);
                self.find_regions(pc as usize);
                self.begin_in_loop(pc as usize);
            }
        }
    }

    /// A register of the interpreter's frame.
    fn load_register(&mut self, reg: Reg, scalars: Value) -> Value {
        match reg {
            Reg::S(s) => {
                let ty = scalar_type(self.function.scalars[s.index()]);
                let flags = self.flags(Area::Tables);
                self.b.ins().load(ty, flags, scalars, 8 * i32::from(s.0))
            }
            Reg::R(r) => {
                let flags = self.flags(Area::Window);
                self.b.ins().uload32(flags, self.window, 4 * i32::from(r.0))
            }
        }
    }

    /// One look at both: how deep calls are nested, and whether the fiber is to be interrupted.
    fn check_entry(&mut self) {
        let fuel = self.b.use_var(self.fuel);
        let either = self.b.ins().bor(fuel, self.left);
        let below = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, either, 0);
        let (slow, go) = (self.cold(), self.b.create_block());
        self.settle_around();
        self.b.ins().brif(below, slow, &[], go, &[]);
        self.go_to(slow);
        self.call_helper(helper::ENTERED, &[]);
        let head = self.analysis.heads[0].clone().unwrap_or_default();
        let alive: Vec<R> =
            head.iter().filter_map(|reg| if let Reg::R(r) = reg { Some(*r) } else { None }).collect();
        self.come_back(&alive);
        self.settle_those(|_, _| true);
        self.b.ins().jump(go, &[]);
        self.go_to(go);
    }

    /// Translates instructions, the first of them here or in a block of its own; whether the last one goes on behind them.
    fn code(&mut self, pcs: std::ops::Range<usize>) -> bool {
        let mut open = self.blocks[pcs.start].is_none();
        let function = self.function;
        for (pc, instr) in function.code.iter().enumerate().take(pcs.end).skip(pcs.start) {
            (self.pc, self.from) = (pc, pc);
            if let Some(block) = self.blocks[pc] {
                if open {
                    self.enter_loops(pc.checked_sub(1), pc);
                    self.enter_block(pc.checked_sub(1), pc);
                }
                self.b.switch_to_block(block);
                self.seen.clear();
                open = true;
            } else if self.goes_on == Some(pc) {
                self.goes_on = None;
                open = true;
            }
            if !open {
                continue;
            }
            self.here();
            self.lead_on();
            self.instruction(instr);
            let on =
                matches!(*instr, Instr::Jump { to } if to.index() == pc + 1 && self.analysis.joined[pc + 1]);
            open = !std::mem::take(&mut self.closed) && (on || !instr.ends_block());
        }
        open
    }

    /// What follows is of the instruction at `pc`.
    fn here(&mut self) {
        let caller = self.inlined.map(|(_, caller)| caller);
        self.place = self.unit.place(self.id, self.pc as u32, self.slot_count, caller);
        self.b.set_srcloc(SourceLoc::new(self.place));
    }

    /// A test in the place of a jump to it.
    fn test(&mut self, head: usize, end: usize) {
        let pc = self.pc;
        let function = self.function;
        for (at, instr) in function.code.iter().enumerate().take(end + 2).skip(head) {
            self.pc = at;
            self.here();
            self.instruction(instr);
        }
        self.seen.clear();
        self.pc = pc;
    }

    /// References alive where a block begins.
    fn alive_at(&self, head: usize) -> Vec<R> {
        let alive = self.analysis.heads[head].iter().flat_map(|regs| regs.iter());
        alive.filter_map(|reg| if let Reg::R(r) = reg { Some(*r) } else { None }).collect()
    }

    fn exit_block(&mut self) {
        self.b.switch_to_block(self.exit);
        let mut values = vec![self.b.ins().iconst(I64, -1)];
        for result in &self.function.results {
            let zero = match reg_type(result) {
                F64 => self.b.ins().f64const(0.0),
                ty => self.b.ins().iconst(ty, 0),
            };
            values.push(zero);
        }
        self.b.ins().return_(&values);
    }

    fn block_at(&self, pc: usize) -> Block {
        self.blocks[pc].expect("jumps go to leaders")
    }

    fn cold(&mut self) -> Block {
        let block = self.b.create_block();
        self.b.set_cold_block(block);
        block
    }

    fn flags(&mut self, area: Area) -> MemFlagsData {
        let data = AliasRegionData { user_id: area as u32, description: "".into() };
        let region = self.b.func.dfg.alias_regions.insert(data);
        MemFlagsData::trusted().with_alias_region(Some(region))
    }

    // ---- registers ----

    fn scalar(&mut self, reg: S) -> Value {
        self.read(self.scalars[reg.index()])
    }

    fn set_scalar(&mut self, reg: S, value: Value) {
        self.b.def_var(self.scalars[reg.index()], value);
    }

    fn reference(&mut self, reg: R) -> Value {
        self.read(self.refs[reg.index()])
    }

    /// One value has one name, as what was seen is asked for by it.
    fn read(&mut self, variable: Variable) -> Value {
        if let Some(home) = self.seen.take_moved(variable) {
            self.read_anew(variable, home);
        }
        let value = self.b.use_var(variable);
        self.b.func.dfg.resolve_aliases(value)
    }

    /// What an instruction gives.
    fn set_ref(&mut self, reg: R, value: Value) {
        if self.analysis.kept[self.pc] {
            self.keep_ref(reg, value);
        } else {
            self.define_ref(reg, value);
        }
    }

    fn define_ref(&mut self, reg: R, value: Value) {
        let variable = self.refs[reg.index()];
        self.seen.take_moved(variable);
        self.b.def_var(variable, value);
    }

    /// What the function is given.
    fn keep_ref(&mut self, reg: R, value: Value) {
        self.define_ref(reg, value);
        if let Some(slot) = self.analysis.slots[reg.index()] {
            let flags = self.flags(Area::Window);
            self.b.ins().istore32(flags, value, self.window, 4 * i32::from(slot));
        }
    }

    fn alive(&self) -> Vec<R> {
        self.analysis.alive[self.pc].as_deref().unwrap_or_default().to_vec()
    }

    fn bits(&mut self, kind: ScalarKind, value: Value) -> Value {
        match kind {
            ScalarKind::Bool => self.b.ins().uextend(I64, value),
            ScalarKind::Int | ScalarKind::Double => value,
        }
    }

    /// The value of an int that is known here.
    fn constant(&self, value: Value) -> Option<i64> {
        let inst = self.b.func.dfg.value_def(self.b.func.dfg.resolve_aliases(value)).inst()?;
        match self.b.func.dfg.insts[inst] {
            ir::InstructionData::UnaryImm { opcode: ir::Opcode::Iconst, imm } => Some(imm.bits()),
            _ => None,
        }
    }

    /// After a helper: returns where it says so, else takes over what it has changed.
    fn come_back(&mut self, alive: &[R]) {
        let fuel = self.load_context(at::FUEL);
        self.go_on(fuel, None, alive);
    }

    /// After any call: where the counter is below zero, returns, or goes on behind a region whose time is up. The heap is where
    /// the context says, unless it is known.
    fn go_on(&mut self, fuel: Value, heap: Option<Value>, alive: &[R]) {
        self.b.def_var(self.fuel, fuel);
        let ended = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, fuel, 0);
        let next = self.b.create_block();
        let out = self.way_out();
        self.b.ins().brif(ended, out, &[], next, &[]);
        self.go_to(next);
        self.seen.forget_cells();
        match heap {
            Some(heap) => {
                self.seen.take_moved(self.heap);
                self.b.def_var(self.heap, heap);
            }
            None => self.reload_heap(),
        }
        self.reload(alive);
        self.reload_around();
        self.reload_views();
    }

    /// Goes to a cold block when the condition holds, which this fills and ends; then on in the block after it.
    fn rarely(&mut self, condition: Value, body: impl FnOnce(&mut Self)) {
        let (rare, next) = (self.cold(), self.b.create_block());
        self.b.ins().brif(condition, rare, &[], next, &[]);
        self.go_to(rare);
        let seen = std::mem::take(&mut self.seen);
        body(self);
        self.seen = seen;
        self.go_to(next);
    }

    /// Goes on in a block that no other way leads to: what registers hold there is what they held before.
    fn go_to(&mut self, block: Block) {
        self.b.switch_to_block(block);
        self.b.seal_block(block);
    }

    fn trap_if(&mut self, condition: Value, what: What, a: Value, b: Value) {
        self.rarely(condition, |this| this.trap(what, a, b));
    }

    fn trap(&mut self, what: What, a: Value, b: Value) {
        let block = self.trap.unwrap_or_else(|| self.cold());
        self.trap = Some(block);
        // All through memory: one register for what many places pass to a block would have to be free in all of them.
        let place = self.int(what.at(self.place));
        let args = [place, a, b];
        self.store_args(if what.tells() { &args } else { &args[..1] });
        self.b.ins().jump(block, &[]);
    }

    fn trap_block(&mut self) {
        let Some(block) = self.trap else { return };
        self.b.set_srcloc(SourceLoc::default());
        self.go_to(block);
        self.call_helper(helper::TRAP, &[]);
        self.b.ins().jump(self.exit, &[]);
    }

    fn int(&mut self, value: i64) -> Value {
        self.b.ins().iconst(I64, value)
    }

    /// Jumps; backward, that is a place of interruption.
    fn jump(&mut self, to: Label) {
        if self.analysis.joined[to.index()] {
            return;
        }
        if let Some(end) = self.analysis.tests[to.index()] {
            return self.test(to.index(), end);
        }
        let target = self.block_at(to.index());
        self.enter_loops(Some(self.from), to.index());
        if to.index() <= self.from {
            self.settle(to.index());
            let fuel = self.b.use_var(self.fuel);
            let fuel = self.b.ins().iadd_imm_s(fuel, -1);
            self.b.def_var(self.fuel, fuel);
            let below = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, fuel, 0);
            // A block behind the jump, so that the jump is one to the head.
            let (behind, rare) = (self.b.create_block(), self.cold());
            self.b.ins().brif(below, behind, &[], target, &[]);
            self.go_to(behind);
            self.b.ins().jump(rare, &[]);
            self.go_to(rare);
            self.interrupt_in_loop(to.index());
        } else {
            self.enter_block(Some(self.from), to.index());
        }
    }

    fn jump_if(&mut self, condition: Value, to: Label) {
        if self.choose(condition, to) {
            return;
        }
        let next = self.b.create_block();
        let has_block = self.blocks[to.index()].is_some();
        if !has_block || to.index() <= self.from || self.enters_loops(Some(self.from), to.index()) {
            let edge = self.b.create_block();
            self.b.ins().brif(condition, edge, &[], next, &[]);
            self.jump_on_edge(edge, to);
        } else {
            self.settle(to.index());
            let target = self.block_at(to.index());
            self.b.ins().brif(condition, target, &[], next, &[]);
        }
        self.go_to(next);
    }

    /// Jumps in a block of its own; another way goes on from before it.
    fn jump_on_edge(&mut self, edge: Block, to: Label) {
        let seen = self.seen.clone();
        self.go_to(edge);
        self.jump(to);
        self.seen = seen;
    }

    fn join(&mut self, block: Block, value: Value) {
        self.b.ins().jump(block, &[BlockArg::Value(value)]);
    }

    fn instruction(&mut self, instr: &'p Instr) {
        let done = self.replaced_instruction(instr)
            || self.scalar_instruction(instr)
            || self.object_instruction(instr);
        if !done {
            self.forget_dead(instr);
            self.call_instruction(instr);
        }
    }
}
