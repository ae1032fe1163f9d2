//! The nemesis: brings faults to a running cluster and takes them away again. What it brings, it must
//! have seen happen.

mod catalogue;
mod clock;
mod disk;
mod files;
mod machine;
mod members;
mod partition;
mod plugin;
mod process;
mod rot;
mod steer;
mod weather;

use std::fmt;

use rand::rngs::StdRng;

pub use catalogue::{CATALOGUE, Entry, chosen};
pub use machine::{Machine, Need};
pub use plugin::{Plugin, faults_of};

use crate::Failure;
use crate::db::Cluster;

/// What became of a fault that was to be brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was seen to happen, and what was seen.
    Installed(String),
    /// It cannot be brought now, and why.
    Skipped(String),
    /// It was brought, and nothing showed that it happened.
    Indeterminate(String),
}

/// A kind of fault.
pub trait Nemesis {
    /// Brings it, and looks whether it happened. It may take as long as the fault itself takes.
    ///
    /// # Errors
    ///
    /// It may have been brought in part: [`Nemesis::end`] is called all the same.
    fn bring(&mut self, cluster: &mut Cluster, random: &mut StdRng) -> Result<Outcome, Failure>;

    /// Takes it away, as far as that is not for the cluster to do. Does nothing where nothing was
    /// brought.
    ///
    /// # Errors
    ///
    /// It may be there still: the run cannot go on.
    fn end(&mut self, cluster: &mut Cluster) -> Result<(), Failure>;

    /// Waits until the cluster has recovered from it, where that is more than that it is whole. By
    /// then it must have been available again for long.
    ///
    /// # Errors
    ///
    /// It has not.
    fn wait_until_over(&mut self, _: &mut Cluster) -> Result<(), Failure> {
        Ok(())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Installed(what) => write!(f, "installed: {what}"),
            Self::Skipped(why) => write!(f, "skipped: {why}"),
            Self::Indeterminate(why) => write!(f, "indeterminate: {why}"),
        }
    }
}

/// Nodes as people count them.
fn nodes(places: &[usize]) -> String {
    let numbers: Vec<String> = places.iter().map(|place| (place + 1).to_string()).collect();
    let word = if places.len() == 1 { "node" } else { "nodes" };
    format!("{word} {}", numbers.join(", "))
}

/// So many of these, at random.
fn some(places: &[usize], count: usize, random: &mut StdRng) -> Vec<usize> {
    use rand::seq::IndexedRandom as _;
    places.choose_multiple(random, count).copied().collect()
}

/// The most of so many that may be away.
const fn minority(count: usize) -> usize {
    count.saturating_sub(1) / 2
}
