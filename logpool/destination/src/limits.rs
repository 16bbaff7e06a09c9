//! Every limit of destinations by name.

use std::time::Duration;

/// Records, and their bytes in the spool, that are brought together.
pub const BATCH_RECORDS_MAX: usize = 1000;
pub const BATCH_BYTES_MAX: usize = 512 << 10;
/// Spools beside each other: processes that write to one destination from one data folder at once.
pub const SPOOLS_MAX: usize = 4096;
/// Between two tries, doubled each time.
pub const PAUSE_MIN: Duration = Duration::from_millis(100);
pub const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How often the spool is told what has arrived; what it was not told is brought again, which stores it once.
pub const ACKNOWLEDGE_EVERY: Duration = Duration::from_secs(1);
/// To reach a destination, for it to take what is brought at once, and for one answer of it.
pub const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
pub const DELIVER_PATIENCE: Duration = Duration::from_secs(10);
pub const ANSWER_PATIENCE: Duration = Duration::from_secs(30);

/// As memcached has it.
pub const MEMCACHED_KEY_BYTES_MAX: usize = 250;
/// Commands under way at once.
pub const PIPELINE_MAX: usize = 200;
/// How often a value that others change at the same time is tried.
pub const CAS_TRIES_MAX: usize = 100;
/// Of one value or line from a destination.
pub const VALUE_BYTES_MAX: usize = 64 << 20;
pub const LINE_BYTES_MAX: usize = 16 << 20;

/// Records that wait for who follows them.
pub const TAIL_WAITING_MAX: usize = 64 << 10;
/// Messages that are asked for at once.
#[cfg(feature = "nats")]
pub const FETCH_MAX: usize = 32;
/// What a message takes beside its records.
#[cfg(feature = "nats")]
pub const MESSAGE_HEAD_BYTES: usize = 4 << 10;
/// Of a stream, as NATS has it.
pub const REPLICAS_MAX: usize = 5;
/// Of the name of the folder that a destination's spools are in.
pub const FOLDER_NAME_BYTES_MAX: usize = 200;
