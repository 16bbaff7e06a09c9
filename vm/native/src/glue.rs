//! What stands between native code and what is not: the stubs that helpers are called by, and the trampolines that the
//! interpreter enters by.
//!
//! They are the same for every program, and making them takes as long as making a short function, so they are kept as
//! the code generator made them for the least processor of an architecture (`glue/*.bin`, rows of postcard: a name and
//! the code). A test holds the files to what is written here; trampolines of unusual forms are made when they are needed.

use cranelift_codegen::ir::types::{F64, I8, I64};
use cranelift_codegen::ir::{self, AbiParam, InstBuilder, MemFlagsData, Signature};
use cranelift_codegen::isa::TargetIsa;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use dscript_bytecode::image::{Function, RegType, ScalarKind};

use crate::context::at;
use crate::translate::{self, Start};

/// Stubs and trampolines that are kept, by name.
pub(crate) struct Glue(Vec<(&'static str, &'static [u8])>);

impl Glue {
    /// Nothing for an architecture that there is no code for.
    pub fn of(architecture: &str) -> Glue {
        let file: &[u8] = match architecture {
            "x86_64" => include_bytes!("glue/x86_64.bin"),
            "aarch64" => include_bytes!("glue/aarch64.bin"),
            _ => return Glue(Vec::new()),
        };
        let glue = Glue(postcard::from_bytes(file).expect("the glue is rows of postcard"));
        assert!(glue.find(LAYOUT) == Some(&layout()), "the context has changed: see the test in `glue`");
        glue
    }

    pub fn stub(&self, which: usize) -> &'static [u8] {
        self.find(&stub_name(which)).expect("all stubs are kept")
    }

    pub fn trampoline(&self, form: &str) -> Option<&'static [u8]> {
        self.find(form)
    }

    fn find(&self, name: &str) -> Option<&'static [u8]> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, code)| *code)
    }
}

/// The row that says of which layout of the context the others are.
const LAYOUT: &str = "layout";

fn layout() -> Vec<u8> {
    at::ALL.iter().flat_map(|offset| offset.to_le_bytes()).collect()
}

fn stub_name(which: usize) -> String {
    format!("stub {which}")
}

/// What trampolines differ by, as a name.
pub(crate) fn form(function: &Function, start: Start) -> String {
    let letter = |reg: &RegType| match reg {
        RegType::Scalar(ScalarKind::Int) => 'i',
        RegType::Scalar(ScalarKind::Double) => 'd',
        RegType::Scalar(ScalarKind::Bool) => 'b',
        RegType::Ref(_) => 'r',
    };
    let results: String = function.results.iter().map(letter).collect();
    match start {
        Start::Call => format!("call {} {results}", function.params.iter().map(letter).collect::<String>()),
        Start::Loop(_) => format!("loop {results}"),
    }
}

