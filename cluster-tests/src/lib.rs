//! Whole nodes in one deterministic world: a simulated network, simulated disks, virtual time,
//! and a seed that replays every run bit for bit, in this process or another.
//!
//! ```text
//! Simulation::new(seed)
//!     .node("a", |world| async move { … serve, with world.env … })
//!     .client("load", |world| async move { … check … })
//!     .under(Crashes::default())
//!     .run()                                   → Report { digest, … }
//! ```
//!
//! What makes a run repeatable: turmoil's own seed; [`entropy`] under every library that asks the
//! system for randomness, and clocks of virtual time under those that ask it for the time; a fresh
//! thread a run, so that no thread-local state is left over, and a
//! fresh process where the run shall repeat bit for bit ([`seeds`]); and `varve_env::sim` for all
//! else. What shows that it was: the [`TraceDigest`], over everything
//! that was [`note`]d and every log line of our own crates, with its virtual time.
//!
//! This crate knows nothing of logs: its tests do.

mod clocks;
pub mod entropy;
mod faults;
mod levers;
mod observe;
mod panics;
mod report;
mod running;
pub mod seeds;
mod simulation;
mod trace;

pub use faults::{
    Action, Clogs, Crashes, Delays, Episodes, FailingDisks, FullDisks, Hazard, Hosts, Losses,
    Partitions, Plan, Rot, Shape, Skews, SlowDisks,
};
pub use levers::Levers;
pub use report::{Failure, Report};
pub use simulation::{Ended, Simulation, World};
pub use trace::{TraceDigest, note};
