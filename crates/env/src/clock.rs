//! The wall clock.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use varve_types::TimestampNs;

/// Tells the time of day. It may jump; nothing that must be monotonic may rest on it alone.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> TimestampNs + Send + Sync>);

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::from_fn(|| {
            #[expect(clippy::disallowed_methods, reason = "this is the one place for it")]
            let now = SystemTime::now();
            let ns = match now.duration_since(UNIX_EPOCH) {
                Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
                Err(before) => {
                    i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |ns| -ns)
                }
            };
            TimestampNs(ns)
        })
    }

    /// A clock that answers what the function does.
    pub fn from_fn(now: impl Fn() -> TimestampNs + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> TimestampNs {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
