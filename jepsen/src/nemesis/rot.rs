//! Files that change by themselves, or are gone: one node at a time, which the cluster has repaired
//! before the next.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::{Nemesis, Outcome, some};
use crate::Failure;
use crate::db::Cluster;

/// How long the cluster may take until every copy is good again.
const REPAIRED_MAX: Duration = Duration::from_secs(90);
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

fn closed_shards(cluster: &Cluster) -> Result<Vec<u64>, Failure> {
    let status = cluster.status()?;
    // Files that are to be merged yet may be gone before anybody reads them.
    let last = status.shards.iter().filter(|shard| !shard.final_nodes.is_empty());
    Ok(last.map(|shard| shard.shard).collect())
}

fn is_segment_of(path: &Path, shard: u64) -> bool {
    let is_inside = path.components().any(|part| part.as_os_str() == shard.to_string().as_str());
    is_inside && path.extension().is_some_and(|ending| ending == "vseg")
}

/// A lock is empty, and what is set aside holds nothing.
fn has_content(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name != "LOCK" && name != "reserve.log" && !name.starts_with("spare")
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        // What is removed meanwhile is not looked for.
        match path.metadata() {
            Ok(about) if about.is_dir() => found.extend(files(&path)?),
            Ok(about) if about.len() > 0 => found.push(path),
            _ => {}
        }
    }
    found.sort();
    Ok(found)
}

/// Flips a bit of one of these files, in what was written of it: files of a log are longer.
fn flip_one(files: &[PathBuf], random: &mut StdRng) -> Result<Option<String>, Failure> {
    let Some(path) = files.choose(random) else { return Ok(None) };
    let bytes = std::fs::read(path)?;
    let Some(last) = bytes.iter().rposition(|&byte| byte != 0) else { return Ok(None) };
    let at = random.random_range(0..=last);
    let flipped = bytes[at] ^ (1 << random.random_range(0..8));
    let file = File::options().write(true).open(path)?;
    file.write_all_at(&[flipped], at as u64)?;
    file.sync_all()?;
    Ok(Some(format!("a bit is flipped at byte {at} of {}", path.display())))
}

fn cut_one(files: &[PathBuf], random: &mut StdRng) -> Result<Option<String>, Failure> {
    let Some(path) = files.choose(random) else { return Ok(None) };
    let file = File::options().write(true).open(path)?;
    let bytes = random.random_range(0..file.metadata()?.len());
    file.set_len(bytes)?;
    file.sync_all()?;
    Ok(Some(format!("{} is cut to {bytes} bytes", path.display())))
}

fn garble(files: &[PathBuf], random: &mut StdRng) -> Result<Option<String>, Failure> {
    if files.is_empty() {
        return Ok(None);
    }
    for path in files {
        let mut bytes = std::fs::read(path)?;
        random.fill(&mut bytes[..]);
        std::fs::write(path, bytes)?;
    }
    Ok(Some(format!("the {} files of its catalogue are nonsense", files.len())))
}
