//! Stacks for trees that are higher than usual.
//!
//! Every walk over a tree recurses, and the stack it was called on has room for nesting up to its limit. Where flat
//! chains make a tree higher, the whole walk moves to a stack of its own that has room for all of it; memory is used
//! as far as the walk reaches.

/// Up to here a tree is walked where one is.
const USUAL_HEIGHT: u32 = 1000;

/// Stack for a walk over whatever may nest.
const NESTING_BYTES: usize = 64 << 20;

/// Stack that one link of a chain takes in the walk that needs most, which is checking; with room to spare.
const LINK_BYTES: usize = if cfg!(debug_assertions) { 16 << 10 } else { 4 << 10 };

/// Stack that one level takes to be dropped.
const DROP_BYTES: usize = 1 << 10;

/// Runs a walk over a tree of this height.
pub fn to_walk<R>(height: u32, walk: impl FnOnce() -> R) -> R {
    run(height, NESTING_BYTES + height as usize * LINK_BYTES, walk)
}

/// Runs what makes trees of this height at most, and drops them.
pub(crate) fn to_drop<R>(height: u32, make: impl FnOnce() -> R) -> R {
    run(height, height as usize * DROP_BYTES, make)
}

fn run<R>(height: u32, bytes: usize, f: impl FnOnce() -> R) -> R {
    if height <= USUAL_HEIGHT { f() } else { stacker::maybe_grow(bytes, bytes, f) }
}
