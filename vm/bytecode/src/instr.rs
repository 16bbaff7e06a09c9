//! The instruction table: one row an instruction, from which the enum, encoder, decoder, operand visitor and
//! disassembler are expanded. Engines match on [`Instr`] without a wildcard, so a forgotten one does not compile.
//!
//! Instructions are a portable form, typed by the registers they name; an engine may translate and fuse them
//! when it loads an image. An operand's marker type says what it is and whether it is read or written.
//! A jump to the same or an earlier instruction, and every call, may interrupt the fiber.

use crate::codec::{DecodeError, Reader, Writer};
use crate::ids::*;
use crate::image::ScalarKind;
use crate::trap::TrapKind;

/// Sees each operand of an instruction in table order; reads come before writes where both name a register.
pub trait Visitor {
    fn use_scalar(&mut self, reg: S, kind: Option<ScalarKind>);
    fn use_ref(&mut self, reg: R);
    fn def_scalar(&mut self, reg: S, kind: Option<ScalarKind>);
    fn def_ref(&mut self, reg: R);
    fn label(&mut self, label: Label);
    fn type_id(&mut self, id: TypeId);
    fn const_id(&mut self, id: ConstId);
    fn function(&mut self, id: FunctionId);
    fn native(&mut self, id: NativeId);
    fn static_id(&mut self, id: StaticId);
    fn slot(&mut self, slot: Slot);
    fn method(&mut self, method: MethodId);
    fn int(&mut self, value: i64);
    fn double(&mut self, value: f64);
    fn bool(&mut self, value: bool);
    fn trap(&mut self, kind: TrapKind);
}

/// Takes other registers, or labels, for those of an instruction.
pub trait Renamer {
    fn use_scalar(&mut self, reg: &mut S);
    fn use_ref(&mut self, reg: &mut R);
    fn def_scalar(&mut self, reg: &mut S);
    fn def_ref(&mut self, reg: &mut R);
    fn label(&mut self, label: &mut Label) {
        let _ = label;
    }
}

