//! A value as a text. The walk allocates nothing in the heap, so references hold until it is done.

use super::DEPTH_MAX;
use crate::format;
use crate::heap::Ref;
use crate::native::{PureCall, Trapped};
use crate::natives::Done;
use crate::natives::bytes::to_base64;
use crate::vm::{Cell, Peeled, Vm, trapped};
use dscript_bytecode::ids::TypeId;
use dscript_bytecode::image::Type;
use dscript_bytecode::trap::TrapKind;

/// Spaces by which a level may be set in.
const INDENT_MAX: i64 = 16;

pub(super) fn text(call: &mut PureCall<'_>) -> Done {
    let (ty, _) = call.type_arg(0);
    let indent = call.int(1);
    if !(0..=INDENT_MAX).contains(&indent) {
        return Err(trapped(TrapKind::Argument, format!("the indent is {indent}, not 0 to {INDENT_MAX}")));
    }
    let cell = call.vm.unboxed(ty, call.bits(0));
    let mut writer = Writer { vm: call.vm, out: String::new(), indent: indent as usize };
    writer.value(ty, cell, 0)?;
    let out = writer.out;
    call.spend(out.len() / 8);
    call.give_text(&out)
}

struct Writer<'v> {
    vm: &'v Vm,
    out: String,
    indent: usize,
}

impl Writer<'_> {
    fn value(&mut self, ty: TypeId, cell: Cell, depth: usize) -> Done {
        self.vm.check_size(self.out.len())?;
        if depth > DEPTH_MAX {
            let text = format!("more than {DEPTH_MAX} lists and objects are within each other");
            return Err(trapped(TrapKind::Stack, text));
        }
        let (mut ty, cell) = match self.vm.peel(ty, cell) {
            Peeled::Null => {
                self.out.push_str("null");
                return Ok(());
            }
            Peeled::Error(_) => return Err(refused("an error")),
            Peeled::Value(ty, cell) => (ty, cell),
        };
        let (bits, object) = (cell.s[0], cell.r[0]);
        if let Type::Interface { .. } = self.vm.program.ty(ty) {
            ty = TypeId(self.vm.heap.tag(object));
        }
        match self.vm.program.ty(ty) {
            Type::Int => self.out.push_str(&(bits as i64).to_string()),
            Type::Double => {
                let value = f64::from_bits(bits);
                if !value.is_finite() {
                    return Err(refused(&format!("the double {}", format::double_text(value))));
                }
                self.out.push_str(&format::double_text(value));
            }
            Type::Bool => self.out.push_str(if bits != 0 { "true" } else { "false" }),
            Type::Duration | Type::Time | Type::Enum { .. } => {
                let text = self.vm.scalar_text(ty, bits);
                self.quoted(&text);
            }
            Type::String => {
                let text = self.vm.heap.text(object).to_owned();
                self.quoted(&text);
            }
            Type::Bytes => {
                let text = to_base64(self.vm.heap.text_bytes(object));
                self.quoted(&text);
            }
            Type::List(element) => {
                let (element, kind) = (*element, self.vm.program.info(*element).element);
                self.out.push('[');
                let size = self.vm.heap.list_size(object);
                for index in 0..size {
                    self.next(index == 0, depth + 1);
                    let cell = self.vm.unboxed(element, self.vm.list_get(kind, object, index));
                    self.value(element, cell, depth + 1)?;
                }
                self.close(size == 0, depth, ']');
            }
            Type::Map(..) | Type::Set(_) => self.map(object, depth)?,
            Type::Record(of) => {
                let tree = matches!(
                    of.name.as_str(),
                    "JsonNull"
                        | "JsonBool"
                        | "JsonInt"
                        | "JsonDouble"
                        | "JsonString"
                        | "JsonList"
                        | "JsonObject"
                );
                let layout = self.vm.program.object(ty);
                match &layout.fields[..] {
                    [] if of.name == "JsonNull" => self.out.push_str("null"),
                    [field] if tree && field.name == "value" => {
                        self.value(field.ty, self.vm.field(object, layout, field), depth)?;
                    }
                    fields => {
                        self.out.push('{');
                        for (index, field) in fields.iter().enumerate() {
                            self.next(index == 0, depth + 1);
                            self.name(&field.name);
                            self.value(field.ty, self.vm.field(object, layout, field), depth + 1)?;
                        }
                        self.close(fields.is_empty(), depth, '}');
                    }
                }
            }
            _ => return Err(refused(&format!("a `{}`", self.vm.program.type_name(ty)))),
        }
        Ok(())
    }

    fn map(&mut self, map: Ref, depth: usize) -> Done {
        let kind = self.vm.map_type_of(map);
        let is_map = kind.value.is_some();
        self.out.push(if is_map { '{' } else { '[' });
        let mut at = 0;
        while let Some(entry) = self.vm.map_next(map, at) {
            self.next(at == 0, depth + 1);
            let key = self.vm.unboxed(kind.key, self.vm.map_key(&kind, map, entry));
            match kind.value {
                Some(ty) => {
                    let name = match self.vm.program.ty(kind.key) {
                        Type::String => self.vm.heap.text(key.r[0]).to_owned(),
                        Type::Bytes => to_base64(self.vm.heap.text_bytes(key.r[0])),
                        Type::Int | Type::Bool | Type::Duration | Type::Time | Type::Enum { .. } => {
                            self.vm.scalar_text(kind.key, key.s[0])
                        }
                        _ => {
                            let name = self.vm.program.type_name(kind.key);
                            return Err(refused(&format!("a map with keys of `{name}`")));
                        }
                    };
                    self.name(&name);
                    let value = self.vm.unboxed(ty, self.vm.map_value(&kind, map, entry));
                    self.value(ty, value, depth + 1)?;
                }
                None => self.value(kind.key, key, depth + 1)?,
            }
            at = entry + 1;
        }
        self.close(at == 0, depth, if is_map { '}' } else { ']' });
        Ok(())
    }

    /// Before an element.
    fn next(&mut self, first: bool, depth: usize) {
        if !first {
            self.out.push(',');
        }
        if self.indent > 0 {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n(' ', self.indent * depth));
        }
    }

    fn close(&mut self, empty: bool, depth: usize, end: char) {
        if !empty && self.indent > 0 {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n(' ', self.indent * depth));
        }
        self.out.push(end);
    }

    fn name(&mut self, name: &str) {
        self.quoted(name);
        self.out.push_str(if self.indent > 0 { ": " } else { ":" });
    }

    fn quoted(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\0'..' ' | '\u{7f}' => self.out.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }
}

fn refused(what: &str) -> Trapped {
    trapped(TrapKind::Argument, format!("{what} has no JSON text"))
}
