//! Calls, statics, and what is lent to the interpreter.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I64};
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, SourceLoc, Value};
use dscript_bytecode::ids::*;
use dscript_bytecode::image::ScalarKind;
use dscript_bytecode::instr::Instr;
use dscript_interp::door::STATIC_LAYOUT;

use super::{Area, Translator};
use crate::context::{What, at, helper};
use crate::unit::{Callees, Table};

/// Texts that are joined without the interpreter.
const PARTS_MAX: usize = 16;

/// Code to be called.
enum Callee {
    /// In the same piece of code.
    Near(FunctionId),
    /// The address of code for a function with such a signature.
    Far(Value),
}

impl<'p> Translator<'_, '_, 'p> {
    pub(super) fn call_instruction(&mut self, instr: &'p Instr) {
        match *instr {
            Instr::Call { function, ref args, ref results } => {
                if self.unit.is_inlined(function)
                    || self.replaced.call(self.pc).is_some()
                    || self.expands(function)
                {
                    let given = self.values(args);
                    self.inline(function, given, results, self.unit.is_counted(function));
                } else if let Some(ways) = self.expands_short(function) {
                    let given = self.values(args);
                    self.inline_short(function, ways, given, results);
                } else if self.unit.is_near(function) {
                    self.call(Callee::Near(function), function, None, args, results);
                } else if self.unit.may_have_code(function) {
                    let code = self.load_entry(function);
                    let missing = self.b.ins().icmp_imm_s(IntCC::Equal, code, 0);
                    self.or_lend(instr, missing, |this| {
                        this.call(Callee::Far(code), function, None, args, results);
                    });
                } else {
                    self.lend(instr);
                }
            }
            Instr::CallValue { callee, ref args, ref results } => {
                let object = self.reference(callee);
                let ty = self.function.refs[callee.index()].ty;
                self.call_by_tag(instr, Table::Closures, ty, object, args, results);
            }
            Instr::CallMethod { object, ty, method, ref args, ref results } => {
                let value = self.reference(object);
                self.call_by_tag(instr, Table::Method(ty, method), ty, value, args, results);
            }
            Instr::Return { ref values } if self.leaves_short() => self.call_whole(values),
            Instr::Return { ref values } => {
                let mut all = self.values(values);
                match self.inlined {
                    Some((done, _)) => {
                        self.settle_around();
                        let args: Vec<BlockArg> = all.into_iter().map(BlockArg::Value).collect();
                        self.b.ins().jump(done, &args);
                    }
                    None => {
                        if self.regions.are_left_at(self.pc) {
                            self.leave_regions();
                        }
                        all.insert(0, self.b.use_var(self.fuel));
                        self.b.ins().return_(&all);
                    }
                }
            }
            Instr::CallNative { native, ref args, ref results } => {
                self.call_native(instr, native, args, results);
            }
            Instr::GetStatic { from, ref results } => self.get_static(instr, from, results),
            Instr::LimitEnter { limit, to } => self.enter_region(limit, to),
            Instr::LimitLeave {} => self.end_region(),
            Instr::Trap { kind, text } => {
                let (kind, text) = (self.int(i64::from(kind as u8)), self.int(i64::from(text.0)));
                self.trap(What::Constant, kind, text);
            }
            Instr::TrapText { kind, text } => {
                let (kind, text) = (self.int(i64::from(kind as u8)), self.reference(text));
                self.trap(What::Text, kind, text);
            }
            Instr::EqValue { a, b, ty, dst } => {
                let (x, y) = (self.reference(a), self.reference(b));
                let same = self.b.ins().icmp(IntCC::Equal, x, y);
                let no_x = self.b.ins().icmp_imm_s(IntCC::Equal, x, 0);
                let no_y = self.b.ins().icmp_imm_s(IntCC::Equal, y, 0);
                // Neither the same object nor one of them null: by content.
                let null = self.b.ins().bor(no_x, no_y);
                let known = self.b.ins().bor(same, null);
                if self.unit.is_text(ty) {
                    self.compare_texts(known, same, x, y, dst);
                } else if self.unit.is_record(ty) || self.unit.is_list(ty) {
                    self.compare_objects(instr, known, same, [x, y], dst);
                } else {
                    let unknown = self.b.ins().icmp_imm_s(IntCC::Equal, known, 0);
                    self.or_lend(instr, unknown, |this| this.set_scalar(dst, same));
                }
            }
            Instr::TextScalar { src, ty, dst } if self.unit.is_int(ty) => {
                let (context, value) = (self.context(), self.scalar(src));
                self.made_or_lend(instr, helper::TEXT_OF_INT, &[context, value], dst);
            }
            Instr::Concat { ref parts, dst } if (1..=PARTS_MAX).contains(&parts.len()) => {
                let (context, flags) = (self.context(), self.flags(Area::Context));
                let parts = self.values(parts);
                for (part, at) in parts.iter().zip(0..) {
                    self.b.ins().store(flags, *part, context, at::VALUES + 8 * at);
                }
                let count = self.int(parts.len() as i64);
                self.made_or_lend(instr, helper::CONCAT, &[context, count], dst);
            }
            _ => self.lend(instr),
        }
    }

