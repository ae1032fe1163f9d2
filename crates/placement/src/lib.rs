//! Where replicas go and who leads: how many buckets a window has, which nodes hold each of them,
//! which one more or one less, and which leadership moves.
//!
//! Pure decisions over a list of nodes. It knows nothing of Raft, time or the catalog. Shards are
//! never moved for balance: new windows are placed on the nodes that exist then, and a copy is made
//! only where one is missing.

mod buckets;
mod leaders;
mod replicas;

pub use buckets::{BUCKET_BITS_MAX, WindowLoad, bucket_bits};
pub use leaders::{Led, choose_transfer};
pub use replicas::{
    Candidate, PlacementError, Standing, Swap, choose_addition, choose_replicas, choose_spare,
    choose_swap, metadata_voters, place, replica_count,
};
