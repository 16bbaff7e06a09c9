//! A connection: reads a command and its data block, does it, answers; the next one then. A change is handed over, and what
//! the client has already sent behind it is taken before that is durable (`answers`); what reads is handed over as well where
//! changes wait, so each command sees what the ones before it did. Answers are sent together when no more input waits.
//!
//! The commands of the meta protocol are in `meta`.

use std::io::Write as _;

use dscript_logpool::READ_ONLY;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, BufReader};
use tokio::net::TcpStream;

use crate::answers::{Answers, Part, reply, reply_unless, server_error};
use crate::command::{Bad, Command, Stats};
use crate::counters::Count;
use crate::edit::*;
use crate::item::{Item, now};
use crate::items::{Change, Items};
use crate::limits::*;
use crate::metered::Metered;
use crate::records::{self, Records};

/// What stands around key and data in a value, at most.
const VALUE_HEAD_BYTES: usize = 64;
/// What a client's first byte is when it speaks memcached's binary protocol.
const BINARY_PROTOCOL: u8 = 0x80;
/// `threads` is how many talk with clients.
pub async fn serve(stream: TcpStream, items: &Items, records: &Records, threads: usize) {
    items.counters().connected();
    let (from, to) = stream.into_split();
    let counters = items.counters();
    let answers = Answers::new(Metered { of: to, counters });
    let mut session = Session { items, records, threads, answers, input_bytes: 0 };
    let mut input = Input { from: BufReader::new(Metered { of: from, counters }), refused: 0 };
    let end = session.run(&mut input).await;
    if matches!(end, End::LineTooLong) {
        session.answers.say(&reply("CLIENT_ERROR line too long"));
    }
    // An error here is a client that has gone.
    if session.answers.close().await.is_ok() && matches!(end, End::LineTooLong) {
        let _ = tokio::time::timeout(LINGER, skip(&mut input.from, LINGER_BYTES_MAX)).await;
    }
    items.counters().disconnected();
}

