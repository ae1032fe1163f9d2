//! The one history that all clients of a run and its nemesis write, by the clock of this process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::{Action, History, Kind, Process};

/// Cloning shares it.
#[derive(Clone, Debug)]
pub struct Recorder {
    begun: Instant,
    recorded: Arc<Mutex<Recorded>>,
}

#[derive(Debug, Default)]
struct Recorded {
    history: History,
    processes: u64,
    wrong: Vec<String>,
}

impl Recorder {
    /// One whose time begins now.
    #[must_use]
    pub fn begin() -> Self {
        Self { begun: Instant::now(), recorded: Arc::default() }
    }

    /// A process that did nothing yet.
    #[must_use]
    pub fn process(&self) -> Process {
        let mut recorded = self.lock();
        recorded.processes += 1;
        Process::Client(recorded.processes)
    }

    /// Adds an operation that happens now. Whoever begins a call notes that before, and its end
    /// after: what is noted lasts longer than what happened, never shorter.
    pub fn note(&self, process: Process, kind: Kind, action: Action, error: Option<String>) {
        let mut recorded = self.lock();
        // Read with the lock held, so that the order of operations is that of their times.
        let time_ns = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        recorded.history.push_with(time_ns, process, kind, action, error);
    }

    /// Adds something that the nemesis did.
    pub fn note_fault(&self, name: &str, detail: String) {
        let fault = Action::Fault { name: name.to_owned(), detail };
        self.note(Process::Nemesis, Kind::Info, fault, None);
    }

    /// Adds an answer that no promise allows, whatever else happened, and that no checker sees.
    pub fn note_wrong(&self, what: String) {
        self.lock().wrong.push(what);
    }

    /// All of it so far, and what [`Recorder::note_wrong`] was told.
    #[must_use]
    pub fn so_far(&self) -> (History, Vec<String>) {
        let recorded = self.lock();
        (recorded.history.clone(), recorded.wrong.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
