//! The LogPool over HTTP/1.1: questions as parameters of a `GET`, answers as JSON. `docs/openapi.json` describes it,
//! and is served.
//!
//! What is long is sent as it is read (`streams`). It only reads, unless it was allowed to take records too (`--http-put`). A browser must not be led
//! here by a foreign name, so the `Host` must be a loopback one, and records come with a content type that no page may
//! send elsewhere unasked.

use std::collections::HashSet;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dscript_door::Records;
use dscript_logpool::limits::APPEND_BYTES_MAX;
use dscript_logpool::{KeyName, LogPoolError, RunId, record_from_json, record_json, value_type};
use dscript_protocol::limits::BATCH_RECORDS_MAX;
use dscript_protocol::message::{LogQuery, LogStats, Skipped};
use dscript_protocol::units;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::body::Content;
use super::logs::Logs;
use super::streams;
use crate::log::filter::{self, Failed, Found};
use crate::log::watch::over;
use crate::log::{now, show};

const CONNECTIONS_MAX: usize = 1024;
/// Records of an answer that is not streamed.
const RECORDS_DEFAULT: u64 = 1000;
const RECORDS_MAX: u64 = 100_000;
/// Records that are put together.
const BODY_BYTES_MAX: usize = 32 << 20;
pub const RECORDS_TYPE: &str = "application/x-ndjson";

const OPENAPI: &str = include_str!("../../../../docs/openapi.json");

#[derive(Clone)]
pub struct Api {
    pub logs: Logs,
    records: Records,
    data: PathBuf,
    put: bool,
}

impl Api {
    /// `put`: whether it takes log records.
    pub fn new(logs: Logs, data: &Path, put: bool) -> Api {
        Api { logs, records: Records::new(data), data: data.to_owned(), put }
    }
}

/// Serves clients until it is dropped.
pub async fn serve(listener: TcpListener, api: Api) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let api = api.clone();
                tokio::spawn(async move {
                    let service = service_fn(|request| {
                        let api = api.clone();
                        async move { Ok::<_, Infallible>(answer(&api, request).await) }
                    });
                    // A client that breaks off is nobody's trouble.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                    drop(place);
                });
            }
            // Such as no more file descriptors: it may get better.
            Err(_) => tokio::time::sleep(Duration::from_millis(500)).await,
        }
    }
}

pub type Answer = Response<Content>;

pub fn respond(status: StatusCode, kind: &'static str, content: Content) -> Answer {
    let mut response = Response::new(content);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind.parse().expect("a content type is a header"));
    response.headers_mut().insert(CACHE_CONTROL, "no-store".parse().expect("it is a header"));
    response
}

fn whole(kind: &'static str, text: String) -> Answer {
    respond(StatusCode::OK, kind, Content::Whole(Some(text.into())))
}

fn json_answer(value: &Value) -> Answer {
    whole("application/json", format!("{value}\n"))
}

fn refused(status: StatusCode, why: impl Into<String>) -> Answer {
    explained(status, json!({ "error": why.into() }))
}

/// An error with what is known of it.
fn explained(status: StatusCode, mut body: Value) -> Answer {
    body["status"] = status.as_u16().into();
    respond(status, "application/json", Content::Whole(Some(format!("{body}\n").into())))
}

const RECORDS: &str = "/v1/log/records";
const RECORD: &str = "/v1/log/record/";

/// Which records are meant.
const WHICH: &[&str] = &["pool", "key", "node", "task", "run", "where"];
const WHEN: &[&str] = &["since", "until"];

/// What can be asked for with `GET`, with the parameters that each takes.
const PATHS: [(&str, &[&[&str]]); 9] = [
    (RECORDS, &[WHICH, WHEN, &["limit", "order", "skip_damaged", "fields"]]),
    ("/v1/log/stats", &[WHICH, WHEN, &["stats", "by", "every", "order", "limit", "skip_damaged"]]),
    ("/v1/log/export", &[WHICH, WHEN, &["skip_damaged", "fields"]]),
    ("/v1/log/tail", &[WHICH, &["skip_damaged", "fields"]]),
    ("/v1/log/watch", &[WHICH, &["when", "over", "by", "skip_damaged"]]),
    (RECORD, &[]),
    ("/v1/log/pools", &[&["skip_damaged"]]),
    ("/metrics", &[]),
    ("/openapi.json", &[]),
];

