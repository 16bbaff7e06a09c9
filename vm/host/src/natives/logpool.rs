//! `LogPool`: records go out as the fields of a record or the entries of a map, and come back by field name.

use std::cell::RefCell;

use dscript_interp::native::{Body, Failure, NativeDef, OutsideCall, RecordField};
use dscript_interp::value::{Resource, Value};
use tokio::sync::oneshot;

use super::*;
use crate::errors;
use crate::pool::{PoolCursor, PoolError, PoolKey, PoolQuery, PoolRecord, PoolValue};

pub const NATIVES: &[NativeDef] = &[
    NativeDef { name: "LogPool.open", signature: "(String) -> LogPool!", body: Body::Outside(open) },
    NativeDef {
        name: "LogPool.put",
        signature: "<T>(LogPool, String, T) -> void!",
        body: Body::Outside(put),
    },
    NativeDef {
        name: "LogPool.find",
        signature: "<T>(LogPool, String, Class<T>) -> List<T>!",
        body: Body::Outside(find),
    },
    NativeDef {
        name: "LogPool.select",
        signature: "<T>(LogPool, String, String, String, Duration?, List<String>, int?, Class<T>) -> List<T>!",
        body: Body::Outside(select),
    },
    NativeDef {
        name: "LogPool.number",
        signature: "(LogPool, String, String, String, Duration?, List<String>, String) -> double?!",
        body: Body::Outside(number),
    },
    NativeDef {
        name: "LogPool.follow",
        signature: "(LogPool, String, String, String, List<String>) -> LogCursor!",
        body: Body::Outside(follow),
    },
    NativeDef {
        name: "LogPool.next",
        signature: "<T>(LogPool, LogCursor, Class<T>) -> List<T>!",
        body: Body::Outside(next),
    },
];

/// Of values within values, in either direction.
const DEPTH_MAX: usize = 64;

/// A pool by its name.
#[derive(Debug)]
struct LogPool(String);

