//! Log pools as programs see them, over the LogPool crate. `exec` writes to the data folder's own LogPool; a node
//! writes to its LogPool and its spool (`node::logs`). What both share is here: values, settings, and a thread
//! for queries. Nothing here touches a file before a program does.

mod finder;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dscript_destination::{Destination, DestinationError, TailCursor, Url};
use dscript_host::pool::{
    FindDone, PoolCursor, PoolError, PoolQuery, PoolStats, PoolValue, PoolWatch, Pools, PutDone, TailDone,
    WatchDone,
};
use dscript_logpool::{FieldValue, Fields, LogPoolError, Mover, Name, Record, RunId, Standing, Writer};
use dscript_protocol::units::setting;

pub use finder::Finder;
use finder::{begin_watch, cursor_of, log_query, log_stats, pool_records, pool_turns, rows, standing};

/// Nanoseconds since 1970 UTC.
pub fn wall_now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// Who writes: what every record of a run carries.
#[derive(Clone, Debug)]
pub struct Author {
    pub node: Name,
    pub task: Name,
    pub run: RunId,
}

impl Author {
    pub fn record(&self, pool: &str, key: &str, seq: u64, fields: impl Into<Fields>) -> Record {
        Record {
            pool: pool.into(),
            key: key.into(),
            node: self.node.clone(),
            task: self.task.clone(),
            run: self.run,
            seq,
            time: wall_now(),
            fields: fields.into(),
        }
    }
}

/// Where the pools of `--pool NAME=URL` lie; a pool that is not named lies at home.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    urls: HashMap<String, Url>,
}

impl Routes {
    /// Reads `--pool` arguments. `redb:` is the data folder, `redb:FOLDER` another one.
    pub fn parse(args: &[String]) -> Result<Self, String> {
        let mut routes = Self::default();
        for arg in args {
            let (pool, url) = setting(arg).map_err(|why| format!("--pool: {why}"))?;
            let url = Url::parse(&url).map_err(|why| format!("--pool {pool}: {why}"))?;
            if routes.urls.contains_key(&pool) {
                return Err(format!("--pool {pool} is given twice: a pool lies in one place"));
            }
            routes.urls.insert(pool, url);
        }
        Ok(routes)
    }
}

/// The pools that lie elsewhere, and what was opened for them.
pub struct Places {
    routes: Routes,
    opened: Mutex<HashMap<String, Place>>,
}

/// Where a pool lies: in a folder of this machine, or at a destination.
#[derive(Clone)]
pub enum Place {
    Folder(Arc<PoolFolder>),
    Destination(Arc<Destination>),
}

impl Places {
    pub fn new(routes: Routes) -> Self {
        Self { routes, opened: Mutex::default() }
    }

    /// Of a pool that lies elsewhere; `None` at home. What waits for a destination lies below `home`.
    pub fn elsewhere(
        &self,
        pool: &str,
        home: impl FnOnce() -> Result<PathBuf, PoolError>,
    ) -> Result<Option<Place>, PoolError> {
        let Some(url) = self.routes.urls.get(pool).filter(|url| **url != Url::Folder(None)) else {
            return Ok(None);
        };
        let mut opened = self.opened.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(place) = opened.get(pool) {
            return Ok(Some(place.clone()));
        }
        let place = match url {
            // Two names may lie in one folder, which then has one writer.
            Url::Folder(Some(path)) => {
                let same = opened.values().find_map(|place| match place {
                    Place::Folder(folder) if folder.path() == path => Some(folder.clone()),
                    _ => None,
                });
                Place::Folder(same.unwrap_or_else(|| Arc::new(PoolFolder::new(path.clone()))))
            }
            url => Place::Destination(Arc::new(Destination::new(url.clone(), pool, &home()?, tell))),
        };
        opened.insert(pool.to_owned(), place.clone());
        Ok(Some(place))
    }

    /// Begins to bring what was left for destinations by programs before.
    pub fn resume(&self, home: &Path) {
        for (pool, url) in &self.routes.urls {
            if matches!(url, Url::Folder(_)) {
                continue;
            }
            if let Ok(Some(Place::Destination(destination))) = self.elsewhere(pool, || Ok(home.to_owned()))
                && let Err(why) = destination.resume()
            {
                tell(&format!("pool `{pool}`: {why}"));
            }
        }
    }

    /// Everything that was opened.
    pub fn opened(&self) -> Vec<Place> {
        self.opened.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).values().cloned().collect()
    }
}

fn tell(what: &str) {
    eprintln!("dsvm: {what}");
}

