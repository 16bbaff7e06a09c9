//! From functions to one piece of position-independent machine code with the tables that go with it.
//!
//! Calls within a piece are direct; everything else is reached through the context, so a piece needs no linking
//! beyond itself, and the same piece runs in memory or is kept in an image.

use std::sync::Arc;

use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{ExternalName, Function, SourceLoc, UserFuncName};
use cranelift_codegen::isa::{self, TargetFrontendConfig, TargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::{Context, Final, FinalizedRelocTarget, MachSrcLoc};
use cranelift_frontend::FunctionBuilderContext;
use dscript_bytecode::ids::FunctionId;
use dscript_interp::Program;
use dscript_interp::door::NATIVE_FRAME_BYTES;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::alignment;
use crate::context::helper;
use crate::flags;
use crate::glue::{self, Glue};
use crate::translate::{Start, Translator};
use crate::unit::{self, Facts, Place, Site, Unit};

/// Code before it is put where it runs.
pub(crate) struct Piece {
    pub code: Vec<u8>,
    pub entries: Vec<PieceEntry>,
    pub places: Vec<Place>,
    pub sites: Vec<Site>,
    /// Return addresses, by offset in ascending order, with the ids of their places.
    pub returns: Vec<(u32, u32)>,
    /// Frames of the functions that are nested in themselves never, in bytes, beyond the usual size.
    pub extra_frame_bytes: usize,
}

/// Where a function of a piece begins, and what the interpreter enters it by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PieceEntry {
    pub function: FunctionId,
    pub start: Start,
    pub code: u32,
    pub trampoline: u32,
}

/// A processor to compile for.
pub(crate) struct Target {
    isa: Arc<dyn TargetIsa>,
    glue: Glue,
}

impl Target {
    /// This machine, with all that its processor can do.
    pub fn host() -> Result<Target, String> {
        Target::new(std::env::consts::ARCH, true)
    }

    /// By architecture, as the least processor has it unless `host` says to look at this one.
    pub fn new(architecture: &str, host: bool) -> Result<Target, String> {
        Ok(Target { isa: isa(architecture, host)?, glue: Glue::of(architecture) })
    }

    pub fn frontend_config(&self) -> TargetFrontendConfig {
        self.isa.frontend_config()
    }
}

/// What makes code for an architecture, as the least processor has it unless `host` says to look at this one.
pub(crate) fn isa(architecture: &str, host: bool) -> Result<Arc<dyn TargetIsa>, String> {
    let mut flags = settings::builder();
    let mut set = |name: &str, value: &str| {
        flags.set(name, value).map_err(|why| format!("the code generator refuses {name}: {why}"))
    };
    set("opt_level", "speed")?;
    set("enable_pinned_reg", "true")?;
    set("preserve_frame_pointers", "true")?;
    set("unwind_info", "false")?;
    set("enable_probestack", "false")?;
    // For `alignment`.
    set("machine_code_cfg_info", "true")?;
    set("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" })?;
    let mut builder = isa::lookup_by_name(&format!("{architecture}-unknown-linux-gnu"))
        .map_err(|why| format!("there is no native code for {architecture}: {why}"))?;
    if host {
        for feature in host_features() {
            builder.enable(feature).map_err(|why| format!("{feature}: {why}"))?;
        }
    }
    builder.finish(settings::Flags::new(flags)).map_err(|why| why.to_string())
}

/// Features of this machine's processor that the code generator can use.
pub(crate) fn host_features() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    {
        macro_rules! there {
            ($($cpu:tt => $flag:literal),*) => {
                [$((std::is_x86_feature_detected!($cpu), $flag)),*]
            };
        }
        there!("sse3" => "has_sse3", "ssse3" => "has_ssse3", "sse4.1" => "has_sse41", "sse4.2" => "has_sse42",
            "popcnt" => "has_popcnt", "avx" => "has_avx", "avx2" => "has_avx2", "bmi1" => "has_bmi1",
            "bmi2" => "has_bmi2", "lzcnt" => "has_lzcnt")
        .into_iter()
        .filter_map(|(there, flag)| there.then_some(flag))
        .collect()
    }
    #[cfg(not(target_arch = "x86_64"))]
    Vec::new()
}

/// Why functions could not be compiled.
#[derive(Debug)]
pub(crate) enum Failure {
    /// This one must stay with the interpreter: its frames are too large to be nested as deep as frames may.
    Frame(FunctionId),
    Other(String),
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Failure::Other(why)
    }
}

