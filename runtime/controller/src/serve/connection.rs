//! One connection: greeted, then a node's (messages both ways until it breaks) or an operator's (one request and
//! its answers). This file is the only one of the controller that knows what carries the frames.

use std::path::PathBuf;
use std::time::Duration;

use dscript_logpool::Record;
use dscript_protocol::hello::{Greeting, Hello, NodeHello};
use dscript_protocol::limits::*;
use dscript_protocol::message::*;
use dscript_protocol::{ImageHash, Wire};
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::logs::{Logs, answers};
use crate::fleet::{Connection, Request};
use crate::frames::{read_frame, write_frame};
use crate::log::filter::{self, Failed, Found};

const TAIL_EVERY: Duration = Duration::from_millis(250);
/// Damaged pieces of one answer.
const SKIPPED_MAX: usize = 1000;
/// Records of an export that are sent together, and how many answers wait for a slow operator.
const EXPORT_BATCH: usize = 256;
const EXPORT_WAITING_MAX: usize = 4;

/// To the core.
pub enum Mail {
    NodeHello { connection: Connection, hello: NodeHello, outbox: mpsc::UnboundedSender<Outgoing> },
    NodeSaid { connection: Connection, message: FromNode },
    ConnectionLost { connection: Connection },
    Asked { request: Request, message: FromOperator, answers: mpsc::UnboundedSender<ToOperator> },
    AskerGone { request: Request },
}

/// From the core to a node's connection.
pub enum Outgoing {
    Greet(Greeting),
    Send(ToNode),
    /// With the image of that file put in, when its turn comes.
    Ship(Shipment, PathBuf),
    Close,
}

/// What connections share.
#[derive(Clone)]
pub struct Hall {
    pub core: mpsc::Sender<Mail>,
    pub logs: Logs,
    /// Hash of the operators' secret.
    pub operator: ImageHash,
}

/// Serves a connection to its end; `number` is its own.
pub async fn serve(hall: Hall, mut stream: TcpStream, number: u64) {
    let _ = stream.set_nodelay(true);
    let patience = Duration::from_millis(HELLO_MS_MAX);
    let Ok(Ok(Some(bytes))) = timeout(patience, read_frame(&mut stream, HELLO_BYTES_MAX)).await else {
        return;
    };
    match Hello::decode(&bytes) {
        Ok(Hello::Node(hello)) => node(hall, stream, Connection(number), hello).await,
        Ok(Hello::Operator { secret }) => {
            let greeting = if secret.hash() == hall.operator {
                Greeting::Welcome
            } else {
                let reason = "the operator's secret is not this controller's: use its data folder (--data)";
                Greeting::Refused { reason: reason.into(), again: false }
            };
            let welcome = greeting == Greeting::Welcome;
            if say(&mut stream, &greeting).await && welcome {
                operator(hall, stream, Request(number)).await;
            }
        }
        Err(why) => {
            say(&mut stream, &Greeting::Refused { reason: why.to_string(), again: false }).await;
        }
    }
}

/// Whether it could be said.
async fn say<M: Wire>(stream: &mut TcpStream, message: &M) -> bool {
    match message.encode() {
        Ok(bytes) => write_frame(stream, &bytes).await.is_ok(),
        Err(_) => false,
    }
}

// ---- nodes ----

