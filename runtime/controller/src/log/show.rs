//! Log records as tables, lines, JSON and CSV.

use std::collections::BTreeSet;
use std::fmt::Write;

use dscript_logpool::{FieldValue, Record};
use dscript_protocol::ids::short;
use serde_json::{Map, Value, json};

use crate::out;

/// Fields that get a column each; with more different ones, all of them share one column.
const COLUMNS_MAX: usize = 24;

pub fn json(records: &[Record]) -> Result<(), String> {
    out::print(&json_lines(records))
}

/// One object a line.
pub fn json_lines(records: &[Record]) -> String {
    records.iter().map(|record| format!("{}\n", record_json(record))).collect()
}

/// One object.
pub fn record_text(record: &Record) -> String {
    record_json(record).to_string()
}

pub fn record_json(record: &Record) -> Value {
    json!({
        "time": out::time(record.time),
        "pool": record.pool,
        "key": record.key,
        "node": record.node,
        "task": record.task,
        "run": record.run.to_string(),
        "seq": record.seq,
        "fields": fields_json(&record.fields),
    })
}

fn fields_json(fields: &[(String, FieldValue)]) -> Value {
    Value::Object(fields.iter().map(|(name, value)| (name.clone(), value_json(value))).collect::<Map<_, _>>())
}

pub fn value_json(value: &FieldValue) -> Value {
    match value {
        FieldValue::Null => Value::Null,
        FieldValue::Int(value) => json!(value),
        // JSON has no number for infinities and NaN.
        FieldValue::Double(value) if value.is_finite() => json!(value),
        FieldValue::Bool(value) => json!(value),
        FieldValue::List(values) => Value::Array(values.iter().map(value_json).collect()),
        FieldValue::Map(entries) => fields_json(entries),
        other => Value::String(text(other)),
    }
}

