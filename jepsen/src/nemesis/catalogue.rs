//! All faults by name, with what each needs; also those that cannot be brought to processes, with why.

use std::time::Duration;

use super::Nemesis;
use super::clock::{Jump, Strobe};
use super::disk::{Fault, Full, Spoil};
use super::machine::{Machine, Need};
use super::members::{JoinAndDrain, ReplaceDisk};
use super::partition::{Partition, Shape};
use super::process::{Kill, Pause, RollingRestart, Whom};
use super::rot::{Damage, Rot};
use super::steer::{MoveLeaders, Seal};
use super::weather::{Blow, Clog};
use crate::Failure;
use crate::db::Wind;

/// A kind of fault.
pub struct Entry {
    /// Its name. What stands before the first `-` is a name for all that begin with it.
    pub name: &'static str,
    /// What happens.
    pub what: &'static str,
    /// What it needs.
    pub needs: &'static [Need],
    /// Makes it; `None` for what is never possible.
    pub make: Option<fn() -> Box<dyn Nemesis>>,
}

const OWN: &[Need] = &[Need::Own];
const NETWORK: &[Need] = &[Need::Own, Need::Network];
const TUN: &[Need] = &[Need::Own, Need::Network, Need::Tun];
const PRELOAD: &[Need] = &[Need::Own, Need::Preload];
const MOUNTS: &[Need] = &[Need::Own, Need::Mounts];
const POWER: &[Need] = &[Need::Never(
    "a process cannot lose what the kernel holds: it takes a device mapper, or the simulation",
)];
const MISDIRECTED: &[Need] =
    &[Need::Never("a write cannot be sent elsewhere: it takes a device mapper, or the simulation")];
const UPGRADE: &[Need] = &[Need::Never("there is one version so far, and nothing to upgrade from")];

/// A wind of so many ms, with jitter, and packets lost and doubled of a thousand.
const fn wind(delay_ms: u64, jitter_ms: u64, lost_of_1000: u32, twice_of_1000: u32) -> Wind {
    let (delay, jitter) = (Duration::from_millis(delay_ms), Duration::from_millis(jitter_ms));
    Wind { delay, jitter, lost_of_1000, twice_of_1000, is_clogged: false }
}

macro_rules! entries {
    ($($name:literal, $what:literal, $needs:expr, $make:expr;)*) => {
        &[$(Entry {
            name: $name,
            what: $what,
            needs: $needs,
            make: Some(|| Box::new($make)),
        }),*]
    };
}

