//! SQLite at the same work: WAL, synchronous=FULL, one transaction a batch, a column for each field.

use std::path::Path;
use std::sync::Mutex;

use dscript_logpool::Name;
use rusqlite::Connection;
use rusqlite::types::Value as Sql;
use serde_json::{Value, json};

use crate::bytes_below;
use crate::measure::{median, timed, times};
use crate::senders::{self, Done};
use crate::work::{BATCH, FIELDS, MIDNIGHT, SECOND, Sample, Work};

fn open(dir: &Path) -> Connection {
    let db = Connection::open(dir.join("peer.sqlite")).expect("SQLite");
    db.pragma_update(None, "journal_mode", "WAL").expect("WAL");
    db.pragma_update(None, "synchronous", "FULL").expect("synchronous");
    db
}

/// Without an index, which is the fastest it can do; no query by node finds its records then.
pub fn ingest(dir: &Path, records: u64, senders: usize) -> Value {
    fill(open(dir), dir, records, senders, "")
}

/// With the index that the question for one series needs.
pub fn ingest_indexed(dir: &Path, records: u64, senders: usize) -> Value {
    fill(open(dir), dir, records, senders, INDEX)
}

const INDEX: &str = "CREATE INDEX IF NOT EXISTS by_series ON samples (node, time)";

/// All senders share one connection and its prepared statement: it has one writer at a time in any case, and
/// connections of their own would poll for its lock.
fn fill(db: Connection, dir: &Path, records: u64, senders: usize, index: &str) -> Value {
    let columns = FIELDS.map(|name| format!("\"{name}\" INTEGER")).join(", ");
    db.execute_batch(&format!("CREATE TABLE samples (time INTEGER, node TEXT, {columns})")).expect("a table");
    db.execute_batch(index).expect("an index");
    let marks = vec!["?"; FIELDS.len() + 2].join(", ");
    let insert = format!("INSERT INTO samples VALUES ({marks})");
    let db = Mutex::new(db);
    let make = |work: &mut Work| {
        let mut rows = Vec::with_capacity(BATCH as usize);
        work.batch(|_, node, _, time, sample| rows.push((time, node.clone(), sample)));
        rows
    };
    let send = |rows: Vec<(i64, Name, Sample)>, done: Done| {
        let db = db.lock().expect("no panic");
        let mut insert = db.prepare(&insert).expect("a statement");
        db.execute_batch("BEGIN").expect("a transaction");
        for (time, node, sample) in &rows {
            insert.raw_bind_parameter(1, time).expect("a value");
            insert.raw_bind_parameter(2, node.as_str()).expect("a value");
            for (at, value) in sample.iter().enumerate() {
                insert.raw_bind_parameter(at + 3, value).expect("a value");
            }
            insert.raw_execute().expect("an insert");
        }
        db.execute_batch("COMMIT").expect("a commit");
        done();
    };
    let checkpoint = || {
        let db = db.lock().expect("no panic");
        db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("a checkpoint");
    };
    let mut result = senders::ingest(records, senders, make, send, checkpoint);
    result["bytes_per_record"] = json!(bytes_below(dir) as f64 / records as f64);
    result
}

/// After an index was made for it, which is not counted.
pub fn series(dir: &Path, records: u64) -> Value {
    let db = open(dir);
    db.execute_batch(INDEX).expect("an index");
    let sql = "SELECT * FROM samples WHERE node = ? AND time >= ? ORDER BY time";
    let mut select = db.prepare(sql).expect("a query");
    let mut all = Vec::new();
    for _ in 0..21 {
        let (_, time) = timed(|| {
            let since = Work::last_time(records) - 599 * SECOND;
            let rows = select
                .query_map(("web-042", since), |row| {
                    (0..FIELDS.len() + 2).map(|at| row.get::<_, Sql>(at)).collect::<Result<Vec<_>, _>>()
                })
                .expect("rows");
            rows.map(|row| row.expect("a row")).collect::<Vec<_>>()
        });
        all.push(time);
    }
    times(median(all))
}

pub fn aggregate(dir: &Path) -> Value {
    let db = open(dir);
    let sql = format!(
        "WITH ranked AS (SELECT time / {minute} AS minute, node, us, \
         row_number() OVER (PARTITION BY time / {minute}, node ORDER BY us) AS place, \
         count(*) OVER (PARTITION BY time / {minute}, node) AS many FROM samples), \
         groups AS (SELECT minute, node, avg(us) AS a, max(CASE WHEN place = (many * 99 + 99) / 100 THEN us END) AS p \
         FROM ranked GROUP BY minute, node) SELECT count(*), sum(a), sum(p) FROM groups",
        minute = 60 * SECOND
    );
    let (answer, time) = timed(|| {
        db.query_row(&sql, [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, f64>(1)?, row.get::<_, i64>(2)?))
        })
        .expect("aggregates")
    });
    let mut result = times(time);
    result["answer"] = json!({ "groups": answer.0, "avg": answer.1, "p99": answer.2 });
    result
}

pub fn drop_day(dir: &Path) -> Value {
    let db = open(dir);
    let (_, time) =
        timed(|| db.execute("DELETE FROM samples WHERE time < ?", [MIDNIGHT]).expect("a deletion"));
    times(time)
}
