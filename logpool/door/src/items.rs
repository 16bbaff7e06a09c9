//! Items: what clients store under a key. One thread makes the changes, and all that wait together durable together.
//!
//! Steps of a group of changes: each sees the items as the ones before it left them; the group goes to the log of changes,
//! which syncs once; then the changes become visible, and are answered. When the log has grown, or at rest, a
//! thread of its own puts what is in it into the table, and it is deleted. After a crash the logs are read again.

use std::collections::hash_map::Entry;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::task::{Context, Poll};
use std::thread::JoinHandle;

use nix::sys::statvfs::statvfs;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use crate::accesses::Accesses;
use crate::changes::{self, After, ChangeLog, Frame};
use crate::counters::{Count, Counters};
use crate::item::{Item, now};
use crate::limits::*;
use crate::table::{Changes, Grown, Marks, Table};

/// The items of a data folder; clones share them.
#[derive(Clone)]
pub struct Items {
    table: Arc<Table>,
    jobs: SyncSender<Job>,
    about: Arc<About>,
    home: Option<Home>,
}

/// What is known besides the items, and in memory only.
struct About {
    counters: Counters,
    accesses: Accesses,
    dir: PathBuf,
}

/// A change that is to be made, and where its end is told; without a place for that it is told by the writer.
struct Job {
    work: Work,
    home: Option<Home>,
}

/// Does its change, and gives what is to be done when it is durable, or why it is not.
type Work = Box<dyn FnOnce(&mut Change) -> Finish + Send>;
type Finish = Box<dyn FnOnce(Result<(), &str>) + Send>;

/// A thread that tells its own tasks: it is woken once for all changes of a group, and not for each.
pub type Home = UnboundedSender<Ended>;

/// Changes of a group that are durable, or are not.
pub struct Ended {
    finish: Vec<Finish>,
    result: Arc<Result<(), String>>,
}

impl Ended {
    pub fn tell(self) {
        let result = self.result.as_ref().as_ref().copied().map_err(String::as_str);
        self.finish.into_iter().for_each(|finish| finish(result));
    }
}

/// The items as a change sees them, and what the group it belongs to has changed.
pub struct Change<'t> {
    table: &'t Table,
    about: &'t About,
    changes: Changes,
    cas: u64,
    flush: i64,
    /// Later with each change, so that they have an order within a group.
    now: i64,
    grown: Grown,
}

impl Change<'_> {
    pub fn get(&self, key: &[u8]) -> Result<Option<Item>, redb::Error> {
        self.see(key, Item::decode)
    }

    /// An item without its data.
    pub fn get_head(&self, key: &[u8]) -> Result<Option<Item>, redb::Error> {
        self.see(key, |bytes| Item::decode_head(bytes).map(|(head, _)| head))
    }

    fn see(
        &self,
        key: &[u8],
        decode: impl FnOnce(&[u8]) -> Option<Item>,
    ) -> Result<Option<Item>, redb::Error> {
        let item = match self.changes.get(key) {
            Some(item) => item.as_deref().and_then(decode),
            None => self.table.find(key, |item, _| item.and_then(decode))?,
        };
        Ok(item.filter(|item| item.is_there(self.now, self.flush)))
    }

    /// Stores it with a cas, a new one where none is given, and gives that.
    pub fn put(&mut self, key: &[u8], item: Item, cas: Option<u64>) -> Result<u64, redb::Error> {
        self.now += 1;
        let cas = cas.unwrap_or(self.cas + 1);
        let item = Item { cas, stored: self.now, ..item };
        self.set(key, Some(item.encode()))?;
        self.cas += 1;
        self.about.counters.count(Count::TotalItems);
        Ok(cas)
    }

    /// Changes what is no new item: when it expires, and its marks.
    pub fn amend(&mut self, key: &[u8], item: &Item) -> Result<(), redb::Error> {
        self.set(key, Some(item.encode()))
    }

    /// As `amend`, and gives it another cas.
    pub fn renew_cas(&mut self, key: &[u8], item: Item, cas: Option<u64>) -> Result<(), redb::Error> {
        self.cas += 1;
        let cas = cas.unwrap_or(self.cas);
        self.about.accesses.carry(key, item.cas, cas);
        self.amend(key, &Item { cas, ..item })
    }

    pub fn remove(&mut self, key: &[u8]) -> Result<(), redb::Error> {
        self.set(key, None)
    }

    fn set(&mut self, key: &[u8], item: Option<Vec<u8>>) -> Result<(), redb::Error> {
        let before = match self.changes.get(key) {
            Some(item) => item.as_ref().map(Vec::len),
            None => self.table.find(key, |item, _| item.map(<[u8]>::len))?,
        };
        self.grown.count(key, before, item.as_ref().map(Vec::len));
        match self.changes.entry(key.to_vec()) {
            Entry::Occupied(mut known) => drop(known.insert(item)),
            Entry::Vacant(new) => drop(new.insert(item)),
        }
        Ok(())
    }

    pub fn counters(&self) -> &Counters {
        &self.about.counters
    }

    pub fn accesses(&self) -> &Accesses {
        &self.about.accesses
    }

    /// Everything stored before that moment is gone from then on.
    pub fn flush(&mut self, after_ns: i64) {
        self.now += 1;
        self.flush = self.now.saturating_add(after_ns);
    }
}

