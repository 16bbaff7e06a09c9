//! The thread of a destination: brings what is in the spools there, and answers questions, one thing after the other.

use std::time::Duration;

use dscript_logpool::{Cursor, PoolInfo, Query, Record, Stats, StatsRow};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};

use crate::limits::*;
use crate::mirror::Mirror;
use crate::outbox::Outbox;
use crate::url::Url;
use crate::{DestinationError, Done, Result, Tell, http, memcached};
use std::sync::Arc;

/// Something that is asked for, and since when.
pub struct Asked {
    pub command: Command,
    pub since: Instant,
}

pub enum Command {
    Settle(Done<()>),
    Records(Query, Done<Vec<Record>>),
    Each(Query, Box<dyn FnMut(Record) -> bool + Send>, Done<()>),
    Pools(Done<Vec<PoolInfo>>),
    Stats(Query, Stats, Done<Vec<StatsRow>>),
    Tail(Query, Option<TailCursor>, Done<(Vec<Record>, TailCursor)>),
}

/// How far a follower has come.
pub struct TailCursor(Follower);

enum Follower {
    Mirror(Box<Cursor>),
    Stream(mpsc::Receiver<Result<Record>>),
}

/// Why records were not taken.
pub enum Failure {
    /// That one never will be.
    Refused { index: usize, why: String },
    /// Now, and they may be later.
    Later(DestinationError),
}

impl From<DestinationError> for Failure {
    fn from(why: DestinationError) -> Failure {
        Failure::Later(why)
    }
}

/// What speaks to the destination.
enum Client {
    Memcached(memcached::Client),
    LogPool(http::Client),
    #[cfg(feature = "nats")]
    Nats(crate::nats::Client),
}

impl Client {
    fn new(url: &Url) -> Option<Client> {
        match url {
            Url::Memcached { address } => Some(Client::Memcached(memcached::Client::new(address))),
            Url::LogPool { address } => Some(Client::LogPool(http::Client::new(address))),
            #[cfg(feature = "nats")]
            Url::Nats { servers, stream, replicas } => {
                Some(Client::Nats(crate::nats::Client::new(servers, stream, *replicas)))
            }
            _ => None,
        }
    }

    async fn deliver(&mut self, records: &[Record]) -> Result<(), Failure> {
        match self {
            Client::Memcached(client) => client.deliver(records).await,
            Client::LogPool(client) => client.deliver(records).await,
            #[cfg(feature = "nats")]
            Client::Nats(client) => client.deliver(records).await,
        }
    }
}

pub struct Courier {
    url: Url,
    pool: String,
    outbox: Outbox,
    grown: Arc<Notify>,
    tell: Tell,
    mirror: Option<Mirror>,
    /// When the next try is due; none while everything has arrived.
    due: Option<Instant>,
    pause: Duration,
    /// Since when the spools do not know that something has arrived.
    untold: Option<Instant>,
    /// Why nothing could be brought the last time, and when that turned out.
    failed: Option<(DestinationError, Instant)>,
}

impl Courier {
    pub fn new(url: &Url, pool: &str, outbox: Outbox, grown: Arc<Notify>, tell: Tell) -> Courier {
        Courier {
            url: url.clone(),
            pool: pool.to_owned(),
            outbox,
            grown,
            tell,
            mirror: None,
            due: Some(Instant::now()),
            pause: PAUSE_MIN,
            untold: None,
            failed: None,
        }
    }

