//! `dsctl log export` and `dsctl log import`: log records as files, one after the other, so that any number of them passes
//! through little memory. A line of an exported file is what `dsctl log query --json` prints.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use dscript_logpool::{FieldInfo, Query, Reader, Record, RunId, Writer, record_from_json, record_json};
use dscript_protocol::folder::{data_folder, existing_data_folder};

#[cfg(feature = "parquet")]
use super::parquet;
use super::query::{Filter, Span};
use super::{filter, show};

/// Records that are made durable together.
const BATCH: usize = 1000;
const LINE_BYTES_MAX: u64 = 16 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One JSON object a line, which `dsctl log import` reads
    Jsonl,
    /// Comma-separated values, a column for each field
    Csv,
    /// Apache Parquet, for DuckDB, pandas, Spark: a typed column for each field
    #[cfg(feature = "parquet")]
    Parquet,
}

impl Format {
    /// What the end of a file's name says; JSON lines for standard output.
    fn of(output: Option<&Path>) -> Result<Format, String> {
        let Some(path) = output else { return Ok(Format::Jsonl) };
        let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default().to_ascii_lowercase();
        match &end[..] {
            "jsonl" | "ndjson" | "json" => Ok(Format::Jsonl),
            "csv" => Ok(Format::Csv),
            #[cfg(feature = "parquet")]
            "parquet" => Ok(Format::Parquet),
            #[cfg(not(feature = "parquet"))]
            "parquet" => Err("this program was built without Parquet".into()),
            _ => Err(format!(
                "the name of {} does not say how the records are written: end it with .jsonl, .csv or .parquet, \
                 or give --format",
                path.display()
            )),
        }
    }
}

#[derive(Args)]
#[command(
    after_help = "The records come in the order in which they lie there, which is about that of their arrival.\n\n\
    Examples:\n  \
    dsctl log export > all.jsonl\n  \
    dsctl log export vmstat --since 1d -o samples.csv\n  \
    dsctl log export vmstat --pool metrics -o samples.parquet\n  \
    dsctl log export vmstat --format csv | head\n  \
    dsctl log export --data ./old | dsctl log import - --data ./new"
)]
pub struct ExportArgs {
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    span: Span,
    /// How they are written; else as the end of the file's name says, and JSON lines on standard output
    #[arg(long, value_enum)]
    format: Option<Format>,
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
    let format = args.format.map_or_else(|| Format::of(args.output.as_deref()), Ok)?;
    let query = filter::query(&args.filter.asked(Some(&args.span))?)?;
    let reader = Reader::open(&existing_data_folder(args.data.as_deref())?);
    let name = args.output.as_ref().map_or("standard output".into(), |path| path.display().to_string());
    let cannot = |why: io::Error| format!("cannot write to {name}: {why}");
    let open = || -> io::Result<Box<dyn Write + Send>> {
        Ok(match &args.output {
            Some(path) => Box::new(File::create(path)?),
            None => Box::new(io::stdout()),
        })
    };
    let written = match format {
        Format::Jsonl => lines(&reader, &query, BufWriter::new(open().map_err(cannot)?), None)?,
        Format::Csv => {
            let columns = fields(&reader, &query)?.into_iter().map(|field| field.name).collect();
            lines(&reader, &query, BufWriter::new(open().map_err(cannot)?), Some(columns))?
        }
        #[cfg(feature = "parquet")]
        Format::Parquet => {
            if args.output.is_none() && std::io::IsTerminal::is_terminal(&io::stdout()) {
                return Err("Parquet is nothing to read on a terminal: say --output FILE".into());
            }
            parquet::write(&reader, &query, &fields(&reader, &query)?, open().map_err(cannot)?)?
        }
    };
    match written {
        // Who reads has enough.
        Err(why) if why.kind() == ErrorKind::BrokenPipe => return Ok(0),
        Err(why) => return Err(cannot(why)),
        Ok(count) if args.output.is_some() => eprintln!("dsctl: {count} log records are in {name}"),
        Ok(_) => {}
    }
    Ok(0)
}

fn fields(reader: &Reader, query: &Query) -> Result<Vec<FieldInfo>, String> {
    reader.fields(query).map_err(|why| why.to_string())
}

/// How many records went out, or why no more of them could be written; as CSV if there are columns.
fn lines(
    reader: &Reader,
    query: &Query,
    mut out: impl Write,
    columns: Option<Vec<String>>,
) -> Result<io::Result<u64>, String> {
    let mut failed = match &columns {
        Some(columns) => out.write_all(show::csv_heading(columns).as_bytes()).err(),
        None => None,
    };
    let mut count = 0u64;
    let write = |record: Record| {
        let line = match &columns {
            Some(columns) => show::csv_row(&record, columns),
            None => format!("{}\n", record_json(&record)),
        };
        count += 1;
        failed = failed.take().or_else(|| out.write_all(line.as_bytes()).err());
        failed.is_none()
    };
    reader.each(query, write).map_err(|why| why.to_string())?;
    Ok(failed.map_or_else(|| out.flush(), Err).map(|()| count))
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
            match record_from_json(&line, run, number) {
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
            let are = if stored == 1 { "record is" } else { "records are" };
            eprintln!("dsctl: {stored} log {are} in the LogPool; what was there before is there once");
            return Ok(0);
        }
    }
}

fn store(writer: &Writer, batch: &mut Vec<Record>) -> Result<u64, String> {
    let count = batch.len() as u64;
    writer.append(std::mem::take(batch)).map_err(|why| why.to_string())?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_name_says_the_format() {
        let of = |name: &str| Format::of(Some(Path::new(name)));
        assert_eq!(Format::of(None), Ok(Format::Jsonl));
        assert_eq!(of("a.jsonl"), Ok(Format::Jsonl));
        assert_eq!(of("a.b/x.CSV"), Ok(Format::Csv));
        #[cfg(feature = "parquet")]
        assert_eq!(of("x.parquet"), Ok(Format::Parquet));
        for unclear in ["x", "x.txt", "x.jsonl.gz", "a.csv/x"] {
            assert!(of(unclear).is_err(), "{unclear}");
        }
    }
}
