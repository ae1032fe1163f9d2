//! Rollover: how a bucket's writes move from its shard to the successors.
//!
//! 1. *Prepare*: the catalog names successors; their replicas start, elect, and refuse writes.
//! 2. *Seal*: committed in the old shard. What follows it is rejected and sent to the successors.
//! 3. *Inherit*: each successor is given what its predecessors remember of producers, and only
//!    then takes writes; the catalog says so.
//! 4. *Close*: replicas write out what they hold up to the seal. When a quorum reports the same
//!    rows and digest, the catalog says so, and the old group goes.
//!
//! [`plan`] decides from the catalog and from what replicas report, and keeps no state: after a
//! crash anywhere the next look continues. Doing a step twice changes nothing. Only the node that
//! leads the metadata group acts on it ([`crate::driver`]). Giving up a successor whose nodes are
//! gone is not implemented: its bucket's old shard takes the writes meanwhile.

mod control;
mod plan;

pub(crate) use control::{ControlReply, ControlRequest};
pub(crate) use plan::{Step, plan};
