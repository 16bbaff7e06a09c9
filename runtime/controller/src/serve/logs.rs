//! The controller's LogPool: records of nodes are appended and acknowledged when they are durable, one thread moves
//! them into the store, and queries are answered on threads of their own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use dscript_logpool::{Cursor, LogPoolError, Mover, Reader, Record, Writer};
use dscript_protocol::Wire;
use dscript_protocol::limits::BATCH_RECORDS_MAX;
use dscript_protocol::message::{LogQuery, ToOperator};
use tokio::sync::oneshot;

use crate::log::filter;

const MOVE_EVERY: Duration = Duration::from_secs(1);
const TROUBLE_PAUSE: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub struct Logs {
    writer: Writer,
    data: PathBuf,
}

impl Logs {
    pub fn open(data: &Path) -> Result<Self, String> {
        let writer = Writer::open(data).map_err(|why| why.to_string())?;
        let folder = data.to_owned();
        std::thread::Builder::new()
            .name("mover".into())
            .spawn(move || move_for_ever(&folder))
            .map_err(|why| format!("cannot start a thread: {why}"))?;
        Ok(Self { writer, data: data.to_owned() })
    }

    /// Returns when the records are durable.
    pub async fn append(&self, records: Vec<Record>) -> Result<(), String> {
        loop {
            let (sender, done) = oneshot::channel();
            self.writer.append_with(
                records.clone(),
                Box::new(move |ack| {
                    let _ = sender.send(ack);
                }),
            );
            match done.await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(LogPoolError::Busy)) => tokio::time::sleep(Duration::from_millis(20)).await,
                Ok(Err(why)) => return Err(why.to_string()),
                Err(_) => return Err("the log writer is gone".into()),
            }
        }
    }

    pub async fn query(&self, query: LogQuery) -> Result<Vec<Record>, String> {
        let data = self.data.clone();
        blocking(move || filter::newest(&Reader::open(&data), &query)).await
    }

    pub async fn pools(&self) -> Result<ToOperator, String> {
        let data = self.data.clone();
        blocking(move || filter::keys(&Reader::open(&data)).map(ToOperator::Keys)).await
    }

    pub async fn end(&self) -> Result<Cursor, String> {
        let data = self.data.clone();
        blocking(move || Reader::open(&data).end().map_err(|why| why.to_string())).await
    }

    /// What came after the cursor, and the cursor behind it.
    pub async fn tail(&self, query: LogQuery, mut cursor: Cursor) -> Result<(Vec<Record>, Cursor), String> {
        let data = self.data.clone();
        blocking(move || {
            let query = filter::query(&query)?;
            let tailed = Reader::open(&data).tail(&query, &mut cursor).map_err(|why| why.to_string())?;
            Ok((tailed.records, cursor))
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(why) => Err(format!("a thread failed: {why}")),
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

fn move_for_ever(data: &Path) {
    let mut mover: Option<Mover> = None;
    let mut said = String::new();
    loop {
        let moved = match &mut mover {
            Some(mover) => mover.move_once().map(|_| ()),
            None => Mover::try_acquire(data).map(|acquired| mover = acquired),
        };
        let pause = match moved {
            Ok(()) => MOVE_EVERY,
            Err(why) => {
                // Once for each trouble: it may last for days.
                let why = why.to_string();
                if said != why {
                    eprintln!("dsctl: the LogPool: {why}");
                    said = why;
                }
                mover = None;
                TROUBLE_PAUSE
            }
        };
        std::thread::sleep(pause);
    }
}