async fn node(hall: Hall, stream: TcpStream, connection: Connection, hello: NodeHello) {
    let name = hello.name.clone();
    let (outbox, outgoing) = mpsc::unbounded_channel();
    let acks = outbox.clone();
    if hall.core.send(Mail::NodeHello { connection, hello, outbox }).await.is_err() {
        return;
    }
    let (from, to) = stream.into_split();
    let (welcomed, welcome) = oneshot::channel();
    let reading = async {
        // Nothing is read before the node is let in.
        if welcome.await.is_ok() {
            listen(&hall, from, connection, &name, &acks).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = reading => {}
        () = talk(to, outgoing, welcomed) => {}
    }
    let _ = hall.core.send(Mail::ConnectionLost { connection }).await;
}

async fn listen(
    hall: &Hall,
    mut from: OwnedReadHalf,
    connection: Connection,
    name: &str,
    acks: &mpsc::UnboundedSender<Outgoing>,
) {
    loop {
        let body = match read_frame(&mut from, NODE_FRAME_BYTES_MAX).await {
            Ok(Some(body)) => body,
            Ok(None) => return,
            Err(why) => return eprintln!("dsctl: the connection to {name} broke: {why}"),
        };
        let message = match FromNode::decode(&body) {
            Ok(message) => message,
            Err(why) => return eprintln!("dsctl: {name}: {why}"),
        };
        let said = match message {
            FromNode::LogBatch { batch, mut records } => {
                // A node speaks for itself only.
                let node = dscript_logpool::Name::from(name);
                records.iter_mut().for_each(|record| record.node = node.clone());
                if let Err(why) = hall.logs.append(records).await {
                    return eprintln!("dsctl: log records of {name} could not be stored: {why}");
                }
                let _ = acks.send(Outgoing::Send(ToNode::LogAck { batch }));
                FromNode::LogBatch { batch, records: Vec::new() }
            }
            message => message,
        };
        if hall.core.send(Mail::NodeSaid { connection, message: said }).await.is_err() {
            return;
        }
    }
}

async fn talk(
    to: OwnedWriteHalf,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
    welcomed: oneshot::Sender<()>,
) {
    let mut to = BufWriter::new(to);
    let mut welcomed = Some(welcomed);
    while let Some(next) = outgoing.recv().await {
        let bytes = match next {
            Outgoing::Close => break,
            Outgoing::Greet(greeting) => {
                if greeting == Greeting::Welcome
                    && let Some(welcomed) = welcomed.take()
                {
                    let _ = welcomed.send(());
                }
                greeting.encode()
            }
            Outgoing::Send(message) => message.encode(),
            Outgoing::Ship(mut shipment, path) => {
                match tokio::task::spawn_blocking(move || std::fs::read(path)).await {
                    Ok(Ok(image)) => {
                        shipment.image = image;
                        ToNode::Ship(shipment).encode()
                    }
                    Ok(Err(why)) => {
                        eprintln!("dsctl: the image of run {} cannot be read: {why}", shipment.run);
                        continue;
                    }
                    Err(_) => continue,
                }
            }
        };
        let Ok(bytes) = bytes else { continue };
        if write_frame(&mut to, &bytes).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

// ---- operators ----

async fn operator(hall: Hall, stream: TcpStream, request: Request) {
    let (mut from, mut to) = stream.into_split();
    let patience = Duration::from_millis(HELLO_MS_MAX);
    let Ok(Ok(Some(bytes))) = timeout(patience, read_frame(&mut from, FRAME_BYTES_MAX)).await else { return };
    let message = match FromOperator::decode(&bytes) {
        Ok(message) => message,
        Err(why) => {
            reply(&mut to, &ToOperator::Refused { reason: why.to_string() }).await;
            return;
        }
    };
    // An operator who has gone has nothing more to say: the end of the stream.
    let gone = async move { while let Ok(Some(_)) = read_frame(&mut from, HELLO_BYTES_MAX).await {} };
    let answered = async {
        match message {
            FromOperator::QueryLog(query) => {
                let found = hall.logs.query(query).await;
                reply_records(&mut to, found).await;
            }
            FromOperator::StatsLog { query, stats } => {
                let found = hall.logs.stats(query, stats).await;
                reply_records(&mut to, found).await;
            }
            FromOperator::TailLog(query) => tail(&hall, &mut to, query).await,
            FromOperator::ExportLog(query) => export(&hall, &mut to, query).await,
            FromOperator::ListPools { skip_damaged } => match hall.logs.pools(skip_damaged).await {
                Ok((keys, skipped)) => {
                    if reply(&mut to, &ToOperator::Keys(keys)).await {
                        reply_records(&mut to, Ok(Found { skipped, ..Found::default() })).await;
                    }
                }
                Err(why) => drop(reply(&mut to, &refused(why)).await),
            },
            message => ask(&hall, &mut to, request, message).await,
        }
    };
    tokio::select! {
        () = gone => {}
        () = answered => {}
    }
    let _ = hall.core.send(Mail::AskerGone { request }).await;
}

/// Lets the core answer.
async fn ask(hall: &Hall, to: &mut OwnedWriteHalf, request: Request, message: FromOperator) {
    let (sender, mut answers) = mpsc::unbounded_channel();
    if hall.core.send(Mail::Asked { request, message, answers: sender }).await.is_err() {
        return;
    }
    while let Some(answer) = answers.recv().await {
        let last = matches!(answer, ToOperator::Done | ToOperator::Refused { .. });
        if !reply(to, &answer).await || last {
            return;
        }
    }
}

async fn tail(hall: &Hall, to: &mut OwnedWriteHalf, query: LogQuery) {
    let reader = hall.logs.reader(query.skip_damaged);
    let mut cursor = match hall.logs.end(&reader).await {
        Ok(cursor) => cursor,
        Err(why) => {
            reply(to, &refused(why)).await;
            return;
        }
    };
    let mut told = 0;
    loop {
        match hall.logs.tail(&reader, query.clone(), cursor).await {
            Ok((records, behind)) => {
                cursor = behind;
                let skipped = filter::skipped(&reader).split_off(told);
                told += skipped.len();
                for answer in answers(records).into_iter().chain(skipped_answers(&skipped)) {
                    if !reply(to, &answer).await {
                        return;
                    }
                }
            }
            Err(why) => {
                reply(to, &refused(why)).await;
                return;
            }
        }
        sleep(TAIL_EVERY).await;
    }
}

async fn reply_records(to: &mut OwnedWriteHalf, found: Result<Found, Failed>) {
    match found {
        Ok(Found { records, skipped, doubts }) => {
            let doubts = Some(doubts).filter(|doubts| !doubts.is_empty()).map(ToOperator::Doubts);
            for answer in answers(records).into_iter().chain(skipped_answers(&skipped)).chain(doubts) {
                if !reply(to, &answer).await {
                    return;
                }
            }
            reply(to, &ToOperator::Done).await;
        }
        Err(why) => {
            reply(to, &refused(why)).await;
        }
    }
}

fn skipped_answers(skipped: &[Skipped]) -> impl Iterator<Item = ToOperator> {
    skipped.chunks(SKIPPED_MAX).map(|some| ToOperator::Skipped(some.to_vec()))
}

/// Sends records as they are read.
async fn export(hall: &Hall, to: &mut OwnedWriteHalf, asked: LogQuery) {
    let (sender, mut ready) = mpsc::channel(EXPORT_WAITING_MAX);
    let logs = hall.logs.clone();
    let read = async move {
        let pieces = sender.clone();
        let read = logs.ask(move |folder| {
            let query = filter::query(&asked).map_err(Failed::Question)?;
            let reader = filter::reader(folder, asked.skip_damaged);
            let mut batch = Vec::new();
            let send = |batch: &mut Vec<Record>| {
                answers(std::mem::take(batch)).into_iter().all(|answer| pieces.blocking_send(answer).is_ok())
            };
            reader.each(&query, |record| {
                batch.push(record);
                batch.len() < EXPORT_BATCH || send(&mut batch)
            })?;
            send(&mut batch);
            Ok(filter::skipped(&reader))
        });
        let last = match read.await {
            Ok(skipped) => skipped_answers(&skipped).chain([ToOperator::Done]).collect(),
            Err(why) => vec![refused(why)],
        };
        for answer in last {
            // Who asked may have gone.
            let _ = sender.send(answer).await;
        }
    };
    let answer = async move {
        while let Some(answer) = ready.recv().await {
            if !reply(to, &answer).await {
                return;
            }
        }
    };
    tokio::join!(read, answer);
}

fn refused(why: Failed) -> ToOperator {
    ToOperator::Refused { reason: why.into() }
}

/// Whether it could be said; an answer that breaks a limit is said to have.
async fn reply(to: &mut OwnedWriteHalf, answer: &ToOperator) -> bool {
    match answer.encode() {
        Ok(bytes) => write_frame(to, &bytes).await.is_ok(),
        Err(why) => match (ToOperator::Refused { reason: why.to_string() }).encode() {
            Ok(bytes) => {
                let _ = write_frame(to, &bytes).await;
                false
            }
            Err(_) => false,
        },
    }
}
