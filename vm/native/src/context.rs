//! What native code has at hand: the context that the pinned register points to, and the functions it calls out to.
//!
//! One context for each entry from the interpreter, on the stack of the fiber. Before native code calls out it
//! stores its frame, place, window and counters here; afterwards it takes the counter of interruptions anew, which
//! is below zero when its frame must return at once: `exit` says why. Between two calls out that counter is never
//! below zero, so it is also what every call returns first.

mod direct;

use std::any::Any;
use std::mem::offset_of;
use std::panic::{AssertUnwindSafe, catch_unwind};

use dscript_bytecode::ids::ConstId;
use dscript_bytecode::image::Constant;
use dscript_bytecode::trap::TrapKind;
use dscript_interp::arithmetic::Operation;
use dscript_interp::door::{CallOut, Exit, Lend, Running, Windows};
use dscript_interp::native::Trapped;

use crate::code::{Code, Lent};
use crate::unit::Place;

/// What a stub hands on to its helper, besides the context.
pub(crate) const ARGS_MAX: usize = 3;
/// Scalars that one instruction may lend or get back.
pub(crate) const VALUES_MAX: usize = 64;

#[repr(C)]
pub(crate) struct Context {
    /// The heap's words.
    heap: *mut u64,
    /// In words.
    top: usize,
    end: usize,
    /// Where the nursery begins.
    young: usize,
    /// Calls that may still be nested in the frame that calls out.
    left: i64,
    fuel: i64,
    /// Its window.
    refs: *mut u32,
    frame: usize,
    /// Where the call out returns to, which says where it is.
    returns_to: usize,
    constants: *const u32,
    statics: *const u8,
    /// Code by function, 0 where there is none.
    entries: *const usize,
    /// `Code::dispatch`.
    dispatch: *const u32,
    helpers: *const Helper,
    args: [u64; ARGS_MAX],
    values: [u64; VALUES_MAX],

    place: u32,
    running: *mut (),
    code: *const Code,
    bank: *mut u32,
    exit: Option<Exit>,
    panic: Option<Box<dyn Any + Send>>,
}

/// Offsets in `Context`, for the code that is generated.
pub(crate) mod at {
    use super::{Context, offset_of};
    pub const HEAP: i32 = offset_of!(Context, heap) as i32;
    pub const TOP: i32 = offset_of!(Context, top) as i32;
    pub const END: i32 = offset_of!(Context, end) as i32;
    pub const YOUNG: i32 = offset_of!(Context, young) as i32;
    pub const LEFT: i32 = offset_of!(Context, left) as i32;
    pub const FUEL: i32 = offset_of!(Context, fuel) as i32;
    pub const REFS: i32 = offset_of!(Context, refs) as i32;
    pub const FRAME: i32 = offset_of!(Context, frame) as i32;
    pub const RETURNS_TO: i32 = offset_of!(Context, returns_to) as i32;
    pub const CONSTANTS: i32 = offset_of!(Context, constants) as i32;
    pub const STATICS: i32 = offset_of!(Context, statics) as i32;
    pub const ENTRIES: i32 = offset_of!(Context, entries) as i32;
    pub const DISPATCH: i32 = offset_of!(Context, dispatch) as i32;
    pub const HELPERS: i32 = offset_of!(Context, helpers) as i32;
    pub const ARGS: i32 = offset_of!(Context, args) as i32;
    pub const VALUES: i32 = offset_of!(Context, values) as i32;
    /// What code that is kept depends on.
    pub const ALL: [i32; 17] = [
        HEAP,
        TOP,
        END,
        YOUNG,
        LEFT,
        FUEL,
        REFS,
        FRAME,
        RETURNS_TO,
        CONSTANTS,
        STATICS,
        ENTRIES,
        DISPATCH,
        HELPERS,
        ARGS,
        VALUES,
        super::VALUES_MAX as i32,
    ];
}

/// An address of one of the functions below.
pub(crate) type Helper = *const ();

