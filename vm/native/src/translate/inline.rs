//! The code of short functions in the place of their calls.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{Block, InstBuilder, SourceLoc, Value};
use cranelift_frontend::Variable;
use dscript_bytecode::ids::*;
use dscript_bytecode::image::{Function, RegType};
use dscript_bytecode::instr::Instr;

use super::copies::{Copy, Safe};
use super::loops::{Chunk, Entry, View};
use super::prepared::Prepared;
use super::{Translator, reg_type, scalar_type};
use crate::analysis::{Analysis, Operands};
use crate::context::What;
use crate::ranges::Ranges;
use crate::regions::Regions;
use crate::replaced::Replaced;
use crate::short::ShortWays;

/// Functions inlined in each other, and the weight of all that are inlined in one function for its calls. A function that calls
/// itself twice has room for itself that deep.
pub(crate) const NESTED_MAX: usize = 3;
pub(crate) const ROOM: usize = 120;
/// The weight of all short ways in one function, which stand where no more is inlined.
pub(super) const SHORT_ROOM: usize = 100;
/// Instructions of a function whose code is hardly longer than what a call of it takes.
const TINY: usize = 12;

/// Whether a function is short enough to stand in the place of its calls.
pub(crate) fn is_short(code: &[Instr]) -> bool {
    const INSTRUCTIONS_MAX: usize = 24;
    const WEIGHT_MAX: usize = 16;
    code.len() <= INSTRUCTIONS_MAX || weight(code) <= WEIGHT_MAX
}

/// What counts of a function that may stand in the place of its calls: instructions that become machine code of their own,
/// as a constant is a part of what uses it and a move is a name; all of them where it loops, as its loops lie better in a
/// function of their own.
pub(crate) fn weight(code: &[Instr]) -> usize {
    let is_backward =
        |(pc, instr): (usize, &Instr)| Operands::of(instr).labels.iter().any(|to| to.index() <= pc);
    if code.iter().enumerate().any(is_backward) {
        return code.len();
    }
    let is_free = |instr: &Instr| {
        use Instr::{Bool, Double, Int, Jump, MoveRef, MoveScalar, Null};
        matches!(
            instr,
            Int { .. }
                | Double { .. }
                | Bool { .. }
                | Null { .. }
                | MoveScalar { .. }
                | MoveRef { .. }
                | Jump { .. }
        )
    };
    code.iter().filter(|instr| !is_free(instr)).count()
}

/// What of the translator is another function's while that is inlined.
struct Inner<'p> {
    id: FunctionId,
    function: &'p Function,
    replaced: Replaced,
    fields: Vec<Vec<Variable>>,
    regions: Regions,
    region_around: Option<usize>,
    analysis: Analysis,
    ranges: Ranges,
    scalars: Vec<Variable>,
    refs: Vec<Variable>,
    blocks: Vec<Option<Block>>,
    pc: usize,
    from: usize,
    place: u32,
    left: Value,
    slot_count: usize,
    views: Vec<View>,
    chunks: Vec<Chunk>,
    entries: Vec<Entry>,
    copies: Vec<Copy>,
    safe: Safe,
    deep: bool,
    short: Option<&'p ShortWays>,
    inlined: Option<(Block, u32)>,
}

impl<'p> Translator<'_, '_, 'p> {
    /// Whether the code of a function that calls or loops is put in the place of a call here.
    pub(super) fn expands(&self, callee: FunctionId) -> bool {
        let code = &self.unit.function(callee).code;
        let size = weight(code);
        let again = |instr: &&Instr| matches!(instr, Instr::Call { function, .. } if *function == callee);
        let calls = code.iter().filter(again).count();
        // As deep as there is room for all of its calls.
        let fits =
            |depth: &usize| (1..=*depth as u32).map(|depth| size * calls.pow(depth)).sum::<usize>() <= ROOM;
        let depth_max = if calls > 1 { (1..=NESTED_MAX).rev().find(fits).unwrap_or(0) } else { NESTED_MAX };
        self.nested < depth_max
            && size <= self.room
            && self.unit.is_expandable(callee)
            && !self.unit.is_plain(self.outer)
            && (code.len() <= TINY || self.is_repeated())
    }