/// `(context, code, scalars, refs, out) -> counter`: takes the arguments from the windows of the interpreter's
/// frame, calls the code with the context in the pinned register, and leaves the results in `out` as a `Cell`.
pub(crate) fn trampoline(
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
    if start != Start::Call {
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::ahead::ARCHITECTURES;
    use crate::compile;
    use crate::context::helper;
    use crate::unit;
    use cranelift_codegen::Context;
    use cranelift_codegen::control::ControlPlane;
    use dscript_bytecode::ids::TypeId;
    use dscript_bytecode::image::RefType;

    const KINDS: [RegType; 4] = [
        RegType::Scalar(ScalarKind::Int),
        RegType::Scalar(ScalarKind::Double),
        RegType::Ref(RefType { ty: TypeId(0), nullable: false }),
        RegType::Scalar(ScalarKind::Bool),
    ];
    /// Trampolines are kept for functions of up to so many parameters, of the first three kinds.
    const PARAMS_MAX: usize = 3;

    fn function(params: Vec<RegType>, results: Vec<RegType>) -> Function {
        Function {
            name: String::new(),
            params,
            results,
            scalars: Vec::new(),
            refs: Vec::new(),
            code: Vec::new(),
            heads: Vec::new(),
            lines: Vec::new(),
        }
    }

    fn usual() -> Vec<(Function, Start)> {
        let mut params: Vec<Vec<RegType>> = vec![Vec::new()];
        let mut from = 0;
        for _ in 0..PARAMS_MAX {
            let longer = params[from..].iter().flat_map(|params| {
                KINDS[..3].iter().map(move |kind| params.iter().chain([kind]).copied().collect())
            });
            let longer: Vec<_> = longer.collect();
            from = params.len();
            params.extend(longer);
        }
        let results = || std::iter::once(Vec::new()).chain(KINDS.map(|kind| vec![kind]));
        let calls = params.iter().flat_map(|params| results().map(|results| (params.clone(), results)));
        let calls = calls.map(|(params, results)| (function(params, results), Start::Call));
        let loops = results().map(|results| (function(Vec::new(), results), Start::Loop(0)));
        calls.chain(loops).collect()
    }

    /// A helper for callers who want all their registers back; what it takes lies in the context.
    fn stub(which: usize, isa: &dyn TargetIsa, out: &mut ir::Function, context: &mut FunctionBuilderContext) {
        let config = isa.frontend_config();
        out.signature = unit::stub_signature(which, config.default_call_conv);
        let mut b = FunctionBuilder::new(out, context);
        let block = b.create_block();
        b.append_block_params_for_function_params(block);
        b.switch_to_block(block);
        let flags = MemFlagsData::trusted();
        let given = b.block_params(block).to_vec();
        let mut args = vec![b.ins().get_pinned_reg(I64)];
        if let [state @ .., site] = &given[..] {
            for (value, at) in state.iter().zip(helper::STATE) {
                b.ins().store(flags, *value, args[0], at);
            }
            args.push(*site);
        } else {
            for n in 0..helper::PARAMS[which] as i32 - 1 {
                let arg = b.ins().load(I64, flags, args[0], at::ARGS + 8 * n);
                args.push(arg);
            }
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
        if helper::answers(which) {
            signature.returns = vec![AbiParam::new(I64)];
        }
        let signature = b.import_signature(signature);
        let call = b.ins().call_indirect(signature, target, &args);
        if let [answer] = *b.inst_results(call) {
            let context = b.ins().get_pinned_reg(I64);
            b.ins().store(flags, answer, context, at::ARGS);
        }
        let mut results = Vec::new();
        if !given.is_empty() {
            let context = b.ins().get_pinned_reg(I64);
            results.extend([at::FUEL, at::HEAP].map(|at| b.ins().load(I64, flags, context, at)));
        }
        b.ins().return_(&results);
        b.seal_all_blocks();
        b.finalize(config);
    }

    fn made(architecture: &str) -> Vec<(String, Vec<u8>)> {
        let isa = compile::isa(architecture, false).expect("there is code for it");
        let isa = &*isa;
        let mut builder = FunctionBuilderContext::new();
        let mut rows = vec![(LAYOUT.to_owned(), layout())];
        let mut add = |name: String, make: &mut dyn FnMut(&mut ir::Function, &mut FunctionBuilderContext)| {
            let mut context = Context::new();
            make(&mut context.func, &mut builder);
            let compiled = context.compile(isa, &mut ControlPlane::default()).expect("it can be compiled");
            assert!(compiled.buffer.relocs().is_empty(), "{name} refers to what is not in it");
            rows.push((name, compiled.code_buffer().to_vec()));
        };
        for which in (0..helper::PARAMS.len()).filter(|which| !helper::is_direct(*which)) {
            add(stub_name(which), &mut |out, builder| stub(which, isa, out, builder));
        }
        for (function, start) in usual() {
            add(form(&function, start), &mut |out, builder| trampoline(&function, start, isa, out, builder));
        }
        rows
    }

    #[test]
    fn what_is_kept_is_what_the_code_generator_makes() {
        for architecture in ARCHITECTURES {
            let made = postcard::to_stdvec(&made(architecture)).expect("rows can be written");
            let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("src/glue/{architecture}.bin"));
            if std::env::var_os("UPDATE").is_some() {
                std::fs::write(&file, &made).expect("the file can be written");
            }
            let kept = std::fs::read(&file).expect("the file is there");
            assert!(
                kept == made,
                "the glue for {architecture} changed: `UPDATE=1 cargo test` writes it anew"
            );
        }
    }
}
