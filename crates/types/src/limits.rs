//! Every limit that two crates must agree on, each with its reason.

use std::time::Duration;

/// How far the clocks of two nodes may be apart. Entries carry their leader's time, and windows
/// and retention go by it.
pub const CLOCK_DIFFERENCE_MAX: Duration = Duration::from_secs(5 * 60);

/// A service's name. Longer ones are a sign of a value put in the wrong field.
pub const SERVICE_BYTES_MAX: usize = 512;

/// A level as it was spelled. Words are short; the longest spelling that is known has 13 bytes.
pub const LEVEL_TEXT_BYTES_MAX: usize = 256;

/// An attribute's name, its escaped path included.
pub const ATTRIBUTE_NAME_BYTES_MAX: usize = 1024;

/// Depth of nested JSON in a record's metadata: deeper is an attack on the stack.
pub const METADATA_DEPTH_MAX: usize = 64;

/// Distinct (name, kind) columns in one batch. A block's directory of columns stays a fraction of
/// a block, and 10,000 distinct attributes, which one careless client does send, still pass.
pub const COLUMNS_PER_BATCH_MAX: usize = 16_384;

/// Columns in one segment: past it a segment is cut, so that its footer stays readable at once.
pub const COLUMNS_PER_SEGMENT_MAX: usize = 4 * COLUMNS_PER_BATCH_MAX;

/// A producer's id, as the idempotency key's first part.
pub const PRODUCER_ID_BYTES_MAX: usize = 64;

/// One record's message. A record must fit in a batch with room to spare.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// A batch with a key, decoded: all rows of it that go to one shard travel in one block, so it
/// bounds a block.
pub const KEYED_BATCH_BYTES_MAX: usize = 8 << 20;

/// A request's body, as sent and as decompressed. Above [`KEYED_BATCH_BYTES_MAX`] it must come
/// without a key, and is cut into several batches.
pub const REQUEST_BYTES_MAX: usize = 64 << 20;

/// Where a gateway stops gathering requests into one block: decoded bytes. Large enough for
/// columns to compress, small enough to be on a quorum's disks within milliseconds.
pub const BLOCK_GATHER_BYTES: usize = 1 << 20;

/// Rows in one block, so that a row number and per-row scratch stay small.
pub const BLOCK_ROWS_MAX: usize = 1 << 17;

/// An encoded block. Incompressible rows, their directory of columns and part headers fit.
pub const BLOCK_BYTES_MAX: usize = KEYED_BATCH_BYTES_MAX + BLOCK_GATHER_BYTES + (7 << 20);

/// Sequences that a shard remembers per producer. Four times what a producer may have in flight,
/// so that a resend is recognised however late it comes.
pub const DEDUP_SEQUENCES: usize = 256;

/// A producer never sends sequence n before n - 64 is acknowledged.
pub const PRODUCER_WINDOW: u64 = 64;

const _: () = assert!(BLOCK_GATHER_BYTES <= KEYED_BATCH_BYTES_MAX);
const _: () = assert!(MESSAGE_BYTES_MAX < KEYED_BATCH_BYTES_MAX);
const _: () = assert!(KEYED_BATCH_BYTES_MAX < REQUEST_BYTES_MAX);
const _: () = assert!(DEDUP_SEQUENCES as u64 >= 4 * PRODUCER_WINDOW);

/// A producer idle for this long, by the stamps in the log, is forgotten: the stated end of
/// exactly-once.
pub const PRODUCER_IDLE_NS: i64 = 7 * 24 * 3600 * 1_000_000_000;

/// Records on one page of search answers.
pub const PAGE_SIZE_MAX: usize = 10_000;
