//! `Net` and `Connection`: TCP and names. Names are looked up on a thread, as the system's function blocks.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::AsRawFd;

use dscript_interp::Held;
use dscript_interp::native::{Failure, NativeDef, OutsideCall};
use dscript_interp::value::{ErrorValue, Resource, Value};
use memchr::memchr2;
use nix::sys::socket::{Shutdown, shutdown};
use tokio::net::TcpStream;

use super::*;

pub const NATIVES: &[NativeDef] = &[
    outside("Net.ping", "(String, int, Duration) -> Duration!", ping),
    outside("Net.resolve", "(String) -> List<String>!", resolve),
    outside("Net.connect", "(String, int, Duration) -> Connection!", connect),
    outside("Connection.write", "(Connection, String) -> void!", write),
    outside("Connection.writeBytes", "(Connection, Bytes) -> void!", write),
    outside("Connection.read", "(Connection) -> String?!", read),
    outside("Connection.readBytes", "(Connection) -> Bytes?!", read_bytes),
    outside("Connection.readLine", "(Connection) -> String?!", read_line),
    outside("Connection.readAll", "(Connection) -> String!", read_all),
    outside("Connection.close", "(Connection) -> void", close),
];

/// Read at once.
const CHUNK_BYTES: usize = 64 << 10;
const LINE_BYTES_MAX: usize = 16 << 20;
const ALL_BYTES_MAX: usize = 64 << 20;
/// An address that does not answer is left for the next one, if there is one.
const ATTEMPT_NS: i64 = 3_000_000_000;

