//! The one history that all clients of a simulation write.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use varve_jepsen::checker::{Limits, Verdict, check};
use varve_jepsen::history::{Action, History, Kind, Process};

/// Cloning shares it.
#[derive(Clone, Default)]
pub(super) struct Recorder(Arc<Mutex<Recorded>>);

#[derive(Default)]
struct Recorded {
    history: History,
    last_ns: u64,
    processes: u64,
}

impl Recorder {
    /// A process that did nothing yet.
    pub(super) fn process(&self) -> Process {
        let mut recorded = self.lock();
        recorded.processes += 1;
        Process::Client(recorded.processes)
    }

    pub(super) fn note(&self, process: Process, kind: Kind, action: Action, error: Option<String>) {
        let mut recorded = self.lock();
        // Hosts take turns within a step of the simulation, and the clock of the next one may be a
        // little behind. What it does comes after what was done all the same.
        let now = turmoil::sim_elapsed().unwrap_or_default();
        let now_ns = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        recorded.last_ns = recorded.last_ns.max(now_ns);
        let time_ns = recorded.last_ns;
        recorded.history.push_with(time_ns, process, kind, action, error);
    }

    /// What the checkers say of all that happened.
    pub(super) fn verdicts(&self) -> Vec<Verdict> {
        check(&self.lock().history, &Limits::default())
            .unwrap_or_else(|error| panic!("BUG: what was recorded is no history: {error}"))
    }

    fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
