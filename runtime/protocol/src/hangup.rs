//! Whether a hangup is for this process.

/// Whoever started this process may have said that a hangup is to be ignored, as `nohup` does: then it stays so. By the
/// kernel's word; to be asked before a handler is set.
pub fn is_ignored() -> bool {
    const SIGHUP: u32 = 1;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (SIGHUP - 1)) != 0
}
