//! The append log of one process: records go in on any thread, one thread writes them and syncs once for all
//! that had come by then.
//!
//! Steps of an append: the caller's thread encodes and checks the records; they wait in a bounded queue; the
//! writing thread takes what is there (up to a group's size), writes it with one call, syncs the file, and
//! answers everyone in the group; to wake many takes about as long as a sync, so a second thread does that while the next
//! group is synced. After an error nothing more is written to that file, because what a failed
//! sync left behind is not known: it is cut back to what was acknowledged and given up, and the next group
//! begins a new one. Records of a failed append may therefore still be found; they were never acknowledged, and
//! to append them again stores them once.
//!
//! The writer knows nothing of the database, and nobody tells it that a file of its own was moved: it never
//! goes back to a file that it left.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::thread::{self, JoinHandle, ThreadId};

use crate::error::{LogPoolError, Result};
use crate::folder::{self, Folder, LogKind, LogName};
use crate::frame::{self, FileId, HEADER_BYTES};
use crate::limits::*;
use crate::payload;
use crate::record::Record;

/// The answer to an append: its records are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    pub records: usize,
}

/// Called once: on a thread of the writer, or, for an append that is refused at once, on the caller's.
pub type Done = Box<dyn FnOnce(Result<Ack>) + Send>;

/// The append log of this process in a data folder. Clones share one file, one queue and one thread; dropping
/// the last one waits until everything is on disk.
#[derive(Clone)]
pub struct Writer {
    handle: Arc<Handle>,
}

impl Writer {
    /// Touches nothing on disk until the first append.
    pub fn open(data_dir: &Path) -> Result<Writer> {
        let options = Options { kind: LogKind::Pool, first_part: 1, file_bytes_max: FILE_BYTES_MAX };
        Writer::with_options(Folder::new(data_dir), options)
    }

    pub(crate) fn with_options(folder: Folder, options: Options) -> Result<Writer> {
        let writer = folder::new_writer_id(&folder)?;
        let shared = Shared {
            next: FileId { part: options.first_part, writer },
            folder,
            queue: Mutex::default(),
            work: Condvar::new(),
            room: Condvar::new(),
            answering: OnceLock::new(),
            synced: Mutex::new(Synced { part: options.first_part, bytes: 0 }),
            options,
        };
        Ok(Writer { handle: Arc::new(Handle { shared: Arc::new(shared) }) })
    }

    /// Returns when the records are on disk; waits while the queue is full.
    pub fn append(&self, records: Vec<Record>) -> Result<Ack> {
        let payloads = payload::encode_payloads(&records)?;
        let (sender, receiver) = sync_channel(1);
        let done: Done = Box::new(move |result| drop(sender.send(result)));
        self.shared().enqueue(Job::new(payloads, records.len(), done), true);
        receiver.recv().unwrap_or_else(|_| Err(self.shared().gone()))
    }

    /// Never waits: with a full queue `done` gets `LogPoolError::Busy` at once.
    pub fn append_with(&self, records: Vec<Record>, done: Done) {
        match payload::encode_payloads(&records) {
            Ok(payloads) => self.shared().enqueue(Job::new(payloads, records.len(), done), false),
            Err(error) => done(Err(error)),
        }
    }

    /// Returns when everything that was appended before is on disk or has failed.
    pub fn flush(&self) -> Result<()> {
        if self.shared().queue().thread.is_none() {
            return Ok(());
        }
        self.append(Vec::new()).map(drop)
    }

    /// The part that is being written, or will be next, and how much of it is on disk.
    pub(crate) fn synced(&self) -> Synced {
        *self.shared().synced.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }
}

pub(crate) struct Options {
    pub kind: LogKind,
    pub first_part: u64,
    pub file_bytes_max: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Synced {
    pub part: u64,
    pub bytes: u64,
}

/// What the clones share; the thread holds only what is inside.
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        let thread = {
            let mut queue = self.shared.queue();
            queue.closed = true;
            queue.thread.take()
        };
        self.shared.work.notify_all();
        // The last clone may have been part of a callback, and a thread cannot wait for itself.
        let here = thread::current().id();
        if self.shared.answering.get() != Some(&here)
            && let Some(thread) = thread.filter(|thread| thread.thread().id() != here)
        {
            let _ = thread.join();
        }
    }
}

