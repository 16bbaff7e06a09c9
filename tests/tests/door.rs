//! The memcached door of the controller, met by memcached's own clients: libmemcached's `memccapable`, and pymemcache.

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Output};

use dscript_tests::memcached::{Door, connect};
use dscript_tests::{good, root, text};

fn run_client(client: &mut Command) -> Output {
    let name = client.get_program().to_string_lossy().into_owned();
    client.output().unwrap_or_else(|why| {
        panic!("{name}: {why}; `tools/setup test` installs libmemcached-tools and python3-pymemcache")
    })
}

#[test]
fn libmemcached_finds_every_ascii_command() {
    let door = Door::open();
    let output = run_client(Command::new("memccapable").args(["-a", "-h", "127.0.0.1", "-p", door.port()]));
    let said = text(&output.stdout);
    assert!(output.status.success() && said.contains("All tests passed"), "{said}{}", text(&output.stderr));
}

const PYTHON: &str = r#"
import sys, time
from pymemcache.client.base import Client
c = Client(("127.0.0.1", int(sys.argv[1])), timeout=60)
assert c.set("a", "1", noreply=False)
assert c.get("a") == b"1" and c.get("none") is None
assert c.incr("a", 41, noreply=False) == 42 and c.decr("a", 50, noreply=False) == 0
assert c.add("a", "x", noreply=False) is False and c.replace("none", "x", noreply=False) is False
assert c.append("a", "b", noreply=False) and c.prepend("a", "c", noreply=False) and c.get("a") == b"c0b"
value, token = c.gets("a")
assert c.cas("a", "new", token, noreply=False) is True and c.cas("a", "old", token, noreply=False) is False
assert c.cas("none", "x", "1", noreply=False) is None
many = {"k%d" % n: b"v" * n for n in range(200)}
assert c.set_many(many, noreply=False) == []
assert c.get_many(list(many)) == many
large = bytes(range(256)) * 4000
assert c.set("large", large, noreply=False) and c.get("large") == large
assert c.set("short", "x", expire=1, noreply=False) and c.get("short") == b"x"
assert c.touch("a", 100, noreply=False) and c.delete("k7", noreply=False) and not c.delete("k7", noreply=False)
for n in range(100):
    if c.get("short") is None: break
    time.sleep(0.1)
else: raise SystemExit("it does not expire")
assert c.stats()[b"curr_items"] > 0 and c.version()
print("good")
"#;

#[test]
fn pymemcache_works_and_finds_its_items_after_a_kill() {
    let door = Door::open();
    let output = run_client(Command::new("/usr/bin/python3").args(["-c", PYTHON, door.port()]));
    assert_eq!(text(&output.stdout), "good\n", "{}", text(&output.stderr));
    let door = door.begin_anew();
    assert_eq!(door.say("get a k3 k7\r\n"), "VALUE a 0 3\r\nnew\r\nVALUE k3 0 3\r\nvvv\r\nEND\r\n");
    // What is flushed is gone, what comes after it is not.
    assert_eq!(
        door.say("flush_all\r\nget a\r\nset a 1 0 1\r\nx\r\nget a\r\n"),
        "OK\r\nEND\r\nSTORED\r\nVALUE a 1 1\r\nx\r\nEND\r\n"
    );
}

