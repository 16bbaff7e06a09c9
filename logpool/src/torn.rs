//! Tests of a segment on a disk that stops at any write, and keeps any part of what was not synced: sectors of it in
//! any choice. `TORN_ROUNDS` makes them try longer, `SEED` repeats one.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use redb::{Builder, Database, ReadableDatabase, StorageBackend};

use crate::incoming::Incoming;
use crate::merge::Place;
use crate::payload::encode_payloads;
use crate::record::{FieldValue, Record, RunId};
use crate::segment::Segment;
use crate::snapshot::SegmentSnapshot;

const SECTOR: usize = 512;

#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// What is there for whoever reads now.
    bytes: Vec<u8>,
    synced: Vec<u8>,
    /// Since the last sync.
    pending: Vec<Change>,
    /// Changes and syncs until everything fails.
    left: Option<u64>,
}

#[derive(Debug)]
enum Change {
    Bytes(usize, Vec<u8>),
    Length(usize),
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>, mut keep: impl FnMut() -> bool) {
        match self {
            Change::Length(length) => {
                if keep() {
                    to.resize(*length, 0);
                }
            }
            Change::Bytes(offset, bytes) => {
                for (at, sector) in (*offset..).step_by(SECTOR).zip(bytes.chunks(SECTOR)) {
                    if keep() {
                        let end = at + sector.len();
                        to.resize(to.len().max(end), 0);
                        to[at..end].copy_from_slice(sector);
                    }
                }
            }
        }
    }
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn of(bytes: Vec<u8>) -> Disk {
        let state = State { synced: bytes.clone(), bytes, ..State::default() };
        Disk(Arc::new(Mutex::new(state)))
    }

    /// What is found after the power was cut.
    fn cut(&self, random: &mut Random) -> Vec<u8> {
        let state = self.state();
        let mut bytes = state.synced.clone();
        for change in &state.pending {
            change.apply(&mut bytes, || random.below(2) == 0);
        }
        bytes
    }

    fn change(&self, change: Change) -> Result<(), std::io::Error> {
        let mut state = self.state();
        state.step()?;
        change.apply(&mut state.bytes, || true);
        state.pending.push(change);
        Ok(())
    }
}

impl State {
    fn step(&mut self) -> Result<(), std::io::Error> {
        match &mut self.left {
            Some(0) => Err(std::io::Error::from(std::io::ErrorKind::StorageFull)),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, std::io::Error> {
        Ok(self.state().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), std::io::Error> {
        let state = self.state();
        let from = state.bytes.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(from.ok_or(std::io::Error::from(std::io::ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<(), std::io::Error> {
        self.change(Change::Length(length as usize))
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), std::io::Error> {
        self.change(Change::Bytes(offset as usize, bytes.to_vec()))
    }

    fn sync_data(&self) -> Result<(), std::io::Error> {
        let mut state = self.state();
        state.step()?;
        state.pending.clear();
        state.synced = state.bytes.clone();
        Ok(())
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % limit
    }
}

fn open(disk: &Disk) -> Segment {
    let database: Database =
        Builder::new().create_with_backend(disk.clone()).expect("it opens, whatever happened");
    Segment::on(database, Path::new("torn")).unwrap()
}

/// Records of three series; those of a round are numbered.
fn record(seq: u64) -> Record {
    Record {
        pool: "p".into(),
        key: "k".into(),
        node: format!("n{}", seq % 3).into(),
        task: "t".into(),
        run: RunId(1),
        seq,
        time: seq as i64,
        fields: [("text", FieldValue::String(format!("{seq:0200}")))].into(),
    }
}

fn add(segment: &Segment, seqs: std::ops::Range<u64>) -> crate::Result<u64> {
    let records: Vec<Record> = seqs.map(record).collect();
    let payload = encode_payloads(&records).unwrap().remove(0);
    let mut incoming = Incoming::default();
    incoming.add(&payload).unwrap();
    Ok(segment.add(&mut incoming.segments[0], &incoming.known)?.records)
}

fn stored(disk: &Disk) -> Vec<u64> {
    let database = Builder::new().create_with_backend(disk.clone()).unwrap();
    let snapshot = SegmentSnapshot::of(database.begin_read().unwrap(), Path::new("torn")).unwrap();
    let mut seqs = Vec::new();
    let blocks = snapshot.blocks().unwrap();
    let end = blocks.read_from(Place::default(), |records| {
        for found in records {
            assert_eq!(found, record(found.seq));
            seqs.push(found.seq);
        }
        true
    });
    assert_eq!(end.unwrap().ordinal, seqs.len() as u64);
    seqs.sort_unstable();
    seqs
}

#[test]
fn a_disk_that_stops_at_any_write_loses_and_doubles_nothing() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seed = number("SEED").unwrap_or_else(|| RunId::new_random().unwrap().0 as u64);
    println!("SEED={seed}");
    let mut random = Random(seed);
    let mut slowest = Duration::ZERO;
    for round in 0..number("TORN_ROUNDS").unwrap_or(40) {
        let mut disk = Disk::default();
        drop(open(&disk));
        let (mut promised, mut tried) = (0, 0);
        // A few crashes, one after the other.
        for _ in 0..3 {
            let segment = open(&disk);
            disk.state().left = Some(random.below(60));
            let failed = loop {
                tried = promised + 1 + random.below(60);
                match add(&segment, promised..tried) {
                    Ok(added) => assert_eq!(added, tried - promised),
                    Err(why) => break why,
                }
                promised = tried;
                // Of little blocks, now and then.
                if random.below(3) == 0
                    && let Err(why) = segment.merge_after(12)
                {
                    break why;
                }
            };
            assert!(failed.is_disk_full() || failed.to_string().contains("torn"), "{failed}");
            drop(segment);
            // The power was cut, or the disk was full and is not any more.
            let bytes = if random.below(3) > 0 { disk.cut(&mut random) } else { disk.state().bytes.clone() };
            disk = Disk::of(bytes);
            let start = Instant::now();
            let segment = open(&disk);
            slowest = slowest.max(start.elapsed());
            drop(segment);
            let there = stored(&disk);
            let count = there.len() as u64;
            // What was under way is there whole or not at all.
            assert!(
                count == promised || count == tried,
                "round {round}: {count}, {promised} of {tried} were promised"
            );
            assert!(there.iter().copied().eq(0..count), "round {round}: {there:?}");
            let segment = open(&disk);
            assert_eq!(add(&segment, 0..tried).unwrap(), tried - count, "what is there is not added again");
            promised = tried;
        }
        assert!(stored(&disk).into_iter().eq(0..tried), "round {round}");
    }
    println!("the slowest recovery took {slowest:?}");
    assert!(slowest < Duration::from_secs(1));
}
