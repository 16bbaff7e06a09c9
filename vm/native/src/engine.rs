//! The engine that a program is attached to: how the interpreter enters native code, and when there is some.
//!
//! With `attach_jit` everything is compiled before the program runs. With `attach_auto` the interpreter begins and
//! says where it is whenever it has done some thousands of jumps and calls. A function that is met there again and
//! again is compiled with what it calls, on one background thread for all programs of the process, however many run;
//! from then on calls go to its code, and a loop that is running goes on in code that begins at the head of that loop, or of
//! one around it (`met`).
//!
//! One of the two is compiled, not both: a function that is called again and again, where the loops in it have not most of
//! what is ahead, is compiled for its next call, and for a loop that still runs only when the interpreter has been at it for
//! as long once more; any other for its loop, and for calls when it has been entered in that loop time and again.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak, mpsc};
use std::time::Duration;

use dscript_bytecode::ids::FunctionId;
use dscript_interp::Program;
use dscript_interp::door::{
    Activation, Cell, Engine, Exit, Look, Met, NATIVE_FRAME_BYTES, NATIVE_REGISTERS, Running, Sampled,
};
use rustc_hash::FxHashSet;

use crate::code::{Code, Entry};
use crate::compile::{Piece, Target, compile_some};
use crate::context::Context;
use crate::hot::{Heat, Pace, together};
use crate::met::{Seen, Wish};
use crate::translate::Start;
use crate::unit::{Facts, Unit};

/// Stack that helpers and natives in Rust need above the native frames; unoptimized frames are larger.
const RUST_STACK_BYTES: usize = if cfg!(debug_assertions) { 1 << 20 } else { 128 << 10 };

/// How long the interpreter waits for code it has asked for rather than go on at its own speed.
const WAIT: Duration = Duration::from_millis(20);
/// Requests that wait for the background thread; with more the interpreter goes on and asks again.
const WAITING_MAX: usize = 256;

/// Compiles every function of the program that may be native, before it runs, but what runs through once.
///
/// # Errors
/// Where there is no native code for this machine, or no memory for it.
pub fn attach_jit(program: &Arc<Program>) -> Result<(), String> {
    let target = Target::host()?;
    let native = Native::new(program, None);
    let wanted = native.code().facts.wanted(program.image());
    native.compile(program, &target, wanted)?;
    program.attach(native);
    Ok(())
}

/// Compiles what turns out to be hot while the program runs.
pub fn attach_auto(program: &Arc<Program>, pace: Pace) {
    program.attach(Native::new(program, Some(Auto { pace, seen: Mutex::default() })));
}

pub(crate) struct Native {
    /// Made before the first function is compiled.
    code: OnceLock<Code>,
    auto: Option<Auto>,
    own: Weak<Native>,
}

/// What a program that is compiled as it runs has been seen to do.
pub(crate) struct Auto {
    pace: Pace,
    seen: Mutex<Seen>,
}

impl Native {
    pub(crate) fn new(program: &Arc<Program>, auto: Option<Auto>) -> Arc<Native> {
        let code = OnceLock::new();
        if auto.is_none() {
            code.get_or_init(|| Code::new(Facts::of(program)));
        }
        Arc::new_cyclic(|own| Native { code, auto, own: own.clone() })
    }

    fn code(&self) -> &Code {
        self.code.get().expect("there is code before it is entered")
    }

    /// Compiles these, and lets calls go to them.
    fn compile(
        &self,
        program: &Program,
        target: &Target,
        wanted: Vec<(FunctionId, Start)>,
    ) -> Result<(), String> {
        let code = self.code();
        let base = code.next_base().ok_or("the program has too many pieces of native code")?;
        let piece = compile_some(program, &code.facts, target, wanted, base)?;
        self.add(program, piece)
    }

    /// Puts a piece where it can run, and lets calls go to it.
    pub(crate) fn add(&self, program: &Program, piece: Piece) -> Result<(), String> {
        for entry in self.code().add(piece)? {
            let address = std::ptr::from_ref(entry) as usize;
            match (entry.start, &self.auto) {
                (Start::Loop(pc), Some(auto)) => {
                    auto.seen().loops.insert((entry.function, pc), address);
                }
                _ => program.set_entry(entry.function, address),
            }
        }
        Ok(())
    }