#[test]
fn the_meta_protocol() {
    let door = Door::open();
    let check = |said: &str, expected: &str| assert_eq!(door.say(said), expected, "{said}");
    check("ms a 2 F7 T0\r\nhi\r\n", "HD\r\n");
    check("mg a v f t s k O9\r\n", "VA 2 f7 t-1 s2 ka O9\r\nhi\r\n");
    check("mg a\r\nmg none\r\nmg none v q\r\n", "HD\r\nEN\r\n");
    check(
        "ms a 1 ME\r\nx\r\nms a 1 MA\r\n!\r\nms b 1 MR q\r\nx\r\nmg a v\r\n",
        "NS\r\nHD\r\nNS\r\nVA 3\r\nhi!\r\n",
    );
    check(
        "ma n v\r\nma n N0 J13 v\r\nma n D2 v\r\nma n MD D20 v\r\n",
        "NF\r\nVA 2\r\n13\r\nVA 2\r\n15\r\nVA 1\r\n0\r\n",
    );
    check("mg none k O3\r\n", "EN knone O3\r\n");
    // Keys in base64 may hold what no line can.
    check(
        "ms AAECDQogIA== 2 b k\r\nhe\r\nmg AAECDQogIA== b k v\r\nmd AAECDQogIA== b k O1\r\nmg AAECDQogIA== b k\r\n",
        "HD kAAECDQogIA== b\r\nVA 2 kAAECDQogIA== b\r\nhe\r\n\
         HD kAAECDQogIA== b O1\r\nEN kAAECDQogIA== b\r\n",
    );
    check(
        "ms YmFy 2 b\r\nho\r\nget bar\r\nma bnVt b N0 J7 v\r\nget num\r\n",
        "HD\r\nVALUE bar 0 2\r\nho\r\nEND\r\nVA 1\r\n7\r\nVALUE num 0 1\r\n7\r\nEND\r\n",
    );
    check(
        "mg ?? b\r\nms YQ 2 b\r\nhi\r\n",
        "CLIENT_ERROR error decoding key\r\nCLIENT_ERROR error decoding key\r\n",
    );
    check("ma a v\r\n", "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n");
    check("mg fresh N30 v\r\nmg fresh N30 v\r\n", "VA 0 W\r\n\r\nVA 0 Z\r\n\r\n");
    check("md a C1\r\nmd a q\r\nmd a\r\n", "EX\r\nNF\r\n");
    check(
        "mg a Z\r\nms a x\r\nms a 1 Tx\r\nx\r\n",
        "CLIENT_ERROR invalid flag\r\nCLIENT_ERROR bad command line format\r\nCLIENT_ERROR bad token in command line format\r\n",
    );
    let large = "x".repeat(2 << 20);
    check(
        &format!("set big 0 0 {}\r\n{large}\r\nget big\r\n", large.len()),
        "SERVER_ERROR object too large for cache\r\nEND\r\n",
    );
    check("set a 0 0 2\r\nabcd\r\nget a\r\n", "CLIENT_ERROR bad data chunk\r\nEND\r\n");
    // What was sent as data is no command, though its line was none either.
    check(
        "set keep 0 0 1\r\n1\r\nms Zm9v 9 Z\r\nflush_all\r\nset a 4294967296 0 9\r\nflush_all\r\nget keep\r\n",
        "STORED\r\nCLIENT_ERROR invalid flag\r\nCLIENT_ERROR bad command line format\r\nVALUE keep 0 1\r\n1\r\nEND\r\n",
    );
}

#[test]
fn who_speaks_the_binary_protocol_is_hung_up_on() {
    let door = Door::open();
    // A `noop` of it, and one that would be the end of a line.
    for opcode in [0x0b, b'\n'] {
        let mut stream = connect(&door.address);
        let mut request = [0; 24];
        (request[0], request[1]) = (0x80, opcode);
        stream.write_all(&request).expect("it is sent");
        let mut answer = Vec::new();
        // What was sent and never read may make the end a reset.
        let _ = stream.read_to_end(&mut answer);
        assert_eq!(answer, b"");
    }
}

#[test]
fn marks_and_sums_are_as_durable_as_items() {
    let door = Door::open();
    door.say("ms a 2\r\nhi\r\nms b 3\r\nyes\r\nms c 1 T1000\r\nx\r\nmd a I T1000\r\nmd b I\r\n");
    assert_eq!(door.say("mg a v\r\nmg c R2000 h\r\n"), "VA 2 X W\r\nhi\r\nHD h0 W\r\n");
    // Three keys of a byte, three heads of 28, and the data.
    assert_eq!((stat(&door, "curr_items"), stat(&door, "bytes")), (3, 3 + 3 * 28 + 6));
    assert!(stat(&door, "limit_maxbytes") > stat(&door, "bytes"));
    let door = door.begin_anew();
    assert_eq!((stat(&door, "curr_items"), stat(&door, "bytes")), (3, 3 + 3 * 28 + 6));
    assert_eq!(stat(&door, "total_items"), 0);
    assert_eq!(
        door.say("mg a v\r\nmg b v h\r\nmg b h\r\nmg c h\r\nmd c\r\n"),
        "VA 2 Z X\r\nhi\r\nVA 3 h0 X W\r\nyes\r\nHD h1 Z X\r\nHD h0 Z\r\nHD\r\n"
    );
    assert_eq!((stat(&door, "curr_items"), stat(&door, "bytes")), (2, 2 + 2 * 28 + 5));
}

