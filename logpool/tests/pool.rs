//! Writer, mover, reader and follower on one data folder, in one process.

mod common;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use common::*;
use dscript_logpool::*;
use tempfile::tempdir;

fn log_files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir.join("log")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn all(dir: &Path) -> Vec<Record> {
    Reader::open(dir).query(&Query::default()).unwrap()
}

fn append(dir: &Path, records: Vec<Record>) {
    Writer::open(dir).unwrap().append(records).unwrap();
}

fn move_all(dir: &Path) -> Moved {
    Mover::try_acquire(dir).unwrap().expect("nobody else moves").move_once().unwrap()
}

#[test]
fn a_missing_folder_is_empty_and_stays_missing() {
    let dir = tempdir().unwrap();
    let missing = dir.path().join("a/b");
    let reader = Reader::open(&missing);
    assert_eq!(reader.query(&Query::default()).unwrap(), []);
    assert_eq!(reader.pools().unwrap(), []);
    assert_eq!(reader.tail(&Query::default(), &mut reader.end().unwrap()).unwrap(), Tailed::default());
    assert_eq!(reader.damage().unwrap(), []);
    drop(Writer::open(&missing).unwrap());
    assert!(!missing.parent().unwrap().exists());
    append(&missing, records(1, 0..2));
    assert_eq!(seqs(&all(&missing)), [0, 1]);
    assert!(!missing.join("pool.redb").exists(), "neither writing nor reading opens a database");
}

#[test]
fn moving_changes_no_answer() {
    let dir = tempdir().unwrap();
    let written = records(1, 0..5000);
    append(dir.path(), written.clone());
    assert_eq!(all(dir.path()), written);
    let moved = move_all(dir.path());
    assert_eq!((moved.records, moved.duplicates, moved.files_deleted), (5000, 0, 1));
    assert!(log_files(dir.path()).is_empty());
    assert_eq!(all(dir.path()), written);
    assert_eq!(move_all(dir.path()).records, 0);
}

#[test]
fn records_have_the_fields_that_are_asked_for() {
    let dir = tempdir().unwrap();
    let fields = |seq: u64| -> Vec<(&str, FieldValue)> {
        let all = [("a", FieldValue::Int(seq as i64)), ("b", FieldValue::String("text".into()))];
        all.into_iter()
            .skip(usize::from(seq.is_multiple_of(3)))
            .chain([("c", FieldValue::Bool(true))])
            .collect()
    };
    let written = |seqs: std::ops::Range<u64>| -> Vec<Record> {
        seqs.map(|seq| Record { fields: fields(seq).into(), ..record(1, seq) }).collect()
    };
    append(dir.path(), written(0..100));
    move_all(dir.path());
    append(dir.path(), written(100..200));
    let query = Query { fields: vec!["a".into(), "c".into(), "none".into()], ..Query::default() };
    let reader = Reader::open(dir.path());
    let found = reader.query(&query).unwrap();
    let mut one_by_one = Vec::new();
    reader
        .each(&query, |record| {
            one_by_one.push(record);
            true
        })
        .unwrap();
    one_by_one.sort_by_key(|record| record.seq);
    assert!(found.len() == 200 && found == one_by_one);
    for record in &found {
        let left = fields(record.seq).into_iter().filter(|(name, _)| *name != "b");
        assert_eq!(record.fields, left.collect::<Vec<_>>().into());
    }
    let names: Vec<String> = reader.fields(&query).unwrap().into_iter().map(|field| field.name).collect();
    assert_eq!(names, ["a", "c"]);
    let tailed = reader.tail(&query, &mut Cursor::default()).unwrap().records;
    assert_eq!(tailed, found);
}

#[test]
fn a_file_stays_while_its_writer_lives() {
    let dir = tempdir().unwrap();
    let writer = Writer::open(dir.path()).unwrap();
    let mut mover = Mover::try_acquire(dir.path()).unwrap().unwrap();
    for n in 0..10 {
        writer.append(records(1, n * 10..n * 10 + 10)).unwrap();
        let moved = mover.move_once().unwrap();
        assert_eq!((moved.records, moved.duplicates, moved.files_deleted), (10, 0, 0));
    }
    assert_eq!(log_files(dir.path()).len(), 1);
    drop(writer);
    assert_eq!(mover.move_once().unwrap().files_deleted, 1);
    assert_eq!(all(dir.path()), records(1, 0..100));
}