/// The table that `Context::helpers` points to, by the numbers in `helper`.
struct Helpers([Helper; helper::PARAMS.len()]);

// SAFETY: addresses of functions.
unsafe impl Sync for Helpers {}

static HELPERS: Helpers = Helpers([
    interrupt as *const (),
    reserve as *const (),
    execute as *const (),
    trap as *const (),
    entered as *const (),
    direct::remainder as *const (),
    remember as *const (),
    execute as *const (),
    direct::map_get as *const (),
    direct::map_has as *const (),
    direct::map_put as *const (),
    direct::same_text as *const (),
    direct::char_at as *const (),
    direct::map_next as *const (),
    direct::map_key_at as *const (),
    direct::map_value_at as *const (),
    direct::pair_place as *const (),
    direct::pair_put as *const (),
    direct::compare_text as *const (),
    direct::starts_with as *const (),
    direct::ends_with as *const (),
    direct::contains as *const (),
    direct::parse_int as *const (),
    direct::remove_at as *const (),
    direct::floor as *const (),
    direct::ceil as *const (),
    direct::rint as *const (),
    direct::exp as *const (),
    direct::log as *const (),
    direct::sin as *const (),
    direct::cos as *const (),
    direct::tan as *const (),
    direct::pow as *const (),
    direct::atan2 as *const (),
    direct::enter_region as *const (),
    direct::end_region as *const (),
    direct::leave_region as *const (),
    direct::regions_open as *const (),
    direct::drop_regions as *const (),
    direct::text_of_int as *const (),
    direct::concat as *const (),
    direct::same_objects as *const (),
    direct::grow_list as *const (),
    direct::is_letter as *const (),
    direct::is_whitespace as *const (),
    direct::is_upper as *const (),
    direct::is_lower as *const (),
    direct::to_upper as *const (),
    direct::to_lower as *const (),
    direct::text_of_code as *const (),
    direct::slice as *const (),
    direct::trim as *const (),
    direct::map_remove as *const (),
]);