#[test]
fn what_monitors_ask_for_is_there() {
    let door = Door::open();
    door.say("set a 0 0 1\r\nx\r\nget a b\r\n");
    let stats = door.say("stats\r\n");
    let names: Vec<&str> =
        stats.lines().filter_map(|line| line.strip_prefix("STAT ")?.split(' ').next()).collect();
    let manual = fs::read_to_string(root().join("docs/src/door.md")).expect("the manual is there");
    let (_, listed) = manual.split_once("under memcached's names: `").expect("it lists them");
    let (listed, _) = listed.split_once('`').expect("the list ends");
    let mut listed: Vec<&str> = listed.split_whitespace().chain(["syncs"]).collect();
    let mut sorted = names.clone();
    listed.sort_unstable();
    sorted.sort_unstable();
    assert_eq!(sorted, listed);
    for (name, value) in [("cmd_get", 2), ("get_hits", 1), ("get_misses", 1), ("cmd_set", 1)] {
        assert_eq!(stat(&door, name), value, "{name}");
    }
    // The door sees later than its client that a connection has ended.
    assert!((0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        stat(&door, "curr_connections") == 1
    }));
    assert!(stat(&door, "bytes_read") > 20 && stat(&door, "bytes_written") > stats.len() as u64);
    assert_eq!(door.say("stats reset\r\n"), "RESET\r\n");
    assert_eq!((stat(&door, "cmd_get"), stat(&door, "curr_items")), (0, 1));
    for (what, row) in [
        ("settings", "STAT item_size_max 1048576"),
        ("items", "STAT items:1:number 1"),
        ("slabs", "STAT 1:used_chunks 1"),
        ("sizes", "STAT sizes_status disabled"),
    ] {
        let said = door.say(&format!("stats {what}\r\n"));
        assert!(said.lines().any(|line| line == row) && said.ends_with("END\r\n"), "{said}");
    }
}

/// A value of `stats`.
fn stat(door: &Door, name: &str) -> u64 {
    let stats = door.say("stats\r\n");
    let row = stats.lines().find_map(|line| line.strip_prefix(&format!("STAT {name} ")));
    row.unwrap_or_else(|| panic!("no {name} in {stats}")).parse().expect("it is a number")
}

#[test]
fn sets_that_are_sent_at_once_share_syncs() {
    let door = Door::open();
    let before = stat(&door, "syncs");
    let (mut said, mut expected) = (String::new(), String::new());
    for n in 0..1000 {
        said += &format!("set k{n} 0 0 4\r\n{n:04}\r\n");
        expected += "STORED\r\n";
    }
    for n in 0..1000 {
        said += &format!("get k{n}\r\n");
        expected += &format!("VALUE k{n} 0 4\r\n{n:04}\r\nEND\r\n");
    }
    assert_eq!(door.say(&said), expected);
    let syncs = stat(&door, "syncs") - before;
    // At the least 4: no more than 256 wait.
    assert!((4..=100).contains(&syncs), "{syncs} syncs for 1,000 sets");
}

