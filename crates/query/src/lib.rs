//! Searching and counting records: by time, service, level, attribute, word and phrase.
//!
//! ```text
//! text ── WordQuery::parse ──► Search ── search(chunks, …) ──► SearchResult { total, hits, explain }
//!             └ Plan::new ─ work (× workers) ─ page ─ work (× workers) ─ finish ┘
//! Aggregate ──────────────────── aggregate(chunks, …) ──► AggregateResult { cells, explain }
//! id ───────────────────────────────────── find(chunks, …) ──► Hit
//! ```
//!
//! Chunks that lie on several nodes are searched where they are: each node answers [`Keys`] or
//! [`Counted`], whoever asked merges them with its own ([`Plan::page_among`],
//! [`AggregatePlan::finish_among`]) and looks up only the records of the page ([`lookup`]).
//!
//! A search runs over [`Chunk`]s, each a columnar table of one shard: it prunes tables and row
//! groups by what their footers and indexes say, reads the columns that its filters need (cheap ones first),
//! keeps the candidates for one page, and at last reads that page's records. Everything here is
//! pure and synchronous. This crate knows nothing of files, shards' state, the network or time.

mod aggregate;
mod candidates;
mod chunk;
mod error;
mod execute;
mod explain;
mod filter;
mod group;
mod haystack;
mod keys;
pub mod limits;
mod lookup;
mod names;
mod narrow;
mod needle;
mod page;
mod plan;
mod row_set;
mod scan;
mod search;
mod value_text;
pub mod wire;
mod words;

pub use aggregate::{Aggregate, AggregateCell, AggregatePlan, AggregateResult, Counted, aggregate};
pub use chunk::{Chunk, Origin};
pub use error::QueryError;
pub use execute::search;
pub use explain::{Explain, ExplainStep};
pub use keys::{Key, Keys};
pub use limits::Limits;
pub use lookup::{Lookup, Records, find, lookup};
pub use page::{Page, ReadRecords};
pub use plan::Plan;
pub use scan::Scanned;
pub use search::{AttributeFilter, Hit, Order, Search, SearchResult, Total};
pub use words::{WordQuery, WordQueryError};
