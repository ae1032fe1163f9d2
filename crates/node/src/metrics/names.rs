//! The names of all metrics, and what `/metrics` says of each. docs/metrics.md says more.

use metrics::{describe_counter, describe_gauge, describe_histogram};

pub(super) const APPEND_SECONDS: &str = "varve_append_seconds";
pub(super) const APPEND_BATCHES: &str = "varve_append_batches_total";
pub(super) const APPEND_RECORDS: &str = "varve_append_records_total";
pub(super) const APPEND_BYTES: &str = "varve_append_bytes_total";
pub(super) const APPEND_DUPLICATES: &str = "varve_append_duplicate_batches_total";
pub(super) const APPEND_ERRORS: &str = "varve_append_errors_total";
pub(super) const REFUSED: &str = "varve_append_refused_requests_total";
pub(super) const SHEDS: &str = "varve_sheds_total";
pub(super) const BLOCK_ROWS: &str = "varve_block_rows";
pub(super) const QUEUE_BYTES: &str = "varve_queue_bytes";
pub(super) const QUEUE_BATCHES: &str = "varve_queue_batches";

pub(super) const WAL_SYNC_SECONDS: &str = "varve_wal_sync_seconds";
pub(super) const WAL_WRITTEN_BYTES: &str = "varve_wal_written_bytes_total";
pub(super) const WAL_BYTES: &str = "varve_wal_bytes";

pub(super) const DISK_FULL: &str = "varve_disk_full";
pub(super) const SHARDS: &str = "varve_shards";
pub(super) const ROWS: &str = "varve_rows";
pub(super) const SEGMENTS: &str = "varve_segments";
pub(super) const SEGMENT_BYTES: &str = "varve_segment_bytes";
pub(super) const TAIL_BYTES: &str = "varve_tail_bytes";

pub(super) const APPLY_LAG: &str = "varve_apply_lag_entries";
pub(super) const FLUSHES: &str = "varve_flushes_total";
pub(super) const FLUSHES_BORROWED: &str = "varve_flushes_borrowed_total";
pub(super) const FLUSH_MS: &str = "varve_flush_milliseconds_total";
pub(super) const MERGES: &str = "varve_merges_total";
pub(super) const MERGES_RUNNING: &str = "varve_merges_running";
pub(super) const MERGE_READ_BYTES: &str = "varve_merge_read_bytes_total";
pub(super) const MERGE_WRITTEN_BYTES: &str = "varve_merge_written_bytes_total";
pub(super) const SEGMENTS_WAITING: &str = "varve_segments_waiting";

pub(super) const SEARCH_SECONDS: &str = "varve_search_seconds";
pub(super) const SEARCH_PAGES: &str = "varve_search_pages_total";
pub(super) const SEARCH_BYTES: &str = "varve_search_bytes_total";
pub(super) const SEARCH_ROWS: &str = "varve_search_rows_total";
pub(super) const SEARCHES: &str = "varve_searches";
pub(super) const SEARCH_ERRORS: &str = "varve_search_errors_total";

pub(super) const PEER_REQUESTS: &str = "varve_peer_requests_total";
pub(super) const PEER_BYTES: &str = "varve_peer_request_bytes_total";
pub(super) const PEER_CONNECTIONS: &str = "varve_peer_connections_total";
pub(super) const PEER_HANDSHAKES_REFUSED: &str = "varve_peer_handshakes_refused_total";
pub(super) const SHARDS_LED: &str = "varve_shards_led";
pub(super) const SNAPSHOTS: &str = "varve_snapshots_installed_total";
pub(super) const COPIES: &str = "varve_copies_total";
pub(super) const COPIES_WAITING: &str = "varve_copies_waiting";
pub(super) const COPIED_BYTES: &str = "varve_copied_bytes_total";
pub(super) const SCRUBBED_BYTES: &str = "varve_scrubbed_bytes_total";
pub(super) const DAMAGED_COPIES: &str = "varve_damaged_copies_total";
pub(super) const COMPARISONS: &str = "varve_replica_comparisons_total";
pub(super) const DIFFERENCES: &str = "varve_replica_differences_total";

