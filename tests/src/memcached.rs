//! Servers that speak memcached's protocol: the door of a controller, and memcached.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::{Mark, Running, command, need, wait_for};

/// A controller with the memcached door open.
pub struct Door {
    controller: Running,
    pub address: String,
    mark: Mark,
    pub scratch: TempDir,
}

impl Door {
    pub fn open() -> Door {
        let scratch = tempfile::tempdir().expect("a scratch folder can be made");
        let mark = Mark::new();
        let (controller, address) = serve(scratch.path(), &mark);
        Door { controller, address, mark, scratch }
    }

    /// Kills the controller and starts another one on its data.
    pub fn begin_anew(self) -> Door {
        let Door { mut controller, mark, scratch, .. } = self;
        controller.kill_hard();
        let (controller, address) = serve(scratch.path(), &mark);
        Door { controller, address, mark, scratch }
    }

    pub fn port(&self) -> &str {
        self.address.rsplit(':').next().expect("an address has a port")
    }

    /// See `say`.
    pub fn say(&self, said: &str) -> String {
        say(&mut connect(&self.address), said)
    }
}

pub fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("it has a timeout");
    stream
}

/// What is answered to these lines, up to the answer of a last `mn`.
pub fn say(stream: &mut TcpStream, said: &str) -> String {
    stream.write_all(format!("{said}mn\r\n").as_bytes()).expect("it is sent");
    let mut answers = Vec::new();
    let mut bytes = [0; 4096];
    while !answers.ends_with(b"MN\r\n") {
        let read = stream.read(&mut bytes).expect("it answers");
        assert!(read > 0, "it hung up after {}", String::from_utf8_lossy(&answers));
        answers.extend_from_slice(&bytes[..read]);
    }
    answers.truncate(answers.len() - "MN\r\n".len());
    String::from_utf8_lossy(&answers).into_owned()
}

fn serve(scratch: &Path, mark: &Mark) -> (Running, String) {
    let said = scratch.join("controller.out");
    let mut starting = command("dsctl", scratch);
    mark.put(&mut starting);
    starting.args(["serve", "--listen", "127.0.0.1:0", "--memcached", "127.0.0.1:0"]);
    starting.stdout(File::create(&said).expect("a file can be made"));
    starting.stderr(File::create(scratch.join("controller.err")).expect("a file can be made"));
    let controller = Running::start(&mut starting);
    let address = wait_for("the door to open", || {
        let said = fs::read_to_string(&said).ok()?;
        let line = said.lines().find_map(|line| line.strip_prefix("memcached on "))?;
        said.ends_with('\n').then(|| line.to_owned())
    });
    (controller, address)
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it has an address").port()
}

/// Starts memcached itself.
pub fn memcached(port: u16) -> Running {
    need("memcached", "memcached");
    let mut starting = Command::new("memcached");
    starting.args(["-l", "127.0.0.1", "-U", "0", "-u", "nobody", "-p", &port.to_string()]);
    let server = Running::start(starting.stdout(Stdio::null()).stderr(Stdio::null()));
    wait_for("memcached to listen", || TcpStream::connect(("127.0.0.1", port)).is_ok().then_some(()));
    server
}