/// Places in the table of helpers.
pub(crate) mod helper {
    /// (context): the counter of interruptions is below zero.
    pub const INTERRUPT: usize = 0;
    /// (context, words): makes room in the heap.
    pub const RESERVE: usize = 1;
    /// (context, site): the interpreter does the instruction.
    pub const EXECUTE: usize = 2;
    /// (context, what with its place, a, b): a trap of the frame.
    pub const TRAP: usize = 3;
    /// (context): the frame must not be there, so many calls are nested, or the counter of interruptions is below zero.
    pub const ENTERED: usize = 4;
    /// (a, b): `a % b` of doubles. Calls nothing.
    pub const REMAINDER: usize = 5;
    /// (context, slot): an old object has got a reference to a young one. Collects nothing.
    pub const REMEMBER: usize = 6;
    /// As `EXECUTE`. Its stub takes counter, window, calls that are left and site as functions in Rust take them, and gives
    /// the counter and where the heap is.
    pub const EXECUTE_OFTEN: usize = 7;
    /// (context, map, key): whether it is there; its value is the first of the context's values.
    pub const MAP_GET: usize = 8;
    /// (context, map, key): whether it is there.
    pub const MAP_HAS: usize = 9;
    /// (context, map, key, value): whether the key is new, or -1 where nothing was done.
    pub const MAP_PUT: usize = 10;
    /// (context, a, b): whether two Strings are equal.
    pub const SAME_TEXT: usize = 11;
    /// (context, text, index): a code point, or -1; what looking for it costs is the first of the context's values.
    pub const CHAR_AT: usize = 12;
    /// (context, map, entry): the number of the entry after it, or -1.
    pub const MAP_NEXT: usize = 13;
    /// (context, map, entry): whether there is one with this number; its key is the first of the context's values.
    pub const MAP_KEY_AT: usize = 14;
    /// (context, map, entry): the same of its value.
    pub const MAP_VALUE_AT: usize = 15;
    /// (context, map, key), of a map of words to words: where the value of the key lies, or 0, and the first of the context's
    /// values is 0 too.
    pub const PAIR_PLACE: usize = 16;
    /// As `MAP_PUT`, of such a map.
    pub const PAIR_PUT: usize = 17;
    /// (context, a, b): below, at or above 0 as a String sorts before, with or after another.
    pub const COMPARE_TEXT: usize = 18;
    /// (context, text, part): whether the text begins with it.
    pub const STARTS_WITH: usize = 19;
    /// (context, text, part): whether the text ends with it.
    pub const ENDS_WITH: usize = 20;
    /// (context, text, part): whether it is in the text, or -1 where nothing was done.
    pub const CONTAINS: usize = 21;
    /// (context, text, radix): whether the text was read; the int is the first of the context's values.
    pub const PARSE_INT: usize = 22;
    /// (context, list, index): whether the element was taken out; it is the first of the context's values.
    pub const REMOVE_AT: usize = 23;
    /// The first of the functions of doubles, in the order of `OF_DOUBLES`. They call nothing.
    pub const DOUBLES: usize = 24;
    /// Their natives.
    pub const OF_DOUBLES: [&str; 10] = [
        "Math.floor",
        "Math.ceil",
        "Math.rint",
        "Math.exp",
        "Math.log",
        "Math.sin",
        "Math.cos",
        "Math.tan",
        "Math.pow",
        "Math.atan2",
    ];
    /// (context, limit, label): begins a region; its place among those that are open, or -1 where its time is up.
    pub const ENTER_REGION: usize = DOUBLES + OF_DOUBLES.len();
    /// (context): ends the innermost region; below 0 where the frame is left instead.
    pub const END_REGION: usize = ENTER_REGION + 1;
    /// (context, place): the counter of interruptions where the frame was left for this region's time being up, so that
    /// it goes on there; else -1.
    pub const LEAVE_REGION: usize = ENTER_REGION + 2;
    /// (context): how many regions are open.
    pub const REGIONS_OPEN: usize = ENTER_REGION + 3;
    /// (context, place): those from this place on are no longer open; none where it is -1. Gives nothing.
    pub const DROP_REGIONS: usize = ENTER_REGION + 4;
    /// (context, int): its text, or 0 where there is no room.
    pub const TEXT_OF_INT: usize = ENTER_REGION + 5;
    /// (context, count): so many Strings, which are the context's values, as one, or 0 where there is no room.
    pub const CONCAT: usize = ENTER_REGION + 6;
    /// (context, a, b): whether two records are equal, or -1 where nothing was done.
    pub const SAME_OBJECTS: usize = ENTER_REGION + 7;
    /// (context, list): the array of the list with room for one more element, or 0 where nothing was done.
    pub const GROW_LIST: usize = ENTER_REGION + 8;
    /// The first of the functions of ints, in the order of `OF_INTS`. They call nothing.
    pub const INTS: usize = ENTER_REGION + 9;
    /// Their natives.
    pub const OF_INTS: [&str; 6] = [
        "Character.isLetter",
        "Character.isWhitespace",
        "Character.isUpper",
        "Character.isLower",
        "Character.toUpper",
        "Character.toLower",
    ];
    /// (context, code point): its text, or 0 where nothing was done.
    pub const TEXT_OF_CODE: usize = INTS + OF_INTS.len();
    /// (context, text, from, to): the part of it between these, or 0 where nothing was done.
    pub const SLICE: usize = TEXT_OF_CODE + 1;
    /// (context, text): the text without the space around it, or 0 where nothing was done.
    pub const TRIM: usize = TEXT_OF_CODE + 2;
    /// (context, map, key): whether it was there and is taken out; its value is the first of the context's values.
    pub const MAP_REMOVE: usize = TEXT_OF_CODE + 3;
    /// What they take, the context included; 0 for what takes no context.
    pub const PARAMS: [usize; MAP_REMOVE + 1] = [
        1, 2, 2, 4, 1, 0, 2, 2, 3, 3, 4, 3, 3, 3, 3, 3, 3, 4, 3, 3, 3, 3, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        3, 1, 2, 1, 2, 2, 2, 3, 2, 0, 0, 0, 0, 0, 0, 2, 4, 2, 3,
    ];

