//! Looks at everything in a data folder, and says what does not fit together. It changes nothing, and others may write
//! meanwhile.
//!
//! Steps: the log files, frame by frame; then, for each segment that the index lists: every chunk is read and every block
//! checked against its checksum and decoded; then counts, times and identities of the records are compared with what
//! the tables of series, extents and identities say.

use std::collections::HashMap;
use std::path::Path;

use crate::codec::Malformed;
use crate::database;
use crate::error::{LogPoolError, Result};
use crate::folder::Folder;
use crate::index::SegmentId;
use crate::merge::Place;
use crate::name::Name;
use crate::query::Query;
use crate::reader::{Logs, Reader};
use crate::snapshot::{SegmentSnapshot, Snapshot};

/// What was looked at, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    pub segments: u64,
    pub blocks: u64,
    /// In segments.
    pub records: u64,
    /// In log files, not moved yet.
    pub waiting: u64,
    /// In words, each with the file it is in; none if all is well.
    pub problems: Vec<String>,
}

/// An error is a folder that cannot be looked at; what is wrong in it is part of the answer.
pub fn verify(data_dir: &Path) -> Result<Verified> {
    let folder = Folder::new(data_dir);
    let mut verified = Verified::default();
    if let Err(why) = Snapshot::open(&folder) {
        // That it may not be read says nothing of it.
        if matches!(why, LogPoolError::Io { .. }) {
            return Err(why);
        }
        verified.problems.push(why.to_string());
        verified.problems.push(
            "without its index nothing else can be looked at; once that file is moved away, a mover makes it anew".into(),
        );
        return Ok(verified);
    }
    verified.problems.extend(Reader::open(data_dir).damage()?.iter().map(ToString::to_string));
    verified.problems.extend(folder.set_aside_files()?.iter().map(|path| {
        format!(
            "{}: a log file that was set aside because of damaged bytes in it, whose records are lost; what could be read was \
             moved, so delete it when it was looked at",
            path.display()
        )
    }));
    let logs = Logs::unmoved(&folder)?;
    let snapshot = Snapshot::open(&folder)?;
    logs.new_records(snapshot.knows(), |_| {
        verified.waiting += 1;
        Ok(())
    })?;
    drop(logs);
    for (&id, &ordinal) in &snapshot.index.segments {
        match snapshot.segment(id) {
            Ok(Some(segment)) => {
                verified.segments += 1;
                let checked =
                    database::guarded(segment.path(), || check(&segment, id, ordinal, &mut verified));
                if let Err(why) = checked {
                    verified.problems.push(why.to_string());
                }
            }
            // Its day was dropped meanwhile.
            Ok(None) => {}
            Err(why) => verified.problems.push(why.to_string()),
        }
        snapshot.close(id);
    }
    Ok(verified)
}