    /// Whether what is here is done again and again in one call of the function that all of it becomes, or that function is
    /// called by itself.
    pub(super) fn is_repeated(&self) -> bool {
        self.nested > 0 || self.unit.is_recursive(self.outer) || self.analysis.looped[self.pc]
    }

    /// Puts the code of a function in the place of a call with these arguments, which may count as nested. What is handed over
    /// as fields is one value for each of them.
    pub(super) fn inline(&mut self, callee: FunctionId, given: Vec<Value>, results: &[Reg], counted: bool) {
        let function = self.unit.function(callee);
        self.room = self.room.saturating_sub(weight(&function.code));
        self.inline_code(callee, function, None, given, results, counted);
    }

    /// The short ways of a function that are put in the place of a call here.
    pub(super) fn expands_short(&self, callee: FunctionId) -> Option<&'p ShortWays> {
        let ways = self.unit.short_ways(callee)?;
        let fits = ways.weight <= self.short_room
            && self.unit.is_near(callee)
            && self.is_repeated()
            && !self.unit.is_plain(self.outer);
        fits.then_some(ways)
    }

    /// Puts the short ways of a function in the place of a call, which is left where they are.
    pub(super) fn inline_short(
        &mut self,
        callee: FunctionId,
        ways: &'p ShortWays,
        given: Vec<Value>,
        results: &[Reg],
    ) {
        self.short_room -= ways.weight;
        self.inline_code(callee, &ways.function, Some(ways), given, results, true);
    }

    fn inline_code(
        &mut self,
        callee: FunctionId,
        function: &'p Function,
        short: Option<&'p ShortWays>,
        given: Vec<Value>,
        results: &[Reg],
        counted: bool,
    ) {
        if counted && !self.deep && !self.seen.goes_deeper(self.left) {
            // It is a call all the same, and so many may be nested.
            let none_left = self.b.ins().icmp_imm_s(IntCC::Equal, self.left, 0);
            self.trap_if(none_left, What::Depth, self.left, self.left);
            self.seen.set_goes_deeper(self.left);
        }
        let left = if counted { self.b.ins().iadd_imm_s(self.left, -1) } else { self.left };
        let done = self.b.create_block();
        for (result, reg) in function.results.iter().zip(results) {
            let types = match self.replaced_result(*reg) {
                Some(web) => self.field_types(web),
                None => vec![reg_type(result)],
            };
            for ty in types {
                self.b.append_block_param(done, ty);
            }
        }
        let given_ranges = self.ranges.arguments(self.pc).to_vec();
        let handed = self.replaced.call(self.pc).cloned().unwrap_or_default();
        let replaced = match short {
            Some(_) => Replaced::default(),
            None => Replaced::of(self.unit, function, &handed, None),
        };
        let prepared = Prepared::of(&mut self.b, self.unit, function, &given_ranges, replaced, false);
        let Prepared {
            replaced,
            fields,
            regions,
            mut analysis,
            ranges,
            views,
            chunks,
            entries,
            blocks,
            copies,
        } = prepared;
        // Its slots follow those of the functions around it.
        let dead = analysis.dead.iter_mut().flat_map(|(_, slots)| slots);
        for slot in analysis.slots.iter_mut().flatten().chain(dead) {
            *slot += self.slot_count as u16;
        }
        let slots = self.slot_count..self.slot_count + analysis.slot_count;
        let around = self.around.len();
        for reg in self.alive() {
            let slot =
                self.analysis.slots[reg.index()].expect("what is alive across a collection has a slot");
            self.around.push((self.refs[reg.index()], slot));
        }
        let mut inner = Inner {
            id: callee,
            function,
            replaced,
            fields,
            scalars: function.scalars.iter().map(|kind| self.b.declare_var(scalar_type(*kind))).collect(),
            refs: function.refs.iter().map(|_| self.b.declare_var(I64)).collect(),
            blocks,
            regions,
            region_around: self.region(),
            analysis,
            pc: 0,
            from: 0,
            place: self.place,
            left,
            slot_count: slots.end,
            views,
            chunks,
            entries,
            copies,
            safe: Safe::default(),
            deep: false,
            short,
            ranges,
            inlined: Some((done, self.place)),
        };
        self.swap(&mut inner);
        let labels: Vec<Label> = function.code.iter().flat_map(|instr| Operands::of(instr).labels).collect();
        let (mut s, mut r) = (0, 0);
        let mut stored = vec![false; slots.end];
        stored[..slots.start].fill(true);
        let mut given = given.into_iter();
        let next = |given: &mut std::vec::IntoIter<Value>| given.next().expect("each parameter has a value");
        for (index, param) in function.params.iter().enumerate() {
            match param {
                RegType::Scalar(_) => {
                    self.set_scalar(S(s), next(&mut given));
                    s += 1;
                }
                RegType::Ref(_) => {
                    if let Some(web) = self.replaced_param(index) {
                        self.set_fields(web, &mut given);
                    } else {
                        self.keep_ref(R(r), next(&mut given));
                        if let Some(slot) = self.analysis.slots[usize::from(r)] {
                            stored[usize::from(slot)] = true;
                        }
                    }
                    r += 1;
                }
            }
        }
        self.zero_slots(&stored);
        let seen = self.seen.clone();
        if labels.contains(&Label(0)) {
            self.enter_loops(None, 0);
            self.enter_block(None, 0);
        } else {
            // It begins here, with what was seen.
            self.blocks[0] = None;
        }
        self.nested += 1;
        self.code(0..function.code.len());
        self.begin_loops();
        self.translate_copies();
        self.seal_blocks();
        self.nested -= 1;
        self.around.truncate(around);
        self.swap(&mut inner);
        // All of what was seen before holds behind it, but for what it stores; a call in it may change more.
        if self.analysis.alive[self.pc].is_some() {
            self.seen.clear_but_compared(seen);
        } else if !labels.is_empty() {
            self.seen = seen;
            self.seen.forget_stored();
        }
        self.go_to(done);
        self.b.set_srcloc(SourceLoc::new(self.place));
        let mut values = self.b.block_params(done).to_vec().into_iter();
        for result in results {
            if let Some(web) = self.replaced_result(*result) {
                self.set_fields(web, &mut values);
                continue;
            }
            let value = values.next().expect("there is a value for each result");
            match *result {
                Reg::S(reg) => self.set_scalar(reg, value),
                Reg::R(reg) => self.set_ref(reg, value),
            }
        }
    }

    /// Whether a return here is where the short ways of a function are left.
    pub(super) fn leaves_short(&self) -> bool {
        self.short.is_some_and(|ways| ways.left_at.contains(&self.pc))
    }

    fn swap(&mut self, inner: &mut Inner<'p>) {
        use std::mem::swap;
        swap(&mut self.id, &mut inner.id);
        swap(&mut self.function, &mut inner.function);
        swap(&mut self.replaced, &mut inner.replaced);
        swap(&mut self.fields, &mut inner.fields);
        swap(&mut self.regions, &mut inner.regions);
        swap(&mut self.region_around, &mut inner.region_around);
        swap(&mut self.analysis, &mut inner.analysis);
        swap(&mut self.ranges, &mut inner.ranges);
        swap(&mut self.scalars, &mut inner.scalars);
        swap(&mut self.refs, &mut inner.refs);
        swap(&mut self.blocks, &mut inner.blocks);
        swap(&mut self.pc, &mut inner.pc);
        swap(&mut self.from, &mut inner.from);
        swap(&mut self.place, &mut inner.place);
        swap(&mut self.left, &mut inner.left);
        swap(&mut self.slot_count, &mut inner.slot_count);
        swap(&mut self.views, &mut inner.views);
        swap(&mut self.chunks, &mut inner.chunks);
        swap(&mut self.entries, &mut inner.entries);
        swap(&mut self.copies, &mut inner.copies);
        swap(&mut self.safe, &mut inner.safe);
        swap(&mut self.deep, &mut inner.deep);
        swap(&mut self.short, &mut inner.short);
        swap(&mut self.inlined, &mut inner.inlined);
    }
}