/// Compiles functions of a program, without those whose frames turn out too large.
pub(crate) fn compile_some(
    program: &Program,
    facts: &Facts,
    target: &Target,
    mut wanted: Vec<(FunctionId, Start)>,
    base: u32,
) -> Result<Piece, String> {
    // Functions whose frames were too large with the code of others in them.
    let mut plain = FxHashSet::default();
    loop {
        match compile(program, facts, target, &wanted, &plain, base) {
            Ok(piece) => return Ok(piece),
            Err(Failure::Frame(large)) if plain.insert(large) => {}
            Err(Failure::Frame(large)) => wanted.retain(|(function, _)| *function != large),
            Err(Failure::Other(why)) => return Err(why),
        }
    }
}

/// Compiles functions of a program; all of them may be native. `base` is what ids of places and sites begin with.
fn compile(
    program: &Program,
    facts: &Facts,
    target: &Target,
    wanted: &[(FunctionId, Start)],
    plain: &FxHashSet<FunctionId>,
    base: u32,
) -> Result<Piece, Failure> {
    let isa = &*target.isa;
    let near =
        wanted.iter().filter(|(_, start)| *start == Start::Call).map(|(function, _)| *function).collect();
    let mut unit = Unit::new(program, facts, near, plain, isa.frontend_config(), base);
    let mut out = Assembler { isa, code: Vec::new(), calls: Vec::new(), returns: Vec::new() };
    let mut builder = FunctionBuilderContext::new();
    let mut context = Context::new();
    let mut starts: Starts = FxHashMap::default();
    let mut trampolines: FxHashMap<String, u32> = FxHashMap::default();
    let mut entries = Vec::new();
    let mut extra_frame_bytes = 0;
    for &(function, start) in wanted {
        unit.begin_function();
        context.clear();
        context.func.name = UserFuncName::user(0, function.0);
        Translator::translate(&mut unit, function, start, &mut context.func, &mut builder);
        let (code, frame_bytes) = out.add(&mut context, &unit.checks)?;
        if frame_bytes > NATIVE_FRAME_BYTES {
            if facts.recursive[function.index()] {
                return Err(Failure::Frame(function));
            }
            extra_frame_bytes += frame_bytes;
        }
        if start == Start::Call {
            starts.insert((unit::FUNCTIONS, function.0), code);
        }
        let form = glue::form(unit.function(function), start);
        let trampoline = match trampolines.get(&form) {
            Some(known) => *known,
            None => {
                let code = match target.glue.trampoline(&form) {
                    Some(ready) => out.place(ready, 0),
                    None => {
                        context.clear();
                        glue::trampoline(
                            unit.function(function),
                            start,
                            isa,
                            &mut context.func,
                            &mut builder,
                        );
                        out.add(&mut context, &FxHashSet::default())?.0
                    }
                };
                trampolines.insert(form, code);
                code
            }
        };
        entries.push(PieceEntry { function, start, code, trampoline });
    }
    for which in 0..helper::PARAMS.len() {
        let name = (unit::STUBS, which as u32);
        if out.calls.iter().any(|(.., called)| *called == name) {
            let ready = target.glue.stub(which);
            starts.insert(name, out.place(ready, 0));
        }
    }
    let code = out.link(&starts)?;
    Ok(Piece {
        code: code.0,
        returns: code.1,
        entries,
        places: unit.places,
        sites: unit.sites,
        extra_frame_bytes,
    })
}

/// Where functions and stubs begin, by the names they are called by.
type Starts = FxHashMap<(u32, u32), u32>;

/// Return addresses by offset, with the ids of their places.
type Returns = Vec<(u32, u32)>;

/// Code one function after the other.
struct Assembler<'a> {
    isa: &'a dyn TargetIsa,
    code: Vec<u8>,
    /// Where a call's distance lies, its kind, its addend, and what it calls.
    calls: Vec<(u32, Reloc, i64, (u32, u32))>,
    returns: Vec<(u32, u32)>,
}

/// Of the place of a block's last instruction: the block is cold, and lies behind all that are not. The code tells where the
/// instruction is, so about where they begin.
const COLD: u32 = 1 << 31;

