//! Types of the module that is made, and the registers that values of them take.

use super::{Lowerer, TYPE_SIZE_MAX};
use crate::check::{is_key, show_type};
use crate::defs::*;
use crate::types::{Ty, TyKind};
use dscript_bytecode::ids::*;
use dscript_bytecode::image::{self, RegType, Type};
use dscript_bytecode::limits;
use dscript_grammar::codes;
use dscript_grammar::diagnostic::Diagnostic;
use dscript_grammar::span::Span;

impl<'a, 'c> Lowerer<'a, 'c> {
    // ---- types and constants of the image ----

    /// A type of the tree in this instance.
    pub(super) fn subst(&mut self, ty: Ty) -> Ty {
        let ty = self.types.resolve(ty);
        self.types.substitute(ty, &self.cx.type_params, &self.cx.type_args)
    }

    pub(super) fn raw_type(&mut self, ty: Type) -> TypeId {
        if let Some(&known) = self.raw_types.get(&ty) {
            return known;
        }
        let id = TypeId(self.image.types.len() as u32);
        self.image.types.push(ty.clone());
        self.raw_types.insert(ty, id);
        id
    }

    pub(super) fn type_id(&mut self, ty: Ty) -> TypeId {
        let ty = self.types.resolve(ty);
        if let Some(&known) = self.type_ids.get(&ty) {
            return known;
        }
        if self.types.size(ty) > TYPE_SIZE_MAX {
            // The outermost declared type is the one that grows.
            let plain = self.types.nullable_inner(ty).or(self.types.fallible_inner(ty)).unwrap_or(ty);
            let def = self.types.nominal_parts(plain).map(|(def, _)| &self.defs.types[def.index()]);
            let (module, span) = def.map_or((self.cx.module, Span::default()), |d| (d.module, d.span));
            let message = format!("a type holds ever larger types: `{}...`", self.shown_short(ty));
            self.never_ends(module, span, message);
            return self.raw_type(Type::Void);
        }
        let simple = match self.types.kind(ty).clone() {
            TyKind::Int => Type::Int,
            TyKind::Double => Type::Double,
            TyKind::Bool => Type::Bool,
            TyKind::Duration => Type::Duration,
            TyKind::Time => Type::Time,
            TyKind::Nullable(inner) => Type::Nullable(self.type_id(inner)),
            TyKind::Fallible(inner) => {
                self.error_type_id();
                Type::Fallible(self.type_id(inner))
            }
            TyKind::Function(params, ret) => Type::Function {
                params: params.iter().map(|&p| self.type_id(p)).collect(),
                ret: self.type_id(ret),
            },
            TyKind::Nominal(def, args) => return self.nominal_type(ty, def, &args),
            TyKind::EnumData(def) => {
                let fields = self.struct_fields(ty);
                let names: Vec<String> = self.defs.types[def.index()]
                    .fields
                    .iter()
                    .map(|f| self.interner.name(f.name).to_string())
                    .collect();
                let fields = names
                    .into_iter()
                    .zip(fields)
                    .map(|(name, ty)| image::Field { name, ty: self.type_id(ty) })
                    .collect();
                let name = show_type(self.types, self.defs, self.interner, ty);
                let id = TypeId(self.image.types.len() as u32);
                let row = image::Struct { name, fields, implements: Vec::new(), to_string: None };
                self.image.types.push(Type::Record(row));
                self.type_ids.insert(ty, id);
                return id;
            }
            TyKind::Class(inner) => return self.type_id(inner),
            _ => Type::Void,
        };
        let id = self.raw_type(simple);
        self.type_ids.insert(ty, id);
        id
    }

