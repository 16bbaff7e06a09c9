//! Which processes descend from a process, as /proc tells.

use std::collections::HashSet;
use std::fs;
use std::io::Read;

use super::client::Usage;

/// All living or dead-but-not-reaped descendants of `pid`, parents first.
pub fn descendants(pid: u32) -> Vec<u32> {
    let mut all = children(pid);
    let mut next = 0;
    while next < all.len() {
        let more = children(all[next]);
        all.extend(more);
        next += 1;
    }
    all
}

/// The children of `pid`; empty when it is gone.
pub fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let mut all = Vec::new();
    for thread in threads.flatten() {
        let mut text = String::new();
        match fs::File::open(thread.path().join("children")).and_then(|mut f| f.read_to_string(&mut text)) {
            Ok(_) => all.extend(text.split_ascii_whitespace().filter_map(|p| p.parse::<u32>().ok())),
            // Kernels without CONFIG_PROC_CHILDREN, or a thread that just ended.
            Err(_) => return scan(pid),
        }
    }
    all
}

/// The children of `pid` by asking every process for its parent.
fn scan(pid: u32) -> Vec<u32> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let ids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| parent(*id) == Some(pid)).collect()
}

pub fn parent(pid: u32) -> Option<u32> {
    stat(pid)?.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Whether a process is more than what is left of one until its parent has asked how it ended.
pub fn lives(pid: u32) -> bool {
    stat(pid).is_some_and(|stat| !stat.trim_start().starts_with(['Z', 'X']))
}

/// What /proc says of a process, from its state on.
fn stat(pid: u32) -> Option<String> {
    let mut stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, parentheses and non-UTF-8 included.
    let end = stat.iter().rposition(|b| *b == b')')?;
    String::from_utf8(stat.split_off(end + 1)).ok()
}

/// What a process that runs has used, with those of its children that it has waited for.
pub fn usage_now(pid: u32) -> Option<Usage> {
    let stat = stat(pid)?;
    // The first of these is the third of the manual's page.
    let fields: Vec<&str> = stat.split_ascii_whitespace().collect();
    // One that has ended holds nothing any more.
    if matches!(fields.first(), None | Some(&"Z" | &"X")) {
        return None;
    }
    // SAFETY: plain numbers.
    let per_second = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).ok()?.max(1);
    let micros = |own: usize, children: usize| {
        let ticks =
            fields.get(own - 3)?.parse::<u64>().ok()? + fields.get(children - 3)?.parse::<u64>().ok()?;
        Some(ticks * 1_000_000 / per_second)
    };
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = peak.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(Usage { user_us: micros(14, 16)?, system_us: micros(15, 17)?, resident_bytes: kib << 10 })
}

/// Sends a signal to one process; processes that are gone do not matter.
pub fn kill(pid: u32, signal: libc::c_int) {
    if let Ok(pid) = libc::pid_t::try_from(pid)
        && pid > 1
    {
        // SAFETY: plain numbers.
        unsafe { libc::kill(pid, signal) };
    }
}

/// Sends a signal to a process group.
pub fn kill_group(group: u32, signal: libc::c_int) {
    if let Ok(group) = libc::pid_t::try_from(group)
        && group > 1
    {
        // SAFETY: plain numbers.
        unsafe { libc::kill(-group, signal) };
    }
}

/// Times that new descendants are looked for before those that were found are killed.
const HELD_ROUNDS_MAX: usize = 64;

/// Kills what descends from a process. All are stopped first, so that those that fork again and again end, too: what
/// is stopped makes nobody new, and has the system's place for a process meanwhile. Groups get their signals as
/// a whole, which a fork cannot escape, but for the group of the caller.
pub fn kill_below(pid: u32) {
    let own = group_of(std::process::id());
    let (mut found, mut groups) = (HashSet::new(), HashSet::new());
    for _ in 0..HELD_ROUNDS_MAX {
        let mut new = descendants(pid);
        new.retain(|pid| found.insert(*pid));
        if new.is_empty() {
            break;
        }
        for pid in new {
            match group_of(pid).filter(|group| Some(*group) != own) {
                Some(group) if groups.insert(group) => kill_group(group, libc::SIGSTOP),
                Some(_) => {}
                None => kill(pid, libc::SIGSTOP),
            }
        }
    }
    groups.into_iter().for_each(|group| kill_group(group, libc::SIGKILL));
    found.into_iter().for_each(|pid| kill(pid, libc::SIGKILL));
}

pub fn group_of(pid: u32) -> Option<u32> {
    // SAFETY: plain numbers.
    let group = unsafe { libc::getpgid(libc::pid_t::try_from(pid).ok()?) };
    u32::try_from(group).ok()
}

pub fn session_of(pid: u32) -> Option<u32> {
    // SAFETY: plain numbers.
    let session = unsafe { libc::getsid(libc::pid_t::try_from(pid).ok()?) };
    u32::try_from(session).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_see_a_child() {
        let mut child = std::process::Command::new("sleep").arg("100").spawn().expect("sleep (coreutils)");
        let me = std::process::id();
        assert_eq!(parent(child.id()), Some(me));
        assert!(scan(me).contains(&child.id()));
        assert!(children(me).contains(&child.id()));
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        assert!(!children(me).contains(&child.id()));
    }
}