/// What can be brought where the machine allows it.
const POSSIBLE: &[Entry] = entries! {
    "partition-one", "one node is cut off", NETWORK, Partition(Shape::One);
    "partition-halves", "a minority is cut off", NETWORK, Partition(Shape::Halves);
    "partition-leader", "a minority with the leader is cut off", NETWORK, Partition(Shape::LeaderAway);
    "partition-ring", "each node sees another majority", NETWORK, Partition(Shape::Ring);
    "partition-bridge", "one node sees two halves", NETWORK, Partition(Shape::Bridge);
    "partition-directed", "a minority is cut off in one direction", NETWORK, Partition(Shape::OneWay);
    "weather-late", "packets come late", TUN, Blow(wind(60, 20, 0, 0));
    "weather-lost", "packets are lost", TUN, Blow(wind(0, 0, 50, 0));
    "weather-twice", "packets come twice", TUN, Blow(wind(0, 2, 0, 200));
    "weather-reordered", "packets overtake each other", TUN, Blow(wind(1, 30, 0, 0));
    "weather-clogged", "links hold everything back, and let it through at once", TUN, Clog;
    "kill-one", "kill -9 of one node", OWN, Kill::new(Whom::One);
    "kill-leader", "kill -9 of the node that leads most", OWN, Kill::new(Whom::Leader);
    "kill-majority", "kill -9 of a majority at once", OWN, Kill::new(Whom::Majority);
    "kill-all", "kill -9 of all nodes at once", OWN, Kill::new(Whom::All);
    "pause-one", "a node stands still past the election timeout", OWN, Pause::new(Whom::One);
    "pause-leader", "the node that leads most stands still", OWN, Pause::new(Whom::Leader);
    "pause-majority", "a majority stands still", OWN, Pause::new(Whom::Majority);
    "clock-jump", "wall clocks jump", PRELOAD, Jump::default();
    "clock-strobe", "wall clocks jump to and fro", PRELOAD, Strobe::default();
    "members-join-drain", "a node joins, another is emptied and removed", OWN, JoinAndDrain::default();
    "members-new-disk", "a node dies, and comes back on an empty disk", OWN, ReplaceDisk::default();
    "leaders-move", "leaderships are moved", OWN, MoveLeaders;
    "seal", "open shards are sealed", OWN, Seal;
    "restart-rolling", "each node is restarted in turn", OWN, RollingRestart;
    "disk-full", "disks are full", MOUNTS, Full::default();
    "disk-slow", "syncs take long", PRELOAD, Spoil::new(Fault::SlowSyncs);
    "disk-sync-fails", "syncs fail", PRELOAD, Spoil::new(Fault::FailingSyncs);
    "disk-write-fails", "writes fail", PRELOAD, Spoil::new(Fault::FailingWrites);
    "rot-running", "a bit of a closed shard's file is flipped while its node runs", OWN,
        Rot::new(Damage::FlipRunning);
    "rot-down", "a bit of any file is flipped while its node is down", OWN,
        Rot::new(Damage::FlipDown);
    "rot-cut", "a file of a shard is cut while its node is down", OWN, Rot::new(Damage::CutDown);
    "catalogue-lost", "a node starts without its catalogue", OWN, Rot::new(Damage::CatalogueLost);
    "catalogue-garbled", "a node starts with a catalogue of nonsense", OWN,
        Rot::new(Damage::CatalogueGarbled);
};

/// What cannot be brought to real processes, so that nobody takes its absence for a success.
const IMPOSSIBLE: &[Entry] = &[
    Entry {
        name: "power-lost",
        what: "unsynced writes are lost or torn",
        needs: POWER,
        make: None,
    },
    Entry {
        name: "disk-misdirected",
        what: "a write goes to another place",
        needs: MISDIRECTED,
        make: None,
    },
    Entry { name: "upgrade-rolling", what: "each node is upgraded", needs: UPGRADE, make: None },
];

/// All kinds, in the order in which they are listed.
pub const CATALOGUE: [&[Entry]; 2] = [POSSIBLE, IMPOSSIBLE];

/// The entries of these names: a whole name, the beginning of some, or `all`.
///
/// # Errors
///
/// There is none of a name.
pub fn chosen(names: &[String]) -> Result<Vec<&'static Entry>, Failure> {
    let all = || CATALOGUE.iter().copied().flatten();
    for name in names {
        if !all().any(|entry| entry.is_called(name)) {
            return Err(format!("there is no nemesis {name:?}: see `varve-jepsen nemeses`").into());
        }
    }
    Ok(all().filter(|entry| names.iter().any(|name| entry.is_called(name))).collect())
}

impl Entry {
    fn is_called(&self, name: &str) -> bool {
        let rest = self.name.strip_prefix(name);
        name == "all" || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }

    /// Why it cannot be brought, if so.
    #[must_use]
    pub fn why_not(&self, machine: &Machine) -> Option<String> {
        self.needs.iter().find_map(|need| machine.lacks(*need))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_choose_one_or_a_kind_and_are_checked() {
        let names = |chosen: &[&str]| -> Vec<&str> {
            let chosen: Vec<String> = chosen.iter().map(|&name| name.to_owned()).collect();
            super::chosen(&chosen).expect("known").iter().map(|entry| entry.name).collect()
        };
        assert_eq!(names(&["kill-one"]), ["kill-one"]);
        assert_eq!(
            names(&["pause", "seal"]),
            ["pause-one", "pause-leader", "pause-majority", "seal"]
        );
        assert_eq!(names(&["all"]).len(), CATALOGUE.iter().copied().flatten().count());
        assert!(chosen(&["dance".to_owned()]).is_err());
    }
}