/// Of those that end with a slash, the end is the client's.
fn path_of(path: &str) -> Option<(&'static str, Vec<&'static str>)> {
    let is = |known: &str| if known.ends_with('/') { path.starts_with(known) } else { path == known };
    let (known, parameters) = PATHS.into_iter().find(|(known, _)| is(known))?;
    Some((known, parameters.concat()))
}

async fn answer(api: &Api, request: Request<Incoming>) -> Answer {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let Some(host) = host else {
        return refused(
            StatusCode::BAD_REQUEST,
            "there is no header `Host`: name 127.0.0.1 or localhost there",
        );
    };
    if !is_loopback(host) {
        return refused(
            StatusCode::FORBIDDEN,
            "the header `Host` names another machine: ask for 127.0.0.1 or localhost",
        );
    }
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    if request.method() == Method::POST && path == RECORDS {
        return match asked(query, &[]) {
            Ok(_) => put(api, request).await,
            Err(why) => bad(why),
        };
    }
    // HEAD is answered as GET is, and the server leaves out the body.
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let why = format!(
            "there is no {} here: the LogPool is read with GET, and records are put with POST to {RECORDS}",
            request.method()
        );
        let mut answer = refused(StatusCode::METHOD_NOT_ALLOWED, why);
        let allowed = if path == RECORDS { "GET, POST" } else { "GET" };
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        return answer;
    }
    let Some((known, parameters)) = path_of(path) else {
        let paths = PATHS.map(|(path, _)| if path == RECORD { "/v1/log/record/KEY" } else { path });
        return refused(
            StatusCode::NOT_FOUND,
            format!("there is nothing at {path}; there are {}", paths.join(", ")),
        );
    };
    let asked = match asked(query, &parameters) {
        Ok(asked) => asked,
        Err(why) => return bad(why),
    };
    let accepted = request.headers().get(ACCEPT).and_then(|kinds| kinds.to_str().ok());
    let events = accepted.is_some_and(|kinds| kinds.contains("text/event-stream"));
    let answered = match known {
        RECORDS => records(api, asked.query).await,
        "/v1/log/stats" => stats(api, asked).await,
        "/v1/log/export" => streams::export(api, asked.query).await,
        "/v1/log/tail" => streams::tail(api, asked.query, events).await,
        "/v1/log/watch" => streams::watch(api, asked, events).await,
        RECORD => record(api, &path[RECORD.len()..]).await,
        "/v1/log/pools" => pools(api, asked.query.skip_damaged).await,
        "/metrics" => metrics(api).await,
        _ => Ok(whole("application/json", OPENAPI.to_owned())),
    };
    answered.unwrap_or_else(|refused| refused)
}

/// An error is an answer as well.
pub type Answered = Result<Answer, Answer>;

pub fn bad(why: String) -> Answer {
    refused(StatusCode::BAD_REQUEST, as_parameters(&why))
}

/// The texts name the options of `dsctl log query`; the parameters have the same names.
fn as_parameters(why: &str) -> String {
    why.replace("--", "")
}

pub fn failed(why: Failed) -> Answer {
    let (status, body) = told(&why);
    explained(status, body)
}

