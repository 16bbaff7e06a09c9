//! A small assembler for tests: types by their D-Script names, code as lines of mnemonic and operands.
//!
//! Operands say what they are by their form: `s0 r0` registers, `[s0 r1]` lists, `@name` labels, `[@a @b]` lists
//! of them, `#5` ints, `%1.5` doubles, `true`, `"text"` String constants, `:Type` types, `&f` functions,
//! `$f` natives, `^0` statics, `.0` slots, `~0` methods, `!overflow` kinds of traps.

use std::collections::{BTreeSet, HashMap};

use dscript_bytecode::codec::{Reader, Writer};
use dscript_bytecode::ids::*;
use dscript_bytecode::image::*;
use dscript_bytecode::instr::{Instr, MANUAL, Visitor};
use dscript_bytecode::trap::TrapKind;

#[derive(Default)]
pub struct Asm {
    pub image: Image,
    named: HashMap<String, TypeId>,
    functions: HashMap<String, FunctionId>,
    natives: HashMap<String, NativeId>,
    /// Bodies, assembled when everything is declared.
    bodies: Vec<String>,
}

impl Asm {
    pub fn new() -> Self {
        let mut asm = Asm::default();
        asm.image.manifest.name = "test".into();
        asm.image.manifest.sources.push(Source { path: "test.ds".into(), hash: [0; 32] });
        let error = asm.add("Error", Type::Void);
        asm.image.manifest.error_type = Some(error);
        asm.add(
            "Fault",
            Type::Enum {
                name: "Fault".into(),
                constants: ["SYSTEM", "SOFTWARE", "USER", "EXTERNAL"].map(String::from).into(),
            },
        );
        asm.record("Position", "file:String line:int column:int");
        let fields = asm.fields(
            "code:String message:String fault:Set<Fault> cause:Error? position:Position data:Map<String,String>",
        );
        asm.image.types[error.index()] = Type::Record(structure("Error", fields));
        asm
    }

    fn add(&mut self, name: &str, ty: Type) -> TypeId {
        let id = TypeId(self.image.types.len() as u32);
        self.image.types.push(ty);
        if !name.is_empty() {
            self.named.insert(name.into(), id);
        }
        id
    }

    pub fn fields(&mut self, text: &str) -> Vec<Field> {
        text.split_whitespace()
            .map(|field| {
                let (name, ty) = field.split_once(':').expect("name:Type");
                Field { name: name.into(), ty: self.ty(ty) }
            })
            .collect()
    }

    pub fn record(&mut self, name: &str, fields: &str) -> TypeId {
        let id = self.add(name, Type::Void);
        let fields = self.fields(fields);
        self.image.types[id.index()] = Type::Record(structure(name, fields));
        id
    }

    pub fn class(&mut self, name: &str, fields: &str, to_string: Option<&str>) -> TypeId {
        let id = self.add(name, Type::Void);
        let fields = self.fields(fields);
        let mut of = structure(name, fields);
        of.to_string = to_string.map(|f| self.functions.get(f).copied().unwrap_or(FunctionId(u32::MAX)));
        self.image.types[id.index()] = Type::Class(of);
        id
    }

    pub fn set_to_string(&mut self, ty: TypeId, function: &str) {
        let function = self.functions[function];
        if let Type::Record(of) | Type::Class(of) = &mut self.image.types[ty.index()] {
            of.to_string = Some(function);
        }
    }

    pub fn implement(&mut self, ty: TypeId, interface: &str, methods: &[&str]) {
        let interface = self.named[interface];
        let methods = methods.iter().map(|m| self.functions[*m]).collect();
        if let Type::Record(of) | Type::Class(of) = &mut self.image.types[ty.index()] {
            of.implements.push(Implementation { interface, methods });
        }
    }

    pub fn interface(&mut self, name: &str, methods: &[(&str, &str)]) -> TypeId {
        let id = self.add(name, Type::Void);
        let methods = methods
            .iter()
            .map(|(name, ret)| InterfaceMethod { name: (*name).into(), params: vec![], ret: self.ty(ret) })
            .collect();
        self.image.types[id.index()] = Type::Interface { name: name.into(), methods };
        id
    }

    pub fn enumeration(&mut self, name: &str, constants: &str) -> TypeId {
        let constants = constants.split_whitespace().map(String::from).collect();
        self.add(name, Type::Enum { name: name.into(), constants })
    }

