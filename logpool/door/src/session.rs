//! A connection: reads a command and its data block, does it, answers; the next one then. Answers are sent together when
//! no more input waits, so pipelined commands cost few writes.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::TcpStream;

use crate::command::{Bad, Command, Flags, Mode};
use crate::items::{Item, Items, now};
use crate::limits::{LINE_BYTES_MAX, VALUE_BYTES_MAX};
use crate::records::{self, Records};

const SECOND_NS: i64 = 1_000_000_000;
/// What a client's first byte is when it speaks memcached's binary protocol.
const BINARY_PROTOCOL: u8 = 0x80;
/// A time to live beyond this is a moment since 1970.
const RELATIVE_SECONDS_MAX: i64 = 60 * 60 * 24 * 30;

/// What `stats` says.
pub struct Counters {
    born: Instant,
    connections: AtomicU64,
    connections_ever: AtomicU64,
    gets: AtomicU64,
    hits: AtomicU64,
    sets: AtomicU64,
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

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

pub async fn serve(stream: TcpStream, items: &Items, records: &Records, counters: &Counters) {
    count(&counters.connections);
    count(&counters.connections_ever);
    let (from, to) = stream.into_split();
    let mut session = Session { items, records, counters, out: Vec::new(), refused: 0 };
    // An error here is a client that has gone.
    let _ = session.run(BufReader::new(from), BufWriter::new(to)).await;
    counters.connections.fetch_sub(1, Ordering::Relaxed);
}

struct Session<'s> {
    items: &'s Items,
    records: &'s Records,
    counters: &'s Counters,
    out: Vec<u8>,
    /// Bytes of a data block that nothing is done with.
    refused: u64,
}

/// Why the connection ends.
enum End {
    Quit,
    /// The client has gone, or sends what is no line.
    Gone,
}

impl From<std::io::Error> for End {
    fn from(_: std::io::Error) -> End {
        End::Gone
    }
}

