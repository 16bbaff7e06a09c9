//! A log record as JSON: what `dsctl log export` writes and `dsctl log import` reads, what HTTP answers, and the value of a
//! record at memcached.
//!
//! Where JSON cannot tell what a field is, `types` says it: `{"fields": {"took": "1m30s"}, "types": {"took": "duration"}}`.
//! So a record that is read is the one that was written, but for durations, times and bytes within lists and maps,
//! which stay texts.

use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use crate::name::Name;
use crate::record::{FieldValue, Record, RunId};
use crate::text::{parse_time, time_text, value_text};
use dscript_units::parse_duration;

/// One object.
pub fn record_json(record: &Record) -> Value {
    let mut json = json!({
        "time": time_text(record.time),
        "pool": record.pool.as_str(),
        "key": record.key.as_str(),
        "node": record.node.as_str(),
        "task": record.task.as_str(),
        "run": record.run.to_string(),
        "seq": record.seq,
        "fields": fields_json(record.fields.iter()),
    });
    let types: Map<String, Value> = record
        .fields
        .iter()
        .filter_map(|(name, value)| value_type(value).map(|kind| (name.to_owned(), Value::from(kind))))
        .collect();
    if !types.is_empty() {
        json["types"] = Value::Object(types);
    }
    json
}

fn fields_json<'a>(fields: impl Iterator<Item = (&'a str, &'a FieldValue)>) -> Value {
    Value::Object(fields.map(|(name, value)| (name.to_owned(), value_json(value))).collect::<Map<_, _>>())
}

pub fn value_json(value: &FieldValue) -> Value {
    match value {
        FieldValue::Null => Value::Null,
        FieldValue::Int(value) => json!(value),
        // JSON has no number for infinities and NaN.
        FieldValue::Double(value) if value.is_finite() => json!(value),
        FieldValue::Bool(value) => json!(value),
        FieldValue::List(values) => Value::Array(values.iter().map(value_json).collect()),
        FieldValue::Map(entries) => fields_json(entries.iter().map(|(name, value)| (&name[..], value))),
        other => Value::String(value_text(other)),
    }
}

/// What JSON does not say of a value.
pub fn value_type(value: &FieldValue) -> Option<&'static str> {
    match value {
        FieldValue::Duration(_) => Some("duration"),
        FieldValue::Time(_) => Some("time"),
        FieldValue::Bytes(_) => Some("bytes"),
        FieldValue::Double(value) if !value.is_finite() => Some("double"),
        _ => None,
    }
}

/// What a record in JSON has.
const MEMBERS: [&str; 9] = ["time", "pool", "key", "node", "task", "run", "seq", "fields", "types"];

/// Reads one object. A record that does not say its run and number gets these. The error says what is wrong with it. An int
/// beyond 64 bits is refused: as the double that other readers of JSON take it for, it would be another number.
pub fn record_from_json(line: &str, run: RunId, number: u64) -> Result<Record, String> {
    let Once(json) = serde_json::from_str(line).map_err(|why| format!("this is no JSON ({why})"))?;
    let members = json.as_object().ok_or("this is no object")?;
    if let Some(unknown) = members.keys().find(|name| !MEMBERS.contains(&&name[..])) {
        return Err(format!("a record has no `{unknown}`: it has {}", MEMBERS.join(", ")));
    }
    let text = |name: &str| match &json[name] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(Name::from(text))),
        other => Err(format!("`{name}` is {other}, not a text")),
    };
    let needed = |name: &str| match text(name)? {
        Some(name) if !name.is_empty() => Ok(name),
        Some(_) => Err(format!("`{name}` is empty")),
        None => Err(format!("`{name}` is missing")),
    };
    let time = match &json["time"] {
        Value::Null => return Err("`time` is missing".into()),
        Value::String(text) => parse_time(text)?,
        other => other.as_i64().ok_or_else(|| format!("`time` is {other}, not a time"))?,
    };
    let (run, seq) = match (text("run")?, &json["seq"]) {
        (None, Value::Null) => (run, number),
        (Some(run), seq) => {
            let run = run.parse::<RunId>().map_err(|why| format!("`run`: {why}"))?;
            (run, seq.as_u64().ok_or("`run` is there, and `seq` is not its number")?)
        }
        (None, _) => return Err("`seq` is there, and `run` is not".into()),
    };
    let mut fields = Vec::new();
    match &json["fields"] {
        Value::Null => {}
        Value::Object(map) => {
            for (name, value) in map {
                let kind = match &json["types"][name] {
                    Value::Null => None,
                    Value::String(kind) => Some(&kind[..]),
                    other => return Err(format!("the type of `{name}` is {other}, not a text")),
                };
                fields.push((
                    &name[..],
                    value_of(value, kind, line).map_err(|why| format!("field `{name}`: {why}"))?,
                ));
            }
        }
        other => return Err(format!("`fields` is {other}, not an object")),
    }
    match &json["types"] {
        Value::Null => {}
        Value::Object(types) => {
            if let Some(name) = types.keys().find(|name| json["fields"].get(name).is_none()) {
                return Err(format!("`types` says what `{name}` is, and there is no such field"));
            }
        }
        other => return Err(format!("`types` is {other}, not an object")),
    }
    Ok(Record {
        pool: needed("pool")?,
        key: needed("key")?,
        node: text("node")?.unwrap_or_default(),
        task: text("task")?.unwrap_or_default(),
        run,
        seq,
        time,
        fields: fields.into(),
    })
}

