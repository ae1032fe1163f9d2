//! What is done to a cluster between two steps of time.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use varve_env::Disk;
use varve_env::sim::{SimDisk, Survival};

use super::{Node, Running};
use crate::faults::{Action, Shape};
use crate::note;

/// What a disk reads and writes at a time.
const PAGE_BYTES: usize = 4096;

impl Running {
    pub(super) fn act(&mut self, action: Action) {
        let counted = action.name();
        let happened = match action {
            Action::Crash { node, survival } => self.take_down(&node, survival),
            Action::CutPower { node, changes, seed } => {
                let node = self.node(&node);
                if node.up {
                    node.disk.cut_power_after(changes);
                    node.cut_seed = seed;
                }
                // It is counted when it strikes.
                false
            }
            Action::Restart { node } => self.restart(&node),
            Action::Dismiss { node } => {
                let node = self.node(&node);
                (node.may_end, node.is_retired) = (true, true);
                true
            }
            Action::Retire { node } => {
                note(format_args!("{node}: its end is for good"));
                self.take_down(&node, Survival::Everything);
                self.node(&node).is_retired = true;
                true
            }
            Action::Partition { shape, lost } => self.partition(shape, &lost),
            Action::Repair => self.repair(),
            Action::Clog { pair: (one, other) } => {
                note(format_args!("nothing moves between {one} and {other}"));
                self.sim.hold(one, other);
                true
            }
            Action::Unclog { pair: (one, other) } => {
                note(format_args!("{one} and {other}: what was held comes"));
                self.sim.release(one, other);
                true
            }
            Action::Delay { node, latency_max } => self.delay(&node, latency_max),
            Action::Lose { node, permille } => self.lose(&node, permille),
            Action::Skew { node, skew_ns } => {
                note(format_args!("{node}: clock ahead by {skew_ns} ns"));
                self.node(&node).clock.set_skew_ns(skew_ns);
                skew_ns != 0
            }
            Action::Capacity { node, bytes } => {
                note(format_args!("{node}: disk limit {bytes:?}"));
                self.node(&node).disk.set_capacity(bytes);
                true
            }
            Action::Disk { node, fault } => {
                note(format_args!("{node}: {fault:?}"));
                let node = self.node(&node);
                node.disk.inject(fault);
                node.may_end = true;
                true
            }
            Action::SlowDisk { node, job } => {
                note(format_args!("{node}: a job of the disk takes at most {job:?}"));
                self.node(&node).disk.slow_down(job);
                true
            }
            Action::Rot { node, within, seed } => self.rot(&node, &within, seed),
        };
        if happened {
            self.count(counted);
        }
    }

    /// Ends a node; answers whether it was up.
    pub(super) fn take_down(&mut self, name: &str, survival: Survival) -> bool {
        let node = self.node(name);
        if !node.up {
            return false;
        }
        node.up = false;
        note(format_args!("{name}: down, {survival:?}"));
        // The disk first: destructors of the dying tasks must not reach it.
        self.node(name).disk.crash(survival);
        self.sim.crash(name);
        *self.node(name).last_words.lock().unwrap_or_else(PoisonError::into_inner) = None;
        true
    }

    /// Starts a node again; answers whether it was down.
    fn restart(&mut self, name: &str) -> bool {
        let node = self.node(name);
        if node.up || node.is_retired {
            return false;
        }
        node.up = true;
        node.disk.heal();
        node.may_end = node.is_rotten;
        note(format_args!("{name}: up"));
        self.sim.bounce(name);
        true
    }

    fn partition(&mut self, shape: Shape, lost: &[(String, String)]) -> bool {
        note(format_args!("{}: lost are messages {lost:?}", shape.name()));
        for (from, to) in lost {
            self.sim.partition_oneway(from.as_str(), to.as_str());
        }
        true
    }

    fn repair(&mut self) -> bool {
        note("repair");
        for (one, other) in self.hosts.pairs() {
            self.sim.repair(one, other);
        }
        true
    }