/// The status, and what is known: the code of an error, and of damage the file and what of it.
pub fn told(why: &Failed) -> (StatusCode, Value) {
    match why {
        Failed::Question(why) => (StatusCode::BAD_REQUEST, json!({ "error": as_parameters(why) })),
        Failed::Trouble(why) => (StatusCode::INTERNAL_SERVER_ERROR, json!({ "error": why })),
        Failed::LogPool(why) => {
            let status = match why {
                LogPoolError::TooLarge { .. } | LogPoolError::TooMany { .. } => {
                    StatusCode::UNPROCESSABLE_ENTITY
                }
                LogPoolError::Busy => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            let mut body = json!({ "error": why.to_string(), "code": why.code() });
            if let LogPoolError::Corrupt { path, what } = why {
                body["error"] = format!("{why}; skip_damaged=true leaves that out").into();
                body["file"] = path.display().to_string().into();
                body["what"] = what.as_str().into();
            }
            (status, body)
        }
    }
}

/// `127.0.0.1:7780`, `localhost`, `[::1]:7780`
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The parameters of a question.
#[derive(Default)]
pub struct Asked {
    pub query: LogQuery,
    stats: Option<String>,
    pub by: Option<String>,
    every: Option<i64>,
    pub when: Option<String>,
    /// Nanoseconds, above 0, as `every`.
    pub over: Option<i64>,
}

/// Only the parameters named are allowed, each once.
fn asked(text: &str, known: &[&str]) -> Result<Asked, String> {
    let mut asked = Asked::default();
    let now = now()?;
    let mut given = HashSet::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let wrong = || format!("`{pair}` is not written as parameters are: %20 for a space, in UTF-8");
        let (name, value) = (decoded(name).ok_or_else(wrong)?, decoded(value).ok_or_else(wrong)?);
        if !known.contains(&&name[..]) {
            let known = match known {
                [] => "there are none here".to_owned(),
                known => format!("there are {}", known.join(", ")),
            };
            return Err(format!("there is no parameter `{name}`; {known}"));
        }
        if !given.insert(name.clone()) {
            return Err(format!("`{name}` is given twice: give each parameter once"));
        }
        let query = &mut asked.query;
        match &name[..] {
            "pool" => query.pool = Some(value),
            "key" => query.key = Some(value),
            "node" => query.node = Some(value),
            "task" => query.task = Some(value),
            "run" => query.run = Some(value),
            "where" => query.condition = Some(value),
            "skip_damaged" => {
                query.skip_damaged = value
                    .parse()
                    .map_err(|_| format!("skip_damaged: `{value}` is neither true nor false"))?;
            }
            "fields" => query.fields = value.split(',').map(|name| name.trim().to_owned()).collect(),
            "since" => query.since = Some(units::moment(&value, now).map_err(|why| format!("since: {why}"))?),
            "until" => query.until = Some(units::moment(&value, now).map_err(|why| format!("until: {why}"))?),
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=RECORDS_MAX).contains(limit));
                query.limit = Some(limit.ok_or_else(|| {
                    format!("limit: `{value}` is no number from 1 to {RECORDS_MAX}; /v1/log/export gives all")
                })?);
            }
            "stats" => asked.stats = Some(value),
            "by" => asked.by = Some(value),
            "order" => query.order = Some(value),
            "when" => asked.when = Some(value),
            "every" | "over" => {
                let length = units::duration(&value).map_err(|why| format!("{name}: {why}"))?;
                let nanos = Some(over(&name, length)?);
                if name == "over" { asked.over = nanos } else { asked.every = nanos }
            }
            other => unreachable!("{other} is among the names"),
        }
    }
    // What is wrong with the filters is the client's mistake, so it is found before the question is asked.
    filter::query(&asked.query)?;
    Ok(asked)
}

/// `%20` and `+` as what they stand for.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
                rest = after;
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}

async fn records(api: &Api, mut query: LogQuery) -> Answered {
    query.limit.get_or_insert(RECORDS_DEFAULT);
    let found = api.logs.query(query).await.map_err(failed)?;
    let records: Vec<Value> = found.records.iter().map(record_json).collect();
    Ok(json_answer(&beside(json!({ "records": records }), &found)))
}

/// An answer, with what it was made without and what may be wrong with the question, where that is something.
fn beside(answer: Value, found: &Found) -> Value {
    let mut answer = with_skipped(answer, &found.skipped);
    if !found.doubts.is_empty() {
        answer["doubts"] = json!(found.doubts);
    }
    answer
}

/// An answer, with what it was made without, where that is something.
fn with_skipped(mut answer: Value, skipped: &[Skipped]) -> Value {
    if !skipped.is_empty() {
        answer["skipped"] = show::skipped_json(skipped);
    }
    answer
}

