//! The log as its users see it: against a model, through crashes, rot, full and failing disks.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod arbitrary;
mod crash;
mod failing;
mod full;
mod model;
mod reading;
mod recycling;
mod rot;
mod script;
mod world;
