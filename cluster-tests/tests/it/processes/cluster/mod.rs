//! Clusters of real processes on loopback, under load, while nodes come, go, stand still and die.
//!
//! What was acknowledged must be there once, through every node, and copies must be alike. Sizes
//! are for a quick run; `VARVE_KILLS` has leaders killed more often.

mod copies;
mod failures;
mod members;
mod network;
mod nodes;
mod overload;
mod partition;
mod reads;
mod restarts;
mod script;
mod wrong_joins;
