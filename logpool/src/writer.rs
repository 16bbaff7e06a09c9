//! The append log of one process: records go in on any thread, and one sync commits all that had come by then.
//!
//! Steps of an append: the caller's thread encodes and checks the records; if nobody commits at the moment and nothing
//! waits, it writes and syncs them itself; otherwise they join a group in a bounded queue, to be committed together.
//! Whoever has committed a group answers all of it at once, and then offers the log to the next one, so that those
//! who were answered can join it with their next appends (`gather`); one of its callers takes the log. Appends with a
//! callback have no caller that could commit: a thread does that for them, and for whatever else waits until nothing does.
//!
//! After an error the file is given up (see `commit`), and the next group begins a new one. Records of a failed
//! append may still be found; they were never acknowledged, and to append them again stores them once.
//!
//! The writer knows nothing of the database, and nobody tells it that a file of its own was moved: it never
//! goes back to a file that it left.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::commit::{CommitLog, Options, Payload, Synced};
use crate::error::{LogPoolError, Result};
use crate::folder::{self, Folder, LogKind};
use crate::limits::*;
use crate::payload;
use crate::record::Record;

/// The answer to an append: its records are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    pub records: usize,
}

/// Called once: on the thread of the writer, or, for an append that is refused at once, on the caller's.
pub type Done = Box<dyn FnOnce(Result<Ack>) + Send>;

/// The append log of this process in a data folder. Clones share one file and one queue; dropping the last one
/// waits until everything is on disk.
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
        let log = CommitLog::new(folder.clone(), writer, options);
        let shared = Shared {
            folder,
            synced: log.synced(),
            queue: Mutex::new(Queue { log: Some(log), ..Queue::default() }),
            work: Condvar::new(),
            room: Condvar::new(),
            unmoved: Mutex::new(0),
            worth: Condvar::new(),
        };
        Ok(Writer { handle: Arc::new(Handle { shared: Arc::new(shared) }) })
    }

    /// Returns when the records are on disk; waits while the queue is full.
    pub fn append(&self, mut records: Vec<Record>) -> Result<Ack> {
        let job = Job::new(payload::encode_payloads(&mut records)?, records.len());
        let count = records.len();
        drop(records);
        self.shared().append(job).map(|()| Ack { records: count })
    }

    /// Never waits: with a full queue `done` gets `LogPoolError::Busy` at once.
    pub fn append_with(&self, mut records: Vec<Record>, done: Done) {
        match payload::encode_payloads(&mut records) {
            Ok(payloads) => self.shared().append_with(Job::new(payloads, records.len()), done),
            Err(error) => done(Err(error)),
        }
    }

    /// Returns when everything that was appended before is on disk or has failed.
    pub fn flush(&self) -> Result<()> {
        self.append(Vec::new()).map(drop)
    }

    /// For a mover in the same process: returns when this writer has put as much on disk since the last call as is worth
    /// a move, and after so long in any case, because others may have.
    pub fn wait_until_worth(&self, at_most: Duration) {
        let shared = self.shared();
        let unmoved = lock(&shared.unmoved);
        let waited = shared.worth.wait_timeout_while(unmoved, at_most, |bytes| *bytes < MOVE_BYTES_MIN);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = 0;
    }

    /// The part that is being written, or will be next, and how much of it is on disk.
    pub(crate) fn synced(&self) -> Synced {
        *lock(&self.shared().synced)
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }
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
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != here) {
            let _ = thread.join();
        }
    }
}

struct Shared {
    folder: Folder,
    queue: Mutex<Queue>,
    work: Condvar,
    room: Condvar,
    synced: Arc<Mutex<Synced>>,
    /// Bytes on disk since `wait_until_worth` returned last, and its signal.
    unmoved: Mutex<u64>,
    worth: Condvar,
}

#[derive(Default)]
struct Queue {
    groups: VecDeque<Group>,
    /// Of all groups.
    appends: usize,
    bytes: usize,
    /// While nobody commits. If there are groups as well, the thread was woken to commit them.
    log: Option<CommitLog>,
    closed: bool,
    /// The thread waits for work; and how many wait for room.
    idle: bool,
    waiting: usize,
    /// Whoever committed ended though it should not have, and the log went with it.
    failed: bool,
    /// Started with the first callback.
    thread: Option<JoinHandle<()>>,
}

