//! Texts of objects, as `print`, `${}` and `+` show them.
//!
//! The walk keeps a list of what is still to be written instead of recursing. A class's own `toString()` inside
//! a collection runs in a dispatch loop of its own and may collect, so what is still to be written is rooted.

use crate::fiber::{Exit, Running};
use crate::heap::{BYTES, Ref, SLICE, STRING};
use crate::vm::{Cell, Peeled, trapped};
use dscript_bytecode::ids::*;
use dscript_bytecode::image::Type;
use dscript_bytecode::trap::TrapKind;

/// Things still to be written at once: each level of nesting leaves one or, in a record, one a field.
const PENDING_MAX: usize = 20_000;

/// What is still to be written. The object of each item is the `temps` slot pushed with it.
enum Item {
    Text(&'static str),
    Name(String),
    /// A value's registers without its reference.
    Value(TypeId, [u64; 2]),
    List(TypeId, usize),
    Map(usize),
}

impl Running<'_> {
    pub(crate) fn text_ref(&mut self, src: R, ty: TypeId, dst: R) -> Result<(), Exit> {
        let object = self.vm().get_r(src);
        let text = self.text(ty, Cell::reference(object))?;
        let vm = self.vm();
        let text = vm.new_string(&text)?;
        vm.set_r(dst, text);
        Ok(())
    }

    fn text(&mut self, ty: TypeId, cell: Cell) -> Result<String, Exit> {
        let base = self.vm().stack.temps.len();
        let mut writer = Writer { running: self, out: String::new(), items: Vec::new() };
        writer.push(Item::Value(ty, cell.s), cell.r[0]);
        let result = writer.run();
        let out = writer.out;
        self.vm().stack.temps.truncate(base);
        result.map(|()| out)
    }

    /// The text of an object whose type has its own `toString()`.
    fn own_text(&mut self, function: FunctionId, object: Ref) -> Result<String, Exit> {
        let vm = self.vm();
        vm.open_frame(function, true)?;
        vm.set_r(R(0), object);
        let base = vm.stack.frames.len() - 1;
        self.run(base)?;
        let vm = self.vm();
        Ok(vm.heap.text(vm.returned.r[0]).to_owned())
    }
}

struct Writer<'r, 'y> {
    running: &'r mut Running<'y>,
    out: String,
    items: Vec<Item>,
}

impl Writer<'_, '_> {
    fn push(&mut self, item: Item, object: Ref) {
        self.items.push(item);
        self.running.vm().stack.temps.push(object);
    }

    fn push_value(&mut self, ty: TypeId, cell: Cell) {
        match self.running.vm().peel(ty, cell) {
            Peeled::Null => self.push(Item::Text("null"), 0),
            Peeled::Error(error) => match self.running.vm().program.manifest().error_type {
                Some(ty) => self.push(Item::Value(ty, [0; 2]), error),
                None => self.push(Item::Text("Error"), 0),
            },
            Peeled::Value(ty, cell) => self.push(Item::Value(ty, cell.s), cell.r[0]),
        }
    }

    fn run(&mut self) -> Result<(), Exit> {
        loop {
            if self.running.vm().fuel < 0 {
                self.running.interrupted()?;
            }
            let Some(item) = self.items.pop() else { return Ok(()) };
            let vm = self.running.vm();
            let object = vm.stack.temps.pop().unwrap_or_default();
            vm.fuel -= 1;
            if self.items.len() > PENDING_MAX {
                let text = "a value is nested too deep, or within itself, to be shown as text";
                return Err(trapped(TrapKind::Stack, text).into());
            }
            vm.check_size(self.out.len())?;
            match item {
                Item::Text(text) => self.out.push_str(text),
                Item::Name(text) => self.out.push_str(&text),
                Item::Value(ty, scalars) => self.value(ty, scalars, object)?,
                Item::List(element, index) => {
                    if index < vm.heap.list_size(object) {
                        let kind = vm.program.info(element).element;
                        let cell = vm.unboxed(element, vm.list_get(kind, object, index));
                        if index > 0 {
                            self.out.push_str(", ");
                        }
                        self.push(Item::List(element, index + 1), object);
                        self.push_value(element, cell);
                    } else {
                        self.out.push(']');
                    }
                }
                Item::Map(from) => self.entry(object, from),
            }
        }
    }

