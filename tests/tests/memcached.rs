//! The memcached door beside memcached itself: both are sent what `tests/memcached/commands.txt` says, and their answers
//! are compared, and what they count.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;

use dscript_tests::memcached::{Door, connect, free_port, memcached, say};
use dscript_tests::root;

/// So much may times in seconds differ where a second begins between two answers.
const SECONDS_APART_MAX: i64 = 60;

/// Counters that both have, and count alike.
const COUNTED: &[&str] = &[
    "cmd_get",
    "cmd_set",
    "cmd_flush",
    "cmd_touch",
    "cmd_meta",
    "get_hits",
    "get_misses",
    "delete_hits",
    "delete_misses",
    "incr_hits",
    "incr_misses",
    "decr_hits",
    "decr_misses",
    "cas_hits",
    "cas_misses",
    "cas_badval",
    "touch_hits",
    "touch_misses",
    "store_too_large",
];

struct Row {
    command: String,
    /// The door's answer where it is another.
    ours: Option<String>,
}

/// The cases by name.
fn cases() -> Vec<(String, Vec<Row>)> {
    let file = root().join("tests/memcached/commands.txt");
    let text = fs::read_to_string(&file).expect("the commands are there");
    let mut cases: Vec<(String, Vec<Row>)> = Vec::new();
    for line in text.lines().skip_while(|line| !line.starts_with("==")).filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix("== ") {
            cases.push((name.to_owned(), Vec::new()));
            continue;
        }
        let (_, rows) = cases.last_mut().expect("a case begins with its name");
        if line == "!" || line.starts_with("! ") {
            let row = rows.last_mut().expect("it belongs to a command");
            row.ours = Some(line[1..].trim_start().replace('|', "\r\n"));
        } else if !line.starts_with("? ") {
            rows.push(Row { command: line.replace('|', "\r\n").replace("\\s", " "), ours: None });
        }
    }
    cases
}

/// Somebody to talk with.
struct Peer {
    address: String,
    stream: TcpStream,
    /// The cas that were answered in this case.
    seen: Vec<u64>,
}

impl Peer {
    fn new(address: String) -> Peer {
        Peer { stream: connect(&address), address, seen: Vec::new() }
    }

    fn begin_case(&mut self) {
        self.stream = connect(&self.address);
        self.seen.clear();
    }

    /// What is answered, and the same with each cas as its place among those of the case.
    fn answer(&mut self, command: &str) -> (String, String) {
        let last = self.seen.last().copied().unwrap_or(0);
        let command = command.replace("{cas}", &last.to_string());
        let command = command.replace("{older}", &last.saturating_sub(1).to_string());
        let answer = say(&mut self.stream, &format!("{}\r\n", expand(&command)));
        let lines: Vec<String> = answer.split("\r\n").map(|line| self.compared(line)).collect();
        (answer, lines.join("\r\n"))
    }

    fn compared(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        let place = |word: &str, prefix: &str| -> Option<u64> { word.strip_prefix(prefix)?.parse().ok() };
        let mut said = Vec::new();
        for (at, word) in words.iter().enumerate() {
            let cas = match words[0] {
                "VALUE" if at == 4 => word.parse().ok(),
                "HD" | "VA" | "EX" | "NS" | "NF" => place(word, "c"),
                "ME" => place(word, "cas="),
                _ => None,
            };
            said.push(match cas {
                Some(cas) if cas > 0 => {
                    let known = self.seen.iter().position(|seen| *seen == cas);
                    // The newest is the last one, so that it can be told.
                    if known.is_none() {
                        self.seen.push(cas);
                    }
                    format!("cas-{}", known.unwrap_or(self.seen.len() - 1))
                }
                _ if words[0] == "ME" && word.starts_with("size=") => "size".into(),
                _ => (*word).to_owned(),
            });
        }
        said.join(" ")
    }

    fn counted(&mut self) -> BTreeMap<String, i64> {
        let stats = say(&mut self.stream, "stats\r\n");
        let rows = stats.lines().filter_map(|line| line.strip_prefix("STAT ")?.split_once(' '));
        let rows = rows.filter(|(name, _)| COUNTED.contains(name));
        rows.map(|(name, value)| (name.to_owned(), value.parse().expect("it is a number"))).collect()
    }
}

/// `{N}` as so many letters.
fn expand(command: &str) -> String {
    let Some((before, (number, after))) =
        command.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    else {
        return command.to_owned();
    };
    let count = number.parse().unwrap_or_else(|_| panic!("{{{number}}} is no number"));
    format!("{before}{}{}", "k".repeat(count), expand(after))
}

fn short(text: &str) -> String {
    format!("{:?}", text.chars().take(200).collect::<String>())
}

/// Equal, but for seconds that have gone by.
fn same(one: &str, other: &str) -> bool {
    let words = |text: &str| {
        text.split(' ').flat_map(|word| word.split_inclusive("\r\n")).map(str::to_owned).collect()
    };
    let (one, other): (Vec<String>, Vec<String>) = (words(one), words(other));
    one.len() == other.len() && one.iter().zip(&other).all(|(one, other)| one == other || close(one, other))
}

fn close(one: &str, other: &str) -> bool {
    ["t", "l", "exp=", "la="].iter().any(|prefix| {
        let seconds = |word: &str| -> Option<i64> { word.trim_end().strip_prefix(prefix)?.parse().ok() };
        match (seconds(one), seconds(other)) {
            (Some(one), Some(other)) => {
                (one < 0) == (other < 0) && one.abs_diff(other) <= SECONDS_APART_MAX as u64
            }
            _ => false,
        }
    })
}

#[test]
fn the_door_answers_what_memcached_does() {
    let port = free_port();
    let _server = memcached(port);
    let door = Door::open();
    let mut theirs = Peer::new(format!("127.0.0.1:{port}"));
    let mut ours = Peer::new(door.address.clone());
    let mut wrong = Vec::new();
    for (number, (name, rows)) in cases().into_iter().enumerate() {
        theirs.begin_case();
        ours.begin_case();
        for Row { command, ours: said } in rows {
            let command = command.replace('@', &format!("k{number}-"));
            let said = said.map(|said| said.replace('@', &format!("k{number}-")));
            let before = (theirs.counted(), ours.counted());
            let (peer, peer_compared) = theirs.answer(&command);
            let (answer, compared) = ours.answer(&command);
            let after = (theirs.counted(), ours.counted());
            let more =
                |before: &BTreeMap<String, i64>, after: &BTreeMap<String, i64>| -> Vec<(String, i64)> {
                    let more = after.iter().map(|(name, value)| (name.clone(), value - before[name]));
                    more.filter(|(_, more)| *more != 0).collect()
                };
            let as_told = match &said {
                Some(said) => same(&answer, said),
                None => same(&compared, &peer_compared),
            };
            if !as_told {
                let expected = said.as_ref().unwrap_or(&peer);
                let [command, answer, expected] = [&command, &answer, expected].map(|text| short(text));
                wrong.push(format!("{name}: {command}\n  is    {answer}\n  to be {expected}"));
            }
            let (theirs, ours) = (more(&before.0, &after.0), more(&before.1, &after.1));
            // Memcached has begun to count by the time that it finds some mistakes.
            if said.is_none() && !peer.contains("ERROR") && theirs != ours {
                let command = short(&command);
                wrong.push(format!("{name}: {command}\n  counts {ours:?}\n  and memcached {theirs:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}
