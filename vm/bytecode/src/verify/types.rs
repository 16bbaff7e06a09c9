//! The type table: whether its rows make sense, and what values of each type look like.
//!
//! Shapes are computed once a type, by the functions of `image`. Those follow `T?` and `T!` to what is inside, at
//! most two steps, since `T??`, `T!?` and `T!!` have no registers; so nothing here recurses on what an image
//! says. Types may refer to each other in any order, and in circles where a named type (record, class,
//! interface) is among them.

use super::{Check, check_name};
use crate::asm::type_name;
use crate::ids::*;
use crate::image::*;
use crate::limits::*;
use std::collections::HashSet;

pub struct Types<'a> {
    image: &'a Image,
    shapes: Vec<Shape>,
    /// Struct and interface.
    implements: HashSet<(TypeId, TypeId)>,
}

/// What values of a type look like.
struct Shape {
    registers: Vec<RegType>,
    element: Option<RegType>,
    slots: Option<Slots>,
    /// Of a function type one, of an interface one a method.
    signatures: Vec<Signature>,
}

/// The slots of an object.
pub struct Slots {
    pub all: Vec<RegType>,
    pub scalars: Vec<ScalarKind>,
    pub refs: Vec<RefType>,
}

/// The registers of a call, without the object of a method.
#[derive(Default)]
pub struct Signature {
    pub params: Vec<RegType>,
    pub results: Vec<RegType>,
}

impl<'a> Types<'a> {
    /// Checks the type table, all but the functions it names (`tables::check_code_of_types`).
    pub fn check(image: &'a Image) -> Check<Types<'a>> {
        let about = |id: TypeId, what: String| format!("{id:?} ({}): {what}", type_name(image, id));
        let ids = || (0..image.types.len()).map(|i| TypeId(i as u32));
        if let Some(error) = image.manifest.error_type {
            // `registers` names it, so it comes first.
            match image.types.get(error.index()) {
                Some(Type::Record(_)) => {}
                Some(_) => return Err("the error type is not a record".into()),
                None => return Err("the error type is outside the type table".into()),
            }
        }
        let mut structural = HashSet::new();
        for (id, ty) in ids().zip(&image.types) {
            check_row(image, ty).map_err(|what| about(id, what))?;
            if is_structural(ty) && !structural.insert(ty) {
                return Err(about(id, "the table has this type twice".into()));
            }
        }
        check_parts(image).map_err(|(id, what)| format!("{id:?}: {what}"))?;
        let mut types =
            Types { image, shapes: Vec::with_capacity(image.types.len()), implements: HashSet::new() };
        for (id, ty) in ids().zip(&image.types) {
            let shape = types.shape(id, ty).map_err(|what| about(id, what))?;
            types.shapes.push(shape);
            if let Type::Record(s) | Type::Class(s) = ty {
                for implementation in &s.implements {
                    if !types.implements.insert((id, implementation.interface)) {
                        return Err(about(id, "it implements an interface twice".into()));
                    }
                }
            }
        }
        types.check_keys().map_err(|(id, what)| about(id, what))?;
        if let Some(error) = image.manifest.error_type {
            types.check_error(error).map_err(|what| about(error, what))?;
        }
        Ok(types)
    }

    fn shape(&self, id: TypeId, ty: &Type) -> Check<Shape> {
        let (types, error) = (&self.image.types, self.image.manifest.error_type);
        let registers_of = |id: TypeId| match registers(types, error, id) {
            Some(regs) => Ok(regs),
            None if error.is_none() => {
                Err(format!("{} needs an error type, and the image names none", name(self.image, id)))
            }
            None => Err(format!("{} is not a type of values", name(self.image, id))),
        };
        let signature = |params: &[TypeId], ret: TypeId| -> Check<Signature> {
            let mut all = Vec::new();
            for param in params {
                all.extend(registers_of(*param)?);
            }
            let results = registers_of(ret)?;
            if all.len() >= SIGNATURE_REGISTERS_MAX {
                return Err(format!("its parameters take {SIGNATURE_REGISTERS_MAX} registers or more"));
            }
            Ok(Signature { params: all, results })
        };
        let registers = registers_of(id)?;
        let element = element(types, error, id);
        let is_object = element == Some(RegType::Ref(RefType { ty: id, nullable: false }));
        let slots = match ty {
            Type::Record(_)
            | Type::Class(_)
            | Type::Closure { .. }
            | Type::Nullable(_)
            | Type::Fallible(_)
                if is_object =>
            {
                let all = slots(types, error, id).ok_or("it has a field that is not a type of values")?;
                if all.len() > SLOTS_MAX {
                    return Err(format!("its objects have {} slots, {SLOTS_MAX} are allowed", all.len()));
                }
                Some(Slots::new(all))
            }
            _ => None,
        };
        let signatures = match ty {
            Type::Function { params, ret } => vec![signature(params, *ret)?],
            Type::Interface { methods, .. } => {
                methods.iter().map(|m| signature(&m.params, m.ret)).collect::<Check<_>>()?
            }
            _ => vec![],
        };
        Ok(Shape { registers, element, slots, signatures })
    }

    pub fn get(&self, id: TypeId) -> &'a Type {
        &self.image.types[id.index()]
    }