pub struct Session<'s, W> {
    pub items: &'s Items,
    pub records: &'s Records,
    threads: usize,
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
                if matches!(bad, Bad::TooLarge { .. }) {
                    self.items.counters().count(Count::StoreTooLarge);
                }
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
            self.say_unless(quiet, &format!("CLIENT_ERROR {READ_ONLY}"));
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
                    let part = Part { value: true, last, ..Part::default() };
                    let touched = self.change(part, move |change| {
                        let found = touch(change, &key, expires)?;
                        Ok(values(&key, found.as_ref(), with_cas, last))
                    });
                    touched.await?;
                }
            }
            Command::Store { mode, key, flags, exptime, cas, quiet, .. } => {
                let item = Item { flags, expires: expiry(exptime), data: block, ..Item::default() };
                let what = Store { mode, item, cas, ..Store::default() };
                let stored = self.change(Part::quiet(quiet), move |change| {
                    let stored = store(change, &key, what)?;
                    Ok(reply_unless(quiet, stored.text()))
                });
                stored.await?;
            }
            Command::Delete { key, quiet } => {
                let deleted = self.change(Part::quiet(quiet), move |change| {
                    let deleted = delete(change, &key, Delete::default())?;
                    let there = matches!(deleted, Deleted::Done);
                    Ok(reply_unless(quiet, if there { "DELETED" } else { "NOT_FOUND" }))
                });
                deleted.await?;
            }
            Command::Step { key, by, up, quiet } => {
                let step = Step { by, up, ..Step::default() };
                let stepped = self.change(Part::quiet(quiet), move |change| {
                    let answer = match take_step(change, &key, step)? {
                        Stepped::Done(item, _) => item.data,
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
                    let there = touch(change, &key, expires)?.is_some();
                    Ok(reply_unless(quiet, if there { "TOUCHED" } else { "NOT_FOUND" }))
                });
                touched.await?;
            }
            Command::Flush { after, quiet } => {
                self.items.counters().count(Count::CmdFlush);
                let after = after.max(0).saturating_mul(SECOND_NS);
                let flushed = self.change(Part::quiet(quiet), move |change| {
                    change.flush(after);
                    Ok(reply_unless(quiet, "OK"))
                });
                flushed.await?;
            }
            Command::Version => self.say(&format!("VERSION {}", env!("CARGO_PKG_VERSION"))),
            Command::Verbosity { quiet } => self.say_unless(quiet, "OK"),
            Command::Stats(what) => {
                self.answers.settle().await?;
                self.stats(what);
            }
            Command::Quit => {}
            Command::MetaGet { key, flags } => self.meta_get(key, flags).await?,
            Command::MetaSet { key, mode, flags, .. } => self.meta_set(key, mode, flags, block).await?,
            Command::MetaDelete { key, flags } => self.meta_delete(key, flags).await?,
            Command::MetaStep { key, up, flags } => self.meta_step(key, up, flags).await?,
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
            let found = self.find(&key).await?;
            self.items.counters().count_either(found.is_some(), Count::GetHits, Count::GetMisses);
            if let Some(item) = found {
                self.items.accesses().note(&key, item.cas, now() / SECOND_NS);
                put_value(self.answers.end(), &key, &item, with_cas);
                self.answers.make_room().await?;
            }
        }
        self.answers.say(END);
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
    async fn read(
        &mut self,
        part: Part,
        key: Vec<u8>,
        answer: impl FnOnce(&[u8], Option<&Item>) -> Vec<u8> + Send + 'static,
    ) -> Result<(), Failed> {
        let read = self.change(part, move |change| {
            let found = change.get(&key)?;
            change.counters().count_either(found.is_some(), Count::GetHits, Count::GetMisses);
            if let Some(item) = &found {
                change.accesses().note(&key, item.cas, now() / SECOND_NS);
            }
            Ok(answer(&key, found.as_ref()))
        });
        read.await
    }

    /// An item, else a log record, where nothing waits.
    pub async fn find(&mut self, key: &[u8]) -> Result<Option<Item>, String> {
        match self.items.get(key)? {
            Some(item) => Ok(Some(item)),
            None => Ok(self.records.get(key).await?.map(|data| Item { data, ..Item::default() })),
        }
    }

    fn stats(&mut self, what: Stats) {
        let (counters, items, threads) = (self.items.counters(), self.items, self.threads);
        let text = match what {
            Stats::General => counters.general(items, threads),
            Stats::Settings => counters.settings(items, threads),
            Stats::Items => counters.items(items),
            Stats::Slabs => counters.slabs(items),
            Stats::Sizes => "STAT sizes_status disabled\r\nEND\r\n".into(),
            Stats::Connections => "END\r\n".into(),
            Stats::Reset => {
                counters.reset();
                "RESET\r\n".into()
            }
        };
        self.answers.say(text.as_bytes());
    }
}

const END: &[u8] = b"END\r\n";

/// What `get` answers for a key, and behind the last one.
fn values(key: &[u8], item: Option<&Item>, with_cas: bool, last: bool) -> Vec<u8> {
    let mut text = Vec::new();
    if let Some(item) = item {
        put_value(&mut text, key, item, with_cas);
    }
    if last {
        text.extend_from_slice(END);
    }
    text
}

fn put_value(text: &mut Vec<u8>, key: &[u8], item: &Item, with_cas: bool) {
    text.reserve(VALUE_HEAD_BYTES + key.len() + item.data.len());
    text.extend_from_slice(b"VALUE ");
    text.extend_from_slice(key);
    let _ = write!(text, " {} {}", item.flags, item.data.len());
    if with_cas {
        let _ = write!(text, " {}", item.cas);
    }
    text.extend_from_slice(b"\r\n");
    text.extend_from_slice(&item.data);
    text.extend_from_slice(b"\r\n");
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
