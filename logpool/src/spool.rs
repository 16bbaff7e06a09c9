//! The spool of a node: records that its controller has not confirmed yet, in the order of their arrival.
//!
//! It is an append log like any other, whose parts are numbered on over restarts, and a cursor that says what is
//! confirmed. Parts before the cursor are deleted. One process has a spool open at a time.
//!
//! Byte map of `spool.cursor`: two slots of 40 bytes at 0 and 64, written in turns, so that one of them is whole
//! at any moment: `DSSC` (4), version 1 (4), count of writes (8), part (8), offset (8), index (4), CRC-32 of the
//! 36 bytes before (4); little-endian. The whole slot with the higher count holds. Without one the cursor is at
//! the beginning of what there is: then records are sent again, which stores none twice.
//!
//! Only what is synced is handed out. Nothing is known here of controllers and connections.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use crate::codec::Input;
use crate::commit::Options;
use crate::error::{Damage, LogPoolError, Result};
use crate::folder::{self, Folder, LogKind};
use crate::frame::{Frame, Tail};
use crate::limits::{FILE_BYTES_MAX, OPEN_PAUSE_MS, SPOOL_LOCK_TRIES_MAX};
use crate::log::{self, LogFile, Window};
use crate::payload::PayloadRecords;
use crate::record::Record;
use crate::writer::{Ack, Done, Writer};

/// A place in the spool, between two records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpoolPosition {
    part: u64,
    /// Of a frame in the part.
    offset: u64,
    /// Of a record in the frame.
    index: u32,
}

/// Records in the order in which they were appended.
#[derive(Clone, Debug, PartialEq)]
pub struct SpoolBatch {
    pub records: Vec<Record>,
    /// The position after them, to acknowledge or to go on at.
    pub end: SpoolPosition,
    /// What could not be read on the way.
    pub damage: Vec<Damage>,
}

/// The records of a node that its controller has not confirmed. Clones share one spool.
#[derive(Clone)]
pub struct Spool {
    // Dropped before the state, which holds the lock.
    writer: Writer,
    shared: Arc<Shared>,
}

struct Shared {
    folder: Folder,
    state: Mutex<State>,
    _lock: File,
}

struct State {
    cursor: CursorFile,
    acknowledged: SpoolPosition,
    /// The furthest position that a batch ended at.
    handed_out: SpoolPosition,
}

impl Spool {
    /// One process at a time: `LogPoolError::InUse` otherwise.
    pub fn open(dir: &Path) -> Result<Spool> {
        Spool::with_file_size(dir, FILE_BYTES_MAX)
    }

    /// `None` at once if another process has it open.
    pub fn try_open(dir: &Path) -> Result<Option<Spool>> {
        let folder = Spool::folder(dir)?;
        match folder::lock_file(&lock_path(&folder))? {
            Some(lock) => Spool::locked(folder, lock, FILE_BYTES_MAX).map(Some),
            None => Ok(None),
        }
    }

    fn with_file_size(dir: &Path, file_bytes_max: u64) -> Result<Spool> {
        let folder = Spool::folder(dir)?;
        let lock = lock(&folder)?.ok_or_else(|| LogPoolError::InUse { path: folder.root.clone() })?;
        Spool::locked(folder, lock, file_bytes_max)
    }

    fn folder(dir: &Path) -> Result<Folder> {
        let folder = Folder::new(dir);
        if !folder.root.is_dir() {
            folder::create_dir_all(&folder.root)?;
        }
        Ok(folder)
    }

    fn locked(folder: Folder, lock: File, file_bytes_max: u64) -> Result<Spool> {
        folder.remove_abandoned()?;
        let (cursor, acknowledged) = CursorFile::open(&folder.root.join("spool.cursor"))?;
        let last_part = folder.list(is_spool)?.last().map_or(0, |name| name.id.part);
        let first_part = last_part.max(acknowledged.part) + 1;
        let options = Options { kind: LogKind::Spool, first_part, file_bytes_max };
        let writer = Writer::with_options(folder.clone(), options)?;
        let state = Mutex::new(State { cursor, acknowledged, handed_out: acknowledged });
        let spool = Spool { writer, shared: Arc::new(Shared { folder, state, _lock: lock }) };
        spool.delete_acknowledged(acknowledged)?;
        Ok(spool)
    }

    /// Returns when the records are on disk; waits while the queue is full.
    pub fn append(&self, records: Vec<Record>) -> Result<Ack> {
        self.writer.append(records)
    }