    /// Whether two records or lists are equal; `known` says that `same` says it already.
    fn compare_objects(&mut self, instr: &'p Instr, known: Value, same: Value, of: [Value; 2], dst: S) {
        let (look, done) = (self.b.create_block(), self.b.create_block());
        let result = self.b.append_block_param(done, I64);
        let same = self.bits(ScalarKind::Bool, same);
        self.b.ins().brif(known, done, &[BlockArg::Value(same)], look, &[]);
        self.go_to(look);
        let context = self.context();
        let equal = self.ask(helper::SAME_OBJECTS, &[context, of[0], of[1]], I64);
        self.join(done, equal);
        self.go_to(done);
        let undone = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, result, 0);
        self.or_lend(instr, undone, |this| {
            let equal = this.b.ins().ireduce(I8, result);
            this.set_scalar(dst, equal);
        });
    }

    /// What a helper makes, or the interpreter where there was no room for it.
    pub(super) fn made_or_lend(&mut self, instr: &'p Instr, which: usize, args: &[Value], dst: R) {
        let made = self.ask(which, args, I64);
        let none = self.b.ins().icmp_imm_s(IntCC::Equal, made, 0);
        self.or_lend(instr, none, |this| this.set_ref(dst, made));
    }

    fn call(
        &mut self,
        callee: Callee,
        like: FunctionId,
        object: Option<Value>,
        args: &[Reg],
        results: &[Reg],
    ) {
        // What the interpreter puts in the place of its calls is not counted as nested.
        let left = match callee {
            _ if object.is_some() || self.unit.is_counted(like) => self.left,
            _ => self.b.ins().iadd_imm_s(self.left, 1),
        };
        let mut values: Vec<Value> = object.into_iter().collect();
        values.extend(self.values(args));
        let given = self.call_with(callee, like, left, &values);
        self.take_results(&given, results);
    }

    /// After a call that gave these values.
    fn take_results(&mut self, given: &[Value], results: &[Reg]) {
        let alive = self.alive();
        self.go_on(given[0], None, &alive);
        for (value, result) in given[1..].iter().zip(results) {
            match *result {
                Reg::S(reg) => self.set_scalar(reg, *value),
                Reg::R(reg) => self.set_ref(reg, *value),
            }
        }
    }

    /// Where the short ways of a function are left that stand in the place of its call: that call.
    fn call_whole(&mut self, params: &[Reg]) {
        let (done, caller) = self.inlined.expect("short ways stand in the place of a call");
        self.place = caller;
        self.b.set_srcloc(SourceLoc::new(caller));
        // It was counted where the short ways begin.
        let left = self.b.ins().iadd_imm_s(self.left, 1);
        let values = self.values(params);
        let given = self.call_with(Callee::Near(self.id), self.id, left, &values);
        self.go_on(given[0], None, &[]);
        self.settle_around();
        let args: Vec<BlockArg> = given[1..].iter().copied().map(BlockArg::Value).collect();
        self.b.ins().jump(done, &args);
    }

    /// What a call with these calls left and these arguments gives.
    fn call_with(&mut self, callee: Callee, like: FunctionId, left: Value, args: &[Value]) -> Vec<Value> {
        let window = self.b.ins().iadd_imm_s(self.window, 4 * self.slot_count as i64);
        let fuel = self.b.use_var(self.fuel);
        let mut values = vec![left, window, fuel];
        values.extend(args);
        self.context = None;
        let call = match callee {
            Callee::Near(function) => {
                let target = self.unit.import(self.b.func, function);
                self.b.ins().call(target, &values)
            }
            Callee::Far(code) => {
                let signature = super::signature(self.unit.function(like), super::Start::Call);
                let signature = self.b.import_signature(signature);
                self.b.ins().call_indirect(signature, code, &values)
            }
        };
        self.b.inst_results(call).to_vec()
    }

    fn load_entry(&mut self, function: FunctionId) -> Value {
        let entries = self.load_context(at::ENTRIES);
        let flags = self.flags(Area::Tables);
        self.b.ins().load(I64, flags, entries, 8 * function.0 as i32)
    }

    /// Calls the code that the object's type has for a function value or a method.
    fn call_by_tag(
        &mut self,
        instr: &'p Instr,
        table: Table,
        ty: TypeId,
        object: Value,
        args: &[Reg],
        results: &[Reg],
    ) {
        let Some((table, like)) = self.unit.table(table, ty) else {
            // No object of the program can be behind it.
            self.lend(instr);
            return;
        };
        if let Some(callees) = self.unit.few_callees(self.function, instr) {
            self.call_one_of(callees, object, args, results);
            return;
        }
        let tag = self.tag(object);
        let function = self.look_up(table, tag);
        let entries = self.load_context(at::ENTRIES);
        let offset = self.b.ins().ishl_imm_u(function, 3);
        let address = self.b.ins().iadd(entries, offset);
        let flags = self.flags(Area::Tables);
        let code = self.b.ins().load(I64, flags, address, 0);
        let missing = self.b.ins().icmp_imm_s(IntCC::Equal, code, 0);
        self.or_lend(instr, missing, |this| {
            this.call(Callee::Far(code), like, Some(object), args, results);
        });
    }

    /// Calls the function that an object's type has, which is one of these, or has its code in the place of that.
    fn call_one_of(&mut self, callees: &'p Callees, object: Value, args: &[Reg], results: &[Reg]) {
        let mut given = vec![object];
        given.extend(self.values(args));
        let tag = self.tag(object);
        let done = self.b.create_block();
        // What is nearest at hand first. It is the last where it is none of the others.
        let mut order: Vec<usize> = (0..callees.functions.len()).collect();
        order.sort_by_key(|index| !self.unit.is_inlined(callees.functions[*index]));
        let last = order.pop().expect("a table holds a function");
        let is_looked_up = order.iter().any(|index| callees.tags[*index].is_none());
        let function = is_looked_up.then(|| self.look_up(callees.start, tag));
        let seen = self.seen.clone();
        let mut moved = Vec::new();
        for index in order.into_iter().chain([last]) {
            let other = (index != last).then(|| self.b.create_block());
            if let Some(other) = other {
                let here = self.b.create_block();
                let callee = i64::from(callees.functions[index].0);
                let is = match (callees.tags[index], function) {
                    (Some(of), _) => self.b.ins().icmp_imm_u(IntCC::Equal, tag, i64::from(of.0)),
                    (None, Some(function)) => self.b.ins().icmp_imm_u(IntCC::Equal, function, callee),
                    (None, None) => unreachable!("what has no tag of its own is looked up"),
                };
                self.b.ins().brif(is, here, &[], other, &[]);
                self.go_to(here);
            }
            self.call_this(callees.functions[index], given.clone(), results);
            moved.extend_from_slice(self.seen.moved());
            self.b.ins().jump(done, &[]);
            self.seen.clone_from(&seen);
            if let Some(other) = other {
                self.go_to(other);
            }
        }
        self.go_to(done);
        if self.analysis.alive[self.pc].is_some() {
            // What one way has moved is read anew whichever way it came.
            self.seen.forget_all_but_moved();
            moved.into_iter().for_each(|(variable, home)| self.seen.set_moved(variable, home));
        } else {
            self.seen.forget_stored();
        }
        for result in results {
            if let Reg::R(reg) = result {
                self.seen.take_moved(self.refs[reg.index()]);
            }
        }
    }

    /// Calls a function of this piece for an object's type, or has its code in the place of that.
    fn call_this(&mut self, function: FunctionId, given: Vec<Value>, results: &[Reg]) {
        if self.unit.is_inlined(function) {
            self.inline(function, given, results, true);
        } else if let Some(ways) = self.expands_short(function) {
            self.inline_short(function, ways, given, results);
        } else {
            let given = self.call_with(Callee::Near(function), function, self.left, &given);
            self.take_results(&given, results);
        }
    }

    /// What registers hold; of an object that is not made, its fields.
    pub(super) fn values(&mut self, regs: &[Reg]) -> Vec<Value> {
        let mut values = Vec::new();
        for reg in regs {
            match *reg {
                Reg::S(reg) => values.push(self.scalar(reg)),
                Reg::R(reg) => match self.replaced.read(self.pc, reg) {
                    Some(web) => values.extend(self.fields_of(web)),
                    None => values.push(self.reference(reg)),
                },
            }
        }
        values
    }

    fn get_static(&mut self, instr: &'p Instr, id: StaticId, results: &[Reg]) {
        let [size, state, scalars, refs, set] = STATIC_LAYOUT;
        let statics = self.load_context(at::STATICS);
        let at = size * id.index();
        let flags = self.flags(Area::Tables);
        let now = self.b.ins().uload32(flags, statics, (at + state) as i32);
        let unset = self.b.ins().icmp_imm_s(IntCC::NotEqual, now, set as i64);
        self.or_lend(instr, unset, |this| {
            let (mut s, mut r) = (0, 0);
            for result in results {
                match *result {
                    Reg::S(reg) => {
                        let ty = super::scalar_type(this.function.scalars[reg.index()]);
                        let value = this.b.ins().load(ty, flags, statics, (at + scalars + 8 * s) as i32);
                        this.set_scalar(reg, value);
                        s += 1;
                    }
                    Reg::R(reg) => {
                        let value = this.b.ins().uload32(flags, statics, (at + refs + 4 * r) as i32);
                        this.set_ref(reg, value);
                        r += 1;
                    }
                }
            }
        });
    }

    /// The interpreter does the instruction where the condition holds; else the body does.
    pub(super) fn or_lend(&mut self, instr: &'p Instr, rarely: Value, body: impl FnOnce(&mut Self)) {
        let (rare, here) = (self.cold(), self.b.create_block());
        self.b.ins().brif(rarely, rare, &[], here, &[]);
        self.or_lend_in(instr, rare, here, body);
    }

    /// The interpreter does the instruction in a rare block; else the body does in another.
    pub(super) fn or_lend_in(
        &mut self,
        instr: &'p Instr,
        rare: Block,
        here: Block,
        body: impl FnOnce(&mut Self),
    ) {
        let next = self.b.create_block();
        let before = self.seen.clone();
        self.go_to(here);
        body(self);
        self.b.ins().jump(next, &[]);
        let usually = std::mem::replace(&mut self.seen, before);
        self.go_to(rare);
        self.lend_with(instr, |this, site, alive| {
            this.call_helper(helper::EXECUTE, &[site]);
            this.come_back(alive);
        });
        let alive = self.alive();
        self.meet(&usually, &alive);
        self.b.ins().jump(next, &[]);
        self.go_to(next);
        self.seen.forget_all_but_moved();
    }

    /// The interpreter does the instruction, and that is the usual way: the stub is called as functions in Rust are, which
    /// spares saving registers that hold nothing.
    pub(super) fn lend(&mut self, instr: &'p Instr) {
        self.lend_with(instr, |this, site, alive| {
            let args = [this.b.use_var(this.fuel), this.window, this.left, site];
            let stub = this.unit.import_stub(this.b.func, helper::EXECUTE_OFTEN);
            this.context = None;
            let call = this.b.ins().call(stub, &args);
            let [fuel, heap] = *this.b.inst_results(call) else { unreachable!("the stub gives two values") };
            this.go_on(fuel, Some(heap), alive);
        });
    }

    /// The interpreter does the instruction: its scalars go through the context, its references lie in their slots.
    fn lend_with(&mut self, instr: &'p Instr, execute: impl FnOnce(&mut Self, Value, &[R])) {
        let operands = crate::analysis::Operands::of(instr);
        let mut lent: Vec<S> = Vec::new();
        for reg in operands.uses.iter().chain(&operands.defs) {
            if let Reg::S(reg) = reg
                && !lent.contains(reg)
            {
                lent.push(*reg);
            }
        }
        let flags = self.flags(Area::Context);
        for (index, reg) in lent.iter().enumerate() {
            if operands.uses.contains(&Reg::S(*reg)) {
                let value = self.scalar(*reg);
                let value = self.bits(self.function.scalars[reg.index()], value);
                let context = self.context();
                self.b.ins().store(flags, value, context, at::VALUES + 8 * index as i32);
            }
        }
        let slots = &self.analysis.slots;
        let renumbered = renumber(
            instr,
            &|reg| S(lent.iter().position(|l| *l == reg).expect("an operand is lent") as u16),
            &|reg| R(slots[reg.index()].expect("an operand of what is lent has a slot")),
        );
        let site = self.unit.site(self.place, renumbered, lent.len());
        let site = self.int(i64::from(site));
        let alive = self.alive();
        execute(self, site, &alive);
        for reg in &operands.defs {
            match *reg {
                Reg::S(reg) => {
                    let index = lent.iter().position(|l| *l == reg).expect("a result is lent") as i32;
                    let ty = match self.function.scalars[reg.index()] {
                        ScalarKind::Bool => I8,
                        kind => super::scalar_type(kind),
                    };
                    let context = self.context();
                    let value = self.b.ins().load(ty, flags, context, at::VALUES + 8 * index);
                    self.set_scalar(reg, value);
                }
                Reg::R(reg) => self.reload(&[reg]),
            }
        }
    }
}

