//! What is done once for a loop, or for many of its rounds.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, Value};
use cranelift_frontend::{FunctionBuilder, Variable};
use dscript_bytecode::ids::*;
use dscript_bytecode::image::{Function, ScalarKind};
use dscript_bytecode::instr::Instr;

use super::objects::REF_BITS;
use super::seen::Home;
use super::{Area, Translator};
use crate::analysis::{Analysis, Operands};
use crate::context::helper;
use crate::layout;
use crate::loops::{CountedLoop, QuietLoop, Row, Source, Stable, Step, counted_loops, entered_at_heads};
use crate::ranges::Ranges;
use crate::sums::{Sum, Symbol};
use crate::unit::Intrinsic;

/// Rounds of a counted loop that are paid for at once.
const CHUNK: i64 = 64;
/// Rounds of one that has few.
const FEW: i64 = 16;

/// Where the array of a list lies, and how many elements it has, in a loop where neither changes but by what it adds itself;
/// or where the bytes of a String begin, and how many code points of one byte each it has: none where others are among them.
#[derive(Clone, Copy)]
pub(super) struct View {
    pub head: usize,
    pub last: usize,
    pub reg: R,
    pub what: Viewed,
    /// The register that all of this is read by.
    pub root: R,
    /// Of a list that is read in the loop: the list. Of one that grows: how many elements it has room for.
    pub object: Variable,
    pub start: Variable,
    /// Of a list that grows, the word that the size is in.
    pub size: Variable,
    /// Whether all of it is another's.
    pub shared: bool,
    /// Whether what lies there may move in the loop.
    pub moves: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Viewed {
    List,
    Text,
    Growing,
    /// Where reading it would trap there is none, and it is as if it were empty.
    Row(Row),
}

impl View {
    pub(super) fn holds(&self, pc: usize) -> bool {
        (self.head..=self.last).contains(&pc)
    }

    pub(super) fn variables(&self) -> [Variable; 3] {
        [self.object, self.start, self.size]
    }
}

/// A counted loop, and how far it may count until the counter of interruptions is looked at again.
#[derive(Clone, Copy)]
pub(super) struct Chunk {
    pub of: CountedLoop,
    pub limit: Variable,
    /// The most rounds of a loop that never has many: all are paid for before it.
    pub few: Option<i64>,
}

impl Chunk {
    pub(super) fn holds(&self, pc: usize) -> bool {
        (self.of.head..=self.of.last).contains(&pc)
    }
}

/// What stands before a loop that is entered at its head only. What is done there once is not done anew in the loop: where
/// it was interrupted, it is entered anew. So all that the loop itself does not change has one value in it.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub head: usize,
    pub last: usize,
    pub block: Block,
    /// Of a counted loop: where it goes on when rounds were paid for.
    pub paid: Option<Block>,
}

pub(super) fn entries(
    b: &mut FunctionBuilder,
    function: &Function,
    analysis: &Analysis,
    chunks: &[Chunk],
) -> Vec<Entry> {
    let operands: Vec<Operands> = function.code.iter().map(Operands::of).collect();
    let mut entry = |(head, last)| {
        let counted = chunks.iter().any(|chunk| chunk.of.head == head);
        let block = b.create_block();
        Entry { head, last, block, paid: counted.then(|| b.create_block()) }
    };
    entered_at_heads(&operands, analysis).into_iter().map(&mut entry).collect()
}

/// The views of a function's quiet loops.
pub(super) fn views(b: &mut FunctionBuilder, loops: Vec<QuietLoop>) -> Vec<View> {
    let mut views: Vec<View> = Vec::new();
    for QuietLoop { head, last, lists, texts, growing, moves, rows } in loops {
        let mut own = |reg, what, root| {
            let [object, start, size] = [(); 3].map(|()| b.declare_var(I64));
            View { head, last, reg, what, root, object, start, size, shared: false, moves }
        };
        views.extend(lists.into_iter().map(|list| own(list, Viewed::List, list)));
        views.extend(texts.into_iter().map(|text| own(text, Viewed::Text, text)));
        views.extend(growing.into_iter().map(|list| own(list, Viewed::Growing, list)));
        let first = views.len();
        for row in rows {
            views.push(match row.like {
                Some(like) => {
                    let what = Viewed::Row(row);
                    View { reg: row.reg, what, root: row.root, shared: true, ..views[first + like] }
                }
                None => own(row.reg, Viewed::Row(row), row.root),
            });
        }
    }
    views
}

