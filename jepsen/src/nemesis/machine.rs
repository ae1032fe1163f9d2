//! What this machine lets the nemesis do: found by trying, never by guessing from a version.

use std::collections::BTreeMap;
use std::fmt;
use std::process::Command;

use crate::db;

/// What a fault needs of the machine, or of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Nodes that this run starts itself.
    Own,
    /// Network namespaces, and a router between them that drops what it is told to.
    Network,
    /// TUN devices.
    Tun,
    /// A C compiler, for the library between a node and its clock and disk.
    Preload,
    /// Mounts of a size.
    Mounts,
    /// What no machine has: the text says what.
    Never(&'static str),
}

/// What the machine lacks.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    lacks: BTreeMap<Need, String>,
}

impl Machine {
    /// Tries everything. `is_own` tells whether this run starts the nodes.
    #[must_use]
    pub fn probe(is_own: bool) -> Self {
        let mut lacks = BTreeMap::new();
        let mut note = |need, why: Option<String>| why.map(|why| lacks.insert(need, why));
        if !is_own {
            note(Need::Own, Some("the nodes are not this run's own".to_owned()));
            return Self { lacks };
        }
        let network = if db::is_own() { None } else { db::why_not() };
        // Whoever may have networks of its own may have devices and mounts in them.
        note(Need::Tun, network.clone().or_else(|| tried("test -c /dev/net/tun")));
        note(Need::Mounts, network.clone());
        note(Need::Network, network);
        note(Need::Preload, tried("command -v cc"));
        Self { lacks }
    }

    /// Why something is not to be had, if so.
    #[must_use]
    pub fn lacks(&self, need: Need) -> Option<String> {
        match need {
            Need::Never(why) => Some(why.to_owned()),
            // What needs more than addresses needs nodes of its own.
            need => self.lacks.get(&Need::Own).or_else(|| self.lacks.get(&need)).cloned(),
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own => "nodes of its own",
            Self::Network => "network namespaces",
            Self::Tun => "TUN devices",
            Self::Preload => "a C compiler",
            Self::Mounts => "mounts",
            Self::Never(what) => what,
        })
    }
}

/// Why a command fails, if it does.
fn tried(script: &str) -> Option<String> {
    match Command::new("sh").args(["-c", script]).output() {
        Ok(output) if output.status.success() => None,
        Ok(_) => Some(format!("`{script}` fails here")),
        Err(error) => Some(format!("no shell: {error}")),
    }
}
