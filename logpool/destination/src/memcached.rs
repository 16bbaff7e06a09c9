//! A pool at a memcached, by its text protocol. Values are records as JSON; nothing has a time to live.
//!
//! - `POOL/KEY/NODE/TIME/RUN-SEQ`: a record, as the paper has it: the meta data and a unique value
//! - `POOL/KEY:latest`: the newest record of the key
//! - `POOL/KEY:log`: `GENERATION COUNT`; the generation is made at random when a server knows none
//! - `POOL/KEY:GENERATION.N`, N from 1 to COUNT: names of records, one a line, in the order of their arrival
//!
//! The last two are what makes questions possible: memcached cannot list its keys. Steps of a delivery: store the
//! records; `add` their names under the next number (who finds it taken goes on to the one after); raise the count. Killed
//! in between, the same is done again: the same names are listed twice, and a mirror has each once. What
//! memcached dropped for lack of room is gone there; what was read before that stays in the mirror.

use std::collections::BTreeMap;

use dscript_logpool::{
    Pattern, Query, READ_ONLY, Record, RunId, full_key, latest_key, parse_time, record_from_json,
    record_json, series_key,
};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::courier::Failure;
use crate::limits::*;
use crate::mirror::Mirror;
use crate::{DestinationError, Result};

pub struct Client {
    address: String,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    pub fn new(address: &str) -> Client {
        Client { address: address.to_owned(), connection: None }
    }

    pub async fn deliver(&mut self, records: &[Record]) -> Result<(), Failure> {
        let mut connection = self.connection().await?;
        let delivered = timeout(DELIVER_PATIENCE, connection.deliver(records)).await;
        match delivered.unwrap_or_else(|_| Err(connection.silent().into())) {
            Ok(()) => {
                self.connection = Some(connection.stream);
                Ok(())
            }
            // What else would be answered is of no use: the next try has a connection of its own.
            failed => failed,
        }
    }

    /// Reads what came since the last time.
    pub async fn fill(&mut self, mirror: &mut Mirror, query: &Query) -> Result<()> {
        let (Pattern::Exact(pool), Pattern::Exact(key)) = (&query.pool, &query.key) else {
            let why = "a memcached does not know its keys: a question to it names pool and key, without `*`";
            return Err(DestinationError::Question(why.into()));
        };
        let mut connection = self.connection().await?;
        connection.fill(mirror, &series_key(pool, key)).await?;
        self.connection = Some(connection.stream);
        Ok(())
    }

    async fn connection(&mut self) -> Result<Connection> {
        let address = self.address.clone();
        if let Some(stream) = self.connection.take() {
            return Ok(Connection { stream, address });
        }
        let failed = |why: String| {
            DestinationError::Unreachable(format!("memcached at {address} cannot be reached: {why}"))
        };
        match timeout(CONNECT_PATIENCE, TcpStream::connect(&address)).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                Ok(Connection { stream: BufReader::new(stream), address })
            }
            Ok(Err(why)) => Err(failed(why.to_string())),
            Err(_) => Err(failed("it does not answer".into())),
        }
    }
}

struct Connection {
    stream: BufReader<TcpStream>,
    address: String,
}

/// Storage commands and what they say back where they do not store.
#[derive(PartialEq)]
enum Stored {
    Yes,
    /// `add` of what is there, `cas` of what has changed or gone.
    No,
}

impl Connection {
    fn silent(&self) -> DestinationError {
        self.trouble("it does not answer")
    }

    fn trouble(&self, what: &str) -> DestinationError {
        DestinationError::Unreachable(format!("memcached at {}: {what}", self.address))
    }

    async fn deliver(&mut self, records: &[Record]) -> Result<(), Failure> {
        for (nth, some) in records.chunks(PIPELINE_MAX).enumerate() {
            self.store_all(some).await.map_err(|failure| match failure {
                Failure::Refused { index, why } => {
                    Failure::Refused { index: nth * PIPELINE_MAX + index, why }
                }
                later => later,
            })?;
        }
        let mut by_series: BTreeMap<(&str, &str), Vec<&Record>> = BTreeMap::new();
        for record in records {
            by_series.entry((&record.pool, &record.key)).or_default().push(record);
        }
        for ((pool, key), records) in by_series {
            let names: Vec<String> = records.iter().map(|record| full_key(record)).collect();
            self.list(&series_key(pool, key), &names.join("\n")).await?;
            if let Some(newest) = records.iter().max_by_key(|record| record.time) {
                self.latest(&latest_key(pool, key), newest).await?;
            }
        }
        Ok(())
    }