    /// Whether they are called as functions in Rust are, and give an int: they neither collect nor end the frame.
    pub fn is_direct(which: usize) -> bool {
        which == REMAINDER || which >= MAP_GET && !answers(which)
    }

    /// Whether they give an int as those do, but are asked in rare ways: their stubs leave it where the arguments begin, so
    /// that the usual way has its registers to itself.
    pub fn answers(which: usize) -> bool {
        matches!(which, CHAR_AT | REMOVE_AT | GROW_LIST)
    }

    /// Whether they need to know where the frame is that calls.
    pub fn sees_frame(which: usize) -> bool {
        !is_direct(which) && !answers(which) && which != REMEMBER
    }

    /// Whether they need the frame's window and counters, and may change them.
    pub fn takes_state(which: usize) -> bool {
        sees_frame(which) && which != TRAP
    }

    /// Where these lie in the context then: the counter of interruptions, the window and the calls that are left.
    pub const STATE: [i32; 3] = [super::at::FUEL, super::at::REFS, super::at::LEFT];
}

/// What native code traps for, with up to two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum What {
    /// Of the sum as it wraps and its second operand: the first is known from both, and so not kept.
    Sum,
    /// The same of the sum and its first operand.
    SumOf,
    /// The same of a difference and its second operand.
    Difference,
    Mul,
    Div,
    Neg,
    DivZero,
    RemZero,
    Shift,
    Cast,
    Index,
    Null,
    Narrow,
    Changed,
    /// A kind, and a constant.
    Constant,
    /// A kind, and a String.
    Text,
    Abs,
    /// A call, where no more may be nested.
    Depth,
}

impl What {
    const ALL: [What; 18] = [
        What::Sum,
        What::SumOf,
        What::Difference,
        What::Mul,
        What::Div,
        What::Neg,
        What::DivZero,
        What::RemZero,
        What::Shift,
        What::Cast,
        What::Index,
        What::Null,
        What::Narrow,
        What::Changed,
        What::Constant,
        What::Text,
        What::Abs,
        What::Depth,
    ];
    const BITS: u32 = 8;

    /// Whether the report tells its operands.
    pub fn tells(self) -> bool {
        !matches!(self, What::Null | What::Narrow | What::Changed | What::Depth)
    }

    /// As the helper takes it.
    pub fn at(self, place: u32) -> i64 {
        i64::from(place) << Self::BITS | self as i64
    }

    fn and_place(from: u64) -> (What, u32) {
        let what = from & ((1 << Self::BITS) - 1);
        (Self::ALL[what as usize], (from >> Self::BITS) as u32)
    }
}

impl Context {
    pub fn new(code: &Code, running: &mut Running<'_>, windows: Windows, left: i64) -> Context {
        let state = running.state();
        Context {
            heap: state.heap,
            top: state.top,
            end: state.end,
            young: state.young,
            // The frame that is entered takes one off each, and yet it is there already, and its call was counted.
            left: left + 1,
            fuel: state.fuel.max(0) + 1,
            refs: windows.refs,
            frame: 0,
            returns_to: 0,
            constants: state.constants,
            statics: state.statics,
            entries: code.entries(),
            dispatch: code.dispatch(),
            helpers: HELPERS.0.as_ptr(),
            args: [0; ARGS_MAX],
            values: [0; VALUES_MAX],
            place: 0,
            running: std::ptr::from_mut(running).cast(),
            code,
            bank: windows.bank,
            exit: None,
            panic: None,
        }
    }