    pub fn registers(&self, id: TypeId) -> &[RegType] {
        &self.shapes[id.index()].registers
    }

    pub fn element(&self, id: TypeId) -> Option<RegType> {
        self.shapes[id.index()].element
    }

    /// Of types whose objects `new` makes.
    pub fn slots(&self, id: TypeId) -> Option<&Slots> {
        self.shapes[id.index()].slots.as_ref()
    }

    pub fn signature(&self, id: TypeId, method: usize) -> Option<&Signature> {
        self.shapes[id.index()].signatures.get(method)
    }

    /// Whether a reference register may be declared of this type.
    pub fn is_object(&self, id: TypeId) -> bool {
        let object = RegType::Ref(RefType { ty: id, nullable: false });
        self.shapes.get(id.index()).is_some_and(|shape| shape.element == Some(object))
    }

    pub fn implements(&self, object: TypeId, interface: TypeId) -> bool {
        self.implements.contains(&(object, interface))
    }

    /// Whether every value of `from` is one of `to`.
    pub fn assignable(&self, from: RefType, to: RefType) -> bool {
        let same_object = from.ty == to.ty
            || self.implements(from.ty, to.ty)
            || matches!(self.get(from.ty), Type::Closure { ty, .. } if *ty == to.ty);
        same_object && (to.nullable || !from.nullable)
    }

    pub fn reg_assignable(&self, from: RegType, to: RegType) -> bool {
        match (from, to) {
            (RegType::Scalar(from), RegType::Scalar(to)) => from == to,
            (RegType::Ref(from), RegType::Ref(to)) => self.assignable(from, to),
            _ => false,
        }
    }

    /// Keys of maps and sets must be hashed by content that cannot change: scalars but `double`, texts, and records
    /// of such. Records that are not are found by going from each to the records that hold it.
    fn check_keys(&self) -> Result<(), (TypeId, String)> {
        let types = &self.image.types;
        let mut holders: Vec<Vec<u32>> = vec![vec![]; types.len()];
        let mut is_key: Vec<bool> = types.iter().map(may_be_key).collect();
        let mut spoiled = Vec::new();
        for (i, ty) in types.iter().enumerate() {
            if let Type::Record(s) = ty {
                for field in &s.fields {
                    holders[field.ty.index()].push(i as u32);
                }
            }
            if !is_key[i] {
                spoiled.push(i);
            }
        }
        while let Some(i) = spoiled.pop() {
            for holder in std::mem::take(&mut holders[i]) {
                let holder = holder as usize;
                if std::mem::replace(&mut is_key[holder], false) {
                    spoiled.push(holder);
                }
            }
        }
        for (i, ty) in types.iter().enumerate() {
            if let Type::Map(key, _) | Type::Set(key) = ty
                && !is_key[key.index()]
            {
                return Err((TypeId(i as u32), format!("{} cannot be a key", name(self.image, *key))));
            }
        }
        Ok(())
    }