/// The one that says where a list or a text lies at an instruction.
pub(super) fn view_at(views: &[View], reg: R, what: Viewed, pc: usize, from: usize) -> Option<View> {
    let is = |view: &View| match view.what {
        Viewed::Row(row) => what == Viewed::List && row.holds(pc),
        other => what == other,
    };
    let here = |view: &&View| view.reg == reg && is(view) && view.holds(pc) && view.holds(from);
    views.iter().rfind(here).copied()
}

pub(super) fn chunks(
    b: &mut FunctionBuilder,
    function: &Function,
    ranges: &Ranges,
    stable: &Stable<'_>,
) -> Vec<Chunk> {
    let loops = counted_loops(&function.code, &|pc| ranges.at(pc)[1].low > 0, stable).into_iter();
    loops.map(|of| Chunk { of, limit: b.declare_var(I64), few: few_rounds(of, ranges) }).collect()
}

/// The most rounds of a loop, where these are few by what is known of its counter and bound.
fn few_rounds(of: CountedLoop, ranges: &Ranges) -> Option<i64> {
    let Step::Constant(step) = of.step else { return None };
    let [low, high] = ranges.at(of.last);
    let way = high.high.checked_sub(low.low)? / step.checked_abs()?;
    // One more for a bound that is reached, and one for a loop that looks at its counter only at its end.
    (0..FEW).contains(&way).then(|| way + 2)
}