/// What one sync commits.
#[derive(Default)]
struct Group {
    payloads: Vec<Payload>,
    appends: usize,
    bytes: usize,
    /// In the order in which they came. A group that has any is committed by the thread.
    calls: Vec<Call>,
    turn: Arc<Turn>,
}

/// A callback and how many records it is about.
struct Call {
    done: Done,
    records: usize,
}

impl Call {
    /// A panic in a callback is its caller's failure, not that of everyone who writes.
    fn answer(self, result: Result<()>) {
        let Call { done, records } = self;
        let result = result.map(|()| Ack { records });
        let _ = catch_unwind(AssertUnwindSafe(move || done(result)));
    }
}

impl Group {
    /// Those that wait come last: a flush is about all that was appended before.
    fn answer(self, result: Result<()>) {
        self.calls.into_iter().for_each(|call| call.answer(result.clone()));
        self.turn.end(result);
    }
}

/// What the callers of a group wait for.
#[derive(Default)]
struct Turn {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
enum State {
    #[default]
    Waiting,
    /// The group is the first in the queue, and any of its callers may commit it.
    Offered(CommitLog),
    /// Its commit is under way.
    Taken,
    Ended(Result<()>),
}

impl Turn {
    fn offer(&self, log: CommitLog) {
        *lock(&self.state) = State::Offered(log);
        self.changed.notify_one();
    }

    fn end(&self, result: Result<()>) {
        *lock(&self.state) = State::Ended(result);
        self.changed.notify_all();
    }

