//! What the controller counts, in Prometheus' text format (version 0.0.4).

use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the controller started.
#[derive(Default)]
pub struct Metrics {
    /// Log records that were made durable, and appends that failed.
    pub stored: AtomicU64,
    pub refused: AtomicU64,
    /// Records that went from log files into segments, and those that were there already.
    pub moved: AtomicU64,
    pub duplicates: AtomicU64,
    pub move_failures: AtomicU64,
    /// Bytes of log files that could not be read.
    pub damaged_bytes: AtomicU64,
    pub segments_dropped: AtomicU64,
    pub queries: AtomicU64,
    pub query_failures: AtomicU64,
}

pub fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl Metrics {
    /// The folder is looked at for how much lies there.
    pub fn text(&self, data: &Path) -> String {
        let mut text = String::new();
        let mut put = |name: &str, kind: &str, help: &str, value: u64| {
            let _ = writeln!(
                text,
                "# HELP dscript_{name} {help}\n# TYPE dscript_{name} {kind}\ndscript_{name} {value}"
            );
        };
        let counters = [
            ("logpool_records_stored_total", "Log records made durable.", &self.stored),
            (
                "logpool_appends_failed_total",
                "Batches of log records that could not be stored.",
                &self.refused,
            ),
            ("logpool_records_moved_total", "Log records moved from log files into segments.", &self.moved),
            (
                "logpool_records_duplicate_total",
                "Log records that came again and were stored once.",
                &self.duplicates,
            ),
            ("logpool_moves_failed_total", "Moves into segments that failed.", &self.move_failures),
            (
                "logpool_damaged_bytes_total",
                "Bytes of log files that could not be read, whose records are lost.",
                &self.damaged_bytes,
            ),
            ("logpool_segments_dropped_total", "Days of pools dropped by retention.", &self.segments_dropped),
            ("logpool_queries_total", "Questions to the LogPool.", &self.queries),
            (
                "logpool_queries_failed_total",
                "Questions to the LogPool that were not answered.",
                &self.query_failures,
            ),
        ];
        for (name, help, counter) in counters {
            put(name, "counter", help, counter.load(Ordering::Relaxed));
        }
        let (files, bytes) = below(&data.join("log"));
        put("logpool_log_files", "gauge", "Log files that wait to be moved, or are written to.", files);
        put("logpool_log_bytes", "gauge", "Bytes in these log files.", bytes);
        let (files, bytes) = below(&data.join("segments"));
        put("logpool_segments", "gauge", "Segments: one for each pool and day.", files);
        put("logpool_segments_bytes", "gauge", "Bytes in the segments.", bytes);
        text
    }
}

/// How many files are in a folder, and their bytes.
fn below(folder: &Path) -> (u64, u64) {
    let files =
        std::fs::read_dir(folder).into_iter().flatten().flatten().filter_map(|entry| entry.metadata().ok());
    files.fold((0, 0), |(files, bytes), file| (files + 1, bytes + file.len()))
}
