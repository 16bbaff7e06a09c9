//! How fast records go in, move and come out: `cargo bench -p dscript-logpool`. It prints and asserts nothing
//! about time; a bare append with sync on the same disk is the measure to compare with.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use dscript_logpool::*;

const FIELDS: [&str; 17] = [
    "r", "b", "swpd", "free", "buff", "cache", "si", "so", "bi", "bo", "in", "cs", "us", "sy", "id", "wa",
    "st",
];
const NODES: u64 = 100;
const BATCH: u64 = 1000;
const BATCHES: u64 = 500;

fn sample(run: u64, seq: u64) -> Record {
    let value = |i: usize| FieldValue::Int((seq * 7919 % 100_000 * (i as u64 % 3)) as i64);
    Record {
        pool: "memcached".into(),
        key: "vmstat".into(),
        node: format!("web-{run}"),
        task: "DVMStat".into(),
        run: RunId(u128::from(run)),
        seq,
        time: 1_700_000_000_000_000_000 + seq as i64 * 1_000_000_000,
        fields: FIELDS.iter().enumerate().map(|(i, name)| (name.to_string(), value(i))).collect(),
    }
}

fn report(what: &str, count: u64, time: Duration) {
    println!("{what:<44} {count:>9} in {time:>9.3?} = {:>9.0}/s", count as f64 / time.as_secs_f64());
}

fn timed(what: &str, count: u64, work: impl FnOnce()) {
    let start = Instant::now();
    work();
    report(what, count, start.elapsed());
}

fn main() {
    let dir = tempfile::tempdir_in(std::env::var("BENCH_DIR").unwrap_or_else(|_| ".".into())).unwrap();
    bare_appends(dir.path());
    single_puts(&dir.path().join("single"), 1, 3000);
    single_puts(&dir.path().join("many"), 64, 300);
    batches(&dir.path().join("batches"));
}

fn bare_appends(dir: &Path) {
    let mut file = File::create(dir.join("bare")).unwrap();
    timed("bare 250-byte append and fdatasync", 3000, || {
        for _ in 0..3000 {
            file.write_all(&[1; 250]).unwrap();
            file.sync_data().unwrap();
        }
    });
}

fn single_puts(dir: &Path, writers: u64, each: u64) {
    let writer = Writer::open(dir).unwrap();
    timed(&format!("puts of one record, {writers} at once"), writers * each, || {
        std::thread::scope(|scope| {
            for run in 0..writers {
                let writer = &writer;
                scope.spawn(move || {
                    for seq in 0..each {
                        writer.append(vec![sample(run, seq)]).unwrap();
                    }
                });
            }
        });
    });
}

fn batches(dir: &Path) {
    let writer = Writer::open(dir).unwrap();
    let total = BATCH * BATCHES;
    let mut putting = Duration::ZERO;
    for batch in 0..BATCHES {
        let first = batch * BATCH / NODES;
        let records = (0..BATCH).map(|n| sample(n % NODES, first + n / NODES)).collect();
        let start = Instant::now();
        writer.append(records).unwrap();
        putting += start.elapsed();
    }
    report("puts in batches of 1000", total, putting);
    let reader = Reader::open(dir);
    timed("query of one series, nothing moved", total / NODES, || one_series(&reader, None));
    let mut mover = Mover::try_acquire(dir).unwrap().unwrap();
    timed("moved into the database", total, || assert_eq!(mover.move_once().unwrap().records, total));
    let bytes = std::fs::metadata(dir.join("pool.redb")).unwrap().len();
    println!("{:<44} {:>9} bytes a record", "size of the database", bytes / total);
    timed("query of one series, all moved", total / NODES, || one_series(&reader, None));
    timed("query of its last 600 records", 600, || one_series(&reader, Some(600)));
    timed("query of everything", total, || {
        assert_eq!(reader.query(&Query::default()).unwrap().len() as u64, total);
    });
}

fn one_series(reader: &Reader, last: Option<u64>) {
    let end = sample(7, BATCH * BATCHES / NODES - 1).time;
    let since = last.map(|count| end - (count as i64 - 1) * 1_000_000_000);
    let query = Query { node: Pattern::Exact("web-7".into()), since, ..Query::of_key("memcached", "vmstat") };
    assert_eq!(reader.query(&query).unwrap().len() as u64, last.unwrap_or(BATCH * BATCHES / NODES));
}