/// Marks the last instructions of cold blocks.
fn mark_cold(func: &mut Function) {
    let cold = func.layout.blocks().filter(|block| func.layout.is_cold(*block));
    let ends: Vec<_> = cold.filter_map(|block| func.layout.last_inst(block)).collect();
    for end in ends {
        let place = Some(func.srcloc(end)).filter(|place| !place.is_default());
        func.set_srcloc(end, SourceLoc::new(COLD | place.map_or(0, SourceLoc::bits)));
    }
}

impl Assembler<'_> {
    /// Adds code that calls nothing in the piece, so many bytes behind the beginning of a line; gives where it begins.
    fn place(&mut self, code: &[u8], behind: usize) -> u32 {
        self.code.resize(self.code.len().next_multiple_of(alignment::LINE) + behind, 0);
        let start = self.code.len() as u32;
        self.code.extend_from_slice(code);
        start
    }

    /// Compiles a function that checks for overflow at these places; gives where it begins and how many bytes its frame has
    /// at most.
    fn add(&mut self, context: &mut Context, checks: &FxHashSet<u32>) -> Result<(u32, usize), String> {
        mark_cold(&mut context.func);
        context
            .compile(self.isa, &mut ControlPlane::default())
            .map_err(|why| format!("the code generator fails at {}: {:?}", why.func.name, why.inner))?;
        let compiled = context.compiled_code().expect("it was compiled");
        let code = compiled.code_buffer();
        let step = compiled.buffer.alignment as usize;
        let lines = compiled.buffer.get_srclocs_sorted();
        let is_cold = |line: &&MachSrcLoc<Final>| !line.loc.is_default() && line.loc.bits() & COLD != 0;
        let cold = lines.iter().find(is_cold).map_or(code.len(), |line| line.start as usize);
        let behind = alignment::best(code, self.isa, step, &compiled.bb_starts, cold);
        let start = self.place(code, behind);
        for reloc in compiled.buffer.relocs() {
            let FinalizedRelocTarget::ExternalName(ExternalName::User(name)) = &reloc.target else {
                return Err(format!("native code refers to {:?}", reloc.target));
            };
            let called = &context.func.params.user_named_funcs()[*name];
            let called = (called.namespace, called.index);
            self.calls.push((start + reloc.offset, reloc.kind, reloc.addend, called));
        }
        if self.isa.name() == "x64" {
            for line in lines.iter().filter(|line| checks.contains(&line.loc.bits())) {
                flags::jump_on_overflow(
                    &mut self.code[(start + line.start) as usize..(start + line.end) as usize],
                );
            }
        }
        let mut deepest = 0;
        for call in compiled.buffer.call_sites() {
            deepest = deepest.max(call.frame_offset.unwrap_or(0));
            let at = lines.partition_point(|line| line.start < call.ret_addr);
            if let Some(line) = at.checked_sub(1).map(|at| &lines[at])
                && call.ret_addr <= line.end
                && !line.loc.is_default()
            {
                self.returns.push((start + call.ret_addr, line.loc.bits()));
            }
        }
        let layout = compiled.buffer.frame_layout().map_or(0, |layout| layout.frame_to_fp_offset);
        // With the return address, the saved frame pointer, and arguments on the stack.
        let arguments = 8 * context.func.signature.params.len().saturating_sub(6);
        Ok((start, layout.max(deepest) as usize + 16 + arguments))
    }

    /// Fills in the calls within the piece.
    fn link(mut self, starts: &Starts) -> Result<(Vec<u8>, Returns), String> {
        for (at, kind, addend, called) in self.calls {
            let target = *starts.get(&called).ok_or("a call leaves the piece")?;
            let distance = i64::from(target) + addend - i64::from(at);
            let place = &mut self.code[at as usize..at as usize + 4];
            match kind {
                Reloc::X86CallPCRel4 | Reloc::X86PCRel4 => {
                    let distance = i32::try_from(distance).map_err(|_| "native code is too large")?;
                    place.copy_from_slice(&distance.to_le_bytes());
                }
                Reloc::Arm64Call => {
                    let words = distance >> 2;
                    if !(-(1 << 25)..1 << 25).contains(&words) {
                        return Err("native code is too large".into());
                    }
                    let instr = u32::from_le_bytes([place[0], place[1], place[2], place[3]]);
                    let instr = instr & 0xfc00_0000 | (words as u32 & 0x03ff_ffff);
                    place.copy_from_slice(&instr.to_le_bytes());
                }
                other => return Err(format!("native code refers to a function by {other:?}")),
            }
        }
        self.returns.sort_unstable();
        Ok((self.code, self.returns))
    }
}
