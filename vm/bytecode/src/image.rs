//! A program image as data: what the compiler builds, the file holds, and engines load.
//!
//! Registers of a value of a type (`registers`): a scalar type is one scalar register, a reference type one
//! reference register; `T?` of a scalar is a boolean flag and the value, of a reference one nullable register;
//! `T!` is the registers of `T`, references among them nullable, and one nullable `Error` register; `void`
//! is none. Parameters, results, locals, fields and captured variables are held so.
//! Elements of collections and values of a native's type parameters are one register (`element`): where
//! `registers` says more, a box, which is a struct type `T?` or `T!` with those registers as slots.

use crate::ids::*;
use crate::instr::Instr;
use crate::scenario::Scenario;
use serde::{Deserialize, Serialize};

/// The whole program.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Image {
    pub manifest: Manifest,
    pub types: Vec<Type>,
    pub constants: Vec<Constant>,
    pub natives: Vec<NativeInstance>,
    pub statics: Vec<Static>,
    pub functions: Vec<Function>,
    /// Files embedded by `Command.script`.
    pub scripts: Vec<Script>,
    /// Defaults of the components of records that natives read or operators give, in order of type and field.
    pub defaults: Vec<FieldDefault>,
    /// The arithmetic of Durations and Times, in order of function and instruction.
    pub times: Vec<TimeArithmetic>,
    /// Over the content hash; more may be added without changing the program.
    pub signatures: Vec<Signature>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The module's name: its file name without `.ds`.
    pub name: String,
    pub tasks: Vec<Task>,
    /// Sorted, without repetition; see `capability`.
    pub capabilities: Vec<String>,
    /// User-visible Low-Level Scripts the program reaches, by qualified name, sorted.
    pub lowlevel: Vec<String>,
    pub sources: Vec<Source>,
    /// The type of `Error`, where the program uses it.
    pub error_type: Option<TypeId>,
    pub scenarios: Vec<Scenario>,
    /// In order of the functions, each once.
    pub needs: Vec<Needs>,
}

/// What the code of one function may ask for, whatever else the program declares: `@Needs` says it, for the lambdas
/// in it too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Needs {
    pub function: FunctionId,
    /// As `Manifest::capabilities`.
    pub capabilities: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    pub name: String,
    /// The task of a file with top-level statements.
    pub script: bool,
    pub role: Option<Role>,
    pub params: Vec<TaskParam>,
    /// Takes the parameters, returns `boolean!`.
    pub function: FunctionId,
    /// Takes the parameters, returns `void!`.
    pub undo: Option<FunctionId>,
    /// `@DCase("...")`
    pub dcase: Option<String>,
    pub doc: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskParam {
    pub name: String,
    pub ty: TypeId,
    /// Takes the parameters before this one, returns its value.
    pub default: Option<FunctionId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    Monitor,
    Analyze,
    Recover,
    Respond,
}

