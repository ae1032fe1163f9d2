//! Hosts over simulated disks: founding, restarting, rolling over, crashing, and three together.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod closed;
mod cluster;
mod compare;
mod computer;
mod crash;
mod flush;
mod membership;
mod memory;
mod merge;
mod producer;
mod reports;
mod restart;
mod rollover;
mod snapshots;
mod switchboard;
