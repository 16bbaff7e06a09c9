//! A text as a value of a type of the program, read in one pass along the type.

use super::syntax::{self, Bad, Scanner};
use super::{Stop, source};
use crate::format;
use crate::native::{Failure, OutsideCall};
use crate::natives::bytes::parse_base64;
use crate::program::Program;
use crate::value::{Value, text_bytes};
use dscript_bytecode::ids::TypeId;
use dscript_bytecode::image::Type;
use rustc_hash::FxHashSet;
use std::sync::Arc;

/// A list of the one value, which so may be of any type.
pub(super) fn read(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    whole(call, |reader, ty| Ok(Value::List(vec![reader.value(ty, 0)?])))
}

pub(super) fn read_list(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    whole(call, |reader, ty| {
        let at = reader.scanner.begin();
        match reader.scanner.peek() {
            Some(b'[') => reader.list(ty, 0),
            _ => {
                let found = reader.skip(0)?;
                reader.bad(at, format!("{found} is no list"))
            }
        }
    })
}

fn whole(
    call: &mut OutsideCall<'_>,
    read: fn(&mut Reader<'_, '_>, TypeId) -> Result<Value, Stop>,
) -> Result<Value, Failure> {
    let text = source(call)?;
    let ty = call.type_args()[0];
    let program = Arc::clone(&call.vm().program);
    let mut make_room = |bytes| call.make_room(bytes).map_err(Stop::Trap);
    let mut reader = Reader {
        make_room: &mut make_room,
        program: &program,
        scanner: Scanner::new(&text),
        path: vec![],
        bytes: 0,
    };
    let value = read(&mut reader, ty);
    let value = value.and_then(|value| reader.scanner.end().map(|()| value).map_err(Stop::Bad));
    value.map_err(|stop| stop.failure(&text))
}

enum Step {
    Field(String),
    Index(usize),
}

struct Reader<'v, 't> {
    /// Whether so many bytes in all may be made.
    make_room: &'v mut dyn FnMut(usize) -> Result<(), Stop>,
    program: &'v Program,
    scanner: Scanner<'t>,
    path: Vec<Step>,
    /// What was made so far.
    bytes: usize,
}

impl Reader<'_, '_> {
    fn bad<T>(&self, at: usize, what: impl Into<String>) -> Result<T, Stop> {
        Err(self.placed(Bad::new(at, what)))
    }