    fn nominal_type(&mut self, ty: Ty, def: TypeDefId, args: &[Ty]) -> TypeId {
        let known = &self.defs.known;
        let (list, map, set) = (known.list, known.map, known.set);
        let (string, bytes) = (known.string, known.bytes);
        let is_error = known.error == Some(def);
        let decl = &self.defs.types[def.index()];
        let name = self.interner.name(decl.name).to_string();
        if (Some(def) == map || Some(def) == set) && !is_key(self.types, self.defs, args[0]) {
            let shown = show_type(self.types, self.defs, self.interner, args[0]);
            self.unfit(codes::BAD_TYPE, &format!("`{shown}` cannot be a key"));
        }
        let simple = if Some(def) == list {
            Type::List(self.type_id(args[0]))
        } else if Some(def) == set {
            Type::Set(self.type_id(args[0]))
        } else if Some(def) == map {
            Type::Map(self.type_id(args[0]), self.type_id(args[1]))
        } else if Some(def) == string {
            Type::String
        } else if Some(def) == bytes {
            Type::Bytes
        } else if decl.kind == TypeKind::Native {
            Type::Handle(name)
        } else if decl.kind == TypeKind::Enum {
            let constants = decl.constants.iter().map(|c| self.interner.name(c.0).to_string()).collect();
            Type::Enum { name, constants }
        } else if decl.kind == TypeKind::Interface {
            let id = TypeId(self.image.types.len() as u32);
            let name = show_type(self.types, self.defs, self.interner, ty);
            self.image.types.push(Type::Interface { name, methods: Vec::new() });
            self.type_ids.insert(ty, id);
            self.tables.entry(ty).or_default();
            return id;
        } else {
            // Records and classes may hold themselves: the row is taken before its fields are known.
            let id = TypeId(self.image.types.len() as u32);
            self.image.types.push(Type::Void);
            self.type_ids.insert(ty, id);
            if !decl.supers.is_empty() {
                self.implementors.push((id, ty));
            }
            if is_error {
                self.image.manifest.error_type = Some(id);
            }
            let mut fields = Vec::new();
            for field in &decl.fields {
                let field_ty = self.types.substitute(field.ty, &decl.type_params, args);
                let name = self.interner.name(field.name).to_string();
                fields.push(image::Field { name, ty: self.type_id(field_ty) });
            }
            let constructor = decl.constructor.map(|id| &self.defs.fns[id.index()]);
            if decl.kind == TypeKind::Record
                && constructor.is_some_and(|c| c.params.iter().any(|p| p.default.is_some()))
            {
                self.with_defaults.push((id, ty));
            }
            let to_string = self.defs.own_text(def).map(|m| self.instance(m, args.to_vec(), decl.span));
            let shown = show_type(self.types, self.defs, self.interner, ty);
            if fields.len() > limits::SLOTS_MAX {
                let file = self.defs.modules[decl.module.index()].file;
                let message = format!(
                    "`{shown}` has {} fields, {} are allowed: split it, or use a list",
                    fields.len(),
                    limits::SLOTS_MAX
                );
                self.diagnostics.push(Diagnostic::error(codes::TOO_LARGE, file, decl.span, message));
            }
            let row = image::Struct { name: shown, fields, implements: Vec::new(), to_string };
            self.image.types[id.index()] =
                if decl.kind == TypeKind::Record { Type::Record(row) } else { Type::Class(row) };
            return id;
        };
        let id = self.raw_type(simple);
        self.type_ids.insert(ty, id);
        id
    }

    pub(super) fn error_type_id(&mut self) -> Option<TypeId> {
        let error = self.defs.known.error?;
        let ty = self.types.nominal(error, &[]);
        Some(self.type_id(ty))
    }

    pub(super) fn error_ty(&mut self) -> Ty {
        match self.defs.known.error {
            Some(def) => self.types.nominal(def, &[]),
            None => Ty::POISON,
        }
    }

    pub(super) fn string_ty(&mut self) -> Ty {
        match self.defs.known.string {
            Some(def) => self.types.nominal(def, &[]),
            None => Ty::POISON,
        }
    }

    /// The registers of a value of the type.
    pub(super) fn regs_of(&mut self, ty: Ty) -> Vec<RegType> {
        let ty = self.types.resolve(ty);
        if let Some(known) = self.reg_types.get(&ty) {
            return known.clone();
        }
        let regs = match ty {
            Ty::POISON | Ty::NEVER | Ty::VOID | Ty::NULL | Ty::RANGE => Vec::new(),
            // The instance knows which type is meant.
            _ if matches!(self.types.kind(ty), TyKind::Class(_)) => Vec::new(),
            _ => {
                let id = self.type_id(ty);
                let error = self.image.manifest.error_type;
                match image::registers(&self.image.types, error, id) {
                    Some(regs) => regs,
                    // A type that never ends was reported.
                    None if self.too_deep => Vec::new(),
                    None => {
                        let shown = show_type(self.types, self.defs, self.interner, ty);
                        let name = self.b.name.clone();
                        let message = format!("a value of type `{shown}` cannot be held (in `{name}`)");
                        self.limit(Span::default(), message);
                        Vec::new()
                    }
                }
            }
        };
        self.reg_types.insert(ty, regs.clone());
        regs
    }
}