    async fn store_all(&mut self, records: &[Record]) -> Result<(), Failure> {
        let mut all = Vec::new();
        for record in records {
            put_command(&mut all, "set", &full_key(record), "", record_json(record).to_string().as_bytes());
        }
        self.send(&all).await?;
        for index in 0..records.len() {
            let line = self.line().await?;
            match &line[..] {
                "STORED" => {}
                "SERVER_ERROR object too large for cache" => {
                    return Err(Failure::Refused { index, why: "it is too large for memcached".into() });
                }
                other if other.contains(READ_ONLY) => return Err(self.is_a_door().into()),
                other => return Err(self.trouble(&format!("it answers `{other}`")).into()),
            }
        }
        Ok(())
    }

    /// What is wrong where a controller answers as memcached does.
    fn is_a_door(&self) -> DestinationError {
        DestinationError::Denied(format!(
            "at {} is the memcached door of a LogPool, where log records are only read: its controller takes and \
             gives them at http://HOST:PORT (dsctl serve --http ADDR --http-put)",
            self.address
        ))
    }

    /// Adds names to those of a series.
    async fn list(&mut self, series: &str, names: &str) -> Result<()> {
        let log = format!("{series}:log");
        let (generation, mut number) = self.log(&log).await?;
        loop {
            number += 1;
            let name = format!("{series}:{generation}.{number}");
            if self.store("add", &name, "", names.as_bytes()).await? == Stored::Yes {
                break;
            }
        }
        for _ in 0..CAS_TRIES_MAX {
            let Some((value, token)) = self.gets(&log).await? else { break };
            match parse_log(&value) {
                Some((now, count)) if now == generation && count < number => {
                    let new = format!("{generation} {number}");
                    if self.store("cas", &log, &format!(" {token}"), new.as_bytes()).await? == Stored::Yes {
                        return Ok(());
                    }
                }
                Some((now, _)) if now == generation => return Ok(()),
                // Everything was flushed in between.
                _ => break,
            }
        }
        Err(self.trouble("the list of a key's log records changes all the time, or was flushed"))
    }

    /// Generation and count of a series; made where there is none.
    async fn log(&mut self, log: &str) -> Result<(String, u64)> {
        for _ in 0..CAS_TRIES_MAX {
            if let Some((value, _)) = self.gets(log).await? {
                let found = parse_log(&value);
                return found.ok_or_else(|| self.trouble(&format!("`{log}` holds something else")));
            }
            let random = RunId::new_random();
            let random = random.map_err(|why| self.trouble(&format!("no random numbers: {why}")))?;
            let fresh = format!("{:08x} 0", random.0 as u32);
            self.store("add", log, "", fresh.as_bytes()).await?;
        }
        Err(self.trouble(&format!("`{log}` does not stay")))
    }

    async fn latest(&mut self, name: &str, record: &Record) -> Result<()> {
        let json = record_json(record).to_string();
        for _ in 0..CAS_TRIES_MAX {
            let stored = match self.gets(name).await? {
                None => self.store("add", name, "", json.as_bytes()).await?,
                Some((value, token)) => {
                    let there: Value = serde_json::from_slice(&value).unwrap_or_default();
                    let time = there["time"].as_str().and_then(|time| parse_time(time).ok());
                    if time.is_some_and(|time| time >= record.time) {
                        return Ok(());
                    }
                    self.store("cas", name, &format!(" {token}"), json.as_bytes()).await?
                }
            };
            if stored == Stored::Yes {
                return Ok(());
            }
        }
        Err(self.trouble(&format!("`{name}` changes all the time")))
    }

    async fn fill(&mut self, mirror: &mut Mirror, series: &str) -> Result<()> {
        let Some((value, _)) = self.gets(&format!("{series}:log")).await? else {
            // Only a LogPool has the newest record of a key without having been brought it; it has no cas there.
            return match self.gets(&format!("{series}:latest")).await? {
                Some((_, 0)) => Err(self.is_a_door()),
                _ => Ok(()),
            };
        };
        let (generation, count) =
            parse_log(&value).ok_or_else(|| self.trouble(&format!("`{series}:log` holds something else")))?;
        let known = mirror.position(series).and_then(|position| parse_log(position.as_bytes()));
        let known = known.filter(|(known, _)| *known == generation).map_or(0, |(_, count)| count);
        let numbers: Vec<u64> = (known + 1..=count).collect();
        for some in numbers.chunks(PIPELINE_MAX) {
            let lists: Vec<String> =
                some.iter().map(|number| format!("{series}:{generation}.{number}")).collect();
            let mut records = Vec::new();
            // What memcached dropped is not there.
            for list in self.get_all(&lists).await?.into_iter().flatten() {
                let list = String::from_utf8_lossy(&list).into_owned();
                let names: Vec<String> = list.lines().map(str::to_owned).collect();
                for names in names.chunks(PIPELINE_MAX) {
                    for value in self.get_all(names).await?.into_iter().flatten() {
                        let text = String::from_utf8_lossy(&value);
                        match record_from_json(&text, RunId(0), 0) {
                            Ok(record) => records.push(record),
                            Err(why) => {
                                return Err(self.trouble(&format!("a log record there is none: {why}")));
                            }
                        }
                    }
                }
            }
            let last = some[some.len() - 1];
            mirror.add(records, series, format!("{generation} {last}"))?;
        }
        Ok(())
    }

