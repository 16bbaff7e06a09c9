//! Code for the CPU that it runs on: what counts bits and moves numbers about is compiled a second time for x86-64 CPUs of the
//! last ten years. The baseline of x86-64 has neither AVX2 nor a fast way to count leading zeros, and taking in records
//! takes a tenth longer without them.

/// Calls a function that is `#[inline(always)]`, in the version for this CPU.
macro_rules! wide {
    ($body:ident($($name:ident: $kind:ty),* $(,)?) $(-> $result:ty)?) => {'call: {
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
            fn wide($($name: $kind),*) $(-> $result)? {
                $body($($name),*)
            }
            if crate::cpu::is_wide() {
                // SAFETY: the CPU has these instructions.
                break 'call unsafe { wide($($name),*) };
            }
        }
        $body($($name),*)
    }};
}
pub(crate) use wide;

/// Has the bytes from a place on brought into the cache, where the CPU can do that without waiting for them.
#[inline(always)]
pub fn prefetch(bytes: &[u8], at: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every CPU of the target has the instruction, which reads nothing, whatever the address is.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(bytes.as_ptr().wrapping_add(at).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (bytes, at);
}

#[cfg(target_arch = "x86_64")]
#[inline]
pub fn is_wide() -> bool {
    use std::arch::is_x86_feature_detected as has;
    static WIDE: std::sync::LazyLock<bool> = std::sync::LazyLock::new(|| {
        has!("avx2") && has!("bmi1") && has!("bmi2") && has!("lzcnt") && has!("popcnt")
    });
    *WIDE
}
