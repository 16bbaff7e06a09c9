//! The state of one task that its fibers share: heap, roots, resources, limits.
//!
//! It moves into a fiber's coroutine when that is resumed and out when it suspends, so only one fiber ever
//! holds it, and a suspended fiber holds none of it.

use std::any::Any;
use std::rc::{Rc, Weak};
use std::sync::Arc;

#[cfg(debug_assertions)]
use crate::code::M;
use crate::collector::Collector;
use crate::fiber::Exit;
use crate::heap::{Heap, Ref, low};
use crate::map::{Ahead, Memo};
use crate::native::Trapped;
use crate::output::Printed;
use crate::program::{Element, FieldInfo, Object, Program};
use crate::stack::{Activation, ENTRY, Stack};
use crate::task::{Host, Shared};
use crate::value::Handle;
use dscript_bytecode::capability::Capability;
use dscript_bytecode::ids::TypeId;
use dscript_bytecode::image::Type;
use dscript_bytecode::trap::TrapKind;

/// Backward jumps and calls of one turn; allocation and collection count too.
pub(crate) const TURN: i64 = 20_000;

/// Work one comparison or hash may do beyond what the heap could hold once: a value that shares parts of
/// itself can be endless to walk.
const STEPS_FREE: u64 = 16 << 20;

/// Heap, types and fibers of one task.
pub struct Vm {
    pub(crate) program: Arc<Program>,
    pub(crate) heap: Heap,
    /// Of the running fiber.
    pub(crate) stack: Stack,
    /// Of the others, by fiber.
    pub(crate) parked: Vec<Option<Box<Stack>>>,
    pub(crate) fiber: usize,
    /// `Running` of that fiber, while handlers run.
    pub(crate) running: *mut (),
    /// Why handlers have left.
    pub(crate) exit: Option<Exit>,
    /// The registers of the next handler, in builds where handlers return.
    #[cfg(debug_assertions)]
    pub(crate) machine: M,
    pub(crate) fuel: i64,
    /// What is left of the turn when `fuel` is used up.
    pub(crate) turn_left: i64,
    /// Of the trap that ends the running fiber, where native frames it went through are gone.
    pub(crate) trace: Option<crate::start::Trace>,
    pub(crate) constants: Vec<Ref>,
    pub(crate) statics: Vec<StaticSlot>,
    /// Results of the entry frame that returned last; to be read before anything allocates.
    pub(crate) returned: Cell,
    /// Of maps and sets; gone with every collection.
    pub(crate) memo: Memo,
    /// Of maps and sets of texts.
    pub(crate) ahead: Ahead,
    /// Where the pieces of a text lie while it is cut, to be used again.
    pub(crate) pieces: Vec<(u32, u32)>,
    pub(crate) resources: Vec<Option<Handle>>,
    pub(crate) next_region: u64,
    pub(crate) printed: Printed,
    pub(crate) frames_max: usize,
    pub(crate) capabilities: Vec<Capability>,
    pub(crate) host: Rc<dyn Host>,
    pub(crate) data: Rc<dyn Any>,
    pub(crate) allow: Box<dyn Fn(&str) -> bool>,
    pub(crate) shared: Weak<Shared>,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct StaticSlot {
    pub state: StaticState,
    pub value: Cell,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, u32)]
pub(crate) enum StaticState {
    #[default]
    Unset = 0,
    /// By this fiber.
    Running(usize) = 1,
    Set = 2,
}

impl StaticSlot {
    /// Its size; where state, scalars and references lie; the state that is set.
    pub const LAYOUT: [usize; 5] = {
        let value = std::mem::offset_of!(StaticSlot, value);
        [
            size_of::<StaticSlot>(),
            std::mem::offset_of!(StaticSlot, state),
            value + std::mem::offset_of!(Cell, s),
            value + std::mem::offset_of!(Cell, r),
            2,
        ]
    };
}

/// The registers of one value outside a frame. No value has more than two in either bank.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Cell {
    pub s: [u64; 2],
    pub r: [Ref; 2],
}

impl Cell {
    pub fn scalar(bits: u64) -> Self {
        Cell { s: [bits, 0], r: [0; 2] }
    }

    pub fn reference(object: Ref) -> Self {
        Cell { s: [0; 2], r: [object, 0] }
    }
}

/// A value with `T?` and `T!` taken off.
pub(crate) enum Peeled {
    Null,
    Error(Ref),
    Value(TypeId, Cell),
}

/// See `Vm::is_late`.
pub(crate) struct Lateness {
    host: Rc<dyn Host>,
    shared: Weak<Shared>,
    fiber: usize,
    deadline: Option<i64>,
}