    async fn get_all(&mut self, names: &[String]) -> Result<Vec<Option<Vec<u8>>>> {
        let all: String = names.iter().map(|name| format!("get {name}\r\n")).collect();
        self.send(all.as_bytes()).await?;
        let mut values = Vec::with_capacity(names.len());
        for _ in names {
            values.push(self.value().await?.map(|(value, _)| value));
        }
        Ok(values)
    }

    async fn gets(&mut self, name: &str) -> Result<Option<(Vec<u8>, u64)>> {
        self.send(format!("gets {name}\r\n").as_bytes()).await?;
        self.value().await
    }

    /// The answer to a `get` or `gets` of one name; without a cas, that is 0.
    async fn value(&mut self) -> Result<Option<(Vec<u8>, u64)>> {
        let line = self.line().await?;
        if line == "END" {
            return Ok(None);
        }
        let words: Vec<&str> = line.split(' ').collect();
        let (bytes, cas) = match words[..] {
            ["VALUE", _, _, bytes] => (bytes.parse().ok(), Some(0)),
            ["VALUE", _, _, bytes, cas] => (bytes.parse().ok(), cas.parse().ok()),
            _ => (None, None),
        };
        let (Some(bytes), Some(cas)) = (bytes.filter(|bytes| *bytes <= VALUE_BYTES_MAX), cas) else {
            return Err(self.trouble(&format!("it answers `{line}`")));
        };
        let mut value = vec![0; bytes + 2];
        let read = timeout(ANSWER_PATIENCE, self.stream.read_exact(&mut value)).await;
        match read {
            Ok(Ok(_)) => {}
            Ok(Err(why)) => return Err(self.trouble(&why.to_string())),
            Err(_) => return Err(self.silent()),
        }
        value.truncate(bytes);
        match &self.line().await?[..] {
            "END" => Ok(Some((value, cas))),
            other => Err(self.trouble(&format!("it answers `{other}`"))),
        }
    }

    async fn store(&mut self, command: &str, name: &str, cas: &str, value: &[u8]) -> Result<Stored> {
        let mut bytes = Vec::new();
        put_command(&mut bytes, command, name, cas, value);
        self.send(&bytes).await?;
        match &self.line().await?[..] {
            "STORED" => Ok(Stored::Yes),
            "NOT_STORED" | "EXISTS" | "NOT_FOUND" => Ok(Stored::No),
            other => Err(self.trouble(&format!("it answers `{other}`"))),
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        match timeout(ANSWER_PATIENCE, self.stream.get_mut().write_all(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(self.trouble(&why.to_string())),
            Err(_) => Err(self.silent()),
        }
    }

    /// A line of an answer without its end.
    async fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        let mut limited = (&mut self.stream).take(LINE_BYTES_MAX as u64);
        match timeout(ANSWER_PATIENCE, limited.read_until(b'\n', &mut line)).await {
            Ok(Ok(_)) if line.ends_with(b"\r\n") => {
                line.truncate(line.len() - 2);
                Ok(String::from_utf8_lossy(&line).into_owned())
            }
            Ok(Ok(_)) => Err(self.trouble("it hung up")),
            Ok(Err(why)) => Err(self.trouble(&why.to_string())),
            Err(_) => Err(self.silent()),
        }
    }
}

fn put_command(out: &mut Vec<u8>, command: &str, name: &str, cas: &str, value: &[u8]) {
    out.extend_from_slice(format!("{command} {name} 0 0 {}{cas}\r\n", value.len()).as_bytes());
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// `GENERATION COUNT`
fn parse_log(value: &[u8]) -> Option<(String, u64)> {
    let (generation, count) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    let plain = !generation.is_empty() && generation.bytes().all(|digit| digit.is_ascii_hexdigit());
    Some((plain.then(|| generation.to_owned())?, count.trim_end().parse().ok()?))
}