/// Stores records, JSON lines; answers when they are durable. Nothing is stored where one of them is wrong.
async fn put(api: &Api, request: Request<Incoming>) -> Answer {
    if !api.put {
        let why = "this controller takes no log records over HTTP: start it with --http-put";
        return refused(StatusCode::FORBIDDEN, why);
    }
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().is_none_or(|kind| kind.trim() != RECORDS_TYPE) {
        let why = format!("records are JSON lines: send them with `content-type: {RECORDS_TYPE}`");
        return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, why);
    }
    let body = match Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(why) => {
            if why.is::<LengthLimitError>() {
                let why =
                    format!("the records are more than {BODY_BYTES_MAX} bytes: send them in several parts");
                return refused(StatusCode::PAYLOAD_TOO_LARGE, why);
            }
            return refused(StatusCode::BAD_REQUEST, format!("the records did not come whole: {why}"));
        }
    };
    let Ok(run) = RunId::new_random() else {
        return refused(StatusCode::INTERNAL_SERVER_ERROR, "the kernel gives no random numbers");
    };
    // All are looked at before any is stored.
    let mut batches = vec![Vec::new()];
    let (mut count, mut bytes) = (0, 0);
    for (number, line) in (1u64..).zip(body.split(|byte| *byte == b'\n')) {
        let wrong = |status, mut body: Value| {
            let why = body["error"].as_str().unwrap_or_default();
            body["error"] = format!("line {number}: {why}").into();
            body["line"] = number.into();
            explained(status, body)
        };
        let record = match std::str::from_utf8(line) {
            Err(_) => return wrong(StatusCode::BAD_REQUEST, json!({ "error": "it is not UTF-8" })),
            Ok(line) if line.trim().is_empty() => continue,
            Ok(line) => record_from_json(line, run, number),
        };
        let record = match record {
            Ok(record) => record,
            Err(why) => return wrong(StatusCode::BAD_REQUEST, json!({ "error": why })),
        };
        let size = match record.encoded_bytes() {
            Ok(size) => size,
            Err(why) => {
                let (status, body) = told(&why.into());
                return wrong(status, body);
            }
        };
        let batch = batches.len() - 1;
        if batches[batch].len() == BATCH_RECORDS_MAX || bytes + size > APPEND_BYTES_MAX {
            batches.push(vec![record]);
            bytes = size;
        } else {
            batches[batch].push(record);
            bytes += size;
        }
        count += 1;
    }
    for batch in batches.into_iter().filter(|batch| !batch.is_empty()) {
        if let Err(why) = api.logs.append(batch).await {
            return failed(why);
        }
    }
    json_answer(&json!({ "stored": count }))
}

async fn stats(api: &Api, Asked { query, stats, by, every, .. }: Asked) -> Answered {
    let Some(aggregates) = stats else {
        return Err(
            bad("`stats` is missing: the aggregates that are wanted, such as avg(us),p99(wa)".into()),
        );
    };
    let stats = LogStats { aggregates, by: by.unwrap_or_default(), every };
    let found = api.logs.stats(query, stats).await.map_err(failed)?;
    let groups: Vec<Value> =
        found.records.iter().map(|group| show::group_json(group, every.is_some())).collect();
    let fields = found.records.iter().flat_map(|group| group.fields.iter());
    let typed = fields.filter_map(|(name, value)| Some((name.to_owned(), value_type(value)?.into())));
    let types: Map<String, Value> = typed.collect();
    let mut answer = json!({ "groups": groups });
    if !types.is_empty() {
        answer["types"] = Value::Object(types);
    }
    Ok(json_answer(&beside(answer, &found)))
}

async fn record(api: &Api, path: &str) -> Answered {
    for name in KeyName::in_path(path) {
        let found = api.records.get_named(name).await.map_err(Failed::Trouble).map_err(failed)?;
        if let Some(json) = found {
            return Ok(respond(StatusCode::OK, "application/json", Content::Whole(Some(json.into()))));
        }
    }
    let why = format!(
        "there is no log record {path}; a key is POOL/KEY:latest or POOL/KEY/NODE/TIME/RUN-SEQ, with %20 for a space, \
         %2F for a slash and %25 for a % within a part"
    );
    Err(refused(StatusCode::NOT_FOUND, why))
}

async fn pools(api: &Api, skip_damaged: bool) -> Answered {
    let (keys, skipped) = api.logs.pools(skip_damaged).await.map_err(failed)?;
    let keys: Vec<Value> = keys.iter().map(show::key_json).collect();
    Ok(json_answer(&with_skipped(json!({ "keys": keys }), &skipped)))
}

