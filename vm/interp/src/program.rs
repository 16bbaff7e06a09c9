//! A verified and linked program: the image, what the engine derives from its types, and its natives' bodies.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::code::Code;
use crate::door::Engine;
use crate::heap::Shape;
use crate::link::{self, Linked};
use crate::map::MapType;
use crate::native::Registry;
use dscript_bytecode::capability::Capability;
use dscript_bytecode::ids::*;
use dscript_bytecode::image::{self, Image, Manifest, RegType, ScalarKind, Type};
use rustc_hash::FxHashMap;

pub struct Program {
    image: Image,
    hash: OnceLock<[u8; 32]>,
    /// By type id, as the next three.
    pub(crate) shapes: Vec<Shape>,
    pub(crate) infos: Vec<Info>,
    pub(crate) maps: Vec<Option<MapType>>,
    pub(crate) natives: Vec<Linked>,
    /// By function.
    pub(crate) codes: Box<[Code]>,
    engine: OnceLock<Arc<dyn Engine>>,
    /// Of functions that say it themselves.
    pub(crate) needs: FxHashMap<FunctionId, Vec<Capability>>,
}

/// What the engine needs to know of a type at every turn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Info {
    /// Registers of a value of it, in each bank.
    pub scalars: u8,
    pub refs: u8,
    pub element: Element,
    /// The layout of objects tagged with it, where it is a struct type.
    pub object: Option<Box<Object>>,
}

/// How a collection holds values of a type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Element {
    #[default]
    None,
    /// A word.
    Scalar,
    /// A byte.
    Bool,
    Ref,
    /// An object of struct type `T?` or `T!`.
    Boxed,
}

