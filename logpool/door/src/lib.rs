//! The memcached door: any memcached client reads and writes the LogPool, by the text and the meta protocol
//! (memcached's doc/protocol.txt, version 1.6).
//!
//! - `command`: a line of the protocol as a value; it knows no socket and no item
//! - `items`: what clients stored, durable; changes are committed in groups
//! - `table`: where items lie: a database, and in memory what changed since
//! - `changes`: the log of changes, which makes them durable
//! - `records`: log records under their full key and under `POOL/KEY:latest`, read-only
//! - `session`: a connection: lines in, answers out
//!
//! A change is answered when it is on disk. Items expire when their time is up and go away later, in small steps; none is
//! dropped for lack of room.

mod changes;
mod command;
mod items;
mod limits;
mod records;
mod session;
mod table;

use std::path::Path;
use std::sync::Arc;

pub use items::Items;
pub use records::Records;
use session::Counters;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Serves clients until it is dropped. Log records are read from `data`, a LogPool's folder.
pub async fn serve(listener: TcpListener, items: Items, data: &Path) {
    let records = Records::new(data);
    let counters = Arc::new(Counters::new());
    let places = Arc::new(Semaphore::new(limits::CONNECTIONS_MAX));
    loop {
        // One more than that waits in the kernel until another has gone.
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (items, records, counters) = (items.clone(), records.clone(), counters.clone());
                tokio::spawn(async move {
                    let _ = stream.set_nodelay(true);
                    session::serve(stream, &items, &records, &counters).await;
                    drop(place);
                });
            }
            // Such as no more file descriptors: it may get better.
            Err(_) => tokio::time::sleep(limits::ACCEPT_PAUSE).await,
        }
    }
}
