//! A connection: reads a command and its data block, does it, answers; the next one then. A change is handed over, and what
//! the client has already sent behind it is taken before that is durable (`answers`); what reads is handed over as well where
//! changes wait, so each command sees what the ones before it did. Answers are sent together when no more input waits.
//!
//! The commands of the meta protocol are in `meta`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, BufReader};
use tokio::net::TcpStream;

use crate::answers::{Answers, Part, reply, reply_unless, server_error};
use crate::command::{Bad, Command, Mode};
use crate::items::{Change, Item, Items, now};
use crate::limits::*;
use crate::records::{self, Records};

pub const SECOND_NS: i64 = 1_000_000_000;
/// What a client's first byte is when it speaks memcached's binary protocol.
const BINARY_PROTOCOL: u8 = 0x80;
/// A time to live beyond this is a moment since 1970.
const RELATIVE_SECONDS_MAX: i64 = 60 * 60 * 24 * 30;

/// What `stats` says.
pub struct Counters {
    born: Instant,
    connections: AtomicU64,
    connections_ever: AtomicU64,
    pub gets: AtomicU64,
    pub hits: AtomicU64,
    pub sets: AtomicU64,
}

impl Counters {
    pub fn new() -> Counters {
        Counters {
            born: Instant::now(),
            connections: AtomicU64::new(0),
            connections_ever: AtomicU64::new(0),
            gets: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            sets: AtomicU64::new(0),
        }
    }
}

pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

pub async fn serve(stream: TcpStream, items: &Items, records: &Records, counters: &Arc<Counters>) {
    count(&counters.connections);
    count(&counters.connections_ever);
    let (from, to) = stream.into_split();
    let answers = Answers::new(to);
    let mut session = Session { items, records, counters, answers, input_bytes: 0 };
    let mut input = Input { from: BufReader::new(from), refused: 0 };
    let end = session.run(&mut input).await;
    if matches!(end, End::LineTooLong) {
        session.answers.say(&reply("CLIENT_ERROR line too long"));
    }
    // An error here is a client that has gone.
    if session.answers.close().await.is_ok() && matches!(end, End::LineTooLong) {
        let _ = tokio::time::timeout(LINGER, skip(&mut input.from, LINGER_BYTES_MAX)).await;
    }
    counters.connections.fetch_sub(1, Ordering::Relaxed);
}

pub struct Session<'s, W> {
    pub items: &'s Items,
    pub records: &'s Records,
    pub counters: &'s Arc<Counters>,
    pub answers: Answers<W>,
    /// What the client has sent for the command, until its first change is handed over.
    input_bytes: usize,
}

/// Why the connection ends.
enum End {
    Quit,
    /// The client has gone, or sends what is no line.
    Gone,
    LineTooLong,
}

impl From<std::io::Error> for End {
    fn from(_: std::io::Error) -> End {
        End::Gone
    }
}

/// Why a command is not done.
pub enum Failed {
    Server(String),
    Gone,
}

impl From<String> for Failed {
    fn from(why: String) -> Failed {
        Failed::Server(why)
    }
}

impl From<std::io::Error> for Failed {
    fn from(_: std::io::Error) -> Failed {
        Failed::Gone
    }
}

struct Input<R> {
    from: BufReader<R>,
    /// Bytes of a data block that nothing is done with.
    refused: u64,
}

/// What a client said.
enum Said {
    Command {
        command: Command,
        block: Vec<u8>,
        /// Of the line and the block.
        bytes: usize,
    },
    Bad(Bad),
    BadBlock,
}

