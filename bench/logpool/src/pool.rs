//! The LogPool at work: what is durable is acknowledged, and a mover runs beside the writer as in the controller.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dscript_logpool::{FieldValue, Mover, Pattern, Query, Reader, Record, Retention, RunId, Stats, Writer};
use serde_json::{Value, json};

use crate::measure::{Span, Times, median, thread_cpu, timed};
use crate::work::{BATCH, MIDNIGHT, SECOND, Work};
use crate::{bytes_below, rate};

const MOVE_EVERY: Duration = Duration::from_millis(1000);

/// Each tenth ends when everything of it is in the database.
pub fn ingest(dir: &Path, records: u64) -> Value {
    let writer = Writer::open(dir).expect("the writer");
    let mover = Mutex::new(Mover::try_acquire(dir).expect("the mover").expect("nobody else moves"));
    let done = AtomicBool::new(false);
    let mut work = Work::new(records);
    let mut tenths = Vec::new();
    let mut put = Duration::ZERO;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                std::thread::sleep(MOVE_EVERY);
                mover.lock().expect("no panic").move_if_worth().expect("a move");
            }
        });
        for _ in 0..10 {
            let span = Span::begin();
            let mut making = Times::default();
            for _ in 0..records / 10 / BATCH {
                let (wall, cpu) = (std::time::Instant::now(), thread_cpu());
                let batch = work.records();
                making.wall += wall.elapsed();
                making.cpu += thread_cpu() - cpu;
                let wall = std::time::Instant::now();
                writer.append(batch).expect("an append");
                put += wall.elapsed();
            }
            mover.lock().expect("no panic").move_once().expect("a move");
            let all = span.times();
            tenths.push(Times { wall: all.wall - making.wall, cpu: all.cpu - making.cpu });
        }
        done.store(true, Ordering::Relaxed);
    });
    drop(writer);
    // The last log file has no writer any more, and goes.
    mover.into_inner().expect("no panic").move_once().expect("a move");
    let mut result = crate::ingested(records, &tenths);
    let stored = Reader::open(dir).pools().expect("the pools")[0].records;
    assert_eq!(stored, records, "records are missing");
    result["acknowledged_per_wall_s"] = json!(rate(records, put));
    result["bytes_per_record"] = json!(bytes_below(dir) as f64 / records as f64);
    result
}

/// One series over the last ten minutes.
pub fn series(dir: &Path, records: u64) -> Value {
    let reader = Reader::open(dir);
    let query = Query {
        node: Pattern::Exact("web-042".into()),
        since: Some(Work::last_time(records) - 599 * SECOND),
        ..Query::of_key("metrics", "vmstat")
    };
    let mut times = Vec::new();
    for _ in 0..21 {
        let (found, time) = timed(|| reader.query(&query).expect("a query"));
        assert_eq!(found.len() as u64, 600.min(records / crate::work::NODES));
        times.push(time);
    }
    crate::times(median(times))
}

pub fn aggregate(dir: &Path, _: u64) -> Value {
    let stats = Stats::parse("avg(us), p99(us)", "node", Some(60 * SECOND)).expect("aggregates");
    let reader = Reader::open(dir);
    let mut times = Vec::new();
    let mut sums = (0, 0.0, 0);
    for _ in 0..3 {
        let (rows, time) = timed(|| reader.stats(&Query::default(), &stats).expect("aggregates"));
        times.push(time);
        let avg = |value: &FieldValue| if let FieldValue::Double(value) = value { *value } else { f64::NAN };
        let p99 = |value: &FieldValue| if let FieldValue::Int(value) = value { *value } else { i64::MIN };
        sums = (
            rows.len(),
            rows.iter().map(|row| avg(&row.values[0])).sum(),
            rows.iter().map(|row| p99(&row.values[1])).sum(),
        );
    }
    let mut result = crate::times(median(times));
    result["answer"] = json!({ "groups": sums.0, "avg": sums.1, "p99": sums.2 });
    result
}

/// Drops the day before midnight.
pub fn drop_day(dir: &Path, _: u64) -> Value {
    let mut mover = Mover::try_acquire(dir).expect("the mover").expect("nobody else moves");
    // Opens the database, as a controller's mover has it open.
    mover.move_once().expect("a move");
    let rules = [Retention { pool: Pattern::Any, age: Some(3600 * SECOND), bytes: None }];
    let (dropped, time) = timed(|| mover.retain(MIDNIGHT + 3601 * SECOND, &rules).expect("a drop"));
    assert!(dropped > 0, "nothing was dropped");
    crate::times(time)
}

/// One record a put, by one writer and by 64 at once, beside a bare append of as many bytes with a sync.
pub fn puts(dir: &Path, _: u64) -> Value {
    use std::io::Write;
    const PUTS: u64 = 2000;
    const WRITERS: u64 = 64;
    let writer = Writer::open(dir).expect("the writer");
    let sample = Work::new(BATCH).records().remove(0);
    let mut file = std::fs::File::create(dir.join("bare")).expect("a file");
    // Turn about, so that a slow moment of the disk meets both.
    let (mut bare, mut single) = (Duration::ZERO, Duration::ZERO);
    for seq in 0..PUTS {
        let record = vec![Record { seq, ..sample.clone() }];
        single += timed(|| writer.append(record).expect("a put")).1.wall;
        bare += timed(|| {
            file.write_all(&[1; 250]).expect("a write");
            file.sync_data().expect("a sync");
        })
        .1
        .wall;
    }
    let (_, many) = timed(|| {
        std::thread::scope(|scope| {
            for run in 1..=WRITERS {
                let (writer, sample) = (&writer, &sample);
                scope.spawn(move || {
                    for seq in 0..PUTS / 4 {
                        let record = Record { run: RunId(u128::from(run)), seq, ..sample.clone() };
                        writer.append(vec![record]).expect("a put");
                    }
                });
            }
        });
    });
    let (bare, single) = (rate(PUTS, bare), rate(PUTS, single));
    let many = rate(WRITERS * PUTS / 4, many.wall);
    json!({
        "bare_append_and_sync_per_s": bare,
        "one_writer_per_s": single,
        "64_writers_per_s": many,
        "one_writer_time_to_bare": bare / single,
        "64_writers_to_one": many / single,
    })
}