/// A value that was read; `kind` as `types` has it.
pub fn value_from_json(json: &Value, kind: Option<&str>) -> Result<FieldValue, String> {
    value_of(json, kind, "")
}

/// `kind` as `types` has it; `line` is where the value stands.
fn value_of(json: &Value, kind: Option<&str>, line: &str) -> Result<FieldValue, String> {
    if let (Some(kind), Value::String(text)) = (kind, json) {
        let wrong = || format!("`{text}` is no {kind}");
        return match kind {
            "duration" => parse_duration(text).map(FieldValue::Duration).ok_or_else(wrong),
            "time" => parse_time(text).map(FieldValue::Time),
            "bytes" => bytes(text).map(FieldValue::Bytes).ok_or_else(wrong),
            "double" => match &text[..] {
                "NaN" => Ok(FieldValue::Double(f64::NAN)),
                "Infinity" => Ok(FieldValue::Double(f64::INFINITY)),
                "-Infinity" => Ok(FieldValue::Double(f64::NEG_INFINITY)),
                _ => Err(wrong()),
            },
            _ => Err(format!("there is no type `{kind}`: there are duration, time, bytes and double")),
        };
    }
    if let Some(kind) = kind {
        return match (kind, json.as_f64()) {
            ("double", Some(double)) => Ok(FieldValue::Double(double)),
            _ => Err(format!("{json} is no {kind}, which is written as a text")),
        };
    }
    Ok(match json {
        Value::Null => FieldValue::Null,
        Value::Bool(value) => FieldValue::Bool(*value),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(int), _) => FieldValue::Int(int),
            (None, Some(double)) => match whole(line, double) {
                Some((column, text)) => return Err(beyond(column, text)),
                None => FieldValue::Double(double),
            },
            (None, None) => return Err(format!("{number} is no number that can be kept")),
        },
        Value::String(text) => FieldValue::String(text.clone()),
        Value::Array(items) => {
            FieldValue::List(items.iter().map(|item| value_of(item, None, line)).collect::<Result<_, _>>()?)
        }
        Value::Object(map) => {
            let entry = |(name, item): (&String, &Value)| Ok((name.clone(), value_of(item, None, line)?));
            FieldValue::Map(map.iter().map(entry).collect::<Result<_, String>>()?)
        }
    })
}

/// A value of JSON, of which no object has two members of one name.
struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Once, D::Error> {
        struct OnceVisitor;
        impl<'de> Visitor<'de> for OnceVisitor {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_str<E>(self, value: &str) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
                let mut all = Vec::new();
                while let Some(Once(item)) = items.next_element()? {
                    all.push(item);
                }
                Ok(all.into())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
                let mut all = Map::new();
                while let Some((name, Once(value))) = members.next_entry::<String, _>()? {
                    if all.contains_key(&name) {
                        return Err(Error::custom(format_args!("`{name}` is there twice")));
                    }
                    all.insert(name, value);
                }
                Ok(all.into())
            }
        }
        input.deserialize_any(OnceVisitor).map(Once)
    }
}

/// The least number that is no int.
const BEYOND: f64 = 9_223_372_036_854_775_808.0;