impl Items {
    /// Opens or makes the items of the folder, which only one process does at a time.
    pub fn open(data: &Path) -> Result<Items, String> {
        Items::open_to_settle(data, SETTLE_BYTES)
    }

    /// What is in logs goes into the table after so many bytes.
    fn open_to_settle(data: &Path, settle_bytes: u64) -> Result<Items, String> {
        std::fs::create_dir_all(data).map_err(|why| format!("cannot make {}: {why}", data.display()))?;
        let path = data.join("items.redb");
        let failed = |why: &dyn std::fmt::Display| format!("cannot open {}: {why}", path.display());
        let (table, Marks { mut cas, mut flush, log, .. }) =
            Table::open(&path).map_err(|why| failed(&why))?;
        let replayed = changes::replay(data, log, |frame| {
            let mut after = frame.after;
            (cas, flush) = (after.cas, after.flush);
            let changes: Changes =
                frame.map(|(key, item)| (key.to_vec(), item.map(<[u8]>::to_vec))).collect();
            if after.bytes.is_none() {
                let mut grown = Grown::default();
                for (key, item) in &changes {
                    let before =
                        table.find(key, |item, _| item.map(<[u8]>::len)).map_err(io::Error::other)?;
                    grown.count(key, before, item.as_ref().map(Vec::len));
                }
                after.bytes = Some(table.extent().1.saturating_add_signed(grown.bytes));
            }
            table.publish(changes, after);
            Ok(())
        });
        let (next, unsettled) = replayed.map_err(|why| failed(&why))?;
        let table = Arc::new(table);
        let (jobs, waiting) = sync_channel(QUEUE_MAX);
        let about =
            Arc::new(About { counters: Counters::new(), accesses: Accesses::new(), dir: data.to_path_buf() });
        let writer = Writer {
            table: table.clone(),
            about: about.clone(),
            log: None,
            next,
            cas,
            flush,
            unsettled,
            settle_bytes,
            settling: None,
            swept: Vec::new(),
        };
        std::thread::Builder::new()
            .name("items".into())
            .spawn(move || writer.run(&waiting))
            .map_err(|why| failed(&why))?;
        Ok(Items { table, jobs, about, home: None })
    }