    pub fn heap_top(&self) -> usize {
        self.top
    }

    /// Why the frames of native code returned before their end.
    pub fn take_exit(&mut self) -> Exit {
        if let Some(panic) = self.panic.take() {
            std::panic::resume_unwind(panic);
        }
        self.exit.take().expect("who ends native frames says why")
    }

    /// # Safety
    /// The context is that of native code that is calling out, so that the fiber is the running one and nothing
    /// else holds a reference to it.
    unsafe fn running(&mut self) -> &'static mut Running<'static> {
        // SAFETY: it outlives the activation; the lifetimes are those of `enter`, which waits for it.
        unsafe { &mut *self.running.cast() }
    }

    /// Looks up where the native frame is that calls out.
    unsafe fn find_place(&mut self) {
        // SAFETY: `code` lives as long as any frame in it.
        let code = unsafe { &*self.code };
        self.place = code.find_place(self.returns_to).expect("native code calls out");
    }

    /// Brings the fiber up to date with the native frame, which is at `place`.
    unsafe fn call_out(&mut self) -> &'static mut Running<'static> {
        // SAFETY: `code` lives as long as any frame in it, and the caller is calling out.
        unsafe {
            let slots = (*self.code).slots_at(self.place);
            self.call_out_with(slots)
        }
    }

    /// As `call_out`, of a frame whose window has so many slots.
    #[inline]
    unsafe fn call_out_with(&mut self, slots: usize) -> &'static mut Running<'static> {
        let refs = (self.refs as usize - self.bank as usize) / size_of::<u32>();
        let at = CallOut {
            top: self.top,
            fuel: self.fuel,
            refs,
            slots,
            native_frame: self.frame,
            place: self.place,
        };
        // SAFETY: the generated code keeps `top` below `end` or asked `reserve`, and has written every slot of
        // every window that is open.
        unsafe {
            let running = self.running();
            running.call_out(at);
            running
        }
    }

    /// Takes over what the call out has changed; native code goes on or, with an exit, returns.
    #[inline]
    fn come_back(&mut self, running: &mut Running<'_>, done: Result<(), Box<Exit>>) {
        let state = running.state();
        (self.heap, self.top, self.end, self.young) = (state.heap, state.top, state.end, state.young);
        (self.constants, self.statics) = (state.constants, state.statics);
        self.fuel = match done {
            // What the counter is below zero is of no use to the next check.
            Ok(()) => state.fuel.max(0),
            Err(exit) => {
                self.exit = Some(*exit);
                -1
            }
        };
    }

    /// Runs a helper; a panic in it ends the native frames and goes on where they were entered.
    fn guarded(&mut self, body: impl FnOnce(&mut Context) -> Result<(), Box<Exit>>) {
        match catch_unwind(AssertUnwindSafe(|| body(self))) {
            Ok(done) => {
                // SAFETY: the body has ended, and with it what it had of the fiber.
                let running = unsafe { self.running() };
                self.come_back(running, done);
            }
            Err(panic) => {
                self.panic = Some(panic);
                self.fuel = -1;
            }
        }
    }
}

unsafe extern "C" fn interrupt(context: *mut Context) {
    // SAFETY: native code calls with its own context.
    unsafe {
        (*context).guarded(|context| {
            context.find_place();
            context.call_out().interrupt().map_err(Box::new)
        })
    }
}

unsafe extern "C" fn reserve(context: *mut Context, words: usize) {
    // SAFETY: as in `interrupt`.
    unsafe {
        (*context).guarded(|context| {
            context.find_place();
            context.call_out().reserve_words(words).map_err(Box::new)
        })
    }
}

