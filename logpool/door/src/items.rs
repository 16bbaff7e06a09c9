//! Items: what clients store under a key. One redb file, one writing thread that commits the changes that wait together.
//!
//! Tables of `items.redb`: `items`, key to flags (4 bytes), expiry (8: nanoseconds since 1970, 0 for never), cas (8),
//! time it was stored (8), then the data, numbers little-endian; `meta`, name to number: `cas` (the next one), `flush`
//! (items stored before this time are gone once it is past).
//!
//! A commit syncs once and leaves no state of the allocator behind, which would be a second sync for every answer: that
//! comes with an empty commit once nothing has been stored for a moment (quick repair). So after a crash in the middle of changes the
//! file is walked through when it is opened, some milliseconds for each 16 MiB of it, and after one at rest it is not.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use redb::{
    Database, ReadOnlyTable, ReadableDatabase, ReadableTable, ReadableTableMetadata, Table, TableDefinition,
};
use tokio::sync::oneshot;

use crate::limits::*;

const ITEMS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("items");
const META: TableDefinition<&str, i64> = TableDefinition::new("meta");
const HEAD_BYTES: usize = 28;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    pub flags: u32,
    /// Nanoseconds since 1970; 0 for never.
    pub expires: i64,
    pub cas: u64,
    /// Nanoseconds since 1970; set when it is put.
    pub stored: i64,
    pub data: Vec<u8>,
}

impl Item {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + self.data.len());
        bytes.extend_from_slice(&self.flags.to_le_bytes());
        bytes.extend_from_slice(&self.expires.to_le_bytes());
        bytes.extend_from_slice(&self.cas.to_le_bytes());
        bytes.extend_from_slice(&self.stored.to_le_bytes());
        bytes.extend_from_slice(&self.data);
        bytes
    }

    /// `None` for bytes that are too few.
    fn decode(bytes: &[u8]) -> Option<Item> {
        let (flags, rest) = bytes.split_first_chunk()?;
        let (expires, rest) = rest.split_first_chunk()?;
        let (cas, rest) = rest.split_first_chunk()?;
        let (stored, data) = rest.split_first_chunk()?;
        Some(Item {
            flags: u32::from_le_bytes(*flags),
            expires: i64::from_le_bytes(*expires),
            cas: u64::from_le_bytes(*cas),
            stored: i64::from_le_bytes(*stored),
            data: data.to_vec(),
        })
    }

    fn is_there(&self, now: i64, flush: i64) -> bool {
        (self.expires == 0 || self.expires > now) && !(flush <= now && self.stored < flush)
    }
}

/// Nanoseconds since 1970.
pub fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// The items of a data folder; clones share them.
#[derive(Clone)]
pub struct Items {
    store: Arc<Store>,
    jobs: SyncSender<Job>,
}

struct Store {
    database: Database,
    /// The items as the last commit left them, open: to open a table for each `get` costs more than the `get`.
    view: RwLock<Arc<View>>,
}

struct View {
    items: ReadOnlyTable<&'static [u8], &'static [u8]>,
    flush: i64,
}

impl View {
    fn of(database: &Database) -> Result<View, redb::Error> {
        let read = database.begin_read()?;
        let flush = read.open_table(META)?.get("flush")?.map_or(i64::MAX, |at| at.value());
        Ok(View { items: read.open_table(ITEMS)?, flush })
    }
}

impl Store {
    fn view(&self) -> Arc<View> {
        self.view.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

/// Does its change, and gives what is to be done when it is durable, or why it is not.
type Job = Box<dyn FnOnce(&mut Change) -> Finish + Send>;
type Finish = Box<dyn FnOnce(Result<(), &str>) + Send>;

/// The items as a change sees them.
pub struct Change<'t> {
    items: Table<'t, &'static [u8], &'static [u8]>,
    cas: u64,
    flush: i64,
    /// Later with each change, so that they have an order within a group.
    now: i64,
}

impl Change<'_> {
    pub fn get(&self, key: &[u8]) -> Result<Option<Item>, redb::Error> {
        let item = self.items.get(key)?.and_then(|bytes| Item::decode(bytes.value()));
        Ok(item.filter(|item| item.is_there(self.now, self.flush)))
    }