impl Translator<'_, '_, '_> {
    /// Before a way into loops in which no list changes: reads where their lists lie. `from` is outside of what is
    /// no loop around both.
    pub(super) fn enter_loops(&mut self, from: Option<usize>, to: usize) {
        if !self.enters_loops(from, to) {
            return;
        }
        let alive = self.alive_at(to);
        let later = self.entry_of(from, to).map(|entry| entry.head);
        self.read_views(&|view| {
            view.holds(to)
                && !from.is_some_and(|pc| view.holds(pc))
                && later != Some(view.head)
                && alive.contains(&view.root)
        });
        let enters = |chunk: &Chunk| chunk.holds(to) && !from.is_some_and(|pc| chunk.holds(pc));
        self.begin_chunks(&enters);
        let few: i64 = self.chunks.iter().filter(|chunk| enters(chunk)).filter_map(|chunk| chunk.few).sum();
        if few > 0 {
            let few = self.int(few);
            self.pay(few);
        }
    }

    pub(super) fn enters_loops(&self, from: Option<usize>, to: usize) -> bool {
        let within = |pc: &dyn Fn(usize) -> bool| pc(to) && !from.is_some_and(pc);
        self.entry_of(from, to).is_some()
            || self.views.iter().any(|view| within(&|pc| view.holds(pc)))
            || self.chunks.iter().any(|chunk| within(&|pc| chunk.holds(pc)))
    }

    /// What stands before the loop that a jump enters at its head.
    fn entry_of(&self, from: Option<usize>, to: usize) -> Option<Entry> {
        let outside = |entry: &Entry| !from.is_some_and(|pc| (entry.head..=entry.last).contains(&pc));
        self.entries.iter().find(|entry| entry.head == to).filter(|entry| outside(entry)).copied()
    }

    /// Goes to a block from an instruction, or from the beginning.
    pub(super) fn enter_block(&mut self, from: Option<usize>, to: usize) {
        let block = self.entry_of(from, to).map_or_else(|| self.block_at(to), |entry| entry.block);
        // A loop reads it anew: what is the same before and behind it would have no register where calls are made there.
        let begins = |(head, last): &(usize, usize)| {
            *head == to && !from.is_some_and(|from| (*head..=*last).contains(&from))
        };
        if self.calls && self.analysis.loops.iter().any(begins) {
            self.reload_heap();
        }
        self.settle(to);
        self.b.ins().jump(block, &[]);
    }

    /// What stands before the loops of the function.
    pub(super) fn begin_loops(&mut self) {
        for at in 0..self.entries.len() {
            let entry = self.entries[at];
            if self.blocks[entry.head].is_none() {
                continue;
            }
            (self.pc, self.from) = (entry.head, entry.head);
            self.here();
            self.seen.clear();
            self.b.switch_to_block(entry.block);
            let alive = self.alive_at(entry.head);
            self.read_views(&|view| view.head == entry.head && alive.contains(&view.root));
            self.choose_copy(entry);
            self.begin_paid(entry);
        }
    }

    /// Where a loop goes on when rounds were paid for.
    pub(super) fn begin_paid(&mut self, entry: Entry) {
        if let Some(paid) = entry.paid {
            self.b.switch_to_block(paid);
            let head = self.block_at(entry.head);
            self.b.ins().jump(head, &[]);
        }
    }

    /// Says that there are no more ways to the blocks of the function. Where the ways to a block are known only after
    /// what they come from, all that registers hold has one name there as long as it is one value: so the head of a
    /// loop comes after all that is in the loop, and before what follows it.
    pub(super) fn seal_blocks(&mut self) {
        let is_head = |pc: usize| self.analysis.loops.iter().any(|(head, _)| *head == pc);
        let copied = |head: usize| self.copies.iter().filter(move |copy| copy.entry.head == head);
        let mut order: Vec<((usize, usize), Block)> = Vec::new();
        let mut plain = |blocks: &[Option<Block>], pcs: std::ops::RangeInclusive<usize>| {
            let blocks = pcs.filter(|pc| !is_head(*pc)).filter_map(|pc| Some((pc, blocks[pc]?)));
            order.extend(blocks.map(|(pc, block)| ((pc, 0), block)));
        };
        plain(&self.blocks, 0..=self.blocks.len() - 1);
        for copy in &self.copies {
            plain(&copy.blocks, copy.entry.head..=copy.entry.last);
        }
        for &(head, last) in &self.analysis.loops {
            let entry = self.entries.iter().find(|entry| entry.head == head);
            let heads = copied(head).filter_map(|copy| copy.blocks[head]).chain(self.blocks[head]);
            let paid =
                copied(head).map(|copy| copy.entry).chain(entry.copied()).filter_map(|entry| entry.paid);
            let blocks = heads.chain(paid).chain(entry.map(|entry| entry.block));
            // Of those that end together the inner one first.
            order.extend(blocks.map(|block| ((last, usize::MAX - head), block)));
        }
        if self.inlined.is_none() {
            // Inner regions before those around them.
            let regions = self.regions.all.iter().zip(&self.ways_out).rev();
            order.extend(regions.map(|(region, out)| ((region.to.index() - 1, usize::MAX), out.block)));
        }
        order.sort_by_key(|(at, _)| *at);
        for (_, block) in order {
            self.b.seal_block(block);
        }
    }

    pub(super) fn read_views(&mut self, which: &dyn Fn(&View) -> bool) {
        for at in 0..self.views.len() {
            if !self.views[at].shared && which(&self.views[at]) {
                self.read_view(at);
            }
        }
    }

    pub(super) fn read_view(&mut self, at: usize) {
        let view = self.views[at];
        let View { reg, what, object, start, size, .. } = view;
        for variable in view.variables() {
            self.seen.take_moved(variable);
        }
        if let Some(outer) = self.view_around(at) {
            for (of, from) in [(start, outer.start), (size, outer.size)] {
                let value = self.b.use_var(from);
                self.b.def_var(of, value);
            }
            return;
        }
        let (first, count) = match what {
            Viewed::List => {
                let list = self.object(reg);
                (self.list_array(list), self.list_size(list))
            }
            Viewed::Text => {
                let text = self.object(reg);
                self.bytes_of(text)
            }
            Viewed::Growing => {
                let list = self.object(reg);
                let array = self.list_array(list);
                let room = self.room_of(array);
                self.b.def_var(object, room);
                (array, self.size_word(list))
            }
            Viewed::Row(row) => {
                let row = self.row_of(&view, row);
                self.b.def_var(object, row);
                let (list, none) = (self.address(row), self.int(0));
                let size = self.list_size(list);
                (self.list_array(list), self.b.ins().select(row, size, none))
            }
        };
        self.b.def_var(start, first);
        self.b.def_var(size, count);
    }

    /// After what may have moved all objects: where they lie is read anew where that is needed next.
    pub(super) fn reload_views(&mut self) {
        for at in 0..self.views.len() {
            let view = self.views[at];
            if view.moves && view.holds(self.pc) && view.holds(self.from) {
                for variable in view.variables() {
                    self.seen.set_moved(variable, Home::View(at));
                }
            }
        }
    }

    /// The view of the same list or text that a loop around a view's has: there it is the same all through that loop.
    fn view_around(&self, at: usize) -> Option<View> {
        let view = self.views[at];
        if matches!(view.what, Viewed::Row(_)) {
            return None;
        }
        let around = |other: &&View| {
            (other.reg, other.what) == (view.reg, view.what)
                && (other.head, other.last) != (view.head, view.last)
                && other.holds(view.head)
                && other.holds(view.last)
        };
        self.views[..at].iter().rfind(around).copied()
    }

    /// Where the bytes of a String begin, and how many there are where each is a code point; else 0.
    fn bytes_of(&mut self, text: Value) -> (Value, Value) {
        let points = self.code_points(text);
        let (get, other, done) = (self.b.create_block(), self.b.create_block(), self.b.create_block());
        let (start, size) = (self.b.append_block_param(done, I64), self.b.append_block_param(done, I64));
        self.single_bytes(text, points, get, other);
        self.go_to(other);
        let none = self.int(0);
        self.b.ins().jump(done, &[BlockArg::Value(text), BlockArg::Value(none)]);
        self.go_to(get);
        let bytes = self.b.block_params(get)[0];
        self.b.ins().jump(done, &[BlockArg::Value(bytes), BlockArg::Value(points)]);
        self.go_to(done);
        (start, size)
    }

    /// Reads anew where lists lie that the loops around an instruction reach.
    pub(super) fn read_views_around(&mut self, pc: usize, alive: &[R]) {
        let later = self.entry_of(None, pc).map(|entry| entry.head);
        self.read_views(&|view| view.holds(pc) && later != Some(view.head) && alive.contains(&view.root));
    }

    /// The list that is read there, or null where there is none.
    fn row_of(&mut self, of: &View, row: Row) -> Value {
        // What it is read from has a view of the same loop, or is there all through it.
        let known = |this: &Self, reg: R| {
            let same = |view: &&View| (view.head, view.last, view.reg) == (of.head, of.last, reg);
            let holds = |view: &View| match view.what {
                Viewed::List => true,
                Viewed::Text | Viewed::Growing => false,
                Viewed::Row(base) => base.holds(row.at),
            };
            this.views.iter().rfind(|view| same(view) && holds(view)).copied()
        };
        let (there, area, place, offset) = match row.from {
            Source::Element { list, index } => {
                let view = known(self, list).expect("a list of a quiet loop has a view");
                let (array, size) = (self.b.use_var(view.start), self.b.use_var(view.size));
                let index = self.sum(index);
                let inside = self.b.ins().icmp(IntCC::UnsignedLessThan, index, size);
                (inside, Area::RefElements, self.nth(array, index, REF_BITS), layout::ELEMENTS)
            }
            Source::Field { object, slot } => {
                let offset = self.ref_field(object, slot);
                let object = match known(self, object) {
                    Some(View { what: Viewed::Row(..), object, .. }) => self.b.use_var(object),
                    _ => self.reference(object),
                };
                (object, Area::RefFields, self.address(object), offset)
            }
        };
        // Something of the heap that nobody looks at.
        let heap = self.read(self.heap);
        let place = self.b.ins().select(there, place, heap);
        let flags = self.flags(area);
        let row = self.b.ins().uload32(flags, place, offset);
        let none = self.int(0);
        self.b.ins().select(there, row, none)
    }

    /// In front of a counted loop: its bound.
    pub(super) fn bound(&mut self, counted: CountedLoop) -> Value {
        let function = self.function;
        let mut made: Vec<(Reg, Value)> = Vec::new();
        // What is made of something that is not known there is not used for the bound.
        for instr in &function.code[counted.test..counted.last] {
            let of = |this: &mut Self, reg: S| {
                let known = made.iter().rfind(|(made, _)| *made == Reg::S(reg)).map(|(_, value)| *value);
                known.unwrap_or_else(|| this.scalar(reg))
            };
            let (dst, value) = match *instr {
                Instr::Int { value, dst } => (dst, self.int(value)),
                Instr::MoveScalar { src, dst } if function.scalars[dst.index()] == ScalarKind::Int => {
                    (dst, of(self, src))
                }
                Instr::AddImm { a, value, dst } => {
                    let a = of(self, a);
                    (dst, self.b.ins().iadd_imm_s(a, value))
                }
                Instr::AddInt { a, b, dst } => {
                    let (a, b) = (of(self, a), of(self, b));
                    (dst, self.b.ins().iadd(a, b))
                }
                Instr::SubInt { a, b, dst } => {
                    let (a, b) = (of(self, a), of(self, b));
                    (dst, self.b.ins().isub(a, b))
                }
                Instr::ListSize { list, dst } => {
                    let list = self.object(list);
                    (dst, self.list_size(list))
                }
                Instr::CallNative { native, ref args, ref results } => {
                    match (self.unit.intrinsic(native), &args[..], &results[..]) {
                        (Some(Intrinsic::Length), &[Reg::R(text)], &[Reg::S(dst)]) => {
                            let text = self.object(text);
                            (dst, self.code_points(text))
                        }
                        (Some(Intrinsic::BytesLength), &[Reg::R(bytes)], &[Reg::S(dst)]) => {
                            let bytes = self.object(bytes);
                            (dst, self.bytes_length(bytes))
                        }
                        _ => continue,
                    }
                }
                _ => continue,
            };
            made.push((Reg::S(dst), value));
        }
        let bound = counted.bound;
        let made = made.iter().rfind(|(made, _)| *made == Reg::S(bound)).map(|(_, value)| *value);
        made.unwrap_or_else(|| self.scalar(bound))
    }

    /// In front of a loop: what a sum is that the loop's counter is no part of. As what it stands for is computed it is
    /// exact where all of it is small.
    fn sum(&mut self, sum: Sum) -> Value {
        let all = self.terms(sum, None);
        let all = self.b.ins().iadd_imm_s(all, sum.plus);
        self.shifted(all, sum)
    }

    /// What the terms of a sum come to where the loop's counter is this number.
    pub(super) fn terms(&mut self, sum: Sum, counter: Option<Value>) -> Value {
        let symbol = |this: &mut Self, symbol| match symbol {
            Symbol::Stays(reg) => this.scalar(reg),
            Symbol::Counter => counter.expect("only a counted loop has sums of its counter"),
        };
        let mut all = None;
        for term in sum.terms() {
            let mut value = symbol(self, term.first);
            if let Some(second) = term.second {
                let second = symbol(self, second);
                value = self.b.ins().imul(value, second);
            }
            if term.times != 1 {
                value = self.b.ins().imul_imm_s(value, term.times);
            }
            all = Some(match all {
                Some(others) => self.b.ins().iadd(others, value),
                None => value,
            });
        }
        all.unwrap_or_else(|| self.int(0))
    }

    /// What a sum is whose terms and constant come to this.
    pub(super) fn shifted(&mut self, all: Value, sum: Sum) -> Value {
        if sum.bits == 0 { all } else { self.b.ins().sshr_imm_s(all, i64::from(sum.bits)) }
    }

    /// What an instruction would read from where nothing changes in the loop around it.
    pub(super) fn row(&mut self, reg: R) -> Option<Value> {
        let here = |view: &&View| {
            let reads = matches!(view.what, Viewed::Row(row) if row.at == self.pc);
            view.reg == reg && reads && view.holds(self.from)
        };
        let object = self.views.iter().rev().find(here)?.object;
        Some(self.b.use_var(object))
    }

    /// Array and size of a list, where they are known.
    pub(super) fn view(&mut self, list: R) -> Option<(Value, Value)> {
        if let Some(view) = self.growing(list) {
            let word = self.read(view.size);
            return Some((self.read(view.start), self.low_half(word)));
        }
        self.view_of(list, Viewed::List)
    }

    /// What is known of a list that grows in the loop here.
    pub(super) fn growing(&self, list: R) -> Option<View> {
        view_at(&self.views, list, Viewed::Growing, self.pc, self.from)
    }

    /// Where the bytes of a String begin and how many there are, where that is known.
    pub(super) fn text_view(&mut self, text: R) -> Option<(Value, Value)> {
        self.view_of(text, Viewed::Text)
    }

    fn view_of(&mut self, reg: R, what: Viewed) -> Option<(Value, Value)> {
        let view = view_at(&self.views, reg, what, self.pc, self.from)?;
        let (start, size) = (view.start, view.size);
        Some((self.read(start), self.read(size)))
    }

    /// Before a counted loop no round is paid for.
    pub(super) fn begin_chunks(&mut self, which: &dyn Fn(&Chunk) -> bool) {
        for at in 0..self.chunks.len() {
            if which(&self.chunks[at]) && self.chunks[at].few.is_none() {
                let none = if self.chunks[at].of.down { i64::MAX } else { i64::MIN };
                let none = self.int(none);
                self.b.def_var(self.chunks[at].limit, none);
            }
        }
    }

    /// Takes rounds off the counter of interruptions, which is looked at where it is next.
    pub(super) fn pay(&mut self, rounds: Value) {
        let (fuel, none) = (self.b.use_var(self.fuel), self.int(0));
        let left = self.b.ins().isub(fuel, rounds);
        let left = self.b.ins().smax(left, none);
        self.b.def_var(self.fuel, left);
    }

    /// The jump back of a counted loop, where it is one.
    pub(super) fn chunk(&self, to: Label) -> Option<Chunk> {
        let here = |chunk: &&Chunk| (chunk.of.head, chunk.of.last) == (to.index(), self.pc);
        self.chunks.iter().find(here).filter(|_| to.index() <= self.from).copied()
    }

    /// Jumps back where the counter has not come to the bound, and now and then pays for the rounds until it is looked at
    /// again.
    pub(super) fn jump_counted(&mut self, chunk: Chunk, condition: IntCC, x: Value, y: Value) {
        let down = chunk.of.down;
        let (counter, bound) = if down { (y, x) } else { (x, y) };
        let holds = |this: &mut Self, bound| {
            let (x, y) = if down { (bound, counter) } else { (counter, bound) };
            this.b.ins().icmp(condition, x, y)
        };
        let target = self.block_at(chunk.of.head);
        self.settle(chunk.of.head);
        if chunk.few.is_some() {
            let (holds, next) = (holds(self, bound), self.b.create_block());
            self.b.ins().brif(holds, target, &[], next, &[]);
            return self.go_to(next);
        }
        let paid_for = self.entry_of(None, chunk.of.head).and_then(|entry| entry.paid).unwrap_or(target);
        // Behind the jump lies what is looked at then, so that the jump is one to the head.
        let (look, more, next) = (self.b.create_block(), self.cold(), self.b.create_block());
        let limit = self.b.use_var(chunk.limit);
        let paid = holds(self, limit);
        self.b.ins().brif(paid, target, &[], look, &[]);
        self.go_to(look);
        let holds = holds(self, bound);
        self.b.ins().brif(holds, more, &[], next, &[]);
        self.go_to(more);
        // Where that overflows the end comes too early, or the bound is all there is.
        let end = match chunk.of.step {
            Step::Constant(step) => self.b.ins().iadd_imm_s(counter, step.saturating_mul(CHUNK)),
            Step::Register(step) => {
                let step = self.scalar(step);
                let rounds = self.b.ins().imul_imm_s(step, CHUNK);
                self.b.ins().iadd(counter, rounds)
            }
        };
        let limit = if down { self.b.ins().smax(end, bound) } else { self.b.ins().smin(end, bound) };
        self.b.def_var(chunk.limit, limit);
        let (low, high) = if down { (limit, counter) } else { (counter, limit) };
        let (rounds, most) = (self.b.ins().isub(high, low), self.int(CHUNK));
        let rounds = self.b.ins().umin(rounds, most);
        let fuel = self.b.use_var(self.fuel);
        let fuel = self.b.ins().isub(fuel, rounds);
        self.b.def_var(self.fuel, fuel);
        let below = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, fuel, 0);
        let rare = self.cold();
        self.b.ins().brif(below, rare, &[], paid_for, &[]);
        self.go_to(rare);
        let seen = self.seen.clone();
        self.interrupt_in_loop(chunk.of.head);
        self.seen = seen;
        self.go_to(next);
    }

    /// An interruption at a jump back; goes to the head.
    pub(super) fn interrupt_in_loop(&mut self, head: usize) {
        // What the counter is below zero need not be kept.
        let fuel = self.int(-1);
        self.b.def_var(self.fuel, fuel);
        self.call_helper(helper::INTERRUPT, &[]);
        let alive = self.alive();
        self.come_back(&alive);
        self.read_views_around(head, &alive);
        // Lists may have other sizes now.
        self.begin_chunks(&|chunk| chunk.of.head == head && chunk.of.test < chunk.of.last);
        self.enter_block(None, head);
    }
}
