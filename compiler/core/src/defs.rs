//! What modules declare: functions, types, constants and tasks, with their signatures once resolved.

use crate::types::Ty;
use dscript_grammar::ast;
use dscript_grammar::span::{FileId, NodeId, Span, Symbol};
use rustc_hash::{FxHashMap, FxHashSet};
use std::cell::Cell;

macro_rules! ids {
    ($($name:ident),*) => {$(
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);

        impl $name {
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

ids!(ModuleId, FnId, TypeDefId, ConstId, TaskId, ScenarioId, TestId, TypeParamId);

/// A module with its tree and the names it declares.
pub struct Module<'a> {
    pub file: FileId,
    /// `care.checks`; std's begin with `std.`.
    pub path: String,
    pub is_std: bool,
    pub ast: &'a ast::Module,
    /// Where the text could not be read.
    pub broken: &'a [Span],
    pub names: FxHashMap<Symbol, Def>,
    /// Single imports: name to its declaration.
    pub imported: FxHashMap<Symbol, Def>,
    /// Modules imported with `.*`.
    pub globs: Vec<ModuleId>,
    /// Names that an import or a declaration was to bring, and a mistake there keeps from being known.
    pub lost: FxHashSet<Symbol>,
    /// As many names as there may be are lost.
    pub lacks_names: bool,
    /// Its top-level statements are a program.
    pub is_root: bool,
    /// Whether something that was said, or was not, depends on what is lost.
    pub doubted: Cell<bool>,
}

impl Module<'_> {
    /// Whether something within the span could not be read.
    pub fn is_broken(&self, span: Span) -> bool {
        self.broken.iter().any(|b| span.start <= b.start && b.end <= span.end)
    }

    /// Whether a mistake elsewhere is why the name is unknown; `is_slip` where it is near to a known one.
    pub fn is_lost(&self, name: Symbol, is_slip: bool) -> bool {
        self.doubted.set(true);
        self.lost.contains(&name) || self.lacks_names && !is_slip
    }
}

/// A declared thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Def {
    Fn(FnId),
    Type(TypeDefId),
    Const(ConstId),
    Task(TaskId),
    Scenario(ScenarioId),
}

/// Built-in functions whose signature cannot say what they take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intrinsic {
    Print,
    IsError,
    Ignore,
    /// `Math.max`, `Math.min`, `Math.abs`, `Math.clamp`: over int or over double, by the native `NAMEInt` or `NAMEDouble`.
    IntOrDouble,
    /// `String.format`: a constant pattern, and arguments that fit it.
    Format,
    /// `new Command(...)`: any number of arguments, turned to text, lists spread.
    NewCommand,
    /// `Command.script(...)`: a constant name, and arguments as of a Command.
    Script,
    /// `run(task(...))` in a test.
    Run,
}

pub struct FnDef<'a> {
    pub module: ModuleId,
    pub name: Symbol,
    pub span: Span,
    pub owner: Option<TypeDefId>,
    /// Takes an object.
    pub is_method: bool,
    pub is_private: bool,
    pub is_lowlevel: bool,
    pub is_native: bool,
    pub intrinsic: Option<Intrinsic>,
    /// The patterns of `@Needs`, where there is one.
    pub needs: Option<Vec<String>>,
    /// The owner's, then its own.
    pub type_params: Vec<TypeParamId>,
    pub params: Vec<ParamSig<'a>>,
    pub ret: Ty,
    pub body: Body<'a>,
    /// Type parameters that need a natural order, and those that must be numbers or Durations: in std alone.
    pub ordered: Option<(TypeParamId, Order)>,
    /// Where `@Override` stands, if it does.
    pub overrides: Option<Span>,
    /// A mistake hides its parameters: calls are not compared with them.
    pub is_doubtful: bool,
}

/// What a function of std asks of a type parameter that an interface cannot say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `@Ordered(T)`: numbers, texts, booleans, Durations, Times, enums.
    Natural,
    /// `@Numeric(T)`: numbers and Durations.
    Numeric,
    /// `@Comparable(T)`: what `==` compares.
    Equality,
}

impl FnDef<'_> {
    /// A method of an interface without a body.
    pub fn is_abstract(&self) -> bool {
        matches!(self.body, Body::None) && !self.is_native
    }
}

