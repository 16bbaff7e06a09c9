//! Log pools as programs see them, over the LogPool crate. `exec` writes to the data folder's own LogPool; a node
//! writes to its LogPool and its spool (`node::logs`). What both share is here: values, settings, and a thread
//! for queries. Nothing here touches a file before a program does.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::{SystemTime, UNIX_EPOCH};

use dscript_host::pool::{
    FindDone, NumberDone, PoolCursor, PoolError, PoolQuery, PoolRecord, PoolValue, Pools, PutDone, TailDone,
};
use dscript_logpool::{
    Condition, Cursor, FieldValue, LogPoolError, Mover, Order, Pattern, Query, Reader, Record, RunId, Stats,
    Writer,
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
    pub node: String,
    pub task: String,
    pub run: RunId,
}

impl Author {
    pub fn record(&self, pool: &str, key: &str, seq: u64, fields: Vec<(String, FieldValue)>) -> Record {
        Record {
            pool: pool.to_owned(),
            key: key.to_owned(),
            node: self.node.clone(),
            task: self.task.clone(),
            run: self.run,
            seq,
            time: wall_now(),
            fields,
        }
    }
}

/// Where the pools of `--pool NAME=URL` lie: the folder of each; a pool that is not named lies at home.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    folders: HashMap<String, PathBuf>,
}

impl Routes {
    /// Reads `--pool` arguments. `redb:` is the data folder, `redb:FOLDER` another one.
    pub fn parse(args: &[String]) -> Result<Self, String> {
        let mut routes = Self::default();
        for arg in args {
            let (pool, url) = setting(arg).map_err(|why| format!("--pool: {why}"))?;
            match url.split_once(':') {
                Some(("redb", "")) => {}
                Some(("redb", folder)) => {
                    let folder = folder.strip_prefix("//").unwrap_or(folder);
                    routes.folders.insert(pool, PathBuf::from(folder));
                }
                Some((scheme @ ("memcached" | "nats"), _)) => {
                    return Err(format!("--pool {pool}: `{scheme}:` is not built in yet; use `redb:FOLDER`"));
                }
                _ => {
                    return Err(format!(
                        "--pool {pool}: `{url}` is no URL of a pool; use `redb:` or `redb:FOLDER`"
                    ));
                }
            }
        }
        Ok(routes)
    }

