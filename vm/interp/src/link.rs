//! Finds the body of a native instance and checks that the image calls it with the registers that its
//! registered signature, instantiated with the instance's type arguments, stands for.

use crate::native::{NativeDef, Registry};
use dscript_bytecode::ids::TypeId;
use dscript_bytecode::image::{Image, NativeInstance, RefType, RegType, ScalarKind, Type, element};

/// A native with the types of its values.
pub(crate) struct Linked {
    pub def: &'static NativeDef,
    pub type_args: Vec<TypeId>,
    pub params: Vec<Ty>,
    pub result: Ty,
}

/// The type of a value that crosses the boundary to a native.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ty {
    Void,
    Int,
    Double,
    Bool,
    Duration,
    Time,
    /// A type of the image in its usual registers.
    Image(TypeId),
    /// A value of a type parameter: one register, boxed where it has more.
    Element(TypeId),
    Nullable(Box<Ty>),
    Fallible(Box<Ty>),
    /// `Class<T>`: no register, the type argument says it.
    Class(TypeId),
}

pub(crate) fn link(image: &Image, native: &NativeInstance, registry: &Registry) -> Result<Linked, String> {
    let name = &native.name;
    let def = registry.get(name).ok_or_else(|| format!("no native is called `{name}`"))?;
    let signature = parse(def.signature)
        .map_err(|what| format!("signature of native `{name}`, `{}`: {what}", def.signature))?;
    if signature.type_params.len() != native.type_args.len() {
        return Err(format!("native `{name}` takes {} type arguments", signature.type_params.len()));
    }
    let matcher = Matcher { image, type_args: &native.type_args };
    let misfit = || format!("native `{name}` is called with other registers than `{}` has", def.signature);
    let mut rest = &native.params[..];
    let mut params = Vec::new();
    for pattern in &signature.params {
        params.push(matcher.value(pattern, &mut rest, false).ok_or_else(misfit)?);
    }
    if !rest.is_empty() {
        return Err(misfit());
    }
    let mut rest = &native.results[..];
    let result = matcher.value(&signature.result, &mut rest, false).ok_or_else(misfit)?;
    if !rest.is_empty() {
        return Err(misfit());
    }
    Ok(Linked { def, type_args: native.type_args.clone(), params, result })
}

struct Matcher<'a> {
    image: &'a Image,
    type_args: &'a [TypeId],
}