    fn placed(&self, mut bad: Bad) -> Stop {
        for step in &self.path {
            match step {
                Step::Index(index) => bad.path.push_str(&format!("[{index}]")),
                Step::Field(name) if bad.path.is_empty() => bad.path.push_str(name),
                Step::Field(name) => bad.path.push_str(&format!(".{name}")),
            }
        }
        Stop::Bad(bad)
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Stop> {
        self.bytes += bytes;
        (self.make_room)(self.bytes)
    }

    fn value(&mut self, ty: TypeId, depth: usize) -> Result<Value, Stop> {
        self.spend(size_of::<Value>())?;
        let at = self.scanner.begin();
        let program = self.program;
        let first = self.scanner.peek();
        if let Type::Nullable(inner) = program.ty(ty) {
            if first == Some(b'n') {
                self.scanner.null()?;
                return Ok(Value::Null);
            }
            return self.value(*inner, depth);
        }
        match (program.ty(ty), first) {
            (Type::Int, Some(b'-' | b'0'..=b'9')) => {
                let digits = self.scanner.number()?;
                syntax::int(digits).map(Value::Int).or_else(|what| self.bad(at, what))
            }
            (Type::Double, Some(b'-' | b'0'..=b'9')) => {
                let digits = self.scanner.number()?;
                syntax::double(digits).map(Value::Double).or_else(|what| self.bad(at, what))
            }
            (Type::Bool, Some(b't' | b'f')) => Ok(Value::Bool(self.scanner.boolean()?)),
            (Type::String | Type::Bytes | Type::Duration | Type::Time | Type::Enum { .. }, Some(b'"')) => {
                let text = self.scanner.string()?;
                self.spend(text_bytes(&text))?;
                self.text(ty, text, at)
            }
            (Type::List(element) | Type::Set(element), Some(b'[')) => self.list(*element, depth),
            (Type::Map(key, value), Some(b'{')) => self.map(*key, *value, depth),
            (Type::Record(_), Some(b'{')) => self.record(ty, depth),
            (
                Type::Int
                | Type::Double
                | Type::Bool
                | Type::String
                | Type::Bytes
                | Type::Duration
                | Type::Time
                | Type::Enum { .. }
                | Type::List(_)
                | Type::Set(_)
                | Type::Map(..)
                | Type::Record(_),
                _,
            ) => {
                let found = self.skip(depth)?;
                let wanted = program.type_name(ty);
                self.bad(at, format!("{found} is no {wanted}"))
            }
            _ => {
                let name = program.type_name(ty);
                self.bad(at, format!("a `{name}` cannot be read from JSON"))
            }
        }
    }

    fn list(&mut self, element: TypeId, depth: usize) -> Result<Value, Stop> {
        let mut all = Vec::new();
        let mut more = self.scanner.open(b']', depth)?;
        while more {
            self.path.push(Step::Index(all.len()));
            all.push(self.value(element, depth + 1)?);
            self.path.pop();
            more = self.scanner.more(b']')?;
        }
        Ok(Value::List(all))
    }

    /// What a text in quotes says of a type that is written so; also the keys of maps.
    fn text(&self, ty: TypeId, text: String, at: usize) -> Result<Value, Stop> {
        let misfit = |text: &str| self.bad(at, format!("\"{text}\" is no {}", self.program.type_name(ty)));
        match self.program.ty(ty) {
            Type::String => Ok(Value::String(text)),
            Type::Bytes => match parse_base64(&text) {
                Ok(bytes) => Ok(Value::Bytes(bytes)),
                Err(what) => self.bad(at, what),
            },
            Type::Duration => {
                format::parse_duration(&text).map(Value::Duration).map_or_else(|| misfit(&text), Ok)
            }
            Type::Time => format::parse_time(&text).map(Value::Time).map_or_else(|| misfit(&text), Ok),
            Type::Enum { constants, .. } if constants.contains(&text) => Ok(Value::Enum(text)),
            Type::Enum { constants, .. } => {
                let all = constants.join(", ");
                self.bad(at, format!("\"{text}\" is none of {all}"))
            }
            Type::Int => text.parse().map(Value::Int).or_else(|_| misfit(&text)),
            Type::Bool => text.parse().map(Value::Bool).or_else(|_| misfit(&text)),
            _ => self.bad(at, format!("a `{}` cannot be a key of JSON", self.program.type_name(ty))),
        }
    }

    fn map(&mut self, key: TypeId, value: TypeId, depth: usize) -> Result<Value, Stop> {
        let mut all = Vec::new();
        let mut names = FxHashSet::default();
        let mut more = self.scanner.open(b'}', depth)?;
        while more {
            let (at, name) = self.scanner.name()?;
            self.spend(3 * text_bytes(&name) + size_of::<Value>() + 2 * size_of::<String>())?;
            if !names.insert(name.clone()) {
                return self.bad(at, format!("the name `{name}` stands here twice"));
            }
            self.path.push(Step::Field(name.clone()));
            let key = self.text(key, name, at)?;
            all.push((key, self.value(value, depth + 1)?));
            self.path.pop();
            more = self.scanner.more(b'}')?;
        }
        Ok(Value::Map(all))
    }

    fn record(&mut self, ty: TypeId, depth: usize) -> Result<Value, Stop> {
        let program = self.program;
        let fields = &program.object(ty).fields;
        let start = self.scanner.begin();
        let mut all: Vec<(String, Value)> = Vec::with_capacity(fields.len());
        let mut more = self.scanner.open(b'}', depth)?;
        while more {
            let (at, name) = self.scanner.name()?;
            match fields.iter().find(|field| field.name == name) {
                Some(_) if all.iter().any(|(known, _)| *known == name) => {
                    return self.bad(at, format!("the name `{name}` stands here twice"));
                }
                Some(field) => {
                    self.spend(text_bytes(&name) + size_of::<String>())?;
                    self.path.push(Step::Field(name.clone()));
                    let value = self.value(field.ty, depth + 1)?;
                    self.path.pop();
                    all.push((name, value));
                }
                None => drop(self.skip(depth + 1)?),
            }
            more = self.scanner.more(b'}')?;
        }
        for (index, field) in fields.iter().enumerate() {
            let optional = matches!(program.ty(field.ty), Type::Nullable(_))
                || program.image().default_of(ty, index).is_some();
            if !optional && !all.iter().any(|(known, _)| *known == field.name) {
                let wanted = program.type_name(field.ty);
                self.path.push(Step::Field(field.name.clone()));
                return self.bad(start, format!("it is missing, and a `{wanted}` cannot be null"));
            }
        }
        Ok(Value::Record(all))
    }

    /// Passes over a value; what it is.
    fn skip(&mut self, depth: usize) -> Result<String, Stop> {
        self.scanner.begin();
        Ok(match self.scanner.peek() {
            Some(b'{') => {
                let mut more = self.scanner.open(b'}', depth)?;
                while more {
                    self.scanner.name()?;
                    self.skip(depth + 1)?;
                    more = self.scanner.more(b'}')?;
                }
                "an object".into()
            }
            Some(b'[') => {
                let mut more = self.scanner.open(b']', depth)?;
                while more {
                    self.skip(depth + 1)?;
                    more = self.scanner.more(b']')?;
                }
                "a list".into()
            }
            Some(b'"') => {
                let text = self.scanner.string()?;
                if text.chars().count() > 40 { "this text".into() } else { format!("{text:?}") }
            }
            Some(b't' | b'f') => self.scanner.boolean()?.to_string(),
            Some(b'n') => {
                self.scanner.null()?;
                "null".into()
            }
            _ => self.scanner.number()?.chars().take(40).collect(),
        })
    }
}
