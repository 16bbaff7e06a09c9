//! Values between the heap and the outside: arguments of outside natives out, their results and errors in.
//!
//! Importing allocates without collecting: the room is reserved by weight first, and what is beyond that
//! is caught up at the next allocation. So nothing that is half built needs a root.

use crate::heap::Ref;
use crate::link::{Linked, Ty};
use crate::list::list_words;
use crate::map::map_words;
use crate::native::Trapped;
use crate::program::Element;
use crate::report::Failed;
use crate::value::{ErrorValue, Fault, Value};
use crate::vm::{Cell, Peeled, Vm, trapped};
use dscript_bytecode::ids::{Reg, TypeId};
use dscript_bytecode::image::Type;
use dscript_bytecode::trap::TrapKind;

/// Collections and records within each other, either way.
const DEPTH_MAX: usize = 100;

type Fitted<T> = Result<T, String>;

impl Ty {
    /// Registers of a value, scalars and references.
    fn widths(&self, vm: &Vm) -> (usize, usize) {
        match self {
            Ty::Void | Ty::Class(_) => (0, 0),
            Ty::Int | Ty::Double | Ty::Bool | Ty::Duration | Ty::Time => (1, 0),
            Ty::Image(id) => {
                let info = vm.program.info(*id);
                (info.scalars.into(), info.refs.into())
            }
            Ty::Element(id) if vm.program.info(*id).element.is_scalar() => (1, 0),
            Ty::Element(_) => (0, 1),
            Ty::Nullable(inner) => match inner.widths(vm) {
                (0, refs) => (0, refs),
                (scalars, refs) => (scalars + 1, refs),
            },
            Ty::Fallible(inner) => {
                let (scalars, refs) = inner.widths(vm);
                (scalars, refs + 1)
            }
        }
    }
}

// ---- out ----

impl Vm {
    pub(crate) fn export_args(&self, linked: &Linked, args: &[Reg]) -> Result<Vec<Value>, Trapped> {
        let mut rest = args;
        let mut bytes = 0;
        let mut values = Vec::with_capacity(linked.params.len());
        for ty in &linked.params {
            let (scalars, refs) = ty.widths(self);
            let (own, others) = rest.split_at(scalars + refs);
            rest = others;
            values.push(self.export(ty, self.registers(own), &mut bytes)?);
        }
        Ok(values)
    }

    fn export(&self, ty: &Ty, mut cell: Cell, bytes: &mut usize) -> Result<Value, Trapped> {
        Ok(match ty {
            Ty::Void => Value::Null,
            Ty::Int => Value::Int(cell.s[0] as i64),
            Ty::Double => Value::Double(f64::from_bits(cell.s[0])),
            Ty::Bool => Value::Bool(cell.s[0] != 0),
            Ty::Duration => Value::Duration(cell.s[0] as i64),
            Ty::Time => Value::Time(cell.s[0] as i64),
            Ty::Class(id) => Value::Type(*id),
            Ty::Image(id) => self.export_type(*id, cell, bytes, 0)?,
            Ty::Element(id) => {
                let bits =
                    if self.program.info(*id).element.is_scalar() { cell.s[0] } else { cell.r[0].into() };
                self.export_type(*id, self.unboxed(*id, bits), bytes, 0)?
            }
            Ty::Nullable(inner) => {
                let is_null = if inner.widths(self).0 > 0 { cell.s[0] == 0 } else { cell.r[0] == 0 };
                if is_null {
                    return Ok(Value::Null);
                }
                if inner.widths(self).0 > 0 {
                    cell.s = [cell.s[1], 0];
                }
                self.export(inner, cell, bytes)?
            }
            Ty::Fallible(inner) => match cell.r[inner.widths(self).1] {
                0 => self.export(inner, cell, bytes)?,
                error => Value::Error(Box::new(self.export_error(error, bytes, 0)?)),
            },
        })
    }

