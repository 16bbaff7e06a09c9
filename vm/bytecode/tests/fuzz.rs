//! Hostile files: whatever the bytes say, reading and verifying end in time, within memory and without a panic.
//!
//! One test only, since it measures what the whole process has allocated.

mod common;

use common::*;
use dscript_bytecode::asm::disassemble;
use dscript_bytecode::file::rehash;
use dscript_bytecode::image::Image;
use dscript_bytecode::verify::verify;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A hostile length may make serde reserve a mebibyte for each of the levels that rows nest, before it meets the end.
const READ_BYTES_MAX: usize = 5 << 20;

#[derive(Default, Debug)]
struct Counts {
    read: usize,
    verified: usize,
}

fn feed(bytes: &[u8], counts: &mut Counts) {
    PEAK.store(LIVE.load(Relaxed), Relaxed);
    let before = LIVE.load(Relaxed);
    let image = Image::from_bytes(bytes);
    let used = PEAK.load(Relaxed) - before;
    assert!(used <= READ_BYTES_MAX + 64 * bytes.len(), "{used} bytes for a file of {}", bytes.len());
    let Ok(image) = image else { return };
    counts.read += 1;
    if verify(&image).is_ok() {
        counts.verified += 1;
    }
    if counts.read.is_multiple_of(16) {
        disassemble(&image);
    }
}

#[test]
fn mutated_images_never_break_the_checks() {
    const SEED: u64 = 20_240_601;
    let mut random = Random(SEED);
    let good = sample().to_bytes();
    let content_end = u64::from_le_bytes(good[16..24].try_into().unwrap()) as usize;
    let mut counts = Counts::default();
    for _ in 0..40_000 {
        let mut bytes = good.clone();
        for _ in 0..=random.below(4) {
            let at = 56 + random.below(content_end - 56);
            match random.below(4) {
                0 => bytes[at] ^= 1 << random.below(8),
                1 => bytes[at] = random.next() as u8,
                // Ids and counts are small numbers.
                2 => bytes[at] = bytes[at].wrapping_add(random.below(5) as u8).wrapping_sub(2),
                _ => {
                    let from = 56 + random.below(content_end - 56);
                    let length = random.below(12).min(content_end - at).min(content_end - from);
                    bytes.copy_within(from..from + length, at);
                }
            }
        }
        rehash(&mut bytes);
        feed(&bytes, &mut counts);
    }
    // Header and lengths too, and what is cut out or put in.
    for _ in 0..10_000 {
        let mut bytes = good.clone();
        match random.below(3) {
            0 => {
                let at = random.below(bytes.len());
                bytes[at] = random.next() as u8;
            }
            1 => {
                let at = 56 + random.below(content_end - 56);
                let length = random.below(64).min(content_end - at);
                bytes.drain(at..at + length);
                let end = (content_end - length) as u64;
                bytes[16..24].copy_from_slice(&end.to_le_bytes());
            }
            _ => {
                let at = 56 + random.below(content_end - 56);
                let length = random.below(64);
                let more: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
                bytes.splice(at..at, more);
                bytes[16..24].copy_from_slice(&((content_end + length) as u64).to_le_bytes());
            }
        }
        rehash(&mut bytes);
        feed(&bytes, &mut counts);
    }
    hostile_counts(&good, &mut counts);
    // Otherwise the mutations would miss what they are for.
    assert!(counts.read > 5_000 && counts.verified > 500, "{counts:?} from seed {SEED}");
}

/// Numbers as large as they can be written, everywhere in the content.
fn hostile_counts(good: &[u8], counts: &mut Counts) {
    for at in 64..good.len() - 40 {
        for large in [&[0xff, 0xff, 0xff, 0x7f][..], &[0xff, 0xff, 0xff, 0xff, 0x0f][..]] {
            let mut bytes = good.to_vec();
            let end = (at + large.len()).min(bytes.len());
            bytes[at..end].copy_from_slice(&large[..end - at]);
            rehash(&mut bytes);
            feed(&bytes, counts);
        }
    }
}