    pub fn folder(&self, pool: &str) -> Option<&Path> {
        self.folders.get(pool).map(PathBuf::as_path)
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
                Ok(records.into_iter().map(pool_record).collect())
            }));
        });
    }

    pub fn number(&self, folder: &Path, pool: &str, query: PoolQuery, aggregate: &str, done: NumberDone) {
        let query = log_query(pool, query);
        let stats = Stats::parse(aggregate, "", None)
            .map_err(|why| PoolError { code: "EINVAL".into(), message: why.to_string() });
        self.ask(folder, move |reader| {
            done(reader.and_then(|reader| {
                let groups = reader.stats(&query?, &stats?).map_err(pool_error)?;
                let value = groups.into_iter().flat_map(|group| group.values).next();
                Ok(value.map_or(PoolValue::Null, pool_value))
            }));
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
                let Some(PoolCursor(cursor)) = cursor else {
                    return Ok((Vec::new(), PoolCursor(Box::new(reader.end().map_err(pool_error)?))));
                };
                let cursor = cursor.downcast::<Cursor>();
                let mut cursor = cursor.map_err(|_| pool_trouble("the cursor is none of a LogPool"))?;
                let tailed = reader.tail(&query, &mut cursor).map_err(pool_error)?;
                Ok((tailed.records.into_iter().map(pool_record).collect(), PoolCursor(cursor)))
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

/// As the LogPool has it: the key as it is, patterns for nodes and tasks.
fn log_query(pool: &str, query: PoolQuery) -> Result<Query, PoolError> {
    let pattern = |text: Option<String>| text.map_or(Pattern::Any, |text| Pattern::parse(&text));
    let condition = query.condition.as_deref().map(Condition::parse).transpose();
    let condition = condition.map_err(|why| PoolError { code: "EINVAL".into(), message: why.to_string() })?;
    let order = if query.most.is_some() { Order::NewestFirst } else { Order::OldestFirst };
    Ok(Query {
        node: pattern(query.nodes),
        task: pattern(query.tasks),
        since: query.since,
        condition,
        limit: query.most,
        order,
        ..Query::of_key(pool, &query.key)
    })
}

/// The pools of one run of `dsvm exec`.
pub struct ExecPools {
    author: Author,
    sequence: AtomicU64,
    routes: Routes,
    /// Resolved late: a program without pools needs no data folder.
    home: Result<PathBuf, String>,
    folders: Mutex<HashMap<PathBuf, Arc<PoolFolder>>>,
    finder: Finder,
}

impl ExecPools {
    pub fn new(author: Author, routes: Routes, home: Result<PathBuf, String>) -> Self {
        Self {
            author,
            sequence: AtomicU64::new(0),
            routes,
            home,
            folders: Mutex::default(),
            finder: Finder::default(),
        }
    }

    fn folder(&self, pool: &str) -> Result<Arc<PoolFolder>, PoolError> {
        let path = match (self.routes.folder(pool), &self.home) {
            (Some(path), _) => path.to_owned(),
            (None, Ok(home)) => home.clone(),
            (None, Err(why)) => return Err(pool_trouble(why)),
        };
        let mut folders = self.folders.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        Ok(folders.entry(path.clone()).or_insert_with(|| Arc::new(PoolFolder::new(path))).clone())
    }

    /// After the run.
    pub fn settle(&self) -> Result<(), LogPoolError> {
        let folders: Vec<Arc<PoolFolder>> =
            self.folders.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).values().cloned().collect();
        folders.iter().try_for_each(|folder| folder.settle())
    }
}

impl Pools for ExecPools {
    fn open(&self, pool: &str) -> Result<(), PoolError> {
        name_fits(pool)?;
        self.folder(pool).map(|_| ())
    }

    fn put(&self, pool: &str, key: &str, fields: Vec<(String, PoolValue)>, done: PutDone) {
        let folder = match name_fits(pool).and_then(|()| self.folder(pool)) {
            Ok(folder) => folder,
            Err(why) => return done(Err(why)),
        };
        let seq = self.sequence.fetch_add(1, Ordering::Relaxed);
        folder.put(self.author.record(pool, key, seq, field_values(fields)), done);
    }

    fn find(&self, pool: &str, query: PoolQuery, done: FindDone) {
        match self.folder(pool) {
            Ok(folder) => self.finder.find(folder.path(), pool, query, done),
            Err(why) => done(Err(why)),
        }
    }

    fn number(&self, pool: &str, query: PoolQuery, aggregate: &str, done: NumberDone) {
        match self.folder(pool) {
            Ok(folder) => self.finder.number(folder.path(), pool, query, aggregate, done),
            Err(why) => done(Err(why)),
        }
    }

    fn tail(&self, pool: &str, query: PoolQuery, cursor: Option<PoolCursor>, done: TailDone) {
        match self.folder(pool) {
            Ok(folder) => self.finder.tail(folder.path(), pool, query, cursor, done),
            Err(why) => done(Err(why)),
        }
    }
}

/// A pool's name is not empty and fits into a record.
pub fn name_fits(pool: &str) -> Result<(), PoolError> {
    let max = dscript_logpool::limits::NAME_BYTES_MAX;
    if pool.is_empty() || pool.len() > max {
        return Err(pool_trouble(&format!("a pool's name has 1 to {max} bytes")));
    }
    Ok(())
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
        LogPoolError::Busy => "EAGAIN".into(),
        _ => "pool".into(),
    };
    PoolError { code, message: why.to_string() }
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

fn pool_record(record: Record) -> PoolRecord {
    let fields = record.fields.into_iter().map(|(name, value)| (name, pool_value(value))).collect();
    PoolRecord { time: record.time, fields }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes() {
        let args = ["a=redb:", "b=redb:/var/x", "c=redb:///var/y"].map(String::from);
        let routes = Routes::parse(&args).unwrap();
        assert_eq!(routes.folder("a"), None);
        assert_eq!(routes.folder("b"), Some(Path::new("/var/x")));
        assert_eq!(routes.folder("c"), Some(Path::new("/var/y")));
        for bad in ["a", "a=", "a=x", "a=memcached://h", "a=nats://h"] {
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