    /// The same items for a thread that tells the ends of its changes itself.
    pub fn at(&self, home: Home) -> Items {
        Items { home: Some(home), ..self.clone() }
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Item>, String> {
        let (found, flush) = self
            .table
            .find(key, |item, flush| (item.and_then(Item::decode), flush))
            .map_err(|why| why.to_string())?;
        let (Some(item), now) = (found, now()) else { return Ok(None) };
        if item.is_there(now, flush) {
            return Ok(Some(item));
        }
        let flushed = item.is_flushed(now, flush);
        self.counters().count_either(flushed, Count::GetFlushed, Count::GetExpired);
        Ok(None)
    }

    pub fn counters(&self) -> &Counters {
        &self.about.counters
    }

    pub fn accesses(&self) -> &Accesses {
        &self.about.accesses
    }

    /// How many items there are, those included whose time is up and that have not gone yet.
    pub fn count(&self) -> u64 {
        self.table.extent().0
    }

    /// What they take in the table, keys included.
    pub fn bytes(&self) -> u64 {
        self.table.extent().1
    }

    /// What they may take: what they do, and what is free where they lie.
    pub fn bytes_max(&self) -> u64 {
        let free = statvfs(&self.about.dir).map_or(0, |disk| disk.blocks_available() * disk.fragment_size());
        self.bytes().saturating_add(free)
    }

    /// Hands over a change; changes happen one after the other, in the order in which they are handed over. What it gives is
    /// there when it is durable.
    pub async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Change) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<Pending<T>, String> {
        let (sender, done) = oneshot::channel();
        let work: Work = Box::new(move |change| {
            let result = work(change);
            Box::new(move |committed| {
                let result = match (committed, result) {
                    (Ok(()), Ok(value)) => Ok(value),
                    (Err(why), _) => Err(why.to_owned()),
                    (_, Err(why)) => Err(why.to_string()),
                };
                let _ = sender.send(result);
            })
        });
        let mut job = Job { work, home: self.home.clone() };
        loop {
            job = match self.jobs.try_send(job) {
                Ok(()) => break,
                Err(TrySendError::Full(job)) => job,
                Err(TrySendError::Disconnected(_)) => return Err(WRITER_GONE.into()),
            };
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        Ok(Pending(done))
    }
}

const WRITER_GONE: &str = "the writer of items is gone";

/// A change that was handed over: a future of what it gives, or why it is not durable.
pub struct Pending<T>(oneshot::Receiver<Result<T, String>>);

impl<T> Future for Pending<T> {
    type Output = Result<T, String>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let done = Pin::new(&mut self.0).poll(context);
        done.map(|done| done.unwrap_or_else(|_| Err(WRITER_GONE.into())))
    }
}

/// What the thread that makes the changes has.
struct Writer {
    table: Arc<Table>,
    about: Arc<About>,
    /// None before the first change and after a failure.
    log: Option<ChangeLog>,
    /// The next generation of the log.
    next: u64,
    cas: u64,
    flush: i64,
    /// Bytes of changes that have not begun to go into the table.
    unsettled: u64,
    settle_bytes: u64,
    settling: Option<JoinHandle<Result<(), String>>>,
    /// The key that the next sweep begins behind.
    swept: Vec<u8>,
}