impl Matcher<'_> {
    /// Takes the registers of a value of the pattern's type off `regs`. `nullable` is set where a reference
    /// must be, inside `T?` and `T!`.
    fn value(&self, pattern: &Pattern, regs: &mut &[RegType], nullable: bool) -> Option<Ty> {
        let scalar = |regs: &mut &[RegType], kind| (take(regs)? == RegType::Scalar(kind)).then_some(());
        match pattern {
            Pattern::Param(i) => {
                let ty = *self.type_args.get(*i)?;
                let expected = match element(&self.image.types, self.image.manifest.error_type, ty)? {
                    RegType::Ref(r) => RegType::Ref(RefType { nullable: r.nullable || nullable, ..r }),
                    scalar => scalar,
                };
                (take(regs)? == expected).then_some(Ty::Element(ty))
            }
            Pattern::Nullable(inner) => {
                let is_scalar = match &**inner {
                    Pattern::Param(i) => {
                        let ty = *self.type_args.get(*i)?;
                        matches!(
                            element(&self.image.types, self.image.manifest.error_type, ty)?,
                            RegType::Scalar(_)
                        )
                    }
                    named => self.is_scalar(named),
                };
                if is_scalar {
                    scalar(regs, ScalarKind::Bool)?;
                }
                Some(Ty::Nullable(Box::new(self.value(inner, regs, true)?)))
            }
            Pattern::Fallible(inner) => {
                let inner = self.value(inner, regs, true)?;
                let error = RefType { ty: self.image.manifest.error_type?, nullable: true };
                (take(regs)? == RegType::Ref(error)).then_some(())?;
                Some(Ty::Fallible(Box::new(inner)))
            }
            Pattern::Class(i) => Some(Ty::Class(*self.type_args.get(*i)?)),
            Pattern::Named(name, args) if args.is_empty() => match name.as_str() {
                "void" => Some(Ty::Void),
                "int" => scalar(regs, ScalarKind::Int).map(|()| Ty::Int),
                "double" => scalar(regs, ScalarKind::Double).map(|()| Ty::Double),
                "boolean" => scalar(regs, ScalarKind::Bool).map(|()| Ty::Bool),
                "Duration" => scalar(regs, ScalarKind::Int).map(|()| Ty::Duration),
                "Time" => scalar(regs, ScalarKind::Int).map(|()| Ty::Time),
                name => match self.enum_named(name) {
                    Some(id) => scalar(regs, ScalarKind::Int).map(|()| Ty::Image(id)),
                    None => self.reference(pattern, regs, nullable),
                },
            },
            Pattern::Named(..) | Pattern::Function(..) => self.reference(pattern, regs, nullable),
        }
    }

    fn reference(&self, pattern: &Pattern, regs: &mut &[RegType], nullable: bool) -> Option<Ty> {
        match take(regs)? {
            RegType::Ref(r) if r.nullable == nullable && self.fits(pattern, r.ty) => Some(Ty::Image(r.ty)),
            _ => None,
        }
    }

    fn enum_named(&self, wanted: &str) -> Option<TypeId> {
        let is_it = |ty: &Type| matches!(ty, Type::Enum { name, .. } if name == wanted);
        self.image.types.iter().position(is_it).map(|i| TypeId(i as u32))
    }

    fn is_scalar(&self, pattern: &Pattern) -> bool {
        matches!(pattern, Pattern::Named(name, args) if args.is_empty()
            && (matches!(name.as_str(), "int" | "double" | "boolean" | "Duration" | "Time")
                || self.enum_named(name).is_some()))
    }

    /// Whether a type of the image is what the pattern says, to the letter.
    fn fits(&self, pattern: &Pattern, id: TypeId) -> bool {
        let Some(ty) = self.image.types.get(id.index()) else { return false };
        match (pattern, ty) {
            (Pattern::Param(i), ty) => {
                self.type_args.get(*i).is_some_and(|arg| *arg == id || self.image.types[arg.index()] == *ty)
            }
            (Pattern::Nullable(inner), Type::Nullable(t)) => self.fits(inner, *t),
            (Pattern::Fallible(inner), Type::Fallible(t)) => self.fits(inner, *t),
            (Pattern::Function(params, result), Type::Function { params: ps, ret }) => {
                params.len() == ps.len()
                    && params.iter().zip(ps).all(|(p, t)| self.fits(p, *t))
                    && self.fits(result, *ret)
            }
            (Pattern::Named(name, args), ty) => match (name.as_str(), &args[..], ty) {
                ("void", [], Type::Void)
                | ("int", [], Type::Int)
                | ("double", [], Type::Double)
                | ("boolean", [], Type::Bool)
                | ("Duration", [], Type::Duration)
                | ("Time", [], Type::Time)
                | ("String", [], Type::String)
                | ("Bytes", [], Type::Bytes) => true,
                ("List", [e], Type::List(t)) | ("Set", [e], Type::Set(t)) => self.fits(e, *t),
                ("Map", [k, v], Type::Map(s, t)) => self.fits(k, *s) && self.fits(v, *t),
                (_, _, Type::Record(s) | Type::Class(s)) => self.text(pattern) == s.name,
                (_, _, Type::Enum { name: n, .. } | Type::Interface { name: n, .. } | Type::Handle(n)) => {
                    self.text(pattern) == *n
                }
                _ => false,
            },
            _ => false,
        }
    }

    fn text(&self, pattern: &Pattern) -> String {
        let list = |all: &[Pattern]| all.iter().map(|p| self.text(p)).collect::<Vec<_>>().join(", ");
        match pattern {
            Pattern::Param(i) | Pattern::Class(i) => {
                self.type_args.get(*i).map(|ty| type_text(&self.image.types, *ty)).unwrap_or_default()
            }
            Pattern::Named(name, args) if args.is_empty() => name.clone(),
            Pattern::Named(name, args) => format!("{name}<{}>", list(args)),
            Pattern::Nullable(inner) => format!("{}?", self.text(inner)),
            Pattern::Fallible(inner) => format!("{}!", self.text(inner)),
            Pattern::Function(params, result) => format!("({}) -> {}", list(params), self.text(result)),
        }
    }
}

fn take(regs: &mut &[RegType]) -> Option<RegType> {
    let (first, rest) = regs.split_first()?;
    *regs = rest;
    Some(*first)
}

/// A type as D-Script writes it. Types refer to each other without limit only through structs, which have names.
pub(crate) fn type_text(types: &[Type], id: TypeId) -> String {
    let text = |id: TypeId| type_text(types, id);
    let list = |all: &[TypeId]| all.iter().map(|t| text(*t)).collect::<Vec<_>>().join(", ");
    match &types[id.index()] {
        Type::Void => "void".into(),
        Type::Int => "int".into(),
        Type::Double => "double".into(),
        Type::Bool => "boolean".into(),
        Type::Duration => "Duration".into(),
        Type::Time => "Time".into(),
        Type::String => "String".into(),
        Type::Bytes => "Bytes".into(),
        Type::List(t) => format!("List<{}>", text(*t)),
        Type::Map(k, v) => format!("Map<{}, {}>", text(*k), text(*v)),
        Type::Set(t) => format!("Set<{}>", text(*t)),
        Type::Nullable(t) if matches!(types[t.index()], Type::Function { .. }) => format!("({})?", text(*t)),
        Type::Nullable(t) => format!("{}?", text(*t)),
        Type::Fallible(t) => format!("{}!", text(*t)),
        Type::Function { params, ret } => format!("({}) -> {}", list(params), text(*ret)),
        Type::Closure { ty, .. } => text(*ty),
        Type::Record(s) | Type::Class(s) => s.name.clone(),
        Type::Enum { name, .. } | Type::Interface { name, .. } | Type::Handle(name) => name.clone(),
    }
}

