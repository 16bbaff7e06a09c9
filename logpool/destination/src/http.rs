//! Another LogPool: that of a controller that answers HTTP (`dsctl serve --http ADDR --http-put`).

use dscript_logpool::{
    FieldValue, KeyInfo, Pattern, PoolInfo, Query, Record, RunId, Stats, StatsRow, parse_time,
    record_from_json, record_json, time_text, value_from_json,
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::courier::Failure;
use crate::limits::*;
use crate::{DestinationError, Result};

pub struct Client {
    address: String,
    connection: Option<http1::SendRequest<Full<Bytes>>>,
}

impl Client {
    pub fn new(address: &str) -> Client {
        Client { address: address.to_owned(), connection: None }
    }

    pub async fn deliver(&mut self, records: &[Record]) -> Result<(), Failure> {
        let body: String = records.iter().map(|record| format!("{}\n", record_json(record))).collect();
        let response = self.ask(Method::POST, "/v1/log/records", body).await?;
        let status = response.status();
        if status == StatusCode::OK {
            self.whole(response).await?;
            return Ok(());
        }
        let answer: Value = serde_json::from_slice(&self.whole(response).await?).unwrap_or_default();
        let line = answer["line"].as_u64().and_then(|line| usize::try_from(line).ok());
        match (status, line) {
            (StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY, Some(line))
                if (1..=records.len()).contains(&line) =>
            {
                let why = answer["error"].as_str().unwrap_or("it does not say why").to_owned();
                Err(Failure::Refused { index: line - 1, why })
            }
            _ => Err(self.refused(status, &answer).into()),
        }
    }

    pub async fn records(&mut self, query: &Query) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        // A few of them need not be looked for here.
        if let Some(most) = query.limit.filter(|most| (1..=100_000).contains(most)) {
            let mut path = format!("/v1/log/records?{}&limit={most}", parameters(query));
            if let Some(order) = &query.order {
                path += &format!("&order={}", encoded(order.text()));
            }
            for json in self.list(&path, "records").await?.0 {
                records.push(self.record(&json.to_string())?);
            }
        } else {
            let take = |record| {
                records.push(record);
                true
            };
            self.each(query, take).await?;
        }
        Ok(query.answer(records))
    }

    /// A list that an answer holds under a name, and what JSON does not say of its values.
    async fn list(&mut self, path: &str, name: &str) -> Result<(Vec<Value>, Value)> {
        let response = self.good(path).await?;
        let mut answer: Value = serde_json::from_slice(&self.whole(response).await?).unwrap_or_default();
        match answer[name].take() {
            Value::Array(all) => Ok((all, answer["types"].take())),
            _ => Err(self.trouble(&format!("its answer has no {name}"))),
        }
    }

    /// Shows each record that fits, until `each` returns false.
    pub async fn each(&mut self, query: &Query, mut each: impl FnMut(Record) -> bool) -> Result<()> {
        let mut lines = Lines::new(self.good(&format!("/v1/log/export?{}", parameters(query))).await?);
        while let Some(line) = lines.next(&self.address).await? {
            if !each(self.record(&line)?) {
                // What is left of the answer is of no use.
                self.connection = None;
                return Ok(());
            }
        }
        Ok(())
    }

    pub async fn pools(&mut self) -> Result<Vec<PoolInfo>> {
        let (keys, _) = self.list("/v1/log/pools", "keys").await?;
        let key = |json: &Value| {
            let time = |name: &str| parse_time(json[name].as_str()?).ok();
            let nodes = json["nodes"].as_array()?.iter().map(|node| Some(node.as_str()?.to_owned()));
            let key = KeyInfo {
                key: json["key"].as_str()?.to_owned(),
                nodes: nodes.collect::<Option<_>>()?,
                records: json["records"].as_u64()?,
                first: time("first")?,
                last: time("last")?,
            };
            Some((json["pool"].as_str()?.to_owned(), key))
        };
        let keys = keys.iter().map(key).collect::<Option<Vec<_>>>();
        let mut pools: Vec<PoolInfo> = Vec::new();
        for (pool, key) in keys.ok_or_else(|| self.trouble("a key of its answer is none"))? {
            let KeyInfo { records, first, last, .. } = key;
            match pools.last_mut().filter(|info| info.pool == pool) {
                Some(info) => {
                    info.records += records;
                    (info.first, info.last) = (info.first.min(first), info.last.max(last));
                    info.keys.push(key);
                }
                None => pools.push(PoolInfo { pool, keys: vec![key], records, first, last }),
            }
        }
        Ok(pools)
    }

    pub async fn stats(&mut self, query: &Query, stats: &Stats) -> Result<Vec<StatsRow>> {
        let by = stats.by().count();
        let mut path =
            format!("/v1/log/stats?{}&stats={}", parameters(query), encoded(&stats.aggregates_text()));
        if by > 0 {
            path += &format!("&by={}", encoded(&stats.by_text()));
        }
        if let Some(order) = stats.order_text() {
            path += &format!("&order={}", encoded(order));
        }
        // What is beyond what the server takes is cut here.
        if let Some(limit) = stats.limit.filter(|limit| (1..=100_000).contains(limit)) {
            path += &format!("&limit={limit}");
        }
        if let Some(every) = stats.every {
            path += &format!("&every={every}ns");
        }
        let (groups, types) = self.list(&path, "groups").await?;
        let row = |group: &Value| {
            let values = group.as_object()?.iter();
            let mut values = values.map(|(name, json)| value(json, types[name].as_str()));
            let window = match stats.every {
                Some(_) => match values.next()? {
                    FieldValue::Time(window) => Some(window),
                    FieldValue::String(text) => Some(parse_time(&text).ok()?),
                    _ => return None,
                },
                None => None,
            };
            let by: Vec<FieldValue> = values.by_ref().take(by).collect();
            Some(StatsRow { window, by, values: values.collect() })
        };
        let rows: Option<Vec<StatsRow>> = groups.iter().map(row).collect();
        let rows = rows.filter(|rows| rows.iter().all(|row| row.values.len() == stats.aggregates.len()));
        let rows = rows.map(|rows| rows.into_iter().take(stats.limit.unwrap_or(usize::MAX)).collect());
        rows.ok_or_else(|| self.trouble("its groups are none of those asked for"))
    }

    /// What comes from now on, on a connection of its own.
    pub async fn tail(&mut self, query: &Query) -> Result<mpsc::Receiver<Result<Record>>> {
        let now = Query { since: None, until: None, ..query.clone() };
        let mut other = Client::new(&self.address);
        let response = other.good(&format!("/v1/log/tail?{}", parameters(&now))).await?;
        let (sender, stream) = mpsc::channel(TAIL_WAITING_MAX);
        tokio::spawn(async move {
            let mut lines = Lines { patience: false, ..Lines::new(response) };
            loop {
                let record = match lines.next(&other.address).await {
                    Ok(Some(line)) => other.record(&line),
                    Ok(None) => return,
                    Err(why) => Err(why),
                };
                let failed = record.is_err();
                if sender.send(record).await.is_err() || failed {
                    return;
                }
            }
        });
        Ok(stream)
    }

    fn record(&self, line: &str) -> Result<Record> {
        record_from_json(line, RunId(0), 0).map_err(|why| {
            let said: Value = serde_json::from_str(line).unwrap_or_default();
            self.trouble(said["error"].as_str().unwrap_or(&why))
        })
    }

    async fn good(&mut self, path: &str) -> Result<Response<Incoming>> {
        let response = self.ask(Method::GET, path, String::new()).await?;
        let status = response.status();
        if status == StatusCode::OK {
            return Ok(response);
        }
        let answer: Value = serde_json::from_slice(&self.whole(response).await?).unwrap_or_default();
        Err(self.refused(status, &answer))
    }

    async fn ask(&mut self, method: Method, path: &str, body: String) -> Result<Response<Incoming>> {
        let patience = if method == Method::POST { DELIVER_PATIENCE } else { ANSWER_PATIENCE };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.address)
            .header(CONTENT_TYPE, "application/x-ndjson")
            .body(Full::new(Bytes::from(body)))
            .map_err(|why| self.trouble(&why.to_string()))?;
        let mut connection = match self.connection.take() {
            Some(connection) if !connection.is_closed() => connection,
            _ => self.connect().await?,
        };
        if connection.ready().await.is_err() {
            connection = self.connect().await?;
        }
        match timeout(patience, connection.send_request(request)).await {
            Ok(Ok(response)) => {
                self.connection = Some(connection);
                Ok(response)
            }
            Ok(Err(why)) => Err(self.trouble(&why.to_string())),
            Err(_) => Err(self.trouble("it does not answer")),
        }
    }

    async fn connect(&self) -> Result<http1::SendRequest<Full<Bytes>>> {
        let unreachable = |why: String| {
            let address = &self.address;
            DestinationError::Unreachable(format!("the LogPool at {address} cannot be reached: {why}"))
        };
        let stream = timeout(CONNECT_PATIENCE, TcpStream::connect(&self.address)).await;
        let stream = stream.map_err(|_| unreachable("it does not answer".into()))?;
        let stream = stream.map_err(|why| unreachable(why.to_string()))?;
        let _ = stream.set_nodelay(true);
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(|why| unreachable(why.to_string()))?;
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    async fn whole(&self, response: Response<Incoming>) -> Result<Bytes> {
        let body = Limited::new(response.into_body(), VALUE_BYTES_MAX).collect();
        match timeout(ANSWER_PATIENCE, body).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(why)) => Err(self.trouble(&why.to_string())),
            Err(_) => Err(self.trouble("it does not answer")),
        }
    }

    fn refused(&self, status: StatusCode, answer: &Value) -> DestinationError {
        let why = answer["error"].as_str().unwrap_or("it does not say why");
        let why = format!("{why} (HTTP {})", status.as_u16());
        match status {
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => {
                DestinationError::Denied(format!("the LogPool at {} does not permit it: {why}", self.address))
            }
            _ => self.trouble(&why),
        }
    }

    fn trouble(&self, what: &str) -> DestinationError {
        DestinationError::Unreachable(format!("the LogPool at {}: {what}", self.address))
    }
}