/// Tells the recorder what each metric is.
pub(super) fn describe() {
    for (name, help) in HISTOGRAMS {
        describe_histogram!(*name, *help);
    }
    for (name, help) in COUNTERS {
        describe_counter!(*name, *help);
    }
    for (name, help) in GAUGES {
        describe_gauge!(*name, *help);
    }
}

const HISTOGRAMS: &[(&str, &str)] = &[
    (APPEND_SECONDS, "Time from a decoded batch to its acknowledgement."),
    (BLOCK_ROWS, "Rows gathered into one block."),
    (WAL_SYNC_SECONDS, "Time to write and fsync one round of the write-ahead log."),
    (SEARCH_SECONDS, "Time to answer a search."),
];

const COUNTERS: &[(&str, &str)] = &[
    (APPEND_BATCHES, "Batches acknowledged, by protocol."),
    (APPEND_RECORDS, "Records acknowledged, by protocol."),
    (APPEND_BYTES, "Decoded bytes of records acknowledged, by protocol."),
    (APPEND_DUPLICATES, "Batches acknowledged that had been stored before."),
    (APPEND_ERRORS, "Batches not acknowledged, by code."),
    (REFUSED, "Requests refused as bad input, by protocol."),
    (SHEDS, "Requests sent away because a budget was used up, by budget."),
    (WAL_WRITTEN_BYTES, "Bytes written to the write-ahead log."),
    (FLUSHES, "Tails written out as segments, by outcome."),
    (FLUSHES_BORROWED, "Tails written out with the segments that the leader had built."),
    (FLUSH_MS, "Time that writing tails out took together."),
    (MERGES, "Merges of segments, by outcome."),
    (MERGE_READ_BYTES, "Bytes of segments that merges replaced."),
    (MERGE_WRITTEN_BYTES, "Bytes of segments that merges wrote for them."),
    (PEER_REQUESTS, "Requests between this node and its peers, by lane and direction."),
    (PEER_BYTES, "Bytes of the bodies of those requests, by lane and direction."),
    (PEER_CONNECTIONS, "Connections made to peers, by lane."),
    (PEER_HANDSHAKES_REFUSED, "Connections between nodes that one of them refused."),
    (SNAPSHOTS, "Snapshots of open shards that replicas here took over from their leaders."),
    (COPIES, "Copies of closed shards that came to this node, by outcome."),
    (COPIED_BYTES, "Bytes of closed shards that came to this node."),
    (SCRUBBED_BYTES, "Bytes of shards that were read again to find damage."),
    (DAMAGED_COPIES, "Copies of shards on this node that were found damaged."),
    (COMPARISONS, "Times that the replicas of an open shard that this node leads were compared."),
    (DIFFERENCES, "Times that this found replicas that came to hold different rows."),
    (SEARCH_PAGES, "Pages that searches read."),
    (SEARCH_BYTES, "Bytes of those pages, as stored."),
    (SEARCH_ROWS, "Rows that searches looked at."),
    (SEARCH_ERRORS, "Searches that failed, by code."),
];

const GAUGES: &[(&str, &str)] = &[
    (QUEUE_BYTES, "Memory taken by requests on their way."),
    (QUEUE_BATCHES, "Batches that wait for their acknowledgement."),
    (SEARCHES, "Searches on this node, by state: running, or waiting for a place."),
    (WAL_BYTES, "Bytes of the files of the write-ahead log."),
    (DISK_FULL, "1 while appends are refused for want of room on the disk."),
    (SHARDS, "Shards on this node, by state."),
    (SHARDS_LED, "Shards that this node leads."),
    (COPIES_WAITING, "Copies of closed shards that are to come to this node."),
    (ROWS, "Rows stored on this node."),
    (SEGMENTS, "Segments on this node."),
    (SEGMENT_BYTES, "Bytes of segments and manifests on this node."),
    (SEGMENTS_WAITING, "Segments that wait to be merged."),
    (MERGES_RUNNING, "Merges that run."),
    (APPLY_LAG, "Entries committed and not applied yet, of the shard where it is most."),
    (TAIL_BYTES, "Bytes of blocks not yet written out as segments."),
];