impl Place {
    pub fn put(&self, record: Record, done: PutDone) {
        match self {
            Place::Folder(folder) => folder.put(record, done),
            Place::Destination(destination) => {
                destination.put(record, Box::new(move |put| done(put.map_err(destination_error))));
            }
        }
    }

    pub fn find(&self, finder: &Finder, pool: &str, query: PoolQuery, done: FindDone) {
        let destination = match self {
            Place::Folder(folder) => return finder.find(folder.path(), pool, query, done),
            Place::Destination(destination) => destination,
        };
        match log_query(pool, query) {
            Ok(query) => destination
                .records(query, Box::new(|found| done(found.map(pool_records).map_err(destination_error)))),
            Err(why) => done(Err(why)),
        }
    }

    pub fn stats(&self, finder: &Finder, pool: &str, query: PoolQuery, stats: PoolStats, done: FindDone) {
        let destination = match self {
            Place::Folder(folder) => return finder.stats(folder.path(), pool, query, stats, done),
            Place::Destination(destination) => destination,
        };
        match log_stats(pool, query, stats) {
            Ok((query, stats)) => destination.stats(
                query,
                stats.clone(),
                Box::new(move |found| {
                    done(found.map(|found| rows(&stats, found)).map_err(destination_error));
                }),
            ),
            Err(why) => done(Err(why)),
        }
    }

    pub fn watch(
        &self,
        finder: &Finder,
        pool: &str,
        query: PoolQuery,
        of: Result<PoolWatch, PoolCursor>,
        done: WatchDone,
    ) {
        let destination = match self {
            Place::Folder(folder) => return finder.watch(folder.path(), pool, query, of, done),
            Place::Destination(destination) => destination.clone(),
        };
        match log_query(pool, query).and_then(|query| Ok((standing(&query, of)?, query))) {
            Ok((Ok(standing), query)) => begin_watch(&destination, standing, query, done),
            Ok((Err(cursor), query)) => match cursor_of::<(Standing, TailCursor)>(cursor) {
                Ok(watched) => {
                    let (mut standing, cursor) = *watched;
                    let went_on = move |(records, cursor)| {
                        let turns = standing.go_on(records, wall_now()).map_err(pool_error)?;
                        Ok((pool_turns(turns), PoolCursor(Box::new((standing, cursor)))))
                    };
                    let tailed = move |tailed: Result<_, DestinationError>| {
                        done(tailed.map_err(destination_error).and_then(went_on));
                    };
                    destination.tail(query, Some(cursor), Box::new(tailed));
                }
                Err(why) => done(Err(why)),
            },
            Err(why) => done(Err(why)),
        }
    }

    pub fn tail(
        &self,
        finder: &Finder,
        pool: &str,
        query: PoolQuery,
        cursor: Option<PoolCursor>,
        done: TailDone,
    ) {
        let destination = match self {
            Place::Folder(folder) => return finder.tail(folder.path(), pool, query, cursor, done),
            Place::Destination(destination) => destination,
        };
        let cursor = cursor.map(cursor_of::<TailCursor>).transpose();
        match log_query(pool, query).and_then(|query| Ok((query, cursor?.map(|cursor| *cursor)))) {
            Ok((query, cursor)) => destination.tail(
                query,
                cursor,
                Box::new(|found| {
                    let behind = |(records, cursor)| (pool_records(records), PoolCursor(Box::new(cursor)));
                    done(found.map(behind).map_err(destination_error));
                }),
            ),
            Err(why) => done(Err(why)),
        }
    }
}

/// One LogPool folder: its writer, opened at the first put.
pub struct PoolFolder {
    path: PathBuf,
    writer: OnceLock<Result<Writer, LogPoolError>>,
    used: AtomicBool,
}

impl PoolFolder {
    pub fn new(path: PathBuf) -> Self {
        Self { path, writer: OnceLock::new(), used: AtomicBool::new(false) }
    }