    pub fn handle(&mut self, name: &str) -> TypeId {
        self.add(name, Type::Handle(name.into()))
    }

    pub fn closure(&mut self, name: &str, ty: &str, captured: &str) -> TypeId {
        let ty = self.ty(ty);
        let captured = captured.split_whitespace().map(|t| self.ty(t)).collect();
        self.add(name, Type::Closure { ty, code: FunctionId(u32::MAX), captured })
    }

    pub fn set_code(&mut self, closure: TypeId, function: &str) {
        let function = self.functions[function];
        if let Type::Closure { code, .. } = &mut self.image.types[closure.index()] {
            *code = function;
        }
    }

    /// The row of a type, made where there is none.
    pub fn ty(&mut self, text: &str) -> TypeId {
        let text = text.trim();
        if let Some(id) = self.named.get(text) {
            return *id;
        }
        let list = |text: &str| {
            let (mut depth, mut parts, mut part) = (0, Vec::new(), String::new());
            for c in text.chars() {
                match c {
                    '<' => depth += 1,
                    '>' => depth -= 1,
                    ',' if depth == 0 => {
                        parts.push(std::mem::take(&mut part));
                        continue;
                    }
                    _ => {}
                }
                part.push(c);
            }
            if !part.trim().is_empty() {
                parts.push(part);
            }
            parts
        };
        let ty = if let Some(inner) = text.strip_suffix('?') {
            Type::Nullable(self.ty(inner))
        } else if let Some(inner) = text.strip_suffix('!') {
            Type::Fallible(self.ty(inner))
        } else if let Some((params, ret)) = text.split_once("->") {
            let params = params.trim().trim_start_matches('(').trim_end_matches(')').to_owned();
            let params = list(&params).iter().map(|p| self.ty(p)).collect();
            Type::Function { params, ret: self.ty(ret) }
        } else if let Some((name, args)) = text.split_once('<') {
            let args = args.strip_suffix('>').expect("a closed list");
            let args: Vec<TypeId> = list(args).iter().map(|a| self.ty(a)).collect();
            match name {
                "List" => Type::List(args[0]),
                "Set" => Type::Set(args[0]),
                "Map" => Type::Map(args[0], args[1]),
                name => panic!("no generic type {name}"),
            }
        } else {
            match text {
                "void" => Type::Void,
                "int" => Type::Int,
                "double" => Type::Double,
                "boolean" => Type::Bool,
                "String" => Type::String,
                "Bytes" => Type::Bytes,
                "Duration" => Type::Duration,
                "Time" => Type::Time,
                name => panic!("no type {name}"),
            }
        };
        let id = match self.image.types.iter().position(|t| *t == ty) {
            Some(i) if !matches!(ty, Type::Void) => TypeId(i as u32),
            _ => self.add("", ty),
        };
        self.named.insert(text.into(), id);
        id
    }

    pub fn registers(&mut self, text: &str) -> Vec<RegType> {
        let ids: Vec<TypeId> = text.split_whitespace().map(|t| self.ty(t)).collect();
        let error = self.image.manifest.error_type;
        ids.iter().flat_map(|id| registers(&self.image.types, error, *id).expect("registers")).collect()
    }

    /// `head` is `params -> results | locals`, types between spaces.
    pub fn function(&mut self, name: &str, head: &str, body: &str) -> FunctionId {
        let (signature, locals) = head.split_once('|').unwrap_or((head, ""));
        let (params, results) = signature.split_once("=>").expect("params => results");
        let (params, results) = (self.registers(params), self.registers(results));
        let all = params.iter().copied().chain(self.registers(locals));
        let (mut scalars, mut refs) = (Vec::new(), Vec::new());
        for reg in all {
            match reg {
                RegType::Scalar(kind) => scalars.push(kind),
                RegType::Ref(r) => refs.push(r),
            }
        }
        let id = FunctionId(self.image.functions.len() as u32);
        self.functions.insert(name.into(), id);
        self.image.functions.push(Function {
            name: name.into(),
            params,
            results,
            scalars,
            refs,
            code: vec![],
            heads: vec![],
            lines: vec![],
        });
        self.bodies.push(body.into());
        id
    }

