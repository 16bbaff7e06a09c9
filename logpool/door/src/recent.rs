//! Items of the table that were stored or read not long ago, so that the disk is not asked for them again.
//!
//! Two generations: what comes goes into the younger; when that is full, it becomes the older, and the one before is
//! forgotten. An item that is asked for in the meantime is in neither when its time comes, and is read anew.

use crate::limits::RECENT_BYTES_MAX;
use crate::table::Changes;

#[derive(Default)]
pub struct Recent {
    young: Changes,
    old: Changes,
    /// About what the young ones take.
    bytes: usize,
}

/// What a map and an allocator take for an entry, about.
const ENTRY_BYTES: usize = 96;

impl Recent {
    /// What the table has under the key, where that is known.
    pub fn get(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        let item = self.young.get(key).or_else(|| self.old.get(key));
        item.map(Option::as_deref)
    }

    /// The table has this now.
    pub fn put(&mut self, key: Vec<u8>, item: Option<Vec<u8>>) {
        self.bytes += ENTRY_BYTES + key.len() + item.as_ref().map_or(0, Vec::len);
        self.young.insert(key, item);
        if self.bytes > RECENT_BYTES_MAX {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts_and_what_is_old_goes() {
        let key = |n: u32| n.to_le_bytes().to_vec();
        let item = |n: u32| vec![n as u8; 1000];
        let mut recent = Recent::default();
        recent.put(key(1), Some(item(0)));
        for n in 2..RECENT_BYTES_MAX as u32 / 1000 {
            recent.put(key(n), Some(item(n)));
        }
        // In the older generation by now.
        assert!(recent.young.len() < recent.old.len());
        assert_eq!(recent.get(&key(1)), Some(Some(&item(0)[..])));
        recent.put(key(1), None);
        assert_eq!(recent.get(&key(1)), Some(None));
        assert_eq!(recent.get(&key(0)), None);
        let mut most = 0;
        for n in 0..RECENT_BYTES_MAX as u32 / 200 {
            recent.put(key(n), Some(item(n)));
            most = most.max(recent.young.len() + recent.old.len());
        }
        assert!(most * 1000 <= 2 * RECENT_BYTES_MAX, "{most}");
        assert_eq!(recent.get(&key(1)), None);
    }
}