    pub fn put(&self, record: Record, done: PutDone) {
        self.used.store(true, Ordering::Relaxed);
        match self.writer.get_or_init(|| Writer::open(&self.path)) {
            Ok(writer) => {
                writer.append_with(
                    vec![record],
                    Box::new(move |ack| done(ack.map(|_| ()).map_err(pool_error))),
                );
            }
            Err(why) => done(Err(pool_error(why.clone()))),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// After the last put: makes sure of it, and moves what waits into the store if that is much and nobody else does.
    /// Readers see the records either way, so a failure is nobody's.
    pub fn settle(&self) -> Result<(), LogPoolError> {
        if !self.used.load(Ordering::Relaxed) {
            return Ok(());
        }
        if let Some(Ok(writer)) = self.writer.get() {
            writer.flush()?;
        }
        if let Some(mut mover) = Mover::try_acquire(&self.path)? {
            mover.move_if_worth()?;
        }
        Ok(())
    }
}

fn invalid(why: impl std::fmt::Display) -> PoolError {
    PoolError { code: "EINVAL".into(), message: why.to_string() }
}

/// How long the end of a program waits for destinations that are slow, all of them together.
const SETTLE_PATIENCE: Duration = Duration::from_secs(5);

/// The pools of one run of `dsvm exec`.
pub struct ExecPools {
    author: Author,
    sequence: AtomicU64,
    places: Places,
    /// Resolved late: a program without pools needs no data folder.
    home: Result<PathBuf, String>,
    at_home: OnceLock<Place>,
    finder: Finder,
}

impl ExecPools {
    pub fn new(author: Author, routes: Routes, home: Result<PathBuf, String>) -> Self {
        let places = Places::new(routes);
        if let Ok(home) = &home {
            places.resume(home);
        }
        Self {
            author,
            sequence: AtomicU64::new(0),
            places,
            home,
            at_home: OnceLock::new(),
            finder: Finder::default(),
        }
    }

    fn place(&self, pool: &str) -> Result<Place, PoolError> {
        let home = || self.home.clone().map_err(|why| pool_trouble(&why));
        if let Some(place) = self.places.elsewhere(pool, home)? {
            return Ok(place);
        }
        let home = home()?;
        Ok(self.at_home.get_or_init(|| Place::Folder(Arc::new(PoolFolder::new(home)))).clone())
    }

    /// After the run. Records that wait for a destination are kept, and that is said.
    pub fn settle(&self) -> Result<(), LogPoolError> {
        let opened = self.places.opened();
        let asked: Vec<_> = opened
            .iter()
            .filter_map(|place| match place {
                Place::Destination(destination) if destination.is_open() => {
                    Some((destination, destination.settle()))
                }
                _ => None,
            })
            .collect();
        let mut settled = Ok(());
        for place in opened.iter().chain(self.at_home.get()) {
            if let Place::Folder(folder) = place {
                settled = settled.and(folder.settle());
            }
        }
        let until = Instant::now() + SETTLE_PATIENCE;
        for (destination, settling) in asked {
            if let Err(why) = settling.and_then(|settling| settling.wait(until)) {
                let (pool, url) = (destination.pool(), destination.url());
                tell(&format!(
                    "pool `{pool}`: {why}: the next program with this data folder and `--pool {pool}={url}` brings \
                     what waits"
                ));
            }
        }
        settled
    }
}

impl Pools for ExecPools {
    fn open(&self, pool: &str) -> Result<(), PoolError> {
        name_fits(pool)?;
        self.place(pool).map(|_| ())
    }

    fn put(&self, pool: &str, key: &str, fields: Vec<(String, PoolValue)>, done: PutDone) {
        let place = match name_fits(pool).and_then(|()| self.place(pool)) {
            Ok(place) => place,
            Err(why) => return done(Err(why)),
        };
        let seq = self.sequence.fetch_add(1, Ordering::Relaxed);
        place.put(self.author.record(pool, key, seq, field_values(fields)), done);
    }

    fn find(&self, pool: &str, query: PoolQuery, done: FindDone) {
        match self.place(pool) {
            Ok(place) => place.find(&self.finder, pool, query, done),
            Err(why) => done(Err(why)),
        }
    }

    fn stats(&self, pool: &str, query: PoolQuery, stats: PoolStats, done: FindDone) {
        match self.place(pool) {
            Ok(place) => place.stats(&self.finder, pool, query, stats, done),
            Err(why) => done(Err(why)),
        }
    }

    fn watch(&self, pool: &str, query: PoolQuery, of: Result<PoolWatch, PoolCursor>, done: WatchDone) {
        match self.place(pool) {
            Ok(place) => place.watch(&self.finder, pool, query, of, done),
            Err(why) => done(Err(why)),
        }
    }

    fn tail(&self, pool: &str, query: PoolQuery, cursor: Option<PoolCursor>, done: TailDone) {
        match self.place(pool) {
            Ok(place) => place.tail(&self.finder, pool, query, cursor, done),
            Err(why) => done(Err(why)),
        }
    }
}

/// A pool's name is not empty and fits into a record.
pub fn name_fits(pool: &str) -> Result<(), PoolError> {
    let max = dscript_logpool::limits::NAME_BYTES_MAX;
    let message = format!("a pool's name has 1 to {max} bytes");
    match pool.len() {
        0 => Err(PoolError { code: "EINVAL".into(), message }),
        length if length > max => Err(PoolError { code: "limit".into(), message }),
        _ => Ok(()),
    }
}

pub fn pool_trouble(message: &str) -> PoolError {
    PoolError { code: "pool".into(), message: message.to_owned() }
}

/// The errno name where the system refused, so that programs can tell a full disk from a forbidden folder.
pub fn pool_error(why: LogPoolError) -> PoolError {
    let code = match &why {
        LogPoolError::Io { source, .. } => source
            .raw_os_error()
            .map(|number| format!("{:?}", nix::errno::Errno::from_raw(number)))
            .unwrap_or_else(|| "pool".into()),
        why => why.code().into(),
    };
    PoolError { code, message: why.to_string() }
}

fn destination_error(why: DestinationError) -> PoolError {
    let code = match why {
        DestinationError::Local(why) => return pool_error(why),
        DestinationError::Unfit(_) => "limit",
        DestinationError::Unreachable(_) => "EHOSTUNREACH",
        DestinationError::Denied(_) => "EACCES",
        DestinationError::Question(_) => "EINVAL",
        _ => "pool",
    };
    PoolError { code: code.into(), message: why.to_string() }
}

pub fn field_values(fields: Vec<(String, PoolValue)>) -> Vec<(String, FieldValue)> {
    fields.into_iter().map(|(name, value)| (name, field_value(value))).collect()
}

fn field_value(value: PoolValue) -> FieldValue {
    match value {
        PoolValue::Null => FieldValue::Null,
        PoolValue::Int(value) => FieldValue::Int(value),
        PoolValue::Double(value) => FieldValue::Double(value),
        PoolValue::Bool(value) => FieldValue::Bool(value),
        PoolValue::String(value) => FieldValue::String(value),
        PoolValue::Bytes(value) => FieldValue::Bytes(value),
        PoolValue::Duration(value) => FieldValue::Duration(value),
        PoolValue::Time(value) => FieldValue::Time(value),
        PoolValue::List(values) => FieldValue::List(values.into_iter().map(field_value).collect()),
        PoolValue::Map(entries) => FieldValue::Map(field_values(entries)),
    }
}

fn pool_value(value: FieldValue) -> PoolValue {
    let named = |(name, value)| (name, pool_value(value));
    match value {
        FieldValue::Null => PoolValue::Null,
        FieldValue::Int(value) => PoolValue::Int(value),
        FieldValue::Double(value) => PoolValue::Double(value),
        FieldValue::Bool(value) => PoolValue::Bool(value),
        FieldValue::String(value) => PoolValue::String(value),
        FieldValue::Bytes(value) => PoolValue::Bytes(value),
        FieldValue::Duration(value) => PoolValue::Duration(value),
        FieldValue::Time(value) => PoolValue::Time(value),
        FieldValue::List(values) => PoolValue::List(values.into_iter().map(pool_value).collect()),
        FieldValue::Map(entries) => PoolValue::Map(entries.into_iter().map(named).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes() {
        let args = ["a=redb:", "b=redb:/var/x", "c=memcached://h:1", "d=redb:/var/x"].map(String::from);
        let places = Places::new(Routes::parse(&args).unwrap());
        let of = |pool: &str| places.elsewhere(pool, || Ok("/nowhere".into())).unwrap();
        assert!(of("a").is_none() && of("other").is_none());
        let (Some(Place::Folder(b)), Some(Place::Folder(d))) = (of("b"), of("d")) else { panic!("folders") };
        assert_eq!(b.path(), Path::new("/var/x"));
        assert!(Arc::ptr_eq(&b, &d));
        assert!(matches!(of("c"), Some(Place::Destination(_))));
        for bad in ["a", "a=", "a=x", "a=memcached:h", "a=redis://h"] {
            assert!(Routes::parse(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }

    #[test]
    fn errors_carry_errno_names() {
        let source = Arc::new(std::io::Error::from_raw_os_error(28));
        let why = LogPoolError::Io { action: "write", path: "x".into(), source };
        assert_eq!(pool_error(why).code, "ENOSPC");
        assert_eq!(pool_error(LogPoolError::Busy).code, "EAGAIN");
    }

    #[test]
    fn a_pool_without_a_data_folder_is_an_error_value() {
        let author = Author { node: "n".into(), task: "t".into(), run: RunId(1) };
        let pools = ExecPools::new(author, Routes::default(), Err("no home".into()));
        assert_eq!(pools.open("p").unwrap_err().message, "no home");
        assert!(pools.open("").is_err());
    }
}