#[test]
fn there_is_one_mover() {
    let dir = tempdir().unwrap();
    let mover = Mover::try_acquire(dir.path()).unwrap().unwrap();
    assert!(Mover::try_acquire(dir.path()).unwrap().is_none());
    drop(mover);
    assert!(Mover::try_acquire(dir.path()).unwrap().is_some());
}

#[test]
fn a_record_that_is_sent_again_is_there_once() {
    let dir = tempdir().unwrap();
    append(dir.path(), records(1, 0..10));
    append(dir.path(), records(1, 5..15));
    assert_eq!(all(dir.path()), records(1, 0..15));
    let moved = move_all(dir.path());
    assert_eq!((moved.records, moved.duplicates), (15, 5));
    append(dir.path(), records(1, 0..20));
    assert_eq!(all(dir.path()), records(1, 0..20));
    assert_eq!(Reader::open(dir.path()).pools().unwrap()[0].records, 20);
    assert_eq!(move_all(dir.path()).records, 5);
    assert_eq!(all(dir.path()), records(1, 0..20));
}

#[test]
fn identities_in_any_order_are_a_set() {
    let mut random = Random::from_env();
    let dir = tempdir().unwrap();
    let mut model = BTreeSet::new();
    for _ in 0..40 {
        let mut batch = Vec::new();
        let mut new = 0;
        for _ in 0..random.below(200) {
            let (run, seq) = (u128::from(random.below(3)), [random.below(300), u64::MAX - random.below(3)]);
            let seq = seq[usize::from(random.below(20) == 0)];
            new += u64::from(model.insert((run, seq)));
            batch.push(Record { time: 0, ..record(run, seq) });
        }
        append(dir.path(), batch);
        assert_eq!(move_all(dir.path()).records, new);
    }
    let found: Vec<_> = all(dir.path()).iter().map(|record| (record.run.0, record.seq)).collect();
    assert_eq!(found, model.into_iter().collect::<Vec<_>>());
}

#[test]
fn a_file_cut_anywhere_keeps_its_whole_frames() {
    let dir = tempdir().unwrap();
    let writer = Writer::open(dir.path()).unwrap();
    let mut ends = vec![40];
    for seq in 0..3 {
        writer.append(vec![record(1, seq)]).unwrap();
        ends.push(fs::metadata(&log_files(dir.path())[0]).unwrap().len() as usize);
    }
    drop(writer);
    let file = log_files(dir.path()).remove(0);
    let bytes = fs::read(&file).unwrap();
    for cut in 0..=bytes.len() {
        let expected = records(1, 0..ends.iter().filter(|&&end| end <= cut).count().saturating_sub(1) as u64);
        let torn = tempdir().unwrap();
        fs::create_dir(torn.path().join("log")).unwrap();
        fs::write(torn.path().join("log").join(file.file_name().unwrap()), &bytes[..cut]).unwrap();
        assert_eq!(all(torn.path()), expected, "cut at {cut}");
        assert_eq!(Reader::open(torn.path()).damage().unwrap(), [], "cut at {cut}");
        // Moving takes longer, so not for every byte.
        if cut % 8 != 0 && !ends.contains(&cut) {
            continue;
        }
        let moved = move_all(torn.path());
        assert_eq!((moved.records, moved.files_deleted), (expected.len() as u64, 1), "cut at {cut}");
        assert_eq!(moved.damage, [], "cut at {cut}");
        assert_eq!(all(torn.path()), expected, "cut at {cut}");
    }
}

