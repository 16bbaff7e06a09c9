//! Every limit of the door by name.

use std::time::Duration;

pub const SECOND_NS: i64 = 1_000_000_000;
/// As many as memcached starts by default.
pub const THREADS_MAX: usize = 4;
pub const CONNECTIONS_MAX: usize = 4096;
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(500);
/// As memcached has it.
pub const KEY_BYTES_MAX: usize = 250;
/// The flag `O` of the meta protocol with what stands behind it, as memcached has it.
pub const OPAQUE_BYTES_MAX: usize = 32;
/// The line of a command; a `get` of many keys is the longest.
pub const LINE_BYTES_MAX: usize = 1 << 20;
/// Of what else a client sends that is hung up on for a longer line, so much is taken, and for so long, that it reads why.
pub const LINGER_BYTES_MAX: u64 = 16 << 20;
pub const LINGER: Duration = Duration::from_secs(2);
/// The data of an item, as memcached has it by default.
pub const VALUE_BYTES_MAX: usize = 1 << 20;
/// Answers of one connection that wait for changes to be durable: how many, what the client has sent for them, and how many
/// of them may be values.
pub const WAITING_MAX: usize = 256;
pub const WAITING_BYTES_MAX: usize = 64 << 10;
pub const WAITING_VALUES_MAX: usize = 32;
/// Answers that are kept before they are sent.
pub const OUT_BYTES_MAX: usize = 64 << 10;
/// Changes that one commit makes durable.
pub const GROUP_MAX: usize = 512;
/// Changes that wait for the writer; further ones wait at the door.
pub const QUEUE_MAX: usize = 4096;
/// Changes in logs, in bytes, from which on they are put into the table; and with how many nothing more is taken before that
/// is done.
pub const SETTLE_BYTES: u64 = 4 << 20;
pub const UNSETTLED_BYTES_MAX: u64 = 16 << 20;
/// Tries to open the table again after the disk failed it, while some `get` still reads the old one, and the pause between.
pub const REOPEN_TRIES_MAX: u32 = 100;
pub const REOPEN_PAUSE: Duration = Duration::from_millis(10);
/// Items that are looked at between two groups, to find those whose time is up.
pub const SWEEP_ITEMS: usize = 256;
pub const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Items of which the time of the last access is kept, 8 bytes for each.
pub const ACCESSES_MAX: usize = 1 << 16;
/// Items in each of two generations that are kept in memory, in bytes.
pub const RECENT_BYTES_MAX: usize = 8 << 20;
/// Pages of the database that are.
pub const CACHE_BYTES: usize = 16 << 20;