    /// A value of a type of the image. `bytes` counts what was made: a value that shares parts of itself can
    /// be much larger outside than in the heap.
    pub(crate) fn export_type(
        &self,
        ty: TypeId,
        cell: Cell,
        bytes: &mut usize,
        depth: usize,
    ) -> Result<Value, Trapped> {
        *bytes += std::mem::size_of::<Value>();
        self.check_size(*bytes)?;
        if depth > DEPTH_MAX {
            return Err(trapped(TrapKind::Stack, "a value is nested too deep to go outside"));
        }
        let (ty, cell) = match self.peel(ty, cell) {
            Peeled::Null => return Ok(Value::Null),
            Peeled::Error(error) => {
                return Ok(Value::Error(Box::new(self.export_error(error, bytes, depth)?)));
            }
            Peeled::Value(ty, cell) => (ty, cell),
        };
        let (bits, object) = (cell.s[0], cell.r[0]);
        let ty = match self.program.ty(ty) {
            Type::Interface { .. } => TypeId(self.heap.tag(object)),
            _ => ty,
        };
        Ok(match self.program.ty(ty) {
            Type::Void => Value::Null,
            Type::Int => Value::Int(bits as i64),
            Type::Double => Value::Double(f64::from_bits(bits)),
            Type::Bool => Value::Bool(bits != 0),
            Type::Duration => Value::Duration(bits as i64),
            Type::Time => Value::Time(bits as i64),
            Type::Enum { .. } => Value::Enum(self.scalar_text(ty, bits)),
            Type::String => {
                *bytes += self.heap.len(object);
                self.check_size(*bytes)?;
                Value::String(self.heap.text(object).to_owned())
            }
            Type::Bytes => {
                *bytes += self.heap.len(object);
                self.check_size(*bytes)?;
                Value::Bytes(self.heap.text_bytes(object).to_vec())
            }
            Type::List(element) => {
                let kind = self.program.info(*element).element;
                let mut all = Vec::new();
                for index in 0..self.heap.list_size(object) {
                    let cell = self.unboxed(*element, self.list_get(kind, object, index));
                    all.push(self.export_type(*element, cell, bytes, depth + 1)?);
                }
                Value::List(all)
            }
            Type::Map(..) | Type::Set(_) => self.export_map(object, bytes, depth)?,
            Type::Record(_) | Type::Class(_) => {
                let layout = self.program.object(ty);
                let mut fields = Vec::with_capacity(layout.fields.len());
                for field in &layout.fields {
                    let value =
                        self.export_type(field.ty, self.field(object, layout, field), bytes, depth + 1)?;
                    fields.push((field.name.clone(), value));
                }
                Value::Record(fields)
            }
            Type::Handle(_) => Value::Handle(self.handle(object)),
            Type::Function { .. } | Type::Closure { .. } => {
                return Err(trapped(TrapKind::Internal, "a function cannot go outside"));
            }
            Type::Nullable(_) | Type::Fallible(_) | Type::Interface { .. } => Value::Null,
        })
    }

    fn export_map(&self, map: Ref, bytes: &mut usize, depth: usize) -> Result<Value, Trapped> {
        let kind = self.map_type_of(map);
        let (mut entries, mut elements) = (Vec::new(), Vec::new());
        let mut at = 0;
        while let Some(entry) = self.map_next(map, at) {
            let key = self.unboxed(kind.key, self.map_key(&kind, map, entry));
            let key = self.export_type(kind.key, key, bytes, depth + 1)?;
            match kind.value {
                Some(ty) => {
                    let value = self.unboxed(ty, self.map_value(&kind, map, entry));
                    entries.push((key, self.export_type(ty, value, bytes, depth + 1)?));
                }
                None => elements.push(key),
            }
            at = entry + 1;
        }
        Ok(if kind.value.is_some() { Value::Map(entries) } else { Value::List(elements) })
    }

