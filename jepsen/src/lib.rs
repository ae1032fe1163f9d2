//! What clients asked of a cluster and what they were told, and whether that keeps its promises
//! (docs/reliability.md).
//!
//! ```text
//! clients, nemesis ──▶ history ──▶ checker ──▶ verdicts
//!                         └──▶ history.edn, in Jepsen's form, for others to check again
//! ```
//!
//! Nothing here knows how a cluster is reached: a history comes from a simulation or from real
//! processes alike.

pub mod checker;
pub mod history;