impl<R: AsyncRead + Unpin> Input<R> {
    async fn next(&mut self) -> Result<Said, End> {
        let refused = std::mem::take(&mut self.refused);
        if skip(&mut self.from, refused).await? < refused {
            return Err(End::Gone);
        }
        let line = read_line(&mut self.from).await?;
        let command = match Command::parse(&line) {
            Ok(command) => command,
            Err(bad) => {
                self.refused = Command::announced(&line).map_or(0, |bytes| bytes.saturating_add(2));
                return Ok(Said::Bad(bad));
            }
        };
        let mut block = Vec::new();
        if let Some(bytes) = command.block_bytes() {
            block.resize(bytes + 2, 0);
            self.from.read_exact(&mut block).await?;
            if !block.ends_with(b"\r\n") {
                // What follows is the rest of a longer block, up to the end of its line.
                if !block.ends_with(b"\n") {
                    read_line(&mut self.from).await?;
                }
                return Ok(Said::BadBlock);
            }
            block.truncate(bytes);
        }
        let bytes = line.len() + block.len();
        Ok(Said::Command { command, block, bytes })
    }
}

impl<W: AsyncWrite + Unpin> Session<'_, W> {
    async fn run(&mut self, input: &mut Input<impl AsyncRead + Unpin>) -> End {
        // No line of text begins like that; who speaks the binary protocol waits for an answer in it, and not for the end of a line.
        match input.from.fill_buf().await {
            Ok(first) if first.first() != Some(&BINARY_PROTOCOL) => {}
            _ => return End::Gone,
        }
        loop {
            if let Err(end) = self.turn(input).await {
                return end;
            }
        }
    }

    /// Takes a command, and answers others as long as it is not there.
    async fn turn(&mut self, input: &mut Input<impl AsyncRead + Unpin>) -> Result<(), End> {
        let said = {
            let mut next = std::pin::pin!(input.next());
            loop {
                tokio::select! {
                    biased;
                    said = &mut next, if self.answers.have_room() => break said?,
                    advanced = self.answers.advance(), if !self.answers.are_all_sent() => advanced?,
                }
            }
        };
        match said {
            Said::Command { command, block, bytes } => self.answer(command, block, bytes).await,
            Said::Bad(bad) => {
                self.say_unless(matches!(bad, Bad::TooLarge { quiet: true }), bad.answer());
                Ok(())
            }
            Said::BadBlock => {
                self.say("CLIENT_ERROR bad data chunk");
                Ok(())
            }
        }
    }

    async fn answer(&mut self, command: Command, block: Vec<u8>, bytes: usize) -> Result<(), End> {
        if matches!(command, Command::Quit) {
            return Err(End::Quit);
        }
        let (changed, quiet) = command.changes();
        if changed.iter().any(|key| records::name(key).is_some()) {
            self.say_unless(quiet, "CLIENT_ERROR this key names a log record, which is read-only here");
            return Ok(());
        }
        self.input_bytes = bytes;
        match self.command(command, block).await {
            Ok(()) => Ok(()),
            Err(Failed::Gone) => Err(End::Gone),
            Err(Failed::Server(why)) => {
                if !quiet {
                    self.answers.say(&server_error(&why));
                }
                Ok(())
            }
        }
    }

    pub fn say(&mut self, answer: &str) {
        self.answers.say(&reply(answer));
    }

    fn say_unless(&mut self, quiet: bool, answer: &str) {
        if !quiet {
            self.say(answer);
        }
    }

    /// Hands over a change; what it gives is answered when it is durable.
    pub async fn change(
        &mut self,
        part: Part,
        work: impl FnOnce(&mut Change) -> Result<Vec<u8>, redb::Error> + Send + 'static,
    ) -> Result<(), Failed> {
        let input_bytes = std::mem::take(&mut self.input_bytes);
        let answer = self.items.change(work).await?;
        self.answers.wait_for(answer, Part { input_bytes, ..part });
        Ok(())
    }

    async fn command(&mut self, command: Command, block: Vec<u8>) -> Result<(), Failed> {
        match command {
            Command::Get { keys, with_cas } => self.get(keys, with_cas).await?,
            Command::GetAndTouch { keys, with_cas, exptime } => {
                let expires = expiry(exptime);
                let left = keys.len();
                for (n, key) in keys.into_iter().enumerate() {
                    while !self.answers.have_room() {
                        self.answers.advance().await?;
                    }
                    let last = n + 1 == left;
                    let counters = self.counters.clone();
                    count(&counters.gets);
                    let part = Part { value: true, last, ..Part::default() };
                    let touched = self.change(part, move |change| {
                        let found = change.get(&key)?.map(|item| Item { expires, ..item });
                        if let Some(item) = &found {
                            count(&counters.hits);
                            change.touch(&key, item.clone())?;
                        }
                        Ok(values(&key, found.as_ref(), with_cas, last))
                    });
                    touched.await?;
                }
            }
            Command::Store { mode, key, flags, exptime, cas, quiet, .. } => {
                count(&self.counters.sets);
                let item = Item { flags, expires: expiry(exptime), data: block, ..Item::default() };
                let stored = self.change(Part::quiet(quiet), move |change| {
                    let stored = store(change, &key, item, mode, cas, None)?;
                    Ok(reply_unless(quiet, stored.text()))
                });
                stored.await?;
            }
            Command::Delete { key, quiet } => {
                let deleted = self.change(Part::quiet(quiet), move |change| {
                    let there = change.get(&key)?.is_some();
                    change.remove(&key)?;
                    Ok(reply_unless(quiet, if there { "DELETED" } else { "NOT_FOUND" }))
                });
                deleted.await?;
            }
            Command::Step { key, by, up, quiet } => {
                let step = Step { by, up, ..Step::default() };
                let stepped = self.change(Part::quiet(quiet), move |change| {
                    let answer = match take_step(change, &key, step)? {
                        Stepped::Done(item) => item.data,
                        Stepped::NotFound => b"NOT_FOUND".to_vec(),
                        Stepped::NotANumber | Stepped::Exists => NOT_A_NUMBER.into(),
                    };
                    Ok(reply_unless(quiet, &String::from_utf8_lossy(&answer)))
                });
                stepped.await?;
            }
            Command::Touch { key, exptime, quiet } => {
                let expires = expiry(exptime);
                let touched = self.change(Part::quiet(quiet), move |change| {
                    let found = change.get(&key)?;
                    let answer = if found.is_some() { "TOUCHED" } else { "NOT_FOUND" };
                    if let Some(item) = found {
                        change.touch(&key, Item { expires, ..item })?;
                    }
                    Ok(reply_unless(quiet, answer))
                });
                touched.await?;
            }
            Command::Flush { after, quiet } => {
                let after = after.max(0).saturating_mul(SECOND_NS);
                let flushed = self.change(Part::quiet(quiet), move |change| {
                    change.flush(after);
                    Ok(reply_unless(quiet, "OK"))
                });
                flushed.await?;
            }
            Command::Version => self.say(&format!("VERSION {}", env!("CARGO_PKG_VERSION"))),
            Command::Verbosity { quiet } => self.say_unless(quiet, "OK"),
            Command::Stats { general } => {
                self.answers.settle().await?;
                self.stats(general);
            }
            Command::Quit => {}
            Command::MetaGet { key, flags } => self.meta_get(key, flags).await?,
            Command::MetaSet { key, flags, .. } => self.meta_set(key, flags, block).await?,
            Command::MetaDelete { key, flags } => self.meta_delete(key, flags).await?,
            Command::MetaStep { key, flags } => self.meta_step(key, flags).await?,
            Command::MetaDebug { key, flags } => self.meta_debug(&key, &flags).await?,
            Command::MetaNoop => self.say("MN"),
        }
        Ok(())
    }

    async fn get(&mut self, keys: Vec<Vec<u8>>, with_cas: bool) -> Result<(), Failed> {
        if self.reads_behind_changes(&keys).await? {
            let left = keys.len();
            for (n, key) in keys.into_iter().enumerate() {
                let last = n + 1 == left;
                let part = Part { value: true, last, ..Part::default() };
                let read = self.read(part, key, move |key, found| values(key, found, with_cas, last));
                read.await?;
            }
            return Ok(());
        }
        for key in keys {
            tokio::task::consume_budget().await;
            if let Some(item) = self.find(&key).await? {
                self.answers.say(&values(&key, Some(&item), with_cas, false));
                self.answers.make_room().await?;
            }
        }
        self.say("END");
        Ok(())
    }

    /// Whether these are read as changes are made, after those that wait; else nothing waits any more. Log records, which
    /// nobody changes here, are not read there.
    pub async fn reads_behind_changes(&mut self, keys: &[Vec<u8>]) -> Result<bool, Failed> {
        let behind = self.answers.are_waiting()
            && self.answers.may_hold(keys.len())
            && keys.iter().all(|key| records::name(key).is_none());
        if !behind {
            self.answers.settle().await?;
        }
        Ok(behind)
    }

    /// Reads an item behind the changes that wait.
    pub async fn read(
        &mut self,
        part: Part,
        key: Vec<u8>,
        answer: impl FnOnce(&[u8], Option<&Item>) -> Vec<u8> + Send + 'static,
    ) -> Result<(), Failed> {
        let counters = self.counters.clone();
        count(&counters.gets);
        let read = self.change(part, move |change| {
            let found = change.get(&key)?;
            if found.is_some() {
                count(&counters.hits);
            }
            Ok(answer(&key, found.as_ref()))
        });
        read.await
    }

    /// An item, else a log record, where nothing waits.
    pub async fn find(&mut self, key: &[u8]) -> Result<Option<Item>, String> {
        count(&self.counters.gets);
        let found = match self.items.get(key)? {
            Some(item) => Some(item),
            None => self.records.get(key).await?.map(|data| Item { data, ..Item::default() }),
        };
        if found.is_some() {
            count(&self.counters.hits);
        }
        Ok(found)
    }

    fn stats(&mut self, general: bool) {
        if general {
            let uptime = self.counters.born.elapsed().as_secs();
            let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            let (gets, hits) = (of(&self.counters.gets), of(&self.counters.hits));
            let all: [(&str, u64); 12] = [
                ("pid", u64::from(std::process::id())),
                ("uptime", uptime),
                ("time", (now() / SECOND_NS) as u64),
                ("pointer_size", usize::BITS.into()),
                ("curr_connections", of(&self.counters.connections)),
                ("total_connections", of(&self.counters.connections_ever)),
                ("cmd_get", gets),
                ("cmd_set", of(&self.counters.sets)),
                ("get_hits", hits),
                ("get_misses", gets.saturating_sub(hits)),
                ("curr_items", self.items.count()),
                ("syncs", self.items.syncs()),
            ];
            let mut text = format!("STAT version {}\r\n", env!("CARGO_PKG_VERSION"));
            for (name, value) in all {
                let _ = write!(text, "STAT {name} {value}\r\n");
            }
            self.answers.say(text.as_bytes());
        }
        self.say("END");
    }
}

