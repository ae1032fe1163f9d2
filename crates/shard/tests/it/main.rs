//! One shard on a simulated disk: what it decides, what it keeps, and what a crash or rot leaves.

mod borrowing;
mod catalogue;
mod corruption;
mod crash;
mod cutting;
mod determinism;
mod lifecycle;
mod merge_crash;
mod merging;
mod world;
