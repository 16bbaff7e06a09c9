//! The interpreter's own code of a program, made from the image when it is loaded.
//!
//! `inline` puts small functions into their callers, `select` chooses the steps, `emit` writes them as words, `handlers`, `calls` and `slow` run them, `machine` says
//! what they hold. The portable instructions stay what reports and native code go by: each word's place is known.

mod calls;
mod emit;
mod flow;
mod fuse;
mod fused;
mod handlers;
mod inline;
mod machine;
mod nulls;
mod op;
mod operands;
mod select;
mod slow;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

pub(crate) use inline::{Origin, frame_registers, is_small};
pub(crate) use machine::{Handler, M, Status};

use crate::link::Linked;
use crate::native::PureBody;
use crate::program::Info;
use crate::stack::Marks;
use dscript_bytecode::ids::{FunctionId, MethodId, NativeId, Reg, TypeId};
use dscript_bytecode::image::Image;
use dscript_bytecode::instr::Instr;

/// The code of one function.
pub(crate) struct Code {
    words: Box<[u64]>,
    pub function: FunctionId,
    /// Registers of the frame.
    pub window: Marks,
    /// Parameters among the references.
    pub param_refs: u32,
    /// Words that a call has for its results.
    pub result_words: u32,
    /// For each step, its first word and the instruction it stands for, or `INLINED` and a row of `inlined`.
    places: Vec<(u32, u32)>,
    /// Instructions of functions that were put in the place of their calls.
    pub inlined: Vec<Origin>,
    /// The first word of each head, by instruction.
    heads: Vec<(u32, u32)>,
    /// The references that nobody reads any more while a call runs, by the word after the call: bit `i` is register `i`.
    dead: Vec<(u32, u64)>,
    /// How the operation at a word was written, where not as it is done.
    forms: Vec<(u32, Form)>,
    /// Where frames begin: the first word, or that of a step that enters native code.
    start: AtomicPtr<u64>,
    native: OnceLock<Box<[u64; 2]>>,
    /// What words point to.
    #[allow(clippy::vec_box)]
    instrs: Vec<Box<Instr>>,
    #[allow(clippy::vec_box)]
    pure: Vec<Box<PureStep>>,
    #[allow(clippy::vec_box)]
    sites: Vec<Box<MethodSite>>,
}

/// A call of an interface's method, and which functions it found last: the tag of an object and its function by the last
/// bits of the tag. Every thread that runs the program writes them; each function fits the tag beside it.
struct MethodSite {
    found: [AtomicU64; 8],
    interface: TypeId,
    method: MethodId,
}

impl MethodSite {
    fn new(interface: TypeId, method: MethodId) -> Self {
        // No object has this tag.
        MethodSite { found: std::array::from_fn(|_| AtomicU64::new(u32::MAX.into())), interface, method }
    }
}

/// A call of a pure native.
struct PureStep {
    body: PureBody,
    native: NativeId,
    args: Box<[Reg]>,
    results: Box<[Reg]>,
}

/// Marks a frame's place as a row of `Code::inlined`; images have fewer instructions in a function.
pub(crate) const INLINED: u32 = 1 << 31;

/// How the program has written an operation with a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Written,
    /// The constant first.
    Swapped,
    /// The other constant is taken away.
    Negated,
}

impl Default for Code {
    fn default() -> Self {
        Code {
            words: Box::default(),
            function: FunctionId(0),
            window: Marks::default(),
            param_refs: 0,
            result_words: 1,
            places: Vec::new(),
            inlined: Vec::new(),
            heads: Vec::new(),
            dead: Vec::new(),
            forms: Vec::new(),
            start: AtomicPtr::default(),
            native: OnceLock::new(),
            instrs: Vec::new(),
            pure: Vec::new(),
            sites: Vec::new(),
        }
    }
}

impl Code {
    /// The code of every function of a verified image; a call's words point to rows of the table.
    pub fn table(image: &Image, infos: &[Info], natives: &[Linked]) -> Box<[Code]> {
        let mut table: Box<[Code]> = image.functions.iter().map(|_| Code::default()).collect();
        let base = table.as_ptr();
        for (index, function) in image.functions.iter().enumerate() {
            let mut code = emit::emit(image, infos, natives, FunctionId(index as u32), function, base);
            *code.start.get_mut() = code.first().cast_mut();
            table[index] = code;
        }
        table
    }

    /// Where a frame begins.
    #[inline]
    pub fn start(&self) -> *const u64 {
        self.start.load(Ordering::Acquire)
    }

    /// The first word of the interpreter's code.
    pub fn first(&self) -> *const u64 {
        self.words.as_ptr()
    }

    /// Where a frame that noted this place is, and in what was put there.
    pub fn origin(&self, place: u32) -> Origin {
        match place & INLINED {
            0 => Origin { pc: place, inner: None },
            _ => self.inlined[(place & !INLINED) as usize],
        }
    }

    /// From now on frames begin in native code.
    pub fn begin_native(&self, entry: usize) {
        let words = self.native.get_or_init(|| Box::new([calls::native_step(), entry as u64]));
        self.start.store(words.as_ptr().cast_mut(), Ordering::Release);
    }

    /// The head whose code begins at `ip`.
    pub fn head_at(&self, ip: *const u64) -> Option<u32> {
        let at = self.index_of(ip);
        self.heads.iter().find(|(_, word)| *word == at).map(|(pc, _)| *pc)
    }

    fn index_of(&self, ip: *const u64) -> u32 {
        ((ip as usize - self.first() as usize) / 8) as u32
    }

    /// The references that are dead in a frame while the call before `after` runs.
    pub fn dead_before(&self, after: *const u64) -> u64 {
        let at = self.index_of(after);
        self.dead.binary_search_by_key(&at, |(word, _)| *word).map_or(0, |row| self.dead[row].1)
    }

    /// The instruction whose step ends before `after`: a call that runs.
    pub fn pc_before(&self, after: *const u64) -> u32 {
        self.pc_of(after.wrapping_sub(1))
    }

    /// The instruction that the word at `ip` belongs to.
    pub fn pc_of(&self, ip: *const u64) -> u32 {
        let at = self.index_of(ip);
        match self.places.partition_point(|(word, _)| *word <= at) {
            0 => 0,
            after => self.places[after - 1].1,
        }
    }

    /// Where a head's code begins.
    pub fn ip_of(&self, head: u32) -> *const u64 {
        let at = self.heads.binary_search_by_key(&head, |(pc, _)| *pc);
        let at = at.map(|i| self.heads[i].1).expect("the verifier has found a head at every label");
        self.words[at as usize..].as_ptr()
    }

    pub fn form_at(&self, ip: *const u64) -> Form {
        let at = self.index_of(ip);
        self.forms.binary_search_by_key(&at, |(word, _)| *word).map_or(Form::Written, |i| self.forms[i].1)
    }
}

/// The register of a call's result, from the word after the call.
///
/// # Safety
/// `after` follows the result words of a call that has so many results.
#[inline(always)]
pub(crate) unsafe fn result_reg(after: *const u64, index: usize) -> usize {
    // SAFETY: the caller sees to it.
    unsafe { *after.sub(1 + index / 4).cast::<u16>().add(index % 4) as usize }
}
