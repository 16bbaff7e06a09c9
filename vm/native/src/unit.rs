//! What is compiled together, and what all functions of a program share: which may be native at all, and the tables
//! by which code finds a method, a closure's code or an interface's objects.

mod effects;

use std::sync::OnceLock;

use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{
    self, AbiParam, ExtFuncData, ExternalName, FuncRef, Signature, UserExternalName,
};
use cranelift_codegen::isa::{CallConv, TargetFrontendConfig};
use dscript_bytecode::ids::*;
use dscript_bytecode::image::{self, Function, Image, RegType, ScalarKind, Type};
use dscript_bytecode::instr::Instr;
use dscript_bytecode::limits::REGISTERS_MAX;
use dscript_interp::Program;
use dscript_interp::door::{self, NATIVE_REGISTERS, Quick};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::analysis::{Collects, Operands};
use crate::context::VALUES_MAX;
use crate::context::helper::{DOUBLES, EXECUTE_OFTEN, INTS, OF_DOUBLES, OF_INTS, PARAMS};
use crate::layout::Shape;
use crate::loops::Stores;
use crate::regions::Regions;
use crate::replaced::few_scalars;
use crate::short::ShortWays;
use crate::translate::{self, Start, is_short};

/// Instructions of the longest function that is compiled. What the code generator takes grows faster than the code: a
/// chain of so many links takes it two seconds, and one of ten thousand most of a minute and gigabytes.
const INSTRUCTIONS_MAX: usize = 4_000;

/// Functions that a call by an object's type is tried for one by one.
const FEW_CALLEES: usize = 4;

/// Elements that a list which is made by machine code has room for at most.
pub(crate) const LIST_MOST: i64 = 16;

/// A table by tag: of functions, or of 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Table {
    /// The code of the closures of a function type.
    Closures,
    /// A method of an interface.
    Method(TypeId, MethodId),
}

/// A native that is a few machine instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intrinsic {
    Sqrt,
    AbsDouble,
    AbsInt,
    /// A function of doubles that a helper does, by its number.
    OfDoubles(usize),
    /// The same of ints.
    OfInts(usize),
    /// What is left of a division where the quotient is rounded down.
    FloorMod,
    BitCount,
    LeadingZeros,
    TrailingZeros,
    RotateLeft,
    RotateRight,
    ToBits,
    FromBits,
    Add,
    Sub,
    Mul,
    Length,
    CharAt,
    BytesLength,
    BytesGet,
    /// Of those that store, only where there is room: the interpreter does the rest.
    Quick(Quick),
}

impl Intrinsic {
    pub fn of(program: &Program, native: NativeId) -> Option<Intrinsic> {
        Some(match program.image().natives[native.index()].name.as_str() {
            "Math.sqrt" => Intrinsic::Sqrt,
            "Math.absDouble" => Intrinsic::AbsDouble,
            "Math.absInt" => Intrinsic::AbsInt,
            "Math.floorMod" => Intrinsic::FloorMod,
            "Int.bitCount" => Intrinsic::BitCount,
            "Int.leadingZeros" => Intrinsic::LeadingZeros,
            "Int.trailingZeros" => Intrinsic::TrailingZeros,
            "Int.rotateLeft" => Intrinsic::RotateLeft,
            "Int.rotateRight" => Intrinsic::RotateRight,
            "Double.toBits" => Intrinsic::ToBits,
            "Double.fromBits" => Intrinsic::FromBits,
            "Int.wrappingAdd" => Intrinsic::Add,
            "Int.wrappingSub" => Intrinsic::Sub,
            "Int.wrappingMul" => Intrinsic::Mul,
            "String.length" => Intrinsic::Length,
            "String.charAt" => Intrinsic::CharAt,
            "Bytes.length" => Intrinsic::BytesLength,
            "Bytes.get" => Intrinsic::BytesGet,
            name => {
                let of = |names: &[&str]| names.iter().position(|known| *known == name);
                match (of(&OF_DOUBLES), of(&OF_INTS)) {
                    (Some(at), _) => Intrinsic::OfDoubles(DOUBLES + at),
                    (_, Some(at)) => Intrinsic::OfInts(INTS + at),
                    _ => return Quick::of(program, native).map(Intrinsic::Quick),
                }
            }
        })
    }
}