    /// Called as `$alias`.
    pub fn native(&mut self, alias: &str, name: &str, type_args: &str, params: &str, results: &str) {
        let type_args = type_args.split_whitespace().map(|t| self.ty(t)).collect();
        let (params, results) = (self.registers(params), self.registers(results));
        let id = NativeId(self.image.natives.len() as u32);
        self.natives.insert(alias.into(), id);
        self.image.natives.push(NativeInstance { name: name.into(), type_args, params, results });
    }

    pub fn fixed(&mut self, ty: &str, init: &str) {
        let (ty, init) = (self.ty(ty), self.functions[init]);
        self.image.statics.push(Static { ty, init });
    }

    pub fn task(&mut self, name: &str, function: &str) {
        self.task_with(name, function, vec![], None);
    }

    pub fn task_with(&mut self, name: &str, function: &str, params: Vec<TaskParam>, undo: Option<&str>) {
        self.image.manifest.tasks.push(Task {
            name: name.into(),
            script: false,
            role: None,
            params,
            function: self.functions[function],
            undo: undo.map(|f| self.functions[f]),
            dcase: None,
            doc: None,
        });
    }

    pub fn function_id(&self, name: &str) -> FunctionId {
        self.functions[name]
    }

    pub fn build(mut self) -> Image {
        for (index, body) in std::mem::take(&mut self.bodies).iter().enumerate() {
            self.assemble(index, body);
        }
        self.image.manifest.capabilities.sort();
        self.image
    }

    fn assemble(&mut self, index: usize, body: &str) {
        let mut labels = HashMap::new();
        let mut lines = Vec::new();
        for (number, line) in body.lines().enumerate() {
            let line = line.split("//").next().unwrap_or_default().trim();
            if let Some(label) = line.strip_suffix(':') {
                labels.insert(label.to_owned(), Label(lines.len() as u32));
            } else if !line.is_empty() {
                lines.push((number as u32 + 1, line.to_owned()));
            }
        }
        let mut function = self.image.functions[index].clone();
        for (at, (number, line)) in lines.iter().enumerate() {
            function.code.push(self.instruction(line, &labels));
            function.lines.push(Line { at: at as u32, source: 0, line: *number, column: 1 });
        }
        function.heads = heads(&function);
        self.image.functions[index] = function;
    }

    fn instruction(&mut self, line: &str, labels: &HashMap<String, Label>) -> Instr {
        let (mnemonic, mut rest) = line.split_once(' ').unwrap_or((line, ""));
        let (code, ..) =
            MANUAL.iter().find(|(_, m, _)| *m == mnemonic).unwrap_or_else(|| panic!("{mnemonic}"));
        let mut out = Writer::default();
        out.opcode(*code);
        while !rest.trim_start().is_empty() {
            rest = rest.trim_start();
            let end = match rest.as_bytes()[0] {
                b'[' => rest.find(']').expect("]") + 1,
                b'"' => rest[1..].find('"').expect("\"") + 2,
                _ => rest.find(' ').unwrap_or(rest.len()),
            };
            let (operand, after) = rest.split_at(end);
            self.operand(operand, labels, &mut out);
            rest = after;
        }
        Instr::decode(&mut Reader::new(&out.bytes)).unwrap_or_else(|e| panic!("{line}: {e:?}"))
    }

    fn operand(&mut self, text: &str, labels: &HashMap<String, Label>, out: &mut Writer) {
        let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("operand {text}"));
        let register = |text: &str| match text.split_at(1) {
            ("s", n) => Reg::S(S(number(n))),
            (_, n) => Reg::R(R(number(n))),
        };
        match text.split_at(1) {
            ("[", rest) if rest.starts_with('@') => {
                let all = rest.trim_end_matches(']').split_whitespace().map(|l| labels[&l[1..]]);
                out.labels(&all.collect::<Vec<_>>());
            }
            ("[", rest) => {
                let all = rest.trim_end_matches(']').split_whitespace().map(register);
                out.registers(&all.collect::<Vec<_>>());
            }
            ("\"", rest) => {
                let constant = Constant::String(rest.trim_end_matches('"').replace("\\n", "\n"));
                let at = self.image.constants.iter().position(|c| *c == constant).unwrap_or_else(|| {
                    self.image.constants.push(constant);
                    self.image.constants.len() - 1
                });
                out.const_id(&ConstId(at as u32));
            }
            ("@", label) => out.label(labels.get(label).unwrap_or_else(|| panic!("label {label}"))),
            ("#", value) => out.int(&value.parse().unwrap_or_else(|_| panic!("int {value}"))),
            ("%", value) => out.double(&value.parse().expect("double")),
            (":", ty) => {
                let ty = self.ty(ty);
                out.type_id(&ty);
            }
            ("&", name) => out.function(&self.functions[name]),
            ("$", name) => out.native(self.natives.get(name).unwrap_or_else(|| panic!("native {name}"))),
            ("^", n) => out.static_id(&StaticId(number(n).into())),
            (".", n) => out.slot(&Slot(number(n))),
            ("~", n) => out.method(&MethodId(number(n))),
            ("!", name) => {
                let kind = TrapKind::ALL.into_iter().find(|k| k.name() == name);
                out.trap(&kind.expect("a kind of trap"));
            }
            _ if text == "true" || text == "false" => out.bool(&(text == "true")),
            _ => match register(text) {
                Reg::S(s) => out.scalar(&s),
                Reg::R(r) => out.reference(&r),
            },
        }
    }
}

