//! A pool in a stream of NATS (JetStream), which may be kept by several servers.
//!
//! A message is some records of one key, one as JSON a line, with the subject `STREAM.POOL.KEY` (what a subject's
//! word may not hold stands as `=20`). The stream is made where there is none. A message that is sent again
//! has the same id, so the server leaves it out; what it lets through again a mirror has once. Questions are asked of the
//! mirror, which takes the messages of the key from where it stopped.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::{self, ErrorCode, stream};
use async_nats::{ConnectOptions, HeaderMap, ServerAddr};
use dscript_logpool::{Pattern, Query, Record, RunId, record_from_json, record_json};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::courier::Failure;
use crate::limits::*;
use crate::mirror::Mirror;
use crate::{DestinationError, Result};

/// A consumer that nobody uses any more goes away by itself.
const CONSUMER_LIFE: Duration = Duration::from_secs(60);

pub struct Client {
    servers: Vec<String>,
    stream: String,
    replicas: usize,
    connection: Option<Connection>,
}

struct Connection {
    context: jetstream::Context,
    message_bytes_max: usize,
}

/// Records of one key that become a message.
struct Message {
    subject: String,
    id: String,
    payload: String,
}

impl Client {
    pub fn new(servers: &[String], stream: &str, replicas: usize) -> Client {
        Client { servers: servers.to_vec(), stream: stream.to_owned(), replicas, connection: None }
    }

    pub async fn deliver(&mut self, records: &[Record]) -> Result<(), Failure> {
        let (context, bytes_max) = self.connection().await?;
        let messages = messages(&self.stream, records, bytes_max)?;
        let sent = async {
            let mut acks = Vec::with_capacity(messages.len());
            for Message { subject, id, payload } in messages {
                let mut headers = HeaderMap::new();
                headers.insert(async_nats::header::NATS_MESSAGE_ID, id.as_str());
                let sent = context.publish_with_headers(subject, headers, payload.into()).await;
                acks.push(sent.map_err(|why| why.to_string())?);
            }
            for ack in acks {
                ack.await.map_err(|why| why.to_string())?;
            }
            Ok(())
        };
        let sent = timeout(DELIVER_PATIENCE, sent).await;
        sent.unwrap_or_else(|_| Err("it does not answer".into())).map_err(|why: String| {
            // The stream may have gone; the next try looks.
            self.connection = None;
            self.trouble(&why).into()
        })
    }

    /// Reads what came since the last time.
    pub async fn fill(&mut self, mirror: &mut Mirror, query: &Query) -> Result<()> {
        let (context, _) = self.connection().await?;
        // What a mirror has beside is left out by the question itself.
        let asked = |pattern: &Pattern| match pattern {
            Pattern::Exact(text) => word(text),
            _ => "*".into(),
        };
        let subject = format!("{}.{}.{}", self.stream, asked(&query.pool), asked(&query.key));
        let filled = timeout(ANSWER_PATIENCE * 10, fill(&context, &self.stream, &subject, mirror)).await;
        match filled.unwrap_or_else(|_| Err(Trouble::There("it does not answer".into()))) {
            Ok(()) => Ok(()),
            Err(Trouble::Here(why)) => Err(why),
            Err(Trouble::There(why)) => {
                self.connection = None;
                Err(self.trouble(&why))
            }
        }
    }

    async fn connection(&mut self) -> Result<(jetstream::Context, usize)> {
        if self.connection.is_none() {
            self.connection = Some(self.connect().await?);
        }
        match &self.connection {
            Some(Connection { context, message_bytes_max }) => Ok((context.clone(), *message_bytes_max)),
            None => Err(self.trouble("there is no connection")),
        }
    }

    async fn connect(&self) -> Result<Connection> {
        let addresses: Result<Vec<ServerAddr>, _> =
            self.servers.iter().map(|server| server.parse::<ServerAddr>()).collect();
        let addresses = addresses.map_err(|why| self.trouble(&why.to_string()))?;
        let options = ConnectOptions::new().name("dscript").connection_timeout(CONNECT_PATIENCE);
        let client = timeout(DELIVER_PATIENCE, options.connect(addresses)).await;
        let client = client.map_err(|_| self.trouble("it does not answer"))?;
        let client = client.map_err(|why| self.trouble(&format!("it cannot be reached: {}", chain(&why))))?;
        let message_bytes_max = client.server_info().max_payload.saturating_sub(MESSAGE_HEAD_BYTES);
        let context = jetstream::new(client);
        let wanted = stream::Config {
            name: self.stream.clone(),
            subjects: vec![format!("{}.>", self.stream)],
            num_replicas: self.replicas,
            ..stream::Config::default()
        };
        let made = timeout(DELIVER_PATIENCE, context.get_or_create_stream(wanted)).await;
        let made = made.map_err(|_| self.trouble("JetStream does not answer"))?;
        made.map_err(|why| self.trouble(&format!("there is no stream `{}`: {}", self.stream, chain(&why))))?;
        Ok(Connection { context, message_bytes_max })
    }

    fn trouble(&self, what: &str) -> DestinationError {
        DestinationError::Unreachable(format!("NATS at {}: {what}", self.servers.join(",")))
    }
}

enum Trouble {
    Here(DestinationError),
    There(String),
}

