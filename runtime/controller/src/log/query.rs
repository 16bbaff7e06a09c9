//! `dsctl log query` and `dsctl log tail`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use dscript_logpool::Record;
use dscript_protocol::folder::{data_folder, existing_data_folder};
use dscript_protocol::message::{FromOperator, LogQuery, LogStats, ToOperator};
use dscript_protocol::units;

use super::at::{self, At};
use super::filter::{self, Failed, Found};
use super::{html, now, plot, show};
use crate::client::{Client, Target};

pub const TAIL_EVERY: Duration = Duration::from_millis(250);

/// Which records; the same for `query`, `tail` and `export`.
#[derive(Args, Default)]
pub struct Filter {
    /// The key of the records, with * for any text
    key: Option<String>,
    /// The pool, with * for any text
    #[arg(long, value_name = "POOL")]
    pool: Option<String>,
    /// The node, with * for any text
    #[arg(long, value_name = "NODE")]
    node: Option<String>,
    /// The task, with * for any text
    #[arg(long, value_name = "TASK")]
    task: Option<String>,
    /// The run, by the beginning of its id
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// What must be true of the record, such as `wa > 20 && node like "web-*"`
    #[arg(long = "where", value_name = "EXPR")]
    condition: Option<String>,
}

/// What records are given with.
#[derive(Args)]
pub struct Projection {
    /// Give the records with these fields only, such as `us,wa`
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    fields: Vec<String>,
}

impl Which {
    pub fn asked(&self, span: Option<&Span>) -> Result<LogQuery, String> {
        Ok(LogQuery { skip_damaged: self.skip_damaged, ..self.filter.asked(span)? })
    }
}

impl Projection {
    pub fn names(&self) -> Vec<String> {
        self.fields.iter().map(|name| name.trim().to_owned()).collect()
    }
}

/// Which records, where they are, and how they are printed.
#[derive(Args)]
pub struct Which {
    #[command(flatten)]
    pub filter: Filter,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Go on without what is damaged, and say what that is; the exit status of an answer is 1 then
    #[arg(long)]
    skip_damaged: bool,
    #[command(flatten)]
    pub target: Target,
}

/// Where else the LogPool may lie.
#[derive(Args)]
pub struct Elsewhere {
    /// Ask the pool where `--pool NAME=URL` of a program puts it: memcached://HOST:PORT, nats://HOST:PORT/STREAM,
    /// http://HOST:PORT (another LogPool) or redb:FOLDER
    #[arg(long, value_name = "URL", conflicts_with = "controller")]
    at: Option<String>,
}

impl Elsewhere {
    pub fn open(&self, asked: &LogQuery, target: &Target) -> Result<Option<At>, String> {
        let open = |url: &String| At::open(url, asked, target.data.as_deref());
        self.at.as_ref().map(open).transpose()
    }
}

/// From when to when.
#[derive(Args)]
pub struct Span {
    /// From then on: a time ago (10m, 1h30m), a time (2026-01-31T08:00:00Z) or a day (2026-01-31), in UTC where there is no
    /// offset
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<i64>,
    /// Up to then, which is not included: a time ago, a time, or a day, of which it is the beginning
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<i64>,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    dsctl log query                                    everything\n  \
    dsctl log query 'key -name' --pool memcached --since 10m\n  \
    dsctl log query --node 'web-*' --since 2026-01-31T08:00:00Z --csv > samples.csv\n  \
    dsctl log query --since 2026-01-31 --until 2026-02-01\n  \
    dsctl log query --run 3f9a --json\n  \
    dsctl log query vmstat --where 'wa > 20 && free < 256MiB'\n  \
    dsctl log query vmstat --fields us,wa --limit 100 --csv\n  \
    dsctl log query vmstat --pool metrics --at nats://10.0.0.1:4222/fleet --since 1h\n  \
    dsctl log query vmstat --stats 'avg(us), p99(wa)' --every 1m --by node\n  \
    dsctl log query vmstat --since 1h --stats 'p99(us) as slow' --by node --order -slow --limit 10\n  \
    dsctl log query vmstat --order '-us' --limit 20     the 20 records with the greatest us\n  \
    dsctl log query vmstat --since 1h --stats 'max(us)' --every 1m --by node --plot\n  \
    dsctl log query vmstat --since 1d --stats 'avg(us)' --every 5m --by node --html us.html\n\n\
    Expressions: fields by name (in backticks where a name is no word), and pool key node task run time of the \
    record; numbers with sizes and durations (256MiB, 250ms), texts in quotes; == != < <= > >= like && || ! + - * / % \
    has(field); times in quotes (time >= \"2026-01-31T08:00:00Z\"). A comparison with a field that is not there is false.\n\
    Aggregates: count() sum avg min max first last rate distinct, and p50, p99, p99.9; `avg(us) as load` names one. \
    count(us > 90) counts of how many records that is true; rate is for counters, which may begin anew, and is added up over \
    pools, keys and nodes.\n\
    Orders: expressions, or with --stats what is grouped by, aggregates and window; - in front of one puts the greatest \
    first; oldest and newest go by time. What has no value comes last.")]
