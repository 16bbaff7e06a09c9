//! Parameters of tasks from text: what an operator writes on a command line.
//!
//! A String is the text as it is. A list is `[a, b]` or `a, b`, a record `{x: 1, y: 2}`; within those, texts may
//! stand in JSON's quotes, and do where they hold a comma or a bracket.

use crate::format;
use crate::program::Program;
use crate::value::Value;
use dscript_bytecode::ids::TypeId;
use dscript_bytecode::image::Type;

const DEPTH_MAX: usize = 32;

pub(crate) fn parse(program: &Program, ty: TypeId, text: &str) -> Result<Value, String> {
    match program.ty(ty) {
        Type::String => return Ok(Value::String(text.to_owned())),
        Type::Nullable(inner) => {
            return if text.trim() == "null" { Ok(Value::Null) } else { parse(program, *inner, text) };
        }
        _ => {}
    }
    let mut parser = Parser { program, text: text.trim(), at: 0 };
    let value = match program.ty(ty) {
        Type::List(element) if !parser.text.starts_with('[') => Value::List(parser.items(*element, None, 0)?),
        _ => parser.value(ty, 0)?,
    };
    parser.space();
    if parser.at < parser.text.len() {
        return Err(format!("`{}` is left over", &parser.text[parser.at..]));
    }
    Ok(value)
}

struct Parser<'a> {
    program: &'a Program,
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
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

    fn value(&mut self, ty: TypeId, depth: usize) -> Result<Value, String> {
        if depth > DEPTH_MAX {
            return Err("it is nested too deep".into());
        }
        self.space();
        match self.program.ty(ty) {
            Type::Nullable(inner) => {
                let after = self.rest().strip_prefix("null").map(str::trim_start);
                if after.is_some_and(|rest| rest.is_empty() || rest.starts_with([',', ']', '}'])) {
                    self.at += 4;
                    return Ok(Value::Null);
                }
                self.value(*inner, depth)
            }
            Type::List(element) => {
                if !self.eat('[') {
                    return Err("a list begins with `[`".into());
                }
                Ok(Value::List(self.items(*element, Some(']'), depth + 1)?))
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
                let may_miss = |ty: TypeId| matches!(self.program.ty(ty), Type::Nullable(_));
                if let Some(missing) = of.fields.iter().find(|f| !given(&f.name) && !may_miss(f.ty)) {
                    return Err(format!("{} needs the field `{}`", of.name, missing.name));
                }
                Ok(Value::Record(fields))
            }
            _ => {
                // Alone, a scalar is the whole text.
                let ends: &[char] = if depth == 0 { &[] } else { &[',', ']', '}'] };
                let word = self.word(ends)?;
                self.scalar(ty, word)
            }
        }
    }

    fn items(&mut self, element: TypeId, close: Option<char>, depth: usize) -> Result<Vec<Value>, String> {
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

    fn scalar(&self, ty: TypeId, word: String) -> Result<Value, String> {
        let wrong = |what: &str| format!("`{word}` is not {what}");
        match self.program.ty(ty) {
            Type::Int => integer(&word).map(Value::Int).ok_or_else(|| wrong("an int")),
            // As a program writes one: what is out of range is no number.
            Type::Double => format::parse_double(&word)
                .filter(|number| number.is_finite() && !word.starts_with('+'))
                .map(Value::Double)
                .ok_or_else(|| wrong("a double")),
            Type::Bool => word.parse().map(Value::Bool).map_err(|_| wrong("true or false")),
            Type::Duration => format::parse_duration(&word)
                .map(Value::Duration)
                .ok_or_else(|| wrong("a duration such as 1m30s")),
            Type::Time => format::parse_time(&word).map(Value::Time).ok_or_else(|| wrong("a time")),
            Type::Enum { constants, .. } => match constants.contains(&word) {
                true => Ok(Value::Enum(word)),
                false => Err(wrong(&format!("one of {}", constants.join(", ")))),
            },
            Type::String => Ok(Value::String(word)),
            _ => Err(format!("a {} cannot be written as text", self.program.type_name(ty))),
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
