//! Log records as tables, lines, JSON and CSV.

use std::collections::BTreeSet;
use std::fmt::Write;

use dscript_logpool::{FieldValue, Reader, Record, Standing, Turn, record_json, value_json, value_text};
use dscript_protocol::ids::short;
use dscript_protocol::message::{KeyInfo, Skipped};
use serde_json::{Value, json};

use super::filter;
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

/// Things that are named one by one.
const SKIPPED_MAX: usize = 20;

/// Names what is damaged and left out.
pub fn name_skipped(skipped: &[Skipped]) {
    for one in skipped.iter().take(SKIPPED_MAX) {
        eprintln!("dsctl: damaged, and left out: {one}");
    }
}

/// Names what has come to what a reader left out, since so many were told of.
pub fn name_newly_skipped(reader: &Reader, told: &mut usize) {
    let skipped = filter::skipped(reader);
    name_skipped(&skipped[*told..]);
    *told = skipped.len();
}

/// Says what an answer was made without; the exit status that this makes.
pub fn skipped(skipped: &[Skipped]) -> i32 {
    if skipped.is_empty() {
        return 0;
    }
    name_skipped(skipped);
    let records: u64 = skipped.iter().filter_map(|one| one.records).sum();
    let records = match (records, skipped.iter().any(|one| one.records.is_none())) {
        (0, true) => "an unknown number of records".to_owned(),
        (count, true) => format!("at least {count} records"),
        (count, false) => format!("{count} records"),
    };
    let all = match skipped.len() {
        1 => "1 damaged piece".to_owned(),
        count => format!("{count} damaged pieces"),
    };
    eprintln!(
        "dsctl: {all} left out, with {records}, of which some may not have been asked for; \
         `dsctl log verify` lists all that is damaged"
    );
    1
}

/// Names of all fields, in the order in which they are first met.
fn columns(records: &[Record]) -> Vec<&str> {
    let mut met = BTreeSet::new();
    let names = records.iter().flat_map(|record| record.fields.iter().map(|(name, _)| name));
    names.filter(|name| met.insert(*name)).collect()
}

pub fn skipped_json(skipped: &[Skipped]) -> Value {
    let json = |one: &Skipped| json!({ "file": one.file, "what": one.what, "records": one.records });
    skipped.iter().map(json).collect()
}

pub fn key_json(key: &KeyInfo) -> Value {
    json!({
        "pool": key.pool,
        "key": key.key,
        "nodes": key.nodes,
        "records": key.records,
        "first": out::time(key.first),
        "last": out::time(key.last),
    })
}

/// What every record has, in columns.
pub const META: [&str; 7] = ["time", "pool", "key", "node", "task", "run", "seq"];

/// The names of the columns of fields beside others: each its own, `field_time` where there is a column `time`.
pub fn column_names(fields: &[&str], others: &[&str]) -> Vec<String> {
    let mut taken: BTreeSet<String> = others.iter().map(|name| (*name).to_owned()).collect();
    let own: BTreeSet<&str> = fields.iter().copied().collect();
    let mut names = Vec::with_capacity(fields.len());
    for field in fields {
        let mut name = (*field).to_owned();
        while taken.contains(&name) || (name != *field && own.contains(&name[..])) {
            name.insert_str(0, "field_");
        }
        taken.insert(name.clone());
        names.push(name);
    }
    names
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
    let names = if apart { column_names(&columns, &heading) } else { vec!["fields".to_owned()] };
    heading.extend(names.iter().map(String::as_str));
    let mut table = out::table(&heading);
    for record in records {
        let mut row = vec![out::short_time(record.time, 3)];
        let meta = [(pools, &record.pool), (keys, &record.key), (nodes, &record.node)];
        row.extend(meta.iter().filter(|(there, _)| *there).map(|(_, value)| value.to_string()));
        if apart {
            row.extend(columns.iter().map(|name| record.field(name).map(value_text).unwrap_or_default()));
        } else {
            row.push(all_fields(record));
        }
        out::add_row(&mut table, row);
    }
    out::print_table(&table)
}

