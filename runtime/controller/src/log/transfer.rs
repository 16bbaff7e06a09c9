//! `dsctl log export` and `dsctl log import`: log records as files, one after the other, so that any number of them passes
//! through little memory. A line of an exported file is what `dsctl log query --json` prints.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use dscript_logpool::limits::APPEND_BYTES_MAX;
use dscript_logpool::{Moved, Mover, Query, Record, RunId, Writer, record_from_json, record_json};
use dscript_protocol::folder::{data_folder, existing_data_folder};
use serde_json::{Value, json};

use super::at::At;
#[cfg(feature = "parquet")]
use super::parquet;
use super::query::{Elsewhere, Filter, Projection, Span};
use super::source::{Failed, Source};
use super::{filter, show};
use crate::client::Target;
use crate::{ends, out};

/// Records that are made durable together.
const BATCH: usize = 1000;
const LINE_BYTES_MAX: u64 = 16 << 20;
/// What is written at a time, about.
const PIECE_BYTES: usize = 64 << 10;

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
    dsctl log export --data ./old | dsctl log import - --data ./new\n  \
    dsctl log export --at http://127.0.0.1:7780 --since 2026-01-31 -o january.csv --json\n  \
    dsctl log export --data ./damaged --skip-damaged -o rest.jsonl"
)]
pub struct ExportArgs {
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    projection: Projection,
    #[command(flatten)]
    elsewhere: Elsewhere,
    #[command(flatten)]
    span: Span,
    /// How they are written; else as the end of the file's name says, and JSON lines on standard output
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// The file to write; else, or with `-`, standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Say as JSON on standard output what was written to the file: how many records, and what is damaged and left out
    #[arg(long)]
    json: bool,
    /// Write what can be read without what is damaged, and say what that is; the exit status is 1 then
    #[arg(long)]
    skip_damaged: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
#[command(
    after_help = "A line needs `time` (2026-01-31T08:00:00Z, or nanoseconds since 1970), `pool` and `key`; `fields`, `node`, \
    `task`, and `run` with `seq` may follow. A record with `run` and `seq` is stored once, however often it is imported.\n\n\
    Examples:\n  dsctl log import all.jsonl\n  dsctl log import all.jsonl --data ./new --json\n  zcat old.jsonl.gz | dsctl log import -"
)]
pub struct ImportArgs {
    /// The file to read; - for standard input
    file: PathBuf,
    /// Say as JSON on standard output how many records are stored
    #[arg(long)]
    json: bool,
    /// The data folder; else $DSCRIPT_DATA, else the user's data folder
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// What is left to do where an import did not come to its end.
const AGAIN: &str = "import the file again: what has `run` and `seq` is stored once";

pub fn export(args: ExportArgs) -> Result<i32, String> {
    let output = args.output.as_deref().filter(|path| !dscript_files::is_stdout(path));
    if args.json && output.is_none() {
        return Err("--json says on standard output what was written, so the records need a file: say --output FILE, or \
                    --format jsonl for the records as JSON lines"
            .into());
    }
    let format = args.format.map_or_else(|| Format::of(output), Ok)?;
    #[cfg(feature = "parquet")]
    if format == Format::Parquet && output.is_none() && io::IsTerminal::is_terminal(&io::stdout()) {
        return Err("Parquet is nothing to read on a terminal: say --output FILE".into());
    }
    let mut asked = args.filter.asked(Some(&args.span))?;
    asked.skip_damaged = args.skip_damaged;
    asked.fields = args.projection.names();
    let query = filter::query(&asked)?;
    let at = match args.elsewhere.open(&asked, &args.target)? {
        None if args.target.controller.is_none() => {
            Some(At::Folder(existing_data_folder(args.target.data.as_deref())?))
        }
        at => at,
    };
    let mut folder = None;
    let mut source = match at {
        None => Source::controller(&args.target, asked.clone()),
        Some(At::Server(server)) => Source::server(server),
        Some(At::Folder(path)) => Source::folder(filter::reader(folder.insert(path), asked.skip_damaged)),
    };
    let written = match output {
        Some(path) => dscript_files::write_whole(path, 0o666, |file| {
            let count = format.write(&mut source, &query, &mut *file)?;
            // A disk that is full may be found out only now; a pipe cannot be synced.
            file.metadata()?.is_file().then(|| file.sync_all()).transpose()?;
            Ok(count)
        }),
        None => format.write(&mut source, &query, io::stdout()),
    };
    let name = output.map_or("standard output".into(), |path| path.display().to_string());
    let count = match written {
        // Who reads has enough.
        Err(Failed::Write(why)) if why.kind() == ErrorKind::BrokenPipe => return Ok(0),
        Err(Failed::Write(why)) => return Err(format!("cannot write to {name}: {why}")),
        Err(Failed::Read(why)) => return Err(why.into()),
        Err(Failed::Other(why)) => return Err(why),
        Ok(count) => count,
    };
    if let (0, Some(folder)) = (count, &folder) {
        filter::why_nothing(folder, &asked)?.iter().for_each(|doubt| eprintln!("dsctl: {doubt}"));
    }
    let skipped = source.skipped();
    if args.json {
        out::print_json(&json!({
            "file": name,
            "format": format.to_possible_value().map(|value| value.get_name().to_owned()),
            "records": count,
            "skipped": show::skipped_json(&skipped),
        }))?;
    } else if output.is_some() {
        eprintln!(
            "dsctl: {}",
            match count {
                1 => format!("1 log record is in {name}"),
                count => format!("{count} log records are in {name}"),
            }
        );
    }
    Ok(show::skipped(&skipped))
}

impl Format {
    /// How many records went out.
    fn write(self, source: &mut Source, query: &Query, out: impl Write + Send) -> Result<u64, Failed> {
        match self {
            Format::Jsonl => lines(source, query, out, None),
            Format::Csv => {
                let columns = source.fields(query)?.into_iter().map(|field| field.name).collect();
                lines(source, query, out, Some(columns))
            }
            #[cfg(feature = "parquet")]
            Format::Parquet => {
                let fields = source.fields(query)?;
                parquet::write(source, query, &fields, out)
            }
        }
    }
}

/// As CSV if there are columns; whole lines at a time. How many records went out.
fn lines(
    source: &mut Source,
    query: &Query,
    mut out: impl Write,
    columns: Option<Vec<String>>,
) -> Result<u64, Failed> {
    let mut piece = columns.as_ref().map(|columns| show::csv_heading(columns)).unwrap_or_default();
    let (mut count, mut written) = (0u64, Ok(()));
    let read = source.each(query, |record| {
        match &columns {
            Some(columns) => piece.push_str(&show::csv_row(&record, columns)),
            None => piece.extend([&record_json(&record).to_string()[..], "\n"]),
        }
        count += 1;
        if piece.len() >= PIECE_BYTES {
            written = out.write_all(piece.as_bytes());
            piece.clear();
        }
        written.is_ok()
    });
    written?;
    out.write_all(piece.as_bytes())?;
    out.flush()?;
    read?;
    Ok(count)
}

pub fn import(args: ImportArgs) -> Result<i32, String> {
    let stdin = args.file == Path::new("-");
    let name = if stdin { "standard input".to_owned() } else { args.file.display().to_string() };
    let cannot = |why: io::Error| format!("cannot read {name}: {why}");
    let mut input: Box<dyn BufRead> = match stdin {
        true => Box::new(io::stdin().lock()),
        false => Box::new(BufReader::new(File::open(&args.file).map_err(cannot)?)),
    };
    let folder = data_folder(args.data.as_deref())?;
    let writer = Writer::open(&folder).map_err(|why| why.to_string())?;
    let mut moving = Moving { folder, mover: None, failed: false };
    let run = RunId::new_random().map_err(|why| format!("the kernel gives no random numbers: {why}"))?;
    let (mut number, mut stored) = (0u64, 0u64);
    let (mut batch, mut bytes) = (Vec::new(), 0);
    let (mut code, mut skipped) = (0, Vec::new());
    loop {
        let mut line = Vec::new();
        let read = (&mut input).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).map_err(cannot)?;
        number += u64::from(read > 0);
        let mut fits = Ok(None);
        let line = String::from_utf8(line).unwrap_or_else(|_| {
            fits = Err("it is not UTF-8".to_owned());
            String::new()
        });
        // Some programs mark a text as UTF-8 at its beginning.
        let line = if number == 1 { line.trim_start_matches('\u{feff}') } else { &line[..] };
        if read as u64 == LINE_BYTES_MAX {
            fits = Err(format!("the line is too long: the limit is {LINE_BYTES_MAX} bytes"));
        } else if let Some(some) = left_out(line) {
            eprintln!("dsctl: {name}, line {number}: this was exported without what was damaged: {some}");
            match some {
                Value::Array(all) => skipped.extend(all),
                one => skipped.push(one),
            }
            code = 1;
        } else if !line.trim().is_empty() {
            let sized = |record: Record| match record.encoded_bytes() {
                Ok(size) => Ok((record, size)),
                Err(why) => Err(why.to_string()),
            };
            fits = record_from_json(line, run, number).and_then(sized).map(Some);
        }
        let full = match &fits {
            Ok(Some((_, size))) => batch.len() == BATCH || bytes + size > APPEND_BYTES_MAX,
            Ok(None) => read == 0,
            Err(_) => true,
        };
        if full {
            let count = batch.len() as u64;
            let mut words = ends::words();
            writer
                .append(std::mem::take(&mut batch))
                .map_err(|why| format!("{name}, up to line {number}: {why}; {}", before(stored)))?;
            stored += count;
            bytes = 0;
            *words = format!("interrupted; of {name} {}; {AGAIN}", are_stored(stored));
            drop(words);
            moving.step();
        }
        match fits {
            Ok(Some((record, size))) => {
                batch.push(record);
                bytes += size;
            }
            Ok(None) => {}
            Err(why) => {
                let hint = hint(&args.file).filter(|_| number == 1).unwrap_or_default();
                return Err(format!(
                    "{name}, line {number}: {why}{hint}; {}; once it is put right, {AGAIN}",
                    before(stored)
                ));
            }
        }
        if read == 0 {
            ends::words().clear();
            if args.json {
                out::print_json(&json!({ "file": name, "stored": stored, "skipped": skipped }))?;
            } else {
                let are = if stored == 1 { "record is" } else { "records are" };
                eprintln!("dsctl: {stored} log {are} in the LogPool; what was there before is there once");
            }
            return Ok(code);
        }
    }
}

