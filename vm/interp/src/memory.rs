//! The memory of heaps: words that are not zeroed. Large buffers are mappings of their own, so they grow by moving pages
//! rather than bytes. They do not ask for large pages: a virtual machine gives those that are free back to its host, and gets
//! each one anew by hundreds of faults there. Maps of a million ints gain a tenth, but where what lives grows, a short pause
//! becomes three times as long for the page that is cleared in it.
//!
//! A full collection needs a second buffer, and a program whose lists grow does one after the other. So one buffer that is
//! free, of moderate size, is kept for the next that is asked for, in all of the process: unless it is small, the system may
//! take its pages back whenever it needs them, and where it does not, they need no clearing. All others go back at once.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::ops::Range;

/// Words of a buffer that is a mapping.
const MAPPED_LEAST: usize = 1 << 17;

fn layout(words: usize) -> Layout {
    Layout::array::<u64>(words).expect("a heap is smaller than the address space")
}

/// A buffer is given back in part where it has so many times the words that are asked for. Pages that nobody has touched
/// cost nothing, and those that somebody has need not be made anew.
const SLACK: usize = 4;

/// At least as many words as were asked for.
pub(crate) struct Buffer {
    pub base: *mut u64,
    words: usize,
}

impl Buffer {
    /// `words` is not 0.
    pub fn new(words: usize) -> Buffer {
        if words >= MAPPED_LEAST {
            let (base, bytes) = mapping::new(8 * words);
            return Buffer { base: checked(base, words), words: bytes / 8 };
        }
        // SAFETY: the layout has a size.
        Buffer { base: checked(unsafe { alloc(layout(words)) }, words), words }
    }

    /// Moves it where it has too few words, or far too many; what fits stays.
    pub fn fit(&mut self, words: usize) {
        if (self.words / SLACK..=self.words).contains(&words) {
            return;
        }
        // SAFETY: the buffer is as it was made, of so many words, and has its new place from here on.
        unsafe {
            match (self.words >= MAPPED_LEAST, words >= MAPPED_LEAST) {
                (true, true) => {
                    self.base = mapping::resize(self.base.cast(), 8 * self.words, 8 * words).cast()
                }
                (false, false) => self.base = realloc(self.base.cast(), layout(self.words), 8 * words).cast(),
                _ => {
                    let moved = Buffer::new(words);
                    moved.base.copy_from_nonoverlapping(self.base, self.words.min(words));
                    *self = moved;
                    return;
                }
            }
        }
        (self.base, self.words) = (checked(self.base, words), words);
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: as it was made, and nobody has it any more.
        unsafe {
            if self.words >= MAPPED_LEAST {
                mapping::free(self.base.cast(), 8 * self.words);
            } else {
                dealloc(self.base.cast(), layout(self.words));
            }
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

fn checked<T>(base: *mut T, words: usize) -> *mut u64 {
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
    /// Bytes of the largest that is kept, and of the largest whose pages the system is not told that it may take back: to
    /// tell it costs as much as to copy what a small heap holds.
    const SPARE_MOST: usize = 64 << 20;
    const KEPT_MOST: usize = 4 << 20;

    fn exchange(new: Option<(usize, usize)>) -> Option<(usize, usize)> {
        std::mem::replace(&mut *SPARE.lock().unwrap_or_else(PoisonError::into_inner), new)
    }

    /// And how many bytes it has, which may be more.
    pub fn new(bytes: usize) -> (*mut u8, usize) {
        if let Some((base, size)) = exchange(None) {
            if (bytes..=super::SLACK * bytes).contains(&size) {
                return (base as *mut u8, size);
            }
            // SAFETY: a spare mapping is nobody else's.
            return (unsafe { resize(base as *mut u8, size, bytes) }, bytes);
        }
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping is nobody else's.
        let base = unsafe { libc::mmap(null_mut(), bytes, access, kind, -1, 0) };
        (ready(base), bytes)
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
            if bytes > KEPT_MOST {
                // SAFETY: the caller sees to it. What the pages hold is of no use, so it matters not whether this is done.
                unsafe { libc::madvise(base.cast(), bytes, libc::MADV_FREE) };
            }
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

    pub fn new(bytes: usize) -> (*mut u8, usize) {
        // SAFETY: the layout has a size.
        (unsafe { alloc(layout(bytes / 8)) }, bytes)
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
        // One that is made by a larger one that was free has all of that.
        let takes_all = || {
            drop(Buffer::new(SLACK * MAPPED_LEAST));
            let mut buffer = Buffer::new(sizes[0]);
            buffer.fit(MAPPED_LEAST);
            buffer.words == SLACK * MAPPED_LEAST
        };
        // Other tests may take it meanwhile.
        assert!((0..100).any(|_| takes_all()));
        let mut buffer = Buffer::new(sizes[0]);
        // SAFETY: what is read was written, and the buffer is of at least as many words as it was made for.
        unsafe {
            (0..sizes[0]).for_each(|i| *buffer.base.add(i) = i as u64);
            for words in sizes {
                buffer.fit(words);
                assert!((words..=SLACK * words).contains(&buffer.words));
                assert!((0..sizes[0]).all(|i| *buffer.base.add(i) == i as u64));
                *buffer.base.add(words - 1) = if words == sizes[0] { words as u64 - 1 } else { 7 };
            }
        }
    }
}