unsafe extern "C" fn execute(context: *mut Context, site: u32) {
    // SAFETY: as in `interrupt`; the site is one of the code's.
    unsafe {
        (*context).guarded(|context| {
            let code = &*context.code;
            let Lent { site, place: Place { function, pc, slots, .. } } = code.site(site);
            context.place = site.place;
            let slots = *slots as usize;
            let running = context.call_out_with(slots);
            let lend = Lend { function: *function, pc: *pc, instr: &site.instr, slots, left: context.left };
            running.execute(lend, &mut context.values[..site.scalars])
        })
    }
}

unsafe extern "C" fn trap(context: *mut Context, what: u64, a: u64, b: u64) {
    // SAFETY: as in `interrupt`.
    unsafe {
        (*context).guarded(|context| {
            let (what, place) = What::and_place(what);
            context.place = place;
            let running = context.call_out();
            let trap = trap_of(running, what, a, b);
            Err(Box::new(running.trap(trap)))
        })
    }
}

fn trap_of(running: &mut Running<'_>, what: What, a: u64, b: u64) -> Trapped {
    let (x, y) = (a as i64, b as i64);
    let kind = || TrapKind::from_code(a as u8).unwrap_or(TrapKind::Internal);
    let (kind, text) = match what {
        What::Sum => return running.overflow(Operation::Binary(x.wrapping_sub(y), '+', y)),
        What::SumOf => return running.overflow(Operation::Binary(y, '+', x.wrapping_sub(y))),
        What::Difference => return running.overflow(Operation::Binary(x.wrapping_add(y), '-', y)),
        What::Mul => return running.overflow(Operation::Binary(x, '*', y)),
        What::Div => return running.overflow(Operation::Binary(x, '/', y)),
        What::Neg => return running.overflow(Operation::Negation(x)),
        What::DivZero => return running.by_zero(Operation::Binary(x, '/', 0)),
        What::RemZero => return running.by_zero(Operation::Binary(x, '%', 0)),
        What::Shift => (TrapKind::Shift, format!("a shift by {y} is outside 0..63")),
        What::Cast => {
            let text = dscript_interp::double_text(f64::from_bits(a));
            (TrapKind::Cast, format!("{text} does not fit an int"))
        }
        What::Index => (TrapKind::Index, format!("index {x}, size {y}")),
        What::Null => (TrapKind::Internal, "null where the compiler had shown a value".into()),
        What::Narrow => (TrapKind::Internal, "an object of another type than the compiler had shown".into()),
        What::Changed => (TrapKind::Changed, "a collection was changed while a for-each walked it".into()),
        What::Constant => {
            let program = running.program();
            let text = match &program.image().constants[ConstId(b as u32).index()] {
                Constant::String(text) => text.clone(),
                Constant::Bytes(_) => String::new(),
            };
            (kind(), text)
        }
        What::Text => (kind(), running.text_of(b as u32)),
        What::Abs => (TrapKind::Overflow, format!("abs({x}) does not fit an int")),
        What::Depth => return too_many(running),
    };
    Trapped { kind, text }
}

unsafe extern "C" fn entered(context: *mut Context) {
    // SAFETY: as in `interrupt`. A frame that is one too many is not to be there: its caller traps, whose frame pointer
    // and return address lie where every frame of native code has them.
    unsafe {
        (*context).guarded(|context| {
            if context.left >= 0 {
                context.find_place();
                return context.call_out().interrupt().map_err(Box::new);
            }
            let frame = context.frame as *const usize;
            let code = &*context.code;
            context.frame = *frame;
            context.returns_to = *frame.add(1);
            context.find_place();
            context.refs = context.refs.sub(code.slots_at(context.place));
            let running = context.call_out();
            let trap = too_many(running);
            Err(Box::new(running.trap(trap)))
        })
    }
}

/// Of a call that would be one too many.
fn too_many(running: &mut Running<'_>) -> Trapped {
    Trapped { kind: TrapKind::Stack, text: format!("more than {} calls are nested", running.frames_max()) }
}

unsafe extern "C" fn remember(context: *mut Context, slot: usize) {
    // SAFETY: as in `interrupt`.
    unsafe { (*context).running().remember(slot) }
}
