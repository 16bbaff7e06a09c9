//! Which signals are not for this process.

pub const SIGHUP: u32 = 1;

/// Whoever started this process may have said that a signal is to be ignored, as `nohup` does with a hangup: then it stays so. By
/// the kernel's word; to be asked before a handler is set.
pub fn is_ignored(signal: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (signal - 1)) != 0
}
