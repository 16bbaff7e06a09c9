//! `--at URL`: the LogPool is asked where a program's `--pool NAME=URL` puts it. What a server cannot answer itself is read
//! into a mirror in the data folder, which programs with the same data folder share.

use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use dscript_destination::{Destination, Done, TailCursor, Url};
use dscript_logpool::{PoolInfo, Query, Record};
use dscript_protocol::folder::data_folder;
use dscript_protocol::message::{LogQuery, LogStats};

use super::filter::{self, Found};

/// Records that wait to be taken.
const WAITING_MAX: usize = 1000;

/// A place that a URL names.
pub enum At {
    Folder(PathBuf),
    Server(Destination),
}

impl At {
    /// `data` is the data folder, if one was named.
    pub fn open(url: &str, asked: &LogQuery, data: Option<&Path>) -> Result<At, String> {
        let home = data_folder(data)?;
        let at = match Url::parse(url).map_err(|why| format!("--at: {why}"))? {
            Url::Folder(None) => Ok(At::Folder(home)),
            Url::Folder(Some(folder)) if folder.is_dir() => Ok(At::Folder(folder)),
            Url::Folder(Some(folder)) => Err(format!("there is no data folder {}", folder.display())),
            url => {
                let pool = asked.pool.as_deref().unwrap_or("*");
                Ok(At::Server(Destination::new(url, pool, &home, tell)))
            }
        }?;
        if asked.skip_damaged && matches!(at, At::Server(_)) {
            return Err(
                "--skip-damaged is for a data folder or a controller; a server at --at answers whole".into(),
            );
        }
        Ok(at)
    }

    pub fn find(&self, asked: &LogQuery, stats: Option<&LogStats>) -> Result<Found, String> {
        let server = match (self, stats) {
            (At::Folder(folder), Some(stats)) => return Ok(filter::stats(folder, asked, stats)?),
            (At::Folder(folder), None) => return Ok(filter::records(folder, asked)?),
            (At::Server(server), _) => server,
        };
        let found = match stats {
            Some(stats) => {
                let stats = filter::parse_stats(asked, stats)?;
                let query = filter::query(asked)?;
                filter::groups(&stats, wait(|done| server.stats(query, stats.clone(), done))?)
            }
            None => {
                let query = filter::limited(asked)?;
                let found = records(server, query.clone())?;
                found.into_iter().map(|record| query.project(record)).collect()
            }
        };
        Ok(Found { records: found, ..Found::default() })
    }
}

/// What of a server fits.
pub fn records(server: &Destination, query: Query) -> Result<Vec<Record>, String> {
    wait(|done| server.records(query, done))
}

/// Shows each record that fits, until `each` returns false.
pub fn each(server: &Destination, query: &Query, mut each: impl FnMut(Record) -> bool) -> Result<(), String> {
    let (sender, records) = sync_channel(WAITING_MAX);
    let (ended, end) = sync_channel(1);
    let show = Box::new(move |record| sender.send(record).is_ok());
    server.each(query.clone(), show, Box::new(move |result| drop(ended.send(result))));
    for record in records {
        if !each(query.project(record)) {
            return Ok(());
        }
    }
    let ended = end.recv().map_err(|_| "the thread that asks has failed".to_owned())?;
    ended.map_err(|why| why.to_string())
}

pub fn pools(server: &Destination) -> Result<Vec<PoolInfo>, String> {
    wait(|done| server.pools(done))
}

/// What came since the cursor was made; without one there is none yet, and it is made.
pub fn tail(
    server: &Destination,
    query: Query,
    cursor: Option<TailCursor>,
) -> Result<(Vec<Record>, TailCursor), String> {
    let (records, cursor) = wait(|done| server.tail(query.clone(), cursor, done))?;
    Ok((records.into_iter().map(|record| query.project(record)).collect(), cursor))
}

fn wait<T: Send + 'static>(ask: impl FnOnce(Done<T>)) -> Result<T, String> {
    let (sender, answer) = sync_channel(1);
    ask(Box::new(move |result| drop(sender.send(result))));
    let answer = answer.recv().map_err(|_| "the thread that asks has failed".to_owned())?;
    answer.map_err(|why| why.to_string())
}

fn tell(what: &str) {
    eprintln!("dsctl: {what}");
}
