//! When items were last read. It is kept in memory only, and for as many items as there are slots: an access takes the
//! slot of another one that has the same. Nothing waits for it, and nobody loses more than the time of an access.
//!
//! A slot holds a piece of the hash of key and cas, so that an item that is stored anew was not read yet, and the
//! second since 1970.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::limits::ACCESSES_MAX;

pub struct Accesses {
    hasher: RandomState,
    slots: Box<[AtomicU64]>,
}

impl Accesses {
    pub fn new() -> Accesses {
        let slots = (0..ACCESSES_MAX).map(|_| AtomicU64::new(0)).collect();
        Accesses { hasher: RandomState::new(), slots }
    }

    pub fn note(&self, key: &[u8], cas: u64, second: i64) {
        let (slot, tag) = self.place(key, cas);
        slot.store(tag << 32 | u64::from(second as u32), Ordering::Relaxed);
    }

    /// The second since 1970 in which the item was last read; `None` where it was not, or where that is not known any more.
    pub fn last(&self, key: &[u8], cas: u64) -> Option<i64> {
        let (slot, tag) = self.place(key, cas);
        let found = slot.load(Ordering::Relaxed);
        (found != 0 && found >> 32 == tag).then_some(found as u32 as i64)
    }

    /// What was known of the item with a cas is known of the same one with another.
    pub fn carry(&self, key: &[u8], from: u64, to: u64) {
        if let Some(second) = self.last(key, from) {
            self.note(key, to, second);
        }
    }

    fn place(&self, key: &[u8], cas: u64) -> (&AtomicU64, u64) {
        let hash = self.hasher.hash_one(key);
        // An odd number: each cas has another tag.
        let tag = (hash >> 32 ^ cas.wrapping_mul(0x9e37_79b9)) & u64::from(u32::MAX);
        (&self.slots[hash as usize % ACCESSES_MAX], tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_is_of_an_item_as_it_was_stored() {
        let accesses = Accesses::new();
        assert_eq!(accesses.last(b"a", 1), None);
        accesses.note(b"a", 1, 1_900_000_000);
        assert_eq!(accesses.last(b"a", 1), Some(1_900_000_000));
        assert_eq!(accesses.last(b"a", 2), None);
        accesses.carry(b"a", 1, 2);
        assert_eq!(accesses.last(b"a", 2), Some(1_900_000_000));
        accesses.carry(b"none", 1, 2);
        for n in 0..ACCESSES_MAX as u64 * 2 {
            accesses.note(&n.to_le_bytes(), n, 5);
        }
        let known = (0..ACCESSES_MAX as u64 * 2).filter(|n| accesses.last(&n.to_le_bytes(), *n) == Some(5));
        let known = known.count();
        assert!((ACCESSES_MAX / 2..=ACCESSES_MAX).contains(&known), "{known}");
    }
}
