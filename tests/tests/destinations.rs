//! Pools at URLs: a real memcached, the LogPool of a controller, and NATS with one and three servers, each started by
//! the test. What cannot be reached gets its log records later, and once.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dscript_tests::fleet::Fleet;
use dscript_tests::memcached::{Door, free_port, memcached};
use dscript_tests::{
    Mark, Running, command, compile, ending, good, need, records, root, run, sequences, text, wait_for,
};
use tempfile::TempDir;

/// Puts numbers from `from` on, and prints them when they are put.
const WRITER: &str = r#"
record Number(int n, Duration took, String text) {}
task Writer(int from, int count, String key = "n 1") {
    LogPool pool = try LogPool.open("far");
    for (int i : from..from + count) {
        try pool.put(key, new Number(i, 1500ms, "is ${i}"));
        print(i);
    }
}
"#;

/// What a program finds there, in every way that it can ask.
const READER: &str = r#"
record Number(int n, Duration took) {}
LogPool pool = try LogPool.open("far");
List<Number> all = try pool.find("n 1", Number.class);
print(all.map(x -> x.n));
print(all.all(x -> x.took == 1500ms));
LogQuery query = pool.query("n 1");
print(try query.where("n >= 2").count());
print((try query.avg("n")) ?? -1.0);
print((try query.avg("took")) ?? -1.0);
print((try query.newest(2).records(Number.class)).map(x -> x.n));
Number? last = try query.last(Number.class);
print(last == null ? -1 : last.n);
print((try pool.find("none", Number.class)).size());
"#;

/// Follows what it puts itself, until it has seen two.
const FOLLOWER: &str = r#"
record Number(int n) {}
LogPool pool = try LogPool.open("far");
Task.fiber(() -> {
    System.sleep(400ms);
    for (int i : 0..3) ignore(pool.put("follow", {"n": i}));
});
List<int> all = [];
try pool.query("follow").where("n != 1").tail(Number.class, found -> {
    all.add(found.n);
    return all.size() < 2;
});
print(all);
"#;

/// Asks for two keys at once.
const PATTERNS: &str = r#"
record Number(int n) {}
LogPool pool = try LogPool.open("far");
LogQuery query = pool.query("p/*");
int! count = query.count();
if (isError(count)) {
    print("${count.code}: ${count.message}");
} else {
    print("${count} ${(try query.records(Number.class)).map(x -> x.n)} ${(try query.sum("n")) ?? 0.0}");
    print((try pool.find("p/*", Number.class)).size());
}
"#;

fn scratch() -> TempDir {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    compile(scratch.path(), "writer", WRITER);
    compile(scratch.path(), "reader", READER);
    compile(scratch.path(), "follower", FOLLOWER);
    compile(scratch.path(), "patterns", PATTERNS);
    scratch
}

