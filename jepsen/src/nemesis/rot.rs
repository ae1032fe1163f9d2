//! Files that change by themselves, or are gone: one node at a time, which the cluster has repaired
//! before the next.

use std::path::Path;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;

use super::files::{cut_one, files, flip_one, garble, has_content};
use super::{Nemesis, Outcome, some};
use crate::Failure;
use crate::db::Cluster;

/// How long the cluster may take until every copy is good again.
const REPAIRED_MAX: Duration = Duration::from_secs(90);
/// How long it may take until shards are closed and merged for good.
const CLOSED_MAX: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What becomes of a file, or of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// A bit of a closed shard's file is flipped while the node runs.
    FlipRunning,
    /// A bit of any file is flipped while the node is down.
    FlipDown,
    /// A file of a shard is cut while the node is down.
    CutDown,
    /// The local catalogue is gone when the node starts.
    CatalogueLost,
    /// The local catalogue is nonsense when the node starts.
    CatalogueGarbled,
}

/// Damages one node.
pub(super) struct Rot {
    damage: Damage,
    damaged: Option<usize>,
}

impl Rot {
    pub(super) const fn new(damage: Damage) -> Self {
        Self { damage, damaged: None }
    }
}

impl Nemesis for Rot {
    fn bring(&mut self, cluster: &mut Cluster, random: &mut StdRng) -> Result<Outcome, Failure> {
        let &[place] = some(&cluster.up(), 1, random).as_slice() else {
            return Ok(Outcome::Skipped("no node is up".to_owned()));
        };
        self.damaged = Some(place);
        let closed = match self.damage {
            Damage::FlipRunning => closed_shards(cluster)?,
            _ => {
                cluster.node(place)?.kill()?;
                Vec::new()
            }
        };
        let data = cluster.node(place)?.data_dir();
        let catalogue = data.join("catalogue");
        let mut found = files(&data)?;
        let what = match self.damage {
            Damage::FlipRunning => {
                found.retain(|path| closed.iter().any(|shard| is_segment_of(path, *shard)));
                flip_one(&found, random)?
            }
            Damage::FlipDown => {
                found.retain(|path| !path.starts_with(&catalogue) && has_content(path));
                flip_one(&found, random)?
            }
            Damage::CutDown => {
                found.retain(|path| path.starts_with(data.join("shards")));
                cut_one(&found, random)?
            }
            Damage::CatalogueLost => {
                std::fs::remove_dir_all(&catalogue)?;
                Some("its catalogue is gone".to_owned())
            }
            Damage::CatalogueGarbled => {
                found.retain(|path| path.starts_with(&catalogue));
                garble(&found, random)?
            }
        };
        Ok(match what {
            Some(what) => Outcome::Installed(format!("node {}: {what}", place + 1)),
            None => Outcome::Skipped("there is no such file yet".to_owned()),
        })
    }

    fn end(&mut self, cluster: &mut Cluster) -> Result<(), Failure> {
        let Some(place) = self.damaged.take() else { return Ok(()) };
        if !cluster.node(place)?.is_up() {
            cluster.restart(place)?;
        }
        Ok(())
    }

    /// A second damage before the first is repaired could take the last good copy.
    fn wait_until_over(&mut self, cluster: &mut Cluster) -> Result<(), Failure> {
        let begun = Instant::now();
        loop {
            let bad = match cluster.verify() {
                Ok(copies) if copies.iter().all(|copy| copy.ok) => return Ok(()),
                Ok(copies) => format!("{:?}", copies.iter().find(|copy| !copy.ok)),
                Err(error) => error.to_string(),
            };
            if begun.elapsed() > REPAIRED_MAX {
                return Err(format!("not repaired after {REPAIRED_MAX:?}: {bad}").into());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

/// Shards that are closed and have their final files on several nodes: those that are to be merged
/// yet may be gone before anybody reads them. Closes what is open when there are none.
fn closed_shards(cluster: &Cluster) -> Result<Vec<u64>, Failure> {
    let begun = Instant::now();
    let mut is_asked = false;
    loop {
        let shards = cluster.status()?.shards;
        let last = shards.iter().filter(|shard| shard.final_nodes.len() > 1);
        let last: Vec<u64> = last.map(|shard| shard.shard).collect();
        if !last.is_empty() || begun.elapsed() > CLOSED_MAX {
            return Ok(last);
        }
        if !is_asked {
            cluster.seal()?;
            is_asked = true;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

fn is_segment_of(path: &Path, shard: u64) -> bool {
    let is_inside = path.components().any(|part| part.as_os_str() == shard.to_string().as_str());
    is_inside && path.extension().is_some_and(|ending| ending == "vseg")
}
