//! The commands of the meta protocol.
//!
//! An item that is *stale* is to be brought anew by one client: the first that asks for it *wins* (`W`), and the others are
//! told that somebody has (`Z`). So it is with an item that `mg` makes where there is none (`N`) or that expires soon (`R`).

use std::io::Write as _;

use tokio::io::AsyncWrite;

use crate::answers::{Part, reply};
use crate::command::Mode;
use crate::counters::Count;
use crate::edit::*;
use crate::flags::Flags;
use crate::item::{HEAD_BYTES, Item, now};
use crate::items::Change;
use crate::limits::SECOND_NS;
use crate::session::{Failed, Session};

impl<W: AsyncWrite + Unpin> Session<'_, W> {
    pub async fn meta_get(&mut self, key: Vec<u8>, flags: Box<Flags>) -> Result<(), Failed> {
        // What changes nothing may be read here.
        if flags.expires.is_none() && !self.reads_behind_changes(std::slice::from_ref(&key)).await? {
            let (counters, accesses) = (self.items.counters(), self.items.accesses());
            match self.find(&key).await? {
                Some(item) => {
                    let (_, wins) = outcome(&flags, &item, false);
                    if !wins {
                        counters.count(Count::GetHits);
                        let last = accesses.last(&key, item.cas);
                        if !flags.has(b'u') {
                            accesses.note(&key, item.cas, now() / SECOND_NS);
                        }
                        self.answers.say(&show(&flags, &key, &item, item.expires, false, last));
                        return Ok(());
                    }
                }
                None if flags.vivify.is_none() => {
                    counters.count(Count::GetMisses);
                    self.answers.say(&nothing(&flags, &key));
                    return Ok(());
                }
                None => {}
            }
        }
        let part = Part { value: flags.has(b'v'), ..Part::default() };
        self.change(part, move |change| get(change, &key, &flags)).await
    }

    pub async fn meta_set(
        &mut self,
        key: Vec<u8>,
        mode: Mode,
        flags: Box<Flags>,
        block: Vec<u8>,
    ) -> Result<(), Failed> {
        let expires = flags.expires.map_or(0, expiry);
        let sent = block.len();
        let what = Store {
            mode,
            item: Item { flags: flags.client, expires, data: block, ..Item::default() },
            cas: flags.cas,
            new_cas: flags.new_cas,
            vivify: flags.vivify.map(expiry),
            stale: flags.has(b'I'),
        };
        let stored = self.change(Part::default(), move |change| {
            let (status, cas, size) = match store(change, &key, what)? {
                Stored::Done(..) if flags.has(b'q') => return Ok(Vec::new()),
                Stored::Done(cas, size) => ("HD", cas, size),
                Stored::Refused => ("NS", 0, sent),
                Stored::Exists => ("EX", 0, sent),
                Stored::NotFound => ("NF", 0, sent),
                too_large @ Stored::TooLarge => return Ok(reply(too_large.text())),
            };
            let mut answer = status.as_bytes().to_vec();
            for (letter, token) in &flags.written {
                let _ = match letter {
                    b'c' => write!(answer, " c{cas}"),
                    b's' => write!(answer, " s{size}"),
                    _ => echo(&mut answer, &flags, &key, *letter, token),
                };
            }
            answer.extend_from_slice(b"\r\n");
            Ok(answer)
        });
        stored.await
    }

    pub async fn meta_delete(&mut self, key: Vec<u8>, flags: Box<Flags>) -> Result<(), Failed> {
        let what = Delete {
            cas: flags.cas,
            new_cas: flags.new_cas,
            empty: flags.has(b'x').then_some(flags.client),
            invalidate: flags.has(b'I'),
            expires: flags.expires.map(expiry),
        };
        let deleted = self.change(Part::default(), move |change| {
            Ok(match delete(change, &key, what)? {
                Deleted::Done if flags.has(b'q') => Vec::new(),
                Deleted::Done => status(b"HD", &flags, &key),
                Deleted::NotFound => status(b"NF", &flags, &key),
                Deleted::Exists => status(b"EX", &flags, &key),
            })
        });
        deleted.await
    }

    pub async fn meta_step(&mut self, key: Vec<u8>, up: bool, flags: Box<Flags>) -> Result<(), Failed> {
        let step = Step {
            by: flags.by.unwrap_or(1),
            up,
            vivify: flags.vivify.map(|exptime| (expiry(exptime), flags.initial)),
            cas: flags.cas,
            new_cas: flags.new_cas,
            expires: flags.expires.map(expiry),
        };
        let stepped = self.change(Part::default(), move |change| {
            Ok(match take_step(change, &key, step)? {
                Stepped::Done(..) if flags.has(b'q') => Vec::new(),
                Stepped::Done(item, before) => {
                    let text = described(&flags, &key, &item, before, |_, _| false);
                    finish(text, &flags, &item)
                }
                Stepped::NotFound => status(b"NF", &flags, &key),
                Stepped::Exists => status(b"EX", &flags, &key),
                Stepped::NotANumber => reply(NOT_A_NUMBER),
            })
        });
        stepped.await
    }

    pub async fn meta_debug(&mut self, key: &[u8], flags: &Flags) -> Result<(), Failed> {
        self.answers.settle().await?;
        self.items.counters().count(Count::CmdMeta);
        let Some(item) = self.find(key).await? else {
            self.say("EN");
            return Ok(());
        };
        let last = self.items.accesses().last(key, item.cas);
        let mut text = b"ME ".to_vec();
        text.extend_from_slice(&flags.written_key(key));
        // Memcached counts from when it expires.
        let expires = if item.expires == 0 { -1 } else { -left(item.expires) };
        let (idle, fetched) = (idle(&item, last), if last.is_some() { "yes" } else { "no" });
        let (cas, size) = (item.cas, key.len() + HEAD_BYTES + item.data.len());
        // Log records are of no class.
        let class = u8::from(item.stored != 0);
        let _ =
            write!(text, " exp={expires} la={idle} cas={cas} fetch={fetched} cls={class} size={size}\r\n");
        self.answers.say(&text);
        Ok(())
    }
}

