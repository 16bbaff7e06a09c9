//! The disassembler: an image as text for people. It takes any image, verified or not, so it looks everything up
//! with care and bounds what one name may take; it decides nothing.
//!
//! Tables come first, each row with the id by which code names it. An instruction is printed from its row in the
//! instruction table: what it reads, `->`, what it writes. Heads are printed as `@N` with what is live there,
//! source positions as comments where they change.

use crate::ids::*;
use crate::image::*;
use crate::instr::{Instr, Visitor};
use crate::scenario::Scenario;
use crate::trap::TrapKind;
use std::collections::HashMap;
use std::fmt::Write;

/// Of one type's name. Types may be circular, so a name has to end somewhere.
const TYPE_NAME_BYTES_MAX: usize = 400;
const TYPE_NAME_DEPTH_MAX: usize = 16;
/// Characters of a constant that code shows.
const CONSTANT_SHOWN_MAX: usize = 40;

/// A type as D-Script writes it.
pub fn type_name(image: &Image, ty: TypeId) -> String {
    let mut out = String::new();
    push_type(&mut out, image, ty, 0);
    out
}

/// The declared type of a reference register.
pub fn ref_name(image: &Image, r: RefType) -> String {
    let mut out = String::new();
    if r.nullable {
        push_suffixed(&mut out, image, r.ty, "?", 0)
    } else {
        push_type(&mut out, image, r.ty, 0)
    }
    out
}

/// The declared type of a register.
pub fn reg_name(image: &Image, reg: RegType) -> String {
    match reg {
        RegType::Scalar(kind) => kind_name(kind).into(),
        RegType::Ref(r) => ref_name(image, r),
    }
}

pub fn kind_name(kind: ScalarKind) -> &'static str {
    match kind {
        ScalarKind::Int => "int",
        ScalarKind::Double => "double",
        ScalarKind::Bool => "boolean",
    }
}

fn push_type(out: &mut String, image: &Image, id: TypeId, depth: usize) {
    if depth > TYPE_NAME_DEPTH_MAX || out.len() > TYPE_NAME_BYTES_MAX {
        out.push_str("...");
        return;
    }
    let depth = depth + 1;
    match image.types.get(id.index()) {
        None => push(out, format_args!("{id:?}")),
        Some(Type::Void) => out.push_str("void"),
        Some(Type::Int) => out.push_str("int"),
        Some(Type::Double) => out.push_str("double"),
        Some(Type::Bool) => out.push_str("boolean"),
        Some(Type::Duration) => out.push_str("Duration"),
        Some(Type::Time) => out.push_str("Time"),
        Some(Type::String) => out.push_str("String"),
        Some(Type::Bytes) => out.push_str("Bytes"),
        Some(Type::List(element)) => push_generic(out, image, "List", &[*element], depth),
        Some(Type::Map(key, value)) => push_generic(out, image, "Map", &[*key, *value], depth),
        Some(Type::Set(element)) => push_generic(out, image, "Set", &[*element], depth),
        Some(Type::Nullable(inner)) => push_suffixed(out, image, *inner, "?", depth),
        Some(Type::Fallible(inner)) => push_suffixed(out, image, *inner, "!", depth),
        Some(Type::Function { params, ret }) => {
            out.push('(');
            push_types(out, image, params, depth);
            out.push_str(") -> ");
            push_type(out, image, *ret, depth);
        }
        Some(Type::Closure { ty, code, .. }) => {
            push(out, format_args!("{code:?} as "));
            push_type(out, image, *ty, depth);
        }
        Some(Type::Record(s) | Type::Class(s)) => push_text(out, &s.name),
        Some(Type::Enum { name, .. } | Type::Interface { name, .. } | Type::Handle(name)) => {
            push_text(out, name)
        }
    }
}

fn push_generic(out: &mut String, image: &Image, name: &str, args: &[TypeId], depth: usize) {
    out.push_str(name);
    out.push('<');
    push_types(out, image, args, depth);
    out.push('>');
}

fn push_types(out: &mut String, image: &Image, types: &[TypeId], depth: usize) {
    for (i, ty) in types.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        if out.len() > TYPE_NAME_BYTES_MAX {
            out.push_str("...");
            return;
        }
        push_type(out, image, *ty, depth);
    }
}

/// `T?`; function types need parentheses.
fn push_suffixed(out: &mut String, image: &Image, inner: TypeId, suffix: &str, depth: usize) {
    let parentheses =
        matches!(image.types.get(inner.index()), Some(Type::Function { .. } | Type::Closure { .. }));
    out.push_str(if parentheses { "(" } else { "" });
    push_type(out, image, inner, depth);
    out.push_str(if parentheses { ")" } else { "" });
    out.push_str(suffix);
}

