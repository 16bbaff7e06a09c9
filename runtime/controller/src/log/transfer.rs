//! `dsctl log export` and `dsctl log import`: log records as files of text, one after the other, so that any number of
//! them passes through little memory.
//!
//! A line of an exported file is what `dsctl log query --json` prints, and where JSON cannot tell what a field is,
//! `types` says it: `{"fields": {"took": "1m30s"}, "types": {"took": "duration"}}`. So an imported record is the one that was
//! exported, but for durations, times and bytes within lists and maps, which stay texts.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use dscript_logpool::{FieldValue, Reader, Record, RunId, Writer};
use dscript_protocol::folder::{data_folder, existing_data_folder};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::query::{Filter, Span};
use super::{filter, show};

/// Records that are made durable together.
const BATCH: usize = 1000;
const LINE_BYTES_MAX: u64 = 16 << 20;

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// One JSON object a line, which `dsctl log import` reads
    Jsonl,
    /// Comma-separated values, a column for each field
    Csv,
}

#[derive(Args)]
#[command(
    after_help = "The records come in the order in which they lie there, which is about that of their arrival.\n\n\
    Examples:\n  \
    dsctl log export > all.jsonl\n  \
    dsctl log export vmstat --since 1d --format csv -o samples.csv\n  \
    dsctl log export --data ./old | dsctl log import - --data ./new"
)]
pub struct ExportArgs {
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    span: Span,
    /// How they are written
    #[arg(long, value_enum, default_value = "jsonl")]
    format: Format,
    /// The file to write; else standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The data folder; else $DSCRIPT_DATA, else the user's data folder
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Args)]
#[command(
    after_help = "A line needs `time` (2026-01-31T08:00:00Z, or nanoseconds since 1970), `pool` and `key`; `fields`, `node`, \
    `task`, and `run` with `seq` may follow. A record with `run` and `seq` is stored once, however often it is imported.\n\n\
    Examples:\n  dsctl log import all.jsonl\n  zcat old.jsonl.gz | dsctl log import -"
)]
pub struct ImportArgs {
    /// The file to read; - for standard input
    file: PathBuf,
    /// The data folder; else $DSCRIPT_DATA, else the user's data folder
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

pub fn export(args: ExportArgs) -> Result<i32, String> {
    let query = filter::query(&args.filter.asked(Some(&args.span))?)?;
    let reader = Reader::open(&existing_data_folder(args.data.as_deref())?);
    let name = args.output.as_ref().map_or("standard output".into(), |path| path.display().to_string());
    let cannot = |why: io::Error| format!("cannot write to {name}: {why}");
    let mut out: Box<dyn Write> = match &args.output {
        Some(path) => Box::new(BufWriter::new(File::create(path).map_err(cannot)?)),
        None => Box::new(BufWriter::new(io::stdout().lock())),
    };
    let columns = match args.format {
        Format::Csv => reader.field_names(&query).map_err(|why| why.to_string())?,
        Format::Jsonl => Vec::new(),
    };
    let mut failed = match args.format {
        Format::Csv => out.write_all(show::csv_heading(&columns).as_bytes()).err(),
        Format::Jsonl => None,
    };
    let mut count = 0u64;
    let write = |record: Record| {
        let line = match args.format {
            Format::Csv => show::csv_row(&record, &columns),
            Format::Jsonl => format!("{}\n", to_json(&record)),
        };
        count += 1;
        failed = failed.take().or_else(|| out.write_all(line.as_bytes()).err());
        failed.is_none()
    };
    reader.each(&query, write).map_err(|why| why.to_string())?;
    match failed.map_or_else(|| out.flush(), Err) {
        // Who reads has enough.
        Err(why) if why.kind() == ErrorKind::BrokenPipe => return Ok(0),
        done => done.map_err(cannot)?,
    }
    if args.output.is_some() {
        eprintln!("dsctl: {count} log records are in {name}");
    }
    Ok(0)
}

pub fn import(args: ImportArgs) -> Result<i32, String> {
    let name = args.file.display().to_string();
    let cannot = |why: io::Error| format!("cannot read {name}: {why}");
    let mut input: Box<dyn BufRead> = match args.file.to_str() {
        Some("-") => Box::new(io::stdin().lock()),
        _ => Box::new(BufReader::new(File::open(&args.file).map_err(cannot)?)),
    };
    let writer = Writer::open(&data_folder(args.data.as_deref())?).map_err(|why| why.to_string())?;
    let run = RunId::new_random().map_err(|why| format!("the kernel gives no random numbers: {why}"))?;
    let (mut number, mut stored) = (0u64, 0u64);
    let mut batch = Vec::new();
    loop {
        let mut line = String::new();
        let read = (&mut input).take(LINE_BYTES_MAX).read_line(&mut line).map_err(cannot)?;
        number += u64::from(read > 0);
        let wrong = |why: String, stored: u64| {
            let again =
                "once it is put right, import the file again: what has `run` and `seq` is stored once";
            format!("{name}, line {number}: {why}; {stored} records of the lines before are stored; {again}")
        };
        if read as u64 == LINE_BYTES_MAX {
            return Err(wrong("the line is too long".into(), stored));
        }
        if !line.trim().is_empty() {
            match from_json(&line, run, number) {
                Ok(record) => batch.push(record),
                Err(why) => {
                    stored += store(&writer, &mut batch)?;
                    return Err(wrong(why, stored));
                }
            }
        }
        if batch.len() == BATCH || read == 0 {
            stored += store(&writer, &mut batch)?;
        }
        if read == 0 {
            eprintln!("dsctl: {stored} log records are stored");
            return Ok(0);
        }
    }
}

fn store(writer: &Writer, batch: &mut Vec<Record>) -> Result<u64, String> {
    let count = batch.len() as u64;
    writer.append(std::mem::take(batch)).map_err(|why| why.to_string())?;
    Ok(count)
}

fn to_json(record: &Record) -> Value {
    let mut json = show::record_json(record);
    let types: Map<String, Value> = record
        .fields
        .iter()
        .filter_map(|(name, value)| type_of(value).map(|kind| (name.clone(), Value::from(kind))))
        .collect();
    if !types.is_empty() {
        json["types"] = Value::Object(types);
    }
    json
}

/// What JSON does not say of a value.
fn type_of(value: &FieldValue) -> Option<&'static str> {
    match value {
        FieldValue::Duration(_) => Some("duration"),
        FieldValue::Time(_) => Some("time"),
        FieldValue::Bytes(_) => Some("bytes"),
        FieldValue::Double(value) if !value.is_finite() => Some("double"),
        _ => None,
    }
}