    /// `Error(String code, String message, Set<Fault> fault, Error? cause, Position position, Map<String, String>
    /// data)`: engines make errors themselves, so they rely on its fields.
    fn check_error(&self, error: TypeId) -> Check {
        let Type::Record(s) = self.get(error) else { return Err("the error type is not a record".into()) };
        let is_string = |id: TypeId| *self.get(id) == Type::String;
        let is_fault = |id: TypeId| match self.get(id) {
            Type::Enum { constants, .. } => constants.iter().eq(["SYSTEM", "SOFTWARE", "USER", "EXTERNAL"]),
            _ => false,
        };
        type Holds<'f> = &'f dyn Fn(&Type) -> bool;
        let fields: [(&str, &str, Holds<'_>); 6] = [
            ("code", "String", &|ty| *ty == Type::String),
            ("message", "String", &|ty| *ty == Type::String),
            (
                "fault",
                "Set of SYSTEM, SOFTWARE, USER, EXTERNAL",
                &|ty| matches!(ty, Type::Set(id) if is_fault(*id)),
            ),
            ("cause", "Error?", &|ty| *ty == Type::Nullable(error)),
            ("position", "record", &|ty| matches!(ty, Type::Record(_))),
            (
                "data",
                "Map<String, String>",
                &|ty| matches!(ty, Type::Map(k, v) if is_string(*k) && is_string(*v)),
            ),
        ];
        if s.fields.len() != fields.len() {
            return Err(format!("the error type has {} fields, not {}", s.fields.len(), fields.len()));
        }
        for (field, (name, what, holds)) in s.fields.iter().zip(fields) {
            if field.name != name || !holds(self.get(field.ty)) {
                return Err(format!(
                    "the error type has {} {} where it must have {what} {name}",
                    type_name(self.image, field.ty),
                    field.name
                ));
            }
        }
        Ok(())
    }
}

impl Slots {
    fn new(all: Vec<RegType>) -> Slots {
        let mut slots = Slots { all, scalars: vec![], refs: vec![] };
        for reg in &slots.all {
            match *reg {
                RegType::Scalar(kind) => slots.scalars.push(kind),
                RegType::Ref(r) => slots.refs.push(r),
            }
        }
        slots
    }
}

fn name(image: &Image, id: TypeId) -> String {
    format!("{id:?} ({})", type_name(image, id))
}

/// Types that are what they are made of; the others have an identity of their own.
fn is_structural(ty: &Type) -> bool {
    !matches!(
        ty,
        Type::Closure { .. } | Type::Record(_) | Type::Class(_) | Type::Enum { .. } | Type::Interface { .. }
    )
}

/// What the text of a type names besides itself; named types have none.
fn parts(ty: &Type) -> Vec<TypeId> {
    match ty {
        Type::List(inner) | Type::Set(inner) | Type::Nullable(inner) | Type::Fallible(inner) => vec![*inner],
        Type::Map(key, value) => vec![*key, *value],
        Type::Function { params, ret } => params.iter().chain([ret]).copied().collect(),
        Type::Closure { ty, .. } => vec![*ty],
        _ => vec![],
    }
}

/// Whether every type can be written down, so that engines may recurse on types: circles lead through named types
/// only, and no type is made of too many parts. Goes to the parts first, with the way back as a list.
fn check_parts(image: &Image) -> Result<(), (TypeId, String)> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        /// How many parts it has, itself included.
        Done(usize),
    }
    let mut states = vec![State::New; image.types.len()];
    let mut way = Vec::new();
    for start in 0..image.types.len() {
        way.push(start);
        while let Some(&i) = way.last() {
            let id = TypeId(i as u32);
            let inner = parts(&image.types[i]);
            if states[i] == State::New {
                states[i] = State::Open;
                for part in &inner {
                    match states[part.index()] {
                        State::New => way.push(part.index()),
                        State::Open => return Err((id, "the type is a part of itself".into())),
                        State::Done(_) => {}
                    }
                }
                continue;
            }
            way.pop();
            if states[i] == State::Open {
                let count = |part: &TypeId| match states[part.index()] {
                    State::Done(count) => count,
                    State::New | State::Open => 0,
                };
                let all = 1 + inner.iter().map(count).sum::<usize>();
                if all > TYPE_PARTS_MAX {
                    return Err((
                        id,
                        format!("the type is made of {all} parts, {TYPE_PARTS_MAX} are allowed"),
                    ));
                }
                states[i] = State::Done(all);
            }
        }
    }
    Ok(())
}

