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

#[cfg(target_arch = "x86_64")]
#[inline]
pub fn is_wide() -> bool {
    use std::arch::is_x86_feature_detected as has;
    static WIDE: std::sync::LazyLock<bool> = std::sync::LazyLock::new(|| {
        has!("avx2") && has!("bmi1") && has!("bmi2") && has!("lzcnt") && has!("popcnt")
    });
    *WIDE
}
