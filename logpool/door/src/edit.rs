//! What commands make of an item, and what is counted of that.

use crate::command::{Bad, Mode};
use crate::counters::Count;
use crate::item::{Item, now};
use crate::items::Change;
use crate::limits::*;

/// A time to live beyond this is a moment since 1970.
const RELATIVE_SECONDS_MAX: i64 = 60 * 60 * 24 * 30;

/// What is to be stored.
#[derive(Clone, Debug, Default)]
pub struct Store {
    pub mode: Mode,
    pub item: Item,
    /// That of the item it is to follow.
    pub cas: Option<u64>,
    pub new_cas: Option<u64>,
    /// When what an append to nothing makes expires.
    pub vivify: Option<i64>,
    /// It may follow a newer one, and is stale then.
    pub stale: bool,
}

pub enum Stored {
    /// With its cas and its size.
    Done(u64, usize),
    /// The mode asks for an item that is there, or for one that is not.
    Refused,
    Exists,
    NotFound,
    TooLarge,
}

impl Stored {
    pub fn text(&self) -> &'static str {
        match self {
            Stored::Done(..) => "STORED",
            Stored::Refused => "NOT_STORED",
            Stored::Exists => "EXISTS",
            Stored::NotFound => "NOT_FOUND",
            Stored::TooLarge => Bad::TooLarge { quiet: false }.answer(),
        }
    }
}

pub fn store(change: &mut Change, key: &[u8], store: Store) -> Result<Stored, redb::Error> {
    let Store { mode, mut item, cas, new_cas, vivify, stale } = store;
    change.counters().count(Count::CmdSet);
    match (mode, cas) {
        (Mode::Set, None) => {}
        (Mode::Set | Mode::Replace, Some(wanted)) => {
            let Some(found) = change.get_head(key)? else {
                change.counters().count(Count::CasMisses);
                return Ok(Stored::NotFound);
            };
            let older = stale && wanted < found.cas;
            if found.cas != wanted && !older {
                change.counters().count(Count::CasBadval);
                return Ok(Stored::Exists);
            }
            change.counters().count(Count::CasHits);
            if older {
                item = Item { expires: found.expires, stale: true, won: found.won, ..item };
            }
        }
        (Mode::Add, _) => {
            if change.get_head(key)?.is_some() {
                return Ok(Stored::Refused);
            }
        }
        (Mode::Replace, None) => {
            if change.get_head(key)?.is_none() {
                return Ok(Stored::Refused);
            }
        }
        (Mode::Append | Mode::Prepend, _) => match (change.get(key)?, vivify) {
            (Some(found), _) if cas.is_some_and(|wanted| wanted != found.cas) => return Ok(Stored::Exists),
            (Some(found), _) => {
                let (first, last) = match mode {
                    Mode::Append => (&found.data, &item.data),
                    _ => (&item.data, &found.data),
                };
                let data = [&first[..], last].concat();
                item = Item { data, stale: false, won: false, ..found };
            }
            (None, Some(expires)) => item.expires = expires,
            (None, None) => return Ok(Stored::Refused),
        },
    }
    let size = item.data.len();
    if size > VALUE_BYTES_MAX {
        change.counters().count(Count::StoreTooLarge);
        return Ok(Stored::TooLarge);
    }
    Ok(Stored::Done(change.put(key, item, new_cas)?, size))
}

#[derive(Clone, Copy, Default)]
pub struct Step {
    pub by: u64,
    pub up: bool,
    /// When what is made where there is nothing expires, and its number.
    pub vivify: Option<(i64, u64)>,
    pub cas: Option<u64>,
    pub new_cas: Option<u64>,
    pub expires: Option<i64>,
}

pub enum Stepped {
    /// The item now, and when it was to expire before.
    Done(Item, i64),
    NotFound,
    NotANumber,
    Exists,
}

pub const NOT_A_NUMBER: &str = "CLIENT_ERROR cannot increment or decrement non-numeric value";

pub fn take_step(change: &mut Change, key: &[u8], step: Step) -> Result<Stepped, redb::Error> {
    let Some(found) = change.get(key)? else {
        let Some((vivified, initial)) = step.vivify else {
            change.counters().count(if step.up { Count::IncrMisses } else { Count::DecrMisses });
            return Ok(Stepped::NotFound);
        };
        let expires = step.expires.unwrap_or(vivified);
        let mut item = Item { expires, data: initial.to_string().into_bytes(), ..Item::default() };
        item.cas = change.put(key, item.clone(), step.new_cas)?;
        return Ok(Stepped::Done(item, 0));
    };
    if step.cas.is_some_and(|wanted| wanted != found.cas) {
        return Ok(Stepped::Exists);
    }
    let text = std::str::from_utf8(&found.data).ok().map(|text| text.trim_end_matches(' '));
    let Some(number) = text.and_then(|text| text.parse::<u64>().ok()) else {
        return Ok(Stepped::NotANumber);
    };
    change.counters().count(if step.up { Count::IncrHits } else { Count::DecrHits });
    let number = if step.up { number.wrapping_add(step.by) } else { number.saturating_sub(step.by) };
    let (before, cas) = (found.expires, found.cas);
    let expires = step.expires.unwrap_or(before);
    let mut item = Item { expires, data: number.to_string().into_bytes(), ..found };
    item.cas = change.put(key, item.clone(), step.new_cas)?;
    // It stays the same item, with another number.
    change.accesses().carry(key, cas, item.cas);
    Ok(Stepped::Done(item, before))
}

/// What is to be deleted.
#[derive(Clone, Copy, Default)]
pub struct Delete {
    pub cas: Option<u64>,
    pub new_cas: Option<u64>,
    /// Only its data is, and these flags stay.
    pub empty: Option<u32>,
    /// It is not deleted, but stale from now on.
    pub invalidate: bool,
    pub expires: Option<i64>,
}

pub enum Deleted {
    Done,
    NotFound,
    Exists,
}

pub fn delete(change: &mut Change, key: &[u8], delete: Delete) -> Result<Deleted, redb::Error> {
    let Delete { cas, new_cas, empty, invalidate, expires } = delete;
    let found = if invalidate { change.get(key)? } else { change.get_head(key)? };
    let found = match (found, cas) {
        (Some(found), None) => found,
        (Some(found), Some(wanted)) if found.cas == wanted => found,
        (found, _) => {
            change.counters().count(Count::DeleteMisses);
            return Ok(if found.is_some() { Deleted::Exists } else { Deleted::NotFound });
        }
    };
    if let Some(flags) = empty {
        let cas = new_cas.or((!invalidate).then_some(found.cas));
        let item = Item { flags, expires: expires.unwrap_or(0), stale: invalidate, ..Item::default() };
        change.put(key, item, cas)?;
    } else if invalidate {
        let expires = expires.unwrap_or(found.expires);
        change.renew_cas(key, Item { expires, stale: true, won: false, ..found }, new_cas)?;
    } else {
        change.remove(key)?;
    }
    if !invalidate {
        change.counters().count(Count::DeleteHits);
    }
    Ok(Deleted::Done)
}

/// Gives an item another time to live, and says whether it is there.
pub fn touch(change: &mut Change, key: &[u8], expires: i64) -> Result<Option<Item>, redb::Error> {
    let found = change.get(key)?.map(|item| Item { expires, ..item });
    change.counters().count_either(found.is_some(), Count::TouchHits, Count::TouchMisses);
    if let Some(item) = &found {
        change.amend(key, item)?;
        change.accesses().note(key, item.cas, now() / SECOND_NS);
    }
    Ok(found)
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