#[test]
fn what_is_sent_at_once_is_done_in_order() {
    let door = Door::open();
    let before = stat(&door, "syncs");
    let (mut said, mut expected) = (String::new(), String::new());
    for n in 1..=100 {
        said += &format!(
            "add n 0 0 1\r\n0\r\nincr n 1\r\nget n\r\nset m 5 0 3 noreply\r\n{n:03}\r\nget m n none\r\n"
        );
        expected += if n == 1 { "STORED\r\n" } else { "NOT_STORED\r\n" };
        let size = n.to_string().len();
        expected += &format!("{n}\r\nVALUE n 0 {size}\r\n{n}\r\nEND\r\n");
        expected += &format!("VALUE m 5 3\r\n{n:03}\r\nVALUE n 0 {size}\r\n{n}\r\nEND\r\n");
        said += "version\r\ngat 0 m n\r\nms x 1 c\r\nx\r\nmg x v\r\nmg x\r\nincr n -1\r\n";
        expected += &format!("VERSION {}\r\n", env!("CARGO_PKG_VERSION"));
        expected += &format!("VALUE m 5 3\r\n{n:03}\r\nVALUE n 0 {size}\r\n{n}\r\nEND\r\n");
        // Three changes each time, and once the `add`.
        let cas = 1 + 3 * n;
        expected +=
            &format!("HD c{cas}\r\nVA 1\r\nx\r\nHD\r\nCLIENT_ERROR invalid numeric delta argument\r\n");
    }
    // One that fits no longer, and one that does.
    said += "gets x\r\ncas x 0 0 1 1\r\ny\r\ncas x 0 0 1 301\r\ny\r\nget x\r\ndelete x\r\ndelete x\r\nflush_all\r\nget m\r\n";
    expected += "VALUE x 0 1 301\r\nx\r\nEND\r\nEXISTS\r\nSTORED\r\nVALUE x 0 1\r\ny\r\nEND\r\nDELETED\r\nNOT_FOUND\r\nOK\r\nEND\r\n";
    assert_eq!(door.say(&said), expected);
    let syncs = stat(&door, "syncs") - before;
    assert!(syncs < 200, "{syncs} syncs for 300 sets and 100 increments");
}

#[test]
fn answers_flow_while_a_client_sends_on() {
    let door = Door::open();
    let mut stream = connect(&door.address);
    // Half a command is behind the first: its answer does not wait for the other half.
    stream.write_all(b"set a 0 0 1\r\nx\r\nset b 0 0 9\r\n12345").expect("it is sent");
    let mut answer = [0; 8];
    stream.read_exact(&mut answer).expect("it answers");
    assert_eq!(&answer, b"STORED\r\n");
    // What waits is answered before the connection is closed.
    stream
        .write_all(b"6789\r\nget b\r\nset c 0 0 1\r\nx\r\nmn more\r\nquit\r\nget c\r\n")
        .expect("it is sent");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("it is closed");
    assert_eq!(rest, "STORED\r\nVALUE b 0 9\r\n123456789\r\nEND\r\nSTORED\r\nMN\r\n");
}

#[test]
fn what_cannot_be_logged_is_answered_for_each_command() {
    let door = Door::open();
    // Moved and not removed: the controller may be writing in it.
    let data = door.scratch.path().join("data");
    fs::rename(&data, data.with_extension("gone")).expect("it can be moved");
    let answers = door.say(
        "version\r\nset a 0 0 1\r\nx\r\nset b 0 0 1 noreply\r\nx\r\ngat 0 a b\r\nincr a 1\r\nms c 1\r\nx\r\nget none\r\n",
    );
    let answers: Vec<&str> = answers.lines().collect();
    let (first, failed) = answers.split_first().expect("there are answers");
    assert!(first.starts_with("VERSION "), "{answers:?}");
    // A `get` behind a change that failed has seen what is not there; one alone in its group finds nothing.
    let (last, failed) = failed.split_last().expect("there are answers");
    assert!(*last == "END" || last.starts_with("SERVER_ERROR cannot make a log"), "{answers:?}");
    // The first change fails in any case; what comes in a group after it may find nothing to change.
    assert!(failed[0].starts_with("SERVER_ERROR cannot make a log of changes"), "{answers:?}");
    assert!(failed.last().is_some_and(|last| last.starts_with("SERVER_ERROR")), "{answers:?}");
    assert_eq!(failed.len(), 4, "{answers:?}");
}

