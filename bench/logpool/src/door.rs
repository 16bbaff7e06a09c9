//! The memcached door beside memcached itself, under memcached's own load generator: `memcaslap` of Debian's
//! libmemcached-tools. What is set is durable at the door, and in memory at memcached.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

const ROUNDS: usize = 3;
/// Gets come when the items they are of have been set, so the last of some periods counts.
const LENGTH: &str = "20s";
const PERIOD: &str = "4s";
/// Both servers and the load share the machine.
const THREADS: &str = "2";
const CONNECTIONS: &str = "32";

/// Ended with the measurement, however that ends.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Commands in a second, the median of some rounds in turns; `None` where a program is missing.
pub fn door(dir: &Path, dsctl: &Path) -> Option<Value> {
    let (_door, door) = door_server(dir, dsctl)?;
    let (_peer, peer) = memcached()?;
    let mut result = json!({});
    // Without a share of both commands the generator sends sets only.
    for (name, shares) in [("sets", "0 1.0\n1 0.0"), ("gets", "0 0.0\n1 1.0")] {
        let config = dir.join(name);
        std::fs::write(&config, format!("key\n64 64 1\nvalue\n128 128 1\ncmd\n{shares}\n")).expect("a file");
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 1..=ROUNDS {
            eprintln!("door.{name}, round {round} of {ROUNDS}: memcached and the door, {LENGTH} each ...");
            theirs.push(load(&peer, &config)?);
            ours.push(load(&door, &config)?);
        }
        let median = |all: &mut Vec<f64>| {
            all.sort_by(f64::total_cmp);
            all[all.len() / 2]
        };
        let (ours, theirs) = (median(&mut ours), median(&mut theirs));
        result[name] = json!({ "per_s": ours, "memcached_per_s": theirs, "to_memcached": ours / theirs });
    }
    Some(result)
}

fn door_server(dir: &Path, dsctl: &Path) -> Option<(Server, String)> {
    let mut starting = Command::new(dsctl);
    starting.args(["serve", "--listen", "127.0.0.1:0", "--memcached", "127.0.0.1:0", "--data"]).arg(dir);
    let mut child = starting.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let lines = BufReader::new(child.stdout.take()?).lines();
    let server = Server(child);
    let address =
        lines.map_while(Result::ok).find_map(|line| line.strip_prefix("memcached on ").map(str::to_owned))?;
    Some((server, address))
}

fn memcached() -> Option<(Server, String)> {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).ok()?.port();
    let mut starting = Command::new("memcached");
    starting.args(["-l", "127.0.0.1", "-U", "0", "-u", "nobody", "-t", THREADS, "-p", &port.to_string()]);
    let server = Server(starting.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?);
    let address = format!("127.0.0.1:{port}");
    for _ in 0..100 {
        if TcpStream::connect(&address).is_ok() {
            return Some((server, address));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    None
}

fn load(address: &str, config: &Path) -> Option<f64> {
    let mut command = Command::new("memcaslap");
    command.args(["-s", address, "-T", THREADS, "-c", CONNECTIONS, "-w", "1k", "-t", LENGTH, "-S", PERIOD]);
    let done = command.arg("-F").arg(config).output().ok()?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(!said.contains("ERROR"), "{address} answers with errors: {said}");
    // Of a period: its seconds, commands and commands in a second; those of both kinds stand last.
    let period = said.lines().rfind(|line| line.starts_with("Period"))?;
    period.split_whitespace().nth(3)?.parse().ok()
}
