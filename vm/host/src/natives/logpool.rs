//! `LogPool`: records go out as the fields of a record or the entries of a map, and come back by field name.

use std::cell::RefCell;

use dscript_interp::native::{Body, Failure, NativeDef, OutsideCall, RecordField};
use dscript_interp::value::{Resource, Value};
use tokio::sync::oneshot;

use super::*;
use crate::errors;
use crate::pool::{
    PoolCursor, PoolError, PoolKey, PoolQuery, PoolRecord, PoolStats, PoolTurn, PoolValue, PoolWatch,
};

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
        signature: "<T>(LogPool, LogAsk, Class<T>) -> List<T!>!",
        body: Body::Outside(select),
    },
    NativeDef {
        name: "LogPool.number",
        signature: "(LogPool, LogAsk, String) -> double?!",
        body: Body::Outside(number),
    },
    NativeDef {
        name: "LogPool.rows",
        signature: "<T>(LogPool, LogAsk, String, String, Duration?, Class<T>) -> List<T>!",
        body: Body::Outside(rows),
    },
    NativeDef {
        name: "LogPool.follow",
        signature: "(LogPool, LogAsk) -> LogCursor!",
        body: Body::Outside(follow),
    },
    NativeDef {
        name: "LogPool.next",
        signature: "<T>(LogPool, LogCursor, Class<T>) -> List<T!>!",
        body: Body::Outside(next),
    },
    NativeDef {
        name: "LogPool.stand",
        signature: "(LogPool, LogAsk, String, Duration, String) -> LogCursor!",
        body: Body::Outside(stand),
    },
    NativeDef {
        name: "LogPool.turns",
        signature: "(LogPool, LogCursor) -> List<LogTurn>!",
        body: Body::Outside(turns),
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
    /// What turned already when a standing query began.
    turned: RefCell<Vec<PoolTurn>>,
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
    let mut all = found(call, query)?;
    // The first that does not fit is the answer.
    if let Some(at) = all.iter().position(|one| matches!(one, Value::Error(_)))
        && let Value::Error(mut error) = all.swap_remove(at)
    {
        error.message += "; `misfits` of `query(key)` takes such records, and gives the others";
        return Err((*error).into());
    }
    Ok(Value::List(all))
}

fn select(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let query = asked(call, true)?;
    found(call, query).map(Value::List)
}

/// What `LogAsk`, the second argument, asks for.
fn asked(call: &mut OutsideCall<'_>, records: bool) -> Result<PoolQuery, Failure> {
    let Value::Record(fields) = std::mem::replace(&mut call.args[1], Value::Null) else {
        return Err(invalid("this is no question to a log pool").into());
    };
    let mut query = PoolQuery::of(PoolKey::Pattern(String::new()));
    let mut newest = None;
    for (name, value) in fields {
        match (&name[..], value) {
            ("key", Value::String(key)) => query.key = PoolKey::Pattern(key),
            ("nodes", Value::String(nodes)) => query.nodes = Some(nodes),
            ("tasks", Value::String(tasks)) => query.tasks = Some(tasks),
            ("age", Value::Duration(age)) if age < 0 => {
                let age = dscript_interp::duration_text(age);
                return Err(invalid(format!("`since` takes a time ago, not one to come: {age}")).into());
            }
            ("age", Value::Duration(age)) => {
                query.since = Some(reached(call).host.now().saturating_sub(age));
            }
            ("conditions", conditions @ Value::List(_)) => query.conditions = strings(conditions),
            ("newest", Value::Int(count)) => newest = Some(so_many("newest", count)?),
            ("limit", Value::Int(count)) => query.limit = Some(so_many("limit", count)?),
            ("order", Value::String(order)) => query.order = Some(order),
            _ => {}
        }
    }
    if newest.is_some() {
        if !records {
            let why = "`newest` is for records: what is counted is chosen by `since` and `where`, and rows by `limit`";
            return Err(invalid(why).into());
        }
        if query.order.is_some() || query.limit.is_some() {
            let why =
                "`newest` and `last` go by time: with `order`, `limit` says how many records there may be";
            return Err(invalid(why).into());
        }
        query.limit = newest;
    }
    Ok(query)
}

