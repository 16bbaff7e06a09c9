//! Data folders that older versions wrote: they are read, and written on.

use std::fs;
use std::path::Path;

use dscript_logpool::{FieldValue, Mover, Query, Reader, Record, RunId, Stats, Writer, verify};

/// `format-3` holds 300 records of two nodes, with fields of small ints, multiples of 4096, two texts, and quarters.
fn is_whole(data: &Path, more: u64) {
    let records = Reader::open(data).query(&Query::default()).unwrap();
    assert_eq!(records.len() as u64, 300 + more);
    for (i, record) in records.iter().enumerate().take(300) {
        let i = i as i64;
        let note = if i % 3 > 0 { "x" } else { "y" };
        let fields = [
            ("us", FieldValue::Int(i % 7)),
            ("free", FieldValue::Int((1 << 30) + i * 4096 * (1 + i % 5))),
            ("note", FieldValue::String(note.into())),
            ("load", FieldValue::Double(i as f64 / 4.0)),
        ];
        assert_eq!(record.fields, fields.into());
        assert_eq!((record.seq, &record.node[..]), (i as u64, ["web-0", "web-1"][i as usize % 2]));
    }
    let stats = Stats::parse("count(), sum(us)", "", None).unwrap();
    let rows = Reader::open(data).stats(&Query::default(), &stats).unwrap();
    assert_eq!(rows[0].values, [FieldValue::Int(300 + more as i64), FieldValue::Int(897 + more as i64)]);
    let verified = verify(data).unwrap();
    assert!(verified.problems.is_empty(), "{:?}", verified.problems);
}

#[test]
fn format_3() {
    let scratch = tempfile::tempdir().unwrap();
    let data = scratch.path();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/format-3");
    fs::create_dir(data.join("segments")).unwrap();
    for file in ["pool.redb", "segments/00000-+019676.redb"] {
        fs::copy(from.join(file), data.join(file)).unwrap();
    }
    is_whole(data, 0);
    let writer = Writer::open(data).unwrap();
    let more = |seq: u64| Record {
        pool: "metrics".into(),
        key: "vmstat".into(),
        node: "web-0".into(),
        task: "t".into(),
        run: RunId(2),
        seq,
        time: 1_700_007_000_000_000_000 + seq as i64,
        fields: [("us", FieldValue::Int(1)), ("free", FieldValue::Int(seq as i64 % 3 * 4096))].into(),
    };
    writer.append((0..100).map(more).collect()).unwrap();
    let moved = Mover::try_acquire(data).unwrap().unwrap().move_once().unwrap();
    assert_eq!(moved.records, 100);
    is_whole(data, 100);
}

/// The records of the log files, of three runs.
fn logged(count: u64) -> Vec<Record> {
    let expected = |seq: u64| {
        let i = seq as i64;
        let mut fields = vec![
            ("zero", FieldValue::Int(0)),
            ("us", FieldValue::Int(i % 7)),
            ("free", FieldValue::Int((1 << 30) + i * 4096 * (1 + i % 5))),
            ("back", FieldValue::Int(-i * 1_000_003)),
            ("least", FieldValue::Int(i64::MIN + i)),
            ("took", FieldValue::Duration(i * 1_000_000_007 - 5)),
        ];
        if i % 2 > 0 {
            fields.push(("note", FieldValue::String("x".repeat(i as usize % 5))));
            fields.push(("load", FieldValue::Double(i as f64 / 4.0)));
            fields.push(("after", FieldValue::Int(i)));
        }
        if i >= 100 {
            fields.push(("none", FieldValue::Null));
            fields.push(("even", FieldValue::Bool(i % 2 == 0)));
            fields.push(("bytes", FieldValue::Bytes(vec![0xff; i as usize % 3])));
            fields.push(("at", FieldValue::Time(-i)));
            fields.push(("list", FieldValue::List(vec![FieldValue::Int(i), FieldValue::List(vec![])])));
            fields.push(("map", FieldValue::Map(vec![("k".into(), FieldValue::Null)])));
        }
        Record {
            pool: "metrics".into(),
            key: "vmstat".into(),
            node: format!("web-{}", seq % 3).into(),
            task: "t".into(),
            run: RunId(1 + u128::from(seq % 3)),
            seq,
            time: 1_700_000_000_000_000_000 + i * 1_000_000_000,
            fields: fields.into(),
        }
    };
    (0..count).map(expected).collect()
}

fn log_is_read(name: &str, expected: &[Record]) {
    let scratch = tempfile::tempdir().unwrap();
    let data = scratch.path();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name).join("log");
    fs::create_dir(data.join("log")).unwrap();
    for file in fs::read_dir(from).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), data.join("log").join(file.file_name())).unwrap();
    }
    assert_eq!(Reader::open(data).query(&Query::default()).unwrap(), expected);
    // The same records, as they are written now, are the same.
    Writer::open(data).unwrap().append(expected.to_vec()).unwrap();
    let moved = Mover::try_acquire(data).unwrap().unwrap().move_once().unwrap();
    let count = expected.len() as u64;
    assert_eq!((moved.records, moved.duplicates, moved.damage.len()), (count, count, 0));
    assert_eq!(Reader::open(data).query(&Query::default()).unwrap(), expected);
}

/// `log-2` is a log file of version 2, with 100 records, whose ints are varints.
#[test]
fn log_2() {
    log_is_read("log-2", &logged(100));
}

/// `log-3` is one of version 3, with 120 records in payloads of one, 99 and 20, which lie one by one.
#[test]
fn log_3() {
    log_is_read("log-3", &logged(120));
}
