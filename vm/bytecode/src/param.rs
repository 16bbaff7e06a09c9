//! Values of parameters as operators write them on a command line: which task of a program is meant, whether what is
//! given fits its parameters, and what each text says. Whoever sends a program to others asks here first, and
//! whoever runs it asks the same.
//!
//! A String is the text as it is. A list is `[a, b]` or `a, b`, a record `{x: 1, y: 2}`; within those, texts may
//! stand in JSON's quotes, and do where they hold a comma or a bracket.

use crate::asm::type_name;
use crate::ids::TypeId;
use crate::image::{Image, Manifest, Task, TaskParam, Type};
use crate::literal;

const DEPTH_MAX: usize = 32;

/// What a parameter is given. Plain data: no engine is needed to know that it fits.
#[derive(Clone, Debug, PartialEq)]
pub enum ParamValue {
    Null,
    Int(i64),
    Double(f64),
    Bool(bool),
    String(String),
    /// Signed nanoseconds.
    Duration(i64),
    /// The constant's name.
    Enum(String),
    List(Vec<ParamValue>),
    /// Fields by name, in the order written.
    Record(Vec<(String, ParamValue)>),
}

impl Manifest {
    /// The row of the task asked for, else of the script, else of the only task; else what there is to choose from.
    pub fn choose_task(&self, asked: Option<&str>) -> Result<usize, String> {
        let names = || self.tasks.iter().map(|task| task.name.as_str()).collect::<Vec<_>>().join(", ");
        match (asked, self.tasks.iter().position(|task| task.script), self.tasks.len()) {
            (_, _, 0) => Err("the program has no task".into()),
            (Some(asked), ..) => self
                .tasks
                .iter()
                .position(|task| task.name == asked)
                .ok_or_else(|| format!("there is no task `{asked}`; there are: {}", names())),
            (None, Some(script), _) => Ok(script),
            (None, None, 1) => Ok(0),
            (None, None, _) => Err(format!("choose a task with --task: {}", names())),
        }
    }
}

/// Values in the order of the task's parameters, `None` where the default is taken; else what is wrong, and what the task
/// takes.
pub fn fit(
    image: &Image,
    task: &Task,
    given: &[(String, String)],
) -> Result<Vec<Option<ParamValue>>, String> {
    fit_each(image, task, given).map_err(|why| format!("{why}; {}", takes(image, task)))
}

fn fit_each(
    image: &Image,
    task: &Task,
    given: &[(String, String)],
) -> Result<Vec<Option<ParamValue>>, String> {
    for (index, (name, _)) in given.iter().enumerate() {
        if !task.params.iter().any(|param| param.name == *name) {
            return Err(format!("task `{}` has no parameter `{name}`", task.name));
        }
        if given[..index].iter().any(|(known, _)| known == name) {
            return Err(format!("parameter `{name}` is given twice"));
        }
    }
    let value = |param: &TaskParam| match given.iter().find(|(name, _)| *name == param.name) {
        Some((name, text)) => {
            let value = parse(image, param.ty, text);
            value.map(Some).map_err(|why| format!("parameter `{name}`, `{text}`: {why}"))
        }
        None if param.default.is_some() => Ok(None),
        None => Err(format!("task `{}` needs a value for parameter `{}`", task.name, param.name)),
    };
    task.params.iter().map(value).collect()
}

/// The parameters of a task, as its declaration lists them.
fn takes(image: &Image, task: &Task) -> String {
    let param = |param: &TaskParam| {
        let default = if param.default.is_some() { " = ..." } else { "" };
        format!("{} {}{default}", type_name(image, param.ty), param.name)
    };
    match &task.params[..] {
        [] => "it has no parameters".into(),
        all => format!("it takes: {}", all.iter().map(param).collect::<Vec<_>>().join(", ")),
    }
}