    /// Never waits: with a full queue `done` gets `LogPoolError::Busy` at once.
    pub fn append_with(&self, records: Vec<Record>, done: Done) {
        self.writer.append_with(records, done);
    }

    /// Returns when everything that was appended before is on disk or has failed.
    pub fn flush(&self) -> Result<()> {
        self.writer.flush()
    }

    /// The first records that are not acknowledged; the same again until they are. If there is one, then at
    /// least one, whatever its size.
    pub fn next_batch(&self, max_records: usize, max_bytes: usize) -> Result<SpoolBatch> {
        self.batch_after(self.acknowledged(), max_records, max_bytes)
    }

    /// Records after a position that a batch ended at, for a sender with several batches under way.
    pub fn batch_after(
        &self,
        after: SpoolPosition,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<SpoolBatch> {
        let (max_records, max_bytes) = (max_records.max(1), max_bytes.max(1));
        let mut batch = Batch { after, bytes: 0, max_records, max_bytes, out: SpoolBatch::new(after) };
        // Asked for before the files are listed: a part that is begun later is left to the next batch.
        let synced = self.writer.synced();
        for name in self.shared.folder.list(is_spool)? {
            let part = name.id.part;
            if part < after.part {
                continue;
            }
            if part > synced.part {
                break;
            }
            let end = if part == synced.part { synced.bytes } else { u64::MAX };
            let Some(log) = LogFile::open(&self.shared.folder, name)? else { continue };
            let from = if part == after.part { after.offset } else { 0 };
            if !batch.read_file(&log, from, end)? {
                break;
            }
        }
        let mut state = self.state();
        state.handed_out = state.handed_out.max(batch.out.end);
        Ok(batch.out)
    }

    pub fn acknowledged(&self) -> SpoolPosition {
        self.state().acknowledged
    }

    /// Everything before `up_to` is safe elsewhere and may be deleted. A position that is not after the last one
    /// changes nothing.
    pub fn acknowledge(&self, up_to: SpoolPosition) -> Result<()> {
        let mut state = self.state();
        if up_to <= state.acknowledged {
            return Ok(());
        }
        if up_to > state.handed_out {
            return Err(LogPoolError::NoSuchPosition { path: self.shared.folder.root.clone() });
        }
        state.cursor.write(up_to)?;
        state.acknowledged = up_to;
        drop(state);
        self.delete_acknowledged(up_to)
    }

    fn delete_acknowledged(&self, up_to: SpoolPosition) -> Result<()> {
        let names = self.shared.folder.list(is_spool)?;
        for name in names.into_iter().filter(|name| name.id.part <= up_to.part) {
            let Some(log) = LogFile::open(&self.shared.folder, name)? else { continue };
            // The writer's own file stays, and so does what is only partly acknowledged.
            if !folder::try_lock(&log.file, &log.path)? {
                continue;
            }
            let mut left = false;
            if name.id.part == up_to.part {
                let (window, _) = log.read_some(Vec::new(), up_to.offset, u64::MAX, 0)?;
                window.frames(|_| {
                    left = true;
                    false
                });
            }
            if !left {
                retire(&self.shared.folder, &log)?;
            }
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The lock of a process that just ended may be held for a moment by a child that it was about to start.
fn lock(folder: &Folder) -> Result<Option<File>> {
    let path = lock_path(folder);
    for _ in 1..SPOOL_LOCK_TRIES_MAX {
        if let Some(lock) = folder::lock_file(&path)? {
            return Ok(Some(lock));
        }
        thread::sleep(Duration::from_millis(OPEN_PAUSE_MS));
    }
    folder::lock_file(&path)
}

fn lock_path(folder: &Folder) -> PathBuf {
    folder.root.join("spool.lock")
}

fn is_spool(kind: LogKind) -> bool {
    kind == LogKind::Spool
}

/// Deletes a part, unless a piece of it could not be read: then a person may want to look at it.
fn retire(folder: &Folder, log: &LogFile) -> Result<()> {
    let mut malformed = false;
    let window = log.read_to_end(0)?;
    let (damage, _, tail) = window.frames(|frame| {
        malformed |= log::records(&log.path, frame, |_| ()).is_some();
        true
    });
    if malformed || !damage.is_empty() || matches!(tail, Tail::Bad { .. }) {
        folder.set_aside(log.name)
    } else {
        folder::remove_file(&log.path)
    }
}

impl SpoolBatch {
    fn new(end: SpoolPosition) -> SpoolBatch {
        SpoolBatch { records: Vec::new(), end, damage: Vec::new() }
    }
}

/// A batch as it is put together.
struct Batch {
    after: SpoolPosition,
    bytes: usize,
    max_records: usize,
    max_bytes: usize,
    out: SpoolBatch,
}

impl Batch {
    /// False if the batch is full.
    fn read_file(&mut self, log: &LogFile, from: u64, end: u64) -> Result<bool> {
        let mut from = from;
        loop {
            let (window, all) =
                log.read_some(Vec::new(), from, end, self.max_bytes.min(FILE_BYTES_MAX as usize))?;
            match self.read_window(log, &window) {
                None => return Ok(false),
                Some(_) if all => return Ok(true),
                Some(next) => from = next,
            }
        }
    }

    /// Where the window ends, or `None` if the batch is full.
    fn read_window(&mut self, log: &LogFile, window: &Window) -> Option<u64> {
        let mut full = false;
        let mut malformed = Vec::new();
        let (damage, end, _) = window.frames(|frame| {
            full = !self.read_frame(log, frame, &mut malformed);
            !full
        });
        self.out.damage.extend(damage);
        self.out.damage.append(&mut malformed);
        (!full).then_some(end)
    }

    fn read_frame(&mut self, log: &LogFile, frame: Frame, malformed: &mut Vec<Damage>) -> bool {
        let part = log.name.id.part;
        for (index, head) in (0..).zip(PayloadRecords::new(frame.payload)) {
            let here = SpoolPosition { part, offset: frame.offset, index };
            if here < self.after {
                continue;
            }
            let length = head.map_or(0, |head| head.bytes());
            let full = self.out.records.len() >= self.max_records || self.bytes + length > self.max_bytes;
            if full && !self.out.records.is_empty() {
                self.out.end = here;
                return false;
            }
            match head.and_then(|head| head.decode()) {
                Ok(record) => {
                    self.bytes += length;
                    self.out.records.push(record);
                }
                Err(_) => {
                    malformed.push(log::damage(&log.path, frame.offset, frame.end - frame.offset));
                }
            }
        }
        self.out.end = SpoolPosition { part, offset: frame.end, index: 0 };
        true
    }
}

const SLOT_BYTES: usize = 40;
const SLOT_STRIDE: u64 = 64;
const CURSOR_MAGIC: [u8; 4] = *b"DSSC";
const CURSOR_VERSION: u32 = 1;

/// The cursor on disk.
struct CursorFile {
    file: File,
    path: PathBuf,
    writes: u64,
}

impl CursorFile {
    fn open(path: &Path) -> Result<(CursorFile, SpoolPosition)> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(LogPoolError::io("open", path))?;
        let bytes = folder::read_from(&file, path, 0, 2 * SLOT_STRIDE)?;
        let slots = [0, SLOT_STRIDE as usize].map(|at| decode_slot(bytes.get(at..)?));
        let (writes, position) = slots.into_iter().flatten().max_by_key(|slot| slot.0).unwrap_or_default();
        Ok((CursorFile { file, path: path.to_path_buf(), writes }, position))
    }

    fn write(&mut self, position: SpoolPosition) -> Result<()> {
        let writes = self.writes + 1;
        let slot = encode_slot(writes, position);
        self.file
            .write_all_at(&slot, (writes % 2) * SLOT_STRIDE)
            .map_err(LogPoolError::io("write to", &self.path))?;
        self.file.sync_data().map_err(LogPoolError::io("sync", &self.path))?;
        self.writes = writes;
        Ok(())
    }
}

fn encode_slot(writes: u64, position: SpoolPosition) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    slot[..4].copy_from_slice(&CURSOR_MAGIC);
    slot[4..8].copy_from_slice(&CURSOR_VERSION.to_le_bytes());
    slot[8..16].copy_from_slice(&writes.to_le_bytes());
    slot[16..24].copy_from_slice(&position.part.to_le_bytes());
    slot[24..32].copy_from_slice(&position.offset.to_le_bytes());
    slot[32..36].copy_from_slice(&position.index.to_le_bytes());
    let crc = crc32fast::hash(&slot[..36]);
    slot[36..].copy_from_slice(&crc.to_le_bytes());
    slot
}

fn decode_slot(bytes: &[u8]) -> Option<(u64, SpoolPosition)> {
    let slot = bytes.first_chunk::<SLOT_BYTES>()?;
    let mut input = Input { bytes: &slot[8..] };
    let writes = u64::from_le_bytes(input.array().ok()?);
    let part = u64::from_le_bytes(input.array().ok()?);
    let offset = u64::from_le_bytes(input.array().ok()?);
    let index = u32::from_le_bytes(input.array().ok()?);
    let crc = u32::from_le_bytes(input.array().ok()?);
    let good = slot[..4] == CURSOR_MAGIC
        && slot[4..8] == CURSOR_VERSION.to_le_bytes()
        && crc == crc32fast::hash(&slot[..36]);
    good.then_some((writes, SpoolPosition { part, offset, index }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Fields;
    use crate::name::Name;
    use crate::payload;
    use crate::record::RunId;

    fn record(seq: u64) -> Record {
        let name = || Name::from("x");
        let (pool, key, node, task) = (name(), name(), name(), name());
        Record { pool, key, node, task, run: RunId(1), seq, time: 0, fields: Fields::default() }
    }

    fn records(seqs: std::ops::Range<u64>) -> Vec<Record> {
        seqs.map(record).collect()
    }

    fn seqs(batch: &SpoolBatch) -> Vec<u64> {
        batch.records.iter().map(|record| record.seq).collect()
    }

    fn files(dir: &Path) -> usize {
        Folder::new(dir).list(is_spool).unwrap().len()
    }

    const ALL: usize = usize::MAX;

    #[test]
    fn batches_come_in_order_until_they_are_acknowledged() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(&dir.path().join("new/spool")).unwrap();
        assert_eq!(spool.next_batch(10, ALL).unwrap().records, []);
        spool.append(records(0..7)).unwrap();
        spool.append(records(7..10)).unwrap();
        for _ in 0..2 {
            assert_eq!(seqs(&spool.next_batch(5, ALL).unwrap()), [0, 1, 2, 3, 4]);
        }
        let first = spool.next_batch(5, ALL).unwrap().end;
        let second = spool.batch_after(first, 4, ALL).unwrap();
        assert_eq!(seqs(&second), [5, 6, 7, 8]);
        spool.acknowledge(first).unwrap();
        assert_eq!(seqs(&spool.next_batch(100, ALL).unwrap()), [5, 6, 7, 8, 9]);
        spool.acknowledge(second.end).unwrap();
        spool.acknowledge(first).unwrap();
        let last = spool.next_batch(100, ALL).unwrap();
        assert_eq!(seqs(&last), [9]);
        spool.acknowledge(last.end).unwrap();
        let none = spool.next_batch(100, ALL).unwrap();
        assert_eq!((none.records.len(), none.end), (0, last.end));
    }

    #[test]
    fn batches_are_bounded_in_bytes_but_never_empty() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        spool.append(records(0..5)).unwrap();
        assert_eq!(seqs(&spool.next_batch(0, 0).unwrap()), [0]);
        let payload = payload::encode_payloads(&records(0..1)).unwrap().remove(0);
        let size = PayloadRecords::new(&payload).next().unwrap().unwrap().bytes();
        assert_eq!(seqs(&spool.next_batch(ALL, size * 3).unwrap()), [0, 1, 2]);
    }

    #[test]
    fn it_goes_on_where_it_was_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut next = 0;
        for round in 0..20u64 {
            let spool = Spool::with_file_size(dir.path(), 300).unwrap();
            if round == 0 {
                assert!(matches!(Spool::open(dir.path()), Err(LogPoolError::InUse { .. })));
            }
            for _ in 0..3 {
                spool.append(records(next..next + 4)).unwrap();
                next += 4;
            }
            let batch = spool.next_batch(11, ALL).unwrap();
            assert_eq!(seqs(&batch), (11 * round..11 * round + 11).collect::<Vec<_>>());
            spool.acknowledge(batch.end).unwrap();
        }
        let spool = Spool::open(dir.path()).unwrap();
        let rest = spool.next_batch(ALL, ALL).unwrap();
        assert_eq!(seqs(&rest), (220..240).collect::<Vec<_>>());
        spool.acknowledge(rest.end).unwrap();
        assert_eq!(files(dir.path()), 0, "what is acknowledged is deleted");
        spool.append(records(240..241)).unwrap();
        assert_eq!(seqs(&spool.next_batch(ALL, ALL).unwrap()), [240]);
        drop(spool);
        let spool = Spool::open(dir.path()).unwrap();
        assert_eq!(seqs(&spool.next_batch(ALL, ALL).unwrap()), [240]);
    }

    #[test]
    fn a_large_backlog_is_read_in_windows() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        let large = |seq| Record { task: "t".repeat(1000).into(), ..record(seq) };
        for start in (0..9000).step_by(100) {
            spool.append((start..start + 100).map(large).collect()).unwrap();
        }
        let mut position = SpoolPosition::default();
        let mut found = Vec::new();
        loop {
            let batch = spool.batch_after(position, 700, 100_000).unwrap();
            if batch.records.is_empty() {
                break;
            }
            found.extend(seqs(&batch));
            position = batch.end;
        }
        assert_eq!(found, (0..9000).collect::<Vec<_>>());
        let whole = spool.next_batch(ALL, ALL).unwrap();
        assert_eq!((whole.records.len(), whole.end), (9000, position));
    }

