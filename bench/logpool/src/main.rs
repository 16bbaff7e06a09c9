//! How fast the LogPool takes in, finds and drops, beside SQLite and DuckDB in the same run: `tools/bench logpool`.
//!
//! Every part runs in a process of its own, so that its memory is its own. CPU time is user and system of the whole
//! process, all threads; making the samples is not counted for anyone. Nothing here fails because of a time.

mod door;
mod ending;
mod measure;
mod pool;
mod senders;
mod sqlite;
mod work;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::Parser;
use serde_json::{Value, json};

/// With the same options as in dsctl (`runtime/controller/src/main.rs`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
const PURGE_DELAY_MS: std::ffi::c_long = 3_000;

#[derive(Parser)]
#[command(
    about = "Measures the LogPool beside SQLite and DuckDB",
    after_help = "Examples:\n  \
    tools/bench logpool\n  tools/bench logpool --records 10000000 --json figures.json"
)]
struct Args {
    /// How many samples; a multiple of 10,000
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    records: u64,
    /// How many batches are under way at a time, each of another sender
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    senders: u16,
    /// Where the databases are made and deleted again; the disk that is measured
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Also write all figures there
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// A Python that has duckdb; without one DuckDB is left out
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Leave SQLite and DuckDB out
    #[arg(long)]
    alone: bool,
    /// A dsctl whose memcached door is measured beside memcached, where that and memcaslap are installed
    #[arg(long, value_name = "PATH")]
    dsctl: Option<PathBuf>,
    /// Measure nothing but the door
    #[arg(long, requires = "dsctl")]
    door: bool,
    #[arg(long, hide = true)]
    part: Option<String>,
}

type Part = fn(&Path, &Args) -> Value;

/// In this order, and what has the same folder finds what those before it left there.
const POOL: [(&str, &str, Part); 6] = [
    ("ingest", "pool", |dir, args| pool::ingest(dir, args.records, args.senders.into())),
    ("series", "pool", |dir, args| pool::series(dir, args.records)),
    ("aggregate", "pool", |dir, _| pool::aggregate(dir)),
    ("drop_day", "pool", |dir, _| pool::drop_day(dir)),
    ("ingest_one_sender", "pool-one", |dir, args| pool::ingest(dir, args.records, 1)),
    ("puts", "puts", |dir, _| pool::puts(dir)),
];
const SQLITE: [(&str, &str, Part); 6] = [
    ("ingest", "sqlite", |dir, args| sqlite::ingest(dir, args.records, args.senders.into())),
    ("series", "sqlite", |dir, args| sqlite::series(dir, args.records)),
    ("aggregate", "sqlite", |dir, _| sqlite::aggregate(dir)),
    ("drop_day", "sqlite", |dir, _| sqlite::drop_day(dir)),
    ("ingest_one_sender", "sqlite-one", |dir, args| sqlite::ingest(dir, args.records, 1)),
    ("ingest_indexed", "sqlite-indexed", |dir, args| {
        sqlite::ingest_indexed(dir, args.records, args.senders.into())
    }),
];

fn main() {
    let _ = nix::sys::prctl::set_thp_disable(true);
    // SAFETY: an option of the allocator may be set at any time.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, PURGE_DELAY_MS) };
    let args = Args::parse();
    if args.records == 0 || !args.records.is_multiple_of(10 * work::BATCH) {
        eprintln!("--records must be a multiple of {}", 10 * work::BATCH);
        std::process::exit(2);
    }
    match &args.part {
        Some(part) => run_part(part, &args),
        None => run_all(&args),
    }
}

fn run_part(part: &str, args: &Args) {
    let (who, name) = part.split_once('.').unwrap_or((part, ""));
    let parts = if who == "sqlite" { SQLITE } else { POOL };
    let mut result = parts.iter().find(|(known, ..)| *known == name).expect("a part").2(&args.dir, args);
    result["peak_rss_mib"] = json!(measure::peak_rss() as f64 / f64::from(1 << 20));
    println!("{result}");
}

