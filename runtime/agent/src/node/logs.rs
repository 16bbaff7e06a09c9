//! Log records of this node. Every put goes to two places side by side: the node's own LogPool, where programs
//! find it again, and the spool, from where it goes to the controller; it returns when both have it durably.
//!
//! What the node itself has to say of a run lies in the pool `task` under the run's label, with these fields:
//!
//! ```text
//! kind "line"     text                              one printed line
//! kind "trouble"  text                              what went wrong beside the body, such as in a callback
//! kind "result"   value, ending, reason, duration
//! ```
//!
//! A run's records are numbered in the order of its puts and lines. Its result has a number far above, which is
//! the same whoever writes it, so that a result told twice is one record.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use dscript_host::pool::{
    FindDone, PoolCursor, PoolError, PoolQuery, PoolStats, PoolValue, PoolWatch, Pools, PutDone, TailDone,
    WatchDone,
};
use dscript_logpool::{FieldValue, LogPoolError, Mover, Record, Spool};
use dscript_protocol::message::{Ending, Outcome};
use tokio::sync::Notify;

use crate::pools::{Author, Finder, Place, Places, PoolFolder, Routes, field_values, name_fits, pool_error};

/// The pool of what nodes say of runs.
pub const TASK_POOL: &str = "task";
/// What a line counts besides its text: its record takes from ten bytes of the disk, packed with many like it, to some
/// hundreds, alone.
pub const LINE_BYTES: u64 = 256;
const RESULT_SEQUENCE: u64 = 1 << 63;
/// Lines that wait for the disk; a program that prints faster waits too.
const LINES_WAITING_MAX: usize = 4096;
/// Lines written together at most.
const LINES_TOGETHER_MAX: usize = 512;

/// All pools of the node.
pub struct NodeLogs {
    home: Arc<PoolFolder>,
    pub spool: Spool,
    /// Rung when the spool has grown.
    pub grown: Arc<Notify>,
    finder: Finder,
    places: Places,
    folder: PathBuf,
    lines: mpsc::SyncSender<Record>,
}

impl NodeLogs {
    pub fn open(folder: &Path, routes: Routes) -> Result<Arc<Self>, LogPoolError> {
        let spool = Spool::open(&folder.join("spool"))?;
        let grown = Arc::new(Notify::new());
        let (lines, waiting) = mpsc::sync_channel(LINES_WAITING_MAX);
        let (to, ring) = (spool.clone(), grown.clone());
        std::thread::Builder::new()
            .name("lines".into())
            .spawn(move || keep_lines(&to, &ring, &waiting))
            .map_err(|why| LogPoolError::Io {
                action: "start a thread for",
                path: folder.to_owned(),
                source: Arc::new(why),
            })?;
        let places = Places::new(routes);
        places.resume(folder);
        Ok(Arc::new(Self {
            home: Arc::new(PoolFolder::new(folder.join("pool"))),
            spool,
            grown,
            finder: Finder::default(),
            places,
            folder: folder.to_owned(),
            lines,
        }))
    }

    /// Where a pool lies; one that lies elsewhere is not the controller's business.
    fn place(&self, pool: &str) -> Result<Place, PoolError> {
        let elsewhere = self.places.elsewhere(pool, || Ok(self.folder.clone()))?;
        Ok(elsewhere.unwrap_or_else(|| Place::Folder(self.home.clone())))
    }

    fn put(&self, record: Record, done: PutDone) {
        match self.places.elsewhere(&record.pool, || Ok(self.folder.clone())) {
            Ok(None) => {}
            Ok(Some(place)) => return place.put(record, done),
            Err(why) => return done(Err(why)),
        }
        let both = Both::new(done);
        let (at_home, in_spool) = (both.clone(), both);
        self.home.put(record.clone(), Box::new(move |stored| at_home.one(stored)));
        let ring = self.grown.clone();
        self.spool.append_with(
            vec![record],
            Box::new(move |ack| {
                ring.notify_one();
                in_spool.one(ack.map(|_| ()).map_err(pool_error));
            }),
        );
    }

    /// A printed line or a trouble; waits while too many wait for the disk.
    pub fn text(&self, author: &Author, seq: u64, kind: &str, text: &str) {
        let fields = vec![text_field("kind", kind), text_field("text", text)];
        let _ = self.lines.send(author.record(TASK_POOL, &author.task, seq, fields));
    }

