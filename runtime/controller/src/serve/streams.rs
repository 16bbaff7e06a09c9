//! Answers over HTTP that are sent as they come: an export, what is followed, and what turns.
//!
//! They are JSON objects, one a line (or events, to a client that accepts `text/event-stream`). What goes wrong after the status
//! was sent, `body` tells.

use std::path::Path;
use std::time::Duration;

use dscript_logpool::{Cursor, Reader, Record, Standing, record_json};
use dscript_protocol::message::LogQuery;
use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::body::{Content, Pieces};
use super::core::wall_now;
use super::http::{Answer, Answered, Api, Asked, RECORDS_TYPE, bad, failed, respond};
use super::logs::Logs;
use crate::log::filter::{self, Failed};
use crate::log::show;

/// Pieces of a stream that wait for a slow client.
const PIECES_MAX: usize = 16;
const PIECE_BYTES: usize = 32 << 10;
const TAIL_EVERY: Duration = Duration::from_millis(250);
/// So that a client that has gone is noticed.
const TAIL_SILENCE: Duration = Duration::from_secs(15);

pub async fn export(api: &Api, asked: LogQuery) -> Answered {
    let query = filter::query(&asked).map_err(bad)?;
    let (sender, rest) = mpsc::channel(PIECES_MAX);
    let logs = api.logs.clone();
    tokio::spawn(async move {
        let pieces = sender.clone();
        let read = move |folder: &Path| {
            let reader = filter::reader(folder, asked.skip_damaged);
            let mut piece = String::new();
            let mut gone = false;
            let each = |record: Record| {
                piece.push_str(&record_json(&record).to_string());
                piece.push('\n');
                if piece.len() >= PIECE_BYTES {
                    gone = pieces.blocking_send(Ok(std::mem::take(&mut piece).into())).is_err();
                }
                !gone
            };
            let read = reader.each(&query, each);
            let skipped = filter::skipped(&reader);
            if read.is_ok() && !skipped.is_empty() {
                piece.push_str(&format!("{}\n", json!({ "skipped": show::skipped_json(&skipped) })));
            }
            if !gone && !piece.is_empty() {
                let _ = pieces.blocking_send(Ok(piece.into()));
            }
            Ok(read?)
        };
        if let Err(why) = logs.ask(read).await {
            let _ = sender.send(Err(why)).await;
        }
    });
    let mut pieces = Pieces::new(rest, false);
    // What fails before the first piece has a status.
    pieces.first = pieces.rest.recv().await.transpose().map_err(failed)?;
    Ok(respond(StatusCode::OK, RECORDS_TYPE, Content::Pieces(pieces)))
}

pub async fn tail(api: &Api, query: LogQuery, events: bool) -> Answered {
    let reader = api.logs.reader(query.skip_damaged);
    let cursor = api.logs.end(&reader).await.map_err(failed)?;
    let say = move |records: Vec<Record>| Ok(records.iter().map(record_json).collect());
    Ok(follow(api.logs.clone(), reader, query, cursor, events, Vec::new(), say))
}

/// A standing query: an object for each time it turns.
pub async fn watch(api: &Api, asked: Asked, events: bool) -> Answered {
    let Asked { query, by, when, over, .. } = asked;
    let missing = |name: &str, what: &str| bad(format!("`{name}` is missing: {what}"));
    let when = when.ok_or_else(|| missing("when", "what is to become true, such as avg(us) > 90"))?;
    let over = over.ok_or_else(|| missing("over", "the length of the window, such as 5m"))?;
    let records = filter::query(&query).map_err(bad)?;
    let mut standing = Standing::parse(records, &when, &by.unwrap_or_default(), over)
        .map_err(|why| bad(format!("when and by: {why}")))?;
    // From here on nothing is missed; what is met twice is known.
    let reader = api.logs.reader(query.skip_damaged);
    let cursor = api.logs.end(&reader).await.map_err(failed)?;
    let now = wall_now();
    let (there, before) = (reader.clone(), standing.before(now));
    let records = api.logs.ask(move |_| Ok(there.query(&before)?)).await.map_err(failed)?;
    let turns = standing.begin(records, now).map_err(|why| failed(why.into()))?;
    let first = turns.iter().map(|turn| show::turn_json(&standing, turn)).collect();
    let say = move |records: Vec<Record>| {
        let turns = standing.go_on(records, wall_now())?;
        Ok(turns.iter().map(|turn| show::turn_json(&standing, turn)).collect())
    };
    Ok(follow(api.logs.clone(), reader, query, cursor, events, first, say))
}

/// Sends what `say` makes of what comes, after these first ones, and what the reader left out.
fn follow(
    logs: Logs,
    reader: Reader,
    query: LogQuery,
    mut cursor: Cursor,
    events: bool,
    mut objects: Vec<Value>,
    mut say: impl FnMut(Vec<Record>) -> Result<Vec<Value>, Failed> + Send + 'static,
) -> Answer {
    let (sender, pieces) = mpsc::channel(PIECES_MAX);
    tokio::spawn(async move {
        let (mut silent, mut told) = (Duration::ZERO, 0);
        loop {
            let skipped = filter::skipped(&reader).split_off(told);
            told += skipped.len();
            if !skipped.is_empty() {
                objects.push(json!({ "skipped": show::skipped_json(&skipped) }));
            }
            let mut piece = lines(std::mem::take(&mut objects), events);
            if piece.is_empty() && silent >= TAIL_SILENCE {
                piece.push_str(if events { ":\n\n" } else { "\n" });
            }
            silent = if piece.is_empty() { silent + TAIL_EVERY } else { Duration::ZERO };
            if !piece.is_empty() && sender.send(Ok(piece.into())).await.is_err() || sender.is_closed() {
                return;
            }
            tokio::time::sleep(TAIL_EVERY).await;
            let said = match logs.tail(&reader, query.clone(), cursor.clone()).await {
                Ok((records, behind)) => {
                    cursor = behind;
                    say(records)
                }
                Err(why) => Err(why),
            };
            match said {
                Ok(said) => objects = said,
                Err(why) => {
                    let _ = sender.send(Err(why)).await;
                    return;
                }
            }
        }
    });
    let kind = if events { "text/event-stream" } else { RECORDS_TYPE };
    respond(StatusCode::OK, kind, Content::Pieces(Pieces::new(pieces, events)))
}

fn lines(objects: Vec<Value>, events: bool) -> String {
    objects
        .into_iter()
        .map(|json| if events { format!("data: {json}\n\n") } else { format!("{json}\n") })
        .collect()
}