impl Session<'_> {
    async fn run<W: tokio::io::AsyncWrite + Unpin>(
        &mut self,
        mut from: BufReader<impl tokio::io::AsyncRead + Unpin>,
        mut to: W,
    ) -> Result<(), End> {
        // No line of text begins like that; who speaks the binary protocol waits for an answer in it, and not for the end of a line.
        if from.fill_buf().await?.first() == Some(&BINARY_PROTOCOL) {
            return Err(End::Gone);
        }
        loop {
            let line = read_line(&mut from).await?;
            let ended = self.line(&line, &mut from).await;
            to.write_all(&self.out).await?;
            self.out.clear();
            let refused = std::mem::take(&mut self.refused);
            if ended.is_err() || from.buffer().is_empty() || refused > 0 {
                to.flush().await?;
            }
            ended?;
            skip(&mut from, refused).await?;
        }
    }

    async fn line(&mut self, line: &[u8], from: &mut (impl AsyncBufRead + Unpin)) -> Result<(), End> {
        let command = match Command::parse(line) {
            Ok(command) => command,
            Err(bad) => {
                self.say_unless(matches!(bad, Bad::TooLarge { quiet: true }), bad.answer());
                self.refused = Command::announced(line).map_or(0, |bytes| bytes.saturating_add(2));
                return Ok(());
            }
        };
        let mut block = Vec::new();
        if let Some(bytes) = command.block_bytes() {
            block.resize(bytes + 2, 0);
            from.read_exact(&mut block).await?;
            if !block.ends_with(b"\r\n") {
                // What follows is the rest of a longer block, up to the end of its line.
                if !block.ends_with(b"\n") {
                    read_line(from).await?;
                }
                self.say("CLIENT_ERROR bad data chunk");
                return Ok(());
            }
            block.truncate(bytes);
        }
        if matches!(command, Command::Quit) {
            return Err(End::Quit);
        }
        let (changed, quiet) = command.changes();
        if changed.iter().any(|key| records::name(key).is_some()) {
            self.say_unless(quiet, "CLIENT_ERROR this key names a log record, which is read-only here");
            return Ok(());
        }
        if let Err(why) = self.command(command, block).await {
            let why: String = why.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            self.say(&format!("SERVER_ERROR {why}"));
        }
        Ok(())
    }

    fn say(&mut self, answer: &str) {
        self.out.extend_from_slice(answer.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    fn say_unless(&mut self, quiet: bool, answer: &str) {
        if !quiet {
            self.say(answer);
        }
    }

    async fn command(&mut self, command: Command, block: Vec<u8>) -> Result<(), String> {
        match command {
            Command::Get { keys, with_cas } => {
                for key in keys {
                    if let Some(item) = self.find(&key).await? {
                        self.value(&key, &item, with_cas);
                    }
                }
                self.say("END");
            }
            Command::GetAndTouch { keys, with_cas, exptime } => {
                for key in keys {
                    count(&self.counters.gets);
                    let wanted = key.clone();
                    let found = self.items.change(move |change| {
                        let Some(mut item) = change.get(&wanted)? else { return Ok(None) };
                        item.expires = expiry(exptime);
                        change.touch(&wanted, item.clone())?;
                        Ok(Some(item))
                    });
                    if let Some(item) = found.await? {
                        count(&self.counters.hits);
                        self.value(&key, &item, with_cas);
                    }
                }
                self.say("END");
            }
            Command::Store { mode, key, flags, exptime, cas, quiet, .. } => {
                let item = Item { flags, expires: expiry(exptime), data: block, ..Item::default() };
                let stored = self.store(key, item, mode, cas, None).await?;
                self.say_unless(quiet, stored.text());
            }
            Command::Delete { key, quiet } => {
                let done = self.items.change(move |change| {
                    let there = change.get(&key)?.is_some();
                    change.remove(&key)?;
                    Ok(there)
                });
                let answer = if done.await? { "DELETED" } else { "NOT_FOUND" };
                self.say_unless(quiet, answer);
            }
            Command::Step { key, by, up, quiet } => {
                let stepped = self.step(key, Step { by, up, ..Step::default() }).await?;
                match stepped {
                    Stepped::Done(item) => {
                        let text = String::from_utf8_lossy(&item.data).into_owned();
                        self.say_unless(quiet, &text);
                    }
                    Stepped::NotFound => self.say_unless(quiet, "NOT_FOUND"),
                    Stepped::NotANumber | Stepped::Exists => {
                        self.say_unless(
                            quiet,
                            "CLIENT_ERROR cannot increment or decrement non-numeric value",
                        );
                    }
                }
            }
            Command::Touch { key, exptime, quiet } => {
                let done = self.items.change(move |change| {
                    let Some(mut item) = change.get(&key)? else { return Ok(false) };
                    item.expires = expiry(exptime);
                    change.touch(&key, item).map(|()| true)
                });
                let answer = if done.await? { "TOUCHED" } else { "NOT_FOUND" };
                self.say_unless(quiet, answer);
            }
            Command::Flush { after, quiet } => {
                let after = after.max(0).saturating_mul(SECOND_NS);
                let flushed = self.items.change(move |change| {
                    change.flush(after);
                    Ok(())
                });
                flushed.await?;
                self.say_unless(quiet, "OK");
            }
            Command::Version => self.say(&format!("VERSION {}", env!("CARGO_PKG_VERSION"))),
            Command::Verbosity { quiet } => self.say_unless(quiet, "OK"),
            Command::Stats { general } => self.stats(general)?,
            Command::Quit => {}
            Command::MetaGet { key, flags } => self.meta_get(key, flags).await?,
            Command::MetaSet { key, flags, .. } => self.meta_set(key, flags, block).await?,
            Command::MetaDelete { key, flags } => self.meta_delete(key, flags).await?,
            Command::MetaStep { key, flags } => self.meta_step(key, flags).await?,
            Command::MetaDebug { key, flags } => match self.items.get(&key)? {
                Some(item) => {
                    let text = format!(
                        "ME {} exp={} cas={} size={}",
                        flags.written(&key),
                        left(&item),
                        item.cas,
                        item.data.len()
                    );
                    self.say(&text);
                }
                None => self.say("EN"),
            },
            Command::MetaNoop => self.say("MN"),
        }
        Ok(())
    }

    /// An item, else a log record.
    async fn find(&mut self, key: &[u8]) -> Result<Option<Item>, String> {
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

    fn value(&mut self, key: &[u8], item: &Item, with_cas: bool) {
        self.out.extend_from_slice(b"VALUE ");
        self.out.extend_from_slice(key);
        let cas = if with_cas { format!(" {}", item.cas) } else { String::new() };
        self.say(&format!(" {} {}{cas}", item.flags, item.data.len()));
        self.out.extend_from_slice(&item.data);
        self.out.extend_from_slice(b"\r\n");
    }

    /// `vivify` is what an append to nothing makes.
    async fn store(
        &self,
        key: Vec<u8>,
        item: Item,
        mode: Mode,
        cas: Option<u64>,
        vivify: Option<i64>,
    ) -> Result<Stored, String> {
        count(&self.counters.sets);
        let done = self.items.change(move |change| {
            let there = change.get(&key)?;
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
                (Mode::Prepend, Some(found)) => {
                    Item { data: [&item.data[..], &found.data].concat(), ..found }
                }
            };
            if item.data.len() > VALUE_BYTES_MAX {
                return Ok(Stored::TooLarge);
            }
            change.put(&key, item).map(Stored::Done)
        });
        done.await
    }

    async fn step(&self, key: Vec<u8>, step: Step) -> Result<Stepped, String> {
        let done = self.items.change(move |change| {
            let Some(found) = change.get(&key)? else {
                let Some((expires, initial)) = step.vivify else { return Ok(Stepped::NotFound) };
                let mut item = Item { expires, data: initial.to_string().into_bytes(), ..Item::default() };
                item.cas = change.put(&key, item.clone())?;
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
            item.cas = change.put(&key, item.clone())?;
            Ok(Stepped::Done(item))
        });
        done.await
    }

    fn stats(&mut self, general: bool) -> Result<(), String> {
        if general {
            let uptime = self.counters.born.elapsed().as_secs();
            let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            let (gets, hits) = (of(&self.counters.gets), of(&self.counters.hits));
            let all: [(&str, u64); 11] = [
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
            ];
            let mut text = format!("STAT version {}\r\n", env!("CARGO_PKG_VERSION"));
            for (name, value) in all {
                let _ = write!(text, "STAT {name} {value}\r\n");
            }
            self.out.extend_from_slice(text.as_bytes());
        }
        self.say("END");
        Ok(())
    }

    // ---- the meta protocol ----

    async fn meta_get(&mut self, key: Vec<u8>, flags: Flags) -> Result<(), String> {
        let touch = flags.number::<i64>(b'T');
        let vivify = flags.number::<i64>(b'N');
        let (Ok(touch), Ok(vivify)) = (touch, vivify) else {
            self.say(Bad::Token.answer());
            return Ok(());
        };
        let found = if touch.is_some() || vivify.is_some() {
            count(&self.counters.gets);
            let wanted = key.clone();
            let done = self.items.change(move |change| match (change.get(&wanted)?, touch, vivify) {
                (Some(mut item), Some(exptime), _) => {
                    item.expires = expiry(exptime);
                    change.touch(&wanted, item.clone())?;
                    Ok(Some((item, false)))
                }
                (Some(item), None, _) => Ok(Some((item, false))),
                (None, _, Some(exptime)) => {
                    let mut item = Item { expires: expiry(exptime), ..Item::default() };
                    item.cas = change.put(&wanted, item.clone())?;
                    Ok(Some((item, true)))
                }
                (None, ..) => Ok(None),
            });
            done.await?
        } else {
            self.find(&key).await?.map(|item| (item, false))
        };
        match found {
            Some((item, won)) => {
                let tail = returned(&flags, &key, Some(&item)) + if won { " W" } else { "" };
                self.hit(&flags, &tail, &item);
            }
            None => self.say_unless(flags.has(b'q'), &format!("EN{}", returned(&flags, &key, None))),
        }
        Ok(())
    }

    /// `VA` with the value where it is asked for, else `HD`.
    fn hit(&mut self, flags: &Flags, tail: &str, item: &Item) {
        if flags.has(b'v') {
            self.say(&format!("VA {}{tail}", item.data.len()));
            self.out.extend_from_slice(&item.data);
            self.out.extend_from_slice(b"\r\n");
        } else {
            self.say(&format!("HD{tail}"));
        }
    }

    async fn meta_set(&mut self, key: Vec<u8>, flags: Flags, block: Vec<u8>) -> Result<(), String> {
        let mode = match flags.token(b'M') {
            None | Some(b"S" | b"s") => Some(Mode::Set),
            Some(b"E" | b"e") => Some(Mode::Add),
            Some(b"A" | b"a") => Some(Mode::Append),
            Some(b"P" | b"p") => Some(Mode::Prepend),
            Some(b"R" | b"r") => Some(Mode::Replace),
            Some(_) => None,
        };
        let numbers = (
            flags.number::<u32>(b'F'),
            flags.number::<i64>(b'T'),
            flags.number::<u64>(b'C'),
            flags.number::<i64>(b'N'),
        );
        let (Some(mode), (Ok(client), Ok(exptime), Ok(cas), Ok(vivify))) = (mode, numbers) else {
            self.say(Bad::Token.answer());
            return Ok(());
        };
        let expires = exptime.map_or(0, expiry);
        let item = Item { flags: client.unwrap_or(0), expires, data: block, ..Item::default() };
        let stored = self.store(key.clone(), item.clone(), mode, cas, vivify.map(expiry)).await?;
        let cas = if let Stored::Done(cas) = stored { cas } else { 0 };
        let tail = returned(&flags, &key, Some(&Item { cas, ..item }));
        match stored {
            Stored::Done(_) => self.say_unless(flags.has(b'q'), &format!("HD{tail}")),
            Stored::Refused => self.say(&format!("NS{tail}")),
            Stored::Exists => self.say(&format!("EX{tail}")),
            Stored::NotFound => self.say(&format!("NF{tail}")),
            Stored::TooLarge => self.say(Bad::TooLarge { quiet: false }.answer()),
        }
        Ok(())
    }

    async fn meta_delete(&mut self, key: Vec<u8>, flags: Flags) -> Result<(), String> {
        let Ok(cas) = flags.number::<u64>(b'C') else {
            self.say(Bad::Token.answer());
            return Ok(());
        };
        let wanted = key.clone();
        let done = self.items.change(move |change| match change.get(&wanted)? {
            None => Ok("NF"),
            Some(found) if cas.is_some_and(|cas| cas != found.cas) => Ok("EX"),
            Some(_) => change.remove(&wanted).map(|()| "HD"),
        });
        let answer = done.await?;
        let tail = returned(&flags, &key, None);
        self.say_unless(flags.has(b'q') && answer != "EX", &format!("{answer}{tail}"));
        Ok(())
    }

    async fn meta_step(&mut self, key: Vec<u8>, flags: Flags) -> Result<(), String> {
        let up = match flags.token(b'M') {
            None | Some(b"I" | b"i" | b"+") => Some(true),
            Some(b"D" | b"d" | b"-") => Some(false),
            Some(_) => None,
        };
        let numbers = (
            flags.number::<u64>(b'D'),
            flags.number::<u64>(b'J'),
            flags.number::<i64>(b'N'),
            flags.number::<u64>(b'C'),
            flags.number::<i64>(b'T'),
        );
        let (Some(up), (Ok(by), Ok(initial), Ok(vivify), Ok(cas), Ok(touch))) = (up, numbers) else {
            self.say(Bad::Token.answer());
            return Ok(());
        };
        let vivify = vivify.map(|exptime| (expiry(exptime), initial.unwrap_or(0)));
        let step = Step { by: by.unwrap_or(1), up, vivify, cas, expires: touch.map(expiry) };
        match self.step(key.clone(), step).await? {
            Stepped::Done(item) => {
                let tail = returned(&flags, &key, Some(&item));
                if flags.has(b'v') || !flags.has(b'q') {
                    self.hit(&flags, &tail, &item);
                }
            }
            Stepped::NotFound => {
                let tail = returned(&flags, &key, None);
                self.say_unless(flags.has(b'q'), &format!("NF{tail}"));
            }
            Stepped::Exists => self.say(&format!("EX{}", returned(&flags, &key, None))),
            Stepped::NotANumber => self.say("CLIENT_ERROR cannot increment or decrement non-numeric value"),
        }
        Ok(())
    }
}

enum Stored {
    /// With its cas.
    Done(u64),
    /// The mode asks for an item that is there, or for one that is not.
    Refused,
    Exists,
    NotFound,
    TooLarge,
}

impl Stored {
    fn text(&self) -> &'static str {
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
struct Step {
    by: u64,
    up: bool,
    /// When what is made where there is nothing expires, and its number.
    vivify: Option<(i64, u64)>,
    cas: Option<u64>,
    expires: Option<i64>,
}

enum Stepped {
    Done(Item),
    NotFound,
    NotANumber,
    Exists,
}

/// What the flags ask to be said back, each with a space before it.
fn returned(flags: &Flags, key: &[u8], item: Option<&Item>) -> String {
    let mut text = String::new();
    for (letter, token) in &flags.0 {
        let _ = match (letter, item) {
            (b'k', _) => write!(text, " k{}{}", flags.written(key), if flags.has(b'b') { " b" } else { "" }),
            (b'O', _) => write!(text, " O{}", String::from_utf8_lossy(token)),
            (b'c', Some(item)) => write!(text, " c{}", item.cas),
            (b'f', Some(item)) => write!(text, " f{}", item.flags),
            (b's', Some(item)) => write!(text, " s{}", item.data.len()),
            (b't', Some(item)) => write!(text, " t{}", left(item)),
            _ => Ok(()),
        };
    }
    text
}

/// Seconds until it expires; -1 for never.
fn left(item: &Item) -> i64 {
    if item.expires == 0 { -1 } else { (item.expires - now()).max(0) / SECOND_NS }
}

/// Seconds from now, or since 1970; negative is at once.
fn expiry(exptime: i64) -> i64 {
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
    if line.pop() != Some(b'\n') {
        return Err(End::Gone);
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}

async fn skip(from: &mut (impl AsyncBufRead + Unpin), bytes: u64) -> Result<(), End> {
    let skipped = tokio::io::copy_buf(&mut from.take(bytes), &mut tokio::io::sink()).await?;
    if skipped == bytes { Ok(()) } else { Err(End::Gone) }
}
