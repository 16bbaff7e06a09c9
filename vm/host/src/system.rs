//! What the machine says of itself, read from /proc: `System.vmstat`, `load`, `memory`, `uptime`.
//!
//! A sample of `vmstat` has the columns of the table that `vmstat` prints. Processes and memory are of now; rates
//! and shares of the processors are over the time since the last sample this process took, whichever task it
//! was for, when that is between 200 ms and a minute ago; else the call takes 200 ms and they are of those.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use dscript_interp::value::ErrorValue;

use crate::errors;
use crate::state::RunState;
use crate::vmstat::Sample;

const WINDOW_MIN: Duration = Duration::from_millis(200);
const WINDOW_MAX: Duration = Duration::from_secs(60);
/// Of a file in /proc.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// What only ever grows.
#[derive(Clone, Debug, Default, PartialEq)]
struct Counters {
    /// user nice system idle iowait irq softirq steal guest guest_nice, in ticks
    cpu: [u64; 10],
    interrupts: u64,
    switches: u64,
    /// KiB
    blocks_in: u64,
    blocks_out: u64,
    /// pages
    swap_in: u64,
    swap_out: u64,
}

/// What is so now.
#[derive(Clone, Debug, Default, PartialEq)]
struct Levels {
    running: i64,
    blocked: i64,
    memory: Memory,
}

/// In bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    pub total: i64,
    pub free: i64,
    pub available: i64,
    /// What is not available.
    pub used: i64,
    pub buffers: i64,
    /// The page cache, and what of the kernel's own memory can be given back.
    pub cached: i64,
    pub swap_total: i64,
    pub swap_free: i64,
}

static LAST: Mutex<Option<(Instant, Counters)>> = Mutex::new(None);

/// One sample, as the head comment says.
pub async fn vmstat(run: &RunState) -> Result<Sample, ErrorValue> {
    let last = LAST.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let (begin, before) = match last {
        Some((at, counters)) if (WINDOW_MIN..WINDOW_MAX).contains(&at.elapsed()) => (at, counters),
        _ => {
            let now = (Instant::now(), counters()?);
            run.sleep(WINDOW_MIN.as_nanos() as i64).await;
            now
        }
    };
    let levels = levels()?;
    let after = counters()?;
    let end = Instant::now();
    *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some((end, after.clone()));
    // SAFETY: plain numbers.
    let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.max(1) as u64;
    Ok(sample(&levels, &before, &after, end - begin, page_bytes))
}

fn sample(levels: &Levels, before: &Counters, after: &Counters, window: Duration, page_bytes: u64) -> Sample {
    let seconds = window.as_secs_f64().max(1e-3);
    let per_second = |from: u64, to: u64| (to.saturating_sub(from) as f64 / seconds).round() as i64;
    let pages = |from, to| per_second(from, to) * page_bytes as i64 / 1024;
    let mut cpu = [0u64; 10];
    for (n, delta) in cpu.iter_mut().enumerate() {
        *delta = after.cpu[n].saturating_sub(before.cpu[n]);
    }
    let [user, nice, system, idle, wait, irq, soft, steal, guest, guest_nice] = cpu;
    // The kernel counts the time of guests as user time too.
    let all = [user + nice, system + irq + soft, idle, wait, steal, guest + guest_nice];
    let user = all[0].saturating_sub(all[5]);
    let total = (user + all[1..].iter().sum::<u64>()).max(1);
    let share = |ticks: u64| ((ticks * 200 + total) / (2 * total)) as i64;
    let memory = &levels.memory;
    [
        ("r", levels.running),
        ("b", levels.blocked),
        ("swpd", memory.swap_total - memory.swap_free),
        ("free", memory.free),
        ("buff", memory.buffers),
        ("cache", memory.cached),
        ("si", pages(before.swap_in, after.swap_in)),
        ("so", pages(before.swap_out, after.swap_out)),
        ("bi", per_second(before.blocks_in, after.blocks_in)),
        ("bo", per_second(before.blocks_out, after.blocks_out)),
        ("in", per_second(before.interrupts, after.interrupts)),
        ("cs", per_second(before.switches, after.switches)),
        ("us", share(user)),
        ("sy", share(all[1])),
        ("id", share(all[2])),
        ("wa", share(all[3])),
        ("st", share(all[4])),
        ("gu", share(all[5])),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn counters() -> Result<Counters, ErrorValue> {
    Ok(parse_counters(&read("/proc/stat")?, &read("/proc/vmstat")?))
}

fn parse_counters(stat: &str, vmstat: &str) -> Counters {
    let (stat, vmstat) = (words(stat), words(vmstat));
    let first = |of: &HashMap<&str, &str>, name| number(of.get(name).copied().unwrap_or_default());
    let mut cpu = [0; 10];
    for (slot, word) in
        cpu.iter_mut().zip(stat.get("cpu").copied().unwrap_or_default().split_ascii_whitespace())
    {
        *slot = number(word);
    }
    Counters {
        cpu,
        interrupts: first(&stat, "intr"),
        switches: first(&stat, "ctxt"),
        blocks_in: first(&vmstat, "pgpgin"),
        blocks_out: first(&vmstat, "pgpgout"),
        swap_in: first(&vmstat, "pswpin"),
        swap_out: first(&vmstat, "pswpout"),
    }
}

fn levels() -> Result<Levels, ErrorValue> {
    let stat = read("/proc/stat")?;
    let stat = words(&stat);
    let count = |name| stat.get(name).map_or(0, |text| number(text) as i64);
    // Who reads this is running.
    let running = (count("procs_running") - 1).max(0);
    Ok(Levels { running, blocked: count("procs_blocked"), memory: memory()? })
}

pub fn memory() -> Result<Memory, ErrorValue> {
    Ok(parse_memory(&read("/proc/meminfo")?))
}

fn parse_memory(meminfo: &str) -> Memory {
    let words = words(meminfo);
    let bytes = |name| words.get(name).map_or(0, |text| (number(text) as i64).saturating_mul(1024));
    let (total, free) = (bytes("MemTotal:"), bytes("MemFree:"));
    let (buffers, cached) = (bytes("Buffers:"), bytes("Cached:").saturating_add(bytes("SReclaimable:")));
    // Kernels before 3.14 do not say what is available.
    let available = match bytes("MemAvailable:") {
        0 => free.saturating_add(buffers).saturating_add(cached).min(total),
        said => said,
    };
    let (swap_total, swap_free) = (bytes("SwapTotal:"), bytes("SwapFree:"));
    Memory { total, free, available, used: total - available, buffers, cached, swap_total, swap_free }
}

/// Runnable processes, averaged over 1, 5 and 15 minutes.
pub fn load() -> Result<[f64; 3], ErrorValue> {
    let text = read("/proc/loadavg")?;
    let mut numbers = text.split_ascii_whitespace().map(|word| word.parse::<f64>().ok());
    let mut next = || numbers.next().flatten().ok_or_else(|| strange("/proc/loadavg"));
    Ok([next()?, next()?, next()?])
}

/// Nanoseconds since the machine started.
pub fn uptime() -> Result<i64, ErrorValue> {
    let text = read("/proc/uptime")?;
    let seconds = text.split_ascii_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    Ok((seconds.ok_or_else(|| strange("/proc/uptime"))? * 1e9) as i64)
}

pub fn hostname() -> Result<String, ErrorValue> {
    let name = nix::unistd::gethostname().map_err(|errno| errors::os(errno as i32, "hostname"))?;
    Ok(name.to_string_lossy().into_owned())
}

fn strange(path: &str) -> ErrorValue {
    errors::error("EIO", format!("{path} does not read as expected"))
}

fn read(path: &str) -> Result<String, ErrorValue> {
    let read = || {
        let mut text = String::new();
        let file = std::fs::File::open(path)?;
        io::Read::read_to_string(&mut io::Read::take(file, TEXT_BYTES_MAX), &mut text).map(|_| text)
    };
    read().map_err(|e| errors::io(&e, path))
}

/// The rest of each line by its first word.
fn words(text: &str) -> HashMap<&str, &str> {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, rest)| (name, rest.trim_start()))
        .collect()
}