struct Shared {
    folder: Folder,
    options: Options,
    /// The file that the thread begins with.
    next: FileId,
    queue: Mutex<Queue>,
    work: Condvar,
    room: Condvar,
    /// The thread that answers large groups.
    answering: OnceLock<ThreadId>,
    synced: Mutex<Synced>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    bytes: usize,
    closed: bool,
    /// The thread waits for work; and how many wait for room.
    idle: bool,
    waiting: usize,
    /// The thread has ended though it should not have.
    failed: bool,
    thread: Option<JoinHandle<()>>,
}

struct Job {
    payloads: Vec<(Vec<u8>, u32)>,
    records: usize,
    bytes: usize,
    done: Done,
}

impl Job {
    fn new(payloads: Vec<Vec<u8>>, records: usize, done: Done) -> Job {
        let bytes = payloads.iter().map(|payload| payload.len() + frame::FRAME_HEADER_BYTES).sum();
        let with_crc = |payload: Vec<u8>| {
            let crc = frame::payload_crc(&payload);
            (payload, crc)
        };
        Job { payloads: payloads.into_iter().map(with_crc).collect(), records, bytes, done }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn gone(&self) -> LogPoolError {
        LogPoolError::WriterGone { path: self.folder.root.clone() }
    }

    fn enqueue(self: &Arc<Shared>, job: Job, wait: bool) {
        let mut queue = self.queue();
        while !queue.failed && queue.is_full_for(&job) {
            if !wait {
                drop(queue);
                return (job.done)(Err(LogPoolError::Busy));
            }
            queue.waiting += 1;
            queue = self.room.wait(queue).unwrap_or_else(|poisoned| poisoned.into_inner());
            queue.waiting -= 1;
        }
        let refused = if queue.failed {
            Some(self.gone())
        } else if queue.thread.is_none() {
            self.start_thread(&mut queue).err()
        } else {
            None
        };
        if let Some(error) = refused {
            drop(queue);
            return (job.done)(Err(error));
        }
        queue.bytes += job.bytes;
        queue.jobs.push_back(job);
        // To wake who does not sleep costs as much as to wake who does.
        let idle = std::mem::take(&mut queue.idle);
        drop(queue);
        if idle {
            self.work.notify_one();
        }
    }

    fn start_thread(self: &Arc<Shared>, queue: &mut Queue) -> Result<()> {
        let shared = self.clone();
        let thread = thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || {
                let _guard = FailureGuard(&shared);
                Log::new(&shared).run();
            })
            .map_err(LogPoolError::io("start the log writer of", &self.folder.root))?;
        queue.thread = Some(thread);
        Ok(())
    }

    /// The next group, or `None` when the writer is closed and everything is written.
    fn next_group(&self) -> Option<Vec<Job>> {
        let mut queue = self.queue();
        while queue.jobs.is_empty() {
            if queue.closed {
                return None;
            }
            queue.idle = true;
            queue = self.work.wait(queue).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        queue.idle = false;
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some(job) = queue.jobs.front() {
            if !group.is_empty() && bytes + job.bytes > GROUP_BYTES_MAX {
                break;
            }
            bytes += job.bytes;
            group.extend(queue.jobs.pop_front());
        }
        queue.bytes -= bytes;
        let waiting = queue.waiting;
        drop(queue);
        if waiting > 0 {
            self.room.notify_all();
        }
        Some(group)
    }
}

impl Queue {
    fn is_full_for(&self, job: &Job) -> bool {
        self.jobs.len() >= QUEUE_APPENDS_MAX
            || (!self.jobs.is_empty() && self.bytes + job.bytes > QUEUE_BYTES_MAX)
    }
}

/// Should the thread end by a panic, nobody waits for it for ever.
struct FailureGuard<'a>(&'a Shared);