impl Element {
    pub fn is_scalar(self) -> bool {
        matches!(self, Element::Scalar | Element::Bool)
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Object {
    pub scalars: u16,
    /// In field order, for `New`.
    pub slots: Vec<Reg>,
    /// A record's or class's; one nameless field in a box.
    pub fields: Vec<FieldInfo>,
    pub to_string: Option<FunctionId>,
}

#[derive(Clone, Debug)]
pub(crate) struct FieldInfo {
    pub name: String,
    pub ty: TypeId,
    /// Its first slot in each bank.
    pub scalar: u16,
    pub reference: u16,
}

/// Why an image cannot run: its file is broken, it does not verify, or a native is unknown or does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError(pub(crate) String);

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LoadError {}

impl Program {
    /// Reads, verifies and links the file of an image.
    pub fn load(bytes: &[u8], registry: &Registry) -> Result<Arc<Program>, LoadError> {
        let image = Image::from_bytes(bytes).map_err(|error| LoadError(error.to_string()))?;
        Self::from_image(image, registry)
    }

    /// Verifies and links an image.
    pub fn from_image(image: Image, registry: &Registry) -> Result<Arc<Program>, LoadError> {
        dscript_bytecode::verify::verify(&image).map_err(|error| LoadError(error.to_string()))?;
        let link = |native| link::link(&image, native, registry).map_err(LoadError);
        let natives = image.natives.iter().map(link).collect::<Result<Vec<_>, _>>()?;
        Ok(Self::with_natives(image, Some(natives)))
    }

    fn with_natives(image: Image, natives: Option<Vec<Linked>>) -> Arc<Program> {
        let infos: Vec<Info> = (0..image.types.len()).map(|i| info(&image, TypeId(i as u32))).collect();
        let shapes = image.types.iter().zip(&infos).map(|(ty, info)| shape(ty, info)).collect();
        let types = &image.types;
        let maps = (0..types.len()).map(|i| MapType::new(types, &infos, TypeId(i as u32))).collect();
        let codes = natives.as_ref().map(|natives| Code::table(&image, &infos, natives)).unwrap_or_default();
        let natives = natives.unwrap_or_default();
        let (hash, engine) = (OnceLock::new(), OnceLock::new());
        let capabilities =
            |all: &[String]| all.iter().filter_map(|text| Capability::parse(text).ok()).collect();
        let needs =
            image.manifest.needs.iter().map(|n| (n.function, capabilities(&n.capabilities))).collect();
        Arc::new(Program { image, hash, shapes, infos, maps, natives, codes, engine, needs })
    }

    /// Verifies an image that is only to be looked at: a program without the bodies of its natives, which cannot run.
    pub fn unlinked(image: Image) -> Result<Arc<Program>, LoadError> {
        dscript_bytecode::verify::verify(&image).map_err(|error| LoadError(error.to_string()))?;
        Ok(Self::with_natives(image, None))
    }

    pub fn image(&self) -> &Image {
        &self.image
    }

    pub fn manifest(&self) -> &Manifest {
        &self.image.manifest
    }

    /// What names this program everywhere.
    pub fn content_hash(&self) -> [u8; 32] {
        *self.hash.get_or_init(|| self.image.content_hash())
    }

    #[inline]
    pub(crate) fn code(&self, function: FunctionId) -> &Code {
        &self.codes[function.index()]
    }

    /// Lets tasks of this program that begin from now on run native code; the first engine stays.
    pub fn attach(&self, engine: Arc<dyn Engine>) {
        self.engine.get_or_init(|| engine);
    }

    /// From now on frames of the function begin in native code; for the attached engine, which gets the entry.
    pub fn set_entry(&self, function: FunctionId, entry: usize) {
        self.codes[function.index()].begin_native(entry);
    }

    pub(crate) fn engine(&self) -> Option<&Arc<dyn Engine>> {
        self.engine.get()
    }

    pub(crate) fn ty(&self, id: TypeId) -> &Type {
        &self.image.types[id.index()]
    }

    pub(crate) fn info(&self, id: TypeId) -> &Info {
        &self.infos[id.index()]
    }

    /// The layout of objects of a struct type.
    pub(crate) fn object(&self, id: TypeId) -> &Object {
        self.info(id).object.as_deref().expect("a struct type has a layout")
    }

    /// As D-Script writes it, cut where it is very long.
    pub(crate) fn type_name(&self, id: TypeId) -> String {
        dscript_bytecode::asm::type_name(&self.image, id)
    }
}

fn counts(regs: &[RegType]) -> (u16, u16) {
    let scalars = regs.iter().filter(|r| matches!(r, RegType::Scalar(_))).count();
    (scalars as u16, (regs.len() - scalars) as u16)
}

fn info(image: &Image, id: TypeId) -> Info {
    let (types, error) = (&image.types, image.manifest.error_type);
    // A type without registers, such as `T!!`, is only ever named by other types.
    let regs = image::registers(types, error, id).unwrap_or_default();
    let (scalars, refs) = counts(&regs);
    let element = match image::element(types, error, id) {
        None => Element::None,
        Some(RegType::Scalar(ScalarKind::Bool)) => Element::Bool,
        Some(RegType::Scalar(_)) => Element::Scalar,
        Some(RegType::Ref(r))
            if r.ty == id && matches!(types[id.index()], Type::Nullable(_) | Type::Fallible(_)) =>
        {
            Element::Boxed
        }
        Some(RegType::Ref(_)) => Element::Ref,
    };
    Info { scalars: scalars as u8, refs: refs as u8, element, object: object(image, id).map(Box::new) }
}

fn object(image: &Image, id: TypeId) -> Option<Object> {
    let (types, error) = (&image.types, image.manifest.error_type);
    let slots = image::slots(types, error, id)?;
    let mut next = (0, 0);
    let slots = slots
        .iter()
        .map(|slot| match slot {
            RegType::Scalar(_) => {
                next.0 += 1;
                Reg::S(S(next.0 - 1))
            }
            RegType::Ref(_) => {
                next.1 += 1;
                Reg::R(R(next.1 - 1))
            }
        })
        .collect();
    let (named, to_string): (Vec<(String, TypeId)>, _) = match &types[id.index()] {
        Type::Record(s) | Type::Class(s) => {
            (s.fields.iter().map(|f| (f.name.clone(), f.ty)).collect(), s.to_string)
        }
        Type::Closure { captured, .. } => (captured.iter().map(|ty| (String::new(), *ty)).collect(), None),
        _ => (vec![(String::new(), id)], None),
    };
    let mut at = (0, 0);
    let mut fields = Vec::new();
    for (name, ty) in named {
        fields.push(FieldInfo { name, ty, scalar: at.0, reference: at.1 });
        let (s, r) = counts(&image::registers(types, error, ty)?);
        at = (at.0 + s, at.1 + r);
    }
    Some(Object { scalars: next.0, slots, fields, to_string })
}

fn shape(ty: &Type, info: &Info) -> Shape {
    if let Some(object) = &info.object {
        let scalars = u32::from(object.scalars);
        let refs = object.slots.len() as u32 - scalars;
        return Shape { words: 1 + scalars + refs.div_ceil(2), first: 1 + scalars, refs, handle: false };
    }
    match ty {
        Type::List(_) => Shape { words: 3, first: 2, refs: 1, handle: false },
        Type::Map(..) | Type::Set(_) => Shape { words: 5, first: 3, refs: 4, handle: false },
        Type::Handle(_) => Shape { words: 2, first: 0, refs: 0, handle: true },
        _ => Shape::default(),
    }
}