/// A value as D-Script prints it.
pub fn text(value: &FieldValue) -> String {
    match value {
        FieldValue::Null => "null".into(),
        FieldValue::Int(value) => value.to_string(),
        FieldValue::Double(value) if value.is_nan() => "NaN".into(),
        FieldValue::Double(value) if value.is_infinite() => {
            if *value > 0.0 { "Infinity" } else { "-Infinity" }.into()
        }
        FieldValue::Double(value) => format!("{value:?}"),
        FieldValue::Bool(value) => value.to_string(),
        FieldValue::String(value) => value.clone(),
        FieldValue::Bytes(value) => value.iter().fold(String::new(), |mut all, byte| {
            let _ = write!(all, "{byte:02x}");
            all
        }),
        FieldValue::Duration(value) => duration(*value),
        FieldValue::Time(value) => out::time(*value),
        FieldValue::List(values) => format!("[{}]", values.iter().map(text).collect::<Vec<_>>().join(", ")),
        FieldValue::Map(entries) => {
            let entries: Vec<String> =
                entries.iter().map(|(key, value)| format!("{key}: {}", text(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

const UNITS: [(u64, &str); 7] = [
    (86_400_000_000_000, "d"),
    (3_600_000_000_000, "h"),
    (60_000_000_000, "m"),
    (1_000_000_000, "s"),
    (1_000_000, "ms"),
    (1_000, "us"),
    (1, "ns"),
];

/// The shortest literals: `1m30s`.
fn duration(nanos: i64) -> String {
    let mut left = nanos.unsigned_abs();
    if left == 0 {
        return "0s".into();
    }
    let mut all = String::from(if nanos < 0 { "-" } else { "" });
    for (unit, name) in UNITS {
        if left >= unit {
            let _ = write!(all, "{}{name}", left / unit);
            left %= unit;
        }
    }
    all
}

/// The nanoseconds of what `duration` writes.
pub fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut total = 0i128;
    loop {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        let (number, after) = (rest[..digits].parse::<u64>().ok()?, &rest[digits + letters..]);
        let (nanos, _) = UNITS.iter().find(|(_, name)| *name == &rest[digits..digits + letters])?;
        total += i128::from(number) * i128::from(*nanos);
        rest = after;
        if rest.is_empty() {
            return i64::try_from(if negative { -total } else { total }).ok();
        }
    }
}

/// Names of all fields, in the order in which they are first met.
fn columns(records: &[Record]) -> Vec<&str> {
    let mut met = BTreeSet::new();
    let names = records.iter().flat_map(|record| record.fields.iter().map(|(name, _)| name.as_str()));
    names.filter(|name| met.insert(*name)).collect()
}

fn varies<'r>(records: &'r [Record], of: impl Fn(&'r Record) -> &'r str) -> bool {
    records.windows(2).any(|pair| of(&pair[0]) != of(&pair[1]))
}

pub fn table(records: &[Record]) -> Result<(), String> {
    let columns = columns(records);
    let apart = columns.len() <= COLUMNS_MAX;
    let (pools, keys, nodes) =
        (varies(records, |r| &r.pool), varies(records, |r| &r.key), varies(records, |r| &r.node));
    let mut heading = vec!["time"];
    let meta = [(pools, "pool"), (keys, "key"), (nodes, "node")];
    heading.extend(meta.iter().filter(|(there, _)| *there).map(|(_, name)| *name));
    if apart {
        heading.extend(&columns);
    } else {
        heading.push("fields");
    }
    let mut table = out::table(&heading);
    for record in records {
        let mut row = vec![out::short_time(record.time, 3)];
        let meta = [(pools, &record.pool), (keys, &record.key), (nodes, &record.node)];
        row.extend(meta.iter().filter(|(there, _)| *there).map(|(_, value)| (*value).clone()));
        if apart {
            row.extend(columns.iter().map(|name| record.field(name).map(text).unwrap_or_default()));
        } else {
            row.push(all_fields(record));
        }
        table.add_row(row);
    }
    out::print_table(&table)
}

fn all_fields(record: &Record) -> String {
    let fields: Vec<String> =
        record.fields.iter().map(|(name, value)| format!("{name}={}", text(value))).collect();
    fields.join(" ")
}

/// One line a record, for `tail`: columns cannot be known before.
pub fn lines(records: &[Record]) -> Result<(), String> {
    let mut all = String::new();
    for record in records {
        let time = out::short_time(record.time, 3);
        let Record { node, pool, key, .. } = record;
        let _ = writeln!(all, "{time} {node} {pool} {key:?} {} {}", short(record.run), all_fields(record));
    }
    out::print(&all)
}

pub fn csv(records: &[Record]) -> Result<(), String> {
    let columns: Vec<String> = columns(records).into_iter().map(str::to_owned).collect();
    let rows = records.iter().map(|record| csv_row(record, &columns));
    out::print(&std::iter::once(csv_heading(&columns)).chain(rows).collect::<String>())
}

/// One line: the meta data, then the fields of these names.
pub fn csv_heading(columns: &[String]) -> String {
    let meta = ["time", "pool", "key", "node", "task", "run", "seq"];
    csv_line(meta.into_iter().chain(columns.iter().map(String::as_str)).map(str::to_owned))
}

pub fn csv_row(record: &Record, columns: &[String]) -> String {
    let meta = [
        out::time(record.time),
        record.pool.clone(),
        record.key.clone(),
        record.node.clone(),
        record.task.clone(),
        record.run.to_string(),
        record.seq.to_string(),
    ];
    csv_line(meta.into_iter().chain(columns.iter().map(|name| match record.field(name) {
        None | Some(FieldValue::Null) => String::new(),
        Some(value) => text(value),
    })))
}

fn csv_line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.map(|cell| quoted(&cell)).collect();
    format!("{}\n", cells.join(","))
}

/// The groups of an aggregation, a field a column.
pub fn stats_table(groups: &[Record], windows: bool) -> Result<(), String> {
    let columns = columns(groups);
    let heading: Vec<&str> = windows.then_some("window").into_iter().chain(columns.iter().copied()).collect();
    let mut table = out::table(&heading);
    for group in groups {
        let window = windows.then(|| out::short_time(group.time, 0));
        table.add_row(window.into_iter().chain(group.fields.iter().map(|(_, value)| cell(value))));
    }
    out::print_table(&table)
}

/// For people: a double to what they compare.
pub fn cell(value: &FieldValue) -> String {
    match value {
        FieldValue::Null => "-".into(),
        FieldValue::Double(value) if value.is_finite() && value.abs() >= 0.001 && value.abs() < 1e15 => {
            let text = format!("{value:.3}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        other => text(other),
    }
}

/// One object a line.
pub fn stats_json(groups: &[Record], windows: bool) -> Result<(), String> {
    out::print(&groups.iter().map(|group| format!("{}\n", group_json(group, windows))).collect::<String>())
}

pub fn group_json(group: &Record, windows: bool) -> Value {
    let window = windows.then(|| ("window".to_owned(), json!(out::time(group.time))));
    let fields = group.fields.iter().map(|(name, value)| (name.clone(), value_json(value)));
    Value::Object(window.into_iter().chain(fields).collect())
}

pub fn stats_csv(groups: &[Record], windows: bool) -> Result<(), String> {
    let columns = columns(groups);
    let heading = windows.then_some("window").into_iter().chain(columns).map(str::to_owned);
    let mut all = csv_line(heading);
    for group in groups {
        let window = windows.then(|| out::time(group.time));
        let fields = group.fields.iter().map(|(_, value)| match value {
            FieldValue::Null => String::new(),
            value => text(value),
        });
        all.push_str(&csv_line(window.into_iter().chain(fields)));
    }
    out::print(&all)
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        assert_eq!(duration(90_000_000_000), "1m30s");
        assert_eq!(duration(-1_500_000), "-1ms500us");
        assert_eq!(duration(0), "0s");
        assert_eq!(duration(i64::MIN), "-106751d23h47m16s854ms775us808ns");
        for nanos in [90_000_000_000, -1_500_000, 0, i64::MIN, i64::MAX] {
            assert_eq!(parse_duration(&duration(nanos)), Some(nanos));
        }
        for bad in ["", "-", "1", "m", "1x", "1m ", "9223372036854775808ns", "ü"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
        assert_eq!(text(&FieldValue::Double(1.0)), "1.0");
        assert_eq!(text(&FieldValue::List(vec![FieldValue::Int(1), FieldValue::Null])), "[1, null]");
        assert_eq!(text(&FieldValue::Map(vec![("a".into(), FieldValue::String("x".into()))])), "{a: x}");
        assert_eq!(value_json(&FieldValue::Double(f64::NAN)), json!("NaN"));
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
