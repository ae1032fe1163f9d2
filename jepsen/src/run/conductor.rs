//! Brings one fault after the other, and takes each away: notes when, and sees that the cluster is
//! whole before the next.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Named, Options};
use crate::Failure;
use crate::checker::HEAL;
use crate::db::Cluster;
use crate::generator::Schedule;
use crate::history::Recorder;
use crate::nemesis::Outcome;

/// How long a cluster may take until it is whole again. That it answers again soon is for a checker
/// to say.
const WHOLE_MAX: Duration = Duration::from_secs(120);

/// What became of the faults of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Seen to happen.
    pub installed: u64,
    /// Not to be brought just then.
    pub skipped: u64,
    /// Brought, and not seen.
    pub indeterminate: u64,
    /// Why none can ever be brought here.
    pub never: Option<String>,
    /// What was seen last.
    pub last: String,
}

/// By name.
pub type Brought = BTreeMap<String, Tally>;

impl Tally {
    /// Whether one was seen, if any was brought at all.
    #[must_use]
    pub const fn is_seen(&self) -> bool {
        self.installed > 0 || self.indeterminate + self.skipped == 0
    }

    fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Installed(_) => self.installed += 1,
            Outcome::Skipped(_) => self.skipped += 1,
            Outcome::Indeterminate(_) => self.indeterminate += 1,
        }
        self.last = outcome.to_string();
    }
}

/// Brings faults until the run's time is over, and answers what was wrong.
pub(super) fn conduct(
    options: &Options,
    cluster: &mut Cluster,
    faults: &mut [Named],
    recorder: &Recorder,
    brought: &mut Brought,
) -> Vec<String> {
    let mut problems = Vec::new();
    let mut schedule = Schedule::new(options.seed, faults.len());
    let begun = Instant::now();
    while begun.elapsed() < options.duration {
        let Some(fault) = schedule.pick().and_then(|at| faults.get_mut(at)) else {
            std::thread::sleep(options.duration);
            break;
        };
        let mut random = schedule.randomness();
        println!("{:>6.1} s  {}", begun.elapsed().as_secs_f64(), fault.0);
        recorder.note_fault(&fault.0, "begins".to_owned());
        let outcome = fault.1.bring(cluster, &mut random);
        let outcome = outcome.unwrap_or_else(|error| Outcome::Indeterminate(error.to_string()));
        println!("          {outcome}");
        recorder.note_fault(&fault.0, outcome.to_string());
        brought.entry(fault.0.clone()).or_default().count(&outcome);
        if matches!(outcome, Outcome::Skipped(_)) {
            continue;
        }
        std::thread::sleep(options.fault);
        if let Err(error) = recover(cluster, fault, recorder, options.calm) {
            println!("          PROBLEM: {error}");
            problems.push(format!("after {}: {error}; {}", fault.0, cluster.state()));
            // Another fault on top would say nothing about either.
            break;
        }
    }
    problems
}

/// Takes a fault away, and waits until nothing of it is left.
fn recover(
    cluster: &mut Cluster,
    (name, nemesis): &mut Named,
    recorder: &Recorder,
    calm: Duration,
) -> Result<(), Failure> {
    let ended = nemesis.end(cluster);
    // From now on the cluster has no excuse, also where a node has only just been started.
    recorder.note_fault(HEAL, name.clone());
    ended?;
    let healed = Instant::now();
    nemesis.wait_until_over(cluster)?;
    let whole = cluster.wait_until_whole(WHOLE_MAX);
    for place in cluster.places() {
        if let Some(ended) = cluster.node(place)?.ended()? {
            return Err(format!("node {} ended by itself: {ended}", place + 1).into());
        }
    }
    whole?;
    println!("          whole {:.1} s after", healed.elapsed().as_secs_f64());
    std::thread::sleep(calm.saturating_sub(healed.elapsed()));
    Ok(())
}