/// What a table of functions holds.
pub(crate) struct Callees {
    /// Where it begins.
    pub start: u32,
    pub functions: Vec<FunctionId>,
    /// Of each function: the tag of the objects that have it, where that is one.
    pub tags: Vec<Option<TypeId>>,
}

/// How an object is seen to be of a type.
pub(crate) enum Test {
    /// Its tag is the type.
    Tag,
    /// The table says so.
    Table(u32),
}

/// Facts of a program that do not depend on what is compiled.
pub(crate) struct Facts {
    /// By function: whether it may be native.
    pub eligible: Vec<bool>,
    /// By function: whether its frames may be nested in each other.
    pub recursive: Vec<bool>,
    /// By function: whether it may be called again and again.
    pub repeated: Vec<bool>,
    /// Registers of the eligible functions with very many, which are nested in themselves never.
    pub extra_registers: usize,
    /// All tables, one after the other.
    pub dispatch: Vec<u32>,
    /// Where the tables of functions begin, and their functions.
    tables: FxHashMap<(Table, TypeId), Callees>,
    instances: FxHashMap<TypeId, u32>,
    /// By type: what the fields of its objects are, where they are few scalars.
    fields: Vec<Option<Box<[ScalarKind]>>>,
    /// By function: once it was asked for.
    short_ways: Vec<OnceLock<Option<ShortWays>>>,
}

impl Facts {
    pub fn of(program: &Program) -> Facts {
        let image = program.image();
        let types = &image.types;
        let mut facts = Facts {
            eligible: Vec::new(),
            recursive: Vec::new(),
            repeated: Vec::new(),
            extra_registers: 0,
            dispatch: Vec::new(),
            tables: FxHashMap::default(),
            instances: FxHashMap::default(),
            fields: (0..types.len()).map(|ty| few_scalars(image, TypeId(ty as u32))).collect(),
            short_ways: image.functions.iter().map(|_| OnceLock::new()).collect(),
        };
        for function in &image.functions {
            for instr in &function.code {
                match *instr {
                    Instr::CallValue { callee, .. } => {
                        facts.add_table(types, Table::Closures, function.refs[callee.index()].ty);
                    }
                    Instr::CallMethod { ty, method, .. } => {
                        facts.add_table(types, Table::Method(ty, method), ty);
                    }
                    Instr::InstanceOf { ty, .. } | Instr::Narrow { ty, .. } => facts.add_test(program, ty),
                    _ => {}
                }
            }
        }
        let edges = facts.edges(program);
        facts.recursive = crate::graph::recursive(&edges);
        facts.repeated = crate::hot::repeated(image, &facts.recursive, &edges);
        let registers: Vec<usize> = (0..image.functions.len() as u32)
            .map(|f| door::frame_registers(program, FunctionId(f)))
            .collect();
        let once = registers.iter().zip(&facts.recursive).filter(|(_, recursive)| !**recursive);
        let recursive_max = recursive_registers_max(once.map(|(registers, _)| *registers).sum());
        for (index, function) in image.functions.iter().enumerate() {
            let fits = function.code.len() <= INSTRUCTIONS_MAX
                && function.code.iter().all(|instr| lent_scalars(instr) <= VALUES_MAX)
                && Regions::of(&function.code).is_some();
            let (registers, recursive) = (registers[index], facts.recursive[index]);
            let counted_alike = registers <= REGISTERS_MAX;
            let eligible = fits && counted_alike && !(recursive && registers > recursive_max);
            if eligible && registers > NATIVE_REGISTERS {
                facts.extra_registers += registers;
            }
            facts.eligible.push(eligible);
        }
        facts
    }

    /// What is compiled before a program runs: all but what runs through once, which is done sooner than it is compiled and is
    /// left to the interpreter.
    pub fn wanted(&self, image: &Image) -> Vec<(FunctionId, Start)> {
        let wanted = image.functions.iter().enumerate().filter(|(index, function)| {
            self.eligible[*index]
                && (self.repeated[*index] || !crate::loops::inside(&function.code).is_empty())
        });
        wanted.map(|(index, _)| (FunctionId(index as u32), Start::Call)).collect()
    }