fn check(segment: &SegmentSnapshot, id: SegmentId, ordinal: u64, verified: &mut Verified) -> Result<()> {
    let file = segment.path().display().to_string();
    let mut problem = |what: String| verified.problems.push(format!("{file}: {what}"));
    let (first, last) = id.times();
    let mut by_series: HashMap<[Name; 3], u64> = HashMap::new();
    let (mut records, mut strangers, mut unseen, mut blocks) = (0u64, 0u64, 0u64, 0u64);
    let mut failed = None;
    let end = segment.blocks()?.read_from(Place::default(), |found| {
        blocks += 1;
        records += found.len() as u64;
        for record in found {
            strangers += u64::from(!(first..=last).contains(&record.time));
            match segment.seen(record.run, record.seq) {
                Ok(seen) => unseen += u64::from(!seen),
                Err(why) => failed = Some(why),
            }
            *by_series.entry([record.pool, record.key, record.node]).or_default() += 1;
        }
        failed.is_none()
    })?;
    if let Some(why) = failed {
        return Err(why);
    }
    if end.ordinal < ordinal || end.ordinal != records {
        problem(format!("it has {records} records, the index says {ordinal}"));
    }
    if strangers > 0 {
        problem(format!("{strangers} records are of another day"));
    }
    let seen = segment.seen_count()?;
    if unseen > 0 || seen != records {
        problem(format!("{records} records have {seen} identities, {unseen} records have none"));
    }
    for series in segment.series()? {
        let name = format!("{} {:?} {}", series.pool, series.key, series.node);
        let key = [&series.pool, &series.key, &series.node].map(Name::clone);
        let found = by_series.remove(&key).unwrap_or(0);
        if found != series.records {
            problem(format!("{found} records of {name} are there, {} are listed", series.records));
        }
        let mut listed = 0;
        let table = segment.blocks()?;
        for extent in segment.extents(&series, &Query::default())? {
            let fits = table.with(&series, extent, |block| {
                let times = block.times()?;
                let bounds = (times.iter().min().copied(), times.iter().max().copied());
                listed += block.len as u64;
                if bounds == (Some(extent.first), Some(extent.last)) { Ok(()) } else { Err(Malformed) }
            });
            if let Err(why) = fits {
                problem(format!("an extent of {name}: {why}"));
            }
        }
        if listed != series.records {
            problem(format!("the extents of {name} have {listed} records of {}", series.records));
        }
    }
    if !by_series.is_empty() {
        problem(format!("{} series are not listed", by_series.len()));
    }
    verified.blocks += blocks;
    verified.records += records;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::mover::Mover;
    use crate::query::Pattern;
    use crate::record::{FieldValue, Record, RunId};
    use crate::stats::Stats;
    use crate::writer::Writer;

    fn records(seqs: std::ops::Range<u64>) -> Vec<Record> {
        let record = |seq: u64| Record {
            pool: "p".into(),
            key: "k".into(),
            node: format!("n{}", seq % 2).into(),
            task: "t".into(),
            run: RunId(1),
            seq,
            time: seq as i64 * 60_000_000_000,
            fields: [("text", FieldValue::String(format!("value {seq}")))].into(),
        };
        seqs.map(record).collect()
    }

    #[test]
    fn a_changed_byte_of_a_block_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let writer = Writer::open(dir.path()).unwrap();
        assert_eq!(verify(dir.path()).unwrap(), Verified::default());
        writer.append(records(0..2000)).unwrap();
        Mover::try_acquire(dir.path()).unwrap().unwrap().move_once().unwrap();
        writer.append(records(2000..2010)).unwrap();
        let good = verify(dir.path()).unwrap();
        assert_eq!((good.segments, good.records, good.waiting), (2, 2000, 10));
        assert_eq!(good.problems, Vec::<String>::new());
        let name = SegmentId { pool: 0, day: 0 }.file_name();
        let path = dir.path().join("segments").join(&name);
        let bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(9).position(|text| text == b"value 777").unwrap();
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(b"V", at as u64).unwrap();
        let bad = verify(dir.path()).unwrap();
        assert!(bad.problems.iter().any(|what| what.contains(&name) && what.contains("block")), "{bad:?}");
        let reader = Reader::open(dir.path());
        assert!(reader.query(&Query::default()).is_err(), "no answer has it either");
        // One block of a node in a day is damaged; everything else is told.
        let reader = reader.skip_damaged();
        let found = reader.query(&Query::default()).unwrap();
        assert_eq!(found.len(), 2010 - 720);
        assert!(found.iter().all(|record| record.seq >= 1440 || &record.node[..] == "n0"));
        let count = Stats::parse("count()", "", None).unwrap();
        assert_eq!(reader.stats(&Query::default(), &count).unwrap()[0].values, [FieldValue::Int(1290)]);
        assert_eq!(reader.fields(&Query::default()).unwrap().len(), 1);
        let skipped = reader.skipped();
        assert_eq!(skipped.len(), 1, "once, however often it was asked: {skipped:?}");
        assert!(skipped[0].path == path && skipped[0].what.starts_with("block "), "{skipped:?}");
        assert_eq!(skipped[0].records, Some(720));
        std::fs::remove_file(&path).unwrap();
        let gone = verify(dir.path()).unwrap();
        assert!(gone.problems.iter().any(|what| what.contains("not in the folder")), "{gone:?}");
        let reader = Reader::open(dir.path());
        assert!(matches!(reader.query(&Query::default()), Err(LogPoolError::Corrupt { .. })));
        let reader = reader.skip_damaged();
        assert_eq!(reader.query(&Query::default()).unwrap().len(), 2010 - 1440);
        assert_eq!(reader.skipped()[0].records, Some(1440));
    }

    /// The database's own code panics over some of these.
    #[test]
    fn a_page_of_zeros_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        Writer::open(dir.path()).unwrap().append(records(0..2000)).unwrap();
        Mover::try_acquire(dir.path()).unwrap().unwrap().move_once().unwrap();
        let path = SegmentId { pool: 0, day: 0 }.path(&Folder::new(dir.path()));
        let bytes = std::fs::read(&path).unwrap();
        let (mut found, mut unread, mut in_part) = (0, 0, 0);
        for page in (0..bytes.len()).step_by(4096) {
            let mut changed = bytes.clone();
            changed[page..page + 4096].fill(0);
            std::fs::write(&path, &changed).unwrap();
            let problems = verify(dir.path()).unwrap().problems.len();
            found += usize::from(problems > 0);
            let reader = Reader::open(dir.path());
            unread += usize::from(reader.query(&Query::default()).is_err());
            let _ = (reader.pools(), reader.tail(&Query::default(), &mut Default::default()));
            let reader = reader.skip_damaged();
            let (rest, skipped) = (reader.query(&Query::default()).unwrap().len(), reader.skipped());
            assert_eq!(skipped.is_empty(), rest == 2000, "page {page}: {rest} records without {skipped:?}");
            in_part += usize::from(0 < rest && rest < 2000);
        }
        assert!(found > 2 && unread > 2 && in_part > 2, "{found} {unread} {in_part}");
        std::fs::write(&path, &bytes).unwrap();
        let index = Folder::new(dir.path()).index_path();
        std::fs::OpenOptions::new().write(true).open(index).unwrap().set_len(5000).unwrap();
        assert_eq!(verify(dir.path()).unwrap().problems.len(), 2);
        // The segments say by themselves what they have.
        Writer::open(dir.path()).unwrap().append(records(1990..2010)).unwrap();
        let reader = Reader::open(dir.path());
        assert!(matches!(reader.query(&Query::default()), Err(LogPoolError::Corrupt { .. })));
        let reader = reader.skip_damaged();
        assert_eq!(reader.query(&Query::default()).unwrap().len(), 2010);
        let other = Query { pool: Pattern::parse("other"), ..Query::default() };
        assert_eq!(reader.query(&other).unwrap(), []);
        let skipped = reader.skipped();
        assert!(skipped.len() == 1 && skipped[0].path.ends_with("pool.redb"), "{skipped:?}");
    }

    #[test]
    fn an_index_that_is_gone_is_made_anew_from_the_segments() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path());
        let writer = Writer::open(dir.path()).unwrap();
        writer.append(records(0..2000)).unwrap();
        let move_once = || Mover::try_acquire(dir.path())?.unwrap().move_once();
        move_once().unwrap();
        writer.append(records(2000..2010)).unwrap();
        let segments = folder.segment_files().unwrap();
        std::fs::remove_file(folder.index_path()).unwrap();
        assert_eq!(verify(dir.path()).unwrap().problems.len(), 2);
        let reader = Reader::open(dir.path());
        assert!(matches!(reader.query(&Query::default()), Err(LogPoolError::Corrupt { .. })));
        assert_eq!(reader.skip_damaged().query(&Query::default()).unwrap().len(), 2010);
        // Where one cannot be read, nothing is made and nothing is deleted.
        let path = segments[0].path(&folder);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..5000]).unwrap();
        assert!(matches!(move_once(), Err(LogPoolError::Corrupt { .. })));
        assert_eq!(folder.segment_files().unwrap(), segments);
        std::fs::write(&path, &bytes).unwrap();
        move_once().unwrap();
        let good = verify(dir.path()).unwrap();
        assert_eq!((good.records, good.waiting, &good.problems[..]), (2010, 0, &[][..]));
        assert_eq!(Reader::open(dir.path()).query(&Query::default()).unwrap().len(), 2010);
    }
}
