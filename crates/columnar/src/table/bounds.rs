//! Bounds of the format, each with its reason: a reader refuses what lies beyond them before it
//! allocates.

use varve_types::limits;

/// Rows in one group: per-row scratch of a group stays within caches.
pub const GROUP_ROWS_MAX: u32 = 8192;

/// Where a group is cut: bytes of its messages, what a search decodes at a time.
pub const GROUP_MESSAGE_BYTES: usize = 1 << 20;

/// Where a group is cut: bytes of all its strings.
pub const GROUP_BYTES: usize = 4 << 20;

/// All strings of one record: more than any batch may hold.
pub const RECORD_BYTES_MAX: usize = 2 * limits::KEYED_BATCH_BYTES_MAX;

/// One page or section, decompressed. A column of a group cut at [`GROUP_BYTES`], or of one large
/// record, with its lengths and codes.
pub const PAGE_RAW_BYTES_MAX: usize = 32 << 20;

/// A footer, decompressed: every name of [`limits::COLUMNS_PER_SEGMENT_MAX`] columns at its
/// longest, and half as much again for the directory of pages.
pub const FOOTER_RAW_BYTES_MAX: usize = 96 << 20;

/// Services that a footer lists; a table with more lists none.
pub const ZONE_SERVICES_MAX: usize = 4096;

const _: () =
    assert!(RECORD_BYTES_MAX + GROUP_BYTES + 16 * GROUP_ROWS_MAX as usize <= PAGE_RAW_BYTES_MAX);
const _: () = assert!(
    limits::COLUMNS_PER_SEGMENT_MAX * limits::ATTRIBUTE_NAME_BYTES_MAX < FOOTER_RAW_BYTES_MAX
);
