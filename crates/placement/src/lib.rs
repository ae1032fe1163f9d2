//! Where new shards go: how many buckets a window has, and which nodes hold each of them.
//!
//! Pure decisions over a list of nodes. It knows nothing of Raft, time or the catalog, and never
//! moves a shard: only shards of new windows are placed, on the nodes that exist then.

mod buckets;
mod replicas;

pub use buckets::bucket_bits;
pub use replicas::{Candidate, PlacementError, Standing, choose_replicas, place};