/// The lines of an answer as they come.
struct Lines {
    body: Incoming,
    waiting: Vec<u8>,
    /// Whether a silence is an error.
    patience: bool,
}

impl Lines {
    fn new(response: Response<Incoming>) -> Lines {
        Lines { body: response.into_body(), waiting: Vec::new(), patience: true }
    }

    /// Lines with nothing in them say that somebody is still there.
    async fn next(&mut self, address: &str) -> Result<Option<String>> {
        let trouble = |why: String| DestinationError::Unreachable(format!("the LogPool at {address}: {why}"));
        loop {
            if let Some(end) = self.waiting.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.waiting.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line).trim().to_owned();
                if line.is_empty() {
                    continue;
                }
                return Ok(Some(line));
            }
            let frame = if self.patience {
                let frame = timeout(ANSWER_PATIENCE, self.body.frame()).await;
                frame.map_err(|_| trouble("it does not answer".into()))?
            } else {
                self.body.frame().await
            };
            match frame {
                None if self.waiting.is_empty() => return Ok(None),
                None => return Err(trouble("its answer broke off".into())),
                Some(Err(why)) => return Err(trouble(why.to_string())),
                Some(Ok(frame)) => {
                    self.waiting.extend_from_slice(&frame.into_data().unwrap_or_default());
                    if self.waiting.len() > LINE_BYTES_MAX {
                        return Err(trouble("a line of its answer is too long".into()));
                    }
                }
            }
        }
    }
}