async fn metrics(api: &Api) -> Answered {
    let (metrics, data) = (api.logs.metrics.clone(), api.data.clone());
    let text = tokio::task::spawn_blocking(move || metrics.text(&data)).await;
    let text = text.map_err(|why| failed(Failed::Trouble(format!("a thread failed: {why}"))))?;
    Ok(whole("text/plain; version=0.0.4", text))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn hosts() {
        for good in ["127.0.0.1:80", "localhost", "LOCALHOST:1", "[::1]:80", "127.9.9.9"] {
            assert!(is_loopback(good), "{good}");
        }
        for other in ["example.com", "localhost.example.com:80", "192.0.2.1", "", "[::]"] {
            assert!(!is_loopback(other), "{other}");
        }
    }

    #[test]
    fn the_document_names_every_path() {
        let document: Value = serde_json::from_str(OPENAPI).expect("it is JSON");
        let paths = document["paths"].as_object().expect("it has paths");
        let described: BTreeSet<String> = paths.keys().map(|path| path.replace("{key}", "")).collect();
        assert_eq!(described, PATHS.iter().map(|(path, _)| (*path).to_owned()).collect());
        let parameters = |operation: &Value| -> Vec<String> {
            let all = operation["parameters"].as_array().into_iter().flatten();
            let resolved = all.map(|parameter| match parameter["$ref"].as_str() {
                Some(at) => document.pointer(at.trim_start_matches('#')).expect("it is described"),
                None => parameter,
            });
            let asked = resolved.filter(|parameter| parameter["in"] == "query");
            asked.map(|parameter| parameter["name"].as_str().expect("it has a name").to_owned()).collect()
        };
        for (path, operations) in paths {
            let (_, known) = path_of(&path.replace("{key}", "x")).expect("it is among the paths");
            assert_eq!(parameters(&operations["get"]), known, "{path}");
            assert_eq!(parameters(&operations["post"]), [""; 0], "{path}");
        }
        // None is described that nobody takes.
        let described = document["components"]["parameters"].as_object().expect("there are some");
        let taken: BTreeSet<&str> = PATHS.iter().flat_map(|(_, known)| known.concat()).collect();
        assert_eq!(described.keys().map(String::as_str).collect::<BTreeSet<_>>(), taken);
    }

    #[test]
    fn every_parameter_named_is_read() {
        for (path, known) in PATHS.map(|(path, known)| (path, known.concat())) {
            let value = |name: &str| match name {
                "run" => "0a",
                "where" => "a==1",
                "since" | "until" | "every" | "over" => "1m",
                "limit" => "1",
                "skip_damaged" => "true",
                _ => "x",
            };
            let all: Vec<String> = known.iter().map(|name| format!("{name}={}", value(name))).collect();
            let read = asked(&all.join("&"), &known);
            assert!(read.is_ok(), "{path}: {:?}", read.err());
        }
    }

    #[test]
    fn parameters() {
        let all = "pool=m&key=key+-name&where=wa+%3E+20&limit=5";
        let (_, known) = path_of(RECORDS).expect("it is there");
        let query = asked(all, &known).expect("it is good").query;
        assert_eq!(query.key.as_deref(), Some("key -name"));
        assert_eq!((query.condition.as_deref(), query.limit), (Some("wa > 20"), Some(5)));
        for (text, expected) in [
            ("colour=red", "no parameter `colour`; there are pool, key"),
            ("stats=count()", "no parameter `stats`"),
            ("pool=a&pool=b", "`pool` is given twice"),
            ("pool=a&limit=1&p%6Fol=a", "`pool` is given twice"),
            ("since=yesterday", "since: `yesterday` is neither"),
            ("since=1h30x", "1h30m"),
            ("limit=0", "from 1 to"),
            ("where=wa+%3E", "where"),
            ("run=xyz", "hexadecimal"),
            ("pool=%f", "%20"),
        ] {
            let why = asked(text, &known).err().expect(text);
            assert!(why.contains(expected), "{text}: {why}");
        }
    }
}