impl Drop for FailureGuard<'_> {
    fn drop(&mut self) {
        let jobs = {
            let mut queue = self.0.queue();
            queue.failed = true;
            std::mem::take(&mut queue.jobs)
        };
        self.0.room.notify_all();
        for job in jobs {
            answer(job.done, Err(self.0.gone()));
        }
    }
}

/// A panic in a callback is its caller's failure, not that of everyone who writes.
fn answer(done: Done, result: Result<Ack>) {
    let _ = catch_unwind(AssertUnwindSafe(move || done(result)));
}

/// Tells those of a group how it went.
fn answer_all(group: Vec<Job>, result: &Result<()>) {
    for job in group {
        answer(job.done, result.clone().map(|()| Ack { records: job.records }));
    }
}

/// A group and how it went.
type Answered = (Vec<Job>, Result<()>);

/// Answers groups in order: small ones at once, large ones on a thread of its own.
#[derive(Default)]
struct Answers {
    thread: Option<(mpsc::Sender<Answered>, JoinHandle<()>)>,
    /// Groups that the thread has not answered.
    pending: Arc<AtomicUsize>,
}

impl Answers {
    fn give(&mut self, shared: &Shared, group: Vec<Job>, result: Result<()>) {
        // Whoever is answered later was appended later.
        if group.len() <= ANSWERED_AT_ONCE_MAX && self.pending.load(Ordering::Acquire) == 0 {
            return answer_all(group, &result);
        }
        if self.thread.is_none() {
            self.thread = self.start(shared);
        }
        let Some((groups, _)) = &self.thread else { return answer_all(group, &result) };
        self.pending.fetch_add(1, Ordering::AcqRel);
        if let Err(mpsc::SendError((group, result))) = groups.send((group, result)) {
            answer_all(group, &result);
        }
    }

    /// None where there is no room for one more thread.
    fn start(&self, shared: &Shared) -> Option<(mpsc::Sender<Answered>, JoinHandle<()>)> {
        let (sender, groups) = mpsc::channel::<Answered>();
        let pending = self.pending.clone();
        let answer = move || {
            for (group, result) in groups {
                answer_all(group, &result);
                pending.fetch_sub(1, Ordering::AcqRel);
            }
        };
        let thread = thread::Builder::new().name("log-answers".into()).spawn(answer).ok()?;
        let _ = shared.answering.set(thread.thread().id());
        Some((sender, thread))
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        if let Some((groups, thread)) = self.thread.take() {
            drop(groups);
            let _ = thread.join();
        }
    }
}

/// The writing thread's own state.
struct Log<'a> {
    shared: &'a Shared,
    open: Option<OpenLog>,
    next: FileId,
    buffer: Vec<u8>,
}

struct OpenLog {
    file: File,
    id: FileId,
    bytes: u64,
}