pub struct QueryArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    elsewhere: Elsewhere,
    #[command(flatten)]
    span: Span,
    #[command(flatten)]
    projection: Projection,
    /// So many: the first in the order of --order or of --stats, else the newest
    #[arg(long, value_name = "N", value_parser = above_zero)]
    limit: Option<u64>,
    /// In which order: newest, oldest, or by values, such as `-us, node`; with --stats by their columns, such as `-p99(us)`
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    order: Option<String>,
    /// Aggregates instead of records, such as `avg(us), p99(wa)`
    #[arg(long, value_name = "LIST")]
    stats: Option<String>,
    /// What groups of the aggregates have in common, such as `node` or `node, key`
    #[arg(long, value_name = "LIST", requires = "stats")]
    by: Option<String>,
    /// The length of the windows that are aggregated each on its own
    #[arg(long, value_name = "TIME", requires = "stats", value_parser = units::duration)]
    every: Option<Duration>,
    /// Print comma-separated values
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Draw the numbers over time
    #[arg(long, conflicts_with_all = ["json", "csv"])]
    plot: bool,
    /// Write a page with an interactive chart of them; to standard output with `-`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "csv", "plot"])]
    html: Option<PathBuf>,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  dsctl log tail\n  dsctl log tail 'key -name' --json\n  \
    dsctl log tail --pool task --node web-1       what programs print there")]
pub struct TailArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    projection: Projection,
    #[command(flatten)]
    elsewhere: Elsewhere,
}

pub fn query(args: QueryArgs) -> Result<i32, String> {
    let mut asked = args.which.asked(Some(&args.span))?;
    asked.limit = args.limit;
    asked.order = args.order.clone();
    asked.fields = args.projection.names();
    if args.stats.is_some() && !asked.fields.is_empty() {
        return Err("--fields says which fields records are given with; --stats names its own".into());
    }
    let stats = match &args.stats {
        Some(aggregates) => Some(LogStats {
            aggregates: aggregates.clone(),
            by: args.by.clone().unwrap_or_default(),
            every: args.every.map(every).transpose()?,
        }),
        None => None,
    };
    let target = &args.which.target;
    let at = match args.elsewhere.open(&asked, target)? {
        None if target.controller.is_none() => {
            Some(At::Folder(existing_data_folder(target.data.as_deref())?))
        }
        at => at,
    };
    let found = match &at {
        Some(at) => at.find(&asked, stats.as_ref())?,
        None => ask(target, asked.clone(), stats.clone())?,
    };
    found.doubts.iter().for_each(|doubt| eprintln!("dsctl: {doubt}"));
    let code = show::skipped(&found.skipped);
    let records = found.records;
    if records.is_empty() && !args.which.json && !args.csv {
        eprintln!("dsctl: no log record fits; `dsctl log pools` lists what there is");
        if args.html.is_none() {
            return Ok(code);
        }
    }
    if let Some(path) = &args.html {
        let what = stats.as_ref().map(|stats| &stats.aggregates).or(args.which.filter.key.as_ref());
        html::write(path, what.map_or("LogPool", |what| &what[..]), &records, stats.as_ref())?;
        if !dscript_files::is_stdout(path) {
            let what = if records.is_empty() { "a page that says so" } else { "the chart" };
            eprintln!("dsctl: {what} is in {}", path.display());
        }
        return Ok(code);
    }
    match &stats {
        _ if args.plot => plot::plot(&records, stats.as_ref())?,
        Some(stats) if args.which.json => show::stats_json(&records, stats.every.is_some())?,
        Some(stats) if args.csv => show::stats_csv(&records, stats.every.is_some())?,
        Some(stats) => show::stats_table(&records, stats.every.is_some())?,
        None if args.which.json => show::json(&records)?,
        None if args.csv => show::csv(&records)?,
        None => show::table(&records)?,
    }
    Ok(code)
}

