//! Memory for machine code: written once, then only read and executed.

use std::io;
use std::ptr;

/// Mapped pages with code; unmapped when dropped, so it must outlive every frame that runs in it.
pub(crate) struct CodeMemory {
    base: *mut u8,
    mapped: usize,
    len: usize,
}

// SAFETY: the pages are never written after `new`.
unsafe impl Send for CodeMemory {}
// SAFETY: as above.
unsafe impl Sync for CodeMemory {}

impl CodeMemory {
    /// Copies code into pages of its own and makes them executable.
    pub fn new(code: &[u8]) -> io::Result<CodeMemory> {
        let mapped = code.len().max(1);
        // SAFETY: an anonymous mapping where the kernel likes.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                mapped,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory = CodeMemory { base: base.cast(), mapped, len: code.len() };
        // SAFETY: the mapping is at least as long as the code, writable, and nobody else's.
        unsafe {
            ptr::copy_nonoverlapping(code.as_ptr(), memory.base, code.len());
            if libc::mprotect(base, mapped, libc::PROT_READ | libc::PROT_EXEC) != 0 {
                return Err(io::Error::last_os_error());
            }
            clear_instruction_cache(memory.base, code.len());
        }
        Ok(memory)
    }

    pub fn address(&self, offset: u32) -> usize {
        debug_assert!((offset as usize) < self.len);
        self.base as usize + offset as usize
    }

    /// The offset of an address in the code.
    pub fn offset_of(&self, address: usize) -> Option<u32> {
        let offset = address.wrapping_sub(self.base as usize);
        (offset <= self.len).then_some(offset as u32)
    }
}

impl Drop for CodeMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping is this one's, and by the type's contract nothing runs in it.
        let unmapped = unsafe { libc::munmap(self.base.cast(), self.mapped) };
        debug_assert_eq!(unmapped, 0);
    }
}

/// Processors with a separate instruction cache may still hold what was in these pages before.
#[cfg(target_arch = "aarch64")]
unsafe fn clear_instruction_cache(base: *mut u8, len: usize) {
    unsafe extern "C" {
        fn __clear_cache(begin: *mut libc::c_char, end: *mut libc::c_char);
    }
    // SAFETY: the range is mapped; the function comes with every Rust program.
    unsafe { __clear_cache(base.cast(), base.add(len).cast()) };
}

#[cfg(not(target_arch = "aarch64"))]
unsafe fn clear_instruction_cache(_: *mut u8, _: usize) {}
