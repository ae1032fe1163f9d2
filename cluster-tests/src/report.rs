//! What a run shows in the end.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::{TraceDigest, seeds};

/// Events printed when a run fails, if not all are asked for.
const EVENTS_SHOWN: usize = 60;

/// A run that went well.
#[derive(Clone, Debug)]
pub struct Report {
    /// The same for every run of the seed.
    pub digest: TraceDigest,
    /// How much virtual time passed.
    pub elapsed: Duration,
    /// How often each fault was seen to happen, by its name. A fault that found nothing to strike
    /// (a crash of a node that was down) is not counted.
    pub happened: BTreeMap<&'static str, u32>,
    /// Everything noted, with the virtual time in seconds.
    pub events: Vec<String>,
}

impl Report {
    /// How often a fault happened.
    #[must_use]
    pub fn times(&self, name: &str) -> u32 {
        self.happened.get(name).copied().unwrap_or(0)
    }
}

/// A run that found something.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Repeats the run.
    pub seed: u64,
    /// What was found.
    pub what: String,
    /// Everything noted until then, with the virtual time in seconds.
    pub events: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = match seeds::are_all_events_asked_for() {
            true => 0,
            false => self.events.len().saturating_sub(EVENTS_SHOWN),
        };
        let shown = &self.events[hidden..];
        writeln!(f, "the last {} of {} events:", shown.len(), self.events.len())?;
        for event in shown {
            writeln!(f, "{event}")?;
        }
        let (what, seed) = (&self.what, self.seed);
        write!(f, "{what}\nrun it again with VARVE_SIM_SEED={seed}, and VARVE_SIM_EVENTS=1 for all")
    }
}

impl Error for Failure {}
