//! The simulated wall clock: a fixed day, plus the virtual time that has passed, plus a skew.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::time::Instant;
use varve_types::TimestampNs;

use crate::Clock;

/// Where simulated time begins: 2030-01-01T00:00:00Z.
pub const EPOCH: TimestampNs = TimestampNs(1_893_456_000_000_000_000);

/// No turmoil host has asked yet.
const NEVER: i64 = -1;

/// One machine's clock, in the hand of the test. Clones are the same clock.
#[derive(Clone)]
pub struct SimClock(Arc<Hands>);

struct Hands {
    skew_ns: AtomicI64,
    /// The virtual time at which a turmoil host last asked.
    asked_ns: AtomicI64,
    /// Counts the virtual time of a paused tokio runtime, outside of turmoil.
    made: Instant,
}

impl Default for SimClock {
    fn default() -> Self {
        Self::new()
    }
}

impl SimClock {
    /// A clock that goes right.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Hands {
            skew_ns: AtomicI64::new(0),
            asked_ns: AtomicI64::new(NEVER),
            made: Instant::now(),
        }))
    }

    /// Lets the clock be wrong by so many nanoseconds, from now on.
    pub fn set_skew_ns(&self, skew_ns: i64) {
        self.0.skew_ns.store(skew_ns, Ordering::Relaxed);
    }

    /// The clock as a node gets it.
    #[must_use]
    pub fn clock(&self) -> Clock {
        let clock = self.clone();
        Clock::from_fn(move || clock.now())
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> TimestampNs {
        let skew_ns = self.0.skew_ns.load(Ordering::Relaxed);
        TimestampNs(EPOCH.0.saturating_add(self.elapsed_ns()).saturating_add(skew_ns))
    }

    fn elapsed_ns(&self) -> i64 {
        if let Some(elapsed) = turmoil::sim_elapsed() {
            let elapsed_ns = i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX);
            self.0.asked_ns.store(elapsed_ns, Ordering::Relaxed);
            return elapsed_ns;
        }
        match self.0.asked_ns.load(Ordering::Relaxed) {
            NEVER => i64::try_from(self.0.made.elapsed().as_nanos()).unwrap_or(i64::MAX),
            // A destructor of a host that is being torn down: no time passes for it.
            asked_ns => asked_ns,
        }
    }
}

impl fmt::Debug for SimClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimClock")
    }
}
