//! Searching records: by time, service, level, attribute, word and phrase.
//!
//! ```text
//! text ── WordQuery::parse ──► Search ── search(chunks, …) ──► SearchResult { total, hits, explain }
//!                                └ Plan::new ─ work (× workers) ─ finish ┘
//! id ───────────────────────────────────── find(chunks, …) ──► Hit
//! ```
//!
//! A search runs over [`Chunk`]s, each a columnar table of one shard: it prunes tables and row
//! groups by what their footers say, reads the columns that its filters need (cheap ones first),
//! keeps the candidates for one page, and at last reads that page's records. Everything here is
//! pure and synchronous. This crate knows nothing of files, shards' state, the network or time.

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
mod needle;
mod page;
mod plan;
mod row_set;
mod scan;
mod search;
mod value_text;
mod words;

pub use chunk::{Chunk, Origin};
pub use error::QueryError;
pub use execute::search;
pub use explain::Explain;
pub use find::find;
pub use limits::Limits;
pub use plan::Plan;
pub use scan::Scanned;
pub use search::{AttributeFilter, Hit, Order, Search, SearchResult};
pub use words::{WordQuery, WordQueryError};