/// Reads a value of a type of the image: `42`, `0.5`, `true`, text as it is, `1m30s`, an enum constant's name, a list, a
/// record.
pub fn parse(image: &Image, ty: TypeId, text: &str) -> Result<ParamValue, String> {
    let mut parser = Parser { image, text: text.trim(), at: 0 };
    match parser.ty(ty) {
        Type::String => return Ok(ParamValue::String(text.to_owned())),
        Type::Nullable(inner) if !parser.is_nullable(*inner) => {
            return if text.trim() == "null" { Ok(ParamValue::Null) } else { parse(image, *inner, text) };
        }
        _ => {}
    }
    let value = match parser.ty(ty) {
        Type::List(element) if !parser.text.starts_with('[') => {
            ParamValue::List(parser.items(*element, None, 0)?)
        }
        _ => parser.value(ty, 0)?,
    };
    parser.space();
    if parser.at < parser.text.len() {
        return Err(format!("`{}` is left over", &parser.text[parser.at..]));
    }
    Ok(value)
}

struct Parser<'a> {
    image: &'a Image,
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    /// Whoever ships an image has not verified it: a type that is not there has no values.
    fn ty(&self, ty: TypeId) -> &'a Type {
        self.image.types.get(ty.index()).unwrap_or(&Type::Void)
    }

    fn is_nullable(&self, ty: TypeId) -> bool {
        matches!(self.ty(ty), Type::Nullable(_))
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn eat(&mut self, c: char) -> bool {
        self.space();
        let found = self.rest().starts_with(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    fn value(&mut self, ty: TypeId, depth: usize) -> Result<ParamValue, String> {
        if depth > DEPTH_MAX {
            return Err("it is nested too deep".into());
        }
        self.space();
        match self.ty(ty) {
            Type::Nullable(inner) if !self.is_nullable(*inner) => {
                let after = self.rest().strip_prefix("null").map(str::trim_start);
                if after.is_some_and(|rest| rest.is_empty() || rest.starts_with([',', ']', '}'])) {
                    self.at += 4;
                    return Ok(ParamValue::Null);
                }
                self.value(*inner, depth)
            }
            Type::List(element) => {
                if !self.eat('[') {
                    return Err("a list begins with `[`".into());
                }
                Ok(ParamValue::List(self.items(*element, Some(']'), depth + 1)?))
            }
            Type::Record(of) => {
                if !self.eat('{') {
                    return Err(format!("a {} begins with `{{`", of.name));
                }
                let mut fields = Vec::new();
                while !self.eat('}') {
                    let name = self.word(&[':', ',', '}'])?;
                    let field = of.fields.iter().find(|f| f.name == name);
                    let field = field.ok_or_else(|| format!("{} has no field `{name}`", of.name))?;
                    if !self.eat(':') {
                        return Err(format!("`:` is missing after `{name}`"));
                    }
                    if fields.iter().any(|(known, _)| *known == name) {
                        return Err(format!("the field `{name}` is given twice"));
                    }
                    fields.push((name, self.value(field.ty, depth + 1)?));
                    if !self.eat(',') && !self.rest().starts_with('}') {
                        return Err("`}` is missing".into());
                    }
                }
                let given = |name: &String| fields.iter().any(|(known, _)| known == name);
                for (index, field) in of.fields.iter().enumerate() {
                    let optional = self.is_nullable(field.ty) || self.image.default_of(ty, index).is_some();
                    if !optional && !given(&field.name) {
                        return Err(format!("{} needs the field `{}`", of.name, field.name));
                    }
                }
                Ok(ParamValue::Record(fields))
            }
            _ => {
                // Alone, a scalar is the whole text.
                let ends: &[char] = if depth == 0 { &[] } else { &[',', ']', '}'] };
                let word = self.word(ends)?;
                self.scalar(ty, word)
            }
        }
    }

    fn items(
        &mut self,
        element: TypeId,
        close: Option<char>,
        depth: usize,
    ) -> Result<Vec<ParamValue>, String> {
        let mut all = Vec::new();
        loop {
            self.space();
            match close {
                Some(close) if self.eat(close) => return Ok(all),
                None if self.rest().is_empty() => return Ok(all),
                _ => {}
            }
            all.push(self.value(element, depth.max(1))?);
            if self.eat(',') {
                continue;
            }
            match close {
                Some(close) if self.eat(close) => return Ok(all),
                Some(close) => return Err(format!("`{close}` is missing")),
                None => return Ok(all),
            }
        }
    }

    /// A text in quotes, or what stands before one of `ends`.
    fn word(&mut self, ends: &[char]) -> Result<String, String> {
        self.space();
        if !self.rest().starts_with('"') {
            let end = self.rest().find(ends).unwrap_or(self.rest().len());
            let word = self.rest()[..end].trim_end();
            self.at += end;
            return Ok(word.to_owned());
        }
        self.at += 1;
        let mut out = String::new();
        let mut chars = self.rest().char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += at + 1;
                    return Ok(out);
                }
                '\\' => match chars.next().map(|(_, c)| c) {
                    Some('n') => out.push('\n'),
                    Some('t') => out.push('\t'),
                    Some('r') => out.push('\r'),
                    Some('u') => {
                        let digits: String = chars.by_ref().take(4).map(|(_, c)| c).collect();
                        let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                        out.push(code.ok_or_else(|| format!("`\\u{digits}` is no character"))?);
                    }
                    Some(c @ ('"' | '\\' | '/')) => out.push(c),
                    _ => return Err("a bad escape in a text".into()),
                },
                c => out.push(c),
            }
        }
        Err("a text in quotes does not end".into())
    }

    fn scalar(&self, ty: TypeId, word: String) -> Result<ParamValue, String> {
        let wrong = |what: &str| format!("`{word}` is not {what}");
        match self.ty(ty) {
            Type::Int => integer(&word).map(ParamValue::Int).ok_or_else(|| wrong("an int")),
            // As a program writes one: what is out of range is no number.
            Type::Double => literal::parse_double(&word)
                .filter(|number| number.is_finite() && !word.starts_with('+'))
                .map(ParamValue::Double)
                .ok_or_else(|| wrong("a double")),
            Type::Bool => word.parse().map(ParamValue::Bool).map_err(|_| wrong("true or false")),
            Type::Duration => literal::parse_duration(&word)
                .map(ParamValue::Duration)
                .ok_or_else(|| wrong("a duration such as 1m30s")),
            Type::Enum { constants, .. } => match constants.contains(&word) {
                true => Ok(ParamValue::Enum(word)),
                false => Err(wrong(&format!("one of {}", constants.join(", ")))),
            },
            Type::String => Ok(ParamValue::String(word)),
            _ => Err(format!("a {} cannot be written as text", type_name(self.image, ty))),
        }
    }
}