    fn add_table(&mut self, types: &[Type], table: Table, ty: TypeId) {
        if self.tables.contains_key(&(table, ty)) {
            return;
        }
        let code = |of: &Type| match (table, of) {
            (Table::Closures, Type::Closure { ty: of, code, .. }) if *of == ty => Some(*code),
            (Table::Method(interface, method), Type::Record(s) | Type::Class(s)) => s
                .implements
                .iter()
                .find(|i| i.interface == interface)
                .and_then(|i| i.methods.get(method.index()).copied()),
            _ => None,
        };
        let rows: Vec<Option<FunctionId>> = types.iter().map(code).collect();
        let mut functions: Vec<FunctionId> = rows.iter().flatten().copied().collect();
        functions.sort();
        functions.dedup();
        if let Some(first) = functions.first().copied() {
            let start = self.dispatch.len() as u32;
            // A tag that cannot be there finds a function of the right form all the same.
            self.dispatch.extend(rows.iter().map(|row| row.unwrap_or(first).0));
            let tag = |function: &FunctionId| {
                let mut tags = rows.iter().enumerate().filter(|(_, row)| **row == Some(*function));
                let (tag, _) = tags.next()?;
                tags.next().is_none().then_some(TypeId(tag as u32))
            };
            let tags = functions.iter().map(tag).collect();
            self.tables.insert((table, ty), Callees { start, functions, tags });
        }
    }

    fn add_test(&mut self, program: &Program, ty: TypeId) {
        let types = &program.image().types;
        if matches!(types[ty.index()], Type::Interface { .. } | Type::Function { .. })
            && !self.instances.contains_key(&ty)
        {
            self.instances.insert(ty, self.dispatch.len() as u32);
            let is = |tag: usize| u32::from(door::is_instance(program, TypeId(tag as u32), ty));
            self.dispatch.extend((0..types.len()).map(is));
        }
    }

    /// Who may call whom.
    fn edges(&self, program: &Program) -> Vec<Vec<u32>> {
        let image = program.image();
        let texts: Vec<u32> = image
            .types
            .iter()
            .filter_map(|ty| match ty {
                Type::Record(s) | Type::Class(s) => s.to_string.map(|f| f.0),
                _ => None,
            })
            .collect();
        let edges_of = |function: &Function| {
            let mut edges = Vec::new();
            let mut shows = false;
            for instr in &function.code {
                match *instr {
                    Instr::Call { function, .. } => edges.push(function.0),
                    Instr::CallValue { callee, .. } => {
                        edges.extend(self.callees(Table::Closures, function.refs[callee.index()].ty));
                    }
                    Instr::CallMethod { ty, method, .. } => {
                        edges.extend(self.callees(Table::Method(ty, method), ty));
                    }
                    Instr::GetStatic { from, .. } => edges.push(image.statics[from.index()].init.0),
                    // A native may show a value as text.
                    Instr::TextRef { .. } | Instr::CallNative { .. } => shows = true,
                    _ => {}
                }
            }
            if shows {
                edges.extend(&texts);
            }
            edges.sort();
            edges.dedup();
            edges
        };
        image.functions.iter().map(edges_of).collect()
    }

    /// What a function may call through values and interfaces, of each call where that is not much.
    pub fn few_by_value(&self, function: &Function) -> Vec<FunctionId> {
        let tables = function.code.iter().filter_map(|instr| Unit::table_of(function, instr));
        let callees = tables.filter_map(|of| self.tables.get(&of)).map(|callees| &callees.functions);
        callees.filter(|functions| functions.len() <= FEW_CALLEES).flatten().copied().collect()
    }

    fn callees(&self, table: Table, ty: TypeId) -> impl Iterator<Item = u32> + '_ {
        self.tables.get(&(table, ty)).into_iter().flat_map(|callees| callees.functions.iter().map(|f| f.0))
    }
}

/// Registers of either bank that a function may have that may be nested in itself: as deep as calls may be nested,
/// with each of the others once, the interpreter's banks have room for them. So native code, which needs less, has
/// no limit to find that the interpreter finds.
fn recursive_registers_max(others: usize) -> usize {
    NATIVE_REGISTERS.saturating_sub(others.div_ceil(door::FRAMES_MAX))
}

fn lent_scalars(instr: &Instr) -> usize {
    let operands = Operands::of(instr);
    operands.uses.iter().chain(&operands.defs).filter(|reg| matches!(reg, Reg::S(_))).count()
}

/// A place in native code: where it is in the program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub function: FunctionId,
    pub pc: u32,
    /// Of the window of the native frame.
    pub slots: u32,
    /// The call whose place it took, where it is of a function that was inlined.
    pub caller: Option<u32>,
}