    /// Whether a function or a loop is worth compiling that was met.
    fn hot(
        &self,
        auto: &Auto,
        seen: &mut Seen,
        program: &Program,
        met: (FunctionId, Start, Met),
        frames: &mut dyn Iterator<Item = Look<'_>>,
    ) -> Option<Wish> {
        let (function, start, met) = met;
        let asked = (function, start);
        let Seen { heat, foresight, .. } = seen;
        let heat = heat.entry(asked).or_insert_with(|| Heat::of(program.image(), function, start));
        let spent_ns = heat.add(auto.pace.every, met);
        let outlook = foresight.look(program.image(), spent_ns, frames);
        let worth = heat.is_worth(outlook, foresight.spent_ns(), self.code.get(), auto.pace);
        let here = outlook.program.ns < 2 * outlook.frame.ns;
        (worth && !seen.asked.contains(&asked)).then_some(Wish { function, start, here })
    }

    /// Compiles what is hot, with what it calls.
    fn compile_hot(&self, program: &Program, target: &Target, wish: Wish) {
        let Wish { function, start, here } = wish;
        let code = self.code.get_or_init(|| Code::new(Facts::of(program)));
        let Some(auto) = &self.auto else { return };
        let may = |function: FunctionId| code.facts.eligible[function.index()];
        if !may(function) {
            return;
        }
        let start = auto.begin_with(function, start, !here && code.facts.repeated[function.index()]);
        let mut wanted = vec![(function, start)];
        let none = FxHashSet::default();
        let unit = Unit::new(program, &code.facts, none.clone(), &none, target.frontend_config(), 0);
        let mut near = together(program.image(), function, start);
        near.extend(
            near.clone().into_iter().flat_map(|caller| code.facts.few_by_value(unit.function(caller))),
        );
        for next in near {
            let itself = next == function;
            let called = if itself { code.facts.recursive[next.index()] } else { !unit.is_inlined(next) };
            let wish = (next, Start::Call);
            if called && may(next) && !code.has_code(next) && !wanted.contains(&wish) {
                wanted.push(wish);
            }
        }
        auto.seen().asked.extend(&wanted);
        // Where it cannot be compiled the interpreter goes on.
        let _ = self.compile(program, target, wanted);
    }
}