fn run_all(args: &Args) {
    let work = tempfile::Builder::new().prefix("bench-logpool").tempdir_in(&args.dir).expect("a folder");
    ending::delete_on_signals(work.path().to_owned());
    let folder = |name: &str| {
        let path = work.path().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        path
    };
    let run = |part: &str, dir: &Path| {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.args(["--part", part, "--records", &args.records.to_string()]);
        command.args(["--senders", &args.senders.to_string(), "--dir"]).arg(dir);
        answer(command, part)
    };
    if args.door {
        let figures = args.dsctl.as_ref().and_then(|dsctl| door::door(&folder("door"), dsctl));
        return print(&json!({ "door": figures }), args);
    }
    let mut figures = json!({ "records": args.records });
    for (name, place, _) in POOL {
        figures["logpool"][name] = run(&format!("pool.{name}"), &folder(place));
    }
    if !args.alone {
        for (name, place, _) in SQLITE {
            figures["sqlite"][name] = run(&format!("sqlite.{name}"), &folder(place));
        }
        figures["sqlite"]["version"] = json!(rusqlite::version());
        if let Some(python) = &args.python {
            let csv = work.path().join("samples.csv");
            write_csv(&csv, args.records);
            let script = work.path().join("duckdb_peer.py");
            std::fs::write(&script, include_str!("duckdb.py")).expect("a script");
            let mut command = Command::new(python);
            command.arg(script).arg(csv).arg(folder("duckdb"));
            figures["duckdb"]["aggregate"] = answer(command, "duckdb");
        }
        compare(&mut figures);
    }
    if let Some(dsctl) = &args.dsctl {
        figures["door"] = json!(door::door(&folder("door"), dsctl));
    }
    print(&figures, args);
}

fn print(figures: &Value, args: &Args) {
    println!("{figures:#}");
    if let Some(path) = &args.json {
        std::fs::write(path, format!("{figures:#}\n")).expect("the file of figures");
    }
}

fn answer(mut command: Command, part: &str) -> Value {
    eprintln!("{part} ...");
    let done = command.stderr(Stdio::inherit()).output().expect("a process");
    ending::wait_if_ending();
    assert!(done.status.success(), "{part} failed: {}", done.status);
    serde_json::from_slice(&done.stdout).expect("figures")
}

/// The peers' figures by ours, so that more is better for us; answers must agree.
fn compare(figures: &mut Value) {
    let at = |path: &str| figures.pointer(path).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let ratio = |a: &str, b: &str| json!(at(a) / at(b));
    let mut ratios = json!({
        "ingest_cpu_to_sqlite": ratio("/logpool/ingest/per_cpu_s", "/sqlite/ingest/per_cpu_s"),
        "ingest_wall_to_sqlite": ratio("/logpool/ingest/per_wall_s", "/sqlite/ingest/per_wall_s"),
        "ingest_cpu_to_sqlite_indexed": ratio("/logpool/ingest/per_cpu_s", "/sqlite/ingest_indexed/per_cpu_s"),
        "ingest_wall_to_sqlite_indexed": ratio("/logpool/ingest/per_wall_s", "/sqlite/ingest_indexed/per_wall_s"),
        "one_sender_cpu_to_sqlite": ratio("/logpool/ingest_one_sender/per_cpu_s", "/sqlite/ingest_one_sender/per_cpu_s"),
        "one_sender_wall_to_sqlite":
            ratio("/logpool/ingest_one_sender/per_wall_s", "/sqlite/ingest_one_sender/per_wall_s"),
        "aggregate_cpu_of_sqlite_to_ours": ratio("/sqlite/aggregate/cpu_ms", "/logpool/aggregate/cpu_ms"),
        "series_wall_of_sqlite_to_ours": ratio("/sqlite/series/wall_ms", "/logpool/series/wall_ms"),
    });
    let same = |who: &str| {
        let of = |who: &str, what: &str| at(&format!("/{who}/aggregate/answer/{what}"));
        for what in ["groups", "avg", "p99"] {
            let (ours, theirs) = (of("logpool", what), of(who, what));
            assert!((ours - theirs).abs() <= ours.abs() * 1e-9, "{what}: {ours}, {who} says {theirs}");
        }
    };
    same("sqlite");
    if figures.get("duckdb").is_some() {
        same("duckdb");
        ratios["aggregate_cpu_to_duckdb"] = ratio("/logpool/aggregate/cpu_ms", "/duckdb/aggregate/cpu_ms");
    }
    figures["ratios"] = ratios;
}

fn write_csv(path: &Path, records: u64) {
    let mut out = std::io::BufWriter::new(std::fs::File::create(path).expect("a file"));
    writeln!(out, "time,node,{}", work::FIELDS.join(",")).expect("a line");
    let mut all = work::Work::new(records);
    for _ in 0..records / work::BATCH {
        all.batch(|_, node, _, time, sample| {
            let sample = sample.map(|value| value.to_string()).join(",");
            writeln!(out, "{time},{node},{sample}").expect("a line");
        });
    }
    out.flush().expect("a file");
}

fn rate(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// Of all files in the folder.
fn bytes_below(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => bytes_below(&entry.path()),
            Ok(data) => data.len(),
            Err(_) => 0,
        })
        .sum()
}
