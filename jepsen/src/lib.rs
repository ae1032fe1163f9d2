//! What clients asked of a cluster and what they were told, and whether that keeps its promises
//! (docs/reliability.md).
//!
//! ```text
//! generator ─▶ clients ─▶ history ─▶ checker ─▶ verdicts
//! schedule ──▶ nemesis ──────┘ └─▶ report: history.edn, latency.svg, summary.json
//!                 └─▶ db: the nodes, their disks and their network
//! ```
//!
//! `history` and `checker` know nothing of how a cluster is reached: a history comes from a
//! simulation or from real processes alike. The other modules are the harness for real processes.

pub mod checker;
pub mod client;
pub mod db;
pub mod generator;
pub mod history;
pub mod nemesis;
pub mod report;
pub mod run;

/// Why something of the harness itself could not be done: no finding about a cluster.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
