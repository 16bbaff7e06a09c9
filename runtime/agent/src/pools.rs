//! Log pools as programs see them, over the LogPool crate. `exec` writes to the data folder's own LogPool; a node
//! writes to its LogPool and its spool (`node::logs`). What both share is here: values, settings, and a thread
//! for queries. Nothing here touches a file before a program does.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dscript_destination::{Destination, DestinationError, TailCursor, Url};
use dscript_host::pool::{
    FindDone, NumberDone, PoolCursor, PoolError, PoolKey, PoolQuery, PoolRecord, PoolValue, Pools, PutDone,
    TailDone,
};
use dscript_logpool::{
    Condition, Cursor, FieldValue, Fields, LogPoolError, Mover, Name, Order, Pattern, Query, Reader, Record,
    RunId, Stats, StatsRow, Writer,
};
use dscript_protocol::units::setting;

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

    pub fn number(&self, finder: &Finder, pool: &str, query: PoolQuery, aggregate: &str, done: NumberDone) {
        let destination = match self {
            Place::Folder(folder) => return finder.number(folder.path(), pool, query, aggregate, done),
            Place::Destination(destination) => destination,
        };
        match log_query(pool, query).and_then(|query| Ok((query, one_aggregate(aggregate)?))) {
            Ok((query, stats)) => destination.stats(
                query,
                stats,
                Box::new(|rows| done(rows.map(first_value).map_err(destination_error))),
            ),
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

/// Answers questions to pools on one thread, started at the first of them.
#[derive(Clone, Default)]
pub struct Finder {
    jobs: Arc<OnceLock<Option<FindJobs>>>,
}

/// To the thread that reads, with the folder.
type FindJobs = mpsc::Sender<(PathBuf, FindJob)>;

/// Reads from a folder, and answers whoever asked.
type FindJob = Box<dyn FnOnce(Result<&Reader, PoolError>) + Send>;

impl Finder {
    pub fn find(&self, folder: &Path, pool: &str, query: PoolQuery, done: FindDone) {
        let query = log_query(pool, query);
        self.ask(folder, move |reader| {
            done(reader.and_then(|reader| {
                let mut records = reader.query(&query?).map_err(pool_error)?;
                records.sort_by_key(|record| (record.time, record.run, record.seq));
                Ok(pool_records(records))
            }));
        });
    }

    pub fn number(&self, folder: &Path, pool: &str, query: PoolQuery, aggregate: &str, done: NumberDone) {
        let query = log_query(pool, query);
        let stats = one_aggregate(aggregate);
        self.ask(folder, move |reader| {
            done(
                reader.and_then(|reader| reader.stats(&query?, &stats?).map_err(pool_error)).map(first_value),
            );
        });
    }

    pub fn tail(
        &self,
        folder: &Path,
        pool: &str,
        query: PoolQuery,
        cursor: Option<PoolCursor>,
        done: TailDone,
    ) {
        let query = log_query(pool, query);
        self.ask(folder, move |reader| {
            done(reader.and_then(|reader| {
                let query = query?;
                let Some(cursor) = cursor else {
                    return Ok((Vec::new(), PoolCursor(Box::new(reader.end().map_err(pool_error)?))));
                };
                let mut cursor = cursor_of::<Cursor>(cursor)?;
                let tailed = reader.tail(&query, &mut cursor).map_err(pool_error)?;
                Ok((pool_records(tailed.records), PoolCursor(cursor)))
            }));
        });
    }

    fn ask(&self, folder: &Path, answer: impl FnOnce(Result<&Reader, PoolError>) + Send + 'static) {
        let jobs = self.jobs.get_or_init(|| {
            let (sender, receiver) = mpsc::channel::<(PathBuf, FindJob)>();
            let thread = std::thread::Builder::new().name("find".into());
            let answer = |(folder, job): (PathBuf, FindJob)| job(Ok(&Reader::open(&folder)));
            thread.spawn(move || receiver.into_iter().for_each(answer)).ok().map(|_| sender)
        });
        let job = (folder.to_owned(), Box::new(answer) as FindJob);
        let unsent = match jobs {
            Some(jobs) => jobs.send(job).err().map(|unsent| unsent.0),
            None => Some(job),
        };
        if let Some((_, job)) = unsent {
            job(Err(pool_trouble("the thread that reads pools could not be started")));
        }
    }
}

fn cursor_of<T: 'static>(cursor: PoolCursor) -> Result<Box<T>, PoolError> {
    cursor.0.downcast().map_err(|_| pool_trouble("the cursor is none of this pool"))
}

/// What a program asks, as the LogPool has it.
fn log_query(pool: &str, query: PoolQuery) -> Result<Query, PoolError> {
    let PoolQuery { key, nodes, tasks, since, conditions, most } = query;
    let pattern = |text: Option<String>| text.as_deref().map_or(Pattern::Any, Pattern::parse);
    let conditions: Result<Vec<Condition>, _> =
        conditions.iter().map(|text| Condition::parse(text)).collect();
    Ok(Query {
        pool: Pattern::Exact(pool.to_owned()),
        key: match key {
            PoolKey::Exact(key) => Pattern::Exact(key),
            PoolKey::Pattern(text) => Pattern::parse(&text),
        },
        node: pattern(nodes),
        task: pattern(tasks),
        since,
        condition: conditions.and_then(Condition::all).map_err(invalid)?,
        limit: most,
        order: if most.is_some() { Order::NewestFirst } else { Order::OldestFirst },
        ..Query::default()
    })
}

fn one_aggregate(text: &str) -> Result<Stats, PoolError> {
    let stats = Stats::parse(text, "", None).map_err(invalid)?;
    match stats.aggregates.len() {
        1 => Ok(stats),
        several => Err(invalid(format!("one aggregate is asked for at a time, and `{text}` are {several}"))),
    }
}

fn first_value(rows: Vec<StatsRow>) -> PoolValue {
    rows.into_iter().flat_map(|row| row.values).next().map_or(PoolValue::Null, pool_value)
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

    fn number(&self, pool: &str, query: PoolQuery, aggregate: &str, done: NumberDone) {
        match self.place(pool) {
            Ok(place) => place.number(&self.finder, pool, query, aggregate, done),
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

fn pool_records(records: Vec<Record>) -> Vec<PoolRecord> {
    records.into_iter().map(pool_record).collect()
}

fn pool_record(record: Record) -> PoolRecord {
    let fields = record.fields.into_iter().map(|(name, value)| (name.into(), pool_value(value))).collect();
    PoolRecord { time: record.time, fields }
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
