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
