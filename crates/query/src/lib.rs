//! Searching and counting records: by time, service, level, attribute, word and phrase.
//!
//! ```text
//! text ── WordQuery::parse ──► Search ── search(chunks, …) ──► SearchResult { total, hits, explain }
//!             └ Plan::new ─ work (× workers) ─ page ─ work (× workers) ─ finish ┘
//! Aggregate ──────────────────── aggregate(chunks, …) ──► AggregateResult { cells, explain }
//! id ───────────────────────────────────── find(chunks, …) ──► Hit
//! ```
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
mod find;
mod group;
mod haystack;
pub mod limits;
mod names;
mod narrow;
mod needle;
mod page;
mod plan;
mod row_set;
mod scan;
mod search;
mod value_text;
mod words;

pub use aggregate::{Aggregate, AggregateCell, AggregatePlan, AggregateResult, Counted, aggregate};
pub use chunk::{Chunk, Origin};
pub use error::QueryError;
pub use execute::search;
pub use explain::{Explain, ExplainStep};
pub use find::find;
pub use limits::Limits;
pub use page::{Page, ReadRecords};
pub use plan::Plan;
pub use scan::Scanned;
pub use search::{AttributeFilter, Hit, Order, Search, SearchResult, Total};
pub use words::{WordQuery, WordQueryError};
