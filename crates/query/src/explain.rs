//! What a search did, counted, so that a slow one can be understood.

/// Counts of one search. Everything pruned was answered without reading a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Explain {
    /// Chunks given to the search.
    pub chunks: u64,
    /// Chunks wholly outside the time range.
    pub chunks_pruned_by_time: u64,
    /// Chunks that have none of the services wanted.
    pub chunks_pruned_by_service: u64,
    /// Row groups in the chunks that were not pruned.
    pub groups: u64,
    /// Row groups wholly outside the time range.
    pub groups_pruned_by_time: u64,
    /// Row groups that have none of the levels wanted.
    pub groups_pruned_by_level: u64,
    /// Row groups of which every row matched by what the footer says, so that they were counted
    /// without reading a page.
    pub groups_counted: u64,
    /// Row groups that lost their last row to the services wanted.
    pub groups_emptied_by_service: u64,
    /// Row groups that lost their last row to the levels wanted.
    pub groups_emptied_by_level: u64,
    /// Row groups that lost their last row to the attributes wanted.
    pub groups_emptied_by_attribute: u64,
    /// Row groups that lost their last row to words or phrases.
    pub groups_emptied_by_words: u64,
    /// Pages read, decompressed and decoded, those of the answer included.
    pub pages_read: u64,
    /// Rows in the row groups of which a page was read for filtering.
    pub rows_scanned: u64,
    /// Rows that matched: the total.
    pub rows_matched: u64,
}

impl Explain {
    /// Adds what another worker of the same search counted.
    pub(crate) fn add(&mut self, other: &Self) {
        let Self {
            chunks,
            chunks_pruned_by_time,
            chunks_pruned_by_service,
            groups,
            groups_pruned_by_time,
            groups_pruned_by_level,
            groups_counted,
            groups_emptied_by_service,
            groups_emptied_by_level,
            groups_emptied_by_attribute,
            groups_emptied_by_words,
            pages_read,
            rows_scanned,
            rows_matched,
        } = self;
        *chunks += other.chunks;
        *chunks_pruned_by_time += other.chunks_pruned_by_time;
        *chunks_pruned_by_service += other.chunks_pruned_by_service;
        *groups += other.groups;
        *groups_pruned_by_time += other.groups_pruned_by_time;
        *groups_pruned_by_level += other.groups_pruned_by_level;
        *groups_counted += other.groups_counted;
        *groups_emptied_by_service += other.groups_emptied_by_service;
        *groups_emptied_by_level += other.groups_emptied_by_level;
        *groups_emptied_by_attribute += other.groups_emptied_by_attribute;
        *groups_emptied_by_words += other.groups_emptied_by_words;
        *pages_read += other.pages_read;
        *rows_scanned += other.rows_scanned;
        *rows_matched += other.rows_matched;
    }
}
