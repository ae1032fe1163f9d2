//! The write-ahead log: one per disk, shared by all Raft groups on it.
//!
//! # Promises
//!
//! - What was answered is on the disk: rounds of records are written and synced together, and
//!   only then answered, in the order of the calls.
//! - What cannot be read back is never served and never silently cut. A torn last write and rot
//!   look alike where they happen; each record says what was synced before it was written, so
//!   later records tell them apart (`recovery`). Only in the very last round, until the idle
//!   round 10 ms after it, rot looks like a tear.
//! - Damage to one group's records costs no other group its own, as long as the chain proves it.
//! - A failed write or fsync ends the process: it is never tried again.
//! - A full disk refuses entries, and still takes votes, truncations and purges.
//!
//! # How a record lives
//!
//! ```text
//! WalGroup ──▶ shared (memory: readable at once) ──▶ queue ──▶ writer: one round, one sync
//!                        ▲                                         │ answers, in order
//!                        └──────── where the entries are ──────────┘
//! ```
//!
//! Files come from spares and go back to them (`folder`); each begins with a checkpoint of
//! every group, so that only live entries keep older files. A group that lags keeps them for
//! everybody: [`Wal::pinning`] names it, its owner makes it flush and purge.
//!
//! Payloads are opaque. Not here: locking the folder against a second process, and anything
//! that knows what a vote or an entry means.

mod cache;
mod error;
mod folder;
mod format;
mod group;
mod index;
mod options;
mod queue;
mod read;
mod recovery;
mod round;
mod shared;
mod stats;
mod wal;
mod writer;
mod written;

pub use error::WalError;
pub use group::{Outcome, WalGroup};
pub use index::GroupState;
pub use options::{OnFatal, OnRound, WalOptions};
pub use recovery::{Cut, DamagedPlace, RecoveryReport};
pub use stats::{Pin, WalStats};
pub use wal::Wal;
