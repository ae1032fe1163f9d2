//! How long to wait before trying again.

use std::time::Duration;

use rand::Rng;

/// When to try again, and when to give up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The wait after the first failure, on average; it doubles with each further one.
    pub first_wait: Duration,
    /// No wait is longer, unless the server asks for a longer one.
    pub wait_max: Duration,
    /// Give up when nothing has succeeded for this long.
    pub patience: Duration,
    /// An answer that takes longer is taken for a lost connection.
    pub answer_timeout: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_millis(50),
            wait_max: Duration::from_secs(5),
            patience: Duration::from_secs(60),
            answer_timeout: Duration::from_secs(40),
        }
    }
}

/// Waits between attempts: doubling, and spread so that many clients do not come back at once.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    policy: RetryPolicy,
    failures: u32,
}

impl Backoff {
    pub(crate) const fn new(policy: RetryPolicy) -> Self {
        Self { policy, failures: 0 }
    }

    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after one more failure: from half to one and a half times the policy's, and at
    /// least what the server asked for.
    pub(crate) fn next_wait(&mut self, asked: Option<Duration>) -> Duration {
        let doubled = self.policy.first_wait.saturating_mul(1 << self.failures.min(16));
        self.failures += 1;
        let spread = rand::rng().random_range(0.5..1.5);
        let own = doubled.min(self.policy.wait_max).mul_f64(spread);
        own.max(asked.unwrap_or_default())
    }
}