fn so_many(what: &str, count: i64) -> Result<usize, ErrorValue> {
    usize::try_from(count).map_err(|_| invalid(format!("`{what}` takes a number from 0 on, not {count}")))
}

fn invalid(why: impl Into<String>) -> ErrorValue {
    errors::error("EINVAL", why)
}

/// Each as the type wants it that the call names, or why it does not fit.
fn found(call: &mut OutsideCall<'_>, query: PoolQuery) -> Result<Vec<Value>, Failure> {
    let state = reach_held(call, "logpool", &["read", &call.handle::<LogPool>(0).0])?;
    let pool = call.handle::<LogPool>(0).0.clone();
    let (sender, found) = oneshot::channel();
    state.pools.find(&pool, query, Box::new(move |result| drop(sender.send(result))));
    let records = answer(call, &pool, found)?;
    Ok(decoded(call, records, "log record"))
}

fn decoded(call: &mut OutsideCall<'_>, records: Vec<PoolRecord>, what: &str) -> Vec<Value> {
    let declared = call.type_args().first().map(|ty| call.record_fields(*ty)).unwrap_or_default();
    let decoded = |record: PoolRecord| {
        let name = record.name.clone();
        let misfit = |why| Value::Error(Box::new(invalid(format!("the {what} {name}: {why}"))));
        decode(record, &declared).unwrap_or_else(misfit)
    };
    records.into_iter().map(decoded).collect()
}

fn number(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let query = asked(call, false)?;
    let aggregate = call.string(2).to_owned();
    if query.limit.is_some() || query.order.is_some() {
        let why = "`limit` and `order` are for records and rows, and a number is of all that fit";
        return Err(invalid(why).into());
    }
    let stats = PoolStats { aggregates: aggregate.clone(), ..PoolStats::default() };
    let mut fields = stats_of(call, query, stats)?.into_iter().flat_map(|row| row.fields);
    let value = fields.next().map_or(PoolValue::Null, |(_, value)| value);
    if fields.next().is_some() {
        let why =
            format!("one aggregate is asked for at a time, and `{aggregate}` are several: `by` gives rows");
        return Err(invalid(why).into());
    }
    match as_double(&value) {
        Some(number) => Ok(number),
        None => Err(invalid(format!("`{aggregate}` is no number")).into()),
    }
}

/// Durations in seconds; `None` for what is no number.
fn as_double(value: &PoolValue) -> Option<Value> {
    match value {
        PoolValue::Int(value) => Some(Value::Double(*value as f64)),
        PoolValue::Double(value) => Some(Value::Double(*value)),
        PoolValue::Duration(nanos) => Some(Value::Double(*nanos as f64 / 1e9)),
        PoolValue::Null => Some(Value::Null),
        _ => None,
    }
}

fn stats_of(
    call: &mut OutsideCall<'_>,
    query: PoolQuery,
    stats: PoolStats,
) -> Result<Vec<PoolRecord>, Failure> {
    let state = reach_held(call, "logpool", &["read", &call.handle::<LogPool>(0).0])?;
    let pool = call.handle::<LogPool>(0).0.clone();
    let (sender, found) = oneshot::channel();
    state.pools.stats(&pool, query, stats, Box::new(move |result| drop(sender.send(result))));
    answer(call, &pool, found)
}

fn rows(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let query = asked(call, false)?;
    let (aggregates, by) = (call.string(2).to_owned(), call.string(3).to_owned());
    let every = match call.args[4] {
        Value::Duration(length) => Some(above_zero("every", length)?),
        _ => None,
    };
    let rows = stats_of(call, query, PoolStats { aggregates, by, every })?;
    let declared = call.type_args().first().map(|ty| call.record_fields(*ty)).unwrap_or_default();
    if let Some(row) = rows.first()
        && let Some(missing) = declared
            .iter()
            .find(|field| !field.has_default && row.fields.iter().all(|(name, _)| *name != field.name))
    {
        let columns: Vec<&str> = row.fields.iter().map(|(name, _)| &name[..]).collect();
        let (missing, columns) = (&missing.name, columns.join(", "));
        let why = format!(
            "there is no column `{missing}` for the field, only {columns}: name one, as in `avg(us) as {missing}`"
        );
        return Err(invalid(why).into());
    }
    let mut all = Vec::with_capacity(rows.len());
    for row in decoded(call, rows, "row") {
        match row {
            Value::Error(error) => return Err((*error).into()),
            row => all.push(row),
        }
    }
    Ok(Value::List(all))
}

