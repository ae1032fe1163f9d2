//! What an operator may do at any time: move leaderships, and seal what is open.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::{Nemesis, Outcome};
use crate::Failure;
use crate::db::Cluster;

/// Leaderships moved, one after the other.
const MOVES: usize = 8;
/// Seals, one after the other.
const SEALS: usize = 3;
const BETWEEN: Duration = Duration::from_millis(500);

/// Open shards are led by other nodes, again and again.
pub(super) struct MoveLeaders;

impl Nemesis for MoveLeaders {
    fn bring(&mut self, cluster: &mut Cluster, random: &mut StdRng) -> Result<Outcome, Failure> {
        let (mut moved, mut last) = (0, "no shard is open".to_owned());
        for _ in 0..MOVES {
            let shards = cluster.status()?.shards;
            let open: Vec<_> = shards.iter().filter(|shard| shard.state == "OPEN").collect();
            let Some(shard) = open.choose(random) else { continue };
            let others = shard.replica_nodes.iter().filter(|node| **node != shard.leader_node);
            let others: Vec<u64> = others.copied().collect();
            let Some(&to) = others.choose(random) else { continue };
            // A shard may be sealed meanwhile.
            match cluster.transfer_leader(shard.shard, to) {
                Ok(()) => moved += 1,
                Err(error) => last = error.to_string(),
            }
            std::thread::sleep(BETWEEN);
        }
        Ok(if moved > 0 {
            Outcome::Installed(format!("{moved} leaderships moved"))
        } else {
            Outcome::Indeterminate(last)
        })
    }

    fn end(&mut self, _: &mut Cluster) -> Result<(), Failure> {
        Ok(())
    }
}

/// Everything that is open is sealed, and successors take over, again and again.
pub(super) struct Seal;

impl Nemesis for Seal {
    fn bring(&mut self, cluster: &mut Cluster, _: &mut StdRng) -> Result<Outcome, Failure> {
        let mut sealed = 0;
        for _ in 0..SEALS {
            sealed += cluster.seal()?;
            std::thread::sleep(BETWEEN);
        }
        let what = format!("{sealed} shards sealed");
        Ok(if sealed > 0 { Outcome::Installed(what) } else { Outcome::Indeterminate(what) })
    }

    fn end(&mut self, _: &mut Cluster) -> Result<(), Failure> {
        Ok(())
    }
}