fn push(out: &mut String, args: std::fmt::Arguments<'_>) {
    out.write_fmt(args).expect("writing to a String never fails");
}

/// A name as it may be shown: without controls.
fn push_text(out: &mut String, text: &str) {
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
}

fn text(text: &str) -> String {
    let mut out = String::new();
    push_text(&mut out, text);
    out
}

fn joined<T>(rows: impl IntoIterator<Item = T>, show: impl Fn(T) -> String) -> String {
    rows.into_iter().map(show).collect::<Vec<_>>().join(", ")
}

fn quoted(value: &str) -> String {
    let shown: String = value.chars().take(CONSTANT_SHOWN_MAX).collect();
    let more = if shown.len() < value.len() { "..." } else { "" };
    format!("{shown:?}{more}")
}

/// The whole image as text.
pub fn disassemble(image: &Image) -> String {
    let mut asm = Asm { image, out: String::new(), slot_names: HashMap::new() };
    asm.manifest();
    asm.tables();
    for (i, f) in image.functions.iter().enumerate() {
        asm.function(FunctionId(i as u32), f);
    }
    asm.out
}

struct Asm<'a> {
    image: &'a Image,
    out: String,
    /// Of the struct types met so far.
    slot_names: HashMap<TypeId, SlotNames>,
}

#[derive(Default)]
struct SlotNames {
    scalars: Vec<String>,
    refs: Vec<String>,
}

impl<'a> Asm<'a> {
    fn line(&mut self, args: std::fmt::Arguments<'_>) {
        push(&mut self.out, args);
        self.out.push('\n');
    }

    fn type_name(&self, ty: TypeId) -> String {
        type_name(self.image, ty)
    }

    fn regs(&self, regs: &[RegType]) -> String {
        joined(regs, |reg| reg_name(self.image, *reg))
    }

    fn manifest(&mut self) {
        let manifest = &self.image.manifest;
        self.line(format_args!("image {}", text(&manifest.name)));
        for capability in &manifest.capabilities {
            self.line(format_args!("capability {}", text(capability)));
        }
        for needs in &manifest.needs {
            let all = joined(&needs.capabilities, |capability| text(capability).to_string());
            self.line(format_args!("needs {:?} {all}", needs.function));
        }
        for name in &manifest.lowlevel {
            self.line(format_args!("lowlevel {}", text(name)));
        }
        for (i, source) in manifest.sources.iter().enumerate() {
            let hash: String = source.hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
            self.line(format_args!("source{i} {} {hash}", text(&source.path)));
        }
        for task in &manifest.tasks {
            self.task(task);
        }
        for scenario in &manifest.scenarios {
            self.scenario(scenario);
        }
        for signature in &self.image.signatures {
            self.line(format_args!("signature {}", text(&signature.scheme)));
        }
    }

    fn task(&mut self, task: &Task) {
        let params = joined(&task.params, |p| {
            let default = p.default.map(|f| format!(" = {f:?}")).unwrap_or_default();
            format!("{} {}{default}", self.type_name(p.ty), text(&p.name))
        });
        let role = task.role.map(|role| format!("{role:?} ").to_lowercase()).unwrap_or_default();
        let kind = if task.script { "script" } else { "task" };
        let undo = task.undo.map(|f| format!(" undo {f:?}")).unwrap_or_default();
        let dcase = task.dcase.as_ref().map(|case| format!(" D-Case {}", quoted(case))).unwrap_or_default();
        self.line(format_args!(
            "{role}{kind} {}({params}) {:?}{undo}{dcase}",
            text(&task.name),
            task.function
        ));
    }

    /// States as they are: what refers to a function, task or state is seen, nothing is worded.
    fn scenario(&mut self, scenario: &Scenario) {
        let params = joined(&scenario.params, |p| {
            let default = p.default.map(|f| format!(" = {f:?}")).unwrap_or_default();
            format!("{} {}{default}", self.type_name(p.ty), text(&p.name))
        });
        self.line(format_args!("scenario {}({params}) {:?}", text(&scenario.name), scenario.initial));
        if let Some(selector) = &scenario.selector {
            self.line(format_args!("  selector {selector:?}"));
        }
        for rule in &scenario.guard {
            self.line(format_args!("  guard {rule:?}"));
        }
        for (i, state) in scenario.states.iter().enumerate() {
            self.line(format_args!("  state{i} {} {:?}", text(&state.name), state.work));
        }
    }