    fn export_error(&self, error: Ref, bytes: &mut usize, depth: usize) -> Result<ErrorValue, Trapped> {
        let Some(ty) = self.program.manifest().error_type else {
            return Err(trapped(TrapKind::Internal, "the program has no type of errors"));
        };
        Ok(error_of(self.export_type(ty, Cell::reference(error), bytes, depth + 1)?))
    }

    /// How a body ended that returned an error.
    pub(crate) fn failed(&self, error: Ref) -> Failed {
        let mut bytes = 0;
        let exported = self
            .program
            .manifest()
            .error_type
            .map(|ty| self.export_type(ty, Cell::reference(error), &mut bytes, 0));
        match exported {
            Some(Ok(value)) => {
                let position = if let Value::Record(fields) = &value { position_of(fields) } else { None };
                Failed { error: error_of(value), position }
            }
            Some(Err(trap)) => Failed { error: plain("fail", trap.text), position: None },
            None => Failed { error: plain("fail", "an error".into()), position: None },
        }
    }
}

fn plain(code: &str, message: String) -> ErrorValue {
    ErrorValue { code: code.into(), message, fault: Vec::new(), cause: None, data: Vec::new() }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) | Value::Enum(text) => text.clone(),
        Value::Int(n) => n.to_string(),
        _ => String::new(),
    }
}

fn error_of(value: Value) -> ErrorValue {
    let mut error = plain("fail", String::new());
    let Value::Record(fields) = value else { return error };
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("code", value) => error.code = text_of(&value),
            ("message", value) => error.message = text_of(&value),
            ("fault", Value::List(faults)) => {
                let all = [Fault::System, Fault::Software, Fault::User, Fault::External];
                let named = |value: &Value| all.into_iter().find(|f| text_of(value) == f.name());
                error.fault = faults.iter().filter_map(named).collect();
            }
            ("cause", value @ Value::Record(_)) => error.cause = Some(Box::new(error_of(value))),
            ("data", Value::Map(entries)) => {
                error.data = entries.iter().map(|(k, v)| (text_of(k), text_of(v))).collect();
            }
            _ => {}
        }
    }
    error
}

fn position_of(fields: &[(String, Value)]) -> Option<String> {
    let (_, position) = fields.iter().find(|(name, _)| name == "position")?;
    match position {
        Value::String(text) => Some(text.clone()),
        Value::Record(parts) => {
            let part = |name: &str| parts.iter().find(|(n, _)| n == name).map(|(_, v)| text_of(v));
            Some(format!("{}:{}:{}", part("file")?, part("line")?, part("column")?))
        }
        _ => None,
    }
}

// ---- in ----

/// About the words a value takes as what it mostly is: a record as a struct, a scalar within its collection. It must
/// not be far above, or what would fit the heap is refused.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => 3 + text.len() / 8,
        Value::Bytes(bytes) => 2 + bytes.len() / 8,
        Value::List(all) => 8 + 2 * all.len() + all.iter().map(weight).sum::<usize>(),
        Value::Map(all) => 16 + 6 * all.len() + all.iter().map(|(k, v)| weight(k) + weight(v)).sum::<usize>(),
        Value::Record(all) => 4 + 2 * all.len() + all.iter().map(|(_, v)| weight(v)).sum::<usize>(),
        Value::Error(error) => 200 + error.message.len() / 8 + error.data.len() * 32,
        Value::Handle(_) => 2,
        _ => 0,
    }
}

impl Vm {
    fn without_collection<T>(
        &mut self,
        words: usize,
        make: impl FnOnce(&mut Self) -> T,
    ) -> Result<T, Trapped> {
        self.reserve(words)?;
        self.heap.suspend_collection();
        let made = make(self);
        self.heap.resume_collection();
        Ok(made)
    }

    pub(crate) fn import_param(&mut self, ty: TypeId, value: &Value) -> Result<Cell, String> {
        self.without_collection(weight(value), |vm| vm.import_type(ty, value, 0)).map_err(|trap| trap.text)?
    }

