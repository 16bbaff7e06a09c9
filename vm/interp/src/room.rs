//! What a task has beside its heap, and what counts for its memory with it: the stacks of its fibers, and what is held outside
//! for the program, or is on its way to it.
//!
//! What is live and what is beside the heap are at most the limit together. Garbage does not count: the heap as a whole is
//! within the limit by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The memory of one task, for whoever holds something for it, on any thread. The default has no limit.
#[derive(Clone, Debug)]
pub struct Room(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    limit: usize,
    /// In the heap, after its last full collection.
    live: AtomicUsize,
    beside: AtomicUsize,
}

impl Default for Room {
    fn default() -> Self {
        Room::new(usize::MAX)
    }
}

impl Room {
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Room(Arc::new(Counts { limit: limit_bytes, live: AtomicUsize::new(0), beside: AtomicUsize::new(0) }))
    }

    /// Nothing so far.
    pub fn hold(&self) -> Held {
        Held { room: self.clone(), bytes: 0 }
    }

    /// Bytes beside the heap.
    pub(crate) fn beside(&self) -> usize {
        self.0.beside.load(Ordering::Relaxed)
    }

    pub(crate) fn set_live(&self, bytes: usize) {
        self.0.live.store(bytes, Ordering::Relaxed);
    }
}

/// Bytes that somebody holds for a task, until it is dropped.
#[derive(Debug, Default)]
pub struct Held {
    room: Room,
    bytes: usize,
}

impl Held {
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Counts so many bytes from now on. Where the task's memory has no room for them it is false, and all is as it was.
    #[must_use]
    pub fn resize(&mut self, bytes: usize) -> bool {
        let Counts { limit, live, beside } = &*self.room.0;
        let others = beside.load(Ordering::Relaxed).saturating_sub(self.bytes);
        let all = others.saturating_add(live.load(Ordering::Relaxed)).saturating_add(bytes);
        if bytes > self.bytes && all > *limit {
            return false;
        }
        self.set(bytes);
        true
    }

    /// As `resize`, for what is there already.
    pub(crate) fn set(&mut self, bytes: usize) {
        let beside = &self.room.0.beside;
        beside.fetch_add(bytes, Ordering::Relaxed);
        beside.fetch_sub(std::mem::replace(&mut self.bytes, bytes), Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_given_back() {
        let room = Room::new(100);
        room.set_live(30);
        let (mut one, mut other) = (room.hold(), room.hold());
        assert!(one.resize(40) && other.resize(30));
        assert!(!one.resize(41) && one.bytes() == 40);
        drop(other);
        assert!(one.resize(70) && !one.resize(71) && room.beside() == 70);
        assert!(one.resize(10) && room.beside() == 10);
        drop(one);
        assert_eq!(room.beside(), 0);
    }
}