impl Auto {
    /// Whether a loop that is asked for is compiled, or calls of its function first.
    fn begin_with(&self, function: FunctionId, start: Start, repeated: bool) -> Start {
        let mut seen = self.seen();
        if start == Start::Call || !repeated || !seen.asked.insert((function, Start::Call)) {
            return start;
        }
        seen.asked.remove(&(function, start));
        if let Some(heat) = seen.heat.get_mut(&(function, start)) {
            heat.cool();
        }
        Start::Call
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the background thread is to compile, unless the program is gone by then.
struct Request {
    program: Weak<Program>,
    native: Weak<Native>,
    wish: Wish,
    /// Told when it is done.
    done: mpsc::SyncSender<()>,
}

/// Hands a request to the background thread, which is started by the first one; false where it has too much to do.
fn request(request: Request) -> bool {
    static COMPILER: OnceLock<Option<mpsc::SyncSender<Request>>> = OnceLock::new();
    let compiler = COMPILER.get_or_init(|| {
        let (sender, receiver) = mpsc::sync_channel::<Request>(WAITING_MAX);
        let work = move || {
            let Ok(target) = Target::host() else { return };
            for Request { program, native, wish, done } in receiver {
                if let (Some(program), Some(native)) = (program.upgrade(), native.upgrade()) {
                    native.compile_hot(&program, &target, wish);
                }
                // Who asked may have stopped waiting.
                let _ = done.try_send(());
            }
        };
        std::thread::Builder::new().name("dscript-compiler".into()).spawn(work).ok().map(|_| sender)
    });
    match compiler {
        Some(compiler) => !matches!(compiler.try_send(request), Err(mpsc::TrySendError::Full(_))),
        // Without the thread the interpreter goes on.
        None => true,
    }
}

/// How the trampolines are called.
type Trampoline = unsafe extern "C" fn(*mut Context, usize, *const u64, *mut u32, *mut Cell) -> i64;

impl Engine for Native {
    fn enter(&self, running: &mut Running<'_>, entry: usize) -> Result<Option<Cell>, Exit> {
        let code = self.code();
        // SAFETY: entries are addresses of `Entry` values that live as long as the code.
        let entry = unsafe { &*(entry as *const Entry) };
        let left = running.depth_left();
        let here = std::ptr::from_ref(&left) as usize;
        let room = here.saturating_sub(running.stack_end());
        let frames = left as usize * NATIVE_FRAME_BYTES + code.extra_frame_bytes();
        let registers = left as usize * NATIVE_REGISTERS + code.facts.extra_registers;
        if room < frames + RUST_STACK_BYTES || running.bank_left() < registers {
            return Ok(None);
        }
        let windows = running.windows();
        let mut context = Context::new(code, running, windows, left);
        running.begin_activation();
        let mut results = Cell::default();
        // SAFETY: the trampoline is of the entry's form, the windows are those of a frame of its function, and the
        // context outlives the call.
        let fuel = unsafe {
            let trampoline: Trampoline = std::mem::transmute(entry.trampoline);
            trampoline(&mut context, entry.code, windows.scalars, windows.refs, &mut results)
        };
        // SAFETY: native code keeps its bump pointer within what it was given, and has written what it allocated.
        unsafe { running.end_activation(context.heap_top(), fuel.max(0)) };
        if fuel < 0 { Err(context.take_exit()) } else { Ok(Some(results)) }
    }

    fn calls(&self, activation: &Activation, see: &mut dyn FnMut(FunctionId, u32) -> bool) -> bool {
        let code = self.code();
        let mut place = Some(activation.place);
        let mut frame = activation.native_frame as *const usize;
        while let Some(id) = place {
            let mut inlined = Some(id);
            while let Some(id) = inlined {
                let (function, pc) = code.place(id);
                if !see(function, pc) {
                    return false;
                }
                inlined = code.caller(id);
            }
            // SAFETY: native frames keep the frame pointers of their callers in a chain, each below the return
            // address; the first frame is one that called out and waits. The chain ends at a trampoline, whose
            // return addresses are not among the places.
            unsafe {
                place = code.find_place(*frame.add(1));
                frame = *frame as *const usize;
            }
        }
        true
    }

    fn samples(&self) -> Option<i64> {
        self.auto.as_ref().map(|auto| auto.pace.every)
    }

    fn sampled(
        &self,
        program: &Arc<Program>,
        function: FunctionId,
        pc: u32,
        met: Met,
        frames: &mut dyn Iterator<Item = Look<'_>>,
    ) -> Sampled {
        let Some(auto) = &self.auto else { return Sampled::Nothing };
        let mut seen = auto.seen();
        let code = &program.image().functions[function.index()].code;
        // A call in a loop speaks for the loop: it may be that the interpreter is met at such calls only.
        let around = match met {
            Met::Jump | Met::Call => seen.loops_around(function, code, pc),
            Met::LentCall => Vec::new(),
        };
        let jump = (met == Met::Jump).then_some(pc);
        let known = seen.code_around(function, &around, jump);
        let wish = if seen.scouts() {
            seen.scout(function, &around, jump)
        } else if known == Sampled::Soon {
            None
        } else {
            // A call that goes on in native code has begun in the interpreter.
            let head = around.last().filter(|_| known == Sampled::Nothing);
            let start = head.map_or(Start::Call, |head| Start::Loop(*head));
            let wish = self.hot(auto, &mut seen, program, (function, start, met), frames);
            match wish {
                Some(wish) if start != Start::Call && around.len() > 1 && !auto.pace.at_once => {
                    seen.begin_scout(wish, &around);
                    None
                }
                wish => wish,
            }
        };
        if seen.scouts() && known == Sampled::Nothing {
            return Sampled::Soon;
        }
        let Some(wish) = wish.filter(|wish| seen.asked.insert((wish.function, wish.start))) else {
            return known;
        };
        drop(seen);
        let asked = (wish.function, wish.start);
        let (program, native) = (Arc::downgrade(program), self.own.clone());
        let (done, compiled) = mpsc::sync_channel(1);
        if !request(Request { program, native, wish, done }) {
            auto.seen().asked.remove(&asked);
            return known;
        }
        if known == Sampled::Nothing {
            let _ = compiled.recv_timeout(WAIT);
        }
        auto.seen().code_around(function, &around, jump)
    }
}