    /// Puts what an outside native gave into the registers of its results.
    pub(crate) fn import_result(
        &mut self,
        linked: &Linked,
        results: &[Reg],
        result: Result<&Value, &ErrorValue>,
    ) -> Result<(), Trapped> {
        let words = match result {
            Ok(value) => weight(value),
            Err(error) => weight(&Value::Error(Box::new(error.clone()))),
        };
        let cell = self.without_collection(words, |vm| vm.import(&linked.result, result))?;
        let cell = cell.map_err(|what| {
            trapped(TrapKind::Internal, format!("native `{}` gave something else: {what}", linked.def.name))
        })?;
        self.set_registers(results, cell);
        Ok(())
    }

    fn import(&mut self, ty: &Ty, result: Result<&Value, &ErrorValue>) -> Fitted<Cell> {
        let value = match (ty, result) {
            (Ty::Fallible(inner), Err(error)) => {
                let mut cell = Cell::default();
                cell.r[inner.widths(self).1] = self.import_error(error, 0)?;
                return Ok(cell);
            }
            (Ty::Fallible(inner), Ok(Value::Error(error))) => {
                let mut cell = Cell::default();
                cell.r[inner.widths(self).1] = self.import_error(error, 0)?;
                return Ok(cell);
            }
            (_, Err(error)) => return Err(format!("an error where none can be: {}", error.message)),
            (_, Ok(value)) => value,
        };
        match (ty, value) {
            (Ty::Fallible(inner), value) => self.import(inner, Ok(value)),
            (Ty::Nullable(_), Value::Null) => Ok(Cell::default()),
            (Ty::Nullable(inner), value) => {
                let mut cell = self.import(inner, Ok(value))?;
                if inner.widths(self).0 > 0 {
                    cell.s = [1, cell.s[0]];
                }
                Ok(cell)
            }
            (Ty::Void, _) | (Ty::Class(_), _) => Ok(Cell::default()),
            (Ty::Int, Value::Int(n)) => Ok(Cell::scalar(*n as u64)),
            (Ty::Double, Value::Double(d)) => Ok(Cell::scalar(d.to_bits())),
            (Ty::Double, Value::Int(n)) => Ok(Cell::scalar((*n as f64).to_bits())),
            (Ty::Bool, Value::Bool(b)) => Ok(Cell::scalar(u64::from(*b))),
            (Ty::Duration, Value::Duration(n) | Value::Int(n)) => Ok(Cell::scalar(*n as u64)),
            (Ty::Time, Value::Time(n) | Value::Int(n)) => Ok(Cell::scalar(*n as u64)),
            (Ty::Image(id), value) => self.import_type(*id, value, 0),
            (Ty::Element(id), value) => {
                let bits = self.import_element(*id, value, 0)?;
                let is_scalar = self.program.info(*id).element.is_scalar();
                Ok(if is_scalar { Cell::scalar(bits) } else { Cell::reference(bits as Ref) })
            }
            (ty, value) => Err(misfit(&format!("{ty:?}"), value)),
        }
    }

    /// As a collection holds it.
    fn import_element(&mut self, ty: TypeId, value: &Value, depth: usize) -> Fitted<u64> {
        let cell = self.import_type(ty, value, depth)?;
        Ok(match self.program.info(ty).element {
            Element::None => 0,
            Element::Scalar | Element::Bool => cell.s[0],
            Element::Ref => cell.r[0].into(),
            Element::Boxed => self.boxed(ty, cell).into(),
        })
    }

    /// The box of a `T?` or `T!`; room was reserved.
    fn boxed(&mut self, ty: TypeId, cell: Cell) -> Ref {
        let program = std::sync::Arc::clone(&self.program);
        let layout = program.object(ty);
        let object = self.heap.allocate(ty.0, 0, program.shapes[ty.index()].words as usize);
        self.set_field(object, layout, &layout.fields[0], cell);
        object
    }