fn from_json(line: &str, run: RunId, number: u64) -> Result<Record, String> {
    let json: Value = serde_json::from_str(line).map_err(|why| format!("this is no JSON ({why})"))?;
    let text = |name: &str| match &json[name] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        other => Err(format!("`{name}` is {other}, not a text")),
    };
    let needed = |name: &str| text(name)?.ok_or_else(|| format!("`{name}` is missing"));
    let time = match &json["time"] {
        Value::Null => return Err("`time` is missing".into()),
        Value::String(text) => time(text)?,
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
                let kind = json["types"][name].as_str();
                fields.push((
                    name.clone(),
                    value_of(value, kind).map_err(|why| format!("field `{name}`: {why}"))?,
                ));
            }
        }
        other => return Err(format!("`fields` is {other}, not an object")),
    }
    Ok(Record {
        pool: needed("pool")?,
        key: needed("key")?,
        node: text("node")?.unwrap_or_default(),
        task: text("task")?.unwrap_or_default(),
        run,
        seq,
        time,
        fields,
    })
}

fn value_of(json: &Value, kind: Option<&str>) -> Result<FieldValue, String> {
    if let (Some(kind), Value::String(text)) = (kind, json) {
        let wrong = || format!("`{text}` is no {kind}");
        return match kind {
            "duration" => show::parse_duration(text).map(FieldValue::Duration).ok_or_else(wrong),
            "time" => time(text).map(FieldValue::Time),
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
    Ok(match json {
        Value::Null => FieldValue::Null,
        Value::Bool(value) => FieldValue::Bool(*value),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(int), _) => FieldValue::Int(int),
            (None, Some(double)) if !number.is_u64() => FieldValue::Double(double),
            _ => return Err(format!("{number} is too large")),
        },
        Value::String(text) => FieldValue::String(text.clone()),
        Value::Array(items) => {
            FieldValue::List(items.iter().map(|item| value_of(item, None)).collect::<Result<_, _>>()?)
        }
        Value::Object(map) => {
            let entry = |(name, item): (&String, &Value)| Ok((name.clone(), value_of(item, None)?));
            FieldValue::Map(map.iter().map(entry).collect::<Result<_, String>>()?)
        }
    })
}

fn time(text: &str) -> Result<i64, String> {
    let nanos = text.parse::<Timestamp>().ok().and_then(|time| i64::try_from(time.as_nanosecond()).ok());
    nanos.ok_or_else(|| format!("`{text}` is no time, such as 2026-01-31T08:00:00Z"))
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
            fields: vec![
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
            ],
        };
        assert_eq!(from_json(&to_json(&record).to_string(), RunId(1), 1), Ok(record));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said() {
        let check = |line: &str, expected: &str| {
            let why = from_json(line, RunId(1), 1).expect_err(line);
            assert!(why.contains(expected), "{line}: {why}");
        };
        check("{", "no JSON");
        check(r#"{"pool": "p", "key": "k"}"#, "`time` is missing");
        check(r#"{"time": "now", "pool": "p", "key": "k"}"#, "`now` is no time");
        check(r#"{"time": 1, "key": "k"}"#, "`pool` is missing");
        check(r#"{"time": 1, "pool": 2, "key": "k"}"#, "`pool` is 2, not a text");
        check(r#"{"time": 1, "pool": "p", "key": "k", "seq": 1}"#, "`run` is not");
        check(r#"{"time": 1, "pool": "p", "key": "k", "fields": {"x": 18446744073709551615}}"#, "field `x`");
        check(
            r#"{"time": 1, "pool": "p", "key": "k", "fields": {"x": "y"}, "types": {"x": "duration"}}"#,
            "`y` is no duration",
        );
        let least = from_json(r#"{"time": 1, "pool": "p", "key": "k"}"#, RunId(1), 9).unwrap();
        assert_eq!((least.run, least.seq, least.fields.len()), (RunId(1), 9, 0));
    }
}