impl<'a> Log<'a> {
    fn new(shared: &'a Shared) -> Log<'a> {
        Log { shared, open: None, next: shared.next, buffer: Vec::new() }
    }

    fn run(mut self) {
        let mut answers = Answers::default();
        while let Some(group) = self.shared.next_group() {
            let result = self.commit(&group);
            answers.give(self.shared, group, result);
        }
    }

    fn commit(&mut self, group: &[Job]) -> Result<()> {
        if group.iter().all(|job| job.payloads.is_empty()) {
            return Ok(());
        }
        if self.open.as_ref().is_some_and(|log| log.bytes >= self.shared.options.file_bytes_max) {
            self.close();
        }
        let mut log = match self.open.take() {
            Some(log) => log,
            None => self.create()?,
        };
        self.buffer.clear();
        for (payload, crc) in group.iter().flat_map(|job| &job.payloads) {
            let offset = log.bytes + self.buffer.len() as u64;
            frame::put_frame(&mut self.buffer, log.id, offset, payload, *crc);
        }
        let path = self.path(log.id);
        let written = log
            .file
            .write_all(&self.buffer)
            .map_err(LogPoolError::io("write to", &path))
            .and_then(|()| log.file.sync_data().map_err(LogPoolError::io("sync", &path)));
        match written {
            Ok(()) => {
                log.bytes += self.buffer.len() as u64;
                self.publish(log.id.part, log.bytes);
                self.open = Some(log);
            }
            Err(_) => self.give_up(log),
        }
        self.buffer.shrink_to(GROUP_BYTES_MAX);
        written
    }

    fn create(&mut self) -> Result<OpenLog> {
        let id = self.next;
        self.next.part += 1;
        let made = self.shared.folder.create_log(LogName { id, kind: self.shared.options.kind });
        let file = made.inspect_err(|_| self.publish(self.next.part, 0))?;
        self.publish(id.part, HEADER_BYTES as u64);
        Ok(OpenLog { file, id, bytes: HEADER_BYTES as u64 })
    }

    /// Cuts the file back to what was acknowledged. Should that fail as well, the rest is a torn end, or
    /// records that nobody was promised.
    fn give_up(&mut self, log: OpenLog) {
        if log.bytes == HEADER_BYTES as u64 {
            let _ = folder::remove_file(&self.path(log.id));
        } else {
            let _ = log.file.set_len(log.bytes);
        }
        drop(log);
        self.close();
    }

    fn close(&mut self) {
        self.open = None;
        self.publish(self.next.part, 0);
    }

    fn publish(&self, part: u64, bytes: u64) {
        *self.shared.synced.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Synced { part, bytes };
    }

    fn path(&self, id: FileId) -> std::path::PathBuf {
        self.shared.folder.log_path(LogName { id, kind: self.shared.options.kind })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;
    use crate::query::Query;
    use crate::reader::Reader;
    use crate::record::RunId;

    fn record(run: u128, seq: u64) -> Record {
        let name = || String::from("x");
        let (pool, key, node, task) = (name(), name(), name(), name());
        Record { pool, key, node, task, run: RunId(run), seq, time: 0, fields: Vec::new() }
    }

    fn count(dir: &Path) -> usize {
        Reader::open(dir).query(&Query::default()).unwrap().len()
    }

    #[test]
    fn many_threads_share_one_writer() {
        let dir = tempfile::tempdir().unwrap();
        let writer = Writer::open(dir.path()).unwrap();
        thread::scope(|scope| {
            for run in 0..8 {
                let writer = writer.clone();
                scope.spawn(move || {
                    for seq in 0..50 {
                        assert_eq!(writer.append(vec![record(run, seq)]).unwrap().records, 1);
                    }
                });
            }
        });
        assert_eq!(count(dir.path()), 400);
        assert_eq!(std::fs::read_dir(dir.path().join("log")).unwrap().count(), 1);
    }

    #[test]
    fn answers_come_in_order_and_the_last_one_may_drop_the_writer() {
        let dir = tempfile::tempdir().unwrap();
        let writer = Writer::open(dir.path()).unwrap();
        let (sender, answers) = channel();
        for seq in 0..500 {
            let (sender, kept) = (sender.clone(), writer.clone());
            let done: Done = Box::new(move |result| {
                drop(kept);
                sender.send((seq, result.is_ok())).unwrap();
            });
            writer.append_with(vec![record(1, seq)], done);
        }
        drop((writer, sender));
        assert!(answers.iter().eq((0..500).map(|seq| (seq, true))));
        assert_eq!(count(dir.path()), 500);
    }

    #[test]
    fn a_full_file_is_sealed_and_the_next_one_begun() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path());
        let options = Options { kind: LogKind::Pool, first_part: 1, file_bytes_max: 200 };
        let writer = Writer::with_options(folder.clone(), options).unwrap();
        for seq in 0..20 {
            writer.append(vec![record(1, seq)]).unwrap();
        }
        let names = folder.list(|_| true).unwrap();
        assert!(names.len() > 3);
        let locked = names.iter().filter(|name| {
            let path = folder.log_path(**name);
            !folder::try_lock(&folder::open_existing(&path).unwrap().unwrap(), &path).unwrap()
        });
        assert_eq!(locked.collect::<Vec<_>>(), [names.last().unwrap()]);
        assert_eq!(count(dir.path()), 20);
    }