/// The number a text begins with, else 0.
fn number(text: &str) -> u64 {
    text.split_ascii_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "cpu  100 10 50 800 20 5 5 10 8 2\ncpu0 1 2 3 4\nintr 5000 1 2 3\nctxt 9000\nbtime 1\n\
                        processes 77\nprocs_running 3\nprocs_blocked 1\n";

    #[test]
    fn rates_and_shares() {
        let before = parse_counters(STAT, "pgpgin 100\npgpgout 200\npswpin 0\npswpout 1\n");
        assert_eq!((before.cpu[3], before.interrupts, before.switches), (800, 5000, 9000));
        let mut after = before.clone();
        after.cpu = [150, 20, 60, 810, 25, 10, 10, 15, 13, 2];
        after.interrupts += 1000;
        after.swap_out += 10;
        after.blocks_in += 7;
        let memory = parse_memory(
            "MemTotal: 100 kB\nMemFree: 10 kB\nMemAvailable: 60 kB\nCached: 40 kB\nBuffers: 1 kB\n\
                                   SReclaimable: 5 kB\nSwapTotal: 8 kB\nSwapFree: 6 kB\n",
        );
        assert_eq!((memory.total, memory.used, memory.cached), (102_400, 40_960, 46_080));
        let levels = Levels { running: 2, blocked: 1, memory };
        let sample = sample(&levels, &before, &after, Duration::from_secs(2), 4096);
        let text: Vec<String> = sample.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            text.join(" "),
            "r=2 b=1 swpd=2048 free=10240 buff=1024 cache=46080 si=0 so=20 bi=4 bo=0 in=500 cs=0 us=55 sy=20 id=10 \
             wa=5 st=5 gu=5"
        );
    }

    #[test]
    fn nothing_known_is_zero() {
        assert_eq!(parse_counters("", "x\n"), Counters::default());
        assert_eq!(parse_memory("MemTotal:\nfoo bar\n"), Memory::default());
        let nothing = Counters::default();
        let sample = sample(&Levels::default(), &nothing, &nothing, Duration::ZERO, 4096);
        assert!(sample.iter().all(|(_, value)| *value == 0));
    }

    #[test]
    fn this_machine() {
        let memory = memory().expect("/proc/meminfo");
        assert!(memory.total > memory.free && memory.free > 0 && memory.available > 0);
        assert!(load().expect("/proc/loadavg").iter().all(|load| *load >= 0.0));
        assert!(uptime().expect("/proc/uptime") > 0);
        assert!(!hostname().expect("a name").is_empty());
        assert!(counters().expect("/proc/stat").switches > 0);
    }
}