/// An instruction that the interpreter does for native code, renumbered.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub place: u32,
    pub instr: Instr,
    pub scalars: usize,
}

/// Functions that are compiled together.
pub(crate) struct Unit<'p> {
    program: &'p Program,
    facts: &'p Facts,
    /// Functions with code in this unit, for calls.
    near: FxHashSet<FunctionId>,
    /// Functions whose calls stay calls, and in which calls do.
    plain: &'p FxHashSet<FunctionId>,
    host: CallConv,
    config: TargetFrontendConfig,
    /// Ids of places and sites begin here.
    base: u32,
    pub places: Vec<Place>,
    pub sites: Vec<Site>,
    /// Places of instructions that jump by a flag of overflow.
    pub checks: FxHashSet<u32>,
    /// Of the function under translation.
    imports: FxHashMap<FunctionId, FuncRef>,
    stubs: [Option<FuncRef>; PARAMS.len()],
}

impl<'p> Unit<'p> {
    pub fn new(
        program: &'p Program,
        facts: &'p Facts,
        near: FxHashSet<FunctionId>,
        plain: &'p FxHashSet<FunctionId>,
        config: TargetFrontendConfig,
        base: u32,
    ) -> Self {
        Unit {
            program,
            facts,
            near,
            plain,
            host: config.default_call_conv,
            config,
            base,
            places: Vec::new(),
            sites: Vec::new(),
            checks: FxHashSet::default(),
            imports: FxHashMap::default(),
            stubs: [None; PARAMS.len()],
        }
    }

    pub fn is_recursive(&self, function: FunctionId) -> bool {
        self.facts.recursive[function.index()]
    }

    pub fn is_plain(&self, function: FunctionId) -> bool {
        self.plain.contains(&function)
    }

