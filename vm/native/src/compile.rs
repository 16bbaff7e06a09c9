//! From functions to one piece of position-independent machine code with the tables that go with it.
//!
//! Calls within a piece are direct; everything else is reached through the context, so a piece needs no linking
//! beyond itself, and the same piece runs in memory or is kept in an image.

use std::sync::Arc;

use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::types::{F64, I8, I64};
use cranelift_codegen::ir::{
    self, AbiParam, ExternalName, InstBuilder, MemFlagsData, Signature, UserFuncName,
};
use cranelift_codegen::isa::{self, TargetFrontendConfig, TargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::{Context, FinalizedRelocTarget};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use dscript_bytecode::ids::FunctionId;
use dscript_bytecode::image::{Function, RegType};
use dscript_interp::Program;
use dscript_interp::door::NATIVE_FRAME_BYTES;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::context::{at, helper};
use crate::translate::{self, Start, Translator};
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
}

impl Target {
    /// This machine, with all that its processor can do.
    pub fn host() -> Result<Target, String> {
        Target::new(std::env::consts::ARCH, true)
    }

    /// By architecture, as the least processor has it unless `host` says to look at this one.
    pub fn new(architecture: &str, host: bool) -> Result<Target, String> {
        let mut flags = settings::builder();
        let mut set = |name: &str, value: &str| {
            flags.set(name, value).map_err(|why| format!("the code generator refuses {name}: {why}"))
        };
        set("opt_level", "speed")?;
        set("enable_pinned_reg", "true")?;
        set("preserve_frame_pointers", "true")?;
        set("unwind_info", "false")?;
        set("enable_probestack", "false")?;
        set("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" })?;
        let mut builder = isa::lookup_by_name(&format!("{architecture}-unknown-linux-gnu"))
            .map_err(|why| format!("there is no native code for {architecture}: {why}"))?;
        if host {
            for feature in host_features() {
                builder.enable(feature).map_err(|why| format!("{feature}: {why}"))?;
            }
        }
        let isa = builder.finish(settings::Flags::new(flags)).map_err(|why| why.to_string())?;
        Ok(Target { isa })
    }

    pub fn frontend_config(&self) -> TargetFrontendConfig {
        self.isa.frontend_config()
    }
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
    let mut trampolines: FxHashMap<Form, u32> = FxHashMap::default();
    let mut entries = Vec::new();
    let mut extra_frame_bytes = 0;
    for &(function, start) in wanted {
        unit.begin_function();
        context.clear();
        context.func.name = UserFuncName::user(0, function.0);
        Translator::translate(&mut unit, function, start, &mut context.func, &mut builder);
        let (code, frame_bytes) = out.add(&mut context)?;
        if frame_bytes > NATIVE_FRAME_BYTES {
            if facts.recursive[function.index()] {
                return Err(Failure::Frame(function));
            }
            extra_frame_bytes += frame_bytes;
        }
        if start == Start::Call {
            starts.insert((unit::FUNCTIONS, function.0), code);
        }
        let form = Form::of(unit.function(function), start);
        let trampoline = match trampolines.get(&form) {
            Some(known) => *known,
            None => {
                context.clear();
                form.trampoline(unit.function(function), start, isa, &mut context.func, &mut builder);
                let (code, _) = out.add(&mut context)?;
                trampolines.insert(form, code);
                code
            }
        };
        entries.push(PieceEntry { function, start, code, trampoline });
    }
    for which in 0..helper::PARAMS.len() {
        let name = (unit::STUBS, which as u32);
        if out.calls.iter().any(|(.., called)| *called == name) {
            context.clear();
            stub(which, isa, &mut context.func, &mut builder);
            let (code, _) = out.add(&mut context)?;
            starts.insert(name, code);
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

impl Assembler<'_> {
    /// Compiles a function; gives where it begins and how many bytes its frame has at most.
    fn add(&mut self, context: &mut Context) -> Result<(u32, usize), String> {
        const ALIGNMENT: usize = 32;
        context
            .compile(self.isa, &mut ControlPlane::default())
            .map_err(|why| format!("the code generator fails at {}: {:?}", why.func.name, why.inner))?;
        let compiled = context.compiled_code().expect("it was compiled");
        self.code.resize(self.code.len().next_multiple_of(ALIGNMENT), 0);
        let start = self.code.len() as u32;
        self.code.extend_from_slice(compiled.code_buffer());
        for reloc in compiled.buffer.relocs() {
            let FinalizedRelocTarget::ExternalName(ExternalName::User(name)) = &reloc.target else {
                return Err(format!("native code refers to {:?}", reloc.target));
            };
            let called = &context.func.params.user_named_funcs()[*name];
            let called = (called.namespace, called.index);
            self.calls.push((start + reloc.offset, reloc.kind, reloc.addend, called));
        }
        let lines = compiled.buffer.get_srclocs_sorted();
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

/// A helper for callers who want all their registers back; what it takes lies in the context.
fn stub(which: usize, isa: &dyn TargetIsa, out: &mut ir::Function, context: &mut FunctionBuilderContext) {
    let config = isa.frontend_config();
    out.signature = unit::stub_signature();
    let mut b = FunctionBuilder::new(out, context);
    let block = b.create_block();
    b.switch_to_block(block);
    let flags = MemFlagsData::trusted();
    let mut args = vec![b.ins().get_pinned_reg(I64)];
    for n in 0..helper::PARAMS[which] as i32 - 1 {
        let arg = b.ins().load(I64, flags, args[0], at::ARGS + 8 * n);
        args.push(arg);
    }
    if helper::sees_frame(which) {
        // Who calls is found from here, so that none of the many calls has to say it.
        let own = b.ins().get_frame_pointer(I64);
        for (from, at) in [(0, at::FRAME), (8, at::RETURNS_TO)] {
            let value = b.ins().load(I64, flags, own, from);
            b.ins().store(flags, value, args[0], at);
        }
    }
    let helpers = b.ins().load(I64, flags, args[0], at::HELPERS);
    let target = b.ins().load(I64, flags, helpers, 8 * which as i32);
    let mut signature = Signature::new(config.default_call_conv);
    signature.params = vec![AbiParam::new(I64); args.len()];
    let signature = b.import_signature(signature);
    b.ins().call_indirect(signature, target, &args);
    b.ins().return_(&[]);
    b.seal_all_blocks();
    b.finalize(config);
}

/// What trampolines differ by.
#[derive(PartialEq, Eq, Hash)]
struct Form {
    in_loop: bool,
    params: Vec<ir::Type>,
    results: Vec<ir::Type>,
    refs: Vec<bool>,
}

impl Form {
    fn of(function: &Function, start: Start) -> Form {
        let types = |regs: &[RegType]| regs.iter().map(translate::reg_type).collect();
        let in_loop = start != Start::Call;
        let is_ref = |reg: &RegType| matches!(reg, RegType::Ref(_));
        let params = if in_loop { &[][..] } else { &function.params };
        Form {
            in_loop,
            params: types(params),
            results: types(&function.results),
            refs: params.iter().chain(&function.results).map(is_ref).collect(),
        }
    }

    /// `(context, code, scalars, refs, out) -> counter`: takes the arguments from the windows of the interpreter's
    /// frame, calls the code with the context in the pinned register, and leaves the results in `out` as a `Cell`.
    fn trampoline(
        &self,
        function: &Function,
        start: Start,
        isa: &dyn TargetIsa,
        out: &mut ir::Function,
        context: &mut FunctionBuilderContext,
    ) {
        let config = isa.frontend_config();
        let mut signature = Signature::new(config.default_call_conv);
        signature.params = vec![AbiParam::new(I64); 5];
        signature.returns = vec![AbiParam::new(I64)];
        out.signature = signature;
        let mut b = FunctionBuilder::new(out, context);
        let block = b.create_block();
        b.append_block_params_for_function_params(block);
        b.switch_to_block(block);
        let [own, code, scalars, refs, results] = b.block_params(block) else {
            unreachable!("the signature has five parameters")
        };
        let (own, code, scalars, refs, results) = (*own, *code, *scalars, *refs, *results);
        let flags = MemFlagsData::trusted();
        let before = b.ins().get_pinned_reg(I64);
        b.ins().set_pinned_reg(own);
        let left = b.ins().load(I64, flags, own, at::LEFT);
        let fuel = b.ins().load(I64, flags, own, at::FUEL);
        let mut args = vec![left, refs, fuel];
        if self.in_loop {
            args.push(scalars);
        } else {
            let (mut s, mut r) = (0, 0);
            for param in &function.params {
                match param {
                    RegType::Scalar(_) => {
                        args.push(b.ins().load(translate::reg_type(param), flags, scalars, 8 * s));
                        s += 1;
                    }
                    RegType::Ref(_) => {
                        args.push(b.ins().uload32(flags, refs, 4 * r));
                        r += 1;
                    }
                }
            }
        }
        let signature = b.import_signature(translate::signature(function, start));
        let call = b.ins().call_indirect(signature, code, &args);
        let given = b.inst_results(call).to_vec();
        let (mut s, mut r) = (0, 0);
        for (result, value) in function.results.iter().zip(&given[1..]) {
            match (result, translate::reg_type(result)) {
                (RegType::Ref(_), _) => {
                    b.ins().istore32(flags, *value, results, 16 + 4 * r);
                    r += 1;
                }
                (_, ty) => {
                    let bits = match ty {
                        I8 => b.ins().uextend(I64, *value),
                        F64 => b.ins().bitcast(I64, MemFlagsData::new(), *value),
                        _ => *value,
                    };
                    b.ins().store(flags, bits, results, 8 * s);
                    s += 1;
                }
            }
        }
        b.ins().set_pinned_reg(before);
        b.ins().return_(&[given[0]]);
        b.seal_all_blocks();
        b.finalize(config);
    }
}