/// A value of a group; one of a column that has several types may be a text in the end.
fn value(json: &Value, kind: Option<&str>) -> FieldValue {
    let read = value_from_json(json, kind).or_else(|_| value_from_json(json, None));
    read.unwrap_or(FieldValue::Null)
}

/// Names are patterns there, so a `*` that means itself is asked for by an expression as well.
fn parameters(query: &Query) -> String {
    let mut conditions: Vec<String> =
        query.condition.iter().map(|condition| format!("({})", condition.text())).collect();
    let mut pairs = Vec::new();
    for (name, pattern) in
        [("pool", &query.pool), ("key", &query.key), ("node", &query.node), ("task", &query.task)]
    {
        let text = match pattern {
            Pattern::Any => continue,
            Pattern::Glob(text) => text,
            Pattern::Exact(text) => {
                if text.contains('*') {
                    let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                    conditions.push(format!("{name} == \"{text}\""));
                }
                text
            }
        };
        pairs.push((name, text.clone()));
    }
    pairs.extend(query.run.map(|run| ("run", run.to_string())));
    pairs.extend(query.since.map(|since| ("since", time_text(since))));
    pairs.extend(query.until.map(|until| ("until", time_text(until))));
    if !conditions.is_empty() {
        pairs.push(("where", conditions.join(" && ")));
    }
    let pairs: Vec<String> =
        pairs.into_iter().map(|(name, value)| format!("{name}={}", encoded(&value))).collect();
    pairs.join("&")
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use dscript_logpool::Condition;

    use super::*;

    #[test]
    fn questions_are_parameters() {
        let query = Query {
            node: Pattern::parse("web-*"),
            run: Some("0a".parse().unwrap()),
            condition: Some(Condition::parse("wa > 20").unwrap()),
            since: Some(0),
            ..Query::of_key("p", "key -*")
        };
        assert_eq!(
            parameters(&query),
            "pool=p&key=key%20-%2A&node=web-%2A&run=0a&since=1970-01-01T00%3A00%3A00Z\
             &where=%28wa%20%3E%2020%29%20%26%26%20key%20%3D%3D%20%22key%20-%2A%22"
        );
        let query = Query { key: Pattern::parse("host/*"), ..Query::of_key("p", "") };
        assert_eq!(parameters(&query), "pool=p&key=host%2F%2A");
        let query = Query { key: Pattern::Any, ..Query::of_key("p", "") };
        assert_eq!(parameters(&query), "pool=p");
    }
}