/// Where a number that no int holds is written in a line without a point or an exponent, so that an int is meant.
fn whole(line: &str, number: f64) -> Option<(usize, &str)> {
    if number.abs() < BEYOND {
        return None;
    }
    let bytes = line.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let from = at;
        at += 1;
        match bytes[from] {
            b'"' => {
                while bytes.get(at).is_some_and(|byte| *byte != b'"') {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'-' | b'0'..=b'9' => {
                let part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
                at += bytes[at..].iter().take_while(|byte| part(byte)).count();
                let text = &line[from..at];
                let whole = !text.contains(['.', 'e', 'E']) && text.parse::<i64>().is_err();
                if whole && text.parse() == Ok(number) {
                    return Some((line[..from].chars().count() + 1, text));
                }
            }
            _ => {}
        }
    }
    None
}

/// Digits of a number that are shown.
const DIGITS_MAX: usize = 40;

fn beyond(column: usize, text: &str) -> String {
    let digits = match text.get(..DIGITS_MAX) {
        Some(begin) if text.len() > DIGITS_MAX => format!("{begin}..."),
        _ => text.to_owned(),
    };
    format!(
        "column {column}: {digits} is too large for an int, which has 64 bits: write it in quotes, as a text, or with an \
         exponent, as a double"
    )
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    if !hex.len().is_multiple_of(2) || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_as_it_was() {
        let named = |name: &str, value| (name.to_owned(), value);
        let record = Record {
            pool: "p".into(),
            key: "key -name".into(),
            node: "web-1".into(),
            task: "t".into(),
            run: RunId(7),
            seq: u64::MAX,
            time: 1_700_000_000_123_456_789,
            fields: [
                named("null", FieldValue::Null),
                named("int", FieldValue::Int(i64::MIN)),
                named("whole", FieldValue::Double(3.0)),
                named("huge", FieldValue::Double(1e300)),
                named("nan", FieldValue::Double(f64::NEG_INFINITY)),
                named("yes", FieldValue::Bool(true)),
                named("text", FieldValue::String("1m30s".into())),
                named("took", FieldValue::Duration(-90_000_000_001)),
                named("bytes", FieldValue::Bytes(vec![0, 255])),
                named("at", FieldValue::Time(-1)),
                named("list", FieldValue::List(vec![FieldValue::Int(1), FieldValue::Null])),
                named("map", FieldValue::Map(vec![named("a", FieldValue::Double(0.5))])),
            ]
            .into(),
        };
        assert_eq!(record_from_json(&record_json(&record).to_string(), RunId(1), 1), Ok(record));
    }

    #[test]
    fn numbers_that_json_has_not() {
        assert_eq!(value_json(&FieldValue::Double(f64::NAN)), json!("NaN"));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said() {
        let check = |line: &str, expected: &str| {
            let why = record_from_json(line, RunId(1), 1).expect_err(line);
            assert!(why.contains(expected), "{line}: {why}");
        };
        check("{", "no JSON");
        check("[]", "this is no object");
        check(r#"{"time": 1, "pool": "p", "key": "k", "feilds": {}}"#, "a record has no `feilds`");
        check(r#"{"time": 1, "pool": "", "key": "k"}"#, "`pool` is empty");
        check(r#"{"pool": "p", "key": "k"}"#, "`time` is missing");
        check(
            r#"{"time": 1, "pool": "p", "key": "k", "fields": {"a": 1, "a": 2}}"#,
            "`a` is there twice at line 1",
        );
        check(r#"{"time": 1, "pool": "p", "key": "k", "pool": "q"}"#, "`pool` is there twice");
        check(r#"{"time": 1, "pool": "p", "key": "k", "types": {"a": "time"}}"#, "there is no such field");
        check(r#"{"time": 1, "pool": "p", "key": "k", "types": 7}"#, "`types` is 7, not an object");
        let typed = r#"{"time": 1, "pool": "p", "key": "k", "fields": {"a": 3}, "types": {"a": "double"}}"#;
        let three = record_from_json(typed, RunId(1), 1).unwrap();
        assert_eq!(three.field("a"), Some(&FieldValue::Double(3.0)));
        check(
            &typed.replace("double", "duration"),
            "field `a`: 3 is no duration, which is written as a text",
        );
        check(&typed.replace("\"double\"", "1"), "the type of `a` is 1, not a text");
        check(r#"{"time": "now", "pool": "p", "key": "k"}"#, "`now` is no time");
        check(r#"{"time": 1, "key": "k"}"#, "`pool` is missing");
        check(r#"{"time": 1, "pool": 2, "key": "k"}"#, "`pool` is 2, not a text");
        check(r#"{"time": 1, "pool": "p", "key": "k", "seq": 1}"#, "`run` is not");
        for number in
            ["18446744073709551615", "9223372036854775808", "-9223372036854775809", "18446744073709551616"]
        {
            let line = |value: &str| {
                format!(
                    r#"{{"time": 1, "pool": "\"ü", "key": "9223372036854775808", "fields": {{"x": {value}}}}}"#
                )
            };
            check(&line(number), &format!("field `x`: column 74: {number} is too large for an int"));
            check(&line(&format!("[1e300,{number}]")), &format!("column 81: {number} is too large"));
            for good in [format!("{number}.0"), format!("{number}e0"), format!("\"{number}\"")] {
                assert!(record_from_json(&line(&good), RunId(1), 1).is_ok(), "{good}");
            }
        }
        let long =
            format!(r#"{{"time": 1, "pool": "p", "key": "k", "fields": {{"x": {}}}}}"#, "9".repeat(100));
        check(&long, &format!("column 54: {}... is too large", "9".repeat(40)));
        check(
            r#"{"time": 1, "pool": "p", "key": "k", "fields": {"x": "y"}, "types": {"x": "duration"}}"#,
            "`y` is no duration",
        );
        let least = record_from_json(r#"{"time": 1, "pool": "p", "key": "k"}"#, RunId(1), 9).unwrap();
        assert_eq!((least.run, least.seq, least.fields.len()), (RunId(1), 9, 0));
    }
}
