//! The controller's HTTP interface, met as a client meets it: by bytes on a socket.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use dscript_tests::{Mark, Running, command, damaged_pool, good, json_lines, run, text, wait_for};
use serde_json::Value;
use tempfile::TempDir;

struct Http {
    _controller: Running,
    address: String,
    _mark: Mark,
    scratch: TempDir,
}

const TASK: &str = r#"
record Disk(int free, String text) {}
LogPool pool = try LogPool.open("disks");
for (int n : 1..21) try pool.put("root fs", new Disk(n, "is ${n}"));
"#;

impl Http {
    fn open() -> Http {
        Http::open_with(&[])
    }

    fn open_with(args: &[&str]) -> Http {
        Http::open_in(tempfile::tempdir().expect("a scratch folder can be made"), args)
    }

    fn open_in(scratch: TempDir, args: &[&str]) -> Http {
        let mark = Mark::new();
        let said = scratch.path().join("controller.out");
        let mut starting = command("dsctl", scratch.path());
        mark.put(&mut starting);
        starting.args(["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]).args(args);
        starting.stdout(File::create(&said).expect("a file can be made"));
        starting.stderr(File::create(scratch.path().join("controller.err")).expect("a file can be made"));
        let controller = Running::start(&mut starting);
        let address = wait_for("HTTP to be answered", || {
            let said = fs::read_to_string(&said).ok()?;
            let line = said.lines().find_map(|line| line.strip_prefix("http on "))?;
            said.ends_with('\n').then(|| line.to_owned())
        });
        fs::write(scratch.path().join("task.ds"), TASK).expect("a file can be written");
        good("dsc", scratch.path(), &["compile", "task.ds"]);
        Http { _controller: controller, address, _mark: mark, scratch }
    }

    /// Stores twenty records.
    fn run_task(&self) {
        good("dsvm", self.scratch.path(), &["exec", "task.dsb"]);
    }

    fn send(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("it has a timeout");
        stream.write_all(request.as_bytes()).expect("it is sent");
        stream
    }

    /// Status, head and body; the connection is closed after it.
    fn get_from(&self, host: &str, path: &str) -> (u16, String, String) {
        let mut stream =
            self.send(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it is text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("it has a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("it has a status");
        let body = if head.to_lowercase().contains("transfer-encoding: chunked") {
            unchunked(body).unwrap_or_else(|part| panic!("the body broke off: {part}"))
        } else {
            body.to_owned()
        };
        (status, head.to_owned(), body)
    }

    fn get(&self, path: &str) -> (u16, String) {
        let (status, _, body) = self.get_from(&self.address, path);
        (status, body)
    }

    fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap_or_else(|why| panic!("{path}: {why}: {body}"))
    }
}

/// The body; an error is what came of one that broke off.
fn unchunked(mut rest: &str) -> Result<String, String> {
    let mut body = String::new();
    loop {
        let Some((size, after)) = rest.split_once("\r\n") else { return Err(body) };
        let size = usize::from_str_radix(size, 16).expect("it is a number");
        if size == 0 {
            return Ok(body);
        }
        body.push_str(&after[..size]);
        rest = &after[size + 2..];
    }
}

#[test]
fn records_and_aggregates_are_asked_for_by_parameters() {
    let http = Http::open();
    http.run_task();
    let found = http.json("/v1/log/records?pool=disks&where=free+%3E%3D+18");
    let frees: Vec<i64> = found["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["fields"]["free"].as_i64().unwrap())
        .collect();
    assert_eq!(frees, [18, 19, 20]);
    let newest = http.json("/v1/log/records?key=root%20fs&limit=2&since=1h");
    assert_eq!(newest["records"].as_array().unwrap().len(), 2);
    assert_eq!(newest["records"][1]["fields"]["free"], 20);
    let stats = http.json("/v1/log/stats?pool=disks&stats=avg(free),p50(free),count()&by=key");
    assert_eq!(stats["groups"][0]["key"], "root fs");
    assert_eq!(stats["groups"][0]["avg(free)"], 10.5);
    assert_eq!(stats["groups"][0]["count()"], 20);
    let windows = http.json("/v1/log/stats?pool=disks&stats=max(free)&every=1d");
    assert!(windows["groups"][0]["window"].is_string(), "{windows}");
    let least = http.json("/v1/log/records?pool=disks&order=free&limit=2");
    let frees = [0, 1].map(|at| least["records"][at]["fields"]["free"].as_i64());
    assert_eq!(frees, [Some(1), Some(2)]);
    let most = "/v1/log/stats?pool=disks&stats=max(free)+as+most&by=free+%25+5+as+rest&order=-most&limit=2";
    assert_eq!(
        http.json(most)["groups"],
        serde_json::json!([{ "rest": 0, "most": 20 }, { "rest": 4, "most": 19 }])
    );
    let doubted = http.json("/v1/log/stats?pool=disks&stats=avg(fre)&by=key");
    assert_eq!(doubted["groups"][0]["avg(fre)"], Value::Null);
    assert!(
        doubted["doubts"][0]
            .as_str()
            .is_some_and(|doubt| doubt.contains("no record asked for has a field `fre`"))
    );
    let pools = http.json("/v1/log/pools");
    assert_eq!((&pools["keys"][0]["pool"], &pools["keys"][0]["records"]), (&"disks".into(), &20.into()));
    let latest = http.json("/v1/log/record/disks/root%20fs:latest");
    assert_eq!(latest["fields"]["free"], 20);
    let time: jiff::Timestamp = latest["time"].as_str().unwrap().parse().unwrap();
    let [node, run] = ["node", "run"].map(|name| latest[name].as_str().unwrap());
    let key = format!("disks/root%20fs/{node}/{}/{run}-{}", time.as_nanosecond(), latest["seq"]);
    assert_eq!(http.json(&format!("/v1/log/record/{key}")), latest);
    let (status, body) = http.get("/v1/log/export?pool=disks");
    assert_eq!((status, json_lines(body.as_bytes()).len()), (200, 20));
    let document = http.json("/openapi.json");
    assert!(document["paths"]["/v1/log/records"].is_object());
}

const NAMED: &str = r#"
LogPool pool = try LogPool.open("a/b: 50%");
for (String key : ["with / slash", "with : colon", "50%", "a+b", "x:latest", "%20"]) try pool.put(key, {"n": 1});
"#;

#[test]
fn a_record_is_found_by_its_name_however_its_client_quotes_that() {
    let http = Http::open();
    fs::write(http.scratch.path().join("named.ds"), NAMED).expect("a file can be written");
    good("dsc", http.scratch.path(), &["compile", "named.ds"]);
    good("dsvm", http.scratch.path(), &["exec", "named.dsb"]);
    let quoted = |text: &str| -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let each = |byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        text.bytes().map(each).collect()
    };
    let found = http.json("/v1/log/records?pool=a/b:+50%25");
    let records = found["records"].as_array().expect("there are records");
    assert_eq!(records.len(), 6);
    for record in records {
        let word = |name: &str| record[name].as_str().unwrap_or_default();
        let part = |name: &str| word(name).replace('%', "%25").replace(' ', "%20").replace('/', "%2f");
        let series = format!("{}/{}", part("pool"), part("key"));
        let time: jiff::Timestamp = word("time").parse().expect("it has a time");
        let (node, run, seq) = (part("node"), word("run"), &record["seq"]);
        for name in [
            format!("{series}:latest"),
            format!("{series}/{node}/{}/{run}-{seq}", time.as_nanosecond()),
            format!("{series}/{node}/{}/{run}-{seq}", word("time")),
        ] {
            let by_slashes: Vec<String> = name.split('/').map(quoted).collect();
            for path in [name.replace(':', "%3A"), quoted(&name), by_slashes.join("/"), name] {
                assert_eq!(http.json(&format!("/v1/log/record/{path}")), *record, "{path}");
            }
        }
    }
}

#[test]
fn what_is_wrong_with_a_question_is_said() {
    let http = Http::open();
    let check = |path: &str, expected: u16, part: &str| {
        let (status, body) = http.get(path);
        let json: Value = serde_json::from_str(&body).unwrap_or_else(|why| panic!("{path}: {why}: {body}"));
        let error = json["error"].as_str().unwrap_or_default();
        assert!(status == expected && json["status"] == expected && error.contains(part), "{path}: {body}");
    };
    check("/v1/log/records?where=wa+%3E", 400, "where");
    check("/v1/log/records?since=yesterday", 400, "such as 10m");
    check("/v1/log/records?colour=red", 400, "there are pool, key");
    check("/v1/log/records?limit=1000000", 400, "/v1/log/export");
    check("/v1/log/records?pool=a&pool=b", 400, "`pool` is given twice");
    check("/v1/log/stats?stats=count()&stats=avg(x)", 400, "`stats` is given twice");
    check("/v1/log/pools?pool=a", 400, "no parameter `pool`; there are skip_damaged");
    check("/v1/log/record/none/none:latest?x=1", 400, "no parameter `x`; there are none here");
    check("/v1/log/stats", 400, "`stats` is missing");
    check("/v1/log/stats?stats=middle(x)", 400, "no aggregate");
    check("/v1/log/stats?stats=avg(x)&order=max(x)", 400, "no column of the answer; there are avg(x)");
    check("/v1/log/records?order=us+desc", 400, "order: ");
    check("/v1/log/watch?over=5m", 400, "`when` is missing");
    check("/v1/log/watch?when=avg(x)+%3E+5", 400, "`over` is missing");
    check("/v1/log/watch?when=avg(x)+%3E+5&over=0s", 400, "over is a time above 0");
    check("/v1/log/watch?when=x+%3E+5&over=5m", 400, "no aggregate");
    check("/v1/log/record/none/none:latest", 404, "POOL/KEY:latest");
    check("/nothing", 404, "/v1/log/records");
    let (status, _, body) = http.get_from("example.com", "/v1/log/pools");
    assert!(status == 403 && body.contains("127.0.0.1"), "{body}");
    let mut answer = String::new();
    http.send("HEAD /v1/log/pools HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .read_to_string(&mut answer)
        .expect("it is text");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n"), "no body: {answer}");
    answer.clear();
    http.send("DELETE /v1/log/records HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .read_to_string(&mut answer)
        .expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 405") && answer.contains("read with GET"), "{answer}");
    assert!(answer.to_lowercase().contains("\r\nallow: get, post\r\n"), "{answer}");
    answer.clear();
    http.send("GET /v1/log/pools HTTP/1.0\r\n\r\n").read_to_string(&mut answer).expect("it answers");
    assert!(answer.contains(" 400 ") && answer.contains("there is no header `Host`"), "{answer}");
}

#[test]
fn records_are_followed_as_lines_and_as_events() {
    let http = Http::open();
    let follow = |accept: &str| {
        let head =
            format!("GET /v1/log/tail?pool=disks HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n");
        let mut lines = BufReader::new(http.send(&head)).lines();
        let begun = lines.by_ref().map(|line| line.expect("it answers")).take_while(|line| !line.is_empty());
        assert!(begun.last().is_some(), "there is a head");
        lines
    };
    let (objects, events) = (follow("*/*"), follow("text/event-stream"));
    http.run_task();
    let frees = |lines: std::io::Lines<BufReader<TcpStream>>, front: &str| -> Vec<i64> {
        let found = lines.map(|line| line.expect("it goes on")).filter_map(|line| {
            let json: Value = serde_json::from_str(line.strip_prefix(front)?).ok()?;
            json["fields"]["free"].as_i64()
        });
        found.take(20).collect()
    };
    let all: Vec<i64> = (1..=20).collect();
    assert_eq!(frees(objects, ""), all);
    assert_eq!(frees(events, "data: "), all);
}

#[test]
fn pools_and_exports_are_asked_of_a_url() {
    let http = Http::open();
    http.run_task();
    let scratch = http.scratch.path();
    let url = format!("http://{}", http.address);
    let both = |args: &[&str]| {
        let there = good("dsctl", scratch, &[args, &["--at", &url, "--data", "other"]].concat());
        assert_eq!(there, good("dsctl", scratch, args), "{args:?}");
        there
    };
    assert_eq!(json_lines(both(&["log", "pools", "--json"]).as_bytes())[0][0]["records"], 20);
    assert_eq!(json_lines(both(&["log", "export", "--where", "free > 10"]).as_bytes()).len(), 10);
    both(&["log", "export", "root fs", "--format", "csv", "--fields", "text"]);
    let folder = format!("redb:{}", scratch.join("data").display());
    let args = ["log", "pools", "--at", &folder, "--data", "other"];
    assert_eq!(good("dsctl", scratch, &args), good("dsctl", scratch, &["log", "pools"]));
    for (url, says) in
        [("http://127.0.0.1:1", "cannot be reached"), ("redb:nowhere", "there is no data folder nowhere")]
    {
        for command in ["pools", "export"] {
            let output = run("dsctl", scratch, &["log", command, "--at", url, "--data", "other"]);
            let said = text(&output.stderr);
            assert!(output.status.code() == Some(2) && said.contains(says), "{command} {url}: {said}");
        }
    }
}

#[test]
fn conditions_are_watched_as_lines_and_as_events() {
    let http = Http::open();
    let watch = |accept: &str| {
        let head = format!(
            "GET /v1/log/watch?pool=disks&by=key&when=max(free)+%3E+19&over=2s HTTP/1.1\r\nHost: localhost\r\n\
             Accept: {accept}\r\n\r\n"
        );
        let mut lines = BufReader::new(http.send(&head)).lines();
        let begun = lines.by_ref().map(|line| line.expect("it answers")).take_while(|line| !line.is_empty());
        assert!(begun.last().is_some(), "there is a head");
        lines
    };
    let (objects, events) = (watch("*/*"), watch("text/event-stream"));
    http.run_task();
    let turns = |lines: std::io::Lines<BufReader<TcpStream>>, front: &str| -> Vec<Value> {
        let found = lines.map(|line| line.expect("it goes on")).filter_map(|line| {
            let json: Value = serde_json::from_str(line.strip_prefix(front)?).ok()?;
            json["time"].is_string().then_some(json)
        });
        found.take(2).collect()
    };
    for turns in [turns(objects, ""), turns(events, "data: ")] {
        let told = turns.iter().map(|turn| (&turn["holds"], &turn["key"], &turn["max(free)"]));
        let expected = [
            (&Value::Bool(true), &"root fs".into(), &20.into()),
            (&Value::Bool(false), &"root fs".into(), &Value::Null),
        ];
        assert!(told.eq(expected), "{turns:?}");
    }
}

#[test]
fn prometheus_finds_its_metrics() {
    let http = Http::open();
    http.run_task();
    http.json("/v1/log/pools");
    let (status, head, body) = http.get_from("localhost", "/metrics");
    assert!(status == 200 && head.contains("text/plain; version=0.0.4"), "{head}");
    let value = |name: &str| -> u64 {
        let line = body.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {body}"))
    };
    assert!(value("dscript_logpool_queries_total") >= 1);
    assert!(value("dscript_logpool_log_bytes") + value("dscript_logpool_segments_bytes") > 0);
    for line in body.lines() {
        let mut words = line.split(' ');
        let good = match words.next() {
            Some("#") => matches!(words.next(), Some("HELP" | "TYPE")),
            Some(name) => {
                name.starts_with("dscript_") && words.next().is_some_and(|value| value.parse::<f64>().is_ok())
            }
            None => false,
        };
        assert!(good, "{line}");
    }
}

#[test]
fn records_are_put_where_that_is_allowed() {
    let post = |http: &Http, kind: &str, body: &str| {
        let head =
            format!("POST /v1/log/records HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", http.address);
        let rest = format!("Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let mut answer = String::new();
        http.send(&format!("{head}{rest}")).read_to_string(&mut answer).expect("it is text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("it has a head");
        let status: u16 = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
        (status, serde_json::from_str::<Value>(&unchunked(body).expect("it is whole")).expect("it is JSON"))
    };
    const LINES: &str = "application/x-ndjson";
    let reading = Http::open();
    let (status, answer) = post(&reading, LINES, "");
    assert!(status == 403 && answer["error"].to_string().contains("--http-put"), "{answer}");
    let http = Http::open_with(&["--http-put"]);
    let good = r#"{"time": 5, "pool": "p", "key": "k", "run": "07", "seq": 1, "fields": {"n": 1}}"#;
    let good = good.replace("07", &format!("{:032x}", 7));
    assert_eq!(post(&http, "text/plain", &good).0, 415, "what any page may send is not taken");
    let (status, answer) = post(&http, LINES, &format!("{good}\n\n{{}}\n"));
    assert_eq!((status, &answer["line"]), (400, &3.into()), "{answer}");
    // Latin-1, which would not come back as it is.
    let head = format!("POST /v1/log/records HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", http.address);
    let body = b"\n{\"time\": 1, \"pool\": \"p\", \"key\": \"gr\xfcn\"}";
    let mut stream =
        http.send(&format!("{head}Content-Type: {LINES}\r\nContent-Length: {}\r\n\r\n", body.len()));
    stream.write_all(body).expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it is text");
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("line 2: it is not UTF-8"), "{answer}");
    let cut = format!("{head}Content-Type: {LINES}\r\nContent-Length: 1000\r\n\r\n{good}");
    let mut stream = http.send(&cut);
    stream.shutdown(std::net::Shutdown::Write).expect("no more is sent");
    answer.clear();
    stream.read_to_string(&mut answer).expect("it is text");
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("did not come whole"), "{answer}");
    let beyond = good.replace("\"n\": 1", "\"n\": 18446744073709551616");
    let (status, answer) = post(&http, LINES, &beyond);
    let why = answer["error"].as_str().unwrap_or_default();
    assert!(
        status == 400
            && why.starts_with("line 1: field `n`: column ")
            && why.contains("too large for an int"),
        "{why}"
    );
    assert_eq!(http.json("/v1/log/records?pool=p")["records"], Value::Array(Vec::new()));
    let large =
        format!(r#"{{"time": 5, "pool": "p", "key": "k", "fields": {{"t": "{}"}}}}"#, "x".repeat(2 << 20));
    let (status, answer) = post(&http, LINES, &format!("{good}\n{large}\n"));
    let why = answer["error"].as_str().unwrap_or_default();
    assert_eq!((status, &answer["line"], &answer["code"]), (422, &2.into(), &"limit".into()), "{answer}");
    assert!(why.starts_with("line 2: the size in bytes") && why.ends_with("the limit is 1048576"), "{why}");
    assert_eq!(http.json("/v1/log/records?pool=p")["records"], Value::Array(Vec::new()));
    // Each is within the limits, and together they are more than is stored at once.
    let many: String = (0..20)
        .map(|_| {
            let text = "x".repeat(1_000_000);
            format!(
                "{{\"time\": 5, \"pool\": \"large\", \"key\": \"k\", \"fields\": {{\"t\": \"{text}\"}}}}\n"
            )
        })
        .collect();
    assert_eq!(post(&http, LINES, &many), (200, serde_json::json!({ "stored": 20 })));
    for _ in 0..2 {
        assert_eq!(post(&http, LINES, &good), (200, serde_json::json!({ "stored": 1 })));
    }
    let found = http.json("/v1/log/records?pool=p");
    assert_eq!(found["records"].as_array().map(Vec::len), Some(1), "once, however often it is sent: {found}");
}

#[test]
fn what_is_damaged_is_named_and_may_be_left_out() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    damaged_pool(&scratch.path().join("data"));
    let http = Http::open_in(scratch, &[]);
    let named = |answer: &Value| {
        let file = answer["file"].as_str().unwrap_or_default();
        assert!(file.contains("segments") && file.ends_with(".redb"), "{answer}");
        assert!(answer["what"].as_str().unwrap_or_default().starts_with("block "), "{answer}");
    };
    for path in ["/v1/log/records?pool=disks", "/v1/log/stats?stats=count()", "/v1/log/export?key=k1"] {
        let (status, body) = http.get(path);
        let answer: Value = serde_json::from_str(&body).unwrap_or_else(|why| panic!("{path}: {why}: {body}"));
        assert_eq!(
            (status, &answer["status"], &answer["code"]),
            (500, &500.into(), &"damaged".into()),
            "{body}"
        );
        named(&answer);
    }
    // Of an export that has begun the status is gone: it breaks off, behind a line that says why.
    let head = "GET /v1/log/export HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut answer = String::new();
    http.send(head).read_to_string(&mut answer).expect("it is text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("it has a head");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let lines = json_lines(unchunked(body).expect_err("it breaks off").as_bytes());
    let (last, records) = lines.split_last().expect("there are lines");
    assert_eq!((records.len(), &last["code"]), (2000, &"damaged".into()), "{last}");
    named(last);
    let skipped = |answer: &Value| {
        assert_eq!(answer["skipped"].as_array().map(Vec::len), Some(1), "{answer}");
        assert_eq!(answer["skipped"][0]["records"], 2000);
        named(&answer["skipped"][0]);
    };
    let (status, body) = http.get("/v1/log/export?skip_damaged=true");
    let lines = json_lines(body.as_bytes());
    assert_eq!((status, lines.len()), (200, 4001));
    skipped(&lines[4000]);
    skipped(&http.json("/v1/log/records?skip_damaged=true&limit=10"));
    let stats = http.json("/v1/log/stats?stats=count()&skip_damaged=true");
    assert_eq!(stats["groups"][0]["count()"], 4000);
    skipped(&stats);
    let pools = http.json("/v1/log/pools?skip_damaged=true");
    assert_eq!(pools["keys"].as_array().map(Vec::len), Some(3), "the list of series is whole: {pools}");
    let whole = http.json("/v1/log/records?key=k2&skip_damaged=true");
    assert!(whole.get("skipped").is_none(), "nothing was left out: {}", whole["skipped"]);
    let (status, body) = http.get("/v1/log/records?skip_damaged=perhaps");
    assert!(status == 400 && body.contains("neither true nor false"), "{body}");
    fs::write(http.scratch.path().join("rest.jsonl"), lines_of(&lines)).expect("it can be written");
    let imported = run("dsctl", http.scratch.path(), &["log", "import", "rest.jsonl", "--data", "other"]);
    let said = text(&imported.stderr);
    assert_eq!(imported.status.code(), Some(1), "{said}");
    assert!(
        said.contains("line 4001: this was exported without") && said.contains("4000 log records"),
        "{said}"
    );
}

fn lines_of(values: &[Value]) -> String {
    values.iter().map(|value| format!("{value}\n")).collect()
}
