//! The controller's LogPool: records of nodes are appended and acknowledged when they are durable, one thread moves
//! them into the store, and queries are answered on threads of their own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dscript_logpool::{Cursor, LogPoolError, Mover, Reader, Record, Retention, Writer};
use dscript_protocol::Wire;
use dscript_protocol::limits::BATCH_RECORDS_MAX;
use dscript_protocol::message::{KeyInfo, LogQuery, LogStats, Skipped, ToOperator};
use tokio::sync::oneshot;

use super::core::wall_now;
use super::metrics::{Metrics, add};
use crate::log::filter::{self, Failed, Found};

/// For what others than the controller append.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Also what is little.
const MOVE_ALL_EVERY: Duration = Duration::from_secs(60);
const RETAIN_EVERY: Duration = Duration::from_secs(600);
const TROUBLE_PAUSE: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub struct Logs {
    writer: Writer,
    data: PathBuf,
    pub metrics: Arc<Metrics>,
}

impl Logs {
    pub fn open(data: &Path, retention: Vec<Retention>) -> Result<Self, String> {
        let writer = Writer::open(data).map_err(|why| why.to_string())?;
        let folder = data.to_owned();
        let metrics = Arc::new(Metrics::default());
        let (counts, appends) = (metrics.clone(), writer.clone());
        std::thread::Builder::new()
            .name("mover".into())
            .spawn(move || move_for_ever(&folder, &appends, &retention, &counts))
            .map_err(|why| format!("cannot start a thread: {why}"))?;
        Ok(Self { writer, data: data.to_owned(), metrics })
    }

    /// Returns when the records are durable.
    pub async fn append(&self, records: Vec<Record>) -> Result<(), Failed> {
        loop {
            let (sender, done) = oneshot::channel();
            self.writer.append_with(
                records.clone(),
                Box::new(move |ack| {
                    let _ = sender.send(ack);
                }),
            );
            match done.await {
                Ok(Ok(_)) => {
                    add(&self.metrics.stored, records.len() as u64);
                    return Ok(());
                }
                Ok(Err(LogPoolError::Busy)) => tokio::time::sleep(Duration::from_millis(20)).await,
                Ok(Err(why)) => {
                    add(&self.metrics.refused, 1);
                    return Err(why.into());
                }
                Err(_) => return Err(Failed::Trouble("the log writer is gone".into())),
            }
        }
    }

    pub async fn query(&self, query: LogQuery) -> Result<Found, Failed> {
        self.ask(move |folder| filter::records(folder, &query)).await
    }

    pub async fn stats(&self, query: LogQuery, stats: LogStats) -> Result<Found, Failed> {
        self.ask(move |folder| filter::stats(folder, &query, &stats)).await
    }

    pub async fn pools(&self, skip_damaged: bool) -> Result<(Vec<KeyInfo>, Vec<Skipped>), Failed> {
        let list = move |folder: &Path| {
            let reader = filter::reader(folder, skip_damaged);
            Ok((filter::keys(reader.pools()?), filter::skipped(&reader)))
        };
        self.ask(list).await
    }

    /// Answers on a thread of its own.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Path) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, Failed> {
        let data = self.data.clone();
        let answer = blocking(move || question(&data)).await;
        add(&self.metrics.queries, 1);
        if answer.is_err() {
            add(&self.metrics.query_failures, 1);
        }
        answer
    }

    pub async fn end(&self, reader: &Reader) -> Result<Cursor, Failed> {
        let reader = reader.clone();
        blocking(move || Ok(reader.end()?)).await
    }

    pub fn reader(&self, skip_damaged: bool) -> Reader {
        filter::reader(&self.data, skip_damaged)
    }

    /// What came after the cursor, and the cursor behind it.
    pub async fn tail(
        &self,
        reader: &Reader,
        query: LogQuery,
        mut cursor: Cursor,
    ) -> Result<(Vec<Record>, Cursor), Failed> {
        let reader = reader.clone();
        blocking(move || {
            let query = filter::query(&query).map_err(Failed::Question)?;
            let tailed = reader.tail(&query, &mut cursor)?;
            Ok((tailed.records, cursor))
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failed> + Send + 'static,
) -> Result<T, Failed> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(why) => Err(Failed::Trouble(format!("a thread failed: {why}"))),
    }
}

/// Records in answers that each fit into a frame.
pub fn answers(mut records: Vec<Record>) -> Vec<ToOperator> {
    let mut answers = Vec::new();
    while !records.is_empty() {
        let mut count = records.len().min(BATCH_RECORDS_MAX);
        loop {
            let rest = records.split_off(count);
            let answer = ToOperator::Records(std::mem::replace(&mut records, rest));
            if count == 1 || answer.encode().is_ok() {
                answers.push(answer);
                break;
            }
            if let ToOperator::Records(mut together) = answer {
                together.append(&mut records);
                records = together;
            }
            count /= 2;
        }
    }
    answers
}

/// Moves what is worth it at once, the rest now and then, and drops what is past its time.
fn move_for_ever(data: &Path, writer: &Writer, retention: &[Retention], metrics: &Metrics) {
    let mut mover: Option<Mover> = None;
    let mut said = String::new();
    let mut moved_all = Instant::now();
    let mut retained: Option<Instant> = None;
    loop {
        let mut turn = || -> Result<(), LogPoolError> {
            if mover.is_none() {
                mover = Mover::try_acquire(data)?;
            }
            let Some(mover) = &mut mover else { return Ok(()) };
            let moved = if moved_all.elapsed() >= MOVE_ALL_EVERY {
                moved_all = Instant::now();
                mover.move_once()?
            } else {
                mover.move_if_worth()?
            };
            add(&metrics.moved, moved.records);
            add(&metrics.duplicates, moved.duplicates);
            for damage in &moved.damage {
                add(&metrics.damaged_bytes, damage.bytes);
                eprintln!(
                    "dsctl: the LogPool: {damage}; what they held is lost, and the file will lie in {} when all else of it is moved",
                    data.join("damaged").display()
                );
            }
            if !retention.is_empty() && retained.is_none_or(|last| last.elapsed() >= RETAIN_EVERY) {
                let dropped = mover.retain(wall_now(), retention)?;
                add(&metrics.segments_dropped, dropped as u64);
                if dropped > 0 {
                    eprintln!(
                        "dsctl: the LogPool: {dropped} days of pools are past what is kept, and dropped"
                    );
                }
                retained = Some(Instant::now());
            }
            Ok(())
        };
        match turn() {
            Ok(()) => writer.wait_until_worth(LOOK_EVERY),
            Err(why) => {
                add(&metrics.move_failures, 1);
                // Once for each trouble: it may last for days.
                let why = why.to_string();
                if said != why {
                    eprintln!("dsctl: the LogPool: {why}");
                    said = why;
                }
                mover = None;
                std::thread::sleep(TROUBLE_PAUSE);
            }
        }
    }
}