/// `mg`, where it may change something.
fn get(change: &mut Change, key: &[u8], flags: &Flags) -> Result<Vec<u8>, redb::Error> {
    let (found, made) = match change.get(key)? {
        Some(found) => (found, false),
        None if flags.vivify.is_some() => (Item::default(), true),
        None => {
            change.counters().count(Count::GetMisses);
            return Ok(nothing(flags, key));
        }
    };
    change.counters().count(if flags.expires.is_some() { Count::TouchHits } else { Count::GetHits });
    let (before, (expires, wins)) = (found.expires, outcome(flags, &found, made));
    let mut item = Item { expires, won: found.won || wins, ..found };
    if made {
        item.cas = change.put(key, item.clone(), flags.new_cas)?;
    } else if wins || expires != before {
        change.amend(key, &item)?;
    }
    let last = change.accesses().last(key, item.cas);
    if !flags.has(b'u') {
        change.accesses().note(key, item.cas, now() / SECOND_NS);
    }
    Ok(show(flags, key, &item, before, wins, last))
}

/// When an item expires that was asked for with these flags, and whether the client is to bring a newer one. They count in
/// the order in which they are written.
fn outcome(flags: &Flags, item: &Item, made: bool) -> (i64, bool) {
    let (mut expires, mut wins) = (item.expires, made || item.stale && !item.won);
    for (letter, _) in &flags.written {
        match letter {
            b'T' => expires = flags.expires.map_or(expires, expiry),
            b'N' if made => expires = flags.vivify.map_or(expires, expiry),
            b'R' => {
                // In whole seconds.
                let soon = |before: i64| expires != 0 && expires.saturating_add(SECOND_NS) <= expiry(before);
                wins |= !made && !item.won && flags.recache.is_some_and(soon);
            }
            _ => {}
        }
    }
    (expires, wins)
}

