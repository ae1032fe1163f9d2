//! What a run is told.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::client::Target;
use crate::db;

/// Which nodes a run is about.
#[derive(Clone, Debug)]
pub enum Nodes {
    /// Nodes that it starts itself.
    Own(db::Options),
    /// Nodes of somebody else.
    Others(Vec<Target>),
}

/// What a run is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which nodes it is about.
    pub nodes: Nodes,
    /// Decides what clients do and which faults come when.
    pub seed: u64,
    /// Tells the rows of this run from those of others on the same cluster.
    pub begun_s: u64,
    /// How long faults are brought.
    pub duration: Duration,
    /// How long a fault lasts.
    pub fault: Duration,
    /// How long there is none, at least, before the next.
    pub calm: Duration,
    /// Clients that work at once.
    pub clients: u64,
    /// Operations that they begin each second, all together, while nothing is wrong.
    pub rate: u64,
    /// Names of faults.
    pub nemeses: Vec<String>,
    /// A program that brings more.
    pub plugin: Option<PathBuf>,
}

impl Options {
    /// The time, for [`Options::begun_s`].
    #[must_use]
    pub fn now_s() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }

    /// What all rows of this run are found by.
    #[must_use]
    pub fn run_number(&self) -> u64 {
        match self.nodes {
            Nodes::Own(_) => self.seed,
            Nodes::Others(_) => self.seed ^ (self.begun_s << 16),
        }
    }
}