    fn import_type(&mut self, ty: TypeId, value: &Value, depth: usize) -> Fitted<Cell> {
        if depth > DEPTH_MAX {
            return Err("it is nested too deep".into());
        }
        let program = std::sync::Arc::clone(&self.program);
        let as_ref = |object| Ok(Cell::reference(object));
        let as_scalar = |bits: i64| Ok(Cell::scalar(bits as u64));
        match (program.ty(ty), value) {
            (Type::Void, _) => Ok(Cell::default()),
            (Type::Nullable(_), Value::Null) => Ok(Cell::default()),
            (Type::Nullable(inner), value) => {
                let mut cell = self.import_type(*inner, value, depth)?;
                if program.info(*inner).scalars > 0 {
                    cell.s = [1, cell.s[0]];
                }
                Ok(cell)
            }
            (Type::Fallible(inner), Value::Error(error)) => {
                let mut cell = Cell::default();
                cell.r[usize::from(program.info(*inner).refs)] = self.import_error(error, depth)?;
                Ok(cell)
            }
            (Type::Fallible(inner), value) => self.import_type(*inner, value, depth),
            (Type::Int, Value::Int(n)) => as_scalar(*n),
            (Type::Double, Value::Double(d)) => as_scalar(d.to_bits() as i64),
            (Type::Double, Value::Int(n)) => as_scalar((*n as f64).to_bits() as i64),
            (Type::Bool, Value::Bool(b)) => as_scalar((*b).into()),
            (Type::Duration, Value::Duration(n) | Value::Int(n)) => as_scalar(*n),
            (Type::Time, Value::Time(n) | Value::Int(n)) => as_scalar(*n),
            (Type::Enum { constants, name }, Value::Enum(text) | Value::String(text)) => {
                match constants.iter().position(|c| c == text) {
                    Some(ordinal) => as_scalar(ordinal as i64),
                    None => Err(format!("{name} has no constant {text}")),
                }
            }
            (Type::String, Value::String(text)) => as_ref(self.heap.string(text)),
            (Type::String, Value::Made) => as_ref(*self.stack.temps.last().ok_or("no text was begun")?),
            (Type::Bytes, Value::Bytes(bytes)) => as_ref(self.heap.bytes(bytes)),
            (Type::List(element), Value::List(all)) => {
                let kind = program.info(*element).element;
                debug_assert!(self.heap.has_room(list_words(kind, all.len())));
                let list = self.new_list(ty, all.len());
                for value in all {
                    let bits = self.import_element(*element, value, depth + 1)?;
                    self.list_add(kind, list, bits).map_err(|trap| trap.text)?;
                }
                as_ref(list)
            }
            (Type::Set(_), Value::List(all)) => {
                let nothing = Value::Null;
                self.import_map(ty, all.iter().map(|key| (key, &nothing)), all.len(), depth)
            }
            (Type::Map(..), Value::Map(all)) => {
                self.import_map(ty, all.iter().map(|(k, v)| (k, v)), all.len(), depth)
            }
            (Type::Map(..), Value::Record(all)) => {
                let keys: Vec<Value> = all.iter().map(|(k, _)| Value::String(k.clone())).collect();
                self.import_map(ty, keys.iter().zip(all.iter().map(|(_, v)| v)), all.len(), depth)
            }
            (Type::Record(_) | Type::Class(_), Value::Error(error)) => {
                as_ref(self.import_error(error, depth)?)
            }
            (Type::Record(of) | Type::Class(of), Value::Record(given)) => {
                let find = |name: &str| given.iter().find(|(n, _)| n == name).map(|(_, v)| v);
                as_ref(self.import_record(ty, &of.name, find, depth)?)
            }
            (Type::Record(of) | Type::Class(of), Value::Map(given)) => {
                let find = |name: &str| {
                    given.iter().find(|(k, _)| matches!(k, Value::String(k) if k == name)).map(|(_, v)| v)
                };
                as_ref(self.import_record(ty, &of.name, find, depth)?)
            }
            (Type::Handle(_), Value::Handle(handle)) => {
                as_ref(self.new_handle(ty, std::rc::Rc::clone(handle)))
            }
            (_, value) => Err(misfit(&program.type_name(ty), value)),
        }
    }

