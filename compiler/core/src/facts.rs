//! What the checker found out about one module's tree: side tables keyed by node id, read by lowering.

use crate::defs::{ConstId, FnId, Intrinsic, ScenarioId, TaskId, TypeDefId};
use crate::types::Ty;
use dscript_grammar::span::{NodeId, Span};
use rustc_hash::{FxHashMap, FxHashSet};

/// What a name or member expression stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Res {
    None,
    /// A parameter or local variable, by its declaration.
    Local(NodeId),
    /// A field of the receiver, or of `this` for a bare name.
    Field(u32),
    Const(ConstId),
    /// A constant of an enum.
    EnumConst(TypeDefId, u32),
    /// A function as a value.
    Fn(FnId),
    /// The name of a type, as receiver of a static member.
    Type(TypeDefId),
}

#[derive(Clone, Debug)]
pub enum Target {
    /// A function without an object.
    Fn(FnId),
    /// A method; the receiver is the callee's, or `this` for a bare name.
    Method(FnId),
    /// A function value: the callee itself.
    Value,
    Intrinsic(Intrinsic, FnId),
    /// What every enum has.
    Enum(EnumMember, TypeDefId),
    /// `r.with(x: 1)`: a copy of a record; the parameters are its components.
    With,
    /// `x.toString()` where the type has none of its own: its text.
    Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnumMember {
    Ordinal,
    Name,
    Values,
    Parse,
}

impl EnumMember {
    pub const ALL: [EnumMember; 4] =
        [EnumMember::Ordinal, EnumMember::Name, EnumMember::Values, EnumMember::Parse];

    pub fn word(self) -> &'static str {
        match self {
            EnumMember::Ordinal => "ordinal",
            EnumMember::Name => "name",
            EnumMember::Values => "values",
            EnumMember::Parse => "parse",
        }
    }

    /// Called on the type, not on a value of it.
    pub fn is_static(self) -> bool {
        matches!(self, EnumMember::Values | EnumMember::Parse)
    }
}

/// Where a parameter's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgSource {
    /// The argument at this place of the call.
    Given(u32),
    Default,
}

#[derive(Clone, Debug)]
pub struct CallFact {
    pub target: Target,
    /// For the target's type parameters, its owner's first.
    pub type_args: Vec<Ty>,
    /// The types of the parameters, and where each comes from.
    pub params: Vec<(Ty, ArgSource)>,
}

/// What a `given` or `verify` speaks of.
#[derive(Clone, Debug)]
pub struct StandInFact {
    pub replaced: Replaced,
    /// For each written argument the parameter that must equal it; `None` for `_`.
    pub places: Vec<Option<usize>>,
    /// Of the one instance that it speaks of; empty where it speaks of all.
    pub type_args: Vec<Ty>,
    /// Whether the object must equal the one that is written before the method.
    pub of_object: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    Fn(FnId),
    /// A Command by its program and arguments: run to its end, started, or both.
    Command {
        made: Made,
        run: bool,
        start: bool,
    },
}

/// How a Command comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// `new Command(...)`
    Program,
    /// `Command.script(...)`
    Script,
    Either,
}

/// A task with its arguments: `run(task(...))` in a test, a step of a scenario.
#[derive(Clone, Debug)]
pub struct RunFact {
    pub task: TaskId,
    pub params: Vec<(Ty, ArgSource)>,
}

/// A scenario with its arguments: `run(scenario NAME(...))` in a test.
#[derive(Clone, Debug)]
pub struct ScenarioFact {
    pub scenario: ScenarioId,
    pub params: Vec<(Ty, ArgSource)>,
}

#[derive(Clone, Debug)]
pub struct LambdaFact {
    pub params: Vec<Ty>,
    pub ret: Ty,
    /// Locals of the enclosing bodies that it uses, in the order of their first use, and `this`.
    pub captures: Vec<NodeId>,
    pub captures_this: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The type of each expression, as narrowed there.
    pub types: Vec<Ty>,
    pub res: Vec<Res>,
    pub calls: FxHashMap<NodeId, CallFact>,
    /// What was to be called where the call cannot be made: nothing is lowered of it, but editors help with it.
    pub meant: FxHashMap<NodeId, FnId>,
    /// The type arguments of generic functions that are used as values.
    pub fn_values: FxHashMap<NodeId, Vec<Ty>>,
    /// What each pattern of a switch or `instanceof` tests, by its node.
    pub patterns: FxHashMap<NodeId, Ty>,
    /// Switches that cover every case, by their subject's node.
    pub exhaustive: FxHashSet<NodeId>,
    /// The declared or inferred type of each local, by its declaration.
    pub locals: FxHashMap<NodeId, Ty>,
    pub lambdas: FxHashMap<NodeId, LambdaFact>,
    /// The type a type expression names, where lowering needs it (`new`, casts, `T.class`).
    pub type_exprs: FxHashMap<NodeId, Ty>,
    /// Of `given` and `verify` statements.
    pub stand_ins: FxHashMap<NodeId, StandInFact>,
    /// Of calls of `run` with a scenario.
    pub scenarios: FxHashMap<NodeId, ScenarioFact>,
    /// Of calls of `run` with a task, and of the steps of scenarios by their clause.
    pub runs: FxHashMap<NodeId, RunFact>,
    /// Of `verify T(...)` in steps of scenarios, by the clause.
    pub verified: FxHashMap<NodeId, RunFact>,
    /// Of generic functions, what their bodies drop: of which type, and where.
    pub overlooked: FxHashMap<FnId, Vec<(Ty, Span)>>,
    /// The script that an expression names: a row of the program's scripts.
    pub scripts: FxHashMap<NodeId, usize>,
}

impl Facts {
    pub fn new(node_count: u32) -> Self {
        Self {
            types: vec![Ty::POISON; node_count as usize],
            res: vec![Res::None; node_count as usize],
            ..Self::default()
        }
    }

    pub fn ty(&self, id: NodeId) -> Ty {
        self.types[id.0 as usize]
    }

    pub fn res(&self, id: NodeId) -> Res {
        self.res[id.0 as usize]
    }
}
