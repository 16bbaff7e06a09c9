//! Every table but the types and the code: manifest, natives, statics, scripts, and the functions that types name.

use super::{Check, Context, check_name};
use crate::asm::{reg_name, type_name};
use crate::capability::Capability;
use crate::ids::*;
use crate::image::*;
use crate::instr::Instr;
use crate::limits::SCRIPT_BYTES_MAX;
use crate::script::interpreter;
use std::collections::HashSet;

/// All tables; what they need of functions is compared with the declared parameters and results.
pub fn check(cx: &Context<'_>) -> Check {
    check_manifest(cx)?;
    for (i, native) in cx.image.natives.iter().enumerate() {
        check_native(cx, native)
            .map_err(|what| format!("native {i} `{}`: {what}", native.name.escape_debug()))?;
    }
    for (i, row) in cx.image.statics.iter().enumerate() {
        check_static(cx, row).map_err(|what| format!("static {i}: {what}"))?;
    }
    let mut names = HashSet::new();
    for script in &cx.image.scripts {
        check_name("a script", &script.name)?;
        if !names.insert(&script.name) {
            return Err(format!("two scripts are called `{}`", script.name));
        }
        let found = script.bytes.len();
        if found > SCRIPT_BYTES_MAX {
            let what = format!("it has {found} bytes, {SCRIPT_BYTES_MAX} are allowed");
            return Err(format!("script `{}`: {what}", script.name));
        }
        interpreter(&script.bytes).map_err(|what| format!("script `{}`: {what}", script.name))?;
    }
    Ok(())
}

/// The functions that the type table names.
pub fn check_code_of_types(cx: &Context<'_>) -> Check {
    for (i, ty) in cx.image.types.iter().enumerate() {
        let id = TypeId(i as u32);
        let about = |what: String| format!("{id:?} ({}): {what}", type_name(cx.image, id));
        let this = RegType::Ref(RefType { ty: id, nullable: false });
        match ty {
            Type::Closure { ty, code, .. } => {
                let signature =
                    cx.types.signature(*ty, 0).ok_or_else(|| about("it has no function type".into()))?;
                check_function(cx, *code, &[this], &signature.params, &signature.results).map_err(about)?;
            }
            Type::Record(s) | Type::Class(s) => check_struct(cx, s, this).map_err(about)?,
            _ => {}
        }
    }
    let mut last = None;
    for row in &cx.image.defaults {
        check_default(cx, row).map_err(|what| format!("default of {:?}.{}: {what}", row.ty, row.field))?;
        if last.replace((row.ty, row.field)).is_some_and(|last| last >= (row.ty, row.field)) {
            return Err("the defaults of components are not in order".into());
        }
    }
    let mut last = None;
    for row in &cx.image.times {
        check_time(cx, row).map_err(|what| format!("arithmetic of times in {:?}: {what}", row.function))?;
        if last.replace((row.function, row.at)).is_some_and(|last| last >= (row.function, row.at)) {
            return Err("the arithmetic of times is not in order".into());
        }
    }
    Ok(())
}

fn check_time(cx: &Context<'_>, row: &TimeArithmetic) -> Check {
    let instr = find_function(cx, row.function)?.code.get(row.at as usize);
    let Some(instr) = instr else { return Err(format!("it has no instruction {}", row.at)) };
    match instr {
        Instr::AddInt { .. }
        | Instr::SubInt { .. }
        | Instr::MulInt { .. }
        | Instr::DivInt { .. }
        | Instr::NegInt { .. } => Ok(()),
        other => Err(format!("`{}` is none", other.mnemonic())),
    }
}

fn check_default(cx: &Context<'_>, row: &FieldDefault) -> Check {
    let Some(Type::Record(of)) = cx.image.types.get(row.ty.index()) else {
        return Err("that is no record".into());
    };
    let Some((field, before)) = of.fields.get(..=row.field as usize).and_then(<[Field]>::split_last) else {
        return Err(format!("it has {} fields", of.fields.len()));
    };
    cx.spend(before.len())?;
    let before: Vec<RegType> = before.iter().flat_map(|f| cx.types.registers(f.ty).iter().copied()).collect();
    check_function(cx, row.function, &[], &before, cx.types.registers(field.ty))
}

fn check_struct(cx: &Context<'_>, s: &Struct, this: RegType) -> Check {
    if let Some(to_string) = s.to_string {
        let what = |e: String| format!("toString: {e}");
        let function = find_function(cx, to_string).map_err(what)?;
        let is_string =
            |r: &RefType| !r.nullable && matches!(cx.image.types.get(r.ty.index()), Some(Type::String));
        match (&function.params[..], &function.results[..]) {
            ([object], [RegType::Ref(text)]) if *object == this && is_string(text) => {}
            _ => return Err("toString: it must take the object and return a String".into()),
        }
    }
    for implementation in &s.implements {
        let interface = implementation.interface;
        let Type::Interface { methods, .. } = cx.types.get(interface) else { continue };
        let about = |what: String| format!("as {}: {what}", type_name(cx.image, interface));
        if methods.len() != implementation.methods.len() {
            let (found, needed) = (implementation.methods.len(), methods.len());
            return Err(about(format!("it has {found} methods for {needed}")));
        }
        for (i, code) in implementation.methods.iter().enumerate() {
            let Some(signature) = cx.types.signature(interface, i) else { continue };
            cx.spend(signature.params.len() + signature.results.len())?;
            check_function(cx, *code, &[this], &signature.params, &signature.results)
                .map_err(|what| about(format!("{}: {what}", methods[i].name)))?;
        }
    }
    Ok(())
}

