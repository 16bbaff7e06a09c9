//! The commands of the meta protocol.

use std::fmt::Write as _;

use tokio::io::AsyncWrite;

use crate::answers::{Part, reply, reply_unless};
use crate::command::{Bad, Flags, Mode};
use crate::items::{Item, now};
use crate::session::*;

impl<W: AsyncWrite + Unpin> Session<'_, W> {
    pub async fn meta_get(&mut self, key: Vec<u8>, flags: Flags) -> Result<(), Failed> {
        let touch = flags.number::<i64>(b'T');
        let vivify = flags.number::<i64>(b'N');
        let (Ok(touch), Ok(vivify)) = (touch, vivify) else {
            self.say(Bad::Token.answer());
            return Ok(());
        };
        let part = Part { value: flags.has(b'v'), ..Part::default() };
        if touch.is_some() || vivify.is_some() {
            let (touch, vivify) = (touch.map(expiry), vivify.map(expiry));
            let counters = self.counters.clone();
            count(&counters.gets);
            let touched = self.change(part, move |change| {
                let found = match (change.get(&key)?, touch, vivify) {
                    (Some(item), Some(expires), _) => {
                        let item = Item { expires, ..item };
                        change.touch(&key, item.clone())?;
                        Some((item, false))
                    }
                    (Some(item), None, _) => Some((item, false)),
                    (None, _, Some(expires)) => {
                        let mut item = Item { expires, ..Item::default() };
                        item.cas = change.put(&key, item.clone())?;
                        Some((item, true))
                    }
                    (None, ..) => None,
                };
                if found.is_some() {
                    count(&counters.hits);
                }
                let won = found.as_ref().is_some_and(|(_, won)| *won);
                Ok(found_or_not(&flags, &key, found.as_ref().map(|(item, _)| item), won))
            });
            touched.await
        } else if self.reads_behind_changes(std::slice::from_ref(&key)).await? {
            self.read(part, key, move |key, found| found_or_not(&flags, key, found, false)).await
        } else {
            let found = self.find(&key).await?;
            self.answers.say(&found_or_not(&flags, &key, found.as_ref(), false));
            Ok(())
        }
    }

    pub async fn meta_set(&mut self, key: Vec<u8>, flags: Flags, block: Vec<u8>) -> Result<(), Failed> {
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
        let vivify = vivify.map(expiry);
        count(&self.counters.sets);
        let stored = self.change(Part::default(), move |change| {
            let said = Item { data: Vec::new(), ..item };
            let size = item.data.len();
            let stored = store(change, &key, item, mode, cas, vivify)?;
            let cas = if let Stored::Done(cas) = stored { cas } else { 0 };
            let tail = returned(&flags, &key, Some((&Item { cas, ..said }, size)));
            Ok(match stored {
                Stored::Done(_) => reply_unless(flags.has(b'q'), &format!("HD{tail}")),
                Stored::Refused => reply(&format!("NS{tail}")),
                Stored::Exists => reply(&format!("EX{tail}")),
                Stored::NotFound => reply(&format!("NF{tail}")),
                Stored::TooLarge => reply(stored.text()),
            })
        });
        stored.await
    }

    pub async fn meta_delete(&mut self, key: Vec<u8>, flags: Flags) -> Result<(), Failed> {
        let Ok(cas) = flags.number::<u64>(b'C') else {
            self.say(Bad::Token.answer());
            return Ok(());
        };
        let deleted = self.change(Part::default(), move |change| {
            let answer = match change.get(&key)? {
                None => "NF",
                Some(found) if cas.is_some_and(|cas| cas != found.cas) => "EX",
                Some(_) => change.remove(&key).map(|()| "HD")?,
            };
            let tail = returned(&flags, &key, None);
            Ok(reply_unless(flags.has(b'q') && answer != "EX", &format!("{answer}{tail}")))
        });
        deleted.await
    }

    pub async fn meta_step(&mut self, key: Vec<u8>, flags: Flags) -> Result<(), Failed> {
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
        let stepped = self.change(Part::default(), move |change| {
            let quiet = flags.has(b'q');
            Ok(match take_step(change, &key, step)? {
                Stepped::Done(item) if flags.has(b'v') || !quiet => hit(&flags, &key, &item, false),
                Stepped::Done(_) => Vec::new(),
                Stepped::NotFound => reply_unless(quiet, &format!("NF{}", returned(&flags, &key, None))),
                Stepped::Exists => reply(&format!("EX{}", returned(&flags, &key, None))),
                Stepped::NotANumber => reply(NOT_A_NUMBER),
            })
        });
        stepped.await
    }

    pub async fn meta_debug(&mut self, key: &[u8], flags: &Flags) -> Result<(), Failed> {
        self.answers.settle().await?;
        match self.items.get(key)? {
            Some(item) => {
                let (written, left, size) = (flags.written(key), left(&item), item.data.len());
                self.say(&format!("ME {written} exp={left} cas={} size={size}", item.cas));
            }
            None => self.say("EN"),
        }
        Ok(())
    }
}

fn found_or_not(flags: &Flags, key: &[u8], item: Option<&Item>, won: bool) -> Vec<u8> {
    match item {
        Some(item) => hit(flags, key, item, won),
        None => reply_unless(flags.has(b'q'), &format!("EN{}", returned(flags, key, None))),
    }
}

/// `VA` with the value where it is asked for, else `HD`.
fn hit(flags: &Flags, key: &[u8], item: &Item, won: bool) -> Vec<u8> {
    let size = item.data.len();
    let tail = returned(flags, key, Some((item, size))) + if won { " W" } else { "" };
    match flags.has(b'v') {
        true => [format!("VA {size}{tail}\r\n").as_bytes(), &item.data, b"\r\n"].concat(),
        false => reply(&format!("HD{tail}")),
    }
}

/// What the flags ask to be said back, of an item and its size, each with a space before it.
fn returned(flags: &Flags, key: &[u8], item: Option<(&Item, usize)>) -> String {
    let mut text = String::new();
    for (letter, token) in &flags.0 {
        let _ = match (letter, item) {
            (b'k', _) => write!(text, " k{}{}", flags.written(key), if flags.has(b'b') { " b" } else { "" }),
            (b'O', _) => write!(text, " O{}", String::from_utf8_lossy(token)),
            (b'c', Some((item, _))) => write!(text, " c{}", item.cas),
            (b'f', Some((item, _))) => write!(text, " f{}", item.flags),
            (b's', Some((_, size))) => write!(text, " s{size}"),
            (b't', Some((item, _))) => write!(text, " t{}", left(item)),
            _ => Ok(()),
        };
    }
    text
}

/// Seconds until it expires; -1 for never.
fn left(item: &Item) -> i64 {
    if item.expires == 0 { -1 } else { (item.expires - now()).max(0) / SECOND_NS }
}