#[test]
fn damage_is_reported_and_the_rest_is_kept() {
    let dir = tempdir().unwrap();
    let writer = Writer::open(dir.path()).unwrap();
    for seq in 0..3 {
        writer.append(vec![record(1, seq)]).unwrap();
    }
    drop(writer);
    let file = log_files(dir.path()).remove(0);
    let bytes = fs::read(&file).unwrap();
    let mut refused = Vec::new();
    for at in 0..bytes.len() {
        let broken = tempdir().unwrap();
        let name = file.file_name().unwrap();
        fs::create_dir(broken.path().join("log")).unwrap();
        let mut changed = bytes.clone();
        changed[at] ^= 0x40;
        fs::write(broken.path().join("log").join(name), &changed).unwrap();
        let expected = if at < 40 { 3 } else { 2 };
        let reader = Reader::open(broken.path());
        match reader.query(&Query::default()) {
            // A header has no records, and what a file ends with may be of a write that never was acknowledged.
            Ok(found) => assert_eq!(found.len(), expected, "byte {at}"),
            Err(LogPoolError::Corrupt { path, .. }) => {
                assert!(path.ends_with(name), "byte {at}");
                refused.push(at);
            }
            Err(other) => panic!("byte {at}: {other}"),
        }
        let reader = reader.skip_damaged();
        assert_eq!(reader.query(&Query::default()).unwrap().len(), expected, "byte {at}");
        let skips = at < 40 || refused.last() == Some(&at);
        assert_eq!(reader.skipped().len(), usize::from(skips), "byte {at}: {:?}", reader.skipped());
        assert_eq!(Reader::open(broken.path()).damage().unwrap().len(), 1, "byte {at}");
        // Moving takes longer, so not for every byte.
        if at % 16 == 0 {
            let moved = move_all(broken.path());
            assert_eq!((moved.records as usize, moved.damage.len()), (expected, 1), "byte {at}");
            assert_eq!(all(broken.path()).len(), expected, "byte {at}");
            assert_eq!(fs::read(broken.path().join("damaged").join(name)).unwrap(), changed);
            let problems = verify(broken.path()).unwrap().problems;
            assert!(problems.len() == 1 && problems[0].contains("set aside"), "byte {at}: {problems:?}");
        }
    }
    // Two of three frames, one behind the other.
    assert!(
        refused.len() > bytes.len() / 2 && refused.iter().copied().eq(40..40 + refused.len()),
        "{refused:?}"
    );
}

#[test]
fn a_long_file_is_moved_piece_by_piece() {
    let dir = tempdir().unwrap();
    let writer = Writer::open(dir.path()).unwrap();
    let bulky = |seq| {
        let text = char::from(b'a' + seq as u8).to_string().repeat(500_000);
        Record { fields: [("text", FieldValue::String(text))].into(), ..record(1, seq) }
    };
    // One file, of more bytes than a move reads at a time.
    for seq in 0..16 {
        writer.append(vec![bulky(seq)]).unwrap();
    }
    let mut mover = Mover::try_acquire(dir.path()).unwrap().unwrap();
    let moved = mover.move_once().unwrap();
    assert_eq!((moved.records, moved.duplicates, moved.files_deleted, moved.damage.len()), (16, 0, 0, 0));
    writer.append(vec![bulky(16)]).unwrap();
    drop(writer);
    let file = log_files(dir.path()).remove(0);
    assert_eq!(log_files(dir.path()).len(), 1);
    let bytes = fs::read(&file).unwrap();
    let moved = mover.move_once().unwrap();
    assert_eq!((moved.records, moved.files_deleted), (1, 1));
    assert_eq!(all(dir.path()), (0..17).map(bulky).collect::<Vec<_>>());

    // Damage is found in each piece, and the bytes of a frame that are not there at its end.
    for at in [1_000_000, bytes.len() - 700_000, bytes.len()] {
        let broken = tempdir().unwrap();
        fs::create_dir(broken.path().join("log")).unwrap();
        let mut changed = bytes.clone();
        match changed.get_mut(at) {
            Some(byte) => *byte ^= 0x40,
            None => changed.truncate(at - 1),
        }
        fs::write(broken.path().join("log").join(file.file_name().unwrap()), &changed).unwrap();
        let moved = move_all(broken.path());
        assert_eq!((moved.records, moved.damage.len()), (16, usize::from(at < bytes.len())), "at {at}");
        assert_eq!(all(broken.path()).len(), 16, "at {at}");
        assert!(log_files(broken.path()).is_empty());
    }
}