impl Lateness {
    pub fn is_late(&self) -> bool {
        self.shared.upgrade().is_none_or(|shared| shared.is_cancelled(self.fiber))
            || self.deadline.is_some_and(|deadline| deadline <= self.host.monotonic())
    }
}

pub(crate) fn trapped(kind: TrapKind, text: impl Into<String>) -> Trapped {
    Trapped { kind, text: text.into() }
}

impl Vm {
    /// Where the stack of a fiber lies while it does not run.
    pub(crate) fn slot(&mut self, fiber: usize) -> &mut Option<Box<Stack>> {
        if fiber >= self.parked.len() {
            self.parked.resize_with(fiber + 1, || None);
        }
        &mut self.parked[fiber]
    }

    pub(crate) fn begin_turn(&mut self) {
        let slice = self.slice();
        (self.fuel, self.turn_left) = (slice, TURN - slice);
        self.heap.begin_turn();
    }

    /// Begins the next turn at once, where nobody waits for one.
    pub(crate) fn turn_again(&mut self) -> bool {
        let alone = self.shared.upgrade().is_some_and(|shared| shared.has_one_fiber());
        if alone && self.host.may_go_on() {
            self.begin_turn();
            return true;
        }
        false
    }

    /// Part of a turn after which an engine is told where the program is.
    fn slice(&self) -> i64 {
        self.program.engine().and_then(|engine| engine.samples()).map_or(TURN, |every| every.clamp(1, TURN))
    }

    /// Goes on with the next part of the turn; false where it is used up, as it is by work that took more than was left of it.
    pub(crate) fn next_slice(&mut self) -> bool {
        let left = (self.turn_left + (self.fuel + 1).min(0)).max(0);
        let slice = left.min(self.slice());
        (self.fuel, self.turn_left) = (slice, left - slice);
        slice > 0
    }

    /// Ends a part of the turn; what is left of it goes back to the turn.
    pub(crate) fn end_slice(&mut self) {
        (self.fuel, self.turn_left) = (0, self.turn_left + self.fuel);
    }

    /// Whatever is left, one jump or call more is done before the next interruption: what was interrupted and is tried
    /// again always gets on.
    pub(crate) fn grant_one(&mut self) {
        let missing = (1 - self.fuel).max(0);
        (self.fuel, self.turn_left) = (self.fuel + missing, self.turn_left - missing);
    }

    /// Makes room for `words`, collecting where there is none: every reference outside the roots is stale then.
    #[inline]
    pub(crate) fn reserve(&mut self, words: usize) -> Result<(), Trapped> {
        self.fuel -= (words / 16) as i64;
        if self.heap.has_room(words) {
            return Ok(());
        }
        self.collect(words)
    }

    /// As `reserve`, with references the caller still needs.
    pub(crate) fn reserve_with<const N: usize>(
        &mut self,
        words: usize,
        keep: [Ref; N],
    ) -> Result<[Ref; N], Trapped> {
        self.fuel -= (words / 16) as i64;
        if self.heap.has_room(words) {
            return Ok(keep);
        }
        let at = self.stack.temps.len();
        self.stack.temps.extend(keep);
        let result = self.collect(words);
        let mut moved = keep;
        moved.copy_from_slice(&self.stack.temps[at..]);
        self.stack.temps.truncate(at);
        result.map(|()| moved)
    }

    #[cold]
    fn collect(&mut self, words: usize) -> Result<(), Trapped> {
        if words as u64 > self.heap.limit_bytes() / 8 {
            return Err(self.out_of_memory());
        }
        if self.heap.find_room(words) {
            return Ok(());
        }
        self.memo = Memo::default();
        // Under stress every other collection is a full one.
        let odd = self.heap.stress && self.heap.collections % 2 == 1;
        if self.heap.can_collect_young() && !odd && self.collect_young(words) {
            return Ok(());
        }
        self.collect_all(words)
    }

    /// Moves the survivors of the nursery; false where there is still no room.
    fn collect_young(&mut self, words: usize) -> bool {
        self.heap.walks.keep_below(self.heap.young);
        self.ahead.keep_below(self.heap.young);
        let mut collector = self.heap.begin_young();
        let program = Arc::clone(&self.program);
        let shapes = &program.shapes[..];
        self.heap.forward_remembered(&mut collector, shapes);
        let before = collector.moved_words();
        self.forward_roots(&mut collector);
        collector.scan(shapes);
        self.fuel -= ((collector.moved_words() - before) / 64) as i64;
        let (dead, fits) = self.heap.finish_young(&collector, words);
        for row in dead {
            self.release(row as usize);
        }
        fits
    }

    /// Collects everything, for the sake of what objects hold outside.
    pub(crate) fn collect_now(&mut self) {
        self.memo = Memo::default();
        // It asks for no room, so there is no limit to pass.
        let _ = self.collect_all(0);
    }

