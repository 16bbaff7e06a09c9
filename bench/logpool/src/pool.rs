//! The LogPool at work: what is durable is acknowledged, and a mover runs beside the writer as in the controller.

use std::ops::Range;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dscript_logpool::{FieldValue, Mover, Pattern, Query, Reader, Record, Retention, RunId, Stats, Writer};
use serde_json::{Value, json};

use crate::measure::{median, timed, times};
use crate::work::{BATCH, MIDNIGHT, SECOND, Work};
use crate::{bytes_below, rate, senders};

/// As in a controller (`runtime/controller/src/serve/logs.rs`).
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A mover works beside the senders; what it has left when all is acknowledged is moved, and counted, at the end.
pub fn ingest(dir: &Path, records: u64, senders: usize) -> Value {
    let writer = Writer::open(dir).expect("the writer");
    let mover = Mutex::new(Mover::try_acquire(dir).expect("the mover").expect("nobody else moves"));
    let done = AtomicBool::new(false);
    let mut result = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                writer.wait_until_worth(LOOK_EVERY);
                mover.lock().expect("no panic").move_if_worth().expect("a move");
            }
        });
        let result = senders::ingest(
            records,
            senders,
            Work::records,
            |batch, done| match senders {
                1 => {
                    writer.append(batch).expect("an append");
                    done();
                }
                _ => writer.append_with(
                    batch,
                    Box::new(|ack| {
                        ack.expect("an append");
                        done();
                    }),
                ),
            },
            || {
                mover.lock().expect("no panic").move_once().expect("a move");
            },
        );
        done.store(true, Ordering::Relaxed);
        result
    });
    drop(writer);
    // The last log file has no writer any more, and goes.
    mover.into_inner().expect("no panic").move_once().expect("a move");
    let stored = Reader::open(dir).pools().expect("the pools")[0].records;
    assert_eq!(stored, records, "records are missing");
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
    let mut all = Vec::new();
    for _ in 0..21 {
        let (found, time) = timed(|| reader.query(&query).expect("a query"));
        assert_eq!(found.len() as u64, 600.min(records / crate::work::NODES));
        all.push(time);
    }
    times(median(all))
}

pub fn aggregate(dir: &Path) -> Value {
    let stats = Stats::parse("avg(us), p99(us)", "node", Some(60 * SECOND)).expect("aggregates");
    let reader = Reader::open(dir);
    let mut all = Vec::new();
    let mut sums = (0, 0.0, 0);
    for _ in 0..3 {
        let (rows, time) = timed(|| reader.stats(&Query::default(), &stats).expect("aggregates"));
        all.push(time);
        let avg = |value: &FieldValue| if let FieldValue::Double(value) = value { *value } else { f64::NAN };
        let p99 = |value: &FieldValue| if let FieldValue::Int(value) = value { *value } else { i64::MIN };
        sums = (
            rows.len(),
            rows.iter().map(|row| avg(&row.values[0])).sum(),
            rows.iter().map(|row| p99(&row.values[1])).sum(),
        );
    }
    let mut result = times(median(all));
    result["answer"] = json!({ "groups": sums.0, "avg": sums.1, "p99": sums.2 });
    result
}

/// Drops the day before midnight.
pub fn drop_day(dir: &Path) -> Value {
    let mut mover = Mover::try_acquire(dir).expect("the mover").expect("nobody else moves");
    // Opens the database, as a controller's mover has it open.
    mover.move_once().expect("a move");
    let rules = [Retention { pool: Pattern::Any, age: Some(3600 * SECOND), bytes: None }];
    let (dropped, time) = timed(|| mover.retain(MIDNIGHT + 3601 * SECOND, &rules).expect("a drop"));
    assert!(dropped > 0, "nothing was dropped");
    times(time)
}

/// One record a put, by one writer and by 64 at once, beside a bare append of as many bytes with a sync. A writer is a
/// task that waits for each of its puts, as a controller has one for each node.
pub fn puts(dir: &Path) -> Value {
    use std::io::Write;
    const PUTS: u64 = 2000;
    const WRITERS: u64 = 64;
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let writer = Writer::open(dir).expect("the writer");
    let sample = Work::new(BATCH).records().remove(0);
    let mut file = std::fs::File::create(dir.join("bare")).expect("a file");
    let one_after_the_other = |run: u64, puts: Range<u64>| {
        let (writer, sample) = (writer.clone(), sample.clone());
        async move {
            for seq in puts {
                let record = Record { run: RunId(u128::from(run)), seq, ..sample.clone() };
                let (sender, ack) = tokio::sync::oneshot::channel();
                writer.append_with(vec![record], Box::new(|done| drop(sender.send(done))));
                ack.await.expect("an answer").expect("a put");
            }
        }
    };
    // Turn about, so that a slow moment of the disk meets both.
    let (mut bare, mut single) = (Duration::ZERO, Duration::ZERO);
    for turn in 0..PUTS / 20 {
        let puts = runtime.spawn(one_after_the_other(0, turn * 20..(turn + 1) * 20));
        single += timed(|| runtime.block_on(puts).expect("no panic")).1.wall;
        let bare_puts = || {
            for _ in 0..20 {
                file.write_all(&[1; 250]).expect("a write");
                file.sync_data().expect("a sync");
            }
        };
        bare += timed(bare_puts).1.wall;
    }
    let (_, many) = timed(|| {
        let writers = (1..=WRITERS).map(|run| runtime.spawn(one_after_the_other(run, 0..PUTS / 4)));
        for writer in writers.collect::<Vec<_>>() {
            runtime.block_on(writer).expect("no panic");
        }
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