    fn tables(&mut self) {
        let image = self.image;
        for i in 0..image.types.len() {
            let id = TypeId(i as u32);
            self.type_row(id);
        }
        for (i, constant) in image.constants.iter().enumerate() {
            match constant {
                Constant::String(value) => self.line(format_args!("const{i} {}", quoted(value))),
                Constant::Bytes(bytes) => self.line(format_args!("const{i} {} bytes", bytes.len())),
            }
        }
        for (i, native) in image.natives.iter().enumerate() {
            let args = joined(&native.type_args, |ty| self.type_name(*ty));
            let args = if args.is_empty() { args } else { format!("<{args}>") };
            let (params, results) = (self.regs(&native.params), self.regs(&native.results));
            self.line(format_args!("native{i} {}{args}({params}) -> ({results})", text(&native.name)));
        }
        for (i, row) in image.statics.iter().enumerate() {
            self.line(format_args!("static{i} {} = {:?}", self.type_name(row.ty), row.init));
        }
        for row in &image.defaults {
            let ty = self.type_name(row.ty);
            let field = match image.types.get(row.ty.index()) {
                Some(Type::Record(of)) => of.fields.get(row.field as usize).map_or("?", |f| f.name.as_str()),
                _ => "?",
            };
            self.line(format_args!("default {ty}.{} = {:?}", text(field), row.function));
        }
        for (i, script) in image.scripts.iter().enumerate() {
            self.line(format_args!("script{i} {} {} bytes", text(&script.name), script.bytes.len()));
        }
    }

    fn type_row(&mut self, id: TypeId) {
        let Some(ty) = self.image.types.get(id.index()) else { return };
        let name = self.type_name(id);
        let typed = |ty: TypeId, name: &str| format!("{} {}", self.type_name(ty), text(name));
        let what = match ty {
            Type::Record(s) | Type::Class(s) => {
                let kind = if matches!(ty, Type::Record(_)) { "record" } else { "class" };
                let fields = joined(&s.fields, |field| typed(field.ty, &field.name));
                let mut row = format!("{kind} {name}({fields})");
                for implementation in &s.implements {
                    let methods = joined(&implementation.methods, |f| format!("{f:?}"));
                    push(
                        &mut row,
                        format_args!(
                            " implements {} {{{methods}}}",
                            self.type_name(implementation.interface)
                        ),
                    );
                }
                if let Some(f) = s.to_string {
                    push(&mut row, format_args!(" toString {f:?}"));
                }
                row
            }
            Type::Enum { constants, .. } => format!("enum {name} {{{}}}", joined(constants, |c| text(c))),
            Type::Interface { methods, .. } => {
                let methods = joined(methods, |method| {
                    format!(
                        "{}({})",
                        typed(method.ret, &method.name),
                        joined(&method.params, |ty| self.type_name(*ty))
                    )
                });
                format!("interface {name} {{{methods}}}")
            }
            Type::Closure { captured, .. } => {
                format!("closure {name} captures ({})", joined(captured, |ty| self.type_name(*ty)))
            }
            Type::Handle(_) => format!("handle {name}"),
            _ => name,
        };
        let error = if self.image.manifest.error_type == Some(id) { " (the error type)" } else { "" };
        self.line(format_args!("{id:?} {what}{error}"));
    }

    fn function(&mut self, id: FunctionId, f: &'a Function) {
        let (params, results) = (self.regs(&f.params), self.regs(&f.results));
        self.line(format_args!("\n{id:?} {}({params}) -> ({results})", text(&f.name)));
        let scalars = joined(f.scalars.iter().enumerate(), |(i, kind)| format!("s{i} {}", kind_name(*kind)));
        let refs = joined(f.refs.iter().enumerate(), |(i, r)| format!("r{i} {}", ref_name(self.image, *r)));
        for (bank, registers) in [("scalars", scalars), ("refs", refs)] {
            if !registers.is_empty() {
                self.line(format_args!("  {bank} {registers}"));
            }
        }
        let (mut heads, mut lines) = (f.heads.iter().peekable(), f.lines.iter().peekable());
        for (at, instr) in f.code.iter().enumerate() {
            while let Some(head) = heads.next_if(|head| head.at.index() <= at) {
                let scalars = head.scalars.iter().map(|s| format!("{s:?}"));
                let live = joined(scalars.chain(head.refs.iter().map(|r| format!("{r:?}"))), |reg| reg);
                self.line(format_args!("{:?} {{{live}}}", head.at));
            }
            while let Some(line) = lines.next_if(|line| line.at as usize <= at) {
                let source = self.image.manifest.sources.get(line.source as usize);
                let path =
                    source.map_or_else(|| format!("source{}", line.source), |source| text(&source.path));
                self.line(format_args!("  ; {path}:{}:{}", line.line, line.column));
            }
            let mut shown = self.instruction(f, instr);
            if let Some(operands) = self.image.time_operands(id, at as u32) {
                push(&mut shown, format_args!(" ; {operands:?}"));
            }
            self.line(format_args!("{at:>6}  {shown}"));
        }
    }