/// A source file as positions name it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Relative to the source root, with `/`; library files begin with `std/`.
    pub path: String,
    /// BLAKE3 of the text.
    pub hash: [u8; 32],
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Type {
    Void,
    Int,
    Double,
    Bool,
    Duration,
    Time,
    String,
    Bytes,
    List(TypeId),
    Map(TypeId, TypeId),
    Set(TypeId),
    /// `T?`; as a struct type, the box of it.
    Nullable(TypeId),
    /// `T!`; as a struct type, the box of it.
    Fallible(TypeId),
    Function {
        params: Vec<TypeId>,
        ret: TypeId,
    },
    /// The object of a lambda: of function type `ty`, its code takes the object itself as first reference.
    Closure {
        ty: TypeId,
        code: FunctionId,
        captured: Vec<TypeId>,
    },
    Record(Struct),
    Class(Struct),
    Enum {
        name: String,
        constants: Vec<String>,
    },
    Interface {
        name: String,
        methods: Vec<InterfaceMethod>,
    },
    /// A native type whose objects stand for something outside, such as `Subprocess`.
    Handle(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Struct {
    /// With type arguments where it is generic: `Pair<int, String>`.
    pub name: String,
    pub fields: Vec<Field>,
    pub implements: Vec<Implementation>,
    /// `String toString()`, where the type has its own.
    pub to_string: Option<FunctionId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Field {
    pub name: String,
    pub ty: TypeId,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InterfaceMethod {
    pub name: String,
    /// Without the object itself.
    pub params: Vec<TypeId>,
    pub ret: TypeId,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Implementation {
    pub interface: TypeId,
    /// One for each method of the interface, in its order; takes the object as first parameter.
    pub methods: Vec<FunctionId>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Constant {
    String(String),
    Bytes(Vec<u8>),
}

/// What a scalar register holds; `Duration`, `Time`, enums and code points are ints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ScalarKind {
    Int,
    Double,
    Bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RefType {
    pub ty: TypeId,
    pub nullable: bool,
}

/// The declared type of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RegType {
    Scalar(ScalarKind),
    Ref(RefType),
}

/// A native body with its type arguments. An engine finds the body by name, instantiates the signature it was
/// registered with, and refuses the image unless `params` and `results` are just what comes out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NativeInstance {
    /// `System.startDVMStat`, `List.add`, `print`.
    pub name: String,
    pub type_args: Vec<TypeId>,
    pub params: Vec<RegType>,
    pub results: Vec<RegType>,
}

/// A module constant that is computed at first use in each run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Static {
    pub ty: TypeId,
    /// Takes nothing, returns the value.
    pub init: FunctionId,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// As call stacks show it.
    pub name: String,
    /// The first registers, counted in each bank.
    pub params: Vec<RegType>,
    pub results: Vec<RegType>,
    /// Every register of the frame, parameters included.
    pub scalars: Vec<ScalarKind>,
    pub refs: Vec<RefType>,
    pub code: Vec<Instr>,
    /// Every jump target, in order.
    pub heads: Vec<Head>,
    /// In order of `at`: from that instruction on, the place in the source.
    pub lines: Vec<Line>,
}

/// A jump target with the registers that are live and initialised there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    pub at: Label,
    pub scalars: Vec<S>,
    pub refs: Vec<R>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    pub at: u32,
    /// A row of `Manifest::sources`.
    pub source: u32,
    /// From 1; columns count code points.
    pub line: u32,
    pub column: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Script {
    pub name: String,
    pub bytes: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signature {
    /// What made it, such as `ed25519`.
    pub scheme: String,
    pub key: Vec<u8>,
    pub bytes: Vec<u8>,
}

/// What a component has in a record that is read without it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldDefault {
    pub ty: TypeId,
    pub field: u32,
    /// Takes the fields before this one, returns its value.
    pub function: FunctionId,
}

/// An instruction whose operands are not all plain ints, as registers have them: what a trap of it shows depends on that.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimeArithmetic {
    pub function: FunctionId,
    pub at: u32,
    pub operands: TimeOperands,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimeOperands {
    /// Also one that is negated.
    Durations,
    DurationInt,
    TimeDuration,
    Times,
}

impl Image {
    /// What an instruction's operands are, where they are Durations or Times.
    pub fn time_operands(&self, function: FunctionId, at: u32) -> Option<TimeOperands> {
        let place = |row: &TimeArithmetic| (row.function, row.at);
        let found = self.times.binary_search_by_key(&(function, at), place);
        found.ok().map(|row| self.times[row].operands)
    }

    pub fn default_of(&self, ty: TypeId, field: usize) -> Option<FunctionId> {
        let place = |row: &FieldDefault| (row.ty.index(), row.field as usize);
        let found = self.defaults.binary_search_by_key(&(ty.index(), field), place);
        found.ok().map(|row| self.defaults[row].function)
    }
}

/// The registers of a value of type `ty`, as parameters, results, locals, fields and captures hold it.
/// `None` where an id is outside the table or a type has no registers (`T!!`, nested too deep).
pub fn registers(types: &[Type], error: Option<TypeId>, ty: TypeId) -> Option<Vec<RegType>> {
    let scalar = |kind| Some(vec![RegType::Scalar(kind)]);
    match types.get(ty.index())? {
        Type::Void => Some(vec![]),
        Type::Int | Type::Duration | Type::Time | Type::Enum { .. } => scalar(ScalarKind::Int),
        Type::Double => scalar(ScalarKind::Double),
        Type::Bool => scalar(ScalarKind::Bool),
        Type::Nullable(inner) => match types.get(inner.index())? {
            Type::Void | Type::Nullable(_) | Type::Fallible(_) => None,
            _ => match registers(types, error, *inner)?[..] {
                [RegType::Ref(r)] => Some(vec![RegType::Ref(RefType { nullable: true, ..r })]),
                [value] => Some(vec![RegType::Scalar(ScalarKind::Bool), value]),
                _ => None,
            },
        },
        Type::Fallible(inner) => {
            if matches!(types.get(inner.index())?, Type::Fallible(_)) {
                return None;
            }
            let mut all = registers(types, error, *inner)?;
            for reg in &mut all {
                if let RegType::Ref(r) = reg {
                    r.nullable = true;
                }
            }
            all.push(RegType::Ref(RefType { ty: error?, nullable: true }));
            Some(all)
        }
        _ => Some(vec![RegType::Ref(RefType { ty, nullable: false })]),
    }
}

/// The one register of an element of a collection, or of a value of a native's type parameter.
pub fn element(types: &[Type], error: Option<TypeId>, ty: TypeId) -> Option<RegType> {
    match registers(types, error, ty)?[..] {
        [] => None,
        // `void!` has one register, and yet an element of it is a box, as of every `T!`.
        [reg] if !matches!(types[ty.index()], Type::Fallible(_)) => Some(reg),
        _ => Some(RegType::Ref(RefType { ty, nullable: false })),
    }
}

/// The slots of an object of a struct type, in field order; `None` for other types.
pub fn slots(types: &[Type], error: Option<TypeId>, ty: TypeId) -> Option<Vec<RegType>> {
    let fields: Vec<TypeId> = match types.get(ty.index())? {
        Type::Record(s) | Type::Class(s) => s.fields.iter().map(|f| f.ty).collect(),
        Type::Closure { captured, .. } => captured.clone(),
        Type::Nullable(_) | Type::Fallible(_) => return registers(types, error, ty),
        _ => return None,
    };
    let mut all = Vec::new();
    for field in fields {
        all.extend(registers(types, error, field)?);
    }
    Some(all)
}
