//! Every limit of the LogPool by name.

/// A record's bytes as encoded.
pub const RECORD_BYTES_MAX: usize = 1 << 20;
/// The name of a pool, key, node or task, in bytes.
pub const NAME_BYTES_MAX: usize = 1024;
/// The name of a field or of a map's entry, in bytes.
pub const FIELD_NAME_BYTES_MAX: usize = 1024;
/// Fields of one record.
pub const FIELDS_MAX: usize = 4096;
/// Shapes of records that a thread remembers, to make records of the same shape with them, and names of one such shape.
pub const SHAPES_REMEMBERED_MAX: usize = 8;
pub const SHAPE_NAMES_REMEMBERED_MAX: usize = 256;
/// Lists and maps in each other.
pub const VALUE_DEPTH_MAX: usize = 32;

/// Forms of a payload that a record's is looked for among; one that is further back is written again.
pub const FORMS_SEARCHED_MAX: usize = 32;

/// Records of one call of `append`.
pub const APPEND_RECORDS_MAX: usize = 65_536;
/// Encoded bytes of one call of `append`.
pub const APPEND_BYTES_MAX: usize = 16 << 20;
/// Payload of one frame of a log file. An append of more becomes several frames.
pub const FRAME_BYTES_MAX: usize = 2 << 20;
/// A log file beyond this length is sealed, and the writer goes on in a new one.
pub const FILE_BYTES_MAX: u64 = 8 << 20;
/// What may still be missing from a file's last frame when a window of it is read.
pub const WINDOW_SLACK_BYTES: usize = FRAME_BYTES_MAX + RECORD_BYTES_MAX + 4096;

/// How often a writer begins its log file anew because a mover took it for an abandoned one.
pub const CREATE_TRIES_MAX: u32 = 100;

/// Appends that wait for the writer.
pub const QUEUE_APPENDS_MAX: usize = 16_384;
/// Bytes that wait for the writer; one append larger than this is accepted by an empty queue.
pub const QUEUE_BYTES_MAX: usize = 32 << 20;
/// Bytes that one sync commits; one append larger than this is a group of its own.
pub const GROUP_BYTES_MAX: usize = 8 << 20;

/// Records of one transaction of the mover.
pub const MOVE_RECORDS_MAX: usize = 1 << 18;
/// Encoded bytes of one transaction of the mover, passed by at most one frame.
pub const MOVE_BYTES_MAX: usize = 8 << 20;
/// Columns of the payloads of one transaction of the mover, passed by at most those of one payload.
pub const MOVE_COLUMNS_MAX: usize = 1 << 18;
/// Bytes of log files that the mover has in memory, from which on it reads no other file before these are moved.
pub const LOAD_BYTES_MIN: usize = 4 << 20;
/// Bytes that wait in log files, or files, from which on a move is worth its cost.
pub const MOVE_BYTES_MIN: u64 = 4 << 20;
pub const MOVE_FILES_MIN: usize = 32;
/// Records and bytes of one block of the database.
pub const BLOCK_RECORDS_MAX: usize = 4096;
pub const BLOCK_BYTES_MAX: usize = 1 << 20;
/// Blocks of one row of the database: what just fits into sixteen of its pages.
pub const CHUNK_BYTES: usize = (64 << 10) - 64;
/// Blocks that were not looked at for a merge, from which on they are; records that one merge takes, passed by at most
/// one chunk; and how many times fewer blocks it must leave to be worth its cost.
pub const MERGE_BLOCKS_MIN: u64 = 512;
pub const MERGE_RECORDS_MAX: u64 = 128 << 10;
pub const MERGE_GAIN_MIN: u64 = 4;
/// Records of a block, on average, from which on blocks are large enough: they are not even read for a merge.
pub const MERGE_BLOCK_RECORDS_MAX: u64 = 64;
/// Names in the dictionary of a segment; further ones are written out where they stand.
pub const SEGMENT_NAMES_MAX: usize = 16_384;

/// Records of the database that one poll of a follower reads, passed by at most one block.
pub const TAIL_RECORDS_MAX: usize = 8192;

/// Page caches: of the index and of a segment in a mover, and of any of these files in a reader.
pub const INDEX_CACHE_BYTES: usize = 2 << 20;
pub const SEGMENT_CACHE_BYTES: usize = 8 << 20;
pub const READER_CACHE_BYTES: usize = 4 << 20;
/// Segments that a mover keeps open.
pub const OPEN_SEGMENTS_MAX: usize = 4;

/// How often a spool's lock is tried, how often a reader looks again when the database is just being repaired by
/// someone else, and how long both pause in between.
pub const SPOOL_LOCK_TRIES_MAX: u32 = 20;
pub const OPEN_TRIES_MAX: u32 = 1000;
pub const OPEN_PAUSE_MS: u64 = 10;

/// The text of an expression, and brackets and signs in each other in it.
pub const EXPRESSION_BYTES_MAX: usize = 16 << 10;
pub const EXPRESSION_DEPTH_MAX: usize = 64;
/// Groups of an aggregation, values of a percentile that are kept as they are, and different values of a `distinct`.
pub const GROUPS_MAX: usize = 1 << 20;
pub const EXACT_VALUES_MAX: usize = 1 << 16;
pub const DISTINCT_MAX: usize = 1 << 16;
/// Values in the window of one group of a standing query, and groups of one.
pub const STANDING_VALUES_MAX: usize = 1 << 16;
pub const STANDING_GROUPS_MAX: usize = 1 << 14;
