//! Log pools that lie elsewhere: at a memcached, in another LogPool, in a stream of NATS.
//!
//! A put is done when the record is in a spool on this machine ([`Destination::put`]); a thread, the *courier*, brings
//! what is in the spool to the destination, and tries again while that cannot be reached. So unreachable means later,
//! not lost. A question is asked once everything put here before has arrived.
//!
//! - `url`: what `NAME=URL` says
//! - `outbox`: the spools of a destination; each process has one of its own, and takes over those that others left
//! - `courier`: the thread
//! - `memcached`, `http`, `nats`: one client each
//! - `mirror`: a LogPool here that questions are asked where the destination itself answers none; it is filled from
//!   there, and may be deleted at any time

mod courier;
mod http;
mod limits;
mod memcached;
mod mirror;
#[cfg(feature = "nats")]
mod nats;
mod outbox;
mod url;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use courier::{Asked, Command, Courier};
use dscript_logpool::{LogPoolError, PoolInfo, Query, Record, Spool, Stats, StatsRow};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

pub use courier::TailCursor;
pub use url::Url;

/// Why a record could not be put, or a question not be answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DestinationError {
    /// The spool or the mirror on this machine.
    Local(LogPoolError),
    /// The destination takes no such record, ever.
    Unfit(String),
    /// It cannot be reached now, or answers that it cannot do it now.
    Unreachable(String),
    /// Somebody is there who does not permit it, and may after being told to.
    Denied(String),
    /// The destination answers no such question.
    Question(String),
}

impl fmt::Display for DestinationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DestinationError::Local(why) => why.fmt(f),
            DestinationError::Unfit(why)
            | DestinationError::Unreachable(why)
            | DestinationError::Denied(why)
            | DestinationError::Question(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for DestinationError {}

impl From<LogPoolError> for DestinationError {
    fn from(why: LogPoolError) -> DestinationError {
        DestinationError::Local(why)
    }
}

pub type Result<T, E = DestinationError> = std::result::Result<T, E>;

/// Called once, on any thread.
pub type Done<T> = Box<dyn FnOnce(Result<T>) + Send>;

/// Where what a person should know is said, such as that a destination cannot be reached.
pub type Tell = fn(&str);

/// One pool at one destination. Nothing is touched before the first use.
pub struct Destination {
    url: Url,
    pool: String,
    dir: PathBuf,
    tell: Tell,
    open: OnceLock<Result<Open>>,
}

/// What the first use made.
struct Open {
    spool: Spool,
    grown: Arc<Notify>,
    commands: mpsc::UnboundedSender<Asked>,
}

impl Destination {
    /// `home` is the data folder; the spool is made below it. `url` is none of a folder.
    pub fn new(url: Url, pool: &str, home: &Path, tell: Tell) -> Destination {
        let dir = home.join("outbox").join(outbox::folder_name(pool, &url));
        Destination { url, pool: pool.to_owned(), dir, tell, open: OnceLock::new() }
    }

    fn open(&self) -> Result<&Open> {
        let opened = self.open.get_or_init(|| {
            let outbox = outbox::Outbox::open(&self.dir)?;
            let (spool, grown) = (outbox.own().clone(), Arc::new(Notify::new()));
            let (commands, asked) = mpsc::unbounded_channel();
            let courier = Courier::new(&self.url, &self.pool, outbox, grown.clone(), self.tell);
            std::thread::Builder::new()
                .name("courier".into())
                .spawn(move || courier.run(asked))
                .map_err(|why| DestinationError::Unreachable(format!("cannot start a thread: {why}")))?;
            Ok(Open { spool, grown, commands })
        });
        opened.as_ref().map_err(Clone::clone)
    }

    /// Begins to bring what a program before has left; nothing if there is nothing.
    pub fn resume(&self) -> Result<()> {
        if self.dir.is_dir() { self.open().map(drop) } else { Ok(()) }
    }

    /// Whether it was used, so that there may be something to settle.
    pub fn is_open(&self) -> bool {
        self.open.get().is_some()
    }

    /// Done when the record is durable on this machine.
    pub fn put(&self, record: Record, done: Done<()>) {
        let open = match self.open().and_then(|open| self.url.takes(&record).map(|()| open)) {
            Ok(open) => open,
            Err(why) => return done(Err(why)),
        };
        let grown = open.grown.clone();
        open.spool.append_with(
            vec![record],
            Box::new(move |ack| {
                grown.notify_one();
                done(ack.map(drop).map_err(DestinationError::Local));
            }),
        );
    }

    /// The records that fit, in the order asked for.
    pub fn records(&self, query: Query, done: Done<Vec<Record>>) {
        self.command(done, |done| Command::Records(query, done));
    }

    /// Shows each record that fits, in no order that counts, until `each` returns false; it may wait, and holds up the thread of
    /// the destination then.
    pub fn each(&self, query: Query, each: Box<dyn FnMut(Record) -> bool + Send>, done: Done<()>) {
        self.command(done, |done| Command::Each(query, each, done));
    }

    /// The pools there, by name.
    pub fn pools(&self, done: Done<Vec<PoolInfo>>) {
        self.command(done, Command::Pools);
    }

    /// Aggregates of them.
    pub fn stats(&self, query: Query, stats: Stats, done: Done<Vec<StatsRow>>) {
        self.command(done, |done| Command::Stats(query, stats, done));
    }

    /// What came since the cursor was made; without one there is none yet, and it is made.
    pub fn tail(&self, query: Query, cursor: Option<TailCursor>, done: Done<(Vec<Record>, TailCursor)>) {
        self.command(done, |done| Command::Tail(query, cursor, done));
    }

    /// Asks for everything to be brought, to be waited for.
    pub fn settle(&self) -> Result<Settling> {
        let (sender, done) = std::sync::mpsc::sync_channel(1);
        self.open()?.spool.flush()?;
        self.command(Box::new(move |result| drop(sender.send(result))), Command::Settle);
        Ok(Settling { done, url: self.url.to_string() })
    }

    pub fn url(&self) -> &Url {
        &self.url
    }

    pub fn pool(&self) -> &str {
        &self.pool
    }

    fn command<T>(&self, done: Done<T>, make: impl FnOnce(Done<T>) -> Command) {
        match self.open() {
            Ok(open) => {
                // The thread ends with the sender, and not before.
                let _ = open.commands.send(Asked { command: make(done), since: Instant::now() });
            }
            Err(why) => done(Err(why)),
        }
    }
}

/// What is being brought.
pub struct Settling {
    done: std::sync::mpsc::Receiver<Result<()>>,
    url: String,
}

impl Settling {
    /// Waits until everything has arrived, up to a time at most; why it has not.
    pub fn wait(&self, until: std::time::Instant) -> Result<()> {
        let patience = until.saturating_duration_since(std::time::Instant::now());
        self.done.recv_timeout(patience).unwrap_or_else(|_| {
            Err(DestinationError::Unreachable(format!("{} has not taken everything yet", self.url)))
        })
    }
}
