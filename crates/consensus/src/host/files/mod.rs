//! Files of shards between nodes: snapshots that come, and copies of closed shards.

mod install;