struct Signature {
    type_params: Vec<String>,
    params: Vec<Pattern>,
    result: Pattern,
}

/// A type of a signature.
#[derive(Clone, Debug)]
enum Pattern {
    /// A type parameter of the native.
    Param(usize),
    Named(String, Vec<Pattern>),
    Nullable(Box<Pattern>),
    Fallible(Box<Pattern>),
    Function(Vec<Pattern>, Box<Pattern>),
    Class(usize),
}

fn parse(text: &str) -> Result<Signature, &'static str> {
    let mut parser = Parser { rest: text.trim_start(), type_params: Vec::new() };
    if parser.eat("<") {
        loop {
            let name = parser.name()?;
            parser.type_params.push(name.to_owned());
            if !parser.eat(",") {
                break;
            }
        }
        parser.need(">", "`>` is missing")?;
    }
    parser.need("(", "`(` is missing")?;
    let params = parser.types(")")?;
    parser.need("->", "`->` is missing")?;
    let result = parser.ty()?;
    match parser.rest {
        "" => Ok(Signature { type_params: parser.type_params, params, result }),
        _ => Err("something follows the result"),
    }
}

struct Parser<'a> {
    rest: &'a str,
    type_params: Vec<String>,
}

impl<'a> Parser<'a> {
    fn eat(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn need(&mut self, token: &str, what: &'static str) -> Result<(), &'static str> {
        if self.eat(token) { Ok(()) } else { Err(what) }
    }

    fn name(&mut self) -> Result<&'a str, &'static str> {
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        if end == 0 {
            return Err("a name is missing");
        }
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        Ok(name)
    }

    fn types(&mut self, close: &str) -> Result<Vec<Pattern>, &'static str> {
        let mut all = Vec::new();
        if self.eat(close) {
            return Ok(all);
        }
        loop {
            all.push(self.ty()?);
            if !self.eat(",") {
                break;
            }
        }
        self.need(close, "a list is not closed")?;
        Ok(all)
    }

    /// `A -> B` takes in as much as it can: `A -> B!` gives a `B!`.
    fn ty(&mut self) -> Result<Pattern, &'static str> {
        let params = if self.eat("(") { self.types(")")? } else { vec![self.simple()?] };
        if self.eat("->") {
            return Ok(Pattern::Function(params, Box::new(self.ty()?)));
        }
        let [ty] = <[Pattern; 1]>::try_from(params).map_err(|_| "`->` is missing")?;
        Ok(self.suffixes(ty))
    }

    fn simple(&mut self) -> Result<Pattern, &'static str> {
        let name = self.name()?;
        let ty = if let Some(i) = self.type_params.iter().position(|p| p == name) {
            Pattern::Param(i)
        } else if self.eat("<") {
            match (name, self.types(">")?) {
                ("Class", args) => match args[..] {
                    [Pattern::Param(i)] => Pattern::Class(i),
                    _ => return Err("`Class` takes a type parameter"),
                },
                (name, args) => Pattern::Named(name.to_owned(), args),
            }
        } else {
            Pattern::Named(name.to_owned(), Vec::new())
        };
        Ok(self.suffixes(ty))
    }

    fn suffixes(&mut self, mut ty: Pattern) -> Pattern {
        loop {
            if self.eat("?") {
                ty = Pattern::Nullable(Box::new(ty));
            } else if self.eat("!") {
                ty = Pattern::Fallible(Box::new(ty));
            } else {
                return ty;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_registered_signature_parses() {
        for def in Registry::pure().defs() {
            assert!(parse(def.signature).is_ok(), "{}: {}", def.name, def.signature);
        }
    }

    #[test]
    fn signatures() {
        let parsed = parse("<T, R>(List<T>, T -> R!, (int, T?) -> void, Class<R>) -> Map<String, R>!")
            .expect("parses");
        assert_eq!(parsed.type_params, ["T", "R"]);
        assert_eq!(
            format!("{:?} {:?}", parsed.params, parsed.result),
            "[Named(\"List\", [Param(0)]), Function([Param(0)], Fallible(Param(1))), \
             Function([Named(\"int\", []), Nullable(Param(0))], Named(\"void\", [])), Class(1)] \
             Fallible(Named(\"Map\", [Named(\"String\", []), Param(1)]))"
        );
        for bad in ["", "int", "(int", "(int) ->", "(int) -> int x", "<T(T) -> T", "(Class<int>) -> int"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