    fn collect_all(&mut self, words: usize) -> Result<(), Trapped> {
        self.heap.walks.keep_below(0);
        self.ahead.keep_below(0);
        let (mut collector, buffer) = self.heap.begin_full(words);
        let program = Arc::clone(&self.program);
        self.forward_roots(&mut collector);
        collector.scan(&program.shapes);
        collector.move_bytes(&program.shapes);
        if !self.resources.is_empty() {
            let mut reached = vec![false; self.resources.len()];
            for row in &collector.handles {
                reached[*row as usize] = true;
            }
            for (row, reached) in reached.into_iter().enumerate() {
                if !reached {
                    self.release(row);
                }
            }
        }
        let fits = self.heap.finish_full(&collector, buffer, words);
        self.fuel -= (self.heap.used() / 64) as i64;
        if fits { Ok(()) } else { Err(self.out_of_memory()) }
    }

    fn forward_roots(&mut self, collector: &mut Collector) {
        let program = Arc::clone(&self.program);
        let shapes = &program.shapes[..];
        for stack in self.parked.iter_mut().flatten().map(|s| &mut **s).chain([&mut self.stack]) {
            forget_dead(stack, &program);
            let top = stack.refs_top();
            for root in stack.refs[..top].iter_mut().chain(&mut stack.temps) {
                collector.forward(shapes, root);
            }
        }
        let statics = self.statics.iter_mut().flat_map(|s| &mut s.value.r);
        for root in self.constants.iter_mut().chain(statics) {
            collector.forward(shapes, root);
        }
    }

    /// Lets go of a resource that the program cannot reach, unless it is still at work.
    fn release(&mut self, row: usize) {
        if self.resources[row].as_ref().is_some_and(|r| r.is_idle()) {
            self.resources[row] = None;
        }
    }

    pub(crate) fn out_of_memory(&self) -> Trapped {
        trapped(TrapKind::Memory, format!("more than {} are in use", size_text(self.heap.limit_bytes())))
    }

    /// Whether something of this size can be at all; asked before it is built outside the heap.
    pub(crate) fn check_size(&self, bytes: usize) -> Result<(), Trapped> {
        if bytes as u64 > self.heap.limit_bytes().min(u64::from(u32::MAX)) {
            return Err(self.out_of_memory());
        }
        Ok(())
    }

    /// Whether the heap has room for so many bytes that are made outside of it and are to become a part of it: what is made is
    /// of no use else, and must not be much more than the task may have. Garbage counts.
    pub(crate) fn has_room_beside(&self, bytes: usize) -> bool {
        (bytes + self.heap.room.beside() + 8 * self.heap.used()) as u64 <= self.heap.limit_bytes()
    }

    /// How many pieces a list of texts may have: with more of them it has no room, however short they are.
    pub(crate) fn pieces_max(&self) -> usize {
        let least = 8 * crate::text::piece_words(0) + std::mem::size_of::<Ref>();
        self.heap.limit_bytes() as usize / least
    }

    /// The steps that one walk over a value may take: one for each byte in use, and some for what is met again and again.
    pub(crate) fn steps(&self) -> u64 {
        STEPS_FREE + 8 * self.heap.used() as u64
    }

    /// Whether the running fiber is to stop, or is in a `within` past its limit: long work then ends with a trap `timeout`,
    /// in the place of which that comes.
    pub(crate) fn is_late(&self) -> bool {
        self.lateness().is_late()
    }

    /// What tells whether it is late by then, for who holds something of the heap meanwhile.
    pub(crate) fn lateness(&self) -> Lateness {
        let deadline = self.stack.limits.iter().map(|limit| limit.deadline).min();
        Lateness {
            host: Rc::clone(&self.host),
            shared: Weak::clone(&self.shared),
            fiber: self.fiber,
            deadline,
        }
    }

    /// The outermost limit that was past before now.
    pub(crate) fn limit_over(&self) -> Option<usize> {
        let now = self.host.monotonic();
        self.stack.limits.iter().position(|limit| limit.deadline < now)
    }

    pub(crate) fn new_string(&mut self, text: &str) -> Result<Ref, Trapped> {
        self.check_size(text.len())?;
        self.reserve(crate::heap::string_words(text.len()))?;
        Ok(self.heap.string(text))
    }

    pub(crate) fn new_bytes(&mut self, bytes: &[u8]) -> Result<Ref, Trapped> {
        self.check_size(bytes.len())?;
        self.reserve(crate::heap::bytes_words(bytes.len()))?;
        Ok(self.heap.bytes(bytes))
    }

