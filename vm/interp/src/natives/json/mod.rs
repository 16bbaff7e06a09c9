//! Json: texts as values of a type, texts as tokens of which `std` makes a tree, and values as texts.

mod read;
mod syntax;
mod write;

use crate::native::{Body, Failure, NativeDef, OutsideCall, Trapped};
use crate::value::{ErrorValue, Fault, Value, text_bytes};
use syntax::{Bad, Scanner};

/// Lists and objects within each other, either way.
const DEPTH_MAX: usize = 90;
/// Bytes of a text that is read.
const TEXT_BYTES_MAX: usize = 64 << 20;

pub(super) const DEFS: &[NativeDef] = &[
    NativeDef {
        name: "Json.read",
        signature: "<T>(String, Class<T>) -> List<T>!",
        body: Body::Outside(read::read),
    },
    NativeDef {
        name: "Json.parseList",
        signature: "<T>(String, Class<T>) -> List<T>!",
        body: Body::Outside(read::read_list),
    },
    NativeDef { name: "Json.scan", signature: "(String) -> JsonTokens!", body: Body::Outside(scan) },
    NativeDef { name: "Json.text", signature: "<T>(T, int) -> String", body: Body::Pure(write::text) },
];

/// Why reading ends: a mistake in the text, or the task's memory.
enum Stop {
    Bad(Bad),
    Trap(Trapped),
}

impl From<Bad> for Stop {
    fn from(bad: Bad) -> Self {
        Stop::Bad(bad)
    }
}

impl Stop {
    fn failure(self, text: &str) -> Failure {
        let bad = match self {
            Stop::Trap(trap) => return Failure::Trap(trap),
            Stop::Bad(bad) => bad,
        };
        let before = &text[..bad.at];
        let line = 1 + before.matches('\n').count();
        let column = 1 + before[before.rfind('\n').map_or(0, |at| at + 1)..].chars().count();
        let mut data = vec![("line".into(), line.to_string()), ("column".into(), column.to_string())];
        let mut message = format!("line {line}, column {column}: ");
        if !bad.path.is_empty() {
            message.push_str(&format!("`{}`: ", bad.path));
            data.push(("path".into(), bad.path));
        }
        message.push_str(&bad.what);
        let fault = vec![Fault::User, Fault::External];
        Failure::Error(ErrorValue { code: "json".into(), message, fault, cause: None, data })
    }
}

/// A text as it was given, where it is not too long.
fn source(call: &mut OutsideCall<'_>) -> Result<String, Failure> {
    let text = match std::mem::replace(&mut call.args[0], Value::Null) {
        Value::String(text) => text,
        other => panic!("the text is {other:?}"),
    };
    if text.len() > TEXT_BYTES_MAX {
        let fault = vec![Fault::User, Fault::External];
        let message = format!("the text has {} bytes; at most {TEXT_BYTES_MAX} are read as JSON", text.len());
        return Err(ErrorValue { code: "limit".into(), message, fault, cause: None, data: vec![] }.into());
    }
    Ok(text)
}

/// All tokens in their order, as lists: what each is, and the ints, doubles and texts of those that have one.
fn scan(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let text = source(call)?;
    let mut out = Tokens::default();
    let mut scanner = Scanner::new(&text);
    let mut limit = |out: &Tokens| {
        let count = out.kinds.len() + out.ints.len() + out.doubles.len() + out.texts.len();
        call.make_room(count * size_of::<Value>() + out.bytes).map_err(Stop::Trap)
    };
    out.value(&mut scanner, 0, &mut limit).map_err(|stop| stop.failure(&text))?;
    scanner.end().map_err(|bad| Stop::Bad(bad).failure(&text))?;
    Ok(Value::Record(vec![
        ("kinds".into(), Value::List(out.kinds)),
        ("ints".into(), Value::List(out.ints)),
        ("doubles".into(), Value::List(out.doubles)),
        ("texts".into(), Value::List(out.texts)),
    ]))
}

#[derive(Default)]
struct Tokens {
    kinds: Vec<Value>,
    ints: Vec<Value>,
    doubles: Vec<Value>,
    texts: Vec<Value>,
    /// Of the texts.
    bytes: usize,
}

/// What `std/json.ds` calls them.
const NULL: i64 = 0;
const FALSE: i64 = 1;
const TRUE: i64 = 2;
const INT: i64 = 3;
const DOUBLE: i64 = 4;
const STRING: i64 = 5;
const LIST: i64 = 6;
const OBJECT: i64 = 7;
const END: i64 = 8;

impl Tokens {
    fn kind(&mut self, kind: i64) {
        self.kinds.push(Value::Int(kind));
    }

    fn text(&mut self, text: String) {
        self.bytes += text_bytes(&text);
        self.texts.push(Value::String(text));
    }

    fn value(
        &mut self,
        scanner: &mut Scanner<'_>,
        depth: usize,
        limit: &mut dyn FnMut(&Tokens) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        if self.kinds.len().is_multiple_of(64) {
            limit(self)?;
        }
        let at = scanner.begin();
        match scanner.peek() {
            Some(b'[') => {
                self.kind(LIST);
                let mut more = scanner.open(b']', depth)?;
                while more {
                    self.value(scanner, depth + 1, limit)?;
                    more = scanner.more(b']')?;
                }
                self.kind(END);
            }
            Some(b'{') => {
                self.kind(OBJECT);
                let mut names = rustc_hash::FxHashSet::default();
                let mut more = scanner.open(b'}', depth)?;
                while more {
                    let (at, name) = scanner.name()?;
                    if !names.insert(name.clone()) {
                        return Err(Bad::new(at, format!("the name `{name}` stands here twice")).into());
                    }
                    self.text(name);
                    self.value(scanner, depth + 1, limit)?;
                    more = scanner.more(b'}')?;
                }
                self.kind(END);
            }
            Some(b'"') => {
                self.kind(STRING);
                self.text(scanner.string()?);
            }
            Some(b't' | b'f') => {
                let value = scanner.boolean()?;
                self.kind(if value { TRUE } else { FALSE });
            }
            Some(b'n') => {
                scanner.null()?;
                self.kind(NULL);
            }
            _ => {
                let digits = scanner.number()?;
                if syntax::is_whole(digits) {
                    self.kind(INT);
                    self.ints.push(Value::Int(syntax::int(digits).map_err(|what| Bad::new(at, what))?));
                } else {
                    self.kind(DOUBLE);
                    let value = syntax::double(digits).map_err(|what| Bad::new(at, what))?;
                    self.doubles.push(Value::Double(value));
                }
            }
        }
        Ok(())
    }
}