fn are_stored(count: u64) -> String {
    if count == 1 { "1 record is stored".to_owned() } else { format!("{count} records are stored") }
}

fn before(count: u64) -> String {
    format!("of the lines before {}", are_stored(count))
}

/// What a file is rather than JSON lines, by its name.
fn hint(file: &Path) -> Option<String> {
    let shown = file.display();
    match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "csv" | "parquet" => Some(" (only JSON lines are imported: export the records as .jsonl)".into()),
        "gz" => Some(format!(" (unpack it: zcat {shown} | dsctl log import -)")),
        "zst" => Some(format!(" (unpack it: zstdcat {shown} | dsctl log import -)")),
        "xz" => Some(format!(" (unpack it: xzcat {shown} | dsctl log import -)")),
        _ => None,
    }
}

/// Moves what was imported into segments, where nobody else does: log files are read whole for every question.
struct Moving {
    folder: PathBuf,
    mover: Option<Mover>,
    failed: bool,
}

impl Moving {
    fn step(&mut self) {
        let mut step = || {
            if self.mover.is_none() {
                self.mover = Mover::try_acquire(&self.folder)?;
            }
            self.mover.as_mut().map_or(Ok(Moved::default()), Mover::move_if_worth)
        };
        if !self.failed
            && let Err(why) = step()
        {
            // The records are stored, and moved once that is better.
            eprintln!("dsctl: note: {why}; what is imported waits in log files");
            self.failed = true;
        }
    }
}

/// What a line says that an export over HTTP was made without.
fn left_out(line: &str) -> Option<Value> {
    let mut json: Value = line.starts_with("{\"skipped\"").then(|| serde_json::from_str(line).ok())??;
    Some(json["skipped"].take())
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