#[derive(Clone, Copy)]
pub enum Body<'a> {
    /// Native.
    None,
    Block(&'a ast::Block),
    /// A class's constructor.
    Constructor(&'a ast::Block),
    /// A constructor that takes a record's components, after its compact constructor where it has one.
    Record(Option<&'a ast::Block>),
}

pub struct ParamSig<'a> {
    pub node: NodeId,
    pub name: Symbol,
    pub span: Span,
    pub ty: Ty,
    pub default: Option<&'a ast::Expr>,
    pub is_final: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeKind {
    Record,
    Class,
    Enum,
    Interface,
    /// Declared `native class` in std; the engine knows its objects.
    Native,
}

pub struct TypeDef<'a> {
    pub module: ModuleId,
    pub name: Symbol,
    pub span: Span,
    pub kind: TypeKind,
    pub is_private: bool,
    pub type_params: Vec<TypeParamId>,
    pub fields: Vec<FieldSig<'a>>,
    pub methods: FxHashMap<Symbol, FnId>,
    pub consts: FxHashMap<Symbol, ConstId>,
    pub constructor: Option<FnId>,
    pub constants: Vec<(Symbol, Span)>,
    /// Where each constant stands among them.
    pub constant_places: FxHashMap<Symbol, u32>,
    /// The interfaces that it implements or, for an interface, extends; in terms of its type parameters. `Poison`
    /// for one that a mistake hides.
    pub supers: Vec<Ty>,
    /// Whether a `permits` is written.
    pub permits_written: bool,
    /// For a sealed interface, the types that may implement it.
    pub permits: Option<Vec<TypeDefId>>,
    /// The constants of an enum as they are written, with the arguments of their constructor.
    pub constant_trees: &'a [ast::EnumConstant],
    /// Members that were refused: nobody is told that there are none.
    pub lost: FxHashSet<Symbol>,
}

pub struct FieldSig<'a> {
    pub name: Symbol,
    pub span: Span,
    pub ty: Ty,
    pub is_final: bool,
    pub is_private: bool,
    pub init: Option<&'a ast::Expr>,
}

/// `static final T NAME = e;` of a module or a type.
pub struct ConstDef<'a> {
    pub module: ModuleId,
    pub owner: Option<TypeDefId>,
    pub name: Symbol,
    pub span: Span,
    pub is_private: bool,
    /// What is not was refused where it is declared.
    pub is_final: bool,
    pub ty: Ty,
    pub init: Option<&'a ast::Expr>,
}

pub struct TaskDef<'a> {
    pub module: ModuleId,
    /// As the image names it.
    pub name: String,
    pub span: Span,
    pub is_private: bool,
    pub role: Option<ast::Role>,
    pub params: Vec<ParamSig<'a>>,
    pub body: TaskBody<'a>,
    pub undo: Option<&'a ast::Block>,
    /// The patterns of `@Needs`, where there is one.
    pub needs: Option<Vec<String>>,
    pub dcase: Option<String>,
    pub doc: Option<String>,
}

#[derive(Clone, Copy)]
pub enum TaskBody<'a> {
    Block(&'a ast::Block),
    Script(&'a [ast::Stmt]),
}

pub struct ScenarioDef<'a> {
    pub module: ModuleId,
    pub name: String,
    pub span: Span,
    pub params: Vec<ParamSig<'a>>,
    /// Its id stands for the variable `node`.
    pub item: &'a ast::Item,
    pub tree: &'a ast::Scenario,
    pub dcase: Option<String>,
    pub doc: Option<String>,
}

pub struct TestDef<'a> {
    pub module: ModuleId,
    pub name: String,
    pub span: Span,
    pub body: &'a ast::Block,
}

pub struct TypeParamDef {
    pub name: Symbol,
    /// The interfaces its arguments must implement; `Poison` for one that a mistake hides.
    pub bounds: Vec<Ty>,
}

/// Every declaration of a compilation, by id.
#[derive(Default)]
pub struct Defs<'a> {
    pub modules: Vec<Module<'a>>,
    pub fns: Vec<FnDef<'a>>,
    pub types: Vec<TypeDef<'a>>,
    pub consts: Vec<ConstDef<'a>>,
    pub tasks: Vec<TaskDef<'a>>,
    pub scenarios: Vec<ScenarioDef<'a>>,
    pub tests: Vec<TestDef<'a>>,
    pub type_params: Vec<TypeParamDef>,
    pub known: Known,
}

/// The types of std that the compiler itself has to do with.
#[derive(Default)]
pub struct Known {
    pub string: Option<TypeDefId>,
    pub bytes: Option<TypeDefId>,
    pub list: Option<TypeDefId>,
    pub map: Option<TypeDefId>,
    pub set: Option<TypeDefId>,
    pub entry: Option<TypeDefId>,
    pub error: Option<TypeDefId>,
    pub subprocess: Option<TypeDefId>,
    pub command: Option<TypeDefId>,
    pub int: Option<TypeDefId>,
    pub double: Option<TypeDefId>,
    pub boolean: Option<TypeDefId>,
    pub duration: Option<TypeDefId>,
    pub time: Option<TypeDefId>,
    /// The name of the method that gives an object's text.
    pub to_string: Option<Symbol>,
}

impl Defs<'_> {
    /// The `toString()` that a type has of its own.
    pub fn own_text(&self, ty: TypeDefId) -> Option<FnId> {
        let method = *self.types[ty.index()].methods.get(&self.known.to_string?)?;
        let sig = &self.fns[method.index()];
        (sig.is_method && sig.params.is_empty() && !sig.is_lowlevel).then_some(method)
    }
}

impl Known {
    /// The declaration of std that holds the members of a type which is none itself.
    pub fn simple(&self, ty: Ty) -> Option<TypeDefId> {
        match ty {
            Ty::INT => self.int,
            Ty::DOUBLE => self.double,
            Ty::BOOL => self.boolean,
            Ty::DURATION => self.duration,
            Ty::TIME => self.time,
            _ => None,
        }
    }
}