/// What `get` answers for a key, and behind the last one.
fn values(key: &[u8], item: Option<&Item>, with_cas: bool, last: bool) -> Vec<u8> {
    let mut text = Vec::new();
    if let Some(item) = item {
        let cas = if with_cas { format!(" {}", item.cas) } else { String::new() };
        let sizes = format!(" {} {}{cas}\r\n", item.flags, item.data.len());
        text = [b"VALUE ", key, sizes.as_bytes(), &item.data, b"\r\n"].concat();
    }
    if last {
        text.extend_from_slice(b"END\r\n");
    }
    text
}

/// `vivify` is what an append to nothing makes.
pub fn store(
    change: &mut Change,
    key: &[u8],
    item: Item,
    mode: Mode,
    cas: Option<u64>,
    vivify: Option<i64>,
) -> Result<Stored, redb::Error> {
    let there = change.get(key)?;
    if let (Some(wanted), found) = (cas, &there) {
        match found {
            None => return Ok(Stored::NotFound),
            Some(found) if found.cas != wanted => return Ok(Stored::Exists),
            Some(_) => {}
        }
    }
    let item = match (mode, there) {
        (Mode::Set, _) | (Mode::Add, None) | (Mode::Replace, Some(_)) => item,
        (Mode::Add, Some(_)) | (Mode::Replace, None) => return Ok(Stored::Refused),
        (Mode::Append | Mode::Prepend, None) => match vivify {
            Some(expires) => Item { expires, ..item },
            None => return Ok(Stored::Refused),
        },
        (Mode::Append, Some(found)) => Item { data: [&found.data[..], &item.data].concat(), ..found },
        (Mode::Prepend, Some(found)) => Item { data: [&item.data[..], &found.data].concat(), ..found },
    };
    if item.data.len() > VALUE_BYTES_MAX {
        return Ok(Stored::TooLarge);
    }
    change.put(key, item).map(Stored::Done)
}

