//! What `stats` says, under the names that memcached has for it.

use std::fmt::{Display, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::item::now;
use crate::items::Items;
use crate::limits::*;

/// Each is counted from the start of the door, or the last `stats reset`.
macro_rules! counts {
    ($($count:ident $name:literal,)*) => {
        #[derive(Clone, Copy)]
        pub enum Count { $($count),* }

        const COUNTS: &[(Count, &str)] = &[$((Count::$count, $name)),*];
    };
}

counts! {
    CmdSet "cmd_set",
    CmdFlush "cmd_flush",
    CmdMeta "cmd_meta",
    GetHits "get_hits",
    GetMisses "get_misses",
    GetExpired "get_expired",
    GetFlushed "get_flushed",
    DeleteMisses "delete_misses",
    DeleteHits "delete_hits",
    IncrMisses "incr_misses",
    IncrHits "incr_hits",
    DecrMisses "decr_misses",
    DecrHits "decr_hits",
    CasMisses "cas_misses",
    CasHits "cas_hits",
    CasBadval "cas_badval",
    TouchHits "touch_hits",
    TouchMisses "touch_misses",
    StoreTooLarge "store_too_large",
    BytesRead "bytes_read",
    BytesWritten "bytes_written",
    TotalItems "total_items",
    TotalConnections "total_connections",
    Syncs "syncs",
}

pub struct Counters {
    born: Instant,
    /// Those that are open now, which no reset changes.
    connections: AtomicU64,
    counts: [AtomicU64; COUNTS.len()],
}

impl Counters {
    pub fn new() -> Counters {
        let counts = std::array::from_fn(|_| AtomicU64::new(0));
        Counters { born: Instant::now(), connections: AtomicU64::new(0), counts }
    }

    pub fn count(&self, what: Count) {
        self.add(what, 1);
    }

    pub fn add(&self, what: Count, many: u64) {
        self.counts[what as usize].fetch_add(many, Ordering::Relaxed);
    }

    /// A hit or a miss of two kinds.
    pub fn count_either(&self, hit: bool, hits: Count, misses: Count) {
        self.count(if hit { hits } else { misses });
    }

    fn of(&self, what: Count) -> u64 {
        self.counts[what as usize].load(Ordering::Relaxed)
    }

    pub fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.count(Count::TotalConnections);
    }

    pub fn disconnected(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    pub fn reset(&self) {
        self.counts.iter().for_each(|count| count.store(0, Ordering::Relaxed));
    }

    /// `stats`.
    pub fn general(&self, items: &Items, threads: usize) -> String {
        let mut rows = Rows::default();
        rows.row("pid", std::process::id());
        rows.row("uptime", self.born.elapsed().as_secs());
        rows.row("time", now() / SECOND_NS);
        rows.row("version", env!("CARGO_PKG_VERSION"));
        rows.row("pointer_size", usize::BITS);
        if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
            let text = |time: TimeVal| format!("{}.{:06}", time.tv_sec(), time.tv_usec());
            rows.row("rusage_user", text(usage.user_time()));
            rows.row("rusage_system", text(usage.system_time()));
        }
        rows.row("max_connections", CONNECTIONS_MAX);
        rows.row("curr_connections", self.connections.load(Ordering::Relaxed));
        rows.row("rejected_connections", 0);
        rows.row("cmd_get", self.of(Count::GetHits) + self.of(Count::GetMisses));
        rows.row("cmd_touch", self.of(Count::TouchHits) + self.of(Count::TouchMisses));
        for (count, name) in COUNTS {
            rows.row(name, self.of(*count));
        }
        rows.row("limit_maxbytes", items.bytes_max());
        rows.row("accepting_conns", 1);
        rows.row("threads", threads);
        rows.row("bytes", items.bytes());
        rows.row("curr_items", items.count());
        rows.row("evictions", 0);
        rows.end()
    }

    /// `stats settings`: those of memcached's that say something here.
    pub fn settings(&self, items: &Items, threads: usize) -> String {
        let mut rows = Rows::default();
        rows.row("maxbytes", items.bytes_max());
        rows.row("maxconns", CONNECTIONS_MAX);
        rows.row("evictions", "off");
        rows.row("num_threads", threads);
        rows.row("cas_enabled", "yes");
        rows.row("binding_protocol", "ascii");
        rows.row("auth_enabled_sasl", "no");
        rows.row("item_size_max", VALUE_BYTES_MAX);
        rows.row("flush_enabled", "yes");
        rows.end()
    }

    /// `stats items`: all are of one class.
    pub fn items(&self, items: &Items) -> String {
        let mut rows = Rows::default();
        if items.count() > 0 {
            rows.row("items:1:number", items.count());
            rows.row("items:1:mem_requested", items.bytes());
            rows.row("items:1:evicted", 0);
            rows.row("items:1:outofmemory", 0);
        }
        rows.end()
    }

    /// `stats slabs`, which there are none of: what is asked for the class of all items.
    pub fn slabs(&self, items: &Items) -> String {
        let mut rows = Rows::default();
        rows.row("1:used_chunks", items.count());
        rows.row("1:get_hits", self.of(Count::GetHits));
        rows.row("1:cmd_set", self.of(Count::CmdSet));
        rows.row("1:delete_hits", self.of(Count::DeleteHits));
        rows.row("1:incr_hits", self.of(Count::IncrHits));
        rows.row("1:decr_hits", self.of(Count::DecrHits));
        rows.row("1:cas_hits", self.of(Count::CasHits));
        rows.row("1:cas_badval", self.of(Count::CasBadval));
        rows.row("1:touch_hits", self.of(Count::TouchHits));
        rows.row("active_slabs", 1);
        rows.row("total_malloced", items.bytes());
        rows.end()
    }
}

#[derive(Default)]
struct Rows(String);

impl Rows {
    fn row(&mut self, name: &str, value: impl Display) {
        let _ = write!(self.0, "STAT {name} {value}\r\n");
    }

    fn end(mut self) -> String {
        self.0.push_str("END\r\n");
        self.0
    }
}
