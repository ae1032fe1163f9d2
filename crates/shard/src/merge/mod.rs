//! Merging segments: what to merge, the work in steps, and the short step that makes it count.
//!
//! ```text
//!          choose            MergeJob::step …            SwapJob::run          finish_swap
//! metas ──────────▶ Choice ──────────────────▶ segments ─────────────▶ manifest ──────────▶ view
//!                             (long, pauses)            (short, no flush)
//! ```
//!
//! A merge reads segments that stay what they are and writes new ones that no manifest names, so
//! the shard applies and flushes meanwhile. The swap takes the manifest as it is by then and
//! replaces the inputs in it. Rows and digest of the outputs must be those of the inputs.

mod choose;
mod job;
mod owner;
mod swap;

pub use choose::{Choice, choose, waiting};
pub use job::{MergeError, MergeJob, Merged};
pub use swap::{SwapJob, Swapped};