#[test]
fn a_get_of_many_keys_is_answered_and_a_line_beyond_the_limit_is_told() {
    let door = Door::open();
    let key = |n: usize| format!("{n:0250}");
    let (mut said, mut expected) = (String::new(), String::new());
    let values: Vec<usize> = (0..4000).step_by(7).collect();
    for n in &values {
        said += &format!("set {} 0 0 4 noreply\r\n{n:04}\r\n", key(*n));
        expected += &format!("VALUE {} 0 4\r\n{n:04}\r\n", key(*n));
    }
    let keys: Vec<String> = (0..4000).map(key).collect();
    said += &format!("get {}\r\n", keys.join(" "));
    expected += "END\r\n";
    assert_eq!(door.say(&said), expected);

    let mut stream = connect(&door.address);
    let line = format!("set a 0 0 1\r\nx\r\nget {}\r\n", vec![keys.join(" "); 3].join(" "));
    stream.write_all(line.as_bytes()).expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    assert_eq!(answer, "STORED\r\nCLIENT_ERROR line too long\r\n");
}

const TASK: &str = r#"
LogPool pool = try LogPool.open("disks");
try pool.put("root fs", {"free": 5});
try pool.put("root fs", {"free": 4});
"#;

#[test]
fn log_records_are_values() {
    let door = Door::open();
    let scratch = door.scratch.path();
    fs::write(scratch.join("task.ds"), TASK).expect("a file can be written");
    good("dsc", scratch, &["compile", "task.ds"]);
    good("dsvm", scratch, &["exec", "task.dsb"]);
    let found = door.say("get disks/root%20fs:latest\r\n");
    let json = found.lines().nth(1).unwrap_or_else(|| panic!("no value in {found}"));
    let record: serde_json::Value = serde_json::from_str(json).expect("it is JSON");
    assert_eq!((&record["fields"]["free"], &record["key"]), (&4.into(), &"root fs".into()));
    let stored = &good("dsctl", scratch, &["log", "query", "root fs", "--where", "free == 5", "--json"]);
    let stored: serde_json::Value = serde_json::from_str(stored.trim()).expect("it is one record");
    let word = |name: &str| stored[name].as_str().map_or_else(|| stored[name].to_string(), str::to_owned);
    let time: jiff::Timestamp = word("time").parse().expect("it has a time");
    let key =
        format!("disks/root%20fs/{}/{}/{}-{}", word("node"), time.as_nanosecond(), word("run"), word("seq"));
    let found = door.say(&format!("get {key}\r\n"));
    assert!(found.contains(r#""fields":{"free":5}"#), "{key}: {found}");
    assert_eq!(door.say("get disks/none:latest\r\n"), "END\r\n");
    // The time as the record says it.
    let shown = key.replace(&time.as_nanosecond().to_string(), &word("time"));
    assert!(door.say(&format!("get {shown}\r\n")).contains(r#""fields":{"free":5}"#), "{shown}");
    // It never expires, and is of no class.
    let size = json.len();
    let latest = "disks/root%20fs:latest";
    assert_eq!(door.say(&format!("mg {latest} s c t\r\n")), format!("HD s{size} c0 t-1\r\n"));
    let debug = door.say(&format!("me {latest}\r\nme disks/none:latest\r\n"));
    assert!(debug.contains(" cls=0 size="), "{debug}");
    assert!(debug.starts_with(&format!("ME {latest} exp=-1 la=0 cas=0 fetch=")), "{debug}");
    assert!(debug.ends_with("\r\nEN\r\n"), "{debug}");
    // Nobody changes one, or puts an item where one may come to be.
    let refused = "CLIENT_ERROR this key names a log record, which is read-only here\r\n";
    for name in ["disks/root%20fs:latest", "disks/none:latest", &key] {
        for change in [
            format!("set {name} 0 0 1\r\nx\r\n"),
            format!("incr {name} 1\r\n"),
            format!("delete {name}\r\n"),
            format!("touch {name} 10\r\n"),
            format!("gat 10 {name}\r\n"),
            format!("ms {name} 1 q\r\nx\r\n"),
            format!("md {name}\r\n"),
            format!("mg {name} N30\r\n"),
        ] {
            assert_eq!(door.say(&change), refused, "{change}");
        }
        assert_eq!(door.say(&format!("set {name} 0 0 1 noreply\r\nx\r\n")), "");
    }
    assert_eq!(door.say("get disks/none:latest\r\n"), "END\r\n");
    assert!(door.say("get disks/root%20fs:latest\r\n").contains(r#""fields":{"free":4}"#));
}