impl Resource for LogPool {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What is followed, and how far that has come. Without a cursor the last look failed, and the one before it counts no
/// more.
#[derive(Debug)]
struct LogCursor {
    query: PoolQuery,
    cursor: RefCell<Option<PoolCursor>>,
}

impl Resource for LogCursor {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Whoever may write or read the pool may open it.
fn open(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let name = call.string(0);
    let state =
        reach(call, "logpool", &["write", name]).or_else(|_| reach(call, "logpool", &["read", name]))?;
    state.pools.open(name).map_err(|why| errors::pool(name, why))?;
    Ok(Value::Handle(Rc::new(LogPool(name.to_owned()))))
}

fn put(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let state = reach_held(call, "logpool", &["write", &call.handle::<LogPool>(0).0])?;
    let pool = call.handle::<LogPool>(0).0.clone();
    let key = call.string(1).to_owned();
    let value = std::mem::replace(&mut call.args[2], Value::Null);
    let fields = fields_of(value).ok_or_else(|| {
        errors::error(
            "EINVAL",
            "a log record is a record or a map with String keys, of values that can be stored",
        )
    })?;
    state.put_one(&key, &fields)?;
    call.wait(async move { crate::dvmstat::put(&*state.pools, &pool, &key, fields).await })??;
    Ok(Value::Null)
}

fn find(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let query = PoolQuery::of(PoolKey::Exact(call.string(1).to_owned()));
    records(call, query)
}

fn select(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let mut query = narrowed(call);
    if let Value::Int(most) = call.args[6] {
        query.most = Some(usize::try_from(most).unwrap_or(0));
    }
    records(call, query)
}

/// What the arguments that `select` and `number` share ask for.
fn narrowed(call: &mut OutsideCall<'_>) -> PoolQuery {
    let since = match call.args[4] {
        Value::Duration(age) => Some(reached(call).host.now().saturating_sub(age)),
        _ => None,
    };
    PoolQuery {
        key: PoolKey::Pattern(call.string(1).to_owned()),
        nodes: Some(call.string(2).to_owned()),
        tasks: Some(call.string(3).to_owned()),
        since,
        conditions: strings(call.args[5].clone()),
        most: None,
    }
}

fn records(call: &mut OutsideCall<'_>, query: PoolQuery) -> Result<Value, Failure> {
    let state = reach_held(call, "logpool", &["read", &call.handle::<LogPool>(0).0])?;
    let pool = call.handle::<LogPool>(0).0.clone();
    let (sender, found) = oneshot::channel();
    state.pools.find(&pool, query, Box::new(move |result| drop(sender.send(result))));
    let records = answer(call, &pool, found)?;
    decoded(call, records)
}

/// As the type that the call names wants them.
fn decoded(call: &mut OutsideCall<'_>, records: Vec<PoolRecord>) -> Result<Value, Failure> {
    let pool = call.handle::<LogPool>(0).0.clone();
    let declared = call.type_args().first().map(|ty| call.record_fields(*ty)).unwrap_or_default();
    let all: Result<Vec<Value>, String> =
        records.into_iter().map(|record| decode(record, &declared)).collect();
    let all =
        all.map_err(|what| errors::error("EINVAL", format!("a record in log pool `{pool}`: {what}")))?;
    Ok(Value::List(all))
}

fn number(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let state = reach_held(call, "logpool", &["read", &call.handle::<LogPool>(0).0])?;
    let pool = call.handle::<LogPool>(0).0.clone();
    let (query, aggregate) = (narrowed(call), call.string(6).to_owned());
    let (sender, found) = oneshot::channel();
    state.pools.number(&pool, query, &aggregate, Box::new(move |result| drop(sender.send(result))));
    Ok(match answer(call, &pool, found)? {
        PoolValue::Int(value) => Value::Double(value as f64),
        PoolValue::Double(value) => Value::Double(value),
        PoolValue::Duration(nanos) => Value::Double(nanos as f64 / 1e9),
        PoolValue::Null => Value::Null,
        _ => return Err(errors::error("EINVAL", format!("`{aggregate}` is no number")).into()),
    })
}

fn follow(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let query = PoolQuery {
        nodes: Some(call.string(2).to_owned()),
        tasks: Some(call.string(3).to_owned()),
        conditions: strings(call.args[4].clone()),
        ..PoolQuery::of(PoolKey::Pattern(call.string(1).to_owned()))
    };
    let (_, cursor) = tail(call, query.clone(), None)?;
    Ok(Value::Handle(Rc::new(LogCursor { query, cursor: RefCell::new(Some(cursor)) })))
}

fn next(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let follower = call.handle::<LogCursor>(1);
    let (query, cursor) = (follower.query.clone(), follower.cursor.borrow_mut().take());
    let Some(cursor) = cursor else {
        return Err(
            errors::error("EINVAL", "the pool is not followed any more: an earlier look failed").into()
        );
    };
    let (records, behind) = tail(call, query, Some(cursor))?;
    *call.handle::<LogCursor>(1).cursor.borrow_mut() = Some(behind);
    decoded(call, records)
}

fn tail(
    call: &mut OutsideCall<'_>,
    query: PoolQuery,
    cursor: Option<PoolCursor>,
) -> Result<(Vec<PoolRecord>, PoolCursor), Failure> {
    let state = reach_held(call, "logpool", &["read", &call.handle::<LogPool>(0).0])?;
    let pool = call.handle::<LogPool>(0).0.clone();
    let (sender, found) = oneshot::channel();
    state.pools.tail(&pool, query, cursor, Box::new(move |result| drop(sender.send(result))));
    answer(call, &pool, found)
}

fn answer<T: 'static>(
    call: &mut OutsideCall<'_>,
    pool: &str,
    found: oneshot::Receiver<Result<T, PoolError>>,
) -> Result<T, Failure> {
    match call.wait(found)? {
        Ok(result) => Ok(result.map_err(|why| errors::pool(pool, why))?),
        Err(_) => Err(errors::error("pool", format!("log pool `{pool}` was closed")).into()),
    }
}

fn fields_of(value: Value) -> Option<Vec<(String, PoolValue)>> {
    match encode(value, 0)? {
        PoolValue::Map(fields) => Some(fields),
        _ => None,
    }
}

/// `None` for what cannot be stored: handles, errors, types, keys that are not Strings.
fn encode(value: Value, depth: usize) -> Option<PoolValue> {
    if depth > DEPTH_MAX {
        return None;
    }
    Some(match value {
        Value::Null => PoolValue::Null,
        Value::Int(n) => PoolValue::Int(n),
        Value::Double(x) => PoolValue::Double(x),
        Value::Bool(b) => PoolValue::Bool(b),
        Value::String(text) | Value::Enum(text) => PoolValue::String(text),
        Value::Bytes(bytes) => PoolValue::Bytes(bytes),
        Value::Duration(n) => PoolValue::Duration(n),
        Value::Time(n) => PoolValue::Time(n),
        Value::List(all) => {
            PoolValue::List(all.into_iter().map(|value| encode(value, depth + 1)).collect::<Option<_>>()?)
        }
        Value::Record(fields) => PoolValue::Map(
            fields
                .into_iter()
                .map(|(name, value)| Some((name, encode(value, depth + 1)?)))
                .collect::<Option<_>>()?,
        ),
        Value::Map(entries) => {
            let entry = |(key, value)| match key {
                Value::String(name) | Value::Enum(name) => Some((name, encode(value, depth + 1)?)),
                _ => None,
            };
            PoolValue::Map(entries.into_iter().map(entry).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// A record as the declared fields want it: what is missing and has no default goes to `T?` as null, what is
/// more is left out.
/// Without declared fields it is a map.
fn decode(record: PoolRecord, declared: &[RecordField]) -> Result<Value, String> {
    if declared.is_empty() {
        let entry = |(name, value)| Ok((Value::String(name), fit(value, "", 0)?));
        return Ok(Value::Map(record.fields.into_iter().map(entry).collect::<Result<_, String>>()?));
    }
    let mut fields = record.fields;
    let mut out = Vec::with_capacity(declared.len());
    for RecordField { name, ty, has_default } in declared {
        let at = fields.iter().position(|(known, _)| known == name);
        if at.is_none() && *has_default {
            continue;
        }
        let value = at.map_or(PoolValue::Null, |at| fields.swap_remove(at).1);
        let value = fit(value, ty, 0).map_err(|what| format!("field `{name}`: {what}"))?;
        out.push((name.clone(), value));
    }
    Ok(Value::Record(out))
}

/// A stored value as a value of the declared type; the engine fits what lies deeper in records.
fn fit(value: PoolValue, ty: &str, depth: usize) -> Result<Value, String> {
    if depth > DEPTH_MAX {
        return Err("values lie too deep within each other".into());
    }
    let (ty, nullable) = match ty.strip_suffix('?') {
        Some(inner) => (inner, true),
        None => (ty, ty.is_empty()),
    };
    let misfit = |has: &str| Err(format!("it is {has}, not {ty}"));
    Ok(match (value, ty) {
        (PoolValue::Null, _) if nullable => Value::Null,
        (PoolValue::Null, _) => return Err(format!("it is missing, and {ty} cannot be null")),
        (PoolValue::Int(n), "double") => match n as f64 {
            x if x as i128 == i128::from(n) => Value::Double(x),
            _ => return misfit("an int that no double is"),
        },
        (PoolValue::Int(n), "int" | "") => Value::Int(n),
        (PoolValue::Int(_), _) => return misfit("an int"),
        (PoolValue::Double(x), "double" | "") => Value::Double(x),
        (PoolValue::Double(_), _) => return misfit("a double"),
        (PoolValue::Bool(b), "boolean" | "") => Value::Bool(b),
        (PoolValue::Bool(_), _) => return misfit("a boolean"),
        (PoolValue::String(text), "String" | "") => Value::String(text),
        (PoolValue::String(_), "int" | "double" | "boolean" | "Bytes" | "Duration" | "Time") => {
            return misfit("a String");
        }
        // Any other name is an enum's.
        (PoolValue::String(text), _) => Value::Enum(text),
        (PoolValue::Bytes(bytes), "Bytes" | "") => Value::Bytes(bytes),
        (PoolValue::Bytes(_), _) => return misfit("Bytes"),
        (PoolValue::Duration(n), "Duration" | "") => Value::Duration(n),
        (PoolValue::Duration(_), _) => return misfit("a Duration"),
        (PoolValue::Time(n), "Time" | "") => Value::Time(n),
        (PoolValue::Time(_), _) => return misfit("a Time"),
        (PoolValue::List(all), ty) => {
            let inner = element(ty, "List<").or(element(ty, "Set<")).or(ty.is_empty().then_some(""));
            let Some(inner) = inner else { return misfit("a list") };
            Value::List(all.into_iter().map(|value| fit(value, inner, depth + 1)).collect::<Result<_, _>>()?)
        }
        (PoolValue::Map(entries), ty) => match element(ty, "Map<String, ") {
            Some(inner) => {
                let entry = |(name, value)| Ok((Value::String(name), fit(value, inner, depth + 1)?));
                Value::Map(entries.into_iter().map(entry).collect::<Result<_, String>>()?)
            }
            None => {
                let field = |(name, value)| Ok((name, fit(value, "", depth + 1)?));
                Value::Record(entries.into_iter().map(field).collect::<Result<_, String>>()?)
            }
        },
    })
}

/// `int` of `List<int>`.
fn element<'a>(ty: &'a str, head: &str) -> Option<&'a str> {
    ty.strip_prefix(head)?.strip_suffix('>')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fields: &[(&str, PoolValue)], declared: &[(&str, &str)], expected: &str) {
        let fields = fields.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        let field = |(name, ty): &(&str, &str)| RecordField {
            name: name.to_string(),
            ty: ty.trim_start_matches("= ").to_string(),
            has_default: ty.starts_with('='),
        };
        let declared: Vec<_> = declared.iter().map(field).collect();
        let got = match decode(PoolRecord { time: 0, fields }, &declared) {
            Ok(value) => format!("{value:?}"),
            Err(what) => what,
        };
        assert_eq!(got, expected);
    }

    #[test]
    fn fields_come_back_by_name() {
        let fields =
            [("free", PoolValue::Int(3)), ("us", PoolValue::Int(4)), ("extra", PoolValue::Bool(true))];
        check(
            &fields,
            &[("us", "double"), ("wa", "= int"), ("free", "= int"), ("gu", "int?")],
            r#"Record([("us", Double(4.0)), ("free", Int(3)), ("gu", Null)])"#,
        );
        check(&fields, &[("gu", "int")], "field `gu`: it is missing, and int cannot be null");
        check(&fields, &[("free", "String")], "field `free`: it is an int, not String");
        check(&fields[..1], &[], r#"Map([(String("free"), Int(3))])"#);
        check(
            &[("x", PoolValue::Int(i64::MAX))],
            &[("x", "double")],
            "field `x`: it is an int that no double is, not double",
        );
    }

    #[test]
    fn values_within_values() {
        let list = PoolValue::List(vec![PoolValue::Int(1), PoolValue::Null]);
        check(&[("x", list.clone())], &[("x", "List<int?>")], r#"Record([("x", List([Int(1), Null]))])"#);
        check(&[("x", list)], &[("x", "List<int>")], "field `x`: it is missing, and int cannot be null");
        let map = PoolValue::Map(vec![("a".into(), PoolValue::String("RED".into()))]);
        check(
            &[("x", map.clone())],
            &[("x", "Map<String, Color>")],
            r#"Record([("x", Map([(String("a"), Enum("RED"))]))])"#,
        );
        check(&[("x", map)], &[("x", "Point")], r#"Record([("x", Record([("a", String("RED"))]))])"#);
    }

    #[test]
    fn what_cannot_be_stored_is_refused() {
        let text = |s: &str| Value::String(s.into());
        assert_eq!(fields_of(Value::Int(1)), None);
        assert_eq!(fields_of(Value::Map(vec![(Value::Int(1), Value::Int(1))])), None);
        let mut deep = Value::Int(1);
        for _ in 0..100 {
            deep = Value::List(vec![deep]);
        }
        assert_eq!(fields_of(Value::Map(vec![(text("a"), deep)])), None);
        let stored = fields_of(Value::Map(vec![(text("a"), Value::Enum("RED".into()))]));
        assert_eq!(stored, Some(vec![("a".into(), PoolValue::String("RED".into()))]));
    }
}
