//! Every size and time that the two ends of a connection hold each other to. A peer beyond one of them is refused.

/// Version of the messages; both ends must speak the same one.
pub const VERSION: u16 = 4;

/// Body of a frame once a connection is welcome; from a node it carries no image and is smaller.
pub const FRAME_BYTES_MAX: usize = 24 << 20;
pub const NODE_FRAME_BYTES_MAX: usize = 6 << 20;
/// Body of the first frame of either side, before anybody has proven anything.
pub const HELLO_BYTES_MAX: usize = 16 << 10;
/// A program image, as it is shipped.
pub const IMAGE_BYTES_MAX: usize = 16 << 20;

/// Names of nodes, tasks, pools, and the keys and values of labels.
pub const NAME_BYTES_MAX: usize = 256;
/// A token or a secret in text form.
pub const SECRET_BYTES_MAX: usize = 128;
/// A selector as the operator writes it.
pub const SELECTOR_BYTES_MAX: usize = 4 << 10;
/// An expression over log records.
pub const CONDITION_BYTES_MAX: usize = 16 << 10;
/// Why a run ended, why something was refused; longer ones are cut by the sender.
pub const REASON_BYTES_MAX: usize = 64 << 10;
pub const LABELS_MAX: usize = 64;
pub const PARAMS_MAX: usize = 256;
pub const PARAM_BYTES_MAX: usize = 256 << 10;

/// Log records of one batch, and their encoded bytes (one record may be larger and then travels alone).
pub const BATCH_RECORDS_MAX: usize = 1_000;
pub const BATCH_BYTES_MAX: usize = 4 << 20;
/// Lists and maps inside of lists and maps in the value of a log record.
pub const VALUE_DEPTH_MAX: usize = 32;

/// Runs a node holds at once.
pub const NODE_RUNS_MAX: usize = 10_000;
/// Ended runs a node still remembers, so as not to run them again.
pub const NODE_RUNS_REMEMBERED: usize = 10_000;
pub const INVENTORY_MAX: usize = NODE_RUNS_MAX + NODE_RUNS_REMEMBERED;
/// What an answer lists at most.
pub const RUNS_LISTED_MAX: usize = 10_000;
pub const NODES_MAX: usize = 10_000;
/// Runs that one `ship` may begin.
pub const RUNS_SHIPPED_MAX: usize = NODES_MAX;

/// A node pings this often; a connection on which nothing came for `SILENCE_MS_MAX` is given up by both ends.
pub const PING_MS: u64 = 2_000;
pub const SILENCE_MS_MAX: u64 = 15_000;
/// The other end has this long for its hello.
pub const HELLO_MS_MAX: u64 = 10_000;
/// Back-off of a node that lost its controller: the first pause and the longest.
pub const BACKOFF_MS_MIN: u64 = 250;
pub const BACKOFF_MS_MAX: u64 = 10_000;
/// A node from which nothing was heard for this long loses its runs.
pub const LOST_MS: u64 = 600_000;
/// What was sent and is not acknowledged is sent again after this long.
pub const RESEND_MS: u64 = 30_000;
/// A join token nobody used is worthless after this long.
pub const TOKEN_MS: u64 = 24 * 3_600_000;
