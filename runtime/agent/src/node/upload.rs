//! Brings the spool's records to the controller: one batch under way, the same again on the next connection until
//! it is acknowledged, and only then gone from here.

use std::sync::Arc;
use std::time::Duration;

use dscript_logpool::SpoolBatch;
use dscript_protocol::Wire;
use dscript_protocol::limits::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX, NODE_FRAME_BYTES_MAX};
use dscript_protocol::message::FromNode;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::link::Outbox;
use super::logs::NodeLogs;

const TROUBLE_PAUSE: Duration = Duration::from_secs(5);

/// Works for ever; `link` says where to send at present, `acks` brings the numbers of acknowledged batches.
pub async fn upload(
    logs: Arc<NodeLogs>,
    mut link: watch::Receiver<Option<Outbox>>,
    mut acks: mpsc::UnboundedReceiver<u64>,
) {
    let mut number = 0;
    loop {
        let Some(outbox) = connected(&mut link).await else { return };
        let message_and_end = match next_message(&logs, number + 1).await {
            Ok(found) => found,
            Err(why) => {
                eprintln!("dsvm: the spool: {why}");
                sleep(TROUBLE_PAUSE).await;
                continue;
            }
        };
        let Some((message, batch)) = message_and_end else {
            logs.grown.notified().await;
            continue;
        };
        number += 1;
        if outbox.batches.send(message).await.is_err() {
            // The connection is lost; wait for the next one.
            if link.changed().await.is_err() {
                return;
            }
            continue;
        }
        let acknowledged = loop {
            tokio::select! {
                ack = acks.recv() => match ack {
                    Some(ack) if ack == number => break true,
                    Some(_) => {}
                    None => return,
                },
                () = outbox.batches.closed() => break false,
            }
        };
        if acknowledged && let Err(why) = acknowledge(&logs, batch).await {
            eprintln!("dsvm: the spool: {why}");
            sleep(TROUBLE_PAUSE).await;
        }
    }
}

async fn connected(link: &mut watch::Receiver<Option<Outbox>>) -> Option<Outbox> {
    loop {
        if let Some(outbox) = link.borrow_and_update().clone()
            && !outbox.batches.is_closed()
        {
            return Some(outbox);
        }
        link.changed().await.ok()?;
    }
}

/// The first records that are not acknowledged, as a message that fits into a frame.
async fn next_message(logs: &Arc<NodeLogs>, number: u64) -> Result<Option<(FromNode, SpoolBatch)>, String> {
    let spool = logs.spool.clone();
    let work = move || {
        let mut records_max = BATCH_RECORDS_MAX;
        loop {
            let batch = spool.next_batch(records_max, BATCH_BYTES_MAX / 4).map_err(|why| why.to_string())?;
            for damage in &batch.damage {
                eprintln!("dsvm: the spool is damaged: {damage}");
            }
            if batch.records.is_empty() {
                return Ok(None);
            }
            let count = batch.records.len();
            let message = FromNode::LogBatch { batch: number, records: batch.records.clone() };
            match message.encode() {
                Ok(_) => return Ok(Some((message, batch))),
                Err(_) if count > 1 => records_max = count / 2,
                Err(why) => {
                    // It can never be sent; better one record lost, and said, than all behind it.
                    eprintln!(
                        "dsvm: a log record cannot be sent ({why}, at most {NODE_FRAME_BYTES_MAX} bytes)"
                    );
                    spool.acknowledge(batch.end).map_err(|why| why.to_string())?;
                }
            }
        }
    };
    blocking(work).await
}

async fn acknowledge(logs: &Arc<NodeLogs>, batch: SpoolBatch) -> Result<(), String> {
    let spool = logs.spool.clone();
    blocking(move || spool.acknowledge(batch.end).map_err(|why| why.to_string())).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(why) => Err(format!("a thread failed: {why}")),
    }
}
