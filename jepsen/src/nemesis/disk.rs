//! Disks that are full, slow, or fail.

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rand::Rng as _;
use rand::rngs::StdRng;
use rustix::fs::{FallocateFlags, fallocate, statvfs};

use super::{Nemesis, Outcome, nodes, some};
use crate::Failure;
use crate::db::{Cluster, Spoiled};

/// How long a fault is waited for to show.
const SHOWN_MAX: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

const NO_PAGE: &str = "its disk cannot be reached";

/// The disk of a node is filled to the last byte.
#[derive(Default)]
pub(super) struct Full(Vec<PathBuf>);

impl Nemesis for Full {
    fn bring(&mut self, cluster: &mut Cluster, random: &mut StdRng) -> Result<Outcome, Failure> {
        let up = cluster.up();
        let count = random.random_range(1..=up.len());
        let places = some(&up, count, random);
        for &place in &places {
            let filler = cluster.node(place)?.disk().join("filler");
            self.0.push(filler.clone());
            fill(&filler)?;
        }
        let mut left = 0;
        for &place in &places {
            let found = statvfs(cluster.node(place)?.disk())?;
            left += found.f_bavail * found.f_bsize;
        }
        let what = format!("{} have {left} bytes left together", nodes(&places));
        let begun = Instant::now();
        while begun.elapsed() < SHOWN_MAX {
            if cluster.says_full(places[0])? {
                return Ok(Outcome::Installed(format!("{what}, and say so")));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(Outcome::Indeterminate(format!("{what}, and do not say so")))
    }

    fn end(&mut self, _: &mut Cluster) -> Result<(), Failure> {
        for filler in self.0.drain(..).filter(|filler| filler.exists()) {
            std::fs::remove_file(filler)?;
        }
        Ok(())
    }
}

/// Takes all the room that is left: in ever smaller pieces, because what a node writes meanwhile
/// makes large ones fail.
fn fill(path: &std::path::Path) -> Result<(), Failure> {
    let file = File::create(path)?;
    let (mut at, mut piece) = (0, 64 << 20);
    while piece >= 4_096 {
        match fallocate(&file, FallocateFlags::empty(), at, piece) {
            Ok(()) => at += piece,
            Err(rustix::io::Errno::NOSPC) => piece /= 2,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// What goes wrong with a disk.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// Every sync of a few nodes takes long.
    SlowSyncs,
    /// Every sync of one node fails: it must end, because what it wrote may be lost.
    FailingSyncs,
    /// Every write of one node fails.
    FailingWrites,
}

/// The disk of some nodes misbehaves.
pub(super) struct Spoil {
    fault: Fault,
    places: Vec<usize>,
}

impl Spoil {
    pub(super) const fn new(fault: Fault) -> Self {
        Self { fault, places: Vec::new() }
    }
}

impl Nemesis for Spoil {
    fn bring(&mut self, cluster: &mut Cluster, random: &mut StdRng) -> Result<Outcome, Failure> {
        let up = cluster.up();
        let errno = libc::EIO.cast_unsigned();
        let (count, spoiled) = match self.fault {
            Fault::SlowSyncs => {
                let sync_delay_us = random.random_range(50_000..400_000);
                (up.len() / 2, Spoiled { sync_delay_us, ..Spoiled::default() })
            }
            Fault::FailingSyncs => (1, Spoiled { sync_errno: errno, ..Spoiled::default() }),
            Fault::FailingWrites => (1, Spoiled { write_errno: errno, ..Spoiled::default() }),
        };
        self.places = some(&up, count.max(1), random);
        for &place in &self.places {
            cluster.node(place)?.page.as_ref().ok_or(NO_PAGE)?.spoil(spoiled)?;
        }
        let begun = Instant::now();
        let what = format!("{spoiled:?} on {}", nodes(&self.places));
        loop {
            let mut least = u64::MAX;
            for &place in &self.places {
                let met = cluster.node(place)?.page.as_ref().ok_or(NO_PAGE)?.met()?;
                least = least.min(match self.fault {
                    Fault::FailingWrites => met.writes,
                    Fault::SlowSyncs | Fault::FailingSyncs => met.syncs,
                });
            }
            if least > 0 {
                return Ok(Outcome::Installed(format!("{what}, met at least {least} times")));
            }
            if begun.elapsed() > SHOWN_MAX {
                return Ok(Outcome::Indeterminate(format!("{what}, not met by all")));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    fn end(&mut self, cluster: &mut Cluster) -> Result<(), Failure> {
        for place in std::mem::take(&mut self.places) {
            let node = cluster.node(place)?;
            node.page.as_ref().ok_or(NO_PAGE)?.set(Spoiled::default())?;
            // A node whose disk fails ends by itself, as it must.
            node.ended()?;
            if !node.is_up() {
                cluster.restart(place)?;
            }
        }
        Ok(())
    }
}