fn all_fields(record: &Record) -> String {
    let fields: Vec<String> =
        record.fields.iter().map(|(name, value)| format!("{name}={}", value_text(value))).collect();
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
    let fields: Vec<&str> = columns.iter().map(String::as_str).collect();
    csv_line(META.into_iter().map(str::to_owned).chain(column_names(&fields, &META)))
}

pub fn csv_row(record: &Record, columns: &[String]) -> String {
    let meta = [
        out::time(record.time),
        record.pool.to_string(),
        record.key.to_string(),
        record.node.to_string(),
        record.task.to_string(),
        record.run.to_string(),
        record.seq.to_string(),
    ];
    csv_line(meta.into_iter().chain(columns.iter().map(|name| match record.field(name) {
        None | Some(FieldValue::Null) => String::new(),
        Some(value) => value_text(value),
    })))
}

fn csv_line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.map(|cell| quoted(&cell)).collect();
    format!("{}\n", cells.join(","))
}

/// The groups of an aggregation, a field a column.
pub fn stats_table(groups: &[Record], windows: bool) -> Result<(), String> {
    let heading = stats_heading(groups, windows);
    let mut table = out::table(&heading.iter().map(String::as_str).collect::<Vec<_>>());
    let digits = if groups.iter().all(|group| group.time % 1_000_000_000 == 0) { 0 } else { 3 };
    for group in groups {
        let window = windows.then(|| out::short_time(group.time, digits));
        out::add_row(&mut table, window.into_iter().chain(group.fields.iter().map(|(_, value)| cell(value))));
    }
    out::print_table(&table)
}

/// The beginning of the window, where there are windows, and the fields.
fn stats_heading(groups: &[Record], windows: bool) -> Vec<String> {
    let window: Vec<&str> = windows.then_some(WINDOW).into_iter().collect();
    // All groups have the same.
    let fields: Vec<&str> =
        groups.iter().take(1).flat_map(|group| group.fields.iter()).map(|(name, _)| name).collect();
    let names = column_names(&fields, &window);
    window.into_iter().map(str::to_owned).chain(names).collect()
}

const WINDOW: &str = "window";

/// For people: a double to what they compare.
pub fn cell(value: &FieldValue) -> String {
    match value {
        FieldValue::Null => "-".into(),
        FieldValue::Double(value) if value.is_finite() && value.abs() >= 0.001 && value.abs() < 1e15 => {
            let text = format!("{value:.3}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        other => value_text(other),
    }
}

/// One object a line.
pub fn stats_json(groups: &[Record], windows: bool) -> Result<(), String> {
    out::print(&groups.iter().map(|group| format!("{}\n", group_json(group, windows))).collect::<String>())
}

pub fn group_json(group: &Record, windows: bool) -> Value {
    let names = stats_heading(std::slice::from_ref(group), windows);
    let window = windows.then(|| json!(out::time(group.time)));
    let fields = group.fields.iter().map(|(_, value)| value_json(value));
    Value::Object(names.into_iter().zip(window.into_iter().chain(fields)).collect())
}

/// A turn of a standing query, with its value under the name of the aggregate.
pub fn turn_json(standing: &Standing, turn: &Turn) -> Value {
    let about = [("time", json!(out::time(turn.time))), ("holds", json!(turn.holds))];
    let values = standing.by().zip(&turn.by).chain([(standing.aggregate(), &turn.value)]);
    let values = values.map(|(name, value)| (name, value_json(value)));
    Value::Object(about.into_iter().chain(values).map(|(name, value)| (name.to_owned(), value)).collect())
}

pub fn stats_csv(groups: &[Record], windows: bool) -> Result<(), String> {
    let mut all = csv_line(stats_heading(groups, windows).into_iter());
    for group in groups {
        let window = windows.then(|| out::time(group.time));
        let fields = group.fields.iter().map(|(_, value)| match value {
            FieldValue::Null => String::new(),
            value => value_text(value),
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
    fn columns_have_names_of_their_own() {
        let fields = ["node", "field_node", "a", "seq"];
        assert_eq!(column_names(&fields, &META), ["field_field_node", "field_node", "a", "field_seq"]);
        assert_eq!(column_names(&["window", "a"], &["window"]), ["field_window", "a"]);
        assert_eq!(column_names(&["time"], &[]), ["time"]);
    }

    #[test]
    fn cells() {
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