    pub fn result(&self, author: &Author, outcome: &Outcome, started: Option<i64>) {
        let mut fields = vec![
            text_field("kind", "result"),
            ("value".to_owned(), FieldValue::Bool(outcome.ending == Ending::True)),
            text_field("ending", outcome.ending.word()),
        ];
        if !outcome.reason.is_empty() {
            fields.push(text_field("reason", &outcome.reason));
        }
        if let Some(started) = started {
            let duration = outcome.at.saturating_sub(started);
            fields.push(("duration".to_owned(), FieldValue::Duration(duration)));
        }
        let _ = self.lines.send(author.record(TASK_POOL, &author.task, RESULT_SEQUENCE, fields));
    }

    /// Moves what is written into the node's store, now and then; stops nobody.
    pub fn settle(&self) -> Result<(), LogPoolError> {
        if let Some(mut mover) = Mover::try_acquire(self.home.path())? {
            mover.move_once()?;
        }
        Ok(())
    }
}

fn text_field(name: &str, text: &str) -> (String, FieldValue) {
    (name.to_owned(), FieldValue::String(text.to_owned()))
}

/// Writes lines as they come, those that wait together.
fn keep_lines(spool: &Spool, grown: &Notify, waiting: &mpsc::Receiver<Record>) {
    while let Ok(first) = waiting.recv() {
        let mut records = vec![first];
        records.extend(waiting.try_iter().take(LINES_TOGETHER_MAX - 1));
        if let Err(why) = spool.append(records) {
            eprintln!("dsvm: lines of runs could not be kept: {why}");
        }
        grown.notify_one();
    }
}

/// Calls when two things are done, with the first error of the two.
#[derive(Clone)]
struct Both {
    left: Arc<AtomicUsize>,
    state: Arc<Mutex<BothState>>,
}

struct BothState {
    done: Option<PutDone>,
    result: Result<(), PoolError>,
}

impl Both {
    fn new(done: PutDone) -> Self {
        Self {
            left: Arc::new(AtomicUsize::new(2)),
            state: Arc::new(Mutex::new(BothState { done: Some(done), result: Ok(()) })),
        }
    }

    fn one(&self, result: Result<(), PoolError>) {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if state.result.is_ok() {
            state.result = result;
        }
        if self.left.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        let (done, result) = (state.done.take(), state.result.clone());
        drop(state);
        if let Some(done) = done {
            done(result);
        }
    }
}

/// The pools of one run on this node.
pub struct RunPools {
    pub logs: Arc<NodeLogs>,
    pub author: Author,
    pub sequence: Arc<AtomicU64>,
}

impl Pools for RunPools {
    fn open(&self, pool: &str) -> Result<(), PoolError> {
        name_fits(pool)
    }

    fn put(&self, pool: &str, key: &str, fields: Vec<(String, PoolValue)>, done: PutDone) {
        if let Err(why) = name_fits(pool) {
            return done(Err(why));
        }
        let seq = self.sequence.fetch_add(1, Ordering::Relaxed);
        self.logs.put(self.author.record(pool, key, seq, field_values(fields)), done);
    }

    fn find(&self, pool: &str, query: PoolQuery, done: FindDone) {
        match self.logs.place(pool) {
            Ok(place) => place.find(&self.logs.finder, pool, query, done),
            Err(why) => done(Err(why)),
        }
    }

    fn stats(&self, pool: &str, query: PoolQuery, stats: PoolStats, done: FindDone) {
        match self.logs.place(pool) {
            Ok(place) => place.stats(&self.logs.finder, pool, query, stats, done),
            Err(why) => done(Err(why)),
        }
    }

    fn watch(&self, pool: &str, query: PoolQuery, of: Result<PoolWatch, PoolCursor>, done: WatchDone) {
        match self.logs.place(pool) {
            Ok(place) => place.watch(&self.logs.finder, pool, query, of, done),
            Err(why) => done(Err(why)),
        }
    }

    fn tail(&self, pool: &str, query: PoolQuery, cursor: Option<PoolCursor>, done: TailDone) {
        match self.logs.place(pool) {
            Ok(place) => place.tail(&self.logs.finder, pool, query, cursor, done),
            Err(why) => done(Err(why)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pools::pool_trouble;

    #[test]
    fn both_must_be_done() {
        let (sender, receiver) = mpsc::channel();
        let both = Both::new(Box::new(move |result| sender.send(result.is_ok()).unwrap()));
        both.one(Ok(()));
        assert!(receiver.try_recv().is_err());
        both.one(Err(pool_trouble("full")));
        assert_eq!(receiver.try_recv(), Ok(false));
    }
}