/// Whether values of it may be keys, if it is a record: as far as the record itself goes.
fn may_be_key(ty: &Type) -> bool {
    match ty {
        Type::Int
        | Type::Bool
        | Type::String
        | Type::Bytes
        | Type::Duration
        | Type::Time
        | Type::Enum { .. }
        | Type::Record(_) => true,
        Type::Void
        | Type::Double
        | Type::List(_)
        | Type::Map(..)
        | Type::Set(_)
        | Type::Nullable(_)
        | Type::Fallible(_)
        | Type::Function { .. }
        | Type::Closure { .. }
        | Type::Class(_)
        | Type::Interface { .. }
        | Type::Handle(_) => false,
    }
}

/// What can be said of a row by looking at the rows it names.
fn check_row(image: &Image, ty: &Type) -> Check {
    let find = |id: TypeId| match image.types.get(id.index()) {
        Some(ty) => Ok(ty),
        None => Err(format!("{id:?} is outside the type table")),
    };
    let value = |id: TypeId| match find(id)? {
        Type::Void => Err("void is not a type of values".to_string()),
        _ => Ok(()),
    };
    let values = |ids: &[TypeId]| ids.iter().try_for_each(|id| value(*id));
    match ty {
        Type::Void
        | Type::Int
        | Type::Double
        | Type::Bool
        | Type::Duration
        | Type::Time
        | Type::String
        | Type::Bytes => Ok(()),
        Type::List(element) | Type::Set(element) => value(*element),
        Type::Map(key, element) => values(&[*key, *element]),
        Type::Nullable(inner) => match find(*inner)? {
            Type::Void => Err("`void?` is not a type".into()),
            Type::Nullable(_) => Err("`T??` is not a type".into()),
            Type::Fallible(_) => Err("`T!?` is not a type".into()),
            _ => Ok(()),
        },
        Type::Fallible(inner) => match find(*inner)? {
            Type::Fallible(_) => Err("`T!!` is not a type".into()),
            _ if image.manifest.error_type.is_none() => {
                Err("the image has a `T!` and names no error type".into())
            }
            _ => Ok(()),
        },
        Type::Function { params, ret } => {
            values(params)?;
            find(*ret).map(|_| ())
        }
        Type::Closure { ty, code, captured } => {
            if !matches!(find(*ty)?, Type::Function { .. }) {
                return Err("a closure must be of a function type".into());
            }
            if code.index() >= image.functions.len() {
                return Err(format!("its code {code:?} is outside the function table"));
            }
            values(captured)
        }
        Type::Record(s) | Type::Class(s) => {
            check_name("a type", &s.name)?;
            for field in &s.fields {
                check_name("a field", &field.name)?;
                value(field.ty)?;
            }
            for implementation in &s.implements {
                if !matches!(find(implementation.interface)?, Type::Interface { .. }) {
                    return Err(format!(
                        "it implements {:?}, which is not an interface",
                        implementation.interface
                    ));
                }
            }
            Ok(())
        }
        Type::Enum { name, constants } => {
            check_name("a type", name)?;
            constants.iter().try_for_each(|constant| check_name("a constant", constant))
        }
        Type::Interface { name, methods } => {
            check_name("a type", name)?;
            for method in methods {
                check_name("a method", &method.name)?;
                values(&method.params)?;
                find(method.ret)?;
            }
            Ok(())
        }
        Type::Handle(name) => check_name("a type", name),
    }
}