    fn wait(&self) -> Told {
        let mut state = lock(&self.state);
        loop {
            match std::mem::replace(&mut *state, State::Taken) {
                State::Offered(log) => return Told::Commit(log),
                State::Ended(result) => {
                    *state = State::Ended(result.clone());
                    return Told::Ended(result);
                }
                waiting => *state = waiting,
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

enum Told {
    /// To one of the callers.
    Commit(CommitLog),
    Ended(Result<()>),
}

/// An append that was checked and encoded.
struct Job {
    payloads: Vec<Payload>,
    records: usize,
    bytes: usize,
}

impl Job {
    fn new(payloads: Vec<Vec<u8>>, records: usize) -> Job {
        let payloads: Vec<Payload> = payloads.into_iter().map(Payload::new).collect();
        let bytes = payloads.iter().map(|payload| payload.frame_bytes()).sum();
        Job { payloads, records, bytes }
    }
}

impl Queue {
    fn is_full_for(&self, job: &Job) -> bool {
        self.appends >= QUEUE_APPENDS_MAX || (self.appends > 0 && self.bytes + job.bytes > QUEUE_BYTES_MAX)
    }

    /// Puts an append into the last group, or into one behind it. A group that callers wait for alone may be
    /// committed by one of them at any time, so no callback joins it.
    fn push(&mut self, job: Job, done: Option<Done>) -> &Group {
        let fits = |group: &Group| {
            group.bytes + job.bytes <= GROUP_BYTES_MAX && (done.is_none() || !group.calls.is_empty())
        };
        if !self.groups.back().is_some_and(fits) {
            self.groups.push_back(Group::default());
        }
        self.appends += 1;
        self.bytes += job.bytes;
        let last = self.groups.len() - 1;
        let group = &mut self.groups[last];
        group.appends += 1;
        group.bytes += job.bytes;
        group.payloads.extend(job.payloads);
        group.calls.extend(done.map(|done| Call { done, records: job.records }));
        group
    }

    fn pop(&mut self) -> Option<Group> {
        let group = self.groups.pop_front()?;
        self.appends -= group.appends;
        self.bytes -= group.bytes;
        Some(group)
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    fn gone(&self) -> LogPoolError {
        LogPoolError::WriterGone { path: self.folder.root.clone() }
    }

    fn append(&self, job: Job) -> Result<()> {
        let mut queue = self.queue();
        while !queue.failed && queue.is_full_for(&job) {
            queue.waiting += 1;
            queue = self.room.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.waiting -= 1;
        }
        if queue.failed {
            return Err(self.gone());
        }
        if queue.groups.is_empty()
            && let Some(mut log) = queue.log.take()
        {
            drop(queue);
            let result = self.commit(&mut log, &job.payloads, None);
            self.hand_over(log);
            return result;
        }
        let turn = queue.push(job, None).turn.clone();
        self.wake_thread(queue);
        match turn.wait() {
            Told::Commit(log) => self.lead(log),
            Told::Ended(result) => result,
        }
    }

    fn append_with(self: &Arc<Shared>, job: Job, done: Done) {
        let mut queue = self.queue();
        let refused = if queue.failed {
            Some(self.gone())
        } else if queue.is_full_for(&job) {
            Some(LogPoolError::Busy)
        } else if queue.thread.is_none() {
            self.start_thread(&mut queue).err()
        } else {
            None
        };
        match refused {
            Some(error) => {
                drop(queue);
                Call { done, records: 0 }.answer(Err(error));
            }
            None => {
                queue.push(job, Some(done));
                self.wake_thread(queue);
            }
        }
    }

    /// If the log is there for it. To wake who does not sleep costs as much as to wake who does.
    fn wake_thread(&self, mut queue: MutexGuard<Queue>) {
        let wake = queue.log.is_some() && std::mem::take(&mut queue.idle);
        drop(queue);
        if wake {
            self.work.notify_one();
        }
    }

    /// Commits the first group, which the caller is of.
    fn lead(&self, mut log: CommitLog) -> Result<()> {
        self.gather();
        let Some(group) = self.next_group(self.queue()) else { return Err(self.gone()) };
        let result = self.commit(&mut log, &group.payloads, Some(&group.turn));
        group.answer(result.clone());
        self.hand_over(log);
        result
    }

    /// Lets those that were answered with the last group come with their next appends, as long as they do: where there
    /// are few processors, a sync for each half of them takes longer than one for all. It ends when nobody comes, or
    /// with as many bytes as a group may have.
    fn gather(&self) {
        let first_group = || self.queue().groups.front().map(|group| group.appends);
        let mut before = first_group();
        loop {
            thread::yield_now();
            let now = first_group();
            if now == before {
                return;
            }
            before = now;
        }
    }

    /// Gives the log to the group that waits, if there is one.
    fn hand_over(&self, log: CommitLog) {
        let mut queue = self.queue();
        match queue.groups.front() {
            Some(group) if group.calls.is_empty() => {
                let turn = group.turn.clone();
                drop(queue);
                turn.offer(log);
            }
            Some(_) => {
                queue.log = Some(log);
                self.wake_thread(queue);
            }
            None => queue.log = Some(log),
        }
    }

    fn start_thread(self: &Arc<Shared>, queue: &mut Queue) -> Result<()> {
        let shared = self.clone();
        let thread = thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || shared.commit_all())
            .map_err(LogPoolError::io("start the log writer of", &self.folder.root))?;
        queue.thread = Some(thread);
        Ok(())
    }

    /// The thread: commits whatever waits while nobody else does, until the writer is closed.
    fn commit_all(&self) {
        let mut queue = self.queue();
        while !(queue.closed && queue.groups.is_empty()) {
            let log = if queue.groups.is_empty() { None } else { queue.log.take() };
            let Some(mut log) = log else {
                queue.idle = true;
                queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            queue.idle = false;
            drop(queue);
            self.gather();
            while let Some(group) = self.next_group(self.queue()) {
                let result = self.commit(&mut log, &group.payloads, Some(&group.turn));
                group.answer(result);
                self.gather();
            }
            queue = self.queue();
            queue.log = Some(log);
        }
    }

    fn next_group(&self, mut queue: MutexGuard<Queue>) -> Option<Group> {
        let group = queue.pop();
        let waiting = queue.waiting;
        drop(queue);
        if waiting > 0 {
            self.room.notify_all();
        }
        group
    }

    fn commit(&self, log: &mut CommitLog, payloads: &[Payload], turn: Option<&Arc<Turn>>) -> Result<()> {
        let guard = FailureGuard { shared: self, turn };
        let result = log.commit(payloads);
        std::mem::forget(guard);
        if result.is_ok() {
            let mut unmoved = lock(&self.unmoved);
            *unmoved += payloads.iter().map(Payload::frame_bytes).sum::<usize>() as u64;
            if *unmoved >= MOVE_BYTES_MIN {
                self.worth.notify_one();
            }
        }
        result
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Should a commit end by a panic, nobody waits for it for ever.
struct FailureGuard<'a> {
    shared: &'a Shared,
    turn: Option<&'a Arc<Turn>>,
}

impl Drop for FailureGuard<'_> {
    fn drop(&mut self) {
        let groups = {
            let mut queue = self.shared.queue();
            queue.failed = true;
            std::mem::take(&mut queue.groups)
        };
        self.shared.room.notify_all();
        let gone = || Err(self.shared.gone());
        self.turn.into_iter().for_each(|turn| turn.end(gone()));
        groups.into_iter().for_each(|group| group.answer(gone()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;
    use crate::fields::Fields;
    use crate::name::Name;
    use crate::query::Query;
    use crate::reader::Reader;
    use crate::record::RunId;

    fn record(run: u128, seq: u64) -> Record {
        let name = || Name::from("x");
        let (pool, key, node, task) = (name(), name(), name(), name());
        Record { pool, key, node, task, run: RunId(run), seq, time: 0, fields: Fields::default() }
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
    fn callers_alone_need_no_thread() {
        let dir = tempfile::tempdir().unwrap();
        let writer = Writer::open(dir.path()).unwrap();
        writer.append(vec![record(1, 0)]).unwrap();
        writer.flush().unwrap();
        assert!(writer.shared().queue().thread.is_none());
    }

    #[test]
    fn callers_and_callbacks_are_answered_in_turn() {
        let dir = tempfile::tempdir().unwrap();
        let writer = Writer::open(dir.path()).unwrap();
        thread::scope(|scope| {
            for run in 0..6 {
                let writer = writer.clone();
                scope.spawn(move || {
                    let (sender, answers) = channel();
                    for seq in (0..100).step_by(2) {
                        // Half of the threads come with callbacks now and then only.
                        if run % 2 == 0 || seq % 16 == 0 {
                            let sender = sender.clone();
                            let done: Done = Box::new(move |result| sender.send(result).unwrap());
                            writer.append_with(vec![record(run, seq)], done);
                        } else {
                            writer.append(vec![record(run, seq)]).unwrap();
                            sender.send(Ok(Ack { records: 1 })).unwrap();
                        }
                        writer.append(vec![record(run, seq + 1)]).unwrap();
                        assert_eq!(answers.try_recv().unwrap().unwrap(), Ack { records: 1 });
                    }
                });
            }
        });
        assert_eq!(count(dir.path()), 600);
    }

    #[test]
    fn a_commit_that_panics_leaves_nobody_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let writer = Writer::open(dir.path()).unwrap();
        let log = writer.shared().queue().log.take().unwrap();
        thread::scope(|scope| {
            let append = |seq| {
                let writer = writer.clone();
                scope.spawn(move || writer.append(vec![record(1, seq)]))
            };
            let appends = |wanted| while writer.shared().queue().appends < wanted {};
            let first = append(0);
            appends(1);
            let taken = writer.shared().next_group(writer.shared().queue()).unwrap();
            let second = append(1);
            appends(1);
            drop((log, FailureGuard { shared: writer.shared(), turn: Some(&taken.turn) }));
            for append in [first, second] {
                assert!(matches!(append.join().unwrap(), Err(LogPoolError::WriterGone { .. })));
            }
        });
        assert!(matches!(writer.append(vec![record(1, 2)]), Err(LogPoolError::WriterGone { .. })));
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
    fn whoever_moves_is_told_when_it_is_worth_it() {
        let dir = tempfile::tempdir().unwrap();
        let writer = Writer::open(dir.path()).unwrap();
        let bulky = |seq| {
            let text = crate::record::FieldValue::Bytes(vec![1; 1 << 19]);
            vec![Record { fields: [("text", text)].into(), ..record(1, seq) }]
        };
        thread::scope(|scope| {
            // It would wait for an hour, or for too little.
            let waiter = scope.spawn(|| {
                writer.wait_until_worth(Duration::from_secs(3600));
                Reader::open(dir.path()).query(&Query::default()).unwrap().len()
            });
            for seq in 0..8 {
                writer.append(bulky(seq)).unwrap();
            }
            assert_eq!(waiter.join().unwrap(), 8);
        });
        writer.append(bulky(8)).unwrap();
        writer.wait_until_worth(Duration::from_millis(1));
        assert_eq!(*lock(&writer.shared().unmoved), 0);
    }

    #[test]
    fn one_bad_record_refuses_its_append_only() {
        let dir = tempfile::tempdir().unwrap();
        let writer = Writer::open(dir.path()).unwrap();
        let bad = Record { pool: "p".repeat(NAME_BYTES_MAX + 1).into(), ..record(1, 1) };
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