/// As in a program: `_` between digits, `0xFF`, `0b101`, sizes such as `256MiB`.
fn integer(text: &str) -> Option<i64> {
    const SIZES: [(&str, i64); 8] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
    ];
    const RADIXES: [(&str, u32); 4] = [("0x", 16), ("0X", 16), ("0b", 2), ("0B", 2)];
    let (sign, number) = match text.strip_prefix('-') {
        Some(number) => ("-", number),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let other = RADIXES.iter().find_map(|(prefix, radix)| Some((number.strip_prefix(prefix)?, *radix, 1)));
    let sized = || SIZES.iter().find_map(|(unit, size)| Some((number.strip_suffix(unit)?, 10, *size)));
    let (digits, radix, size) = other.or_else(sized).unwrap_or((number, 10, 1));
    if digits.starts_with(['_', '-', '+']) || digits.ends_with('_') {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{}", digits.replace('_', "")), radix).ok()?.checked_mul(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(tasks: &[(&str, bool)]) -> Manifest {
        let task = |&(name, script): &(&str, bool)| Task {
            name: name.into(),
            script,
            role: None,
            params: Vec::new(),
            function: crate::ids::FunctionId(0),
            undo: None,
            dcase: None,
            doc: None,
        };
        Manifest { tasks: tasks.iter().map(task).collect(), ..Manifest::default() }
    }

    #[test]
    fn chooses_the_task() {
        let check = |tasks: &[(&str, bool)], asked, expected: Result<&str, &str>| {
            let chosen = manifest(tasks).choose_task(asked);
            let chosen = chosen.map(|index| tasks[index].0);
            assert_eq!(chosen.as_ref().copied().map_err(String::as_str), expected);
        };
        check(&[("a", false)], None, Ok("a"));
        check(&[("a", false), ("s", true)], None, Ok("s"));
        check(&[("a", false), ("s", true)], Some("a"), Ok("a"));
        check(&[("a", false), ("b", false)], None, Err("choose a task with --task: a, b"));
        check(&[("a", false), ("b", false)], Some("c"), Err("there is no task `c`; there are: a, b"));
        check(&[], None, Err("the program has no task"));
    }
}