/// The addresses of a host, in the system's order, each once.
pub async fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, ErrorValue> {
    // `[::1]` is how URLs write it.
    let name = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let unknown = |why: String| {
        let mut error = errors::error("dns", format!("cannot resolve `{host}`: {why}"));
        error.data.push(("host".into(), host.into()));
        error
    };
    let asked = name.to_owned();
    let found = on_thread(move || (asked.as_str(), port).to_socket_addrs()).await?;
    let found = found.map_err(|e| match e.to_string().rsplit_once("information: ") {
        Some((_, why)) => unknown(why.to_owned()),
        None => unknown(e.to_string()),
    })?;
    let mut all = Vec::new();
    for address in found {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    match all.is_empty() {
        true => Err(unknown("it has no address".into())),
        false => Ok(all),
    }
}

/// A host and a port as one text.
fn place(host: &str, port: i64) -> String {
    match host.contains(':') && !host.starts_with('[') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

/// Connects to the first address that answers; also how long that one took. The caller bounds the time.
pub async fn open(run: &RunState, host: &str, port: u16) -> Result<(TcpStream, i64), ErrorValue> {
    let all = addresses(host, port).await?;
    let mut last = None;
    for (at, address) in all.iter().enumerate() {
        let begin = run.host.monotonic();
        let attempt = TcpStream::connect(address);
        let done = match at + 1 == all.len() {
            true => attempt.await,
            false => tokio::select! {
                done = attempt => done,
                () = run.sleep(ATTEMPT_NS) => Err(io::Error::from_raw_os_error(libc::ETIMEDOUT)),
            },
        };
        match done {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                return Ok((stream, run.host.monotonic().saturating_sub(begin)));
            }
            Err(e) => last = Some(e),
        }
    }
    let why = last.expect("there is an address");
    let mut error = errors::io(&why, &format!("cannot connect to {}", place(host, port.into())));
    error.data.extend([("host".into(), host.into()), ("port".into(), port.to_string())]);
    Err(error)
}

/// The work, or an error with code `timeout`; with a limit of 0 or less the work is not begun.
pub async fn in_time<T>(
    run: &RunState,
    limit_ns: i64,
    what: &str,
    work: impl Future<Output = Result<T, ErrorValue>>,
) -> Result<T, ErrorValue> {
    tokio::select! {
        biased;
        done = work, if limit_ns > 0 => done,
        () = run.sleep(limit_ns) => {
            let mut error = errors::timed_out(what, limit_ns);
            error.fault = vec![dscript_interp::value::Fault::System, dscript_interp::value::Fault::External];
            Err(error)
        }
    }
}

/// Checks, and connects within the time of the third argument.
fn connected(call: &mut OutsideCall<'_>) -> Result<(TcpStream, i64, Open), Failure> {
    let (host, port, limit) = (call.string(0).to_owned(), call.int(1), call.int(2));
    let Ok(number @ 1..) = u16::try_from(port) else {
        return Err(errors::error("EINVAL", format!("{port} is no port: they are 1 to 65535")).into());
    };
    let counted = open_one(call)?;
    let state = reach(call, "net", &["connect", &host, &port.to_string()])?;
    let work = async move {
        let what = format!("connecting to {host}:{port}");
        in_time(&state, limit, &what, open(&state, &host, number)).await
    };
    let (stream, took) = call.wait(work)??;
    Ok((stream, took, counted))
}

fn ping(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    Ok(Value::Duration(connected(call)?.1))
}

fn connect(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let (stream, _, open) = connected(call)?;
    Ok(Value::Handle(Rc::new(Connection {
        stream,
        peer: place(call.string(0), call.int(1)),
        after_return: Cell::new(false),
        buffer: RefCell::default(),
        held: RefCell::new(state(call).hold()),
        is_short: Cell::new(false),
        ended: Cell::new(false),
        open: RefCell::new(Some(open)),
    })))
}

fn resolve(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let host = call.string(0).to_owned();
    reach(call, "net", &["resolve", &host])?;
    let all = call.wait(async move { addresses(&host, 0).await })??;
    Ok(Value::List(all.into_iter().map(|address| Value::String(address.ip().to_string())).collect()))
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    /// Whom it leads to.
    peer: String,
    /// Whether the last line ended with a `\r` after which nothing had come yet.
    after_return: Cell<bool>,
    /// Read, but not asked for yet.
    buffer: RefCell<Vec<u8>>,
    held: RefCell<Held>,
    /// Whether there was no room for more since this was asked last.
    is_short: Cell<bool>,
    /// Whether the other side sends no more.
    ended: Cell<bool>,
    /// Until it is closed.
    open: RefCell<Option<Open>>,
}

impl Resource for Connection {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Connection {
    fn check_open(&self) -> Result<(), ErrorValue> {
        match self.open.borrow().is_none() {
            true => {
                Err(self.about(errors::error("EBADF", format!("the connection to {} is closed", self.peer))))
            }
            false => Ok(()),
        }
    }

    fn about(&self, mut error: ErrorValue) -> ErrorValue {
        error.data.push(("peer".into(), self.peer.clone()));
        error
    }

    fn failed(&self, doing: &str, e: &io::Error) -> ErrorValue {
        self.about(errors::io(e, &format!("{doing} {}", self.peer)))
    }

    /// Waits for more in the buffer; false at the end.
    async fn more(&self) -> Result<bool, ErrorValue> {
        self.check_open()?;
        while !self.ended.get() {
            let failed = |e: io::Error| self.failed("reading from", &e);
            self.stream.readable().await.map_err(failed)?;
            self.check_open()?;
            let mut buffer = self.buffer.borrow_mut();
            let length = buffer.len();
            if !reserve_held(&mut buffer, CHUNK_BYTES, &mut self.held.borrow_mut()) {
                self.is_short.set(true);
                let text = format!("{} sent more than the memory of this task has room for", self.peer);
                return Err(self.about(errors::error("limit", text)));
            }
            buffer.resize(length + CHUNK_BYTES, 0);
            let read = self.stream.try_read(&mut buffer[length..]);
            buffer.truncate(length + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => self.ended.set(true),
                Ok(_) => {
                    // It belongs to the line before.
                    if self.after_return.take() && length == 0 && buffer[0] == b'\n' {
                        buffer.remove(0);
                        if buffer.is_empty() {
                            continue;
                        }
                    }
                    return Ok(true);
                }
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(e) => return Err(failed(e)),
            }
        }
        Ok(false)
    }

    /// All that has come.
    fn taken(&self) -> Vec<u8> {
        let _ = self.held.borrow_mut().resize(0);
        self.buffer.take()
    }

    /// What has come and was not read, at least one byte; `None` at the end.
    async fn chunk(&self) -> Result<Option<Vec<u8>>, ErrorValue> {
        if self.buffer.borrow().is_empty() && !self.more().await? {
            return Ok(None);
        }
        Ok(Some(self.taken()))
    }

    /// As `chunk`; a character that has not come as a whole is left for the next time.
    async fn text(&self) -> Result<Option<String>, ErrorValue> {
        loop {
            let Some(mut bytes) = self.chunk().await? else { return Ok(None) };
            if let Err(e) = std::str::from_utf8(&bytes[bytes.len().saturating_sub(4)..])
                && let (None, false) = (e.error_len(), self.ended.get())
            {
                let begun = bytes.len() - bytes.len().min(4) + e.valid_up_to();
                *self.buffer.borrow_mut() = bytes.split_off(begun);
                if bytes.is_empty() {
                    self.more().await?;
                    continue;
                }
            }
            return Ok(Some(lossy(bytes)));
        }
    }

    async fn line(&self) -> Result<Option<String>, ErrorValue> {
        self.check_open()?;
        let mut looked_at = 0;
        loop {
            let end = {
                let buffer = self.buffer.borrow();
                let from = looked_at.min(buffer.len());
                looked_at = buffer.len();
                memchr2(b'\n', b'\r', &buffer[from..]).map(|at| from + at)
            };
            if end.unwrap_or(looked_at) > LINE_BYTES_MAX {
                let text = format!("a line from {} is longer than {} MiB", self.peer, LINE_BYTES_MAX >> 20);
                return Err(self.about(errors::error("limit", text)));
            }
            if let Some(end) = end {
                let mut buffer = self.buffer.borrow_mut();
                let mut line: Vec<u8> = buffer.drain(..=end).collect();
                if line.pop() == Some(b'\r') {
                    match buffer.first() {
                        Some(b'\n') => drop(buffer.remove(0)),
                        Some(_) => {}
                        None => self.after_return.set(true),
                    }
                }
                let is_empty = buffer.is_empty();
                drop(buffer);
                if is_empty {
                    self.taken();
                }
                return Ok(Some(lossy(line)));
            }
            if !self.more().await? {
                let rest = self.taken();
                return Ok((!rest.is_empty()).then(|| lossy(rest)));
            }
        }
    }

    async fn all(&self) -> Result<String, ErrorValue> {
        self.check_open()?;
        while self.more().await? {
            if self.buffer.borrow().len() > ALL_BYTES_MAX {
                let text = format!("{} sent more than {} MiB", self.peer, ALL_BYTES_MAX >> 20);
                return Err(self.about(errors::error("limit", text)));
            }
        }
        Ok(lossy(self.taken()))
    }

    async fn write(&self, bytes: &[u8]) -> Result<(), ErrorValue> {
        let failed = |e: io::Error| self.failed("writing to", &e);
        let mut rest = bytes;
        while !rest.is_empty() {
            self.check_open()?;
            self.stream.writable().await.map_err(failed)?;
            match self.stream.try_write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(e) => return Err(failed(e)),
            }
        }
        self.check_open()
    }
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

fn write(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let connection = held::<Connection>(call, 0);
    let payload = match std::mem::replace(&mut call.args[1], Value::Null) {
        Value::String(text) => text.into_bytes(),
        other => bytes(other),
    };
    call.wait(async move { connection.write(&payload).await })??;
    Ok(Value::Null)
}

/// Reads from a connection. Where the task has no room, once more after connections that it cannot reach any more have given
/// back theirs.
fn reading<T: 'static, F: Future<Output = Result<T, ErrorValue>> + 'static>(
    call: &mut OutsideCall<'_>,
    work: impl Fn(Rc<Connection>) -> F,
) -> Result<T, Failure> {
    let connection = held::<Connection>(call, 0);
    connection.is_short.set(false);
    let mut done = call.wait(work(connection.clone()))?;
    // What has come is lost with what is given, but not with an error.
    if done.is_err() && connection.is_short.take() {
        call.collect();
        done = call.wait(work(connection))?;
    }
    Ok(done?)
}

fn read(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let text = reading(call, |connection| async move { connection.text().await })?;
    Ok(text.map_or(Value::Null, Value::String))
}

fn read_bytes(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let chunk = reading(call, |connection| async move { connection.chunk().await })?;
    Ok(chunk.map_or(Value::Null, Value::Bytes))
}

fn read_line(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let line = reading(call, |connection| async move { connection.line().await })?;
    Ok(line.map_or(Value::Null, Value::String))
}

fn read_all(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    reading(call, |connection| async move { connection.all().await }).map(Value::String)
}

/// Who still reads or writes wakes up.
fn close(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let connection = call.handle::<Connection>(0);
    connection.open.take();
    connection.taken();
    // The other side may have gone already.
    let _ = shutdown(connection.stream.as_raw_fd(), Shutdown::Both);
    Ok(Value::Null)
}