    fn instruction(&mut self, f: &Function, instr: &Instr) -> String {
        let slot = self.slot_name(f, instr);
        let mut operands = Operands { image: self.image, slot, reads: vec![], writes: vec![] };
        instr.visit(&mut operands);
        let mut shown = instr.mnemonic().to_string();
        if !operands.reads.is_empty() {
            push(&mut shown, format_args!(" {}", operands.reads.join(", ")));
        }
        if !operands.writes.is_empty() {
            push(&mut shown, format_args!(" -> {}", operands.writes.join(", ")));
        }
        shown
    }

    /// Of the field an instruction reads or writes, where it has a name.
    fn slot_name(&mut self, f: &Function, instr: &Instr) -> Option<String> {
        let (object, slot, scalar) = match instr {
            Instr::GetScalar { object, slot, .. } | Instr::SetScalar { object, slot, .. } => {
                (object, slot, true)
            }
            Instr::GetRef { object, slot, .. } | Instr::SetRef { object, slot, .. } => (object, slot, false),
            _ => return None,
        };
        let ty = f.refs.get(object.index())?.ty;
        let image = self.image;
        let names = self.slot_names.entry(ty).or_insert_with(|| slot_names(image, ty));
        let bank = if scalar { &names.scalars } else { &names.refs };
        bank.get(slot.index()).cloned()
    }
}

fn slot_names(image: &Image, ty: TypeId) -> SlotNames {
    let mut names = SlotNames::default();
    let Some(Type::Record(s) | Type::Class(s)) = image.types.get(ty.index()) else { return names };
    for field in &s.fields {
        let Some(regs) = registers(&image.types, image.manifest.error_type, field.ty) else { break };
        for reg in regs {
            match reg {
                RegType::Scalar(_) => names.scalars.push(text(&field.name)),
                RegType::Ref(_) => names.refs.push(text(&field.name)),
            }
        }
    }
    names
}

/// Collects the operands of one instruction as text.
struct Operands<'a> {
    image: &'a Image,
    slot: Option<String>,
    reads: Vec<String>,
    writes: Vec<String>,
}

impl Operands<'_> {
    fn read(&mut self, operand: String) {
        self.reads.push(operand);
    }
}

impl Visitor for Operands<'_> {
    fn use_scalar(&mut self, reg: S, _kind: Option<ScalarKind>) {
        self.read(format!("{reg:?}"));
    }
    fn use_ref(&mut self, reg: R) {
        self.read(format!("{reg:?}"));
    }
    fn def_scalar(&mut self, reg: S, _kind: Option<ScalarKind>) {
        self.writes.push(format!("{reg:?}"));
    }
    fn def_ref(&mut self, reg: R) {
        self.writes.push(format!("{reg:?}"));
    }
    fn label(&mut self, label: Label) {
        self.read(format!("{label:?}"));
    }
    fn type_id(&mut self, id: TypeId) {
        self.read(type_name(self.image, id));
    }
    fn const_id(&mut self, id: ConstId) {
        self.read(match self.image.constants.get(id.index()) {
            Some(Constant::String(value)) => quoted(value),
            _ => format!("{id:?}"),
        });
    }
    fn function(&mut self, id: FunctionId) {
        let name = self.image.functions.get(id.index()).map(|f| text(&f.name)).unwrap_or_default();
        self.read(format!("{id:?} {name}"));
    }
    fn native(&mut self, id: NativeId) {
        let name = self.image.natives.get(id.index()).map(|native| text(&native.name)).unwrap_or_default();
        self.read(format!("{id:?} {name}"));
    }
    fn static_id(&mut self, id: StaticId) {
        self.read(format!("{id:?}"));
    }
    fn slot(&mut self, slot: Slot) {
        let name = self.slot.take().map(|name| format!(" {name}")).unwrap_or_default();
        self.read(format!("{slot:?}{name}"));
    }
    fn method(&mut self, method: MethodId) {
        self.read(format!("{method:?}"));
    }
    fn int(&mut self, value: i64) {
        self.read(value.to_string());
    }
    fn double(&mut self, value: f64) {
        self.read(format!("{value:?}"));
    }
    fn bool(&mut self, value: bool) {
        self.read(value.to_string());
    }
    fn trap(&mut self, kind: TrapKind) {
        self.read(kind.name().into());
    }
}
