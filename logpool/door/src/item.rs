//! An item: what a client stored under a key.
//!
//! Byte map, numbers little-endian: flags (4), expiry (8: nanoseconds since 1970, 0 for never; the top bit says that it
//! is stale), cas (8), the time it was stored (8: nanoseconds since 1970; the top bit says that a client has won), then
//! the data. Items of versions that had no marks have neither bit.

use std::time::{SystemTime, UNIX_EPOCH};

pub const HEAD_BYTES: usize = 28;
const MARK: i64 = i64::MIN;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    pub flags: u32,
    /// Nanoseconds since 1970; 0 for never.
    pub expires: i64,
    pub cas: u64,
    /// Nanoseconds since 1970; set when it is put.
    pub stored: i64,
    /// The meta protocol's `X`: somebody is to bring a newer one.
    pub stale: bool,
    /// The meta protocol's `Z`: somebody has been told to.
    pub won: bool,
    pub data: Vec<u8>,
}

impl Item {
    pub fn encode(&self) -> Vec<u8> {
        let marked = |time: i64, mark: bool| if mark { time | MARK } else { time };
        let mut bytes = Vec::with_capacity(HEAD_BYTES + self.data.len());
        bytes.extend_from_slice(&self.flags.to_le_bytes());
        bytes.extend_from_slice(&marked(self.expires, self.stale).to_le_bytes());
        bytes.extend_from_slice(&self.cas.to_le_bytes());
        bytes.extend_from_slice(&marked(self.stored, self.won).to_le_bytes());
        bytes.extend_from_slice(&self.data);
        bytes
    }

    /// `None` for bytes that are too few.
    pub fn decode(bytes: &[u8]) -> Option<Item> {
        let (head, data) = Item::decode_head(bytes)?;
        Some(Item { data: data.to_vec(), ..head })
    }

    /// An item without its data, and that.
    pub fn decode_head(bytes: &[u8]) -> Option<(Item, &[u8])> {
        let (flags, rest) = bytes.split_first_chunk()?;
        let (expires, rest) = rest.split_first_chunk()?;
        let (cas, rest) = rest.split_first_chunk()?;
        let (stored, data) = rest.split_first_chunk()?;
        let (expires, stored) = (i64::from_le_bytes(*expires), i64::from_le_bytes(*stored));
        let head = Item {
            flags: u32::from_le_bytes(*flags),
            expires: expires & !MARK,
            cas: u64::from_le_bytes(*cas),
            stored: stored & !MARK,
            stale: expires < 0,
            won: stored < 0,
            data: Vec::new(),
        };
        Some((head, data))
    }

    pub fn is_there(&self, now: i64, flush: i64) -> bool {
        (self.expires == 0 || self.expires > now) && !self.is_flushed(now, flush)
    }

    /// `flush` is the time before which everything stored is gone, once it is past.
    pub fn is_flushed(&self, now: i64, flush: i64) -> bool {
        flush <= now && self.stored < flush
    }
}

/// Nanoseconds since 1970.
pub fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_kept_and_items_without_are_read() {
        let item =
            Item { flags: 7, expires: 5, cas: 9, stored: 3, data: b"data".to_vec(), ..Item::default() };
        for (stale, won) in [(false, false), (true, false), (false, true), (true, true)] {
            for expires in [0, 5, i64::MAX] {
                let item = Item { stale, won, expires, ..item.clone() };
                assert_eq!(Item::decode(&item.encode()), Some(item));
            }
        }
        // As it was written before there were marks.
        let older = b"\x07\0\0\0\x05\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0data";
        assert_eq!(Item::decode(older), Some(item));
        assert_eq!(Item::decode(&older[..HEAD_BYTES - 1]), None);
    }
}