/// What an operand is: its value's type and how it is written, read back and visited.
pub trait Operand {
    type Value: Clone + PartialEq + std::fmt::Debug;
    fn encode(value: &Self::Value, out: &mut Writer);
    fn decode(input: &mut Reader<'_>) -> Result<Self::Value, DecodeError>;
    fn visit<V: Visitor>(value: &Self::Value, visitor: &mut V);
    /// Only registers and labels are renamed.
    fn rename<N: Renamer>(value: &mut Self::Value, renamer: &mut N) {
        let _ = (value, renamer);
    }
}

macro_rules! operands {
    ($($(#[$doc:meta])* $name:ident: $value:ty, $write:ident, $read:ident,
        |$v:ident, $x:ident| $visit:expr $(, |$n:ident, $y:ident| $rename:expr)?;)*) => {$(
        $(#[$doc])*
        pub enum $name {}

        impl Operand for $name {
            type Value = $value;
            fn encode(value: &$value, out: &mut Writer) {
                out.$write(value);
            }
            fn decode(input: &mut Reader<'_>) -> Result<$value, DecodeError> {
                input.$read()
            }
            fn visit<V: Visitor>($x: &$value, $v: &mut V) {
                $visit;
            }
            $(fn rename<N: Renamer>($y: &mut $value, $n: &mut N) {
                $rename;
            })?
        }
    )*};
}

operands! {
    /// Reads a scalar register of the named kind; `InAny` takes its kind from context.
    InInt: S, scalar, scalar, |v, x| v.use_scalar(*x, Some(ScalarKind::Int)), |n, y| n.use_scalar(y);
    InDouble: S, scalar, scalar, |v, x| v.use_scalar(*x, Some(ScalarKind::Double)), |n, y| n.use_scalar(y);
    InBool: S, scalar, scalar, |v, x| v.use_scalar(*x, Some(ScalarKind::Bool)), |n, y| n.use_scalar(y);
    InAny: S, scalar, scalar, |v, x| v.use_scalar(*x, None), |n, y| n.use_scalar(y);
    InRef: R, reference, reference, |v, x| v.use_ref(*x), |n, y| n.use_ref(y);
    /// Writes a register.
    OutInt: S, scalar, scalar, |v, x| v.def_scalar(*x, Some(ScalarKind::Int)), |n, y| n.def_scalar(y);
    OutDouble: S, scalar, scalar, |v, x| v.def_scalar(*x, Some(ScalarKind::Double)), |n, y| n.def_scalar(y);
    OutBool: S, scalar, scalar, |v, x| v.def_scalar(*x, Some(ScalarKind::Bool)), |n, y| n.def_scalar(y);
    OutAny: S, scalar, scalar, |v, x| v.def_scalar(*x, None), |n, y| n.def_scalar(y);
    OutRef: R, reference, reference, |v, x| v.def_ref(*x), |n, y| n.def_ref(y);
    /// Registers of a call, in the order of the parameters or results.
    Ins: Box<[Reg]>, registers, registers, |v, x| for reg in x.iter() {
        match *reg {
            Reg::S(s) => v.use_scalar(s, None),
            Reg::R(r) => v.use_ref(r),
        }
    }, |n, y| for reg in y.iter_mut() {
        match reg {
            Reg::S(s) => n.use_scalar(s),
            Reg::R(r) => n.use_ref(r),
        }
    };
    Outs: Box<[Reg]>, registers, registers, |v, x| for reg in x.iter() {
        match *reg {
            Reg::S(s) => v.def_scalar(s, None),
            Reg::R(r) => v.def_ref(r),
        }
    }, |n, y| for reg in y.iter_mut() {
        match reg {
            Reg::S(s) => n.def_scalar(s),
            Reg::R(r) => n.def_ref(r),
        }
    };
    Target: Label, label, label, |v, x| v.label(*x), |n, y| n.label(y);
    Targets: Box<[Label]>, labels, labels, |v, x| for label in x.iter() {
        v.label(*label)
    }, |n, y| for label in y.iter_mut() {
        n.label(label)
    };
    Type: TypeId, type_id, type_id, |v, x| v.type_id(*x);
    Constant: ConstId, const_id, const_id, |v, x| v.const_id(*x);
    Function: FunctionId, function, function, |v, x| v.function(*x);
    Native: NativeId, native, native, |v, x| v.native(*x);
    Static: StaticId, static_id, static_id, |v, x| v.static_id(*x);
    Field: Slot, slot, slot, |v, x| v.slot(*x);
    Method: MethodId, method, method, |v, x| v.method(*x);
    ImmInt: i64, int, int, |v, x| v.int(*x);
    ImmDouble: f64, double, double, |v, x| v.double(*x);
    ImmBool: bool, bool, bool, |v, x| v.bool(*x);
    Kind: TrapKind, trap, trap, |v, x| v.trap(*x);
}

macro_rules! instructions {
    ($($(#[doc = $doc:literal])* $name:ident = $code:literal $mnemonic:literal { $($field:ident: $kind:ident),* $(,)? };)*) => {
        /// One instruction.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Instr {
            $($(#[doc = $doc])* $name { $($field: <$kind as Operand>::Value),* },)*
        }

        impl Instr {
            /// The name the disassembler prints.
            pub fn mnemonic(&self) -> &'static str {
                match self { $(Instr::$name { .. } => $mnemonic,)* }
            }

            pub fn encode(&self, out: &mut Writer) {
                match self {$(
                    Instr::$name { $($field),* } => {
                        out.opcode($code);
                        $(<$kind as Operand>::encode($field, out);)*
                    }
                )*}
            }

            pub fn decode(input: &mut Reader<'_>) -> Result<Instr, DecodeError> {
                match input.opcode()? {
                    $($code => Ok(Instr::$name { $($field: <$kind as Operand>::decode(input)?),* }),)*
                    code => Err(input.unknown_opcode(code)),
                }
            }

            /// Shows every operand to `visitor`, reads before writes.
            pub fn visit<V: Visitor>(&self, visitor: &mut V) {
                match self {$(
                    Instr::$name { $($field),* } => {
                        $(<$kind as Operand>::visit($field, visitor);)*
                        let _ = visitor;
                    }
                )*}
            }

            /// Lets `renamer` replace every register and label, reads before writes.
            pub fn rename<N: Renamer>(&mut self, renamer: &mut N) {
                match self {$(
                    Instr::$name { $($field),* } => {
                        $(<$kind as Operand>::rename($field, renamer);)*
                        let _ = renamer;
                    }
                )*}
            }
        }

        /// Mnemonic and meaning of every instruction, for the opcode manual.
        pub const MANUAL: &[(u8, &str, &str)] = &[$(($code, $mnemonic, concat!($($doc),*))),*];
    };
}

// Writes are the last fields of a row, so that visiting in field order shows reads first.
instructions! {
    // ---- moves and constants ----
    #[doc = "Copies a scalar register of the same kind."]
    MoveScalar = 0x01 "move.s" { src: InAny, dst: OutAny };
    #[doc = "Copies a reference; the type of `src` must be assignable to that of `dst`."]
    MoveRef = 0x02 "move.r" { src: InRef, dst: OutRef };
    #[doc = "Loads an int."]
    Int = 0x03 "int" { value: ImmInt, dst: OutInt };
    #[doc = "Loads a double."]
    Double = 0x04 "double" { value: ImmDouble, dst: OutDouble };
    #[doc = "Loads a boolean."]
    Bool = 0x05 "bool" { value: ImmBool, dst: OutBool };
    #[doc = "Loads null into a nullable register."]
    Null = 0x06 "null" { dst: OutRef };
    #[doc = "Loads a constant String or Bytes."]
    Const = 0x07 "const" { value: Constant, dst: OutRef };

    // ---- int; all trap on overflow ----
    #[doc = "a + b; traps on overflow."]
    AddInt = 0x10 "add.i" { a: InInt, b: InInt, dst: OutInt };
    #[doc = "a - b; traps on overflow."]
    SubInt = 0x11 "sub.i" { a: InInt, b: InInt, dst: OutInt };
    #[doc = "a * b; traps on overflow."]
    MulInt = 0x12 "mul.i" { a: InInt, b: InInt, dst: OutInt };
    #[doc = "a / b truncated; traps when b is 0 and on overflow."]
    DivInt = 0x13 "div.i" { a: InInt, b: InInt, dst: OutInt };
    #[doc = "a % b with the sign of a; traps when b is 0; min % -1 is 0."]
    RemInt = 0x14 "rem.i" { a: InInt, b: InInt, dst: OutInt };
    #[doc = "-a; traps on overflow."]
    NegInt = 0x15 "neg.i" { a: InInt, dst: OutInt };
    #[doc = "a + value; traps on overflow."]
    AddImm = 0x16 "add.imm" { a: InInt, value: ImmInt, dst: OutInt };
    #[doc = "a & b."]
    AndInt = 0x17 "and.i" { a: InInt, b: InInt, dst: OutInt };
    #[doc = "a | b."]
    OrInt = 0x18 "or.i" { a: InInt, b: InInt, dst: OutInt };
    #[doc = "a ^ b."]
    XorInt = 0x19 "xor.i" { a: InInt, b: InInt, dst: OutInt };
    #[doc = "~a."]
    NotInt = 0x1a "not.i" { a: InInt, dst: OutInt };
    #[doc = "a << b, dropping bits; traps when b is outside 0..63."]
    ShlInt = 0x1b "shl.i" { a: InInt, b: InInt, dst: OutInt };
    #[doc = "a >> b with sign; traps when b is outside 0..63."]
    ShrInt = 0x1c "shr.i" { a: InInt, b: InInt, dst: OutInt };
    #[doc = "a >>> b; traps when b is outside 0..63."]
    UShrInt = 0x1d "ushr.i" { a: InInt, b: InInt, dst: OutInt };

    // ---- double ----
    #[doc = "a + b."]
    AddDouble = 0x20 "add.d" { a: InDouble, b: InDouble, dst: OutDouble };
    #[doc = "a - b."]
    SubDouble = 0x21 "sub.d" { a: InDouble, b: InDouble, dst: OutDouble };
    #[doc = "a * b."]
    MulDouble = 0x22 "mul.d" { a: InDouble, b: InDouble, dst: OutDouble };
    #[doc = "a / b."]
    DivDouble = 0x23 "div.d" { a: InDouble, b: InDouble, dst: OutDouble };
    #[doc = "The remainder of a / b truncated, as Java's %."]
    RemDouble = 0x24 "rem.d" { a: InDouble, b: InDouble, dst: OutDouble };
    #[doc = "-a."]
    NegDouble = 0x25 "neg.d" { a: InDouble, dst: OutDouble };
    #[doc = "Widens an int."]
    IntToDouble = 0x26 "i2d" { a: InInt, dst: OutDouble };
    #[doc = "Truncates; traps when the result does not fit or a is NaN."]
    DoubleToInt = 0x27 "d2i" { a: InDouble, dst: OutInt };

    // ---- comparisons ----
    #[doc = "a == b."]
    EqInt = 0x30 "eq.i" { a: InInt, b: InInt, dst: OutBool };
    #[doc = "a < b."]
    LtInt = 0x31 "lt.i" { a: InInt, b: InInt, dst: OutBool };
    #[doc = "a <= b."]
    LeInt = 0x32 "le.i" { a: InInt, b: InInt, dst: OutBool };
    #[doc = "a == b, IEEE."]
    EqDouble = 0x33 "eq.d" { a: InDouble, b: InDouble, dst: OutBool };
    #[doc = "a < b, IEEE."]
    LtDouble = 0x34 "lt.d" { a: InDouble, b: InDouble, dst: OutBool };
    #[doc = "a <= b, IEEE."]
    LeDouble = 0x35 "le.d" { a: InDouble, b: InDouble, dst: OutBool };
    #[doc = "a == b."]
    EqBool = 0x36 "eq.b" { a: InBool, b: InBool, dst: OutBool };
    #[doc = "!a."]
    NotBool = 0x37 "not.b" { a: InBool, dst: OutBool };
    #[doc = "Whether both are the same object, or both null."]
    SameRef = 0x38 "same" { a: InRef, b: InRef, dst: OutBool };
    #[doc = "Whether a is null."]
    IsNull = 0x39 "is.null" { a: InRef, dst: OutBool };
    #[doc = "Equality by content, by the rules of type `ty`; either may be null where its register is nullable."]
    EqValue = 0x3a "eq.v" { a: InRef, b: InRef, ty: Type, dst: OutBool };

    // ---- jumps ----
    #[doc = "Goes to the target."]
    Jump = 0x40 "jump" { to: Target };
    #[doc = "Jumps when a is true."]
    If = 0x41 "if" { a: InBool, to: Target };
    #[doc = "Jumps when a is false."]
    IfNot = 0x42 "if.not" { a: InBool, to: Target };
    #[doc = "Jumps when a == b."]
    IfEqInt = 0x43 "if.eq.i" { a: InInt, b: InInt, to: Target };
    #[doc = "Jumps when a != b."]
    IfNeInt = 0x44 "if.ne.i" { a: InInt, b: InInt, to: Target };
    #[doc = "Jumps when a < b."]
    IfLtInt = 0x45 "if.lt.i" { a: InInt, b: InInt, to: Target };
    #[doc = "Jumps when a <= b."]
    IfLeInt = 0x46 "if.le.i" { a: InInt, b: InInt, to: Target };
    #[doc = "Jumps when a == b, IEEE."]
    IfEqDouble = 0x47 "if.eq.d" { a: InDouble, b: InDouble, to: Target };
    #[doc = "Jumps unless a == b, IEEE."]
    IfNeDouble = 0x48 "if.ne.d" { a: InDouble, b: InDouble, to: Target };
    #[doc = "Jumps when a < b, IEEE."]
    IfLtDouble = 0x49 "if.lt.d" { a: InDouble, b: InDouble, to: Target };
    #[doc = "Jumps when a <= b, IEEE."]
    IfLeDouble = 0x4a "if.le.d" { a: InDouble, b: InDouble, to: Target };
    #[doc = "Jumps unless a < b, IEEE."]
    IfNotLtDouble = 0x4b "if.nlt.d" { a: InDouble, b: InDouble, to: Target };
    #[doc = "Jumps unless a <= b, IEEE."]
    IfNotLeDouble = 0x4c "if.nle.d" { a: InDouble, b: InDouble, to: Target };
    #[doc = "Jumps when a is null."]
    IfNull = 0x4d "if.null" { a: InRef, to: Target };
    #[doc = "Jumps when a is not null."]
    IfNotNull = 0x4e "if.some" { a: InRef, to: Target };
    #[doc = "Jumps to targets[a - low], or to `default` when there is none."]
    Switch = 0x4f "switch" { a: InInt, low: ImmInt, targets: Targets, default: Target };

    // ---- objects ----
    #[doc = "Makes an object of a struct type (record, class, closure, box) from all its slots, in field order."]
    New = 0x50 "new" { ty: Type, slots: Ins, dst: OutRef };
    #[doc = "Reads a scalar slot; the type of `object` must be a struct type."]
    GetScalar = 0x51 "get.s" { object: InRef, slot: Field, dst: OutAny };
    #[doc = "Reads a reference slot."]
    GetRef = 0x52 "get.r" { object: InRef, slot: Field, dst: OutRef };
    #[doc = "Writes a scalar slot of a class object."]
    SetScalar = 0x53 "set.s" { object: InRef, slot: Field, src: InAny };
    #[doc = "Writes a reference slot of a class object."]
    SetRef = 0x54 "set.r" { object: InRef, slot: Field, src: InRef };
    #[doc = "Copies a nullable reference into a register that is not; the compiler has shown it is not null, so null is an internal trap."]
    Unwrap = 0x55 "unwrap" { src: InRef, dst: OutRef };
    #[doc = "Whether the object behind an interface or function reference is of type `ty`; false for null."]
    InstanceOf = 0x56 "instance.of" { src: InRef, ty: Type, dst: OutBool };
    #[doc = "Copies a reference to a register of the narrower type `ty`; another type is an internal trap."]
    Narrow = 0x57 "narrow" { src: InRef, ty: Type, dst: OutRef };

    // ---- collections and text ----
    #[doc = "Makes an empty list of type `ty` with room for `capacity` elements."]
    ListNew = 0x60 "list.new" { ty: Type, capacity: ImmInt, dst: OutRef };
    #[doc = "The number of elements."]
    ListSize = 0x61 "list.size" { list: InRef, dst: OutInt };
    #[doc = "list[index] where elements are scalars; traps outside."]
    ListGetScalar = 0x62 "list.get.s" { list: InRef, index: InInt, dst: OutAny };
    #[doc = "list[index] where elements are references; traps outside."]
    ListGetRef = 0x63 "list.get.r" { list: InRef, index: InInt, dst: OutRef };
    #[doc = "list[index] = src; traps outside."]
    ListSetScalar = 0x64 "list.set.s" { list: InRef, index: InInt, src: InAny };
    #[doc = "list[index] = src; traps outside."]
    ListSetRef = 0x65 "list.set.r" { list: InRef, index: InInt, src: InRef };
    #[doc = "Appends."]
    ListAddScalar = 0x66 "list.add.s" { list: InRef, src: InAny };
    #[doc = "Appends."]
    ListAddRef = 0x67 "list.add.r" { list: InRef, src: InRef };
    #[doc = "The count of structural changes of a list, map or set."]
    Version = 0x68 "version" { collection: InRef, dst: OutInt };
    #[doc = "Traps (changed while iterated) when the count of structural changes is not `version`."]
    CheckVersion = 0x69 "check.version" { collection: InRef, version: InInt };
    #[doc = "Joins Strings."]
    Concat = 0x6a "concat" { parts: Ins, dst: OutRef };
    #[doc = "The text of a scalar of type `ty`."]
    TextScalar = 0x6b "text.s" { src: InAny, ty: Type, dst: OutRef };
    #[doc = "The text of an object of type `ty`."]
    TextRef = 0x6c "text.r" { src: InRef, ty: Type, dst: OutRef };

    // ---- calls ----
    #[doc = "Calls a function."]
    Call = 0x70 "call" { function: Function, args: Ins, results: Outs };
    #[doc = "Calls a native instance."]
    CallNative = 0x71 "call.native" { native: Native, args: Ins, results: Outs };
    #[doc = "Calls a function value."]
    CallValue = 0x72 "call.value" { callee: InRef, args: Ins, results: Outs };
    #[doc = "Calls a method of interface `ty` on the object's own implementation; the object is the first parameter."]
    CallMethod = 0x73 "call.method" { object: InRef, ty: Type, method: Method, args: Ins, results: Outs };
    #[doc = "Returns the registers of the function's results."]
    Return = 0x74 "return" { values: Ins };
    #[doc = "Reads a static; the first read in a run calls its initializer."]
    GetStatic = 0x75 "get.static" { from: Static, results: Outs };
    #[doc = "Traps with a constant text."]
    Trap = 0x76 "trap" { kind: Kind, text: Constant };
    #[doc = "Traps with a String."]
    TrapText = 0x77 "trap.text" { kind: Kind, text: InRef };

    // ---- limits (`within`) ----
    #[doc = "Begins a region that is cancelled `limit` ns from now and then goes on at `to`."]
    LimitEnter = 0x78 "limit.enter" { limit: InInt, to: Target };
    #[doc = "Ends the innermost region of this frame."]
    LimitLeave = 0x79 "limit.leave" {};
}

impl Instr {
    /// Whether the next instruction is never reached from this one.
    pub fn ends_block(&self) -> bool {
        matches!(
            self,
            Instr::Jump { .. }
                | Instr::Switch { .. }
                | Instr::Return { .. }
                | Instr::Trap { .. }
                | Instr::TrapText { .. }
        )
    }
}
