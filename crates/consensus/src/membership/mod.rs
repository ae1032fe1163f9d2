//! Who holds what: replicas that come where one is missing and go where one is too many, copies of
//! closed shards, nodes that are gone for good, and who leads.
//!
//! A replica comes in steps: the catalog names it, its node starts it, the group's leader takes it
//! in, first to learn and then to vote, and once that is committed the catalog counts it. It goes
//! in steps: the catalog says that it leaves, the leader changes the group, and once that is
//! committed the catalog forgets it and its node removes the files. Where one comes for one that
//! goes, the group changes once. So a group never counts on a copy that is gone.
//!
//! [`plan`] decides, and keeps no state. Groups change their own members ([`crate::group`]).

mod groups;
mod leaders;
mod moves;
mod nodes;
mod plan;

pub(crate) use moves::Move;
pub(crate) use plan::{candidates, plan};
