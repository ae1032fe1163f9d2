//! Nodes that come and go: one joins and another is emptied and leaves; a disk is gone.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;

use super::{Nemesis, Outcome, some};
use crate::Failure;
use crate::db::Cluster;

/// How long it may take until a node is empty, or an old one can be removed.
const MOVED_MAX: Duration = Duration::from_secs(120);
const LOOK_AGAIN: Duration = Duration::from_millis(300);

/// A node joins, another is drained, removed and ended.
#[derive(Default)]
pub(super) struct JoinAndDrain {
    leaving: Option<usize>,
}

impl Nemesis for JoinAndDrain {
    fn bring(&mut self, cluster: &mut Cluster, random: &mut StdRng) -> Result<Outcome, Failure> {
        let before = cluster.up();
        let joined = cluster.join()?;
        cluster.wait_until_live(joined)?;
        let &[leaving] = some(&before, 1, random).as_slice() else {
            return Ok(Outcome::Skipped("no node is up".to_owned()));
        };
        self.leaving = Some(leaving);
        let number = cluster.number(leaving)?;
        try_until(|| cluster.drain(number))?;
        let state = || -> Result<String, Failure> {
            let nodes = cluster.status()?.nodes;
            let node = nodes.into_iter().find(|node| node.node_id == number);
            Ok(node.ok_or("it is unknown")?.state)
        };
        try_until(|| match state()?.as_str() {
            "DRAINED" => Ok(()),
            state => Err(format!("node {number} is {state}").into()),
        })?;
        Ok(Outcome::Installed(format!("node {} joined, node {} is empty", joined + 1, leaving + 1)))
    }

    fn end(&mut self, cluster: &mut Cluster) -> Result<(), Failure> {
        let Some(leaving) = self.leaving.take() else { return Ok(()) };
        let number = cluster.number(leaving)?;
        cluster.forget(leaving);
        try_until(|| cluster.remove(number))?;
        // It may have ended by itself, as one that is no member does.
        let node = cluster.node(leaving)?;
        node.ended()?;
        if node.is_up() {
            node.stop()?;
        }
        Ok(())
    }
}

/// A node dies and loses its disk, and comes back at its address as a new node.
#[derive(Default)]
pub(super) struct ReplaceDisk {
    /// The place, and the number that the node had.
    replaced: Option<(usize, u64)>,
}

impl Nemesis for ReplaceDisk {
    fn bring(&mut self, cluster: &mut Cluster, random: &mut StdRng) -> Result<Outcome, Failure> {
        let &[place] = some(&cluster.up(), 1, random).as_slice() else {
            return Ok(Outcome::Skipped("no node is up".to_owned()));
        };
        let number = cluster.number(place)?;
        self.replaced = Some((place, number));
        let node = cluster.node(place)?;
        node.kill()?;
        std::fs::remove_dir_all(node.data_dir())?;
        Ok(Outcome::Installed(format!("node {} is dead and its disk is empty", place + 1)))
    }

    fn end(&mut self, cluster: &mut Cluster) -> Result<(), Failure> {
        let Some((place, _)) = self.replaced else { return Ok(()) };
        cluster.restart(place)
    }

    fn wait_until_over(&mut self, cluster: &mut Cluster) -> Result<(), Failure> {
        let Some((place, old)) = self.replaced.take() else { return Ok(()) };
        cluster.wait_until_live(place)?;
        let new = cluster.number(place)?;
        if new == old {
            return Err(format!("an empty disk came back as node {old}").into());
        }
        // Once it is lost, and others hold what it held.
        try_until(|| cluster.remove(old))
    }
}

fn try_until(mut attempt: impl FnMut() -> Result<(), Failure>) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        match attempt() {
            Ok(()) => return Ok(()),
            Err(error) if begun.elapsed() > MOVED_MAX => return Err(error),
            Err(_) => std::thread::sleep(LOOK_AGAIN),
        }
    }
}