    /// Stores it with a new cas, and gives that.
    pub fn put(&mut self, key: &[u8], item: Item) -> Result<u64, redb::Error> {
        self.cas += 1;
        self.now += 1;
        let item = Item { cas: self.cas, stored: self.now, ..item };
        self.items.insert(key, &item.encode()[..])?;
        Ok(self.cas)
    }

    /// Changes when it expires, and nothing else.
    pub fn touch(&mut self, key: &[u8], item: Item) -> Result<(), redb::Error> {
        self.items.insert(key, &item.encode()[..])?;
        Ok(())
    }

    pub fn remove(&mut self, key: &[u8]) -> Result<(), redb::Error> {
        self.items.remove(key)?;
        Ok(())
    }

    /// Everything stored before that moment is gone from then on.
    pub fn flush(&mut self, after_ns: i64) {
        self.now += 1;
        self.flush = self.now.saturating_add(after_ns);
    }
}

impl Items {
    /// Opens or makes `items.redb` in the folder, which only one process does at a time.
    pub fn open(data: &Path) -> Result<Items, String> {
        std::fs::create_dir_all(data).map_err(|why| format!("cannot make {}: {why}", data.display()))?;
        let path = data.join("items.redb");
        let failed = |why: &dyn std::fmt::Display| format!("cannot open {}: {why}", path.display());
        let database =
            Database::builder().set_cache_size(CACHE_BYTES).create(&path).map_err(|why| failed(&why))?;
        write(&database, Vec::new(), &mut Vec::new(), true).map_err(|why| failed(&why))?;
        let view = RwLock::new(Arc::new(View::of(&database).map_err(|why| failed(&why))?));
        let store = Arc::new(Store { database, view });
        let (jobs, waiting) = sync_channel(QUEUE_MAX);
        let writer = store.clone();
        std::thread::Builder::new()
            .name("items".into())
            .spawn(move || write_for_ever(&writer, &waiting))
            .map_err(|why| failed(&why))?;
        Ok(Items { store, jobs })
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Item>, String> {
        let view = self.store.view();
        let item = view.items.get(key).map_err(|why| why.to_string())?;
        let item = item.and_then(|bytes| Item::decode(bytes.value()));
        Ok(item.filter(|item| item.is_there(now(), view.flush)))
    }

    /// How many items there are, those included whose time is up and that have not gone yet.
    pub fn count(&self) -> Result<u64, String> {
        self.store.view().items.len().map_err(|why| why.to_string())
    }

    /// Makes a change; returns when it is durable. Changes happen one after the other.
    pub async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Change) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, String> {
        let (sender, done) = oneshot::channel();
        let mut job: Job = Box::new(move |change| {
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
        loop {
            job = match self.jobs.try_send(job) {
                Ok(()) => break,
                Err(TrySendError::Full(job)) => job,
                Err(TrySendError::Disconnected(_)) => return Err("the writer of items is gone".into()),
            };
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        done.await.unwrap_or_else(|_| Err("the writer of items is gone".into()))
    }
}

fn write_for_ever(store: &Store, waiting: &Receiver<Job>) {
    let mut swept: Vec<u8> = Vec::new();
    let mut changed = false;
    loop {
        match waiting.recv_timeout(SWEEP_EVERY) {
            Ok(first) => {
                changed = true;
                let mut jobs = vec![first];
                jobs.extend(waiting.try_iter().take(GROUP_MAX - 1));
                // What failed was told to those who asked.
                let _ = commit(store, jobs);
            }
            // A full disk is met again by the next change.
            Err(RecvTimeoutError::Timeout) => {
                let next = sweep(store, &swept);
                changed |= next.as_ref().is_ok_and(|swept| swept.gone);
                if changed {
                    changed = write(&store.database, Vec::new(), &mut Vec::new(), true).is_err();
                }
                swept = next.map(|swept| swept.next).unwrap_or_default();
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn commit(store: &Store, jobs: Vec<Job>) -> Result<(), redb::Error> {
    let mut finish: Vec<Finish> = Vec::with_capacity(jobs.len());
    let result = write(&store.database, jobs, &mut finish, false).and_then(|()| {
        let view = Arc::new(View::of(&store.database)?);
        *store.view.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = view;
        Ok(())
    });
    let why = result.as_ref().err().map(ToString::to_string);
    for finish in finish {
        finish(why.as_deref().map_or(Ok(()), Err));
    }
    result
}

/// One transaction of all the jobs; after one at `rest` and no other the file opens at once, whatever happens.
fn write(
    database: &Database,
    jobs: Vec<Job>,
    finish: &mut Vec<Finish>,
    rest: bool,
) -> Result<(), redb::Error> {
    let mut write = database.begin_write()?;
    write.set_quick_repair(rest);
    {
        let mut meta = write.open_table(META)?;
        let number = |name: &str, missing: i64| -> Result<i64, redb::Error> {
            Ok(meta.get(name)?.map_or(missing, |value| value.value()))
        };
        let (cas, flush) = (number("cas", 0)? as u64, number("flush", i64::MAX)?);
        let mut change = Change { items: write.open_table(ITEMS)?, cas, flush, now: now() };
        for job in jobs {
            finish.push(job(&mut change));
        }
        let (cas, flush) = (change.cas, change.flush);
        drop(change);
        meta.insert("cas", cas as i64)?;
        meta.insert("flush", flush)?;
    }
    write.commit()?;
    Ok(())
}

/// What a sweep did.
struct Swept {
    /// Whether there was something to remove.
    gone: bool,
    /// The key to go on behind, empty for the beginning.
    next: Vec<u8>,
}

/// Removes some of the items whose time is up.
fn sweep(store: &Store, from: &[u8]) -> Result<Swept, redb::Error> {
    let now = now();
    let (mut gone, mut last, mut seen) = (Vec::new(), Vec::new(), 0);
    {
        let view = store.view();
        let flush = view.flush;
        let range = (std::ops::Bound::Excluded(from), std::ops::Bound::Unbounded);
        for row in view.items.range::<&[u8]>(range)? {
            let (key, item) = row?;
            if Item::decode(item.value()).is_none_or(|item| !item.is_there(now, flush)) {
                gone.push(key.value().to_vec());
            }
            seen += 1;
            if seen == SWEEP_ITEMS {
                last = key.value().to_vec();
                break;
            }
        }
    }
    let any = !gone.is_empty();
    if any {
        let job: Job = Box::new(move |change| {
            let result = gone.iter().try_for_each(|key| match change.get(key)? {
                // Stored again in the meantime.
                Some(_) => Ok(()),
                None => change.remove(key),
            });
            Box::new(move |_| drop(result))
        });
        commit(store, vec![job])?;
    }
    Ok(Swept { gone: any, next: last })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// Whether what a crash would leave now is walked through when it is opened.
    fn needs_repair(data: &Path) -> bool {
        let copy = data.join("copy.redb");
        std::fs::copy(data.join("items.redb"), &copy).unwrap();
        let walked = Arc::new(AtomicBool::new(false));
        let seen = walked.clone();
        Database::builder()
            .set_repair_callback(move |_| seen.store(true, Ordering::SeqCst))
            .open(&copy)
            .unwrap();
        walked.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn a_crash_at_rest_needs_no_repair() {
        let scratch = tempfile::tempdir().unwrap();
        let items = Items::open(scratch.path()).unwrap();
        assert!(!needs_repair(scratch.path()));
        let put = || items.change(|change| change.put(b"key", Item::default()));
        put().await.unwrap();
        assert!(needs_repair(scratch.path()), "each answer would cost a second sync");
        let mut tries = 0;
        while needs_repair(scratch.path()) {
            tries += 1;
            assert!(tries < 100, "no rest after {tries} looks");
            tokio::time::sleep(SWEEP_EVERY / 4).await;
        }
        assert!(items.get(b"key").unwrap().is_some());
    }
}
