//! Processes that die, stand still, or are restarted in turn.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rustix::process::Signal;

use super::{Nemesis, Outcome, minority, nodes, some};
use crate::Failure;
use crate::db::Cluster;

/// How long a cluster may take after one node was restarted, until the next one is.
const TURN_MAX: Duration = Duration::from_secs(60);

/// What the system calls the state of a process that stands still, and how long it may take.
const STOPPED: char = 'T';
const STOPPED_MAX: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How many nodes something happens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    One,
    /// Whoever leads most.
    Leader,
    Majority,
    All,
}

impl Whom {
    fn of(self, cluster: &Cluster, random: &mut StdRng) -> Result<Vec<usize>, Failure> {
        let up = cluster.up();
        Ok(match self {
            Self::One => some(&up, 1, random),
            Self::Leader => vec![cluster.leader()?],
            Self::Majority => some(&up, up.len() - minority(up.len()), random),
            Self::All => up,
        })
    }
}

/// kill -9.
pub(super) struct Kill {
    whom: Whom,
    killed: Vec<usize>,
}

impl Kill {
    pub(super) const fn new(whom: Whom) -> Self {
        Self { whom, killed: Vec::new() }
    }
}

impl Nemesis for Kill {
    fn bring(&mut self, cluster: &mut Cluster, random: &mut StdRng) -> Result<Outcome, Failure> {
        for place in self.whom.of(cluster, random)? {
            self.killed.push(place);
            let ended = cluster.node(place)?.kill()?;
            if !ended.contains("signal: 9") {
                return Ok(Outcome::Indeterminate(format!("node {} ended: {ended}", place + 1)));
            }
        }
        Ok(Outcome::Installed(format!("{} ended by signal 9", nodes(&self.killed))))
    }

    fn end(&mut self, cluster: &mut Cluster) -> Result<(), Failure> {
        for place in std::mem::take(&mut self.killed) {
            cluster.restart(place)?;
        }
        Ok(())
    }
}

/// SIGSTOP and SIGCONT: nobody is told, and connections stay.
pub(super) struct Pause {
    whom: Whom,
    paused: Vec<usize>,
}

impl Pause {
    pub(super) const fn new(whom: Whom) -> Self {
        Self { whom, paused: Vec::new() }
    }
}

impl Nemesis for Pause {
    fn bring(&mut self, cluster: &mut Cluster, random: &mut StdRng) -> Result<Outcome, Failure> {
        for place in self.whom.of(cluster, random)? {
            cluster.node(place)?.signal(Signal::STOP)?;
            self.paused.push(place);
        }
        let begun = Instant::now();
        for &place in &self.paused {
            // A process stands still once each of its threads has heard of it.
            while cluster.node(place)?.state()? != STOPPED {
                if begun.elapsed() > STOPPED_MAX {
                    return Ok(Outcome::Indeterminate(format!("node {} goes on", place + 1)));
                }
                std::thread::sleep(LOOK_AGAIN);
            }
        }
        Ok(Outcome::Installed(format!("{} stand still", nodes(&self.paused))))
    }

    fn end(&mut self, cluster: &mut Cluster) -> Result<(), Failure> {
        for place in std::mem::take(&mut self.paused) {
            cluster.node(place)?.signal(Signal::CONT)?;
        }
        Ok(())
    }
}

/// Each node is ended with SIGTERM and started again, one after the other.
pub(super) struct RollingRestart;

impl Nemesis for RollingRestart {
    fn bring(&mut self, cluster: &mut Cluster, _: &mut StdRng) -> Result<Outcome, Failure> {
        let places = cluster.places();
        for &place in &places {
            let ended = cluster.node(place)?.stop()?;
            cluster.restart(place)?;
            if ended != "exit status: 0" {
                return Ok(Outcome::Indeterminate(format!("node {} ended: {ended}", place + 1)));
            }
            cluster.wait_until_live(place)?;
            cluster.wait_until_whole(TURN_MAX)?;
        }
        Ok(Outcome::Installed(format!("{} ended well, one after the other", nodes(&places))))
    }

    fn end(&mut self, cluster: &mut Cluster) -> Result<(), Failure> {
        for place in cluster.places() {
            if !cluster.node(place)?.is_up() {
                cluster.restart(place)?;
            }
        }
        Ok(())
    }
}