fn find_function<'a>(cx: &Context<'a>, id: FunctionId) -> Check<&'a Function> {
    cx.image.functions.get(id.index()).ok_or_else(|| format!("{id:?} is outside the function table"))
}

/// Whether function `id` takes `first` and `params` and returns `results`.
pub fn check_function(
    cx: &Context<'_>,
    id: FunctionId,
    first: &[RegType],
    params: &[RegType],
    results: &[RegType],
) -> Check {
    let function = find_function(cx, id)?;
    let name = || function.name.escape_debug();
    let all = first.iter().chain(params);
    if !function.params.iter().eq(all.clone()) {
        return Err(format!("`{}` must take {}", name(), list(cx, all)));
    }
    if function.results != results {
        return Err(format!("`{}` must return {}", name(), list(cx, results)));
    }
    Ok(())
}

/// `(int, Error?)`, for messages.
fn list<'r>(cx: &Context<'_>, regs: impl IntoIterator<Item = &'r RegType>) -> String {
    const SHOWN_MAX: usize = 16;
    let mut names: Vec<String> = Vec::new();
    for reg in regs {
        if names.len() == SHOWN_MAX {
            names.push("...".into());
            break;
        }
        names.push(reg_name(cx.image, *reg));
    }
    format!("({})", names.join(", "))
}

fn check_capabilities(all: &[String]) -> Check {
    let mut last: Option<&str> = None;
    for text in all {
        let capability = Capability::parse(text).map_err(|e| e.to_string())?;
        if capability.to_string() != *text {
            return Err(format!("capability `{text}` must be written `{capability}`"));
        }
        if last.is_some_and(|last| last >= text.as_str()) {
            return Err(format!("the capabilities are not sorted, or `{text}` is there twice"));
        }
        last = Some(text);
    }
    Ok(())
}

fn check_manifest(cx: &Context<'_>) -> Check {
    let manifest = &cx.image.manifest;
    check_name("the module", &manifest.name)?;
    check_capabilities(&manifest.capabilities)?;
    let mut last: Option<FunctionId> = None;
    for needs in &manifest.needs {
        let function = find_function(cx, needs.function)?;
        check_capabilities(&needs.capabilities)
            .map_err(|what| format!("`{}` needs: {what}", function.name.escape_debug()))?;
        if last.is_some_and(|last| last >= needs.function) {
            return Err("what functions need is not in their order".into());
        }
        last = Some(needs.function);
    }
    for name in &manifest.lowlevel {
        check_name("a Low-Level Script", name)?;
    }
    if !manifest.lowlevel.is_sorted() {
        return Err("the Low-Level Scripts are not sorted".into());
    }
    for source in &manifest.sources {
        check_name("a source", &source.path)?;
    }
    let mut names = HashSet::new();
    let mut has_script = false;
    for task in &manifest.tasks {
        check_task(cx, task).map_err(|what| format!("task `{}`: {what}", task.name.escape_debug()))?;
        if !names.insert(&task.name) {
            return Err(format!("two tasks are called `{}`", task.name));
        }
        if task.script && std::mem::replace(&mut has_script, true) {
            return Err("the image has two scripts".into());
        }
    }
    Ok(())
}

fn check_task(cx: &Context<'_>, task: &Task) -> Check {
    check_name("a task", &task.name)?;
    if task.name.is_empty() {
        return Err("it has no name".into());
    }
    let Some(error) = cx.image.manifest.error_type else {
        return Err("it can fail, and the image names no error type".into());
    };
    let mut names = HashSet::new();
    let mut before = Vec::new();
    for param in &task.params {
        check_name("a parameter", &param.name)?;
        if param.name.is_empty() || !names.insert(&param.name) {
            return Err(format!("parameter `{}` has no name of its own", param.name));
        }
        if !is_parameter_type(cx, param.ty) {
            return Err(format!("parameter `{}` is of a type that no parameter of a task has", param.name));
        }
        if let Some(default) = param.default {
            cx.spend(before.len())?;
            check_function(cx, default, &[], &before, cx.types.registers(param.ty))
                .map_err(|what| format!("default of parameter `{}`: {what}", param.name))?;
        }
        before.extend_from_slice(cx.types.registers(param.ty));
    }
    let error = RegType::Ref(RefType { ty: error, nullable: true });
    cx.spend(before.len())?;
    check_function(cx, task.function, &[], &before, &[RegType::Scalar(ScalarKind::Bool), error])?;
    if let Some(undo) = task.undo {
        check_function(cx, undo, &[], &before, &[error]).map_err(|what| format!("undo: {what}"))?;
    }
    Ok(())
}

/// By its outermost part: types that have a text an operator can write.
pub fn is_parameter_type(cx: &Context<'_>, id: TypeId) -> bool {
    matches!(
        cx.image.types.get(id.index()),
        Some(
            Type::Int
                | Type::Double
                | Type::Bool
                | Type::String
                | Type::Duration
                | Type::Enum { .. }
                | Type::List(_)
                | Type::Record(_)
        )
    )
}

fn check_native(cx: &Context<'_>, native: &NativeInstance) -> Check {
    check_name("a native", &native.name)?;
    for id in &native.type_args {
        if id.index() >= cx.image.types.len() {
            return Err(format!("{id:?} is outside the type table"));
        }
    }
    super::function::check_registers(cx, &native.params, "parameters")?;
    super::function::check_registers(cx, &native.results, "results")
}

fn check_static(cx: &Context<'_>, row: &Static) -> Check {
    match cx.image.types.get(row.ty.index()) {
        None => Err(format!("{:?} is outside the type table", row.ty)),
        Some(Type::Void) => Err("void is not a type of values".into()),
        Some(_) => check_function(cx, row.init, &[], &[], cx.types.registers(row.ty)),
    }
}