#[test]
fn a_file_of_a_newer_version_is_left_alone() {
    let dir = tempdir().unwrap();
    append(dir.path(), records(1, 0..2));
    let file = log_files(dir.path()).remove(0);
    let mut bytes = fs::read(&file).unwrap();
    bytes[8] = 7;
    let crc = crc32fast::hash(&bytes[..36]).to_le_bytes();
    bytes[36..40].copy_from_slice(&crc);
    fs::write(&file, bytes).unwrap();
    append(dir.path(), records(2, 0..2));
    let moved = move_all(dir.path());
    assert_eq!(moved.records, 2);
    assert!(matches!(moved.failed[..], [LogPoolError::Version { found: 7, .. }]));
    assert_eq!(log_files(dir.path()), [file]);
    let refused = Reader::open(dir.path()).query(&Query::default());
    assert!(matches!(refused, Err(LogPoolError::Version { found: 7, .. })));
}

#[test]
fn a_database_that_is_none_is_an_error() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("pool.redb"), b"something else altogether, and long enough to look at")
        .unwrap();
    append(dir.path(), records(1, 0..1));
    let error = Reader::open(dir.path()).query(&Query::default()).unwrap_err().to_string();
    assert!(error.contains("pool.redb"), "{error}");
    assert!(Mover::try_acquire(dir.path()).unwrap().unwrap().move_once().is_err());
    assert_eq!(log_files(dir.path()).len(), 1);
}

fn random_record(random: &mut Random, seq: u64) -> Record {
    Record {
        pool: format!("pool{}", random.below(2)).into(),
        key: format!("key{}", random.below(3)).into(),
        node: format!("web-{}", random.below(3)).into(),
        task: format!("task{}", random.below(2)).into(),
        // On two days.
        time: random.below(1000) as i64 - 500,
        fields: random_fields(random),
        ..record(u128::from(random.below(3)) << 124, seq)
    }
}

/// Most records have the same fields; some lack one, or have one of another kind or twice.
fn random_fields(random: &mut Random) -> Fields {
    let mut fields = vec![
        ("us", FieldValue::Int(random.below(100) as i64)),
        ("load", FieldValue::Double(random.below(64) as f64 / 8.0)),
        ("state", FieldValue::String(["up", "down"][random.below(2) as usize].to_owned())),
    ];
    match random.below(12) {
        0 => fields.swap(0, 2),
        1 => drop(fields.remove(0)),
        2 => fields[0].1 = FieldValue::Double(random.below(200) as f64 / 2.0),
        3 => fields[1].1 = FieldValue::Null,
        4 => fields.push(("us", FieldValue::Int(7))),
        5 => fields[2].1 = FieldValue::List(vec![FieldValue::Bool(true)]),
        6 => fields.push(("took", FieldValue::Duration(random.below(5000) as i64))),
        _ => {}
    }
    fields.into()
}

const CONDITIONS: [&str; 11] = [
    "us > 50",
    "us >= 150",
    "us * 2 < 20 || load == 3.5",
    "state == \"up\" && us != 3",
    "!(state == 'up') && node like 'web-*'",
    "load == null",
    "has(took) && took < 2us",
    "task == 'task0' && us < 10.5",
    "gone > 3",
    "time < gone || us > 98",
    "run like '1*' && us > 5",
];

const ORDERS: [Option<&str>; 6] =
    [None, None, Some("newest"), Some("oldest"), Some("-us"), Some("node, -time")];

fn random_query(random: &mut Random) -> Query {
    let mut pick = |names: &[&str]| Pattern::parse(names[random.below(names.len() as u64) as usize]);
    let (pool, key) = (pick(&["*", "pool0", "pool*", "none"]), pick(&["*", "key1", "*2", "k*y*"]));
    let (node, task) = (pick(&["*", "*", "web-1"]), pick(&["*", "*", "task0"]));
    let mut sometimes = |n: u64| (random.below(3) == 0).then(|| random.below(n));
    Query {
        pool,
        key,
        node,
        task,
        run: sometimes(3).map(|digit| digit.to_string().parse().unwrap()),
        since: sometimes(1000).map(|time| time as i64 - 500),
        until: sometimes(1000).map(|time| time as i64 - 500),
        condition: sometimes(11).map(|which| Condition::parse(CONDITIONS[which as usize]).unwrap()),
        limit: sometimes(50).map(|limit| limit as usize),
        order: ORDERS[random.below(ORDERS.len() as u64) as usize].map(|order| Order::parse(order).unwrap()),
        fields: if random.below(4) == 0 { vec!["us".into(), "state".into()] } else { Vec::new() },
    }
}