fn is_open(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// Writes `count` numbers from `from` on into the pool at a URL; gives what was said on standard error.
fn write(scratch: &Path, url: &str, from: usize, count: usize, more: &[&str]) -> String {
    let (pool, from, many) = (format!("far={url}"), format!("from={from}"), format!("count={count}"));
    let mut args = vec!["exec", "writer.dsb", "--pool", &pool, "--set", &from, "--set", &many];
    args.extend(more);
    let output = run("dsvm", scratch, &args);
    let printed: Vec<String> = (0..count)
        .map(|n| format!("{}\n", n + from["from=".len()..].parse::<usize>().expect("a number")))
        .collect();
    assert_eq!(text(&output.stdout), printed.concat(), "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stderr)
}

/// What the reader prints when there are the numbers from `first` to before `end`.
fn read(scratch: &Path, url: &str, first: usize, end: usize, more: &[&str]) {
    let pool = format!("far={url}");
    let mut args = vec!["exec", "reader.dsb", "--pool", &pool];
    args.extend(more);
    let all: Vec<String> = (first..end).map(|n| n.to_string()).collect();
    let last = end - 1;
    let avg = (first + last) as f64 / 2.0;
    let expected = format!(
        "[{}]\ntrue\n{}\n{avg:?}\n1.5\n[{}, {last}]\n{last}\n0\n",
        all.join(", "),
        end - first.max(2),
        last - 1
    );
    assert_eq!(good("dsvm", scratch, &args), expected);
}

/// The numbers 0 to 4 in every way that `dsctl log query` can ask for them at a URL.
fn operators_ask(scratch: &Path, url: &str) {
    let ask = |args: &[&str]| {
        let at = ["log", "query", "--pool", "far", "--at", url, "--data", "operator"];
        run("dsctl", scratch, &[&at[..], args].concat())
    };
    let lines = |args: &[&str]| -> Vec<serde_json::Value> {
        let output = ask(&[args, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect()
    };
    let numbers = |args: &[&str]| -> Vec<i64> {
        lines(args).iter().map(|record| record["fields"]["n"].as_i64().expect("a number")).collect()
    };
    assert_eq!(numbers(&["n 1"]), [0, 1, 2, 3, 4]);
    assert_eq!(numbers(&["n 1", "--limit", "2"]), [3, 4]);
    assert_eq!(numbers(&["n 1", "--where", "n > 1 && n != 3", "--task", "Wri*"]), [2, 4]);
    assert!(numbers(&["n 1", "--until", "1h"]).is_empty());
    let id = lines(&["n 1", "--limit", "1"])[0]["run"].as_str().expect("a run").to_owned();
    assert_eq!(numbers(&["n 1", "--run", &id[..8]]), [0, 1, 2, 3, 4]);
    let groups = lines(&["n 1", "--stats", "count(), max(took)", "--by", "n % 2"]);
    let expected = [(0, 3), (1, 2)]
        .map(|(rest, count)| serde_json::json!({ "n % 2": rest, "count()": count, "max(took)": "1s500ms" }));
    assert_eq!(groups, expected);
    assert_eq!(numbers(&["n 1", "--order", "newest", "--limit", "2"]), [4, 3]);
    assert_eq!(numbers(&["n 1", "--order", "n % 2, -n"]), [4, 2, 0, 3, 1]);
    let ordered =
        ["n 1", "--stats", "sum(n) as sum", "--by", "n % 2 as odd", "--order", "-sum", "--limit", "1"];
    assert_eq!(lines(&ordered), [serde_json::json!({ "odd": 0, "sum": 6 })]);
    let windows = lines(&["n 1", "--stats", "sum(n)", "--every", "3650d"]);
    assert!(windows.len() == 1 && windows[0]["sum(n)"] == 10, "{windows:?}");
    assert!(windows[0]["window"].is_string(), "{windows:?}");
    let log = |args: &[&str]| {
        run("dsctl", scratch, &[&["log"], args, &["--at", url, "--data", "operator"]].concat())
    };
    let watched = log(&["watch", "n 1", "--pool", "far", "--when", "count() >= 5", "--over", "1h", "--once"]);
    assert!(text(&watched.stdout).contains("true  count() is 5"), "{watched:?}");
    let exported = |args: &[&str]| {
        let output = log(&[&["export", "n 1", "--pool", "far"], args].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    assert_eq!(exported(&[]).lines().count(), 5);
    let csv = exported(&["--format", "csv", "--fields", "n", "--where", "n > 2"]);
    assert!(csv.starts_with("time,pool,key,node,task,run,seq,n\n") && csv.lines().count() == 3, "{csv}");
    let pools = log(&["pools", "--json"]);
    let (status, said) = ending(&ask(&["n*", "--json"]));
    match url.starts_with("memcached:") {
        true => {
            assert!(status == Some(2) && said.contains("does not know its keys"), "{said}");
            assert!(text(&pools.stderr).contains("does not know its keys"), "{pools:?}");
        }
        false => {
            assert_eq!((status, numbers(&["n*"]).len()), (Some(0), 5), "{said}");
            let pools: serde_json::Value = serde_json::from_slice(&pools.stdout).expect("it is JSON");
            let known = pools.as_array().expect("a list").iter().find(|key| key["key"] == "n 1");
            assert_eq!(known.expect("the key")["records"], 5, "{pools}");
        }
    }
}

fn follow(scratch: &Path, url: &str) {
    assert_eq!(good("dsvm", scratch, &["exec", "follower.dsb", "--pool", &format!("far={url}")]), "[0, 2]\n");
}

/// A pattern of keys is answered, but where the place does not know its keys.
fn patterns(scratch: &Path, url: &str, answers: bool) {
    for (key, from) in [("p/1", 0), ("p/2", 2)] {
        write(scratch, url, from, 2, &["--set", &format!("key={key}")]);
    }
    let said = good("dsvm", scratch, &["exec", "patterns.dsb", "--pool", &format!("far={url}")]);
    let expected = match answers {
        true => "4 [0, 1, 2, 3] 6.0\n0\n",
        false => {
            "EINVAL: log pool `far`: a memcached does not know its keys: a question to it names pool and key, without `*`\n"
        }
    };
    assert_eq!(said, expected);
}

/// What every destination does: takes, is asked, is away and gets its records later, from whoever comes next. `keeps`:
/// whether it still has what it had.
fn everything(scratch: &Path, url: &str, keeps: bool, server: &mut dyn FnMut(bool)) {
    server(true);
    assert_eq!(write(scratch, url, 0, 5, &[]), "");
    read(scratch, url, 0, 5, &[]);
    // From another machine, so to speak.
    read(scratch, url, 0, 5, &["--data", "other"]);
    operators_ask(scratch, url);
    follow(scratch, url);
    patterns(scratch, url, !url.starts_with("memcached:"));

    server(false);
    let said = write(scratch, url, 5, 4, &[]);
    assert!(said.contains("pool `far`") && said.contains("wait in"), "{said}");
    let asked = run("dsvm", scratch, &["exec", "reader.dsb", "--pool", &format!("far={url}")]);
    let (status, said) = ending(&asked);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("error EHOSTUNREACH: ") && said.contains("cannot be reached"), "{said}");
    // A writer that is killed has put what it printed.
    let pool = format!("far={url}");
    let mut killed = command("dsvm", scratch);
    killed.args(["exec", "writer.dsb", "--pool", &pool, "--set", "from=9", "--set", "count=1000000"]);
    let printed = scratch.join("printed");
    killed.stdout(File::create(&printed).expect("a file can be made")).stderr(Stdio::null());
    let mut killed = Running::start(&mut killed);
    let lines = || fs::read_to_string(&printed).unwrap_or_default().matches('\n').count();
    wait_for("some numbers", || (lines() > 20).then_some(()));
    killed.kill_hard();
    let promised = 9 + lines();

    server(true);
    write(scratch, url, 2_000_000, 1, &["--set", "key=other"]);
    let first = if keeps { 0 } else { 5 };
    let end = numbers_there(scratch, url, first);
    assert!(end >= promised, "{promised} were put, {end} are there");
    read(scratch, url, first, end, &["--data", "third"]);
}

/// Where the numbers end that another data folder finds: each once, in order.
fn numbers_there(scratch: &Path, url: &str, first: usize) -> usize {
    let pool = format!("far={url}");
    let said = good("dsvm", scratch, &["exec", "reader.dsb", "--pool", &pool, "--data", "fourth"]);
    let list = said.lines().next().expect("a list");
    let numbers: Vec<usize> =
        list.trim_matches(['[', ']']).split(", ").map(|n| n.parse().expect("a number")).collect();
    let end = first + numbers.len();
    assert_eq!(numbers, (first..end).collect::<Vec<_>>());
    end
}

// ---- memcached ----

/// The value of a key, as any client of memcached gets it.
fn get(port: u16, key: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("memcached listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("it has a timeout");
    stream.write_all(format!("get {key}\r\nquit\r\n").as_bytes()).expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer.lines().nth(1).map(str::to_owned)
}

#[test]
fn a_pool_at_a_memcached() {
    let scratch = scratch();
    let port = free_port();
    let url = format!("memcached://127.0.0.1:{port}");
    let mut server = None;
    everything(scratch.path(), &url, false, &mut |on| {
        drop(server.take());
        server = on.then(|| memcached(port));
    });
    let latest = get(port, "far/n%201:latest").expect("there is a newest record");
    let latest: serde_json::Value = serde_json::from_str(&latest).expect("it is JSON");
    assert_eq!(latest["key"], "n 1");
    // What is too long for a key there is refused at once.
    let long = format!("key={}", "k".repeat(240));
    let pool = format!("far={url}");
    let args = ["exec", "writer.dsb", "--pool", &pool, "--set", "from=0", "--set", "count=1", "--set", &long];
    let (status, said) = ending(&run("dsvm", scratch.path(), &args));
    assert!(status == Some(1) && said.contains("memcached allows 250"), "{said}");
}

#[test]
fn the_first_program_of_the_manual_writes_to_a_memcached() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let listing = fs::read_to_string(root().join("examples/listing1.ds")).expect("the example is there");
    compile(scratch.path(), "listing1", &listing);
    let port = free_port();
    let _server = memcached(port);
    let pool = format!("memcached=memcached://127.0.0.1:{port}");
    let output = run("dsvm", scratch.path(), &["exec", "listing1.dsb", "--pool", &pool, "--for", "2500ms"]);
    assert_eq!(text(&output.stderr).lines().filter(|line| line.contains("pool")).count(), 0);
    let latest = get(port, "memcached/key%20-name:latest").expect("there is a newest sample");
    let latest: serde_json::Value = serde_json::from_str(&latest).expect("it is JSON");
    assert!(latest["fields"]["us"].is_i64() && latest["key"] == "key -name", "{latest}");
    // Under the meta data and a unique value, as the paper has it.
    let log = get(port, "memcached/key%20-name:log").expect("there is a list");
    let (generation, count) = log.split_once(' ').expect("a generation and a count");
    assert!(count.parse::<u64>().is_ok_and(|count| count > 0), "{log}");
    let name = get(port, &format!("memcached/key%20-name:{generation}.1")).expect("names of records");
    let sample: serde_json::Value =
        serde_json::from_str(&get(port, &name).expect("the record of that name")).expect("it is JSON");
    let pieces: Vec<&str> = name.split('/').collect();
    assert_eq!(pieces[..2], ["memcached", "key%20-name"]);
    assert_eq!(pieces[2], sample["node"].as_str().expect("a node").replace(' ', "%20"));
    assert_eq!(pieces[4], format!("{}-{}", sample["run"].as_str().expect("a run"), sample["seq"]));
    assert_eq!(records(scratch.path(), &["--pool", "memcached"]).len(), 0, "none lies in the data folder");
}

#[test]
fn a_node_brings_its_records_to_a_memcached() {
    let mut fleet = Fleet::start();
    compile(fleet.scratch(), "writer", WRITER);
    let port = free_port();
    let pool = format!("far=memcached://127.0.0.1:{port}");
    fleet.join("web-1", &["--pool", &pool]);
    let ship = ["ship", "writer.dsb", "--on", "all", "--set", "from=0", "--set", "count=3", "--wait"];
    fleet.good(&ship);
    // Nobody listened; now somebody does, and the node comes by itself.
    let _server = memcached(port);
    let latest = wait_for("the records to arrive", || get(port, "far/n%201:latest"));
    let latest: serde_json::Value = serde_json::from_str(&latest).expect("it is JSON");
    assert_eq!((&latest["fields"]["n"], &latest["node"]), (&2.into(), &"web-1".into()));
    assert_eq!(latest["fields"]["took"], "1s500ms");
}

/// What is put to a URL where nobody takes it, and what is said of that; it waits.
fn nobody_takes_it(scratch: &Path, url: &str, parts: &[&str]) {
    let said = write(scratch, url, 0, 2, &[]);
    assert!(parts.iter().all(|part| said.contains(part)) && said.contains("wait in"), "{said}");
    let asked = run("dsvm", scratch, &["exec", "reader.dsb", "--pool", &format!("far={url}")]);
    let (status, said) = ending(&asked);
    assert!(status == Some(1) && said.contains("error EACCES: "), "{said}");
    assert!(parts.iter().all(|part| said.contains(part)), "{said}");
}

#[test]
fn the_memcached_door_of_a_logpool_is_no_memcached_for_pools() {
    let door = Door::open();
    let scratch = scratch();
    let url = format!("memcached://{}", door.address);
    let parts = ["the memcached door of a LogPool", "http://HOST:PORT"];
    nobody_takes_it(scratch.path(), &url, &parts);
    // One that has nothing to bring is told as well.
    let mut here = command("dsvm", door.scratch.path());
    here.args(["exec"]).arg(scratch.path().join("writer.dsb")).args(["--set", "from=0", "--set", "count=2"]);
    assert_eq!(here.output().expect("it runs").status.code(), Some(0));
    let query = ["log", "query", "n 1", "--pool", "far", "--at", &url, "--data", "operator"];
    let (status, said) = ending(&run("dsctl", scratch.path(), &query));
    assert!(status == Some(2) && parts.iter().all(|part| said.contains(part)), "{said}");
}

// ---- another LogPool ----

fn controller(data: &Path, mark: &Mark, port: u16, args: &[&str]) -> Running {
    let said = data.with_extension("out");
    let mut starting = command("dsctl", data.parent().expect("a scratch folder"));
    mark.put(&mut starting);
    starting.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
    starting.args(["--http", &format!("127.0.0.1:{port}")]).args(args);
    starting.stdout(File::create(&said).expect("a file can be made")).stderr(Stdio::null());
    let controller = Running::start(&mut starting);
    wait_for("HTTP to be answered", || {
        fs::read_to_string(&said).ok().filter(|said| said.contains("http on ")).map(drop)
    });
    controller
}

#[test]
fn a_logpool_that_takes_no_records_says_so() {
    let scratch = scratch();
    let (mark, port) = (Mark::new(), free_port());
    let far = scratch.path().join("far");
    let server = controller(&far, &mark, port, &[]);
    let url = format!("http://127.0.0.1:{port}");
    nobody_takes_it(scratch.path(), &url, &["does not permit it", "start it with --http-put (HTTP 403)"]);
    // Once it does, what waited comes with the next.
    drop(server);
    let _server = controller(&far, &mark, port, &["--http-put"]);
    write(scratch.path(), &url, 2, 1, &[]);
    read(scratch.path(), &url, 0, 3, &["--data", "other"]);
}

#[test]
fn a_pool_in_another_logpool() {
    let scratch = scratch();
    let (mark, port) = (Mark::new(), free_port());
    let url = format!("http://127.0.0.1:{port}");
    let far = scratch.path().join("far");
    let mut server: Option<Running> = None;
    everything(scratch.path(), &url, true, &mut |on| match on {
        true => server = Some(controller(&far, &mark, port, &["--http-put"])),
        false => server.take().expect("it runs").kill_hard(),
    });
    // The folder of that LogPool can be named as well.
    let count = ["log", "query", "other", "--at", "redb:far", "--stats", "count()", "--json"];
    assert_eq!(good("dsctl", scratch.path(), &count), "{\"count()\":1}\n");
    let there = records(scratch.path(), &["n 1", "--pool", "far", "--data", "far"]);
    assert_eq!(there.len(), numbers_there(scratch.path(), &url, 0));
    sequences(&there);
    // One that only reads says so, and the records wait.
    server.take().expect("it runs").kill_hard();
    let _reading = controller(&far, &mark, port, &[]);
    let said = write(scratch.path(), &url, 0, 1, &["--data", "fifth"]);
    assert!(said.contains("--http-put"), "{said}");
}

// ---- NATS ----

/// The ports of a server: for clients, for the other servers, and for whoever asks how it is.
#[derive(Clone, Copy)]
struct Ports {
    client: u16,
    cluster: u16,
    health: u16,
}

impl Ports {
    fn free() -> Ports {
        Ports { client: free_port(), cluster: free_port(), health: free_port() }
    }

    /// What the server says of itself.
    fn ask(self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.health)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.contains(" 200 ").then(|| body.to_owned())
    }

    /// The name of the server that leads the stream.
    fn leader(self) -> Option<String> {
        let said: serde_json::Value = serde_json::from_str(&self.ask("/jsz?streams=true")?).ok()?;
        let stream = &said["account_details"][0]["stream_detail"][0];
        stream["cluster"]["leader"].as_str().filter(|name| !name.is_empty()).map(str::to_owned)
    }
}

/// One server of a cluster of as many as there are ports.
fn nats(scratch: &Path, number: usize, all: &[Ports]) -> Running {
    let ports = all[number];
    // Debian puts it where only root looks.
    let usual = Path::new("/usr/sbin/nats-server");
    if !usual.is_file() {
        need("nats-server", "nats-server");
    }
    let mut starting = Command::new(if usual.is_file() { usual } else { Path::new("nats-server") });
    starting.args(["-a", "127.0.0.1", "-p", &ports.client.to_string(), "-js"]);
    starting.args(["-m", &ports.health.to_string()]);
    starting.arg("-n").arg(format!("server-{number}"));
    starting.arg("-sd").arg(scratch.join(format!("nats-{number}")));
    if all.len() > 1 {
        let routes: Vec<String> =
            all.iter().map(|ports| format!("nats-route://127.0.0.1:{}", ports.cluster)).collect();
        starting.args(["--cluster_name", "fleet", "--routes", &routes.join(",")]);
        starting.args(["--cluster", &format!("nats://127.0.0.1:{}", ports.cluster)]);
    }
    let server = Running::start(starting.stdout(Stdio::null()).stderr(Stdio::null()));
    wait_for("NATS to listen", || is_open(ports.client).then_some(()));
    server
}

#[test]
fn a_pool_in_a_stream_of_nats() {
    let scratch = scratch();
    let ports = [Ports::free()];
    let url = format!("nats://127.0.0.1:{}/fleet", ports[0].client);
    let mut server: Option<Running> = None;
    everything(scratch.path(), &url, true, &mut |on| match on {
        true => server = Some(nats(scratch.path(), 0, &ports)),
        false => server.take().expect("it runs").kill_hard(),
    });
}

#[test]
fn three_servers_of_nats_are_as_good_as_two() {
    let scratch = scratch();
    let ports: Vec<Ports> = (0..3).map(|_| Ports::free()).collect();
    let mut servers: Vec<Option<Running>> =
        (0..3).map(|number| Some(nats(scratch.path(), number, &ports))).collect();
    let all: Vec<String> = ports.iter().map(|ports| format!("127.0.0.1:{}", ports.client)).collect();
    let url = format!("nats://{}/fleet?replicas=3", all.join(","));
    let healthy = || ports.iter().all(|ports| ports.ask("/healthz").is_some()).then_some(());
    wait_for("the cluster to be well", healthy);
    write(scratch.path(), &url, 0, 3, &[]);
    // Without the one that leads, the others have it all and take more.
    let leader = wait_for("the stream's leader", || ports[0].leader());
    let gone = (0..3).find(|number| leader == format!("server-{number}")).expect("it is one of the three");
    servers[gone].take().expect("it runs").kill_hard();
    write(scratch.path(), &url, 3, 2, &[]);
    // Until the others agree on who leads, nothing is taken: what waits is brought by whoever asks next.
    for data in ["data", "other"] {
        let pool = format!("far={url}");
        wait_for("an answer", || {
            let asked = run("dsvm", scratch.path(), &["exec", "reader.dsb", "--pool", &pool, "--data", data]);
            asked.status.success().then_some(())
        });
        read(scratch.path(), &url, 0, 5, &["--data", data]);
    }
}

// ---- all of them ----

/// A server that takes connections and answers nothing: the end of a program waits for it, and not for long; nothing is lost.
#[test]
fn a_server_that_is_stopped_holds_no_program_up() {
    let scratch = scratch();
    let scratch = scratch.path();
    let (mark, cache, logs, ports) = (Mark::new(), free_port(), free_port(), [Ports::free()]);
    let servers = [
        (format!("memcached://127.0.0.1:{cache}"), memcached(cache)),
        (format!("http://127.0.0.1:{logs}"), controller(&scratch.join("far"), &mark, logs, &["--http-put"])),
        (format!("nats://127.0.0.1:{}/fleet", ports[0].client), nats(scratch, 0, &ports)),
    ];
    let each = |work: &(dyn Fn(&str, &Running, &str) + Sync)| {
        std::thread::scope(|scope| {
            for (number, (url, server)) in servers.iter().enumerate() {
                scope.spawn(move || work(url, server, &format!("data-{number}")));
            }
        });
    };
    each(&|url, server, data| {
        assert_eq!(write(scratch, url, 0, 2, &["--data", data]), "", "{url}");
        server.signal(libc::SIGSTOP);
        let began = Instant::now();
        let said = write(scratch, url, 2, 3, &["--data", data]);
        assert!(said.contains("brings what waits"), "{url}: {said}");
        // Five seconds, and what a busy machine adds.
        assert!(began.elapsed() < Duration::from_secs(9), "{url}: {:?}", began.elapsed());
        server.signal(libc::SIGCONT);
        read(scratch, url, 0, 5, &["--data", data]);
    });
}
