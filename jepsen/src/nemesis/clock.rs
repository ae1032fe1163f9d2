//! Wall clocks that jump, and that jump to and fro all the while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rand::Rng as _;
use rand::rngs::StdRng;

use super::{Nemesis, Outcome, nodes, some};
use crate::Failure;
use crate::db::{Cluster, Page, Spoiled};

/// Nodes whose clocks are further apart than five minutes refuse each other, which is another fault.
const OFF_MAX_S: i64 = 140;

/// How long a wrong clock is waited for to be read.
const LOOK: Duration = Duration::from_secs(2);

/// How often a clock jumps to and fro.
const STROBE: Duration = Duration::from_millis(10);

const NO_PAGE: &str = "its clock cannot be reached";

/// Some clocks jump, and stay wrong.
#[derive(Default)]
pub(super) struct Jump(Vec<usize>);

impl Nemesis for Jump {
    fn bring(&mut self, cluster: &mut Cluster, random: &mut StdRng) -> Result<Outcome, Failure> {
        let places = cluster.up();
        let count = random.random_range(1..=places.len());
        let mut told = Vec::new();
        for place in some(&places, count, random) {
            let off_s = random.random_range(-OFF_MAX_S..=OFF_MAX_S);
            let page = cluster.node(place)?.page.as_ref().ok_or(NO_PAGE)?;
            page.spoil(off_by(off_s))?;
            self.0.push(place);
            told.push(format!("node {} by {off_s} s", place + 1));
        }
        let what = told.join(", ");
        seen(cluster, &self.0, &what)
    }

    fn end(&mut self, cluster: &mut Cluster) -> Result<(), Failure> {
        set_right(cluster, &mut self.0)
    }
}

/// Some clocks jump to and fro, a hundred times a second.
#[derive(Default)]
pub(super) struct Strobe {
    places: Vec<usize>,
    is_over: Arc<AtomicBool>,
    strobes: Vec<JoinHandle<Result<(), Failure>>>,
}

impl Nemesis for Strobe {
    fn bring(&mut self, cluster: &mut Cluster, random: &mut StdRng) -> Result<Outcome, Failure> {
        let places = cluster.up();
        let count = random.random_range(1..=places.len());
        self.is_over = Arc::default();
        for place in some(&places, count, random) {
            let off_s = random.random_range(1..=OFF_MAX_S);
            let page = cluster.node(place)?.page.as_ref().ok_or(NO_PAGE)?.reopen()?;
            page.spoil(off_by(off_s))?;
            self.places.push(place);
            let is_over = Arc::clone(&self.is_over);
            self.strobes.push(std::thread::spawn(move || strobe(&page, off_s, &is_over)));
        }
        let what = format!("{} to and fro", nodes(&self.places));
        seen(cluster, &self.places, &what)
    }

    fn end(&mut self, cluster: &mut Cluster) -> Result<(), Failure> {
        self.is_over.store(true, Ordering::Relaxed);
        for strobe in self.strobes.drain(..) {
            strobe.join().map_err(|_| "a strobe panicked")??;
        }
        set_right(cluster, &mut self.places)
    }
}

fn strobe(page: &Page, off_s: i64, is_over: &AtomicBool) -> Result<(), Failure> {
    for turn in 0_u64.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let off_s = if turn.is_multiple_of(2) { off_s } else { -off_s };
        page.set(off_by(off_s))?;
        std::thread::sleep(STROBE);
    }
    Ok(())
}

fn off_by(off_s: i64) -> Spoiled {
    Spoiled { clock_offset_ns: off_s * 1_000_000_000, ..Spoiled::default() }
}

/// Whether all of these nodes were told wrong times.
fn seen(cluster: &mut Cluster, places: &[usize], what: &str) -> Result<Outcome, Failure> {
    std::thread::sleep(LOOK);
    let mut told = 0;
    for &place in places {
        let times = cluster.node(place)?.page.as_ref().ok_or(NO_PAGE)?.met()?.times;
        if times == 0 {
            return Ok(Outcome::Indeterminate(format!("node {} read no clock", place + 1)));
        }
        told += times;
    }
    Ok(Outcome::Installed(format!("{what}; a wrong time was told {told} times")))
}

fn set_right(cluster: &mut Cluster, places: &mut Vec<usize>) -> Result<(), Failure> {
    for place in places.drain(..) {
        cluster.node(place)?.page.as_ref().ok_or(NO_PAGE)?.set(Spoiled::default())?;
    }
    Ok(())
}