    /// Room was reserved.
    pub(crate) fn new_handle(&mut self, ty: TypeId, handle: Handle) -> Ref {
        let row = match self.resources.iter().position(Option::is_none) {
            Some(row) => {
                self.resources[row] = Some(handle);
                row
            }
            None => {
                self.resources.push(Some(handle));
                self.resources.len() - 1
            }
        };
        self.heap.new_handle(ty.0, row)
    }

    pub(crate) fn handle(&self, object: Ref) -> Handle {
        let row = self.heap.word(object, 1) as usize;
        Rc::clone(self.resources[row].as_ref().expect("a resource stays while its handle is reached"))
    }

    // ---- values in objects ----

    pub(crate) fn field(&self, object: Ref, of: &Object, field: &FieldInfo) -> Cell {
        let info = self.program.info(field.ty);
        let mut cell = Cell::default();
        for i in 0..usize::from(info.scalars) {
            cell.s[i] = self.heap.word(object, 1 + usize::from(field.scalar) + i);
        }
        let first = 1 + usize::from(of.scalars);
        for i in 0..usize::from(info.refs) {
            cell.r[i] = self.heap.ref_at(object, first, usize::from(field.reference) + i);
        }
        cell
    }

    pub(crate) fn set_field(&mut self, object: Ref, of: &Object, field: &FieldInfo, cell: Cell) {
        let (scalars, refs) = {
            let info = self.program.info(field.ty);
            (usize::from(info.scalars), usize::from(info.refs))
        };
        for i in 0..scalars {
            self.heap.set_word(object, 1 + usize::from(field.scalar) + i, cell.s[i]);
        }
        let first = 1 + usize::from(of.scalars);
        for i in 0..refs {
            self.heap.set_ref_at(object, first, usize::from(field.reference) + i, cell.r[i]);
        }
    }

    /// The value of type `ty` that a collection holds as `element`, a scalar's bits or a reference.
    pub(crate) fn unboxed(&self, ty: TypeId, element: u64) -> Cell {
        match self.program.info(ty).element {
            Element::None | Element::Scalar | Element::Bool => Cell::scalar(element),
            Element::Ref => Cell::reference(low(element)),
            Element::Boxed => {
                let object = self.program.object(ty);
                self.field(low(element), object, &object.fields[0])
            }
        }
    }

    /// An element of a backing array.
    #[inline]
    pub(crate) fn array_get(&self, element: Element, array: Ref, index: usize) -> u64 {
        match element {
            Element::Bool => self.heap.bool_at(array, index).into(),
            Element::Scalar | Element::None => self.heap.word(array, 1 + index),
            Element::Ref | Element::Boxed => u64::from(self.heap.ref_at(array, 1, index)),
        }
    }

    pub(crate) fn peel(&self, mut ty: TypeId, mut cell: Cell) -> Peeled {
        loop {
            match *self.program.ty(ty) {
                Type::Nullable(inner) => {
                    let is_null = if self.program.info(inner).scalars > 0 {
                        let flag = cell.s[0];
                        cell.s = [cell.s[1], 0];
                        flag == 0
                    } else {
                        cell.r[0] == 0
                    };
                    if is_null {
                        return Peeled::Null;
                    }
                    ty = inner;
                }
                Type::Fallible(inner) => {
                    let error = cell.r[usize::from(self.program.info(inner).refs)];
                    if error != 0 {
                        return Peeled::Error(error);
                    }
                    ty = inner;
                }
                _ => return Peeled::Value(ty, cell),
            }
        }
    }
}

/// A size as programs write it: `256MiB`.
pub(crate) fn size_text(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(shift, _)| bytes >> shift << shift == bytes && bytes > 0) {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => format!("{bytes} bytes"),
    }
}

/// Empties the registers that the interpreter's frames write before they read them again, so that what they held is reached
/// through them no more. Windows of native frames are left as they are, those they lend too.
fn forget_dead(stack: &mut Stack, program: &Program) {
    let mut activations = stack.activations.iter().peekable();
    let mut last = (std::ptr::null(), 0);
    for (index, rows) in stack.frames.windows(2).enumerate() {
        let (frame, above) = (&rows[0], &rows[1]);
        let native =
            |entry: &&Activation| (entry.frame..=entry.frame + usize::from(entry.lent)).contains(&index);
        activations.next_if(|entry| entry.frame + usize::from(entry.lent) < index);
        if above.special & ENTRY != 0 || activations.peek().is_some_and(native) {
            continue;
        }
        if frame.ip != last.0 {
            last = (frame.ip, program.code(frame.function).dead_before(frame.ip));
        }
        let mut dead = last.1;
        while dead != 0 {
            stack.refs[frame.base.refs() + dead.trailing_zeros() as usize] = 0;
            dead &= dead - 1;
        }
    }
}