    #[test]
    fn dropping_and_flushing_wait_for_what_was_appended() {
        let dir = tempfile::tempdir().unwrap();
        let writer = Writer::open(dir.path()).unwrap();
        writer.flush().unwrap();
        assert!(!dir.path().join("log").exists());
        let (sender, answers) = channel();
        let append = |seq| {
            let sender = sender.clone();
            writer.append_with(vec![record(1, seq)], Box::new(move |result| sender.send(result).unwrap()));
        };
        (0..100).for_each(append);
        writer.flush().unwrap();
        assert_eq!(answers.try_iter().filter(Result::is_ok).count(), 100);
        (100..200).for_each(append);
        drop(writer);
        assert_eq!(answers.try_iter().filter(Result::is_ok).count(), 100);
        assert_eq!(count(dir.path()), 200);
    }

    /// Keeps the writing thread busy until the sender is dropped.
    fn block(writer: &Writer) -> std::sync::mpsc::Sender<()> {
        let (release, wait): (_, Receiver<()>) = channel();
        let (started, has_started) = channel();
        let done = move |_| {
            started.send(()).unwrap();
            let _ = wait.recv();
        };
        writer.append_with(vec![record(0, 0)], Box::new(done));
        has_started.recv().unwrap();
        release
    }

    #[test]
    fn a_full_queue_refuses_callbacks_and_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let writer = Writer::open(dir.path()).unwrap();
        let release = block(&writer);
        let (sender, answers) = channel();
        for seq in 0..QUEUE_APPENDS_MAX as u64 + 10 {
            let sender = sender.clone();
            writer.append_with(vec![record(1, seq)], Box::new(move |result| sender.send(result).unwrap()));
        }
        let refused: Vec<_> = answers.try_iter().collect();
        assert_eq!(refused.len(), 10);
        assert!(refused.iter().all(|result| matches!(result, Err(LogPoolError::Busy))));
        drop(release);
        writer.append(vec![record(2, 0)]).unwrap();
        drop(writer);
        assert_eq!(count(dir.path()), QUEUE_APPENDS_MAX + 2);
    }

    #[test]
    fn a_panic_in_a_callback_stops_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let writer = Writer::open(dir.path()).unwrap();
        writer.append_with(vec![record(1, 0)], Box::new(|_| panic!("on purpose")));
        writer.append(vec![record(1, 1)]).unwrap();
        assert_eq!(count(dir.path()), 2);
    }

    #[test]
    fn the_last_clone_may_go_with_a_callback() {
        let dir = tempfile::tempdir().unwrap();
        let writer = Writer::open(dir.path()).unwrap();
        let (sender, answer) = channel();
        let inner = writer.clone();
        let done = move |result: Result<Ack>| {
            drop(inner);
            sender.send(result).unwrap();
        };
        writer.append_with(vec![record(1, 0)], Box::new(done));
        drop(writer);
        assert_eq!(answer.recv().unwrap().unwrap(), Ack { records: 1 });
    }

    #[test]
    fn one_bad_record_refuses_its_append_only() {
        let dir = tempfile::tempdir().unwrap();
        let writer = Writer::open(dir.path()).unwrap();
        let bad = Record { pool: "p".repeat(NAME_BYTES_MAX + 1), ..record(1, 1) };
        let refused = writer.append(vec![record(1, 0), bad]);
        assert!(matches!(refused, Err(LogPoolError::TooLarge { .. })));
        writer.append(vec![record(1, 2)]).unwrap();
        assert_eq!(count(dir.path()), 1);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let writer = Writer::open(&file).unwrap();
        let error = writer.append(vec![record(1, 0)]).unwrap_err().to_string();
        assert!(error.contains(&*file.to_string_lossy()), "{error}");
        std::fs::remove_file(&file).unwrap();
        writer.append(vec![record(1, 0)]).unwrap();
        assert_eq!(count(&file), 1);
    }
}
