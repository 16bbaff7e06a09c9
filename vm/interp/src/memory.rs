//! The memory of heaps: words that are not zeroed. Large buffers are mappings of their own, so they grow by moving pages
//! rather than bytes. They do not ask for large pages: a virtual machine gives those that are free back to its host, and gets
//! each one anew by hundreds of faults there. Maps of a million ints gain a tenth, but where what lives grows, a short pause
//! becomes three times as long for the page that is cleared in it.
//!
//! A full collection needs a second buffer, and a program whose lists grow does one after the other. So one buffer that is
//! free, of moderate size, is kept for the next that is asked for, in all of the process: the system may take its pages back
//! whenever it needs them, and where it does not, they need no clearing. All others go back at once.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::ops::Range;

/// Words of a buffer that is a mapping.
const MAPPED_LEAST: usize = 1 << 17;

fn layout(words: usize) -> Layout {
    Layout::array::<u64>(words).expect("a heap is smaller than the address space")
}

/// Never null; `words` is not 0.
pub(crate) fn allocate(words: usize) -> *mut u64 {
    let base = if words >= MAPPED_LEAST {
        mapping::new(8 * words)
    } else {
        // SAFETY: the layout has a size.
        unsafe { alloc(layout(words)) }
    };
    checked(base, words)
}

/// Moves a buffer where it has another size; what fits stays.
///
/// # Safety
/// `base` is a buffer of `words` words, which is not used any more.
pub(crate) unsafe fn resize(base: *mut u64, words: usize, to: usize) -> *mut u64 {
    // SAFETY: the caller sees to it.
    unsafe {
        let moved = match (words >= MAPPED_LEAST, to >= MAPPED_LEAST) {
            (true, true) => mapping::resize(base.cast(), 8 * words, 8 * to),
            (false, false) => realloc(base.cast(), layout(words), 8 * to),
            _ => {
                let moved = allocate(to);
                moved.copy_from_nonoverlapping(base, words.min(to));
                free(base, words);
                moved.cast()
            }
        };
        checked(moved, to)
    }
}

/// # Safety
/// As `resize`.
pub(crate) unsafe fn free(base: *mut u64, words: usize) {
    // SAFETY: the caller sees to it.
    unsafe {
        if words >= MAPPED_LEAST {
            mapping::free(base.cast(), 8 * words);
        } else {
            dealloc(base.cast(), layout(words));
        }
    }
}

/// Bytes of memory that a range of addresses has, as far as it was used from one end of it without leaving out half a
/// stretch. All of it belongs to the process.
#[cfg(target_os = "linux")]
pub(crate) fn touched(range: Range<usize>, downward: bool) -> usize {
    /// Pages that are looked at together.
    const STRETCH: usize = 64;
    // SAFETY: it only tells a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
    let (start, end) = (range.start.next_multiple_of(page), range.end / page * page);
    let mut all = 0;
    for at in (0..end.saturating_sub(start)).step_by(STRETCH * page) {
        let count = STRETCH.min((end - start - at) / page);
        let from = if downward { end - at - count * page } else { start + at };
        let mut pages = [0u8; STRETCH];
        // SAFETY: there is a byte for each page. Where it fails, none is said to be there.
        unsafe { libc::mincore(from as *mut libc::c_void, count * page, pages.as_mut_ptr()) };
        let (low, high) = pages[..count].split_at(count / 2);
        let number = |pages: &[u8]| pages.iter().filter(|state| **state & 1 != 0).count();
        let (near, far) = if downward { (number(high), number(low)) } else { (number(low), number(high)) };
        all += page * (near + far);
        if far == 0 {
            break;
        }
    }
    all
}

/// Other systems are not asked.
#[cfg(not(target_os = "linux"))]
pub(crate) fn touched(_range: Range<usize>, _downward: bool) -> usize {
    0
}

