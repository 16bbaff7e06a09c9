//! `--at URL`: the LogPool is asked where a program's `--pool NAME=URL` puts it. What a server cannot answer itself is read
//! into a mirror in the data folder, which programs with the same data folder share.

use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use dscript_destination::{Destination, Done, TailCursor, Url};
use dscript_logpool::{Query, Record};
use dscript_protocol::folder::data_folder;
use dscript_protocol::message::{LogQuery, LogStats};

use super::filter::{self, Found};

/// A place that a URL names.
pub enum At {
    Folder(PathBuf),
    Server(Destination),
}

impl At {
    /// `pool` as it was asked for; `data` is the data folder, if one was named.
    pub fn open(url: &str, pool: Option<&str>, data: Option<&Path>) -> Result<At, String> {
        let home = data_folder(data)?;
        match Url::parse(url).map_err(|why| format!("--at: {why}"))? {
            Url::Folder(None) => Ok(At::Folder(home)),
            Url::Folder(Some(folder)) if folder.is_dir() => Ok(At::Folder(folder)),
            Url::Folder(Some(folder)) => Err(format!("there is no data folder {}", folder.display())),
            url => Ok(At::Server(Destination::new(url, pool.unwrap_or("*"), &home, tell))),
        }
    }

    pub fn find(&self, asked: &LogQuery, stats: Option<&LogStats>) -> Result<Found, String> {
        let server = match (self, stats) {
            (At::Folder(folder), Some(stats)) => return Ok(filter::stats(folder, asked, stats)?),
            (At::Folder(folder), None) => return Ok(filter::newest(folder, asked)?),
            (At::Server(server), _) => server,
        };
        if asked.skip_damaged {
            return Err(
                "--skip-damaged is for a data folder or a controller; a server at --at answers whole".into(),
            );
        }
        let records = match stats {
            Some(stats) => {
                let stats = filter::parse_stats(stats)?;
                let query = filter::query(asked)?;
                filter::groups(&stats, wait(|done| server.stats(query, stats.clone(), done))?)
            }
            None => {
                let query = filter::limited(asked)?;
                let records = wait(|done| server.records(query.clone(), done))?;
                records.into_iter().map(|record| query.project(record)).collect()
            }
        };
        Ok(Found { records, skipped: Vec::new() })
    }
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