impl Writer {
    fn run(mut self, waiting: &Receiver<Job>) {
        loop {
            match waiting.recv_timeout(SWEEP_EVERY) {
                Ok(first) => {
                    // Who is just about to hand one over takes part in the sync.
                    std::thread::yield_now();
                    let mut jobs = vec![first];
                    jobs.extend(waiting.try_iter().take(GROUP_MAX - 1));
                    self.commit(jobs);
                    if self.unsettled >= self.settle_bytes {
                        // A failure is told to whom it keeps from changing something.
                        let _ = self.settle(false);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.sweep();
                    // A full disk is met again by the next change.
                    let _ = self.settle(false);
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let _ = self.settled();
    }

    fn commit(&mut self, jobs: Vec<Job>) {
        let mut finish = Vec::with_capacity(jobs.len());
        let result = Arc::new(self.try_commit(jobs, &mut finish));
        let mut homes: Vec<(Option<Home>, Vec<Finish>)> = Vec::new();
        for (home, finish) in finish {
            let same = |known: &Option<Home>| match (known, &home) {
                (Some(known), Some(home)) => known.same_channel(home),
                (known, home) => known.is_none() && home.is_none(),
            };
            match homes.iter_mut().find(|(known, _)| same(known)) {
                Some((_, all)) => all.push(finish),
                None => homes.push((home, vec![finish])),
            }
        }
        for (home, finish) in homes {
            let ended = Ended { finish, result: result.clone() };
            match home {
                // Nobody waits where the thread has gone.
                Some(home) => drop(home.send(ended)),
                None => ended.tell(),
            }
        }
    }

    fn try_commit(&mut self, jobs: Vec<Job>, finish: &mut Vec<(Option<Home>, Finish)>) -> Result<(), String> {
        let mut change = Change {
            table: &self.table,
            about: &self.about,
            changes: Changes::new(),
            cas: self.cas,
            flush: self.flush,
            now: now(),
            grown: Grown::default(),
        };
        for Job { work, home } in jobs {
            finish.push((home, work(&mut change)));
        }
        let Change { changes, cas, flush, grown, .. } = change;
        if changes.is_empty() && flush == self.flush {
            return Ok(());
        }
        if self.unsettled >= UNSETTLED_BYTES_MAX {
            self.settle(true)?;
        }
        let mut frame = Frame::new();
        changes.iter().for_each(|(key, item)| frame.push(key, item.as_deref()));
        let mut log = match self.log.take() {
            Some(log) => log,
            None => self.begin_log()?,
        };
        let (count, bytes) = self.table.extent();
        let (count, bytes) =
            (count.saturating_add_signed(grown.items), bytes.saturating_add_signed(grown.bytes));
        let after = After { cas, flush, count, bytes: Some(bytes) };
        self.unsettled += log.append(frame, after).map_err(|why| format!("cannot log a change: {why}"))?;
        self.about.counters.count(Count::Syncs);
        self.log = Some(log);
        (self.cas, self.flush) = (cas, flush);
        self.table.publish(changes, after);
        Ok(())
    }

    fn begin_log(&mut self) -> Result<ChangeLog, String> {
        let log = ChangeLog::create(&self.about.dir, self.next);
        let log = log
            .map_err(|why| format!("cannot make a log of changes in {}: {why}", self.about.dir.display()))?;
        self.next += 1;
        Ok(log)
    }

    /// Lets what is in the logs go into the table, and waits for the changes before these, or for all.
    fn settle(&mut self, wait: bool) -> Result<(), String> {
        if self.settling.as_ref().is_some_and(|settling| !wait && !settling.is_finished()) {
            return Ok(());
        }
        self.settled()?;
        if self.table.is_settled() && self.unsettled == 0 {
            return Ok(());
        }
        // What failed before goes first.
        if !self.table.is_settling() {
            self.log = None;
            self.table.begin_settling(Marks {
                cas: self.cas,
                flush: self.flush,
                log: self.next,
                bytes: Some(self.table.extent().1),
            });
            self.unsettled = 0;
        }
        let (table, dir) = (self.table.clone(), self.about.dir.clone());
        let settling = std::thread::Builder::new().name("settle".into()).spawn(move || {
            let first = table.settle().map_err(|why| why.to_string())?;
            // They are read again, to no effect, when the items are opened.
            let _ = changes::forget(&dir, first);
            Ok(())
        });
        self.settling = Some(settling.map_err(|why| format!("cannot start a thread: {why}"))?);
        if wait { self.settled() } else { Ok(()) }
    }

    /// Waits for the changes that are going into the table.
    fn settled(&mut self) -> Result<(), String> {
        match self.settling.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(settled) => {
                settled.unwrap_or_else(|_| Err("the thread that writes items has failed".into()))
            }
        }
    }

    /// Removes some of the items whose time is up.
    fn sweep(&mut self) {
        let now = now();
        let mut gone = Vec::new();
        let next = self.table.some(&self.swept, SWEEP_ITEMS, |key, item, flush| {
            if Item::decode_head(item).is_none_or(|(item, _)| !item.is_there(now, flush)) {
                gone.push(key.to_vec());
            }
        });
        self.swept = next.ok().flatten().unwrap_or_default();
        if gone.is_empty() {
            return;
        }
        let work: Work = Box::new(move |change| {
            let result = gone.iter().try_for_each(|key| match change.get_head(key)? {
                // Stored again in the meantime.
                Some(_) => Ok(()),
                None => change.remove(key),
            });
            Box::new(move |_| drop(result))
        });
        self.commit(vec![Job { work, home: None }]);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use redb::Database;

    use super::*;

    /// Makes a change, and waits until it is durable.
    async fn change<T: Send + 'static>(
        items: &Items,
        work: impl FnOnce(&mut Change) -> Result<T, redb::Error> + Send + 'static,
    ) -> T {
        items.change(work).await.unwrap().await.unwrap()
    }

    /// What a crash would leave now.
    fn copy(data: &Path, items: &Items) -> tempfile::TempDir {
        let names = || -> std::collections::BTreeSet<_> {
            std::fs::read_dir(data).unwrap().flatten().map(|entry| entry.file_name()).collect()
        };
        loop {
            // A file that is copied while it is written is none that ever was.
            while items.table.is_settling() {
                std::thread::sleep(SWEEP_EVERY / 100);
            }
            let (copy, before) = (tempfile::tempdir().unwrap(), names());
            let copied =
                before.iter().all(|name| std::fs::copy(data.join(name), copy.path().join(name)).is_ok());
            if copied && !items.table.is_settling() && names() == before {
                return copy;
            }
        }
    }

    /// Whether the table is walked through when it is opened.
    fn needs_repair(data: &Path) -> bool {
        let walked = Arc::new(AtomicBool::new(false));
        let seen = walked.clone();
        Database::builder()
            .set_repair_callback(move |_| seen.store(true, Ordering::SeqCst))
            .open(data.join("items.redb"))
            .unwrap();
        walked.load(Ordering::SeqCst)
    }

    fn item(n: u64) -> Item {
        Item { data: n.to_string().into_bytes(), ..Item::default() }
    }

    #[tokio::test]
    async fn a_crash_needs_no_repair_and_loses_nothing() {
        let scratch = tempfile::tempdir().unwrap();
        // So little that changes go into the table all the time.
        let items = Items::open_to_settle(scratch.path(), 2000).unwrap();
        for n in 0..300u64 {
            let key = (n * 7 % 50).to_string();
            if n % 5 == 0 {
                change(&items, move |change| change.remove(key.as_bytes())).await;
            } else {
                change(&items, move |change| change.put(key.as_bytes(), item(n), None)).await;
            }
            if n % 50 != 49 {
                continue;
            }
            let copy = copy(scratch.path(), &items);
            assert!(!needs_repair(copy.path()));
            let after = Items::open_to_settle(copy.path(), 2000).unwrap();
            for key in (0..50).map(|key| key.to_string()) {
                let found = |items: &Items| items.get(key.as_bytes()).unwrap();
                assert_eq!(found(&after), found(&items), "{key} after {n}");
            }
            assert_eq!((after.count(), after.bytes()), (items.count(), items.bytes()));
            let stored = (0..50).filter_map(|key| Some((key, items.get(key.to_string().as_bytes()).ok()??)));
            let bytes = stored.map(|(key, item)| key.to_string().len() + item.encode().len()).sum::<usize>();
            assert_eq!(
                items.bytes() - items.get(b"cas").unwrap().map_or(0, |item| 3 + item.encode().len() as u64),
                bytes as u64
            );
            let cas = |items: &Items| {
                let items = items.clone();
                async move { change(&items, |change| change.put(b"cas", Item::default(), None)).await }
            };
            assert_eq!(cas(&after).await, cas(&items).await);
        }
    }

    /// `CRASH_ITEMS` makes there be more, and then holds the time to its limit.
    #[tokio::test]
    async fn after_a_crash_the_first_answer_comes_at_once() {
        let told = std::env::var("CRASH_ITEMS").ok().and_then(|count| count.parse::<u64>().ok());
        let count = told.unwrap_or(2000);
        let scratch = tempfile::tempdir().unwrap();
        let items = Items::open(scratch.path()).unwrap();
        let key = |n: u64| format!("key-{}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).into_bytes();
        let put = |n: u64| {
            let items = items.clone();
            async move {
                let item = Item { data: vec![n as u8; 100], ..Item::default() };
                change(&items, move |change| change.put(&key(n), item, None)).await
            }
        };
        for some in (0..count).collect::<Vec<_>>().chunks(512) {
            let puts: Vec<_> = some.iter().map(|n| tokio::spawn(put(*n))).collect();
            for put in puts {
                put.await.unwrap();
            }
        }
        let copy = copy(scratch.path(), &items);
        let start = std::time::Instant::now();
        let after = Items::open(copy.path()).unwrap();
        assert!(after.get(&key(count - 1)).unwrap().is_some());
        let first = start.elapsed();
        assert_eq!(after.count(), count);
        println!("with {count} items the first answer after a crash took {first:?}");
        assert!(told.is_none() || first.as_secs() == 0, "{first:?}");
    }

    #[tokio::test]
    async fn at_rest_everything_is_in_the_table() {
        let scratch = tempfile::tempdir().unwrap();
        let items = Items::open(scratch.path()).unwrap();
        change(&items, |change| change.put(b"key", item(1), None)).await;
        let logs = || {
            let names = std::fs::read_dir(scratch.path()).unwrap().flatten().map(|entry| entry.file_name());
            names.filter(|name| name.to_string_lossy().ends_with(".log")).count()
        };
        assert_eq!(logs(), 1);
        let mut tries = 0;
        while logs() > 0 {
            tries += 1;
            assert!(tries < 100, "no rest after {tries} looks");
            tokio::time::sleep(SWEEP_EVERY / 4).await;
        }
        let copy = copy(scratch.path(), &items);
        assert_eq!(Items::open(copy.path()).map(|items| items.get(b"key").unwrap().is_some()), Ok(true));
    }
}