fn above_zero(what: &str, nanos: i64) -> Result<i64, ErrorValue> {
    if nanos > 0 {
        return Ok(nanos);
    }
    let length = dscript_interp::duration_text(nanos);
    Err(invalid(format!("`{what}` takes a time above 0, such as 1m, not {length}")))
}

fn follow(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let query = PoolQuery { since: None, limit: None, order: None, ..asked(call, true)? };
    let (_, cursor) = tail(call, query.clone(), None)?;
    Ok(Value::Handle(Rc::new(LogCursor {
        query,
        cursor: RefCell::new(Some(cursor)),
        turned: RefCell::default(),
    })))
}

/// Takes the cursor out of the second argument, until a look has not failed.
fn taken(call: &OutsideCall<'_>) -> Result<(PoolQuery, PoolCursor), ErrorValue> {
    let follower = call.handle::<LogCursor>(1);
    let cursor = follower.cursor.borrow_mut().take();
    let cursor =
        cursor.ok_or_else(|| invalid("the pool is not followed any more: an earlier look failed"))?;
    Ok((follower.query.clone(), cursor))
}

fn next(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let (query, cursor) = taken(call)?;
    let (records, behind) = tail(call, query, Some(cursor))?;
    *call.handle::<LogCursor>(1).cursor.borrow_mut() = Some(behind);
    Ok(Value::List(decoded(call, records, "log record")))
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

fn stand(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let query = PoolQuery { since: None, limit: None, order: None, ..asked(call, true)? };
    let Value::Duration(over) = call.args[3] else { return Err(invalid("`over` is no time").into()) };
    let over = above_zero("over", over)?;
    let of = PoolWatch { when: call.string(2).to_owned(), over, by: call.string(4).to_owned() };
    let (turned, cursor) = watch(call, query.clone(), Ok(of))?;
    Ok(Value::Handle(Rc::new(LogCursor {
        query,
        cursor: RefCell::new(Some(cursor)),
        turned: RefCell::new(turned),
    })))
}

fn turns(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let mut all = call.handle::<LogCursor>(1).turned.take();
    if all.is_empty() {
        let (query, cursor) = taken(call)?;
        let (turned, behind) = watch(call, query, Err(cursor))?;
        *call.handle::<LogCursor>(1).cursor.borrow_mut() = Some(behind);
        all = turned;
    }
    let turn = |PoolTurn { holds, time, by, value }| {
        record([
            ("holds", Value::Bool(holds)),
            ("time", Value::Time(time)),
            ("by", Value::List(by.into_iter().map(Value::String).collect())),
            ("value", as_double(&value).unwrap_or(Value::Null)),
        ])
    };
    Ok(Value::List(all.into_iter().map(turn).collect()))
}

fn watch(
    call: &mut OutsideCall<'_>,
    query: PoolQuery,
    of: Result<PoolWatch, PoolCursor>,
) -> Result<(Vec<PoolTurn>, PoolCursor), Failure> {
    let state = reach_held(call, "logpool", &["read", &call.handle::<LogPool>(0).0])?;
    let pool = call.handle::<LogPool>(0).0.clone();
    let (sender, found) = oneshot::channel();
    state.pools.watch(&pool, query, of, Box::new(move |result| drop(sender.send(result))));
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
        // A map has one type of values, so one double in it makes all its ints doubles.
        (PoolValue::Double(x), "int") if x as i64 as f64 == x && x < i64::MAX as f64 => Value::Int(x as i64),
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
        let got = match decode(PoolRecord { name: Arc::new("r"), fields }, &declared) {
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