    #[test]
    fn a_position_that_nobody_was_given_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        spool.append(records(0..1)).unwrap();
        let invented = SpoolPosition { part: 9, offset: 0, index: 0 };
        assert!(matches!(spool.acknowledge(invented), Err(LogPoolError::NoSuchPosition { .. })));
        assert_eq!(spool.acknowledged(), SpoolPosition::default());
    }

    #[test]
    fn what_is_not_synced_is_not_handed_out() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        spool.append(records(0..2)).unwrap();
        let name = Folder::new(dir.path()).list(is_spool).unwrap()[0];
        let path = Folder::new(dir.path()).log_path(name);
        let length = std::fs::metadata(&path).unwrap().len();
        // As the file looks between a write and its sync.
        let payload = payload::encode_payloads(&records(2..3)).unwrap().remove(0);
        let crc = crate::frame::payload_crc(&payload);
        let mut frame = crate::frame::frame_header(name.id, length, &payload, crc).to_vec();
        frame.extend_from_slice(&payload);
        OpenOptions::new().write(true).open(&path).unwrap().write_all_at(&frame, length).unwrap();
        assert_eq!(seqs(&spool.next_batch(ALL, ALL).unwrap()), [0, 1]);
        drop(spool);
        let spool = Spool::open(dir.path()).unwrap();
        assert_eq!(seqs(&spool.next_batch(ALL, ALL).unwrap()), [0, 1, 2]);
    }

    #[test]
    fn a_broken_cursor_means_sending_again() {
        let dir = tempfile::tempdir().unwrap();
        let cursor = dir.path().join("spool.cursor");
        let spool = Spool::open(dir.path()).unwrap();
        spool.append(records(0..3)).unwrap();
        for _ in 0..3 {
            spool.acknowledge(spool.next_batch(1, ALL).unwrap().end).unwrap();
        }
        drop(spool);
        assert_eq!(files(dir.path()), 1);
        let bytes = std::fs::read(&cursor).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x20;
            std::fs::write(&cursor, changed).unwrap();
            let (_, position) = CursorFile::open(&cursor).unwrap();
            let count = |batch: SpoolBatch| batch.records.len();
            let copy = open_without_deleting(dir.path());
            let left = count(copy.batch_after(position, ALL, ALL).unwrap());
            assert!(left <= 1, "one slot is whole, whichever is broken; byte {at}: {left}");
        }
        std::fs::write(&cursor, b"nonsense").unwrap();
        let spool = open_without_deleting(dir.path());
        assert_eq!(seqs(&spool.next_batch(ALL, ALL).unwrap()), [0, 1, 2]);
    }

    /// So that the same folder can be opened with one cursor after the other.
    fn open_without_deleting(dir: &Path) -> Spool {
        let folder = Folder::new(dir);
        let held = folder.list(is_spool).unwrap().into_iter().map(|name| {
            let file = folder::open_existing(&folder.log_path(name)).unwrap().unwrap();
            assert!(folder::try_lock(&file, dir).unwrap());
            file
        });
        let _held: Vec<File> = held.collect();
        Spool::open(dir).unwrap()
    }

    #[test]
    fn damage_is_reported_and_the_part_is_kept_aside() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        for seq in 0..3 {
            spool.append(records(seq..seq + 1)).unwrap();
        }
        drop(spool);
        let name = Folder::new(dir.path()).list(is_spool).unwrap()[0];
        let path = Folder::new(dir.path()).log_path(name);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[crate::frame::HEADER_BYTES + 20] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        let batch = spool.next_batch(ALL, ALL).unwrap();
        assert_eq!((seqs(&batch), batch.damage.len()), (vec![1, 2], 1));
        spool.acknowledge(batch.end).unwrap();
        assert!(!path.exists() && dir.path().join("damaged").join(name.file_name()).exists());
    }
}