#[test]
fn every_query_is_what_a_filter_over_all_records_gives() {
    let mut random = Random::from_env();
    let dir = tempdir().unwrap();
    let reader = Reader::open(dir.path());
    let writer = Writer::open(dir.path()).unwrap();
    let mut mover = Mover::try_acquire(dir.path()).unwrap().unwrap();
    let mut model: Vec<Record> = Vec::new();
    for round in 0..15 {
        for _ in 0..random.below(6) {
            let start = model.len() as u64;
            let batch: Vec<_> =
                (0..1 + random.below(400)).map(|n| random_record(&mut random, start + n)).collect();
            model.extend(batch.iter().cloned());
            writer.append(batch).unwrap();
            if random.below(2) == 0 {
                mover.move_once().unwrap();
            }
        }
        for nth in 0..30 {
            let query = random_query(&mut random);
            let expected: Vec<Record> =
                expected(&query, &model).into_iter().map(|record| query.project(record)).collect();
            assert_eq!(reader.query(&query).unwrap(), expected, "round {round}: {query:?}");
            if nth % 3 == 0 {
                check_stats(&reader, &query, &model);
            }
        }
        let pools = reader.pools().unwrap();
        assert_eq!(pools.iter().map(|pool| pool.records).sum::<u64>(), model.len() as u64);
        for pool in pools {
            let times = || model.iter().filter(|record| record.pool == pool.pool).map(|record| record.time);
            assert_eq!((Some(pool.first), Some(pool.last)), (times().min(), times().max()));
            assert_eq!(pool.keys.iter().map(|key| key.records).sum::<u64>(), pool.records);
        }
    }
}

fn expected(query: &Query, model: &[Record]) -> Vec<Record> {
    let mut found: Vec<Record> = model.iter().filter(|record| query.matches(record)).cloned().collect();
    found.sort_by_key(|record| (record.time, record.run, record.seq));
    let us = |record: &Record| match record.field("us") {
        Some(FieldValue::Int(us)) => (0, -us as f64),
        Some(FieldValue::Double(us)) if !us.is_nan() => (0, -us),
        Some(FieldValue::Double(_)) => (1, 0.0),
        None | Some(FieldValue::Null) => (2, 0.0),
        other => panic!("{other:?}"),
    };
    match query.order.as_ref().map(Order::text) {
        None => drop(found.drain(..found.len() - query.limit.unwrap_or(found.len()).min(found.len()))),
        Some("oldest") => {}
        Some("newest") => found.reverse(),
        Some("-us") => found.sort_by(|a, b| us(a).partial_cmp(&us(b)).expect("no NaN is left")),
        Some("node, -time") => {
            found.reverse();
            found.sort_by(|a, b| a.node.cmp(&b.node));
        }
        Some(other) => panic!("{other}"),
    }
    found.truncate(query.limit.unwrap_or(usize::MAX));
    found
}