/// An instruction that may be lent with its registers renamed.
fn renumber(instr: &Instr, s: &dyn Fn(S) -> S, r: &dyn Fn(R) -> R) -> Instr {
    let regs = |regs: &[Reg]| -> Box<[Reg]> {
        let one = |reg: &Reg| match *reg {
            Reg::S(reg) => Reg::S(s(reg)),
            Reg::R(reg) => Reg::R(r(reg)),
        };
        regs.iter().map(one).collect()
    };
    match *instr {
        Instr::Const { value, dst } => Instr::Const { value, dst: r(dst) },
        Instr::EqValue { a, b, ty, dst } => Instr::EqValue { a: r(a), b: r(b), ty, dst: s(dst) },
        Instr::ListNew { ty, capacity, dst } => Instr::ListNew { ty, capacity, dst: r(dst) },
        Instr::ListAddScalar { list, src } => Instr::ListAddScalar { list: r(list), src: s(src) },
        Instr::ListAddRef { list, src } => Instr::ListAddRef { list: r(list), src: r(src) },
        Instr::Concat { ref parts, dst } => Instr::Concat { parts: regs(parts), dst: r(dst) },
        Instr::TextScalar { src, ty, dst } => Instr::TextScalar { src: s(src), ty, dst: r(dst) },
        Instr::TextRef { src, ty, dst } => Instr::TextRef { src: r(src), ty, dst: r(dst) },
        Instr::Call { function, ref args, ref results } => {
            Instr::Call { function, args: regs(args), results: regs(results) }
        }
        Instr::CallNative { native, ref args, ref results } => {
            Instr::CallNative { native, args: regs(args), results: regs(results) }
        }
        Instr::CallValue { callee, ref args, ref results } => {
            Instr::CallValue { callee: r(callee), args: regs(args), results: regs(results) }
        }
        Instr::CallMethod { object, ty, method, ref args, ref results } => {
            Instr::CallMethod { object: r(object), ty, method, args: regs(args), results: regs(results) }
        }
        Instr::GetStatic { from, ref results } => Instr::GetStatic { from, results: regs(results) },
        ref other => panic!("`{}` is never lent", other.mnemonic()),
    }
}