fn ask(target: &Target, asked: LogQuery, stats: Option<LogStats>) -> Result<Found, String> {
    let question = match stats {
        Some(stats) => FromOperator::StatsLog { query: asked, stats },
        None => FromOperator::QueryLog(asked),
    };
    let mut client = Client::ask(target, &question)?;
    let mut found = Found::default();
    while let Some(answer) = client.answer()? {
        match answer {
            ToOperator::Records(some) => found.records.extend(some),
            ToOperator::Skipped(some) => found.skipped.extend(some),
            ToOperator::Doubts(some) => found.doubts.extend(some),
            _ => {}
        }
    }
    Ok(found)
}

fn every(length: Duration) -> Result<i64, String> {
    match i64::try_from(length.as_nanos()) {
        Ok(nanos) if nanos > 0 => Ok(nanos),
        _ => Err("--every is a time above 0, such as 1m".into()),
    }
}

pub fn tail(args: TailArgs) -> Result<i32, String> {
    let mut asked = args.which.asked(None)?;
    asked.fields = args.projection.names();
    let print = |records: &[Record]| if args.which.json { show::json(records) } else { show::lines(records) };
    let target = &args.which.target;
    let mut folder = None;
    match args.elsewhere.open(&asked, target)? {
        Some(At::Folder(at)) => folder = Some(at),
        Some(At::Server(server)) => {
            let query = filter::query(&asked)?;
            let mut cursor = None;
            loop {
                let (records, behind) = at::tail(&server, query.clone(), cursor)?;
                print(&records)?;
                cursor = Some(behind);
                std::thread::sleep(TAIL_EVERY);
            }
        }
        None => {}
    }
    if target.controller.is_some() {
        let mut client = Client::ask(target, &FromOperator::TailLog(asked))?;
        while let Some(answer) = client.answer()? {
            match answer {
                ToOperator::Records(records) => print(&records)?,
                ToOperator::Skipped(some) => show::name_skipped(&some),
                _ => {}
            }
        }
        return Ok(0);
    }
    let folder = folder.map_or_else(|| followed_folder(target), Ok)?;
    let reader = filter::reader(&folder, asked.skip_damaged);
    let query = filter::query(&asked)?;
    let mut cursor = reader.end().map_err(Failed::from)?;
    let mut told = 0;
    loop {
        let tailed = reader.tail(&query, &mut cursor).map_err(Failed::from)?;
        show::name_newly_skipped(&reader, &mut told);
        print(&tailed.records)?;
        if !tailed.more {
            std::thread::sleep(TAIL_EVERY);
        }
    }
}

/// The data folder that something is waited for in, which must be there: a wrong one would be waited in for ever.
pub fn followed_folder(target: &Target) -> Result<PathBuf, String> {
    let folder = data_folder(target.data.as_deref())?;
    match folder.is_dir() {
        true => Ok(folder),
        false => Err(format!(
            "there is no data folder {}: nothing was ever logged there; --data names another one",
            folder.display()
        )),
    }
}

impl Filter {
    pub fn asked(&self, span: Option<&Span>) -> Result<LogQuery, String> {
        let (since, until) = span.map_or((None, None), |span| (span.since, span.until));
        if let (Some(from), Some(to)) = (since, until)
            && from >= to
        {
            return Err(
                "--since is not before --until: nothing lies between them (`10m` is ten minutes ago)".into(),
            );
        }
        Ok(LogQuery {
            pool: self.pool.clone(),
            key: self.key.clone(),
            node: self.node.clone(),
            task: self.task.clone(),
            run: self.run.clone(),
            condition: self.condition.clone(),
            since,
            until,
            ..LogQuery::default()
        })
    }
}

fn moment(text: &str) -> Result<i64, String> {
    units::moment(text, now()?)
}

fn above_zero(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|&count| count > 0).ok_or_else(|| "a number above 0 is wanted".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_holds_some_time() {
        let filter = Filter::default();
        let span = |since: &str, until: &str| Span { since: moment(since).ok(), until: moment(until).ok() };
        assert!(filter.asked(Some(&span("10m", "5m"))).is_ok());
        for (since, until) in [("5m", "10m"), ("2026-01-31T08:00:00Z", "2026-01-31T08:00:00Z")] {
            let why = filter.asked(Some(&span(since, until))).expect_err("there is nothing between them");
            assert!(why.contains("not before --until"), "{why}");
        }
        assert!(above_zero("0").is_err() && above_zero("3") == Ok(3));
    }
}