fn check_stats(reader: &Reader, query: &Query, model: &[Record]) {
    let number = |value: Option<&FieldValue>| match value {
        Some(FieldValue::Int(value)) => Some(*value as f64),
        Some(FieldValue::Double(value)) => Some(*value),
        _ => None,
    };
    /// Count, sum and maximum.
    type Totals = (i64, Option<f64>, Option<f64>);
    let mut expected: BTreeMap<(i64, String), Totals> = BTreeMap::new();
    for record in model.iter().filter(|record| query.matches(record)) {
        let window = record.time.div_euclid(100) * 100;
        let (count, sum, max) = expected.entry((window, record.node.to_string())).or_default();
        *count += 1;
        if let Some(us) = number(record.field("us")) {
            *sum = Some(sum.unwrap_or(0.0) + us);
        }
        if let Some(load) = number(record.field("load")) {
            *max = Some(max.map_or(load, |max| max.max(load)));
        }
    }
    let stats = Stats::parse("count(), sum(us), max(load)", "node", Some(100)).unwrap();
    let found: BTreeMap<_, _> = reader
        .stats(query, &stats)
        .unwrap()
        .into_iter()
        .map(|row| match (&row.by[..], &row.values[..]) {
            ([FieldValue::String(node)], [FieldValue::Int(count), sum, max]) => {
                ((row.window.unwrap(), node.clone()), (*count, number(Some(sum)), number(Some(max))))
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(found, expected, "{query:?}");
}

#[test]
fn days_are_dropped_by_age_and_by_size() {
    const DAY: u64 = 86_400;
    let dir = tempdir().unwrap();
    let days = |pool: &str, days: std::ops::Range<u64>| -> Vec<Record> {
        let day = |day: u64| Record { pool: pool.into(), ..record(1, day * DAY + 5) };
        days.map(day).collect()
    };
    append(
        dir.path(),
        [days("a", 0..5), days("b", 0..5)]
            .concat()
            .into_iter()
            .zip(0..)
            .map(|(r, seq)| Record { seq, ..r })
            .collect(),
    );
    let mut mover = Mover::try_acquire(dir.path()).unwrap().unwrap();
    assert_eq!(mover.move_once().unwrap().records, 10);
    let left = |pool: &str| {
        let found = Reader::open(dir.path()).query(&Query::of_key(pool, "k")).unwrap();
        found.iter().map(|record| record.time / SECOND / DAY as i64).collect::<Vec<_>>()
    };
    let rule = |pool: &str, age, bytes| Retention { pool: Pattern::parse(pool), age, bytes };
    let now = 5 * DAY as i64 * SECOND;
    let two_days = Some(2 * DAY as i64 * SECOND);
    assert_eq!(mover.retain(now, &[rule("none", two_days, Some(0))]).unwrap(), 0);
    assert_eq!(mover.retain(now, &[rule("a", two_days, None), rule("*", None, None)]).unwrap(), 3);
    assert_eq!((left("a"), left("b")), (vec![3, 4], vec![0, 1, 2, 3, 4]));
    assert_eq!(mover.retain(now, &[rule("b", None, Some(1))]).unwrap(), 4);
    assert_eq!((left("a"), left("b")), (vec![3, 4], vec![4]));
    // What is gone stays gone, and what comes later is kept.
    drop(mover);
    append(dir.path(), vec![Record { pool: "b".into(), seq: 100, ..record(1, 6 * DAY) }]);
    assert_eq!(move_all(dir.path()).records, 1);
    assert_eq!(left("b"), [4, 6]);
    assert_eq!(fs::read_dir(dir.path().join("segments")).unwrap().count(), 4);
}

#[test]
fn a_follower_gets_every_record_once_whatever_is_moved() {
    let mut random = Random::from_env();
    for _ in 0..6 {
        let dir = tempdir().unwrap();
        let reader = Reader::open(dir.path());
        let mut mover = Mover::try_acquire(dir.path()).unwrap().unwrap();
        let mut writers: Vec<Writer> = (0..2).map(|_| Writer::open(dir.path()).unwrap()).collect();
        let (mut from_start, mut late) = (Cursor::default(), None);
        let (mut seen, mut seen_late) = (Vec::new(), Vec::new());
        let mut next = 0;
        for step in 0..60 {
            match random.below(6) {
                0 | 1 => {
                    let count = 1 + random.below(if step == 7 { 12_000 } else { 20 });
                    let writer = random.below(2) as usize;
                    writers[writer].append(records(1, next..next + count)).unwrap();
                    // The same again by the other one: as if it had been resent.
                    if random.below(3) == 0 {
                        writers[1 - writer].append(records(1, next..next + count)).unwrap();
                    }
                    next += count;
                }
                2 => drop(mover.move_once().unwrap()),
                3 => writers[0] = Writer::open(dir.path()).unwrap(),
                _ => {
                    seen.extend(seqs(&reader.tail(&Query::default(), &mut from_start).unwrap().records));
                    if let Some((_, cursor)) = &mut late {
                        seen_late.extend(seqs(&reader.tail(&Query::default(), cursor).unwrap().records));
                    } else if step > 20 {
                        late = Some((next, reader.end().unwrap()));
                    }
                }
            }
        }
        let rest = |cursor: &mut Cursor, seen: &mut Vec<u64>| loop {
            let polled = reader.tail(&Query::default(), cursor).unwrap();
            seen.extend(seqs(&polled.records));
            if !polled.more {
                break;
            }
        };
        rest(&mut from_start, &mut seen);
        seen.sort_unstable();
        assert_eq!(seen, (0..next).collect::<Vec<_>>());
        let (start, mut cursor) = late.unwrap_or_else(|| (next, reader.end().unwrap()));
        rest(&mut cursor, &mut seen_late);
        seen_late.sort_unstable();
        assert_eq!(seen_late, (start..next).collect::<Vec<_>>());
        mover.move_once().unwrap();
        assert_eq!(reader.tail(&Query::default(), &mut from_start).unwrap().records, []);
    }
}

#[test]
fn two_writers_a_mover_a_reader_and_a_follower_at_once() {
    const RECORDS: u64 = 1500;
    let dir = tempdir().unwrap();
    let done = AtomicBool::new(false);
    let acknowledged = [AtomicU64::new(0), AtomicU64::new(0)];
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..2u64)
            .map(|run| {
                let (dir, acknowledged) = (dir.path(), &acknowledged[run as usize]);
                scope.spawn(move || {
                    let mut writer = Writer::open(dir).unwrap();
                    for seq in 0..RECORDS {
                        if seq % 200 == 199 {
                            writer = Writer::open(dir).unwrap();
                        }
                        writer.append(vec![record(run.into(), seq)]).unwrap();
                        acknowledged.store(seq + 1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            let mut mover = Mover::try_acquire(dir.path()).unwrap().unwrap();
            while !done.load(Ordering::SeqCst) {
                let moved = mover.move_once().unwrap();
                assert_eq!((moved.duplicates, moved.damage.len(), moved.failed.len()), (0, 0, 0));
            }
        });
        scope.spawn(|| {
            let reader = Reader::open(dir.path());
            while !done.load(Ordering::SeqCst) {
                let before = acknowledged.each_ref().map(|count| count.load(Ordering::SeqCst));
                let found = reader.query(&Query::default()).unwrap();
                let unique: HashSet<_> = found.iter().map(|record| (record.run.0, record.seq)).collect();
                assert_eq!(unique.len(), found.len(), "a record is doubled");
                for (run, &count) in before.iter().enumerate() {
                    for seq in 0..count {
                        assert!(unique.contains(&(run as u128, seq)), "record {seq} of run {run} is missing");
                    }
                }
            }
        });
        scope.spawn(|| {
            let reader = Reader::open(dir.path());
            let mut cursor = Cursor::default();
            let mut seen = HashSet::new();
            loop {
                let last = done.load(Ordering::SeqCst);
                for record in reader.tail(&Query::default(), &mut cursor).unwrap().records {
                    assert!(seen.insert((record.run, record.seq)), "{record:?} came twice");
                }
                if last {
                    break;
                }
            }
            assert_eq!(seen.len() as u64, 2 * RECORDS);
        });
        let results: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        done.store(true, Ordering::SeqCst);
        assert!(results.iter().all(Result::is_ok));
    });
}

#[test]
fn a_mover_that_ends_between_a_segment_and_the_index_doubles_nothing() {
    let dir = tempdir().unwrap();
    let writer = Writer::open(dir.path()).unwrap();
    let reader = Reader::open(dir.path());
    let (index, saved) = (dir.path().join("pool.redb"), dir.path().join("saved"));
    let mut cursor = Cursor::default();
    let mut followed = Vec::new();
    writer.append(records(1, 0..100)).unwrap();
    Mover::try_acquire(dir.path()).unwrap().unwrap().move_once().unwrap();
    std::fs::copy(&index, &saved).unwrap();
    writer.append(records(1, 100..200)).unwrap();
    followed.extend(reader.tail(&Query::default(), &mut cursor).unwrap().records);
    Mover::try_acquire(dir.path()).unwrap().unwrap().move_once().unwrap();
    // The segment has all, and the index does not know yet.
    std::fs::rename(&saved, &index).unwrap();
    let all: Vec<u64> = (0..200).collect();
    assert_eq!(seqs(&reader.query(&Query::default()).unwrap()), all);
    followed.extend(reader.tail(&Query::default(), &mut cursor).unwrap().records);
    let moved = Mover::try_acquire(dir.path()).unwrap().unwrap().move_once().unwrap();
    assert_eq!((moved.records, moved.duplicates), (0, 100));
    assert_eq!(seqs(&reader.query(&Query::default()).unwrap()), all);
    followed.extend(reader.tail(&Query::default(), &mut cursor).unwrap().records);
    assert_eq!(seqs(&followed), all);
}

#[test]
fn aggregates_do_not_change_when_records_are_moved() {
    let dir = tempdir().unwrap();
    let writer = Writer::open(dir.path()).unwrap();
    let reader = Reader::open(dir.path());
    let value = |seq: u64| match seq {
        // Small ones first, then some that need more room, a double, and one without the field.
        0..800 => Some(FieldValue::Int((seq * 7 % 100) as i64)),
        800..1200 => Some(FieldValue::Int((seq as i64 - 1000) * 1_000_000)),
        1200..1300 => Some(FieldValue::Double(seq as f64 / 3.0)),
        _ => None,
    };
    let all: Vec<Record> = (0..1400)
        .map(|seq| Record {
            node: format!("n{}", seq % 3).into(),
            time: (seq as i64 - 200) * 11 * SECOND,
            fields: value(seq).map(|value| ("x", value)).into_iter().collect(),
            ..record(u128::from(seq % 3), seq)
        })
        .collect();
    writer.append(all).unwrap();
    let aggregates = "count(), count(x), sum(x), avg(x), min(x), max(x), first(x), last(x), rate(x), p50(x), p99(x), distinct(x), max(x * 2)";
    let ask = |by: &str, every: Option<i64>, condition: Option<&str>| {
        let stats = Stats::parse(aggregates, by, every).unwrap();
        let condition = condition.map(|text| Condition::parse(text).unwrap());
        reader.stats(&Query { condition, ..Query::default() }, &stats).unwrap()
    };
    let questions = [
        ("", None, None),
        ("node", None, None),
        ("node, key", Some(60 * SECOND), None),
        ("", Some(7 * SECOND), None),
        ("x", Some(3600 * SECOND), None),
        ("node", Some(600 * SECOND), Some("x > 5")),
    ];
    let before: Vec<_> = questions.iter().map(|&(by, every, condition)| ask(by, every, condition)).collect();
    assert_eq!(before[0][0].values[0], FieldValue::Int(1400));
    assert_eq!(before[1].len(), 3);
    Mover::try_acquire(dir.path()).unwrap().unwrap().move_once().unwrap();
    for (&(by, every, condition), before) in questions.iter().zip(before) {
        let after = ask(by, every, condition);
        assert_eq!(after.len(), before.len(), "{by}");
        for (after, before) in after.iter().zip(&before) {
            assert_eq!((after.window, &after.by), (before.window, &before.by));
            for (at, (after, before)) in after.values.iter().zip(&before.values).enumerate() {
                // Sums of doubles may be added up in another order.
                let same = match (after, before) {
                    (FieldValue::Double(a), FieldValue::Double(b)) => (a - b).abs() <= b.abs() * 1e-9,
                    (after, before) => after == before,
                };
                assert!(same, "{by} {every:?} {condition:?}, aggregate {at}: {after:?}, before {before:?}");
            }
        }
    }
}

#[test]
fn many_moves_of_few_records_leave_few_blocks() {
    let dir = tempdir().unwrap();
    let writer = Writer::open(dir.path()).unwrap();
    let mut mover = Mover::try_acquire(dir.path()).unwrap().unwrap();
    let reader = Reader::open(dir.path());
    let mut cursor = reader.end().unwrap();
    let mut followed = Vec::new();
    for seq in 0..515 {
        writer.append(records(1, seq..seq + 1)).unwrap();
        mover.move_once().unwrap();
        // It has stopped at every place by the time of the merge.
        if seq % 7 == 0 {
            followed.extend(seqs(&reader.tail(&Query::default(), &mut cursor).unwrap().records));
        }
    }
    followed.extend(seqs(&reader.tail(&Query::default(), &mut cursor).unwrap().records));
    assert_eq!(seqs(&all(dir.path())), (0..515).collect::<Vec<_>>());
    let looked = verify(dir.path()).unwrap();
    assert_eq!((looked.records, looked.problems), (515, Vec::new()));
    assert!(looked.blocks < 20, "{} blocks", looked.blocks);
    followed.sort_unstable();
    assert!(followed.into_iter().eq(0..515), "a follower misses none, and meets none again");
}
