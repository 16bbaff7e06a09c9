//! Components that a value from outside leaves out: what their defaults give, computed by the program's own code.
//!
//! A default takes the components before it, so a record is completed from its first component to its last. What was
//! given is not looked at: a component that fits nothing is told when the value goes into the heap.

use std::sync::Arc;

use crate::fiber::{Exit, Running};
use crate::link::Ty;
use crate::program::Program;
use crate::value::Value;
use crate::vm::trapped;
use dscript_bytecode::ids::{FunctionId, TypeId};
use dscript_bytecode::image::{Field, Type};
use dscript_bytecode::trap::TrapKind;

impl Running<'_> {
    /// What a native gave, completed.
    pub(crate) fn completed_result(&mut self, ty: &Ty, value: Value) -> Result<Value, Exit> {
        match ty {
            Ty::Image(id) | Ty::Element(id) => self.completed(*id, value),
            Ty::Nullable(inner) | Ty::Fallible(inner) => self.completed_result(inner, value),
            _ => Ok(value),
        }
    }

    /// The value with every component that it leaves out and that has a default.
    pub(crate) fn completed(&mut self, ty: TypeId, value: Value) -> Result<Value, Exit> {
        let program = Arc::clone(&self.vm().program);
        if program.image().defaults.is_empty() {
            return Ok(value);
        }
        self.complete(&program, ty, value)
    }

    fn complete(&mut self, program: &Program, ty: TypeId, value: Value) -> Result<Value, Exit> {
        Ok(match (program.ty(ty), value) {
            (Type::Nullable(_) | Type::Fallible(_), value @ (Value::Null | Value::Error(_))) => value,
            (Type::Nullable(inner) | Type::Fallible(inner), value) => {
                self.complete(program, *inner, value)?
            }
            (Type::List(element) | Type::Set(element), Value::List(all)) => {
                let all = all.into_iter().map(|value| self.complete(program, *element, value));
                Value::List(all.collect::<Result<_, _>>()?)
            }
            (Type::Map(_, held), Value::Map(all)) => {
                let all =
                    all.into_iter().map(|(key, value)| Ok((key, self.complete(program, *held, value)?)));
                Value::Map(all.collect::<Result<_, Exit>>()?)
            }
            (Type::Record(of), Value::Record(given)) => {
                let mut fields = Vec::with_capacity(of.fields.len());
                for (name, value) in given {
                    let value = match of.fields.iter().find(|field| field.name == name) {
                        Some(field) => self.complete(program, field.ty, value)?,
                        None => value,
                    };
                    fields.push((name, value));
                }
                for (index, field) in of.fields.iter().enumerate() {
                    let default = program.image().default_of(ty, index);
                    let Some(default) =
                        default.filter(|_| !fields.iter().any(|(name, _)| *name == field.name))
                    else {
                        continue;
                    };
                    let value = self.default_value(default, &of.fields[..index], &fields, field.ty)?;
                    fields.push((field.name.clone(), value));
                }
                Value::Record(fields)
            }
            (_, value) => value,
        })
    }

    fn default_value(
        &mut self,
        default: FunctionId,
        before: &[Field],
        given: &[(String, Value)],
        ty: TypeId,
    ) -> Result<Value, Exit> {
        let temps = self.vm().stack.temps.len();
        let mut scalars = Vec::with_capacity(before.len());
        for field in before {
            let value = given.iter().find(|(name, _)| *name == field.name).map_or(&Value::Null, |(_, v)| v);
            let cell = self
                .vm()
                .import_param(field.ty, value)
                .map_err(|what| trapped(TrapKind::Internal, format!("component `{}`: {what}", field.name)))?;
            scalars.push(cell.s);
            self.vm().stack.temps.extend(cell.r);
        }
        let types: Vec<TypeId> = before.iter().map(|field| field.ty).collect();
        let vm = self.vm();
        vm.open_entry(default, &types, &scalars, temps)?;
        vm.stack.temps.truncate(temps);
        let base = vm.stack.frames.len() - 1;
        self.run(base)?;
        let vm = self.vm();
        let mut bytes = 0;
        Ok(vm.export_type(ty, vm.returned, &mut bytes, 0)?)
    }
}
