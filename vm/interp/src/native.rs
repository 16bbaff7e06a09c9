//! Bodies of natives: how they are registered, and what they are given.
//!
//! A definition carries the signature that `std` declares, in D-Script's own syntax, with type parameters in
//! front: `<T>(List<T>, int) -> T?`. Methods take the object first. Linking instantiates it with the image's
//! type arguments and compares registers, so an image cannot call a body with anything else.

use std::any::Any;
use std::future::Future;
use std::rc::Rc;

use crate::fiber::{Exit, Slot, Waiting};
use crate::heap::string_words;
use crate::link::Linked;
use crate::value::{ErrorValue, Fault, Value};
use crate::vm::Vm;
use dscript_bytecode::capability::Capability;
use dscript_bytecode::ids::{Reg, TypeId};
use dscript_bytecode::image::{Field, Script, Type};
use dscript_bytecode::trap::TrapKind;
use rustc_hash::FxHashMap;

/// One native.
pub struct NativeDef {
    /// `List.add`, `System.now`, `print`.
    pub name: &'static str,
    pub signature: &'static str,
    pub body: Body,
}

pub type PureBody = fn(&mut PureCall<'_>) -> Result<(), Trapped>;

pub enum Body {
    /// Works on registers and the heap; never waits.
    Pure(PureBody),
    /// Takes and gives owned values, may wait. `Ok(Value)` fits the declared result; `Failure::Error` is good
    /// only where the result is a `T!`.
    Outside(OutsideBody),
    /// Mostly done at once: `now` is asked first, and does nothing where it says false.
    Ready { now: fn(&mut PureCall<'_>) -> Result<bool, Trapped>, outside: OutsideBody },
}

pub type OutsideBody = fn(&mut OutsideCall<'_>) -> Result<Value, Failure>;

/// A trap raised by a native.
#[derive(Clone, Debug)]
pub struct Trapped {
    pub kind: TrapKind,
    pub text: String,
}

/// How an outside native ends other than with a value.
#[derive(Debug)]
pub enum Failure {
    Error(ErrorValue),
    Trap(Trapped),
    /// The wait was cancelled: hand it on at once.
    Cancelled,
}

impl From<ErrorValue> for Failure {
    fn from(error: ErrorValue) -> Self {
        Failure::Error(error)
    }
}

/// The arguments and result registers of a pure native. References are slots of the frame, read anew after
/// anything that may allocate.
pub struct PureCall<'a> {
    pub(crate) vm: &'a mut Vm,
    pub(crate) linked: &'a Linked,
    pub(crate) args: &'a [Reg],
    pub(crate) results: &'a [Reg],
}

impl PureCall<'_> {
    /// What an argument is a handle of.
    pub fn handle<R: 'static>(&self, arg: usize) -> Rc<R> {
        let Some(Reg::R(reg)) = self.args.get(arg) else { panic!("argument {arg} is not a handle") };
        let any: Rc<dyn Any> = self.vm.handle(self.vm.get_r(*reg));
        any.downcast().unwrap_or_else(|_| panic!("argument {arg} is a handle of another type"))
    }

    /// Gives a String as its only result.
    pub fn give_string(&mut self, text: &str) -> Result<(), Trapped> {
        self.vm.fuel -= (text.len() / 16) as i64;
        let object = self.vm.new_string(text)?;
        match self.results {
            [Reg::R(result)] => self.vm.set_r(*result, object),
            other => panic!("a String is one register, not {}", other.len()),
        }
        Ok(())
    }
}

/// A call of an outside native.
pub struct OutsideCall<'a> {
    pub args: Vec<Value>,
    pub(crate) waiting: &'a mut (dyn Waiting + 'a),
    pub(crate) linked: &'a Linked,
    /// Why a wait was cancelled: whatever the body makes of it, its frame ends so.
    pub(crate) exit: Option<Exit>,
    pub(crate) text: Option<Filled>,
}