    /// Until nobody can ask any more.
    pub fn run(self, asked: mpsc::UnboundedReceiver<Asked>) {
        let Some(client) = Client::new(&self.url) else { return };
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(self.work(client, asked)),
            Err(why) => (self.tell)(&format!("pool `{}`: a thread cannot start: {why}", self.pool)),
        }
    }

    async fn work(mut self, mut client: Client, mut asked: mpsc::UnboundedReceiver<Asked>) {
        let never = Instant::now() + Duration::from_secs(1 << 30);
        loop {
            let tell_at = self.untold.map_or(never, |since| since + ACKNOWLEDGE_EVERY);
            tokio::select! {
                asked = asked.recv() => match asked {
                    Some(asked) => self.answer(&mut client, asked).await,
                    None => return,
                },
                () = self.grown.notified(), if self.due.is_none() => self.due = Some(Instant::now()),
                () = sleep_until(self.due.unwrap_or(never)) => {
                    // What is wrong was said.
                    let _ = self.bring(&mut client).await;
                }
                () = sleep_until(tell_at) => {
                    if let Err(why) = self.acknowledge() {
                        (self.tell)(&format!("pool `{}`: {why}", self.pool));
                        self.untold = Some(Instant::now());
                    }
                }
            }
        }
    }

    async fn answer(&mut self, client: &mut Client, Asked { command, since }: Asked) {
        // Everything is brought before anything is answered.
        let arrived = match &self.failed {
            // That it cannot be done was found out while this waited: another try would only make it wait longer.
            Some((why, when)) if *when >= since => Err(why.clone()),
            _ => self.bring(client).await,
        };
        match (command, arrived) {
            (Command::Settle(done), arrived) => done(arrived.and_then(|()| self.acknowledge())),
            (Command::Records(_, done), Err(why)) => done(Err(why)),
            (Command::Each(_, _, done), Err(why)) => done(Err(why)),
            (Command::Pools(done), Err(why)) => done(Err(why)),
            (Command::Stats(_, _, done), Err(why)) => done(Err(why)),
            (Command::Tail(_, _, done), Err(why)) => done(Err(why)),
            (Command::Records(query, done), Ok(())) => done(self.records(client, &query).await),
            (Command::Each(query, each, done), Ok(())) => done(self.each(client, &query, each).await),
            (Command::Pools(done), Ok(())) => done(self.pools(client).await),
            (Command::Stats(query, stats, done), Ok(())) => done(self.stats(client, &query, &stats).await),
            (Command::Tail(query, cursor, done), Ok(())) => done(self.tail(client, &query, cursor).await),
        }
    }

    /// Everything that is in the spools.
    async fn bring(&mut self, client: &mut Client) -> Result<()> {
        let brought = self.try_bring(client).await;
        match &brought {
            Ok(()) => {
                if self.failed.take().is_some() {
                    (self.tell)(&format!("pool `{}`: {} takes log records again", self.pool, self.url));
                }
                (self.due, self.pause) = (None, PAUSE_MIN);
            }
            Err(why) => {
                if self.failed.replace((why.clone(), Instant::now())).is_none() {
                    let (pool, dir) = (&self.pool, self.outbox.dir().display());
                    (self.tell)(&format!("pool `{pool}`: {why}; its log records wait in {dir}"));
                }
                self.due = Some(Instant::now() + self.pause);
                self.pause = (self.pause * 2).min(PAUSE_MAX);
            }
        }
        brought
    }

    async fn try_bring(&mut self, client: &mut Client) -> Result<()> {
        let dir = self.outbox.dir().to_path_buf();
        for spool in self.outbox.all() {
            loop {
                let mut batch = spool.next()?;
                for damage in &batch.damage {
                    (self.tell)(&format!("pool `{}`: the spool is damaged: {damage}", self.pool));
                }
                if batch.records.is_empty() {
                    break;
                }
                while let Err(failure) = client.deliver(&batch.records).await {
                    let (index, why) = match failure {
                        Failure::Refused { index, why } => (index, why),
                        Failure::Later(why) => return Err(why),
                    };
                    let record = batch.records.remove(index);
                    let file = crate::outbox::set_aside(&dir, &record)?;
                    let (pool, file) = (&self.pool, file.display());
                    (self.tell)(&format!("pool `{pool}`: a log record is refused ({why}); it is in {file}"));
                }
                spool.arrived(batch.end);
                self.untold.get_or_insert_with(Instant::now);
            }
        }
        self.outbox.close_left()
    }

    fn acknowledge(&mut self) -> Result<()> {
        self.untold = None;
        self.outbox.all().try_for_each(|spool| spool.acknowledge())
    }

    /// The mirror, with everything that the destination has of the keys.
    async fn filled(&mut self, client: &mut Client, query: &Query) -> Result<&Mirror> {
        let mirror = match self.mirror.take() {
            Some(mirror) => mirror,
            None => Mirror::open(&self.outbox.mirror_dir()?)?,
        };
        let mirror = self.mirror.insert(mirror);
        match client {
            Client::Memcached(client) => client.fill(mirror, query).await?,
            #[cfg(feature = "nats")]
            Client::Nats(client) => client.fill(mirror, query).await?,
            Client::LogPool(_) => {}
        }
        Ok(mirror)
    }

    async fn records(&mut self, client: &mut Client, query: &Query) -> Result<Vec<Record>> {
        match client {
            Client::LogPool(client) => client.records(query).await,
            client => Ok(self.filled(client, query).await?.reader().query(query)?),
        }
    }

    async fn each(
        &mut self,
        client: &mut Client,
        query: &Query,
        each: Box<dyn FnMut(Record) -> bool + Send>,
    ) -> Result<()> {
        match client {
            Client::LogPool(client) => client.each(query, each).await,
            client => Ok(self.filled(client, query).await?.reader().each(query, each)?),
        }
    }

    async fn pools(&mut self, client: &mut Client) -> Result<Vec<PoolInfo>> {
        match client {
            Client::LogPool(client) => client.pools().await,
            client => Ok(self.filled(client, &Query::default()).await?.reader().pools()?),
        }
    }

    async fn stats(&mut self, client: &mut Client, query: &Query, stats: &Stats) -> Result<Vec<StatsRow>> {
        match client {
            Client::LogPool(client) => client.stats(query, stats).await,
            client => Ok(self.filled(client, query).await?.reader().stats(query, stats)?),
        }
    }

    async fn tail(
        &mut self,
        client: &mut Client,
        query: &Query,
        cursor: Option<TailCursor>,
    ) -> Result<(Vec<Record>, TailCursor)> {
        match (client, cursor.map(|cursor| cursor.0)) {
            (Client::LogPool(_), Some(Follower::Stream(mut stream))) => {
                let mut records = Vec::new();
                loop {
                    match stream.try_recv() {
                        Ok(record) => records.push(record?),
                        Err(mpsc::error::TryRecvError::Empty) => break,
                        Err(mpsc::error::TryRecvError::Disconnected) => {
                            let why = format!("{} ended the stream of log records", self.url);
                            return Err(DestinationError::Unreachable(why));
                        }
                    }
                }
                Ok((records, TailCursor(Follower::Stream(stream))))
            }
            (Client::LogPool(client), _) => {
                let stream = client.tail(query).await?;
                Ok((Vec::new(), TailCursor(Follower::Stream(stream))))
            }
            (client, Some(Follower::Mirror(mut cursor))) => {
                let tailed = self.filled(client, query).await?.reader().tail(query, &mut cursor)?;
                Ok((tailed.records, TailCursor(Follower::Mirror(cursor))))
            }
            (client, _) => {
                let cursor = self.filled(client, query).await?.reader().end()?;
                Ok((Vec::new(), TailCursor(Follower::Mirror(Box::new(cursor)))))
            }
        }
    }
}
