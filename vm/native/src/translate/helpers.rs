//! How helpers are called: by stubs that give every register back and take what they need from the context, or, where that is
//! the usual way, as functions in Rust are.

use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{self, AbiParam, InstBuilder, Signature, Value};

use super::{Area, Translator};
use crate::context::{at, helper};

impl Translator<'_, '_, '_> {
    pub(super) fn context(&mut self) -> Value {
        let here = self.b.current_block().expect("instructions are put in a block");
        if let Some((_, context)) = self.context.filter(|(block, _)| *block == here) {
            return context;
        }
        let context = self.b.ins().get_pinned_reg(I64);
        self.context = Some((here, context));
        context
    }

    pub(super) fn load_context(&mut self, offset: i32) -> Value {
        let context = self.context();
        let flags = self.flags(Area::Context);
        self.b.ins().load(I64, flags, context, offset)
    }

    /// Calls a helper with the context, the frame's state and these.
    pub(super) fn call_helper(&mut self, which: usize, args: &[Value]) {
        if helper::takes_state(which) {
            self.store_state();
        }
        self.store_args(args);
        let stub = self.unit.import_stub(self.b.func, which);
        self.b.ins().call(stub, &[]);
    }

    /// Asks a helper in a rare way.
    pub(super) fn ask_rarely(&mut self, which: usize, args: &[Value]) -> Value {
        self.call_helper(which, args);
        self.load_context(at::ARGS)
    }

    /// Leaves these for a stub.
    pub(super) fn store_args(&mut self, args: &[Value]) {
        let flags = self.flags(Area::Context);
        for (arg, n) in args.iter().zip(0..) {
            let context = self.context();
            self.b.ins().store(flags, *arg, context, at::ARGS + 8 * n);
        }
    }

    pub(super) fn store_state(&mut self) {
        let (context, flags) = (self.context(), self.flags(Area::Context));
        let state = [self.b.use_var(self.fuel), self.window, self.left];
        for (value, at) in state.into_iter().zip(helper::STATE) {
            self.b.ins().store(flags, value, context, at);
        }
    }

    pub(super) fn helper_address(&mut self, which: usize) -> Value {
        let helpers = self.load_context(at::HELPERS);
        let flags = self.flags(Area::Tables);
        self.b.ins().load(I64, flags, helpers, 8 * which as i32)
    }

    /// Calls a helper that gives a value as functions in Rust are called.
    pub(super) fn ask(&mut self, which: usize, args: &[Value], result: ir::Type) -> Value {
        let call = self.call_direct(which, args, Some(result));
        self.b.inst_results(call)[0]
    }

    pub(super) fn call_direct(&mut self, which: usize, args: &[Value], result: Option<ir::Type>) -> ir::Inst {
        let mut signature = Signature::new(self.unit.host_convention());
        signature.params.extend(args.iter().map(|arg| AbiParam::new(self.b.func.dfg.value_type(*arg))));
        signature.returns.extend(result.map(AbiParam::new));
        let signature = self.b.import_signature(signature);
        let target = self.helper_address(which);
        self.context = None;
        self.b.ins().call_indirect(signature, target, args)
    }
}