/// A String that is made in the heap: which of the temporary roots it is, how many bytes of it are filled, and whether all
/// of them are ASCII.
pub(crate) struct Filled {
    text: usize,
    bytes: usize,
    is_ascii: bool,
}

impl OutsideCall<'_> {
    /// Suspends the fiber until `future` is ready; other fibers and tasks go on meanwhile.
    pub fn wait<T: 'static>(&mut self, future: impl Future<Output = T> + 'static) -> Result<T, Failure> {
        if self.exit.is_some() {
            return Err(Failure::Cancelled);
        }
        let slot = Slot::new();
        match self.waiting.wait(slot.filled_by(future)) {
            Ok(()) => slot.take().ok_or(Failure::Cancelled),
            Err(exit) => {
                self.exit = Some(exit);
                Err(Failure::Cancelled)
            }
        }
    }

    pub(crate) fn vm(&self) -> &Vm {
        self.waiting.vm_ref()
    }

    /// Asked, as it grows, of what is made outside the heap for it: an error is the task's limit.
    pub(crate) fn make_room(&mut self, bytes: usize) -> Result<(), Trapped> {
        if !self.vm().has_room_beside(bytes) {
            self.collect();
            if !self.vm().has_room_beside(bytes) {
                return Err(self.vm().out_of_memory());
            }
        }
        Ok(())
    }

    /// Gives back what objects hold outside that the program cannot reach any more: descriptors, above all.
    pub fn collect(&mut self) {
        self.waiting.vm_mut().collect_now();
    }

    /// Begins a String of so many bytes in the heap, one a call; false where the task's memory has no room for it. It counts
    /// from now on, and the program sees it when it has ended.
    #[must_use]
    pub fn begin_text(&mut self, bytes: usize) -> bool {
        let vm = self.waiting.vm_mut();
        if vm.check_size(bytes).and_then(|()| vm.reserve(string_words(bytes))).is_err() {
            return false;
        }
        let text = vm.heap.new_text(bytes, 0);
        vm.stack.temps.push(text);
        self.text = Some(Filled { text: vm.stack.temps.len() - 1, bytes: 0, is_ascii: true });
        true
    }

    /// Fills the next bytes of that String.
    pub fn fill_text(&mut self, bytes: &[u8]) {
        let filled = self.text.as_mut().expect("a text is begun before it is filled");
        let vm = self.waiting.vm_mut();
        vm.heap.fill_bytes(vm.stack.temps[filled.text], filled.bytes, bytes);
        filled.bytes += bytes.len();
        filled.is_ascii &= bytes.is_ascii();
    }

    /// Ends that String behind what was filled. What is not UTF-8 becomes U+FFFD.
    pub fn end_text(&mut self) -> Value {
        let filled = self.text.take().expect("a text is begun before it ends");
        let vm = self.waiting.vm_mut();
        match vm.heap.end_text(vm.stack.temps[filled.text], filled.bytes, filled.is_ascii) {
            Ok(()) => Value::Made,
            Err(other) => Value::String(other),
        }
    }

    /// The embedder's own state of this task, as given to `Task::new`.
    pub fn host<H: 'static>(&self) -> &H {
        self.waiting.vm_ref().data.downcast_ref().expect("the embedder's natives know the embedder's state")
    }

    /// The type arguments of this native instance.
    pub fn type_args(&self) -> &[TypeId] {
        &self.linked.type_args
    }

    /// The script of this name that the program embeds.
    pub fn script(&self, name: &str) -> Option<&Script> {
        self.waiting.vm_ref().program.image().scripts.iter().find(|script| script.name == name)
    }

    /// The fields of a record type, in order.
    pub fn record_fields(&self, ty: TypeId) -> Vec<RecordField> {
        let program = &self.waiting.vm_ref().program;
        let (Type::Record(of) | Type::Class(of)) = program.ty(ty) else { return Vec::new() };
        let field = |(index, field): (usize, &Field)| RecordField {
            name: field.name.clone(),
            ty: program.type_name(field.ty),
            has_default: program.image().default_of(ty, index).is_some(),
        };
        of.fields.iter().enumerate().map(field).collect()
    }

    /// `Err` with code `denied` unless the image declares a capability that covers this one, the policy of the run
    /// allows it, and the function that calls says nothing else of itself. Every native that reaches outside calls
    /// this before it does.
    pub fn require(&self, capability: &str) -> Result<(), ErrorValue> {
        self.require_with(capability, self.waiting.vm_ref().needs())
    }

    /// As `require`, for what was opened before: whoever opened it has answered for it.
    pub fn require_held(&self, capability: &str) -> Result<(), ErrorValue> {
        self.require_with(capability, None)
    }

    /// Whether the program names this very capability, not one that covers it among others.
    pub fn names(&self, capability: &Capability) -> bool {
        let vm = self.waiting.vm_ref();
        vm.capabilities.contains(capability) && vm.needs().is_none_or(|needs| needs.contains(capability))
    }

    fn require_with(&self, capability: &str, needs: Option<&[Capability]>) -> Result<(), ErrorValue> {
        let vm = self.waiting.vm_ref();
        let refused = |why: &str| ErrorValue {
            code: "denied".into(),
            message: format!("{why} {capability}"),
            fault: vec![Fault::User],
            cause: None,
            data: Vec::new(),
        };
        let Ok(wanted) = Capability::parse(capability) else {
            return Err(refused("not a capability:"));
        };
        if !vm.capabilities.iter().any(|declared| declared.covers(&wanted)) {
            return Err(refused("the program does not declare"));
        }
        if needs.is_some_and(|needs| !needs.iter().any(|bound| bound.covers(&wanted))) {
            return Err(refused("the `@Needs` of the function that asks leaves out"));
        }
        if !(vm.allow)(capability) {
            return Err(refused("the policy of this run does not allow"));
        }
        Ok(())
    }

    /// The `within` regions the calling fiber is in, outermost first; see `Host::region_cancelled`.
    pub fn regions(&self) -> Vec<u64> {
        self.waiting.vm_ref().regions()
    }

    pub fn string(&self, arg: usize) -> &str {
        match &self.args[arg] {
            Value::String(text) => text,
            other => panic!("argument {arg} is {other:?}, not a String"),
        }
    }

    pub fn int(&self, arg: usize) -> i64 {
        match self.args[arg] {
            Value::Int(n) | Value::Duration(n) | Value::Time(n) => n,
            ref other => panic!("argument {arg} is {other:?}, not an int"),
        }
    }

    pub fn handle<R: 'static>(&self, arg: usize) -> &R {
        match &self.args[arg] {
            Value::Handle(handle) => handle.as_any().downcast_ref().expect("a handle of the declared type"),
            other => panic!("argument {arg} is {other:?}, not a handle"),
        }
    }
}

/// A field of a record that a native makes.
pub struct RecordField {
    pub name: String,
    /// As D-Script writes it: `int`, `String?`.
    pub ty: String,
    /// A record without the field takes what its declaration gives.
    pub has_default: bool,
}

/// All natives an engine knows.
#[derive(Default)]
pub struct Registry {
    by_name: FxHashMap<&'static str, &'static NativeDef>,
}

impl Registry {
    /// The pure natives of this crate.
    pub fn pure() -> Self {
        let mut registry = Self::default();
        crate::natives::add_all(&mut registry);
        registry
    }

    /// Adds natives; a name given before is replaced.
    pub fn add(&mut self, defs: &'static [NativeDef]) {
        self.by_name.extend(defs.iter().map(|def| (def.name, def)));
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'static NativeDef> {
        self.by_name.get(name).copied()
    }

    /// Every native, by name.
    pub fn defs(&self) -> Vec<&'static NativeDef> {
        let mut all: Vec<_> = self.by_name.values().copied().collect();
        all.sort_by_key(|def| def.name);
        all
    }
}