fn structure(name: &str, fields: Vec<Field>) -> Struct {
    Struct { name: name.into(), fields, implements: vec![], to_string: None }
}

/// What is initialised at each jump target on every way to it.
fn heads(function: &Function) -> Vec<Head> {
    #[derive(Default)]
    struct Effects {
        defs: BTreeSet<(bool, u16)>,
        targets: Vec<Label>,
    }
    impl Visitor for Effects {
        fn use_scalar(&mut self, _: S, _: Option<ScalarKind>) {}
        fn use_ref(&mut self, _: R) {}
        fn def_scalar(&mut self, reg: S, _: Option<ScalarKind>) {
            self.defs.insert((false, reg.0));
        }
        fn def_ref(&mut self, reg: R) {
            self.defs.insert((true, reg.0));
        }
        fn label(&mut self, label: Label) {
            self.targets.push(label);
        }
        fn type_id(&mut self, _: TypeId) {}
        fn const_id(&mut self, _: ConstId) {}
        fn function(&mut self, _: FunctionId) {}
        fn native(&mut self, _: NativeId) {}
        fn static_id(&mut self, _: StaticId) {}
        fn slot(&mut self, _: Slot) {}
        fn method(&mut self, _: MethodId) {}
        fn int(&mut self, _: i64) {}
        fn double(&mut self, _: f64) {}
        fn bool(&mut self, _: bool) {}
        fn trap(&mut self, _: TrapKind) {}
    }
    let mut entry = BTreeSet::new();
    let (mut s, mut r) = (0, 0);
    for param in &function.params {
        match param {
            RegType::Scalar(_) => {
                entry.insert((false, s));
                s += 1;
            }
            RegType::Ref(_) => {
                entry.insert((true, r));
                r += 1;
            }
        }
    }
    let effects: Vec<Effects> = function
        .code
        .iter()
        .map(|instr| {
            let mut effects = Effects::default();
            instr.visit(&mut effects);
            effects
        })
        .collect();
    let mut at: Vec<Option<BTreeSet<(bool, u16)>>> = vec![None; function.code.len() + 1];
    at[0] = Some(entry);
    let mut changed = true;
    while changed {
        changed = false;
        for (index, effect) in effects.iter().enumerate() {
            let Some(before) = at[index].clone() else { continue };
            let after: BTreeSet<_> = before.union(&effect.defs).copied().collect();
            let falls = !function.code[index].ends_block();
            let next = falls.then_some(index + 1).into_iter();
            for to in effect.targets.iter().map(|l| l.index()).chain(next) {
                let met = match &at[to] {
                    None => after.clone(),
                    Some(old) => old.intersection(&after).copied().collect(),
                };
                if at[to].as_ref() != Some(&met) {
                    at[to] = Some(met);
                    changed = true;
                }
            }
        }
    }
    let targets: BTreeSet<usize> = effects.iter().flat_map(|e| e.targets.iter().map(|l| l.index())).collect();
    targets
        .into_iter()
        .map(|target| {
            let set = at[target].clone().unwrap_or_default();
            Head {
                at: Label(target as u32),
                scalars: set.iter().filter(|(is_ref, _)| !is_ref).map(|(_, i)| S(*i)).collect(),
                refs: set.iter().filter(|(is_ref, _)| *is_ref).map(|(_, i)| R(*i)).collect(),
            }
        })
        .collect()
}