    fn entry(&mut self, map: Ref, from: usize) {
        let vm = self.running.vm();
        let kind = vm.map_type_of(map);
        let Some(entry) = vm.map_next(map, from) else {
            self.out.push(if kind.value.is_some() { '}' } else { ']' });
            return;
        };
        let key = vm.unboxed(kind.key, vm.map_key(&kind, map, entry));
        let value = kind.value.map(|ty| (ty, vm.unboxed(ty, vm.map_value(&kind, map, entry))));
        if vm.map_next(map, 0) != Some(entry) {
            self.out.push_str(", ");
        }
        self.push(Item::Map(entry + 1), map);
        if let Some((ty, value)) = value {
            self.push_value(ty, value);
            self.push(Item::Text(": "), 0);
        }
        self.push_value(kind.key, key);
    }

    fn value(&mut self, ty: TypeId, scalars: [u64; 2], object: Ref) -> Result<(), Exit> {
        let vm = self.running.vm();
        let program = std::sync::Arc::clone(&vm.program);
        let mut ty = ty;
        if object != 0 {
            match vm.heap.tag(object) {
                STRING | SLICE => {
                    self.out.push_str(vm.heap.text(object));
                    return Ok(());
                }
                BYTES => {
                    for byte in vm.heap.text_bytes(object) {
                        self.out.push_str(&format!("{byte:02x}"));
                    }
                    return Ok(());
                }
                // What stands behind an interface says how it looks.
                tag => ty = TypeId(tag),
            }
        }
        match program.ty(ty) {
            Type::Int | Type::Double | Type::Bool | Type::Duration | Type::Time | Type::Enum { .. } => {
                let text = vm.scalar_text(ty, scalars[0]);
                self.out.push_str(&text);
            }
            Type::List(element) => {
                self.out.push('[');
                self.push(Item::List(*element, 0), object);
            }
            Type::Map(..) | Type::Set(_) => {
                self.out.push(if matches!(program.ty(ty), Type::Set(_)) { '[' } else { '{' });
                self.push(Item::Map(0), object);
            }
            Type::Record(of) | Type::Class(of) => {
                if let Some(function) = of.to_string {
                    let text = self.running.own_text(function, object)?;
                    self.out.push_str(&text);
                } else if matches!(program.ty(ty), Type::Class(_)) {
                    self.out.push_str(plain_name(&of.name));
                } else {
                    self.record(&of.name, ty, object);
                }
            }
            Type::Nullable(_) | Type::Fallible(_) => {
                let cell = vm.unboxed(ty, object.into());
                self.push_value(ty, cell);
            }
            Type::Handle(name) => self.out.push_str(name),
            Type::Closure { .. } | Type::Function { .. } | Type::Interface { .. } => {
                self.out.push_str("function")
            }
            Type::Void | Type::String | Type::Bytes => {}
        }
        Ok(())
    }

    fn record(&mut self, name: &str, ty: TypeId, object: Ref) {
        let program = std::sync::Arc::clone(&self.running.vm().program);
        let layout = program.object(ty);
        self.out.push_str(plain_name(name));
        self.out.push('(');
        self.push(Item::Text(")"), 0);
        for (index, field) in layout.fields.iter().enumerate().rev() {
            let cell = self.running.vm().field(object, layout, field);
            self.push_value(field.ty, cell);
            let comma = if index > 0 { ", " } else { "" };
            self.push(Item::Name(format!("{comma}{}: ", field.name)), 0);
        }
    }
}

/// A generic type goes by its plain name, as in Java.
fn plain_name(name: &str) -> &str {
    name.split('<').next().unwrap_or(name)
}