fn checked(base: *mut u8, words: usize) -> *mut u64 {
    if base.is_null() {
        handle_alloc_error(layout(words));
    }
    base.cast()
}

#[cfg(target_os = "linux")]
mod mapping {
    use std::ptr::null_mut;
    use std::sync::{Mutex, PoisonError};

    /// The address and size of a mapping that nobody uses.
    static SPARE: Mutex<Option<(usize, usize)>> = Mutex::new(None);
    /// Bytes of the largest that is kept.
    const SPARE_MOST: usize = 64 << 20;

    fn exchange(new: Option<(usize, usize)>) -> Option<(usize, usize)> {
        std::mem::replace(&mut *SPARE.lock().unwrap_or_else(PoisonError::into_inner), new)
    }

    pub fn new(bytes: usize) -> *mut u8 {
        if let Some((base, size)) = exchange(None) {
            // SAFETY: a spare mapping is nobody else's.
            return unsafe { resize(base as *mut u8, size, bytes) };
        }
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping is nobody else's.
        let base = unsafe { libc::mmap(null_mut(), bytes, access, kind, -1, 0) };
        ready(base)
    }

    /// # Safety
    /// `base` is a mapping of `bytes` bytes.
    pub unsafe fn resize(base: *mut u8, bytes: usize, to: usize) -> *mut u8 {
        // SAFETY: the caller sees to it.
        let moved = unsafe { libc::mremap(base.cast(), bytes, to, libc::MREMAP_MAYMOVE) };
        ready(moved)
    }

    /// # Safety
    /// As `resize`.
    pub unsafe fn free(base: *mut u8, bytes: usize) {
        let other = if bytes <= SPARE_MOST {
            // SAFETY: the caller sees to it. What the pages hold is of no use, so it matters not whether this is done.
            unsafe { libc::madvise(base.cast(), bytes, libc::MADV_FREE) };
            exchange(Some((base as usize, bytes)))
        } else {
            Some((base as usize, bytes))
        };
        if let Some((base, bytes)) = other {
            // SAFETY: the caller's, or a spare one that is nobody's now. It cannot fail for a whole mapping.
            unsafe { libc::munmap(base as *mut libc::c_void, bytes) };
        }
    }

    fn ready(base: *mut libc::c_void) -> *mut u8 {
        if base == libc::MAP_FAILED {
            return null_mut();
        }
        base.cast()
    }
}

#[cfg(not(target_os = "linux"))]
mod mapping {
    use super::layout;
    use std::alloc::{alloc, dealloc, realloc};

    pub fn new(bytes: usize) -> *mut u8 {
        // SAFETY: the layout has a size.
        unsafe { alloc(layout(bytes / 8)) }
    }

    /// # Safety
    /// `base` came from here with so many bytes.
    pub unsafe fn resize(base: *mut u8, bytes: usize, to: usize) -> *mut u8 {
        // SAFETY: the caller sees to it.
        unsafe { realloc(base, layout(bytes / 8), to) }
    }

    /// # Safety
    /// As `resize`.
    pub unsafe fn free(base: *mut u8, bytes: usize) {
        // SAFETY: the caller sees to it.
        unsafe { dealloc(base, layout(bytes / 8)) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_keep_what_they_hold() {
        let sizes =
            [64, 4 << 10, MAPPED_LEAST, 5 * MAPPED_LEAST, MAPPED_LEAST + 1, 1 << 10, 2 * MAPPED_LEAST];
        let mut words = sizes[0];
        let mut base = allocate(words);
        // SAFETY: what is read was written, and each buffer is of as many words as it was made for.
        unsafe {
            (0..words).for_each(|i| *base.add(i) = i as u64);
            for to in sizes {
                base = resize(base, words, to);
                words = to;
                assert!((0..sizes[0]).all(|i| *base.add(i) == i as u64));
                *base.add(words - 1) = if words == sizes[0] { words as u64 - 1 } else { 7 };
            }
            free(base, words);
        }
    }
}