    fn delay(&mut self, node: &str, latency_max: Option<Duration>) -> bool {
        note(format_args!("{node}: messages take up to {latency_max:?}"));
        let latency_max = latency_max.unwrap_or(self.latency_max);
        for other in self.others(node) {
            self.sim.set_link_max_message_latency(node, other, latency_max);
        }
        true
    }

    fn lose(&mut self, node: &str, permille: u32) -> bool {
        note(format_args!("{node}: {permille} of 1000 messages break their link"));
        for other in self.others(node) {
            let rate = f64::from(permille) / 1000.0;
            self.sim.set_link_fail_rate(node, other.as_str(), rate);
            if permille == 0 {
                self.sim.repair(node, other);
            }
        }
        true
    }

    /// Changes a file on a disk; answers whether there was one with something in it.
    fn rot(&mut self, name: &str, within: &Path, seed: u64) -> bool {
        let node = self.node(name);
        let Some(what) = spoil(&node.disk, within, seed) else { return false };
        (node.may_end, node.is_rotten) = (true, true);
        note(format_args!("{name}: {what}"));
        true
    }

    fn others(&self, node: &str) -> Vec<String> {
        self.hosts.all().into_iter().filter(|host| host != node).collect()
    }

    pub(super) fn node(&mut self, name: &str) -> &mut Node {
        match self.nodes.get_mut(name) {
            Some(node) => node,
            None => {
                panic!("seed {}: an action names the node {name}, and there is none", self.seed)
            }
        }
    }
}

/// Changes some file as disks do that rot or mistake a place for another, and answers what it did;
/// `None` if no file has a byte. It does that where there is something: in a log most of a file is
/// room for more, which nobody reads.
fn spoil(disk: &SimDisk, within: &Path, seed: u64) -> Option<String> {
    let mut rng = StdRng::seed_from_u64(seed);
    let files = files_below(disk, within).ok()?;
    let of =
        |path: &PathBuf| disk.contents(path).ok().filter(|bytes| bytes.iter().any(|b| *b != 0));
    let files: Vec<(&PathBuf, Vec<u8>)> =
        files.iter().filter_map(|path| Some((path, of(path)?))).collect();
    let (path, bytes) = files.choose(&mut rng)?;
    let shown = path.display();
    let used = bytes.iter().rposition(|byte| *byte != 0)? + 1;
    let (what, spoiled) = match rng.random_range(0..3) {
        0 => {
            let (offset, bit) = (rng.random_range(0..used), rng.random_range(0..8));
            let mut bytes = bytes.clone();
            bytes[offset] ^= 1 << bit;
            (format!("bit {bit} of byte {offset} of {shown} is another"), bytes)
        }
        1 => {
            let len = rng.random_range(0..used);
            (format!("{shown} ends after {len} of {} bytes", bytes.len()), bytes[..len].to_vec())
        }
        _ => {
            let (source, other) = files.choose(&mut rng)?;
            let from = rng.random_range(0..other.len().div_ceil(PAGE_BYTES)) * PAGE_BYTES;
            let to = rng.random_range(0..used.div_ceil(PAGE_BYTES)) * PAGE_BYTES;
            let page = &other[from..other.len().min(from + PAGE_BYTES)];
            let mut bytes = bytes.clone();
            bytes.resize(bytes.len().max(to + page.len()), 0);
            bytes[to..to + page.len()].copy_from_slice(page);
            (format!("what is at {from} of {} is at {to} of {shown}", source.display()), bytes)
        }
    };
    disk.damage(path, |bytes| *bytes = spoiled).ok()?;
    Some(what)
}

/// All files, in the order of their names.
fn files_below(disk: &SimDisk, folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for name in disk.list(folder)? {
        let path = folder.join(name);
        match disk.contents(&path) {
            Ok(_) => files.push(path),
            Err(_) => files.extend(files_below(disk, &path)?),
        }
    }
    Ok(files)
}