    pub fn function(&self, id: FunctionId) -> &'p Function {
        &self.program.image().functions[id.index()]
    }

    /// What the fields of the objects of a type are, where they are few scalars.
    pub fn fields(&self, ty: TypeId) -> Option<&'p [ScalarKind]> {
        self.facts.fields[ty.index()].as_deref()
    }

    pub fn shape(&self, ty: TypeId) -> Shape {
        Shape::of(self.program, ty)
    }

    /// The header of the array of a list type with so many elements, its words, and whether it holds references.
    pub fn array_of(&self, list: TypeId, count: usize) -> (i64, u32, bool) {
        let (tag, words, refs) = door::array_of(self.program, list, count);
        (i64::from(tag) | (count as i64) << 32, words, refs)
    }

    pub fn is_bool_list(&self, ty: TypeId) -> bool {
        let types = &self.program.image().types;
        door::BOOLS_IN_BYTES
            && matches!(types[ty.index()], Type::List(element) if matches!(types[element.index()], Type::Bool))
    }

    /// What the elements of a list are where they are no references.
    pub fn scalar_elements(&self, ty: TypeId) -> Option<ScalarKind> {
        let image = self.program.image();
        let Type::List(of) = image.types[ty.index()] else { return None };
        match image::element(&image.types, image.manifest.error_type, of) {
            Some(RegType::Scalar(kind)) => Some(kind),
            _ => None,
        }
    }

    pub fn is_text(&self, ty: TypeId) -> bool {
        matches!(self.program.image().types[ty.index()], Type::String)
    }

    pub fn is_record(&self, ty: TypeId) -> bool {
        let types = &self.program.image().types;
        match types[ty.index()] {
            Type::Nullable(of) => matches!(types[of.index()], Type::Record(_)),
            ref ty => matches!(ty, Type::Record(_)),
        }
    }

    pub fn is_list(&self, ty: TypeId) -> bool {
        matches!(self.program.image().types[ty.index()], Type::List(_))
    }

    pub fn is_int(&self, ty: TypeId) -> bool {
        matches!(self.program.image().types[ty.index()], Type::Int)
    }

    pub fn frontend_config(&self) -> TargetFrontendConfig {
        self.config
    }

    /// How functions written in Rust are called.
    pub fn host_convention(&self) -> CallConv {
        self.host
    }

    pub fn is_near(&self, function: FunctionId) -> bool {
        self.near.contains(&function)
    }

    /// Whether another unit may have code for it.
    pub fn may_have_code(&self, function: FunctionId) -> bool {
        self.facts.eligible[function.index()]
    }

    /// Whether and how an instruction may collect; what the interpreter may do for native code may.
    pub fn collects(&self, function: &Function, instr: &Instr) -> Collects {
        match instr {
            Instr::New { .. } => Collects::Before,
            Instr::ListNew { capacity, .. } if *capacity <= LIST_MOST => Collects::Before,
            Instr::Call { function, .. } if self.is_inlined(*function) => Collects::Never,
            Instr::Call { function, .. } if self.is_near(*function) => Collects::After,
            Instr::CallNative { native, .. } => match self.intrinsic(*native) {
                None => Collects::Lent,
                Some(Intrinsic::Quick(quick)) if quick.may_be_lent() => Collects::Lent,
                Some(_) => Collects::Never,
            },
            Instr::EqValue { ty, .. } if self.is_text(*ty) => Collects::Never,
            Instr::CallValue { .. } | Instr::CallMethod { .. }
                if self.inlined_callees(function, instr).is_some() =>
            {
                Collects::Never
            }
            Instr::CallValue { .. } | Instr::CallMethod { .. }
                if self.few_callees(function, instr).is_some() =>
            {
                Collects::After
            }
            Instr::Call { .. }
            | Instr::Const { .. }
            | Instr::EqValue { .. }
            | Instr::ListNew { .. }
            | Instr::ListAddScalar { .. }
            | Instr::ListAddRef { .. }
            | Instr::Concat { .. }
            | Instr::TextScalar { .. }
            | Instr::TextRef { .. }
            | Instr::CallValue { .. }
            | Instr::CallMethod { .. }
            | Instr::GetStatic { .. } => Collects::Lent,
            // Neither does, but behind the latter the frame may go on where the time of a region is up.
            Instr::LimitEnter { .. } | Instr::LimitLeave {} => Collects::After,
            _ => Collects::Never,
        }
    }

    /// What an instruction that collects never stores in objects. What stands in the place of a call to spare an object stores
    /// nothing.
    pub fn stores(&self, function: &Function, instr: &Instr) -> Stores {
        let inside = |callee: &FunctionId| -> Stores {
            let callee = self.function(*callee);
            callee.code.iter().map(|instr| self.stores(callee, instr)).collect()
        };
        match instr {
            Instr::ListSetRef { .. } => Stores { elements: true, fields: false },
            Instr::SetRef { .. } => Stores { elements: false, fields: true },
            Instr::Call { function, .. } if self.is_inlined(*function) => inside(function),
            Instr::CallValue { .. } | Instr::CallMethod { .. } => {
                self.inlined_callees(function, instr).into_iter().flatten().map(inside).collect()
            }
            _ => Stores::default(),
        }
    }

    /// Whether calls of a function are replaced by its code: it is short, has no loop, calls nothing.
    pub fn is_inlined(&self, function: FunctionId) -> bool {
        if !self.facts.eligible[function.index()] {
            return false;
        }
        let code = &self.function(function).code;
        is_short(code)
            && code.iter().enumerate().all(|(pc, instr)| {
                !matches!(instr, Instr::Call { .. } | Instr::CallValue { .. } | Instr::CallMethod { .. })
                    && self.collects(self.function(function), instr) == Collects::Never
                    && Operands::of(instr).labels.iter().all(|to| to.index() > pc)
            })
    }

    /// The table that a function value's or a method's code is found by.
    pub fn table_of(function: &Function, instr: &Instr) -> Option<(Table, TypeId)> {
        match *instr {
            Instr::CallValue { callee, .. } => Some((Table::Closures, function.refs[callee.index()].ty)),
            Instr::CallMethod { ty, method, .. } => Some((Table::Method(ty, method), ty)),
            _ => None,
        }
    }

    /// All functions that may be behind a call by an object's type, where their code stands in its place: they are few and
    /// short, and call nothing.
    pub fn inlined_callees(&self, function: &Function, instr: &Instr) -> Option<&'p [FunctionId]> {
        let callees = &self.few_callees(function, instr)?.functions;
        callees.iter().all(|callee| self.is_inlined(*callee)).then_some(callees)
    }

    /// The same where they are few, and each of them may be put there or be called directly.
    pub fn few_callees(&self, function: &Function, instr: &Instr) -> Option<&'p Callees> {
        let callees = self.facts.tables.get(&Self::table_of(function, instr)?)?;
        let few = callees.functions.len() <= FEW_CALLEES;
        let known = |callee: &FunctionId| self.is_near(*callee) || self.is_inlined(*callee);
        (few && callees.functions.iter().all(known)).then_some(callees)
    }

    /// Whether calls of a function may be replaced by its code though that calls, loops and collects: it is short, and has no
    /// region of `within`.
    pub fn is_expandable(&self, function: FunctionId) -> bool {
        let f = self.function(function);
        self.facts.eligible[function.index()]
            && is_short(&f.code)
            && f.code.iter().any(|instr| matches!(instr, Instr::Return { .. }))
            && !f.code.iter().any(|instr| matches!(instr, Instr::LimitEnter { .. }))
            && !self.plain.contains(&function)
    }

    /// The short ways of a function that may be nested in itself, unless its calls stay calls.
    pub fn short_ways(&self, function: FunctionId) -> Option<&'p ShortWays> {
        if !self.is_recursive(function) || !self.is_counted(function) || self.is_plain(function) {
            return None;
        }
        self.facts.short_ways[function.index()].get_or_init(|| ShortWays::of(self, function)).as_ref()
    }

    /// Whether calls of it are counted as nested.
    pub fn is_counted(&self, function: FunctionId) -> bool {
        !door::is_put_in(self.program, function)
    }

    /// The table and a function of the form that all in it have; none where it would be empty.
    pub fn table(&self, table: Table, ty: TypeId) -> Option<(u32, FunctionId)> {
        self.facts.tables.get(&(table, ty)).map(|callees| (callees.start, callees.functions[0]))
    }

    pub fn test(&self, ty: TypeId) -> Test {
        self.facts.instances.get(&ty).map_or(Test::Tag, |table| Test::Table(*table))
    }

    pub fn intrinsic(&self, native: NativeId) -> Option<Intrinsic> {
        Intrinsic::of(self.program, native)
    }

    pub fn place(&mut self, function: FunctionId, pc: u32, slots: usize, caller: Option<u32>) -> u32 {
        self.places.push(Place { function, pc, slots: slots as u32, caller });
        self.base + (self.places.len() - 1) as u32
    }

    pub fn site(&mut self, place: u32, instr: Instr, scalars: usize) -> u32 {
        self.sites.push(Site { place, instr, scalars });
        self.base + (self.sites.len() - 1) as u32
    }

    pub fn begin_function(&mut self) {
        self.imports.clear();
        self.stubs = [None; PARAMS.len()];
    }

    pub fn import(&mut self, into: &mut ir::Function, function: FunctionId) -> FuncRef {
        if let Some(known) = self.imports.get(&function) {
            return *known;
        }
        let signature = into.import_signature(translate::signature(self.function(function), Start::Call));
        let name = UserExternalName { namespace: FUNCTIONS, index: function.0 };
        let name = ExternalName::user(into.declare_imported_user_function(name));
        let import = into.import_function(ExtFuncData { name, signature, colocated: true, patchable: false });
        self.imports.insert(function, import);
        import
    }

    pub fn import_stub(&mut self, into: &mut ir::Function, which: usize) -> FuncRef {
        if let Some(known) = self.stubs[which] {
            return known;
        }
        let signature = into.import_signature(stub_signature(which, self.host));
        let name = UserExternalName { namespace: STUBS, index: which as u32 };
        let name = ExternalName::user(into.declare_imported_user_function(name));
        let import = into.import_function(ExtFuncData { name, signature, colocated: true, patchable: false });
        self.stubs[which] = Some(import);
        import
    }
}

/// Names of what native code calls directly: functions of the program, and stubs of helpers.
pub(crate) const FUNCTIONS: u32 = 0;
pub(crate) const STUBS: u32 = 1;

/// The form of a helper's stub: it takes what it hands on from the context, so that no register has to be free for it
/// where it is called, but for the one that is called often.
pub(crate) fn stub_signature(which: usize, host: CallConv) -> Signature {
    if which != EXECUTE_OFTEN {
        return Signature::new(CallConv::PreserveAll);
    }
    let mut signature = Signature::new(host);
    signature.params = vec![AbiParam::new(I64); 4];
    signature.returns = vec![AbiParam::new(I64); 2];
    signature
}