pub enum Stored {
    /// With its cas.
    Done(u64),
    /// The mode asks for an item that is there, or for one that is not.
    Refused,
    Exists,
    NotFound,
    TooLarge,
}

impl Stored {
    pub fn text(&self) -> &'static str {
        match self {
            Stored::Done(_) => "STORED",
            Stored::Refused => "NOT_STORED",
            Stored::Exists => "EXISTS",
            Stored::NotFound => "NOT_FOUND",
            Stored::TooLarge => Bad::TooLarge { quiet: false }.answer(),
        }
    }
}

#[derive(Clone, Copy, Default)]
pub struct Step {
    pub by: u64,
    pub up: bool,
    /// When what is made where there is nothing expires, and its number.
    pub vivify: Option<(i64, u64)>,
    pub cas: Option<u64>,
    pub expires: Option<i64>,
}

pub enum Stepped {
    Done(Item),
    NotFound,
    NotANumber,
    Exists,
}

pub const NOT_A_NUMBER: &str = "CLIENT_ERROR cannot increment or decrement non-numeric value";

pub fn take_step(change: &mut Change, key: &[u8], step: Step) -> Result<Stepped, redb::Error> {
    let Some(found) = change.get(key)? else {
        let Some((expires, initial)) = step.vivify else { return Ok(Stepped::NotFound) };
        let mut item = Item { expires, data: initial.to_string().into_bytes(), ..Item::default() };
        item.cas = change.put(key, item.clone())?;
        return Ok(Stepped::Done(item));
    };
    if step.cas.is_some_and(|wanted| wanted != found.cas) {
        return Ok(Stepped::Exists);
    }
    let text = std::str::from_utf8(&found.data).ok().map(|text| text.trim_end_matches(' '));
    let Some(number) = text.and_then(|text| text.parse::<u64>().ok()) else {
        return Ok(Stepped::NotANumber);
    };
    let number = if step.up { number.wrapping_add(step.by) } else { number.saturating_sub(step.by) };
    let expires = step.expires.unwrap_or(found.expires);
    let mut item = Item { expires, data: number.to_string().into_bytes(), ..found };
    item.cas = change.put(key, item.clone())?;
    Ok(Stepped::Done(item))
}

/// Seconds from now, or since 1970; negative is at once.
pub fn expiry(exptime: i64) -> i64 {
    match exptime {
        0 => 0,
        seconds if seconds < 0 => 1,
        seconds if seconds > RELATIVE_SECONDS_MAX => seconds.saturating_mul(SECOND_NS),
        seconds => now().saturating_add(seconds * SECOND_NS),
    }
}

/// A line without its end.
async fn read_line(from: &mut (impl AsyncBufRead + Unpin)) -> Result<Vec<u8>, End> {
    let mut line = Vec::new();
    from.take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line).await?;
    let length = line.len();
    if line.pop_if(|byte| *byte == b'\n').is_none() {
        return Err(if length == LINE_BYTES_MAX { End::LineTooLong } else { End::Gone });
    }
    line.pop_if(|byte| *byte == b'\r');
    Ok(line)
}

/// Passes over so many bytes, if there are so many, and says how many there were.
async fn skip(from: &mut (impl AsyncBufRead + Unpin), bytes: u64) -> std::io::Result<u64> {
    tokio::io::copy_buf(&mut from.take(bytes), &mut tokio::io::sink()).await
}
