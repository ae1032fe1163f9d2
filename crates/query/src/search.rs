//! What is asked, and what is answered.

use varve_types::{Level, Record, RecordId, TenantId, TimeRange, TimestampNs};

use crate::{Explain, WordQuery};

/// What records to find, and which page of them. The default finds all, newest first, and
/// answers none of them but their number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Search {
    /// Whose records: never another tenant's.
    pub tenant: TenantId,
    /// Any of these services; empty means every service.
    pub services: Vec<String>,
    /// Any of these levels; empty means every level.
    pub levels: Vec<Level>,
    /// Timestamps within: start inclusive, end exclusive.
    pub time: TimeRange,
    /// Words and phrases, all of them.
    pub words: WordQuery,
    /// Attributes, all of them, each in the record's own or in its resource's.
    pub attributes: Vec<AttributeFilter>,
    /// From which end.
    pub order: Order,
    /// How many matching records to skip.
    pub offset: u64,
    /// How many matching records to answer, at most.
    pub limit: u64,
    /// Whether to count all that match.
    pub total: Total,
}

/// Whether a search counts all records that match, or stops once it has its page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Total {
    /// Their exact number.
    #[default]
    Exact,
    /// Nobody asks: what cannot change the page is not looked at.
    Unasked,
}

/// `NAME=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeFilter {
    /// The escaped dotted path, as [`varve_types::Attribute`] spells names.
    pub name: String,
    /// The value's canonical text: what JSON prints, but strings without quotes.
    pub value: String,
}

/// The order of answers. Equal timestamps order by (shard, index, row), so that each order is
/// exactly the other reversed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Descending.
    #[default]
    Newest,
    /// Ascending.
    Oldest,
}

impl Order {
    /// A time as a number that is the smaller the earlier its row comes.
    pub(crate) const fn number(self, time: TimestampNs) -> i64 {
        match self {
            Self::Oldest => time.get(),
            Self::Newest => !time.get(),
        }
    }
}

/// One record found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Its name for ever.
    pub id: RecordId,
    /// When its shard's leader took it.
    pub created_at: TimestampNs,
    /// The record.
    pub record: Record,
}

/// The answer to a [`Search`].
#[derive(Clone, Debug, PartialEq)]
pub struct SearchResult {
    /// How many records match, whatever the page; exact. `None` when it was [`Total::Unasked`].
    pub total: Option<u64>,
    /// The page, in order.
    pub hits: Vec<Hit>,
    /// What it took.
    pub explain: Explain,
}
