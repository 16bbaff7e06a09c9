//! The memcached door: any memcached client reads and writes the LogPool, by the text and the meta protocol
//! (memcached's doc/protocol.txt, version 1.6).
//!
//! - `command`: a line of the protocol as a value; it knows no socket and no item; `flags` are those of a meta command
//! - `item`: what is stored under a key
//! - `items`: what clients stored, durable; changes are committed in groups
//! - `edit`: what commands make of an item
//! - `table`: where items lie: a database, and in memory what changed since
//! - `recent`: items of the database that are in memory too
//! - `changes`: the log of changes, which makes them durable
//! - `accesses`: when items were last read, in memory only
//! - `counters`: what `stats` says
//! - `records`: log records under their full key and under `POOL/KEY:latest`, read-only
//! - `session`: a connection: lines in, answers out (`metered` counts their bytes); `meta` are the commands of the meta protocol
//! - `answers`: what is answered in which order, and when
//!
//! A change is answered when it is on disk; those that a client sends at once share a sync. Items expire when their time is up and go away later, in small steps; none is
//! dropped for lack of room.

mod accesses;
mod answers;
mod changes;
mod command;
mod counters;
mod edit;
mod flags;
mod item;
mod items;
mod limits;
mod meta;
mod metered;
mod recent;
mod records;
mod session;
mod table;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use items::Ended;
pub use items::Items;
pub use records::Records;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Threads that talk with clients, so that these keep nothing else waiting. They end when it is dropped.
pub struct Door {
    threads: Vec<UnboundedSender<Guest>>,
}

/// A connection, and its place among those that are allowed.
type Guest = (std::net::TcpStream, OwnedSemaphorePermit);

impl Door {
    /// Log records are read from `data`, a LogPool's folder. Fails where no thread can be started.
    pub fn open(items: &Items, data: &Path) -> io::Result<Door> {
        let records = Records::new(data);
        let count = thread::available_parallelism().map_or(1, usize::from).min(limits::THREADS_MAX);
        let start = |n| {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let (items, records) = (items.clone(), records.clone());
            let (sender, guests) = unbounded_channel();
            let talk = move || talk(&runtime, guests, &items, &records, count);
            thread::Builder::new().name(format!("door-{n}")).spawn(talk)?;
            Ok(sender)
        };
        Ok(Door { threads: (0..count).map(start).collect::<io::Result<_>>()? })
    }

    /// Lets clients in, and deals them out to the threads in turn, until it is dropped.
    pub async fn serve(self, listener: TcpListener) {
        let places = Arc::new(Semaphore::new(limits::CONNECTIONS_MAX));
        let mut turns = self.threads.iter().cycle();
        loop {
            // One more than that waits in the kernel until another has gone.
            let Ok(place) = places.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    if let (Ok(stream), Some(thread)) = (stream.into_std(), turns.next()) {
                        let _ = thread.send((stream, place));
                    }
                }
                // Such as no more file descriptors: it may get better.
                Err(_) => tokio::time::sleep(limits::ACCEPT_PAUSE).await,
            }
        }
    }
}

fn talk(
    runtime: &Runtime,
    mut guests: UnboundedReceiver<Guest>,
    items: &Items,
    records: &Records,
    threads: usize,
) {
    runtime.block_on(async {
        let (home, mut ended) = unbounded_channel::<Ended>();
        let items = items.at(home);
        tokio::spawn(async move {
            while let Some(ended) = ended.recv().await {
                ended.tell();
            }
        });
        while let Some((stream, place)) = guests.recv().await {
            let Ok(stream) = TcpStream::from_std(stream) else { continue };
            let (items, records) = (items.clone(), records.clone());
            tokio::spawn(async move {
                session::serve(stream, &items, &records, threads).await;
                drop(place);
            });
        }
    });
}
