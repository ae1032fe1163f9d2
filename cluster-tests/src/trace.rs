//! The running digest of what happens in a simulation.

use std::cell::RefCell;
use std::fmt;
use std::time::Duration;

use xxhash_rust::xxh3::Xxh3;

/// XXH3-128 over all events of a run, in order, each with its virtual time. Two runs of one seed
/// have the same; if they do not, something reads the world past `env`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceDigest(pub u128);

impl fmt::Display for TraceDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

thread_local! {
    static TRACE: RefCell<Option<Trace>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Trace {
    hasher: Box<Xxh3>,
    events: Vec<String>,
    /// The time between steps, where no host is there to ask.
    between_steps: Option<Duration>,
}

/// Adds an event to the trace of the simulation that runs on this thread; outside of one, does
/// nothing.
pub fn note(text: impl fmt::Display) {
    // Formatting comes first: it may itself note something.
    let text = text.to_string();
    let _gone = TRACE.try_with(|trace| {
        let Ok(mut trace) = trace.try_borrow_mut() else { return };
        let Some(trace) = trace.as_mut() else { return };
        let now = trace.between_steps.or_else(turmoil::sim_elapsed).unwrap_or_default();
        trace.hasher.update(&now.as_nanos().to_le_bytes());
        trace.hasher.update(&(text.len() as u64).to_le_bytes());
        trace.hasher.update(text.as_bytes());
        trace.events.push(format!("{:>12.6} {text}", now.as_secs_f64()));
    });
}

/// Begins the trace of this thread.
pub(crate) fn start() {
    TRACE.set(Some(Trace::default()));
}

/// Tells the time at which the harness acts between steps; `None` when hosts go on.
pub(crate) fn between_steps(elapsed: Option<Duration>) {
    TRACE.with_borrow_mut(|trace| {
        if let Some(trace) = trace {
            trace.between_steps = elapsed;
        }
    });
}

/// Ends the trace of this thread: its digest and its events.
pub(crate) fn finish() -> (TraceDigest, Vec<String>) {
    let trace = TRACE.take().unwrap_or_default();
    (TraceDigest(trace.hasher.digest128()), trace.events)
}