    fn import_record<'v>(
        &mut self,
        ty: TypeId,
        name: &str,
        find: impl Fn(&str) -> Option<&'v Value>,
        depth: usize,
    ) -> Fitted<Ref> {
        let program = std::sync::Arc::clone(&self.program);
        let layout = program.object(ty);
        let object = self.heap.allocate(ty.0, 0, program.shapes[ty.index()].words as usize);
        for field in &layout.fields {
            let cell = match find(&field.name) {
                Some(value) => self
                    .import_type(field.ty, value, depth + 1)
                    .map_err(|what| format!("{name}.{}: {what}", field.name))?,
                None if matches!(program.ty(field.ty), Type::Nullable(_)) => Cell::default(),
                None => return Err(format!("{name} needs the field {}", field.name)),
            };
            self.set_field(object, layout, field, cell);
        }
        Ok(object)
    }

    fn import_map<'v>(
        &mut self,
        ty: TypeId,
        entries: impl Iterator<Item = (&'v Value, &'v Value)>,
        count: usize,
        depth: usize,
    ) -> Fitted<Cell> {
        let kind = self.map_type(ty);
        debug_assert!(self.heap.has_room(map_words(&kind, count)));
        let map = self.new_map(&kind, count);
        for (key, value) in entries {
            let key = self.import_element(kind.key, key, depth + 1)?;
            let value = match kind.value {
                Some(ty) => self.import_element(ty, value, depth + 1)?,
                None => 0,
            };
            self.map_put(&kind, map, key, value).map_err(|trap| trap.text)?;
        }
        Ok(Cell::reference(map))
    }

    /// An `Error` object by the program's own layout, made at the running frame's place.
    fn import_error(&mut self, error: &ErrorValue, depth: usize) -> Fitted<Ref> {
        let program = std::sync::Arc::clone(&self.program);
        let Some(ty) = program.manifest().error_type else {
            return Err("the program has no type of errors".into());
        };
        let text = |text: &str| Value::String(text.to_owned());
        let place = self.position();
        let (function, file, line, column) = match &place {
            Some(p) => (p.function.as_str(), p.file.as_str(), p.line, p.column),
            None => ("?", "?", 0, 0),
        };
        let is_text = |ty: TypeId| match program.ty(ty) {
            Type::Nullable(inner) => matches!(program.ty(*inner), Type::String),
            ty => matches!(ty, Type::String),
        };
        let as_text = program.object(ty).fields.iter().any(|f| f.name == "position" && is_text(f.ty));
        let position = if as_text {
            text(&format!("{file}:{line}:{column}"))
        } else {
            Value::Record(vec![
                ("file".into(), text(file)),
                ("line".into(), Value::Int(line.into())),
                ("column".into(), Value::Int(column.into())),
                ("function".into(), text(function)),
            ])
        };
        let fields = Value::Record(vec![
            ("code".into(), text(&error.code)),
            ("message".into(), text(&error.message)),
            ("fault".into(), Value::List(error.fault.iter().map(|f| Value::Enum(f.name().into())).collect())),
            ("cause".into(), error.cause.clone().map_or(Value::Null, Value::Error)),
            ("position".into(), position),
            ("data".into(), Value::Map(error.data.iter().map(|(k, v)| (text(k), text(v))).collect())),
        ]);
        Ok(self.import_type(ty, &fields, depth + 1)?.r[0])
    }
}

fn misfit(wanted: &str, value: &Value) -> String {
    let mut shown = format!("{value:?}");
    if shown.len() > 80 {
        let end = shown.char_indices().map(|(i, _)| i).take_while(|i| *i <= 80).last().unwrap_or(0);
        shown.truncate(end);
        shown.push_str("...");
    }
    format!("{shown} is not a {wanted}")
}