/// What `mg` answers of an item, which was to expire at `before`, and was read last in the second `last`.
fn show(flags: &Flags, key: &[u8], item: &Item, before: i64, wins: bool, last: Option<i64>) -> Vec<u8> {
    let own = |text: &mut Vec<u8>, letter| {
        let _ = match letter {
            b'f' => write!(text, " f{}", item.flags),
            b's' => write!(text, " s{}", item.data.len()),
            b'l' => write!(text, " l{}", idle(item, last)),
            b'h' => write!(text, " h{}", u8::from(last.is_some())),
            _ => return false,
        };
        true
    };
    let mut text = described(flags, key, item, before, own);
    for (mark, is_there) in [(b'Z', item.won && !wins), (b'X', item.stale), (b'W', wins)] {
        if is_there {
            text.extend_from_slice(&[b' ', mark]);
        }
    }
    finish(text, flags, item)
}

/// What flags ask of an item, in their order: the time that is left is that until `before` up to a flag that sets another.
/// `own` says what is one command's, and whether that is all of a flag.
fn described(
    flags: &Flags,
    key: &[u8],
    item: &Item,
    before: i64,
    own: impl Fn(&mut Vec<u8>, u8) -> bool,
) -> Vec<u8> {
    let mut text = head(flags, item);
    let mut expires = before;
    for (letter, token) in &flags.written {
        let _ = match letter {
            b'T' | b'N' => {
                expires = item.expires;
                Ok(())
            }
            b'c' => write!(text, " c{}", item.cas),
            b't' => write!(text, " t{}", left(expires)),
            _ if own(&mut text, *letter) => Ok(()),
            _ => echo(&mut text, flags, key, *letter, token),
        };
    }
    text
}

/// `VA` with the value where it is asked for, else `HD`.
fn head(flags: &Flags, item: &Item) -> Vec<u8> {
    if flags.has(b'v') { format!("VA {}", item.data.len()).into_bytes() } else { b"HD".to_vec() }
}

fn finish(mut text: Vec<u8>, flags: &Flags, item: &Item) -> Vec<u8> {
    text.extend_from_slice(b"\r\n");
    if flags.has(b'v') {
        text.extend_from_slice(&item.data);
        text.extend_from_slice(b"\r\n");
    }
    text
}

/// What is answered where `mg` finds nothing.
fn nothing(flags: &Flags, key: &[u8]) -> Vec<u8> {
    if flags.has(b'q') { Vec::new() } else { status(b"EN", flags, key) }
}

/// An answer that tells of no item.
fn status(code: &[u8], flags: &Flags, key: &[u8]) -> Vec<u8> {
    let mut text = code.to_vec();
    for (letter, token) in &flags.written {
        let _ = echo(&mut text, flags, key, *letter, token);
    }
    text.extend_from_slice(b"\r\n");
    text
}

/// What is said back of the command itself.
fn echo(text: &mut Vec<u8>, flags: &Flags, key: &[u8], letter: u8, token: &[u8]) -> std::io::Result<()> {
    match letter {
        b'k' => {
            text.extend_from_slice(b" k");
            text.extend_from_slice(&flags.written_key(key));
            if flags.has(b'b') {
                text.extend_from_slice(b" b");
            }
        }
        b'O' => {
            text.extend_from_slice(b" O");
            text.extend_from_slice(token);
        }
        _ => {}
    }
    Ok(())
}

/// Seconds until a time, as memcached counts them: those that have begun; -1 for never.
fn left(expires: i64) -> i64 {
    if expires == 0 { -1 } else { (expires - now()).max(0).saturating_add(SECOND_NS - 1) / SECOND_NS }
}

/// Seconds since an item was read or stored.
fn idle(item: &Item, last: Option<i64>) -> i64 {
    let since = last.unwrap_or(item.stored / SECOND_NS);
    if item.stored == 0 { 0 } else { (now() / SECOND_NS - since).max(0) }
}