impl<E: std::error::Error> From<E> for Trouble {
    fn from(why: E) -> Trouble {
        Trouble::There(chain(&why))
    }
}

async fn fill(
    context: &jetstream::Context,
    name: &str,
    subject: &str,
    mirror: &mut Mirror,
) -> Result<(), Trouble> {
    let stream = match context.get_stream(name).await {
        Ok(stream) => stream,
        Err(why) => match why.kind() {
            GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                return Ok(());
            }
            _ => return Err(why.into()),
        },
    };
    let info = stream.cached_info();
    // A stream that was made anew counts anew.
    let born = info.created.unix_timestamp_nanos();
    let position = mirror.position(subject).and_then(|position| position.split_once(' '));
    let known = position.filter(|(known, _)| *known == born.to_string());
    let known: u64 = known.and_then(|(_, at)| at.parse().ok()).unwrap_or(0);
    let last = info.state.last_sequence;
    if last <= known {
        return Ok(());
    }
    let config = pull::Config {
        filter_subject: subject.to_owned(),
        deliver_policy: match known {
            0 => DeliverPolicy::All,
            known => DeliverPolicy::ByStartSequence { start_sequence: known + 1 },
        },
        ack_policy: AckPolicy::None,
        inactive_threshold: CONSUMER_LIFE,
        // With one replica it may be put to the server that is gone.
        num_replicas: info.config.num_replicas,
        memory_storage: true,
        ..pull::Config::default()
    };
    let consumer = stream.create_consumer(config).await?;
    let mut left = consumer.cached_info().num_pending;
    let mut reached = known;
    while left > 0 {
        let some = left.min(FETCH_MAX as u64);
        let mut messages = consumer.fetch().max_messages(some as usize).messages().await?;
        let mut records = Vec::new();
        let mut read = 0;
        while let Some(message) = messages.next().await {
            let message = message.map_err(|why| Trouble::There(why.to_string()))?;
            let at = message.info().map_err(|why| Trouble::There(why.to_string()))?;
            reached = reached.max(at.stream_sequence);
            for line in String::from_utf8_lossy(&message.payload).lines() {
                let record = record_from_json(line, RunId(0), 0);
                records.push(record.map_err(|why| {
                    Trouble::There(format!("message {reached} of the stream is no log record: {why}"))
                })?);
            }
            read += 1;
        }
        if read == 0 {
            return Err(Trouble::There("it sends no messages".into()));
        }
        left = left.saturating_sub(read);
        mirror.add(records, subject, format!("{born} {reached}")).map_err(Trouble::Here)?;
    }
    // Nothing of this key lies between its last message and the end that the stream had.
    if last > reached {
        mirror.add(Vec::new(), subject, format!("{born} {last}")).map_err(Trouble::Here)?;
    }
    // Else it goes away by itself.
    let _ = stream.delete_consumer(&consumer.cached_info().name).await;
    Ok(())
}

fn messages(stream: &str, records: &[Record], bytes_max: usize) -> Result<Vec<Message>, Failure> {
    let mut messages: Vec<Message> = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let subject = subject(stream, &record.pool, &record.key);
        let line = format!("{}\n", record_json(record));
        if line.len() > bytes_max {
            let why = format!("it has {} bytes, a message at most {bytes_max}", line.len());
            return Err(Failure::Refused { index, why });
        }
        let open = messages.iter_mut().rfind(|message| message.subject == subject);
        match open.filter(|message| message.payload.len() + line.len() <= bytes_max) {
            Some(message) => message.payload.push_str(&line),
            None => {
                let id = format!("{}-{}", record.run, record.seq);
                messages.push(Message { subject, id, payload: line });
            }
        }
    }
    for message in &mut messages {
        message.id.push_str(&format!("-{:08x}", crc32fast::hash(message.payload.as_bytes())));
    }
    Ok(messages)
}

fn subject(stream: &str, pool: &str, key: &str) -> String {
    format!("{stream}.{}.{}", word(pool), word(key))
}

/// A word of a subject.
fn word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if text.is_empty() {
        return "=".into();
    }
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("={byte:02x}") })
        .collect()
}

/// An error with what it comes from.
fn chain(why: &dyn std::error::Error) -> String {
    let mut text = why.to_string();
    let mut source = why.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, seq: u64) -> Record {
        Record {
            pool: "p".into(),
            key: key.into(),
            node: "n".into(),
            task: "t".into(),
            run: RunId(1),
            seq,
            time: 0,
            fields: dscript_logpool::Fields::default(),
        }
    }

    #[test]
    fn messages_have_one_key_and_fit() {
        let records = [record("key -name", 1), record("b", 2), record("key -name", 3)];
        let all = messages("s", &records, 10_000).ok().expect("they fit");
        let shapes: Vec<(&str, usize)> =
            all.iter().map(|message| (&message.subject[..], message.payload.lines().count())).collect();
        assert_eq!(shapes, [("s.p.key=20-name", 2), ("s.p.b", 1)]);
        let again = messages("s", &records, 10_000).ok().expect("they fit");
        assert_eq!(again[0].id, all[0].id);
        let one = record_json(&records[0]).to_string().len() + 1;
        assert_eq!(messages("s", &records, one).ok().expect("they fit").len(), 3);
        assert!(matches!(messages("s", &records, one - 1), Err(Failure::Refused { index: 0, .. })));
    }
}
